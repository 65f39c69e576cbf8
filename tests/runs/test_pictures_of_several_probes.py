"""One file that shows two probes: two strips of one picture, or two rows of one strip."""

import dataclasses

import numpy as np
import pytest
import tifffile
from small_experiment import image, ratio

from blotquant.experiment.read import read_experiment
from blotquant.io.files import read_table
from blotquant.runs.inspection import inspect_picture
from blotquant.runs.pictures import Input
from blotquant.runs.study import run_experiment
from blotquant.runs.verify import verify_folder
from blotquant.settings import Settings
from blotquant.synthetic import make_blot, plain_spec
from blotquant.tables import BAND_COLUMNS, CARRY_OVER_COLUMNS, RATIO_COLUMNS

TARGET = np.array([40_000, 25_000, 60_000, 15_000, 30_000, 45_000])
LOADING = np.array([50_000, 52_000, 48_000, 51_000, 49_000, 50_500])
SHEET = "blot,lane,condition\n" + "".join(f"1,{k},{'control' if k % 2 else 'drug'}\n" for k in range(1, 7))


def write_picture(folder, *, cut):
    upper = make_blot(plain_spec(TARGET, shape=(90, 220)), seed=1).pixels
    lower = make_blot(plain_spec(LOADING, shape=(90, 220)), seed=2).pixels
    gap = [np.zeros((24, 220), upper.dtype)] if cut else []
    tifffile.imwrite(folder / "both.tif", np.vstack([upper, *gap, lower]))


def run(folder, toml):
    (folder / "samples.csv").write_text(SHEET, encoding="utf-8")
    (folder / "experiment.toml").write_text(f'samples = "samples.csv"\n{toml}', encoding="utf-8")
    result = run_experiment(read_experiment(folder), folder / "out")
    assert result.failures == {}
    return read_table(folder / "out" / "ratios.csv", RATIO_COLUMNS)


@pytest.mark.parametrize("cut", [True, False])
def test_target_over_the_loading_control_of_one_picture(tmp_path, cut):
    """The ratios are those of the two synthetic pictures that were put together, whatever tells the probes apart."""
    write_picture(tmp_path, cut=cut)
    strips = ({"strip": 1}, {"strip": 2}) if cut else ({}, {})
    toml = image("both.tif", "pX", **strips[0]) + image("both.tif", "GAPDH", **strips[1])
    toml += "" if cut else "[targets.pX]\nrow = 1\n[targets.GAPDH]\nrow = 2\n"
    ratios = run(tmp_path, toml + ratio("pX/GAPDH", "pX", "GAPDH"))
    assert ratios["included"].all()
    assert ratios["value"].to_numpy() == pytest.approx(TARGET / LOADING, rel=0.12)
    assert ratios["formula"].str.contains("both.tif, strip 1" if cut else "both.tif", regex=False).all()
    assert verify_folder(tmp_path / "out").equal
    # One picture says nothing about what was on the membrane before.
    assert read_table(tmp_path / "out" / "carry_over.csv", CARRY_OVER_COLUMNS).empty


def test_run_experiment_a_row_has_one_name_in_inspect_in_run_and_for_every_probe_of_a_picture(tmp_path):
    """A doublet that is found as one row becomes its halves; the rows above and below keep their names."""
    plain = plain_spec([TARGET, LOADING, LOADING * 0.8, TARGET[::-1]], shape=(180, 260), sigma=3.2)
    (strip,) = plain.strips
    places = (40.0, 92.0, 100.0, 145.0)
    rows = tuple(dataclasses.replace(row, row=at) for row, at in zip(strip.rows, places, strict=True))
    made = make_blot(plain.with_(strips=(dataclasses.replace(strip, rows=rows),)), seed=3)
    tifffile.imwrite(tmp_path / "both.tif", made.pixels)
    told = inspect_picture(Input(tmp_path / "both.tif", "both.tif"), Settings())
    named = {row["row"]: row["y"] for row in told["strips"][0]["rows"]}
    below = next(name for name, y in named.items() if abs(y - 145) < 4)
    doublet = next(name for name, y in named.items() if 86 < y < 104)
    toml = "".join(image("both.tif", probe) for probe in ("pX", "pERK", "Y"))
    toml += f'[targets.pX]\nrow = 1\n[targets.pERK]\nmw_kda = [44, 42]\nrow = "{doublet}"\n'
    toml += f'[targets.Y]\nrow = "{below}"\n'
    ratios = run(tmp_path, toml + ratio("pX/Y", "pX", "Y"))
    assert ratios["value"].to_numpy() == pytest.approx(TARGET / TARGET[::-1], rel=0.12)
    bands = read_table(tmp_path / "out" / "bands.csv", BAND_COLUMNS)
    for _, band in bands.iterrows():
        near = min(named, key=lambda name: abs(named[name] - band["peak_row"]))
        assert band["row"].rstrip("ab") == near.rstrip("ab") or 86 < band["peak_row"] < 106
    for probe, mine in bands.groupby("probe"):
        assert set(mine.loc[mine["target"].eq("Y"), "row"]) <= {below}, probe
