"""The model behind every comparison: ``log value = condition + block + error``, and contrasts of its conditions.

Four ways of fitting it give the same kind of result, `Comparisons`:

- `least_squares`: one error for all; with two conditions in complete blocks the paired t-test on log ratios, with one
  block Student's t-test, with two factors the two-way analysis of variance;
- `mixed`: samples that lie on several blots, or a standard that links blots: the spread between samples and the error
  of a lane are two components of variance (REML), degrees of freedom by Satterthwaite;
- `each_by_its_own`: unequal spread: paired contrasts by their own differences, unpaired ones by Welch;
- `censored` (in `blotquant.statistics.censored`): values that are bounds.

All arrays are natural logarithms. Contrasts are rows of weights over conditions that sum to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]

NOTHING_LEFT = 1e-13
"""Residuals below this share of the values are rounding: replicates that agree exactly have no variance."""
ESTIMABLE = 1e-8
"""A contrast whose weights the design reproduces to this is estimable."""
MAX_STEPS = 100
"""Of Fisher scoring; it takes 5 to 15."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparisons:
    """Contrasts of conditions on the natural-log scale.

    Attributes
    ----------
    estimate, se : ndarray, shape (m,) or (m, d)
        For each of m contrasts (and d data sets of one design); NaN where the design does not carry it.
    df : ndarray, shape (m,)
        Degrees of freedom of each standard error.
    correlation : ndarray, shape (m, m)
        Of the estimates.
    """

    estimate: Floats
    se: Floats
    df: Floats
    correlation: Floats


def design_matrix(condition: Ints, blocks: Sequence[Ints] = (), *, n_conditions: int = 0) -> Floats:
    """Lay out the model's columns: one for each condition, then one for each level of each block.

    Parameters
    ----------
    condition : ndarray of int, shape (n,)
        From 0.
    blocks : sequence of ndarray of int, shape (n,)
        Blot, paired replicate, or both.
    n_conditions : int
        Columns for conditions, where some have no value.
    """
    levels = range(max(n_conditions, int(condition.max(initial=-1)) + 1))
    columns = [condition == level for level in levels]
    columns += [block == level for block in blocks for level in np.unique(block)]
    return np.column_stack(columns).astype(float)


def least_squares(y: ArrayLike, design: Floats, weights: Floats) -> Comparisons:
    """Fit by ordinary least squares, with one error for all values.

    Parameters
    ----------
    y : array_like, shape (n,) or (n, d)
        Log values; several data sets of one design as columns.
    design : ndarray, shape (n, p)
        From `design_matrix`.
    weights : ndarray, shape (m, k)
        Contrasts over the design's first k columns.
    """
    values = np.asarray(y, dtype=float)
    inverse = np.linalg.pinv(design, rcond=1e-10)
    full = widened(weights, design)
    usable = estimable(full, inverse @ design)
    coefficients = inverse @ values
    # Columns of conditions and blocks are not independent: what the design can tell is its rank.
    rank = int(np.linalg.matrix_rank(design, tol=1e-8))
    df = len(design) - rank
    rss = np.sum((values - design @ coefficients) ** 2, axis=0)
    covariance = full @ inverse @ inverse.T @ full.T
    # Errors of the contrasts, with one error for all values; replicates that agree exactly have none.
    shape = (len(full),) + (1,) * (values.ndim - 1)
    spread = np.sqrt(np.diag(covariance)).reshape(shape)
    noise = NOTHING_LEFT * (np.abs(values).max(axis=0, initial=0.0) + 1)
    scale = np.sqrt(rss / df) if df > 0 else np.full_like(rss, np.nan)
    return Comparisons(
        estimate=(full @ coefficients) * usable.reshape(shape),
        se=np.where(scale > noise, scale, 0.0 * scale) * spread * usable.reshape(shape),
        df=np.full(len(full), float(df)),
        correlation=correlation_of(covariance),
    )


def mixed(y: ArrayLike, design: Floats, weights: Floats, sample: Ints) -> Comparisons | None:
    """Fit two components of variance: between samples, and between lanes of one sample.

    Parameters
    ----------
    y, design, weights
        As in `least_squares`, one data set.
    sample : ndarray of int, shape (n,)
        Sample of each value; -1 for a standard, whose lanes differ by the error of a lane alone.

    Returns
    -------
    Comparisons or None
        None where the values cannot tell the two components apart.

    Notes
    -----
    Restricted maximum likelihood by Fisher scoring; components may come out negative, as they must where intervals are
    to hold their level. Degrees of freedom of each contrast by Satterthwaite's rule from the expected information.
    `statsmodels.MixedLM` gives the same estimates and standard errors (tests/statistics), but judges them by the
    normal distribution, which is too sure with few samples.

    References
    ----------
    F. E. Satterthwaite, Biometrics Bull. 2 (1946) 110; H. D. Patterson and R. Thompson, Biometrika 58 (1971) 545.
    """
    values = np.asarray(y, dtype=float)
    same = (sample[:, None] == sample[None, :]) & (sample[:, None] >= 0)
    parts = (np.eye(len(values)), same.astype(float))
    basis = np.linalg.svd(design, full_matrices=True)[0][:, int(np.linalg.matrix_rank(design, tol=1e-8)) :]
    if basis.shape[1] < 2:
        return None
    # Everything about the components is in the residual contrasts basis' y, whose covariance is a sum of two parts.
    residual = basis.T @ values
    reduced = [basis.T @ part @ basis for part in parts]
    theta = _components(residual, reduced)
    if theta is None:
        return None
    covariance = sum(t * part for t, part in zip(theta, parts, strict=True))
    inner = sum(t * part for t, part in zip(theta, reduced, strict=True))
    inverted = np.linalg.inv(inner)
    information = np.array([[0.5 * np.trace(inverted @ a @ inverted @ b) for b in reduced] for a in reduced])
    # Weights L over the values: best linear unbiased, L = weights (X'V⁻¹X)⁻ X'V⁻¹.
    solved = np.linalg.pinv(covariance)
    full = widened(weights, design)
    usable = estimable(full, np.linalg.pinv(design, rcond=1e-10) @ design)
    rows = full @ np.linalg.pinv(design.T @ solved @ design, rcond=1e-10) @ design.T @ solved
    of_rows = rows @ covariance @ rows.T
    # Satterthwaite: twice the squared variance over the variance that the estimated components give it.
    gradient = np.array([np.einsum("ij,jk,ik->i", rows, part, rows) for part in parts])
    of_theta = np.linalg.inv(information)
    variance = np.diag(of_rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = 2 * variance**2 / np.einsum("ai,ab,bi->i", gradient, of_theta, gradient)
    return Comparisons(
        estimate=(rows @ values) * usable, se=np.sqrt(variance) * usable, df=df, correlation=correlation_of(of_rows)
    )


def _components(residual: Floats, parts: Sequence[Floats]) -> Floats | None:
    """Estimate the components of variance by Fisher scoring from residual contrasts; None where they are confounded."""
    start = float(residual @ residual) / len(residual)
    if start <= NOTHING_LEFT**2:
        return None
    theta = np.array([start / 2, start / 2 / max(np.trace(parts[1]) / len(residual), 1e-12)])
    for _ in range(MAX_STEPS):
        inverse = np.linalg.inv(theta[0] * parts[0] + theta[1] * parts[1])
        turned = [inverse @ part for part in parts]
        information = np.array([[0.5 * np.sum(a * b.T) for b in turned] for a in turned])
        if np.linalg.cond(information / np.sqrt(np.outer(np.diag(information), np.diag(information)) + 1e-300)) > 1e8:
            return None
        solved = inverse @ residual
        score = np.array([0.5 * (solved @ part @ solved - np.trace(t)) for part, t in zip(parts, turned, strict=True)])
        step = np.linalg.solve(information, score)
        # A step that would make the covariance indefinite is halved.
        size = 1.0
        while size > 1e-6:
            trial = theta + size * step
            if np.linalg.eigvalsh(trial[0] * parts[0] + trial[1] * parts[1])[0] > 1e-6 * start:
                break
            size /= 2
        theta = theta + size * step
        if np.abs(size * step).max() < 1e-12 * start:
            break
    return theta


def each_by_its_own(y: ArrayLike, condition: Ints, block: Ints, weights: Floats) -> Comparisons:
    """Judge every contrast by the spread of its own conditions, for conditions that do not spread alike.

    Parameters
    ----------
    y : array_like, shape (n,)
        Log values.
    condition, block : ndarray of int, shape (n,)
        Of each value.
    weights : ndarray, shape (m, k)
        Contrasts over conditions.

    Returns
    -------
    Comparisons
        In blocks that hold every condition of the contrast once: the one-sample t-test of the blocks' own contrasts.
        Otherwise Welch's test, the spread of each condition taken within blocks, degrees of freedom by
        Satterthwaite. Correlations are 0: only Holm's and Bonferroni's rules may follow.
    """
    values = np.asarray(y, dtype=float)
    estimate, se, df = (np.full(len(weights), np.nan) for _ in range(3))
    for row, weight in enumerate(weights):
        used = np.flatnonzero(np.abs(weight) > 1e-12)
        cells = {(int(b), int(c)): values[(block == b) & (condition == c)] for b in np.unique(block) for c in used}
        whole = [b for b in np.unique(block) if all(len(cells[int(b), int(c)]) for c in used)]
        if not whole:
            continue
        # The contrast in every block that holds all its conditions.
        each = np.array([sum(weight[c] * cells[int(b), int(c)].mean() for c in used) for b in whole])
        estimate[row] = each.mean()
        if all(len(cells[int(b), int(c)]) == 1 for b in whole for c in used):
            n = len(each)
            se[row], df[row] = (each.std(ddof=1) / np.sqrt(n), n - 1) if n > 1 else (np.nan, 0)
            continue
        # Several values of a condition in a block: Welch, each condition with its own spread within blocks.
        total, denominator = 0.0, 0.0
        for c in used:
            mine = [cells[int(b), int(c)] for b in whole]
            free = sum(len(v) - 1 for v in mine)
            if free < 1:
                total = np.nan
                break
            spread = sum(((v - v.mean()) ** 2).sum() for v in mine) / free
            part = weight[c] ** 2 * spread * sum(1 / len(v) for v in mine) / len(whole) ** 2
            total += part
            denominator += part**2 / free
        se[row], df[row] = np.sqrt(total), total**2 / denominator if denominator > 0 else 0
    noise = NOTHING_LEFT * (np.abs(values).max(initial=0.0) + 1)
    return Comparisons(
        estimate=estimate, se=np.where(se > noise, se, 0.0 * se), df=df, correlation=np.eye(len(weights))
    )


def widened(weights: Floats, design: Floats) -> Floats:
    """Weights over all columns of a design: blocks have none."""
    full = np.zeros((len(weights), design.shape[1]))
    full[:, : weights.shape[1]] = weights
    return full


def estimable(full: Floats, projection: Floats) -> Floats:
    """1 where the design carries a contrast, NaN where nothing links its conditions."""
    return np.where(np.abs(full @ projection - full).max(axis=1, initial=0.0) < ESTIMABLE, 1.0, np.nan)


def correlation_of(covariance: Floats) -> Floats:
    """Turn a covariance into a correlation; estimates without variance are correlated with none."""
    sd = np.sqrt(np.clip(np.diag(covariance), 1e-300, None))
    found: Floats = covariance / np.outer(sd, sd)
    np.fill_diagonal(found, 1.0)
    return found
