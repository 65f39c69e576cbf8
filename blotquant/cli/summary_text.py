"""The summary table in words: what a biologist came for."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant.io.files import read_table
from blotquant.statistics.sentences import say_family, without_repeats
from blotquant.tables import CONTRAST_COLUMNS, RATIO_COLUMNS, SUMMARY_COLUMNS

if TYPE_CHECKING:
    from blotquant.runs.verify import Verdict

MOST_REASONS = 3
"""Reasons for missing values that are told on the terminal; ratios.csv has them all."""


def summary_lines(folder: Path) -> list[str]:
    """Tell what a results folder found: the summary's conditions, then the declared contrasts in their sentences.

    A ratio without any value has one line in all, with the reasons that stand in ratios.csv.
    """
    path = folder / "summary.csv"
    if not path.is_file():
        return []
    summary = read_table(path, SUMMARY_COLUMNS)
    if summary.empty and read_table(folder / "ratios.csv", RATIO_COLUMNS).empty:
        return ["no ratio: the experiment declares no [[ratios]]; bands and lanes are measured"]
    lines = []
    for name, rows in summary.groupby("ratio", sort=False):
        if _is_part(str(name), summary["ratio"]):
            continue
        if (rows["n"] > 0).any() or rows["geometric_mean"].notna().any():
            lines += [fold_words(row) for row in rows.to_dict("records")]
        else:
            lines.append(f"{name}  no value in any condition{_reasons(folder, str(name))}")
    parts = [str(name) for name in dict.fromkeys(summary["ratio"]) if _is_part(str(name), summary["ratio"])]
    told = [f"{', '.join(parts)}: each band of the doublet by itself stands in the tables and the report"]
    return lines + contrast_lines(folder) + (told if parts else [])


def _is_part(name: str, ratios: Iterable[str]) -> bool:
    """Whether a ratio is that of one band of a doublet, whose own ratio is there too."""
    whole = re.fullmatch(r"(.+) \([\d.]+ kDa\)", name)
    return whole is not None and whole[1] in set(ratios)


def _reasons(folder: Path, ratio: str) -> str:
    """Why a ratio has no value, each reason with the number of lanes."""
    ratios = read_table(folder / "ratios.csv", RATIO_COLUMNS)
    counts = ratios.loc[ratios["ratio"] == ratio, "reason"].dropna().value_counts()
    told = "; ".join(f"{reason} ({n} lanes)" for reason, n in counts.head(MOST_REASONS).items())
    return f": {told}" if told else ""


def contrast_lines(folder: Path) -> list[str]:
    """Every contrast beside the comparison with the reference, one sentence each, under the names of the families."""
    path = folder / "contrasts.csv"
    if not path.is_file():
        return []
    table = read_table(path, CONTRAST_COLUMNS)
    asked = table[~table["family"].fillna("").str.startswith("against ") & table["estimate_fold"].notna()]
    asked = asked.loc[[not _is_part(str(name), table["ratio"]) for name in asked["ratio"]]]
    lines: list[str] = []
    for _, rows in asked.groupby("family", sort=False):
        for ratio, mine in rows.groupby("ratio", sort=False):
            lines.append(f"{ratio}, {say_family(mine.iloc[0].to_dict())}:")
            lines += [f"  {sentence}" for sentence in without_repeats(mine["sentence"].dropna().tolist())]
    return lines


def dilution_lines(folder: Path) -> list[str]:
    """Tell for each diluted protein of a results folder where volume is proportional to load."""
    from blotquant.normalization.dilution_files import DILUTION_FILE, read_fits, tell_range

    path = folder / DILUTION_FILE
    return [tell_range(fit) for fit in read_fits(path).values()] if path.is_file() else []


def verdict_lines(folder: Path, verdict: Verdict) -> list[str]:
    """Tell what `verify` compared, what it could not compare and what it does not know."""
    lines = [str(finding) for finding in verdict.differences]
    if verdict.equal:
        some = "every number that was compared is" if verdict.not_compared else "every number is"
        lines.append(f"{folder}: {some} equal to the original")
    lines += [str(finding) for finding in verdict.not_compared]
    if verdict.not_known:
        lines.append(f"not known, not looked into: {', '.join(verdict.not_known)}")
    if verdict.parameters:
        shown = ", ".join(f"{name} = {value}" for name, value in verdict.parameters.items())
        lines.append(f"with parameters that are not the defaults: {shown}")
    return lines


def fold_words(row: Mapping[Hashable, Any]) -> str:
    """One condition of the summary; what is not known (NaN differs from itself) is left out."""
    text = f"{row['ratio']}  {row['condition']}: n = {row['n']}"
    if str(row["test"]).startswith("reference"):
        text += ", the reference"
    elif row["fold_change"] == row["fold_change"]:
        bound = row["bound"] + " " if isinstance(row.get("bound"), str) else ""
        text += f", {bound}{row['fold_change']:.3g}-fold"
    elif row["geometric_mean"] == row["geometric_mean"]:
        text += f", geometric mean {row['geometric_mean']:.3g}"
    alone = row["p_adjusted"] == row["p_value"] or row["p_adjusted"] != row["p_adjusted"]
    low, high = ("fold_ci_low", "fold_ci_high") if alone else ("simultaneous_ci_low", "simultaneous_ci_high")
    named = "" if alone else "simultaneous interval "
    if row[low] == row[low] and row[high] == row[high]:
        text += f" ({named}{row[low]:.3g} to {row[high]:.3g})"
    elif row[low] == row[low] or row[high] == row[high]:
        end = f"from {row[low]:.3g}" if row[low] == row[low] else f"up to {row[high]:.3g}"
        text += f" ({named}{end})"
    if row["p_adjusted"] == row["p_adjusted"]:
        text += f", {'' if alone else 'adjusted '}p = {row['p_adjusted']:.2g}"
    said = row["test"] if isinstance(row["test"], str) else ""
    return text + (f"; {said}" if said.startswith("no test: ") else "")
