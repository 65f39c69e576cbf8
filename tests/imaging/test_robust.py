"""Averages and scatter against numpy's own."""

import numpy as np
import pytest

from blotquant.imaging.robust import row_medians


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("wide", [1, 2, 7, 108])
def test_row_medians_are_numpys_with_a_row_of_nan(dtype, wide):
    values = np.random.default_rng(wide).normal(900, 40, (50, wide)).astype(dtype)
    values[7, 0] = np.nan
    np.testing.assert_array_equal(row_medians(values), np.median(values.astype(float), axis=1))


def test_row_medians_of_one_row_is_a_number():
    assert float(row_medians(np.array([3.0, 1.0, 8.0, 5.0]))) == 4.0
