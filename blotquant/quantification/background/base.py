"""What every background method is given and gives back: the ground between the bands, and a level under a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Box, Lane
from blotquant.quantification.background.background_pixels import BINS, COLUMNS, Cells, lane_light, make_cells

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Aperture:
    """The pixels that one band is measured over.

    Attributes
    ----------
    box : Box
        The pixels touched, cut to the picture.
    weights : ndarray, shape of `box`
        Covered part of each pixel, 0 to 1.
    lane : Lane or None
        The lane that it lies in.
    contested : ndarray or None, shape of `box`
        How far each pixel's light is in dispute with the bands of outlines that overlap this one
        (`blotquant.doublets.shared_light`); None where none does.
    doubt : float
        SD of this band's part of the contested light.
    whole : ndarray or None, shape of `box`
        Covered part of each pixel by an outline that the two bands of a doublet have in common.
    """

    box: Box
    weights: Array
    lane: Lane | None = None
    contested: Array | None = None
    doubt: float = 0.0
    whole: Array | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the box."""
        return self.box.row_stop - self.box.row_start, self.box.col_stop - self.box.col_start

    @cached_property
    def cover(self) -> Array:
        """Covered pixels of each row of the box."""
        return np.asarray(self.weights.sum(axis=1))

    @cached_property
    def area(self) -> float:
        """Covered pixels."""
        return float(self.cover.sum())

    @cached_property
    def tall(self) -> Array:
        """Covered pixels of each column of the box."""
        return np.asarray(self.weights.sum(axis=0))

    @cached_property
    def filled(self) -> NDArray[np.intp]:
        """Columns of the box that are more than half as tall as the tallest."""
        return np.flatnonzero(self.tall > 0.5 * self.tall.max(initial=0.0))

    @property
    def middle_row(self) -> float:
        """Row of the middle of the box."""
        return (self.box.row_start + self.box.row_stop - 1) / 2


@dataclass(frozen=True, eq=False, kw_only=True)
class CellGrid:
    """The ground averaged over square cells, so that a whole picture is cheap to look at.

    Attributes
    ----------
    mean : ndarray, float64
        Mean of the usable pixels of each cell; 0 where there is none.
    count : ndarray, float64
        Number of usable pixels of each cell.
    step : int
        Edge of a cell in pixels.
    """

    mean: Array
    count: Array
    step: int


@dataclass(frozen=True, eq=False, kw_only=True)
class BackgroundPixels:
    """A picture with all of its bands taken out.

    Attributes
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    usable : ndarray of bool, shape (H, W)
        False on every band, dilated, and on pixels that are not finite.
    band_height, lane_pitch : float
        Typical sizes in pixels, from which methods take their own.
    noise : float
        SD of one pixel's noise, in counts; 0 for a picture without noise.
    noise_spread : float
        Variance of a large sum against that of white noise of the same pixel variance.
    lanes : tuple of Lane
        The picture's lanes.
    """

    signal: NDArray[np.floating[Any]]
    usable: NDArray[np.bool_]
    band_height: float
    lane_pitch: float
    noise: float = 0.0
    noise_spread: float = 1.0
    lanes: tuple[Lane, ...] = ()

    @cached_property
    def grid(self) -> CellGrid:
        """The ground averaged over square cells of a third of a band's height."""
        step = int(np.clip(min(self.band_height, self.lane_pitch / 4) / 3, 1, 8))
        return bin_background_pixels(self.signal, self.usable, step)

    @cached_property
    def cells(self) -> Cells:
        """The ground summed over small cells, narrow enough for the gaps between lanes."""
        steps = max(1, round(self.band_height / BINS)), max(1, round(self.lane_pitch / COLUMNS))
        return make_cells(self.signal, self.usable, steps, noise=self.noise * self.noise_spread**0.5)

    @cached_property
    def light(self) -> dict[str, Array]:
        """Light of every lane's bands above the ground, in bins of rows, by the lane's id."""
        step = self.cells.steps[0]
        return {lane.id: lane_light(self.signal, self.usable, lane, step) for lane in self.lanes}

    def beside(self, lane: Lane) -> list[Lane]:
        """The lanes next to one, on its strip."""
        return [o for o in self.lanes if o.strip == lane.strip and abs(o.number - lane.number) == 1]


@dataclass(frozen=True, eq=False, slots=True)
class Estimate:
    """The background under one aperture.

    Attributes
    ----------
    values : ndarray
        Counts for each pixel of the aperture's box, or of a shape that broadcasts to it.
    leverage : float
        Variance of the mean background in units of one pixel's variance: kappa / n_b of the variance formula.
    n_pixels : float
        Pixels that carry it.
    model_sd : float
        SD of the mean background that is not pixel noise: how far it may bend unseen under the band. In counts.
    """

    values: Array
    leverage: float
    n_pixels: float
    model_sd: float = 0.0


class FittedBackground(Protocol):
    """A background fitted to one picture."""

    def under(self, aperture: Aperture) -> Estimate:
        """Background under one aperture."""
        ...

    def under_all(self, apertures: Sequence[Aperture]) -> list[Estimate]:
        """Background under many apertures, each as `under` gives it."""
        return [self.under(aperture) for aperture in apertures]


class Background(Protocol):
    """A method: a small frozen dataclass of its parameters."""

    @property
    def name(self) -> str:
        """As it stands in settings and tables."""
        ...

    def fit(self, ground: BackgroundPixels) -> FittedBackground:
        """Prepare the method for one picture; the picture is left as it is."""
        ...


def bin_background_pixels(signal: NDArray[np.floating[Any]], usable: NDArray[np.bool_], step: int) -> CellGrid:
    """Average the usable pixels over square cells of `step` pixels; cells at the far edges may be smaller."""
    kept = np.where(usable, signal, signal.dtype.type(0))
    count = _sum_cells(usable.view(np.uint8), step, np.dtype(np.float32))
    total = _sum_cells(kept, step, np.dtype(np.float64))
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return CellGrid(mean=mean, count=count.astype(np.float64), step=step)


def _sum_cells(values: NDArray[Any], step: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    rows = values[::step].astype(dtype)
    for shift in range(1, step):
        part = values[shift::step]
        rows[: len(part)] += part
    cells = np.ascontiguousarray(rows[:, ::step])
    for shift in range(1, step):
        columns = rows[:, shift::step]
        cells[:, : columns.shape[1]] += columns
    return cells
