"""Adjusted p-values and simultaneous limits: published tables, scipy, and the bounds that they must keep."""

import math

import numpy as np
import pytest
from scipy import stats

from blotquant.statistics.linear_model import design_matrix, least_squares
from blotquant.statistics.multiplicity import adjust_p, critical_value, max_t_tail

EQUAL = {k: np.full((k, k), 0.5) + 0.5 * np.eye(k) for k in range(1, 10)}


@pytest.mark.parametrize("t", [[3.1, 0.4, 2.2, 2.9], [1.0, 1.0, 1.0, 1.0], [9.0, -8.0, 0.0, 2.5]])
def test_adjust_p_of_steps_lies_between_the_single_p_and_holm(t):
    single = 2 * stats.t.sf(np.abs(t), 8)
    by_holm = adjust_p(t, EQUAL[4], 8, adjust="holm")
    steps = adjust_p(t, EQUAL[4], 8, adjust="step_down")
    order = np.argsort(single)
    expected = np.empty(4)
    expected[order] = np.minimum(np.maximum.accumulate(single[order] * [4, 3, 2, 1]), 1)
    assert by_holm == pytest.approx(expected)
    assert (single <= steps + 1e-12).all()
    assert (steps <= by_holm + 1e-12).all()
    assert (steps <= adjust_p(t, EQUAL[4], 8, adjust="dunnett") + 1e-12).all()
    assert (np.diff(steps[order]) >= 0).all()


@pytest.mark.parametrize("adjust", ["dunnett", "step_down", "holm"])
def test_adjust_p_counts_refused_contrasts_of_the_family(adjust):
    t = [3.0, 2.5]
    alone = adjust_p(t, EQUAL[2], 8, adjust=adjust)
    whole = adjust_p(t, EQUAL[2], 8, adjust=adjust, size=4)
    assert (whole > alone).all()
    assert (whole <= 4 * 2 * stats.t.sf(t, 8) + 1e-12).all()


@pytest.mark.parametrize(
    ("k", "df", "critical"), [(1, 10, 2.228), (2, 5, 3.03), (3, 10, 2.76), (4, 20, 2.65), (9, 20, 2.95)]
)
def test_critical_value_of_the_published_table(k, df, critical):
    """Two-sided 5 % points for equal groups, C. W. Dunnett, Biometrics 20 (1964) 482."""
    assert critical_value(EQUAL[k], df, 0.05, adjust="dunnett") == pytest.approx(critical, abs=0.006)
    assert critical_value(EQUAL[k], df, 0.05, adjust="holm") == pytest.approx(stats.t.isf(0.025 / k, df))
    assert critical_value(EQUAL[k], df, 0.05, adjust="none") == pytest.approx(stats.t.isf(0.025, df))


@pytest.mark.parametrize(("k", "df"), [(3, 6), (4, 12), (6, 20)])
def test_critical_value_of_all_pairs_is_the_studentised_range(k, df):
    pairs = np.array([[(c == i) - (c == j) for c in range(k)] for i in range(k) for j in range(i)], dtype=float)
    correlation = pairs @ pairs.T / 2
    expected = stats.studentized_range.isf(0.05, k, df) / math.sqrt(2)
    assert critical_value(correlation, df, 0.05, adjust="dunnett") == pytest.approx(expected, abs=2e-3)


def test_adjust_p_agrees_with_scipys_dunnett():
    rng = np.random.default_rng(2)
    groups = [rng.normal(shift, 1, 6) for shift in (0, 1.5, 0.3, -0.8)]
    expected = stats.dunnett(*groups[1:], control=groups[0], rng=np.random.default_rng(1)).pvalue
    weights = np.column_stack([-np.ones(3), np.eye(3)])
    fit = least_squares(np.concatenate(groups), design_matrix(np.repeat(range(4), 6)), weights)
    found = adjust_p(fit.estimate / fit.se, fit.correlation, fit.df[0], adjust="dunnett")
    assert found == pytest.approx(expected, abs=1e-3)


def test_max_t_tail_by_quadrature_and_by_directions_agree():
    tilted = EQUAL[3].copy()
    tilted[0, 1] = tilted[1, 0] = 0.5 + 1e-6  # no product structure any more: the other way of integrating
    for limit in (1.0, 2.5, 6.0, 12.0):
        assert max_t_tail(limit, EQUAL[3], 6) == pytest.approx(max_t_tail(limit, tilted, 6), rel=5e-3)
    assert max_t_tail(2.5, tilted, 6) == max_t_tail(2.5, tilted, 6)
    assert max_t_tail(math.inf, EQUAL[3], 6) == 0.0


@pytest.mark.parametrize(("n", "adjust"), [(3, "dunnett"), (4, "none"), (6, "dunnett")])
def test_critical_value_holds_the_type_one_error(n, adjust):
    """Four conditions against one, no effect anywhere, log-normal error of CV 0.2; 20,000 experiments at once."""
    rng = np.random.default_rng(n)
    condition, block = np.tile(range(5), n), np.repeat(range(n), 5)
    values = rng.normal(0, np.sqrt(np.log(1.04)), (5 * n, 20_000)) + rng.normal(0, 1, (n, 20_000))[block]
    weights = np.column_stack([-np.ones(4), np.eye(4)])
    fit = least_squares(values, design_matrix(condition, [block]), weights)
    t = np.abs(fit.estimate / fit.se)
    limit = critical_value(fit.correlation, fit.df[0], 0.05, adjust=adjust)
    rate = np.mean(t > limit) if adjust == "none" else np.mean(t.max(axis=0) > limit)
    assert 0.045 < rate < 0.055
