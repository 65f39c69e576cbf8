"""Which strip of each picture is the membrane: by place, not by the number that finding happened to give it.

A picture may hold several pieces of membrane, and the experiment file names one by its number from the top, as a
person counts them. Finding may see two pieces as one (bands that fill both, no gap that shows) or one as two. Its own
numbers then mean other pieces than the person's, so that the numbers are trusted only where finding sees as many
strips as the experiment file names. Otherwise

- strips whose lanes are not as many as the sheet lists are passed over, where those that are left fit;
- a strip that holds several of the named ones is taken apart at the widest gaps between its rows, and each part
  searched on its own;
- a single strip is told by the place that it has in another picture of the membrane, which shows all strips.

Where none of this decides, the picture is refused with the counts. The rows of a strip keep the numbers that they had
in the whole picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.detection.picture import find_layout
from blotquant.detection.registration import shift_layout
from blotquant.errors import LaneCountError
from blotquant.model.geometry import LOWER_HALF, Layout, bounding_box
from blotquant.settings import DetectionSettings

FloatImage = NDArray[np.floating[Any]]

MIN_GAP_HEIGHTS = 3.0
"""Band heights between the rows of two pieces of membrane at the least."""
SAME_PLACE = 0.35
"""Of the distance between two strips: a strip this near to another picture's is the same."""


def choose_strips(
    signals: Sequence[FloatImage],
    found: Sequence[Layout],
    *,
    settings: DetectionSettings,
    number: int | None = None,
    n_strips: int | None = None,
    n_lanes: int | None = None,
) -> list[Layout]:
    """Keep the strip of each picture that is the membrane.

    Parameters
    ----------
    signals : sequence of ndarray
        Pictures of one membrane, bands bright.
    found : sequence of Layout
        What was found in each.
    settings : DetectionSettings
        Parameters, for strips that must be searched again.
    number : int, optional
        Number of the strip, from 1 at the top.
    n_strips : int, optional
        Strips that the pictures are said to hold at least.
    n_lanes : int, optional
        Lanes of the strip.

    Returns
    -------
    list of Layout
        With one strip each, numbered `number` or 1; as it was where the picture holds several and nothing says
        which is meant.

    Raises
    ------
    LaneCountError
        If a picture does not show the strip that is asked for.
    """
    if number is None:
        return [_only_fitting(layout, n_lanes) for layout in found]
    # Pictures that show as many strips as the experiment names are taken at their word.
    wanted = max(n_strips or 1, number)
    split = [_as_many(s, layout, wanted, n_lanes, settings) for s, layout in zip(signals, found, strict=True)]
    whole = [_levels(layout) for layout in split if len(layout.strips) == wanted]
    kept = []
    for layout in split:
        if len(layout.strips) == wanted or (wanted == 1 and layout.strips) or not layout.strips:
            kept.append(layout.only_strip(number))
            continue
        # Others are told by where their strips lie in a picture that shows all.
        at = _by_place(layout, whole)
        if at is None and len(layout.strips) > wanted and n_strips is None:
            kept.append(layout.only_strip(number))
            continue
        if at is None or number not in at:
            msg = (
                f"{len(layout.strips)} {'strip' if len(layout.strips) == 1 else 'strips'} found where the experiment "
                f"names strip {number} of {wanted}, and nothing tells which it is; correct the strips with "
                "`blotquant edit`, or cut the picture with `region`"
            )
            raise LaneCountError(msg)
        shown = layout.only_strip(at[number])
        kept.append(replace(shown, strips=tuple(replace(s, number=number) for s in shown.strips)))
    return kept


def _only_fitting(layout: Layout, n_lanes: int | None) -> Layout:
    """The one strip of several that has as many lanes as the sheet lists."""
    fitting = [s for s in layout.strips if len(layout.lanes_of(s.id)) == n_lanes]
    if len(layout.strips) < 2 or len(fitting) != 1:
        return layout
    kept = layout.only_strip(fitting[0].number)
    return replace(kept, strips=(replace(kept.strips[0], number=1),))


def _as_many(
    signal: FloatImage, layout: Layout, wanted: int, n_lanes: int | None, settings: DetectionSettings
) -> Layout:
    """The layout with so many strips, where imagined ones can be left out or merged ones taken apart."""
    if len(layout.strips) > wanted and n_lanes is not None:
        fitting = [s for s in layout.strips if len(layout.lanes_of(s.id)) == n_lanes]
        if len(fitting) == wanted:
            return _renumbered([layout.only_strip(s.number) for s in fitting], layout)
    if len(layout.strips) == 1 and wanted > 1:
        return _split(signal, layout, wanted, n_lanes, settings) or layout
    return layout


def _split(
    signal: FloatImage, layout: Layout, wanted: int, n_lanes: int | None, settings: DetectionSettings
) -> Layout | None:
    """One strip as several, cut at the widest gaps between its rows; None where a part does not show the lanes."""
    # The widest gaps between rows are where the membrane was cut.
    by_row: dict[int, list[float]] = {}
    heights = []
    for band in layout.bands:
        if band.row is not None and band.status == "detected":
            by_row.setdefault(band.row, []).append(band.peak[0])
            heights.append(band.box.row_stop - band.box.row_start)
    levels = sorted(float(np.median(rows)) for rows in by_row.values())
    gaps = sorted(((b - a, (a + b) / 2) for a, b in pairwise(levels)), reverse=True)[: wanted - 1]
    if len(gaps) < wanted - 1 or gaps[-1][0] < MIN_GAP_HEIGHTS * float(np.median(heights)):
        return None
    cuts = [0, *sorted(round(at) for _, at in gaps), signal.shape[0]]
    parts = []
    # Each part must show about as many lanes as the whole.
    for top, bottom in pairwise(cuts):
        part = find_layout(signal[top:bottom], settings=settings)
        counts = {s.number: len(part.lanes_of(s.id)) for s in part.strips}
        usual = n_lanes or len(layout.lanes)
        best = min(counts, key=lambda k: abs(counts[k] - usual), default=None)
        if best is None or counts[best] < max(2, usual / 2):
            return None
        parts.append(shift_layout(part.only_strip(best), float(top), 0.0))
    return _renumbered(parts, layout)


def _renumbered(parts: Sequence[Layout], whole: Layout) -> Layout:
    """Some layouts of one strip each as one layout, numbered from the top."""
    strips, lanes, bands = [], [], []
    for k, part in enumerate(sorted(parts, key=lambda p: bounding_box(p.strips[0].outline).row_start), start=1):
        lane_ids = {lane.id: f"s{k}l{lane.number}" for lane in part.lanes}
        strips.append(replace(part.strips[0], id=f"s{k}", number=k))
        lanes += [replace(lane, id=lane_ids[lane.id], strip=f"s{k}") for lane in part.lanes]
        bands += [
            replace(b, id=f"{lane_ids[b.lane]}b{i}", lane=lane_ids[b.lane])
            for lane in part.lanes
            for i, b in enumerate(part.bands_of(lane.id), start=1)
        ]
    return replace(whole, strips=tuple(strips), lanes=tuple(lanes), bands=tuple(bands), alternatives=()).sorted()


def _levels(layout: Layout) -> dict[int, float]:
    """Middle row of each strip's lanes, by its number."""
    boxes = {s.number: bounding_box(s.outline) for s in layout.strips}
    return {number: (box.row_start + box.row_stop) / 2 for number, box in boxes.items()}


def _by_place(layout: Layout, whole: Sequence[dict[int, float]]) -> dict[int, int] | None:
    """Numbers in pictures that show all strips, and those of this picture's strips that lie at the same places."""
    mine = _levels(layout)
    for theirs in whole:
        distance = min((abs(a - b) for a, b in pairwise(sorted(theirs.values()))), default=np.inf)
        at: dict[int, int] = {}
        for number, level in theirs.items():
            near = min(mine, key=lambda k: abs(mine[k] - level))
            if abs(mine[near] - level) < SAME_PLACE * distance:
                at[number] = near
        if len(set(at.values())) == len(at) and at:
            return at
    return None


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
    # Each band votes for the row of the earlier band that it lies on.
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
    # Rows that nothing voted for are new.
    last = max((band.row % LOWER_HALF for band in earlier.bands if band.row), default=0)
    for strip, row in sorted(places, key=lambda key: (key[0], float(np.median(places[key])))):
        if (strip, row) not in numbers:
            last += 1
            numbers[strip, row] = last
    bands = (b if b.row is None else replace(b, row=numbers[of_lane[b.lane], b.row]) for b in layout.bands)
    return replace(layout, bands=tuple(bands))
