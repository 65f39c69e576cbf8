"""Writing a results folder: pictures are measured by any number of workers, tables come out in the input's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from blotquant.batch import run_tasks
from blotquant.console import ProgressStyle, progress
from blotquant.errors import BlotQuantError
from blotquant.inputs import Input
from blotquant.settings import Settings
from blotquant.store import Part, Store, locked


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


@dataclass(frozen=True, kw_only=True)
class FolderResult:
    """What a run left in its folder.

    Attributes
    ----------
    files : tuple of pathlib.Path
        The tables written.
    units : tuple of mapping
        The summary of each finished unit, in order of the input.
    failures : mapping of str to str
        Unit to the line that says why it failed.
    n_kept : int
        Units that `--resume` found finished.
    """

    files: tuple[Path, ...]
    units: tuple[Mapping[str, Any], ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    n_kept: int = 0


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
) -> FolderResult:
    """Measure pictures and sessions into a results folder.

    Parameters
    ----------
    inputs : sequence of Input
        See `blotquant.inputs.find_inputs`.
    out : pathlib.Path
        The folder: bands.csv, lanes.csv, sessions/. Sessions with hand corrections that lie there are kept and used.
    settings : Settings, optional
        Parameters for pictures without a session.
    workers : Workers, optional
        Who does the work.

    Raises
    ------
    OutputError
        If the folder cannot be written or another process is writing to it.
    """
    from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS
    from blotquant.work import PictureTask, measure_picture

    workers = workers or Workers()
    used = _without_doubles(inputs)
    with locked(out) as store:
        tasks = {
            item.name: PictureTask(
                input=item,
                settings=settings or Settings(),
                session_folder=(out / "sessions").absolute(),
                session=None if item.is_session else (out / "sessions" / item.session_name).absolute(),
                timings=workers.timings,
            )
            for item in used
        }
        failures, n_kept = run_units(store, measure_picture, tasks, workers=workers, what="pictures")
        files = tuple(
            store.assemble(tasks, table, header=",".join(columns) + "\n")
            for table, columns in (("bands", BAND_COLUMNS), ("lanes", LANE_COLUMNS))
        )
        return FolderResult(files=files, units=tuple(summaries(store, tasks)), failures=failures, n_kept=n_kept)


def run_units(
    store: Store,
    function: Callable[[TaskT], Part],
    tasks: Mapping[str, TaskT],
    *,
    workers: Workers,
    what: str,
) -> tuple[dict[str, str], int]:
    """Carry out tasks, keep each part as it comes, and return the failures and how many were already finished."""
    failures: dict[str, str] = {}
    waiting = dict(tasks)
    if workers.resume:
        waiting = {key: task for key, task in tasks.items() if not _is_finished(store, key, task)}
    keys = list(waiting)
    with progress(len(waiting), what=what, style=workers.progress) as step:
        outcomes = run_tasks(
            function,
            waiting.values(),
            jobs=workers.jobs,
            scheduler=workers.scheduler,
            time_limit_s=workers.time_limit_s,
        )
        for outcome in outcomes:
            key = keys[outcome.index]
            if outcome.value is not None:
                store.save(outcome.value)
            else:
                failures[key] = outcome.error or "failed"
                store.save(Part(key=key, fingerprint="", error=failures[key]))
            step(key, outcome.error)
    ordered = {key: failures[key] for key in tasks if key in failures}
    return ordered, len(tasks) - len(waiting)


def _is_finished(store: Store, key: str, task: _Task) -> bool:
    try:
        return store.load(key, fingerprint=task.fingerprint) is not None
    except OSError:
        return False  # the picture cannot be read: let the worker say so


def summaries(store: Store, keys: Mapping[str, object]) -> Iterator[Mapping[str, Any]]:
    """Summaries of the finished units, one at a time."""
    for key in keys:
        part = store.load(key)
        if part is not None:
            yield part.summary


def _without_doubles(inputs: Sequence[Input]) -> list[Input]:
    """Leave out a picture whose session is given too: the session has its corrections."""
    from blotquant.session import load_session

    pictures_of_sessions = set()
    for item in inputs:
        if item.is_session:
            try:
                pictures_of_sessions.add((item.path.parent / load_session(item.path).image.path).resolve())
            except BlotQuantError:
                continue  # its own task will say what is wrong with it
    return [item for item in inputs if item.is_session or item.path.resolve() not in pictures_of_sessions]
