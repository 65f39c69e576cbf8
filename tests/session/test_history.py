"""The record: chain, undo and redo, replay over the same and over a new automatic result."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.session.history import Change, Edit, History
from blotquant.session.replay import apply_changes, apply_edits, diff_layouts, keep_ids, new_id, overlap, replay_on

WHEN = "2026-01-02T03:04:05Z"


def make_layout(n_lanes: int = 4, rows: tuple[int, ...] = (40, 70)) -> Layout:
    strip = Strip(id="s1", number=1, outline=rectangle(0, 100, 0, 200))
    lanes = [
        Lane(id=f"l{k}", strip="s1", number=k, center=((0.0, 30.0 * k), (99.0, 30.0 * k)), widths=(20.0, 20.0))
        for k in range(1, n_lanes + 1)
    ]
    bands = [
        Band(
            id=f"l{k}b{j}",
            lane=f"l{k}",
            outline=rectangle(r, r + 10, 30 * k - 8, 30 * k + 9),
            peak=(r + 5.0, 30.0 * k),
            row=j,
        )
        for k in range(1, n_lanes + 1)
        for j, r in enumerate(rows, start=1)
    ]
    return Layout(strips=(strip,), lanes=tuple(lanes), bands=tuple(bands)).sorted()


def moved(band: Band, rows: float) -> Band:
    outline = tuple((r + rows, c) for r, c in band.outline)
    return replace(band, outline=outline, peak=(band.peak[0] + rows, band.peak[1]), origin="edited")


def record(layout: Layout, *gestures: list[Change], action: str = "move") -> History:
    history = History()
    for changes in gestures:
        history = history.append(changes, action=action, who="Ada", when=WHEN)
    return history


def test_apply_edits_edits_apply_over_the_automatic_result() -> None:
    layout = make_layout()
    band = layout.band("l2b1")
    history = record(
        layout,
        [Change("band", band.id, band, moved(band, 3))],
        [Change("band", "l3b2", layout.band("l3b2"), None)],
    )
    result, conflicts = apply_edits(layout, history.edits)
    assert conflicts == ()
    assert result.band("l2b1") == moved(band, 3)
    assert [b.id for b in result.bands if b.lane == "l3"] == ["l3b1"]
    assert len(result.bands) == len(layout.bands) - 1


def test_undo_and_redo_append_and_restore_exactly() -> None:
    layout = make_layout()
    first, second = layout.band("l1b1"), layout.band("l2b1")
    history = record(
        layout,
        [Change("band", first.id, first, moved(first, 2)), Change("band", second.id, second, None)],
        [Change("band", first.id, moved(first, 2), moved(first, 5))],
    )
    after = [apply_edits(layout, history.edits)[0]]
    undone = history.undo(who="Ada", when=WHEN)
    assert len(undone) == len(history) + 1
    assert apply_edits(layout, undone.edits)[0].band("l1b1") == moved(first, 2)
    twice = undone.undo(who="Ada", when=WHEN)
    assert apply_edits(layout, twice.edits)[0] == layout
    again = twice.redo(who="Ada", when=WHEN).redo(who="Ada", when=WHEN)
    assert apply_edits(layout, again.edits)[0] == after[0]
    assert again.edits[: len(history)] == history.edits
    assert [e.action for e in again.edits[len(history) :]] == ["undo", "undo", "undo", "redo", "redo", "redo"]
    assert again.verify_chain() == ()


def test_history_a_new_gesture_after_undo_ends_redoing() -> None:
    layout = make_layout()
    band = layout.band("l1b1")
    history = record(layout, [Change("band", band.id, band, None)]).undo(who="Ada", when=WHEN)
    assert history.redoable
    history = history.append([Change("band", band.id, band, moved(band, 1))], action="move", who="Ada", when=WHEN)
    assert not history.redoable
    with pytest.raises(ValueError, match="nothing to redo"):
        history.redo(who="Ada", when=WHEN)


def test_history_nothing_to_undo_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to undo"):
        History().undo(who="Ada", when=WHEN)


def test_undo_steps_over_notes() -> None:
    layout = make_layout()
    band = layout.band("l1b1")
    history = record(layout, [Change("band", band.id, band, None)])
    history = history.append([Change("image", "blind", False, True)], action="blind_on", who="Ada", when=WHEN)
    assert history.undoable[0].action == "move"
    assert apply_edits(layout, history.undo(who="Ada", when=WHEN).edits)[0] == layout


@pytest.mark.parametrize(
    "tamper",
    [
        lambda e: replace(e, who="Eve"),
        lambda e: replace(e, when="2027-01-01T00:00:00Z"),
        lambda e: replace(e, after=None),
        lambda e: replace(e, action="delete"),
        lambda e: replace(e, before=moved(e.before, 1)),
        lambda e: replace(e, group=7),
    ],
)
def test_history_any_changed_field_breaks_the_chain(tamper) -> None:
    layout = make_layout()
    band = layout.band("l1b1")
    history = record(
        layout,
        [Change("band", band.id, band, moved(band, 1))],
        [Change("band", band.id, moved(band, 1), moved(band, 2))],
    )
    assert history.verify_chain() == ()
    broken = History((tamper(history.edits[0]), history.edits[1]))
    assert any("edit 1" in line and "changed after it was written" in line for line in broken.verify_chain())


def test_history_a_removed_edit_breaks_the_chain() -> None:
    layout = make_layout()
    band = layout.band("l1b1")
    history = record(
        layout,
        [Change("band", band.id, band, moved(band, 1))],
        [Change("band", band.id, moved(band, 1), moved(band, 2))],
    )
    problems = History(history.edits[1:]).verify_chain()
    assert any("numbered 2" in line for line in problems)
    assert any("does not follow" in line for line in problems)


def test_history_whole_numbers_in_places_of_real_ones_keep_the_hash() -> None:
    band = replace(make_layout().band("l1b1"), peak=(45, 30))
    history = record(make_layout(), [Change("band", band.id, None, band)])
    stored = history.edits[0].after
    assert isinstance(stored, Band)
    assert all(isinstance(v, float) for v in stored.peak)


# finding again


def test_apply_edits_an_edit_changes_only_the_fields_it_touched() -> None:
    layout = make_layout()
    lane = layout.lane("l1")
    history = record(layout, [Change("lane", "l1", lane, replace(lane, role="ladder"))])
    shifted = replace(lane, center=((0.0, 31.0), (99.0, 32.0)), confidence=0.4)
    again = replace(layout, lanes=(shifted, *layout.lanes[1:]))
    result, conflicts = apply_edits(again, history.edits)
    assert conflicts == ()
    assert result.lane("l1") == replace(shifted, role="ladder")


def test_apply_edits_an_edit_follows_its_band_under_a_new_id() -> None:
    layout = make_layout()
    band = layout.band("l2b1")
    history = record(layout, [Change("band", band.id, band, replace(band, target="pAKT"))])
    again = replace(layout, bands=tuple(replace(b, id=f"new-{b.id}") for b in layout.bands))
    result, conflicts = apply_edits(again, history.edits)
    assert conflicts == ()
    assert {b.id: b.target for b in result.bands if b.target} == {"new-l2b1": "pAKT"}


def test_apply_edits_a_correction_of_a_band_that_is_gone_is_reported_not_dropped() -> None:
    layout = make_layout()
    band = layout.band("l2b1")
    history = record(layout, [Change("band", band.id, band, moved(band, 2))])
    again = replace(layout, bands=tuple(b for b in layout.bands if b.id != "l2b1"))
    result, conflicts = apply_edits(again, history.edits)
    assert result == again
    assert len(conflicts) == 1
    assert conflicts[0].edit == history.edits[0]
    assert conflicts[0].reason == "band l2b1 is not found any more near row 44, column 60"


def test_apply_edits_a_drawn_band_in_a_lane_that_is_gone_is_reported() -> None:
    layout = make_layout()
    drawn = Band(id="h1", lane="l4", outline=rectangle(10, 20, 112, 129), peak=(15.0, 120.0), origin="drawn")
    history = record(layout, [Change("band", "h1", None, drawn)])
    assert apply_edits(layout, history.edits)[0].band("h1") == drawn
    _, conflicts = apply_edits(make_layout(n_lanes=3), history.edits)
    assert [c.reason for c in conflicts] == ["lane l4 of band h1 is gone"]


def test_apply_edits_deleting_what_is_not_found_any_more_is_no_conflict() -> None:
    layout = make_layout()
    history = record(layout, [Change("band", "l4b1", layout.band("l4b1"), None)])
    assert apply_edits(make_layout(n_lanes=3), history.edits) == (make_layout(n_lanes=3), ())


def test_apply_edits_undone_edits_never_conflict() -> None:
    layout = make_layout()
    band = layout.band("l4b1")
    history = record(layout, [Change("band", band.id, band, moved(band, 2))]).undo(who="Ada", when=WHEN)
    assert apply_edits(make_layout(n_lanes=3), history.edits) == (make_layout(n_lanes=3), ())


def test_found_again_things_keep_their_ids_and_new_ones_get_fresh_ones() -> None:
    layout = make_layout(n_lanes=3)
    names = {"l1": "l2", "l2": "l3", "l3": "l4"}
    again = make_layout(n_lanes=4)
    shifted = replace(
        layout,
        lanes=tuple(replace(x, id=names[x.id]) for x in layout.lanes),
        bands=tuple(replace(b, lane=names[b.lane]) for b in layout.bands),
    )
    kept = keep_ids(again, [shifted])
    assert [x.id for x in kept.lanes[:3]] == ["l2", "l3", "l4"]
    assert kept.lanes[3].id not in {"l1", "l2", "l3", "l4"} or kept.lanes[3].id == "l1"
    assert len({x.id for x in kept.lanes}) == 4


def test_finding_again_keeps_corrections_and_does_not_double_a_drawn_band() -> None:
    layout = make_layout(rows=(40,))
    drawn = Band(id="h1", lane="l2", outline=rectangle(70, 80, 52, 69), peak=(75.0, 60.0), origin="drawn")
    history = record(layout, [Change("band", "h1", None, drawn)], [Change("band", "l1b1", layout.band("l1b1"), None)])
    corrected, _ = apply_edits(layout, history.edits)
    again = make_layout(rows=(40, 71))
    result, conflicts = replay_on(again, [layout, corrected], history.edits)
    assert conflicts == ()
    assert result.band("h1").outline == drawn.outline
    assert len(result.bands_of("l2")) == 2
    assert [b.row for b in result.bands_of("l1")] == [2]


def test_new_id_ids_are_never_used_again() -> None:
    layout = make_layout()
    drawn = Band(id="h1", lane="l2", outline=rectangle(10, 20, 52, 69), peak=(15.0, 60.0), origin="drawn")
    history = record(layout, [Change("band", "h1", None, drawn)], [Change("band", "h1", drawn, None)])
    assert new_id("h", history.used_ids("band")) == "h2"


def test_changes_that_do_not_fit_the_layout_raise() -> None:
    band = replace(make_layout().band("l1b1"), id="nowhere", outline=rectangle(0, 3, 0, 3))
    with pytest.raises(ValueError, match="nowhere is not found any more"):
        apply_changes(make_layout(), [Change("band", "nowhere", band, moved(band, 1))])


def test_overlap_against_areas() -> None:
    a = rectangle(0, 10, 0, 10)
    assert overlap(a, a) == 1.0
    assert overlap(a, rectangle(5, 15, 0, 10)) == pytest.approx(50 / 150)
    assert overlap(a, rectangle(10, 20, 0, 10)) == 0.0


# properties


@st.composite
def gestures(draw: st.DrawFn) -> list[str]:
    return draw(
        st.lists(
            st.sampled_from(["move", "delete", "draw", "target", "role", "drop_lane", "undo", "redo"]),
            max_size=25,
        )
    )


def make_change(layout: Layout, word: str, k: int, used: frozenset[str]) -> list[Change]:
    if word == "draw":
        lane = layout.lanes[k % len(layout.lanes)]
        key = new_id("h", used)
        new = Band(
            id=key,
            lane=lane.id,
            outline=rectangle(10 + k % 7, 15 + k % 7, 3, 9),
            peak=(12.0, 5.0),
            origin="drawn",
        )
        return [Change("band", key, None, new)]
    if word == "role":
        lane = layout.lanes[k % len(layout.lanes)]
        return [Change("lane", lane.id, lane, replace(lane, role="ladder" if lane.role == "sample" else "sample"))]
    if word == "drop_lane" and len(layout.lanes) > 1:
        lane = layout.lanes[k % len(layout.lanes)]
        return [
            *(Change("band", b.id, b, None) for b in layout.bands_of(lane.id)),
            Change("lane", lane.id, lane, None),
        ]
    if not layout.bands or word == "drop_lane":
        return []
    band = layout.bands[k % len(layout.bands)]
    after = {"move": moved(band, 1.5), "delete": None, "target": replace(band, target=f"p{k}")}[word]
    return [Change("band", band.id, band, after)]


@settings(max_examples=60, deadline=None)
@given(gestures())
def test_undo_all_restores_and_redo_all_repeats(words: list[str]) -> None:
    start, history = make_layout(), History()
    for k, word in enumerate(words):
        layout = apply_edits(start, history.edits)[0]
        if word == "undo":
            history = history.undo(who="Ada", when=WHEN) if history.undoable else history
        elif word == "redo":
            history = history.redo(who="Ada", when=WHEN) if history.redoable else history
        else:
            history = history.append(
                make_change(layout, word, k, history.used_ids("band")), action=word, who="Ada", when=WHEN
            )
    final, conflicts = apply_edits(start, history.edits)
    assert conflicts == ()
    assert history.verify_chain() == ()
    steps = 0
    while history.undoable:
        history, steps = history.undo(who="Ada", when=WHEN), steps + 1
    assert apply_edits(start, history.edits)[0] == start
    for _ in range(steps):
        history = history.redo(who="Ada", when=WHEN)
    assert apply_edits(start, history.edits)[0] == final


@settings(max_examples=40, deadline=None)
@given(gestures())
def test_apply_changes_the_difference_of_two_layouts_turns_one_into_the_other(words: list[str]) -> None:
    start, used = make_layout(), frozenset[str]()
    layout = start
    for k, word in enumerate(w for w in words if w not in ("undo", "redo")):
        changes = make_change(layout, word, k, used)
        used |= {c.object_id for c in changes}
        layout = apply_changes(layout, changes)
    assert apply_changes(start, diff_layouts(start, layout)) == layout


def test_edit_an_edit_is_a_value() -> None:
    layout = make_layout()
    band = layout.band("l1b1")
    a = record(layout, [Change("band", band.id, band, None)])
    b = record(layout, [Change("band", band.id, band, None)])
    assert a == b
    assert isinstance(a.edits[0], Edit)
    assert len(a.edits[0].hash) == 64


def test_replay_on_keeps_bands_found_in_a_lane_that_took_another_ones_place() -> None:
    """A band went with its lane, and a new lane lies there now: the band is found in it. A deleted one stays away."""
    layout = make_layout(rows=(40, 71))
    lane, (first, second) = layout.lane("l1"), layout.bands_of("l1")
    new = replace(lane, id="hand-lane1")
    history = record(
        layout,
        [Change("band", second.id, second, None)],
        [Change("band", first.id, first, None), Change("lane", "l1", lane, None)],
        [Change("lane", new.id, None, new)],
    )
    corrected, _ = apply_edits(layout, history.edits)
    here = [replace(b, id=f"n{k}", lane=new.id) for k, b in enumerate((first, second))]
    found = replace(corrected, bands=(*corrected.bands, *here))
    result, conflicts = replay_on(found, [layout, corrected], history.edits)
    assert [b.id for b in result.bands_of(new.id)] == [first.id]
    assert conflicts == ()
