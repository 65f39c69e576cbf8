"""How a command ends: one line on stderr for what went wrong, and the promised exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_DATA = 1
"""Something is wrong with the data."""
EXIT_USAGE = 2
"""Something is wrong with the command."""
EXIT_INTERRUPTED = 130
"""A person stopped it: 128 and the number of the signal."""
_DISK_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


def answer(command: Callable[[], int | None], *, debug: bool = False) -> int:
    """Carry a command out and return its exit code.

    Parameters
    ----------
    command : callable
        Returns the code, None for 0, or raises.
    debug : bool
        Whether errors go on to the caller, with their traceback.
    """
    from blotquant.errors import BlotQuantError

    try:
        with _termination_as_interrupt():
            return int(command() or 0)
    except KeyboardInterrupt:
        _complain("interrupted; what was finished is kept: run again with --resume")
        return EXIT_INTERRUPTED
    except SystemExit as leave:
        return int(leave.code or 0)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except BlotQuantError as error:
        if debug:
            raise
        _complain(str(error))
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        return _unexpected(error)


def open_closed_streams() -> None:
    """Give the program somewhere to print where it was started with stdin, stdout or stderr closed (``2>&-``).

    Otherwise the next file that is opened takes the closed one's place, and what is printed goes into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123  as long as the program


def _unexpected(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
        place = f"{error.filename}: " if error.filename else ""
        _complain(f"{place}{error.strerror}; make room, then run again with --resume")
        return EXIT_USAGE
    text = " ".join(str(error).split())
    _complain(f"unexpected {type(error).__name__}: {text}\nthis is a bug: run again with --debug and report it")
    return EXIT_DATA


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM (a batch system's time limit, a shutdown) end the work as Ctrl-C does: tidily."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(text: str) -> None:
    from blotquant.text import say

    say("\n".join(f"blotquant: {line}" for line in text.split("\n")))
