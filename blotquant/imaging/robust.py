"""Averages, levels and scatter of a picture's counts.

Statistics that a few specks do not spoil, and that stay fair to coarsely quantised values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

MAD_TO_SD = 1.4826


def local_means(values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Means of an image over the tiles of a coarser grid, pixels that lie in two tiles weighted by their parts.

    Notes
    -----
    What `skimage.transform.resize_local_mean` gives. Importing `skimage.transform` takes 0.1 s of processor time, a
    sixth of what measuring one small picture takes from a cold start.
    """
    for axis, n in enumerate(shape):
        size = values.shape[axis]
        if size == n:
            continue
        old = np.linspace(0, size, num=size + 1, dtype=values.dtype)
        new = np.linspace(0, size, num=n + 1, dtype=values.dtype)
        weights = np.maximum(np.minimum(new[1:, None], old[1:]) - np.maximum(new[:-1, None], old[:-1]), 0)
        weights /= weights.sum(axis=1, keepdims=True)
        products: Any = np.tensordot(values, weights, (axis, -1))
        values = np.moveaxis(products, -1, axis)
    return values


def block_average(signal: NDArray[np.floating], rows: int, cols: int) -> FloatArray:
    """Average blocks of ``rows`` by ``cols`` pixels; incomplete blocks at the lower and right edge are left out."""
    height, width = signal.shape[0] // rows, signal.shape[1] // cols
    cut = np.asarray(signal[: height * rows, : width * cols], dtype=np.float32)
    # Slices added one by one need no second copy of the picture and run faster than a four-axis mean.
    total = np.zeros((height, width), dtype=np.float32)
    for r in range(rows):
        for c in range(cols):
            total += cut[r::rows, c::cols]
    return np.asarray(total / (rows * cols), dtype=np.float32)


def robust_sd(values: NDArray[np.floating]) -> float:
    """Standard deviation from the median absolute deviation; 0 for no values."""
    if values.size == 0:
        return 0.0
    return float(MAD_TO_SD * np.median(np.abs(values - np.median(values))))


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
