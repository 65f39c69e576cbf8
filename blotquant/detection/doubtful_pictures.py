"""Pictures of which a search does not tell the whole, or that show no blot: overlooked rows, pages of figures, dust.

Rows of spots that look like the bands that were found and lie outside of all outlines:

1. What is brighter than its surroundings up and down the lane is lifted off (an opening along the columns), averaged
   over a part of a band.
2. Connected spots that reach a good part of the found bands' height, and stand clear of the noise, are measured. Those
   under the outlines tell how large a band is in this picture.
3. Spots of that size elsewhere count where at least three stand in one row: specks, letters and drawn frames do not.

Pages of figures are panels, axes and writing on blank paper, which are no single picture of a blot.

Dust on an empty membrane: a band is wider than high, or it stands in a row of its like; a speck is about as wide as
high, and lies anywhere. The search is right where its lanes stand out without a doubt, whatever their bands' shape;
only doubtful strips are asked:

1. Around each detected band the connected part above half of its height is taken, in the slightly smoothed picture.
2. It has the shape of a band where its box is half as wide again as it is high; a fibre that lies askew has not.
3. Where not more than half of the bands have it and no row of bands crosses the strip, all of them are specks.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.detection.prediction import SearchCopy, channels_of
from blotquant.imaging.robust import middle_of, robust_sd, running_maximum
from blotquant.model.geometry import Box, Layout

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

_PAPER = 0.3
"""Share of the pixels that are paper, at the least."""
_STRAY = 0.02
"""How far paper strays from its level, in parts of the picture's range."""
_LARGE = 0.015
"""Share of the picture that a panel's or a chart's box covers at the least."""
_FULL = 0.85
"""Part of a panel's box that is filled, at the least."""
_HOLLOW = 0.35
"""Part of a chart's box that is filled, at the most."""
_COARSE = 4
"""Edge of a block on which large boxes are looked for first."""
_WRITING = 12
"""Small marks on the paper from which they are writing."""

_SMOOTH_PX = 0.7
"""SD of the smoothing: single hot pixels and noise shall not cut a band's half height in pieces."""
_WIDE = 1.4
"""Width over height of a band at half of its height, at the least; its median is 1.0 to 1.3 for dust, 1.9 to 7.5 for
real blots, and 1.3 to 6 for difficult synthetic ones, whose high bands stand in rows."""
_DARK_MIDDLE = 0.6
"""Of a band's width: a darker middle so wide does not part it."""
_ROW_OF_BANDS = 6
"""Bands of one row, at the least, that are bands whatever their shape: chance puts up to 5 specks in line."""
_CROSSES = 0.5
"""Share of the lanes that such a row crosses, at the least."""
_CLEAR = float(np.arcsinh(5.0) / 4)
"""Compressed height above the surroundings of what stands out by ten noise SDs."""
_MUCH = 0.002
"""Share of the picture that must stand out so far, for it to show something."""


def shows_something(grid: SearchCopy) -> bool:
    """Whether much of a picture stands out clearly from its surroundings, be it bands or not."""
    return bool(np.mean(channels_of(grid.pixels)[1] > _CLEAR) > _MUCH)


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
    # Averages over a part of a band leave specks and thin lines behind.
    smooth = ndimage.uniform_filter(copy.pixels, part, mode="nearest")
    # An opening along the columns: the least of the rows around each, and the greatest of these.
    light = smooth - running_maximum(-running_maximum(-smooth, size), size)
    sample = light[::2, ::2]
    ground, noise = middle_of(sample), robust_sd(sample)
    limits = np.array([len(light), len(light), light.shape[1], light.shape[1]])
    places = np.clip(np.rint(np.hstack([rows, cols])).astype(int), 0, limits)
    windows = [(slice(a, max(b, a + 1)), slice(c, max(d, c + 1))) for a, b, c, d in places]
    # What must stand out: a good part of the found bands, and clear of the noise.
    peaks = [light[window].max(initial=0.0) for window in windows]
    height = max(_BRIGHT * (float(np.median(peaks)) - ground), _CLEAR_SDS * noise)
    labels, _ = ndimage.label(light > ground + height)
    spots = np.array([(r.start, r.stop, c.start, c.stop) for r, c in ndimage.find_objects(labels)]).reshape(-1, 4)
    high, wide = spots[:, 1] - spots[:, 0], spots[:, 3] - spots[:, 2]
    is_known = np.zeros(len(spots) + 1, dtype=bool)
    for window in windows:
        is_known[labels[window]] = True
    is_known = is_known[1:]
    if not is_known.any():
        return False
    # Spots under the outlines tell the size of a band; others of that size are counted.
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


def is_figure_page(signal: NDArray[np.floating[Any]]) -> bool:
    """Whether a picture is a page with panels side by side, or with a chart beside a panel, and writing on paper.

    A blot with writing beside it, or strips one below the other on paper, is none.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts on any scale, bands bright: paper is dark.
    """
    # Where less than a third is paper no further look is needed.
    coarse = signal[:: max(1, signal.shape[0] // 200), :: max(1, signal.shape[1] // 200)]
    low, high = float(coarse.min()), float(coarse.max())
    level = low + _STRAY * (high - low)
    if high <= low or np.mean(coarse <= level) < _PAPER:
        return False
    return _is_page(_in_blocks(signal > level, max(1, max(signal.shape) // 1000)))


def _in_blocks(mask: NDArray[np.bool_], edge: int) -> NDArray[np.bool_]:
    """Whether any pixel of each square block is set; incomplete blocks at the lower and right edge are left out."""
    rows, cols = mask.shape[0] // edge * edge, mask.shape[1] // edge * edge
    lines = mask[:rows:edge, :cols].copy()
    for k in range(1, edge):
        lines |= mask[k:rows:edge, :cols]
    blocks = lines[:, ::edge].copy()
    for k in range(1, edge):
        blocks |= lines[:, k::edge]
    return blocks


def _is_page(ink: NDArray[np.bool_]) -> bool:
    # What touches on the picture touches on its blocks: where no box is large there, none is, and this is quick to see.
    blocks = _in_blocks(np.pad(ink, [(0, -n % _COARSE) for n in ink.shape]), _COARSE)
    if not any(_size(box) * _COARSE**2 >= _LARGE * ink.size for box in _boxes(blocks)[1]):
        return False
    # Filled large boxes are panels, hollow ones charts, small marks writing.
    labels, boxes = _boxes(ink)
    panels, charts, marks = [], 0, 0
    for k, (rows, cols) in enumerate(boxes, 1):
        height, width = rows.stop - rows.start, cols.stop - cols.start
        if height * width >= _LARGE * ink.size:
            size = np.count_nonzero(labels[rows, cols] == k)
            if size > _FULL * height * width:
                panels.append((rows, cols))
            elif size < _HOLLOW * height * width:
                charts += 1
        elif 3 <= height < 0.06 * ink.shape[0] and width < 0.1 * ink.shape[1]:
            marks += 1
    beside = any(_beside(a, b) for k, a in enumerate(panels) for b in panels[k + 1 :])
    return marks >= _WRITING and (beside or (charts > 0 and len(panels) > 0))


def _boxes(ink: NDArray[np.bool_]) -> tuple[NDArray[np.signedinteger[Any]], list[tuple[slice, ...]]]:
    """Numbers of what touches, sides or corners, and the boxes around it."""
    labels, _ = ndimage.label(ink, structure=np.ones((3, 3)))
    return labels, ndimage.find_objects(labels)


def _size(box: tuple[slice, ...]) -> int:
    return int((box[0].stop - box[0].start) * (box[1].stop - box[1].start))


def _beside(a: tuple[slice, slice], b: tuple[slice, slice]) -> bool:
    """Whether two boxes share rows and no columns."""
    shared = min(a[0].stop, b[0].stop) - max(a[0].start, b[0].start)
    apart = max(a[1].start, b[1].start) - min(a[1].stop, b[1].stop)
    return bool(shared > 0.3 * min(a[0].stop - a[0].start, b[0].stop - b[0].start) and apart > 0)


def are_specks(signal: NDArray[np.floating[Any]], layout: Layout) -> bool:
    """Whether all that was found in a picture is dust.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright.
    layout : Layout
        What was found in it.

    Returns
    -------
    bool
        False where no band was detected.
    """
    detected = [band for band in layout.bands if band.status == "detected"]
    # A row across half of the lanes is bands whatever their shape.
    strip_of = {lane.id: lane.strip for lane in layout.lanes}
    rows = Counter((strip_of[band.lane], band.row) for band in detected)
    if any(n >= _ROW_OF_BANDS and n >= _CROSSES * len(layout.lanes_of(strip)) for (strip, _), n in rows.items()):
        return False
    shapes = [width / height for height, width in (_size_at_half_height(signal, band.box) for band in detected)]
    return bool(shapes) and sum(shape > _WIDE for shape in shapes) <= 0.5 * len(shapes)


def _size_at_half_height(signal: NDArray[np.floating[Any]], box: Box) -> tuple[int, int]:
    """Rows and columns of the part of a band that reaches half of its height above the rows over and under it."""
    from skimage.measure import label, regionprops

    high, wide = box.row_stop - box.row_start, box.col_stop - box.col_start
    top, left = max(box.row_start - high, 0), max(box.col_start - wide // 2, 0)
    window = signal[top : max(box.row_stop + high, 0), left : max(box.col_stop + wide // 2, 0)]
    if min(window.shape) < 2:
        return 1, 1
    smooth = ndimage.gaussian_filter(np.asarray(window, dtype=np.float64), _SMOOTH_PX)
    # Ground above and below, the brightest pixel of the band, and what reaches half of its height.
    edge = max(high // 2, 1)
    ground = float(np.median(np.concatenate([smooth[:edge], smooth[-edge:]])))
    within = np.zeros(smooth.shape, dtype=bool)
    within[max(box.row_start, 0) - top :, max(box.col_start, 0) - left :][:high, :wide] = True
    peak = np.unravel_index(np.argmax(np.where(within, smooth, -np.inf)), smooth.shape)
    bright = smooth > ground + 0.5 * (smooth[peak] - ground)
    # The halves of a hollow band are one.
    bright |= ndimage.binary_closing(bright, np.ones((1, int(_DARK_MIDDLE * wide) | 1), dtype=bool))
    parts = label(bright, connectivity=1)
    if parts[peak] == 0:
        return 1, 1
    row_start, col_start, row_stop, col_stop = regionprops((parts == parts[peak]).astype(np.uint8))[0].bbox
    return row_stop - row_start, col_stop - col_start
