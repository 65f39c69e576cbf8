"""Whether interpreters that showed the window of napari end cleanly, again and again.

    xvfb-run -a python tools/window_ends.py [--n 10] [--redraws 200]

Each of `n` processes opens a synthetic blot in napari's window, redraws the profile of its lanes so often, closes the
window and ends. Printed are how many ended with exit code 0, what the others said, and how many references to None a
redraw took away (PySide 6.12 before Python 3.12; see `napari_blotquant`).
"""

from __future__ import annotations

import argparse
import subprocess
import sys

WINDOW = """
import sys
import napari
from qtpy.QtTest import QTest
from napari_blotquant.reader import open_window, synthetic_image

dock = open_window(napari.Viewer(show=True))
dock.guard.asks = False
dock.open_image(synthetic_image())
while dock.editor is None or not dock.editor.is_exact or dock.bench.running:
    QTest.qWait(50)
lanes = dock.editor.layout.lanes
before = sys.getrefcount(None)
for k in range({redraws}):
    dock.bench.select_lane(lanes[k % len(lanes)].id)
    QTest.qWait(1)
print((before - sys.getrefcount(None)) / {redraws})
dock.viewer.close()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10)
    parser.add_argument("--redraws", type=int, default=200)
    options = parser.parse_args()
    clean, lost = 0, []
    for _ in range(options.n):
        code = WINDOW.format(redraws=options.redraws)
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
        clean += done.returncode == 0
        if done.returncode:
            print(f"exit code {done.returncode}: {done.stderr[-400:]}")
        elif done.stdout.split():
            lost.append(float(done.stdout.split()[-1]))
    print(f"Python {sys.version.split()[0]}: {clean} of {options.n} ended cleanly")
    print(f"references to None that a redraw takes: {sorted(lost)[len(lost) // 2] if lost else float('nan'):.0f}")


if __name__ == "__main__":
    main()
