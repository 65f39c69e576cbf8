"""Correct one blot in napari with a real mouse and real keys, count them, and keep a picture of every station.

``python tools/napari_journey.py PICTURE OUT`` on a copy of any picture with at least five lanes and three rows; run
it with a display or under Xvfb. The journey: open, fix two lanes and three bands, name two targets, save; then the same
two targets on the next blot of the folder, where the names are known. Each click, drag and key is one that a person
would make, and keys go to what has the focus. Where a band of the next blot is divided, it is made one again. Writes
``0_open.png`` and so on into OUT, and prints the counts. The
sessions lie in OUT, beside copies of the picture, which is not touched itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "napari"))
WAIT_S = 60.0


class Person:
    """Somebody with a mouse and a keyboard, whose moves are counted."""

    def __init__(self, dock: Any, out: Path) -> None:
        self.dock, self.viewer, self.out = dock, dock.viewer, out
        self.count: Counter[str] = Counter()
        self._pictures = 0

    def drag(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Drag in the picture from one (row, column) to another."""
        from mouse import drag

        drag(self.viewer, start, stop)
        self.count["drags"] += 1

    def click(self, place: tuple[float, float]) -> None:
        """Click in the picture."""
        from mouse import click

        click(self.viewer, *place)
        self.count["clicks"] += 1

    def press(self, key: str, at: tuple[float, float] | None = None, *, control: bool = False) -> None:
        """Press a key, with the pointer at a place of the picture."""
        from mouse import move_to, press
        from qtpy.QtCore import Qt

        if at is not None:
            move_to(self.viewer, *at)
        modifier = Qt.KeyboardModifier.ControlModifier if control else Qt.KeyboardModifier.NoModifier
        press(self.viewer, getattr(Qt.Key, f"Key_{key}"), modifier)
        self.count["keys"] += 1

    def type_name(self, name: str) -> None:
        """Type a name, as many letters of it as the list needs to complete it, and Enter."""
        from mouse import focused
        from qtpy.QtTest import QTest

        for letter in name:
            QTest.keyClicks(focused(self.viewer), letter)
            self.count["keys"] += 1
            if self.dock.steps.targets.target.currentText().casefold() == name.casefold():
                break
        self.press("Return")

    def look(self, name: str) -> None:
        """Wait until the numbers are exact, and keep a picture of the window."""
        wait(lambda: self.dock.editor.is_exact)
        wait(lambda: False, 0.6)
        self.viewer.window.screenshot(str(self.out / f"{self._pictures}_{name}.png"), canvas_only=False)
        self._pictures += 1


def wait(until: Any, seconds: float = WAIT_S) -> None:
    """Let the window work until something is so."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.002)


def middle(band: Any) -> tuple[float, float]:
    """Middle of a band's outline."""
    rows, cols = zip(*band.outline, strict=True)
    return (min(rows) + max(rows)) / 2, (min(cols) + max(cols)) / 2


def fix_lanes(person: Person) -> None:
    """Draw in the edge of one lane and move another one."""
    editor = person.dock.editor
    person.press("3")
    lane = editor.layout.lanes[1]
    middle_row = sum(lane.row_range) / 2
    right = float(lane.center_at(middle_row) + lane.width_at(middle_row) / 2)
    person.click((middle_row, float(lane.center_at(middle_row))))
    person.drag((middle_row, right), (middle_row, right - 2.0))
    lane = editor.layout.lanes[4]
    start = (lane.row_range[0] + 3.0, float(lane.center_at(lane.row_range[0])))
    person.drag(start, (start[0], start[1] + 2.0))
    person.look("two_lanes")


def fix_bands(person: Person) -> None:
    """Move a band, snap a band, delete a band."""
    editor = person.dock.editor
    shown = [b for b in editor.layout.bands if b.status == "detected"]
    strong = max(shown, key=lambda b: editor.rows[b.id]["volume"])
    person.drag(middle(strong), (middle(strong)[0] + 2, middle(strong)[1]))
    other = next(b for b in shown if b.row == strong.row and b.id != strong.id and b.lane != strong.lane)
    person.press("B", middle(other))
    weak = min(shown, key=lambda b: editor.rows[b.id]["snr"])
    person.press("Delete", middle(weak))
    person.look("three_bands")


def name_targets(person: Person) -> None:
    """Name two rows of the first strip, with the pointer on them."""
    editor = person.dock.editor
    first = editor.layout.strips[0].id
    lanes = {lane.id for lane in editor.layout.lanes_of(first)}
    rows = sorted({b.row for b in editor.layout.bands if b.lane in lanes and b.row is not None})
    box = person.dock.steps.targets.target
    for name, row in (("", rows[0]), ("GAPDH", rows[-1])):  # the first as the picture's own name says
        band = next(b for b in editor.layout.bands if b.lane in lanes and b.row == row)
        is_offered = bool(box.currentText())
        person.press("T", middle(band))
        if not is_offered and not name and box.currentText():
            person.press("Return")
        elif not is_offered:
            person.type_name(name or "B3AR")
    person.look("two_targets")


def mend_doublet(person: Person) -> None:
    """Make one band of two that were wrongly divided, where the picture has such."""
    editor = person.dock.editor
    band = next((b for b in editor.layout.bands if b.split), None)
    if band is None:
        print("no divided band here")
        return
    n = len(editor.layout.bands_of(band.lane))
    person.press("M", band.peak)
    assert len(editor.layout.bands_of(band.lane)) == n - 1
    person.look("doublet_mended")
    tell("wrong doublet", person)


def tell(name: str, person: Person) -> None:
    """Print what was done to a blot, and begin to count anew."""
    editor = person.dock.editor
    gestures = [group[0].action for group in editor.session.history.groups()]
    count = f"{dict(person.count)}, {sum(person.count.values())} in all"
    print(f"{name}: {count}; edits: {', '.join(gestures)}; saved: {not editor.is_dirty}", flush=True)
    person.count.clear()


def open_first(dock: Any, copies: list[Path]) -> None:
    """``blotquant edit FOLDER`` and a click on the first blot of the list."""
    dock.guard.asks = False
    dock.viewer.window._qt_window.activateWindow()
    dock.open_path(copies[0].parent)
    wait(lambda: dock.tables.blots.rows.rowCount() == len(copies))
    dock.open_path(copies[0])
    wait(lambda: dock.editor is not None and dock.editor.is_exact)
    dock.tables.setCurrentIndex(0)


def walk(person: Person) -> None:
    """Correct the first blot and name its targets, then those of the next one."""
    dock = person.dock
    person.look("open")
    fix_bands(person)
    fix_lanes(person)
    name_targets(person)
    person.press("S", control=True)
    person.look("saved")
    tell("first blot", person)
    before = dock.editor
    person.press("PageDown")
    wait(lambda: dock.editor not in (None, before) and dock.editor.is_exact)
    name_targets(person)
    person.press("S", control=True)
    dock.tables.setCurrentWidget(dock.tables.blots)
    person.look("next_blot_saved")
    tell("next blot", person)
    mend_doublet(person)


def main() -> int:
    """Walk the journey."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    os.environ["BLOTQUANT_STATE_DIR"] = str(options.out / "state")
    folder = options.out / "blots"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copies = [Path(shutil.copy(options.picture, folder / f"{k}_{options.picture.name}")) for k in (1, 2)]
    import napari

    from napari_blotquant.reader import find_dock

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    dock = find_dock(viewer)
    open_first(dock, copies)
    walk(Person(dock, options.out))
    viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
