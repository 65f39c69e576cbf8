"""A dilution series: how volume grows with load, and over which range the two are proportional."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from blotquant.flags import join_flags, split_flags
from blotquant.threads import single_threaded

Array = NDArray[np.float64]
Model = Literal["proportional", "linear", "hyperbolic"]

MIN_LEVELS = 4
MAX_RESIDUAL = 0.15
SLOPE_LIMITS = (0.9, 1.1)
# Pipetting and transfer scatter that no picture shows; keeps the weakest SDs from ruling the fit.
_LOAD_CV = 0.05


class ProportionalRange(BaseModel):
    """Where volume is proportional to load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    load_low_ug: float = Field(gt=0, description="Smallest load of the range")
    load_high_ug: float = Field(gt=0, description="Largest load of the range")
    volume_low: float = Field(gt=0, description="Volume on the proportional line at the smallest load, counts")
    volume_high: float = Field(gt=0, description="Volume on the proportional line at the largest load, counts")
    slope: float = Field(gt=0, description="Counts for each microgram")
    log_slope: float = Field(description="Slope of log volume against log load")
    n_levels: int = Field(ge=1, description="Loads in the range")


class DilutionFit(BaseModel):
    """What a dilution series says, as it is kept in a file for later runs.

    `parameters` are those of the best model: proportional V = a x; linear V = a x + b; hyperbolic V = v_max x /
    (k + x). `range` is empty where no four neighbouring loads are proportional; `reason` then says why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field("", description="Protein that was diluted")
    load_ug: tuple[float, ...] = Field(description="Loads, micrograms")
    volume: tuple[float, ...] = Field(description="Volumes, counts")
    sd: tuple[float, ...] = Field(description="Their SDs, counts")
    model: Model = Field(description="Best model by AICc")
    aicc: dict[Model, float] = Field(description="AICc of each model that has one")
    parameters: dict[str, float] = Field(description="Parameters of the best model")
    range: ProportionalRange | None = Field(None, description="Where volume is proportional to load")
    reason: str = Field("", description="Why there is no such range")
    exposure_s: float | None = Field(None, gt=0, description="Exposure at which the series was taken")

    def predict(self, load_ug: ArrayLike) -> Array:
        """Volume that the best model tells for some loads, in counts."""
        return _predict(self.model, self.parameters, np.asarray(load_ug, dtype=float))

    def curve(self, n: int = 101) -> pd.DataFrame:
        """Points of the best model and of the proportional line, from no load to the largest.

        Returns
        -------
        DataFrame
            `load_ug`, `volume` and `proportional` (empty without a range).
        """
        load = np.linspace(0, max(self.load_ug), n)
        line = load * self.range.slope if self.range is not None else np.full(n, np.nan)
        return pd.DataFrame({"load_ug": load, "volume": self.predict(load), "proportional": line})


@single_threaded
def fit_dilution_series(
    load_ug: ArrayLike,
    volume: ArrayLike,
    sd: ArrayLike | None = None,
    *,
    target: str = "",
    exposure_s: float | None = None,
) -> DilutionFit:
    """Compare three models of a dilution series and find its proportional range.

    The range is the largest set of neighbouring loads, four or more, in which the confidence interval of the
    intercept holds 0, each level lies within 15 % of the proportional line and the 95 % confidence interval of the
    log-log slope lies within 0.9 to 1.1.

    Parameters
    ----------
    load_ug : array_like, shape (n,)
        Loads in micrograms, above 0; a load may be repeated.
    volume, sd : array_like, shape (n,)
        Volumes and their SDs in counts; without SDs all volumes are taken to be equally sure in parts.
    target : str
        Protein that was diluted.
    exposure_s : float, optional
        Exposure time of the picture in seconds.

    Returns
    -------
    DilutionFit
        The three models, the best of them, and the proportional range.

    Raises
    ------
    ValueError
        If the lengths differ, a load is not above 0, a value is not finite, or fewer than three loads are given.
    """
    x, v, s = _check(load_ug, volume, sd)
    weights = 1 / (s**2 + (_LOAD_CV * np.maximum(np.abs(v), 0.01 * np.abs(v).max())) ** 2)
    fits = {name: _fit(name, x, v, weights) for name in ("proportional", "linear", "hyperbolic")}
    # Too few loads cannot tell models with more parameters from each other: those have no finite AICc.
    aicc = {name: fit.aicc for name, fit in fits.items() if np.isfinite(fit.aicc)}
    best = min(aicc, key=lambda name: aicc[name], default="proportional")
    found, reason = _proportional_range(x, v, weights)
    return DilutionFit(
        target=target, load_ug=tuple(x.tolist()), volume=tuple(v.tolist()), sd=tuple(s.tolist()), model=best,
        aicc=aicc, parameters=fits[best].parameters, range=found, reason=reason, exposure_s=exposure_s)  # fmt: skip


def flag_out_of_range(table: pd.DataFrame, fits: Mapping[str, DilutionFit]) -> pd.DataFrame:
    """Flag bands whose volume lies outside the proportional range of their target.

    Parameters
    ----------
    table : DataFrame
        Measured bands, with `target`, `volume`, `exposure_s` and `flags`.
    fits : mapping of str to DilutionFit
        By target. Where the series and the band both know their exposure time, the range grows with it, as counts
        do; bands of targets without a range are left as they are.

    Returns
    -------
    DataFrame
        A copy, with `out_of_range` where it holds.
    """
    table = table.copy()
    flags = []
    for cell, target, volume, exposure in zip(
        table["flags"], table["target"], table["volume"], table["exposure_s"], strict=True
    ):
        fit = fits.get(target) if isinstance(target, str) else None
        outside = fit is not None and fit.range is not None and _is_outside(fit, fit.range, float(volume), exposure)
        flags.append(join_flags(split_flags(cell), ["out_of_range"] if outside else []))
    table["flags"] = pd.array(flags, dtype="string")
    return table


def combined_range(target: DilutionFit, control: DilutionFit) -> tuple[float, float] | None:
    """Loads at which target and control are both proportional, in micrograms; None where there are none."""
    if target.range is None or control.range is None:
        return None
    low = max(target.range.load_low_ug, control.range.load_low_ug)
    high = min(target.range.load_high_ug, control.range.load_high_ug)
    return (low, high) if low < high else None


def _is_outside(fit: DilutionFit, within: ProportionalRange, volume: float, exposure: float | None) -> bool:
    scale = 1.0
    if fit.exposure_s is not None and exposure is not None and pd.notna(exposure):
        scale = float(exposure) / fit.exposure_s
    return not scale * within.volume_low <= volume <= scale * within.volume_high


def _check(load_ug: ArrayLike, volume: ArrayLike, sd: ArrayLike | None) -> tuple[Array, Array, Array]:
    x, v = np.asarray(load_ug, dtype=float), np.asarray(volume, dtype=float)
    s = np.zeros_like(v) if sd is None else np.asarray(sd, dtype=float)
    if x.ndim != 1 or x.shape != v.shape or x.shape != s.shape:
        msg = f"loads, volumes and SDs must be equally long lists, got shapes {x.shape}, {v.shape} and {s.shape}"
        raise ValueError(msg)
    if not (np.isfinite(x).all() and np.isfinite(v).all() and np.isfinite(s).all() and (x > 0).all()):
        msg = f"loads must be above 0 ug and all values finite, got loads {x.tolist()}, volumes {v.tolist()}"
        raise ValueError(msg)
    if len(np.unique(x)) < 3:
        msg = f"a dilution series needs at least 3 different loads, got {np.unique(x).tolist()}"
        raise ValueError(msg)
    order = np.argsort(x, kind="stable")
    return x[order], v[order], s[order]


class _ModelFit(NamedTuple):
    parameters: dict[str, float]
    aicc: float


def _predict(model: Model, parameters: Mapping[str, float], x: Array) -> Array:
    if model == "hyperbolic":
        return np.asarray(parameters["v_max"] * x / (parameters["k"] + x))
    return np.asarray(parameters["a"] * x + parameters.get("b", 0.0))


def _fit(model: Model, x: Array, v: Array, w: Array) -> _ModelFit:
    if model == "hyperbolic":
        parameters = _fit_hyperbola(x, v, w)
    else:
        columns = [x, np.ones_like(x)] if model == "linear" else [x]
        root = np.sqrt(w)
        solution = np.linalg.lstsq(np.column_stack(columns) * root[:, None], v * root, rcond=None)[0]
        parameters = dict(zip(("a", "b"), map(float, solution), strict=False))
    chi2 = float((w * (v - _predict(model, parameters, x)) ** 2).sum())
    # The load's scatter is only supposed, so the scale of all errors is one more free parameter.
    n, k = len(x), len(parameters) + 1
    correction = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else np.inf
    return _ModelFit(parameters, n * float(np.log(max(chi2, 1e-12) / n)) + 2 * k + correction)


def _fit_hyperbola(x: Array, v: Array, w: Array) -> dict[str, float]:
    """V = v_max x / (k + x): v_max is linear, so only log k is searched."""
    from scipy.optimize import minimize_scalar

    def solve(log_k: float) -> tuple[float, float]:
        shape = x / (np.exp(log_k) + x)
        v_max = float((w * shape * v).sum() / (w * shape**2).sum())
        return v_max, float((w * (v - v_max * shape) ** 2).sum())

    # A grid over log k first: the cost may have a flat tail where no minimum is found downhill.
    bounds = (np.log(x.min()) - 5, np.log(x.max()) + 7)
    grid = np.linspace(*bounds, 41)
    at = int(np.argmin([solve(value)[1] for value in grid]))
    near = (grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)])
    log_k = float(minimize_scalar(lambda value: solve(value)[1], bounds=near, method="bounded").x)
    return {"v_max": solve(log_k)[0], "k": float(np.exp(log_k))}


def _proportional_range(x: Array, v: Array, w: Array) -> tuple[ProportionalRange | None, str]:
    levels = np.unique(x)
    reason = f"fewer than {MIN_LEVELS} loads"
    for size in range(len(levels), MIN_LEVELS - 1, -1):
        fitting = []
        for first in range(len(levels) - size + 1):
            use = (x >= levels[first]) & (x <= levels[first + size - 1])
            found, doubt = _try_range(x[use], v[use], w[use])
            # The foot of the series is where a range was to be looked for: its doubt is told.
            reason = doubt if doubt and first == 0 else reason
            fitting += [found] if found is not None else []
        if fitting:
            return max(fitting, key=lambda r: (r.load_high_ug / r.load_low_ug, r.load_high_ug)), ""
    return None, reason


def _try_range(x: Array, v: Array, w: Array) -> tuple[ProportionalRange | None, str]:
    where = f"{x[0]:g} to {x[-1]:g} ug"
    if (v <= 0).any():
        return None, f"{where}: a volume is not above 0"
    # Three conditions: each level near the line, the line through the origin, the log-log slope near 1.
    slope = float((w * x * v).sum() / (w * x**2).sum())
    levels = np.unique(x)
    means = np.array([np.average(v[x == level], weights=w[x == level]) for level in levels])
    worst = float(np.abs(means / (slope * levels) - 1).max())
    if worst > MAX_RESIDUAL:
        return (
            None,
            f"{where}: a level lies {worst:.0%} off the proportional line, allowed is {MAX_RESIDUAL:.0%}",
        )
    _, intercept, half = _line(x, v, w)
    if abs(intercept) > half + 1e-9 * v.max():
        return None, f"{where}: the line misses the origin ({intercept:.4g} ± {half:.2g} counts)"
    log_slope, _, spread = _line(np.log(x), np.log(v), w * v**2, of_slope=True)
    if log_slope - spread < SLOPE_LIMITS[0] or log_slope + spread > SLOPE_LIMITS[1]:
        return None, f"{where}: log-log slope {log_slope:.2f} ± {spread:.2f}, allowed is 0.9 to 1.1"
    return ProportionalRange(
        load_low_ug=float(x[0]), load_high_ug=float(x[-1]), volume_low=slope * float(x[0]),
        volume_high=slope * float(x[-1]), slope=slope, log_slope=log_slope, n_levels=len(levels)), ""  # fmt: skip


def _line(x: Array, y: Array, w: Array, *, of_slope: bool = False) -> tuple[float, float, float]:
    """Weighted line: slope, intercept, and half the 95 % confidence interval of the intercept (or of the slope)."""
    from scipy.stats import t as student

    (slope, intercept), covariance = np.polyfit(x, y, 1, w=np.sqrt(w), cov=True)
    variance = covariance[0, 0] if of_slope else covariance[1, 1]
    return float(slope), float(intercept), float(student.ppf(0.975, len(x) - 2) * np.sqrt(variance))
