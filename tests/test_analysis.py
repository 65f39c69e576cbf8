"""Finding lanes anew inside strips that stand, on synthetic blots with known lanes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blotquant import analysis
from blotquant.analysis import find
from blotquant.detection.picture import find_lanes_again
from blotquant.model.geometry import Layout, Strip, bounding_box, rectangle
from blotquant.session.lane_edits import move_lane
from blotquant.session.session import Session, make_session
from blotquant.settings import Settings
from blotquant.synthetic import make_blot, plain_spec

BLOT = make_blot(plain_spec(np.linspace(4e4, 1e5, 12).reshape(2, 6), shape=(160, 320)), seed=5)


@pytest.fixture
def session() -> Session:
    image = BLOT.image()
    return make_session(image, find(image, Settings()))


def test_find_lanes_again_in_the_strip_that_a_hand_drew() -> None:
    """A blank margin of 40 px around the blot moves the lanes by 40 px and leaves the strip as it was drawn."""
    pixels = np.pad(np.asarray(BLOT.image().signal()), 40, mode="reflect")
    pixels[:40] = pixels[-40:] = np.median(pixels)
    strip = Strip(id="mine", number=1, outline=rectangle(40, 200, 40, 360))
    found = find_lanes_again(pixels, Layout(strips=(strip,)))
    truth = BLOT.true_layout()
    assert found.strips == (strip,)
    assert [lane.number for lane in found.lanes] == [1, 2, 3, 4, 5, 6]
    assert {lane.strip for lane in found.lanes} == {"mine"}
    middles = [float(lane.center_at(120)) - 40 for lane in found.lanes]
    assert middles == pytest.approx([float(lane.center_at(80)) for lane in truth.lanes], abs=3.0)
    assert {bounding_box(strip.outline).row_start <= band.peak[0] for band in found.bands} == {True}
    assert len([b for b in found.bands if b.status == "detected"]) == 12


def test_find_lanes_again_sees_none_in_an_empty_strip() -> None:
    strip = Strip(id="s1", number=1, outline=rectangle(0, 160, 0, 320))
    found = find_lanes_again(np.full((160, 320), 7.0), Layout(strips=(strip,)))
    assert (found.strips, found.lanes, found.bands) == ((strip,), (), ())


def test_find_again_without_a_step_keeps_what_a_hand_corrected(session: Session) -> None:
    image = BLOT.image()
    assert analysis.find_again(image, session) == session.layout_auto
    moved = session.edit(
        move_lane(session.layout, session.layout.lanes[2].id, d_col=3.0), action="move_lane", who="Ada", when="now"
    )
    found = analysis.find_again(image, moved)
    assert found.lanes == moved.layout.lanes
    assert analysis.find_again(image, moved, "strips") == session.layout_auto


def test_take_over_keeps_corrections_and_can_be_undone(session: Session) -> None:
    lane = session.layout.lanes[2]
    moved = session.edit(move_lane(session.layout, lane.id, d_col=3.0), action="move_lane", who="Ada", when="now")
    fewer = replace(session.layout_auto, bands=session.layout_auto.bands[:-1])
    taken, conflicts = moved.take_over(fewer, who="Ada", when="now")
    assert conflicts == ()
    assert taken.layout.lane(lane.id).center == moved.layout.lane(lane.id).center
    assert len(taken.layout.bands) == len(session.layout.bands) - 1
    assert taken.undo(who="Ada", when="now").layout == moved.layout
