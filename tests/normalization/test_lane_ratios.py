"""What gives no ratio, or one that stays out of the means, and the reason that stands beside it."""

import math

import numpy as np
import pandas as pd
import pytest
import small_experiment as small

from blotquant.errors import LaneCountError
from blotquant.normalization.normalize import blots_without_numerator, normalize


@pytest.mark.parametrize(("side", "name"), [("p_more", "numerator"), ("t_more", "denominator")])
def test_normalize_an_unknown_sd_gives_no_ratio(tmp_path, side, name):
    sd = {2: 10.0, 3: math.nan, 4: 10.0}
    result = small.one_membrane(tmp_path, **{side: {"volume_sd": sd}})
    assert result["included"].tolist() == [True, False, True]
    assert result["reason"][1] == f"the error of the {name} is not known: its SD is missing"
    assert math.isnan(result["value"][1])
    assert result["value"].tolist()[::2] == [0.5, 2.0]


def test_normalize_an_unknown_sd_of_the_loading_gives_no_ratio(tmp_path):
    toml = (
        small.image("p.tif", "pAKT")
        + small.image("s.tif", "total_protein")
        + small.ratio("r", "pAKT", None, "total_protein")
    )
    sd = {1: 1e4, 2: math.nan, 3: 1e4, 4: 1e4}
    stain = small.lanes("s.tif", "total_protein", {1: 1e6, 2: 1e6, 3: 2e6, 4: 3e6}, volume_sd=sd)
    result = normalize(
        small.experiment(tmp_path, toml),
        small.band_table(small.bands("p.tif", "pAKT", small.P)),
        small.lane_table(stain),
    )
    assert result["included"].tolist() == [False, True, True]
    assert result["reason"][0] == "the error of the loading is not known: its SD is missing"
    assert math.isnan(result["value"][0])


def test_normalize_a_band_without_a_volume_gives_no_ratio(tmp_path):
    result = small.one_membrane(tmp_path, p={**small.P, 3: math.nan})
    assert result["included"].tolist() == [True, False, True]
    assert result["reason"][1] == "the numerator has no value"


@pytest.mark.parametrize(("side", "bound"), [("p_more", "≥"), ("t_more", "≤")])
def test_normalize_a_bound_without_an_sd_stays_a_bound(tmp_path, side, bound):
    more = {"volume_sd": {2: 10.0, 3: math.nan, 4: 10.0}, "flags": {3: "saturated"}}
    row = small.one_membrane(tmp_path, **{side: more}).iloc[1]
    assert (row["value"], row["bound"], row["included"]) == (1.5, bound, False)
    assert "saturated" in row["reason"]


def test_normalize_weak_loading_gives_no_ratio_and_leaves_the_mean(tmp_path):
    toml = small.TWIN + small.ratio("r", "pAKT", "AKT", "total_protein")
    study = small.experiment(tmp_path, toml)
    table = small.band_table(
        small.bands("p.tif", "pAKT", small.P, membrane="a"), small.bands("t.tif", "AKT", small.T, membrane="b")
    )
    weak = small.lanes("sa.tif", "total_protein", {1: 1e6, 2: 1e6, 3: 3e6, 4: 1e4}, membrane="a")
    weak[3]["volume_sd"] = 2e3
    stains = small.lane_table(
        weak, small.lanes("sb.tif", "total_protein", dict.fromkeys(range(1, 5), 1e6), membrane="b")
    )
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
    result = small.one_membrane(
        tmp_path, p_more={"flags": mark if p_sat else {}}, t_more={"flags": mark if t_sat else {}}
    )
    row = result.iloc[1]
    assert (None if pd.isna(row["bound"]) else row["bound"]) == bound
    assert row["value"] == 1.5
    assert not row["included"]
    assert row["reason"].startswith("saturated")
    assert flag <= small.flags_of(row)
    assert result["included"].tolist() == [True, False, True]


def test_normalize_saturated_loading_points_the_way_it_enters(tmp_path):
    study = small.experiment(tmp_path, small.TWIN + small.ratio("r", "pAKT", "AKT", "total_protein"))
    table = small.band_table(
        small.bands("p.tif", "pAKT", small.P, membrane="a"), small.bands("t.tif", "AKT", small.T, membrane="b")
    )
    even = dict.fromkeys(range(1, 5), 1e6)
    for saturated, bound in (("sa", "≤"), ("sb", "≥")):
        marks = {name: {3: "saturated"} if name == saturated else {} for name in ("sa", "sb")}
        shown = [
            small.lanes(f"{name}.tif", "total_protein", even, membrane=name[1], flags=flags)
            for name, flags in marks.items()
        ]
        stains = small.lane_table(*shown)
        assert normalize(study, table, stains)["bound"].tolist()[1] == bound


def test_normalize_weak_denominator_gives_no_ratio(tmp_path):
    result = small.one_membrane(tmp_path, t_more={"sd": 400.0})
    assert result["value"].isna().tolist() == [False, False, True]
    assert result["reason"][2] == "denominator too weak: SNR 2.5, needed 3"
    assert "weak_denominator" in small.flags_of(result.iloc[2])


def test_normalize_a_denominator_in_small_units_is_judged_by_its_own_error(tmp_path):
    """Rates may be far below one count per second: 0.5 ± 0.2 is as weak as 500 ± 200, and 0.9 ± 0.2 is not."""
    result = small.one_membrane(tmp_path, t={2: 0.5, 3: 0.9, 4: 500.0}, t_more={"sd": 0.2, "lod": 0.0, "loq": 0.0})
    assert result["value"].isna().tolist() == [True, False, False]
    assert result["reason"][0] == "denominator too weak: SNR 2.5, needed 3"


def test_normalize_numerator_below_detection_is_kept_but_not_averaged(tmp_path):
    result = small.one_membrane(tmp_path, p={2: 1000.0, 3: -20.0, 4: 25.0})
    assert result["value"].tolist() == pytest.approx([0.5, -0.01, 0.025])
    assert result["included"].tolist() == [True, False, False]
    assert result["reason"].str.contains("limit of detection").tolist()[1:] == [True, True]
    assert np.isfinite(result["ci_low"]).all()


def test_normalize_numerator_above_detection_counts_however_weak(tmp_path):
    result = small.one_membrane(tmp_path, p={2: 1000.0, 3: 35.0, 4: 99.0})
    assert result["included"].all()


def test_missing_bands_say_so_and_no_lane_is_lost(tmp_path):
    result = small.one_membrane(tmp_path, p={2: 1000.0, 4: 2000.0}, t={2: 2000.0, 3: 2000.0})
    assert result["lane"].tolist() == [2, 3, 4]
    assert result["reason"].tolist()[1:] == ["no band of pAKT in lane 3", "no band of AKT in lane 4"]
    assert "missing_band" in small.flags_of(result.iloc[1])


def test_normalize_nothing_is_dropped(tmp_path):
    sheet = "blot,lane,condition,role\n1,1,,ladder\n1,2,v,sample\n1,3,w,excluded\n1,4,s,standard\n2,1,v,sample\n"
    study = small.experiment(tmp_path, small.ONE + small.image("q.tif", "AKT", blot=2), sheet)
    table = small.band_table(small.bands("p.tif", "pAKT", small.P), small.bands("t.tif", "AKT", small.T))
    result = normalize(study, table, small.lane_table())
    assert list(zip(result["blot"], result["lane"], strict=True)) == [("1", 2), ("1", 3), ("1", 4)]
    assert result["reason"].tolist()[1] == "excluded in the sample sheet"
    # Blot 2 has no picture of the numerator and takes no part; it is named, and adds no empty rows.
    assert blots_without_numerator(study) == {"pAKT/AKT": ["2"]}
    assert len(result) == result["included"].sum() + result["reason"].notna().sum()


def test_normalize_a_picture_that_could_not_be_measured_is_named(tmp_path):
    study = small.experiment(tmp_path, small.ONE)
    result = normalize(study, small.band_table(small.bands("p.tif", "pAKT", small.P)), small.lane_table())
    assert result["reason"].unique().tolist() == ["the picture of AKT (t.tif) was not measured"]


def test_normalize_a_lane_that_the_sheet_leaves_out_has_no_other_reason(tmp_path):
    study = small.experiment(tmp_path, small.ONE, "blot,lane,condition,role\n1,1,v,sample\n1,2,w,excluded\n")
    table = small.band_table(small.bands("p.tif", "pAKT", {1: 1000.0}), small.bands("t.tif", "AKT", {1: 1000.0}))
    result = normalize(study, table, small.lane_table())
    assert result["reason"].tolist()[1] == "excluded in the sample sheet"
    assert result["included"].tolist() == [True, False]


def test_lane_left_out_by_hand(tmp_path):
    found = small.lanes("t.tif", "AKT", dict.fromkeys(range(1, 5), 1e6), role={3: "excluded"})
    result = small.one_membrane(tmp_path, lanes=small.lane_table(found))
    assert result["reason"].tolist()[1] == "lane excluded by hand in the picture of AKT"


def test_lane_left_out_by_the_sheet_is_not_said_to_be_left_out_by_hand(tmp_path):
    study = small.experiment(tmp_path, small.ONE, "blot,lane,condition,role\n1,1,v,sample\n1,2,w,excluded\n")
    table = small.band_table(
        small.bands("p.tif", "pAKT", {1: 1000.0, 2: 1000.0}), small.bands("t.tif", "AKT", {1: 1000.0, 2: 1000.0})
    )
    found = small.lane_table(small.lanes("t.tif", "AKT", {1: 1e6, 2: 1e6}, role={2: "excluded"}))
    result = normalize(study, table, found)
    assert result["reason"].tolist()[1] == "excluded in the sample sheet"
    assert result["value"].tolist() == [1.0, 1.0]


def test_lane_counts_that_disagree_block_with_both_counts(tmp_path):
    study = small.experiment(tmp_path, small.ONE)
    table = small.band_table(small.bands("p.tif", "pAKT", small.P), small.bands("t.tif", "AKT", small.T))
    found = small.lane_table(
        small.lanes("p.tif", "pAKT", dict.fromkeys(range(1, 5), 1.0)),
        small.lanes("t.tif", "AKT", dict.fromkeys(range(1, 4), 1.0)),
    )
    message = r"ratio pAKT/AKT, blot 1: pAKT \(p.tif\) shows 4, AKT \(t.tif\) shows 3 lanes, the sample sheet lists 4"
    with pytest.raises(LaneCountError, match=message):
        normalize(study, table, found)
    result = normalize(study, table, found, strict=False)
    assert result["value"].isna().all()
    assert result["reason"].str.contains(message).all()
