"""Scalings between blots."""

import numpy as np
import pandas as pd
import pytest

from blotquant.errors import DesignError
from blotquant.normalization.repeats import align, average_technical, log_matrix, unlinked_membranes
from blotquant.statistics.scaling import SCALINGS, blot_scales

MEANS = np.log([1.0, 2.0, 3.0, 4.0, 7.0, 10.5, 18.0, 27.0])
BLOTS = np.log([1.0, 0.3, 12.0, 2.5, 0.9])


def blots(*, missing=0.0, seed=0):
    """Noise-free log values, conditions × blots, some of them missing."""
    values = MEANS[:, None] + BLOTS[None, :]
    holes = np.random.default_rng(seed).permutation(values.size)[: int(missing * values.size)]
    values.flat[holes] = np.nan
    return pd.DataFrame(values, index=[f"c{k}" for k in range(8)], columns=list("abcde"))


@pytest.mark.parametrize(("missing", "seed"), [(0.0, 0), (0.3, 0), (0.3, 1), (0.3, 2)])
def test_align_alignment_recovers_scales(missing, seed):
    scales, means = align(blots(missing=missing, seed=seed))
    assert np.abs(scales - scales["a"] - (BLOTS - BLOTS[0])).max() < 1e-9
    assert np.abs(means - means["c0"] - (MEANS - MEANS[0])).max() < 1e-9
    assert abs(scales.sum()) < 1e-9


def test_align_alignment_is_the_least_squares_solution():
    logs = blots(missing=0.3) + np.random.default_rng(3).normal(0, 0.2, (8, 5))
    scales, means = align(logs)
    residual = logs.to_numpy() - means.to_numpy()[:, None] - scales.to_numpy()[None, :]
    assert np.nanmax(np.abs(np.nansum(residual, axis=0))) < 1e-9
    assert np.nanmax(np.abs(np.nansum(residual, axis=1))) < 1e-9


def test_blots_that_share_nothing_are_refused():
    logs = pd.DataFrame(
        {"1": [0.0, 1.0, np.nan], "2": [0.5, np.nan, np.nan], "3": [np.nan, np.nan, 2.0]}, index=list("xyz")
    )
    with pytest.raises(DesignError, match="blots 1, 2 and 3 share no condition, directly or through other blots"):
        align(logs)


@pytest.mark.parametrize("method", ["fixed_point", "sum", "interblot_control", "alignment"])
def test_blot_scales_every_scaling_removes_a_factor_of_the_blot(method):
    logs = blots()
    scaled = logs - blot_scales(logs, method, reference="c2", standards=["c5"])
    assert np.abs(scaled.sub(scaled["a"], axis=0)).to_numpy().max() < 1e-12


def test_blot_scales_what_each_scaling_makes_one():
    logs = blots() + np.random.default_rng(1).normal(0, 0.2, (8, 5))
    fixed = logs - blot_scales(logs, "fixed_point", reference="c2")
    assert np.abs(fixed.loc["c2"]).max() < 1e-12
    control = logs - blot_scales(logs, "control_mean", reference="c2")
    assert abs(control.loc["c2"].mean()) < 1e-12
    assert control.loc["c2"].std() == pytest.approx(logs.loc["c2"].std())
    total = np.exp(logs - blot_scales(logs, "sum")).sum()
    assert np.abs(total - 1).max() < 1e-12
    standard = logs - blot_scales(logs, "interblot_control", standards=["c1", "c5"])
    assert np.abs(standard.loc[["c1", "c5"]].mean()).max() < 1e-12
    assert (blot_scales(logs, "none") == 0).all()


def test_blot_scales_sum_uses_only_conditions_that_all_blots_share():
    logs = blots()
    logs.loc["c7", "b"] = np.nan
    assert blot_scales(logs, "sum")["a"] == pytest.approx(np.log(np.exp(MEANS[:7]).sum()))


@pytest.mark.parametrize(
    ("method", "message"),
    [("fixed_point", "no usable reference condition on blot b"),
     ("interblot_control", "no usable lane of role standard"),
     ("sum", "no condition stands on all blots; use alignment")],
)  # fmt: skip
def test_blot_scales_scalings_that_the_blots_do_not_carry(method, message):
    logs = pd.DataFrame({"a": [0.0, 1.0], "b": [np.nan, 2.0]}, index=["ref", "x"])
    logs = logs.drop(index="x") if method == "sum" else logs
    with pytest.raises(DesignError, match=message):
        blot_scales(logs, method, reference="ref", standards=[])


def test_control_mean_needs_a_reference():
    with pytest.raises(DesignError, match="no usable reference condition on any blot"):
        blot_scales(blots(), "control_mean", reference="gone")


def test_blot_scales_fixed_point_turns_a_cv_of_20_percent_into_28_57():
    """Log-normal values of CV 0.2: dividing by another of the same CV gives sqrt((1 + 0.2²)² - 1) = 0.2857 exactly."""
    sigma = np.sqrt(np.log(1 + 0.2**2))
    exact = np.sqrt(np.exp(2 * sigma**2) - 1)
    assert exact == pytest.approx(0.2857, abs=5e-5)
    assert f"{exact:.4f}" in SCALINGS["fixed_point"].costs
    rng = np.random.default_rng(7)
    logs = pd.DataFrame(rng.normal(0, sigma, (2, 200_000)), index=["ref", "x"])
    scaled = np.exp((logs - blot_scales(logs, "fixed_point", reference="ref")).loc["x"])
    assert scaled.std() / scaled.mean() == pytest.approx(exact, rel=0.01)


def test_average_technical_technical_repeats_are_averaged_on_the_log_scale():
    ratios = pd.DataFrame({
        "ratio": "r", "condition": ["v", "v", "d", "d", "d"], "blot": ["1", "1", "1", "1", "2"],
        "value": [1.0, 4.0, 9.0, 100.0, 5.0], "included": [True, True, True, False, True],
    })  # fmt: skip
    units = average_technical(ratios)
    assert np.exp(units["log_value"]).tolist() == pytest.approx([2.0, 9.0, 5.0])
    assert units["n_technical"].tolist() == [2, 1, 1]
    assert units["replicate"].tolist() == ["1", "1", "2"]
    assert log_matrix(units).shape == (2, 2)
    assert np.isnan(log_matrix(units).loc["v", "2"])


def membranes(*, b_drug=True, conditions_b=("v", "d")):
    """Vehicle 1 and drug 2 on membrane a; the same ten times as bright on membrane b, the drug lane as asked."""
    rows = [("v", "a", 1.0), ("d", "a", 2.0), (conditions_b[0], "b", 10.0)]
    rows += [(conditions_b[1], "b", 20.0)] if b_drug else []
    frame = pd.DataFrame(rows, columns=["condition", "membrane", "value"])
    return frame.assign(ratio="r", blot="1", role="sample", included=True)


def test_membranes_of_a_blot_are_aligned_before_they_are_averaged():
    """One drug lane is missing on the brighter membrane: the plain mean would say 2 / sqrt(10) = 0.63-fold."""
    units = average_technical(membranes(b_drug=False)).set_index("condition")
    assert np.exp(units["log_value"]["d"] - units["log_value"]["v"]) == pytest.approx(2.0)
    assert units["n_technical"].to_dict() == {"v": 2, "d": 1}


def test_average_technical_alignment_of_complete_membranes_changes_no_mean():
    units = average_technical(membranes()).set_index("condition")
    assert np.exp(units["log_value"]).to_dict() == pytest.approx({"v": np.sqrt(10), "d": np.sqrt(40)})


def test_membranes_that_nothing_links_are_left_out_and_named():
    apart = pd.concat([membranes(conditions_b=("x", "y")), membranes().assign(blot="2")])
    assert average_technical(apart)["blot"].unique().tolist() == ["2"]
    assert unlinked_membranes(apart) == ["blot 1 left out, its membranes a and b share no condition"]
    assert unlinked_membranes(membranes()) == []
