"""Finding strips, lanes and bands in one picture, or jointly in several pictures of one membrane.

Finding lanes anew in strips that stand, as a person may have corrected them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.detection.band_peaks import find_lane_peaks
from blotquant.detection.figure_pages import is_figure_page
from blotquant.detection.lanes import FoundStrip, search
from blotquant.detection.mirror import flip_band, flip_lane, flip_layout, in_reading_order, leans_left
from blotquant.detection.outlines import draw_bands, full_lane, full_strip
from blotquant.detection.prediction import SearchCopy, make_search_copy, shows_something
from blotquant.detection.registration import shift_layout
from blotquant.detection.scales import find_at_best_scale
from blotquant.detection.strip_candidates import candidate_of_lanes
from blotquant.model.geometry import Band, Box, Lane, LaneAlternative, LaneRole, Layout, Strip, bounding_box
from blotquant.settings import DetectionSettings
from blotquant.threads import single_threaded

FloatImage = NDArray[np.floating[Any]]


# Log odds that a strip is right whose least clear lane stands out by 0.8, and by how much they rise with it.
_AT_EIGHT, _STEEPNESS = 4.75, 10.3
_SEEN = 0.6
"""Confidence from which on a lane is counted without a doubt."""
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
    if np.count_nonzero(signal >= ceiling) > 0.5 * signal.size:
        return Layout(flags=("saturated_picture",))
    if leans_left(signal):
        return in_reading_order(flip_layout(_found(signal[:, ::-1], settings, wanted), signal.shape[1]))
    return in_reading_order(_found(signal, settings, wanted))


def _found(signal: FloatImage, settings: DetectionSettings, n_lanes: int | None) -> Layout:
    """Find strips, lanes and bands in a picture as it lies."""
    usual = make_search_copy(signal)
    found = find_at_best_scale(usual, lambda copy: search(copy, settings, n_lanes))
    if not found:
        return Layout(flags=("not_a_blot" if shows_something(usual) else "blank",))
    layout = _layout(found, counted=n_lanes is not None)
    if len(usual.levels) <= _DRAWN or is_figure_page(signal):
        return replace(layout, flags=("not_a_blot",))
    return layout


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
    if leans_left(signal):
        width = signal.shape[1]
        turned = _bands_of(signal[:, ::-1], [flip_lane(lane, width) for lane in reversed(lanes)], settings)
        return tuple(flip_band(band, width) for band in turned)
    return _bands_of(signal, list(lanes), settings)


def _bands_of(signal: FloatImage, lanes: list[Lane], settings: DetectionSettings) -> tuple[Band, ...]:
    """Bands of given lanes, numbered from left to right within each strip."""
    grid = make_search_copy(signal)
    bands: list[Band] = []
    for strip in dict.fromkeys(lane.strip for lane in lanes):
        bands += _bands_in(grid, [lane for lane in lanes if lane.strip == strip], settings)
    return tuple(bands)


@single_threaded
def find_bands_again(signal: FloatImage, layout: Layout, *, settings: DetectionSettings | None = None) -> Layout:
    """Find the bands anew in a layout's own lanes, as a person may have corrected them."""
    return replace(layout, bands=detect_bands(signal, layout.lanes, settings=settings)).sorted()


def _bands_in(usual: SearchCopy, lanes: list[Lane], settings: DetectionSettings) -> list[Band]:
    """Bands of given lanes of one strip."""

    def search_lanes(copy: SearchCopy) -> list[FoundStrip]:
        candidate = candidate_of_lanes(copy, lanes)
        return [FoundStrip(copy, candidate, *find_lane_peaks(copy, candidate, settings))]

    (found,) = find_at_best_scale(usual, search_lanes)
    return [band for own in draw_bands(found.copy, found, [lane.id for lane in lanes]) for band in own]


def _layout(found: list[FoundStrip], *, counted: bool) -> Layout:
    """Draw what was found; where lanes were not counted by someone, with the other counts that are possible."""
    layout = Layout()
    for k, f in enumerate(found, start=1):
        layout = _with_strip(layout, f, f"s{k}")
    layout = layout.sorted()
    if not looks_like_blot(layout):
        return replace(layout, flags=(*layout.flags, "not_a_blot"))
    return layout if counted else _with_doubts(layout)


def _with_doubts(layout: Layout) -> Layout:
    """The count without the lanes that are hardly seen, as an alternative, and the mark of it on the strip's lanes."""
    doubts = []
    for strip in layout.strips:
        lanes = layout.lanes_of(strip.id)
        weak = sum(lane.confidence < _SEEN for lane in lanes)
        if 0 < weak < len(lanes) - 1:
            other = LaneAlternative(
                strip=strip.id, n_lanes=len(lanes) - weak, confidence=round(1 - strip.confidence, 4)
            )
            doubts.append(other)
    doubtful = {d.strip for d in doubts}
    lanes = tuple(
        replace(lane, flags=(*lane.flags, "lane_count_uncertain")) if lane.strip in doubtful else lane
        for lane in layout.lanes
    )
    return replace(layout, lanes=lanes, alternatives=tuple(doubts))


def _with_strip(layout: Layout, f: FoundStrip, strip_id: str) -> Layout:
    names = [f"{strip_id}l{i}" for i in range(1, len(f.piece.tracks) + 1)]
    drawn = draw_bands(f.copy, f, names)
    ladder = ladder_lane(drawn)
    lanes = []
    for i, own in enumerate(drawn):
        lane = full_lane(f.copy, f.piece, i, names[i], strip_id)
        empty = not any(b.status == "detected" for b in own)
        role: LaneRole = "ladder" if i == ladder else "sample"
        lanes.append(replace(lane, role=role, flags=(*lane.flags, "empty_lane") if empty else lane.flags))
    sure = strip_confidence([t.clear for t in f.piece.tracks])
    strip = replace(full_strip(f.copy, f.piece, strip_id, len(layout.strips) + 1), confidence=round(sure, 4))
    return replace(
        layout,
        strips=(*layout.strips, strip),
        lanes=(*layout.lanes, *lanes),
        bands=(*layout.bands, *(band for own in drawn for band in own)),
    )


def strip_confidence(clear: list[float]) -> float:
    """Estimated chance that all lanes of a strip are right, from how clearly its lanes stand out.

    The least clear one, through a logistic function that `tools/fit_confidence.py` fitted to 334 strips of synthetic
    pictures of all three difficulties, 96 % right.
    """
    return float(np.clip(1 / (1 + np.exp(-(_AT_EIGHT + _STEEPNESS * (min(clear) - 0.8)))), 0.01, 0.98))


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


def find_lanes_again(
    signal: FloatImage,
    layout: Layout,
    *,
    ceiling: float = float("inf"),
    settings: DetectionSettings | None = None,
) -> Layout:
    """Find the lanes and bands of each strip of a layout in the strip's own piece of the picture.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright.
    layout : Layout
        Its strips stand; its lanes and bands are found anew.
    ceiling : float
        Counts of a saturated pixel.
    settings : DetectionSettings, optional
        Parameters of the search.
    """
    lanes: list[Lane] = []
    bands: list[Band] = []
    for strip in layout.strips:
        found = _in_strip(signal, strip, ceiling, settings or DetectionSettings())
        lanes += found.lanes
        bands += found.bands
    return replace(layout, lanes=tuple(lanes), bands=tuple(bands), alternatives=()).sorted()


def _in_strip(signal: FloatImage, strip: Strip, ceiling: float, settings: DetectionSettings) -> Layout:
    """The lanes of the piece's surest strip, with names of the given one."""
    box = bounding_box(strip.outline)
    top, left = max(box.row_start, 0), max(box.col_start, 0)
    piece = signal[top : max(box.row_stop, 0), left : max(box.col_stop, 0)]
    found = find_layout(piece, ceiling=ceiling, settings=settings, n_lanes=settings.n_lanes)
    if not found.strips:
        return Layout()
    best = max(found.strips, key=lambda s: (len(found.lanes_of(s.id)), s.confidence, -s.number))
    here = shift_layout(found, float(top), float(left))
    own = {lane.id: f"{strip.id}-{lane.id}" for lane in here.lanes_of(best.id)}
    return Layout(
        lanes=tuple(replace(x, id=own[x.id], strip=strip.id) for x in here.lanes if x.id in own),
        bands=tuple(replace(b, id=f"{strip.id}-{b.id}", lane=own[b.lane]) for b in here.bands if b.lane in own),
    )
