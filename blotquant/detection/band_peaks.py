"""Bands of the lanes: where the network sees them, measured in the lanes' own profiles and grouped into rows.

Lanes in the frame of their strip: profiles along the bend of its rows, and the bands found in them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.detection.prediction import FWHM_OF_CORE, BandRow, SearchCopy
from blotquant.detection.strip_candidates import StripCandidate
from blotquant.imaging.robust import Profile, half_height_width, has_one_top, lane_profiles, prominent_peaks
from blotquant.settings import DetectionSettings

_BLUR = 1.0
"""SD, rows, by which the counts of a profile are smoothed before crests are looked for."""
_CHANCE_BLUR = 0.7
"""SD, rows, by which the network's chances are."""
_SEEN = 0.2
"""Chance from which on a place is looked at."""
_APART = 0.1
"""How far the chance of a place must stand out from that of others."""
_BELIEVED = 0.5
"""Chance from which on a band is believed."""
_SHARED = 0.35
"""The same, where half of the lanes show its row."""
# Of the least SNR: for a row that half of the lanes show, each lane speaks for the others.
_TOGETHER = 0.5
# Of the range of a core: shallower dips are no valley between two bands.
_DIP = 0.2
# Of the height above the lower foot: a band that stands out less above the higher one overlaps with its neighbour.
_OVERLAP = 0.42
_HINT = 0.05
"""Chance below which nothing is a band, however bright."""
_STRONG = 4.0
"""Times the least SNR: what shines so far is a band though the network does not know it for one."""
_OF_STRIP = 0.3
"""Of the usual height of a strip's bands: the one band of a lane that shows no other."""
_EVEN = 0.5
"""Chance of a band that the network overlooked."""
_CLEAR_LANE = 0.4
"""Clearness of a lane in which overlooked bands are looked for."""
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


def smoothed(profiles: Sequence[Profile], sd: float) -> list[Profile]:
    """Some profiles smoothed by a Gaussian, all at once: each goes on as it ends."""
    lengths = [len(p) for p in profiles]
    longest = max(lengths)
    together = np.array([np.concatenate([p, np.full(longest - len(p), p[-1])]) for p in profiles])
    lines = ndimage.gaussian_filter1d(together, sd, axis=1, mode="nearest")
    return [line[:n] for line, n in zip(lines, lengths, strict=True)]


def profile_noises(profiles: Sequence[Profile]) -> list[float]:
    """Scatter of profiles between their bands: from the calmer half of their fine structure."""
    rough = [np.abs(p - line) for p, line in zip(profiles, smoothed(profiles, 3.0), strict=True)]
    return [float(np.percentile(r, 35) / 0.4538 * 1.25) for r in rough]


def find_peaks(lane: int, smooth: Profile, soft: Profile, level: Profile, *, noise: float) -> list[Peak]:
    """Find the bands of one lane.

    Parameters
    ----------
    lane : int
        Its index.
    smooth, soft : ndarray, shape (n,)
        Mean counts of the lane's core and mean chance of a band there, along the lane, both smoothed.
    level : ndarray, shape (n,)
        Place of each row along the strip's own curve.
    noise : float
        Scatter of the profile.
    """
    at, _ = prominent_peaks(np.concatenate([[0.0], soft, [0.0]]), _APART)
    places = (at[soft[at - 1] > _SEEN] - 1).tolist()
    # A lane's few rows around each band: lists are quicker to look at than arrays.
    counts, chances = smooth.tolist(), soft.tolist()
    # Each band's core ends half way to the next one at the latest.
    bounds = [0, *((a + b) // 2 for a, b in itertools.pairwise(places)), len(soft) - 1]
    found = []
    for k, first, last in zip(places, bounds[:-1], bounds[1:], strict=False):
        top, bottom = _core(chances, k, first, last)
        crests = _crests(counts, top, bottom, 4 * noise)
        usual = max(FWHM_OF_CORE * (bottom - top + 1) / len(crests), 2.0)
        found += [(*_measure(counts, crest, usual, (first, last)), usual, chances[k]) for crest in crests]
    along = np.interp([row for row, *_ in found], np.arange(len(level)), level).tolist() if found else []
    return [
        Peak(lane, row, at, usual if merged else width, height, height / noise, chance, merged=merged, core=usual)
        for (row, width, height, merged, usual, chance), at in zip(found, along, strict=True)
    ]


def _core(chance: list[float], k: int, first: int, last: int) -> tuple[int, int]:
    """First and last row around `k` in which a band is at least half as likely as there."""
    top, bottom, half = k, k, 0.5 * chance[k]
    while top > first and chance[top - 1] > half:
        top -= 1
    while bottom < last and chance[bottom + 1] > half:
        bottom += 1
    return top, bottom


def _crests(smooth: list[float], top: int, bottom: int, least: float) -> list[int]:
    """Rows of a core in which counts have a crest of their own; where there is none, the brightest row."""
    part = smooth[top : bottom + 1]
    brightest = max(part)
    if not has_one_top(part):
        least = max(least, _DIP * (brightest - min(part)))
        at, _ = prominent_peaks(np.array([-np.inf, *part, -np.inf]), least)
        if len(at) > 1:
            return [top + k - 1 for k in at.tolist()]
    return [top + part.index(brightest)]


def _measure(
    smooth: list[float], crest: int, usual: float, bounds: tuple[int, int]
) -> tuple[float, float, float, bool]:
    """Row, full width at half maximum, height and overlap of a band whose crest stands at a whole row.

    Twice the half width where the counts fall below half of the height on one side only; no wider than `usual`, by the
    core that the network marks. A band overlaps with its neighbour where its higher foot is hardly below its crest.
    """
    room = round(1.1 * usual) + 1
    upper, lower = max(bounds[0], crest - room), min(bounds[1], crest + room)
    above, below = min(smooth[upper : crest + 1]), min(smooth[crest : lower + 1])
    row, width, foot = float(crest), usual, min(above, below)
    if 0 < crest < len(smooth) - 1 and smooth[crest] >= max(smooth[crest - 1], smooth[crest + 1]):
        a, b, c = smooth[crest - 1 : crest + 2]
        bend = a - 2 * b + c
        row += min(max(0.5 * (a - c) / bend, -0.5), 0.5) if bend < 0 else 0.0
        half = (b + foot) / 2
        before = (crest - k for k in range(crest - 1, upper - 1, -1) if smooth[k] < half)
        after = (k - crest for k in range(crest + 1, lower + 1) if smooth[k] < half)
        sides = [side for side in (next(before, 0), next(after, 0)) if side]
        width = min(usual, 2 * sum(sides) / len(sides) - 1.0) if sides else usual
    height = smooth[crest] - max(above, below)
    return row, max(width, 2.0), height, height < _OVERLAP * (smooth[crest] - foot)


def group_peaks(peaks: list[Peak]) -> list[Peak]:
    """Number the rows: peaks of several lanes at one level, strongest first, one a lane."""
    # Strong bands found rows; the others join the nearest, as rows bend from lane to lane.
    rows: list[dict[int, Peak]] = []
    for peak in sorted(peaks, key=lambda p: (-p.snr, p.lane, p.row)):
        best, least = None, np.inf
        for members in rows:
            strongest = next(iter(members.values()))
            if peak.lane in members or abs(strongest.level - peak.level) > _FAR * max(strongest.width, peak.width, 4.0):
                continue
            near = sorted(members.values(), key=lambda m: abs(m.lane - peak.lane))[:3]
            miss = abs(peak.level - median(m.level for m in near))
            width = median(m.width for m in near)
            reach = 0.6 * max(width, peak.width, 4.0) * (1 + 0.15 * (abs(near[0].lane - peak.lane) - 1))
            if miss < reach and miss < least:
                best, least = members, miss
        if best is None:
            rows.append({peak.lane: peak})
        else:
            best[peak.lane] = peak
    rows.sort(key=lambda members: median(m.level for m in members.values()))
    return [replace(p, group=k) for k, members in enumerate(rows) for p in members.values()]


def accept(peaks: list[Peak], *, n_lanes: int, min_snr: float) -> list[Peak]:
    """Keep the peaks that are bands: likely enough, above the noise, and less of both where half of the lanes agree."""
    # Where half of the lanes show a row, each speaks for the others.
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


# A smooth line through a row, and the columns between which it holds.
_Curve = tuple[np.polynomial.Polynomial, float, float]
# Rows of a lane's profile, their places along the strip's own curve, and the slope of bands at each.
Span = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]

# Times the noise of the usual lane: more scatter than that between bands is bands.
_UNEVEN = 3.0
_DENSE = 0.2
"""Share of the usual lane's rows on which the network sees bands, from which on its fine structure is that of bands."""
_LEAST_GROUND = 4.0
"""Columns between two lanes that hold ground to look at."""
_BETWEEN = 0.15
"""Half of the ground between two lanes over which it is looked at, of their distance less a lane's width."""
# Half of the lane's width that its profile is taken over.
_CORE = 0.36


@dataclass(frozen=True, eq=False, slots=True)
class FoundStrip:
    """A strip with its bands, the profiles in which they were found, and the copy that was searched.

    Attributes
    ----------
    copy : SearchCopy
        The copy of the picture in which it was found.
    piece : StripCandidate
        Its lanes.
    peaks : list of Peak
        Its bands.
    spans : list of Span
        One a lane: rows, places and slopes of its profile.
    trust : float
        0 to 1: how far readings at other scales agree about its lanes, and how much of the light beside its bands
        they explain; 1 where one search was enough.
    rivals : tuple of int
        Other lane counts that readings at other scales show in its place.
    """

    copy: SearchCopy
    piece: StripCandidate
    peaks: list[Peak]
    spans: list[Span]
    trust: float = 1.0
    rivals: tuple[int, ...] = ()


def lane_spans(grid: SearchCopy, piece: StripCandidate) -> list[Span]:
    """For every lane the rows of its profile, their places along the strip and the slope of bands there."""
    # Rows of the strip's curves at each lane and at its two sides: places along the strip, and slopes.
    curves = _main_curves(piece)
    middle = float(np.mean([*piece.tops, *piece.bottoms]))
    centers = np.array([float(t.col_at(middle)) for t in piece.tracks])
    reference = _curve_rows(curves, centers[None])[0].mean(axis=1)
    halves = np.array([max(t.width / 2, 3) for t in piece.tracks])
    tables = _curve_rows(curves, np.stack([centers, centers - halves, centers + halves], axis=1))
    spans = []
    for table, half, top, bottom in zip(tables, halves, piece.tops, piece.bottoms, strict=True):
        rows = np.arange(int(max(0, top)), int(min(grid.pixels.shape[0], bottom + 1)))
        level = rows + np.interp(rows, table[:, 0], reference - table[:, 0])
        slope = np.interp(rows, table[:, 0], (table[:, 2] - table[:, 1]) / (2 * half))
        spans.append((rows, level, slope))
    return spans


def _main_curves(piece: StripCandidate) -> list[_Curve]:
    """Smooth lines through the rows that bend the strip, the longest first."""
    if not piece.rows:
        return []
    longest = max(len(r.cols) for r in piece.rows)
    main = sorted((r for r in piece.rows if len(r.cols) > 0.4 * longest), key=lambda r: -len(r.cols))
    fits = [(*_smooth_curve(r), r.height) for r in main]
    # A chain that jumps between bands of different rows bends nothing but itself.
    return [curve for curve, rough, height in fits if rough < 0.35 * height + 0.5]


def _smooth_curve(curve: BandRow) -> tuple[_Curve, float]:
    """A smooth line through a row's ridges with its ends, and how far they scatter about it."""
    cols, rows = curve.cols, curve.rows
    span = cols[-1] - cols[0]
    parts = max(curve.ridges, span / 30)
    degree = 1 if parts < 4 else 2 if parts < 6 else 3 if parts < 9 else 4
    fit = np.polynomial.Polynomial.fit(cols, rows, degree)
    return (fit, float(cols[0]), float(cols[-1])), float(np.sqrt(np.mean((rows - fit(cols)) ** 2)))


def _curve_rows(curves: list[_Curve], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of the curves at some sets of columns, shape (sets, curves, columns of a set), top to bottom in each.

    A level line where there is no curve.
    """
    if not curves:
        return np.zeros((len(x), 1, x.shape[1]))
    table = np.stack([fit(np.clip(x, left, right)) for fit, left, right in curves], axis=1)
    return np.take_along_axis(table, np.argsort(table.mean(axis=2), axis=1)[:, :, None], axis=1)


def find_lane_peaks(
    grid: SearchCopy, piece: StripCandidate, settings: DetectionSettings
) -> tuple[list[Peak], list[Span]]:
    """Find the bands of a strip's lanes, and the rows, levels and slopes of the profiles they were found in."""
    spans = lane_spans(grid, piece)
    images = grid.pixels, grid.prediction.bands
    # Counts and chances along each lane, in the core of its width.
    both = [
        lane_profiles(images, rows, t.col_at(rows), _CORE * t.width, slope)
        for t, (rows, _, slope) in zip(piece.tracks, spans, strict=True)
    ]
    profiles, chances = zip(*both, strict=True)
    noises = profile_noises(profiles)
    usual = float(np.median(noises))
    # A ladder's many bands are no noise: where all lanes are ladders, the ground between them tells.
    dense = np.median([np.mean(chance > _HINT) for chance in chances]) > _DENSE
    most = _UNEVEN * (min(usual, _noise_between(grid, piece, spans)) if dense else usual)
    noises = [max(min(noise, most), 0.7 * min(usual, most), 0.3 * grid.step, 1e-300) for noise in noises]
    peaks = [
        peak
        for i, (smooth, soft, noise) in enumerate(
            zip(smoothed(profiles, _BLUR), smoothed(chances, _CHANCE_BLUR), noises, strict=True)
        )
        for peak in find_peaks(i, smooth, soft, spans[i][1], noise=noise)
    ]
    # Rows first, as a row is evidence for its bands; then lanes that shine and show none.
    found = accept(group_peaks(peaks), n_lanes=len(piece.tracks), min_snr=settings.min_snr)
    lanes = list(zip(range(len(profiles)), profiles, chances, noises, strict=True))
    clear = [lane for lane, track in zip(lanes, piece.tracks, strict=True) if track.clear >= _CLEAR_LANE]
    more = overlooked_peaks(found, clear, least=_STRONG * settings.min_snr)
    more = [replace(p, level=float(np.interp(p.row, np.arange(len(spans[p.lane][1])), spans[p.lane][1]))) for p in more]
    return (group_peaks([*found, *more]) if more else found), spans


def _noise_between(grid: SearchCopy, piece: StripCandidate, spans: list[Span]) -> float:
    """Scatter of profiles half way between neighbouring lanes, the usual one; infinite where lanes leave no ground."""
    profiles = []
    for track, beside, (rows, _, slope) in zip(piece.tracks, piece.tracks[1:], spans, strict=False):
        left, right = track.col_at(rows), beside.col_at(rows)
        free = float(np.mean(right - left)) - max(track.width, beside.width)
        if free >= _LEAST_GROUND:
            half = max(_BETWEEN * free, 1.0)
            profiles += lane_profiles([grid.pixels], rows, (left + right) / 2, half, slope)
    return float(np.median(profile_noises(profiles))) if profiles else np.inf


def overlooked_peaks(
    found: list[Peak], lanes: list[tuple[int, Profile, Profile, float]], *, least: float
) -> list[Peak]:
    """The one band of lanes that show none, though they shine: too high, fused or burnt out for the network.

    What is much weaker than bands of the strip may be light of its neighbours, and is left out.

    Parameters
    ----------
    found : list of Peak
        Bands that were accepted.
    lanes : list of (int, ndarray, ndarray, float)
        Index, profile, chance of a band along it, and noise of the lanes that are looked at.
    least : float
        Height over noise that such a band has at the least.

    Returns
    -------
    list of Peak
        With a chance of one half; their places along the lane stand for those along the strip's curve.
    """
    seen = {p.lane for p in found}
    if len(seen) < 2:
        return []
    # What is much weaker than the strip's bands may be light of its neighbours.
    height = _OF_STRIP * median(p.height for p in found)
    more = []
    for i, profile, chance, noise in lanes:
        if i in seen:
            continue
        smooth = ndimage.gaussian_filter1d(profile, _BLUR, mode="nearest")
        crest = int(smooth.argmax())
        if not 0 < crest < len(smooth) - 1 or smooth[crest] <= smooth.min():
            continue
        core = max(half_height_width(smooth, crest), 2.0)
        row, width, high, merged = _measure(smooth.tolist(), crest, core, (0, len(smooth) - 1))
        hint = float(chance[max(0, int(crest - core / 2)) : int(crest + core / 2) + 2].max())
        if not merged and hint >= _HINT and high >= max(height, least * noise):
            more.append(Peak(i, row, row, width, high, high / noise, _EVEN, core=core))
    return more


def of_lanes(peaks: list[Peak], first: int, last: int) -> list[Peak]:
    """The peaks of some lanes, counted from the first of these."""
    return [replace(p, lane=p.lane - first) if first else p for p in peaks if first <= p.lane <= last]
