"""Where things lie: the lane under a point, an outline taken to another lane, the band under a rough click."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.model.geometry import LOWER_HALF, Band, Lane, Layout, Point, Polygon, Strip, polygon

FOOT = 0.1
"""A snapped outline reaches to where the profile has fallen to this part of the band's height."""
SAME_STEP_PX = 0.02
"""px: vertices that went this far apart did not move together."""


def common_step(old: Polygon, new: Polygon) -> tuple[float, float] | None:
    """How far all vertices went together; None where the outline changed its shape."""
    if len(old) != len(new):
        return None
    steps = np.asarray(new) - np.asarray(old)
    if np.abs(steps - steps[0]).max() > SAME_STEP_PX:
        return None
    return float(steps[0, 0]), float(steps[0, 1])


def strip_at(layout: Layout, row: float, col: float) -> Strip:
    """The strip under a point, or the nearest one; `ValueError` if there is none."""
    if not layout.strips:
        msg = "there is no strip to put a lane on; find strips first"
        raise ValueError(msg)

    def outside(strip: Strip) -> float:
        """How far the point lies outside the strip's box."""
        low, high = np.min(strip.outline, axis=0), np.max(strip.outline, axis=0)
        return float(np.hypot(*np.maximum(0, np.maximum(low - (row, col), (row, col) - high))))

    return min(layout.strips, key=outside)


def lane_at(layout: Layout, row: float, col: float) -> Lane | None:
    """The lane under a point, by its nearest centre line; None beside all lanes."""
    under = [
        (abs(col - float(lane.center_at(row))), k)
        for k, lane in enumerate(layout.lanes)
        if lane.row_range[0] - 0.5 <= row <= lane.row_range[1] + 0.5
        and abs(col - float(lane.center_at(row))) <= float(lane.width_at(row)) / 2
    ]
    return layout.lanes[min(under)[1]] if under else None


def nearest_lane(layout: Layout, row: float, col: float) -> Lane:
    """The lane of the strip under a point whose centre line is nearest; `ValueError` if there are no lanes."""
    if not layout.lanes:
        msg = "a band needs a lane to lie in, and there is none; add a lane first"
        raise ValueError(msg)
    strip = strip_at(layout, row, col) if layout.strips else None
    lanes = (layout.lanes_of(strip.id) if strip else ()) or layout.lanes
    return min(lanes, key=lambda lane: abs(float(lane.center_at(row)) - col))


def row_near(layout: Layout, lane: Lane, row: float, *, span: tuple[float, float] | None = None) -> int:
    """The row whose bands in the other lanes of the strip lie at this height and that this lane has no band of yet.

    Where there is none, the strip's next free number: a row of its own. The other rows keep their numbers, since
    experiments and tables name them.

    Parameters
    ----------
    layout : Layout
        The layout.
    lane : Lane
        Where the band lies.
    row : float
        Its peak.
    span : (float, float), optional
        Its first and last row: a band that overlaps half of another's height is of its row too.
    """
    taken = {band.row for band in layout.bands_of(lane.id)}
    # The row of the nearest lane that has a band at this height, near in lanes first, then in rows.
    best: tuple[float, int] | None = None
    for other in layout.lanes_of(lane.strip):
        for band in layout.bands_of(other.id):
            top, bottom = row_span(band.outline)
            if band.row is None or band.row in taken:
                continue
            shared = min(bottom, span[1]) - max(top, span[0]) if span else 0.0
            if not top <= row <= bottom and shared < 0.5 * min(bottom - top, span[1] - span[0] if span else np.inf):
                continue
            apart = (abs(other.number - lane.number) + abs(band.peak[0] - row) / (bottom - top), band.row)
            best = apart if best is None else min(best, apart)
    if best is not None:
        return best[1]
    lanes = {other.id for other in layout.lanes_of(lane.strip)}
    rows = [band.row for band in layout.bands if band.row is not None and band.lane in lanes]
    return 1 + max((row - LOWER_HALF if row > LOWER_HALF else row for row in rows), default=0)


def is_in_row(layout: Layout, band: Band, strip: str, number: int) -> bool:
    """Whether a band belongs to a row of a strip."""
    return band.row == number and layout.lane(band.lane).strip == strip


def is_inside(outline: Polygon, row: float, col: float) -> bool:
    """Whether a point lies in the box around an outline."""
    (top, bottom), cols = row_span(outline), [c for _, c in outline]
    return top <= row <= bottom and min(cols) <= col <= max(cols)


def middle_of(outline: Polygon) -> Point:
    """Middle of an outline's bounding box."""
    low, high = np.min(outline, axis=0), np.max(outline, axis=0)
    return float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2


def row_span(outline: Polygon) -> tuple[float, float]:
    """First and last row of an outline."""
    rows = [r for r, _ in outline]
    return min(rows), max(rows)


def carry(outline: Polygon, old: Lane, new: Lane, *, d_row: float = 0.0) -> Polygon:
    """Take an outline from one lane to another: same place across the lane, in shares of its width."""
    points = np.asarray(outline, dtype=float)
    rows = points[:, 0] + d_row
    across = (points[:, 1] - old.center_at(points[:, 0])) / old.width_at(points[:, 0])
    return polygon(np.column_stack([rows, new.center_at(rows) + across * new.width_at(rows)]))


def along_lane(lane: Lane, rows: ArrayLike, half: float) -> Polygon:
    """The lane's outline between some rows, `half` of its width to each side."""
    r = np.asarray(rows, dtype=float)
    center, width = lane.center_at(r), half * lane.width_at(r)
    left, right = np.column_stack([r, center - width]), np.column_stack([r, center + width])
    return polygon(np.vstack([left, right[::-1]]))


def cut_outline(outline: Polygon, row: float, *, keep_above: bool) -> Polygon:
    """The part of a polygon on one side of a row (Sutherland and Hodgman's clipping against one line)."""
    side = 1.0 if keep_above else -1.0
    kept: list[Point] = []
    for (r0, c0), (r1, c1) in zip(outline, (*outline[1:], outline[0]), strict=True):
        if side * (row - r0) >= 0:
            kept.append((r0, c0))
        if (row - r0) * (row - r1) < 0:
            kept.append((row, c0 + (c1 - c0) * (row - r0) / (r1 - r0)))
    return polygon(kept)


def hull_of(points: NDArray[np.float64]) -> Polygon:
    """Convex outline around points (scipy's Qhull)."""
    from scipy.spatial import ConvexHull

    return polygon(points[ConvexHull(points).vertices])


def snap(
    signal: NDArray[np.floating], lane: Lane, row: float, *, reach_px: float = 12.0
) -> tuple[Polygon, Point] | None:
    """Outline of the band under a rough click.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    lane : Lane
        The lane that was clicked.
    row : float
        The row that was clicked.
    reach_px : float
        The peak is looked for this far from the click.

    Returns
    -------
    (Polygon, Point) or None
        Outline and peak: from the profile's maximum near the click down to a tenth of its height or to the valley
        before the next band. None where nothing rises there.
    """
    rows, profile = lane_profile(signal, lane)
    # The highest point of the smoothed profile near the click.
    near = np.flatnonzero(np.abs(rows - row) <= reach_px)
    if near.size == 0:
        return None
    smooth = np.convolve(np.pad(profile, 2, mode="edge"), [0.06, 0.24, 0.40, 0.24, 0.06], mode="valid")
    top = int(near[np.argmax(smooth[near])])
    first, last = _foot(smooth, top, -1), _foot(smooth, top, 1)
    if last - first < 2:
        return None
    # Outline along the lane between the two feet, with a vertex wherever the lane bends.
    edges = np.array([rows[first] - 0.5, rows[last] + 0.5])
    nodes = np.unique([edges[0], *(r for r, _ in lane.center if edges[0] < r < edges[1]), edges[1]])
    outline = along_lane(lane, nodes, 0.5)
    return outline, (float(rows[top]), float(lane.center_at(rows[top])))


def lane_profile(signal: NDArray[np.floating], lane: Lane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean counts of the lane's middle four fifths at each row of the picture that it crosses.

    Returns
    -------
    rows, profile : ndarray, shape (n,)
        Whole rows, and mean counts of the whole pixels there.
    """
    first, last = lane.row_range
    rows = np.arange(max(int(np.ceil(first)), 0), min(int(np.floor(last)), signal.shape[0] - 1) + 1)
    # Only the middle of the lane: its edges may hold a neighbour's light.
    center, half = lane.center_at(rows), 0.4 * lane.width_at(rows)
    cols = np.arange(signal.shape[1])
    inside = np.abs(cols[None] - center[:, None]) <= np.maximum(half, 0.5)[:, None]
    counts = np.where(inside, signal[rows], 0).sum(axis=1, dtype=float)
    return rows.astype(float), counts / np.maximum(inside.sum(axis=1), 1)


def _foot(profile: NDArray[np.float64], top: int, step: int) -> int:
    """Walk down one side of a peak, to a tenth of its height above the lowest point or to a valley."""
    # The floor is the lowest point near the peak; down to it the walk may go.
    side = profile[top::step]
    floor = float(side[: max(3, len(side) // 4 + 1)].min())
    level = floor + FOOT * (profile[top] - floor)
    k = 0
    while k + 1 < len(side) and side[k] > level and side[k + 1] < side[k]:
        k += 1
    return top + step * k


def partners(layout: Layout, band: Band) -> tuple[Band, ...]:
    """The band and those that share its outline as members of one doublet."""
    if not band.split:
        return (band,)
    return tuple(b for b in layout.bands_of(band.lane) if b.split and b.outline == band.outline)


def shown_outline(layout: Layout, band: Band) -> Polygon:
    """Where a band is drawn and can be pointed at: its outline, or its side of the one that a doublet shares."""
    members = partners(layout, band)
    if len(members) != 2:
        return band.outline
    first = min(members, key=lambda b: b.peak[0])
    top, bottom = row_span(band.outline)
    # The two are shown apart where the upper one's share of the light falls below a half.
    offsets, shares = np.asarray(first.split).T
    below = np.flatnonzero((shares[:-1] >= 0.5) & (shares[1:] < 0.5))
    if len(below):
        k = below[0]
        row = middle_of(band.outline)[0] + float(np.interp(0.5, shares[k : k + 2][::-1], offsets[k : k + 2][::-1]))
    else:
        row = (members[0].peak[0] + members[1].peak[0]) / 2
    row = min(max(row, top + 0.2 * (bottom - top)), bottom - 0.2 * (bottom - top))
    return cut_outline(band.outline, row, keep_above=band.id == first.id)


class Hit(NamedTuple):
    """What lies at a point of the picture; an empty id where nothing does."""

    row: float = -1.0
    col: float = -1.0
    band: str = ""
    lane: str = ""
    strip: str = ""


def hit(layout: Layout, row: float, col: float) -> Hit:
    """The band, lane and strip under a point; where bands overlap, the one whose peak is nearest."""
    bands = [band for band in layout.bands if _holds(shown_outline(layout, band), row, col)]
    band = min(bands, key=lambda b: abs(b.peak[0] - row) + abs(b.peak[1] - col), default=None)
    lane = layout.lane(band.lane) if band is not None else lane_at(layout, row, col)
    strip = next((s.id for s in layout.strips if _holds(s.outline, row, col)), "")
    return Hit(row, col, band.id if band else "", lane.id if lane else "", lane.strip if lane else strip)


def _holds(outline: Polygon, row: float, col: float) -> bool:
    low, high = _corners(outline)
    if not (low[0] <= row <= high[0] and low[1] <= col <= high[1]):
        return False
    from skimage import measure

    inside: Any = measure.points_in_poly  # untyped
    return bool(inside([(row, col)], outline)[0])


@lru_cache(maxsize=4096)
def _corners(outline: Polygon) -> tuple[Point, Point]:
    rows, cols = zip(*outline, strict=True)
    return (min(rows), min(cols)), (max(rows), max(cols))


def kept_part(before: Polygon | None, now: Polygon) -> float:
    """The part of an outline's bounding box that lay in its earlier one; 0 for a new band."""
    if before is None:
        return 0.0
    low = np.maximum(np.min(before, axis=0), np.min(now, axis=0))
    high = np.minimum(np.max(before, axis=0), np.max(now, axis=0))
    size = np.max(now, axis=0) - np.min(now, axis=0)
    return float(np.prod(np.maximum(high - low, 0)) / max(float(np.prod(size)), 1e-9))
