"""The grey of printed pictures: linear, from the bands, and no band clipped that the camera did not clip."""

import numpy as np
import pytest

from blotquant.export.contrast import band_contrast, to_grey

ROW, COLUMN = np.mgrid[:60, :80]


def blot(*, height=50_000.0, width=2.0):
    """One narrow strong band and one weak one on a background of 300."""
    strong = height * np.exp(-((ROW - 20) ** 2) / (2 * width**2) - (COLUMN - 20) ** 2 / 60)
    weak = 0.02 * height * np.exp(-((ROW - 20) ** 2) / (2 * width**2) - (COLUMN - 60) ** 2 / 60)
    return 300 + strong + weak


BOXES = [(14, 27, 8, 33), (14, 27, 48, 73)]


def test_band_contrast_clips_no_band():
    signal = blot()
    white, black = band_contrast(signal, BOXES)
    assert black == signal.max()
    assert white == np.percentile(signal, 0.5)
    grey = to_grey(signal, white, black)
    assert (grey == 0).sum() == 1  # a percentile of the whole picture would blacken the band's middle


def test_to_grey_is_linear_in_the_counts():
    signal = blot()
    white, black = band_contrast(signal, BOXES)
    expected = 255 * (1 - np.clip((signal - white) / (black - white), 0, 1))
    assert np.abs(to_grey(signal, white, black) - expected).max() <= 0.5


def test_band_contrast_is_not_led_by_a_hot_pixel():
    signal = blot(height=5_000.0)
    clean = band_contrast(signal, BOXES)[1]
    signal[20, 15] = 65_535
    assert band_contrast(signal, BOXES)[1] == pytest.approx(clean, rel=0.01)


def test_band_contrast_without_bands_or_pixels():
    signal = blot()
    assert band_contrast(signal, [])[1] == np.percentile(signal, 99.95)
    assert band_contrast(np.full((5, 5), 7.0), []) == (7.0, 8.0)
    assert band_contrast(np.full((5, 5), np.nan), BOXES) == (0.0, 1.0)
