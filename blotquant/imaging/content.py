"""Where a picture shows something: without flat frames, paddings and margins around it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.robust import levels_of
from blotquant.model.geometry import Box

FLAT_STEPS = 2.5
"""Range of all but a few pixels of a flat row or column, in steps of the stored counts: a constant, or one in JPEG."""
FLAT_SHARE = 0.01
"""Of the picture's range, where it has few levels."""
FEW = 2.0
"""Percent of the pixels of a flat row or column, at either end, that may be anything."""
SAMPLES = 500
"""Pixels of a row or column that are looked at, at the most."""
NEAR = 0.05
"""Of the picture's range: how far from its darkest or brightest count a frame or a margin lies at the most."""
ROOM = 0.25
"""Of the height and width that is left: bare membrane that is kept beside it."""


def content_box(signal: NDArray[np.floating[Any]]) -> Box:
    """Find the part of a picture that is left when flat rows and columns at its edges are cut away.

    Frames and paddings inside each other are all cut. Of a dark margin, which may be bare membrane, some room is kept.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright, on any scale.

    Returns
    -------
    Box
        The whole picture where it has no such edge, or nothing but such.
    """
    box = Box(0, signal.shape[0], 0, signal.shape[1])
    levels = levels_of(signal)
    if len(levels) < 2:
        return box
    low, high = float(levels[0]), float(levels[-1])
    flat = min(FLAT_STEPS * float(np.diff(levels).min()), FLAT_SHARE * (high - low))
    near = NEAR * (high - low)
    # Margins are taken off from outside inwards until none is left: a frame may lie in a padding.
    while True:
        part = signal[box.slices]
        ends = part[[0, -1]], part[:, [0, -1]].T
        if not any(_is_margin(x, flat, (low + near, high - near)).any() for x in ends):
            break
        lines = part[:, :: max(1, part.shape[1] // SAMPLES)], part[:: max(1, len(part) // SAMPLES)].T
        rows, cols = (np.flatnonzero(~_is_margin(x, flat, (low + near, high - near))) for x in lines)
        if len(rows) == 0 or len(cols) == 0:
            break
        inner = Box(
            box[0] + int(rows[0]), box[0] + int(rows[-1]) + 1, box[2] + int(cols[0]), box[2] + int(cols[-1]) + 1
        )
        if inner == box:
            break
        box = inner
    # Some room is given back where it holds nothing: bands at the edge need it.
    down, across = int(ROOM * (box[1] - box[0])), int(ROOM * (box[3] - box[2]))
    beside_rows, beside_cols = signal[box.slices[0]].T, signal[:, box.slices[1]]
    return Box(
        box[0] - _bare(beside_cols[: box[0]][::-1][:down], low + near),
        box[1] + _bare(beside_cols[box[1] :][:down], low + near),
        box[2] - _bare(beside_rows[: box[2]][::-1][:across], low + near),
        box[3] + _bare(beside_rows[box[3] :][:across], low + near),
    )


def is_mostly_at(signal: NDArray[np.floating[Any]], count: float) -> bool:
    """Whether more than half of a picture reaches a count, frames and margins left out.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright, on any scale.
    count : float
        Such as the detector's ceiling: a black frame around dark bands lies there, and says nothing of them.
    """
    if np.count_nonzero(signal >= count) <= 0.5 * signal.size:
        return False
    part = signal[content_box(signal).slices]
    return bool(np.count_nonzero(part >= count) > 0.5 * part.size)


def _is_margin(lines: NDArray[np.floating[Any]], flat: float, ends: tuple[float, float]) -> NDArray[np.bool_]:
    """Which of some lines are flat, and close to the darkest or brightest count."""
    least, middle, most = np.percentile(lines, [FEW, 50, 100 - FEW], axis=1)
    return np.asarray((most - least <= flat) & ((middle <= ends[0]) | (middle >= ends[1])))


def _bare(lines: NDArray[np.floating[Any]], most: float) -> int:
    """How many lines there are before the first that is brighter than bare membrane."""
    bright = np.flatnonzero(np.median(lines[:, :: max(1, lines.shape[1] // SAMPLES)], axis=1) > most)
    return int(bright[0]) if len(bright) else len(lines)
