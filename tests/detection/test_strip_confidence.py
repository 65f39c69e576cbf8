"""A strip's confidence: the estimated chance that all of its lanes are right."""

from __future__ import annotations

import pytest

from blotquant.detection.outlines import lane_confidence
from blotquant.detection.picture import strip_confidence


def test_clear_lanes_make_a_sure_strip_but_no_certain_one() -> None:
    assert 0.95 < strip_confidence([0.9] * 8) < 0.99


def test_the_least_clear_lane_decides() -> None:
    assert strip_confidence([0.95, 0.95, 0.4, 0.95]) == pytest.approx(strip_confidence([0.4] * 4))
    assert strip_confidence([0.95, 0.95, 0.25, 0.95]) < 0.3 < 0.9 < strip_confidence([0.9, 0.6, 0.9])
    assert strip_confidence([0.34]) == pytest.approx(0.5, abs=0.01)


def test_lanes_rise_from_even_odds_with_clearness() -> None:
    assert lane_confidence(0.35) == pytest.approx(0.5)
    assert lane_confidence(0.2) < 0.2 < 0.8 < lane_confidence(0.5)
    assert lane_confidence(0.0) >= 0.05
    assert lane_confidence(1.0) <= 0.99
