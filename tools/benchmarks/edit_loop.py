"""How long an edit takes in napari, from the hand's release to the new number on the screen, redraw included.

Run it with a display, or under Xvfb: ``xvfb-run -a python tools/benchmarks/edit_loop.py [--bands 150 500]``.
The picture is synthetic. For each edit:

number    the band's new volume stands in the read-out and the table (weighed in the scene as it was before the edit)
redraw    the window has been painted again as well
empty     the window painted again with nothing changed, for comparison: what is left is what the edit costs

each as seconds on the clock and as processor seconds of the whole process, which other work on the machine changes
less (a software renderer draws with several threads, so that its processor seconds can exceed the clock's).
``tools/benchmarks/window_freeze.py`` measures how long the window does not answer.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

SIDE = 2048
N_LANES = 25


def make_blot_of(n_bands: int) -> tuple[Any, Any]:
    """A synthetic picture and the session of its true layout."""
    from blotquant.session.session import make_session
    from blotquant.synthetic import make_blot, plain_spec

    n_rows = n_bands // N_LANES
    volumes = np.random.default_rng(0).uniform(2e4, 2e5, (n_rows, N_LANES))
    blot = make_blot(plain_spec(volumes, shape=(SIDE, SIDE), sigma=8.0), seed=1)
    return blot.image(), make_session(blot.image(), blot.true_layout())


def pump(seconds: float, until: Any = lambda: False) -> None:
    """Let the window work."""
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    while time.perf_counter() < end and not until():
        QApplication.processEvents()
        time.sleep(0.001)


class Clocks:
    """Seconds on the clock and of the processor since it was made."""

    def __init__(self) -> None:
        self.start = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Both since then."""
        return time.perf_counter() - self.start[0], time.process_time() - self.start[1]


def repaint(viewer: Any) -> None:
    from qtpy.QtWidgets import QApplication

    viewer.window._qt_viewer.canvas.native.update()
    QApplication.processEvents()


def move(layer: Any, index: int) -> None:
    """What napari does when a hand lets go of a shape."""
    layer._data_view.edit(index, layer.data[index] + np.float32([2, 0]))
    layer.events.data(value=layer.data, action="changed", data_indices=(index,), vertex_indices=((),))


def measure(n_bands: int, n_edits: int) -> None:
    import napari

    from blotquant.runs.blots import Opened
    from napari_blotquant.reader import find_dock

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    dock = find_dock(viewer)
    dock.guard.asks = False
    pump(1.0)
    dock.bench.show(Opened(*make_blot_of(n_bands)))
    pump(120, lambda: dock.editor.is_exact)
    pump(0.5)
    layer = dock.layers.bands
    times: dict[str, list[tuple[float, float]]] = {"number": [], "redraw": [], "empty": []}
    for k in range(n_edits):
        index = (7 * k) % len(layer.data)
        dock.bench.select(dock.layers.band_ids()[index])
        pump(30, lambda: dock.editor.is_exact)
        pump(0.2)
        clocks = Clocks()
        repaint(viewer)
        times["empty"].append(clocks.read())
        clocks = Clocks()
        move(layer, index)
        times["number"].append(clocks.read())
        repaint(viewer)
        times["redraw"].append(clocks.read())
    print(f"{len(dock.editor.layout.bands)} bands")
    for name, taken in times.items():
        clock, cpu = (1e3 * statistics.median(values) for values in zip(*taken, strict=True))
        print(f"  {name:7} median {clock:4.0f} ms on the clock, {cpu:4.0f} ms of the processor", flush=True)
    dock.bench.autosaver.forget(dock.editor.session)
    dock.bench.editor = None
    pump(5, lambda: not dock.bench.running)
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
