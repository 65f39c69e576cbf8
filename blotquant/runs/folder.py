"""Writing a results folder: pictures are measured by any number of workers, tables come out in the input's order."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from blotquant.errors import BlotQuantError, OutputError
from blotquant.io.files import sha256_if_read
from blotquant.runs.corrections import Wanted, match_corrections
from blotquant.runs.pictures import Input
from blotquant.runs.store import ChangedError, Part, Store, locked
from blotquant.runs.workers import Outcome, ProgressStyle, progress, run_tasks
from blotquant.settings import Settings
from blotquant.text import guard_cell, say
from blotquant.threads import STAGES

if TYPE_CHECKING:
    from blotquant.runs.manifest import Manifest
    from blotquant.runs.pictures import PictureTask


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Who does the work.

    Attributes
    ----------
    jobs : int
        Worker processes.
    scheduler : str or None
        Address of a dask scheduler, used instead.
    resume : bool
        Whether finished units whose inputs are unchanged are kept.
    time_limit_s : float or None
        Longest time for one unit.
    progress : ProgressStyle
        How progress is shown.
    timings : bool
        Whether seconds of each stage are recorded.
    """

    jobs: int = 1
    scheduler: str | None = None
    resume: bool = False
    time_limit_s: float | None = None
    progress: ProgressStyle = "auto"
    timings: bool = False


TIMINGS = "timings.csv"
"""Seconds of each unit's stages, as they came: no result, so no part of the manifest."""


def summaries(store: Store, keys: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """The summaries of finished units, in order of the input, read from disk one at a time."""
    return (part.summary for key in keys if (part := store.load(key)) is not None)


@dataclass(frozen=True, kw_only=True)
class FolderResult:
    """What a run left in its folder.

    Attributes
    ----------
    files : tuple of pathlib.Path
        The tables written.
    places : tuple of (Store, tuple of str)
        Each results folder and the names of its units, in order of the input; one for each experiment that was run.
    failures : mapping of str to str
        Unit to the line that says why it failed.
    n_kept : int
        Units that `--resume` found finished.
    """

    files: tuple[Path, ...]
    places: tuple[tuple[Store, tuple[str, ...]], ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    n_kept: int = 0

    @property
    def units(self) -> Iterator[Mapping[str, Any]]:
        """The summary of each finished unit, read anew each time: memory does not grow with their number."""
        return itertools.chain.from_iterable(summaries(store, keys) for store, keys in self.places)


class _Task(Protocol):
    @property
    def fingerprint(self) -> str: ...


TaskT = TypeVar("TaskT", bound=_Task)


def measure_folder(
    inputs: Sequence[Input],
    out: Path,
    *,
    settings: Settings | None = None,
    workers: Workers | None = None,
    parquet: bool = False,
) -> FolderResult:
    """Measure pictures and sessions into a results folder.

    Parameters
    ----------
    inputs : sequence of Input
        See `blotquant.runs.pictures.find_inputs`.
    out : pathlib.Path
        The folder: bands.csv, lanes.csv, sessions/, manifest.json. Sessions with hand corrections that lie there are
        kept and used.
    settings : Settings, optional
        Parameters for pictures without a session.
    workers : Workers, optional
        Who does the work.
    parquet : bool
        Whether the tables are written as Parquet too.

    Raises
    ------
    OutputError
        If the folder cannot be written or another process is writing to it.
    """
    from blotquant.runs.manifest import publish
    from blotquant.runs.pictures import measure_picture

    workers, settings = workers or Workers(), settings or Settings()
    used = _without_doubles(inputs)
    with locked(out) as store:
        # Which hand corrections belong to which picture is settled before any work.
        given = [item.path for item in used if item.is_session]
        matched = match_corrections(wanted_sessions(used, settings), out, given=given)
        for note in matched.notes:
            say(f"note: {note}")
        tasks = picture_tasks(used, out, settings, matched.sessions, timings=workers.timings)
        refused = {i.name: matched.refused[i.session_name] for i in used if i.session_name in matched.refused}
        failures, n_kept = run_units(store, measure_picture, tasks, workers=workers, what="pictures", refused=refused)
        # Tables come from the kept parts, in the order of the input, and take their places together.
        names = [path.name for path in assemble_measured(store, tasks, parquet=parquet)]
        manifest = _record(store, tasks, settings, failures)
        publish(store, manifest, sessions=session_names(store, tasks))
        files = tuple(out / name for name in names)
        return FolderResult(files=files, places=((store, tuple(tasks)),), failures=failures, n_kept=n_kept)


def wanted_sessions(inputs: Sequence[Input], settings: Settings) -> list[Wanted]:
    """The pictures that are given without a session, as `match_corrections` asks for them."""
    return [
        Wanted(name=i.name, path=i.path, session_name=i.session_name, page=settings.page, channel=settings.channel)
        for i in inputs
        if not i.is_session
    ]


def picture_tasks(
    inputs: Sequence[Input],
    out: Path,
    settings: Settings,
    corrected: Mapping[str, Path] | None = None,
    *,
    timings: bool = False,
) -> dict[str, PictureTask]:
    """The units of work of some pictures and sessions.

    Parameters
    ----------
    inputs : sequence of Input
        What to measure.
    out : pathlib.Path
        The results folder.
    settings : Settings
        Parameters for pictures without a session.
    corrected : mapping of str to pathlib.Path, optional
        Session name of a picture to the session whose hand corrections it takes.
    timings : bool
        Whether summaries tell the seconds of each stage.
    """
    from blotquant.runs.pictures import PictureTask

    return {
        item.name: PictureTask(
            input=item,
            settings=settings,
            session_folder=(out / "sessions").absolute(),
            session=item.path if item.is_session else (corrected or {}).get(item.session_name),
            timings=timings,
        )
        for item in inputs
    }


def assemble_measured(store: Store, keys: Mapping[str, object], *, parquet: bool = False) -> list[Path]:
    """Make the tables of `measure` ready, in order of the input."""
    from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS

    store.clear_new()
    tables = (("bands", BAND_COLUMNS), ("lanes", LANE_COLUMNS))
    files = [store.assemble(keys, table, list(columns)) for table, columns in tables]
    return [*files, *(write_parquets(files) if parquet else ())]


def write_parquets(files: Iterable[Path]) -> list[Path]:
    """Write the csv tables among some files again as Parquet, beside them."""
    from blotquant.export.workbook import write_parquet

    return [write_parquet(path) for path in files if path.suffix == ".csv"]


def session_names(store: Store, keys: Mapping[str, object]) -> list[str]:
    """File names of the sessions that finished units left."""
    parts = (store.load(key) for key in keys)
    return [name for part in parts if part is not None for name in part.sessions]


def _record(
    store: Store, tasks: Mapping[str, PictureTask], settings: Settings, failures: Mapping[str, str]
) -> Manifest:
    from blotquant.runs.manifest import input_record, make_manifest
    from blotquant.session.image_reference import find_image
    from blotquant.session.session import load_session

    inputs, out = [], store.folder
    for key, task in tasks.items():
        part = store.load(key)
        checksum = part.summary["pictures"][0]["sha256"] if part is not None else None
        path = task.input.path
        if not task.input.is_session:
            inputs.append(input_record("picture", path, out, name=key, sha256=checksum))
            continue
        inputs.append(input_record("session", path, out, name=key))
        if part is not None:
            picture = find_image(load_session(path).image, path.parent)
            inputs.append(input_record("picture of session", picture, out, sha256=checksum))
    return make_manifest("measure", settings=settings.flat(), inputs=inputs, units=tasks, failed=failures)


def run_units(
    store: Store,
    function: Callable[[TaskT], Part],
    tasks: Mapping[str, TaskT],
    *,
    workers: Workers,
    what: str,
    refused: Mapping[str, str] | None = None,
) -> tuple[dict[str, str], int]:
    """Carry out tasks, keep each part as it comes, and return the failures and how many were already finished.

    Units that are refused fail with the line that says why, without being tried.
    """
    failures = dict(refused or {})
    # What is refused leaves no part of an earlier run behind.
    for key in failures:
        store.forget(key)
    waiting = {key: task for key, task in tasks.items() if key not in failures}
    n_wanted = len(waiting)
    # Resuming keeps a part whose picture, corrections, settings and code are the same.
    if workers.resume:
        waiting = {key: task for key, task in waiting.items() if not _is_finished(store, key, task)}
    keys = list(waiting)
    with ExitStack() as stack:
        note = stack.enter_context(_timings(store.folder / TIMINGS)) if workers.timings else None
        step = stack.enter_context(progress(len(waiting), what=what, style=workers.progress))
        outcomes = run_tasks(
            function,
            waiting.values(),
            jobs=workers.jobs,
            scheduler=workers.scheduler,
            time_limit_s=workers.time_limit_s,
        )
        # Closed even if writing fails or a hand interrupts: no worker outlives the run.
        stack.enter_context(closing(outcomes))
        for outcome in outcomes:
            # Each part is kept as it comes, so that a stopped run loses only what is under way.
            key, started = keys[outcome.index], time.perf_counter()
            error = outcome.error if outcome.value is None else _keep(store, outcome.value)
            if error is not None or outcome.value is None:
                failures[key] = error or "failed"
                store.forget(key)
            if note is not None:
                note(outcome, time.perf_counter() - started)
            step(key, error)
    ordered = {key: failures[key] for key in tasks if key in failures}
    return ordered, n_wanted - len(waiting)


@contextmanager
def _timings(path: Path) -> Iterator[Callable[[Outcome[Any, Part], float], None]]:
    """Write the seconds of each unit as it comes: its stages, saving it, and all of it as the parent saw it."""
    import csv

    try:
        path.unlink(missing_ok=True)  # a link in its place is removed, not followed
        stream = path.open("x", encoding="utf-8", newline="")
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror or error})"
        raise OutputError(msg) from error
    with stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["unit", *(f"{name}_s" for name in STAGES), "write_s", "elapsed_s"])

        def note(outcome: Outcome[Any, Part], saving: float) -> None:
            part = outcome.value
            seconds = {} if part is None else part.summary.get("timings_s", {})
            unit = part.key if part is not None else getattr(outcome.task, "key", "")
            stages = [f"{seconds[name]:.6f}" if name in seconds else "" for name in STAGES]
            writer.writerow([guard_cell(unit), *stages, f"{saving:.6f}", f"{outcome.seconds:.6f}"])

        yield note


def _keep(store: Store, part: Part) -> str | None:
    """Save a part; the line that says why not, if its sessions were changed meanwhile."""
    try:
        store.save(part)
    except ChangedError as error:
        return str(error)
    return None


def _is_finished(store: Store, key: str, task: _Task) -> bool:
    try:
        return store.load(key, fingerprint=task.fingerprint) is not None
    except (OSError, BlotQuantError):
        return False  # the picture or its session cannot be read: let the worker say so


def _without_doubles(inputs: Sequence[Input]) -> list[Input]:
    """Leave out a picture whose session is given too, known by its checksum: the session has its corrections."""
    from blotquant.session.session import load_session

    checksums = set()
    for item in inputs:
        if item.is_session:
            with suppress(BlotQuantError):  # its own unit of work will say what is wrong with it
                checksums.add(load_session(item.path).image.sha256)
    return [item for item in inputs if item.is_session or not checksums or sha256_if_read(item.path) not in checksums]
