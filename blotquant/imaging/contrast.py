"""The first contrast that a picture is looked at with; numbers never see it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def contrast_limits(signal: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """First contrast for looking: from the background to the bands, leaving out specks."""
    step = max(1, int(np.sqrt(signal.size / 250_000)))
    seen = signal[::step, ::step]
    seen = seen[np.isfinite(seen)]
    if seen.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(seen, (1.0, 99.7)))
    return (low, high) if high > low else (low, low + 1.0)
