"""What was found on the coarse grid, drawn on the picture's own: strips, lanes, and the outlines of bands.

The curve of single bands on the picture's own grid: how they tilt and bow, how high they are, where they peak.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from blotquant.detection.band_peaks import Peak, Span
from blotquant.detection.lane_traces import LaneTrace
from blotquant.detection.lanes import FoundStrip
from blotquant.detection.prediction import SearchCopy
from blotquant.detection.strip_candidates import StripCandidate
from blotquant.model.geometry import Band, Lane, Strip, polygon

Floats = NDArray[np.float64]

_SEGMENTS = 5
_POWERS = np.arange(3)[:, None]
_LAST_TWO = np.array([1, 2])
# A fainter band's bow would be that of its noise.
_LEAST_SNR = 12.0
# Of the reach: no segment of a band lies further from its row's line.
_FARTHEST = 0.6


@dataclass(frozen=True, slots=True)
class Trace:
    """One band in pixels.

    Attributes
    ----------
    row, col : float
        Its middle.
    tilt, bow : float
        Rows per column at the middle, and rows that either end lies below the line through the middle.
    half : float
        Half its lane's width.
    height : float
        Full width at half maximum along the lane, bow and tilt taken out.
    peak : (row, col)
        Its maximum, smoothed.
    """

    row: float
    col: float
    tilt: float
    bow: float
    half: float
    height: float
    peak: tuple[float, float]

    def rows_at(self, cols: ArrayLike) -> Floats:
        """Row of the band's middle at some columns."""
        away = np.asarray(cols, dtype=float) - self.col
        return np.asarray(self.row + self.tilt * away + self.bow * (away / self.half) ** 2)


def trace_band(picture: NDArray[np.floating[Any]], start: Trace, *, snr: float) -> Trace:
    """Follow a band across its lane.

    Parameters
    ----------
    picture : ndarray, shape (H, W)
        Counts, bands bright.
    start : Trace
        Where the band is expected: middle, tilt, half width and height.
    snr : float
        Of the band; what is faint keeps its row's tilt and has no bow.
    """
    reach = 1.3 * start.height + 1
    room = reach + abs(start.tilt) * start.half
    r0, r1 = max(0, int(start.row - room)), min(picture.shape[0], int(start.row + room) + 2)
    c0, c1 = max(0, round(start.col - start.half)), min(picture.shape[1], round(start.col + start.half) + 1)
    if r1 - r0 < 5 or c1 - c0 < _SEGMENTS:
        return start
    patch = np.asarray(picture[r0:r1, c0:c1], dtype=np.float64)
    bent = _bend(patch, (r0, c0), start, reach) if snr >= _LEAST_SNR else start
    return _with_size(patch, (r0, c0), bent, reach)


@lru_cache(maxsize=1024)
def _segments(width: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """First column, number of columns and middle of each segment of a band so many columns wide."""
    edges = np.linspace(0, width, _SEGMENTS + 1).astype(int)
    return edges[:-1], np.diff(edges), (edges[:-1] + edges[1:] - 1) / 2


def _bend(patch: Floats, corner: tuple[int, int], start: Trace, reach: float) -> Trace:
    """Parabola through the centres of gravity of a band's segments."""
    first, sizes, middles = _segments(patch.shape[1])
    profiles = np.add.reduceat(patch, first, axis=1) / sizes
    middles = corner[1] + middles
    rows = np.arange(corner[0], corner[0] + len(patch), dtype=float)[:, None]
    expected = start.rows_at(middles)
    near = np.abs(rows - expected) <= reach
    low = np.minimum.reduce(np.where(near, profiles, np.inf))
    light = np.where(near, profiles - low, 0.0) ** 2
    total = np.add.reduce(light)
    if np.minimum.reduce(total) <= 0:
        return start
    limit = _FARTHEST * reach
    miss = np.minimum(np.maximum(np.add.reduce(light * rows) / total - expected, -limit), limit)
    away = (middles - start.col) / start.half
    weight = np.sqrt(total)
    design = away**_POWERS
    normal = (design * weight) @ design.T
    # A little trust in the row's own line keeps a smear in one segment from bending the band.
    normal[_LAST_TWO, _LAST_TWO] += (0.3 * float(np.sqrt(weight).mean())) ** 2
    shift, lean, bow = np.linalg.solve(normal, design @ (weight * miss)).tolist()
    return replace(start, row=start.row + shift, tilt=start.tilt + lean / start.half, bow=bow)


def _with_size(patch: Floats, corner: tuple[int, int], band: Trace, reach: float) -> Trace:
    """Height and peak of a band along its own curve."""
    r0, c0 = corner
    middle = band.rows_at(np.arange(c0, c0 + patch.shape[1])) - r0
    offsets = np.arange(-int(reach), int(reach) + 1)
    flat = _straightened(patch, middle, offsets)
    profile = ndimage.uniform_filter1d(flat.mean(axis=1), 3, mode="nearest")
    inner = np.flatnonzero(np.abs(offsets) <= max(0.5 * reach, 2))
    k = int(inner[0] + profile[inner[0] : inner[-1] + 1].argmax())
    base = max(float(np.minimum.reduce(profile[: k + 1])), float(np.minimum.reduce(profile[k:])))
    above = profile - base - 0.5 * (profile[k] - base)
    height = _crossing(above[k:]) + _crossing(above[: k + 1][::-1])
    crest = flat[max(0, k - 1) : k + 2].mean(axis=0) - base
    smooth = ndimage.uniform_filter1d(crest, max(3, len(crest) // 3), mode="constant")
    c = int(smooth.argmax())
    col = c + c0 + _vertex(smooth, c)
    away = col - band.col
    row = band.row + band.tilt * away + band.bow * (away / band.half * (away / band.half))
    peak = (row + (float(offsets[k]) + _vertex(profile, k)), col)
    return replace(band, height=min(max(height, 0.5 * band.height), 1.6 * band.height), peak=peak)


def _straightened(patch: Floats, middle: Floats, offsets: NDArray[np.intp]) -> Floats:
    """Counts at some distances from a line through a patch, between its rows; beyond its ends they stay the same."""
    height, width = patch.shape
    cols, last = np.arange(width), height - 1.001
    if middle.min() + offsets[0] >= 0 and middle.max() + offsets[-1] <= last:
        # All places of a column lie equally far between two rows.
        first = middle.astype(int)
        part = middle - first
        down = np.arange(offsets[0], offsets[-1] + 2) * width
        near = patch.ravel().take(first * width + cols + down[:, None])
        return np.asarray(near[:-1] * (1 - part) + near[1:] * part)
    y = np.clip(middle[None] + offsets[:, None], 0, last)
    low = y.astype(int)
    part = y - low
    return np.asarray(patch[low, cols] * (1 - part) + patch[low + 1, cols] * part)


def _crossing(side: Floats) -> float:
    """Steps from the first value down to zero, between two places; the whole length where it stays above."""
    k = int((side <= 0).argmax())
    if side[k] > 0:
        return float(len(side) - 1)
    return k - 1 + float(side[k - 1] / (side[k - 1] - side[k])) if k else 0.0


def _vertex(values: Floats, k: int) -> float:
    """Place of a maximum between the pixels, from a parabola through it and its neighbours."""
    if not 0 < k < len(values) - 1:
        return 0.0
    a, b, c = (float(v) for v in values[k - 1 : k + 2])
    bend = a - 2 * b + c
    return min(max(0.5 * (a - c) / bend, -0.5), 0.5) if bend < 0 else 0.0


# Half of an outline's height, in full widths at half maximum: 2.6 SDs of a Gaussian band.
_REACH = 1.1
_APART = 0.43
"""Part of the distance between two rows that a valley parts, by which an outline reaches towards the other."""
_GAP_PX = 1.4
"""Pixels left free before the middle between them: outlines that meet are bands that run into each other."""
# Of that distance, the height of the part in which a band's own line is looked for.
_SEEN_OF_GAP = 0.45
# Heights between two bands of a lane that stand close.
_CLOSE = 1.3
# Height of such a band over that of the core that is seen of it.
_SQUEEZED = 1.3
_STRAIGHT = 0.25
"""Rows of bow, or columns of bend, that no outline and no lane shows."""
_NODES = 5
"""Nodes of the centre line of a lane that bends."""
_EVEN = 0.35
"""Clearness of a lane that is one as likely as not."""
_STEEP = 12.0
"""How fast the chance of a lane rises with its clearness."""


def full_strip(grid: SearchCopy, piece: StripCandidate, strip_id: str, number: int) -> Strip:
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
    return Strip(
        id=strip_id, number=number, outline=polygon(np.column_stack(grid.to_full(*np.array(corners).T))), tilt_deg=tilt
    )


def full_lane(grid: SearchCopy, piece: StripCandidate, i: int, lane_id: str, strip_id: str) -> Lane:
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
        center=tuple(zip(*(axis.tolist() for axis in grid.to_full(rows, cols)), strict=True)),
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


def draw_bands(grid: SearchCopy, found: FoundStrip, lane_ids: list[str]) -> list[list[Band]]:
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


def _distance(grid: SearchCopy, peak: Peak, peaks: list[Peak]) -> float:
    """Pixels to the nearest band of the same lane that a valley parts from this one; infinite without such."""
    others = [o for o in peaks if o.lane == peak.lane and o.group != peak.group]
    near = min(others, key=lambda o: abs(o.row - peak.row), default=None)
    return np.inf if near is None or near.merged or peak.merged else grid.fy * abs(near.row - peak.row)


def _draw_row(
    grid: SearchCopy, found: FoundStrip, members: list[Peak], crowded: set[tuple[int, float]]
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
    # Estimated chance that a band is one.
    drawn = [
        (p.lane, _band(piece.tracks[p.lane], traces[p.lane], reach, float(np.clip(p.chance, 0.01, 0.99)), grid))
        for p in members
    ]
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


def _expected(grid: SearchCopy, piece: StripCandidate, p: Peak, spans: list[Span]) -> Trace:
    """Where a band lies by its lane and its row's line."""
    rows, _, slope = spans[p.lane]
    track = piece.tracks[p.lane]
    y = float(rows[0]) + p.row
    row, col = grid.to_full(y, float(track.col_at(y)))
    tilt = float(np.interp(y, rows, slope)) * grid.fy / grid.fx
    return Trace(row, col, tilt, 0.0, track.width * grid.fx / 2, p.width * grid.fy, (row, col))


def _band(track: LaneTrace, trace: Trace, reach: float, confidence: float, grid: SearchCopy) -> Band:
    """Outline along a band's own curve, its ends parallel to the lane; confidence 0: nothing stands there."""
    nodes = 2 if abs(trace.bow) < _STRAIGHT else 7
    cols = trace.col + trace.half * np.linspace(-1, 1, nodes)
    rows = trace.rows_at(cols)
    slope, away = track.slope_at((trace.row - grid.corner[0]) / grid.fy) * grid.fx / grid.fy, rows - trace.row
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
