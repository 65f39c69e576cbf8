"""Make every table of `measure` and `run` from two checkouts on this machine and compare them byte for byte.

    python tools/compare_tables.py OLD_CHECKOUT NEW_CHECKOUT [--real FOLDER]

The sample study of OLD_CHECKOUT is measured picture by picture and run as a study; with ``--real`` every picture
below FOLDER is measured too, and its folder ``akt`` is drafted and run. Each checkout is put on PYTHONPATH of its own
processes, so both use the same interpreter and the same libraries. Tables that differ are named with the first line in
which they do and with the largest relative difference of each numeric column; the exit code is 1 if any does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

SUFFIXES = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".gif", ".scn"}


def blotquant(checkout: Path, *arguments: str | Path) -> None:
    """Run one command of a checkout; a data problem (exit code 1) is part of what is compared."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "blotquant", *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=checkout, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{checkout}: {' '.join(command[3:])} ended with {done.returncode}:\n{done.stderr}")


def make_tables(checkout: Path, samples: Path, real: Path | None, out: Path) -> None:
    """Write all tables of one checkout below `out`."""
    blotquant(checkout, "measure", samples, "-o", out / "measure_samples")
    blotquant(checkout, "run", samples / "experiment.toml", "-o", out / "run_samples")
    if real is None:
        return
    pictures = sorted(p for p in real.rglob("*") if p.suffix.lower() in SUFFIXES and "truth" not in p.parts)
    blotquant(checkout, "measure", *pictures, "-o", out / "measure_real")
    study = out / "akt_study"
    study.mkdir(parents=True)
    for name in ("AKT.scn", "pAKT.scn"):
        (study / name).write_bytes((real / "akt" / name).read_bytes())
    blotquant(checkout, "init", study)
    blotquant(checkout, "run", study, "-o", out / "run_akt")


def difference(old: Path, new: Path) -> str:
    """Say where two tables differ: the first line, and the largest relative difference of each numeric column."""
    lines = [path.read_text(encoding="utf-8").splitlines() for path in (old, new)]
    first = next((k for k, (a, b) in enumerate(zip(*lines, strict=False)) if a != b), min(map(len, lines)))
    words = f"line {first + 1} of {len(lines[0])} / {len(lines[1])}"
    a, b = pd.read_csv(old), pd.read_csv(new)
    if list(a) != list(b) or len(a) != len(b):
        return words
    sizes = []
    for name in a.select_dtypes("number"):
        x, y = a[name].to_numpy(float), b[name].to_numpy(float)
        scale = np.maximum(np.abs(x), np.abs(y))
        apart = np.nanmax(np.where(scale > 0, np.abs(x - y) / np.where(scale > 0, scale, 1), 0), initial=0)
        if apart > 0 or (np.isnan(x) != np.isnan(y)).any():
            sizes.append(f"{name} {apart:.2g}")
    return f"{words}; relative: {', '.join(sizes) or 'text only'}"


def main() -> None:
    """Compare two checkouts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--keep", type=Path, help="a folder for the tables; those of OLD found there are used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = (given.keep or Path(temporary)).absolute()
        real = given.real.absolute() if given.real else None
        samples = given.old.absolute() / "sample_images"
        for name, checkout in (("old", given.old), ("new", given.new)):
            if not (root / name).exists():
                make_tables(checkout.absolute(), samples, real, root / name)
        tables = sorted(p.relative_to(root / "old") for p in (root / "old").rglob("*.csv"))
        different = 0
        for table in tables:
            old, new = root / "old" / table, root / "new" / table
            if not new.exists():
                print(f"{table}: missing")
            elif old.read_bytes() != new.read_bytes():
                print(f"{table}: {difference(old, new)}")
            else:
                continue
            different += 1
        print(f"{len(tables)} tables, {different} different")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
