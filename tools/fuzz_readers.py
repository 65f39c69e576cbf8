"""Open mutated files through every reader and count what happens.

    python tools/fuzz_readers.py [--inputs 200000] [--real FOLDER] [--only DOOR]

Starts from small valid files of every format, the sample pictures, and further pictures where a folder of them is
given. The seeds are those of tests/fuzz/seeds.txt, so that a finding can be had again by its label. Exit code 1 if an
input crashed, took over 5 s or 2 GiB, or was refused in other than clear lines.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "fuzz"), str(ROOT / "tests")]

from harness import SEEDS, Door, Tally, doors, try_door  # noqa: E402

LARGE = 100_000  # bytes; larger files are tried less often
LARGE_SHARE = 0.02
HANGS_S = 60  # far above the 5 s that are noted: a stuck input is given up


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=200_000, help="in all, shared evenly among the small files")
    parser.add_argument("--real", type=Path, default=ROOT.parent / "shared" / "real", help="folder of more pictures")
    parser.add_argument("--only", help="one door")
    parser.add_argument("--one", metavar="LABEL", help="one input by its label, such as pictures/plain.tif/11/5")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return fuzz(options, Path(folder))


def fuzz(options: argparse.Namespace, folder: Path) -> int:
    all_doors = [d for d in doors(folder=folder, more=more_pictures(options.real)) if options.only in (None, d.name)]
    if options.one:
        return repeat(options.one, all_doors, folder)
    files = [(door, name) for door in all_doors for name in door.originals]
    small = [pair for pair in files if len(pair[0].originals[pair[1]]) < LARGE]
    large = [pair for pair in files if pair not in small]
    shares = {False: round(options.inputs * (1 - LARGE_SHARE * bool(large)) / len(small)) + 1}
    shares[True] = round(options.inputs * LARGE_SHARE / max(len(large), 1)) + 1
    total = Tally()
    for door, name in (*small, *large):
        n = shares[len(door.originals[name]) >= LARGE]
        tags = [f"{seed}/{k}" for k in range(n // len(SEEDS) + 1) for seed in SEEDS][:n]
        tally = try_apart(door, name, tags, folder)
        add(total, tally)
        print(f"{door.name}/{name}: {report(tally)}", flush=True)
    print(f"in all: {report(total)}")
    for what, where in total.problems.items():
        print(f"PROBLEM {what}\n  {where}")
    return 1 if total.problems else 0


def try_apart(door: Door, name: str, tags: list[str], folder: Path) -> Tally:
    """Try in a process of its own, again after the input that killed it or that it hangs on."""
    total, done = Tally(), 0
    while done < len(tags):
        tally, n, end = try_in_fork(door, name, tags[done:], folder)
        add(total, tally)
        if end:
            total.inputs += n + 1
            total.problems.setdefault(f"{door.name}: {end}", f"{door.name}/{name}/{tags[done + n]}")
        done += n + bool(end)
    return total


def try_in_fork(door: Door, name: str, tags: list[str], folder: Path) -> tuple[Tally, int, str]:
    """Return what came of it, how many inputs were finished, and how the process ended if not well."""
    mark, result = folder / "progress", folder / "result"
    result.unlink(missing_ok=True)
    mark.write_text("0")
    child = os.fork()
    if child == 0:
        tally = Tally()
        try_door(door, name, noted(tags, mark), folder, tally)
        result.write_text(json.dumps(asdict(tally)))
        os._exit(0)
    last, since = "", time.monotonic()
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        now = mark.read_text()
        last, since = (last, since) if now == last else (now, time.monotonic())
        if time.monotonic() - since > HANGS_S:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return Tally(), int(mark.read_text() or 0), f"hangs for more than {HANGS_S} s"
        time.sleep(0.02)
    if result.exists():
        return Tally(**json.loads(result.read_text())), len(tags), ""
    return Tally(), int(mark.read_text() or 0), f"killed the process (status {status})"


def noted(tags: list[str], mark: Path) -> Iterator[str]:
    """Leave a note of the input that is tried, for whoever finds the process dead."""
    with mark.open("w") as note:
        for k, tag in enumerate(tags):
            note.seek(0)
            note.write(f"{k}")
            note.flush()
            yield tag


def more_pictures(folder: Path) -> dict[str, bytes]:
    """The first sample picture and all real ones."""
    found = [ROOT / "sample_images" / "blot1_AKT.tif", *sorted(folder.rglob("*"))]
    suffixes = {".tif", ".scn", ".png", ".gif", ".jpeg", ".gel"}
    return {f"more_{k}{p.suffix}": p.read_bytes() for k, p in enumerate(found) if p.suffix in suffixes and p.is_file()}


def repeat(label: str, all_doors: list[Door], folder: Path) -> int:
    kind, name, tag = label.split("/", 2)
    tally = Tally()
    door = next(door for door in all_doors if door.name == kind)
    try_door(door, name, iter([tag]), folder, tally)
    print(report(tally), tally.problems)
    return 1 if tally.problems else 0


def add(total: Tally, tally: Tally) -> None:
    total.inputs += tally.inputs
    total.read += tally.read
    total.refused += tally.refused
    total.problems = {**tally.problems, **total.problems}
    total.longest_s = max(total.longest_s, tally.longest_s)
    total.largest_bytes = max(total.largest_bytes, tally.largest_bytes)


def report(tally: Tally) -> str:
    return (
        f"{tally.inputs:,} inputs, {tally.read:,} read, {tally.refused:,} refused, longest {tally.longest_s:.2f} s, "
        f"peak {tally.largest_bytes / 2**20:.0f} MiB, {len(tally.problems)} kinds of problem so far"
    )


if __name__ == "__main__":
    sys.exit(main())
