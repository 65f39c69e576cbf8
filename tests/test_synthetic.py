"""Synthetic blots: the truth they state is what they render."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graded_suites import graded_suite, random_spec

from blotquant.model.geometry import area_weights
from blotquant.synthetic import (
    NOISELESS,
    BlotSpec,
    CameraSpec,
    DebrisSpec,
    LaneSpec,
    RowSpec,
    StripSpec,
    SurfaceSpec,
    make_blot,
    plain_spec,
)
from blotquant.synthetic.bands import peaked


def bent_spec(**changes: object) -> BlotSpec:
    """Tilted, smiling, fanning, tailed, hollow, hazy: everything at once, in light of 1e5 counts a band."""
    lanes = tuple(LaneSpec(center=90 + 55 * k, width=40, slope=0.02 * (k - 2), curve_px=2, smear=20) for k in range(5))
    rows = (
        RowSpec(target="a", row=90, volumes=(1e5, 2e5, 0.0, 4e4, 1e3), tail=0.8, bow_px=3, slant=0.02, mw_kda=60),
        RowSpec(target="b", row=150, volumes=(5e4, None, 1e5, 7e4, 2e4), hollow=0.5, sigma=4),
    )
    strip = StripSpec(box=(20, 220, 30, 370), lanes=lanes, rows=rows, tilt_deg=5, smile_px=6, downhill_px=10, level=50,
                      ragged_px=3, irregular=1)  # fmt: skip
    fields: dict[str, object] = {"shape": (240, 400), "strips": (strip,), "camera": NOISELESS}
    return BlotSpec(**{**fields, **changes})  # type: ignore[arg-type]


HAZY = SurfaceSpec(base=30, gradient=(10, -5), haze=8, texture=0.05, glow=0.2)
DIRTY = DebrisSpec(specks=5, dust=4, bubbles=2, scratches=1, pencil=3, folds=1)


@pytest.mark.parametrize("exposure_s", [1.0, 7.5])
def test_pixels_minus_background_sum_up_to_the_volumes(exposure_s: float) -> None:
    blot = make_blot(bent_spec(surface=HAZY, debris=DIRTY, exposure_s=exposure_s), seed=3)
    light = (blot.pixels - blot.truth.background).sum()
    assert light == pytest.approx(exposure_s * (3.41e5 + 2.4e5), rel=1e-9)
    assert light == pytest.approx(blot.truth.bands["volume"].sum(), rel=1e-9)


def test_plain_spec_every_band_holds_its_own_volume() -> None:
    spec = plain_spec([[1e5, 3e4, 0.0]], camera=NOISELESS, sigma=3)
    blot = make_blot(spec, seed=1)
    thirds = np.split(np.asarray(blot.pixels)[:, 50:350], 3, axis=1)
    assert [part.sum() for part in thirds] == pytest.approx([1e5, 3e4, 0.0], rel=1e-6, abs=0.1)


def test_make_blot_a_plain_band_has_the_height_of_the_formula() -> None:
    blot = make_blot(plain_spec([1e5], shape=(121, 201), camera=NOISELESS, sigma=4.0), seed=1)
    width = 201 / 2 * 0.75
    assert blot.truth.bands["peak_counts"][0] == pytest.approx(1e5 / (np.sqrt(2 * np.pi) * 4 * width), rel=0.01)
    assert blot.truth.bands["sigma_across"][0] == pytest.approx(np.hypot(width / np.sqrt(12), 1.2))


def test_moments_of_a_rendered_band_are_the_stated_ones() -> None:
    blot = make_blot(plain_spec([1e5], shape=(161, 201), camera=NOISELESS, sigma=4.0), seed=1)
    pixels, band = np.asarray(blot.pixels), blot.truth.bands.iloc[0]
    rows, cols = np.indices(pixels.shape)
    for axis, spread, center in ((rows, "sigma_along", 80.5), (cols, "sigma_across", 100.5)):
        mean = (axis * pixels).sum() / pixels.sum()
        assert mean == pytest.approx(center, abs=0.01)
        assert np.sqrt(((axis - mean) ** 2 * pixels).sum() / pixels.sum()) == pytest.approx(band[spread], rel=0.01)


@pytest.mark.parametrize("tail", [-1.5, -0.3, 0.0, 0.01, 0.05, 1.0, 4.0])
def test_peaked_a_tailed_profile_has_area_one_and_its_moments(tail: float) -> None:
    along = np.linspace(-300, 300, 60001)
    light = peaked(along, 3.0, tail)
    step = along[1] - along[0]
    mean = (along * light).sum() * step
    assert light.sum() * step == pytest.approx(1, abs=1e-6)
    assert mean == pytest.approx(-3.0 * (tail if abs(tail) > 0.02 else 0), abs=1e-6)
    assert ((along - mean) ** 2 * light).sum() * step == pytest.approx(9 * (1 + tail**2), rel=1e-3)


def test_peaks_lie_where_the_noise_free_picture_is_highest() -> None:
    blot = make_blot(bent_spec(), seed=2)
    for band in blot.truth.bands[lambda t: t["present"] & (t["hollow"] == 0)].itertuples():
        column = blot.truth.signal[:, round(band.peak_col)]
        near = slice(int(band.peak_row) - 8, int(band.peak_row) + 9)
        assert near.start + int(column[near].argmax()) == pytest.approx(band.peak_row, abs=1.0)


def test_area_weights_true_outlines_hold_the_stated_share_of_each_band() -> None:
    spec = plain_spec([[1e5, 4e4, 6e4]], camera=NOISELESS)
    strip = replace(spec.strips[0], tilt_deg=4, irregular=0.8, smile_px=5)
    blot = make_blot(spec.with_(strips=(strip,)), seed=5)
    for band in blot.true_layout(2.5).bands:
        box, weights = area_weights(band.outline, blot.pixels.shape)
        share = (weights * blot.pixels[box.slices]).sum() / blot.volumes[band.id]
        assert share == pytest.approx(0.9876, abs=0.012)


def test_true_layout_says_what_is_there() -> None:
    layout = make_blot(bent_spec(), seed=2).true_layout()
    assert [lane.number for lane in layout.lanes] == [1, 2, 3, 4, 5]
    absent = [(b.lane, b.target) for b in layout.bands if b.status == "not_detected"]
    assert absent == [("s1l3", "a")]
    assert ("s1l2", "b") not in [(b.lane, b.target) for b in layout.bands]
    assert {b.row for b in layout.bands if b.target == "b"} == {2}
    for band in layout.bands:
        lane = layout.lane(band.lane)
        assert band.peak[1] == pytest.approx(float(lane.center_at(band.peak[0])), abs=0.2)


def test_one_row_has_one_aperture_height() -> None:
    blot = make_blot(plain_spec([[1e5, 1e5, 1e5, 1e5]]).with_(), seed=1)
    strip = replace(blot.spec.strips[0], irregular=1.0)
    layout = make_blot(blot.spec.with_(strips=(strip,)), seed=1).true_layout()
    heights = [np.ptp([row for row, _ in np.asarray(band.outline)[[6, 19]]]) for band in layout.bands]
    assert np.ptp(heights) == pytest.approx(0, abs=1e-3)


def test_lanes_turn_with_the_strip() -> None:
    strip = StripSpec(box=(0, 200, 0, 400), lanes=(LaneSpec(center=300, width=30),), tilt_deg=5)
    row, col = strip.to_picture(np.array([99.5]), np.array([299.5]))
    assert (row[0], col[0]) == pytest.approx((99.5 + 100 * np.sin(np.pi / 36), 199.5 + 100 * np.cos(np.pi / 36)))
    back = strip.to_upright(row, col)
    assert (back[0][0], back[1][0]) == pytest.approx((99.5, 299.5))


def test_make_blot_the_light_of_single_bands_adds_up_to_the_signal() -> None:
    blot = make_blot(bent_spec(surface=HAZY), seed=2)
    lights = [blot.light_of(band) for band in blot.band_ids]
    assert np.allclose(sum(lights), blot.truth.signal, atol=1e-9)
    assert [light.sum() for light in lights] == pytest.approx([blot.volumes[k] for k in blot.band_ids], rel=1e-9)
    with pytest.raises(KeyError, match="s9l1r1"):
        blot.light_of("s9l1r1")


def test_same_seed_same_pixels_other_seed_other_pixels() -> None:
    spec = random_spec("hard", np.random.default_rng(4))
    first, again, other = (make_blot(spec, seed=s).pixels for s in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert (first != other).mean() > 0.5


def test_make_blot_a_seed_alone_gives_a_blot() -> None:
    blot = make_blot(seed=1)
    assert len(blot.truth.lanes) >= 3
    assert blot.pixels.tobytes() == make_blot(blot.spec, seed=1).pixels.tobytes()


def test_make_blot_frames_of_one_scene_differ_in_noise_only() -> None:
    spec = bent_spec(camera=CameraSpec(), surface=HAZY)
    one, two = (make_blot(spec.with_(frame=k), seed=1) for k in (0, 1))
    assert np.array_equal(one.truth.signal, two.truth.signal)
    assert np.array_equal(one.truth.background, two.truth.background)
    assert (one.pixels != two.pixels).mean() > 0.5


def test_pictures_of_one_membrane_share_their_bent_shapes() -> None:
    spec = bent_spec(membrane_seed=9)
    one, two = (make_blot(spec, seed=s).true_layout() for s in (1, 2))
    assert one == two
    assert one != make_blot(spec.with_(membrane_seed=10), seed=1).true_layout()


def test_exposures_scale_light_and_not_the_offset() -> None:
    camera = CameraSpec(offset=100, gain=0, read_noise=0, dtype="float64", ceiling=float("inf"))
    short, long = (make_blot(bent_spec(camera=camera, exposure_s=t), seed=1) for t in (1.0, 6.0))
    assert np.allclose(long.pixels - 100, 6 * (short.pixels - 100), rtol=1e-9)
    assert long.truth.bands["volume"].to_numpy() == pytest.approx(6 * short.truth.bands["volume"].to_numpy())


def test_noise_has_the_stated_variance() -> None:
    spec = BlotSpec(shape=(300, 300), surface=SurfaceSpec(base=2000), camera=CameraSpec(gain=0.7, read_noise=20))
    pixels = make_blot(spec, seed=8).pixels.astype(float)
    assert pixels.mean() == pytest.approx(2100, abs=1)
    assert pixels.var() == pytest.approx(0.7 * 2000 + 400 + 1 / 12, rel=0.02)


def test_area_weights_sd_limit_is_the_scatter_of_the_volume() -> None:
    spec = plain_spec([3e4], shape=(60, 90), surface=SurfaceSpec(base=100), camera=CameraSpec(gain=2, read_noise=8))
    blot = make_blot(spec, seed=1)
    box, weights = area_weights(blot.true_layout().bands[0].outline, spec.shape)
    volumes = [
        (weights * (make_blot(spec.with_(frame=k), seed=1).pixels - blot.truth.background)[box.slices]).sum()
        for k in range(150)
    ]
    assert np.std(volumes) == pytest.approx(blot.truth.bands["sd_limit"][0], rel=0.15)


def test_saturation_is_told_per_band() -> None:
    spec = plain_spec([[1e5, 2e7, 4e5]], camera=CameraSpec(ceiling=4095))
    blot = make_blot(spec, seed=1)
    assert blot.truth.bands["saturated"].tolist() == [False, True, False]
    assert blot.truth.bands["saturated_px"][1] == (blot.pixels == 4095).sum()
    assert blot.pixels.max() == 4095
    assert blot.image().ceiling == 4095


def test_make_blot_a_dark_picture_is_the_bright_one_turned_over() -> None:
    spec = bent_spec(camera=CameraSpec())
    bright, dark = (make_blot(spec.with_(polarity=p), seed=1) for p in ("bright", "dark"))
    assert np.array_equal(dark.pixels, 65535 - bright.pixels)
    assert np.array_equal(dark.image().signal(), bright.image().signal())


def test_glow_moves_light_and_keeps_its_sum() -> None:
    plain, glowing = (make_blot(bent_spec(surface=SurfaceSpec(glow=g)), seed=1) for g in (0.0, 0.4))
    assert glowing.truth.signal.sum() == pytest.approx(plain.truth.signal.sum(), rel=1e-9)
    assert glowing.truth.signal.max() < 0.8 * plain.truth.signal.max()


def test_plain_spec_hollow_bands_are_dim_in_the_middle() -> None:
    spec = plain_spec([1e6], shape=(121, 201), camera=NOISELESS)
    row = replace(spec.strips[0].rows[0], hollow=0.7)
    blot = make_blot(spec.with_(strips=(replace(spec.strips[0], rows=(row,)),)), seed=1)
    profile = np.asarray(blot.pixels).sum(axis=0)
    assert profile[100] < 0.7 * profile[75]
    assert profile.sum() == pytest.approx(1e6)


def test_bands_outside_the_picture_and_missing_volumes_are_refused() -> None:
    lane = LaneSpec(center=50, width=20)
    away = StripSpec(box=(0, 100, 0, 100), lanes=(lane,), rows=(RowSpec(target="x", row=400, volumes=(1e4,)),))
    with pytest.raises(ValueError, match="band x in lane 1 lies outside the picture"):
        make_blot(BlotSpec(shape=(100, 100), strips=(away,)), seed=1)
    with pytest.raises(ValueError, match="row x has 2 volumes for 1 lanes"):
        StripSpec(box=(0, 9, 0, 9), lanes=(lane,), rows=(RowSpec(target="x", row=4, volumes=(1.0, 2.0)),))


@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard"])
def test_graded_suite_repeats_and_holds_its_truth(difficulty: str) -> None:
    short = list(graded_suite(difficulty, 2, 11))  # type: ignore[arg-type]
    longer = list(graded_suite(difficulty, 3, 11))  # type: ignore[arg-type]
    assert [b.pixels.tobytes() for b in short] == [b.pixels.tobytes() for b in longer[:2]]
    for blot in longer:
        table = blot.truth.bands
        assert blot.truth.signal.sum() == pytest.approx(table["volume"].sum(), rel=1e-9)
        assert len(blot.true_layout().bands) == len(table)
        assert len(blot.true_layout().lanes) == len(blot.truth.lanes)
        shares = table.groupby(["strip", "lane"])["share"].sum()
        assert np.minimum(shares, abs(shares - 1)).max() < 1e-12
        assert (table["snr"] >= 5).sum() >= 0.2 * table["present"].sum()


def test_graded_suite_shows_a_band_in_every_outermost_lane() -> None:
    for blot in graded_suite("hard", 4, 5):
        for _, lanes in blot.truth.lanes.groupby("strip"):
            best = blot.truth.bands.groupby(["strip", "lane"])["snr"].max()
            for place in (lanes.iloc[0], lanes.iloc[-1]):
                assert best[place["strip"], place["lane"]] > 3
