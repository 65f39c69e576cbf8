"""Rows: ridges chained along the membrane's own slope, and the intensity profile along each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from blotquant.finding.candidates import Grid, Ridge
from blotquant.finding.noise import FloatArray

REACH = 1.3


@dataclass(frozen=True)
class RowCurve:
    """One row of bands before lanes are known: where it runs on the coarse grid, and from which ridges."""

    ridges: tuple[Ridge, ...]

    @cached_property
    def left(self) -> int:
        """First column with a ridge."""
        return min(r.left for r in self.ridges)

    @cached_property
    def right(self) -> int:
        """Last column with a ridge."""
        return max(r.right for r in self.ridges)

    @cached_property
    def height(self) -> float:
        """Band height, of the ridges weighted by their width."""
        heights = np.repeat([r.height for r in self.ridges], [r.width for r in self.ridges])
        return float(np.median(heights))

    @cached_property
    def covered(self) -> int:
        """Columns that carry a ridge."""
        return sum(r.width for r in self.ridges)

    def mask(self, n_cols: int) -> NDArray[np.bool_]:
        """Which of the grid's columns carry a ridge."""
        covered = np.zeros(n_cols, dtype=bool)
        for ridge in self.ridges:
            covered[ridge.left : ridge.right + 1] = True
        return covered

    @property
    def contrast(self) -> float:
        """Counts above the surroundings, of the median ridge."""
        return float(np.median([r.contrast for r in self.ridges]))

    @property
    def snr(self) -> float:
        """Of the median ridge."""
        return float(np.median([r.snr for r in self.ridges]))

    def rows_at(self, cols: NDArray[np.floating]) -> NDArray[np.float64]:
        """Row of the curve at some columns; beyond its ends it runs level."""
        return np.asarray(np.interp(cols, *self._line))

    @cached_property
    def _line(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Columns, rising, and rows of all ridges."""
        x = np.concatenate([r.cols for r in self.ridges]).astype(float)
        y = np.concatenate([r.rows for r in self.ridges])
        order = np.argsort(x, kind="stable")
        return x[order], y[order]

    @cached_property
    def slope(self) -> float:
        """Rows per column from end to end (least squares)."""
        x = np.concatenate([r.cols for r in self.ridges]).astype(float)
        y = np.concatenate([r.rows for r in self.ridges])
        spread = x - x.mean()
        return float((spread * (y - y.mean())).sum() / max((spread**2).sum(), 1e-9))


def _step_costs(ridges: tuple[Ridge, ...], reach: float) -> NDArray[np.float64]:
    """Cost of ridge j following ridge i to the right in one row; inf where it cannot."""
    left, right = (np.array([getattr(r, side) for r in ridges], dtype=float) for side in ("left", "right"))
    row, col = np.array([r.row for r in ridges]), np.array([r.col for r in ridges])
    first = np.array([np.mean(r.rows[:6]) for r in ridges])
    last = np.array([np.mean(r.rows[-6:]) for r in ridges])
    height = np.array([r.height for r in ridges])
    size = np.log(np.array([max(r.contrast, 1e-9) for r in ridges]))
    gap = left[None] - right[:, None]
    fall = np.minimum(np.abs(first[None] - last[:, None]), np.abs(row[None] - row[:, None]))
    room = 0.7 * np.maximum(height[None], height[:, None]) + 0.12 * np.abs(col[None] - col[:, None])
    cost: NDArray[np.float64] = fall / room + 0.5 * gap / reach + 0.1 * np.abs(size[None] - size[:, None])
    cost[(gap < -2) | (gap > reach) | (fall >= room) | np.eye(len(ridges), dtype=bool)] = np.inf
    return cost


def chain_rows(ridges: tuple[Ridge, ...], *, reach: float) -> tuple[RowCurve, ...]:
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
    cost = _step_costs(ridges, reach)
    follower = np.full(n, -1)
    if n > 1:
        best_right, best_left = cost.argmin(axis=1), cost.argmin(axis=0)
        for i in range(n):
            j = best_right[i]
            if np.isfinite(cost[i, j]) and best_left[j] == i:
                follower[i] = j
    starts = sorted(set(range(n)) - set(follower.tolist()))
    rows = []
    for start in starts:
        chain, k = [], start
        while k >= 0:
            chain.append(ridges[k])
            k = int(follower[k])
        rows.append(RowCurve(tuple(chain)))
    return tuple(sorted(rows, key=lambda row: (row.rows_at(np.array([(row.left + row.right) / 2]))[0], row.left)))


def row_profile(grid: Grid, row: RowCurve, cols: NDArray[np.intp]) -> tuple[NDArray[np.float64], float]:
    """Mean counts along a row above what lies over and under it.

    Returns
    -------
    profile : ndarray, shape of `cols`
        Counts above the flanks' mean.
    noise : float
        Its scatter beyond the row's ends or, where there is little beyond, between its columns.
    """
    height = max(2, round(row.height))
    at = _whole_rows(grid, row, cols)
    centre = _box_mean(grid.pixels, at, cols, -(height // 2), height - height // 2)
    profile = centre - _beside(grid, at, cols, height)
    rough = np.diff(profile, 2) / np.sqrt(6)
    return profile, float(1.4826 * np.median(np.abs(rough)))


def row_energy(grid: Grid, row: RowCurve, cols: NDArray[np.intp], *, soft: float) -> NDArray[np.float64]:
    """How much band there is along a row: its compressed counts, averaged over a band's height and its shoulders.

    Lanes that touch at the crest of their bands part at the shoulders, which the compression brings up.

    Parameters
    ----------
    soft : float
        Counts below which the compression is linear.
    """
    height = max(2, round(row.height))
    at = _whole_rows(grid, row, cols)
    reach = round(REACH * height)
    rows = np.clip(at[None, :] + np.arange(-reach, reach + 1)[:, None], 0, grid.pixels.shape[0] - 1)
    above = grid.pixels[rows, cols[None, :]] - _beside(grid, at, cols, height)
    return np.asarray(np.arcsinh(above / soft).mean(axis=0, dtype=np.float64))


def _whole_rows(grid: Grid, row: RowCurve, cols: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.clip(np.rint(row.rows_at(cols.astype(float))).astype(np.intp), 0, grid.pixels.shape[0] - 1)


def _beside(grid: Grid, at: NDArray[np.intp], cols: NDArray[np.intp], height: int) -> NDArray[np.float64]:
    """Counts over and under a row, nearer to the lower of the two: another row may lie at one side."""
    reach = height + 1
    flank = max(2, height // 2)
    up = _box_mean(grid.pixels, at, cols, -reach - flank, -reach)
    down = _box_mean(grid.pixels, at, cols, reach, reach + flank)
    return np.asarray(np.minimum(up, down) + np.abs(up - down) * 0.5)


def _box_mean(
    image: FloatArray, at: NDArray[np.intp], cols: NDArray[np.intp], start: int, stop: int
) -> NDArray[np.float64]:
    """Mean of rows ``at + start`` to ``at + stop`` (half-open) in each column; edge rows repeat."""
    offsets = np.arange(start, stop)
    rows = np.clip(at[None, :] + offsets[:, None], 0, image.shape[0] - 1)
    return np.asarray(image[rows, cols[None, :]].mean(axis=0, dtype=np.float64))
