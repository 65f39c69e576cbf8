"""A guard against a defect of PySide 6: it loses references to None while it paints.

Before Python 3.12 None is counted like any object. Some hundred references go with every redraw of a plot; when none is
left Python aborts ("deallocating None") and takes unsaved work with it. From 3.12 on None cannot die.
"""

from __future__ import annotations

import ctypes
import sys

_MANY = 1 << 40
_done = False


def shield_none() -> None:
    """Give None so many references that no session can lose them all; needed once, before Python 3.12 only."""
    global _done
    if _done or sys.version_info >= (3, 12) or sys.implementation.name != "cpython":
        return
    ctypes.c_ssize_t.from_address(id(None)).value += _MANY
    _done = True
