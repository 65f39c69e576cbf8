"""Figures of the report: ratios, every way of analysing them, contrasts with their residuals, dilution series.

Every replicate is a point with the mean's interval beside it. The report's first lines are the comparisons that were
asked for, each in one figure row and one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from blotquant.export.drawing import Drawing, text_width
from blotquant.export.graph import (
    EDGE,
    FAINT,
    MARKERS,
    POINT_COLOURS,
    TICK,
    Entry,
    Scale,
    draw_axes,
    draw_conditions,
    draw_ratio,
)
from blotquant.normalization.dilution_files import tell_range
from blotquant.report.tables import is_missing
from blotquant.statistics.contrasts import contrast_points, residual_table
from blotquant.statistics.sentences import say_family, without_repeats
from blotquant.text import shorten

if TYPE_CHECKING:
    from blotquant.experiment.design import Experiment
    from blotquant.normalization.dilution import DilutionFit


WIDTH = 400.0
"""Least width of a figure on the page, points; many conditions make it wider."""
HEIGHT = 266.0
"""Height of a figure on the page, points."""
FONT = 8.0
"""Size of the letters, points."""
DILUTION_SIZE = (302.0, 223.0)
"""Width and height of a dilution series' figure, points."""
CONTRAST_WIDTH = 460.0
"""Width of a figure of contrasts or residuals, points."""
ROW = 24.5
"""Height of one contrast's row, points."""
CONDITION_ROW = 16.0
"""Height of one condition's row of residuals, points."""
MOST_ROWS = 24
"""Contrasts of one figure; more stand in the table alone."""
RESIDUAL_TICKS = (1, 1.1, 1.2, 1.5, 2, 3, 5, 6.7, 8, 9)
"""Steps of a decade on the narrow axis of residuals: about the same distances up and down from 1."""
LONGEST_LABEL = 46
"""Characters of a contrast's name beside its row."""
DARK = "#404040"
"""Of intervals, behind their estimates."""


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
    drawing = _by_condition(summary["condition"].nunique())
    draw_ratio(drawing, ratios, summary, reference=reference)
    return drawing.svg()


def _by_condition(n_conditions: int) -> Drawing:
    return Drawing(max(WIDTH, 130 + 30 * n_conditions), HEIGHT, font=FONT)


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
    drawing = _by_condition(len(conditions))
    legend = [
        Entry(MARKERS[k % len(MARKERS)], POINT_COLOURS[k % len(POINT_COLOURS)], str(background))
        for k, background in enumerate(backgrounds)
    ]
    folds = [*claims["fold_change"].astype(float), *ways["fold_change"].astype(float)]
    label = f"{name}\nfold change, analysed every way"
    x, y = draw_conditions(
        drawing, conditions, folds, label=label, legend=[Entry("", "", "background"), *legend], line_at_one=True
    )
    for level, claim in enumerate(claims["fold_change"]):
        drawing.line([(x(level - 0.36), y(claim)), (x(level + 0.36), y(claim))], width=1.2)
    for k, (background, entry) in enumerate(zip(backgrounds, legend, strict=True)):
        mine = ways[(ways["background"] == background) & ways["condition"].isin(conditions)]
        # Points of one condition side by side in the order of the ways: no random jitter.
        place = mine.groupby("condition", sort=False).cumcount().tolist()
        per = max(place, default=0) + 1
        for condition, order, fold in zip(mine["condition"], place, mine["fold_change"], strict=True):
            at = x(conditions.index(condition) + 0.6 * ((k + (order + 0.5) / per) / len(backgrounds) - 0.5))
            drawing.marker(entry.marker, (at, y(fold)), 3.6, edge="", fill=entry.colour, width=0)
    return drawing.svg()


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
    curve, volumes = fit.curve(), np.asarray(fit.volume, dtype=float)
    power = 3 * max(int(np.log10(max(float(volumes.max()), 1.0))) // 3, 0)
    unit, times = 10.0**power, f"10{str(power).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))} " if power else ""
    drawing = Drawing(*DILUTION_SIZE, font=FONT)
    low, high = min(0.0, 1.1 * float(volumes.min())), max(1.15 * float(volumes.max()), 1.0)
    levels, loads = linear_ticks(low / unit, high / unit), linear_ticks(0.0, 1.05 * max(fit.load_ug))
    left = EDGE + 2.4 * FONT + max(text_width(f"{level:g}", FONT) for level in levels) + TICK + 2
    bottom = DILUTION_SIZE[1] - EDGE - 2.4 * FONT - TICK
    x = Scale(0.0, 1.05 * max(fit.load_ug), left, DILUTION_SIZE[0] - EDGE)
    y = Scale(low, high, bottom, EDGE + 1.8 * FONT)
    if fit.range is not None:
        span = x(fit.range.load_low_ug), x(fit.range.load_high_ug)
        drawing.rectangle(span[0], y.last, span[1] - span[0], bottom - y.last, fill="#EBEBEB")
        line = [(x(a), y(b)) for a, b in zip(curve["load_ug"], curve["proportional"], strict=True)]
        for dash in zip(line[::2], line[1::2], strict=False):
            drawing.line(dash, colour="#595959", width=1)
    drawing.line([(x(a), y(b)) for a, b in zip(curve["load_ug"], curve["volume"], strict=True)],
                 colour=POINT_COLOURS[0], width=1.2)  # fmt: skip
    for load, volume, sd in zip(fit.load_ug, fit.volume, fit.sd, strict=True):
        drawing.line([(x(load), y(volume - sd)), (x(load), y(volume + sd))], width=0.9)
        drawing.marker("o", (x(load), y(volume)), 3.5, edge="", fill="#000000", width=0)
    x_ticks, y_ticks = [(load, f"{load:g}") for load in loads], [(level * unit, f"{level:g}") for level in levels]
    draw_axes(drawing, x, y, x_ticks=x_ticks, y_ticks=y_ticks)
    drawing.text(((left + x.last) / 2, DILUTION_SIZE[1] - EDGE), "load, µg", anchor="middle")
    drawing.text((EDGE + FONT, (y.last + bottom) / 2), f"volume, {times}counts", anchor="middle", angle=90)
    drawing.text(((left + x.last) / 2, EDGE + FONT), f"{fit.target}: {fit.model}", size=9, anchor="middle")
    return drawing.svg()


def linear_ticks(low: float, high: float) -> list[float]:
    """About five round values (1, 2 or 5 of a power of ten apart) between the ends of an axis."""
    step = 10 ** np.floor(np.log10((high - low) / 5))
    step = next(step * k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= 6)
    return [float(k * step) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


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
    rows, shown = contrasts.to_dict("records"), _limits(contrasts, points)
    blocks = list(dict.fromkeys(points["block"]))
    # The two sides of an interaction stand below each other.
    labels = [
        "\n".join(shorten(side, LONGEST_LABEL) for side in str(row["contrast"]).replace(") / (", ") /\n(").split("\n"))
        for row in rows
    ]
    drawing, x, y = _draw_rows(labels, ROW, shown, label="fold (log scale)")
    # A line between two families.
    for edge in (k for k in range(1, len(rows)) if rows[k]["family"] != rows[k - 1]["family"]):
        drawing.line([(x.first, y(edge - 0.5)), (x.last, y(edge - 0.5))], colour="#D9D9D9", width=0.6)
    for place, row in enumerate(rows):
        _draw_contrast(drawing, row, x, y(place))
    places = {(row["family"], row["contrast"]): place for place, row in enumerate(rows)}
    for point in points.to_dict("records"):
        row_of = places.get((point["family"], point["contrast"]))
        if row_of is not None:
            colour = POINT_COLOURS[blocks.index(point["block"]) % len(POINT_COLOURS)]
            drawing.marker("o", (x(point["fold"]), y(row_of + 0.24)), 3.7, edge="", fill=colour, width=0)
    return drawing.svg()


def _draw_rows(
    labels: Sequence[str], height: float, shown: tuple[float, float], *, label: str, steps: Sequence[float] = ()
) -> tuple[Drawing, Scale, Scale]:
    """Rows of that height with a label each over a log axis; ticks at `steps` of each decade (1, 2, 5 of a few)."""
    drawing = Drawing(CONTRAST_WIDTH, height * (len(labels) + 0.2) + 2 * EDGE + 2.6 * FONT + TICK, font=FONT)
    bottom = EDGE + height * (len(labels) + 0.2)
    # No label is cut: they have the room that their letters take.
    left = EDGE + max((text_width(text, FONT - 0.5) for text in labels), default=0.0) + 6
    x = Scale(*shown, left, CONTRAST_WIDTH - EDGE - 2 * FONT, is_log=True)
    y = Scale(-0.6, len(labels) - 0.4, EDGE, bottom)
    drawing.line([(x(1.0), EDGE), (x(1.0), bottom)], colour=FAINT)
    for place, text in enumerate(labels):
        drawing.text((left - 6, y(place)), text, size=FONT - 0.5, anchor="end", middle=True)
    decades = np.arange(np.floor(np.log10(shown[0])), np.ceil(np.log10(shown[1])) + 1)
    steps = (steps if len(decades) <= 3 else ()) or ((1, 2, 5) if len(decades) <= 4 else (1,))
    ticks = [float(step * 10**decade) for decade in decades for step in steps]
    x_ticks = [(tick, f"{tick:g}") for tick in ticks if shown[0] <= tick <= shown[1]]
    draw_axes(drawing, x, y, x_ticks=x_ticks, y_ticks=())
    drawing.text(((x.first + x.last) / 2, drawing.height - EDGE), label, anchor="middle")
    return drawing, x, y


def plot_residuals(residuals: pd.DataFrame) -> str:
    """Draw how far each value lies from what its condition and blot make expected: one row a condition.

    Parameters
    ----------
    residuals : DataFrame
        From `residual_table`, of one ratio.

    Returns
    -------
    str
        SVG, the same bytes for the same table; empty where no value was measured.
    """
    if residuals.empty:
        return ""
    conditions, blocks = (list(dict.fromkeys(residuals[name])) for name in ("condition", "block"))
    reach = max(float(np.exp(residuals["residual"].abs().max())), 1.2) * 1.05
    label = "value / value expected from condition and blot (log scale)"
    labels = [shorten(str(name), LONGEST_LABEL) for name in conditions]
    drawing, x, y = _draw_rows(labels, CONDITION_ROW, (1 / reach, reach), label=label, steps=RESIDUAL_TICKS)
    for condition, block, residual in zip(*(residuals[n] for n in ("condition", "block", "residual")), strict=True):
        colour = POINT_COLOURS[blocks.index(block) % len(POINT_COLOURS)]
        place = x(float(np.exp(residual))), y(conditions.index(condition))
        drawing.marker("o", place, 4.2, edge="", fill=colour, width=0)
    return drawing.svg()


def _draw_contrast(drawing: Drawing, row: Mapping[Any, Any], x: Scale, y: float) -> None:
    """One contrast: estimate, both intervals; a bound has an arrow towards its open side."""
    estimate = float(row["estimate_fold"])
    bound = row["bound"] if isinstance(row["bound"], str) else ""
    for name, width in (("simultaneous_ci", 0.9), ("ci", 2.4)):
        low, high = (float(row[f"{name}_{end}"]) for end in ("low", "high"))
        low = (x.low if bound == "≤" else estimate) if np.isnan(low) else max(low, x.low)
        high = (x.high if bound == "≥" else estimate) if np.isnan(high) else min(high, x.high)
        if high > low:
            drawing.line([(x(low), y), (x(high), y)], colour=DARK, width=width)
    marker = {"≤": "<", "≥": ">"}.get(bound, "s")
    drawing.marker(marker, (x(estimate), y), 6, edge="", fill="#000000", width=0)


def _limits(contrasts: pd.DataFrame, points: pd.DataFrame) -> tuple[float, float]:
    """Range of the axis: all estimates, simultaneous intervals and points, and at least from one half to two."""
    names = ("estimate_fold", "simultaneous_ci_low", "simultaneous_ci_high")
    values = [contrasts[name].to_numpy(dtype=float) for name in names] + [points["fold"].to_numpy(dtype=float)]
    known = np.concatenate(values)
    known = known[np.isfinite(known) & (known > 0)]
    low, high = min(float(known.min()), 0.5), max(float(known.max()), 2.0)
    return low / 1.15, high * 1.15
