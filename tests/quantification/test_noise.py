"""The picture's noise against its definition, pixel by pixel: tiles, correlation, shot noise, sums over outlines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from simple_pictures import as_image, plain_layout

from blotquant.imaging.robust import winsorised_sd
from blotquant.model.geometry import Box
from blotquant.quantification.apertures import stack_apertures
from blotquant.quantification.background import Aperture, Estimate
from blotquant.quantification.noise import (
    MAX_TILES,
    OVERLAP,
    TILE,
    Noise,
    _positive_slope,
    empty_variances,
    free_tiles,
    measure_noise,
    shot_gain,
)
from blotquant.quantification.prepared_image import prepare_image

CORRELATION = np.array([
    [0.0, 0.1, 0.05, 0.0, 0.02],
    [0.1, 0.2, 0.3, 0.15, 0.0],
    [0.05, 0.4, 1.0, 0.4, 0.05],
    [0.0, 0.15, 0.3, 0.2, 0.1],
    [0.02, 0.0, 0.05, 0.1, 0.0],
])  # fmt: skip


def variance_of_a_sum(shape: tuple[int, int]) -> float:
    """Of all pixels of an aperture, in units of one pixel's: the sum of all covariances, pair by pair."""
    total = 0.0
    places = list(np.ndindex(shape))
    for r, c in places:
        for r2, c2 in places:
            if abs(r - r2) <= 2 and abs(c - c2) <= 2:
                total += CORRELATION[2 + r - r2, 2 + c - c2]
    return total


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 2), (3, 5), (12, 20)])
def test_noise_a_sum_scatters_by_all_its_pairs(shape: tuple[int, int]) -> None:
    noise = Noise(sigma=3.0, correlation=CORRELATION, gain=None)
    assert noise.spread_over(np.array(shape)) == pytest.approx(variance_of_a_sum(shape) / np.prod(shape), rel=1e-12)
    assert noise.spread == pytest.approx(CORRELATION.sum(), rel=1e-12)


def test_noise_that_cancels_still_scatters_a_little() -> None:
    noise = Noise(sigma=3.0, correlation=np.array([[-0.6, 1.0, -0.6]]).repeat(3, 0) * [[0], [1], [0]], gain=None)
    assert (noise.spread, noise.spread_over(np.array([20, 20]))) == (0.05, 0.05)


@pytest.mark.parametrize(("gain", "level", "more"), [(None, 0.0, 0.0), (2.0, 100.0, 40.0), (2.0, 120.0, 0.0),
                                                     (2.0, 1000.0, None)])  # fmt: skip
def test_variance_of_an_empty_outline(gain: float | None, level: float, more: float | None) -> None:
    """N sigma² and N² sigma² / n_b, each with its correlation, and the ground's bend; all at the ground's own level."""
    noise = Noise(sigma=3.0, correlation=CORRELATION, gain=gain, level=level)
    weights = np.random.default_rng(1).uniform(0, 1, (4, 7))
    aperture = Aperture(box=Box(0, 4, 0, 7), weights=weights)
    estimate = Estimate(values=np.full((4, 1), 120.0), leverage=0.02, n_pixels=50, model_sd=0.3)
    pixel = 9.0 + more if more is not None else 0.25 * 9.0
    area = weights.sum()
    of_sum = pixel * variance_of_a_sum((4, 7)) / 28 * (weights**2).sum()
    expected = of_sum + area**2 * (pixel * 0.02 * CORRELATION.sum() + 0.3**2)
    _, stack = next(stack_apertures(np.zeros((9, 9)), [aperture]))
    assert empty_variances(noise, stack, [estimate]) == pytest.approx(expected, rel=1e-9)


# where noise is measured


def corners(tiles: list[Box]) -> list[tuple[int, int]]:
    assert all(t.row_stop - t.row_start == t.col_stop - t.col_start == TILE for t in tiles)
    return [(t.row_start // TILE, t.col_start // TILE) for t in tiles]


def test_free_tiles_tiles_that_are_mostly_free() -> None:
    """Nine tiles, one of them half masked: the eight others are enough. What is left at the edges makes no tile."""
    usable = np.ones((3 * TILE + 20, 3 * TILE + 47), bool)
    usable[TILE : TILE + 24, TILE : 2 * TILE] = False
    assert corners(free_tiles(usable)) == [(r, c) for r in range(3) for c in range(3) if (r, c) != (1, 1)]
    # Of two, both are needed for eight; one of which hardly anything is free says nothing.
    usable[:24, :TILE] = False
    assert corners(free_tiles(usable)) == list(np.ndindex(3, 3))
    usable[:TILE, :TILE] = False
    assert corners(free_tiles(usable)) == list(np.ndindex(3, 3))[1:]
    assert free_tiles(np.zeros((200, 200), bool)) == []


def test_free_tiles_tiles_are_spread_over_a_large_picture() -> None:
    found = corners(free_tiles(np.ones((6 * TILE, 6 * TILE), bool)))
    assert len(found) == MAX_TILES
    numbers = [6 * r + c for r, c in found]
    assert (numbers[0], numbers[-1]) == (0, 35)
    assert set(np.diff(numbers)) == {1, 2}


def test_free_tiles_a_picture_smaller_than_a_tile_is_one() -> None:
    (tile,) = free_tiles(np.ones((30, 70), bool)[:, :40])
    assert tile == Box(0, 30, 0, 30)


def unlike(signal: np.ndarray, usable: np.ndarray, lag: tuple[int, int]) -> float:
    """Half the mean square difference over one tile, of free pixels that lie apart by `lag`."""
    steps = [
        signal[r, c] - signal[r - lag[0], c - lag[1]]
        for r in range(lag[0], TILE)
        for c in range(max(lag[1], 0), TILE + min(lag[1], 0))
        if usable[r, c] and usable[r - lag[0], c - lag[1]]
    ]
    return winsorised_sd(np.array(steps)) ** 2 / 2


@pytest.mark.parametrize("smooth", [0.0, 0.7])
def test_measure_noise_sigma_and_correlation_by_pairs(smooth: float) -> None:
    rng = np.random.default_rng(2)
    signal = gaussian_filter(rng.normal(0, 10, (TILE, TILE)), (smooth, 0.6 * smooth)) + 300
    signal += 0.3 * np.roll(signal, (1, 1), (0, 1))
    usable = rng.random(signal.shape) > 0.02
    found = measure_noise(signal, usable, [])
    variance = unlike(signal, usable, (0, 5))
    assert found.sigma == pytest.approx(np.sqrt(variance), rel=1e-12)
    assert (found.gain, found.level) == (None, 0.0)
    for dr in range(-2, 3):
        for dc in range(-2, 3):
            lag = (dr, dc) if (dr, dc) > (0, 0) else (-dr, -dc)
            value = 1 - unlike(signal, usable, lag) / variance if lag != (0, 0) else 1.0
            assert found.correlation[2 + dr, 2 + dc] == pytest.approx(value if value > 0.02 else 0.0, abs=1e-12)


@pytest.mark.parametrize("usable", [np.zeros((60, 60), bool), np.ones((60, 60), bool)])
def test_measure_noise_without_ground_or_noise_nothing_scatters(usable: np.ndarray) -> None:
    found = measure_noise(np.full((60, 60), 7.0), usable, [Box(10, 20, 10, 30)])
    assert (found.sigma, found.gain, found.level) == (0.0, None, 0.0)
    assert found.correlation.tolist() == [[1.0]]


# shot noise


def gain_by_hand(crops: Sequence[np.ndarray], bend_variance: float = 252.0, n_bins: int = 12) -> float | None:
    """Windows of six pixels along each row: their mean, and their fifth difference."""
    windows = np.array([row[k : k + 6] for crop in crops for row in crop for k in range(crop.shape[1] - 5)])
    windows = windows[np.isfinite(windows).all(axis=1)]
    level, bend = windows.mean(axis=1), windows @ [-1, 5, -10, 10, -5, 1]
    cuts = np.quantile(level, np.linspace(0, 1, n_bins + 1)[1:-1])
    group = np.searchsorted(cuts, level, side="right")
    lines = [
        (level[group == k].mean(), winsorised_sd(bend[group == k]) ** 2 / bend_variance, (group == k).sum())
        for k in range(n_bins)
        if (group == k).sum() >= 30
    ]
    mean, variance, n = np.array(lines, float).T
    expected = variance
    for _ in range(4):
        weights = n / (2 * OVERLAP * expected**2)
        slope, middle = np.polyfit(mean - np.average(mean, weights=weights), variance, 1, w=np.sqrt(weights))
        center = np.average(mean, weights=weights)
        expected = np.maximum(middle + slope * (mean - center), 0.05 * middle)
    error = 1 / np.sqrt((weights * (mean - center) ** 2).sum())
    return float(slope) if slope > 3 * error else None


def lit_crops(gain: float, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    crops = []
    for height in (2000.0, 800.0, 0.0):
        light = 300 + height * np.exp(-((np.arange(40) - 19.5) ** 2) / 200)[:, None] * np.ones(30)
        crops.append(rng.normal(light, np.sqrt(25 + gain * light)))
    return crops


@pytest.mark.parametrize("gain", [0.0, 0.02, 0.5, 4.0])
def test_shot_gain_the_slope_of_variances_over_levels(gain: float) -> None:
    crops = lit_crops(gain, 3)
    crops[0][5, 7] = np.nan
    crops.append(np.full((4, 5), 9e9))  # too narrow for a window
    expected = gain_by_hand(crops[:3])
    found = shot_gain(crops)
    assert (found is None) == (expected is None)
    assert (found is None) == (gain == 0)
    if expected is not None:
        assert found == pytest.approx(expected, rel=1e-9)
        assert found == pytest.approx(gain, rel=0.25)
        assert shot_gain(crops, bend_variance=126.0) == pytest.approx(2 * expected, rel=1e-6)


@pytest.mark.parametrize("smooth", [0.0, 0.45, 0.8, 1.0])
def test_measure_noise_correlated_noise_is_no_smaller_gain(smooth: float) -> None:
    """Fifth differences of correlated noise are smaller: by the square of their weights, pair by pair of pixels."""
    rng = np.random.default_rng(6)
    rows, cols = np.indices((96, 480))
    light = 300 + 4000 * np.exp(-((rows - 70) ** 2) / 60) * (np.abs(cols - 100) < 30)
    noise = gaussian_filter(rng.normal(0, 1, light.shape), (0, smooth)) if smooth else rng.normal(0, 1, light.shape)
    signal = light + noise / noise.std() * np.sqrt(20 + 1.5 * light)
    usable = np.ones(signal.shape, bool)
    box = Box(50, 90, 68, 133)
    usable[box.slices] = False
    found = measure_noise(signal, usable, [box])
    tiles = [signal[tile.slices] for tile in free_tiles(usable)]
    weights = np.array([-1, 5, -10, 10, -5, 1])
    near = [1.0, *found.correlation[2, 3:], 0.0, 0.0, 0.0]
    bend = sum(weights[i] * weights[k] * near[abs(i - k)] for i in range(6) for k in range(6))
    assert found.gain == pytest.approx(gain_by_hand([signal[50:90, 84:117], *tiles[:8]], max(bend, 15.0)), rel=1e-6)
    assert found.gain == pytest.approx(1.5, rel=0.4 if smooth < 1 else 2)
    assert (bend > 15) == (smooth < 1)
    free = [usable[tile.slices] for tile in free_tiles(usable)]
    assert found.level == np.median([np.median(p[f]) for p, f in zip(tiles, free, strict=True)])


def test_windows_end_with_their_rows() -> None:
    """Rows of very different levels, each of them even: from one to the next there is no noise."""
    steps = np.repeat(np.arange(400.0)[:, None] ** 2, 12, axis=1)
    assert shot_gain([steps + np.random.default_rng(4).normal(0, 1, steps.shape)]) is None


@pytest.mark.parametrize("n", [348, 360])
def test_shot_gain_thirty_windows_a_bin_are_needed(n: int) -> None:
    """Twelve bins of 29 say nothing, of 30 they do."""
    light = np.linspace(100, 5000, n)[:, None] * np.ones(6)
    crop = np.random.default_rng(5).normal(light, np.sqrt(light))
    assert (shot_gain([crop]) is None) == (n == 348)


def test_positive_slope_a_line_through_known_variances() -> None:
    mean = np.array([100.0, 200.0, 400.0, 900.0, 1500.0])
    many = np.full(5, 1e6)
    assert _positive_slope(mean, 50 + 0.7 * mean, many) == pytest.approx(0.7, rel=1e-9)
    assert _positive_slope(mean, 2000 - 0.7 * mean, many) is None
    assert _positive_slope(np.full(5, 100.0), 50 + 0.7 * mean, many) is None
    # Of few pixels each variance is known to sqrt(2 · 2.9 / n): the slope must exceed three of its errors.
    variance = 50 + 0.7 * mean
    for n in (20.0, 60.0, 200.0):
        weights = n / (2 * OVERLAP * variance**2)
        center = np.average(mean, weights=weights)
        error = 1 / np.sqrt((weights * (mean - center) ** 2).sum())
        assert (_positive_slope(mean, variance, np.full(5, n)) is not None) == (error * 3 < 0.7)


@pytest.mark.parametrize("seed", range(4))
def test_prepare_image_sharp_sides_of_bands_are_no_shot_noise(seed: int) -> None:
    """A strip cut so close that no tile is free of bands: photons alone, one count of variance for each count."""
    rng, shape = np.random.default_rng(seed), (110, 220)
    layout = plain_layout(rows=(30.0, 75.0), shape=shape)
    light = np.full(shape, 200.0)
    for box in (band.box for band in layout.bands):
        rows = np.arange(box.row_start, box.row_stop)[:, None] - (box.row_start + box.row_stop - 1) / 2
        light[box.slices] += 4000 * np.exp(-0.5 * (rows / 4) ** 2)
    noise = prepare_image(as_image(rng.poisson(light).astype(float)), layout).noise
    assert noise.gain == pytest.approx(1.0, rel=0.35)
