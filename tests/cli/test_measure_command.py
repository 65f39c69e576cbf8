"""`blotquant measure`: tables, sessions, exit codes; bad pictures cost themselves alone."""

import os

import numpy as np
import pandas as pd
import pytest
import tifffile

from blotquant.io.files import read_table
from blotquant.session.session import load_session, save_session
from blotquant.synthetic import BlotSpec, LaneSpec, RowSpec, StripSpec, make_blot
from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".blotquant" not in path.parts
    }


def test_measure_a_picture_becomes_tables_and_a_session(blotquant, picture, tmp_path):
    called = blotquant("measure", picture, "-o", tmp_path / "out")
    assert called.code == 0
    assert set(tree(tmp_path / "out")) == {"bands.csv", "lanes.csv", "manifest.json", "sessions/blot.tif.blot.json"}
    bands = read_table(tmp_path / "out" / "bands.csv", BAND_COLUMNS)
    lanes = read_table(tmp_path / "out" / "lanes.csv", LANE_COLUMNS)
    assert set(bands["image"]) == set(lanes["image"]) == {"blot.tif"}
    assert called.out.splitlines()[0].startswith("blot.tif  1 strip(s), ")
    assert called.out.splitlines()[-1] == str(tmp_path / "out" / "lanes.csv")


def test_measure_records_a_free_angle_and_verify_computes_it_anew(blotquant, tmp_path):
    lanes = tuple(LaneSpec(center=120.0 + 40 * k, width=30.0) for k in range(6))
    row = RowSpec(target="p", row=180.0, sigma=3.4, volumes=(9e4, 5e4, 1e5, 4e4, 8e4, 6e4))
    strip = StripSpec(box=(130, 230, 90, 350), lanes=lanes, rows=(row,), tilt_deg=20.0, level=200.0)
    blot = make_blot(BlotSpec(shape=(360, 440), strips=(strip,)), seed=2)
    tifffile.imwrite(tmp_path / "askew.tif", blot.pixels)
    assert blotquant("measure", tmp_path / "askew.tif", "-o", tmp_path / "out", "--rotate", "20").code == 0
    bands = read_table(tmp_path / "out" / "bands.csv", BAND_COLUMNS)
    bands = bands[bands["status"] == "detected"]
    assert bands["volume"].to_numpy() == pytest.approx(row.volumes, rel=0.04)
    session = load_session(tmp_path / "out" / "sessions" / "askew.tif.blot.json")
    assert session.image.orientation.rotate == 20
    assert blotquant("verify", tmp_path / "out").code == 0


def test_measure_says_that_a_dot_blot_is_no_blot_with_lanes_and_what_measures_it(blotquant, tmp_path):
    """Spots in a grid; some of them are taken for lanes, and the picture is measured and doubted."""
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:362, :960]
    counts = 1000 + rng.normal(0, 40, rows.shape)
    for i, j in np.ndindex(4, 10):
        away = np.hypot(rows - 50 - 85 * i, cols - 70 - 90 * j)
        counts += rng.uniform(0.2, 1) * 3e4 / (1 + np.exp(np.clip((away - 24) / 1.5, -50, 50)))
    tifffile.imwrite(tmp_path / "dots.tif", counts.clip(0, 65535).astype(np.uint16))
    called = blotquant("measure", tmp_path / "dots.tif", "-o", tmp_path / "out")
    assert "not_a_blot" in called.out
    assert "dots.tif: The picture does not look like a blot with lanes." in called.err
    assert "Dot blots and arrays have no lanes" in called.err


def test_measure_the_input_folder_is_left_alone(blotquant, picture, tmp_path):
    before = tree(picture.parent)
    blotquant("measure", picture, "-o", tmp_path / "out")
    assert tree(picture.parent) == before


def test_measure_bad_pictures_are_named_and_the_rest_is_done(blotquant, bad_pictures, tmp_path):
    called = blotquant("measure", bad_pictures, "-o", tmp_path / "out")
    assert called.code == 1
    failures = [line for line in called.err.splitlines() if line.startswith("failed: ")]
    failed = [line.split()[1].rstrip(":") for line in failures]
    assert failed == ["e_blank.tif", "f_white.tif", "b_text.tif", "c_cut.tif", "d_empty.tif", "h_tiny.tif"]
    bands = read_table(tmp_path / "out" / "bands.csv", BAND_COLUMNS)
    assert {"a_good.tif", "z_good.tif"} <= set(bands["image"])
    assert not {"e_blank.tif", "f_white.tif"} & set(bands["image"])
    assert not list((tmp_path / "out").rglob("*.tmp"))
    lines = {line.split()[0]: line for line in called.out.splitlines()}
    assert "blank" in lines["e_blank.tif"]
    assert "saturated_picture" in lines["f_white.tif"]
    assert "nonfinite_pixels" in lines["g_nan.tif"]
    assert "6 lanes" in lines["g_nan.tif"]


def test_measure_gives_the_same_bytes_with_two_jobs(blotquant, bad_pictures, tmp_path):
    one = blotquant("measure", bad_pictures, "-o", tmp_path / "one")
    two = blotquant("measure", bad_pictures, "-o", tmp_path / "two", "--jobs", 2)
    assert one.code == two.code == 1
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert one.out.replace("/one/", "/two/") == two.out


def test_measure_resumed_redoes_only_what_changed(blotquant, bad_pictures, tmp_path):
    out = tmp_path / "out"
    blotquant("measure", bad_pictures, "-o", out)
    before = tree(out)
    (bad_pictures / "b_text.tif").write_bytes((bad_pictures / "a_good.tif").read_bytes())
    called = blotquant("measure", bad_pictures, "-o", out, "--resume", "--json")
    assert called.json["kept"] == 5
    assert set(called.json["failures"]) == {"c_cut.tif", "d_empty.tif", "h_tiny.tif"}
    assert "b_text.tif" in (out / "bands.csv").read_text()
    (bad_pictures / "b_text.tif").write_text("lane 1 looks great")
    blotquant("measure", bad_pictures, "-o", out, "--resume")
    after = tree(out)
    after.pop("earlier/1/sessions/b_text.tif.blot.json")  # of the run before, and moved aside
    assert after == before


def test_measure_other_settings_are_not_resumed(blotquant, picture, tmp_path):
    blotquant("measure", picture, "-o", tmp_path / "out")
    called = blotquant("measure", picture, "-o", tmp_path / "out", "--resume", "--json", "--background", "constant")
    assert called.json["kept"] == 0
    assert "constant" in (tmp_path / "out" / "bands.csv").read_text()


def test_measure_the_number_of_lanes_wins_over_the_guess(blotquant, picture, tmp_path):
    guessed = blotquant("measure", picture, "-o", tmp_path / "a", "--json").json["units"][0]["pictures"][0]["lanes"]
    told = blotquant("measure", picture, "-o", tmp_path / "b", "--json", "--lanes", guessed[0] + 1)
    assert told.json["units"][0]["pictures"][0]["lanes"] == [guessed[0] + 1]


def test_measure_hand_corrections_in_the_results_folder_are_kept(blotquant, picture, tmp_path):
    from blotquant.session.band_edits import delete_band

    out = tmp_path / "out"
    blotquant("measure", picture, "-o", out)
    path = out / "sessions" / "blot.tif.blot.json"
    session = load_session(path)
    gone = session.layout.bands[0].id
    edited = session.edit(delete_band(session.layout, gone), action="delete", who="me", when="2026-01-02T03:04:05Z")
    save_session(edited, path)
    called = blotquant("measure", picture, "-o", out)
    assert "1 hand corrections" in called.out
    bands = read_table(out / "bands.csv", BAND_COLUMNS)
    assert gone not in set(bands["band_id"])
    assert load_session(path).history == edited.history
    again = tmp_path / "again"
    blotquant("measure", path, "-o", again)
    pd.testing.assert_frame_equal(read_table(again / "bands.csv", BAND_COLUMNS), bands)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["measure", "nowhere.tif", "-o", "out"], "nowhere.tif: no such file or folder"),
        (["measure", "x.tif"], "Missing option '-o' / '--out'"),
        (["measure", ".", "-o", "out", "--set", "detection.n_lines=3"], "no such parameter"),
        (["measure", ".", "-o", "out", "--lanes", "0"], "0 is not in the range"),
        (["mesure", "."], "No such command 'mesure'"),
    ],
)
def test_measure_wrong_commands_exit_with_2(blotquant, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    called = blotquant(*arguments)
    assert called.code == 2
    assert message in called.err
    assert "Traceback" not in called.err


def test_measure_a_busy_results_folder_is_refused(blotquant, picture, tmp_path):
    from blotquant.runs.store import locked

    with locked(tmp_path / "out"):
        called = blotquant("measure", picture, "-o", tmp_path / "out")
    assert called.code == 2
    assert "another blotquant is writing" in called.err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_measure_interrupting_says_how_to_go_on(blotquant, picture, tmp_path, monkeypatch):
    def interrupt(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("blotquant.analysis.analyze", interrupt)
    called = blotquant("measure", picture, "-o", tmp_path / "out")
    assert called.code == 130
    assert "--resume" in called.err
