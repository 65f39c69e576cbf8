"""Strips: rows that lie on one piece of membrane and share its lanes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from blotquant.finding.candidates import Grid
from blotquant.finding.cuts import cut_between, find_cut
from blotquant.finding.lanes import Comb, bump_map, fit_comb, log_profile, notch_depth, softness
from blotquant.finding.rows import RowCurve, row_energy, row_profile

# Notches shallower than this, in nepers, are those of fused bands.
_FUSED = 0.3
# Rows per column on the coarse grid, whose columns are twice as wide as its rows: a tilt, a smile and a bow together.
_STEEP = 0.6
# Evidence a lane from which on a row shows lanes of its own.
_CLEAR_COMB = 0.35


@dataclass(frozen=True, slots=True)
class SeenRow:
    """A row: its compressed profile, the trust in it, the lanes it shows if it is clear, and its middle's row."""

    curve: RowCurve
    logs: NDArray[np.float64]
    weight: float
    comb: Comb | None
    y_mid: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A strip on the coarse grid: its rows from top to bottom, its lanes, and cuts above and below, if seen."""

    rows: tuple[SeenRow, ...]
    comb: Comb
    cut_above: float | None = None
    cut_below: float | None = None

    @property
    def left(self) -> int:
        """First column with a band."""
        return min(r.curve.left for r in self.rows)

    @property
    def right(self) -> int:
        """Last column with a band."""
        return max(r.curve.right for r in self.rows)

    @property
    def weight(self) -> float:
        """Trust in it: of its rows together."""
        return sum(r.weight for r in self.rows)


def see_rows(grid: Grid, curves: tuple[RowCurve, ...], *, most: int = 10) -> list[SeenRow]:
    """Measure the rows; those that are no rows of bands (a frame's edge, a scratch) are left out."""
    usable = [c for c in curves if not _wanders(c)]
    usable.sort(key=lambda c: -c.covered * np.sqrt(min(c.snr, 50.0)))
    seen = [_see_row(grid, c, with_comb=k < most and c.covered >= 12) for k, c in enumerate(usable)]
    return [row for row in seen if not _is_line(row)]


def _see_row(grid: Grid, curve: RowCurve, *, with_comb: bool) -> SeenRow:
    cols = np.arange(grid.pixels.shape[1])
    profile, noise = row_profile(grid, curve, cols)
    extent = (max(0, curve.left - 2), min(len(cols), curve.right + 3))
    logs = _compressed(grid, curve, profile, noise)
    trust = np.sqrt(min(curve.snr, 50.0))
    middle = float(curve.rows_at(np.array([(curve.left + curve.right) / 2]))[0])
    comb = comb_of_rows([logs], [1.0], extent) if with_comb else None
    if comb is None:
        return SeenRow(curve, logs, 0.3 * float(trust), None, middle)
    return SeenRow(curve, logs, float(trust * comb.score), comb, middle)


def _compressed(grid: Grid, curve: RowCurve, profile: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Compressed profile of a row; of a slab of fused bands over its shoulders too, where its lanes part."""
    covered = curve.mask(len(profile))
    soft = softness(profile[covered], noise)
    crest = np.arcsinh(profile / soft)
    longest = max(r.width for r in curve.ridges)
    slab = curve.height > 8 and longest > 0.8 * (curve.right - curve.left)
    if slab and notch_depth(crest[curve.left : curve.right + 1]) < _FUSED:
        return log_profile(row_energy(grid, curve, np.arange(len(profile)), soft=soft), covered)
    return log_profile(crest, covered)


def comb_of_rows(
    logs: list[NDArray[np.float64]],
    weights: list[float],
    extent: tuple[int, int],
    *,
    n_lanes: int | None = None,
    pitches: NDArray[np.float64] | None = None,
) -> Comb | None:
    """Fit one comb to rows between two columns."""
    span = extent[1] - extent[0]
    window = slice(max(0, extent[0] - 40), min(len(logs[0]), extent[1] + 40))
    tried = pitches_for(span) if pitches is None else pitches
    comb = fit_comb(np.stack(logs)[:, window], np.asarray(weights), pitches=tried, n_lanes=n_lanes)
    return None if comb is None else replace(comb, centers=tuple(c + window.start for c in comb.centers))


def pitches_for(span: int) -> NDArray[np.float64]:
    """Pitches to try for bands that span some columns."""
    return np.geomspace(8, max(1.6 * span, 12), 20)


def _is_line(row: SeenRow) -> bool:
    """A long thin ridge without notches: an edge, a scratch, a pencil line."""
    longest = max(r.width for r in row.curve.ridges)
    return row.curve.height <= 3 and longest > 60 and (row.comb is None or len(row.comb.centers) < 3)


def _wanders(curve: RowCurve) -> bool:
    """Whether its ridges are too rough or steep for bands."""
    rough, total = 0.0, 0
    for ridge in curve.ridges:
        if ridge.width < 6:
            continue
        x = ridge.cols.astype(float)
        degree = 2 if ridge.width < 60 else 4
        fit = np.polynomial.Polynomial.fit(x, ridge.rows, degree)
        rough += float(((ridge.rows - fit(x)) ** 2).sum())
        total += len(x)
    if total and np.sqrt(rough / total) > 0.15 * curve.height + 0.7:
        return True
    return abs(curve.slope) > _STEEP


def group_rows(grid: Grid, rows: list[SeenRow]) -> list[Piece]:
    """Group rows into strips, the clearest first.

    A row joins a strip that it overlaps if nothing cuts between them and its bands stand where the strip's lanes are.

    Returns
    -------
    list of Piece
        Top to bottom, then left to right.
    """
    pieces: list[Piece] = []
    for row, comb in sorted(((r, r.comb) for r in rows if r.comb is not None), key=lambda pair: -pair[0].weight):
        at = _home(grid, pieces, row)
        if at is None:
            pieces.append(Piece((row,), comb))
        else:
            pieces[at] = _joined(pieces[at], row)
    for row in (r for r in rows if r.comb is None):
        at = _home(grid, pieces, row)
        if at is not None:
            pieces[at] = Piece((*pieces[at].rows, row), pieces[at].comb)
    whole = _merge_beside(pieces)
    parts = [part for piece in whole for part in _split_shifted(grid, piece)]
    pieces = [_without_strays(p, pieces) for p in (_take_in(grid, parts) if len(parts) > len(whole) else whole)]
    return sorted(pieces, key=lambda p: (min(r.y_mid for r in p.rows), p.left))


def _without_strays(piece: Piece, others: list[Piece]) -> Piece:
    """Leave out small rows that lie beyond the clear row of another piece: they are not this strip's."""
    main = max(piece.rows, key=lambda r: r.weight)
    walls = [
        wall.y_mid
        for other in others
        if not set(map(id, other.rows)) & set(map(id, piece.rows))
        and min(other.right, piece.right) > max(other.left, piece.left)
        for wall in [max(other.rows, key=lambda r: r.weight)]
        if wall.weight > 0.3 * main.weight
    ]
    kept = tuple(
        r
        for r in piece.rows
        if r.weight > 0.3 * main.weight
        or not any(min(r.y_mid, main.y_mid) < w < max(r.y_mid, main.y_mid) for w in walls)
    )
    return piece if len(kept) == len(piece.rows) else _refit(replace(piece, rows=kept))


def _home(grid: Grid, pieces: list[Piece], row: SeenRow) -> int | None:
    """Which piece a row belongs to: the nearest that will have it."""
    nearest = sorted(range(len(pieces)), key=lambda k: _distance(pieces[k], row))
    return next((k for k in nearest if _belongs(grid, pieces[k], row)), None)


def _distance(piece: Piece, row: SeenRow) -> float:
    return min(abs(r.y_mid - row.y_mid) for r in piece.rows)


def _take_in(grid: Grid, pieces: list[Piece]) -> list[Piece]:
    """Give the rows of a lesser piece to the nearest one that they fit now that it has lost others."""
    left = sorted(pieces, key=lambda p: p.weight)
    kept: list[Piece] = []
    while left:
        piece = left.pop(0)
        homes = [k for k, other in enumerate(left) if all(_belongs(grid, other, row) for row in piece.rows)]
        if homes:
            at = min(homes, key=lambda k: min(_distance(left[k], row) for row in piece.rows))
            left[at] = _refit(Piece((*left[at].rows, *piece.rows), left[at].comb))
        else:
            kept.append(piece)
    return [part for piece in kept for part in _split_shifted(grid, piece)]


def _split_shifted(grid: Grid, piece: Piece) -> list[Piece]:
    """Take a piece apart where groups of rows lie far apart and both ends of one stand aside of the other's.

    Slabs of fused bands show too little of their lanes to contradict each other, but two membranes seldom lie exactly
    below each other.
    """
    best = max(r.weight for r in piece.rows)
    broad = 0.4 * (piece.right - piece.left)
    main = [r for r in piece.rows if r.weight > 0.15 * best and r.curve.covered > broad]
    main.sort(key=lambda r: r.y_mid)
    for upper, lower in pairwise(main):
        if not _stand_aside(grid, upper, lower, piece.comb.pitch):
            continue
        _, cut = cut_between(grid, upper.curve, lower.curve)
        groups = [tuple(r for r in piece.rows if (r.y_mid < cut) == above) for above in (True, False)]
        parts = [_fitted_near(rows, piece.comb.pitch) for rows in groups]
        known = [part for part in parts if part is not None]
        if len(known) == 2:
            return [small for part in known for small in _split_shifted(grid, part)]
    return [piece]


def _fitted_near(rows: tuple[SeenRow, ...], pitch: float) -> Piece | None:
    """Rows as a piece of their own, its lanes about as far apart as those of another piece."""
    if not rows:
        return None
    extent = (max(0, min(r.curve.left for r in rows) - 2), max(r.curve.right for r in rows) + 3)
    near = pitch * np.geomspace(0.75, 1.33, 9)
    comb = comb_of_rows([r.logs for r in rows], [r.weight for r in rows], extent, pitches=near)
    return None if comb is None else Piece(rows, comb)


def _stand_aside(grid: Grid, upper: SeenRow, lower: SeenRow, pitch: float) -> bool:
    """Whether both ends of one row lie further to one side than the lean of a membrane at right angles explains."""
    distance = lower.y_mid - upper.y_mid
    away = distance * grid.fy / (pitch * grid.fx)
    if distance < 8 * max(upper.curve.height, lower.curve.height) or away < 1.2:
        return False
    lean = -(upper.curve.slope + lower.curve.slope) / 2 * (grid.fy / grid.fx) ** 2 * distance
    shifts = [(b - a - lean) / pitch for a, b in zip(_row_ends(grid, upper), _row_ends(grid, lower), strict=True)]
    aside = min(shifts) if min(shifts) > 0 else min(0.0, max(shifts))
    strength, _ = cut_between(grid, upper.curve, lower.curve)
    if strength < 0.5 and abs(aside) > 0.5 and abs(aside - round(aside)) < 0.2 and _shows_lanes(upper, lower):
        # The same lanes, of which either row leaves out an end one: a ladder, or a sample without the protein.
        return False
    return abs(aside) > 0.25 + 0.03 * away - 0.3 * float(np.clip(strength, 0, 1))


def _shows_lanes(*rows: SeenRow) -> bool:
    """Whether each row shows its lanes, so that lanes of another membrane would contradict it."""
    return all(row.comb is not None and row.comb.score > _CLEAR_COMB * len(row.comb.centers) for row in rows)


def _row_ends(grid: Grid, row: SeenRow) -> tuple[float, float]:
    """Columns where a row's first band begins and its last one ends, at half of the usual height."""
    cols = np.arange(grid.pixels.shape[1])
    profile, _ = row_profile(grid, row.curve, cols)
    covered = row.curve.mask(len(cols))
    usual = float(np.median(profile[covered]))
    on = np.flatnonzero(covered & (profile > 0.45 * usual))
    return float(on[0]), float(on[-1])


def _merge_beside(pieces: list[Piece]) -> list[Piece]:
    """Join pieces that lie side by side when a row of one runs on in the other: lanes between them are empty."""
    merged: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: -p.weight):
        at = next((k for k, other in enumerate(merged) if _runs_on(other, piece)), None)
        if at is None:
            merged.append(piece)
            continue
        whole = merged[at]
        for row in piece.rows:
            whole = Piece((*whole.rows, row), whole.comb)
        merged[at] = _refit(whole)
    return merged if len(merged) == len(pieces) else _merge_beside(merged)


def _runs_on(a: Piece, b: Piece) -> bool:
    if not 0.6 < a.comb.pitch / b.comb.pitch < 1.67 and min(len(a.comb.centers), len(b.comb.centers)) > 1:
        return False
    overlap = min(a.right, b.right) - max(a.left, b.left)
    return overlap < 0.5 * a.comb.pitch and any(_continues(a, row.curve) for row in b.rows)


def _joined(piece: Piece, row: SeenRow) -> Piece:
    """Add a row to a strip and fit the lanes of all its rows anew."""
    return _refit(Piece((*piece.rows, row), piece.comb))


def recount(piece: Piece, n_lanes: int) -> Piece:
    """Fit a strip's lanes anew with their number given."""
    extent = (max(0, piece.left - 2), piece.right + 3)
    span = piece.right - piece.left
    pitches = np.unique(np.append(piece.comb.pitch * np.geomspace(0.4, 2.2, 18), span / max(n_lanes - 0.3, 0.7)))
    comb = comb_of_rows(
        [r.logs for r in piece.rows], [r.weight for r in piece.rows], extent, n_lanes=n_lanes, pitches=pitches
    )
    return piece if comb is None else Piece(piece.rows, comb)


def _refit(piece: Piece) -> Piece:
    return _fitted_near(piece.rows, piece.comb.pitch) or piece


def _belongs(grid: Grid, piece: Piece, row: SeenRow) -> bool:
    curve, pitch = row.curve, piece.comb.pitch
    if max(r.width for r in curve.ridges) < 0.35 * pitch:
        return False
    overlap = min(piece.right, curve.right) - max(piece.left, curve.left)
    half = 0.5 * min(piece.right - piece.left, curve.right - curve.left)
    shares = overlap >= half or (overlap >= 1.5 * pitch and coherence(row, piece.comb) > 0.45)
    if not shares and not _continues(piece, curve):
        return False
    if _contradicts(row, piece, _distance(piece, row)):
        return False
    levels = [r.y_mid for r in piece.rows]
    if min(levels) <= row.y_mid <= max(levels):
        return True
    away = 5 * pitch * grid.fx / grid.fy
    if row.comb is None and not min(levels) - away < row.y_mid < max(levels) + away:
        return False
    main = max(piece.rows, key=lambda r: r.weight)
    near = min((r for r in piece.rows if r.comb is not None), key=lambda r: abs(r.y_mid - row.y_mid), default=main)
    pairs = [sorted((other, row), key=lambda r: r.y_mid) for other in ((main,) if near is main else (main, near))]
    return all(find_cut(grid, upper.curve, lower.curve) is None for upper, lower in pairs)


def _contradicts(row: SeenRow, piece: Piece, distance: float) -> bool:
    """Whether a row shows lanes of its own that are not the strip's; fused bands show none and contradict nothing."""
    agreement = coherence(row, piece.comb, tilt=0.06 * distance)
    if row.comb is None:
        return agreement < 0.25
    n_inside = max(len(_extended(piece.comb, row.curve.left, row.curve.right)), 1)
    clear = row.comb.score / n_inside
    return (clear > _CLEAR_COMB and agreement < 0.45) or agreement < -0.2


def _continues(piece: Piece, curve: RowCurve) -> bool:
    """Whether a row runs on where one of the strip's rows ends."""
    for other in (r.curve for r in piece.rows):
        a, b = (other, curve) if other.left < curve.left else (curve, other)
        gap = b.left - a.right
        fall = abs(float(np.mean(b.ridges[0].rows[:6])) - float(np.mean(a.ridges[-1].rows[-6:])))
        if -5 < gap < 2.7 * piece.comb.pitch and fall < 1.0 * max(curve.height, other.height) + 0.12 * max(gap, 0):
            return True
    return False


def coherence(row: SeenRow, comb: Comb, *, tilt: float = 0.0) -> float:
    """Mean evidence of a row at the lanes of a comb that lie in it, less that between them; the best of small shifts.

    Beyond the comb's ends its pitch goes on.
    """
    bumps = bump_map(row.logs[None], comb.pitch)[0]
    centers = _extended(comb, row.curve.left, row.curve.right)
    if len(centers) == 0:
        return 0.0
    best = -1.0
    limit = min(tilt, 0.35 * comb.pitch) + 0.12 * comb.pitch
    for shift in np.linspace(-limit, limit, 7):
        best = max(best, float(np.interp(centers + shift, np.arange(len(bumps)), bumps).mean()))
    return best


def _extended(comb: Comb, left: float, right: float) -> NDArray[np.float64]:
    """Lane centres between two columns, the comb continued at its own end gaps."""
    c = list(comb.centers)
    first = c[1] - c[0] if len(c) > 1 else comb.pitch
    last = c[-1] - c[-2] if len(c) > 1 else comb.pitch
    while c[0] - first > left:
        c.insert(0, c[0] - first)
    while c[-1] + last < right:
        c.append(c[-1] + last)
    lanes = np.array(c)
    return lanes[(lanes > left - 0.2 * comb.pitch) & (lanes < right + 0.2 * comb.pitch)]
