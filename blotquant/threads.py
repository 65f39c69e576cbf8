"""Linear algebra in one thread: sums taken in other portions end in other last digits.

The library that numpy multiplies matrices with takes as many threads as the machine has cores, and how a sum is
shared among them decides how it is rounded. Results must not depend on the machine, so the functions that make numbers
are held to one thread. They lose no time by it: their matrices are small, and pictures are what is shared among
processes.

Seconds of named stages, noted only where somebody asked for them.
"""

from __future__ import annotations

import functools
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

STAGES = ("read", "find", "doublets", "scene", "measure", "name", "lanes", "more", "tables")
"""What a unit of work spends its time on: reading and checking the file; strips, lanes and bands; dividing rows that
touch; backgrounds; bands; naming them; lanes; other ways of weighing; text of tables, sessions and figures."""

_seconds: ContextVar[dict[str, float] | None] = ContextVar("seconds", default=None)


@contextmanager
def timed(*, wanted: bool = True) -> Iterator[dict[str, float]]:
    """Note the seconds of the stages inside; they add up where a stage comes again."""
    seconds: dict[str, float] = {}
    token = _seconds.set(seconds if wanted else None)
    try:
        yield seconds
    finally:
        _seconds.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Name what is being done; without `timed` around it, nothing is noted."""
    seconds = _seconds.get()
    started = time.perf_counter()
    try:
        yield
    finally:
        if seconds is not None:
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started


P = ParamSpec("P")
T = TypeVar("T")

_TRIM_THRESHOLD = -1
"""Parameter of `mallopt` (malloc.h): bytes free at the heap's end from which on they are given back."""
_MMAP_THRESHOLD = -3
"""Its bytes from which on a block gets pages of its own."""


class _Gate:
    """Open as long as anybody is in it; threads that overlap share it, and the last one puts back what was set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit: Any = None
        self._libraries: Any = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                libraries = self._find_libraries()
                _take_over()
                self._limit = libraries.limit(limits=1, user_api="blas")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _take_over()  # the thread that opened the gate need not be the one that closes it
                self._limit.restore_original_limits()
                _take_over()

    def _find_libraries(self) -> Any:
        if self._libraries is None:
            import numpy  # noqa: F401 - numpy and scipy bring one library each, found once they are loaded
            import scipy.linalg  # noqa: F401
            from threadpoolctl import ThreadpoolController

            self._libraries = ThreadpoolController()
        return self._libraries


def keep_freed_memory() -> None:
    """Let the C library of Linux keep what one step frees for the next one; others have no such setting.

    It holds for the whole process, so programs call it and functions do not: the command line and its workers.

    Notes
    -----
    The library does so by itself once a block of 32 MB was freed, as in large pictures. In small ones every array of
    some 100 kB comes as fresh pages: 9,600 page faults, a tenth of the processor time of `measure` on 512² pixels.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 << 20)
        mallopt(_TRIM_THRESHOLD, 64 << 20)


def collect_garbage_seldom() -> None:
    """Look for cycles among new objects after 20,000 of them in place of 700; of this process, as above.

    Notes
    -----
    A `run` of the sample study makes 875,000 objects more than it frees, nearly all of them needed to its end: 1,370
    searches of them took 1.0 s, 33 take 0.3 s. It holds 30 MB more meanwhile; a batch searches all its objects
    every 2 million.
    """
    gc.set_threshold(20_000, 10, 10)


@contextmanager
def keep_all() -> Iterator[None]:
    """Look for no garbage while a process makes its only window, and never again among what that is made of.

    Notes
    -----
    What is imported and made stands until the end: looking through it took an eighth of the processor time to the
    first window, and a tenth of a second each time later on.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _take_over() -> None:
    """Let this thread set limits: since 3.7 those of a thread are silently left out while another one holds them."""
    from threadpoolctl import OpenBLASController

    release = getattr(OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)


ONE_THREAD = _Gate()
"""``with ONE_THREAD:`` does linear algebra in one thread."""


def single_threaded(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that makes numbers: its linear algebra is done in one thread."""

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        with ONE_THREAD:
            return function(*args, **kwargs)

    return limited
