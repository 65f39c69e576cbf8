"""Bands of the lanes: peaks of the profiles above local noise, accepted with the consent of the other lanes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from scipy import ndimage

from blotquant.finding.profiles import Profile, prominent_peaks, thirds

# Times the least SNR: for bands that fewer than three lanes show, for a trace in a row of strong bands, and for
# the members of a weak row that half of the lanes show.
_SINGLE, _TRACE, _SHARED = 1.6, 0.8, 0.5
# Times the usual height: beyond it is a smear or the membrane's own shading.
_HIGH = 2.5
_CLEAR = 15.0
# Rows wander less than this many band heights between their first and their last lane.
_FAR = 6.0


@dataclass(frozen=True, slots=True)
class Peak:
    """One band candidate in one lane's profile, on the coarse grid."""

    lane: int
    row: float
    level: float
    width: float
    height: float
    snr: float
    spread: float
    likeness: float
    group: int = -1


def profile_noise(profile: Profile) -> float:
    """Scatter of a profile between its bands: from the calmer half of its fine structure."""
    rough = np.abs(profile - ndimage.gaussian_filter1d(profile, 3.0, mode="nearest"))
    return float(np.percentile(rough, 35) / 0.4538 * 1.25)


def structure_noise(profiles: list[Profile], peaks: list[list[Peak]]) -> float:
    """Scatter of a band-high contrast where no clear band stands: dust, texture and smears of the membrane.

    Parameters
    ----------
    profiles : list of ndarray
        Mean profiles of a strip's lanes.
    peaks : list of list of Peak
        What was found in each above its fine noise.

    Returns
    -------
    float
        SD in counts; 0 where bands leave too little room to tell.
    """
    clear = [p for own in peaks for p in own if p.snr > _CLEAR]
    height = int(np.clip(np.median([p.width for p in clear]) if clear else 8, 4, 20))
    left = []
    for profile, own in zip(profiles, peaks, strict=True):
        box = ndimage.uniform_filter1d(profile, height, mode="nearest")
        contrast = box - (np.roll(box, height) + np.roll(box, -height)) / 2
        free = np.ones(len(profile), dtype=bool)
        free[:height] = free[-height:] = False
        for p in own:
            if p.snr > _CLEAR:
                free[max(0, int(p.row - 1.5 * p.width - height)) : int(p.row + 1.5 * p.width + height) + 1] = False
        left.append(contrast[free])
    pooled = np.concatenate(left)
    enough = len(pooled) > 4 * height and len(pooled) > 0.1 * sum(len(p) for p in profiles)
    return float(1.4826 * np.median(np.abs(pooled))) if enough else 0.0


def find_peaks(lane: int, strip: Profile, level: Profile, *, noise: float) -> list[Peak]:
    """Find the peaks of one lane.

    Parameters
    ----------
    lane : int
        Its index.
    strip : ndarray, shape (n, k)
        The lane in its own frame, see `blotquant.finding.profiles.lane_strip`.
    level : ndarray, shape (n,)
        Place of each row along the strip's own curve: the same for one protein in every lane.
    noise : float
        Scatter of the lane's mean profile.
    """
    profile = strip.mean(axis=1)
    smooth = ndimage.gaussian_filter1d(profile, 1.0, mode="nearest")
    parts = ndimage.gaussian_filter1d(thirds(strip), 1.0, axis=0, mode="nearest")
    padded = np.concatenate([[smooth.min() - 1], smooth, [smooth.min() - 1]])
    at, _ = prominent_peaks(padded, 3 * noise)
    at = at - 1
    if len(at) == 0:
        return []
    found = []
    for k in at:
        if k < 2 or k > len(smooth) - 3:
            continue
        peak = _measure(smooth, parts, int(k), noise)
        if peak is not None:
            height, width, spread, likeness, row = peak
            found.append(
                Peak(
                    lane,
                    row,
                    float(np.interp(row, np.arange(len(level)), level)),
                    width,
                    height,
                    height / noise,
                    spread,
                    likeness,
                )
            )
    return _without_doubles(found)


def _without_doubles(peaks: list[Peak]) -> list[Peak]:
    """Of peaks within the half height of one band keep the highest."""
    kept: list[Peak] = []
    for peak in sorted(peaks, key=lambda p: (-p.height, p.row)):
        if all(abs(peak.row - other.row) > 0.5 * other.width for other in kept):
            kept.append(peak)
    return sorted(kept, key=lambda p: p.row)


def _measure(smooth: Profile, parts: Profile, k: int, noise: float) -> tuple[float, float, float, float, float] | None:
    """Height above the higher of its two feet, full width at half of it, how much of the lane's width shows it."""
    left, right = _foot(smooth[: k + 1][::-1]), _foot(smooth[k:])
    lo, hi = k - left, k + right
    base = max(smooth[lo], smooth[hi])
    height = float(smooth[k] - base)
    if height < 3 * noise:
        return None
    half = base + 0.5 * height
    top = np.flatnonzero(smooth[lo : hi + 1] >= half) + lo
    width = float(top[-1] - top[0] + 1)
    core = parts[top[0] : top[-1] + 1].mean(axis=0)
    feet = np.maximum(parts[max(0, lo - 1) : lo + 2].mean(axis=0), parts[max(0, hi - 1) : hi + 2].mean(axis=0))
    rises = core - feet
    spread = float(np.median(rises) / max(np.mean(np.abs(rises)), 1e-9))
    a, b, c = smooth[k - 1], smooth[k], smooth[k + 1]
    bend = a - 2 * b + c
    shift = 0.5 * (a - c) / bend if bend < 0 else 0.0
    return (
        height,
        width,
        spread,
        _likeness(parts[max(0, lo - 1) : hi + 2]),
        k + float(np.clip(shift, -0.5, 0.5)),
    )


def _likeness(parts: Profile) -> float:
    """Mean correlation between the thirds of a lane around a peak: dust and oblique edges differ across the lane."""
    if parts.shape[1] < 2 or len(parts) < 4:
        return 1.0
    centred = parts - parts.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    if size.min() <= 0:
        return 0.0
    unit = centred / size
    table = unit.T @ unit
    n = len(table)
    return float((table.sum() - n) / (n * (n - 1)))


def _foot(side: Profile) -> int:
    """Steps from a peak down to its foot: where the profile rises again, or hardly falls any more.

    A dip that is shallow against the fall beyond it, as in a hollow band or a close doublet, is no foot.
    """
    higher = np.flatnonzero(side > side[0])
    side = side[: int(higher[0])] if len(higher) else side
    falling = np.minimum.accumulate(side)
    deep = side[0] - falling[-1]
    rise = side - falling
    back = np.flatnonzero(rise > np.maximum(0.2 * (side[0] - falling), 0.12 * deep))
    stop = int(back[0]) if len(back) else len(side) - 1
    low = int(np.argmin(side[: stop + 1]))
    near = np.flatnonzero(side[: low + 1] <= side[0] - 0.97 * (side[0] - side[low]))
    return int(near[0]) if len(near) and deep > 0 else low


def group_peaks(peaks: list[Peak]) -> list[Peak]:
    """Number the rows: peaks of several lanes at one level, strongest first, one a lane."""
    rows: list[list[Peak]] = []
    for peak in sorted(peaks, key=lambda p: (-p.snr, p.lane, p.row)):
        best, least = None, np.inf
        for members in rows:
            if any(m.lane == peak.lane for m in members):
                continue
            if abs(members[0].level - peak.level) > _FAR * max(members[0].width, peak.width, 4.0):
                continue
            near = sorted(members, key=lambda m: abs(m.lane - peak.lane))[:3]
            miss = abs(peak.level - median(m.level for m in near))
            width = median(m.width for m in near)
            reach = 0.6 * max(width, peak.width, 4.0) * (1 + 0.15 * (abs(near[0].lane - peak.lane) - 1))
            if miss < reach and miss < least:
                best, least = members, miss
        if best is None:
            rows.append([peak])
        else:
            best.append(peak)
    rows.sort(key=lambda members: median(m.level for m in members))
    return [replace(p, group=k) for k, members in enumerate(rows) for p in members]


def accept(peaks: list[Peak], *, n_lanes: int, min_snr: float) -> list[Peak]:
    """Keep the peaks that are bands.

    A row that half of the lanes show is believed at a lower SNR: each lane speaks for the others. What no other lane
    shows needs more of it, and the shape of a band: alike over the lane's width, and not much higher than others.
    """
    groups: dict[int, list[Peak]] = {}
    for p in peaks:
        groups.setdefault(p.group, []).append(p)
    clear = [p.width for p in peaks if p.snr > _CLEAR and p.likeness > 0.5]
    highest = _HIGH * float(np.median(clear)) if clear else np.inf
    strong = 0.3 * float(np.median([p.height for p in peaks if p.snr > _CLEAR] or [0.0]))
    kept = []
    for members in groups.values():
        usable = [m for m in members if m.width <= highest or (m.height > strong and len(members) > 2)]
        row = [m for m in usable if _is_band(m, members, n_lanes=n_lanes, min_snr=min_snr)]
        # What a row has left alone must stand for itself.
        kept += row if len(row) > 2 else [m for m in row if _is_band(m, row, n_lanes=n_lanes, min_snr=min_snr)]
    return kept


def _is_band(peak: Peak, row: list[Peak], *, n_lanes: int, min_snr: float) -> bool:
    good = [m.snr for m in row if m.snr >= _SHARED * min_snr and m.spread > 0.4 and m.likeness > 0.3]
    if len(good) < 3:
        even = abs(peak.spread - 1)
        return peak.snr >= _SINGLE * min_snr and even < 0.25 and peak.likeness > (0.7 if even < 0.1 else 0.85)
    if len(good) < 0.5 * n_lanes:
        return peak.snr >= min_snr and peak.likeness > 0.5 and peak.spread > 0.5
    # In a row of strong bands a trace is weak for its place; in a weak row all lanes are near the limit together.
    usual = float(np.median(good))
    strong = usual > 3 * min_snr
    if usual < 0.7 * min_snr:
        return False
    return peak.snr >= (_TRACE if strong else _SHARED) * min_snr and peak.likeness > 0.2 and peak.spread > 0.3
