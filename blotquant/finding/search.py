"""The search of one picture: strips with the lanes that show bands, and those bands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from blotquant.finding.bands import Peak
from blotquant.finding.frames import Span, find_lane_peaks, of_lanes
from blotquant.finding.lanes import with_count
from blotquant.finding.pieces import Piece, find_pieces
from blotquant.finding.settling import settle_lanes
from blotquant.finding.sight import Grid
from blotquant.settings import DetectionSettings

# Room above the first and below the last band of a lane: band heights, and distances of lanes.
_HEIGHTS, _PITCHES = 5.0, 1.2
# Columns per row by which lanes stray from right angles to the rows at the most (six degrees), and where the rows
# leave out lanes at opposite ends; share of the longest row from which on others tell of its slope, and band heights
# between two rows that may be of two strips.
_ASKEW, _STAGGERED, _BROAD, _FAR = 0.105, 0.05, 0.4, 8.0


@dataclass(frozen=True, eq=False, slots=True)
class FoundStrip:
    """A strip with its bands and the profiles in which they were found."""

    piece: Piece
    peaks: list[Peak]
    spans: list[Span]


def search(grid: Grid, settings: DetectionSettings, n_lanes: int | None) -> list[FoundStrip]:
    """Find the strips of a picture, the lanes and the bands of each, in reading order."""
    found = [strip for piece in find_pieces(grid) for strip in _strips(grid, piece, settings, n_lanes)]
    if len(found) > 1:
        found = [s for s in found if len({p.lane for p in s.peaks}) > 1] or found[:1]
    return found


def _strips(grid: Grid, piece: Piece, settings: DetectionSettings, n_lanes: int | None) -> list[FoundStrip]:
    """The strip of a piece with the lanes from the first to the last that show a band, or as many as are wanted.

    Two strips where the lanes would have to run askew to the rows.
    """
    peaks, spans = find_lane_peaks(grid, piece, settings)
    if not peaks:
        return []
    first, last = min(p.lane for p in peaks), max(p.lane for p in peaks)
    own, lines = of_lanes(peaks, first, last), spans[first : last + 1]
    kept = settle_lanes(grid, piece.between(first, last), own, lines)
    parts = _askew_parts(grid, kept, own)
    if parts:
        halves = [piece.within(top, bottom) for top, bottom in parts]
        return [strip for half in halves for strip in _strips(grid, half, settings, n_lanes)]
    if n_lanes is None or last - first + 1 == n_lanes:
        return [bounded(grid, FoundStrip(kept, own, lines))]
    tracks = tuple(with_count(list(piece.tracks), n_lanes, first, last))
    tops, bottoms = (float(np.median(ends)) for ends in (piece.tops, piece.bottoms))
    counted = replace(piece, tracks=tracks, tops=(tops,) * n_lanes, bottoms=(bottoms,) * n_lanes)
    return [bounded(grid, FoundStrip(counted, *find_lane_peaks(grid, counted, settings)))]


def _askew_parts(grid: Grid, piece: Piece, peaks: list[Peak]) -> list[tuple[float, float]]:
    """Rows of the parts of a piece whose lanes are far from right angles to its rows; none where they are not.

    Two membranes that lie aside of each other look like one whose lanes lean, but a gel runs straight.
    """
    rows = [r for r in piece.rows if r.covered > _BROAD * max(x.covered for x in piece.rows)]
    levels = sorted({p.group: p.level for p in peaks}.values())
    gaps = np.diff(levels)
    if not rows or len(gaps) == 0:
        return []
    slopes = [float(np.polynomial.Polynomial.fit(*r.points, 1).convert().coef[1]) for r in rows if r.covered > 1]
    slope = float(np.average(slopes, weights=[r.covered for r in rows if r.covered > 1])) * grid.fy / grid.fx
    ends = [(t.col_at(bottom) - t.col_at(top)) / max(bottom - top, 1.0) for t, top, bottom in piece.lines()]
    lean = float(np.median(ends)) * grid.fx / grid.fy
    widest = int(np.argmax(gaps))
    heights = gaps[widest] / float(np.median([p.width for p in peaks]))
    cut = (levels[widest] + levels[widest + 1]) / 2
    most = _STAGGERED if _staggered(peaks, cut) else _ASKEW
    if abs(lean + slope) < most or heights < _FAR:
        return []
    return [(-np.inf, cut), (cut, np.inf)]


def _staggered(peaks: list[Peak], cut: float) -> bool:
    """Whether the rows above a level and those below it leave out lanes at opposite ends."""
    above, below = ([p.lane for p in peaks if (p.level < cut) == side] for side in (True, False))
    return (min(above) - min(below)) * (max(above) - max(below)) > 0


def bounded(grid: Grid, found: FoundStrip) -> FoundStrip:
    """Give each lane its first and last row: some room around the strip's bands, inside the strip."""
    piece = found.piece
    if not found.peaks:
        return found
    middles = [float(np.mean(t.cols)) for t in piece.tracks]
    pitch = float(np.median(np.diff(middles))) if len(middles) > 1 else 1.4 * piece.tracks[0].width
    room = max(_HEIGHTS * float(np.median([p.width for p in found.peaks])), _PITCHES * pitch * grid.fx / grid.fy)
    lowest, highest = max(p.level for p in found.peaks) + room, min(p.level for p in found.peaks) - room
    tops, bottoms = [], []
    for (rows, level, _), top, bottom in zip(found.spans, piece.tops, piece.bottoms, strict=True):
        inside = rows[(level >= highest) & (level <= lowest)]
        tops.append(max(top, float(inside[0])) if len(inside) else top)
        bottoms.append(min(bottom, float(inside[-1])) if len(inside) else bottom)
    return replace(found, piece=replace(piece, tops=tuple(tops), bottoms=tuple(bottoms)))
