"""The slow steps behind the dock, as plain functions that a worker thread runs: open, find, look for blots."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from blotquant.errors import BlotQuantError
from blotquant.geometry import Layout
from blotquant.image import BlotImage
from blotquant.record.session import SESSION_SUFFIX, Session, load_session, make_session
from blotquant.settings import Settings

PICTURE_SUFFIXES = (".tif", ".tiff", ".scn", ".gel", ".1sc", ".png", ".jpg", ".jpeg")


class Opened(NamedTuple):
    """A picture with its session; `path` is the session's file, where there is one."""

    image: BlotImage
    session: Session
    path: Path | None


class Blot(NamedTuple):
    """One blot of a folder, and how far its correction is."""

    path: Path
    state: str


def open_blot(path: Path, settings: Settings | None = None) -> Opened:
    """Read a picture or a session; a session that lies beside a picture is used.

    Raises
    ------
    BlotQuantError
        Saying what is wrong with the file and what to do.
    """
    from blotquant.batch.work import open_picture

    beside = path.with_name(path.name + SESSION_SUFFIX)
    if path.name.endswith(SESSION_SUFFIX) or beside.is_file():
        return open_session(path if path.name.endswith(SESSION_SUFFIX) else beside)
    chosen = settings or Settings()
    return start(open_picture(path, chosen), chosen)


def open_session(path: Path, *, picture: Path | None = None) -> Opened:
    """Read a session and its picture, wherever the user says that lies now."""
    from blotquant.batch.work import open_session_picture

    session = load_session(path)
    return Opened(open_session_picture(session, path.parent, given=picture), session, path)


def open_image(path: Path) -> BlotImage:
    """Read a picture, or the picture of a session, and find nothing."""
    from blotquant.batch.work import open_picture, open_session_picture

    if path.name.endswith(SESSION_SUFFIX):
        return open_session_picture(load_session(path), path.parent)
    return open_picture(path, Settings())


def start(image: BlotImage, settings: Settings | None = None) -> Opened:
    """Find everything in a picture and begin its session."""
    chosen = settings or Settings()
    return Opened(image, make_session(image, find(image, chosen), settings=chosen), None)


def find(image: BlotImage, settings: Settings) -> Layout:
    """Strips, lanes and bands of a picture, as the command line finds them."""
    from blotquant import pipeline

    return pipeline.find(image, settings)


def find_bands(image: BlotImage, layout: Layout, settings: Settings) -> Layout:
    """Bands of lanes that stand."""
    from blotquant import pipeline

    return pipeline.find_bands(image, layout, settings)


def list_blots(folder: Path) -> list[Blot]:
    """Blots of a folder, of a results folder, or of an experiment file, with their state."""
    place = folder if folder.is_dir() else folder.parent
    sessions = sorted(place.glob(f"*{SESSION_SUFFIX}")) + sorted((place / "sessions").glob(f"*{SESSION_SUFFIX}"))
    named = {path.name.removesuffix(SESSION_SUFFIX) for path in sessions}
    pictures = [p for p in sorted(place.iterdir()) if p.suffix.lower() in PICTURE_SUFFIXES and p.name not in named]
    return [*(Blot(path, _state(path)) for path in sessions), *(Blot(path, "new") for path in pictures)]


def _state(path: Path) -> str:
    try:
        session = load_session(path)
    except BlotQuantError:
        return "damaged"
    if session.history.effective():
        return "corrected"
    return "flagged" if session.layout_auto.flags else "untouched"
