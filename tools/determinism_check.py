"""Make the demo's results again and again under other circumstances, and compare them byte by byte.

    python tools/determinism_check.py [--runs 5] [--python PATH]... [--into FOLDER]

Every run is a process of its own. The first writes and runs the (synthetic) sample experiment; the others repeat it
into new folders, with one and two jobs, with more threads, with another time zone, language and hash seed, and on a
copy that lies elsewhere under other dates. With `--python` another interpreter that has the dependencies does it too:
there numbers may differ by 1e-9 of themselves, texts not at all. Prints one line for each; exit code 1 if any differs.
"""

import argparse
import csv
import io
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from blotquant.runs.differences import compare_files  # noqa: E402
from blotquant.runs.verify import OTHER_VERSIONS_TOLERANCE  # noqa: E402
from blotquant.session.session import SESSION_SUFFIX  # noqa: E402

OTHER_PLACE = {"TZ": "Asia/Kolkata", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "12345"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LOOSE = (".blotquant/", "figures/", "report.html", "manifest.json")
"""What names the versions of libraries, or holds numbers in texts: compared byte by byte with the same ones only."""


@dataclass(frozen=True)
class Comparison:
    """What came of laying one folder beside the first."""

    n_files: int
    n_identical: int
    largest: float
    differences: tuple[str, ...]

    def __str__(self) -> str:
        off = "" if self.n_identical == self.n_files else f", numbers differ by {self.largest:.2g} at most"
        verdict = f"{len(self.differences)} DIFFERENCES" if self.differences else "equal"
        return f"{self.n_identical} of {self.n_files} files byte-identical{off}: {verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of the same, each with one job")
    parser.add_argument("--python", type=Path, action="append", default=[], help="another interpreter to compare with")
    parser.add_argument("--into", type=Path, help="folder to work in and to keep")
    options = parser.parse_args()
    if options.into:
        options.into.mkdir(parents=True)
        return check(options.into, runs=options.runs, others=options.python)
    with tempfile.TemporaryDirectory() as folder:
        return check(Path(folder), runs=options.runs, others=options.python)


def check(folder: Path, *, runs: int, others: Sequence[Path]) -> int:
    demo = folder / "run 1"
    blotquant("demo", demo)
    study, first = demo / "study", files_of(demo)
    found = [show("run 1", f"{len(first)} files", ())]
    for k in range(2, runs + 1):
        blotquant("demo", folder / f"run {k}")
        found.append(compare(f"run {k}", first, files_of(folder / f"run {k}")))
    for name, arguments, environment in (
        ("two jobs", ("--jobs", "2"), {}),
        ("four threads", (), dict.fromkeys(THREADS, "4")),
        ("other time zone, language, hash seed", (), OTHER_PLACE),
    ):
        place = folder / name
        shutil.copytree(study, place / "study")
        blotquant("run", place / "study", "-o", place / "results", *arguments, **environment)
        found.append(compare(name, first, files_of(place)))
    moved = folder / "інше місце" / "deeper"
    shutil.copytree(study, moved / "study")
    for path in moved.rglob("*"):
        os.utime(path, (1e9, 1e9))
    blotquant("run", moved / "study", "-o", moved / "results")
    found.append(compare("copy elsewhere, other dates", first, files_of(moved)))
    for python in others:
        version = output(python, "-c", "import platform; print(platform.python_version())").strip()
        place = folder / f"python {version}"
        blotquant("demo", place, python=python)
        tolerance = OTHER_VERSIONS_TOLERANCE
        found.append(compare(f"Python {version}", first, files_of(place), tolerance=tolerance))
    return 1 if any(found) else 0


def blotquant(*arguments: object, python: Path | str = sys.executable, **environment: str) -> None:
    """Run a command in a process of its own."""
    output(python, "-m", "blotquant", *map(str, arguments), **environment)


def output(python: Path | str, *arguments: str, **environment: str) -> str:
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    every = {**os.environ, "PYTHONPATH": paths, **environment}
    done = subprocess.run([str(python), *arguments], env=every, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{python} {' '.join(arguments)} failed: {done.stderr[-2000:]}"
        raise RuntimeError(message)
    return done.stdout


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a study and its results by its path, the lock aside."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def compare(name: str, first: Mapping[str, bytes], other: Mapping[str, bytes], *, tolerance: float = 0.0) -> bool:
    """Lay two folders beside each other and print what was found; True if they differ."""
    result = lay_beside(first, other, tolerance=tolerance)
    return show(name, str(result), result.differences)


def lay_beside(first: Mapping[str, bytes], other: Mapping[str, bytes], *, tolerance: float = 0.0) -> Comparison:
    """Compare all files of two folders: byte by byte, or within a tolerance where versions are others."""
    differences = [f"{name}: only in one of both" for name in sorted(first.keys() ^ other.keys())]
    shared = sorted(first.keys() & other.keys())
    changed = [name for name in shared if first[name] != other[name]]
    largest = 0.0
    for name in changed:
        inside = name.removeprefix("results/")
        if tolerance and inside.startswith(LOOSE):
            continue
        a, b = (without_versions(name, data, tolerance) for data in (first[name], other[name]))
        differences += map(str, compare_files(name, a, b, tolerance=tolerance))
        largest = max(largest, largest_difference(name, a, b))
    return Comparison(len(shared), len(shared) - len(changed), largest, tuple(differences))


def without_versions(name: str, data: bytes, tolerance: float) -> bytes:
    """A session without the versions of the software, where other ones made it."""
    if not tolerance or not name.endswith(SESSION_SUFFIX):
        return data
    import json

    return json.dumps({**json.loads(data), "versions": {}}).encode()


def largest_difference(name: str, a: bytes, b: bytes) -> float:
    """Largest relative difference of two tables' numbers."""
    if not name.endswith(".csv"):
        return 0.0
    tables = [list(csv.reader(io.StringIO(data.decode(), newline=""))) for data in (a, b)]
    cells = zip(*([cell for row in table for cell in row] for table in tables), strict=False)
    return max((relative(x, y) for x, y in cells if x != y), default=0.0)


def relative(x: str, y: str) -> float:
    try:
        a, b = float(x), float(y)
    except ValueError:
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))


def show(name: str, what: str, differences: Sequence[str]) -> bool:
    print(f"{name + ':':40}{what}", flush=True)
    for line in differences[:20]:
        print(f"    {line}")
    return bool(differences)


if __name__ == "__main__":
    sys.exit(main())
