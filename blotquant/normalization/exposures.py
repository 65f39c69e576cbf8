"""Several exposures of one probe become one scale: counts per second of every band."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.errors import SheetError
from blotquant.flags import join_flags, split_flags
from blotquant.tables import EXPOSURE_COLUMNS, make_table
from blotquant.threads import single_threaded

Array = NDArray[np.float64]

DEPARTURE_LIMIT = 0.10
MIN_FRAMES = 3
SAME_RF = 0.015
"""Part of the strip's height: a band of an unnamed row further from its series' middle is another protein's."""
# A departure must also stand this many SDs out of the noise: weak bands miss any line by 10 %.
_DEPARTURE_SDS = 2.0

_SERIES = ["blot", "membrane", "probe", "strip", "lane"]
_PLACE = ["row_start", "row_stop", "col_start", "col_stop"]


@single_threaded
def fit_exposure_series(table: pd.DataFrame, series: Sequence[NDArray[np.int_]] | None = None) -> pd.DataFrame:
    """Fit V = r t to each band over the exposures of its probe.

    The line goes through the origin, with weights 1 / Var(V), over the linear part of the frames in which the band is
    not saturated: the longest ones are left out while they depart from the line through the shorter ones by more than
    10 % and their noise, flagged `nonlinear_exposure`. Where fewer than three are left, the rate is the slope at the
    origin of a parabola.
    Bands of different frames are one where blot, membrane, probe, strip and lane agree and so does the target (the
    row where there is none, the band's number where there is no row either). Several bands of one target in one
    lane are told apart by their order; frames that show another number of them than most are left out there.

    Parameters
    ----------
    table : DataFrame
        Measured bands of all frames, with `BAND_COLUMNS`; `exposure_s` in seconds, `volume_sd` in counts.
    series : sequence of ndarray of int, optional
        From `exposure_series`, where the same bands are fitted with other volumes.

    Returns
    -------
    DataFrame
        `EXPOSURE_COLUMNS`, one row a band that has two frames or more. `rate_sd` is the standard error of the weighted
        line, widened where the frames scatter more than their SDs say. `r2` is 1 - sum w (V - r t)^2 / sum w V^2, as is
        the custom for lines through the origin. Where all frames are saturated the largest rate that any of them
        proves is a lower bound: `bound` is ≥ and `rate_sd` empty. Where frames cannot be used for other reasons and
        none is left, the rate is empty and `reason` says why.

    Raises
    ------
    SheetError
        If a frame of a series has no exposure time, or one that is not above 0.
    """
    # Columns as plain arrays: a series has a handful of rows, and a table costs more than its arithmetic.
    columns = {name: table[name].to_numpy(dtype=float) for name in ("exposure_s", "volume", "volume_sd", "lod", "loq")}
    flags = table["flags"].tolist()
    places = {name: table[name].tolist() for name in (*_SERIES, "band", "band_id", "target", *_PLACE)}
    rows = []
    for at in exposure_series(table) if series is None else series:
        frames = {name: column[at] for name, column in columns.items()}
        last, cells = _fit_band(frames, [set(split_flags(flags[k])) for k in at])
        rows.append({**{name: column[at[last]] for name, column in places.items()}, "n_frames": len(at), **cells})
    return make_table(rows, EXPOSURE_COLUMNS)


def exposure_series(table: pd.DataFrame) -> list[NDArray[np.int_]]:
    """Positions of the rows of each series in a table for `fit_exposure_series`, the shortest exposure first.

    Raises
    ------
    SheetError
        If a frame of a series has no exposure time, or one that is not above 0.
    """
    names = (*_SERIES, "target", "row", "band", "rf", "image", "exposure_s")
    rows = [
        {name: None if x is None or x is pd.NA or x != x else x for name, x in zip(names, line, strict=True)}
        for line in zip(*(table[name].tolist() for name in names), strict=True)
    ]
    # Bands of one name in one lane: the protein's, else that of the row, else that of the band's number.
    named: dict[tuple[Any, ...], list[int]] = {}
    for at, row in enumerate(rows):
        known = f"band {row['band']}" if row["row"] is None else f"row {row['row']}"
        name = known if row["target"] is None else str(row["target"])
        named.setdefault((*(row[key] for key in _SERIES), name), []).append(at)
    series: list[tuple[tuple[Any, ...], list[int]]] = []
    for key, members in named.items():
        ranked = enumerate(_ranked([(at, rows[at]) for at in members]))
        series += [((*key, rank), own) for rank, own in ranked if _is_series([rows[at] for at in own])]
    used = sorted((at for _, own in series for at in own), key=lambda at: (rows[at]["band"], at))
    for row in (rows[at] for at in used):
        if row["exposure_s"] is None or not row["exposure_s"] > 0:
            got = "none" if row["exposure_s"] is None else f"{row['exposure_s']:g}"
            msg = (
                f"{row['image'] or 'a picture'}: an exposure series of {row['probe']} needs each picture's exposure "
                f"time above 0 s, got {got}; give exposure_s in the experiment file"
            )
            raise SheetError(msg)
    series.sort(key=lambda found: [(part is None, part) for part in found[0]])
    return [np.array(sorted(own, key=lambda at: (rows[at]["exposure_s"], rows[at]["band"], at))) for _, own in series]


def _ranked(members: Sequence[tuple[int, dict[str, Any]]]) -> list[list[int]]:
    """Positions of the bands of one name in one lane, by their rank from the top down in every frame.

    Frames that show another number of them than most do are left out: order does not tell there which band is which.
    """
    places = [row["rf"] for _, row in members if row["rf"] is not None]
    usual = float(np.median(places)) if places else math.nan
    frames: dict[tuple[Any, Any], list[int]] = {}
    for at, row in sorted(members, key=lambda member: (member[1]["band"], member[0])):
        # A row without a protein's name is known by its number in each picture: it must lie at one place.
        far = row["target"] is None and row["rf"] is not None and abs(row["rf"] - usual) > SAME_RF
        if not far:
            frames.setdefault((row["image"], row["exposure_s"]), []).append(at)
    shows = Counter(len(frame) for frame in frames.values())
    # The most frequent number of bands; of equally frequent ones the largest.
    most = max(shows, key=lambda n: (shows[n], n), default=0)
    kept = [frame for frame in frames.values() if len(frame) == most]
    return [[frame[rank] for frame in kept] for rank in range(most)]


def _is_series(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether a band is shown by two pictures or two times at least."""
    return len({row["image"] for row in rows}) > 1 or len({row["exposure_s"] for row in rows} - {None}) > 1


def _fit_band(frames: dict[str, Array], flags: list[set[str]]) -> tuple[int, dict[str, Any]]:
    """Fit one band's frames, shortest first; the frame whose place it takes (the longest usable), and the cells."""
    t, volume, sd = (frames[name] for name in ("exposure_s", "volume", "volume_sd"))
    usable = np.isfinite(volume) & np.isfinite(sd) & (sd > 0)
    usable &= np.array([not f & {"saturated", "nonfinite_pixels", "under_mark"} for f in flags])
    if not usable.any():
        return 0, {"n_used": 0, **_without_frames(t, volume, flags)}
    places = np.flatnonzero(usable)
    last = int(places[-1])
    raised = ["few_frames"] if len(places) < MIN_FRAMES else []
    # The linear part: the longest frames are left out while they leave the line through the shorter ones.
    n_linear = len(places)
    while n_linear > 1 and _departs(t[places[:n_linear]], volume[places[:n_linear]], sd[places[:n_linear]]):
        n_linear -= 1
    if n_linear < len(places):
        raised.append("nonlinear_exposure")
    if n_linear < len(places) and n_linear < MIN_FRAMES <= len(places):
        # No three frames lie on a line: the slope at the origin of a parabola through the first three.
        places = places[:MIN_FRAMES]
        rate, se, r2 = fit_initial_rate(t[places], volume[places], sd[places])
    else:
        places = places[:n_linear]
        rate, se, r2 = fit_rate(t[places], volume[places], sd[places])
    # What holds for every frame that was used holds for the rate.
    common = set.intersection(*(flags[k] for k in places))
    limits = {name: (frames[name][places] / t[places]).min() for name in ("lod", "loq")}
    return last, {
        "n_used": len(places),
        "rate": rate,
        "rate_sd": se,
        "r2": r2,
        "flags": join_flags(raised, common),
        **limits,
    }


def _without_frames(t: Array, volume: Array, flags: list[set[str]]) -> dict[str, Any]:
    """All frames saturated: the largest rate that any of them proves; else no rate, and why."""
    n_saturated = sum("saturated" in names for names in flags)
    known = np.isfinite(volume)
    if n_saturated == len(flags) and known.any():
        rate = float((volume[known] / t[known]).max())
        return {"rate": rate, "bound": "≥", "flags": join_flags(["saturated", "few_frames"])}
    left = len(flags) - n_saturated
    reason = f"no exposure can be used: {n_saturated} saturated, {left} without a known volume and SD"
    return {"reason": reason, "flags": join_flags(["few_frames"], set.intersection(*flags))}


def fit_rate(t: Array, volume: Array, sd: Array) -> tuple[float, float, float]:
    """Weighted line through the origin.

    Parameters
    ----------
    t, volume, sd : ndarray, shape (n,)
        Exposure times in seconds, volumes and their SDs in counts.

    Returns
    -------
    rate, se, r2 : float
        Slope and its standard error in counts/s; the part of the weighted sum of squares that the line explains
        (NaN for one frame).
    """
    w = 1 / sd**2
    rate = float((w * t * volume).sum() / (w * t**2).sum())
    left = float((w * (volume - rate * t) ** 2).sum())
    se = float(1 / np.sqrt((w * t**2).sum()))
    if len(t) < 2:
        return rate, se, float("nan")
    return rate, se * max(1.0, float(np.sqrt(left / (len(t) - 1)))), 1 - left / float((w * volume**2).sum())


def fit_initial_rate(t: Array, volume: Array, sd: Array) -> tuple[float, float, float]:
    """Weighted parabola through the origin, ``V = r t + c t²``: the rate before light fades or the camera bends.

    Parameters
    ----------
    t, volume, sd : ndarray, shape (n,)
        As in `fit_rate`, three frames or more.

    Returns
    -------
    rate, se, r2 : float
        Slope at the origin and its standard error in counts/s; the part of the weighted sum of squares that the
        parabola explains.
    """
    design = np.column_stack([t, t**2]) / sd[:, None]
    y = volume / sd
    inverse = np.linalg.pinv(design)
    coefficients = inverse @ y
    left = float(np.sum((y - design @ coefficients) ** 2))
    scale = max(1.0, float(np.sqrt(left / (len(t) - 2))))
    return float(coefficients[0]), scale * float(np.sqrt(np.sum(inverse[0] ** 2))), 1 - left / float(np.sum(y**2))


def _departs(t: Array, volume: Array, sd: Array) -> bool:
    """Whether the longest frame leaves the line through the shorter ones by more than the limit, and its noise."""
    if len(t) < 2:
        return False
    rate, se, _ = fit_rate(t[:-1], volume[:-1], sd[:-1])
    # What the shorter exposures foretell, with their error and the frame's own.
    told = rate * t[-1]
    noise = float(np.hypot(se * t[-1], sd[-1]))
    departure = abs(float(volume[-1]) - told)
    return bool(departure > DEPARTURE_LIMIT * abs(told) and departure > _DEPARTURE_SDS * noise)
