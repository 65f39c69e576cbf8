"""Take the pictures of the plugin's page from the synthetic sample study: ``python tools/make_napari_figures.py``.

Run it with a display or under Xvfb. The sample study is written and run in a temporary folder, one of its pictures is
opened through its results and corrected, and the window is kept at four moments under ``docs/images``. Nothing but
synthetic pictures is shown.
"""

from __future__ import annotations

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


def wait(until: Callable[[], bool], seconds: float = 300.0) -> None:
    """Let the window work until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.002)


def keep(viewer: Any, name: str) -> None:
    """Save the window in all its colours: the legend must be right."""
    from PIL import Image

    wait(lambda: False, 1.0)
    shot = Image.fromarray(viewer.window.screenshot(flash=False, canvas_only=False)[..., :3])
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"napari_{name}.png"
    shot.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e3:.0f} kB")


def show(folder: Path) -> None:
    """Open, correct and look."""
    import napari

    from blotquant.runs.demo import run_demo
    from blotquant.session.edits import resize_band
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
    viewer.close()


def main() -> int:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BLOTQUANT_STATE_DIR"] = str(Path(folder) / "state")
        show(Path(folder) / "demo")
    return 0


if __name__ == "__main__":
    sys.exit(main())
