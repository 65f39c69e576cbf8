"""Widths of lanes: alike as the wells are, and their own where bands spread; lengths alike; as many as are wanted."""

from dataclasses import replace

import numpy as np
import pytest

from blotquant.detection.band_peaks import Peak
from blotquant.detection.lanes import evened, lane_widths, with_count
from blotquant.detection.strip_candidates import LaneTrace, StripCandidate

LANES = np.arange(8)
SURE = np.ones(8)


def test_lane_widths_take_differences_within_their_error_for_none():
    widths = 20 + 0.6 * np.array([-1, 1, -1, 1, -1, 1, -1, 1.0])
    assert lane_widths(LANES, widths, SURE, 8) == pytest.approx([20.0] * 8)


def test_lane_widths_that_differ_keep_most_of_their_own():
    """Half of the lanes are 16 wide, half 24: the robust SD is 1.4826 x 4, its square 35.2, one band's error 1."""
    widths = np.array([16, 24, 16, 24, 16, 24, 16, 24.0])
    part = (35.17 - 1) / (35.17 - 1 + 1)
    assert lane_widths(LANES, widths, SURE, 8) == pytest.approx(20 + part * (widths - 20), abs=0.01)


def test_lane_widths_with_more_bands_are_drawn_less_to_the_others():
    """The mean of four bands has a quarter of the error."""
    lanes = np.concatenate([LANES, [0, 0, 0]])
    widths = np.array([14, 24, 16, 24, 16, 24, 16, 26, 14, 14, 14.0])
    found = np.array(lane_widths(lanes, widths, np.ones(11), 8))
    common = float(np.median(widths))
    kept = (found - common) / (widths[:8] - common)
    assert kept[0] > kept[7]


def test_lane_widths_without_bands_are_the_usual_one():
    assert lane_widths(LANES, np.linspace(10, 30, 8), SURE, 9)[8] == pytest.approx(20)


def test_lane_widths_of_few_lanes_and_unsure_bands_are_alike():
    widths = np.array([16.0, 24.0, 17.0])
    assert lane_widths(LANES[:3], widths, SURE[:3], 3) == [17.0] * 3
    faint = np.array([16, 24, 16, 24, 16, 24, 16, 24.0])
    assert lane_widths(LANES, faint, np.full(8, 0.02), 8) == pytest.approx([20.0] * 8)


def strip_of(columns, *, dark=()):
    """Lanes at some columns, and a band of one row in each that is not dark."""
    tracks = tuple(LaneTrace(np.array([0.0, 50.0]), np.array([c, c]), 8.0, 0.9) for c in map(float, columns))
    piece = StripCandidate(tracks, (), (0.0,) * len(tracks), (50.0,) * len(tracks))
    lit = [k for k in range(len(tracks)) if k not in dark]
    return piece, [Peak(k, 25.0, 25.0, 6.0, 100.0, 50.0, 0.9, group=0, core=6.0) for k in lit]


def middles(piece):
    return [float(np.mean(t.cols)) for t in piece.tracks]


def test_evened_joins_the_halves_of_a_hollow_band():
    joined = evened(*strip_of([20, 40, 56, 64, 80, 100, 120]))
    assert middles(joined) == [20, 40, 60, 80, 100, 120]
    assert joined.tracks[2].width == pytest.approx(16)


def test_evened_leaves_out_lanes_in_free_ground_between_even_lanes():
    assert middles(evened(*strip_of([20, 40, 60, 80, 100, 140], dark=[1, 3]))) == [20, 60, 100, 140]


def test_evened_joins_halves_beside_free_ground_that_was_taken_for_lanes():
    """Four ladders, the first seen in halves, two of the gaps between them taken for lanes."""
    assert middles(evened(*strip_of([56, 64, 85, 100, 140, 160, 180], dark=[2, 5]))) == [60, 100, 140, 180]


def test_evened_joins_halves_of_which_one_shows_a_further_row():
    piece, peaks = strip_of([20, 40, 56, 64, 80, 100, 120])
    rows = [replace(p, group=k, row=10.0 * k) for p in peaks for k in range(5)]
    further = replace(peaks[3], group=5, row=60.0)
    assert middles(evened(piece, [*rows, further])) == [20, 40, 60, 80, 100, 120]


@pytest.mark.parametrize(
    ("columns", "dark"),
    [
        (range(20, 160, 20), ()),
        (range(20, 160, 20), (3,)),
        ([20, 40, 60, 80, 120, 140], ()),
        ([20, 40, 56, 64, 80, 100, 120], (2,)),
        ([20, 28, 60, 68, 100, 108, 140, 148], ()),
    ],
    ids=["even", "an empty lane", "a free well", "a band beside an empty lane", "all in pairs"],
)
def test_evened_keeps_other_lanes(columns, dark):
    assert evened(*strip_of(columns, dark=dark)) is None


def test_with_count_brings_lanes_to_a_wanted_number() -> None:
    def lane(col: float, clear: float = 0.9) -> LaneTrace:
        return LaneTrace(np.array([0.0, 10.0]), np.array([col, col]), 6.0, clear)

    tracks = [lane(0, 0.5), lane(10), lane(20), lane(40), lane(50, 0.7)]
    middles = [float(np.mean(t.cols)) for t in with_count(tracks, 4, 1, 3)]
    assert middles == [10, 20, 40, 50]  # the clearer of the two beside
    assert [float(np.mean(t.cols)) for t in with_count(tracks, 2, 1, 3)] in ([10, 20], [20, 40])
    assert [float(np.mean(t.cols)) for t in with_count(tracks, 6, 1, 3)] == [0, 10, 20, 30, 40, 50]
    assert [float(np.mean(t.cols)) for t in with_count([lane(0), lane(10)], 3, 0, 1)] == [0, 10, 20]
