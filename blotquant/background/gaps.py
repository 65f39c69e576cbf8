"""The ground under a whole lane: the level of the gaps on either side of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blotquant.background.base import Aperture, Array, Estimate, Ground
from blotquant.background.simple import Constant
from blotquant.geometry import Lane


@dataclass(frozen=True)
class Gaps:
    """Mean of the two gaps beside a lane, in bins of rows, joined by straight lines along the lane.

    Attributes
    ----------
    bin_pitches : float
        Height of a bin in lane pitches.
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
class _GapSurface:
    method: Gaps
    ground: Ground

    def under(self, aperture: Aperture) -> Estimate:
        """Level of the gaps along the aperture's rows; the picture's constant level where lanes leave no gap."""
        lane = aperture.lane
        if lane is None:
            return Constant().fit(self.ground).under(aperture)
        start, stop = aperture.box.row_start, aperture.box.row_stop
        left, right = self._side(lane, start, stop, -1), self._side(lane, start, stop, 1)
        counts, total = left[0] + right[0], left[1] + right[1]
        both = (left[0] > 0) & (right[0] > 0)
        free = both if both.any() else counts > 0
        if not free.any():
            return Constant().fit(self.ground).under(aperture)
        halves = (_mean(*left) + _mean(*right)) / 2
        level = np.where(both, halves, _mean(counts, total))[free]
        middles = self._bins(start, stop) + min(self._bin_rows, stop - start) / 2 - 0.5
        values = np.interp(np.arange(start, stop), middles[free], level)
        n = float(counts[free].sum())
        return Estimate(values[:, None], 1 / n, n)

    @property
    def _bin_rows(self) -> int:
        return max(2, round(self.method.bin_pitches * self.ground.lane_pitch))

    def _bins(self, start: int, stop: int) -> Array:
        return np.arange(start, stop, self._bin_rows, dtype=float)

    def _side(self, lane: Lane, start: int, stop: int, side: int) -> tuple[Array, Array]:
        """Number and sum of free pixels of one gap in each bin of rows."""
        bins = self._bins(start, stop)
        counts, total = np.zeros(len(bins)), np.zeros(len(bins))
        for k, first in enumerate(bins.astype(int)):
            rows = slice(first, min(first + self._bin_rows, stop))
            middle = (rows.start + rows.stop - 1) / 2
            cols = self._columns(lane, middle, side)
            usable = self.ground.usable[rows, cols]
            counts[k] = usable.sum()
            total[k] = np.where(usable, self.ground.signal[rows, cols], 0).sum(dtype=float)
        return counts, total

    def _columns(self, lane: Lane, row: float, side: int) -> slice:
        """Columns between the lane's edge and the neighbour's, not further than the reach."""
        center, width = float(lane.center_at(row)), float(lane.width_at(row))
        edge, far = center + side * width / 2, center + side * width * (0.5 + self.method.reach)
        for other in self.ground.lanes:
            if other.strip == lane.strip and other.number == lane.number + side:
                near = float(other.center_at(row)) - side * float(other.width_at(row)) / 2
                far = near if side * (near - far) < 0 else far
        low, high = (edge, far) if side > 0 else (far, edge)
        return slice(max(int(np.ceil(low)), 0), max(int(np.floor(high)) + 1, 0))


def _mean(counts: Array, total: Array) -> Array:
    return np.divide(total, counts, out=np.zeros_like(total), where=counts > 0)
