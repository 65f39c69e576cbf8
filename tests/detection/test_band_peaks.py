"""Bands in lanes that the network overlooked."""

from __future__ import annotations

import numpy as np
import pytest

from blotquant.detection.band_peaks import Peak, overlooked_peaks


def test_overlooked_peaks_are_the_one_band_of_lanes_that_show_none() -> None:
    peaks = [Peak(k, 50.0, 50.0, 8.0, 1000.0, 200.0, 0.95, group=0, core=8.0) for k in (0, 1, 3)]
    rows = np.arange(100.0)
    lit, hint = 900 * np.exp(-(((rows - 52) / 3.4) ** 2) / 2), np.full(100, 0.2)
    (found,) = overlooked_peaks(peaks, [(2, lit, hint, 5.0), (0, lit, hint, 5.0)], least=10.0)
    assert (found.lane, found.chance) == (2, 0.5)
    assert found.row == pytest.approx(52, abs=0.2)
    assert overlooked_peaks(peaks, [(2, 0.1 * lit, hint, 5.0)], least=10.0) == []
    assert overlooked_peaks(peaks, [(2, lit, 0 * hint, 5.0)], least=10.0) == []
