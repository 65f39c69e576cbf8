"""Pictures of one membrane laid on each other: by how much each is shifted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.geometry import Layout, Point, Polygon
from blotquant.noise import block_average

FloatImage = NDArray[np.floating[Any]]
_LARGEST = 0.1


def register(fixed: FloatImage, moving: FloatImage) -> tuple[float, float]:
    """Shift (rows, columns) of `moving` against `fixed`: what lies at p there lies at p + shift here.

    Phase correlation of both pictures' vertical structure; a shift beyond a tenth of the picture, or a correlation
    that no shift raises clearly, counts as none.
    """
    block = max(1, max(fixed.shape) // 512)
    a, b = (_structure(block_average(s, block, block)) for s in (fixed, moving))
    product = np.fft.rfft2(b) * np.conj(np.fft.rfft2(a))
    match = np.fft.irfft2(product, s=a.shape)
    rows = np.fft.fftfreq(a.shape[0], 1 / a.shape[0])
    cols = np.fft.fftfreq(a.shape[1], 1 / a.shape[1])
    near = (np.abs(rows)[:, None] <= _LARGEST * a.shape[0]) & (np.abs(cols)[None] <= _LARGEST * a.shape[1])
    match = np.where(near, match, -np.inf)
    peak = np.unravel_index(int(match.argmax()), match.shape)
    size = np.sqrt((a**2).sum() * (b**2).sum())
    if size <= 0 or match[peak] < 0.1 * size:
        return 0.0, 0.0
    return float(rows[peak[0]] * block), float(cols[peak[1]] * block)


def _structure(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Contrast of bands and edges on a scale that strong and weak pictures share."""
    detail = ndimage.gaussian_filter(image, 2.0) - ndimage.gaussian_filter(image, 12.0)
    scale = max(float(np.median(np.abs(detail))), 1e-9)
    return np.asarray(np.arcsinh(detail / (3 * scale)), dtype=np.float64)


def move(signal: FloatImage, rows: float, cols: float) -> FloatImage:
    """Shift a picture by whole pixels; edge pixels repeat. For finding only, never for weighing."""
    r = np.clip(np.arange(signal.shape[0]) - round(rows), 0, signal.shape[0] - 1)
    c = np.clip(np.arange(signal.shape[1]) - round(cols), 0, signal.shape[1] - 1)
    return signal[np.ix_(r, c)]


def shift_layout(layout: Layout, rows: float, cols: float) -> Layout:
    """Shift strips, lanes and bands."""

    def point(p: Point) -> Point:
        return p[0] + rows, p[1] + cols

    def outline(o: Polygon) -> Polygon:
        return tuple(point(p) for p in o)

    return replace(
        layout,
        strips=tuple(replace(s, outline=outline(s.outline)) for s in layout.strips),
        lanes=tuple(replace(lane, center=tuple(point(p) for p in lane.center)) for lane in layout.lanes),
        bands=tuple(replace(b, outline=outline(b.outline), peak=point(b.peak)) for b in layout.bands),
    )
