"""Errors of sums, means and ratios."""

import math

import numpy as np
import pytest

from blotquant.normalization.amounts import Amount, add_amounts, average_amounts
from blotquant.normalization.intervals import combined_cv, fieller, ratio_interval

Z = 1.959963984540054


def test_ratio_interval_on_the_log_scale_and_correlation():
    *ends, method = ratio_interval(200.0, 16.0, 100.0, 8.0)
    cv = math.sqrt(2 * 0.08**2)
    assert method == "log"
    assert ends == pytest.approx([2 * math.exp(-Z * cv), 2 * math.exp(Z * cv)])
    assert combined_cv(0.08, 0.08) == pytest.approx(cv)
    assert ratio_interval(200.0, 16.0, 100.0, 8.0, rho=1.0)[:2] == pytest.approx((2.0, 2.0))


def test_ratio_interval_is_fieller_s_where_the_denominator_is_unsure():
    # By definition the ends r satisfy (top - r·bottom)² = z² (sd_top² + r² sd_bottom²).
    top, sd_top, bottom, sd_bottom = 300.0, 20.0, 100.0, 15.0
    *ends, method = ratio_interval(top, sd_top, bottom, sd_bottom)
    assert method == "Fieller"
    for end in ends:
        assert (top - end * bottom) ** 2 == pytest.approx(Z**2 * (sd_top**2 + end**2 * sd_bottom**2))
    assert fieller(1.0, 0.1, 1.0, 0.6) == (-math.inf, math.inf)
    assert math.isnan(ratio_interval(1.0, math.nan, 1.0, 0.1)[0])


@pytest.mark.parametrize(("cv_top", "cv_bottom"), [(0.05, 0.05), (0.08, 0.2), (0.2, 0.08), (0.8, 0.05)])
def test_ratio_interval_covers_the_truth(cv_top, cv_bottom):
    rng = np.random.default_rng(5)
    tops, bottoms = rng.normal(3, 3 * cv_top, 4000), rng.normal(1, cv_bottom, 4000)
    keep = bottoms > 3 * cv_bottom
    pairs = zip(tops[keep], bottoms[keep], strict=True)
    found = [ratio_interval(top, 3 * cv_top, bottom, cv_bottom) for top, bottom in pairs]
    hits = [low <= 3 <= high for low, high, _ in found]
    assert 0.93 < np.mean(hits) < 0.97


def test_add_amounts_and_average_amounts():
    total = add_amounts([Amount(3.0, 0.3, 1.0, 4.0, ("hollow",)), Amount(4.0, 0.4, 0.0, 3.0, ("saturated",), True)])
    assert (total.value, total.sd, total.loq, total.saturated) == (7.0, 0.5, 5.0, True)
    assert total.flags == ("saturated", "hollow")
    assert average_amounts([Amount(4.0, 0.4), Amount(9.0, 0.9)]).value == pytest.approx(6.0)
    assert math.isnan(average_amounts([Amount(4.0, 0.4), Amount(-1.0, 0.9)]).value)
