"""The lanes of several pictures of one membrane: which lane of one picture is which lane of another, and of the sheet.

Every picture is searched on its own. A picture that shows all of the membrane's lanes needs nothing else; the others
are tied to the one that shows most (`blotquant.detection.lane_ties`), and all of them to the sheet. Where nothing
decides which lane is which, or two signs contradict each other, the lanes are given by the likeliest reading and
flagged `lanes_not_identified`, which keeps every number out of ratios; all readings are told.

References
----------
docs/methods.md, *Pictures of one membrane*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from blotquant.detection.lane_ties import (
    LADDER,
    MIN_DISTANCES,
    ROLES,
    SAID,
    SEEN,
    Expected,
    FloatImage,
    Floats,
    LaneIdentity,
    LaneTie,
    MembranePicture,
    first_by_roles,
    tie_lanes,
)
from blotquant.detection.membrane_strips import choose_strips, keep_row_numbers
from blotquant.detection.picture import find_bands_again, find_layout
from blotquant.detection.registration import Placement, place_layout
from blotquant.errors import LaneCountError
from blotquant.model.geometry import Lane, Layout
from blotquant.settings import DetectionSettings
from blotquant.threads import single_threaded

NOT_IDENTIFIED = "lanes_not_identified"
CLEARLY_EMPTY = 0.9
"""Confidence of a lane without bands that is seen by its own smear."""


@single_threaded
def find_membrane(
    signals: Sequence[FloatImage],
    *,
    ceilings: Sequence[float] | None = None,
    settings: DetectionSettings | None = None,
    sheet: Expected | None = None,
) -> tuple[list[Layout], list[LaneIdentity]]:
    """Find the lanes of several pictures of one membrane, and which is which.

    Parameters
    ----------
    signals : sequence of ndarray
        Pictures of one membrane, bands bright; their sizes may differ.
    ceilings : sequence of float, optional
        One a picture.
    settings : DetectionSettings, optional
        Parameters; defaults where not given.
    sheet : Expected, optional
        What is said about the lanes.

    Returns
    -------
    layouts : list of Layout
        One a picture, its lanes numbered as on the membrane; the bands are the picture's own.
    identities : list of LaneIdentity
        How its lanes are known.

    Raises
    ------
    LaneCountError
        If the pictures clearly show more lanes than the sheet lists, or contradict it otherwise.
    """
    settings, sheet = settings or DetectionSettings(), sheet or Expected()
    tops = list(ceilings) if ceilings is not None else [float("inf")] * len(signals)
    # Every picture alone, and of each the strip that is this membrane.
    alone = [find_layout(s, ceiling=c, settings=settings) for s, c in zip(signals, tops, strict=True)]
    chosen = choose_strips(
        signals, alone, settings=settings, number=sheet.strip, n_strips=sheet.n_strips, n_lanes=sheet.n_lanes
    )
    chosen = [_with_gaps_filled(s, layout, settings) for s, layout in zip(signals, chosen, strict=True)]
    if any(len(layout.strips) > 1 for layout in chosen):
        chosen = [keep_row_numbers(layout, found) for layout, found in zip(chosen, alone, strict=True)]
        return chosen, [LaneIdentity(n_seen=len(x.lanes), n_lanes=len(x.lanes)) for x in chosen]
    pictures = [
        MembranePicture(
            signal, _with_clear_lanes(signal, layout, top, settings, sheet.n_lanes), whole=len(found.strips) < 2
        )
        for signal, layout, top, found in zip(signals, chosen, tops, alone, strict=True)
    ]
    counts = [len(p.lanes) for p in pictures]
    n_lanes = sheet.n_lanes or max(counts)
    if not any(counts):
        return [p.layout for p in pictures], [LaneIdentity(n_seen=0, n_lanes=n_lanes) for _ in pictures]
    _refuse_too_many(pictures, n_lanes)

    # The picture that shows most lanes, the surest of them, is what the others are tied to.
    order = sorted(range(len(pictures)), key=lambda k: (counts[k] > n_lanes, -counts[k], -pictures[k].sure))
    reference, rest = pictures[order[0]], order[1:]
    spare = max(n_lanes - len(reference.lanes), 0)
    lattice = _extended(reference.middles, spare)
    said = dict(enumerate(sheet.first_lanes or (None,) * len(pictures)))
    ties = {order[0]: LaneTie(placement=Placement())}
    ties |= {k: tie_lanes(reference, pictures[k], lattice, n_lanes=n_lanes, sheet=sheet) for k in rest}
    place = _place_on_sheet(pictures, ties, sheet=sheet, n_lanes=n_lanes, said=said)

    unseen = _unseen_samples(pictures, ties, place, sheet=sheet, n_lanes=n_lanes)
    layouts, identities = [], []
    for k, picture in enumerate(pictures):
        identity = _identity(picture, ties[k], place, n_lanes=n_lanes, said=said[k])
        start, here = ties[0].placement, ties[k].placement
        placement = here.since(start) if here is not None and start is not None else None
        identity = replace(identity, trouble=identity.trouble or unseen, placement=placement)
        shown = _completed(picture, reference, ties[k], identity, lattice, settings)
        layouts.append(keep_row_numbers(shown, alone[k]))
        identities.append(identity)
    return layouts, identities


def find_membrane_layouts(
    signals: Sequence[FloatImage],
    *,
    ceilings: Sequence[float] | None = None,
    settings: DetectionSettings | None = None,
    n_lanes: int | None = None,
    strip: int | None = None,
    dark: Sequence[int] = (),
) -> list[Layout]:
    """Find the lanes of several pictures of one membrane jointly, and the bands of each; see `find_membrane`.

    Parameters
    ----------
    signals : sequence of ndarray
        Pictures of one membrane, bands bright.
    ceilings : sequence of float, optional
        One a picture.
    settings : DetectionSettings, optional
        Parameters; defaults where not given.
    n_lanes : int, optional
        Lanes of each strip; the most that one picture shows if not given: a probe leaves lanes empty.
    strip : int, optional
        Keep only the strip of that number.
    dark : sequence of int
        Numbers of lanes that may show nothing: the ladder, blanks.

    Returns
    -------
    list of Layout
        One a picture.

    Raises
    ------
    LaneCountError
        If pictures clearly show more lanes than expected: none of them may be dropped.
    """
    sheet = Expected(n_lanes=n_lanes, strip=strip, roles=dict.fromkeys(dark, "blank"))
    return find_membrane(signals, ceilings=ceilings, settings=settings, sheet=sheet)[0]


def _with_clear_lanes(
    signal: FloatImage, layout: Layout, ceiling: float, settings: DetectionSettings, n_lanes: int | None
) -> Layout:
    """All lanes of the sheet where those without bands are clearly seen, and none that is hardly seen beside them."""
    if n_lanes is None or len(layout.strips) != 1 or len(layout.lanes) < 2 or len(layout.lanes) == n_lanes:
        return layout
    if sum(lane.confidence >= SEEN for lane in layout.lanes) > n_lanes:
        return layout
    # Searched again with the sheet's count: kept where no lane is a guess.
    counted = find_layout(signal, ceiling=ceiling, settings=settings, n_lanes=n_lanes)
    if len(counted.strips) != 1 or len(counted.lanes) != n_lanes:
        return layout
    clear = min(lane.confidence for lane in counted.lanes) >= CLEARLY_EMPTY
    return counted if clear or len(layout.lanes) > n_lanes else layout


def _with_gaps_filled(signal: FloatImage, layout: Layout, settings: DetectionSettings) -> Layout:
    """Lanes where two neighbours stand two or more pitches apart: a lane that shows nothing lies between them."""
    if len(layout.strips) != 1 or len(layout.lanes) < MIN_DISTANCES:
        return layout
    middles = [float(lane.center_at(sum(lane.row_range) / 2)) for lane in layout.lanes]
    pitch = float(np.median(np.diff(middles)))
    # A gap of several pitches holds lanes that show nothing.
    lanes = [layout.lanes[0]]
    for lane, gap in zip(layout.lanes[1:], np.diff(middles), strict=True):
        steps = round(float(gap) / pitch)
        before, number = lanes[-1], lanes[-1].number
        lanes += [_dark_lane(before, number + k, float(gap) * k / steps) for k in range(1, steps)]
        number += max(steps, 1)
        lanes.append(replace(lane, id=f"{lane.strip}l{number}", number=number))
    if len(lanes) == len(layout.lanes):
        return layout
    return find_bands_again(signal, replace(layout, lanes=tuple(lanes), bands=()), settings=settings)


def _refuse_too_many(pictures: Sequence[MembranePicture], n_lanes: int) -> None:
    """Refuse a sheet that lists fewer lanes than most pictures clearly show."""
    more = [n for p in pictures if (n := sum(lane.confidence >= SEEN for lane in p.lanes)) > n_lanes]
    if 2 * len(more) > len(pictures):
        msg = (
            f"{max(more)} lanes stand in the picture, the sample sheet lists {n_lanes}; add the missing one to the "
            "sheet (role blank or excluded if it is not wanted), or correct the lanes with `blotquant edit`"
        )
        raise LaneCountError(msg)


def _extended(middles: Floats, spare: int) -> Floats:
    """Columns of lanes with so many more at either end, a pitch apart."""
    pitch = float(np.median(np.diff(middles))) if len(middles) > 1 else 1.0
    more = pitch * np.arange(1, spare + 1)
    return np.concatenate([middles[0] - more[::-1], middles, middles[-1] + more])


def _place_on_sheet(
    pictures: Sequence[MembranePicture],
    ties: Mapping[int, LaneTie],
    *,
    sheet: Expected,
    n_lanes: int,
    said: Mapping[int, int | None],
) -> LaneTie:
    """Number on the sheet of the reference's first lane; the sheet may list more lanes than the pictures show.

    The missing ones are those at the ends that the sheet itself calls ladder or blank, if there is one way only, or
    the ladder's lane tells.
    """
    # What a person said comes first, then the ladder, then roles that leave one way only.
    known = {k: tie.first for k, tie in ties.items() if not tie.others and not tie.trouble and pictures[k].lanes}
    for k, number in said.items():
        if number is not None and k in known:
            return LaneTie(first=number - known[k], tied_by=(SAID,))
    low, high = min(known.values()), max(first + len(pictures[k].lanes) for k, first in known.items())
    ways = list(range(1 - low, n_lanes - high + 2))
    if len(ways) < 2:
        return LaneTie(first=1 - low)
    ladders = sheet.lanes_of("ladder")
    by_ladder = {
        way for way in ways for k, first in known.items() for i in pictures[k].ladder if way + first + i in ladders
    }
    if len(by_ladder) == 1:
        return LaneTie(first=by_ladder.pop(), tied_by=(LADDER,))
    by_roles = {
        number - first
        for k, first in known.items()
        if (number := first_by_roles(pictures[k], sheet, n_lanes)) is not None
    }
    dark = sheet.lanes_of("ladder", "blank")
    fitting = [way for way in ways if {*range(1, way + low), *range(way + high, n_lanes + 1)} <= dark]
    if len(fitting) == 1 and by_roles <= set(fitting) and not any(pictures[k].ends_unlike for k in known):
        return LaneTie(first=fitting[0], tied_by=(ROLES,))
    first = (fitting or ways)[0]
    return LaneTie(first=first, others=tuple(way for way in ways if way != first))


def _unseen_samples(
    pictures: Sequence[MembranePicture], ties: Mapping[int, LaneTie], place: LaneTie, *, sheet: Expected, n_lanes: int
) -> str:
    """What is wrong with a sheet whose samples lie beyond all lanes that any picture shows."""
    if place.others or place.tied_by == (SAID,):
        return ""
    known = [k for k, tie in ties.items() if not tie.others and not tie.trouble and pictures[k].lanes]
    first = place.first + min(ties[k].first for k in known)
    last = place.first + max(ties[k].first + len(pictures[k].lanes) for k in known) - 1
    beyond = sorted(number for number in sheet.lanes_of("sample", "standard") if not first <= number <= last)
    if not beyond:
        return ""
    listed = " and ".join(map(str, beyond))
    return (
        f"the pictures show {last - first + 1} lanes, the sample sheet lists {n_lanes}, and lane {listed} of the "
        "samples shows in none of them; correct the sheet, or say where the first lit lane lies, such as first_lane = "
        f"{place.first}"
    )


def _identity(
    picture: MembranePicture, tie: LaneTie, place: LaneTie, *, n_lanes: int, said: int | None
) -> LaneIdentity:
    """How one picture's lanes are known, from its tie to the reference and the reference's place on the sheet."""
    m = len(picture.lanes)
    if said is not None:
        return LaneIdentity(n_seen=m, n_lanes=n_lanes, first=said, tied_by=(SAID,))
    first = place.first + tie.first
    others = {place.first + other for other in tie.others} | {other + tie.first for other in place.others}
    others = {n for n in others if n != first and 1 <= n <= max(n_lanes - m + 1, 1)}
    tied_by = tuple(dict.fromkeys((*tie.tied_by, *place.tied_by)))
    return LaneIdentity(
        n_seen=m, n_lanes=n_lanes, first=first, others=tuple(sorted(others)), tied_by=tied_by, trouble=tie.trouble
    )


def _completed(
    picture: MembranePicture,
    reference: MembranePicture,
    tie: LaneTie,
    identity: LaneIdentity,
    lattice: Floats,
    settings: DetectionSettings,
) -> Layout:
    """The picture's own lanes under their numbers on the membrane, and those that it does not show beside them."""
    # A picture without lanes of its own gets the reference's, where they lie in it.
    layout, n_lanes = picture.layout, identity.n_lanes
    if not picture.lanes:
        placed = place_layout(reference.layout, tie.placement or Placement())
        lanes = [replace(lane, flags=("lane_uncertain", "empty_lane")) for lane in placed.lanes]
        layout = replace(placed, lanes=tuple(lanes), bands=(), flags=layout.flags)
        layout = find_bands_again(picture.signal, layout, settings=settings)
    # The picture's own lanes have the numbers of the membrane; those that it does not show lie beside them.
    numbers = [lane.number for lane in layout.lanes]
    if picture.lanes:
        numbers = [identity.first + k for k in range(len(picture.lanes))]
    if numbers != list(range(1, n_lanes + 1)):
        spare = (len(lattice) - len(reference.lanes)) // 2
        lanes = [replace(lane, id=f"{lane.strip}l{n}", number=n) for lane, n in zip(layout.lanes, numbers, strict=True)]
        # Columns of all lanes in the reference, as far as it tells them, and on from there a pitch apart.
        index = np.arange(1, n_lanes + 1) - identity.first + tie.first + spare
        step = float(np.median(np.diff(lattice))) if len(lattice) > 1 else 1.0
        there = np.interp(index, np.arange(len(lattice)), lattice)
        there += step * (np.minimum(index, 0) + np.maximum(index - len(lattice) + 1, 0))
        own = {n: float(lane.center_at(sum(lane.row_range) / 2)) for n, lane in zip(numbers, lanes, strict=True)}
        shown = np.array([n for n in own if 1 <= n <= n_lanes])
        places = np.array([own[int(n)] for n in shown])
        slope, start = (
            np.polyfit(there[shown - 1], places, 1) if len(shown) > 2 else (1.0, places[0] - there[shown[0] - 1])
        )
        for number in sorted({*range(1, n_lanes + 1)} - set(numbers)):
            near = min(lanes[: len(numbers)], key=lambda lane: abs(lane.number - number))
            aside = float(start + slope * (there[number - 1] - there[near.number - 1]) - start)
            lanes.append(_dark_lane(near, number, aside))
        kept = tuple(lane for lane in lanes if 1 <= lane.number <= n_lanes)
        layout = find_bands_again(picture.signal, replace(layout, lanes=kept, bands=()).sorted(), settings=settings)
    return layout if identity.is_known else with_lane_flag(layout, NOT_IDENTIFIED)


def with_lane_flag(layout: Layout, flag: str) -> Layout:
    """The layout with a flag on each of its lanes."""
    lanes = (replace(lane, flags=tuple(dict.fromkeys((*lane.flags, flag)))) for lane in layout.lanes)
    return replace(layout, lanes=tuple(lanes))


def _dark_lane(near: Lane, number: int, aside: float) -> Lane:
    """A lane that shows nothing, some columns beside one that does."""
    return replace(
        near,
        id=f"{near.strip}l{number}",
        number=number,
        center=tuple((row, col + aside) for row, col in near.center),
        role="sample",
        confidence=0.5,
        flags=("lane_uncertain", "empty_lane"),
    )
