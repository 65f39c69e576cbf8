"""The doors through which foreign files come in, and what counts as behaving well behind them."""

from __future__ import annotations

import resource
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mutations import mutate
from originals import EXPERIMENT, SAMPLES, manifest, pictures, session, workbook

from blotquant.errors import BlotQuantError

LONGEST_S = 5.0
LARGEST_BYTES = 2 << 30
LONGEST_LINE = 2000
SEEDS = tuple(int(line) for line in (Path(__file__).parent / "seeds.txt").read_text().split())


@dataclass(frozen=True)
class Door:
    """A reader: the valid files it is tried with, and how it is called with one in a folder."""

    name: str
    originals: dict[str, bytes]
    open: Callable[[Path], object]


@dataclass
class Tally:
    """What came of many inputs."""

    inputs: int = 0
    read: int = 0
    refused: int = 0
    longest_s: float = 0.0
    largest_bytes: int = 0
    problems: dict[str, str] = field(default_factory=dict)


def doors(*, folder: Path, more: dict[str, bytes] | None = None) -> Iterator[Door]:
    """Every reader; `more` are further pictures, by name."""
    from blotquant.experiment.read import read_experiment
    from blotquant.experiment.sheets import read_csv_sheet
    from blotquant.io import read_image
    from blotquant.io.files import read_table
    from blotquant.runs.manifest import read_manifest
    from blotquant.settings import load_settings
    from blotquant.tables import BAND_COLUMNS, make_table

    for name in ("a.tif", "b.tif"):
        (folder / name).touch()
    (folder / "samples.csv").write_text(SAMPLES, encoding="utf-8")
    table = make_table([{"image": "a", "lane": 1, "volume": 0.1}], BAND_COLUMNS).to_csv(index=False).encode()
    settings = b'polarity = "dark"\n[detection]\nmin_snr = 4\n[quantification]\nbackground = "lane"\n'
    (folder / "sheet.toml").write_text('samples = "cells.csv"\n' + EXPERIMENT.partition("\n")[2].partition("\n")[2])
    yield Door("pictures", pictures() | (more or {}), read_image)
    yield Door("session", {"a.blot.json": session()}, use_session)
    yield Door("experiment", {"experiment.toml": EXPERIMENT.encode()}, read_experiment)
    yield Door("workbook", {"experiment.xlsx": workbook()}, read_experiment)
    yield Door("samples", {"cells.csv": SAMPLES.encode()}, lambda path: read_experiment(path.with_name("sheet.toml")))
    yield Door("sheet", {"sheet.csv": SAMPLES.encode("utf-16")}, read_csv_sheet)
    yield Door("settings", {"settings.toml": settings}, load_settings)
    yield Door("table", {"bands.csv": table}, lambda path: read_table(path, BAND_COLUMNS))
    yield Door("manifest", {"manifest.json": manifest()}, lambda path: read_manifest(path.parent))


def use_session(path: Path) -> None:
    """Read a session and ask it for all that depends on what it holds."""
    from blotquant.session.session import load_session, session_text

    session = load_session(path)
    _ = session.history.verify_chain(), session.layout, session.conflicts
    session_text(session)


def try_door(door: Door, original: str, tags: Iterator[str], folder: Path, tally: Tally) -> None:
    """Open many mutations of one file; each tag fixes one of them."""
    data = door.originals[original]
    others = tuple(other for name, other in door.originals.items() if name != original and len(other) < 100_000)
    path = folder / Path(original).name
    for tag in tags:
        path.write_bytes(mutate(data, f"{door.name}/{original}/{tag}", others))
        try_one(door, path, f"{door.name}/{original}/{tag}", tally)
    path.write_bytes(data)


def try_one(door: Door, path: Path, label: str, tally: Tally) -> None:
    """Open one file and note what it did."""
    started = time.perf_counter()
    tally.inputs += 1
    try:
        door.open(path)
        tally.read += 1
    except BlotQuantError as error:
        tally.refused += 1
        fault = _fault_of_message(str(error))
        if fault:
            tally.problems.setdefault(f"{door.name}: {fault}", f"{label}: {str(error)[:300]!r}")
    except Exception as error:  # noqa: BLE001  whatever else comes out is the finding
        tally.problems.setdefault(f"{door.name}: {_place_of(error)}", f"{label}: {str(error)[:300]!r}")
    seconds = time.perf_counter() - started
    tally.longest_s = max(tally.longest_s, seconds)
    if seconds > LONGEST_S:
        tally.problems.setdefault(f"{door.name}: took longer than {LONGEST_S:g} s", f"{label}: {seconds:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    tally.largest_bytes = max(tally.largest_bytes, peak)
    if peak > LARGEST_BYTES:
        tally.problems.setdefault(f"{door.name}: took more than 2 GiB", f"{label}: {peak / 2**30:.2f} GiB")


def _fault_of_message(text: str) -> str | None:
    """Every refusal is one clear line; of sheets, one line for each mistake."""
    for line in text.split("\n"):
        if not line.strip():
            return "an empty line in a message"
        if len(line) > LONGEST_LINE:
            return f"a line of more than {LONGEST_LINE} characters"
    if any(unicodedata.category(c) == "Cc" and c != "\n" for c in text):
        return "a control character in a message"
    return None


def _place_of(error: BaseException) -> str:
    """The error and the innermost line of this project that it passed."""
    place, step = "?", error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if "blotquant" in Path(file).parts:
            place = f"{Path(file).name}:{step.tb_lineno}"
        step = step.tb_next
    return f"{type(error).__name__} at {place}"
