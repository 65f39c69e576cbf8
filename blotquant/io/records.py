"""Rows of tables as records of plain values, and as csv: what passes from workers to the tables that users read.

A record is a mapping of column to number, text, truth value or None (an empty cell). Records need no pandas, so that a
worker that only measures does not load it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blotquant.text import guard_cell

if TYPE_CHECKING:
    import pandas as pd

_TOGETHER = 500
"""Rows that are turned into text at once: enough to be quick, few enough that memory does not grow with a table."""


def table_records(frame: pd.DataFrame, constants: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Rows of a table as records of Python's own values; `constants` replace or add columns."""
    fixed = dict(constants or {})
    columns = {str(name): _plain_cells(cells) for name, cells in frame.items() if name not in fixed}
    return [dict(zip(columns, values, strict=True)) | fixed for values in zip(*columns.values(), strict=True)]


def _plain_cells(cells: pd.Series[Any]) -> list[Any]:
    """Cells as Python's own objects, None where one is missing."""
    if cells.dtype == "float64":
        return [None if value != value else value for value in cells.to_numpy().tolist()]
    missing = cells.isna().tolist()
    return [None if gone else value for value, gone in zip(cells.to_numpy(dtype=object).tolist(), missing, strict=True)]


def csv_lines(records: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    r"""Text of a table in pieces: its header line, then its rows.

    Comma-separated, ``\n``, floats in their shortest exact form, missing cells empty. A text that a spreadsheet would
    run as a formula gets an apostrophe in front, which `blotquant.io.read_table` takes away.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(guard_cell, columns))
    for number, record in enumerate(records, start=1):
        cells = (record.get(name) for name in columns)
        writer.writerow([guard_cell(x) if isinstance(x, str) else "" if x is None or x != x else x for x in cells])
        if number % _TOGETHER == 0:
            yield stream.getvalue()
            stream.seek(0)
            stream.truncate()
    yield stream.getvalue()
