"""Many tasks on many workers: in this process, in worker processes, or on a dask cluster; and how far they have come.

The same function gives the same result wherever it runs. A task that fails, dies or never ends costs itself alone
and is named; the others go on. Only a window of tasks is under way at once, so memory does not grow with their
number.

Notes
-----
Each worker process has a pipe of its own and is given one task at a time, once it has said that it is ready. Nothing is
shared between workers, so that one that is killed, at any moment, takes nothing with it but its task; that is given to
another worker once. The pools of the libraries share locks and queues: `concurrent.futures` gives all tasks up when one
worker dies, and pebble when one dies before the first task has begun (8 of 8 kills within the first second).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from blotquant.errors import WORKER_DIED, BlotQuantError, SchedulerLostError, describe_failure
from blotquant.text import harmless, say
from blotquant.threads import collect_garbage_seldom, keep_freed_memory

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from rich.progress import Progress

_log = logging.getLogger(__name__)

TaskT = TypeVar("TaskT")
ValueT = TypeVar("ValueT")

ProgressStyle = Literal["auto", "bar", "plain", "json", "none"]
_PLAIN_INTERVAL_S = 5.0
"""Seconds between two plain lines of progress."""
MAX_TRIES = 2
"""How often a task is begun: a worker may be killed for another's memory, a task that kills two is at fault itself."""
MAX_FALSE_STARTS = 5
"""Workers in a row that die before they are ready; then none will be."""


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
    if scheduler is not None:
        yield from _run_on_cluster(function, tasks, scheduler, time_limit_s)
    elif jobs == 1 and time_limit_s is None:
        yield from _run_here(function, tasks)
    else:
        crew = _Crew(function, tasks, jobs=jobs, time_limit_s=time_limit_s)
        try:
            yield from crew.outcomes()
        finally:
            crew.close()


def _run_here(function: Callable[[TaskT], ValueT], tasks: Iterable[TaskT]) -> Iterator[Outcome[TaskT, ValueT]]:
    for index, task in enumerate(tasks):
        started = time.perf_counter()
        value, error = _attempt(function, task)
        yield Outcome(index, task, value, error, seconds=time.perf_counter() - started)


def _attempt(function: Callable[[TaskT], ValueT], task: TaskT) -> tuple[ValueT | None, str | None]:
    """The value, or the line that says why there is none."""
    try:
        return function(task), None
    except Exception as error:  # noqa: BLE001  one task's failure, of whatever kind, must not end the others
        _log.debug("a task failed", exc_info=True)
        return None, describe_failure(error)


class _Worker:
    """One worker process, the pipe to it, and the task that it is at."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        from multiprocessing import get_context

        try:
            self._start(_copying(function.__module__), function)
        except (EOFError, OSError):  # what workers are copied from was killed at this moment
            self._start(get_context("spawn"), function)
        self.ready = False
        self.work: tuple[int, Any, int] | None = None
        self.started = 0.0

    def _start(self, context: Any, function: Callable[[Any], Any]) -> None:
        self.pipe, its_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(its_end, function), daemon=True)
        with _interrupts_held():
            self.process.start()
        its_end.close()  # the process alone holds it: when it dies, the pipe ends

    def give(self, index: int, task: Any, tries: int) -> None:
        """Have it begin a task; one that died meanwhile is noticed where its answer is read."""
        self.work, self.started = (index, task, tries), time.perf_counter()
        try:
            self.pipe.send((task,))
        except OSError:
            _log.debug("a worker died before it got its task")

    def read(self) -> tuple[Any, str | None] | None:
        """Its answer: a value or an error's line; None if the process is dead."""
        try:
            answer: tuple[Any, str | None] = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return answer

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _copying(module: str) -> Any:
    """How processes are started: where the system can, as copies of one that has imported all they need.

    Notes
    -----
    What is copied has run nothing but imports: no lock or thread of a run is in a copy. `measure` of 40 pictures
    by 8 workers costs 11.6 s of processor time so, 14.5 s with workers that import for themselves.
    """
    from multiprocessing import get_all_start_methods, get_context

    context: Any = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["blotquant.analysis", "blotquant.report.blot", module])
    return context


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C is the parent's matter: a process that is started meanwhile never sees it, the parent a moment later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """What a worker process does until the pipe ends: carry out one task after the other.

    The function came with the process, so that what it imports is no part of the first task's time. Where the parent is
    killed the process ends in the middle of its task.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    collect_garbage_seldom()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        pipe.send((None, None))  # ready
        while True:
            (task,) = pipe.recv()
            pipe.send(_attempt(function, task))
    except (EOFError, OSError):
        return  # the parent is gone or done


def _end_with_parent() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Crew(Generic[TaskT, ValueT]):
    """Own worker processes; one that dies is replaced."""

    def __init__(
        self,
        function: Callable[[TaskT], ValueT],
        tasks: Iterable[TaskT],
        *,
        jobs: int,
        time_limit_s: float | None,
    ) -> None:
        self._function = function
        self._tasks = enumerate(tasks)
        self._jobs = jobs
        self._limit_s = time_limit_s
        self._workers: list[_Worker] = []
        self._waiting: deque[tuple[int, TaskT, int]] = deque()  # place, task, times it was begun
        self._false_starts = 0

    def outcomes(self) -> Iterator[Outcome[TaskT, ValueT]]:
        """Hand out tasks and yield what becomes of each, until none is left."""
        while True:
            self._waiting.extend(
                (k, task, 0) for k, task in islice(self._tasks, max(self._jobs - len(self._waiting), 0))
            )
            for worker in self._workers:
                if self._waiting and worker.ready and worker.work is None:
                    index, task, tries = self._waiting.popleft()
                    worker.give(index, task, tries + 1)
            # As many processes as there is work for, those that are still starting counted.
            n_starting = sum(not worker.ready for worker in self._workers)
            for _ in range(min(self._jobs - len(self._workers), len(self._waiting) - n_starting)):
                self._workers.append(_Worker(self._function))
            if not self._waiting and all(worker.work is None for worker in self._workers):
                return
            yield from self._wait()

    def _wait(self) -> Iterator[Outcome[TaskT, ValueT]]:
        """Wait until a worker answers, dies or is beyond its time."""
        from multiprocessing.connection import wait as wait_for_any

        # The nearest time limit ends the wait; without one only an answer or a death does.
        deadlines = [w.started + self._limit_s for w in self._workers if w.work is not None and self._limit_s]
        timeout = max(min(deadlines) - time.perf_counter(), 0.0) if deadlines else None
        answered = wait_for_any([worker.pipe for worker in self._workers], timeout)
        for worker in [worker for worker in self._workers if worker.pipe in answered]:
            yield from self._take(worker, worker.read())
        now = time.perf_counter()
        for worker in [w for w in self._workers if w.work is not None and self._limit_s]:
            if now - worker.started >= (self._limit_s or now):
                self._remove(worker)
                error = describe_failure(TimeoutError(), time_limit_s=self._limit_s)
                yield self._outcome(worker, None, error)

    def _take(self, worker: _Worker, answer: tuple[Any, str | None] | None) -> Iterator[Outcome[TaskT, ValueT]]:
        if answer is None:
            self._remove(worker)
            if worker.work is None:
                self._false_starts += not worker.ready
                if self._false_starts >= MAX_FALSE_STARTS:
                    msg = f"{MAX_FALSE_STARTS} worker processes died before they were ready; try --jobs 1"
                    raise BlotQuantError(msg)
            elif worker.work[2] < MAX_TRIES:
                self._waiting.append(worker.work)
            else:
                yield self._outcome(worker, None, WORKER_DIED)
        elif worker.work is None:
            worker.ready, self._false_starts = True, 0
        else:
            yield self._outcome(worker, *answer)
            worker.work = None

    def _outcome(self, worker: _Worker, value: ValueT | None, error: str | None) -> Outcome[TaskT, ValueT]:
        assert worker.work is not None
        index, task, _ = worker.work
        return Outcome(index, task, value, error, seconds=time.perf_counter() - worker.started)

    def _remove(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.stop()

    def close(self) -> None:
        """End every worker, whatever it is at."""
        for worker in self._workers:
            worker.stop()
        self._workers = []


def _run_on_cluster(
    function: Callable[[TaskT], ValueT], tasks: Iterable[TaskT], scheduler: str, time_limit_s: float | None
) -> Iterator[Outcome[TaskT, ValueT]]:
    """Keep a window of tasks on a cluster's workers and yield each as it is done."""
    from blotquant.runs.cluster import Cluster

    cluster = Cluster(scheduler, time_limit_s=time_limit_s)
    waiting = enumerate(tasks)
    under_way: dict[Future[ValueT], tuple[int, TaskT, float]] = {}
    finished = False
    try:
        while True:
            for index, task in islice(waiting, cluster.window - len(under_way)):
                under_way[cluster.submit(function, task)] = (index, task, time.perf_counter())
            cluster.flush()
            if not under_way:
                finished = True
                return
            done, _ = wait(under_way, timeout=cluster.pulse_s, return_when=FIRST_COMPLETED)
            cluster.check()
            for future in done:
                index, task, started = under_way.pop(future)
                error = future.exception()
                if isinstance(error, SchedulerLostError):
                    raise error
                seconds = time.perf_counter() - started
                if error is None:
                    yield Outcome(index, task, future.result(), seconds=seconds)
                else:
                    line = describe_failure(error, time_limit_s=time_limit_s)
                    yield Outcome(index, task, error=line, seconds=seconds)
    finally:
        cluster.close(at_once=not finished)


@contextmanager
def progress(total: int, *, what: str, style: ProgressStyle = "auto") -> Iterator[Callable[[str, str | None], None]]:
    """Show how far long work has come.

    Parameters
    ----------
    total : int
        Number of units.
    what : str
        What a unit is, in the plural: "pictures".
    style : {"auto", "bar", "plain", "json", "none"}
        ``auto`` draws a bar with rate and time left on a terminal and plain lines elsewhere; nothing for one unit.

    Yields
    ------
    callable
        To be called with the name of each finished unit and its error line, or None.
    """
    if style == "auto":
        style = "none" if total <= 1 else "bar" if sys.stderr.isatty() else "plain"
    started, done, said = time.monotonic(), 0, time.monotonic()
    with _bar() if style == "bar" else nullcontext() as bar:
        task = bar.add_task(what, total=total, rate="") if bar is not None else None

        def step(name: str, error: str | None) -> None:
            nonlocal done, said
            done, now = done + 1, time.monotonic()
            rate = done / max(now - started, 1e-9)
            if bar is not None and task is not None:
                bar.update(task, advance=1, rate=f"{rate:.1f}/s")
                if error:
                    bar.console.print(f"{harmless(name)}: {harmless(error)}", markup=False, highlight=False)
            elif style == "json":
                pace = {"per_second": round(rate, 3), "seconds_left": round((total - done) / rate, 1)}
                line = {"done": done, "total": total, "name": name, "error": error, **pace}
                sys.stderr.write(json.dumps(line) + "\n")
                sys.stderr.flush()
            # Counts only: the failures stand together at the end, where they are looked for.
            elif style == "plain" and (now - said >= _PLAIN_INTERVAL_S or done == total):
                say(f"{done} of {total} {what}, {rate:.1f}/s, {(total - done) / rate:.0f} s left")
                said = now

        yield step


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    words, rate = TextColumn("{task.description}"), TextColumn("{task.fields[rate]}")
    columns = (words, BarColumn(), MofNCompleteColumn(), rate, TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
