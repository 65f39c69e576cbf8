"""One kind of things shown in one layer, each shape carrying the hidden id of what it shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from blotquant.model.geometry import Point
from napari_blotquant._convert import Colour, is_same_place, to_vertices
from napari_blotquant._reconcile import Shape
from napari_blotquant._shapes import HandShapes

AT_ONCE = 6
TURN_S = 0.02
"""After so long the window gets its turn."""


class Thing(Protocol):
    """A strip, lane or band."""

    @property
    def id(self) -> str:
        """Stable name inside a session."""


@dataclass(eq=False)
class Mirror:
    """Keeps a layer at what a layout holds by touching only the shapes that differ.

    Attributes
    ----------
    layer : HandShapes
        Where the things are shown.
    column : str
        The feature that holds the ids.
    points : callable
        Vertices of a thing.
    colour : callable
        Its edge colour.
    """

    layer: HandShapes
    column: str
    points: Callable[[Any], Sequence[Point]]
    colour: Callable[[Any], Colour]
    _colours: dict[str, Colour] = field(default_factory=dict)

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
    def shapes(self) -> list[Shape]:
        """What the layer shows now."""
        return [Shape(key, np.array(points)) for key, points in zip(self.keys, self.layer.data, strict=True)]

    @property
    def has_foreign(self) -> bool:
        """Whether a hand added or removed shapes: pasting tells nothing but that the features grew."""
        return len(self.layer.data) != len(self._colours)

    def index(self, key: str) -> int | None:
        """Place of a thing's shape in the layer."""
        keys = self.keys
        return keys.index(key) if key in keys else None

    def show(self, things: Sequence[Thing], touched: Collection[str] | None = None) -> None:
        """Show these things; only shapes of touched ones are compared where they are named."""
        by_id = {thing.id: thing for thing in things}
        keys = self.keys
        gone = [k for k, key in enumerate(keys) if key not in by_id]
        if gone:
            self.layer.remove(gone)
            keys = [key for key in keys if key in by_id]
        self._change([(k, by_id[key]) for k, key in enumerate(keys) if touched is None or key in touched])
        shown = set(keys)
        new = [thing for thing in things if thing.id not in shown]
        if new:
            self.layer.append([to_vertices(self.points(x)) for x in new], [self.colour(x) for x in new])
            self.write_keys([*keys, *(thing.id for thing in new)])
        self._colours = {key: self._colours.get(key) or self.colour(by_id[key]) for key in by_id}

    def fill(self, things: Sequence[Thing]) -> Iterator[None]:
        """Show things in an empty layer, a few at a time: napari may need some milliseconds for each polygon."""
        start = time.perf_counter()
        for k in range(0, len(things), AT_ONCE):
            self.show(things[: k + AT_ONCE], ())
            if time.perf_counter() - start > TURN_S:
                yield
                start = time.perf_counter()

    def repaint(self, things: Sequence[Thing]) -> None:
        """Give things the colour that they have now."""
        places = {key: k for k, key in enumerate(self.keys)}
        found = {x.id: self.colour(x) for x in things if x.id in places}
        changed = {key: colour for key, colour in found.items() if colour != self._colours.get(key)}
        self._colours |= changed
        self.layer.change(colours={places[key]: colour for key, colour in changed.items()})

    def _change(self, pairs: Sequence[tuple[int, Thing]]) -> None:
        data, places, colours = self.layer.data, {}, {}
        for k, thing in pairs:
            outline, colour = tuple(self.points(thing)), self.colour(thing)
            if not is_same_place(data[k], outline):
                places[k] = to_vertices(outline)
            if colour != self._colours.get(thing.id):
                self._colours[thing.id] = colours[k] = colour
        self.layer.change(places=places, colours=colours)

    def write_keys(self, keys: Sequence[str]) -> None:
        """Say which thing each shape shows."""
        self.layer.features[self.column] = np.array(keys, dtype=object)
