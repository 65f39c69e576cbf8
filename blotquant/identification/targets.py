"""Which row is which protein: by molecular weight, by place, by what most lanes share, and always by hand first.

All rows of a strip are candidates (`find_rows`), the rows of all targets of a picture are chosen together
(`choose_rows`), and each lane gets a band in the named rows (`assign_targets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from blotquant.identification.ladder import LadderFit
from blotquant.identification.mass_scale import Ladder, MassScale, read_ladder, row_course, row_jumps
from blotquant.identification.presets import Target
from blotquant.model.geometry import Band, Lane, Layout, polygon

__all__ = ["KDA_TOLERANCE", "Ladder", "Target", "assign_targets"]

KDA_TOLERANCE = 0.15
"""Part of its target's mass by which a band may be off where the settings say nothing."""
ROWS_PER_COL = 0.25
"""Pixels down that count as one aside: rows lie closer together than lanes."""
_KDA_SD = 0.03
"""Part by which the apparent mass of one protein differs between a ladder and a row."""
_WEAKNESS = 4.0
"""What a row without strength costs, in squares of `_KDA_SD`: a nearer mass outweighs strength beyond two of them."""
_CLOSE = 2.0
"""Costs that differ by less leave the choice in doubt."""
_NO_ROW = 1e6
"""Cost of a row outside the tolerance."""
_CLEAR_ROW = 0.25
"""Score over the strongest row's from which on a row is one of the picture's proteins."""
_RIVAL_WITHOUT_MASSES = 0.5
"""Score over the strongest row's of another that may be the protein where nothing tells masses."""
_DOUBLET_REACH = 1.6
"""Rows of one doublet lie no further apart than this many heights of their outlines."""
_PARTNER_SHARE = 0.25
"""Score over the row's beside it from which on a row can be its partner."""
BY_HAND = ("edited", "drawn")
"""Origins of bands whose names a hand gave."""


@dataclass(frozen=True, kw_only=True)
class Naming:
    """What is known about a picture's proteins.

    Attributes
    ----------
    probe : str or None
        The antibody or stain it shows.
    targets : tuple of Target
        The proteins to look for.
    ladder : str, tuple of float, LadderFit or None
        Product name or masses in kDa of the ladder that was run, or its fit.
    together : tuple of Target
        Other proteins that the same picture shows, whose rows are not this probe's.
    marker : LadderFit or None
        Ladder of a marker picture in the same frame; it counts where the picture's own does not fit.
    """

    probe: str | None = None
    targets: tuple[Target, ...] = ()
    ladder: str | Sequence[float] | LadderFit | None = None
    together: tuple[Target, ...] = ()
    marker: LadderFit | None = None


def assign_targets(
    layout: Layout,
    targets: Iterable[Target],
    *,
    probe: str | None = None,
    ladder: Ladder | None = None,
    table: Mapping[str, Iterable[Any]] | None = None,
    kda_tolerance: float = KDA_TOLERANCE,
) -> Layout:
    """Name the bands of a picture, and give every lane a band in the named rows.

    On each strip the target's row is, in this order: the row of which a hand has named at least half; the row that
    the target states; the row at the expected mass, where a ladder lane tells masses; the row that most lanes share
    and that is strongest. A doublet takes neighbouring rows, named ``pERK 44`` and ``pERK 42``; where it shows one
    row only, that is its sum, named ``pERK`` and flagged `unresolved`. Bands named by hand keep their names.

    Parameters
    ----------
    layout : Layout
        With rows found.
    targets : iterable of Target
        Proteins that the picture shows; their rows are chosen together, and no row is two of them.
    probe : str, optional
        Name only the bands of the target of that name (one without mass if there is none); without it, of all.
    ladder : str, sequence of float or LadderFit, optional
        Product name or masses of the ladder in the lane of role ``ladder``, or a fit made before; bands that a hand
        named ``55 kDa`` stand above it. Where the bands do not fit, masses are not used and the ladder's lane is
        flagged `ladder_unused`.
    table : DataFrame or mapping of str to iterable, optional
        Columns `band_id` and `volume` of the measured bands, to tell strong rows from weak ones; else the bands'
        confidence.
    kda_tolerance : float
        Part of the expected mass by which a band may be off; a lone row further off is named and flagged `kda_far`.

    Returns
    -------
    Layout
        Bands with targets; lanes that had no band in a named row have an expected, not detected one.
    """
    known = list(targets)
    wanted = [t for t in known if t.name == probe] or ([Target(probe)] if probe else known)
    every = [*wanted, *(target for target in known if target.name not in {w.name for w in wanted})]
    given = {name for target in wanted for name in target.members}
    volumes = zip(table["band_id"], table["volume"], strict=True) if table is not None else ()
    strengths = {str(key): max(float(volume), 0.0) for key, volume in volumes if volume == volume}
    for strip in layout.strips:
        layout, fit = read_ladder(layout, strip.id, ladder)
        # Names that an earlier run gave are told anew, those of a hand stay: a second run says the same.
        lanes = {lane.id for lane in layout.lanes_of(strip.id)}
        forgotten = (
            replace(b, target=None) if b.lane in lanes and b.target in given and b.origin not in BY_HAND else b
            for b in layout.bands
        )
        layout = replace(layout, bands=tuple(forgotten))
        placed = [_with_row_at(layout, strip.id, target) for target in every]
        choices = choose_rows(find_rows(layout, strip.id, fit, strengths), placed, fit, kda_tolerance)
        for target in wanted:
            choice = choices[target.name]
            choice = _doubted(choice, any(row_jumps(layout, strip.id, row) for row in choice.rows))
            # A doublet of one row is its sum, under the target's own name.
            names = target.band_names if len(choice.rows) == len(target.band_names) else (target.name,)
            for name, row in zip(names, choice.rows, strict=False):
                layout = _name_row(layout, strip.id, row, name, flags=choice.flags, family=target.members)
    return layout.sorted()


def _with_row_at(layout: Layout, strip: str, target: Target) -> Target:
    """The target with the row of the band nearest to the place that a person pointed at."""
    if target.at is None:
        return target
    x, y = target.at
    lanes = {lane.id for lane in sample_lanes(layout, strip)}
    near = min(
        (band for band in layout.bands if band.lane in lanes and band.row is not None),
        key=lambda b: np.hypot((b.peak[0] - y) / ROWS_PER_COL, b.peak[1] - x),
        default=None,
    )
    return target if near is None else replace(target, row=layout.row_names(strip)[near.row or 0])


def _name_row(
    layout: Layout, strip: str, row: int, name: str, *, flags: Sequence[str], family: Sequence[str]
) -> Layout:
    lanes = sample_lanes(layout, strip)
    bands = list(layout.bands)
    template = [b for b in bands if b.row == row and b.lane in {lane.id for lane in lanes}]
    for lane in lanes:
        mine = [k for k, b in enumerate(bands) if b.lane == lane.id]
        # A hand's name for this protein wins over any rule, for the whole lane.
        said = [bands[k].target for k in mine if bands[k].origin in BY_HAND and bands[k].target]
        if name in said or family[-1] in said or (name == family[-1] and set(said) & set(family)):
            continue
        here = [k for k in mine if bands[k].row == row]
        free = [k for k in here if bands[k].target is None]
        if free:
            band = bands[free[0]]
            bands[free[0]] = replace(band, target=name, flags=tuple(dict.fromkeys((*band.flags, *flags))))
        elif not here and template:
            bands.append(replace(_expected_band(lane, layout, template, bands), target=name, flags=tuple(flags)))
    return replace(layout, bands=tuple(bands))


def _expected_band(lane: Lane, layout: Layout, template: Sequence[Band], bands: Sequence[Band]) -> Band:
    """The row's aperture, moved to where the row passes through a lane that lacks it."""
    # Where the row passes: its bands' heights less the strip's course, read at the lane, and bent back.
    cols = np.array([b.peak[1] for b in template])
    places = np.array([b.peak[0] for b in template])
    order = np.argsort(cols)
    col = float(lane.center_at([np.median(places)])[0])
    source = template[int(np.argmin(np.abs(cols - col)))]
    tilt, bend = row_course(layout, lane.strip)
    flat = places - tilt * cols - bend * cols**2
    place = float(np.interp(col, cols[order], flat[order]) + tilt * col + bend * col**2)
    home = float(layout.lane(source.lane).center_at([source.peak[0]])[0])
    step = (place - source.peak[0], float(lane.center_at([place])[0]) - home)
    # An id that no band has yet.
    used = {b.id for b in bands}
    base = f"{lane.id}-row{source.row}"
    name = next(n for k in range(1, 1000) if (n := base if k == 1 else f"{base}.{k}") not in used)
    return replace(
        source, id=name, lane=lane.id, outline=polygon(np.asarray(source.outline) + step),
        peak=(round(place, 4), round(source.peak[1] + step[1], 4)),
        target=None, origin="expected", status="not_detected", confidence=0.5, flags=())  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a strip: where it lies, how much of it shows, and what a hand said."""

    number: int
    name: str
    place: float
    height: float
    score: float  # share of lanes that show it, times the root of its relative strength
    kda: float | None
    hand: frozenset[str]
    outlines: frozenset[object]


@dataclass(frozen=True, slots=True)
class Choice:
    """Rows chosen for a target, and what is to be said about it."""

    rows: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()


def sample_lanes(layout: Layout, strip: str) -> list[Lane]:
    """Lanes in which targets are named: all but ladders and excluded ones."""
    return [lane for lane in layout.lanes_of(strip) if lane.role not in ("ladder", "excluded")]


def find_rows(layout: Layout, strip: str, fit: MassScale | None, strengths: Mapping[str, float]) -> list[Row]:
    """All rows of a strip, top to bottom."""
    lanes = {lane.id: lane for lane in sample_lanes(layout, strip)}
    groups: dict[int, list[Band]] = {}
    for band in layout.bands:
        if band.lane in lanes and band.row is not None:
            groups.setdefault(band.row, []).append(band)
    names = layout.row_names(strip)
    # How strong each row is, by the lanes that show it, in parts of the strongest.
    power = dict.fromkeys(groups, 0.0)
    for number, bands in groups.items():
        shown = [b for b in bands if b.status == "detected"]
        if shown:
            power[number] = float(np.median([strengths.get(b.id, 0.0) if strengths else b.confidence for b in shown]))
    top = max(power.values(), default=0.0) or 1.0
    rows = []
    for number, bands in groups.items():
        seen = [b for b in bands if b.status == "detected"] or bands
        share = sum(b.status == "detected" for b in bands) / max(len(lanes), 1)
        masses = [float(fit.to_kda(*b.peak)) for b in seen] if fit else []
        # Names that a hand gave to a row in half of the lanes or more; one corrected lane does not move the others.
        said = [b.target for b in bands if b.target and b.origin in BY_HAND]
        rows.append(Row(
            number=number,
            name=names[number],
            place=float(np.median([b.peak[0] for b in seen])),
            height=float(np.median([b.box.row_stop - b.box.row_start for b in bands])),
            score=share * float(np.sqrt(power[number] / top)),
            kda=float(np.median(masses)) if masses else None,
            hand=frozenset(name for name in said if 2 * said.count(name) >= len(lanes)),
            outlines=frozenset((b.lane, b.outline) for b in bands if b.split)))  # fmt: skip
    return sorted(rows, key=lambda row: (row.place, row.number))


def choose_rows(
    rows: Sequence[Row], targets: Sequence[Target], fit: MassScale | None, tolerance: float
) -> dict[str, Choice]:
    """Pick the rows of all targets of one picture together; no row is two proteins.

    Parameters
    ----------
    rows : sequence of Row
        From the top down.
    targets : sequence of Target
        All proteins that the picture shows.
    fit : MassScale or None
        Masses, where a ladder tells them.
    tolerance : float
        Part of the expected mass by which a row may be off.

    Returns
    -------
    dict of str to Choice
        By the target's name. In this order: what a hand said; the row that is stated; the masses of all targets
        together; the order of masses; strength.
    """
    # What a hand or the target itself says comes before any rule.
    chosen: dict[str, Choice] = {}
    for target in targets:
        said = _said(rows, target, fit)
        if said is not None:
            chosen[target.name] = said
    taken = {number for choice in chosen.values() for number in choice.rows}
    left = [target for target in targets if target.name not in chosen]
    free = [row for row in rows if row.number not in taken and row.score > 0]
    if not free or not left:
        return chosen | {target.name: Choice() for target in left}
    # Masses tell where there is a ladder, else the order of the masses, else strength alone.
    if fit is not None and all(target.masses for target in left):
        return chosen | _by_masses(free, left, fit, tolerance)
    if len(left) > 1:
        return chosen | _by_order(free, left)
    ranked = sorted(free, key=lambda row: (-row.score, row.number))
    choice = _with_partner(free, ranked[0], left[0], fit)
    # Another row nearly as strong leaves the choice in doubt.
    limit = _RIVAL_WITHOUT_MASSES * ranked[0].score
    rivals = [row for row in ranked if row.number not in choice.rows and row.score >= limit]
    return chosen | {left[0].name: _doubted(choice, bool(rivals))}


def _said(rows: Sequence[Row], target: Target, fit: MassScale | None) -> Choice | None:
    """The rows that a hand named, or that the target states; None where nobody said."""
    by_hand = [[row for row in rows if name in row.hand] for name in target.band_names]
    if all(by_hand):
        return Choice(tuple(max(found, key=lambda row: row.score).number for found in by_hand))
    named = [row for row in rows if row.hand & set(target.members)]
    if named:
        return _with_partner(rows, max(named, key=lambda row: row.score), target, fit)
    if target.row is not None:
        found = [row for row in rows if target.row in (row.name, row.name.removesuffix("a"))]
        if not found:
            return Choice()
        # Half of a row that was found divided, where the whole was named, is a guess for anything but a doublet.
        halved = target.row != found[0].name and len(target.band_names) < 2
        return _doubted(_with_partner(rows, found[0], target, fit), halved)
    return None


def _doubted(choice: Choice, doubt: bool, flag: str = "target_uncertain") -> Choice:
    return replace(choice, flags=(*choice.flags, flag)) if doubt else choice


def _by_masses(rows: Sequence[Row], targets: Sequence[Target], fit: MassScale, tolerance: float) -> dict[str, Choice]:
    """The assignment of rows to targets whose masses fit best on the whole; strength decides between equal masses."""
    from scipy.optimize import linear_sum_assignment

    limit = float(np.log1p(tolerance))
    miss = np.array([
        [min(abs(float(np.log((row.kda or 1e-9) / mass))) for mass in target.masses) for row in rows]
        for target in targets
    ])  # fmt: skip
    cost = (miss / _KDA_SD) ** 2 + _WEAKNESS * (1 - np.array([row.score for row in rows]))
    cost[miss > limit] = _NO_ROW
    # A column of its own for each target that no row fits.
    spare = np.where(np.eye(len(targets), dtype=bool), _NO_ROW / 2, 2 * _NO_ROW)
    pairs = dict(zip(*(at.tolist() for at in linear_sum_assignment(np.hstack([cost, spare]))), strict=True))
    # Targets with a row first; what found none takes from what is left.
    taken = {rows[k].number for k in pairs.values() if k < len(rows)}
    chosen: dict[str, Choice] = {}
    for i in sorted(pairs, key=lambda i: (pairs[i] >= len(rows), cost[i].min())):
        target, k = targets[i], pairs[i]
        others = taken - ({rows[k].number} if k < len(rows) else set())
        free = [row for row in rows if row.number not in others]
        if k >= len(rows):
            # No row at its mass: the strongest that is left is shown, far from it.
            best = max(free, key=lambda row: row.score, default=None)
            choice = Choice() if best is None else _doubted(_with_partner(free, best, target, fit), True, "kda_far")
        else:
            near = [row for row in free if miss[i][rows.index(row)] <= limit]
            choice = _with_partner(near, rows[k], target, fit)
            # A row inside the chosen one's outlines is a piece of it: bands of a few lanes that lie a little off.
            own = [row for row in near if row.number in choice.rows]
            top, bottom = min(row.place - row.height / 2 for row in own), max(row.place + row.height / 2 for row in own)
            rivals = [row for row in near if row.number not in choice.rows and not top <= row.place <= bottom
                      and cost[i][rows.index(row)] < cost[i][k] + _CLOSE]  # fmt: skip
            choice = _doubted(choice, bool(rivals))
        taken |= set(choice.rows)
        chosen[target.name] = choice
    return chosen


def _by_order(rows: Sequence[Row], targets: Sequence[Target]) -> dict[str, Choice]:
    """Without a ladder heavier proteins lie higher: as many clear rows as bands are expected are told by their order.

    A doublet counts as two rows, or as one that is not taken apart. Where another number of rows is clear, or a mass is
    not known, the rows are a guess and say so.
    """
    # As many clear rows as bands are expected: their order tells them.
    known = all(target.masses for target in targets)
    ordered = sorted(targets, key=lambda t: -max(t.masses, default=0.0))
    clear = [row for row in rows if row.score >= _CLEAR_ROW * max(r.score for r in rows)]
    parts = sorted(((mass, t) for t in ordered for mass in t.masses), key=lambda part: -part[0])
    if known and len(clear) == len(parts):
        rows_by: dict[str, tuple[int, ...]] = {}
        for (_, target), row in zip(parts, clear, strict=True):
            rows_by[target.name] = (*rows_by.get(target.name, ()), row.number)
        return {name: Choice(numbers) for name, numbers in rows_by.items()}
    # Otherwise the strongest rows in the order of the masses, as a guess.
    doubt = not known or len(clear) != len(targets)
    best = sorted(sorted(rows, key=lambda row: -row.score)[: len(targets)], key=lambda row: row.place)
    chosen = {target.name: Choice() for target in targets}
    for target, row in zip(ordered, best, strict=False):
        flags = ("unresolved",) if len(target.band_names) > 1 else ()
        chosen[target.name] = _doubted(Choice((row.number,), flags), doubt)
    return chosen


def _with_partner(rows: Sequence[Row], best: Row, target: Target, fit: MassScale | None) -> Choice:
    """Complete a doublet with the neighbouring rows, or take the one row as its sum."""
    size = len(target.band_names)
    if size < 2:
        return Choice((best.number,))
    # Pieces of a row may lie between its two.
    rows = [row for row in rows if row is best or row.score >= _PARTNER_SHARE * best.score]
    at = [row.number for row in rows].index(best.number)
    windows = [rows[k : k + size] for k in range(at - size + 1, at + 1) if 0 <= k <= len(rows) - size]
    whole = [w for w in windows if all(_are_partners(a, b, fit, target) for a, b in pairwise(w))]
    if not whole:
        return Choice((best.number,), ("unresolved",))
    chosen = max(whole, key=lambda w: sum(row.score for row in w))
    return Choice(tuple(row.number for row in chosen))


def _are_partners(upper: Row, lower: Row, fit: MassScale | None, target: Target) -> bool:
    if upper.outlines & lower.outlines:
        return True
    gap = lower.place - upper.place
    if fit is None:
        return gap <= _DOUBLET_REACH * max(upper.height, lower.height)
    first, last = (float(fit.to_row(mass, fit.cols[0])) for mass in (target.masses[0], target.masses[-1]))
    return gap <= 2.5 * (last - first) / (len(target.masses) - 1)
