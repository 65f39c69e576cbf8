"""One target over another in each lane of one picture, for a person who corrects it: no experiment is needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blotquant.flags import blocking, split_flags
from blotquant.normalization.intervals import ratio_interval

MIN_SNR = 3.0
"""A denominator weaker than this gives no ratio."""
BandRecord = Mapping[str, Any]


def target_ratios(bands: Iterable[BandRecord], top: str, bottom: str) -> list[dict[str, Any]]:
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
    lanes: dict[tuple[int, int], dict[str, list[BandRecord]]] = {}
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


def _ratio(a: BandRecord, b: BandRecord) -> dict[str, Any]:
    # A saturated band leaves a bound; two leave nothing.
    ids, value = {"top": a["band_id"], "bottom": b["band_id"]}, a["volume"] / b["volume"]
    is_up, is_down = ("saturated" in split_flags(band["flags"]) for band in (a, b))
    if is_up and is_down:
        return {**ids, "reason": "both are saturated"}
    if is_up or is_down:
        return {**ids, "value": value, "bound": "≥" if is_up else "≤", "reason": "saturated: a bound only"}
    low, high, _ = ratio_interval(a["volume"], a["volume_sd"], b["volume"], b["volume_sd"])
    return {**ids, "value": value, "ci_low": low, "ci_high": high}


def _why_not(name: str, bands: Sequence[BandRecord]) -> str:
    if len(bands) != 1:
        return f"{len(bands)} bands of {name}" if bands else f"no band of {name}"
    if math.isnan(bands[0]["volume"]):
        return f"{name} is being measured"
    stops = [flag.replace("_", " ") for flag in blocking(split_flags(bands[0]["flags"])) if flag != "saturated"]
    return f"{name}: {', '.join(stops)}" if stops else ""
