"""Take the pictures of the plugin's page from the synthetic sample study: ``python tools/make_napari_figures.py``.

Run it with a display or under Xvfb. The sample study is written and run in a temporary folder, one of its pictures is
opened through its results and corrected, and the window is kept at five moments under ``docs/images``. Nothing but
synthetic pictures is shown. With ``--screens FOLDER`` the window is kept there instead, on screens of three sizes, in
the dark and the light theme, with dark and with bright bands, to be looked at (Xvfb: ``-s "-screen 0 3840x2160x24"``).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SIZE = (1360, 860)
SCREENS = ((1280, 720), (1600, 1000), (3840, 2160))


def wait(until: Callable[[], bool], seconds: float = 300.0) -> None:
    """Let the window work until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.002)


def keep(viewer: Any, name: str, folder: Path = IMAGES) -> None:
    """Save the window in all its colours: the legend must be right."""
    from PIL import Image

    wait(lambda: False, 1.0)
    shot = Image.fromarray(viewer.window.screenshot(flash=False, canvas_only=False)[..., :3])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"napari_{name}.png"
    shot.save(path, optimize=True)
    print(f"{path.name}: {shot.width} x {shot.height}, {path.stat().st_size / 1e3:.0f} kB", flush=True)


def show_screens(out: Path) -> None:
    """One blot with a selected band in every size, theme and polarity, each step's page once."""
    import napari

    from napari_blotquant.reader import open_window

    viewer = napari.Viewer(show=True)
    dock = open_window(viewer)
    dock.guard.asks = False
    dock.open_path(ROOT / "sample_images" / "blot1_pERK.tif")
    wait(lambda: dock.editor is not None and dock.editor.is_exact)
    dock.bench.select(dock.editor.layout.bands[4].id)
    for k, (width, height) in enumerate(SCREENS):
        viewer.window.resize(width, height)
        for theme in ("dark", "light"):
            viewer.theme = theme
            for bands in ("dark", "bright"):
                dock.layers.set_view(dark_bands=bands == "dark")
                dock.hand.go((2 * k + (theme == "light")) % 6)
                wait(lambda: False, 0.3)
                dock.layers.fit()
                keep(viewer, f"{width}x{height}_{theme}_{bands}_bands", out)
    viewer.close()


def show(folder: Path) -> None:
    """Open, correct and look."""
    import napari

    from blotquant.runs.study import run_demo
    from blotquant.session.band_edits import resize_band
    from napari_blotquant.reader import find_dock

    run_demo(folder)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    dock = find_dock(viewer)
    dock.guard.asks = False
    blots = dock.tables.blots.rows
    dock.open_path(folder / "results")
    wait(lambda: blots.rowCount() > 0)
    dock.open_path(blots.key(3))
    wait(lambda: dock.editor is not None and dock.editor.is_exact)
    layout = dock.editor.layout
    samples = {lane.id for lane in layout.lanes if lane.role == "sample"}
    band = next(b for b in layout.bands if b.status == "detected" and b.lane in samples)
    dock.tables.setCurrentIndex(0)
    dock.bench.select(band.id)
    keep(viewer, "bands")
    rows = [row for row, _ in band.outline]
    middle = (min(rows) + max(rows)) / 2
    narrow = [(middle + 0.7 * (row - middle), col) for row, col in band.outline]
    dock.editor.do(resize_band(dock.editor.layout, band.id, narrow), "resize")
    wait(lambda: dock.editor.is_exact)
    dock.steps.go(dock.steps.RESULT)
    wait(lambda: dock.tables.ratios.rows.rowCount() > 0)
    wait(lambda: any(dock.tables.ratios.rows.texts(3)), 60)
    keep(viewer, "ratios")
    dock.steps.go(dock.steps.LANES)
    dock.layers.select_lane(dock.editor.layout.lanes[2].id)
    dock.layers.picked_lane.emit(dock.editor.layout.lanes[2].id)
    dock.hand.run("bend")
    dock.tables.setCurrentWidget(dock.tables.blots)
    keep(viewer, "lanes")
    dock.steps.go(dock.steps.TARGETS)
    dock.tables.setCurrentIndex(4)
    keep(viewer, "targets")
    dock.steps.go(dock.steps.PICTURE)
    dock.tables.setCurrentIndex(0)
    keep(viewer, "picture")
    viewer.close()


def main() -> int:
    """Make all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screens", type=Path, metavar="FOLDER")
    screens = parser.parse_args().screens
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BLOTQUANT_STATE_DIR"] = str(Path(folder) / "state")
        show_screens(screens) if screens is not None else show(Path(folder) / "demo")
    return 0


if __name__ == "__main__":
    sys.exit(main())
