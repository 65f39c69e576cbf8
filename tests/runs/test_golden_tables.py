"""The tables of the sample study, as `tools/write_golden_tables.py` last wrote them: a changed number is seen here.

Numbers agree to 1e-9, since processors differ in the last digits; text agrees exactly. A number that is meant to change
gets its line in CHANGELOG under *Changed numbers*, and the tables are written again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from blotquant import read_experiment, run_experiment

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden_tables"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("golden") / "results"
    run_experiment(read_experiment(ROOT / "sample_images" / "experiment.toml"), out)
    return out


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.csv")))
def test_run_experiment_gives_the_golden_table(name: str, results: Path) -> None:
    kept, made = (pd.read_csv(folder / name, keep_default_na=False, dtype=str) for folder in (GOLDEN, results))
    assert list(made) == list(kept)
    assert len(made) == len(kept)
    for column in kept:
        old, new = (pd.to_numeric(table[column], errors="coerce").to_numpy(float) for table in (kept, made))
        is_number = ~np.isnan(old)
        np.testing.assert_allclose(new[is_number], old[is_number], rtol=1e-9, atol=1e-12, err_msg=column)
        assert made.loc[~is_number, column].tolist() == kept.loc[~is_number, column].tolist(), column
