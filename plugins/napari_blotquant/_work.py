"""The slow steps behind the dock, as plain functions that a worker thread runs: open, find, look for blots."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from blotquant.errors import BlotQuantError
from blotquant.geometry import Layout
from blotquant.image import BlotImage
from blotquant.session import SESSION_SUFFIX, Session, find_image, load_session, make_session
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
    from blotquant.io import read_image

    beside = path.with_name(path.name + SESSION_SUFFIX)
    if path.name.endswith(SESSION_SUFFIX) or beside.is_file():
        return open_session(path if path.name.endswith(SESSION_SUFFIX) else beside)
    chosen = settings or Settings()
    polarity = None if chosen.polarity == "auto" else chosen.polarity
    image = read_image(path, page=chosen.page, channel=chosen.channel, polarity=polarity)
    return start(image, chosen)


def open_session(path: Path, *, picture: Path | None = None) -> Opened:
    """Read a session and its picture, wherever the user says that lies now."""
    from blotquant.io import read_image

    session = load_session(path)
    found = find_image(session, path.parent, given=picture)
    reference = session.image
    image = read_image(found, page=reference.page, channel=reference.channel, polarity=session.polarity)
    return Opened(image, session, path)


def start(image: BlotImage, settings: Settings | None = None) -> Opened:
    """Find everything in a picture and begin its session."""
    chosen = settings or Settings()
    layout = find(image, chosen)
    return Opened(image, make_session(image, layout, settings=chosen), None)


def find(image: BlotImage, settings: Settings) -> Layout:
    """Strips, lanes and bands of a picture."""
    from blotquant.finding import find_layout

    detection = settings.detection
    return find_layout(image.signal(), ceiling=image.ceiling, settings=detection, n_lanes=detection.n_lanes)


def find_bands(image: BlotImage, layout: Layout, settings: Settings) -> Layout:
    """Bands of lanes that stand."""
    from blotquant.finding import find_bands_again

    return find_bands_again(image.signal(), layout, settings=settings.detection)


def list_blots(folder: Path) -> list[Blot]:
    """Blots of a folder, of a results folder, or of an experiment file, with their state."""
    place = folder if folder.is_dir() else folder.parent
    sessions = sorted(place.glob(f"*{SESSION_SUFFIX}")) + sorted(
        (place / "sessions").glob(f"*{SESSION_SUFFIX}")
    )
    named = {path.name.removesuffix(SESSION_SUFFIX) for path in sessions}
    pictures = [
        p for p in sorted(place.iterdir()) if p.suffix.lower() in PICTURE_SUFFIXES and p.name not in named
    ]
    return [*(Blot(path, _state(path)) for path in sessions), *(Blot(path, "new") for path in pictures)]


def _state(path: Path) -> str:
    try:
        session = load_session(path)
    except BlotQuantError:
        return "damaged"
    if session.history.effective():
        return "corrected"
    return "flagged" if session.layout_auto.flags else "untouched"
