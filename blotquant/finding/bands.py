"""Bands of the lanes: where the network sees them, measured in the lanes' own profiles and grouped into rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from scipy import ndimage

from blotquant.finding.profiles import Profile, has_one_top, prominent_peaks
from blotquant.finding.rows import FWHM_OF_CORE

# Chance of a place that is looked at, and how far it stands out from others.
_SEEN, _APART = 0.2, 0.1
# Chance from which on a band is believed, and where half of the lanes show its row.
_BELIEVED, _SHARED = 0.5, 0.35
# Of the least SNR: for a row that half of the lanes show, each lane speaks for the others.
_TOGETHER = 0.5
# Of the range of a core: shallower dips are no valley between two bands.
_DIP = 0.2
# Of the height above the lower foot: a band that stands out less above the higher one overlaps with its neighbour.
_OVERLAP = 0.42
# Rows wander less than this many band heights between their first and their last lane.
_FAR = 6.0


@dataclass(frozen=True, slots=True)
class Peak:
    """One band in one lane's profile, on the coarse grid.

    Attributes
    ----------
    lane : int
        Index of its lane.
    row : float
        Where it peaks, rows from the beginning of the lane's profile.
    level : float
        Its place along the strip's own curve, the same for one protein in every lane.
    width : float
        Full width at half maximum along the lane.
    height, snr : float
        Counts above its feet, and over the noise of the profile.
    chance : float
        That it is a band, by the network.
    group : int
        Number of its row.
    merged : bool
        Whether it overlaps with its neighbour so far that the valley between them is hardly one.
    core : float
        Full width at half maximum by the core that the network marks.
    """

    lane: int
    row: float
    level: float
    width: float
    height: float
    snr: float
    chance: float
    group: int = -1
    merged: bool = False
    core: float = 0.0


def profile_noise(profile: Profile) -> float:
    """Scatter of a profile between its bands: from the calmer half of its fine structure."""
    rough = np.abs(profile - ndimage.gaussian_filter1d(profile, 3.0, mode="nearest"))
    return float(np.percentile(rough, 35) / 0.4538 * 1.25)


def find_peaks(lane: int, profile: Profile, chance: Profile, level: Profile, *, noise: float) -> list[Peak]:
    """Find the bands of one lane.

    Parameters
    ----------
    lane : int
        Its index.
    profile, chance : ndarray, shape (n,)
        Mean counts of the lane's core and mean chance of a band there, along the lane.
    level : ndarray, shape (n,)
        Place of each row along the strip's own curve.
    noise : float
        Scatter of the profile.
    """
    smooth = ndimage.gaussian_filter1d(profile, 1.0, mode="nearest")
    soft = ndimage.gaussian_filter1d(chance, 0.7, mode="nearest")
    at, _ = prominent_peaks(np.concatenate([[0.0], soft, [0.0]]), _APART)
    at = at[soft[at - 1] > _SEEN] - 1
    if len(at) == 0:
        return []
    bounds = [0, *((a + b) // 2 for a, b in itertools.pairwise(at)), len(soft) - 1]
    found = []
    for k, first, last in zip(at, bounds[:-1], bounds[1:], strict=True):
        top, bottom = _core(soft, int(k), int(first), int(last))
        crests = _crests(smooth, top, bottom, 4 * noise)
        usual = max(FWHM_OF_CORE * (bottom - top + 1) / len(crests), 2.0)
        for crest in crests:
            row, width, height, merged = _measure(smooth, crest, usual, (int(first), int(last)))
            place = float(np.interp(row, np.arange(len(level)), level))
            width = usual if merged else width
            found.append(
                Peak(lane, row, place, width, height, height / noise, float(soft[k]), merged=merged, core=usual)
            )
    return found


def _core(chance: Profile, k: int, first: int, last: int) -> tuple[int, int]:
    """First and last row around `k` in which a band is at least half as likely as there."""
    inside = chance > 0.5 * chance[k]
    top, bottom = k, k
    while top > first and inside[top - 1]:
        top -= 1
    while bottom < last and inside[bottom + 1]:
        bottom += 1
    return top, bottom


def _crests(smooth: Profile, top: int, bottom: int, least: float) -> list[int]:
    """Rows of a core in which counts have a crest of their own; where there is none, the brightest row."""
    part = smooth[top : bottom + 1]
    if has_one_top(part):
        return [top + int(np.argmax(part))]
    least = max(least, _DIP * float(np.ptp(part)))
    at, _ = prominent_peaks(np.concatenate([[-np.inf], part, [-np.inf]]), least)
    return [top + int(k) - 1 for k in at] if len(at) > 1 else [top + int(np.argmax(part))]


def _measure(smooth: Profile, crest: int, usual: float, bounds: tuple[int, int]) -> tuple[float, float, float, bool]:
    """Row, full width at half maximum, height and overlap of a band whose crest stands at a whole row.

    Twice the half width where the counts fall below half of the height on one side only; no wider than `usual`, by the
    core that the network marks. A band overlaps with its neighbour where its higher foot is hardly below its crest.
    """
    room = round(1.1 * usual) + 1
    upper, lower = max(bounds[0], crest - room), min(bounds[1], crest + room)
    above, below = float(smooth[upper : crest + 1].min()), float(smooth[crest : lower + 1].min())
    row, width, foot = float(crest), usual, min(above, below)
    if 0 < crest < len(smooth) - 1 and smooth[crest] >= max(smooth[crest - 1], smooth[crest + 1]):
        a, b, c = smooth[crest - 1], smooth[crest], smooth[crest + 1]
        bend = a - 2 * b + c
        row += float(np.clip(0.5 * (a - c) / bend if bend < 0 else 0.0, -0.5, 0.5))
        low = smooth < (smooth[crest] + foot) / 2
        sides = [crest - upper - k for k in np.flatnonzero(low[upper:crest])[-1:]]
        sides += [k + 1 for k in np.flatnonzero(low[crest + 1 : lower + 1])[:1]]
        width = min(usual, 2 * float(np.mean(sides)) - 1.0) if sides else usual
    height = float(smooth[crest]) - max(above, below)
    return row, max(width, 2.0), height, height < _OVERLAP * (float(smooth[crest]) - foot)


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
    """Keep the peaks that are bands: likely enough, above the noise, and less of both where half of the lanes agree."""
    groups: dict[int, list[Peak]] = {}
    for p in peaks:
        groups.setdefault(p.group, []).append(p)
    kept = []
    for members in groups.values():
        sure = sum(m.chance >= _BELIEVED and m.snr >= _TOGETHER * min_snr for m in members)
        shared = sure >= max(3, 0.5 * n_lanes)
        chance, snr = (_SHARED, _TOGETHER * min_snr) if shared else (_BELIEVED, min_snr)
        kept += [m for m in members if m.chance >= chance and m.snr >= snr]
    return kept
