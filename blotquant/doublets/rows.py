"""Which rows of a strip may hold a doublet: rows that touch, and rows whose bands lie over each other.

Upper and lower edges of outlines, column by column.

What part of each pixel belongs to a band, whole or one of a doublet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Band, Box, Lane, Layout, Polygon, area_weights, polygon

Array = NDArray[np.float64]


def edges(outline: Polygon, cols: Array) -> tuple[Array, Array]:
    """Topmost and bottommost row of an outline at some columns; beyond its ends those of its last column."""
    points = np.asarray(outline)
    a, b = points, np.roll(points, -1, axis=0)
    low, high = points[:, 1].min() + 1e-6, points[:, 1].max() - 1e-6
    at = np.clip(np.asarray(cols, dtype=float), low, high)[:, None]
    width = b[:, 1] - a[:, 1]
    crossing = (np.minimum(a[:, 1], b[:, 1]) <= at) & (at <= np.maximum(a[:, 1], b[:, 1])) & (width != 0)
    rows = a[:, 0] + (b[:, 0] - a[:, 0]) * (at - a[:, 1]) / np.where(width == 0, 1.0, width)
    return np.where(crossing, rows, np.inf).min(axis=1), np.where(crossing, rows, -np.inf).max(axis=1)


def middle_line(outline: Polygon, cols: NDArray[np.int_]) -> Array:
    """Row half-way between the two edges at some columns."""
    top, bottom = edges(outline, cols.astype(float))
    return (top + bottom) / 2


def union(outlines: Sequence[Polygon]) -> Polygon:
    """One outline from the first one's upper edge to the last one's lower edge."""
    if len(outlines) == 1:
        return outlines[0]
    vertices = np.unique(np.concatenate([np.asarray(outline)[:, 1] for outline in outlines]))
    top, bottom = edges(outlines[0], vertices)[0], edges(outlines[-1], vertices)[1]
    upper, lower = np.column_stack([top, vertices]), np.column_stack([bottom, vertices])
    return polygon(np.vstack([upper, lower[::-1]]))


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


_ABUTTING_PX = 2.5
"""Outlines with fewer rows between them touch."""

_PIECE = 0.25
"""A row that fewer of the lanes show is a piece of another, or a stray band."""

_ABUTTING_PART = 0.15
"""So do outlines nearer than this part of their height: they were cut at a valley."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row, or two that touch, with the bands of each lane that has them all."""

    strip: str
    rows: tuple[int, ...]
    members: tuple[tuple[Band, ...], ...]


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
    return sorted({row for _, bands in _members(layout, strip) for row in bands})


def single_row(layout: Layout, strip: str, row: int) -> RowGroup:
    """The group that is one row."""
    return RowGroup(strip, (row,), tuple((bands[row],) for _, bands in _members(layout, strip) if row in bands))


def touching_rows(layout: Layout, strip: str) -> Iterator[RowGroup]:
    """Neighbouring rows whose outlines meet in at least half of the lanes that show both, pieces of a row aside."""
    lanes = _members(layout, strip)
    places: dict[int, list[float]] = {}
    for _, bands in lanes:
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
        pairs = [(bands[upper], bands[lower]) for _, bands in lanes if upper in bands and lower in bands]
        meeting = [_meet(a, b) for a, b in pairs]
        if upper not in taken and meeting and np.mean(meeting) >= 0.5:
            taken.add(lower)
            yield RowGroup(strip, (upper, lower), tuple(pairs))


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


def other_bands(layout: Layout, group: RowGroup) -> list[list[Band]]:
    """For each of the group's lanes, the bands of it that are not of the group."""
    mine = {band.id for bands in group.members for band in bands}
    return [[b for b in layout.bands_of(bands[0].lane) if b.id not in mine] for bands in group.members]


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
    return float(edges(lower.outline, column)[0][0] - edges(upper.outline, column)[1][0])
