"""What was found on the coarse grid, drawn on the picture's own: strips, lanes, and the outlines of bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from blotquant.finding.bands import Peak
from blotquant.finding.candidates import Grid
from blotquant.finding.frames import Span
from blotquant.finding.search import FoundStrip, lane_confidence
from blotquant.finding.traces import Trace, trace_band
from blotquant.finding.tracks import Track
from blotquant.geometry import Band, Lane, Strip, polygon

# Half of an outline's height, in full widths at half maximum: 2.6 SDs of a Gaussian band.
_REACH = 1.1
# Rows of bow that no outline shows.
_STRAIGHT = 0.25


def _to_full(grid: Grid, row: float, col: float) -> tuple[float, float]:
    """Centre of a coarse pixel on the picture's own grid."""
    return row * grid.fy + (grid.fy - 1) / 2, col * grid.fx + (grid.fx - 1) / 2


def full_strip(grid: Grid, f: FoundStrip, strip_id: str, number: int) -> Strip:
    """A strip on the picture's own grid: all of its lanes with some room beside."""
    first, last = f.tracks[0], f.tracks[-1]
    left, right = float(first.col_at(f.tops[0])) - first.width, float(last.col_at(f.tops[-1])) + last.width
    corners = [(f.tops[0], left), (f.tops[-1], right), (f.bottoms[-1], right), (f.bottoms[0], left)]
    tilt = float(np.degrees(np.arctan2((f.tops[-1] - f.tops[0]) * grid.fy, (right - left) * grid.fx)))
    return Strip(id=strip_id, number=number, outline=polygon([_to_full(grid, *c) for c in corners]), tilt_deg=tilt)


def full_lane(grid: Grid, f: FoundStrip, i: int, lane_id: str, strip_id: str) -> Lane:
    """Lane `i` of a strip on the picture's own grid."""
    t = f.tracks[i]
    ends = [(f.tops[i], float(t.col_at(f.tops[i]))), (f.bottoms[i], float(t.col_at(f.bottoms[i])))]
    sure = lane_confidence(t)
    return Lane(
        id=lane_id,
        strip=strip_id,
        number=i + 1,
        center=tuple(_to_full(grid, *e) for e in ends),
        widths=(t.width * grid.fx,) * 2,
        confidence=sure,
        flags=("lane_uncertain",) if sure < 0.5 else (),
    )


def draw_bands(grid: Grid, f: FoundStrip, lane_ids: list[str], kept: list[Peak], spans: list[Span]) -> list[list[Band]]:
    """Bands of every lane from top to bottom: detected ones, and expected ones where most lanes show a row."""
    groups: dict[int, list[Peak]] = {}
    for p in kept:
        groups.setdefault(p.group, []).append(p)
    bands: list[list[Band]] = [[] for _ in lane_ids]
    for number, g in enumerate(sorted(groups), start=1):
        for i, band in _draw_row(grid, f, groups[g], spans):
            bands[i].append(replace(band, lane=lane_ids[i], row=number))
    for i, own in enumerate(bands):
        own.sort(key=lambda band: band.peak)
        bands[i] = [replace(band, id=f"{lane_ids[i]}b{j}") for j, band in enumerate(own, start=1)]
    return bands


def _draw_row(grid: Grid, f: FoundStrip, members: list[Peak], spans: list[Span]) -> list[tuple[int, Band]]:
    """Bands of one row with the index of their lanes, all of one height."""
    traces = {p.lane: trace_band(grid.full, _expected(grid, f, p, spans), snr=p.snr) for p in members}
    # Lanes end a few band heights away from their rows: a taller band would be something else.
    most = 0.25 * grid.fy * float(np.median(np.subtract(f.bottoms, f.tops)))
    reach = float(np.clip(_REACH * np.median([t.height for t in traces.values()]), 2.0, max(most, 2.0)))
    drawn = [(p.lane, _band(f.tracks[p.lane], traces[p.lane], reach, _confidence(p, members), grid)) for p in members]
    if len(members) < max(2, 0.5 * len(f.tracks)):
        return drawn
    level = float(np.median([p.level for p in members]))
    width = float(np.median([p.width for p in members]))
    for i in sorted(set(range(len(f.tracks))) - set(traces)):
        levels = np.maximum.accumulate(spans[i][1])
        place = float(np.interp(level, levels, np.arange(len(levels))))
        ghost = replace(members[0], lane=i, row=place, level=level, width=width, snr=0.0)
        drawn.append((i, _band(f.tracks[i], _expected(grid, f, ghost, spans), reach, 0.0, grid)))
    return drawn


def _confidence(p: Peak, row: list[Peak]) -> float:
    """Of a band: how far it stands out, and whether other lanes show the like; alone and faint it may be dirt."""
    lonely = 0.0 if len(row) >= 3 else 0.2 if len(row) == 2 else 0.4
    doubt = lonely * np.exp(-p.snr / 30)
    return min(max(float((1 - doubt) * (1 - np.exp(-p.snr / 5))), 0.01), 0.99)


def _expected(grid: Grid, f: FoundStrip, p: Peak, spans: list[Span]) -> Trace:
    """Where a band lies by its lane and its row's line."""
    rows, _, slope = spans[p.lane]
    track = f.tracks[p.lane]
    y = float(rows[0]) + p.row
    row, col = _to_full(grid, y, float(track.col_at(y)))
    tilt = float(np.interp(y, rows, slope)) * grid.fy / grid.fx
    return Trace(row, col, tilt, 0.0, track.width * grid.fx / 2, p.width * grid.fy, (row, col))


def _band(track: Track, trace: Trace, reach: float, confidence: float, grid: Grid) -> Band:
    """Outline along a band's own curve, its ends parallel to the lane; confidence 0: nothing stands there."""
    nodes = 2 if abs(trace.bow) < _STRAIGHT else 7
    cols = trace.col + trace.half * np.linspace(-1, 1, nodes)
    rows = trace.rows_at(cols)
    lean = track.slope * grid.fx / grid.fy * (rows[:, None] - trace.row + np.array([-reach, reach]))
    upper = np.stack([rows - reach, cols + lean[:, 0]], axis=1)
    lower = np.stack([rows + reach, cols + lean[:, 1]], axis=1)
    seen = confidence > 0
    return Band(
        id="",
        lane="",
        outline=polygon(np.vstack([upper, lower[::-1]])),
        peak=(round(float(trace.peak[0]), 4), round(float(trace.peak[1]), 4)),
        origin="detected" if seen else "expected",
        status="detected" if seen else "not_detected",
        confidence=confidence if seen else 0.5,
    )
