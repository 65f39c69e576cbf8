"""The ground along lanes: smoothing, sums over cells, bands that fuse across lanes."""

from __future__ import annotations

import numpy as np
import pytest
from simple_pictures import LANES, SHAPE, as_image, plain_layout

from blotquant.model.geometry import rectangle
from blotquant.quantification.background.background_pixels import Cells, find_specks
from blotquant.quantification.background.methods import whittaker
from blotquant.quantification.bands import measure_bands


@pytest.mark.parametrize("n", [3, 4, 5, 60])
def test_whittaker_is_that_of_pybaselines(n):
    utils = pytest.importorskip("pybaselines.utils", reason="pybaselines is only needed to compare with")
    rng = np.random.default_rng(n)
    values, weights = rng.normal(0, 5, n), rng.uniform(0.2, 1, n)
    expected = utils.whittaker_smooth(values, lam=30.0, diff_order=2, weights=weights)
    np.testing.assert_allclose(whittaker(values, weights, 30.0), expected, rtol=1e-8, atol=1e-9)


class TestCells:
    def test_zone_is_the_mean_of_its_free_pixels(self):
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

    def test_ranges_for_each_bin_give_the_same_as_one_range(self):
        signal = np.random.default_rng(2).normal(500, 5, (61, 83))
        cells = Cells(signal, np.ones(signal.shape, bool), (6, 4), noise=5.0)
        one, each = cells.read(9, 41), cells.read(np.full(11, 9.0), np.full(11, 41.0))
        for a, b in zip(one, each, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_speck_is_left_out_and_its_neighbours_are_kept(self):
        rng = np.random.default_rng(3)
        total = rng.normal(0, 1, (5, 30)) * np.sqrt(24)
        total[2, 15] += 400
        found = find_specks(total, np.full((5, 30), 24.0), 1.0)
        assert found[2, 15]
        assert found.sum() == 1

    def test_step_is_no_speck(self):
        total = np.zeros((5, 30))
        total[:, 12:] = 5000
        assert not find_specks(total, np.full((5, 30), 24.0), 1.0).any()


class TestFusedBands:
    """A slab: one row of bands whose light runs through the gaps between the lanes."""

    @pytest.mark.parametrize("gap_share", [0.05, 0.2, 0.5, 1.0])
    @pytest.mark.parametrize("slope", [0.0, 0.5])
    def test_background_is_not_lifted(self, gap_share, slope):
        height, sigma = 4000.0, 5.0
        rows, cols = np.indices(SHAPE)
        rng = np.random.default_rng(4)
        ground = 500 + slope * rows + rng.normal(0, 6, SHAPE)
        in_lane = np.min([np.abs(cols - c + 0.5) for c in LANES], axis=0) < 15
        along = np.exp(-((rows - 99.5) ** 2) / 2 / sigma**2)
        inside = (cols > 20) & (cols < 198)
        slab = height * along * np.where(in_lane, 1.0, gap_share) * inside
        layout = plain_layout(rows=(100.0,), height=30)
        table = measure_bands(as_image(ground + slab), layout)
        truth = [(500 + slope * rows)[b.box.slices].mean() for b in layout.bands]
        np.testing.assert_allclose(table["background_mean"], truth, atol=0.01 * height)
        assert (table["background_mean"] - truth).mean() < 0.002 * height

    def test_touching_lanes(self):
        """Outlines that share their edges leave no gap at all."""
        height = 4000.0
        rows, _ = np.indices(SHAPE)
        image = 500 + np.random.default_rng(5).normal(0, 6, SHAPE)
        image = image + height * np.exp(-((rows - 99.5) ** 2) / 50)
        layout = plain_layout(rows=(100.0,), height=30)
        from dataclasses import replace

        bands = tuple(
            replace(band, outline=rectangle(85, 115, c - 23, c + 23))
            for band, c in zip(layout.bands, LANES, strict=True)
        )
        lanes = tuple(replace(lane, widths=(46.0, 46.0)) for lane in layout.lanes)
        table = measure_bands(as_image(image), replace(layout, bands=bands, lanes=lanes))
        np.testing.assert_allclose(table["background_mean"], 500, atol=0.01 * height)
        np.testing.assert_allclose(table["volume"], height * np.sqrt(50 * np.pi) * 46, rtol=0.01)
