"""Bands whose light the picture did not hold: clipped at the ceiling, or burnt out in the middle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.weighing.background.base import Array

HOLLOW_SHARE, HOLLOW_SNR = 0.9, 10.0


def saturation(pixels: NDArray[np.floating[Any]], weights: Array, ceiling: float) -> tuple[int, tuple[str, ...]]:
    """Count the saturated pixels of a band and name what they mean.

    Parameters
    ----------
    pixels : ndarray
        Counts of the band's box, bands bright.
    weights : ndarray, same shape
        Covered part of each pixel; a pixel counts where any of it is covered.
    ceiling : float
        Effective detector ceiling on the same scale.

    Returns
    -------
    n : int
        Saturated pixels.
    flags : tuple of str
        ``saturated`` for any; also ``saturated_dust`` where a 3 x 3 erosion leaves none of them and they are fewer
        than the band is wide: specks, not a clipped core (which a thin band may clip one or two pixels high).
    """
    if pixels.size == 0 or not pixels.max() >= ceiling:
        return 0, ()
    full = (weights > 0) & (pixels >= ceiling)
    n = int(full.sum())
    if n == 0:
        return 0, ()
    core = ndimage.binary_erosion(full, np.ones((3, 3), dtype=bool))
    longest_run = int(full.any(axis=0).sum())
    is_dust = not core.any() and longest_run <= max(3, 0.1 * full.shape[1])
    return n, (("saturated", "saturated_dust") if is_dust else ("saturated",))


def is_hollow(excess: Array, weights: Array, snr: float, *, cover: Array | None = None) -> bool:
    """Whether the middle third of a band, along its width, holds less than 0.9 of its flanking thirds.

    Parameters
    ----------
    excess : ndarray
        Counts above background of the band's box.
    weights : ndarray, same shape
        Covered part of each pixel.
    snr : float
        Of the volume; below 10 nothing is said.
    cover : ndarray, optional
        Covered pixels of each column, where they are known.
    """
    if not snr > HOLLOW_SNR:
        return False
    cover = weights.sum(axis=0) if cover is None else cover
    columns = np.flatnonzero(cover > 0.5 * cover.max())
    if len(columns) < 6:
        return False
    sums = (excess * weights).sum(axis=0)[columns] / cover[columns]
    third = len(sums) // 3
    left, middle, right = (float(part.sum()) / len(part) for part in (sums[:third], sums[third:-third], sums[-third:]))
    return middle < HOLLOW_SHARE * (left + right) / 2 and left > 0 and right > 0
