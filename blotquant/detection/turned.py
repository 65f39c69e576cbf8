"""A picture whose rows do not run level, searched as if it were turned: the geometry turns, not the pixels.

The network and the lane profiles were made for rows that run nearly level. A picture that lies askew is searched in a
turned copy, and what is found there is turned back; everything is measured on the pixels as they are. Left and right: a
picture and its mirror image are searched as one, so that a flip turns only the order of lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Band, Lane, Layout, Point, Polygon, Strip, bounding_box, polygon

FloatImage = NDArray[np.floating[Any]]
Matrix = NDArray[np.floating[Any]]


def search_turned(
    signal: FloatImage, degrees: float, search: Callable[[FloatImage, Layout], Layout], layout: Layout | None = None
) -> Layout:
    """Search a picture in a copy that is turned by a free angle.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright, all of them numbers.
    degrees : float
        Anticlockwise; at 0 the picture itself is searched.
    search : callable
        Given the copy, and `layout` turned onto it, returns what is found.
    layout : Layout, optional
        What stands already, on the picture's own grid.

    Returns
    -------
    Layout
        On the picture's own grid.
    """
    turned, there = turn_picture(signal, degrees)
    return turn_layout(search(turned, turn_layout(layout or Layout(), there)), np.linalg.inv(there))


def turn_picture(signal: FloatImage, degrees: float) -> tuple[FloatImage, Matrix]:
    """A copy of a picture, turned anticlockwise about its middle, large enough to hold all of it.

    Returns
    -------
    turned : ndarray
        Linear between pixels; the picture's median where it shows nothing of the picture.
    there : ndarray, shape (3, 3)
        Takes (x, y, 1) of the picture to the copy.
    """
    if not degrees:
        return signal, np.eye(3)
    from skimage.transform import AffineTransform, warp

    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    height, width = signal.shape
    # A turn about the middle, and a shift that puts all corners inside.
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], dtype=float)
    there = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    ends = corners @ there.T
    there[:2, 2] = -ends[:, :2].min(axis=0)
    across, down = np.ceil(np.ptp(ends[:, :2], axis=0)).astype(int) + 1
    counts = np.asarray(signal, dtype=np.float64)
    back = AffineTransform(matrix=np.linalg.inv(there))
    return warp(counts, back, output_shape=(down, across), order=1, cval=float(np.median(counts))), there


def turn_layout(layout: Layout, there: Matrix) -> Layout:
    """A layout on a picture that was turned; widths of lanes stay those across the lane."""
    degrees = float(np.degrees(np.arctan2(there[0, 1], there[0, 0])))
    if not degrees:
        return layout
    return replace(
        layout,
        strips=tuple(
            replace(strip, outline=polygon(_moved(strip.outline, there)), tilt_deg=strip.tilt_deg - degrees)
            for strip in layout.strips
        ),
        lanes=tuple(_lane(lane, there) for lane in layout.lanes),
        bands=tuple(_band(band, there) for band in layout.bands),
    )


def _lane(lane: Lane, there: Matrix) -> Lane:
    center = _moved(lane.center, there)
    # Widths are told along the rows: a lane that leans is cut askew.
    before, after = _lean(lane.center), _lean(center)
    widths = tuple(round(w * float(np.cos(before) / np.cos(after)), 4) for w in lane.widths)
    return replace(lane, center=center, widths=widths)


def _band(band: Band, there: Matrix) -> Band:
    return replace(band, outline=polygon(_moved(band.outline, there)), peak=_moved((band.peak,), there)[0])


def _lean(center: tuple[Point, ...]) -> float:
    """Angle of a centre line to the upright, radians."""
    (top, left), (bottom, right) = center[0], center[-1]
    return float(np.arctan2(right - left, bottom - top))


def _moved(points: tuple[Point, ...], there: Matrix) -> tuple[Point, ...]:
    rows, cols = np.asarray(points, dtype=float).T
    x, y, _ = there @ np.stack([cols, rows, np.ones(len(rows))])
    return tuple((round(float(r), 4), round(float(c), 4)) for r, c in zip(y, x, strict=True))


def leans_left(signal: NDArray[np.floating[Any]]) -> bool:
    """Whether more of a picture's light lies in its left half: then its mirror image is searched in its place.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        On any scale; of a picture and its mirror image one leans to the left unless they are alike.
    """
    columns = np.asarray(signal[::4].mean(axis=0, dtype=np.float64))
    return float(((columns - columns[::-1]) * (np.arange(len(columns)) - (len(columns) - 1) / 2)).sum()) < 0


def flip_lane(lane: Lane, width: int) -> Lane:
    """A lane on the mirror image of a picture that is `width` columns wide."""
    return replace(lane, center=tuple(_mirror_point(p, width) for p in lane.center))


def flip_band(band: Band, width: int) -> Band:
    """A band on the mirror image of a picture that is `width` columns wide."""
    return replace(band, outline=_mirrored(band.outline, width), peak=_mirror_point(band.peak, width))


def flip_layout(layout: Layout, width: int) -> Layout:
    """A found layout on the mirror image of its picture, lanes counted and named anew from the left.

    Parameters
    ----------
    layout : Layout
        As `blotquant.detection.picture.find_layout` names things: strip ``s1``, lane ``s1l2``, band ``s1l2b3``.
    width : int
        Columns of the picture.
    """
    # Lanes count from the left: those of a mirror image the other way round.
    counts = {s.id: len(layout.lanes_of(s.id)) for s in layout.strips}
    lanes = {}
    for lane in layout.lanes:
        number = counts[lane.strip] + 1 - lane.number
        lanes[lane.id] = replace(flip_lane(lane, width), id=f"{lane.strip}l{number}", number=number)
    return replace(
        layout,
        strips=tuple(replace(s, outline=_mirrored(s.outline, width), tilt_deg=-s.tilt_deg) for s in layout.strips),
        lanes=tuple(lanes.values()),
        bands=tuple(_in_lane(flip_band(b, width), lanes[b.lane].id) for b in layout.bands),
    ).sorted()


def in_reading_order(layout: Layout) -> Layout:
    """Number strips from top to bottom, side by side from left to right, and name lanes and bands by it."""
    # Names of lanes and bands begin with that of their strip.
    names = {s.id: f"s{k}" for k, s in enumerate(_lines(layout.strips), 1)}
    if all(names[s.id] == s.id and s.id == f"s{s.number}" for s in layout.strips):
        return layout.sorted()
    lanes = {x.id: names[x.strip] + x.id.removeprefix(x.strip) for x in layout.lanes}
    return replace(
        layout,
        strips=tuple(replace(s, id=names[s.id], number=int(names[s.id][1:])) for s in layout.strips),
        lanes=tuple(replace(x, id=lanes[x.id], strip=names[x.strip]) for x in layout.lanes),
        bands=tuple(_in_lane(b, lanes[b.lane]) for b in layout.bands),
        alternatives=tuple(replace(a, strip=names[a.strip]) for a in layout.alternatives),
    ).sorted()


def _lines(strips: tuple[Strip, ...]) -> list[Strip]:
    """Strips in reading order: one that begins above the middle of another stands beside it."""
    # Strips side by side are one line of reading.
    lines: list[list[Strip]] = []
    for strip in sorted(strips, key=lambda s: bounding_box(s.outline)):
        box = bounding_box(strip.outline)
        first = bounding_box(lines[-1][0].outline) if lines else box
        if lines and 2 * box.row_start < first.row_start + first.row_stop:
            lines[-1].append(strip)
        else:
            lines.append([strip])
    return [strip for line in lines for strip in sorted(line, key=lambda s: bounding_box(s.outline).col_start)]


def _in_lane(band: Band, lane: str) -> Band:
    return replace(band, id=lane + band.id.removeprefix(band.lane), lane=lane)


def _mirror_point(point: Point, width: int) -> Point:
    return point[0], round(width - 1 - point[1], 4)


def _mirrored(outline: Polygon, width: int) -> Polygon:
    """Vertices from the upper left one on, as they were: the upper edge rightwards, the lower one back."""
    half = len(outline) // 2
    back = outline[::-1]
    return tuple(_mirror_point(p, width) for p in (*back[half:], *back[:half]))
