"""What the sample sheet says about a membrane's lanes against what its pictures show.

A sheet whose lanes lie elsewhere than the picture's moves every sample, and no number shows it. What can be compared is
the ladder's lane, which has bands in rows of its own, and the lanes that are called blank. A contradiction is told with
both sides; nothing is moved to resolve it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Band, LaneRole, Layout

FloatImage = NDArray[np.floating[Any]]

CONTRADICTED = "sheet_contradicted"
MIN_OWN_ROWS = 3
"""Bands in rows of its own by which a lane looks like a ladder."""
OWN_SHARE = 0.6
"""Share of its bands that are in rows of its own."""
SHARED = 0.5
"""Share of the lanes that show a row of the samples."""
LIT = 0.3
"""Of a typical sample's height: a blank lane that shows so much is none; less may have spilt over."""


def find_contradiction(signals: Sequence[FloatImage], layouts: Sequence[Layout], roles: Mapping[int, LaneRole]) -> str:
    """Compare the sheet's ladder and blank lanes with the pictures of one membrane.

    Parameters
    ----------
    signals : sequence of ndarray
        Counts, bands bright.
    layouts : sequence of Layout
        Lanes under their numbers on the sheet, with bands.
    roles : mapping of int to str
        Role of each lane by the sheet.

    Returns
    -------
    str
        The contradiction in words, both sides named; empty where there is none.
    """
    if not roles:
        return ""
    said = {number for number, role in roles.items() if role == "ladder"}
    seen = [ladder_like(layout) for layout in layouts]
    confirmed = {number for lanes in seen for number in lanes} & said
    # One picture alone whose ladder stands elsewhere may be turned, or another membrane's.
    elsewhere = next((lanes for lanes in seen if lanes and not set(lanes) & said), None)
    if elsewhere is not None:
        return _ladder_words(elsewhere, said, len(roles))
    # How high each lane's band stands in the row that most lanes show.
    lit = [_lit_lanes(signal, layout) for signal, layout in zip(signals, layouts, strict=True)]
    shown = {number for lanes in lit for number, height in lanes.items() if height >= LIT}
    dark = sorted(n for n, role in roles.items() if role == "sample" and n not in shown)
    # A blank lane that is lit while a sample is dark: the sheet is shifted or turned.
    blanks = sorted(n for n, role in roles.items() if role == "blank" and n in shown)
    if blanks and _in_most(blanks, lit):
        instead = f", while lane {_listed(dark)} of the samples shows none" if dark else ""
        return f"the sheet calls lane {_listed(blanks)} blank, but it shows bands like the samples'{instead}"
    samples_in_ladder = sorted(n for n in said if n in shown and not confirmed)
    if samples_in_ladder and dark and _in_most(samples_in_ladder, lit):
        return (
            f"the sheet has the ladder in lane {_listed(samples_in_ladder)}, which shows the samples' band and none of "
            f"a ladder, while lane {_listed(dark)} of the samples shows none"
        )
    return ""


def ladder_like(layout: Layout) -> list[int]:
    """Numbers of the lanes most of whose bands lie in rows that the other lanes do not show."""
    found = []
    for strip in layout.strips:
        lanes = layout.lanes_of(strip.id)
        rows = {x.number: [b.row for b in layout.bands_of(x.id) if b.status == "detected"] for x in lanes}
        every = [row for own in rows.values() for row in own]
        shared = {row for row in every if every.count(row) >= max(SHARED * len(lanes), 2)}
        own = {number: sum(row not in shared for row in mine) for number, mine in rows.items()}
        usual = float(np.median(list(own.values()))) if own else 0.0
        found += [
            number
            for number, n in own.items()
            if shared and n >= MIN_OWN_ROWS + usual and n >= OWN_SHARE * len(rows[number])
        ]
    return found


def _ladder_words(seen: Sequence[int], said: set[int], n_lanes: int) -> str:
    where = f"lane {_listed(seen)} looks like the ladder"
    if not said:
        return f"{where}, and the sheet lists none"
    told = f"the sheet has the ladder in lane {_listed(sorted(said))}, but {where}"
    if {n_lanes + 1 - number for number in seen} & said:
        return told + ": the picture may be turned by 180° or mirrored (say so with rotate or flip)"
    return told


def _lit_lanes(signal: FloatImage, layout: Layout) -> dict[int, float]:
    """Height of each lane's band in the row that most lanes show, in units of the typical one."""
    counts: dict[int, list[Band]] = {}
    for band in layout.bands:
        if band.row is not None and band.status == "detected":
            counts.setdefault(band.row, []).append(band)
    if not counts:
        return {}
    usual = max(counts, key=lambda row: (len(counts[row]), -row))
    if len(counts[usual]) < max(2, SHARED * len(layout.lanes)):
        return {}
    numbers = {lane.id: lane.number for lane in layout.lanes}
    heights = {numbers[band.lane]: _height(signal, band) for band in layout.bands if band.row == usual}
    typical = float(np.median([heights[numbers[band.lane]] for band in counts[usual]]))
    return {number: height / typical for number, height in heights.items()} if typical > 0 else {}


def _height(signal: FloatImage, band: Band) -> float:
    """Counts of a band's crest above what lies above and below it."""
    box = band.box
    more = (box.row_stop - box.row_start) // 2
    rows = slice(max(0, box.row_start - more), max(0, box.row_stop + more))
    piece = np.asarray(signal[rows, max(0, box.col_start) : max(0, box.col_stop)], dtype=float)
    if piece.size == 0:
        return 0.0
    profile = piece.mean(axis=1)
    return float(profile.max() - np.median(np.r_[profile[: more // 2 + 1], profile[-more // 2 - 1 :]]))


def _in_most(numbers: Sequence[int], lit: Sequence[Mapping[int, float]]) -> bool:
    """Whether some lanes are lit in most of the pictures that tell."""
    telling = [lanes for lanes in lit if lanes]
    return 2 * sum(all(lanes.get(n, 0.0) >= LIT for n in numbers) for lanes in telling) > len(telling)


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join(map(str, numbers))
