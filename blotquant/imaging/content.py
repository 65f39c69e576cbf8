"""A picture as a whole: how its stored pixels lie, which part shows something, and the contrast to look at it with.

Turns by quarters, mirrors and cuts are exact: every pixel keeps its stored value. Flat frames, paddings and margins
around a picture are no part of what it shows.

References
----------
TIFF 6.0, tag 274 (Orientation), which EXIF shares.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.robust import levels_of
from blotquant.model.geometry import Box
from blotquant.model.image import Orientation

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
    # Flat is what strays by rounding or JPEG alone; frames and margins are near the darkest or brightest count.
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


def orient(stored: NDArray[Any], orientation: Orientation) -> NDArray[Any]:
    """Lay stored pixels as the file's tag and a person say.

    Parameters
    ----------
    stored : ndarray, shape (H, W)
        Pixels as the file holds them.
    orientation : Orientation
        Applied in this order: the file's tag, the region, the turn, the mirror.

    Returns
    -------
    ndarray
        The same values, turned by quarters; what is left of a free angle (`Orientation.lean_deg`) turns
        what is found (`blotquant.detection.turned`), not the pixels.

    Raises
    ------
    ValueError
        If the region does not lie in the picture; the message shows both.
    """
    # As the file says, then the cut, then the turn, then the mirror.
    pixels = shown(stored, orientation.tag or 1)
    if orientation.region is not None:
        left, top, right, bottom = orientation.region
        height, width = pixels.shape[:2]
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            msg = (
                f"region {left},{top},{right},{bottom} (left, top, right, bottom) does not lie in the picture of "
                f"{width} × {height} px"
            )
            raise ValueError(msg)
        pixels = pixels[top:bottom, left:right]
    pixels = np.rot90(pixels, orientation.quarter_turns)
    if orientation.flip == "left-right":
        pixels = pixels[:, ::-1]
    elif orientation.flip == "top-bottom":
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def shown(stored: NDArray[Any], tag: int) -> NDArray[Any]:
    """Stored pixels as viewers show them by the orientation tag, 1 to 8."""
    pixels = stored.swapaxes(0, 1) if tag in (5, 6, 7, 8) else stored
    if tag in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if tag in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def contrast_limits(signal: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """First contrast for looking: from the background to the bands, leaving out specks."""
    step = max(1, int(np.sqrt(signal.size / 250_000)))
    seen = signal[::step, ::step]
    seen = seen[np.isfinite(seen)]
    if seen.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(seen, (1.0, 99.7)))
    return (low, high) if high > low else (low, low + 1.0)
