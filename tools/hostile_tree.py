"""Time and memory of `measure` and `run` on hostile files.

    python tools/hostile_tree.py [--giants]

A folder of links, pipes, devices, sparse files of 1 TB and names in three encodings; with `--giants` sparse files of
1 GB behind the first bytes of each format, a zip bomb, experiment files and sessions of far too much, and the largest
pictures that are read (which are no attack and take what they take). Processor time for each file (limit 5 s) and the
peak memory of the command (limit 2 GB; never less than this script's own, 0.8 GB); exit code 1 beyond them.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from hostile_tree import SESSIONS, TOML, change_session, write_giants, write_hostile_tree  # noqa: E402

MAX_SECONDS = 5.0
"""Processor time a file."""
MAX_BYTES = 2e9


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        return check_giants(Path(name)) if "--giants" in sys.argv else check_tree(Path(name))


def check_tree(folder: Path) -> int:
    """Each file of the hostile tree alone, then all of it in one command."""
    tree = write_hostile_tree(folder / "in")
    files = sorted(path for path in tree.rglob("*") if path.is_symlink() or not path.is_dir())
    worst = [measure(path, folder / f"out {k}") for k, path in enumerate(files)]
    seconds, peak = measure(tree, folder / "out")
    print(f"all {len(files)} in one command: {seconds / len(files):.2f} s a file")
    return told([*worst, (seconds / len(files), peak)])


def check_giants(folder: Path) -> int:
    """Each giant alone; sessions beside the picture that they name."""
    found = [measure(path, folder / f"out {path.name}") for path in write_giants(folder / "in")]
    for kind, text in TOML.items():
        (folder / kind).mkdir()
        (folder / kind / "experiment.toml").write_text(text)
        found.append(measure(folder / kind, folder / f"out {kind}", "run"))
    picture = write_hostile_tree(folder / "tree") / "plain.tif"
    measure(picture, folder / "plain")
    (session,) = (folder / "plain" / "sessions").iterdir()
    for kind in SESSIONS:
        path = picture.with_name(f"{kind}.blot.json")
        path.write_text(change_session(session.read_text(), kind))
        found.append(measure(path, folder / f"out {kind}"))
    return told(found)


def told(found: list[tuple[float, float]]) -> int:
    slowest, peak = (max(values) for values in zip(*found, strict=True))
    print(f"slowest {slowest:.2f} s (limit {MAX_SECONDS:g}), peak memory {peak / 1e9:.2f} GB (limit 2)")
    return int(slowest > MAX_SECONDS or peak > MAX_BYTES)


def measure(path: Path, out: Path, command: str = "measure") -> tuple[float, float]:
    """Processor seconds and peak memory in bytes of the command."""
    arguments = [sys.executable, "-m", "blotquant", command, path, "-o", out, "--progress", "none"]
    with tempfile.TemporaryFile() as words, subprocess.Popen(arguments, stdout=words, stderr=words) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        words.seek(0)
        last = words.read().decode(errors="replace").strip().rpartition("\n")[2]
    seconds, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    print(
        f"{path.name!a:28} exit code {process.returncode} {seconds:6.2f} s {peak / 1e9:5.2f} GB  {last[:90]}",
        flush=True,
    )
    return seconds, peak


if __name__ == "__main__":
    sys.exit(main())
