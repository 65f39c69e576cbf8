"""Pictures that are laid anew for a person: what is recorded, where it is kept, and that a run then reads it so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blotquant.errors import ImageError
from blotquant.model.image import BlotImage, Orientation
from blotquant.runs.blots import lay_again, open_blot, session_beside, start
from blotquant.session.band_edits import move_band
from blotquant.session.session import save_session
from blotquant.synthetic import make_blot, plain_spec

SIGNED = {"who": "Ada", "when": "2026-01-02T03:04:05Z"}


def pixels_of(volumes: np.ndarray) -> np.ndarray:
    return make_blot(plain_spec(volumes, shape=(160, 240)), seed=3).pixels


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "blot.tif"
    tifffile.imwrite(path, np.rot90(pixels_of(np.linspace(4e4, 1e5, 8).reshape(2, 4))))
    return path


def test_lay_again_reads_the_file_as_a_saved_session_does(picture: Path) -> None:
    before = open_blot(picture)
    laid = lay_again(before, Orientation(rotate=-90), **SIGNED)
    assert np.array_equal(laid.image.pixels, np.rot90(before.image.pixels, -1))
    assert len(laid.session.layout.lanes) == 4
    assert [edit.action for edit in laid.session.history.edits] == ["laid"]
    assert laid.session.history.edits[0].after == "turned by 270° anticlockwise"
    assert laid.session.history.undoable == ()
    assert laid.path == session_beside(picture)
    save_session(laid.session, laid.path)
    again = open_blot(picture)
    assert np.array_equal(again.image.pixels, laid.image.pixels)
    assert again.session.layout == laid.session.layout


def test_lay_again_writes_over_no_corrections(picture: Path) -> None:
    upright = lay_again(open_blot(picture), Orientation(rotate=-90), **SIGNED)
    layout = upright.session.layout
    moved = upright.session.edit(move_band(layout, layout.bands[0].id, d_row=2), action="move", **SIGNED)
    save_session(moved, session_beside(picture))
    mirrored = lay_again(open_blot(picture), Orientation(flip="left-right"), **SIGNED)
    assert mirrored.path == picture.with_name("blot.tif.2.blot.json")
    assert mirrored.image.orientation == Orientation(rotate=270, flip="left-right")


def test_lay_again_cuts_and_shows_the_whole_again(picture: Path) -> None:
    opened = open_blot(picture)
    cut = lay_again(opened, Orientation(region=(10, 5, 150, 200)), **SIGNED)
    assert np.array_equal(cut.image.pixels, opened.image.pixels[5:200, 10:150])
    whole = lay_again(cut, None, **SIGNED)
    assert np.array_equal(whole.image.pixels, opened.image.pixels)
    with pytest.raises(ImageError, match="too few for a blot"):
        lay_again(opened, Orientation(region=(0, 0, 5, 5)), **SIGNED)


def test_lay_again_turns_a_picture_that_has_no_file() -> None:
    image = BlotImage(pixels=pixels_of(np.full((2, 4), 8e4)), white=65535.0, ceiling=65535.0)
    opened = start(image)
    cut = lay_again(opened, Orientation(region=(0, 10, 200, 150), flip="top-bottom"), **SIGNED)
    assert np.array_equal(cut.image.pixels, image.pixels[10:150, :200][::-1])
    with pytest.raises(ImageError, match="no file to take the whole picture from"):
        lay_again(replace(cut), None, **SIGNED)
