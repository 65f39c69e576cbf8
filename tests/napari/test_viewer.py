"""The real viewer with a real mouse, opened through the manifest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from blotquant.cli import main
from blotquant.io import read_image, table_to_csv
from blotquant.quantification.bands import measure_bands
from blotquant.session.session import load_session

WAIT_MS = 60_000


def settle(dock: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: dock.editor.is_exact, timeout=WAIT_MS)


def test_open_correct_undo_save_reopen_with_a_real_mouse(dock: Any, qtbot: Any, picture: Path, tmp_path: Path) -> None:
    """And the same table, byte for byte, from the window, the command line and Python."""
    from mouse import click, drag, middle, press
    from qtpy.QtCore import Qt

    viewer, editor = dock.viewer, dock.editor
    start = editor.layout
    band = editor.layout.bands[2]
    row, col = middle(band)
    seen: list[str] = []
    dock.layers.previewed.connect(lambda _table: seen.append(dock.read_out.text))
    drag(viewer, (row, col), (row + 6, col))  # move
    moved = editor.layout.band(band.id)
    assert middle(moved)[0] == pytest.approx(row + 6, abs=1.0)
    assert len(set(seen)) > 3, "the number follows the drag"
    assert dock.read_out.band_id == band.id
    bottom = max(r for r, _ in moved.outline)
    click(viewer, *middle(moved))
    drag(viewer, (bottom, col), (bottom + 8, col))  # the lower handle
    assert max(r for r, _ in editor.layout.band(band.id).outline) == pytest.approx(bottom + 8, abs=1.0)
    dock.layers.bands.mode = "add_rectangle"
    lane = editor.layout.lanes[1]
    free = float(lane.center_at(20))
    drag(viewer, (12, free - 10), (26, free + 10))  # draw
    assert [b.lane for b in editor.layout.bands if b.origin == "drawn"] == [lane.id]
    dock.layers.bands.mode = "select"
    click(viewer, 19, free)
    press(viewer, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    press(viewer, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert len(editor.layout.bands) == len(start.bands) + 2
    press(viewer, Qt.Key.Key_Delete)
    assert len(editor.layout.bands) == len(start.bands) + 1
    n_gestures = len(list(editor.session.history.groups()))
    after = editor.layout
    for _ in range(n_gestures):
        press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert editor.layout == start
    for _ in range(n_gestures):
        press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert editor.layout == after
    settle(dock, qtbot)
    assert dock.bench.save()
    shown = editor.table.copy()
    again = load_session(picture.with_name("blot.tif.blot.json"))
    assert again.layout == after
    image = read_image(picture, polarity=again.polarity)
    by_api = measure_bands(image, again.layout, settings=again.settings.quantification)
    assert main(["measure", str(picture.with_name("blot.tif.blot.json")), "-o", str(tmp_path / "out")]) == 0
    by_command = (tmp_path / "out" / "bands.csv").read_bytes()
    assert by_command == table_to_csv(by_api).encode() == table_to_csv(shown).encode()
    dock.open_path(picture)
    qtbot.waitUntil(lambda: dock.editor not in (None, editor) and dock.editor.is_exact, timeout=WAIT_MS)
    pd.testing.assert_frame_equal(dock.editor.table, shown)


def test_profile_limits_and_image_are_linked_both_ways(dock: Any, qtbot: Any) -> None:
    from mouse import click, middle

    pytest.importorskip("pyqtgraph")
    editor = dock.editor
    band = editor.layout.bands[1]
    click(dock.viewer, *middle(band))
    assert dock.read_out.band_id == band.id
    region = dock.profile._regions[band.id]
    top, bottom = region.getRegion()
    assert (top, bottom) == pytest.approx((min(r for r, _ in band.outline), max(r for r, _ in band.outline)))
    region.setRegion((top - 3, bottom + 2))
    region.sigRegionChangeFinished.emit(region)
    after = editor.layout.band(band.id)
    assert min(r for r, _ in after.outline) == pytest.approx(top - 3, abs=1e-3)
    index = dock.layers.band_ids().index(band.id)
    assert dock.layers.bands.data[index][:, 0].min() == pytest.approx(top - 3, abs=1e-2)


def test_keys_under_the_pointer(dock: Any, qtbot: Any) -> None:
    from mouse import click, middle, move_to, press
    from qtpy.QtCore import Qt

    editor, viewer = dock.editor, dock.viewer
    band = editor.layout.bands[0]
    lane = editor.layout.lane(band.lane)
    click(viewer, *middle(band))
    dock.steps.targets.target.setCurrentText("pAKT")
    press(viewer, Qt.Key.Key_T)
    row = [b for b in editor.layout.bands if b.row == band.row]
    assert {b.target for b in row} == {"pAKT"}
    move_to(viewer, *middle(band))
    press(viewer, Qt.Key.Key_G)
    assert editor.layout.lane(lane.id).role == "ladder"
    n = len(editor.layout.lanes)
    gap = (lane.center_at(80) + editor.layout.lanes[1].center_at(80)) / 2
    move_to(viewer, 80, float(gap))
    press(viewer, Qt.Key.Key_L)
    assert [x.number for x in editor.layout.lanes] == list(range(1, n + 2))
    press(viewer, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(editor.layout.lanes) == n
    assert editor.session.history.verify_chain() == ()


def test_blind_mode_hides_lanes_and_is_on_record(dock: Any, qtbot: Any) -> None:
    dock.blind.setChecked(True)
    model = dock.tables.bands.rows
    assert set(model.texts(0)) == {"•"}
    shown = [model.key(k) for k in range(model.rowCount())]
    assert shown != [b.id for b in dock.editor.layout.bands]
    dock.blind.setChecked(False)
    assert [e.action for e in dock.editor.session.history.edits] == ["blind_on", "blind_off"]


def test_unsaved_edits_come_back_after_a_crash(dock: Any, qtbot: Any, picture: Path, state_folder: Path) -> None:
    from blotquant.session.band_edits import move_band

    editor = dock.editor
    editor.do(move_band(editor.layout, editor.layout.bands[0].id, d_row=2), "move")
    qtbot.waitUntil(lambda: bool(list(state_folder.glob("*.blot.json"))), timeout=WAIT_MS)
    dock.open_path(picture)  # as if napari had ended: the session on disk has no edits
    qtbot.waitUntil(lambda: dock.editor not in (None, editor) and dock.editor.is_exact, timeout=WAIT_MS)
    assert dock.editor.layout == editor.layout
    assert dock.editor.is_dirty
    assert dock.bench.save()
    assert not list(state_folder.glob("*.blot.json"))


def test_troubles_are_told_and_nothing_is_lost(dock: Any, qtbot: Any, picture: Path, tmp_path: Path) -> None:
    from blotquant.session.band_edits import move_band

    editor = dock.editor
    editor.do(move_band(editor.layout, editor.layout.bands[0].id, d_row=2), "move")
    (tmp_path / "file").write_text("")
    editor.path = tmp_path / "file" / "x.blot.json"
    assert not dock.bench.save()
    assert "Nothing is lost" in dock.messages.message.text()
    newer = json.loads(picture.with_name("blot.tif.blot.json").read_text()) | {"schema_version": 9}
    (tmp_path / "newer.blot.json").write_text(json.dumps(newer))
    dock.open_path(tmp_path / "newer.blot.json")
    qtbot.waitUntil(lambda: "newer blotquant (schema 9" in dock.messages.message.text(), timeout=WAIT_MS)
    picture.rename(tmp_path / "elsewhere.tif")
    dock.open_path(picture.with_name("blot.tif.blot.json"))
    qtbot.waitUntil(lambda: "say where it is" in dock.messages.message.text(), timeout=WAIT_MS)
    assert dock.editor is editor


def test_folder_lists_its_blots_with_their_state(dock: Any, qtbot: Any, picture: Path) -> None:
    (picture.parent / "bad.blot.json").write_text("{")
    dock.open_path(picture.parent)
    model = dock.tables.blots.rows
    qtbot.waitUntil(lambda: model.rowCount() > 0, timeout=WAIT_MS)
    assert dict(zip(model.texts(0), model.texts(1), strict=True)) == {
        "bad.blot.json": "damaged",
        "blot.tif.blot.json": "untouched",
    }


def test_the_list_follows_the_work_and_a_key_goes_on_to_the_next_blot(dock: Any, qtbot: Any, picture: Path) -> None:
    from mouse import middle, move_to, press
    from qtpy.QtCore import Qt

    other = picture.with_name("other.tif")
    other.write_bytes(picture.read_bytes())
    other.with_name("other.tif.blot.json").write_bytes(picture.with_name("blot.tif.blot.json").read_bytes())
    dock.open_path(picture.parent)
    table = dock.tables.blots
    qtbot.waitUntil(lambda: table.rows.rowCount() == 2, timeout=WAIT_MS)
    assert table.rows.texts(1) == ["untouched", "untouched"]
    assert [index.row() for index in table.selectionModel().selectedRows()] == [0]
    editor = dock.editor
    move_to(dock.viewer, *middle(editor.layout.bands[0]))
    press(dock.viewer, Qt.Key.Key_O)
    press(dock.viewer, Qt.Key.Key_PageDown)
    assert table.rows.texts(1) == ["corrected (1)", "untouched"]
    qtbot.waitUntil(lambda: dock.editor not in (None, editor) and dock.editor.is_exact, timeout=WAIT_MS)
    assert dock.editor.path == other.with_name("other.tif.blot.json")
    assert [index.row() for index in table.selectionModel().selectedRows()] == [1]
    assert [layer.name for layer in dock.viewer.layers][:3] == ["blot.tif", "Lanes", "Bands"]
    assert load_session(picture.with_name("blot.tif.blot.json")).history.edits[-1].action == "role"
    press(dock.viewer, Qt.Key.Key_PageDown)
    assert "no blot is listed after this one" in dock.messages.message.text()


def test_drag_and_drop_goes_through_the_manifests_reader(
    make_napari_viewer: Callable[..., Any], qtbot: Any, picture: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.open(picture.with_name("blot.tif.blot.json"), plugin="blotquant")
    dock = next(w for w in viewer.window.dock_widgets.values() if hasattr(w, "open_path"))
    dock.guard.asks = False
    qtbot.waitUntil(lambda: dock.editor is not None and dock.editor.is_exact, timeout=WAIT_MS)
    assert [layer.name for layer in viewer.layers][:3] == ["blot.tif", "Lanes", "Bands"]
    qtbot.waitUntil(lambda: not dock.bench.running, timeout=WAIT_MS)


def test_the_manifest_is_valid_and_does_not_claim_tiff() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "blotquant"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("blotquant")
    patterns = manifest.contributions.readers[0].filename_patterns
    assert patterns == ["*.scn", "*.gel", "*.1sc", "*.blot.json", "*experiment.toml"]


def test_napari_starts_without_loading_the_core() -> None:
    code = (
        "import sys, npe2\n"
        "manager = npe2.PluginManager.instance(); manager.discover()\n"
        "assert 'blotquant' in manager._manifests\n"
        "print([m for m in sys.modules if m.startswith('blotquant') or m.startswith('napari_blotquant.')])"
    )
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.usefixtures("qapp")
def test_a_napari_window_opens_without_loading_the_core() -> None:
    """The core is not yet there when the window is; it comes with the dock."""
    code = (
        "import sys, napari\n"
        "viewer = napari.Viewer(show=False)\n"
        "print('blotquant' in [p for p in __import__('npe2').PluginManager.instance()._manifests])\n"
        "print([m for m in sys.modules if m.startswith('blotquant') or m.startswith('napari_blotquant.')])\n"
        "viewer.close()"
    )
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split("\n")[:2] == ["True", "[]"]
