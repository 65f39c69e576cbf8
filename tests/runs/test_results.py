"""Units of work into a folder: what is done again, what is kept, what is remembered, what is said."""

import csv
import json
from dataclasses import dataclass

import pytest
import tifffile

from blotquant.errors import ImageError
from blotquant.runs.folder import FolderResult, Workers, measure_folder, picture_tasks, run_units
from blotquant.runs.pictures import find_inputs, software
from blotquant.runs.store import Part, Store
from blotquant.runs.workers import progress
from blotquant.settings import Settings
from blotquant.synthetic import make_blot, plain_spec

DONE = []


@dataclass(frozen=True)
class Task:
    key: str
    fingerprint: str = "same"


def work(task):
    DONE.append(task.key)
    if task.key == "bad":
        raise ImageError("bad.tif: not a picture")
    sessions = {f"{task.key}.blot.json": "{}"}
    return Part(key=task.key, fingerprint=task.fingerprint, sessions=sessions, summary={"name": task.key})


@pytest.fixture
def store(tmp_path):
    DONE.clear()
    return Store(tmp_path)


def run(store, *tasks, resume=True, **options):
    DONE.clear()
    workers = Workers(resume=resume, progress="none", **options)
    return run_units(store, work, {task.key: task for task in tasks}, workers=workers, what="pictures")


def test_run_units_only_what_is_missing_changed_or_failed_is_done_again(store):
    a, b, bad = Task("a"), Task("b"), Task("bad")
    assert run(store, a, b, bad) == ({"bad": "bad.tif: not a picture"}, 0)
    assert run(store, a, b, bad) == ({"bad": "bad.tif: not a picture"}, 2)
    assert DONE == ["bad"]
    run(store, a, Task("b", "changed"), Task("new"))
    assert DONE == ["b", "new"]
    (store.folder / "sessions" / "a.blot.json").unlink()
    assert run(store, a) == ({}, 0)
    run(store, a, resume=False)
    assert DONE == ["a"]


def test_run_units_a_session_changed_by_hand_is_done_again(store):
    run(store, Task("a"))
    (store.folder / "sessions" / "a.blot.json").write_text("{ }")
    run(store, Task("a"))
    assert DONE == ["a"]


@pytest.fixture(scope="module")
def pixels():
    return make_blot(plain_spec([[40_000, 25_000, 60_000, 30_000]], shape=(160, 260)), seed=3).pixels


@pytest.fixture
def picture(tmp_path, pixels):
    path = tmp_path / "in" / "a.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, pixels)
    return path


def fingerprint_of(picture, out, settings=None):
    (task,) = picture_tasks(find_inputs([picture]), out, settings or Settings()).values()
    return task.fingerprint


def test_picture_task_fingerprint_knows_checksum_settings_and_software(picture, tmp_path, monkeypatch):
    first = fingerprint_of(picture, tmp_path)
    assert fingerprint_of(picture, tmp_path) == first
    assert fingerprint_of(picture, tmp_path, Settings().with_overrides(["detection.min_snr=7"])) != first
    monkeypatch.setattr("blotquant.runs.pictures.software", lambda: {**software(), "numpy": "0"})
    assert fingerprint_of(picture, tmp_path) != first
    monkeypatch.undo()
    picture.write_bytes(picture.read_bytes() + b" ")
    assert fingerprint_of(picture, tmp_path) != first


def test_folder_result_summaries_are_read_anew_each_time_in_order_of_the_input(store):
    run(store, Task("a"), Task("bad"), Task("b"))
    done = FolderResult(files=(), places=((store, ("b", "bad", "a")), (store, ("a",))))
    assert [summary["name"] for summary in done.units] == ["b", "a", "a"] == [unit["name"] for unit in done.units]
    run(store, Task("b", "changed"))
    assert [unit["name"] for unit in done.units] == ["b", "a", "a"]
    assert list(FolderResult(files=()).units) == []


def test_timings_are_written_beside_the_results_and_change_none(picture, tmp_path):
    inputs = find_inputs([picture])
    measure_folder(inputs, tmp_path / "plain", workers=Workers(progress="none"))
    timed = measure_folder(inputs, tmp_path / "timed", workers=Workers(progress="none", timings=True))
    with (tmp_path / "timed" / "timings.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    stages = ("read_s", "find_s", "doublets_s", "scene_s", "measure_s", "lanes_s", "tables_s", "write_s")
    seconds = {name: float(row[name]) for name in stages}
    assert row["unit"] == "a.tif"
    assert all(value > 0 for value in seconds.values())
    assert sum(seconds.values()) - seconds["write_s"] <= float(row["elapsed_s"])
    (summary,) = timed.units
    assert set(summary["timings_s"]) == {name.removesuffix("_s") for name in stages} - {"write"}
    for name in ("bands.csv", "lanes.csv", "manifest.json", "sessions/a.tif.blot.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "timed" / name).read_bytes()


def test_progress_a_log_gets_plain_lines(capsys, monkeypatch):
    monkeypatch.setattr("blotquant.runs.workers._PLAIN_INTERVAL_S", 0.0)
    with progress(3, what="pictures", style="plain") as step:
        step("a", None)
        step("b", "b.tif: broken")  # said once, at the end
        step("c", None)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "1 of 3 pictures", "2 of 3 pictures", "3 of 3 pictures",
    ]  # fmt: skip
    assert lines[-1].endswith("/s, 0 s left")


def test_progress_a_machine_gets_json_lines(capsys):
    with progress(2, what="pictures", style="json") as step:
        step("a", None)
        step("b", "broken")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["done"], line["total"], line["name"], line["error"]) for line in lines] == [
        (1, 2, "a", None), (2, 2, "b", "broken"),
    ]  # fmt: skip
    assert all(line["per_second"] > 0 and line["seconds_left"] >= 0 for line in lines)


def test_progress_a_terminal_gets_a_bar_with_rate_and_time_left(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress(2, what="pictures", style="bar") as step:
        step("a", None)
        step("b[red]", "broken\x1b[2J")
    said = capsys.readouterr().err
    assert "pictures" in said
    assert "/s" in said
    assert "b[red]: broken\\x1b[2J" in said
