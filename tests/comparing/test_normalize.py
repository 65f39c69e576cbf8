import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_experiment import band_table, bands, experiment, image, lane_table, lanes, ratio

from blotquant.comparing.amounts import Amount, add_amounts, average_amounts
from blotquant.comparing.compare import compare
from blotquant.comparing.intervals import fieller, ratio_interval
from blotquant.comparing.loading import follows_loading, is_uneven
from blotquant.comparing.normalize import blots_without_numerator, match_lanes, normalize
from blotquant.errors import LaneCountError
from blotquant.experiment.read import read_experiment
from blotquant.flags import split_flags
from blotquant.tables import EXPOSURE_COLUMNS, RATIO_COLUMNS, make_table

SAMPLES = Path(__file__).parents[2] / "sample_images"
Z = 1.959963984540054
ONE = image("p.tif", "pAKT") + image("t.tif", "AKT") + ratio("pAKT/AKT", "pAKT", "AKT")
REFERENCE = '[compare]\nreference = "vehicle"\n'
TWIN = (
    image("p.tif", "pAKT", membrane="a")
    + image("t.tif", "AKT", membrane="b")
    + image("sa.tif", "total_protein", membrane="a")
    + image("sb.tif", "total_protein", membrane="b")
)
P = {2: 1000.0, 3: 3000.0, 4: 2000.0}
T = {2: 2000.0, 3: 2000.0, 4: 1000.0}


def one_membrane(tmp_path, toml=ONE, *, p=P, t=T, p_more=None, t_more=None, **kwargs):
    study = experiment(tmp_path, toml)
    table = band_table(bands("p.tif", "pAKT", p, **(p_more or {})), bands("t.tif", "AKT", t, **(t_more or {})))
    return normalize(study, table, kwargs.pop("lanes", lane_table()), **kwargs)


def twin(tmp_path, toml, *, la=None, lb=None, sheet=None):
    study = experiment(tmp_path, toml, sheet) if sheet else experiment(tmp_path, toml)
    table = band_table(
        bands("p.tif", "pAKT", P, membrane="a"),
        bands("t.tif", "AKT", T, membrane="b"),
    )
    stains = lane_table(
        lanes("sa.tif", "total_protein", la or {1: 9e9, 2: 1e6, 3: 2e6, 4: 3e6}, membrane="a"),
        lanes("sb.tif", "total_protein", lb or {1: 9e9, 2: 2e6, 3: 2e6, 4: 2e6}, membrane="b"),
    )
    return normalize(study, table, stains)


def flags_of(row):
    return set(split_flags(row["flags"]))


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


def test_declared_loading_cancels_on_one_membrane_but_is_shown(tmp_path):
    toml = ONE + 'loading = "total_protein"\n' + image("s.tif", "total_protein")
    stain = lane_table(lanes("s.tif", "total_protein", {1: 5.0, 2: 1e6, 3: 2e6, 4: 3e6}))
    result = one_membrane(tmp_path, toml, lanes=stain)
    assert result["value"].tolist() == [0.5, 1.5, 2.0]
    assert result["loading_factor"].tolist() == [0.5, 1.0, 1.5]
    assert all("uneven_loading" in flags_of(row) for _, row in result.iterrows())


def test_twin_membranes_divide_each_side_by_its_own_loading(tmp_path):
    result = twin(tmp_path, TWIN + ratio("r", "pAKT", "AKT", "total_protein"))
    fa, fb = [0.5, 1.0, 1.5], [1.0, 1.0, 1.0]
    expected = [(p / a) / (t / b) for p, a, t, b in zip(P.values(), fa, T.values(), fb, strict=True)]
    assert result["value"].tolist() == pytest.approx(expected, rel=1e-12)
    assert result["loading_factor"].tolist() == pytest.approx([a / b for a, b in zip(fa, fb, strict=True)])
    cv = math.sqrt(4 * 0.01**2)
    assert result["ci_high"].tolist() == pytest.approx([v * math.exp(Z * cv) for v in expected], rel=1e-9)
    assert result["formula"].str.startswith("R = (P / Fa) / (T / Fb)").all()


def test_twin_membranes_without_loading_are_flagged(tmp_path):
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


@pytest.mark.parametrize(("side", "name"), [("p_more", "numerator"), ("t_more", "denominator")])
def test_an_unknown_sd_gives_no_ratio(tmp_path, side, name):
    sd = {2: 10.0, 3: math.nan, 4: 10.0}
    result = one_membrane(tmp_path, **{side: {"volume_sd": sd}})
    assert result["included"].tolist() == [True, False, True]
    assert result["reason"][1] == f"the error of the {name} is not known: its SD is missing"
    assert math.isnan(result["value"][1])
    assert result["value"].tolist()[::2] == [0.5, 2.0]


def test_an_unknown_sd_of_the_loading_gives_no_ratio(tmp_path):
    toml = image("p.tif", "pAKT") + image("s.tif", "total_protein") + ratio("r", "pAKT", None, "total_protein")
    sd = {1: 1e4, 2: math.nan, 3: 1e4, 4: 1e4}
    stain = lanes("s.tif", "total_protein", {1: 1e6, 2: 1e6, 3: 2e6, 4: 3e6}, volume_sd=sd)
    result = normalize(experiment(tmp_path, toml), band_table(bands("p.tif", "pAKT", P)), lane_table(stain))
    assert result["included"].tolist() == [False, True, True]
    assert result["reason"][0] == "the error of the loading is not known: its SD is missing"
    assert math.isnan(result["value"][0])


def test_a_band_without_a_volume_gives_no_ratio(tmp_path):
    result = one_membrane(tmp_path, p={**P, 3: math.nan})
    assert result["included"].tolist() == [True, False, True]
    assert result["reason"][1] == "the numerator has no value"


@pytest.mark.parametrize(("side", "bound"), [("p_more", "≥"), ("t_more", "≤")])
def test_a_bound_without_an_sd_stays_a_bound(tmp_path, side, bound):
    more = {"volume_sd": {2: 10.0, 3: math.nan, 4: 10.0}, "flags": {3: "saturated"}}
    row = one_membrane(tmp_path, **{side: more}).iloc[1]
    assert (row["value"], row["bound"], row["included"]) == (1.5, bound, False)
    assert "saturated" in row["reason"]


def test_loading_control_as_denominator(tmp_path):
    toml = image("p.tif", "B2AR") + image("g.tif", "GAPDH") + ratio("B2AR/GAPDH", "B2AR", "GAPDH")
    study = experiment(tmp_path, toml)
    table = band_table(bands("p.tif", "B2AR", P), bands("g.tif", "GAPDH", {2: 500.0, 3: 1500.0, 4: 90.0}))
    result = normalize(study, table, lane_table())
    assert result["value"].tolist()[:2] == [2.0, 2.0]
    assert "limit of quantification" in result["reason"][2]
    assert "loading_below_loq" in flags_of(result.iloc[2])
    assert math.isnan(result["value"][2])


def test_weak_loading_gives_no_ratio_and_leaves_the_mean(tmp_path):
    toml = TWIN + ratio("r", "pAKT", "AKT", "total_protein")
    study = experiment(tmp_path, toml)
    table = band_table(bands("p.tif", "pAKT", P, membrane="a"), bands("t.tif", "AKT", T, membrane="b"))
    weak = lanes("sa.tif", "total_protein", {1: 1e6, 2: 1e6, 3: 3e6, 4: 1e4}, membrane="a")
    weak[3]["volume_sd"] = 2e3
    stains = lane_table(weak, lanes("sb.tif", "total_protein", dict.fromkeys(range(1, 5), 1e6), membrane="b"))
    result = normalize(study, table, stains)
    assert result["reason"][2] == ("loading control total_protein at or below its limit of quantification (membrane a)")
    assert result["loading_factor"].tolist()[:2] == [0.5, 1.5]
    assert result["included"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("p_sat", "t_sat", "bound", "flag"),
    [(True, False, "≥", {"lower_bound"}), (False, True, "≤", {"upper_bound"}),
     (True, True, None, {"lower_bound", "upper_bound"})],
)  # fmt: skip
def test_saturation_makes_bounds_and_leaves_the_means(tmp_path, p_sat, t_sat, bound, flag):
    mark = {3: "saturated"}
    result = one_membrane(tmp_path, p_more={"flags": mark if p_sat else {}}, t_more={"flags": mark if t_sat else {}})
    row = result.iloc[1]
    assert (None if pd.isna(row["bound"]) else row["bound"]) == bound
    assert row["value"] == 1.5
    assert not row["included"]
    assert row["reason"].startswith("saturated")
    assert flag <= flags_of(row)
    assert result["included"].tolist() == [True, False, True]


def test_saturated_loading_points_the_way_it_enters(tmp_path):
    study = experiment(tmp_path, TWIN + ratio("r", "pAKT", "AKT", "total_protein"))
    table = band_table(bands("p.tif", "pAKT", P, membrane="a"), bands("t.tif", "AKT", T, membrane="b"))
    even = dict.fromkeys(range(1, 5), 1e6)
    for saturated, bound in (("sa", "≤"), ("sb", "≥")):
        stains = lane_table(*(
            lanes(f"{s}.tif", "total_protein", even, membrane=s[1], flags={3: "saturated"} if s == saturated else {})
            for s in ("sa", "sb")
        ))  # fmt: skip
        assert normalize(study, table, stains)["bound"].tolist()[1] == bound


def test_weak_denominator_gives_no_ratio(tmp_path):
    result = one_membrane(tmp_path, t_more={"sd": 400.0})
    assert result["value"].isna().tolist() == [False, False, True]
    assert result["reason"][2] == "denominator too weak: SNR 2.5, needed 3"
    assert "weak_denominator" in flags_of(result.iloc[2])


def test_numerator_below_detection_is_kept_but_not_averaged(tmp_path):
    result = one_membrane(tmp_path, p={2: 1000.0, 3: -20.0, 4: 25.0})
    assert result["value"].tolist() == pytest.approx([0.5, -0.01, 0.025])
    assert result["included"].tolist() == [True, False, False]
    assert result["reason"].str.contains("limit of detection").tolist()[1:] == [True, True]
    assert np.isfinite(result["ci_low"]).all()


def test_numerator_above_detection_counts_however_weak(tmp_path):
    result = one_membrane(tmp_path, p={2: 1000.0, 3: 35.0, 4: 99.0})
    assert result["included"].all()


def test_the_denominator_of_the_own_membrane_comes_first(tmp_path):
    toml = (
        image("far.tif", "AKT", membrane="b")
        + image("p.tif", "pAKT", membrane="c")
        + image("near.tif", "AKT", membrane="c")
        + ratio("r", "pAKT", "AKT")
    )
    study = experiment(tmp_path, toml)
    table = band_table(
        bands("p.tif", "pAKT", P, membrane="c"),
        bands("far.tif", "AKT", dict.fromkeys(P, 7.0), membrane="b"),
        bands("near.tif", "AKT", T, membrane="c"),
    )
    result = normalize(study, table, lane_table())
    assert result["value"].tolist() == [0.5, 1.5, 2.0]
    assert result["flags"].isna().all()


def test_exposures_as_pages_of_one_file_stay_apart(tmp_path):
    toml = image("p.tif", "pAKT", exposure_s=10, page=0) + image("p.tif", "pAKT", exposure_s=60, page=1)
    study = experiment(tmp_path, toml + image("t.tif", "AKT") + ratio("r", "pAKT", "AKT"))
    table = band_table(
        bands("p.tif", "pAKT", P, exposure_s=60.0),
        bands("p.tif", "pAKT", dict.fromkeys(P, 7.0), exposure_s=10.0),
        bands("t.tif", "AKT", T),
    )
    result = normalize(study, table, lane_table())
    assert result["value"].tolist() == [0.5, 1.5, 2.0]
    assert result["formula"].str.contains("[p.tif, 60 s]", regex=False).all()


def test_missing_bands_say_so_and_no_lane_is_lost(tmp_path):
    result = one_membrane(tmp_path, p={2: 1000.0, 4: 2000.0}, t={2: 2000.0, 3: 2000.0})
    assert result["lane"].tolist() == [2, 3, 4]
    assert result["reason"].tolist()[1:] == ["no band of pAKT in lane 3", "no band of AKT in lane 4"]
    assert "missing_band" in flags_of(result.iloc[1])


def test_nothing_is_dropped(tmp_path):
    sheet = "blot,lane,condition,role\n1,1,,ladder\n1,2,v,sample\n1,3,w,excluded\n1,4,s,standard\n2,1,v,sample\n"
    study = experiment(tmp_path, ONE + image("q.tif", "AKT", blot=2), sheet)
    table = band_table(bands("p.tif", "pAKT", P), bands("t.tif", "AKT", T))
    result = normalize(study, table, lane_table())
    assert list(zip(result["blot"], result["lane"], strict=True)) == [("1", 2), ("1", 3), ("1", 4)]
    assert result["reason"].tolist()[1] == "excluded in the sample sheet"
    # Blot 2 has no picture of the numerator and takes no part; it is named, and adds no empty rows.
    assert blots_without_numerator(study) == {"pAKT/AKT": ["2"]}
    assert len(result) == result["included"].sum() + result["reason"].notna().sum()


def test_a_reference_below_its_limit_of_quantification_is_left_out(tmp_path):
    """Twice the LOD and a fifth of the LOQ: it has a value, and may carry no fold change."""
    result = one_membrane(tmp_path, ONE + REFERENCE, p={2: 60.0, 3: 3000.0, 4: 2000.0}, p_more={"sd": 10.0})
    weak = result.iloc[0]
    assert weak["condition"] == "vehicle"
    assert not weak["included"]
    assert weak["reason"] == "reference at or below its limit of quantification: nothing can be related to it"
    assert result["relative"].isna().all()
    assert all("no_reference" in flags_of(row) for _, row in result.iterrows())
    summary = compare(experiment(tmp_path, ONE + REFERENCE), result)
    assert summary["fold_change"].isna().all()
    assert summary["test"].tolist()[0] == f"no test: no value is left ({weak['reason']})"
    strong = one_membrane(tmp_path, ONE + REFERENCE, p={2: 101.0, 3: 3000.0, 4: 2000.0}, p_more={"sd": 10.0})
    assert strong["included"].all()


REPEATS = "blot,lane,condition\n1,1,v\n1,2,v\n1,3,w\n1,4,w\n"


@pytest.mark.parametrize(
    ("second", "sd", "flagged"),
    [(1400.0, 10.0, False), (1600.0, 10.0, True), (1600.0, 400.0, False), (400.0, 10.0, True)],
)
def test_technical_repeats_that_differ_more_than_their_errors(tmp_path, second, sd, flagged):
    volumes = {1: 1000.0, 2: second, 3: 700.0, 4: 700.0}
    study = experiment(tmp_path, ONE, REPEATS)
    table = band_table(bands("p.tif", "pAKT", volumes, sd=sd), bands("t.tif", "AKT", dict.fromkeys(volumes, 1000.0)))
    result = normalize(study, table, lane_table())
    assert ["discordant_repeats" in flags_of(row) for _, row in result.iterrows()] == [flagged, flagged, False, False]
    assert result["included"].all()


def test_biological_replicates_of_one_blot_may_differ(tmp_path):
    sheet = "blot,lane,condition,replicate\n1,1,v,a\n1,2,v,b\n1,3,w,a\n1,4,w,b\n"
    study = experiment(tmp_path, ONE, sheet)
    volumes = {1: 1000.0, 2: 5000.0, 3: 700.0, 4: 700.0}
    table = band_table(bands("p.tif", "pAKT", volumes), bands("t.tif", "AKT", dict.fromkeys(volumes, 1000.0)))
    assert not any("discordant_repeats" in flags_of(row) for _, row in normalize(study, table, lane_table()).iterrows())


def test_a_picture_that_could_not_be_measured_is_named(tmp_path):
    study = experiment(tmp_path, ONE)
    result = normalize(study, band_table(bands("p.tif", "pAKT", P)), lane_table())
    assert result["reason"].unique().tolist() == ["the picture of AKT (t.tif) was not measured"]


def test_a_lane_that_the_sheet_leaves_out_has_no_other_reason(tmp_path):
    study = experiment(tmp_path, ONE, "blot,lane,condition,role\n1,1,v,sample\n1,2,w,excluded\n")
    table = band_table(bands("p.tif", "pAKT", {1: 1000.0}), bands("t.tif", "AKT", {1: 1000.0}))
    result = normalize(study, table, lane_table())
    assert result["reason"].tolist()[1] == "excluded in the sample sheet"
    assert result["included"].tolist() == [True, False]


def test_lane_left_out_by_hand(tmp_path):
    found = lanes("t.tif", "AKT", dict.fromkeys(range(1, 5), 1e6), role={3: "excluded"})
    result = one_membrane(tmp_path, lanes=lane_table(found))
    assert result["reason"].tolist()[1] == "lane excluded by hand in the picture of AKT"


def test_lane_left_out_by_the_sheet_is_not_said_to_be_left_out_by_hand(tmp_path):
    study = experiment(tmp_path, ONE, "blot,lane,condition,role\n1,1,v,sample\n1,2,w,excluded\n")
    table = band_table(bands("p.tif", "pAKT", {1: 1000.0, 2: 1000.0}), bands("t.tif", "AKT", {1: 1000.0, 2: 1000.0}))
    found = lane_table(lanes("t.tif", "AKT", {1: 1e6, 2: 1e6}, role={2: "excluded"}))
    result = normalize(study, table, found)
    assert result["reason"].tolist()[1] == "excluded in the sample sheet"
    assert result["value"].tolist() == [1.0, 1.0]


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


def test_lone_reference_is_one_by_construction_without_interval(tmp_path):
    result = one_membrane(tmp_path, ONE + REFERENCE)
    assert result["relative"].tolist() == [1.0, 3.0, 4.0]
    assert math.isnan(result["relative_ci_low"][0])
    assert result["relative_ci_low"][1] < 3 < result["relative_ci_high"][1]


def test_weak_reference_is_refused(tmp_path):
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


def test_unresolved_doublet_gives_the_sum_alone(tmp_path):
    toml = image("p.tif", "pERK") + image("t.tif", "AKT") + ratio("r", "pERK", "AKT")
    study = experiment(tmp_path, toml)
    table = band_table(bands("p.tif", "pERK", P, flags="unresolved"), bands("t.tif", "AKT", T))
    result = normalize(study, table, lane_table())
    assert result[result["ratio"] == "r"]["value"].tolist() == [0.5, 1.5, 2.0]
    assert result[result["ratio"] != "r"]["value"].isna().all()
    assert "unresolved" in flags_of(result.iloc[0])


def test_the_longest_exposure_without_saturation_is_used(tmp_path):
    toml = (
        image("s.tif", "pAKT", exposure_s=10)
        + image("m.tif", "pAKT", exposure_s=60)
        + image("l.tif", "pAKT", exposure_s=300)
        + image("t.tif", "AKT")
        + ratio("r", "pAKT", "AKT")
    )
    study = experiment(tmp_path, toml)
    short = bands("s.tif", "pAKT", {lane: v / 6 for lane, v in P.items()})
    middle, long = bands("m.tif", "pAKT", P), bands("l.tif", "pAKT", P, flags={3: "saturated"})
    total = bands("t.tif", "AKT", T)
    result = normalize(study, band_table(short, middle, long, total), lane_table())
    assert result["value"].tolist() == [0.5, 1.5, 2.0]
    assert result["formula"].str.contains("P = pAKT [m.tif, 60 s]", regex=False).all()
    burnt = [bands(f"{x}.tif", "pAKT", P, flags={3: "saturated"}) for x in "sml"]
    result = normalize(study, band_table(*burnt, total), lane_table())
    assert result["formula"].str.contains("[s.tif, 10 s]", regex=False).all()
    assert result["bound"].tolist()[1] == "≥"


def test_a_saturated_ladder_does_not_change_the_exposure(tmp_path):
    toml = image("s.tif", "pAKT", exposure_s=10) + image("l.tif", "pAKT", exposure_s=60)
    study = experiment(tmp_path, toml + image("t.tif", "AKT") + ratio("r", "pAKT", "AKT"))
    long = bands("l.tif", "pAKT", {1: 9e9, **P}, flags={1: "saturated"})
    table = band_table(bands("s.tif", "pAKT", P), long, bands("t.tif", "AKT", T))
    assert normalize(study, table, lane_table())["formula"].str.contains("[l.tif, 60 s]", regex=False).all()


def test_fitted_rates_replace_volumes(tmp_path):
    rates = make_table(
        [{"blot": "1", "membrane": "1", "probe": "pAKT", "strip": 1, "lane": lane, "band": 1, "target": "pAKT",
          "rate": v / 10, "rate_sd": v / 1000, "n_frames": 3, "n_used": 3 if lane < 4 else 0,
          "bound": "≥" if lane == 4 else None} for lane, v in P.items()],
        EXPOSURE_COLUMNS,
    )  # fmt: skip
    result = one_membrane(tmp_path, exposures=rates)
    assert result["value"].tolist() == pytest.approx([0.05, 0.15, 0.2])
    assert result["bound"].tolist()[2] == "≥"
    assert result["formula"].str.contains("rate over", regex=False).all()


def test_lanes_are_matched_by_sample_not_by_place(tmp_path):
    sheet = (
        "blot,membrane,lane,sample,condition\n"
        "1,a,1,x,v\n1,a,2,y,d\n1,a,3,y,d\n1,a,4,z,e\n"
        "1,b,1,y,d\n1,b,2,x,v\n1,b,3,y,d\n1,b,4,w,f\n"
    )
    toml = image("p.tif", "pAKT", membrane="a") + image("t.tif", "AKT", membrane="b") + ratio("r", "pAKT", "AKT")
    study = experiment(tmp_path, toml, sheet)
    assert match_lanes(study, "1", "a", "b") == {1: 2, 2: 1, 3: 3}
    table = band_table(
        bands("p.tif", "pAKT", {1: 100.0, 2: 200.0, 3: 300.0, 4: 400.0}, membrane="a"),
        bands("t.tif", "AKT", {1: 1000.0, 2: 2000.0, 3: 3000.0, 4: 4000.0}, membrane="b"),
    )
    result = normalize(study, table, lane_table())
    assert result["value"].tolist()[:3] == pytest.approx([0.05, 0.2, 0.1])
    assert result["reason"][3] == "this sample has no lane on membrane b"


def test_lane_counts_that_disagree_block_with_both_counts(tmp_path):
    study = experiment(tmp_path, ONE)
    table = band_table(bands("p.tif", "pAKT", P), bands("t.tif", "AKT", T))
    found = lane_table(
        lanes("p.tif", "pAKT", dict.fromkeys(range(1, 5), 1.0)),
        lanes("t.tif", "AKT", dict.fromkeys(range(1, 4), 1.0)),
    )
    message = r"ratio pAKT/AKT, blot 1: pAKT \(p.tif\) shows 4, AKT \(t.tif\) shows 3 lanes, the sample sheet lists 4"
    with pytest.raises(LaneCountError, match=message):
        normalize(study, table, found)
    result = normalize(study, table, found, strict=False)
    assert result["value"].isna().all()
    assert result["reason"].str.contains(message).all()


def test_values_that_follow_the_loading_are_flagged(tmp_path):
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


def test_uneven_loading_thresholds():
    assert is_uneven([1.0, 2.01])
    assert not is_uneven([1.0, 1.2, 1.1, 0.9])
    assert is_uneven([1.0, 1.0, 1.0, 1.95, 1.95])  # below two-fold, but a CV of 38 %
    assert not is_uneven([1.0])
    assert not follows_loading([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])  # three lanes say nothing
    assert follows_loading([4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0])
    assert not follows_loading([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0])


def test_strips_of_one_picture_stay_apart(tmp_path):
    toml = image("x.tif", "pAKT", strip=1) + image("x.tif", "AKT", strip=2) + ratio("r", "pAKT", "AKT")
    study = experiment(tmp_path, toml)
    table = band_table(
        bands("x.tif", "pAKT", P), bands("x.tif", "pAKT", dict.fromkeys(P, 7.0), strip=2),
        bands("x.tif", "AKT", T, strip=2),
    )  # fmt: skip
    assert normalize(study, table, lane_table())["value"].tolist() == [0.5, 1.5, 2.0]


def test_log_interval_and_correlation():
    result = ratio_interval(200.0, 16.0, 100.0, 8.0)
    cv = math.sqrt(2 * 0.08**2)
    assert (result.method, result.cv) == ("log", pytest.approx(cv))
    assert (result.low, result.high) == pytest.approx((2 * math.exp(-Z * cv), 2 * math.exp(Z * cv)))
    assert ratio_interval(200.0, 16.0, 100.0, 8.0, rho=1.0).cv == pytest.approx(0)


def test_fieller_where_the_denominator_is_unsure():
    # By definition the ends r satisfy (top - r·bottom)² = z² (sd_top² + r² sd_bottom²).
    top, sd_top, bottom, sd_bottom = 300.0, 20.0, 100.0, 15.0
    result = ratio_interval(top, sd_top, bottom, sd_bottom)
    assert result.method == "Fieller"
    for end in (result.low, result.high):
        assert (top - end * bottom) ** 2 == pytest.approx(Z**2 * (sd_top**2 + end**2 * sd_bottom**2))
    assert fieller(1.0, 0.1, 1.0, 0.6) == (-math.inf, math.inf)
    assert math.isnan(ratio_interval(1.0, math.nan, 1.0, 0.1).low)


@pytest.mark.parametrize(("cv_top", "cv_bottom"), [(0.05, 0.05), (0.08, 0.2), (0.2, 0.08), (0.8, 0.05)])
def test_intervals_cover_the_truth(cv_top, cv_bottom):
    rng = np.random.default_rng(5)
    tops, bottoms = rng.normal(3, 3 * cv_top, 4000), rng.normal(1, cv_bottom, 4000)
    keep = bottoms > 3 * cv_bottom
    pairs = zip(tops[keep], bottoms[keep], strict=True)
    found = [ratio_interval(top, 3 * cv_top, bottom, cv_bottom) for top, bottom in pairs]
    hits = [interval.low <= 3 <= interval.high for interval in found]
    assert 0.93 < np.mean(hits) < 0.97


def test_amounts_add_and_average():
    total = add_amounts([Amount(3.0, 0.3, 1.0, 4.0, ("hollow",)), Amount(4.0, 0.4, 0.0, 3.0, ("saturated",), True)])
    assert (total.value, total.sd, total.loq, total.saturated) == (7.0, 0.5, 5.0, True)
    assert total.flags == ("saturated", "hollow")
    assert average_amounts([Amount(4.0, 0.4), Amount(9.0, 0.9)]).value == pytest.approx(6.0)
    assert math.isnan(average_amounts([Amount(4.0, 0.4), Amount(-1.0, 0.9)]).value)


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
