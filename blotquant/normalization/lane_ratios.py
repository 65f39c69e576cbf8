"""One lane's ratio: the division, its interval, its bounds, and whether it counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from blotquant.experiment.design import Experiment
from blotquant.flags import FLAGS, join_flags
from blotquant.normalization.amounts import Amount, merge_flags
from blotquant.normalization.intervals import Z95, ratio_interval
from blotquant.normalization.loading import follows_loading

_MIN_SNR = 3.0
UNKNOWN_LANES = ("lanes_not_identified", "sheet_contradicted")
"""Flags of lanes that may be other samples': no ratio is made of them."""
_EXPLAINED = (
    "saturated",
    "missing_band",
    "weak_denominator",
    "loading_below_loq",
    "lower_bound",
    "upper_bound",
    "numerator_not_detected",
)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What one lane's ratio is made of.

    `refused` holds (flag, reason) for what is not there, `excluded` why a hand left the lane out.
    """

    top: Amount | None
    bottom: Amount | None
    has_bottom: bool
    factor_top: Amount | None
    factor_bottom: Amount | None
    divides_loading: bool
    is_twin: bool
    bottom_is_control: bool
    flags: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    excluded: str = ""


@dataclass(frozen=True, kw_only=True)
class LaneRatio:
    """One row of the ratio table while it is made.

    Attributes
    ----------
    row : mapping
        The lane's row of the sample sheet.
    level : float
        Loading of the lane, to check whether values still follow it; NaN where none is known.
    limit : float
        Where the numerator is not above its limit of detection: the ratio at that limit, which the true one is below.
    limit_of_detection, limit_of_quantification : float
        The ratio at those limits of the numerator.
    bound_reasons : tuple of str
        Those of `reasons` that leave a bound: the row enters the comparison as one if there are no others.
    top_below_loq : bool
        Whether the numerator is too weak to serve as reference.
    """

    ratio: str
    blot: str
    lane: int
    row: Mapping[str, Any]
    membrane: str
    formula: str
    numerator: Amount = field(default_factory=lambda: Amount(math.nan))
    denominator: Amount = field(default_factory=lambda: Amount(math.nan))
    loading_factor: float = math.nan
    level: float = math.nan
    value: float = math.nan
    cv: float = math.nan
    ci: tuple[float, float] = (math.nan, math.nan)
    bound: str | None = None
    limit: float = math.nan
    limit_of_detection: float = math.nan
    limit_of_quantification: float = math.nan
    relative: float = math.nan
    relative_ci: tuple[float, float] = (math.nan, math.nan)
    reasons: tuple[str, ...] = ()
    bound_reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    top_below_loq: bool = False

    @property
    def included(self) -> bool:
        """Whether it enters means: it has a value, and nothing speaks against it."""
        return not self.reasons

    def refuse(self, reason: str, *flags: str) -> LaneRatio:
        """Leave the row out of means for one more reason."""
        return replace(self, reasons=(*self.reasons, reason), flags=(*self.flags, *flags))

    def refuse_as_bound(self, reason: str, *flags: str) -> LaneRatio:
        """Leave the row out of means, for a reason that says on which side of a bound the true ratio lies."""
        return replace(self.refuse(reason, *flags), bound_reasons=(*self.bound_reasons, reason))

    @property
    def enters_as_bound(self) -> bool:
        """Whether it enters the comparison of conditions as a bound."""
        known = self.limit > 0 or (self.bound is not None and self.value > 0)
        return known and bool(self.reasons) and set(self.reasons) <= set(self.bound_reasons)

    def record(self) -> dict[str, Any]:
        """Write the row under the names of the ratio table and the sheet."""
        own = {
            "ratio": self.ratio,
            "blot": self.blot,
            "lane": self.lane,
            "membrane": self.membrane,
            "numerator": self.numerator.value,
            "numerator_sd": self.numerator.sd,
            "denominator": self.denominator.value,
            "denominator_sd": self.denominator.sd,
            "loading_factor": self.loading_factor,
            "value": self.value,
            "bound": self.bound or pd.NA,
            "limit": self.limit,
            "enters_as_bound": self.enters_as_bound,
            "ci_low": self.ci[0],
            "ci_high": self.ci[1],
            "relative": self.relative,
            "relative_ci_low": self.relative_ci[0],
            "relative_ci_high": self.relative_ci[1],
            "included": self.included,
            "reason": "; ".join(dict.fromkeys(self.reasons)) or pd.NA,
            "flags": join_flags(self.flags) or pd.NA,
            "formula": self.formula,
        }
        return {**self.row, **own}


def is_excluded(row: LaneRatio) -> bool:
    """Whether the sample sheet leaves the lane out."""
    return bool(row.row["role"] == "excluded")


def divide(start: LaneRatio, parts: Parts) -> LaneRatio:
    """Compute one lane's ratio with its interval, or say why there is none.

    Parameters
    ----------
    start : LaneRatio
        The row with its identity and formula.
    parts : Parts
        Amounts and factors.

    Returns
    -------
    LaneRatio
        With value, interval, bound, flags and reasons; relative values come later. A lane that the sheet leaves out
        has its value where there is one, and no other reason.
    """
    result = _divide(start, parts)
    return replace(result, reasons=("excluded in the sample sheet",)) if is_excluded(start) else result


def _divide(start: LaneRatio, parts: Parts) -> LaneRatio:
    used = [a for a in (parts.top, parts.bottom, *_factors(parts)) if a is not None]
    result = replace(
        start,
        numerator=parts.top or start.numerator,
        denominator=parts.bottom or start.denominator,
        loading_factor=_shown_factor(parts),
        level=parts.factor_top.value if parts.factor_top else math.nan,
        flags=(*parts.flags, *merge_flags(used)),
    )
    if parts.bottom_is_control and parts.bottom is not None and math.isnan(result.level):
        result = replace(result, level=parts.bottom.value)
    # What must not enter a mean: lanes that are not known, values that were refused, roles that were left out.
    for name in UNKNOWN_LANES:
        if name in result.flags:
            result = result.refuse(FLAGS[name].meaning.rstrip("."))
    for flag, reason in parts.refused:
        result = result.refuse(reason, flag)
    if parts.excluded and not is_excluded(start):
        result = result.refuse(parts.excluded)
    for reason in _unknown(parts):
        result = result.refuse(reason)
    if parts.bottom is not None:
        result = _judge_denominator(result, parts)
    # Only what is left has a value, and the value is judged again.
    if (
        parts.top is None
        or (parts.has_bottom and parts.bottom is None)
        or bool({"missing_band", "weak_denominator", "loading_below_loq", *UNKNOWN_LANES} & set(result.flags))
        or _unknown(parts)
    ):
        return result
    return _judge_value(_with_value(result, parts), parts)


def _factors(parts: Parts) -> list[Amount | None]:
    if not parts.divides_loading:
        return []
    return [parts.factor_top, parts.factor_bottom if parts.is_twin else None]


def _unknown(parts: Parts) -> list[str]:
    """Say what is divided without a known value or error; bounds have no error, and are judged as bounds."""
    factors = [("loading", amount) for amount in _factors(parts)]
    used = [("numerator", parts.top), ("denominator", parts.bottom), *factors]
    reasons = []
    for name, amount in used:
        if amount is None or amount.saturated:
            continue
        if math.isnan(amount.value):
            reasons.append(f"the {name} has no value")
        elif math.isnan(amount.sd):
            reasons.append(f"the error of the {name} is not known: its SD is missing")
    return reasons


def _shown_factor(parts: Parts) -> float:
    if parts.factor_top is None:
        return math.nan
    if not parts.is_twin:
        return parts.factor_top.value
    return parts.factor_top.value / parts.factor_bottom.value if parts.factor_bottom else math.nan


def _judge_denominator(result: LaneRatio, parts: Parts) -> LaneRatio:
    bottom = parts.bottom
    assert bottom is not None
    if parts.bottom_is_control and bottom.is_below_loq:
        return result.refuse(
            "denominator, a loading control, at or below its limit of quantification", "loading_below_loq"
        )
    if math.isnan(bottom.sd) and not bottom.saturated:
        return result  # refused already, for its unknown error
    snr = bottom.value / bottom.sd if bottom.sd > 0 else math.inf
    if not bottom.value > 0 or snr < _MIN_SNR:
        return result.refuse(f"denominator too weak: SNR {snr:.2g}, needed {_MIN_SNR:g}", "weak_denominator")
    return result


def _with_value(result: LaneRatio, parts: Parts) -> LaneRatio:
    """Divide: everything below the line is one amount, whose relative errors add in quadrature."""
    top = parts.top
    below = [a for a in (parts.bottom, parts.factor_top if parts.divides_loading else None) if a is not None]
    above = [parts.factor_bottom] if parts.divides_loading and parts.is_twin and parts.factor_bottom else []
    assert top is not None
    bottom = math.prod(a.value for a in below) / math.prod(a.value for a in above)
    cv = math.sqrt(sum((a.sd / a.value) ** 2 for a in (*below, *above)))
    interval = ratio_interval(top.value, top.sd, bottom, bottom * cv)
    ways_up = top.saturated or any(a.saturated for a in above)
    ways_down = any(a.saturated for a in below)
    bound = "≥" if ways_up and not ways_down else "≤" if ways_down and not ways_up else None
    return replace(
        result,
        value=interval.value,
        ci=(interval.low, interval.high),
        cv=interval.cv,
        bound=bound,
        formula=f"{result.formula}; 95 % CI: {interval.method}",
        limit_of_detection=top.limit_of_detection / bottom,
        limit_of_quantification=top.limit_of_quantification / bottom,
        top_below_loq=top.is_below_loq,
    )


def _judge_value(result: LaneRatio, parts: Parts) -> LaneRatio:
    assert parts.top is not None
    saturated = [a for a in (parts.top, parts.bottom, *_factors(parts)) if a is not None and a.saturated]
    if result.bound == "≥":
        result = result.refuse_as_bound("saturated: the ratio is at least this", "lower_bound")
    elif result.bound == "≤":
        result = result.refuse_as_bound("saturated: the ratio is at most this", "upper_bound")
    elif saturated:
        result = result.refuse(
            "saturated above and below the line: the ratio is not known", "lower_bound", "upper_bound"
        )
    if parts.top.is_below_lod and result.bound != "≥":
        reason = "numerator at or below its limit of detection: the ratio is at most the one at that limit"
        result = replace(result, limit=result.limit_of_detection)
        result = result.refuse_as_bound(reason, "numerator_not_detected")
    for name in result.flags:
        if FLAGS[name].level == "block" and name not in _EXPLAINED:
            result = result.refuse(FLAGS[name].meaning.rstrip("."))
    return result


def finish_blot(experiment: Experiment, rows: Sequence[LaneRatio]) -> list[LaneRatio]:
    """Relate one ratio's lanes on one blot to the reference, and check whether they still follow the loading."""
    checked = [row for row in rows if row.included and row.row["role"] == "sample" and math.isfinite(row.level)]
    flags = ("loading_not_removed",) if follows_loading([r.value for r in checked], [r.level for r in checked]) else ()
    rows = [replace(row, flags=(*row.flags, *flags)) for row in rows]
    reference = experiment.compare.reference
    if reference is None:
        return rows
    rows = [_without_weak_reference(row, reference) for row in rows]
    basis = [row for row in rows if row.row["condition"] == reference and row.included]
    if not basis:
        return [replace(row, flags=(*row.flags, "no_reference")) for row in rows]
    return [_relate(row, basis) for row in rows]


def _without_weak_reference(row: LaneRatio, reference: str) -> LaneRatio:
    """Refuse a reference that cannot be weighed: it would carry its error into every fold change."""
    if row.row["condition"] != reference or not row.included or not row.top_below_loq:
        return row
    reason = "reference at or below its limit of quantification: it enters as at most the ratio at that limit"
    return replace(row, limit=row.limit_of_quantification).refuse_as_bound(reason)


def _relate(row: LaneRatio, basis: Sequence[LaneRatio]) -> LaneRatio:
    """Divide by the geometric mean of the reference lanes; a lane that is the only reference is 1 by construction."""
    if not math.isfinite(row.value):
        return row
    k = len(basis)
    center = math.exp(math.fsum(math.log(r.value) for r in basis) / k)
    relative = row.value / center
    of_basis = math.fsum(r.cv**2 for r in basis) / k**2
    is_basis = any(r.lane == row.lane for r in basis)
    if is_basis and k == 1:
        return replace(row, relative=relative)
    if math.isfinite(row.cv) and row.value > 0 and row.cv <= 1 / _MIN_SNR:
        cv = math.sqrt(max(row.cv**2 * (1 - 2 / k if is_basis else 1) + of_basis, 0.0))
        return replace(
            row,
            relative=relative,
            relative_ci=(relative * math.exp(-Z95 * cv), relative * math.exp(Z95 * cv)),
        )
    sd_bottom = center * math.sqrt(of_basis)
    spread = (row.ci[1] - row.ci[0]) / (2 * Z95)
    interval = ratio_interval(row.value, spread, center, sd_bottom)
    return replace(row, relative=relative, relative_ci=(interval.low, interval.high))
