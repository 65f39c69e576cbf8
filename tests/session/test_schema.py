"""The published schema is current and fits what is written; older formats are brought up, newer ones refused."""

import json
from dataclasses import replace

import pytest
from test_session import small_session
from write_session_schema import PUBLISHED, schema_text, session_schema

from blotquant.errors import SessionError
from blotquant.session import session as session_module
from blotquant.session.history import Change
from blotquant.session.session import SCHEMA_VERSION, parse_session, session_text

WHEN = "2026-01-02T03:04:05Z"


def edited():
    session = small_session()
    session = session.edit([Change("settings", "detection.min_snr", 5.0, 6.0)], action="settings", who="Ada", when=WHEN)
    lane = session.layout.lanes[0]
    return session.edit(
        [Change("lane", lane.id, lane, replace(lane, role="ladder"))], action="role", who="Ada", when=WHEN
    )


def test_schema_text_the_published_schema_is_current():
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), "run python tools/write_session_schema.py"


def test_session_schema_what_is_written_fits_the_schema():
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    validator = jsonschema.Draft202012Validator(session_schema())
    data = json.loads(session_text(edited()))
    assert [error.message for error in validator.iter_errors(data)] == []
    for wrong in (
        data | {"more": 1},
        data | {"schema_version": 2},
        data | {"polarity_at_start": "red"},
        data | {"image": {**data["image"], "sha256": 5}},
        data | {"history": [{**data["history"][0], "kind": "spot"}]},
    ):
        assert list(validator.iter_errors(wrong))


def test_migrations_migrations_every_earlier_version_has_its_step():
    assert set(session_module.MIGRATIONS) == set(range(1, SCHEMA_VERSION))


def test_version_1_is_read_as_it_was_written():
    """A file of version 1 stays readable for good; this text is never regenerated."""
    text = """{
 "history": [
  {"action":"polarity","after":"dark","before":"bright","group":1,"hash":"HASH","kind":"image","object_id":"polarity",
  "prev_hash":"","seq":1,"when":"2026-01-02T03:04:05Z","who":"Ada"}
 ],
 "image": {"channel":null,"name":"a.tif","page":null,"path":"../a.tif","sha256":"00","shape":[50,60]},
 "layout_auto": {"alternatives":[],"bands":[],"flags":[],"lanes":[],"strips":[]},
 "polarity_at_start": "bright",
 "schema_version": 1,
 "settings_at_start": {"detection.min_snr": 4.0},
 "versions": {"blotquant": "0.1.0"}
}"""
    session = parse_session(text.replace("HASH", "3f"))
    assert session.polarity == "dark"
    assert session.settings.detection.min_snr == 4.0
    assert session.image.shape == (50, 60)


def test_session_text_how_a_format_changes(monkeypatch):
    """The pattern for the next version: say that `layout_auto` was called `layout` in version 1."""

    def from_1_to_2(data):
        data["layout_auto"] = data.pop("layout")
        return data

    old = json.loads(session_text(small_session()))
    old["layout"] = old.pop("layout_auto")
    monkeypatch.setattr(session_module, "SCHEMA_VERSION", 2)
    monkeypatch.setattr(session_module, "MIGRATIONS", {1: from_1_to_2})
    session = parse_session(json.dumps(old))
    assert session.layout_auto == small_session().layout_auto
    assert session.history.verify_chain() == ()


def test_parse_session_takes_one_step_after_the_other(monkeypatch):
    old = json.loads(session_text(small_session()))
    old["a"] = old.pop("layout_auto")
    steps = {
        1: lambda data: {"b": data.pop("a"), **data},
        2: lambda data: {"layout_auto": data.pop("b"), **data},
    }
    monkeypatch.setattr(session_module, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(session_module, "MIGRATIONS", steps)
    assert parse_session(json.dumps(old)).layout_auto == small_session().layout_auto


def test_parse_session_an_earlier_version_without_what_its_step_needs_is_damaged(monkeypatch):
    monkeypatch.setattr(session_module, "SCHEMA_VERSION", 2)
    monkeypatch.setattr(session_module, "MIGRATIONS", {1: lambda d: {"layout_auto": d["layout"]}})
    with pytest.raises(SessionError, match="damaged: 'layout' is missing in a session of schema 1"):
        parse_session('{"schema_version": 1}')
