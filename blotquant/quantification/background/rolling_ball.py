"""A rolling ball for those who must reproduce old work: scale-free and bias-corrected; never the default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blotquant.quantification.background.base import Aperture, Array, BackgroundPixels, Estimate, FittedBackground
from blotquant.quantification.background.simple import MEDIAN_COST, weighted_median

BRIGHT = 0.99
"""Cells brighter than this part of all tell the scale of the counts."""

STANDS = 10.0
"""They stand so many of the ball's radii high: a lower ball would rise into bands."""


@dataclass(frozen=True, eq=False)
class CellSurface(FittedBackground):
    """Levels on a grid of cells, interpolated between their centres."""

    cells: Array
    step: int
    n_pixels: float

    def under(self, aperture: Aperture) -> Estimate:
        """Levels at every pixel of the aperture's box."""
        values = interpolate_cells(self.cells, self.step, aperture)
        return Estimate(values, MEDIAN_COST / max(self.n_pixels, 1.0), self.n_pixels)


def interpolate_cells(cells: Array, step: int, aperture: Aperture) -> Array:
    """Bilinear values of a cell grid at every pixel of an aperture's box; flat beyond the outermost centres."""
    box = aperture.box
    r0, r1, tr = _neighbours(np.arange(box.row_start, box.row_stop), step, cells.shape[0])
    c0, c1, tc = _neighbours(np.arange(box.col_start, box.col_stop), step, cells.shape[1])
    across0 = cells[r0[:, None], c0] * (1 - tc) + cells[r0[:, None], c1] * tc
    across1 = cells[r1[:, None], c0] * (1 - tc) + cells[r1[:, None], c1] * tc
    return np.asarray(across0 * (1 - tr[:, None]) + across1 * tr[:, None])


def _neighbours(pixels: np.ndarray, step: int, n: int) -> tuple[np.ndarray, np.ndarray, Array]:
    place = np.clip((pixels - (step - 1) / 2) / step, 0, n - 1)
    low = np.minimum(place.astype(int), max(n - 2, 0))
    return low, np.minimum(low + 1, n - 1), place - low


@dataclass(frozen=True)
class RollingBall:
    """A ball rolled under the picture's cells (Sternberg 1983), lifted to the middle of the noise.

    A ball has a height in counts, so that its answer would change with the file's scale. Here counts are taken in
    units in which the picture's bright cells stand ten radii above its median, whatever the scale.
    Rolling along the noise floor, the ball lies too low: the median gap to the free cells is given back.

    Attributes
    ----------
    heights, pitches : float
        Radius: the larger of so many band heights and so many lane pitches.
    """

    heights: float = 2.0
    pitches: float = 0.75
    name: str = "rolling_ball"

    def fit(self, ground: BackgroundPixels) -> CellSurface:
        """Roll the ball under the picture's cells, bands and all."""
        from skimage.restoration import rolling_ball

        grid = ground.grid
        finite = np.where(np.isfinite(ground.signal), ground.signal, 0)
        starts = [np.arange(0, n, grid.step) for n in finite.shape]
        cells = np.add.reduceat(np.add.reduceat(finite, starts[0], axis=0), starts[1], axis=1).astype(float)
        rows, cols = (np.diff([*start, n]) for start, n in zip(starts, finite.shape, strict=True))
        cells /= np.outer(rows, cols)
        radius = max(self.heights * ground.band_height, self.pitches * ground.lane_pitch) / grid.step
        middle = float(np.median(cells))
        unit = float(np.quantile(np.abs(cells - middle), BRIGHT)) / (STANDS * radius)
        rolled = rolling_ball((cells - middle) / unit, radius=radius) * unit + middle if unit > 0 else cells.copy()
        free = grid.count > 0
        lift = weighted_median((grid.mean - rolled)[free], grid.count[free]) if free.any() else 0.0
        return CellSurface(rolled + lift, grid.step, float((2 * np.ceil(radius) + 1) * grid.step) ** 2)
