"""How strips, lanes and bands look and how their numbers are written: colours, labels, features of layers, words.

Volumes are written in full, a bound as a bound, the worst flag first. No napari and no Qt here.

The core's pixel centres are integers and so are napari's: an image layer at scale 1 covers -0.5 to n - 0.5, so that no
offset is added.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.flags import FLAGS, split_flags
from blotquant.model.geometry import Band, Lane, Point
from blotquant.report.tables import is_missing
from blotquant.session.doubts import SURE

Colour = tuple[float, float, float, float]
BAND_ID = "band_id"
"""Feature of the Bands layer that names each of its shapes; the next two likewise."""
LANE_ID = "lane_id"
STRIP_ID = "strip_id"
SEVERITY = ("block", "warn", "info")
NOT_YET = "…"
"""Stands for a number that is being made."""


def _rgb(code: str) -> Colour:
    return (int(code[1:3], 16) / 255, int(code[3:5], 16) / 255, int(code[5:7], 16) / 255, 1.0)


PALETTE = {
    "detected": ("#D55E00", "band"),
    "doubt": ("#E69F00", "in doubt"),
    "expected": ("#7a8694", "not detected"),
    "edited": ("#009E73", "by hand"),
    "saturated": ("#d11a2a", "saturated"),
    "sample": ("#56B4E9", "lane"),
    "ladder": ("#CC79A7", "ladder"),
    "blank": ("#9aa4ae", "blank, excluded"),
    "strip": ("#7a8694", "strip"),
}
"""Okabe and Ito's colours, as in the report, and what the legend says of them."""
COLOURS: dict[str, Colour] = {name: _rgb(code) for name, (code, _) in PALETTE.items()}
COLOURS |= {"drawn": COLOURS["edited"], "excluded": COLOURS["blank"], "standard": COLOURS["sample"]}


def to_vertices(outline: Sequence[Point]) -> NDArray[np.float64]:
    """An outline as napari's vertices (row, column), shape (n, 2)."""
    return np.asarray(outline, dtype=float)


def band_colour(band: Band, flags: object = "", status: str | None = None) -> Colour:
    """Edge colour by what matters most: saturation, a hand's work, doubt, detected or not.

    `status` is what measuring says; before a band is measured, what finding says.
    """
    if "saturated" in split_flags(flags):
        return COLOURS["saturated"]
    if band.origin in ("edited", "drawn"):
        return COLOURS[band.origin]
    if (status or band.status) == "not_detected":
        return COLOURS["expected"]
    return COLOURS["doubt"] if band.confidence < SURE else COLOURS["detected"]


def lane_colour(lane: Lane) -> Colour:
    """Edge colour by role; doubt shows on samples."""
    is_doubt = lane.role == "sample" and lane.confidence < SURE
    return COLOURS["doubt" if is_doubt else lane.role]


def lane_label(lane: Lane, sample: str = "") -> str:
    """What stands over a lane: its number, and what it is if it is no sample."""
    mark = {"ladder": " L", "standard": " S", "blank": " –", "excluded": " ×"}.get(lane.role, "")
    doubt = "?" if lane.confidence < SURE else ""
    return f"{lane.number}{mark}{doubt}" + (f" {sample}" if sample else "")


def lane_features(
    lanes: Sequence[Lane], samples: Mapping[str, str] | None = None, *, is_blind: bool = False
) -> pd.DataFrame:
    """Names and roles of some lanes, as the features of the Lanes layer; blind, they tell nothing."""
    samples = samples or {}
    rows = [
        {
            LANE_ID: lane.id,
            "label": "" if is_blind else lane_label(lane),
            "sample": "" if is_blind else samples.get(lane.id, ""),
            "role": "" if is_blind else lane.role,
            "confidence": lane.confidence,
        }
        for lane in lanes
    ]
    return pd.DataFrame(rows, columns=[LANE_ID, "label", "sample", "role", "confidence"])


def band_features(keys: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
    """The band table in the order of a layer's shapes, as the features of the Bands layer."""
    order = pd.Index(list(keys), dtype="object", name=BAND_ID)
    known = table.assign(**{BAND_ID: table["band_id"].astype(object)}).set_index(BAND_ID, drop=False)
    shown = known.reindex(order)
    shown[BAND_ID] = order
    return shown.reset_index(drop=True)


def counts(value: float) -> str:
    """Counts in full: 20 512 856."""
    return NOT_YET if math.isnan(value) else f"{value:,.0f}".replace(",", "\u202f").replace("-", "\u2212")


def bound_of(flags: object) -> str:
    """What stands before a number that is a bound only."""
    return "≥\u202f" if "saturated" in split_flags(flags) else ""


def volume_text(row: Mapping[str, Any]) -> str:
    """A band's volume, as a bound where it is saturated."""
    return bound_of(row["flags"]) + counts(row["volume"])


def with_sd(row: Mapping[str, Any]) -> str:
    """A band's volume with its standard deviation; none stands beside a bound."""
    sd = row["volume_sd"]
    return volume_text(row) if math.isnan(sd) or bound_of(row["flags"]) else f"{volume_text(row)} ± {counts(sd)}"


def relative_sd(value: float, sd: float) -> str:
    """A standard deviation as a part of its number."""
    if math.isnan(value) or math.isnan(sd) or value <= 0:
        return "–"
    return f"±{100 * sd / value:.0f} %" if sd < 10 * value else "±≫"


def percent_change(value: float, before: float) -> str:
    """How far a corrected number is from the automatic one."""
    if math.isnan(value) or math.isnan(before) or before == 0 or value == before:
        return ""
    change = 100 * (value - before) / abs(before)
    return "" if abs(change) < 0.05 else f"{change:+.1f} %" if abs(change) < 1000 else "≫"


def readable(cell: object) -> str:
    """Flag names as words, the most serious first: `below_lod;saturated` becomes `saturated, below lod`."""
    names = sorted(split_flags(cell), key=lambda name: SEVERITY.index(FLAGS[name].level) if name in FLAGS else 1)
    return ", ".join(name.replace("_", " ") for name in names)


def band_name(band: Mapping[str, Any]) -> str:
    """What a band is called: its target, else its mass, else its row."""
    if isinstance(band["target"], str):
        return str(band["target"])
    mass = band.get("mw_kda")
    if isinstance(mass, float) and not math.isnan(mass):
        return f"{mass:.0f} kDa"
    return "–" if is_missing(band["row"]) else f"row {band['row']}"
