"""Which lane of one picture is which lane of another picture of the same membrane.

A picture that shows fewer lanes than another, because the outermost ones are dark for its probe, can be read in several
ways, one for each lane that its first lit lane may be, and the pattern of lit lanes cannot tell which. Each reading is
a shift of the picture against the one that shows more; it is decided by

1. what a person said (the first lit lane's number);
2. the ladder's lane, where both the sheet and the picture have one;
3. what lies on the membrane beside its bands, and the membrane's two sides (`blotquant.detection.registration`);
4. the camera's frame: pictures of one size, or binned, whose lanes coincide without any shift;
5. lanes that stand unevenly: the distances between them fit one reading alone.

What decides must agree.

References
----------
docs/methods.md, *Pictures of one membrane*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.detection.registration import Copies, Placement, find_sides, frame_placement, match_content
from blotquant.model.geometry import Lane, LaneRole, Layout

FloatImage = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]

SEEN = 0.6
"""A lane of this confidence is there."""
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

SAID = "what the picture's entry says"
_FRAME = "the camera's frame"
_CONTENT = "marks and edges on the membrane"
_SIDES = "the membrane's two sides"
LADDER = "the ladder"
ROLES = "the lanes that the sheet calls ladder or blank"
_DISTANCES = "the lanes' own distances"


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
        span = span_words(self.first, self.n_seen)
        if self.by_hand:
            return f"{self.n_lanes} lanes, corrected by hand"
        if self.trouble:
            return f"held back: {self.trouble}"
        if self.others:
            readings = " or ".join(span_words(first, self.n_seen) for first in sorted((self.first, *self.others)))
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
        if self.by_hand or SAID in self.tied_by:
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


def span_words(first: int, n: int) -> str:
    """The numbers of `n` lanes from a first one, in words."""
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


class MembranePicture:
    """One picture of the membrane with what was found in it alone."""

    def __init__(self, signal: FloatImage, layout: Layout, *, whole: bool) -> None:
        self.signal, self.layout, self.whole = signal, layout, whole
        self.lanes: tuple[Lane, ...] = layout.lanes
        self.rows = float(np.median([sum(lane.row_range) / 2 for lane in self.lanes])) if self.lanes else 0.0
        self.middles: Floats = np.array([float(lane.center_at(self.rows)) for lane in self.lanes])
        self.pitch = float(np.median(np.diff(self.middles))) if len(self.middles) > 1 else np.nan
        self.sure = float(np.mean([lane.confidence for lane in self.lanes])) if self.lanes else 0.0
        self.shape = (signal.shape[0], signal.shape[1])
        self.copies = Copies()  # of the pictures that are laid on this one

    @property
    def ends_unlike(self) -> bool:
        """Whether its first or last lane lacks the row that most lanes show: it may be a ladder's, not a sample's."""
        # The row that most lanes show.
        rows = [{b.row for b in self.layout.bands_of(x.id) if b.status == "detected"} for x in self.lanes]
        every = [row for own in rows for row in own]
        usual = max(set(every), key=lambda row: (every.count(row), -(row or 0)), default=None)
        return not all(usual in rows[k] for k in (0, -1))

    @property
    def ladder(self) -> list[int]:
        """Places, from 0, of the lanes that look like a ladder."""
        return [k for k, lane in enumerate(self.lanes) if lane.role == "ladder"]


@dataclass(frozen=True, kw_only=True)
class LaneTie:
    """Which lane of the reference, from 0, a picture's first lane is; others that it may be; what decided."""

    first: int = 0
    others: tuple[int, ...] = ()
    tied_by: tuple[str, ...] = ()
    trouble: str = ""
    placement: Placement | None = None


def tie_lanes(
    reference: MembranePicture, picture: MembranePicture, lattice: Floats, *, n_lanes: int, sheet: Expected
) -> LaneTie:
    """Decide which of the reference's lanes a picture's lanes are."""
    # What lies on the membrane beside its bands, compared at the scale of frame or lanes.
    scale = _scale_of(reference, picture)
    content = match_content(
        (reference.signal, reference.layout),
        (picture.signal, picture.layout),
        scale=scale,
        only_strips=not (reference.whole and picture.whole),
        copies=reference.copies,
    )
    if not picture.lanes:
        trouble = "" if content else "it shows no lane, and nothing else ties it to the others of this membrane"
        shown = content or frame_placement(reference.shape, picture.shape)
        return LaneTie(tied_by=(_CONTENT,) if content else (), trouble=trouble, placement=shown)
    seen = sum(lane.confidence >= SEEN for lane in picture.lanes)
    if seen > n_lanes:
        return LaneTie(trouble=f"it shows {seen} lanes, the sample sheet lists {n_lanes}", placement=content)
    # Readings whose lanes stand where the reference has them, and what speaks for one of them.
    readings, misses = _readings(reference, picture, lattice, scale=scale, n_lanes=n_lanes)
    if not readings:
        trouble = (
            f"its {len(picture.lanes)} lanes do not stand as those of the other pictures of this membrane: "
            f"{picture.pitch:.0f} px apart, there {reference.pitch:.0f} px"
        )
        return LaneTie(trouble=trouble, placement=content)
    roles = [first_by_roles(p, sheet, n_lanes) for p in (reference, picture)]
    votes = _votes(reference, picture, readings, misses, roles=roles, content=content)
    if len(picture.lanes) == len(reference.lanes) == n_lanes:
        # Both show all lanes: lane for lane, unless clear signs say that one of them shows a lane that is none.
        against = [name for name, first in votes.items() if first != 0 and name != _DISTANCES]
        trouble = ""
        if _FRAME in against or len(against) > 1:
            trouble = f"it shows all {n_lanes} lanes, but by {' and '.join(against)} they are not those of the others"
        agreeing = tuple(name for name, first in votes.items() if first == 0 and name != ROLES)
        shown = content or readings[0]
        return LaneTie(tied_by=agreeing, trouble=trouble, placement=shown)
    # All that speaks must speak for one reading.
    told = set(votes.values())
    likely = min(readings, key=lambda first: (first not in told, abs(readings[first].cols), first))
    placement = content or readings[likely]
    if len(told) == 1:
        return LaneTie(first=likely, tied_by=tuple(votes), placement=placement)
    trouble = ""
    if len(told) > 1:
        spans = "; ".join(f"{span_words(first + 1, len(picture.lanes))} by {name}" for name, first in votes.items())
        trouble = f"what ties it to the others contradicts itself: {spans}"
    others = tuple(first for first in _range_of(reference, picture, n_lanes) if first != likely)
    return LaneTie(first=likely, others=others, trouble=trouble, placement=content)


def _scale_of(reference: MembranePicture, picture: MembranePicture) -> float:
    """Pixels of a picture for one of the reference: of the frame where the pitch agrees, else that of the pitches."""
    by_frame = frame_placement(reference.shape, picture.shape)
    # The frame tells the scale where lanes agree with it; else a whole binning; else the lanes alone.
    by_pitch = picture.pitch / reference.pitch
    if not np.isfinite(by_pitch):
        return by_frame.scale if by_frame is not None else 1.0
    if by_frame is not None and abs(by_pitch / by_frame.scale - 1) < 0.12:
        return by_frame.scale
    binnings = np.array([1, 2, 3, 4, 1 / 2, 1 / 3, 1 / 4])
    near = float(binnings[np.argmin(np.abs(np.log(binnings / by_pitch)))])
    return near if abs(by_pitch / near - 1) < 0.06 else float(by_pitch)


def _readings(
    reference: MembranePicture, picture: MembranePicture, lattice: Floats, *, scale: float, n_lanes: int
) -> tuple[dict[int, Placement], dict[int, float]]:
    """By the lane of the reference, from 0, that a picture's first lane may be: the placement, and the lanes' RMS miss.

    Lanes alone tell columns for certain, rows by the middle of the lanes.
    """
    middles, spare = picture.middles, (len(lattice) - len(reference.lanes)) // 2
    pitch = scale * reference.pitch if np.isfinite(reference.pitch) else np.inf
    rows = picture.rows - scale * reference.rows
    found, misses = {}, {}
    for first in _range_of(reference, picture, n_lanes):
        there = lattice[spare + first : spare + first + len(middles)]
        slope, start = (
            np.polyfit(there, middles, 1) if len(middles) > 2 else (scale, float(np.mean(middles - scale * there)))
        )
        # A line through both sets of lanes: its slope is the scale, what is left how far lanes miss.
        miss = middles - start - slope * there
        if abs(slope / scale - 1) < SAME_SCALE and np.abs(miss).max() <= ON_LANE * pitch:
            found[first] = Placement(rows=rows, cols=float(np.mean(middles - scale * there)), scale=scale)
            misses[first] = float(np.sqrt(np.mean(miss**2)))
    return found, misses


def _range_of(reference: MembranePicture, picture: MembranePicture, n_lanes: int) -> list[int]:
    """Lanes of the reference, from 0, that a picture's first lane may be, so that both have room on the sheet."""
    m, n = len(picture.lanes), len(reference.lanes)
    return [first for first in range(n - n_lanes, n_lanes - m + 1) if max(first + m, n) - min(first, 0) <= n_lanes]


def _votes(
    reference: MembranePicture,
    picture: MembranePicture,
    readings: Mapping[int, Placement],
    misses: Mapping[int, float],
    *,
    roles: Sequence[int | None],
    content: Placement | None,
) -> dict[str, int]:
    """What speaks for one reading: by its name, the reference's lane, from 0, that the picture's first lane is."""
    scale = next(iter(readings.values())).scale
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
        votes |= {LADDER: first} if first in readings else {}
    there_first, here_first = roles
    if there_first is not None and here_first is not None and here_first - there_first in readings:
        votes[ROLES] = here_first - there_first
    ranked = sorted(misses, key=misses.__getitem__)
    if len(ranked) > 1 and len(picture.lanes) >= MIN_DISTANCES:
        least = max(misses[ranked[0]], 0.5 * scale, 0.01 * pitch)
        if misses[ranked[1]] > EVEN * least:
            votes[_DISTANCES] = ranked[0]
    return votes


def first_by_roles(picture: MembranePicture, sheet: Expected, n_lanes: int) -> int | None:
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
