"""How long the window of napari does not answer while a blot is opened, corrected, found again, saved and left.

Run it with a display, or under Xvfb:
``xvfb-run -a python tools/benchmarks/window_freeze.py [--bands 150] [--side 2048]``.
The picture is synthetic. A timer in the window's loop looks at the clock at each turn. For each thing that is done the
longest time between two turns is printed, in seconds on the clock, and in processor seconds of the window's thread in
the turn that needed most of them (which other work on the machine changes less), and how much of that turn was Python's
own collection of garbage, which comes when it comes.

napari    a window without the plugin: a picture and a Shapes layer of as many shapes are added as users do it, then
          each in the smallest steps that its public calls allow
empty     the window painted again with nothing changed: what every turn costs that paints at all

With ``--made-of`` all is done under a profiler, which slows it, and each stall over 40 ms is followed by what it is
made of: shares of the time by package, and of what was called.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

N_LANES = 25
TICK_MS = 1
STALL_S = 0.04
"""Turns that took the processor longer are taken apart."""
CALLS = {
    "_find_and_load": "imports",
    "add_layer": "layers added",
    "create_vispy_layer": "their visuals made",
    "_add_layer": "visuals and controls made",
    "build_if_needed": "shaders built",
    "paintGL": "canvas painted",
    "flush_commands": "sent to OpenGL",
    "_load_char": "letters drawn",
    "_validate_feature_defaults": "features set",
    "accept": "numbers taken over",
}
"""What napari, vispy and the plugin call things that take long, and what they are; one can hold another."""


class Watchdog:
    """Looks at the clocks at each turn of the window's loop; takes long turns apart where that is asked for."""

    def __init__(self, *, is_profiling: bool = False) -> None:
        from qtpy.QtCore import QTimer

        self.gaps: list[tuple[float, float, float]] = []  # seconds on the clock, of the processor, of these for garbage
        self._garbage = self._since = 0.0
        gc.callbacks.append(self._collect)
        self.is_profiling = is_profiling
        self._profile: cProfile.Profile | None = None
        self._worst: tuple[float, cProfile.Profile | None] = 0.0, None
        self._last = self._now()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _collect(self, phase: str, _info: object) -> None:
        if threading.current_thread() is threading.main_thread():
            now = time.thread_time()
            if phase == "stop":
                self._garbage += now - self._since
            self._since = now

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.thread_time()

    def _tick(self) -> None:
        if self._profile is not None:
            self._profile.disable()
        now = self._now()
        took = now[0] - self._last[0], now[1] - self._last[1], self._garbage
        self.gaps.append(took)
        self._garbage = 0.0
        if self._profile is not None and took[1] > self._worst[0]:
            self._worst = took[1], self._profile
        self._last = self._now()
        if self.is_profiling:
            self._profile = cProfile.Profile(time.thread_time)
            self._profile.enable()

    def watch(self, name: str, do: Callable[[], object], until: Callable[[], bool], seconds: float = 120.0) -> None:
        """Do something, let the loop run until it is done and half a second longer, print the longest turns."""
        from qtpy.QtCore import QEventLoop, QTimer

        loop, check, end = QEventLoop(), QTimer(), time.monotonic() + seconds
        self.gaps.clear()
        self._last, self._worst = self._now(), (0.0, None)

        def look() -> None:
            if until() or time.monotonic() > end:
                check.stop()
                QTimer.singleShot(500, loop.quit)

        check.timeout.connect(look)
        QTimer.singleShot(0, do)
        QTimer.singleShot(50, lambda: check.start(20))
        loop.exec()
        clock = max(gap[0] for gap in self.gaps)
        _, cpu, garbage = max(self.gaps, key=lambda gap: gap[1])
        rest = max(gap[1] - gap[2] for gap in self.gaps)
        print(
            f"  {name:34} {1e3 * clock:5.0f} ms on the clock, {1e3 * cpu:5.0f} ms of the processor"
            f" ({1e3 * garbage:3.0f} for garbage; without any {1e3 * rest:3.0f})",
            flush=True,
        )
        if self._worst[1] is not None and cpu > STALL_S:
            print(f"      {made_of(self._worst[1])}", flush=True)


def made_of(profile: cProfile.Profile) -> str:
    """The shares of a turn by package, which make up the whole, and of the calls that are known to take long."""
    packages, calls = Counter[str](), Counter[str]()
    for (file, _, function), (_, _, own, whole, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        parts = Path(file).parts
        after = parts[parts.index("site-packages") + 1] if "site-packages" in parts else ""
        is_plugin, is_core = "napari_blotquant" in parts, "blotquant" in parts
        kind = "Qt" if "PySide6" in function or "vispy/app/backends" in file or ".event" in function else "Python"
        packages["plugin" if is_plugin else "core" if is_core else after or kind] += own
        calls[CALLS.get(function, "")] += whole
    total = sum(packages.values())

    def shares(parts: Counter[str], n: int) -> str:
        return ", ".join(f"{name} {share / total:.0%}" for name, share in parts.most_common(n) if share > 0.03 * total)

    del calls[""]
    return f"{shares(packages, 7)}; {shares(calls, 5)}"


def time_napari(dog: Watchdog, viewer: Any, n_bands: int, side: int, *, in_steps: bool) -> None:
    """What a window without the plugin takes for one picture and one layer of shapes."""
    from napari.layers import Image, Shapes

    rng = np.random.default_rng(0)
    boxes = [
        np.array([(r, c), (r, c + 40), (r + 15, c + 40), (r + 15, c)]) for r, c in rng.uniform(0, side, (n_bands, 2))
    ]
    pixels, look = rng.uniform(0, 6e4, (side, side)), {"edge_color": "red", "face_color": "transparent"}
    if not in_steps:
        dog.watch("napari: add_image", lambda: viewer.add_image(pixels), lambda: True)
        dog.watch("napari: add_shapes", lambda: viewer.add_shapes(boxes, shape_type="polygon", **look), lambda: True)
        return
    image, shapes = Image(pixels, visible=False), Shapes(ndim=2, visible=False)
    for name, layer in (("picture", image), ("shapes", shapes)):
        dog.watch(f"napari: add {name}, hidden", lambda layer=layer: viewer.add_layer(layer), lambda: True)
        dog.watch(f"napari: show {name}", lambda layer=layer: setattr(layer, "visible", True), lambda: True)
    dog.watch(f"napari: {n_bands} shapes", lambda: shapes.add(boxes, shape_type="polygon", **look), lambda: True)


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
    from blotquant.session.lane_edits import remove_lane as removed

    dock.editor.do(removed(dock.editor.layout, lane_id), "remove_lane")


def busy(dock: Any) -> bool:
    """Whether slow work is going on."""
    return bool(dock.messages.cancel.isVisible())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bands", type=int, default=150)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--made-of", action="store_true")
    parser.add_argument("--part", choices=("whole", "steps", "plugin"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is None:  # each in a process of its own: what is done for the first time takes longest
        print(f"{options.bands} bands, {options.side} x {options.side} pixels", flush=True)
        for part in ("whole", "steps", "plugin"):
            subprocess.run([sys.executable, *sys.argv, "--part", part], check=True)
        return
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    dog = Watchdog(is_profiling=options.made_of)
    if options.part == "plugin":
        time_plugin(dog, viewer, options.bands, options.side)
    else:
        time_napari(dog, viewer, options.bands, options.side, in_steps=options.part == "steps")
    viewer.close()


def time_plugin(dog: Watchdog, viewer: Any, n_bands: int, side: int) -> None:
    """Three blots are opened, the last without a session, and the last is corrected."""
    with tempfile.TemporaryDirectory() as name:
        folder, docks = Path(name), list[Any]()
        os.environ["BLOTQUANT_STATE_DIR"] = str(folder / "state")
        pictures = [write_blot(folder, n_bands, side, seed, found=seed < 3) for seed in (1, 2, 3)]
        from napari_blotquant.reader import find_dock

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


if __name__ == "__main__":
    main()
