"""Lanes where a person says how many there are and the search sees none: evenly over the light of the picture."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from blotquant.detection.prediction import SearchCopy
from blotquant.imaging.profiles import half_height_width
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle

LIT = 0.1
"""Of the brightest column: lanes stand between the first and the last column that is so bright."""
FILLED = 0.8
"""Of the distance of two lanes: width of a lane."""
UNSURE = 0.2
"""Confidence of lanes and bands that are placed, not found."""


def evenly_spaced_lanes(copy: SearchCopy, n_lanes: int) -> Layout:
    """Place lanes of one width side by side, and in each a band where the row shines that is brightest over all.

    Parameters
    ----------
    copy : SearchCopy
        The picture.
    n_lanes : int
        How many a person counts.

    Returns
    -------
    Layout
        One strip; lanes and bands of little confidence, the lanes flagged as guesses, to be corrected by hand.
    """
    above = np.asarray(copy.pixels, dtype=np.float64)
    above = np.maximum(above - np.percentile(above, 30, axis=0), 0.0)
    row_light = ndimage.gaussian_filter1d(above.sum(axis=1), 1.0)
    peak = int(row_light.argmax())
    width = half_height_width(row_light, peak)
    reach = max(2, round(1.1 * width))
    top, bottom = max(0, peak - reach), min(len(above), peak + reach + 1)
    col_light = above[top:bottom].mean(axis=0)
    lit = np.flatnonzero(col_light > LIT * col_light.max())
    left, right = (lit[0], lit[-1] + 1) if len(lit) > n_lanes else (0, above.shape[1])
    pitch = (right - left) / n_lanes
    lanes, bands = [], []
    (first, _), (last, _) = copy.to_full(0, 0), copy.to_full(len(above) - 1, 0)
    for k in range(n_lanes):
        col = left + (k + 0.5) * pitch - 0.5
        _, center = copy.to_full(0, col)
        half = FILLED * pitch * copy.fx / 2
        flags = ("lane_uncertain", "lane_count_uncertain")
        lanes.append(
            Lane(
                id=f"s1l{k + 1}", strip="s1", number=k + 1, center=((first, center), (last, center)),
                widths=(2 * half, 2 * half), confidence=UNSURE, flags=flags,
            )
        )  # fmt: skip
        own = above[top:bottom, max(0, round(col - 0.3 * pitch)) : round(col + 0.3 * pitch) + 1].mean(axis=1)
        row, _ = copy.to_full(top + int(own.argmax()), 0)
        high = reach * copy.fy
        bands.append(
            Band(
                id=f"s1l{k + 1}b1",
                lane=f"s1l{k + 1}",
                outline=rectangle(row - high, row + high, center - half, center + half),
                peak=(row, center),
                row=1,
                confidence=UNSURE,
            )
        )
    _, edge_left = copy.to_full(0, left)
    _, edge_right = copy.to_full(0, right)
    strip = Strip(id="s1", number=1, outline=rectangle(first, last, edge_left, edge_right), confidence=UNSURE)
    return Layout(strips=(strip,), lanes=tuple(lanes), bands=tuple(bands)).sorted()
