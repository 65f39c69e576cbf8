"""The five minutes of the napari hub's page, with the keys that stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / ".napari-hub" / "DESCRIPTION.md"
WAIT_MS = 60_000


def test_description_page_does_what_it_says(
    make_napari_viewer: Callable[..., Any], qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mouse import drag, focused, middle, move_to, press
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QFileDialog

    from blotquant.session.session import load_session

    said = PAGE.read_text(encoding="utf-8").partition("## Five minutes")[2]
    keys = re.findall(r"\*\*([^*]+)\*\*", said)
    assert keys == ["T", "Enter", "T", "Enter", "N", "A", "B", "Ctrl+Z", "6", "Ctrl+S"]
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1300, 900)
    viewer.open_sample("blotquant", "synthetic_blot")
    dock = next(w for w in viewer.window.dock_widgets.values() if hasattr(w, "open_path"))
    qtbot.waitUntil(lambda: dock.editor is not None and dock.editor.is_exact, timeout=WAIT_MS)
    dock.guard.asks = False
    qtbot.wait(200)
    editor = dock.editor
    rows = sorted({band.row for band in editor.layout.bands if band.row is not None})
    for row, name in zip(rows, re.findall(r"`(pAKT|AKT)`", said), strict=False):
        move_to(viewer, *middle(next(b for b in editor.layout.bands if b.row == row)))
        press(viewer, Qt.Key.Key_T)
        QTest.keyClicks(focused(viewer), name)
        press(viewer, Qt.Key.Key_Return)
        assert {b.target for b in editor.layout.bands if b.row == row} == {name}
    press(viewer, Qt.Key.Key_N)
    n = len(editor.doubts())
    press(viewer, Qt.Key.Key_A)
    assert len(editor.doubts()) == max(n - 1, 0)
    viewer.reset_view()
    qtbot.waitUntil(lambda: editor.is_exact, timeout=WAIT_MS)
    band = max(editor.layout.bands, key=lambda b: editor.rows[b.id]["snr"])
    before = editor.layout
    drag(viewer, middle(band), (middle(band)[0] + 4, middle(band)[1]))
    press(viewer, Qt.Key.Key_B)
    assert [group[0].action for group in editor.session.history.groups()][-2:] == ["move", "snap"]
    for _ in range(2):
        press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert editor.layout == before
    press(viewer, Qt.Key.Key_6)
    ratios = dock.tables.ratios.rows
    qtbot.waitUntil(lambda: ratios.rowCount() == len(editor.layout.lanes), timeout=WAIT_MS)
    assert set(ratios.texts(1)) == {"pAKT/AKT"}
    assert sum(bool(text) for text in ratios.texts(4)) >= 7, "ratios with their interval"
    dock.guard.asks = True
    saved = tmp_path / "sample.blot.json"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(saved), ""))
    press(viewer, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    dock.guard.asks = False
    assert load_session(saved).layout == editor.layout
    qtbot.waitUntil(lambda: not dock.bench.running, timeout=WAIT_MS)
