"""Finding the lanes of several pictures of one membrane jointly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.detection.picture import find_bands_again, find_layout
from blotquant.detection.registration import move, register, settle_sideways, shift_layout
from blotquant.errors import LaneCountError
from blotquant.imaging.robust import robust_sd
from blotquant.model.geometry import Layout
from blotquant.settings import DetectionSettings
from blotquant.threads import single_threaded

FloatImage = NDArray[np.floating[Any]]


@single_threaded
def find_membrane_layouts(
    signals: Sequence[FloatImage],
    *,
    ceilings: Sequence[float] | None = None,
    settings: DetectionSettings | None = None,
    n_lanes: int | None = None,
    strip: int | None = None,
    dark: Sequence[int] = (),
) -> list[Layout]:
    """Find the lanes of several pictures of one membrane jointly, and the bands of each.

    Every picture is searched on its own first, as if it were alone; where it shows the expected number of lanes its
    own lanes stand. A picture that shows another number takes the lanes of the surest one that does, registered by
    translation and settled sideways on its own bands. Where none shows the number, the pictures are added, each in
    units of its own noise, and the sum is searched for so many lanes.

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
        Numbers of lanes that may show nothing: the ladder, blanks. Where just so many lanes are missing, they are
        these.

    Returns
    -------
    list of Layout
        One a picture.

    Raises
    ------
    LaneCountError
        If most pictures clearly show more lanes than expected: none of them may be dropped.
    """
    settings = settings or DetectionSettings()
    tops = list(ceilings) if ceilings is not None else [float("inf")] * len(signals)
    alone = [find_layout(s, ceiling=c, settings=settings) for s, c in zip(signals, tops, strict=True)]
    alone = [layout if strip is None else _only_strip(layout, strip) for layout in alone]
    counts = [len(layout.lanes) for layout in alone]
    wanted = n_lanes or max(counts)
    good = [k for k, layout in enumerate(alone) if counts[k] == wanted and len(layout.strips) == 1]
    if n_lanes:
        _refuse_to_drop_lanes(alone, n_lanes)
    if n_lanes is None and any(len(layout.strips) != 1 for layout in alone):
        return alone
    if not good and dark and (short := [k for k, n in enumerate(counts) if n == wanted - len(dark)]):
        alone = [
            find_bands_again(s, _with_dark_lanes(layout, dark), settings=settings) if k in short else layout
            for k, (s, layout) in enumerate(zip(signals, alone, strict=True))
        ]
        good = [k for k in short if len(alone[k].strips) == 1]
    if not good:
        return _forced(signals, settings, wanted, strip)
    best = max(good, key=lambda k: float(np.mean([lane.confidence for lane in alone[k].lanes])))
    return [
        layout if k in good else _carried(signals[best], signals[k], alone[best], settings)
        for k, layout in enumerate(alone)
    ]


def _with_dark_lanes(layout: Layout, dark: Sequence[int]) -> Layout:
    """Put lanes that show nothing where the sheet has them, a pitch from their neighbours; the others keep order."""
    lanes = layout.lanes
    if len(lanes) < 2:
        return layout
    numbers = [n for n in range(1, len(lanes) + len(dark) + 1) if n not in dark]
    middles = [float(lane.center_at(sum(lane.row_range) / 2)) for lane in lanes]
    pitch = float(np.median(np.diff(middles) / np.diff(numbers)))
    placed = [replace(lane, number=n) for lane, n in zip(lanes, numbers, strict=True)]
    for number in dark:
        near = min(placed[: len(lanes)], key=lambda lane: abs(lane.number - number))
        step = (number - near.number) * pitch
        placed.append(
            replace(
                near,
                id=f"{near.strip}dark{number}",
                number=number,
                center=tuple((row, col + step) for row, col in near.center),
                confidence=0.5,
                flags=("lane_uncertain", "empty_lane"),
            )
        )
    return replace(layout, lanes=tuple(placed), bands=()).sorted()


def _refuse_to_drop_lanes(alone: list[Layout], n_lanes: int) -> None:
    more = [
        layout
        for layout in alone
        if len(layout.strips) == 1
        and len(layout.lanes) > n_lanes
        and np.median([x.confidence for x in layout.lanes]) >= _SURE
    ]
    if 2 * len(more) > len(alone):
        shown = max(len(layout.lanes) for layout in more)
        msg = (
            f"{shown} lanes stand in the picture, the sample sheet lists {n_lanes}; add the missing one to the sheet "
            "(role blank or excluded if it is not wanted), or correct the lanes with `blotquant edit`"
        )
        raise LaneCountError(msg)


def _carried(fixed: FloatImage, moving: FloatImage, layout: Layout, settings: DetectionSettings) -> Layout:
    """The lanes of one picture on another of the same membrane, with the other's own bands."""
    shift = register(fixed, moving) if fixed.shape == moving.shape else (0.0, 0.0)
    carried = shift_layout(layout, *shift)
    return find_bands_again(moving, shift_layout(carried, 0.0, settle_sideways(moving, carried)), settings=settings)


def _forced(
    signals: Sequence[FloatImage], settings: DetectionSettings, n_lanes: int, strip: int | None
) -> list[Layout]:
    """So many lanes in pictures that do not show them: each lane is marked as one of a count that is not seen."""
    joint = len({s.shape for s in signals}) == 1
    shifts = [register(signals[0], s) if joint else (0.0, 0.0) for s in signals]
    if joint:
        moved = [_in_noise(move(s, -dr, -dc)) for s, (dr, dc) in zip(signals, shifts, strict=True)]
        found = [find_layout(np.sum(moved, axis=0), settings=settings, n_lanes=n_lanes)] * len(signals)
    else:
        found = [find_layout(s, settings=settings, n_lanes=n_lanes) for s in signals]
    layouts = []
    for signal, shift, layout in zip(signals, shifts, found, strict=True):
        kept = layout if strip is None else _only_strip(layout, strip)
        carried = shift_layout(kept, *shift)
        settled = shift_layout(carried, 0.0, settle_sideways(signal, carried))
        again = find_bands_again(signal, settled, settings=settings)
        doubt = tuple(replace(x, flags=tuple(dict.fromkeys((*x.flags, "lane_count_uncertain")))) for x in again.lanes)
        layouts.append(replace(again, lanes=doubt))
    return layouts


_SURE = 0.6
"""A lane of this confidence is there."""


def _in_noise(signal: FloatImage) -> FloatImage:
    rough = np.diff(np.asarray(signal, dtype=np.float32), axis=1)
    return (signal - np.median(signal)) / max(robust_sd(rough), 1e-9)


def _only_strip(layout: Layout, number: int) -> Layout:
    strips = tuple(s for s in layout.strips if s.number == number)
    lanes = tuple(lane for lane in layout.lanes if lane.strip in {s.id for s in strips})
    bands = tuple(b for b in layout.bands if b.lane in {lane.id for lane in lanes})
    return replace(layout, strips=strips, lanes=lanes, bands=bands)
