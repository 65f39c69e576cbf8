"""Exceptions: wrong calls and unreadable input raise; doubtful data gets a flag (see `blotquant.flags`)."""

from __future__ import annotations

from blotquant.text import message


class BlotQuantError(Exception):
    """Base of every error that is the input's fault and is answered with one line.

    The command line prints the message alone and exits with `exit_code`.
    """

    exit_code = 1

    def __init__(self, text: str = "") -> None:
        super().__init__(message(text))


class ImageError(BlotQuantError):
    """A picture that cannot be read, or that cannot be weighed."""


class SheetError(BlotQuantError):
    """A mistake in an experiment file or sample sheet; the message lists all of them, one a line."""

    exit_code = 2


class SessionError(BlotQuantError):
    """A session that is damaged, of a newer version, or belongs to another picture."""


class OutputError(BlotQuantError):
    """A result that cannot be written where it was asked for."""

    exit_code = 2


class DesignError(BlotQuantError):
    """A comparison that the experiment's design does not carry."""


class LaneCountError(BlotQuantError):
    """The picture and the sample sheet disagree about the lanes."""


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
