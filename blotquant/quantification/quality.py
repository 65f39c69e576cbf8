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

from blotquant.imaging.robust import full_widths
from blotquant.model.geometry import Band, Box, Layout, Polygon
from blotquant.model.image import FloatImage
from blotquant.quantification.apertures import Stack, spans
from blotquant.quantification.background import Array
from blotquant.quantification.noise import LOD_SDS, LOQ_SDS

HOLLOW_SHARE = 0.9
"""A band whose middle third holds less than this part of its flanking thirds is hollow."""

HOLLOW_SNR = 10.0
"""Of a weaker band nothing is said of that."""


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


def is_hollow(excess: Array, weights: Array, snr: Array | float) -> NDArray[np.bool_]:
    """Whether the middle third of a band, along its width, holds less than 0.9 of its flanking thirds.

    Parameters
    ----------
    excess : ndarray, shape (..., height, width)
        Counts above background of bands' boxes.
    weights : ndarray, same shape
        Covered part of each pixel.
    snr : ndarray, shape (...)
        Of the volumes; below 10 nothing is said.
    """
    cover = weights.sum(axis=-2)
    columns = cover > 0.5 * cover.max(axis=-1, initial=0.0, keepdims=True)
    sums = np.einsum("...ij,...ij->...j", excess, weights) / np.where(columns, cover, 1.0)
    rank = np.cumsum(columns, axis=-1)
    n = rank[..., -1:]
    is_left, is_right = columns & (rank <= n // 3), columns & (rank > n - n // 3)
    left, middle, right = (
        np.where(part, sums, 0.0).sum(axis=-1) / np.maximum(part.sum(axis=-1), 1)
        for part in (is_left, columns & ~is_left & ~is_right, is_right)
    )
    is_dark = (middle < HOLLOW_SHARE * (left + right) / 2) & (left > 0) & (right > 0)
    return np.asarray((np.asarray(snr) > HOLLOW_SNR) & (n[..., 0] >= 6) & is_dark)


FEW_PIXELS = 30
"""Fewer pixels than these say too little of a background."""

SPREAD_LIMIT = 0.10
"""Spread of the volume over several backgrounds, as a part of it, from which it depends on them."""

SURE_LEVEL = 0.05
"""A level whose SD is a smaller part of the volume is known: what cruder backgrounds say instead is no doubt of it."""

DEBRIS_SDS = 6.0
"""A pixel is debris from so many SDs of noise above all that a band's columns have in common near it."""

DEBRIS_SHARE = 0.35
"""It must also stand out by this part of the band's height: bands lean and have rims."""

DEBRIS_LIGHT = 0.05
"""Debris of so great a part of the volume is flagged."""

MOST_DEBRIS = 0.85
"""Part of the light under an outline up to which it may be debris."""

WIDE_ENOUGH = 0.7
"""An outline over so great a part of its lane's width leaves no band out."""

CUT_LIMIT = 0.25
"""An outline that leaves so much more outside than the picture's others do, as a part of its volume, cuts its band."""


def debris_light(excess: Array, stack: Stack) -> Array:
    """Light under outlines that bands cannot have: specks and scratches, far brighter than the rest of their rows.

    Parameters
    ----------
    excess : ndarray, shape (n, height, width)
        Counts above background of the bands' boxes.
    stack : Stack
        Their outlines.

    Returns
    -------
    ndarray, shape (n,)
        Counts above what the columns have in common; 0 where nothing stands out.
    """
    covered, tall, each = stack.inside, stack.n_inside, np.arange(len(excess))
    heights = stack.sizes[:, 0]
    columns = tall > 0.5 * tall.max(axis=1, keepdims=True)
    n_columns = np.maximum(columns.sum(axis=1), 1)
    ordered = np.sort(np.where(columns, tall, covered.shape[1] + 1), axis=1)
    height = (ordered[each, (n_columns - 1) // 2] + ordered[each, n_columns // 2]) // 2
    # Rows are counted from the outline's upper edge, so that a slanting band lies straight.
    first, straight = covered.argmax(axis=1), np.full(excess.shape, np.inf)
    left, right, top, _, is_level = spans(columns, first)
    is_level &= top + height <= heights
    for k in np.flatnonzero((n_columns >= 8) & (height >= 5)).tolist():
        rows = int(height[k])
        if is_level[k]:
            straight[k, :rows, : n_columns[k]] = excess[k, top[k] : top[k] + rows, left[k] : right[k] + 1]
        else:
            at = np.flatnonzero(columns[k])
            places = np.minimum(first[k, at] + np.arange(rows)[:, None], heights[k] - 1)
            straight[k, :rows, : len(at)] = excess[k, places, at]
    # What the columns have in common, and the brightest of it within a sixth of the height.
    ranked = np.sort(straight, axis=2)
    lower, upper, last = (ranked[each, :, at] for at in ((n_columns - 1) // 2, n_columns // 2, n_columns - 1))
    is_row = ~np.isinf(lower)
    common, reach = np.where(is_row, (lower + upper) / 2, -np.inf), np.maximum(height // 6, 1)
    brightest = common.copy()
    for shift in range(1, int(reach.max(initial=0)) + 1):
        near = reach[:, None] >= shift
        brightest[:, shift:] = np.maximum(brightest[:, shift:], np.where(near, common[:, :-shift], -np.inf))
        brightest[:, :-shift] = np.maximum(brightest[:, :-shift], np.where(near, common[:, shift:], -np.inf))
    tallest = np.maximum(common.max(axis=1, initial=-np.inf), 0.0)
    stands_out = np.where(is_row, last - brightest, -np.inf).max(axis=1) > DEBRIS_SHARE * tallest
    light = np.zeros(len(excess))
    # Most bands end here: nothing stands out, whatever their course from side to side.
    for k in np.flatnonzero(stands_out).tolist():
        part = slice(int(height[k]))
        light[k] = _debris_light(straight[k, part, : n_columns[k]], common[k, part], brightest[k, part])
    return light


def _debris_light(straight: Array, common: Array, brightest: Array) -> float:
    """Light of debris of one band of which pixels stand out, with each row's median and the brightest near it."""
    top = max(float(common.max()), 0.0)
    lit = common > 0.3 * top
    # The band's own course from side to side, which is broad; what is narrow in it is debris again.
    across = np.ones(straight.shape[1])
    if top > 0:
        across = np.median(straight[lit] / np.maximum(common[lit, None], 1e-9), axis=0)
    across = ndimage.median_filter(np.maximum(across, 0.0), max(len(across) // 5, 5), mode="nearest")
    least = DEBRIS_SHARE * top * max(float(across.max()), 1.0)
    above = straight - np.maximum(brightest[:, None] * across, brightest[:, None])
    if not above.max() > least:
        return 0.0
    noise = 1.4826 * float(np.median(np.abs(np.diff(straight, n=2, axis=1)))) / 6**0.5
    seeds = ndimage.binary_opening(above > max(least, DEBRIS_SDS * noise), np.ones((2, 2), dtype=bool))
    if not seeds.any():
        return 0.0
    own = common[:, None] * np.maximum(across, 1.0)
    spoilt = ndimage.binary_dilation(seeds, iterations=max(len(straight) // 6, 1)) & (straight > own + 2 * noise)
    light = float((straight - own)[spoilt].sum())
    # A spot that is nearly all that the outline holds is its band.
    return light if light < MOST_DEBRIS * float(np.maximum(straight, 0.0).sum()) else 0.0


def light_beside(signal: FloatImage, box: Box, sides: Array, noise: float) -> float:
    """Light of a lane beside an outline that covers a part of its width, as a part of that under it.

    Rows of the outline are held against rows above and below it, column by column: a background that lies on the band
    itself does not matter.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    box : Box
        Of the outline.
    sides : ndarray, shape (2,)
        Leftmost and rightmost column of its lane there.
    noise : float
        SD of one pixel, counts.

    Returns
    -------
    float
        0 where the outline covers most of the lane, or nothing is clearly seen under it.
    """
    height = box.row_stop - box.row_start
    if height < 4 or box.col_stop <= box.col_start:
        return 0.0
    left, right = max(round(sides[0]), 0), min(round(sides[1]), signal.shape[1])
    if box.col_stop - box.col_start > WIDE_ENOUGH * (right - left):
        return 0.0
    first, last = min(left, box.col_start), max(right, box.col_stop)
    quarter, far = height // 4, height // 2
    inside = signal[box.row_start + quarter : box.row_stop - quarter, first:last]
    above = signal[max(box.row_start - height, 0) : max(box.row_start - far, 0), first:last]
    below = signal[box.row_stop + far : box.row_stop + height, first:last]
    flanks = np.concatenate([above, below])
    if not len(flanks) or not len(inside):
        return 0.0
    contrast = inside.mean(axis=0, dtype=float) - flanks.mean(axis=0, dtype=float)
    own = contrast[box.col_start - first : box.col_stop - first]
    if not own.mean() * np.sqrt(own.size * len(inside)) > 10 * noise:
        return 0.0
    return float((contrast.sum() - own.sum()) / own.sum())


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
    flags: set[str] = set()
    matters = not 0 < empty_sd <= SURE_LEVEL * abs(volume)
    if volume < 0:
        flags.add("below_background")
    if volume < LOD_SDS * empty_sd:
        flags.add("below_lod")
    elif volume < LOQ_SDS * empty_sd:
        flags.add("below_loq")
    elif spread > SPREAD_LIMIT:  # of a weaker band the limits say it already
        flags.add("background_dependent")
    if n_background < FEW_PIXELS and matters:
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


def band_shapes(sums: Array, cover: Array) -> tuple[Array, Array]:
    """Heights of bands' profiles along their lanes in counts, and their full widths at half maximum in pixels.

    Parameters
    ----------
    sums : ndarray, shape (n, height)
        Counts above background of each row of the bands' boxes, summed over the covered pixels.
    cover : ndarray, same shape
        Covered pixels of each row.
    """
    rows = cover > 0.3 * cover.max(axis=1, initial=0.0, keepdims=True)
    n = rows.sum(axis=1)
    # Rows that are covered enough, one after another.
    order = np.argsort(~rows, axis=1, kind="stable")
    profiles = np.take_along_axis(sums / np.where(rows, cover, 1.0), order, axis=1)
    heights = np.where(np.arange(profiles.shape[1]) < n[:, None], profiles, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(n < 3, np.nan, heights), np.where(n < 3, np.nan, full_widths(profiles, n))
