"""The layers of the blot on show, laid out: picture, saturated pixels, strips, lanes, centre lines, bands. No Qt here.

One set of layers is kept and refilled, a step at a time, by napari's public setters. What a hand does in them is read
back by `layers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from napari.layers import Image, Shapes
from psygnal import Signal

from blotquant.imaging.content import contrast_limits
from blotquant.model.geometry import Band, Layout, Point, Polygon
from blotquant.session import drawn_shapes as drawn
from blotquant.session.history import Change
from blotquant.session.hit_testing import Hit, shown_outline
from napari_blotquant.editor import Editor
from napari_blotquant.shapes import (
    BAND_ID,
    COLOURS,
    LANE_ID,
    STRIP_ID,
    Colour,
    band_colour,
    band_features,
    lane_colour,
    lane_features,
    to_vertices,
)

CLOSE = 2.5
"""A doubt is looked at this much closer than the whole picture."""
DARK_VIEW = "gray_r"
"""Colour map in which bands are shown dark."""
BRIGHT_VIEW = "gray"
"""Colour map in which they shine."""
CLEAR = "transparent"
LIT = (0.0, 0.62, 0.95, 0.35)
"""What the next key will act on is filled with this."""
LABEL = {"string": "{label}", "size": 11, "color": COLOURS["sample"], "anchor": "upper_left", "visible": False}
HEAD_PX = 10.0
"""Where the heads of lanes lie further to the right than their feet by this, their numbers stand on that side."""
DRAWING = ("add_rectangle", "add_ellipse", "add_line", "add_path", "add_polyline", "add_polygon", "add_polygon_lasso")
"""Modes of a Shapes layer in which the mouse draws."""


class Thing(NamedTuple):
    """A strip, lane or band as a shape."""

    key: str
    points: Sequence[Point]
    colour: Colour


class Mirror:
    """Keeps one Shapes layer at what a layout holds; each shape carries the hidden id of what it shows in a feature."""

    def __init__(self, layer: Shapes, column: str, kind: str, read: Callable[..., drawn.DrawnShapes]) -> None:
        self.layer, self.column, self.kind, self.read = layer, column, kind, read
        self.lit = ""
        self.width = 1.0
        self._shown = 0

    @property
    def keys(self) -> list[str]:
        """The id that each shape carries, in the layer's order."""
        features = self.layer.features
        return [str(key) for key in features[self.column]] if self.column in features else [""] * len(self.layer.data)

    @property
    def selected(self) -> list[str]:
        """Ids of the selected shapes, in the layer's order."""
        keys = self.keys
        return [keys[k] for k in sorted(self.layer.selected_data) if k < len(keys)]

    @property
    def shapes(self) -> list[drawn.Shape]:
        """What the layer shows now."""
        return [drawn.Shape(key, np.array(points)) for key, points in zip(self.keys, self.layer.data, strict=True)]

    @property
    def has_foreign(self) -> bool:
        """Whether a hand added or removed shapes: pasting tells nothing but that the features grew."""
        return len(self.layer.data) != self._shown

    def show(self, things: Sequence[Thing]) -> None:
        """Show these things; only what differs is assigned."""
        layer, wanted, keys = self.layer, {thing.key: thing for thing in things}, self.keys
        chosen = [key for key in self.selected if key in wanted]
        again = [k for k, key in enumerate(keys) if key not in wanted or key in keys[:k]]
        if again:
            layer.remove(again)
            keys = [key for k, key in enumerate(keys) if k not in set(again)]
        if any(not drawn.is_same_place(layer.data[k], tuple(wanted[key].points)) for k, key in enumerate(keys)):
            layer.data = [(to_vertices(wanted[key].points), self.kind) for key in keys]
        shown = set(keys)
        new = [thing for thing in things if thing.key not in shown]
        if new:
            points, colours = [to_vertices(thing.points) for thing in new], np.array([t.colour for t in new])
            layer.add(points, shape_type=self.kind, edge_width=self.width, edge_color=colours, face_color=CLEAR)
            keys += [thing.key for thing in new]
            self.write_keys(keys)
        self._shown = len(keys)
        self.paint({thing.key: thing.colour for thing in things})
        self.select(chosen)

    def paint(self, colours: dict[str, Colour]) -> None:
        """Give the shapes their colours, and the one that is lit its filling."""
        keys = self.keys
        if not keys:
            return
        edges = np.array([colours.get(key, COLOURS["expected"]) for key in keys])
        if not np.allclose(edges, self.layer.edge_color, atol=1e-3):
            self.layer.edge_color = edges
        self._fill(keys)

    def _fill(self, keys: Sequence[str]) -> None:
        faces = np.array([LIT if key and key == self.lit else (0.0, 0.0, 0.0, 0.0) for key in keys])
        if keys and not np.allclose(faces, self.layer.face_color, atol=1e-3):
            self.layer.face_color = faces

    def light(self, key: str) -> None:
        """Fill one shape, or none."""
        if key != self.lit:
            self.lit = key
            self._fill(self.keys)

    def select(self, chosen: Iterable[str]) -> None:
        """Select shapes by their ids."""
        keys = self.keys
        places = {keys.index(key) for key in chosen if key in keys}
        if places != set(self.layer.selected_data):
            self.layer.selected_data = places

    def write_keys(self, keys: Sequence[str]) -> None:
        """Say which thing each shape shows."""
        self.layer.features[self.column] = np.array(keys, dtype=object)


class LaidLayers:
    """Shows an editor's state in a viewer.

    `samples` tells what lies in each lane, `hit` what the next key will act on, `is_filling` that a blot is not yet all
    shown.
    """

    filled = Signal()  # all of the blot is shown

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.editor: Editor | None = None
        self.samples: dict[str, str] = {}
        self.hit = Hit()
        self._busy, self._fit_zoom, self._polarity = False, 0.0, ""
        self.is_filling = False
        self._purpose = ""
        self.image = Image(np.zeros((2, 2)), name="Picture", colormap=DARK_VIEW)
        self.saturated = Image(np.zeros((2, 2), np.uint8), name="Saturated", colormap="red", blending="additive")
        common: dict[str, Any] = {"ndim": 2, "face_color": CLEAR, "edge_color": "white", "opacity": 0.9}
        self.strips = Shapes(name="Strips", visible=False, **common)
        self.lanes = Shapes(name="Lanes", features=pd.DataFrame({"label": []}), text=LABEL, **common)
        self.centers = Shapes(name="Centre lines", visible=False, **common)
        self.bands = Shapes(name="Bands", **common)
        self._strips = Mirror(self.strips, STRIP_ID, "polygon", drawn.read_strips)
        self._lanes = Mirror(self.lanes, LANE_ID, "polygon", drawn.read_lanes)
        self._centers = Mirror(self.centers, LANE_ID, "path", drawn.read_centers)
        self._bands = Mirror(self.bands, BAND_ID, "polygon", drawn.read_bands)
        self._steps = self._put_in(self.image, self.lanes, self.bands)  # at best while the first file is read

    @property
    def _mirrors(self) -> tuple[Mirror, ...]:
        return self._strips, self._lanes, self._centers, self._bands

    @property
    def all(self) -> tuple[Any, ...]:
        """Every layer of the blot."""
        return self.image, self.saturated, self.strips, self.lanes, self.centers, self.bands

    def is_active(self, *layers: Any) -> bool:
        """Whether one of some layers, or else of all of the blot's, has the mouse and the keys."""
        active = self.viewer.layers.selection.active
        return any(active == layer for layer in layers or self.all)  # not `is`: napari may hand out a proxy

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """Events that come from drawing are not read as a hand's work."""
        was, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = was

    def next_step(self) -> bool:
        """Make or fill one layer more; False if nothing is left to do."""
        return next(self._steps, self) is not self

    def finish(self) -> None:
        """Show all of a blot at once: something is about to be done with it."""
        while self.is_filling:
            self.next_step()

    def _put_in(self, *layers: Any) -> Iterator[None]:
        """Put layers into the viewer a step at a time: adding one takes the window a while, and so does drawing it."""
        for layer in layers:
            if layer not in self.viewer.layers:
                is_shown, layer.visible = layer.visible, False
                self._add(layer)
                yield
                layer.visible = True
                yield
                layer.visible = is_shown or self.is_active(layer)

    def _add(self, layer: Any) -> None:
        if layer not in self.viewer.layers:
            with self._quiet():
                active = self.viewer.layers.selection.active
                self.viewer.add_layer(layer)
                if active is not None:
                    self.viewer.layers.selection.active = active

    def expect(self, layer: Any) -> None:
        """Put a layer in by `next_step` that may be worked on soon."""
        self._steps = chain(self._steps, self._put_in(layer))

    def begin(self, editor: Editor) -> None:
        """Take the shapes of the blot before away: from now on every key and the pointer mean this one.

        It is shown by `next_step`, or by `finish` at once.
        """
        self.is_filling, self._steps = True, chain(self._steps, self._fill())
        with self._quiet():
            self.editor, self._polarity, self.hit = editor, "", Hit()
            width = max(1.0, max(editor.image.shape) / 700)
            for mirror in self._mirrors:
                mirror.lit, mirror.width = "", width
                mirror.layer.current_edge_width = width
                mirror.show([])
            self.image.name = editor.image.name
        editor.edited.connect(self._on_edited)
        editor.measured.connect(self.show_numbers)

    def _fill(self) -> Iterator[None]:
        """Show the blot in the layers that are there, a step at a time: the picture, then lanes, then bands.

        In between the window paints and answers. What a hand draws before all is shown is put back.
        """
        assert self.editor is not None
        yield from self._put_in(self.image, self.lanes, self.bands)
        self._show_picture()
        yield
        self.fit()
        yield
        self._show_areas()
        yield
        self._write_labels()
        yield
        with self._quiet():
            self._show_bands(self.editor.layout)
        yield
        self.is_filling = False
        if self.editor.rows:
            self.show_numbers()
        self.filled.emit()

    def _show_picture(self) -> None:
        """Show the counts; they are others when the polarity was changed or a change of it undone."""
        assert self.editor is not None
        image = self.editor.image
        if image.polarity == self._polarity:
            return
        self._polarity = image.polarity
        signal = image.signal()
        self.image.data = signal
        self.image.contrast_limits_range = float(np.nanmin(signal)), max(float(np.nanmax(signal)), 1.0)
        self.image.contrast_limits = contrast_limits(signal)
        hot = signal >= image.ceiling
        self.saturated.data = hot.astype(np.uint8)
        self.saturated.contrast_limits = (0, 1)
        layers = self.viewer.layers
        if hot.any() and self.saturated not in layers:
            layers.insert(layers.index(self.image) + 1 if self.image in layers else len(layers), self.saturated)
        elif not hot.any() and self.saturated in layers:
            layers.remove(self.saturated)

    def show_all(self) -> None:
        """Bring every layer to what the layout holds."""
        assert self.editor is not None
        with self._quiet():
            self._show_picture()
            self._show_areas()
            self._write_labels()
            self._show_bands(self.editor.layout)

    def _show_areas(self) -> None:
        assert self.editor is not None
        layout = self.editor.layout
        with self._quiet():
            self._strips.show([Thing(s.id, s.outline, COLOURS["strip"]) for s in layout.strips])
            self._lanes.show([Thing(x.id, x.outline, lane_colour(x)) for x in layout.lanes])
        self._show_centers()

    def _show_centers(self, _event: Any = None) -> None:
        """Draw the centre lines where they are looked at."""
        if self.centers.visible and self.editor is not None:
            with self._quiet():
                lanes = self.editor.layout.lanes
                self._centers.show([Thing(x.id, drawn.handles(x), lane_colour(x)) for x in lanes])

    def _show_bands(self, layout: Layout) -> None:
        self._bands.show([Thing(b.id, shown_outline(layout, b), self._colour(b)) for b in layout.bands])

    def _colour(self, band: Band) -> Colour:
        row = (self.editor.rows.get(band.id) if self.editor is not None else None) or {}
        return band_colour(band, row.get("flags"), row.get("status"))

    def show_labels(self) -> None:
        """Write over each lane what it is; nothing while blind."""
        if not self.is_filling:
            self._write_labels()

    def _write_labels(self) -> None:
        assert self.editor is not None
        order = {lane.id: lane for lane in self.editor.layout.lanes}
        lanes = [order[key] for key in self._lanes.keys if key in order]
        wanted = lane_features(lanes, self.samples, is_blind=self.editor.is_blind)
        if not wanted.equals(self.lanes.features):
            with self._quiet():
                self.lanes.features = wanted
        heads = [lane.center[0][1] - lane.center[-1][1] for lane in lanes]
        self.lanes.text.anchor = "upper_right" if np.median(heads or [0.0]) > HEAD_PX else "upper_left"
        self.lanes.text.visible = True  # only now: each letter is drawn once, and that takes a while

    def show_numbers(self) -> None:
        """Write the band table into the layer's features, and colours that follow from it."""
        assert self.editor is not None
        if self.is_filling:
            return
        with self._quiet():
            table, features = band_features(self._bands.keys, self.editor.table), self.bands.features
            if list(features) == list(table) and len(features) == len(table):
                for name in table:  # in place: assigning all features takes as long as all the rest
                    if not features[name].equals(table[name]):
                        features[name] = table[name].to_numpy()
            else:
                self.bands.features = table
            self._bands.paint({band.id: self._colour(band) for band in self.editor.layout.bands})

    def _on_edited(self, changes: list[Change] | None) -> None:
        """Touch only the layers whose things differ; the numbers' features follow with the exact ones."""
        assert self.editor is not None
        if not changes or {change.kind for change in changes} - {"band"}:  # none: of picture or settings, or unknown
            self.show_all()
        else:
            with self._quiet():
                self._show_bands(self.editor.layout)

    def set_view(self, *, dark_bands: bool) -> None:
        """Show bands dark on white, as on film, or bright on black; the numbers never see it."""
        self.image.colormap = DARK_VIEW if dark_bands else BRIGHT_VIEW

    def work_on(self, layer: Any) -> None:
        """Give the mouse to a layer; strips and centre lines are shown only while they are worked on."""
        self._purpose = ""
        for hidden in (self.strips, self.centers):
            hidden.visible = hidden is layer
        self._add(layer)
        self.viewer.layers.selection.active = layer
        if layer is not self.image:
            layer.mode = "direct" if layer is self.centers else "select"

    def draw(self, layer: Any, purpose: str = "") -> None:
        """Let the mouse draw rectangles in a layer until Esc; for a purpose, one shape that `boxed` tells."""
        self.work_on(layer)
        layer.mode, self._purpose = "add_line" if purpose == "rows" else "add_rectangle", purpose

    def stop(self) -> bool:
        """End drawing; without that, select nothing. Whether there was something to end."""
        self._purpose = ""
        for mirror in self._mirrors:
            if mirror.layer.mode in DRAWING:
                mirror.layer.mode = "select"
                return True
        chosen = any(mirror.layer.selected_data for mirror in self._mirrors)
        for mirror in self._mirrors:
            mirror.select([])
        return chosen

    def show_selected(self, band_id: str) -> None:
        """Select a band in its layer, without telling that a hand did."""
        if band_id and self._bands.selected != [band_id]:
            with self._quiet():
                self._bands.select([band_id])

    def select_lane(self, lane_id: str) -> None:
        """Select a lane in its layer."""
        with self._quiet():
            self._lanes.select([lane_id])

    def select_center(self, lane_id: str) -> None:
        """Select a centre line in its layer: its points can be dragged."""
        with self._quiet():
            self._centers.select([lane_id])

    def look_at(self, outline: Polygon) -> None:
        """Bring an outline into the middle of the view, close enough to judge it."""
        low, high = np.min(outline, axis=0), np.max(outline, axis=0)
        self.viewer.scene.camera.center = (0.0, *((low + high) / 2))
        self.viewer.scene.camera.zoom = max(self.viewer.scene.camera.zoom, CLOSE * self._fit_zoom)

    def fit(self) -> None:
        """Let the lanes fill the canvas; without lanes, the whole picture."""
        assert self.editor is not None
        self.viewer.reset_view()
        height, width = self.editor.image.shape
        points = [p for lane in self.editor.layout.lanes for p in lane.outline]
        if points:
            low, high = np.clip([np.min(points, axis=0), np.max(points, axis=0)], 0, (height, width))
            closer = float((np.array([height, width]) / np.maximum(high - low, 8)).min())
            self.viewer.scene.camera.center = (0.0, *((low + high) / 2))
            self.viewer.scene.camera.zoom *= min(max(0.95 * closer, 1.0), 4.0)
        self._fit_zoom = self.viewer.scene.camera.zoom
