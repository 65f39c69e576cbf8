"""A picture prepared for weighing: every band masked, the noise known, the background fitted; done once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.background import BACKGROUNDS, Aperture, Ground, Surface
from blotquant.background.base import bin_ground
from blotquant.coverage import area_weights, clip_box
from blotquant.geometry import Band, Box, Layout, polygon_area
from blotquant.image import BlotImage
from blotquant.settings import WeighingSettings
from blotquant.uncertainty import Noise, pixel_sd


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """Everything about one picture that all of its bands share.

    Attributes
    ----------
    ground : Ground
        The signal with all bands masked.
    background : str
        The chosen method.
    surface : Surface
        Its background.
    others : tuple of Surface
        Those that the method spread compares it with.
    noise : Noise
        Measured from the picture.
    flags : tuple of str
        What holds for every number weighed here.
    """

    ground: Ground
    background: str
    surface: Surface
    others: tuple[Surface, ...]
    noise: Noise
    flags: tuple[str, ...] = ()

    @property
    def signal(self) -> NDArray[np.floating[Any]]:
        """Counts, bands bright."""
        return self.ground.signal

    def sigma_near(self, aperture: Aperture) -> float:
        """SD of one pixel of the ground around an aperture, in counts."""
        box, (height, width) = aperture.box, aperture.shape
        rows = slice(max(box.row_start - 2 * height, 0), box.row_stop + 2 * height)
        cols = slice(max(box.col_start - width // 2, 0), box.col_stop + width // 2)
        usable = self.ground.usable[rows, cols]
        return pixel_sd(self.signal[rows, cols], usable) if usable.sum() > 200 else self.noise.sigma


EDGE_PX = 3.0
"""A strip's cut edge is blurred that far."""

SANE = ("mesh", "flank", "constant")
"""Methods that the method spread compares: each of them is fair on a clean blot."""


def weigh_scene(
    image: BlotImage, layout: Layout, *, settings: WeighingSettings | None = None, whole_lanes: bool = False
) -> Scene:
    """Prepare a picture for weighing.

    Parameters
    ----------
    image : BlotImage
        The picture.
    layout : Layout
        All of its bands: each of them is kept out of every background.
    settings : WeighingSettings, optional
        Background method and mask.
    whole_lanes : bool
        The layout's bands are whole lanes: only narrow gaps are left, so the mask is not widened.

    Returns
    -------
    Scene
        To be handed to `measure_bands` any number of times, as long as picture and bands stay roughly the same.
    """
    settings = settings or WeighingSettings()
    signal = image.signal()
    boxes = [band.box for band in layout.bands]
    height, pitch = _typical_sizes(layout, boxes, signal.shape)
    usable = np.isfinite(signal)
    membrane = inside_strips(layout, image.shape, EDGE_PX)
    if membrane is not None:
        usable &= membrane
    for band, box in zip(layout.bands, boxes, strict=True):
        _mask_band(usable, band, box, 0.0 if whole_lanes else settings.mask_margin)
    step = int(np.clip(min(height, pitch / 4) // 3, 1, 8))
    ground = Ground(
        signal=signal,
        usable=usable,
        grid=bin_ground(signal, usable, step),
        band_height=min(height, pitch),
        lane_pitch=pitch,
        noise=pixel_sd(signal[::7], usable[::7]),
        lanes=layout.lanes,
    )
    noise = Noise(sigma=ground.noise, correlation=np.ones((1, 1)), gain=None)
    others = (
        ()
        if whole_lanes
        else tuple(BACKGROUNDS[name].fit(ground) for name in SANE if name != settings.background)
    )
    return Scene(
        ground=ground,
        background=settings.background,
        surface=BACKGROUNDS[settings.background].fit(ground),
        others=others,
        noise=noise,
    )


def aperture_of(band: Band, layout: Layout, shape: tuple[int, int]) -> Aperture:
    """Exact area weights of a band's outline, with its lane."""
    box, weights = area_weights(band.outline, shape)
    lane = next((lane for lane in layout.lanes if lane.id == band.lane), None)
    return Aperture(box=box, weights=weights, lane=lane)


def inside_strips(layout: Layout, shape: tuple[int, int], margin: float) -> NDArray[np.bool_] | None:
    """Pixels that lie on a strip, at least `margin` pixels from its edge; None where strips leave nothing out."""
    if not layout.strips:
        return None
    inside = np.zeros(shape, dtype=bool)
    for strip in layout.strips:
        first, left, right = _scan_lines(np.asarray(strip.outline), shape[0])
        # The picture's own border is no cut edge.
        top_cut, bottom_cut = first > 0, first + len(left) < shape[0]
        keep = slice(round(margin) if top_cut else 0, len(left) - (round(margin) if bottom_cut else 0))
        starts = np.where(left > 0, np.ceil(left + margin), 0).astype(int)
        stops = np.where(right < shape[1] - 1, np.floor(right - margin) + 1, shape[1]).astype(int)
        for row in range(len(left))[keep]:
            inside[first + row, starts[row] : max(stops[row], starts[row])] = True
    return None if inside.all() else inside


def _scan_lines(outline: NDArray[np.float64], n_rows: int) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """First row of an outline and its leftmost and rightmost column on each of its rows."""
    first = max(int(np.ceil(outline[:, 0].min())), 0)
    rows = np.arange(first, min(int(np.floor(outline[:, 0].max())), n_rows - 1) + 1)
    left, right = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for (r0, c0), (r1, c1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        on = (rows >= min(r0, r1)) & (rows <= max(r0, r1))
        cols = c0 + (rows[on] - r0) / (r1 - r0) * (c1 - c0) if r1 != r0 else np.full(on.sum(), c0)
        left[on], right[on] = np.minimum(left[on], cols), np.maximum(right[on], cols)
    return first, left, right


def _typical_sizes(layout: Layout, boxes: list[Box], shape: tuple[int, ...]) -> tuple[float, float]:
    heights = [box.row_stop - box.row_start for box in boxes]
    widths = [width for lane in layout.lanes for width in lane.widths] or [
        b.col_stop - b.col_start for b in boxes
    ]
    height = float(np.median(heights)) if heights else max(shape[0] / 30, 3.0)
    return height, 1.3 * float(np.median(widths)) if widths else max(shape[1] / 15, 3.0)


def _mask_band(usable: NDArray[np.bool_], band: Band, box: Box, margin: float) -> None:
    """Take a band and a margin around it out of the ground."""
    rows = max(2, round(margin * (box.row_stop - box.row_start)))
    # Bands end sharply to the sides, and the gaps between lanes are needed.
    cols = max(2, round(0.25 * rows))
    wide = clip_box(
        Box(box.row_start - rows, box.row_stop + rows, box.col_start - cols, box.col_stop + cols),
        (usable.shape[0], usable.shape[1]),
    )
    if polygon_area(band.outline) > 0.6 * (box.row_stop - box.row_start) * (box.col_stop - box.col_start):
        usable[wide.slices] = False
        return
    # A slanting outline fills little of its box: widen the outline itself.
    vertices = np.asarray(band.outline)
    for dr in (-rows, 0, rows):
        for dc in (-cols, 0, cols):
            part, weights = area_weights(
                tuple(map(tuple, vertices + (dr, dc))), (usable.shape[0], usable.shape[1])
            )
            usable[part.slices] &= weights == 0
