"""The comparisons that a study asks for, each with estimate, both intervals, p and the family that it belongs to.

Log values are compared within blocks (`blotquant.statistics.model`). The interval of one contrast alone is pointwise;
the simultaneous one holds for its whole family at once and belongs to the adjusted p: it leaves out 1 where that p is
below alpha. Nothing is tested with fewer than three biological replicates; one replicate has no interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from blotquant.experiment.design import Adjustment, Experiment
from blotquant.experiment.families import Family, find_families
from blotquant.normalization.repeats import aligned_rows, average_lanes
from blotquant.statistics.model import RatioModel, build_model
from blotquant.statistics.multiplicity import adjust_p, adjustment_words, critical_value, omnibus_f
from blotquant.statistics.sentences import say
from blotquant.statistics.trend import dose_response
from blotquant.tables import CONTRAST_COLUMNS, make_table
from blotquant.threads import single_threaded

Floats = NDArray[np.float64]

MIN_REPLICATES = 3
POWER = 0.8
"""Chance at which the smallest change that a design would have found is given."""


@single_threaded
def compare_contrasts(experiment: Experiment, ratios: pd.DataFrame) -> pd.DataFrame:
    """Compute every contrast that the experiment asks for, ratio by ratio.

    Parameters
    ----------
    experiment : Experiment
        Declares reference, contrasts, adjustment and alpha.
    ratios : DataFrame
        From `normalize`; rows with `included` enter as values, rows with `enters_as_bound` as bounds.

    Returns
    -------
    DataFrame
        `CONTRAST_COLUMNS`; first the comparison with the reference, then the families as declared, then an
        interaction that nobody declared but the sheet's columns show (its family says so). Where a number cannot be
        given, `test` says why.
    """
    families = find_families(experiment)
    rows: list[dict[str, Any]] = []
    for name, mine in ratios.groupby("ratio", sort=False):
        model, planned = model_of(experiment, mine)[0], planned_conditions(mine)
        for family in (found for family in families if (found := family.among(planned)) is not None):
            for row in judge_family(model, family, alpha=experiment.compare.alpha):
                rows.append({"ratio": name, **row, "sentence": say(str(name), row, family, experiment)})
    return make_table(rows, CONTRAST_COLUMNS)[list(CONTRAST_COLUMNS)]


def contrast_points(experiment: Experiment, ratios: pd.DataFrame) -> pd.DataFrame:
    """Give each contrast as every blot (or pairing replicate) shows it, for figures.

    Parameters
    ----------
    experiment, ratios
        As in `compare_contrasts`.

    Returns
    -------
    DataFrame
        `ratio`, `family`, `contrast`, `block`, `fold`: the contrast of the means of a block that carries all its
        conditions as measured values. Blocks that lack one show none.
    """
    rows = []
    families = find_families(experiment)
    for name, mine in ratios.groupby("ratio", sort=False):
        model, planned = model_of(experiment, mine)[0], planned_conditions(mine)
        known = model.units[model.units["bound"] == ""]
        means = known.pivot_table(
            index="replicate" if model.paired else "blot", columns="condition", values="log_value", sort=False
        )
        for family in (found for family in families if (found := family.among(planned)) is not None):
            for claim, weight in zip(family.claims, family.weights, strict=True):
                used = [family.conditions[k] for k in np.flatnonzero(np.abs(weight) > 1e-12)]
                if not set(used) <= set(means.columns):
                    continue
                whole = means[used].dropna()
                logs = whole.to_numpy(dtype=float) @ weight[[family.conditions.index(name) for name in used]]
                rows += [
                    {"ratio": name, "family": family.name, "contrast": claim.label, "block": str(block), "fold": fold}
                    for block, fold in zip(whole.index, np.exp(logs), strict=True)
                ]
    return pd.DataFrame(rows, columns=["ratio", "family", "contrast", "block", "fold"])


def residual_table(experiment: Experiment, ratios: pd.DataFrame) -> pd.DataFrame:
    """Give how far every measured value lies from what its condition and block make expected, for figures.

    Parameters
    ----------
    experiment, ratios
        As in `compare_contrasts`.

    Returns
    -------
    DataFrame
        `ratio`, `condition`, `block`, `residual` (natural logarithm).
    """
    parts = []
    for name, mine in ratios.groupby("ratio", sort=False):
        parts.append(model_of(experiment, mine)[0].residuals().assign(ratio=name))
    columns = ["ratio", "condition", "block", "residual"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def planned_conditions(ratios: pd.DataFrame) -> dict[str, str]:
    """Conditions of one ratio in the sheet's order, with their role; excluded lanes alone make no condition."""
    roles = ratios["role"] if "role" in ratios else pd.Series("sample", index=ratios.index)
    found: dict[str, str] = {}
    for condition, role in zip(ratios["condition"], roles, strict=True):
        if not pd.isna(condition) and role != "excluded":
            found.setdefault(str(condition), str(role))
    return found


def model_of(experiment: Experiment, ratios: pd.DataFrame) -> tuple[RatioModel, pd.DataFrame]:
    """Build the model of one ratio's rows; beside it, the units of `average_technical`, standards among them."""
    lanes = aligned_rows(ratios, bounds=True)
    units = average_lanes(lanes)
    standards = lanes[(lanes["role"] == "standard") & (lanes["bound"] == "")]
    return build_model(units[units["role"] != "standard"], experiment.compare, standards=standards), units


def judge_family(model: RatioModel, family: Family, *, alpha: float) -> list[dict[str, Any]]:
    """Estimate and test one family of contrasts on one ratio.

    Parameters
    ----------
    model : RatioModel
        Of the ratio.
    family : Family
        Which contrasts.
    alpha : float
        1 - confidence.

    Returns
    -------
    list of dict
        Cells of `CONTRAST_COLUMNS` but `ratio` and `sentence`. A family keeps its size where contrasts are refused:
        the others are not judged more mildly for it.
    """
    # Weights over the conditions that have a value; a contrast that needs another one is refused.
    here = [k for k, name in enumerate(family.conditions) if name in model.names]
    weights = np.zeros((len(family.claims), len(model.names)))
    weights[:, [model.names.index(family.conditions[k]) for k in here]] = family.weights[:, here]
    absent = [
        [family.conditions[k] for k in np.flatnonzero(row) if family.conditions[k] not in model.names]
        for row in family.weights
    ]
    size = len(family.claims)
    quantity = {"interaction": "ratio of fold changes", "trend": "fold change per step"}.get(family.kind, "fold change")
    base: list[dict[str, Any]] = [
        {"family": family.name, "contrast": claim.label, "quantity": quantity} for claim in family.claims
    ]
    there = [k for k in range(size) if not absent[k]]
    for k in range(size):
        if absent[k]:
            whose = "the reference" if absent[k] == [family.claims[k].against] else " and ".join(absent[k])
            base[k]["test"] = f"no test: {whose} has no value" if len(absent[k]) == 1 else f"no test: {whose} have none"
    if not there:
        return base
    # Estimates of all contrasts at once, for their correlation carries the adjustment.
    found, bounds, how = model.compare(weights[there])
    adjust: Adjustment = "none" if size == 1 else family.adjust
    adjust = "holm" if model.unequal and adjust != "none" else adjust
    words = f", {adjustment_words(adjust, family.kind)}" if size > 1 else ""
    spread = model.uneven_spread() if not model.unequal else ""
    # Joint critical values, one for each number of degrees of freedom.
    limits = {
        df: critical_value(found.correlation, df, alpha, adjust=adjust, size=size)
        for df in set(found.df.tolist())
        if df > 0
    }
    # Row by row: estimate, intervals, and whether it is tested.
    tested, refusals = [], {}
    for place, k in enumerate(there):
        levels = np.flatnonzero(np.abs(weights[k]) > 1e-12).tolist()
        n = min(model.n_of(level) for level in levels)
        se, df = float(found.se[place]), float(found.df[place])
        row = base[k]
        row |= {"n": n, "bound": bounds[place].replace("?", "") or pd.NA}
        refusals[k] = _refusal(model, weights[k], float(found.estimate[place]), se, df, bounds[place])
        notes = [spread] if spread else []
        if n == 2 and se > 0:
            notes.append("n = 2: the interval rests on the spread of all conditions")
        row["test_note"] = "; ".join(notes) or pd.NA
        if not math.isnan(found.estimate[place]):
            row["estimate_fold"] = math.exp(found.estimate[place])
        if n >= 2 and df > 0 and se > 0 and not math.isnan(se):
            row |= {"se_log": se, "df": df}
            estimate, single, joint = float(found.estimate[place]), float(-special.stdtrit(df, alpha / 2)), limits[df]
            row |= _interval(estimate, se, single, bounds[place], "ci")
            row |= _interval(estimate, se, joint, bounds[place], "simultaneous_ci")
            if not refusals[k]:
                tested.append(place)
                row["detectable_fold"] = math.exp(detectable_effect(se, df, joint))
        row["test"] = f"no test: {refusals[k]}" if refusals[k] else how + words
    # p-values of what is tested; the family keeps its size for the adjustment.
    if tested:
        t = found.estimate[tested] / found.se[tested]
        alone = np.asarray(2 * special.stdtr(found.df[tested], -np.abs(t)))
        adjusted = adjust_p(t, found.correlation[np.ix_(tested, tested)], found.df[tested], adjust=adjust, size=size)
        for place, p, joint_p in zip(tested, alone, adjusted, strict=True):
            base[there[place]] |= {"p_value": float(p), "p_adjusted": float(joint_p)}
    if len(tested) == size > 1 and not model.unequal:
        f, rank, p = omnibus_f(found.estimate, found.se, found.correlation, float(found.df.min()))
        base = [row | {"family_f": f, "family_df": rank, "family_p": p} for row in base]
    if family.kind == "trend":
        for k in there:
            base[k] |= dose_response(model, family.doses[family.claims[k].label], alpha=alpha)
    return base


def _refusal(model: RatioModel, weight: Floats, estimate: float, se: float, df: float, bound: str) -> str:
    """Why a contrast is not tested; empty where it is."""
    levels = np.flatnonzero(np.abs(weight) > 1e-12).tolist()
    reference = [level for level in levels if weight[level] < 0] if len(levels) == 2 else []
    if bound == "?":
        return "both conditions are only known as bounds"
    if math.isnan(estimate):
        return "no blot links this condition to the reference" if reference else "no blot links these conditions"
    fewest = min(levels, key=model.n_of)
    n = model.n_of(fewest)
    if n < MIN_REPLICATES:
        others = [level for level in levels if level not in reference]
        mine = min(model.n_of(level) for level in others) if others else n
        whose = " of the reference" if fewest in reference and mine > n else ""
        return f"n{whose} = {n}, a p-value needs {MIN_REPLICATES} biological replicates{_hint(model, levels)}"
    shared = model.n_together(levels)
    if shared < MIN_REPLICATES and len(levels) == 2:
        return f"only {shared} of the biological replicates carry both this condition and the reference"
    if df < 1 or math.isnan(se):
        return "no degree of freedom is left for the error"
    if not se > 0:
        return "the replicates do not vary at all"
    if (bound == "≤" and estimate >= 0) or (bound == "≥" and estimate <= 0):
        return "only a bound is known, and it leaves open which way the ratio changes"
    return ""


def _hint(model: RatioModel, levels: Sequence[int]) -> str:
    """Ask whether samples of several names are independent, where that would make n larger."""
    if "n_samples" not in model.units:
        return ""
    most = max(int(model.units.loc[model.condition == level, "n_samples"].max()) for level in levels)
    if most < 2:
        return ""
    return (
        f"; up to {most} samples of one condition on a blot bear different names: if they are independent (animals, "
        'cultures) say replicates = "sample" under [compare]'
    )


def _interval(estimate: float, se: float, reach: float, bound: str, name: str) -> dict[str, float]:
    """Both ends of an interval; a bound has the end that lies on its side."""
    low, high = math.exp(estimate - reach * se), math.exp(min(estimate + reach * se, 700.0))
    ends = {f"{name}_low": low, f"{name}_high": high}
    if bound in ("≤", "≥"):
        del ends[f"{name}_low" if bound == "≤" else f"{name}_high"]
    return {} if bound == "?" else ends


def detectable_effect(se: float, df: float, critical: float, power: float = POWER) -> float:
    """Smallest true difference that a test finds with a given chance.

    Parameters
    ----------
    se : float
        Standard error of the estimate.
    df : float
        Its degrees of freedom.
    critical : float
        The |t| that is needed for significance.
    power : float
        Chance to find it.

    Returns
    -------
    float
        On the scale of `se`: the t distribution of a normal estimate with this mean over its own error.
    """
    return _detectable_t(df, critical, power) * se


@lru_cache(maxsize=256)
def _detectable_t(df: float, critical: float, power: float) -> float:
    """The same in standard errors."""
    from scipy import optimize

    # The chance that |t| passes the limit, over all that the estimated error may be.
    u, du = np.polynomial.legendre.leggauss(200)
    scale = np.sqrt(2 * special.gammaincinv(df / 2, (u + 1) / 2) / df)

    def missing(shift: float) -> float:
        found = special.ndtr(shift - critical * scale) + special.ndtr(-shift - critical * scale)
        return float(found @ du / 2) - power

    return float(optimize.brentq(missing, 0.0, 10 * critical + 10, xtol=1e-6))
