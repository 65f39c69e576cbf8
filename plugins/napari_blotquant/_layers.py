"""The layers of one blot: picture, saturated pixels, strips, lanes, centre lines, bands. Needs napari, no Qt.

What a hand does to a shape is read back as edits; what the core makes of them is shown by touching only the shapes
that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image
from psygnal import Signal

from blotquant.model.geometry import Band, Polygon
from blotquant.session.history import Change
from napari_blotquant._canvas import draw_quickly
from napari_blotquant._convert import (
    COLOURS,
    HIDDEN_ID,
    LANE_ID,
    STRIP_ID,
    Colour,
    band_colour,
    band_features,
    handles,
    is_same_place,
    lane_colour,
    lane_features,
)
from napari_blotquant._look import Look, look_at
from napari_blotquant._mirror import Mirror
from napari_blotquant._model import Editor
from napari_blotquant._reconcile import Reading, read_bands, read_centers, read_lanes, read_strips
from napari_blotquant._shapes import CLEAR, HandLines, HandShapes

CLOSE = 2.5
"""A doubt is looked at this much closer than the whole picture."""
DARK_VIEW, BRIGHT_VIEW = "gray_r", "gray"
LABELS_AT_ONCE = 5
"""Napari draws each new character once at a large size, which takes it some milliseconds."""
WORDS = {"size": 11, "color": (0.20, 0.55, 0.35, 1.0), "anchor": "upper_left"}


class BlotLayers:
    """Shows an editor's state in a viewer and feeds what a hand does there back into it.

    Nothing is added to the viewer before `build` is run: its steps may be taken one by one, so that a window stays
    awake between them.

    Attributes
    ----------
    image, strips, lanes, centers, bands : napari layers
        The picture and its shapes; `saturated` is None where no pixel is.
    """

    picked = Signal(str)  # id of the selected band, or empty
    picked_lane = Signal(str)  # id of the selected lane
    previewed = Signal(object)  # the row of one band, while it is dragged
    refused = Signal(str)  # why a shape was put back

    def __init__(self, viewer: Any, editor: Editor, look: Look | None = None) -> None:
        self.viewer, self.editor = viewer, editor
        self.look = look or look_at(editor.image)
        self.samples: dict[str, str] = {}
        self.in_turns: Callable[[Iterator[None]], None] = _at_once
        self._busy = False
        self._fit_zoom = 0.0
        width = max(1.5, max(editor.image.shape) / 450)
        common = {"ndim": 2, "edge_width": width, "face_color": CLEAR, "edge_color": "deepskyblue", "opacity": 0.9}
        self.image: Image = Image(
            self.look.signal, name=editor.image.name, colormap=DARK_VIEW, contrast_limits=self.look.limits
        )
        self.saturated: Image | None = None
        self.strips = HandShapes(name="Strips", visible=False, **common)
        self.lanes = HandShapes(name="Lanes", **common)
        self.centers = HandLines(name="Centre lines", visible=False, **common)
        self.bands = HandShapes(name="Bands", **common)
        for layer in (self.strips, self.lanes, self.centers, self.bands):
            layer.current_edge_width = width
        self._names = {layer: layer.name for layer in self._all}
        self._strips = Mirror(self.strips, STRIP_ID, _outline, lambda _strip: COLOURS["strip"])
        self._lanes = Mirror(self.lanes, LANE_ID, _outline, lane_colour)
        self._centers = Mirror(self.centers, LANE_ID, handles, lane_colour)
        self._bands = Mirror(self.bands, HIDDEN_ID, _outline, self._band_colour)

    def build(self) -> Iterator[None]:
        """Add the layers step by step."""
        yield from self._add_image(self.image)
        if self.look.saturated is not None:
            self.saturated = Image(
                self.look.saturated, name="Saturated", colormap="red", blending="additive", contrast_limits=(0, 1)
            )
            self._names[self.saturated] = self.saturated.name
            yield from self._add_image(self.saturated)
        layout = self.editor.layout
        for mirror, things in ((self._lanes, layout.lanes), (self._bands, layout.bands)):
            yield from mirror.fill(things)
            yield
            self.viewer.add_layer(mirror.layer)
            yield from draw_quickly(self.viewer, mirror.layer)
            yield
        yield from self._strips.fill(layout.strips)
        yield from self._centers.fill(layout.lanes)
        for n_lanes in range(LABELS_AT_ONCE, len(layout.lanes), LABELS_AT_ONCE):
            self.show_labels(n_lanes)
            yield
        self.show_labels()
        if self.editor.rows:
            self.show_numbers()
        self._listen()

    def _add_image(self, layer: Image) -> Iterator[None]:
        """Add a picture and paint it for the first time: two steps."""
        layer.visible = False
        self.viewer.add_layer(layer)
        yield
        layer.visible = True
        yield

    def _listen(self) -> None:
        for layer, mirror, read in self._readers():
            layer.events.data.connect(partial(self._on_data, mirror, read))
            layer.events.features.connect(partial(self._on_features, mirror, read))
        self.bands.events.set_data.connect(self._on_drag)
        for layer, pick in ((self.bands, self._on_pick), (self.lanes, self._on_pick_lane)):
            selection: Any = layer.selected_data
            selection.events.items_changed.connect(pick)
        self.editor.edited.connect(self._on_edited)
        self.editor.weighed.connect(self.show_numbers)

    def _readers(self) -> tuple[tuple[HandShapes, Mirror, Callable[..., Reading]], ...]:
        return (
            (self.strips, self._strips, read_strips),
            (self.lanes, self._lanes, read_lanes),
            (self.centers, self._centers, read_centers),
            (self.bands, self._bands, read_bands),
        )

    @property
    def _all(self) -> tuple[Any, ...]:
        layers = (self.bands, self.centers, self.lanes, self.strips, self.saturated, self.image)
        return tuple(layer for layer in layers if layer is not None)

    def is_active(self, *layers: Any) -> bool:
        """Whether one of some layers, or else of all of the blot's, has the mouse and the keys."""
        active = self.viewer.layers.selection.active
        return any(active == layer for layer in layers or self._all)  # not `is`: napari may hand out a proxy

    def keep_names(self) -> None:
        """Call the layers what they are: napari numbered them while those of the last blot were there."""
        for layer, name in self._names.items():
            layer.name = name

    def close(self) -> None:
        """Stop listening; the layers may stay."""
        self.editor.edited.disconnect(self._on_edited, missing_ok=True)
        self.editor.weighed.disconnect(self.show_numbers, missing_ok=True)
        self._busy = True

    def remove(self) -> Iterator[None]:
        """Take the layers out of the viewer, one with each step."""
        self.close()
        for layer in self._all:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
                yield

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Events that come from drawing are not read as a hand's work."""
        was, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = was

    # showing

    def show_all(self) -> None:
        """Bring every layer to what the layout holds."""
        with self._quiet():
            for show in (self._show_strips, self._show_lanes, self._show_centers, self._show_bands):
                show(None)

    def _show_strips(self, touched: set[str] | None) -> None:
        self._strips.show(self.editor.layout.strips, touched)

    def _show_lanes(self, touched: set[str] | None) -> None:
        layout = self.editor.layout
        self._lanes.show(layout.lanes, touched)
        self._lanes.repaint(layout.lanes)
        self.show_labels()

    def _show_centers(self, touched: set[str] | None) -> None:
        self._centers.show(self.editor.layout.lanes, touched)

    def _show_bands(self, touched: set[str] | None) -> None:
        self._bands.show(self.editor.layout.bands, touched)

    def show_labels(self, n_lanes: int | None = None) -> None:
        """Write over each lane, or over the first ones, what it is; nothing while blind."""
        order = {lane.id: lane for lane in self.editor.layout.lanes}
        lanes = [order[key] for key in self._lanes.keys if key in order]
        wanted = lane_features(lanes, self.samples, is_blind=self.editor.is_blind)
        if n_lanes is not None:
            wanted.loc[n_lanes:, "label"] = ""
        if not wanted.equals(self.lanes.features):
            with self._quiet():
                is_first = "label" not in self.lanes.features
                self.lanes.features = wanted
                if is_first:
                    self.lanes.text = {"string": "{label}", **WORDS}

    def show_numbers(self) -> None:
        """Write the band table into the layer's features, and colours that follow from it."""
        with self._quiet():
            table = band_features(self._bands.keys, self.editor.table)
            features = self.bands.features
            if list(features) == list(table) and len(features) == len(table):
                # In place: assigning all features takes as long as all the rest.
                for name in table:
                    if not features[name].equals(table[name]):
                        features[name] = table[name].to_numpy()
            else:
                self.bands.features = table
            self._bands.repaint(self.editor.layout.bands)

    def _band_colour(self, band: Band) -> Colour:
        row = self.editor.rows.get(band.id)
        return band_colour(band, (row or {}).get("flags"))

    def _on_edited(self, changes: list[Change] | None) -> None:
        """Touch only the shapes that differ."""
        if changes is None:
            self.show_all()
            return
        touched = {kind: {c.object_id for c in changes if c.kind == kind} for kind in ("strip", "lane", "band")}
        with self._quiet():
            if touched["strip"]:
                self._show_strips(touched["strip"])
            if touched["lane"]:
                self._show_lanes(touched["lane"])
                self._show_centers(touched["lane"])
            if touched["band"]:
                # The features follow with the exact numbers.
                self._show_bands(touched["band"])

    def show_signal(self, look: Look) -> None:
        """Show other counts: the polarity was changed."""
        self.look = look
        self.image.data = look.signal
        self.image.contrast_limits = look.limits

    def set_view(self, *, dark_bands: bool) -> None:
        """Show bands dark on white, as on film, or bright on black; the numbers never see it."""
        self.image.colormap = DARK_VIEW if dark_bands else BRIGHT_VIEW

    def work_on(self, layer: Any) -> None:
        """Give the mouse to a layer; strips and centre lines are shown only while they are worked on."""
        for hidden in (self.strips, self.centers):
            hidden.visible = hidden is layer
        if layer not in self.viewer.layers:  # strips and centre lines come when they are first worked on
            self.viewer.add_layer(layer)
            self.in_turns(draw_quickly(self.viewer, layer))
        self.viewer.layers.selection.active = layer
        if layer is not self.image:
            layer.mode = "direct" if layer is self.centers else "select"

    def select(self, band_id: str) -> None:
        """Select a band in the layer, without moving the view."""
        self._select(self._bands, band_id)

    def select_lane(self, lane_id: str) -> None:
        """Select a lane in the layer."""
        self._select(self._lanes, lane_id)

    def select_center(self, lane_id: str) -> None:
        """Select a centre line in its layer: its points can be dragged."""
        self._select(self._centers, lane_id)

    def _select(self, mirror: Mirror, key: str) -> None:
        index = mirror.index(key)
        if index is not None:
            with self._quiet():
                mirror.layer.selected_data = {index}
                mirror.layer.events.highlight()

    def look_at(self, outline: Polygon) -> None:
        """Bring an outline into the middle of the view, close enough to judge it."""
        low, high = np.min(outline, axis=0), np.max(outline, axis=0)
        self.viewer.scene.camera.center = (0.0, *((low + high) / 2))
        self.viewer.scene.camera.zoom = max(self.viewer.scene.camera.zoom, CLOSE * self._fit_zoom)

    def fit(self) -> None:
        """Show the whole picture."""
        self.viewer.reset_view()
        self._fit_zoom = self.viewer.scene.camera.zoom

    # reading

    def band_ids(self) -> list[str]:
        """The id that each shape of the Bands layer carries."""
        return self._bands.keys

    def selected_ids(self) -> list[str]:
        """Ids of the selected bands, in the layer's order."""
        return self._bands.selected

    def selected_lane_ids(self) -> list[str]:
        """Ids of the selected lanes."""
        return self._lanes.selected

    def selected_strip_ids(self) -> list[str]:
        """Ids of the selected strips."""
        return self._strips.selected

    def _on_data(self, mirror: Mirror, read: Callable[..., Reading], event: Any) -> None:
        is_over = str(event.action).rpartition(".")[2].lower() in ("added", "removed", "changed")
        if is_over and not self._busy:
            self._read(mirror, read)

    def _on_features(self, mirror: Mirror, read: Callable[..., Reading], _event: Any) -> None:
        if not self._busy and mirror.has_foreign:
            self._read(mirror, read)

    def _read(self, mirror: Mirror, read: Callable[..., Reading]) -> None:
        """Compare what a layer shows with the layout and make the edits that follow."""
        layer = mirror.layer
        if len(layer.features) != len(layer.data):
            return
        shapes = mirror.shapes
        reading = read(self.editor.layout, shapes, used_ids=self.editor.used_ids)
        for reason in reading.refused:
            self.refused.emit(reason)
        if reading.changes and not reading.refused and [shape.key for shape in shapes] != reading.keys:
            mirror.write_keys(reading.keys)
        self.editor.do(reading.changes, reading.action)
        if reading.refused or mirror.has_foreign:
            self._put_back(mirror)

    def _put_back(self, mirror: Mirror) -> None:
        """Show what the layout holds and nothing else; a shape that carries no id of its own goes."""
        keys = mirror.keys
        again = [k for k, key in enumerate(keys) if key in keys[:k]]
        with self._quiet():
            mirror.layer.remove(again)
            self.show_all()

    def _on_drag(self, _event: Any) -> None:
        """While one band is dragged, show the number it would have."""
        if self._busy or len(self.bands.selected_data) != 1:
            return
        index, chosen = next(iter(self.bands.selected_data)), self.selected_ids()
        band = next((b for b in self.editor.layout.bands if chosen and b.id == chosen[0]), None)
        if band is None:
            return
        points = np.array(self.bands.data[index])
        if is_same_place(points, band.outline):
            return
        from blotquant.session.edits import resize_band

        with suppress(ValueError):
            for row in self.editor.preview(resize_band(self.editor.layout, band.id, points)).values():
                self.previewed.emit(row)

    def _on_pick(self, _event: Any = None) -> None:
        if not self._busy:
            chosen = self.selected_ids()
            self.picked.emit(chosen[0] if len(chosen) == 1 else "")

    def _on_pick_lane(self, _event: Any = None) -> None:
        chosen = self.selected_lane_ids()
        if not self._busy and len(chosen) == 1:
            self.picked_lane.emit(chosen[0])


def _at_once(steps: Iterator[None]) -> None:
    for _ in steps:
        pass


def _outline(thing: Any) -> Sequence[tuple[float, float]]:
    return thing.outline  # type: ignore[no-any-return]
