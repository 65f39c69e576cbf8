"""Kill napari in the middle of editing, again and again, and look at what the next start gives back.

``python tools/napari_kill_check.py [--kills 10] [--seed S]``; run it with a display or under Xvfb. A window with the
dock is opened on a synthetic blot, bands are dragged and lanes marked with a real mouse and keys, and the process is
killed (SIGKILL) at a random moment, 5.5 to 20 s after its first edit. Every edit made more than 5 s before must be in
the restored session, whose record must be whole. Exit code 1 if one was lost, or if a window had no edit of that age.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GRACE_S = 5.0
MOMENTS_S = 5.5, 20.0
"""When a window is killed, counted from its first edit: so late that edits are due in each."""
EDITOR = """
import sys, time
sys.path.insert(0, {mouse!r})
import napari
from mouse import drag, move_to, press
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from napari_blotquant.reader import find_dock
from napari_blotquant.reader import synthetic_image
viewer = napari.Viewer(show=True)
dock = find_dock(viewer)
dock.guard.asks = False
dock.open_image(synthetic_image())
while dock.editor is None or not dock.editor.is_exact:
    QApplication.processEvents()
    time.sleep(0.01)
print("ready", flush=True)
known = 0
for k in range(100_000):
    bands = [b for b in dock.editor.layout.bands if b.status == "detected"]
    rows, cols = zip(*bands[k % len(bands)].outline)
    row, col = (min(rows) + max(rows)) / 2, (min(cols) + max(cols)) / 2
    if k % 8 == 0:
        drag(viewer, (row, col), (row + (2 if k % 16 else -2), col))
    else:
        move_to(viewer, row, col)
        press(viewer, Qt.Key.Key_E if k % 2 else Qt.Key.Key_Y)
    n = len(dock.editor.session.history)
    if n > known:
        known = n
        print(n, time.monotonic(), flush=True)
"""


def kill_once(lifetime_s: float, state: Path) -> tuple[int, int, int, float]:
    """Let a window be worked in for so long after its first edit and kill it.

    Returns
    -------
    made, due, kept, youngest_lost_s
        Edits made, those older than the grace, those that came back, and how long before the kill the oldest edit
        that did not come back was made (0 if all came back).
    """
    from blotquant.session.autosave import find_rescued

    env = {**os.environ, "BLOTQUANT_STATE_DIR": str(state)}
    code = EDITOR.format(mouse=str(ROOT / "tests" / "napari"))
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=env,
    )
    assert child.stdout is not None
    lines = [next(line for line in child.stdout if line.count(" ") == 1)]
    time.sleep(lifetime_s)
    child.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    lines += child.stdout.read().splitlines()
    child.wait()
    done = [(int(n), float(when)) for n, when in (line.split() for line in lines if line.count(" ") == 1)]
    due = max((n for n, when in done if killed - when > GRACE_S), default=0)
    rescued = list(find_rescued(state))
    broken = [problem for item in rescued for problem in item.session.history.verify_chain()]
    kept = 0 if broken or not rescued else len(rescued[0].session.history)
    lost = [killed - when for n, when in done if n > kept]
    return max((n for n, _ in done), default=0), due, kept, max(lost, default=0.0)


def main() -> int:
    """Kill so many windows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, failures = random.Random(options.seed), 0
    for k in range(options.kills):
        lifetime = rng.uniform(*MOMENTS_S)
        with tempfile.TemporaryDirectory() as folder:
            made, due, kept, lost_s = kill_once(lifetime, Path(folder))
        is_fine = kept >= due > 0
        failures += not is_fine
        age = f", the oldest that is missing was made {lost_s:.1f} s before" if lost_s else ""
        verdict = "" if is_fine else "  LOST EDITS" if due else "  TESTED NOTHING"
        moment = f"kill {k + 1} {lifetime:4.1f} s after the first edit"
        print(f"{moment}: {made} edits, {due} due, {kept} restored{age}{verdict}", flush=True)
    fine = options.kills - failures
    print(f"{fine} of {options.kills} windows had edits older than {GRACE_S:g} s and came back with all of them")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
