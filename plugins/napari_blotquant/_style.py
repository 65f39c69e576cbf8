"""How numbers and words look in the dock."""

from __future__ import annotations

import math

SHEET = """
QLabel#title { font-size: 14px; font-weight: 600; }
QLabel#state, QLabel#hint { color: #8a939b; }
QLabel#number { font-size: 20px; font-weight: 600; }
QLabel#problem { background: #6d3b12; color: #ffe6c9; padding: 6px; border-radius: 4px; }
QLabel#note { background: #24485f; color: #d9ecf8; padding: 6px; border-radius: 4px; }
QLabel#flags { color: #f0b35a; }
QPushButton#step { padding: 5px 2px; border-radius: 4px; }
QPushButton#step:checked { background: #2b7fb8; color: white; }
QPushButton#doubt { padding: 6px; font-weight: 600; }
QTableView { gridline-color: transparent; }
"""


def counts(value: float) -> str:
    """Counts with as many digits as one can read: 123 400, 1.23e8."""
    if math.isnan(value):
        return "–"
    if abs(value) >= 1e7:
        return f"{value:.3g}"
    return f"{value:,.0f}".replace(",", " ")


def with_sd(value: float, sd: float) -> str:
    """A number with its standard deviation."""
    return counts(value) if math.isnan(sd) else f"{counts(value)} ± {counts(sd)}"


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
    if abs(change) < 0.05:
        return ""
    return f"{change:+.1f} %" if abs(change) < 1000 else "≫"


def readable(text: object) -> str:
    """Flag names as words: `below_lod;saturated` becomes `below lod, saturated`."""
    return text.replace("_", " ").replace(";", ", ") if isinstance(text, str) else ""
