"""Lane positions: a comb whose teeth may shift, fitted to the notches between bands of all rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.finding.profiles import Profile, prominent_peaks


@dataclass(frozen=True, slots=True)
class Comb:
    """Lane centres in coarse columns, the pitch they were sought with and how well they fit."""

    centers: tuple[float, ...]
    evidence: tuple[float, ...]
    pitch: float
    score: float


def softness(profile: Profile, noise: float) -> float:
    """Counts below which a row's profile is not compressed any more: noise, or next to nothing beside its bands."""
    strong = float(np.percentile(profile, 95))
    return max(4 * noise, 0.015 * max(strong, 0.0), 1e-9)


def log_profile(energy: Profile, covered: NDArray[np.bool_]) -> Profile:
    """Scale a row's compressed profile so that notches count alike between separate and fused bands.

    Parameters
    ----------
    energy : ndarray, shape (cols,)
        Compressed counts above the surroundings along a row.
    covered : ndarray of bool, shape (cols,)
        Columns that carry a ridge of the row.

    Returns
    -------
    ndarray, shape (cols,)
        In units of the notch depth to be expected in this row; 0 beyond its ends.
    """
    seen = np.flatnonzero(covered)
    first, last = max(0, int(seen[0]) - 2), int(seen[-1]) + 3
    logs = np.maximum(energy, 0.0)
    logs[:first] = 0.0
    logs[last:] = 0.0
    return np.asarray(logs / notch_depth(logs[first:last]))


def notch_depth(logs: Profile) -> float:
    """Depth of a clear notch of this row: hollow bands dip too, but less than the gaps between lanes."""
    smooth = ndimage.uniform_filter1d(logs, 3, mode="nearest")
    _, prominence = prominent_peaks(-smooth, 0.04)
    depths = np.sort(prominence)
    if len(depths) == 0:
        return 0.5
    half = np.searchsorted(np.cumsum(depths), depths.sum() / 2)
    return float(np.clip(0.8 * depths[half], 0.1, 2.0))


def bump_map(logs: Profile, pitch: float) -> Profile:
    """How much each column looks like the middle of a lane of that pitch, -1 to 1.

    Parameters
    ----------
    logs : ndarray, shape (rows, cols)
        Compressed profiles.
    pitch : float
        Columns from lane to lane.
    """
    core, edge = max(1, round(0.5 * pitch)), max(1, round(0.22 * pitch))
    reach = round(0.5 * pitch)
    middle = ndimage.uniform_filter1d(logs, core, axis=1, mode="nearest")
    rim = ndimage.uniform_filter1d(logs, edge, axis=1, mode="nearest")
    # The gap need not lie at exactly half a pitch: the lowest place near there counts.
    rim = ndimage.minimum_filter1d(rim, max(1, round(0.3 * pitch) | 1), axis=1, mode="nearest")
    index = np.arange(logs.shape[1])
    left = rim[:, np.maximum(index - reach, 0)]
    right = rim[:, np.minimum(index + reach, index[-1])]
    near, far = middle - np.maximum(left, right), middle - np.minimum(left, right)
    return 0.8 * np.tanh(near) + 0.2 * np.tanh(far)


def fit_comb(logs: Profile, weights: Profile, *, pitches: Profile, n_lanes: int | None = None) -> Comb | None:
    """Find the pitch and the centres that explain the rows best.

    Parameters
    ----------
    logs : ndarray, shape (rows, cols)
    weights : ndarray, shape (rows,)
        Trust in each row.
    pitches : ndarray
        Pitches to try.
    n_lanes : int, optional
        Number of lanes wanted.
    """
    combs = [comb_of_pitch(logs, weights, float(pitch)) for pitch in pitches]
    tried = [c for c in combs if c is not None]
    if not tried:
        return None
    if n_lanes is not None:
        least = min(abs(len(c.centers) - n_lanes) for c in tried)
        return with_count(
            max((c for c in tried if abs(len(c.centers) - n_lanes) == least), key=lambda c: c.score), n_lanes
        )
    joint = np.average(logs, axis=0, weights=weights)
    return _split_wide(_merge_halves(max(tried, key=lambda c: c.score), joint), joint)


def with_count(comb: Comb, n_lanes: int) -> Comb:
    """Bring a comb to a given number of teeth: drop the weakest end, or split the widest gap, or go on outwards."""
    centers, evidence = list(comb.centers), list(comb.evidence)
    while len(centers) > n_lanes:
        end = 0 if evidence[0] < evidence[-1] else -1
        centers.pop(end)
        evidence.pop(end)
    while len(centers) < n_lanes:
        gaps = np.diff(centers)
        widest = int(gaps.argmax()) if len(gaps) else 0
        if len(gaps) and gaps[widest] > 1.5 * comb.pitch:
            centers.insert(widest + 1, (centers[widest] + centers[widest + 1]) / 2)
            evidence.insert(widest + 1, 0.0)
        else:
            centers.append(centers[-1] + comb.pitch)
            evidence.append(0.0)
    return Comb(tuple(centers), tuple(evidence), comb.pitch, comb.score)


def _merge_halves(comb: Comb, logs: Profile) -> Comb:
    """Join pairs of teeth that are the two horns of one hollow band: every second notch is much shallower."""
    centers = np.asarray(comb.centers)
    if len(centers) < 6:
        return comb
    at = np.rint(centers).astype(int)
    valley = np.array([logs[a : b + 1].min() for a, b in itertools.pairwise(at)])
    third = max(1, int(comb.pitch / 3))
    crown = np.array([logs[max(0, a - third) : a + third + 1].max() for a in at])
    depth = np.minimum(crown[1:], crown[:-1]) - valley
    odd, even = float(np.median(depth[0::2])), float(np.median(depth[1::2]))
    if max(odd, even) < 3 * max(min(odd, even), 1e-9):
        return comb
    first = 0 if odd < even else 1
    pairs = [(k, k + 1) for k in range(first, len(centers) - 1, 2)]
    if first:
        pairs.insert(0, (0, 0))
    if pairs[-1][1] < len(centers) - 1:
        pairs.append((len(centers) - 1, len(centers) - 1))
    merged = tuple(float(centers[a] + centers[b]) / 2 for a, b in pairs)
    gaps = np.diff(merged)
    if gaps.std() > 0.1 * gaps.mean():
        return comb
    evidence = tuple(max(comb.evidence[a], comb.evidence[b]) for a, b in pairs)
    return Comb(merged, evidence, float(np.median(gaps)), comb.score)


def _split_wide(comb: Comb, logs: Profile) -> Comb:
    """Part teeth that stand for two lanes or more: a notch runs through, and the lanes become more alike by it."""
    if len(comb.centers) < 4:
        return comb
    at = np.rint(comb.centers).astype(int)
    bounds = [a + int(logs[a : b + 1].argmin()) for a, b in itertools.pairwise(at)]
    first, last = max(0, 2 * at[0] - bounds[0] - 2), min(len(logs) - 1, 2 * at[-1] - bounds[-1] + 2)
    limits = itertools.pairwise([first, *bounds, last])
    teeth = [(*_filled(logs, a, b), e) for (a, b), e in zip(limits, comb.evidence, strict=True)]
    usual = float(np.median([_notch(logs, a, b, c) for a, b, c in zip(at, bounds, at[1:], strict=False)]))
    least = max(_LIKE * usual, 5 * _scatter(logs[first : last + 1]))
    split = _parted(logs, teeth, least)
    if len(split) == len(teeth):
        return comb
    kept = [
        ((a + b) / 2, e) if (a, b, e) not in teeth else (comb.centers[teeth.index((a, b, e))], e) for a, b, e in split
    ]
    return Comb(tuple(c for c, _ in kept), tuple(e for _, e in kept), comb.pitch, comb.score)


def _parted(logs: Profile, teeth: list[tuple[int, int, float]], least: float) -> list[tuple[int, int, float]]:
    """Part the widest teeth first, as long as the widths of those with a band become more alike."""
    teeth, done = list(teeth), set()
    while True:
        open_ = [k for k, t in enumerate(teeth) if t not in done and t[2] > 0]
        if not open_:
            return teeth
        k = max(open_, key=lambda k: teeth[k][1] - teeth[k][0])
        a, b, evidence = teeth[k]
        done.add(teeth[k])
        room = round(_NARROW * (b - a))
        if room < 3:
            continue
        cut = a + room + int(logs[a + room : b - room + 1].argmin())
        if _notch(logs, a, cut, b) < least:
            continue
        parted = [*teeth[:k], (a, cut, evidence), (cut, b, evidence), *teeth[k + 1 :]]
        if _unlike(parted) < _WORTH * _unlike(teeth):
            teeth = parted


def _unlike(teeth: list[tuple[int, int, float]]) -> float:
    """Scatter of the teeth's widths on a log scale."""
    return float(np.std(np.log([max(b - a, 1) for a, b, e in teeth if e > 0])))


def _filled(logs: Profile, first: int, last: int) -> tuple[int, int]:
    """The part of a tooth that is above a third of its crown."""
    part = logs[first : last + 1]
    on = np.flatnonzero(part > part.max() / 3)
    return (first + int(on[0]), first + int(on[-1])) if len(on) else (first, last)


def _scatter(logs: Profile) -> float:
    rough = np.diff(logs, 2) / np.sqrt(6)
    return float(1.4826 * np.median(np.abs(rough)))


def _notch(logs: Profile, first: int, at: int, last: int) -> float:
    """Depth of a notch below the lower of the crowns to its sides."""
    return float(min(logs[first : at + 1].max(), logs[at : last + 1].max()) - logs[at])


def lane_evidence(logs: Profile, weights: Profile, pitch: float) -> Profile:
    """Combine the rows' bump maps: the mean over rows, lifted where at least one row is clear."""
    bumps = bump_map(logs, pitch)
    mean = (weights[:, None] * bumps).sum(axis=0) / weights.sum()
    clear = (np.sqrt(weights / weights.max())[:, None] * bumps).max(axis=0)
    return np.asarray(0.5 * mean + 0.5 * clear)


# Where a tooth may be parted (share of its width), from which share of the usual notch's depth, and how much more
# alike the lanes must become.
_NARROW, _LIKE, _WORTH = 0.27, 0.15, 0.97
_SKIP = 0.45
_STRETCH = 2.0
_LEAST = 0.12
_BASE = 0.22


def comb_of_pitch(logs: Profile, weights: Profile, pitch: float) -> Comb | None:
    """Best chain of lanes for one pitch, by dynamic programming over the peaks of the lane evidence."""
    evidence = lane_evidence(logs, weights, pitch)
    smooth = ndimage.uniform_filter1d(evidence, max(1, round(0.15 * pitch)), mode="nearest")
    top = ndimage.maximum_filter1d(smooth, max(3, round(0.45 * pitch) | 1), mode="nearest")
    places = np.flatnonzero((smooth >= top) & (smooth > _LEAST))
    if len(places) == 0:
        return None
    places = places[np.concatenate([[True], np.diff(places) > 1])]
    gain = smooth[places] - _BASE
    chain, score = _best_chain(gain, _step_costs(places, pitch))
    return _fill(places[chain].astype(float), gain[chain], pitch, score)


def _step_costs(places: NDArray[np.intp], pitch: float) -> Profile:
    """Cost of going from place i to place j > i; inf where no chain does so."""
    gaps = (places[None, :] - places[:, None]) / pitch
    near = (gaps >= 0.6) & (gaps <= 4.4)
    known = gaps[near]
    steps = np.minimum(np.maximum(np.round(known), 1), 4)
    costs = np.full(gaps.shape, np.inf)
    costs[near] = _STRETCH * np.log(known / steps) ** 2 + _SKIP * (steps - 1)
    return costs


def _best_chain(gain: Profile, costs: Profile) -> tuple[list[int], float]:
    """Chain of places with the most gain after the costs of its steps, and how much that is."""
    total, back = gain.tolist(), [-1] * len(gain)
    first = np.argmax(costs < np.inf, axis=0).tolist()
    for j, column in enumerate(costs.T.tolist()):
        # Few places lie within a step: a plain loop over them is faster than anything over arrays.
        best = 0.0
        for i in range(first[j], j):
            option = total[i] - column[i]
            if option > best:
                best, back[j] = option, i
        total[j] += best
    end = max(range(len(total)), key=total.__getitem__)
    score, chain = total[end], []
    while end >= 0:
        chain.append(end)
        end = back[end]
    return chain[::-1], score


def _fill(centers: Profile, gain: Profile, pitch: float, score: float) -> Comb:
    """Put the empty lanes in that a gap of several pitches holds."""
    where, gains = centers.tolist(), gain.tolist()
    full, evidence = where[:1], gains[:1]
    for a, b, g in zip(where, where[1:], gains[1:], strict=False):
        steps = min(max(round((b - a) / pitch), 1), 4)
        for k in range(1, steps):
            full.append(a + (b - a) * k / steps)
            evidence.append(0.0)
        full.append(b)
        evidence.append(g)
    return Comb(tuple(full), tuple(evidence), pitch, score)
