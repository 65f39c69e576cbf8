"""Backgrounds of one number or one line: none, constant, and a straight line through the flanks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
