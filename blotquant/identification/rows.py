"""Rows of a strip as candidates for a target, and the choice between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from blotquant.identification.ladder import LadderFit, ladder_shift
from blotquant.identification.presets import target_kda
from blotquant.model.geometry import Band, Lane, Layout

# A second row this near to the best one (part of its score) makes the choice a guess.
_RIVAL = 0.7
# Where nothing tells masses, strength is the only witness: a row of a quarter of the strength may be the protein.
_RIVAL_WITHOUT_MASSES = 0.5
# Rows of one doublet lie no further apart than this many outline heights.
_DOUBLET_REACH = 1.6
_PARTNER_SHARE = 0.25
BY_HAND = ("edited", "drawn")


@dataclass(frozen=True, slots=True)
class Target:
    """A protein to look for.

    Attributes
    ----------
    name : str
        As in the experiment file; the bands' `target`.
    mw_kda : tuple of float
        Expected mass in kDa, or the masses of a doublet, the upper band's first; where empty, the preset of that
        name if there is one.
    row : int or None
        Row of the strip, from 1 at the top, where the user knows it.
    """

    name: str
    mw_kda: tuple[float, ...] = ()
    row: int | None = None

    @property
    def masses(self) -> tuple[float, ...]:
        """Expected masses, heaviest first: the given ones or the preset's."""
        return tuple(sorted(self.mw_kda or target_kda(self.name), reverse=True))

    @property
    def band_names(self) -> tuple[str, ...]:
        """What its bands are called: the name itself, or the name and mass of each band of a doublet (``pERK 44``)."""
        if len(self.masses) < 2:
            return (self.name,)
        return tuple(f"{self.name} {mass:g}" for mass in self.masses)

    @property
    def members(self) -> tuple[str, ...]:
        """All `target` values that add up to this protein, the unresolved sum included."""
        return tuple(dict.fromkeys((*self.band_names, self.name)))

    def expected_kda(self, band_name: str) -> float | None:
        """Mass at which the band of that name is expected; of a doublet's sum, the geometric mean."""
        if not self.masses or band_name not in self.members:
            return None
        if band_name in self.band_names:
            return self.masses[self.band_names.index(band_name)]
        return float(np.exp(np.mean(np.log(self.masses))))


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a strip: where it lies, how much of it shows, and what a hand said."""

    number: int
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


def rows_of(layout: Layout, strip: str, fit: LadderFit | None, strengths: Mapping[str, float]) -> list[Row]:
    """All rows of a strip, top to bottom."""
    lanes = {lane.id: lane for lane in sample_lanes(layout, strip)}
    shifts = {key: ladder_shift(layout, strip, lane) for key, lane in lanes.items()}
    groups: dict[int, list[Band]] = {}
    for band in layout.bands:
        if band.lane in lanes and band.row is not None:
            groups.setdefault(band.row, []).append(band)
    power = {n: _power(bands, strengths) for n, bands in groups.items()}
    top = max(power.values(), default=0.0) or 1.0
    rows = []
    for number, bands in sorted(groups.items()):
        seen = [b for b in bands if b.status == "detected"] or bands
        share = sum(b.status == "detected" for b in bands) / max(len(lanes), 1)
        masses = [float(fit.to_kda(b.peak[0], shift=shifts[b.lane])) for b in seen] if fit else []
        rows.append(Row(
            number=number,
            place=float(np.median([b.peak[0] for b in seen])),
            height=float(np.median([b.box.row_stop - b.box.row_start for b in bands])),
            score=share * float(np.sqrt(power[number] / top)),
            kda=float(np.median(masses)) if masses else None,
            hand=_said_by_hand(bands, len(lanes)),
            outlines=frozenset((b.lane, b.outline) for b in bands if b.split)))  # fmt: skip
    return rows


def _said_by_hand(bands: Sequence[Band], n_lanes: int) -> frozenset[str]:
    """Names that a hand gave to a row in half of the lanes or more; one corrected lane does not move the others."""
    said = [b.target for b in bands if b.target and b.origin in BY_HAND]
    return frozenset(name for name in said if 2 * said.count(name) >= n_lanes)


def _power(bands: Sequence[Band], strengths: Mapping[str, float]) -> float:
    values = [strengths.get(b.id, 0.0) if strengths else b.confidence for b in bands if b.status == "detected"]
    return float(np.median(values)) if values else 0.0


def choose_rows(rows: Sequence[Row], target: Target, fit: LadderFit | None, tolerance: float) -> Choice:
    """Pick the row or rows of one target."""
    by_hand = [[row for row in rows if name in row.hand] for name in target.band_names]
    if all(by_hand):
        return Choice(tuple(max(found, key=lambda row: row.score).number for found in by_hand))
    named = [row for row in rows if row.hand & set(target.members)]
    if named:
        return _with_partner(rows, max(named, key=lambda row: row.score), target, fit)
    if target.row is not None:
        found = [row for row in rows if row.number == target.row]
        return _with_partner(rows, found[0], target, fit) if found else Choice()
    shown = [row for row in rows if row.score > 0]
    if not shown:
        return Choice()
    if fit is not None and target.masses:
        return _by_mass(shown, target, fit, tolerance)
    ranked = sorted(shown, key=lambda row: (-row.score, row.number))
    choice = _with_partner(shown, ranked[0], target, fit)
    limit = _RIVAL_WITHOUT_MASSES * ranked[0].score
    rivals = [row for row in ranked if row.number not in choice.rows and row.score >= limit]
    return replace(choice, flags=(*choice.flags, *(["target_uncertain"] if rivals else [])))


def _by_mass(rows: Sequence[Row], target: Target, fit: LadderFit, tolerance: float) -> Choice:
    limit = float(np.log1p(tolerance))

    def miss(row: Row) -> float:
        return min(abs(float(np.log((row.kda or 1e-9) / mass))) for mass in target.masses)

    def merit(row: Row) -> float:
        return row.score * float(np.exp(-0.5 * (miss(row) / (limit / 2)) ** 2))

    near = [row for row in rows if miss(row) <= limit]
    if not near:
        return replace(_with_partner(rows, max(rows, key=lambda row: row.score), target, fit), flags=("kda_far",))
    ranked = sorted(near, key=lambda row: (-merit(row), row.number))
    choice = _with_partner(near, ranked[0], target, fit)
    rivals = [row for row in ranked if row.number not in choice.rows and merit(row) >= _RIVAL * merit(ranked[0])]
    return replace(choice, flags=(*choice.flags, *(["target_uncertain"] if rivals else [])))


def _with_partner(rows: Sequence[Row], best: Row, target: Target, fit: LadderFit | None) -> Choice:
    """Complete a doublet with the neighbouring rows, or take the one row as its sum."""
    size = len(target.band_names)
    if size < 2:
        return Choice((best.number,))
    at = [row.number for row in rows].index(best.number)
    windows = [rows[k : k + size] for k in range(at - size + 1, at + 1) if 0 <= k <= len(rows) - size]
    whole = [w for w in windows if all(_are_partners(a, b, fit, target) for a, b in pairwise(w))
             and min(row.score for row in w) >= _PARTNER_SHARE * best.score]  # fmt: skip
    if not whole:
        return Choice((best.number,), ("unresolved",))
    chosen = max(whole, key=lambda w: sum(row.score for row in w))
    return Choice(tuple(row.number for row in chosen))


def _are_partners(upper: Row, lower: Row, fit: LadderFit | None, target: Target) -> bool:
    if upper.outlines & lower.outlines:
        return True
    gap = lower.place - upper.place
    if fit is None:
        return gap <= _DOUBLET_REACH * max(upper.height, lower.height)
    first, last = (float(fit.to_row(mass)) for mass in (target.masses[0], target.masses[-1]))
    return gap <= 2.5 * (last - first) / (len(target.masses) - 1)
