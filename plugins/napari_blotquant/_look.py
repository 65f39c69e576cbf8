"""What a picture needs before it can be shown, made in a worker: on a large picture it takes half a second. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.model.image import BlotImage
from napari_blotquant._convert import contrast_limits


@dataclass(frozen=True, eq=False)
class Look:
    """A picture ready to be shown.

    Attributes
    ----------
    signal : ndarray
        Counts, bands bright.
    limits : (float, float)
        First contrast, for looking only.
    saturated : ndarray or None
        1 where a pixel is saturated; None where none is.
    """

    signal: NDArray[np.floating[Any]]
    limits: tuple[float, float]
    saturated: NDArray[np.uint8] | None


def look_at(image: BlotImage) -> Look:
    """Prepare a picture for showing."""
    signal = image.signal()
    hot = signal >= image.ceiling
    return Look(signal, contrast_limits(signal), hot.astype(np.uint8) if hot.any() else None)
