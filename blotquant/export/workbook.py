"""results.xlsx: every table as a sheet, an About sheet, and the Prism-shaped sheet.

Text is always written as text, so that a sample called ``=HYPERLINK("http://x")`` stays a name. The same tables give
the same bytes.

A table shaped as GraphPad Prism's grouped tables: conditions in rows, replicates in columns. The csv tables as parquet,
for those who go on in a data frame.
"""

from __future__ import annotations

import datetime
import io
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from blotquant._version import __version__
from blotquant.errors import OutputError
from blotquant.experiment.design import Experiment
from blotquant.io.files import atomic_write, read_table, write_table
from blotquant.normalization.normalize import blots_without_numerator
from blotquant.statistics.compare import scaled_units
from blotquant.statistics.scaling import SCALINGS
from blotquant.tables import (
    BAND_COLUMNS,
    CARRY_OVER_COLUMNS,
    CONTRAST_COLUMNS,
    DILUTION_COLUMNS,
    EXPOSURE_COLUMNS,
    LANE_COLUMNS,
    RATIO_COLUMNS,
    SENSITIVITY_COLUMNS,
    SUMMARY_COLUMNS,
    Column,
)


def prism_table(experiment: Experiment, ratios: pd.DataFrame, units: pd.DataFrame | None = None) -> pd.DataFrame:
    """Lay every ratio's replicates out for Prism.

    Parameters
    ----------
    experiment : Experiment
        Declares the scaling between blots.
    ratios : DataFrame
        From `normalize`.
    units : DataFrame, optional
        From `scaled_units`, where it is at hand.

    Returns
    -------
    DataFrame
        `condition`, then for each ratio one column per biological replicate, called ``ratio: replicate`` or, where
        blots were scaled, ``ratio (scaled by alignment): replicate``; every ratio has the same number of columns, as
        Prism's subcolumns ask. Values are those that the geometric means are made of: technical repeats averaged,
        blots scaled as declared. A replicate without a value leaves its cell empty. Prism has no bounds: where a value
        is only known to be at most or at least something, the last columns, ``ratio: bounds``, say so in text.
    """
    units = scaled_units(experiment, ratios) if units is None else units
    names = list(dict.fromkeys(ratios["ratio"].dropna()))
    replicates = list(dict.fromkeys(units["replicate"]))
    role = ratios["role"] if "role" in ratios else pd.Series("sample", index=ratios.index)
    conditions = list(dict.fromkeys(ratios.loc[role != "excluded", "condition"].dropna()))
    cells = {
        (ratio, replicate, condition): value
        for ratio, replicate, condition, value in units[["ratio", "replicate", "condition", "value"]].itertuples(
            index=False, name=None
        )
    }
    scaling = experiment.compare.scaling
    scaled = "" if scaling == "none" else f" (scaled by {scaling})"
    columns = {
        f"{ratio}{scaled}: {replicate}": [cells.get((ratio, replicate, condition)) for condition in conditions]
        for ratio in names
        for replicate in replicates
    }
    bounded = units[units["bound_value"].notna()]
    told = pd.Series(
        [
            f"{r} {b} {v:.4g}"
            for r, b, v in zip(*(bounded[k] for k in ("replicate", "bound", "bound_value")), strict=True)
        ],
        index=bounded.index,
        dtype="object",
    )
    bounds = {
        f"{ratio}{scaled}: bounds": ["; ".join(mine[bounded["condition"] == name]) or None for name in conditions]
        for ratio, mine in told.groupby(bounded["ratio"], sort=False)
    }
    frame = pd.DataFrame({"condition": conditions, **columns, **bounds})
    texts = dict.fromkeys(["condition", *bounds], "string")
    return frame.astype({**texts, **dict.fromkeys(columns, "float64")})


def replicate_table(experiment: Experiment, units: pd.DataFrame) -> pd.DataFrame:
    """What the statistics are made of, one row per ratio, condition and biological replicate, ready for R or Python.

    Parameters
    ----------
    experiment : Experiment
        Declares the scaling between blots.
    units : DataFrame
        From `scaled_units`.

    Returns
    -------
    DataFrame
        With `REPLICATE_COLUMNS`.
    """
    units = units.assign(scaling=experiment.compare.scaling)
    value = units["value"].astype(float)
    units["ln_value"] = np.log(value.where(value > 0))
    units["bound"] = units["bound"].replace("", pd.NA)
    return units.astype({"value": "float64"})[list(REPLICATE_COLUMNS)]


def write_prism(path: str | os.PathLike[str], experiment: Experiment, ratios: pd.DataFrame) -> None:
    """Write the Prism-shaped table as csv.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_table(prism_table(experiment, ratios), path)


CREATED = datetime.datetime(2000, 1, 1)
"""A fixed mark in place of the clock: equal results are equal files."""
MAX_TEXT = 32_767
"""Characters that a cell of Excel holds."""
MAX_ROWS = 1_048_575
"""Rows that a sheet of Excel holds below its header."""
FORMULA_SIGNS = ("=", "+", "-", "@")
"""Text that begins with one of these is taken for a formula unless it is marked as text."""
REPLICATE_COLUMNS: dict[str, Column] = {
    "ratio": Column("string", "", "From the experiment file"),
    "condition": Column("string", "", "From the sample sheet"),
    "blot": Column("string", "", "Blot that the replicate stands on"),
    "replicate": Column("string", "", "Biological replicate"),
    "n_technical": Column("int64", "", "Lanes that were averaged, on the log scale"),
    "value": Column("float64", "", "Ratio of the replicate, after scaling between blots"),
    "ln_value": Column("float64", "", "Natural logarithm of the value: what is compared"),
    "bound": Column("string", "", "≤ or ≥ where only a bound is known; value is empty then"),
    "bound_value": Column("float64", "", "The bound, on the same scale as the values"),
    "scaling": Column("string", "", "How blots were brought to one scale"),
}
"""Columns of the sheet of replicates."""
DIGITS = 4
"""Significant digits that a column of numbers shows, of its median; cells hold full precision."""
SMALL_P = 1e-4
"""p-values below it are shown with a power of ten."""
PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?")
"""A number as a sheet writes it, and no code such as 007."""
SHEETS: dict[str, tuple[str, Mapping[str, Column]]] = {
    "bands": ("Bands", BAND_COLUMNS),
    "lanes": ("Lanes", LANE_COLUMNS),
    "exposures": ("Exposures", EXPOSURE_COLUMNS),
    "dilution": ("Dilution", DILUTION_COLUMNS),
    "ratios": ("Ratios", RATIO_COLUMNS),
    "summary": ("Summary", SUMMARY_COLUMNS),
    "contrasts": ("Contrasts", CONTRAST_COLUMNS),
    "sensitivity": ("Sensitivity", SENSITIVITY_COLUMNS),
    "carry_over": ("Carry-over", CARRY_OVER_COLUMNS),
}


def write_workbook(
    path: str | os.PathLike[str],
    tables: Mapping[str, pd.DataFrame],
    *,
    experiment: Experiment | None = None,
    failures: Mapping[str, str] | None = None,
) -> None:
    """Write the tables as one Excel workbook, atomically.

    Parameters
    ----------
    path : path-like
        The .xlsx to write.
    tables : mapping of str to DataFrame
        Any of ``bands``, ``lanes``, ``exposures``, ``ratios``, ``summary``, ``sensitivity``, ``carry_over``.
    experiment : Experiment, optional
        For the About and Prism sheets.
    failures : mapping of str to str, optional
        What could not be measured, and why; it stands on the About sheet.

    Raises
    ------
    OutputError
        If the file cannot be written, or a table has more rows than a sheet can hold.
    """
    import xlsxwriter

    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": False}
    book = xlsxwriter.Workbook(buffer, options)
    book.set_properties(
        {
            "title": experiment.name if experiment else "blotquant results",
            "created": CREATED,
            "comments": f"blotquant {__version__}",
        }
    )
    styles = _Styles(book)
    _write_about(book.add_worksheet("About"), styles, _about_lines(tables, experiment, failures or {}))
    for key, (title, columns) in SHEETS.items():
        if key in tables:
            _write_table(book.add_worksheet(title), styles, tables[key], columns, where=Path(path).name)
    if experiment is not None and "ratios" in tables:
        units = scaled_units(experiment, tables["ratios"])
        prism, replicates = prism_table(experiment, tables["ratios"], units), replicate_table(experiment, units)
        _write_table(book.add_worksheet("Prism"), styles, prism, {}, where=Path(path).name)
        _write_table(book.add_worksheet("Replicates"), styles, replicates, REPLICATE_COLUMNS, where=Path(path).name)
    book.close()
    atomic_write(path, buffer.getvalue())


class _Styles:
    """The few cell formats of the workbook."""

    def __init__(self, book: Any) -> None:
        self.head = book.add_format({"bold": True, "bottom": 1})
        # Excel turns an edited cell that begins with a sign into a formula unless it is marked as quoted text.
        self.quoted = book.add_format({"quote_prefix": True})
        self._numbers: dict[str, Any] = {}
        self._book = book
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})

    def number(self, pattern: str) -> Any:
        """A cell format that shows numbers by an Excel pattern."""
        return self._numbers.setdefault(pattern, self._book.add_format({"num_format": pattern}))

    def text(self, sheet: Any, row: int, col: int, text: str, style: Any = None) -> None:
        """Write text that stays text, whatever it begins with."""
        style = self.quoted if text.startswith(FORMULA_SIGNS) and style is None else style
        sheet.write_string(row, col, text[:MAX_TEXT], style)


def _write_table(
    sheet: Any, styles: _Styles, frame: pd.DataFrame, columns: Mapping[str, Column], *, where: str
) -> None:
    if len(frame) > MAX_ROWS:
        msg = f"{where}: {len(frame)} rows where a sheet holds {MAX_ROWS}; use the csv files, or parquet"
        raise OutputError(msg)
    # Headings, each with its meaning as a comment.
    for col, name in enumerate(frame.columns):
        styles.text(sheet, 0, col, str(name), styles.head)
        if name in columns:
            unit = f" [{columns[name].unit}]" if columns[name].unit else ""
            sheet.write_comment(0, col, columns[name].meaning + unit, {"x_scale": 2})
    # Cells: full precision, shown with a few digits.
    shown = frame.assign(**{name: _numbers_of(frame[name]) for name in frame.columns if name not in columns})
    formats = [styles.number(pattern) if (pattern := _pattern(name, shown[name])) else None for name in shown.columns]
    for row, values in enumerate(shown.itertuples(index=False, name=None), start=1):
        for col, value in enumerate(values):
            _write_cell(sheet, styles, row, col, value, formats[col])
    # Three characters more for the filter's button; numbers are shown shorter than their full precision.
    texts: list[Any] = [
        frame[name].head(50) if style is None else [] for name, style in zip(frame.columns, formats, strict=True)
    ]
    widths = [
        max([len(str(name)) + 3, *(len(str(v)) for v in own)]) for name, own in zip(frame.columns, texts, strict=True)
    ]
    for col, width in enumerate(widths):
        sheet.set_column(col, col, min(max(width + 1, 8), 40))
    sheet.freeze_panes(1, 1 if len(frame.columns) > 1 else 0)
    if len(frame.columns):
        sheet.autofilter(0, 0, max(len(frame), 1), len(frame.columns) - 1)
        sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})


def _numbers_of(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of the sample sheet as numbers where all of it is numbers as a person writes them."""
    texts = column.dropna()
    if len(texts) and all(isinstance(text, str) and PLAIN_NUMBER.fullmatch(text) for text in texts):
        return column.astype("Float64")
    return column


def _pattern(name: str, column: pd.Series[Any]) -> str:
    """How Excel shows a column of numbers: whole ones plainly, p-values small, others with a few digits."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return ""
    values = pd.to_numeric(column, errors="coerce").astype(float)
    values = values[np.isfinite(values)]
    if values.empty or (values == values.round()).all():
        return "0"
    if str(name).startswith("p_"):
        return f"[<{SMALL_P}]0.0E+00;0.0000"
    size = float(values[values != 0].abs().median())
    decimals = min(max(DIGITS - 1 - math.floor(math.log10(size)), 0), 6)
    return "0" if decimals == 0 else "0." + "0" * decimals


def _write_cell(sheet: Any, styles: _Styles, row: int, col: int, value: Any, style: Any) -> None:
    """Write numbers as numbers, missing values as empty cells, and the rest as text."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        sheet.write_boolean(row, col, bool(value))
    elif isinstance(value, str):
        styles.text(sheet, row, col, value)
    elif math.isinf(value):
        styles.text(sheet, row, col, "∞" if value > 0 else "−∞")
    else:
        sheet.write_number(row, col, value, style)


def _about_lines(
    tables: Mapping[str, pd.DataFrame], experiment: Experiment | None, failures: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    yield "blotquant", __version__
    if experiment is not None:
        compare = experiment.compare
        yield "experiment", experiment.name
        yield "file", experiment.path.name
        yield "reference", compare.reference or "none declared"
        method = SCALINGS[compare.scaling]
        yield "scaling", f"{compare.scaling}: {method.does}; cost: {method.costs}"
        yield "intervals", f"95 % of the measurement in Ratios, {compare.level} over {experiment.unit}s in Summary"
        yield "adjustment", f"{compare.adjust}; alpha {compare.alpha:g}"
        yield "Prism sheet", "grouped table: conditions in rows, biological replicates in columns, scaled as above"
        yield (
            "Replicates sheet",
            "one row per ratio, condition and biological replicate: what the statistics are made of",
        )
        yield from (("note", warning) for warning in experiment.warnings)
        for ratio, blots in blots_without_numerator(experiment).items():
            yield "takes no part", f"{ratio}: blot {', '.join(blots)}, which has no picture of its numerator"
    yield from (("not measured", f"{name}: {reason}") for name, reason in failures.items())
    if "ratios" in tables:
        yield from _exclusions(tables["ratios"])
    yield ("",)
    yield "sheet", "column", "unit", "meaning"
    for key, (title, columns) in SHEETS.items():
        for name in tables[key].columns if key in tables else ():
            column = columns.get(name, Column("string", "", "From the sample sheet"))
            yield title, str(name), column.unit, column.meaning


def _exclusions(ratios: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Count what was used and what was left out by reason: nothing is dropped silently."""
    used = int(ratios["included"].fillna(value=False).sum())
    yield "values", f"{len(ratios)} in all, {used} used, {len(ratios) - used} left out"
    reasons = ratios.loc[~ratios["included"].fillna(value=False).astype(bool), "reason"].fillna("no reason given")
    for reason in dict.fromkeys(reasons):
        yield "left out", f"{int((reasons == reason).sum())}: {reason}"


def _write_about(sheet: Any, styles: _Styles, lines: Iterator[Sequence[str]]) -> None:
    sheet.set_column(0, 1, 20)
    sheet.set_column(3, 3, 90)
    for row, line in enumerate(lines):
        for col, text in enumerate(line):
            styles.text(sheet, row, col, text, styles.head if line[0] == "sheet" else None)


def write_parquet(table: Path) -> Path:
    """Write a csv table of results again as parquet, beside it.

    Parameters
    ----------
    table : pathlib.Path
        The csv; by its name, a key of `SHEETS`, the types of its columns are known.

    Returns
    -------
    pathlib.Path
        The parquet file.

    Raises
    ------
    OutputError
        If pyarrow is not installed or the file cannot be written.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        msg = "parquet needs pyarrow; install it with pip install 'blotquant[parquet]'"
        raise OutputError(msg) from None
    buffer = io.BytesIO()
    read_table(table, SHEETS.get(table.stem, ("", {}))[1]).to_parquet(buffer, engine="pyarrow", index=False)
    target = table.with_suffix(".parquet")
    atomic_write(target, buffer.getvalue())
    return target
