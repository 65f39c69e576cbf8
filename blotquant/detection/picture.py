"""Finding strips, lanes and bands in one picture, or jointly in several pictures of one membrane.

Finding lanes anew in strips that stand, as a person may have corrected them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.detection.band_peaks import FoundStrip, find_lane_peaks
from blotquant.detection.doubtful_pictures import are_specks, is_figure_page, overlooks_rows, shows_something
from blotquant.detection.outlines import draw_bands, full_lane, full_strip
from blotquant.detection.prediction import SearchCopy, make_search_copy
from blotquant.detection.registration import shift_layout
from blotquant.detection.scales import find_at_best_scale
from blotquant.detection.search import join_far_rows, search
from blotquant.detection.strip_candidates import candidate_of_lanes
from blotquant.detection.turned import flip_band, flip_lane, flip_layout, in_reading_order, leans_left
from blotquant.imaging.content import is_mostly_at
from blotquant.imaging.robust import half_height_width
from blotquant.model.geometry import Band, Lane, LaneAlternative, LaneRole, Layout, Strip, bounding_box, rectangle
from blotquant.settings import DetectionSettings
from blotquant.threads import single_threaded

FloatImage = NDArray[np.floating[Any]]


_AT_EIGHT = 4.75
"""Log odds that a strip is right whose least clear lane stands out by 0.8."""
_STEEPNESS = 10.3
"""How much they rise with that clearness."""
_SEEN = 0.6
"""Confidence from which on a lane is counted without a doubt."""
_UNLIKE = 2.5
"""Times the width of other lanes: what is so much wider or narrower is no strip of the same picture."""
_WRITING = 0.2
"""Confidence below which such a strip is writing."""
_CERTAIN = 0.9
"""Confidence of a strip whose bands may be higher than wide."""
_OVERLOOKED = 0.5
"""Confidence at the most of strips beside which rows like theirs were not found."""
_TURNED = 0.3
"""Confidence at the most of lanes in a picture that shows a blot once it is turned."""
_LIT = 0.1
"""Of the brightest column: lanes that nobody sees stand between the first and the last column that is so bright."""
_FILLED = 0.8
"""Of the distance of two such lanes: width of a lane."""
_UNSURE = 0.2
"""Confidence of lanes and bands that are placed, not found."""
# Levels of a drawing or of a scan in black and white: no camera stores so few.
_DRAWN = 8


@single_threaded
def find_layout(
    signal: FloatImage,
    *,
    ceiling: float = float("inf"),
    settings: DetectionSettings | None = None,
    n_lanes: int | None = None,
    exact: bool = False,
) -> Layout:
    """Find strips, lanes and bands in one picture.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright, on any scale; nothing is seen where they are no number.
    ceiling : float
        Counts of a saturated pixel; a picture that is mostly there is flagged.
    settings : DetectionSettings, optional
        Parameters; defaults where not given.
    n_lanes : int, optional
        Lanes of each strip, with or without ladder and empty ones; wins over `settings`. It is weighed with the
        picture: lanes that show clear bands are never left out for it, but marked.
    exact : bool
        Give each strip exactly `n_lanes` lanes.

    Returns
    -------
    Layout
        Empty with a flag where the picture is blank or no blot with lanes.
    """
    settings = settings or DetectionSettings()
    wanted = n_lanes if n_lanes is not None else settings.n_lanes
    if min(signal.shape) < 16:
        return Layout(flags=("blank",))
    # Where counts are no number nothing is seen: they stand at the level of the rest.
    if not np.isfinite(signal.max() + signal.min()):
        finite = np.isfinite(signal)
        signal = np.where(finite, signal, np.median(signal[finite]) if finite.any() else 0.0)
    if signal.max() >= ceiling and is_mostly_at(signal, ceiling):
        return Layout(flags=("saturated_picture",))
    # A picture and its mirror image are searched as one, so that a flip turns the order of lanes and nothing else.
    if leans_left(signal):
        return in_reading_order(flip_layout(_found(signal[:, ::-1], settings, wanted, exact=exact), signal.shape[1]))
    return in_reading_order(_found(signal, settings, wanted, exact=exact))


def _found(signal: FloatImage, settings: DetectionSettings, n_lanes: int | None, *, exact: bool) -> Layout:
    """Find strips, lanes and bands in a picture as it lies."""
    usual = make_search_copy(signal)
    found = find_at_best_scale(usual, lambda copy: search(copy, settings, n_lanes, exact=exact), settings)
    # Lanes that a person counted are placed evenly where none is seen.
    if not found:
        if n_lanes is not None and shows_something(usual):
            return evenly_spaced_lanes(usual, n_lanes)
        layout = Layout(flags=("not_a_blot" if shows_something(usual) else "blank",))
    else:
        layout = _layout(join_far_rows(usual, found, settings), n_lanes=n_lanes)
        # What is dust, or only a part of what the picture shows, is told from blots once it was found.
        doubtful = max(strip.confidence for strip in layout.strips) < _CERTAIN
        if n_lanes is None and doubtful and are_specks(signal, layout):
            return Layout(flags=("not_a_blot",))
        if overlooks_rows(usual, layout):
            strips = tuple(replace(strip, confidence=min(strip.confidence, _OVERLOOKED)) for strip in layout.strips)
            layout = replace(layout, strips=strips, flags=(*layout.flags, "bands_overlooked"))
    # Drawings and pages of figures: nobody says how many lanes they have.
    if n_lanes is None and found and (len(usual.levels) <= _DRAWN or is_figure_page(signal)):
        return replace(layout, flags=("not_a_blot",))
    # Bands higher than wide may be those of a blot that lies on its side.
    if "blank" not in layout.flags and band_shape(layout) < 1 and _lies_turned(signal, settings):
        lanes = tuple(replace(lane, confidence=min(lane.confidence, _TURNED)) for lane in layout.lanes)
        strips = tuple(replace(strip, confidence=min(strip.confidence, _TURNED)) for strip in layout.strips)
        return replace(layout, strips=strips, lanes=lanes, flags=(*layout.flags, "lanes_across"))
    return layout


def _lies_turned(signal: FloatImage, settings: DetectionSettings) -> bool:
    """Whether a picture shows a blot without a doubt once rows and columns change places."""
    usual = make_search_copy(np.ascontiguousarray(signal.T))
    found = find_at_best_scale(usual, lambda copy: search(copy, settings), settings)
    layout = _layout(found, n_lanes=None) if found else Layout(flags=("not_a_blot",))
    sure = min((strip.confidence for strip in layout.strips), default=0.0)
    return not layout.flags and len(layout.lanes) > 2 and sure >= _CERTAIN and band_shape(layout) > 1


def band_shape(layout: Layout) -> float:
    """Usual width over height of the outlines of detected bands; 0 without bands."""
    boxes = [b.box for b in layout.bands if b.status == "detected"]
    return float(np.median([(x.col_stop - x.col_start) / (x.row_stop - x.row_start) for x in boxes] or [0.0]))


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


def _layout(found: list[FoundStrip], *, n_lanes: int | None) -> Layout:
    """Draw what was found, with the other lane counts that are possible; what a person counted is never refused."""
    layout = Layout()
    found = _without_writing(found)
    for k, f in enumerate(found, start=1):
        layout = _with_strip(layout, f, f"s{k}")
    rivals = {f"s{k}": f.rivals for k, f in enumerate(found, start=1)}
    layout = layout.sorted()
    if n_lanes is None and not looks_like_blot(layout):
        return replace(layout, flags=(*layout.flags, "not_a_blot"))
    return _with_doubts(layout, rivals, n_lanes)


def _without_writing(found: list[FoundStrip]) -> list[FoundStrip]:
    """Leave out strips of no trust whose lanes are not nearly as wide as those of the surest: labels beside a blot."""
    sure = [strip_confidence([t.clear for t in f.piece.tracks]) * f.trust for f in found]
    widths = [float(np.median([t.width for t in f.piece.tracks])) * f.copy.fx for f in found]
    usual = widths[int(np.argmax(sure))] if found else 0.0
    return [
        f
        for f, own, width in zip(found, sure, widths, strict=True)
        if own >= _WRITING or own == max(sure) or usual / _UNLIKE <= width <= usual * _UNLIKE
    ]


def _with_doubts(layout: Layout, rivals: dict[str, tuple[int, ...]], n_lanes: int | None) -> Layout:
    """Other counts of each strip's lanes as alternatives, and the mark of it on its lanes.

    The count without the lanes that are hardly seen, and those of readings at other scales; where a person counted,
    only that count, unless the strip shows it with or without its ladder and its empty lanes.
    """
    doubts = []
    for strip in layout.strips:
        lanes = layout.lanes_of(strip.id)
        samples = sum(lane.role == "sample" and "empty_lane" not in lane.flags for lane in lanes)
        weak = sum(lane.confidence < _SEEN for lane in lanes)
        counts = {len(lanes) - weak} if 0 < weak < len(lanes) - 1 else set()
        counts |= set(rivals.get(strip.id, ()))
        if n_lanes is not None:
            counts = set() if samples <= n_lanes <= len(lanes) else {n_lanes}
        sure = round((1 - strip.confidence) / max(len(counts), 1), 4)
        doubts += [LaneAlternative(strip=strip.id, n_lanes=n, confidence=sure) for n in sorted(counts - {len(lanes)})]
    doubtful = {d.strip for d in doubts}
    lanes = tuple(
        replace(lane, flags=(*lane.flags, "lane_count_uncertain")) if lane.strip in doubtful else lane
        for lane in layout.lanes
    )
    return replace(layout, lanes=lanes, alternatives=tuple(doubts))


def _with_strip(layout: Layout, f: FoundStrip, strip_id: str) -> Layout:
    # Bands are drawn first: they tell which lane is a ladder and which is empty.
    names = [f"{strip_id}l{i}" for i in range(1, len(f.piece.tracks) + 1)]
    drawn = draw_bands(f.copy, f, names)
    ladder = ladder_lane(drawn)
    lanes = []
    for i, own in enumerate(drawn):
        lane = full_lane(f.copy, f.piece, i, names[i], strip_id)
        empty = not any(b.status == "detected" for b in own)
        role: LaneRole = "ladder" if i == ladder else "sample"
        # No lane is surer than the readings at several scales are of all of them.
        sure = round(min(lane.confidence, 0.5 + f.trust / 2), 4)
        flags = (*lane.flags, "empty_lane") if empty else lane.flags
        lanes.append(replace(lane, role=role, flags=flags, confidence=sure))
    sure = strip_confidence([t.clear for t in f.piece.tracks]) * f.trust
    strip = full_strip(f.copy, f.piece, strip_id, len(layout.strips) + 1)
    strip = replace(strip, confidence=round(max(sure, 0.01), 4))
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
    # Rows that no other lane has are what a ladder shows.
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
    filled = len({b.lane for b in detected}) / len(layout.lanes)
    # Writing and drawn figures are as wide as they happen to be; lanes of one picture are much alike.
    widths = [float(np.median([lane.widths[0] for lane in layout.lanes_of(s.id)])) for s in layout.strips]
    if max(widths) > _UNLIKE * min(widths):
        return False
    sure = float(np.median([lane.confidence for lane in layout.lanes]))
    # High bands of lanes that stand out without a doubt are bands: dots and drawings have no such lanes.
    certain = min(s.confidence for s in layout.strips) >= _CERTAIN
    return band_shape(layout) > (0.3 if certain else 0.6) and filled >= 0.4 and sure > 0.4


def evenly_spaced_lanes(copy: SearchCopy, n_lanes: int) -> Layout:
    """Place lanes of one width side by side, and in each a band where the row shines that is brightest over all.

    Parameters
    ----------
    copy : SearchCopy
        The picture.
    n_lanes : int
        How many a person counts.

    Returns
    -------
    Layout
        One strip; lanes and bands of little confidence, the lanes flagged as guesses, to be corrected by hand.
    """
    # The row that is brightest over all columns, and the columns that shine there.
    above = np.asarray(copy.pixels, dtype=np.float64)
    above = np.maximum(above - np.percentile(above, 30, axis=0), 0.0)
    row_light = ndimage.gaussian_filter1d(above.sum(axis=1), 1.0)
    peak = int(row_light.argmax())
    width = half_height_width(row_light, peak)
    reach = max(2, round(1.1 * width))
    top, bottom = max(0, peak - reach), min(len(above), peak + reach + 1)
    col_light = above[top:bottom].mean(axis=0)
    lit = np.flatnonzero(col_light > _LIT * col_light.max())
    left, right = (lit[0], lit[-1] + 1) if len(lit) > n_lanes else (0, above.shape[1])
    pitch = (right - left) / n_lanes
    # One lane a pitch, and in each a band where the row shines most.
    lanes, bands = [], []
    (first, _), (last, _) = copy.to_full(0, 0), copy.to_full(len(above) - 1, 0)
    for k in range(n_lanes):
        col = left + (k + 0.5) * pitch - 0.5
        _, center = copy.to_full(0, col)
        half = _FILLED * pitch * copy.fx / 2
        flags = ("lane_uncertain", "lane_count_uncertain")
        lanes.append(
            Lane(
                id=f"s1l{k + 1}", strip="s1", number=k + 1, center=((first, center), (last, center)),
                widths=(2 * half, 2 * half), confidence=_UNSURE, flags=flags,
            )
        )  # fmt: skip
        own = above[top:bottom, max(0, round(col - 0.3 * pitch)) : round(col + 0.3 * pitch) + 1].mean(axis=1)
        row, _ = copy.to_full(top + int(own.argmax()), 0)
        high = reach * copy.fy
        bands.append(
            Band(
                id=f"s1l{k + 1}b1",
                lane=f"s1l{k + 1}",
                outline=rectangle(row - high, row + high, center - half, center + half),
                peak=(row, center),
                row=1,
                confidence=_UNSURE,
            )
        )
    _, edge_left = copy.to_full(0, left)
    _, edge_right = copy.to_full(0, right)
    strip = Strip(id="s1", number=1, outline=rectangle(first, last, edge_left, edge_right), confidence=_UNSURE)
    return Layout(strips=(strip,), lanes=tuple(lanes), bands=tuple(bands)).sorted()


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
    # The piece may hold a speck that looks like a strip: the one with most lanes, then the surest.
    best = max(found.strips, key=lambda s: (len(found.lanes_of(s.id)), s.confidence, -s.number))
    here = shift_layout(found, float(top), float(left))
    own = {lane.id: f"{strip.id}-{lane.id}" for lane in here.lanes_of(best.id)}
    return Layout(
        lanes=tuple(replace(x, id=own[x.id], strip=strip.id) for x in here.lanes if x.id in own),
        bands=tuple(replace(b, id=f"{strip.id}-{b.id}", lane=own[b.lane]) for b in here.bands if b.lane in own),
    )
