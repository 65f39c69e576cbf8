"""The lanes of several pictures of one membrane: which lane of one picture is which lane of another, and of the sheet.

Every picture is searched on its own. A picture that shows all of the membrane's lanes needs nothing else. One that
shows fewer, because the outermost lanes are dark for its probe, can be read in several ways, one for each lane that its
first lit lane may be, and the pattern of lit lanes cannot tell which. Each reading is a shift of the picture against
one that shows more; it is decided by

1. what a person said (the first lit lane's number);
2. the ladder's lane, where both the sheet and the picture have one;
3. what lies on the membrane beside its bands, and the membrane's two sides (`blotquant.detection.registration`);
4. the camera's frame: pictures of one size, or binned, whose lanes coincide without any shift;
5. lanes that stand unevenly: the distances between them fit one reading alone.

What decides must agree. Where nothing decides, or two of these contradict each other, the lanes are given by the
likeliest reading and flagged `lanes_not_identified`, which keeps every number out of ratios; all readings are told.

References
----------
docs/methods.md, *Pictures of one membrane*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.detection.membrane_strips import choose_strips
from blotquant.detection.picture import find_bands_again, find_layout
from blotquant.detection.registration import (
    Placement,
    find_sides,
    frame_placement,
    match_content,
    place_layout,
)
from blotquant.errors import LaneCountError
from blotquant.model.geometry import LOWER_HALF, Lane, LaneRole, Layout
from blotquant.settings import DetectionSettings
from blotquant.threads import single_threaded

FloatImage = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]

NOT_IDENTIFIED = "lanes_not_identified"
SEEN = 0.6
"""A lane of this confidence is there."""
CLEARLY_EMPTY = 0.9
"""Confidence of a lane without bands that is seen by its own smear."""
ON_LANE = 0.3
"""Of a pitch: a lane this near to another picture's is the same one."""
SAME_SCALE = 0.035
"""Part by which the lanes' distances may differ between two pictures of one membrane, binning taken out."""
IN_FRAME = 0.025
"""Of a pitch (and 1 px at least): lanes of two pictures this near to each other coincide without a shift."""
DECIDES = 0.25
"""Of a pitch: a placement this near to one reading speaks for it."""
SIDES_ALIKE = 0.012
"""By so much of it the distance between a membrane's sides may differ between pictures."""
MIN_DISTANCES = 5
"""Lanes from which on their distances can tell."""
EVEN = 3.0
"""A reading whose lanes miss by so many times less than in every other is told by the lanes' distances alone."""


@dataclass(frozen=True, kw_only=True)
class LaneIdentity:
    """How the lanes of one picture are known to be those of the membrane and of the sample sheet.

    Attributes
    ----------
    n_seen : int
        Lanes that the picture shows, from the first to the last lit one.
    n_lanes : int
        Lanes of the membrane.
    first : int
        Number of the lane that the first of them is taken for.
    tied_by : tuple of str
        What decided, in words; where the picture shows all lanes, what agrees with that.
    others : tuple of int
        Further lanes that the first one may be: where there are any, nothing decided.
    trouble : str
        What contradicts the reading, in words; empty where nothing does.
    placement : Placement or None
        Where the first picture's points lie in this one, if pictures could be laid on each other.
    by_hand : bool
        Whether a hand corrected the lanes.
    """

    n_seen: int
    n_lanes: int
    first: int = 1
    tied_by: tuple[str, ...] = ()
    others: tuple[int, ...] = ()
    trouble: str = ""
    placement: Placement | None = None
    by_hand: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the picture's lanes may be compared with other pictures'."""
        return not self.others and not self.trouble

    @property
    def words(self) -> str:
        """One line for report and terminal."""
        span = _span(self.first, self.n_seen)
        if self.by_hand:
            return f"{self.n_lanes} lanes, corrected by hand"
        if self.trouble:
            return f"held back: {self.trouble}"
        if self.others:
            readings = " or ".join(_span(first, self.n_seen) for first in sorted((self.first, *self.others)))
            return (
                f"held back: the {self.n_seen} lanes that it shows may be {readings} of {self.n_lanes}, and nothing "
                "beside the lit lanes decides; give the number of the first one, such as first_lane = "
                f"{self.first}, in the picture's entry"
            )
        signs = " and ".join(self.tied_by)
        if self.n_seen == self.n_lanes:
            told = f"; {signs} agree{'s' * (len(self.tied_by) == 1)}" if self.tied_by else ""
            return f"all {self.n_lanes} lanes seen{told}"
        return f"{self.n_seen} of {self.n_lanes} lanes seen, {span} by {signs or 'the lanes without samples'}"

    @property
    def certainty(self) -> str:
        """How sure it is which lane is which, in words."""
        if not self.is_known:
            return "not known: held back"
        if self.by_hand or _SAID in self.tied_by:
            return "as a person said"
        whole = self.n_seen == self.n_lanes
        if len(self.tied_by) + whole > 1:
            return "sure: several signs agree"
        return "sure: it shows every lane" if whole else "fairly sure: by one sign alone"


def tie_words(identities: Sequence[LaneIdentity]) -> str:
    """One line on several pictures of a membrane: what tied them together, and how sure it is."""
    held = sum(not identity.is_known for identity in identities)
    if held:
        return f"{held} of {len(identities)} pictures held back: which of their lanes is which is not known"
    if len(identities) == 1:
        return f"one picture, {identities[0].words} ({identities[0].certainty})"
    signs = list(dict.fromkeys(sign for identity in identities for sign in identity.tied_by))
    by = ", ".join(signs[:-1]) + " and " * (len(signs) > 1) + signs[-1] if signs else "their lanes, one for one"
    whole = sum(identity.n_seen == identity.n_lanes for identity in identities)
    # The picture that the others are tied to has no sign of its own.
    least = min([x for x in identities if x.tied_by] or identities, key=lambda x: len(x.tied_by))
    return (
        f"{len(identities)} pictures, {whole} of which show all {least.n_lanes} lanes, tied by {by} ({least.certainty})"
    )


def _span(first: int, n: int) -> str:
    return f"lanes {first}–{first + n - 1}" if n > 1 else f"lane {first}"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the sample sheet and the experiment file say about the lanes of a membrane.

    Attributes
    ----------
    n_lanes : int or None
        Lanes, ladder and empty ones included; the most that one picture shows if not given.
    roles : mapping of int to str
        Role of each lane.
    strip, n_strips : int or None
        Number of the strip that is this membrane, counted down the picture, and how many the pictures are said to hold.
    first_lanes : tuple of (int or None)
        For each picture the lane of the first lit one, where a person said it.
    """

    n_lanes: int | None = None
    roles: Mapping[int, LaneRole] = field(default_factory=dict)
    strip: int | None = None
    n_strips: int | None = None
    first_lanes: tuple[int | None, ...] = ()

    def lanes_of(self, *roles: str) -> set[int]:
        """Numbers of the lanes that have one of some roles."""
        return {number for number, role in self.roles.items() if role in roles}


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
    alone = [find_layout(s, ceiling=c, settings=settings) for s, c in zip(signals, tops, strict=True)]
    chosen = choose_strips(
        signals, alone, settings=settings, number=sheet.strip, n_strips=sheet.n_strips, n_lanes=sheet.n_lanes
    )
    chosen = [_with_gaps_filled(s, layout, settings) for s, layout in zip(signals, chosen, strict=True)]
    if any(len(layout.strips) > 1 for layout in chosen):
        chosen = [keep_row_numbers(layout, found) for layout, found in zip(chosen, alone, strict=True)]
        return chosen, [LaneIdentity(n_seen=len(x.lanes), n_lanes=len(x.lanes)) for x in chosen]
    pictures = [
        _Picture(signal, _with_clear_lanes(signal, layout, top, settings, sheet.n_lanes), whole=len(found.strips) < 2)
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
    ties = {order[0]: _Tie(placement=Placement())}
    ties |= {k: _tie(reference, pictures[k], lattice, n_lanes=n_lanes, sheet=sheet) for k in rest}
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


def keep_row_numbers(layout: Layout, earlier: Layout) -> Layout:
    """The layout with its rows numbered as in an earlier one of the same picture.

    Parameters
    ----------
    layout, earlier : Layout
        Of one picture; lanes and strips may be other ones.

    Returns
    -------
    Layout
        Each row has the number of the earlier row on whose bands most of its own lie; the halves of a divided row have
        those of two earlier rows, or stay the halves of one. Rows that are new come after all earlier ones.
    """
    votes: Counter[tuple[str, int, int]] = Counter()
    of_lane = {lane.id: lane.strip for lane in layout.lanes}
    places: dict[tuple[str, int], list[float]] = {}
    for band in layout.bands:
        if band.row is None:
            continue
        key = of_lane[band.lane], band.row
        places.setdefault(key, []).append(band.peak[0])
        same = [
            (abs(other.peak[0] - band.peak[0]), other.row)
            for other in earlier.bands
            if other.row is not None
            and other.box.col_start <= band.peak[1] < other.box.col_stop
            and other.box.row_start <= band.peak[0] < other.box.row_stop
        ]
        if same:
            votes[*key, min(same)[1]] += 1
    most = {(strip, row): n for (strip, row, _), n in reversed(votes.most_common())}

    def weight(vote: tuple[str, int, int]) -> float:
        """Votes; those of a lower half count after its upper half's."""
        strip, row, _ = vote
        return min(votes[vote], most.get((strip, row - LOWER_HALF), votes[vote])) - 0.5 * (row > LOWER_HALF)

    numbers: dict[tuple[str, int], int] = {}
    for strip, row, number in sorted(votes, key=lambda vote: (-weight(vote), vote)):
        upper = numbers.get((strip, row - LOWER_HALF))
        taken = {one for (of, _), one in numbers.items() if of == strip}
        if (strip, row) not in numbers and (number == upper or number not in taken):
            numbers[strip, row] = number + LOWER_HALF * (number == upper)
    last = max((band.row % LOWER_HALF for band in earlier.bands if band.row), default=0)
    for strip, row in sorted(places, key=lambda key: (key[0], float(np.median(places[key])))):
        if (strip, row) not in numbers:
            last += 1
            numbers[strip, row] = last
    bands = (b if b.row is None else replace(b, row=numbers[of_lane[b.lane], b.row]) for b in layout.bands)
    return replace(layout, bands=tuple(bands))


class _Picture:
    """One picture of the membrane with what was found in it alone."""

    def __init__(self, signal: FloatImage, layout: Layout, *, whole: bool) -> None:
        self.signal, self.layout, self.whole = signal, layout, whole
        self.lanes: tuple[Lane, ...] = layout.lanes
        self.rows = float(np.median([sum(lane.row_range) / 2 for lane in self.lanes])) if self.lanes else 0.0
        self.middles: Floats = np.array([float(lane.center_at(self.rows)) for lane in self.lanes])
        self.pitch = float(np.median(np.diff(self.middles))) if len(self.middles) > 1 else np.nan
        self.sure = float(np.mean([lane.confidence for lane in self.lanes])) if self.lanes else 0.0
        self.shape = (signal.shape[0], signal.shape[1])

    @property
    def ends_unlike(self) -> bool:
        """Whether its first or last lane lacks the row that most lanes show: it may be a ladder's, not a sample's."""
        rows = [{b.row for b in self.layout.bands_of(x.id) if b.status == "detected"} for x in self.lanes]
        every = [row for own in rows for row in own]
        usual = max(set(every), key=lambda row: (every.count(row), -(row or 0)), default=None)
        return not all(usual in rows[k] for k in (0, -1))

    @property
    def ladder(self) -> list[int]:
        """Places, from 0, of the lanes that look like a ladder."""
        return [k for k, lane in enumerate(self.lanes) if lane.role == "ladder"]


@dataclass(frozen=True, kw_only=True)
class _Tie:
    """Which lane of the reference, from 0, a picture's first lane is; others that it may be; what decided."""

    first: int = 0
    others: tuple[int, ...] = ()
    tied_by: tuple[str, ...] = ()
    trouble: str = ""
    placement: Placement | None = None


_SAID = "what the picture's entry says"
_FRAME = "the camera's frame"
_CONTENT = "marks and edges on the membrane"
_SIDES = "the membrane's two sides"
_LADDER = "the ladder"
_ROLES = "the lanes that the sheet calls ladder or blank"
_DISTANCES = "the lanes' own distances"


def _with_clear_lanes(
    signal: FloatImage, layout: Layout, ceiling: float, settings: DetectionSettings, n_lanes: int | None
) -> Layout:
    """All lanes of the sheet where those without bands are clearly seen, and none that is hardly seen beside them."""
    if n_lanes is None or len(layout.strips) != 1 or len(layout.lanes) < 2 or len(layout.lanes) == n_lanes:
        return layout
    if sum(lane.confidence >= SEEN for lane in layout.lanes) > n_lanes:
        return layout
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


def _refuse_too_many(pictures: Sequence[_Picture], n_lanes: int) -> None:
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


def _tie(reference: _Picture, picture: _Picture, lattice: Floats, *, n_lanes: int, sheet: Expected) -> _Tie:
    """Decide which of the reference's lanes a picture's lanes are."""
    scale = _scale_of(reference, picture)
    content = match_content(
        reference.signal,
        picture.signal,
        reference.layout,
        picture.layout,
        scale=scale,
        only_strips=not (reference.whole and picture.whole),
    )
    if not picture.lanes:
        trouble = "" if content else "it shows no lane, and nothing else ties it to the others of this membrane"
        shown = content or frame_placement(reference.shape, picture.shape)
        return _Tie(tied_by=(_CONTENT,) if content else (), trouble=trouble, placement=shown)
    seen = sum(lane.confidence >= SEEN for lane in picture.lanes)
    if seen > n_lanes:
        return _Tie(trouble=f"it shows {seen} lanes, the sample sheet lists {n_lanes}", placement=content)
    readings = _readings(reference, picture, lattice, scale=scale, n_lanes=n_lanes)
    if not readings:
        trouble = (
            f"its {len(picture.lanes)} lanes do not stand as those of the other pictures of this membrane: "
            f"{picture.pitch:.0f} px apart, there {reference.pitch:.0f} px"
        )
        return _Tie(trouble=trouble, placement=content)
    roles = [_by_roles(p, sheet, n_lanes) for p in (reference, picture)]
    votes = _votes(reference, picture, readings, scale=scale, roles=roles, content=content)
    if len(picture.lanes) == len(reference.lanes) == n_lanes:
        # Both show all lanes: lane for lane, unless clear signs say that one of them shows a lane that is none.
        against = [name for name, first in votes.items() if first != 0 and name != _DISTANCES]
        trouble = ""
        if _FRAME in against or len(against) > 1:
            trouble = f"it shows all {n_lanes} lanes, but by {' and '.join(against)} they are not those of the others"
        agreeing = tuple(name for name, first in votes.items() if first == 0 and name != _ROLES)
        shown = content or _by_lanes(readings[0], reference, picture, scale)
        return _Tie(tied_by=agreeing, trouble=trouble, placement=shown)
    told = set(votes.values())
    likely = min(readings, key=lambda first: (first not in told, abs(readings[first].cols), first))
    placement = content or _by_lanes(readings[likely], reference, picture, scale)
    if len(told) == 1:
        return _Tie(first=likely, tied_by=tuple(votes), placement=placement)
    trouble = ""
    if len(told) > 1:
        spans = "; ".join(f"{_span(first + 1, len(picture.lanes))} by {name}" for name, first in votes.items())
        trouble = f"what ties it to the others contradicts itself: {spans}"
    others = tuple(first for first in _range_of(reference, picture, n_lanes) if first != likely)
    return _Tie(first=likely, others=others, trouble=trouble, placement=content)


def _scale_of(reference: _Picture, picture: _Picture) -> float:
    """Pixels of a picture for one of the reference: of the frame where the pitch agrees, else that of the pitches."""
    by_frame = frame_placement(reference.shape, picture.shape)
    by_pitch = picture.pitch / reference.pitch
    if not np.isfinite(by_pitch):
        return by_frame.scale if by_frame is not None else 1.0
    if by_frame is not None and abs(by_pitch / by_frame.scale - 1) < 0.12:
        return by_frame.scale
    binnings = np.array([1, 2, 3, 4, 1 / 2, 1 / 3, 1 / 4])
    near = float(binnings[np.argmin(np.abs(np.log(binnings / by_pitch)))])
    return near if abs(by_pitch / near - 1) < 0.06 else float(by_pitch)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read a picture: by how many columns it is shifted, and how far its lanes miss there (RMS)."""

    cols: float
    miss: float


def _readings(
    reference: _Picture, picture: _Picture, lattice: Floats, *, scale: float, n_lanes: int
) -> dict[int, _Reading]:
    """Lanes of the reference, from 0, that a picture's first lane may be."""
    middles, spare = picture.middles, (len(lattice) - len(reference.lanes)) // 2
    pitch = scale * reference.pitch if np.isfinite(reference.pitch) else np.inf
    found = {}
    for first in _range_of(reference, picture, n_lanes):
        there = lattice[spare + first : spare + first + len(middles)]
        slope, start = (
            np.polyfit(there, middles, 1) if len(middles) > 2 else (scale, float(np.mean(middles - scale * there)))
        )
        miss = middles - start - slope * there
        if abs(slope / scale - 1) < SAME_SCALE and np.abs(miss).max() <= ON_LANE * pitch:
            found[first] = _Reading(float(np.mean(middles - scale * there)), float(np.sqrt(np.mean(miss**2))))
    return found


def _range_of(reference: _Picture, picture: _Picture, n_lanes: int) -> list[int]:
    """Lanes of the reference, from 0, that a picture's first lane may be, so that both have room on the sheet."""
    m, n = len(picture.lanes), len(reference.lanes)
    return [first for first in range(n - n_lanes, n_lanes - m + 1) if max(first + m, n) - min(first, 0) <= n_lanes]


def _votes(
    reference: _Picture,
    picture: _Picture,
    readings: Mapping[int, _Reading],
    *,
    scale: float,
    roles: Sequence[int | None],
    content: Placement | None,
) -> dict[str, int]:
    """What speaks for one reading: by its name, the reference's lane, from 0, that the picture's first lane is."""
    pitch = scale * reference.pitch if np.isfinite(reference.pitch) else scale
    votes: dict[str, int] = {}

    def vote(name: str, cols: float, within: float) -> None:
        """For the reading whose lanes lie where a shift by so many columns has them."""
        best = min(readings, key=lambda first: abs(cols - readings[first].cols))
        if abs(cols - readings[best].cols) <= within:
            votes[name] = best

    if content is not None:
        vote(_CONTENT, content.cols, DECIDES * pitch)
    here, there = (find_sides(p.signal, p.layout, p.layout.strips[0].id) for p in (picture, reference))
    if here is not None and there is not None:
        alike = abs((here[1] - here[0]) / (scale * (there[1] - there[0])) - 1) <= SIDES_ALIKE
        vote(_SIDES, sum(here) / 2 - scale * sum(there) / 2, DECIDES * pitch if alike else -1.0)
    frame = frame_placement(reference.shape, picture.shape)
    if frame is not None and frame.scale == scale:
        vote(_FRAME, frame.cols, max(IN_FRAME * pitch, min(1.0, scale)))
    # Where both pictures show the ladder, it is one lane.
    if len(reference.ladder) == 1 and len(picture.ladder) == 1:
        first = reference.ladder[0] - picture.ladder[0]
        votes |= {_LADDER: first} if first in readings else {}
    there_first, here_first = roles
    if there_first is not None and here_first is not None and here_first - there_first in readings:
        votes[_ROLES] = here_first - there_first
    ranked = sorted(readings, key=lambda one: readings[one].miss)
    if len(ranked) > 1 and len(picture.lanes) >= MIN_DISTANCES:
        least = max(readings[ranked[0]].miss, 0.5 * scale, 0.01 * pitch)
        if readings[ranked[1]].miss > EVEN * least:
            votes[_DISTANCES] = ranked[0]
    return votes


def _by_roles(picture: _Picture, sheet: Expected, n_lanes: int) -> int | None:
    """Number of a picture's first lane if all lanes that it does not show can only be ladder and blanks at the ends.

    A picture whose own first or last lane may be a ladder says nothing: then another lane is the dark one.
    """
    m = len(picture.lanes)
    if m == n_lanes:
        return 1
    dark = sheet.lanes_of("ladder", "blank")
    ways = [
        first
        for first in range(1, n_lanes - m + 2)
        if {*range(1, first), *range(first + m, n_lanes + 1)} <= dark
    ]  # fmt: skip
    return ways[0] if len(ways) == 1 and not picture.ends_unlike else None


def _by_lanes(reading: _Reading, reference: _Picture, picture: _Picture, scale: float) -> Placement:
    """The placement that lanes alone give: columns for certain, rows by the middle of the lanes."""
    return Placement(rows=picture.rows - scale * reference.rows, cols=reading.cols, scale=scale)


@dataclass(frozen=True, slots=True)
class _Place:
    """Number of the reference's first lane on the sheet, others that it may have, and what decided."""

    first: int
    others: tuple[int, ...] = ()
    tied_by: tuple[str, ...] = ()


def _place_on_sheet(
    pictures: Sequence[_Picture],
    ties: Mapping[int, _Tie],
    *,
    sheet: Expected,
    n_lanes: int,
    said: Mapping[int, int | None],
) -> _Place:
    """Where the lanes that the pictures show together lie on the sheet, which may list more.

    The missing ones are those at the ends that the sheet itself calls ladder or blank, if there is one way only, or
    the ladder's lane tells.
    """
    known = {k: tie.first for k, tie in ties.items() if not tie.others and not tie.trouble and pictures[k].lanes}
    for k, number in said.items():
        if number is not None and k in known:
            return _Place(number - known[k], tied_by=(_SAID,))
    low, high = min(known.values()), max(first + len(pictures[k].lanes) for k, first in known.items())
    ways = list(range(1 - low, n_lanes - high + 2))
    if len(ways) < 2:
        return _Place(1 - low)
    ladders = sheet.lanes_of("ladder")
    by_ladder = {
        way for way in ways for k, first in known.items() for i in pictures[k].ladder if way + first + i in ladders
    }
    if len(by_ladder) == 1:
        return _Place(by_ladder.pop(), tied_by=(_LADDER,))
    by_roles = {
        number - first for k, first in known.items() if (number := _by_roles(pictures[k], sheet, n_lanes)) is not None
    }
    dark = sheet.lanes_of("ladder", "blank")
    fitting = [way for way in ways if {*range(1, way + low), *range(way + high, n_lanes + 1)} <= dark]
    if len(fitting) == 1 and by_roles <= set(fitting) and not any(pictures[k].ends_unlike for k in known):
        return _Place(fitting[0], tied_by=(_ROLES,))
    first = (fitting or ways)[0]
    return _Place(first, others=tuple(way for way in ways if way != first))


def _unseen_samples(
    pictures: Sequence[_Picture], ties: Mapping[int, _Tie], place: _Place, *, sheet: Expected, n_lanes: int
) -> str:
    """What is wrong with a sheet whose samples lie beyond all lanes that any picture shows."""
    if place.others or place.tied_by == (_SAID,):
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


def _identity(picture: _Picture, tie: _Tie, place: _Place, *, n_lanes: int, said: int | None) -> LaneIdentity:
    """How one picture's lanes are known, from its tie to the reference and the reference's place on the sheet."""
    m = len(picture.lanes)
    if said is not None:
        return LaneIdentity(n_seen=m, n_lanes=n_lanes, first=said, tied_by=(_SAID,))
    first = place.first + tie.first
    others = {place.first + other for other in tie.others} | {other + tie.first for other in place.others}
    others = {n for n in others if n != first and 1 <= n <= max(n_lanes - m + 1, 1)}
    tied_by = tuple(dict.fromkeys((*tie.tied_by, *place.tied_by)))
    return LaneIdentity(
        n_seen=m, n_lanes=n_lanes, first=first, others=tuple(sorted(others)), tied_by=tied_by, trouble=tie.trouble
    )


def _completed(
    picture: _Picture,
    reference: _Picture,
    tie: _Tie,
    identity: LaneIdentity,
    lattice: Floats,
    settings: DetectionSettings,
) -> Layout:
    """The picture's own lanes under their numbers on the membrane, and those that it does not show beside them."""
    layout, n_lanes = picture.layout, identity.n_lanes
    if not picture.lanes:
        placed = place_layout(reference.layout, tie.placement or Placement())
        lanes = [replace(lane, flags=("lane_uncertain", "empty_lane")) for lane in placed.lanes]
        layout = replace(placed, lanes=tuple(lanes), bands=(), flags=layout.flags)
        layout = find_bands_again(picture.signal, layout, settings=settings)
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
