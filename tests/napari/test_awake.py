"""What keeps the window awake: one set of layers, cells changed in place, slow work in a thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blotquant.session.band_edits import move_band

pytest.importorskip("napari")
from napari_blotquant import editor as editing

WAIT_MS = 60_000


def opened(dock: Any, qtbot: Any, before: Any) -> None:
    qtbot.waitUntil(lambda: dock.editor not in (None, before) and dock.editor.is_exact, timeout=WAIT_MS)


def test_of_two_blots_opened_at_once_the_later_one_stays_and_nothing_else(dock: Any, qtbot: Any, picture: Path) -> None:
    from napari_blotquant.workbench import open_blot

    before, first, second = dock.editor, open_blot(picture), open_blot(picture)
    dock.bench.show(first)
    dock.bench.show(second)
    opened(dock, qtbot, before)
    assert dock.editor.session is second.session
    layers = dock.layers
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 3, timeout=WAIT_MS)
    assert list(dock.viewer.layers) == [layers.image, layers.lanes, layers.bands]


def test_expect_makes_the_layer_for_bending_where_lanes_are_worked_on(dock: Any, qtbot: Any) -> None:
    """Bending finds its layer there; until then nobody paid for it, and the lanes keep the mouse."""
    layers = dock.layers
    qtbot.waitUntil(lambda: not layers.is_filling, timeout=WAIT_MS)
    assert layers.centers not in dock.viewer.layers
    dock.hand.go(dock.steps.LANES)
    qtbot.waitUntil(lambda: layers.centers in dock.viewer.layers, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not layers.centers.visible, timeout=WAIT_MS)
    assert dock.viewer.layers.selection.active == layers.lanes
    dock.hand.run("bend")
    assert layers.centers.visible
    assert len(layers.centers.data) == len(dock.editor.layout.lanes)


def test_next_step_shows_a_blot_in_steps_and_a_command_in_between_acts_on_all_of_it(dock: Any, qtbot: Any) -> None:
    """What is done before all is shown is done with all of it; numbers wait until then; nothing drawn is misread."""
    from blotquant.runs.blots import Opened

    layers, before = dock.layers, dock.editor
    same = Opened(before.image, before.session, before.path)
    dock.bench.show(same)
    editor = dock.editor
    assert layers.editor is editor
    assert layers.is_filling
    assert [len(layer.data) for layer in (layers.lanes, layers.bands)] == [0, 0]
    layers.bands.add([[(10, 10), (10, 30), (30, 30), (30, 10)]], shape_type="polygon")
    assert editor.layout == before.layout, (
        "a shape that comes now is no edit, and its missing neighbours are not deleted"
    )
    dock.hand.go(dock.steps.LANES)
    assert not layers.is_filling
    assert len(layers.bands.data) == len(editor.layout.bands)
    assert dock.hand.step == dock.steps.LANES
    opened(dock, qtbot, before)
    qtbot.wait(100)
    assert dock.hand.step == dock.steps.LANES, "what was chosen meanwhile stays"
    dock.bench.show(same)
    opened(dock, qtbot, editor)
    assert not layers.is_filling, "exact numbers stand beside a blot that is shown as a whole"


def test_a_changed_cell_does_not_lay_out_the_table_anew(dock: Any) -> None:
    editor, model = dock.editor, dock.tables.bands.rows
    laid_out: list[object] = []
    model.layoutChanged.connect(lambda *_: laid_out.append(1))
    key = editor.layout.bands[2].id
    before = model.texts(2)[model.row_of(key)]
    editor.do(move_band(editor.layout, key, d_row=3), "move")
    row = model.row_of(key)
    assert model.index(row, 2).data() == model.texts(2)[row] != before
    assert laid_out == []


def test_very_many_bands_get_their_numbers_with_the_exact_ones(
    editor: editing.Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editing, "AT_ONCE", 3)
    lane = editor.layout.lanes[0]
    few = {band.id for band in editor.layout.bands_of(lane.id)}
    start = dict(editor.rows)
    editor.do([c for key in sorted(few) for c in move_band(editor.layout, key, d_row=1)], "move")
    assert editor.rows.keys() == start.keys()
    everything = [c for b in editor.layout.bands for c in move_band(editor.layout, b.id, d_row=1)]
    editor.do(everything, "move")
    assert editor.rows == {}
    assert len(editor.table) == 0
    editor.measure_now()
    assert editor.rows.keys() == start.keys()


def test_what_is_found_again_is_laid_under_in_a_thread_unless_it_was_corrected_since(editor: editing.Editor) -> None:
    auto = editor.session.layout_auto
    made = editor.lay_under(auto)
    editor.do(move_band(editor.layout, editor.layout.bands[0].id, d_row=2), "move")
    corrected = editor.layout
    editor.find_again(auto, made)
    assert editor.layout == corrected, "made from the session before the correction: made again"
    made = editor.lay_under(auto)
    editor.find_again(auto, made)
    assert editor.session is made.session


def test_a_lanes_curves_are_made_once_for_each_scene(editor: editing.Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = editing.lane_curves
    monkeypatch.setattr(editing, "lane_curves", lambda prepared, lane: (made.append(lane.id), real(prepared, lane))[1])
    first, second = editor.layout.lanes[:2]
    for lane in (first, second, first):
        editor.curves(lane)
    assert made == [first.id, second.id]
    editor.measure_now()
    editor.curves(first)
    assert made == [first.id, second.id, first.id]


def test_setting_that_is_left_out_says_auto(dock: Any) -> None:
    box = dock.steps.forms[0]._fields["n_lanes"]
    assert box.native.text() == "auto"
    box.value = 7
    assert dock.editor.session.settings.detection.n_lanes == 7
    box.value = 0
    assert dock.editor.session.settings.detection.n_lanes is None


def test_start_makes_tables_without_arrows_strings(dock: Any) -> None:
    """Arrow's hash tables once took the process down when they were used in a thread."""
    dtypes = dock.editor.table.dtypes
    storages = {dtype.storage for dtype in dtypes if hasattr(dtype, "storage")}
    assert storages == {"python"}
