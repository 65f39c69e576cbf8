"""Bands followed across their lanes: drawn curves are found again, one band or many at once."""

import numpy as np
import pytest

from blotquant.detection.outlines import Trace, lane_confidence, trace_bands

FWHM = 2 * np.sqrt(2 * np.log(2))


def drawn(row, col, tilt, bow, half, sigma, shape=(200, 400)):
    """Counts of a band with a curve of its own on a ground of 100."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    away = x - col
    line = row + tilt * away + bow * (away / half) ** 2
    return 100 + 5000 * np.exp(-(((y - line) / sigma) ** 2) / 2) * (np.abs(away) <= half)


def start(row, col, half, sigma):
    return Trace(row, col, 0.0, 0.0, half, FWHM * sigma, (row, col))


@pytest.mark.parametrize("half", [12, 40, 90])
def test_trace_bands_finds_the_drawn_curve(half):
    picture = drawn(100.0, 200.0, 0.06, 3.0, half, 5.0)
    (found,) = trace_bands(picture, [start(102.0, 200.0, half, 5.0)], [100.0])
    ends = found.rows_at([200 - 0.9 * half, 200, 200 + 0.9 * half])
    bow = 3.0 * 0.81
    assert ends == pytest.approx([100 - 0.06 * 0.9 * half + bow, 100, 100 + 0.06 * 0.9 * half + bow], abs=0.6)
    assert found.height == pytest.approx(FWHM * 5.0, rel=0.06)


def test_trace_bands_leaves_faint_bands_straight():
    picture = drawn(100.0, 200.0, 0.06, 3.0, 40, 5.0)
    (found,) = trace_bands(picture, [start(100.0, 200.0, 40, 5.0)], [5.0])
    assert (found.tilt, found.bow) == (0.0, 0.0)


def test_trace_bands_gives_each_band_what_it_gets_alone():
    picture = drawn(60.0, 80.0, 0.02, 1.0, 30, 4.0) + drawn(140.0, 300.0, -0.05, -2.0, 70, 9.0)
    starts = [start(61.0, 80.0, 30, 4.0), start(138.0, 300.0, 70, 9.0)]
    together = trace_bands(picture, starts, [50.0, 50.0])
    alone = [trace_bands(picture, [one], [50.0])[0] for one in starts]
    for a, b in zip(together, alone, strict=True):
        assert (a.row, a.tilt, a.bow, a.height, *a.peak) == pytest.approx(
            (b.row, b.tilt, b.bow, b.height, *b.peak), abs=1e-9
        )


def test_trace_bands_keeps_a_band_that_the_picture_hardly_shows():
    picture = drawn(100.0, 200.0, 0.0, 0.0, 40, 5.0)
    outside = start(260.0, 430.0, 20, 5.0)
    found = trace_bands(picture, [outside, start(100.0, 200.0, 40, 5.0)], [50.0, 50.0])
    assert found[0] is outside
    assert found[1].peak == pytest.approx((100, 200), abs=14)
    assert trace_bands(picture, [outside], [50.0]) == [outside]


def test_lane_confidence_rises_from_even_odds_with_clearness() -> None:
    assert lane_confidence(0.35) == pytest.approx(0.5)
    assert lane_confidence(0.2) < 0.2 < 0.8 < lane_confidence(0.5)
    assert lane_confidence(0.0) >= 0.05
    assert lane_confidence(1.0) <= 0.99
