"""What the camera makes of the light: shot noise, read noise, offset, ceiling, stored type and polarity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from blotquant.synthetic.spec import CameraSpec

Floats = NDArray[np.float64]


def expose(light: Floats, camera: CameraSpec, rng: np.random.Generator) -> Floats:
    """Counts that the camera reads for some light, before ceiling and rounding.

    Parameters
    ----------
    light : ndarray, shape (H, W)
        Expected counts above the offset.
    camera : CameraSpec
        The detector.
    rng : Generator
        Draws photons and read noise.

    Notes
    -----
    Blurring the noise spreads it without changing its sum over a wide aperture, as an interpolating camera does.
    """
    noise = np.zeros(light.shape)
    if camera.gain > 0:
        noise += rng.poisson(np.clip(light, 0, None) / camera.gain) * camera.gain - np.clip(light, 0, None)
    if camera.read_noise > 0:
        noise += rng.normal(0, camera.read_noise, light.shape)
    if camera.noise_px > 0:
        noise = gaussian_filter(noise, camera.noise_px, mode="reflect")
    return light + noise + camera.offset


def store(counts: Floats, camera: CameraSpec, polarity: str) -> NDArray[Any]:
    """Clip counts at 0 and the ceiling, round them for integer files, and turn them over for dark bands."""
    dtype = np.dtype(camera.dtype)
    clipped = np.clip(counts, 0 if dtype.kind == "u" else None, camera.ceiling)
    if dtype.kind == "u":
        clipped = np.round(clipped)
    if polarity == "dark":
        clipped = white_level(camera) - clipped
    return clipped.astype(dtype)


def white_level(camera: CameraSpec) -> float:
    """Stored value of no light in a picture with dark bands."""
    return camera.ceiling if np.isfinite(camera.ceiling) else 65535.0
