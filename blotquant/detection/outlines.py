"""What was found on the coarse grid, drawn on the picture's own: strips, lanes, and the outlines of bands.

The curve of single bands on the picture's own grid: how they tilt and bow, how high they are, where they peak.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.detection.band_peaks import FoundStrip, Peak
from blotquant.detection.prediction import SearchCopy
from blotquant.detection.strip_candidates import StripCandidate
from blotquant.imaging.robust import middle_of
from blotquant.model.geometry import Band, Lane, Point, Strip, polygon

Floats = NDArray[np.float64]
Places = tuple[NDArray[np.intp], NDArray[np.intp]]

_SEGMENTS = 5
_POWERS = np.arange(3)[:, None]
_LAST_TWO = np.array([1, 2])
_COLUMNS = 64
"""Averages of columns that tell a band's curve: neighbours are averaged in windows of twice as many and more."""
# A fainter band's bow would be that of its noise.
_LEAST_SNR = 12.0
# Of the reach: no segment of a band lies further from its row's line.
_FARTHEST = 0.6


def trace_bands(
    picture: NDArray[np.floating[Any]], lines: Floats, heights: Floats, snrs: Floats
) -> tuple[Floats, Floats, Floats]:
    """Follow bands across their lanes, all at once.

    Parameters
    ----------
    picture : ndarray, shape (H, W)
        Counts, bands bright.
    lines : ndarray, shape (n, 4)
        Where each band is expected, px: row and column of its middle, rows per column there, half its lane's width.
    heights : ndarray, shape (n,)
        Its expected full width at half maximum along the lane.
    snrs : ndarray, shape (n,)
        What is faint keeps its row's tilt and has no bow.

    Returns
    -------
    lines : ndarray, shape (n, 5)
        As given, and the bow: rows that either end lies below the line through the middle.
    heights : ndarray, shape (n,)
        Full width at half maximum, bow and tilt taken out.
    peaks : ndarray, shape (n, 2)
        Row and column of the maximum, smoothed. A band that the picture hardly shows stays as it is expected.
    """
    row, col, tilt, half = lines.T[..., None]
    height = heights[:, None]
    reach = 1.3 * height + 1
    room = reach + np.abs(tilt) * half
    top, left = np.maximum((row - room).astype(int), 0), np.maximum(np.rint(col - half).astype(int), 0)
    high = np.minimum((row + room).astype(int) + 2, picture.shape[0]) - top
    wide = np.minimum(np.rint(col + half).astype(int) + 1, picture.shape[1]) - left
    known = (high >= 5) & (wide >= _SEGMENTS)
    if not known.any():
        return np.hstack([lines, np.zeros((len(lines), 1))]), heights, lines[:, :2]
    # Each band's window, columns averaged so far that some tens are left: more tell nothing of its curve.
    step = np.maximum(wide // _COLUMNS, 1)
    left, high, wide = left + wide % step // 2, np.where(known, high, 1), np.where(known, wide // step, 1)
    counts = np.zeros((len(row), high.max(), wide.max()))
    windows = np.hstack([top, left, high, wide, step])
    for k in np.flatnonzero(known):
        own, (r, c, h, w, n) = counts[k], windows[k].tolist()
        part = picture[r : r + h, c : c + n * w].reshape(-1, n)
        own[:h, :w] = (part @ np.ones(n, dtype=part.dtype)).reshape(h, w) if n > 1 else part.reshape(h, w)
    counts /= step[:, :, None]
    cols = left + step * (np.arange(wide.max()) + 0.5) - 0.5

    shift, lean, bow = _bends(counts, (top, left), (high, wide), row + tilt * (cols - col), (cols - col) / half, reach)
    clear = known & (snrs[:, None] >= _LEAST_SNR)
    row, tilt, bow = row + clear * shift, tilt + clear * lean / half, clear * bow

    away = cols - col
    line = row + tilt * away + bow * (away / half) ** 2 - top
    size, up, aside = _sizes(counts, line, (high, wide), reach)
    peak_col = left + step * (aside + 0.5) - 0.5
    away = peak_col - col
    peaks = np.hstack([row + tilt * away + bow * (away / half) ** 2 + up, peak_col])
    sizes = np.where(known, np.clip(size, 0.5 * height, 1.6 * height), height)[:, 0]
    return np.hstack([row, col, tilt, half, bow]), sizes, np.where(known, peaks, lines[:, :2])


def _bends(
    counts: Floats, corner: Places, size: Places, expected: Floats, away: Floats, reach: Floats
) -> tuple[Floats, Floats, Floats]:
    """Parabolas through the centres of gravity of the bands' segments: shift, lean over half a width, and bow.

    Parameters
    ----------
    counts : ndarray, shape (n, H, W)
        A window for each band.
    corner, size : (ndarray, ndarray), shape (n, 1)
        First row and column of the windows, and how many of each are the band's own.
    expected, away : ndarray, shape (n, W)
        Row at which each column is expected, and its distance from the band's middle in half widths.
    reach : ndarray, shape (n, 1)
        Rows from there that are looked at.
    """
    (top, _), (high, wide) = corner, size
    edges = np.linspace(0, wide[:, 0], _SEGMENTS + 1, axis=1).astype(int)
    place = np.arange(counts.shape[2])[:, None]
    parts = (place >= edges[:, None, :-1]) & (place < edges[:, None, 1:])
    weights = parts / np.maximum(np.diff(edges), 1)[:, None]
    profiles = counts @ weights
    expected, away = (expected[:, None] @ weights)[:, 0], (away[:, None] @ weights)[:, 0]
    rows = (top + np.arange(counts.shape[1]))[:, :, None].astype(float)
    near = (np.abs(rows - expected[:, None]) <= reach[:, None]) & (rows < (top + high)[:, None])
    low = np.where(near, profiles, np.inf).min(axis=1, keepdims=True)
    light = np.where(near, profiles - low, 0.0) ** 2
    total = light.sum(axis=1)
    seen = total.min(axis=1, keepdims=True) > 0
    total = np.where(seen, total, 1.0)
    limit = _FARTHEST * reach
    miss = np.clip((light * rows).sum(axis=1) / total - expected, -limit, limit)
    weight = np.sqrt(total)
    design = away[:, None] ** _POWERS
    normal = (design * weight[:, None]) @ design.swapaxes(1, 2)
    # A little trust in the row's own line keeps a smear in one segment from bending the band.
    normal[:, _LAST_TWO, _LAST_TWO] += (0.3 * np.sqrt(weight).mean(axis=1, keepdims=True)) ** 2
    found = np.linalg.solve(normal, design @ (weight * miss)[:, :, None])
    shift, lean, bow = np.moveaxis(found * seen[:, :, None], 1, 0)
    return shift, lean, bow


def _sizes(counts: Floats, line: Floats, size: Places, reach: Floats) -> tuple[Floats, Floats, Floats]:
    """Height of bands along their own curves, rows from it to their maximum, and its column in the window.

    Parameters are those of `_bends`; `line` is the row of each column in its window.
    """
    high, wide = size
    most, own = int(reach.max()), reach.astype(int)
    offsets, inside = np.arange(-most, most + 1), np.arange(counts.shape[2]) < wide
    # Rows at whole distances from the line lie between two pixels of each column; beyond the window its ends go on.
    first = np.floor(line).astype(int)
    part = line - first
    at = np.clip(first[:, None] + np.arange(-most, most + 2)[:, None], 0, high[:, :, None] - 1)
    at = (at + counts.shape[1] * np.arange(len(counts))[:, None, None]) * counts.shape[2] + np.arange(counts.shape[2])
    near = counts.ravel().take(at)
    sums = near @ (np.stack([1 - part, part], axis=2) * (inside / wide)[:, :, None])
    profile = sums[:, :-1, 0] + sums[:, 1:, 1]
    before, after = (np.clip(offsets + step, -own, own) + most for step in (-1, 1))
    profile = (profile + np.take_along_axis(profile, before, 1) + np.take_along_axis(profile, after, 1)) / 3
    inner = np.abs(offsets) <= np.minimum(np.maximum(0.5 * reach, 2), own)
    k = np.where(inner, profile, -np.inf).argmax(axis=1)[:, None]
    crest = np.take_along_axis(profile, k, 1)

    # Half of the height above the higher foot, and where the profile falls below it on either side.
    place = np.arange(len(offsets))
    seen = np.abs(offsets) <= own
    feet = [np.where(seen & side, profile, np.inf).min(axis=1, keepdims=True) for side in (place <= k, place >= k)]
    base = np.maximum(*feet)
    above = profile - base - 0.5 * (crest - base)
    height = np.zeros_like(base)
    for step, side in ((-1, place < k), (1, place > k)):
        low = seen & side & (above <= 0)
        distance = np.where(low, np.abs(place - k), 4 * most).min(axis=1, keepdims=True)
        there = np.clip(k + step * distance, 0, 2 * most)
        high_end, low_end = (
            np.take_along_axis(above, np.clip(there - step, 0, 2 * most), 1),
            np.take_along_axis(above, there, 1),
        )
        part_of = high_end / np.where(high_end > low_end, high_end - low_end, 1.0)
        height += np.where(distance < 4 * most, distance - 1 + part_of, own - step * offsets[k])
    height = np.where(crest > base, height, 0.0)

    # The crest's three rows along the band, smoothed over a third of it.
    rows = np.clip(offsets[k] + np.array([-1, 0, 1]), -own, own)[:, :, None] + most
    low, up = np.take_along_axis(near, rows, 1).mean(axis=1), np.take_along_axis(near, rows + 1, 1).mean(axis=1)
    along = np.where(inside, low * (1 - part) + up * part - base, 0.0)
    summed = np.concatenate([np.zeros_like(base), np.cumsum(along, axis=1)], axis=1)
    span, cols = np.maximum(3, wide // 3), np.arange(along.shape[1])
    ends = (np.clip(cols + side, 0, along.shape[1]) for side in (span - span // 2, -(span // 2)))
    smooth = np.subtract(*(np.take_along_axis(summed, end, 1) for end in ends)) / span
    c = np.where(inside, smooth, -np.inf).argmax(axis=1)[:, None]
    return height, offsets[k] + _vertices(profile, k, most - own, most + own), c + _vertices(smooth, c, 0, wide - 1)


def _vertices(values: Floats, k: NDArray[np.intp], first: Any, last: Any) -> Floats:
    """Places of maxima between the pixels, from parabolas through them and their neighbours; 0 at an end."""
    a, b, c = (np.take_along_axis(values, np.clip(k + step, 0, values.shape[1] - 1), 1) for step in (-1, 0, 1))
    bend = a - 2 * b + c
    known = (k > first) & (k < last) & (bend < 0)
    return np.where(known, np.clip(0.5 * (a - c) / np.where(known, bend, 1.0), -0.5, 0.5), 0.0)


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
_AT_ONCE = 48
"""Bands that are followed at once: their windows take some MB."""
_STRAIGHT = 0.25
"""Rows of bow, or columns of bend, that no outline and no lane shows."""
_BOWED_NODES = 7
"""Nodes on either side of a band that bows."""
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
    # A lane's width beside the outermost lanes.
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
    # A lane that bends by no quarter of a pixel is straight.
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
    if not found.peaks:
        return [[] for _ in lane_ids]
    peaks = sorted(found.peaks, key=lambda p: p.group)
    lines, heights, crests, apart = _curves(grid, found, peaks)
    lane, row, level = np.array([p.lane for p in peaks]), *np.array([(p.row, p.level) for p in peaks]).T
    _, number = np.unique([p.group for p in peaks], return_inverse=True)
    # Lanes end a few band heights away from their rows: a taller band would be something else.
    most = max(0.25 * grid.fy * middle_of(np.subtract(found.piece.bottoms, found.piece.tops)), 2.0)
    # Row by row, so that the bands of a row share one height.
    reaches, places = [], []
    for k in range(int(number[-1]) + 1):
        own = number == k
        # Half of the distance to the nearest row that a valley parts from this one, so that outlines do not meet.
        free = middle_of(apart[own])
        reach = min(max(_REACH * middle_of(heights[own]), 2.0), most, _APART * free, free / 2 - _GAP_PX)
        reaches.append(max(reach, 2.0))
        # A row that most lanes show is expected in the others.
        missing = set(range(len(lane_ids))) - set(lane[own].tolist())
        for i in sorted(missing) if own.sum() >= max(2, 0.5 * len(lane_ids)) else ():
            levels = np.maximum.accumulate(found.spans[i][1])
            place = float(np.interp(middle_of(level[own]), levels, np.arange(len(levels))))
            # Under another band nobody can see whether one is there.
            if not np.any((lane == i) & (np.abs(row - place) * grid.fy < reaches[k])):
                places.append((i, place, k))
    if places:
        more, rows, numbers = zip(*places, strict=True)
        expected = _expected(grid, found, more, rows)
        lines = np.vstack([lines, np.hstack([expected, np.zeros((len(more), 1))])])
        crests = np.vstack([crests, expected[:, :2]])
        lane, number = np.append(lane, more), np.append(number, numbers)
    lanes = lane.tolist()
    slopes = [
        found.piece.tracks[i].slope_at((y - grid.corner[0]) / grid.fy) * grid.fx / grid.fy
        for i, y in zip(lanes, lines[:, 0].tolist(), strict=True)
    ]
    # Estimated chance that a band is one.
    chances = np.clip([*(p.chance for p in peaks), *(0.5 for _ in places)], 0.01, 0.99).tolist()
    drawn: list[list[tuple[Point, int, Floats, bool, float]]] = [[] for _ in lane_ids]
    for k, outline in enumerate(_outlines(lines, slopes, np.array(reaches)[number, None])):
        y, x = crests[k].tolist()
        drawn[lanes[k]].append(((round(y, 4), round(x, 4)), int(number[k]) + 1, outline, k < len(peaks), chances[k]))
    return [
        [
            Band(
                id=f"{name}b{j}",
                lane=name,
                outline=polygon(outline),
                peak=peak,
                row=row_number,
                origin="detected" if seen else "expected",
                status="detected" if seen else "not_detected",
                confidence=chance,
            )
            for j, (peak, row_number, outline, seen, chance) in enumerate(sorted(own, key=lambda b: b[:2]), start=1)
        ]
        for name, own in zip(lane_ids, drawn, strict=True)
    ]


def _curves(grid: SearchCopy, found: FoundStrip, peaks: list[Peak]) -> tuple[Floats, Floats, Floats, Floats]:
    """Each band's own curve, height and place of its maximum, as `trace_bands` gives them, and its free distance.

    That is the distance in px to the nearest band of the same lane that a valley parts from it, infinite without such.
    """
    lane, row, width, core, snr, group = np.array(
        [(p.lane, p.row, p.width, p.core, p.snr, p.group) for p in peaks], dtype=float
    ).T
    merged = np.array([p.merged for p in peaks])
    away = np.where(lane[:, None] == lane, np.abs(row[:, None] - row), np.inf)
    others = np.where(group[:, None] == group, np.inf, away)
    nearest = others.argmin(axis=1)
    apart = np.where(merged | merged[nearest], np.inf, grid.fy * others.min(axis=1))
    # Where each band lies by its lane and row, and its own curve from there.
    expected = _expected(grid, found, [p.lane for p in peaks], row.tolist())
    sizes = np.minimum(width * grid.fy, _SEEN_OF_GAP * apart)
    traced = [
        trace_bands(grid.full, *(x[k : k + _AT_ONCE] for x in (expected, sizes, snr)))
        for k in range(0, len(peaks), _AT_ONCE)
    ]
    lines, heights, crests = (np.concatenate(part) for part in zip(*traced, strict=True))
    # The valley to a close neighbour lifts a band's feet: there the network's core tells its height.
    close = ((away > 0) & (away < _CLOSE * np.maximum(core[:, None], core))).any(axis=1)
    heights = np.where(merged & close, np.maximum(heights, _SQUEEZED * core * grid.fy), heights)
    return lines, heights, crests, apart


def _expected(grid: SearchCopy, found: FoundStrip, lanes: Sequence[int], places: Sequence[float]) -> Floats:
    """Where bands lie by their lanes and their row's line: row, column, tilt and half width, px; shape (n, 4)."""
    lines = []
    for lane, place in zip(lanes, places, strict=True):
        rows, _, slope = found.spans[lane]
        track, y = found.piece.tracks[lane], float(rows[0]) + place
        tilt = float(np.interp(y, rows, slope)) * grid.fy / grid.fx
        lines.append((*grid.to_full(y, float(track.col_at(y))), tilt, track.width * grid.fx / 2))
    return np.array(lines)


def _outlines(lines: Floats, slopes: Sequence[float], reach: Floats) -> Iterator[Floats]:
    """Outlines along bands' own curves (lines as `trace_bands` gives them), their ends parallel to the lanes.

    `reach`, shape (n, 1), is half of their heights.
    """
    row, col, tilt, half, bow = lines.T[..., None]
    cols = col + half * np.linspace(-1, 1, _BOWED_NODES)
    rows = row + tilt * (cols - col) + bow * ((cols - col) / half) ** 2
    away, slope = rows - row, np.array(slopes)[:, None]
    upper = np.stack([rows - reach, cols + slope * (away - reach)], axis=2)
    lower = np.stack([rows + reach, cols + slope * (away + reach)], axis=2)
    for above, below, straight in zip(upper, lower, np.abs(lines[:, 4]) < _STRAIGHT, strict=True):
        # A straight band has two nodes on either side.
        nodes = [0, -1] if straight else slice(None)
        yield np.concatenate([above[nodes], below[nodes][::-1]])
