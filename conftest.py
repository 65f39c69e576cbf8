"""Plugins of pytest that need a window system's libraries: left out on a machine that lacks these, with their tests."""

import gc
import os
from importlib import import_module


def opens(module: str) -> bool:
    """Whether a module can be imported; a missing system library is an ImportError too."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True


os.environ.setdefault("PYTEST_QT_API", "pyside6")
has_window_libraries = opens("qtpy.QtCore") and opens("napari.utils")
pytest_plugins = ["pytestqt.plugin", "napari.utils._testsupport"] if has_window_libraries else []


def pytest_collection_finish() -> None:
    """Whatever was imported stays: looking for garbage among it is a tenth of the windows' tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
