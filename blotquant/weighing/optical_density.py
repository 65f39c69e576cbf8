"""Optical density of light that passed through film or a stained gel: log10 of what came in over what came out."""

from __future__ import annotations

import numpy as np

from blotquant.errors import ImageError
from blotquant.image import BlotImage


def to_optical_density(image: BlotImage) -> BlotImage:
    """Turn a scan of film or a stained gel into optical density.

    Parameters
    ----------
    image : BlotImage
        A scan with dark bands on a light ground; `white` is the stored value of full light.

    Returns
    -------
    BlotImage
        Optical density, 0 for full light, with bright bands, flagged ``film``. A pixel that stored 0 counts as half a
        step. The ceiling is the density of the old one.

    Raises
    ------
    ImageError
        If bands are bright (light that the membrane gave off has no optical density), or full light is not known.
    """
    if image.polarity != "dark":
        msg = "optical density needs a scan with dark bands on a light ground, got bright bands; weigh counts instead"
        raise ImageError(msg)
    if not image.white > 0:
        msg = f"optical density needs the stored value of full light, got {image.white:g}; set `white` above 0"
        raise ImageError(msg)
    step = 0.5 if image.pixels.dtype.kind in "ui" else 1e-6 * image.white
    light = np.maximum(image.pixels.astype(np.float64), step)
    least = max(image.white - image.ceiling, step)
    density = np.log10(image.white / light)
    ceiling = float(np.log10(image.white / least)) if np.isfinite(image.ceiling) else float("inf")
    flags = (*image.flags, *(() if "film" in image.flags else ("film",)))
    return image.with_(pixels=density, polarity="bright", white=0.0, ceiling=ceiling, flags=flags)
