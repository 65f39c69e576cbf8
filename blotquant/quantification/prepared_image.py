"""A picture prepared for measuring: every band masked, the noise known, the background fitted; done once.

1. Counts, or the optical density of film or a stained gel: log10 of the light that came in over what came out.
2. All bands, each with a margin, and what is no membrane are taken out of the ground.
3. So are rows of a lane that are lit although no band was found there: stretches of light that end in the dark, be it
   only in the valley between two bands. No place can be darker than the ground under it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from blotquant.errors import ImageError
from blotquant.imaging.robust import box_sums, full_widths, middle_of, winsorised_sd
from blotquant.model.geometry import Band, Box, Layout, area_weights, clip_box, polygon, polygon_area
from blotquant.model.image import BlotImage, FloatImage
from blotquant.quantification.background import BACKGROUNDS, Aperture, BackgroundPixels, Estimate, FittedBackground
from blotquant.quantification.background.row_shapes import RowShapes
from blotquant.quantification.edge_losses import EdgeLosses, measure_edge_losses
from blotquant.quantification.noise import Noise, measure_noise
from blotquant.settings import QuantificationSettings
from blotquant.threads import single_threaded

Array = NDArray[np.float64]

FWHM = 2.3548
"""Full width at half maximum of a Gaussian, in SDs."""

SANE = ("local", "flank", "lane")
"""Methods that the method spread compares: each of them keeps to the lane and leaves all bands out."""

EDGE_PX = 3.0
"""A strip's cut edge is blurred that far."""

ENOUGH_STEPS = 2**16
"""Differences of pixels that tell a picture's noise to half a percent: no more are taken of a large one."""

CLEAR_SNR = (10.0, 1000.0)
"""A band below the first needs no margin, one above the second all of it."""


def to_optical_density(image: BlotImage) -> BlotImage:
    """Turn a scan of film or a stained gel into optical density.

    Parameters
    ----------
    image : BlotImage
        A scan with dark bands on a light ground; `white` is the stored value of full light.

    Returns
    -------
    BlotImage
        Optical density, 0 for full light, with bright bands, flagged ``film``. A pixel that stored 0 counts as half a
        step. The ceiling is the density of the old one.

    Raises
    ------
    ImageError
        If bands are bright (light that the membrane gave off has no optical density), or full light is not known.
    """
    if image.polarity != "dark":
        msg = "optical density needs a scan with dark bands on a light ground, got bright bands; measure counts instead"
        raise ImageError(msg)
    if not image.white > 0:
        msg = f"optical density needs the stored value of full light, got {image.white:g}; set `white` above 0"
        raise ImageError(msg)
    step = 0.5 if image.pixels.dtype.kind in "ui" else 1e-6 * image.white
    # A pixel without any light counts as half a step of it.
    light = np.maximum(image.pixels.astype(np.float64), step)
    least = max(image.white - image.ceiling, step)
    density = np.log10(image.white / light)
    ceiling = float(np.log10(image.white / least)) if np.isfinite(image.ceiling) else float("inf")
    flags = (*image.flags, *(() if "film" in image.flags else ("film",)))
    flags = (*flags, "second_logarithm") if "density_stored" in flags else flags
    return image.with_(pixels=density, polarity="bright", white=0.0, ceiling=ceiling, flags=flags)


@dataclass(frozen=True, eq=False, kw_only=True)
class PreparedImage:
    """Everything about one picture that all of its bands share.

    Attributes
    ----------
    ground : BackgroundPixels
        The signal with all bands masked.
    method : str
        The chosen background, as tables state it.
    surface : FittedBackground
        Its levels.
    others : tuple of FittedBackground
        Those that the method spread compares it with.
    noise : Noise
        Measured from the picture.
    ceiling : float
        At or above which a pixel is saturated.
    row_sigma : dict of (str, int) to float
        Typical SD along the lane of the bands of one row of a strip, px.
    cuts : EdgeLosses
        What the sides of its outlines leave out of their bands.
    flags : tuple of str
        What holds for every number measured here.
    last_measured : dict of str to (Aperture, Estimate)
        What each band's volume was computed from when it was measured last, by the band's id: for drawings of it.
    """

    ground: BackgroundPixels
    method: str
    surface: FittedBackground
    others: tuple[FittedBackground, ...]
    noise: Noise
    ceiling: float
    row_sigma: dict[tuple[str, int], float]
    cuts: EdgeLosses = field(default_factory=EdgeLosses)
    flags: tuple[str, ...] = ()
    last_measured: dict[str, tuple[Aperture, Estimate]] = field(default_factory=dict)

    @property
    def signal(self) -> FloatImage:
        """Counts, bands bright."""
        return self.ground.signal


@single_threaded
def prepare_image(image: BlotImage, layout: Layout, *, settings: QuantificationSettings | None = None) -> PreparedImage:
    """Prepare a picture for measuring.

    Parameters
    ----------
    image : BlotImage
        The picture.
    layout : Layout
        All of its bands: each of them is kept out of every background.
    settings : QuantificationSettings, optional
        Background method, mask, counts or optical density.

    Returns
    -------
    PreparedImage
        To be handed to `measure_bands` any number of times, as long as picture and bands stay roughly the same.
    """
    settings = settings or QuantificationSettings()
    if settings.optical_density:
        image = to_optical_density(image)
    # Bands and what is no membrane are taken out; what is left tells the noise and the background.
    ground = find_background_pixels(
        image.signal(), layout, settings.mask_margin, may_lack_numbers=image.may_lack_numbers
    )
    boxes = [clip_box(band.box, image.shape) for band in layout.bands]
    noise = measure_noise(ground.signal, ground.usable, boxes)
    shapes = RowShapes(ground.signal, layout, image.ceiling)
    ground = replace(ground, noise=noise.sigma, noise_spread=noise.spread, shapes=shapes)
    method = BACKGROUNDS[settings.background]
    clear = [box for band, box in zip(layout.bands, boxes, strict=True) if band.status == "detected"]
    return PreparedImage(
        ground=ground,
        method=method.name + (", optical density" if settings.optical_density else ""),
        surface=method(ground),
        others=tuple(BACKGROUNDS[name](ground) for name in SANE if name != settings.background),
        noise=noise,
        ceiling=image.ceiling,
        row_sigma=_row_sigmas(ground.signal, layout, boxes),
        cuts=measure_edge_losses(ground.signal, clear, noise.sigma * noise.spread**0.5),
        flags=image.flags if noise.gain is not None else (*image.flags, "noise_gain_unknown"),
    )


def find_background_pixels(
    signal: FloatImage, layout: Layout, margin: float, *, may_lack_numbers: bool = True
) -> BackgroundPixels:
    """Take all bands (each with a margin, in heights of its outline) and all that is no membrane out of a picture."""
    shape = (signal.shape[0], signal.shape[1])
    boxes = [band.box for band in layout.bands]
    heights = [box.row_stop - box.row_start for box in boxes]
    widths = [width for lane in layout.lanes for width in lane.widths] or [b.col_stop - b.col_start for b in boxes]
    height = float(np.median(heights)) if heights else max(shape[0] / 30, 3.0)
    pitch = 1.3 * float(np.median(widths)) if widths else max(shape[1] / 15, 3.0)
    # Pixels with a number, on a strip, away from its cut edges.
    usable = np.isfinite(signal) if may_lack_numbers else np.ones(signal.shape, dtype=bool)
    membrane = inside_strips(layout, shape, EDGE_PX)
    if membrane is not None:
        usable &= membrane
    # Bands that were found, each with a margin, and those that were not.
    parts = _margin_parts(signal, boxes) if margin else [0.0] * len(boxes)
    for band, box, part in zip(layout.bands, boxes, parts, strict=True):
        _mask_band(usable, band, box, margin * part)
    exclude_undetected_signal(signal, usable, membrane, layout, min(height, pitch))
    return BackgroundPixels(
        signal=signal, usable=usable, band_height=min(height, pitch), lane_pitch=pitch, lanes=layout.lanes
    )


def _row_sigmas(signal: FloatImage, layout: Layout, boxes: list[Box]) -> dict[tuple[str, int], float]:
    """Median SD of the bands of each row, from their profiles above the line between the outline's ends."""
    strip_of = {lane.id: lane.strip for lane in layout.lanes}
    of: list[tuple[str, int]] = []
    wide: list[Box] = []
    for band, box in zip(layout.bands, boxes, strict=True):
        if band.row is not None and band.status == "detected" and box.row_stop - box.row_start >= 5:
            # Half an outline further on either side, a Gaussian has come down to the ground.
            more = (box.row_stop - box.row_start) // 2
            wide.append(Box(box.row_start - more, box.row_stop + more, box.col_start, box.col_stop))
            of.append((strip_of[band.lane], band.row))
    sums, n = box_sums(signal, wide, axis=1)
    last = sums[np.arange(len(n)), n - 1] if len(n) else n
    slope = (last - sums[:, 0]) / np.maximum(n - 1, 1) if len(n) else n
    sds = full_widths(sums - (sums[:, :1] + slope[:, None] * np.arange(sums.shape[1])), n) / FWHM
    found: dict[tuple[str, int], list[float]] = {}
    for key, sd in zip(of, sds.tolist(), strict=True):
        if np.isfinite(sd):
            found.setdefault(key, []).append(sd)
    return {key: float(np.median(values)) for key, values in found.items()}


def inside_strips(layout: Layout, shape: tuple[int, int], margin: float) -> NDArray[np.bool_] | None:
    """Pixels that lie on a strip, at least `margin` pixels from its edge; None where strips leave nothing out."""
    if not layout.strips:
        return None
    inside, more = np.zeros(shape, dtype=bool), round(margin)
    for strip in layout.strips:
        first, left, right = _scan_lines(np.asarray(strip.outline), -more, shape[0] + more)
        # The picture's own border is no cut edge.
        starts = _from_edge(left, more, 0, shape[1])
        stops = shape[1] - _from_edge(shape[1] - 1 - right, more, 0, shape[1])
        # Rows that lie within the strip by the margin above and below.
        at = np.arange(max(-first, 0), min(len(left), shape[0] - first))
        above, below = at - more, at + more
        keep = ((above >= 0) | (first <= 0)) & ((below < len(left)) | (first + len(left) >= shape[0]))
        at, above, below = at[keep], np.maximum(above[keep], 0), np.minimum(below[keep], len(left) - 1)
        # An edge that slants is as far away up and down as it is to the sides.
        starts = np.maximum(np.maximum(starts[above], starts[below]), starts[at])
        stops = np.minimum(np.minimum(stops[above], stops[below]), stops[at])
        # Neighbouring rows of the same extent are set together.
        changes = np.flatnonzero((np.diff(starts) != 0) | (np.diff(stops) != 0)) + 1
        for run in np.split(np.arange(len(at)), changes) if len(at) else ():
            row, stop = first + at[run[0]], first + at[run[-1]] + 1
            inside[row:stop, starts[run[0]] : max(stops[run[0]], starts[run[0]])] = True
    return None if inside.all() else inside


def _from_edge(edge: Array, margin: int, least: int, most: int) -> NDArray[np.intp]:
    """First column that lies far enough from a left edge; all of them where the edge is the picture's border."""
    upright = np.abs(np.diff(edge, append=edge[-1:])) < 1e-3
    is_border = (edge <= 0) & (edge >= -1) & upright
    return np.clip(np.ceil(edge + np.where(is_border, 0, margin)), least, most).astype(np.intp)


def _scan_lines(outline: Array, start: int, stop: int) -> tuple[int, Array, Array]:
    """First row of an outline from `start` on, and its leftmost and rightmost column on each row before `stop`."""
    first = max(int(np.ceil(outline[:, 0].min())), start)
    rows = np.arange(first, min(int(np.floor(outline[:, 0].max())), stop - 1) + 1)
    left, right = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for (r0, c0), (r1, c1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        on = (rows >= min(r0, r1)) & (rows <= max(r0, r1))
        cols = c0 + (rows[on] - r0) / (r1 - r0) * (c1 - c0) if r1 != r0 else np.full(on.sum(), c0)
        left[on], right[on] = np.minimum(left[on], cols), np.maximum(right[on], cols)
    return first, left, right


def _margin_parts(signal: FloatImage, boxes: list[Box]) -> list[float]:
    """Part of the full margin that each band needs: all of it for a strong one, none for one that the noise hides.

    What of a band lies outside its outline lifts the ground beside it by a fixed part of the band. The stronger the
    band is against the noise, the further away that must have faded.
    """
    # Every fourth row and second column of a small picture, fewer of a large one, against the row two further down.
    fewer = 1 + int((signal.size / 8 / ENOUGH_STEPS) ** 0.5)
    rows, cols = 4 * fewer, 2 * fewer
    steps = signal[2::rows, ::cols] - signal[:-2:rows, ::cols]
    free = np.ones(steps.shape, dtype=bool)
    for box in boxes:
        more = (box.row_stop - box.row_start) // 2
        top, bottom = max(box.row_start - more - 2, 0), max(box.row_stop + more, 0)
        free[-(-top // rows) : -(-bottom // rows), -(-max(box.col_start, 0) // cols) : -(-box.col_stop // cols)] = False
    steps = steps[free]
    finite = np.isfinite(steps)
    noise = winsorised_sd(steps if finite.all() else steps[finite]) / 2**0.5
    # Rows of each band's middle half of columns, half an outline further on either side.
    tops, bottoms, lefts, rights = np.array(boxes, dtype=int).reshape(-1, 4).T
    more, quarter = (bottoms - tops) // 2, (rights - lefts) // 4
    lefts, rights = (cols.clip(0, signal.shape[1]) for cols in (lefts + quarter, rights - quarter))
    sums, n = box_sums(signal, np.stack([tops - more, bottoms + more, lefts, rights], axis=1).tolist(), axis=1)
    if not sums.size:  # all bands lie beside the picture
        return [1.0] * len(boxes)
    widths, places = np.maximum(rights - lefts, 1), np.arange(sums.shape[1])
    profiles = sums / widths[:, None]
    # The darkest of the rows around it: a neighbour that reaches in only makes the margin wider.
    is_own = (places >= more[:, None]) & (places < (n - more)[:, None])
    dark = np.sort(profiles, axis=1)[np.arange(len(n)), n // 8][:, None]
    dark = np.where(np.isinf(dark), 0.0, dark)
    light = (np.where(is_own, profiles, dark) - dark).sum(axis=1)
    snr = light * widths**0.5 / (noise * np.maximum(n, 1) ** 0.5) if noise > 0 else np.full(len(n), np.inf)
    parts = np.log(np.maximum(snr, 1.0) / CLEAR_SNR[0]) / log(CLEAR_SNR[1] / CLEAR_SNR[0])
    return [float(part) for part in np.where((n < 4) | ~np.isfinite(light), 1.0, parts.clip(0.0, 1.0))]


def _mask_band(usable: NDArray[np.bool_], band: Band, box: Box, margin: float) -> None:
    """Take a band and a margin around it out of the ground."""
    rows = max(1, round(margin * (box.row_stop - box.row_start)))
    # Bands end sharply to the sides, and the gaps between lanes are needed.
    cols = max(2, round(0.25 * rows))
    wide = clip_box(
        Box(box.row_start - rows, box.row_stop + rows, box.col_start - cols, box.col_stop + cols),
        (usable.shape[0], usable.shape[1]),
    )
    if polygon_area(band.outline) > 0.6 * (box.row_stop - box.row_start) * (box.col_stop - box.col_start):
        usable[wide.slices] = False
        return
    # A slanting outline fills little of its box: the outline itself is laid over the picture with eight copies of it.
    height, width = usable.shape
    part, weights = area_weights(
        polygon(np.asarray(band.outline) + np.array([rows, cols])), (height + 2 * rows, width + 2 * cols)
    )
    for down in (-2 * rows, -rows, 0):
        for right in (-2 * cols, -cols, 0):
            top, left = part.row_start + down, part.col_start + right
            free = weights[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)] == 0
            here = slice(max(top, 0), max(top, 0) + free.shape[0]), slice(max(left, 0), max(left, 0) + free.shape[1])
            usable[here] &= free


REACH = 8.0
"""A stretch of light shorter than so many band heights is no ground; longer ones are."""

PEAK_REACH = 3.0
"""A stretch that stands out from rows within so many band heights peaks as a band does."""

SHARE = 0.05
"""Rows are lit from this part of the brightness of the brightest band near them."""

TYPICAL = 5.0
"""Rows are lit from so many times the brightness that half of the lane's free rows have by noise and texture."""

HAZE = 0.35
"""A stretch as bright as this part of the brightest band near it is haze in which that band lies, unless it peaks."""

PEAK = 0.3
"""A row peaks from this part of the brightness of the brightest band near it."""

NEAR = 4.0
"""Bands so many band heights away are near."""

BINS = 8.0
"""Places in a band's height at which a lane is read."""

ACROSS = np.linspace(-0.3, 0.3, 9)
"""Where a lane is read, in lane widths from its centre."""

BESIDE = 2.0
"""Light of a lane reaches so far beyond its sides, px."""


def exclude_undetected_signal(
    signal: FloatImage,
    usable: NDArray[np.bool_],
    membrane: NDArray[np.bool_] | None,
    layout: Layout,
    height: float,
) -> None:
    """Take lit rows of all lanes out of the ground, in place.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    usable : ndarray of bool, shape (H, W)
        False on bands and off the membrane.
    membrane : ndarray of bool, shape (H, W), or None
        Where strips lie, away from their cut edges: what is dark beyond says nothing. None for everywhere.
    layout : Layout
        Lanes, and the bands that are known.
    height : float
        Typical height of an outline, px.
    """
    if not layout.lanes:
        return
    step = max(1, round(height / BINS))
    rows = np.arange(step // 2, signal.shape[0], step)
    spots = np.array([lane.center_at(rows) + ACROSS[:, None] * lane.width_at(rows) for lane in layout.lanes])
    spots = np.clip(np.rint(spots).astype(int), 0, signal.shape[1] - 1)
    profiles = signal[rows, spots].mean(axis=1, dtype=float)
    free = usable[rows, spots].all(axis=1)
    known = np.isfinite(profiles)
    if membrane is not None:
        known &= membrane[rows, spots].all(axis=1)
    bounded = np.where(known, profiles, np.inf)
    reaches = (max(round(reach * height / step), 3) | 1 for reach in (REACH, PEAK_REACH))
    excess, peaks = (np.where(known, profiles - np.where(known, opened(bounded, n), 0.0), 0.0) for n in reaches)
    for k, lane in enumerate(layout.lanes):
        extents = [(band.box.row_start / step, band.box.row_stop / step) for band in layout.bands_of(lane.id)]
        lit = find_undetected_signal(excess[k], peaks[k], free[k] & known[k], extents, NEAR * height / step)
        # A place stands for the rows around it; bands end between places.
        lit[1:] |= lit[:-1].copy()
        lit[:-1] |= lit[1:].copy()
        center, half = lane.center_at(rows[lit]), lane.width_at(rows[lit]) / 2 + BESIDE
        sides = np.maximum(np.floor(center - half), 0).astype(int), np.ceil(center + half).astype(int) + 1
        for row, left, right in zip(rows[lit] - step // 2, *sides, strict=True):
            usable[row : row + step, left:right] = False


def find_undetected_signal(
    excess: Array,
    peaks: Array,
    free: NDArray[np.bool_],
    bands: list[tuple[float, float]],
    near: float,
) -> NDArray[np.bool_]:
    """Tell which free places of one lane are lit.

    Parameters
    ----------
    excess, peaks : ndarray, shape (n,)
        Counts above what is dark within `REACH` and within `PEAK_REACH`.
    free : ndarray of bool, shape (n,)
        Where no known band lies.
    bands : list of (float, float)
        Half-open ranges of the known bands.
    near : float
        How far from a band its brightness is what light is held against.
    """
    lit = np.zeros(len(excess), dtype=bool)
    if not bands or not free.any():
        return lit
    light = np.zeros(len(excess))
    for start, stop in bands:
        brightness = excess[int(start) : int(np.ceil(stop))].max(initial=0.0)
        around = light[max(int(start - near), 0) : int(np.ceil(stop + near))]
        np.maximum(around, brightness, out=around)
    bright = free & (light > 0) & (excess > np.maximum(SHARE * light, TYPICAL * middle_of(excess[free])))
    edges = np.flatnonzero(np.diff(bright, prepend=False, append=False))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        stretch = slice(start, stop)
        is_haze = middle_of(excess[stretch]) >= HAZE * light[stretch].max()
        lit[stretch] = (not is_haze) | (peaks[stretch] > PEAK * light[stretch])
    return lit


def opened(profiles: Array, width: int) -> Array:
    """Grey opening of each row: the highest level that a stretch of `width` places, an odd number, keeps to.

    A stretch that reaches the end is none that ends in the dark: there is no bound beyond.
    """
    from scipy import ndimage

    n = profiles.shape[1]
    wide = np.pad(profiles, ((0, 0), (width, width)), constant_values=np.inf)
    low = ndimage.minimum_filter1d(wide, width, axis=1, mode="nearest")
    return np.asarray(ndimage.maximum_filter1d(low, width, axis=1, mode="nearest")[:, width : width + n])
