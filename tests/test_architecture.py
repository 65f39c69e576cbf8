"""The house rules that no other test sees: which way imports point, and what an import loads."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from blotquant.synthetic import make_blot, plain_spec

ROOT = Path(__file__).parent.parent / "blotquant"
LAYERS = [
    {"_version", "errors", "flags", "text", "threads"},
    {"model"},
    {"imaging", "tables"},
    {"io", "synthetic"},
    {"settings"},
    {"detection", "doublets", "identification", "session"},
    {"quantification"},
    {"experiment"},
    {"normalization", "statistics"},
    {"analysis"},
    {"export"},
    {"report"},
    {"runs"},
    {"cli", "__main__", "blotquant"},
]
"""Lowest first: each imports from its own layer and from those below it."""
GUI = {"napari", "qtpy", "magicgui", "pyqtgraph", "PySide6", "PyQt6", "napari_blotquant"}


def modules():
    return sorted(ROOT.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] != "__init__" else "blotquant"


def imports_of(path, *, only_top_level=False):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if only_top_level else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def level_of(module):
    return next(level for level, names in enumerate(LAYERS) if module in names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    own = name_of(path)
    for imported in imports_of(path):
        if imported.startswith("blotquant.") and own != "blotquant":
            other = imported.split(".")[1]
            assert other == own or level_of(other) <= level_of(own), f"{own} imports {other}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_knows_no_window(path):
    assert not {module.split(".")[0] for module in imports_of(path)} & GUI


def test_matplotlib_is_loaded_only_by_what_draws():
    """A module of report or export may import it at its top if every other module imports that one in a function."""
    top = {path: set(imports_of(path, only_top_level=True)) for path in modules()}
    drawing = {path for path, names in top.items() if "matplotlib" in {name.split(".")[0] for name in names}}
    assert {name_of(path) for path in drawing} <= {"export", "report"}
    names = {"blotquant." + ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in drawing}
    assert {path.name: used & names for path, used in top.items() if used & names} == {}


def test_synthetic_shares_no_code_with_what_it_tests():
    allowed = {"blotquant.synthetic", "blotquant.model.geometry", "blotquant.model.image", "blotquant.errors"}
    for path in sorted((ROOT / "synthetic").rglob("*.py")):
        for imported in imports_of(path):
            if imported.startswith("blotquant"):
                assert any(imported == name or imported.startswith(name + ".") for name in allowed), imported


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import blotquant", GUI | {"matplotlib", "pandas", "scipy", "skimage"}),
        ("import blotquant.cli", GUI | {"matplotlib", "pandas", "numpy", "scipy", "rich"}),
        ("import blotquant.analysis", GUI | {"matplotlib"}),
        ("import napari_blotquant", GUI - {"napari_blotquant"} | {"blotquant"}),
    ],
)
def test_an_import_loads_only_what_it_must(statement, absent):
    code = f"{statement}\nimport sys\nprint(' '.join({{m.split('.')[0] for m in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & absent


def test_measure_loads_no_library_that_it_can_do_without(tmp_path):
    """Their imports would take longer than measuring a small picture."""
    tifffile.imwrite(tmp_path / "a.tif", make_blot(plain_spec([[40_000, 25_000, 60_000]]), seed=3).pixels)
    arguments = ["measure", str(tmp_path / "a.tif"), "-o", str(tmp_path / "out")]
    code = f"from blotquant.cli import main; main({arguments!r})\nimport sys\nprint(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not set(said.split()) & {
        "pandas",
        "scipy.signal",
        "scipy.stats",
        "scipy.optimize",
        "skimage.transform._warps",
    }


def test_every_dependency_stands_with_its_reason_on_the_design_page():
    import tomllib

    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT.parent / "docs" / "design.md").read_text(encoding="utf-8").partition("## Dependencies")[2]
    stated = {name.strip() for row in re.findall(r"^\| ([\w, -]+) \| .+ \|$", page, re.M) for name in row.split(",")}
    required = {re.split(r"[<>=\[; ]", text)[0] for text in project["dependencies"]}
    assert required - stated == set()


TESTS = Path(__file__).parent
WHOLE_PROGRAMS = {"browser", "cli", "docs", "fuzz", "napari", "properties", "contracts"}
"""Folders of tests that drive more than one room."""


def test_tests_mirror_the_rooms():
    rooms = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    folders = {path.name for path in TESTS.iterdir() if any(path.glob("test_*.py"))}
    assert folders - WHOLE_PROGRAMS <= rooms
    assert rooms - folders <= {"synthetic", "cli"}  # one file of tests, and a folder among the whole programs


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")


def test_names_of_tests_begin_with_what_they_test():
    """The function, class or module of the package or its tools that a test is about; a few scenarios are left."""
    sources = [*ROOT.rglob("*.py"), *(ROOT.parent / "tools").rglob("*.py")]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    named = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    known = {snake(name) for name in named | {path.stem for path in sources} if len(name) > 2}
    files = [path for path in TESTS.glob("*/test_*.py") if path.parent.name not in WHOLE_PROGRAMS]
    told, other = 0, []
    for path in files:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                words = node.name.removeprefix("test_").split("_")
                if any("_".join(words[:k]) in known for k in range(1, len(words) + 1)):
                    told += 1
                else:
                    other.append(f"{path.name}: {node.name}")
    assert told >= 0.95 * (told + len(other)), other
