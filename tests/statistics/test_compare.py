"""Conditions against each other: the paired model and its adjusted p-values, against statsmodels and scipy."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_experiment import experiment, image, ratio

from blotquant.io.files import read_table, write_table
from blotquant.statistics.compare import compare, scaled_units
from blotquant.tables import RATIO_COLUMNS, SUMMARY_COLUMNS, make_table

VALUES = {"vehicle": [1.0, 1.2, 0.8, 1.1], "drug": [2.1, 2.0, 1.9, 2.6], "other": [1.0, 1.3, 0.9, 1.0]}


def study(folder, n_blots=4, *, conditions=("vehicle", "drug", "other"), **settings):
    settings = {"reference": "vehicle"} | settings
    lines = [
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        for key, value in settings.items()
        if value
    ]
    sheet = "blot,lane,condition,drug\n"
    sheet += "".join(f"{b},{k},{c},{c[0]}\n" for b in range(1, n_blots + 1) for k, c in enumerate(conditions, 1))
    sheet += "".join(f"{b},{len(conditions) + 1},calibrator,\n" for b in range(1, n_blots + 1)).replace(",\n", ",s\n")
    sheet = (
        sheet.replace("condition,drug", "condition,drug,role")
        .replace("\n", ",sample\n")
        .replace("role,sample", "role", 1)
    )
    sheet = sheet.replace("calibrator,s,sample", "calibrator,s,standard")
    toml = "".join(image(f"p{b}.tif", "P", blot=b) + image(f"t{b}.tif", "T", blot=b) for b in range(1, n_blots + 1))
    return experiment(folder, toml + ratio("r", "P", "T") + "[compare]\n" + "\n".join(lines), sheet)


def table(values=VALUES, *, skip=(), scales=(1.0, 7.0, 0.2, 3.0, 1.0, 1.0), role="sample", **more):
    """Ratio rows; each blot on its own scale; `skip` holds (condition, blot) that are left out with a reason."""
    rows = []
    for condition, row in values.items():
        for k, value in enumerate(row):
            out = (condition, k + 1) in skip
            rows.append(
                {
                    "ratio": "r",
                    "blot": str(k + 1),
                    "lane": 1,
                    "condition": condition,
                    "value": value * scales[k],
                    "included": not out,
                    "reason": "torn" if out else None,
                    "role": role,
                    "drug": condition[0],
                    **more,
                }
            )
    return make_table(rows, RATIO_COLUMNS)


def row(summary, condition):
    return summary.set_index("condition").loc[condition]


def test_compare_two_conditions_are_the_paired_t_test(tmp_path):
    values = {k: VALUES[k] for k in ("vehicle", "drug")}
    summary = compare(study(tmp_path), table(values))
    expected = stats.ttest_rel(np.log(VALUES["drug"]), np.log(VALUES["vehicle"]))
    drug = row(summary, "drug")
    assert drug["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert drug["p_adjusted"] == pytest.approx(expected.pvalue, rel=1e-9)
    low, high = np.exp(expected.confidence_interval())
    assert (drug["fold_ci_low"], drug["fold_ci_high"]) == pytest.approx((low, high), rel=1e-9)
    fold = math.exp(np.mean(np.log(VALUES["drug"]) - np.log(VALUES["vehicle"])))
    assert (drug["fold_change"], drug["n"]) == (pytest.approx(fold), 4)
    assert drug["test"] == "t-test on log ratios, paired by blot"


@pytest.mark.parametrize("skip", [(), (("drug", 2),), (("other", 1), ("drug", 4))])
def test_model_agrees_with_statsmodels(tmp_path, skip):
    import statsmodels.formula.api as smf

    data = table(skip=skip)
    summary = compare(study(tmp_path, adjust="none"), data)
    used = data[data["included"].astype(bool)]
    frame = pd.DataFrame(
        {"y": np.log(used["value"].to_numpy()), "c": used["condition"].tolist(), "b": used["blot"].tolist()}
    )
    fit = smf.ols("y ~ C(c, Treatment('vehicle')) + C(b)", frame).fit()
    for condition in ("drug", "other"):
        name = f"C(c, Treatment('vehicle'))[T.{condition}]"
        mine = row(summary, condition)
        assert math.log(mine["fold_change"]) == pytest.approx(fit.params[name], rel=1e-9, abs=1e-12)
        assert mine["p_value"] == pytest.approx(fit.pvalues[name], rel=1e-8)
        assert [math.log(mine["fold_ci_low"]), math.log(mine["fold_ci_high"])] == pytest.approx(
            fit.conf_int().loc[name].tolist(), rel=1e-8)  # fmt: skip


def test_compare_the_scale_of_blots_changes_no_claim(tmp_path):
    claims = ["fold_change", "fold_ci_low", "fold_ci_high", "p_value", "p_adjusted"]
    first = compare(study(tmp_path), table())
    for scaling in ("none", "fixed_point", "sum", "control_mean"):
        other = compare(study(tmp_path, scaling=scaling), table(scales=(9.0, 1.0, 5.0, 0.01)))
        pd.testing.assert_frame_equal(first[claims], other[claims], rtol=1e-9)
        assert (other["scaling"] == scaling).all()


def test_compare_the_reference_is_never_tested(tmp_path):
    summary = compare(study(tmp_path, scaling="fixed_point"), table())
    reference = row(summary, "vehicle")
    assert (reference["fold_change"], reference["test"]) == (1.0, "reference: 1 by construction, not tested")
    assert math.isnan(reference["p_value"])
    assert math.isnan(reference["fold_ci_low"])
    # Divided by itself it is 1 on every blot: a mean without spread has no interval.
    assert reference["geometric_mean"] == pytest.approx(1.0)
    assert math.isnan(reference["ci_low"])


def test_geometric_mean_and_its_interval(tmp_path):
    values = {"vehicle": [1.0, 2.0, 4.0]}
    first = compare(study(tmp_path, 3, scaling="none"), table(values, scales=(1, 1, 1))).iloc[0]
    half = stats.t.isf(0.025, 2) * math.log(2) / math.sqrt(3)
    assert first["geometric_mean"] == pytest.approx(2.0)
    assert (first["ci_low"], first["ci_high"]) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)))


def test_condition_mean_errors_means_after_alignment_carry_the_error_of_the_fit():
    """The interval of a mean holds 95 % over 800 experiments of three blots; one of its own spread alone does not."""
    from blotquant.normalization.repeats import align
    from blotquant.statistics.compare import condition_mean_errors

    rng = np.random.default_rng(5)
    n_blots, n_conditions, truth = 3, 4, np.array([0.0, 0.7, -0.4, 0.2])
    condition, block = np.tile(range(n_conditions), n_blots), np.repeat(range(n_blots), n_conditions)
    held, short = 0, 0
    for _ in range(800):
        scales = rng.normal(0, 1, n_blots)
        y = truth[condition] + scales[block] + rng.normal(0, 0.2, len(block))
        se, df = condition_mean_errors(y, condition, block)
        matrix = pd.DataFrame(y.reshape(n_blots, n_conditions).T)
        aligned = matrix - align(matrix)[0]
        off = np.abs(aligned.mean(axis=1).to_numpy() - truth - scales.mean())
        held += int((off < stats.t.isf(0.025, df) * se).sum())
        own = stats.t.isf(0.025, n_blots - 1) * aligned.std(axis=1, ddof=1).to_numpy() / math.sqrt(n_blots)
        short += int((off < own).sum())
    assert 0.94 < held / 3_200 < 0.96
    assert short / 3_200 < 0.94


def test_compare_aligned_means_in_the_table_are_those_of_the_fit(tmp_path):
    import statsmodels.formula.api as smf

    data = table(skip=(("drug", 2),))
    summary = compare(study(tmp_path), data)
    used = data[data["included"].astype(bool)]
    frame = pd.DataFrame({"y": np.log(used["value"].to_numpy()), "c": used["condition"].tolist(),
                          "b": used["blot"].tolist()})  # fmt: skip
    fit = smf.ols("y ~ C(c) + C(b, Sum) - 1", frame).fit()
    for condition in VALUES:
        low, high = np.exp(fit.conf_int().loc[f"C(c)[{condition}]"])
        assert row(summary, condition)[["ci_low", "ci_high"]].tolist() == pytest.approx([low, high], rel=1e-8)


def test_compare_too_few_replicates_give_no_p(tmp_path):
    summary = compare(study(tmp_path), table(skip=[("drug", 1), ("drug", 2)]))
    drug = row(summary, "drug")
    assert drug["test"] == "no test: n = 2, a p-value needs 3 biological replicates"
    assert math.isnan(drug["p_value"])
    assert (drug["n"], drug["n_excluded"]) == (2, 2)
    assert drug["fold_ci_low"] < drug["fold_change"] < drug["fold_ci_high"]
    assert row(summary, "other")["p_value"] > 0.05
    summary = compare(study(tmp_path), table(skip=[("vehicle", 1), ("vehicle", 2)]))
    assert row(summary, "drug")["test"] == "no test: n of the reference = 2, a p-value needs 3 biological replicates"


def test_one_blot_gives_numbers_but_no_claim(tmp_path):
    summary = compare(study(tmp_path, 1), table({k: v[:1] for k, v in VALUES.items()}))
    drug = row(summary, "drug")
    assert drug["fold_change"] == pytest.approx(2.1)
    assert drug[["ci_low", "fold_ci_low", "p_value"]].isna().all()
    assert drug["test"] == "no test: n = 1, a p-value needs 3 biological replicates"


def test_pairs_that_do_not_meet_are_refused(tmp_path):
    values = {"vehicle": [1.0, 1.1, 0.9, None, None, None], "drug": [None, None, 2.0, 2.1, 1.9, 2.2]}
    values = {k: [1.0 if v is None else v for v in row] for k, row in values.items()}
    skip = [("vehicle", 4), ("vehicle", 5), ("vehicle", 6), ("drug", 1), ("drug", 2)]
    drug = row(compare(study(tmp_path, 6), table(values, skip=skip)), "drug")
    assert drug["test"] == "no test: only 1 of the biological replicates carry both this condition and the reference"
    apart = row(compare(study(tmp_path, 6), table(values, skip=[*skip, ("drug", 3)])), "drug")
    assert apart["test"] == "no test: no blot links this condition to the reference"
    assert "not possible, blots" in apart["scaling"]
    assert math.isnan(apart["geometric_mean"])


def test_replicates_that_never_vary_are_not_tested(tmp_path):
    drug = row(compare(study(tmp_path), table({"vehicle": [1.0] * 4, "drug": [2.0] * 4})), "drug")
    assert drug["fold_change"] == pytest.approx(2.0)
    assert drug["test"] == "no test: the replicates do not vary at all"


def test_compare_no_reference(tmp_path):
    summary = compare(study(tmp_path, reference=None), table())
    assert summary["test"].unique().tolist() == ["no test: no reference condition is declared"]
    assert summary["geometric_mean"].notna().all()
    gone = compare(study(tmp_path), table(skip=[("vehicle", k) for k in range(1, 5)]))
    assert row(gone, "drug")["test"] == "no test: the reference has no value"
    assert row(gone, "vehicle")["test"] == "no test: no value is left (torn)"


def test_compare_technical_repeats_are_not_replicates(tmp_path):
    doubled = pd.concat([table(), table()], ignore_index=True)
    once, twice = compare(study(tmp_path), table()), compare(study(tmp_path), doubled)
    pd.testing.assert_frame_equal(once.drop(columns="n_excluded"), twice.drop(columns="n_excluded"))


def test_replicates_of_one_blot_by_a_column_of_the_sheet(tmp_path):
    values = {"vehicle": [1.0, 1.2, 0.8, 1.1], "drug": [2.1, 2.0, 1.9, 2.6]}
    rows = table(values, scales=(1,) * 4).assign(blot="1")
    rows["replicate"] = [f"animal {k}" for k in range(8)]
    drug = row(compare(study(tmp_path, 1), rows), "drug")
    expected = stats.ttest_ind(np.log(values["drug"]), np.log(values["vehicle"]))
    assert (drug["n"], drug["p_value"]) == (4, pytest.approx(expected.pvalue, rel=1e-9))
    assert drug["test"] == "linear model of log ratios, blots as blocks"
    rows["replicate"] = [f"passage {k}" for k in range(4)] * 2
    paired = row(compare(study(tmp_path, 1), rows), "drug")
    expected = stats.ttest_rel(np.log(values["drug"]), np.log(values["vehicle"]))
    assert paired["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert paired["test"] == "t-test on log ratios, paired by replicate"


def test_compare_standards_leave_the_error_of_the_conditions_alone(tmp_path):
    wild = table({"calibrator": [5.0, 500.0, 0.05, 9.0]}, role="standard")
    both = compare(study(tmp_path), pd.concat([table(), wild], ignore_index=True))
    assert row(both, "drug")["p_value"] == row(compare(study(tmp_path), table()), "drug")["p_value"]


def test_compare_standards_scale_but_are_not_tested(tmp_path):
    standard = table({"calibrator": [5.0] * 4}, role="standard")
    summary = compare(study(tmp_path, scaling="interblot_control"), pd.concat([table(), standard], ignore_index=True))
    assert row(summary, "calibrator")["test"] == "no test: a standard, the same on every blot"
    assert row(summary, "vehicle")["geometric_mean"] == pytest.approx(stats.gmean(VALUES["vehicle"]) / 5)
    assert row(summary, "drug")["p_adjusted"] < 0.05


def test_tables_read_back_from_csv_give_the_same_summary(tmp_path):
    standard = table({"calibrator": [5.0] * 4}, role="standard")
    ratios = pd.concat([table(skip=[("drug", 2)]), standard], ignore_index=True).assign(replicate=pd.NA)
    write_table(ratios, tmp_path / "ratios.csv")
    design = study(tmp_path, scaling="interblot_control")
    again = compare(design, read_table(tmp_path / "ratios.csv", RATIO_COLUMNS))
    pd.testing.assert_frame_equal(again, compare(design, ratios))


def test_sheet_columns_that_belong_to_a_condition_travel(tmp_path):
    summary = compare(study(tmp_path), table())
    assert list(summary.columns) == [*SUMMARY_COLUMNS, "drug"]
    assert summary["drug"].tolist() == ["v", "d", "o"]
    assert list(compare(study(tmp_path), table({})).columns)[: len(SUMMARY_COLUMNS)] == list(SUMMARY_COLUMNS)


def test_scaled_units_are_what_the_means_are_made_of(tmp_path):
    design = study(tmp_path, scaling="fixed_point")
    units = scaled_units(design, table())
    means = units.groupby("condition", sort=False)["value"].apply(stats.gmean)
    assert means.to_dict() == pytest.approx(compare(design, table()).set_index("condition")["geometric_mean"].to_dict())


def test_compare_adjustments_reach_the_table(tmp_path):
    p = compare(study(tmp_path, adjust="none"), table())["p_value"].tolist()[1:]
    assert compare(study(tmp_path, adjust="none"), table())["p_adjusted"].tolist()[1:] == p
    steps = compare(study(tmp_path, adjust="step_down"), table())
    # The larger |t| is judged among two as by Dunnett, the smaller alone.
    assert steps["p_adjusted"].tolist()[1:] == pytest.approx([compare(study(tmp_path), table())["p_adjusted"][1], p[1]])
    assert steps["test"][1].endswith(", step-down Dunnett")
    holm = compare(study(tmp_path, adjust="holm"), table())
    assert holm["p_adjusted"].tolist()[1:] == pytest.approx([2 * p[0], max(p[1], 2 * p[0])])
    assert holm["test"][1].endswith(", Holm")
    adjusted = compare(study(tmp_path), table())
    assert adjusted["test"][1] == "linear model of log ratios, paired by blot, Dunnett"
    assert p[0] < adjusted["p_adjusted"][1] < 2 * p[0]


def test_compare_a_blot_whose_membranes_nothing_links_is_left_out_and_named(tmp_path):
    values = table()
    split = values["blot"] == "1"
    values["membrane"] = values["blot"].where(~split, values["condition"].radd("m-"))
    summary = compare(study(tmp_path), values)
    n = compare(study(tmp_path), table())["n"]
    assert (summary["n"] == n - 1).all()
    assert summary["scaling"].str.contains("; blot 1 left out, its membranes m-").all()
