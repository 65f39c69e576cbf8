"""Grounds summed over cells, against the same taken pixel by pixel, place by place."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.restoration import rolling_ball

from blotquant.imaging.robust import winsorised_sd
from blotquant.model.geometry import Box, Lane
from blotquant.quantification.background.background_pixels import (
    NEAR,
    OUTLIER,
    BackgroundPixels,
    Cells,
    find_specks,
    lane_light,
)
from blotquant.quantification.background.methods import BRIGHT, STANDS, Aperture, RollingBall, interpolate_cells


def everything(shape: tuple[int, int]) -> Aperture:
    return Aperture(box=Box(0, shape[0], 0, shape[1]), weights=np.ones(shape))


def test_ranges_side_by_side_are_each_as_read_alone() -> None:
    """Bins with nothing free stand at their middles too."""
    rng = np.random.default_rng(1)
    signal, usable = rng.normal(500, 5, (60, 80)), rng.random((60, 80)) > 0.3
    usable[12:24] = False
    cells = Cells(signal, usable, (6, 4), noise=100.0)
    ranges = [(8.0, 40.0), (9.5, 39.0), (70.0, 200.0), (-9.0, 12.0), (30.0, 30.0), (40.0, 20.0)]
    left, right = np.array(ranges).T[:, :, None]
    for bins in (slice(1, 6), slice(0, 10)):
        together = cells.read(left, right, bins)
        for k, (low, high) in enumerate(ranges):
            for a, b in zip(together, cells.read(low, high, bins), strict=True):
                np.testing.assert_array_equal(a[k], b)


@pytest.mark.parametrize(("n_free", "is_known"), [(14, False), (15, True)])
def test_a_bin_speaks_with_three_tenths_of_its_pixels(n_free: int, is_known: bool) -> None:
    """Two cells of 6 × 4 pixels are 48, of which 14.4 are three tenths."""
    usable = np.zeros((6, 12), bool)
    usable[:, :8].flat[:n_free] = True
    cells = Cells(np.full(usable.shape, 7.0), usable, (6, 4), noise=1.0)
    wanted = (n_free, 7.0) if is_known else (0, 0.0)
    for found in (cells.read(0, 8), cells.read(np.zeros(1), np.full(1, 8.0))):
        assert (found.counts[0], found.means[0]) == wanted


def test_a_single_pixel_is_a_mean() -> None:
    signal = np.arange(30.0).reshape(5, 6) ** 2
    cells = Cells(signal, np.ones(signal.shape, bool), (1, 1), noise=1e6)
    each = cells.read(np.full(5, 4.0), np.full(5, 5.0))
    for found in (cells.read(4, 5), each):
        np.testing.assert_allclose(found.means, signal[:, 4])
        np.testing.assert_array_equal(found.rows, np.arange(5))


@pytest.mark.parametrize(
    ("height", "pitch", "step"), [(9, 96, 3), (8.9, 96, 2), (90, 36, 3), (90, 35, 2), (90, 960, 8), (2, 960, 1)]
)
def test_the_grid_is_a_third_of_a_band(height: float, pitch: float, step: int) -> None:
    """Of a band's height or of a quarter of a pitch, the smaller one, in whole pixels from 1 to 8."""
    rng = np.random.default_rng(6)
    signal, usable = rng.normal(100, 5, (20, 26)), rng.random((20, 26)) > 0.3
    usable[:9, :9] = False
    grid = BackgroundPixels(signal=signal, usable=usable, band_height=height, lane_pitch=pitch).grid
    assert grid.step == step
    for r in range(0, 20, step):
        for c in range(0, 26, step):
            free = usable[r : r + step, c : c + step]
            mean = signal[r : r + step, c : c + step][free].mean() if free.any() else 0.0
            assert grid.counts[r // step, c // step] == free.sum()
            assert grid.mean[r // step, c // step] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("bin_rows", [1, 2, 3, 7, 12])
def test_light_of_a_lanes_bands(bin_rows: int) -> None:
    """On a lane's middle and a quarter of its width to either side, at every third of a bin; 0 where it is free."""
    rng = np.random.default_rng(8)
    lane = Lane(id="l", strip="s", number=1, center=((0, 20), (59, 26)), widths=(12, 16))
    signal = 100 + rng.normal(0, 3, (60, 30)) + 2.0 * np.arange(60)[:, None]
    usable = np.ones(signal.shape, bool)
    for start, stop, more in ((8, 17, 200), (30, 34, 50), (40, 47, -80)):
        signal[start:stop] += more
        usable[start:stop] = False
    signal[31] = np.nan
    rows = np.arange(0, 60, max(1, bin_rows // 3))
    level = []
    for r in rows:
        center, width = 20 + 6 * r / 59, 12 + 4 * r / 59
        level.append(np.mean([signal[r, min(round(center + k * width / 4), 29)] for k in (-1, 0, 1)]))
    free = usable[rows].all(axis=1)
    excess = level - np.interp(rows, rows[free], np.array(level)[free])
    light = np.where(free | np.isnan(excess), 0.0, np.maximum(excess, 0.0))
    expected = [light[(rows >= top) & (rows < top + bin_rows)].max() for top in range(0, 60, bin_rows)]
    np.testing.assert_allclose(lane_light(signal, usable, lane, bin_rows), expected, rtol=1e-12)
    assert not lane_light(signal, usable & False, lane, bin_rows).any()
    assert not lane_light(signal, usable | True, lane, bin_rows).any()


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_specks_stand_out_from_both_sides(noise: float) -> None:
    """Six cells on either side, a cell's own pixels left out; cells without any do not count as quiet ones."""
    rng = np.random.default_rng(2)
    count = rng.integers(0, 25, (31, 40)) * (rng.random((31, 40)) > 0.5)
    total = rng.normal(0, 1, count.shape) * np.sqrt(count) + 2 * count
    spots = rng.random(count.shape) < 0.05
    total[spots] += 9 * np.sqrt(count[spots])
    off = np.zeros(count.shape)
    for i, k in zip(*np.nonzero(count), strict=True):
        sides = [slice(max(k - NEAR, 0), k), slice(k + 1, k + 1 + NEAR)]
        levels = [total[i, s].sum() / count[i, s].sum() for s in sides if count[i, s].sum() > 0]
        off[i, k] = min((abs(total[i, k] / count[i, k] - level) for level in levels), default=0.0) * count[i, k] ** 0.5
    some = off[::3, ::2][count[::3, ::2] > 0]
    expected = off > OUTLIER * max(winsorised_sd(some), noise)
    found = find_specks(total, count.astype(float), noise)
    assert expected.any() == (noise == 0.0)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(9, 7), (1, 7), (9, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("step", [1, 3, 4])
def test_levels_between_the_centres_of_cells(shape: tuple[int, int], step: int) -> None:
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


def test_columns_more_than_half_as_tall() -> None:
    weights = np.array([[0.2, 1, 1, 1, 0], [0.9, 1, 1, 0, 0], [0.9, 0, 1, 0.5, 1]])
    assert Aperture(box=Box(0, 3, 0, 5), weights=weights).filled.tolist() == [0, 1, 2]
    assert Aperture(box=Box(0, 3, 0, 0), weights=weights[:, :0]).filled.tolist() == []
