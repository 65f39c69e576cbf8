"""The scale at which a picture is searched: the one at which its bands look as the network was taught to see them.

The network was taught bands of some height and lanes of some width, in rows and columns of the search copy; what is
several times larger is seen in pieces or not at all. How large the bands of a picture are shows only once they are
found, so:

1. The picture is searched at the usual scale. Where bands and lanes have the sizes that were taught and the network
   is sure of them, that is the answer: most pictures, at no further cost.
2. Otherwise it is searched again in smaller copies (each costs half of the one before), and in a larger one where
   bands look thin.
3. Of all readings the one is kept that explains most of the picture's light, is surest of its bands, and sees them
   nearest to the size that was taught.

References
----------
docs/methods.md, *The scale of the search*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.detection.band_peaks import FoundStrip, Peak, find_lane_peaks
from blotquant.detection.outlines import full_lane
from blotquant.detection.prediction import LEAST, SearchCopy, smaller_copy, window_copy
from blotquant.detection.strip_candidates import candidate_of_lanes
from blotquant.model.geometry import Box
from blotquant.settings import DetectionSettings

Floats = NDArray[np.float64]
Search = Callable[[SearchCopy], list[FoundStrip]]

SMALLER = (0.71, 0.5, 0.35, 0.25)
"""Scales of the copies in which large bands are looked for, of the usual one."""
BAND_ROWS = (6.0, 12.0)
"""Heights of bands, full widths at half maximum, for which the network was mostly taught, in rows of the copy."""
LANE_COLS = (9.0, 30.0)
"""Distances of two lanes for which it was mostly taught, in columns of the copy."""
MIDDLE_ROWS = 8.0
"""Height of bands in a window that is searched again, in rows of its copy."""
MIDDLE_COLS = 18.0
"""Distance of lanes in it, in columns of its copy."""
FALL = 0.4
"""How fast trust falls outside of these ranges: SD of the logarithm."""
EASY_ROWS = (4.5, 14.3)
"""Heights of bands at which one search is enough."""
EASY_COLS = (8.0, 45.0)
"""Distances of lanes at which one search is enough."""
EASY_CLEAR = 0.6
"""Clearness of the least clear lane from which on one search is enough."""
EASY_CHANCE = 0.85
"""Mean chance of the bands from which on one search is enough."""
BESIDE = 0.5
"""Of the height of the last band of a row: light beside it that rises so far is another one."""
BESIDE_ROWS = 2.5
"""Band heights above and below at which the ground beside it is looked at."""
LEFT_OUT = 0.5
"""Trust in a reading whose rows go on beyond its lanes, of that in one that has them all."""
CLEARLY = 1.1
"""Times the score of the search before: what is less better changes nothing."""
NOT_LESS = 0.95
"""Of the score of a strip's bands: a closer look at the same lanes that reaches less has lost some."""
SAME_PLACE = 0.5
"""Share of the smaller of two strips in the other from which on they stand in one place."""
RIVAL = 0.25
"""Of the best squared score in a place: a lane count of another reading that reaches it is a rival."""
ENOUGH = 0.7
"""Share of the light in a strip's rows that bands must explain for full trust; smears and soft ends are the rest."""
WIDE = 0.6
"""Share of the picture's width that no band spans."""
REACH = 1.1
"""Rows to either side of a band whose light it explains, in heights of the band."""


@dataclass(frozen=True, eq=False)
class ScaleReading:
    """Strips that a search found at one scale, and their sizes as the network saw them."""

    found: list[FoundStrip]

    @cached_property
    def peaks(self) -> list[Peak]:
        """The bands of all strips."""
        return [p for f in self.found for p in f.peaks]

    @cached_property
    def band_rows(self) -> float:
        """Usual height of its bands, in rows of the copy; 0 without bands."""
        known = [p.core for p in self.peaks if p.chance > 0.5]
        return float(np.median(known)) if known else 0.0

    @cached_property
    def lane_cols(self) -> float:
        """Usual distance of its lanes, in columns of the copy; 0 without two lanes."""
        gaps = [g for f in self.found for g in np.diff([np.mean(t.cols) for t in f.piece.tracks])]
        return float(np.median(gaps)) if gaps else 0.0

    @cached_property
    def chance(self) -> float:
        """Mean chance of its bands, by the network; 0 without bands."""
        return float(np.mean([p.chance for p in self.peaks])) if self.peaks else 0.0

    @cached_property
    def clear(self) -> float:
        """How clearly its least clear lane stands out; 0 without lanes."""
        return min((t.clear for f in self.found for t in f.piece.tracks), default=0.0)

    @cached_property
    def leaves_out_lanes(self) -> bool:
        """Whether a row of a strip goes on beyond its first or last lane."""
        return any(_goes_on_beside(f) for f in self.found)

    @property
    def is_easy(self) -> bool:
        """Whether bands and lanes have the sizes that were taught, and the network is sure of them."""
        return (
            EASY_ROWS[0] <= self.band_rows <= EASY_ROWS[1]
            and EASY_COLS[0] <= self.lane_cols <= EASY_COLS[1]
            and self.clear >= EASY_CLEAR
            and self.chance >= EASY_CHANCE
            and not self.leaves_out_lanes
        )

    @property
    def fitness(self) -> float:
        """How sure the network is of the bands, less where their sizes are far from those taught or lanes left out."""
        away = _beyond(self.lane_cols, LANE_COLS) if self.lane_cols > 0 else 0.0
        return float(self.band_fitness * np.exp(-(away**2) / 2) * (LEFT_OUT if self.leaves_out_lanes else 1.0))

    @property
    def band_fitness(self) -> float:
        """The same, wherever the lanes are."""
        if self.band_rows == 0:
            return 0.0
        return float(self.chance**2 * np.exp(-(_beyond(self.band_rows, BAND_ROWS) ** 2) / 2))


def find_at_best_scale(
    usual: SearchCopy, search: Search, settings: DetectionSettings | None = None
) -> list[FoundStrip]:
    """Search a picture at the scale that suits its bands.

    Parameters
    ----------
    usual : SearchCopy
        The picture, from `blotquant.detection.prediction.make_search_copy`.
    search : callable
        How strips with lanes and bands are found in a copy.
    settings : DetectionSettings, optional
        Parameters with which bands are found in the lanes; not given where the lanes are.

    Returns
    -------
    list of FoundStrip
        Strips in reading order; each tells of the copy in which it was found.
    """
    # Most pictures are searched once.
    first = ScaleReading(search(usual))
    if first.is_easy:
        return first.found
    # Larger bands are those of a smaller copy: the reading that explains most of the light, and is surest, is kept.
    scales = [s for s in SMALLER if min(usual.pixels.shape) * s >= LEAST]
    every = [first, *(ScaleReading(search(smaller_copy(usual, s))) for s in scales)]
    light = lit_light(usual)
    scores = [r.fitness * explained_light(r.found, light, usual) for r in every]
    best = every[int(np.argmax(scores))] if max(scores) > CLEARLY * scores[0] else first
    # Its lanes stand; their bands may stand out in another copy.
    strips = best.found
    if settings is not None:
        strips = [_with_best_bands(strip, every, light, usual, settings) for strip in strips]
    # Each strip may be read better in a window scaled to its own bands.
    strips = [strip for f in strips for strip in _close_up(f, light, usual, search)]
    # Other readings of the same place say how far the lanes can be trusted.
    rivals = [(f, score) for r, score in zip(every, scores, strict=True) for f in r.found if score > 0]
    return [_judged(strip, rivals, light, usual) for strip in strips]


def _goes_on_beside(strip: FoundStrip) -> bool:
    """Whether a row goes on one lane beyond the first or the last: light like its bands, dark above and below."""
    tracks, pixels = strip.piece.tracks, strip.copy.pixels
    middles = [float(np.mean(t.cols)) for t in tracks]
    if len(tracks) < 3:
        return False
    for end, inner, away in ((0, 1, -1), (len(tracks) - 1, len(tracks) - 2, 1)):
        pitch = abs(middles[end] - middles[inner])
        first, last = sorted(middles[end] + pitch * np.array([0.75, 1.25]) * away)
        cols = slice(max(0, round(first)), max(0, round(last) + 1))
        for p in (p for p in strip.peaks if p.lane == end):
            rows, _, slope = strip.spans[end]
            row = float(rows[0]) + p.row
            row += float(np.interp(row, rows, slope)) * pitch * away
            # Means over the band's core, and over as many rows a height above and below it.
            levels = [
                pixels[max(0, round(row + k * p.core - p.core / 4)) : round(row + k * p.core + p.core / 4) + 1, cols]
                for k in (-BESIDE_ROWS, 0, BESIDE_ROWS)
            ]
            if all(level.size for level in levels):
                above, here, below = (float(level.mean()) for level in levels)
                if here - max(above, below) > BESIDE * p.height:
                    return True
    return False


def _judged(strip: FoundStrip, rivals: list[tuple[FoundStrip, float]], light: Floats, usual: SearchCopy) -> FoundStrip:
    """A strip with the trust it has earned: readings at other scales that agree, and no light left beside its bands."""
    # Readings that lie in the same place vote for the number of lanes.
    count, box = len(strip.piece.tracks), _extent(strip, usual)
    here = [(len(f.piece.tracks), score**2) for f, score in rivals if _shared(_extent(f, usual), box) > SAME_PLACE]
    agreed = sum(score for n, score in here if n == count)
    total = sum(score for _, score in here)
    most = max((score for _, score in here), default=0.0)
    others = {n for n, score in here if score > RIVAL * most and n > 1} | set(strip.rivals)
    if _goes_on_beside(strip):
        others |= {count + 1}
    # Readings that agree, and the light beside the bands that they leave unexplained.
    trust = min(agreed / total if total > 0 else 1.0, _explained_share(strip, light, usual) / ENOUGH, 1.0)
    return replace(strip, trust=trust, rivals=tuple(sorted(others - {count})))


def _explained_share(strip: FoundStrip, light: Floats, usual: SearchCopy) -> float:
    """Of the light in the rows of a strip's bands, from two lanes left of it to two right of it, that under them."""
    under, around = np.zeros(light.shape, dtype=bool), np.zeros(light.shape, dtype=bool)
    gaps = np.diff([np.mean(t.cols) for t in strip.piece.tracks])
    pitch = (float(np.median(gaps)) if len(gaps) else strip.piece.tracks[0].width) * strip.copy.fx / usual.fx
    left, right = _extent(strip, usual)[2:]
    beside = slice(max(0, round(left - 2 * pitch)), max(0, round(right + 2 * pitch)))
    for rows, cols in _boxes([strip], usual):
        under[rows, cols] = True
        around[rows, beside] = True
    lit = np.maximum(light, 0.0)
    return float(lit[under].sum() / max(lit[around | under].sum(), 1e-9))


def _extent(strip: FoundStrip, usual: SearchCopy) -> tuple[float, float, float, float]:
    """First and last row, first and last column of a strip's bands, in pixels of the usual copy."""
    boxes = list(_boxes([strip], usual))
    if not boxes:
        return 0.0, 0.0, 0.0, 0.0
    rows, cols = zip(*boxes, strict=True)
    return (
        float(min(r.start for r in rows)),
        float(max(r.stop for r in rows)),
        float(min(c.start for c in cols)),
        float(max(c.stop for c in cols)),
    )


def _shared(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Share of the smaller of two boxes that lies in the other."""
    rows, cols = min(a[1], b[1]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[2], b[2])
    areas = [(x[1] - x[0]) * (x[3] - x[2]) for x in (a, b)]
    return max(rows, 0.0) * max(cols, 0.0) / max(min(areas), 1e-9)


def _close_up(strip: FoundStrip, light: Floats, usual: SearchCopy, search: Search) -> list[FoundStrip]:
    """A strip searched again in a window of its own, rows and columns scaled to its bands; the better one stands."""
    alone = ScaleReading([strip])
    if alone.lane_cols == 0 or (alone.is_easy and strip.copy.fx == usual.fx):
        return [strip]
    copy, rows, cols = strip.copy, alone.band_rows, alone.lane_cols
    lefts = [t.cols.min() - t.width for t in strip.piece.tracks]
    rights = [t.cols.max() + t.width for t in strip.piece.tracks]
    top, left = copy.to_full(min(strip.piece.tops) - 2 * rows, min(lefts))
    bottom, right = copy.to_full(max(strip.piece.bottoms) + 2 * rows, max(rights))
    box = Box(round(top), round(bottom) + 1, round(left), round(right) + 1)
    # Rows and columns are scaled apart: bands may be high and lanes narrow.
    close = window_copy(usual, box, copy.fy * rows / MIDDLE_ROWS, copy.fx * cols / MIDDLE_COLS)
    again = ScaleReading(search(close))
    explained = [explained_light(r.found, light, usual) for r in (alone, again)]
    better = again.fitness * explained[1] > CLEARLY * alone.fitness * explained[0]
    # Clearer lanes are no reason to lose bands or lanes.
    loses = again.band_fitness * explained[1] < NOT_LESS * alone.band_fitness * explained[0]
    more = sum(len(f.piece.tracks) for f in again.found) > len(strip.piece.tracks)
    return again.found if better and (more or not loses) else [strip]


def _with_best_bands(
    strip: FoundStrip, readings: list[ScaleReading], light: Floats, usual: SearchCopy, settings: DetectionSettings
) -> FoundStrip:
    """The bands of a strip's lanes, found in the copy that shows them best: lanes may stand out in another one.

    Rows that lie close run together in a copy that is coarse enough to see wide lanes as such.
    """
    lanes = [full_lane(strip.copy, strip.piece, i, str(i), "") for i in range(len(strip.piece.tracks))]
    rows, every = ScaleReading([strip]).band_rows, [strip]
    for copy in {id(f.copy): f.copy for r in readings for f in r.found}.values():
        if copy is strip.copy or not EASY_ROWS[0] <= rows * strip.copy.fy / copy.fy <= EASY_ROWS[1]:
            continue
        # The same lanes in another copy, as clear as where they were found.
        piece = candidate_of_lanes(copy, lanes)
        clear = [replace(t, clear=own.clear) for t, own in zip(piece.tracks, strip.piece.tracks, strict=True)]
        piece = replace(piece, tracks=tuple(clear))
        every.append(FoundStrip(copy, piece, *find_lane_peaks(copy, piece, settings), rivals=strip.rivals))
    scores = [ScaleReading([f]).band_fitness * explained_light([f], light, usual) for f in every]
    best = int(np.argmax(scores))
    return every[best] if scores[best] > CLEARLY * scores[0] else strip


def _beyond(value: float, limits: tuple[float, float]) -> float:
    """How far a size lies outside of limits, in SDs of its logarithm."""
    return float(max(np.log(limits[0] / value), np.log(value / limits[1]), 0.0)) / FALL


def lit_light(copy: SearchCopy) -> Floats:
    """Light of each pixel of a copy above its column's membrane, compressed so that weak bands count too.

    Half of what parts light from dark (Otsu 1979) is taken off: a band drawn over dark membrane explains less.
    """
    from skimage.filters import threshold_otsu

    counts = np.asarray(copy.pixels, dtype=np.float64)
    # What is bright over most of the picture's width is ground beside the membrane, not bands.
    counts = counts - ndimage.grey_opening(counts, size=(1, round(WIDE * counts.shape[1])), mode="nearest")
    rough = counts[2:] - 2 * counts[1:-1] + counts[:-2]
    low, high = np.percentile(counts, [5, 99.5])
    noise = max(float(np.median(np.abs(rough))) / 0.6745 / np.sqrt(6), 1e-3 * (high - low), 1e-300)
    light = np.arcsinh(np.maximum(counts - np.percentile(counts, 30, axis=0), 0.0) / (8 * noise))
    return np.asarray(light - threshold_otsu(light) / 2)


def explained_light(found: list[FoundStrip], light: Floats, usual: SearchCopy) -> float:
    """Sum of the light that lies under the bands of some strips, each pixel counted once."""
    under = np.zeros(light.shape, dtype=bool)
    for rows, cols in _boxes(found, usual):
        under[rows, cols] = True
    return float(light[under].sum())


def _boxes(found: list[FoundStrip], usual: SearchCopy) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of each band on the usual copy."""
    for f in found:
        for p in f.peaks:
            row = float(f.spans[p.lane][0][0]) + p.row
            track = f.piece.tracks[p.lane]
            col, half = float(track.col_at(row)), track.width / 2
            top, left = f.copy.to_full(row - REACH * p.core, col - half)
            bottom, right = f.copy.to_full(row + REACH * p.core, col + half)
            (r0, r1), (c0, c1) = usual.row_of([top, bottom]), usual.col_of([left, right])
            yield slice(max(0, round(r0)), max(0, round(r1) + 1)), slice(max(0, round(c0)), max(0, round(c1) + 1))
