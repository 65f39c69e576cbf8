"""Whole lanes as apertures: the table of lanes, which a total-protein stain is read from."""

from __future__ import annotations

from typing import Any

import pandas as pd

from blotquant.flags import join_flags
from blotquant.model.geometry import Band, Lane, Layout, bounding_box
from blotquant.model.image import BlotImage
from blotquant.quantification.background import Aperture
from blotquant.quantification.bands import measure_aperture
from blotquant.quantification.prepared_image import PreparedImage, aperture_of, prepare_lanes
from blotquant.quantification.quality import limit_flags, saturation
from blotquant.settings import QuantificationSettings
from blotquant.tables import LANE_COLUMNS, make_table
from blotquant.threads import single_threaded


@single_threaded
def measure_lanes(
    image: BlotImage,
    layout: Layout,
    *,
    settings: QuantificationSettings | None = None,
    window: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Weigh whole lanes, as a total-protein stain is.

    All lanes are masked, so that the background comes from the gaps between and beside them.

    Parameters
    ----------
    image : BlotImage
        The picture.
    layout : Layout
        Strips and lanes.
    settings : QuantificationSettings, optional
        How to weigh.
    window : (float, float), optional
        Half-open range of rows to weigh; the whole lane when not given.

    Returns
    -------
    DataFrame
        One row a lane with `LANE_COLUMNS`. Volumes are counts; that of a lane with any pixel at the ceiling is a
        lower bound, flagged ``saturated``. A lane outside the window has none.
    """
    layout = layout.sorted()
    strips = {strip.id: strip.number for strip in layout.strips}
    lanes = [(lane, _lane_band(lane, window)) for lane in layout.lanes]
    stand_ins = Layout(strips=layout.strips, lanes=layout.lanes, bands=tuple(band for _, band in lanes if band))
    scene = prepare_lanes(image, stand_ins, settings=settings)
    rows = []
    for lane, band in lanes:
        row = {
            "image": image.name,
            "strip": strips.get(lane.strip),
            "lane": lane.number,
            "role": lane.role,
            "col_center": float(lane.center_at(sum(lane.row_range) / 2)),
            **bounding_box(lane.outline)._asdict(),
            "confidence": lane.confidence,
            "probe": image.probe,
            "exposure_s": image.exposure_s,
        }
        cells: dict[str, Any] = {"flags": ()}
        if band is not None:  # one at a time: the weights of all lanes are larger than the picture
            cells = _lane_cells(aperture_of(band, stand_ins, scene.signal), scene)
        cells["flags"] = join_flags(cells["flags"], lane.flags, scene.flags, layout.flags)
        rows.append(row | cells)
    return make_table(rows, LANE_COLUMNS)


def _lane_cells(aperture: Aperture, scene: PreparedImage) -> dict[str, Any]:
    weighed = measure_aperture(scene, aperture)
    n_saturated, clipped = saturation(weighed.pixels, aperture.weights, scene.ceiling)
    limits = limit_flags(weighed.volume, weighed.empty_sd, spread=float("nan"), n_background=weighed.n_background)
    return {
        "volume": weighed.volume,
        "volume_sd": weighed.volume_sd,
        "saturated_px": n_saturated,
        "flags": {*clipped, *limits},
    }


def _lane_band(lane: Lane, window: tuple[float, float] | None) -> Band | None:
    """The lane's area, or what lies of it inside a window of rows, as if it were one band."""
    top, bottom = lane.row_range
    if window is not None:
        top, bottom = max(top, window[0] - 0.5), min(bottom, window[1] - 0.5)
        if bottom <= top:
            return None
    nodes = [top, *(row for row, _ in lane.center if top < row < bottom), bottom]
    center = lane.center_at(nodes)
    part = Lane(
        id=lane.id,
        strip=lane.strip,
        number=lane.number,
        center=tuple(zip(nodes, map(float, center), strict=True)),
        widths=tuple(map(float, lane.width_at(nodes))),
    )
    middle = (top + bottom) / 2
    return Band(id=lane.id, lane=lane.id, outline=part.outline, peak=(middle, float(lane.center_at(middle))))
