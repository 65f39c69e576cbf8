"""What a band's own pixels and place say about its number: shape, limits, neighbours.

Bands whose light the picture did not hold: clipped at the ceiling, or burnt out in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.model.geometry import Band, Layout, Polygon
from blotquant.quantification.background.base import Array
from blotquant.quantification.noise import LOD_SDS, LOQ_SDS
from blotquant.quantification.prepared_image import full_width

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


FEW_PIXELS = 30
SPREAD_LIMIT = 0.10


def limit_flags(volume: float, empty_sd: float, *, spread: float, n_background: float) -> set[str]:
    """Flags of a volume against its own limits.

    Parameters
    ----------
    volume, empty_sd : float
        Counts; the SD is that of an empty aperture of the same shape in the same place.
    spread : float
        (max - min) / median of the volume over several backgrounds.
    n_background : float
        Pixels that carry the background.
    """
    flags = set()
    if volume < 0:
        flags.add("below_background")
    if volume < LOD_SDS * empty_sd:
        flags.add("below_lod")
    elif volume < LOQ_SDS * empty_sd:
        flags.add("below_loq")
    if spread > SPREAD_LIMIT:
        flags.add("background_dependent")
    if n_background < FEW_PIXELS:
        flags.add("few_background_pixels")
    return flags


def place_flags(bands: Sequence[Band], layout: Layout, *, shape: tuple[int, int]) -> dict[str, set[str]]:
    """Flags, by id, of bands cut off by the picture's or strip's edge, or that share pixels with another.

    Parameters
    ----------
    bands : sequence of Band
        Those to look at.
    layout : Layout
        Strips and lanes.
    shape : (int, int)
        Rows and columns of the picture.
    """
    strip_of = {lane.id: lane.strip for lane in layout.lanes}
    strips = {strip.id: _extent(strip.outline) for strip in layout.strips}
    picture = (-0.5, shape[0] - 0.5, -0.5, shape[1] - 0.5)
    found = {}
    for band in bands:
        here = _extent(band.outline)
        strip = strips.get(strip_of.get(band.lane, ""), (-np.inf, np.inf, -np.inf, np.inf))
        cut = not _lies_within(here, picture) or not _lies_within(here, strip, slack=1.0)
        found[band.id] = {"touches_edge"} if cut else set()
    return found


Extent = tuple[float, float, float, float]


@lru_cache(maxsize=4096)
def _extent(outline: Polygon) -> Extent:
    """Lowest and highest row, lowest and highest column."""
    rows, cols = zip(*outline, strict=True)
    return min(rows), max(rows), min(cols), max(cols)


def _lies_within(own: Extent | Array, outer: Extent, *, slack: float = 1e-6) -> bool:
    low = own[0] >= outer[0] - slack and own[2] >= outer[2] - slack
    return low and own[1] <= outer[1] + slack and own[3] <= outer[3] + slack


def band_shape(sums: Array, cover: Array) -> tuple[float, float]:
    """Height of a band's profile along its lane in counts, and its full width at half maximum in pixels.

    Parameters
    ----------
    sums : ndarray
        Counts above background of each row of the band's box, summed over the covered pixels.
    cover : ndarray, same shape
        Covered pixels of each row.
    """
    rows = cover > 0.3 * cover.max() if cover.size else cover > 0
    if rows.sum() < 3:
        return float("nan"), float("nan")
    profile = sums[rows] / cover[rows]
    return float(profile.max()), full_width(profile)
