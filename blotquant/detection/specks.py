"""Dust on an empty membrane: what a search takes for bands where nothing in the picture has the shape of one.

A band is wider than high, or it stands in a row of its like; a speck is about as wide as high, and lies anywhere. The
search is right where its lanes stand out without a doubt, whatever their bands' shape; only doubtful strips are asked:

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

from blotquant.model.geometry import Box, Layout

_SMOOTH_PX = 0.7
"""SD of the smoothing: single hot pixels and noise shall not cut a band's half height in pieces."""
_WIDE = 1.4
"""Width over height of a band at half of its height, at the least; its median is 1.0 to 1.3 for dust, 1.9 to 7.5 for
real blots, and 1.3 to 6 for difficult synthetic ones, whose high bands stand in rows."""
_HOLLOW = 0.6
"""Of a band's width: a darker middle so wide does not part it."""
_ROW = 6
"""Bands of one row, at the least, that are bands whatever their shape: chance puts up to 5 specks in line."""
_CROSSES = 0.5
"""Share of the lanes that such a row crosses, at the least."""


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
    strip_of = {lane.id: lane.strip for lane in layout.lanes}
    rows = Counter((strip_of[band.lane], band.row) for band in detected)
    if any(n >= _ROW and n >= _CROSSES * len(layout.lanes_of(strip)) for (strip, _), n in rows.items()):
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
    edge = max(high // 2, 1)
    ground = float(np.median(np.concatenate([smooth[:edge], smooth[-edge:]])))
    within = np.zeros(smooth.shape, dtype=bool)
    within[max(box.row_start, 0) - top :, max(box.col_start, 0) - left :][:high, :wide] = True
    peak = np.unravel_index(np.argmax(np.where(within, smooth, -np.inf)), smooth.shape)
    bright = smooth > ground + 0.5 * (smooth[peak] - ground)
    # The halves of a hollow band are one.
    bright |= ndimage.binary_closing(bright, np.ones((1, int(_HOLLOW * wide) | 1), dtype=bool))
    parts = label(bright, connectivity=1)
    if parts[peak] == 0:
        return 1, 1
    row_start, col_start, row_stop, col_stop = regionprops((parts == parts[peak]).astype(np.uint8))[0].bbox
    return row_stop - row_start, col_stop - col_start
