"""Lanes of pictures of one membrane: which is which, and what is said where nothing decides."""

import numpy as np
import pytest

from blotquant.detection.lane_ties import Expected
from blotquant.detection.membranes import NOT_IDENTIFIED, find_membrane
from blotquant.errors import LaneCountError
from blotquant.synthetic import make_blot
from blotquant.synthetic.spec import BlotSpec, CameraSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec

PITCH = 44.0
N = 8


def picture(row, lit, *, edges=False, move=(0.0, 0.0), seed=0):
    down, right = move
    lanes = tuple(LaneSpec(center=46 + PITCH * k + right, width=33) for k in range(len(lit)))
    rows = (RowSpec(target="x", row=row + down, volumes=tuple(12_000.0 * v for v in lit), sigma=3),)
    box = (10 + down, 190 + down, 14 + right, 386 + right) if edges else (0.0, 200.0, 0.0, 400.0)
    strip = StripSpec(box=box, lanes=lanes, rows=rows, level=60 if edges else 0)
    spec = BlotSpec(
        shape=(200, 400), strips=(strip,), surface=SurfaceSpec(base=5), camera=CameraSpec(offset=300, read_noise=15)
    )
    return make_blot(spec, seed=seed).pixels.astype(float)


def columns(layout):
    return [float(lane.center_at(sum(lane.row_range) / 2)) for lane in layout.lanes]


TRUE = [46 + PITCH * k for k in range(N)]
ALL = (1,) * N


@pytest.mark.parametrize("dark", [(7, 8), (1,), (1, 8)])
def test_find_membrane_keeps_dark_end_lanes_in_their_place_on_one_frame(dark) -> None:
    lit = [0 if k + 1 in dark else 1 + k % 3 for k in range(N)]
    layouts, identities = find_membrane([picture(80, lit), picture(100, ALL, seed=1)], sheet=Expected(n_lanes=N))
    assert identities[0].is_known
    assert "frame" in identities[0].words
    assert columns(layouts[0]) == pytest.approx(TRUE, abs=2)
    shown = {lane.number for lane in layouts[0].lanes for b in layouts[0].bands_of(lane.id) if b.status == "detected"}
    assert shown == {k + 1 for k in range(N) if k + 1 not in dark}


def test_find_membrane_follows_the_membrane_by_its_edges_when_it_moved() -> None:
    lit = [0, 0, *ALL[2:]]
    first = picture(80, lit, edges=True, move=(5.0, 21.0))
    layouts, identities = find_membrane([first, picture(100, ALL, edges=True, seed=1)], sheet=Expected(n_lanes=N))
    assert identities[0].is_known
    assert columns(layouts[0]) == pytest.approx([c + 21 for c in TRUE], abs=2.5)


def test_find_membrane_scales_lanes_of_a_binned_picture() -> None:
    lit = [*ALL[:6], 0, 0]
    binned = picture(80, lit).reshape(100, 2, 200, 2).sum(axis=(1, 3))
    layouts, identities = find_membrane([binned, picture(100, ALL, seed=1)], sheet=Expected(n_lanes=N))
    assert identities[0].is_known
    assert columns(layouts[0]) == pytest.approx([(c - 0.5) / 2 for c in TRUE], abs=1)


def test_find_membrane_holds_back_a_cut_picture_that_nothing_ties() -> None:
    lit = [0, *ALL[1:7], 0]
    cut = picture(80, lit)[:, 31:]
    layouts, identities = find_membrane([cut, picture(100, ALL, seed=1)], sheet=Expected(n_lanes=N))
    assert not identities[0].is_known
    assert "lanes 1–6 or lanes 2–7 or lanes 3–8 of 8" in identities[0].words
    assert all(NOT_IDENTIFIED in lane.flags for lane in layouts[0].lanes)
    assert identities[1].is_known


def test_find_membrane_takes_the_first_lane_that_a_person_said() -> None:
    lit = [0, *ALL[1:7], 0]
    cut = picture(80, lit)[:, 31:]
    sheet = Expected(n_lanes=N, first_lanes=(2, None))
    layouts, identities = find_membrane([cut, picture(100, ALL, seed=1)], sheet=sheet)
    assert identities[0].is_known
    assert columns(layouts[0]) == pytest.approx([c - 31 for c in TRUE], abs=2)


def test_find_membrane_places_no_lane_for_a_sheet_that_lists_one_too_many() -> None:
    layouts, identities = find_membrane([picture(80, ALL)], sheet=Expected(n_lanes=N + 1))
    assert not identities[0].is_known
    assert "lanes 1–8 or lanes 2–9 of 9" in identities[0].words
    assert len(layouts[0].lanes) == N + 1


def test_find_membrane_puts_the_lanes_that_the_sheet_calls_ladder_where_it_has_them() -> None:
    sheet = Expected(n_lanes=N + 1, roles={1: "ladder", **dict.fromkeys(range(2, N + 2), "sample")})
    layouts, identities = find_membrane([picture(80, ALL), picture(100, ALL, seed=1)], sheet=sheet)
    assert all(identity.is_known for identity in identities)
    assert columns(layouts[0])[1:] == pytest.approx(TRUE, abs=2)


def test_find_membrane_refuses_a_sheet_with_fewer_lanes_than_the_picture_shows() -> None:
    with pytest.raises(LaneCountError, match="8 lanes stand in the picture, the sample sheet lists 7"):
        find_membrane([picture(80, ALL)], sheet=Expected(n_lanes=7))


def test_find_membrane_makes_no_two_lanes_of_one() -> None:
    roles = dict.fromkeys(range(1, N + 2), "sample") | {4: "blank"}
    layouts, identities = find_membrane([picture(80, ALL)], sheet=Expected(n_lanes=N + 1, roles=roles))
    assert not identities[0].is_known
    assert np.diff(columns(layouts[0])).min() > 0.7 * PITCH


def test_find_membrane_holds_back_a_sheet_whose_samples_show_in_no_picture() -> None:
    roles = {1: "ladder", **dict.fromkeys(range(2, N + 3), "sample")}
    _, identities = find_membrane(
        [picture(80, ALL), picture(100, ALL, seed=1)], sheet=Expected(n_lanes=N + 2, roles=roles)
    )
    assert not any(identity.is_known for identity in identities)
