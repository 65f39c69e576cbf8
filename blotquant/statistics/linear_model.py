"""The model behind every comparison: ``log value = condition + block + error``, and contrasts of its conditions.

Four ways of fitting it give the same kind of result, `Comparisons`:

- `least_squares`: one error for all; with two conditions in complete blocks the paired t-test on log ratios, with one
  block Student's t-test, with two factors the two-way analysis of variance;
- `mixed`: samples that lie on several blots, or a standard that links blots: the spread between samples and the error
  of a lane are two components of variance (REML), degrees of freedom by Satterthwaite;
- `each_by_its_own`: unequal spread: paired contrasts by their own differences, unpaired ones by Welch;
- `censored`: values that are bounds, by expectation and maximisation.

All arrays are natural logarithms. Contrasts are rows of weights over conditions that sum to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]

NOTHING_LEFT = 1e-13
"""Residuals below this share of the values are rounding: replicates that agree exactly have no variance."""
ESTIMABLE = 1e-8
"""A contrast whose weights the design reproduces to this is estimable."""
MAX_STEPS = 100
"""Of Fisher scoring; it takes 5 to 15."""
MAX_EXPECTATIONS = 2000
"""Steps of expectation and maximisation, each cheap."""
TOLERANCE = 1e-10
"""Change of a value, on the log scale, from which on they stop."""
SCALE_SHARE = 0.5
"""Share of the error of a block's scale that counts for a bound: 1 if the bound's place had nothing to do with the
block's scale, 0 if it moved with it. Limits of detection do both: they follow exposure and antibody, but not wholly.
With 1 the fold change of two conditions, half of one below its limit, is 3 to 7 % too low, with 0 up to 9 % too high,
with 0.5 within 3.3 % (`tools/benchmarks/censored_bench.py`)."""


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


def censored(y: ArrayLike, side: Ints, block: Ints, *, design: Floats, weights: Floats) -> tuple[Comparisons, Floats]:
    """Fit the model where some values are bounds.

    Parameters
    ----------
    y : array_like, shape (n,)
        Log values, or the log of the bound.
    side : ndarray of int, shape (n,)
        0 for a value, -1 where the true value is at most `y`, +1 where it is at least `y`.
    block : ndarray of int, shape (n,)
        The block whose scale a value shares; each must hold a measured value, and so must each condition.
    design, weights : ndarray
        As in `least_squares`.

    Returns
    -------
    Comparisons
        Contrasts with the standard errors of the observed information.
    completed : ndarray, shape (n,)
        Values with each bound replaced by the value that is to be expected beyond it.

    Notes
    -----
    The likelihood of a bounded value is the chance to fall beyond its bound (Tobin's model). It is fitted by
    expectation and maximisation, each step an ordinary least squares on completed values; the error variance is divided
    by the degrees of freedom of the residuals and not by n, so that without any bound the result is that of least
    squares. Degrees of freedom count each value by the information that it holds: 1 when measured, less when bounded.
    What is to be expected beyond a bound is told by the measured values of its block alone, with a share of the error
    of their mean (`SCALE_SHARE`).

    References
    ----------
    J. Tobin, Econometrica 26 (1958) 24; R. Wolynetz, Appl. Stat. 28 (1979) 195 (algorithm AS 139).
    """
    values = np.asarray(y, dtype=float)
    bounded = side != 0
    inverse = np.linalg.pinv(design, rcond=1e-10)
    rank = int(np.linalg.matrix_rank(design, tol=1e-8))
    free = max(len(values) - len(np.unique(block)), 1)
    _, block = np.unique(block, return_inverse=True)
    # A bound is judged on its block's scale, which the measured values of that block alone tell.
    measured = np.bincount(block, ~bounded)[block]
    k = weights.shape[1]
    shared = SCALE_SHARE / measured
    wider = np.sqrt(1 + shared)
    # Start from the fit that takes bounds for values.
    fitted = design @ (inverse @ values)
    filled = values.copy()
    sigma = np.sqrt(max(np.sum((values - fitted) ** 2) / free, 1e-12))
    delta = np.ones_like(values)
    for _ in range(MAX_EXPECTATIONS):
        # Expectation: the mean of the normal beyond the bound, and what of its variance the bound leaves.
        coefficients = inverse @ filled
        of_condition = design[:, :k] @ coefficients[:k]
        scale = np.bincount(block, np.where(bounded, 0.0, values - of_condition))[block] / measured
        expected = of_condition + scale
        z = side * (values - expected) / (sigma * wider)
        hazard = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - special.log_ndtr(-z))
        delta = np.where(bounded, hazard * (hazard - z), 1.0)
        now = np.where(bounded, expected + side * sigma * wider * hazard, values)
        # Maximisation: the error of completed values, with the variance that bounds still have.
        left = np.sum((now - design @ (inverse @ now)) ** 2) + sigma**2 * float(np.sum(1 - delta))
        sigma_now = float(np.sqrt(max(left / free, 1e-24)))
        change = max(float(np.abs(now - filled).max()), abs(sigma_now - sigma))
        filled, sigma = now, sigma_now
        if change < TOLERANCE:
            break
    full = widened(weights, design)
    # A bound weighs what its own precision leaves after the block's scale was taken from the measured values.
    precision = np.where(bounded, 1 / np.maximum(wider**2 / np.maximum(delta, 1e-9) - shared, 1e-9), 1.0)
    # A measured value counts one degree of freedom, a bound what it tells.
    df = float(delta.sum()) - rank
    grown = (float(delta.sum()) - len(np.unique(block))) / df if df > 0 else np.nan
    covariance = (
        grown * sigma**2 * full @ np.linalg.pinv(design.T @ (precision[:, None] * design), rcond=1e-10) @ full.T
    )
    se = np.sqrt(np.diag(covariance)) if df > 0 else np.full(len(full), np.nan)
    usable = estimable(full, inverse @ design)
    fit = Comparisons(
        estimate=(full @ (inverse @ filled)) * usable,
        se=se * usable,
        df=np.full(len(full), df),
        correlation=correlation_of(covariance),
    )
    return fit, filled


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
