"""Figures of the report: ratios, every way of analysing them, contrasts with their residuals, dilution series.

Every replicate is a point with the mean's interval beside it. The report's first lines are the comparisons that were
asked for, each in one figure row and one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from blotquant.export.graph import MARKERS, POINT_COLOURS, draw_ratio, finish_axes, graph_style, svg_of
from blotquant.normalization.dilution_files import tell_range
from blotquant.report.tables import is_missing
from blotquant.statistics.contrasts import contrast_points, residual_table
from blotquant.statistics.sentences import say_family, without_repeats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from blotquant.experiment.design import Experiment
    from blotquant.normalization.dilution import DilutionFit


WIDTH_IN = 5.6
"""Least width of a figure on the page, inches; many conditions make it wider."""
HEIGHT_IN = 3.7
"""Height of a figure on the page, inches."""


DILUTION_SIZE_IN = (4.2, 3.1)
"""Width and height of a dilution series' figure, inches."""
CONTRAST_WIDTH_IN = 6.4
"""Width of a figure of contrasts or residuals, inches."""
ROW_IN = 0.34
"""Height of one contrast's row, inches."""
MOST_ROWS = 24
"""Contrasts of one figure; more stand in the table alone."""
RESIDUAL_TICKS = (1, 1.1, 1.2, 1.5, 2, 3, 5, 6.7, 8, 9)
"""Steps of a decade on the narrow axis of residuals: about the same distances up and down from 1."""
LONGEST_LABEL = 46
"""Characters of a contrast's name beside its row."""


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
        figure = Figure(figsize=(CONTRAST_WIDTH_IN, 0.9 + ROW_IN * len(rows)), layout="constrained")
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
        # A line between two families.
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
        figure = Figure(figsize=(CONTRAST_WIDTH_IN, 0.8 + 0.22 * len(conditions)), layout="constrained")
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
