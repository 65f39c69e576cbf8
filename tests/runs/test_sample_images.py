"""The sample experiment: its files agree with each other and with the script that writes them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from make_sample_images import experiment_toml, shot_truth, true_conditions, true_ratios, write_picture
from sample_study import CONDITIONS, REFERENCE, SyntheticStudy, plan_study

from blotquant.errors import OutputError
from blotquant.runs.study import copy_sample_study, run_demo
from blotquant.synthetic import make_blot

FOLDER = Path(__file__).parents[2] / "sample_images"


@pytest.fixture(scope="module")
def study() -> SyntheticStudy:
    return plan_study()


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "truth.csv", dtype={"membrane": str})


def test_experiment_file_and_sheet_are_the_plan(study: SyntheticStudy) -> None:
    text = (FOLDER / "experiment.toml").read_text(encoding="utf-8")
    assert text == experiment_toml(study)
    listed = tomllib.loads(text)["images"]
    assert [image["file"] for image in listed] == [shot.file for shot in study.shots]
    assert {path.name for path in FOLDER.glob("*.tif")} == {image["file"] for image in listed}
    sheet = pd.read_csv(FOLDER / "samples.csv")
    assert sheet["role"].tolist() == study.samples["role"].tolist()


def test_pictures_are_16_bit_small_and_say_that_they_are_synthetic() -> None:
    files = sorted(FOLDER.glob("*.tif"))
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 15e6
    for file in files:
        with tifffile.TiffFile(file) as tiff:
            page = tiff.pages.first
            assert (page.dtype, page.shape) == (np.dtype("uint16"), (420, 640))
            assert page.description.startswith("Synthetic")
            assert "Exposure time = " in page.description


@pytest.mark.parametrize("file", ["blot1_pAKT_180s.tif", "blot3b_AKT.tif"])
def test_pictures_are_what_the_script_writes(
    file: str, study: SyntheticStudy, truth: pd.DataFrame, tmp_path: Path
) -> None:
    shot = next(shot for shot in study.shots if shot.file == file)
    blot = make_blot(shot.spec, seed=shot.seed)
    stored = tifffile.imread(FOLDER / file)
    # Other releases of numpy or scipy may round a pixel otherwise or draw other noise: then the light must still agree.
    assert np.abs(stored.astype(float) - blot.pixels).mean() < 0.1 * max(float(np.std(stored)), 1.0)
    if np.array_equal(stored, blot.pixels):
        write_picture(tmp_path / file, shot, blot)
        assert (tmp_path / file).read_bytes() == (FOLDER / file).read_bytes()
    fresh = shot_truth(shot, blot, study).reset_index(drop=True)
    kept = truth[truth["image"] == file].reset_index(drop=True)
    assert fresh["volume"].to_numpy() == pytest.approx(kept["volume"].to_numpy(), rel=1e-6)
    assert fresh["saturated"].tolist() == kept["saturated"].tolist()


def test_run_experiment_only_the_long_exposure_is_saturated(truth: pd.DataFrame) -> None:
    burnt = truth[truth["saturated"]]
    assert set(burnt["image"]) == {"blot1_pAKT_180s.tif"}
    assert 2 <= len(burnt) <= 6
    assert (burnt["target"] == "pAKT").all()
    for file in truth["image"].unique():
        is_long = file == "blot1_pAKT_180s.tif"
        assert (tifffile.imread(FOLDER / file).max() == 65535) == is_long


def test_run_experiment_the_two_exposures_show_the_same_light(truth: pd.DataFrame) -> None:
    short, long = (truth[truth["image"] == f"blot1_pAKT{suffix}.tif"]["volume"].to_numpy() for suffix in ("", "_180s"))
    assert long / 180 == pytest.approx(short / 30, rel=1e-5)


def test_ratio_truth_follows_from_the_amounts(study: SyntheticStudy, truth: pd.DataFrame) -> None:
    kept = pd.read_csv(FOLDER / "truth_ratios.csv")
    assert len(kept) == 2 * 3 * len(CONDITIONS)
    # Loading cancels on one membrane and is taken out on twins: the ratio of lights is that of the amounts.
    assert kept["relative"].to_numpy() == pytest.approx(kept["amount_relative"].to_numpy(), rel=1e-4)
    assert true_ratios(truth, study)["value"].to_numpy() == pytest.approx(kept["value"].to_numpy(), rel=1e-5)
    assert (kept.loc[kept["condition"] == REFERENCE, "relative"] == 1).all()


def test_run_experiment_twin_membranes_were_loaded_differently() -> None:
    kept = pd.read_csv(FOLDER / "truth_ratios.csv").query("ratio == 'pAKT/AKT'")
    factor = kept["load_numerator"] / kept["load_denominator"]
    assert (factor[kept["blot"] != 3] == 1).all()
    assert factor[kept["blot"] == 3].std() > 0.1


def test_condition_truth_is_the_plan_and_the_replicates_scatter_around_it() -> None:
    kept = pd.read_csv(FOLDER / "truth_conditions.csv")
    again = true_conditions(pd.read_csv(FOLDER / "truth_ratios.csv"))
    assert again["realised_fold_change"].to_numpy() == pytest.approx(kept["realised_fold_change"], rel=1e-3)
    invented = {c.name: (c.pakt, c.perk) for c in CONDITIONS}
    for row in kept.itertuples():
        assert row.fold_change == invented[row.condition][row.ratio == "pERK/ERK"]
        assert row.realised_fold_change == pytest.approx(row.fold_change, rel=0.35)


def test_run_experiment_doublets_have_two_rows_in_every_sample_lane(truth: pd.DataFrame) -> None:
    counts = truth[(truth["target"] == "pERK") & (truth["role"] == "sample")].groupby(["image", "lane"])["mw_kda"]
    assert (counts.apply(sorted).map(tuple) == (42.0, 44.0)).all()


def test_write_study_the_readme_calls_the_pictures_synthetic() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "These pictures are synthetic" in text
    assert "python tools/make_sample_images.py" in text
    assert "2025" in text


def test_copy_sample_study_is_what_lies_in_the_repository(tmp_path: Path) -> None:
    copied = copy_sample_study(tmp_path / "new" / "study")
    assert {file.name for file in copied} == {file.name for file in FOLDER.iterdir()}
    assert all(file.read_bytes() == (FOLDER / file.name).read_bytes() for file in copied)


def test_run_demo_leaves_a_folder_with_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(OutputError, match=r"holds other files \(thesis.doc\); name a new folder"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]
