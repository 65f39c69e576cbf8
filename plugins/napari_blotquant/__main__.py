"""``python -m napari_blotquant TARGET``: open a picture, a session or a results folder in napari, ready to correct."""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Open napari with the dock and the target in it; returns when the window is closed."""
    import napari

    from napari_blotquant._reader import find_dock

    viewer = napari.Viewer(title="BlotQuant")
    dock = find_dock(viewer)
    if arguments:
        dock.open_path(Path(arguments[0]))
    napari.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
