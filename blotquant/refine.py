"""What was found on the coarse grid, drawn on the picture's own: strips, lanes, and the outlines of bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from blotquant.bands import Peak
from blotquant.candidates import Grid
from blotquant.frames import Span
from blotquant.geometry import Band, Lane, Strip, polygon
from blotquant.search import FoundStrip, lane_confidence


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


def bands_of_lane(grid: Grid, f: FoundStrip, lane: tuple[int, str], kept: list[Peak], spans: list[Span]) -> list[Band]:
    """Detected bands of a lane from top to bottom, and the expected ones where most lanes show a row."""
    i, lane_id = lane
    groups: dict[int, list[Peak]] = {}
    for p in kept:
        groups.setdefault(p.group, []).append(p)
    numbers = {g: k for k, g in enumerate(sorted(groups), start=1)}
    bands = []
    for g, members in groups.items():
        high = float(np.median([m.width for m in members]))
        own = next((m for m in members if m.lane == i), None)
        if own is not None:
            bands.append(_band(grid, f, replace(own, width=high), lane_id, spans[i], numbers[g]))
        elif len(members) >= max(2, 0.5 * len(f.tracks)):
            level = float(np.median([m.level for m in members]))
            levels = np.maximum.accumulate(spans[i][1])
            place = float(np.interp(level, levels, np.arange(len(levels))))
            ghost = replace(members[0], lane=i, row=place, level=level, width=high, snr=0.0)
            bands.append(_band(grid, f, ghost, lane_id, spans[i], numbers[g]))
    bands.sort(key=lambda band: band.peak)
    return [replace(band, id=f"{lane_id}b{j}") for j, band in enumerate(bands, start=1)]


def _band(grid: Grid, f: FoundStrip, p: Peak, lane_id: str, span: Span, row: int) -> Band:
    """Outline that follows the slope of its row, as high as the row's bands."""
    rows, _, slope = span
    t = f.tracks[p.lane]
    y = rows[0] + p.row
    tilt = float(np.interp(y, rows, slope))
    half, reach = t.width / 2, max(1.1 * p.width, 2.0)
    x = float(t.col_at(y))
    corners = [
        (y - reach - tilt * half, x - half),
        (y - reach + tilt * half, x + half),
        (y + reach + tilt * half, x + half),
        (y + reach - tilt * half, x - half),
    ]
    seen = p.snr > 0
    return Band(
        id="",
        lane=lane_id,
        outline=polygon([_to_full(grid, *c) for c in corners]),
        peak=_to_full(grid, y, x),
        row=row,
        origin="detected" if seen else "expected",
        status="detected" if seen else "not_detected",
        confidence=float(np.clip(1 - np.exp(-p.snr / 5), 0, 0.99)) if seen else 0.5,
    )
