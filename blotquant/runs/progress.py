"""Words for people on stderr: progress that fits where it is read, and text made harmless for a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from blotquant.text import harmless

ProgressStyle = Literal["auto", "bar", "plain", "json", "none"]
_PLAIN_INTERVAL_S = 5.0


def say(text: str) -> None:
    """Print a line of words on stderr; line breaks stay, everything else invisible is escaped."""
    sys.stderr.write("\n".join(harmless(line) for line in text.split("\n")) + "\n")
    sys.stderr.flush()


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
    if style == "bar":
        with _bar(total, what) as step:
            yield step
    else:
        yield {"plain": _plain(total, what), "json": _json_lines(total), "none": _silent}[style]


def _silent(name: str, error: str | None) -> None:
    """Show nothing."""


@contextmanager
def _bar(total: int, what: str) -> Iterator[Callable[[str, str | None], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    started, done = time.monotonic(), 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, rate="")

        def step(name: str, error: str | None) -> None:
            nonlocal done
            done += 1
            bar.update(task, advance=1, rate=f"{done / max(time.monotonic() - started, 1e-9):.1f}/s")
            if error:
                bar.console.print(f"{harmless(name)}: {harmless(error)}", markup=False, highlight=False)

        yield step


def _plain(total: int, what: str) -> Callable[[str, str | None], None]:
    """Counts only: the failures stand together at the end, where they are looked for."""
    started, done, said = time.monotonic(), 0, time.monotonic()

    def step(_name: str, _error: str | None) -> None:
        nonlocal done, said
        done += 1
        now = time.monotonic()
        if now - said >= _PLAIN_INTERVAL_S or done == total:
            rate = done / max(now - started, 1e-9)
            say(f"{done} of {total} {what}, {rate:.1f}/s, {(total - done) / rate:.0f} s left")
            said = now

    return step


def _json_lines(total: int) -> Callable[[str, str | None], None]:
    started, done = time.monotonic(), 0

    def step(name: str, error: str | None) -> None:
        nonlocal done
        done += 1
        rate = done / max(time.monotonic() - started, 1e-9)
        pace = {"per_second": round(rate, 3), "seconds_left": round((total - done) / rate, 1)}
        line = {"done": done, "total": total, "name": name, "error": error, **pace}
        sys.stderr.write(json.dumps(line) + "\n")
        sys.stderr.flush()

    return step
