"""The small print of weighing, each line against a number worked out apart: sums, medians, limits, odd places."""

from __future__ import annotations

from dataclasses import replace
from math import erf

import numpy as np
import pytest
from simple_pictures import HEIGHT, LANES, ROWS, SHAPE, WIDTH, as_image, gaussians, plain_layout

from blotquant.model.geometry import Box, Lane, polygon, rectangle
from blotquant.quantification.apertures import apertures_of, stack_apertures
from blotquant.quantification.background import BACKGROUNDS, Aperture, Estimate, FittedBackground
from blotquant.quantification.bands import (
    OWN_SHARE,
    aperture_fraction,
    measure_apertures,
    measure_bands,
)
from blotquant.quantification.edge_losses import (
    EdgeLosses,
    column_sums,
    cut_light,
    cut_sds,
    end_variances,
    side_variances,
)
from blotquant.quantification.lanes import measure_lanes
from blotquant.quantification.noise import Noise, empty_variances
from blotquant.quantification.prepared_image import prepare_image
from blotquant.settings import QuantificationSettings

SLANTED = polygon([(50.3, 25.2), (52.9, 54.6), (71.4, 54.1), (69.8, 25.9)])


class Level(FittedBackground):
    """A background of one value everywhere."""

    def __init__(self, value: float) -> None:
        self.value = value

    def under(self, aperture: Aperture) -> Estimate:
        return Estimate(values=np.full(aperture.shape, self.value), leverage=0.0, n_pixels=1000.0)


def sloping() -> np.ndarray:
    """Bands on a ground that rises across the lanes."""
    return gaussians(np.full((4, 2), 900.0)) + 300 + 3.0 * np.arange(SHAPE[1])


def slanted_aperture() -> Aperture:
    from blotquant.model.geometry import area_weights

    box, weights = area_weights(SLANTED, SHAPE)
    return Aperture(box=box, weights=weights, lane=plain_layout().lanes[0])


@pytest.mark.parametrize("method", sorted(BACKGROUNDS))
def test_measure_apertures_a_volume_is_the_weighted_sum_pixel_by_pixel(method: str) -> None:
    scene = prepare_image(as_image(sloping()), plain_layout(), settings=QuantificationSettings(background=method))
    aperture = slanted_aperture()
    background = np.broadcast_to(scene.surface.under(aperture).values, aperture.shape)
    pixels = sloping()[aperture.box.slices]
    weighed = measure_apertures(scene, [aperture])[0]
    assert weighed.volume == pytest.approx((aperture.weights * (pixels - background)).sum(), rel=1e-9)
    assert weighed.background_sum == pytest.approx((aperture.weights * background).sum(), rel=1e-12, abs=1e-9)
    np.testing.assert_allclose(weighed.excess, pixels - background, atol=1e-9)


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([[10.0], [100.0]], 15 + 225),
        ([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]], 10 + 10 + 10 + 50 + 60),
        ([[10.0, 20.0, 30.0]], 10 + 10 + 2.5 + 20 + 30),
    ],
)
def test_stack_apertures_sum_backgrounds_of_any_shape(values: list[list[float]], total: float) -> None:
    aperture = Aperture(box=Box(0, 2, 0, 3), weights=np.array([[1.0, 0.5, 0.0], [0.25, 1.0, 1.0]]))
    _, stack = next(stack_apertures(np.zeros((5, 5)), [aperture, aperture]))
    estimates = [Estimate(np.array(values), 0.0, 1.0), Estimate(np.full((1, 1), 7.0), 0.0, 1.0)]
    assert stack.row_sums(stack.levels(estimates)).sum(axis=1) == pytest.approx([total, 7 * 3.75])


def spread_of(volumes: list[float]) -> float:
    """Method spread where the first volume is the band's own and the others those of other backgrounds."""
    scene = prepare_image(as_image(np.full(SHAPE, 100.0)), plain_layout())
    own, *others = [Level((100 * 100.0 - volume) / 100) for volume in volumes]
    scene = replace(scene, surface=own, others=tuple(others))
    aperture = Aperture(box=Box(50, 60, 20, 30), weights=np.ones((10, 10)))
    return measure_apertures(scene, [aperture])[0].spread


@pytest.mark.parametrize(
    ("volumes", "spread"),
    [
        ([200, 100, 400], 300 / 200),
        ([100, 400, 200], 300 / 200),
        ([100, 200, 400, 1000], 900 / 300),
        ([-100, -200, -400], 300 / 200),
        ([0.02, 0.01, 0.04], 0.03 / 0.02),
        ([1, 2, 3, 4, 5], 4 / 3),
    ],
)
def test_measure_apertures_spread_is_the_range_over_the_median(volumes: list[float], spread: float) -> None:
    assert spread_of(volumes) == pytest.approx(spread, rel=1e-6)


@pytest.mark.parametrize("volumes", [[100, 200], [100], [-100, 0, 300], [np.nan, 100, 200, 300]])
def test_measure_apertures_spread_no_spread_of_two_methods_or_about_nothing(volumes: list[float]) -> None:
    assert np.isnan(spread_of(volumes))


@pytest.mark.parametrize(
    "heights", [[10.0, 14.0, 20.0], [10.0, 14.0, 16.0, 20.0], [8.0, 8.0, 0.0, 12.0], [8.0, 1.0, 12.0]]
)
def test_aperture_fraction_goes_by_the_median_height(heights: list[float]) -> None:
    weights = (np.arange(20)[:, None] < np.array(heights)).astype(float)
    layout = plain_layout()
    aperture = Aperture(box=Box(50, 70, 20, 20 + len(heights)), weights=weights, lane=layout.lanes[0])
    scene = replace(prepare_image(as_image(sloping()), layout), row_sigma={("s", 1): 4.0})
    middle = float(np.median([h for h in heights if h]))
    expected = erf(middle / 2 / 4.0 / np.sqrt(2))
    assert aperture_fraction(layout.bands[0], scene, aperture) == pytest.approx(expected, rel=1e-12)


def test_aperture_fraction_no_aperture_fraction_where_the_row_is_not_known() -> None:
    layout = plain_layout()
    scene = replace(prepare_image(as_image(sloping()), layout), row_sigma={("s", 1): 4.0, ("s", None): 9.0})
    aperture = Aperture(box=Box(50, 60, 20, 30), weights=np.ones((10, 10)), lane=layout.lanes[0])
    assert np.isnan(aperture_fraction(replace(layout.bands[0], row=None), scene, aperture))
    assert np.isnan(aperture_fraction(replace(layout.bands[0], row=2), scene, aperture))
    assert np.isnan(aperture_fraction(layout.bands[0], scene, replace(aperture, lane=None)))


def test_measure_bands_a_band_outside_the_picture_is_a_row_without_numbers() -> None:
    layout = plain_layout()
    away = replace(layout.bands[0], outline=rectangle(300, 320, 25, 55), peak=(310.0, 40.0))
    table = measure_bands(as_image(sloping()), replace(layout, bands=(away, *layout.bands[1:]))).set_index("band_id")
    assert table.loc[away.id, "area_px"] == 0
    assert np.isnan(table.loc[away.id, "background_mean"])
    assert table.loc["l1r0", "background_mean"] > 0


def test_strips_are_named_by_their_numbers() -> None:
    layout = plain_layout()
    upper = replace(layout.strips[0], number=3, outline=rectangle(10, 200, 0, 220))
    named = measure_bands(as_image(sloping()), replace(layout, strips=(upper,)))
    assert named["strip"].tolist() == [3] * len(LANES) * len(ROWS)
    # Half-open rows 10 to 200 have their edges at 9.5 and 199.5.
    np.testing.assert_allclose(named["rf"], [(row - 9.5) / 190 for _ in LANES for row in ROWS])
    assert measure_lanes(as_image(sloping()), replace(layout, strips=(upper,)))["strip"].tolist() == [3] * 4


def test_measure_bands_volume_in_units_of_its_sd() -> None:
    noise = np.random.default_rng(0).normal(0, 5, SHAPE)
    table = measure_bands(as_image(sloping() + noise), plain_layout())
    np.testing.assert_allclose(table["snr"], table["volume"] / table["volume_sd"], rtol=1e-12)
    np.testing.assert_allclose(table["loq"] / table["lod"], 10 / 3, rtol=1e-12)
    np.testing.assert_allclose(table["area_px"], HEIGHT * WIDTH, rtol=1e-9)


def leaning() -> Lane:
    """A lane that leans: its centre is 30 columns further right at the bottom."""
    return Lane(id="a", strip="s", number=1, center=((20.0, 60.0), (180.0, 90.0)), widths=(WIDTH, WIDTH))


def lanes_of(lane: Lane, window: tuple[float, float] | None = None) -> object:
    layout = replace(plain_layout(), lanes=(lane,), bands=())
    return measure_lanes(as_image(np.full(SHAPE, 100.0)), layout, window=window).iloc[0]


def test_measure_lanes_a_lane_stands_where_its_middle_is() -> None:
    assert lanes_of(leaning())["col_center"] == pytest.approx(75.0)


def test_measure_lanes_a_window_that_misses_a_lane_leaves_it_without_a_volume() -> None:
    for window in ((0.0, 20.5), (0.0, 10.0), (180.5, 190.0), (100.0, 100.0)):
        assert np.isnan(lanes_of(leaning(), window)["volume"])
    assert lanes_of(leaning(), (0.0, 21.5))["volume"] == pytest.approx(0.0, abs=1e-6)


def test_measure_lanes_a_window_follows_the_lane_as_it_leans() -> None:
    picture = np.full(SHAPE, 100.0)
    rows, cols = np.indices(SHAPE)
    inside = np.abs(cols - (60 + 30 * (rows - 20) / 160)) <= WIDTH / 2
    picture += 60.0 * inside * np.isin(rows % 20, (9, 10))
    layout = replace(plain_layout(), lanes=(leaning(),), bands=())
    volume = measure_lanes(as_image(picture), layout, window=(60.0, 140.0))["volume"][0]
    assert volume == pytest.approx(60 * 8 * WIDTH, rel=0.02)


def test_apertures_of_the_parts_of_a_variance() -> None:
    """An empty outline's, shot noise, light at the ends and sides, and what the band keeps or loses of its own."""
    image = as_image(sloping() + np.random.default_rng(3).normal(0, 4, SHAPE))
    layout = plain_layout(height=14)
    scene = prepare_image(image, layout)
    noise = Noise(sigma=4.0, correlation=np.array([[0.0, 0.2, 0.0], [0.15, 1.0, 0.15], [0.0, 0.2, 0.0]]), gain=2.0)
    scene = replace(scene, noise=noise, cuts=EdgeLosses(typical=0.01, spread=0.05))
    parts = np.zeros(5)
    for aperture in apertures_of(layout.bands, layout, scene.signal):
        estimate = scene.surface.under(aperture)
        weighed = measure_apertures(scene, [aperture], [estimate])[0]
        level = np.array([weighed.background_sum / aperture.area])
        _, stack = next(stack_apertures(scene.signal, [aperture]))
        lines = column_sums(scene.signal, stack.boxes)
        (cut,) = cut_sds(lines, *cut_light(lines), scene.cuts, 4.0 * np.sqrt(1.7))
        own = [
            empty_variances(noise, stack, [estimate])[0],
            2.0 * 1.7 * weighed.volume,
            side_variances(lines, stack, level)[0],
            sum(end_variances(scene.signal, stack, level, light=weighed.volume, noise=4.0 * np.sqrt(1.7)))[0],
            (OWN_SHARE**2 + cut**2) * weighed.volume**2,
        ]
        assert cut > OWN_SHARE
        assert weighed.empty_sd**2 == pytest.approx(own[0], rel=1e-9)
        assert weighed.volume_sd**2 == pytest.approx(sum(own), rel=1e-9)
        parts += own
    assert (parts > 0).all()


@pytest.mark.parametrize(
    ("upper", "lower", "share", "both"),
    [
        (40.0, 40.0, 0.25, 0.75),  # 4 s (1 - s) of all of the light
        (-40.0, -40.0, 0.25, 0.0),  # no light to go wrong with
        (50.0, -10.0, None, 0.0),  # nothing that both have a share of
        (40.0, -40.0, None, 0.0),  # nothing in all
    ],
)
def test_measure_apertures_a_doublets_band_bears_the_error_of_its_division(
    upper: float, lower: float, share: float | None, both: float
) -> None:
    """The fit's own SD, a part of the pair's volume, and 11 % of what both have a share of."""
    image = np.full(SHAPE, 100.0)
    image[50:60, 25:55] += upper
    image[60:70, 25:55] += lower
    shares = ((-20.0, share), (20.0, share)) if share is not None else ((-0.5, 1.0), (0.5, 0.0))
    layout = plain_layout()
    band = replace(layout.bands[0], outline=rectangle(50, 70, 25, 55), split=shares, split_sd=0.05)
    scene = replace(prepare_image(as_image(image), layout), surface=Level(100.0), others=())
    whole = abs(upper + lower) * 300
    alone = measure_apertures(scene, apertures_of([band], layout, scene.signal))[0]
    extra = whole * np.hypot(0.05, 0.11 * both)
    row = measure_bands(as_image(image), replace(layout, bands=(band,)), scene=scene).iloc[0]
    assert row["volume"] == pytest.approx(alone.volume)
    assert row["volume_sd"] == pytest.approx(np.hypot(alone.volume_sd, extra), rel=1e-9)
    assert extra == 0.0 or row["volume_sd"] > 1.01 * alone.volume_sd


def test_measure_apertures_a_doublet_at_the_pictures_edge_is_divided_where_it_is_seen() -> None:
    """Rows 190 to 199 of a band that goes on below the picture."""
    image = np.full(SHAPE, 100.0)
    image[190:, 25:55] += 40.0
    layout = plain_layout()
    outline = rectangle(190, 215, 25, 55)
    band = replace(layout.bands[0], outline=outline, split=((-40.0, 0.25), (40.0, 0.25)), split_sd=0.05)
    scene = replace(prepare_image(as_image(image), layout), surface=Level(100.0), others=())
    alone = measure_apertures(scene, apertures_of([band], layout, scene.signal))[0]
    row = measure_bands(as_image(image), replace(layout, bands=(band,)), scene=scene).iloc[0]
    extra = 40.0 * 300 * np.hypot(0.05, 0.11 * 0.75)
    assert row["volume_sd"] == pytest.approx(np.hypot(alone.volume_sd, extra), rel=1e-9)


@pytest.mark.parametrize(("leverage", "n"), [(0.02, 500.0), (0.0999, 500.0), (0.12, 1 / 0.12), (0.5, 2.0), (1.0, 1.0)])
def test_pixels_far_to_one_side_count_as_many_as_their_variance_is_worth(leverage: float, n: float) -> None:
    scene = prepare_image(as_image(sloping()), plain_layout())
    estimate = Estimate(values=np.full((1, 1), 300.0), leverage=leverage, n_pixels=500.0)
    aperture = Aperture(box=Box(50, 60, 20, 30), weights=np.ones((10, 10)))
    assert measure_apertures(scene, [aperture], [estimate])[0].n_background == pytest.approx(n)
    few = replace(estimate, n_pixels=1.5)
    assert measure_apertures(scene, [aperture], [few])[0].n_background == min(1.5, n)


def test_measure_bands_a_peak_stands_in_its_own_row_and_column() -> None:
    layout = plain_layout()
    table = measure_bands(as_image(sloping()), layout)
    assert list(zip(table["peak_row"], table["peak_col"], strict=True)) == [band.peak for band in layout.bands]
