"""How a batch scales: worker processes, a dask cluster on this machine, memory of the parent, equality of the results.

``python benchmarks/batch_scaling.py [--pictures 2000] [--skip-dask]``. The pictures are small and synthetic: a few
templates with noise of their own. Every figure is printed; nothing is judged.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

N_TEMPLATES = 8
VOLUMES = [[40_000, 25_000, 60_000, 15_000], [30_000, 30_000, 20_000, 30_000]]


class Run(NamedTuple):
    """One call of the command: seconds, and the most memory its own process held (not its workers')."""

    seconds: float
    parent_mb: float


def write_pictures(folder: Path, n: int) -> None:
    import tifffile

    from blotquant.synthetic import make_blot, plain_spec

    templates = [make_blot(plain_spec(VOLUMES, shape=(140, 220)), seed=k).pixels for k in range(N_TEMPLATES)]
    folder.mkdir(parents=True)
    for k in range(n):
        noise = np.random.default_rng(k).integers(0, 4, templates[0].shape, dtype=np.uint16)
        tifffile.imwrite(folder / f"blot_{k:05d}.tif", templates[k % N_TEMPLATES] + noise)


def run(pictures: Path, out: Path, *options: str) -> Run:
    command = [sys.executable, "-m", "blotquant", "measure", str(pictures), "-o", str(out), "--progress", "none"]
    start = time.perf_counter()
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, env=surroundings)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, peak_memory_mb(process.pid))
        time.sleep(0.02)
    if process.returncode:
        sys.exit(f"{' '.join(command)} left with {process.returncode}")
    return Run(time.perf_counter() - start, peak)


def peak_memory_mb(pid: int) -> float:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:  # it has just ended, or this system has no /proc
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def digest(folder: Path) -> str:
    """One checksum over every result, the parts on the way left out."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and ".blotquant" not in p.parts):
        total.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


@contextmanager
def cluster(n_workers: int) -> Iterator[str]:
    from distributed import LocalCluster

    with LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as started:
        started.get_client().wait_for_workers(n_workers)
        yield started.scheduler_address


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--skip-dask", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work, n = Path(name), options.pictures
        write_pictures(work / "few", n // 10)
        write_pictures(work / "many", n)
        few = run(work / "few", work / "out_few", "--jobs", "2")
        one = run(work / "many", work / "out" / "one", "--jobs", "1")
        two = run(work / "many", work / "out" / "two", "--jobs", "2")
        print(f"{n // 10} pictures, 2 jobs: {few.seconds:.1f} s, parent {few.parent_mb:.0f} MB")
        print(f"{n} pictures, 1 job: {one.seconds:.1f} s, {1e3 * one.seconds / n:.1f} ms each, {one.parent_mb:.0f} MB")
        print(f"{n} pictures, 2 jobs: {two.seconds:.1f} s, {one.seconds / two.seconds:.2f} times as fast, "
              f"{two.parent_mb:.0f} MB, {two.parent_mb / few.parent_mb:.3f} times that of {n // 10}")  # fmt: skip
        folders = [work / "out" / "one", work / "out" / "two"]
        if not options.skip_dask:
            with cluster(2) as address:
                dask = run(work / "many", work / "out" / "dask", "--scheduler", address)
            print(f"{n} pictures, dask, 2 workers: {dask.seconds:.1f} s, "
                  f"{dask.seconds / two.seconds:.2f} times as long as 2 jobs, {dask.parent_mb:.0f} MB")  # fmt: skip
            folders.append(work / "out" / "dask")
        print("folders byte for byte equal:", len({digest(folder) for folder in folders}) == 1)


if __name__ == "__main__":
    main()
