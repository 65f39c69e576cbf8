"""A results folder that grows picture by picture and can be stopped and resumed at any moment.

Every finished unit (a picture, or the pictures of one membrane) leaves one *part* under ``.blotquant/parts``:
its table rows as text and its sessions, with the fingerprint of everything they were made from. The tables that
users read are put together from the parts, in order of the input, whichever worker finished first; memory does not
grow with their number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from blotquant.errors import OutputError
from blotquant.io.files import atomic_write

PART_VERSION = 1


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

    def save(self, part: Part) -> None:
        """Keep a part; its sessions are written first, so that a part on disk is always whole."""
        for name, text in part.sessions.items():
            atomic_write(self.folder / "sessions" / name, text)
        payload = {"version": PART_VERSION, **asdict(part), "sessions": sorted(part.sessions)}
        atomic_write(self._path(part.key), json.dumps(payload, ensure_ascii=False, indent=0))

    def load(self, key: str, *, fingerprint: str | None = None) -> Part | None:
        """Return a part, or None where there is none, it failed, it is damaged or its fingerprint is another.

        Its sessions come back as names without text: they lie in the folder.
        """
        try:
            payload = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            return None
        if not isinstance(payload, dict) or payload.pop("version", None) != PART_VERSION:
            return None
        sessions = dict.fromkeys(payload.pop("sessions"), "")
        part = Part(**payload, sessions=sessions)
        unfit = part.error is not None or (fingerprint is not None and part.fingerprint != fingerprint)
        missing = any(not (self.folder / "sessions" / name).is_file() for name in sessions)
        return None if unfit or missing else part

    def assemble(self, keys: Iterable[str], table: str, *, header: str, private: bool = False) -> Path:
        """Write one table from these keys' parts, in their order; failed and missing parts add no rows.

        A private one lies beside the parts: a step on the way, of no use to a reader.
        """
        target = self.folder / (".blotquant" if private else ".") / f"{table}.csv"
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
