"""How strips, lanes and bands look, and one Shapes layer that is kept at what a layout holds. No Qt here.

The core's pixel centres are integers and so are napari's: an image layer at scale 1 covers -0.5 to n - 0.5, so that no
offset is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.flags import split_flags
from blotquant.model.geometry import Band, Lane, Point
from blotquant.session import drawn_shapes as drawn
from blotquant.session.doubts import SURE

if TYPE_CHECKING:
    from napari.layers import Shapes

Colour = tuple[float, float, float, float]
BAND_ID = "band_id"
"""Feature of the Bands layer that names each of its shapes; the next two likewise."""
LANE_ID = "lane_id"
STRIP_ID = "strip_id"
CLEAR = "transparent"
LIT = (0.0, 0.62, 0.95, 0.35)
"""What the next key will act on is filled with this."""


def _rgb(code: str) -> Colour:
    return (int(code[1:3], 16) / 255, int(code[3:5], 16) / 255, int(code[5:7], 16) / 255, 1.0)


PALETTE = {
    "detected": ("#D55E00", "band"),
    "doubt": ("#E69F00", "in doubt"),
    "expected": ("#7a8694", "not detected"),
    "edited": ("#009E73", "by hand"),
    "saturated": ("#d11a2a", "saturated"),
    "sample": ("#56B4E9", "lane"),
    "ladder": ("#CC79A7", "ladder"),
    "blank": ("#9aa4ae", "blank, excluded"),
    "strip": ("#7a8694", "strip"),
}
"""Okabe and Ito's colours, as in the report, and what the legend says of them."""
COLOURS: dict[str, Colour] = {name: _rgb(code) for name, (code, _) in PALETTE.items()}
COLOURS |= {"drawn": COLOURS["edited"], "excluded": COLOURS["blank"], "standard": COLOURS["sample"]}


def to_vertices(outline: Sequence[Point]) -> NDArray[np.float64]:
    """An outline as napari's vertices (row, column), shape (n, 2)."""
    return np.asarray(outline, dtype=float)


def band_colour(band: Band, flags: object = "", status: str | None = None) -> Colour:
    """Edge colour by what matters most: saturation, a hand's work, doubt, detected or not.

    `status` is what measuring says; before a band is measured, what finding says.
    """
    if "saturated" in split_flags(flags):
        return COLOURS["saturated"]
    if band.origin in ("edited", "drawn"):
        return COLOURS[band.origin]
    if (status or band.status) == "not_detected":
        return COLOURS["expected"]
    return COLOURS["doubt"] if band.confidence < SURE else COLOURS["detected"]


def lane_colour(lane: Lane) -> Colour:
    """Edge colour by role; doubt shows on samples."""
    is_doubt = lane.role == "sample" and lane.confidence < SURE
    return COLOURS["doubt" if is_doubt else lane.role]


def lane_label(lane: Lane, sample: str = "") -> str:
    """What stands over a lane: its number, and what it is if it is no sample."""
    mark = {"ladder": " L", "standard": " S", "blank": " –", "excluded": " ×"}.get(lane.role, "")
    doubt = "?" if lane.confidence < SURE else ""
    return f"{lane.number}{mark}{doubt}" + (f" {sample}" if sample else "")


def lane_features(
    lanes: Sequence[Lane], samples: Mapping[str, str] | None = None, *, is_blind: bool = False
) -> pd.DataFrame:
    """Names and roles of some lanes, as the features of the Lanes layer; blind, they tell nothing."""
    samples = samples or {}
    rows = [
        {
            LANE_ID: lane.id,
            "label": "" if is_blind else lane_label(lane),
            "sample": "" if is_blind else samples.get(lane.id, ""),
            "role": "" if is_blind else lane.role,
            "confidence": lane.confidence,
        }
        for lane in lanes
    ]
    return pd.DataFrame(rows, columns=[LANE_ID, "label", "sample", "role", "confidence"])


def band_features(keys: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
    """The band table in the order of a layer's shapes, as the features of the Bands layer."""
    order = pd.Index(list(keys), dtype="object", name=BAND_ID)
    known = table.assign(**{BAND_ID: table["band_id"].astype(object)}).set_index(BAND_ID, drop=False)
    shown = known.reindex(order)
    shown[BAND_ID] = order
    return shown.reset_index(drop=True)


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
