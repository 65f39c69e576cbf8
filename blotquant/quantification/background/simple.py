"""Backgrounds of one number or one line: none, constant, and a straight line through the flanks.

The ground under a whole lane: the level of the gaps on either side of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Lane
from blotquant.quantification.background.base import Aperture, Array, BackgroundPixels, Estimate, FittedBackground

MEDIAN_COST = np.pi / 2
"""Variance of a median against that of a mean, for normal noise."""


@dataclass(frozen=True)
class NoBackground:
    """No background at all: the volume is the raw sum."""

    name: str = "none"

    def fit(self, ground: BackgroundPixels) -> _Constant:
        """Nothing to learn from the picture."""
        return _Constant(value=0.0, leverage=0.0, n_pixels=float(ground.signal.size))


@dataclass(frozen=True)
class Constant:
    """One level for the whole picture: the median of all pixels that no band covers."""

    name: str = "constant"

    def fit(self, ground: BackgroundPixels) -> _Constant:
        """Take the median of the cells, each by its usable pixels."""
        cells = ground.grid.count > 0
        n = float(ground.grid.count.sum())
        if not cells.any():
            return _Constant(value=float(np.median(ground.signal)), leverage=1.0, n_pixels=0.0)
        value = weighted_median(ground.grid.mean[cells], ground.grid.count[cells])
        return _Constant(value=value, leverage=MEDIAN_COST / n, n_pixels=n)


@dataclass(frozen=True)
class _Constant(FittedBackground):
    value: float
    leverage: float
    n_pixels: float

    def under(self, aperture: Aperture) -> Estimate:
        return Estimate(np.full(aperture.shape, self.value), self.leverage, self.n_pixels)


@dataclass(frozen=True)
class Flank:
    """A straight line down the lane, through the free pixels above and below the band (all bands left out).

    Attributes
    ----------
    reach : float
        How far the flanks go beyond the aperture at first, in aperture heights; doubled until enough is found.
    min_pixels : int
        Pixels that are enough.
    """

    reach: float = 1.5
    min_pixels: int = 60
    name: str = "flank"

    def fit(self, ground: BackgroundPixels) -> _Flanks:
        """Nothing is learnt before a band is asked for."""
        return _Flanks(self, ground)


@dataclass(frozen=True, eq=False)
class _Flanks(FittedBackground):
    method: Flank
    ground: BackgroundPixels

    def under(self, aperture: Aperture) -> Estimate:
        box, cells, n_rows = aperture.box, self.ground.cells, self.ground.signal.shape[0]
        reach = self.method.reach * max(aperture.shape[0], 1)
        while True:
            start, stop = max(box.row_start - reach, 0.0), min(box.row_stop + reach + 1, float(n_rows))
            course = cells.read(box.col_start, box.col_stop, cells.bins(start, stop))
            n = float(course.counts.sum())
            if n >= self.method.min_pixels or (start == 0 and stop == n_rows):
                break
            reach *= 2
        if n < 3 or 0 in aperture.shape:
            fallback = Constant().fit(self.ground)
            return Estimate(np.full(aperture.shape, fallback.value), 1.0, n)
        return _line(course.rows, course.means * course.counts, course.counts, aperture)


def _line(rows: Array, sums: Array, count: Array, aperture: Aperture) -> Estimate:
    """Least-squares line through row sums, and its value along the aperture's rows."""
    n, middle = count.sum(), float((rows * count).sum() / count.sum())
    spread = float((count * (rows - middle) ** 2).sum())
    mean = float(sums.sum() / n)
    box = aperture.box
    at = np.arange(box.row_start, box.row_stop, dtype=float)
    above, below = np.searchsorted(rows, (box.row_start, box.row_stop))
    both_sides = bool(count[:above].sum() >= 3 and count[below:].sum() >= 3)
    slope = float(((rows - middle) * (sums - mean * count)).sum() / spread) if both_sides else 0.0
    values = (mean + slope * (at - middle))[:, None]
    offset = aperture.middle_row - middle
    leverage = 1 / n + (offset**2 / spread if both_sides else 0.0)
    return Estimate(values, float(leverage), float(n))


def weighted_median(values: Array, weights: Array) -> float:
    """Median of values that count by their weights."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    below = int(np.searchsorted(total, total[-1] / 2, side="left"))
    above = int(np.searchsorted(total, total[-1] / 2, side="right"))
    ranked = values[order]
    return float((ranked[below] + ranked[above]) / 2)


@dataclass(frozen=True)
class Gaps:
    """Mean of the two gaps beside a lane, in equal bins of rows, joined by straight lines along the lane.

    Attributes
    ----------
    bin_pitches : float
        Largest height of a bin in lane pitches.
    reach : float
        Width of the gap that is used on the outer sides, as a part of the lane's width.
    """

    bin_pitches: float = 0.5
    reach: float = 0.25
    name: str = "gaps"

    def fit(self, ground: BackgroundPixels) -> _GapSurface:
        """Nothing is learnt before a lane is asked for."""
        return _GapSurface(self, ground)


@dataclass(frozen=True, eq=False)
class _GapSurface(FittedBackground):
    method: Gaps
    ground: BackgroundPixels

    def under(self, aperture: Aperture) -> Estimate:
        """Level of the gaps along the aperture's rows; the picture's constant level where lanes leave no gap."""
        lane = aperture.lane
        if lane is None or 0 in aperture.shape:
            return Constant().fit(self.ground).under(aperture)
        start, stop = aperture.box.row_start, aperture.box.row_stop
        n_bins = -(-(stop - start) // self._bin_rows)
        edges = start + (stop - start) * np.arange(n_bins + 1) // n_bins
        left, right = self._side(lane, edges, -1), self._side(lane, edges, 1)
        counts, total = left[0] + right[0], left[1] + right[1]
        both = (left[0] > 0) & (right[0] > 0)
        free = both if both.any() else counts > 0
        if not free.any():
            return Constant().fit(self.ground).under(aperture)
        halves = (_mean(*left) + _mean(*right)) / 2
        level = np.where(both, halves, _mean(counts, total))[free]
        middles = (edges[:-1] + edges[1:] - 1) / 2
        values = np.interp(np.arange(start, stop), middles[free], level)
        n = float(counts[free].sum())
        return Estimate(values[:, None], 1 / n, n)

    @property
    def _bin_rows(self) -> int:
        return max(2, round(self.method.bin_pitches * self.ground.lane_pitch))

    def _side(self, lane: Lane, edges: NDArray[np.intp], side: int) -> tuple[Array, Array]:
        """Number and sum of free pixels of one gap in each bin of rows."""
        first, ends = edges[:-1], edges[1:]
        low, high = self._columns(lane, (first + ends - 1) / 2, side)
        high = np.minimum(high, self.ground.signal.shape[1])
        known = high > low
        if not known.any():
            return np.zeros(len(first)), np.zeros(len(first))
        box = slice(first[0], ends[-1]), slice(low[known].min(), high[known].max())
        cols, sizes = np.arange(box[1].start, box[1].stop), ends - first
        inside = (cols >= low[:, None]) & (cols < high[:, None])
        free = self.ground.usable[box] & np.repeat(inside, sizes, axis=0)
        starts = (first - first[0]) * len(cols)
        kept = np.where(free, self.ground.signal[box], 0)
        counts = np.add.reduceat(free.view(np.uint8).ravel(), starts, dtype=np.int64)
        return counts.astype(float), np.add.reduceat(kept.ravel(), starts, dtype=float)

    def _columns(self, lane: Lane, rows: Array, side: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Columns between the lane's edge and the neighbour's, not further than the reach, for each bin."""
        center, width = lane.center_at(rows), lane.width_at(rows)
        edge, far = center + side * width / 2, center + side * width * (0.5 + self.method.reach)
        for other in self.ground.beside(lane):
            if other.number == lane.number + side:
                near = other.center_at(rows) - side * other.width_at(rows) / 2
                far = np.where(side * (near - far) < 0, near, far)
        low, high = (edge, far) if side > 0 else (far, edge)
        return (
            np.maximum(np.ceil(low).astype(int), 0),
            np.maximum(np.floor(high).astype(int) + 1, 0),
        )


def _mean(counts: Array, total: Array) -> Array:
    return np.divide(total, counts, out=np.zeros_like(total), where=counts > 0)
