"""Widths of lanes: alike as the wells are, and their own where bands spread differently."""

import numpy as np
import pytest

from blotquant.detection.lanes import lane_widths

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
