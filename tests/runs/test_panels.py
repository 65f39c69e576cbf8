"""Figures of a run: the ladder's masses where the picture itself does not show them."""

import shutil
from pathlib import Path

import pytest
import tifffile

from blotquant.detection.picture import find_layout
from blotquant.experiment.read import read_experiment
from blotquant.io import read_image
from blotquant.report.blot import kda_marks
from blotquant.runs.panels import _ladder_marks

SAMPLES = Path(__file__).parent.parent.parent / "sample_images"
LADDER = (220, 120, 100, 80, 60, 50, 40, 30)
LADDER_COLUMNS = slice(0, 130)
"""Columns of the first sample picture left of its second lane."""


@pytest.fixture
def study(tmp_path):
    """A picture whose ladder does not glow, and a marker picture of the same membrane."""
    pixels = tifffile.imread(SAMPLES / "blot1_AKT.tif").copy()
    pixels[:, LADDER_COLUMNS] = pixels[:, 5:6]
    tifffile.imwrite(tmp_path / "dark.tif", pixels)
    shutil.copy(SAMPLES / "blot1_AKT.tif", tmp_path / "marker.tif")
    image = 'file = "dark.tif"\nblot = 1\nprobe = "AKT"\nladder_image = "marker.tif"\n'
    toml = f'samples = "samples.csv"\n[[images]]\n{image}'
    (tmp_path / "experiment.toml").write_text(toml, encoding="utf-8")
    (tmp_path / "samples.csv").write_text("blot,lane,condition\n1,1,a\n", encoding="utf-8")
    return read_experiment(tmp_path)


def test_ladder_marks_come_from_a_marker_picture_of_the_same_frame(study, tmp_path, capsys):
    (entry,) = study.images
    dark, marker = (read_image(tmp_path / name) for name in ("dark.tif", "marker.tif"))
    layout, full = (find_layout(image.signal(), ceiling=image.ceiling) for image in (dark, marker))
    assert kda_marks(layout, LADDER) == []
    wanted = kda_marks(full, LADDER)
    assert len(wanted) == len(LADDER)
    found = _ladder_marks(study, entry, layout, dark.shape, sessions=tmp_path / "sessions", ladder=LADDER)
    assert found == wanted
    # In another frame its rows would lie elsewhere: nothing is marked, and that is said.
    tifffile.imwrite(tmp_path / "marker.tif", tifffile.imread(tmp_path / "marker.tif")[:-20])
    assert _ladder_marks(study, entry, layout, dark.shape, sessions=tmp_path / "sessions", ladder=LADDER) == []
    assert "marker.tif: 640 × 400 px, not the 640 × 420 px of the picture" in capsys.readouterr().err
