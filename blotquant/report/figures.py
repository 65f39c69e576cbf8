"""Figures of ratios: every replicate as a point with the mean's interval beside it, and every way of analysing it.

The report's figures of dilution series: volume against load, the best model, and the proportional range.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from blotquant.normalization.dilution_files import tell_range
from blotquant.report.template import is_missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter

    from blotquant.normalization.dilution import DilutionFit


POINT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The Okabe–Ito colours: told apart by colour-blind readers."""
MARKERS = "os^DvP*"
_WIDTH, _HEIGHT = 5.6, 3.7
MOST_NAMED = 14
"""Blots that have a colour and a name in a figure; more are drawn alike."""


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
    conditions = list(dict.fromkeys(summary["condition"]))
    relative = reference is not None and bool(ratios["relative"].notna().any())
    name = str(summary["ratio"].iloc[0]) if len(summary) else ""

    def draw(axes: Axes) -> None:
        _draw_points(axes, ratios, conditions, column="relative" if relative else "value")
        _draw_intervals(axes, summary, conditions, relative=relative)
        axes.set_ylabel(f"{name}\nrelative to {reference}" if relative else name)

    return _figure(draw, conditions, line_at_one=relative)


def plot_sensitivity(ways: pd.DataFrame, claims: pd.DataFrame) -> str:
    """Draw the fold change of one ratio's conditions for every way of analysing it.

    Parameters
    ----------
    ways : DataFrame
        Rows of one ratio, with `SENSITIVITY_COLUMNS`: one small point each, coloured by background.
    claims : DataFrame
        Rows of the same ratio from `claim_ranges`: a bar each.

    Returns
    -------
    str
        SVG, the same bytes for the same tables.
    """
    conditions = list(claims["condition"])
    backgrounds = list(dict.fromkeys(ways["background"]))
    name = str(claims["ratio"].iloc[0]) if len(claims) else ""

    def draw(axes: Axes) -> None:
        for k, background in enumerate(backgrounds):
            mine = ways[(ways["background"] == background) & ways["condition"].isin(conditions)]
            # Points of one condition side by side in the order of the ways: no random jitter.
            place = mine.groupby("condition", sort=False).cumcount().to_numpy()
            per = max(int(place.max()) + 1 if len(place) else 1, 1)
            spread = 0.6 * ((k + (place + 0.5) / per) / len(backgrounds) - 0.5)
            x = np.array([conditions.index(c) for c in mine["condition"]]) + spread
            axes.scatter(
                x, mine["fold_change"].astype(float), s=14, marker=MARKERS[k % len(MARKERS)],
                color=POINT_COLOURS[k % len(POINT_COLOURS)], linewidths=0, label=background,
            )  # fmt: skip
        for x, claim in enumerate(claims["fold_change"]):
            axes.plot([x - 0.36, x + 0.36], [claim, claim], color="black", linewidth=1.2, zorder=0)
        axes.set_ylabel(f"{name}\nfold change, analysed every way")
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1), title="background",
                    title_fontsize=7, handletextpad=0.2)  # fmt: skip

    return _figure(draw, conditions, line_at_one=True)


def _figure(draw: Callable[[Axes], None], conditions: Sequence[str], *, line_at_one: bool) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.hashsalt": "blotquant",
        "svg.fonttype": "none",
        "font.size": 9,
        "font.family": "DejaVu Sans",
    }
    with mpl.rc_context(style):
        width = max(_WIDTH, 1.8 + 0.42 * len(conditions))
        figure = Figure(figsize=(width, _HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        if axes.has_data() and axes.dataLim.y1 > 0:
            _set_log_axis(axes)
        axes.set_xlim(-0.6, max(len(conditions), 1) - 0.4)
        labels = [name if len(name) <= 28 else name[:27] + "…" for name in conditions]
        axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor", fontsize=8,
                        parse_math=False)  # fmt: skip
        axes.yaxis.label.set_parse_math(False)
        axes.spines[["top", "right"]].set_visible(False)
        if line_at_one:
            axes.axhline(1, color="0.75", linewidth=0.8, zorder=-1)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]


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
    axes.tick_params(axis="y", which="both", labelsize=8)


def _plain_ticks(shown: str) -> FuncFormatter:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in shown else "")


def _draw_points(axes: Axes, ratios: pd.DataFrame, conditions: list[str], *, column: str) -> None:
    blots = list(dict.fromkeys(ratios["blot"]))
    few = len(blots) <= MOST_NAMED
    for k, blot in enumerate(blots):
        rows = ratios[(ratios["blot"] == blot) & (ratios[column] > 0) & ratios["condition"].isin(conditions)]
        offset = 0.36 * ((k + 0.5) / len(blots) - 0.5) - 0.08
        x = [conditions.index(condition) + offset for condition in rows["condition"]]
        # Colours tell a handful of blots apart; of hundreds only the cloud can be seen.
        colour = POINT_COLOURS[k % len(POINT_COLOURS)] if few else POINT_COLOURS[0]
        faces = [colour if included else "none" for included in rows["included"].fillna(value=False)]
        marker = MARKERS[k // len(POINT_COLOURS) % len(MARKERS)] if few else "o"
        axes.scatter(
            x,
            rows[column].astype(float),
            s=22 if few else 7,
            facecolors=faces,
            edgecolors=colour,
            linewidths=0.9 if few else 0.4,
            alpha=None if few else 0.5,
            marker=marker,
        )
        if few:
            axes.scatter([], [], s=22, color=colour, marker=marker, label=f"blot {blot}")
    if blots and few:
        legend = axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1), handletextpad=0.2)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _draw_intervals(axes: Axes, summary: pd.DataFrame, conditions: list[str], *, relative: bool) -> None:
    middle, low, high = (
        ("fold_change", "fold_ci_low", "fold_ci_high") if relative else ("geometric_mean", "ci_low", "ci_high")
    )
    for row in summary.to_dict("records"):
        _draw_interval(axes, conditions.index(row["condition"]) + 0.3, [row[name] for name in (middle, low, high)])


def _draw_interval(axes: Axes, x: float, ends: Sequence[Any]) -> None:
    middle, low, high = ends
    if middle == middle:
        axes.plot([x - 0.1, x + 0.1], [middle] * 2, color="black", linewidth=1.6)
    if low == low and low > 0:
        axes.plot([x, x], [low, high], color="black", linewidth=1)


_SIZE = (4.2, 3.1)


def dilution_blocks(fits: Mapping[str, DilutionFit], table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """One block a diluted target: its figure and what it says; targets without a fit say why.

    Parameters
    ----------
    fits : mapping of str to DilutionFit
        By target.
    table : DataFrame or None
        With `DILUTION_COLUMNS`, also of targets that could not be fitted; None without a series.
    """
    from markupsafe import Markup

    blocks: list[dict[str, Any]] = [
        {"figure": Markup(plot_dilution(fit)), "words": tell_range(fit)} for fit in fits.values()
    ]
    rows = table.to_dict("records") if table is not None else []
    return blocks + [
        {"figure": None, "words": f"{row['target']}  {row['reason']}"}
        for row in rows
        if row["target"] not in fits and not is_missing(row["reason"])
    ]


def plot_dilution(fit: DilutionFit) -> str:
    """Draw one series: points with SDs, the best model, the proportional line and its range.

    Returns
    -------
    str
        SVG, the same bytes for the same fit.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.hashsalt": "blotquant dilution",
        "svg.fonttype": "none",
        "font.size": 9,
        "font.family": "DejaVu Sans",
    }
    curve = fit.curve()
    with mpl.rc_context(style):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        if fit.range is not None:
            axes.axvspan(fit.range.load_low_ug, fit.range.load_high_ug, color="0.92", linewidth=0)
            axes.plot(curve["load_ug"], curve["proportional"], color="0.35", linewidth=1, linestyle="--")
        axes.plot(curve["load_ug"], curve["volume"], color=POINT_COLOURS[0], linewidth=1.2)
        axes.errorbar(fit.load_ug, fit.volume, yerr=fit.sd, fmt="o", color="black", markersize=3.5, linewidth=0.9)
        axes.set_xlim(0, 1.05 * max(fit.load_ug))
        axes.set_ylim(min(0.0, 1.1 * min(fit.volume)), 1.15 * float(np.max(fit.volume)))
        axes.set_xlabel("load, µg")
        axes.set_ylabel("volume, counts", parse_math=False)
        axes.set_title(f"{fit.target}: {fit.model}", fontsize=9, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
