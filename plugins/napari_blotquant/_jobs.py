"""Slow work in threads, with expected errors coming back as values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from blotquant.errors import BlotQuantError

Work = Callable[[], Any]


class Outcome(NamedTuple):
    """What a worker brings back; a returned exception would be raised again inside Qt."""

    value: Any
    error: Exception | None


class Jobs:
    """Work that runs in threads; `running` holds the workers that have not ended."""

    def __init__(self) -> None:
        self.running: list[Any] = []
        self._latest = 0

    def start(self, work: Work, finished: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        """Run work in a thread; one of the two callbacks is called in the window's thread."""
        from napari.qt.threading import create_worker

        worker = create_worker(guarded(work))
        worker.returned.connect(lambda out: failed(out.error) if out.error else finished(out.value))
        worker.finished.connect(lambda: self.running.remove(worker) if worker in self.running else None)
        self.running.append(worker)
        worker.start()

    def start_latest(self, work: Work, finished: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        """Run work in a thread; a later call makes the result of an earlier one void."""
        self._latest += 1
        job = self._latest
        self.start(
            work,
            lambda value: finished(value) if job == self._latest else None,
            lambda error: failed(error) if job == self._latest else None,
        )

    def cancel(self) -> None:
        """Make the result of the latest `start_latest` void; its thread ends by itself and nobody hears of it."""
        self._latest += 1


def take_turns(steps: Iterator[None]) -> None:
    """Run steps one by one; between two of them the window paints and answers.

    A step waits for two turns of the window's loop: in the first one the window may still paint the step before.
    """
    from qtpy.QtCore import QTimer

    def step() -> None:
        if next(steps, steps) is not steps:
            wait()

    def wait() -> None:
        QTimer.singleShot(0, lambda: QTimer.singleShot(0, step))

    step()


def warm_up() -> None:
    """Make the first layer of the process, which nobody sees: napari sets up its units with it, for half a second.

    In the window's thread: while another thread sets them up, a layer made in this one finds no unit.
    """
    import numpy as np
    from napari.layers import Image

    Image(np.zeros((2, 2)))


def guarded(work: Work) -> Callable[[], Outcome]:
    """Work whose expected errors come back as values: napari would open a traceback over them."""

    def run() -> Outcome:
        try:
            return Outcome(work(), None)
        except (BlotQuantError, OSError, ImportError, MemoryError) as error:
            return Outcome(None, error)

    return run


def explain(error: Exception) -> str:
    """One line for the user."""
    return str(error) if isinstance(error, BlotQuantError) else f"{type(error).__name__}: {error}"
