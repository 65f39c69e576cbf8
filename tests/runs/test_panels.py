"""A ladder that the picture itself does not show: its masses come from a marker picture, in tables and figures."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from blotquant.analysis import analyze
from blotquant.detection.picture import find_layout
from blotquant.experiment.read import read_experiment
from blotquant.identification.ladder import find_marker
from blotquant.io import read_image
from blotquant.model.image import Orientation
from blotquant.report.blot import kda_marks
from blotquant.runs.folder import Workers
from blotquant.runs.manifest import read_manifest
from blotquant.runs.membranes import measure_membrane, membrane_tasks
from blotquant.runs.panels import Pictures, cut_crops
from blotquant.runs.study import run_experiment
from blotquant.runs.verify import check_record
from blotquant.session.session import save_session
from blotquant.tables import BAND_COLUMNS, make_table

SAMPLES = Path(__file__).parent.parent.parent / "sample_images"
LADDER = (220, 120, 100, 80, 60, 50, 40, 30)
LADDER_COLUMNS = slice(0, 130)
"""Columns of the first sample picture left of its second lane."""


@pytest.fixture
def study(tmp_path):
    """A picture whose ladder does not glow, and a marker picture of the same membrane that shows nothing else."""
    pixels = tifffile.imread(SAMPLES / "blot1_AKT.tif")
    dark, marker = pixels.copy(), pixels.copy()
    dark[:, LADDER_COLUMNS] = pixels[:, 5:6]
    marker[:, LADDER_COLUMNS.stop :] = pixels[:, 5:6]
    tifffile.imwrite(tmp_path / "dark.tif", dark)
    tifffile.imwrite(tmp_path / "marker.tif", marker)
    image = 'file = "dark.tif"\nblot = 1\nprobe = "AKT"\nladder_image = "marker.tif"\n'
    toml = f'samples = "samples.csv"\nladder = {list(LADDER)}\n[[images]]\n{image}[targets.AKT]\nmw_kda = 60\n'
    (tmp_path / "experiment.toml").write_text(toml, encoding="utf-8")
    roles = ["ladder"] + ["sample"] * 8
    rows = [f"1,{k},{'' if role == 'ladder' else f'c{k}'},{role}" for k, role in enumerate(roles, 1)]
    (tmp_path / "samples.csv").write_text("\n".join(["blot,lane,condition,role", *rows]) + "\n", encoding="utf-8")
    return read_experiment(tmp_path)


def measured(study, folder):
    (task,) = membrane_tasks(study, study.settings, folder / "sessions").values()
    part = measure_membrane(task)
    return part, pd.DataFrame(part.tables["bands"])


def test_measure_membrane_takes_masses_from_the_marker_picture(study, tmp_path):
    part, bands = measured(study, tmp_path)
    mine = bands[(bands["target"] == "AKT") & (bands["status"] == "detected")]
    assert len(mine) == 8
    assert mine["mw_kda"].to_numpy(dtype=float) == pytest.approx(np.full(8, 60.0), rel=0.03)
    full = read_image(SAMPLES / "blot1_AKT.tif")
    wanted = {kda: row for row, kda in kda_marks(find_layout(full.signal(), ceiling=full.ceiling), LADDER)}
    marks = part.summary["pictures"][0]["kda_marks"]
    assert len(marks) >= 7
    assert [row for row, _ in marks] == pytest.approx([wanted[kda] for _, kda in marks], abs=1.0)
    (entry,) = study.images
    pictures = Pictures(study, {}, sessions=tmp_path, marks={entry.session_name: marks})
    assert pictures.marks_of(entry) == marks


def test_measure_membrane_refuses_a_marker_picture_of_another_frame(study, tmp_path, capsys):
    """In another frame its rows would lie elsewhere: nothing is marked, and that is said."""
    tifffile.imwrite(tmp_path / "marker.tif", tifffile.imread(tmp_path / "marker.tif")[:-20])
    part, bands = measured(study, tmp_path)
    assert "marker.tif: 640 × 400 px, not the 640 × 420 px of the picture" in capsys.readouterr().err
    assert bands["mw_kda"].isna().all()
    assert list(part.summary["pictures"][0]["kda_marks"]) == []


def test_measure_membrane_refuses_a_marker_picture_at_a_free_angle(study, tmp_path, capsys):
    file = tmp_path / "experiment.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("blot = 1\n", "blot = 1\nrotate = 1.5\n"), encoding="utf-8"
    )
    part, bands = measured(read_experiment(tmp_path), tmp_path)
    assert "marker.tif: a marker picture is read at quarter turns only" in capsys.readouterr().err
    assert bands["mw_kda"].isna().all()
    assert list(part.summary["pictures"][0]["kda_marks"]) == []


def test_measure_membrane_knows_a_changed_marker_picture(study, tmp_path):
    (task,) = membrane_tasks(study, study.settings, tmp_path / "sessions").values()
    before = task.fingerprint
    shutil.copy(SAMPLES / "blot1_AKT.tif", tmp_path / "marker.tif")
    assert task.fingerprint != before


def test_verify_folder_notices_a_changed_marker_picture(study, tmp_path):
    run_experiment(study, tmp_path / "out", workers=Workers(progress="none"))
    (record,) = read_manifest(tmp_path / "out").inputs_as("marker")
    assert (record.name, record.path) == ("marker.tif", "../marker.tif")
    shutil.copy(SAMPLES / "blot1_AKT.tif", tmp_path / "marker.tif")
    (finding,) = check_record(tmp_path / "out", read_manifest(tmp_path / "out"))
    assert (finding.file, finding.what) == ("../marker.tif", "the original marker is another file")


def test_make_panel_leaves_out_a_picture_at_a_free_angle(study, tmp_path, capsys):
    """Its lanes lean in the pixels: a box of rows and columns would show strips that run downhill."""
    session = analyze(read_image(tmp_path / "dark.tif", orientation=Orientation(rotate=3.0))).session
    (entry,) = study.images
    (tmp_path / "sessions").mkdir()
    save_session(session, tmp_path / "sessions" / entry.session_name)
    pictures = Pictures(study, {}, sessions=tmp_path / "sessions", marks={})
    crops = list(cut_crops(pictures, [entry], [2, 3]))
    assert crops == []
    assert "dark.tif: lies at a free angle" in capsys.readouterr().err


def test_find_marker_takes_the_lane_that_fits_best(study, tmp_path):
    marker = read_image(tmp_path / "marker.tif")
    fit = find_marker(find_layout(marker.signal(), ceiling=marker.ceiling), LADDER)
    assert len(fit.kda) >= 7
    assert set(fit.kda) <= set(LADDER)
    assert find_marker(find_layout(marker.signal(), ceiling=marker.ceiling), None) is None


def test_rows_of_has_its_columns_where_no_picture_has_a_band(study, tmp_path):
    """Figures of blank membranes are drawn all the same."""
    nothing = make_table([], BAND_COLUMNS)
    (entry,) = study.images
    rows = Pictures(study, {"bands": nothing}, sessions=tmp_path, marks={}).rows_of("bands", entry)
    assert list(rows) == list(BAND_COLUMNS)
    assert rows.empty
