"""A mesh of local levels over the whole picture with all bands masked, through `sep` (Bertin & Arnouts 1996).

A rolling ball for those who must reproduce old work: scale-free, bias-corrected and fast; never the default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from blotquant.quantification.background.base import Aperture, Array, BackgroundPixels, Estimate, FittedBackground
from blotquant.quantification.background.simple import MEDIAN_COST, weighted_median


@dataclass(frozen=True)
class Mesh:
    """SExtractor's background: clipped local levels on a mesh, median-filtered, spline between.

    Attributes
    ----------
    heights, pitches : float
        Size of a mesh cell: the larger of so many band heights and so many lane pitches.
    """

    heights: float = 5.0
    pitches: float = 1.0
    name: str = "mesh"

    def fit(self, ground: BackgroundPixels) -> CellSurface:
        """Fit the mesh to the picture's cells; where everything is masked the median of what is left stands in."""
        import sep

        grid = ground.grid
        free = grid.count >= 0.5 * grid.step**2
        if not free.any():
            free = grid.count > 0
        if not free.any():
            flat = np.full(grid.mean.shape, float(np.median(ground.signal)))
            return CellSurface(flat, grid.step, 0.0)
        level = weighted_median(grid.mean[free], grid.count[free])
        scale = float(np.abs(grid.mean[free] - level).mean()) or 1.0
        size = max(self.heights * ground.band_height, self.pitches * ground.lane_pitch) / grid.step
        size = int(np.clip(round(size), 4, max(4, *grid.mean.shape)))
        centred = np.where(free, (grid.mean - level) / scale, 0.0)
        mesh = sep.Background(np.ascontiguousarray(centred), mask=~free, bw=size, bh=size, fw=3, fh=3)
        share = float(free.mean())
        return CellSurface(mesh.back() * scale + level, grid.step, share * (size * grid.step) ** 2)


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

    def fit(self, ground: BackgroundPixels) -> CellSurface:
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
