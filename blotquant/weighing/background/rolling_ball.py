"""A rolling ball for those who must reproduce old work: scale-free, bias-corrected and fast; never the default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from blotquant.weighing.background.base import Ground
from blotquant.weighing.background.mesh import CellSurface
from blotquant.weighing.background.simple import weighted_median


@dataclass(frozen=True)
class RollingBall:
    """Opening of the picture with a flat disc, lifted to the middle of the noise (after Sternberg 1983).

    A ball has a height in counts, so that its answer changes with the file's scale; a flat disc has none. Rolling
    along the noise floor, it lies too low: the median gap to the free cells is given back.

    Attributes
    ----------
    heights, pitches : float
        Radius: the larger of so many band heights and so many lane pitches.
    """

    heights: float = 2.0
    pitches: float = 0.75
    name: str = "rolling_ball"

    def fit(self, ground: Ground) -> CellSurface:
        """Open the picture's cells."""
        grid = ground.grid
        finite = np.where(np.isfinite(ground.signal), ground.signal, 0)
        cells = np.add.reduceat(
            np.add.reduceat(finite, _starts(finite.shape[0], grid.step), axis=0),
            _starts(finite.shape[1], grid.step),
            axis=1,
        ).astype(float)
        rows, cols = (np.diff([*_starts(n, grid.step), n]) for n in finite.shape)
        cells /= np.outer(rows, cols)
        radius = max(self.heights * ground.band_height, self.pitches * ground.lane_pitch) / grid.step
        size = 2 * int(np.ceil(radius)) + 1
        # A square twice opened at a right angle stands for the disc: separable, so that its size costs nothing.
        opened = ndimage.uniform_filter(
            ndimage.grey_opening(cells, size=(size, size), mode="nearest"), size, mode="nearest"
        )
        free = grid.count > 0
        lift = weighted_median((grid.mean - opened)[free], grid.count[free]) if free.any() else 0.0
        return CellSurface(opened + lift, grid.step, float(size * grid.step) ** 2)


def _starts(n: int, step: int) -> np.ndarray:
    return np.arange(0, n, step)
