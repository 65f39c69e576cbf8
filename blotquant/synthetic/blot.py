"""`make_blot`: one synthetic picture of a membrane with its exact truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from blotquant.geometry import Band, Lane, Layout, Polygon, Strip, polygon_area
from blotquant.image import BlotImage
from blotquant.synthetic.bands import BandShape, Frame, shape_bands
from blotquant.synthetic.camera import expose, store, white_level
from blotquant.synthetic.debris import render_debris, render_hot_pixels
from blotquant.synthetic.spec import BlotSpec, LaneSpec, RowSpec, StripSpec
from blotquant.synthetic.surface import inside, pixel_grid, pixels_of, render_surface, strip_outline

Floats = NDArray[np.float64]
_SHAPES, _SURFACE, _DEBRIS, _NOISE = range(4)
_BAND_NAMES = [
    "strip",
    "lane",
    "row",
    "target",
    "mw_kda",
    "present",
    "volume",
    "share",
    "peak_row",
    "peak_col",
    "peak_counts",
    "sigma_along",
    "sigma_across",
    "width",
    "hollow",
    "saturated_px",
    "saturated",
    "sd_limit",
    "snr",
]


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
        sigma_along sigma_across width hollow saturated_px saturated sd_limit snr``. `sd_limit` is the photon and
        read noise of the volume over the true outline with a background that is known; `snr` divides the volume
        by that and the membrane's grain.
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


@dataclass(frozen=True)
class _Place:
    """One band: where it stands in the scene, its shape, its volume in counts."""

    strip: int
    lane: int
    row: int
    shape: BandShape
    volume: float


@dataclass(frozen=True, eq=False)
class SyntheticBlot:
    """A synthetic picture, the scene it shows and its truth.

    Attributes
    ----------
    pixels : ndarray, shape (H, W)
        As a camera would have stored them.
    spec, seed : BlotSpec, int
        The scene and the seed: `make_blot` of both gives the same picture.
    truth : Truth
        Tables and expected counts.
    """

    pixels: NDArray[Any]
    spec: BlotSpec
    seed: int
    truth: Truth
    places: tuple[_Place, ...]
    outlines: tuple[Polygon, ...]

    def image(self) -> BlotImage:
        """The picture as the rest of the program takes it, with all that a file could say."""
        return BlotImage(
            pixels=self.pixels, polarity=self.spec.polarity, ceiling=self.spec.camera.ceiling,
            white=white_level(self.spec.camera) if self.spec.polarity == "dark" else 0.0,
            exposure_s=self.spec.exposure_s, probe=self.spec.probe,
        )  # fmt: skip

    def true_layout(self, spreads: float = 2.5) -> Layout:
        """Strips, lanes and bands where they truly are.

        Parameters
        ----------
        spreads : float
            Aperture: every band is outlined that many SDs above and below its peak (of the widest band of its row, so
            that one row has one height) and two edge SDs beyond its sides. 2.5 holds 98.8 % of a Gaussian band.
        """
        strips = _ordered(self.spec)
        return Layout(
            strips=tuple(Strip(id=f"s{k}", number=k, outline=outline, tilt_deg=strip.tilt_deg)
                         for k, (strip, outline) in enumerate(zip(strips, self.outlines, strict=True), 1)),
            lanes=tuple(_true_lane(strip, k, number, lane) for k, strip in enumerate(strips, 1)
                        for number, lane in _numbered(strip)),
            bands=tuple(self._true_bands(spreads)),
        ).sorted()  # fmt: skip

    def _true_bands(self, spreads: float) -> Iterator[Band]:
        widest: dict[tuple[int, int], float] = {}
        for place in self.places:
            key = place.strip, place.row
            widest[key] = max(widest.get(key, 0.0), place.shape.spread)
        for place in self.places:
            reach = spreads * widest[place.strip, place.row] / place.shape.spread
            present = place.volume > 0
            yield Band(
                id=f"s{place.strip}l{place.lane}r{place.row}", lane=f"s{place.strip}l{place.lane}",
                outline=_band_outline(place.shape, reach), peak=place.shape.peak, row=place.row,
                target=place.shape.row.target, origin="detected" if present else "expected",
                status="detected" if present else "not_detected",
            )  # fmt: skip

    @cached_property
    def volumes(self) -> dict[str, float]:
        """True volume in counts by the band ids of `true_layout`."""
        return {f"s{p.strip}l{p.lane}r{p.row}": p.volume for p in self.places}


def make_blot(spec: BlotSpec, *, seed: int) -> SyntheticBlot:
    """Render a scene and say what is true of it.

    Parameters
    ----------
    spec : BlotSpec
        The scene; see `plain_spec` for a simple one.
    seed : int
        Draws irregularities, surface, debris and noise; the same seed and scene give the same pixels.

    Returns
    -------
    SyntheticBlot
        Pixels and truth. Without noise and below the ceiling, pixels minus `truth.background` sum up to the volumes.
    """
    strips = _ordered(spec)
    spec = spec.with_(strips=strips)
    shapes = np.random.default_rng([seed if spec.membrane_seed is None else spec.membrane_seed, _SHAPES])
    outlines = tuple(strip_outline(strip, shapes) for strip in strips)
    places = tuple(_places(spec, shapes))
    signal = _render(spec, places)
    background, hot = _background(spec, outlines, seed)
    counts = expose(signal + background, spec.camera, np.random.default_rng([seed, _NOISE, spec.frame])) + hot
    pixels = store(counts, spec.camera, spec.polarity)
    background += spec.camera.offset + hot
    full = counts >= spec.camera.ceiling
    truth = Truth(
        strips=_strip_table(strips),
        lanes=_lane_table(strips),
        bands=_band_table(spec, places, signal, background, full),
        signal=signal,
        background=background,
    )
    return SyntheticBlot(pixels, spec, seed, truth, places, outlines)


def _background(spec: BlotSpec, outlines: tuple[Polygon, ...], seed: int) -> tuple[Floats, Floats]:
    """Expected counts of all that is no band, and of hot pixels, offset left out."""
    grid = pixel_grid(spec.shape)
    covers = [inside(outline, grid) for outline in outlines]
    surface = render_surface(spec, covers, np.random.default_rng([seed, _SURFACE]))
    added, through = render_debris(spec, covers, np.random.default_rng([seed, _DEBRIS]))
    hot = render_hot_pixels(spec.shape, spec.debris, np.random.default_rng([seed, _DEBRIS, spec.frame]))
    return (surface * through + added) * spec.exposure_s, hot


def _ordered(spec: BlotSpec) -> tuple[StripSpec, ...]:
    return tuple(sorted(spec.strips, key=lambda strip: (strip.box[0], strip.box[2])))


def _numbered(strip: StripSpec) -> list[tuple[int, LaneSpec]]:
    """Lanes with their number from the left."""
    return list(enumerate(sorted(strip.lanes, key=lambda lane: lane.center), 1))


def _places(spec: BlotSpec, rng: np.random.Generator) -> Iterator[_Place]:
    for s, strip in enumerate(spec.strips, 1):
        number = {id(lane): k for k, lane in _numbered(strip)}
        by_row = sorted(zip(strip.rows, shape_bands(strip, rng), strict=True), key=lambda pair: pair[0].row)
        for r, (row, shapes) in enumerate(by_row, 1):
            for lane, shape, volume in zip(strip.lanes, shapes, row.volumes, strict=True):
                if shape is not None and volume is not None:
                    yield _Place(s, number[id(lane)], r, shape, volume * spec.exposure_s)


def _render(spec: BlotSpec, places: tuple[_Place, ...]) -> Floats:
    """Expected counts of all bands; each is scaled so that its pixels sum up to its volume exactly."""
    signal = np.zeros(spec.shape)
    for place in places:
        if place.volume <= 0:
            continue
        window = place.shape.window(spec.shape)
        light = place.shape.brightness(*pixels_of(window))
        if not light.sum() > 0:
            msg = (
                f"band {place.shape.row.target} in lane {place.lane} lies outside the picture of {spec.shape}"
            )
            raise ValueError(msg)
        signal[window] += light * (place.volume / light.sum())
    return _glow(signal, spec)


def _glow(signal: Floats, spec: BlotSpec) -> Floats:
    """Spread a share of the light; mirrored at the picture's edges, so that none is lost."""
    share, reach = spec.surface.glow, spec.surface.glow_px
    if share <= 0:
        return signal
    near, far = (gaussian_filter(signal, reach * factor, mode="reflect") for factor in (0.6, 1.8))
    return np.asarray((1 - share) * signal + share * (0.65 * near + 0.35 * far))


def _band_outline(shape: BandShape, spreads: float) -> Polygon:
    return shape.outline(spreads, shape.width / 2 + 2 * shape.row.edge)


def _true_lane(strip: StripSpec, k: int, number: int, lane: LaneSpec) -> Lane:
    frame = Frame(strip)
    y = np.linspace(strip.box[0], strip.box[1] - 1, 9)
    rows, cols = frame.picture(y, frame.lane_center(lane, y))
    width = lane.width / float(np.cos(np.deg2rad(strip.tilt_deg)))
    nodes = tuple((round(float(r), 4), round(float(c), 4)) for r, c in zip(rows, cols, strict=True))
    return Lane(
        id=f"s{k}l{number}", strip=f"s{k}", number=number, center=nodes, widths=(width,) * 9, role=lane.role
    )


def _strip_table(strips: tuple[StripSpec, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        [(k, s.tilt_deg, len(s.lanes), s.level) for k, s in enumerate(strips, 1)],
        columns=["strip", "tilt_deg", "n_lanes", "level"],
    )


def _lane_table(strips: tuple[StripSpec, ...]) -> pd.DataFrame:
    names = ["strip", "lane", "role", "center", "width", "col_start", "col_stop"]
    lines = []
    for k, strip in enumerate(strips, 1):
        for number, spec in _numbered(strip):
            lane = _true_lane(strip, k, number, spec)
            center, width = float(lane.center_at(Frame(strip).middle[0])), lane.widths[0]
            lines.append((k, number, spec.role, center, width, center - width / 2, center + width / 2))
    return pd.DataFrame(lines, columns=names)


def _band_table(
    spec: BlotSpec, places: tuple[_Place, ...], signal: Floats, background: Floats, full: NDArray[np.bool_]
) -> pd.DataFrame:
    lines = [_band_line(spec, place, signal, background, full) for place in places]
    table = pd.DataFrame(lines, columns=[name for name in _BAND_NAMES if name != "share"])
    total = table.groupby(["strip", "lane"])["volume"].transform("sum")
    table.insert(7, "share", (table["volume"] / total.where(total > 0)).fillna(0.0))
    return table.sort_values(["strip", "lane", "row"], ignore_index=True)


def _band_line(
    spec: BlotSpec, place: _Place, signal: Floats, background: Floats, full: NDArray[np.bool_]
) -> dict[str, Any]:
    shape, row = place.shape, place.shape.row
    r, c = (int(np.clip(round(v), 0, n - 1)) for v, n in zip(shape.peak, spec.shape, strict=True))
    burnt = _burnt_pixels(spec, shape, full)
    area = polygon_area(_band_outline(shape, 2.5))
    below = max(float(background[r, c]) - spec.camera.offset, 0.0)
    variance = area * (spec.camera.read_noise**2 + spec.camera.gain * below) + spec.camera.gain * place.volume
    grain = spec.strips[place.strip - 1].level * spec.surface.texture * spec.exposure_s
    # The grain's autocorrelation is exp(-d²/4l²), which covers 4πl² pixels.
    sd, noise = (
        float(np.sqrt(v))
        for v in (variance, variance + area * 4 * np.pi * (spec.surface.texture_px * grain) ** 2)
    )
    return {
        "strip": place.strip, "lane": place.lane, "row": place.row, "target": row.target, "mw_kda": row.mw_kda,
        "present": place.volume > 0, "volume": place.volume, "peak_row": shape.peak[0], "peak_col": shape.peak[1],
        "peak_counts": float(signal[r, c]), "sigma_along": shape.spread, "sigma_across": _across_sd(row, shape),
        "width": shape.width, "hollow": row.hollow, "saturated_px": burnt, "saturated": burnt > 0, "sd_limit": sd,
        "snr": place.volume / noise if noise > 0 else np.inf if place.volume > 0 else 0.0,
    }  # fmt: skip


def _burnt_pixels(spec: BlotSpec, shape: BandShape, full: NDArray[np.bool_]) -> int:
    """Pixels at the ceiling within 2.5 SD of the ridge and the band's width."""
    window = shape.window(spec.shape)
    across, along = shape.coordinates(*pixels_of(window))
    own = (np.abs(along - shape.mode) <= 2.5 * shape.spread) & (
        np.abs(across) <= shape.width / 2 + 2 * shape.row.edge
    )
    return int((full[window] & own).sum())


def _across_sd(row: RowSpec, shape: BandShape) -> float:
    """SD of a box with soft sides."""
    return float(np.sqrt(shape.width**2 / 12 + row.edge**2))
