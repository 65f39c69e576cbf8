"""A dilution series from its pictures to the file that a later experiment names, and the flags that follow from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from tiny_study import SHAPE, write_tiny_study

from blotquant.errors import SheetError
from blotquant.experiment.read import read_experiment
from blotquant.flags import split_flags
from blotquant.normalization.dilution import fit_dilution_series
from blotquant.normalization.dilution_files import DILUTION_FILE, dilution_table, fit_dilutions, read_fits, write_fits
from blotquant.runs.study import run_experiments
from blotquant.runs.verify import verify_folder
from blotquant.synthetic import make_blot, plain_spec
from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS, make_table

LOADS = np.array([1.25, 2.5, 5.0, 10.0, 20.0, 40.0])
TRUE_SLOPE, HALF_LOAD = 4500.0, 120.0
"""Counts for each microgram of a synthetic protein, and where the response has come down to half of the line."""


def write_series(folder: Path, *, section: str = 'blots = "dil"', loads=LOADS) -> Path:
    """Add a diluted lysate, on a blot of its own, to the tiny study."""
    write_tiny_study(folder, n_blots=1)
    light = TRUE_SLOPE * LOADS / (1 + LOADS / HALF_LOAD)
    tifffile.imwrite(folder / "dil.tif", make_blot(plain_spec(light, shape=SHAPE), seed=3).pixels)
    file = folder / "experiment.toml"
    text = file.read_text(encoding="utf-8")
    head, images = text.split("[[images]]", 1)
    entry = '[[images]]\nfile = "dil.tif"\nblot = "dil"\nprobe = "pAKT"\n\n'
    file.write_text(f"{head}{entry}[[images]]{images}\n[dilution]\n{section}\n", encoding="utf-8")
    sheet = folder / "samples.csv"
    lines = sheet.read_text(encoding="utf-8").splitlines()
    lines = [lines[0] + ",load_ug", *(line + "," for line in lines[1:])]
    lines += [f"dil,{k},pool,control,sample,,{load}" for k, load in enumerate(loads, 1)]
    sheet.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """The series' own run."""
    folder = tmp_path_factory.mktemp("series")
    run_experiments([write_series(folder / "study")], folder / "out")
    return folder / "out"


class TestOneRun:
    def test_run_experiments_the_slope_is_that_of_the_light(self, series):
        fit = read_fits(series / DILUTION_FILE)["pAKT"]
        assert fit.model == "hyperbolic"
        assert fit.parameters["v_max"] / fit.parameters["k"] == pytest.approx(TRUE_SLOPE, rel=0.05)
        assert fit.range is not None
        assert fit.range.load_low_ug == LOADS[0]
        assert fit.range.load_high_ug in (10.0, 20.0, 40.0)

    def test_table_tells_the_range_in_load_and_in_counts(self, series):
        [row] = pd.read_csv(series / "dilution.csv").to_dict("records")
        fit = read_fits(series / DILUTION_FILE)["pAKT"]
        assert row["target"] == "pAKT"
        assert row["n_loads"] == len(LOADS)
        assert (row["load_low_ug"], row["volume_high"]) == (fit.range.load_low_ug, fit.range.volume_high)

    def test_bands_outside_are_flagged_and_those_inside_are_not(self, series):
        within = read_fits(series / DILUTION_FILE)["pAKT"].range
        bands = pd.read_csv(series / "bands.csv")
        diluted = bands[bands["target"] == "pAKT"]
        outside = ~diluted["volume"].between(within.volume_low, within.volume_high)
        flagged = ["out_of_range" in split_flags(cell) for cell in diluted["flags"]]
        assert flagged == outside.tolist()
        assert 0 < sum(flagged) < len(flagged)
        assert not bands.loc[bands["target"] == "AKT", "flags"].str.contains("out_of_range", na=False).any()

    def test_run_experiments_diluted_lanes_are_no_samples(self, series):
        assert "dil" not in set(pd.read_csv(series / "ratios.csv")["blot"].astype(str))

    def test_report_shows_it(self, series):
        page = (series / "report.html").read_text(encoding="utf-8")
        assert "Dilution series and linear range" in page
        assert "pAKT  proportional from 1.25 to" in page
        assert "load, µg" in page

    def test_verify_recomputes_it(self, series):
        assert verify_folder(series).equal
        changed = json.loads((series / DILUTION_FILE).read_text(encoding="utf-8"))
        changed["series"][0]["volume"][0] *= 2
        copy = (series / DILUTION_FILE).read_bytes()
        (series / DILUTION_FILE).write_text(json.dumps(changed), encoding="utf-8")
        try:
            assert any(finding.file == DILUTION_FILE for finding in verify_folder(series).differences)
        finally:
            (series / DILUTION_FILE).write_bytes(copy)


class TestLaterRun:
    @pytest.mark.parametrize(("high", "expected"), [(1e7, False), (10_000.0, True)])
    def test_run_experiments_its_bands_are_held_to_the_named_range(self, tmp_path, high, expected):
        study = write_tiny_study(tmp_path / "study", n_blots=1)
        loads = np.array([1.0, 2.0, 4.0, 8.0])
        fit = fit_dilution_series(loads, loads / 8 * high, target="pAKT")
        (study / "earlier.json").write_text(write_fits([fit]), encoding="utf-8")
        with (study / "experiment.toml").open("a", encoding="utf-8") as stream:
            stream.write('\n[dilution]\nfiles = ["earlier.json"]\n')
        run_experiments([study], tmp_path / "out")
        bands = pd.read_csv(tmp_path / "out" / "bands.csv")
        ratios = pd.read_csv(tmp_path / "out" / "ratios.csv")
        flagged = bands[bands["flags"].str.contains("out_of_range", na=False)]
        low = high / 8
        inside = bands["volume"].between(low, high)
        assert set(flagged["band_id"]) == set(bands[(bands["target"] == "pAKT") & ~inside]["band_id"])
        assert ratios["flags"].str.contains("out_of_range", na=False).any() == (len(flagged) > 0)
        assert expected == bool((bands[bands["target"] == "pAKT"]["volume"] > high).any())
        assert not (tmp_path / "out" / DILUTION_FILE).exists()
        assert "earlier.json" in (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")


class TestMistakes:
    def test_all_are_told_before_any_work(self, tmp_path):
        folder = write_series(
            tmp_path / "study", section='blots = ["dil", "dill"]\nfiles = ["gone.json"]', loads=[5] * 6
        )
        with pytest.raises(SheetError) as caught:
            read_experiment(folder)
        text = str(caught.value)
        assert "blot dil has 1 different loads in column load_ug of the sample sheet; a series needs 3 or more" in text
        assert "blot 'dill' is not in the sample sheet; did you mean" in text
        assert "file 'gone.json' is not there; give an earlier run's dilution.json" in text

    def test_read_fits_a_damaged_file_is_told_by_field(self, tmp_path):
        path = tmp_path / "dilution.json"
        path.write_text('{"series": [{"target": "pAKT", "load_ug": "much"}]}', encoding="utf-8")
        with pytest.raises(SheetError, match=r"dilution.json: series.0.load_ug: .*got 'much'"):
            read_fits(path)


class TestFitting:
    def bands(self, **changes: object) -> pd.DataFrame:
        rows = [
            {"blot": "dil", "membrane": "dil", "probe": "pAKT", "lane": k, "target": "pAKT", "volume": 300.0 * load * t,
             "volume_sd": 3.0 * load * t, "exposure_s": t, "flags": ""}
            for t in (10.0, 60.0) for k, load in enumerate(LOADS, 1)
        ]  # fmt: skip
        return make_table(rows, BAND_COLUMNS).assign(load_ug=[*LOADS, *LOADS], **changes)

    @pytest.fixture
    def declared(self, tmp_path):
        return read_experiment(write_series(tmp_path / "study"))

    def test_fit_dilutions_the_longest_exposure_that_is_not_saturated_is_used(self, declared):
        fit = fit_dilutions(declared, self.bands(), make_table([], LANE_COLUMNS))["pAKT"]
        assert (fit.exposure_s, fit.range.slope) == (60.0, pytest.approx(18_000))
        burnt = self.bands(flags=[""] * 11 + ["saturated"])
        fit = fit_dilutions(declared, burnt, make_table([], LANE_COLUMNS))["pAKT"]
        assert (fit.exposure_s, fit.range.slope) == (10.0, pytest.approx(3000))

    def test_fit_dilutions_too_few_loads_are_told(self, declared):
        burnt = self.bands(flags=["saturated"] * 12)
        fits = fit_dilutions(declared, burnt, make_table([], LANE_COLUMNS))
        [row] = dilution_table(declared, fits).to_dict("records")
        assert fits == {}
        assert row["reason"] == "fewer than 3 loads with a volume that is not saturated"

    def test_fit_dilutions_file_round_trip(self, declared, tmp_path):
        fits = fit_dilutions(declared, self.bands(), make_table([], LANE_COLUMNS))
        (tmp_path / "kept.json").write_text(write_fits(fits.values()), encoding="utf-8")
        assert read_fits(tmp_path / "kept.json") == fits

    def test_fit_dilution_series_three_loads_are_kept_and_read_back(self, tmp_path):
        """So few that no model but the simplest has an AICc."""
        fit = fit_dilution_series([1.0, 2.0, 4.0], [10.0, 20.0, 41.0], target="few")
        (tmp_path / "kept.json").write_text(write_fits([fit]), encoding="utf-8")
        assert read_fits(tmp_path / "kept.json") == {"few": fit}
