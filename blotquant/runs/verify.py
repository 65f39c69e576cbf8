"""Do a finished analysis again from the original files and say whether the results folder still holds the same.

First the record: is every file the one that was written, is any missing or new, are the originals the ones that were
measured, is each history unbroken. Then the numbers: everything is read, found, weighed, normalised and compared
again, with the recorded settings and the hand corrections of the sessions, and laid beside what the folder holds.
The folder itself is only read.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from blotquant.errors import BlotQuantError, SessionError
from blotquant.io.bounded import is_file
from blotquant.io.files import sha256_of
from blotquant.runs.differences import Finding, compare_files
from blotquant.runs.folder import Workers, run_units
from blotquant.runs.manifest import MANIFEST, InputRecord, Manifest, inspect_manifest, result_files
from blotquant.runs.store import Store
from blotquant.session.canonical_json import nest_settings
from blotquant.session.session import SESSION_SUFFIX, load_session, software_versions

if TYPE_CHECKING:
    from blotquant.settings import Settings

OTHER_VERSIONS_TOLERANCE = 1e-9
"""Relative difference of numbers that another version of a library may bring."""


def verify_folder(out: Path, *, images: Path | None = None) -> list[Finding]:
    """Check a results folder, or every one of several experiments' folders below it.

    Parameters
    ----------
    out : pathlib.Path
        What `measure` or `run` wrote. Nothing in it is changed.
    images : pathlib.Path, optional
        Folder where the originals (pictures, sessions, experiment file) lie now, if they were moved apart from the
        results; they are looked for by their recorded paths when it is not given.

    Returns
    -------
    list of Finding
        Empty if every file is as it was written and every number comes out the same.

    Raises
    ------
    SessionError
        If there is no manifest to go by, or a newer version wrote it.
    """
    folders = [out] if (out / MANIFEST).exists() else sorted(path.parent for path in out.glob(f"*/{MANIFEST}"))
    if not folders:
        inspect_manifest(out)  # says what is missing
    findings = []
    for folder in folders:
        prefix = "" if folder == out else folder.name + "/"
        findings += [replace(finding, file=prefix + finding.file) for finding in _verify_one(folder, images)]
    return findings


def _verify_one(out: Path, images: Path | None) -> list[Finding]:
    try:
        manifest, whole = inspect_manifest(out)
    except SessionError as error:
        return [Finding(file=MANIFEST, what=str(error).removeprefix(f"{MANIFEST}: "))]
    changed = Finding(file=MANIFEST, what="changed since it was written: its seal does not fit its content")
    findings = ([] if whole else [changed]) + check_record(out, manifest, images=images)
    with tempfile.TemporaryDirectory(prefix="blotquant_verify_") as temporary:
        try:
            again = recompute(manifest, out, Path(temporary), images=images)
        except (BlotQuantError, OSError) as error:
            text = " ".join(str(error).split())
            return [*findings, Finding(file=MANIFEST, what=f"nothing could be recomputed: {text}")]
        return findings + compare_again(out, manifest, again)


def check_record(out: Path, manifest: Manifest, *, images: Path | None = None) -> list[Finding]:
    """Check a folder against its manifest without measuring anything.

    Parameters
    ----------
    out : pathlib.Path
        The results folder.
    manifest : Manifest
        Its record.
    images : pathlib.Path, optional
        As for `verify_folder`.

    Returns
    -------
    list of Finding
        Changed, missing and additional files, changed or missing originals, broken histories.
    """
    return [
        *_check_files(out, {**manifest.outputs, **manifest.kept}),
        *_check_additional(out, manifest),
        *_check_parts(out, manifest),
        *_check_originals(out, manifest, images),
        *_check_histories(out, manifest),
    ]


def _check_files(out: Path, checksums: Mapping[str, str]) -> Iterator[Finding]:
    for name, checksum in checksums.items():
        path = out / name
        if not is_file(path):
            yield Finding(file=name, what="missing")
        elif sha256_of(path) != checksum:
            yield Finding(file=name, what="changed since the results were written")


def _check_additional(out: Path, manifest: Manifest) -> Iterator[Finding]:
    known = {*manifest.outputs, *manifest.kept, *(record.path for record in manifest.inputs)}
    for name in result_files(out):
        if name not in known:
            yield Finding(file=name, what="additional: it does not belong to these results")


def _check_parts(out: Path, manifest: Manifest) -> Iterator[Finding]:
    store = Store(out)
    for unit in manifest.units:
        if unit.part and store.digest(unit.name) != unit.part:
            yield Finding(file=".blotquant", where=unit.name, what="its working file was changed, or is gone")


def _check_originals(out: Path, manifest: Manifest, images: Path | None) -> Iterator[Finding]:
    for record in manifest.inputs:
        path = find_original(record, out, images)
        if record.role == "session" and record.path in manifest.outputs:
            continue  # a session of these results, looked at as such
        if not is_file(path):
            if record.sha256:
                yield Finding(file=record.path, what="the original is missing; say where it is with --images")
        elif not record.sha256:
            yield Finding(file=record.path, what="the original could not be read then, and is there now")
        elif (now := sha256_of(path)) != record.sha256:
            what = f"the original {record.role} is another file"
            yield Finding(file=record.path, what=what, recorded=record.sha256, recomputed=now)


def _check_histories(out: Path, manifest: Manifest) -> Iterator[Finding]:
    for name in {**manifest.outputs, **manifest.kept}:
        if not name.endswith(SESSION_SUFFIX) or not is_file(out / name):
            continue
        try:
            history = load_session(out / name).history
        except SessionError as error:
            yield Finding(file=name, what=" ".join(str(error).split()))
            continue
        for problem in history.verify_chain():
            yield Finding(file=name, where="history", what=problem)


def find_original(record: InputRecord, out: Path, images: Path | None) -> Path:
    """Where an input lies: by its path from the results, or by its name in the folder that the user gave."""
    if images is None:
        return out / record.path
    plain = Path(record.path).name
    return next((p for p in (images / record.name, images / plain) if is_file(p)), images / plain)


@dataclass(frozen=True, kw_only=True)
class Again:
    """A results folder made again.

    Attributes
    ----------
    store : Store
        Where; tables, workbook and report wait in `Store.new`.
    failures : mapping of str to str
        Units that could not be measured, and why.
    moved : bool
        Whether originals were found elsewhere than recorded, so that paths in new sessions are others.
    """

    store: Store
    failures: Mapping[str, str]
    moved: bool


def recompute(manifest: Manifest, out: Path, into: Path, *, images: Path | None = None) -> Again:
    """Measure, normalise and compare everything again, into another folder.

    Parameters
    ----------
    manifest : Manifest
        What was done.
    out : pathlib.Path
        The results folder; its sessions' hand corrections are used.
    into : pathlib.Path
        An empty folder.
    images : pathlib.Path, optional
        As for `verify_folder`.

    Raises
    ------
    BlotQuantError
        If the experiment cannot be read.
    """
    store, settings = Store(into), _settings(manifest)
    if manifest.command == "measure":
        failures = _measure_again(manifest, out, store, settings, images)
    else:
        failures = _run_again(manifest, out, store, settings, images)
    return Again(store=store, failures=failures, moved=images is not None)


def _settings(manifest: Manifest) -> Settings:
    from pydantic import ValidationError

    from blotquant.settings import explain_validation

    try:
        return nest_settings(manifest.settings)
    except ValidationError as error:
        raise SessionError(explain_validation(error, where=f"{MANIFEST}: settings")) from None


def _measure_again(
    manifest: Manifest, out: Path, store: Store, settings: Settings, images: Path | None
) -> dict[str, str]:
    from blotquant.runs.folder import assemble_measured, picture_tasks
    from blotquant.runs.inputs import Input
    from blotquant.runs.pictures import measure_picture

    records = manifest.inputs_as("picture", "session")
    inputs = [Input(find_original(record, out, images).absolute(), record.name) for record in records]
    tasks = picture_tasks(inputs, out, settings)
    failures, _ = run_units(store, measure_picture, tasks, workers=_ALONE, what="pictures")
    assemble_measured(store, tasks)
    return failures


def _run_again(manifest: Manifest, out: Path, store: Store, settings: Settings, images: Path | None) -> dict[str, str]:
    from blotquant.experiment.read import read_experiment
    from blotquant.runs.membranes import measure_membrane
    from blotquant.runs.study import assemble_run, membrane_tasks, write_figures_of

    [record] = manifest.inputs_as("experiment")
    experiment = read_experiment(find_original(record, out, images))
    tasks = membrane_tasks(experiment, settings, (out / "sessions").absolute())
    failures, _ = run_units(store, measure_membrane, tasks, workers=_ALONE, what="membranes")
    assemble_run(experiment, store, tasks, settings=settings, failures=failures)
    # An original or a session that is not what it was is told elsewhere.
    with contextlib.suppress(BlotQuantError):
        write_figures_of(experiment, store, settings=settings, folder=out)
    return failures


_ALONE = Workers(progress="none")


def compare_again(out: Path, manifest: Manifest, again: Again) -> list[Finding]:
    """Lay a folder beside the same results made again.

    Returns
    -------
    list of Finding
        Units that fail now or failed then, and every value that differs, with both.
    """
    versions = software_versions()
    recorded_versions = manifest.versions
    changed = [f"{k} {recorded_versions.get(k)}" for k in versions if recorded_versions.get(k) != versions[k]]
    tolerance = OTHER_VERSIONS_TOLERANCE if changed else 0.0
    findings = list(_compare_units(manifest, again))
    for name in sorted(manifest.outputs, key=lambda name: (name.startswith("."), name)):
        recorded, new = out / name, _made_again(again, name)
        if not is_file(recorded) or new is None:
            continue
        a, b = recorded.read_bytes(), new.read_bytes()
        if a != b and name.endswith(SESSION_SUFFIX):
            a, b = (_comparable(text, moved=again.moved, other_versions=bool(changed)) for text in (a, b))
        findings += compare_files(name, a, b, tolerance=tolerance)
    if not changed and not again.moved:
        findings += _compare_parts(out, manifest, again)
    if findings and changed:
        what = f"written with other versions ({', '.join(changed)}); numbers may differ for that reason alone"
        findings.append(Finding(file=MANIFEST, what=what))
    return findings


def _compare_units(manifest: Manifest, again: Again) -> Iterator[Finding]:
    for unit in manifest.units:
        reason = again.failures.get(unit.name)
        if reason is not None and not unit.failed:
            yield Finding(file=unit.name, what=f"can no longer be measured: {' '.join(reason.split())}")
        elif reason is None and unit.failed:
            yield Finding(file=unit.name, what="could not be measured then, and can be now")


def _made_again(again: Again, name: str) -> Path | None:
    places = (again.store.new / name, again.store.folder / name)
    return next((path for path in places if is_file(path)), None)


def _comparable(text: bytes, *, moved: bool, other_versions: bool) -> bytes:
    """A session without what may rightly differ: the path of a picture that was moved, and versions."""
    try:
        data = json.loads(text)
        if moved:
            data["image"]["path"] = ""
        if other_versions:
            data["versions"] = {}
    except (ValueError, KeyError, TypeError, RecursionError):
        return text  # damaged: the comparison says so
    return json.dumps(data).encode()


def _compare_parts(out: Path, manifest: Manifest, again: Again) -> Iterator[Finding]:
    """The working files, from which `--resume` would put the tables together."""
    recorded = Store(out)
    for unit in manifest.units:
        if recorded.digest(unit.name) != again.store.digest(unit.name) and not unit.failed:
            yield Finding(file=".blotquant", where=unit.name, what="its working file differs from what is recomputed")
