"""Outlines that touch or overlap: which rows may hold a doublet, and whose the light under two outlines is.

1. Rows that touch, and rows whose bands lie over each other, may hold a doublet (`blotquant.doublets.split` tries).
2. Outlines that surely cover common pixels form groups, in which no pixel counts twice, declared doublet or not; the
   two bands of a resolved doublet are no rivals, their shares add up already (`component_weights`).
3. Bands of one lane: a joint fit of one shape a lane, a height a band and a sloping background to the lane's profile
   tells what part of each pixel is whose. The bands are told apart where they lie far enough from each other for their
   width and the fit leaves little over; else a pixel goes to the nearest peak, both are `unresolved`, and either volume
   is as uncertain as that.
4. Bands of neighbouring lanes: the darkest column between them parts them.

References
----------
docs/methods.md, "Bands that touch".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from blotquant.doublets.row_model import Array, edges, middle_line, steepness, union
from blotquant.model.geometry import Band, Box, Layout, area_weights
from blotquant.model.image import FloatImage

Group = Sequence[tuple[Band, ...]]
"""A row, or two rows: the bands of each lane that has them all."""

_ABUTTING_PX = 2.5
"""Outlines with fewer rows between them touch."""

_PIECE = 0.25
"""A row that fewer of the lanes show is a piece of another, or a stray band."""

_ABUTTING_PART = 0.15
"""So do outlines nearer than this part of their height: they were cut at a valley."""


def unresolved_rows(layout: Layout) -> list[tuple[str, int]]:
    """Rows (strip id, row) that `assign_targets` took for the sum of a doublet."""
    strips = {lane.id: lane.strip for lane in layout.lanes}
    return sorted({(strips[b.lane], b.row) for b in layout.bands if "unresolved" in b.flags and b.row is not None})


def undivided_rows(layout: Layout, names: Sequence[str]) -> list[tuple[str, int]]:
    """Rows (strip id, row) named as one part of a doublet that lie over other bands in most lanes, undivided."""
    strips = {lane.id: lane.strip for lane in layout.lanes}
    named = {(strips[b.lane], b.row) for b in layout.bands if b.target in names and b.row is not None and not b.split}
    found: list[tuple[str, int]] = []
    for strip, row in sorted(named, key=lambda place: (place[0], -place[1])):
        stacks = _stacks(layout, strip, row)
        absorbed = {b.id for of, main in found if of == strip for stack in _stacks(layout, of, main) for b in stack}
        if stacks and not any(stack[0].id in absorbed for stack in stacks):
            found.append((strip, row))
    return found


def row_numbers(layout: Layout, strip: str) -> list[int]:
    """Numbers of the rows in a strip that no hand has touched and nothing has divided."""
    return sorted({row for bands in _members(layout, strip) for row in bands})


def single_row(layout: Layout, strip: str, row: int) -> Group:
    """The band of one row in each lane that has it."""
    return [(bands[row],) for bands in _members(layout, strip) if row in bands]


def touching_rows(layout: Layout, strip: str) -> Iterator[Group]:
    """Both bands, lane by lane, of neighbouring rows whose outlines meet in half of their lanes; no pieces of rows."""
    lanes = _members(layout, strip)
    places: dict[int, list[float]] = {}
    for bands in lanes:
        for row, band in bands.items():
            places.setdefault(row, []).append(band.peak[0])
    order = sorted((row for row, at in places.items() if len(at) >= _PIECE * len(lanes)),
                   key=lambda row: median(places[row]))  # fmt: skip
    for k in range(len(order) - 1):
        # Two rows over one doublet may lie at one height: then their numbers tell.
        if order[k] > order[k + 1] and median(places[order[k + 1]]) - median(places[order[k]]) < _ABUTTING_PX:
            order[k], order[k + 1] = order[k + 1], order[k]
    taken: set[int] = set()
    for upper, lower in pairwise(order):
        pairs: Group = [(bands[upper], bands[lower]) for bands in lanes if upper in bands and lower in bands]
        meeting = [_meet(*pair) for pair in pairs]
        if upper not in taken and meeting and np.mean(meeting) >= 0.5:
            taken.add(lower)
            yield pairs


def absorb(layout: Layout, strip: str, row: int) -> Layout:
    """One row instead of several that lie over each other: the finder saw a doublet as a whole and in parts."""
    changes: dict[str, tuple[Band, ...]] = {}
    for stack in _stacks(layout, strip, row):
        if len(stack) < 2 or any(band.origin in ("edited", "drawn") for band in stack):
            continue
        first = min(stack, key=lambda band: band.box.row_start)
        last = max(stack, key=lambda band: band.box.row_stop)
        whole = replace(
            stack[0],
            outline=union([first.outline, last.outline]) if first is not last else first.outline,
            status="detected" if any(band.status == "detected" for band in stack) else "not_detected",
            confidence=max(band.confidence for band in stack),
            split=(),
            split_sd=0.0,
        )
        changes |= {band.id: () for band in stack} | {whole.id: (whole,)}
    return replace_bands(layout, changes) if changes else layout


def other_bands(layout: Layout, group: Group) -> list[list[Band]]:
    """For each of a group's lanes, the bands of it that are not of the group."""
    mine = {band.id for bands in group for band in bands}
    return [[b for b in layout.bands_of(bands[0].lane) if b.id not in mine] for bands in group]


def replace_bands(layout: Layout, changes: dict[str, tuple[Band, ...]]) -> Layout:
    """The layout with some bands, by id, replaced by others or by none."""
    return replace(layout, bands=tuple(new for band in layout.bands for new in changes.get(band.id, (band,))))


def _stacks(layout: Layout, strip: str, row: int) -> list[list[Band]]:
    """In each lane the row's band and those that touch it or lie over it; none unless most lanes have such."""
    stacks = []
    for lane in layout.lanes_of(strip):
        bands = layout.bands_of(lane.id)
        main = next((b for b in bands if b.row == row), None)
        if main is None or lane.role in ("ladder", "excluded"):
            continue
        # Rows that lie between two boxes; below 0 where they overlap.
        near = [
            b
            for b in bands
            if b.id != main.id
            and (max(main.box.row_start, b.box.row_start) - min(main.box.row_stop, b.box.row_stop)) < _ABUTTING_PX
        ]
        stacks.append([main, *near])
    together = [stack for stack in stacks if len(stack) > 1]
    return stacks if 2 * len(together) >= len(stacks) and together else []


def _members(layout: Layout, strip: str) -> list[dict[int, Band]]:
    """Bands of each lane by row, without those that a hand has touched or that are divided."""
    return [
        {
            b.row: b
            for b in layout.bands_of(lane.id)
            if b.row is not None and b.origin in ("detected", "expected") and not b.split
        }
        for lane in layout.lanes_of(strip)
        if lane.role not in ("ladder", "excluded")
    ]


def _meet(upper: Band, lower: Band) -> bool:
    """Outlines nearer than this were cut at a valley between two bands that run into each other."""
    a, b = upper.box, lower.box
    heights = [box.row_stop - box.row_start for box in (a, b)]
    near = max(_ABUTTING_PX, _ABUTTING_PART * float(np.mean(heights)))
    # Boxes that far apart hold outlines still farther apart.
    if b.row_start - a.row_stop >= near + 1:
        return False
    # Rows between the outlines in the middle of the columns that they share.
    column = np.array([(max(a.col_start, b.col_start) + min(a.col_stop, b.col_stop) - 1) / 2])
    return float(edges(lower.outline, column)[0][0] - edges(upper.outline, column)[1][0]) < near


FITTED_DOUBT = 0.06
"""SD of the share that a fit gives to the wrong band, bands having no exact shape; a part of the contested light."""

UNKNOWN_DOUBT = 0.29
"""SD of a share that nothing tells, anywhere between none and all: 1 / sqrt(12)."""

LEAST_SEPARATION = 1.5
"""Peaks nearer than so many SDs (of the Gaussian of the same full width) are not told apart."""

MOST_LEFT_OVER = 0.08
"""RMS that a fit may leave over, as a part of the profile's height above its background."""

NEIGHBOURS_PEAK = 0.5
"""Peaks nearer than this part of the distance between the outlines' middles are one and the same."""

MARGIN = 0.35
"""The profile goes so far beyond the outlines, in heights of the group, to see the background."""

FAINTEST = 0.02
"""A band without light keeps this part of the brightest one's height, so that its place is measured at all."""

FWHM = 2.3548
"""Full width at half maximum of a Gaussian, in SDs."""

SHARPNESS = (-4.0, 0.7)
"""From exponential tails to flat tops, as `steepness` takes it."""


def component_weights(band: Band, shape: tuple[int, int]) -> tuple[Box, Array]:
    """Weight of each pixel in a band: the covered part, times the band's share where it is one of a doublet.

    Parameters
    ----------
    band : Band
        With or without a `split`.
    shape : (int, int)
        Rows and columns of the picture.

    Returns
    -------
    box : Box
        The pixels touched, cut to the picture.
    weights : ndarray, shape of `box`
        0 to 1. For the two bands of one doublet they add up to the covered part.
    """
    box, weights = area_weights(band.outline, shape)
    if not band.split:
        return box, weights
    offsets, shares = np.asarray(band.split).T
    rows = np.arange(box.row_start, box.row_stop)[:, None]
    middle = middle_line(band.outline, np.arange(box.col_start, box.col_stop))
    return box, weights * np.interp(rows - middle, offsets, shares)


@dataclass(frozen=True, eq=False)
class Share:
    """What one band keeps of the pixels under its outline.

    Attributes
    ----------
    box : Box
        The pixels touched, cut to the picture.
    weights : ndarray, shape of `box`
        Weight of each pixel, 0 to 1; over all bands of the layout they add up to 1 at most.
    contested : ndarray or None, same shape
        Light in dispute: near 1 where two bands have half of a pixel each, 0 where it is one band's; all that is
        covered twice where they are not told apart.
    doubt : float
        SD of the band's part of the contested light.
    """

    box: Box
    weights: Array
    contested: Array
    doubt: float


def share_light(layout: Layout, signal: FloatImage, *, only: Collection[str]) -> dict[str, Share]:
    """Share the pixels that outlines have in common between their bands.

    Parameters
    ----------
    layout : Layout
        All bands of the picture.
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    only : collection of str
        Ids of the bands that are asked for; those that they overlap are looked at too.

    Returns
    -------
    dict of str to Share
        By id, for those of the bands asked for whose outlines surely cover pixels of another.
    """
    bands = layout.bands
    if len(bands) < 2:
        return {}
    corners = [np.asarray(band.outline) for band in bands]
    extents = np.array([[*points.min(axis=0), *points.max(axis=0)] for points in corners])[:, [0, 2, 1, 3]]
    meet = (extents[:, None, 0] < extents[None, :, 1]) & (extents[None, :, 0] < extents[:, None, 1])
    meet &= (extents[:, None, 2] < extents[None, :, 3]) & (extents[None, :, 2] < extents[:, None, 3])
    shape = (signal.shape[0], signal.shape[1])
    covers: dict[int, tuple[Box, Array]] = {}
    rivals: dict[int, set[int]] = {}
    for i, k in zip(*np.nonzero(np.triu(meet, 1)), strict=True):
        if bands[i].split and bands[k].split and bands[i].outline == bands[k].outline:
            continue
        for j in (i, k):
            if j not in covers:
                covers[j] = component_weights(bands[j], shape)
        if _both_cover(covers[i], covers[k]):
            rivals.setdefault(i, set()).add(k)
            rivals.setdefault(k, set()).add(i)
    shares: dict[str, Share] = {}
    for group in _groups(rivals):
        if any(bands[k].id in only for k in group):
            found = _share_group([bands[k] for k in group], [covers[k] for k in group], signal)
            shares |= {bands[k].id: share for k, share in zip(group, found, strict=True)}
    return shares


def _both_cover(a: tuple[Box, Array], b: tuple[Box, Array]) -> bool:
    """Whether some area surely lies in both: pixels whose covered parts add up to more than one."""
    (here, mine), (there, theirs) = a, b
    rows = slice(max(here.row_start, there.row_start), min(here.row_stop, there.row_stop))
    cols = slice(max(here.col_start, there.col_start), min(here.col_stop, there.col_stop))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return False
    own, other = (
        weights[
            rows.start - box.row_start : rows.stop - box.row_start,
            cols.start - box.col_start : cols.stop - box.col_start,
        ]
        for box, weights in ((here, mine), (there, theirs))
    )
    return float(np.clip(own + other - 1, 0, None).sum()) > 1e-6


def _groups(rivals: dict[int, set[int]]) -> list[list[int]]:
    """Connected groups, each in rising order."""
    groups, seen = [], set()
    for start in sorted(rivals):
        if start in seen:
            continue
        group, rest = {start}, [start]
        while rest:
            new = rivals[rest.pop()] - group
            group |= new
            rest += sorted(new)
        seen |= group
        groups.append(sorted(group))
    return groups


def _share_group(bands: list[Band], covers: list[tuple[Box, Array]], signal: FloatImage) -> list[Share]:
    """Weights of the bands of one group after sharing."""
    boxes = [box for box, _ in covers]
    canvas = Box(
        min(box.row_start for box in boxes), max(box.row_stop for box in boxes),
        min(box.col_start for box in boxes), max(box.col_stop for box in boxes),
    )  # fmt: skip
    places = [
        (
            slice(box.row_start - canvas.row_start, box.row_stop - canvas.row_start),
            slice(box.col_start - canvas.col_start, box.col_stop - canvas.col_start),
        )
        for box in boxes
    ]
    weights = np.zeros((len(bands), canvas.row_stop - canvas.row_start, canvas.col_stop - canvas.col_start))
    light, doubts = np.ones_like(weights), np.full(len(bands), FITTED_DOUBT)
    for k, (place, (_, cover)) in enumerate(zip(places, covers, strict=True)):
        weights[k][place] = cover
    lanes = [band.lane for band in bands]
    for lane in dict.fromkeys(lanes):
        mine = [k for k, of in enumerate(lanes) if of == lane]
        if len(mine) > 1:
            light[mine], told = _fit_lane([bands[k] for k in mine], canvas, signal)
            doubts[mine] = FITTED_DOUBT if told else UNKNOWN_DOUBT
    _part_lanes(light, weights, bands, signal[canvas.slices])
    total = weights.sum(axis=0)
    lit = (weights * light).sum(axis=0)
    # Where nobody has light, each has its part of the cover.
    part = np.where(lit > 0, weights * light / np.where(lit > 0, lit, 1.0), weights / np.maximum(total, 1e-12))
    crowded = total > 1 + 1e-9
    shared = np.where(crowded, np.minimum(weights, part), weights)
    disputed = np.where(doubts[:, None, None] >= UNKNOWN_DOUBT, 1.0, 2 * np.sqrt(np.clip(part * (1 - part), 0, None)))
    contested = np.where(crowded, weights * disputed, 0.0)
    return [
        Share(box, shared[k][place], contested[k][place], float(doubts[k]))
        for k, (box, place) in enumerate(zip(boxes, places, strict=True))
    ]


def _fit_lane(bands: list[Band], canvas: Box, signal: FloatImage) -> tuple[Array, bool]:
    """Light of bands of one lane at each pixel of a canvas, on one scale; whether they are told apart."""
    first = bands[0]
    bend = middle_line(first.outline, np.arange(canvas.col_start, canvas.col_stop))
    bend = bend - float(middle_line(first.outline, np.array([round(first.peak[1])]))[0])
    peaks = np.array([band.peak[0] for band in bands])
    # A peak that is its neighbour's light at the outline's end says nothing of the band's own place: the middle does.
    middles = np.array([(band.box.row_start + band.box.row_stop - 1) / 2 for band in bands])
    order = np.argsort(middles, kind="stable")
    for pair in pairwise(order):
        upper, lower = pair
        if peaks[lower] - peaks[upper] < NEIGHBOURS_PEAK * (middles[lower] - middles[upper]):
            peaks[list(pair)] = middles[list(pair)]
    tall = float(np.median([band.box.row_stop - band.box.row_start for band in bands]))
    # The profile: columns that all of the bands have, each shifted by whole rows to follow their bend.
    left, right = max(band.box.col_start for band in bands), min(band.box.col_stop for band in bands)
    trim = 0.15 * (right - left)
    cols = np.arange(max(int(np.ceil(left + trim)), canvas.col_start), min(int(right - trim), canvas.col_stop))
    margin = round(MARGIN * (canvas.row_stop - canvas.row_start))
    rows = np.arange(max(canvas.row_start - margin, 0), min(canvas.row_stop + margin, signal.shape[0]))
    if len(cols) < 3 or len(rows) < 3 * len(bands) + 4:
        return np.ones((len(bands), canvas.row_stop - canvas.row_start, len(bend))), False
    shifted = np.clip(rows[:, None] + np.rint(bend[cols - canvas.col_start]).astype(int), 0, signal.shape[0] - 1)
    profile = signal[shifted, cols].mean(axis=1, dtype=float)
    heights, spread, sharpness, fitted, left_over = _fit_profile(profile, rows, peaks, tall)
    full = np.linspace(0, 4, 401)
    width = 2 * float(np.interp(2 * np.log(2), steepness(full, sharpness)[0], full)) * spread
    is_apart = bool((np.diff(np.sort(fitted)) >= LEAST_SEPARATION * width / FWHM).all())
    at = np.arange(canvas.row_start, canvas.row_stop)[:, None] - bend
    if not is_apart or left_over >= MOST_LEFT_OVER:
        # Nothing tells: a pixel goes to the nearest peak.
        far = np.abs(at[None] - peaks[:, None, None])
        return np.asarray(far == far.min(axis=0), dtype=float), False
    distance = (at[None] - fitted[:, None, None]) / spread
    # Far out all shapes vanish together: their ratio is taken of exponents, which stay finite.
    exponents = -0.5 * steepness(distance, sharpness)[0] + np.log(heights)[:, None, None]
    return np.exp(np.maximum(exponents - exponents.max(axis=0), -600)), True


def _fit_profile(
    profile: Array, rows: NDArray[np.intp], peaks: Array, tall: float
) -> tuple[Array, float, float, Array, float]:
    """Heights, common SD and sharpness, and peaks of bands over a sloping background; what is left over (RMS)."""
    from scipy.optimize import least_squares, nnls

    low, high = float(profile.min()), float(profile.max())
    scaled = (profile - low) / (high - low) if high > low else np.zeros(len(profile))
    slope = np.linspace(-1, 1, len(rows))
    line = np.column_stack([np.ones(len(rows)), -np.ones(len(rows)), slope, -slope])

    def design(values: Array) -> Array:
        distance = (rows[:, None] - values[2:]) / np.exp(values[0])
        return np.hstack([np.exp(-0.5 * steepness(distance, float(values[1]))[0]), line])

    def left_over(values: Array) -> Array:
        shapes = design(values)
        return np.asarray(shapes @ nnls(shapes, scaled)[0] - scaled)

    gaps = np.diff(np.sort(peaks))
    room = float(np.clip(0.45 * gaps.min(), 0.1, max(0.25 * tall, 1.0)))
    low_ends = np.array([np.log(0.6), SHARPNESS[0], *(peaks - room)])
    high_ends = np.array([np.log(max(tall, 2.0)), SHARPNESS[1], *(peaks + room)])
    start = np.clip(np.array([np.log(max(tall / 5, 0.9)), 0.0, *peaks]), low_ends, high_ends)
    fit = least_squares(left_over, start, bounds=(low_ends, high_ends), max_nfev=40, x_scale=high_ends - low_ends)
    heights = nnls(design(fit.x), scaled)[0][: len(peaks)]
    heights = np.maximum(heights, FAINTEST * max(float(heights.max()), 1e-12))
    rms = float(np.sqrt(np.mean(fit.fun**2)))
    return heights, float(np.exp(fit.x[0])), float(fit.x[1]), np.asarray(fit.x[2:]), rms


def _part_lanes(light: Array, weights: Array, bands: list[Band], pixels: FloatImage) -> None:
    """Part bands of different lanes at the darkest column of the pixels that both cover, in place."""
    for i in range(len(bands)):
        for k in range(i + 1, len(bands)):
            both = (weights[i] > 0) & (weights[k] > 0) & (weights[i] + weights[k] > 1 + 1e-9)
            if bands[i].lane == bands[k].lane or not both.any():
                continue
            left, right = (i, k) if bands[i].peak[1] <= bands[k].peak[1] else (k, i)
            cols = np.flatnonzero(both.any(axis=0))
            sums = np.where(both, pixels, 0.0).sum(axis=0, dtype=float)[cols] / both.sum(axis=0)[cols]
            valley = cols[int(np.argmin(sums))]
            at = np.arange(both.shape[1])[None, :]
            light[left] *= ~(both & (at > valley))
            light[right] *= ~(both & (at <= valley))
