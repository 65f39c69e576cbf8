"""Ladders: their bands match no row of the samples and must stand for themselves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from graded_suites import graded_suite

from blotquant.detection.picture import find_layout
from blotquant.io import read_image
from blotquant.synthetic.blot import make_blot
from blotquant.synthetic.spec import BlotSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec

SAMPLES = Path(__file__).parents[2] / "sample_images"


@pytest.mark.parametrize("name", ["blot1_pERK.tif", "blot2_pAKT.tif", "blot3a_ERK.tif"])
def test_find_layout_finds_every_strong_band_of_a_ladder(name):
    truth = pd.read_csv(SAMPLES / "truth.csv")
    ladder = truth[(truth["image"] == name) & (truth["role"] == "ladder") & (truth["snr"] > 30)]
    image = read_image(SAMPLES / name)
    layout = find_layout(image.signal(), ceiling=image.ceiling)
    peaks = [band.peak for band in layout.bands if band.status == "detected"]
    assert len(ladder) >= 2
    for row, col in zip(ladder["peak_row"], ladder["peak_col"], strict=True):
        assert any(abs(r - row) < 3 and abs(c - col) < 15 for r, c in peaks), (row, col)


@pytest.mark.parametrize(("number", "n_lanes"), [(5, 4), (8, 12)])
def test_find_layout_takes_a_ladder_at_the_end_for_a_lane(number, n_lanes):
    """Number 5 ends in a ladder of two bands, 8 begins with one that the lower row alone runs into."""
    blot = list(graded_suite("easy", number + 1, 7))[number]
    image = blot.image()
    layout = find_layout(image.signal(), ceiling=image.ceiling)
    assert [len(layout.lanes_of(strip.id)) for strip in layout.strips] == [n_lanes]


def test_find_layout_finds_every_band_of_a_dense_ladder():
    """Eighteen rows of unlike strength in four wide lanes: the bands themselves are no noise."""
    rng = np.random.default_rng(3)
    lanes = tuple(LaneSpec(center=130.0 + 190 * k, width=110.0) for k in range(4))
    sigmas = np.linspace(2.6, 4.2, 18)
    places = 60 + np.concatenate([[0.0], np.cumsum(sigmas[1:] * rng.uniform(5.5, 8.0, 17))])
    rows = tuple(
        RowSpec(target=f"r{j}", row=place, sigma=sigma, edge=3.0, volumes=(v,) * 4)
        for j, (place, sigma, v) in enumerate(
            zip(places.tolist(), sigmas.tolist(), (10 ** rng.uniform(5.0, 6.1, 18)).tolist(), strict=True)
        )
    )
    shape = (int(places[-1]) + 80, 830)
    strip = StripSpec(box=(0, shape[0], 0, shape[1]), lanes=lanes, rows=rows, level=300.0)
    surface = SurfaceSpec(haze=20.0, texture=0.03, glow=0.03, glow_px=25.0)
    found = find_layout(make_blot(BlotSpec(shape=shape, strips=(strip,), surface=surface), seed=4).image().signal())
    assert [lane.number for lane in found.lanes] == [1, 2, 3, 4]
    for lane in found.lanes:
        peaks = [band.peak[0] for band in found.bands_of(lane.id) if band.status == "detected"]
        assert peaks == pytest.approx(list(places), abs=1.5)
