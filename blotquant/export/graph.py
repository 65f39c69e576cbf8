"""The quantification graph of one ratio: every replicate as a point, the mean's interval beside it, on a log axis.

One drawing serves the report's page and the files that are handed to a journal: SVG and PDF whose text stays text, and
a 600-dpi TIFF, in the widths of journal columns. Colours are those of Okabe and Ito, which colour-blind readers tell.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blotquant._version import __version__

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

POINT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The Okabe–Ito colours: told apart by colour-blind readers."""
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
DPI = 600
"""Dots per inch of the raster graph."""
LONGEST_LABEL = 28
"""Characters of a condition's name on the axis."""


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
    import matplotlib as mpl
    from matplotlib.figure import Figure

    n_conditions = summary["condition"].nunique()
    # The narrowest journal column that gives every condition its room.
    width = next((w for w in COLUMN_WIDTHS_MM if w - AXIS_MM >= CONDITION_MM * n_conditions), COLUMN_WIDTHS_MM[-1])
    files = {}
    with mpl.rc_context(graph_style(font_size=7)):
        figure = Figure(figsize=(width / 25.4, HEIGHT_MM / 25.4), layout="constrained")
        draw_ratio(figure.add_subplot(), ratios, summary, reference=reference, point_size=12)
        for ending, kept in (("svg", {"Date": None, "Creator": None}), ("pdf", {"CreationDate": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=ending, metadata=kept)
            files[f".{ending}"] = buffer.getvalue()
            # Axes and labels were placed for the SVG, by the true widths of its text; they stay there.
            figure.set_layout_engine(None)
        files[".tif"] = draw_tiff(figure)
    # Programs that lack the font that was drawn with take the first that they have.
    files[".svg"] = files[".svg"].replace(b"'DejaVu Sans'", b"Arial, Helvetica, 'DejaVu Sans', sans-serif")
    return files


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


def graph_style(*, font_size: float) -> Any:
    """Settings of matplotlib: text stays text in SVG and PDF, and the same tables give the same bytes."""
    return {
        "svg.hashsalt": "blotquant",
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "font.size": font_size,
        "font.family": "DejaVu Sans",
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "ytick.minor.width": 0.4,
    }


def svg_of(figure: Figure) -> str:
    """A figure as SVG for the page: no clock, no header, the same bytes for the same figure."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]


def draw_tiff(figure: Figure, *, is_grey: bool = False) -> bytes:
    """Draw a figure as a 600-dpi TIFF, LZW; one of black, grey and white with one value a pixel in place of three."""
    from PIL import Image

    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="rgba", dpi=DPI)
    width, height = (int(inches * DPI) for inches in figure.get_size_inches())
    picture = Image.frombytes("RGBA", (width, height), drawn.getbuffer()).convert("L" if is_grey else "RGB")
    picture.save(buffer, format="TIFF", compression="tiff_lzw", dpi=(DPI, DPI))
    return buffer.getvalue()


def draw_ratio(
    axes: Axes, ratios: pd.DataFrame, summary: pd.DataFrame, *, reference: str | None, point_size: float = 22
) -> None:
    """Draw one ratio by condition: points by blot, the mean and its interval beside them."""
    conditions = list(dict.fromkeys(summary["condition"]))
    relative = reference is not None and bool(ratios["relative"].notna().any())
    name = str(summary["ratio"].iloc[0]) if len(summary) else ""
    _draw_points(axes, ratios, conditions, column="relative" if relative else "value", size=point_size)
    ends = ("fold_change", "fold_ci_low", "fold_ci_high") if relative else ("geometric_mean", "ci_low", "ci_high")
    for row in summary.to_dict("records"):
        _draw_interval(axes, conditions.index(row["condition"]) + 0.3, [row[name] for name in ends])
    axes.set_ylabel(f"{name}\nrelative to {reference}" if relative else name)
    finish_axes(axes, conditions, line_at_one=relative)


def finish_axes(axes: Axes, conditions: Sequence[str], *, line_at_one: bool) -> None:
    """Conditions along the x axis, a log y axis with plain numbers."""
    if axes.has_data() and axes.dataLim.y1 > 0:
        _set_log_axis(axes)
    axes.set_xlim(-0.6, max(len(conditions), 1) - 0.4)
    labels = [name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + "…" for name in conditions]
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor", parse_math=False)
    axes.yaxis.label.set_parse_math(False)
    axes.spines[["top", "right"]].set_visible(False)
    if line_at_one:
        axes.axhline(1, color="0.75", linewidth=0.8, zorder=-1)


def _set_log_axis(axes: Axes) -> None:
    """Log axis that always shows at least a factor of two, with plain numbers at 1, 2 and 5."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high / low < 2:
        middle = np.sqrt(low * high)
        axes.set_ylim(middle / np.sqrt(2), middle * np.sqrt(2))
    low, high = axes.get_ylim()
    shown = "125" if high / low > 3 else "123456789"
    axes.yaxis.set_major_formatter(_plain_ticks(shown))
    axes.yaxis.set_minor_formatter(_plain_ticks(shown))
    axes.tick_params(axis="y", which="both", labelsize="medium")


def _plain_ticks(shown: str) -> FuncFormatter:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in shown else "")


def _draw_points(axes: Axes, ratios: pd.DataFrame, conditions: list[str], *, column: str, size: float) -> None:
    blots = list(dict.fromkeys(ratios["blot"]))
    few = len(blots) <= MOST_NAMED
    for k, blot in enumerate(blots):
        rows = ratios[(ratios["blot"] == blot) & (ratios[column] > 0) & ratios["condition"].isin(conditions)]
        offset = 0.36 * ((k + 0.5) / len(blots) - 0.5) - 0.08
        x = [conditions.index(condition) + offset for condition in rows["condition"]]
        # Colours tell a handful of blots apart; of hundreds only the cloud can be seen.
        colour = POINT_COLOURS[k % len(POINT_COLOURS)] if few else POINT_COLOURS[0]
        faces = [colour if included else "none" for included in rows["included"].fillna(value=False)]
        marker = MARKERS[k % len(MARKERS)] if few else "o"
        axes.scatter(
            x,
            rows[column].astype(float),
            s=size if few else size / 3,
            facecolors=faces,
            edgecolors=colour,
            linewidths=0.9 if few else 0.4,
            alpha=None if few else 0.5,
            marker=marker,
        )
        if few:
            axes.scatter([], [], s=size, color=colour, marker=marker, label=f"blot {blot}")
    if blots and few:
        legend = axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), handletextpad=0.2, borderpad=0.1)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _draw_interval(axes: Axes, x: float, ends: Sequence[Any]) -> None:
    middle, low, high = ends
    if middle == middle:
        axes.plot([x - 0.1, x + 0.1], [middle] * 2, color="black", linewidth=1.6)
    if low == low and low > 0:
        axes.plot([x, x], [low, high], color="black", linewidth=1)
