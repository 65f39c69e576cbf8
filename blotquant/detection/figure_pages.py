"""Pages of figures: panels, axes and writing on blank paper, which are no single picture of a blot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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


def is_figure_page(signal: NDArray[np.floating[Any]]) -> bool:
    """Whether a picture is a page with panels side by side, or with a chart beside a panel, and writing on paper.

    A blot with writing beside it, or strips one below the other on paper, is none.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts on any scale, bands bright: paper is dark.
    """
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
