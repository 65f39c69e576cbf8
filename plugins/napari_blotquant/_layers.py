"""The layers of one blot: picture, saturated pixels, lanes, bands. Needs napari, no Qt.

What a hand does to a shape is read back as edits; what the core makes of them is shown by touching only the shapes
that differ, since assigning all of `layer.data` takes a second with 500 bands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from napari.layers import Image, Shapes
from numpy.typing import NDArray
from psygnal import Signal

from blotquant.geometry import Band, Lane, Polygon
from blotquant.record.history import Change
from napari_blotquant._convert import (
    HIDDEN_ID,
    LANE_ID,
    band_colour,
    band_features,
    contrast_limits,
    is_same_place,
    lane_colour,
    lane_features,
    to_vertices,
)
from napari_blotquant._model import Editor
from napari_blotquant._reconcile import Shape, read_bands, read_lanes

CLEAR = "transparent"
CLOSE = 2.5
"""A doubt is looked at this much closer than the whole picture."""
DARK_VIEW, BRIGHT_VIEW = "gray_r", "gray"


class BlotLayers:
    """Shows an editor's state in a viewer and feeds what a hand does there back into it.

    Attributes
    ----------
    image, lanes, bands : napari layers
        The picture and its shapes; `saturated` is None where no pixel is.
    """

    picked = Signal(str)  # id of the selected band, or empty
    picked_lane = Signal(str)  # id of the selected lane
    previewed = Signal(object)  # table of one row, while a band is dragged
    refused = Signal(str)  # why a shape was put back

    def __init__(self, viewer: Any, editor: Editor) -> None:
        self.viewer, self.editor = viewer, editor
        self._busy = False
        self._fit_zoom = 0.0
        self._bands_shown: list[Band] = []
        self._lanes_shown: list[Lane] = []
        width = max(1.5, max(editor.image.shape) / 450)
        self.image: Image = viewer.add_image(
            editor.signal,
            name=editor.image.name,
            colormap=DARK_VIEW,
            contrast_limits=contrast_limits(editor.signal),
        )
        self.saturated: Image | None = self._add_saturated()
        self.lanes = self._add_shapes("Lanes", width)
        self.bands = self._add_shapes("Bands", width)
        self.draw_all()
        self.lanes.events.data.connect(self._on_lane_data)
        self.lanes.events.features.connect(self._on_lane_features)
        self.bands.events.data.connect(self._on_band_data)
        self.bands.events.features.connect(self._on_band_features)
        self.bands.events.set_data.connect(self._on_drag)
        self.bands.selected_data.events.items_changed.connect(self._on_pick)
        self.lanes.selected_data.events.items_changed.connect(self._on_pick_lane)
        editor.edited.connect(self._on_edited)
        editor.weighed.connect(self.show_numbers)

    def _add_shapes(self, name: str, width: float) -> Shapes:
        layer = self.viewer.add_shapes(
            name=name, ndim=2, edge_width=width, face_color=CLEAR, edge_color="deepskyblue", opacity=0.9
        )
        layer.current_edge_width = width
        return layer

    def _add_saturated(self) -> Image | None:
        hot = self.editor.signal >= self.editor.image.ceiling
        if not hot.any():
            return None
        return self.viewer.add_image(
            hot.astype(np.uint8),
            name="Saturated",
            colormap="red",
            blending="additive",
            contrast_limits=(0, 1),
        )

    def close(self) -> None:
        """Stop listening; the layers may stay."""
        self.editor.edited.disconnect(self._on_edited, missing_ok=True)
        self.editor.weighed.disconnect(self.show_numbers, missing_ok=True)
        self.lanes.events.data.disconnect(self._on_lane_data)
        self.lanes.events.features.disconnect(self._on_lane_features)
        self.bands.events.data.disconnect(self._on_band_data)
        self.bands.events.features.disconnect(self._on_band_features)
        self.bands.events.set_data.disconnect(self._on_drag)

    def remove(self) -> None:
        """Stop listening and take the layers out of the viewer."""
        self.close()
        for layer in (self.bands, self.lanes, self.saturated, self.image):
            if layer is not None and layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Events that come from drawing are not read as a hand's work."""
        was, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = was

    # showing

    def draw_all(self) -> None:
        """Draw lanes and bands anew."""
        layout = self.editor.layout
        with self._quiet():
            _fill(self.lanes, [lane.outline for lane in layout.lanes], [lane_colour(x) for x in layout.lanes])
            self.lanes.features = lane_features(layout)
            self.lanes.text = {
                "string": "{label}", "size": 11, "color": (0.20, 0.55, 0.35, 1.0), "anchor": "upper_left",
            }  # fmt: skip
            _fill(self.bands, [band.outline for band in layout.bands], self._band_colours(layout.bands))
            self.bands.features = band_features(layout, self.editor.table)
        self._lanes_shown, self._bands_shown = list(layout.lanes), list(layout.bands)

    def show_numbers(self) -> None:
        """Write the band table back into the layer's features, and colours that follow from it."""
        with self._quiet():
            keys = self.band_ids()
            table = band_features(self.editor.layout, self.editor.table)
            if list(table[HIDDEN_ID]) != keys:
                table = table.set_index(HIDDEN_ID, drop=False).reindex(keys).reset_index(drop=True)
            self.bands.features = table
            by_id = {band.id: band for band in self.editor.layout.bands}
            _recolour(self.bands, self._band_colours([by_id[key] for key in keys if key in by_id]))

    def _band_colours(self, bands: Sequence[Band]) -> list[tuple[float, ...]]:
        table = self.editor.table
        flags = dict(zip(table["band_id"], table["flags"], strict=True)) if not table.empty else {}
        return [band_colour(band, flags.get(band.id) or "") for band in bands]

    def _on_edited(self, changes: list[Change] | None) -> None:
        """Touch only the shapes that differ; draw all where lanes or bands came or went."""
        layout = self.editor.layout
        same_lanes = [x.id for x in layout.lanes] == [x.id for x in self._lanes_shown]
        keys = self.band_ids()
        if changes is None or not same_lanes or sorted(keys) != sorted(band.id for band in layout.bands):
            self.draw_all()
            self.viewer.layers.selection.active = self.viewer.layers.selection.active
            return
        by_id = {band.id: band for band in layout.bands}
        with self._quiet():
            _reshape(self.bands, [by_id[key].outline for key in keys])
            if list(layout.lanes) != self._lanes_shown:
                _reshape(self.lanes, [lane.outline for lane in layout.lanes])
                self.lanes.features = lane_features(layout)
                _recolour(self.lanes, [lane_colour(lane) for lane in layout.lanes])
            # The features follow with the exact numbers: writing 40 columns takes as long as all the rest.
            _recolour(self.bands, self._band_colours([by_id[key] for key in keys]))
        self._lanes_shown, self._bands_shown = list(layout.lanes), list(layout.bands)

    def set_view(self, *, dark_bands: bool) -> None:
        """Show bands dark on white, as on film, or bright on black; the numbers never see it."""
        self.image.colormap = DARK_VIEW if dark_bands else BRIGHT_VIEW

    def select(self, band_id: str) -> None:
        """Select a band in the layer, without moving the view."""
        keys = self.band_ids()
        if band_id in keys:
            with self._quiet():
                self.bands.selected_data = {keys.index(band_id)}
                self.bands.refresh()

    def look_at(self, outline: Polygon) -> None:
        """Bring an outline into the middle of the view, close enough to judge it."""
        low, high = np.min(outline, axis=0), np.max(outline, axis=0)
        self.viewer.camera.center = (0.0, *((low + high) / 2))
        self.viewer.camera.zoom = max(self.viewer.camera.zoom, CLOSE * self._fit_zoom)

    def fit(self) -> None:
        """Show the whole picture."""
        self.viewer.reset_view()
        self._fit_zoom = self.viewer.camera.zoom

    # reading

    def band_ids(self) -> list[str]:
        """The id that each shape of the Bands layer carries."""
        return [str(key) for key in self.bands.features.get(HIDDEN_ID, [])]

    def selected_ids(self) -> list[str]:
        """Ids of the selected bands, in the layer's order."""
        keys = self.band_ids()
        return [keys[k] for k in sorted(self.bands.selected_data) if k < len(keys)]

    def selected_lane_ids(self) -> list[str]:
        """Ids of the selected lanes."""
        keys = list(self.lanes.features.get(LANE_ID, []))
        return [str(keys[k]) for k in sorted(self.lanes.selected_data) if k < len(keys)]

    # An event's source may be a proxy of the layer, so that each layer has handlers of its own.

    def _on_lane_data(self, event: Any) -> None:
        self._on_data(self.lanes, event)

    def _on_band_data(self, event: Any) -> None:
        self._on_data(self.bands, event)

    def _on_lane_features(self, _event: Any) -> None:
        self._on_features(self.lanes)

    def _on_band_features(self, _event: Any) -> None:
        self._on_features(self.bands)

    def _on_data(self, layer: Shapes, event: Any) -> None:
        is_over = str(event.action).rpartition(".")[2].lower() in ("added", "removed", "changed")
        if is_over and not self._busy:
            self.read(layer)

    def _on_features(self, layer: Shapes) -> None:
        """Pasting tells nothing but that the features grew."""
        if not self._busy and len(layer.data) != self._n_shown(layer):
            self.read(layer)

    def _n_shown(self, layer: Shapes) -> int:
        return len(self._bands_shown if layer is self.bands else self._lanes_shown)

    def read(self, layer: Shapes) -> None:
        """Compare what a layer shows with the layout and make the edits that follow."""
        if len(layer.features) != len(layer.data):
            return
        shapes = self._shapes(layer)
        read = read_bands if layer is self.bands else read_lanes
        reading = read(self.editor.layout, shapes, used_ids=self.editor.used_ids)
        for reason in reading.refused:
            self.refused.emit(reason)
        if reading.refused:
            self.editor.do(reading.changes, reading.action)
            self.draw_all()
            return
        if reading.changes:
            if [shape.key for shape in shapes] != reading.keys:
                self._write_keys(layer, reading.keys)
            self.editor.do(reading.changes, reading.action)

    def _shapes(self, layer: Shapes) -> list[Shape]:
        column = HIDDEN_ID if layer is self.bands else LANE_ID
        keys = layer.features[column] if column in layer.features else [""] * len(layer.data)
        return [Shape(str(key), np.array(points)) for key, points in zip(keys, layer.data, strict=True)]

    def _write_keys(self, layer: Shapes, keys: Sequence[str]) -> None:
        column = HIDDEN_ID if layer is self.bands else LANE_ID
        features = layer.features.copy()
        features[column] = list(keys)
        with self._quiet():
            layer.features = features

    def _on_drag(self, _event: Any) -> None:
        """While one band is dragged, show the number it would have."""
        if self._busy or not self.bands._is_moving or len(self.bands.selected_data) != 1:
            return
        index = next(iter(self.bands.selected_data))
        keys = self.band_ids()
        if index >= len(keys):
            return
        band = next((b for b in self.editor.layout.bands if b.id == keys[index]), None)
        points = np.array(self.bands.data[index])
        if band is None or is_same_place(points, band.outline):
            return
        from blotquant.record.edits import resize_band

        with suppress(ValueError):
            self.previewed.emit(self.editor.preview(resize_band(self.editor.layout, band.id, points)))

    def _on_pick(self, _event: Any = None) -> None:
        if not self._busy:
            chosen = self.selected_ids()
            self.picked.emit(chosen[0] if len(chosen) == 1 else "")

    def _on_pick_lane(self, _event: Any = None) -> None:
        chosen = self.selected_lane_ids()
        if not self._busy and len(chosen) == 1:
            self.picked_lane.emit(chosen[0])


def _fill(layer: Shapes, outlines: Sequence[Polygon], colours: Sequence[tuple[float, ...]]) -> None:
    """Show outlines as polygons, replacing what was there."""
    layer.selected_data = set()
    layer.data = []
    if outlines:
        points = [to_vertices(outline) for outline in outlines]
        width = layer.current_edge_width
        layer.add_polygons(points, edge_color=np.array(colours), face_color=CLEAR, edge_width=width)
    layer.selected_data = set()


def _reshape(layer: Shapes, outlines: Sequence[Polygon]) -> None:
    """Give shapes that lie elsewhere their outline, the others are left alone."""
    pairs = enumerate(zip(layer.data, outlines, strict=True))
    wrong = [k for k, (points, outline) in pairs if not is_same_place(points, outline)]
    if not wrong:
        return
    # The public way, `layer.data = ...`, rebuilds every shape: 0.2 s with 150 bands, 0.5 s with 500.
    for k in wrong:
        layer._data_view.edit(k, to_vertices(outlines[k]).astype(np.float32), new_type="polygon")
    layer._set_highlight(force=True)
    layer.refresh()


def _recolour(layer: Shapes, colours: Sequence[tuple[float, ...]]) -> None:
    wanted: NDArray[np.float64] = np.array(colours, dtype=float).reshape(-1, 4)
    if wanted.shape == np.shape(layer.edge_color) and not np.allclose(layer.edge_color, wanted, atol=1e-3):
        layer.edge_color = wanted
