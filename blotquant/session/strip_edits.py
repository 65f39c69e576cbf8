"""What a hand can do to the strips of a layout; as in `blotquant.session.edits`, each verb returns the changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from blotquant.model.geometry import Lane, Layout, Polygon, Strip, polygon
from blotquant.session.edits import HAND_LANE, remove_lane
from blotquant.session.history import Change
from blotquant.session.hit_testing import row_span
from blotquant.session.replay import apply_changes, new_id

HAND_STRIP = "hand-strip"
"""What the ids of drawn strips begin with; no detector uses it."""
GRID_FILL = 0.8
"""Of the distance between two even lanes: the width that each gets, as wells leave it."""
SAME_PX = 0.02
"""Vertices that went this far apart did not move together."""


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
    step = _common_step(strip.outline, new)
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
    around = [s for s in layout.strips if is_inside(s.outline, row, col)]
    changes = [] if around else add_strip(layout, new, used_ids=used_ids)
    strip = around[0].id if around else changes[0].object_id
    for lane in layout.lanes_of(strip) if around else ():
        gone = remove_lane(layout, lane.id)
        layout, changes = apply_changes(layout, gone), changes + gone
    pitch = (right - left) / n_lanes
    for k in range(n_lanes):
        key, middle = new_id(HAND_LANE, used), left + (k + 0.5) * pitch
        used.add(key)
        center, widths = ((top, middle), (bottom, middle)), (GRID_FILL * pitch,) * 2
        changes.append(Change("lane", key, None, Lane(id=key, strip=strip, number=k + 1, center=center, widths=widths)))
    return changes


def is_inside(outline: Polygon, row: float, col: float) -> bool:
    """Whether a point lies in the box around an outline."""
    (top, bottom), cols = row_span(outline), [c for _, c in outline]
    return top <= row <= bottom and min(cols) <= col <= max(cols)


def _common_step(old: Polygon, new: Polygon) -> tuple[float, float] | None:
    """How far all vertices went together; None where the outline changed its shape."""
    if len(old) != len(new):
        return None
    steps = np.asarray(new) - np.asarray(old)
    if np.abs(steps - steps[0]).max() > SAME_PX:
        return None
    return float(steps[0, 0]), float(steps[0, 1])


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
