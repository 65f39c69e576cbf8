"""From what a layer shows to the edits that a hand made: compare whole states by hidden id, book-keep no events.

No Qt and no napari here. A drawn or pasted shape carries a copy of another's id, or none: it gets an id of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from blotquant.model.geometry import Band, Layout, Point, Polygon, polygon_area
from blotquant.session.edits import add_lane, delete_band, draw_band, remove_lane, reshape_lane, resize_band
from blotquant.session.history import Change
from blotquant.session.replay import apply_changes
from blotquant.session.strip_edits import add_strip, remove_strip, reshape_strip
from napari_blotquant._convert import bent, handles, is_same_place, lane_nodes, to_outline

MIN_AREA_PX = 4.0
MIN_STRIP_PX = 256.0


class Shape(NamedTuple):
    """One shape of a layer: the id it carries and its vertices."""

    key: str
    vertices: ArrayLike


@dataclass(slots=True)
class Reading:
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


def read_bands(layout: Layout, shapes: Sequence[Shape], *, used_ids: Iterable[str] = ()) -> Reading:
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
    reading, used = Reading(layout), set(used_ids)
    known = {band.id: band for band in layout.bands}
    owners = _owners(shapes, {key: band.outline for key, band in known.items()})
    for key in sorted(known.keys() - set(owners)):
        if any(band.id == key for band in reading.layout.bands):
            reading.make(delete_band(reading.layout, key), "delete")
    for key, shape in zip(owners, shapes, strict=True):
        # A doublet's partner that was taken along still shows its old place.
        stays = bool(key) and is_same_place(shape.vertices, known[key].outline)
        reading.keys.append(key if stays else _read_band(reading, key, shape, used))
    return reading


def _read_band(reading: Reading, key: str, shape: Shape, used: set[str]) -> str:
    try:
        if not key:
            return _drawn(reading, _usable(shape.vertices), used)
        band = reading.layout.band(key)
        if not is_same_place(shape.vertices, band.outline):
            outline = _usable(shape.vertices)
            reading.make(resize_band(reading.layout, key, outline), _gesture(band, outline))
    except ValueError as error:
        reading.refused.append(str(error))
    return key


def _drawn(reading: Reading, outline: Polygon, used: set[str]) -> str:
    changes = draw_band(reading.layout, outline, used_ids=used)
    used.add(changes[0].object_id)
    reading.make(changes, "draw")
    return changes[0].object_id


def read_lanes(layout: Layout, shapes: Sequence[Shape], *, used_ids: Iterable[str] = ()) -> Reading:
    """Compare the shapes of the Lanes layer with the layout; a new shape is a new lane, with bands in every row."""
    outlines = {lane.id: lane.outline for lane in layout.lanes}
    return _read_each(layout, outlines, shapes, _Kind(_read_lane, remove_lane, "remove_lane"), set(used_ids))


class _Kind(NamedTuple):
    """How a shape of one layer is read, and what is done when a thing has none any more."""

    read: Callable[[Reading, str, Shape, set[str]], str]
    remove: Callable[[Layout, str], list[Change]]
    removal: str


def _read_each(
    layout: Layout, outlines: Mapping[str, Polygon], shapes: Sequence[Shape], kind: _Kind, used: set[str]
) -> Reading:
    reading, owners = Reading(layout), _owners(shapes, outlines)
    for key in sorted(outlines.keys() - set(owners)):
        reading.make(kind.remove(reading.layout, key), kind.removal)
    for key, shape in zip(owners, shapes, strict=True):
        try:
            reading.keys.append(kind.read(reading, key, shape, used))
        except ValueError as error:
            reading.refused.append(str(error))
            reading.keys.append(key)
    return reading


def _read_lane(reading: Reading, key: str, shape: Shape, used: set[str]) -> str:
    if not key:
        row, col = (float(v) for v in np.mean(_usable(shape.vertices), axis=0))
        changes = add_lane(reading.layout, row=row, col=col, used_ids=used)
        used.update(change.object_id for change in changes)
        reading.make(changes, "add_lane")
        return changes[0].object_id
    lane = reading.layout.lane(key)
    if not is_same_place(shape.vertices, lane.outline):
        center, widths = lane_nodes(lane, shape.vertices)
        reading.make(reshape_lane(reading.layout, key, center=center, widths=widths), "reshape_lane")
    return key


def read_centers(layout: Layout, shapes: Sequence[Shape], *, used_ids: Iterable[str] = ()) -> Reading:  # noqa: ARG001
    """Compare the centre lines with the layout; a lane bends with its centre line and keeps its width."""
    reading = Reading(layout)
    owners = _owners(shapes, {lane.id: handles(lane) for lane in layout.lanes})
    reading.keys = list(owners)
    missing = len(layout.lanes) - len([key for key in owners if key])
    if missing or not all(owners):
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


def read_strips(layout: Layout, shapes: Sequence[Shape], *, used_ids: Iterable[str] = ()) -> Reading:
    """Compare the shapes of the Strips layer with the layout."""
    outlines = {strip.id: strip.outline for strip in layout.strips}
    return _read_each(layout, outlines, shapes, _Kind(_read_strip, remove_strip, "remove_strip"), set(used_ids))


def _read_strip(reading: Reading, key: str, shape: Shape, used: set[str]) -> str:
    if not key:
        changes = add_strip(reading.layout, _usable(shape.vertices, MIN_STRIP_PX), used_ids=used)
        used.add(changes[0].object_id)
        reading.make(changes, "add_strip")
        return changes[0].object_id
    if not is_same_place(shape.vertices, reading.layout.strip(key).outline):
        outline = _usable(shape.vertices, MIN_STRIP_PX)
        reading.make(reshape_strip(reading.layout, key, outline), "reshape_strip")
    return key


def _owners(shapes: Sequence[Shape], outlines: Mapping[str, tuple[Point, ...]]) -> list[str]:
    """Which id each shape owns: of several with one id the one that did not move, else the first; others own none."""
    owner: dict[str, int] = {}
    for k, shape in enumerate(shapes):
        if shape.key not in outlines:
            continue
        held = owner.get(shape.key)
        if held is None or (_stays(shape, outlines) and not _stays(shapes[held], outlines)):
            owner[shape.key] = k
    return [shape.key if owner.get(shape.key) == k else "" for k, shape in enumerate(shapes)]


def _stays(shape: Shape, outlines: Mapping[str, tuple[Point, ...]]) -> bool:
    return is_same_place(shape.vertices, outlines[shape.key])


def _usable(vertices: ArrayLike, least: float = MIN_AREA_PX) -> Polygon:
    outline = to_outline(vertices)
    if polygon_area(outline) < least:
        area = f"{polygon_area(outline):.1f} px, at least {least:g}"
        msg = f"the shape is too small to be weighed ({area}); draw it larger"
        raise ValueError(msg)
    return outline


def _gesture(band: Band, outline: Polygon) -> str:
    """Move, if all vertices went the same way, else resize."""
    if len(outline) != len(band.outline):
        return "resize"
    steps = np.asarray(outline) - np.asarray(band.outline)
    return "move" if np.abs(steps - steps[0]).max() < 0.02 else "resize"
