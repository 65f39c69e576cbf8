"""The summary table in words: what a biologist came for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from blotquant.io.files import read_table
from blotquant.tables import RATIO_COLUMNS, SUMMARY_COLUMNS

MOST_REASONS = 3
"""Reasons for missing values that are told on the terminal; ratios.csv has them all."""


def summary_lines(folder: Path) -> list[str]:
    """Tell the summary of a results folder, one line for each ratio and condition; none where it has no summary.

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
        if (rows["n"] > 0).any() or rows["geometric_mean"].notna().any():
            lines += [fold_words(row) for row in rows.to_dict("records")]
        else:
            lines.append(f"{name}  no value in any condition{_reasons(folder, str(name))}")
    return lines


def _reasons(folder: Path, ratio: str) -> str:
    """Why a ratio has no value, each reason with the number of lanes."""
    ratios = read_table(folder / "ratios.csv", RATIO_COLUMNS)
    counts = ratios.loc[ratios["ratio"] == ratio, "reason"].dropna().value_counts()
    told = "; ".join(f"{reason} ({n} lanes)" for reason, n in counts.head(MOST_REASONS).items())
    return f": {told}" if told else ""


def dilution_lines(folder: Path) -> list[str]:
    """Tell for each diluted protein of a results folder where volume is proportional to load."""
    from blotquant.normalization.dilution_files import DILUTION_FILE, read_fits, tell_range

    path = folder / DILUTION_FILE
    return [tell_range(fit) for fit in read_fits(path).values()] if path.is_file() else []


def fold_words(row: Mapping[Hashable, Any]) -> str:
    """One condition of the summary; what is not known (NaN differs from itself) is left out."""
    text = f"{row['ratio']}  {row['condition']}: n = {row['n']}"
    if str(row["test"]).startswith("reference"):
        text += ", the reference"
    elif row["fold_change"] == row["fold_change"]:
        text += f", {row['fold_change']:.3g}-fold"
    elif row["geometric_mean"] == row["geometric_mean"]:
        text += f", geometric mean {row['geometric_mean']:.3g}"
    if row["fold_ci_low"] == row["fold_ci_low"]:
        text += f" ({row['fold_ci_low']:.3g} to {row['fold_ci_high']:.3g})"
    if row["p_adjusted"] == row["p_adjusted"]:
        text += f", adjusted p = {row['p_adjusted']:.2g}"
    said = row["test"] if isinstance(row["test"], str) else ""
    return text + (f"; {said}" if said.startswith("no test: ") else "")
