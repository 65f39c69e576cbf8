"""The layers in a viewer without a window: what a hand does there becomes edits, what the core makes is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from blotquant.quantification.bands import measure_bands
from blotquant.session.history import Change
from blotquant.session.session import parse_session, session_text

pytest.importorskip("napari")
from napari.components import ViewerModel

from napari_blotquant.layers import BlotLayers
from napari_blotquant.shapes import to_vertices


@pytest.fixture
def layers(editor) -> BlotLayers:
    layers = BlotLayers(ViewerModel())
    layers.begin(editor)
    layers.finish()
    return layers


def shift(layers: BlotLayers, index: int, d_row: float) -> None:
    """Move a shape as a drag does: its data change, then the layer tells."""
    layer = layers.bands
    layer._data_view.edit(index, layer.data[index] + np.float32([d_row, 0]))
    layer.events.data(value=layer.data, action="changed", data_indices=(index,), vertex_indices=((),))


def assert_shown(layers: BlotLayers) -> None:
    """What the layer shows is the layout, shape by shape."""
    layout = layers.editor.layout
    shown = dict(zip(layers.band_ids(), layers.bands.data, strict=True))
    assert sorted(shown) == sorted(band.id for band in layout.bands)
    for band in layout.bands:
        assert np.allclose(shown[band.id], to_vertices(band.outline), atol=2e-3), band.id


def test_layers_show_picture_lanes_and_the_band_table(layers: BlotLayers) -> None:
    names = [layer.name for layer in layers.viewer.layers]
    assert names[-2:] == ["Lanes", "Bands"]
    layers.work_on(layers.strips)
    layers.work_on(layers.centers)
    assert [layer.name for layer in layers.viewer.layers if layer.visible][-1] == "Centre lines"
    assert [list(layer.features) for layer in (layers.strips, layers.centers)] == [["strip_id"], ["lane_id"]]
    layers.work_on(layers.bands)
    assert not layers.centers.visible
    assert_shown(layers)
    features = layers.bands.features
    assert list(features["volume"]) == list(layers.editor.table["volume"])
    assert list(layers.lanes.features["label"]) == ["1", "2", "3", "4"]


def test_the_picture_lies_where_the_core_says(layers: BlotLayers) -> None:
    """Pixel centres are integers on both sides: the picture reaches from -0.5 to n - 0.5."""
    extent = layers.image.extent.world
    assert extent.tolist() == [[-0.5, -0.5], [159.5, 239.5]] or extent.tolist() == [
        [0.0, 0.0],
        [159.0, 239.0],
    ]
    assert layers.image.get_value((0.4, 0.4)) == layers.image.get_value((-0.4, -0.4))


def test_a_drag_changes_the_number_at_once_and_exactly_after_weighing(layers: BlotLayers) -> None:
    editor = layers.editor
    before = editor.table.set_index("band_id")["volume"]
    shift(layers, 2, 3.0)
    key = layers.band_ids()[2]
    assert editor.session.history.edits[-1].action == "move"
    assert editor.table.set_index("band_id")["volume"][key] != before[key]
    assert not editor.is_exact
    editor.measure_now()
    assert editor.is_exact
    pd.testing.assert_frame_equal(editor.table, measure_bands(editor.image, editor.session.layout))
    assert list(layers.bands.features["volume"]) == list(editor.table["volume"])


def test_undo_and_redo_ten_edits_and_the_layer_follows(layers: BlotLayers) -> None:
    editor = layers.editor
    start = editor.layout
    for k in range(10):
        shift(layers, k % len(layers.bands.data), 1.0 + k / 10)
    after = editor.layout
    for _ in range(10):
        assert editor.undo()
    assert editor.layout == start
    assert_shown(layers)
    assert not editor.undo()
    for _ in range(10):
        assert editor.redo()
    assert editor.layout == after == editor.session.layout
    assert_shown(layers)


def test_drawing_deleting_and_pasting(layers: BlotLayers) -> None:
    editor = layers.editor
    n = len(editor.layout.bands)
    lane = editor.layout.lanes[1]
    col = float(lane.center_at(20))
    layers.bands.add(np.array([[12, col - 9], [12, col + 9], [24, col + 9], [24, col - 9]]), shape_type="rectangle")
    assert len(editor.layout.bands) == n + 1
    drawn = next(b for b in editor.layout.bands if b.origin == "drawn")
    assert drawn.lane == lane.id
    assert_shown(layers)
    layers.bands.selected_data = {layers.band_ids().index(drawn.id)}
    layers.bands._copy_data()
    layers.bands._paste_data()
    assert len(editor.layout.bands) == n + 2
    assert len(set(layers.band_ids())) == n + 2
    layers.bands.selected_data = {0}
    layers.bands.remove_selected()
    assert len(editor.layout.bands) == n + 1
    assert_shown(layers)
    assert len(editor.table) == n + 1
    for _ in range(3):
        editor.undo()
    assert len(editor.layout.bands) == n
    assert_shown(layers)


def test_a_dragged_lane_takes_its_bands_along(layers: BlotLayers) -> None:
    editor = layers.editor
    band = editor.layout.bands[0]
    layer = layers.lanes
    layer._data_view.edit(0, layer.data[0] + np.float32([0, 2]))
    layer.events.data(value=layer.data, action="changed", data_indices=(0,), vertex_indices=((),))
    moved = editor.layout.band(band.id)
    assert moved.outline[0][1] == pytest.approx(band.outline[0][1] + 2, abs=1e-3)
    assert_shown(layers)


def test_a_speck_is_put_back_with_a_word(layers: BlotLayers) -> None:
    told: list[str] = []
    layers.refused.connect(told.append)
    layers.bands.add(np.array([[12, 20], [12, 21], [13, 21], [13, 20]]), shape_type="rectangle")
    assert told
    assert "too small" in told[0]
    assert not layers.editor.session.history.edits
    assert_shown(layers)


def test_the_session_reopens_with_identical_numbers(layers: BlotLayers) -> None:
    editor = layers.editor
    shift(layers, 0, 2.0)
    shift(layers, 3, -1.5)
    editor.measure_now()
    again = parse_session(session_text(editor.session))
    pd.testing.assert_frame_equal(measure_bands(editor.image, again.layout), editor.table)


def test_finding_again_keeps_the_hands_work(layers: BlotLayers) -> None:
    editor = layers.editor
    shift(layers, 1, 2.0)
    key = layers.band_ids()[1]
    corrected = editor.layout.band(key)
    editor.find_again(editor.session.layout_auto)
    assert editor.layout.band(key) == corrected
    assert editor.conflicts == ()
    assert_shown(layers)


def test_targets_colours_and_view(layers: BlotLayers) -> None:
    editor = layers.editor
    band = editor.layout.bands[0]
    from blotquant.session.band_edits import set_target

    editor.do(set_target(editor.layout, band.id, "pAKT"), "target")
    assert (editor.table.loc[editor.table["row"] == str(band.row), "target"] == "pAKT").all()
    layers.set_view(dark_bands=False)
    assert layers.image.colormap.name == "gray"


def test_polarity_changes_the_signal_and_can_be_undone(layers: BlotLayers) -> None:
    editor = layers.editor
    first = editor.image.signal().copy()
    editor.do([Change("image", "polarity", "bright", "dark")], "polarity")
    assert np.array_equal(editor.image.signal(), editor.image.white - first)
    editor.undo()
    assert np.array_equal(editor.image.signal(), first)


def test_fit_handles_leaves_a_small_band_to_be_dragged(dock: Any, qtbot: Any) -> None:
    """Napari's handles of ten pixels would hide it. The size is private to napari: here its end would be noticed."""
    from mouse import click, drag
    from napari.layers import Shapes

    from blotquant.session.band_edits import resize_band

    assert Shapes._vertex_size == 10
    editor, viewer = dock.editor, dock.viewer
    viewer.scene.camera.zoom = 2.0
    viewer.scene.camera.center = (0.0, 80.0, 120.0)
    qtbot.wait(50)
    band = editor.layout.bands[0]
    (row, col), half = band.peak, 2.5
    small = [(row - half, col - 6), (row - half, col + 6), (row + half, col + 6), (row + half, col - 6)]
    editor.do(resize_band(editor.layout, band.id, small), "resize")
    click(viewer, row, col)
    assert dock.layers.selected_ids() == [band.id]
    assert dock.layers.bands._vertex_size == pytest.approx(10 / 3, abs=0.1)
    drag(viewer, (row, col), (row + 8, col))
    moved = editor.layout.band(band.id)
    heights = np.ptp(np.asarray(moved.outline), axis=0)
    assert heights[0] == pytest.approx(5, abs=0.1)
    assert moved.peak[0] == pytest.approx(row + 8, abs=1.0)
    viewer.scene.camera.zoom = 12.0
    assert dock.layers.bands._vertex_size == 10
