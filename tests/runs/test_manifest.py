"""What a results folder says about itself, and that nothing in it is written over that somebody changed."""

import json
import multiprocessing
import os
import shutil

import pytest
from tiny_study import all_bytes, write_tiny_study

from blotquant.errors import OutputError, SessionError
from blotquant.experiment.read import read_experiment
from blotquant.runs.folder import Workers, measure_folder
from blotquant.runs.manifest import MANIFEST, read_manifest
from blotquant.runs.pictures import find_inputs
from blotquant.runs.store import ChangedError, Part, Store, locked
from blotquant.runs.study import run_experiment
from blotquant.runs.verify import check_record
from blotquant.session.band_edits import delete_band
from blotquant.session.session import load_session, save_session, session_text
from blotquant.settings import Settings

WHEN = "2026-01-02T03:04:05Z"


@pytest.fixture
def study(tmp_path):
    return write_tiny_study(tmp_path / "in", n_blots=1)


def measure(study, out, **settings):
    return measure_folder(find_inputs([study]), out, settings=Settings(**settings))


def correct(path):
    session = load_session(path)
    changes = delete_band(session.layout, session.layout.bands[0].id)
    corrected = session.edit(changes, action="delete", who="Ada", when=WHEN)
    save_session(corrected, path)
    return corrected


def test_make_manifest_it_names_inputs_units_settings_versions_and_outputs(study, tmp_path):
    run_experiment(read_experiment(study), tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert manifest.command == "run"
    assert {(r.role, r.path) for r in manifest.inputs} == {
        ("experiment", "../in/experiment.toml"),
        ("samples", "../in/samples.csv"),
        ("picture", "../in/blot1_pAKT.tif"),
        ("picture", "../in/blot1_AKT.tif"),
    }
    assert manifest.settings["detection.min_snr"] == 5.0
    assert manifest.versions["blotquant"]
    assert [unit.name for unit in manifest.units] == ["blot 1, membrane 1"]
    written = {n for n in all_bytes(tmp_path / "out") if "parts" not in n and n != MANIFEST}
    assert set(manifest.outputs) == written
    text = (tmp_path / "out" / MANIFEST).read_text(encoding="utf-8")
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "manifest.json: damaged"),
        ("[1]", "not a manifest of blotquant"),
        ('{"schema_version": 99}', r"written by a newer blotquant \(schema 99, this one reads 2\); update"),
        ('{"schema_version": 1}', "manifest.json: damaged: command: Field required"),
    ],
)
def test_read_manifest_names_what_is_wrong(tmp_path, content, message):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(SessionError, match=message):
        read_manifest(tmp_path)


def test_publish_a_table_changed_by_hand_is_kept_beside_the_new_one(study, tmp_path, capsys):
    out = tmp_path / "out"
    measure(study, out)
    first = (out / "bands.csv").read_bytes()
    (out / "bands.csv").write_bytes(first + b"my remark\n")
    measure(study, out)
    assert (out / "bands.csv").read_bytes() == first
    assert (out / "bands.edited.csv").read_bytes() == first + b"my remark\n"
    assert "the changed file is kept as bands.edited.csv" in capsys.readouterr().err
    (out / "bands.csv").write_bytes(b"again")
    measure(study, out)
    assert (out / "bands.edited2.csv").read_bytes() == b"again"
    assert not list(check_record(out, read_manifest(out)))


def test_publish_a_figure_changed_by_hand_is_kept_beside_the_new_one(study, tmp_path):
    out = tmp_path / "out"
    run_experiment(read_experiment(study), out)
    figure = next((out / "figures").glob("*.svg"))
    first = figure.read_bytes()
    figure.write_bytes(first + b"<!-- my arrow -->")
    run_experiment(read_experiment(study), out)
    assert figure.read_bytes() == first
    assert figure.with_name(figure.stem + ".edited.svg").read_bytes().endswith(b"my arrow -->")
    assert not list(check_record(out, read_manifest(out)))


def test_publish_the_manifest_of_a_run_is_written_once_with_its_figures(study, tmp_path, monkeypatch):
    out, written = tmp_path / "out", []
    write = Store.write
    monkeypatch.setattr(
        Store, "write", lambda store, path, *a, **k: (written.append(path), write(store, path, *a, **k))
    )
    run_experiment(read_experiment(study), out)
    assert written.count(out / MANIFEST) == 1
    figures = {path.relative_to(out).as_posix() for path in (out / "figures").iterdir()}
    assert figures
    assert figures <= read_manifest(out).outputs.keys()
    assert not (out / ".blotquant" / "new").exists()


def test_publish_somebody_elses_table_of_that_name_is_kept_too(study, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "bands.csv").write_text("mine")
    measure(study, out)
    assert (out / "bands.edited.csv").read_text() == "mine"


def test_publish_repeating_a_run_keeps_no_copies(study, tmp_path):
    measure(study, tmp_path / "out")
    before = all_bytes(tmp_path / "out")
    measure(study, tmp_path / "out")
    assert all_bytes(tmp_path / "out") == before
    measure(study, tmp_path / "out", detection={"min_snr": 6})
    assert not list((tmp_path / "out").rglob("*.edited*"))


def test_publish_a_run_that_stopped_while_publishing_leaves_no_copies_later(study, tmp_path, monkeypatch):
    out = tmp_path / "out"
    measure(study, out)
    monkeypatch.setattr("blotquant.runs.manifest._move_aside", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measure(study, out, detection={"min_snr": 6})
    monkeypatch.undo()
    measure(study, out, detection={"min_snr": 7})
    assert not list(out.rglob("*.edited*"))
    assert not list(check_record(out, read_manifest(out)))


def test_measure_folder_corrections_made_while_the_picture_is_measured_are_not_lost(study, tmp_path):
    out = tmp_path / "out"
    measure(study, out)
    name = "blot1_AKT.tif.blot.json"
    untouched = session_text(load_session(out / "sessions" / name))
    corrected = correct(out / "sessions" / name)
    with pytest.raises(ChangedError, match="hand corrections were changed while it was measured"):
        Store(out).save(Part(key="x", fingerprint="f", sessions={name: untouched}))
    assert load_session(out / "sessions" / name) == corrected


def test_measure_folder_a_unit_whose_session_changed_fails_alone(study, tmp_path, monkeypatch):
    out = tmp_path / "out"
    measure(study, out)
    path = out / "sessions" / "blot1_AKT.tif.blot.json"
    save = Store.save

    def save_late(store, part):
        if path.name in part.sessions and part.error is None:
            correct(path)
        save(store, part)

    monkeypatch.setattr(Store, "save", save_late)
    result = measure(study, out)
    assert list(result.failures) == ["blot1_AKT.tif"]
    assert len(load_session(path).history) > 0


def test_read_manifest_reads_the_first_version(study, tmp_path):
    measure(study, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    data = json.loads((tmp_path / "out" / MANIFEST).read_bytes())
    data |= {"schema_version": 1, "seal": "0" * 64, "kept": {}}
    data["units"] = [unit | {"part": "0" * 64} for unit in data["units"]]
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(data))
    assert read_manifest(tmp_path / "out") == manifest


def _hold(folder, ready, leave):
    with locked(folder):
        ready.set()
        leave.wait(60)


def test_locked_lets_no_two_processes_write_to_one_folder(study, tmp_path):
    spawn = multiprocessing.get_context("spawn")
    ready, leave = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_hold, args=(tmp_path / "out", ready, leave))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(OutputError, match="another blotquant is writing to this folder"):
            measure(study, tmp_path / "out")
    finally:
        leave.set()
        other.join(60)
    assert other.exitcode == 0
    measure(study, tmp_path / "out")


def test_run_experiment_the_same_bytes_with_two_workers_and_on_a_moved_copy_with_other_dates(study, tmp_path):
    run_experiment(read_experiment(study), tmp_path / "out")
    one = all_bytes(tmp_path / "out")
    assert {"results.xlsx", "report.html", MANIFEST} <= set(one)
    run_experiment(read_experiment(study), tmp_path / "two", workers=Workers(jobs=2, progress="none"))
    assert all_bytes(tmp_path / "two") == one
    shutil.copytree(study, tmp_path / "elsewhere" / "deeper" / "in")
    for path in (tmp_path / "elsewhere").rglob("*"):
        os.utime(path, (1e9, 1e9))
    moved = tmp_path / "elsewhere" / "deeper"
    run_experiment(read_experiment(moved / "in"), moved / "out")
    assert all_bytes(moved / "out") == one


def test_pictures_and_sheets_are_left_alone(study, tmp_path):
    before = all_bytes(study)
    run_experiment(read_experiment(study), tmp_path / "out")
    assert all_bytes(study) == before
    assert json.loads((tmp_path / "out" / MANIFEST).read_bytes())["schema_version"] == 2
