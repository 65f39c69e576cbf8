"""Parts survive, tables come out in order, and only one process writes."""

import json
import os
from dataclasses import replace

import pytest

from blotquant.errors import OutputError
from blotquant.model.geometry import Layout
from blotquant.runs.store import PART_VERSION, Part, Store, fingerprint, locked
from blotquant.session.image_reference import ImageReference
from blotquant.session.session import Session, session_text

COLUMNS = ("a", "b")
ROW = {"a": 1, "b": 2}


def part(key, *rows, **changes):
    return Part(**({"key": key, "fingerprint": "f", "tables": {"bands": list(rows) or [ROW]}} | changes))


def test_tables_follow_the_order_asked_for_not_that_of_saving(tmp_path):
    store = Store(tmp_path)
    store.save(part("second", {"a": 2, "b": 2}))
    store.save(part("first", {"a": 1, "b": 1}, {"b": 9, "a": 1, "more": 5}))
    store.save(part("failed", error="broken"))
    path = store.assemble(["first", "failed", "second", "never ran"], "bands", COLUMNS)
    assert path.read_text() == "a,b\n1,1\n1,9\n2,2\n"


def test_load_a_part_is_kept_only_for_the_same_fingerprint(tmp_path):
    store = Store(tmp_path)
    store.save(part("x", sessions={"x.blot.json": "{}"}, summary={"n": 3}))
    kept = store.load("x", fingerprint="f")
    assert kept is not None
    assert kept.summary == {"n": 3}
    assert (tmp_path / "sessions" / "x.blot.json").read_text() == "{}"
    assert store.load("x", fingerprint="other") is None
    assert store.load("y") is None


def test_load_a_failed_damaged_or_robbed_part_is_done_again(tmp_path):
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


def test_load_a_part_of_another_version_is_done_again(tmp_path):
    store = Store(tmp_path)
    store.save(part("x"))
    [file] = (tmp_path / ".blotquant" / "parts").iterdir()
    for version in (PART_VERSION - 1, PART_VERSION + 1):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"version": version}))
        assert store.load("x") is None
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": PART_VERSION}))
    assert store.load("x") is not None


def test_save_keeps_every_value_of_a_row_exactly(tmp_path):
    store, row = Store(tmp_path), {"real": 0.1 + 0.2, "whole": 7, "true": True, "text": "=1+1", "gone": None}
    store.save(part("x", row))
    assert list(store.records(["x"], "bands")) == [row]
    text = store.assemble(["x"], "bands", list(row)).read_text()
    assert text == "real,whole,true,text,gone\n0.30000000000000004,7,True,'=1+1,\n"


def test_forget_drops_what_a_failed_unit_had_left(tmp_path):
    store = Store(tmp_path)
    store.save(part("x"))
    store.forget("x")
    store.forget("never ran")
    assert store.load("x") is None


def test_save_leaves_no_unfinished_file_and_a_torn_one_is_cleared_by_the_next_run(tmp_path):
    store = Store(tmp_path)
    store.save(part("x", sessions={"x.blot.json": "{}"}))
    left = tmp_path / ".blotquant" / "tmp" / ".blotquant-0123456789abcdef.tmp"
    assert list(left.parent.iterdir()) == []
    old = tmp_path / "sessions" / left.name
    fresh = tmp_path / "sessions" / ".blotquant-0123456789abcde0.tmp"  # a window that saves just now
    for path in (left, old, fresh):
        path.write_text("torn")
    os.utime(old, (1e9, 1e9))
    with locked(tmp_path):
        assert [path.exists() for path in (left, old, fresh)] == [False, False, True]


@pytest.mark.parametrize("name", [".blotquant", ".blotquant/new", ".blotquant/parts", "sessions", "figures", "earlier"])
def test_locked_follows_no_link_in_a_results_folder(tmp_path, name):
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    (elsewhere / "thesis.docx").write_text("years of work")
    (out / name).parent.mkdir(parents=True)
    (out / name).symlink_to(elsewhere)
    with pytest.raises(OutputError, match=f"{name}: is a link"), locked(out):
        pass
    assert [path.name for path in elsewhere.iterdir()] == ["thesis.docx"]


def test_clear_new_removes_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "thesis.docx").write_text("years of work")
    store = Store(tmp_path / "out")
    store.clear_new()
    (store.new / "figures").symlink_to(tmp_path / "elsewhere")
    store.clear_new()
    assert list(store.new.iterdir()) == []
    assert (tmp_path / "elsewhere" / "thesis.docx").exists()


def test_one_writer_at_a_time(tmp_path):
    busy = pytest.raises(OutputError, match="another blotquant is writing")
    with locked(tmp_path / "out"), busy, locked(tmp_path / "out"):
        pass
    with locked(tmp_path / "out") as store:
        assert store.folder == tmp_path / "out"


def test_locked_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"), locked(tmp_path / "out"):
        pass
    assert (tmp_path / "out").read_text() == "mine"


def test_fingerprint_differs_by_content_not_by_key_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint("1") != fingerprint(1)


def test_save_takes_no_session_that_another_unit_or_a_killed_run_wrote_for_a_changed_one(tmp_path, monkeypatch):
    def save(text, key="x"):
        session = Session(image=ImageReference(path="x", name="x", sha256="0" * 64, shape=(9, 9)), layout_auto=Layout())
        sessions = {"x.blot.json": session_text(replace(session, versions={"v": text}))}
        Store(tmp_path).save(part(key, sessions=sessions))

    save("first")
    save("as part of a membrane", key="blot 1")
    save("alone")
    write = Store.write

    def stop_at_the_part(store, path, *args, **kwargs):
        if path.parent.name == "parts":
            raise KeyboardInterrupt("now")
        write(store, path, *args, **kwargs)

    monkeypatch.setattr(Store, "write", stop_at_the_part)
    with pytest.raises(KeyboardInterrupt, match="now"):
        save("second")
    monkeypatch.setattr(Store, "write", write)
    save("third")
    assert [path.name for path in (tmp_path / "sessions").iterdir()] == ["x.blot.json"]
    assert Store(tmp_path).load("x") is not None
