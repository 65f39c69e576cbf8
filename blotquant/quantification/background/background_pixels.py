"""The free ground summed once over small cells, so that any zone of any lane is read off in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.robust import winsorised_sd
from blotquant.model.geometry import Lane

Array = NDArray[np.float64]

BINS = 8.0
"""Bins of rows in a band's height."""

COLUMNS = 32.0
"""Cells in a lane pitch."""

OUTLIER = 5.0
"""Cells so many SDs off the cells to their left and right (specks, dust) are left out."""

NEAR = 6
"""With so many cells on either side a cell is compared."""

MIN_SHARE = 0.3
"""A few columns of a slanting mask's corner do not speak for the row."""


class Course(NamedTuple):
    """Means of the free pixels of one zone: one value for each bin of rows.

    Attributes
    ----------
    rows : ndarray, shape (n_bins,)
        Mean row of the free pixels; the middle of the bin where nothing is free.
    means, counts : ndarray, same shape
        Mean and number of free pixels; 0 where there is none.
    """

    rows: Array
    means: Array
    counts: Array

    def part(self, which: slice | NDArray[Any]) -> Course:
        """Return some of the bins."""
        return Course(self.rows[which], self.means[which], self.counts[which])


@dataclass(frozen=True, eq=False)
class Cells:
    """Free pixels of a picture over small cells, added up from the left edge.

    Attributes
    ----------
    sums : ndarray, shape (3, n_columns + 1, n_bins)
        Free pixels, their counts above `level`, and their rows within the bin, of all cells further left.
    steps : (int, int)
        Rows and columns of a cell.
    level : float
        Counts that are taken off, so that sums stay small.
    """

    sums: Array
    steps: tuple[int, int]
    level: float

    @property
    def n_bins(self) -> int:
        """Bins of rows down the picture."""
        return int(self.sums.shape[2])

    def bins(self, start: float, stop: float) -> slice:
        """Bins that some rows touch."""
        return slice(max(int(start // self.steps[0]), 0), min(int(-(-stop // self.steps[0])), self.n_bins))

    def read(self, left: Array | float, right: Array | float, bins: slice = slice(None)) -> Course:
        """Course of the cells that lie wholly between two columns.

        Parameters
        ----------
        left, right : float or ndarray
            Half-open range of picture columns: one for all bins, or one for each.
        bins : slice
            Which bins of rows.
        """
        step, last = self.steps[1], self.sums.shape[1] - 1
        if isinstance(left, (int, float)) and isinstance(right, (int, float)):
            first = min(max(int(-(-left // step)), 0), last)
            stop = max(min(max(int(right // step), 0), last), first)
            n, total, moment = self.sums[:, stop, bins] - self.sums[:, first, bins]
            wide: Any = stop - first
        else:
            at = np.arange(self.n_bins)[bins]
            low = np.minimum(np.maximum(-(-np.asarray(left) // step), 0), last).astype(int)
            high = np.minimum(np.maximum(np.asarray(right) // step, 0), last).astype(int)
            wide = np.maximum(high - low, 0)
            n, total, moment = self.sums[:, low + wide, at] - self.sums[:, low, at]
        n = n * (n >= MIN_SHARE * self.steps[0] * step * wide)
        safe, free = np.maximum(n, 1.0), n > 0
        rows = np.where(free, moment / safe, (self.steps[0] - 1) / 2)
        rows += np.arange(bins.start or 0, (bins.start or 0) + len(n)) * self.steps[0]
        return Course(rows, np.where(free, self.level + total / safe, 0.0), n)

    def read_side_by_side(self, ranges: Sequence[tuple[float, float]], bins: slice) -> list[Course]:
        """Courses of several ranges of columns over the same bins, as `read` gives for each."""
        step, last = self.steps[1], self.sums.shape[1] - 1
        first = [min(max(int(-(-left // step)), 0), last) for left, _ in ranges]
        stop = [max(min(max(int(right // step), 0), last), k) for (_, right), k in zip(ranges, first, strict=True)]
        n, total, moment = self.sums[:, stop, bins] - self.sums[:, first, bins]
        wide = np.subtract(stop, first)[:, None]
        n = n * (n >= MIN_SHARE * self.steps[0] * step * wide)
        safe, free = np.maximum(n, 1.0), n > 0
        rows = np.where(free, moment / safe, (self.steps[0] - 1) / 2)
        rows += np.arange(bins.start or 0, (bins.start or 0) + n.shape[1]) * self.steps[0]
        means = np.where(free, self.level + total / safe, 0.0)
        return [Course(*parts) for parts in zip(rows, means, n, strict=True)]

    def middles(self) -> Array:
        """Middle row of each bin."""
        return np.arange(self.n_bins, dtype=float) * self.steps[0] + (self.steps[0] - 1) / 2


def read_lane(cells: Cells, lane: Lane, *, share: float = 1.0) -> Course:
    """Course of the ground along a whole lane, over the middle share of its width."""
    rows = cells.middles()
    center, half = lane.center_at(rows), share * lane.width_at(rows) / 2
    return cells.read(center - half + 0.5, center + half + 0.5)


def both_sides(left: Course, right: Course) -> Course:
    """Mean of two gaps where both are free, so that a slope across the lane cancels."""
    both = (left.counts > 0) & (right.counts > 0)
    counts = 4 / (1 / np.maximum(left.counts, 1e-9) + 1 / np.maximum(right.counts, 1e-9))
    return Course((left.rows + right.rows) / 2, both * (left.means + right.means) / 2, both * counts)


def make_cells(
    signal: NDArray[np.floating[Any]],
    usable: NDArray[np.bool_],
    steps: tuple[int, int],
    *,
    noise: float,
) -> Cells:
    """Sum the free pixels of a picture over cells of so many rows and columns, specks left out.

    Parameters
    ----------
    signal, usable : ndarray, shape (H, W)
        Counts, and where they are ground.
    steps : (int, int)
        Rows and columns of a cell.
    noise : float
        SD of one pixel in counts, as it enters a mean of many.
    """
    n_bins = -(-signal.shape[0] // steps[0])
    total = np.zeros((n_bins, signal.shape[1]))
    # The rows of 22 pixels add up to 231, which a byte holds.
    small: type[np.unsignedinteger[Any]] = np.uint8 if steps[0] <= 22 else np.uint32
    count: NDArray[np.unsignedinteger[Any]] = np.zeros(total.shape, small)
    moment: NDArray[np.unsignedinteger[Any]] = np.zeros(total.shape, small)
    for k in range(steps[0]):
        free, part = usable[k :: steps[0]], signal[k :: steps[0]]
        np.add(total[: len(part)], part, out=total[: len(part)], where=free)
        seen = free.view(np.uint8).astype(small, copy=False)
        np.add(count[: len(part)], seen, out=count[: len(part)])
        np.add(moment[: len(part)], seen * small(k), out=moment[: len(part)])
    n, total, rows = (_join_columns(a, steps[1]) for a in (count, total, moment))
    level = float(total.sum() / max(n.sum(), 1.0))
    total -= level * n
    keep = ~find_specks(total, n, noise)
    sums = np.zeros((3, total.shape[1] + 1, n_bins))
    for places, values in zip(sums, (n, total, rows), strict=True):
        np.cumsum((values * keep).T, axis=0, out=places[1:])
    return Cells(sums=sums, steps=steps, level=level)


def find_specks(total: Array, count: Array, noise: float) -> NDArray[np.bool_]:
    """Cells that stand out from those on their left and from those on their right.

    The nearer of the two sides counts, so that neither a step nor the neighbour of a speck is taken for one.
    """
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
    # Cells without anything beside them are left as they are.
    nearest[np.isinf(nearest)] = 0.0
    nearest *= np.sqrt(count)
    few = nearest[::3, ::2]
    scale = max(winsorised_sd(few[count[::3, ::2] > 0]), noise)
    return nearest > OUTLIER * scale


def _join_columns(values: NDArray[Any], step: int) -> Array:
    joined = values[:, ::step].astype(float)
    for k in range(1, step):
        part = values[:, k::step]
        joined[:, : part.shape[1]] += part
    return joined


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
    excess = profile - np.interp(rows, rows[free], profile[free])
    light = np.where(free | ~np.isfinite(excess), 0.0, np.maximum(excess, 0.0))
    starts = np.searchsorted(rows, np.arange(n_bins) * bin_rows)
    return np.asarray(np.maximum.reduceat(light, np.minimum(starts, len(rows) - 1)))
