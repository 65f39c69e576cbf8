"""The layers of the blot on show, read back: what a hand does to a shape becomes edits. Needs napari, no Qt.

What comes of the edits is shown by `laying`. All signals that a hand makes go out from here: nothing is asked of the
dock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from psygnal import Signal

from blotquant.session import drawn_shapes as drawn
from blotquant.session.band_edits import resize_band
from blotquant.session.hit_testing import Hit, hit, shown_outline
from napari_blotquant.laying import DRAWING, LaidLayers, Mirror
from napari_blotquant.shapes import to_vertices

HANDLE_PX = (3.0, 10.0)
"""Edge of a handle, in pixels of the screen: from that on a band hardly higher to napari's own."""
MIN_DRAG_PX = 4.0
"""A mouse that moved less, in pixels of the screen, has clicked and drawn nothing."""


class BlotLayers(LaidLayers):
    """Shows an editor's state in a viewer and feeds what a hand does there back into it."""

    picked = Signal(str)  # id of the selected band, or empty
    picked_lane = Signal(str)  # id of the selected lane
    previewed = Signal(object)  # the row of one band, while it is dragged
    refused = Signal(str)  # why a shape was put back
    pointed = Signal(object)  # the Hit under the pointer
    boxed = Signal(str, object, object)  # drawn for this: a rectangle's first and last corner, a line's ends (row, col)

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self.is_pointed_at = True
        self._moved: float | None = None
        self._listen()

    def _listen(self) -> None:
        for mirror in self._mirrors:
            mirror.layer.events.data.connect(partial(self._on_data, mirror))
            mirror.layer.events.features.connect(partial(self._on_features, mirror))
            mirror.layer.mouse_drag_callbacks.append(self._follow_drag)
        self.bands.events.set_data.connect(self._on_drag)
        for mirror, pick in ((self._bands, self._on_pick), (self._lanes, self._on_pick_lane)):
            mirror.layer.selected_data.events.items_changed.connect(pick)
            mirror.layer.selected_data.events.items_changed.connect(self._fit_handles)
        self.centers.events.visible.connect(self._show_centers)
        self.viewer.scene.camera.events.zoom.connect(self._fit_handles)
        self.viewer.mouse_move_callbacks.append(self._on_move)

    def _fit_handles(self, _event: Any = None) -> None:
        """Smaller handles on smaller bands: napari's hide a band of ten pixels, and none of it can be dragged.

        The size has no setting: this is the one private name of napari, and `test_layers` notices its end.
        """
        data = self.bands.data
        sizes = [np.ptp(data[k], axis=0).min() for k in self.bands.selected_data if k < len(data)]
        on_screen = float(min(sizes, default=np.inf)) * self.viewer.scene.camera.zoom
        wanted = float(np.clip(on_screen / 3, *HANDLE_PX))
        if wanted != self.bands._vertex_size:
            self.bands._vertex_size = wanted
            self.bands.events.highlight()

    # the pointer

    def _on_move(self, _viewer: Any, event: Any) -> None:
        self.is_pointed_at = True
        if self.editor is not None and not event.is_dragging:
            self.point_at(*event.position[-2:])

    def leave(self) -> None:
        """The pointer left the picture: the next key acts on nothing."""
        self.is_pointed_at = False
        self._light(Hit())

    def point_at(self, row: float, col: float) -> Hit:
        """Light what a key would act on at a point, and say what that is."""
        assert self.editor is not None
        self._light(hit(self.editor.layout, float(row), float(col)))
        return self.hit

    def _light(self, found: Hit) -> None:
        same = found[2:] == self.hit[2:]
        self.hit = found
        if not same:
            with self._quiet():
                self._bands.light(found.band)
                self._lanes.light("" if found.band else found.lane)
                self._strips.light(found.strip if self.strips.visible and not found.lane else "")
            self.pointed.emit(found)

    def here(self) -> Hit:
        """What lies under the pointer now."""
        if self.editor is None or not self.is_pointed_at:
            return Hit()
        return self.point_at(*self.viewer.cursor.position[-2:])

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

    def _follow_drag(self, _layer: Any, event: Any) -> Iterator[None]:
        """How far the mouse goes while its button is held, in pixels of the screen."""
        start, self._moved = np.asarray(event.pos, dtype=float), 0.0
        yield
        while event.type == "mouse_move":
            self._moved = max(self._moved, float(np.abs(np.asarray(event.pos) - start).max()))
            yield

    def _on_data(self, mirror: Mirror, event: Any) -> None:
        is_over = str(event.action).rpartition(".")[2].lower() in ("added", "removed", "changed")
        if is_over and not self._busy:
            self._read(mirror)

    def _on_features(self, mirror: Mirror, _event: Any) -> None:
        if not self._busy and mirror.has_foreign:
            self._read(mirror)

    def _read(self, mirror: Mirror) -> None:
        """Compare what a layer shows with the layout and make the edits that follow."""
        layer, editor = mirror.layer, self.editor
        if editor is None or len(layer.features) != len(layer.data):
            return
        is_click = layer.mode in DRAWING and self._moved is not None and self._moved < MIN_DRAG_PX
        if is_click or self.is_filling:
            self._put_back(mirror)
            return
        if self._purpose and layer.mode in DRAWING:
            corners, purpose = np.array(layer.data[-1]), self._purpose
            self._put_back(mirror)
            self.stop()
            self.work_on(self.image)
            ends = corners if purpose == "rows" else np.array([corners.min(axis=0), corners.max(axis=0)])
            self.boxed.emit(purpose, tuple(ends[0].tolist()), tuple(ends[-1].tolist()))
            return
        shapes = mirror.shapes
        reading = mirror.read(editor.layout, shapes, used_ids=editor.used_ids)
        for reason in reading.refused:
            self.refused.emit(reason)
        if reading.changes and not reading.refused and [shape.key for shape in shapes] != reading.keys:
            mirror.write_keys(reading.keys)
        editor.do(reading.changes, reading.action)
        if reading.refused or mirror.has_foreign:
            self._put_back(mirror)
        elif reading.action == "draw" and reading.changes:
            self.picked.emit(reading.changes[-1].object_id)

    def _put_back(self, mirror: Mirror) -> None:
        """Show what the layout holds and nothing else; a shape that carries no id of its own goes."""
        keys = mirror.keys
        again = [k for k, key in enumerate(keys) if key in keys[:k]]
        with self._quiet():
            mirror.layer.remove(again)
            self.show_all()

    def _on_drag(self, _event: Any) -> None:
        """While one band is dragged, show the number it would have."""
        if self._busy or self.editor is None or len(self.bands.selected_data) != 1:
            return
        index, chosen = next(iter(self.bands.selected_data)), self.selected_ids()
        band = self.editor.band(chosen[0]) if chosen else None
        if band is None or index >= len(self.bands.data) or self.bands.mode in DRAWING:
            return
        shape = drawn.Shape(band.id, np.array(self.bands.data[index]))
        layout = self.editor.layout
        if drawn.is_same_place(shape.vertices, shown_outline(layout, band)):
            return
        others = [drawn.Shape(b.id, to_vertices(shown_outline(layout, b))) for b in layout.bands if b.id != band.id]
        with suppress(ValueError):
            changes = drawn.read_bands(layout, [shape, *others]).changes if band.split else None
            changes = changes or resize_band(layout, band.id, shape.vertices)
            for row in self.editor.preview(changes).values():
                self.previewed.emit(row)

    def _on_pick(self, _event: Any = None) -> None:
        if not self._busy:
            chosen = self.selected_ids()
            self.picked.emit(chosen[0] if len(chosen) == 1 else "")

    def _on_pick_lane(self, _event: Any = None) -> None:
        chosen = self.selected_lane_ids()
        if not self._busy and len(chosen) == 1:
            self.picked_lane.emit(chosen[0])
