"""Finding lanes anew in strips that stand, as a person may have corrected them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.finding.layouts import find_layout
from blotquant.finding.registration import shift_layout
from blotquant.geometry import Band, Lane, Layout, Strip, bounding_box
from blotquant.settings import DetectionSettings

FloatImage = NDArray[np.floating[Any]]


def find_lanes_again(
    signal: FloatImage,
    layout: Layout,
    *,
    ceiling: float = float("inf"),
    settings: DetectionSettings | None = None,
) -> Layout:
    """Find the lanes and bands of each strip of a layout in the strip's own piece of the picture.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright.
    layout : Layout
        Its strips stand; its lanes and bands are found anew.
    ceiling : float
        Counts of a saturated pixel.
    settings : DetectionSettings, optional
        Parameters of the search.
    """
    lanes: list[Lane] = []
    bands: list[Band] = []
    for strip in layout.strips:
        found = _in_strip(signal, strip, ceiling, settings or DetectionSettings())
        lanes += found.lanes
        bands += found.bands
    return replace(layout, lanes=tuple(lanes), bands=tuple(bands), alternatives=()).sorted()


def _in_strip(signal: FloatImage, strip: Strip, ceiling: float, settings: DetectionSettings) -> Layout:
    """The lanes of the piece's surest strip, with names of the given one."""
    box = bounding_box(strip.outline)
    top, left = max(box.row_start, 0), max(box.col_start, 0)
    piece = signal[top : max(box.row_stop, 0), left : max(box.col_stop, 0)]
    found = find_layout(piece, ceiling=ceiling, settings=settings, n_lanes=settings.n_lanes)
    if not found.strips:
        return Layout()
    best = max(found.strips, key=lambda s: (len(found.lanes_of(s.id)), s.confidence, -s.number))
    here = shift_layout(found, float(top), float(left))
    own = {lane.id: f"{strip.id}-{lane.id}" for lane in here.lanes_of(best.id)}
    return Layout(
        lanes=tuple(replace(x, id=own[x.id], strip=strip.id) for x in here.lanes if x.id in own),
        bands=tuple(replace(b, id=f"{strip.id}-{b.id}", lane=own[b.lane]) for b in here.bands if b.lane in own),
    )
