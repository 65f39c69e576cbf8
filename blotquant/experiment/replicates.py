"""What is independent: which lanes are one biological replicate, by the sheet's replicate, sample and blot columns.

The blot is the biological replicate unless the sheet says otherwise. A `replicate` column names replicates: one that
carries several conditions pairs them, also across blots; one that lies on two blots under one sample name is the same
sample loaded twice, links the blots and counts once. Without that column samples of different names on one blot are a
question, which `[compare] replicates` answers.
"""

from __future__ import annotations

import pandas as pd

from blotquant.experiment.design import Comparison


def check_replicates(rows: pd.DataFrame) -> list[str]:
    """Name replicates that may be one sample or several.

    Parameters
    ----------
    rows : DataFrame
        The sample sheet.

    Returns
    -------
    list of str
        One line for each replicate of one condition that stands on several blots without one name of a sample.
    """
    named = _samples(rows).dropna(subset=["replicate", "condition"])
    problems = []
    for (name, condition), mine in named.groupby(["replicate", "condition"], sort=False):
        blots = list(dict.fromkeys(mine["blot"]))
        samples = list(dict.fromkeys(mine["sample"].dropna()))
        if len(blots) < 2:
            continue
        where = f"replicate {name!r} of condition {condition} stands on blots {', '.join(blots)}"
        if len(samples) > 1:
            problems.append(
                f"{where} as samples {', '.join(samples)}; give every biological replicate a name of its own"
            )
        elif samples == [condition]:
            problems.append(
                f"{where}; if it is one sample loaded on each, give these lanes one name in the sample column, if not, "
                "give every biological replicate a name of its own"
            )
    return problems


def fill_replicates(rows: pd.DataFrame, compare: Comparison) -> tuple[pd.DataFrame, list[str]]:
    """Complete the replicate column where the sheet has none, or ask.

    Parameters
    ----------
    rows : DataFrame
        The sample sheet.
    compare : Comparison
        May say what is independent.

    Returns
    -------
    rows : DataFrame
        With `replicate` filled by the sample's name where samples are the replicates.
    notes : list of str
        Questions, and what was taken for granted.
    """
    mine = _samples(rows)
    if mine["replicate"].notna().any():
        return rows, _pairs_across_blots(mine)
    # Without a replicate column: what `[compare]` says, then what the samples' names tell.
    named = mine[mine["sample"].notna() & (mine["sample"] != mine["condition"])]
    if compare.replicates == "sample":
        return _by_sample(rows), []
    if compare.replicates == "blot":
        return rows, []
    # One name on two blots links them, and counts once.
    shared = _shared_samples(named)
    if shared:
        blots = " and ".join(dict.fromkeys(named.loc[named["sample"] == shared[0], "blot"]))
        return _by_sample(rows), [
            f"sample {shared[0]} stands on blots {blots}: samples are counted by their names, each once, and link "
            'their blots; if each blot is a replicate of its own, say replicates = "blot" under [compare]'
        ]
    # Several samples of one condition on a blot: cultures or repeats of one lysate, which only a person knows.
    several = [
        (condition, blot, list(dict.fromkeys(own["sample"])))
        for (condition, blot), own in named.groupby(["condition", "blot"], sort=False)
        if own["sample"].nunique() > 1
    ]
    if not several:
        return rows, []
    condition, blot, listed = several[0]
    shown = ", ".join(listed[:4]) + (", ..." if len(listed) > 4 else "")
    return rows, [
        f"condition {condition} has {len(listed)} samples on blot {blot} ({shown}) and no replicate column: are these "
        'independent (animals, cultures)? Then say replicates = "sample" under [compare], and each counts; they are '
        'taken for repeats of one lysate, n counts blots. replicates = "blot" says that this is right'
    ]


def _samples(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["role"] == "sample") & rows["condition"].notna()]


def _by_sample(rows: pd.DataFrame) -> pd.DataFrame:
    names = rows["sample"].where((rows["role"] == "sample") & rows["sample"].notna())
    return rows.assign(replicate=rows["replicate"].fillna(names))


def _pairs_across_blots(rows: pd.DataFrame) -> list[str]:
    """Say that a replicate pairs conditions that lie on different blots, and that samples on two blots count once."""
    notes: list[str] = []
    named = rows.dropna(subset=["replicate"])
    for name, mine in named.groupby("replicate", sort=False):
        blots = list(dict.fromkeys(mine["blot"]))
        if len(blots) > 1 and not notes:
            several = mine["condition"].nunique() > 1
            what = "pairs its conditions across them" if several else "counts once and links them"
            notes.append(f"replicate {name} stands on blots {' and '.join(blots)}: it {what}")
    return notes


def _shared_samples(named: pd.DataFrame) -> list[str]:
    """Names that stand on several blots while others of their condition do not: surely samples, not labels of lanes."""
    found: list[str] = []
    for _, mine in named.groupby("condition", sort=False):
        blots = mine.groupby("sample", sort=False)["blot"].nunique()
        if len(blots) > 1 and blots.max() > 1 and blots.min() < mine["blot"].nunique():
            found += [str(name) for name in blots.index[blots > 1]]
    return found
