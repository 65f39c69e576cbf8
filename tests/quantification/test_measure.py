"""Volumes against exact sums and analytic bands."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from simple_pictures import HEIGHT, ROWS, SHAPE, WIDTH, as_image, gaussians, plain_layout

from blotquant.flags import split_flags
from blotquant.model.geometry import Band, Lane, Layout, Strip, area_weights, polygon, rectangle
from blotquant.quantification.background import BACKGROUNDS
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.prepared_image import prepare_image
from blotquant.settings import QuantificationSettings
from blotquant.tables import BAND_COLUMNS

METHODS = sorted(BACKGROUNDS)
CORRECTING = [m for m in METHODS if m != "none"]
HEIGHTS = np.array([[900.0, 200.0], [1500.0, 400.0], [700.0, 800.0], [1100.0, 60.0]])


def noisy(seed: int = 0, *, sd: float = 8.0) -> np.ndarray:
    return gaussians(HEIGHTS) + 500 + np.random.default_rng(seed).normal(0, sd, SHAPE)


def volumes(pixels: np.ndarray, method: str = "local", **fields: object) -> np.ndarray:
    settings = QuantificationSettings(background=method)  # type: ignore[arg-type]
    return measure_bands(as_image(pixels, **fields), plain_layout(), settings=settings)["volume"].to_numpy()


class TestExact:
    @pytest.mark.parametrize("method", CORRECTING)
    def test_box_of_constant_counts(self, method):
        image = np.full(SHAPE, 100.0)
        for band in plain_layout().bands:
            image[band.box.slices] += 7
        tolerance = 1e-6 if method != "rolling_ball" else 0.05
        np.testing.assert_allclose(volumes(image, method), 7 * HEIGHT * WIDTH, rtol=tolerance)

    def test_measure_bands_gaussian(self):
        expected = HEIGHTS * 2 * np.pi * 3.0 * 5.0
        found = volumes(gaussians(HEIGHTS) + 500).reshape(4, 2)
        # Cut off at 10/3 and 3 SDs.
        np.testing.assert_allclose(found, expected * 0.99914 * 0.9973, rtol=2e-3)

    def test_measure_bands_raw_volume_is_volume_and_background(self):
        for method in METHODS:
            table = measure_bands(as_image(noisy()), plain_layout(), settings=QuantificationSettings(background=method))
            np.testing.assert_allclose(
                table["volume_raw"], table["volume"] + table["area_px"] * table["background_mean"], rtol=1e-12
            )

    def test_measure_bands_edge_pixels_count_by_their_covered_part(self):
        layout = plain_layout()
        slanted = polygon([(50.3, 25.2), (52.9, 54.6), (71.4, 54.1), (69.8, 25.9)])
        layout = replace(layout, bands=(replace(layout.bands[0], outline=slanted),))
        image = noisy()
        box, weights = area_weights(slanted, SHAPE)
        table = measure_bands(as_image(image), layout, settings=QuantificationSettings(background="none"))
        assert table["volume"][0] == pytest.approx((weights * image[box.slices]).sum(), rel=1e-12)
        assert table["area_px"][0] == pytest.approx(weights.sum(), rel=1e-12)

    def test_same_as_photutils(self):
        aperture = pytest.importorskip("photutils.aperture", reason="photutils is only needed to compare with")
        # It samples rectangles 32 times a pixel: edges on quarter pixels are exact there too.
        image, layout = noisy(), plain_layout(height=13.5)
        table = measure_bands(as_image(image), layout)
        for row, band in zip(table.itertuples(), layout.sorted().bands, strict=True):
            vertices = np.asarray(band.outline)
            (r0, c0), (r1, c1) = vertices.min(axis=0), vertices.max(axis=0)
            box = aperture.RectangularAperture(((c0 + c1) / 2, (r0 + r1) / 2), c1 - c0, r1 - r0)
            total = float(box.do_photometry(image, method="exact")[0][0])
            assert row.volume_raw == pytest.approx(total, rel=1e-6)
            assert row.volume == pytest.approx(total - box.area * row.background_mean, rel=1e-6)


class TestBackground:
    @pytest.mark.parametrize("method", ["local", "lane", "flank"])
    def test_measure_bands_ramp_is_removed(self, method):
        rows, cols = np.indices(SHAPE)
        ramp = 300 + 1.5 * rows + 0.8 * cols
        flat = volumes(gaussians(HEIGHTS) + 300, method)
        np.testing.assert_allclose(volumes(gaussians(HEIGHTS) + ramp, method), flat, rtol=5e-3)

    def test_measure_bands_quadratic_is_removed(self):
        rows, _ = np.indices(SHAPE)
        bowl = 300 + 200 * ((rows - 100) / 100) ** 2
        strong = np.full((4, 2), 1000.0)
        np.testing.assert_allclose(volumes(gaussians(strong) + bowl), volumes(gaussians(strong) + 300), rtol=0.02)

    def test_other_bands_are_no_background(self):
        """A neighbour just above in the same lane leaves the volume as it is."""
        lone = plain_layout(rows=(100.0,))
        pair = plain_layout(rows=(76.0, 100.0))
        one = gaussians(np.full((4, 1), 800.0), rows=(100.0,)) + 500
        two = gaussians(np.tile([3000.0, 800.0], (4, 1)), rows=(76.0, 100.0)) + 500
        alone = measure_bands(as_image(one), lone)["volume"].to_numpy()
        beside = measure_bands(as_image(two), pair)
        np.testing.assert_allclose(beside[beside["row"] == "2"]["volume"], alone, rtol=0.01)

    def test_measure_bands_negative_volume_is_kept_and_flagged(self):
        image = np.full(SHAPE, 500.0) + np.random.default_rng(1).normal(0, 4, SHAPE)
        image[plain_layout().bands[0].box.slices] -= 20
        row = measure_bands(as_image(image), plain_layout()).iloc[0]
        assert row["volume"] == pytest.approx(-20 * HEIGHT * WIDTH, rel=0.1)
        assert {"below_background", "below_lod"} <= set(split_flags(row["flags"]))

    @pytest.mark.parametrize("method", ["local", "lane", "flank", "rolling_ball"])
    def test_scale_changes_nothing_but_the_scale(self, method):
        settings = QuantificationSettings(background=method)
        base = measure_bands(as_image(noisy()), plain_layout(), settings=settings)
        for factor in (1e-3, 3.7, 1e4):
            other = measure_bands(as_image(noisy() * factor), plain_layout(), settings=settings)
            np.testing.assert_allclose(other["volume"], base["volume"] * factor, rtol=1e-6)
            np.testing.assert_allclose(other["snr"], base["snr"], rtol=1e-6)
            assert list(other["flags"]) == list(base["flags"])

    @pytest.mark.parametrize("method", METHODS)
    def test_measure_bands_bright_and_dark_agree(self, method):
        bright = np.round(noisy()).astype(np.uint16)
        dark = (65535 - bright).astype(np.uint16)
        found = volumes(dark, method, polarity="dark", white=65535.0)
        np.testing.assert_array_equal(found, volumes(bright, method))

    @pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
    def test_measure_bands_dtype_changes_nothing(self, dtype):
        counts = np.clip(np.round(noisy() / 12), 0, 255)
        expected = volumes(counts.astype(np.uint8))
        np.testing.assert_allclose(volumes(counts.astype(dtype)), expected, rtol=1e-9)

    def test_method_spread_shows_where_the_background_decides(self):
        rows, _ = np.indices(SHAPE)
        calm = measure_bands(as_image(gaussians(np.full((4, 2), 1000.0)) + 500), plain_layout())
        rough = 500 + 150 * np.sin(rows / 9)
        torn = measure_bands(as_image(gaussians(np.full((4, 2), 100.0)) + rough), plain_layout())
        assert (calm["method_spread"] < 0.01).all()
        assert not calm["flags"].str.contains("background_dependent").any()
        # Of a band near its limits these say it already.
        assert torn["flags"].str.contains("background_dependent|below_lod|below_loq").all()
        assert (torn["method_spread"] > 0.1).all()

    def test_aperture_height_changes_no_ratio(self):
        """From 2 to 3 SDs up and down: less than 1 % in any ratio along a row, for the same fraction in all lanes."""
        strong = np.array([[900.0, 700.0], [1500.0, 400.0], [700.0, 800.0], [1100.0, 600.0]])
        image = as_image(gaussians(strong) + 500 + np.random.default_rng(2).normal(0, 1, SHAPE))
        narrow, wide = (measure_bands(image, plain_layout(height=h)) for h in (12, 18))
        a, b = (t.pivot(index="lane", columns="row", values="volume") for t in (narrow, wide))
        np.testing.assert_allclose(a / a.iloc[0], b / b.iloc[0], rtol=0.01)
        assert (narrow.groupby("row")["aperture_fraction"].nunique() == 1).all()
        np.testing.assert_allclose(narrow["aperture_fraction"], 0.9545, atol=0.02)
        np.testing.assert_allclose(wide["aperture_fraction"], 0.9973, atol=0.01)

    def test_measure_bands_a_band_weighed_alone_is_the_same_to_the_last_bit(self):
        image, layout = as_image(noisy()), plain_layout()
        scene = prepare_image(image, layout)
        table = measure_bands(image, layout, scene=scene)
        alone = [measure_bands(image, layout, scene=scene, only=[band_id]) for band_id in table["band_id"]]
        pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), table, check_exact=True)

    def test_measure_bands_a_doublet_partner_without_any_share_weighs_nothing(self):
        layout = plain_layout()
        nothing = replace(layout.bands[0], split=((-20.0, 0.0), (20.0, 0.0)))
        row = measure_bands(as_image(noisy()), replace(layout, bands=(nothing, *layout.bands[1:]))).iloc[0]
        assert (row["volume"], row["area_px"]) == (0.0, 0.0)
        assert np.isnan(row["aperture_fraction"])


class TestTable:
    def test_columns_and_places(self):
        table = measure_bands(as_image(noisy(), probe="pAKT", exposure_s=30.0), plain_layout())
        assert list(table.columns) == list(BAND_COLUMNS)
        assert list(table["lane"]) == [1, 1, 2, 2, 3, 3, 4, 4]
        assert list(table["band"]) == [1, 2] * 4
        assert (table["probe"] == "pAKT").all()
        assert (table["exposure_s"] == 30).all()
        assert table["rf"][0] == pytest.approx((ROWS[0] + 0.5) / SHAPE[0])

    def test_measure_bands_a_strip_without_height_has_no_front(self):
        layout = plain_layout()
        flat = tuple((ROWS[0], col) for _, col in layout.strips[0].outline)
        squashed = replace(layout, strips=(replace(layout.strips[0], outline=flat),))
        table = measure_bands(as_image(noisy()), squashed)
        assert table["rf"].isna().all()
        assert table["volume"].notna().all()

    def test_measure_bands_no_bands_give_an_empty_table(self):
        table = measure_bands(as_image(noisy()), Layout())
        assert list(table.columns) == list(BAND_COLUMNS)
        assert len(table) == 0

    def test_height_and_width(self):
        table = measure_bands(as_image(gaussians(HEIGHTS) + 500), plain_layout())
        np.testing.assert_allclose(table["width_px"], 3.0 * 2.3548, rtol=0.03)

    def test_one_band_again_gives_the_same_row(self):
        image, layout = as_image(noisy()), plain_layout()
        scene = prepare_image(image, layout)
        whole = measure_bands(image, layout, scene=scene)
        again = measure_bands(image, layout, scene=scene, only=["l2r1"])
        assert again.iloc[0].equals(whole[whole["band_id"] == "l2r1"].iloc[0])

    def test_unknown_band_raises(self):
        with pytest.raises(KeyError, match="nowhere"):
            measure_bands(as_image(noisy()), plain_layout(), only=["nowhere"])

    def test_one_id_as_text_is_refused(self):
        with pytest.raises(TypeError, match=r"only must be several ids, got the text 'l2r1'; write \['l2r1'\]"):
            measure_bands(as_image(noisy()), plain_layout(), only="l2r1")

    def test_flags_of_picture_lane_and_band_are_joined(self):
        layout = plain_layout(flags=("touches_edge",))
        lanes = tuple(replace(lane, flags=("lane_uncertain",)) for lane in layout.lanes)
        table = measure_bands(as_image(noisy(), flags=("film",)), replace(layout, lanes=lanes, flags=("blank",)))
        assert {"film", "blank", "lane_uncertain", "touches_edge"} <= set(split_flags(table["flags"][0]))

    def test_measure_bands_edge_and_neighbour(self):
        layout = plain_layout()
        first, second, *rest = layout.bands
        cut = replace(first, outline=rectangle(-5, 15, 25, 55))
        near = replace(second, outline=rectangle(120, 140, 25, 75))
        table = measure_bands(as_image(noisy()), replace(layout, bands=(cut, near, *rest))).set_index("band_id")
        assert "touches_edge" in table.loc[first.id, "flags"]
        assert "touches_neighbour" in table.loc[second.id, "flags"]
        assert "touches_neighbour" in table.loc["l1r1", "flags"]
        assert "touches" not in table.loc["l3r0", "flags"]

    def test_doublet_shares_add_up_to_the_whole(self):
        layout = plain_layout()
        whole = layout.bands[0]
        upper = replace(whole, split=((-10.0, 1.0), (0.0, 0.5), (10.0, 0.0)), split_sd=0.02)
        lower = replace(whole, id="lower", split=((-10.0, 0.0), (0.0, 0.5), (10.0, 1.0)), split_sd=0.02)
        image = as_image(noisy())
        alone = measure_bands(image, layout).set_index("band_id").loc[whole.id]
        pair = measure_bands(image, replace(layout, bands=(upper, lower, *layout.bands[1:]))).set_index("band_id")
        parts = pair.loc[[whole.id, "lower"]]
        assert parts["volume"].sum() == pytest.approx(alone["volume"], rel=1e-3)
        assert (parts["volume_sd"] >= 0.02 * alone["volume"]).all()
        assert not parts["flags"].str.contains("touches_neighbour").any()

    def test_bands_on_pixels_without_a_number_have_no_volume(self):
        pixels = noisy()
        pixels[60, 40] = np.nan
        table = measure_bands(as_image(pixels), plain_layout())
        assert np.isnan(table["volume"][0])
        assert table["volume"][1:].notna().all()


def test_measure_bands_many_bands_are_quick():
    """Measured by the processor's own clock, with room for a slow machine."""
    image, layout = as_image(noisy()), plain_layout()
    measure_bands(image, layout)
    start = time.process_time()
    measure_bands(image, layout)
    assert time.process_time() - start < 0.5


def test_measure_bands_a_layout_beside_the_picture_holds_nothing():
    """As after a picture was cut: an IndexError once."""
    strip = Strip(id="s", number=1, outline=rectangle(0, 100, 0, 200))
    lane = Lane(id="l", strip="s", number=1, center=((0, 50), (99, 50)), widths=(30, 30))
    band = Band(id="b", lane="l", outline=rectangle(130, 140, 35, 65), peak=(135, 50))
    picture = as_image(np.random.default_rng(0).normal(300, 10, (100, 200)))
    table = measure_bands(picture, Layout(strips=(strip,), lanes=(lane,), bands=(band,)))
    assert table["volume"].tolist() == [0.0]
    assert "touches_edge" in table["flags"][0]
