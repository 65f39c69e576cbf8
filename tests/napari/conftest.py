"""What the plugin's tests share; the ones that need a window are skipped where there is no display."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("napari", reason='the plugin needs napari: pip install "blotquant[napari]"')
LIBRARIES = "libraries of a window system are missing (Debian: the packages that README names)"
for module in () if os.environ.get("BLOTQUANT_REQUIRE_GUI") else ("qtpy.QtCore", "napari.utils"):
    pytest.importorskip(module, reason=LIBRARIES, exc_type=ImportError)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blotquant.model.image import BlotImage
    from blotquant.session.session import Session
    from napari_blotquant.editor import Editor

WAIT_MS = 60_000
NEEDS_WINDOW = {"qtbot", "make_napari_viewer", "qapp"}


def has_display(config: pytest.Config) -> bool:
    """Without X and without Xvfb Qt aborts the whole process, so tests must not even begin."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return True
    return shutil.which("Xvfb") is not None and config.pluginmanager.hasplugin("xvfb")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if has_display(config):
        return
    if os.environ.get("BLOTQUANT_REQUIRE_GUI"):
        pytest.exit("BLOTQUANT_REQUIRE_GUI is set, and there is no display and no Xvfb", returncode=1)
    skip = pytest.mark.skip(
        reason="no display and no Xvfb (Debian: apt-get install xvfb libxcb-icccm4 libxcb-keysyms1)"
    )
    for item in items:
        if NEEDS_WINDOW & set(getattr(item, "fixturenames", ())):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Autosaved sessions of tests stay in the test's folder."""
    folder = tmp_path / "state"
    monkeypatch.setenv("BLOTQUANT_STATE_DIR", str(folder))
    return folder


def synthetic(n_rows: int = 2, n_lanes: int = 4) -> tuple[BlotImage, Session]:
    from blotquant.session.session import make_session
    from blotquant.synthetic import make_blot, plain_spec

    volumes = np.linspace(4e4, 1e5, n_rows * n_lanes).reshape(n_rows, n_lanes)
    blot = make_blot(plain_spec(volumes, shape=(160, 240)), seed=3)
    return blot.image(), make_session(blot.image(), blot.true_layout())


@pytest.fixture
def editor() -> Editor:
    """A measured editor on a synthetic blot with two rows in four lanes; the clock stands still."""
    from napari_blotquant.editor import Editor

    image, session = synthetic()
    made = Editor(image, session, who="Ada", clock=lambda: "2026-01-02T03:04:05Z")
    made.measure_now()
    return made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A synthetic blot as a TIFF with a session of its true layout beside it."""
    import tifffile

    from blotquant.io import read_image
    from blotquant.session.session import make_session, save_session
    from blotquant.synthetic import make_blot, plain_spec

    volumes = np.linspace(4e4, 1e5, 8).reshape(2, 4)
    blot = make_blot(plain_spec(volumes, shape=(160, 240)), seed=3)
    path = tmp_path / "blot.tif"
    tifffile.imwrite(path, blot.pixels)
    session = make_session(read_image(path, polarity="bright"), blot.true_layout())
    save_session(session, tmp_path / "blot.tif.blot.json")
    return path


@pytest.fixture
def dock(make_napari_viewer: Callable[..., Any], qtbot: Any, picture: Path) -> Iterator[Any]:
    """The dock as napari makes it from the manifest, with the blot open and measured."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1300, 900)
    _, widget = viewer.window.add_plugin_dock_widget("blotquant", "Quantify a blot")
    widget.guard.asks = False
    widget.open_path(picture)
    qtbot.waitUntil(lambda: widget.editor is not None and widget.editor.is_exact, timeout=WAIT_MS)
    qtbot.wait(200)
    yield widget
    qtbot.waitUntil(lambda: not widget.bench.running, timeout=WAIT_MS)
