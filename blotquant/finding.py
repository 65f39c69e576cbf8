"""Finding strips, lanes and bands in one picture, or jointly in several pictures of one membrane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.bands import Peak, accept, find_peaks, group_peaks, profile_noise, structure_noise
from blotquant.candidates import Grid, Ridge, find_ridges, make_grid
from blotquant.geometry import Band, Box, Lane, LaneAlternative, Layout, Strip, bounding_box, polygon
from blotquant.lanes import Comb
from blotquant.noise import robust_sd
from blotquant.profiles import lane_strip
from blotquant.registration import move, register, shift_layout
from blotquant.rows import RowCurve, chain_rows
from blotquant.settings import DetectionSettings
from blotquant.strips import Piece, find_cut, group_rows, recount, see_rows
from blotquant.tracks import Track, extend_lanes, trace_lanes

FloatImage = NDArray[np.floating[Any]]

# A smooth line through a row, and the columns between which it holds.
_Curve = tuple[np.polynomial.Polynomial, float, float]
# Rows of a lane's profile, their places along the strip's own curve, and the slope of bands at each.
_Span = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Found:
    """A strip with its lanes, the rows they run over, and the rows beyond which other things begin."""

    piece: Piece
    tracks: tuple[Track, ...]
    tops: tuple[float, ...]
    bottoms: tuple[float, ...]
    limits: tuple[float, float]

    def doubt(self) -> tuple[int, float] | None:
        """Another number of lanes that the picture allows, and how likely it is: weak end lanes may be none."""
        weak = sum(_sure(t) < 0.6 for t in (self.tracks[0], self.tracks[-1])) if len(self.tracks) > 2 else 0
        return (len(self.tracks) - weak, 0.3) if weak else None


def find_layout(
    signal: FloatImage,
    *,
    ceiling: float = float("inf"),
    settings: DetectionSettings | None = None,
    n_lanes: int | None = None,
) -> Layout:
    """Find strips, lanes and bands in one picture.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright, on any scale.
    ceiling : float
        Counts of a saturated pixel; a picture that is mostly there is flagged.
    settings : DetectionSettings, optional
        Parameters; defaults where not given.
    n_lanes : int, optional
        Lanes of each strip, ladder and empty ones included; wins over `settings` and over the guess.

    Returns
    -------
    Layout
        Empty with a flag where the picture is blank or no blot with lanes.
    """
    settings = settings or DetectionSettings()
    wanted = n_lanes if n_lanes is not None else settings.n_lanes
    if min(signal.shape) < 16:
        return Layout(flags=("blank",))
    if np.mean(np.asarray(signal) >= ceiling) > 0.5:
        return Layout(flags=("saturated_picture",))
    grid = make_grid(signal)
    found = _find(grid, wanted)
    return _layout(grid, found, settings, flags=() if found else ("blank",))


def find_strips(signal: FloatImage, *, settings: DetectionSettings | None = None) -> tuple[Strip, ...]:
    """Find the pieces of membrane that carry rows of bands."""
    return find_layout(signal, settings=settings).strips


def detect_lanes(
    signal: FloatImage, strip: Strip, *, settings: DetectionSettings | None = None, n_lanes: int | None = None
) -> tuple[Lane, ...]:
    """Find the lanes of one strip; those of the strip found anew that overlaps it most."""
    layout = find_layout(signal, settings=settings, n_lanes=n_lanes)
    wanted = bounding_box(strip.outline)
    shared = [(_common_area(bounding_box(s.outline), wanted), -s.number, s.id) for s in layout.strips]
    best = max(shared, default=(0, 0, ""))
    lanes = layout.lanes_of(best[2]) if best[0] > 0 else ()
    return tuple(replace(lane, strip=strip.id) for lane in lanes)


def _common_area(a: Box, b: Box) -> int:
    rows = min(a.row_stop, b.row_stop) - max(a.row_start, b.row_start)
    cols = min(a.col_stop, b.col_stop) - max(a.col_start, b.col_start)
    return max(rows, 0) * max(cols, 0)


def detect_bands(
    signal: FloatImage, lanes: tuple[Lane, ...], *, settings: DetectionSettings | None = None
) -> tuple[Band, ...]:
    """Find the bands of given lanes, rows and expected bands included."""
    settings = settings or DetectionSettings()
    grid = make_grid(signal)
    bands: list[Band] = []
    for strip_id in dict.fromkeys(lane.strip for lane in lanes):
        own = [lane for lane in lanes if lane.strip == strip_id]
        bands += _bands_in(grid, own, settings)
    return tuple(bands)


def find_bands_again(
    signal: FloatImage, layout: Layout, *, settings: DetectionSettings | None = None
) -> Layout:
    """Find the bands anew in a layout's own lanes, as a person may have corrected them."""
    return replace(layout, bands=detect_bands(signal, layout.lanes, settings=settings)).sorted()


def find_membrane_layouts(
    signals: Sequence[FloatImage],
    *,
    ceilings: Sequence[float] | None = None,
    settings: DetectionSettings | None = None,
    n_lanes: int | None = None,
    strip: int | None = None,
) -> list[Layout]:
    """Find the lanes of several pictures of one membrane jointly, and the bands of each.

    The pictures are registered by translation and added, each in units of its own noise; the lanes found in the sum
    are carried back to every picture.

    Parameters
    ----------
    signals : sequence of ndarray
        Pictures of one membrane, bands bright; of one shape, or each is searched alone.
    ceilings : sequence of float, optional
        One a picture.
    strip : int, optional
        Keep only the strip of that number.

    Returns
    -------
    list of Layout
        One a picture, with the same lanes.
    """
    settings = settings or DetectionSettings()
    tops = list(ceilings) if ceilings is not None else [float("inf")] * len(signals)
    if len(signals) == 1 or len({s.shape for s in signals}) > 1:
        layouts = [
            find_layout(s, ceiling=c, settings=settings, n_lanes=n_lanes)
            for s, c in zip(signals, tops, strict=True)
        ]
    else:
        shifts = [register(signals[0], s) for s in signals]
        total = np.sum(
            [_in_noise(move(s, -dr, -dc)) for s, (dr, dc) in zip(signals, shifts, strict=True)], axis=0
        )
        joint = find_layout(total, settings=settings, n_lanes=n_lanes)
        layouts = [
            find_bands_again(s, shift_layout(joint, dr, dc), settings=settings)
            for s, (dr, dc) in zip(signals, shifts, strict=True)
        ]
    return [layout if strip is None else _only_strip(layout, strip) for layout in layouts]


def _in_noise(signal: FloatImage) -> FloatImage:
    rough = np.diff(np.asarray(signal, dtype=np.float32), axis=1)
    return (signal - np.median(signal)) / max(robust_sd(rough), 1e-9)


def _only_strip(layout: Layout, number: int) -> Layout:
    strips = tuple(s for s in layout.strips if s.number == number)
    lanes = tuple(lane for lane in layout.lanes if lane.strip in {s.id for s in strips})
    bands = tuple(b for b in layout.bands if b.lane in {lane.id for lane in lanes})
    return replace(layout, strips=strips, lanes=lanes, bands=bands)


def _find(grid: Grid, n_lanes: int | None) -> list[_Found]:
    ridges = find_ridges(grid)
    rows = chain_rows(ridges, reach=_reach(grid, ridges))
    found = []
    for piece in select_pieces(group_rows(grid, see_rows(grid, rows))):
        if n_lanes is not None:
            piece = recount(piece, n_lanes)
        tracks = trace_lanes(grid, piece, keep_all=n_lanes is not None)
        if tracks:
            found.append((_rows_in_lanes(piece, tracks), tracks))
    bounded = _bound(grid, found)
    if n_lanes is None:
        extended = [
            (f.piece, extend_lanes(f.tracks, f.piece, ridges, (min(f.tops), max(f.bottoms)))) for f in bounded
        ]
        bounded = _bound(grid, extended)
    return bounded


def _bands_in(grid: Grid, lanes: list[Lane], settings: DetectionSettings) -> list[Band]:
    """Bands of given lanes of one strip."""
    nearest = _find_rows_of(grid, lanes)
    kept, spans = _bands_of(grid, nearest, settings)
    return [
        band
        for i, lane in enumerate(lanes)
        for band in _bands_of_lane(grid, nearest, (i, lane.id), kept, spans)
    ]


def _find_rows_of(grid: Grid, lanes: list[Lane]) -> _Found:
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
    pitch = (
        float(np.median(np.diff([t.offset for t in tracks]))) if len(tracks) > 1 else 1.5 * tracks[0].width
    )
    comb = Comb(tuple(t.offset for t in tracks), (0.5,) * len(tracks), pitch, float(len(tracks)))
    piece = Piece(inside, comb)
    return _Found(piece, tracks, tops, bottoms, (min(tops), max(bottoms)))


def _track_of(grid: Grid, lane: Lane) -> Track:
    (r0, c0), (r1, c1) = lane.center[0], lane.center[-1]
    slope = (c1 - c0) / (r1 - r0) * grid.fy / grid.fx
    first = ((r0 - (grid.fy - 1) / 2) / grid.fy, (c0 - (grid.fx - 1) / 2) / grid.fx)
    return Track(first[1] - slope * first[0], slope, float(np.mean(lane.widths)) / grid.fx, 0.5, 1)


def _rows_in_lanes(piece: Piece, tracks: tuple[Track, ...]) -> Piece:
    """Leave out rows that lie beside the lanes: writing that was taken for a row."""
    y = float(np.mean([r.y_mid for r in piece.rows]))
    left = float(tracks[0].col_at(y)) - tracks[0].width / 2
    right = float(tracks[-1].col_at(y)) + tracks[-1].width / 2
    least = 0.6 * float(np.median([t.width for t in tracks]))
    rows = tuple(r for r in piece.rows if min(r.curve.right, right) - max(r.curve.left, left) >= least)
    return replace(piece, rows=rows) if rows else piece


def _reach(grid: Grid, ridges: tuple[Ridge, ...]) -> float:
    """Widest gap in a row, coarse columns: a lane or two may be empty."""
    width = float(np.median([r.width for r in ridges])) if ridges else 0.0
    return float(np.clip(2.2 * width, 0.1 * grid.pixels.shape[1], 0.2 * grid.pixels.shape[1]))


def _extend(f: _Found, ridges: tuple[Ridge, ...]) -> _Found:
    tracks = extend_lanes(f.tracks, f.piece, ridges, (min(f.tops), max(f.bottoms)))
    return replace(f, tracks=tracks)


def select_pieces(pieces: list[Piece]) -> list[Piece]:
    """Drop what is no strip beside the clear ones: writing, dust, membrane edges, rows amid another strip's."""
    if not pieces:
        return []
    best = max(p.weight for p in pieces)
    kept: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: -p.weight):
        if piece.weight < 0.25 * best or piece.comb.score < 0.9:
            continue
        if not any(_amid(piece, other) or _writing(piece, other) for other in kept):
            kept.append(piece)
    return sorted(kept, key=lambda p: (min(r.y_mid for r in p.rows), p.left))


def _amid(piece: Piece, other: Piece) -> bool:
    """Whether a piece's rows lie between those of another, or beside it with much less behind it."""
    room = 2 * float(np.median([r.curve.height for r in other.rows]))
    top, bottom = min(r.y_mid for r in other.rows) - room, max(r.y_mid for r in other.rows) + room
    level = top < max(piece.rows, key=lambda r: r.weight).y_mid < bottom
    return level and (_over(piece, other) or piece.weight < 0.5 * other.weight)


def _bound(grid: Grid, found: list[tuple[Piece, tuple[Track, ...]]]) -> list[_Found]:
    """Give each lane its first and last row: some room around the strip's rows, not across a cut."""
    out = []
    for k, (piece, tracks) in enumerate(found):
        height = float(np.median([r.curve.height for r in piece.rows]))
        room = max(5 * height, 1.2 * piece.comb.pitch * grid.fx / grid.fy)
        main = [r.curve for r in piece.rows]
        tops, bottoms = [], []
        for t in tracks:
            x = np.array([float(t.col_at(np.mean([r.y_mid for r in piece.rows])))])
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
        bottoms = [
            float(np.clip(min(b, bottom_limit), max(b - own, 3), grid.pixels.shape[0] - 1)) for b in bottoms
        ]
        out.append(_Found(piece, tracks, tuple(tops), tuple(bottoms), (top_limit, bottom_limit)))
    return out


def _writing(piece: Piece, other: Piece) -> bool:
    """Whether a weaker piece has teeth much narrower or wider than another's lanes."""
    ratio = piece.comb.pitch / other.comb.pitch
    return piece.weight < 0.6 * other.weight and not 0.4 < ratio < 2.5


def _over(a: Piece, b: Piece) -> bool:
    return min(a.right, b.right) > max(a.left, b.left)


def _main_curves(found: _Found) -> list[_Curve]:
    """Smooth lines through the rows that bend the strip, the clearest first."""
    if not found.piece.rows:
        return []
    best = max(r.weight for r in found.piece.rows)
    width = found.piece.right - found.piece.left
    main = [r for r in found.piece.rows if r.weight > 0.3 * best or r.curve.covered > 0.6 * width]
    fits = [(_smooth_curve(r.curve), r.curve.height) for r in sorted(main, key=lambda r: -r.weight)]
    # A chain that jumps between bands of different rows bends nothing but itself.
    return [curve for (curve, rough), height in fits if rough < 0.35 * height + 0.5]


def _smooth_curve(curve: RowCurve) -> tuple[_Curve, float]:
    """A smooth line through a row's ridges with its ends, and how far they scatter about it."""
    cols = np.concatenate([r.cols for r in curve.ridges]).astype(float)
    rows = np.concatenate([r.rows for r in curve.ridges])
    span = cols.max() - cols.min()
    parts = max(len(curve.ridges), span / 30)
    degree = 1 if parts < 4 else 2 if parts < 6 else 3 if parts < 9 else 4
    fit = np.polynomial.Polynomial.fit(cols, rows, degree)
    return (fit, float(cols.min()), float(cols.max())), float(np.sqrt(np.mean((rows - fit(cols)) ** 2)))


def _curve_rows(curves: list[_Curve], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of the curves at some columns, shape (curves, len(x)), top to bottom; a level line where there is none."""
    if not curves:
        return np.zeros((1, len(x)))
    table = np.stack([fit(np.clip(x, left, right)) for fit, left, right in curves])
    return table[np.argsort(table.mean(axis=1))]


def _spans(grid: Grid, f: _Found) -> list[_Span]:
    """For every lane the rows of its profile, their places along the strip and the slope of bands there."""
    curves = _main_curves(f)
    middle = float(np.mean([*f.tops, *f.bottoms]))
    centers = np.array([float(t.col_at(middle)) for t in f.tracks])
    reference = _curve_rows(curves, centers).mean(axis=1)
    spans = []
    for i, t in enumerate(f.tracks):
        start, stop = min(f.limits[0], f.tops[i]), max(f.limits[1], f.bottoms[i])
        rows = np.arange(int(max(0, start)), int(min(grid.pixels.shape[0], stop + 1)))
        half = max(t.width / 2, 3)
        table = _curve_rows(curves, np.array([centers[i], centers[i] - half, centers[i] + half]))
        level = rows + np.interp(rows, table[:, 0], reference - table[:, 0])
        slope = np.interp(rows, table[:, 0], (table[:, 2] - table[:, 1]) / (2 * half))
        spans.append((rows, level, slope))
    return spans


def _layout(
    grid: Grid, found: list[_Found], settings: DetectionSettings, *, flags: tuple[str, ...]
) -> Layout:
    strips, lanes, bands, alternatives = [], [], [], []
    for k, f in enumerate(found, start=1):
        strip_id = f"s{k}"
        kept, spans = _bands_of(grid, f, settings)
        f = _grown(f, kept, spans)
        strips.append(_strip(grid, f, strip_id, k))
        doubt = f.doubt()
        if doubt is not None:
            alternatives.append(LaneAlternative(strip=strip_id, n_lanes=doubt[0], confidence=doubt[1]))
        for i in range(len(f.tracks)):
            lane = _lane(grid, f, i, f"{strip_id}l{i + 1}", strip_id)
            own = _bands_of_lane(grid, f, (i, lane.id), kept, spans)
            empty = not any(b.status == "detected" for b in own)
            lanes.append(replace(lane, flags=(*lane.flags, "empty_lane")) if empty else lane)
            bands += own
    layout = Layout(
        strips=tuple(strips),
        lanes=tuple(lanes),
        bands=tuple(bands),
        alternatives=tuple(alternatives),
        flags=flags,
    )
    layout = layout.sorted()
    return replace(layout, flags=(*flags, "not_a_blot")) if found and not looks_like_blot(layout) else layout


def looks_like_blot(layout: Layout) -> bool:
    """Whether what was found is a blot: bands wider than high, and most lanes with one."""
    detected = [b for b in layout.bands if b.status == "detected"]
    if not detected or len(layout.lanes) < 2:
        return False
    boxes = [b.box for b in detected]
    shape = float(np.median([(x.col_stop - x.col_start) / (x.row_stop - x.row_start) for x in boxes]))
    filled = len({b.lane for b in detected}) / len(layout.lanes)
    sure = float(np.median([lane.confidence for lane in layout.lanes]))
    return shape > 0.6 and filled >= 0.4 and sure > 0.4


def _bands_of_lane(
    grid: Grid, f: _Found, lane: tuple[int, str], kept: list[Peak], spans: list[_Span]
) -> list[Band]:
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


def _grown(f: _Found, kept: list[Peak], spans: list[_Span]) -> _Found:
    """Let the lanes reach over rows that were found beyond the strip's clear ones."""
    up, down = 0.0, 0.0
    for p in kept:
        y = spans[p.lane][0][0] + p.row
        up = max(up, f.tops[p.lane] + 2 * p.width - y)
        down = max(down, y + 2 * p.width - f.bottoms[p.lane])
    tops = tuple(max(t - up, min(t, f.limits[0])) for t in f.tops)
    bottoms = tuple(min(b + down, max(b, f.limits[1])) for b in f.bottoms)
    return replace(f, tops=tops, bottoms=bottoms)


def _bands_of(grid: Grid, f: _Found, settings: DetectionSettings) -> tuple[list[Peak], list[_Span]]:
    spans = _spans(grid, f)
    strips = [
        lane_strip(grid.pixels, rows, t.col_at(rows.astype(float)), 0.36 * t.width, slope)
        for t, (rows, _, slope) in zip(f.tracks, spans, strict=True)
    ]
    near = [
        slice(max(0, int(top - s[0][0])), int(bottom - s[0][0]) + 1)
        for s, top, bottom in zip(spans, f.tops, f.bottoms, strict=True)
    ]
    noises = [profile_noise(s[n].mean(axis=1)) for s, n in zip(strips, near, strict=True)]
    floor = float(np.median(noises))
    found = [
        find_peaks(i, s, spans[i][1], noise=max(noises[i], 0.7 * floor, 0.3 * grid.step, 1e-9))
        for i, s in enumerate(strips)
    ]
    texture = structure_noise(
        [s[n].mean(axis=1) for s, n in zip(strips, near, strict=True)],
        [[replace(p, row=p.row - n.start) for p in own] for own, n in zip(found, near, strict=True)],
    )
    peaks = [replace(p, snr=min(p.snr, p.height / max(texture, 1e-9))) for own in found for p in own]
    peaks = group_peaks(peaks, n_lanes=len(f.tracks))
    inside = [p for p in peaks if near[p.lane].start <= p.row < near[p.lane].stop]
    kept = accept(inside, n_lanes=len(f.tracks), min_snr=settings.min_snr)
    return kept + _beyond(peaks, inside, kept, len(f.tracks), settings.min_snr), spans


def _beyond(
    peaks: list[Peak], inside: list[Peak], kept: list[Peak], n_lanes: int, min_snr: float
) -> list[Peak]:
    """Rows away from the strip's clear ones: only what many lanes show, alike in height to the rest."""
    known = {p.group for p in inside}
    away = [p for p in peaks if p.group not in known and p.snr >= min_snr and p.likeness > 0.8]
    usual = float(np.median([p.width for p in kept])) if kept else 0.0
    rows: dict[int, list[Peak]] = {}
    for p in away:
        if 0.4 * usual < p.width < 2 * usual and abs(p.spread - 1) < 0.3:
            rows.setdefault(p.group, []).append(p)
    return [p for members in rows.values() if len(members) >= max(2, 0.6 * n_lanes) for p in members]


def _to_full(grid: Grid, row: float, col: float) -> tuple[float, float]:
    """Centre of a coarse pixel on the picture's own grid."""
    return row * grid.fy + (grid.fy - 1) / 2, col * grid.fx + (grid.fx - 1) / 2


def _lane(grid: Grid, f: _Found, i: int, lane_id: str, strip_id: str) -> Lane:
    t = f.tracks[i]
    ends = [(f.tops[i], float(t.col_at(f.tops[i]))), (f.bottoms[i], float(t.col_at(f.bottoms[i])))]
    sure = _sure(t)
    return Lane(
        id=lane_id,
        strip=strip_id,
        number=i + 1,
        center=tuple(_to_full(grid, *e) for e in ends),
        widths=(t.width * grid.fx,) * 2,
        confidence=sure,
        flags=("lane_uncertain",) if sure < 0.5 else (),
    )


def _sure(t: Track) -> float:
    """Confidence of a lane: how clear its notches are, and whether more than one row shows it."""
    if t.n_rows == 0:
        return 0.45
    return float(np.clip(0.6 + 0.6 * t.evidence + 0.05 * min(t.n_rows - 1, 3), 0.3, 0.99))


def _band(grid: Grid, f: _Found, p: Peak, lane_id: str, span: _Span, row: int) -> Band:
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


def _strip(grid: Grid, f: _Found, strip_id: str, number: int) -> Strip:
    first, last = f.tracks[0], f.tracks[-1]
    left, right = float(first.col_at(f.tops[0])) - first.width, float(last.col_at(f.tops[-1])) + last.width
    corners = [(f.tops[0], left), (f.tops[-1], right), (f.bottoms[-1], right), (f.bottoms[0], left)]
    tilt = float(np.degrees(np.arctan2((f.tops[-1] - f.tops[0]) * grid.fy, (right - left) * grid.fx)))
    return Strip(
        id=strip_id, number=number, outline=polygon([_to_full(grid, *c) for c in corners]), tilt_deg=tilt
    )
