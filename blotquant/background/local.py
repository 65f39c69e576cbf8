"""The likeliest level under a band, given the free rows of its own lane and the gaps beside it: kriging.

Down the lane the ground is taken for a smooth random course shared with the gaps beside it, plus an uneven light of
the lane's own, plus noise and a straight line; how strong each is, is measured on the picture's own free rows. The
level under a band is then the best linear unbiased estimate, and its variance follows (Matheron 1963; Cressie 1993,
chapter 3). A constant and a ramp come back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blotquant.background.base import Aperture, Array, Estimate, Ground
from blotquant.background.roughness import Roughness, measure_roughness
from blotquant.background.simple import Constant
from blotquant.robust import robust_sd

CAUTION = 2.0
"""The ground's variances come from few free rows and are used as if they were known: variance by that much larger."""


class Course(NamedTuple):
    """Means of free pixels in bins of rows: where, how much, of how many pixels, and whether in the lane itself."""

    rows: Array
    means: Array
    counts: Array
    own: NDArray[np.bool_]

    @classmethod
    def empty(cls) -> Course:
        """Return a course without any bin."""
        return cls(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, bool))


@dataclass(frozen=True)
class Local:
    """Kriging along the lane, with the gaps at its sides as a second witness.

    Attributes
    ----------
    reach : float
        How far beyond the aperture free rows are used, in band heights; further where too few are free.
    bins : float
        Bins of rows in a band's height.
    side : float
        Width of the gap used on either side, as a part of the aperture's width, where neighbours leave it.
    min_bins : int
        Bins of the own lane that are enough.
    outlier : float
        Pixels so many SDs off (specks, dust) are left out.
    """

    reach: float = 1.5
    bins: float = 5.0
    side: float = 0.2
    min_bins: int = 5
    outlier: float = 5.0
    name: str = "local"

    def fit(self, ground: Ground) -> LocalSurface:
        """Measure how rough the ground is; levels are estimated when a band is asked for."""
        return LocalSurface(self, ground, measure_roughness(ground))


@dataclass(frozen=True, eq=False)
class LocalSurface:
    """The method on one picture."""

    method: Local
    ground: Ground
    rough: Roughness

    def under(self, aperture: Aperture) -> Estimate:
        """Best linear unbiased estimate of the level along the aperture's rows."""
        course = self._course(aperture)
        if len(course.rows) < 3:
            return Constant().fit(self.ground).under(aperture)
        return _krige(course, aperture, self.rough)

    def _course(self, aperture: Aperture) -> Course:
        """Free rows above and below; the window grows until the lane, or failing that its sides, say enough."""
        box, height = aperture.box, self.ground.band_height
        n_rows, reach = self.ground.signal.shape[0], self.method.reach * height
        left, right = self._gaps(aperture)
        while True:
            start, stop = max(int(box.row_start - reach), 0), min(int(box.row_stop + reach) + 1, n_rows)
            own = self._zone(start, stop, (box.col_start, box.col_stop))
            whole = start == 0 and stop == n_rows
            sides = self._both_sides(start, stop, left, right)
            two_sided = (own.rows < box.row_start).any() and (own.rows >= box.row_stop).any()
            if (
                whole
                or (len(own.rows) >= self.method.min_bins and two_sided)
                or len(own.rows) + len(sides.rows) > 60
            ):
                return Course(*(np.concatenate(pair) for pair in zip(own, sides, strict=True)))
            reach *= 1.6

    def _gaps(self, aperture: Aperture) -> tuple[tuple[int, int], tuple[int, int]]:
        """Columns of the gaps to the left and right of the aperture, up to the neighbouring lanes."""
        box, wide = aperture.box, max(round(self.method.side * aperture.shape[1]), 3)
        low, high = box.col_start - wide, box.col_stop + wide
        own = aperture.lane
        for lane in self.ground.lanes:
            if own is None or lane.strip != own.strip or abs(lane.number - own.number) != 1:
                continue
            center = float(lane.center_at(aperture.center[0]))
            half = float(lane.width_at(aperture.center[0])) / 2
            if lane.number < own.number:
                low = max(low, int(np.ceil(center + half)))
            else:
                high = min(high, int(center - half) + 1)
        return (max(low, 0), box.col_start), (box.col_stop, min(high, self.ground.signal.shape[1]))

    def _zone(self, start: int, stop: int, cols: tuple[int, int], *, own: bool = True) -> Course:
        """Bin the free pixels of some columns by rows, specks left out."""
        part = slice(start, stop), slice(*cols)
        usable = self.ground.usable[part]
        pixels = np.where(usable, self.ground.signal[part], 0.0).astype(float)
        counts = usable.sum(axis=1).astype(float)
        # A few columns of a slanting mask's corner do not speak for the row.
        counts[counts < 0.3 * usable.shape[1]] = 0
        if counts.sum() < 3:
            return Course.empty()
        kept = self._without_specks(pixels, usable & (counts > 0)[:, None])
        counts, sums = kept.sum(axis=1).astype(float), np.where(kept, pixels, 0.0).sum(axis=1)
        first = np.arange(0, len(counts), max(1, round(self.ground.band_height / self.method.bins)))
        n = np.add.reduceat(counts, first)
        total, moment = np.add.reduceat(sums, first), np.add.reduceat(counts * np.arange(start, stop), first)
        n, total, moment = n[n > 0], total[n > 0], moment[n > 0]
        return Course(moment / n, total / n, n, np.full(len(n), own))

    def _without_specks(self, pixels: Array, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        counts = usable.sum(axis=1)
        means = pixels.sum(axis=1, where=usable) / np.maximum(counts, 1)
        off = np.where(usable, pixels - means[:, None], 0.0)
        scale = max(robust_sd(off[usable]), self.ground.noise)
        return usable & (np.abs(off) <= self.method.outlier * scale)

    def _both_sides(self, start: int, stop: int, left: tuple[int, int], right: tuple[int, int]) -> Course:
        """Mean of the two gaps where both are free, so that a slope across the lane cancels."""
        a, b = (
            self._zone(start, stop, cols, own=False) if cols[1] - cols[0] >= 2 else None
            for cols in (left, right)
        )
        if a is None or b is None or not len(a.rows) or not len(b.rows):
            return Course.empty()
        at = np.round(a.rows), np.round(b.rows)
        _, i, j = np.intersect1d(*at, return_indices=True)
        counts = 4 / (1 / a.counts[i] + 1 / b.counts[j])
        return Course(
            (a.rows[i] + b.rows[j]) / 2, (a.means[i] + b.means[j]) / 2, counts, np.zeros(len(i), bool)
        )


def _krige(course: Course, aperture: Aperture, rough: Roughness) -> Estimate:
    """Universal kriging with a straight line; variances in units of the pixel noise."""
    rows = np.arange(aperture.box.row_start, aperture.box.row_stop, dtype=float)
    share = aperture.weights.sum(axis=1)
    share = share / share.sum() if share.sum() > 0 else np.full(len(rows), 1 / len(rows))
    unit = rough.pixel or max(float(np.abs(course.means).max()) ** 2 * 1e-12, 1e-300)
    # Bins of a course share small-scale texture that does not average out over columns.
    noise = rough.pixel / course.counts + rough.row
    covariance = rough.covariance(course.rows, course.own, course.rows, course.own) / unit
    covariance[np.diag_indices_from(covariance)] += np.maximum(noise / unit, 1e-9)
    cross = rough.covariance(rows, np.ones(len(rows), bool), course.rows, course.own) / unit
    middle, length = float(share @ rows), max(float(np.ptp(course.rows)), 1.0)
    trend = np.column_stack([np.ones(len(course.rows)), (course.rows - middle) / length])
    level = float(course.means.mean())
    solved = np.linalg.solve(covariance, np.column_stack([trend, course.means - level, cross.T @ share]))
    normal = trend.T @ solved[:, :2]
    # Rows on one side only, or a single one, leave the slope open: a faint prior keeps it at 0.
    normal[1, 1] += 1e-9 * normal[0, 0] + 1e-12
    beta = np.linalg.solve(normal, trend.T @ solved[:, 2])
    residual = solved[:, 2] - solved[:, :2] @ beta
    values = level + beta[0] + beta[1] * (rows - middle) / length + cross @ residual
    weights = solved[:, 3] + solved[:, :2] @ np.linalg.solve(
        normal, np.array([1.0, 0.0]) - trend.T @ solved[:, 3]
    )
    pixel_part = float((weights**2 / course.counts).sum())
    here = np.ones(len(rows), bool)
    own = float(share @ rough.covariance(rows, here, rows, here) @ share) / unit
    covariance[np.diag_indices_from(covariance)] -= rough.pixel / unit / course.counts
    bend = max(own - 2 * float(weights @ (cross.T @ share)) + float(weights @ covariance @ weights), 0.0)
    return Estimate(
        values[:, None], pixel_part, float(course.counts.sum()), float(np.sqrt(CAUTION * bend * unit))
    )
