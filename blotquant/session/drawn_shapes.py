"""From outlines that a hand drew, dragged or removed in a window to the edits that follow.

Whole states are compared by hidden id, no events are book-kept. A drawn or pasted shape carries a copy of another's id,
or none: it gets an id of its own. The two members of a doublet share one outline; each is shown by its own side of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.model.geometry import Lane, Layout, Point, Polygon, polygon, polygon_area
from blotquant.session.band_edits import delete_band, draw_band, resize_band
from blotquant.session.history import Change
from blotquant.session.hit_testing import common_step, middle_of, shown_outline
from blotquant.session.lane_edits import (
    add_lane,
    add_strip,
    draw_lane,
    remove_lane,
    remove_strip,
    reshape_lane,
    reshape_strip,
)
from blotquant.session.replay import apply_changes

Vertices = NDArray[np.float64]

BEND = 0.35
"""A dragged node of a centre line takes along what lies within this part of the lane's length."""
MIN_HANDLES = 7
MIN_AREA_PX = 4.0
MIN_STRIP_PX = 256.0
SAME_PX = 2e-3
"""What float32 keeps of a place in a large picture."""


class Shape(NamedTuple):
    """One shape of a layer: the id it carries and its vertices."""

    key: str
    vertices: ArrayLike


@dataclass(slots=True)
class DrawnShapes:
    """What a layer's state means.

    Attributes
    ----------
    changes : list of Change
        The edits; empty if nothing was changed.
    action : str
        The gesture in one word.
    layout : Layout
        The layout with the changes made.
    keys : list of str
        The id of each shape, in the layer's order; empty for a shape that is refused.
    refused : list of str
        Why shapes were refused, in words; the layer has to be put back.
    """

    layout: Layout
    changes: list[Change] = field(default_factory=list)
    action: str = ""
    keys: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def make(self, changes: Sequence[Change], action: str) -> None:
        """Add changes, made on the layout as it stands now."""
        if changes:
            self.layout = apply_changes(self.layout, changes)
            self.changes.extend(changes)
            self.action = self.action or action


ReadShape = Callable[[DrawnShapes, str, Shape, set[str]], str]


def _read_each(
    layout: Layout,
    outlines: Mapping[str, Polygon],
    shapes: Sequence[Shape],
    used: set[str],
    read: ReadShape,
    remove: tuple[Callable[[Layout, str], list[Change]], str],
) -> DrawnShapes:
    """Compare shapes with what was shown: those that are missing were removed, each other one is read."""
    reading, owners = DrawnShapes(layout), _owners(shapes, outlines)
    # What is missing was removed by the hand (a band may have gone with its lane already).
    for key in sorted(outlines.keys() - set(owners)):
        things: tuple[Any, ...] = (*reading.layout.strips, *reading.layout.lanes, *reading.layout.bands)
        if any(item.id == key for item in things):
            reading.make(remove[0](reading.layout, key), remove[1])
    for key, shape in zip(owners, shapes, strict=True):
        try:
            reading.keys.append(key if _stays(shape, key, outlines) else read(reading, key, shape, used))
        except ValueError as error:
            reading.refused.append(str(error))
            reading.keys.append(key)
    return reading


def read_bands(layout: Layout, shapes: Sequence[Shape], *, used_ids: Iterable[str] = ()) -> DrawnShapes:
    """Compare the shapes of the Bands layer with the layout.

    Parameters
    ----------
    layout : Layout
        What the layer showed before.
    shapes : sequence of Shape
        What it shows now.
    used_ids : iterable of str
        Ids that must not be given again.
    """
    outlines = {band.id: shown_outline(layout, band) for band in layout.bands}
    return _read_each(layout, outlines, shapes, set(used_ids), _read_band, (delete_band, "delete"))


def _read_band(reading: DrawnShapes, key: str, shape: Shape, used: set[str]) -> str:
    if not key:
        changes = draw_band(reading.layout, _usable(shape.vertices), used_ids=used)
        used.add(changes[0].object_id)
        reading.make(changes, "draw")
        return changes[0].object_id
    band = reading.layout.band(key)
    before, after = shown_outline(reading.layout, band), shape.vertices
    if not is_same_place(after, before):
        outline = _usable(after)
        whole = outline if before == band.outline else _around(band.outline, before, outline)
        reading.make(resize_band(reading.layout, key, whole), _gesture(before, outline))
    return key


def _around(whole: Polygon, part: Polygon, now: Polygon) -> Polygon:
    """The outline of a doublet one side of which was dragged: its outer edges go where that side's did."""
    old, new = np.asarray(part), np.asarray(now)
    points = np.asarray(whole)
    # The whole outline goes with the dragged side: its outer edges move as that side's did.
    low, high = points.min(axis=0), points.max(axis=0)
    to_low, to_high = low + new.min(axis=0) - old.min(axis=0), high + new.max(axis=0) - old.max(axis=0)
    if _gesture(part, now) != "move":  # the edge that the two sides have in common follows from their light
        inner = old.max(axis=0)[0] < high[0] - SAME_PX, old.min(axis=0)[0] > low[0] + SAME_PX
        to_high[0] = high[0] if inner[0] else to_high[0]
        to_low[0] = low[0] if inner[1] else to_low[0]
    scaled = to_low + (points - low) / np.maximum(high - low, 1e-9) * (to_high - to_low)
    return _usable(scaled)


def read_lanes(layout: Layout, shapes: Sequence[Shape], *, used_ids: Iterable[str] = ()) -> DrawnShapes:
    """Compare the shapes of the Lanes layer with the layout; a new shape is a new lane, with bands in every row."""
    outlines = {lane.id: lane.outline for lane in layout.lanes}
    return _read_each(layout, outlines, shapes, set(used_ids), _read_lane, (remove_lane, "remove_lane"))


def _read_lane(reading: DrawnShapes, key: str, shape: Shape, used: set[str]) -> str:
    if not key:
        outline = _usable(shape.vertices)
        is_box = len(outline) == 4
        row, col = middle_of(outline)
        if is_box:
            changes = draw_lane(reading.layout, outline, used_ids=used)
        else:
            changes = add_lane(reading.layout, row=row, col=col, used_ids=used)
        used.update(change.object_id for change in changes)
        reading.make(changes, "add_lane")
        return changes[0].object_id
    lane = reading.layout.lane(key)
    if not is_same_place(shape.vertices, lane.outline):
        center, widths = lane_nodes(lane, shape.vertices)
        reading.make(reshape_lane(reading.layout, key, center=center, widths=widths), "reshape_lane")
    return key


def read_centers(layout: Layout, shapes: Sequence[Shape], *, used_ids: Iterable[str] = ()) -> DrawnShapes:  # noqa: ARG001
    """Compare the centre lines with the layout; a lane bends with its centre line and keeps its width."""
    reading = DrawnShapes(layout)
    owners = _owners(shapes, {lane.id: handles(lane) for lane in layout.lanes})
    reading.keys = list(owners)
    if len(layout.lanes) - len([key for key in owners if key]) or not all(owners):
        reading.refused.append("a centre line is drawn or removed with its lane: L adds one, U removes it")
        return reading
    for key, shape in zip(owners, shapes, strict=True):
        lane = layout.lane(key)
        if is_same_place(shape.vertices, handles(lane)):
            continue
        try:
            center = bent(lane, shape.vertices)
            widths = [float(w) for w in lane.width_at([row for row, _ in center])]
            reading.make(reshape_lane(reading.layout, key, center=center, widths=widths), "bend_lane")
        except ValueError as error:
            reading.refused.append(str(error))
    return reading


def read_strips(layout: Layout, shapes: Sequence[Shape], *, used_ids: Iterable[str] = ()) -> DrawnShapes:
    """Compare the shapes of the Strips layer with the layout."""
    outlines = {strip.id: strip.outline for strip in layout.strips}
    return _read_each(layout, outlines, shapes, set(used_ids), _read_strip, (remove_strip, "remove_strip"))


def _read_strip(reading: DrawnShapes, key: str, shape: Shape, used: set[str]) -> str:
    outline = _usable(shape.vertices, MIN_STRIP_PX)
    if not key:
        changes = add_strip(reading.layout, outline, used_ids=used)
        used.add(changes[0].object_id)
        reading.make(changes, "add_strip")
        return changes[0].object_id
    reading.make(reshape_strip(reading.layout, key, outline), "reshape_strip")
    return key


def _owners(shapes: Sequence[Shape], outlines: Mapping[str, tuple[Point, ...]]) -> list[str]:
    """Which id each shape owns: of several with one id the one that did not move, else the first; others own none."""
    owner: dict[str, int] = {}
    for k, shape in enumerate(shapes):
        if shape.key not in outlines:
            continue
        held = owner.get(shape.key)
        if held is None or (
            _stays(shape, shape.key, outlines) and not _stays(shapes[held], shapes[held].key, outlines)
        ):
            owner[shape.key] = k
    return [shape.key if owner.get(shape.key) == k else "" for k, shape in enumerate(shapes)]


def _stays(shape: Shape, key: str, outlines: Mapping[str, tuple[Point, ...]]) -> bool:
    return bool(key) and is_same_place(shape.vertices, outlines[key])


def _usable(vertices: ArrayLike, least: float = MIN_AREA_PX) -> Polygon:
    outline = polygon(vertices)
    if polygon_area(outline) < least:
        area = f"{polygon_area(outline):.1f} px, at least {least:g}"
        msg = f"the shape is too small to be measured ({area}); draw it larger"
        raise ValueError(msg)
    return outline


def _gesture(before: Polygon, outline: Polygon) -> str:
    return "resize" if common_step(before, outline) is None else "move"


# lanes that were dragged


def lane_nodes(lane: Lane, vertices: ArrayLike) -> tuple[tuple[Point, ...], tuple[float, ...]]:
    """Centre line and widths of a lane whose outline was dragged.

    The outline has the left edge down and the right edge up. Where vertices were added or removed, the lane's rows
    are looked up on its new edges.
    """
    points, n = np.asarray(vertices, dtype=float), len(lane.center)
    if len(points) == 2 * n:
        # An outline with as many vertices as before: its nodes lie between left and right edge.
        left, right = points[:n], points[: n - 1 : -1]
        center, widths = (left + right) / 2, np.abs(right[:, 1] - left[:, 1])
        order = np.argsort(center[:, 0], kind="stable")
        center, widths = center[order], widths[order]
    else:
        center, widths = _scan(points, n)
    rows = center[:, 0]
    if np.any(np.diff(rows) <= 0) or np.any(widths <= 0):
        msg = f"lane {lane.number} cannot have this outline: it must run down the picture and be wider than 0"
        raise ValueError(msg)
    return tuple((float(r), float(c)) for r, c in center), tuple(float(w) for w in widths)


def _scan(points: Vertices, n: int) -> tuple[Vertices, NDArray[np.float64]]:
    """Left and right edge of any polygon on `n` rows between its top and bottom."""
    top, bottom = points[:, 0].min(), points[:, 0].max()
    rows = np.linspace(top, bottom, n)
    inner = np.clip(rows, top + 1e-3 * (bottom - top), bottom - 1e-3 * (bottom - top))
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    for (r0, c0), (r1, c1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        crossed = (inner >= min(r0, r1)) & (inner <= max(r0, r1)) & (r0 != r1)
        cols = c0 + (c1 - c0) * (inner - r0) / (r1 - r0 if r0 != r1 else 1.0)
        low = np.where(crossed, np.minimum(low, cols), low)
        high = np.where(crossed, np.maximum(high, cols), high)
    return np.column_stack([rows, (low + high) / 2]), high - low


def handles(lane: Lane) -> tuple[Point, ...]:
    """Points of a centre line for a hand to drag: its nodes, or evenly spaced ones where it has too few to bend."""
    if len(lane.center) >= MIN_HANDLES:
        return lane.center
    rows = np.linspace(*lane.row_range, MIN_HANDLES)
    return tuple((float(r), float(c)) for r, c in zip(rows, lane.center_at(rows), strict=True))


def bent(lane: Lane, vertices: ArrayLike) -> tuple[Point, ...]:
    """Nodes of a centre line that was dragged; where one node went sideways its neighbours follow in part."""
    points, old = np.asarray(vertices, dtype=float), np.asarray(handles(lane))
    if points.shape == old.shape:
        # One node dragged: neighbours follow, less with their distance.
        moved = np.flatnonzero(np.abs(points - old).max(axis=1) > SAME_PX)
        if len(moved) == 1:
            k = int(moved[0])
            reach = BEND * (old[-1, 0] - old[0, 0])
            share = np.clip(1 - np.abs(old[:, 0] - old[k, 0]) / reach, 0, None)
            points = np.column_stack([old[:, 0], old[:, 1] + (points[k, 1] - old[k, 1]) * share])
    points = points[np.argsort(points[:, 0], kind="stable")]
    if len(points) < 2 or np.any(np.diff(points[:, 0]) <= 0):
        msg = f"the centre line of lane {lane.number} must run down the picture"
        raise ValueError(msg)
    return tuple((round(float(r), 4), round(float(c), 4)) for r, c in points)


def is_same_place(vertices: ArrayLike, outline: tuple[Point, ...]) -> bool:
    """Whether vertices are an outline within what float32 keeps of it."""
    points = np.asarray(vertices)
    return points.shape == (len(outline), 2) and bool(np.abs(points - _vertices(outline)).max() < SAME_PX)


@lru_cache(maxsize=4096)
def _vertices(outline: tuple[Point, ...]) -> Vertices:
    return np.asarray(outline, dtype=float)
