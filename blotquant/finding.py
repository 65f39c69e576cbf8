"""Finding strips, lanes and bands in one picture, or jointly in several pictures of one membrane."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blotquant.bands import Peak, accept, find_peaks, group_peaks, profile_noise, structure_noise
from blotquant.candidates import Grid, Ridge, find_ridges, make_grid
from blotquant.geometry import Band, Lane, Layout, Strip, polygon
from blotquant.profiles import lane_strip
from blotquant.rows import chain_rows
from blotquant.settings import DetectionSettings
from blotquant.strips import Piece, find_cut, group_rows, see_rows
from blotquant.tracks import Track, extend_lanes, trace_lanes


@dataclass(frozen=True, slots=True)
class _Found:
    piece: Piece
    tracks: tuple[Track, ...]
    tops: tuple[float, ...]
    bottoms: tuple[float, ...]


def find_layout(signal: NDArray[np.floating], *, ceiling: float = float("inf"), settings: DetectionSettings | None = None,
                n_lanes: int | None = None) -> Layout:
    """Find strips, lanes and bands."""
    settings = settings or DetectionSettings()
    grid = make_grid(signal)
    ridges = find_ridges(grid)
    rows = chain_rows(ridges, reach=0.1 * grid.pixels.shape[1])
    pieces = select_pieces(group_rows(grid, see_rows(grid, rows)))
    found = []
    for piece in pieces:
        tracks = trace_lanes(grid, piece)
        if tracks:
            found.append((piece, tracks))
    bounded = [_extend(f, ridges) for f in _bound(grid, found)]
    bounded = _bound(grid, [(f.piece, f.tracks) for f in bounded])
    return _layout(grid, bounded, settings)


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
    level = any(top < r.y_mid < bottom for r in piece.rows)
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
        tops = [max(t, top_limit) for t in tops]
        bottoms = [min(b, bottom_limit) for b in bottoms]
        out.append(_Found(piece, tracks, tuple(tops), tuple(bottoms)))
    return out


def _writing(piece: Piece, other: Piece) -> bool:
    """Whether a weaker piece has teeth much narrower or wider than another's lanes."""
    ratio = piece.comb.pitch / other.comb.pitch
    return piece.weight < 0.6 * other.weight and not 0.4 < ratio < 2.5


def _over(a: Piece, b: Piece) -> bool:
    return min(a.right, b.right) > max(a.left, b.left)


def _curve_rows(found: _Found, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of the strip's main curves at some columns, shape (curves, len(x)), top to bottom."""
    best = max(r.weight for r in found.piece.rows)
    width = found.piece.right - found.piece.left
    main = [r.curve for r in found.piece.rows if r.weight > 0.3 * best or r.curve.covered > 0.6 * width]
    table = np.stack([_smooth_rows(c, x) for c in main])
    return table[np.argsort(table.mean(axis=1))]


def _smooth_rows(curve, x):  # type: ignore[no-untyped-def]
    cols = np.concatenate([r.cols for r in curve.ridges]).astype(float)
    rows = np.concatenate([r.rows for r in curve.ridges])
    span = cols.max() - cols.min()
    degree = int(np.clip(len(curve.ridges) if len(curve.ridges) > 1 else span // 40, 1, 4))
    fit = np.polynomial.Polynomial.fit(cols, rows, degree)
    inside = np.clip(x, cols.min(), cols.max())
    return fit(inside)


def _levels(found: _Found, lane: int, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place along the strip and slope of bands, at the rows of one lane."""
    centers = np.array([float(t.col_at(np.mean(rows))) for t in found.tracks])
    half = max(found.tracks[lane].width / 2, 3)
    x = np.array([centers[lane], centers[lane] - half, centers[lane] + half])
    table = _curve_rows(found, x)
    slopes = (table[:, 2] - table[:, 1]) / (2 * half)
    reference = _curve_rows(found, centers).mean(axis=1)
    shift = reference - table[:, 0]
    return rows + np.interp(rows, table[:, 0], shift), np.interp(rows, table[:, 0], slopes)


def _layout(grid: Grid, found: list[_Found], settings: DetectionSettings) -> Layout:
    strips, lanes, bands = [], [], []
    for k, f in enumerate(found, start=1):
        strip_id = f"s{k}"
        strips.append(_strip(grid, f, strip_id, k))
        kept, spans = _bands_of(grid, f, settings)
        for i, t in enumerate(f.tracks):
            lane = _lane(grid, f, i, f"{strip_id}l{i + 1}", strip_id)
            lanes.append(lane)
            own = sorted((p for p in kept if p.lane == i), key=lambda p: p.row)
            bands += [_band(grid, f, p, lane.id, j, spans[i]) for j, p in enumerate(own, start=1)]
    return Layout(strips=tuple(strips), lanes=tuple(lanes), bands=tuple(bands)).sorted()


def _bands_of(grid: Grid, f: _Found, settings: DetectionSettings):  # type: ignore[no-untyped-def]
    strips, levels, spans, slopes = [], [], [], []
    for i, t in enumerate(f.tracks):
        rows = np.arange(int(max(0, f.tops[i])), int(min(grid.pixels.shape[0], f.bottoms[i] + 1)))
        level, slope = _levels(f, i, rows.astype(float))
        strips.append(lane_strip(grid.pixels, rows, t.col_at(rows.astype(float)), 0.36 * t.width, slope))
        levels.append(level)
        spans.append((rows, slope))
    noises = [profile_noise(s.mean(axis=1)) for s in strips]
    floor = float(np.median(noises))
    found = [find_peaks(i, s, levels[i], noise=max(noises[i], 0.7 * floor, 0.3 * grid.step, 1e-9))
             for i, s in enumerate(strips)]
    texture = structure_noise([s.mean(axis=1) for s in strips], found)
    peaks = [replace(p, snr=min(p.snr, p.height / max(texture, 1e-9))) for own in found for p in own]
    peaks = group_peaks(peaks, n_lanes=len(f.tracks))
    return accept(peaks, n_lanes=len(f.tracks), min_snr=settings.min_snr), spans


def _to_full(grid: Grid, row: float, col: float) -> tuple[float, float]:
    """Centre of a coarse pixel on the picture's own grid."""
    return row * grid.fy + (grid.fy - 1) / 2, col * grid.fx + (grid.fx - 1) / 2


def _lane(grid: Grid, f: _Found, i: int, lane_id: str, strip_id: str) -> Lane:
    t = f.tracks[i]
    ends = [(r, float(t.col_at(r))) for r in (f.tops[i], f.bottoms[i])]
    center = tuple(_to_full(grid, *e) for e in ends)
    return Lane(id=lane_id, strip=strip_id, number=i + 1, center=center, widths=(t.width * grid.fx,) * 2,
                confidence=float(np.clip(0.5 + t.evidence, 0, 1)))


def _band(grid: Grid, f: _Found, p: Peak, lane_id: str, number: int, span) -> Band:  # type: ignore[no-untyped-def]
    rows, slope = span
    t = f.tracks[p.lane]
    y = rows[0] + p.row
    tilt = float(np.interp(y, rows, slope))
    half, reach = t.width / 2, max(0.9 * p.width, 2.0)
    x = float(t.col_at(y))
    corners = [(y - reach - tilt * half, x - half), (y - reach + tilt * half, x + half),
               (y + reach + tilt * half, x + half), (y + reach - tilt * half, x - half)]
    return Band(id=f"{lane_id}b{number}", lane=lane_id, outline=polygon([_to_full(grid, *c) for c in corners]),
                peak=_to_full(grid, y, x), row=p.group + 1)


def _strip(grid: Grid, f: _Found, strip_id: str, number: int) -> Strip:
    first, last = f.tracks[0], f.tracks[-1]
    left, right = float(first.col_at(f.tops[0])) - first.width, float(last.col_at(f.tops[-1])) + last.width
    corners = [(f.tops[0], left), (f.tops[-1], right), (f.bottoms[-1], right), (f.bottoms[0], left)]
    tilt = float(np.degrees(np.arctan2((f.tops[-1] - f.tops[0]) * grid.fy, (right - left) * grid.fx)))
    return Strip(id=strip_id, number=number, outline=polygon([_to_full(grid, *c) for c in corners]), tilt_deg=tilt)
