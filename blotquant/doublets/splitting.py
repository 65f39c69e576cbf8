"""Dividing a row of bands that overlap: what `blotquant.doublets.fit` finds becomes shares of one outline.

Both bands of a resolved doublet keep the outline that covers the two. Each pixel of it is divided between them by the
fitted shapes, so that the two volumes add up to the volume of the whole, whatever the fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from blotquant.coverage import area_weights
from blotquant.doublets.fit import DoubletFit, fit_doublet
from blotquant.doublets.widening import widen_outlines
from blotquant.geometry import Band, Box, Lane, Layout, Point, Polygon, bounding_box, polygon
from blotquant.image import FloatImage
from blotquant.settings import NamingSettings

Array = NDArray[np.float64]

_N_NODES = 33
_MIN_COLUMNS = 3
_DETECTED_SE = 3.0
_ABUTTING_PX, _ABUTTING_PART = 2.5, 0.15
# Beyond the outline, this part of its height is fitted too, to see the local background.
_MARGIN = 0.35


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
    middle = _middle(band.outline, np.arange(box.col_start, box.col_stop))
    return box, weights * np.interp(rows - middle, offsets, shares)


def resolve_doublets(
    signal: FloatImage,
    layout: Layout,
    *,
    ceiling: float = np.inf,
    rows: Sequence[tuple[str, int]] | None = None,
    settings: NamingSettings | None = None,
) -> Layout:
    """Take overlapping rows apart where the picture carries it.

    Two found rows whose outlines touch are divided jointly, or left as they are where the fit does not hold. A single
    row that is known to hide two bands becomes two rows, and the rows below are numbered anew. Bands drawn or edited
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
    settings : NamingSettings, optional
        When two bands count as two.

    Returns
    -------
    Layout
    """
    limits = settings or NamingSettings()
    for strip in layout.strips:
        for pair in _touching(layout, strip.id):
            layout = _divide(signal, layout, pair, ceiling=ceiling, limits=limits)
        for row in sorted((row for of, row in rows or () if of == strip.id), reverse=True):
            if row in _row_numbers(layout, strip.id):
                layout = _absorb(layout, strip.id, row)
                group = _with_room(signal, layout, _single(layout, strip.id, row), ceiling=ceiling)
                layout = _divide(signal, layout, group, ceiling=ceiling, limits=limits)
    return layout.sorted()


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


def _stacks(layout: Layout, strip: str, row: int) -> list[list[Band]]:
    """In each lane the row's band and those that touch it or lie over it; none unless most lanes have such."""
    stacks = []
    for lane in layout.lanes_of(strip):
        bands = layout.bands_of(lane.id)
        main = next((b for b in bands if b.row == row), None)
        if main is None or lane.role in ("ladder", "excluded"):
            continue
        near = [b for b in bands if b.id != main.id and _rows_between(main.box, b.box) < _ABUTTING_PX]
        stacks.append([main, *near])
    together = [stack for stack in stacks if len(stack) > 1]
    return stacks if 2 * len(together) >= len(stacks) and together else []


def _rows_between(a: Box, b: Box) -> int:
    """Rows that lie between two boxes; below 0 where they overlap."""
    return max(a.row_start, b.row_start) - min(a.row_stop, b.row_stop)


def _absorb(layout: Layout, strip: str, row: int) -> Layout:
    """One row instead of several that lie over each other: the finder saw a doublet as a whole and in parts."""
    changes: dict[str, tuple[Band, ...]] = {}
    for stack in _stacks(layout, strip, row):
        if len(stack) < 2 or any(band.origin in ("edited", "drawn") for band in stack):
            continue
        first = min(stack, key=lambda band: band.box.row_start)
        last = max(stack, key=lambda band: band.box.row_stop)
        whole = replace(
            stack[0],
            outline=_union([first.outline, last.outline]) if first is not last else first.outline,
            status="detected" if any(band.status == "detected" for band in stack) else "not_detected",
            confidence=max(band.confidence for band in stack),
            split=(),
            split_sd=0.0,
        )
        changes |= {band.id: () for band in stack} | {whole.id: (whole,)}
    return _replace(layout, changes) if changes else layout


@dataclass(frozen=True, slots=True)
class _Group:
    """One row, or two that touch, with the bands of each lane that has them all."""

    strip: str
    rows: tuple[int, ...]
    members: tuple[tuple[Band, ...], ...]


def _members(layout: Layout, strip: str) -> list[tuple[Lane, dict[int, Band]]]:
    found = []
    for lane in layout.lanes_of(strip):
        if lane.role not in ("ladder", "excluded"):
            bands = {
                b.row: b
                for b in layout.bands_of(lane.id)
                if b.row is not None and b.origin in ("detected", "expected") and not b.split
            }
            found.append((lane, bands))
    return found


def _row_numbers(layout: Layout, strip: str) -> list[int]:
    return sorted({row for _, bands in _members(layout, strip) for row in bands})


def _single(layout: Layout, strip: str, row: int) -> _Group:
    return _Group(strip, (row,), tuple((bands[row],) for _, bands in _members(layout, strip) if row in bands))


def _with_room(signal: FloatImage, layout: Layout, group: _Group, *, ceiling: float) -> _Group:
    """The same group with outlines that have room for both bands; what a hand drew is left as it is."""
    bands = [members[0] for members in group.members]
    others = _others(layout, group)

    def read(k: int, reach: int) -> tuple[Array, Array] | None:
        if bands[k].status != "detected":
            return None
        profile = _profile(signal, bands[k].outline, reach, ceiling=ceiling, others=others[k])
        return None if profile is None else (profile.offsets, profile.counts)

    outlines = widen_outlines([band.outline for band in bands], read)
    by_hand = ("edited", "drawn")
    return replace(
        group,
        members=tuple(
            (band if band.origin in by_hand else replace(band, outline=outline),)
            for band, outline in zip(bands, outlines, strict=True)
        ),
    )


def _touching(layout: Layout, strip: str) -> Iterator[_Group]:
    """Neighbouring rows whose outlines meet in at least half of the lanes that show both."""
    numbers = _row_numbers(layout, strip)
    lanes = _members(layout, strip)
    taken = 0
    for upper, lower in pairwise(numbers):
        pairs = [(bands[upper], bands[lower]) for _, bands in lanes if upper in bands and lower in bands]
        meeting = [_meet(a, b) for a, b in pairs]
        if upper > taken and meeting and np.mean(meeting) >= 0.5:
            taken = lower
            yield _Group(strip, (upper, lower), tuple(pairs))


def _meet(upper: Band, lower: Band) -> bool:
    """Outlines nearer than this were cut at a valley between two bands that run into each other."""
    a, b = upper.box, lower.box
    heights = [box.row_stop - box.row_start for box in (a, b)]
    near = max(_ABUTTING_PX, _ABUTTING_PART * float(np.mean(heights)))
    # Boxes that far apart hold outlines still farther apart.
    return b.row_start - a.row_stop < near + 1 and _gap(upper, lower) < near


def _gap(upper: Band, lower: Band) -> float:
    """Rows between two outlines in the middle of the columns that they share."""
    a, b = upper.box, lower.box
    column = np.array([(max(a.col_start, b.col_start) + min(a.col_stop, b.col_stop) - 1) / 2])
    return float(_edges(lower.outline, column)[0][0] - _edges(upper.outline, column)[1][0])


def _divide(
    signal: FloatImage,
    layout: Layout,
    group: _Group,
    *,
    ceiling: float,
    limits: NamingSettings,
) -> Layout:
    """Replace the bands of one group by the two that the joint fit finds, or say that it does not."""
    outlines = [_union([band.outline for band in bands]) for bands in group.members]
    others = _others(layout, group)
    profiles = [
        _profile(signal, outline, _height(outlines), ceiling=ceiling, others=others[k])
        for k, outline in enumerate(outlines)
    ]
    usable = [
        k for k, p in enumerate(profiles) if p is not None and any(b.status == "detected" for b in group.members[k])
    ]
    fit = _fit([p for k in usable if (p := profiles[k]) is not None], limits)
    if fit is None or not fit.accepted:
        merged: dict[str, tuple[Band, ...]] = {
            b.id: (_flag(b, "unresolved"),) for bands in group.members for b in bands if len(bands) == 1
        }
        return _replace(layout, merged)
    consensus = np.maximum(fit.areas, 0).sum(axis=0)
    used = {b.id for b in layout.bands}
    divided: dict[str, tuple[Band, ...]] = {}
    for k, bands in enumerate(group.members):
        at = usable.index(k) if k in usable else None
        pair = _pair(bands, outlines[k], fit, lane=at, consensus=consensus, used=used)
        divided |= {bands[0].id: pair} | {b.id: () for b in bands[1:]}
    new = {band.id for pair in divided.values() for band in pair}
    return _renumber(_replace(layout, divided), group, new)


@dataclass(frozen=True, slots=True)
class _Profile:
    offsets: Array
    counts: Array
    sds: Array


def _fit(profiles: list[_Profile], limits: NamingSettings) -> DoubletFit | None:
    if not profiles or len(profiles[0].counts) < 12:
        return None
    return fit_doublet(
        [p.counts for p in profiles],
        np.stack([p.sds for p in profiles]),
        offsets=np.stack([p.offsets for p in profiles]),
        settings=limits,
    )


def _height(outlines: Sequence[Polygon]) -> int:
    heights = [box.row_stop - box.row_start for box in map(bounding_box, outlines)]
    return int(np.ceil(np.median(heights) / 2 * (1 + 2 * _MARGIN)))


def _profile(
    signal: FloatImage, outline: Polygon, reach: int, *, ceiling: float, others: Sequence[Band]
) -> _Profile | None:
    """Counts summed across the band's middle columns, each shifted by whole rows to follow the outline."""
    box = bounding_box(outline)
    trim = 0.15 * (box.col_stop - box.col_start)
    cols = np.arange(max(int(np.ceil(box.col_start + trim)), 0), min(int(box.col_stop - trim), signal.shape[1]))
    if len(cols) < _MIN_COLUMNS:
        return None
    middle = _middle(outline, cols)
    steps = np.arange(-reach, reach + 1)
    rows = np.round(middle).astype(int) + steps[:, None]
    inside = (rows >= 0) & (rows < signal.shape[0])
    pixels = signal[np.clip(rows, 0, signal.shape[0] - 1), cols].astype(float)
    known = (inside & (pixels < ceiling) & ~_covered(rows, cols, others)).all(axis=1)
    if known.sum() < 0.6 * len(steps):
        return None
    bends = np.diff(pixels, n=2, axis=1) ** 2 / 6
    variance = np.convolve(np.pad(bends.mean(axis=1), 2, mode="edge"), np.full(5, 0.2), mode="valid")
    counts = pixels.sum(axis=1)
    floor = 1e-6 * float(np.ptp(counts)) + 1e-150
    sds = np.asarray(np.sqrt(variance * len(cols) + floor**2), dtype=float)
    offsets = np.asarray(steps + np.mean(np.round(middle) - middle), dtype=float)
    return _Profile(offsets, np.where(known, counts, np.nan), sds)


def _others(layout: Layout, group: _Group) -> list[list[Band]]:
    mine = {band.id for bands in group.members for band in bands}
    return [[b for b in layout.bands_of(bands[0].lane) if b.id not in mine] for bands in group.members]


def _covered(rows: NDArray[np.int_], cols: NDArray[np.int_], bands: Sequence[Band]) -> NDArray[np.bool_]:
    covered = np.zeros(rows.shape, dtype=bool)
    for band in bands:
        top, bottom = _edges(band.outline, cols.astype(float))
        covered |= (rows > top) & (rows < bottom)
    return covered


def _edges(outline: Polygon, cols: Array) -> tuple[Array, Array]:
    """Topmost and bottommost row of an outline at some columns; beyond its ends those of its last column."""
    points = np.asarray(outline)
    a, b = points, np.roll(points, -1, axis=0)
    low, high = points[:, 1].min() + 1e-6, points[:, 1].max() - 1e-6
    at = np.clip(np.asarray(cols, dtype=float), low, high)[:, None]
    width = b[:, 1] - a[:, 1]
    crossing = (np.minimum(a[:, 1], b[:, 1]) <= at) & (at <= np.maximum(a[:, 1], b[:, 1])) & (width != 0)
    rows = a[:, 0] + (b[:, 0] - a[:, 0]) * (at - a[:, 1]) / np.where(width == 0, 1.0, width)
    return np.where(crossing, rows, np.inf).min(axis=1), np.where(crossing, rows, -np.inf).max(axis=1)


def _middle(outline: Polygon, cols: NDArray[np.int_]) -> Array:
    top, bottom = _edges(outline, cols.astype(float))
    return (top + bottom) / 2


def _union(outlines: Sequence[Polygon]) -> Polygon:
    """One outline from the first one's upper edge to the last one's lower edge."""
    if len(outlines) == 1:
        return outlines[0]
    vertices = np.unique(np.concatenate([np.asarray(outline)[:, 1] for outline in outlines]))
    top, bottom = _edges(outlines[0], vertices)[0], _edges(outlines[-1], vertices)[1]
    upper, lower = np.column_stack([top, vertices]), np.column_stack([bottom, vertices])
    return polygon(np.vstack([upper, lower[::-1]]))


def _pair(
    bands: tuple[Band, ...],
    outline: Polygon,
    fit: DoubletFit,
    *,
    lane: int | None,
    consensus: Array,
    used: set[str],
) -> tuple[Band, Band]:
    """The two bands of one lane under their common outline."""
    box = bounding_box(outline)
    reach = (box.row_stop - box.row_start) / 2 + 2
    offsets = np.round(np.linspace(-reach, reach, _N_NODES), 4)
    lit = lane is not None and fit.areas[lane].sum() > _DETECTED_SE * np.hypot(*fit.area_se[lane])
    # A lane too weak to show its own ratio is divided as the row is on the whole.
    shift = fit.shifts[lane] if lane is not None else 0.0
    nearest = lane if lane is not None else int(np.argmin(np.abs(fit.shifts)))
    upper = np.round(fit.shares(nearest, offsets, weights=None if lit else consensus), 6)
    column = np.array([bands[0].peak[1]])
    place = float(_middle(outline, column)[0]) + fit.center + shift
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
                row=base.row if k < len(bands) or base.row is None else base.row + 1,
            )
        )
    return made[0], made[1]


def _new_id(base: str, used: set[str]) -> str:
    """Name the partner after its sibling; a name once given is never given again."""
    name = next(name for n in range(2, 1000) if (name := f"{base}.{n}") not in used)
    used.add(name)
    return name


def _flag(band: Band, name: str) -> Band:
    return band if name in band.flags else replace(band, flags=(*band.flags, name))


def _replace(layout: Layout, changes: dict[str, tuple[Band, ...]]) -> Layout:
    return replace(layout, bands=tuple(new for band in layout.bands for new in changes.get(band.id, (band,))))


def _renumber(layout: Layout, group: _Group, new: set[str]) -> Layout:
    """Make room in the strip's numbering for a row that became two."""
    if len(group.rows) == 2:
        return layout
    row, lanes = group.rows[0], {lane.id for lane in layout.lanes_of(group.strip)}

    def moved(band: Band) -> Band:
        below = band.lane in lanes and band.id not in new and band.row is not None and band.row > row
        return replace(band, row=band.row + 1) if below and band.row is not None else band

    return replace(layout, bands=tuple(moved(band) for band in layout.bands))
