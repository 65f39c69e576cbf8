"""Templates and tables of the report: text from files and sheets stays text, tables are sortable.

Jinja's autoescape is on. Numbers are aligned and rounded for the eye, and sorted by their full value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from blotquant.text import harmless

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


Record = Mapping[Any, Any]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("blotquant.report"),
        autoescape=True,
        # Direction and control marks in foreign text become visible; markup made here is left alone.
        finalize=lambda value: harmless(value, keep="\n\t") if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format_number
    return environment


def render(template: str, **values: Any) -> str:
    """Fill a template of this package; every value is escaped unless it is marked as HTML made here."""
    return _environment().get_template(template).render(**values)


def format_number(value: Any, digits: int = 4, *, aligned: bool = False) -> str:
    """Write a number with that many significant digits; a missing one is an empty cell, a claim yes or no.

    Aligned ones keep the zeros at their end, so that numbers of one column show the same precision.
    """
    if is_missing(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    text = f"{value:{'#' if aligned and isinstance(value, float) else ''}.{digits}g}".removesuffix(".")
    return f"{value:,.0f}".replace(",", "\u202f") if "e+" in text and abs(value) < 1e15 else text


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, NaN or pandas' NA."""
    if value is None or isinstance(value, str | int):
        return value is None
    import pandas as pd

    return bool(pd.isna(value))


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and the number it is sorted by, if any."""

    text: str
    sort: str | None = None


@dataclass(frozen=True)
class View:
    """One column of a report's table: heading, meaning, and how its cell is made from a row."""

    heading: str
    meaning: str
    cell: Callable[[Record], Cell]


def value(name: str, digits: int = 4) -> Callable[[Record], Cell]:
    """Show one column as it is."""

    def cell(row: Record) -> Cell:
        found = row.get(name)
        number = isinstance(found, int | float) and not isinstance(found, bool) and not is_missing(found)
        return Cell(format_number(found, digits, aligned=True), repr(float(found)) if number else None)  # type: ignore[arg-type]

    return cell


def interval(low: str, high: str, digits: int = 3) -> Callable[[Record], Cell]:
    """Show an interval by its two ends; sorted by the lower."""

    def cell(row: Record) -> Cell:
        if is_missing(row.get(low)) or is_missing(row.get(high)):
            return Cell("")
        ends = (format_number(row[name], digits, aligned=True) for name in (low, high))
        return Cell(" – ".join(ends), repr(float(row[low])))

    return cell


def with_sd(name: str, sd: str) -> Callable[[Record], Cell]:
    """Show a number ± its standard deviation; sorted by the number."""

    def cell(row: Record) -> Cell:
        if is_missing(row.get(name)):
            return Cell("")
        error = "" if is_missing(row.get(sd)) else f" ± {format_number(row[sd], 2)}"
        return Cell(format_number(row[name]) + error, repr(float(row[name])))

    return cell


def bounded(name: str, bound: str) -> Callable[[Record], Cell]:
    """Show a number behind its ≥ or ≤."""

    def cell(row: Record) -> Cell:
        if is_missing(row.get(name)):
            return Cell("")
        sign = "" if is_missing(row.get(bound)) else f"{row[bound]} "
        return Cell(sign + format_number(row[name], aligned=True), repr(float(row[name])))

    return cell


def words(name: str) -> Callable[[Record], Cell]:
    """Show a list of flags with blanks between, so that it can break."""
    return lambda row: Cell("" if is_missing(row.get(name)) else str(row[name]).replace(";", ", "))


def table_html(
    rows: Iterable[Record],
    views: Sequence[View],
    *,
    muted: Callable[[Record], bool] | None = None,
    tall: bool = False,
) -> Markup:
    """Lay rows out as a sortable table; columns that are empty in all of them are left out.

    Parameters
    ----------
    rows : iterable of mapping
        The records.
    views : sequence of View
        Columns, in order.
    muted : callable, optional
        Whether a row is shown struck through.
    tall : bool
        Whether the table may be as high as it likes on the screen.
    """
    from markupsafe import Markup

    records = list(rows)
    cells = [[view.cell(row) for view in views] for row in records]
    kept = [k for k in range(len(views)) if any(line[k].text for line in cells)] if cells else list(range(len(views)))
    heads = [
        {
            "name": views[k].heading,
            "meaning": views[k].meaning,
            "number": any(line[k].sort is not None for line in cells),
        }
        for k in kept
    ]
    body = [
        {"cells": [line[k] for k in kept], "muted": muted is not None and muted(row)}
        for row, line in zip(records, cells, strict=True)
    ]
    return Markup(render("table.html.j2", columns=heads, rows=body, tall=tall))
