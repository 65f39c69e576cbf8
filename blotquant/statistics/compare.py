"""From ratios to claims: fold changes with intervals and p-values, biological replicate by biological replicate.

Log values are compared within blots: ``log value = condition + block``, one error for all conditions of a ratio. The
block is the blot, or the biological replicate where the sheet has a `replicate` column that pairs conditions. The
fold change and its p-value therefore do not depend on how blots are scaled; scaling matters for the geometric means.

Fold changes: the one place where log values become differences from the reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.errors import DesignError
from blotquant.experiment.design import Comparison, Experiment
from blotquant.statistics.log_model import ModelFit, dunnett, fit_condition_means, fit_log_model, step_down
from blotquant.statistics.scaling import average_technical, blot_scales, log_matrix, unlinked_membranes
from blotquant.tables import SUMMARY_COLUMNS, make_table
from blotquant.threads import single_threaded

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]


@dataclass(frozen=True, eq=False, kw_only=True)
class FoldFit:
    """One ratio's fold changes, with the units that they are made of.

    Attributes
    ----------
    names : tuple of str
        Conditions, the reference first.
    condition, block : ndarray of int, shape (n,)
        Of each unit; conditions count as in `names`.
    is_paired : bool
        Whether blocks hold more than one condition each.
    block_name : str
        What a block is: ``blot`` or ``replicate``.
    model : ModelFit
        Differences from the reference, natural logarithm.
    """

    names: tuple[str, ...]
    condition: Ints
    block: Ints
    is_paired: bool
    block_name: str
    model: ModelFit

    def shared_blocks(self, level: int) -> int:
        """Replicates that carry both this condition and the reference; the smaller n where blocks pair none."""
        if self.is_paired:
            return len(set(self.block[self.condition == level]) & set(self.block[self.condition == 0]))
        return int(min((self.condition == level).sum(), (self.condition == 0).sum()))

    def differences(self) -> Mapping[str, float]:
        """Log fold change by condition, the reference left out; NaN where nothing links it to the reference."""
        return dict(zip(self.names[1:], self.model.difference.tolist(), strict=True))


def fit_folds(units: pd.DataFrame, reference: str, *, scaled: pd.Series | None = None) -> FoldFit:
    """Compare every condition with the reference.

    Parameters
    ----------
    units : DataFrame
        From `average_technical`, of one ratio, without standards; the reference is among its conditions.
    reference : str
        The reference condition.
    scaled : Series, optional
        Log values after blots were put on one scale, in place of the model's own scale for every block; units
        that this leaves without a value do not count.

    Returns
    -------
    FoldFit
        Of ``log value = condition + block``, where a block is the blot, or the biological replicate where the sheet
        pairs conditions by one; of ``scaled value = condition`` where scaled values are given.
    """
    if scaled is not None:
        units = units.assign(log_value=scaled).dropna(subset=["log_value"])
    names = (reference, *(str(name) for name in units["condition"].unique() if name != reference))
    by_replicate = bool((units.groupby("replicate")["condition"].nunique() > 1).any())
    block = units["replicate"] if by_replicate else units["blot"]
    is_blot = not by_replicate or bool((units["replicate"] == units["blot"]).all())
    condition = np.array([names.index(c) for c in units["condition"]], dtype=int)
    blocks = np.asarray(pd.factorize(block)[0], dtype=int)
    used = np.zeros_like(blocks) if scaled is not None else blocks
    return FoldFit(
        names=names,
        condition=condition,
        block=blocks,
        is_paired=by_replicate,
        block_name="blot" if is_blot else "replicate",
        model=fit_log_model(units["log_value"].to_numpy(dtype=float), condition.tolist(), used.tolist()),
    )


MIN_REPLICATES = 3
_ADJUSTED = {"dunnett": "Dunnett", "holm": "Holm's steps on the joint t", "none": "not adjusted"}


@single_threaded
def compare(experiment: Experiment, ratios: pd.DataFrame) -> pd.DataFrame:
    """Compare every condition with the reference, ratio by ratio.

    Parameters
    ----------
    experiment : Experiment
        Declares reference, scaling, adjustment and alpha.
    ratios : DataFrame
        From `normalize`; only rows with `included` enter.

    Returns
    -------
    DataFrame
        `SUMMARY_COLUMNS`, then those of the sheet's own columns that hold one value for each condition. Where a
        number cannot be given, `test` or `scaling` says why; nothing is tested with fewer than three biological
        replicates, and the reference is never tested.
    """
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(ratios["ratio"].dropna()):
        mine = ratios[(ratios["ratio"] == name).fillna(value=False)]
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
        `ratio`, `condition`, `role`, `blot`, `replicate`, `n_technical`, `value`; `value` is empty where the blots
        do not carry the scaling that was asked for.
    """
    columns = ["ratio", "condition", "role", "blot", "replicate", "n_technical", "value"]
    parts = []
    for name in dict.fromkeys(ratios["ratio"].dropna()):
        units = average_technical(ratios[(ratios["ratio"] == name).fillna(value=False)])
        parts.append(units.assign(value=np.exp(_scale(units, experiment.compare)[0].astype(float))))
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _summarize(experiment: Experiment, name: str, ratios: pd.DataFrame) -> list[dict[str, Any]]:
    design = experiment.compare
    conditions = _conditions(ratios)
    units = average_technical(ratios)
    samples = units[units["role"] != "standard"]
    scaled, scaling = _scale(units, design)
    spreads = _spreads(units, scaled, scaling)
    tested, unlinked = _test(samples, design), unlinked_membranes(ratios)
    rows = []
    for condition, role in conditions.items():
        mine = ratios[(ratios["condition"] == condition).fillna(value=False)]
        n_excluded = int((~mine["included"].fillna(value=False).astype(bool)).sum())
        said = "; ".join((scaling, *unlinked))
        row = {"ratio": name, "condition": condition, "scaling": said, "n_excluded": n_excluded}
        values = scaled.loc[units["condition"] == condition].to_numpy(dtype=float)
        fixed = scaling == "fixed_point" and condition == design.reference
        row |= {"n": len(values), **_geometric_mean(values, None if fixed else spreads.get(condition), design.alpha)}
        if role == "standard":
            row["test"] = "no test: a standard, the same on every blot"
        else:
            row |= tested.get(condition, {"test": f"no test: no value is left{_why_none(mine)}"})
        rows.append(row | _sheet_values(experiment, mine))
    return rows


def _conditions(ratios: pd.DataFrame) -> dict[str, str]:
    """Conditions in the sheet's order, with their role; excluded lanes alone make no condition."""
    roles = ratios["role"] if "role" in ratios else pd.Series("sample", index=ratios.index)
    found: dict[str, str] = {}
    for condition, role in zip(ratios["condition"], roles, strict=True):
        if not pd.isna(condition) and role != "excluded":
            found.setdefault(str(condition), str(role))
    return found


def _sheet_values(experiment: Experiment, rows: pd.DataFrame) -> dict[str, Any]:
    columns = [column for column in experiment.extra_columns if column in rows]
    return {column: rows[column].iloc[0] if rows[column].nunique(dropna=False) == 1 else pd.NA for column in columns}


def _scale(units: pd.DataFrame, design: Comparison) -> tuple[pd.Series, str]:
    """Log values after scaling, or NaN with the reason where the design does not carry the scaling asked for."""
    if units.empty:
        return units["log_value"], design.scaling
    standards = units.loc[units["role"] == "standard", "condition"].unique().tolist()
    try:
        scales = blot_scales(log_matrix(units), design.scaling, reference=design.reference, standards=standards)
    except DesignError as error:
        return units["log_value"] * math.nan, f"{design.scaling}: not possible, {error}"
    return units["log_value"] - units["blot"].map(scales).astype(float), design.scaling


def _why_none(rows: pd.DataFrame) -> str:
    """Say why a condition has no value: the most frequent reason, in brackets."""
    reasons = rows["reason"].dropna()
    return f" ({reasons.value_counts().index[0]})" if len(reasons) else ""


def _spreads(units: pd.DataFrame, scaled: pd.Series, scaling: str) -> dict[str, tuple[float, int]]:
    """Standard error of each condition's mean log value and its degrees of freedom.

    Each condition's own spread over its replicates; after alignment, whose factors were fitted to the same values, the
    error of the model that was fitted, or the intervals would be too short.
    """
    if units.empty or scaled.isna().all():
        return {}
    names = [str(name) for name in units["condition"].unique()]
    if scaling == "alignment":
        level = [names.index(name) for name in units["condition"]]
        fit = fit_condition_means(units["log_value"].to_numpy(dtype=float), level, pd.factorize(units["blot"])[0])
        return {name: (float(se), fit.df) for name, se in zip(names, fit.se, strict=True)}
    groups = scaled.groupby(units["condition"], sort=False)
    return {str(name): (float(values.std(ddof=1) / math.sqrt(len(values))), len(values) - 1)
            for name, values in groups}  # fmt: skip


def _geometric_mean(values: np.ndarray[Any, Any], spread: tuple[float, int] | None, alpha: float) -> dict[str, float]:
    """Geometric mean with its t interval; a condition that is 1 by construction has none."""
    if len(values) == 0:
        return {}
    mean = float(np.mean(values))
    if spread is None or spread[1] < 1:
        return {"geometric_mean": math.exp(mean)}
    half = _t_quantile(alpha, spread[1]) * spread[0]
    return {"geometric_mean": math.exp(mean), "ci_low": math.exp(mean - half), "ci_high": math.exp(mean + half)}


def _t_quantile(alpha: float, df: int) -> float:
    from scipy import stats

    return float(stats.t.isf(alpha / 2, df))


def _test(units: pd.DataFrame, design: Comparison) -> dict[str, dict[str, Any]]:
    """Fold change, interval and p of each condition against the reference."""
    reference = design.reference
    present = units["condition"].unique().tolist()
    if reference is None:
        return {name: {"test": "no test: no reference condition is declared"} for name in present}
    if reference not in present:
        return {name: {"test": "no test: the reference has no value"} for name in present}
    frame = fit_folds(units, reference)
    results: dict[str, dict[str, Any]] = {
        reference: {"fold_change": 1.0, "test": "reference: 1 by construction, not tested"}
    }
    if len(frame.names) == 1:
        return results
    fit = frame.model
    refusals = {level: _refusal(frame, level) for level in range(1, len(frame.names))}
    tested = [level for level, reason in refusals.items() if not reason]
    p_values = _p_values(fit, tested, design)
    for level, reason in refusals.items():
        test = f"no test: {reason}" if reason else _describe(frame, design, len(tested))
        results[frame.names[level]] = {**_fold(fit, level - 1, design.alpha), **p_values.get(level, {}), "test": test}
    return results


def _refusal(frame: FoldFit, level: int) -> str:
    """Why a condition is not tested; empty where it is."""
    fit = frame.model
    n, n_reference = int((frame.condition == level).sum()), int((frame.condition == 0).sum())
    if math.isnan(fit.difference[level - 1]):
        return "no blot links this condition to the reference"
    if min(n, n_reference) < MIN_REPLICATES:
        whose = "" if n < MIN_REPLICATES else " of the reference"
        return f"n{whose} = {min(n, n_reference)}, a p-value needs {MIN_REPLICATES} biological replicates"
    shared = frame.shared_blocks(level)
    if shared < MIN_REPLICATES:
        return f"only {shared} of the biological replicates carry both this condition and the reference"
    if fit.df < 1:
        return "no degree of freedom is left for the error"
    return "" if fit.se[level - 1] > 0 else "the replicates do not vary at all"


def _p_values(fit: ModelFit, tested: Sequence[int], design: Comparison) -> dict[int, dict[str, float]]:
    from scipy import stats

    if not tested:
        return {}
    index = np.array(tested) - 1
    t = fit.difference[index] / fit.se[index]
    p = 2 * stats.t.sf(np.abs(t), fit.df)
    adjust = {"dunnett": dunnett, "holm": step_down}.get(design.adjust)
    adjusted = adjust(t, fit.correlation[np.ix_(index, index)], fit.df) if adjust else p
    return {
        level: {"p_value": float(a), "p_adjusted": float(b)} for level, a, b in zip(tested, p, adjusted, strict=True)
    }


def _fold(fit: ModelFit, index: int, alpha: float) -> Mapping[str, float]:
    """Fold change with its t interval from the model's error; pointwise, not adjusted."""
    difference, se = float(fit.difference[index]), float(fit.se[index])
    if math.isnan(difference):
        return {}
    fold = {"fold_change": math.exp(difference)}
    if fit.df < 1 or not se > 0:
        return fold
    half = _t_quantile(alpha, fit.df) * se
    return {**fold, "fold_ci_low": math.exp(difference - half), "fold_ci_high": math.exp(difference + half)}


def _describe(frame: FoldFit, design: Comparison, n_tests: int) -> str:
    how = f"paired by {frame.block_name}" if frame.is_paired else "blots as blocks"
    if len(frame.names) == 2 and frame.is_paired:
        return f"t-test on log ratios, {how}"
    adjusted = "" if n_tests == 1 else f", {_ADJUSTED[design.adjust]}"
    return f"linear model of log ratios, {how}{adjusted}"
