"""Local noise: the scatter that structure and photons leave in a filtered picture, robust against bands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float32]

MAD_TO_SD = 1.4826


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


def levels_of(signal: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Different levels, rising, in a sample of the pixels."""
    at = np.arange(0, signal.size, max(1, signal.size // 40_000))
    return np.unique(signal[np.divmod(at, signal.shape[1])])


def local_noise(filtered: FloatArray, *, tile: tuple[int, int], floor: float) -> FloatArray:
    """Estimate the scatter of a filtered picture around every pixel.

    Each tile gives a robust SD; a low percentile of the tiles around keeps a cluster of bands from raising its own
    threshold, and a share of the picture's median tile keeps flat margins from lowering it.

    Parameters
    ----------
    filtered : ndarray, shape (H, W)
        A band-pass filtered picture with mean near 0.
    tile : (int, int)
        Rows and columns of a tile.
    floor : float
        Least SD, from the steps of the counts.

    Returns
    -------
    ndarray, shape (H, W)
        Local SD in counts.
    """
    height, width = filtered.shape
    th, tw = min(tile[0], height), min(tile[1], width)
    ny, nx = height // th, width // tw
    cut = filtered[: ny * th, : nx * tw].reshape(ny, th, nx, tw)[:, ::2, :, ::2]
    scatter = MAD_TO_SD * np.median(np.abs(cut), axis=(1, 3))
    calm = ndimage.percentile_filter(scatter, 40, size=5, mode="nearest")
    positive = scatter[scatter > 0]
    least = max(floor, 0.3 * float(np.median(positive)) if positive.size else 0.0)
    calm = np.maximum(ndimage.uniform_filter(calm, 3, mode="nearest"), least).astype(np.float32)
    rows = np.minimum(np.arange(height) // th, ny - 1)
    cols = np.minimum(np.arange(width) // tw, nx - 1)
    return np.asarray(calm[np.ix_(rows, cols)], dtype=np.float32)
