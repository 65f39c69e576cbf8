"""Own code for what a library has too gives the library's numbers."""

import numpy as np
import pytest
from scipy.ndimage import grey_opening, maximum_filter1d
from scipy.signal import peak_widths
from skimage.transform import resize_local_mean

from blotquant.imaging.robust import (
    block_average,
    box_sums,
    full_widths,
    half_height_width,
    local_means,
    running_maximum,
)


@pytest.mark.parametrize("seed", range(20))
def test_half_height_width_is_that_of_scipy_for_the_highest_peak(seed):
    rng = np.random.default_rng(seed)
    values = np.convolve(rng.normal(size=60), np.ones(5), "valid")
    if seed % 3 == 0:
        values = np.round(values)  # plateaus, and places at exactly half the height
    values[[0, -1]] = -10.0
    top = int(values.argmax())
    assert half_height_width(values, top) == pytest.approx(peak_widths(values, [top])[0][0], rel=1e-14)


@pytest.mark.parametrize("shape", [(7, 13), (20, 9), (31, 5), (20, 31)])
def test_local_means_are_those_of_scikit_image(shape):
    values = np.random.default_rng(1).normal(size=(40, 31)).astype(np.float32)
    exact = resize_local_mean(values.astype(np.float64), shape, preserve_range=True)
    assert local_means(values, shape) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("size", [1, 3, 9, 81])
def test_running_maximum_is_that_of_scipy(size):
    values = np.random.default_rng(2).normal(size=(40, 7)).astype(np.float32)
    assert np.array_equal(running_maximum(values, size), maximum_filter1d(values, size, axis=0, mode="nearest"))
    opened = -running_maximum(-values, size)
    assert np.array_equal(running_maximum(opened, size), grey_opening(values, (min(size, 79), 1)))


def test_block_average_leaves_out_incomplete_blocks():
    values = np.arange(7.0 * 11).reshape(7, 11)
    assert np.array_equal(block_average(values, 3, 4), [[v.mean() for v in (row[:4], row[4:8])]
                                                        for row in (values[:3].T, values[3:6].T)])  # fmt: skip


def test_box_sums_of_boxes_that_leave_the_picture():
    picture = np.random.default_rng(4).uniform(0, 9, (20, 30)).astype(np.float32)
    boxes = [(2, 7, 3, 12), (-3, 4, 25, 40), (18, 25, 0, 1), (30, 40, 2, 5)]
    for axis in (0, 1):
        sums, n = box_sums(picture, boxes, axis)
        for line, length, (r, s, c, d) in zip(sums, n, boxes, strict=True):
            expected = picture[max(r, 0) : s, max(c, 0) : d].astype(float).sum(axis=axis)
            assert length == len(expected)
            np.testing.assert_allclose(line[:length], expected)
            assert np.isinf(line[length:]).all()


def test_full_widths_between_interpolated_crossings():
    """A triangle of half widths 4 and 2, a box of 3, one that stays above half on a side, one without light."""
    lines = [[0, 2, 4, 6, 8, 4, 0], [0, 9, 9, 9, 0], [5, 6, 9, 0], [0, 0, 0, 0], [1, 9, 1]]
    n = np.array([len(line) for line in lines])
    table = np.full((len(lines), 7), np.inf)
    for place, line in zip(table, lines, strict=True):
        place[: len(line)] = line
    np.testing.assert_allclose(full_widths(table, n), [3.0, 3.0, np.nan, np.nan, 1.125])
