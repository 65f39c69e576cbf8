"""The first page's tools and the lanes of a membrane, with a real mouse, real keys and real buttons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from blotquant.session import band_edits, lane_edits
from blotquant.session.session import load_session

WAIT_MS = 60_000


def laid_anew(dock: Any, qtbot: Any, before: Any) -> Any:
    qtbot.waitUntil(lambda: dock.editor is not before and dock.editor.is_exact, timeout=WAIT_MS)
    return dock.editor


def button_of(dock: Any, text: str) -> Any:
    from qtpy.QtWidgets import QPushButton

    return next(b for b in dock.findChildren(QPushButton) if b.text().startswith(text))


def test_turn_and_mirror_by_keys_find_everything_anew_and_undo_brings_the_corrections_back(
    dock: Any, qtbot: Any, picture: Path
) -> None:
    from mouse import move_to, press
    from qtpy.QtCore import Qt

    viewer, first = dock.viewer, dock.editor
    first.do(band_edits.move_band(first.layout, first.layout.bands[0].id, d_row=2), "move")
    pixels, moved = np.array(first.image.pixels), first.layout
    move_to(viewer, 80, 120)
    press(viewer, Qt.Key.Key_F)
    mirrored = laid_anew(dock, qtbot, first)
    assert np.array_equal(mirrored.image.pixels, pixels[:, ::-1])
    assert len(mirrored.layout.lanes) == 4
    assert mirrored.is_dirty
    press(viewer, Qt.Key.Key_J, Qt.KeyboardModifier.ShiftModifier)
    turned = laid_anew(dock, qtbot, mirrored)
    assert np.array_equal(turned.image.pixels, np.rot90(pixels[:, ::-1], -1))
    assert dock.layers.image.data.shape == (240, 160)
    press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert dock.editor.image.orientation == mirrored.image.orientation
    press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert dock.editor.layout == moved, "what was corrected as it lay before"
    assert dock.editor.is_dirty
    dock.editor.save()
    assert load_session(picture.with_name("blot.tif.blot.json")).layout == moved
    press(viewer, Qt.Key.Key_F)
    again = laid_anew(dock, qtbot, dock.editor)
    press(viewer, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert load_session(picture.with_name("blot.tif.2.blot.json")).image.orientation == again.image.orientation
    assert load_session(picture.with_name("blot.tif.blot.json")).layout == moved, "written over by nothing"


def test_region_is_dragged_and_the_whole_comes_back_by_a_button(dock: Any, qtbot: Any) -> None:
    from mouse import drag, move_to, press
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    viewer, first = dock.viewer, dock.editor
    pixels = np.array(first.image.pixels)
    dock.hand.go(dock.steps.PICTURE)
    move_to(viewer, 80, 120)
    press(viewer, Qt.Key.Key_Q)
    drag(viewer, (10, 20), (150, 200))
    cut = laid_anew(dock, qtbot, first)
    left, top, right, bottom = cut.image.orientation.region
    assert (left, top, right, bottom) == pytest.approx((20, 10, 200, 150), abs=1.5)
    assert np.array_equal(cut.image.pixels, pixels[top:bottom, left:right])
    assert dock.layers.strips.mode != "add_rectangle"
    assert len(first.layout.strips) == len(cut.layout.strips) == 1
    QTest.mouseClick(button_of(dock, "Whole"), Qt.MouseButton.LeftButton)
    whole = laid_anew(dock, qtbot, cut)
    assert np.array_equal(whole.image.pixels, pixels)
    move_to(viewer, 80, 120)
    press(viewer, Qt.Key.Key_Q)
    qtbot.waitUntil(lambda: dock.layers.strips.mode == "add_rectangle", timeout=WAIT_MS)
    press(viewer, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: dock.layers.strips.mode != "add_rectangle", timeout=WAIT_MS)
    drag(viewer, (10, 20), (150, 200))
    corner = whole.layout.strips[0].outline[2]
    drag(viewer, corner, (corner[0] - 12, corner[1] - 12))
    assert dock.editor is whole, "what is dragged after Esc is no region"
    assert whole.image.orientation.region is None


def test_lean_is_dragged_along_a_row_and_what_is_found_turns_but_no_pixel(dock: Any, qtbot: Any, picture: Path) -> None:
    """Rows that run down by 12 degrees: where the bands lie is known from those of the level picture."""
    from mouse import drag, middle, move_to, press
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from skimage.transform import rotate

    level = tifffile.imread(picture)
    true = np.array([middle(band) for band in sorted(dock.editor.layout.bands, key=lambda band: band.row)])
    pixels = rotate(level.astype(float), -12, resize=True, cval=float(np.median(level)), preserve_range=True)
    other = picture.with_name("askew.tif")
    tifffile.imwrite(other, pixels.round().astype(level.dtype))
    cos, sin = np.cos(np.radians(12)), np.sin(np.radians(12))
    turned_about = (np.array(level.shape) - 1) / 2
    places = (true - turned_about) @ np.array([[cos, -sin], [sin, cos]]) + (np.array(pixels.shape) - 1) / 2
    before = dock.editor
    dock.open_path(other)
    askew = laid_anew(dock, qtbot, before)
    dock.hand.go(dock.steps.PICTURE)
    move_to(dock.viewer, *places[0])
    press(dock.viewer, Qt.Key.Key_D)
    drag(dock.viewer, tuple(places[3]), tuple(places[0]))
    found = laid_anew(dock, qtbot, askew)
    assert found.image.orientation.lean_deg == pytest.approx(12, abs=1)
    assert np.array_equal(found.image.pixels, askew.image.pixels)
    assert len(found.layout.lanes) == 4
    seen = np.array([middle(band) for band in found.layout.bands if band.status == "detected"])
    assert np.abs(seen[np.lexsort(seen.T)] - places[np.lexsort(places.T)]).max() < 4
    assert dock.steps.picture.lean.value() == found.image.orientation.lean_deg
    press(dock.viewer, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert load_session(found.path).image.orientation == found.image.orientation
    dock.steps.picture.lean.setValue(0)
    QTest.mouseClick(button_of(dock, "Lean"), Qt.MouseButton.LeftButton)
    assert laid_anew(dock, qtbot, found).image.orientation.lean_deg == 0
    press(dock.viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert dock.editor.layout == found.layout


def test_even_lanes_are_dragged_over_all_lanes(dock: Any, qtbot: Any) -> None:
    from mouse import drag, move_to, press
    from qtpy.QtCore import Qt

    viewer, editor = dock.viewer, dock.editor
    dock.hand.go(dock.steps.PICTURE)
    start = editor.layout
    editor.do(lane_edits.remove_lane(start, start.lanes[1].id), "remove_lane")
    centers = [float(lane.center_at(80)) for lane in start.lanes]
    pitch = float(np.median(np.diff(centers)))
    dock.bench.set_value("detection.n_lanes", 4)
    move_to(viewer, 80, 120)
    press(viewer, Qt.Key.Key_L, Qt.KeyboardModifier.ShiftModifier)
    drag(viewer, (12, centers[0] - pitch / 2), (148, centers[-1] + pitch / 2))
    qtbot.waitUntil(lambda: editor.is_exact and not dock.bench.running, timeout=WAIT_MS)
    assert [float(lane.center_at(80)) for lane in editor.layout.lanes] == pytest.approx(centers, abs=2)
    assert len([b for b in editor.layout.bands if b.status == "detected"]) == 8
    for _ in range(4):  # found again, laid, the setting, the lane that was removed first
        press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert editor.layout == start


def test_context_menu_offers_the_tools_beside_the_lanes(dock: Any) -> None:
    from mouse import canvas_of, move_to, pixel_of
    from qtpy.QtGui import QContextMenuEvent
    from qtpy.QtWidgets import QApplication

    move_to(dock.viewer, 2, 2)
    point = pixel_of(dock.viewer, 2, 2)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, point, canvas_of(dock.viewer).mapToGlobal(point))
    QApplication.sendEvent(canvas_of(dock.viewer), event)
    menu = QApplication.activePopupWidget()
    said = {action.text() for action in menu.actions()}
    menu.close()
    assert {"Turn left\tJ", "Mirror\tF", "Region\tQ", "Even lanes\tShift+L"} <= said
    assert "Cut\tK" not in said


def test_share_lanes_corrects_the_selected_pictures_and_can_be_taken_back(dock: Any, qtbot: Any, picture: Path) -> None:
    """Two exposures in one folder: the second one's session lacks a lane; one key mends it, one button undoes that."""
    from mouse import move_to, press
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from blotquant.runs.blots import open_blot
    from blotquant.session.session import save_session

    viewer, editor = dock.viewer, dock.editor
    other = picture.with_name("long.tif")
    tifffile.imwrite(other, (tifffile.imread(picture) * 1.2).astype(np.uint16))
    found = open_blot(other)
    short = lane_edits.remove_lane(found.session.layout, found.session.layout.lanes[1].id)
    session = found.session.edit(short, action="remove_lane", who="Ada", when="2026-01-02T03:04:05Z")
    save_session(session, other.with_name("long.tif.blot.json"))
    for lane in editor.layout.lanes:
        editor.do(lane_edits.set_lane_width(editor.layout, lane.id, width=float(np.mean(lane.widths)) - 2), "width")
    move_to(viewer, 80, 120)
    press(viewer, Qt.Key.Key_M, Qt.KeyboardModifier.ShiftModifier)
    assert "select them in the list of blots" in dock.messages.message.text()
    dock.open_path(picture.parent)
    blots = dock.tables.blots
    qtbot.waitUntil(lambda: blots.rows.rowCount() == 2, timeout=WAIT_MS)
    blots.selectAll()
    dock.hand.go(dock.steps.LANES)
    QTest.mouseClick(button_of(dock, "Use these lanes"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.messages.way_on.isVisible(), timeout=WAIT_MS)
    assert dock.messages.message.text() == "long.tif: 4 lanes as here"
    shared = load_session(other.with_name("long.tif.blot.json"))
    assert [lane.center for lane in shared.layout.lanes] == [lane.center for lane in editor.layout.lanes]
    assert [lane.widths for lane in shared.layout.lanes] == [lane.widths for lane in editor.layout.lanes]
    assert len([b for b in shared.layout.bands if b.status == "detected"]) == 8
    assert dock.editor is editor
    QTest.mouseClick(dock.messages.way_on, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "as before" in dock.messages.message.text(), timeout=WAIT_MS)
    back = load_session(other.with_name("long.tif.blot.json"))
    assert back.layout == session.layout
    assert len(back.history) > len(shared.history)
