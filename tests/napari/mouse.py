"""A real mouse and real keys on the canvas, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QEnterEvent, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

STEPS = 8


def canvas_of(viewer: Any) -> Any:
    return viewer.window._qt_viewer.canvas.native


def pixel_of(viewer: Any, row: float, col: float) -> QPoint:
    """Where a point of the picture lies in the canvas widget; private to napari, so kept in one place."""
    canvas = viewer.window._qt_viewer.canvas
    scene = canvas.view.scene if hasattr(canvas, "view") else next(iter(canvas.grid_views)).scene
    x, y = scene.transform.map([col, row, 0, 1])[:2]
    return QPoint(round(float(x)), round(float(y)))


def _send(widget: Any, kind: Any, point: QPoint, button: Any, held: Any) -> None:
    place = QPointF(point)
    event = QMouseEvent(kind, place, QPointF(widget.mapToGlobal(point)), button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(widget, event)
    QApplication.processEvents()


def focused(viewer: Any) -> Any:
    """What keys go to."""
    return viewer.window._qt_window.focusWidget() or canvas_of(viewer)


def move_to(viewer: Any, row: float, col: float) -> None:
    """Move the pointer to a place of the picture; it enters the canvas if something else has the focus."""
    none = Qt.MouseButton.NoButton
    if focused(viewer) is not canvas_of(viewer):
        point = QPointF(pixel_of(viewer, row, col))
        QApplication.sendEvent(canvas_of(viewer), QEnterEvent(point, point, point))
    _send(canvas_of(viewer), QEvent.Type.MouseMove, pixel_of(viewer, row, col), none, none)


def drag(viewer: Any, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """Press, move in steps, release."""
    widget, left, none = canvas_of(viewer), Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    move_to(viewer, *start)
    _send(widget, QEvent.Type.MouseButtonPress, pixel_of(viewer, *start), left, left)
    for share in np.linspace(0, 1, STEPS + 1)[1:]:
        point = np.array(start) + share * (np.array(stop) - np.array(start))
        _send(widget, QEvent.Type.MouseMove, pixel_of(viewer, *point), none, left)
        QTest.qWait(12)
    _send(widget, QEvent.Type.MouseButtonRelease, pixel_of(viewer, *stop), left, none)


def click(viewer: Any, row: float, col: float) -> None:
    widget, left, none = canvas_of(viewer), Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    move_to(viewer, row, col)
    _send(widget, QEvent.Type.MouseButtonPress, pixel_of(viewer, row, col), left, left)
    _send(widget, QEvent.Type.MouseButtonRelease, pixel_of(viewer, row, col), left, none)
    QTest.qWait(20)


def press(viewer: Any, key: Any, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
    """Press a key: what has the focus gets it."""
    QTest.keyClick(focused(viewer), key, modifier)
    QTest.qWait(10)


def middle(thing: Any) -> tuple[float, float]:
    """Middle of the outline of a strip, lane or band."""
    low, high = np.min(thing.outline, axis=0), np.max(thing.outline, axis=0)
    row, col = (low + high) / 2
    return float(row), float(col)
