"""Parts survive, tables come out in order, and only one process writes."""

import json

import pytest

from blotquant.errors import OutputError
from blotquant.runs.store import PART_VERSION, Part, Store, fingerprint, locked

HEADER = "a,b\n"


def part(key, rows="1,2\n", **changes):
    return Part(**({"key": key, "fingerprint": "f", "tables": {"bands": HEADER + rows}} | changes))


def test_tables_follow_the_order_asked_for_not_that_of_saving(tmp_path):
    store = Store(tmp_path)
    store.save(part("second", "2,2\n"))
    store.save(part("first", "1,1\n1,9\n"))
    store.save(part("failed", error="broken"))
    path = store.assemble(["first", "failed", "second", "never ran"], "bands", header=HEADER)
    assert path.read_text() == "a,b\n1,1\n1,9\n2,2\n"


def test_a_part_is_kept_only_for_the_same_fingerprint(tmp_path):
    store = Store(tmp_path)
    store.save(part("x", sessions={"x.blot.json": "{}"}, summary={"n": 3}))
    kept = store.load("x", fingerprint="f")
    assert kept is not None
    assert kept.summary == {"n": 3}
    assert (tmp_path / "sessions" / "x.blot.json").read_text() == "{}"
    assert store.load("x", fingerprint="other") is None
    assert store.load("y") is None


def test_a_failed_damaged_or_robbed_part_is_done_again(tmp_path):
    store = Store(tmp_path)
    store.save(part("failed", error="no"))
    assert store.load("failed") is None
    store.save(part("x", sessions={"x.blot.json": "{}"}))
    (tmp_path / "sessions" / "x.blot.json").unlink()
    assert store.load("x") is None
    store.save(part("torn"))
    file = next(p for p in (tmp_path / ".blotquant" / "parts").iterdir() if "torn" in p.read_text())
    file.write_text(file.read_text()[:20])
    assert store.load("torn") is None


def test_a_part_of_another_version_is_done_again(tmp_path):
    store = Store(tmp_path)
    store.save(part("x"))
    [file] = (tmp_path / ".blotquant" / "parts").iterdir()
    for version in (PART_VERSION - 1, PART_VERSION + 1):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"version": version}))
        assert store.load("x") is None
        assert store.digest("x") == ""
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": PART_VERSION}))
    assert store.load("x") is not None


def test_rows_of_another_shape_are_refused(tmp_path):
    store = Store(tmp_path)
    store.save(part("old", tables={"bands": "a\n1\n"}))
    with pytest.raises(OutputError, match="old has other columns"):
        store.assemble(["old"], "bands", header=HEADER)


def test_one_writer_at_a_time(tmp_path):
    busy = pytest.raises(OutputError, match="another blotquant is writing")
    with locked(tmp_path / "out"), busy, locked(tmp_path / "out"):
        pass
    with locked(tmp_path / "out") as store:
        assert store.folder == tmp_path / "out"


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"), locked(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_fingerprints_differ_by_content_not_by_key_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint("1") != fingerprint(1)
