"""The comparison that a drafted experiment proposes, from the columns of a sample sheet that is there already."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from blotquant.errors import SheetError
from blotquant.experiment.design import Comparison, plain
from blotquant.experiment.families import MIN_DOSES, propose_interaction
from blotquant.experiment.sample_sheet import condition_levels

CONTROLS = (
    "vehicle",
    "control",
    "ctrl",
    "ctl",
    "dmso",
    "etoh",
    "ethanol",
    "pbs",
    "saline",
    "untreated",
    "unstimulated",
    "none",
    "mock",
    "sham",
    "scr",
    "scrambled",
    "sictrl",
    "sicontrol",
    "shctrl",
    "ev",
    "emptyvector",
    "wt",
    "wildtype",
    "parental",
    "0",
)
"""What controls are called, without case, blanks and signs; the earlier in this list, the surer."""

PLACEHOLDER = re.compile(r"(?:blot .+, )?lane \d+")
"""Conditions as the draft writes them, until a person writes what was loaded."""
_PLAIN = """
[compare]
# reference = "vehicle"       # a condition of samples.csv; the others are compared with it
scaling = "alignment"         # or fixed_point, sum, control_mean, interblot_control, none
adjust = "dunnett"            # many conditions against one reference; or holm, none
"""


def compare_text(sheet: Path | None = None) -> str:
    """Write `[compare]` and `[[contrasts]]`: what the sheet's columns show, each marked as a guess.

    Parameters
    ----------
    sheet : pathlib.Path, optional
        A samples.csv that a person has filled in; without it the reference is asked for.
    """
    levels = _levels(sheet)
    if len(levels) < 2:
        return _PLAIN
    reference = _control(levels)
    lines = ["", "[compare]"]
    if reference is None:
        shown = ", ".join(map(str, levels.index[:6])) + (" ..." if len(levels) > 6 else "")
        lines.append(f"# reference = {_quoted(str(levels.index[0]))}   # which is the control? {shown}")
    else:
        lines.append(f"reference = {_quoted(reference)}   # guessed from the names of conditions")
    crossed = propose_interaction(Comparison(reference=reference), levels)
    if crossed is not None:
        factors = ", ".join(map(_quoted, crossed.interaction))
        lines.append(f"factors = [{factors}]   # guessed: these columns make up the conditions")
    lines += _PLAIN.strip().splitlines()[2:]
    return "\n".join([*lines, *_contrasts(levels, reference, crossed.interaction if crossed else ())]) + "\n"


def _levels(sheet: Path | None) -> pd.DataFrame:
    """Conditions and their levels as a sheet shows them; empty where it cannot be read as one."""
    from blotquant.experiment.sample_sheet import parse_samples
    from blotquant.experiment.sheets import read_csv_sheet

    if sheet is None:
        return pd.DataFrame()
    try:
        rows = parse_samples(read_csv_sheet(sheet)).rows
    except SheetError:  # a run names what is wrong with it
        return pd.DataFrame()
    drafted = rows["condition"].fillna("").map(lambda name: PLACEHOLDER.fullmatch(str(name)) is not None)
    return condition_levels(rows[~drafted.astype(bool)])


def _control(levels: pd.DataFrame) -> str | None:
    """The condition whose name, or whose levels, are most surely those of a control; None where none is."""

    def rank(condition: str) -> tuple[int, float]:
        cells = [plain(str(cell)) for cell in levels.loc[condition]]
        words = [plain(word) for word in str(condition).replace(",", " ").replace("+", " ").split()]
        known = [name in CONTROLS for name in cells or words] + [plain(condition) in CONTROLS]
        named = [CONTROLS.index(name) for name in (*cells, *words, plain(condition)) if name in CONTROLS]
        return -sum(known), min(named, default=len(CONTROLS))

    ranked = sorted((rank(str(name)), k) for k, name in enumerate(levels.index))
    return None if ranked[0][0][0] == 0 else str(levels.index[ranked[0][1]])


def _contrasts(levels: pd.DataFrame, reference: str | None, crossed: tuple[str, ...]) -> Iterator[str]:
    if len(crossed) == 2:
        base = levels.loc[reference] if reference is not None else levels.iloc[0]
        # Within the factor of fewer levels (the cell line), against the other's control (the vehicle).
        within, drug = sorted(crossed, key=lambda name: levels[name].nunique())
        yield from ("", "# guessed from the columns: take out what you do not ask, since every family costs power",
                    "[[contrasts]]", f"name = {_quoted(f'{drug} within {within}')}", f"within = {_quoted(within)}",
                    f"reference = {_quoted(str(base[drug]))}")  # fmt: skip
        yield from ("", "[[contrasts]]", f"name = {_quoted(f'does {drug} act differently by {within}?')}",
                    f"interaction = [{_quoted(within)}, {_quoted(drug)}]")  # fmt: skip
    for column in levels.columns:
        numbers = pd.to_numeric(levels[column], errors="coerce")
        if column not in crossed and numbers.notna().all() and numbers[numbers > 0].nunique() >= MIN_DOSES:
            yield from ("", "[[contrasts]]   # guessed: the column counts doses or times", f"trend = {_quoted(column)}")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
