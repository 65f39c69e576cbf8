"""What deserves a look before the numbers are believed: lanes and bands that the detector is not sure of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from blotquant.flags import split_flags
from blotquant.model.geometry import Layout
from blotquant.session.history import Edit, Kind

SURE = 0.9
"""Below this confidence a lane or band is pointed out as a doubt."""


class Doubt(NamedTuple):
    """A lane or band that deserves a look, and why."""

    kind: Kind
    object_id: str
    confidence: float
    reason: str

    @property
    def rank(self) -> tuple[float, str, str]:
        """The order in which doubts are looked at."""
        return self.confidence, self.kind, self.object_id


def find_doubts(layout: Layout, by_hand: Iterable[Edit], names: Mapping[str, str]) -> list[Doubt]:
    """List what deserves a look, the least sure first; what a hand has touched is sure.

    Parameters
    ----------
    layout : Layout
        As it is now.
    by_hand : iterable of Edit
        What was corrected, `Session.edits_by_hand`.
    names : mapping of str to str
        What each lane is called, by its id.
    """
    touched = {edit.object_id for edit in by_hand}
    lanes = [
        Doubt("lane", lane.id, lane.confidence, f"{names[lane.id]} is {lane.confidence:.0%} sure")
        for lane in layout.lanes
        if lane.confidence < SURE and lane.id not in touched
    ]
    bands = [
        Doubt("band", b.id, b.confidence, f"band in {names[b.lane]} is {b.confidence:.0%} sure")
        for b in layout.bands
        if b.confidence < SURE and b.id not in touched and b.status == "detected"
    ]
    return sorted([*lanes, *bands], key=lambda doubt: doubt.rank)


def flags_in_numbers(flags: Iterable[object]) -> str:
    """What is left to say about the numbers when all places are sure, from the cells of their `flags` column."""
    names = [split_flags(cell) for cell in flags]
    counts = {
        "saturated": sum("saturated" in of_one for of_one in names),
        "below their limit of detection": sum("below_lod" in of_one for of_one in names),
    }
    told = [f"{n} {'is' if n == 1 else 'are'} {what}" for what, n in counts.items() if n]
    return f"; of their numbers {' and '.join(told)}: see the flags" if told else ""
