"""What a run hands out opens in other readers without a warning; `tools/open_figures.py` tries LibreOffice too."""

import importlib.util
from pathlib import Path

import pytest
from tiny_study import write_tiny_study

from blotquant.experiment.read import read_experiment
from blotquant.runs.study import run_experiment

SPEC = importlib.util.spec_from_file_location("open_figures", Path(__file__).parents[2] / "tools" / "open_figures.py")
open_figures = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(open_figures)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("opened")
    run_experiment(read_experiment(write_tiny_study(folder / "study", n_blots=1)), folder / "results")
    return folder / "results"


def test_run_experiment_what_a_run_hands_out_opens_without_a_complaint(results, monkeypatch):
    which = open_figures.shutil.which
    monkeypatch.setattr(open_figures.shutil, "which", lambda name: None if name == "soffice" else which(name))  # slow
    assert {path.suffix for path in (results / "figures").iterdir()} >= {".svg", ".pdf", ".tif", ".png"}
    assert list(open_figures.complaints(results)) == []


def test_complaints_name_what_is_wrong(tmp_path):
    drawn = tmp_path / "letters.svg"
    drawn.write_text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>', encoding="utf-8")
    assert "letters.svg: no text that can be edited" in list(open_figures.svg_faults(drawn))
    from PIL import Image

    Image.new("L", (4, 4)).save(tmp_path / "coarse.tif", dpi=(72, 72))
    assert [line for line in open_figures.picture_faults(tmp_path / "coarse.tif") if "resolution" in line]
