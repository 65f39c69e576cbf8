"""Jinja with autoescape on: text from files and sheets stays text in the page."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from blotquant.text import harmless

if TYPE_CHECKING:
    from jinja2 import Environment


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
