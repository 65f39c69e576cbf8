"""Figures of the structure: how many pieces the core has, and how a picture goes through them.

    python tools/structure_figures.py [PICTURE]

Printed are, for the core: modules, code lines (without docstrings, comments and blank lines), comment lines, functions
and their median and 90th percentile of code lines, functions longer than 60, dataclasses, private helpers of at most
three statements that are used once, constants named in one tuple assignment; and, for one `blotquant measure` of a
picture (the sample study's first one if none is given), the files that are entered and how often a call inside
`detection` goes from one file to another.
"""

from __future__ import annotations

import ast
import inspect
import io
import statistics
import sys
import tempfile
import tokenize
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
CORE = ROOT / "blotquant"


def code_lines(source: str) -> int:
    """Lines that hold code: neither blank, nor comment, nor docstring."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            lines |= set(range(token.start[0], token.end[0] + 1))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        for statement in getattr(node, "body", []) if isinstance(node, documented) else []:
            # A text that stands alone documents a module, class, function or the constant above it.
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                lines -= set(range(statement.lineno, statement.end_lineno + 1))
    return len(lines - {0}) - 1


def statements_of(function: ast.FunctionDef) -> int:
    """Statements of a function, its docstring not counted."""
    inner = sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1
    return inner - (ast.get_docstring(function) is not None)


def print_structure() -> None:
    """Print how many pieces the core has."""
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(CORE.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in sources.items()}
    everything = "\n".join(sources.values())
    functions = [n for tree in trees.values() for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    names = Counter(t.string for t in tokenize.generate_tokens(io.StringIO(everything).readline) if t.type == 1)
    lengths = [code_lines(ast.unparse(ast.Module(body=f.body, type_ignores=[]))) for f in functions]
    top_level = [n for tree in trees.values() for n in tree.body if isinstance(n, ast.FunctionDef)]
    small = [f for f in top_level if f.name.startswith("_") and names[f.name] == 2 and statements_of(f) <= 3]
    classes = [n for tree in trees.values() for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    dataclasses = [c for c in classes if any("dataclass" in ast.unparse(d) for d in c.decorator_list)]
    tuples = [
        n
        for tree in trees.values()
        for n in tree.body
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Tuple)
    ]
    comments = sum(line.strip().startswith("#") for text in sources.values() for line in text.split("\n"))
    total = sum(text.count("\n") for text in sources.values())
    print(f"modules {len(sources)}, code lines {sum(map(code_lines, sources.values()))} of {total}")
    print(f"comment lines {comments} ({100 * comments / total:.1f} %)")
    print(
        f"functions {len(functions)}, code lines median {statistics.median(lengths):.0f}, "
        f"90th percentile {sorted(lengths)[int(0.9 * len(lengths))]}, longer than 60: {sum(n > 60 for n in lengths)}"
    )
    print(f"dataclasses {len(dataclasses)}; private helpers of at most three statements used once {len(small)}")
    print(f"constants named in one tuple assignment: {len(tuples)} assignments")


def print_way(picture: Path) -> None:
    """Print which files one `measure` enters, and the changes of file inside detection."""
    from blotquant.cli import main

    entered: set[str] = set()
    changes = 0
    detection = str(CORE / "detection")

    def trace(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal changes
        own = frame.f_code.co_filename
        # Bodies of modules and classes run when they are imported, and comprehensions belong to what holds them: only
        # functions are a picture's way.
        is_function = frame.f_code.co_flags & inspect.CO_OPTIMIZED and not frame.f_code.co_name.endswith(
            ("comp>", "expr>")
        )
        if event != "call" or not own.startswith(str(CORE)) or not is_function:
            return
        entered.add(own)
        caller = frame.f_back.f_code.co_filename if frame.f_back else ""
        changes += own != caller and own.startswith(detection) and caller.startswith(detection)

    with tempfile.TemporaryDirectory() as out:
        sys.setprofile(trace)
        try:
            main(["measure", str(picture), "-o", out])
        except SystemExit:
            pass
        finally:
            sys.setprofile(None)
    print(f"one measure of {picture.name}: {len(entered)} files entered, {changes} changes of file inside detection")


if __name__ == "__main__":
    print_structure()
    print_way(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "sample_images" / "blot1_pAKT.tif")
