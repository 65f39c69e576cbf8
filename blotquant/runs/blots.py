"""Blots for a person to correct: a picture opened with its session, and the list of those that a folder holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from blotquant.errors import BlotQuantError, ImageError
from blotquant.imaging.content import guess_polarity
from blotquant.io import read_image
from blotquant.io.files import PICTURE_SUFFIXES
from blotquant.model.image import BlotImage, Orientation
from blotquant.runs.pictures import open_picture, open_session_picture
from blotquant.session.autosave import (
    Rescued,
    autosave_path,
    find_rescued,
    free_name,
    holds,
    read_target,
    state_folder,
)
from blotquant.session.history import Change, History
from blotquant.session.session import SESSION_SUFFIX, Session, load_session, make_session
from blotquant.settings import Settings

if TYPE_CHECKING:
    from blotquant.runs.live_ratios import OpenStudy, StudyPicture

READ_BY = ("page", "channel", "polarity", "rotate", "flip", "region")
"""Settings of how a picture is read that an entry of an experiment may have of its own."""


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture with its session, ready to be shown.

    Attributes
    ----------
    image, session : BlotImage, Session
        What is shown.
    path : Path or None
        The session's file, where there is one.
    saved : Session or None
        As it stands on disk, where that is not `session`.
    kept : tuple of Rescued
        What was autosaved for this picture and is in no session.
    """

    image: BlotImage
    session: Session
    path: Path | None = None
    saved: Session | None = None
    kept: tuple[Rescued, ...] = ()


class Blot(NamedTuple):
    """One blot of a folder, and how far its correction is."""

    path: Path
    state: str
    label: str = ""


def session_beside(path: Path) -> Path:
    """Where the session of a picture lies if it was saved beside it."""
    return path.with_name(path.name + SESSION_SUFFIX)


def open_blot(path: Path, settings: Settings | None = None, study: OpenStudy | None = None) -> Opened:
    """Read a picture or a session; a session that lies beside a picture, or in its study's results, is used.

    Raises
    ------
    BlotQuantError
        Saying what is wrong with the file and what to do.
    """
    if path.name.endswith(SESSION_SUFFIX):
        is_kept = path.absolute().parent == state_folder().absolute()
        return open_rescued(path) if is_kept else open_session(path)
    known = study.picture_of(None, path) if study is not None else None
    for session in (*([known.session] if known is not None else []), session_beside(path)):
        if settings is None and session.is_file():
            return open_session(session)
    chosen = settings or Settings()
    if settings is None and study is not None and known is not None:
        entry = known.entry  # what it says of the picture goes before what the experiment says of all
        said = {name: getattr(entry, name) for name in READ_BY if name in entry.model_fields_set}
        chosen = study.settings.model_copy(update=said)
    return start(open_picture(path, chosen), chosen)


def open_without_session(path: Path) -> Opened:
    """Read a picture and find everything anew; its session will be saved under a free name."""
    return replace(start(open_picture(path, Settings())), path=free_name(session_beside(path)))


def open_session(path: Path, *, picture: Path | None = None) -> Opened:
    """Read a session and its picture, wherever the user says that lies now."""
    session = load_session(path)
    image = open_session_picture(session, path.parent, given=picture)
    return _with_kept(Opened(image, session, path))


def open_rescued(path: Path) -> Opened:
    """Read what was autosaved; it will be saved where it would have been, and over no edit that is not in it."""
    session, target = load_session(path), read_target(path)
    image = open_session_picture(session, path.parent)
    if target is None and image.source is not None:
        target = session_beside(image.source)
    if target is None or not target.is_file():
        return Opened(image, session, target, saved=replace(session, history=History()))
    saved = load_session(target)
    return Opened(image, session, target if holds(session, saved) else free_name(target), saved=saved)


def open_image(path: Path) -> BlotImage:
    """Read a picture, or the picture of a session, and find nothing."""
    if path.name.endswith(SESSION_SUFFIX):
        return open_session_picture(load_session(path), path.parent)
    return open_picture(path, Settings())


def start(image: BlotImage, settings: Settings | None = None) -> Opened:
    """Find everything in a picture and begin its session."""
    from blotquant.analysis import find

    chosen = settings or Settings()
    return _with_kept(Opened(image, make_session(image, find(image, chosen), settings=chosen)))


def lay_again(opened: Opened, step: Orientation | None, *, who: str, when: str) -> Opened:
    """Cut, turn or mirror a picture and find everything in it anew; what was corrected before stays in its session.

    Parameters
    ----------
    opened : Opened
        The picture as it lies, with its session.
    step : Orientation or None
        What is done to the picture as it is shown; None shows all of it again where it was cut.
    who, when : str
        For the record: the new session begins with it.

    Raises
    ------
    ImageError
        If no picture for a blot is left, or a picture that has no file was cut.
    """
    image, reference = opened.image, opened.session.image
    laid = replace(image.orientation, region=None) if step is None else image.orientation.then(step, image.shape)
    if image.source is not None:
        now = read_image(
            image.source,
            page=reference.page,
            channel=reference.channel,
            orientation=laid,
            polarity=image.polarity,
            max_pixels=opened.session.settings.max_pixels,
        )
    elif step is None:
        msg = f"{image.name}: there is no file to take the whole picture from; undo the cut"
        raise ImageError(msg)
    else:
        marks = None if image.marks is None else step.lay(image.marks)
        now = image.with_(pixels=step.lay(image.pixels), marks=marks, orientation=laid)
    found = start(now, opened.session.settings)
    words = [one.describe() or "as it is" for one in (image.orientation, laid)]
    session = found.session.edit([Change("image", "orientation", *words)], action="laid", who=who, when=when)
    path = opened.path or (session_beside(image.source) if image.source is not None else None)
    if path is not None and path.is_file() and _is_corrected(path):
        path = free_name(path)
    return replace(found, session=session, path=path, saved=found.session)


def _is_corrected(path: Path) -> bool:
    """Whether a session's file holds corrections, or what cannot be read."""
    try:
        return bool(load_session(path).edits_in_force)
    except BlotQuantError:
        return True


def image_of(name: str, pixels: Any) -> BlotImage:
    """A picture that is in memory, as an image layer shows it; known by the checksum of its pixels."""
    array = np.asarray(pixels)
    if array.ndim != 2:
        msg = f"{name}: a blot is one picture with two dimensions, this layer has {array.ndim}; take one channel of it"
        raise ImageError(msg)
    image = BlotImage(pixels=array.copy(), sha256=hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest())
    polarity, confidence = guess_polarity(image.pixels)
    is_count = array.dtype.kind in "ui"
    white = float(np.iinfo(array.dtype).max if is_count else np.nanmax(array))
    ceiling = white if is_count else float("inf")
    return image.with_(polarity=polarity, polarity_confidence=confidence, white=white, ceiling=ceiling)


def _with_kept(opened: Opened) -> Opened:
    path = autosave_path(opened.session)
    stem = path.name.removesuffix(SESSION_SUFFIX)
    mine = [r for r in find_rescued() if r.path == path or r.path.name.startswith(f"{stem}.")]
    laid = opened.session.image.orientation
    alike = [r for r in mine if r.session.image.orientation == laid]  # others are of a picture that lay differently
    return replace(opened, kept=tuple(r for r in alike if not holds(opened.session, r.session)))


def list_blots(folder: Path) -> tuple[list[Blot], OpenStudy | None]:
    """Blots of a folder, of a results folder, or of an experiment, with their state; and the study they belong to.

    Raises
    ------
    BlotQuantError
        If there is an experiment file and it is wrong.
    """
    from blotquant.runs.live_ratios import open_study

    study = open_study(folder)
    if study is not None:
        return [_of_study(picture) for picture in study.pictures], study
    place = folder if folder.is_dir() else folder.parent
    sessions = sorted(place.glob(f"*{SESSION_SUFFIX}")) + sorted((place / "sessions").glob(f"*{SESSION_SUFFIX}"))
    named = {path.name.removesuffix(SESSION_SUFFIX) for path in sessions}
    pictures = [p for p in sorted(place.iterdir()) if p.suffix.lower() in PICTURE_SUFFIXES and p.name not in named]
    return [*(Blot(path, _state(path)) for path in sessions), *(Blot(path, "new") for path in pictures)], None


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
    gestures = {edit.group for edit in session.edits_in_force}
    if gestures:
        return f"corrected ({len(gestures)})" + (", edits do not fit" if session.conflicts else "")
    flags = {*session.layout_auto.flags, *(f for lane in session.layout_auto.lanes for f in lane.flags)}
    doubtful = sorted(name.replace("_", " ") for name in flags - {"empty_lane"})
    return "flagged: " + ", ".join(doubtful) if doubtful else "untouched"
