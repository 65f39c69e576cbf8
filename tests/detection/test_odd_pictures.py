"""Pictures with next to nothing in them: what is there is found, and no more."""

import numpy as np
import pytest

from blotquant.detection.picture import find_layout

HEIGHT, WIDTH = 300, 500


def picture_of(*bands, width=WIDTH):
    """Bare membrane with bands at (row, col), each 30 columns wide."""
    rows, cols = np.mgrid[:HEIGHT, :width]
    pixels = 2000 + np.random.default_rng(5).normal(0, 30, (HEIGHT, width))
    for row, col in bands:
        across = 1 / (1 + np.exp((np.abs(cols - col) - 15) / 1.5))
        pixels += 900 * np.exp(-(((rows - row) / 4) ** 2) / 2) * across
    return pixels.astype(np.float32)


def test_find_layout_finds_one_band_on_an_empty_membrane():
    layout = find_layout(picture_of((140, 260)), ceiling=65535)
    assert (len(layout.strips), len(layout.lanes), len(layout.bands)) == (1, 1, 1)
    assert layout.bands[0].peak == pytest.approx((140, 260), abs=3)


@pytest.mark.parametrize("width", [120, 500])
def test_find_layout_finds_one_lane_as_one(width):
    places = [(row, width / 2) for row in (60, 110, 170, 230)]
    layout = find_layout(picture_of(*places, width=width), ceiling=65535)
    assert (len(layout.strips), len(layout.lanes), len(layout.bands)) == (1, 1, 4)
    assert [band.peak[0] for band in layout.bands] == pytest.approx([60, 110, 170, 230], abs=3)
