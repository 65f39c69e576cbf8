"""What keeps the window awake: drawing part by part, shaders kept, libraries set aside, slow work in a thread."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blotquant.session.edits import move_band

pytest.importorskip("napari")

from napari_blotquant import _model, _profile
from napari_blotquant._canvas import draw_quickly, parts_of, visual_of

WAIT_MS = 60_000


def opened(dock: Any, qtbot: Any, before: Any) -> None:
    qtbot.waitUntil(lambda: dock.editor not in (None, before) and dock.editor.is_exact, timeout=WAIT_MS)


def test_every_part_of_every_layer_is_drawn_in_the_end(dock: Any, qtbot: Any) -> None:
    for layer in (dock.layers.strips, dock.layers.centers):
        dock.layers.work_on(layer)
    assert all(layer.visible for layer in (dock.layers.image, dock.layers.lanes, dock.layers.bands))
    parts = [part for layer in dock.viewer.layers for part in parts_of(visual_of(dock.viewer, layer))]
    qtbot.waitUntil(lambda: all(part.visible for part in parts), timeout=WAIT_MS)
    assert len(parts_of(visual_of(dock.viewer, dock.layers.bands))) == 5


def test_parts_that_were_not_reached_are_shown_when_the_steps_are_given_up(dock: Any) -> None:
    parts = parts_of(visual_of(dock.viewer, dock.layers.bands))
    steps = draw_quickly(dock.viewer, dock.layers.bands)
    next(steps)
    assert not any(part.visible for part in parts)
    steps.close()
    assert all(part.visible for part in parts)


def test_an_edit_makes_no_shader(dock: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vispy.visuals.shaders.program import ModularProgram

    editor, made = dock.editor, []
    real = ModularProgram._build
    monkeypatch.setattr(ModularProgram, "_build", lambda self: (made.append(self), real(self))[1])
    dock.pick(editor.layout.bands[0].id)
    qtbot.wait(100)
    made.clear()
    editor.do(move_band(editor.layout, editor.layout.bands[3].id, d_row=2), "move")
    qtbot.wait(100)
    meshes = parts_of(visual_of(dock.viewer, dock.layers.bands))[:1]
    programs = {id(view.view_program) for mesh in meshes for view in (mesh, *mesh._vshare.views)}
    assert not [program for program in made if id(program) in programs]


def test_libraries_are_set_aside_while_the_window_is_open(make_napari_viewer: Callable[..., Any], qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("blotquant", "Quantify a blot")
    dock.asks = False
    qtbot.waitUntil(lambda: gc.get_freeze_count() > 100_000, timeout=WAIT_MS)
    viewer.close()
    assert gc.get_freeze_count() == 0


def test_of_two_blots_opened_at_once_the_later_one_stays_and_nothing_else(dock: Any, qtbot: Any, picture: Path) -> None:
    from napari_blotquant._work import open_blot

    before, first, second = dock.editor, open_blot(picture), open_blot(picture)
    dock.opening._opened(first)
    dock.opening._opened(second)
    opened(dock, qtbot, before)
    assert dock.editor.session is second.session
    layers = dock.layers
    assert list(dock.viewer.layers) == [layers.image, layers.lanes, layers.bands]


def test_a_changed_cell_does_not_lay_out_the_table_anew(dock: Any) -> None:
    editor, model = dock.editor, dock.tables.bands.rows
    laid_out: list[object] = []
    model.layoutChanged.connect(lambda *_: laid_out.append(1))
    key = editor.layout.bands[2].id
    before = model.texts(2)[model.row_of(key)]
    editor.do(move_band(editor.layout, key, d_row=3), "move")
    row = model.row_of(key)
    assert model.item(row, 2).text() == model.texts(2)[row] != before
    assert laid_out == []


def test_very_many_bands_get_their_numbers_with_the_exact_ones(
    editor: _model.Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_model, "AT_ONCE", 3)
    lane = editor.layout.lanes[0]
    few = {band.id for band in editor.layout.bands_of(lane.id)}
    start = dict(editor.rows)
    editor.do([c for key in sorted(few) for c in move_band(editor.layout, key, d_row=1)], "move")
    assert editor.rows.keys() == start.keys()
    everything = [c for b in editor.layout.bands for c in move_band(editor.layout, b.id, d_row=1)]
    editor.do(everything, "move")
    assert editor.rows == {}
    assert len(editor.table) == 0
    editor.weigh_now()
    assert editor.rows.keys() == start.keys()


def test_what_is_found_again_is_laid_under_in_a_thread_unless_it_was_corrected_since(editor: _model.Editor) -> None:
    auto = editor.session.layout_auto
    made = editor.lay_under(auto)
    editor.do(move_band(editor.layout, editor.layout.bands[0].id, d_row=2), "move")
    corrected = editor.layout
    editor.find_again(auto, made)
    assert editor.layout == corrected, "made from the session before the correction: made again"
    made = editor.lay_under(auto)
    editor.find_again(auto, made)
    assert editor.session is made.session


def test_a_lanes_curves_are_made_once_for_each_scene(editor: _model.Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("qtpy")
    made: list[str] = []
    real = _profile._lane_curves
    monkeypatch.setattr(_profile, "_lane_curves", lambda scene, lane: (made.append(lane.id), real(scene, lane))[1])
    first, second = editor.layout.lanes[:2]
    for lane in (first, second, first):
        _profile.lane_curves(editor.scene, lane)
    assert made == [first.id, second.id]
    editor.weigh_now()
    _profile.lane_curves(editor.scene, first)
    assert made == [first.id, second.id, first.id]
