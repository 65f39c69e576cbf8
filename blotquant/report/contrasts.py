"""The report's first lines: the comparisons that were asked for, each in one figure row and one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blotquant.export.graph import POINT_COLOURS, graph_style, svg_of
from blotquant.statistics.contrasts import contrast_points, residual_table
from blotquant.statistics.sentences import say_family, without_repeats

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.experiment.design import Experiment

WIDTH_IN = 6.4
"""Width of a figure, inches."""
ROW_IN = 0.34
"""Height of one contrast's row, inches."""
MOST_ROWS = 24
"""Contrasts of one figure; more stand in the table alone."""
RESIDUAL_TICKS = (1, 1.1, 1.2, 1.5, 2, 3, 5, 6.7, 8, 9)
"""Steps of a decade on the narrow axis of residuals: about the same distances up and down from 1."""
LONGEST_LABEL = 46
"""Characters of a contrast's name beside its row."""


def contrast_blocks(experiment: Experiment, tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """One block a ratio: figure and sentences of what was asked, the other comparisons, and the residuals.

    Asked are the declared families; without any, the comparison with the reference; without it, what the sheet's
    columns show. None where nothing is compared.
    """
    from markupsafe import Markup

    table = tables.get("contrasts")
    if table is None or table.empty:
        return []
    points = contrast_points(experiment, tables["ratios"])
    residuals = residual_table(experiment, tables["ratios"])
    declared = [ratio.name for ratio in experiment.ratios]
    blocks = []
    for name, mine in table[table["ratio"].isin(declared)].groupby("ratio", sort=False):
        if mine["estimate_fold"].isna().all():
            continue
        rank = mine["family"].map(_rank)
        first = rank == rank.min()
        own = points[points["ratio"] == name]
        asked = _families(mine[first], own)
        p_values = mine.loc[first, "p_adjusted"].dropna()
        blocks.append(
            {
                "name": str(name),
                "asked": asked,
                "others": _families(mine[~first].iloc[rank[~first].argsort(kind="stable")], own),
                "shown": f"{(p_values <= experiment.compare.alpha).sum()} of {int(first.sum())}",
                "residuals": Markup(plot_residuals(residuals[residuals["ratio"] == name])),
                "notes": [str(note) for note in dict.fromkeys(mine["test_note"].dropna())],
                "level": experiment.compare.level,
            }
        )
    return blocks


def _rank(family: str) -> int:
    if family.endswith("(not declared: seen in the sheet's columns)"):
        return 2
    return 1 if family.startswith("against ") else 0


def _families(contrasts: pd.DataFrame, points: pd.DataFrame) -> dict[str, Any] | None:
    """One figure, and the sentences under the names of their families; None where there is no contrast."""
    from markupsafe import Markup

    known = contrasts[contrasts["estimate_fold"].notna()]
    if contrasts.empty:
        return None
    families = [
        {"name": say_family(rows.iloc[0].to_dict()), "sentences": without_repeats(rows["sentence"].dropna().tolist())}
        for _, rows in contrasts.groupby("family", sort=False)
    ]
    figure = Markup(plot_contrasts(known.head(MOST_ROWS), points)) if len(known) else ""
    return {"figure": figure, "families": families, "n": len(contrasts), "n_undrawn": max(len(known) - MOST_ROWS, 0)}


def plot_contrasts(contrasts: pd.DataFrame, points: pd.DataFrame) -> str:
    """Draw contrasts of one ratio below each other on a log axis.

    Parameters
    ----------
    contrasts : DataFrame
        Rows of `CONTRAST_COLUMNS` with an estimate: a square with the simultaneous interval as a thin line and the
        pointwise one as a thick line; an arrow where an end is open because values are bounds.
    points : DataFrame
        From `contrast_points`: one small point for each blot or replicate, `contrast`, `family`, `block`, `fold`.

    Returns
    -------
    str
        SVG, the same bytes for the same tables.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = contrasts.to_dict("records")
    blocks = list(dict.fromkeys(points["block"]))
    with mpl.rc_context(graph_style(font_size=8) | {"svg.hashsalt": "blotquant contrasts"}):
        figure = Figure(figsize=(WIDTH_IN, 0.9 + ROW_IN * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(1, color="0.75", linewidth=0.8, zorder=-2)
        shown = _limits(contrasts, points)
        for place, row in enumerate(rows):
            _draw_row(axes, row, place, shown)
        places = {(row["family"], row["contrast"]): place for place, row in enumerate(rows)}
        drawn = [point for point in points.to_dict("records") if (point["family"], point["contrast"]) in places]
        axes.scatter(
            [point["fold"] for point in drawn],
            [places[point["family"], point["contrast"]] + 0.24 for point in drawn],
            s=11,
            color=[POINT_COLOURS[blocks.index(point["block"]) % len(POINT_COLOURS)] for point in drawn],
            linewidths=0,
            zorder=2,
        )
        axes.set_xscale("log")
        axes.set_xlim(*shown)
        _plain_log_axis(axes, shown)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        # The two sides of an interaction stand below each other.
        labels = ["\n".join(map(_short, str(row["contrast"]).replace(") / (", ") /\n(").split("\n"))) for row in rows]
        axes.set_yticks(range(len(rows)), labels, fontsize=7.5, parse_math=False)
        axes.set_xlabel("fold (log scale)")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        edges = [k for k in range(1, len(rows)) if rows[k]["family"] != rows[k - 1]["family"]]
        for edge in edges:
            axes.axhline(edge - 0.5, color="0.85", linewidth=0.6, zorder=-3)
        return svg_of(figure)


def plot_residuals(residuals: pd.DataFrame) -> str:
    """Draw how far each value lies from what its condition and blot make expected: one row a condition.

    Parameters
    ----------
    residuals : DataFrame
        From `residual_table`, of one ratio.

    Returns
    -------
    str
        SVG, the same bytes for the same table.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    conditions, blocks = (list(dict.fromkeys(residuals[name])) for name in ("condition", "block"))
    reach = max(float(np.exp(residuals["residual"].abs().max())), 1.2) * 1.05
    with mpl.rc_context(graph_style(font_size=8) | {"svg.hashsalt": "blotquant residuals"}):
        figure = Figure(figsize=(WIDTH_IN, 0.8 + 0.22 * len(conditions)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(1, color="0.75", linewidth=0.8, zorder=-2)
        places = [conditions.index(name) for name in residuals["condition"]]
        colours = [POINT_COLOURS[blocks.index(block) % len(POINT_COLOURS)] for block in residuals["block"]]
        axes.scatter(np.exp(residuals["residual"]), places, s=14, color=colours, linewidths=0)
        axes.set_xscale("log")
        axes.set_xlim(1 / reach, reach)
        _plain_log_axis(axes, (1 / reach, reach), steps=RESIDUAL_TICKS)
        axes.set_ylim(len(conditions) - 0.4, -0.6)
        axes.set_yticks(range(len(conditions)), [_short(str(name)) for name in conditions], parse_math=False)
        axes.set_xlabel("value / value expected from condition and blot (log scale)")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        return svg_of(figure)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _draw_row(axes: Any, row: Mapping[Any, Any], place: int, shown: tuple[float, float]) -> None:
    """One contrast: estimate, both intervals; a bound has an arrow towards its open side."""
    estimate = float(row["estimate_fold"])
    bound = row["bound"] if isinstance(row["bound"], str) else ""
    for name, width in (("simultaneous_ci", 0.9), ("ci", 2.4)):
        low, high = (float(row[f"{name}_{end}"]) for end in ("low", "high"))
        low = (shown[0] if bound == "≤" else estimate) if np.isnan(low) else low
        high = (shown[1] if bound == "≥" else estimate) if np.isnan(high) else high
        if high > low:
            axes.plot([low, high], [place, place], color="0.25", linewidth=width, solid_capstyle="butt", zorder=0)
    marker = {"≤": "<", "≥": ">"}.get(bound, "s")
    axes.plot([estimate], [place], marker=marker, markersize=5, color="black", zorder=3)


def _limits(contrasts: pd.DataFrame, points: pd.DataFrame) -> tuple[float, float]:
    """Range of the axis: all estimates, simultaneous intervals and points, and at least from one half to two."""
    names = ("estimate_fold", "simultaneous_ci_low", "simultaneous_ci_high")
    values = [contrasts[name].to_numpy(dtype=float) for name in names] + [points["fold"].to_numpy(dtype=float)]
    known = np.concatenate(values)
    known = known[np.isfinite(known) & (known > 0)]
    low, high = min(float(known.min()), 0.5), max(float(known.max()), 2.0)
    return low / 1.15, high * 1.15


def _plain_log_axis(axes: Any, shown: tuple[float, float], steps: Sequence[float] = ()) -> None:
    """Ticks at these steps of each decade (1, 2 and 5 of few decades), written as plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    decades = np.arange(np.floor(np.log10(shown[0])), np.ceil(np.log10(shown[1])) + 1)
    steps = (steps if len(decades) <= 3 else ()) or ((1, 2, 5) if len(decades) <= 4 else (1,))
    ticks = [step * 10**decade for decade in decades for step in steps]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if shown[0] <= tick <= shown[1]]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
