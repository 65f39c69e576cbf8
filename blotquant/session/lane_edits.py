"""What a hand can do to lanes and strips: as in `blotquant.session.band_edits`, each verb returns the changes.

Lanes carry their bands along, strips their lanes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from blotquant.model.geometry import ROLES, Band, Lane, LaneRole, Layout, Point, Strip, polygon
from blotquant.session.band_edits import HAND_BAND
from blotquant.session.history import Change
from blotquant.session.hit_testing import carry, common_step, is_inside, lane_at, row_span, strip_at
from blotquant.session.replay import apply_changes, new_id

HAND_LANE = "hand-lane"
"""What the ids of drawn lanes begin with; no detector uses it."""
HAND_STRIP = "hand-strip"
"""What the ids of drawn strips begin with."""
GRID_FILL = 0.8
"""Of the distance between two even lanes: the width that each gets, as wells leave it."""


# lanes


def reshape_lane(layout: Layout, lane_id: str, *, center: Sequence[Point], widths: Sequence[float]) -> list[Change]:
    """Give a lane another centre line and widths; its bands go along.

    Raises
    ------
    ValueError
        If the centre line does not run down the picture or a width is not positive.
    """
    lane = layout.lane(lane_id)
    nodes = tuple((float(r), float(c)) for r, c in center)
    new = replace(lane, center=nodes, widths=tuple(float(w) for w in widths), confidence=1.0)
    if (new.center, new.widths) == (lane.center, lane.widths):
        return []
    bands = [Change("band", b.id, b, _carried(b, lane, new)) for b in layout.bands_of(lane_id)]
    return [Change("lane", lane_id, lane, new), *bands]


def move_lane(layout: Layout, lane_id: str, *, d_col: float) -> list[Change]:
    """Shift a lane sideways with its bands."""
    lane = layout.lane(lane_id)
    return reshape_lane(layout, lane_id, center=[(r, c + d_col) for r, c in lane.center], widths=lane.widths)


def set_lane_width(layout: Layout, lane_id: str, *, width: float) -> list[Change]:
    """Set the lane's mean width; its bands grow or shrink with it.

    Raises
    ------
    ValueError
        If the width is not positive.
    """
    lane = layout.lane(lane_id)
    if width <= 0:
        msg = f"a lane must be wider than 0, got {width}"
        raise ValueError(msg)
    # A lane that widens downwards keeps doing so.
    scale = width / float(np.mean(lane.widths))
    return reshape_lane(layout, lane_id, center=lane.center, widths=[w * scale for w in lane.widths])


def add_lane(layout: Layout, *, row: float, col: float, used_ids: Iterable[str] = ()) -> list[Change]:
    """Add a lane where the picture was clicked, shaped as the nearest lane of that strip.

    It gets a place in every row of its neighbour, as ``expected`` bands; the lanes right of it are renumbered.

    Raises
    ------
    ValueError
        If there is no strip, or a lane is there already.
    """
    strip = strip_at(layout, row, col)
    there = lane_at(layout, row, col)
    if there is not None:
        msg = f"lane {there.number} is here already; point beside it to add one"
        raise ValueError(msg)
    used = {*used_ids, *(x.id for x in layout.lanes), *(b.id for b in layout.bands)}
    key = new_id(HAND_LANE, used)
    others = layout.lanes_of(strip.id)
    if not others:
        top, bottom = row_span(strip.outline)
        left, right = np.asarray(strip.outline)[:, 1].min(), np.asarray(strip.outline)[:, 1].max()
        width = float(right - left) / 10
        lane = Lane(id=key, strip=strip.id, number=1, center=((top, col), (bottom, col)), widths=(width, width))
        return [Change("lane", key, None, lane)]
    # The nearest lane lends its course, its width and its rows.
    model = min(others, key=lambda x: abs(float(x.center_at(row)) - col))
    shift = col - float(model.center_at(row))
    lane = replace(
        model,
        id=key,
        center=tuple((r, c + shift) for r, c in model.center),
        role="sample",
        confidence=1.0,
        flags=(),
    )
    changes = [Change("lane", key, None, lane)]
    for band in layout.bands_of(model.id):
        if band.row is not None and not band.split:
            copy = replace(_carried(band, model, lane), id=new_id(HAND_BAND, used), lane=key, origin="expected")
            used.add(copy.id)
            changes.append(Change("band", copy.id, None, replace(copy, flags=(), confidence=1.0)))
    return changes


def draw_lane(layout: Layout, outline: ArrayLike, *, used_ids: Iterable[str] = ()) -> list[Change]:
    """Add a lane with the width and height of a drawn outline, bent as the nearest lane of its strip.

    Raises
    ------
    ValueError
        If there is no strip, or a lane is there already.
    """
    points = np.asarray(polygon(outline))
    (top, left), (bottom, right) = points.min(axis=0), points.max(axis=0)
    row, col = float(top + bottom) / 2, float(left + right) / 2
    lane_change, *bands = add_lane(layout, row=row, col=col, used_ids=used_ids)
    lane = lane_change.after
    assert isinstance(lane, Lane)
    # Bent as the neighbour, but only as high as the outline that was drawn.
    inner = [r for r, _ in lane.center if top < r < bottom]
    rows = np.unique([float(top), *inner, float(bottom)])
    nodes = tuple((float(r), float(c)) for r, c in zip(rows, lane.center_at(rows), strict=True))
    drawn = replace(lane, center=nodes, widths=(float(right - left),) * len(nodes))
    kept = [c.after for c in bands if isinstance(c.after, Band) and top <= c.after.peak[0] <= bottom]
    changes = [Change("lane", drawn.id, None, drawn)]
    return changes + [Change("band", b.id, None, replace(_carried(b, lane, drawn), lane=drawn.id)) for b in kept]


def remove_lane(layout: Layout, lane_id: str) -> list[Change]:
    """Remove a lane and its bands; the lanes right of it are renumbered."""
    bands = [Change("band", b.id, b, None) for b in layout.bands_of(lane_id)]
    return [*bands, Change("lane", lane_id, layout.lane(lane_id), None)]


def set_role(layout: Layout, lane_id: str, role: LaneRole) -> list[Change]:
    """Say what was loaded in a lane.

    Raises
    ------
    ValueError
        If there is no such role.
    """
    if role not in ROLES:
        msg = f"a lane's role is one of {', '.join(ROLES)}, got {role!r}"
        raise ValueError(msg)
    lane = layout.lane(lane_id)
    return [] if lane.role == role else [Change("lane", lane_id, lane, replace(lane, role=role))]


def _carried(band: Band, old: Lane, new: Lane) -> Band:
    share = (band.peak[1] - float(old.center_at(band.peak[0]))) / float(old.width_at(band.peak[0]))
    col = float(new.center_at(band.peak[0])) + share * float(new.width_at(band.peak[0]))
    return replace(band, outline=carry(band.outline, old, new), peak=(band.peak[0], col))


# strips


def reshape_strip(layout: Layout, strip_id: str, outline: ArrayLike) -> list[Change]:
    """Give a strip another outline; moved as a whole it takes its lanes and bands along.

    Parameters
    ----------
    layout : Layout
        The layout.
    strip_id : str
        The strip.
    outline : array_like, shape (n, 2)
        Vertices in (row, col).

    Raises
    ------
    KeyError
        If there is no such strip.
    """
    strip, new = layout.strip(strip_id), polygon(outline)
    if new == strip.outline:
        return []
    changed = Change("strip", strip_id, strip, replace(strip, outline=new, confidence=1.0))
    step = common_step(strip.outline, new)
    return [changed] if step is None else [changed, *_moved_along(layout, strip, step)]


def add_strip(layout: Layout, outline: ArrayLike, *, used_ids: Iterable[str] = ()) -> list[Change]:
    """Add a strip with an outline drawn by hand; it has no lanes until they are found or added.

    Parameters
    ----------
    layout : Layout
        The layout.
    outline : array_like, shape (n, 2)
        Vertices in (row, col).
    used_ids : iterable of str
        Ids that must not be given again.
    """
    key = new_id(HAND_STRIP, {*used_ids, *(strip.id for strip in layout.strips)})
    number = max((strip.number for strip in layout.strips), default=0) + 1
    return [Change("strip", key, None, Strip(id=key, number=number, outline=polygon(outline)))]


def remove_strip(layout: Layout, strip_id: str) -> list[Change]:
    """Remove a strip with its lanes and bands; the others are renumbered."""
    lanes = layout.lanes_of(strip_id)
    bands = [Change("band", b.id, b, None) for lane in lanes for b in layout.bands_of(lane.id)]
    return [
        *bands,
        *(Change("lane", lane.id, lane, None) for lane in lanes),
        Change("strip", strip_id, layout.strip(strip_id), None),
    ]


def lay_grid(layout: Layout, outline: ArrayLike, n_lanes: int, *, used_ids: Iterable[str] = ()) -> list[Change]:
    """Lay even lanes side by side in a rectangle; they take the place of the lanes that its strip had.

    Parameters
    ----------
    layout : Layout
        The layout.
    outline : array_like, shape (n, 2)
        Around all lanes, vertices in (row, col); where no strip lies in its middle, it is one.
    n_lanes : int
        How many.
    used_ids : iterable of str
        Ids that must not be given again.
    """
    new = polygon(outline)
    (top, left), (bottom, right) = np.min(new, axis=0).tolist(), np.max(new, axis=0).tolist()
    row, col = (top + bottom) / 2, (left + right) / 2
    used = {*used_ids, *(lane.id for lane in layout.lanes)}
    # The strip in whose middle the grid lies; else the grid is a strip of its own.
    around = [s for s in layout.strips if is_inside(s.outline, row, col)]
    changes = [] if around else add_strip(layout, new, used_ids=used_ids)
    strip = around[0].id if around else changes[0].object_id
    for lane in layout.lanes_of(strip) if around else ():
        gone = remove_lane(layout, lane.id)
        layout, changes = apply_changes(layout, gone), changes + gone
    # Even lanes, each in the middle of its share of the width.
    pitch = (right - left) / n_lanes
    for k in range(n_lanes):
        key, middle = new_id(HAND_LANE, used), left + (k + 0.5) * pitch
        used.add(key)
        center, widths = ((top, middle), (bottom, middle)), (GRID_FILL * pitch,) * 2
        changes.append(Change("lane", key, None, Lane(id=key, strip=strip, number=k + 1, center=center, widths=widths)))
    return changes


def _moved_along(layout: Layout, strip: Strip, step: tuple[float, float]) -> list[Change]:
    rows, cols = step
    changes = []
    for lane in layout.lanes_of(strip.id):
        moved = replace(lane, center=tuple((r + rows, c + cols) for r, c in lane.center))
        changes.append(Change("lane", lane.id, lane, moved))
        for band in layout.bands_of(lane.id):
            place = (band.peak[0] + rows, band.peak[1] + cols)
            outline = polygon(np.asarray(band.outline) + step)
            after = replace(band, outline=outline, peak=place, origin="drawn" if band.origin == "drawn" else "edited")
            changes.append(Change("band", band.id, band, after))
    return changes
