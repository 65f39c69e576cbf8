"""Make the results of a folder again, from the original files and the hand corrections, into another folder."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pydantic import ValidationError

from blotquant.errors import BlotQuantError, SessionError
from blotquant.io.files import is_file
from blotquant.runs.corrections import Wanted, match_corrections, read_sessions
from blotquant.runs.differences import Finding
from blotquant.runs.folder import Workers, run_units, summaries
from blotquant.runs.manifest import MANIFEST, InputRecord, Manifest
from blotquant.runs.store import Store
from blotquant.session.image_reference import existing
from blotquant.settings import Settings, explain_validation

_ALONE = Workers(progress="none")


def recompute(manifest: Manifest, out: Path, into: Path, *, images: Path | None = None) -> list[Finding]:
    """Measure, normalise and compare everything again, into another folder.

    Parameters
    ----------
    manifest : Manifest
        What was done.
    out : pathlib.Path
        The results folder; its sessions' hand corrections are used.
    into : pathlib.Path
        An empty folder. Tables, workbook and report wait in its `Store.new`, figures and sessions lie in their folders.
    images : pathlib.Path, optional
        Where the originals lie now, if they were moved apart from the results.

    Returns
    -------
    list of Finding
        Units that fail now or failed then, and corrections that the next run would use and these results lack.

    Raises
    ------
    BlotQuantError
        If the experiment cannot be read.
    """
    # Everything by the recorded parameters and the corrections that lie in the folder.
    store, settings = Store(into), recorded_settings(manifest)
    make = _measure_again if manifest.command == "measure" else _run_again
    failures, wanted = make(manifest, out, store, settings, images)
    findings = []
    for unit in manifest.units:
        reason = failures.get(unit.name)
        if reason is not None and not unit.failed:
            what = f"can no longer be measured: {' '.join(reason.split())}"
            findings.append(Finding(file=unit.name, what=what))
        elif reason is None and unit.failed:
            findings.append(Finding(file=unit.name, what="could not be measured then, and can be now"))
    # Corrections of these pictures may lie under other names or in other places.
    matched = match_corrections(wanted, out, make_way=False)
    for name, path in matched.sessions.items():
        if path != out / "sessions" / name:
            what = f"lacks the hand corrections in {path.resolve()}; run again to use them"
            findings.append(Finding(file=f"sessions/{name}", what=what))
    return findings + [Finding(file=f"sessions/{name}", what=why) for name, why in matched.refused.items()]


def find_original(record: InputRecord, out: Path, images: Path | None) -> Path:
    """Where an input lies: by its path from the results, or by its name in the folder that the user gave."""
    if images is None:
        return existing(out / record.path)
    plain = Path(record.path).name
    places = map(existing, (images / record.name, images / plain))
    return next((place for place in places if is_file(place)), images / plain)


def recorded_settings(manifest: Manifest) -> Settings:
    """The parameters that a manifest records.

    Raises
    ------
    SessionError
        If one of them is none.
    """
    try:
        return Settings.from_flat(manifest.settings)
    except ValidationError as error:
        raise SessionError(explain_validation(error, where=f"{MANIFEST}: settings")) from None


def _own_corrections(out: Path) -> dict[str, Path]:
    return {name: session.path for name, session in read_sessions(out / "sessions")[0].items()}


def _measure_again(
    manifest: Manifest, out: Path, store: Store, settings: Settings, images: Path | None
) -> tuple[dict[str, str], list[Wanted]]:
    from blotquant.runs.folder import assemble_measured, picture_tasks, wanted_sessions
    from blotquant.runs.pictures import Input, measure_picture

    records = manifest.inputs_as("picture", "session")
    inputs = [Input(find_original(record, out, images).absolute(), record.name) for record in records]
    tasks = picture_tasks(inputs, out, settings, _own_corrections(out))
    failures, _ = run_units(store, measure_picture, tasks, workers=_ALONE, what="pictures")
    assemble_measured(store, tasks)
    return failures, wanted_sessions(inputs, settings)


def _run_again(
    manifest: Manifest, out: Path, store: Store, settings: Settings, images: Path | None
) -> tuple[dict[str, str], list[Wanted]]:
    from blotquant.experiment.read import read_experiment
    from blotquant.runs.membranes import measure_membrane, membrane_tasks
    from blotquant.runs.panels import write_figures_of
    from blotquant.runs.study import assemble_run, wanted_sessions

    records = manifest.inputs_as("experiment")
    if len(records) != 1:
        msg = f"{MANIFEST}: names {len(records)} experiment files, one is right"
        raise SessionError(msg)
    experiment = read_experiment(find_original(records[0], out, images))
    tasks = membrane_tasks(experiment, settings, (out / "sessions").absolute(), _own_corrections(out))
    failures, _ = run_units(store, measure_membrane, tasks, workers=_ALONE, what="membranes")
    _, tables = assemble_run(experiment, store, tasks, settings=settings, failures=failures)
    # An original or a session that is not what it was is told elsewhere.
    with contextlib.suppress(BlotQuantError):
        write_figures_of(experiment, store, tables, summaries(store, tasks), folder=out)
    return failures, wanted_sessions(experiment)
