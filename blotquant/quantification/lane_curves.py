"""The profile of one lane as it is shown: its mean counts row by row, and the background under them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Lane, area_weights
from blotquant.quantification.background import Aperture
from blotquant.quantification.prepared_image import PreparedImage

Curves = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def lane_curves(prepared: PreparedImage, lane: Lane) -> Curves:
    """Rows, mean counts and mean background of a lane, each row weighted by the covered part of its pixels.

    Parameters
    ----------
    prepared : PreparedImage
        The picture, prepared for measuring.
    lane : Lane
        The lane.

    Returns
    -------
    rows, counts, background : ndarray, shape (n,)
        Whole rows of the picture; counts and background in counts per pixel.
    """
    box, weights = area_weights(lane.outline, prepared.signal.shape)
    aperture = Aperture(box=box, weights=weights, lane=lane)
    cover = np.maximum(weights.sum(axis=1), 1e-9)
    counts = (weights * prepared.signal[box.slices]).sum(axis=1) / cover
    background = (weights * prepared.surface.under(aperture).values).sum(axis=1) / cover
    return np.arange(box.row_start, box.row_stop), counts, background
