"""Technical repeats: lanes of one biological replicate and condition on one blot, averaged to one value.

Membranes of one blot have scales of their own (exposure, antibody, transfer). They are aligned on the log scale first,
so that a lane that is missing on one of them does not pull its condition towards the other's scale. A lane whose ratio
is a bound (a band that is saturated or not detected) makes its average a bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.errors import DesignError
from blotquant.flags import join_flags, split_flags
from blotquant.normalization.intervals import Z95
from blotquant.threads import single_threaded

Floats = NDArray[np.float64]

UNIT = ["ratio", "condition", "role", "blot", "replicate"]
"""What makes one value: repeats agree in all of these."""
_USED = {
    *UNIT,
    "membrane",
    "sample",
    "place",
    "included",
    "enters_as_bound",
    "value",
    "limit",
    "bound",
    "ci_low",
    "ci_high",
}
"""Columns of the ratio table that averaging looks at."""
DISCORDANT_FOLD = 1.5
"""Repeats further apart than this are a question, not an average."""


@single_threaded
def average_technical(ratios: pd.DataFrame) -> pd.DataFrame:
    """Average one ratio's lanes to one log value for each biological replicate, condition and blot.

    Parameters
    ----------
    ratios : DataFrame
        Rows of the ratio table; `replicate`, `role` and `membrane` columns are used where they are there.

    Returns
    -------
    DataFrame
        `ratio`, `condition`, `role`, `blot`, `replicate` (the blot where the sheet names none), `log_value` (natural
        logarithm, mean over technical repeats), `bound` (≤ or ≥ where one of them is only a bound, else empty),
        `n_technical` and `n_samples` (names of samples among them), in the order of first appearance. Blots that
        `unlinked_membranes` names are left out, and so are replicates with bounds on both sides.
    """
    return average_lanes(aligned_rows(ratios, bounds=True))


def average_lanes(lanes: pd.DataFrame) -> pd.DataFrame:
    """Average lanes that `aligned_rows` has put on one scale; as `average_technical`."""
    rows = lanes[(lanes["bound"] == "") | (lanes["role"] != "standard")]
    logs, bounds = rows["log_value"].tolist(), rows["bound"].tolist()
    samples = rows["sample"].fillna("").tolist() if "sample" in rows else [""] * len(rows)
    units = []
    for key, own in _groups(rows, UNIT).items():
        bound = "".join(sorted({bounds[k] for k in own} - {""}))
        if len(bound) <= 1:
            mean = math.fsum(logs[k] for k in own) / len(own)
            units.append((*key, mean, bound, len(own), len({samples[k] for k in own})))
    texts = dict.fromkeys((*UNIT, "bound"), "string")
    dtypes = {**texts, "log_value": "float64", "n_technical": "int64", "n_samples": "int64"}
    columns = [*UNIT, "log_value", "bound", "n_technical", "n_samples"]
    return pd.DataFrame(units, columns=columns).astype(dtypes)


def _groups(rows: pd.DataFrame, names: list[str]) -> dict[tuple[Any, ...], list[int]]:
    """Positions of the rows that agree in some columns, in order of appearance; rows that lack one are left out.

    `DataFrame.groupby` gives the same and takes ten times as long for the few dozen rows of a study, in which the
    ratios are averaged for every way of analysing them.
    """
    found: dict[tuple[Any, ...], list[int]] = {}
    known = rows[names].notna().all(axis=1)
    for k, (key, is_whole) in enumerate(zip(zip(*(rows[name] for name in names), strict=True), known, strict=True)):
        if is_whole:
            found.setdefault(key, []).append(k)
    return found


def aligned_rows(ratios: pd.DataFrame, *, bounds: bool = False) -> pd.DataFrame:
    """Give the values that technical repeats are averaged from, one row a lane.

    Parameters
    ----------
    ratios : DataFrame
        As for `average_technical`.
    bounds : bool
        Whether lanes that enter as a bound are among them.

    Returns
    -------
    DataFrame
        Rows above 0 with `role` and `replicate` filled, `bound` as text, `log_value` on one scale for all membranes of
        a blot, and `place`, the row's position in `ratios`.
    """
    rows = _usable(ratios.assign(place=range(len(ratios))), bounds=bounds)
    rows["role"] = rows.get("role", "sample")
    replicate = rows["replicate"] if "replicate" in rows else pd.Series(pd.NA, index=rows.index, dtype="string")
    rows["replicate"] = replicate.astype("string").fillna(rows["blot"].astype("string"))
    rows, left_out = rows.reset_index(drop=True), []
    for blot, index, logs in _membrane_matrices(rows):
        if len(connected_blots(logs)) > 1:
            left_out += index.tolist()
            continue
        factors = rows.loc[index, "membrane"].map(align(logs)[0]).astype(float)
        # A membrane that carries bounds alone has no scale of its own to be put on.
        left_out += index[factors.isna()].tolist()
        rows.loc[index, "log_value"] -= factors
        del blot
    return rows.drop(index=left_out)


def _usable(ratios: pd.DataFrame, *, bounds: bool) -> pd.DataFrame:
    """Rows above 0 that enter as a value (or as a bound), with `log_value`, and `membrane` and `bound` as text."""
    ratios = ratios[[name for name in ratios if name in _USED]].reset_index(drop=True)
    included = ratios["included"].fillna(value=False).astype(bool)
    as_bound = pd.Series(data=False, index=ratios.index)
    if bounds and "enters_as_bound" in ratios:
        as_bound = ratios["enters_as_bound"].fillna(value=False).astype(bool) & ~included
    limit = ratios["limit"].astype(float) if "limit" in ratios else pd.Series(np.nan, index=ratios.index)
    # A band that is not detected enters with the ratio at its limit of detection, as an upper bound.
    is_limit = as_bound & limit.notna()
    ratios = ratios.assign(value=ratios["value"].astype(float).mask(is_limit, limit))
    rows = ratios[(included | as_bound) & (ratios["value"] > 0)].copy()
    membrane = rows["membrane"] if "membrane" in rows else pd.Series(pd.NA, index=rows.index, dtype="string")
    bound = rows["bound"] if "bound" in rows else pd.Series(pd.NA, index=rows.index, dtype="string")
    return rows.assign(
        membrane=membrane.astype("string").fillna(""),
        bound=bound.astype("string").fillna("").mask(is_limit[rows.index], "≤").where(as_bound[rows.index], ""),
        log_value=np.log(rows["value"].to_numpy(dtype=float)),
    )


def _membrane_matrices(rows: pd.DataFrame) -> Iterator[tuple[str, pd.Index, pd.DataFrame]]:
    """Each ratio's blots that have several membranes: blot, index of its rows, log values by condition and membrane."""
    membranes = rows["membrane"].tolist()
    conditions = rows["condition"].notna().tolist()
    for (_, blot), every in _groups(rows, ["ratio", "blot"]).items():
        own = [k for k in every if conditions[k]]
        if len({membranes[k] for k in own}) > 1:
            mine = rows.iloc[own]
            known = mine[mine["bound"] == ""]
            yield str(blot), mine.index, log_matrix(known.assign(blot=known["membrane"]))


def unlinked_membranes(ratios: pd.DataFrame) -> list[str]:
    """Say of which blots the membranes share no condition, so that nothing relates their scales.

    Parameters
    ----------
    ratios : DataFrame
        As for `average_technical`, which leaves these blots out.

    Returns
    -------
    list of str
        One text for each such blot.
    """
    texts = []
    for blot, _, logs in _membrane_matrices(_usable(ratios, bounds=True).reset_index(drop=True)):
        groups = connected_blots(logs)
        if len(groups) > 1:
            names = " and ".join(", ".join(group) for group in groups)
            texts.append(f"blot {blot} left out, its membranes {names} share no condition")
    return list(dict.fromkeys(texts))


def log_matrix(units: pd.DataFrame) -> pd.DataFrame:
    """Lay one ratio's units out as conditions × blots (mean log value; NaN where missing), in order of appearance."""
    logs = units["log_value"].tolist()
    conditions, blots = units["condition"].unique(), units["blot"].unique()
    row, col = ({name: k for k, name in enumerate(names)} for names in (conditions, blots))
    table: Floats = np.full((len(conditions), len(blots)), np.nan)
    for (condition, blot), own in _groups(units, ["condition", "blot"]).items():
        table[row[condition], col[blot]] = math.fsum(logs[k] for k in own) / len(own)
    return pd.DataFrame(table, index=pd.Index(conditions, name="condition"), columns=pd.Index(blots, name="blot"))


@single_threaded
def align(logs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Fit ``log value = blot + condition`` by least squares; conditions may be missing on some blots.

    Parameters
    ----------
    logs : DataFrame
        Log values, conditions × blots; NaN where missing.

    Returns
    -------
    scales : Series
        Log factor by blot; they sum to 0.
    means : Series
        Fitted log value by condition.

    Raises
    ------
    DesignError
        If blots fall into groups that share no condition, so that nothing relates their scales.

    References
    ----------
    Degasperi et al., "Evaluating strategies to normalise biological replicates of Western blot data",
    PLoS ONE 9 (2014) e87293.
    """
    values = logs.to_numpy(dtype=float)
    i, j = np.nonzero(np.isfinite(values))
    groups = connected_blots(logs)
    if len(groups) > 1:
        names = " and ".join(", ".join(group) for group in groups)
        msg = f"blots {names} share no condition, directly or through other blots"
        raise DesignError(msg)
    n_conditions, n_blots = values.shape
    # One column a condition, one a blot; a last row makes the blots' factors sum to 0.
    design = np.zeros((len(i) + 1, n_conditions + n_blots))
    design[np.arange(len(i)), i] = 1
    design[np.arange(len(i)), n_conditions + j] = 1
    design[-1, n_conditions:] = 1  # the factors sum to 0
    solution = np.linalg.lstsq(design, np.append(values[i, j], 0.0), rcond=None)[0]
    return (
        pd.Series(solution[n_conditions:], index=logs.columns),
        pd.Series(solution[:n_conditions], index=logs.index),
    )


def connected_blots(logs: pd.DataFrame) -> list[list[str]]:
    """Group the columns of a matrix from `log_matrix` that are linked by shared conditions."""
    from scipy.sparse.csgraph import connected_components

    # Blots are linked where they share a condition, directly or through others.
    there = np.isfinite(logs.to_numpy(dtype=float)).astype(float)
    _, label = connected_components(there.T @ there > 0, directed=False)
    return [
        [str(name) for name, own in zip(logs.columns, label, strict=True) if own == group] for group in np.unique(label)
    ]


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
    for own in _groups(rows, UNIT).values():
        if len(own) > 1 and _differ(rows.iloc[own]):
            found |= set(rows["place"].iloc[own])
    if not found:
        return ratios
    flags = [
        join_flags(split_flags(cell), ("discordant_repeats",) if k in found else ()) or pd.NA
        for k, cell in enumerate(ratios["flags"])
    ]
    return ratios.assign(flags=pd.array(flags, dtype="string"))


def _differ(rows: pd.DataFrame) -> bool:
    logs = rows["log_value"].to_numpy(dtype=float)
    # Only the extremes are compared: their gap against their own measurement errors.
    ends = [int(np.argmin(logs)), int(np.argmax(logs))]
    low, high = (rows[name].to_numpy(dtype=float) for name in ("ci_low", "ci_high"))
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.where(low > 0, np.log(high / low) / (2 * Z95), np.inf)[ends]
    known = [value for value in sd if not math.isnan(value)]
    gap = float(logs[ends[1]] - logs[ends[0]])
    return gap > max(math.log(DISCORDANT_FOLD), Z95 * math.hypot(*known))
