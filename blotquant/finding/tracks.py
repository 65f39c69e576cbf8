"""Lanes of a strip in place: every row says where a lane's band stands, and the lane runs through these places."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blotquant.finding.candidates import Grid, Ridge
from blotquant.finding.profiles import Profile, quantile
from blotquant.finding.rows import row_profile
from blotquant.finding.strips import Piece, SeenRow

# Columns per row: the most that lanes lean, and how far they stray from right angles to the rows (on a coarse grid
# whose columns are twice as wide as its rows). Pitches that a band stands beside its lane's
# middle. Slope of rows, rows per column, that need not be the membrane's.
_LEAN, _OPEN, _SCATTER, _SMILE = 0.12, 0.015, 0.12, 0.02


@dataclass(frozen=True, slots=True)
class Track:
    """One lane on the coarse grid: a straight centre line, its width and how well it is seen."""

    offset: float
    slope: float
    width: float
    evidence: float
    n_rows: int

    def col_at(self, row: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Column of the centre at some rows."""
        return self.offset + self.slope * np.asarray(row, dtype=float)


@dataclass(frozen=True, slots=True)
class _Sighting:
    lane: int
    row: float
    col: float
    width: float
    weight: float
    main: float


def trace_lanes(grid: Grid, piece: Piece, *, keep_all: bool = False) -> tuple[Track, ...]:
    """Refine the comb's lanes with every row's bands, and drop end lanes in which nothing stands."""
    cols = np.arange(grid.pixels.shape[1])
    sightings: list[_Sighting] = []
    for row in piece.rows:
        profile, noise = row_profile(grid, row.curve, cols)
        sightings += _sight(row, profile, noise, piece)
    centers = np.asarray(piece.comb.centers)
    keep = _seen_range(sightings, len(centers), max(piece.rows, key=lambda r: r.weight).y_mid)
    if keep_all:
        keep = list(range(len(centers)))
    if not keep:
        return ()
    best = max(r.weight for r in piece.rows)
    firm = {r.y_mid for r in piece.rows if r.weight > 0.25 * best}
    slope = _common_slope([s for s in sightings if s.main in firm], piece.comb.pitch, _upright(grid, piece))
    tracks = [_track(k, float(centers[k]), slope, sightings, piece) for k in keep]
    return tuple(_fit_widths(tracks, piece.comb.pitch))


def extend_lanes(
    tracks: tuple[Track, ...], piece: Piece, ridges: tuple[Ridge, ...], limits: tuple[float, float]
) -> tuple[Track, ...]:
    """Add end lanes whose place beyond the comb holds a band as clear as the strip's own.

    Parameters
    ----------
    tracks : tuple of Track
        Lanes from left to right.
    piece : Piece
        Their strip.
    ridges : tuple of Ridge
        All ridges of the picture.
    limits : (float, float)
        Rows between which the strip lies.
    """
    contrast = float(np.median([r.contrast for row in piece.rows for r in row.curve.ridges]))
    height = float(np.median([row.curve.height for row in piece.rows]))
    usable = [
        r
        for r in ridges
        if limits[0] < r.row < limits[1]
        and r.contrast > 0.5 * contrast
        and r.snr > 8
        and r.height >= 0.7 * height
        and any(_level_with(r, row, tracks) for row in piece.rows)
    ]
    lanes = list(tracks)
    pitch = float(np.median(np.diff([t.offset for t in tracks]))) if len(tracks) > 2 else piece.comb.pitch
    for side in (-1, 1):
        for _ in range(3):
            added = _next_lanes(lanes, side, usable, pitch)
            if not added:
                break
            lanes = [*added[::-1], *lanes] if side < 0 else [*lanes, *added]
    inside = [r for r in ridges if limits[0] < r.row < limits[1] and r.contrast > 0.2 * contrast and r.snr > 8]
    for side in (-1, 1):
        ladder = _ladder_beside(lanes, side, inside, pitch)
        if ladder is not None:
            lanes = [ladder, *lanes] if side < 0 else [*lanes, ladder]
    return tuple(lanes)


def _ladder_beside(lanes: list[Track], side: int, ridges: list[Ridge], pitch: float) -> Track | None:
    """A lane beyond the last whose bands match no row: two or more, one below the other and as wide as a lane.

    Two must stand exactly where the next lane would, three or more may leave it a wider berth.
    """
    end = lanes[0] if side < 0 else lanes[-1]
    usual = float(np.median([t.width for t in lanes]))
    outside = [
        r
        for r in ridges
        if 0.6 * pitch < side * (r.col - float(end.col_at(r.row))) < 1.7 * pitch and 0.5 * usual < r.width < 2 * usual
    ]
    if len(outside) < 2:
        return None
    offsets = np.array([r.col - end.slope * r.row for r in outside])
    place = float(np.median(offsets))
    near = [r for r, offset in zip(outside, offsets, strict=True) if abs(offset - place) < 0.15 * pitch]
    width = float(np.median([r.width for r in near])) if near else 0.0
    in_step = abs(abs(place - end.offset) - pitch) < 0.15 * pitch and 0.8 * usual < width < 1.25 * usual
    if len(near) < (2 if in_step else 3) or np.ptp([r.row for r in near]) < 0.3 * pitch:
        return None
    return Track(place, end.slope, min(width, 0.95 * abs(place - end.offset)), 0.5, len(near))


def _level_with(ridge: Ridge, row: SeenRow, tracks: tuple[Track, ...]) -> bool:
    """Whether a ridge stands where a row of the lanes' own bands would run on."""
    left, right = float(tracks[0].col_at(ridge.row)), float(tracks[-1].col_at(ridge.row))
    others = [o.col for o in row.curve.ridges if o is not ridge]
    if not any(left - tracks[0].width / 2 < col < right + tracks[-1].width / 2 for col in others):
        return False
    at = float(row.curve.rows_at(np.array([ridge.col]))[0])
    return abs(at - ridge.row) < 1.5 * min(ridge.height, row.curve.height) + 3


def _next_lanes(lanes: list[Track], side: int, ridges: list[Ridge], pitch: float) -> list[Track]:
    """The next lane outwards, or an empty one and the next but one if that one stands in a row of the last."""
    near = _next_lane(lanes, side, ridges, pitch)
    if near is not None:
        return [near]
    end = lanes[0] if side < 0 else lanes[-1]
    own = [r for r in ridges if abs(r.col - float(end.col_at(r.row))) < 0.3 * pitch]
    level = [r for r in ridges if any(abs(r.row - o.row) < 0.7 * o.height + 0.1 * pitch for o in own)]
    far = _next_lane(lanes, side, [r for r in level if r.width > 0.6 * end.width], 2 * pitch, room=pitch)
    if far is None:
        return []
    return [Track((far.offset + end.offset) / 2, end.slope, min(end.width, far.width), 0.0, 0), far]


def _next_lane(
    lanes: list[Track], side: int, ridges: list[Ridge], pitch: float, *, room: float | None = None
) -> Track | None:
    end = lanes[0] if side < 0 else lanes[-1]
    room = pitch if room is None else room
    for ridge in sorted(ridges, key=lambda r: -r.contrast):
        center = float(end.col_at(ridge.row)) + side * pitch
        left, right = center - end.width / 2, center + end.width / 2
        overlap = min(right, ridge.right + 1) - max(left, ridge.left)
        own = ridge.width < 1.5 * end.width
        if overlap < 0.6 * end.width or ridge.width > 3.2 * end.width or (own and abs(ridge.col - center) > 0.4 * room):
            continue
        place = ridge.col if own else center
        return Track(place - end.slope * ridge.row, end.slope, min(end.width, room * 0.95), 0.3, 1)
    return None


def _sight(row: SeenRow, profile: Profile, noise: float, piece: Piece) -> list[_Sighting]:
    """Where a row's bands stand in the lanes: middle between the half heights."""
    pitch = piece.comb.pitch
    found = []
    covered = row.curve.mask(len(profile))
    edges = _lane_edges(np.asarray(piece.comb.centers), pitch)
    for k, (left, right) in enumerate(edges):
        a, b = max(0, round(left)), min(len(profile), round(right) + 1)
        if b - a < 4 or covered[a:b].mean() < 0.25:
            continue
        part = profile[a:b]
        # The upper fifth rather than the maximum: horns and specks are higher than the band.
        top = quantile(part, 0.8)
        if top < 4 * noise:
            continue
        inside = np.flatnonzero(part > 0.5 * top)
        middle = (inside[0] + inside[-1]) / 2 + a
        found.append(
            _Sighting(
                k,
                float(row.curve.rows_at(np.array([middle]))[0]),
                middle,
                float(inside[-1] - inside[0] + 1),
                row.weight * top,
                row.y_mid,
            )
        )
    return found


def _lane_edges(centers: Profile, pitch: float) -> list[tuple[float, float]]:
    """Half way to the neighbours; outermost lanes reach half a pitch out."""
    if len(centers) == 1:
        return [(centers[0] - 0.6 * pitch, centers[0] + 0.6 * pitch)]
    between = (centers[1:] + centers[:-1]) / 2
    first, last = (
        centers[0] - 0.6 * min(pitch, centers[1] - centers[0]),
        centers[-1] + 0.6 * min(pitch, centers[-1] - centers[-2]),
    )
    edges = np.concatenate([[first], between, [last]])
    return list(itertools.pairwise(edges))


def _seen_range(sightings: list[_Sighting], n: int, main_row: float) -> list[int]:
    """Lanes from the first to the last in which a band of a lane's width stands that is not negligible."""
    if not sightings:
        return []
    width = float(np.median([s.width for s in sightings]))
    total, in_main = np.zeros(n), np.zeros(n, dtype=bool)
    for s in sightings:
        if s.width > 0.4 * width:
            total[s.lane] += s.weight
            in_main[s.lane] |= abs(s.main - main_row) < 0.5
    seen = [int(k) for k in np.flatnonzero(total > 0)]
    strong = float(np.median(total[seen])) if seen else 0.0

    def doubtful(end: int, inner: int) -> bool:
        apart = abs(end - inner) > 1
        return bool(total[end] < 0.15 * strong and (apart or not in_main[end]))

    while len(seen) > 2 and doubtful(seen[0], seen[1]):
        seen = seen[1:]
    while len(seen) > 2 and doubtful(seen[-1], seen[-2]):
        seen = seen[:-1]
    return list(range(seen[0], seen[-1] + 1)) if seen else []


def _upright(grid: Grid, piece: Piece) -> float:
    """Columns per row of a line at right angles to the rows, on the coarse grid."""
    broad = 0.4 * (piece.right - piece.left)
    rows = [(r.curve.slope, r.weight * r.curve.covered) for r in piece.rows if r.curve.covered > broad]
    if not rows:
        return 0.0
    slopes, weights = zip(*rows, strict=True)
    lean = -float(np.average(slopes, weights=weights)) * grid.fy / grid.fx
    # A smile that is seen in part, or an uneven front, tilts rows a little where the membrane is straight.
    return (lean - float(np.clip(lean, -_SMILE, _SMILE))) * grid.fy / grid.fx


def _common_slope(sightings: list[_Sighting], pitch: float, upright: float) -> float:
    """Columns per row that all lanes lean.

    Where bands stand below each other in one lane they tell (median over pairs that lie apart); what they leave open
    is taken at right angles to the rows.
    """
    slopes, weights = [], []
    by_lane: dict[int, list[_Sighting]] = {}
    for s in sightings:
        by_lane.setdefault(s.lane, []).append(s)
    for group in by_lane.values():
        for i, a in enumerate(group):
            for b in group[i + 1 :]:
                if abs(a.row - b.row) > 0.5 * pitch:
                    slopes.append((a.col - b.col) / (a.row - b.row))
                    weights.append(abs(a.row - b.row))
    if len(slopes) < 3:
        return float(np.clip(upright, -_LEAN, _LEAN))
    order = np.argsort(slopes)
    total = np.cumsum(np.asarray(weights)[order])
    seen = float(np.asarray(slopes)[order][np.searchsorted(total, total[-1] / 2)])
    error = _SCATTER * pitch / np.sqrt((np.asarray(weights) ** 2).sum())
    trust = _OPEN**2 / (_OPEN**2 + error**2)
    return float(np.clip(trust * seen + (1 - trust) * upright, -_LEAN, _LEAN))


def _track(k: int, center: float, slope: float, sightings: list[_Sighting], piece: Piece) -> Track:
    own = [s for s in sightings if s.lane == k]
    evidence = piece.comb.evidence[k]
    if not own:
        y = float(np.mean([r.y_mid for r in piece.rows]))
        return Track(center - slope * y, slope, 0.0, float(evidence), 0)
    offsets = np.array([s.col - slope * s.row for s in own])
    weights = np.array([s.weight for s in own])
    order = np.argsort(offsets)
    total = np.cumsum(weights[order])
    offset = float(offsets[order][np.searchsorted(total, total[-1] / 2)])
    width = float(np.average([s.width for s in own], weights=weights))
    return Track(offset, slope, width, float(evidence), len(own))


def _fit_widths(tracks: list[Track], pitch: float) -> list[Track]:
    """Give every lane a sane width: near the strip's median and not into its neighbours."""
    typical = float(np.median([t.width for t in tracks if t.width > 0] or [0.7 * pitch]))
    fitted = []
    for k, t in enumerate(tracks):
        room = min([abs(t.offset - tracks[j].offset) for j in (k - 1, k + 1) if 0 <= j < len(tracks)] or [2 * pitch])
        wanted = t.width if t.width > 0 else typical
        width = float(np.clip(wanted, 0.7 * typical, 1.4 * typical))
        fitted.append(Track(t.offset, t.slope, min(width, 0.98 * room) if room > 2 else width, t.evidence, t.n_rows))
    return fitted
