"""The ground under whole lanes, from the gaps beside them: columns, bins and levels counted by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from blotquant.model.geometry import Box, Lane
from blotquant.quantification.background.base import Aperture, BackgroundPixels
from blotquant.quantification.background.simple import Constant, Gaps

SHAPE = (100, 96)
FREE = np.ones(SHAPE, bool)
ROWS, COLS = np.indices(SHAPE).astype(float)


def lane(number: int = 2, center: float = 48.0, width: float = 10.0, strip: str = "s") -> Lane:
    return Lane(id=f"l{number}", strip=strip, number=number, center=((0, center), (99, center)), widths=(width, width))


def ground(
    signal: np.ndarray, *, lanes: tuple[Lane, ...] = (), usable: np.ndarray = FREE, pitch: float = 32
) -> BackgroundPixels:
    return BackgroundPixels(signal=signal, usable=usable.copy(), band_height=8, lane_pitch=pitch, lanes=lanes)


def whole(of: Lane | None, rows: tuple[int, int] = (0, 100)) -> Aperture:
    return Aperture(box=Box(*rows, 43, 54), weights=np.ones((rows[1] - rows[0], 11)), lane=of)


def columns_read(on: BackgroundPixels, of: Lane, rows: tuple[int, int] = (0, 100)) -> tuple[list[int], int]:
    """Columns whose pixels the level depends on, and how many pixels were used."""
    n = Gaps().fit(on).under(whole(of, rows)).n_pixels
    used = []
    for col in range(SHAPE[1]):
        lit = on.signal.copy()
        lit[:, col] += 100
        if Gaps().fit(replace(on, signal=lit)).under(whole(of, rows)).values.max() > on.signal.max():
            used.append(col)
    return used, int(n)


def test_a_quarter_of_the_lanes_width_on_either_side() -> None:
    """Edges at 43 and 53, and 2.5 columns beyond: pixel centres 41 to 43 and 53 to 55."""
    found = Gaps().fit(ground(np.full(SHAPE, 7.0))).under(whole(lane()))
    assert columns_read(ground(np.full(SHAPE, 7.0)), lane()) == ([41, 42, 43, 53, 54, 55], 600)
    assert (found.n_pixels, found.leverage) == (600.0, pytest.approx(1 / 600))
    assert found.values.shape == (100, 1)
    assert (found.values == 7.0).all()


@pytest.mark.parametrize(
    ("others", "left", "right"),
    [
        ((lane(1, 35.0), lane(3, 58.5)), [41, 42, 43], [53]),  # the left one ends at 40: further than the reach
        ((lane(1, 37.0), lane(3, 62.0)), [42, 43], [53, 54, 55]),
        ((lane(1, 37.0, strip="t"), lane(4, 58.5)), [41, 42, 43], [53, 54, 55]),  # no neighbours
    ],
)
def test_gaps_end_where_the_neighbours_begin(others: tuple[Lane, ...], left: list[int], right: list[int]) -> None:
    used, n = columns_read(ground(np.full(SHAPE, 7.0), lanes=(lane(), *others)), lane())
    assert used == [*left, *right]
    assert n == 100 * len(used)


@pytest.mark.parametrize(("center", "right"), [(2.0, [7, 8, 9]), (93.0, [86, 87, 88])])
def test_at_the_pictures_edge_one_gap_is_left(center: float, right: list[int]) -> None:
    """The lane's edges lie at -3 and 7, or at 88 and 98."""
    used, n = columns_read(ground(np.full(SHAPE, 7.0)), lane(1, center))
    assert (used, n) == (right, 300)


@pytest.mark.parametrize("rows", [(0, 100), (7, 81), (0, 16), (0, 17), (30, 33)])
def test_a_ramp_leaves_nothing_in_a_lane(rows: tuple[int, int]) -> None:
    """Bins of 16 rows at the most, equal but for a row: what one end lies too high, the other lies too low."""
    on = ground(500 + 3 * ROWS + 2 * COLS)
    found = Gaps().fit(on).under(whole(lane(), rows))
    n_bins = int(np.ceil((rows[1] - rows[0]) / 16))
    truth = np.arange(*rows) * 3 + 500 + 2 * 48
    ends = [rows[0] + (rows[1] - rows[0]) * k // n_bins for k in range(n_bins + 1)]
    middles = [(a + b - 1) / 2 for a, b in pairwise(ends)]
    within = (np.arange(*rows) >= middles[0]) & (np.arange(*rows) <= middles[-1])
    np.testing.assert_allclose(found.values[within, 0], truth[within], rtol=1e-12)
    # An end of 8 rows against one of 7.5, at 3 counts a row.
    assert found.values.sum() == pytest.approx(truth.sum(), abs=3 * (8**2 - 7.5**2) / 2)


def test_bins_are_half_a_pitch_and_no_smaller_than_two_rows() -> None:
    """Rows that change from bin to bin show where the bins' middles lie: between them the level is a straight line."""
    for pitch, height in ((32, 16), (20, 10), (8, 4), (3, 2), (1, 2)):
        steps = (ROWS // height) ** 2
        found = Gaps().fit(ground(steps, pitch=pitch)).under(whole(lane(), (0, 3 * height)))
        expected = np.interp(np.arange(3 * height), (np.arange(3) + 0.5) * height - 0.5, [0, 1, 4])
        np.testing.assert_allclose(found.values[:, 0], expected, atol=1e-12)


def test_bins_with_both_gaps_free_come_first() -> None:
    """A gap that is free alone does not speak where elsewhere both are: a slope across the lane would not cancel."""
    on = ground(100 + 10 * COLS)
    on.usable[:48, :48] = False
    found = Gaps().fit(on).under(whole(lane(), (0, 96)))
    np.testing.assert_allclose(found.values, 100 + 10 * 48)
    assert found.n_pixels == 48 * 6


def test_one_gap_alone_counts_pixel_by_pixel() -> None:
    """Nowhere are both free: columns 53 to 55, of which one has no pixels in the upper bin."""
    on = ground(100 + 10 * COLS)
    on.usable[:, :48] = False
    on.usable[:16, 53] = False
    found = Gaps().fit(on).under(whole(lane(), (0, 32)))
    np.testing.assert_allclose(found.values[[0, 31], 0], [100 + 545, 100 + 540])
    assert found.n_pixels == 16 * 2 + 16 * 3


def test_a_single_pixel_where_one_gap_is_all_there_is() -> None:
    on = ground(100 + 10 * COLS)
    on.usable[:, :48] = on.usable[:, 53:] = False
    on.usable[8::16, 55] = True
    found = Gaps().fit(on).under(whole(lane(), (0, 96)))
    np.testing.assert_allclose(found.values, 100 + 10 * 55)
    assert (found.n_pixels, found.leverage) == (6, pytest.approx(1 / 6))


def test_both_gaps_count_alike_however_few_pixels_one_has() -> None:
    on = ground(100 + 10 * COLS)
    on.usable[:, 41:43] = False
    found = Gaps().fit(on).under(whole(lane()))
    np.testing.assert_allclose(found.values, 100 + 10 * (43 + 54) / 2)
    assert found.n_pixels == 400


def test_a_single_pixel_of_a_gap_is_a_side() -> None:
    on = ground(100 + 10 * COLS)
    on.usable[:, :48] = False
    on.usable[8::16, 42] = True
    found = Gaps().fit(on).under(whole(lane(), (0, 96)))
    np.testing.assert_allclose(found.values, 100 + 10 * (42 + 54) / 2)
    assert found.n_pixels == 6 + 96 * 3


def test_pixels_that_are_no_number_do_not_reach_the_level() -> None:
    on = ground(np.where((ROWS == 5) & (COLS == 42), np.nan, 7.0))
    on.usable[5, 42] = False
    found = Gaps().fit(on).under(whole(lane()))
    assert (found.values == 7.0).all()
    assert found.n_pixels == 599


@pytest.mark.parametrize("case", ["no lane", "no gap", "no rows"])
def test_where_nothing_is_free_the_pictures_level_stands_in(case: str) -> None:
    on = ground(np.where(COLS < 30, 50.0, 80.0))
    of = None if case == "no lane" else lane()
    if case == "no gap":
        on.usable[:, 30:] = False
    aperture = whole(of, (20, 20) if case == "no rows" else (0, 100))
    found, level = Gaps().fit(on).under(aperture), Constant().fit(on).under(aperture)
    np.testing.assert_array_equal(found.values, level.values)
    assert (found.leverage, found.n_pixels) == (level.leverage, level.n_pixels)
