"""Rows: ridges of the chance that the network gives to bands, chained along the membrane's own slope."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.imaging.robust import FloatArray, middle_of, running_maximum

_LEAST = 0.4
"""Chance from which on a place belongs to a ridge."""
_SHORT = 3
"""Columns of a ridge at the least."""
# Full width at half maximum of a Gaussian band over the height of the core that the network marks.
FWHM_OF_CORE = 1.47


@dataclass(frozen=True, eq=False, slots=True)
class Ridge:
    """A stretch of one band or of several that touch, on the coarse grid: a row for each of its columns."""

    cols: NDArray[np.intp]
    rows: NDArray[np.float64]
    height: float

    @property
    def left(self) -> int:
        """First column."""
        return int(self.cols[0])

    @property
    def right(self) -> int:
        """Last column."""
        return int(self.cols[-1])

    @property
    def row(self) -> float:
        """Median row."""
        return middle_of(self.rows)

    @property
    def col(self) -> float:
        """Middle column."""
        return (self.left + self.right) / 2


@dataclass(frozen=True, eq=False)
class BandRow:
    """One row of bands across the lanes: where it runs on the coarse grid."""

    ridges: tuple[Ridge, ...]

    @cached_property
    def height(self) -> float:
        """Full width at half maximum of its bands along the lane."""
        return float(np.median(np.repeat([r.height for r in self.ridges], [len(r.cols) for r in self.ridges])))

    @cached_property
    def covered(self) -> int:
        """Columns that carry a ridge."""
        return sum(len(r.cols) for r in self.ridges)

    @cached_property
    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Columns, rising, and rows of all ridges."""
        x = np.concatenate([r.cols for r in self.ridges]).astype(float)
        y = np.concatenate([r.rows for r in self.ridges])
        order = np.argsort(x, kind="stable")
        return x[order], y[order]


def find_ridges(bands: FloatArray) -> tuple[Ridge, ...]:
    """Trace the crests of the chance map.

    Parameters
    ----------
    bands : ndarray, shape (H, W)
        Chance of each coarse pixel to lie in a band's core.

    Returns
    -------
    tuple of Ridge
        In reading order (by first column, then row).
    """
    smooth = ndimage.uniform_filter1d(bands, 3, axis=0, mode="nearest")
    crest = (smooth > _LEAST) & (smooth >= running_maximum(smooth, 5))
    thick = running_maximum(crest, 3)
    labels, n = ndimage.label(thick, structure=np.ones((3, 3)))
    if n == 0:
        return ()
    rows, cols = np.nonzero(crest)
    label = labels[rows, cols]
    order = np.lexsort((rows, cols, label))
    rows, cols, label = rows[order], cols[order], label[order]
    heights, weight = _core_heights(bands, rows, cols), smooth[rows, cols].astype(np.float64)
    # One row for each column of a ridge.
    start = np.flatnonzero(np.diff(cols, prepend=-1) | np.diff(label, prepend=0))
    middles = np.add.reduceat(rows * weight, start) / np.add.reduceat(weight, start)
    first = np.flatnonzero(np.diff(label[start], prepend=0))
    ridges = []
    for k, stop in zip(first, [*first[1:], len(start)], strict=True):
        columns = cols[start[k:stop]]
        if columns[-1] - columns[0] < _SHORT - 1:
            continue
        own = heights[start[k] : start[stop] if stop < len(start) else None]
        ridges.append(Ridge(columns, middles[k:stop], FWHM_OF_CORE * middle_of(own)))
    return tuple(sorted(ridges, key=lambda ridge: (ridge.left, ridge.row)))


def _core_heights(bands: FloatArray, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows of the run of likely pixels that each of some pixels stands in, at least 1."""
    # Columns one after the other, an unlikely pixel between them.
    n = len(bands) + 1
    inside = np.zeros((bands.shape[1], n), dtype=np.int8)
    inside[:, :-1] = bands.T > 0.5
    steps = np.diff(inside.ravel(), prepend=0, append=0)
    begins, ends = np.flatnonzero(steps > 0), np.flatnonzero(steps < 0)
    place = cols * n + rows
    run = np.searchsorted(begins, place, side="right") - 1
    heights = np.ones(len(place), dtype=np.intp)
    known = np.flatnonzero(inside.ravel()[place])
    heights[known] = (ends - begins)[run[known]]
    return heights


def chain_rows(ridges: tuple[Ridge, ...], *, reach: float) -> tuple[BandRow, ...]:
    """Chain ridges that follow each other from left to right: each takes its best partner if that is mutual.

    Parameters
    ----------
    ridges : tuple of Ridge
        In any order.
    reach : float
        Widest gap bridged, in coarse columns.
    """
    n = len(ridges)
    if n == 0:
        return ()
    # Each takes its best partner to the right where it is that one's best to the left.
    cost = _step_costs(ridges, reach)
    follower = np.full(n, -1)
    if n > 1:
        best_right, best_left = cost.argmin(axis=1), cost.argmin(axis=0)
        for i in range(n):
            j = best_right[i]
            if np.isfinite(cost[i, j]) and best_left[j] == i:
                follower[i] = j
    rows = []
    for start in sorted(set(range(n)) - set(follower.tolist())):
        chain, k = [], start
        while k >= 0:
            chain.append(ridges[k])
            k = int(follower[k])
        rows.append(BandRow(tuple(chain)))
    return tuple(rows)


def _step_costs(ridges: tuple[Ridge, ...], reach: float) -> NDArray[np.float64]:
    """Cost of ridge j following ridge i to the right in one row; inf where it cannot."""
    left, right, row, col, height = (
        np.array([getattr(r, side) for r in ridges], dtype=float) for side in ("left", "right", "row", "col", "height")
    )
    first, last = (np.array([part.sum() / len(part) for part in parts])
                   for parts in ([r.rows[:6] for r in ridges], [r.rows[-6:] for r in ridges]))  # fmt: skip
    # A gap to bridge, and a step up or down: between the ends, or between the middles of bands that lean.
    gap = left[None] - right[:, None]
    fall = np.minimum(np.abs(first[None] - last[:, None]), np.abs(row[None] - row[:, None]))
    room = 0.7 * np.maximum(height[None], height[:, None]) + 0.12 * np.abs(col[None] - col[:, None])
    cost: NDArray[np.float64] = fall / room + 0.5 * gap / reach
    cost[(gap < -2) | (gap > reach) | (fall >= room) | np.eye(len(ridges), dtype=bool)] = np.inf
    return cost
