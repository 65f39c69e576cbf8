"""The automatic result of one picture: its strips, lanes and bands, with rows that touch taken apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from blotquant.doublets.splitting import resolve_doublets
from blotquant.errors import ImageError
from blotquant.finding.layouts import find_layout
from blotquant.geometry import Layout
from blotquant.image import BlotImage, FloatImage
from blotquant.settings import Settings
from blotquant.threads import single_threaded
from blotquant.timing import stage

MIN_EDGE_PX = 16
"""Shorter than any lane with a band in it."""


def check_size(image: BlotImage) -> None:
    """Refuse a picture in which no lane has room.

    Raises
    ------
    ImageError
        If an edge is shorter than `MIN_EDGE_PX`.
    """
    rows, cols = image.shape
    if min(rows, cols) < MIN_EDGE_PX:
        msg = (
            f"{image.name}: {cols} × {rows} pixels are too few for a blot; at least {MIN_EDGE_PX} × {MIN_EDGE_PX} "
            "are needed; give the original picture"
        )
        raise ImageError(msg)


@single_threaded
def find(image: BlotImage, settings: Settings) -> Layout:
    """Find the strips, lanes and bands of one picture: the one way in which a picture gets its automatic result.

    Parameters
    ----------
    image : BlotImage
        The picture.
    settings : Settings
        Parameters of the search and of naming (its tolerances divide rows that touch).

    Raises
    ------
    ImageError
        If the picture is too small for a lane.
    """
    detection = settings.detection
    return found_by(
        lambda signal: find_layout(signal, ceiling=image.ceiling, settings=detection, n_lanes=detection.n_lanes),
        image,
        settings,
    )


def found_by(search: Callable[[FloatImage], Layout], image: BlotImage, settings: Settings) -> Layout:
    """Search the signal of a picture that has room for a lane, and take apart rows that touch."""
    check_size(image)
    with stage("find"):
        layout = search(searchable(image))
    return divided(image, layout, settings)


def searchable(image: BlotImage) -> FloatImage:
    """The signal with pixels that are no number at the picture's median: nothing to see there. Weighing keeps them."""
    signal = image.signal()
    if image.pixels.dtype.kind == "f":
        finite = np.isfinite(signal)
        if finite.any() and not finite.all():
            return np.where(finite, signal, np.median(signal[finite]))
    return signal


def divided(image: BlotImage, layout: Layout, settings: Settings) -> Layout:
    """Two found rows that touch share out the signal between them."""
    with stage("doublets"):
        return resolve_doublets(image.signal(), layout, ceiling=image.ceiling, settings=settings.naming)
