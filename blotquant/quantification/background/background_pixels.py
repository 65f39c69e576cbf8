"""The ground between the bands: a picture with all of its bands taken out, its sums over small cells, its roughness.

Any zone of any lane is read off the sums in a moment. Specks of dust, cells that stand out from those on either side,
are left out of them. How rough the ground is, is measured along the lanes and the gaps between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.imaging.robust import middle_of, winsorised_sd
from blotquant.model.geometry import Lane

if TYPE_CHECKING:
    from blotquant.quantification.background.row_shapes import OwnRows, RowShapes

Array = NDArray[np.float64]

BINS = 8.0
"""Bins of rows in a band's height."""

COLUMNS = 32.0
"""Cells in a lane pitch."""

OUTLIER = 5.0
"""Cells so many SDs off the cells to their left and right (specks, dust) are left out."""

NEAR = 6
"""With so many cells on either side a cell is compared."""

SLAB = 64
"""Bins of rows that are summed at a time."""

MIN_SHARE = 0.3
"""A few columns of a slanting mask's corner do not speak for the row."""


class CellGrid(NamedTuple):
    """The ground averaged over square cells, so that a whole picture is cheap to look at.

    Attributes
    ----------
    mean, counts : ndarray
        Mean and number of the usable pixels of each cell; 0 where there is none.
    step : int
        Edge of a cell in pixels.
    """

    mean: Array
    counts: Array
    step: int


class Course(NamedTuple):
    """Means of the free pixels of one zone: one value for each bin of rows.

    Attributes
    ----------
    rows : ndarray, shape (..., n_bins)
        Mean row of the free pixels; the middle of the bin where nothing is free.
    means, counts : ndarray, same shape
        Mean and number of free pixels; 0 where there is none.
    """

    rows: Array
    means: Array
    counts: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class BackgroundPixels:
    """A picture with all of its bands taken out.

    Attributes
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    usable : ndarray of bool, shape (H, W)
        False on every band, dilated, and on pixels that are not finite.
    band_height, lane_pitch : float
        Typical sizes in pixels, from which methods take their own.
    noise : float
        SD of one pixel's noise, in counts; 0 for a picture without noise.
    noise_spread : float
        Variance of a large sum against that of white noise of the same pixel variance.
    lanes : tuple of Lane
        The picture's lanes.
    shapes : RowShapes or None
        What the rows of bands tell of the ground under them.
    """

    signal: NDArray[np.floating[Any]]
    usable: NDArray[np.bool_]
    band_height: float
    lane_pitch: float
    noise: float = 0.0
    noise_spread: float = 1.0
    lanes: tuple[Lane, ...] = ()
    shapes: RowShapes | None = None

    @cached_property
    def grid(self) -> CellGrid:
        """The ground averaged over square cells of a third of a band's height, at the far edges over what is left."""
        step = int(np.clip(min(self.band_height, self.lane_pitch / 4) / 3, 1, 8))
        count = _sum_blocks(self.usable.view(np.uint8), step, np.float32).astype(float)
        total = _sum_blocks(np.where(self.usable, self.signal, self.signal.dtype.type(0)), step, np.float64)
        return CellGrid(np.divide(total, count, out=np.zeros_like(total), where=count > 0), count, step)

    @cached_property
    def cells(self) -> Cells:
        """The ground summed over small cells, narrow enough for the gaps between lanes."""
        steps = max(1, round(self.band_height / BINS)), max(1, round(self.lane_pitch / COLUMNS))
        return Cells(self.signal, self.usable, steps, noise=self.noise * self.noise_spread**0.5)

    @cached_property
    def light(self) -> dict[str, Array]:
        """Light of every lane's bands above the ground, in bins of rows, by the lane's id."""
        step = self.cells.steps[0]
        return {lane.id: lane_light(self.signal, self.usable, lane, step) for lane in self.lanes}

    @cached_property
    def rough(self) -> Roughness:
        """How rough the ground is."""
        return measure_roughness(self)

    def own_rows(self, band_id: str) -> OwnRows | None:
        """Rows under a band that tell of the ground too; None where they are not needed, or tell nothing."""
        if self.shapes is None:
            return None
        uneven_sd = (self.rough.shared + self.rough.uneven) ** 0.5
        own = self.shapes.under(band_id, uneven_sd=uneven_sd, pixel=self.rough.pixel, step=self.cells.steps[0])
        if own is not None and band_id not in self.agreed:
            from blotquant.quantification.background.local import own_rows_agree

            row = self.shapes.told_with(band_id)
            self.agreed.update(dict.fromkeys((band.id for band in row), own_rows_agree(self, row)))
        return own if own is not None and self.agreed[band_id] else None

    @cached_property
    def agreed(self) -> dict[str, bool]:
        """Whether bands' own rows may tell of the ground, by the band's id; filled a row of bands at a time."""
        return {}

    def own_rows_in(self, lane: Lane) -> list[OwnRows]:
        """Those of all bands of a lane, once for both halves of a doublet."""
        bands = self.shapes.layout.bands_of(lane.id) if self.shapes is not None else ()
        found = {band.outline: self.own_rows(band.id) for band in bands}
        return [own for own in found.values() if own is not None]

    def beside(self, lane: Lane) -> list[Lane]:
        """The lanes next to one, on its strip."""
        return [o for o in self.lanes if o.strip == lane.strip and abs(o.number - lane.number) == 1]


def _sum_blocks(values: NDArray[Any], step: int, dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """Sums over square blocks; those at the far edges may be smaller."""
    rows = values[::step].astype(dtype)
    for k in range(1, step):
        part = values[k::step]
        rows[: len(part)] += part
    return _join_columns(rows, step)


def _join_columns(values: NDArray[Any], step: int) -> NDArray[Any]:
    """Sums over so many columns each; the last may be fewer."""
    joined = values[:, ::step].copy()
    for k in range(1, step):
        part = values[:, k::step]
        joined[:, : part.shape[1]] += part
    return joined


class Cells:
    """Free pixels of a picture over small cells, added up from the left edge.

    Parameters
    ----------
    signal, usable : ndarray, shape (H, W)
        Counts, and where they are ground.
    steps : (int, int)
        Rows and columns of a cell.
    noise : float
        SD of one pixel in counts, as it enters a mean of many.

    Attributes
    ----------
    sums : ndarray, shape (3, n_bins, n_columns + 1)
        Free pixels, their counts above `level`, and their rows within the bin, of all cells further left.
    level : float
        Mean count of the free pixels, taken off so that sums stay small.
    """

    def __init__(
        self, signal: NDArray[np.floating[Any]], usable: NDArray[np.bool_], steps: tuple[int, int], *, noise: float
    ) -> None:
        self.steps, self.n_bins = steps, -(-signal.shape[0] // steps[0])
        n, total, rows = np.zeros((3, self.n_bins, -(-signal.shape[1] // steps[1])))
        # Slab by slab, so that what is added up stays in the processor's cache.
        for first in range(0, self.n_bins, SLAB):
            slab, at = slice(first * steps[0], (first + SLAB) * steps[0]), slice(first, first + SLAB)
            n[at], total[at], rows[at] = _sum_cells(signal[slab], usable[slab], steps)
        # Less the ground's level the sums stay small, and so does their rounding.
        self.level = float(total.sum() / max(n.sum(), 1.0))
        total -= self.level * n
        keep = ~find_specks(total, n, noise)
        self.sums = np.zeros((3, self.n_bins, total.shape[1] + 1))
        for places, values in zip(self.sums, (n, total, rows), strict=True):
            np.cumsum(values * keep, axis=1, out=places[:, 1:])

    def windows(self, start: Array, stop: Array) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Bins that half-open ranges of rows touch, one range a row; False where the last is repeated to fill a row."""
        first = np.maximum(start // self.steps[0], 0).astype(int)
        last = np.minimum(-(-stop // self.steps[0]), self.n_bins).astype(int)
        bins = first[:, None] + np.arange((last - first).max())
        return np.minimum(bins, last[:, None] - 1), bins < last[:, None]

    def read(self, left: ArrayLike, right: ArrayLike, bins: slice | NDArray[np.intp] = slice(None)) -> Course:
        """Course of the cells that lie wholly between two columns.

        Parameters
        ----------
        left, right : float or ndarray
            Half-open range of picture columns: one for all bins, or of a shape that broadcasts with them.
        bins : slice or ndarray of int
            Which bins of rows.
        """
        step, last = self.steps[1], self.sums.shape[2] - 1
        at = np.arange(self.n_bins)[bins]
        # Only cells that lie wholly inside count.
        first = np.clip(-(-np.asarray(left) // step), 0, last).astype(int)
        stop = np.maximum(np.clip(np.asarray(right) // step, 0, last).astype(int), first)
        n, total, moment = self.sums[:, at, stop] - self.sums[:, at, first]
        n = n * (n >= MIN_SHARE * self.steps[0] * step * (stop - first))
        safe, free = np.maximum(n, 1.0), n > 0
        rows = np.where(free, moment / safe, (self.steps[0] - 1) / 2) + at * self.steps[0]
        return Course(rows, np.where(free, self.level + total / safe, 0.0), n)

    def read_lane(self, lane: Lane, *, share: float = 1.0) -> Course:
        """Course of the ground along a whole lane, over the middle share of its width."""
        rows = self.middles()
        center, half = lane.center_at(rows), share * lane.width_at(rows) / 2
        return self.read(center - half + 0.5, center + half + 0.5)

    def middles(self) -> Array:
        """Middle row of each bin."""
        return np.arange(self.n_bins, dtype=float) * self.steps[0] + (self.steps[0] - 1) / 2


def _sum_cells(
    signal: NDArray[np.floating[Any]], usable: NDArray[np.bool_], steps: tuple[int, int]
) -> tuple[Array, Array, Array]:
    """Usable pixels of each cell, their counts, and their rows within the cell."""
    total = np.zeros((-(-signal.shape[0] // steps[0]), signal.shape[1]))
    # The rows of 22 pixels add up to 231, which a byte holds.
    small: type[np.unsignedinteger[Any]] = np.uint8 if steps[0] <= 22 else np.uint32
    count: NDArray[np.unsignedinteger[Any]] = np.zeros(total.shape, small)
    moment: NDArray[np.unsignedinteger[Any]] = np.zeros(total.shape, small)
    for k in range(steps[0]):
        free, part = usable[k :: steps[0]], signal[k :: steps[0]]
        np.add(total[: len(part)], part, out=total[: len(part)], where=free)
        seen = free.view(np.uint8).astype(small, copy=False)
        count[: len(part)] += seen
        moment[: len(part)] += seen * small(k)
    n, total, rows = (_join_columns(a.astype(float, copy=False), steps[1]) for a in (count, total, moment))
    return n, total, rows


def find_specks(total: Array, count: Array, noise: float) -> NDArray[np.bool_]:
    """Cells that stand out from those on their left and from those on their right.

    The nearer of the two sides counts, so that neither a step nor the neighbour of a speck is taken for one.
    """
    off = np.concatenate([_from_sides(total[k : k + SLAB], count[k : k + SLAB]) for k in range(0, len(total), SLAB)])
    few = off[::3, ::2]
    scale = max(winsorised_sd(few[count[::3, ::2] > 0]), noise)
    return off > OUTLIER * scale


def _from_sides(total: Array, count: Array) -> Array:
    """How far each cell is off the nearer of its two sides, times the root of its pixels; 0 with nothing beside it."""
    # Running sums give the mean of the cells on each side.
    sums, counts = _add_up(total), _add_up(count)
    width = total.shape[1]
    mean = total / np.maximum(count, 1.0)
    nearest = np.full(total.shape, np.inf)
    for start in (0, NEAR + 1):
        first, last = slice(start, start + width), slice(start + NEAR, start + NEAR + width)
        n = counts[:, last] - counts[:, first]
        off = sums[:, last] - sums[:, first]
        off /= np.maximum(n, 1.0)
        off -= mean
        np.abs(off, out=off)
        off[n == 0] = np.inf
        np.minimum(nearest, off, out=nearest)
    nearest[np.isinf(nearest)] = 0.0
    nearest *= np.sqrt(count)
    return nearest


def _add_up(values: Array) -> Array:
    """Running sums along the rows, which stay as they are for `NEAR` places beyond either end."""
    stop = values.shape[1] + NEAR + 1
    out = np.zeros((values.shape[0], stop + NEAR))
    np.cumsum(values, axis=1, out=out[:, NEAR + 1 : stop])
    out[:, stop:] = out[:, stop - 1 : stop]
    return out


def lane_light(signal: NDArray[np.floating[Any]], usable: NDArray[np.bool_], lane: Lane, bin_rows: int) -> Array:
    """Light of a lane's bands above the free ground in each bin of rows, on a few columns; 0 where it is free."""
    rows = np.arange(0, signal.shape[0], max(1, bin_rows // 3))
    center, quarter = lane.center_at(rows), 0.25 * lane.width_at(rows)
    cols = np.rint([center - quarter, center, center + quarter]).astype(int).clip(0, signal.shape[1] - 1)
    left, middle, right = signal[rows, cols].astype(float)
    profile = (left + middle + right) / 3
    free = usable[rows, cols].all(axis=0)
    n_bins = -(-signal.shape[0] // bin_rows)
    if free.all() or not free.any():
        return np.zeros(n_bins)
    # Above a line through the free rows on either side of each band.
    excess = profile - np.interp(rows, rows[free], profile[free])
    light = np.where(free | ~np.isfinite(excess), 0.0, np.maximum(excess, 0.0))
    starts = np.searchsorted(rows, np.arange(n_bins) * bin_rows)
    return np.asarray(np.maximum.reduceat(light, np.minimum(starts, len(rows) - 1)))


LENGTH = 2.0
"""Over how many band heights the ground is alike."""

FEW = 12
"""Differences that are too few to measure a variance from."""


@dataclass(frozen=True, kw_only=True)
class Roughness:
    """Variances of the ground in counts squared.

    Attributes
    ----------
    pixel : float
        Of one pixel's noise.
    row : float
        Of the mean of a bin of rows beyond its pixels' noise: texture.
    shared : float
        Of the smooth course that a lane and the gaps beside it have in common.
    level, uneven : float
        Of a lane's own light: its level, and how it changes along the lane.
    length : float
        Over how many rows the ground is alike.
    """

    pixel: float
    row: float
    shared: float
    level: float
    uneven: float
    length: float


def matern(distance: Array) -> Array:
    """Correlation of a once-differentiable random course (Matern 3/2) at a distance in units of its length."""
    scaled = np.sqrt(3) * distance
    return np.asarray((1 + scaled) * np.exp(-scaled))


def measure_roughness(ground: BackgroundPixels) -> Roughness:
    """Measure the ground's variances from the courses of free rows in all lanes and gaps.

    The half mean square difference of rows some way apart, less that of neighbouring rows, is the course's variance
    times what is no longer alike at that distance.
    """
    bin_rows = ground.cells.steps[0]
    lanes, gaps, full = _courses(ground)
    pixel, length = ground.noise**2, LENGTH * ground.band_height
    lag = max(1, round(ground.band_height / bin_rows))
    unlike = 1 - float(matern(np.array(lag * bin_rows / length)))
    lane, gap, apart = (_course_variance(c, lag) / unlike for c in (lanes, gaps, lanes - gaps))
    total = lane if np.isfinite(lane) else gap if np.isfinite(gap) else 0.0
    # Where lane and gap are not free side by side, the gap is not trusted to follow the lane.
    uneven = min(apart, total) if np.isfinite(apart) else total
    row = max(_texture(lanes) - pixel * ground.noise_spread / full, 0.0)
    # Mean square difference between a lane and the gap beside it where both are free, less their noise.
    steps = lanes - gaps
    known = steps[np.isfinite(steps)]
    return Roughness(
        pixel=pixel,
        row=row,
        shared=total - uneven,
        level=(_beyond_noise(winsorised_sd(known) ** 2, _texture(steps), len(known)) if len(known) >= FEW else 0.0),
        uneven=uneven,
        length=length,
    )


def _courses(ground: BackgroundPixels) -> tuple[Array, Array, float]:
    """Means of the free bins of every lane and of the gaps beside it (NaN where bands are), and a full bin's pixels."""
    cells, rows = ground.cells, ground.cells.middles()
    center, half = np.zeros((2, len(ground.lanes), cells.n_bins))
    for k, lane in enumerate(ground.lanes):
        center[k], half[k] = lane.center_at(rows), lane.width_at(rows) / 2
    places = {(lane.strip, lane.number): k for k, lane in enumerate(ground.lanes)}
    before, after = ([places.get((of.strip, of.number + step)) for of in ground.lanes] for step in (-1, 1))
    # The gap to the right of each lane; none at the last one.
    left, right = np.zeros((2, *center.shape))
    for k, following in enumerate(after):
        if following is not None:
            left[k], right[k] = center[k] + half[k] + 1, center[following] - half[following] - 1
    own, gap = cells.read(center - 0.8 * half + 0.5, center + 0.8 * half + 0.5), cells.read(left, right)
    # Means of bins that are at least half as full as the fullest; NaN elsewhere.
    inside, high = (
        np.where(of.counts >= np.maximum(0.5 * of.counts.max(axis=1, keepdims=True), 1.0), of.means, np.nan)
        for of in (own, gap)
    )
    # Gaps on both sides count with their mean where both are known.
    low = np.array([high[k] if k is not None else np.full(cells.n_bins, np.nan) for k in before]).reshape(high.shape)
    both = np.isfinite(low) & np.isfinite(high)
    gaps = np.where(both, (low + high) / 2, np.where(np.isfinite(high), high, low))
    return inside, gaps, max(middle_of(own.counts.max(axis=1)), 1.0) if len(center) else 1.0


def _course_variance(courses: Array, lag: int) -> float:
    """Half the mean square difference of bins `lag` apart, less the noise of a bin; NaN for too few."""
    # Bins a band height apart.
    steps = courses[:, lag:] - courses[:, :-lag]
    steps = steps[np.isfinite(steps)]
    if len(steps) < FEW:
        return float("nan")
    # The median step is the picture's overall slope, which a straight line takes up.
    return _beyond_noise(winsorised_sd(steps - np.median(steps)) ** 2 / 2, _texture(courses), len(steps))


def _beyond_noise(found: float, noise: float, n: int) -> float:
    """What a variance holds beyond noise: nothing within two standard errors, all of it from four on."""
    error = noise * np.sqrt(7 / n)  # overlapping steps repeat each other, and the noise is known no better
    sure = np.clip(((found - noise) / error - 2) / 2, 0, 1) if error > 0 else 1.0
    return float(max(found - noise, 0.0) * sure)


def _texture(courses: Array) -> float:
    """Variance of a bin's mean, its pixels' noise included, from second differences along the course."""
    # Every second bin: noise that reaches into the next bin counts as noise.
    bends = courses[:, 2:-2] - (courses[:, :-4] + courses[:, 4:]) / 2
    bends = bends[np.isfinite(bends)]
    return winsorised_sd(bends) ** 2 / 1.5 if len(bends) >= FEW else 0.0
