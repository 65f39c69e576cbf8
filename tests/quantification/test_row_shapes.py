"""Rows under a band tell of its ground, once the shape that it shares with its row is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blotquant.model.geometry import Band, Box, Lane, Layout, Strip, rectangle
from blotquant.model.image import BlotImage
from blotquant.quantification.background import Aperture
from blotquant.quantification.background.background_pixels import Roughness
from blotquant.quantification.background.local import ROW_SHARED, Witnesses, krige, own_rows_agree
from blotquant.quantification.background.row_shapes import OwnRows, light_and_doubt
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.prepared_image import PreparedImage, prepare_image

SHAPE, SD, ROW = (200, 300), 3.5, 95.0
HEIGHTS = (2500.0, 120.0, 1600.0, 150.0, 2000.0, 90.0, 1200.0, 130.0)
ROUGH = Roughness(pixel=25.0, row=0.0, shared=400.0, level=0.0, uneven=400.0, length=40.0)


def clouds(seed: int, sd: float) -> np.ndarray:
    """A smooth random field, alike over some 25 rows."""
    rng = np.random.default_rng(seed)
    rows, cols = np.fft.fftfreq(SHAPE[0])[:, None], np.fft.rfftfreq(SHAPE[1])[None]
    drawn = np.fft.rfft2(rng.normal(size=SHAPE)) * np.exp(-0.5 * ((rows**2 + cols**2) * (2 * np.pi * 12) ** 2))
    field = np.fft.irfft2(drawn, SHAPE)
    return sd * field / field.std()


def blot(seed: int, *, sd: float = 40.0, noise: float = 6.0) -> tuple[BlotImage, Layout, np.ndarray]:
    """A row of bright and faint bands of one shape (heavier tails than a Gaussian) among clouds; their true light."""
    rng, columns = np.random.default_rng(seed), np.arange(SHAPE[1])
    signal, bands, lanes, light = 800 + clouds(seed, sd), [], [], []
    for k, height in enumerate(HEIGHTS):
        middle, row = 22 + 36 * k, ROW + rng.normal(0, 0.4)
        own = height * (np.abs(columns - middle) <= 12) / np.cosh((np.arange(SHAPE[0])[:, None] - row) / SD * np.pi / 2)
        signal, at = signal + own, {"peak": (row, float(middle)), "row": 1}
        light.append(own[84:107].sum())
        lanes.append(Lane(id=f"l{k}", strip="s", number=k + 1, center=((0, middle), (199, middle)), widths=(25, 25)))
        bands.append(Band(id=f"b{k}", lane=f"l{k}", outline=rectangle(84, 107, middle - 13, middle + 14), **at))
    strip = Strip(id="s", number=1, outline=rectangle(0, SHAPE[0], 0, SHAPE[1]))
    layout = Layout(strips=(strip,), lanes=tuple(lanes), bands=tuple(bands))
    return BlotImage(pixels=signal + rng.normal(0, noise, SHAPE)), layout, np.array(light)


def without_shapes(image: BlotImage, layout: Layout) -> PreparedImage:
    scene = prepare_image(image, layout)
    plain = replace(scene.ground, shapes=None)
    surfaces = [type(surface)(plain) for surface in (scene.surface, *scene.others)]
    return replace(scene, ground=plain, surface=surfaces[0], others=tuple(surfaces[1:]))


def test_measure_bands_errs_by_less_than_half_on_faint_bands_among_clouds_with_their_own_rows():
    """Over eight pictures, and their intervals hold the truth as often as they say."""
    faint = np.array(HEIGHTS) < 200
    new, old, z, bright = [], [], [], []
    for seed in range(8):
        image, layout, true = blot(seed)
        table = measure_bands(image, layout)
        plain = measure_bands(image, layout, scene=without_shapes(image, layout))
        off = table["volume"].to_numpy() - true
        new += list(np.abs(off[faint] / true[faint]))
        old += list(np.abs(plain["volume"].to_numpy() / true - 1)[faint])
        z += list(off[faint] / table["volume_sd"].to_numpy()[faint])
        bright += list(np.abs(off[~faint] / true[~faint]))
    assert np.median(old) > 0.1
    assert np.median(new) < 0.5 * np.median(old)
    assert np.mean(np.abs(z) < 1.96) > 0.9
    assert np.median(bright) < 0.02


def test_measure_bands_does_not_ask_the_rows_of_bands_on_even_ground():
    image, layout, _ = blot(3, sd=0.0)
    own, plain = (measure_bands(image, layout, scene=s) for s in (None, without_shapes(image, layout)))
    assert own.equals(plain)


@pytest.mark.parametrize("change", ["one lane", "no rows", "another id"])
def test_row_shapes_say_nothing_of_bands_without_a_row(change):
    image, layout, _ = blot(1)
    if change == "one lane":
        layout = replace(layout, bands=layout.bands[1:2])
    elif change == "no rows":
        layout = replace(layout, bands=tuple(replace(band, row=None) for band in layout.bands))
    ground = prepare_image(image, layout).ground
    assert ground.own_rows("b9" if change == "another id" else "b1") is None


@pytest.mark.parametrize(("start", "is_told"), [(118, True), (110, False)])
def test_row_shapes_leave_out_rows_near_another_band(start, is_told):
    """Where the other band lies at its foot, a band cannot be told from its ground."""
    image, layout, _ = blot(1)
    other = replace(
        layout.bands[1], id="o", outline=rectangle(start, start + 13, 45, 72), peak=(start + 6.0, 58.0), row=2
    )
    lit = prepare_image(image, replace(layout, bands=(*layout.bands, other))).ground.own_rows("b1")
    alone = prepare_image(image, layout).ground.own_rows("b1")
    assert (lit is not None) == is_told
    assert alone is not None
    assert lit is None or lit.rows.max() < start - 0.2 * 23 < alone.rows.max()


def test_row_shapes_leave_out_rows_off_the_strip():
    image, layout, _ = blot(1)
    narrow = replace(layout, strips=(replace(layout.strips[0], outline=rectangle(0, 114, 0, SHAPE[1])),))
    lit = prepare_image(image, narrow).ground.own_rows("b1")
    assert lit is not None
    assert lit.rows.max() < 112


@pytest.mark.parametrize(("moved", "agree"), [(0, True), (2, True), (6, False)])
def test_own_rows_agree_unless_all_lanes_move_to_one_side(moved, agree):
    """Own rows put the ground four of its SDs higher in some lanes of eight."""
    image, layout, _ = blot(2)
    scene = prepare_image(image, layout)
    ground = scene.ground
    sd = float(np.sqrt(ground.rough.shared + ground.rough.uneven))
    for band in layout.bands:
        found = ground.shapes.under(band.id, uneven_sd=sd, pixel=ground.rough.pixel, step=ground.cells.steps[0])
        assert found is not None
    for band in layout.bands[:moved]:
        own = ground.shapes.fitted[band.id]
        ground.shapes.fitted[band.id] = own._replace(means=own.means + 4 * sd)
    assert own_rows_agree(ground, layout.bands) == agree
    assert [ground.own_rows(band.id) is not None for band in layout.bands] == [agree] * len(layout.bands)
    plain = measure_bands(image, layout, scene=without_shapes(image, layout))
    same = measure_bands(image, layout, scene=scene)["volume"] == plain["volume"]
    assert same.all() != agree


def test_measure_bands_scales_with_the_counts():
    image, layout, _ = blot(2)
    once, thrice = (measure_bands(image.with_(pixels=image.pixels * k), layout) for k in (1.0, 3.0))
    np.testing.assert_allclose(thrice["volume"], 3 * once["volume"], rtol=1e-5)
    np.testing.assert_allclose(thrice["volume_sd"], 3 * once["volume_sd"], rtol=1e-3)


def gaussian_rows(height: float, doubt: float) -> tuple[OwnRows, Aperture, Witnesses]:
    """A band of SD 4 at row 50 on a ramp, its rows in 10 columns, and free rows at either side."""
    rows = np.arange(36.0, 65)
    light = np.exp(-0.5 * ((rows - 50) / 4) ** 2)
    means, covariance = 100 + rows + height * light, doubt * np.outer(light, light)
    own = OwnRows(rows, means, np.full(len(rows), 10.0), light[:, None], covariance)
    free = np.concatenate([np.arange(10.0, 34, 2), np.arange(67.0, 90, 2)])
    table = (free, 100 + free, np.full(len(free), 20.0), np.ones(len(free)), np.zeros(len(free)))
    seen = Witnesses(*(part[None] for part in table))
    return own, Aperture(box=Box(42, 59, 0, 10), weights=np.ones((17, 10))), seen


@pytest.mark.parametrize("height", [0.0, 30.0, 5000.0])
def test_krige_gives_a_ramp_back_whatever_stands_on_it(height):
    own, aperture, seen = gaussian_rows(height, 0.0)
    [found] = krige(seen, [aperture], ROUGH, 1, [own])
    np.testing.assert_allclose(found.values[:, 0], 100 + np.arange(42, 59), rtol=1e-6)


def test_krige_solves_bands_with_and_without_own_rows_together():
    own, aperture, seen = gaussian_rows(30.0, 1.0)
    both = Witnesses(*(np.repeat(part, 2, axis=0) for part in seen))
    told, plain = krige(both, [aperture, aperture], ROUGH, 1, [own, None])
    [alone], [bare] = krige(seen, [aperture], ROUGH, 1, [own]), krige(seen, [aperture], ROUGH, 1)
    for found, expected in ((told, alone), (plain, bare)):
        np.testing.assert_array_equal(found.values, expected.values)
        assert (found.leverage, found.model_sd, found.shape_sd) == (
            expected.leverage, expected.model_sd, expected.shape_sd,
        )  # fmt: skip
    assert told.model_sd < plain.model_sd


def test_krige_knows_how_the_aperture_shares_its_noise_with_the_background():
    """Monte Carlo: SD of a volume whose background was told by its own rows."""
    own, aperture, seen = gaussian_rows(0.0, 0.0)
    flat = replace(ROUGH, shared=0.0, uneven=0.0)
    rng, volumes = np.random.default_rng(5), []
    for _ in range(400):
        pixels = rng.normal(0, 5, (29, 10))
        noisy = own._replace(means=pixels.mean(axis=1))
        beside = seen._replace(means=rng.normal(0, 5, seen.rows.shape) / 20**0.5)
        [found] = krige(beside, [aperture], flat, 1, [noisy])
        volumes.append(pixels[6:23].sum() - 10 * found.values.sum())
    variance = 25 * (170 + 170**2 * found.leverage - 2 * 170 * found.shared)
    assert np.std(volumes) == pytest.approx(variance**0.5, rel=0.1)
    assert found.shared != pytest.approx(0.0, abs=0.01)


def test_krige_says_what_the_doubt_about_a_shape_adds_to_the_level():
    own, aperture, seen = gaussian_rows(100.0, 0.0)
    [sure], [without] = krige(seen, [aperture], ROUGH, 1, [own]), krige(seen, [aperture], ROUGH, 1)
    # Own rows are trusted less than the model says, by the row's common share alone where no shape is in doubt.
    assert np.hypot(sure.model_sd, sure.shape_sd) == pytest.approx(ROW_SHARED * sure.model_sd)
    assert without.shape_sd == 0.0
    # A doubt that is the band's own height adds nothing: the height is free in any case.
    high, _, _ = gaussian_rows(100.0, 1e8)
    [free] = krige(seen, [aperture], ROUGH, 1, [high])
    assert free.shape_sd == pytest.approx(sure.shape_sd, abs=0.05)
    bent = own._replace(doubt=1e4 * np.eye(len(own.rows)))
    [found] = krige(seen, [aperture], ROUGH, 1, [bent])
    assert found.shape_sd > 2 * sure.shape_sd
    assert sure.model_sd < found.model_sd < without.model_sd


def test_light_and_doubt_is_the_covariance_of_moved_and_widened_bands():
    u = np.linspace(-12, 12, 49)[:, None]
    shape = np.array([0.0, np.log(3.0), 0.0, 0.0, 0.0])
    light, doubt = light_and_doubt(u, shape, np.array([10.0]), 0.0)
    np.testing.assert_allclose(light[:, 0], np.exp(-0.5 * (u[:, 0] / 3) ** 2), rtol=1e-9)
    by_place = 10 * u[:, 0] / 9 * light[:, 0] * 0.03 * 3
    by_width = 10 * (u[:, 0] / 3) ** 2 * light[:, 0] * 0.02
    departs = (10 * 0.01) ** 2 * (light[:, 0] + 0.05)
    np.testing.assert_allclose(np.diagonal(doubt), by_place**2 + by_width**2 + departs, rtol=1e-9)
