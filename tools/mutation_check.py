"""Change modules one small place at a time, run tests against each change, and list the changes that no test notices.

    python tools/mutation_check.py blotquant/normalization/normalize.py --number 60 --tests tests/comparing

A change turns a comparison, an arithmetic sign, a condition, a constant or a function such as `min` into its like.
Annotations, decorators, texts with values in them and what is raised are left alone. `--number` places are drawn from
all of the modules together, the same ones for the same seed as long as the modules stay as they are. A change counts
as killed if a test fails or takes too long; one that means nothing counts as a survivor. Needs a system that forks.
"""

import argparse
import ast
import importlib
import os
import random
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import InspectLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FLIPS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
         ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}  # fmt: skip
TURNS = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
SIGNS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
         ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}  # fmt: skip
PAIRS = ("min max", "any all", "floor ceil", "minimum maximum", "nanmin nanmax", "argmin argmax", "mean median")
NAMES = {a: b for pair in PAIRS for a, b in (pair.split(), pair.split()[::-1])}
LEFT_OUT = ("annotation", "returns", "decorator_list", "bases", "type_params")
HEAVY = ("scipy.stats", "scipy.ndimage", "pandas", "pydantic", "tifffile", "hypothesis.strategies", "pytest")
QUIET = ("-q", "-x", "-p", "no:cacheprovider", "-o", "addopts=", "-W", "ignore", "-p", "_hypothesis_pytestplugin",
         "--hypothesis-seed=1")  # fmt: skip
Make = Callable[[Any], Any]
CPU_SECONDS = 60  # a change that makes a loop endless is killed too


class Change(NamedTuple):
    """The module, the place in its syntax tree, the line, what is changed, and what changes it."""

    path: Path
    place: int
    line: int
    what: str
    make: Make


class Changed(InspectLoader):
    """Gives one module from changed source."""

    def __init__(self, path: Path, source: str) -> None:
        self.name, self.path, self.source = ".".join(path.with_suffix("").parts), path, source

    def find_spec(self, name: str, *_: object) -> Any:  # noqa: D102
        return spec_from_file_location(name, self.path.resolve(), loader=self) if name == self.name else None

    def get_source(self, fullname: str) -> str:  # noqa: ARG002, D102
        return self.source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="+", type=Path, help="relative to the repository")
    parser.add_argument("--number", type=int, default=60)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--tests", nargs="+", required=True, help="files or folders, the quick ones first")
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    for name in HEAVY:  # once, for all forks; each of them imports blotquant itself anew
        importlib.import_module(name)
    if run_tests(options.modules[0], options.modules[0].read_text(), options.tests):
        sys.exit("The tests fail without any change: put that right first.")
    found = [change for path in options.modules for change in changes(path)]
    drawn = random.Random(options.seed).sample(found, min(options.number, len(found)))
    killed = 0
    for change in sorted(drawn, key=lambda c: (str(c.path), c.line, c.place, c.what)):
        is_killed = run_tests(change.path, mutate(change), options.tests) != 0
        killed += is_killed
        text = change.path.read_text().splitlines()[change.line - 1].strip()
        verdict = "killed  " if is_killed else "SURVIVED"
        print(f"{verdict} {change.path}:{change.line} {change.what} | {text}", flush=True)
    print(f"{killed} of {len(drawn)} killed ({killed / len(drawn):.1%}), of {len(found)} places; seed {options.seed}")


def changes(path: Path) -> Iterator[Change]:
    """All changes to a module."""
    tree = ast.parse(path.read_text())
    places = {id(node): place for place, node in enumerate(ast.walk(tree))}
    for node in parts(tree):
        for what, make in (*operator_ways(node), *other_ways(node)):
            yield Change(path, places[id(node)], getattr(node, "lineno", 0), what, make)


def parts(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.Raise | ast.JoinedStr | ast.alias):
                yield from (child, *parts(child)) if name not in LEFT_OUT else ()


def operator_ways(node: ast.AST) -> Iterator[tuple[str, Make]]:
    match node:
        case ast.Compare():
            for k, op in enumerate(node.ops):
                for new in (table[type(op)] for table in (FLIPS, TURNS) if type(op) in table):
                    yield f"{type(op).__name__} -> {new.__name__}", lambda n, k=k, new=new: n.ops.__setitem__(k, new())
        case ast.BinOp() | ast.AugAssign() if type(node.op) in SIGNS:
            sign = SIGNS[type(node.op)]
            yield f"{type(node.op).__name__} -> {sign.__name__}", lambda n: setattr(n, "op", sign())
        case ast.BoolOp():
            other = ast.Or if isinstance(node.op, ast.And) else ast.And
            yield "and <-> or", lambda n: setattr(n, "op", other())
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            # Twice is not at all.
            yield f"without {type(node.op).__name__}", lambda n: setattr(n, "operand", ast.UnaryOp(n.op, n.operand))


def other_ways(node: ast.AST) -> Iterator[tuple[str, Make]]:
    match node:
        case ast.Constant(value=bool() | int() | float() as old):
            value = not old if isinstance(old, bool) else old + 1 if isinstance(old, int) else old * 1.5 or 1.0
            yield f"{old} -> {value}", lambda n: setattr(n, "value", value)
        case ast.If() | ast.IfExp() if not isinstance(node.test, ast.Compare | ast.BoolOp):
            yield "if not", lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
        case ast.Call():
            field = "id" if isinstance(node.func, ast.Name) else "attr"
            if (name := getattr(node.func, field, "")) in NAMES:
                yield f"{name} -> {NAMES[name]}", lambda n: setattr(n.func, field, NAMES[name])
            for k, keyword in enumerate(node.keywords):
                if keyword.arg in ("axis", "ddof", "where", "keepdims", "side", "mode", "weights"):
                    yield f"without {keyword.arg}=", lambda n, k=k: n.keywords.pop(k)


def mutate(change: Change) -> str:
    """Source of the module with the change made."""
    tree = ast.parse(change.path.read_text())
    change.make(list(ast.walk(tree))[change.place])
    return ast.unparse(ast.fix_missing_locations(tree))


def run_tests(path: Path, source: str, tests: Sequence[str]) -> int:
    """Exit code of the tests, in a process of their own, with one module's source replaced."""
    process = os.fork()
    if process == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        sys.meta_path.insert(0, Changed(path, source))
        os._exit(int(sys.modules["pytest"].main([*QUIET, *tests])))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    main()
