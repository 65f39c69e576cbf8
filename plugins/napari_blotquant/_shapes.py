"""A Shapes layer whose shapes can be changed one at a time.

The public way, assigning all of `data` or `edge_color`, rebuilds every shape: 0.2 s with 150 of them, 0.5 s with 500.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_blotquant._convert import Colour

Points = NDArray[np.floating]
CLEAR = "transparent"


class HandShapes(Shapes):  # type: ignore[misc]  # napari is untyped
    """Polygons, or open lines, that a hand and the core take turns to change."""

    kind = "polygon"

    @property
    def _type_string(self) -> str:
        return "shapes"

    def _update_thumbnail(self, event: object = None) -> None:
        """Draw no thumbnail: nothing could be told apart in it, and it takes as long as all the rest of a change."""

    def append(self, points: Sequence[Points], colours: Sequence[Colour]) -> None:
        """Show some more shapes; the selection stays."""
        kept = set(self.selected_data)  # type: ignore[has-type]  # napari's decorated property
        add = self.add_polygons if self.kind == "polygon" else self.add_paths
        add(list(points), edge_color=np.array(colours), face_color=CLEAR, edge_width=self.current_edge_width)
        self.selected_data = kept

    def change(
        self,
        *,
        places: Mapping[int, Points] | None = None,
        colours: Mapping[int, Colour] | None = None,
    ) -> None:
        """Give some shapes other vertices, some another colour, and draw once."""
        if not places and not colours:
            return
        with self._data_view.batched_updates(), self._one_z_order():
            for k, points in (places or {}).items():
                self._data_view.edit(k, np.asarray(points, dtype=np.float32), new_type=self.kind)
            for k, colour in (colours or {}).items():
                self._data_view.update_edge_color(k, np.array(colour, dtype=np.float32))
        if places:
            self.refresh(thumbnail=False, highlight=False, extent=False)
            self.events.highlight()
        else:
            self.events.edge_color()

    @contextmanager
    def _one_z_order(self) -> Iterator[None]:
        """Put the triangles of all shapes in order once, not after each shape that changes."""
        view = self._data_view
        view._update_z_order = lambda: None
        try:
            yield
        finally:
            del view._update_z_order
            view._update_z_order()


class HandLines(HandShapes):
    """Open lines."""

    kind = "path"
