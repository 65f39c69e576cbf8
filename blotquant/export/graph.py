"""The quantification graph of one ratio: every replicate as a point, the mean's interval beside it, on a log axis.

One drawing serves the report's page and the files that are handed to a journal: SVG and PDF whose text stays text, and
a 600-dpi TIFF, in the widths of journal columns. Colours are those of Okabe and Ito, which colour-blind readers tell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from blotquant._version import __version__
from blotquant.export.drawing import LINE_HEIGHT, Drawing, text_width, write_pdf
from blotquant.text import shorten

if TYPE_CHECKING:
    import pandas as pd

POINT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The Okabe–Ito colours: told apart by colour-blind readers."""
CLOUD_COLOUR = "#7FB8D8"
"""Within points that are too many to be told apart: their edges show how they overlap."""
FAINT = "#BFBFBF"
"""Lines that stand behind the data."""
MARKERS = "os^DvP*"
MOST_NAMED = 14
"""Blots that have a colour and a name in a figure; more are drawn alike."""
COLUMN_WIDTHS_MM = (85.0, 114.0, 174.0)
"""One, one and a half, and two columns of a journal page."""
HEIGHT_MM = 70.0
"""Height of the graph, labels included."""
CONDITION_MM = 7.0
"""Least room for one condition; more conditions take the next column width."""
AXIS_MM = 26.0
"""Room for the axis at the left and the legend at the right."""
POINTS_PER_MM = 72 / 25.4
LONGEST_LABEL = 28
"""Characters of a condition's name on the axis."""
LABEL_ANGLE = 35.0
"""Turn of the conditions' names, degrees."""
TICK = 3.0
"""Length of a tick, points."""
EDGE = 4.0
"""Room around a figure and between its parts, points."""
POINT_SHARE = 0.55
"""Size of a point in a graph, in sizes of its letters."""


def graph_name(ratio: str) -> str:
    """File name of a ratio's graph, without its ending."""
    return "graph_" + (re.sub(r"[^\w.-]+", "_", ratio).strip("._")[:80] or "ratio")


def draw_graph(ratios: pd.DataFrame, summary: pd.DataFrame, *, reference: str | None) -> dict[str, bytes]:
    """Draw one ratio by condition as files for a journal.

    Parameters
    ----------
    ratios : DataFrame
        Rows of one ratio, with `RATIO_COLUMNS`; included values are drawn full, excluded ones hollow.
    summary : DataFrame
        Rows of the same ratio, with `SUMMARY_COLUMNS`.
    reference : str or None
        The reference condition, for the axis label.

    Returns
    -------
    dict of str to bytes
        By file ending: ``.svg``, ``.pdf`` and ``.tif`` (600 dpi, LZW). The same bytes for the same tables.
    """
    n_conditions = summary["condition"].nunique()
    # The narrowest journal column that gives every condition its room.
    width = next((w for w in COLUMN_WIDTHS_MM if w - AXIS_MM >= CONDITION_MM * n_conditions), COLUMN_WIDTHS_MM[-1])
    drawing = Drawing(width * POINTS_PER_MM, HEIGHT_MM * POINTS_PER_MM, font=7)
    draw_ratio(drawing, ratios, summary, reference=reference)
    return {".svg": drawing.svg(header=True).encode(), ".pdf": write_pdf([drawing]), ".tif": drawing.tiff()}


def graph_legend(summary: pd.DataFrame, *, reference: str | None, unit: str, level: str) -> str:
    """Write the figure legend that belongs to a graph: what points, bars and p-values are, and n.

    Parameters
    ----------
    summary : DataFrame
        Rows of one ratio, with `SUMMARY_COLUMNS`.
    reference : str or None
        The reference condition.
    unit : str
        What a biological replicate is called, such as ``blot``.
    level : str
        Level of the confidence intervals, such as ``95 %``.

    Returns
    -------
    str
        One paragraph, ready to paste.
    """
    name = str(summary["ratio"].iloc[0])
    n = sorted({int(value) for value in summary["n"].dropna()})
    counted = f"n = {n[0]}" if n[0] == n[-1] else f"n = {n[0]} to {n[-1]}"
    tests = [t for t in dict.fromkeys(summary["test"].dropna()) if not str(t).startswith(("no test", "reference"))]
    relative, bar = (f", relative to “{reference}”", "fold change") if reference else ("", "geometric mean")
    alone = " of each comparison alone" if reference else ""
    sentences = [
        f"{name} by condition{relative}, on a log scale.",
        f"Points: one per lane, one colour and shape per blot ({counted} {unit}s per condition); hollow points were "
        "left out, for reasons given in the report.",
        f"Horizontal bars: {bar}; vertical lines: {level} confidence interval{alone}, over {unit}s.",
    ]
    p_values = summary.dropna(subset=["p_adjusted"])
    if tests and len(p_values):
        told = "; ".join(f"{row['condition']}, p = {row['p_adjusted']:.2g}" for row in p_values.to_dict("records"))
        sentences.append(f"Adjusted p-values ({'; '.join(tests)}): {told}.")
    return " ".join([*sentences, f"Quantified with blotquant {__version__}."]) + "\n"


class Scale(NamedTuple):
    """Where the values of one axis lie, in points; `first` may lie behind `last`."""

    low: float
    high: float
    first: float
    last: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Place of a value, points; what lies beyond an end stands at it."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.is_log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.first + (value - low) / (high - low) * (self.last - self.first)


class Entry(NamedTuple):
    """One line of a figure's legend."""

    marker: str
    colour: str
    label: str


def draw_ratio(drawing: Drawing, ratios: pd.DataFrame, summary: pd.DataFrame, *, reference: str | None) -> None:
    """Draw one ratio by condition: points by blot, the mean and its interval beside them."""
    conditions = list(dict.fromkeys(summary["condition"]))
    relative = reference is not None and bool(ratios["relative"].notna().any())
    name = str(summary["ratio"].iloc[0]) if len(summary) else ""
    blots = list(dict.fromkeys(ratios["blot"]))
    few = len(blots) <= MOST_NAMED
    colours = [POINT_COLOURS[k % len(POINT_COLOURS)] if few else POINT_COLOURS[0] for k in range(len(blots))]
    markers = [MARKERS[k % len(MARKERS)] if few else "o" for k in range(len(blots))]
    rows = ratios[ratios["condition"].isin(conditions)]
    values = rows["relative" if relative else "value"].astype(float)
    points = [
        (blots.index(blot), conditions.index(condition), value, included)
        for blot, condition, value, included in zip(
            rows["blot"], rows["condition"], values, rows["included"].fillna(value=False), strict=True
        )
        if value > 0
    ]
    ends = ("fold_change", "fold_ci_low", "fold_ci_high") if relative else ("geometric_mean", "ci_low", "ci_high")
    intervals = [
        (conditions.index(row["condition"]) + 0.3, *(float(row[end]) for end in ends))
        for row in summary.to_dict("records")
    ]
    x, y = draw_conditions(
        drawing,
        conditions,
        [*(point[2] for point in points), *(value for interval in intervals for value in interval[1:])],
        label=f"{name}\nrelative to {reference}" if relative else name,
        legend=[Entry(m, c, f"blot {b}") for m, c, b in zip(markers, colours, blots, strict=True)] if few else [],
        line_at_one=relative,
    )
    # Colours tell a handful of blots apart; of hundreds only the cloud can be seen.
    size, width = (drawing.font * POINT_SHARE, 0.9) if few else (drawing.font * POINT_SHARE / 1.7, 0.4)
    for blot, place, value, included in points:
        at = x(place + 0.36 * ((blot + 0.5) / len(blots) - 0.5) - 0.08)
        fill = (colours[blot] if few else CLOUD_COLOUR) if included else ""
        drawing.marker(markers[blot], (at, y(value)), size, edge=colours[blot], fill=fill, width=width)
    for at, middle, low, high in intervals:
        if middle > 0:
            drawing.line([(x(at - 0.1), y(middle)), (x(at + 0.1), y(middle))], width=1.6)
        if low > 0 and high > 0:
            drawing.line([(x(at), y(low)), (x(at), y(high))], width=1)


def draw_conditions(
    drawing: Drawing,
    conditions: Sequence[str],
    values: Sequence[float],
    *,
    label: str,
    legend: Sequence[Entry],
    line_at_one: bool,
) -> tuple[Scale, Scale]:
    """Draw the axes of a figure by condition: names along the x axis, a log y axis that holds all values above 0.

    Parameters
    ----------
    drawing : Drawing
        That is filled, its legend at the right.
    conditions : sequence of str
        From left to right; the first stands at 0.
    values : sequence of float
        All that will be drawn.
    label : str
        Of the y axis.
    legend : sequence of Entry
        What its points mean; one without a marker is a heading.
    line_at_one : bool
        Whether a line is drawn at 1.

    Returns
    -------
    x, y : Scale
        Place of a condition by its number, and of a value.
    """
    font = drawing.font
    known = [value for value in values if math.isfinite(value) and value > 0]
    low, high = log_range([*known, 1.0] if line_at_one else known)
    ticks = log_ticks(low, high) if known else []
    names = [shorten(str(name), LONGEST_LABEL) for name in conditions]
    labels = [shorten(entry.label, LONGEST_LABEL) for entry in legend]
    sine, cosine = math.sin(math.radians(LABEL_ANGLE)), math.cos(math.radians(LABEL_ANGLE))
    # Room at the sides by the widths of the text that stands there; turned names reach out to the left.
    lines = label.count("\n") + 1
    right = drawing.width - EDGE - max([0.0, *(text_width(text, font) + 2.4 * font for text in labels)])
    beside = EDGE + LINE_HEIGHT * font * lines + EDGE
    left = beside + max([0.0, *(text_width(text, font) for _, text in ticks)]) + TICK + 2
    for k, text in enumerate(names):
        share = (k + 0.6) / len(names)
        left = max(left, (EDGE + text_width(text, font) * cosine - share * right) / (1 - share))
    bottom = drawing.height - EDGE - TICK - font - sine * max((text_width(text, font) for text in names), default=0.0)
    x = Scale(-0.6, max(len(names), 1) - 0.4, left, right)
    y = Scale(low, high, bottom, EDGE + font / 2, is_log=True)
    if line_at_one:
        drawing.line([(left, y(1.0)), (right, y(1.0))], colour=FAINT)
    draw_axes(drawing, x, y, x_ticks=[(k, "") for k in range(len(names))], y_ticks=ticks)
    for k, text in enumerate(names):
        drawing.text((x(k) + font / 3, bottom + TICK + 0.9 * font), text, anchor="end", angle=LABEL_ANGLE)
    # The axis' name has the axis' length.
    size = min(font, font * (bottom - EDGE) / max(text_width(label, font), 1.0))
    drawing.text((EDGE + font, (EDGE + bottom) / 2), label, size=size, anchor="middle", angle=90)
    for k, text in enumerate(labels):
        drawing.text((right + 2 * font, y.last + (k + 0.5) * 1.35 * font), text, middle=True)
    for k, entry in enumerate(legend):
        if not entry.marker:
            continue
        at = right + 1.3 * font, y.last + (k + 0.5) * 1.35 * font
        drawing.marker(entry.marker, at, font * POINT_SHARE, edge=entry.colour, fill=entry.colour, width=0.9)
    return x, y


def draw_axes(
    drawing: Drawing, x: Scale, y: Scale, *, x_ticks: Iterable[tuple[float, str]], y_ticks: Iterable[tuple[float, str]]
) -> None:
    """Draw the two axes with their ticks and the ticks' labels; a y axis without ticks is not drawn."""
    left, bottom, levels = x.first, max(y.first, y.last), list(y_ticks)
    drawing.line([(left, bottom), (x.last, bottom)], width=0.6)
    for value, text in x_ticks:
        drawing.line([(x(value), bottom), (x(value), bottom + TICK)], width=0.6)
        drawing.text((x(value), bottom + TICK + drawing.font), text, anchor="middle")
    if levels:
        drawing.line([(left, bottom), (left, min(y.first, y.last))], width=0.6)
    for value, text in levels:
        drawing.line([(left - TICK, y(value)), (left, y(value))], width=0.6)
        drawing.text((left - TICK - 2, y(value)), text, anchor="end", middle=True)


def log_range(values: Sequence[float], least: float = 2.0) -> tuple[float, float]:
    """Ends of a log axis that shows all values with some room, and a factor of `least` at the least."""
    low, high = min(values, default=1.0), max(values, default=1.0)
    room = (high / low) ** 0.05
    low, high = low / room, high * room
    middle = math.sqrt(low * high)
    return (low, high) if high / low >= least else (middle / math.sqrt(least), middle * math.sqrt(least))


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Ticks of a log axis with their labels: 1 to 9 of each decade, and as many labels as can be read."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every, shown = -(-len(decades) // 8), "1" if high / low > 1e4 else "125" if high / low > 3 else "123456789"
    digits = "123456789" if every == 1 else "1"
    ticks = [(float(f"{digit}e{decade}"), digit) for decade in decades if decade % every == 0 for digit in digits]
    return [(value, f"{value:g}" if digit in shown else "") for value, digit in ticks if low <= value <= high]
