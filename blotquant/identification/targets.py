"""Which row is which protein: by molecular weight, by place, by what most lanes share, and always by hand first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from blotquant.identification.mass_scale import Ladder, read_ladder, row_course, row_jumps
from blotquant.identification.rows import BY_HAND, Choice, Target, choose_rows, rows_of, sample_lanes
from blotquant.model.geometry import Band, Lane, Layout, polygon

__all__ = ["KDA_TOLERANCE", "Ladder", "Target", "assign_targets"]

KDA_TOLERANCE = 0.15


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
    strengths = _strengths(table)
    for strip in layout.strips:
        layout, fit = read_ladder(layout, strip.id, ladder)
        layout = _forget(layout, strip.id, wanted)
        names = {target.name for target in wanted}
        every = [*wanted, *(target for target in known if target.name not in names)]
        placed = [_with_row_at(layout, strip.id, target) for target in every]
        choices = choose_rows(rows_of(layout, strip.id, fit, strengths), placed, fit, kda_tolerance)
        for target in wanted:
            choice = choices[target.name]
            if any(row_jumps(layout, strip.id, row) for row in choice.rows):
                choice = replace(choice, flags=(*choice.flags, "target_uncertain"))
            layout = _apply(layout, strip.id, target, choice)
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


ROWS_PER_COL = 0.25
"""Pixels down that count as one aside: rows lie closer together than lanes."""


def _strengths(table: Mapping[str, Iterable[Any]] | None) -> dict[str, float]:
    if table is None:
        return {}
    pairs = zip(table["band_id"], table["volume"], strict=True)
    return {str(key): max(float(volume), 0.0) for key, volume in pairs if volume == volume}


def _forget(layout: Layout, strip: str, wanted: Sequence[Target]) -> Layout:
    """Drop names that an earlier run gave, so that a second run says the same."""
    # Names given by hand stay; all others are told anew.
    names = {name for target in wanted for name in target.members}
    lanes = {lane.id for lane in layout.lanes_of(strip)}
    bands = tuple(
        replace(b, target=None) if b.lane in lanes and b.target in names and b.origin not in BY_HAND else b
        for b in layout.bands
    )
    return replace(layout, bands=bands)


def _apply(layout: Layout, strip: str, target: Target, choice: Choice) -> Layout:
    if not choice.rows:
        return layout
    names = target.band_names if len(choice.rows) == len(target.band_names) else (target.name,)
    for name, row in zip(names, choice.rows, strict=True):
        layout = _name_row(layout, strip, row, name, flags=choice.flags, family=target.members)
    return layout


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
