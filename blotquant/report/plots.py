"""Figures of ratios: every replicate as a point, the geometric mean and its interval beside them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter

POINT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The Okabe–Ito colours: told apart by colour-blind readers."""


def plot_ratio(ratios: pd.DataFrame, summary: pd.DataFrame, *, reference: str | None) -> str:
    """Draw one ratio by condition on a log axis.

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
    str
        SVG, the same bytes for the same tables.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    conditions = list(dict.fromkeys(summary["condition"]))
    with mpl.rc_context({"svg.hashsalt": "blotquant", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(1.6 + 0.75 * max(len(conditions), 3), 3.6), layout="constrained")
        axes = figure.add_subplot()
        relative = reference is not None and bool(ratios["relative"].notna().any())
        _draw_points(axes, ratios, conditions, column="relative" if relative else "value")
        _draw_intervals(axes, summary, conditions, relative=relative)
        if (axes.dataLim.y1 if axes.has_data() else 0) > 0:
            _set_log_axis(axes)
        axes.set_xticks(range(len(conditions)), conditions, rotation=35, ha="right", rotation_mode="anchor")
        name = str(summary["ratio"].iloc[0]) if len(summary) else ""
        axes.set_ylabel(f"{name}, relative to {reference}" if relative else name)
        axes.spines[["top", "right"]].set_visible(False)
        if relative:
            axes.axhline(1, color="0.7", linewidth=0.8, zorder=0)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]


def _set_log_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_plain_ticks())
    axes.yaxis.set_minor_formatter(_plain_ticks())
    axes.tick_params(axis="y", which="minor", labelsize=7)


def _plain_ticks() -> FuncFormatter:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "125" else "")


def _draw_points(axes: Axes, ratios: pd.DataFrame, conditions: list[str], *, column: str) -> None:
    blots = list(dict.fromkeys(ratios["blot"]))
    for k, blot in enumerate(blots):
        rows = ratios[(ratios["blot"] == blot) & (ratios[column] > 0) & ratios["condition"].isin(conditions)]
        offset = 0.24 * ((k + 0.5) / len(blots) - 0.5)
        x = [conditions.index(condition) + offset for condition in rows["condition"]]
        colour = POINT_COLOURS[k % len(POINT_COLOURS)]
        faces = [colour if included else "none" for included in rows["included"].fillna(value=False)]
        axes.scatter(
            x, rows[column].astype(float), s=22, facecolors=faces, edgecolors=colour, label=f"blot {blot}"
        )
    if blots:
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))


def _draw_intervals(axes: Axes, summary: pd.DataFrame, conditions: list[str], *, relative: bool) -> None:
    middle, low, high = (
        ("fold_change", "fold_ci_low", "fold_ci_high")
        if relative
        else ("geometric_mean", "ci_low", "ci_high")
    )
    for row in summary.to_dict("records"):
        x = conditions.index(row["condition"]) + 0.28
        if row[middle] == row[middle]:
            axes.plot([x - 0.1, x + 0.1], [row[middle]] * 2, color="black", linewidth=1.6)
        if row[low] == row[low] and row[low] > 0:
            axes.plot([x, x], [row[low], row[high]], color="black", linewidth=1)
