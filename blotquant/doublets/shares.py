"""What part of each pixel belongs to a band, whole or one of a doublet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blotquant.coverage import area_weights
from blotquant.doublets.outlines import middle_line
from blotquant.geometry import Band, Box

Array = NDArray[np.float64]


def component_weights(band: Band, shape: tuple[int, int]) -> tuple[Box, Array]:
    """Weight of each pixel in a band: the covered part, times the band's share where it is one of a doublet.

    Parameters
    ----------
    band : Band
        With or without a `split`.
    shape : (int, int)
        Rows and columns of the picture.

    Returns
    -------
    box : Box
        The pixels touched, cut to the picture.
    weights : ndarray, shape of `box`
        0 to 1. For the two bands of one doublet they add up to the covered part.
    """
    box, weights = area_weights(band.outline, shape)
    if not band.split:
        return box, weights
    offsets, shares = np.asarray(band.split).T
    rows = np.arange(box.row_start, box.row_stop)[:, None]
    middle = middle_line(band.outline, np.arange(box.col_start, box.col_stop))
    return box, weights * np.interp(rows - middle, offsets, shares)
