"""Which picture, exposure, strip and lane a ratio takes its numbers from."""

import pytest
from small_experiment import P, T, band_table, bands, experiment, flags_of, image, lane_table, one_membrane, ratio

from blotquant.normalization.designs import match_lanes
from blotquant.normalization.normalize import normalize
from blotquant.tables import EXPOSURE_COLUMNS, make_table


def test_normalize_the_denominator_of_the_own_membrane_comes_first(tmp_path):
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
        bands("p.tif", "pAKT", {lane: v / 6 for lane, v in P.items()}, exposure_s=10.0),
        bands("t.tif", "AKT", T),
    )
    result = normalize(study, table, lane_table())
    assert result["value"].tolist() == pytest.approx([0.5 / 60, 1.5 / 60, 2.0 / 60])
    assert result["formula"].str.contains("P = pAKT [rate over 2 exposures]", regex=False).all()


def series(tmp_path, volumes, **flags):
    """Three exposures of 10, 60 and 300 s; `volumes` by file, `flags` by file and lane."""
    times = {"s": 10, "m": 60, "l": 300}
    toml = "".join(image(f"{x}.tif", "pAKT", exposure_s=t) for x, t in times.items())
    study = experiment(tmp_path, toml + image("t.tif", "AKT") + ratio("r", "pAKT", "AKT"))
    shown = [
        bands(f"{x}.tif", "pAKT", volumes[x], exposure_s=float(t), flags=flags.get(x, {})) for x, t in times.items()
    ]
    return normalize(study, band_table(*shown, bands("t.tif", "AKT", T)), lane_table())


def test_normalize_takes_rates_of_the_unsaturated_exposures(tmp_path):
    """Lane 3 is saturated at 300 s and stands at 60 s: all lanes share one scale, each with its own error."""
    volumes = {x: {lane: v * t / 60 for lane, v in P.items()} for x, t in (("s", 10), ("m", 60), ("l", 300))}
    result = series(tmp_path, volumes | {"l": volumes["l"] | {3: 9000.0}}, l={3: "saturated"})
    assert result["value"].tolist() == pytest.approx([0.5 / 60, 1.5 / 60, 2.0 / 60])
    assert result["included"].all()
    assert result["formula"].str.contains("P = pAKT [rate over 3 exposures]", regex=False).all()
    burnt = series(tmp_path, volumes, s={3: "saturated"}, m={3: "saturated"}, l={3: "saturated"})
    assert burnt["bound"].tolist()[1] == "≥"


def test_normalize_leaves_out_exposures_that_left_the_line_and_says_so(tmp_path):
    """Lane 3 loses half of its light at 300 s; the other lanes do not."""
    volumes = {x: {lane: v * t / 60 for lane, v in P.items()} for x, t in (("s", 10), ("m", 60), ("l", 300))}
    result = series(tmp_path, volumes | {"l": volumes["l"] | {3: volumes["l"][3] / 2}})
    # Two exposures are no line of three: the slope at the origin of a parabola through all of them.
    assert result["value"][1] == pytest.approx(1.5 / 60, rel=0.15)
    assert ["nonlinear_exposure" in flags_of(row) for _, row in result.iterrows()] == [False, True, False]


def test_normalize_takes_one_exposure_where_a_lane_has_no_rate(tmp_path):
    """Lane 3 was found in the longest exposure alone."""
    volumes = {x: {lane: v * t / 60 for lane, v in P.items()} for x, t in (("s", 10), ("m", 60), ("l", 300))}
    for x in "sm":
        del volumes[x][3]
    result = series(tmp_path, volumes)
    assert result["formula"].str.contains("P = pAKT [l.tif, 300 s]", regex=False).all()
    assert result["value"].tolist() == pytest.approx([2.5, 7.5, 10.0])


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
