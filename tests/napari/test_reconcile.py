"""Whole-state differences become edits."""

from __future__ import annotations

import numpy as np
import pytest

from blotquant.model.geometry import Band, Layout, rectangle
from blotquant.session.drawn_shapes import Shape, read_bands, read_lanes
from blotquant.session.hit_testing import shown_outline
from napari_blotquant.shapes import to_vertices


@pytest.fixture
def layout(editor) -> Layout:
    return editor.layout


def shapes_of(layout: Layout) -> list[Shape]:
    return [Shape(band.id, to_vertices(shown_outline(layout, band)).astype(np.float32)) for band in layout.bands]


def lanes_of(layout: Layout) -> list[Shape]:
    return [Shape(lane.id, to_vertices(lane.outline).astype(np.float32)) for lane in layout.lanes]


def test_nothing_changed_is_no_edit(layout: Layout) -> None:
    assert read_bands(layout, shapes_of(layout)).changes == []
    assert read_lanes(layout, lanes_of(layout)).changes == []


def test_the_order_of_shapes_does_not_matter(layout: Layout) -> None:
    assert read_bands(layout, shapes_of(layout)[::-1]).changes == []


def test_a_moved_shape_is_a_move_and_a_pulled_one_a_resize(layout: Layout) -> None:
    shapes = shapes_of(layout)
    key = shapes[2].key
    shapes[2] = Shape(key, shapes[2].vertices + np.float32(2.5))
    reading = read_bands(layout, shapes)
    assert (reading.action, [c.object_id for c in reading.changes]) == ("move", [key])
    pulled = np.array(shapes[2].vertices)
    pulled[-1, 0] += 4
    shapes[2] = Shape(key, pulled)
    assert read_bands(layout, shapes).action == "resize"


def test_a_missing_shape_is_a_deletion(layout: Layout) -> None:
    shapes = shapes_of(layout)
    gone = shapes.pop(3)
    reading = read_bands(layout, shapes)
    assert reading.action == "delete"
    assert [(c.object_id, c.after) for c in reading.changes] == [(gone.key, None)]


def test_many_deletions_are_recorded_in_one_order(layout: Layout) -> None:
    """The record's bytes must not hang on the order of a set."""
    gone = read_bands(layout, shapes_of(layout)[:2]).changes
    assert len(gone) == len(layout.bands) - 2
    assert [c.object_id for c in gone] == sorted(c.object_id for c in gone)


@pytest.mark.parametrize("position", [0, -1])
def test_a_pasted_shape_gets_an_id_of_its_own_and_the_original_keeps_its(layout: Layout, position: int) -> None:
    shapes = shapes_of(layout)
    pasted = Shape(shapes[1].key, shapes[1].vertices + np.float32([12, 0]))
    shapes.insert(position if position == 0 else len(shapes), pasted)
    reading = read_bands(layout, shapes, used_ids={"hand1"})
    assert reading.action == "draw"
    assert reading.keys[position] == "hand2"
    assert sorted(reading.keys) == sorted([*(s.key for s in shapes_of(layout)), "hand2"])
    assert [c.before for c in reading.changes] == [None]


def test_a_drawn_shape_lies_in_its_lane(layout: Layout) -> None:
    lane = layout.lanes[2]
    col = float(lane.center_at(20))
    shapes = [*shapes_of(layout), Shape("nan", to_vertices(rectangle(15, 25, col - 8, col + 8)))]
    reading = read_bands(layout, shapes)
    new = reading.changes[0].after
    assert isinstance(new, Band)
    assert (new.lane, new.origin) == (lane.id, "drawn")


def test_a_speck_is_refused_in_words(layout: Layout) -> None:
    shapes = [*shapes_of(layout), Shape("", rectangle(15, 16, 20, 22))]
    reading = read_bands(layout, shapes)
    assert reading.changes == []
    assert reading.refused == ["the shape is too small to be measured (2.0 px, at least 4); draw it larger"]


def test_doublet_partners_follow_one_drag(layout: Layout) -> None:
    from dataclasses import replace

    first = replace(layout.bands[0], split=((-3.0, 0.8), (3.0, 0.2)))
    other = replace(first, id="partner", split=((-3.0, 0.2), (3.0, 0.8)))
    both = replace(layout, bands=(first, other, *layout.bands[1:])).sorted()
    shapes = shapes_of(both)
    index = next(k for k, s in enumerate(shapes) if s.key == "partner")
    shapes[index] = Shape("partner", shapes[index].vertices + np.float32([3, 0]))
    reading = read_bands(both, shapes)
    assert sorted(c.object_id for c in reading.changes) == sorted([first.id, "partner"])
    assert reading.layout.band(first.id).outline == reading.layout.band("partner").outline
    dragged_both = [
        Shape(s.key, s.vertices + np.float32([3, 0])) if s.key in (first.id, "partner") else s for s in shapes_of(both)
    ]
    assert len(read_bands(both, dragged_both).changes) == 2


def test_lanes_moved_removed_and_added(layout: Layout) -> None:
    shapes = lanes_of(layout)
    moved = [Shape(shapes[0].key, shapes[0].vertices + np.float32([0, 3])), *shapes[1:]]
    reading = read_lanes(layout, moved)
    assert reading.action == "reshape_lane"
    assert reading.layout.lanes[0].center[0][1] == pytest.approx(layout.lanes[0].center[0][1] + 3, abs=1e-3)
    assert {c.kind for c in reading.changes} == {"lane", "band"}
    fewer = read_lanes(layout, shapes[1:])
    assert fewer.action == "remove_lane"
    assert [lane.number for lane in fewer.layout.lanes] == [1, 2, 3]
    more = read_lanes(layout, [*shapes, Shape(shapes[0].key, shapes[0].vertices + np.float32([0, 20]))])
    assert more.action == "add_lane"
    assert len(more.layout.lanes) == 5
    assert more.keys[-1].startswith("hand-lane")
