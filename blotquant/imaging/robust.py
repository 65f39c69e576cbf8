"""Averages, profiles, peaks and scatter of a picture's counts.

Statistics that a few specks do not spoil, and that stay fair to coarsely quantised values. The profile along a lane is
the mean over its width, taken along the slope of the rows that cross it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Profile = NDArray[np.float64]

MAD_TO_SD = 1.4826


def local_means(values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Means of an image over the tiles of a coarser grid, pixels that lie in two tiles weighted by their parts.

    Notes
    -----
    What `skimage.transform.resize_local_mean` gives. That one multiplies with a matrix of weights that is almost empty:
    340 ms for a picture of 4096² pixels, against 5 ms with a sparse one.
    """
    from scipy.sparse import csr_array

    for n in shape:
        size = len(values)
        if size != n:
            # Where each pixel begins, in tiles: it lies in that tile up to its end, and the rest of it in the next.
            begins = np.arange(size) * (n / size)
            tile = np.minimum(np.floor(begins).astype(int), n - 1)
            inside = np.minimum((tile + 1 - begins) * (size / n), 1.0)
            weights = np.concatenate([inside, 1 - inside]).astype(np.float32) * np.float32(n / size)
            places = np.concatenate([tile, np.minimum(tile + 1, n - 1)]), np.tile(np.arange(size), 2)
            values = csr_array((weights, places), shape=(n, size)) @ np.ascontiguousarray(values)
        values = values.T
    return np.asarray(values, dtype=np.float32)


def block_average(signal: NDArray[np.floating], rows: int, cols: int) -> FloatArray:
    """Average blocks of ``rows`` by ``cols`` pixels; incomplete blocks at the lower and right edge are left out."""
    height, width = signal.shape[0] // rows, signal.shape[1] // cols
    cut = np.asarray(signal[: height * rows, : width * cols], dtype=np.float32)
    # Whole rows are added first, then neighbours in them: 3 ms for 4096² pixels, where a mean over two axes takes 15.
    lines = np.einsum("hrc->hc", cut.reshape(height, rows, width * cols))
    total = lines.reshape(height * width, cols) @ np.ones(cols, dtype=np.float32)
    return np.asarray(total.reshape(height, width) / np.float32(rows * cols))


def running_maximum(values: NDArray[Any], size: int) -> NDArray[Any]:
    """The greatest of ``size`` rows, an odd number, around each; fewer at the upper and lower end.

    Notes
    -----
    What `scipy.ndimage.maximum_filter1d` gives along the first axis, in 0.2 ms in place of 1.3 for 512 × 256 pixels.
    """
    windows, width = np.pad(values, ((size // 2, size // 2), (0, 0)), mode="edge"), 1
    # A window of twice as many rows is the greater of two windows.
    while 2 * width <= size:
        windows, width = np.maximum(windows[:-width], windows[width:]), 2 * width
    return np.asarray(np.maximum(windows[: len(values)], windows[size - width :]))


def box_sums(
    signal: NDArray[np.floating[Any]], boxes: Iterable[Sequence[int]], axis: int
) -> tuple[Profile, NDArray[np.intp]]:
    """Sums of the pixels of boxes over their rows (axis 0) or columns (axis 1), one box a line, and their numbers.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    boxes : iterable of (row_start, row_stop, col_start, col_stop)
        What lies beyond the picture is left out.
    axis : {0, 1}
        Along which pixels are added.

    Returns
    -------
    sums : ndarray, shape (n, longest)
        Infinite beyond a box's own.
    n : ndarray of int, shape (n,)
        Sums of each box.
    """
    lines = [
        np.add.reduce(signal[max(r, 0) : max(s, 0), max(c, 0) : max(d, 0)], axis=axis, dtype=float)
        for r, s, c, d in boxes
    ]
    n = np.array([len(line) for line in lines], dtype=int)
    sums = np.full((len(lines), int(n.max(initial=0))), np.inf)
    for place, line in zip(sums, lines, strict=True):
        place[: len(line)] = line
    return sums, n


def robust_sd(values: NDArray[np.floating]) -> float:
    """Standard deviation from the median absolute deviation; 0 for no values."""
    if values.size == 0:
        return 0.0
    return MAD_TO_SD * middle_of(np.abs(values - middle_of(values)))


def row_medians(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Median of each row, as `numpy.median` along the last axis gives it; NaN for a row that holds one.

    Notes
    -----
    Sorts whole rows: in float32 a tenth of the time that partitioning them takes.
    """
    ordered, n = np.sort(values, axis=-1), values.shape[-1]
    middle = np.add(ordered[..., (n - 1) // 2], ordered[..., n // 2], dtype=float) / 2
    return np.asarray(np.where(np.isnan(ordered[..., -1]), np.nan, middle))


def levels_of(signal: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Different levels, rising, in a sample of the pixels."""
    at = np.arange(0, signal.size, max(1, signal.size // 40_000))
    return np.unique(signal[np.divmod(at, signal.shape[1])])


_WINSOR = 3.0
_WINSOR_LOSS = 0.99501  # E[min(z**2, 9)] for normal z


def winsorised_sd(values: NDArray[np.floating[Any]]) -> float:
    """SD of values about 0 in which outliers count as three SDs.

    Returns
    -------
    float
        0 for no values.
    """
    if values.size == 0:
        return 0.0
    size = np.abs(values, dtype=float)
    # From the mean deviation of normal noise on, until what is clipped changes nothing.
    scale = float(size.mean()) * 1.2533
    clipped = np.empty_like(size)
    for _ in range(8):
        if scale == 0:
            return 0.0
        np.minimum(size, _WINSOR * scale, out=clipped)
        updated = float(np.sqrt(np.dot(clipped, clipped) / len(clipped) / _WINSOR_LOSS))
        if abs(updated - scale) < 1e-3 * scale:
            return updated
        scale = updated
    return scale


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
    # Columns across the lane, at rows that follow the slope, between two pixels.
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
    """Median of values, as `numpy.median` gives it; NaN stands above all numbers.

    Notes
    -----
    Sorting takes a sixth of the time of partitioning for 131,000 values in float32, a tenth for a few.
    """
    ranked = np.sort(values, axis=None)
    return float(ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2


def has_one_top(values: Sequence[float]) -> bool:
    """Whether values never rise again once they have fallen."""
    steps = [(a > b) - (a < b) for a, b in pairwise(values)]
    return 1 not in steps or -1 not in steps[steps.index(1) :]


def half_height_width(values: Profile, top: int) -> float:
    """Full width of the highest peak, halfway down to the higher of the lowest values on its two sides.

    Notes
    -----
    What `scipy.signal.peak_widths` gives for that peak. Importing `scipy.signal` takes 0.4 s of processor time, more
    than everything else that measuring one small picture imports.
    """
    top_value = values[top]
    # Between the two pixels on either side whose counts straddle the level.
    level = top_value - (top_value - max(values[: top + 1].min(), values[top:].min())) * 0.5
    left = top - int(np.argmax(values[: top + 1][::-1] <= level))
    right = top + int(np.argmax(values[top:] <= level))
    start, stop = float(left), float(right)
    if values[left] < level:
        start += (level - values[left]) / (values[left + 1] - values[left])
    if values[right] < level:
        stop -= (level - values[right]) / (values[right - 1] - values[right])
    return stop - start


def full_widths(profiles: Profile, n: NDArray[np.intp]) -> Profile:
    """Full widths at half maximum, px, between interpolated crossings; NaN where a profile does not fall to half.

    Parameters
    ----------
    profiles : ndarray, shape (n_profiles, longest)
        One a line.
    n : ndarray of int, shape (n_profiles,)
        Values of each.
    """
    if profiles.shape[1] == 0:
        return np.full(len(profiles), np.nan)
    places, lines = np.arange(profiles.shape[1]), np.arange(len(profiles))
    inside = places < n[:, None]
    top = np.where(inside, profiles, -np.inf).argmax(axis=1)
    half = np.where(n > 0, profiles[lines, top], np.nan) / 2
    profiles = np.where(inside, profiles, 0.0)
    is_low = inside & (profiles < half[:, None])
    width = np.where(half > 0, 0.0, np.nan)
    # The first place below half on either side, and between it and the one before where the profile crosses.
    for beyond, step in ((places < top[:, None], -1), (places > top[:, None], 1)):
        low = is_low & beyond
        at = low.argmax(axis=1) if step > 0 else len(places) - 1 - low[:, ::-1].argmax(axis=1)
        before = (at - step).clip(0, len(places) - 1)
        high, less = profiles[lines, before], profiles[lines, at]
        found = low.any(axis=1) & (half > 0)
        part = np.divide(high - half, high - less, out=np.full(len(lines), np.nan), where=found)
        width += np.abs(at - top) - 1 + part
    return np.asarray(width)


def prominent_peaks(values: Profile, least: float) -> tuple[NDArray[np.intp], Profile]:
    """Local maxima, the two ends left out, that stand out by `least` from the higher of the valleys beside them.

    Returns
    -------
    at : ndarray of int
        Their places, rising; the middle of a flat top.
    prominence : ndarray
        How far each stands out.
    """
    # Flat stretches count as one place.
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
    for k, (top, deep) in enumerate(zip(heights[1:-1].tolist(), valleys.tolist(), strict=False)):
        while higher and higher[-1][0] <= top:
            deep = min(deep, higher.pop()[1])
        lowest[k] = deep
        higher.append((top, deep))
    return lowest
