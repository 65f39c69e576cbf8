"""Comparisons that a study asks for: two factors, interaction, pairs, trends; against statsmodels and formulas."""

# ruff: noqa: E501  (a message stands on one line, as the user reads it)

import math

import numpy as np
import pandas as pd
import pytest
from factorial_study import CELLS, INTERACTION, WITHIN, two_factors, values
from scipy import stats
from small_experiment import experiment, image, ratio

from blotquant.statistics.contrasts import compare_contrasts, detectable_effect
from blotquant.statistics.sentences import NOT_SHOWN, without_repeats
from blotquant.tables import CONTRAST_COLUMNS, RATIO_COLUMNS, make_table


@pytest.mark.parametrize("skip", [(), (("KO drug", 2),), (("KO drug", 2), ("WT drug", 1))])
def test_compare_contrasts_interaction_is_that_of_statsmodels(tmp_path, skip):
    import statsmodels.formula.api as smf

    table = values(skip=skip)
    found = compare_contrasts(two_factors(tmp_path, INTERACTION), table)
    mine = found[found["family"] == "interaction line × drug"].iloc[0]
    frame = pd.DataFrame({name: table[name].tolist() for name in ("blot", "line", "drug")})
    frame["y"] = np.log(table["value"].to_numpy())
    fit = smf.ols("y ~ C(line, Treatment('WT')) * C(drug, Treatment('vehicle')) + C(blot)", frame).fit()
    name = "C(line, Treatment('WT'))[T.KO]:C(drug, Treatment('vehicle'))[T.drug]"
    assert math.log(mine["estimate_fold"]) == pytest.approx(fit.params[name], rel=1e-9)
    assert mine["se_log"] == pytest.approx(fit.bse[name], rel=1e-9)
    assert mine["p_value"] == pytest.approx(fit.pvalues[name], rel=1e-8)
    assert np.log([mine["ci_low"], mine["ci_high"]]) == pytest.approx(fit.conf_int().loc[name].tolist(), rel=1e-8)
    assert mine["contrast"] == "(drug / vehicle in KO) / (drug / vehicle in WT)"
    assert mine["quantity"] == "ratio of fold changes"
    # One contrast is a family of its own: both intervals and both p are the same.
    assert mine["p_adjusted"] == mine["p_value"]
    assert mine["simultaneous_ci_low"] == pytest.approx(mine["ci_low"])


@pytest.mark.parametrize("skip", [(), (("KO drug", 2), ("WT drug", 1))])
def test_compare_contrasts_family_f_is_that_of_statsmodels(tmp_path, skip):
    import statsmodels.formula.api as smf

    table = values(skip=skip)
    found = compare_contrasts(two_factors(tmp_path, WITHIN), table)
    mine = found[found["family"] == "against WT vehicle"].iloc[0]
    frame = pd.DataFrame({"blot": table["blot"].tolist(), "c": table["condition"].tolist()})
    frame["y"] = np.log(table["value"].to_numpy())
    fit = smf.ols("y ~ C(c, Treatment('WT vehicle')) + C(blot)", frame).fit()
    joint = fit.f_test(", ".join(f"{name} = 0" for name in fit.params.index if name.startswith("C(c,")))
    assert mine["family_f"] == pytest.approx(float(joint.fvalue), rel=1e-8)
    assert mine["family_df"] == 3
    assert mine["family_p"] == pytest.approx(float(joint.pvalue), rel=1e-8)


def test_compare_contrasts_family_f_of_all_pairs_counts_what_they_say_once(tmp_path):
    found = compare_contrasts(two_factors(tmp_path, "[[contrasts]]\nall_pairs = true\n"), values())
    pairs, reference = (found[found["family"] == name].iloc[0] for name in ("all pairs", "against WT vehicle"))
    assert pairs["family_df"] == 3
    assert pairs["family_p"] == pytest.approx(reference["family_p"], rel=1e-8)


def test_without_repeats_says_once_what_would_have_been_found():
    first, second = (f"{name} is 1.1-fold.{NOT_SHOWN}changes above 1.8-fold would have been found." for name in "AB")
    assert without_repeats([first, "C raises.", second]) == [
        "A is 1.1-fold.",
        "C raises.",
        "B is 1.1-fold.",
        "Where no difference is shown: at this spread and n, changes above 1.8-fold would have been found.",
    ]
    other = second.replace("1.8", "1.9")
    assert without_repeats([first, other]) == [first, other]


def test_compare_contrasts_within_levels_are_the_models_own(tmp_path):
    import statsmodels.formula.api as smf

    table = values()
    found = compare_contrasts(two_factors(tmp_path, WITHIN), table)
    mine = found[found["family"] == "drug within line"].set_index("contrast")
    assert mine.index.tolist() == ["WT: drug / vehicle", "KO: drug / vehicle"]
    frame = pd.DataFrame({"blot": table["blot"].tolist(), "c": table["condition"].tolist()})
    frame["y"] = np.log(table["value"].to_numpy())
    fit = smf.ols("y ~ C(c) - 1 + C(blot)", frame).fit()
    for line in ("WT", "KO"):
        test = fit.t_test(f"C(c)[{line} drug] - C(c)[{line} vehicle] = 0")
        row = mine.loc[f"{line}: drug / vehicle"]
        assert math.log(row["estimate_fold"]) == pytest.approx(float(test.effect[0]), rel=1e-9)
        assert row["p_value"] == pytest.approx(float(test.pvalue), rel=1e-8)
        # Two independent contrasts with one error: no p is doubled, none is left as it is.
        assert row["p_value"] < row["p_adjusted"] <= 2 * row["p_value"] + 1e-12
        assert row["simultaneous_ci_low"] < row["ci_low"]


def test_compare_contrasts_starts_with_the_reference_and_proposes_an_interaction(tmp_path):
    found = compare_contrasts(two_factors(tmp_path), values())
    assert list(found.columns) == list(CONTRAST_COLUMNS)
    families = list(dict.fromkeys(found["family"]))
    assert families == [
        "against WT vehicle",
        "interaction line × drug (not declared: seen in the sheet's columns)",
    ]
    declared = compare_contrasts(two_factors(tmp_path, WITHIN), values())
    assert list(dict.fromkeys(declared["family"])) == ["against WT vehicle", "drug within line"]


def test_compare_contrasts_of_all_pairs_are_tukeys(tmp_path):
    """One blot a condition pair: against scipy's Tukey on residuals of complete blocks is not offered; by range."""
    found = compare_contrasts(two_factors(tmp_path, "[[contrasts]]\nall_pairs = true\n"), values())
    pairs = found[found["family"] == "all pairs"]
    assert len(pairs) == 6
    t = np.abs(np.log(pairs["estimate_fold"].astype(float)) / pairs["se_log"])
    expected = stats.studentized_range.sf(t * math.sqrt(2), 4, 9)
    assert pairs["p_adjusted"].to_numpy(dtype=float) == pytest.approx(expected, abs=1e-3)
    assert pairs["test"].iloc[0] == "linear model of log ratios, paired by blot, Tukey"


def test_compare_contrasts_of_pairs_and_two_controls(tmp_path):
    toml = '[[contrasts]]\npairs = [["KO drug", "WT drug"]]\n[[contrasts]]\nreference = ["WT vehicle", "KO vehicle"]\n'
    found = compare_contrasts(two_factors(tmp_path, toml), values())
    assert found.loc[found["family"] == "chosen pairs", "contrast"].tolist() == ["KO drug / WT drug"]
    both = found[found["family"] == "against WT vehicle and KO vehicle"]
    assert both["contrast"].tolist() == [
        f"{name} / {reference}" for reference in ("WT vehicle", "KO vehicle") for name in ("WT drug", "KO drug")
    ]


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[[contrasts]]\n", "contrasts no. 1: say what to compare by one of reference, pairs, all_pairs"),
        ('[[contrasts]]\nreference = "WT"\n', "reference 'WT' is no condition; "),
        ('[[contrasts]]\nwithin = "lines"\nreference = "vehicle"\n', "'lines' is no column of the sample sheet"),
        ('[[contrasts]]\nwithin = "line"\nreference = "vehicel"\n', "did you mean 'vehicle'?"),
        ('[[contrasts]]\ninteraction = ["line"]\n', "interaction: name two factors"),
        ('[[contrasts]]\npairs = [["WT drug", "WT"]]\n', "pairs: 'WT' is no condition"),
        ('[[contrasts]]\npairs = [["WT drug", "WT drug"]]\n', "cannot be compared with itself"),
        ('[[contrasts]]\ntrend = "drug"\n', "drug of condition WT vehicle is 'vehicle', which is no number"),
        ('factors = ["lin"]\n', "compare: factor 'lin' is no column of the sample sheet; did you mean 'line'?"),
        (INTERACTION + INTERACTION, "the name 'interaction line × drug' stands there twice"),
    ],
)
def test_read_experiment_names_what_is_wrong_with_a_contrast(tmp_path, toml, message):
    from blotquant.errors import SheetError

    with pytest.raises(SheetError, match=r"experiment\.toml: ") as error:
        two_factors(tmp_path, toml)
    assert message in str(error.value)


def test_read_experiment_makes_conditions_of_factors(tmp_path):
    lines = ["blot,lane,line,drug"] + [f"1,{k},{a},{d}" for k, (a, d) in enumerate(CELLS, 1)]
    study = two_factors(tmp_path, 'factors = ["line", "drug"]\n', 1, sheet="\n".join(lines) + "\n",
                        reference="WT, vehicle")  # fmt: skip
    assert study.samples["condition"].tolist() == [f"{a}, {d}" for a, d in CELLS]


def test_compare_contrasts_unequal_is_the_paired_t_of_each(tmp_path):
    table = values()
    found = compare_contrasts(two_factors(tmp_path, 'spread = "unequal"\n' + WITHIN + INTERACTION), table)
    logs = np.log(table.pivot(index="blot", columns="condition", values="value"))
    row = found[found["contrast"] == "KO: drug / vehicle"].iloc[0]
    expected = stats.ttest_rel(logs["KO drug"], logs["KO vehicle"])
    assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert row["df"] == 3
    assert row["test"].endswith("(paired t), Holm")
    across = found[found["quantity"] == "ratio of fold changes"].iloc[0]
    own = logs["KO drug"] - logs["KO vehicle"] - logs["WT drug"] + logs["WT vehicle"]
    assert across["p_value"] == pytest.approx(stats.ttest_1samp(own, 0).pvalue, rel=1e-9)


def test_compare_contrasts_names_a_condition_that_spreads_more(tmp_path):
    table = values(8, sd=0.05)
    rng = np.random.default_rng(1)
    noisy = (table["condition"] == "KO drug").to_numpy()
    table.loc[noisy, "value"] = table.loc[noisy, "value"] * np.exp(rng.normal(0, 0.5, noisy.sum()))
    found = compare_contrasts(two_factors(tmp_path, n_blots=8), table)
    assert found["test_note"].str.startswith("KO drug spreads ").all()
    assert compare_contrasts(two_factors(tmp_path, n_blots=8), values(8))["test_note"].isna().all()


def test_compare_contrasts_trend_is_the_slope_of_the_means(tmp_path):
    sheet = "blot,lane,condition,dose\n" + "".join(
        f"{b},{k},d{dose},{dose}\n" for b in range(1, 5) for k, dose in enumerate((0, 1, 10, 100, 1000), 1)
    )
    study = two_factors(tmp_path, '[[contrasts]]\ntrend = "dose"\n', sheet=sheet, reference="d0")
    rng = np.random.default_rng(4)
    rows = [
        {"ratio": "r", "blot": str(b), "lane": k, "condition": f"d{dose}", "included": True, "role": "sample",
         "value": math.exp(b + rng.normal(0, 0.05)) * (0.2 + 0.8 / (1 + dose / 20)), "dose": str(dose)}
        for b in range(1, 5)
        for k, dose in enumerate((0, 1, 10, 100, 1000), 1)
    ]  # fmt: skip
    table = make_table(rows, RATIO_COLUMNS)
    row = compare_contrasts(study, table).query("family == 'trend over dose'").iloc[0]
    logs = np.log(table.pivot(index="blot", columns="condition", values="value"))
    slope = np.polyfit([0, 1, 2, 3], logs[["d1", "d10", "d100", "d1000"]].mean(), 1)[0]
    assert math.log(row["estimate_fold"]) == pytest.approx(slope, rel=1e-9)
    assert row["ic50_ci_low"] < 20 < row["ic50_ci_high"]
    assert row["ic50"] == pytest.approx(20, rel=0.3)
    assert " IC50 " in row["sentence"]


def test_detectable_effect_has_the_power_that_it_claims():
    """Differences of the size that is given are found in 80 % of 40,000 paired experiments of five blots."""
    rng = np.random.default_rng(1)
    critical = stats.t.isf(0.025, 4)
    effect = detectable_effect(1 / math.sqrt(5), 4, critical)
    draws = rng.normal(effect, 1, (5, 40_000))
    t = draws.mean(axis=0) / (draws.std(axis=0, ddof=1) / math.sqrt(5))
    assert np.mean(np.abs(t) > critical) == pytest.approx(0.8, abs=0.01)


def test_compare_contrasts_sentences_say_what_would_have_been_found(tmp_path):
    found = compare_contrasts(two_factors(tmp_path, WITHIN + INTERACTION), values(effect=(0, 0, 0, 2.0)))
    by = found.set_index("contrast")["sentence"]
    assert by["KO: drug / vehicle"].startswith("In KO drug raises r to ")
    assert "simultaneous 95 % " in by["KO: drug / vehicle"]
    quiet = by["WT: drug / vehicle"]
    assert "No difference is shown; at this spread and n, changes below " in quiet
    assert "with 80 % power" in quiet
    assert by["(drug / vehicle in KO) / (drug / vehicle in WT)"].startswith(
        "The effect of drug against vehicle on r in KO is "
    )


def gels(folder, lanes, *, sheet):
    """Ratio rows of two gels; `lanes` holds (gel, condition, replicate, role, log value)."""
    images = "".join(image(f"p{b}.tif", "P", blot=b) + image(f"t{b}.tif", "T", blot=b) for b in (1, 2))
    study = experiment(folder, images + ratio("r", "P", "T") + '[compare]\nreference = "c"\n', sheet)
    rows = [
        {"ratio": "r", "blot": str(gel), "lane": k, "condition": condition, "included": True, "role": role,
         "replicate": replicate, "value": math.exp(log)}
        for k, (gel, condition, replicate, role, log) in enumerate(lanes, 1)
    ]  # fmt: skip
    return study, make_table(rows, RATIO_COLUMNS)


def sheet_of(lanes):
    rows = [f"{gel},{k},{replicate},{condition},{role},{replicate}" for gel in (1, 2) for k, (g, condition, replicate, role, _)
            in enumerate([lane for lane in lanes if lane[0] == gel], 1)]  # fmt: skip
    return "blot,lane,sample,condition,role,replicate\n" + "\n".join(rows) + "\n"


def test_compare_contrasts_links_gels_by_a_pool_whose_error_is_its_own(tmp_path):
    """Controls on one gel, treated on another: by hand, with Satterthwaite's degrees of freedom."""
    rng = np.random.default_rng(6)
    c, t = rng.normal(0, 0.2, 5), rng.normal(0.6, 0.2, 5)
    pools = rng.normal(0, 0.05, (2, 3))
    lanes = [(1, "c", f"c{k}", "sample", v) for k, v in enumerate(c)]
    lanes += [(2, "t", f"t{k}", "sample", v + 1.7) for k, v in enumerate(t)]
    lanes += [(g + 1, "pool", "pool", "standard", v + 1.7 * g) for g in (0, 1) for v in pools[g]]
    study, table = gels(tmp_path, lanes, sheet=sheet_of(lanes))
    row = compare_contrasts(study, table).iloc[0]
    fold = t.mean() - pools[1].mean() - c.mean() + pools[0].mean()
    between = (c.var(ddof=1) + t.var(ddof=1)) / 2
    lane = (pools[0].var(ddof=1) + pools[1].var(ddof=1)) / 2
    parts = between * 2 / 5, lane * 2 / 3
    df = sum(parts) ** 2 / (parts[0] ** 2 / 8 + parts[1] ** 2 / 4)
    assert math.log(row["estimate_fold"]) == pytest.approx(fold, rel=1e-8)
    assert row["se_log"] == pytest.approx(math.sqrt(sum(parts)), rel=1e-6)
    assert row["df"] == pytest.approx(df, rel=1e-6)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(fold) / math.sqrt(sum(parts)), df), rel=1e-5)
    assert row["test"] == "linear model of log ratios, blots linked by pool"
    assert row["n"] == 5


def test_compare_contrasts_of_samples_on_two_gels_is_the_mixed_model(tmp_path):
    """Six samples a condition, two of each on both gels; against statsmodels' restricted maximum likelihood."""
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(2)
    lanes = []
    for condition, shift in (("c", 0.0), ("t", 0.5)):
        for k in range(6):
            own = rng.normal(shift, 0.2)
            for gel in (1, 2) if k < 2 else (1 + k % 2,):
                lanes.append((gel, condition, f"{condition}{k}", "sample", own + 1.3 * (gel - 1) + rng.normal(0, 0.1)))
    study, table = gels(tmp_path, lanes, sheet=sheet_of(lanes))
    row = compare_contrasts(study, table).iloc[0]
    frame = pd.DataFrame(lanes, columns=["gel", "c", "s", "role", "y"])
    fit = smf.mixedlm("y ~ C(c) + C(gel)", frame, groups="s").fit(reml=True, method="powell", ftol=1e-14, xtol=1e-10)
    assert math.log(row["estimate_fold"]) == pytest.approx(fit.params["C(c)[T.t]"], rel=1e-5)
    assert row["se_log"] == pytest.approx(fit.bse["C(c)[T.t]"], rel=1e-4)
    assert row["n"] == 6
    assert row["test"] == "mixed model of log ratios, samples on several blots counted once"


def test_compare_contrasts_of_two_gels_of_animals_and_a_pool(tmp_path):
    """Both conditions on both gels: within gels, unpaired; the pool is not needed and changes nothing."""
    rng = np.random.default_rng(3)
    lanes = [
        (g, c, f"{c}{g}{k}", "sample", rng.normal(g + (c == "t") * 0.5, 0.2))
        for g in (1, 2)
        for c in "ct"
        for k in range(4)
    ]
    lanes += [(g, "pool", "pool", "standard", rng.normal(g, 5.0)) for g in (1, 2)]
    study, table = gels(tmp_path, lanes, sheet=sheet_of(lanes))
    row = compare_contrasts(study, table).iloc[0]
    frame = pd.DataFrame([lane for lane in lanes if lane[3] == "sample"], columns=["g", "c", "s", "role", "y"])
    import statsmodels.formula.api as smf

    fit = smf.ols("y ~ C(c) + C(g)", frame).fit()
    assert row["p_value"] == pytest.approx(fit.pvalues["C(c)[T.t]"], rel=1e-8)
    assert row["n"] == 8
