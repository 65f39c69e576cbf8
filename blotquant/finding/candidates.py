"""Band candidates: ridges that stand out from what lies above and below them, traced column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.finding.noise import FloatArray, block_average, level_step, local_noise

HEIGHTS = (3, 5, 9, 16, 28)
_THRESHOLD = 4.5
_Pixel = TypeVar("_Pixel", np.float32, np.bool_)


@dataclass(frozen=True, slots=True)
class Grid:
    """The coarse copy that is searched: block averages, twice as wide as high; and the picture itself."""

    full: NDArray[np.floating[Any]]
    pixels: FloatArray
    fy: int
    fx: int
    step: float


@dataclass(frozen=True, slots=True)
class Ridge:
    """A stretch of one band or of several fused ones, on the coarse grid; `row` is its median row."""

    cols: NDArray[np.intp]
    rows: NDArray[np.float64]
    height: float
    snr: float
    contrast: float
    row: float

    @property
    def left(self) -> int:
        """First column."""
        return int(self.cols[0])

    @property
    def right(self) -> int:
        """Last column."""
        return int(self.cols[-1])

    @property
    def width(self) -> int:
        """Columns spanned."""
        return self.right - self.left + 1

    @property
    def col(self) -> float:
        """Middle column."""
        return (self.left + self.right) / 2


def make_grid(signal: NDArray[np.floating]) -> Grid:
    """Average the picture down to about a thousand rows; columns by twice as much, as bands are wider than high."""
    fy = max(1, int(max(signal.shape) // 682))
    fx = min(2 * fy, max(1, signal.shape[1] // 100))
    return Grid(signal, block_average(signal, fy, fx), fy, fx, level_step(signal))


def shifted(image: NDArray[_Pixel], rows: int) -> NDArray[_Pixel]:
    """Value `rows` further down (negative: up); edge rows repeat."""
    index = np.clip(np.arange(image.shape[0]) + rows, 0, image.shape[0] - 1)
    return image[index]


def _column_sums(image: FloatArray, room: int) -> NDArray[np.float64]:
    """Running sums down the columns, edge rows repeated `room` times: any box's mean is then one difference."""
    sums = np.empty((image.shape[0] + 2 * room + 1, image.shape[1]))
    sums[0] = 0.0
    sums[1 : room + 1], sums[-room:] = image[0], image[-1]
    sums[room + 1 : -room] = image
    return np.asarray(np.cumsum(sums, axis=0, out=sums))


def ridge_response(sums: NDArray[np.float64], room: int, height: int) -> tuple[FloatArray, FloatArray]:
    """Contrast of a centre box against the flanks above and below it.

    Parameters
    ----------
    sums : ndarray
        Running sums of the picture's columns with `room` rows of margin.
    height : int
        Rows of the centre box; the flanks are half as high.

    Returns
    -------
    contrast : ndarray
        Centre minus the brighter flank: a step, such as a membrane's edge, gives none.
    symmetric : ndarray
        Centre minus the mean of the flanks, whose scatter is the noise of such a contrast.
    """
    n = len(sums) - 1 - 2 * room

    def box(size: int, shift: int) -> FloatArray:
        first = room + shift - size // 2
        return ((sums[first + size : first + size + n] - sums[first : first + n]) * (1 / size)).astype(np.float32)

    reach, flank = round(1.25 * height) + 1, max(2, height // 2)
    centre, up, down = box(height, 0), box(flank, -reach), box(flank, reach)
    contrast: FloatArray = centre - np.maximum(up, down)
    symmetric: FloatArray = centre - (up + down) * np.float32(0.5)
    return contrast, symmetric


def strength_map(grid: Grid) -> tuple[FloatArray, NDArray[np.int8], FloatArray]:
    """Return the best contrast in noise SDs over all heights, which height it was, and that contrast in counts."""
    smooth = ndimage.uniform_filter1d(grid.pixels, 5, axis=1, mode="nearest")
    room = 2 * HEIGHTS[-1]
    sums = _column_sums(smooth, room)
    best = np.full(smooth.shape, -np.inf, dtype=np.float32)
    which = np.zeros(smooth.shape, dtype=np.int8)
    counts: FloatArray = np.zeros_like(best)
    for k, height in enumerate(HEIGHTS):
        if 4 * height > smooth.shape[0]:
            break
        contrast, symmetric = ridge_response(sums, room, height)
        floor = 0.5 * grid.step / np.sqrt(grid.fx * grid.fy * 5)
        noise: FloatArray = local_noise(symmetric, tile=(32, 24), floor=max(floor, 1e-12))
        snr = contrast / noise
        better = contrast > np.where(best > _THRESHOLD, 1.05 * counts, -np.inf)
        better &= (snr > best) | (snr > _THRESHOLD)
        best = np.where(better, snr, best)
        np.copyto(counts, contrast, where=better)
        which = np.where(better, np.int8(k), which)
    return best, which, counts


def find_ridges(grid: Grid) -> tuple[Ridge, ...]:
    """Trace the ridges of the strength map.

    Returns
    -------
    tuple of Ridge
        In reading order (by first column, then row).
    """
    snr, which, counts = strength_map(grid)
    # The flat top of a tall band has its crest wherever noise puts it, unless it is smoothed with its height.
    fine, broad = ndimage.uniform_filter1d(counts, 3, axis=0), ndimage.uniform_filter1d(counts, 9, axis=0)
    smooth = np.where(which <= 1, fine, broad)
    peak = ndimage.maximum_filter1d(smooth, 5, axis=0, mode="nearest")
    crest = (snr > _THRESHOLD) & (smooth >= peak)
    thick = crest | shifted(crest, 1) | shifted(crest, -1)
    labels, n = ndimage.label(thick, structure=np.ones((3, 3)))
    if n == 0:
        return ()
    rows, cols = np.nonzero(crest)
    label = labels[rows, cols]
    order = np.lexsort((rows, cols, label))
    rows, cols, label = rows[order], cols[order], label[order]
    cuts = np.flatnonzero(np.diff(label)) + 1
    ridges = []
    for r, c in zip(np.split(rows, cuts), np.split(cols, cuts), strict=True):
        if c[-1] - c[0] < 4:
            continue
        columns, start = np.unique(c, return_index=True)
        weight = counts[r, c]
        mean_row = np.add.reduceat(r * weight, start) / np.add.reduceat(weight, start)
        height = float(np.median([HEIGHTS[k] for k in which[r, c]]))
        ridges.append(
            Ridge(
                columns,
                mean_row,
                height,
                float(np.median(snr[r, c])),
                float(np.median(weight)),
                float(np.median(mean_row)),
            )
        )
    return tuple(sorted(ridges, key=lambda ridge: (ridge.left, ridge.row)))
