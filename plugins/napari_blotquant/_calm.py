"""Keeps Python's collector of garbage cycles from stopping the window.

A full collection looks at each object of each loaded library: three hundred thousand of them, a seventh of a second, at
any moment and once more for every layer that napari removes. While the window is open they are set aside.
"""

from __future__ import annotations

import gc


def set_libraries_aside() -> None:
    """Let collections pass over everything that is there now; what comes later is collected as ever."""
    gc.collect()
    gc.freeze()


def take_libraries_back() -> None:
    """Let collections look at everything again: what was set aside can go with the window."""
    gc.unfreeze()
