"""Finding strips, lanes and bands in one picture, or jointly in several pictures of one membrane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.errors import LaneCountError
from blotquant.finding.candidates import Grid, make_grid
from blotquant.finding.frames import find_lane_peaks, grow
from blotquant.finding.noise import n_levels, robust_sd
from blotquant.finding.pages import is_figure_page
from blotquant.finding.profiles import quantile
from blotquant.finding.refine import draw_bands, full_lane, full_strip
from blotquant.finding.registration import move, register, settle_sideways, shift_layout
from blotquant.finding.search import FoundStrip, rows_in_lanes, search
from blotquant.geometry import Band, Box, Lane, LaneAlternative, LaneRole, Layout, Strip, bounding_box
from blotquant.settings import DetectionSettings
from blotquant.threads import single_threaded

FloatImage = NDArray[np.floating[Any]]

# Log odds that a strip is right whose lanes have confidence 0.9, and by how much they rise with it.
_AT_NINE, _STEEPNESS = 1.09, 3.44
# Levels of a drawing or of a scan in black and white: no camera stores so few.
_DRAWN = 8


@single_threaded
def find_layout(
    signal: FloatImage,
    *,
    ceiling: float = float("inf"),
    settings: DetectionSettings | None = None,
    n_lanes: int | None = None,
) -> Layout:
    """Find strips, lanes and bands in one picture.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright, on any scale.
    ceiling : float
        Counts of a saturated pixel; a picture that is mostly there is flagged.
    settings : DetectionSettings, optional
        Parameters; defaults where not given.
    n_lanes : int, optional
        Lanes of each strip, ladder and empty ones included; wins over `settings` and over the guess.

    Returns
    -------
    Layout
        Empty with a flag where the picture is blank or no blot with lanes.
    """
    settings = settings or DetectionSettings()
    wanted = n_lanes if n_lanes is not None else settings.n_lanes
    if min(signal.shape) < 16:
        return Layout(flags=("blank",))
    if np.mean(np.asarray(signal) >= ceiling) > 0.5:
        return Layout(flags=("saturated_picture",))
    grid = make_grid(signal)
    found = search(grid, wanted)
    if found and (n_levels(signal) <= _DRAWN or is_figure_page(signal)):
        return replace(_layout(grid, found, settings, counted=True), flags=("not_a_blot",))
    return _layout(grid, found, settings, counted=wanted is not None) if found else Layout(flags=("blank",))


def find_strips(signal: FloatImage, *, settings: DetectionSettings | None = None) -> tuple[Strip, ...]:
    """Find the pieces of membrane that carry rows of bands."""
    return find_layout(signal, settings=settings).strips


def detect_lanes(
    signal: FloatImage, strip: Strip, *, settings: DetectionSettings | None = None, n_lanes: int | None = None
) -> tuple[Lane, ...]:
    """Find the lanes of one strip; those of the strip found anew that overlaps it most."""
    layout = find_layout(signal, settings=settings, n_lanes=n_lanes)
    wanted = bounding_box(strip.outline)
    shared = [(_common_area(bounding_box(s.outline), wanted), -s.number, s.id) for s in layout.strips]
    best = max(shared, default=(0, 0, ""))
    lanes = layout.lanes_of(best[2]) if best[0] > 0 else ()
    return tuple(replace(lane, strip=strip.id) for lane in lanes)


def _common_area(a: Box, b: Box) -> int:
    rows = min(a.row_stop, b.row_stop) - max(a.row_start, b.row_start)
    cols = min(a.col_stop, b.col_stop) - max(a.col_start, b.col_start)
    return max(rows, 0) * max(cols, 0)


def detect_bands(
    signal: FloatImage, lanes: tuple[Lane, ...], *, settings: DetectionSettings | None = None
) -> tuple[Band, ...]:
    """Find the bands of given lanes, rows and expected bands included."""
    settings = settings or DetectionSettings()
    grid = make_grid(signal)
    bands: list[Band] = []
    for strip_id in dict.fromkeys(lane.strip for lane in lanes):
        own = [lane for lane in lanes if lane.strip == strip_id]
        bands += _bands_in(grid, own, settings)
    return tuple(bands)


@single_threaded
def find_bands_again(signal: FloatImage, layout: Layout, *, settings: DetectionSettings | None = None) -> Layout:
    """Find the bands anew in a layout's own lanes, as a person may have corrected them."""
    return replace(layout, bands=detect_bands(signal, layout.lanes, settings=settings)).sorted()


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


def _bands_in(grid: Grid, lanes: list[Lane], settings: DetectionSettings) -> list[Band]:
    """Bands of given lanes of one strip."""
    nearest = rows_in_lanes(grid, lanes)
    kept, spans = find_lane_peaks(grid, nearest, settings)
    return [band for own in draw_bands(grid, nearest, [lane.id for lane in lanes], kept, spans) for band in own]


def _layout(grid: Grid, found: list[FoundStrip], settings: DetectionSettings, *, counted: bool) -> Layout:
    """Draw what was found; where lanes were not counted by someone, with the other counts that are possible."""
    layout = Layout()
    for k, f in enumerate(found, start=1):
        layout = _with_strip(layout, grid, f, settings, f"s{k}")
    layout = layout.sorted()
    if found and not looks_like_blot(layout):
        return replace(layout, flags=(*layout.flags, "not_a_blot"))
    return layout if counted else _with_doubts(layout, found)


def _with_doubts(layout: Layout, found: list[FoundStrip]) -> Layout:
    """Other lane counts that the picture allows, and the mark of it on the lanes."""
    doubts = [
        LaneAlternative(strip=f"s{k}", n_lanes=n, confidence=c) for k, f in enumerate(found, 1) for n, c in f.doubts()
    ]
    doubtful = {d.strip for d in doubts}
    lanes = tuple(
        replace(lane, flags=(*lane.flags, "lane_count_uncertain")) if lane.strip in doubtful else lane
        for lane in layout.lanes
    )
    strips = tuple(
        replace(s, confidence=round(s.confidence * (1 - sum(d.confidence for d in doubts if d.strip == s.id)), 4))
        for s in layout.strips
    )
    return replace(layout, strips=strips, lanes=lanes, alternatives=tuple(doubts))


def _with_strip(layout: Layout, grid: Grid, f: FoundStrip, settings: DetectionSettings, strip_id: str) -> Layout:
    kept, spans = find_lane_peaks(grid, f, settings)
    f = grow(f, kept, spans)
    names = [f"{strip_id}l{i}" for i in range(1, len(f.tracks) + 1)]
    drawn = draw_bands(grid, f, names, kept, spans)
    ladder = ladder_lane(drawn)
    lanes = []
    for i, own in enumerate(drawn):
        lane = full_lane(grid, f, i, names[i], strip_id)
        empty = not any(b.status == "detected" for b in own)
        role: LaneRole = "ladder" if i == ladder else "sample"
        lanes.append(replace(lane, role=role, flags=(*lane.flags, "empty_lane") if empty else lane.flags))
    sure = strip_confidence([lane.confidence for lane in lanes])
    strip = replace(full_strip(grid, f, strip_id, len(layout.strips) + 1), confidence=round(sure, 4))
    return replace(
        layout,
        strips=(*layout.strips, strip),
        lanes=(*layout.lanes, *lanes),
        bands=(*layout.bands, *(band for own in drawn for band in own)),
    )


def strip_confidence(lanes: list[float]) -> float:
    """Estimated chance that all lanes of a strip are right, from the confidences of its lanes in order.

    The mean of all lanes, of the lower quarter and of the weaker end lane, through a logistic function fitted to 149
    strips of synthetic pictures of all three difficulties (graded suites of seeds 1 and 2, 20 pictures of each; 75 %
    right). It never exceeds 0.81: lanes that look sure do not tell of one that was missed.
    """
    seen = (float(np.mean(lanes)) + quantile(np.asarray(lanes), 0.25) + min(lanes[0], lanes[-1])) / 3
    return float(1 / (1 + np.exp(-(_AT_NINE + _STEEPNESS * (seen - 0.9)))))


def ladder_lane(bands: list[list[Band]]) -> int | None:
    """Which of a strip's lanes is a ladder: the first or last one, if most of its bands lie in rows of their own."""
    seen = [[b.row for b in own if b.status == "detected"] for own in bands]
    everywhere = [row for own in seen for row in own]
    alone = [sum(everywhere.count(row) == 1 for row in own) for own in seen]
    if len(bands) < 3:
        return None
    end = 0 if alone[0] >= alone[-1] else len(bands) - 1
    clear = alone[end] >= 3 and alone[end] >= 0.6 * len(seen[end]) and np.median(alone) <= 1
    return end if clear else None


def looks_like_blot(layout: Layout) -> bool:
    """Whether what was found is a blot: bands wider than high, and most lanes with one."""
    detected = [b for b in layout.bands if b.status == "detected"]
    if not detected or len(layout.lanes) < 2:
        return False
    boxes = [b.box for b in detected]
    shape = float(np.median([(x.col_stop - x.col_start) / (x.row_stop - x.row_start) for x in boxes]))
    filled = len({b.lane for b in detected}) / len(layout.lanes)
    # Writing and drawn figures are as wide as they happen to be; lanes of one picture are much alike.
    widths = [float(np.median([lane.widths[0] for lane in layout.lanes_of(s.id)])) for s in layout.strips]
    if max(widths) > 2.5 * min(widths):
        return False
    sure = float(np.median([lane.confidence for lane in layout.lanes]))
    return shape > 0.6 and filled >= 0.4 and sure > 0.4
