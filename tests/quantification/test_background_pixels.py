"""The ground summed over cells, against the same taken pixel by pixel, place by place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_grounds import ground

from blotquant.imaging.robust import winsorised_sd
from blotquant.model.geometry import Lane
from blotquant.quantification.background.background_pixels import (
    NEAR,
    OUTLIER,
    BackgroundPixels,
    Cells,
    find_specks,
    lane_light,
)


def test_cells_read_the_mean_of_free_pixels():
    rng = np.random.default_rng(1)
    signal, usable = rng.normal(500, 5, (60, 80)), rng.random((60, 80)) > 0.2
    cells = Cells(signal, usable, (6, 4), noise=100.0)
    found = cells.read(8, 40, slice(2, 5))
    for k, top in enumerate((12, 18, 24)):
        part = slice(top, top + 6), slice(8, 40)
        free = usable[part]
        assert found.counts[k] == free.sum()
        assert found.means[k] == pytest.approx(signal[part][free].mean(), rel=1e-12)
        rows = np.repeat(np.arange(top, top + 6)[:, None], 32, axis=1)
        assert found.rows[k] == pytest.approx(rows[free].mean(), rel=1e-12)


def test_cells_read_ranges_for_each_bin_as_one_range():
    signal = np.random.default_rng(2).normal(500, 5, (61, 83))
    cells = Cells(signal, np.ones(signal.shape, bool), (6, 4), noise=5.0)
    one, each = cells.read(9, 41), cells.read(np.full(11, 9.0), np.full(11, 41.0))
    for a, b in zip(one, each, strict=True):
        np.testing.assert_array_equal(a, b)


def test_cells_read_ranges_side_by_side_as_each_alone() -> None:
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
def test_cells_read_a_bin_with_three_tenths_of_its_pixels(n_free: int, is_known: bool) -> None:
    """Two cells of 6 × 4 pixels are 48, of which 14.4 are three tenths."""
    usable = np.zeros((6, 12), bool)
    usable[:, :8].flat[:n_free] = True
    cells = Cells(np.full(usable.shape, 7.0), usable, (6, 4), noise=1.0)
    wanted = (n_free, 7.0) if is_known else (0, 0.0)
    for found in (cells.read(0, 8), cells.read(np.zeros(1), np.full(1, 8.0))):
        assert (found.counts[0], found.means[0]) == wanted


def test_cells_read_a_single_pixel() -> None:
    signal = np.arange(30.0).reshape(5, 6) ** 2
    cells = Cells(signal, np.ones(signal.shape, bool), (1, 1), noise=1e6)
    each = cells.read(np.full(5, 4.0), np.full(5, 5.0))
    for found in (cells.read(4, 5), each):
        np.testing.assert_allclose(found.means, signal[:, 4])
        np.testing.assert_array_equal(found.rows, np.arange(5))


def test_cells_of_four_rows_stand_at_their_middles() -> None:
    """A band of 32 rows has bins of 4; a bin with nothing free stands at its middle too."""
    cells = replace(ground((0, 100)), band_height=32).cells
    middles = [1.5 + 4 * k for k in range(25)]
    assert cells.middles().tolist() == middles
    assert cells.read(43, 53).rows.tolist() == middles
    assert cells.read(0, 40, slice(2, 5)).rows.tolist() == middles[2:5]


@pytest.mark.parametrize(
    ("height", "pitch", "step"), [(9, 96, 3), (8.9, 96, 2), (90, 36, 3), (90, 35, 2), (90, 960, 8), (2, 960, 1)]
)
def test_grid_is_a_third_of_a_band(height: float, pitch: float, step: int) -> None:
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
def test_lane_light_is_above_the_free_ground(bin_rows: int) -> None:
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
def test_find_specks_that_stand_out_from_both_sides(noise: float) -> None:
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


def test_find_specks_keeps_their_neighbours():
    rng = np.random.default_rng(3)
    total = rng.normal(0, 1, (5, 30)) * np.sqrt(24)
    total[2, 15] += 400
    found = find_specks(total, np.full((5, 30), 24.0), 1.0)
    assert found[2, 15]
    assert found.sum() == 1


def test_find_specks_takes_no_step_for_one():
    total = np.zeros((5, 30))
    total[:, 12:] = 5000
    assert not find_specks(total, np.full((5, 30), 24.0), 1.0).any()
