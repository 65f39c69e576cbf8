"""Seconds of named stages, noted only where somebody asked for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
