"""Whole lanes: the table of lanes, which a total-protein stain is read from, each with its own background and SD.

1. The lane's profile is the mean count of each row, area-weighted over the lane; lanes that overlap are parted half-way
   between their centre lines.
2. Specks and scratches that no band explains (far brighter than anything that the lane's columns have in common within
   a band's height) are replaced by the row's median; what they held enters the SD.
3. The background runs along the lane: a morphological opening of the profile, `OPENING` band heights long, lifted to
   the middle of the noise. Haze along the lane, which the gaps beside it do not show, is background; bands are not.
4. The SD: noise; what the other lanes' common profile does not explain, block by block along the lane; openings of
   other lengths, against what they do to the other lanes; debris.

Notes
-----
Chosen by figures (`tools/benchmarks/independent_bench.py`; found lanes, 20 hazy stains of an independent generator):
R² of the volumes against the true load is 0.99 in the median and 0.91 at worst; the level of the gaps beside the lane
gives 0.87 and 0.33, an asymmetric Whittaker baseline 0.80 and 0.21, SNIP 0.93 and 0.51. Openings of 4 to 7 band heights
do as well, shorter ones cut into bands, longer ones follow the haze no more.

References
----------
Opening: Soille 2003, chapter 4. docs/methods.md, "Whole lanes".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.flags import join_flags
from blotquant.imaging.robust import MAD_TO_SD, middle_of, row_medians
from blotquant.model.geometry import Box, Lane, Layout, area_weights, area_weights_of, bounding_box, clip_box
from blotquant.model.image import BlotImage, FloatImage
from blotquant.quantification.noise import LOD_SDS, LOQ_SDS
from blotquant.quantification.prepared_image import to_optical_density
from blotquant.quantification.quality import limit_flags, saturation
from blotquant.settings import QuantificationSettings
from blotquant.tables import LANE_COLUMNS, make_table
from blotquant.threads import single_threaded

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

OPENING = 5.0
"""Length of the opening, in heights of the picture's bands (SD of the profile over SD of its slope)."""

OTHER_OPENINGS = (0.6, 1.7)
"""Lengths, against the chosen one, that could be defended as well."""

LEAST_HEIGHT_PX = 0.8
"""Bands are no finer than this."""

SMOOTHING = 1 / 3
"""SD of the Gaussian that the profile is smoothed with before it is opened, in band heights."""

FLOOR_SDS = 4.0
"""Rows no more than so many SDs of a row's mean above the opening lie on the floor: their middle is the background."""

MOSTLY_FLOOR = 0.97
"""A lane of which a greater part lies on the floor is empty: its floor is found again around its middle."""

FEWEST = 5
"""Rows and columns that a lane needs for anything to be said of its noise and debris."""

MOST_PIXELS = 2**19
"""So many pixels of a picture's lanes are looked at together."""

ENOUGH_PIXELS = 100_000
"""Pixels that tell a lane's noise to half a percent."""

DEBRIS_SDS = 6.0
"""A pixel is debris from so many SDs of noise above all that its lane has in common near it."""

DEBRIS_SHARE = 0.3
"""It must also stand out by this part of the brightest band near it."""

DEBRIS_SD = 0.3
"""SD of the light of debris that is taken out, as a part of it."""

LEAST_SHARE = 0.005
"""SD of a lane's volume against the others' that no term below sees, as a part of it: where its floor was taken."""

BLOCKS = 16
"""Blocks along the lane that are compared with the common profile."""

FEWEST_BLOCKS = 5.0
"""Light must lie in about so many of them for a common profile to say anything."""

UNLIKE = 0.5
"""Variance of the volume, as a part of that of its blocks: lanes differ in their proteins too, which is no error."""

BEND_COST = 1.5
"""SD of a lane's noise with that of the background taken from it, in units of the noise under it."""


@dataclass(frozen=True, eq=False)
class LaneProfile:
    """One lane along its rows.

    Attributes
    ----------
    rows : ndarray, shape (n,)
        Rows of the picture.
    cover : ndarray, shape (n,)
        Covered pixels of each.
    counts, background : ndarray, shape (n,)
        Mean counts of the covered pixels, debris left out, and the background under them.
    debris : ndarray, shape (n,)
        Counts of debris that were left out, summed over the row.
    noise : float
        SD of one pixel, counts.
    n_floor : float
        Pixels of the rows that the background was taken from.
    """

    rows: NDArray[np.intp]
    cover: Array
    counts: Array
    background: Array
    debris: Array
    noise: float
    n_floor: float = 0.0

    @property
    def excess(self) -> Array:
        """Counts above background of each row, summed over the lane."""
        return np.asarray(self.cover * (self.counts - self.background))


def measure_lanes(
    image: BlotImage,
    layout: Layout,
    *,
    settings: QuantificationSettings | None = None,
    window: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Measure whole lanes, as a total-protein stain is: stain-free gels, Ponceau, REVERT, Coomassie alike.

    Parameters
    ----------
    image : BlotImage
        The picture.
    layout : Layout
        Strips and lanes.
    settings : QuantificationSettings, optional
        ``constant`` and ``none`` are taken as they are; all other backgrounds are that along the lane.
    window : (float, float), optional
        Half-open range of rows to measure; the whole lane when not given. The background is that of the whole lane.

    Returns
    -------
    DataFrame
        One row a lane with `LANE_COLUMNS`. Volumes are counts; that of a lane with any pixel at the ceiling is a
        lower bound, flagged ``saturated``. A lane outside the window has none.
    """
    return make_table(lane_rows(image, layout, settings=settings, window=window)[0], LANE_COLUMNS)


@single_threaded
def lane_rows(
    image: BlotImage,
    layout: Layout,
    *,
    settings: QuantificationSettings | None = None,
    window: tuple[float, float] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, LaneProfile]]:
    """Rows of `measure_lanes` as plain values, and the profiles that they were measured on, by the lane's id."""
    settings, layout = settings or QuantificationSettings(), layout.sorted()
    if settings.optical_density:
        image = to_optical_density(image)
    signal = image.signal()
    # The lanes' profiles over the chosen background, and over those that could be defended as well.
    profiles, *others = _with_backgrounds(signal, layout, settings.background, lengths=(1.0, *OTHER_OPENINGS))
    # Rows that are measured.
    inside = [
        np.ones(len(p.rows), dtype=bool) if window is None else (p.rows >= window[0]) & (p.rows + 1 <= window[1])
        for p in profiles
    ]
    volumes = np.array([float(p.excess[part].sum()) for p, part in zip(profiles, inside, strict=True)])
    # SD of an empty lane: noise of its pixels and of the background taken from them.
    noises = np.array(
        [BEND_COST * p.noise * p.cover[part].sum() ** 0.5 for p, part in zip(profiles, inside, strict=True)]
    )
    variance = _variance(layout, profiles, inside, others) + noises**2
    strips = {strip.id: strip.number for strip in layout.strips}
    rows = []
    for k, (lane, profile) in enumerate(zip(layout.lanes, profiles, strict=True)):
        cells: dict[str, Any] = {"flags": set()}
        box = bounding_box(lane.outline)
        if inside[k].any():
            n_saturated, clipped = _saturation(signal, lane, layout, box, profile.rows[inside[k]], image.ceiling)
            limits = limit_flags(volumes[k], noises[k], spread=float("nan"), n_background=profile.n_floor)
            cells = {
                "volume": volumes[k], "volume_sd": float(np.sqrt(variance[k])), "saturated_px": n_saturated,
                "lod": LOD_SDS * noises[k], "loq": LOQ_SDS * noises[k], "flags": {*clipped, *limits},
            }  # fmt: skip
        cells["flags"] = join_flags(cells["flags"], lane.flags, image.flags, layout.flags)
        rows.append({
            "image": image.name, "strip": strips.get(lane.strip), "lane": lane.number, "role": lane.role,
            "col_center": float(lane.center_at(sum(lane.row_range) / 2)), **box._asdict(),
            "confidence": lane.confidence, "probe": image.probe, "exposure_s": image.exposure_s, **cells,
        })  # fmt: skip
    return rows, {lane.id: profile for lane, profile in zip(layout.lanes, profiles, strict=True)}


def _bare_profiles(signal: FloatImage, layout: Layout) -> tuple[list[LaneProfile], float]:
    """Profiles of all lanes without a background, and the usual height of their bands."""
    lanes = [_without_overlap(lane, layout) for lane in layout.lanes]
    profiles, commons, tops = [], [], []
    # A few lanes at a time, while their pixels are at hand: those of all would take more memory than the picture.
    few = max(MOST_PIXELS * len(lanes) // max(signal.size, 1), 1)
    for first in range(0, len(lanes), few):
        some = lanes[first : first + few]
        covers = area_weights_of([lane.outline for lane in some], (signal.shape[0], signal.shape[1]))
        for lane, (box, weights) in zip(some, covers, strict=True):
            rows, pixels = _straightened(signal, lane)
            # Sums are taken on the picture's own pixels, each by its covered part.
            at = slice(rows[0] - box.row_start, rows[-1] + 1 - box.row_start)
            cover, none = weights[at].sum(axis=1), np.zeros(len(rows))
            counts = np.einsum("ij,ij->i", weights, signal[box.slices], dtype=float)[at] / np.maximum(cover, 1e-9)
            noise = _pixel_noise(pixels)
            profiles.append(LaneProfile(rows, cover, counts, background=none, debris=none, noise=noise))
            # What most of a lane's columns have in common tells how tall its bands are, and what is debris.
            commons.append(row_medians(pixels))
            tops.append(pixels.max(axis=1))
    alike = _of_equal_length(commons)
    heights = [_band_heights(np.array([commons[k] for k in members])) for members in alike]
    known = np.concatenate([np.zeros(0), *(found[np.isfinite(found)] for found in heights)])
    height = max(middle_of(known), LEAST_HEIGHT_PX) if len(known) else LEAST_HEIGHT_PX
    for members in alike:
        noises = np.array([profiles[k].noise for k in members])
        least = _least_debris(np.array([commons[k] for k in members]), noises, height)
        for k, level in zip(members, least, strict=True):
            # In most lanes nothing is so bright: only rows about those where something is are looked at further.
            bright = np.flatnonzero(tops[k] > level)
            if len(bright) and len(level) >= FEWEST and np.isfinite(tops[k]).all():
                debris = _debris(_straightened(signal, lanes[k])[1], commons[k], level, profiles[k].noise, height)
                counts = profiles[k].counts - debris / np.maximum(profiles[k].cover, 1e-9)
                profiles[k] = replace(profiles[k], counts=counts, debris=debris)
    return profiles, height


def _of_equal_length(lines: Sequence[Array]) -> list[list[int]]:
    """Places of lanes of equally many rows, which are filtered together."""
    alike: dict[int, list[int]] = {}
    for k, line in enumerate(lines):
        alike.setdefault(len(line), []).append(k)
    return list(alike.values())


def _with_backgrounds(
    signal: FloatImage, layout: Layout, background: str, *, lengths: Sequence[float]
) -> list[list[LaneProfile]]:
    """Profiles of all lanes over a plain background, or over openings of several lengths, in units of `OPENING`."""
    bare, height = _bare_profiles(signal, layout)
    if background == "none":
        return [bare]
    if background == "constant":
        beside = np.isfinite(signal)
        for lane in layout.lanes:
            box, weights = area_weights(_without_overlap(lane, layout).outline, (signal.shape[0], signal.shape[1]))
            beside[box.slices] &= weights == 0
        level = float(np.median(signal[beside])) if beside.any() else 0.0
        return [[replace(p, background=np.full(len(p.rows), level), n_floor=float(beside.sum())) for p in bare]]
    found = [[replace(p, background=np.full(len(p.rows), np.nan)) for p in bare] for _ in lengths]
    known = [k for k, profile in enumerate(bare) if np.isfinite(profile.counts).all()]
    for alike in _of_equal_length([bare[k].counts for k in known]):
        members = [known[k] for k in alike]
        for profiles, length in zip(found, lengths, strict=True):
            opened = _open([bare[k] for k in members], height, length * OPENING * height)
            for k, profile in zip(members, opened, strict=True):
                profiles[k] = profile
    return found


def _without_overlap(lane: Lane, layout: Layout) -> Lane:
    """The lane cut half-way to a neighbour that it runs into, so that no pixel is of two lanes."""
    rows = np.array([row for row, _ in lane.center])
    center, half = lane.center_at(rows), lane.width_at(rows) / 2
    left, right = center - half, center + half
    for other in layout.lanes:
        if other.strip != lane.strip or abs(other.number - lane.number) != 1:
            continue
        beyond, wide = other.center_at(rows), other.width_at(rows) / 2
        # Between edges that overlap, the border lies in proportion to the widths.
        border = (center * wide + beyond * half) / np.maximum(half + wide, 1e-9)
        if other.number > lane.number:
            right = np.where(beyond > center, np.minimum(right, border), right)
        else:
            left = np.where(beyond < center, np.maximum(left, border), left)
    if (left == center - half).all() and (right == center + half).all():
        return lane
    nodes = tuple((float(r), float(c)) for r, c in zip(rows, (left + right) / 2, strict=True))
    return replace(lane, center=nodes, widths=tuple(float(w) for w in np.maximum(right - left, 1e-3)))


def _straightened(signal: FloatImage, lane: Lane) -> tuple[NDArray[np.intp], FloatImage]:
    """Rows of a lane in the picture, and its whole pixels side by side, as if it ran straight down."""
    first = min(max(int(np.ceil(lane.row_range[0])), 0), signal.shape[0] - 1)
    rows = np.arange(first, max(min(int(np.floor(lane.row_range[1])), signal.shape[0] - 1), first) + 1)
    wide = min(max(int(np.median(lane.width_at(rows))), 1), signal.shape[1])
    starts = np.rint(lane.center_at(rows) - (wide - 1) / 2).astype(int).clip(0, signal.shape[1] - wide)
    return rows, sliding_window_view(signal, wide, axis=1)[rows, starts]


def _band_heights(profiles: Array) -> Array:
    """SD of each profile over SD of its slope, noise left out; NaN where nothing but noise is there."""
    if profiles.shape[1] < 12:
        return np.full(len(profiles), np.nan)
    is_known = np.isfinite(profiles.sum(axis=1))
    profiles = np.where(is_known[:, None], profiles, 0.0)
    lit = profiles - _opening(profiles, max(profiles.shape[1] // 6, 9))
    # Second differences of white noise have six times its variance; a band's hardly count.
    noise = (MAD_TO_SD * row_medians(np.abs(np.diff(profiles, n=2, axis=1)))) ** 2 / 6
    slope = np.var(np.diff(lit, axis=1), axis=1)
    is_told = is_known & (slope > 2.5 * noise)
    light = np.maximum(np.var(lit, axis=1) - noise, 0.0)
    return np.sqrt(np.where(is_told, light / np.where(is_told, slope - 2 * noise, 1.0), np.nan))


def _opening(profiles: Array, length: float) -> Array:
    """Grey opening of profiles by a line of about that length, an odd number of rows."""
    n = max(int(length), 1) | 1
    padded = np.pad(profiles, ((0, 0), (n // 2, n // 2)), mode="edge")
    opened = ndimage.maximum_filter1d(ndimage.minimum_filter1d(padded, n), n)
    return np.asarray(opened[:, n // 2 : padded.shape[1] - n // 2], dtype=float)


def _pixel_noise(pixels: FloatImage) -> float:
    """SD of one pixel of a straightened lane, counts: from second differences across it, on every few rows of many."""
    if min(pixels.shape) < FEWEST or not np.isfinite(pixels).all():
        return 0.0
    some = pixels[:: 1 + pixels.size // ENOUGH_PIXELS]
    bends = np.abs(some[:, 2:] - 2 * some[:, 1:-1] + some[:, :-2])
    return MAD_TO_SD * float(row_medians(bends.ravel())) / 6**0.5


def _least_debris(commons: Array, noises: Array, height: float) -> Array:
    """Counts from which a pixel of a row may be debris, from what each lane's columns have in common, lane by lane."""
    # What the columns have in common within a band's height, and how far the brightest of it stands out.
    brightest = ndimage.maximum_filter1d(commons, 2 * round(height) + 1)
    lit = brightest - _opening(ndimage.gaussian_filter1d(commons, SMOOTHING * height), OPENING * height)
    return np.asarray(brightest + np.maximum(DEBRIS_SDS * noises[:, None], DEBRIS_SHARE * lit))


def _debris(pixels: FloatImage, common: Array, least: Array, noise: float, height: float) -> Array:
    """Light of specks and scratches in each row of a straightened lane, counts."""
    debris, reach = np.zeros(len(common)), round(height)
    bright = np.flatnonzero((pixels > least[:, None]).any(axis=1))
    near = slice(max(bright[0] - reach - 1, 0), bright[-1] + reach + 2)
    own, light = common[near, None], pixels[near].astype(float)
    # A single hot pixel is noise; debris is two pixels wide at least.
    seeds = ndimage.binary_opening(light > least[near, None], np.ones((2, 2), dtype=bool))
    if seeds.any() and light.shape[1] >= FEWEST:
        spoilt = ndimage.binary_dilation(seeds, iterations=max(reach, 1)) & (light > own + 2 * noise)
        # What fills a row from side to side is a band.
        spoilt[spoilt.mean(axis=1) > 0.5] = False
        debris[near] = np.where(spoilt, light - own, 0.0).sum(axis=1)
    return debris


def _open(profiles: Sequence[LaneProfile], height: float, length: float) -> list[LaneProfile]:
    """Profiles of equally many rows with the background along them, from an opening of so many rows."""
    counts, cover = np.array([p.counts for p in profiles]), np.array([p.cover for p in profiles])
    # Opened as it is, noise would pull the background down.
    smooth = ndimage.gaussian_filter1d(counts, SMOOTHING * height)
    level = ndimage.uniform_filter1d(_opening(smooth, length), int(length) | 1, mode="nearest")
    above = counts - level
    # Lifted to the middle of the rows that lie on the floor.
    grain = np.array([p.noise for p in profiles])[:, None] / np.sqrt(np.maximum(cover, 1.0))
    near = np.maximum(FLOOR_SDS * grain, 1e-12 * np.abs(level))
    floor = above <= near
    is_empty = floor.mean(axis=1) > MOSTLY_FLOOR  # among crowded bands the floor would climb into them
    for _ in range(5 if is_empty.any() else 0):
        lift = np.where(floor, above, 0.0).sum(axis=1) / np.maximum(floor.sum(axis=1), 1)
        floor = np.where(is_empty[:, None], above <= lift[:, None] + near, floor)
    lift = np.where(floor, above, 0.0).sum(axis=1) / np.maximum(floor.sum(axis=1), 1)
    n_floor = np.where(floor, cover, 0.0).sum(axis=1)
    return [
        replace(p, background=under, n_floor=float(n))
        for p, under, n in zip(profiles, level + lift[:, None], n_floor, strict=True)
    ]


def _variance(
    layout: Layout, profiles: list[LaneProfile], inside: list[NDArray[np.bool_]], others: list[list[LaneProfile]]
) -> Array:
    """Variance of each lane's volume but for noise."""
    volumes = np.array([float(p.excess[part].sum()) for p, part in zip(profiles, inside, strict=True)])
    debris = np.array([float(p.debris[part].sum()) for p, part in zip(profiles, inside, strict=True)])
    variance = (DEBRIS_SD * debris) ** 2 + (LEAST_SHARE * volumes) ** 2
    strips = [lane.strip for lane in layout.lanes]
    for strip in dict.fromkeys(strips):
        mine = [k for k, of in enumerate(strips) if of == strip and volumes[k] > 0 and inside[k].any()]
        usual = [k for k in mine if layout.lanes[k].role in ("sample", "standard")]
        if len(usual) < 3:
            usual = mine
        if len(usual) < 2:
            continue
        # Blocks of the lane against those of the other lanes.
        blocks = np.array([_block_sums(profiles[k].excess[inside[k]]) for k in mine])
        parts = blocks / volumes[mine, None]
        for at, k in enumerate(mine):
            # Of a few lanes the middle one would else be held against itself.
            rest = [mine.index(other) for other in usual if other != k]
            common = row_medians(parts[rest].T)
            common /= max(float(common.sum()), 1e-12)
            if 1 / float((common**2).sum()) >= FEWEST_BLOCKS:
                unlike = float(((blocks[at] - volumes[k] * common) ** 2).sum())
                variance[k] += UNLIKE * BLOCKS / (BLOCKS - 1) * unlike
        # Other openings: what is common to the lanes is the picture's scale, and no error of a ratio.
        for other in others:
            changed = np.array([float(other[k].excess[inside[k]].sum()) for k in mine]) / volumes[mine]
            typical = middle_of(changed[[mine.index(k) for k in usual]])
            if typical > 0:
                variance[mine] += ((changed / typical - 1) * volumes[mine]) ** 2 / (2 * len(others))
    return variance


def _block_sums(excess: Array) -> Array:
    """Sums over `BLOCKS` parts of as many rows each, the first ones of one more."""
    k = np.arange(BLOCKS + 1)
    ends = k * (len(excess) // BLOCKS) + np.minimum(k, len(excess) % BLOCKS)
    return np.diff(np.concatenate([[0.0], np.cumsum(excess)])[ends])


def _saturation(
    signal: FloatImage, lane: Lane, layout: Layout, box: Box, rows: NDArray[np.intp], ceiling: float
) -> tuple[int, tuple[str, ...]]:
    """Saturated pixels of some rows of a lane, whose outline's bounding box is `box`, and what they mean."""
    shape = (signal.shape[0], signal.shape[1])
    box = clip_box(box, shape)
    if not signal[rows[0] : rows[-1] + 1, box.col_start : box.col_stop].max(initial=0.0) >= ceiling:
        return 0, ()
    box, weights = area_weights(_without_overlap(lane, layout).outline, shape)
    at = slice(max(int(rows[0]), box.row_start), min(int(rows[-1]) + 1, box.row_stop))
    part = slice(at.start - box.row_start, at.stop - box.row_start)
    return saturation(signal[at, box.col_start : box.col_stop], weights[part], ceiling)
