"""Confidence intervals of ratios of two measured amounts."""

from __future__ import annotations

import math

Z95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""

FIELLER_ABOVE_CV = 0.1
"""A denominator that is less sure than this has Fieller's interval instead of the one on the log scale."""


def ratio_interval(
    top: float, top_sd: float, bottom: float, bottom_sd: float, *, rho: float = 0.0
) -> tuple[float, float, str]:
    """Divide two measured amounts and carry their errors.

    Parameters
    ----------
    top, top_sd, bottom, bottom_sd : float
        The amounts and their standard deviations; `bottom` must be above 0.
    rho : float
        Correlation of the two errors.

    Returns
    -------
    low, high : float
        95 % limits of the ratio; NaN where an SD is unknown, infinite where the denominator cannot be told from zero.
    method : str
        How they were made: ``log``, ``Fieller``, or ``no SD``.

    Notes
    -----
    On the log scale, ``exp(ln R ± z·CV)`` with ``CV² = CV_P² + CV_T² − 2ρ·CV_P·CV_T``. Fieller's where CV_T is above
    0.1, or where `top` stands less than 3 SD above zero and a logarithm says little.

    References
    ----------
    E. C. Fieller, "Some problems in interval estimation", J. R. Stat. Soc. B 16 (1954) 175.
    """
    if not (math.isfinite(top_sd) and math.isfinite(bottom_sd)):
        return math.nan, math.nan, "no SD"
    cv_top = top_sd / top if top > 0 else math.inf
    cv_bottom = bottom_sd / bottom
    if cv_bottom > FIELLER_ABOVE_CV or cv_top > 1 / 3:
        return *fieller(top, top_sd, bottom, bottom_sd, rho=rho), "Fieller"
    value, cv = top / bottom, combined_cv(cv_top, cv_bottom, rho=rho)
    return value * math.exp(-Z95 * cv), value * math.exp(Z95 * cv), "log"


def combined_cv(cv_top: float, cv_bottom: float, *, rho: float = 0.0) -> float:
    """Relative error of a ratio to first order."""
    return math.sqrt(max(cv_top**2 + cv_bottom**2 - 2 * rho * cv_top * cv_bottom, 0.0))


def fieller(top: float, top_sd: float, bottom: float, bottom_sd: float, *, rho: float = 0.0) -> tuple[float, float]:
    """Fieller's 95 % limits of ``top / bottom``: all ratios r for which ``top − r·bottom`` can be zero."""
    a = bottom**2 - Z95**2 * bottom_sd**2
    b = top * bottom - Z95**2 * rho * top_sd * bottom_sd
    c = top**2 - Z95**2 * top_sd**2
    if a <= 0:
        return -math.inf, math.inf
    half = math.sqrt(max(b * b - a * c, 0.0))
    return (b - half) / a, (b + half) / a
