"""Pictures laid on each other by the membrane, never by the pattern of lit lanes."""

import numpy as np
import pytest

from blotquant.detection.picture import find_layout
from blotquant.detection.registration import (
    Placement,
    find_sides,
    frame_placement,
    match_content,
    place_layout,
)
from blotquant.synthetic import make_blot
from blotquant.synthetic.spec import BlotSpec, CameraSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec


def picture(row, right=0.0, *, edges=True, down=0.0, seed=0):
    lanes = tuple(LaneSpec(center=70 + 44 * k + right, width=33) for k in range(6))
    rows = (RowSpec(target="x", row=row + down, volumes=(12_000.0,) * 6, sigma=3),)
    box = (20 + down, 190 + down, 30 + right, 340 + right) if edges else (0.0, 220.0, 0.0, 380.0)
    strip = StripSpec(box=box, lanes=lanes, rows=rows, level=60 if edges else 0)
    spec = BlotSpec(
        shape=(220, 380), strips=(strip,), surface=SurfaceSpec(base=5), camera=CameraSpec(offset=300, read_noise=15)
    )
    return make_blot(spec, seed=seed).pixels.astype(float)


def test_match_content_finds_the_shift_of_the_membrane_and_not_that_of_the_rows() -> None:
    a, b = picture(80), picture(120, right=17, down=9, seed=1)
    found = match_content((a, find_layout(a)), (b, find_layout(b)))
    assert found is not None
    assert (found.rows, found.cols) == pytest.approx((9, 17), abs=2)


def test_match_content_says_nothing_where_there_are_only_bands() -> None:
    a, b = picture(80, edges=False), picture(120, right=44, edges=False, seed=1)
    assert match_content((a, find_layout(a)), (b, find_layout(b))) is None


def test_find_sides_finds_the_edges_of_the_membrane() -> None:
    signal = picture(80)
    layout = find_layout(signal)
    assert find_sides(signal, layout, layout.strips[0].id) == pytest.approx((29.5, 339.5), abs=1.5)
    bare = picture(80, edges=False)
    assert find_sides(bare, find_layout(bare), "s1") is None


@pytest.mark.parametrize(
    ("moving", "expected"),
    [((200, 300), Placement()), ((100, 150), Placement(rows=-0.25, cols=-0.25, scale=0.5)), ((200, 280), None)],
)
def test_frame_placement_knows_binned_frames(moving, expected) -> None:
    assert frame_placement((200, 300), moving) == expected


def test_place_layout_moves_and_scales_lanes_with_their_widths() -> None:
    layout = find_layout(picture(80))
    placed = place_layout(layout, Placement(rows=3, cols=-2, scale=0.5))
    lane, moved = layout.lanes[2], placed.lanes[2]
    np.testing.assert_allclose(np.asarray(moved.center), 0.5 * np.asarray(lane.center) + (3, -2))
    np.testing.assert_allclose(moved.widths, 0.5 * np.asarray(lane.widths))


def test_placement_turns_about_the_first_pixel() -> None:
    np.testing.assert_allclose(Placement(turn_deg=90).at((0.0, 1.0)), (1, 0), atol=1e-12)
