"""Dose and time: a four-parameter curve through log ratios, and the dose of half its effect.

``ratio = block · (bottom + (1 - bottom) / (1 + (dose / IC50)^h))``: every block (blot) has a scale of its own, which
takes the place of the curve's top. Fitted by least squares on the log scale, where errors are alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.statistics.linear_model import design_matrix
from blotquant.statistics.model import RatioModel

Floats = NDArray[np.float64]

MIN_LEVELS = 5
"""Different doses, 0 included, that four parameters need."""
BEYOND = 10.0
"""An IC50 this far outside the doses is an extrapolation and is not given."""
STARTS = (0.05, 0.3, 0.9, 3.0)
"""Plateaus that the fit starts from, as shares of the top."""


def dose_response(model: RatioModel, doses: Mapping[str, float], *, alpha: float) -> dict[str, Any]:
    """Fit the curve and give its IC50 with a profile interval, where the data carry it.

    Parameters
    ----------
    model : RatioModel
        Of the ratio.
    doses : mapping of str to float
        Dose by condition; 0 for the vehicle.
    alpha : float
        1 - confidence.

    Returns
    -------
    dict
        `ic50`, `ic50_ci_low`, `ic50_ci_high` in the doses' unit; an end that the data leave open is missing;
        `test_note` says why there is none.

    References
    ----------
    D. M. Bates and D. G. Watts, Nonlinear Regression Analysis and Its Applications, Wiley 1988, section 6.1.
    """
    from scipy import stats

    rows = model.units[model.units["condition"].isin(list(doses)) & (model.units["bound"] == "")]
    dose = np.asarray(rows["condition"].map(dict(doses)), dtype=float)
    if len(set(dose)) < MIN_LEVELS or 0.0 not in set(dose):
        return {"test_note": f"no IC50: a four-parameter curve needs a dose 0 and {MIN_LEVELS - 1} others"}
    y = rows["log_value"].to_numpy(dtype=float)
    block = model.block[rows.index]
    # Scales of blocks are projected out, so that only plateau, slope and IC50 are searched.
    blocks = design_matrix(np.zeros(len(y), dtype=int), [block])[:, 1:]
    maker = np.eye(len(y)) - blocks @ np.linalg.pinv(blocks)
    low, high = math.log(min(dose[dose > 0]) / BEYOND), math.log(max(dose) * BEYOND)

    def left(at: float) -> float:
        """Residual sum of squares of the best curve with its IC50 at exp(at)."""
        return _best_curve(np.asarray(maker), y, dose, at)

    # The cost has several dips: a grid first, then the bottom of the deepest.
    grid: Floats = np.linspace(low, high, 25).astype(float)
    costs = [left(float(at)) for at in grid]
    best = float(grid[int(np.argmin(costs))])
    from scipy.optimize import minimize_scalar

    step = grid[1] - grid[0]
    found = minimize_scalar(lambda at: left(at), bounds=(best - step, best + step), method="bounded")
    centre, rss = float(found.x), float(found.fun)
    df = len(y) - int(np.linalg.matrix_rank(blocks)) - 3
    flat = float(np.sum((maker @ y) ** 2))
    if df < 1 or rss <= 0:
        return {"test_note": "no IC50: too few values for a four-parameter curve"}
    if stats.f.sf((flat - rss) / 3 / (rss / df), 3, df) > alpha:
        return {"test_note": "no IC50: no curve can be told from a flat line"}
    if not math.log(min(dose[dose > 0])) <= centre <= math.log(max(dose)):
        return {"test_note": "no IC50: it would lie outside the doses"}
    # Profile interval: all IC50 whose best curve is not significantly worse.
    limit = rss * (1 + stats.f.isf(alpha, 1, df) / df)
    ends: dict[str, Any] = {"ic50": math.exp(centre)}
    for name, stop in (("ic50_ci_low", low), ("ic50_ci_high", high)):
        end = _crossing(lambda at: left(at) - limit, centre, stop)
        if end is not None:
            ends[name] = math.exp(end)
    return ends


def _best_curve(maker: Floats, y: Floats, dose: Floats, at: float) -> float:
    """Residual sum of squares of the best plateau and slope for an IC50 at exp(at)."""
    from scipy.optimize import least_squares

    with np.errstate(divide="ignore"):
        steps = np.where(dose > 0, np.log(dose, where=dose > 0, out=np.full_like(dose, -np.inf)) - at, -np.inf)

    def residuals(parameters: Floats) -> Floats:
        bottom, slope = np.exp(parameters)
        reached = 1 / (1 + np.exp(np.clip(slope * steps, -700, 700)))
        out: Floats = maker @ (y - np.log(bottom + (1 - bottom) * reached))
        return out

    fits = [
        least_squares(
            residuals, [math.log(start), 0.0], bounds=([math.log(1e-4), math.log(0.3)], [math.log(1e3), math.log(6.0)])
        )
        for start in STARTS
    ]
    return 2 * min(float(fit.cost) for fit in fits)


def _crossing(function: Any, start: float, stop: float) -> float | None:
    """Where a function that is negative at `start` crosses 0 on the way to `stop`; None where it does not."""
    from scipy.optimize import brentq

    places = np.linspace(start, stop, 13)[1:]
    before = start
    for place in places:
        if function(float(place)) > 0:
            return float(brentq(function, before, float(place), xtol=1e-4))
        before = float(place)
    return None
