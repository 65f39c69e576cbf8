"""Profile along a lane: the mean over its width, taken along the slope of the rows that cross it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.robust import FloatArray

Profile = NDArray[np.float64]


def lane_profiles(
    images: Sequence[FloatArray], rows: NDArray[np.intp], center: Profile, half: float, slope: Profile
) -> list[Profile]:
    """Means over a lane's width, sampled in its own frame.

    Parameters
    ----------
    images : sequence of ndarray, shape (H, W)
    rows : ndarray, shape (n,)
        Rows of the profile, at the lane's centre.
    center : ndarray, shape (n,)
        Column of the centre line at these rows.
    half : float
        Half the width that is sampled.
    slope : ndarray, shape (n,)
        Rows per column of the bands there.

    Returns
    -------
    list of ndarray, shape (n,)
        One an image: mean counts at places across the lane, following the slope.
    """
    height, width = images[0].shape
    across = np.arange(-int(half), int(half) + 1)
    cols = np.minimum(np.maximum(np.rint(center[:, None] + across).astype(int), 0), width - 1)
    y = np.minimum(np.maximum(rows[:, None] + slope[:, None] * across, 0), height - 1.001)
    low = y.astype(int)
    part = y - low
    rest = 1 - part
    upper = low * width + cols
    lower = np.minimum(low + 1, height - 1) * width + cols
    flat = (image.ravel() for image in images)
    return [np.asarray((values[upper] * rest + values[lower] * part).mean(axis=1)) for values in flat]


def middle_of(values: NDArray[Any]) -> float:
    """Median of a few values, as `numpy.median` has it, whose call takes far longer."""
    ranked = np.sort(values)
    return float(ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2


def has_one_top(values: Profile) -> bool:
    """Whether values never rise again once they have fallen."""
    steps = np.diff(values)
    falls, rises = np.flatnonzero(steps < 0), np.flatnonzero(steps > 0)
    return len(falls) == 0 or len(rises) == 0 or bool(rises[-1] < falls[0])


def half_height_width(values: Profile, top: int) -> float:
    """Full width of the highest peak, halfway down to the higher of the lowest values on its two sides.

    Notes
    -----
    What `scipy.signal.peak_widths` gives for that peak. Importing `scipy.signal` takes 0.4 s of processor time, more
    than everything else that measuring one small picture imports.
    """
    top_value = values[top]
    level = top_value - (top_value - max(values[: top + 1].min(), values[top:].min())) * 0.5
    left = top - int(np.argmax(values[: top + 1][::-1] <= level))
    right = top + int(np.argmax(values[top:] <= level))
    start, stop = float(left), float(right)
    if values[left] < level:
        start += (level - values[left]) / (values[left + 1] - values[left])
    if values[right] < level:
        stop -= (level - values[right]) / (values[right - 1] - values[right])
    return stop - start


def prominent_peaks(values: Profile, least: float) -> tuple[NDArray[np.intp], Profile]:
    """Local maxima, the two ends left out, that stand out by `least` from the higher of the valleys beside them.

    Returns
    -------
    at : ndarray of int
        Their places, rising; the middle of a flat top.
    prominence : ndarray
        How far each stands out.
    """
    starts = np.flatnonzero(np.concatenate([[True], np.diff(values) != 0]))
    stops = np.append(starts[1:], len(values)) - 1
    levels = values[starts]
    tops = 1 + np.flatnonzero((levels[1:-1] > levels[:-2]) & (levels[1:-1] > levels[2:]))
    if len(tops) == 0:
        return tops, levels[:0]
    valleys = np.minimum.reduceat(levels, np.concatenate([[0], tops]))
    # A rising end has its lowest place in the end itself, and a top that none beyond it exceeds looks as far as there.
    heights = np.concatenate([[np.inf], levels[tops], [np.inf]])
    prominence = levels[tops] - np.maximum(
        _lowest_before(heights, valleys), _lowest_before(heights[::-1], valleys[::-1])[::-1]
    )
    keep = prominence >= least
    return ((starts[tops] + stops[tops]) // 2)[keep], prominence[keep]


def _lowest_before(heights: Profile, valleys: Profile) -> Profile:
    """For each top the lowest valley between it and the next higher one before it; both ends count as higher."""
    lowest = np.empty(len(heights) - 2)
    higher: list[tuple[float, float]] = []
    for k, top in enumerate(heights[1:-1]):
        deep = float(valleys[k])
        while higher and higher[-1][0] <= top:
            deep = min(deep, higher.pop()[1])
        lowest[k] = deep
        higher.append((float(top), deep))
    return lowest
