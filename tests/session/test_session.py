"""Sessions: round trip over every field, canonical text, clear errors, the picture found again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from drawn import models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blotquant.errors import OutputError, SessionError
from blotquant.model.geometry import (
    ROLES,
    Band,
    Lane,
    LaneAlternative,
    Layout,
    Strip,
    rectangle,
)
from blotquant.model.image import Orientation
from blotquant.session.history import Change, History
from blotquant.session.image_reference import ImageReference
from blotquant.session.session import (
    SCHEMA_VERSION,
    Session,
    load_session,
    parse_session,
    save_session,
    session_text,
)
from blotquant.settings import Settings

WHEN = "2026-01-02T03:04:05Z"


def small_session() -> Session:
    strip = Strip(id="s1", number=1, outline=rectangle(0, 50, 0, 60), tilt_deg=0.1)
    lane = Lane(id="l1", strip="s1", number=1, center=((0.0, 20.0), (49.0, 21.0)), widths=(10.0, 11.0))
    band = Band(id="b1", lane="l1", outline=rectangle(20, 26, 15, 26), peak=(22.5, 20.0))
    layout = Layout(strips=(strip,), lanes=(lane,), bands=(band,))
    reference = ImageReference(path="../raw/a.tif", name="a.tif", sha256="0" * 64, shape=(50, 60))
    session = Session(image=reference, layout_auto=layout, versions={"blotquant": "0.1.0"})
    return session.edit(
        [Change("band", "b1", band, replace(band, target="pAKT"))], action="target", who="Ada", when=WHEN
    )


# every field

real = st.floats(-1e6, 1e6, allow_nan=False)
share = st.floats(0, 1)
word = st.text(min_size=1, max_size=8)
names = st.lists(word, max_size=3).map(tuple)
point = st.tuples(real, real)
outline = st.lists(point, min_size=3, max_size=5).map(tuple)
strips = st.builds(Strip, id=word, number=st.integers(1, 9), outline=outline, tilt_deg=real, confidence=share)
bands = st.builds(
    Band,
    id=word,
    lane=st.just("l"),
    outline=outline,
    peak=point,
    row=st.none() | st.integers(1, 9),
    target=st.none() | word,
    origin=st.sampled_from(["detected", "expected", "edited", "drawn"]),
    status=st.sampled_from(["detected", "not_detected"]),
    confidence=share,
    flags=names,
    split=st.lists(point, max_size=3).map(tuple),
    split_sd=share,
)


@st.composite
def lanes(draw: st.DrawFn) -> Lane:
    rows = sorted(draw(st.sets(real, min_size=2, max_size=4)))
    n = len(rows)
    center = tuple(zip(rows, draw(st.lists(real, min_size=n, max_size=n)), strict=True))
    widths = tuple(draw(st.lists(st.floats(0.1, 1e3), min_size=n, max_size=n)))
    return Lane(
        id=draw(word),
        strip=draw(word),
        number=draw(st.integers(1, 60)),
        center=center,
        widths=widths,
        role=draw(st.sampled_from(ROLES)),
        confidence=draw(share),
        flags=draw(names),
    )


def connected(layout: Layout) -> Layout:
    """The same with each lane on one of its strips and each band in one of its lanes."""
    n_strips, n_lanes = len(layout.strips), len(layout.lanes) if layout.strips else 0
    lanes = [replace(x, strip=layout.strips[k % n_strips].id) for k, x in enumerate(layout.lanes[:n_lanes])]
    bands = [replace(b, lane=layout.lanes[k % n_lanes].id) for k, b in enumerate(layout.bands) if n_lanes]
    return replace(layout, lanes=tuple(lanes), bands=tuple(bands))


layouts = st.builds(
    Layout,
    strips=st.lists(strips, max_size=2).map(tuple),
    lanes=st.lists(lanes(), max_size=3).map(tuple),
    bands=st.lists(bands, max_size=3).map(tuple),
    flags=names,
    alternatives=st.lists(
        st.builds(LaneAlternative, strip=word, n_lanes=st.integers(1, 60), confidence=share), max_size=2
    ).map(tuple),
).map(connected)
all_settings = models(Settings)
changes = st.one_of(
    st.builds(Change, st.just("strip"), word, st.none() | strips, st.none() | strips),
    st.builds(Change, st.just("lane"), word, st.none() | lanes(), st.none() | lanes()),
    st.builds(Change, st.just("band"), word, st.none() | bands, st.none() | bands),
    st.builds(Change, st.just("image"), word, st.none() | word | st.booleans(), word),
    st.builds(Change, st.just("settings"), st.just("detection.min_snr"), st.just(5.0), st.floats(1, 100)),
)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    history = History()
    for group in draw(st.lists(st.lists(changes, max_size=3), max_size=3)):
        history = history.append(group, action=draw(word), who=draw(word), when=WHEN)
    reference = draw(
        st.builds(
            ImageReference,
            path=word,
            name=word,
            sha256=word,
            shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
            page=st.none() | st.integers(0, 9),
            channel=st.none() | word,
        )
    )
    return Session(
        image=reference,
        layout_auto=draw(layouts),
        settings_at_start=draw(all_settings),
        history=history,
        polarity_at_start=draw(st.sampled_from(["bright", "dark"])),
        versions=draw(st.dictionaries(word, word, max_size=2)),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions())
def test_session_text_round_trip_over_every_field(session: Session) -> None:
    text = session_text(session)
    back = parse_session(text)
    assert back == session
    assert session_text(back) == text
    assert back.history.verify_chain() == ()


def test_save_session_round_trip_of_a_file_gives_the_same_layout(tmp_path: Path) -> None:
    session = small_session()
    save_session(session, tmp_path / "a.blot.json")
    back = load_session(tmp_path / "a.blot.json")
    assert back == session
    assert back.layout.band("b1").target == "pAKT"
    assert back.history.verify_chain() == ()
    assert back.conflicts == ()


def test_text_is_diffable_one_band_a_line() -> None:
    session = small_session()
    band = session.layout_auto.bands[0]
    more = replace(session, layout_auto=replace(session.layout_auto, bands=(band, replace(band, id="b2"))))
    old, new = session_text(session).splitlines(), session_text(more).splitlines()
    assert len(new) == len(old) + 1
    assert json.loads(session_text(session))["schema_version"] == SCHEMA_VERSION


def test_session_text_whole_numbers_in_the_layout_give_the_same_bytes() -> None:
    session = small_session()
    band = replace(session.layout_auto.bands[0], peak=(22, 20))
    whole = replace(session, layout_auto=replace(session.layout_auto, bands=(band,)))
    assert session_text(parse_session(session_text(whole))) == session_text(whole)


@pytest.mark.parametrize(
    ("kind", "field", "words"),
    [("lanes", "strip", "lane l1 lies on strip s9"), ("bands", "lane", "band b1 lies in lane s9")],
)
def test_parse_session_names_what_lies_on_nothing(kind: str, field: str, words: str) -> None:
    data = json.loads(session_text(small_session()))
    data["layout_auto"][kind][0][field] = "s9"
    with pytest.raises(SessionError, match=f"damaged: {words}, which is not in the session"):
        parse_session(json.dumps(data))


def test_settings_and_polarity_follow_the_history_and_undo() -> None:
    session = small_session()
    changed = session.edit([Change("settings", "detection.n_lanes", None, 12)], action="settings", who="Ada", when=WHEN)
    changed = changed.edit([Change("image", "polarity", "bright", "dark")], action="polarity", who="Ada", when=WHEN)
    assert changed.settings.detection.n_lanes == 12
    assert changed.polarity == "dark"
    undone = changed.undo(who="Ada", when=WHEN).undo(who="Ada", when=WHEN)
    assert (undone.settings, undone.polarity) == (session.settings, "bright")
    assert undone.redo(who="Ada", when=WHEN).settings.detection.n_lanes == 12


@settings(max_examples=30, deadline=None)
@given(all_settings)
def test_settings_flatten_and_nest(value: Settings) -> None:
    assert Settings.from_flat(value.flat()) == value


# errors


def break_text(**fields: object) -> str:
    return json.dumps(json.loads(session_text(small_session())) | fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema_version": 1', r"a.blot.json: damaged, not valid JSON .*autosaved copy"),
        ("[1, 2]", "not a blotquant session"),
        ('{"lanes": []}', "not a blotquant session"),
        ('{"schema_version": "one"}', "schema_version is 'one', a whole number from 1"),
        (
            '{"schema_version": 3}',
            r"written by a newer blotquant \(schema 3, this one reads up to 1\); update",
        ),
        ('{"schema_version": 1}', "missing fields .*layout_auto"),
        (break_text(extra=1), r"unknown fields \['extra'\]"),
        (break_text(polarity_at_start="red"), "damaged: .*'bright' or 'dark'.*got 'red'"),
        (break_text(settings_at_start={"detection.min_snr": "five"}), r"detection\.min_snr: .*got 'five'"),
        (break_text(layout_auto={"bands": [{"id": 3}]}), r"bands\.0\."),
        (break_text(history=[{"seq": 1}]), "damaged: "),
        (break_text(history=3), "damaged: "),
        ("[" * 100_000, "damaged, not valid JSON|not a blotquant session"),
    ],
)
def test_load_session_damage_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.blot.json").write_text(text, encoding="utf-8")
    with pytest.raises(SessionError, match=message):
        load_session(tmp_path / "a.blot.json")


def test_load_session_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.blot.json").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(SessionError, match="cannot be read"):
        load_session(tmp_path / "a.blot.json")
    with pytest.raises(SessionError, match="no such session"):
        load_session(tmp_path / "b.blot.json")


def test_session_text_every_cut_of_a_session_is_an_error_never_a_wrong_session() -> None:
    text = session_text(small_session())
    for stop in range(0, len(text) - 2, 37):
        with pytest.raises(SessionError, match=r"^session: damaged, not valid JSON"):
            parse_session(text[:stop])


def test_session_text_a_tampered_file_is_told(tmp_path: Path) -> None:
    text = session_text(small_session()).replace('"who": "Ada"', '"who": "Eve"')
    problems = parse_session(text).history.verify_chain()
    assert problems == ("edit 1 (target band b1) was changed after it was written",)


def test_save_session_an_unwritable_place_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_session(small_session(), tmp_path / "file" / "a.blot.json")


def test_parse_session_of_before_orientations_keeps_the_picture_as_stored() -> None:
    data = json.loads(session_text(small_session()))
    del data["image"]["orientation"]
    assert parse_session(json.dumps(data)).image.orientation == Orientation(tag=1)
