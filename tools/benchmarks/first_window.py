"""What the first useful window of ``blotquant edit PICTURE`` costs, and what it is made of.

Run it with a display, or under Xvfb: ``xvfb-run -a python tools/benchmarks/first_window.py [PICTURE] [--runs 3]``. Each
run is a process of its own that does what the command does and looks at the clocks at these stations; the run that
needed least of the processor is printed (other work on the machine changes that less than seconds on the clock).

napari      Python has started and napari is imported
window      napari's window with its own menus and docks
dock        the dock beside it
answers     painted, and every waiting event done: the first useful window, in which work can begin
blot        the picture is shown with its lanes and bands, and can be corrected
numbers     every band has its exact number
rest        a second later: nothing is left to do
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parents[2] / "sample_images" / "blot1_AKT.tif"
STATIONS = ("napari", "window", "dock", "answers", "blot", "numbers", "rest")


def walk(picture: Path) -> None:
    """Open the window and the picture, and print the clocks at each station."""
    seen: list[tuple[float, float]] = []

    def station() -> None:
        seen.append((time.process_time(), time.time()))

    from blotquant.threads import keep_all, keep_freed_memory
    from napari_blotquant.reader import open_window

    keep_freed_memory()

    made = ExitStack()
    made.enter_context(keep_all())
    import napari
    from qtpy.QtWidgets import QApplication

    station()

    def wait(until: Callable[[], bool]) -> None:
        while not until():
            QApplication.processEvents()
            time.sleep(0.002)

    def settle() -> None:
        """Until events that wait for each other are done."""
        for _ in range(20):
            QApplication.processEvents()

    window: list[Any] = []
    viewer = napari.Viewer(title="BlotQuant")
    station()
    window.append(open_window(viewer))
    made.close()
    station()
    settle()
    station()
    dock = window[0]
    dock.guard.asks = False
    dock.open_path(picture)
    wait(lambda: dock.editor is not None)
    settle()
    station()
    wait(lambda: dock.editor.is_exact and not dock.layers.is_filling)
    settle()
    station()
    end = time.monotonic() + 1.0
    wait(lambda: time.monotonic() > end)
    station()
    print(json.dumps(seen), flush=True)
    os._exit(0)


def run(picture: Path) -> list[tuple[float, float]]:
    """The clocks of one run: seconds of the processor, and on the clock since the process was made."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        made = subprocess.run(
            [sys.executable, __file__, "--walk", str(picture)],
            env={**os.environ, "BLOTQUANT_STATE_DIR": folder},
            capture_output=True,
            text=True,
            check=True,
        )
    return [(cpu, clock - start) for cpu, clock in json.loads(made.stdout.splitlines()[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--walk", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.walk:
        walk(options.picture)
    best = min((run(options.picture) for _ in range(options.runs)), key=lambda clocks: clocks[3][0])
    before = (0.0, 0.0)
    print(f"{options.picture.name}, best of {options.runs}: seconds of the processor (in all), on the clock (in all)")
    for name, now in zip(STATIONS, best, strict=True):
        print(f"  {name:8} {now[0] - before[0]:5.2f} ({now[0]:5.2f})   {now[1] - before[1]:5.2f} ({now[1]:5.2f})")
        before = now


if __name__ == "__main__":
    main()
