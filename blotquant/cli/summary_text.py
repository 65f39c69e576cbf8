"""The summary table in words: what a biologist came for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from blotquant.io.files import read_table
from blotquant.tables import SUMMARY_COLUMNS


def summary_lines(folder: Path) -> list[str]:
    """Tell the summary of a results folder, one line for each ratio and condition; none where it has no summary."""
    path = folder / "summary.csv"
    if not path.is_file():
        return []
    return [fold_words(row) for row in read_table(path, SUMMARY_COLUMNS).to_dict("records")]


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
