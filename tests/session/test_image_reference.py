"""The picture of a session: found again by its checksum, and refused where it is another or lies differently."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blotquant.errors import SessionError
from blotquant.model.geometry import Layout
from blotquant.model.image import BlotImage, Orientation
from blotquant.session.image_reference import ImageReference, check_same_orientation, find_image
from blotquant.session.session import Session, make_session


def pictured(tmp_path: Path) -> tuple[Session, Path]:
    raw = tmp_path / "raw"
    raw.mkdir()
    picture = raw / "a.tif"
    picture.write_bytes(b"a picture")
    image = BlotImage(
        pixels=np.zeros((50, 60), np.uint16), source=picture, sha256=hashlib.sha256(b"a picture").hexdigest()
    )
    return make_session(image, Layout(), folder=tmp_path / "sessions"), picture


def test_find_image_where_it_was(tmp_path: Path) -> None:
    session, picture = pictured(tmp_path)
    assert session.image.path == "../raw/a.tif"
    assert session.image.shape == (50, 60)
    (tmp_path / "sessions").mkdir()
    assert find_image(session.image, tmp_path / "sessions").samefile(picture)


def test_find_image_finds_a_moved_picture_beside_the_session_or_where_the_user_says(tmp_path: Path) -> None:
    session, picture = pictured(tmp_path)
    (tmp_path / "sessions").mkdir()
    beside = picture.rename(tmp_path / "sessions" / "a.tif")
    assert find_image(session.image, tmp_path / "sessions") == beside
    elsewhere = beside.rename(tmp_path / "other.tif")
    with pytest.raises(SessionError, match=r"a\.tif of this session is not at .*; say where it is"):
        find_image(session.image, tmp_path / "sessions")
    assert find_image(session.image, tmp_path / "sessions", given=elsewhere) == elsewhere


def test_find_image_refuses_another_picture_with_both_checksums(tmp_path: Path) -> None:
    session, picture = pictured(tmp_path)
    picture.write_bytes(b"another picture")
    other = hashlib.sha256(b"another picture").hexdigest()
    with pytest.raises(SessionError, match=rf"{other}, the session's is\s+{session.image.sha256}"):
        find_image(session.image, tmp_path / "sessions", given=picture)


def test_find_image_takes_the_right_picture_beside_the_session_over_another_at_the_old_place(tmp_path: Path) -> None:
    session, picture = pictured(tmp_path)
    (tmp_path / "sessions").mkdir()
    beside = tmp_path / "sessions" / "a.tif"
    beside.write_bytes(picture.read_bytes())
    picture.write_bytes(b"another picture")
    assert find_image(session.image, tmp_path / "sessions") == beside


@pytest.mark.parametrize(
    "path",
    [
        "../secret/passwords.txt",
        "../secret/b.tif",
        "//server/share/a.tif",
        "\\\\server\\share\\a.tif",
        "../secret/a.key",
    ],
)
def test_find_image_opens_no_file_but_one_of_the_pictures_name(tmp_path: Path, path: str, monkeypatch) -> None:
    session, picture = pictured(tmp_path)
    picture.unlink()
    hidden = tmp_path / "secret"
    hidden.mkdir()
    for name in ("passwords.txt", "b.tif", "a.key"):
        (hidden / name).write_text("secret")
    looked = []
    monkeypatch.setattr("blotquant.session.image_reference.is_file", lambda place: looked.append(place))
    session = replace(session, image=replace(session.image, path=path))
    with pytest.raises(SessionError, match="say where it is"):
        find_image(session.image, tmp_path / "sessions")
    assert looked == [tmp_path / "sessions" / "a.tif"]


def test_find_image_tells_nothing_of_another_file_at_the_stored_place(tmp_path: Path) -> None:
    session, picture = pictured(tmp_path)
    picture.write_bytes(b"another picture")
    (tmp_path / "sessions").mkdir()
    with pytest.raises(SessionError, match="is not the picture of this session") as caught:
        find_image(session.image, tmp_path / "sessions")
    assert hashlib.sha256(b"another picture").hexdigest() not in str(caught.value)


def test_check_same_orientation_names_both() -> None:
    turned = ImageReference(
        path="a.tif", name="a.tif", sha256="0" * 64, shape=(50, 60), orientation=Orientation(rotate=90)
    )
    check_same_orientation(turned, None, where="a.tif")
    check_same_orientation(turned, Orientation(tag=None), where="a.tif")
    check_same_orientation(turned, Orientation(tag=None, rotate=90), where="a.tif")
    with pytest.raises(SessionError, match=r"a\.tif: .* turned by 90° anticlockwise, asked for is mirrored left-right"):
        check_same_orientation(turned, Orientation(tag=None, flip="left-right"), where="a.tif")
