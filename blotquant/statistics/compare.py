"""From ratios to claims: one row for each condition, against the reference, biological replicate by replicate.

Log values are compared within blots: ``log value = condition + block``, one error for all conditions of a ratio
(`blotquant.statistics.model`). The fold change and its p-value therefore do not depend on how blots are scaled; scaling
matters for the geometric means. All other comparisons stand in `blotquant.statistics.contrasts`.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from blotquant.errors import DesignError
from blotquant.experiment.design import Comparison, Experiment
from blotquant.experiment.families import find_families
from blotquant.normalization.repeats import average_technical, log_matrix, unlinked_membranes
from blotquant.statistics.contrasts import judge_family, model_of, planned_conditions
from blotquant.statistics.linear_model import design_matrix
from blotquant.statistics.model import RatioModel
from blotquant.statistics.scaling import blot_scales
from blotquant.tables import SUMMARY_COLUMNS, make_table
from blotquant.threads import single_threaded

Floats = NDArray[np.float64]


@single_threaded
def compare(experiment: Experiment, ratios: pd.DataFrame) -> pd.DataFrame:
    """Compare every condition with the reference, ratio by ratio.

    Parameters
    ----------
    experiment : Experiment
        Declares reference, scaling, adjustment and alpha.
    ratios : DataFrame
        From `normalize`; rows with `included` enter as values, rows with `enters_as_bound` as bounds.

    Returns
    -------
    DataFrame
        `SUMMARY_COLUMNS`, then those of the sheet's own columns that hold one value for each condition. Where a
        number cannot be given, `test` or `scaling` says why; nothing is tested with fewer than three biological
        replicates, and the reference is never tested.
    """
    rows: list[dict[str, Any]] = []
    for name, mine in ratios.groupby("ratio", sort=False):
        rows += _summarize(experiment, str(name), mine)
    extra = [column for column in experiment.extra_columns if column in ratios]
    table = make_table(rows, SUMMARY_COLUMNS)
    return table.astype({column: "string" for column in extra if column in table})


def scaled_units(experiment: Experiment, ratios: pd.DataFrame) -> pd.DataFrame:
    """Give the value of every biological replicate after scaling: what the geometric means are made of.

    Parameters
    ----------
    experiment : Experiment
        Declares the scaling.
    ratios : DataFrame
        From `normalize`.

    Returns
    -------
    DataFrame
        `ratio`, `condition`, `role`, `blot`, `replicate`, `n_technical`, `value`, `bound`, `bound_value`. Of a value
        that is only known to be at most or at least something, `bound` is ``≤`` or ``≥``, `bound_value` is that
        something on the same scale, and `value` is empty. Both are empty where the blots do not carry the scaling that
        was asked for.
    """
    columns = ["ratio", "condition", "role", "blot", "replicate", "n_technical", "value", "bound", "bound_value"]
    parts = []
    for _, mine in ratios.groupby("ratio", sort=False):
        units = average_technical(mine)
        scaled = _scale(units, experiment.compare)[0].astype(float).map(math.exp, na_action="ignore")
        known = units["bound"] == ""
        parts.append(units.assign(value=scaled.where(known), bound_value=scaled.where(~known)))
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _summarize(experiment: Experiment, name: str, ratios: pd.DataFrame) -> list[dict[str, Any]]:
    design = experiment.compare
    conditions = planned_conditions(ratios)
    # The model that judges, and the units with what is to be expected beyond bounds.
    model, units = model_of(experiment, ratios)
    units = _completed(units, model)
    scaled, scaling = _scale(units, design)
    spreads = _spreads(units, scaled, scaling)
    tested, unlinked = _against_reference(experiment, model, conditions), unlinked_membranes(ratios)
    entering = ratios["included"].fillna(value=False).astype(bool)
    if "enters_as_bound" in ratios:
        entering |= ratios["enters_as_bound"].fillna(value=False).astype(bool)
    rows_of = dict(iter(ratios.assign(_entering=entering).groupby("condition", sort=False)))
    rows = []
    for condition, role in conditions.items():
        mine, own = rows_of[condition], units[units["condition"] == condition]
        row = {
            "ratio": name,
            "condition": condition,
            "scaling": "; ".join((scaling, *unlinked)),
            "n_excluded": int((~mine["_entering"]).sum()),
            "n": own["blot" if role == "standard" else "replicate"].nunique(),
            "n_bounds": int((own["bound"] != "").sum()),
        }
        fixed = scaling == "fixed_point" and condition == design.reference
        values = scaled.loc[own.index].to_numpy(dtype=float)
        row |= _geometric_mean(values, None if fixed else spreads.get(condition), design.alpha)
        if len(own) and (own["bound"] != "").all():
            row = {key: cell for key, cell in row.items() if key not in ("ci_low", "ci_high")}
            row["mean_bound"] = own["bound"].iloc[0] if own["bound"].nunique() == 1 else pd.NA
        if role == "standard":
            row["test"] = "no test: a standard, the same on every blot"
        elif condition in model.names:
            row |= tested[condition]
        else:
            row["test"] = f"no test: no value is left{_why_none(mine)}"
        for column in (column for column in experiment.extra_columns if column in mine):
            row[column] = mine[column].iloc[0] if mine[column].nunique(dropna=False) == 1 else pd.NA
        rows.append(row)
    return rows


def _completed(units: pd.DataFrame, model: RatioModel) -> pd.DataFrame:
    """Units in which bounds are replaced by the values to be expected beyond them."""
    is_sample = (units["role"] != "standard").to_numpy()
    values = units["log_value"].to_numpy(dtype=float).copy()
    values[is_sample] = model.completed().to_numpy()
    return units.assign(log_value=values)


def _against_reference(
    experiment: Experiment, model: RatioModel, planned: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Fold change, intervals and p of each condition against the reference, under the names of the summary."""
    reference = experiment.compare.reference
    if reference is None:
        return {name: {"test": "no test: no reference condition is declared"} for name in model.names}
    if reference not in model.names:
        return {name: {"test": "no test: the reference has no value"} for name in model.names}
    found: dict[str, dict[str, Any]] = {
        reference: {"fold_change": 1.0, "test": "reference: 1 by construction, not tested"}
    }
    whole = next((f for f in find_families(experiment) if f.kind == "reference"), None)
    family = whole.among(planned) if whole is not None else None
    if family is None:
        return found
    renamed = {"estimate_fold": "fold_change", "ci_low": "fold_ci_low", "ci_high": "fold_ci_high"}
    for claim, row in zip(family.claims, judge_family(model, family, alpha=experiment.compare.alpha), strict=True):
        cells = {renamed.get(key, key): cell for key, cell in row.items() if key != "n"}
        found[claim.subject] = {key: cell for key, cell in cells.items() if key in SUMMARY_COLUMNS}
    return found


def _scale(units: pd.DataFrame, design: Comparison) -> tuple[pd.Series, str]:
    """Log values after scaling, or NaN with the reason where the design does not carry the scaling asked for."""
    if units.empty:
        return units["log_value"], design.scaling
    standards = units.loc[units["role"] == "standard", "condition"].unique().tolist()
    try:
        measured = log_matrix(units[units["bound"] == ""])
        scales = blot_scales(measured, design.scaling, reference=design.reference, standards=standards)
    except DesignError as error:
        return units["log_value"] * math.nan, f"{design.scaling}: not possible, {error}"
    return units["log_value"] - units["blot"].map(scales).astype(float), design.scaling


def _why_none(rows: pd.DataFrame) -> str:
    """Say why a condition has no value: the most frequent reason, in brackets."""
    reasons = rows["reason"].dropna()
    return f" ({reasons.value_counts().index[0]})" if len(reasons) else ""


def _spreads(units: pd.DataFrame, scaled: pd.Series, scaling: str) -> dict[str, tuple[float, float]]:
    """Standard error of each condition's mean log value and its degrees of freedom.

    Each condition's own spread over its replicates; after alignment, whose factors were fitted to the same values, the
    error of the model that was fitted, or the intervals would be too short.
    """
    if units.empty or scaled.isna().all():
        return {}
    names = [str(name) for name in units["condition"].unique()]
    if scaling == "alignment":
        level = np.array([names.index(name) for name in units["condition"]])
        se, df = condition_mean_errors(units["log_value"].to_numpy(dtype=float), level, pd.factorize(units["blot"])[0])
        return {name: (float(value), df) for name, value in zip(names, se, strict=True)}
    groups = scaled.groupby(units["condition"], sort=False)
    return {str(name): (float(values.std(ddof=1) / math.sqrt(len(values))), len(values) - 1)
            for name, values in groups}  # fmt: skip


def condition_mean_errors(log_values: Floats, condition: NDArray[np.int_], block: Any) -> tuple[Floats, int]:
    """Standard errors of condition means in ``log value = condition + block`` where the blocks' parts sum to 0.

    Parameters
    ----------
    log_values : ndarray, shape (n,)
        One value for each biological replicate and condition.
    condition, block : ndarray of int, shape (n,)
        Both from 0, without gaps. Blocks must be linked by shared conditions.

    Returns
    -------
    se : ndarray, shape (k,)
        Of the means that `align` gives; NaN where no degree of freedom is left. The factors of blocks are estimated
        from the same values, which costs a degree of freedom for each block but one.
    df : int
        Residual degrees of freedom.
    """
    # Blocks coded so that their parts sum to 0: the means of conditions are then those of `align`.
    last = int(np.max(block))
    columns = [(block == j).astype(float) - (block == last) for j in range(last)]
    design = np.column_stack([design_matrix(condition), *columns])
    inverse = np.linalg.pinv(design, rcond=1e-10)
    df = len(log_values) - int(np.linalg.matrix_rank(design, tol=1e-8))
    rss = float(np.sum((log_values - design @ (inverse @ log_values)) ** 2))
    k = int(condition.max()) + 1
    se: Floats = (np.sqrt(rss / df) if df > 0 else np.nan) * np.sqrt(np.sum(inverse[:k] ** 2, axis=1))
    return se, df


def _geometric_mean(values: Floats, spread: tuple[float, float] | None, alpha: float) -> dict[str, float]:
    """Geometric mean with its t interval; a condition that is 1 by construction has none."""
    if len(values) == 0:
        return {}
    mean = float(np.mean(values))
    if spread is None or spread[1] < 1 or len(values) < 2:
        return {"geometric_mean": math.exp(mean)}
    half = float(-special.stdtrit(spread[1], alpha / 2)) * spread[0]
    return {"geometric_mean": math.exp(mean), "ci_low": math.exp(mean - half), "ci_high": math.exp(mean + half)}
