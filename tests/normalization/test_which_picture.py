"""Which picture, exposure, strip and lane a ratio takes its numbers from."""

import pytest
from small_experiment import P, T, band_table, bands, experiment, image, lane_table, one_membrane, ratio

from blotquant.normalization.normalize import match_lanes, normalize
from blotquant.tables import EXPOSURE_COLUMNS, make_table


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


def test_strips_of_one_picture_stay_apart(tmp_path):
    toml = image("x.tif", "pAKT", strip=1) + image("x.tif", "AKT", strip=2) + ratio("r", "pAKT", "AKT")
    study = experiment(tmp_path, toml)
    table = band_table(
        bands("x.tif", "pAKT", P), bands("x.tif", "pAKT", dict.fromkeys(P, 7.0), strip=2),
        bands("x.tif", "AKT", T, strip=2),
    )  # fmt: skip
    assert normalize(study, table, lane_table())["value"].tolist() == [0.5, 1.5, 2.0]
