"""Lanes settled on their own bands: the phase says how many there are, the bands' sides say exactly where.

Lanes that are none are left out here too: dust beside the outermost lanes, free ground, and halves of hollow bands.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from blotquant.detection.band_peaks import Peak, Span
from blotquant.detection.prediction import SearchCopy
from blotquant.detection.strip_candidates import LaneTrace, StripCandidate
from blotquant.imaging.robust import robust_sd

Floats = NDArray[np.float64]

# Width of a band with its soft sides over that between its half heights.
_SOFT = 1.12
_WIDTH_SD = 1.0
"""SD of the width that is seen of one sure band, in columns."""
_FEW = 4
"""Lanes from which on the spread of their widths is known."""
_CORE = 0.4
"""Half of the part of a band's height whose sides are looked at."""
_SIDE = 0.5
"""Share of the band's chance at which a side stands."""
_BESIDE = 0.3
"""Pitches by which a band's middle may lie beside its lane's."""
_LEAN = 0.12
"""Columns per row by which all lanes may lean otherwise than they were traced."""
_STIFF = 0.02
"""How much a lane's own lean is held back against what all bands say."""
_OWN = 0.2
"""How much a lane's own place is held back against what all bands say."""
_SPECK = 0.5
"""Of the usual width of a band: what is narrower and stands at an end is no lane."""
_OWN_COLS = 0.7
"""Of a lane's width, to either side of its middle: what is brighter beyond is a mark or another lane."""
_LADDER = 3
"""Bands of a lane from which on it may be a ladder with narrow ones."""
_EVEN_LANES = 4
"""Lanes from which on their distances tell that they stand evenly."""
_REGULAR = 0.12
"""SD of the distances of lanes that stand evenly, as a share of their mean."""
_HALF_PITCH = 0.6
"""Of the distance of lanes: the halves of a hollow band stand closer."""
_SAME_ROWS = 0.75
"""Share of the rows of two lanes that both show, where they may be the halves of one."""
_HALVED = 0.5
"""Of the unevenness of lanes: halves of hollow bands are one lane where joining them takes more than the rest away."""


def settle_lanes(grid: SearchCopy, piece: StripCandidate, peaks: list[Peak], spans: list[Span]) -> StripCandidate:
    """Move, turn and widen the lanes of a strip to where their bands stand.

    All lanes lean alike; each takes the place that its own bands have. A lane without bands goes with the others.

    Parameters
    ----------
    grid : SearchCopy
        The coarse copy.
    piece : StripCandidate
        Strip with its lanes.
    peaks, spans
        Its bands, from `blotquant.detection.band_peaks.find_lane_peaks`.
    """
    if not peaks:
        return piece
    # Where each band's middle lies beside its lane's line, and how wide it is.
    places = _places(piece, peaks, spans)
    away, width, sure = _sides(grid, peaks, spans, places)
    weight = np.array([p.chance * min(p.snr, 30.0) / 30 for p in peaks])[sure]
    lanes, rows, away, width = np.array([p.lane for p in peaks])[sure], places[sure, 0], away[sure], width[sure]
    if not sure.any():
        return piece
    # All lanes lean alike, by as much as their bands stand aside further down.
    middle = float(np.average(rows, weights=weight))
    lean = _common_lean(lanes, rows - middle, away, weight)
    left = away - lean * (rows - middle)
    usual = float(np.average(left, weights=weight))
    widths = lane_widths(lanes, width, weight, len(piece.tracks))
    # Each lane takes the place of its own bands, drawn towards that of all.
    tracks = []
    for k, track in enumerate(piece.tracks):
        own = lanes == k
        total = float(weight[own].sum())
        place = (float((weight * left)[own].sum()) + _OWN * usual) / (total + _OWN)
        cols = track.cols + place + lean * (track.rows - middle)
        tracks.append(LaneTrace(track.rows, cols, _SOFT * widths[k], track.clear))
    return replace(piece, tracks=_apart(tracks))


def lane_widths(lanes: NDArray[np.intp], width: Floats, weight: Floats, n_lanes: int) -> list[float]:
    """Width of each lane: the strip's usual one, and its own as far as lanes differ by more than widths are known.

    The wells of a gel are alike, but bands spread; each lane is drawn towards all of them by empirical Bayes (Efron &
    Morris 1975).

    Parameters
    ----------
    lanes, width, weight : ndarray, shape (n,)
        Of each band: the index of its lane, its width in columns, and how far it can be trusted, 0 to 1.
    n_lanes : int
        Lanes of the strip, with and without bands.
    """
    # A lane's own width counts as far as lanes differ by more than one width is known.
    common = float(np.median(width))
    total = np.bincount(lanes, weight, n_lanes)
    known = total > 0
    own = np.where(known, np.bincount(lanes, weight * width, n_lanes) / np.where(known, total, 1), common)
    error = _WIDTH_SD**2 / np.where(known, total, 1)
    if known.sum() < _FEW:
        return [common] * n_lanes
    spread = max(robust_sd(own[known]) ** 2 - float(np.median(error[known])), 0.0)
    return [float(w) for w in common + (own - common) * spread / (spread + error)]


def _places(piece: StripCandidate, peaks: list[Peak], spans: list[Span]) -> Floats:
    """Where each band stands: row, column of its lane, and the columns between which it may lie; shape (n, 4).

    It may lie a little beyond half way to the neighbouring lanes; a lane at an end has the room of its only neighbour.
    """
    if not peaks:
        return np.zeros((0, 4))
    lane, each = np.array([p.lane for p in peaks]), np.arange(len(peaks))
    rows = np.array([float(spans[p.lane][0][0]) + p.row for p in peaks])
    cols = np.stack([track.col_at(rows) for track in piece.tracks])
    last = len(piece.tracks) - 1
    center = cols[lane, each]
    # Half way to both neighbours; an end lane has on its free side the room of its other one.
    before = np.where(lane > 0, cols[np.maximum(lane - 1, 0), each], np.nan)
    after = np.where(lane < last, cols[np.minimum(lane + 1, last), each], np.nan)
    pitch = np.fmin(np.abs(before - center), np.abs(after - center))
    pitch = np.where(np.isnan(pitch), 2 * np.array([piece.tracks[k].width for k in lane]), pitch)
    left = np.where(lane > 0, (center + before) / 2, center - 0.8 * pitch)
    right = np.where(lane < last, (center + after) / 2, center + 0.8 * pitch)
    return np.stack([rows, center, left, right], axis=1)


def _sides(
    grid: SearchCopy, peaks: list[Peak], spans: list[Span], places: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Where each band's middle stands beside its lane's, how wide it is, and whether both can be told.

    Its sides are those in the chance map, looked for from its lane's middle up to its neighbours'.
    """
    first, profile = _across(grid.prediction.bands, peaks, spans, places)
    _, center, lower, upper = places.T
    n_cols = np.count_nonzero(profile >= 0, axis=1)
    each, place = np.arange(len(profile)), np.arange(profile.shape[1])
    # The part of the band that is nearest to the lane's middle, and from it outwards to where the chance has halved.
    level = _SIDE * np.fmax.reduce(profile, axis=1, initial=0.0)
    near = np.abs(first[:, None] + place - center[:, None]).argmin(axis=1)
    inside = profile >= level[:, None]
    k = np.where(inside, np.abs(place - np.minimum(near, n_cols - 1)[:, None]), len(place)).argmin(axis=1)
    low = ~inside
    before = np.where(low & (place < k[:, None]), place, -1).max(axis=1)
    after = np.where(low & (place > k[:, None]), place, len(place)).min(axis=1)

    def crossing(outer: NDArray[np.intp], inner: NDArray[np.intp]) -> Floats:
        """Part of a column, from the inner one to the outer one, at which the level is crossed; a half at the end."""
        known = (outer >= 0) & (outer < n_cols)
        high, beyond = profile[each, inner], profile[each, np.where(known, outer, inner)]
        return np.where(known, (high - level) / np.maximum(high - beyond, 1e-9), 0.5)

    left = first + before + 1 - crossing(before, before + 1)
    right = first + after - 1 + crossing(after, after - 1)
    away, width = (left + right) / 2 - center, right - left
    sure = (n_cols >= 3) & (np.abs(away) <= _BESIDE * (upper - lower) / 2) & (level >= 0.15)
    return away, width, sure


def _across(
    image: NDArray[np.float32], peaks: list[Peak], spans: list[Span], places: Floats
) -> tuple[NDArray[np.intp], Floats]:
    """Each band's first column, and an image's mean over the band's core from there on, up to its last; NaN beyond.

    From half way to one neighbouring lane to half way to the other, along the slope of the row.
    """
    row, center, lower, upper = places.T
    height, width = image.shape
    first = np.maximum(np.ceil(lower), 0).astype(int)
    stop = np.minimum(upper.astype(int) + 1, width)
    cols = first[:, None] + np.arange(max(int((stop - first).max()), 1))
    tilt = np.array([np.interp(r, spans[p.lane][0], spans[p.lane][2]) for p, r in zip(peaks, row, strict=True)])
    half = np.maximum(1, np.rint([_CORE * p.width / 2 for p in peaks])).astype(int)
    deep = np.arange(-half.max(), half.max() + 1)
    at = np.rint(row[:, None] + tilt[:, None] * (cols - center[:, None]))[:, None] + deep[:, None]
    values = image[np.clip(at.astype(int), 0, height - 1), np.minimum(cols, width - 1)[:, None]]
    sums = (values * (np.abs(deep) <= half[:, None])[:, :, None]).sum(axis=1)
    profile = (sums / (2 * half + 1).astype(np.float32)[:, None]).astype(np.float64)
    return first, np.where(cols < stop[:, None], profile, np.nan)


def _lit_widths(
    grid: SearchCopy, piece: StripCandidate, peaks: list[Peak], spans: list[Span]
) -> NDArray[np.signedinteger]:
    """Columns of its lane in which each band shines at least half as bright as where it is brightest."""
    places = _places(piece, peaks, spans)
    first, profile = _across(grid.pixels, peaks, spans, places)
    place = np.arange(profile.shape[1])
    reach = _OWN_COLS * np.array([piece.tracks[p.lane].width for p in peaks])
    own = (np.abs(first[:, None] + place - places[:, 1:2]) <= reach[:, None]) & ~np.isnan(profile)
    # A hot pixel or a scratch in a band is not what is measured: the median of three neighbours.
    start, last = own.argmax(axis=1)[:, None], len(place) - 1 - own[:, ::-1].argmax(axis=1)[:, None]
    before, after = (
        np.take_along_axis(profile, np.clip(place + step, start, np.maximum(last, start)), axis=1) for step in (-1, 1)
    )
    middle = np.maximum(np.minimum(before, profile), np.minimum(np.maximum(before, profile), after))
    middle = np.where(own, middle, np.nan)
    half = (np.fmax.reduce(middle, axis=1) + np.fmin.reduce(middle, axis=1)) / 2
    return np.where(own.sum(axis=1) < 3, 0, np.count_nonzero(middle >= half[:, None], axis=1))


def _common_lean(lanes: NDArray[np.intp], rows: Floats, away: Floats, weight: Floats) -> float:
    """Columns per row by which all lanes lean more to the right: from bands that stand below each other."""
    n = int(lanes.max()) + 1
    total = np.maximum(np.bincount(lanes, weight, n), 1e-9)
    row = rows - (np.bincount(lanes, weight * rows, n) / total)[lanes]
    miss = away - (np.bincount(lanes, weight * away, n) / total)[lanes]
    spread = float((weight * row**2).sum())
    stiff = _STIFF * float((weight * rows**2).sum()) + 1e-9
    return float(np.clip((weight * row * miss).sum() / (spread + stiff), -_LEAN, _LEAN))


def _apart(tracks: list[LaneTrace]) -> tuple[LaneTrace, ...]:
    """No lane reaches into its neighbours'."""
    middles = np.array([float(np.mean(t.cols)) for t in tracks])
    gaps = np.diff(middles)
    room = np.minimum(np.append(gaps, np.inf), np.append(np.inf, gaps))
    return tuple(
        replace(t, width=float(min(t.width, 0.98 * gap))) if gap > 2 else t for t, gap in zip(tracks, room, strict=True)
    )


def without_specks(grid: SearchCopy, piece: StripCandidate, peaks: list[Peak], spans: list[Span]) -> list[Peak]:
    """Leave out what stands beyond the first or the last lane, far narrower than a band: dust, a scratch, a letter.

    Wells of one gel are alike (their bands differ by a third); lanes that the picture's edge cuts are kept, and those
    with several bands: a ladder's may be narrow.
    """
    if not peaks:
        return peaks
    # A lane is as wide as its widest band; specks at either end go, until none is left.
    widths: dict[int, list[int]] = {}
    for p, width in zip(peaks, _lit_widths(grid, piece, peaks, spans).tolist(), strict=True):
        widths.setdefault(p.lane, []).append(width)
    widest = {lane: max(values) for lane, values in widths.items()}
    lanes = sorted(widest)
    # Bands that the picture's edge cuts are narrow and no specks.
    last = grid.pixels.shape[1] - 1
    inside = {k: t.width / 2 <= float(np.mean(t.cols)) <= last - t.width / 2 for k, t in enumerate(piece.tracks)}
    while len(lanes) >= _FEW:
        usual = float(np.median([widest[k] for k in lanes]))
        specks = [
            k for k in (lanes[0], lanes[-1]) if widest[k] < _SPECK * usual and len(widths[k]) < _LADDER and inside[k]
        ]
        if not specks:
            break
        lanes = [k for k in lanes if k not in specks]
    return [p for p in peaks if p.lane in lanes]


def evened(piece: StripCandidate, peaks: list[Peak]) -> StripCandidate | None:
    """The strip with lanes that stand evenly, where some are halves of hollow bands or lie in free ground.

    Lanes that show nothing go where those with bands stand evenly without them: no well was left free, or one in each
    gap, and of those nothing is seen. The halves of a hollow band stand closer than lanes do, in the same rows, and
    joined they stand as evenly as the others.

    Returns
    -------
    StripCandidate or None
        None where the lanes stay as they are.
    """
    lit = [[i] for i in sorted({p.lane for p in peaks})]
    if _EVEN_LANES <= len(lit) < len(piece.tracks) and _unevenness(_middles(piece, lit)) < _REGULAR:
        return _joined(piece, lit)
    rows = [{p.group for p in peaks if p.lane == i} for i in range(len(piece.tracks))]
    # Halves may lie beside places in free ground that were taken for lanes: those that show nothing go first then.
    return _halves_joined(piece, [[i] for i in range(len(rows))], rows) or _halves_joined(piece, lit, rows)


def _halves_joined(piece: StripCandidate, groups: list[list[int]], rows: list[set[int]]) -> StripCandidate | None:
    """The strip with some of its lanes, halves of one band joined, the nearest first; None where that evens nothing."""
    best, middles = None, _middles(piece, [[i] for i in range(len(piece.tracks))])
    least = min(_HALVED * _unevenness(_middles(piece, groups)), _REGULAR)
    pairs = sorted(pairwise([own[0] for own in groups]), key=lambda pair: middles[pair[1]] - middles[pair[0]])
    for i, j in pairs:
        both = len(rows[i] & rows[j])
        if both < max(_SAME_ROWS * len(rows[i] | rows[j]), 1) or [i] not in groups or [j] not in groups:
            continue
        k = groups.index([i])
        groups = [*groups[:k], [i, j], *groups[k + 2 :]]
        trial = _middles(piece, groups)
        usual = float(np.median(np.diff(trial))) if len(groups) > 1 else 0.0
        apart = middles[j] - middles[i]
        if len(groups) < _EVEN_LANES or all(len(g) > 1 for g in groups) or apart > _HALF_PITCH * usual:
            break
        if _unevenness(trial) < least:
            best, least = groups, _unevenness(trial)
    return _joined(piece, best) if best is not None else None


def _middles(piece: StripCandidate, groups: list[list[int]]) -> Floats:
    """Middle column of each group of a strip's lanes, from the first to the last of them."""
    middles = [float(np.mean(t.cols)) for t in piece.tracks]
    return np.array([(middles[own[0]] + middles[own[-1]]) / 2 for own in groups])


def _unevenness(middles: Floats) -> float:
    """SD of the distances of neighbouring lanes over their mean; 0 with fewer than three lanes."""
    gaps = np.diff(middles)
    return float(np.std(gaps) / np.mean(gaps)) if len(gaps) > 1 else 0.0


def _joined(piece: StripCandidate, groups: list[list[int]]) -> StripCandidate:
    """The strip with one lane for each group of its lanes, from the left side of the first to the right of the last."""
    tracks = []
    for own in groups:
        first, last = piece.tracks[own[0]], piece.tracks[own[-1]]
        apart = last.col_at(first.rows) - first.cols
        width = float(np.mean(apart)) + (first.width + last.width) / 2
        tracks.append(LaneTrace(first.rows, first.cols + apart / 2, width, max(first.clear, last.clear)))
    return replace(
        piece,
        tracks=_apart(tracks),
        tops=tuple(min(piece.tops[i] for i in own) for own in groups),
        bottoms=tuple(max(piece.bottoms[i] for i in own) for own in groups),
    )


def with_count(tracks: list[LaneTrace], n_lanes: int, first: int, last: int) -> list[LaneTrace]:
    """Bring a strip to a given number of lanes.

    Parameters
    ----------
    tracks : list of LaneTrace
        All lanes that the phase tells of.
    n_lanes : int
        How many are wanted.
    first, last : int
        The first and the last of them that show a band.

    Returns
    -------
    list of Track
        Those that show bands and, as far as they are too few, empty ones beside them, the clearest first, then halves
        of the widest gap, then more of the same to the right; as far as they are too many, without the least clear at
        the ends.
    """
    # Too many: without the least clear at the ends.
    while last - first + 1 > n_lanes:
        first, last = (first + 1, last) if tracks[first].clear < tracks[last].clear else (first, last - 1)
    # Too few: with empty ones beside them, the clearest first.
    while last - first + 1 < n_lanes and (first > 0 or last < len(tracks) - 1):
        left = tracks[first - 1].clear if first > 0 else -1.0
        right = tracks[last + 1].clear if last < len(tracks) - 1 else -1.0
        first, last = (first - 1, last) if left > right else (first, last + 1)
    kept = tracks[first : last + 1]
    # Still too few: halves of the widest gap, then more to the right.
    while len(kept) < n_lanes:
        gaps = [float(np.mean(b.cols) - np.mean(a.cols)) for a, b in pairwise(kept)]
        usual = float(np.median(gaps)) if gaps else 1.3 * kept[0].width
        widest = int(np.argmax(gaps)) if gaps else 0
        if gaps and gaps[widest] > 1.5 * usual:
            a, b = kept[widest], kept[widest + 1]
            between = LaneTrace(a.rows, (a.cols + np.interp(a.rows, b.rows, b.cols)) / 2, min(a.width, b.width), 0.0)
            kept.insert(widest + 1, between)
        else:
            end = kept[-1]
            kept.append(LaneTrace(end.rows, end.cols + usual, end.width, 0.0))
    return kept
