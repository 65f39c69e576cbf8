"""Values that are bounds: a band that is not detected, or saturated, still says on which side the value lies.

Notes
-----
The likelihood of a bounded value is the chance to fall beyond its bound (Tobin's model). It is fitted by expectation
and maximisation, each step an ordinary least squares on completed values; the error variance is divided by the degrees
of freedom of the residuals and not by n, so that without any bound the result is that of least squares. Degrees of
freedom count each value by the information that it holds: 1 when measured, less when bounded.

References
----------
J. Tobin, Econometrica 26 (1958) 24; R. Wolynetz, Appl. Stat. 28 (1979) 195 (algorithm AS 139).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.statistics.linear_model import Comparisons, correlation_of, estimable, widened

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]

MAX_STEPS = 2000
TOLERANCE = 1e-10
SCALE_SHARE = 0.5
"""Share of the error of a block's scale that counts for a bound: 1 if the bound's place had nothing to do with the
block's scale, 0 if it moved with it. Limits of detection do both: they follow exposure and antibody, but not wholly.
With 1 the fold change of two conditions, half of one below its limit, is 3 to 7 % too low, with 0 up to 9 % too high,
with 0.5 within 3.3 % (`tools/benchmarks/censored_bench.py`)."""


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
    What is to be expected beyond a bound is told by the measured values of its block alone, with a share of the error
    of their mean (`SCALE_SHARE`).
    """
    from scipy import special

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
    for _ in range(MAX_STEPS):
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
