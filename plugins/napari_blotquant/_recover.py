"""Autosaved sessions: a thread writes the latest state, so that a crash or a kill loses at most seconds."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from blotquant.errors import OutputError, SessionError
from blotquant.session.session import SESSION_SUFFIX, Session, load_session, save_session

PAUSE_S = 0.5


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
    """One file for each picture, known by its checksum."""
    return (folder or state_folder()) / f"{session.image.sha256[:24] or 'array'}{SESSION_SUFFIX}"


@dataclass(frozen=True)
class Rescued:
    """A session that was autosaved and never saved."""

    path: Path
    session: Session

    @property
    def label(self) -> str:
        """The picture, the number of edits and the time of the last one."""
        edits = self.session.history.edits
        last = edits[-1].when if edits else "no edits"
        return f"{self.session.image.name}: {len(edits)} edits, last {last}"


def find_rescued(folder: Path | None = None) -> Iterator[Rescued]:
    """Autosaved sessions that were not cleared by saving; unreadable ones are passed over and kept."""
    place = folder or state_folder()
    for path in sorted(place.glob(f"*{SESSION_SUFFIX}")) if place.is_dir() else []:
        try:
            yield Rescued(path, load_session(path))
        except SessionError:
            continue


class Autosaver:
    """Writes the latest session that it was given, in a thread of its own; older ones that wait are skipped."""

    def __init__(self, folder: Path | None = None) -> None:
        self.problem = ""
        self._folder = folder
        self._waiting: Session | None = None
        self._closed = False
        self._lock = threading.Condition()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def keep(self, session: Session, image: Path | None) -> None:
        """Have a session written soon; its picture is named by its full path, since the file lies elsewhere."""
        if image is not None:
            session = replace(session, image=replace(session.image, path=image.absolute().as_posix()))
        with self._lock:
            self._waiting = session
            self._lock.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="blotquant-autosave", daemon=True)
                self._thread.start()

    def forget(self, session: Session) -> None:
        """Drop what was autosaved for a picture: its session was saved or given up."""
        with self._lock:
            self._waiting = None
        with self._writing:
            try:
                autosave_path(session, self._folder).unlink(missing_ok=True)
            except OSError as error:
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
                # Writing holds the interpreter: let the window draw the edit first.
                self._lock.wait_for(lambda: self._closed, timeout=PAUSE_S)
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Write outside the lock that the window needs, but never after `forget` has begun."""
        with self._writing:
            with self._lock:
                session, self._waiting = self._waiting, None
            if session is not None:
                self._write(session)

    def _write(self, session: Session) -> None:
        try:
            save_session(session, autosave_path(session, self._folder))
            self.problem = ""
        except OutputError as error:
            self.problem = str(error)
