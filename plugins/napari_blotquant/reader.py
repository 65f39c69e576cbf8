"""Ways in: the reader that napari asks, the menu, the sample, and ``python -m napari_blotquant.reader TARGET``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blotquant.model.image import BlotImage
    from napari_blotquant.dock import BlotDock

DOCK_NAME = "Quantify a blot (BlotQuant)"
"""As napari's own menu calls it, so that the menu shows and hides the same dock."""
ENDINGS = (".scn", ".gel", ".1sc", ".blot.json", "experiment.toml")
SIDE_DOCKS = ("layer list", "layer controls")


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[tuple[Any, ...]]] | None:
    """Return the reader for one blot or session; napari asks for the patterns of the manifest only."""
    first = path if isinstance(path, str) else path[0]
    return read if str(first).lower().endswith(ENDINGS) else None


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
    from blotquant.runs.blots import open_image

    return _as_layer(open_image(path))


def _as_layer(image: BlotImage) -> tuple[Any, dict[str, Any], str]:
    from blotquant.imaging.content import contrast_limits

    signal = image.signal()
    return signal, {"name": image.name, "colormap": "gray_r", "contrast_limits": contrast_limits(signal)}, "image"


def open_dialog() -> None:
    """Ask for a blot and open it in the dock."""
    import napari

    viewer = napari.current_viewer()
    if viewer is not None:
        find_dock(viewer).ask()


def find_dock(viewer: Any) -> BlotDock:
    """The viewer's dock; shown, and made if it is not there yet."""
    from napari_blotquant.dock import BlotDock

    viewer = getattr(viewer, "__wrapped__", viewer)
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, BlotDock):
            holder: Any = widget.parent()
            holder.show()
            return widget
    made = BlotDock(viewer)
    viewer.window.add_dock_widget(made, name=DOCK_NAME, area="right")
    return made


def make_sample() -> list[tuple[Any, ...]]:
    """Make a synthetic blot and open it in the dock; its picture alone, which napari wants of a sample, is hidden."""
    import napari

    signal, shown, kind = _as_layer(synthetic_image())
    viewer = napari.current_viewer()
    if viewer is not None:
        find_dock(viewer).open_image(synthetic_image())
    return [(signal, {**shown, "name": "synthetic blot", "visible": viewer is None}, kind)]


def synthetic_image() -> BlotImage:
    """The same synthetic picture every time: ten lanes, a phospho row, its total and a loading control."""
    import numpy as np

    from blotquant.synthetic import make_blot, plain_spec

    signalling = np.array([1.0, 1.6, 2.9, 4.1, 0.6, 1.0, 0.0, 1.9, 3.2, 0.3])
    rows = np.array([6e4 * signalling, np.full(10, 1.5e5), np.full(10, 2.2e5)])
    return make_blot(plain_spec(rows, shape=(420, 760), sigma=5.0, targets=("pAKT", "AKT", "GAPDH")), seed=1).image()


def open_window(viewer: Any) -> BlotDock:
    """The dock in a window that leaves the room to the blot."""
    from qtpy.QtWidgets import QDockWidget

    dock = find_dock(viewer)
    for side in dock.window().findChildren(QDockWidget):
        if side.objectName() in SIDE_DOCKS:
            side.hide()  # napari's menu Window shows them again
    return dock


def main(arguments: list[str]) -> int:
    """Open napari with the dock and the target in it; returns when the window is closed."""
    from blotquant.threads import keep_all, keep_freed_memory

    keep_freed_memory()
    with keep_all():
        import napari

        dock = open_window(napari.Viewer(title="BlotQuant"))
    if arguments:
        dock.open_path(Path(arguments[0]))
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
