"""The curve of single bands on the picture's own grid: how they tilt and bow, how high they are, where they peak."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

Floats = NDArray[np.float64]

_SEGMENTS = 5
_POWERS = np.arange(3)[:, None]
_LAST_TWO = np.array([1, 2])
# A fainter band's bow would be that of its noise.
_LEAST_SNR = 12.0
# Of the reach: no segment of a band lies further from its row's line.
_FARTHEST = 0.6


@dataclass(frozen=True, slots=True)
class Trace:
    """One band in pixels.

    Attributes
    ----------
    row, col : float
        Its middle.
    tilt, bow : float
        Rows per column at the middle, and rows that either end lies below the line through the middle.
    half : float
        Half its lane's width.
    height : float
        Full width at half maximum along the lane, bow and tilt taken out.
    peak : (row, col)
        Its maximum, smoothed.
    """

    row: float
    col: float
    tilt: float
    bow: float
    half: float
    height: float
    peak: tuple[float, float]

    def rows_at(self, cols: ArrayLike) -> Floats:
        """Row of the band's middle at some columns."""
        away = np.asarray(cols, dtype=float) - self.col
        return np.asarray(self.row + self.tilt * away + self.bow * (away / self.half) ** 2)


def trace_band(picture: NDArray[np.floating[Any]], start: Trace, *, snr: float) -> Trace:
    """Follow a band across its lane.

    Parameters
    ----------
    picture : ndarray, shape (H, W)
        Counts, bands bright.
    start : Trace
        Where the band is expected: middle, tilt, half width and height.
    snr : float
        Of the band; what is faint keeps its row's tilt and has no bow.
    """
    reach = 1.3 * start.height + 1
    room = reach + abs(start.tilt) * start.half
    r0, r1 = max(0, int(start.row - room)), min(picture.shape[0], int(start.row + room) + 2)
    c0, c1 = max(0, round(start.col - start.half)), min(picture.shape[1], round(start.col + start.half) + 1)
    if r1 - r0 < 5 or c1 - c0 < _SEGMENTS:
        return start
    patch = np.asarray(picture[r0:r1, c0:c1], dtype=np.float64)
    bent = _bend(patch, (r0, c0), start, reach) if snr >= _LEAST_SNR else start
    return _with_size(patch, (r0, c0), bent, reach)


@lru_cache(maxsize=1024)
def _segments(width: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """First column, number of columns and middle of each segment of a band so many columns wide."""
    edges = np.linspace(0, width, _SEGMENTS + 1).astype(int)
    return edges[:-1], np.diff(edges), (edges[:-1] + edges[1:] - 1) / 2


def _bend(patch: Floats, corner: tuple[int, int], start: Trace, reach: float) -> Trace:
    """Parabola through the centres of gravity of a band's segments."""
    first, sizes, middles = _segments(patch.shape[1])
    profiles = np.add.reduceat(patch, first, axis=1) / sizes
    middles = corner[1] + middles
    rows = np.arange(corner[0], corner[0] + len(patch), dtype=float)[:, None]
    expected = start.rows_at(middles)
    near = np.abs(rows - expected) <= reach
    low = np.minimum.reduce(np.where(near, profiles, np.inf))
    light = np.where(near, profiles - low, 0.0) ** 2
    total = np.add.reduce(light)
    if np.minimum.reduce(total) <= 0:
        return start
    limit = _FARTHEST * reach
    miss = np.minimum(np.maximum(np.add.reduce(light * rows) / total - expected, -limit), limit)
    away = (middles - start.col) / start.half
    weight = np.sqrt(total)
    design = away**_POWERS
    normal = (design * weight) @ design.T
    # A little trust in the row's own line keeps a smear in one segment from bending the band.
    normal[_LAST_TWO, _LAST_TWO] += (0.3 * float(np.sqrt(weight).mean())) ** 2
    shift, lean, bow = np.linalg.solve(normal, design @ (weight * miss)).tolist()
    return replace(start, row=start.row + shift, tilt=start.tilt + lean / start.half, bow=bow)


def _with_size(patch: Floats, corner: tuple[int, int], band: Trace, reach: float) -> Trace:
    """Height and peak of a band along its own curve."""
    r0, c0 = corner
    middle = band.rows_at(np.arange(c0, c0 + patch.shape[1])) - r0
    offsets = np.arange(-int(reach), int(reach) + 1)
    flat = _straightened(patch, middle, offsets)
    profile = ndimage.uniform_filter1d(flat.mean(axis=1), 3, mode="nearest")
    inner = np.flatnonzero(np.abs(offsets) <= max(0.5 * reach, 2))
    k = int(inner[0] + profile[inner[0] : inner[-1] + 1].argmax())
    base = max(float(np.minimum.reduce(profile[: k + 1])), float(np.minimum.reduce(profile[k:])))
    above = profile - base - 0.5 * (profile[k] - base)
    height = _crossing(above[k:]) + _crossing(above[: k + 1][::-1])
    crest = flat[max(0, k - 1) : k + 2].mean(axis=0) - base
    smooth = ndimage.uniform_filter1d(crest, max(3, len(crest) // 3), mode="constant")
    c = int(smooth.argmax())
    col = c + c0 + _vertex(smooth, c)
    away = col - band.col
    row = band.row + band.tilt * away + band.bow * (away / band.half * (away / band.half))
    peak = (row + (float(offsets[k]) + _vertex(profile, k)), col)
    return replace(band, height=min(max(height, 0.5 * band.height), 1.6 * band.height), peak=peak)


def _straightened(patch: Floats, middle: Floats, offsets: NDArray[np.intp]) -> Floats:
    """Counts at some distances from a line through a patch, between its rows; beyond its ends they stay the same."""
    height, width = patch.shape
    cols, last = np.arange(width), height - 1.001
    if middle.min() + offsets[0] >= 0 and middle.max() + offsets[-1] <= last:
        # All places of a column lie equally far between two rows.
        first = middle.astype(int)
        part = middle - first
        down = np.arange(offsets[0], offsets[-1] + 2) * width
        near = patch.ravel().take(first * width + cols + down[:, None])
        return np.asarray(near[:-1] * (1 - part) + near[1:] * part)
    y = np.clip(middle[None] + offsets[:, None], 0, last)
    low = y.astype(int)
    part = y - low
    return np.asarray(patch[low, cols] * (1 - part) + patch[low + 1, cols] * part)


def _crossing(side: Floats) -> float:
    """Steps from the first value down to zero, between two places; the whole length where it stays above."""
    k = int((side <= 0).argmax())
    if side[k] > 0:
        return float(len(side) - 1)
    return k - 1 + float(side[k - 1] / (side[k - 1] - side[k])) if k else 0.0


def _vertex(values: Floats, k: int) -> float:
    """Place of a maximum between the pixels, from a parabola through it and its neighbours."""
    if not 0 < k < len(values) - 1:
        return 0.0
    a, b, c = (float(v) for v in values[k - 1 : k + 2])
    bend = a - 2 * b + c
    return min(max(0.5 * (a - c) / bend, -0.5), 0.5) if bend < 0 else 0.0
