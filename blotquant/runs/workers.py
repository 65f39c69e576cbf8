"""Many tasks on many workers: in this process, in worker processes, or on a dask cluster.

The same function gives the same result wherever it runs. A task that fails, dies or never ends costs itself alone
and is named; the others go on. Only a window of tasks is under way at once, so memory does not grow with their
number.

Own worker processes, as pebble keeps them.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from pebble import ProcessPool

from blotquant.errors import BlotQuantError


class QuietPool(ProcessPool):
    """A pool that ends its workers before the channel to them.

    Where the last task was stopped or killed its worker, another one is just starting in its place. If the channel went
    first, as in pebble, that worker would find it gone and say so with a traceback, though nothing is wrong.
    """

    def _stop_pool(self) -> None:
        if self._pool_manager_loop is not None:
            self._pool_manager_loop.join()
            self._pool_manager.worker_manager.force_stop_workers()
        super()._stop_pool()  # type: ignore[no-untyped-call]


_log = logging.getLogger(__name__)

TaskT = TypeVar("TaskT")
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[TaskT, ValueT]):
    """What became of one task.

    Attributes
    ----------
    index : int
        Its place among the tasks, from 0.
    task : object
        The task.
    value : object or None
        What the function returned; None where it failed.
    error : str or None
        One line that says why it failed.
    seconds : float
        Wall time until its result came back, waiting for a free worker left out as far as that is known.
    """

    index: int
    task: TaskT
    value: ValueT | None = None
    error: str | None = None
    seconds: float = 0.0


class SchedulerLostError(BlotQuantError):
    """The dask scheduler went away while tasks were under way; whatever was finished is kept."""


class _Workers(Protocol):
    window: int

    @property
    def pulse_s(self) -> float | None: ...

    def submit(self, function: Callable[[Any], Any], task: Any) -> Future[Any]: ...

    def flush(self) -> None:
        """Start on what was submitted since the last time."""

    def check(self) -> None:
        """Look after tasks that do not come to an end by themselves; called about every `pulse_s` seconds."""

    def close(self, *, at_once: bool) -> None: ...


def run_tasks(
    function: Callable[[TaskT], ValueT],
    tasks: Iterable[TaskT],
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    time_limit_s: float | None = None,
) -> Generator[Outcome[TaskT, ValueT]]:
    """Run a function over tasks and yield each outcome as it comes.

    Parameters
    ----------
    function : callable
        Of one task; at module level, so that other processes can import it.
    tasks : iterable
        Small picklable values; taken up a window at a time.
    jobs : int
        Worker processes, 1 or more. With 1 and no time limit everything runs in this process.
    scheduler : str, optional
        Address of a dask scheduler; `jobs` is then that cluster's matter.
    time_limit_s : float, optional
        A task that takes longer is stopped and fails. It needs worker processes, which it starts; on a cluster the
        worker is restarted, which works where workers have nannies (dask's default).

    Yields
    ------
    Outcome
        In order of completion.

    Raises
    ------
    ValueError
        If `jobs` is below 1 or the time limit is not positive.
    BlotQuantError
        If the scheduler cannot be reached, or goes away.
    """
    if jobs < 1:
        msg = f"jobs must be at least 1, got {jobs}"
        raise ValueError(msg)
    if time_limit_s is not None and time_limit_s <= 0:
        msg = f"the time limit must be above 0 s, got {time_limit_s}"
        raise ValueError(msg)
    if scheduler is None and jobs == 1 and time_limit_s is None:
        yield from _run_here(function, tasks)
        return
    workers: _Workers = _Processes(jobs, time_limit_s)
    if scheduler is not None:
        from blotquant.runs.cluster import Cluster

        workers = Cluster(scheduler, time_limit_s=time_limit_s)
    finished = False
    try:
        yield from _run_window(function, tasks, workers, time_limit_s=time_limit_s)
        finished = True
    finally:
        workers.close(at_once=not finished)


def describe_failure(error: BaseException, *, time_limit_s: float | None = None) -> str:
    """One line for a failed task: expected errors in their own words, others with their type."""
    if isinstance(error, BlotQuantError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"stopped after {time_limit_s:g} s, the time limit" if time_limit_s else "stopped: it took too long"
    if isinstance(error, MemoryError):
        return "not enough memory"
    kind = type(error).__name__
    if kind in ("ProcessExpired", "BrokenProcessPool"):
        return "its worker process died (killed, or out of memory)"
    if kind == "KilledWorker":
        return "its worker died each time it was tried (killed, or out of memory; see dask's allowed-failures)"
    text = " ".join(str(error).split())
    return f"{kind}: {text}" if text else kind


def _run_here(function: Callable[[TaskT], ValueT], tasks: Iterable[TaskT]) -> Iterator[Outcome[TaskT, ValueT]]:
    for index, task in enumerate(tasks):
        started = time.perf_counter()
        try:
            value = function(task)
        except Exception as error:  # noqa: BLE001  one task's failure, of whatever kind, must not end the others
            _log.debug("task %d failed", index, exc_info=True)
            yield Outcome(index, task, error=describe_failure(error), seconds=time.perf_counter() - started)
        else:
            yield Outcome(index, task, value, seconds=time.perf_counter() - started)


def _run_window(
    function: Callable[[TaskT], ValueT],
    tasks: Iterable[TaskT],
    workers: _Workers,
    *,
    time_limit_s: float | None,
) -> Iterator[Outcome[TaskT, ValueT]]:
    waiting = enumerate(tasks)
    under_way: dict[Future[ValueT], tuple[int, TaskT, float]] = {}
    ready: deque[Outcome[TaskT, ValueT]] = deque()
    while True:
        for index, task in islice(waiting, workers.window - len(under_way)):
            under_way[workers.submit(function, task)] = (index, task, time.perf_counter())
        workers.flush()
        if not under_way:
            return
        done, _ = wait(under_way, timeout=workers.pulse_s, return_when=FIRST_COMPLETED)
        workers.check()
        for future in done:
            index, task, started = under_way.pop(future)
            error = future.exception()
            if isinstance(error, SchedulerLostError):
                raise error
            seconds = time.perf_counter() - started
            if error is None:
                ready.append(Outcome(index, task, future.result(), seconds=seconds))
            else:
                ready.append(
                    Outcome(index, task, error=describe_failure(error, time_limit_s=time_limit_s), seconds=seconds)
                )
        while ready:
            yield ready.popleft()


class _Processes:
    """Own worker processes, started afresh (spawn); one that dies is replaced and loses only its own task."""

    def __init__(self, jobs: int, time_limit_s: float | None) -> None:
        import multiprocessing

        self._pool: ProcessPool = QuietPool(max_workers=jobs, context=multiprocessing.get_context("spawn"))
        self._time_limit_s = time_limit_s
        self.window = 2 * jobs + 2
        self.pulse_s: float | None = None

    def submit(self, function: Callable[[Any], Any], task: Any) -> Future[Any]:
        future: Future[Any] = self._pool.submit(function, self._time_limit_s, task)
        return future

    def flush(self) -> None:
        """Nothing to do: the pool starts at once."""

    def check(self) -> None:
        """Nothing to do: the pool looks after its processes."""

    def close(self, *, at_once: bool) -> None:
        if at_once:
            self._pool.stop()
        else:
            self._pool.close()
        self._pool.join()
