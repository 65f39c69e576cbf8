"""The end at which the sheet has its ladder, against the ladder in the picture."""

from dataclasses import replace
from pathlib import Path

import pytest

from blotquant.detection.picture import find_layout
from blotquant.errors import LaneCountError
from blotquant.io import read_image
from blotquant.runs.membranes import check_ladder_place
from blotquant.synthetic import make_blot, plain_spec

PICTURE = Path(__file__).parents[2] / "sample_images" / "blot1_pAKT.tif"


def roles(n):
    return {1: "ladder", **dict.fromkeys(range(2, n + 1), "sample")}


def test_one_lane_too_many_does_not_shift_the_samples_past_the_ladder():
    signal = read_image(PICTURE).signal()
    found = find_layout(signal, n_lanes=9)
    check_ladder_place([found], roles(9))
    guess = replace(found.lanes[0], id="s1l10", number=1, flags=("lane_uncertain", "empty_lane"))
    moved = [replace(lane, number=lane.number + 1) for lane in found.lanes]
    one_more = replace(found, lanes=(guess, *moved))
    with pytest.raises(LaneCountError, match=r"lists 10 lanes .* would be lane 2, .*: 9 lanes stand in the picture"):
        check_ladder_place([one_more], roles(10))


def test_a_ladder_that_is_not_seen_is_no_contradiction():
    signal = make_blot(plain_spec((40_000, 25_000, 0, 60_000, 15_000, 30_000), shape=(90, 220)), seed=3).pixels
    layout = find_layout(signal.astype(float), n_lanes=7)
    assert len(layout.lanes) == 7
    check_ladder_place([layout], roles(7))
