"""Unsaved corrections, written aside every half second, so that a crash or a kill loses at most seconds.

An autosaved session is written over or removed only where every edit in it stands in the session at hand: nothing that
was never saved can be lost by saving something else.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from blotquant.errors import BlotQuantError, OutputError
from blotquant.session.session import SESSION_SUFFIX, Session, load_session, save_session

PAUSE_S = 0.5
"""Writing holds the interpreter: a window draws the edit first."""


def state_folder() -> Path:
    """Where autosaved sessions lie: the user's own state folder, which can be written wherever the pictures lie."""
    chosen = os.environ.get("BLOTQUANT_STATE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "blotquant" / "autosave"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "blotquant" / "autosave"
    return Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / "blotquant" / "autosave"


def autosave_path(session: Session, folder: Path | None = None) -> Path:
    """One file for each picture, known by its checksum, page and channel."""
    image = session.image
    page, channel = ("" if image.page is None else f"-page{image.page}"), image.channel or ""
    mark = "".join(c for c in channel if c.isalnum())
    return (folder or state_folder()) / f"{image.sha256[:24] or 'array'}{page}{mark and '-' + mark}{SESSION_SUFFIX}"


def holds(session: Session, kept: Session) -> bool:
    """Whether every edit of a kept session is in this one: the chain of hashes ends in one of its own."""
    edits = kept.history.edits
    return not edits or edits[-1].hash in {edit.hash for edit in session.history.edits}


def free_name(path: Path) -> Path:
    """A session's name beside another that is taken: picture.tif.2.blot.json."""
    stem = path.name.removesuffix(SESSION_SUFFIX)
    names = (path.with_name(f"{stem}.{k}{SESSION_SUFFIX}") for k in itertools.count(2))
    return next(name for name in names if not name.exists())


@dataclass(frozen=True)
class Rescued:
    """A session that was autosaved and never saved; `target` is the file that it would have been saved to."""

    path: Path
    session: Session
    target: Path | None = None

    @property
    def last_edit(self) -> str:
        """Time of the last edit; empty where there is none."""
        edits = self.session.history.edits
        return edits[-1].when if edits else ""

    @property
    def label(self) -> str:
        """The picture, the number of edits and the time of the last one."""
        return f"{self.session.image.name}: {len(self.session.history)} edits, last {self.last_edit or 'no edits'}"


def find_rescued(folder: Path | None = None) -> list[Rescued]:
    """Autosaved sessions that were not cleared by saving, the one with the latest edit first.

    Of the states of one picture the plain name is newer than the numbered ones. Unreadable ones are passed over and
    kept.
    """
    place, found = folder or state_folder(), []
    for path in place.glob(f"*{SESSION_SUFFIX}") if place.is_dir() else []:
        with suppress(BlotQuantError):
            found.append(Rescued(path, load_session(path), read_target(path)))
    return sorted(found, key=lambda rescued: (rescued.last_edit, rescued.path.name), reverse=True)


def read_target(path: Path) -> Path | None:
    """The file that an autosaved session would have been saved to, where that is known."""
    note = path.with_suffix(".target")
    return Path(note.read_text(encoding="utf-8")) if note.is_file() else None


class Autosaver:
    """Writes the latest session that it was given, in a thread of its own; older ones that wait are skipped.

    What it finds under its name is written over or removed only where every edit in it is in the session at hand;
    else it is put aside and offered at the next start.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.problem = ""
        self._folder = folder
        self._waiting: tuple[Session, Path | None] | None = None
        self._closed = False
        self._lock = threading.Condition()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def keep(self, session: Session, source: Path | None, target: Path | None) -> None:
        """Have a session written soon; its picture is named by its full path, since the file lies elsewhere."""
        if source is not None:
            session = replace(session, image=replace(session.image, path=source.absolute().as_posix()))
        with self._lock:
            self._waiting = session, target
            self._lock.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="blotquant-autosave", daemon=True)
                self._thread.start()

    def forget(self, session: Session) -> None:
        """Drop what was autosaved for a picture and is in this session, which was saved or given up."""
        with self._lock:
            self._waiting = None
        # Its own file and those put aside for it: each is removed only if all its edits are in this session.
        path = autosave_path(session, self._folder)
        with self._writing:
            for kept in (path, *path.parent.glob(f"{path.name.removesuffix(SESSION_SUFFIX)}.*{SESSION_SUFFIX}")):
                try:
                    if kept.is_file() and holds(session, load_session(kept)):
                        kept.unlink()
                        kept.with_suffix(".target").unlink(missing_ok=True)
                except (OSError, BlotQuantError) as error:
                    self.problem = str(error)

    def close(self) -> None:
        """Write what is waiting and end the thread."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._waiting is not None or self._closed)
                if self._waiting is None:
                    return
                # Wait a little: later states replace this one, and the window draws first.
                self._lock.wait_for(lambda: self._closed, timeout=PAUSE_S)
            with self._writing:  # outside the lock that the window needs, but never after `forget` has begun
                with self._lock:
                    waiting, self._waiting = self._waiting, None
                if waiting is not None:
                    self._write(*waiting)

    def _write(self, session: Session, target: Path | None) -> None:
        path = autosave_path(session, self._folder)
        try:
            # Another session's unsaved edits under this name are put aside, never lost.
            if path.is_file() and not _is_held(path, session):
                path.rename(free_name(path))
            save_session(session, path)
            if target is not None:
                path.with_suffix(".target").write_text(str(target.absolute()), encoding="utf-8")
            self.problem = ""
        except (OutputError, OSError) as error:
            self.problem = str(error)


def _is_held(path: Path, session: Session) -> bool:
    try:
        return holds(session, load_session(path))
    except BlotQuantError:
        return False
