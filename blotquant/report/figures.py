"""Figures of ratios: every replicate as a point with the mean's interval beside it, and every way of analysing it.

The report's figures of dilution series: volume against load, the best model, and the proportional range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from blotquant.export.graph import MARKERS, POINT_COLOURS, draw_ratio, finish_axes, graph_style, svg_of
from blotquant.normalization.dilution_files import tell_range
from blotquant.report.template import is_missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from blotquant.normalization.dilution import DilutionFit


WIDTH_IN = 5.6
"""Least width of a figure on the page, inches; many conditions make it wider."""
HEIGHT_IN = 3.7
"""Height of a figure on the page, inches."""


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
    return _figure(lambda axes: draw_ratio(axes, ratios, summary, reference=reference), conditions)


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
        finish_axes(axes, conditions, line_at_one=True)

    return _figure(draw, conditions)


def _figure(draw: Callable[[Axes], None], conditions: Sequence[str]) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(graph_style(font_size=8)):
        width = max(WIDTH_IN, 1.8 + 0.42 * len(conditions))
        figure = Figure(figsize=(width, HEIGHT_IN), layout="constrained")
        draw(figure.add_subplot())
        return svg_of(figure)


DILUTION_SIZE_IN = (4.2, 3.1)
"""Width and height of a dilution series' figure, inches."""


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

    curve = fit.curve()
    with mpl.rc_context(graph_style(font_size=9) | {"svg.hashsalt": "blotquant dilution"}):
        figure = Figure(figsize=DILUTION_SIZE_IN, layout="constrained")
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
        return svg_of(figure)
