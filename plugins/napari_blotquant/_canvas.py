"""How napari draws shapes, made quicker. This is private to napari and vispy; where it is missing, drawing is slower.

vispy writes the shader of a mesh anew whenever its data change, and makes the shaders of a layer's five visuals all in
the first paint.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any


def visual_of(viewer: Any, layer: Any) -> Any:
    """What draws a layer; None without a window."""
    with suppress(AttributeError, KeyError):
        return viewer.window._qt_viewer.canvas.layer_to_visual[layer].node
    return None


def canvas_of(viewer: Any) -> Any:
    """The widget that shows the picture; None without a window."""
    with suppress(AttributeError):
        return viewer.window._qt_viewer.canvas.native
    return None


def parts_of(visual: Any) -> list[Any]:
    """The visuals that a layer is drawn with."""
    return list(getattr(visual, "_subvisuals", ()))


def draw_quickly(viewer: Any, layer: Any) -> Iterator[None]:
    """Let a new layer be drawn part by part, one with each step, and let its meshes keep their shaders.

    The first step must be taken before the window paints.
    """
    parts = parts_of(visual_of(viewer, layer))
    for part in parts:
        _keep_shader(part)
        part.visible = False
    try:
        for part in parts:
            yield
            part.visible = True
    finally:
        for part in parts:
            part.visible = True


def _keep_shader(mesh: Any) -> None:
    """Let a mesh use the function that passes its colours on again: a new one makes it compile everything anew."""
    make = getattr(mesh, "_build_color_transform", None)
    if make is None:
        return
    kept: dict[tuple[int, ...], Any] = {}

    def again(colors: Any) -> Any:
        kind = colors.shape[1:]
        return kept.setdefault(kind, make(colors)) if kind != (1,) else make(colors)

    with suppress(AttributeError):
        mesh._build_color_transform = again
