"""Bands followed across their lanes: drawn curves are found again, one band or many at once."""

import numpy as np
import pytest

from blotquant.detection.outlines import lane_confidence, trace_bands

FWHM = 2 * np.sqrt(2 * np.log(2))


def drawn(row, col, tilt, bow, half, sigma, shape=(200, 400)):
    """Counts of a band with a curve of its own on a ground of 100."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    away = x - col
    line = row + tilt * away + bow * (away / half) ** 2
    return 100 + 5000 * np.exp(-(((y - line) / sigma) ** 2) / 2) * (np.abs(away) <= half)


def start(row, col, half, sigma):
    """A level line where a band is expected, and its height."""
    return np.array([[row, col, 0.0, half]]), np.array([FWHM * sigma])


def rows_at(line, cols):
    row, col, tilt, half, bow = line
    away = np.asarray(cols) - col
    return row + tilt * away + bow * (away / half) ** 2


@pytest.mark.parametrize("half", [12, 40, 90])
def test_trace_bands_finds_the_drawn_curve(half):
    picture = drawn(100.0, 200.0, 0.06, 3.0, half, 5.0)
    (line,), (height,), _ = trace_bands(picture, *start(102.0, 200.0, half, 5.0), np.array([100.0]))
    ends = rows_at(line, [200 - 0.9 * half, 200, 200 + 0.9 * half])
    bow = 3.0 * 0.81
    assert ends == pytest.approx([100 - 0.06 * 0.9 * half + bow, 100, 100 + 0.06 * 0.9 * half + bow], abs=0.6)
    assert height == pytest.approx(FWHM * 5.0, rel=0.06)


def test_trace_bands_leaves_faint_bands_straight():
    picture = drawn(100.0, 200.0, 0.06, 3.0, 40, 5.0)
    (line,), _, _ = trace_bands(picture, *start(100.0, 200.0, 40, 5.0), np.array([5.0]))
    assert (line[2], line[4]) == (0.0, 0.0)


def test_trace_bands_gives_each_band_what_it_gets_alone():
    picture = drawn(60.0, 80.0, 0.02, 1.0, 30, 4.0) + drawn(140.0, 300.0, -0.05, -2.0, 70, 9.0)
    starts = [start(61.0, 80.0, 30, 4.0), start(138.0, 300.0, 70, 9.0)]
    together = trace_bands(picture, *(np.concatenate(part) for part in zip(*starts, strict=True)), np.full(2, 50.0))
    for k, one in enumerate(starts):
        alone = trace_bands(picture, *one, np.array([50.0]))
        for a, b in zip(together, alone, strict=True):
            assert a[k] == pytest.approx(b[0], abs=1e-9)


def test_trace_bands_keeps_a_band_that_the_picture_hardly_shows():
    picture = drawn(100.0, 200.0, 0.0, 0.0, 40, 5.0)
    outside, inside = start(260.0, 430.0, 20, 5.0), start(100.0, 200.0, 40, 5.0)
    both = tuple(np.concatenate(part) for part in zip(outside, inside, strict=True))
    for given in (both, outside):
        lines, heights, peaks = trace_bands(picture, *given, np.full(len(given[1]), 50.0))
        assert (*lines[0], heights[0], *peaks[0]) == (260.0, 430.0, 0.0, 20.0, 0.0, FWHM * 5.0, 260.0, 430.0)
    assert trace_bands(picture, *both, np.full(2, 50.0))[2][1] == pytest.approx((100, 200), abs=14)


def test_lane_confidence_rises_from_even_odds_with_clearness() -> None:
    assert lane_confidence(0.35) == pytest.approx(0.5)
    assert lane_confidence(0.2) < 0.2 < 0.8 < lane_confidence(0.5)
    assert lane_confidence(0.0) >= 0.05
    assert lane_confidence(1.0) <= 0.99
