"""Values that are bounds: undetected and saturated lanes enter the comparison, and never as if they were numbers."""

import math

import numpy as np
import pandas as pd
import pytest
from small_experiment import band_table, bands, experiment, image, lane_table, one_membrane, ratio
from test_compare import row, study, table

from blotquant.normalization.normalize import normalize
from blotquant.statistics.compare import compare, scaled_units
from blotquant.statistics.contrasts import compare_contrasts
from blotquant.statistics.linear_model import censored, design_matrix, least_squares


def as_bounds(ratios, cells, side="≤"):
    """Make bounds of some values: (condition, blot) to the bound's value."""
    ratios = ratios.copy()
    ratios["enters_as_bound"] = False
    for (condition, blot), value in cells.items():
        mine = (ratios["condition"] == condition) & (ratios["blot"] == str(blot))
        ratios.loc[mine, "included"] = False
        ratios.loc[mine, "enters_as_bound"] = True
        if side == "≤":
            ratios.loc[mine, "limit"] = value
        else:
            ratios.loc[mine, ["value", "bound"]] = [value, side]
    return ratios


def test_censored_without_bounds_is_least_squares():
    rng = np.random.default_rng(1)
    condition, block = np.tile(range(3), 4), np.repeat(range(4), 3)
    y, design = rng.normal(size=12), design_matrix(condition, [block])
    weights = np.array([[-1.0, 1, 0], [-1, 0, 1]])
    plain = least_squares(y, design, weights)
    fit, filled = censored(y, np.zeros(12, dtype=int), block, design=design, weights=weights)
    assert fit.estimate == pytest.approx(plain.estimate)
    assert fit.se == pytest.approx(plain.se)
    assert fit.df == pytest.approx(plain.df)
    assert filled == pytest.approx(y)


@pytest.mark.parametrize("side", [-1, 1])
def test_censored_is_unbiased_and_its_interval_holds(side):
    """A quarter-fold condition, half of whose values lie beyond the bound: 300 experiments of four blots."""
    from scipy import stats

    rng = np.random.default_rng(8)
    condition, block = np.tile(range(4), 4), np.repeat(range(4), 4)
    design, weights = design_matrix(condition, [block]), np.array([[-1.0, 1, 0, 0]])
    truth = side * math.log(4)
    off, held = [], []
    while len(off) < 300:
        scale = rng.normal(0, 1, 4)[block]
        y = np.where(condition == 1, truth, 0) + scale + rng.normal(0, 0.2, 16)
        at = scale + truth
        beyond = (condition == 1) & ((y - at) * side > 0)
        if (beyond == (condition == 1)).all():
            continue
        fit, _ = censored(np.where(beyond, at, y), side * beyond, block, design=design, weights=weights)
        off.append(fit.estimate[0] - truth)
        held.append(abs(off[-1]) < stats.t.isf(0.025, fit.df[0]) * fit.se[0])
    assert abs(np.mean(off)) < 0.05
    assert np.mean(held) >= 0.92


def test_normalize_gives_the_ratio_at_the_limit_of_detection(tmp_path):
    result = one_membrane(tmp_path, p={2: 1000.0, 3: -20.0, 4: 25.0})
    assert result["limit"].tolist()[1:] == pytest.approx([30 / 2000, 30 / 1000])
    assert result["enters_as_bound"].tolist() == [False, True, True]
    assert result["value"].tolist() == pytest.approx([0.5, -0.01, 0.025])


def test_normalize_makes_a_bound_of_a_weak_reference(tmp_path):
    toml = (
        image("p.tif", "pAKT")
        + image("t.tif", "AKT")
        + ratio("r", "pAKT", "AKT")
        + '[compare]\nreference = "vehicle"\n'
    )
    result = one_membrane(tmp_path, toml, p={2: 60.0, 3: 3000.0, 4: 2000.0})
    assert result["enters_as_bound"].tolist() == [True, False, False]
    assert result["limit"][0] == pytest.approx(100 / 2000)


def test_normalize_leaves_no_bound_of_a_lane_that_is_out_for_another_reason(tmp_path):
    sheet = "blot,lane,sample,condition,role\n1,1,,,ladder\n1,2,A,v,sample\n1,3,B,d,excluded\n1,4,C,o,sample\n"
    toml = image("p.tif", "pAKT") + image("t.tif", "AKT") + ratio("r", "pAKT", "AKT")
    found = band_table(
        bands("p.tif", "pAKT", {2: 1000.0, 3: 5.0, 4: 5.0}), bands("t.tif", "AKT", dict.fromkeys((2, 3, 4), 2e3))
    )
    result = normalize(experiment(tmp_path, toml, sheet), found, lane_table())
    assert result["enters_as_bound"].tolist() == [False, False, True]


def test_compare_carries_a_condition_that_is_never_detected(tmp_path):
    """At most 0.02-fold: the worst case, all values at their limits, and an interval that is open below."""
    ratios = as_bounds(table(), {("drug", b): 0.02 * s for b, s in zip(range(1, 5), (1.0, 7.0, 0.2, 3.0), strict=True)})
    summary = compare(study(tmp_path), ratios)
    drug = row(summary, "drug")
    vehicle = np.exp(np.mean(np.log([1.0, 1.2, 0.8, 1.1])))
    assert (drug["bound"], drug["fold_change"]) == ("≤", pytest.approx(0.02 / vehicle))
    assert math.isnan(drug["fold_ci_low"])
    assert drug["fold_change"] < drug["fold_ci_high"] < drug["simultaneous_ci_high"] < 0.05
    assert (drug["n"], drug["n_bounds"], drug["n_excluded"]) == (4, 4, 0)
    assert drug["p_adjusted"] < 0.001
    assert drug["mean_bound"] == "≤"
    assert row(summary, "other")["fold_change"] == pytest.approx(
        row(compare(study(tmp_path), table()), "other")["fold_change"]
    )
    sentence = compare_contrasts(study(tmp_path), ratios).set_index("contrast").loc["drug / vehicle", "sentence"]
    assert "lowers r to at most 0.0197-fold of vehicle (simultaneous 95 % up to 0.0" in sentence


def test_compare_carries_a_reference_that_is_never_detected(tmp_path):
    ratios = as_bounds(
        table(), {("vehicle", b): 0.1 * s for b, s in zip(range(1, 5), (1.0, 7.0, 0.2, 3.0), strict=True)}
    )
    drug = row(compare(study(tmp_path), ratios), "drug")
    assert drug["bound"] == "≥"
    assert drug["fold_change"] == pytest.approx(10 * np.exp(np.mean(np.log([2.1, 2.0, 1.9, 2.6]))))
    assert drug["fold_ci_low"] > 10
    assert math.isnan(drug["fold_ci_high"])


def test_compare_does_not_take_a_bound_for_a_number(tmp_path):
    """Two of four undetected: left out the fold is far too high, as numbers too high; the likelihood goes below."""
    limits = {("drug", 1): 0.5, ("drug", 2): 0.5 * 7.0}
    ratios = as_bounds(table({**table_values(), "drug": [0.2, 0.2, 0.6, 0.7]}), limits)
    fold = row(compare(study(tmp_path), ratios), "drug")["fold_change"]
    left_out = ratios.assign(enters_as_bound=False)
    assert fold < row(compare(study(tmp_path), left_out), "drug")["fold_change"]
    assert row(compare(study(tmp_path), ratios), "drug")["test"].endswith("bounds by their likelihood, Dunnett")
    units = scaled_units(study(tmp_path), ratios).set_index(["condition", "blot"])["value"]
    assert units["drug"].isna().tolist() == [True, True, False, False]


def table_values():
    return {"vehicle": [1.0, 1.2, 0.8, 1.1], "other": [1.0, 1.3, 0.9, 1.0]}


def test_compare_of_two_bounds_on_one_side_knows_nothing(tmp_path):
    cells = {(c, b): 0.1 for c in ("drug", "vehicle") for b in range(1, 5)}
    drug = row(compare(study(tmp_path), as_bounds(table(), cells)), "drug")
    assert drug["test"] == "no test: both conditions are only known as bounds"
    assert pd.isna(drug["fold_change"])


def test_compare_carries_saturated_values_as_lower_bounds(tmp_path):
    cells = {("drug", b): 5.0 * s for b, s in zip(range(1, 5), (1.0, 7.0, 0.2, 3.0), strict=True)}
    drug = row(compare(study(tmp_path), as_bounds(table(), cells, "≥")), "drug")
    assert drug["bound"] == "≥"
    assert drug["fold_ci_low"] > 2
