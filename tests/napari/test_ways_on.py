"""What stands in the way of the work, and the way on that the dock offers; nothing is lost."""

from __future__ import annotations

import builtins
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blotquant.session.band_edits import move_band
from blotquant.session.session import load_session

WAIT_MS = 60_000


def reopened(dock: Any, qtbot: Any, before: Any) -> None:
    qtbot.waitUntil(lambda: dock.editor not in (None, before) and dock.editor.is_exact, timeout=WAIT_MS)


def test_a_moved_picture_is_asked_for_and_found(
    dock: Any, qtbot: Any, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QFileDialog

    editor, session = dock.editor, picture.with_name("blot.tif.blot.json")
    (picture.parent / "far").mkdir()
    elsewhere = picture.rename(picture.parent / "far" / "blot.tif")
    dock.open_path(session)
    qtbot.waitUntil(lambda: dock.messages.way_on.isVisible(), timeout=WAIT_MS)
    assert "say where it is" in dock.messages.message.text()
    assert dock.editor is editor
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_a, **_k: (str(elsewhere), ""))
    QTest.mouseClick(dock.messages.way_on, Qt.MouseButton.LeftButton)
    reopened(dock, qtbot, editor)
    assert dock.bench.save()
    assert load_session(session).image.path == "far/blot.tif"


def test_beside_a_newer_session_a_new_one_is_begun_and_that_one_stays(dock: Any, qtbot: Any, picture: Path) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    editor, session = dock.editor, picture.with_name("blot.tif.blot.json")
    newer = json.dumps(json.loads(session.read_text()) | {"schema_version": 9})
    session.write_text(newer)
    dock.open_path(picture)
    qtbot.waitUntil(lambda: dock.messages.way_on.isVisible(), timeout=WAIT_MS)
    assert "newer blotquant (schema 9" in dock.messages.message.text()
    QTest.mouseClick(dock.messages.way_on, Qt.MouseButton.LeftButton)
    reopened(dock, qtbot, editor)
    assert dock.bench.save()
    assert session.read_text() == newer
    assert load_session(picture.with_name("blot.tif.2.blot.json")).history.edits == ()


def test_an_unwritable_folder_asks_for_another_place(
    dock: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    editor = dock.editor
    editor.do(move_band(editor.layout, editor.layout.bands[0].id, d_row=2), "move")
    (tmp_path / "file").write_text("")
    editor.path = tmp_path / "file" / "x.blot.json"
    answers = [str(tmp_path / "file" / "y.blot.json"), str(tmp_path / "z.blot.json")]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (answers.pop(0), ""))
    dock.guard.asks = True
    assert dock.bench.save(), "the second place can be written"
    dock.guard.asks = False
    assert answers == []
    assert load_session(tmp_path / "z.blot.json").layout == editor.layout


def test_slow_work_is_cancelled_and_changes_nothing(dock: Any, qtbot: Any) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    gate, done = threading.Event(), []
    dock.bench.run("Working", lambda: gate.wait(30), done.append)
    assert dock.messages.cancel.isVisible()
    QTest.mouseClick(dock.messages.cancel, Qt.MouseButton.LeftButton)
    assert not dock.messages.cancel.isVisible()
    gate.set()
    qtbot.waitUntil(lambda: not dock.bench.running, timeout=WAIT_MS)
    assert done == []
    assert "Cancelled; nothing was changed" in dock.messages.message.text()


def test_without_pyqtgraph_all_but_the_profile_works(
    make_napari_viewer: Callable[..., Any], qtbot: Any, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QLabel

    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pyqtgraph":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    viewer = make_napari_viewer(show=True)
    monkeypatch.setattr(builtins, "__import__", missing)
    _, dock = viewer.window.add_plugin_dock_widget("blotquant", "Quantify a blot")
    monkeypatch.undo()
    dock.guard.asks = False
    assert any("needs pyqtgraph" in label.text() for label in dock.profile.findChildren(QLabel))
    dock.open_path(picture)
    reopened(dock, qtbot, None)
    band = dock.editor.layout.bands[0]
    dock.bench.select(band.id)
    assert dock.read_out.band_id == band.id
    qtbot.waitUntil(lambda: not dock.bench.running, timeout=WAIT_MS)


def test_a_picture_dropped_on_the_dock_is_opened(dock: Any, qtbot: Any, picture: Path) -> None:
    from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
    from qtpy.QtGui import QDropEvent

    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(picture.parent))])
    action, button, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    dock.dropEvent(QDropEvent(QPointF(5, 5), action, data, button, keys))
    qtbot.waitUntil(lambda: dock.tables.blots.rows.rowCount() == 1, timeout=WAIT_MS)
    assert dock.tables.blots.rows.texts(1) == ["untouched"]
