"""Strips on the coarse grid: connected places on which the network sees lanes, the lanes, and the rows that cross them.

A lane is a line along which the phase that the network sees is zero: the phase's own slope tells how all lanes of a
strip lean, fan out and bend; along lines of that form it is averaged, and each lane then follows its own phase.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from blotquant.detection.prediction import BandRow, Prediction, SearchCopy, find_ridges
from blotquant.imaging.robust import running_maximum
from blotquant.model.geometry import Lane

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Phase = NDArray[np.complexfloating]

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
_STEP = 0.25
"""Places between which the averaged phase is read."""
_MARGIN = 4
"""Columns beyond a strip candidate in which lanes may still run."""
# Least share of the usual light of a column that a lane stands in.
_LIVE = 0.05
# How far lanes lean, fan out and bend at the most: columns per row, per row over the piece's width, per row over its
# height; and how readily they do.
_MOST = np.array([0.2, 0.15, 0.1])
_STIFF = np.array([1e-3, 3e-2, 3e-2])
_PARTS = 8
"""Parts of a lane's height whose own phase bends it."""
_PART_ROWS = 4
"""Rows of such a part at the least."""
_STRAY = 0.3
"""Pitches by which a part may stray from the straight line."""


@dataclass(frozen=True, eq=False, slots=True)
class LaneTrace:
    """One lane on the coarse grid.

    Attributes
    ----------
    rows, cols : ndarray
        Nodes of its centre line, from top to bottom.
    width : float
        Columns that a band fills.
    clear : float
        How clearly the lane stands out from the gaps beside it, 0 to 1.
    """

    rows: Floats
    cols: Floats
    width: float
    clear: float

    def col_at(self, row: ArrayLike) -> Floats:
        """Column of the centre at some rows; beyond the ends the line runs upright."""
        return np.asarray(np.interp(np.asarray(row, dtype=float), self.rows, self.cols))

    def slope_at(self, row: float) -> float:
        """Columns per row that the lane leans to the right."""
        if len(self.rows) < 2:
            return 0.0
        near = min(max(row, self.rows[0] + 2), self.rows[-1] - 2)
        above, below = np.interp((near - 2, near + 2), self.rows, self.cols).tolist()
        return float(below - above) / 4


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
            rows=tuple(r for r in self.rows if top < r.row < bottom),
            tops=tuple(float(np.clip(t, top, bottom)) for t in self.tops),
            bottoms=tuple(float(np.clip(b, top, bottom)) for b in self.bottoms),
        )

    def lines(self) -> Iterator[tuple[LaneTrace, float, float]]:
        """Each lane with its first and last row."""
        return zip(self.tracks, self.tops, self.bottoms, strict=True)


def find_strip_candidates(grid: SearchCopy) -> list[StripCandidate]:
    """Find the strips of a picture with all lanes that the phase tells of, in reading order."""
    prediction = grid.prediction
    # The phase is trusted most where bands are near.
    bands = _halved(prediction)
    near = running_maximum(running_maximum(bands, _NEAR[0]).T, _NEAR[1]).T
    # Connected places on which lanes are likely, taken apart at doubtful bridges.
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
    # Mean row, first and last column, and height of each part's bands.
    spans = []
    for k in main:
        rows, cols = np.nonzero((labels == k) & bands)
        spans.append((float(rows.mean()), cols.min(), cols.max(), rows.max() - rows.min()))
    spans.sort()
    return all(
        min(a[2], b[2]) - max(a[1], b[1]) > 0.5 * min(a[2] - a[1], b[2] - b[1]) for a, b in itertools.pairwise(spans)
    )


def _halved(prediction: Prediction) -> NDArray[np.float32]:
    """The likeliest of the four coarse pixels of each place."""
    height, width = prediction.lanes.shape
    room = [(0, 2 * n - m) for n, m in zip((height, width), prediction.bands.shape, strict=True)]
    bands = np.pad(prediction.bands, room)
    lines = np.maximum(bands[::2], bands[1::2])
    return np.asarray(np.maximum(lines[:, ::2], lines[:, 1::2]))


def _piece(
    grid: SearchCopy, own: Mask, corner: tuple[int, int], tracks: list[LaneTrace], ridges: tuple[BandRow, ...]
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
    if not ridges:
        return StripCandidate(wide, (), tuple(tops), tuple(bottoms))
    # Ridges of which most lies on the strip.
    rows = np.rint(np.concatenate([r.rows for r in ridges]) / 2).astype(int) - corner[0]
    cols = np.concatenate([r.cols for r in ridges]) // 2 - corner[1]
    on_strip = (rows >= 0) & (rows < own.shape[0]) & (cols >= 0) & (cols < own.shape[1])
    on_strip[on_strip] = own[rows[on_strip], cols[on_strip]]
    lengths = np.array([len(r.cols) for r in ridges])
    counts = np.add.reduceat(on_strip.astype(int), np.cumsum(lengths) - lengths)
    inside = tuple(itertools.compress(ridges, counts > 0.5 * lengths))
    return StripCandidate(wide, rows_of(inside, wide), tuple(tops), tuple(bottoms))


def rows_of(ridges: tuple[BandRow, ...], tracks: tuple[LaneTrace, ...]) -> tuple[BandRow, ...]:
    """Chain a strip's ridges; a row may leave out two lanes."""
    middles = [float(np.mean(t.cols)) for t in tracks]
    pitch = float(np.median(np.diff(middles))) if len(middles) > 1 else 1.4 * tracks[0].width
    return chain_rows(ridges, reach=2.7 * pitch)


def chain_rows(ridges: tuple[BandRow, ...], *, reach: float) -> tuple[BandRow, ...]:
    """Chain ridges that follow each other from left to right: each takes its best partner if that is mutual.

    Parameters
    ----------
    ridges : tuple of BandRow
        Ridges, in any order.
    reach : float
        Widest gap bridged, in coarse columns.
    """
    n = len(ridges)
    if n == 0:
        return ()
    # Each takes its best partner to the right where it is that one's best to the left.
    cost = _step_costs(ridges, reach)
    follower = np.full(n, -1)
    if n > 1:
        best_right, best_left = cost.argmin(axis=1), cost.argmin(axis=0)
        for i in range(n):
            j = best_right[i]
            if np.isfinite(cost[i, j]) and best_left[j] == i:
                follower[i] = j
    rows = []
    for start in sorted(set(range(n)) - set(follower.tolist())):
        chain, k = [], start
        while k >= 0:
            chain.append(ridges[k])
            k = int(follower[k])
        cols = np.concatenate([r.cols for r in chain])
        order = np.argsort(cols, kind="stable")
        lines, heights = (
            np.concatenate(part)[order] for part in zip(*((r.rows, r.heights) for r in chain), strict=True)
        )
        rows.append(BandRow(cols[order], lines, heights, len(chain)))
    return tuple(rows)


def _step_costs(ridges: tuple[BandRow, ...], reach: float) -> NDArray[np.float64]:
    """Cost of ridge j following ridge i to the right in one row; inf where it cannot."""
    left, right, row, height = np.array([(r.cols[0], r.cols[-1], r.row, r.height) for r in ridges]).T
    col = (left + right) / 2
    first, last = (np.array([part.sum() / len(part) for part in parts])
                   for parts in ([r.rows[:6] for r in ridges], [r.rows[-6:] for r in ridges]))  # fmt: skip
    # A gap to bridge, and a step up or down: between the ends, or between the middles of bands that lean.
    gap = left[None] - right[:, None]
    fall = np.minimum(np.abs(first[None] - last[:, None]), np.abs(row[None] - row[:, None]))
    room = 0.7 * np.maximum(height[None], height[:, None]) + 0.12 * np.abs(col[None] - col[:, None])
    cost: NDArray[np.float64] = fall / room + 0.5 * gap / reach
    cost[(gap < -2) | (gap > reach) | (fall >= room) | np.eye(len(ridges), dtype=bool)] = np.inf
    return cost


def candidate_of_lanes(grid: SearchCopy, lanes: list[Lane]) -> StripCandidate:
    """The piece of given lanes, as they stand, with the rows that cross them."""
    nodes = [np.asarray(lane.center).T for lane in lanes]
    tracks = tuple(
        LaneTrace(grid.row_of(rows), grid.col_of(cols), float(np.mean(lane.widths)) / grid.fx, 1.0)
        for lane, (rows, cols) in zip(lanes, nodes, strict=True)
    )
    tops = tuple(float(grid.row_of(lane.row_range[0])) for lane in lanes)
    bottoms = tuple(float(grid.row_of(lane.row_range[1])) for lane in lanes)
    left, right = (float(np.mean(t.cols)) + side * t.width for t, side in ((tracks[0], -1), (tracks[-1], 1)))
    inside = tuple(
        r
        for r in find_ridges(grid.prediction.bands)
        if min(tops) < r.row < max(bottoms) and left < (r.cols[0] + r.cols[-1]) / 2 < right
    )
    return StripCandidate(tracks, rows_of(inside, tracks), tops, bottoms)


def trace_lanes(phase: Phase, weight: Floats, share: NDArray[np.floating]) -> list[LaneTrace]:
    """Find the lanes of one piece.

    The phase's own slope tells how the lanes lean, fan out and bend as a whole; along lines of that form the phase is
    averaged over all rows, and where it passes zero a lane stands. Each lane then follows its own phase.

    Parameters
    ----------
    phase : ndarray of complex, shape (h, w)
        See `blotquant.detection.prediction.Prediction`.
    weight : ndarray, shape (h, w)
        Trust in each place; 0 outside of the piece.
    share : ndarray, shape (h, w)
        Width of the lanes over their distance.

    Returns
    -------
    list of Track
        From left to right, in the piece's own rows and columns.
    """
    height, width = phase.shape
    if height < 3 or width < 3 or weight.sum() <= 0:
        return []
    middle = float((weight.sum(axis=1) * np.arange(height)).sum() / weight.sum())
    lean, fan, bend = _form(phase, weight, middle)
    places = np.arange(-_MARGIN, width + _MARGIN, _STEP)
    down = np.arange(height)[:, None] - middle
    lines = places + down * (lean + fan * (places - (width - 1) / 2) / width) + bend * down**2 / (2 * height)
    along = _sampled(np.stack([weight, weight * phase.real, weight * phase.imag, weight * share]), lines)
    trust, waves = along[0].sum(axis=0), along[1] + 1j * along[2]
    mean = waves.sum(axis=0) / np.maximum(trust, 1e-9)
    mean = ndimage.uniform_filter1d(mean.real, 3) + 1j * ndimage.uniform_filter1d(mean.imag, 3)
    # Places after which the averaged phase passes zero on its way up.
    rising = (mean.imag[:-1] < 0) & (mean.imag[1:] >= 0) & (mean.real[:-1] + mean.real[1:] > 0)
    at = np.flatnonzero(rising & (trust > _LIVE * trust.max())[:-1])
    if len(at) == 0:
        return []
    # Where the sine passes zero between two places.
    centers = places[at] - _STEP * mean.imag[at] / (mean.imag[at + 1] - mean.imag[at])
    gaps = np.diff(centers) if len(centers) > 1 else np.array([0.8 * width])
    pitches = np.minimum(np.append(gaps, gaps[-1]), np.append(gaps[0], gaps))[: len(centers)]
    clear = _clearness(mean.real, at, pitches)
    near = np.abs(places[:, None] - centers) < 0.4 * pitches
    turns = near * np.exp(-2j * np.pi * (places[:, None] - centers) / pitches)
    trusts = along[0] @ near
    own = _deviations(waves @ turns, trusts) * pitches
    wide = (along[3].sum(axis=0) @ near) / np.maximum(trusts.sum(axis=0), 1e-9)
    cols = lines[:, :1] - places[0] + centers + down * fan * (centers - places[0]) / width + own
    rows, widths = np.arange(height, dtype=float), np.clip(wide, 0.3, 1.0) * pitches
    return [LaneTrace(rows, *one) for one in zip(np.ascontiguousarray(cols.T), widths.tolist(), clear, strict=True)]


def _form(phase: Phase, weight: Floats, middle: float) -> Floats:
    """Lean, fan and bend of all lanes: least squares over the slopes of the phase down and across."""
    height, width = phase.shape
    # Turning back by the phase itself leaves how fast it turns downwards and across.
    inner = np.conj(phase[1:-1, 1:-1])
    down = np.imag(inner * (phase[2:, 1:-1] - phase[:-2, 1:-1]))
    across = np.imag(inner * (phase[1:-1, 2:] - phase[1:-1, :-2]))
    rows, cols = np.mgrid[1 : height - 1, 1 : width - 1]
    root = np.sqrt(weight[1:-1, 1:-1])
    terms = [across, across * (cols - (width - 1) / 2) / width, across * (rows - middle) / height]
    design = np.stack([(t * root).ravel() for t in terms], axis=1).astype(np.float64)
    stiff = np.diag(_STIFF * (design[:, 0] ** 2).sum() + 1e-9)
    found = np.linalg.solve(design.T @ design + stiff, -design.T @ (down * root).ravel().astype(np.float64))
    return np.asarray(np.clip(found, -_MOST, _MOST))


def _sampled(images: Floats, cols: Floats) -> Floats:
    """Values of each row of some images at some columns, between its places; 0 beyond its ends."""
    height, width = images.shape[1:]
    last = width - 1
    low = np.clip(np.floor(cols), 0, max(last - 1, 0))
    inside = (cols >= -0.5) & (cols <= last + 0.5)
    part = np.clip(cols - low, 0, 1)
    first = (low + (np.arange(height) * width)[:, None]).astype(np.intp)
    second = first + 1 if last > 0 else first
    left, right = (1 - part) * inside, part * inside
    return np.stack([flat[first] * left + flat[second] * right for flat in images.reshape(len(images), -1)])


def _clearness(cosine: Floats, at: NDArray[np.intp], pitches: Floats) -> list[float]:
    """Half of the height of each lane's cosine above the valleys beside it."""
    first, last = round(0.45 * pitches[0] / _STEP), round(0.45 * pitches[-1] / _STEP)
    between = [float(cosine[a:b].min()) for a, b in itertools.pairwise(at)]
    outer = float(cosine[max(0, at[0] - first) : at[0] + 1].min()), float(cosine[at[-1] : at[-1] + last + 1].min())
    valleys = np.maximum([outer[0], *between, outer[1]], -1.0)
    return [float(c) for c in np.clip((cosine[at] - (valleys[:-1] + valleys[1:]) / 2) / 2, 0, 1)]


def _deviations(turned: Phase, trust: Floats) -> Floats:
    """Pitches by which each lane stands to the right of its line in each row: parabolas through their parts.

    Phase turned to that of the lane's line, and its weight: one row a row of the picture, one column a lane.
    """
    height = len(turned)
    # Each part of the lane's height has a phase of its own, and a parabola runs through them.
    parts = max(1, min(_PARTS, height // _PART_ROWS))
    starts = np.linspace(0, height, parts + 1).astype(int)[:-1]
    sums, weights = np.add.reduceat(turned, starts), np.add.reduceat(trust, starts)
    middles = (starts + np.append(starts[1:], height) - 1) / 2
    agreed = np.abs(sums) / np.maximum(weights, 1e-9)
    away = np.where(agreed > 0.2, -np.angle(sums) / (2 * np.pi), 0.0)
    weights = weights * np.minimum(agreed, 1.0)
    total = weights.sum(axis=0)
    terms = np.vander((middles - (height - 1) / 2) / (height / 2), 3, increasing=True)
    stiff = np.where(total > 0, total, 1.0)[:, None, None] * np.diag([0.01, 0.1, 0.1])
    normal = np.einsum("pi,pk,pj->kij", terms, weights, terms) + stiff
    curves = np.linalg.solve(normal, (terms.T @ (weights * np.clip(away, -_STRAY, _STRAY))).T[:, :, None])
    rows = (np.arange(height) - (height - 1) / 2) / (height / 2)
    return np.asarray(np.vander(rows, 3, increasing=True) @ curves[:, :, 0].T)
