"""One measured amount over another: confidence intervals, and the ratio of two targets in each lane of one picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blotquant.flags import blocking, split_flags

Z95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""

MIN_SNR = 3.0
"""A denominator weaker than this many of its SDs gives no ratio."""

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


def target_ratios(bands: Iterable[Mapping[str, Any]], top: str, bottom: str) -> list[dict[str, Any]]:
    """Volume of one target over another's in each lane, with the measurement's 95 % interval.

    Parameters
    ----------
    bands : iterable of mapping
        Rows of a band table.
    top, bottom : str
        The targets.

    Returns
    -------
    list of dict
        For each strip and lane: strip, lane, ratio (its name), value, bound (≥ or ≤ where one band is saturated),
        ci_low, ci_high, reason (why there is no value), and the ids of the two bands as top and bottom.
    """
    lanes: dict[tuple[int, int], dict[str, list[Mapping[str, Any]]]] = {}
    for band in bands:
        members = lanes.setdefault((int(band["strip"]), int(band["lane"])), {top: [], bottom: []})
        if isinstance(band["target"], str) and band["target"] in members:
            members[band["target"]].append(band)
    empty = {"ratio": f"{top}/{bottom}", "value": math.nan, "bound": "", "ci_low": math.nan, "ci_high": math.nan}
    rows = []
    for strip, lane in sorted(lanes):
        above, below = lanes[strip, lane][top], lanes[strip, lane][bottom]
        reason = _why_not(top, above) or _why_not(bottom, below)
        if not reason and below[0]["snr"] < MIN_SNR:
            reason = f"{bottom}: SNR below {MIN_SNR:g}"
        row = {"strip": strip, "lane": lane, **empty, "reason": reason, "top": "", "bottom": ""}
        rows.append(row if reason else row | _ratio(above[0], below[0]))
    return rows


def _ratio(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    # A saturated band leaves a bound; two leave nothing.
    ids, value = {"top": a["band_id"], "bottom": b["band_id"]}, a["volume"] / b["volume"]
    is_up, is_down = ("saturated" in split_flags(band["flags"]) for band in (a, b))
    if is_up and is_down:
        return {**ids, "reason": "both are saturated"}
    if is_up or is_down:
        return {**ids, "value": value, "bound": "≥" if is_up else "≤", "reason": "saturated: a bound only"}
    low, high, _ = ratio_interval(a["volume"], a["volume_sd"], b["volume"], b["volume_sd"])
    return {**ids, "value": value, "ci_low": low, "ci_high": high}


def _why_not(name: str, bands: Sequence[Mapping[str, Any]]) -> str:
    if len(bands) != 1:
        return f"{len(bands)} bands of {name}" if bands else f"no band of {name}"
    if math.isnan(bands[0]["volume"]):
        return f"{name} is being measured"
    stops = [flag.replace("_", " ") for flag in blocking(split_flags(bands[0]["flags"])) if flag != "saturated"]
    return f"{name}: {', '.join(stops)}" if stops else ""
