"""inspect, info, init and help."""

import subprocess
import sys

from tiny_study import write_tiny_study

import blotquant as package
from blotquant.cli import commands


def test_inspect_tells_what_a_picture_is(blotquant, picture):
    called = blotquant("inspect", picture)
    assert called.code == 0
    assert called.out.startswith("blot.tif: ")
    assert "uint16" in called.out
    assert "bands bright" in called.out
    assert "strip 1: " in called.out


def test_inspect_goes_on_after_a_bad_picture(blotquant, bad_pictures):
    called = blotquant("inspect", bad_pictures, "--json")
    assert called.code == 1
    assert set(called.json["failures"]) == {"b_text.tif", "c_cut.tif", "d_empty.tif", "h_tiny.tif"}
    assert len(called.json["pictures"]) == 5


def test_info_names_versions(blotquant):
    called = blotquant("info", "--json")
    assert called.json["blotquant"] == package.__version__
    assert {"python", "numpy", "napari"} <= set(called.json)


def test_main_has_help_for_every_command(blotquant):
    assert blotquant("--help").code == 0
    for command in ("demo", "inspect", "measure", "init", "run", "edit", "verify", "info"):
        called = blotquant(command, "--help")
        assert called.code == 0
        assert "Usage: blotquant " in called.out


def test_main_runs_as_a_module(tmp_path):
    done = subprocess.run([sys.executable, "-m", "blotquant", "--version"], capture_output=True, text=True, check=True)
    assert package.__version__ in done.stdout


def test_init_says_what_to_do_next(blotquant, tmp_path):
    (tmp_path / "blot1_pAKT.tif").write_bytes(b"no picture")
    called = blotquant("init", tmp_path)
    assert called.code == 0
    assert called.out.split() == [str(tmp_path / "experiment.toml"), str(tmp_path / "samples.csv")]
    assert f"3. blotquant run {tmp_path} -o {tmp_path / 'results'}" in called.err


def test_run_answers_a_picture_with_what_to_do(blotquant, picture, tmp_path):
    called = blotquant("run", picture, "-o", tmp_path / "out")
    assert called.code == 2
    assert "a picture, not an experiment; `blotquant measure" in called.err
    assert len(called.err.strip().splitlines()) == 1


def test_run_tells_notes_reasons_and_what_to_open(blotquant, tmp_path):
    study = write_tiny_study(tmp_path / "study", n_blots=1)
    sheet = (study / "samples.csv").read_text(encoding="utf-8").replace("s6,drug", "s6,Drug")
    (study / "samples.csv").write_text(sheet, encoding="utf-8")
    called = blotquant("run", study, "-o", tmp_path / "out")
    assert called.code == 0
    assert "note: samples.csv: conditions 'drug' and 'Drug' differ in spelling only" in called.err
    assert f"open {tmp_path / 'out' / 'report.html'} in a browser" in called.err
    assert "pAKT/AKT  drug: n = 1, " in called.out
    assert "; no test: n = 1, a p-value needs 3 biological replicates" in called.out


def test_inspect_names_a_bad_picture_once(blotquant, tmp_path):
    (tmp_path / "notes.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    called = blotquant("inspect", tmp_path / "notes.sh")
    assert called.code == 1
    assert called.err.count("notes.sh") == 1


def test_main_sets_its_process_up(blotquant, monkeypatch):
    done = []
    monkeypatch.setattr(commands, "keep_freed_memory", lambda: done.append("memory"))
    monkeypatch.setattr(commands, "collect_garbage_seldom", lambda: done.append("garbage"))
    blotquant("--version")
    assert done == ["memory", "garbage"]
