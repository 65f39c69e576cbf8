"""Pictures of one membrane laid on each other: by how much each is shifted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.imaging.robust import block_average
from blotquant.model.geometry import Lane, Layout, Point, Polygon

FloatImage = NDArray[np.floating[Any]]
_LARGEST = 0.1
_ALIKE = 0.3
"""Correlation from which two pictures count as showing the same structures."""
_BETTER = 0.05
"""By so much a shift must match better than none."""


def register(fixed: FloatImage, moving: FloatImage) -> tuple[float, float]:
    """Shift (rows, columns) of `moving` against `fixed`: what lies at p there lies at p + shift here.

    Phase correlation of both pictures' vertical structure; a shift beyond a tenth of the picture, pictures that
    are not alike, and a shift that matches hardly better than none, count as none.
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
    # Two proteins show other rows: their pictures hardly match anywhere, and the best of many chances is no shift.
    if size <= 0 or match[peak] < max(_ALIKE * size, match[0, 0] + _BETTER * size):
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


def settle_sideways(signal: FloatImage, layout: Layout) -> float:
    """How far the lanes must move sideways, in columns, to lie on this picture's own bands.

    Registration can be led astray where two probes show other rows; the picture's own columns cannot. The shift is
    looked for within `_ROOM` of a pitch, so that no lane takes its neighbour's place.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    layout : Layout
        Strips and lanes as they were carried over from the membrane.

    Returns
    -------
    float
        Columns to the right; 0 where the picture shows too little to tell.
    """
    lanes = [lane for lane in layout.lanes if len(layout.lanes_of(lane.strip)) > 1]
    if not lanes:
        return 0.0
    pitch = float(np.median([_pitch_of(layout, strip.id) for strip in layout.strips if layout.lanes_of(strip.id)]))
    energy = np.maximum(_structure(np.asarray(signal, dtype=np.float32)), 0.0)
    sums = np.pad(np.cumsum(energy, axis=1), ((0, 0), (1, 0)))
    steps = np.arange(-round(_ROOM * pitch), round(_ROOM * pitch) + 1)
    scores = np.array([_light_on(sums, lanes, float(d)) for d in steps])
    best, here = int(scores.argmax()), int(np.flatnonzero(steps == 0)[0])
    return float(steps[best]) if scores[best] > _WORTH * scores[here] else 0.0


_ROOM = 0.45
_WORTH = 1.05
"""Lanes are moved only if they then hold at least this much more light."""


def _pitch_of(layout: Layout, strip_id: str) -> float:
    lanes = layout.lanes_of(strip_id)
    middles = [float(lane.center_at(sum(lane.row_range) / 2)) for lane in lanes]
    return float(np.median(np.diff(middles))) if len(middles) > 1 else lanes[0].widths[0]


def _light_on(sums: NDArray[np.float64], lanes: list[Lane], shift: float) -> float:
    """Structure inside the lanes' cores, which are the better half of their width."""
    total = 0.0
    for lane in lanes:
        rows = np.arange(max(int(lane.row_range[0]), 0), min(int(lane.row_range[1]) + 1, len(sums)), 2)
        center, half = lane.center_at(rows) + shift, 0.3 * lane.width_at(rows)
        ends = np.clip(np.round([center - half, center + half + 1]).astype(int), 0, sums.shape[1] - 1)
        total += float((sums[rows, ends[1]] - sums[rows, ends[0]]).sum())
    return total
