"""The ground under a whole lane: the level of the gaps on either side of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blotquant.geometry import Lane
from blotquant.weighing.background.base import Aperture, Array, Estimate, Ground, Surface
from blotquant.weighing.background.simple import Constant


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

    def fit(self, ground: Ground) -> _GapSurface:
        """Nothing is learnt before a lane is asked for."""
        return _GapSurface(self, ground)


@dataclass(frozen=True, eq=False)
class _GapSurface(Surface):
    method: Gaps
    ground: Ground

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
