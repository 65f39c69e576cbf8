"""The picture as it is searched: a coarse copy, what the network sees in it, and the ridges of the chance of a band.

A small convolutional network that looks for bands and lanes: its numbers, and the way through it in plain NumPy.

The encoder halves the picture four times, the decoder adds each scale back to the next finer one, as in Ronneberger,
Fischer and Brox, MICCAI 2015 (U-Net), with sums in place of joined channels. It was trained on synthetic scenes alone
(`tools/train_network.py`); its numbers are stored in half precision in ``network.npz``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from blotquant.imaging.content import content_box
from blotquant.imaging.robust import block_average, levels_of, local_means, middle_of, running_maximum
from blotquant.model.geometry import Box

FloatArray = NDArray[np.float32]
Weights = dict[str, FloatArray]
Places = TypeVar("Places", float, NDArray[np.float64])

MULTIPLE = 32
"""Rows and columns of a picture that goes in must be multiples of this."""
_SCALES = 4
_BLOCK = 1 << 18
"""Numbers that are gathered for one product of matrices: few enough to stay in the processor's cache."""
_ROWS_IN = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=np.float32,
)
"""Six rows of an image, mixed for the six products of Winograd's F(4, 3)."""
_TAPS_IN = np.array(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=np.float32
) / np.float32(24)
"""Three taps, mixed likewise."""
_ROWS_OUT = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=np.float32
)
"""Four rows of the result from the six products."""


@lru_cache(maxsize=1)
def load_network() -> Weights:
    """Read the trained numbers: for each layer a matrix (taps × channels in, channels out) and its offsets."""
    with files("blotquant.detection").joinpath("network.npz").open("rb") as file, np.load(file) as stored:
        return {name: np.asarray(stored[name], dtype=np.float32) for name in stored.files}


def run_network(weights: Weights, channels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Send a picture through the network.

    Parameters
    ----------
    weights : dict
        From `load_network`.
    channels : ndarray, shape (3, H, W)
        Views of one picture, see `blotquant.detection.prediction.channels_of`; H and W are multiples of `MULTIPLE`.

    Returns
    -------
    bands : ndarray, shape (H, W)
        Log odds that a pixel lies in the core of a band.
    lanes : ndarray, shape (H / 2, 4, W / 2)
        Log odds that a place lies on the lanes of a strip; cosine and sine of the place across the lanes, a turn from
        one lane's middle to the next; width of the lane there, as a share of the distance to its nearer neighbour.

    Notes
    -----
    Maps are stored row by row, each row as channels × columns: what a row of places needs of its neighbours left and
    right is then three plain copies, and a row's product with a layer's matrix lies as the next layer reads it.
    """
    n, height, width = channels.shape
    # Cells of 2 × 2 pixels become one place with four times the channels.
    cells = channels.reshape(n, height // 2, 2, width // 2, 2).transpose(1, 0, 2, 4, 3)
    scales = [_layer(weights, "enc0", _layer(weights, "stem", cells.reshape(height // 2, 4 * n, width // 2)))]
    for k in range(_SCALES):
        scales.append(_layer(weights, f"enc.{k}", _layer(weights, f"down.{k}", scales[-1], stride=2)))
    seen = np.empty_like(scales[-1])
    for k in (0, 1):  # taps two places apart see every other row
        seen[k::2] = _layer(weights, "mid", scales[-1][k::2], apart=2)
    for k in reversed(range(_SCALES)):
        # Each place of the coarser scale adds what it sees to its four places of the next finer one.
        side = np.repeat(weights[f"side.{k}.w"].T @ seen, 2, axis=2)
        scales[k].reshape(len(side), 2, *side.shape[1:])[...] += side[:, None]
        seen = _layer(weights, f"dec.{k}", scales[k])
    lanes = weights["lane.w"].T @ seen + weights["lane.b"][:, None]
    bands = (weights["band.w"].T @ seen + weights["band.b"][:, None]).reshape(height // 2, 2, 2, width // 2)
    return bands.transpose(0, 1, 3, 2).reshape(height, width), lanes


def _layer(weights: Weights, name: str, image: FloatArray, *, stride: int = 1, apart: int = 1) -> FloatArray:
    """Convolve with 3 × 3 taps, add the offsets, leave out what is negative.

    Parameters
    ----------
    weights : dict
        From `load_network`.
    name : str
        The layer.
    image : ndarray, shape (H, C, W)
        Rows, channels, columns. Beyond its edges it is taken as 0.
    stride : int
        Every how many rows and columns have a result: 1 or 2.
    apart : int
        Columns from one tap to the next.

    Returns
    -------
    ndarray, shape (H / stride, channels, W / stride)

    Notes
    -----
    Four rows of a result come from six rows of the image by six products in place of twelve (Winograd's F(4, 3), down
    the rows). In float32 it is as near to the sum written out as the order of a sum is: 1e-5 of log odds.

    References
    ----------
    Lavin & Gray, CVPR 2016, pp. 4013-4021.
    """
    rows, depth, cols = image.shape
    matrix = weights[f"{name}.w"].reshape(3, 3 * depth, -1)
    if stride == 1:
        window, given = 6, 4
        matrix = np.tensordot(_TAPS_IN, matrix, 1)
    else:
        window, given = 3, 1
        matrix = matrix.reshape(1, 9 * depth, -1)
    n_out = matrix.shape[2]
    # Written out for a whole row: numpy adds long lines faster than a number to each short one.
    offset = np.repeat(weights[f"{name}.b"][:, None], cols // stride, axis=1)
    out = np.empty((-(-rows // (stride * given)), given, n_out, cols // stride), dtype=np.float32)
    # Few enough rows at a time for the gathered taps to stay in the processor's cache.
    step = max(1, min(len(out), _BLOCK // (3 * window * depth * out.shape[3])))
    padded = np.zeros((stride * given * step + 3 - stride, depth, cols + 2 * apart), dtype=np.float32)
    (down, *_, right), inner = padded.strides, padded[0].size
    windows = as_strided(padded, (step, window, inner), (stride * given * down, down, right))
    taps = np.empty((step, window, 3, depth, out.shape[3]), dtype=np.float32)
    for start in range(0, len(out), step):
        part = out[start : start + step]
        top = stride * given * start - 1
        known = image[max(top, 0) : top + len(padded)]
        first = max(-top, 0)
        padded[:first], padded[first + len(known) :] = 0.0, 0.0
        padded[first : first + len(known), :, apart:-apart] = known
        rows_in = (_ROWS_IN @ windows if stride == 1 else windows).reshape(step, window, depth, -1)
        for k in range(3):
            taps[:, :, k] = rows_in[..., k * apart : k * apart + cols : stride]
        products = matrix.swapaxes(1, 2) @ taps.reshape(step, len(matrix), -1, out.shape[3])[: len(part)]
        if stride == 1:
            np.matmul(_ROWS_OUT, products.reshape(len(part), window, -1), out=part.reshape(len(part), given, -1))
        else:
            part[...] = products
        part += offset
        np.maximum(part, 0.0, out=part)
    return out.reshape(-1, n_out, out.shape[3])[: rows // stride]


MOST = 200_000
"""Pixels of the coarse copy at the most."""
LEAST = 24
"""Rows and columns of a coarse copy at the least."""
_AROUND = (31, 15)
"""Rows and columns over which a pixel's surroundings are averaged: higher and wider than most bands."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network sees in a coarse copy.

    Attributes
    ----------
    bands : ndarray, shape (H, W)
        Chance that a coarse pixel lies in the core of a band.
    lanes : ndarray, shape (h, w)
        Chance that a place lies on the lanes of a strip; one place stands for 2 × 2 coarse pixels.
    phase : ndarray of complex, shape (h, w)
        Place across the lanes: its angle is a whole turn from one lane's middle to the next, 0 there.
    share : ndarray, shape (h, w)
        Width of the lane over the distance to its nearer neighbour.
    """

    bands: FloatArray
    lanes: FloatArray
    phase: NDArray[np.complex64]
    share: FloatArray


@dataclass(frozen=True)
class SearchCopy:
    """A coarse copy of a picture or of a window in it.

    Attributes
    ----------
    full : ndarray, shape (H, W)
        The picture.
    pixels : ndarray, shape (h, w)
        Local means over `fy` × `fx` of its pixels.
    fy, fx : float
        Rows and columns of the picture that one coarse pixel covers.
    levels : ndarray
        Different counts in a sample of the picture.
    corner : (int, int)
        First row and column of the window.
    """

    full: NDArray[np.floating[Any]]
    pixels: FloatArray
    fy: float
    fx: float
    levels: NDArray[np.floating[Any]]
    corner: tuple[int, int] = (0, 0)

    @cached_property
    def step(self) -> float:
        """Smallest distance between two levels; 0 where all pixels are equal."""
        return float(np.diff(self.levels).min()) if len(self.levels) > 1 else 0.0

    @cached_property
    def prediction(self) -> Prediction:
        """What the network sees in it."""
        return predict(self.pixels)

    def to_full(self, row: Places, col: Places) -> tuple[Places, Places]:
        """Centres of coarse pixels on the picture's own grid."""
        return self.corner[0] + row * self.fy + (self.fy - 1) / 2, self.corner[1] + col * self.fx + (self.fx - 1) / 2

    def row_of(self, row: ArrayLike) -> NDArray[np.float64]:
        """Coarse row of rows of the picture."""
        return np.asarray((np.asarray(row, dtype=float) - self.corner[0] - (self.fy - 1) / 2) / self.fy)

    def col_of(self, col: ArrayLike) -> NDArray[np.float64]:
        """Coarse column of columns of the picture."""
        return np.asarray((np.asarray(col, dtype=float) - self.corner[1] - (self.fx - 1) / 2) / self.fx)


def make_search_copy(signal: NDArray[np.floating]) -> SearchCopy:
    """Average a picture down to at most `MOST` pixels, columns by twice as much as rows: bands are wider than high.

    Flat frames and paddings around it are left out.
    """
    levels = levels_of(signal)
    box = content_box(signal, levels)
    part = signal[box.slices]
    levels = levels if part.shape == signal.shape else levels_of(part)
    fy, fx = blocks_of((part.shape[0], part.shape[1]))
    return SearchCopy(signal, block_average(part, fy, fx), fy, fx, levels, (box.row_start, box.col_start))


def smaller_copy(copy: SearchCopy, scale: float) -> SearchCopy:
    """The same picture with `scale` times as many coarse rows and columns, at most as many: local means."""
    height, width = copy.pixels.shape
    shape = max(LEAST, round(height * scale)), max(LEAST, round(width * scale))
    pixels = local_means(copy.pixels, shape).astype(np.float32)
    return replace(copy, pixels=pixels, fy=copy.fy * height / shape[0], fx=copy.fx * width / shape[1])


def window_copy(copy: SearchCopy, box: Box, fy: float, fx: float) -> SearchCopy:
    """A copy of a window of the picture at about `fy` × `fx` of its pixels: local means, between pixels where finer."""
    top, left = max(box.row_start, 0), max(box.col_start, 0)
    # A window that would be larger than a search copy is shrunk.
    part = np.asarray(copy.full[top : max(box.row_stop, 0), left : max(box.col_stop, 0)], dtype=np.float32)
    shrink = max(1.0, np.sqrt(part.size / (fy * fx) / MOST))
    shape = tuple(max(LEAST, round(n / f / shrink)) for n, f in zip(part.shape, (fy, fx), strict=True))
    coarse = tuple(min(n, m) for n, m in zip(shape, part.shape, strict=True))
    pixels = local_means(part, coarse)
    if coarse != shape:
        finer = [n / m for n, m in zip(shape, coarse, strict=True)]
        pixels = ndimage.zoom(pixels, finer, order=1, mode="nearest", grid_mode=True)
    return replace(
        copy,
        pixels=pixels.astype(np.float32),
        fy=part.shape[0] / shape[0],
        fx=part.shape[1] / shape[1],
        corner=(top, left),
    )


def blocks_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the blocks that are averaged."""
    # At most a hundredth of the width: lanes must stay apart.
    fy, widest = 1, max(1, shape[1] // 100)
    while (shape[0] // fy) * (shape[1] // min(2 * fy, widest)) > MOST:
        fy += 1
    return fy, min(2 * fy, widest)


def channels_of(pixels: NDArray[np.floating]) -> FloatArray:
    """Three views of a coarse copy, the same for any factor on the counts and any offset.

    Parameters
    ----------
    pixels : ndarray, shape (H, W)
        Counts, bands bright.

    Returns
    -------
    ndarray, shape (3, H, W)
        Height above the darkest in noise SDs, compressed; height above the surroundings likewise; height above the
        darkest as a share of the range.
    """
    counts = np.asarray(pixels, dtype=np.float64)
    low, high = np.percentile(counts[::2, ::2], [5, 99.5])
    rough = counts[2:] - 2 * counts[1:-1] + counts[:-2]
    noise = middle_of(np.abs(rough).astype(np.float32)) / 0.6745 / np.sqrt(6)
    # What rounding leaves of a flat picture, on any scale of the counts.
    least = max(1e-12 * float(max(abs(low), abs(high))), 1e-300)
    noise = max(noise, 1e-4 * (high - low), least)
    # The mean of the surroundings: columns, then rows, each as lines that lie in one piece.
    columns = ndimage.uniform_filter1d(np.ascontiguousarray(counts.T), _AROUND[0], mode="nearest")
    around = ndimage.uniform_filter1d(np.ascontiguousarray(columns.T), _AROUND[1], mode="nearest")
    above = counts - low
    views = np.empty((3, *counts.shape), dtype=np.float32)
    views[0] = np.arcsinh(above / (4 * noise)) / 4
    views[1] = np.arcsinh((counts - around) / (2 * noise)) / 4
    views[2] = np.clip(above / max(high - low, least), -0.5, 1.5)
    return views


def predict(pixels: FloatArray) -> Prediction:
    """Let the network look at a coarse copy; beyond its lower and right edge the last pixels are repeated."""
    # The encoder halves rows and columns four times on places of 2 × 2 pixels.
    height, width = pixels.shape
    room = [(0, 0), (0, -height % MULTIPLE), (0, -width % MULTIPLE)]
    bands, lanes = run_network(load_network(), np.pad(channels_of(pixels), room, mode="edge"))
    lanes = lanes[: -(-height // 2), :, : -(-width // 2)].swapaxes(0, 1)
    return Prediction(
        bands=_chance(bands[:height, :width]),
        lanes=_chance(lanes[0]),
        phase=(lanes[1] + np.complex64(1j) * lanes[2]).astype(np.complex64),
        share=lanes[3],
    )


def _chance(log_odds: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))), dtype=np.float32)


_ON_RIDGE = 0.4
"""Chance from which on a place belongs to a ridge."""
_SHORT = 3
"""Columns of a ridge at the least."""
FWHM_OF_CORE = 1.47
"""Full width at half maximum of a Gaussian band over the height of the core that the network marks."""


@dataclass(frozen=True, eq=False)
class BandRow:
    """A row of bands across the lanes, or a ridge, a stretch of it without a gap: where it runs on the coarse grid.

    Attributes
    ----------
    cols, rows : ndarray, shape (n,)
        Columns, rising, and the row of each.
    heights : ndarray, shape (n,)
        Full width at half maximum along the lane, of the ridge that each column lies on.
    ridges : int
        Of how many ridges it consists.
    """

    cols: NDArray[np.intp]
    rows: NDArray[np.float64]
    heights: NDArray[np.float64]
    ridges: int = 1

    @cached_property
    def row(self) -> float:
        """Median row."""
        return middle_of(self.rows)

    @cached_property
    def height(self) -> float:
        """Full width at half maximum of its bands, the usual one."""
        return middle_of(self.heights)


def find_ridges(bands: FloatArray) -> tuple[BandRow, ...]:
    """Trace the crests of the chance map.

    Parameters
    ----------
    bands : ndarray, shape (H, W)
        Chance of each coarse pixel to lie in a band's core.

    Returns
    -------
    tuple of BandRow
        In reading order (by first column, then row).
    """
    smooth = ndimage.uniform_filter1d(bands, 3, axis=0, mode="nearest")
    crest = (smooth > _ON_RIDGE) & (smooth >= running_maximum(smooth, 5))
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
        ridges.append(BandRow(columns, middles[k:stop], np.full(len(columns), FWHM_OF_CORE * middle_of(own))))
    return tuple(sorted(ridges, key=lambda ridge: (ridge.cols[0], ridge.row)))


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
