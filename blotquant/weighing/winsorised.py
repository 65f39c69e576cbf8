"""Statistics that a few specks do not spoil, and that stay fair to coarsely quantised values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
