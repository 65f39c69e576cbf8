"""Rows of spots that look like the bands that were found and lie outside of all outlines: what a search overlooked.

1. What is brighter than its surroundings up and down the lane is lifted off (an opening along the columns), averaged
   over a part of a band.
2. Connected spots that reach a good part of the found bands' height, and stand clear of the noise, are measured. Those
   under the outlines tell how large a band is in this picture.
3. Spots of that size elsewhere count where at least three stand in one row: specks, letters and drawn frames do not.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from blotquant.detection.prediction import SearchCopy
from blotquant.imaging.robust import robust_sd
from blotquant.model.geometry import Layout

_TALL = 4
"""Heights of a band that the opening spans."""
_BRIGHT = 0.35
"""Part of the found bands' usual height that a spot must reach."""
_CLEAR_SDS = 5.0
"""Robust SDs of what is lifted off that it must reach too."""
_MEAN = (0.25, 0.15)
"""Part of a found outline's height and width over which is averaged."""
_HEIGHTS = (0.5, 2.0)
"""Height of a spot that may be a band, of the found ones' usual height."""
_WIDTHS = (0.5, 1.7)
"""Its width likewise."""
_FILLED = 0.5
"""Share of its box that a band fills."""
_LEVEL = 0.75
"""Heights of a band within which spots stand in one row."""
_ROW = 3
"""Spots that make a row."""
_SHARE = 0.15
"""Share of the found bands from which on so many spots are a doubt: a stain shows more than anybody outlines."""


def overlooks_rows(copy: SearchCopy, layout: Layout) -> bool:
    """Whether rows of spots look like the bands that were found, and were not found.

    Parameters
    ----------
    copy : SearchCopy
        The picture as it was searched.
    layout : Layout
        What was found in it.

    Returns
    -------
    bool
        False where nothing was found at all.
    """
    boxes = [band.box for band in layout.bands if band.status == "detected"]
    if not boxes:
        return False
    edges = np.array([(b.row_start, b.row_stop, b.col_start, b.col_stop) for b in boxes], dtype=float)
    rows, cols = copy.row_of(edges[:, :2]), copy.col_of(edges[:, 2:])
    size = int(_TALL * np.median(rows[:, 1] - rows[:, 0])) | 1
    part = [
        max(1, round(share * float(np.median(x[:, 1] - x[:, 0])))) for share, x in zip(_MEAN, (rows, cols), strict=True)
    ]
    smooth = ndimage.uniform_filter(copy.pixels, part, mode="nearest")
    light = smooth - ndimage.grey_opening(smooth, (min(size, 2 * len(smooth) - 1), 1))
    ground = float(np.median(light))
    noise = robust_sd(light[::2, ::2])
    limits = np.array([len(light), len(light), light.shape[1], light.shape[1]])
    places = np.clip(np.rint(np.hstack([rows, cols])).astype(int), 0, limits)
    windows = [(slice(a, max(b, a + 1)), slice(c, max(d, c + 1))) for a, b, c, d in places]
    peaks = [light[window].max(initial=0.0) for window in windows]
    height = max(_BRIGHT * (float(np.median(peaks)) - ground), _CLEAR_SDS * noise)
    labels, _ = ndimage.label(light > ground + height)
    spots = np.array([(r.start, r.stop, c.start, c.stop) for r, c in ndimage.find_objects(labels)]).reshape(-1, 4)
    high, wide = spots[:, 1] - spots[:, 0], spots[:, 3] - spots[:, 2]
    known = np.unique(np.concatenate([labels[window].ravel() for window in windows]))
    is_known = np.isin(np.arange(1, len(spots) + 1), known)
    if not is_known.any():
        return False
    usual_high, usual_wide = float(np.median(high[is_known])), float(np.median(wide[is_known]))
    filled = np.bincount(labels.ravel(), minlength=len(spots) + 1)[1:] / np.maximum(high * wide, 1)
    alike = ~is_known & (filled >= _FILLED)
    alike &= (high >= _HEIGHTS[0] * usual_high) & (high <= _HEIGHTS[1] * usual_high)
    alike &= (wide >= _WIDTHS[0] * usual_wide) & (wide <= _WIDTHS[1] * usual_wide)
    middles = np.sort(spots[alike, :2].sum(axis=1) / 2)
    # A row ends where the next spot lies further down than a part of a band's height.
    rows_of_spots = np.split(middles, 1 + np.flatnonzero(np.diff(middles) > _LEVEL * usual_high))
    overlooked = sum(len(row) for row in rows_of_spots if len(row) >= _ROW)
    return overlooked >= max(_ROW, _SHARE * len(boxes))
