"""What becomes of a task that fails: one line of words, whoever carried it out."""

from __future__ import annotations

from blotquant.errors import BlotQuantError

WORKER_DIED = "its worker process died (killed, or out of memory)"


class SchedulerLostError(BlotQuantError):
    """The dask scheduler went away while tasks were under way; whatever was finished is kept."""


def describe_failure(error: BaseException, *, time_limit_s: float | None = None) -> str:
    """One line for a failed task: expected errors in their own words, others with their type."""
    if isinstance(error, BlotQuantError):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"stopped after {time_limit_s:g} s, the time limit" if time_limit_s else "stopped: it took too long"
    if isinstance(error, MemoryError):
        return "not enough memory"
    kind = type(error).__name__
    if kind == "KilledWorker":
        return "its worker died each time it was tried (killed, or out of memory; see dask's allowed-failures)"
    text = " ".join(str(error).split())
    return f"{kind}: {text}" if text else kind
