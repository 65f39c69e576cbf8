"""Profile along a lane: the mean over its width, taken along the slope of the rows that cross it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blotquant.noise import FloatArray

Profile = NDArray[np.float64]


def lane_strip(
    image: FloatArray, rows: NDArray[np.intp], center: Profile, half: float, slope: Profile
) -> Profile:
    """Sample a lane in its own frame.

    Parameters
    ----------
    image : ndarray, shape (H, W)
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
    ndarray, shape (n, k)
        Counts at `k` places across the lane, following the slope.
    """
    across = np.arange(-int(half), int(half) + 1)
    cols = np.clip(np.rint(center[:, None] + across[None]).astype(int), 0, image.shape[1] - 1)
    y = np.clip(rows[:, None] + slope[:, None] * across[None], 0, image.shape[0] - 1.001)
    low = y.astype(int)
    part = y - low
    return image[low, cols] * (1 - part) + image[np.minimum(low + 1, image.shape[0] - 1), cols] * part


def thirds(lane: Profile) -> Profile:
    """Mean profiles of the left, middle and right third, shape (n, 3); fewer where the lane is narrow."""
    groups = np.array_split(np.arange(lane.shape[1]), min(3, lane.shape[1]))
    return np.stack([lane[:, g].mean(axis=1) for g in groups], axis=1)
