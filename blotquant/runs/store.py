"""A results folder that grows picture by picture and can be stopped and resumed at any moment.

Every finished unit (a picture, or the pictures of one membrane) leaves one *part* under ``.blotquant/parts``: its
table rows as records and its sessions, with the fingerprint of everything they were made from. The tables that users
read are put together from the parts, in order of the input, whichever worker finished first; memory does not grow with
their number.

New tables are made ready in ``.blotquant/new`` and moved to their places together (see
`blotquant.runs.manifest.publish`), so that a run that is stopped leaves the earlier results as they were. Unfinished
files lie in ``.blotquant/tmp``, which the next run empties. No link is followed inside a results folder.

Notes
-----
A killed process loses nothing that it handed to the system; a power cut may. Files that hold hand corrections are
therefore flushed to disk one by one before they replace the earlier ones. The other sessions are flushed together,
before the tables are published; parts are not, since what `--resume` does not find whole it measures again.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from blotquant.errors import BlotQuantError, OutputError
from blotquant.io.files import atomic_write, csv_lines, flush_file, flush_folder, is_plain_file, sha256_of
from blotquant.text import say

PART_VERSION = 3
FLUSHES = 8
"""Sessions whose way to the disk is waited for at a time; one after the other they cost a millisecond or more each."""
OWN_FOLDERS = (
    ".blotquant",
    ".blotquant/new",
    ".blotquant/new/figures",
    ".blotquant/parts",
    ".blotquant/tmp",
    ".blotquant/written",
    "earlier",
    "figures",
    "sessions",
)
"""Folders that blotquant keeps inside a results folder."""
_UNFINISHED = re.compile(r"\.blotquant-[0-9a-f]{16}\.tmp")
_OLD_S = 3600.0
"""Age in seconds from which an unfinished file outside ``.blotquant`` is nobody's: a window saves within a second."""


class ChangedError(OutputError):
    """A file that would be written over was changed by somebody else meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one unit of work left behind.

    Attributes
    ----------
    key : str
        Name of the unit, unique in its folder.
    fingerprint : str
        SHA-256 over the pictures, sessions, settings and code that it was made from.
    tables : mapping of str to sequence of mapping
        Table name to its rows, each a record of plain values by column.
    sessions : mapping of str to str
        File name under ``sessions/`` to session text.
    figures : mapping of str to str
        Picture name to its piece of the report.
    summary : mapping
        Counts and flags for the console and ``--json``.
    error : str or None
        One line, where the unit failed; the rest is then empty.
    """

    key: str
    fingerprint: str
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def fingerprint(*pieces: object) -> str:
    """SHA-256 over the canonical JSON of some plain values."""
    text = json.dumps(pieces, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Store:
    """The parts of one results folder."""

    folder: Path

    @property
    def new(self) -> Path:
        """Where files are made ready before they are moved to their places."""
        return self.folder / ".blotquant" / "new"

    def clear_new(self) -> None:
        """Forget what a stopped run had made ready; its manifest stays, to know its files again."""
        self.new.mkdir(parents=True, exist_ok=True)
        for path in self.new.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != "manifest.json":
                path.unlink()

    def write(self, path: Path, data: bytes | str | Iterable[str], *, durable: bool = True) -> None:
        """Write a file of this folder in one step; unfinished, it lies in ``.blotquant/tmp``."""
        scratch = self.folder / ".blotquant" / "tmp"
        atomic_write(path, data, flush_parent=durable, durable=durable, scratch=scratch)

    def save(self, part: Part) -> None:
        """Keep a part; its sessions are written first, so that a part on disk is always whole.

        Raises
        ------
        ChangedError
            If a session got other hand corrections while its picture was measured: they must not be lost.
        """
        checksums = {}
        for name, text in part.sessions.items():
            path, data = self.folder / "sessions" / name, text.encode()
            checksums[name] = hashlib.sha256(data).hexdigest()
            if os.path.lexists(path):
                if is_plain_file(path) and path.read_bytes() == data:
                    continue
                self._make_way(part.key, path, text)
                # Noted first: stopped between the two, either file is known for one that blotquant wrote.
                there = [sha256_of(path)] if is_plain_file(path) else []
                self.write(self._note(name), "\n".join([*there, checksums[name]]), durable=False)
            self.write(path, data, durable='"history": []' not in text)
        # The part last: one on the disk has all its sessions.
        payload = {"version": PART_VERSION, **vars(part), "sessions": checksums}
        self.write(self._path(part.key), json.dumps(payload, ensure_ascii=True), durable=False)

    def forget(self, key: str) -> None:
        """Drop the part of a unit that failed."""
        self._path(key).unlink(missing_ok=True)

    def flush(self, sessions: Iterable[str]) -> None:
        """Make sessions durable, all at once: the system writes together what is asked for together.

        A part that a power cut takes is made again.
        """
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=FLUSHES) as pool:
            list(pool.map(flush_file, [self.folder / "sessions" / name for name in sessions]))
        flush_folder(self.folder / "sessions")

    def _make_way(self, key: str, path: Path, text: str) -> None:
        """Refuse to lose corrections; keep a copy of a session without any that blotquant did not write here."""
        from blotquant.session.session import load_session, parse_session

        if not is_plain_file(path):
            keep_aside(path)
            return
        try:
            there = load_session(path).history.edits
        except BlotQuantError:
            keep_aside(path)
            return
        if there and parse_session(text).history.edits[: len(there)] != there:
            msg = f"{path.name}: its hand corrections were changed while it was measured; run again to use them"
            raise ChangedError(msg)
        if there:
            return  # the new session has all of them
        note = self._note(path.name)
        written = note.read_text().split() if is_plain_file(note) else []
        if own := (self._payload(key) or {}).get("sessions", {}).get(path.name):
            written.append(own)
        if written and sha256_of(path) not in written:
            keep_aside(path)

    def load(self, key: str, *, fingerprint: str | None = None) -> Part | None:
        """Return a part, or None where there is none, it failed, it is damaged or its fingerprint is another.

        Its sessions come back as names without text: they lie in the folder.
        """
        payload = self._payload(key)
        if payload is None:
            return None
        del payload["version"]
        checksums = payload.pop("sessions")
        part = Part(**payload, sessions=dict.fromkeys(checksums, ""))
        unfit = part.error is not None or (fingerprint is not None and part.fingerprint != fingerprint)
        return None if unfit or not self._has_sessions(checksums, same=fingerprint is not None) else part

    def _payload(self, key: str) -> dict[str, Any] | None:
        path = self._path(key)
        try:
            payload = json.loads(path.read_text(encoding="utf-8")) if is_plain_file(path) else None
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        names = {"version", *(f.name for f in fields(Part))}
        fits = isinstance(payload, dict) and payload.get("version") == PART_VERSION and payload.keys() == names
        return payload if fits else None

    def _has_sessions(self, checksums: Mapping[str, str], *, same: bool) -> bool:
        paths = {self.folder / "sessions" / name: checksum for name, checksum in checksums.items()}
        return all(is_plain_file(path) and (not same or sha256_of(path) == paths[path]) for path in paths)

    def records(self, keys: Iterable[str], table: str) -> Iterator[Mapping[str, Any]]:
        """Go through one table's rows of these parts, in their order; failed and missing parts add none."""
        for key in keys:
            part = self.load(key)
            if part is not None:
                yield from part.tables.get(table, ())

    def assemble(self, keys: Iterable[str], table: str, columns: Sequence[str]) -> Path:
        """Make one table ready in `new` from these keys' parts, in their order."""
        target = self.new / f"{table}.csv"
        atomic_write(target, csv_lines(self.records(keys, table), columns))
        return target

    def _note(self, name: str) -> Path:
        """Where the checksums stand with which a session was written over, whatever unit it was part of."""
        return self.folder / ".blotquant" / "written" / fingerprint(name)[:24]

    def _path(self, key: str) -> Path:
        return self.folder / ".blotquant" / "parts" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"


def keep_aside(path: Path) -> Path:
    """Rename a file that is about to be written over, so that somebody's changes to it are not lost.

    Returns
    -------
    pathlib.Path
        ``bands.edited.csv`` for ``bands.csv``, or the next free number: ``bands.edited2.csv``.
    """
    stem, dot, suffix = path.name.partition(".blot.json") if path.name.endswith(".blot.json") else _split(path)
    names = (f"{stem}.edited{k if k > 1 else ''}{dot}{suffix}" for k in itertools.count(1))
    kept = path.with_name(next(name for name in names if not os.path.lexists(path.with_name(name))))
    path.rename(kept)
    say(f"{path.name} was changed since it was written; the changed file is kept as {kept.name}")
    return kept


def _split(path: Path) -> tuple[str, str, str]:
    return path.stem, path.suffix, ""


@contextmanager
def locked(folder: Path) -> Iterator[Store]:
    """Open a results folder for writing, alone, and clear away what a killed run left unfinished.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, holds links in place of its own folders, or another process is
        writing to it.
    """
    from filelock import FileLock, Timeout

    _refuse_links(folder)
    try:
        (folder / ".blotquant").mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".blotquant" / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        msg = f"{folder}: another blotquant is writing to this folder; wait for it or choose another -o"
        raise OutputError(msg) from None
    except OSError as error:
        msg = f"{folder}: cannot be written to ({error.strerror or error}); choose another -o"
        raise OutputError(msg) from None
    try:
        _clear_unfinished(folder)
        yield Store(folder)
    finally:
        lock.release()


def _refuse_links(folder: Path) -> None:
    """A link in a folder's place could have anything emptied or written over, wherever it leads."""
    for name in (*OWN_FOLDERS, ".blotquant/lock"):
        if is_link(folder / name):
            msg = (
                f"{folder / name}: is a link; none is followed inside a results folder: remove it, or choose another -o"
            )
            raise OutputError(msg)


def is_link(path: Path) -> bool:
    """Whether something leads elsewhere: a symbolic link, or a junction of Windows."""
    try:
        about = os.lstat(path)
    except (OSError, ValueError):
        return False
    reparse = getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
    return stat.S_ISLNK(about.st_mode) or bool(getattr(about, "st_file_attributes", 0) & reparse)


def _clear_unfinished(folder: Path) -> None:
    """Remove what killed runs left half written; under the lock nobody else writes there."""
    with contextlib.suppress(OSError):
        for path in (folder / ".blotquant" / "tmp").glob("*"):
            path.unlink()
        for place in (folder, folder / "sessions", folder / "figures", folder / ".blotquant" / "parts"):
            for path in place.glob(".blotquant-*.tmp"):
                if _UNFINISHED.fullmatch(path.name) and time.time() - os.lstat(path).st_mtime > _OLD_S:
                    path.unlink()
