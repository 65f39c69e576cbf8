"""Odd experiments, worked out by hand: unmeasured pictures, controls as denominators, conditions without a link."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_experiment import band_table, bands, experiment, image, lane_table, lanes, ratio
from test_compare import row, study, table

from blotquant.normalization.designs import match_lanes
from blotquant.normalization.normalize import normalize
from blotquant.statistics.compare import compare, scaled_units

P = {2: 1000.0, 3: 3000.0, 4: 2000.0}
EVEN = dict.fromkeys(P, 1000.0)
UNEVEN = {2: 500.0, 3: 1500.0, 4: 1000.0}
ONE = image("p.tif", "pAKT") + image("t.tif", "AKT")


def ratios_of(tmp_path, toml: str, *, stain: dict[int, float] | None = None, **volumes: dict[int, float]):
    files = {"pAKT": "p.tif", "AKT": "t.tif", "GAPDH": "g.tif"}
    found = band_table(*(bands(files[probe], probe, amounts) for probe, amounts in volumes.items()))
    stains = lane_table(*([lanes("s.tif", "total_protein", stain)] if stain else []))
    return normalize(experiment(tmp_path, toml), found, stains)


# what cannot be divided


def test_normalize_a_numerator_that_was_not_measured_is_named(tmp_path) -> None:
    found = ratios_of(tmp_path, ONE + ratio("r", "pAKT", "AKT"), AKT=EVEN)
    assert found["reason"].tolist() == ["the picture of pAKT (p.tif) was not measured"] * 3
    assert set(found["flags"]) == {"missing_band"}


def test_normalize_each_lane_names_the_denominators_that_it_lacks(tmp_path) -> None:
    toml = ONE + image("g.tif", "GAPDH") + ratio("r", "pAKT", ["AKT", "GAPDH"])
    found = ratios_of(tmp_path, toml, pAKT=P, AKT={2: 400.0, 4: 100.0}, GAPDH={2: 900.0})
    lacking = ["no band of AKT and GAPDH in lane 3", "no band of GAPDH in lane 4"]
    assert found["reason"].tolist()[1:] == lacking
    assert found["value"][0] == pytest.approx(1000 / 600, rel=1e-12)
    assert found["value"][1:].isna().all()


def test_one_of_two_denominators_that_was_not_measured_is_named(tmp_path) -> None:
    toml = ONE + image("g.tif", "GAPDH") + ratio("r", "pAKT", ["AKT", "GAPDH"])
    found = ratios_of(tmp_path, toml, pAKT=P, AKT=EVEN)
    assert found["reason"].tolist() == ["the picture of GAPDH (g.tif) was not measured"] * 3


def test_normalize_a_blot_without_the_denominators_picture_says_so(tmp_path) -> None:
    toml = ONE + image("q.tif", "pAKT", blot=2) + ratio("r", "pAKT", "AKT")
    sheet = "blot,lane,condition\n1,1,v\n2,1,v\n2,2,w\n"
    found = band_table(bands("p.tif", "pAKT", {1: 600.0}), bands("t.tif", "AKT", {1: 300.0}))
    result = normalize(experiment(tmp_path, toml, sheet), found, lane_table())
    assert result["reason"].fillna("").tolist() == ["", *["no picture of AKT on blot 2"] * 2]


def test_lanes_that_are_counted_otherwise_are_given_with_both_counts(tmp_path) -> None:
    found = band_table(bands("p.tif", "pAKT", P), bands("t.tif", "AKT", EVEN))
    three = lane_table(lanes("p.tif", "pAKT", dict.fromkeys((1, 2, 3), 1e6)))
    odd = experiment(tmp_path, ONE + ratio("r", "pAKT", "AKT"))
    [reason] = set(normalize(odd, found, three, strict=False)["reason"])
    assert reason == (
        "lane counts differ: ratio r, blot 1: pAKT (p.tif) shows 3 lanes, the sample sheet lists 4; correct the lanes "
        "of the picture or the sheet"
    )


# which denominators are judged as loading controls


def test_normalize_a_mean_of_a_target_and_a_control_is_no_loading_control(tmp_path) -> None:
    """At SNR 5 it is below its limit of quantification, which only a loading control must not be."""
    toml = ONE + image("g.tif", "GAPDH") + ratio("r", "pAKT", ["AKT", "GAPDH"])
    faint = [
        bands(file, probe, EVEN, sd=200 * 2**0.5, loq=2000)
        for file, probe in {"t.tif": "AKT", "g.tif": "GAPDH"}.items()
    ]
    found = band_table(bands("p.tif", "pAKT", P), *faint)
    mixed = normalize(experiment(tmp_path, toml), found, lane_table())
    np.testing.assert_allclose(mixed["value"], [1.0, 3.0, 2.0])
    controls = toml.replace("AKT", "actin").replace("pactin", "pAKT")
    found["probe"] = found["probe"].where(found["probe"] != "AKT", "actin")
    found["target"] = found["target"].where(found["target"] != "AKT", "actin")
    refused = normalize(experiment(tmp_path, controls), found, lane_table())
    assert refused["value"].isna().all()
    assert refused["flags"].str.contains("loading_below_loq").all()


def test_normalize_a_control_as_denominator_is_itself_looked_at_as_loading(tmp_path) -> None:
    """Lanes of 500 to 1500 counts differ three-fold; 1.5 is lane 3's share of the mean."""
    toml = image("p.tif", "pAKT") + image("g.tif", "GAPDH") + ratio("r", "pAKT", "GAPDH")
    found = ratios_of(tmp_path, toml, pAKT=P, GAPDH=UNEVEN)
    assert found["flags"].str.contains("uneven_loading").all()
    assert found["flags"].str.contains("single_loading_control").all()
    assert found["loading_factor"].tolist() == [0.5, 1.5, 1.0]
    level = ratios_of(tmp_path, toml, pAKT=P, GAPDH=EVEN)
    assert not level["flags"].str.contains("uneven_loading").any()


def test_normalize_a_declared_loading_goes_before_the_denominator(tmp_path) -> None:
    toml = image("p.tif", "pAKT") + image("g.tif", "GAPDH") + image("s.tif", "total_protein")
    toml += ratio("r", "pAKT", "GAPDH", "total_protein")
    found = ratios_of(tmp_path, toml, pAKT=P, GAPDH=UNEVEN, stain={1: 9.0, 2: 1e6, 3: 1.2e6, 4: 0.8e6})
    assert not found["flags"].str.contains("uneven_loading").any()
    np.testing.assert_allclose(found["loading_factor"], [1.0, 1.2, 0.8], rtol=1e-12)
    np.testing.assert_allclose(found["value"], [2.0, 2.0, 2.0], rtol=1e-12)


# tables and matches


def test_match_lanes_a_membrane_with_a_lane_more_matches_by_sample(tmp_path) -> None:
    """Lane 3 stands on membrane b alone; the ladder has no sample's name to be matched by."""
    sheet = "blot,membrane,lane,sample,condition,role\n1,,1,,,ladder\n1,,2,A,c,sample\n1,b,3,B,c,sample\n"
    toml = image("p.tif", "pAKT", membrane="a") + image("t.tif", "AKT", membrane="b")
    found = experiment(tmp_path, toml, sheet)
    assert match_lanes(found, "1", "b", "a") == {2: 2}
    assert match_lanes(found, "1", "a", "b") == {2: 2}
    assert match_lanes(found, "1", "b", "b") == {1: 1, 2: 2, 3: 3}


def test_columns_of_the_sheet_keep_their_types(tmp_path) -> None:
    sheet = "blot,lane,condition,drug\n1,1,v,\n1,2,v,\n1,3,w,\n1,4,w,\n"
    odd = experiment(tmp_path, ONE + ratio("r", "pAKT", "AKT"), sheet)
    found = normalize(odd, band_table(bands("p.tif", "pAKT", P)), lane_table())
    types = {"membrane": "string", "role": "string", "load_ug": "float64", "replicate": "string", "drug": "string"}
    assert found[list(types)].dtypes.astype(str).to_dict() == types


def test_compare_the_summary_has_the_sheets_columns_as_text(tmp_path) -> None:
    assert str(compare(study(tmp_path), table())["drug"].dtype) == "string"


# what is counted and tested


def test_rows_without_a_condition_or_a_verdict_belong_to_none(tmp_path) -> None:
    ratios = table(skip=[("drug", 1), ("other", 1), ("other", 2)])
    ratios.loc[ratios["condition"] == "other", "condition"] = None
    ratios["included"] = ratios["included"].astype("boolean")
    ratios.loc[ratios.index[3], "included"] = pd.NA
    summary = compare(study(tmp_path), ratios)
    assert summary[["condition", "n", "n_excluded", "drug"]].to_numpy().tolist() == [
        ["vehicle", 3, 1, "v"],
        ["drug", 3, 1, "d"],
    ]


def test_rows_without_a_ratio_belong_to_none(tmp_path) -> None:
    ratios = table()
    ratios.loc[ratios["condition"] == "other", "ratio"] = None
    assert compare(study(tmp_path), ratios)["condition"].tolist() == ["vehicle", "drug"]


def test_scaled_values_of_two_ratios_are_rows_of_one_table(tmp_path) -> None:
    both = pd.concat([table(), table().assign(ratio="q")], ignore_index=True)
    units = scaled_units(study(tmp_path), both)
    assert units.index.tolist() == list(range(24))
    assert units["ratio"].tolist() == ["r"] * 12 + ["q"] * 12


def test_compare_a_column_that_some_rows_leave_empty_is_not_one_for_the_condition(tmp_path) -> None:
    ratios = table()
    ratios.loc[ratios.index[4], "drug"] = None
    summary = compare(study(tmp_path), ratios)
    assert summary["drug"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("alone", ["drug", "other"])
def test_compare_a_condition_on_blots_of_its_own_is_linked_to_nothing(tmp_path, alone: str) -> None:
    """The condition of blots 4 to 6 has no fold change; that of the other two is the paired t-test of blots 1 to 3."""
    linked = {"drug": "other", "other": "drug"}[alone]
    values = {"vehicle": [1.0, 1.2, 0.8], "drug": [2.1, 2.0, 1.9], "other": [3.0, 2.6, 3.3]}
    ratios = table(values, scales=(1.0,) * 6)
    moved = ratios["condition"] == alone
    ratios.loc[moved, "blot"] = ["4", "5", "6"]
    summary = compare(study(tmp_path, 6), ratios)
    assert row(summary, alone)["test"] == "no test: no blot links this condition to the reference"
    assert row(summary, alone)[["fold_change", "fold_ci_low", "p_value"]].isna().all()
    expected = stats.ttest_rel(np.log(values[linked]), np.log(values["vehicle"]))
    assert row(summary, linked)["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    # Two comparisons were planned: the other is not judged more mildly because one was refused.
    assert expected.pvalue < row(summary, linked)["p_adjusted"] <= 2 * expected.pvalue


@pytest.mark.parametrize(("short", "said"), [("vehicle", "n of the reference = 2"), ("drug", "n = 2")])
def test_compare_whose_replicates_are_too_few(tmp_path, short: str, said: str) -> None:
    values = {"vehicle": [1.0, 1.2, 0.8], "drug": [2.1, 2.0, 1.9]}
    summary = compare(study(tmp_path), table(values, skip=[(short, 3)]))
    assert row(summary, "drug")["test"] == f"no test: {said}, a p-value needs 3 biological replicates"


def test_one_degree_of_freedom_is_enough_for_a_test(tmp_path) -> None:
    """Six replicates, none of them paired: blots 1 and 2 carry both conditions, 3 and 4 one each and add nothing."""
    values = {"vehicle": [1.0, 1.3, 0.8], "drug": [2.1, 2.2, 1.9]}
    ratios = table(values, scales=(1.0,) * 4)
    ratios["replicate"] = pd.array(list("abcdef"), dtype="string")
    ratios.loc[ratios.index[5], "blot"] = "4"
    drug = row(compare(study(tmp_path), ratios), "drug")
    logs = np.log(values["drug"][:2]) - np.log(values["vehicle"][:2])
    expected = stats.ttest_1samp(logs, 0.0)
    assert drug["fold_change"] == pytest.approx(np.exp(logs.mean()), rel=1e-9)
    assert drug["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)


def test_compare_two_values_have_a_mean_with_an_interval_of_one_degree_of_freedom(tmp_path) -> None:
    values = {"vehicle": [1.0, 1.2], "drug": [2.0, 3.1]}
    summary = compare(study(tmp_path, 2, scaling="none"), table(values, scales=(1.0, 1.0)))
    for condition, pair in values.items():
        low, high = stats.t.interval(0.95, 1, np.log(pair).mean(), stats.sem(np.log(pair)))
        expected = np.exp([np.log(pair).mean(), low, high])
        found = row(summary, condition)[["geometric_mean", "ci_low", "ci_high"]]
        np.testing.assert_allclose(found.to_numpy(dtype=float), expected, rtol=1e-9)
