"""Tasks on a dask.distributed cluster that somebody else started: on this machine, on several, or on SLURM's nodes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from blotquant.errors import BlotQuantError, SchedulerLostError, describe_failure

_log = logging.getLogger(__name__)

_CONNECT_S = 20.0
_NO_WORKER_S = 30.0
_TOGETHER = 4
"""Tasks that travel as one where there are many: dask takes ten milliseconds for each, as long as a small picture."""

_Function = Callable[[Any], Any]
_Wanted = tuple[_Function, Any, Future[Any]]


class _TaskError(BlotQuantError):
    """A task failed on a worker; the text is the line that says why."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """Tasks on the cluster: what was wanted, dask's future of it, and how many workers had been restarted by then."""

    wanted: tuple[_Wanted, ...]
    inner: Any
    n_restarted: int

    def fail(self, error: BaseException) -> None:
        for _, _, outer in self.wanted:
            outer.set_exception(error)


class Cluster:
    """Workers of a dask scheduler.

    Parameters
    ----------
    address : str
        Such as ``tcp://10.0.0.5:8786``.
    time_limit_s : float, optional
        A task that has been seen running for longer fails, and its worker is restarted to be free again.

    Raises
    ------
    BlotQuantError
        If dask is not installed or no scheduler answers.
    """

    def __init__(self, address: str, *, time_limit_s: float | None = None) -> None:
        try:
            from distributed import Client
        except ImportError:
            msg = 'a scheduler needs dask: pip install "blotquant[distributed]"'
            raise BlotQuantError(msg) from None
        try:
            self._client = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            msg = f"no dask scheduler answers at {address} ({reason}); is it running, and is the address right?"
            raise BlotQuantError(msg) from None
        self._address = address
        self._limit_s = time_limit_s
        self._versions = _versions()
        self._under_way: dict[Any, _Sent] = {}  # by dask's key of the tasks
        self._waiting: list[_Wanted] = []
        self._restarts = ThreadPoolExecutor(max_workers=4, thread_name_prefix="restart")
        self._n_restarted = 0
        self._seen_running: dict[Any, float] = {}
        self._without_workers_since: float | None = None
        # A task under a time limit travels alone: its clock is its own.
        self._together = 1 if time_limit_s is not None else _TOGETHER
        self._window = 2 * max(sum(self._client.nthreads().values()), 1) + 2
        self.window = self._window * self._together
        self._checked_at = 0.0
        self.pulse_s = 2.0 if time_limit_s is None else min(2.0, time_limit_s / 4)

    def submit(self, function: Callable[[Any], Any], task: Any) -> Future[Any]:
        """Take up one task; its future is done when the result is here, or with the error that ended it."""
        outer: Future[Any] = Future()
        self._waiting.append((function, task, outer))
        return outer

    def flush(self) -> None:
        """Send what was taken up, several at once if every worker has enough to do all the same."""
        waiting, self._waiting = self._waiting, []
        n = len(waiting) + sum(len(sent.wanted) for sent in list(self._under_way.values()))
        together = min(max(n // self._window, 1), self._together)
        for first in range(0, len(waiting), together):
            self._send(*waiting[first : first + together])

    def _send(self, *wanted: _Wanted) -> None:
        jobs = [(function, task) for function, task, _ in wanted]
        inner = self._client.submit(_carry_out, jobs, self._versions, pure=False, retries=0)
        self._under_way[inner.key] = _Sent(wanted, inner, self._n_restarted)
        inner.add_done_callback(self._finish)

    def _finish(self, inner: Any) -> None:
        """Hand a result on; dask calls it from a thread of its own."""
        sent = self._under_way.pop(inner.key, None)
        if sent is None:
            return  # given up earlier
        try:
            error = self._lost() if inner.cancelled() else inner.exception()
            if error is None:
                _hand_on(sent.wanted, inner.result())
            elif type(error).__name__ == "KilledWorker" and self._is_perhaps_innocent(sent):
                for one in sent.wanted:
                    self._send(one)
            else:
                sent.fail(error)
        except (CancelledError, OSError, RuntimeError, TimeoutError):
            sent.fail(self._lost())
        finally:
            inner.release()

    def _is_perhaps_innocent(self, sent: _Sent) -> bool:
        """Whether tasks may have died with another one, or on a worker that was restarted for another's sake."""
        return len(sent.wanted) > 1 or self._n_restarted > sent.n_restarted

    def _lost(self) -> SchedulerLostError:
        msg = f"the dask scheduler at {self._address} went away; what was finished is kept: run again with --resume"
        return SchedulerLostError(msg)

    def check(self) -> None:
        """Notice a scheduler that is gone, missing workers, and tasks beyond their time; not more often than needed."""
        if time.monotonic() - self._checked_at < self.pulse_s:
            return
        self._checked_at = time.monotonic()
        if self._client.status not in ("running", "connecting", "newly-created"):
            raise self._lost()
        if self._limit_s is not None:
            self._stop_overdue(self._limit_s)
        self._tell_of_missing_workers()

    def _stop_overdue(self, limit_s: float) -> None:
        now, running = time.monotonic(), self._running()
        self._seen_running = {key: self._seen_running.get(key, now) for key in running}
        for key, since in self._seen_running.items():
            sent = self._under_way.pop(key, None) if now - since >= limit_s else None
            if sent is None:
                continue
            sent.inner.cancel(force=True)
            self._n_restarted += 1
            # A worker takes seconds to end and to start; the others' results are not kept waiting.
            self._restarts.submit(self._restart, running[key])
            sent.fail(TimeoutError())

    def _running(self) -> Mapping[Any, str]:
        """Worker of each task that is being carried out now, not merely waiting there."""
        futures = [sent.inner for sent in list(self._under_way.values())]
        try:
            stacks = self._client.call_stack(futures) if futures else {}
        except (OSError, TimeoutError):
            return {}
        return {key: worker for worker, tasks in stacks.items() for key in tasks}

    def _restart(self, worker: str) -> None:
        """Free a worker from a task without end; its other tasks are carried out again elsewhere."""
        try:
            self._client.restart_workers([worker], timeout=_CONNECT_S, raise_for_error=False)
        except (OSError, TimeoutError, ValueError) as error:  # ValueError: it has no nanny
            _log.warning("worker %s could not be restarted: %s", worker, error)

    def _tell_of_missing_workers(self) -> None:
        from blotquant.text import say

        try:
            n_threads = sum(self._client.nthreads().values())
        except (OSError, TimeoutError):
            return  # it may be on its way out: the next check tells
        if n_threads:
            self._without_workers_since = None
        elif self._without_workers_since is None:
            self._without_workers_since = time.monotonic()
        elif time.monotonic() - self._without_workers_since > _NO_WORKER_S:
            say(
                f"the dask scheduler at {self._address} has no worker; waiting for one (Ctrl-C stops, --resume goes on)"
            )
            self._without_workers_since = float("inf")

    def close(self, *, at_once: bool) -> None:
        """Leave the cluster; tasks that still wait there are forgotten."""
        if at_once and self._client.status == "running":
            self._client.cancel([sent.inner for sent in list(self._under_way.values())], force=True)
        self._restarts.shutdown(wait=not at_once, cancel_futures=True)
        self._client.close(timeout=2 if at_once else 10)


def _hand_on(wanted: Sequence[_Wanted], results: Sequence[tuple[Any, str | None]]) -> None:
    for (_, _, outer), (value, error) in zip(wanted, results, strict=True):
        if error is None:
            outer.set_result(value)
        else:
            outer.set_exception(_TaskError(error))


def _carry_out(jobs: Sequence[tuple[_Function, Any]], versions: Mapping[str, str]) -> list[tuple[Any, str | None]]:
    """What a worker does: refuse with other software than the one who asks, as its numbers could differ.

    Returns
    -------
    list of (value, error)
        For each job what it gave, or the line that says why it failed.
    """
    own = _versions()
    differing = [
        f"{name} {own.get(name)}, not {versions[name]}" for name in versions if own.get(name) != versions[name]
    ]
    if differing:
        msg = f"the dask worker has {', '.join(differing)}; give workers and this machine the same environment"
        raise BlotQuantError(msg)
    results: list[tuple[Any, str | None]] = []
    for function, task in jobs:
        try:
            results.append((function(task), None))
        except Exception as error:  # noqa: BLE001  one task's failure, of whatever kind, must not end the others
            results.append((None, describe_failure(error)))
    return results


def _versions() -> dict[str, str]:
    from blotquant.runs.pictures import software

    return dict(software())
