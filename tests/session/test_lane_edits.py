"""What a hand does to strips, against hand-computed geometry."""

from __future__ import annotations

import numpy as np
import pytest

from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.session.band_edits import confirm
from blotquant.session.lane_edits import add_strip, lay_grid, remove_strip, reshape_strip
from blotquant.session.replay import apply_changes


@pytest.fixture
def layout() -> Layout:
    """Two strips, one above the other, each with one lane and one band."""
    strips = tuple(Strip(id=f"s{k}", number=k, outline=rectangle(r, r + 50, 0, 100)) for k, r in ((1, 0), (2, 60)))
    lanes = tuple(
        Lane(id=f"l{k}", strip=f"s{k}", number=1, center=((r, 30.0), (r + 49.0, 30.0)), widths=(20.0, 20.0))
        for k, r in ((1, 0.0), (2, 60.0))
    )
    bands = tuple(
        Band(id=f"b{k}", lane=f"l{k}", outline=rectangle(r + 20, r + 30, 22, 39), peak=(r + 24.5, 30.0), confidence=0.4)
        for k, r in ((1, 0), (2, 60))
    )
    return Layout(strips=strips, lanes=lanes, bands=bands)


def test_apply_changes_a_moved_strip_takes_its_lanes_and_bands_along(layout: Layout) -> None:
    outline = np.add(layout.strip("s1").outline, (3.0, -2.0))
    after = apply_changes(layout, reshape_strip(layout, "s1", outline))
    assert after.strip("s1").outline == rectangle(3, 53, -2, 98)
    assert after.lane("l1").center == ((3.0, 28.0), (52.0, 28.0))
    assert after.band("b1").outline == rectangle(23, 33, 20, 37)
    assert (after.band("b1").peak, after.band("b1").origin) == ((27.5, 28.0), "edited")
    assert after.band("b2") == layout.band("b2")


def test_apply_changes_a_pulled_strip_leaves_its_lanes_where_they_are(layout: Layout) -> None:
    after = apply_changes(layout, reshape_strip(layout, "s1", rectangle(0, 55, 0, 100)))
    assert after.strip("s1").outline == rectangle(0, 55, 0, 100)
    assert (after.lanes, after.bands) == (layout.lanes, layout.bands)
    assert reshape_strip(layout, "s1", layout.strip("s1").outline) == []


def test_add_strip_a_drawn_strip_is_numbered_by_its_place_and_its_id_is_never_given_again(layout: Layout) -> None:
    changes = add_strip(layout, rectangle(0, 50, 110, 200), used_ids=["hand-strip1"])
    after = apply_changes(layout, changes)
    assert [(s.id, s.number) for s in after.strips] == [("s1", 1), ("hand-strip2", 2), ("s2", 3)]


def test_apply_changes_a_removed_strip_goes_with_what_lies_on_it(layout: Layout) -> None:
    after = apply_changes(layout, remove_strip(layout, "s1"))
    assert [(s.id, s.number) for s in after.strips] == [("s2", 1)]
    assert [lane.id for lane in after.lanes] == ["l2"]
    assert [band.id for band in after.bands] == ["b2"]


def test_apply_changes_confirming_makes_sure_and_changes_nothing_else(layout: Layout) -> None:
    after = apply_changes(layout, confirm(layout, "b1"))
    assert after.band("b1").confidence == 1.0
    assert (after.band("b1").outline, after.band("b1").origin) == (layout.band("b1").outline, "detected")
    assert confirm(after, "b1") == []


def test_lay_grid_takes_the_place_of_a_strips_lanes(layout: Layout) -> None:
    after = apply_changes(layout, lay_grid(layout, rectangle(65, 105, 10, 90), 4))
    lanes = after.lanes_of("s2")
    assert [lane.number for lane in lanes] == [1, 2, 3, 4]
    assert [lane.center for lane in lanes] == [((64.5, c), (104.5, c)) for c in (19.5, 39.5, 59.5, 79.5)]
    assert {lane.widths for lane in lanes} == {(16.0, 16.0)}
    assert [band.id for band in after.bands] == ["b1"]
    assert after.lanes_of("s1") == layout.lanes_of("s1")


def test_lay_grid_makes_a_strip_where_there_is_none(layout: Layout) -> None:
    after = apply_changes(layout, lay_grid(layout, rectangle(65, 105, 110, 190), 2))
    assert len(after.lanes_of("hand-strip1")) == 2
    assert len(after.lanes) == 4
