"""The small print of comparing, each line against a number worked out apart: formulas, matches, intervals, counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from small_experiment import band_table, bands, experiment, image, lane_table, lanes, ratio
from test_compare import row, study, table

from blotquant.normalization.designs import match_lanes
from blotquant.normalization.intervals import ratio_interval
from blotquant.normalization.normalize import normalize
from blotquant.statistics.compare import compare

Z = 1.959963984540054
P, T = {2: 1000.0, 3: 3000.0, 4: 2000.0}, {2: 2000.0, 3: 2000.0, 4: 1000.0}
STAIN = {1: 9e9, 2: 1e6, 3: 2e6, 4: 3e6}


# formulas: what was divided by what, with the picture of each


def formula(tmp_path, toml: str, *, membranes: tuple[str, str] = ("1", "1"), stains: tuple[str, ...] = ()) -> str:
    table = band_table(
        bands("p.tif", "pAKT", P, membrane=membranes[0]),
        bands("t.tif", "AKT", T, membrane=membranes[1]),
        bands("g.tif", "GAPDH", T, membrane=membranes[1]),
    )
    found = lane_table(*(lanes(f"s{m}.tif", "total_protein", STAIN, membrane=m) for m in stains))
    [text] = set(normalize(experiment(tmp_path, toml), table, found)["formula"])
    assert text.endswith("; 95 % CI: log")
    return text.removesuffix("; 95 % CI: log")


def pictures(top: str = "1", bottom: str = "1", stains: str = "") -> str:
    named = [("p.tif", "pAKT", top), ("t.tif", "AKT", bottom), ("g.tif", "GAPDH", bottom)]
    named += [(f"s{m}.tif", "total_protein", m) for m in stains]
    return "".join(image(file, probe, membrane=m) for file, probe, m in named)


def test_formulas_on_one_membrane(tmp_path) -> None:
    alone = formula(tmp_path, pictures() + ratio("r", "pAKT", "AKT"))
    assert alone == "R = P / T, one membrane: loading cancels; P = pAKT [p.tif]; T = AKT [t.tif]"
    several = formula(tmp_path, pictures() + ratio("r", "pAKT", ["AKT", "GAPDH"]))
    assert several.endswith("; P = pAKT [p.tif]; T = geometric mean of AKT [t.tif], GAPDH [g.tif]")
    shown = formula(tmp_path, pictures(stains="1") + ratio("r", "pAKT", "AKT", "total_protein"), stains=("1",))
    assert shown == alone


def test_formulas_over_the_loading(tmp_path) -> None:
    one = formula(tmp_path, pictures() + ratio("r", "pAKT", None, "GAPDH"))
    assert one == "R = P / F; P = pAKT [p.tif]; F = L / mean(L), L = GAPDH [g.tif]"
    two = formula(tmp_path, pictures() + ratio("r", "pAKT", None, ["GAPDH", "AKT"]))
    assert two == "R = P / F; P = pAKT [p.tif]; F = L / mean(L), L = geometric mean of GAPDH [g.tif], AKT [t.tif]"


def test_formulas_of_twin_membranes(tmp_path) -> None:
    both = pictures("a", "b", "ab") + ratio("r", "pAKT", "AKT", "total_protein")
    assert formula(tmp_path, both, membranes=("a", "b"), stains=("a", "b")) == (
        "R = (P / Fa) / (T / Fb), P on membrane a, T on b; P = pAKT [p.tif]; T = AKT [t.tif]; "
        "F = L / mean(L), L = total_protein [sa.tif] and total_protein [sb.tif]"
    )
    for toml, stains in (
        (pictures("a", "b") + ratio("r", "pAKT", "AKT"), ()),
        (pictures("a", "b", "a") + ratio("r", "pAKT", "AKT", "total_protein"), ("a",)),
    ):
        bare = formula(tmp_path, toml, membranes=("a", "b"), stains=stains)
        assert bare == "R = P / T, P on membrane a, T on b; P = pAKT [p.tif]; T = AKT [t.tif]"


# lanes by what was loaded


def test_lanes_match_by_sample_where_any_row_is_a_membranes_own(tmp_path) -> None:
    """The ladder's row holds for both membranes, the samples stand in another order on each."""
    sheet = "blot,membrane,lane,sample,condition,role\n1,,1,,,ladder\n"
    places = ((2, "A", "C"), (3, "B", "A"), (4, "C", "B"))
    sheet += "".join(f"1,a,{k},{s},c,sample\n1,b,{k},{t},c,sample\n" for k, s, t in places)
    toml = image("p.tif", "pAKT", membrane="a") + image("t.tif", "AKT", membrane="b")
    found = experiment(tmp_path, toml, sheet)
    assert match_lanes(found, "1", "a", "b") == {2: 3, 3: 4, 4: 2}
    assert match_lanes(found, "1", "b", "a") == {3: 2, 4: 3, 2: 4}
    assert match_lanes(found, "1", "a", "a") == {1: 1, 2: 2, 3: 3, 4: 4}


def test_repeats_of_a_sample_match_in_their_order(tmp_path) -> None:
    rows = [("a", 1, "A"), ("a", 2, "A"), ("a", 3, "B"), ("b", 1, "B"), ("b", 2, "A"), ("b", 3, "A"), ("b", 4, "A")]
    sheet = "blot,membrane,lane,sample,condition\n" + "".join(f"1,{m},{k},{s},c\n" for m, k, s in rows)
    toml = image("p.tif", "pAKT", membrane="a") + image("t.tif", "AKT", membrane="b")
    assert match_lanes(experiment(tmp_path, toml, sheet), "1", "a", "b") == {1: 2, 2: 3, 3: 1}


# relative values


def related(tmp_path, values: dict[int, float], sds: dict[int, float], n_reference: int) -> object:
    conditions = ["vehicle"] * n_reference + ["drug"] * (len(values) - n_reference)
    sheet = "blot,lane,condition\n" + "".join(f"1,{k},{c}\n" for k, c in enumerate(conditions, 1))
    toml = image("p.tif", "pAKT") + image("t.tif", "AKT") + ratio("r", "pAKT", "AKT")
    found = experiment(tmp_path, toml + '[compare]\nreference = "vehicle"\n', sheet)
    flat = dict.fromkeys(values, 1000.0)
    tables = band_table(bands("p.tif", "pAKT", values, volume_sd=sds), bands("t.tif", "AKT", flat, volume_sd=1e-9))
    return normalize(found, tables, lane_table()).set_index("lane")


def test_normalize_the_error_of_a_mean_of_three_references(tmp_path) -> None:
    values = {1: 1000.0, 2: 2000.0, 3: 4000.0, 4: 9000.0}
    found = related(tmp_path, values, {1: 20.0, 2: 100.0, 3: 120.0, 4: 360.0}, 3)
    cvs = [0.02, 0.05, 0.03, 0.04]
    of_basis = (0.02**2 + 0.05**2 + 0.03**2) / 9
    for lane, (value, cv) in enumerate(zip(values.values(), cvs, strict=True), start=1):
        share = 1.0 if lane == 4 else 1 - 2 / 3
        half = Z * math.sqrt(cv**2 * share + of_basis)
        assert found["relative"][lane] == pytest.approx(value / 2000, rel=1e-12)
        assert found["relative_ci_low"][lane] == pytest.approx(value / 2000 * math.exp(-half), rel=1e-6)
        assert found["relative_ci_high"][lane] == pytest.approx(value / 2000 * math.exp(half), rel=1e-6)


def test_ratio_interval_a_weak_lane_is_related_by_its_interval_on_the_plain_scale(tmp_path) -> None:
    """A relative error above a third has no log interval: Fieller with the half width that the ratio's own has."""
    found = related(tmp_path, {1: 1000.0, 2: 200.0}, {1: 20.0, 2: 80.0}, 1)
    width = (found["ci_high"][2] - found["ci_low"][2]) / (2 * Z)
    low, high, _ = ratio_interval(found["value"][2], width, found["value"][1], 0.02 * found["value"][1])
    assert found["relative_ci_low"][2] == pytest.approx(low, rel=1e-6)
    assert found["relative_ci_high"][2] == pytest.approx(high, rel=1e-6)


@pytest.mark.parametrize(("sd", "is_weak"), [(399.0, False), (401.0, True)])
def test_normalize_a_denominator_needs_an_snr_of_three(tmp_path, sd: float, is_weak: bool) -> None:
    toml = image("p.tif", "pAKT") + image("t.tif", "AKT") + ratio("r", "pAKT", "AKT")
    bottom = bands("t.tif", "AKT", {2: 1200.0, 3: 1200.0, 4: 0.5}, volume_sd={2: sd, 3: 1.0, 4: 0.0})
    found = normalize(experiment(tmp_path, toml), band_table(bands("p.tif", "pAKT", P), bottom), lane_table())
    assert found["flags"].fillna("").str.contains("weak_denominator").tolist() == [is_weak, False, False]
    assert found["value"].isna().tolist() == [is_weak, False, False]


# the summary


def test_compare_excluded_lanes_are_counted_condition_by_condition(tmp_path) -> None:
    summary = compare(study(tmp_path), table(skip=[("drug", 1)]))
    assert summary.set_index("condition")["n_excluded"].to_dict() == {"vehicle": 0, "drug": 1, "other": 0}
    nameless = table(skip=[("drug", 1)])
    nameless.loc[nameless["condition"] == "other", "condition"] = None
    summary = compare(study(tmp_path), nameless)
    assert summary.set_index("condition")[["n", "n_excluded"]].to_numpy().tolist() == [[4, 0], [3, 1]]


def test_compare_a_condition_of_excluded_lanes_alone_is_none(tmp_path) -> None:
    ratios = table()
    ratios["role"] = np.where(ratios["condition"] == "other", "excluded", "sample")
    ratios.loc[ratios["condition"] == "other", ["included", "reason"]] = [False, "left out by the sheet"]
    assert compare(study(tmp_path), ratios)["condition"].tolist() == ["vehicle", "drug"]


def test_columns_of_the_sheet_travel_where_they_are_one_for_a_condition(tmp_path) -> None:
    ratios = table()
    ratios.loc[ratios.index[4:6], "drug"] = "another"
    summary = compare(study(tmp_path), ratios)
    assert row(summary, "vehicle")["drug"] == "v"
    assert row(summary, "drug")[["drug"]].isna().all()


def test_compare_two_blots_give_an_interval_of_one_degree_of_freedom(tmp_path) -> None:
    values = {"vehicle": [1.0, 1.2], "drug": [2.0, 3.1]}
    drug = row(compare(study(tmp_path, 2), table(values)), "drug")
    logs = np.log(values["drug"]) - np.log(values["vehicle"])
    half = stats.t.isf(0.025, 1) * logs.std(ddof=1) / math.sqrt(2)
    assert drug["fold_change"] == pytest.approx(math.exp(logs.mean()), rel=1e-12)
    assert drug["fold_ci_low"] == pytest.approx(math.exp(logs.mean() - half), rel=1e-9)
    assert drug["fold_ci_high"] == pytest.approx(math.exp(logs.mean() + half), rel=1e-9)


def test_compare_no_interval_where_nothing_varies(tmp_path) -> None:
    drug = row(compare(study(tmp_path), table({"vehicle": [1.0] * 4, "drug": [2.0] * 4}, scales=(1.0,) * 4)), "drug")
    assert drug[["fold_ci_low", "fold_ci_high", "p_value"]].isna().all()


def test_compare_each_condition_is_judged_by_its_own_numbers(tmp_path) -> None:
    """Only the last condition is short of replicates: that of the first must not be said of it, nor the other way."""
    short = table(skip=[("other", 1), ("other", 2)])
    summary = compare(study(tmp_path), short)
    assert row(summary, "drug")["p_value"] < 0.05
    assert row(summary, "other")["test"] == "no test: n = 2, a p-value needs 3 biological replicates"
