"""Volumes of one picture over all sane backgrounds and aperture heights, for the sensitivity of a claim."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from blotquant.model.geometry import Band, Layout
from blotquant.quantification.apertures import apertures_of, stack_apertures
from blotquant.quantification.prepared_image import SANE, PreparedImage
from blotquant.tables import ALTERNATIVE_COLUMNS, make_table
from blotquant.threads import single_threaded

if TYPE_CHECKING:
    import pandas as pd

BACKGROUND_WAYS = SANE
"""Those of the method spread."""
APERTURE_WAYS = (0.85, 1.0, 1.15)
"""Heights of the aperture, relative to the row's."""


@single_threaded
def measure_alternatives(layout: Layout, scene: PreparedImage) -> pd.DataFrame:
    """Measure every named band over all sane backgrounds and aperture heights.

    Parameters
    ----------
    layout : Layout
        With targets assigned.
    scene : PreparedImage
        The picture as it was prepared; its own background is always one of the ways.

    Returns
    -------
    DataFrame
        `ALTERNATIVE_COLUMNS`; one row per named band, background and aperture. Volumes are counts.
    """
    chosen = scene.method.split(",")[0]
    names = (chosen, *(name for name in BACKGROUND_WAYS if name != chosen))
    surfaces = dict(zip(names, (scene.surface, *scene.others), strict=True))
    named = {band.id for band in layout.bands if band.target is not None}
    volumes: dict[tuple[str, float, str], float] = {}
    for height in APERTURE_WAYS:
        scaled = replace(layout, bands=tuple(scale_height(band, height) for band in layout.bands))
        bands = [band for band in scaled.bands if band.id in named]
        apertures = apertures_of(bands, scaled, scene.signal)
        levels = {name: surface.under_all(apertures) for name, surface in surfaces.items()}
        for members, stack in stack_apertures(scene.signal, apertures):
            raw = np.vecdot(stack.weights, stack.pixels)
            for name, estimates in levels.items():
                under = stack.row_sums(stack.levels([estimates[k] for k in members]))
                found = zip(members, (raw - under).sum(axis=1).tolist(), strict=True)
                volumes |= {(bands[k].id, height, name): volume for k, volume in found}
    rows = [
        {"band_id": band.id, "background": name, "aperture": height, "volume": volumes[band.id, height, name]}
        for band in layout.bands if band.id in named for height in APERTURE_WAYS for name in surfaces
    ]  # fmt: skip
    return make_table(rows, ALTERNATIVE_COLUMNS)


def scale_height(band: Band, factor: float) -> Band:
    """Stretch a band's outline along the lane about its middle line, so that a slanting band keeps its slant."""
    if factor == 1:
        return band
    vertices = np.asarray(band.outline)
    cols = vertices[:, 1] - vertices[:, 1].mean()
    slope = float(cols @ vertices[:, 0] / (cols @ cols)) if np.ptp(cols) > 0 else 0.0
    middle = vertices[:, 0].mean() + slope * cols
    rows = middle + factor * (vertices[:, 0] - middle)
    # As `polygon` rounds, whose calls for all bands of a picture take as long as measuring them.
    scaled = np.round(np.column_stack([rows, vertices[:, 1]]), 4)
    return replace(band, outline=tuple(map(tuple, scaled.tolist())))
