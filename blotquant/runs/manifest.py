"""What a results folder was made from: ``manifest.json`` with every input and output and its checksum.

It is written last. A finished folder holds one run and says which: `publish` moves the new files to their places and
what belongs to an earlier run into ``earlier/1``, ``earlier/2`` and so on. The manifest holds no clock time and no
absolute path where a relative one exists, so that equal work gives equal bytes.

Notes
-----
The checksums tell that a file is the one that was written, and nothing about who wrote it. The checksum of the manifest
itself (`manifest_checksum`), kept where nobody can change it, stands for all of them.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from blotquant.errors import OutputError, SessionError
from blotquant.io.files import (
    adapter_of,
    canonical_text,
    is_plain_file,
    parse_json,
    plain_value,
    read_bounded,
    sha256_if_read,
    sha256_of,
)
from blotquant.runs.corrections import read_sessions
from blotquant.runs.store import Store, is_link, keep_aside, locked
from blotquant.session.session import SESSION_SUFFIX, software_versions
from blotquant.settings import explain_validation
from blotquant.text import printable, relative_path, say

MANIFEST = "manifest.json"
MANIFEST_VERSION = 2
MAX_BYTES = 512 << 20
EARLIER = "earlier"
"""Folder for the files of earlier runs."""
RESULT_SUFFIXES = frozenset({".csv", ".xlsx", ".html", ".parquet", ".json"})
"""Endings of what blotquant writes, figures aside."""

Role = Literal["experiment", "samples", "picture", "marker", "session", "picture of session", "dilution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """One file that a run read.

    Attributes
    ----------
    role : {"experiment", "samples", "picture", "marker", "session", "picture of session", "dilution"}
        What it was read as; ``marker`` is a picture's `ladder_image`.
    name : str
        What tables and messages call it.
    path : str
        As seen from the results folder, with forward slashes.
    sha256 : str
        Of its bytes; empty where it could not be read.
    """

    role: Role
    name: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRecord:
    """One unit of work: its name, and whether it failed."""

    name: str
    failed: bool


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The record of one results folder.

    Attributes
    ----------
    command : {"measure", "run"}
        What wrote it.
    settings : mapping
        Every parameter by its dotted name.
    versions : mapping of str to str
        Of the software that can change a number.
    inputs : tuple of InputRecord
        Every file that was read.
    units : tuple of UnitRecord
        The units of work, in order of the input.
    outputs : mapping of str to str
        SHA-256 of each file of the results by its path in the folder.
    """

    command: Literal["measure", "run"]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    inputs: tuple[InputRecord, ...]
    units: tuple[UnitRecord, ...]
    outputs: Mapping[str, str] = field(default_factory=dict)

    def inputs_as(self, *roles: Role) -> tuple[InputRecord, ...]:
        """The inputs of these roles."""
        return tuple(record for record in self.inputs if record.role in roles)


def input_record(role: Role, path: Path, folder: Path, *, name: str = "", sha256: str | None = None) -> InputRecord:
    """Note a file that was read, as seen from the results folder; its checksum is computed unless it is known."""
    checksum = sha256_if_read(path) if sha256 is None else sha256
    return InputRecord(role=role, name=name or printable(path.name), path=relative_path(path, folder), sha256=checksum)


def make_manifest(
    command: Literal["measure", "run"],
    *,
    settings: Mapping[str, Any],
    inputs: Iterable[InputRecord],
    units: Iterable[str],
    failed: Iterable[str],
) -> Manifest:
    """Put the record of a run together; `publish` adds the checksums of what it wrote."""
    failures = set(failed)
    return Manifest(
        command=command,
        settings=dict(settings),
        versions=software_versions(),
        inputs=tuple(inputs),
        units=tuple(UnitRecord(name=key, failed=key in failures) for key in units),
    )


def manifest_text(manifest: Manifest) -> str:
    """A manifest as canonical JSON, one input or unit a line."""
    return canonical_text({**plain_value(manifest), "schema_version": MANIFEST_VERSION})


def manifest_checksum(folder: Path) -> str:
    """SHA-256 of a folder's manifest: kept elsewhere, it shows whether inputs or results were exchanged since."""
    return sha256_of(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest.

    Raises
    ------
    SessionError
        If there is none, it cannot be read, or a newer version wrote it.
    """
    place = folder / MANIFEST
    if is_link(place):
        msg = f"{MANIFEST}: is a link, which is not followed; put the file itself there"
        raise SessionError(msg)
    try:
        data = parse_json(read_bounded(place, MAX_BYTES).decode("utf-8"))
    except FileNotFoundError:
        msg = f"{folder}: has no {MANIFEST}, which would say what it was made from; run again into this folder"
        raise SessionError(msg) from None
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{MANIFEST}: damaged ({error})"
        raise SessionError(msg) from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or version < 1:
        msg = f"{MANIFEST}: not a manifest of blotquant (it has no schema_version)"
        raise SessionError(msg)
    if version > MANIFEST_VERSION:
        msg = f"{MANIFEST}: written by a newer blotquant (schema {version}, this one reads {MANIFEST_VERSION}); update"
        raise SessionError(msg)
    plain = {key: value for key, value in data.items() if key != "schema_version"}
    try:
        return _build(plain if version == MANIFEST_VERSION else _from_first_version(plain))
    except ValidationError as error:
        raise SessionError(explain_validation(error, where=f"{MANIFEST}: damaged")) from None


def _build(plain: dict[str, Any]) -> Manifest:
    manifest: Manifest = adapter_of(Manifest).validate_python(plain)
    return manifest


def _from_first_version(plain: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had checksums of itself and of working files, which anybody could compute anew."""
    units = plain.get("units")
    if isinstance(units, list):
        plain["units"] = [{k: v for k, v in u.items() if k != "part"} if isinstance(u, dict) else u for u in units]
    return {key: value for key, value in plain.items() if key not in ("seal", "kept")}


def publish(store: Store, manifest: Manifest, *, sessions: Iterable[str]) -> Manifest:
    """Move what was made ready to its place, move what belongs to an earlier run aside, then write the manifest.

    A file that somebody changed since it was written is renamed first (``bands.edited.csv``) and kept. Stopped at any
    moment, every file is the old or the new one, whole; the manifest tells which.

    Parameters
    ----------
    store : Store
        The locked folder, with the new files in `Store.new`.
    manifest : Manifest
        What they were made from.
    sessions : iterable of str
        File names of the sessions that belong to these results.

    Returns
    -------
    Manifest
        With the checksums of all files, as written.
    """
    folder, names = store.folder, sorted(sessions)
    # Sessions are on the disk before anything points to them.
    store.flush(names)
    old = _known(folder)
    below = (path.relative_to(store.new).as_posix() for path in store.new.rglob("*") if is_plain_file(path))
    ready = sorted(name for name in below if name != MANIFEST)
    outputs = {name: sha256_of(store.new / name) for name in ready}
    outputs |= {f"sessions/{name}": sha256_of(folder / "sessions" / name) for name in names}
    complete = replace(manifest, outputs=outputs)
    # Stopped from here on, the next run knows these files for its own by this copy of the manifest.
    store.write(store.new / MANIFEST, manifest_text(complete))
    for name in ready:
        _move(store.new / name, folder / name, known={*old.get(name, ()), outputs[name]})
    # What an earlier run left and this one did not make again; inputs that lie in the folder stay.
    read = {record.path for record in manifest.inputs}
    stale = [name for name in (*old, *_sessions_of_earlier_runs(folder, names)) if name not in outputs]
    _move_aside(folder, [name for name in dict.fromkeys(stale) if name not in read])
    store.write(folder / MANIFEST, manifest_text(complete))
    shutil.rmtree(store.new)
    return complete


def retire(folder: Path) -> None:
    """Move the results of an earlier run aside where none follows in their place; corrected sessions stay.

    Raises
    ------
    OutputError
        If another process is writing to the folder.
    """
    if is_plain_file(folder / MANIFEST):
        with locked(folder):
            _move_aside(folder, [*_known(folder), *_sessions_of_earlier_runs(folder, ()), MANIFEST])


def _known(folder: Path) -> dict[str, set[str]]:
    """Checksums of what blotquant wrote here: in the last finished run, and in one that was stopped meanwhile."""
    known: dict[str, set[str]] = {}
    for place in (folder, folder / ".blotquant" / "new"):
        if not is_plain_file(place / MANIFEST):
            continue
        try:
            manifest = read_manifest(place)
        except SessionError:
            continue
        for name, checksum in manifest.outputs.items():
            # Whether blotquant may have written a file that a manifest lists: whoever wrote the manifest chose the
            # names.
            plain = name.removeprefix("figures/")
            own = plain != name or (Path(name).suffix in RESULT_SUFFIXES and name != MANIFEST)
            if own and (not plain.startswith(".")) and (not any(sign in plain for sign in "/\\:")):
                known.setdefault(name, set()).add(checksum)
    return known


def _move(ready: Path, target: Path, *, known: set[str]) -> None:
    try:
        target.parent.mkdir(exist_ok=True)
        if os.path.lexists(target) and not (is_plain_file(target) and sha256_of(target) in known):
            keep_aside(target)
        ready.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{target}: cannot be written ({reason}); close it where it is open, then run again with --resume"
        raise OutputError(msg) from error


def _sessions_of_earlier_runs(folder: Path, names: Iterable[str]) -> list[str]:
    """Sessions that are none of this run's and whose corrections, if they have any, stand in one of this run's."""
    own = set(names)
    corrected, damaged = read_sessions(folder / "sessions")
    present = [corrected[name] for name in own if name in corrected]
    return [
        f"sessions/{path.name}"
        for path in sorted((folder / "sessions").glob(f"*{SESSION_SUFFIX}"))
        if path.name not in own
        and path.name not in damaged
        and ".edited" not in path.name
        and (path.name not in corrected or any(s.holds(corrected[path.name]) for s in present))
    ]


def _move_aside(folder: Path, names: Iterable[str]) -> None:
    """Move files of earlier runs into a new folder below ``earlier``, each to its own place there.

    Where one of these folders holds the same files already, byte for byte, they are not kept twice: commands that take
    turns in one folder do not fill the disk.
    """
    there = [name for name in names if is_plain_file(folder / name)]
    if not there:
        return
    base = folder / EARLIER
    kept = [place for place in sorted(base.glob("*")) if place.is_dir() and not is_link(place)]
    same = next((place for place in kept if all(_is_same(folder / name, place / name) for name in there)), None)
    if same is not None:
        for name in there:
            (folder / name).unlink()
        say(f"of an earlier run, kept in {same.relative_to(folder).as_posix()} already: {', '.join(there)}")
        return
    aside = next(place for k in itertools.count(1) if not os.path.lexists(place := base / str(k)))
    for name in there:
        target = aside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(target)
    say(f"of an earlier run, moved to {aside.relative_to(folder).as_posix()}: {', '.join(there)}")


def _is_same(one: Path, other: Path) -> bool:
    return not is_link(other.parent) and is_plain_file(other) and sha256_of(one) == sha256_of(other)
