"""How volumes and their flags are written for people: in full, a bound as a bound, the worst flag first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from blotquant.flags import FLAGS, split_flags
from blotquant.report.tables import is_missing

SEVERITY = ("block", "warn", "info")
NOT_YET = "…"
"""Stands for a number that is being made."""


def counts(value: float) -> str:
    """Counts in full: 20 512 856."""
    return NOT_YET if math.isnan(value) else f"{value:,.0f}".replace(",", "\u202f").replace("-", "\u2212")


def bound_of(flags: object) -> str:
    """What stands before a number that is a bound only."""
    return "≥\u202f" if "saturated" in split_flags(flags) else ""


def volume_text(row: Mapping[str, Any]) -> str:
    """A band's volume, as a bound where it is saturated."""
    return bound_of(row["flags"]) + counts(row["volume"])


def with_sd(row: Mapping[str, Any]) -> str:
    """A band's volume with its standard deviation; none stands beside a bound."""
    sd = row["volume_sd"]
    return volume_text(row) if math.isnan(sd) or bound_of(row["flags"]) else f"{volume_text(row)} ± {counts(sd)}"


def relative_sd(value: float, sd: float) -> str:
    """A standard deviation as a part of its number."""
    if math.isnan(value) or math.isnan(sd) or value <= 0:
        return "–"
    return f"±{100 * sd / value:.0f} %" if sd < 10 * value else "±≫"


def percent_change(value: float, before: float) -> str:
    """How far a corrected number is from the automatic one."""
    if math.isnan(value) or math.isnan(before) or before == 0 or value == before:
        return ""
    change = 100 * (value - before) / abs(before)
    return "" if abs(change) < 0.05 else f"{change:+.1f} %" if abs(change) < 1000 else "≫"


def readable(cell: object) -> str:
    """Flag names as words, the most serious first: `below_lod;saturated` becomes `saturated, below lod`."""
    names = sorted(split_flags(cell), key=lambda name: SEVERITY.index(FLAGS[name].level) if name in FLAGS else 1)
    return ", ".join(name.replace("_", " ") for name in names)


def band_name(band: Mapping[str, Any]) -> str:
    """What a band is called: its target, else its mass, else its row."""
    if isinstance(band["target"], str):
        return str(band["target"])
    mass = band.get("mw_kda")
    if isinstance(mass, float) and not math.isnan(mass):
        return f"{mass:.0f} kDa"
    return "–" if is_missing(band["row"]) else f"row {band['row']}"
