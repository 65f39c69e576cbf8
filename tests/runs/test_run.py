"""Whole runs: which parameter wins, which picture a number is from, and which files are left."""

import dataclasses

import numpy as np
import openpyxl
import pandas as pd
import pytest
import tifffile
from tiny_study import write_tiny_study

from blotquant.cli import main
from blotquant.experiment.read import read_experiment
from blotquant.io.files import read_table
from blotquant.runs.folder import Workers
from blotquant.runs.membranes import membrane_tasks
from blotquant.runs.study import run_experiment, settings_of
from blotquant.settings import Settings
from blotquant.tables import BAND_COLUMNS

QUIET = Workers(progress="none")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_tiny_study(tmp_path_factory.mktemp("study"), n_blots=1)


@pytest.fixture(scope="module")
def plain(study, tmp_path_factory):
    return outcome(study, tmp_path_factory.mktemp("plain"))


def outcome(study, out, overrides=()):
    """Volumes of all bands, or the line that refuses the pictures."""
    settings = Settings().with_overrides(overrides)
    result = run_experiment(read_experiment(study), out, settings=settings, workers=QUIET)
    if result.failures:
        return "\n".join(result.failures.values())
    return read_table(out / "bands.csv", BAND_COLUMNS)["volume"].tolist()


@pytest.mark.parametrize(
    ("override", "refusal"),
    [
        ("channel=red", "channel"),
        ("page=3", "page"),
        ("identification.ladder=nonsense", "no ladder named 'nonsense'"),
    ],
)
def test_run_experiment_what_does_not_fit_the_pictures_is_refused(study, tmp_path, override, refusal):
    if override.startswith("identification"):
        sheet = (study / "samples.csv").read_text(encoding="utf-8")
        for name in ("experiment.toml", *(path.name for path in study.glob("*.tif"))):
            (tmp_path / name).write_bytes((study / name).read_bytes())
        (tmp_path / "samples.csv").write_text(sheet.replace("s1,control,sample", "s1,,ladder"), encoding="utf-8")
        study = tmp_path
    assert refusal in outcome(study, tmp_path / "out", [override])


@pytest.mark.parametrize("override", ["polarity=dark", "quantification.background=none"])
def test_run_experiment_what_fits_changes_the_volumes(study, plain, tmp_path, override):
    assert isinstance(plain, list)
    assert outcome(study, tmp_path, [override]) != plain


def test_page_and_channel_choose_the_picture(study, plain, tmp_path):
    """The picture of the study as page 1 and as the green channel, beside pictures of nothing."""
    pages, colours = tmp_path / "pages", tmp_path / "colours"
    for folder in (pages, colours):
        folder.mkdir()
        for name in ("experiment.toml", "samples.csv"):
            (folder / name).write_bytes((study / name).read_bytes())
    for path in study.glob("*.tif"):
        pixels = tifffile.imread(path)
        blank = np.full_like(pixels, 500)
        tifffile.imwrite(pages / path.name, np.stack([blank, pixels]), photometric="minisblack")
        tifffile.imwrite(colours / path.name, np.stack([blank, pixels, blank], axis=-1), photometric="rgb")
    assert outcome(pages, tmp_path / "p", ["page=1"]) == pytest.approx(plain)
    assert outcome(colours, tmp_path / "c", ["channel=green"]) == pytest.approx(plain)


def experiment_with(study, **changes):
    return dataclasses.replace(read_experiment(study), **changes)


def test_settings_of_a_given_option_wins_over_the_file_and_the_file_over_the_default(study):
    file = Settings.from_toml('polarity = "dark"\n[quantification]\nbackground = "lane"\nmask_margin = 1.0')
    experiment = experiment_with(study, settings=file)
    used = settings_of(experiment, Settings().with_overrides(["quantification.background=lane"]))
    assert (used.polarity, used.quantification.background, used.quantification.mask_margin) == ("dark", "lane", 1.0)
    assert settings_of(experiment, Settings()) == file
    # What is given counts even where it is the default's value.
    assert settings_of(experiment, Settings().with_overrides(["polarity=auto"])).polarity == "auto"


def test_run_experiment_the_command_line_wins_over_the_experiment_file(study, plain, tmp_path):
    for path in study.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "experiment.toml").open("a", encoding="utf-8") as stream:
        stream.write('\n[settings.quantification]\nbackground = "none"\n')
    assert outcome(tmp_path, tmp_path / "file") != plain
    assert main(["run", str(tmp_path), "-o", str(tmp_path / "given"), "--background", "local"]) == 0
    assert read_table(tmp_path / "given" / "bands.csv", BAND_COLUMNS)["volume"].tolist() == pytest.approx(plain)


@pytest.mark.parametrize(
    ("ladder", "in_settings", "given", "used"),
    [(None, None, None, None), (None, "A", None, "A"), ("B", "A", None, "B"), ((100.0, 50.0), "A", None, (100.0, 50.0)),
     ("B", "A", "C", "C"), ((100.0, 50.0), None, "C", "C")],
)  # fmt: skip
def test_membrane_tasks_say_which_ladder_is_used(study, tmp_path, ladder, in_settings, given, used):
    file = Settings.model_validate({"identification": {"ladder": in_settings}} if in_settings else {})
    options = Settings().with_overrides([f"identification.ladder={given}"] if given else [])
    experiment = experiment_with(study, ladder=ladder, settings=file)
    [task] = membrane_tasks(experiment, settings_of(experiment, options), tmp_path).values()
    assert {naming.ladder for naming in task.namings} == {used}


def test_run_experiment_an_entry_of_the_experiment_wins_over_the_settings(study, plain, tmp_path):
    experiment = read_experiment(study)
    entries = tuple(entry.model_copy(update={"polarity": "bright"}) for entry in experiment.images)
    settings = Settings().with_overrides(["polarity=dark"])
    run_experiment(dataclasses.replace(experiment, images=entries), tmp_path, settings=settings, workers=QUIET)
    assert read_table(tmp_path / "bands.csv", BAND_COLUMNS)["volume"].tolist() == pytest.approx(plain)


def test_pictures_of_one_name_stay_apart_through_a_run(tmp_path):
    """Exposures of 10 s and 60 s called alike: the ratio is made from the longer, not from their sum."""
    study = write_tiny_study(tmp_path / "in", n_blots=1, file_name="{probe}/blot.tif")
    (study / "short").mkdir()
    pixels = tifffile.imread(study / "pAKT" / "blot.tif")
    tifffile.imwrite(study / "short" / "blot.tif", pixels // 2)
    toml = (study / "experiment.toml").read_text(encoding="utf-8")
    more = '\n[[images]]\nfile = "short/blot.tif"\nblot = "1"\nprobe = "pAKT"\nexposure_s = 30\n'
    toml = toml.replace('probe = "pAKT"', 'probe = "pAKT"\nexposure_s = 60', 1) + more
    (study / "experiment.toml").write_text(toml, encoding="utf-8")
    run_experiment(read_experiment(study), tmp_path / "out", workers=QUIET)
    bands = pd.read_csv(tmp_path / "out" / "bands.csv")
    ratios = pd.read_csv(tmp_path / "out" / "ratios.csv")
    assert set(bands["image"]) == {"pAKT/blot.tif", "AKT/blot.tif", "short/blot.tif"}
    named = bands[bands["target"].notna()].pivot_table(index="lane", columns="image", values="volume")
    truth = named["pAKT/blot.tif"] / named["AKT/blot.tif"]
    assert (60 * ratios.set_index("lane")["value"]).to_dict() == pytest.approx(truth.to_dict(), rel=0.01)
    assert ratios["formula"].str.contains("[rate over 2 exposures]", regex=False).all()


def test_run_experiment_leaves_the_prism_table_and_the_sensitivity_sheet(study, tmp_path):
    result = run_experiment(read_experiment(study), tmp_path, workers=QUIET)
    assert tmp_path / "prism.csv" in result.files
    header = (tmp_path / "prism.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "condition,pAKT/AKT (scaled by alignment): 1"
    assert {"Prism", "Sensitivity"} <= set(openpyxl.load_workbook(tmp_path / "results.xlsx").sheetnames)
