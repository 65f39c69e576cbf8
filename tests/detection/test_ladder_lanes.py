"""Ladders: their bands match no row of the samples and must stand for themselves."""

from pathlib import Path

import pandas as pd
import pytest
from graded_suites import graded_suite

from blotquant.detection.picture import find_layout
from blotquant.io import read_image

SAMPLES = Path(__file__).parents[2] / "sample_images"


@pytest.mark.parametrize("name", ["blot1_pERK.tif", "blot2_pAKT.tif", "blot3a_ERK.tif"])
def test_every_strong_band_of_a_ladder_is_found(name):
    truth = pd.read_csv(SAMPLES / "truth.csv")
    ladder = truth[(truth["image"] == name) & (truth["role"] == "ladder") & (truth["snr"] > 30)]
    image = read_image(SAMPLES / name)
    layout = find_layout(image.signal(), ceiling=image.ceiling)
    peaks = [band.peak for band in layout.bands if band.status == "detected"]
    assert len(ladder) >= 2
    for row, col in zip(ladder["peak_row"], ladder["peak_col"], strict=True):
        assert any(abs(r - row) < 3 and abs(c - col) < 15 for r, c in peaks), (row, col)


@pytest.mark.parametrize(("number", "n_lanes"), [(5, 4), (8, 12)])
def test_a_ladder_at_the_end_is_a_lane_of_the_one_strip(number, n_lanes):
    """Number 5 ends in a ladder of two bands, 8 begins with one that the lower row alone runs into."""
    blot = list(graded_suite("easy", number + 1, 7))[number]
    image = blot.image()
    layout = find_layout(image.signal(), ceiling=image.ceiling)
    assert [len(layout.lanes_of(strip.id)) for strip in layout.strips] == [n_lanes]
