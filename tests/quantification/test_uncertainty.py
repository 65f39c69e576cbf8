"""SDs against what repeated draws show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from simple_pictures import HEIGHT, LANES, SHAPE, WIDTH, as_image, gaussians, plain_layout

from blotquant.flags import split_flags
from blotquant.imaging.robust import winsorised_sd
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.quantification.apertures import apertures_of, stack_apertures
from blotquant.quantification.background import BACKGROUNDS, Aperture
from blotquant.quantification.bands import OWN_SHARE, measure_apertures, measure_bands
from blotquant.quantification.edge_losses import column_sums, side_variances
from blotquant.quantification.noise import measure_noise, shot_gain
from blotquant.quantification.prepared_image import prepare_image
from blotquant.settings import QuantificationSettings

EMPTY = (640, 640)


def empty_layout() -> Layout:
    """A hundred places in ten lanes, nothing in any of them."""
    columns = np.arange(10) * 64 + 31.5
    lanes = tuple(
        Lane(id=f"l{k}", strip="s", number=k + 1, center=((0.0, c), (639.0, c)), widths=(40.0, 40.0))
        for k, c in enumerate(columns)
    )
    bands = tuple(
        Band(id=f"l{k}r{j}", lane=f"l{k}", row=j + 1, peak=(r, c), status="not_detected", origin="expected",
             outline=rectangle(r - 7, r + 7, c - 19.5, c + 20.5))
        for k, c in enumerate(columns) for j, r in enumerate(np.arange(10) * 64 + 32)
    )  # fmt: skip
    return Layout(strips=(Strip(id="s", number=1, outline=rectangle(0, 640, 0, 640)),), lanes=lanes, bands=bands)


def draw(seed: int, *, noise_px: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 12, EMPTY)
    return 700 + (gaussian_filter(noise, noise_px) if noise_px else noise)


@pytest.fixture(scope="module")
def empties():
    """Volumes, SDs, LODs of 1,000 empty places of flat noise, by method."""
    out = {}
    layout = empty_layout()
    for name in ("local", "flank", "lane", "constant", "rolling_ball"):
        found = []
        for seed in range(10):
            scene = prepare_image(as_image(draw(seed)), layout, settings=QuantificationSettings(background=name))
            apertures = apertures_of(layout.bands, layout, scene.signal)
            found += [(m.volume, m.volume_sd, 3 * m.empty_sd) for m in measure_apertures(scene, apertures)]
        out[name] = np.array(found).T
    return out


class TestEmptyPlaces:
    @pytest.mark.parametrize("method", ["local", "flank", "lane", "constant", "rolling_ball"])
    def test_measure_apertures_no_bias(self, empties, method):
        volume = empties[method][0]
        assert abs(volume.mean()) / volume.std() < 0.1

    def test_measure_apertures_sd_is_what_the_draws_show(self, empties):
        volume, sd, _ = empties["local"]
        assert np.sqrt((sd**2).mean()) == pytest.approx(volume.std(), rel=0.10)

    def test_measure_apertures_hardly_any_passes_its_lod(self, empties):
        volume, _, lod = empties["local"]
        assert (volume > lod).mean() <= 0.01

    def test_measure_apertures_correlated_noise_is_accounted_for(self):
        layout, found = empty_layout(), []
        for seed in range(6):
            scene = prepare_image(as_image(draw(seed, noise_px=0.8)), layout)
            apertures = apertures_of(layout.bands, layout, scene.signal)
            found += [(m.volume, m.volume_sd) for m in measure_apertures(scene, apertures)]
        volume, sd = np.array(found).T
        assert np.sqrt((sd**2).mean()) == pytest.approx(volume.std(), rel=0.12)


class TestShotNoise:
    def test_measure_noise_gain_is_recovered(self):
        rng = np.random.default_rng(5)
        light = gaussians(np.full((4, 2), 4000.0), sigma=(3.0, 5.0)) + 300
        image = rng.poisson(light / 2.5) * 2.5 + rng.normal(0, 5, SHAPE)
        noise = measure_noise(image, plain_usable(), [b.box for b in plain_layout().bands])
        assert noise.gain == pytest.approx(2.5, rel=0.2)

    def test_measure_bands_sd_of_strong_bands_is_what_the_draws_show(self):
        rng, layout = np.random.default_rng(6), plain_layout()
        light = gaussians(np.full((4, 2), 6000.0), sigma=(3.0, 3.5)) + 300
        tables = [measure_bands(as_image(rng.poisson(light).astype(float)), layout) for _ in range(40)]
        volumes = np.array([t["volume"] for t in tables])
        # A part of the volume is kept for light outside the outline, whose share is the same in every draw.
        variances = np.array([t["volume_sd"] ** 2 - (OWN_SHARE * t["volume"]) ** 2 for t in tables])
        assert np.sqrt(variances.mean()) == pytest.approx(np.sqrt(volumes.var(axis=0, ddof=1).mean()), rel=0.12)

    def test_measure_bands_no_gain_is_claimed_where_the_noise_is_even(self):
        rng = np.random.default_rng(7)
        image = gaussians(np.full((4, 2), 4000.0), sigma=(3.0, 5.0)) + rng.normal(300, 10, SHAPE)
        table = measure_bands(as_image(image), plain_layout())
        assert table["flags"].str.contains("noise_gain_unknown").all()

    def test_flag_is_gone_where_it_is_known(self):
        rng = np.random.default_rng(8)
        light = gaussians(np.full((4, 2), 6000.0), sigma=(3.0, 5.0)) + 300
        table = measure_bands(as_image(rng.poisson(light).astype(float)), plain_layout())
        assert not table["flags"].str.contains("noise_gain_unknown").any()

    def test_shot_gain_too_few_pixels_give_none(self):
        assert shot_gain([np.ones((3, 9))]) is None


def plain_usable() -> np.ndarray:
    usable = np.ones(SHAPE, dtype=bool)
    for band in plain_layout().bands:
        usable[band.box.slices] = False
    return usable


class TestGroundAroundABand:
    def test_prepare_image_margin_grows_with_the_band(self):
        """None for a band that the noise hides, all of it for one that stands far out."""
        noise = np.random.default_rng(13).normal(500, 10, SHAPE)
        counts = []
        for height in (0.0, 30.0, 100.0, 20_000.0):
            image = noise + gaussians(np.full((4, 2), height), sigma=(3.0, 8.0))
            counts.append(int(prepare_image(as_image(image), plain_layout()).ground.usable.sum()))
        assert counts == sorted(counts, reverse=True)
        boxes = 8 * (HEIGHT + 2) * (WIDTH + 4)  # at least a pixel above and below, and two at the sides
        assert counts[0] == SHAPE[0] * SHAPE[1] - boxes
        assert counts[-1] == SHAPE[0] * SHAPE[1] - 8 * (HEIGHT + 2 * 8) * (WIDTH + 2 * 2)

    def test_prepare_image_margin_does_not_depend_on_scale(self):
        image = gaussians(np.full((4, 2), 60.0)) + np.random.default_rng(14).normal(500, 10, SHAPE)
        scenes = [prepare_image(as_image(image * factor), plain_layout()) for factor in (1e-3, 1.0, 1e4)]
        for scene in scenes[1:]:
            np.testing.assert_array_equal(scene.ground.usable, scenes[0].ground.usable)

    def test_uneven_ground_beside_a_band_widens_its_own_sd(self):
        rows, cols = np.indices(SHAPE)
        noise = np.random.default_rng(15).normal(500, 10, SHAPE)
        waves = 60 * np.sin(rows / 5) * np.exp(-(((cols - LANES[0]) / 12) ** 2))
        calm, torn = (measure_bands(as_image(p), plain_layout())["volume_sd"] for p in (noise, noise + waves))
        assert torn[:2].min() > 2 * calm[:2].max()
        # The other lanes' SDs know from the picture that such ground exists, but see none of it.
        assert torn[2:].max() < 0.7 * torn[:2].min()


class TestLightAcrossTheSides:
    def test_measure_bands_what_the_next_band_lends_is_within_the_sd(self):
        """Bands with soft sides, 46 columns apart: the wider the outline, the more of the next band it takes in."""
        rows, cols = np.indices(SHAPE)
        along = 2000 * np.exp(-((rows - 59.5) ** 2) / 18)
        alone = [1 / (1 + np.exp((np.abs(cols - c + 0.5) - 21) / 1.0)) for c in LANES]
        image = 500 + along * sum(alone) + np.random.default_rng(16).normal(0, 5, SHAPE)
        layout = plain_layout(rows=(60.0,))
        for width in (46, 48, 50):
            outlines = [rectangle(50, 70, c - width / 2, c + width / 2) for c in LANES]
            bands = [replace(band, outline=o) for band, o in zip(layout.bands, outlines, strict=True)]
            table = measure_bands(as_image(image), replace(layout, bands=tuple(bands)))
            own = [(along * light)[bands[k].box.slices].sum() for k, light in enumerate(alone)]
            assert (np.abs(table["volume"] - own) < 3 * table["volume_sd"]).all(), width
            # Outlines that overlap share the pixels between them.
            assert table["volume"].sum() < 1.002 * (along * sum(alone)).sum(), width

    def test_measure_bands_touching_bands_are_less_sure_than_lone_ones(self):
        rows, cols = np.indices(SHAPE)
        noise = np.random.default_rng(17).normal(500, 5, SHAPE)
        layout, relative = plain_layout(rows=(60.0,)), []
        for half in (13.0, 22.5):
            sides = sum(1 / (1 + np.exp((np.abs(cols - c + 0.5) - half) / 1.0)) for c in LANES)
            image = noise + 2000 * np.exp(-((rows - 59.5) ** 2) / 18) * sides
            width = 2 * half + 4
            bands = tuple(
                replace(band, outline=rectangle(50, 70, c - width / 2, c + width / 2))
                for band, c in zip(layout.bands, LANES, strict=True)
            )
            table = measure_bands(as_image(image), replace(layout, bands=bands))
            relative.append(float((table["volume_sd"] / table["volume"]).mean()))
        assert relative[1] > 4 * relative[0]

    def test_apertures_of_a_lone_band_in_a_wide_outline_loses_nothing(self):
        image = gaussians(np.full((4, 2), 3000.0), sigma=(3.0, 4.0)) + 500
        scene, layout = prepare_image(as_image(image), plain_layout()), plain_layout()
        for band in layout.bands:
            aperture = apertures_of([band], layout, scene.signal)[0]
            volume = measure_apertures(scene, [aperture])[0].volume
            assert self.side_variance(scene.signal, aperture) < (1e-3 * volume) ** 2

    def test_apertures_of_a_narrow_outline_is_not_sure_of_its_place(self):
        """Half a column at each side, each as bright as the outermost."""
        image = np.full(SHAPE, 500.0)
        for c in LANES:
            image[50:70, int(c) - 15 : int(c) + 15] += 100
        bands = plain_layout(rows=(60.0,)).bands
        narrow = [replace(b, outline=rectangle(50, 70, c - 12, c + 12)) for b, c in zip(bands, LANES, strict=True)]
        layout = replace(plain_layout(rows=(60.0,)), bands=tuple(narrow))
        aperture = apertures_of([narrow[0]], layout, image)[0]
        assert self.side_variance(image, aperture) == pytest.approx(2 * (0.5 * 20 * 100) ** 2)

    def side_variance(self, image: np.ndarray, aperture: Aperture) -> float:
        _, stack = next(stack_apertures(image, [aperture]))
        return float(side_variances(column_sums(image, stack.boxes), stack, np.array([500.0]))[0])


class TestLimits:
    def test_measure_bands_weak_band_is_named_by_its_limits(self):
        flat = 500 + np.random.default_rng(9).normal(0, 10, SHAPE)
        layout = plain_layout()
        sd = measure_bands(as_image(flat), layout)["lod"].to_numpy()[0] / 3
        for times, expected in ((0.5, "below_lod"), (6, "below_loq"), (40, None)):
            image = flat.copy()
            image[layout.bands[0].box.slices] += times * sd / (HEIGHT * WIDTH)
            flags = split_flags(measure_bands(as_image(image), layout)["flags"][0])
            assert [f for f in flags if f in ("below_lod", "below_loq")] == ([expected] if expected else [])

    def test_measure_bands_snr_is_volume_over_sd_and_loq_ten_thirds_of_lod(self):
        image = gaussians(np.full((4, 2), 500.0)) + np.random.default_rng(10).normal(500, 10, SHAPE)
        table = measure_bands(as_image(image), plain_layout())
        np.testing.assert_allclose(table["snr"], table["volume"] / table["volume_sd"])
        np.testing.assert_allclose(table["loq"], table["lod"] * 10 / 3)

    def test_measure_bands_crowded_band_has_few_background_pixels(self):
        layout = plain_layout()
        whole = replace(layout.bands[0], outline=rectangle(0, 200, 0, 220))
        image = as_image(np.random.default_rng(11).normal(500, 10, SHAPE))
        table = measure_bands(image, replace(layout, bands=(whole,)))
        assert "few_background_pixels" in table["flags"][0]
        assert "few_background_pixels" not in measure_bands(image, layout)["flags"][0]


class TestOneSidedGround:
    def test_rows_far_to_one_side_are_flagged(self):
        """The lower half of the lanes is bands without a gap; free rows lie far above the lowest of them only."""
        layout = plain_layout()
        bands = tuple(
            Band(id=f"{lane.id}x{k}", lane=lane.id, row=k + 1, peak=(r, lane.center[0][1]),
                 outline=rectangle(r - 10, r + 10, lane.center[0][1] - 23, lane.center[0][1] + 23))
            for lane in layout.lanes for k, r in enumerate(range(30, 200, 20))
        )  # fmt: skip
        image = as_image(np.random.default_rng(18).normal(500, 10, SHAPE))
        table = measure_bands(image, replace(layout, bands=bands))
        assert "few_background_pixels" in table[table["row"] == "9"]["flags"].iloc[1]
        assert "few_background_pixels" not in table[table["row"] == "1"]["flags"].iloc[1]


class TestRobustSd:
    def test_winsorised_sd_normal_noise(self):
        assert winsorised_sd(np.random.default_rng(1).normal(0, 3, 100_000)) == pytest.approx(3, rel=0.01)

    def test_winsorised_sd_specks_do_not_matter(self):
        noise = np.random.default_rng(2).normal(0, 3, 10_000)
        noise[:100] = 1e4
        assert winsorised_sd(noise) == pytest.approx(3, rel=0.1)

    def test_coarse_steps(self):
        noise = np.round(np.random.default_rng(3).normal(0, 0.6, 100_000))
        assert winsorised_sd(noise) == pytest.approx(noise.std(), rel=0.05)

    def test_winsorised_sd_nothing(self):
        assert winsorised_sd(np.zeros(0)) == 0
        assert winsorised_sd(np.zeros(5)) == 0


def test_apertures_of_every_method_states_what_carries_it():
    scene_layout = plain_layout()
    image = as_image(np.random.default_rng(12).normal(500, 10, SHAPE))
    for name in BACKGROUNDS:
        scene = prepare_image(image, scene_layout, settings=QuantificationSettings(background=name))
        estimate = scene.surface.under(apertures_of([scene_layout.bands[0]], scene_layout, scene.signal)[0])
        assert estimate.n_pixels > 30
        assert 0 <= estimate.leverage < 0.1
