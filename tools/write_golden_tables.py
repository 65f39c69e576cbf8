"""Write the tables of the sample study that `tests/runs/test_golden_tables.py` holds every change against.

    python tools/write_golden_tables.py

To be run when a number is meant to change, with its line in CHANGELOG under *Changed numbers*.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from blotquant import read_experiment, run_experiment

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden_tables"
TABLES = ("bands.csv", "lanes.csv", "exposures.csv", "ratios.csv", "summary.csv", "contrasts.csv", "sensitivity.csv")

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results"
        run_experiment(read_experiment(ROOT / "sample_images" / "experiment.toml"), out)
        shutil.rmtree(GOLDEN, ignore_errors=True)
        GOLDEN.mkdir(parents=True)
        for name in TABLES:
            if (out / name).exists():
                shutil.copy(out / name, GOLDEN / name)
                print(GOLDEN.name, name)
