"""How long an edit takes in napari, from the hand's release to the new number on the screen, redraw included.

Run it with a display, or under Xvfb: ``xvfb-run -a python benchmarks/edit_loop.py [--bands 150 500]``.
The picture is synthetic. Two times are given for each edit:

number    the band's new volume stands in the read-out and the table (weighed in the scene as it was before the edit)
redraw    the window has been painted again as well

and for the window as a whole the longest time it did not answer while exact numbers were made in the background.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

SIDE = 2048
N_LANES = 25


def make_editor(n_bands: int) -> Any:
    from blotquant.record.session import make_session
    from blotquant.synthetic import make_blot, plain_spec
    from napari_blotquant._model import Editor

    n_rows = n_bands // N_LANES
    volumes = np.random.default_rng(0).uniform(2e4, 2e5, (n_rows, N_LANES))
    blot = make_blot(plain_spec(volumes, shape=(SIDE, SIDE), sigma=8.0), seed=1)
    return Editor(blot.image(), make_session(blot.image(), blot.true_layout()), who="benchmark")


def pump(seconds: float, until: Any = lambda: False) -> float:
    """Let the window work; the longest time between two turns of its loop."""
    from qtpy.QtWidgets import QApplication

    longest, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end and not until():
        start = time.perf_counter()
        QApplication.processEvents()
        longest = max(longest, time.perf_counter() - start)
        time.sleep(0.001)
    return longest


def measure(n_bands: int, n_edits: int) -> None:
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_blotquant._reader import find_dock

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    dock = find_dock(viewer)
    dock.asks = False
    editor = make_editor(n_bands)
    dock.show_blot(editor.image, editor.session)
    pump(60, lambda: dock.editor.is_exact)
    pump(0.5)
    layer, numbers, redraws = dock.layers.bands, [], []
    for k in range(n_edits):
        index = (7 * k) % len(layer.data)
        dock.pick(dock.layers.band_ids()[index])
        pump(0.3)
        layer._data_view.edit(index, layer.data[index] + np.float32([2, 0]))
        start = time.perf_counter()
        layer.events.data(value=layer.data, action="changed", data_indices=(index,), vertex_indices=((),))
        numbers.append(time.perf_counter() - start)
        viewer.window._qt_viewer.canvas.native.update()
        QApplication.processEvents()
        redraws.append(time.perf_counter() - start)
    stalls = []
    for _ in range(3):
        index = 3
        layer._data_view.edit(index, layer.data[index] + np.float32([1, 0]))
        layer.events.data(value=layer.data, action="changed", data_indices=(index,), vertex_indices=((),))
        stalls.append(pump(30, lambda: dock.editor.is_exact))
    shown = {"number": numbers, "redraw": redraws}
    text = "  ".join(
        f"{name} median {1e3 * statistics.median(t):.0f} ms, worst {1e3 * max(t):.0f} ms" for name, t in shown.items()
    )
    print(f"{len(editor.layout.bands)} bands: {text}  longest stall while weighing {1e3 * max(stalls):.0f} ms")
    dock.editor.autosaver.forget(dock.editor.session)
    dock.editor = None
    pump(5, lambda: not dock.jobs.running)
    viewer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bands", type=int, nargs="+", default=[150, 500])
    parser.add_argument("--edits", type=int, default=20)
    options = parser.parse_args()
    for n_bands in options.bands:
        measure(n_bands, options.edits)


if __name__ == "__main__":
    main()
