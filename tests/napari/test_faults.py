"""What went wrong for people on real blots, driven with real events: none of it loses or falsifies work any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from blotquant.model.geometry import Layout, rectangle
from blotquant.session import band_edits, lane_edits
from blotquant.session.autosave import Autosaver, autosave_path, find_rescued, holds
from blotquant.session.doubts import flags_in_numbers
from blotquant.session.history import Change
from blotquant.session.hit_testing import hit, shown_outline
from blotquant.session.session import load_session

pytest.importorskip("napari")

WAIT_MS = 60_000
SESSION = "blot.tif.blot.json"


def settled(dock: Any, qtbot: Any, before: Any = None) -> None:
    qtbot.waitUntil(lambda: dock.editor not in (None, before) and dock.editor.is_exact, timeout=WAIT_MS)


def open_dock(make_napari_viewer: Callable[..., Any]) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1300, 900)
    _, dock = viewer.window.add_plugin_dock_widget("blotquant", "Quantify a blot")
    dock.guard.asks = False
    return dock


def doublet_of(layout: Layout, lane: int = 0) -> list[Change]:
    """Make the two bands of a lane a doublet: one outline in common, whose light is shared out by rows."""
    first, second = layout.bands_of(layout.lanes[lane].id)
    rows = [row for band in (first, second) for row, _ in band.outline]
    cols = [col for col_band in (first, second) for _, col in col_band.outline]
    outline = rectangle(min(rows), max(rows), min(cols), max(cols))
    nodes = ((-5.0, 1.0), (5.0, 0.0))
    upper = replace(first, outline=outline, split=nodes)
    lower = replace(second, outline=outline, split=tuple((offset, 1 - share) for offset, share in nodes))
    return [Change("band", first.id, first, upper), Change("band", second.id, second, lower)]


# 1: recovered work


def test_open_rescued_gives_the_edits_back_and_saving_keeps_them(
    make_napari_viewer: Callable[..., Any], qtbot: Any, picture: Path, state_folder: Path, tmp_path: Path
) -> None:
    """Six edits, a kill, another picture first, a click on the rescued one, Ctrl+S: all six are in the file."""
    from mouse import canvas_of, press
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from blotquant.runs.blots import open_blot
    from napari_blotquant.editor import Editor

    other = tmp_path / "other.tif"
    tifffile.imwrite(other, tifffile.imread(picture)[:, ::-1])
    opened, saver = open_blot(picture), Autosaver()
    editor = Editor(opened.image, opened.session, path=opened.path, who="Ada", autosaver=saver)
    for _ in range(6):
        editor.do(band_edits.move_band(editor.layout, editor.layout.bands[0].id, d_row=1), "move")
    saver.close()
    dock = open_dock(make_napari_viewer)
    qtbot.waitUntil(lambda: dock.messages.get_back.isVisible(), timeout=WAIT_MS)
    dock.open_path(other)
    settled(dock, qtbot)
    assert dock.messages.rescue.isVisible(), "opening another picture does not wipe it"
    before = dock.editor
    QTest.mouseClick(dock.messages.get_back, Qt.MouseButton.LeftButton)
    settled(dock, qtbot, before)
    assert dock.editor.is_dirty
    assert dock.editor.path == picture.with_name(SESSION)
    canvas_of(dock.viewer).setFocus()
    press(dock.viewer, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert load_session(picture.with_name(SESSION)).history == editor.session.history
    assert list(find_rescued()) == []
    assert not dock.messages.rescue.isVisible()


def test_autosaver_writes_over_nothing_that_is_in_no_session(editor: Any, state_folder: Path, tmp_path: Path) -> None:
    """The picture was opened anew after a crash and corrected otherwise: both kinds of work are kept."""
    start = editor.session
    for k in range(2):
        editor.session, editor.autosaver = start, Autosaver()
        editor._replay()
        editor.do(band_edits.move_band(editor.layout, editor.layout.bands[k].id, d_row=1), "move")
        editor.autosaver.close()
    kept = list(find_rescued())
    assert len(kept) == 2
    assert [holds(editor.session, item.session) for item in kept] == [True, False], "the latest comes first"
    editor.save(tmp_path / "a.blot.json")
    assert [holds(editor.session, item.session) for item in find_rescued()] == [False]


def test_autosave_path_knows_pages_and_channels_apart(editor: Any) -> None:
    session = editor.session
    other = [
        replace(session, image=replace(session.image, page=2)),
        replace(session, image=replace(session.image, channel="red")),
    ]
    assert len({autosave_path(one) for one in (session, *other)}) == 3


# 2: keys act under the pointer


def test_run_by_key_acts_on_what_is_lit_under_the_pointer(dock: Any, qtbot: Any) -> None:
    """Another lane is selected: it is left alone."""
    from mouse import click, middle, move_to, press
    from qtpy.QtCore import Qt

    editor, viewer = dock.editor, dock.viewer
    chosen, pointed = editor.layout.lanes[2], editor.layout.lanes[0]
    dock.hand.go(dock.steps.LANES)
    click(viewer, *middle(chosen))
    assert dock.layers.selected_lane_ids() == [chosen.id]
    band = editor.layout.bands_of(pointed.id)[0]
    move_to(viewer, *middle(band))
    lit = dict(zip(dock.layers.band_ids(), dock.layers.bands.face_color[:, 3], strict=True))
    assert [key for key, alpha in lit.items() if alpha > 0] == [band.id]
    assert "lane 1" in dock.read_out._under.text()
    press(viewer, Qt.Key.Key_E)
    assert [lane.role for lane in editor.layout.lanes] == ["excluded", "sample", "sample", "sample"]
    dock.hand.run("mark_blank")  # by a button: the selected one
    assert editor.layout.lane(chosen.id).role == "blank"
    press(viewer, Qt.Key.Key_K)
    assert len(editor.layout.bands_of(pointed.id)) == 3
    move_to(viewer, 2, float(pointed.center_at(2)))
    press(viewer, Qt.Key.Key_U)
    assert [lane.role for lane in editor.layout.lanes] == ["sample", "blank", "sample"]


def test_leave_leaves_a_key_nothing_to_act_on(dock: Any) -> None:
    from mouse import canvas_of, middle, move_to, press
    from qtpy.QtCore import QEvent, Qt
    from qtpy.QtWidgets import QApplication

    band = dock.editor.layout.bands[0]
    move_to(dock.viewer, *middle(band))
    QApplication.sendEvent(canvas_of(dock.viewer), QEvent(QEvent.Type.Leave))
    assert not dock.layers.bands.face_color[:, 3].any()
    press(dock.viewer, Qt.Key.Key_K)
    assert "point at the row of a band" in dock.messages.message.text()
    assert not dock.editor.session.history.edits


# 3: the wheel


def test_wheel_over_a_field_changes_nothing(dock: Any, qtbot: Any) -> None:
    from qtpy.QtCore import QPoint, QPointF, Qt
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox

    boxes = [*dock.findChildren(QComboBox), *dock.findChildren(QAbstractSpinBox)]
    assert len(boxes) > 8
    for step in range(6):
        dock.hand.go(step)
        for box in boxes:
            event = QWheelEvent(
                QPointF(4, 4), QPointF(4, 4), QPoint(0, -120), QPoint(0, -120), Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
            )  # fmt: skip
            QApplication.sendEvent(box, event)
    assert not dock.editor.session.history.edits
    assert dock.editor.session.polarity == "bright"


def test_undone_polarity_shows_the_picture_as_it_was(dock: Any, qtbot: Any) -> None:
    first = np.array(dock.layers.image.data)
    dock.editor.do([Change("image", "polarity", "bright", "dark")], "polarity")
    assert not np.array_equal(dock.layers.image.data, first)
    dock.hand.run("undo")
    assert np.array_equal(dock.layers.image.data, first)
    assert dock.steps.picture.polarity.currentText() == "bright"


# 4: one dock


def test_find_dock_finds_the_one_dock_and_closing_it_loses_nothing(dock: Any, qtbot: Any) -> None:
    from napari_blotquant.dock import BlotDock
    from napari_blotquant.reader import find_dock

    viewer, editor = dock.viewer, dock.editor
    assert find_dock(viewer) is dock
    editor.do(band_edits.move_band(editor.layout, editor.layout.bands[0].id, d_row=2), "move")
    settled(dock, qtbot)
    dock.parent().destroyOnClose()  # the × of its title
    qtbot.wait(50)
    assert not [w for w in viewer.window.dock_widgets.values() if isinstance(w, BlotDock)]
    again = find_dock(viewer)
    assert again is not dock
    assert again.editor is editor
    assert editor.is_dirty
    assert again.messages.title.text() == "blot.tif"
    assert again.tables.bands.rows.rowCount() == len(editor.layout.bands)
    assert [layer.name for layer in viewer.layers][:3] == ["blot.tif", "Lanes", "Bands"]


def test_may_leave_asks_when_the_window_closes_even_without_a_dock(
    dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtGui import QCloseEvent
    from qtpy.QtWidgets import QApplication, QMessageBox

    viewer, editor, guard = dock.viewer, dock.editor, dock.guard
    editor.do(band_edits.move_band(editor.layout, editor.layout.bands[0].id, d_row=2), "move")
    window, asked = dock.window(), []
    dock.parent().destroyOnClose()
    guard.asks = True
    cancel = QMessageBox.StandardButton.Cancel
    monkeypatch.setattr(QMessageBox, "question", lambda *_a, **_k: (asked.append(1), cancel)[1])
    event = QCloseEvent()
    QApplication.sendEvent(window, event)
    guard.asks = False
    assert asked == [1]
    assert not event.isAccepted()
    assert viewer.layers


# 5: saturation


def test_band_cells_show_a_saturated_volume_as_a_bound(editor: Any) -> None:
    from napari_blotquant.shapes import with_sd
    from napari_blotquant.widgets.bands import band_cells

    row = next(iter(editor.rows.values())) | {"flags": "below_loq;saturated;wide", "volume": 20_512_856.0}
    cells = band_cells(row, None)
    assert cells[2].text == "≥\u202f20\u202f512\u202f856"
    assert cells[3].text == "", "a bound has no SD"
    assert cells[6].text.startswith("saturated")
    assert with_sd(row).startswith("≥")


# 6: doublets


def test_hit_tells_the_members_of_a_doublet_apart(dock: Any, qtbot: Any) -> None:
    from mouse import click, middle, move_to, press
    from qtpy.QtCore import Qt

    editor, viewer = dock.editor, dock.viewer
    editor.do(doublet_of(editor.layout), "doublet")
    upper, lower = editor.layout.bands_of(editor.layout.lanes[0].id)
    assert upper.outline == lower.outline
    places = {b.id: middle(replace(b, outline=shown_outline(editor.layout, b))) for b in (upper, lower)}
    for band in (upper, lower):
        assert hit(editor.layout, *places[band.id]).band == band.id
        click(viewer, *places[band.id])
        assert dock.read_out.band_id == band.id
    dock.steps.targets.target.setCurrentText("pERK2")
    move_to(viewer, *places[lower.id])
    press(viewer, Qt.Key.Key_T)
    assert (editor.layout.band(upper.id).target, editor.layout.band(lower.id).target) == ("row1", "pERK2")
    press(viewer, Qt.Key.Key_K)
    cut = editor.layout.bands_of(editor.layout.lanes[0].id)
    assert [band.id for band in cut] == [upper.id, lower.id]
    assert [band.split for band in cut] == [(), ()]
    press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    dock.layers.bands.selected_data = set()
    press(viewer, Qt.Key.Key_M)
    assert len(editor.layout.bands_of(editor.layout.lanes[0].id)) == 1, "a wrong doublet is mended by one key"


# 7: drawing


def test_draw_ends_with_escape_and_a_click_draws_nothing(dock: Any, qtbot: Any) -> None:
    from mouse import click, drag, move_to, press
    from qtpy.QtCore import Qt

    editor, viewer, bands = dock.editor, dock.viewer, dock.layers.bands
    n, lane = len(editor.layout.bands), editor.layout.lanes[1]
    first = editor.layout.bands_of(lane.id)[0]
    editor.do(band_edits.delete_band(editor.layout, first.id), "delete")
    (top, left), (bottom, right) = np.min(first.outline, axis=0), np.max(first.outline, axis=0)
    move_to(viewer, top - 8, left)
    press(viewer, Qt.Key.Key_R)
    click(viewer, 12, float(lane.center_at(12)))
    assert len(editor.layout.bands) == n - 1
    drag(viewer, (top, left), (bottom, right))
    drawn = next(b for b in editor.layout.bands if b.origin == "drawn")
    assert drawn.row == first.row
    press(viewer, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert not editor.is_dirty
    press(viewer, Qt.Key.Key_Escape)
    assert bands.mode == "select"
    press(viewer, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert bands.mode == "select"


def test_draw_of_a_lane_keeps_its_rectangle_and_l_inside_a_lane_is_refused(dock: Any, qtbot: Any) -> None:
    from mouse import drag, middle, move_to, press
    from qtpy.QtCore import Qt

    editor, viewer = dock.editor, dock.viewer
    lane = editor.layout.lanes[1]
    editor.do(lane_edits.remove_lane(editor.layout, lane.id), "remove_lane")
    dock.hand.go(dock.steps.LANES)
    move_to(viewer, 40, float(lane.center_at(40)))
    press(viewer, Qt.Key.Key_R)
    col = float(lane.center_at(60))
    drag(viewer, (30, col - 9), (130, col + 9))
    drawn = editor.layout.lanes[1]
    assert drawn.row_range == pytest.approx((30, 130), abs=1.0)
    assert np.mean(drawn.widths) == pytest.approx(18, abs=1.0)
    press(viewer, Qt.Key.Key_Escape)
    n = len(editor.layout.lanes)
    move_to(viewer, *middle(editor.layout.lanes[0]))
    press(viewer, Qt.Key.Key_L)
    assert len(editor.layout.lanes) == n
    assert "is here already" in dock.messages.message.text()


# 9, 10: words and numbers


def test_next_doubt_says_that_numbers_may_be_doubtful_where_places_are_sure(editor: Any) -> None:
    assert (
        flags_in_numbers(["below_lod"] * 8) == "; of their numbers 8 are below their limit of detection: see the flags"
    )
    two = replace(editor.layout, strips=(*editor.layout.strips, replace(editor.layout.strips[0], id="s2", number=2)))
    editor.layout = two
    assert editor.lane_name(two.lanes[0]) == "lane 1.1"


def test_a_band_drawn_elsewhere_has_no_number_before_it_is_measured(dock: Any, qtbot: Any) -> None:
    from napari_blotquant.shapes import NOT_YET

    editor, table = dock.editor, dock.tables.bands.rows
    band = editor.layout.bands[0]
    editor.do(band_edits.move_band(editor.layout, band.id, d_row=40), "move")
    dock.bench.select(band.id)
    assert table.texts(2)[table.row_of(band.id)] == NOT_YET
    assert dock.read_out.text == "measuring…"
    settled(dock, qtbot)
    assert table.texts(2)[table.row_of(band.id)] != NOT_YET
    assert dock.read_out.text.endswith("counts")


# 11: dead ends


def test_an_image_that_is_open_in_napari_becomes_the_blot(dock: Any, qtbot: Any) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QPushButton

    before = dock.editor
    dock.viewer.add_image(np.array(before.image.pixels[::-1]), name="mine")
    dock.hand.go(dock.steps.PICTURE)
    assert dock.steps.picture.opened.currentText() == "mine"
    take = next(b for b in dock.steps.picture.findChildren(QPushButton) if b.text() == "Quantify it")
    QTest.mouseClick(take, Qt.MouseButton.LeftButton)
    settled(dock, qtbot, before)
    assert np.array_equal(dock.editor.image.pixels, before.image.pixels[::-1])


def test_a_colour_picture_is_opened_by_the_channel_that_is_chosen(dock: Any, qtbot: Any, tmp_path: Path) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    before = dock.editor
    channels = [before.image.pixels, before.image.pixels[::-1], before.image.pixels[:, ::-1]]
    pixels = np.stack(channels, axis=-1) * (40_000 / before.image.pixels.max())
    pixels[:80, :, 0] += 25_000
    pixels[80:, :, 1] += 25_000
    pixels = pixels.astype(np.uint16)
    tifffile.imwrite(tmp_path / "colour.tif", pixels, photometric="rgb")
    dock.open_path(tmp_path / "colour.tif")
    qtbot.waitUntil(lambda: dock.messages.channel.isVisible(), timeout=WAIT_MS)
    dock.messages.channel.setCurrentText("red")
    QTest.mouseClick(dock.messages.way_on, Qt.MouseButton.LeftButton)
    settled(dock, qtbot, before)
    assert dock.editor.image.channel == "red"


def test_tables_are_copied_and_kept(dock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication, QFileDialog

    table = dock.tables.bands
    QTest.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:3] == ["lane", "target", "volume"]
    assert len(lines) == 1 + len(dock.editor.layout.bands)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(tmp_path / "t.csv"), ""))
    table.export()
    assert len(pd.read_csv(tmp_path / "t.csv")) == len(dock.editor.layout.bands)


def test_arrows_move_and_a_right_click_shows_what_can_be_done(dock: Any, qtbot: Any) -> None:
    from mouse import canvas_of, click, middle, pixel_of, press
    from qtpy.QtCore import Qt
    from qtpy.QtGui import QContextMenuEvent
    from qtpy.QtWidgets import QApplication

    editor, viewer = dock.editor, dock.viewer
    band = editor.layout.bands[0]
    click(viewer, *middle(band))
    press(viewer, Qt.Key.Key_Down)
    assert middle(editor.layout.band(band.id))[0] == pytest.approx(middle(band)[0] + 1, abs=1e-3)
    point = pixel_of(viewer, *middle(band))
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, point, canvas_of(viewer).mapToGlobal(point))
    QApplication.sendEvent(canvas_of(viewer), event)
    menu = QApplication.activePopupWidget()
    assert {"Cut\tK", "Ladder\tG"} <= {action.text() for action in menu.actions()}
    menu.close()


# 12: the window


def test_the_blot_has_most_of_a_small_window(dock: Any, qtbot: Any) -> None:
    from mouse import canvas_of

    assert dock.minimumSizeHint().height() <= 620
    dock.viewer.window.resize(1600, 1000)
    qtbot.wait(50)
    assert canvas_of(dock.viewer).width() >= 0.5 * 1600
