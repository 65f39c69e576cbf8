"""Time and memory of `measure` in a folder of links, pipes, devices, sparse files of 1 TB and names in three encodings.

    python tools/hostile_tree.py

Processor time for each file there (limit 5 s) and the peak memory of the command (limit 2 GB); exit code 1 beyond them.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from hostile_tree import write_hostile_tree  # noqa: E402

MAX_SECONDS = 5.0
"""Processor time a file."""
MAX_BYTES = 2e9


def main() -> int:
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        tree = write_hostile_tree(Path(name) / "in")
        files = sorted(path for path in tree.rglob("*") if path.is_symlink() or not path.is_dir())
        for k, path in enumerate(files):
            seconds, code = measure(path, Path(name) / f"out {k}")
            slowest = max(slowest, seconds)
            print(f"{path.name!a:28} exit code {code} {seconds:6.2f} s of processor time")
        seconds, code = measure(tree, Path(name) / "out")
        print(
            f"all {len(files)} in one command: exit code {code}, {seconds:.2f} s, {seconds / len(files):.2f} s a file"
        )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"slowest alone {slowest:.2f} s (limit {MAX_SECONDS:g}), peak memory {peak / 1e9:.2f} GB (limit 2)")
    return int(slowest > MAX_SECONDS or peak > MAX_BYTES)


def measure(path: Path, out: Path) -> tuple[float, int]:
    """Processor seconds and exit code of the command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "blotquant", "measure", path, "-o", out, "--progress", "none"]
    done = subprocess.run(command, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.returncode


if __name__ == "__main__":
    sys.exit(main())
