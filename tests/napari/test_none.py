"""PySide takes references to None and True that it does not own: before Python 3.12 that ended the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("qtpy.QtWidgets")

CALLS = """
import sys
import napari_blotquant
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QPen

class Bell(QObject):
    rings = Signal()

pen, bell = QPen(), Bell()
bell.rings.connect(lambda: None)
for _ in range(200_000):
    pen.setWidthF(1.0)
    bell.rings.emit()
print("done", min(sys.getrefcount(one) for one in (None, True, False)))
"""


def test_keep_none_and_true_ends_cleanly_after_many_calls_of_qt() -> None:
    """Without it Python 3.11 aborts after some 5,000 of these calls, or at its end."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CALLS],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    word, left = done.stdout.split()
    assert word == "done"
    assert sys.version_info >= (3, 12) or int(left) > sys.maxsize // 8


def test_keep_none_and_true_adds_once() -> None:
    import napari_blotquant

    before = sys.getrefcount(None)
    napari_blotquant.keep_none_and_true()
    assert abs(sys.getrefcount(None) - before) < 1000
