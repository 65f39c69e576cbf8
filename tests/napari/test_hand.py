"""Every gesture that the dock offers, with a real mouse and real keys in the real viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

WAIT_MS = 60_000


def handle(layer: Any, key: str, column: str, place: int) -> tuple[float, float]:
    """Where napari draws a handle of the selected shape: 0 to 7 around the box, 9 to turn it."""
    index = list(layer.features[column]).index(key)
    layer.selected_data = {index}
    row, col = layer._selected_box[place]
    return float(row), float(col)


def test_strips_are_moved_drawn_and_removed(dock: Any, qtbot: Any) -> None:
    from mouse import click, drag, move_to, press
    from qtpy.QtCore import Qt

    viewer, editor = dock.viewer, dock.editor
    start = editor.layout
    move_to(viewer, 80, 120)
    press(viewer, Qt.Key.Key_2)
    assert dock.layers.strips.visible
    strip, lane = start.strips[0], start.lanes[0]
    click(viewer, 80, 5)
    drag(viewer, (80, 5), (84, 5))
    moved = editor.layout
    step = moved.strips[0].outline[0][0] - strip.outline[0][0]
    assert step == pytest.approx(4, abs=1.0)
    assert moved.lanes[0].center[0][0] == pytest.approx(lane.center[0][0] + step, abs=1e-3)
    assert len({b.outline for b in moved.bands} & {b.outline for b in start.bands}) == 0
    dock.hand.run("draw")
    drag(viewer, (20, 30), (60, 200))
    assert [s.id for s in editor.layout.strips if s.id.startswith("hand")] == ["hand-strip1"]
    assert editor.session.history.edits[-1].action == "add_strip"
    press(viewer, Qt.Key.Key_U)
    assert len(editor.layout.strips) == 1
    for _ in range(3):
        press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert editor.layout == start
    dock.steps.go(dock.steps.BANDS)
    assert not dock.layers.strips.visible


def test_a_lanes_edge_and_its_centre_line_are_dragged(dock: Any, qtbot: Any) -> None:
    from mouse import click, drag, middle, move_to, press
    from qtpy.QtCore import Qt

    viewer, editor = dock.viewer, dock.editor
    start, lane = editor.layout, editor.layout.lanes[1]
    move_to(viewer, *middle(lane))
    press(viewer, Qt.Key.Key_3)
    click(viewer, *middle(lane))
    edge = handle(dock.layers.lanes, lane.id, "lane_id", 5)
    drag(viewer, edge, (edge[0], edge[1] + 5))
    wider = editor.layout.lane(lane.id)
    assert max(wider.widths) == pytest.approx(max(lane.widths) + 5, abs=1.0)
    press(viewer, Qt.Key.Key_C)
    assert dock.layers.centers.visible
    row, col = dock.layers.centers.data[1][3]
    drag(viewer, (row, col), (row, col + 6))
    bent = editor.layout.lane(lane.id)
    cols = np.array([c for _, c in bent.center]) - wider.center_at([r for r, _ in bent.center])
    assert cols[3] == pytest.approx(6, abs=1.0)
    assert cols[0] == pytest.approx(0, abs=1e-3)
    assert 0 < cols[2] < cols[3]
    band = next(b for b in start.bands if b.lane == lane.id)
    assert editor.layout.band(band.id).outline != band.outline
    actions = [group[0].action for group in editor.session.history.groups()]
    assert actions == ["reshape_lane", "bend_lane"]
    press(viewer, Qt.Key.Key_C)
    assert not dock.layers.centers.visible
    for _ in actions:
        press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert editor.layout == start


def test_a_band_is_turned_cut_merged_snapped_and_copied_along_its_row(dock: Any, qtbot: Any) -> None:
    from mouse import click, drag, middle, move_to, press
    from qtpy.QtCore import Qt

    viewer, editor = dock.viewer, dock.editor
    start, band = editor.layout, editor.layout.bands[0]
    row, col = middle(band)
    click(viewer, row, col)
    stalk = handle(dock.layers.bands, band.id, "band_id", 9)
    drag(viewer, stalk, (stalk[0] + 6, stalk[1] + 3))
    turned = editor.layout.band(band.id)
    assert len({round(r, 1) for r, _ in turned.outline}) > 3, "no side is level any more"
    move_to(viewer, row, col)
    press(viewer, Qt.Key.Key_H)
    others = [b for b in editor.layout.bands if b.row == band.row and b.id != band.id]
    assert {b.origin for b in others} == {"edited"}
    move_to(viewer, row, col)
    press(viewer, Qt.Key.Key_B)
    snapped = editor.layout.band(band.id)
    assert {min(r for r, _ in snapped.outline) % 1, max(r for r, _ in snapped.outline) % 1} == {0.5}, "whole rows"
    dock.layers.bands.selected_data = set()
    press(viewer, Qt.Key.Key_K)
    cut = [b for b in editor.layout.bands if b.lane == band.lane and b.origin == "drawn"]
    assert len(cut) == 1
    keys = dock.layers.band_ids()
    dock.layers.bands.selected_data = {keys.index(band.id), keys.index(cut[0].id)}
    press(viewer, Qt.Key.Key_M)
    assert len(editor.layout.bands) == len(start.bands)
    actions = [group[0].action for group in editor.session.history.groups()]
    assert actions == ["resize", "copy_aperture", "snap", "split", "merge"]
    for _ in actions:
        press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert editor.layout == start


def test_targets_by_click_and_the_ladders_masses_by_key(dock: Any, qtbot: Any) -> None:
    from mouse import click, middle, move_to, press
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from blotquant.session.band_edits import draw_band

    viewer, editor, targets = dock.viewer, dock.editor, dock.steps.targets
    dock.steps.go(dock.steps.TARGETS)
    targets.target.setCurrentText("AKT")
    QTest.mouseClick(targets._by_click, Qt.MouseButton.LeftButton)
    band = next(b for b in editor.layout.bands if b.row == 2)
    click(viewer, *middle(band))
    assert {b.target for b in editor.layout.bands if b.row == 2} == {"AKT"}
    QTest.mouseClick(targets._by_click, Qt.MouseButton.LeftButton)
    lane = editor.layout.lanes[0]
    col = float(lane.center_at(20))
    box = [(14, col - 8), (14, col + 8), (24, col + 8), (24, col - 8)]
    editor.do(draw_band(editor.layout, box), "draw")
    dock.layers.bands.selected_data = set()
    places = sorted(middle(b) for b in editor.layout.bands if b.lane == lane.id)
    move_to(viewer, *places[0])
    press(viewer, Qt.Key.Key_W)
    assert "mass in kDa" in dock.messages.message.text()
    targets.ladder.setCurrentText("PageRuler")
    assert editor.session.settings.identification.ladder == "PageRuler"
    press(viewer, Qt.Key.Key_W)
    assert "press G to mark it" in dock.messages.message.text()
    press(viewer, Qt.Key.Key_G)
    for place in places:
        move_to(viewer, *place)
        press(viewer, Qt.Key.Key_W)
    named = [b.target for b in sorted(editor.layout.bands, key=lambda b: b.peak) if b.lane == lane.id]
    assert named == ["180 kDa", "130 kDa", "100 kDa"]
    qtbot.waitUntil(lambda: editor.is_exact, timeout=WAIT_MS)
    masses = editor.table.loc[editor.table["lane"] == 1, "mw_kda"]
    assert list(masses) == pytest.approx([180, 130, 100])


def test_doubts_are_walked_and_confirmed_and_blind_mode_hides_what_lanes_are(dock: Any, qtbot: Any) -> None:
    from dataclasses import replace

    from mouse import move_to, press
    from qtpy.QtCore import Qt

    from blotquant.session.history import Change

    viewer, editor = dock.viewer, dock.editor
    unsure = [(editor.layout.bands[1], 0.3), (editor.layout.bands[4], 0.5)]
    editor.do([Change("band", b.id, b, replace(b, confidence=c)) for b, c in unsure], "find_again")
    move_to(viewer, 10, 10)
    press(viewer, Qt.Key.Key_N)
    assert dock.read_out.band_id == unsure[0][0].id
    assert "30% sure (1 of 2)" in dock.messages.message.text()
    press(viewer, Qt.Key.Key_A)
    assert dock.read_out.band_id == unsure[1][0].id
    dock.blind.setChecked(True)
    press(viewer, Qt.Key.Key_N)
    assert "band in this lane is 50% sure (1 of 1)" in dock.messages.message.text()
    assert set(dock.layers.lanes.features["label"]) == {""}
    press(viewer, Qt.Key.Key_A)
    assert "no doubts left" in dock.messages.message.text()
    assert editor.doubts() == []
    press(viewer, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert not editor.is_dirty


def test_a_study_is_listed_and_its_ratios_follow_the_corrections(dock: Any, qtbot: Any, tmp_path: Path) -> None:
    import sys

    from mouse import drag, middle

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tiny_study import write_tiny_study

    from blotquant.cli import main

    write_tiny_study(tmp_path / "study", n_blots=1)
    assert main(["run", str(tmp_path / "study"), "-o", str(tmp_path / "results")]) == 0
    blots, ratios = dock.tables.blots.rows, dock.tables.ratios.rows
    dock.open_path(tmp_path / "results")
    qtbot.waitUntil(lambda: blots.rowCount() == 2, timeout=WAIT_MS)
    assert blots.texts(0) == ["blot 1 · pAKT · blot1_pAKT.tif", "blot 1 · AKT · blot1_AKT.tif"]
    before = dock.editor
    dock.open_path(blots.key(0))
    qtbot.waitUntil(lambda: dock.editor not in (None, before) and dock.editor.is_exact, timeout=WAIT_MS)
    dock.steps.go(dock.steps.RESULT)
    qtbot.waitUntil(lambda: ratios.rowCount() == 6, timeout=WAIT_MS)
    assert ratios.texts(3) == [""] * 6, "nothing was corrected"
    assert next(iter(dock.layers.lanes.features["sample"])) == "s1"
    first = ratios.texts(2)[0]
    band = dock.editor.layout.bands[0]
    drag(dock.viewer, middle(band), (middle(band)[0] + 5, middle(band)[1]))
    qtbot.waitUntil(lambda: ratios.texts(2)[0] != first, timeout=WAIT_MS)
    assert ratios.texts(3)[0].endswith("%")
    dock.blind.setChecked(True)
    assert ratios.rowCount() == 0
    assert dock.bench.save()
    assert (tmp_path / "results" / "sessions" / "blot1_pAKT.tif.blot.json").is_file()
    dock.open_path(tmp_path / "results")
    qtbot.waitUntil(lambda: any("corrected" in text for text in blots.texts(1)), timeout=WAIT_MS)


def test_targets_are_named_without_leaving_the_picture_and_come_back_for_the_next_strip(dock: Any, qtbot: Any) -> None:
    from mouse import focused, middle, move_to, press
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    viewer, editor, targets = dock.viewer, dock.editor, dock.steps.targets
    first, second = (next(b for b in editor.layout.bands if b.row == row) for row in (1, 2))

    def names(row: int) -> set[str | None]:
        return {b.target for b in editor.layout.bands if b.row == row}

    assert targets.target.currentText() == ""
    for band, typed in ((first, "B3AR"), (second, "gapdh")):  # spelt as in the list
        move_to(viewer, *middle(band))
        press(viewer, Qt.Key.Key_T)
        assert focused(viewer) is targets.target
        QTest.keyClicks(focused(viewer), typed)
        press(viewer, Qt.Key.Key_Return)
        assert focused(viewer) is not targets.target
    assert (names(1), names(2)) == ({"B3AR"}, {"GAPDH"})
    for _ in range(2):
        press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert (names(1), names(2)) == ({"row1"}, {"row2"})
    targets.target.setCurrentText(targets.next_name(()))  # as for the next blot
    for band in (first, second):
        move_to(viewer, *middle(band))
        press(viewer, Qt.Key.Key_T)
    assert (names(1), names(2)) == ({"B3AR"}, {"GAPDH"})
    assert targets.target.currentText() == "", "nothing is left to name"


def test_keys_reach_the_picture_from_the_dock(dock: Any, qtbot: Any) -> None:
    """After a click on a button or a table, and after typing in a field, when the pointer comes back."""
    from mouse import focused, middle, move_to, press
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    viewer, editor = dock.viewer, dock.editor
    band = editor.layout.bands[0]
    lane = band.lane
    move_to(viewer, *middle(band))
    roles = iter(("ladder", "blank", "excluded", "sample"))
    keys = iter((Qt.Key.Key_G, Qt.Key.Key_O, Qt.Key.Key_E, Qt.Key.Key_Y))

    def presses_a_key() -> None:
        press(viewer, next(keys))
        assert editor.layout.lane(lane).role == next(roles)

    presses_a_key()
    dock.steps._group.button(dock.steps.BANDS).setFocus()
    presses_a_key()
    view = dock.tables.bands
    view.setFocus()
    assert focused(viewer) is view
    presses_a_key()
    dock.steps.go(dock.steps.TARGETS)
    dock.steps.targets.line.setFocus()
    QTest.keyClicks(focused(viewer), "y")
    assert editor.layout.lane(lane).role == "excluded", "a field keeps its letters"
    move_to(viewer, *middle(band))
    presses_a_key()


def test_the_key_that_saves_is_the_blots_and_not_naparis(dock: Any, qtbot: Any) -> None:
    """Qt asks before it takes a key for a menu's shortcut; Ctrl+S is that of *Save Selected Layers*."""
    from mouse import canvas_of, press
    from qtpy.QtCore import QEvent, Qt
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QApplication

    def is_claimed(widget: Any) -> bool:
        ask = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier, "s")
        ask.ignore()
        QApplication.sendEvent(widget, ask)
        return ask.isAccepted()

    viewer = dock.viewer
    assert is_claimed(canvas_of(viewer))
    assert is_claimed(dock.tables.bands)
    other = viewer.add_points()
    viewer.layers.selection.active = other
    assert not is_claimed(canvas_of(viewer))
    viewer.layers.remove(other)
    dock.steps.go(dock.steps.BANDS)
    dock.layers.select_lane(dock.editor.layout.lanes[0].id)
    dock.hand.run("mark_blank")
    press(viewer, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert not dock.editor.is_dirty


def test_the_profile_stays_with_the_lane_that_is_worked_on(dock: Any, qtbot: Any) -> None:
    from mouse import click, middle, press
    from qtpy.QtCore import Qt

    viewer, editor = dock.viewer, dock.editor
    band = editor.layout.bands[0]
    click(viewer, *middle(band))
    assert dock.profile.lane_id == band.lane
    lane = editor.layout.lanes[2]
    press(viewer, Qt.Key.Key_3)
    click(viewer, lane.row_range[0] + 3.0, float(lane.center_at(lane.row_range[0])))
    assert dock.profile.lane_id == lane.id
    press(viewer, Qt.Key.Key_O)
    assert editor.layout.lane(lane.id).role == "blank"
    qtbot.waitUntil(lambda: editor.is_exact, timeout=WAIT_MS)
    assert dock.profile.lane_id == lane.id
    assert dock.read_out.band_id == ""
