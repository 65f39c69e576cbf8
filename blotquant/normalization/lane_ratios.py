"""One lane's ratio: the division, its interval, its bounds, and whether it counts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from blotquant.experiment.design import Experiment
from blotquant.flags import FLAGS, join_flags
from blotquant.normalization.amounts import WHOLE, Amount, average_amounts, merge_flags
from blotquant.normalization.designs import Design, follows_loading
from blotquant.normalization.intervals import MIN_SNR, Z95, combined_cv, ratio_interval

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
"""Blocking flags that have a reason of their own here."""


@dataclass(frozen=True, kw_only=True)
class LaneRatio:
    """One row of the ratio table while it is made.

    Attributes
    ----------
    design : Design
        What is divided by what.
    part : str
        The band of a doublet by its kDa; empty for the whole numerator.
    row : mapping
        The lane's row of the sample sheet.
    lane, other : int, int or None
        The lane, and the lane of the same sample on the denominator's membrane.
    top, bottom : Amount or None
        Numerator and denominator, where they were measured.
    factor_top, factor_bottom : Amount or None
        Loading factors of both lanes, where they are known; they are divided out only where the design says so.
    value, cv, ci : float, float, (float, float)
        The ratio, its relative error and its 95 % interval.
    bound : str or None
        Whether the true ratio is at least (≥) or at most (≤) this.
    divisor : float
        All that the numerator was divided by.
    limit : float
        Where the numerator is not above its limit of detection: the ratio at that limit, which the true one is below.
    relative, relative_ci : float, (float, float)
        The ratio over that of the blot's reference lanes, with its interval.
    reasons, bound_reasons : tuple of str
        Why it is left out of means; those of them that leave a bound. The row enters the comparison as one if there
        are no others.
    """

    design: Design
    part: str
    row: Mapping[str, Any]
    lane: int
    other: int | None
    formula: str
    top: Amount | None = None
    bottom: Amount | None = None
    factor_top: Amount | None = None
    factor_bottom: Amount | None = None
    value: float = math.nan
    cv: float = math.nan
    ci: tuple[float, float] = (math.nan, math.nan)
    bound: str | None = None
    divisor: float = math.nan
    limit: float = math.nan
    relative: float = math.nan
    relative_ci: tuple[float, float] = (math.nan, math.nan)
    reasons: tuple[str, ...] = ()
    bound_reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def factors(self) -> list[Amount | None]:
        """The loading factors that are divided out; None for one that is not known."""
        if not self.design.divides_loading:
            return []
        return [self.factor_top, self.factor_bottom] if self.design.is_twin else [self.factor_top]

    @property
    def used(self) -> list[Amount]:
        """All amounts that the ratio is made of."""
        return [amount for amount in (self.top, self.bottom, *self.factors) if amount is not None]

    @property
    def loading_factor(self) -> float:
        """What the loading factors come to: F, or Fa / Fb between membranes."""
        if self.factor_top is None or not self.design.is_twin:
            return self.factor_top.value if self.factor_top else math.nan
        return self.factor_top.value / self.factor_bottom.value if self.factor_bottom else math.nan

    @property
    def level(self) -> float:
        """Loading of the lane, to check whether values still follow it; NaN where none is known."""
        if self.factor_top is not None and not math.isnan(self.factor_top.value):
            return self.factor_top.value
        return self.bottom.value if self.design.is_control and self.bottom is not None else math.nan

    @property
    def is_excluded(self) -> bool:
        """Whether the sample sheet leaves the lane out."""
        return bool(self.row["role"] == "excluded")

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
        design, unknown = self.design, Amount(math.nan)
        top, bottom = self.top or unknown, self.bottom or unknown
        own = {
            "ratio": f"{design.ratio.name} ({self.part} kDa)" if self.part else design.ratio.name,
            "blot": design.blot,
            "lane": self.lane,
            "membrane": design.membrane,
            "numerator": top.value,
            "numerator_sd": top.sd,
            "denominator": bottom.value,
            "denominator_sd": bottom.sd,
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


def divide(start: LaneRatio) -> LaneRatio:
    """Compute one lane's ratio with its interval, or say why there is none.

    Parameters
    ----------
    start : LaneRatio
        The row with its design, lane and formula.

    Returns
    -------
    LaneRatio
        With amounts, value, interval, bound, flags and reasons; relative values come later. A lane that the sheet
        leaves out has its value where there is one, and no other reason.
    """
    result = _divide(_with_amounts(start))
    return replace(result, reasons=("excluded in the sample sheet",)) if start.is_excluded else result


def _with_amounts(row: LaneRatio) -> LaneRatio:
    """Fill in what was measured for the lane, with its flags."""
    design, other = row.design, row.other
    found = [signal.parts.get(WHOLE, {}).get(other) if other is not None else None for signal in design.bottoms]
    known = [amount for amount in found if amount is not None]
    row = replace(
        row,
        top=design.top.parts.get(row.part, {}).get(row.lane) if design.top else None,
        bottom=average_amounts(known) if known and len(known) == len(found) else None,
        factor_top=design.loading_top.factors.get(row.lane) if design.loading_top else None,
        factor_bottom=design.loading_bottom.factors.get(other) if design.loading_bottom and other is not None else None,
    )
    return replace(row, flags=(*design.flags, *merge_flags(row.used)))


def _missing(row: LaneRatio) -> Iterator[tuple[str, str]]:
    """Flag and reason of each amount that the ratio needs and that is not there."""
    design, other = row.design, row.other
    if design.top is not None and not design.top.is_measured:
        yield "missing_band", f"the picture of {design.top.probe} ({design.top.source}) was not measured"
    elif row.top is None:
        kda = f" at {row.part} kDa" if row.part else ""
        yield "missing_band", f"no band of {design.ratio.numerator}{kda} in lane {row.lane}"
    if design.bottoms and other is None:
        yield "missing_band", f"this sample has no lane on membrane {design.bottom_membrane}"
    elif unmeasured := [signal for signal in design.bottoms if not signal.is_measured]:
        for signal in unmeasured:
            yield "missing_band", f"the picture of {signal.probe} ({signal.source}) was not measured"
    elif design.bottoms and row.bottom is None:
        names = [signal.probe for signal in design.bottoms if other not in signal.parts.get(WHOLE, {})]
        yield "missing_band", f"no band of {' and '.join(names)} in lane {other}"
    if design.divides_loading:
        for loading, lane in (
            (design.loading_top, row.lane),
            (design.loading_bottom if design.is_twin else None, other),
        ):
            if loading is not None and lane is not None and lane in loading.refused:
                yield "loading_below_loq", f"{loading.refused[lane]} (membrane {loading.signals[0].membrane})"


def _divide(result: LaneRatio) -> LaneRatio:
    # What must not enter a mean: lanes that are not known, amounts that are missing, lanes that a hand left out.
    for name in UNKNOWN_LANES:
        if name in result.flags:
            result = result.refuse(FLAGS[name].meaning.rstrip("."))
    for flag, reason in _missing(result):
        result = result.refuse(reason, flag)
    design = result.design
    sides = [*([(design.top, result.lane)] if design.top else []), *((s, result.other) for s in design.bottoms)]
    by_hand = [signal.probe for signal, lane in sides if lane in signal.excluded]
    if by_hand and not result.is_excluded:
        result = result.refuse(f"lane excluded by hand in the picture of {' and '.join(by_hand)}")
    unknown = _unknown(result)
    for reason in unknown:
        result = result.refuse(reason)
    if result.bottom is not None:
        result = _judge_denominator(result, result.bottom)
    # Only what is left has a value, and the value is judged again.
    stops = {"missing_band", "weak_denominator", "loading_below_loq", *UNKNOWN_LANES}
    is_missing = result.top is None or (bool(design.ratio.denominator) and result.bottom is None)
    return result if is_missing or unknown or stops & set(result.flags) else _judge_value(_with_value(result))


def _unknown(row: LaneRatio) -> list[str]:
    """Say what is divided without a known value or error; bounds have no error, and are judged as bounds."""
    reasons = []
    factors = [("loading", amount) for amount in row.factors]
    for name, amount in [("numerator", row.top), ("denominator", row.bottom), *factors]:
        if amount is None or amount.saturated:
            continue
        if math.isnan(amount.value):
            reasons.append(f"the {name} has no value")
        elif math.isnan(amount.sd):
            reasons.append(f"the error of the {name} is not known: its SD is missing")
    return reasons


def _judge_denominator(result: LaneRatio, bottom: Amount) -> LaneRatio:
    if result.design.is_control and bottom.is_below_loq:
        return result.refuse(
            "denominator, a loading control, at or below its limit of quantification", "loading_below_loq"
        )
    if math.isnan(bottom.sd) and not bottom.saturated:
        return result  # refused already, for its unknown error
    snr = bottom.value / bottom.sd if bottom.sd > 0 else math.inf
    if not bottom.value > 0 or snr < MIN_SNR:
        return result.refuse(f"denominator too weak: SNR {snr:.2g}, needed {MIN_SNR:g}", "weak_denominator")
    return result


def _with_value(result: LaneRatio) -> LaneRatio:
    """Divide: everything below the line is one amount, whose relative errors add in quadrature."""
    top, factors = result.top, result.factors
    below = [amount for amount in (result.bottom, *factors[:1]) if amount is not None]
    above = [amount for amount in factors[1:] if amount is not None]
    assert top is not None
    # R = P / (T · Fa) · Fb, as far as the design divides by each.
    divisor = math.prod(a.value for a in below) / math.prod(a.value for a in above)
    bottom = Amount(divisor, divisor * math.sqrt(sum((a.sd / a.value) ** 2 for a in (*below, *above))))
    low, high, method = ratio_interval(top.value, top.sd, bottom.value, bottom.sd)
    ways_up = top.saturated or any(a.saturated for a in above)
    ways_down = any(a.saturated for a in below)
    return replace(
        result,
        value=top.value / divisor,
        ci=(low, high),
        cv=combined_cv(top.cv, bottom.cv),
        bound="≥" if ways_up and not ways_down else "≤" if ways_down and not ways_up else None,
        formula=f"{result.formula}; 95 % CI: {method}",
        divisor=divisor,
    )


def _judge_value(result: LaneRatio) -> LaneRatio:
    top = result.top
    assert top is not None
    if result.bound == "≥":
        result = result.refuse_as_bound("saturated: the ratio is at least this", "lower_bound")
    elif result.bound == "≤":
        result = result.refuse_as_bound("saturated: the ratio is at most this", "upper_bound")
    elif any(amount.saturated for amount in result.used):
        result = result.refuse(
            "saturated above and below the line: the ratio is not known", "lower_bound", "upper_bound"
        )
    if top.is_below_lod and result.bound != "≥":
        reason = "numerator at or below its limit of detection: the ratio is at most the one at that limit"
        result = replace(result, limit=top.limit_of_detection / result.divisor)
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
    rows = [_judge_reference(row) if row.row["condition"] == reference else row for row in rows]
    basis = [row for row in rows if row.row["condition"] == reference and row.included]
    if not basis:
        return [replace(row, flags=(*row.flags, "no_reference")) for row in rows]
    return [_relate(row, basis) for row in rows]


def _judge_reference(row: LaneRatio) -> LaneRatio:
    """Refuse a reference that is too weak to be measured well: it would carry its error into every fold change."""
    if not row.included or row.top is None or not row.top.is_below_loq:
        return row
    reason = "reference at or below its limit of quantification: it enters as at most the ratio at that limit"
    return replace(row, limit=row.top.limit_of_quantification / row.divisor).refuse_as_bound(reason)


def _relate(row: LaneRatio, basis: Sequence[LaneRatio]) -> LaneRatio:
    """Divide by the geometric mean of the reference lanes; a lane that is the only reference is 1 by construction."""
    if not math.isfinite(row.value):
        return row
    # Geometric mean of the reference lanes, with its error.
    k = len(basis)
    center = math.exp(math.fsum(math.log(r.value) for r in basis) / k)
    relative = row.value / center
    of_basis = math.fsum(r.cv**2 for r in basis) / k**2
    is_basis = any(r.lane == row.lane for r in basis)
    if is_basis and k == 1:
        return replace(row, relative=relative)
    if math.isfinite(row.cv) and row.value > 0 and row.cv <= 1 / MIN_SNR:
        cv = math.sqrt(max(row.cv**2 * (1 - 2 / k if is_basis else 1) + of_basis, 0.0))
        return replace(
            row,
            relative=relative,
            relative_ci=(relative * math.exp(-Z95 * cv), relative * math.exp(Z95 * cv)),
        )
    # Too unsure for the log scale: Fieller's interval, from the half width of the ratio's own.
    sd_bottom = center * math.sqrt(of_basis)
    spread = (row.ci[1] - row.ci[0]) / (2 * Z95)
    low, high, _ = ratio_interval(row.value, spread, center, sd_bottom)
    return replace(row, relative=relative, relative_ci=(low, high))
