"""A whole picture as a data URI: uncropped, grey linear in the counts, small enough for two hundred of them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from blotquant.image import BlotImage

MAX_PICTURE_PX = 1000
"""Longest edge of an embedded picture: 200 blots must still open in a browser."""
QUALITY = 88
"""Of the embedded JPEG: for the eye only, nothing is ever measured on it."""
SHOWN = (0.05, 99.95)
"""Percentiles of the whole picture that are shown white and black."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An embedded picture.

    Attributes
    ----------
    uri : str
        Data URI of a JPEG, bands dark.
    low, high : float
        Counts shown white and black.
    step : int
        Pixels of the original that were averaged to one, along each edge.
    """

    uri: str
    low: float
    high: float
    step: int


def encode_picture(image: BlotImage) -> Picture:
    """Encode the whole picture, bands dark, grey linear between two percentiles of all its pixels."""
    from PIL import Image

    signal = image.signal()
    step = -(-max(signal.shape) // MAX_PICTURE_PX)
    # The last cells may be smaller: nothing is cut off at the edge.
    edges = [np.arange(0, size, step) for size in signal.shape]
    sums = np.add.reduceat(np.add.reduceat(np.nan_to_num(signal, copy=True).astype(float), edges[0], 0), edges[1], 1)
    sizes = [np.diff(np.append(edge, size)) for edge, size in zip(edges, signal.shape, strict=True)]
    reduced = sums / np.outer(*sizes)
    low, high = (float(v) for v in np.percentile(reduced, SHOWN))
    grey = 255 - np.clip((reduced - low) / (high - low if high > low else 1.0) * 255, 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(grey.round().astype(np.uint8)).save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Picture(uri=uri, low=low, high=high, step=step)
