"""Own code for what a library has too gives the library's numbers."""

import numpy as np
import pytest
from scipy.signal import peak_widths
from skimage.transform import resize_local_mean

from blotquant.imaging.profiles import half_height_width
from blotquant.imaging.robust import local_means


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
    assert np.array_equal(local_means(values, shape), resize_local_mean(values, shape, preserve_range=True))
