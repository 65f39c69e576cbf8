"""Left and right: a picture and its mirror image are searched as one, so that a flip turns only the order of lanes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Band, Lane, Layout, Point, Polygon, Strip, bounding_box


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
    return replace(lane, center=tuple(_point(p, width) for p in lane.center))


def flip_band(band: Band, width: int) -> Band:
    """A band on the mirror image of a picture that is `width` columns wide."""
    return replace(band, outline=_outline(band.outline, width), peak=_point(band.peak, width))


def flip_layout(layout: Layout, width: int) -> Layout:
    """A found layout on the mirror image of its picture, lanes counted and named anew from the left.

    Parameters
    ----------
    layout : Layout
        As `blotquant.detection.picture.find_layout` names things: strip ``s1``, lane ``s1l2``, band ``s1l2b3``.
    width : int
        Columns of the picture.
    """
    counts = {s.id: len(layout.lanes_of(s.id)) for s in layout.strips}
    lanes = {}
    for lane in layout.lanes:
        number = counts[lane.strip] + 1 - lane.number
        lanes[lane.id] = replace(flip_lane(lane, width), id=f"{lane.strip}l{number}", number=number)
    return replace(
        layout,
        strips=tuple(replace(s, outline=_outline(s.outline, width), tilt_deg=-s.tilt_deg) for s in layout.strips),
        lanes=tuple(lanes.values()),
        bands=tuple(_moved(flip_band(b, width), lanes[b.lane].id) for b in layout.bands),
    ).sorted()


def in_reading_order(layout: Layout) -> Layout:
    """Number strips from top to bottom, side by side from left to right, and name lanes and bands by it."""
    names = {s.id: f"s{k}" for k, s in enumerate(_lines(layout.strips), 1)}
    lanes = {x.id: names[x.strip] + x.id.removeprefix(x.strip) for x in layout.lanes}
    return replace(
        layout,
        strips=tuple(replace(s, id=names[s.id], number=int(names[s.id][1:])) for s in layout.strips),
        lanes=tuple(replace(x, id=lanes[x.id], strip=names[x.strip]) for x in layout.lanes),
        bands=tuple(_moved(b, lanes[b.lane]) for b in layout.bands),
        alternatives=tuple(replace(a, strip=names[a.strip]) for a in layout.alternatives),
    ).sorted()


def _lines(strips: tuple[Strip, ...]) -> list[Strip]:
    """Strips in reading order: one that begins above the middle of another stands beside it."""
    lines: list[list[Strip]] = []
    for strip in sorted(strips, key=lambda s: bounding_box(s.outline)):
        box = bounding_box(strip.outline)
        first = bounding_box(lines[-1][0].outline) if lines else box
        if lines and 2 * box.row_start < first.row_start + first.row_stop:
            lines[-1].append(strip)
        else:
            lines.append([strip])
    return [strip for line in lines for strip in sorted(line, key=lambda s: bounding_box(s.outline).col_start)]


def _moved(band: Band, lane: str) -> Band:
    return replace(band, id=lane + band.id.removeprefix(band.lane), lane=lane)


def _point(point: Point, width: int) -> Point:
    return point[0], round(width - 1 - point[1], 4)


def _outline(outline: Polygon, width: int) -> Polygon:
    """Vertices from the upper left one on, as they were: the upper edge rightwards, the lower one back."""
    half = len(outline) // 2
    back = outline[::-1]
    return tuple(_point(p, width) for p in (*back[half:], *back[:half]))
