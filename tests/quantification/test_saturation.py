"""Saturated and hollow bands."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simple_pictures import LANES, SHAPE, WIDTH, as_image, gaussians, plain_layout
from small_experiment import experiment, ratio
from small_experiment import image as entry

from blotquant.errors import ImageError
from blotquant.flags import split_flags
from blotquant.normalization.normalize import normalize
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.lanes import measure_lanes
from blotquant.quantification.prepared_image import to_optical_density
from blotquant.quantification.quality import is_hollow, saturation
from blotquant.settings import QuantificationSettings

CEILING = 4095.0


def flags_of(image: np.ndarray, **fields: float) -> list[set[str]]:
    table = measure_bands(as_image(image, **fields), plain_layout())
    return [set(split_flags(cell)) for cell in table["flags"]]


class TestSaturation:
    def test_measure_bands_clipped_core_is_flagged_and_no_other(self):
        heights = np.full((4, 2), 1000.0)
        heights[1, 0] = 8000
        image = np.minimum(gaussians(heights, sigma=(3.0, 8.0)) + 200, CEILING)
        table = measure_bands(as_image(image, ceiling=CEILING), plain_layout())
        saturated = table["flags"].str.contains("saturated")
        assert list(table.loc[saturated, "band_id"]) == ["l1r0"]
        assert "saturated_dust" not in table.loc[saturated, "flags"].iloc[0]
        assert table.loc[saturated, "saturated_px"].iloc[0] == int((image >= CEILING).sum())

    def test_one_count_below_the_ceiling_is_fine(self):
        image = np.minimum(gaussians(np.full((4, 2), 8000.0)) + 200, CEILING - 1)
        assert not any("saturated" in flags for flags in flags_of(image, ceiling=CEILING))

    def test_one_pixel_at_the_ceiling_is_dust(self):
        image = gaussians(np.full((4, 2), 1000.0)) + 200
        image[60, 40] = CEILING
        found = flags_of(image, ceiling=CEILING)
        assert {"saturated", "saturated_dust"} <= found[0]
        assert "saturated" not in found[1]

    def test_saturation_thin_clipped_ridge_is_no_dust(self):
        pixels, weights = np.zeros((12, 40)), np.ones((12, 40))
        pixels[5:7, 8:32] = 255
        assert saturation(pixels, weights, 255) == (48, ("saturated",))

    def test_pixels_outside_the_outline_do_not_count(self):
        pixels, weights = np.full((10, 10), 255.0), np.zeros((10, 10))
        assert saturation(pixels, weights, 255) == (0, ())

    def test_measure_bands_dark_bands(self):
        image = np.round(np.minimum(gaussians(np.full((4, 2), 8000.0), sigma=(3.0, 8.0)) + 200, CEILING))
        dark = (4095 - image).astype(np.uint16)
        table = measure_bands(as_image(dark, polarity="dark", white=4095.0, ceiling=CEILING), plain_layout())
        assert table["flags"].str.contains("saturated").all()


class TestHollow:
    def burnt(self, depth: float) -> np.ndarray:
        rows, cols = np.indices(SHAPE)
        light = np.random.default_rng(1).normal(300, 5, SHAPE)
        for band in plain_layout().bands:
            r, c = band.peak
            flat = np.abs(cols - c + 0.5) < 13
            hole = 1 - depth * np.exp(-((cols - c + 0.5) ** 2) / 18)
            light += 2000 * np.exp(-((rows - r) ** 2) / 18) * flat * hole
        return light

    def test_burnt_middle_is_flagged(self):
        assert all("hollow" in flags for flags in flags_of(self.burnt(0.5)))

    def test_measure_bands_whole_band_is_not(self):
        assert not any("hollow" in flags for flags in flags_of(self.burnt(0.0)))

    def test_is_hollow_nothing_is_said_of_a_weak_band(self):
        excess = np.tile(np.repeat([2.0, 1.0, 2.0], 8), (10, 1))
        assert is_hollow(excess, np.ones_like(excess), 11.0)
        assert not is_hollow(excess, np.ones_like(excess), 9.0)
        assert not is_hollow(excess, np.ones_like(excess), float("nan"))


class TestOpticalDensity:
    def test_measure_bands_follows_beer_lambert(self):
        """Twice the dye gives twice the volume in density; in counts it gives less."""
        density = gaussians(np.array([[0.4, 0.2], [0.8, 0.4], [0.4, 0.2], [0.8, 0.4]]))
        film = np.round(60000 * 10**-density).astype(np.uint16)
        image = as_image(film, polarity="dark", white=60000.0)
        settings = QuantificationSettings(optical_density=True)
        table = measure_bands(image, plain_layout(), settings=settings).set_index("band_id")
        assert table.loc["l1r0", "volume"] / table.loc["l0r0", "volume"] == pytest.approx(2, rel=1e-3)
        assert (table["background"] == "local, optical density").all()
        assert table["flags"].str.contains("film").all()
        counts = measure_bands(image, plain_layout()).set_index("band_id")
        assert counts.loc["l1r0", "volume"] / counts.loc["l0r0", "volume"] < 1.8

    def test_ceiling_moves_with_the_scale(self):
        image = as_image(np.array([[0, 100, 1000]], dtype=np.uint16), polarity="dark", white=1000.0, ceiling=900.0)
        dense = to_optical_density(image)
        assert dense.ceiling == pytest.approx(1.0)
        np.testing.assert_allclose(dense.pixels, [[np.log10(2000), 1, 0]])

    def test_to_optical_density_bright_bands_are_refused(self):
        with pytest.raises(ImageError, match="dark bands on a light ground, got bright"):
            to_optical_density(as_image(np.ones((3, 3))))

    def test_unknown_white_is_refused(self):
        with pytest.raises(ImageError, match="full light, got 0"):
            to_optical_density(as_image(np.ones((3, 3)), polarity="dark"))


SHEET = "blot,lane,sample,condition,role\n" + "".join(f"1,{k},S{k},c{k},sample\n" for k in range(1, 5))
LOADS = np.array([300.0, 500.0, 400.0, 1600.0])
TWINS = (
    entry("p.tif", "P", membrane="a")
    + entry("t.tif", "T", membrane="b")
    + entry("sa.tif", "total_protein", membrane="a")
    + entry("sb.tif", "total_protein", membrane="b")
)


def stain() -> np.ndarray:
    """A stained membrane of known loads, as a camera of 16 bits writes it."""
    rows, cols = np.indices(SHAPE)
    pixels = np.full(SHAPE, 200.0)
    for column, load in zip(LANES, LOADS, strict=True):
        pixels += load * (np.abs(cols + 0.5 - column) <= WIDTH / 2) * (1 + 0.5 * np.sin(rows / 5))
    return np.rint(pixels).astype(np.uint16)


def capped(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """The same picture with its brightest tenth at the ceiling."""
    ceiling = np.uint16(np.percentile(pixels, 90))
    return np.minimum(pixels, ceiling), float(ceiling)


class TestSaturatedStain:
    def test_lanes_at_the_ceiling_are_counted_and_flagged(self):
        pixels, ceiling = capped(stain())
        table = measure_lanes(as_image(pixels, ceiling=ceiling), plain_layout())
        inside = [pixels[:, int(c - WIDTH / 2) : int(c + WIDTH / 2)] for c in LANES]
        expected = [int((part >= ceiling).sum()) for part in inside]
        assert table["saturated_px"].tolist() == expected
        assert [n > 0 for n in expected] == [False, False, False, True]
        found = [set(split_flags(cell)) for cell in table["flags"]]
        assert ["saturated" in flags for flags in found] == [False, False, False, True]
        assert "saturated_dust" not in found[3]

    def test_measure_lanes_the_window_decides(self):
        pixels = stain()
        pixels[150, 40] = 4095
        image = as_image(pixels, ceiling=4095.0)
        assert measure_lanes(image, plain_layout())["saturated_px"].tolist() == [1, 0, 0, 0]
        assert measure_lanes(image, plain_layout(), window=(20, 120))["saturated_px"].tolist() == [0] * 4
        outside = measure_lanes(image, plain_layout(), window=(900, 950))
        assert outside["saturated_px"].isna().all()

    def test_measure_lanes_an_empty_lane_is_below_its_limits(self):
        noise = np.random.default_rng(3).normal(0, 5, SHAPE)
        pixels = stain() + noise
        pixels[:, 160:200] = 200 + noise[:, 160:200]
        table = measure_lanes(as_image(pixels), plain_layout())
        limits = [{"below_lod", "below_loq"} & set(split_flags(cell)) for cell in table["flags"]]
        assert limits[:3] == [set()] * 3
        assert limits[3]

    @pytest.mark.parametrize("is_capped", [False, True])
    def test_measure_bands_from_pixels_to_the_ratio_over_a_stain(self, tmp_path, is_capped):
        study = experiment(
            tmp_path,
            entry("p.tif", "P") + entry("s.tif", "total_protein") + ratio("r", "P", None, "total_protein"),
            SHEET,
        )
        pixels, ceiling = capped(stain()) if is_capped else (stain(), 65535.0)
        result = normalize(study, weighed("p.tif", "P"), stained("s.tif", pixels, ceiling))
        assert result["included"].tolist() == [True, True, True, not is_capped]
        # Every band is alike, so that ratios are as the inverse of the loads.
        values = result["value"].to_numpy()
        assert values[:3] / values[0] == pytest.approx(LOADS[0] / LOADS[:3], rel=0.02)
        if is_capped:
            assert result["bound"].tolist()[3] == "≤"
            assert values[3] / values[0] > 1.02 * LOADS[0] / LOADS[3]
            assert result["reason"][3] == "saturated: the ratio is at most this"
            assert {"saturated", "upper_bound"} <= set(split_flags(result["flags"][3]))
        else:
            assert values[3] / values[0] == pytest.approx(LOADS[0] / LOADS[3], rel=0.02)
            assert result["bound"].isna().all()

    def test_measure_bands_a_saturated_stain_under_the_line_of_a_twin_makes_a_lower_bound(self, tmp_path):
        study = experiment(tmp_path, TWINS + ratio("r", "P", "T", "total_protein"), SHEET)
        bands = weighed("p.tif", "P", membrane="a"), weighed("t.tif", "T", membrane="b")
        pixels, ceiling = capped(stain())
        lanes = (
            stained("sa.tif", stain(), 65535.0, membrane="a"),
            stained("sb.tif", pixels, ceiling, membrane="b"),
        )
        result = normalize(study, pd.concat(bands, ignore_index=True), pd.concat(lanes, ignore_index=True))
        assert result["included"].tolist() == [True, True, True, False]
        assert "saturated" in result["reason"][3]
        # Loads cancel between the twins; the capped stain of b takes too little off T's lane 4.
        assert result["bound"].isna().tolist() == [True, True, True, False]
        assert result["bound"][3] == "≥"
        values = result["value"].to_numpy()
        assert values[:3] / values[0] == pytest.approx(1, rel=0.02)
        assert values[3] < 0.9 * values[0]


def weighed(name: str, probe: str, *, membrane: str = "1") -> pd.DataFrame:
    layout = plain_layout(rows=(60.0,), target=probe)
    table = measure_bands(as_image(gaussians(np.full((4, 2), 1000.0), rows=(60.0,)) + 200), layout)
    return table.assign(image=name, probe=probe, blot="1", membrane=membrane)


def stained(name: str, pixels: np.ndarray, ceiling: float, *, membrane: str = "1") -> pd.DataFrame:
    table = measure_lanes(as_image(pixels, ceiling=ceiling), plain_layout())
    return table.assign(image=name, probe="total_protein", blot="1", membrane=membrane)
