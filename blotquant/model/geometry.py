"""Strip, Lane, Band and Layout: frozen values on the pixel grid of the picture.

One convention everywhere: integers are pixel centres, so pixel (r, c) covers ``[r - 0.5, r + 0.5)`` by
``[c - 0.5, c + 0.5)``; row and column *ranges* are half-open and count whole pixels, so the pixels 10 to 19 are
``[10, 20)``. Outlines are polygons in (row, col). Tilt, curvature and smile bend these polygons, never the pixels: what
a polygon covers of each pixel, its area weights, is computed exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import floor, inf, nextafter
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Point = tuple[float, float]
Polygon = tuple[Point, ...]
LaneRole = Literal["sample", "ladder", "standard", "blank", "excluded"]
BandOrigin = Literal["detected", "expected", "edited", "drawn"]
BandStatus = Literal["detected", "not_detected"]

ROLES: tuple[LaneRole, ...] = ("sample", "ladder", "standard", "blank", "excluded")


class Box(NamedTuple):
    """Half-open ranges of whole pixels."""

    row_start: int
    row_stop: int
    col_start: int
    col_stop: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as an index into a picture."""
        return slice(self.row_start, self.row_stop), slice(self.col_start, self.col_stop)


def polygon(points: ArrayLike) -> Polygon:
    """Make a `Polygon` of at least three finite (row, col) vertices, rounded to 1e-4 px so that it survives a file."""
    array = np.asarray(points, dtype=float)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < 3 or not np.isfinite(array).all():
        msg = f"an outline needs at least 3 finite (row, col) vertices, got an array of shape {array.shape}"
        raise ValueError(msg)
    return tuple((round(r, 4), round(c, 4)) for r, c in array.tolist())


@lru_cache(maxsize=4096)
def bounding_box(outline: Polygon) -> Box:
    """Half-open ranges of the pixels that an outline touches, wherever they lie."""
    rows, cols = zip(*outline, strict=True)
    return Box(
        floor(min(rows) + 0.5),
        floor(_below(max(rows)) + 0.5) + 1,
        floor(min(cols) + 0.5),
        floor(_below(max(cols)) + 0.5) + 1,
    )


def _below(edge: float) -> float:
    """An edge that lies exactly between two pixels belongs to the lower one: ranges are half-open."""
    return nextafter(edge, -inf)


@lru_cache(maxsize=1024)
def _columns(points: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Nodes as one array a coordinate; lines are asked for their places over and over again."""
    return np.ascontiguousarray(np.asarray(points, dtype=float).T)


def polygon_area(outline: Polygon) -> float:
    """Area of a simple polygon in square pixels (shoelace formula)."""
    rows, cols = np.ascontiguousarray(np.asarray((*outline, outline[0])).T)
    return float(abs(np.dot(rows[:-1], cols[1:]) - np.dot(cols[:-1], rows[1:])) / 2)


def rectangle(row_start: float, row_stop: float, col_start: float, col_stop: float) -> Polygon:
    """Outline of the pixels in two half-open ranges: [10, 20) becomes edges at 9.5 and 19.5."""
    top, bottom, left, right = row_start - 0.5, row_stop - 0.5, col_start - 0.5, col_stop - 0.5
    return polygon([(top, left), (top, right), (bottom, right), (bottom, left)])


LOWER_HALF = 1000
"""What the number of a divided row's lower half has more than the upper's: the other rows keep their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One piece of membrane in the picture.

    Attributes
    ----------
    id : str
        Stable name inside a session; never re-used.
    number : int
        From 1, top to bottom, then left to right.
    outline : Polygon
        Its edge in (row, col).
    tilt_deg : float
        Angle of its rows against the picture's; positive runs downhill to the right.
    confidence : float
        0 to 1.
    """

    id: str
    number: int
    outline: Polygon
    tilt_deg: float = 0.0
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane: a centre line that may bend, and its width along it.

    Attributes
    ----------
    id : str
        Stable name inside a session; never re-used.
    strip : str
        Id of the strip it lies on.
    number : int
        From 1, left to right, empty lanes and the ladder included.
    center : tuple of (row, col)
        Nodes of the centre line, rows rising; between them it is straight, beyond them it ends.
    widths : tuple of float
        Full width in pixels at each node.
    role : LaneRole
        What was loaded.
    confidence : float
        0 to 1; of the lanes given 0.9 or more at least nine in ten are right.
    flags : tuple of str
        Names from `blotquant.flags`.
    """

    id: str
    strip: str
    number: int
    center: tuple[Point, ...]
    widths: tuple[float, ...]
    role: LaneRole = "sample"
    confidence: float = 1.0
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.center) < 2 or len(self.center) != len(self.widths):
            counts = f"{len(self.center)} and {len(self.widths)}"
            msg = f"lane {self.id} needs two or more centre nodes with a width each, got {counts}"
            raise ValueError(msg)
        rows = [r for r, _ in self.center]
        if any(b <= a for a, b in pairwise(rows)):
            msg = f"the centre line of lane {self.id} must run down the picture, got rows {rows}"
            raise ValueError(msg)
        if min(self.widths) <= 0:
            msg = f"lane {self.id} must be wider than 0, got {min(self.widths)}"
            raise ValueError(msg)

    @property
    def row_range(self) -> tuple[float, float]:
        """First and last row of the centre line."""
        return self.center[0][0], self.center[-1][0]

    def center_at(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Column of the centre line at some rows; beyond its ends the first or last value."""
        r, c = _columns(self.center)
        cols: NDArray[np.float64] = np.interp(np.asarray(rows, dtype=float), r, c)
        return cols

    def width_at(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Full width in pixels at some rows."""
        r, _ = _columns(self.center)
        widths: NDArray[np.float64] = np.interp(np.asarray(rows, dtype=float), r, self.widths)
        return widths

    @property
    def outline(self) -> Polygon:
        """The lane's area as a polygon, left edge down and right edge up."""
        half = np.asarray(self.widths) / 2
        r, c = np.asarray(self.center).T
        left, right = np.column_stack([r, c - half]), np.column_stack([r, c + half])
        return polygon(np.vstack([left, right[::-1]]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One protein's place in one lane.

    Attributes
    ----------
    id : str
        Stable name inside a session; never re-used.
    lane : str
        Id of the lane it lies in.
    outline : Polygon
        The area that is measured, in (row, col); its edge pixels count by the covered part.
    peak : (row, col)
        Where it is brightest.
    row : int or None
        Bands of one row of the strip, the same protein in every lane, share this number (from 1, top to bottom). The
        lower half of a row that was divided has its number and `LOWER_HALF` more; see `Layout.row_names`.
    target : str or None
        The protein it was assigned to.
    origin : BandOrigin
        How it came to be: ``detected``, ``expected`` (measured because its row has a place there), ``edited``,
        ``drawn``.
    status : BandStatus
        ``not_detected`` where nothing stands out: its volume is a measurement of absence.
    confidence : float
        0 to 1.
    flags : tuple of str
        Names from `blotquant.flags`.
    split : tuple of (offset, share)
        Nodes of this band's share of the signal under an outline that it has in common with its doublet partner,
        against the distance in rows from the outline's middle; empty for a band of its own. The partner's shares
        are one minus these, so that the two volumes add up to the whole
        (`blotquant.doublets.overlaps.component_weights`).
    split_sd : float
        SD that the division adds to the volume, as a part of the pair's volume.
    """

    id: str
    lane: str
    outline: Polygon
    peak: Point
    row: int | None = None
    target: str | None = None
    origin: BandOrigin = "detected"
    status: BandStatus = "detected"
    confidence: float = 1.0
    flags: tuple[str, ...] = ()
    split: tuple[Point, ...] = ()
    split_sd: float = 0.0

    @property
    def box(self) -> Box:
        """Half-open pixel ranges of the outline."""
        return bounding_box(self.outline)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneAlternative:
    """Another lane count that the picture allows, and how likely it is."""

    strip: str
    n_lanes: int
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Everything found in one picture: strips, their lanes, and the lanes' bands.

    Lanes come in order of strip and number, bands in order of lane and peak row.
    """

    strips: tuple[Strip, ...] = ()
    lanes: tuple[Lane, ...] = ()
    bands: tuple[Band, ...] = ()
    alternatives: tuple[LaneAlternative, ...] = ()
    flags: tuple[str, ...] = ()

    def strip(self, strip_id: str) -> Strip:
        """Return the strip of that id; `KeyError` if there is none."""
        return _by_id(self.strips, strip_id)

    def lane(self, lane_id: str) -> Lane:
        """Return the lane of that id; `KeyError` if there is none."""
        return _by_id(self.lanes, lane_id)

    def band(self, band_id: str) -> Band:
        """Return the band of that id; `KeyError` if there is none."""
        return _by_id(self.bands, band_id)

    def lanes_of(self, strip_id: str) -> tuple[Lane, ...]:
        """Lanes of one strip from left to right."""
        return tuple(lane for lane in self.lanes if lane.strip == strip_id)

    def bands_of(self, lane_id: str) -> tuple[Band, ...]:
        """Bands of one lane from top to bottom."""
        return tuple(band for band in self.bands if band.lane == lane_id)

    def row_names(self, strip_id: str) -> dict[int, str]:
        """What the rows of a strip are called, by the bands' `row`: ``3``; ``5a`` and ``5b`` for the halves of one.

        A row keeps its name in every table, message and picture, whatever becomes of the rows beside it.
        """
        lanes = {lane.id for lane in self.lanes if lane.strip == strip_id}
        rows = sorted({band.row for band in self.bands if band.lane in lanes and band.row is not None})
        halves = {row - LOWER_HALF for row in rows if row > LOWER_HALF}
        return {
            row: f"{row - LOWER_HALF}b" if row > LOWER_HALF else f"{row}a" if row in halves else str(row)
            for row in rows
        }

    def only_strip(self, number: int) -> Layout:
        """Return the layout of one strip: its lanes and bands; empty if there is no strip of that number."""
        strips = tuple(strip for strip in self.strips if strip.number == number)
        lanes = tuple(lane for lane in self.lanes if lane.strip in {strip.id for strip in strips})
        bands = tuple(band for band in self.bands if band.lane in {lane.id for lane in lanes})
        return replace(self, strips=strips, lanes=lanes, bands=bands)

    def sorted(self) -> Layout:
        """Return the same layout in its promised order: strips, lanes and bands by number and place."""
        strips = tuple(sorted(self.strips, key=lambda s: s.number))
        strip_rank = {s.id: k for k, s in enumerate(strips)}
        lanes = tuple(sorted(self.lanes, key=lambda lane: (strip_rank[lane.strip], lane.number)))
        lane_rank = {lane.id: k for k, lane in enumerate(lanes)}
        bands = tuple(sorted(self.bands, key=lambda b: (lane_rank[b.lane], b.peak, b.id)))
        return replace(self, strips=strips, lanes=lanes, bands=bands)


_Item = TypeVar("_Item", Strip, Lane, Band)


def _by_id(items: tuple[_Item, ...], wanted: str) -> _Item:
    for item in items:
        if item.id == wanted:
            return item
    raise KeyError(wanted)


def clip_box(box: Box, shape: tuple[int, int]) -> Box:
    """Cut a box to the picture; an empty range where it lies outside."""
    r0, c0 = min(max(box.row_start, 0), shape[0]), min(max(box.col_start, 0), shape[1])
    return Box(r0, max(min(box.row_stop, shape[0]), r0), c0, max(min(box.col_stop, shape[1]), c0))


def area_weights(outline: Polygon, shape: tuple[int, int]) -> tuple[Box, NDArray[np.float64]]:
    """Fraction of each pixel that lies inside a simple polygon.

    Each edge is cut where it crosses the pixel grid; a piece then lies in one pixel and adds its signed area there
    and its height to all pixels right of it, as scan converters for outline fonts do. The sum is exact.

    Parameters
    ----------
    outline : Polygon
        Vertices in (row, col), in either turning direction, not crossing itself.
    shape : (int, int)
        Rows and columns of the picture.

    Returns
    -------
    box : Box
        The pixels touched, cut to the picture.
    weights : ndarray, shape of `box`
        Covered fraction of each pixel, 0 to 1; their sum is the area in the picture.
    """
    return area_weights_of([outline], shape)[0]


def area_weights_of(outlines: Sequence[Polygon], shape: tuple[int, int]) -> list[tuple[Box, NDArray[np.float64]]]:
    """Weights of many outlines, as `area_weights` gives for each, in one go."""
    if not outlines:
        return []
    corners = [np.asarray(outline) for outline in outlines]
    sizes = np.array([len(c) for c in corners])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    vertices = np.concatenate(corners)
    low, high = np.minimum.reduceat(vertices, starts), np.maximum.reduceat(vertices, starts)
    # An edge that lies exactly between two pixels belongs to the lower one: ranges are half-open.
    first = np.floor(low + 0.5).astype(int)
    stop = np.floor(np.nextafter(high, -np.inf) + 0.5).astype(int) + 1
    heights, widths = (stop - first).T
    owner = np.repeat(np.arange(len(outlines)), sizes)
    # Pixel (r, c) of each box now covers [r, r + 1) x [c, c + 1).
    vertices = vertices - (first[owner] - 0.5)
    following = np.arange(len(vertices)) + 1
    following[starts + sizes - 1] = starts
    points, edge = _split_at_grid(vertices, vertices[following])
    owner = owner[edge[:-1]]
    rise = points[0, 1:] - points[0, :-1]
    rise[edge[1:] != edge[:-1]] = 0.0
    middle_row, middle_col = (points[:, :-1] + points[:, 1:]) / 2
    rows = np.minimum(np.maximum(middle_row.astype(int), 0), heights[owner] - 1)
    cols = np.minimum(np.maximum(middle_col.astype(int), 0), widths[owner] - 1)
    to_the_right = cols + 1 - middle_col
    offsets = np.concatenate([[0], np.cumsum(heights * (widths + 1))])
    of_rows = np.repeat(np.arange(len(outlines)), heights)
    from_top = np.arange(len(of_rows)) - np.repeat(np.cumsum(heights) - heights, heights)
    starts_of_rows = offsets[of_rows] + from_top * (widths[of_rows] + 1)
    place = offsets[owner] + rows * (widths[owner] + 1) + cols
    parts = np.concatenate([rise * to_the_right, rise * (1 - to_the_right)])
    flat = _add_along_rows(np.concatenate([place, place + 1]), parts, starts_of_rows, int(offsets[-1]))
    found = []
    for k, (row, col) in enumerate(first.tolist()):
        weights = flat[offsets[k] : offsets[k + 1]].reshape(heights[k], widths[k] + 1)[:, :-1]
        box = clip_box(Box(row, row + int(heights[k]), col, col + int(widths[k])), shape)
        found.append((box, weights[box.row_start - row : box.row_stop - row, box.col_start - col : box.col_stop - col]))
    return found


def _add_along_rows(
    place: NDArray[np.intp], parts: NDArray[np.float64], starts: NDArray[np.intp], size: int
) -> NDArray[np.float64]:
    """Covered parts of all pixels in a line, from what is added at some of them to all further right in their row.

    Between these places nothing changes: sums are taken there alone and repeated.
    """
    place = np.concatenate([starts, place])
    order = np.argsort(place, kind="stable")
    place, parts = place[order], np.concatenate([np.zeros(len(starts)), parts])[order]
    new = np.flatnonzero(np.diff(place, prepend=-1))
    place, total = place[new], np.cumsum(np.add.reduceat(parts, new))
    # The first of what is added at one place is the start of a row where there is one.
    first = np.flatnonzero(order[new] < len(starts))
    # What the rows before have left over, which is rounding alone.
    before = np.where(first > 0, total[first - 1], 0.0)
    total -= np.repeat(before, np.diff(first, append=len(place)))
    covered = np.minimum(np.abs(total, out=total), 1.0, out=total)
    covered *= covered >= 1e-12
    return np.repeat(covered, np.diff(place, append=size))


def _split_at_grid(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Cut the segments a→b wherever they cross a whole row or column.

    The rows and columns of where pieces begin and end, segment after segment, and which segment each is of.
    """
    n, steps = len(a), b - a
    edges, places = [np.arange(n), np.arange(n)], [np.zeros(n), np.ones(n)]
    for axis in (0, 1):
        start, step = a[:, axis], steps[:, axis]
        first = np.ceil(np.minimum(start, b[:, axis])).astype(int)
        count = np.floor(np.maximum(start, b[:, axis])).astype(int) - first + 1
        count[step == 0] = 0
        edge = np.repeat(np.arange(n), count)
        lines = np.arange(len(edge)) + np.repeat(first - np.cumsum(count) + count, count)
        edges.append(edge)
        places.append((lines - start[edge]) / step[edge])
    edge, t = np.concatenate(edges), np.minimum(np.maximum(np.concatenate(places), 0.0), 1.0)
    order = np.lexsort((t, edge))
    edge, t = edge[order], t[order]
    return a.T[:, edge] + t * steps.T[:, edge], edge
