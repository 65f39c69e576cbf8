"""Tables of the report: sortable, numbers aligned and rounded for the eye, sorted by their full value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blotquant.report.template import format_number, is_missing, render

if TYPE_CHECKING:
    from markupsafe import Markup

Record = Mapping[Any, Any]


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
