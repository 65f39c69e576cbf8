"""Lanes of one picture of a membrane on another one: against the places where they were drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blotquant.detection.registration import match_turned
from blotquant.errors import LaneCountError
from blotquant.model.geometry import Layout
from blotquant.model.image import BlotImage
from blotquant.runs.blots import start
from blotquant.runs.shared_lanes import take_back, use_lanes
from blotquant.session.band_edits import delete_band
from blotquant.session.lane_edits import remove_lane, set_lane_width, set_role
from blotquant.session.replay import apply_changes
from blotquant.session.session import Session
from blotquant.synthetic import make_blot
from blotquant.synthetic.spec import BlotSpec, CameraSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec

N, PITCH = 6, 44.0
COLUMNS = [46 + PITCH * k for k in range(N)]
SIGNED = {"who": "Ada", "when": "2026-01-02T03:04:05Z"}


def picture(
    row: float,
    lit: tuple[float, ...],
    *,
    edges: bool = True,
    move: tuple[float, float] = (0, 0),
    tilt_deg: float = 0.0,
) -> BlotImage:
    down, right = move
    lanes = tuple(LaneSpec(center=c + right, width=33) for c in COLUMNS)
    rows = (RowSpec(target="x", row=row + down, volumes=tuple(12_000.0 * v for v in lit), sigma=3),)
    box = (10 + down, 190 + down, 14 + right, 298 + right) if edges else (0.0, 205.0, 0.0, 330.0)
    strip = StripSpec(box=box, lanes=lanes, rows=rows, level=60 if edges else 0, tilt_deg=tilt_deg)
    surface, camera = SurfaceSpec(base=5), CameraSpec(offset=300, read_noise=15)
    return make_blot(BlotSpec(shape=(205, 330), strips=(strip,), surface=surface, camera=camera), seed=int(row)).image()


def columns(layout: Layout) -> list[float]:
    return [float(lane.center_at(100)) for lane in layout.lanes]


@pytest.fixture(scope="module")
def corrected() -> tuple[BlotImage, Layout]:
    """A picture whose lanes a hand made right: the first one is the ladder's, all are 30 px wide."""
    image = picture(80, (1,) * N)
    layout = start(image).session.layout
    for lane in layout.lanes:
        layout = apply_changes(layout, set_lane_width(layout, lane.id, width=30))
    return image, apply_changes(layout, set_role(layout, layout.lanes[0].id, "ladder"))


def wrong(session: Session) -> Session:
    """A hand removed a band, and a lane is missing from what was found."""
    layout = session.layout_auto
    short = apply_changes(layout, remove_lane(layout, layout.lanes[2].id))
    session = replace(session, layout_auto=short)
    return session.edit(delete_band(short, short.bands[0].id), action="delete", **SIGNED)


@pytest.mark.parametrize(("move", "tilt_deg"), [((0.0, 0.0), 0.0), ((5.0, 21.0), 0.0), ((5.0, 9.0), 2.5)])
def test_use_lanes_places_all_of_them_on_a_picture_that_moved(
    corrected: tuple[BlotImage, Layout], move: tuple[float, float], tilt_deg: float
) -> None:
    other = picture(110, (1, 1.5, 2, 1, 2, 1), move=move, tilt_deg=tilt_deg)
    session = wrong(start(other).session)
    found, gestures = use_lanes(*corrected, other, session, **SIGNED)
    layout = found.layout
    assert columns(layout) == pytest.approx([c + move[1] for c in COLUMNS], abs=1.5)
    assert [lane.number for lane in layout.lanes] == [1, 2, 3, 4, 5, 6]
    assert [lane.role for lane in layout.lanes] == ["ladder"] + ["sample"] * 5
    assert np.mean(layout.lanes[3].widths) == pytest.approx(30, abs=0.1)
    lit = {lane.number for lane in layout.lanes for b in layout.bands_of(lane.id) if b.status == "detected"}
    assert lit == {2, 3, 4, 5, 6}, "found again in its lanes; what a hand removed stays removed"
    assert {e.action for e in found.history.edits} == {"delete", "lanes_of_membrane", "find_again"}
    assert take_back(found, gestures, **SIGNED).layout == session.layout
    assert use_lanes(*corrected, other, found, **SIGNED)[1] == 0


@pytest.mark.parametrize("tilt_deg", [-1.0, 0.6, 2.0])
def test_match_turned_does_not_turn_exposures_of_one_membrane(
    corrected: tuple[BlotImage, Layout], tilt_deg: float
) -> None:
    """How far a strip leans is known to about half a degree, and a hand may have drawn it askew."""
    image, layout = corrected
    leaning = replace(layout, strips=tuple(replace(strip, tilt_deg=tilt_deg) for strip in layout.strips))
    noise = np.random.default_rng(5).normal(0, 2, image.shape)
    placement = match_turned((image.signal(), layout), (1.7 * image.signal() + noise, leaning))
    assert placement is not None
    assert placement.at([(100, 46), (100, 266)]) == pytest.approx(np.array([(100, 46), (100, 266)]), abs=0.5)


def test_use_lanes_leaves_alone_what_it_cannot_lay_on_the_other(corrected: tuple[BlotImage, Layout]) -> None:
    image, layout = corrected
    other = picture(110, (1,) * N, edges=False)
    cut = other.with_(pixels=other.pixels[:, 19:])
    with pytest.raises(LaneCountError, match="nothing beside the bands ties it"):
        use_lanes(image, layout, cut, start(cut).session, **SIGNED)
    shifted = other.with_(pixels=np.roll(other.pixels, 19, axis=1))
    with pytest.raises(LaneCountError, match=r"by the frame alone, its lanes lie 0\.\d+ of a lane's distance away"):
        use_lanes(image, layout, shifted, start(shifted).session, **SIGNED)
    narrow = picture(110, (1,) * N).with_(pixels=picture(110, (1,) * N).pixels[:, :250])
    with pytest.raises(LaneCountError, match="lane 6 would lie outside"):
        use_lanes(image, layout, narrow, start(narrow).session, **SIGNED)
