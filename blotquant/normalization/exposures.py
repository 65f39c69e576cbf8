"""Several exposures of one probe become one scale: counts per second of every band."""

from __future__ import annotations

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
    if table.empty:
        return []
    row = "row " + table["row"].astype("string")
    number = "band " + table["band"].astype("string")
    keyed = table[[*_SERIES, "band", "target", "rf", "image", "exposure_s"]]
    keyed = keyed.assign(_at=range(len(table)), _band=table["target"].astype("string").fillna(row).fillna(number))
    # A row without a protein's name is known by its number in each picture: it must lie at one place of the membrane.
    usual = keyed.groupby([*_SERIES, "_band"], dropna=False)["rf"].transform("median")
    keyed = keyed[keyed["target"].notna() | ~((keyed["rf"] - usual).abs() > SAME_RF)]
    keyed = _rank_bands(keyed)
    # A series is a band with two pictures or two times at least.
    by_band = [*_SERIES, "_band", "_rank"]
    shown = keyed.assign(image=keyed["image"].astype("string").fillna("")).groupby(by_band, dropna=False)
    keyed = keyed[(shown[["image", "exposure_s"]].transform("nunique") >= 2).any(axis=1)]
    _check_times(keyed)
    keyed = keyed.sort_values("exposure_s", kind="stable")
    series = keyed.groupby(by_band, dropna=False, sort=True).ngroup().to_numpy()
    order = np.argsort(series, kind="stable")
    found = np.split(order, np.flatnonzero(np.diff(series[order])) + 1) if len(keyed) else []
    return [keyed["_at"].to_numpy()[at] for at in found]


def _rank_bands(keyed: pd.DataFrame) -> pd.DataFrame:
    """Number the bands of one name from the top down in every frame, and keep frames that show as many as most do.

    Where another number was found, order does not tell which band is which.
    """
    keyed = keyed.sort_values("band", kind="stable")
    shown = keyed.groupby([*_SERIES, "_band", "image", "exposure_s"], dropna=False)
    keyed = keyed.assign(_rank=shown.cumcount(), _shown=shown["band"].transform("size"))
    # Every frame counts once, by its first band.
    first = keyed[keyed["_rank"] == 0]
    names = [*_SERIES, "_band"]
    shows = first.groupby([*names, "_shown"], dropna=False).size().rename("n").reset_index()
    # The most frequent number of bands; of equally frequent ones the largest.
    usual = shows.sort_values(["n", "_shown"]).drop_duplicates(names, keep="last")
    kept = keyed.merge(usual[names].assign(_usual=usual["_shown"]), on=names, how="left")
    return kept[kept["_shown"] == kept["_usual"]]


def _check_times(frames: pd.DataFrame) -> None:
    wrong = frames[~(frames["exposure_s"] > 0)]
    if not wrong.empty:
        first = wrong.iloc[0]
        got = "none" if pd.isna(first["exposure_s"]) else f"{first['exposure_s']:g}"
        msg = (
            f"{first['image']}: an exposure series of {first['probe']} needs each picture's exposure time above 0 s, "
            f"got {got}; give exposure_s in the experiment file"
        )
        raise SheetError(msg)


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
