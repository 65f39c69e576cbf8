"""A results folder that grows picture by picture and can be stopped and resumed at any moment.

Every finished unit (a picture, or the pictures of one membrane) leaves one *part* under ``.blotquant/parts``:
its table rows as text and its sessions, with the fingerprint of everything they were made from. The tables that
users read are put together from the parts, in order of the input, whichever worker finished first; memory does not
grow with their number.

New tables are made ready in ``.blotquant/new`` and moved to their places together (see
`blotquant.runs.manifest.publish`), so that a run that is stopped leaves the earlier results as they were.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from blotquant.errors import BlotQuantError, OutputError
from blotquant.io.files import atomic_write, flush_folder, sha256_of
from blotquant.runs.progress import say

PART_VERSION = 2


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
        SHA-256 over the pictures, sessions, settings and version that it was made from.
    tables : mapping of str to str
        Table name to csv text with its header line.
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
    tables: Mapping[str, str] = field(default_factory=dict)
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
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "manifest.json":
                path.unlink()

    def save(self, part: Part) -> None:
        """Keep a part; its sessions are written first, so that a part on disk is always whole.

        Raises
        ------
        ChangedError
            If a session got other hand corrections while its picture was measured: they must not be lost.
        """
        for name, text in part.sessions.items():
            path = self.folder / "sessions" / name
            if path.is_file() and path.read_bytes() != text.encode():
                self._make_way(part.key, path, text)
            atomic_write(path, text, flush_parent=False)
        checksums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in part.sessions.items()}
        payload = {"version": PART_VERSION, **asdict(part), "sessions": checksums}
        text = json.dumps(payload, ensure_ascii=False, indent=0)
        atomic_write(self._path(part.key), text, flush_parent=False)

    def flush(self) -> None:
        """Make the names of all parts and sessions durable; a part that a power cut takes before is made again."""
        for place in (self.folder / "sessions", self._path("").parent):
            flush_folder(place)

    def _make_way(self, key: str, path: Path, text: str) -> None:
        """Refuse to lose corrections; keep a copy of a session that was changed other than by corrections."""
        from blotquant.session.session import load_session, parse_session

        try:
            history = load_session(path).history
        except BlotQuantError:
            keep_aside(path)
            return
        if len(history) and history != parse_session(text).history:
            msg = f"{path.name}: its hand corrections were changed while it was measured; run again to use them"
            raise ChangedError(msg)
        payload = self._payload(key) or {}
        if payload.get("sessions", {}).get(path.name) not in (None, sha256_of(path)):
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

    def digest(self, key: str) -> str:
        """SHA-256 of what a part says, seconds left out; empty where there is no readable part."""
        payload = self._payload(key)
        if payload is None:
            return ""
        payload["summary"] = {k: v for k, v in payload["summary"].items() if k != "timings_s"}
        return fingerprint(payload)

    def _payload(self, key: str) -> dict[str, Any] | None:
        try:
            payload = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            return None
        names = {"version", *(f.name for f in fields(Part))}
        fits = isinstance(payload, dict) and payload.get("version") == PART_VERSION and payload.keys() == names
        return payload if fits else None

    def _has_sessions(self, checksums: Mapping[str, str], *, same: bool) -> bool:
        paths = {self.folder / "sessions" / name: checksum for name, checksum in checksums.items()}
        return all(path.is_file() and (not same or sha256_of(path) == paths[path]) for path in paths)

    def assemble(self, keys: Iterable[str], table: str, *, header: str, private: bool = False) -> Path:
        """Make one table ready from these keys' parts, in their order; failed and missing parts add no rows.

        It waits in `new`. A private one lies beside the parts: a step on the way, of no use to a reader.
        """
        target = (self.folder / ".blotquant" if private else self.new) / f"{table}.csv"
        atomic_write(target, _lines(self, keys, table, header))
        return target

    def _path(self, key: str) -> Path:
        return self.folder / ".blotquant" / "parts" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"


def _lines(store: Store, keys: Iterable[str], table: str, header: str) -> Iterator[str]:
    yield header
    for key in keys:
        part = store.load(key)
        if part is None or table not in part.tables:
            continue
        own_header, _, rows = part.tables[table].partition("\n")
        if own_header + "\n" != header:
            msg = f"{store.folder}: {key} has other columns than the rest; run again without --resume"
            raise OutputError(msg)
        yield rows


def keep_aside(path: Path) -> Path:
    """Rename a file that is about to be written over, so that somebody's changes to it are not lost.

    Returns
    -------
    pathlib.Path
        ``bands.edited.csv`` for ``bands.csv``, or the next free number: ``bands.edited2.csv``.
    """
    stem, dot, suffix = path.name.partition(".blot.json") if path.name.endswith(".blot.json") else _split(path)
    names = (f"{stem}.edited{k if k > 1 else ''}{dot}{suffix}" for k in itertools.count(1))
    kept = path.with_name(next(name for name in names if not path.with_name(name).exists()))
    path.rename(kept)
    say(f"{path.name} was changed since it was written; the changed file is kept as {kept.name}")
    return kept


def _split(path: Path) -> tuple[str, str, str]:
    return path.stem, path.suffix, ""


@contextmanager
def locked(folder: Path) -> Iterator[Store]:
    """Open a results folder for writing, alone.

    Raises
    ------
    OutputError
        If the folder cannot be made or written, or another process is writing to it.
    """
    from filelock import FileLock, Timeout

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
        yield Store(folder)
    finally:
        lock.release()
