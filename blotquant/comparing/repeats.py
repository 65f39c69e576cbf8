"""Whether technical repeats agree: lanes of one condition and biological replicate on one blot."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from blotquant.comparing.intervals import Z95
from blotquant.comparing.replicates import aligned_rows
from blotquant.flags import join_flags, split_flags

DISCORDANT_FOLD = 1.5
"""Repeats further apart than this are a question, not an average."""


def flag_discordant_repeats(ratios: pd.DataFrame) -> pd.DataFrame:
    """Flag technical repeats that differ by more than 1.5-fold and by more than their measurement errors explain.

    Parameters
    ----------
    ratios : DataFrame
        Ratio table; membranes of one blot are put on one scale first, as for averaging.

    Returns
    -------
    DataFrame
        A copy with `discordant_repeats` among the flags of such rows. They stay included: which of them is wrong
        cannot be told from the numbers.
    """
    found: set[object] = set()
    rows = aligned_rows(ratios)
    for _, mine in rows.groupby(["ratio", "condition", "role", "blot", "replicate"], sort=False, dropna=True):
        if len(mine) > 1 and _differ(mine):
            found |= set(mine["place"])
    if not found:
        return ratios
    flags = [
        join_flags(split_flags(cell), ("discordant_repeats",) if k in found else ()) or pd.NA
        for k, cell in enumerate(ratios["flags"])
    ]
    return ratios.assign(flags=pd.array(flags, dtype="string"))


def _differ(rows: pd.DataFrame) -> bool:
    logs = rows["log_value"].to_numpy(dtype=float)
    ends = [int(np.argmin(logs)), int(np.argmax(logs))]
    low, high = (rows[name].to_numpy(dtype=float) for name in ("ci_low", "ci_high"))
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.where(low > 0, np.log(high / low) / (2 * Z95), np.inf)[ends]
    known = [value for value in sd if not math.isnan(value)]
    gap = float(logs[ends[1]] - logs[ends[0]])
    return gap > max(math.log(DISCORDANT_FOLD), Z95 * math.hypot(*known))
