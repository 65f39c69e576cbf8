"""What a results folder was made from: ``manifest.json`` with every input and output and its checksum.

It is written last. Whoever reads a folder can tell whether a file in it is the one that was written, whether the
originals are the ones that were measured, and what is needed to do it all again. The manifest holds no clock time and
no absolute path where a relative one exists, so that equal work gives equal bytes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from blotquant.errors import OutputError, SessionError
from blotquant.io.bounded import read_bounded
from blotquant.io.files import atomic_write, sha256_of
from blotquant.runs.store import Store, keep_aside
from blotquant.session.canonical_json import canonical_text
from blotquant.session.history import adapter_of, canonical_json, parse_json
from blotquant.session.session import SESSION_SUFFIX, relative_path, software_versions
from blotquant.settings import explain_validation

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
MAX_BYTES = 512 << 20
RESULT_SUFFIXES = frozenset({".csv", ".xlsx", ".html", ".parquet"})
"""Endings of what blotquant writes, sessions and the manifest aside."""
NO_RESULTS = frozenset({"timings.csv"})
"""What tells about the run and not about the blots; no two runs write the same."""

PRIVATE_TABLES: Mapping[str, tuple[str, ...]] = {"measure": (), "run": ("alternatives",)}
"""Tables on the way to others, which lie beside the parts."""

Role = Literal["experiment", "samples", "picture", "session", "picture of session", "dilution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """One file that a run read.

    Attributes
    ----------
    role : {"experiment", "samples", "picture", "session", "picture of session"}
        What it was read as.
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
    """One unit of work: its name, the digest of the part it left, and whether it failed."""

    name: str
    part: str
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
    kept : mapping of str to str
        The same of files that an earlier run or a person left there and this run did not touch.
    """

    command: Literal["measure", "run"]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    inputs: tuple[InputRecord, ...]
    units: tuple[UnitRecord, ...]
    outputs: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)

    def inputs_as(self, *roles: Role) -> tuple[InputRecord, ...]:
        """The inputs of these roles."""
        return tuple(record for record in self.inputs if record.role in roles)


def input_record(role: Role, path: Path, folder: Path, *, name: str = "", sha256: str | None = None) -> InputRecord:
    """Note a file that was read, as seen from the results folder; its checksum is computed unless it is known."""
    if sha256 is None:
        try:
            sha256 = sha256_of(path)
        except OSError:
            sha256 = ""
    return InputRecord(role=role, name=name or path.name, path=relative_path(path, folder), sha256=sha256)


def make_manifest(
    command: Literal["measure", "run"],
    store: Store,
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
        units=tuple(UnitRecord(name=key, part=store.digest(key), failed=key in failures) for key in units),
    )


def manifest_text(manifest: Manifest) -> str:
    """A manifest as canonical JSON, one input or unit a line, sealed with the checksum of its own content."""
    data: dict[str, Any] = {f.name: getattr(manifest, f.name) for f in fields(manifest)}
    data["inputs"] = [{f.name: getattr(r, f.name) for f in fields(r)} for r in manifest.inputs]
    data["units"] = [{f.name: getattr(r, f.name) for f in fields(r)} for r in manifest.units]
    data["schema_version"] = MANIFEST_VERSION
    data["seal"] = hashlib.sha256(canonical_json(data).encode("utf-8")).hexdigest()
    return canonical_text(data)


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest.

    Raises
    ------
    SessionError
        If there is none, it was changed by a single byte, or a newer version wrote it.
    """
    manifest, whole = inspect_manifest(folder)
    if not whole:
        msg = f"{MANIFEST}: was changed after it was written (its seal does not fit its content)"
        raise SessionError(msg)
    return manifest


def inspect_manifest(folder: Path) -> tuple[Manifest, bool]:
    """Read what a manifest says, and whether it is byte for byte as it was written.

    Raises
    ------
    SessionError
        If there is none, it cannot be read, or a newer version wrote it.
    """
    try:
        text = read_bounded(folder / MANIFEST, MAX_BYTES).decode("utf-8")
        data = parse_json(text)
    except FileNotFoundError:
        msg = f"{folder}: has no {MANIFEST}, which would say what it was made from; run again into this folder"
        raise SessionError(msg) from None
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{MANIFEST}: damaged ({error})"
        raise SessionError(msg) from None
    manifest = _build(data)
    return manifest, manifest_text(manifest) == text


def _build(data: Any) -> Manifest:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or version < 1:
        msg = f"{MANIFEST}: not a manifest of blotquant (it has no schema_version)"
        raise SessionError(msg)
    if version > MANIFEST_VERSION:
        msg = f"{MANIFEST}: written by a newer blotquant (schema {version}, this one reads {MANIFEST_VERSION}); update"
        raise SessionError(msg)
    plain = {key: value for key, value in data.items() if key not in ("schema_version", "seal")}
    try:
        manifest: Manifest = adapter_of(Manifest).validate_python(plain)
    except ValidationError as error:
        raise SessionError(explain_validation(error, where=f"{MANIFEST}: damaged")) from None
    return manifest


def publish(store: Store, manifest: Manifest, *, sessions: Iterable[str]) -> Manifest:
    """Move what was made ready to its place, then write the manifest.

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
    folder = store.folder
    store.flush()
    old = _known(folder)
    below = (path.relative_to(store.new).as_posix() for path in store.new.rglob("*") if path.is_file())
    ready = sorted(name for name in below if name != MANIFEST)
    standing = [f"sessions/{name}" for name in sorted(sessions)]
    standing += [f".blotquant/{name}.csv" for name in PRIVATE_TABLES[manifest.command]]
    outputs = {name: sha256_of(store.new / name) for name in ready}
    outputs |= {name: sha256_of(folder / name) for name in standing}
    atomic_write(store.new / MANIFEST, manifest_text(replace(manifest, outputs=outputs)))
    for name in ready:
        _move(store.new / name, folder / name, known={*old.get(name, ()), outputs[name]})
    left = {name: sha256_of(folder / name) for name in _left(folder, manifest, outputs)}
    complete = replace(manifest, outputs=outputs, kept=left)
    atomic_write(folder / MANIFEST, manifest_text(complete))
    shutil.rmtree(store.new)
    return complete


def add_outputs(folder: Path, names: Iterable[str]) -> None:
    """Take further files of a finished folder into its manifest."""
    manifest = read_manifest(folder)
    more = {name: sha256_of(folder / name) for name in names}
    outputs = {**manifest.outputs, **more}
    kept = {name: sha for name, sha in manifest.kept.items() if name not in outputs}
    atomic_write(folder / MANIFEST, manifest_text(replace(manifest, outputs=outputs, kept=kept)))


def _known(folder: Path) -> dict[str, set[str]]:
    """Checksums of what blotquant wrote here: in the last finished run, and in one that was stopped meanwhile."""
    known: dict[str, set[str]] = {}
    for place in (folder, folder / ".blotquant" / "new"):
        try:
            manifest = read_manifest(place)
        except SessionError:
            continue
        for name, checksum in (*manifest.outputs.items(), *manifest.kept.items()):
            known.setdefault(name, set()).add(checksum)
    return known


def _move(ready: Path, target: Path, *, known: set[str]) -> None:
    try:
        target.parent.mkdir(exist_ok=True)
        if target.is_file() and sha256_of(target) not in known:
            keep_aside(target)
        ready.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{target}: cannot be written ({reason}); close it where it is open, then run again with --resume"
        raise OutputError(msg) from error


def _left(folder: Path, manifest: Manifest, outputs: Mapping[str, str]) -> list[str]:
    """Results of earlier runs and kept copies that these results do not contain."""
    read = {record.path for record in manifest.inputs}
    return [name for name in result_files(folder) if name not in outputs and name not in read]


def result_files(folder: Path) -> list[str]:
    """Every file of a folder that blotquant may have written, by its path in it."""
    here = (path for path in folder.iterdir() if path.name not in NO_RESULTS)
    tables = [path for path in here if path.suffix in RESULT_SUFFIXES and path.is_file()]
    sessions = [path for path in folder.glob(f"sessions/*{SESSION_SUFFIX}") if path.is_file()]
    private = [path for path in (folder / ".blotquant").glob("*.csv") if path.is_file()]
    figures = [path for path in folder.glob("figures/*") if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in (*tables, *sessions, *private, *figures))
