"""Contrasts in words: what a reader of the report's first lines wants to know, with what must not be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from blotquant.experiment.design import Experiment
from blotquant.experiment.families import Family

NOT_SHOWN = " No difference is shown; at this spread and n, "
"""How the part of a sentence begins that says which changes would have been found."""


def without_repeats(sentences: Sequence[str]) -> list[str]:
    """Say once what several sentences of one family say alike: which changes their design would have found."""
    split = [sentence.partition(NOT_SHOWN) for sentence in sentences]
    ends = [end for _, found, end in split if found]
    if len(ends) < 2 or len(set(ends)) > 1:
        return list(sentences)
    return [start for start, _, _ in split] + [f"Where no difference is shown: at this spread and n, {ends[0]}"]


def say_family(row: Mapping[Any, Any]) -> str:
    """Name a family, with the F test of all its contrasts at once where there is one; `row` is any of its rows."""
    f, p = row.get("family_f"), row.get("family_p")
    if f is None or pd.isna(f):
        return str(row["family"])
    return f"{row['family']} (all at once: F({row['family_df']:.0f}, {row['df']:.3g}) = {f:.3g}, p = {p:.2g})"


def say(ratio: str, row: Mapping[str, Any], family: Family, experiment: Experiment) -> str:
    """Write one contrast as a sentence.

    Parameters
    ----------
    ratio : str
        Name of the ratio.
    row : mapping
        Cells of `CONTRAST_COLUMNS`.
    family : Family
        What was asked.
    experiment : Experiment
        For alpha.

    Returns
    -------
    str
        What was found, with the interval that belongs to the p first, p and n. It never says that there is no effect:
        where none is shown it gives the smallest change that this design finds with 80 % power.
    """
    claim = next(c for c in family.claims if c.label == row["contrast"])
    fold, p = row.get("estimate_fold"), row.get("p_adjusted")
    alone = len(family.claims) == 1
    if fold is None or pd.isna(fold):
        return f"{ratio}, {claim.label}: not known ({str(row.get('test', '')).removeprefix('no test: ')})."
    bound = (
        ""
        if row.get("bound") is None or pd.isna(row.get("bound"))
        else {"≤": "at most ", "≥": "at least "}[row["bound"]]
    )
    shown = p is not None and p <= experiment.compare.alpha
    size = f"{bound}{fold:.3g}"
    place = f"In {claim.place} " if claim.place else ""
    # What was found, in the words of what was asked.
    if family.kind == "interaction":
        text = f"The effect of {claim.subject} on {ratio} in {claim.place} is {size} times that in {claim.against}"
    elif family.kind == "trend":
        text = f"{place}{ratio} changes {size}-fold {claim.subject}"
    elif shown:
        verb = "raises" if fold > 1 else "lowers"
        text = f"{place}{claim.subject} {verb} {ratio} to {size}-fold of {claim.against}"
    else:
        text = f"{place}{ratio} with {claim.subject} is {size}-fold of {claim.against}"
    text = text[0].upper() + text[1:] if claim.place or family.kind == "interaction" else text
    # In brackets: interval, p and n.
    inside = [_interval(row, experiment.compare.level, alone=alone)]
    if p is not None and not pd.isna(p):
        inside.append(f"{'' if alone else 'adjusted '}p = {p:.2g}")
    inside.append(f"n = {row['n']}")
    text += f" ({', '.join(part for part in inside if part)})."
    if p is None or pd.isna(p):
        return f"{text} No p: {str(row.get('test', '')).removeprefix('no test: ')}."
    # Where nothing is shown: what would have been seen.
    smallest = row.get("detectable_fold")
    if not shown and smallest is not None and not pd.isna(smallest):
        text += (
            f"{NOT_SHOWN}changes below {1 / smallest:.2g}-fold or above "
            f"{smallest:.2g}-fold would have been found with 80 % power."
        )
    ic50 = row.get("ic50")
    if ic50 is not None and not pd.isna(ic50):
        ends = [row.get(f"ic50_ci_{end}") for end in ("low", "high")]
        low, high = ("open" if end is None or pd.isna(end) else f"{end:.3g}" for end in ends)
        text += f" IC50 {ic50:.3g} ({experiment.compare.level} {low} to {high})."
    return text


def _interval(row: Mapping[str, Any], level: str, *, alone: bool) -> str:
    """The interval that belongs to the p, with its name; in a family of one both are the same."""
    low, high = row.get("simultaneous_ci_low"), row.get("simultaneous_ci_high")
    name = level if alone else f"simultaneous {level}"
    known = [end is not None and not pd.isna(end) for end in (low, high)]
    if all(known):
        return f"{name} {low:.3g} to {high:.3g}"
    if known[1]:
        return f"{name} up to {high:.3g}"
    return f"{name} from {low:.3g}" if known[0] else ""
