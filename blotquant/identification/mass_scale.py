"""Molecular weight at any place of a strip: ladders read along the rows of the membrane itself.

A protein runs to one height in every lane, but its row tilts with the membrane and bends with the front (smile). How it
does is read from the rows that several lanes show, all of which follow one tilt and one bend: a place in a lane is
carried along them to the ladder's column, and read there. Between two ladders both are read, and the nearer one counts
for more; beside the outermost one it alone counts.

References
----------
docs/methods.md, *Molecular weight*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.flags import join_flags, split_flags
from blotquant.identification.ladder import LadderError, LadderFit, find_ladders
from blotquant.identification.presets import Target
from blotquant.model.geometry import Band, Layout

Floats = NDArray[np.float64]
Ladder = str | Sequence[float] | LadderFit
"""Product name or masses in kDa, or one fit for the whole strip."""

MIN_LANES = 3
"""Lanes that show a row from which on it tells of tilt."""
MIN_LANES_TO_BEND = 5
"""And of the bend."""
BEND_F = 12.0
"""By so many of its mean squares the rows' misfit must fall for a bend to be believed."""
JUMP = 0.7
"""Band heights by which two neighbours of one row differ at the least if they are two proteins."""
SAME_HEIGHT = 0.35
"""Band heights between two bands, one above the other, from which on they are two rows."""
OUTLIER_SDS = 2.0
"""A band further from its row's line counts less and less (Huber)."""


@dataclass(frozen=True, kw_only=True)
class MassScale:
    """Molecular weight over one strip.

    Attributes
    ----------
    fits : tuple of LadderFit
        One a ladder lane, from left to right.
    cols : tuple of float
        Middle column of each ladder lane.
    tilt, bend : float
        A row lies ``tilt * x + bend * x**2`` lower at the column x.
    """

    fits: tuple[LadderFit, ...]
    cols: tuple[float, ...]
    tilt: float = 0.0
    bend: float = 0.0

    def lower(self, cols: ArrayLike) -> Floats:
        """Rows by which one protein lies lower at some columns than at column 0."""
        x = np.asarray(cols, dtype=float)
        return np.asarray(self.tilt * x + self.bend * x**2)

    def to_kda(self, rows: ArrayLike, cols: ArrayLike) -> Floats:
        """Molecular weight at some places, in kDa; beyond a ladder's ends its slope goes on."""
        told = [np.log(fit.to_kda(rows, shift=lower)) for fit, lower in self._ladders(cols)]
        return np.asarray(np.exp(np.sum(self._shares(cols) * told, axis=0)))

    def error_kda(self, rows: ArrayLike, cols: ArrayLike) -> Floats:
        """Leave-one-out error of the ladders at some places, in kDa: of those that count there, by how much."""
        kda = self.to_kda(rows, cols)
        return np.asarray(kda * np.sum(self._shares(cols) * [fit.error_at(kda) for fit in self.fits], axis=0))

    def to_row(self, kda: ArrayLike, col: float) -> Floats:
        """Row at which some molecular weights are expected at a column."""
        told = [fit.to_row(kda, shift=lower) for fit, lower in self._ladders(col)]
        return np.asarray(np.sum(self._shares(np.full(np.shape(kda), col)) * told, axis=0))

    def is_outside(self, rows: ArrayLike, cols: ArrayLike) -> NDArray[np.bool_]:
        """Whether places lie beyond the bands of every ladder that counts there."""
        told = [fit.is_outside(rows, shift=lower) for fit, lower in self._ladders(cols)]
        return np.asarray(np.all(np.asarray(told) | (self._shares(cols) == 0), axis=0))

    def _ladders(self, cols: ArrayLike) -> list[tuple[LadderFit, Floats]]:
        """Each ladder, and how much lower than in its lane the same protein lies at some columns."""
        return [(fit, self.lower(cols) - self.lower(home)) for fit, home in zip(self.fits, self.cols, strict=True)]

    def _shares(self, cols: ArrayLike) -> Floats:
        """How much each ladder counts at some columns; shape (ladders, ...)."""
        col, places = np.asarray(cols, dtype=float), np.asarray(self.cols)
        return np.stack([np.interp(col, places, only) for only in np.eye(len(places))])


def find_scale(layout: Layout, strip: str, ladder: Ladder | None) -> MassScale | None:
    """Read all ladder lanes of a strip, and how its rows tilt and bend.

    Parameters
    ----------
    layout : Layout
        With bands.
    strip : str
        The strip's id.
    ladder : Ladder or None
        What tells the masses; not needed where a hand named the bands.

    Returns
    -------
    MassScale or None
        None where the strip has no ladder lane, or nothing tells its masses.

    Raises
    ------
    LadderError
        If there is a ladder lane and none fits.
    """
    lanes = layout.lanes_of(strip)
    homes = {x.id: float(np.mean([col for _, col in x.center])) for x in lanes if x.role == "ladder"}
    if ladder is None and not any(band.target for band in layout.bands if band.lane in homes):
        return None  # neither a product nor a hand says what the ladder's bands are
    tilt, bend = row_course(layout, strip)
    if isinstance(ladder, LadderFit):
        found = [(lane, ladder) for lane in ([x for x in lanes if x.id in homes] or lanes)[:1]]
    else:
        # The lane of a tilted ladder leans: its bands, at other columns, are taken to its middle along their rows.
        level = [
            replace(b, peak=(b.peak[0] - (tilt + bend * (b.peak[1] + home)) * (b.peak[1] - home), b.peak[1]))
            if (home := homes.get(b.lane)) is not None
            else b
            for b in layout.bands
        ]
        found = find_ladders(replace(layout, bands=tuple(level)), strip, ladder)
    if not found:
        return None
    cols = [float(np.mean([col for _, col in lane.center])) for lane, _ in found]
    return MassScale(fits=tuple(fit for _, fit in found), cols=tuple(cols), tilt=tilt, bend=bend)


def read_ladder(layout: Layout, strip: str, ladder: Ladder | None) -> tuple[Layout, MassScale | None]:
    """As `find_scale`; where no ladder fits, none, and the ladder lanes are flagged `ladder_unused`."""
    try:
        return layout, find_scale(layout, strip, ladder)
    except LadderError:
        lanes = tuple(
            replace(lane, flags=(*lane.flags, "ladder_unused"))
            if lane.strip == strip and lane.role == "ladder" and "ladder_unused" not in lane.flags
            else lane
            for lane in layout.lanes
        )
        return replace(layout, lanes=lanes), None


def add_kda(
    bands: Iterable[Mapping[str, Any]],
    layout: Layout,
    *,
    targets: Iterable[Target] = (),
    ladder: Ladder | None = None,
) -> list[dict[str, Any]]:
    """Fill `mw_kda`, `kda_residual` and `kda_error` of measured bands; beyond the ladder stands `kda_outside_ladder`.

    Parameters
    ----------
    bands : iterable of mapping
        Rows of the layout's measured bands (`blotquant.quantification.bands.measure_rows`).
    layout : Layout
        With the ladder's lane.
    targets : iterable of Target
        To tell the residual: measured less expected mass.
    ladder : Ladder, optional
        As in `find_scale`.

    Returns
    -------
    list of dict
        Copies of the rows. Without a ladder that fits, they have none of them.
    """
    known, rows = list(targets), [dict(row) for row in bands]
    for strip in layout.strips:
        _, fit = read_ladder(layout, strip.id, ladder)
        mine = [row for row in rows if row["strip"] == strip.number]
        if fit is None or not mine:
            continue
        at, cols = (np.array([row[name] for row in mine], dtype=float) for name in ("peak_row", "peak_col"))
        found = zip(mine, fit.to_kda(at, cols), fit.error_kda(at, cols), fit.is_outside(at, cols), strict=True)
        for row, mass, error, out in found:
            row["mw_kda"], row["kda_residual"] = float(mass), float(mass - _expected(known, row["target"]))
            row["kda_error"] = float(error)
            row["flags"] = join_flags(split_flags(row["flags"]), ["kda_outside_ladder"] if out else [])
    return rows


def _expected(targets: Sequence[Target], name: object) -> float:
    """Mass at which a band of that name is expected; NaN where none is known."""
    if not isinstance(name, str):
        return np.nan
    found = (target.expected_kda(name) for target in (*targets, Target(name)))
    return next((mass for mass in found if mass is not None), np.nan)


def row_course(layout: Layout, strip: str) -> tuple[float, float]:
    """Tilt and bend that the rows of a strip have in common.

    Parameters
    ----------
    layout : Layout
        With rows.
    strip : str
        The strip's id.

    Returns
    -------
    tilt, bend : float
        A row lies ``tilt * x + bend * x**2`` lower at the column x; 0 where no row tells.

    Notes
    -----
    The steps between neighbouring lanes tell the course first, their median being blind to rows that jump from one
    protein to another; then least squares over all rows at once, each with a height of its own (all is taken from its
    row's mean), a few rounds of Huber's weights against bands that stray. The bend is taken where it lowers the misfit
    clearly.
    """
    # Rows that enough lanes show, each from left to right.
    rows: dict[int, list[Band]] = {}
    for lane in layout.lanes_of(strip):
        for band in layout.bands_of(lane.id):
            if band.row is not None and band.status == "detected":
                rows.setdefault(band.row, []).append(band)
    groups = [
        sorted(bands, key=lambda b: b.peak[1]) for bands in rows.values() if len({b.lane for b in bands}) >= MIN_LANES
    ]
    if not groups:
        return 0.0, 0.0
    x = np.array([b.peak[1] for bands in groups for b in bands])
    y = np.array([b.peak[0] for bands in groups for b in bands])
    of = np.repeat(np.arange(len(groups)), [len(bands) for bands in groups])
    # Slopes between neighbours of one row: their median is blind to a jump from one protein to another.
    within = np.diff(of) == 0
    middles, slopes = ((x[1:] + x[:-1]) / 2)[within], (np.diff(y) / np.maximum(np.diff(x), 1.0))[within]
    left, right = middles <= np.median(middles), middles > np.median(middles)
    # A bend shows as slopes that change from the left half to the right half.
    bend = 0.0
    if max(len(bands) for bands in groups) >= MIN_LANES_TO_BEND and left.any() and right.any():
        between = float(np.median(middles[right]) - np.median(middles[left]))
        bend = float(np.median(slopes[right]) - np.median(slopes[left])) / (2 * between)
    flat = y - float(np.median(slopes - 2 * bend * middles)) * x - bend * x**2
    # Bands far off their row's median count less in the least squares that follow.
    stray = np.abs(flat - np.array([np.median(flat[of == k]) for k in range(len(groups))])[of])
    sure = np.minimum(1.0, OUTLIER_SDS * max(1.4826 * float(np.median(stray)), 0.25) / np.maximum(stray, 1e-9))
    tilt = _fitted(x[:, None], y, of, sure)
    if max(len(bands) for bands in groups) < MIN_LANES_TO_BEND:
        return float(tilt[0][0]), 0.0
    # Tilt alone against tilt and bend: the bend is taken where an F test asks for it.
    middle = float(x.mean())
    both = _fitted(np.column_stack([x - middle, (x - middle) ** 2]), y, of, sure)
    freedom = len(x) - len(groups) - 2
    if freedom < 2 or (tilt[1] - both[1]) < BEND_F * both[1] / freedom:
        return float(tilt[0][0]), 0.0
    slope, bend = both[0]
    return float(slope - 2 * bend * middle), float(bend)


def mend_rows(layout: Layout, strip: str) -> Layout:
    """Take apart rows that jump from one protein to another, and join the pieces along the membrane's course.

    Parameters
    ----------
    layout : Layout
        With rows.
    strip : str
        The strip's id.

    Returns
    -------
    Layout
        As it was where no row jumps and none is in pieces, or where bands do not fall into clear rows. A row keeps the
        number that most of its bands have. Expected bands that lie beside their row are left out.

    Notes
    -----
    On a membrane that is turned by some degrees a row and its neighbour lie nearer to each other from lane to lane than
    a row to itself across an empty lane or the ladder's. Less the course that all rows have in common, each protein
    lies at one height.
    """
    tilt, bend = row_course(layout, strip)
    number_of = {lane.id: lane.number for lane in layout.lanes_of(strip) if lane.role not in ("ladder", "excluded")}
    mine = [band for band in layout.bands if band.lane in number_of and band.row is not None]
    seen = [band for band in mine if band.status == "detected"]
    if len(seen) < MIN_LANES_TO_BEND:
        return layout
    # Heights less the common course: a protein lies at one height in every lane.
    at = {b.id: b.peak[0] - tilt * b.peak[1] - bend * b.peak[1] ** 2 for b in mine}
    height = float(np.median([b.box.row_stop - b.box.row_start for b in seen]))
    rows: dict[int, list[Band]] = {}
    for band in sorted(seen, key=lambda b: number_of[b.lane]):
        rows.setdefault(band.row or 0, []).append(band)
    jumps = any(abs(at[a.id] - at[b.id]) > JUMP * height for bands in rows.values() for a, b in pairwise(bands))
    pieces = any(
        abs(float(np.median([at[x.id] for x in a]) - np.median([at[x.id] for x in b]))) < SAME_HEIGHT * height
        and not {x.lane for x in a} & {x.lane for x in b}
        for a, b in combinations(rows.values(), 2)
        if max(len(a), len(b)) >= MIN_LANES
    )
    if not (jumps or pieces):
        return layout
    # New rows: groups of heights with gaps between them, of which no lane shows two bands.
    ordered = sorted(seen, key=lambda b: at[b.id])
    cuts = [k for k in range(1, len(ordered)) if at[ordered[k].id] - at[ordered[k - 1].id] > SAME_HEIGHT * height]
    groups = [ordered[i:k] for i, k in pairwise([0, *cuts, len(ordered)])]
    if any(len({b.lane for b in group}) < len(group) for group in groups):
        return layout
    # The largest groups choose first: each keeps the number that most of its bands had.
    free = max(b.row or 0 for b in layout.bands)
    numbers: dict[int, int] = {}
    for k in sorted(range(len(groups)), key=lambda k: -len(groups[k])):
        common = Counter(b.row or 0 for b in groups[k]).most_common()
        numbers[k] = next((row for row, _ in common if row not in numbers.values()), 0)
        free += numbers[k] == 0
        numbers[k] = numbers[k] or free
    new = {band.id: numbers[k] for k, group in enumerate(groups) for band in group}
    # Expected bands go to the row that they lie in, if it has none in their lane.
    for band in (b for b in mine if b.status != "detected"):
        near = min(range(len(groups)), key=lambda k: abs(at[band.id] - np.median([at[b.id] for b in groups[k]])))
        beside = abs(at[band.id] - float(np.median([at[b.id] for b in groups[near]]))) > height / 2
        if not beside and not any(b.lane == band.lane and new.get(b.id) == numbers[near] for b in mine):
            new[band.id] = numbers[near]
    left_out = {band.id for band in mine} - new.keys()
    bands = (replace(b, row=new.get(b.id, b.row)) for b in layout.bands if b.id not in left_out)
    return replace(layout, bands=tuple(bands))


def row_jumps(layout: Layout, strip: str, row: int) -> bool:
    """Whether a row's bands leave the membrane's course between two neighbours, as where it is two proteins."""
    tilt, bend = row_course(layout, strip)
    lanes = {lane.id for lane in layout.lanes_of(strip) if lane.role not in ("ladder", "excluded")}
    mine = [b for b in layout.bands if b.lane in lanes and b.row == row and b.status == "detected" and not b.split]
    mine.sort(key=lambda b: b.peak[1])
    flat = [b.peak[0] - tilt * b.peak[1] - bend * b.peak[1] ** 2 for b in mine]
    heights = [b.box.row_stop - b.box.row_start for b in mine]
    return bool(mine) and any(abs(b - a) > JUMP * float(np.median(heights)) for a, b in pairwise(flat))


def _fitted(terms: Floats, y: Floats, of: NDArray[np.intp], trust: Floats) -> tuple[Floats, float]:
    """Coefficients of some terms that all groups share, each group with a height of its own, and the misfit."""
    weight = trust
    for _ in range(4):
        total = np.bincount(of, weight)
        design = terms - np.stack([np.bincount(of, weight * t) / total for t in terms.T], axis=1)[of]
        target = y - (np.bincount(of, weight * y) / total)[of]
        root = np.sqrt(weight)
        found = np.linalg.lstsq(design * root[:, None], target * root, rcond=None)[0]
        miss = np.abs(target - design @ found)
        limit = OUTLIER_SDS * max(1.4826 * float(np.median(miss)), 0.25)
        # No band counts for more than it was trusted at first, or the fit drifts to the rows that jump.
        weight = np.minimum(trust, limit / np.maximum(miss, 1e-9))
    return np.asarray(found, dtype=float), float((weight * miss**2).sum())
