"""What a hand can do to the strips of a layout; as in `blotquant.session.edits`, each verb returns the changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from blotquant.model.geometry import BandOrigin, Layout, Polygon, Strip, polygon
from blotquant.session.history import Change
from blotquant.session.replay import new_id

HAND_STRIP = "hand-strip"
"""What the ids of drawn strips begin with; no detector uses it."""
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
            after = replace(band, outline=outline, peak=place, origin=_by(band.origin))
            changes.append(Change("band", band.id, band, after))
    return changes


def _by(origin: BandOrigin) -> BandOrigin:
    return "drawn" if origin == "drawn" else "edited"
