"""Whole lanes against pictures whose every count is known: haze, debris, composition, overlap."""

from dataclasses import replace

import numpy as np
import pytest

from blotquant.model.geometry import Lane, Layout, Strip, rectangle
from blotquant.model.image import BlotImage
from blotquant.quantification.lanes import lane_rows, measure_lanes
from blotquant.settings import QuantificationSettings
from blotquant.tables import LANE_COLUMNS

SHAPE = (300, 260)
CENTERS = (40.0, 90.0, 140.0, 190.0, 235.0)
LOADS = np.array([1.0, 1.6, 0.7, 1.2, 1.9])
WIDE = 30


def layout() -> Layout:
    lanes = tuple(
        Lane(id=f"l{k}", strip="s", number=k, center=((-0.5, c - 0.5), (299.5, c - 0.5)), widths=(WIDE, WIDE))
        for k, c in enumerate(CENTERS, 1)
    )
    return Layout(strips=(Strip(id="s", number=1, outline=rectangle(0, 300, 0, 260)),), lanes=lanes)


def protein(rows: np.ndarray) -> np.ndarray:
    """Twelve bands of unlike height along a lane, counts."""
    places = np.linspace(25, 275, 12)
    heights = np.random.default_rng(2).uniform(100, 600, 12)
    return (heights * np.exp(-0.5 * ((rows[:, None] - places) / 2.5) ** 2)).sum(axis=1)


def stain(*, haze: float = 0.0, noise: float = 6.0, loads: np.ndarray = LOADS, seed: int = 5) -> np.ndarray:
    rng, rows = np.random.default_rng(seed), np.arange(SHAPE[0])
    pixels = 800 + rng.normal(0, noise, SHAPE)
    for c, load in zip(CENTERS, loads, strict=True):
        cols = slice(int(c - WIDE / 2), int(c + WIDE / 2))
        cloud = haze * (1 + np.sin(rows / 60 + rng.uniform(0, 6))) * rng.uniform(0.2, 1)
        pixels[:, cols] += (load * protein(rows) + cloud)[:, None]
    return pixels


def measured(pixels: np.ndarray, **options):
    return measure_lanes(BlotImage(pixels=pixels), options.pop("of", layout()), **options)


@pytest.mark.parametrize("haze", [0.0, 40.0, 200.0])
def test_measure_lanes_in_proportion_to_the_load_whatever_the_haze(haze):
    table = measured(stain(haze=haze))
    assert list(table.columns) == list(LANE_COLUMNS)
    scale = np.median(table["volume"] / LOADS)
    error = table["volume"] / scale / LOADS - 1
    assert np.abs(error).max() < 0.03
    assert (np.abs(table["volume"] - scale * LOADS) < 3 * table["volume_sd"]).all()
    assert scale == pytest.approx(WIDE * protein(np.arange(300)).sum(), rel=0.06)


def test_measure_lanes_gives_empty_lanes_nothing():
    """Flat noise: the mean volume lies within a tenth of its SD of 0."""
    z = []
    for seed in range(40):
        table = measured(stain(loads=np.zeros(5), seed=seed))
        z += (table["volume"] / (table["lod"] / 3)).tolist()
    assert abs(np.mean(z)) < 0.15
    assert np.mean(np.array(z) > 3) < 0.02


def test_measure_lanes_leaves_debris_out_and_is_less_sure_of_that_lane():
    clean, dirty = stain(), stain()
    rows, cols = np.indices(SHAPE)
    dirty += 6000 * np.exp(-0.5 * ((rows - 150) ** 2 + (cols - 92) ** 2) / 3**2)
    before, after = measured(clean), measured(dirty)
    light = 6000 * 2 * np.pi * 9
    assert light > 0.1 * before["volume"][1]
    assert abs(after["volume"][1] - before["volume"][1]) < 0.35 * light
    assert after["volume_sd"][1] > 0.2 * light
    np.testing.assert_allclose(after["volume"].drop(1), before["volume"].drop(1), rtol=1e-3)


def test_measure_lanes_is_less_sure_of_a_lane_unlike_the_others():
    pixels = stain()
    pixels[100:110, 75:105] += 900
    table = measured(pixels)
    relative = table["volume_sd"] / table["volume"]
    assert relative[1] > 4 * relative.drop(1).max()


@pytest.mark.parametrize("factor", [1e-3, 37.0])
def test_measure_lanes_scales_with_the_counts(factor):
    one, other = measured(stain(haze=30)), measured(stain(haze=30) * factor)
    for column in ("volume", "volume_sd", "lod", "loq"):
        np.testing.assert_allclose(other[column], factor * one[column], rtol=1e-6)
    assert one["flags"].tolist() == other["flags"].tolist()


def test_measure_lanes_does_not_count_pixels_of_two_lanes_twice():
    wide = replace(layout(), lanes=tuple(replace(lane, widths=(62.0, 62.0)) for lane in layout().lanes))
    inner = [profile.cover.max() for profile in lane_rows(BlotImage(pixels=stain()), wide)[1].values()]
    assert inner[1] == pytest.approx(50)
    total = measured(stain(), of=wide)["volume"].sum()
    assert total == pytest.approx(measured(stain())["volume"].sum(), rel=0.02)


def test_measure_lanes_over_a_window_takes_the_whole_lanes_background():
    whole, rows = measured(stain(haze=60)), np.arange(300)
    upper, lower = (measured(stain(haze=60), window=w) for w in ((0, 150), (150, 300)))
    np.testing.assert_allclose(upper["volume"] + lower["volume"], whole["volume"], rtol=1e-9)
    part = protein(rows)[:150].sum() / protein(rows).sum()
    np.testing.assert_allclose(upper["volume"] / whole["volume"], part, atol=0.03)


@pytest.mark.parametrize(("name", "level"), [("none", 0.0), ("constant", 800.0)])
def test_measure_lanes_takes_plain_backgrounds_as_they_are(name, level):
    pixels = stain(noise=0)
    table = measured(pixels, settings=QuantificationSettings(background=name))
    expected = [(pixels - level)[:, int(c - WIDE / 2) : int(c + WIDE / 2)].sum() for c in CENTERS]
    np.testing.assert_allclose(table["volume"], expected, rtol=1e-9)


def test_measure_lanes_of_crowded_lanes_with_shot_noise_keep_their_proportions():
    """Forty bands over a smear, in counts of photons: the background does not climb into them."""
    rng, rows = np.random.default_rng(8), np.arange(SHAPE[0])
    places, heights = np.linspace(12, 288, 40), rng.lognormal(0, 0.8, 40)
    profile = 120 + 300 * (heights * np.exp(-0.5 * ((rows[:, None] - places) / 2.2) ** 2)).sum(axis=1)
    light = np.full(SHAPE, 400.0)
    for c, load in zip(CENTERS, LOADS, strict=True):
        light[:, int(c - WIDE / 2) : int(c + WIDE / 2)] += load * profile[:, None]
    table = measured(rng.poisson(light).astype(float))
    scale = np.median(table["volume"] / LOADS)
    assert np.abs(table["volume"] / scale / LOADS - 1).max() < 0.05
