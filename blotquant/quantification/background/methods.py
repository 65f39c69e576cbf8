"""Background methods: what each is asked and answers, and all beside the default one, from the plainest on.

`NoBackground` and `Constant` are one number, `Flank` a straight line along the lane through free pixels beside a band,
`LaneBaseline` a smooth course along the whole lane (a masked Whittaker smoother). `RollingBall` is for those who must
reproduce old work: scale-free and bias-corrected; never the default.

References
----------
Eilers 2003 (the smoother); Sternberg 1983 (the ball). docs/methods.md, "Background".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.model.geometry import Box, Lane
from blotquant.quantification.background.background_pixels import Array, BackgroundPixels, Course
from blotquant.quantification.background.row_shapes import OwnRows

MEDIAN_COST = np.pi / 2
"""Variance of a median against that of a mean, for normal noise."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Aperture:
    """The pixels that one band is measured over.

    Attributes
    ----------
    box : Box
        The pixels touched, cut to the picture.
    weights : ndarray, shape of `box`
        Covered part of each pixel, 0 to 1.
    lane : Lane or None
        The lane that it lies in.
    contested : ndarray or None, shape of `box`
        How far each pixel's light is in dispute with the bands of outlines that overlap this one
        (`blotquant.doublets.overlaps`); None where none does.
    doubt : float
        SD of this band's part of the contested light.
    whole : ndarray or None, shape of `box`
        Covered part of each pixel by an outline that the two bands of a doublet have in common.
    band : str
        Id of the band, where it is one of a layout.
    """

    box: Box
    weights: Array
    lane: Lane | None = None
    contested: Array | None = None
    doubt: float = 0.0
    whole: Array | None = None
    band: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the box."""
        return self.box.row_stop - self.box.row_start, self.box.col_stop - self.box.col_start

    @cached_property
    def cover(self) -> Array:
        """Covered pixels of each row of the box."""
        return np.asarray(self.weights.sum(axis=1))

    @cached_property
    def area(self) -> float:
        """Covered pixels."""
        return float(self.cover.sum())

    @cached_property
    def tall(self) -> Array:
        """Covered pixels of each column of the box."""
        return np.asarray(self.weights.sum(axis=0))

    @cached_property
    def filled(self) -> NDArray[np.intp]:
        """Columns of the box that are more than half as tall as the tallest."""
        return np.flatnonzero(self.tall > 0.5 * self.tall.max(initial=0.0))

    @property
    def middle_row(self) -> float:
        """Row of the middle of the box."""
        return (self.box.row_start + self.box.row_stop - 1) / 2


@dataclass(frozen=True, eq=False, slots=True)
class Estimate:
    """The background under one aperture.

    Attributes
    ----------
    values : ndarray
        Counts for each pixel of the aperture's box, or of a shape that broadcasts to it.
    leverage : float
        Variance of the mean background in units of one pixel's variance: kappa / n_b of the variance formula.
    n_pixels : float
        Pixels that carry it.
    model_sd : float
        SD of the mean background that is not pixel noise: how far it may bend unseen under the band. In counts.
    shape_sd : float
        SD of the mean background for what is not known of the light of the band above it, where the band's own rows
        tell the background too. In counts; an empty aperture has none.
    shared : float
        Covariance of the mean background with the aperture's own sum of counts, in units of one pixel's variance, where
        its own rows tell the background.
    """

    values: Array
    leverage: float
    n_pixels: float
    model_sd: float = 0.0
    shape_sd: float = 0.0
    shared: float = 0.0


class FittedBackground(ABC):
    """A background method, fitted to one picture when it is made; the picture is left as it is.

    To add one: a class with its `name` and `under`, and an entry in `BACKGROUNDS`.
    """

    name: ClassVar[str] = ""
    """As it stands in settings and tables."""

    def __init__(self, ground: BackgroundPixels) -> None:
        self.ground = ground

    @abstractmethod
    def under(self, aperture: Aperture) -> Estimate:
        """Background under one aperture."""

    def under_all(self, apertures: Sequence[Aperture]) -> list[Estimate]:
        """Background under many apertures, each as `under` gives it."""
        return [self.under(aperture) for aperture in apertures]


class Constant(FittedBackground):
    """One level for the whole picture: the median of its cells, each by the pixels in it that no band covers."""

    name = "constant"

    def __init__(self, ground: BackgroundPixels) -> None:
        mean, count, _ = ground.grid
        cells, self.n_pixels = count > 0, float(count.sum())
        self.level, self.leverage = (
            (weighted_median(mean[cells], count[cells]), MEDIAN_COST / self.n_pixels)
            if cells.any()
            else (float(np.median(ground.signal)), 1.0)
        )

    def under(self, aperture: Aperture) -> Estimate:
        """The same everywhere."""
        return Estimate(np.full(aperture.shape, self.level), self.leverage, self.n_pixels)


class NoBackground(Constant):
    """No background at all: the volume is the raw sum."""

    name = "none"

    def __init__(self, ground: BackgroundPixels) -> None:
        self.level, self.leverage, self.n_pixels = 0.0, 0.0, float(ground.signal.size)


class Flank(FittedBackground):
    """A straight line down the lane, through the free pixels above and below the band (all bands left out).

    Parameters
    ----------
    reach : float
        How far the flanks go beyond the aperture at first, in aperture heights; doubled until enough is found.
    min_pixels : int
        Pixels that are enough.
    reach_told : float
        How far they go where the band's own rows tell the ground too: it need not be straight any farther.
    """

    name = "flank"

    def __init__(
        self, ground: BackgroundPixels, *, reach: float = 1.5, min_pixels: int = 60, reach_told: float = 0.5
    ) -> None:
        self.ground, self.reach, self.min_pixels, self.reach_told = ground, reach, min_pixels, reach_told

    def under(self, aperture: Aperture) -> Estimate:
        """Level of the line along the aperture's rows; the picture's level where fewer than three pixels are free."""
        return self.under_all([aperture])[0]

    def under_all(self, apertures: Sequence[Aperture]) -> list[Estimate]:
        """The same under many apertures at once."""
        cells, n_rows = self.ground.cells, self.ground.signal.shape[0]
        top, bottom, left, right = np.array([a.box for a in apertures], float).reshape(-1, 4).T
        reach, found = self.reach * np.maximum(bottom - top, 1), [Estimate(np.zeros(0), 1.0, 0.0)] * len(apertures)
        growing = np.arange(len(apertures))
        while len(growing):
            start = np.maximum(top - reach, 0.0)[growing]
            stop = np.minimum(bottom + reach + 1, float(n_rows))[growing]
            bins, inside = cells.windows(start, stop)
            rows, means, counts = cells.read(left[growing, None], right[growing, None], bins)
            counts = counts * inside
            # Enough pixels, or all that the picture has.
            done = (counts.sum(axis=1) >= self.min_pixels) | ((start == 0) & (stop == n_rows))
            asked = [apertures[k] for k in growing[done]]
            for k, estimate in zip(growing[done], _lines(rows[done], means[done], counts[done], asked), strict=True):
                found[k] = estimate
            growing, reach = growing[~done], 2 * reach
        told = [self.ground.own_rows(a.band) if 0 not in a.shape else None for a in apertures]
        told_nothing = [k for k, a in enumerate(apertures) if not told[k] and (found[k].n_pixels < 3 or 0 in a.shape)]
        level = Constant(self.ground).level if told_nothing else 0.0
        for k in told_nothing:
            found[k] = Estimate(np.full(apertures[k].shape, level), 1.0, found[k].n_pixels)
        for k, own in enumerate(told):
            if own is not None:
                more = self.reach_told * (bottom[k] - top[k])
                first, last = max(top[k] - more, 0.0), min(bottom[k] + more + 1, float(n_rows))
                near = slice(int(first // cells.steps[0]), int(-(-last // cells.steps[0])))
                free = cells.read(left[k], right[k], near)
                found[k] = _line_under(own, free, apertures[k], self.ground.rough.pixel)
        return found


def _lines(rows: Array, means: Array, counts: Array, apertures: Sequence[Aperture]) -> list[Estimate]:
    """Least-squares lines through means of bins, one line a row, and their values along the apertures' rows."""
    n = counts.sum(axis=1)
    safe = np.maximum(n, 1.0)
    middle, mean = (rows * counts).sum(axis=1) / safe, (means * counts).sum(axis=1) / safe
    off = (rows - middle[:, None]) * counts
    spread, rise = (off * (rows - middle[:, None])).sum(axis=1), (off * (means - mean[:, None])).sum(axis=1)
    top, bottom = np.array([(a.box.row_start, a.box.row_stop) for a in apertures]).reshape(-1, 2).T
    above, below = (counts * (rows < top[:, None])).sum(axis=1), (counts * (rows >= bottom[:, None])).sum(axis=1)
    # A slope needs pixels on both sides.
    has_slope = (above >= 3) & (below >= 3)
    slope = np.where(has_slope, rise / np.where(has_slope, spread, 1.0), 0.0)
    offset = (top + bottom - 1) / 2 - middle
    leverage = 1 / safe + np.where(has_slope, offset**2 / np.where(has_slope, spread, 1.0), 0.0)
    return [
        Estimate(
            (mean[k] + slope[k] * (np.arange(top[k], bottom[k]) - middle[k]))[:, None], float(leverage[k]), float(n[k])
        )
        for k in range(len(apertures))
    ]


def _line_under(own: OwnRows, free: Course, aperture: Aperture, pixel: float) -> Estimate:
    """Line and bands' heights that fit a band's own rows and the free ones beside them best, and the line's values.

    Generalised least squares: what is not known of the band's shape is noise that its rows have in common.
    """
    beside = (free.counts > 0) & ((free.rows < own.rows[0]) | (free.rows > own.rows[-1]))
    rows, means, counts = (np.concatenate([a[beside], b]) for a, b in zip(free, own[:3], strict=True))
    pixel = max(pixel, 1e-12 * float(np.abs(means).max()) ** 2)
    covariance, design = np.diag(pixel / counts), np.ones((len(rows), 2 + own.shapes.shape[1]))
    n = len(own.rows)
    covariance[-n:, -n:] += own.doubt
    design[:, 1], design[:, 2:] = rows - aperture.middle_row, 0.0
    design[-n:, 2:] = own.shapes
    solved = np.linalg.solve(covariance, design)
    weights = np.linalg.pinv(design.T @ solved, hermitian=True) @ solved.T
    level, slope = (weights @ means)[:2]
    at = np.arange(aperture.box.row_start, aperture.box.row_stop) - aperture.middle_row
    return Estimate((level + slope * at)[:, None], float((weights[0] ** 2 / counts).sum()), float(counts.sum()))


def weighted_median(values: Array, weights: Array) -> float:
    """Median of values that count by their weights."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    below = int(np.searchsorted(total, total[-1] / 2, side="left"))
    above = int(np.searchsorted(total, total[-1] / 2, side="right"))
    ranked = values[order]
    return float((ranked[below] + ranked[above]) / 2)


class LaneBaseline(FittedBackground):
    """Whittaker baseline of the lane's profile with all bands masked.

    Parameters
    ----------
    stiffness : float
        Waves shorter than so many band heights are not followed.
    stiffness_told : float
        The same in lanes where bands' own rows tell the ground too, so that no masks have to be bridged.
    """

    name = "lane"

    def __init__(self, ground: BackgroundPixels, *, stiffness: float = 6.0, stiffness_told: float = 2.0) -> None:
        self.ground, self.stiffness, self.stiffness_told = ground, stiffness, stiffness_told
        # Filled as lanes are asked for; the same lane always gives the same course, in any order and thread.
        self.courses: dict[str, tuple[Array, Array, float]] = {}

    def under(self, aperture: Aperture) -> Estimate:
        """Level of the lane's baseline along the aperture's rows; the flanks' line outside of lanes."""
        if aperture.lane is None:
            return Flank(self.ground).under(aperture)
        known = self.courses.get(aperture.lane.id)
        if known is None:
            known = self.courses[aperture.lane.id] = self._baseline(aperture.lane)
        rows, level, free = known
        if free < 3:
            return Flank(self.ground).under(aperture)
        values = np.interp(np.arange(aperture.box.row_start, aperture.box.row_stop), rows, level)
        reach = 0.5 * self.stiffness * self.ground.band_height
        n = max(free * reach / max(float(rows[-1] - rows[0]), reach), 1.0)
        return Estimate(values[:, None], 1 / n, n)

    def _baseline(self, lane: Lane) -> tuple[Array, Array, float]:
        """Rows, level and free pixels of a lane; no pixels where fewer than three bins are free."""
        step, course = self.ground.cells.steps[0], self.ground.cells.read_lane(lane)
        free = course.counts > 0
        if free.sum() < 3:
            return course.rows, course.means, 0.0
        middle = float(course.means[free].mean())
        centred, counts = np.where(free, course.means - middle, 0.0), course.counts.copy()
        told, lights = self.ground.own_rows_in(lane), []
        for own in told:
            at = np.floor((own.rows + 0.5) / step).astype(int)
            # Pixels that each bin is worth, with the doubt about the band's light as noise of its own.
            pixel = max(self.ground.rough.pixel, 1e-12 * float(np.abs(own.means).max()) ** 2)
            centred[at], counts[at] = own.means - middle, pixel / (pixel / own.counts + np.diagonal(own.doubt))
            lights += [np.bincount(at, shape, len(centred)) for shape in own.shapes.T]
        # Half of a wave's height passes where its length is 2 pi lam**(1/4).
        shortest = (self.stiffness_told if told else self.stiffness) * self.ground.band_height
        lam, weights = (shortest / step / (2 * np.pi)) ** 4, counts / course.counts[free].mean()
        if not told:
            level = whittaker(centred, weights, lam)
            return self.ground.cells.middles(), level + middle, float(course.counts.sum())
        # The bands' heights that leave least beside the smooth course are taken off with them.
        bands = np.array(lights).reshape(len(lights), len(centred)).T
        smooth, spread = np.split(whittaker(np.column_stack([centred, bands]), weights, lam), [1], axis=1)
        weighted = weights[:, None] * bands
        heights = np.linalg.pinv(weighted.T @ (bands - spread), hermitian=True) @ weighted.T @ (centred - smooth[:, 0])
        level = smooth[:, 0] - spread @ heights
        return self.ground.cells.middles(), level + middle, float(course.counts.sum())


def whittaker(values: Array, weights: Array, stiffness: float) -> Array:
    """Smooth values so that weighted misfit and squared second differences are least (Eilers 2003).

    The same as `pybaselines.utils.whittaker_smooth`, whose import costs more than all the lanes of a picture.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, k)
        Three or more values, or k columns of them.
    weights : ndarray, shape (n,)
        0 where a value is missing.
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
    return np.asarray(solveh_banded(bands, (weights * values.T).T, check_finite=False))


BRIGHT = 0.99
"""Cells brighter than this part of all tell the scale of the counts."""

STANDS = 10.0
"""They stand so many of the ball's radii high: a lower ball would rise into bands."""


class RollingBall(FittedBackground):
    """A ball rolled under the picture's cells (Sternberg 1983), lifted to the middle of the noise.

    Parameters
    ----------
    heights, pitches : float
        Radius: the larger of so many band heights and so many lane pitches.

    Notes
    -----
    A ball has a height in counts, so that its answer would change with the file's scale. Here counts are taken in
    units in which the picture's bright cells stand ten radii above its median, whatever the scale.
    Rolling along the noise floor, the ball lies too low: the median gap to the free cells is given back.
    """

    name = "rolling_ball"

    def __init__(self, ground: BackgroundPixels, *, heights: float = 2.0, pitches: float = 0.75) -> None:
        from skimage.restoration import rolling_ball

        mean, count, self.step = ground.grid
        # Means of all pixels of each cell, bands and all.
        finite = np.where(np.isfinite(ground.signal), ground.signal, 0)
        starts = [np.arange(0, n, self.step) for n in finite.shape]
        cells = np.add.reduceat(np.add.reduceat(finite, starts[0], axis=0), starts[1], axis=1).astype(float)
        rows, cols = (np.diff([*start, n]) for start, n in zip(starts, finite.shape, strict=True))
        cells /= np.outer(rows, cols)
        radius = max(heights * ground.band_height, pitches * ground.lane_pitch) / self.step
        middle = float(np.median(cells))
        unit = float(np.quantile(np.abs(cells - middle), BRIGHT)) / (STANDS * radius)
        # Counts in units in which the ball is round.
        rolled = rolling_ball((cells - middle) / unit, radius=radius) * unit + middle if unit > 0 else cells.copy()
        free = count > 0
        lift = weighted_median((mean - rolled)[free], count[free]) if free.any() else 0.0
        self.levels, self.n_pixels = rolled + lift, float((2 * np.ceil(radius) + 1) * self.step) ** 2

    def under(self, aperture: Aperture) -> Estimate:
        """Levels at every pixel of the aperture's box, between the centres of the cells."""
        values = interpolate_cells(self.levels, self.step, aperture)
        return Estimate(values, MEDIAN_COST / max(self.n_pixels, 1.0), self.n_pixels)


def interpolate_cells(cells: Array, step: int, aperture: Aperture) -> Array:
    """Bilinear values of a cell grid at every pixel of an aperture's box; flat beyond the outermost centres."""
    box = aperture.box
    pixels = np.arange(box.row_start, box.row_stop), np.arange(box.col_start, box.col_stop)
    places = np.meshgrid(*((at - (step - 1) / 2) / step for at in pixels), indexing="ij")
    return np.asarray(ndimage.map_coordinates(cells, places, order=1, mode="nearest"))
