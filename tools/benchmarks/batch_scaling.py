"""How a batch scales: worker processes, a dask cluster on this machine, memory of the parent, equality of the results.

``python tools/benchmarks/batch_scaling.py [--pictures 2000] [--skip-dask]``. The pictures are small and synthetic: a
few templates with noise of their own. Every figure is printed; nothing is judged. Processor time is that of the command
and all of its workers, of dask's scheduler and workers too: the one to trust on a machine that is busy with other work.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import resource
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
    """One call of the command: seconds, processor seconds of all it used, most memory of its own process alone."""

    seconds: float
    cpu: float
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
    start, before = time.perf_counter(), cpu_seconds()
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, env=surroundings)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, peak_memory_mb(process.pid))
        time.sleep(0.02)
    if process.returncode:
        sys.exit(f"{' '.join(command)} left with {process.returncode}")
    return Run(time.perf_counter() - start, cpu_seconds() - before, peak)


def cpu_seconds() -> float:
    """Processor time of this process and of all children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


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


def tell(what: str, run: Run) -> None:
    print(f"{what}: {run.seconds:.1f} s, {run.cpu:.1f} s of processor time, parent {run.parent_mb:.0f} MB", flush=True)


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
        tell(f"{n // 10} pictures, 2 jobs", few)
        one = run(work / "many", work / "out" / "one", "--jobs", "1")
        tell(f"{n} pictures, 1 job", one)
        two = run(work / "many", work / "out" / "two", "--jobs", "2")
        tell(f"{n} pictures, 2 jobs", two)
        print(f"  {one.seconds / two.seconds:.2f} times as fast as one, {2 * one.cpu / two.cpu:.2f} by processor time")
        print(f"  parent {two.parent_mb / few.parent_mb:.3f} times that of {n // 10} pictures", flush=True)
        folders = [work / "out" / "one", work / "out" / "two"]
        if not options.skip_dask:
            before = cpu_seconds()
            with cluster(2) as address:
                dask = run(work / "many", work / "out" / "dask", "--scheduler", address)
            dask = dask._replace(cpu=cpu_seconds() - before)
            tell(f"{n} pictures, dask, 2 workers", dask)
            print(f"  {dask.seconds / two.seconds:.2f} times 2 jobs, {dask.cpu / two.cpu:.2f} by processor time")
            folders.append(work / "out" / "dask")
        print("folders byte for byte equal:", len({digest(folder) for folder in folders}) == 1)


if __name__ == "__main__":
    main()
