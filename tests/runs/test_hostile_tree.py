"""A folder full of links, pipes, devices, giants and names in three encodings: every picture in it is measured."""

import os
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
from hostile_tree import LATIN, change_session, write_hostile_tree

from blotquant.errors import SessionError
from blotquant.io import read_image
from blotquant.runs import pictures
from blotquant.runs.corrections import read_sessions
from blotquant.runs.folder import Workers, measure_folder
from blotquant.runs.pictures import find_inputs
from blotquant.runs.verify import verify_folder
from blotquant.session import session as sessions
from blotquant.session.band_edits import delete_band
from blotquant.session.session import load_session, parse_session, save_session, session_text
from blotquant.synthetic import make_blot, plain_spec

pytestmark = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="names of bytes, pipes and devices of Linux"
)


@pytest.fixture
def tree(tmp_path):
    return write_hostile_tree(tmp_path / "in")


def test_measure_folder_measures_every_picture_of_a_hostile_tree(tree, tmp_path, capsys):
    out, one = tmp_path / "out", Workers(progress="none")
    result = measure_folder(find_inputs([tree]), out, workers=one)
    kernel = [result.failures.pop("kernel.tif")] if (tree / "kernel.tif").is_symlink() else []
    assert all("empty file (0 bytes)" in line for line in kernel)
    assert sorted(result.failures) == ["sparse.tif", "sparse.zip"]
    assert all("larger than 1,000,000,000 bytes" in line for line in result.failures.values())
    names = [unit["pictures"][0]["image"] for unit in result.units]
    assert len(names) == len(set(names)) == 8
    assert r"bl\xe9t.tif" in names
    said = capsys.readouterr().err
    assert f"left out, a link to a folder; name it to have its pictures measured: {tree}/sub/up" in said
    for name in ("endless", "itself", "nothing", "pipe"):
        assert f"{tree}/{name}.tif" in said
    assert len(list((out / "sessions").iterdir())) == 8
    assert verify_folder(out).equal
    again = measure_folder(find_inputs([tree]), out, workers=Workers(progress="none", resume=True))
    assert again.n_kept == 8


def test_measure_folder_corrections_of_a_picture_whose_name_is_no_text_are_kept(tree, tmp_path):
    out, one = tmp_path / "out", Workers(progress="none")
    picture = os.fsdecode(os.fsencode(tree) + b"/" + LATIN)
    measure_folder(find_inputs([picture]), out, workers=one)
    (path,) = (out / "sessions").iterdir()
    session = load_session(path)
    changes = delete_band(session.layout, session.layout.bands[0].id)
    save_session(session.edit(changes, action="delete", who="Ada", when="2026-01-02T03:04:05Z"), path)
    measure_folder(find_inputs([tree]), out, workers=one)
    (corrected,) = read_sessions(out / "sessions")[0].values()
    assert corrected.picture == r"bl\xe9t.tif"
    assert measure_folder(find_inputs([path]), tmp_path / "by session", workers=one).failures == {}


@pytest.fixture
def session(tree, tmp_path):
    measure_folder(find_inputs([tree / "plain.tif"]), tmp_path / "out", workers=Workers(progress="none"))
    (path,) = (tmp_path / "out" / "sessions").iterdir()
    return load_session(path)


@pytest.mark.parametrize("kind", ["far outline", "far lane", "wide lane"])
def test_placed_refuses_shapes_that_never_end(tree, session, tmp_path, kind):
    """An outline of 100,000 px square would take 80 GB for its weights."""
    image = read_image(tree / "plain.tif")
    assert pictures.placed(session, image, tmp_path).layout == session.layout
    changed = parse_session(change_session(session_text(session), kind))
    with pytest.raises(SessionError, match="draws far outside of the 180 × 100 px of the picture"):
        pictures.placed(changed, image, tmp_path)


def test_placed_counts_corners(tree, session, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_CORNERS", 10)
    with pytest.raises(SessionError, match="corners, 10 is the most"):
        pictures.placed(session, read_image(tree / "plain.tif"), tmp_path)


def test_parse_session_refuses_a_list_without_end(session, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_ITEMS", 3)
    with pytest.raises(SessionError, match="things, 3 is the most"):
        parse_session(session_text(session))


def test_measure_folder_measures_the_bands_beside_infinite_pixels(tmp_path):
    """Two bands with infinite middles are named as such; they do not take the other two with them."""
    pixels = make_blot(plain_spec([[40_000, 25_000, 60_000, 30_000]], shape=(110, 180)), seed=3).pixels.astype(float)
    tifffile.imwrite(tmp_path / "a.tif", np.where(pixels > 0.9 * pixels.max(), np.inf, pixels))
    result = measure_folder(find_inputs([tmp_path / "a.tif"]), tmp_path / "out", workers=Workers(progress="none"))
    assert result.failures == {}
    bands = pd.read_csv(tmp_path / "out" / "bands.csv")
    assert len(bands) >= 3
    assert bands["flags"].str.contains("nonfinite_pixels").sum() >= 1
    assert bands["volume"].notna().sum() >= 3
