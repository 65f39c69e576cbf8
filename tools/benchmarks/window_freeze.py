"""How long the window of napari does not answer while a blot is opened, corrected, found again, saved and left.

Run it with a display, or under Xvfb:
``xvfb-run -a python tools/benchmarks/window_freeze.py [--bands 150] [--side 2048]``.
The picture is synthetic. A timer in the window's loop looks at the clock at each turn. For each thing that is done the
longest time between two turns is printed, in seconds on the clock, and in processor seconds of the window's thread in
the turn that needed most of them (which other work on the machine changes less).

empty     the window painted again with nothing changed: what every turn costs that paints at all
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

N_LANES = 25
TICK_MS = 1


class Watchdog:
    """Looks at the clocks at each turn of the window's loop."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.gaps: list[tuple[float, float]] = []
        self._last = self._now()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.thread_time()

    def _tick(self) -> None:
        now = self._now()
        self.gaps.append((now[0] - self._last[0], now[1] - self._last[1]))
        self._last = now

    def watch(self, name: str, do: Callable[[], object], until: Callable[[], bool], seconds: float = 120.0) -> None:
        """Do something, let the loop run until it is done and half a second longer, print the longest turns."""
        from qtpy.QtCore import QEventLoop, QTimer

        loop, check, end = QEventLoop(), QTimer(), time.monotonic() + seconds
        self.gaps.clear()
        self._last = self._now()

        def look() -> None:
            if until() or time.monotonic() > end:
                check.stop()
                QTimer.singleShot(500, loop.quit)

        check.timeout.connect(look)
        QTimer.singleShot(0, do)
        QTimer.singleShot(50, lambda: check.start(20))
        loop.exec()
        clock, cpu = (max(values) for values in zip(*self.gaps, strict=True))
        print(f"  {name:34} {1e3 * clock:5.0f} ms on the clock, {1e3 * cpu:5.0f} ms of the processor", flush=True)


def write_blot(folder: Path, n_bands: int, side: int, seed: int, *, found: bool) -> Path:
    """A synthetic picture as a TIFF, with a session of its true layout beside it where that is asked for."""
    import tifffile

    from blotquant.io import read_image
    from blotquant.session.session import make_session, save_session
    from blotquant.synthetic import make_blot, plain_spec

    volumes = np.random.default_rng(seed).uniform(2e4, 2e5, (n_bands // N_LANES, N_LANES))
    blot = make_blot(plain_spec(volumes, shape=(side, side), sigma=8.0), seed=seed)
    path = folder / f"blot{seed}.tif"
    tifffile.imwrite(path, blot.pixels)
    if found:
        session = make_session(read_image(path, polarity="bright"), blot.true_layout())
        save_session(session, path.with_name(path.name + ".blot.json"))
    return path


def correct(dog: Watchdog, dock: Any) -> None:
    """What a hand does to an open blot."""
    from edit_loop import move, repaint

    editor, layers, steps = dock.editor, dock.layers, dock.steps
    band = editor.layout.bands[3]

    def is_exact() -> bool:
        return bool(editor.is_exact and not dock.bench.running)

    dog.watch("empty", lambda: repaint(dock.viewer), lambda: True)
    dog.watch("pick a band", lambda: dock.bench.select(band.id), lambda: True)
    dog.watch("move a band, measure anew", lambda: move(layers.bands, 3), is_exact)
    dog.watch("undo", lambda: dock.hand.run("undo"), is_exact)
    for step, name in enumerate(("picture", "strips", "lanes", "bands", "targets", "result")):
        dog.watch(f"go to step: {name}", lambda step=step: steps.go(step), lambda: True)
    dog.watch("bend a lane", lambda: dock.hand.run("bend"), lambda: True)
    dog.watch("back to bands", lambda: steps.go(steps.BANDS), lambda: True)
    dog.watch("next doubt", lambda: dock.hand.run("next_doubt"), lambda: True)
    first = editor.layout.lanes[0]
    dog.watch("remove a lane", lambda: remove_lane(dock, first.id), is_exact)
    dog.watch("undo that", lambda: dock.hand.run("undo"), is_exact)
    dog.watch("blind", lambda: dock.blind.setChecked(True), is_exact)
    dog.watch("no longer blind", lambda: dock.blind.setChecked(False), is_exact)
    for name in ("bands", "lanes", "strips"):
        dog.watch(
            f"find {name} again", lambda name=name: dock.bench.find_from(name), lambda: is_exact() and not busy(dock)
        )
    dog.watch("save", dock.bench.save, lambda: not editor.is_dirty)


def remove_lane(dock: Any, lane_id: str) -> None:
    from blotquant.session.edits import remove_lane as removed

    dock.editor.do(removed(dock.editor.layout, lane_id), "remove_lane")


def busy(dock: Any) -> bool:
    """Whether slow work is going on."""
    return bool(dock.messages.cancel.isVisible())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bands", type=int, default=150)
    parser.add_argument("--side", type=int, default=2048)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BLOTQUANT_STATE_DIR"] = str(folder / "state")
        pictures = [write_blot(folder, options.bands, options.side, seed, found=seed < 3) for seed in (1, 2, 3)]
        import napari

        from napari_blotquant.reader import find_dock

        viewer = napari.Viewer(show=True)
        viewer.window.resize(1400, 900)
        dog, docks = Watchdog(), []
        print(f"{options.bands} bands, {options.side} x {options.side} pixels")
        dog.watch("make the dock (once)", lambda: docks.append(find_dock(viewer)), lambda: bool(docks))
        dock = docks[0]
        dock.guard.asks = False

        def is_open(before: Any) -> bool:
            return dock.editor not in (None, before) and dock.editor.is_exact and not dock.bench.running

        for what, path in zip(("open the first", "open the next", "open one without session"), pictures, strict=True):
            before = dock.editor
            dog.watch(what, lambda path=path: dock.open_path(path), lambda before=before: is_open(before))
        correct(dog, dock)
        dock.bench.editor = None
        viewer.close()


if __name__ == "__main__":
    main()
