"""Ratios: what is divided by what, over which loading, against which reference."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_experiment import (
    ONE,
    REFERENCE,
    TWIN,
    P,
    T,
    band_table,
    bands,
    experiment,
    flags_of,
    image,
    lane_table,
    lanes,
    one_membrane,
    ratio,
    twin,
)

from blotquant.experiment.read import read_experiment
from blotquant.normalization.designs import follows_loading, is_uneven
from blotquant.normalization.normalize import normalize
from blotquant.statistics.compare import compare
from blotquant.tables import RATIO_COLUMNS

SAMPLES = Path(__file__).parents[2] / "sample_images"
Z = 1.959963984540054
REPEATS = "blot,lane,condition\n1,1,v\n1,2,v\n1,3,w\n1,4,w\n"


def test_one_membrane_divides_and_nothing_more(tmp_path):
    result = one_membrane(tmp_path)
    assert result["value"].tolist() == [0.5, 1.5, 2.0]
    assert result["lane"].tolist() == [2, 3, 4]
    assert result["included"].all()
    assert result["formula"].str.contains("R = P / T, one membrane", regex=False).all()


def test_columns_are_the_promised_ones_then_the_sheets(tmp_path):
    result = one_membrane(tmp_path)
    assert list(result.columns) == [*RATIO_COLUMNS, "membrane", "role", "load_ug", "replicate", "drug"]
    assert result["drug"].tolist() == ["none", "x", "y"]
    empty = normalize(experiment(tmp_path, ONE.split("[[ratios]]")[0]), band_table(), lane_table())
    assert empty.empty
    assert list(empty.columns) == list(result.columns)


def test_normalize_declared_loading_cancels_on_one_membrane_but_is_shown(tmp_path):
    toml = ONE + 'loading = "total_protein"\n' + image("s.tif", "total_protein")
    stain = lane_table(lanes("s.tif", "total_protein", {1: 5.0, 2: 1e6, 3: 2e6, 4: 3e6}))
    result = one_membrane(tmp_path, toml, lanes=stain)
    assert result["value"].tolist() == [0.5, 1.5, 2.0]
    assert result["loading_factor"].tolist() == [0.5, 1.0, 1.5]
    assert all("uneven_loading" in flags_of(row) for _, row in result.iterrows())


def test_normalize_twin_membranes_divide_each_side_by_its_own_loading(tmp_path):
    result = twin(tmp_path, TWIN + ratio("r", "pAKT", "AKT", "total_protein"))
    fa, fb = [0.5, 1.0, 1.5], [1.0, 1.0, 1.0]
    expected = [(p / a) / (t / b) for p, a, t, b in zip(P.values(), fa, T.values(), fb, strict=True)]
    assert result["value"].tolist() == pytest.approx(expected, rel=1e-12)
    assert result["loading_factor"].tolist() == pytest.approx([a / b for a, b in zip(fa, fb, strict=True)])
    cv = math.sqrt(4 * 0.01**2)
    assert result["ci_high"].tolist() == pytest.approx([v * math.exp(Z * cv) for v in expected], rel=1e-9)
    assert result["formula"].str.startswith("R = (P / Fa) / (T / Fb)").all()


def test_normalize_twin_membranes_without_loading_are_flagged(tmp_path):
    result = twin(tmp_path, TWIN + ratio("r", "pAKT", "AKT"))
    assert result["value"].tolist() == [0.5, 1.5, 2.0]
    assert all("cross_membrane_unnormalised" in flags_of(row) for _, row in result.iterrows())
    assert result["included"].all()


def test_loading_on_one_twin_only_is_no_loading(tmp_path):
    toml = TWIN.replace(image("sb.tif", "total_protein", membrane="b"), "")
    result = twin(tmp_path, toml + ratio("r", "pAKT", "AKT", "total_protein"))
    assert result["value"].tolist() == [0.5, 1.5, 2.0]
    assert all("cross_membrane_unnormalised" in flags_of(row) for _, row in result.iterrows())


def test_target_over_stain_and_over_several_controls(tmp_path):
    toml = (
        image("p.tif", "pAKT")
        + image("g.tif", "GAPDH")
        + image("v.tif", "vinculin")
        + ratio("one", "pAKT", None, "GAPDH")
        + ratio("two", "pAKT", None, ["GAPDH", "vinculin"])
    )
    g, v = {2: 1000.0, 3: 2000.0, 4: 3000.0}, {2: 4000.0, 3: 4000.0, 4: 1000.0}
    study = experiment(tmp_path, toml)
    table = band_table(bands("p.tif", "pAKT", P), bands("g.tif", "GAPDH", g), bands("v.tif", "vinculin", v))
    result = normalize(study, table, lane_table())
    one, two = result[result["ratio"] == "one"], result[result["ratio"] == "two"]
    assert one["value"].tolist() == pytest.approx([1000 / 0.5, 3000 / 1, 2000 / 1.5], rel=1e-12)
    assert "single_loading_control" in flags_of(one.iloc[0])
    means = np.sqrt(np.array([4e6, 8e6, 3e6]))
    assert two["value"].tolist() == pytest.approx(list(np.array([1000, 3000, 2000]) / (means / means.mean())))
    assert "single_loading_control" not in flags_of(two.iloc[0])
    # Two independent controls of 1 % each give their geometric mean 0.707 %.
    cv = math.sqrt(0.01**2 + 0.01**2 / 2)
    assert two["ci_low"].tolist() == pytest.approx([x * math.exp(-Z * cv) for x in two["value"]])


def test_loading_control_as_denominator(tmp_path):
    toml = image("p.tif", "B2AR") + image("g.tif", "GAPDH") + ratio("B2AR/GAPDH", "B2AR", "GAPDH")
    study = experiment(tmp_path, toml)
    table = band_table(bands("p.tif", "B2AR", P), bands("g.tif", "GAPDH", {2: 500.0, 3: 1500.0, 4: 90.0}))
    result = normalize(study, table, lane_table())
    assert result["value"].tolist()[:2] == [2.0, 2.0]
    assert "limit of quantification" in result["reason"][2]
    assert "loading_below_loq" in flags_of(result.iloc[2])
    assert math.isnan(result["value"][2])


def test_compare_a_reference_below_its_limit_of_quantification_is_left_out(tmp_path):
    """Twice the LOD and a fifth of the LOQ: it has a value, and enters as a bound."""
    result = one_membrane(tmp_path, ONE + REFERENCE, p={2: 60.0, 3: 3000.0, 4: 2000.0}, p_more={"sd": 10.0})
    weak = result.iloc[0]
    assert weak["condition"] == "vehicle"
    assert not weak["included"]
    assert (
        weak["reason"]
        == "reference at or below its limit of quantification: it enters as at most the ratio at that limit"
    )
    assert result["relative"].isna().all()
    assert all("no_reference" in flags_of(row) for _, row in result.iterrows())
    summary = compare(experiment(tmp_path, ONE + REFERENCE), result)
    # The reference is at most 100 / 2000: the others are at least 1.5 and 2 over that.
    assert summary["bound"].tolist()[1:] == ["≥", "≥"]
    assert summary["fold_change"].tolist()[1:] == pytest.approx([30.0, 40.0])
    strong = one_membrane(tmp_path, ONE + REFERENCE, p={2: 101.0, 3: 3000.0, 4: 2000.0}, p_more={"sd": 10.0})
    assert strong["included"].all()


@pytest.mark.parametrize(
    ("second", "sd", "flagged"),
    [(1400.0, 10.0, False), (1600.0, 10.0, True), (1600.0, 400.0, False), (400.0, 10.0, True)],
)
def test_normalize_technical_repeats_that_differ_more_than_their_errors(tmp_path, second, sd, flagged):
    volumes = {1: 1000.0, 2: second, 3: 700.0, 4: 700.0}
    study = experiment(tmp_path, ONE, REPEATS)
    table = band_table(bands("p.tif", "pAKT", volumes, sd=sd), bands("t.tif", "AKT", dict.fromkeys(volumes, 1000.0)))
    result = normalize(study, table, lane_table())
    assert ["discordant_repeats" in flags_of(row) for _, row in result.iterrows()] == [flagged, flagged, False, False]
    assert result["included"].all()


def test_normalize_biological_replicates_of_one_blot_may_differ(tmp_path):
    sheet = "blot,lane,condition,replicate\n1,1,v,a\n1,2,v,b\n1,3,w,a\n1,4,w,b\n"
    study = experiment(tmp_path, ONE, sheet)
    volumes = {1: 1000.0, 2: 5000.0, 3: 700.0, 4: 700.0}
    table = band_table(bands("p.tif", "pAKT", volumes), bands("t.tif", "AKT", dict.fromkeys(volumes, 1000.0)))
    assert not any("discordant_repeats" in flags_of(row) for _, row in normalize(study, table, lane_table()).iterrows())


def test_relative_to_the_geometric_mean_of_the_reference(tmp_path):
    sheet = "blot,lane,condition\n1,1,vehicle\n1,2,vehicle\n1,3,drug\n"
    study = experiment(tmp_path, ONE + REFERENCE, sheet)
    values = {1: 1000.0, 2: 4000.0, 3: 6000.0}
    table = band_table(bands("p.tif", "pAKT", values), bands("t.tif", "AKT", dict.fromkeys(values, 1000.0)))
    result = normalize(study, table, lane_table())
    assert result["relative"].tolist() == pytest.approx([0.5, 2.0, 3.0], rel=1e-12)
    cv = 0.01 * math.sqrt(2)
    assert result["relative_ci_high"][2] == pytest.approx(3 * math.exp(Z * cv * math.sqrt(1.5)), rel=1e-9)
    # A reference lane shares its own error with the mean of two: var = cv² (1 - 1/2).
    assert result["relative_ci_high"][0] == pytest.approx(0.5 * math.exp(Z * cv * math.sqrt(0.5)), rel=1e-9)


def test_normalize_lone_reference_is_one_by_construction_without_interval(tmp_path):
    result = one_membrane(tmp_path, ONE + REFERENCE)
    assert result["relative"].tolist() == [1.0, 3.0, 4.0]
    assert math.isnan(result["relative_ci_low"][0])
    assert result["relative_ci_low"][1] < 3 < result["relative_ci_high"][1]


def test_normalize_weak_reference_is_refused(tmp_path):
    result = one_membrane(tmp_path, ONE + REFERENCE, p={2: 90.0, 3: 3000.0, 4: 2000.0})
    assert result["relative"].isna().all()
    assert all("no_reference" in flags_of(row) for _, row in result.iterrows())


def test_doublet_gives_the_sum_and_each_band_over_one_total(tmp_path):
    toml = (
        image("p.tif", "pERK")
        + image("t.tif", "ERK")
        + ratio("pERK/ERK", "pERK", "ERK")
        + "[targets.pERK]\nmw_kda = [44, 42]\n[targets.ERK]\nmw_kda = [44, 42]\n"
    )
    study = experiment(tmp_path, toml)
    upper, lower = {2: 300.0, 3: 600.0, 4: 900.0}, {2: 700.0, 3: 400.0}
    table = band_table(
        bands("p.tif", "pERK", upper, target="pERK 44"),
        bands("p.tif", "pERK", lower, target="pERK 42", band=2),
        bands("t.tif", "ERK", dict.fromkeys(upper, 1200.0), target="ERK 44"),
        bands("t.tif", "ERK", dict.fromkeys(upper, 800.0), target="ERK 42", band=2),
    )
    result = normalize(study, table, lane_table())
    values = {name: group["value"].tolist() for name, group in result.groupby("ratio", sort=False)}
    assert list(values) == ["pERK/ERK", "pERK/ERK (44 kDa)", "pERK/ERK (42 kDa)"]
    assert values["pERK/ERK"][:2] == [0.5, 0.5]
    assert values["pERK/ERK (44 kDa)"] == pytest.approx([0.15, 0.3, 0.45])
    assert values["pERK/ERK (42 kDa)"][:2] == pytest.approx([0.35, 0.2])
    assert math.isnan(values["pERK/ERK"][2])
    reasons = result.dropna(subset=["reason"])["reason"].tolist()
    assert reasons == ["no band of pERK in lane 4", "no band of pERK at 42 kDa in lane 4"]
    sums = result[result["ratio"] == "pERK/ERK"]
    assert sums["numerator_sd"][0] == pytest.approx(math.hypot(3, 7))


def test_normalize_unresolved_doublet_gives_the_sum_alone(tmp_path):
    toml = image("p.tif", "pERK") + image("t.tif", "AKT") + ratio("r", "pERK", "AKT")
    study = experiment(tmp_path, toml)
    table = band_table(bands("p.tif", "pERK", P, flags="unresolved"), bands("t.tif", "AKT", T))
    result = normalize(study, table, lane_table())
    assert result[result["ratio"] == "r"]["value"].tolist() == [0.5, 1.5, 2.0]
    assert result[result["ratio"] != "r"]["value"].isna().all()
    assert "unresolved" in flags_of(result.iloc[0])


def test_normalize_values_that_follow_the_loading_are_flagged(tmp_path):
    sheet = "blot,lane,condition\n" + "".join(f"1,{k},c{k}\n" for k in range(1, 6))
    toml = image("p.tif", "pAKT") + image("s.tif", "total_protein") + ratio("r", "pAKT", None, "total_protein")
    study = experiment(tmp_path, toml, sheet)
    level = {k: 1e6 + 1e5 * k for k in range(1, 6)}
    stain = lane_table(lanes("s.tif", "total_protein", level))
    table = band_table(bands("p.tif", "pAKT", {k: v**2 for k, v in level.items()}))
    flagged = normalize(study, table, stain)
    assert all("loading_not_removed" in flags_of(row) for _, row in flagged.iterrows())
    table = band_table(bands("p.tif", "pAKT", {k: v * (1 + k % 2) for k, v in level.items()}))
    assert not any("loading_not_removed" in flags_of(row) for _, row in normalize(study, table, stain).iterrows())


@pytest.mark.parametrize("out", ["saturated", "standard"])
def test_lanes_that_do_not_count_do_not_hide_that_values_follow_the_loading(tmp_path, out):
    roles = {6: "standard"} if out == "standard" else {}
    sheet = "blot,lane,condition,role\n" + "".join(f"1,{k},c{k},{roles.get(k, 'sample')}\n" for k in range(1, 7))
    toml = image("p.tif", "pAKT") + image("s.tif", "total_protein") + ratio("r", "pAKT", None, "total_protein")
    level = {k: 1e6 + 1e5 * k for k in range(1, 7)}
    volumes = {k: v**2 for k, v in level.items()} | {6: 1e11}
    marks = {6: "saturated"} if out == "saturated" else {}
    table = band_table(bands("p.tif", "pAKT", volumes, flags=marks))
    stain = lane_table(lanes("s.tif", "total_protein", level))
    found = normalize(experiment(tmp_path, toml, sheet), table, stain)
    assert all("loading_not_removed" in flags_of(row) for _, row in found.iterrows())


def test_uneven_loading_thresholds():
    assert is_uneven([1.0, 2.01])
    assert not is_uneven([1.0, 1.2, 1.1, 0.9])
    assert is_uneven([1.0, 1.0, 1.0, 1.95, 1.95])  # below two-fold, but a CV of 38 %
    assert not is_uneven([1.0])
    assert not follows_loading([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])  # three lanes say nothing
    assert follows_loading([4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0])
    assert not follows_loading([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0])


def test_sample_images_truth_in_truth_out():
    """True volumes of the synthetic sample experiment give its true ratios."""
    study = read_experiment(SAMPLES)
    truth = pd.read_csv(SAMPLES / "truth.csv", dtype={"blot": str, "membrane": str})
    truth = truth[truth["role"] == "sample"]
    rows = [
        {**row, "strip": 1, "band": 1, "volume_sd": row["volume"] / 100, "lod": 1.0, "loq": 2.0,
         "flags": "saturated" if row["saturated"] else None} for row in truth.to_dict("records")
    ]  # fmt: skip
    for row in rows:
        many = len(study.mw_of(row["probe"])) > 1
        row["target"] = f"{row['probe']} {row['mw_kda']:g}" if many else row["probe"]
    stain = truth[truth["probe"] == "total_protein"].groupby(["image", "blot", "membrane", "lane"])["volume"].sum()
    if stain.empty:
        pytest.skip("truth.csv holds no stain volumes")
    stains = [
        {"image": i, "blot": b, "membrane": m, "probe": "total_protein", "strip": 1, "lane": lane, "volume": v,
         "volume_sd": v / 100} for (i, b, m, lane), v in stain.items()
    ]  # fmt: skip
    result = normalize(study, band_table(rows), lane_table(stains), strict=False)
    expected = pd.read_csv(SAMPLES / "truth_ratios.csv", dtype={"blot": str})
    both = result.merge(expected, on=["ratio", "blot", "lane"], suffixes=("", "_true"))
    both = both[both["included"].astype(bool)]
    assert len(both) > 20
    assert np.abs(both["relative"] / both["relative_true"] - 1).max() < 0.02
