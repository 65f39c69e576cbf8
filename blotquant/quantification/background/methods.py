"""Backgrounds beside the default one, from the plainest on.

`NoBackground` and `Constant` are one number, `Flank` a straight line along the lane through free pixels beside a band,
`LaneBaseline` a smooth course along the whole lane (a masked Whittaker smoother). `RollingBall` is for those who must
reproduce old work: scale-free and bias-corrected; never the default.

References
----------
Eilers 2003 (the smoother); Sternberg 1983 (the ball). docs/methods.md, "Background".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from blotquant.model.geometry import Lane
from blotquant.quantification.background.background_pixels import read_lane
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
class LaneBaseline:
    """Whittaker baseline of the lane's profile with all bands masked.

    Attributes
    ----------
    stiffness : float
        Waves shorter than so many band heights are not followed.
    """

    stiffness: float = 6.0
    name: str = "lane"

    def fit(self, ground: BackgroundPixels) -> _LaneSurface:
        """Nothing is learnt before a lane is asked for."""
        return _LaneSurface(self, ground)


@dataclass(frozen=True, eq=False)
class _LaneSurface(FittedBackground):
    method: LaneBaseline
    ground: BackgroundPixels
    # Filled as lanes are asked for; the same lane always gives the same course, in any order and thread.
    courses: dict[str, tuple[Array, Array, float]] = field(default_factory=dict)

    def under(self, aperture: Aperture) -> Estimate:
        """Level of the lane's baseline along the aperture's rows; the flanks' line outside of lanes."""
        if aperture.lane is None:
            return Flank().fit(self.ground).under(aperture)
        known = self.courses.get(aperture.lane.id)
        if known is None:
            known = self.courses[aperture.lane.id] = self._baseline(aperture.lane)
        rows, level, free = known
        if free < 3:
            return Flank().fit(self.ground).under(aperture)
        values = np.interp(np.arange(aperture.box.row_start, aperture.box.row_stop), rows, level)
        reach = 0.5 * self.method.stiffness * self.ground.band_height
        n = max(free * reach / max(float(rows[-1] - rows[0]), reach), 1.0)
        return Estimate(values[:, None], 1 / n, n)

    def _baseline(self, lane: Lane) -> tuple[Array, Array, float]:
        step, course = self.ground.cells.steps[0], read_lane(self.ground.cells, lane)
        free = course.counts > 0
        if free.sum() < 3:
            return course.rows, course.means, 0.0
        middle = float(course.means[free].mean())
        centred = np.where(free, course.means - middle, 0.0)
        # Half of a wave's height passes where its length is 2 pi lam**(1/4).
        lam = (self.method.stiffness * self.ground.band_height / step / (2 * np.pi)) ** 4
        weights = course.counts / course.counts[free].mean()
        smooth = whittaker(centred, weights, lam)
        return self.ground.cells.middles(), smooth + middle, float(course.counts.sum())


def whittaker(values: Array, weights: Array, stiffness: float) -> Array:
    """Smooth values so that weighted misfit and squared second differences are least (Eilers 2003).

    The same as `pybaselines.utils.whittaker_smooth`, whose import costs more than all the lanes of a picture.

    Parameters
    ----------
    values, weights : ndarray, shape (n,)
        Three or more values; weight 0 where one is missing.
    stiffness : float
        Weight of the second differences.
    """
    from scipy.linalg import solveh_banded

    n = len(values)
    bands = np.zeros((3, n))
    # D'D of the second differences, upper diagonals as LAPACK wants them.
    bands[0, 2:] = 1.0
    bands[1, 1:] = -4.0
    bands[1, [1, -1]] = -2.0
    bands[2] = 6.0
    bands[2, [1, -2]] = 5.0
    bands[2, [0, -1]] = 1.0
    if n == 3:
        bands[2, 1] = 4.0
    bands *= stiffness
    bands[2] += weights
    return np.asarray(solveh_banded(bands, weights * values, check_finite=False))


BRIGHT = 0.99
"""Cells brighter than this part of all tell the scale of the counts."""

STANDS = 10.0
"""They stand so many of the ball's radii high: a lower ball would rise into bands."""


@dataclass(frozen=True, eq=False)
class CellSurface(FittedBackground):
    """Levels on a grid of cells, interpolated between their centres."""

    cells: Array
    step: int
    n_pixels: float

    def under(self, aperture: Aperture) -> Estimate:
        """Levels at every pixel of the aperture's box."""
        values = interpolate_cells(self.cells, self.step, aperture)
        return Estimate(values, MEDIAN_COST / max(self.n_pixels, 1.0), self.n_pixels)


def interpolate_cells(cells: Array, step: int, aperture: Aperture) -> Array:
    """Bilinear values of a cell grid at every pixel of an aperture's box; flat beyond the outermost centres."""
    box = aperture.box
    r0, r1, tr = _neighbours(np.arange(box.row_start, box.row_stop), step, cells.shape[0])
    c0, c1, tc = _neighbours(np.arange(box.col_start, box.col_stop), step, cells.shape[1])
    across0 = cells[r0[:, None], c0] * (1 - tc) + cells[r0[:, None], c1] * tc
    across1 = cells[r1[:, None], c0] * (1 - tc) + cells[r1[:, None], c1] * tc
    return np.asarray(across0 * (1 - tr[:, None]) + across1 * tr[:, None])


def _neighbours(pixels: np.ndarray, step: int, n: int) -> tuple[np.ndarray, np.ndarray, Array]:
    place = np.clip((pixels - (step - 1) / 2) / step, 0, n - 1)
    low = np.minimum(place.astype(int), max(n - 2, 0))
    return low, np.minimum(low + 1, n - 1), place - low


@dataclass(frozen=True)
class RollingBall:
    """A ball rolled under the picture's cells (Sternberg 1983), lifted to the middle of the noise.

    A ball has a height in counts, so that its answer would change with the file's scale. Here counts are taken in
    units in which the picture's bright cells stand ten radii above its median, whatever the scale.
    Rolling along the noise floor, the ball lies too low: the median gap to the free cells is given back.

    Attributes
    ----------
    heights, pitches : float
        Radius: the larger of so many band heights and so many lane pitches.
    """

    heights: float = 2.0
    pitches: float = 0.75
    name: str = "rolling_ball"

    def fit(self, ground: BackgroundPixels) -> CellSurface:
        """Roll the ball under the picture's cells, bands and all."""
        from skimage.restoration import rolling_ball

        grid = ground.grid
        finite = np.where(np.isfinite(ground.signal), ground.signal, 0)
        starts = [np.arange(0, n, grid.step) for n in finite.shape]
        cells = np.add.reduceat(np.add.reduceat(finite, starts[0], axis=0), starts[1], axis=1).astype(float)
        rows, cols = (np.diff([*start, n]) for start, n in zip(starts, finite.shape, strict=True))
        cells /= np.outer(rows, cols)
        radius = max(self.heights * ground.band_height, self.pitches * ground.lane_pitch) / grid.step
        middle = float(np.median(cells))
        unit = float(np.quantile(np.abs(cells - middle), BRIGHT)) / (STANDS * radius)
        rolled = rolling_ball((cells - middle) / unit, radius=radius) * unit + middle if unit > 0 else cells.copy()
        free = grid.count > 0
        lift = weighted_median((grid.mean - rolled)[free], grid.count[free]) if free.any() else 0.0
        return CellSurface(rolled + lift, grid.step, float((2 * np.ceil(radius) + 1) * grid.step) ** 2)
