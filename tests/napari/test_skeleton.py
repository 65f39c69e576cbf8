"""The plugin's build: imports point one way, functions are short, and nothing private of napari or Qt is used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "plugins" / "napari_blotquant"
MODULES = sorted(PLUGIN.rglob("*.py"))
ORDER = ["editor", "shapes", "workbench", "laying", "layers", "commands", "widgets", "dock", "reader"]
"""Lowest first: each imports from those before it."""
NO_QT = {"editor", "shapes"}
FORBIDDEN = (
    r"\bgc\.|\bctypes\b|setswitchinterval|_qt_viewer|_qt_window|_data_view|\bvispy\b"
    r"|(?<!self)\._[a-z]+_(?:view|box|data)\b"
)


def name_of(path: Path) -> str:
    return path.relative_to(PLUGIN).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_imports_point_one_way(path: Path) -> None:
    own = name_of(path)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari_blotquant."):
            other = str(node.module).split(".")[1]
            assert ORDER.index(other) <= ORDER.index(own), f"{own} imports {other}"
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert own not in NO_QT or not {name.split(".")[0] for name in names} & {"napari", "qtpy", "superqt"}


def test_the_plugin_stays_small() -> None:
    from runpy import run_path

    code_lines = run_path(str(PLUGIN.parents[1] / "tools" / "structure_figures.py"))["code_lines"]
    assert len(MODULES) <= 14
    assert sum(code_lines(path.read_text(encoding="utf-8")) for path in MODULES) <= 3200


def test_widgets_import_each_other_in_no_circle() -> None:
    uses = {
        path.stem: set(re.findall(r"napari_blotquant\.widgets\.(\w+)", path.read_text(encoding="utf-8")))
        for path in (PLUGIN / "widgets").glob("*.py")
    }
    while free := [name for name, others in uses.items() if not others]:
        uses = {name: others - set(free) for name, others in uses.items() if name not in free}
    assert uses == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_functions_are_short_and_nothing_private_is_called(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name  # type: ignore[operator]
    found = re.findall(FORBIDDEN, text)
    # References that outlive the interpreter cannot be made otherwise.
    assert [name for name in found if path.parent != PLUGIN or (path.name, name) != ("__init__.py", "ctypes")] == []


def test_the_menu_calls_the_dock_as_the_reader_does() -> None:
    from napari.plugins import menu_item_template
    from npe2 import PluginManifest

    from napari_blotquant.reader import DOCK_NAME

    manifest = PluginManifest.from_distribution("blotquant")
    widget = manifest.contributions.widgets[0]
    assert menu_item_template.format(manifest.display_name, widget.display_name) == DOCK_NAME
