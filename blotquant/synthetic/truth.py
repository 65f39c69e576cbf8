"""What is exactly true of a synthetic picture: tables of strips, lanes and bands, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from blotquant.model.geometry import Lane, Polygon, polygon_area
from blotquant.synthetic.bands import Place, numbered
from blotquant.synthetic.spec import BlotSpec, LaneSpec, StripSpec
from blotquant.synthetic.surface import pixels_of

Floats = NDArray[np.float64]
_BAND_NAMES = [
    "strip", "lane", "row", "target", "mw_kda", "present", "volume", "peak_row", "peak_col", "peak_counts",
    "sigma_along", "sigma_across", "width", "hollow", "saturated_px", "saturated", "sd_limit", "snr_limit", "snr",
]  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What is exactly true of a synthetic picture.

    Attributes
    ----------
    strips : DataFrame
        One row a strip: ``strip`` (from 1, top to bottom), ``tilt_deg``, ``n_lanes``, ``level``.
    lanes : DataFrame
        One row a lane: ``strip lane role center width col_start col_stop`` (at the strip's
        middle).
    bands : DataFrame
        One row a place of a row in a lane: ``strip lane row target mw_kda present volume`` (counts as rendered,
        glow included, before noise and ceiling) ``share`` (of its lane's volumes) ``peak_row peak_col peak_counts
        sigma_along sigma_across width hollow saturated_px saturated sd_limit snr_limit snr``. `sd_limit`
        is the photon and read noise of the volume over the true outline with a background that is known, `snr_limit`
        the volume over that; `snr` counts as noise also what of the background around is as small as a band.
    signal : ndarray, shape (H, W)
        Expected counts of all bands, glow included.
    background : ndarray, shape (H, W)
        Expected counts of everything else, offset and debris included. The noise-free picture is their sum.
    """

    strips: pd.DataFrame
    lanes: pd.DataFrame
    bands: pd.DataFrame
    signal: Floats
    background: Floats


def tell_truth(
    spec: BlotSpec, places: tuple[Place, ...], signal: Floats, background: Floats, full: NDArray[np.bool_]
) -> Truth:
    """Put together the truth of a picture; `full` marks the pixels at the ceiling."""
    return Truth(
        strips=pd.DataFrame(
            [(k, s.tilt_deg, len(s.lanes), s.level) for k, s in enumerate(spec.strips, 1)],
            columns=["strip", "tilt_deg", "n_lanes", "level"],
        ),
        lanes=_lane_table(spec.strips),
        bands=_band_table(spec, places, signal, background, full),
        signal=signal,
        background=background,
    )


def band_outline(place: Place, spreads: float) -> Polygon:
    """Outline that reaches `spreads` SDs above and below a band's peak and two edge SDs beyond its sides."""
    return place.outline(spreads, place.width / 2 + 2 * place.row_spec.edge)


def true_lane(strip: StripSpec, k: int, number: int, lane: LaneSpec) -> Lane:
    """Lane `number` of strip `k` where it truly lies in the picture."""
    y = np.linspace(strip.box[0], strip.box[1] - 1, 9)
    rows, cols = strip.to_picture(y, strip.lane_center(lane, y))
    width = lane.width / float(np.cos(np.deg2rad(strip.tilt_deg)))
    nodes = tuple((round(float(r), 4), round(float(c), 4)) for r, c in zip(rows, cols, strict=True))
    return Lane(id=f"s{k}l{number}", strip=f"s{k}", number=number, center=nodes, widths=(width,) * 9, role=lane.role)


def _lane_table(strips: tuple[StripSpec, ...]) -> pd.DataFrame:
    names = ["strip", "lane", "role", "center", "width", "col_start", "col_stop"]
    lines = []
    for k, strip in enumerate(strips, 1):
        for number, spec in numbered(strip):
            lane = true_lane(strip, k, number, spec)
            center, width = float(lane.center_at(strip.middle[0])), lane.widths[0]
            lines.append((k, number, spec.role, center, width, center - width / 2, center + width / 2))
    return pd.DataFrame(lines, columns=names)


def _band_table(
    spec: BlotSpec, places: tuple[Place, ...], signal: Floats, background: Floats, full: NDArray[np.bool_]
) -> pd.DataFrame:
    # What of the ground is as small as a band: smoothed by a band's SD less smoothed by four.
    clutter = np.zeros_like(background)
    if places:
        sigma = float(np.median([place.spread for place in places]))
        clutter = gaussian_filter(background, sigma) - gaussian_filter(background, 4 * sigma)
    camera, lines = spec.camera, []
    for place in places:
        row = place.row_spec
        # The pixel under the peak, or the nearest in the picture.
        at = tuple(int(np.clip(round(v), 0, n - 1)) for v, n in zip(place.peak, spec.shape, strict=True))
        # Pixels at the ceiling within 2.5 SD of the ridge and the band's width.
        window = place.window(spec.shape)
        across, along = place.coordinates(*pixels_of(window))
        own = (np.abs(along - place.mode) <= 2.5 * place.spread) & (np.abs(across) <= place.width / 2 + 2 * row.edge)
        burnt = int((full[window] & own).sum())
        # Scatter of the volume over the true outline: by photons and readout, then by the unevenness around it too.
        area, below = polygon_area(band_outline(place, 2.5)), max(float(background[at]) - camera.offset, 0.0)
        variance = area * (camera.read_noise**2 + camera.gain * below) + camera.gain * place.volume
        near = clutter[window]
        uneven = area * 1.4826 * float(np.median(np.abs(near - np.median(near))))
        sds = np.sqrt([variance, variance + uneven**2])
        with np.errstate(divide="ignore", invalid="ignore"):
            snr_limit, snr = np.where(place.volume > 0, place.volume / sds, 0.0).tolist()
        across_sd = float(np.sqrt(place.width**2 / 12 + row.edge**2))  # of a box with soft sides
        lines.append(
            (place.strip, place.lane, place.row, row.target, row.mw_kda, place.volume > 0, place.volume, *place.peak,
             float(signal[at]), place.spread, across_sd, place.width, row.hollow, burnt, burnt > 0, float(sds[0]),
             snr_limit, snr)
        )  # fmt: skip
    table = pd.DataFrame(lines, columns=_BAND_NAMES)
    total = table.groupby(["strip", "lane"])["volume"].transform("sum")
    share = (table["volume"] / total.where(total > 0)).fillna(0.0)
    table.insert(_BAND_NAMES.index("volume") + 1, "share", share)
    return table.sort_values(["strip", "lane", "row"], ignore_index=True)
