"""Light that crosses an outline's edges: counted by hand on boxes and valleys."""

from dataclasses import replace

import numpy as np
import pytest

from blotquant.geometry import Box, Layout, Strip, rectangle
from blotquant.weighing.background import Aperture
from blotquant.weighing.scene import inside_strips
from blotquant.weighing.sides import Cuts, cut_light, cut_sd, end_variance, measure_cuts

SHAPE = (60, 80)
BOX = Box(20, 40, 30, 50)


def field(level: float = 100.0) -> np.ndarray:
    return np.full(SHAPE, level)


def aperture_over(box: Box) -> Aperture:
    return Aperture(box=box, weights=np.ones((box.row_stop - box.row_start, box.col_stop - box.col_start)))


class TestCutLight:
    def test_a_band_that_the_sides_cut(self):
        """Two columns on the left and one on the right lie outside."""
        image = field()
        image[20:40, 28:51] += 50.0
        cut, light = cut_light(image, BOX)
        assert cut == pytest.approx(3 * 20 * 50)
        assert light == pytest.approx(20 * 20 * 50)

    def test_nothing_is_cut_of_a_band_inside(self):
        image = field()
        image[20:40, 32:48] += 50.0
        assert cut_light(image, BOX) == (0.0, pytest.approx(16 * 20 * 50))

    def test_the_next_lane_beyond_the_valley_is_not_counted(self):
        image = field()
        image[20:40, 30:51] += 50.0
        image[20:40, 53:56] += 500.0
        assert cut_light(image, BOX)[0] == pytest.approx(20 * 50)

    def test_at_the_pictures_edge_one_side_is_enough(self):
        image = field()
        image[20:40, :22] += 50.0
        cut, light = cut_light(image, Box(20, 40, 0, 20))
        assert (cut, light) == (pytest.approx(2 * 20 * 50), pytest.approx(20 * 20 * 50))


class TestCuts:
    def boxes(self) -> list[Box]:
        return [Box(2, 12, c, c + 10) for c in (10, 30, 50)]

    def picture(self, more: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
        image = field()
        for box, columns in zip(self.boxes(), more, strict=True):
            image[box.row_start : box.row_stop, box.col_start : box.col_stop + columns] += 1000.0
        return image

    def test_typical_share_and_its_scatter(self):
        """0, 10 and 20 % are cut: the median is 10 %; cut alike, they do not scatter."""
        cuts = measure_cuts(self.picture(), self.boxes(), noise=1.0)
        assert cuts.typical == pytest.approx(0.1)
        assert 0.05 < cuts.spread < 0.15
        alike = measure_cuts(self.picture((2, 2, 2)), self.boxes(), noise=1.0)
        assert alike == pytest.approx((0.2, 0.0), abs=1e-12)

    def test_too_few_clear_bands_say_nothing(self):
        assert measure_cuts(self.picture(), self.boxes()[:2], noise=1.0) == Cuts()
        assert measure_cuts(self.picture(), self.boxes(), noise=1e6) == Cuts()

    def test_a_clear_band_tells_its_own_share(self):
        image, boxes = self.picture(), self.boxes()
        cuts = Cuts(typical=0.1, spread=0.05)
        found = [cut_sd(image, box, cuts, noise=1e-6) for box in boxes]
        assert found == pytest.approx([0.1 / 3**0.5, 0.0, 0.1 / 3**0.5], abs=1e-9)

    def test_a_faint_band_has_the_pictures_scatter(self):
        cuts = Cuts(typical=0.1, spread=0.05)
        assert cut_sd(self.picture(), self.boxes()[0], cuts, noise=1e9) == pytest.approx(0.05)
        assert cut_sd(field(), BOX, cuts, noise=1.0) == 0.05

    def test_any_factor_changes_no_share(self):
        image, boxes = self.picture((1, 2, 5)), self.boxes()
        assert measure_cuts(3.7 * image, boxes, noise=3.7) == pytest.approx(measure_cuts(image, boxes, noise=1.0))


class TestEnds:
    def test_lone_band(self):
        image = field()
        image[22:38, 30:50] += 1000.0
        assert end_variance(image, aperture_over(BOX), 100.0) == 0.0

    def test_a_valley_that_two_bands_light(self):
        """The row below the outline is the darkest, and 90 counts bright on 20 columns; above it is dark."""
        image = field()
        image[22:60, 30:50] += 1000.0
        image[40, 30:50] = 190.0
        assert end_variance(image, aperture_over(BOX), 100.0) == pytest.approx((20 * 90 * 20 / 12) ** 2)

    def test_rows_beyond_the_valley_are_the_other_bands(self):
        """The valley is the last row but two of the outline: two rows of the next band are taken in."""
        image = field()
        image[22:60, 30:50] += 1000.0
        image[37, 30:50] = 100.0
        assert end_variance(image, aperture_over(BOX), 100.0) == pytest.approx((2 * 20 * 1000) ** 2)

    def test_a_slanting_outline_is_read_along_its_edges(self):
        image, weights = field(), np.zeros((30, 20))
        for k in range(20):
            image[22 + k // 2 : 38 + k // 2, 30 + k] += 1000.0
            weights[k // 2 : 20 + k // 2, k] = 1.0
        slanting = Aperture(box=Box(20, 50, 30, 50), weights=weights)
        assert end_variance(image, slanting, 100.0) == 0.0

    @pytest.mark.parametrize("box", [Box(20, 22, 30, 50), Box(20, 40, 30, 32)])
    def test_an_outline_too_small_says_nothing(self, box):
        assert end_variance(np.random.default_rng(1).normal(100, 9, SHAPE), aperture_over(box), 100.0) == 0.0


class TestStripEdges:
    def layout(self, corners: list[tuple[float, float]]) -> Layout:
        return Layout(strips=(Strip(id="s1", number=1, outline=tuple(corners)),))

    def test_a_slanting_edge_keeps_its_distance_up_and_down(self):
        """The lower edge rises from row 59 on the left to row 39 on the right: three rows above it are left out."""
        layout = self.layout([(-0.5, -0.5), (-0.5, 79.5), (39.0, 79.5), (59.0, -0.5)])
        inside = inside_strips(layout, SHAPE, 3.0)
        assert inside is not None
        edge = 59.0 - 20.0 * (np.arange(80) + 0.5) / 80
        last = np.array([np.flatnonzero(column).max(initial=-1) for column in inside.T])
        assert (edge - last >= 3 - 1e-9).all()
        assert (edge - last < 17).all()  # twelve columns to the side for three rows

    def test_the_pictures_border_is_no_edge(self):
        whole = Strip(id="s1", number=1, outline=rectangle(0, 60, 0, 80))
        assert inside_strips(Layout(strips=(whole,)), SHAPE, 3.0) is None
        upper = replace(whole, outline=rectangle(0, 30, 0, 80))
        inside = inside_strips(Layout(strips=(upper,)), SHAPE, 3.0)
        assert inside is not None
        assert inside[:26].all()
        assert not inside[27:].any()

    def test_a_strip_that_begins_inside_the_picture(self):
        strip = Strip(id="s1", number=1, outline=rectangle(10, 50, 20, 60))
        inside = inside_strips(Layout(strips=(strip,)), SHAPE, 3.0)
        rows, cols = np.nonzero(inside)
        assert (rows.min(), rows.max(), cols.min(), cols.max()) == (13, 46, 23, 56)
