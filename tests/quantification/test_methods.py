"""Backgrounds of one number, one line, one lane and the ball, against the formulas' own and ranges counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from skimage.restoration import rolling_ball
from small_grounds import SHAPE, aperture, ground, lane

from blotquant.model.geometry import Box
from blotquant.quantification.background import BackgroundPixels
from blotquant.quantification.background.methods import (
    BRIGHT,
    STANDS,
    Aperture,
    Constant,
    Flank,
    LaneBaseline,
    NoBackground,
    RollingBall,
    _lines,
    interpolate_cells,
    weighted_median,
    whittaker,
)


def test_aperture_is_filled_where_more_than_half_as_tall() -> None:
    weights = np.array([[0.2, 1, 1, 1, 0], [0.9, 1, 1, 0, 0], [0.9, 0, 1, 0.5, 1]])
    assert Aperture(box=Box(0, 3, 0, 5), weights=weights).filled.tolist() == [0, 1, 2]
    assert Aperture(box=Box(0, 3, 0, 0), weights=weights[:, :0]).filled.tolist() == []


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [([5, 1, 3], [1, 1, 2], 3), ([4, 1, 2, 3], [1, 1, 1, 1], 2.5), ([1, 9], [1, 3], 9), ([9, 1], [1, 1], 5),
     ([7], [2], 7)],
)  # fmt: skip
def test_weighted_median(values: list[float], weights: list[float], expected: float) -> None:
    assert weighted_median(np.array(values, float), np.array(weights, float)) == expected


def test_constant_and_no_background_are_one_number() -> None:
    on = ground()
    n = float(on.usable.sum())
    found = Constant(on).under(aperture())
    assert (found.leverage, found.n_pixels) == (pytest.approx(np.pi / 2 / n), n)
    assert found.values.shape == (10, 10)
    assert found.values[0, 0] == pytest.approx(np.median(on.signal[on.usable]), abs=2.0)
    nothing = NoBackground(on).under(aperture())
    assert (nothing.values.max(), nothing.leverage, nothing.n_pixels) == (0.0, 0.0, float(on.signal.size))
    dark = replace(on, usable=np.zeros(SHAPE, bool))
    blind = Constant(dark).under(aperture())
    assert (blind.values[0, 0], blind.leverage, blind.n_pixels) == (np.median(on.signal), 1.0, 0.0)


def test_flank_is_the_weighted_least_squares_line() -> None:
    rng = np.random.default_rng(8)
    rows, counts = np.array([30.0, 33, 36, 52, 55, 60, 61]), rng.integers(3, 9, 7).astype(float)
    means = 100 + 2 * rows + rng.normal(0, 4, 7)
    [found] = _lines(rows[None], means[None], counts[None], [aperture()])
    line = np.polyfit(rows, means, 1, w=np.sqrt(counts))
    np.testing.assert_allclose(found.values[:, 0], np.polyval(line, np.arange(40, 50)), rtol=1e-10)
    design = np.stack([np.ones(7), rows], axis=1)
    covariance = np.linalg.inv(design.T @ (counts[:, None] * design))
    assert found.leverage == pytest.approx(np.array([1, 44.5]) @ covariance @ np.array([1, 44.5]), rel=1e-9)
    assert found.n_pixels == counts.sum()


@pytest.mark.parametrize(
    ("rows", "counts", "is_sloped"),
    [((39, 50), (3, 3), True), ((39, 50), (2, 9), False), ((39, 50), (9, 2), False), ((40, 50), (9, 9), False),
     ((39, 49), (9, 9), False)],
)  # fmt: skip
def test_flank_slopes_only_between_two_sides(rows: tuple[int, int], counts: tuple[int, int], is_sloped: bool) -> None:
    at, n = np.array(rows, float), np.array(counts, float)
    [found] = _lines(at[None], np.array([[100.0, 210.0]]), n[None], [aperture()])
    assert (np.ptp(found.values) > 0) == is_sloped
    if not is_sloped:
        assert found.values[0, 0] == pytest.approx((100 * n[0] + 210 * n[1]) / n.sum())
        assert found.leverage == pytest.approx(1 / n.sum())


@pytest.mark.parametrize(("min_pixels", "n"), [(170, 170), (171, 370)])
def test_flank_doubles_its_reach(min_pixels: int, n: int) -> None:
    """Rows 30 to 60 with the band's 38 to 51 masked are 17 rows of 10 pixels, rows 20 to 70 are 37."""
    found = Flank(ground(), reach=1.0, min_pixels=min_pixels).under(aperture())
    assert found.n_pixels == n


def test_flank_reaches_as_far_as_the_aperture_is_tall() -> None:
    """Rows 30 to 60 of five columns, less the masked ones."""
    assert Flank(ground(), reach=1.0).under(aperture(cols=(43, 48))).n_pixels == 17 * 5


def test_flank_reaches_to_the_pictures_last_row() -> None:
    """Rows 68 to 77 above the mask, and 92 to 99 below it, of ten columns each."""
    assert Flank(ground((78, 92)), reach=1.0).under(aperture((78, 88))).n_pixels == (10 + 7) * 10
    assert Flank(ground((78, 92)), reach=1.0).under(aperture((80, 92))).n_pixels == (10 + 8) * 10


@pytest.mark.parametrize("n_free", [2, 3])
def test_flank_of_three_pixels_is_their_mean(n_free: int) -> None:
    on = ground((0, 100))
    on.usable[10, 43:53] = False
    on.usable[10 : 10 + n_free, 43] = True
    found = Flank(replace(on, usable=on.usable & (np.indices(SHAPE)[1] < 90))).under(aperture(cols=(43, 44)))
    assert found.n_pixels == n_free
    assert found.leverage == pytest.approx(1.0 if n_free == 2 else 1 / 3)
    if n_free == 3:
        assert found.values[0, 0] == pytest.approx(on.signal[10:13, 0].mean())


@pytest.mark.parametrize("n", [3, 4, 5, 60])
def test_whittaker_is_that_of_pybaselines(n):
    utils = pytest.importorskip("pybaselines.utils", reason="pybaselines is only needed to compare with")
    rng = np.random.default_rng(n)
    values, weights = rng.normal(0, 5, n), rng.uniform(0.2, 1, n)
    expected = utils.whittaker_smooth(values, lam=30.0, diff_order=2, weights=weights)
    np.testing.assert_allclose(whittaker(values, weights, 30.0), expected, rtol=1e-8, atol=1e-9)


def test_lane_baseline_is_eilers_smoother() -> None:
    """lambda = (L / 2 pi)^4 for waves of L = 6 band heights, over the lane's bins, weighted by their free pixels."""
    own = lane()
    on = ground(lanes=(own,))
    on.usable[10, 46:49] = False
    found = LaneBaseline(on).under(aperture(of=own))
    # Edges at 43 and 53 run through the middle of those columns; 44 to 52 lie wholly between.
    free = on.usable[:, 44:53].sum(axis=1).astype(float)
    weights = free / free[free > 0].mean()
    bends = np.diff(np.eye(100), 2, axis=0)
    smooth = np.linalg.solve(np.diag(weights) + (48 / 2 / np.pi) ** 4 * bends.T @ bends, weights * on.signal[:, 0])
    np.testing.assert_allclose(found.values[:, 0], smooth[40:50], rtol=1e-7)
    # 24 rows of 99 speak for one place.
    assert found.n_pixels == pytest.approx(free.sum() * 24 / 99)
    assert found.leverage == pytest.approx(99 / 24 / free.sum())


def test_lane_baseline_has_waves_as_long_in_bins_of_two_rows() -> None:
    """Every row twice, bands twice as high: the same smoother over as many bins."""
    own = lane()
    one = ground(lanes=(own,))
    tall = replace(own, center=((0, 48.0), (199, 48.0)))
    signal, usable = np.repeat(one.signal, 2, axis=0), np.repeat(one.usable, 2, axis=0)
    two = replace(one, signal=signal, usable=usable, band_height=16, lanes=(tall,))
    assert (one.cells.steps, two.cells.steps) == ((1, 1), (2, 1))
    found = LaneBaseline(two).under(aperture((80, 100), of=tall))
    level = LaneBaseline(one).under(aperture((30, 60), of=own)).values[:, 0]
    expected = np.interp(np.arange(80, 100), 2 * np.arange(30, 60) + 0.5, level)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("n_free", [2, 3])
def test_lane_baseline_without_rows_takes_the_flanks(n_free: int) -> None:
    own = lane()
    on = ground((0, 100), (own,))
    on.usable[60 : 60 + n_free, 43:53] = True
    found = LaneBaseline(on).under(aperture(of=own))
    flank = Flank(on).under(aperture(of=own))
    same = found.n_pixels == flank.n_pixels and bool((found.values == flank.values).all())
    assert same == (n_free == 2)
    outside = LaneBaseline(on).under(aperture())
    np.testing.assert_array_equal(outside.values, flank.values)


def everything(shape: tuple[int, int]) -> Aperture:
    return Aperture(box=Box(0, shape[0], 0, shape[1]), weights=np.ones(shape))


@pytest.mark.parametrize("shape", [(9, 7), (1, 7), (9, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("step", [1, 3, 4])
def test_interpolate_cells_between_their_centres(shape: tuple[int, int], step: int) -> None:
    """Bilinear: along each row, then along each column; flat beyond the outermost centres."""
    cells = np.random.default_rng(3).normal(100, 10, shape)
    places = [(np.arange(n) + 0.5) * step - 0.5 for n in shape]
    size = shape[0] * step, shape[1] * step
    across = np.array([np.interp(np.arange(size[1]), places[1], row) for row in cells])
    expected = np.array([np.interp(np.arange(size[0]), places[0], column) for column in across.T]).T
    np.testing.assert_allclose(interpolate_cells(cells, step, everything(size)), expected, rtol=1e-12)
    part = Aperture(box=Box(0, 1, size[1] - 1, size[1]), weights=np.ones((1, 1)))
    np.testing.assert_allclose(interpolate_cells(cells, step, part), expected[:1, -1:], rtol=1e-12)


def ball_picture() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    signal, usable = rng.normal(100, 5, (60, 52)), np.ones((60, 52), bool)
    signal[10:16, 10:20] += 300
    usable[8:18, 8:22] = False
    return signal, usable


@pytest.mark.parametrize(("height", "pitch", "radius"), [(4.0, 8.0, 8), (4.5, 8.0, 9), (2.0, 12.0, 9)])
def test_rolling_ball_is_scikit_images_lifted_to_the_middle_of_the_background(
    height: float, pitch: float, radius: int
) -> None:
    """Radius: two band heights or three quarters of a pitch, the larger one, in cells of one pixel."""
    signal, usable = ball_picture()
    ground = BackgroundPixels(signal=signal, usable=usable, band_height=height, lane_pitch=pitch)
    found = RollingBall(ground).under(everything(signal.shape))
    middle = np.median(signal)
    unit = np.quantile(np.abs(signal - middle), BRIGHT) / (STANDS * radius)
    rolled = rolling_ball((signal - middle) / unit, radius=radius) * unit + middle
    np.testing.assert_allclose(found.values, rolled + np.median((signal - rolled)[usable]), rtol=1e-9)
    assert found.n_pixels == (2 * radius + 1) ** 2
    # Without any background pixels there is nothing to be lifted to.
    dark = BackgroundPixels(signal=signal, usable=~usable & usable, band_height=height, lane_pitch=pitch)
    np.testing.assert_allclose(RollingBall(dark).under(everything(signal.shape)).values, rolled, rtol=1e-9)


@pytest.mark.parametrize("factor", [1e-4, 1.0, 650.0])
def test_rolling_ball_does_not_depend_on_the_scale_of_the_counts(factor: float) -> None:
    signal, usable = ball_picture()
    one, other = (
        RollingBall(BackgroundPixels(signal=signal * f, usable=usable, band_height=4, lane_pitch=8))
        .under(everything(signal.shape))
        .values
        for f in (1.0, factor)
    )
    np.testing.assert_allclose(other, factor * one, rtol=1e-6)


def test_rolling_ball_under_a_flat_picture_is_that_picture() -> None:
    flat = np.full((40, 30), 7.0)
    ground = BackgroundPixels(signal=flat, usable=np.ones(flat.shape, bool), band_height=4, lane_pitch=8)
    assert (RollingBall(ground).under(everything(flat.shape)).values == 7.0).all()
