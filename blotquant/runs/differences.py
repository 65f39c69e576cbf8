"""Where two versions of a results file differ: by row and column, by sheet and cell, by place in a session, by line."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blotquant.io.read import DAMAGE

MAX_SHOWN = 5
"""Differences listed for one file; the rest are counted."""
_LONGEST = 60
_BROKEN: tuple[type[Exception], ...] = (zipfile.BadZipFile, csv.Error, *DAMAGE)
_LABELS = ("ratio", "image", "blot", "strip", "lane", "band", "condition")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it was recorded.

    Attributes
    ----------
    file : str
        Path in the results folder, or of the original as seen from it.
    what : str
        What is wrong, in words.
    where : str
        Row and column, sheet and cell, or place in a session.
    recorded, recomputed : str
        What stands there and what should; both empty where that cannot be said.
    """

    file: str
    what: str
    where: str = ""
    recorded: str = ""
    recomputed: str = ""

    def __str__(self) -> str:
        place = f"{self.file}: {self.where}: " if self.where else f"{self.file}: "
        values = ""
        if self.recorded or self.recomputed:
            values = f": recorded {self.recorded or 'nothing'}, recomputed {self.recomputed or 'nothing'}"
        return place + self.what + values


def limited(findings: Iterator[Finding], file: str) -> list[Finding]:
    """The first findings of a file, and how many more there are."""
    shown = list(itertools.islice(findings, MAX_SHOWN))
    more = sum(1 for _ in findings)
    return [*shown, Finding(file=file, what=f"{more} more differences")] if more else shown


def compare_files(file: str, recorded: bytes, recomputed: bytes, *, tolerance: float = 0.0) -> list[Finding]:
    """Say where a file of a results folder differs from the same file made again.

    Parameters
    ----------
    file : str
        Its path in the folder; the ending tells how it is compared.
    recorded, recomputed : bytes
        Both contents.
    tolerance : float
        Relative difference up to which numbers count as equal: 0, or what other versions of libraries may bring.

    Returns
    -------
    list of Finding
        Empty if they hold the same.
    """
    if recorded == recomputed:
        return []
    found = list(itertools.islice(_differences(file, recorded, recomputed, tolerance), 200))
    if not found and not tolerance and not file.endswith(".parquet"):  # its library writes its own version
        found = [Finding(file=file, what="other bytes, though every value in it is equal")]
    return limited(iter(found), file)


def _differences(file: str, recorded: bytes, recomputed: bytes, tolerance: float) -> Iterator[Finding]:
    try:
        if file.endswith(".csv"):
            yield from compare_tables(file, recorded.decode(), recomputed.decode(), tolerance=tolerance)
        elif file.endswith(".parquet"):
            texts = [_csv_of_parquet(data) for data in (recorded, recomputed)]
            yield from compare_tables(file, *texts, tolerance=tolerance)
        elif file.endswith(".json"):
            yield from compare_values(file, json.loads(recorded), json.loads(recomputed), tolerance=tolerance)
        elif file.endswith(".xlsx"):
            yield from compare_workbooks(file, recorded, recomputed, tolerance=tolerance)
        elif not tolerance and file.endswith(".tif"):
            yield Finding(file=file, what="another picture than is drawn again")
        elif not tolerance:
            yield from compare_lines(file, recorded.decode(), recomputed.decode())
    except _BROKEN as error:
        yield Finding(file=file, what=f"cannot be read as it was written ({' '.join(str(error).split())[:100]})")


def _csv_of_parquet(data: bytes) -> str:
    import pandas as pd

    from blotquant.io.files import table_to_csv

    return table_to_csv(pd.read_parquet(io.BytesIO(data)))


def compare_tables(file: str, recorded: str, recomputed: str, *, tolerance: float = 0.0) -> Iterator[Finding]:
    """Compare two csv tables cell by cell."""
    old, new = (list(csv.reader(io.StringIO(text, newline=""))) for text in (recorded, recomputed))
    if not old or old[0] != new[0]:
        yield Finding(
            file=file, what="other columns", recorded=_short(old[0] if old else []), recomputed=_short(new[0])
        )
        return
    if len(old) != len(new):
        yield Finding(file=file, what="other number of rows", recorded=str(len(old) - 1), recomputed=str(len(new) - 1))
    for number, (a, b) in enumerate(zip(old[1:], new[1:], strict=False), start=2):
        if len(a) != len(b):
            yield Finding(file=file, where=f"line {number}", what=f"{len(a)} cells where {len(b)} belong")
            continue
        for column, x, y in zip(new[0], a, b, strict=True):
            if x != y and not _near(x, y, tolerance):
                place = f"line {number} ({_row_label(new[0], b)}), column {column}"
                yield Finding(file=file, where=place, what="different", recorded=_short(x), recomputed=_short(y))


def _row_label(columns: Sequence[str], cells: Sequence[str]) -> str:
    row = dict(zip(columns, cells, strict=True))
    named = [row[name] if name in ("ratio", "image") else f"{name} {row[name]}" for name in _LABELS if row.get(name)]
    return _short(", ".join(named)) or "no label"


def compare_values(file: str, old: Any, new: Any, *, tolerance: float = 0.0, at: str = "") -> Iterator[Finding]:
    """Compare two plain values (from JSON) member by member."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            if key not in old or key not in new:
                what = "missing" if key not in old else "additional"
                yield Finding(file=file, where=f"{at}.{key}".lstrip("."), what=what)
            else:
                yield from compare_values(file, old[key], new[key], tolerance=tolerance, at=f"{at}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for k, (a, b) in enumerate(zip(old, new, strict=True), start=1):
            yield from compare_values(file, a, b, tolerance=tolerance, at=f"{at}[{_list_label(b, k)}]")
    elif (type(old) is not type(new) or old != new) and not _near(old, new, tolerance):
        yield Finding(file=file, where=at, what="different", recorded=_short(old), recomputed=_short(new))


def _list_label(item: Any, number: int) -> str:
    return str(item["id"]) if isinstance(item, Mapping) and "id" in item else str(number)


def compare_workbooks(file: str, old: bytes, new: bytes, *, tolerance: float = 0.0) -> Iterator[Finding]:
    """Compare two .xlsx files cell by cell."""
    import openpyxl

    books = [openpyxl.load_workbook(io.BytesIO(data)) for data in (old, new)]
    if books[0].sheetnames != books[1].sheetnames:
        sheets = [_short(book.sheetnames) for book in books]
        yield Finding(file=file, what="other sheets", recorded=sheets[0], recomputed=sheets[1])
        return
    for sheet in books[1].sheetnames:
        cells = [
            {cell.coordinate: cell.value for row in book[sheet].iter_rows() for cell in row if cell.value is not None}
            for book in books
        ]
        for name in sorted({*cells[0], *cells[1]}):
            a, b = (values.get(name) for values in cells)
            if (a or "") != (b or "") and not _near(a, b, tolerance):
                where = f"sheet {sheet}, cell {name}"
                yield Finding(file=file, where=where, what="different", recorded=_short(a), recomputed=_short(b))


def compare_lines(file: str, old: str, new: str) -> Iterator[Finding]:
    """Compare two texts line by line."""
    pairs = itertools.zip_longest(old.split("\n"), new.split("\n"), fillvalue="")
    for number, (a, b) in enumerate(pairs, start=1):
        if a != b:
            start = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            cut = slice(max(0, start - 15), start + 35)
            yield Finding(
                file=file,
                where=f"line {number}",
                what="different",
                recorded=_short(a[cut]),
                recomputed=_short(b[cut]),
            )


def _near(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two numbers, or their texts, are equal within a relative tolerance."""
    if not tolerance or a is None or b is None:
        return False
    try:
        return math.isclose(float(a), float(b), rel_tol=tolerance, abs_tol=tolerance)
    except (TypeError, ValueError):
        return False


def _short(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
