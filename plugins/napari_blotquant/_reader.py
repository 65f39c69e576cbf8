"""Opening blots: the reader that napari asks, and the plugin's own way that takes any picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_blotquant._dock import BlotDock

DOCK_TITLE = "Quantify a blot"


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[tuple[Any, ...]]] | None:
    """Return the reader for one blot or session; napari asks for the patterns of the manifest only."""
    first = path if isinstance(path, str) else path[0]
    return read if str(first).lower().endswith((".scn", ".gel", ".1sc", ".blot.json", "experiment.toml")) else None


def read(path: str | list[str]) -> list[tuple[Any, ...]]:
    """Open a blot in the dock where there is a viewer; else give the picture alone as a layer."""
    paths = [path] if isinstance(path, str) else path
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        return [image_layer(Path(one)) for one in paths]
    for one in paths:
        find_dock(viewer).open_path(Path(one))
    return [(None,)]


def image_layer(path: Path) -> tuple[Any, dict[str, Any], str]:
    """A picture as napari layer data."""
    from napari_blotquant._convert import contrast_limits
    from napari_blotquant._work import open_image

    image = open_image(path)
    signal = image.signal()
    shown = {"name": image.name, "colormap": "gray_r", "contrast_limits": contrast_limits(signal)}
    return signal, shown, "image"


def open_dialog() -> None:
    """Ask for a blot and open it in the dock."""
    import napari

    viewer = napari.current_viewer()
    if viewer is not None:
        find_dock(viewer).opening.ask()


def find_dock(viewer: Any) -> BlotDock:
    """The viewer's dock; opened if it is not there yet."""
    _, widget = viewer.window.add_plugin_dock_widget("blotquant", DOCK_TITLE)
    return widget  # type: ignore[no-any-return]
