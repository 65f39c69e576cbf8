"""Light that crosses an outline's edges: counted by hand on boxes and valleys."""

from dataclasses import replace

import numpy as np
import pytest

from blotquant.model.geometry import Box, Layout, Strip, area_weights, polygon, rectangle
from blotquant.quantification.apertures import Stack, stack_apertures
from blotquant.quantification.background import Aperture
from blotquant.quantification.edge_losses import (
    EdgeLosses,
    column_sums,
    cut_light,
    cut_sds,
    end_variances,
    measure_edge_losses,
    side_variances,
)
from blotquant.quantification.prepared_image import inside_strips

SHAPE = (60, 80)
BOX = Box(20, 40, 30, 50)


def stack_of(image: np.ndarray, aperture: Aperture) -> Stack:
    return next(stack_apertures(image, [aperture]))[1]


def both_ends(image: np.ndarray, aperture: Aperture, level: float, **known: float) -> float:
    """Variance of a volume for what crosses its outline's ends: light that runs in, and light that is cut off."""
    others, cut = end_variances(image, stack_of(image, aperture), np.array([level]), **known)
    return float(others[0] + cut[0])


def side_variance(image: np.ndarray, aperture: Aperture, level: float) -> float:
    lines = column_sums(image, np.array([aperture.box]))
    return float(side_variances(lines, stack_of(image, aperture), np.array([level]))[0])


def cut_of(image: np.ndarray, box: Box) -> tuple[float, float]:
    cut, light = cut_light(column_sums(image, np.array([box])))
    return float(cut[0]), float(light[0])


def cut_sd(image: np.ndarray, box: Box, cuts: EdgeLosses, noise: float) -> float:
    lines = column_sums(image, np.array([box]))
    return float(cut_sds(lines, *cut_light(lines), cuts, noise)[0])


def field(level: float = 100.0) -> np.ndarray:
    return np.full(SHAPE, level)


def aperture_over(box: Box) -> Aperture:
    return Aperture(box=box, weights=np.ones((box.row_stop - box.row_start, box.col_stop - box.col_start)))


class TestCutLight:
    def test_cut_light_a_band_that_the_sides_cut(self):
        """Two columns on the left and one on the right lie outside."""
        image = field()
        image[20:40, 28:51] += 50.0
        cut, light = cut_of(image, BOX)
        assert cut == pytest.approx(3 * 20 * 50)
        assert light == pytest.approx(20 * 20 * 50)

    def test_cut_light_nothing_is_cut_of_a_band_inside(self):
        image = field()
        image[20:40, 32:48] += 50.0
        assert cut_of(image, BOX) == (0.0, pytest.approx(16 * 20 * 50))

    def test_cut_light_the_next_lane_beyond_the_valley_is_not_counted(self):
        image = field()
        image[20:40, 30:51] += 50.0
        image[20:40, 53:56] += 500.0
        assert cut_of(image, BOX)[0] == pytest.approx(20 * 50)

    def test_cut_light_at_the_pictures_edge_one_side_is_enough(self):
        image = field()
        image[20:40, :22] += 50.0
        cut, light = cut_of(image, Box(20, 40, 0, 20))
        assert (cut, light) == (pytest.approx(2 * 20 * 50), pytest.approx(20 * 20 * 50))


class TestCuts:
    def boxes(self) -> list[Box]:
        return [Box(2, 12, c, c + 10) for c in (10, 30, 50)]

    def picture(self, more: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
        image = field()
        for box, columns in zip(self.boxes(), more, strict=True):
            image[box.row_start : box.row_stop, box.col_start : box.col_stop + columns] += 1000.0
        return image

    def test_measure_edge_losses_typical_share_and_its_scatter(self):
        """0, 10 and 20 % are cut: the median is 10 %; cut alike, they do not scatter."""
        cuts = measure_edge_losses(self.picture(), self.boxes(), noise=1.0)
        assert cuts.typical == pytest.approx(0.1)
        assert 0.05 < cuts.spread < 0.15
        alike = measure_edge_losses(self.picture((2, 2, 2)), self.boxes(), noise=1.0)
        assert (alike.typical, alike.spread, *alike.ends) == pytest.approx((0.2, 0.0, 0.0, 0.0), abs=1e-12)

    def test_measure_edge_losses_too_few_clear_bands_say_nothing(self):
        assert (
            measure_edge_losses(self.picture(), self.boxes()[:2], noise=1.0) == EdgeLosses() == (0.0, 0.0, (0.0, 0.0))
        )
        assert measure_edge_losses(self.picture(), self.boxes(), noise=1e6) == EdgeLosses()

    def test_cut_sds_a_clear_band_tells_its_own_share(self):
        image, boxes = self.picture(), self.boxes()
        cuts = EdgeLosses(typical=0.1, spread=0.05)
        found = [cut_sd(image, box, cuts, noise=1e-6) for box in boxes]
        assert found == pytest.approx([0.1 / 3**0.5, 0.0, 0.1 / 3**0.5], abs=1e-9)

    def test_cut_sds_a_faint_band_has_the_pictures_scatter(self):
        cuts = EdgeLosses(typical=0.1, spread=0.05)
        assert cut_sd(self.picture(), self.boxes()[0], cuts, noise=1e9) == pytest.approx(0.05)
        assert cut_sd(field(), BOX, cuts, noise=1.0) == 0.05

    def test_measure_edge_losses_any_factor_changes_no_share(self):
        image, boxes = self.picture((1, 2, 5)), self.boxes()
        brighter, plain = (measure_edge_losses(k * image, boxes, noise=k) for k in (3.7, 1.0))
        assert (*brighter[:2], *brighter.ends) == pytest.approx((*plain[:2], *plain.ends))

    @pytest.mark.parametrize("noise", [1.0, 10.0, 40.0])
    def test_between_clear_and_faint_by_the_squares(self, noise: float):
        """A band is half clear at 30 SDs of its 100 pixels' noise; what noise alone shows beyond is taken off."""
        cuts = EdgeLosses(typical=0.02, spread=0.05)
        light, cut = 10 * 10 * 1000.0, 0.2
        grain = noise**2 * 100 / light**2
        clear = light**2 / (light**2 + (30 * noise) ** 2 * 100)
        own = max((cut - 0.02) ** 2 - 3 * grain, 0.0) / 3
        found = cut_sd(self.picture((2, 2, 2)), self.boxes()[0], cuts, noise)
        assert found == pytest.approx(np.sqrt(clear * own + (1 - clear) * 0.05**2), rel=1e-9)

    def test_bands_count_from_thirty_sds_of_their_pixels(self):
        """1000 counts on each of 100 pixels are 30 SDs where one pixel's is 333."""
        clear = 1e5 / 30 / 10
        assert measure_edge_losses(self.picture((2, 2, 2)), self.boxes(), noise=0.999 * clear).typical == pytest.approx(
            0.2
        )
        assert measure_edge_losses(self.picture((2, 2, 2)), self.boxes(), noise=1.001 * clear) == EdgeLosses()


def light_of_columns(image: np.ndarray, box: Box, level: float) -> np.ndarray:
    return image[box.row_start : box.row_stop].sum(axis=0) - (box.row_stop - box.row_start) * level


class TestSides:
    """What lies beyond the darkest column near a side, and half a column for where the side lies."""

    @pytest.mark.parametrize(
        "box", [BOX, Box(20, 40, 2, 50), Box(3, 50, 30, 79), Box(20, 40, 0, 12), Box(9, 12, 60, 80)]
    )
    @pytest.mark.parametrize("seed", range(4))
    def test_column_by_column(self, box: Box, seed: int):
        rng = np.random.default_rng(seed)
        image = rng.normal(100, 30, SHAPE) + 60 * np.sin(np.arange(80) / rng.uniform(1, 4))
        weights = np.ones((box.row_stop - box.row_start, box.col_stop - box.col_start))
        weights[:, :2] *= 0.4  # less than half as tall: no column of the side's
        light = light_of_columns(image, box, 100.0)
        first, last = box.col_start + 2, box.col_stop - 1
        reach = max(3, round(0.15 * (last - first + 1)))
        expected = 0.0
        for edge, step in ((first, -1), (last, 1)):
            path = [c for c in range(edge - step * reach, edge + step * (reach + 1), step) if 0 <= c < 80]
            valley = min(path, key=lambda c: light[c])
            beyond = [c for c in path if (c - valley) * step >= 0 and (edge - c) * step >= 0]
            taken = sum(max(light[c], 0.0) for c in beyond) if beyond else max(light[valley], 0.0)
            expected += taken**2 + (0.5 * max(light[edge], 0.0)) ** 2
        assert side_variance(image, Aperture(box=box, weights=weights), 100.0) == pytest.approx(expected, rel=1e-9)

    def test_side_variances_fewer_than_four_columns_say_nothing(self):
        image = np.random.default_rng(1).normal(300, 9, SHAPE)
        assert side_variance(image, aperture_over(Box(20, 40, 30, 33)), 100.0) == 0.0
        assert side_variance(image, aperture_over(Box(20, 40, 30, 34)), 100.0) > 0.0

    def test_column_sums_hold_the_box_and_columns_beside_it(self):
        image = np.random.default_rng(2).normal(300, 9, SHAPE)
        sums, start, stop, pixels = column_sums(image, np.array([BOX, Box(20, 40, 2, 22)]))
        np.testing.assert_allclose(sums[0, :32], image[20:40, 24:56].sum(axis=0))
        assert np.isinf(sums[0, 32:]).all()
        assert (start.tolist(), stop.tolist(), pixels.tolist()) == ([6, 2], [26, 22], [400, 400])


class TestEnds:
    @pytest.mark.parametrize("box", [BOX, Box(20, 52, 4, 70), Box(12, 16, 30, 50), Box(30, 41, 10, 14)])
    @pytest.mark.parametrize("seed", range(4))
    def test_row_by_row(self, box: Box, seed: int):
        """Over the middle columns; a fifth of the height within an end and half of it beyond are looked at."""
        rng = np.random.default_rng(seed)
        image = rng.normal(100, 30, SHAPE) + 60 * np.sin(np.arange(60) / rng.uniform(1, 4))[:, None]
        height, width = box.row_stop - box.row_start, box.col_stop - box.col_start
        within, beyond = max(round(0.2 * height), 1), max(round(0.5 * height), 2)
        cols = slice(box.col_start + width // 8, box.col_stop - width // 8)
        n = cols.stop - cols.start
        light = (image[:, cols].sum(axis=1) - 100.0 * n) * width / n
        expected = 0.0
        for edge, step in ((box.row_start, -1), (box.row_stop - 1, 1)):
            path = list(range(edge - step * within, edge + step * (beyond + 1), step))
            if min(path) < 0 or max(path) >= SHAPE[0]:
                continue
            valley = min(path, key=lambda r: light[r])
            taken = sum(max(light[r], 0.0) for r in path if (r - valley) * step > 0 and (edge - r) * step >= 0)
            expected += taken**2 + (max(light[valley], 0.0) * height / 12) ** 2
        assert both_ends(image, aperture_over(box), 100.0) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("hole", [None, 7])
    @pytest.mark.parametrize(("slant", "taper"), [(0.0, 0.0), (0.3, 0.0), (-0.8, 0.0), (0.1, 0.6)])
    @pytest.mark.parametrize("top", [9.3, 12.0, 30.7, 38.2])
    def test_end_variances_along_slanting_edges_column_by_column(
        self, top: float, slant: float, taper: float, hole: int | None
    ):
        """From each column's first and last pixel that is more than half covered; a column hardly covered has none."""
        rng = np.random.default_rng(int(top))
        image = rng.normal(100, 30, SHAPE) + 60 * np.sin(np.arange(60) / 2.3)[:, None]
        corners = [
            (top, 30.2),
            (top + 24 * slant, 54.1),
            (top + 12.4 + 24 * (slant + taper) - 14 * taper, 54.1),
            (top + 12.4 - 6 * taper, 30.2),
        ]
        box, weights = area_weights(polygon(corners), SHAPE)
        if hole is not None:
            weights[:, hole] *= 0.3
        aperture = Aperture(box=box, weights=weights)
        tall = weights.sum(axis=0)
        filled = np.flatnonzero(tall > tall.max() / 2)
        middle = filled[len(filled) // 8 : len(filled) - len(filled) // 8]
        covered = [np.flatnonzero(weights[:, c] > 0.5) + box.row_start for c in middle]
        height = int(np.median([len(rows) for rows in covered]))
        within, beyond = round(0.2 * height), round(0.5 * height)
        expected = 0.0
        for ends, step in (([r[0] for r in covered], -1), ([r[-1] for r in covered], 1)):
            path = range(-within, beyond + 1)
            if not all(0 <= r + step * k < SHAPE[0] for r in ends for k in path):
                continue
            lines = [[image[r + step * k, box.col_start + c] for r, c in zip(ends, middle, strict=True)] for k in path]
            light = (np.sum(lines, axis=1) - 100.0 * len(middle)) * len(filled) / len(middle)
            valley = int(np.argmin(light))
            taken = np.maximum(light[valley + 1 : within + 1], 0.0).sum()
            expected += taken**2 + (max(light[valley], 0.0) * height / 12) ** 2
        assert both_ends(image, aperture, 100.0) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize(("box", "step"), [(Box(6, 18, 30, 50), 1), (Box(42, 54, 30, 50), -1)])
    def test_end_variances_the_pictures_outermost_rows_are_looked_at(self, box: Box, step: int):
        """Half of 12 rows beyond either end: up to row 0 or 59. The same, moved a row further in, says the same."""
        image = np.random.default_rng(3).normal(300, 9, SHAPE)
        inner = Box(box.row_start + step, box.row_stop + step, box.col_start, box.col_stop)
        moved = np.roll(image, step, axis=0)
        assert both_ends(image, aperture_over(box), 100.0) == pytest.approx(
            both_ends(moved, aperture_over(inner), 100.0)
        )
        outer = Box(box.row_start - step, box.row_stop - step, box.col_start, box.col_stop)
        assert both_ends(np.roll(image, -step, axis=0), aperture_over(outer), 100.0) < both_ends(
            image, aperture_over(box), 100.0
        )

    def test_end_variances_lone_band(self):
        image = field()
        image[22:38, 30:50] += 1000.0
        assert both_ends(image, aperture_over(BOX), 100.0) == 0.0

    def test_end_variances_a_valley_that_two_bands_light(self):
        """The row below the outline is the darkest, and 90 counts bright on 20 columns; above it is dark."""
        image = field()
        image[22:60, 30:50] += 1000.0
        image[40, 30:50] = 190.0
        assert both_ends(image, aperture_over(BOX), 100.0) == pytest.approx((20 * 90 * 20 / 9) ** 2)

    def test_rows_beyond_the_valley_are_the_other_bands(self):
        """The valley is the last row but two of the outline: two rows of the next band are taken in."""
        image = field()
        image[22:60, 30:50] += 1000.0
        image[37, 30:50] = 100.0
        assert both_ends(image, aperture_over(BOX), 100.0) == pytest.approx((2 * 20 * 1000) ** 2)

    def shoulder(self, rows: dict[int, float]) -> np.ndarray:
        """A band of 16 x 20 x 1000 counts whose outline ends at row 39, and light of some rows beyond."""
        image = field()
        image[22:38, 30:50] += 1000.0
        for row, light in rows.items():
            image[row, 30:50] += light
        return image

    @pytest.mark.parametrize(
        ("rows", "cut"),
        [
            ({40: 600.0, 41: 400.0, 42: 200.0}, 1200.0),  # falls off to the dark
            ({40: 600.0, 41: 400.0, 42: 0.0, 43: 900.0}, 1000.0),  # what rises again is another band
            ({40: 600.0, 41: 400.0, **dict.fromkeys(range(42, 50), -90.0)}, 1000.0),  # off the membrane
            ({40: 600.0, **dict.fromkeys(range(41, 51), 200.0)}, 400.0),  # down to a ground that is brighter here
            ({}, 0.0),
        ],
    )
    def test_end_variances_what_an_end_cuts_off_is_the_bands(self, rows: dict[int, float], cut: float):
        """All of it, beyond half a hundredth of the volume (or what the other ends have) and the noise."""
        image = self.shoulder(rows)
        without = both_ends(image, aperture_over(BOX), 100.0)
        volume, noise = 320_000.0, 5.0
        found = both_ends(image, aperture_over(BOX), 100.0, light=volume, noise=noise) - without
        lit = np.maximum(np.minimum.accumulate([rows.get(row, 0.0) for row in range(40, 51)]), 0.0)
        n = int((lit > lit[-1]).sum())
        expected = max(20 * cut - 0.005 * volume - 2 * noise * np.sqrt(20 * n), 0.0)
        assert found == pytest.approx(expected**2, rel=1e-6)
        usual = both_ends(image, aperture_over(BOX), 100.0, light=volume, noise=noise, usual=(20 * cut / volume,) * 2)
        assert usual == without

    def test_end_variances_nothing_is_cut_off_without_light(self):
        image = self.shoulder({40: 600.0, 41: 400.0})
        assert both_ends(image, aperture_over(BOX), 100.0) == both_ends(
            image, aperture_over(BOX), 100.0, light=0.0, noise=5.0
        )

    def test_end_variances_a_slanting_outline_is_read_along_its_edges(self):
        image, weights = field(), np.zeros((30, 20))
        for k in range(20):
            image[22 + k // 2 : 38 + k // 2, 30 + k] += 1000.0
            weights[k // 2 : 20 + k // 2, k] = 1.0
        slanting = Aperture(box=Box(20, 50, 30, 50), weights=weights)
        assert both_ends(image, slanting, 100.0) == 0.0

    @pytest.mark.parametrize("box", [Box(20, 22, 30, 50), Box(20, 40, 30, 32)])
    def test_end_variances_an_outline_too_small_says_nothing(self, box):
        assert both_ends(np.random.default_rng(1).normal(100, 9, SHAPE), aperture_over(box), 100.0) == 0.0


class TestStripEdges:
    def layout(self, corners: list[tuple[float, float]]) -> Layout:
        return Layout(strips=(Strip(id="s1", number=1, outline=tuple(corners)),))

    def test_inside_strips_a_slanting_edge_keeps_its_distance_up_and_down(self):
        """The lower edge rises from row 59 on the left to row 39 on the right: three rows above it are left out."""
        layout = self.layout([(-0.5, -0.5), (-0.5, 79.5), (39.0, 79.5), (59.0, -0.5)])
        inside = inside_strips(layout, SHAPE, 3.0)
        assert inside is not None
        edge = 59.0 - 20.0 * (np.arange(80) + 0.5) / 80
        last = np.array([np.flatnonzero(column).max(initial=-1) for column in inside.T])
        assert (edge - last >= 3 - 1e-9).all()
        assert (edge - last < 17).all()  # twelve columns to the side for three rows

    def test_inside_strips_the_pictures_border_is_no_edge(self):
        whole = Strip(id="s1", number=1, outline=rectangle(0, 60, 0, 80))
        assert inside_strips(Layout(strips=(whole,)), SHAPE, 3.0) is None
        upper = replace(whole, outline=rectangle(0, 30, 0, 80))
        inside = inside_strips(Layout(strips=(upper,)), SHAPE, 3.0)
        assert inside is not None
        assert inside[:26].all()
        assert not inside[27:].any()

    def test_inside_strips_a_strip_that_begins_inside_the_picture(self):
        strip = Strip(id="s1", number=1, outline=rectangle(10, 50, 20, 60))
        inside = inside_strips(Layout(strips=(strip,)), SHAPE, 3.0)
        rows, cols = np.nonzero(inside)
        assert (rows.min(), rows.max(), cols.min(), cols.max()) == (13, 46, 23, 56)
