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
Columns = dict[str, list[Any]]
"""Rows by column as plain lists, None where a cell is empty: of a study's few dozen rows, which are averaged for every
way of analysing them, a table costs ten times what is computed from it."""
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
    units = average_lanes(aligned_rows(ratios, bounds=True))
    return units.astype(dict.fromkeys((*UNIT, "bound"), "string"))


def average_lanes(lanes: pd.DataFrame) -> pd.DataFrame:
    """Average lanes that `aligned_rows` has put on one scale; as `average_technical`, with plain text."""
    used = lanes[(lanes["bound"] == "") | (lanes["role"] != "standard")]
    rows = {str(name): used[name].tolist() for name in used}
    units = []
    for key, own in _groups(rows, UNIT).items():
        bound = "".join(sorted({rows["bound"][k] for k in own} - {""}))
        if len(bound) <= 1:
            mean = math.fsum(rows["log_value"][k] for k in own) / len(own)
            units.append((*key, mean, bound, len(own), len({rows["sample"][k] or "" for k in own})))
    names = [*UNIT, "log_value", "bound", "n_technical", "n_samples"]
    columns = zip(*units, strict=True) if units else [()] * len(names)
    return _frame({name: list(column) for name, column in zip(names, columns, strict=True)})


def _frame(columns: Columns) -> pd.DataFrame:
    """A table of plain columns: numbers as numbers, text as objects."""
    kinds = {"log_value": float, "value": float, "n_technical": np.int64, "n_samples": np.int64, "place": np.int64}
    frame = pd.DataFrame(columns, dtype=object)
    for name in kinds.keys() & columns.keys():
        frame[name] = np.array(columns[name], dtype=kinds[name])
    return frame


def _groups(rows: Columns, names: list[str]) -> dict[tuple[Any, ...], list[int]]:
    """Positions of the rows that agree in some columns, in order of appearance; rows that lack one are left out."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for k, key in enumerate(zip(*(rows[name] for name in names), strict=True)):
        if None not in key:
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
    rows = _usable(ratios, bounds=bounds)
    left_out: set[int] = set()
    for _, own, logs in _membrane_matrices(rows):
        if len(connected_blots(logs)) > 1:
            left_out.update(own)
            continue
        factors = align(logs)[0]
        for k in own:
            # A membrane that carries bounds alone has no scale of its own to be put on.
            if rows["membrane"][k] in factors.index:
                rows["log_value"][k] -= float(factors[rows["membrane"][k]])
            else:
                left_out.add(k)
    kept = [k for k in range(len(rows["place"])) if k not in left_out]
    return _frame({name: [column[k] for k in kept] for name, column in rows.items()})


def _usable(ratios: pd.DataFrame, *, bounds: bool) -> Columns:
    """Rows above 0 that enter as a value (or as a bound), with `log_value` and `place`."""
    names = (*UNIT, "membrane", "sample", "included", "enters_as_bound", "value", "limit", "bound", "ci_low", "ci_high")
    cells: Columns = {
        name: [None if cell is None or cell is pd.NA or cell != cell else cell for cell in ratios[name].tolist()]
        if name in ratios
        else [None] * len(ratios)
        for name in names
    }
    rows: Columns = {name: [] for name in (*UNIT, "membrane", "sample", "bound", "ci_low", "ci_high", "value", "place")}
    for k, cell in enumerate(dict(zip(names, line, strict=True)) for line in zip(*cells.values(), strict=True)):
        as_bound = bounds and bool(cell["enters_as_bound"]) and not cell["included"]
        # A band that is not detected enters with the ratio at its limit of detection, as an upper bound.
        is_limit = as_bound and cell["limit"] is not None
        value = cell["limit"] if is_limit else cell["value"]
        if not (cell["included"] or as_bound) or value is None or not value > 0:
            continue
        cell |= {
            "value": float(value),
            "place": k,
            "bound": "≤" if is_limit else (cell["bound"] or "") if as_bound else "",
        }
        cell["membrane"] = "" if cell["membrane"] is None else str(cell["membrane"])
        cell["replicate"] = str(cell["blot"] if cell["replicate"] is None else cell["replicate"])
        if "role" not in ratios:
            cell["role"] = "sample"
        for name, column in rows.items():
            column.append(cell[name])
    return {**rows, "log_value": np.log(np.array(rows["value"], dtype=float)).tolist()}


def _membrane_matrices(rows: Columns) -> Iterator[tuple[str, list[int], pd.DataFrame]]:
    """Each ratio's blots that have several membranes: blot, its rows, log values by condition and membrane."""
    for (_, blot), every in _groups(rows, ["ratio", "blot"]).items():
        own = [k for k in every if rows["condition"][k] is not None]
        if len({rows["membrane"][k] for k in own}) > 1:
            known = [k for k in own if rows["bound"][k] == ""]
            columns = ("condition", "membrane", "log_value")
            yield str(blot), own, _matrix(*([rows[name][k] for k in known] for name in columns))


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
    for blot, _, logs in _membrane_matrices(_usable(ratios, bounds=True)):
        groups = connected_blots(logs)
        if len(groups) > 1:
            names = " and ".join(", ".join(group) for group in groups)
            texts.append(f"blot {blot} left out, its membranes {names} share no condition")
    return list(dict.fromkeys(texts))


def log_matrix(units: pd.DataFrame) -> pd.DataFrame:
    """Lay one ratio's units out as conditions × blots (mean log value; NaN where missing), in order of appearance."""
    return _matrix(*(units[name].tolist() for name in ("condition", "blot", "log_value")))


def _matrix(conditions: list[Any], blots: list[Any], logs: list[float]) -> pd.DataFrame:
    row, col = ({name: k for k, name in enumerate(dict.fromkeys(names))} for names in (conditions, blots))
    table: Floats = np.full((len(row), len(col)), np.nan)
    for (condition, blot), own in _groups({"row": conditions, "col": blots}, ["row", "col"]).items():
        table[row[condition], col[blot]] = math.fsum(logs[k] for k in own) / len(own)
    return pd.DataFrame(
        table,
        index=pd.Index(list(row), name="condition", dtype=object),
        columns=pd.Index(list(col), name="blot", dtype=object),
    )


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
    for own in _groups({name: rows[name].tolist() for name in UNIT}, UNIT).values():
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
