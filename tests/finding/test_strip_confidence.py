"""A strip's confidence: the estimated chance that all of its lanes are right."""

from __future__ import annotations

import pytest

from blotquant.finding.layouts import strip_confidence


def test_a_chance_of_three_in_four_where_lanes_look_as_usual() -> None:
    assert strip_confidence([0.9] * 8) == pytest.approx(0.75, abs=0.01)


def test_sure_lanes_promise_no_certain_strip() -> None:
    assert 0.78 < strip_confidence([0.99] * 12) < 0.82


def test_weak_end_lane_counts_more_than_weak_inner_lane() -> None:
    inner = strip_confidence([0.95, 0.95, 0.5, 0.95, 0.95, 0.95])
    end = strip_confidence([0.95, 0.95, 0.95, 0.95, 0.95, 0.5])
    assert end < inner < strip_confidence([0.95] * 6)


def test_same_from_either_side() -> None:
    lanes = [0.45, 0.8, 0.99, 0.7]
    assert strip_confidence(lanes) == pytest.approx(strip_confidence(lanes[::-1]))
