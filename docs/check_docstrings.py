"""Hold every docstring to the numpydoc convention, and every public thing to having one.

Run it as ``python docs/check_docstrings.py``. Everywhere what is documented exists, and sections are numpydoc's.
What ``import blotquant`` offers must also document every parameter, what it returns and the type of each.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EVERYWHERE = {"GL03", "GL06", "GL07", "GL08", "SS02", "PR02", "PR03", "PR06", "PR10", "RT05"}
PUBLIC = EVERYWHERE | {"PR01", "PR04", "PR07", "RT01", "RT03", "SS01", "SS03"}
"""Codes of numpydoc's validation."""


def modules() -> Iterator[str]:
    """Names of the core's modules."""
    for path in sorted((ROOT / "blotquant").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__")


def things(name: str) -> Iterator[tuple[str, Any]]:
    """Public functions, classes and methods that a module defines itself."""
    module = importlib.import_module(name)
    for key, thing in vars(module).items():
        if key.startswith("_") or getattr(thing, "__module__", None) != name:
            continue
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield f"{name}.{key}", thing
        if inspect.isclass(thing):
            tree = ast.parse(inspect.getsource(thing).lstrip()).body[0]
            own = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]  # type: ignore[attr-defined]
            yield from ((f"{name}.{key}.{m}", getattr(thing, m)) for m in own if not m.startswith("_"))


def problems() -> list[str]:
    """One line for every docstring that breaks a rule."""
    from numpydoc.validate import validate

    import blotquant

    public = {id(getattr(blotquant, name)) for name in blotquant.__all__}
    found = []
    for name in modules():
        if name.endswith("__main__"):
            continue
        for path, thing in things(name):
            rules = PUBLIC if id(thing) in public else EVERYWHERE
            if inspect.isclass(thing):
                rules = rules - {"PR01"}  # a dataclass documents its fields as Attributes
            found += [f"{path}: {code} {text}" for code, text in validate(path)["errors"] if code in rules]
    return found


if __name__ == "__main__":
    wrong = problems()
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    sys.exit(1 if wrong else 0)
