"""The slow steps behind the dock, as plain functions that a worker thread runs: open, find, look for blots."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blotquant.errors import BlotQuantError
from blotquant.model.geometry import Layout
from blotquant.model.image import BlotImage
from blotquant.session.session import SESSION_SUFFIX, Session, load_session, make_session
from blotquant.settings import Settings
from napari_blotquant._look import Look, look_at
from napari_blotquant._style import readable

if TYPE_CHECKING:
    from blotquant.analysis import Step
    from blotquant.runs.live_ratios import Study, StudyPicture

PICTURE_SUFFIXES = (".tif", ".tiff", ".scn", ".gel", ".1sc", ".png", ".jpg", ".jpeg")


class Opened(NamedTuple):
    """A picture with its session, ready to be shown; `path` is the session's file, where there is one."""

    image: BlotImage
    session: Session
    path: Path | None
    look: Look


class Blot(NamedTuple):
    """One blot of a folder, and how far its correction is."""

    path: Path
    state: str
    label: str = ""


class Listed(NamedTuple):
    """The blots of a folder, and the study that they belong to."""

    blots: list[Blot]
    study: Study | None


def session_beside(path: Path) -> Path:
    """Where the session of a picture lies if it was saved beside it."""
    return path.with_name(path.name + SESSION_SUFFIX)


def open_blot(path: Path, settings: Settings | None = None, study: Study | None = None) -> Opened:
    """Read a picture or a session; a session that lies beside a picture, or in its study's results, is used.

    Raises
    ------
    BlotQuantError
        Saying what is wrong with the file and what to do.
    """
    from blotquant.runs.pictures import open_picture

    if path.name.endswith(SESSION_SUFFIX):
        return open_session(path)
    known = study.picture_of(None, path) if study is not None else None
    for session in (*([known.session] if known is not None else []), session_beside(path)):
        if session.is_file():
            return open_session(session)
    chosen = settings or (study.settings if study is not None and known is not None else Settings())
    return start(open_picture(path, chosen), chosen)


def open_without_session(path: Path) -> Opened:
    """Read a picture and find everything anew; its session will be saved under a free name."""
    from blotquant.runs.pictures import open_picture

    opened = start(open_picture(path, Settings()))
    names = (path.with_name(f"{path.name}.{k}{SESSION_SUFFIX}") for k in itertools.count(2))
    return opened._replace(path=next(name for name in names if not name.exists()))


def open_session(path: Path, *, picture: Path | None = None) -> Opened:
    """Read a session and its picture, wherever the user says that lies now."""
    from blotquant.runs.pictures import open_session_picture

    session = load_session(path)
    image = open_session_picture(session, path.parent, given=picture)
    return Opened(image, session, path, look_at(image))


def open_image(path: Path) -> BlotImage:
    """Read a picture, or the picture of a session, and find nothing."""
    from blotquant.runs.pictures import open_picture, open_session_picture

    if path.name.endswith(SESSION_SUFFIX):
        return open_session_picture(load_session(path), path.parent)
    return open_picture(path, Settings())


def start(image: BlotImage, settings: Settings | None = None) -> Opened:
    """Find everything in a picture and begin its session."""
    from blotquant.analysis import find

    chosen = settings or Settings()
    return Opened(image, make_session(image, find(image, chosen), settings=chosen), None, look_at(image))


def find_again(image: BlotImage, session: Session, step: Step) -> Layout:
    """What is found now from a step on; the steps before it stand."""
    from blotquant import analysis

    return analysis.find_again(image, session, step)


def list_blots(folder: Path) -> Listed:
    """Blots of a folder, of a results folder, or of an experiment, with their state.

    Raises
    ------
    BlotQuantError
        If there is an experiment file and it is wrong.
    """
    from blotquant.runs.live_ratios import open_study

    study = open_study(folder)
    if study is not None:
        return Listed([_of_study(picture) for picture in study.pictures], study)
    place = folder if folder.is_dir() else folder.parent
    sessions = sorted(place.glob(f"*{SESSION_SUFFIX}")) + sorted((place / "sessions").glob(f"*{SESSION_SUFFIX}"))
    named = {path.name.removesuffix(SESSION_SUFFIX) for path in sessions}
    pictures = [p for p in sorted(place.iterdir()) if p.suffix.lower() in PICTURE_SUFFIXES and p.name not in named]
    return Listed([*(Blot(path, _state(path)) for path in sessions), *(Blot(path, "new") for path in pictures)], None)


def _of_study(picture: StudyPicture) -> Blot:
    entry = picture.entry
    label = f"blot {entry.blot} · {entry.probe} · {entry.name}"
    if picture.session.is_file():
        return Blot(picture.session, _state(picture.session), label)
    return Blot(picture.path, "new" if picture.path.is_file() else "missing", label)


def _state(path: Path) -> str:
    try:
        return state_of(load_session(path))
    except BlotQuantError:
        return "damaged"


def state_of(session: Session) -> str:
    """How far the correction of a session is: corrected (and by how many edits), flagged (with what), untouched."""
    gestures = {edit.group for edit in session.history.effective()}
    if gestures:
        return f"corrected ({len(gestures)})" + (", edits do not fit" if session.conflicts else "")
    flags = {*session.layout_auto.flags, *(f for lane in session.layout_auto.lanes for f in lane.flags)}
    doubtful = flags - {"empty_lane"}
    return "flagged: " + readable(";".join(sorted(doubtful))) if doubtful else "untouched"
