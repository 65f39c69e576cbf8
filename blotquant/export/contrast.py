"""The grey of a printed picture: linear in the counts, chosen from its bands, so that no band is clipped by it.

Notes
-----
White is a low percentile of the pixels shown. Black is the highest count inside the outlines of the bands shown: a
band looks cut off only where the camera cut it off. A percentile of the whole picture as black point, as image editors
choose it, makes strong bands of a sparse blot look saturated that are not. A single hot pixel is no band: a count that
stands alone, far above the median of its 3 by 3 pixels, is left aside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from blotquant.model.geometry import Layout
    from blotquant.model.image import BlotImage

WHITE_PERCENTILE = 0.5
"""Percentile of the pixels shown that is white: below the background, so that nothing of it is burnt away."""
BLACK_PERCENTILE = 99.95
"""Percentile that is black where no band was found."""
ALONE = 1.5
"""A pixel that stands this many times as high above the background as its neighbourhood is a hot pixel."""

Box = tuple[int, int, int, int]
"""First row, row behind the last, first column, column behind the last."""


def band_contrast(signal: NDArray[Any], boxes: Iterable[Box]) -> tuple[float, float]:
    """Choose the counts that are shown white and black.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts of the pixels that are shown, bands bright.
    boxes : iterable of Box
        Where its bands lie, in rows and columns of `signal`; parts outside it are left out.

    Returns
    -------
    white, black : float
        Counts; black lies above white unless all pixels are equal.
    """
    if not signal.size or not np.isfinite(signal).any():
        return 0.0, 1.0
    white = float(np.nanpercentile(signal, WHITE_PERCENTILE))
    ground = float(np.nanmedian(signal))
    height, width = signal.shape
    tops = []
    for row_start, row_stop, col_start, col_stop in boxes:
        cut = signal[max(row_start, 0) : min(row_stop, height), max(col_start, 0) : min(col_stop, width)]
        if cut.size and np.isfinite(cut).any():
            tops.append(_top(cut, ground))
    black = max(tops) if tops else float(np.nanpercentile(signal, BLACK_PERCENTILE))
    return (white, black) if black > white else (white, white + 1.0)


def picture_contrast(image: BlotImage, layout: Layout) -> tuple[float, float]:
    """Counts shown white and black for a whole picture: from the bands of all lanes but the ladder's.

    Bands that the search only expected count too: what is not there makes nothing darker, what is may not be clipped.
    A ladder's bands may be far stronger than those of the samples; they alone may be shown black all over.
    """
    ladder = {lane.id for lane in layout.lanes if lane.role == "ladder"}
    boxes = [
        (band.box.row_start, band.box.row_stop, band.box.col_start, band.box.col_stop)
        for band in layout.bands
        if band.lane not in ladder
    ]
    return band_contrast(image.signal(), boxes)


def _top(cut: NDArray[Any], ground: float) -> float:
    top = float(np.nanmax(cut))
    if min(cut.shape) < 3:
        return top
    filled = np.pad(np.nan_to_num(cut, nan=ground), 1, mode="edge")
    # From the highest count down: nearly always the first one stands in company.
    for at in np.argsort(filled[1:-1, 1:-1], axis=None, kind="stable")[::-1]:
        row, col = divmod(int(at), cut.shape[1])
        near = filled[row : row + 3, col : col + 3]
        if near[1, 1] - ground <= ALONE * max(float(np.sort(near, axis=None)[4]) - ground, 0.0):
            return float(near[1, 1])
    return top


def to_grey(signal: NDArray[Any], white: float, black: float) -> NDArray[np.uint8]:
    """Turn counts into grey, bands dark: 255 at `white` and below, 0 at `black` and above, linear between."""
    share = np.array(signal, dtype=float)
    share[np.isnan(share)] = white
    # In place: a picture has many pixels, and each step would make another copy of them.
    share -= white
    share /= black - white if black > white else 1.0
    np.clip(share, 0, 1, out=share)
    np.subtract(1, share, out=share)
    share *= 255
    grey: NDArray[np.uint8] = np.rint(share, out=share).astype(np.uint8)
    return grey
