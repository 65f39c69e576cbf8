"""The search of one copy of a picture: strips with the lanes that show bands, and those bands.

1. Strip candidates (`strip_candidates`) get their bands (`band_peaks`), and lanes settle on them (`lanes`).
2. A candidate whose lanes would have to run askew to its rows is two strips; lanes of a stated number are added, or
   doubtful ones left out; each lane ends some band heights beyond the strip's rows.
3. Rows of one gel may lie so far apart, or be seen in so few of its lanes, that they were taken for strips. Two strips
   above each other are joined where nothing speaks for a cut between them: the lanes of the one with fewer go on in the
   other's, and the bare membrane between them runs on without an edge, a gap or a line. Where that membrane runs on but
   most lanes do not, the smaller strip is no strip: it is doubted.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.detection.band_peaks import FoundStrip, Peak, find_lane_peaks, of_lanes
from blotquant.detection.lanes import evened, settle_lanes, with_count, without_specks
from blotquant.detection.outlines import full_lane
from blotquant.detection.prediction import SearchCopy
from blotquant.detection.strip_candidates import (
    LaneTrace,
    StripCandidate,
    candidate_of_lanes,
    find_strip_candidates,
)
from blotquant.imaging.robust import robust_sd
from blotquant.model.geometry import Lane
from blotquant.settings import DetectionSettings

_HEIGHTS = 5.0
"""Room above the first and below the last band of a lane, in band heights."""
_PITCHES = 1.2
"""The same room, in distances of lanes: the larger of the two holds."""
_SHORT = 0.8
"""Of the usual length of a strip's lanes: a shorter one goes as far as the lane beside it."""
_ASKEW = 0.105
"""Columns per row by which lanes stray from right angles to the rows at the most (six degrees)."""
_STAGGERED = 0.05
"""The same, where the rows leave out lanes at opposite ends."""
_BROAD = 0.4
"""Share of the longest row from which on others tell of its slope."""
_FAR = 8.0
"""Band heights between two rows that may be of two strips."""
_DOUBTFUL = 0.4
"""Clearness up to which a lane at an end is left out where a person counts fewer lanes."""

FEW_LANES = 3
"""Lanes of a strip from which on those of another can be told to be the same."""
IN_LINE = 0.2
"""Distances of lanes by which a lane of one strip may end beside where it goes on in the other."""
MOST = 0.75
"""Share of the lanes of the smaller strip that go on in the other from which on the others are no lanes."""
DOUBT = 0.2
"""Trust at the most in a strip whose lanes do not go on in those of another on the same membrane."""
FEW_ROWS = 6
"""Coarse rows between two strips from which on they tell of an edge."""
ROUNDING = 0.3
"""Standard deviation of a rounded count, in steps of the stored counts."""
BEND = 4.0
"""SD in coarse rows of what the level of uncut membrane is smoothed by: haze is smoother, an edge is not."""
EDGE_SDS = 6.0
"""SDs of the membrane's level in one row: a row that strays further from its neighbours is an edge or a gap."""


def search(
    grid: SearchCopy, settings: DetectionSettings, n_lanes: int | None = None, *, exact: bool = False
) -> list[FoundStrip]:
    """Find the strips of a picture, the lanes and the bands of each, in reading order.

    Parameters
    ----------
    grid : SearchCopy
        The copy that is searched.
    settings : DetectionSettings
        Parameters of the search.
    n_lanes : int, optional
        Lanes of each strip as a person counts them: lanes that show nothing are added up to it, and doubtful ones at
        the ends left out down to it, but no lane that shows clear bands.
    exact : bool
        Give each strip so many lanes whatever it shows.
    """
    found = [s for piece in find_strip_candidates(grid) for s in _strips(grid, piece, settings, n_lanes, exact=exact)]
    if len(found) > 1:
        found = [s for s in found if len({p.lane for p in s.peaks}) > 1] or found[:1]
    return found


def _strips(
    grid: SearchCopy, piece: StripCandidate, settings: DetectionSettings, n_lanes: int | None, *, exact: bool
) -> list[FoundStrip]:
    """The strip of a piece with the lanes from the first to the last that show a band, or as many as are wanted.

    Two strips where the lanes would have to run askew to the rows.
    """
    # All lanes that the phase tells of; kept are those from the first to the last with a band.
    peaks, spans = find_lane_peaks(grid, piece, settings)
    peaks = without_specks(grid, piece, peaks, spans)
    if not peaks:
        return []
    first, last = min(p.lane for p in peaks), max(p.lane for p in peaks)
    own, lines = of_lanes(peaks, first, last), spans[first : last + 1]
    kept = settle_lanes(grid, piece.between(first, last), own, lines)
    # Two membranes that lie aside of each other look like one whose lanes lean.
    parts = _askew_parts(grid, kept, own)
    if parts:
        halves = [piece.within(top, bottom) for top, bottom in parts]
        return [strip for half in halves for strip in _strips(grid, half, settings, n_lanes, exact=exact)]
    found = bounded(grid, FoundStrip(grid, kept, own, lines))
    if n_lanes == last - first + 1:
        return [found]
    # Halves of hollow bands and lanes in free ground are told by how evenly lanes stand without them.
    even = evened(kept, own)
    if even is not None:
        piece, first, last = even, 0, len(even.tracks) - 1
        found = FoundStrip(grid, even, *find_lane_peaks(grid, even, settings), rivals=(len(kept.tracks),))
        found = bounded(grid, found)
    # A count that a person states adds empty lanes or takes doubtful ones off, never one with clear bands.
    if n_lanes is None or last - first + 1 == n_lanes:
        return [found]
    if not exact:
        first, last = _without_doubtful_ends(piece.tracks, first, last, n_lanes)
    if last - first + 1 > n_lanes and not exact:
        return [found]
    tracks = tuple(with_count(list(piece.tracks), n_lanes, first, last))
    tops, bottoms = (float(np.median(ends)) for ends in (piece.tops, piece.bottoms))
    counted = replace(piece, tracks=tracks, tops=(tops,) * n_lanes, bottoms=(bottoms,) * n_lanes)
    counted = settle_lanes(grid, counted, *find_lane_peaks(grid, counted, settings))
    return [bounded(grid, FoundStrip(grid, counted, *find_lane_peaks(grid, counted, settings)))]


def _without_doubtful_ends(tracks: tuple[LaneTrace, ...], first: int, last: int, n_lanes: int) -> tuple[int, int]:
    """First and last lane when doubtful ones at the ends are left out, the least clear first, down to a number."""
    while last - first + 1 > n_lanes:
        least = first if tracks[first].clear < tracks[last].clear else last
        if tracks[least].clear > _DOUBTFUL:
            break
        first, last = (first + 1, last) if least == first else (first, last - 1)
    return first, last


def _askew_parts(grid: SearchCopy, piece: StripCandidate, peaks: list[Peak]) -> list[tuple[float, float]]:
    """Rows of the parts of a piece whose lanes are far from right angles to its rows; none where they are not.

    Two membranes that lie aside of each other look like one whose lanes lean, but a gel runs straight.
    """
    # The slope of the longest rows, and the lean of the lanes, in pixels of the picture.
    rows = [r for r in piece.rows if len(r.cols) > _BROAD * max(len(x.cols) for x in piece.rows)]
    levels = sorted({p.group: p.level for p in peaks}.values())
    gaps = np.diff(levels)
    if not rows or len(gaps) == 0:
        return []
    slopes = [float(np.polynomial.Polynomial.fit(r.cols, r.rows, 1).deriv()(0.0)) for r in rows if len(r.cols) > 1]
    slope = float(np.average(slopes, weights=[len(r.cols) for r in rows if len(r.cols) > 1])) * grid.fy / grid.fx
    ends = [(t.col_at(bottom) - t.col_at(top)) / max(bottom - top, 1.0) for t, top, bottom in piece.lines()]
    lean = float(np.median(ends)) * grid.fx / grid.fy
    widest = int(np.argmax(gaps))
    heights = gaps[widest] / float(np.median([p.width for p in peaks]))
    cut = (levels[widest] + levels[widest + 1]) / 2
    # Whether the rows above a level and those below it leave out lanes at opposite ends.
    above, below = ([p.lane for p in peaks if (p.level < cut) == side] for side in (True, False))
    most = _STAGGERED if ((min(above) - min(below)) * (max(above) - max(below)) > 0) else _ASKEW
    if abs(lean + slope) < most or heights < _FAR:
        return []
    return [(-np.inf, cut), (cut, np.inf)]


def bounded(grid: SearchCopy, found: FoundStrip) -> FoundStrip:
    """Give each lane its first and last row: some room around the strip's bands, inside the strip."""
    piece = found.piece
    if not found.peaks:
        return found
    middles = [float(np.mean(t.cols)) for t in piece.tracks]
    pitch = float(np.median(np.diff(middles))) if len(middles) > 1 else 1.4 * piece.tracks[0].width
    # Room for some band heights or lane distances above the first and below the last row.
    room = max(_HEIGHTS * float(np.median([p.width for p in found.peaks])), _PITCHES * pitch * grid.fx / grid.fy)
    lowest, highest = max(p.level for p in found.peaks) + room, min(p.level for p in found.peaks) - room
    tops, bottoms = [], []
    for (rows, level, _), top, bottom in zip(found.spans, piece.tops, piece.bottoms, strict=True):
        inside = rows[(level >= highest) & (level <= lowest)]
        tops.append(max(top, float(inside[0])) if len(inside) else top)
        bottoms.append(min(bottom, float(inside[-1])) if len(inside) else bottom)
    # A lane of which the network sees a part is as long as its neighbour.
    lengths = np.subtract(bottoms, tops)
    whole = np.flatnonzero(lengths >= _SHORT * float(np.median(lengths)))
    # What the network sees of an outer lane may end early; it goes as far as its neighbour.
    for k in np.flatnonzero(lengths < _SHORT * float(np.median(lengths))):
        near = int(whole[np.argmin(np.abs(whole - k))])
        tops[k], bottoms[k] = min(tops[k], tops[near]), max(bottoms[k], bottoms[near])
    return replace(found, piece=replace(piece, tops=tuple(tops), bottoms=tuple(bottoms)))


def join_far_rows(usual: SearchCopy, found: list[FoundStrip], settings: DetectionSettings) -> list[FoundStrip]:
    """Join strips below each other that are rows of one membrane.

    Parameters
    ----------
    usual : SearchCopy
        The picture.
    found : list of FoundStrip
        Strips of the picture.
    settings : DetectionSettings
        Parameters of the search.

    Returns
    -------
    list of FoundStrip
        The joined ones with the bands of both, found anew in the joined lanes; the others as they are.
    """
    # Pairs are tried until none changes.
    strips = list(found)
    # Strips are kept here for as long as their identities tell them apart.
    settled: list[tuple[FoundStrip, FoundStrip]] = []
    grown: list[FoundStrip] = []
    while True:
        for base, other in permutations(strips, 2):
            if not any(base is a and other is b for a, b in settled):
                break
        else:
            return strips
        settled.append((base, other))
        changed = _one_strip(usual, base, other, settings, beside=any(base is f for f in grown))
        if changed is not None:
            grown += [f for f in changed if f is not base]
            strips = [f for f in strips if f is not base and f is not other] + changed


def _one_strip(
    usual: SearchCopy, base: FoundStrip, other: FoundStrip, settings: DetectionSettings, *, beside: bool
) -> list[FoundStrip] | None:
    """One strip of both, or both with the second doubted; None where they may be two pieces of membrane.

    `beside` says that a strip was joined to the first before, at whose side the second may lie.
    """
    lanes, more = ([full_lane(f.copy, f.piece, i, f"l{i}", "s") for i in range(len(f.piece.tracks))]
                   for f in (base, other))  # fmt: skip
    if len(lanes) < FEW_LANES or not 2 <= len(more) <= len(lanes) or not base.peaks or not other.peaks:
        return None
    # Columns of both strips' lanes at the rows of the other one: which of them go on in it.
    first, last = _rows_of(other)
    middle = (first + last) / 2
    cols, places = (np.array([_extended(lane, middle) for lane in some]) for some in (lanes, more))
    pitch = float(np.median(np.diff(cols)))
    away = np.abs(places[:, None] - cols)
    same = away.min(axis=1) <= IN_LINE * pitch
    if places.min() < cols.min() - IN_LINE * pitch or places.max() > cols.max() + IN_LINE * pitch:
        return None
    # The other strip lies above or below the bands of the lanes that go on in it.
    top, bottom = _rows_of(base, set(away.argmin(axis=1).tolist()))
    gap = (bottom, first) if first >= bottom else (last, top) if last <= top else None
    if gap is None and not beside:
        return None
    if gap is not None:
        c0, c1 = usual.col_of([places.min(), places.max()])
        r0, r1 = usual.row_of(gap)
        if not _is_bare(usual.pixels[int(r0) : int(r1) + 1, max(0, int(c0)) : int(c1) + 1], usual.step):
            return None
    if same.sum() < max(2, MOST * len(more)):
        # Two pieces may lie side by side below a third; lanes that lie across those of one gel are none of its lanes.
        if len(more) == len(lanes) or gap is None or other.trust <= DOUBT:
            return None
        return [base, replace(other, trust=DOUBT)]
    # A lane of which one strip shows little may lean; the nearest is still its own.
    partner = {int(away[j].argmin()): more[j] for j in np.flatnonzero(away.min(axis=1) < pitch / 2)}
    ends = (max(lane.row_range[1] for lane in more), min(lane.row_range[0] for lane in more))
    lanes = [_continued(lane, partner.get(k), *ends) for k, lane in enumerate(lanes)]
    clear = [track.clear for track in base.piece.tracks]
    if len(more) == len(lanes):
        clear = [min(c, track.clear) for c, track in zip(clear, other.piece.tracks, strict=True)]
    copy = base.copy if base.copy is other.copy else usual
    piece = candidate_of_lanes(copy, lanes)
    piece = replace(piece, tracks=tuple(replace(t, clear=c) for t, c in zip(piece.tracks, clear, strict=True)))
    peaks, spans = find_lane_peaks(copy, piece, settings)
    trust = min(base.trust, other.trust) if len(more) == len(lanes) else base.trust
    return [bounded(copy, FoundStrip(copy, piece, peaks, spans, trust=trust, rivals=base.rivals))]


def _rows_of(f: FoundStrip, lanes: Container[int] | None = None) -> tuple[float, float]:
    """Rows of the picture between which the bands of a strip, or of some of its lanes, lie."""
    peaks = [p for p in f.peaks if lanes is None or p.lane in lanes] or f.peaks
    rows = [float(f.spans[p.lane][0][0]) + p.row + side * p.width for p in peaks for side in (-2, 2)]
    top, bottom = f.copy.to_full(np.array([min(rows), max(rows)]), np.zeros(2))[0].tolist()
    return top, bottom


def _continued(lane: Lane, other: Lane | None, last: float, first: float) -> Lane:
    """A lane that runs on through the other strip's, or straight on over its rows where it has none there."""
    # The other strip lies below, or above; without a lane there this one runs straight on.
    (r0, _), (r1, _) = lane.center[0], lane.center[-1]
    center = lane.center
    if other is not None and other.center[0][0] > r1:
        center = (*center, *other.center)
    elif other is not None and other.center[-1][0] < r0:
        center = (*other.center, *center)
    elif last > r1:
        center = (*center, (last, _extended(lane, last)))
    elif first < r0:
        center = ((first, _extended(lane, first)), *center)
    widths = (*lane.widths, *(other.widths if other is not None else ()))
    return replace(lane, center=center, widths=(float(np.mean(widths)),) * len(center))


def _extended(lane: Lane, row: float) -> float:
    """Column of a lane at a row beyond its end, where it runs on as straight as from end to end."""
    (r0, c0), (r1, c1) = lane.center[0], lane.center[-1]
    return c0 + (c1 - c0) * (row - r0) / max(r1 - r0, 1.0)


def _is_bare(between: NDArray[np.floating], step: float) -> bool:
    """Whether the level of membrane between two strips runs smoothly down, row by row, within its noise."""
    if len(between) < FEW_ROWS or between.shape[1] < FEW_ROWS:
        return False
    # Rows without any grain are paper, or ground that an export cut off: whether a cut lies there cannot be told.
    if not np.subtract(*np.percentile(between, [90, 10], axis=1)).all():
        return False
    level = np.median(between, axis=1).astype(np.float64)
    noise = max(robust_sd(np.diff(level)) / np.sqrt(2), ROUNDING * step)
    smooth = ndimage.gaussian_filter1d(level, BEND, mode="nearest")
    return bool(noise > 0 and np.abs(level - smooth).max() <= EDGE_SDS * noise)
