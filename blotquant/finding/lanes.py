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
    """Part a tooth that stands for two lanes: wider than the others, and a notch like theirs runs through it."""
    if len(comb.centers) < 4:
        return comb
    at = np.rint(comb.centers).astype(int)
    bounds = np.array([a + int(logs[a : b + 1].argmin()) for a, b in itertools.pairwise(at)])
    depths = [_notch(logs, at[k], int(b), at[k + 1]) for k, b in enumerate(bounds)]
    usual = float(np.median(depths))
    widths = np.diff(bounds)
    centers, evidence = list(comb.centers), list(comb.evidence)
    for k in range(len(widths) - 1, -1, -1):
        first, last = int(bounds[k]), int(bounds[k + 1])
        room = round(_NARROW * float(np.median(widths)))
        if widths[k] < _WIDE * np.median(widths) or last - first <= 2 * room:
            continue
        cut = first + room + int(logs[first + room : last - room + 1].argmin())
        if _notch(logs, first, cut, last) > _LIKE * usual:
            centers[k + 1 : k + 2] = [(first + cut) / 2, (cut + last) / 2]
            evidence[k + 1 : k + 2] = [evidence[k + 1]] * 2
    return Comb(tuple(centers), tuple(evidence), comb.pitch, comb.score)


def _notch(logs: Profile, first: int, at: int, last: int) -> float:
    """Depth of a notch below the lower of the crowns to its sides."""
    return float(min(logs[first : at + 1].max(), logs[at : last + 1].max()) - logs[at])


def lane_evidence(logs: Profile, weights: Profile, pitch: float) -> Profile:
    """Combine the rows' bump maps: the mean over rows, lifted where at least one row is clear."""
    bumps = bump_map(logs, pitch)
    mean = (weights[:, None] * bumps).sum(axis=0) / weights.sum()
    clear = (np.sqrt(weights / weights.max())[:, None] * bumps).max(axis=0)
    return np.asarray(0.5 * mean + 0.5 * clear)


# Of the usual width of a tooth and the usual depth of a notch: two lanes taken for one, and the lesser of them.
_WIDE, _NARROW, _LIKE = 1.3, 0.45, 0.35
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
