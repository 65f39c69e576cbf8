"""Widths of lanes: alike as the wells are, and their own where bands spread differently; lengths alike."""

import numpy as np
import pytest

from blotquant.detection.band_peaks import FoundStrip, Peak
from blotquant.detection.lanes import lane_widths
from blotquant.detection.prediction import make_search_copy
from blotquant.detection.search import bounded
from blotquant.detection.strip_candidates import LaneTrace, StripCandidate

LANES = np.arange(8)
SURE = np.ones(8)


def test_differences_within_the_error_of_a_width_are_none():
    widths = 20 + 0.6 * np.array([-1, 1, -1, 1, -1, 1, -1, 1.0])
    assert lane_widths(LANES, widths, SURE, 8) == pytest.approx([20.0] * 8)


def test_lanes_that_differ_keep_most_of_their_own():
    """Half of the lanes are 16 wide, half 24: the robust SD is 1.4826 x 4, its square 35.2, one band's error 1."""
    widths = np.array([16, 24, 16, 24, 16, 24, 16, 24.0])
    part = (35.17 - 1) / (35.17 - 1 + 1)
    assert lane_widths(LANES, widths, SURE, 8) == pytest.approx(20 + part * (widths - 20), abs=0.01)


def test_a_lane_with_more_bands_is_drawn_less_to_the_others():
    """The mean of four bands has a quarter of the error."""
    lanes = np.concatenate([LANES, [0, 0, 0]])
    widths = np.array([14, 24, 16, 24, 16, 24, 16, 26, 14, 14, 14.0])
    found = np.array(lane_widths(lanes, widths, np.ones(11), 8))
    common = float(np.median(widths))
    kept = (found - common) / (widths[:8] - common)
    assert kept[0] > kept[7]


def test_a_lane_without_bands_has_the_usual_width():
    assert lane_widths(LANES, np.linspace(10, 30, 8), SURE, 9)[8] == pytest.approx(20)


def test_few_lanes_and_unsure_bands_are_taken_for_alike():
    widths = np.array([16.0, 24.0, 17.0])
    assert lane_widths(LANES[:3], widths, SURE[:3], 3) == [17.0] * 3
    faint = np.array([16, 24, 16, 24, 16, 24, 16, 24.0])
    assert lane_widths(LANES, faint, np.full(8, 0.02), 8) == pytest.approx([20.0] * 8)


def test_bounded_lets_a_short_lane_go_as_far_as_its_neighbour():
    """An outer lane of which the network sees only the lower part."""
    tracks = tuple(LaneTrace(np.array([0.0, 99.0]), np.array([c, c]), 12.0, 0.9) for c in (20.0, 40.0, 60.0))
    tops, bottoms = (10.0, 10.0, 45.0), (90.0, 88.0, 70.0)
    rows = [np.arange(int(top), int(bottom) + 1) for top, bottom in zip(tops, bottoms, strict=True)]
    spans = [(r, r.astype(float), np.zeros(len(r))) for r in rows]
    peaks = [Peak(k, 50.0 - tops[k], 50.0, 6.0, 100.0, 50.0, 0.9, group=0, core=6.0) for k in range(3)]
    grid = make_search_copy(np.random.default_rng(0).normal(size=(100, 80)))
    found = bounded(grid, FoundStrip(grid, StripCandidate(tracks, (), tops, bottoms), peaks, spans))
    assert found.piece.tops[2] == found.piece.tops[1]
    assert found.piece.bottoms[2] == found.piece.bottoms[1]
