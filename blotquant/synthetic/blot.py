"""`make_blot`: one synthetic picture of a membrane with its exact truth.

What the camera makes of the light: shot noise, read noise, offset, ceiling, stored type and polarity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from blotquant.model.geometry import Band, Layout, Polygon, Strip
from blotquant.model.image import BlotImage
from blotquant.synthetic.bands import Place, numbered, place_bands
from blotquant.synthetic.spec import BlotSpec, CameraSpec, StripSpec, plain_spec
from blotquant.synthetic.surface import (
    inside,
    pixel_grid,
    pixels_of,
    render_debris,
    render_hot_pixels,
    render_surface,
    strip_outline,
)
from blotquant.synthetic.truth import Truth, band_outline, tell_truth, true_lane

Floats = NDArray[np.float64]


def expose(light: Floats, camera: CameraSpec, rng: np.random.Generator) -> Floats:
    """Counts that the camera reads for some light, before ceiling and rounding.

    Parameters
    ----------
    light : ndarray, shape (H, W)
        Expected counts above the offset.
    camera : CameraSpec
        The detector.
    rng : Generator
        Draws photons and read noise.

    Notes
    -----
    Blurring the noise spreads it without changing its sum over a wide aperture, as an interpolating camera does.
    """
    noise = np.zeros(light.shape)
    if camera.gain > 0:
        noise += rng.poisson(np.clip(light, 0, None) / camera.gain) * camera.gain - np.clip(light, 0, None)
    if camera.read_noise > 0:
        noise += rng.normal(0, camera.read_noise, light.shape)
    if camera.noise_px > 0:
        noise = gaussian_filter(noise, camera.noise_px, mode="reflect")
    return light + noise + camera.offset


def store(counts: Floats, camera: CameraSpec, polarity: str) -> NDArray[Any]:
    """Clip counts at 0 and the ceiling, round them for integer files, and turn them over for dark bands."""
    dtype = np.dtype(camera.dtype)
    clipped = np.clip(counts, 0 if dtype.kind == "u" else None, camera.ceiling)
    if dtype.kind == "u":
        clipped = np.round(clipped)
    if polarity == "dark":
        clipped = white_level(camera) - clipped
    return clipped.astype(dtype)


def white_level(camera: CameraSpec) -> float:
    """Stored value of no light in a picture with dark bands."""
    return camera.ceiling if np.isfinite(camera.ceiling) else 65535.0


_SHAPES = 0
"""Stream of random numbers for the shapes of bands; each cause has its own, so that none moves another's."""
_SURFACE = 1
"""Stream for the light that is no band."""
_DEBRIS = 2
"""Stream for debris."""
_NOISE = 3
"""Stream for the noise of the camera."""


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
    places: tuple[Place, ...]
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
            lanes=tuple(true_lane(strip, k, number, lane) for k, strip in enumerate(strips, 1)
                        for number, lane in numbered(strip)),
            bands=tuple(self._true_bands(spreads)),
        ).sorted()  # fmt: skip

    def _true_bands(self, spreads: float) -> Iterator[Band]:
        widest: dict[tuple[int, int], float] = {}
        for place in self.places:
            key = place.strip, place.row
            widest[key] = max(widest.get(key, 0.0), place.spread)
        for place in self.places:
            reach = spreads * widest[place.strip, place.row] / place.spread
            present = place.volume > 0
            yield Band(
                id=f"s{place.strip}l{place.lane}r{place.row}", lane=f"s{place.strip}l{place.lane}",
                outline=band_outline(place, reach), peak=place.peak, row=place.row,
                target=place.row_spec.target, origin="detected" if present else "expected",
                status="detected" if present else "not_detected",
            )  # fmt: skip

    @cached_property
    def band_ids(self) -> list[str]:
        """Ids that `true_layout` gives to the bands, in the order of ``truth.bands``."""
        table = self.truth.bands
        return [f"s{s}l{k}r{r}" for s, k, r in zip(table["strip"], table["lane"], table["row"], strict=True)]

    def light_of(self, band_id: str) -> Floats:
        """Expected counts of one band alone, glow included; shape of the picture.

        Raises
        ------
        KeyError
            If there is no band of that id in `true_layout`.
        """
        own = tuple(p for p in self.places if f"s{p.strip}l{p.lane}r{p.row}" == band_id)
        if not own:
            raise KeyError(band_id)
        return _render(self.spec, own)

    @cached_property
    def volumes(self) -> dict[str, float]:
        """True volume in counts by the band ids of `true_layout`."""
        return {f"s{p.strip}l{p.lane}r{p.row}": p.volume for p in self.places}


def make_blot(spec: BlotSpec | None = None, *, seed: int = 0) -> SyntheticBlot:
    """Render a scene and say what is true of it.

    Parameters
    ----------
    spec : BlotSpec, optional
        The scene. When not given, three rows over eight lanes (`plain_spec`), their volumes drawn from the seed.
    seed : int
        Draws irregularities, surface, debris and noise; the same seed and scene give the same pixels.

    Returns
    -------
    SyntheticBlot
        Pixels and truth. Without noise and below the ceiling, pixels minus `truth.background` sum up to the volumes.
    """
    if spec is None:
        spec = plain_spec(np.random.default_rng(seed).lognormal(np.log(40_000), 0.7, (3, 8)))
    strips = _ordered(spec)
    spec = spec.with_(strips=strips)
    shapes = np.random.default_rng([seed if spec.membrane_seed is None else spec.membrane_seed, _SHAPES])
    # The membrane: cut edges and the places of bands. Then light: bands, and all that is none.
    outlines = tuple(strip_outline(strip, shapes) for strip in strips)
    places = tuple(place_bands(spec, shapes))
    signal = _render(spec, places)
    background, hot = _background(spec, outlines, seed)
    # The camera: noise, ceiling and stored type; hot pixels come with it.
    counts = expose(signal + background, spec.camera, np.random.default_rng([seed, _NOISE, spec.frame])) + hot
    pixels = store(counts, spec.camera, spec.polarity)
    background += spec.camera.offset + hot
    truth = tell_truth(spec, places, signal, background, counts >= spec.camera.ceiling)
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


def _render(spec: BlotSpec, places: tuple[Place, ...]) -> Floats:
    """Expected counts of all bands; each is scaled so that its pixels sum up to its volume exactly."""
    signal = np.zeros(spec.shape)
    for place in places:
        if place.volume <= 0:
            continue
        window = place.window(spec.shape)
        light = place.brightness(*pixels_of(window))
        if not light.sum() > 0:
            msg = f"band {place.row_spec.target} in lane {place.lane} lies outside the picture of {spec.shape}"
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
