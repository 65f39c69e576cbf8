"""Linear algebra in one thread: sums taken in other portions end in other last digits.

The library that numpy multiplies matrices with takes as many threads as the machine has cores, and how a sum is
shared among them decides how it is rounded. Results must not depend on the machine, so the functions that make numbers
are held to one thread. They lose no time by it: their matrices are small, and pictures are what is shared among
processes.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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
