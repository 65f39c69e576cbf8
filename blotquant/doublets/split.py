"""Dividing a row of bands that overlap: what `blotquant.doublets.fit` finds becomes shares of one outline.

Both bands of a resolved doublet keep the outline that covers the two. Each pixel of it is divided between them by the
fitted shapes, so that the two volumes add up to the volume of the whole, whatever the fit.

Room for a declared doublet: outlines of one row widened and centred until both of its bands lie inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blotquant.doublets.fit import FWHM, DoubletFit, fit_doublet
from blotquant.doublets.overlaps import (
    Group,
    absorb,
    other_bands,
    replace_bands,
    row_numbers,
    single_row,
    touching_rows,
)
from blotquant.doublets.row_model import RowProfile, middle_line, row_profile, union
from blotquant.model.geometry import LOWER_HALF, Band, Layout, Point, Polygon, bounding_box, polygon
from blotquant.model.image import FloatImage
from blotquant.settings import IdentificationSettings

Array = NDArray[np.float64]


Profile = tuple[Array, Array]

FOOT = 0.1
"""A doublet ends where its profile has fallen to this part of its peak above its background."""

MOST_REACH = 1.3
"""A doublet ends so many heights of the outline found from its peak at the latest."""

CLEAR_SDS = 8.0
"""A lane whose peak stands out by fewer SDs of its noise tells nothing of its extent."""

REACH = 2.0
"""How far from the row's middle its bands are looked for, in heights of the outline found."""
MARGIN_PX = 1.0


def widen_outlines(outlines: Sequence[Polygon], read_profile: Callable[[int, int], Profile | None]) -> list[Polygon]:
    """Widen the outlines of a row that is known to hold two bands; they keep one height, and never shrink.

    Parameters
    ----------
    outlines : sequence of Polygon
        One a lane: an upper edge from left to right and a lower edge back.
    read_profile : callable
        Of an index into `outlines` and a reach in rows: offsets from the outline's middle and counts summed across
        it, NaN where another band or a saturated pixel lies; None where the lane tells nothing.

    Returns
    -------
    list of Polygon
        All of the median height that the lanes ask for; each centred on its own light, or moved like the others
        where a lane tells nothing.
    """
    boxes = [bounding_box(outline) for outline in outlines]
    height = float(np.median([box.row_stop - box.row_start for box in boxes]))
    found = [_extent(read_profile(k, int(np.ceil(REACH * height))), height) for k in range(len(outlines))]
    known = [extent for extent in found if extent is not None]
    if not known:
        return list(outlines)
    wanted = max(float(np.median([bottom - top for top, bottom in known])) + 2 * MARGIN_PX, height)
    usual = float(np.median([(top + bottom) / 2 for top, bottom in known]))
    middles = np.array([usual if extent is None else (extent[0] + extent[1]) / 2 for extent in found])
    # A weak half that one lane does not show moves that lane's extent, not its place: lanes follow their neighbours.
    if len(middles) >= 3:
        middles = np.median([np.append(middles[1], middles[:-1]), middles, np.append(middles[1:], middles[-2])], axis=0)
    return [_redrawn(outline, middle, wanted) for outline, middle in zip(outlines, middles, strict=True)]


def _extent(profile: Profile | None, height: float) -> tuple[float, float] | None:
    """First and last offset of the light around the row's peak."""
    if profile is None:
        return None
    offsets, counts = profile
    known, third = np.isfinite(counts), len(counts) // 3
    near = np.abs(offsets) <= 0.75 * height
    if not (known & near).any():
        return None
    # The background: a line through the darkest places on either side.
    first, last = (np.where(known, counts, np.inf)[part] for part in (slice(0, third), slice(-third, None)))
    ends = [int(np.argmin(first)), len(counts) - third + int(np.argmin(last))]
    if np.isfinite(counts[ends]).all():
        lit = counts - np.interp(offsets, offsets[ends], counts[ends])
    else:
        lit = counts - np.nanmin(counts)
    peak = int(np.flatnonzero(near)[np.nanargmax(lit[near])])
    bends = np.diff(counts, n=2)
    noise = 1.4826 * float(np.nanmedian(np.abs(bends))) / 6**0.5 if np.isfinite(bends).any() else 0.0
    if not lit[peak] > CLEAR_SDS * noise:
        return None
    # What cannot be read is the row's own saturated core inside its outline, and another band beyond it.
    core = np.isnan(lit) & (np.abs(offsets) <= height / 2)
    bright = core | (np.nan_to_num(lit, nan=-1.0) > FOOT * lit[peak])
    bright &= np.abs(offsets - offsets[peak]) <= MOST_REACH * height
    above = np.flatnonzero(~bright[:peak])
    below = np.flatnonzero(~bright[peak:])
    top = offsets[above[-1] + 1] if len(above) else offsets[0]
    bottom = offsets[peak + below[0] - 1] if len(below) else offsets[-1]
    return float(top) - 0.5, float(bottom) + 0.5


def _redrawn(outline: Polygon, middle: float, height: float) -> Polygon:
    points = np.asarray(outline)
    half = len(points) // 2
    upper, lower = points[:half], points[half:][::-1]
    if len(points) % 2 or np.abs(upper[:, 1] - lower[:, 1]).max() > 0.5 * np.ptp(points[:, 1]):
        return outline  # drawn by hand: not two edges that answer each other
    rows = (upper[:, 0] + lower[:, 0]) / 2 + middle
    top, bottom = np.column_stack([rows - height / 2, upper[:, 1]]), np.column_stack([rows + height / 2, lower[:, 1]])
    return polygon(np.vstack([top, bottom[::-1]]))


_N_NODES = 33
"""Nodes of a share along the lane."""

_DETECTED_SE = 3.0
"""A band is there from so many standard errors of its area."""

_MARGIN = 0.35
"""Beyond the outline, this part of its height is fitted too, to see the local background."""

END_FWHM = 1.2
"""Found outlines of single bands end so many full widths at half maximum from the peak: 1.1 of a width that is measured
on a profile smoothed over three rows."""

MOST_GROWTH = 1.6
"""The common outline grows to so many times its height at most."""


COURSE_REACH = 1.5
"""A lane's pair is looked for so many spacings above and below the row's place."""

COURSE_STEPS = 18
"""Places on either side."""

COURSE_SD = 0.25
"""SD of the step from one lane to the next, in spacings of the pair."""

COURSE_OFF = 0.5
"""An outline farther than so many spacings from its row's course holds the wrong band."""


def resolve_doublets(
    signal: FloatImage,
    layout: Layout,
    *,
    ceiling: float = np.inf,
    rows: Sequence[tuple[str, int]] | None = None,
    settings: IdentificationSettings | None = None,
) -> Layout:
    """Take overlapping rows apart where the picture carries it.

    Two found rows whose outlines touch are divided jointly, or left as they are where the fit does not hold. A single
    row that is known to hide two bands becomes two rows, the lower of which takes the next free number.
    Bands drawn or edited
    by hand are left as they are.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    layout : Layout
        With rows found.
    ceiling : float
        Counts at and above it say nothing about a band's shape.
    rows : sequence of (strip id, row), optional
        Rows known to hold a doublet, as `unresolved_rows` tells them: they become two where they can be taken apart
        and are flagged `unresolved` where not. Rows of which nothing is known are never divided: most single bands
        are flat-topped enough to be fitted better by two.
    settings : IdentificationSettings, optional
        When two bands count as two.

    Returns
    -------
    Layout
    """
    limits = settings or IdentificationSettings()
    for strip in layout.strips:
        for pair in touching_rows(layout, strip.id):
            layout = _divide(signal, layout, pair, ceiling=ceiling, limits=limits)
        for row in sorted((row for of, row in rows or () if of == strip.id), reverse=True):
            if row in row_numbers(layout, strip.id):
                layout = absorb(layout, strip.id, row)
                group = _with_room(signal, layout, single_row(layout, strip.id, row), ceiling=ceiling)
                layout = _divide(signal, layout, group, ceiling=ceiling, limits=limits)
    return layout.sorted()


def _with_room(signal: FloatImage, layout: Layout, group: Group, *, ceiling: float) -> Group:
    """The same group with outlines that have room for both bands; what a hand drew is left as it is."""
    bands = [members[0] for members in group]
    others = other_bands(layout, group)

    def read(k: int, reach: int) -> tuple[Array, Array] | None:
        if bands[k].status != "detected":
            return None
        profile = row_profile(signal, bands[k].outline, reach, ceiling=ceiling, others=others[k])
        return None if profile is None else (profile.offsets, profile.counts)

    outlines = widen_outlines([band.outline for band in bands], read)
    by_hand = ("edited", "drawn")
    return [
        (band if band.origin in by_hand else replace(band, outline=outline),)
        for band, outline in zip(bands, outlines, strict=True)
    ]


def _divide(
    signal: FloatImage, layout: Layout, group: Group, *, ceiling: float, limits: IdentificationSettings
) -> Layout:
    """Replace the bands of one group by the two that the joint fit finds, or say that it does not."""
    outlines, others = [union([band.outline for band in bands]) for bands in group], other_bands(layout, group)
    heights = [box.row_stop - box.row_start for box in map(bounding_box, outlines)]
    reach = int(np.ceil(np.median(heights) / 2 * (1 + 2 * _MARGIN)))

    def fit_within(held: Sequence[Polygon], lanes: Iterable[int]) -> tuple[dict[int, RowProfile], DoubletFit | None]:
        read = {k: row_profile(signal, held[k], reach, ceiling=ceiling, others=others[k]) for k in lanes}
        known = {k: profile for k, profile in read.items() if profile is not None}
        return known, _fit(list(known.values()), limits)

    profiles, fit = fit_within(outlines, [k for k, of in enumerate(group) if any(b.status == "detected" for b in of)])
    if fit is not None and fit.accepted:
        # Outlines that hold one band of the pair alone are moved to where the other lanes have both; then once more.
        moved_to = _moved(outlines, _course(group, outlines, profiles, fit), fit, list(profiles), others)
        if moved_to != outlines:
            again, better = fit_within(moved_to, profiles)
            if better is not None and better.accepted:
                outlines, profiles, fit = moved_to, again, better
    if fit is None or not fit.accepted:
        merged: dict[str, tuple[Band, ...]] = {
            b.id: ((b if "unresolved" in b.flags else replace(b, flags=(*b.flags, "unresolved"))),)
            for bands in group
            for b in bands
            if len(bands) == 1
        }
        return replace_bands(layout, merged)
    usable = list(profiles)
    places = [usable.index(k) if k in profiles else None for k in range(len(outlines))]
    outlines, moved = _holding_both(outlines, fit, places)
    consensus = np.maximum(fit.areas, 0).sum(axis=0)
    used = {b.id for b in layout.bands}
    divided: dict[str, tuple[Band, ...]] = {}
    for k, bands in enumerate(group):
        pair = _pair(bands, (outlines[k], moved[k]), fit, lane=places[k], consensus=consensus, used=used)
        divided |= {bands[0].id: pair} | {b.id: () for b in bands[1:]}
    return replace_bands(layout, divided)


def _course(group: Group, outlines: Sequence[Polygon], profiles: dict[int, RowProfile], fit: DoubletFit) -> Array:
    """Row of the middle between the two peaks in every lane: the likeliest course that runs smoothly across the lanes.

    A lane that shows one band alone is fitted as well by the pair's other band; its neighbours tell which of the two it
    is. Shortest path (Viterbi 1967) over places a part of the spacing apart: misfit of each lane, and steps between
    neighbours.
    """
    cols = np.array([bands[0].peak[1] for bands in group])
    middles = np.array([float(middle_line(o, cols[k : k + 1])[0]) for k, o in enumerate(outlines)])
    places = fit.center + np.arange(-COURSE_STEPS, COURSE_STEPS + 1) * (COURSE_REACH / COURSE_STEPS) * fit.spacing
    offsets, counts, sds, _ = zip(*profiles.values(), strict=True)
    misfit, usable = fit.misfit(counts, sds, offsets, places), list(profiles)
    at = middles[usable, None] + places
    total, best = misfit[0], []
    for k in range(1, len(usable)):
        step = (at[k][:, None] - at[k - 1]) / (COURSE_SD * fit.spacing)
        joined = total + step**2
        best.append(joined.argmin(axis=1))
        total = misfit[k] + joined.min(axis=1)
    path = [int(total.argmin())]
    for back in reversed(best):
        path.append(int(back[path[-1]]))
    known = at[np.arange(len(usable)), path[::-1]]
    return np.asarray(np.interp(cols, cols[usable], known) - middles)


def _moved(
    outlines: list[Polygon], course: Array, fit: DoubletFit, usable: Sequence[int], others: Sequence[Sequence[Band]]
) -> list[Polygon]:
    """All outlines moved onto their row's course where some lane was fitted off it, unless another band lies there."""
    held = np.full(len(outlines), fit.center)
    held[usable] += fit.shifts
    if not (np.abs(course - held) > COURSE_OFF * fit.spacing).any():
        return outlines
    moved = []
    for outline, place, near in zip(outlines, course, others, strict=True):
        box = bounding_box(outline)
        new = _redrawn(outline, place - fit.center, box.row_stop - box.row_start)
        here = bounding_box(new)
        free = all(b.box.row_stop <= here.row_start or b.box.row_start >= here.row_stop for b in near)
        moved.append(new if free else outline)
    return moved


def _fit(profiles: list[RowProfile], limits: IdentificationSettings) -> DoubletFit | None:
    if not profiles or len(profiles[0].counts) < 12:
        return None
    return fit_doublet(
        [p.counts for p in profiles],
        np.stack([p.sds for p in profiles]),
        offsets=np.stack([p.offsets for p in profiles]),
        settings=limits,
    )


def _holding_both(
    outlines: Sequence[Polygon], fit: DoubletFit, lanes: Sequence[int | None]
) -> tuple[list[Polygon], list[float]]:
    """Outlines that leave out as much of either band as a single one's would, and how far their middles moved.

    A single band's outline cuts both of its ends off, the common one only its outer end: it ends nearer to the peak.
    `lanes` holds the place of each outline's lane in the fit, None where the lane was not fitted.
    """
    heights = [box.row_stop - box.row_start for box in map(bounding_box, outlines)]
    half = float(np.median(heights)) / 2
    above, below = fit.reach(fit.outside(END_FWHM * FWHM * fit.sigma))
    tall = min(fit.spacing + above + below, 2 * MOST_GROWTH * half)
    redrawn, moved = [], []
    for outline, lane in zip(outlines, lanes, strict=True):
        middle = fit.center + (below - above) / 2 + (float(fit.shifts[lane]) if lane is not None else 0.0)
        new = _redrawn(outline, middle, tall)
        redrawn.append(new)
        moved.append(0.0 if new is outline else middle)
    return redrawn, moved


def _pair(
    bands: tuple[Band, ...],
    held: tuple[Polygon, float],
    fit: DoubletFit,
    *,
    lane: int | None,
    consensus: Array,
    used: set[str],
) -> tuple[Band, Band]:
    """The two bands of one lane under their common outline, whose middle has moved against the fit's offsets."""
    outline, moved = held
    box = bounding_box(outline)
    reach = (box.row_stop - box.row_start) / 2 + 2
    offsets = np.round(np.linspace(-reach, reach, _N_NODES), 4)
    lit = lane is not None and fit.areas[lane].sum() > _DETECTED_SE * np.hypot(*fit.area_se[lane])
    # A lane too weak to show its own ratio is divided as the row is on the whole.
    shift = fit.shifts[lane] if lane is not None else 0.0
    nearest = lane if lane is not None else int(np.argmin(np.abs(fit.shifts)))
    upper = np.round(fit.shares(nearest, offsets + moved, weights=None if lit else consensus), 6)
    column = np.array([bands[0].peak[1]])
    place = float(middle_line(outline, column)[0]) + fit.center + shift - moved
    made = []
    for k, (share, side) in enumerate(((upper, -0.5), (np.round(1 - upper, 6), 0.5))):
        base = bands[min(k, len(bands) - 1)]
        seen = lit and lane is not None and fit.areas[lane, k] > _DETECTED_SE * fit.area_se[lane, k]
        nodes: tuple[Point, ...] = tuple((float(o), float(s)) for o, s in zip(offsets, share, strict=True))
        made.append(
            replace(
                base,
                id=base.id if k < len(bands) else _new_id(base.id, used),
                outline=outline,
                peak=(round(place + side * fit.spacing, 4), base.peak[1]),
                origin="detected" if seen else "expected",
                status="detected" if seen else "not_detected",
                split=nodes,
                split_sd=round(float(fit.split_sd[lane]), 6) if lane is not None else 0.0,
                flags=tuple(flag for flag in base.flags if flag != "unresolved"),
                row=base.row if k < len(bands) or base.row is None else base.row + LOWER_HALF,
            )
        )
    return made[0], made[1]


def _new_id(base: str, used: set[str]) -> str:
    """Name the partner after its sibling; a name once given is never given again."""
    name = next(name for n in range(2, 1000) if (name := f"{base}.{n}") not in used)
    used.add(name)
    return name
