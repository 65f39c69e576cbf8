"""Rows of a lane that are no ground although no band was found there: a stretch of light that ends in the dark.

Shoulders between strong bands, bands that were overlooked and the feet of bands beyond their masks are bright, and the
lane is dark again a few band heights further up and down, be it only in the valley between two bands. No place can be
darker than the ground under it, so it is the dark rows that tell the ground.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.robust import middle_of
from blotquant.model.geometry import Lane, Layout
from blotquant.model.image import FloatImage
from blotquant.quantification.background import Array

REACH = 8.0
"""A stretch of light shorter than so many band heights is no ground; longer ones are."""

PEAK_REACH = 3.0
"""A stretch that stands out from rows within so many band heights peaks as a band does."""

SHARE = 0.05
"""Rows are lit from this part of the brightness of the brightest band near them."""

TYPICAL = 5.0
"""Rows are lit from so many times the brightness that half of the lane's free rows have by noise and texture."""

HAZE = 0.35
"""A stretch as bright as this part of the brightest band near it is haze in which that band lies, unless it peaks."""

PEAK = 0.3
"""A row peaks from this part of the brightness of the brightest band near it."""

NEAR = 4.0
"""Bands so many band heights away are near."""

BINS = 8.0
"""Places in a band's height at which a lane is read."""

ACROSS = np.linspace(-0.3, 0.3, 9)
"""Where a lane is read, in lane widths from its centre."""

BESIDE = 2.0
"""Light of a lane reaches so far beyond its sides, px."""


def exclude_undetected_signal(
    signal: FloatImage,
    usable: NDArray[np.bool_],
    membrane: NDArray[np.bool_] | None,
    layout: Layout,
    height: float,
) -> None:
    """Take lit rows of all lanes out of the ground, in place.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    usable : ndarray of bool, shape (H, W)
        False on bands and off the membrane.
    membrane : ndarray of bool, shape (H, W), or None
        Where strips lie, away from their cut edges: what is dark beyond says nothing. None for everywhere.
    layout : Layout
        Lanes, and the bands that are known.
    height : float
        Typical height of an outline, px.
    """
    if not layout.lanes:
        return
    step = max(1, round(height / BINS))
    rows = np.arange(step // 2, signal.shape[0], step)
    spots = np.array([lane.center_at(rows) + ACROSS[:, None] * lane.width_at(rows) for lane in layout.lanes])
    spots = np.clip(np.rint(spots).astype(int), 0, signal.shape[1] - 1)
    profiles = signal[rows, spots].mean(axis=1, dtype=float)
    free = usable[rows, spots].all(axis=1)
    known = np.isfinite(profiles)
    if membrane is not None:
        known &= membrane[rows, spots].all(axis=1)
    bounded = np.where(known, profiles, np.inf)
    reaches = (max(round(reach * height / step), 3) | 1 for reach in (REACH, PEAK_REACH))
    excess, peaks = (np.where(known, profiles - np.where(known, opened(bounded, n), 0.0), 0.0) for n in reaches)
    for k, lane in enumerate(layout.lanes):
        extents = [(band.box.row_start / step, band.box.row_stop / step) for band in layout.bands_of(lane.id)]
        lit = find_undetected_signal(excess[k], peaks[k], free[k] & known[k], extents, NEAR * height / step)
        # A place stands for the rows around it; bands end between places.
        lit[1:] |= lit[:-1].copy()
        lit[:-1] |= lit[1:].copy()
        _hide(usable, lane, rows[lit], step)


def find_undetected_signal(
    excess: Array, peaks: Array, free: NDArray[np.bool_], bands: list[tuple[float, float]], near: float
) -> NDArray[np.bool_]:
    """Tell which free places of one lane are lit.

    Parameters
    ----------
    excess, peaks : ndarray, shape (n,)
        Counts above what is dark within `REACH` and within `PEAK_REACH`.
    free : ndarray of bool, shape (n,)
        Where no known band lies.
    bands : list of (float, float)
        Half-open ranges of the known bands.
    near : float
        How far from a band its brightness is what light is held against.
    """
    lit = np.zeros(len(excess), dtype=bool)
    if not bands or not free.any():
        return lit
    light = np.zeros(len(excess))
    for start, stop in bands:
        brightness = excess[int(start) : int(np.ceil(stop))].max(initial=0.0)
        around = light[max(int(start - near), 0) : int(np.ceil(stop + near))]
        np.maximum(around, brightness, out=around)
    bright = free & (light > 0) & (excess > np.maximum(SHARE * light, TYPICAL * middle_of(excess[free])))
    edges = np.flatnonzero(np.diff(bright, prepend=False, append=False))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        stretch = slice(start, stop)
        is_haze = middle_of(excess[stretch]) >= HAZE * light[stretch].max()
        lit[stretch] = (not is_haze) | (peaks[stretch] > PEAK * light[stretch])
    return lit


def opened(profiles: Array, width: int) -> Array:
    """Grey opening of each row: the highest level that a stretch of `width` places, an odd number, keeps to.

    A stretch that reaches the end is none that ends in the dark: there is no bound beyond.
    """
    from scipy import ndimage

    n = profiles.shape[1]
    wide = np.pad(profiles, ((0, 0), (width, width)), constant_values=np.inf)
    low = ndimage.minimum_filter1d(wide, width, axis=1, mode="nearest")
    return np.asarray(ndimage.maximum_filter1d(low, width, axis=1, mode="nearest")[:, width : width + n])


def _hide(usable: NDArray[np.bool_], lane: Lane, rows: NDArray[np.intp], step: int) -> None:
    half = lane.width_at(rows) / 2 + BESIDE
    center = lane.center_at(rows)
    first = np.maximum(np.floor(center - half), 0).astype(int)
    last = np.ceil(center + half).astype(int) + 1
    for row, left, right in zip(rows - step // 2, first, last, strict=True):
        usable[row : row + step, left:right] = False
