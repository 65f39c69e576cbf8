"""Turns by quarters, mirrors and cuts of a picture: exact, every pixel keeps its stored value.

References
----------
TIFF 6.0, tag 274 (Orientation), which EXIF shares.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.model.image import Orientation


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
