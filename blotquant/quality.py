"""What a band's own pixels and place say about its number: shape, limits, neighbours."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from blotquant.background.base import Aperture, Array
from blotquant.coverage import area_weights
from blotquant.geometry import Band, Layout, Polygon
from blotquant.scene import full_width
from blotquant.uncertainty import LOD_SDS, LOQ_SDS

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


def place_flags(band: Band, layout: Layout, aperture: Aperture, *, shape: tuple[int, int]) -> set[str]:
    """Flags of a band that is cut off by the picture's or strip's edge, or that shares pixels with another."""
    flags = set()
    own = _extent(band.outline)
    picture = (-0.5, shape[0] - 0.5, -0.5, shape[1] - 0.5)
    if not _lies_within(own, picture) or not _lies_within(own, _strip_extent(aperture, layout), slack=1.0):
        flags.add("touches_edge")
    rivals = (b for b in layout.bands if b.id != band.id and not (band.split and b.outline == band.outline))
    if any(_meet(own, _extent(b.outline)) and _shared_area(band, b) > 1e-6 for b in rivals):
        flags.add("touches_neighbour")
    return flags


Extent = tuple[float, float, float, float]


@lru_cache(maxsize=4096)
def _extent(outline: Polygon) -> Extent:
    """Lowest and highest row, lowest and highest column."""
    rows, cols = zip(*outline, strict=True)
    return min(rows), max(rows), min(cols), max(cols)


def _strip_extent(aperture: Aperture, layout: Layout) -> Extent:
    strip = next(
        (s for s in layout.strips if aperture.lane is not None and s.id == aperture.lane.strip), None
    )
    return _extent(strip.outline) if strip else (-np.inf, np.inf, -np.inf, np.inf)


def _lies_within(own: Extent, outer: Extent, *, slack: float = 1e-6) -> bool:
    low = own[0] >= outer[0] - slack and own[2] >= outer[2] - slack
    return low and own[1] <= outer[1] + slack and own[3] <= outer[3] + slack


def _meet(a: Extent, b: Extent) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


def _shared_area(band: Band, other: Band) -> float:
    """Area in px that surely lies in both outlines, from the covered parts of each pixel."""
    far = 10**9, 10**9
    (a, mine), (b, theirs) = area_weights(band.outline, far), area_weights(other.outline, far)
    rows = max(a.row_start, b.row_start), min(a.row_stop, b.row_stop)
    cols = max(a.col_start, b.col_start), min(a.col_stop, b.col_stop)
    own, their = (
        weights[
            rows[0] - box.row_start : rows[1] - box.row_start,
            cols[0] - box.col_start : cols[1] - box.col_start,
        ]
        for box, weights in ((a, mine), (b, theirs))
    )
    return float(np.clip(own + their - 1, 0, None).sum())


def band_shape(excess: Array, weights: Array) -> tuple[float, float]:
    """Height of a band's profile along its lane in counts, and its full width at half maximum in pixels.

    Parameters
    ----------
    excess : ndarray
        Counts above background of the band's box.
    weights : ndarray, same shape
        Covered part of each pixel.
    """
    cover = weights.sum(axis=1)
    rows = cover > 0.3 * cover.max() if cover.size else cover > 0
    if rows.sum() < 3:
        return float("nan"), float("nan")
    profile = (excess * weights).sum(axis=1)[rows] / cover[rows]
    return float(profile.max()), full_width(profile)
