"""What was found on the coarse grid, drawn on the picture's own: strips, lanes, and the outlines of bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from blotquant.finding.bands import Peak
from blotquant.finding.frames import Span
from blotquant.finding.lanes import Track
from blotquant.finding.pieces import Piece
from blotquant.finding.search import FoundStrip
from blotquant.finding.sight import Grid
from blotquant.finding.traces import Trace, trace_band
from blotquant.geometry import Band, Lane, Strip, polygon

# Half of an outline's height, in full widths at half maximum: 2.6 SDs of a Gaussian band.
_REACH = 1.1
# Of the distance between two rows that a valley parts, the most that an outline reaches towards the other, and pixels
# left free before the middle: rows whose outlines meet are taken for bands that run into each other.
_APART, _GAP_PX = 0.43, 1.4
# Of that distance, the height of the part in which a band's own line is looked for.
_SEEN_OF_GAP = 0.45
# Heights between two bands of a lane that stand close.
_CLOSE = 1.3
# Height of such a band over that of the core that is seen of it.
_SQUEEZED = 1.3
# Rows of bow that no outline shows, columns of bend that no lane does, and nodes of a lane that bends.
_STRAIGHT, _NODES = 0.25, 5
# Clearness of a lane that is one as likely as not, and how fast its chance rises with it.
_EVEN, _STEEP = 0.35, 12.0


def full_strip(grid: Grid, piece: Piece, strip_id: str, number: int) -> Strip:
    """A strip on the picture's own grid: all of its lanes with some room beside."""
    first, last = piece.tracks[0], piece.tracks[-1]
    (top_left, top_right), (bottom_left, bottom_right) = ((ends[0], ends[-1]) for ends in (piece.tops, piece.bottoms))
    corners = [
        (top_left, float(first.col_at(top_left)) - first.width),
        (top_right, float(last.col_at(top_right)) + last.width),
        (bottom_right, float(last.col_at(bottom_right)) + last.width),
        (bottom_left, float(first.col_at(bottom_left)) - first.width),
    ]
    across = corners[1][1] - corners[0][1]
    tilt = float(np.degrees(np.arctan2((top_right - top_left) * grid.fy, across * grid.fx)))
    return Strip(id=strip_id, number=number, outline=polygon([grid.to_full(*c) for c in corners]), tilt_deg=tilt)


def full_lane(grid: Grid, piece: Piece, i: int, lane_id: str, strip_id: str) -> Lane:
    """Lane `i` of a strip on the picture's own grid; a straight one has two nodes."""
    t, top, bottom = piece.tracks[i], piece.tops[i], max(piece.bottoms[i], piece.tops[i] + 1)
    rows = np.linspace(top, bottom, _NODES)
    cols = t.col_at(rows)
    if np.abs(cols - np.interp(rows, rows[[0, -1]], cols[[0, -1]])).max() * grid.fx < _STRAIGHT:
        rows, cols = rows[[0, -1]], cols[[0, -1]]
    sure = lane_confidence(t.clear)
    return Lane(
        id=lane_id,
        strip=strip_id,
        number=i + 1,
        center=tuple(grid.to_full(float(r), float(c)) for r, c in zip(rows, cols, strict=True)),
        widths=(t.width * grid.fx,) * len(rows),
        confidence=sure,
        flags=("lane_uncertain",) if sure < 0.5 else (),
    )


def lane_confidence(clear: float) -> float:
    """Estimated chance that a lane is one, from how clearly it stands out.

    Set by hand: of the lanes of 193 synthetic strips two were false, both below a clearness of 0.4, and none above;
    on real pictures false ones reached 0.6.
    """
    return float(np.clip(1 / (1 + np.exp(-_STEEP * (clear - _EVEN))), 0.05, 0.99))


def draw_bands(grid: Grid, found: FoundStrip, lane_ids: list[str]) -> list[list[Band]]:
    """Bands of every lane from top to bottom: detected ones, and expected ones where most lanes show a row."""
    groups: dict[int, list[Peak]] = {}
    for p in found.peaks:
        groups.setdefault(p.group, []).append(p)
    crowded = {(p.lane, p.row) for p in found.peaks if p.merged and any(_near(p, o) for o in found.peaks)}
    bands: list[list[Band]] = [[] for _ in lane_ids]
    for number, g in enumerate(sorted(groups), start=1):
        for i, band in _draw_row(grid, found, groups[g], crowded):
            bands[i].append(replace(band, lane=lane_ids[i], row=number))
    for i, own in enumerate(bands):
        own.sort(key=lambda band: band.peak)
        bands[i] = [replace(band, id=f"{lane_ids[i]}b{j}") for j, band in enumerate(own, start=1)]
    return bands


def _near(peak: Peak, other: Peak) -> bool:
    """Whether two bands of one lane stand so close that the valley between them lifts their feet."""
    return (
        peak.merged and peak.lane == other.lane and 0 < abs(peak.row - other.row) < _CLOSE * max(peak.core, other.core)
    )


def _distance(grid: Grid, peak: Peak, peaks: list[Peak]) -> float:
    """Pixels to the nearest band of the same lane that a valley parts from this one; infinite without such."""
    others = [o for o in peaks if o.lane == peak.lane and o.group != peak.group]
    near = min(others, key=lambda o: abs(o.row - peak.row), default=None)
    return np.inf if near is None or near.merged or peak.merged else grid.fy * abs(near.row - peak.row)


def _draw_row(
    grid: Grid, found: FoundStrip, members: list[Peak], crowded: set[tuple[int, float]]
) -> list[tuple[int, Band]]:
    """Bands of one row with the index of their lanes, all of one height."""
    piece, spans = found.piece, found.spans
    apart = {p.lane: _distance(grid, p, found.peaks) for p in members}
    starts = {p.lane: _expected(grid, piece, p, spans) for p in members}
    traces = {
        p.lane: trace_band(
            grid.full,
            replace(starts[p.lane], height=min(starts[p.lane].height, _SEEN_OF_GAP * apart[p.lane])),
            snr=p.snr,
        )
        for p in members
    }
    # The half height of a band beside another is measured from too high a foot: there the network's core tells.
    heights = [
        max(traces[p.lane].height, _SQUEEZED * p.core * grid.fy)
        if (p.lane, p.row) in crowded
        else traces[p.lane].height
        for p in members
    ]
    # Lanes end a few band heights away from their rows: a taller band would be something else.
    most = 0.25 * grid.fy * float(np.median(np.subtract(piece.bottoms, piece.tops)))
    reach = float(np.clip(_REACH * np.median(heights), 2.0, max(most, 2.0)))
    # Half of the distance to the nearest row that a valley parts from this one, so that their outlines do not meet.
    free = float(np.median(list(apart.values())))
    reach = max(min(reach, _APART * free, free / 2 - _GAP_PX), 2.0)
    drawn = [(p.lane, _band(piece.tracks[p.lane], traces[p.lane], reach, _confidence(p), grid)) for p in members]
    if len(members) < max(2, 0.5 * len(piece.tracks)):
        return drawn
    level = float(np.median([p.level for p in members]))
    width = float(np.median([p.width for p in members]))
    for i in sorted(set(range(len(piece.tracks))) - set(traces)):
        levels = np.maximum.accumulate(spans[i][1])
        place = float(np.interp(level, levels, np.arange(len(levels))))
        if any(p.lane == i and abs(p.row - place) * grid.fy < reach for p in found.peaks):
            continue  # under another band nobody can see whether one is there
        ghost = replace(members[0], lane=i, row=place, level=level, width=width, snr=0.0)
        drawn.append((i, _band(piece.tracks[i], _expected(grid, piece, ghost, spans), reach, 0.0, grid)))
    return drawn


def _confidence(p: Peak) -> float:
    """Estimated chance that a band is one."""
    return float(np.clip(p.chance, 0.01, 0.99))


def _expected(grid: Grid, piece: Piece, p: Peak, spans: list[Span]) -> Trace:
    """Where a band lies by its lane and its row's line."""
    rows, _, slope = spans[p.lane]
    track = piece.tracks[p.lane]
    y = float(rows[0]) + p.row
    row, col = grid.to_full(y, float(track.col_at(y)))
    tilt = float(np.interp(y, rows, slope)) * grid.fy / grid.fx
    return Trace(row, col, tilt, 0.0, track.width * grid.fx / 2, p.width * grid.fy, (row, col))


def _band(track: Track, trace: Trace, reach: float, confidence: float, grid: Grid) -> Band:
    """Outline along a band's own curve, its ends parallel to the lane; confidence 0: nothing stands there."""
    nodes = 2 if abs(trace.bow) < _STRAIGHT else 7
    cols = trace.col + trace.half * np.linspace(-1, 1, nodes)
    rows = trace.rows_at(cols)
    slope, away = track.slope_at(trace.row / grid.fy) * grid.fx / grid.fy, rows - trace.row
    upper = zip((rows - reach).tolist(), (cols + slope * (away - reach)).tolist(), strict=True)
    lower = zip((rows + reach).tolist(), (cols + slope * (away + reach)).tolist(), strict=True)
    seen = confidence > 0
    return Band(
        id="",
        lane="",
        outline=polygon([*upper, *reversed([*lower])]),
        peak=(round(float(trace.peak[0]), 4), round(float(trace.peak[1]), 4)),
        origin="detected" if seen else "expected",
        status="detected" if seen else "not_detected",
        confidence=confidence if seen else 0.5,
    )
