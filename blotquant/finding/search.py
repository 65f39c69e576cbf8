"""Strips of a picture with their lanes, on the coarse grid: from ridges over rows to pieces of membrane."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from blotquant.finding.candidates import Grid, Ridge, find_ridges
from blotquant.finding.cuts import find_cut
from blotquant.finding.lanes import Comb
from blotquant.finding.rows import chain_rows
from blotquant.finding.strips import Piece, group_rows, recount, see_rows
from blotquant.finding.tracks import Track, extend_lanes, trace_lanes
from blotquant.geometry import Lane

# Evidence of lanes between which no clear notch runs.
_FAINT = 0.15
# Contrast of a small strip's bands, of that of the other strips'.
_CLEAR = 0.1


@dataclass(frozen=True, slots=True)
class FoundStrip:
    """A strip with its lanes, the rows they run over, and the rows beyond which other things begin."""

    piece: Piece
    tracks: tuple[Track, ...]
    tops: tuple[float, ...]
    bottoms: tuple[float, ...]
    limits: tuple[float, float]

    def doubts(self) -> list[tuple[int, float]]:
        """Other numbers of lanes that the picture allows, and how likely they are."""
        n = len(self.tracks)
        weak = sum(lane_confidence(t) < 0.6 for t in (self.tracks[0], self.tracks[-1])) if n > 2 else 0
        if weak:
            return [(n - weak, 0.3)]
        # Lanes of a fused slab: one more or fewer would stand nearly as well where most notches are faint.
        faint = sum(t.evidence < _FAINT for t in self.tracks)
        return [(n - 1, 0.15), (n + 1, 0.15)] if n > 2 and faint > 0.5 * n else []


def search(grid: Grid, n_lanes: int | None) -> list[FoundStrip]:
    """Find the strips of a picture and the lanes of each, top to bottom."""
    ridges = find_ridges(grid)
    rows = chain_rows(ridges, reach=_reach(grid, ridges))
    found = []
    for piece in select_pieces(grid, group_rows(grid, see_rows(grid, rows))):
        if n_lanes is not None:
            piece = recount(piece, n_lanes)
        tracks = trace_lanes(grid, piece, keep_all=n_lanes is not None)
        if tracks:
            found.append((_rows_in_lanes(piece, tracks), tracks))
    bounded = _bound(grid, found)
    if n_lanes is None:
        extended = [(f.piece, extend_lanes(f.tracks, f.piece, ridges, (min(f.tops), max(f.bottoms)))) for f in bounded]
        bounded = _bound(grid, extended)
    return bounded


def _reach(grid: Grid, ridges: tuple[Ridge, ...]) -> float:
    """Widest gap in a row, coarse columns: a lane or two may be empty."""
    width = float(np.median([r.width for r in ridges])) if ridges else 0.0
    return float(np.clip(2.2 * width, 0.1 * grid.pixels.shape[1], 0.2 * grid.pixels.shape[1]))


def select_pieces(grid: Grid, pieces: list[Piece]) -> list[Piece]:
    """Drop what is no strip beside the clear ones: writing, dust, membrane edges, rows amid another strip's."""
    if not pieces:
        return []
    best = max(p.weight for p in pieces)
    kept: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: -p.weight):
        if piece.comb.score < 0.9:
            continue
        if piece.weight < 0.25 * best and not _cut_off(grid, piece, kept):
            continue
        if not any(_amid(piece, other) or _writing(piece, other) for other in kept):
            kept.append(piece)
    return sorted(kept, key=lambda p: (min(r.y_mid for r in p.rows), p.left))


def _cut_off(grid: Grid, piece: Piece, others: list[Piece]) -> bool:
    """Whether a small piece of clear bands lies on a membrane of its own: its edge runs between it and each other."""
    row = max(piece.rows, key=lambda r: r.weight)
    if row.comb is None or len(row.comb.centers) < 2:
        return False
    for other in others:
        main = max(other.rows, key=lambda r: r.weight)
        alike = 0.6 < row.curve.height / main.curve.height < 1.7 and 0.6 < piece.comb.pitch / other.comb.pitch < 1.7
        if not alike or row.curve.contrast < _CLEAR * main.curve.contrast:
            return False
        near = min(other.rows, key=lambda r: abs(r.y_mid - row.y_mid))
        upper, lower = sorted((near, row), key=lambda r: r.y_mid)
        if find_cut(grid, upper.curve, lower.curve) is None:
            return False
    return True


def _amid(piece: Piece, other: Piece) -> bool:
    """Whether a piece's rows lie between those of another, or beside it with much less behind it."""
    room = 2 * float(np.median([r.curve.height for r in other.rows]))
    top, bottom = min(r.y_mid for r in other.rows) - room, max(r.y_mid for r in other.rows) + room
    level = top < max(piece.rows, key=lambda r: r.weight).y_mid < bottom
    return level and (_over(piece, other) or piece.weight < 0.5 * other.weight)


def _writing(piece: Piece, other: Piece) -> bool:
    """Whether a weaker piece has teeth much narrower or wider than another's lanes."""
    ratio = piece.comb.pitch / other.comb.pitch
    return piece.weight < 0.6 * other.weight and not 0.4 < ratio < 2.5


def _over(a: Piece, b: Piece) -> bool:
    return min(a.right, b.right) > max(a.left, b.left)


def _rows_in_lanes(piece: Piece, tracks: tuple[Track, ...]) -> Piece:
    """Leave out rows that lie beside the lanes: writing that was taken for a row."""
    y = float(np.mean([r.y_mid for r in piece.rows]))
    left = float(tracks[0].col_at(y)) - tracks[0].width / 2
    right = float(tracks[-1].col_at(y)) + tracks[-1].width / 2
    least = 0.6 * float(np.median([t.width for t in tracks]))
    rows = tuple(r for r in piece.rows if min(r.curve.right, right) - max(r.curve.left, left) >= least)
    return replace(piece, rows=rows) if rows else piece


def _bound(grid: Grid, found: list[tuple[Piece, tuple[Track, ...]]]) -> list[FoundStrip]:
    """Give each lane its first and last row: some room around the strip's rows, not across a cut."""
    out = []
    for k, (piece, tracks) in enumerate(found):
        height = float(np.median([r.curve.height for r in piece.rows]))
        room = max(5 * height, 1.2 * piece.comb.pitch * grid.fx / grid.fy)
        main = [r.curve for r in piece.rows]
        tops, bottoms = [], []
        for t in tracks:
            x = np.array([float(t.col_at(float(np.mean([r.y_mid for r in piece.rows]))))])
            ys = [float(c.rows_at(x)[0]) for c in main]
            tops.append(min(ys) - room)
            bottoms.append(max(ys) + room)
        upper = [f for f in found[:k] if _over(f[0], piece)]
        lower = [f for f in found[k + 1 :] if _over(f[0], piece)]
        top_limit, bottom_limit = 0.0, grid.pixels.shape[0] - 1.0
        for other, _ in upper:
            a, b = max(other.rows, key=lambda r: r.y_mid), min(piece.rows, key=lambda r: r.y_mid)
            cut = find_cut(grid, a.curve, b.curve)
            top_limit = max(top_limit, cut if cut is not None else (a.y_mid + b.y_mid) / 2)
        for other, _ in lower:
            a, b = max(piece.rows, key=lambda r: r.y_mid), min(other.rows, key=lambda r: r.y_mid)
            cut = find_cut(grid, a.curve, b.curve)
            bottom_limit = min(bottom_limit, cut if cut is not None else (a.y_mid + b.y_mid) / 2)
        # A cut's mean row may lie beside a slanted row's end: the lane keeps its own bands in any case.
        own = room - 2.5 * height
        tops = [float(np.clip(max(t, top_limit), 0, min(t + own, grid.pixels.shape[0] - 3))) for t in tops]
        bottoms = [float(np.clip(min(b, bottom_limit), max(b - own, 3), grid.pixels.shape[0] - 1)) for b in bottoms]
        out.append(FoundStrip(piece, tracks, tuple(tops), tuple(bottoms), (top_limit, bottom_limit)))
    return out


def rows_in_lanes(grid: Grid, lanes: list[Lane]) -> FoundStrip:
    """The strip of given lanes on the coarse grid, with the rows that cross them."""
    tracks = tuple(_track_of(grid, lane) for lane in lanes)
    tops = tuple((lane.row_range[0] - (grid.fy - 1) / 2) / grid.fy for lane in lanes)
    bottoms = tuple((lane.row_range[1] - (grid.fy - 1) / 2) / grid.fy for lane in lanes)
    left, right = tracks[0].offset - tracks[0].width, tracks[-1].offset + tracks[-1].width
    ridges = find_ridges(grid)
    rows = see_rows(grid, chain_rows(ridges, reach=_reach(grid, ridges)))
    inside = tuple(
        r
        for r in rows
        if min(tops) < r.y_mid < max(bottoms)
        and min(r.curve.right, right) - max(r.curve.left, left) > 0.5 * r.curve.covered
    )
    pitch = float(np.median(np.diff([t.offset for t in tracks]))) if len(tracks) > 1 else 1.5 * tracks[0].width
    comb = Comb(tuple(t.offset for t in tracks), (0.5,) * len(tracks), pitch, float(len(tracks)))
    piece = Piece(inside, comb)
    return FoundStrip(piece, tracks, tops, bottoms, (min(tops), max(bottoms)))


def _track_of(grid: Grid, lane: Lane) -> Track:
    (r0, c0), (r1, c1) = lane.center[0], lane.center[-1]
    slope = (c1 - c0) / (r1 - r0) * grid.fy / grid.fx
    first = ((r0 - (grid.fy - 1) / 2) / grid.fy, (c0 - (grid.fx - 1) / 2) / grid.fx)
    return Track(first[1] - slope * first[0], slope, float(np.mean(lane.widths)) / grid.fx, 0.5, 1)


def lane_confidence(t: Track) -> float:
    """Confidence of a lane: how clear its notches are, and whether more than one row shows it."""
    if t.n_rows == 0:
        return 0.45
    return float(np.clip(0.6 + 0.6 * t.evidence + 0.05 * min(t.n_rows - 1, 3), 0.3, 0.99))
