"""Strips on the coarse grid: connected places on which the network sees lanes, with the rows that cross them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.detection.band_rows import BandRow, Ridge, chain_rows, find_ridges
from blotquant.detection.lane_traces import LaneTrace, trace_lanes
from blotquant.detection.prediction import Prediction, SearchCopy
from blotquant.model.geometry import Lane

_INSIDE = 0.5
"""Chance from which on a place belongs to a strip."""
_FEW = 6
"""Places likely to be bands that a strip holds at the least."""
_LEVELS = (0.65, 0.8, 0.9, 0.95)
"""Chances at which a bridge between strips may break."""
_LEAST_PART = 0.1
"""Share of the bands that a part holds at the least."""
_KEPT = 0.8
"""Share of the bands that must still stand on the parts."""
_NEAR = (9, 3)
"""Rows and columns around a band in which the phase is trusted more."""
_ELSEWHERE = 0.1
"""How much less it is trusted elsewhere."""


Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class StripCandidate:
    """One strip on the coarse grid.

    Attributes
    ----------
    tracks : tuple of LaneTrace
        Its lanes from left to right, with and without bands.
    rows : tuple of BandRow
        Rows of bands that cross them.
    tops, bottoms : tuple of float
        First and last row of each lane.
    """

    tracks: tuple[LaneTrace, ...]
    rows: tuple[BandRow, ...]
    tops: tuple[float, ...]
    bottoms: tuple[float, ...]

    def between(self, first: int, last: int) -> StripCandidate:
        """The piece with some of its lanes only."""
        own = slice(first, last + 1)
        return replace(self, tracks=self.tracks[own], tops=self.tops[own], bottoms=self.bottoms[own])

    def within(self, top: float, bottom: float) -> StripCandidate:
        """The piece between two rows."""
        return replace(
            self,
            rows=tuple(r for r in self.rows if top < float(np.median(r.points[1])) < bottom),
            tops=tuple(float(np.clip(t, top, bottom)) for t in self.tops),
            bottoms=tuple(float(np.clip(b, top, bottom)) for b in self.bottoms),
        )

    def lines(self) -> Iterator[tuple[LaneTrace, float, float]]:
        """Each lane with its first and last row."""
        return zip(self.tracks, self.tops, self.bottoms, strict=True)


def find_strip_candidates(grid: SearchCopy) -> list[StripCandidate]:
    """Find the strips of a picture with all lanes that the phase tells of, in reading order."""
    prediction = grid.prediction
    bands = _halved(prediction)
    near = ndimage.maximum_filter(bands, _NEAR, mode="nearest")
    labels, _ = ndimage.label(prediction.lanes > _INSIDE)
    ridges = find_ridges(prediction.bands)
    pieces = []
    for k, box in enumerate(ndimage.find_objects(labels), 1):
        whole = (labels[box] == k) & (prediction.lanes[box] > _INSIDE)
        for own in _parted(whole, prediction.lanes[box], bands[box] > 0.5):
            weight = np.asarray(own * prediction.lanes[box] * (_ELSEWHERE + near[box]), dtype=np.float64)
            tracks = trace_lanes(prediction.phase[box], weight, prediction.share[box])
            if tracks:
                pieces.append(_piece(grid, own, (box[0].start, box[1].start), tracks, ridges))
    return sorted(pieces, key=lambda p: (float(np.median(p.tops)), float(p.tracks[0].cols[0])))


def _parted(own: Mask, lanes: NDArray[np.float32], bands: Mask) -> list[Mask]:
    """Take a piece apart where a bridge of doubtful places joins strips that lie above each other."""
    if np.count_nonzero(bands & own) < _FEW:
        return []
    for level in _LEVELS:
        labels, n = ndimage.label(own & (lanes > level))
        light = np.bincount(labels[bands & own], minlength=n + 1)[1:]
        # What is left of the bands lies on parts of some size, or the level is too high for this piece.
        main = 1 + np.flatnonzero(light >= max(_FEW, _LEAST_PART * light.sum()))
        if light.sum() < _KEPT * np.count_nonzero(bands & own):
            break
        if len(main) > 1 and _above_each_other(labels, main, bands):
            cores = np.where(np.isin(labels, main), labels, 0)
            nearest = ndimage.distance_transform_edt(cores == 0, return_distances=False, return_indices=True)
            home = cores[tuple(nearest)]
            return [part for k in main for part in _parted(own & (home == k), lanes, bands)]
    return [own]


def _above_each_other(labels: NDArray[np.signedinteger], main: NDArray[np.intp], bands: Mask) -> bool:
    """Whether the bands of one part all lie above those of the next, over common columns."""
    spans = []
    for k in main:
        rows, cols = np.nonzero((labels == k) & bands)
        spans.append((float(rows.mean()), cols.min(), cols.max(), rows.max() - rows.min()))
    spans.sort()
    return all(min(a[2], b[2]) - max(a[1], b[1]) > 0.5 * min(a[2] - a[1], b[2] - b[1]) for a, b in pairwise(spans))


def _halved(prediction: Prediction) -> NDArray[np.float32]:
    """The likeliest of the four coarse pixels of each place."""
    height, width = prediction.lanes.shape
    room = [(0, 2 * n - m) for n, m in zip((height, width), prediction.bands.shape, strict=True)]
    bands = np.pad(prediction.bands, room)
    lines = np.maximum(bands[::2], bands[1::2])
    return np.asarray(np.maximum(lines[:, ::2], lines[:, 1::2]))


def _piece(
    grid: SearchCopy, own: Mask, corner: tuple[int, int], tracks: list[LaneTrace], ridges: tuple[Ridge, ...]
) -> StripCandidate:
    """Turn places of 2 × 2 coarse pixels into coarse pixels, and gather the rows."""
    tops, bottoms = [], []
    for track in tracks:
        cols = np.clip(np.rint(track.cols).astype(int), 0, own.shape[1] - 1)
        seen = np.flatnonzero(own[np.arange(len(own)), cols])
        seen = seen if len(seen) else np.flatnonzero(own.any(axis=1))
        tops.append(2.0 * (seen[0] + corner[0]))
        bottoms.append(min(2.0 * (seen[-1] + corner[0]) + 1, grid.pixels.shape[0] - 1.0))
    wide = tuple(
        LaneTrace(2 * (t.rows + corner[0]) + 0.5, 2 * (t.cols + corner[1]) + 0.5, 2 * t.width, t.clear) for t in tracks
    )
    inside = tuple(r for r in ridges if _lies_on(r, own, corner))
    return StripCandidate(wide, rows_of(inside, wide), tuple(tops), tuple(bottoms))


def _lies_on(ridge: Ridge, own: Mask, corner: tuple[int, int]) -> bool:
    """Whether most of a ridge lies on a strip."""
    rows = np.rint(ridge.rows / 2).astype(int) - corner[0]
    cols = ridge.cols // 2 - corner[1]
    ok = (rows >= 0) & (rows < own.shape[0]) & (cols >= 0) & (cols < own.shape[1])
    return bool(np.count_nonzero(own[rows[ok], cols[ok]]) > 0.5 * len(rows))


def rows_of(ridges: tuple[Ridge, ...], tracks: tuple[LaneTrace, ...]) -> tuple[BandRow, ...]:
    """Chain a strip's ridges; a row may leave out two lanes."""
    middles = [float(np.mean(t.cols)) for t in tracks]
    pitch = float(np.median(np.diff(middles))) if len(middles) > 1 else 1.4 * tracks[0].width
    return chain_rows(ridges, reach=2.7 * pitch)


def candidate_of_lanes(grid: SearchCopy, lanes: list[Lane]) -> StripCandidate:
    """The piece of given lanes, as they stand, with the rows that cross them."""
    tracks = tuple(_track_of(grid, lane) for lane in lanes)
    tops = tuple(float(grid.row_of(lane.row_range[0])) for lane in lanes)
    bottoms = tuple(float(grid.row_of(lane.row_range[1])) for lane in lanes)
    left, right = (float(np.mean(t.cols)) + side * t.width for t, side in ((tracks[0], -1), (tracks[-1], 1)))
    inside = tuple(
        r for r in find_ridges(grid.prediction.bands) if min(tops) < r.row < max(bottoms) and left < r.col < right
    )
    return StripCandidate(tracks, rows_of(inside, tracks), tops, bottoms)


def _track_of(grid: SearchCopy, lane: Lane) -> LaneTrace:
    rows, cols = np.asarray(lane.center).T
    return LaneTrace(grid.row_of(rows), grid.col_of(cols), float(np.mean(lane.widths)) / grid.fx, 1.0)
