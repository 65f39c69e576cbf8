"""The one place where volumes are computed: V = sum of w (p - b) over an outline, on the original pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import erf
from typing import TYPE_CHECKING, Any

import numpy as np

from blotquant.doublets.overlaps import UNKNOWN_DOUBT
from blotquant.flags import join_flags
from blotquant.model.geometry import Band, Layout, area_weights, bounding_box
from blotquant.model.image import BlotImage
from blotquant.quantification.apertures import Stack, apertures_of, stack_apertures
from blotquant.quantification.background import Aperture, Array, Estimate
from blotquant.quantification.edge_losses import column_sums, cut_light, cut_sds, end_variances, side_variances
from blotquant.quantification.noise import LOD_SDS, LOQ_SDS, empty_variances
from blotquant.quantification.prepared_image import PreparedImage, prepare_image
from blotquant.quantification.quality import (
    CUT_LIMIT,
    DEBRIS_LIGHT,
    HOLLOW_SNR,
    band_shapes,
    debris_light,
    is_hollow,
    light_beside,
    limit_flags,
    place_flags,
    saturation,
)
from blotquant.settings import QuantificationSettings
from blotquant.tables import BAND_COLUMNS, make_table
from blotquant.threads import single_threaded

if TYPE_CHECKING:
    import pandas as pd

DIVIDED_PART = 2 / 3
"""Part of its SD by which the division of a doublet puts a half in question: two SDs are enough where three are asked,
since they hold how the pair is shared, not whether light is there."""

OWN_SHARE = 0.003
"""SD, as a part of a band's volume, of its own light that lies above and below the outline."""

CLEAR_SNR = 10.0
"""A band below it does not tell whether its outline cuts it."""

OWN_PART = 0.25
"""Part of a shared pixel that makes its clipping a band's own."""

MOST_LEVERAGE = 0.1
"""Variance of a background that is still well known, in units of one pixel's."""

SHAPE_SHARE = 0.11
"""SD of what the fit gives to the wrong half of a doublet, its shape being no band's exactly, as a part of the light in
which both halves have a share."""


@dataclass(frozen=True, eq=False, slots=True)
class Measurement:
    """What lies under one aperture.

    Attributes
    ----------
    excess : ndarray
        Counts above background of each pixel of the aperture's box.
    volume_raw, volume : float
        Weighted sums of counts, without and with the background taken off.
    background_sum : float
        Weighted sum of the background; ``volume_raw == volume + background_sum``.
    volume_sd, empty_sd : float
        SD of the volume, and of the volume that the same aperture would have with nothing in it.
    absent_sd : float
        SD of the volume that it would have without its band: `empty_sd`, and light of bands beside it.
    n_background : float
        Pixels that carry the background; as many as its variance is worth where that exceeds `MOST_LEVERAGE`.
    cut : float
        What lies beyond the outline's sides and falls off from them, beyond what the picture's other outlines leave
        out, as a part of the volume.
    debris : float
        Light that the band cannot have, counts.
    height, width : float
        Of its profile along the lane, counts and pixels.
    is_hollow : bool
        Whether its middle is darker than its flanks.
    spread : float
        (max - min) / |median| of the volume over the backgrounds of the method spread.
    """

    excess: Array
    volume_raw: float
    volume: float
    background_sum: float
    volume_sd: float
    empty_sd: float
    absent_sd: float
    n_background: float
    cut: float
    debris: float
    height: float
    width: float
    is_hollow: bool
    spread: float


def measure_apertures(
    scene: PreparedImage, apertures: Sequence[Aperture], estimates: Sequence[Estimate] | None = None
) -> list[Measurement]:
    """Measure the pixels under apertures.

    Parameters
    ----------
    scene : PreparedImage
        The prepared picture.
    apertures : sequence of Aperture
        Pixels and their weights.
    estimates : sequence of Estimate, optional
        Background under them; by the scene's chosen method when not given.

    Returns
    -------
    list of Measurement
        Volumes by V = sum of w (p - b), and their variances by
        N sigma^2 + N^2 sigma^2 kappa / n_b + g V, with correlated noise, the background's own bend, and the light
        that crosses the outline added.
    """
    found: dict[int, Measurement] = {}
    # The levels of the other backgrounds are for the method spread.
    under = [estimates or scene.surface.under_all(apertures), *(of.under_all(apertures) for of in scene.others)]
    for members, stack in stack_apertures(scene.signal, apertures):
        own, *others = ([levels[k] for k in members] for levels in under)
        found |= zip(members, _measure_stack(scene, stack, own, others), strict=True)
    return [found[k] for k in range(len(apertures))]


def _measure_stack(
    scene: PreparedImage, stack: Stack, estimates: Sequence[Estimate], others: Sequence[Sequence[Estimate]]
) -> Iterator[Measurement]:
    # The volume: weighted counts less the background's.
    levels = stack.levels(estimates)
    excess, raw, under = stack.pixels - levels, np.vecdot(stack.weights, stack.pixels), stack.row_sums(levels)
    profile = raw - under
    volume, background, area = profile.sum(axis=1), under.sum(axis=1), np.maximum(stack.cover.sum(axis=1), 1e-9)
    by_method = [volume, *(volume + background - stack.row_sums(stack.levels(of)).sum(axis=1) for of in others)]
    # Noise of the pixels and of the background, and shot noise of the band's own light.
    empty = empty_variances(scene.noise, stack, estimates)
    light, level = np.maximum(volume, 0.0), background / area
    shot = (scene.noise.gain or 0.0) * scene.noise.spread * light
    # Light that crosses the outline: the band's own beyond its sides and ends, and that of its neighbours.
    lines, noise = column_sums(scene.signal, stack.boxes), scene.noise.sigma * scene.noise.spread**0.5
    beyond, inside = cut_light(lines)
    cut = cut_sds(lines, beyond, inside, scene.cuts, noise)
    part = np.ones(len(volume))
    if stack.whole is not stack.weights:
        # What crosses the common outline of a doublet is shared as its light is.
        both = (stack.whole * (stack.pixels - level[:, None, None])).sum(axis=(1, 2))
        is_half = (stack.whole != stack.weights).any(axis=(1, 2))
        part = np.where(is_half & (both > 0), np.minimum(light / np.where(both > 0, both, 1.0), 1.0), 1.0)
    crossing, cut_off = end_variances(
        scene.signal, stack, level, light=light / np.maximum(part, 1e-9), noise=noise, usual=scene.cuts.ends
    )
    crossing = part**2 * (side_variances(lines, stack, level) + crossing)
    own = (OWN_SHARE**2 + cut**2) * light**2 + part**2 * cut_off
    leverage, n_pixels, shape_sd = np.array([(e.leverage, e.n_pixels, e.shape_sd) for e in estimates]).T
    volume_sd = np.sqrt(empty + shot + own + crossing + (area * shape_sd) ** 2)
    # Many pixels that lie to one side say as little of the level under the band as a few around it.
    n_background = np.where(
        leverage > MOST_LEVERAGE, np.minimum(n_pixels, 1 / np.maximum(leverage, MOST_LEVERAGE)), n_pixels
    )
    loss = np.where(
        light > 0, np.maximum(beyond - scene.cuts.typical * light, 0.0) / np.where(light > 0, light, 1), 0.0
    )
    columns = (
        volume + background, volume, background, volume_sd, np.sqrt(empty), np.sqrt(empty + crossing), n_background,
        loss, debris_light(excess, stack), *band_shapes(profile, stack.cover),
        is_hollow(excess, stack.weights, np.inf), method_spread(np.array(by_method)),
    )  # fmt: skip
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    for above, (height, width), values in zip(excess, stack.sizes, numbers, strict=True):
        yield Measurement(above[:height, :width], *values)


@single_threaded
def measure_bands(
    image: BlotImage,
    layout: Layout,
    *,
    settings: QuantificationSettings | None = None,
    scene: PreparedImage | None = None,
    only: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Measure the bands of a picture.

    Parameters
    ----------
    image : BlotImage
        The picture; its pixels are read as they are, never scaled, smoothed or clipped.
    layout : Layout
        Strips, lanes and bands.
    settings : QuantificationSettings, optional
        How to measure.
    scene : PreparedImage, optional
        From `prepare_image`, to spare its preparation when bands are measured again; its settings hold.
    only : iterable of str, optional
        Ids of the bands to measure; all when not given.

    Returns
    -------
    DataFrame
        One row a band with `BAND_COLUMNS`, in order of strip, lane and place. Volumes are counts; negative ones
        are kept. ``volume_raw == volume + area_px * background_mean``.

    Raises
    ------
    KeyError
        If `only` names a band that the layout does not hold.
    TypeError
        If `only` is a single string, which would be taken for the ids of its letters.
    """
    if isinstance(only, str):
        msg = f"only must be several ids, got the text {only!r}; write [{only!r}]"
        raise TypeError(msg)
    layout = layout.sorted()
    scene = scene or prepare_image(image, layout, settings=settings)
    wanted = {band.id for band in layout.bands} if only is None else set(only)
    unknown = wanted - {band.id for band in layout.bands}
    if unknown:
        raise KeyError(min(unknown))
    return make_table(measure_rows(image, layout, scene, only=wanted), BAND_COLUMNS)


def measure_rows(
    image: BlotImage, layout: Layout, scene: PreparedImage, *, only: Collection[str]
) -> list[dict[str, Any]]:
    """Rows of `measure_bands` as plain values, for live use: making a table takes longer than measuring a band.

    Parameters
    ----------
    image : BlotImage
        The picture.
    layout : Layout
        In its promised order (`Layout.sorted`).
    scene : PreparedImage
        From `prepare_image`.
    only : collection of str
        Ids of the bands to measure.
    """
    bands = [band for band in layout.bands if band.id in only]
    places = _places(layout, only)
    common = {"image": image.name, "background": scene.method, "probe": image.probe, "exposure_s": image.exposure_s}
    marks = place_flags(bands, layout, shape=image.shape)
    apertures = apertures_of(bands, layout, scene.signal)
    estimates = scene.surface.under_all(apertures)
    scene.last_measured.update(zip((band.id for band in bands), zip(apertures, estimates, strict=True), strict=True))
    measured = measure_apertures(scene, apertures, estimates)
    sides = _lane_sides(apertures)
    rows = [
        {**common, **places[band.id], **_band_cells(band, of, aperture, scene, beside)}
        for band, of, aperture, beside in zip(bands, measured, apertures, sides, strict=True)
    ]
    # A lane with a band in it is not empty.
    lit = {band.lane for band, cells in zip(bands, rows, strict=True) if cells["status"] == "detected"}
    for band, cells in zip(bands, rows, strict=True):
        hidden = ("under_mark",) if image.marks is not None and np.isnan(cells["volume_raw"]) else ()
        own = cells["flags"] - ({"empty_lane"} if band.lane in lit else set())
        cells["flags"] = join_flags(own, hidden, marks[band.id], layout.flags, scene.flags)
    return rows


def _places(layout: Layout, only: Collection[str]) -> dict[str, dict[str, Any]]:
    """Strip, lane, number and row of bands, and how far down their strip they lie."""
    strips = {strip.id: strip for strip in layout.strips}
    lanes = {lane.id: lane for lane in layout.lanes}
    names = {strip.id: layout.row_names(strip.id) for strip in layout.strips}
    counts: dict[str, int] = {}
    places = {}
    for band in layout.bands:
        counts[band.lane] = counts.get(band.lane, 0) + 1
        if band.id not in only:
            continue
        lane = lanes[band.lane]
        strip = strips.get(lane.strip)
        # Place of the peak between the top and bottom of its strip, 0 to 1; NaN in a strip that has no height.
        rows = [row for row, _ in strip.outline] if strip else lane.row_range
        top, bottom = (min(rows), max(rows))
        places[band.id] = {
            "strip": strip.number if strip else None,
            "lane": lane.number,
            "band": counts[band.lane],
            "row": names.get(lane.strip, {}).get(band.row) if band.row is not None else None,
            "rf": ((band.peak[0] - top) / (bottom - top) if bottom > top else np.nan),
        }
    return places


def _lane_sides(apertures: Sequence[Aperture]) -> Array:
    """Leftmost and rightmost column of each aperture's lane in its middle row; the aperture's own outside of lanes."""
    sides = np.array([(a.box.col_start, a.box.col_stop) for a in apertures], float).reshape(-1, 2)
    rows = np.array([a.middle_row for a in apertures])
    lanes = np.array([a.lane.id if a.lane is not None else "" for a in apertures])
    for lane in {a.lane.id: a.lane for a in apertures if a.lane is not None}.values():
        mine = lanes == lane.id
        center, half = lane.center_at(rows[mine]), lane.width_at(rows[mine]) / 2
        sides[mine] = np.column_stack([center - half, center + half])
    return sides


def _band_cells(
    band: Band, measured: Measurement, aperture: Aperture, scene: PreparedImage, sides: Array
) -> dict[str, Any]:
    # Light that is not surely the band's: of the other half of a doublet, of a neighbour's outline, of debris.
    divided_sd = _split_sd(band, measured, aperture, scene.signal.shape) if band.split else 0.0
    shared_sd = 0.0
    if aperture.contested is not None:
        in_dispute = max(float((aperture.contested * measured.excess).sum()), 0.0)
        shared_sd = aperture.doubt * in_dispute
    debris, pixels = measured.debris, scene.signal[aperture.box.slices]
    if divided_sd or shared_sd or debris:
        foreign = shared_sd**2 + debris**2
        measured = replace(
            measured,
            volume_sd=float(np.sqrt(measured.volume_sd**2 + foreign + divided_sd**2)),
            absent_sd=float(np.sqrt(measured.absent_sd**2 + foreign + (DIVIDED_PART * divided_sd) ** 2)),
        )
    status = "detected" if measured.volume > LOD_SDS * measured.absent_sd > 0 else band.status
    # What lies where nothing was found may be its neighbours' light: the limits of such a place hold it.
    limit_sd = measured.empty_sd if status == "detected" else measured.absent_sd
    area = aperture.area
    snr = measured.volume / measured.volume_sd if measured.volume_sd > 0 else np.nan
    # Of pixels that it has in common with another a band is clipped where a good part of them is its own.
    least = OWN_PART if band.split or aperture.contested is not None else 0.0
    mine = np.where(aperture.weights >= least, aperture.weights, 0.0) if least else aperture.weights
    n_saturated, clipped = saturation(pixels, mine, scene.ceiling)
    # Highest count under the outline: -inf where none is known.
    top = float(np.fmax.reduce(pixels, axis=None, where=mine > 0, initial=-np.inf))
    cells = {
        "band_id": band.id,
        "target": band.target,
        "origin": band.origin,
        "status": status,
        **bounding_box(band.outline)._asdict(),
        "peak_row": band.peak[0],
        "peak_col": band.peak[1],
        "area_px": area,
        "volume_raw": measured.volume_raw,
        "background_mean": measured.background_sum / area if area > 0 else np.nan,
        "volume": measured.volume,
        "volume_sd": measured.volume_sd,
        "snr": snr,
        "lod": LOD_SDS * limit_sd,
        "loq": LOQ_SDS * limit_sd,
        "height": measured.height,
        "width_px": measured.width,
        "aperture_fraction": aperture_fraction(band, scene, aperture),
        "method_spread": measured.spread,
        "saturated_px": n_saturated,
        "peak_fraction": top / scene.ceiling if top > -np.inf and 0 < scene.ceiling < np.inf else float("nan"),
        "confidence": band.confidence,
    }
    # What the pixels say of the number.
    is_cut = (measured.cut > CUT_LIMIT and snr > CLEAR_SNR) or (
        light_beside(scene.signal, aperture.box, sides, scene.noise.sigma) > CUT_LIMIT
    )
    lane_flags = aperture.lane.flags if aperture.lane else ()
    cells["flags"] = {
        *band.flags,
        *lane_flags,
        *clipped,
        *(("hollow",) if measured.is_hollow and snr > HOLLOW_SNR else ()),
        *(("touches_neighbour",) if aperture.contested is not None else ()),
        *(("unresolved",) if aperture.doubt >= UNKNOWN_DOUBT else ()),
        *(("debris",) if debris > DEBRIS_LIGHT * abs(measured.volume) else ()),
        *(("outline_cuts_band",) if is_cut else ()),
        *limit_flags(measured.volume, limit_sd, spread=measured.spread, n_background=measured.n_background),
    }
    if aperture.lane is not None and aperture.lane.role == "ladder":  # its masses are asked for, not its amounts
        cells["flags"] -= {"background_dependent", "below_loq"}
    return cells


def _split_sd(band: Band, measured: Measurement, aperture: Aperture, shape: tuple[int, ...]) -> float:
    """SD that taking a doublet apart adds to either volume, in counts: the fit's own, and that of its shape.

    Notes
    -----
    Far apart, a wrong shape moves little light: it counts by 4 s (1 - s) of each pixel's light, s being its share.
    """
    whole = aperture.whole if aperture.whole is not None else area_weights(band.outline, (shape[0], shape[1]))[1]
    share = np.divide(aperture.weights, whole, out=np.zeros_like(whole), where=whole > 0)
    light = whole * measured.excess
    both = float((4 * share * (1 - share) * np.maximum(light, 0.0)).sum())
    return float(np.hypot(abs(float(light.sum())) * band.split_sd, SHAPE_SHARE * both))


def aperture_fraction(band: Band, scene: PreparedImage, aperture: Aperture) -> float:
    """Share of a Gaussian band of the row's typical width that an aperture of this height holds; NaN if unknown."""
    sigma = scene.row_sigma.get((aperture.lane.strip, band.row)) if aperture.lane and band.row is not None else None
    tall = np.sort(aperture.tall)
    tall = tall[tall > 0]
    if sigma is None or len(tall) == 0:
        return float("nan")
    middle = (tall[(len(tall) - 1) // 2] + tall[len(tall) // 2]) / 2
    return erf(float(middle) / 2 / sigma / 2**0.5)


def method_spread(volumes: Array) -> Array:
    """(max - min) / |median| of volumes, (n_methods, n), over backgrounds; the first is the chosen one.

    NaN where the median is 0, or with fewer than three methods.
    """
    n, ranked = len(volumes), np.sort(volumes, axis=0)
    middle = np.abs((ranked[(n - 1) // 2] + ranked[n // 2]) / 2)
    spread = (ranked[-1] - ranked[0]) / np.where(middle > 0, middle, np.nan)
    return spread if n > 2 else np.full(len(spread), np.nan)
