"""What a hand can do to the bands of a layout: each verb takes a layout and returns the changes, and makes none itself.

`blotquant.session.replay.apply_changes` makes them, `blotquant.session.history.History.append` records them. The
partners of a doublet have one outline in common and change together. Lanes and strips: `blotquant.session.lane_edits`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.model.geometry import Band, BandOrigin, Layout, Point, Polygon, polygon
from blotquant.session.history import Change
from blotquant.session.hit_testing import (
    carry,
    cut_outline,
    hull_of,
    is_in_row,
    lane_at,
    middle_of,
    nearest_lane,
    partners,
    row_near,
    row_span,
    snap,
)
from blotquant.session.replay import apply_changes, new_id

HAND_BAND = "hand"
"""What the ids of drawn bands begin with; no detector uses it."""
MIN_HEIGHT = 0.5
"""px: a band is at least this high."""


def move_band(layout: Layout, band_id: str, *, d_row: float = 0.0, d_col: float = 0.0) -> list[Change]:
    """Move a band by some pixels.

    Raises
    ------
    KeyError
        If there is no such band; so in all verbs.
    """
    band = layout.band(band_id)
    return resize_band(layout, band_id, [(r + d_row, c + d_col) for r, c in band.outline])


def resize_band(layout: Layout, band_id: str, outline: ArrayLike) -> list[Change]:
    """Give a band another outline; its peak keeps its place within it, its lane is the one it now lies in.

    Parameters
    ----------
    layout : Layout
        The layout.
    band_id : str
        The band.
    outline : array_like, shape (n, 2)
        Vertices in (row, col).
    """
    band, new = layout.band(band_id), polygon(outline)
    if new == band.outline:
        return []
    row, col = middle_of(new)
    place = lane_at(layout, row, col) or layout.lane(band.lane)
    changes = []
    for member in partners(layout, band):
        moved = replace(_with_outline(member, new), lane=place.id)
        if place.id != band.lane:
            moved = replace(moved, row=row_near(layout, place, moved.peak[0]))
        changes.append(Change("band", member.id, member, moved))
    return changes


def set_band_rows(layout: Layout, band_id: str, *, top: float, bottom: float) -> list[Change]:
    """Stretch a band between two rows; its sides follow its lane.

    Raises
    ------
    ValueError
        If there is less than half a pixel between the rows.
    """
    if bottom - top < MIN_HEIGHT:
        msg = f"a band must be at least {MIN_HEIGHT} px high, got rows {top:.1f} to {bottom:.1f}"
        raise ValueError(msg)
    band = layout.band(band_id)
    lane = layout.lane(band.lane)
    old_top, old_bottom = row_span(band.outline)
    # Rows are stretched; columns follow the lane's course at the new rows.
    points = np.asarray(band.outline, dtype=float)
    rows = top + (points[:, 0] - old_top) * (bottom - top) / (old_bottom - old_top)
    cols = points[:, 1] + lane.center_at(rows) - lane.center_at(points[:, 0])
    return resize_band(layout, band_id, np.column_stack([rows, cols]))


def draw_band(
    layout: Layout, outline: ArrayLike, *, used_ids: Iterable[str] = (), peak: Point | None = None
) -> list[Change]:
    """Add a band with an outline drawn by hand, in the lane that it lies in or nearest to.

    Raises
    ------
    ValueError
        If the layout has no lanes, or the outline is none.
    """
    new = polygon(outline)
    row, col = peak or middle_of(new)
    lane = lane_at(layout, row, col) or nearest_lane(layout, row, col)
    key = new_id(HAND_BAND, {*used_ids, *(band.id for band in layout.bands)})
    number = row_near(layout, lane, row, span=row_span(new))
    target = next((b.target for b in layout.bands if is_in_row(layout, b, lane.strip, number)), None)
    band = Band(
        id=key,
        lane=lane.id,
        outline=new,
        peak=(float(row), float(col)),
        row=number,
        target=target,
        origin="drawn",
    )
    return [Change("band", key, None, band)]


def snap_band(
    layout: Layout, signal: NDArray[np.floating], *, row: float, col: float, used_ids: Iterable[str] = ()
) -> tuple[list[Change], str]:
    """Outline the band under a rough click, or fit the one that is there again.

    Returns
    -------
    changes, band_id
        The changes, and the band that they are of.

    Raises
    ------
    ValueError
        If there is no lane at the point, or nothing rises there.
    """
    lane = lane_at(layout, row, col)
    found = snap(signal, lane, row) if lane is not None else None
    if lane is None or found is None:
        msg = "there is no band to snap to here: point at one inside a lane, or draw it"
        raise ValueError(msg)
    outline, peak = found
    # A band that is there already is fitted again; else a new one is drawn.
    near = [band for band in layout.bands_of(lane.id) if band.box.row_start <= peak[0] < band.box.row_stop]
    there = min(near, key=lambda band: abs(band.peak[0] - peak[0]), default=None)
    if there is not None:
        return resize_band(layout, there.id, outline), there.id
    changes = draw_band(layout, outline, used_ids=used_ids, peak=peak)
    return changes, changes[0].object_id


def in_turn(
    layout: Layout, keys: Iterable[str], change: Callable[[Layout, str], list[Change]], *, once: bool = False
) -> list[Change]:
    """Make one verb's changes for several things, each on what the one before left.

    Parameters
    ----------
    layout : Layout
        The layout.
    keys : iterable of str
        Ids of the things.
    change : callable
        The verb.
    once : bool
        Whether a thing that changed along with an earlier one, as the partner of a doublet, is passed over.
    """
    changes: list[Change] = []
    for key in keys:
        if not once or key not in {done.object_id for done in changes}:
            new = change(layout, key)
            layout = apply_changes(layout, new)
            changes += new
    return changes


def delete_band(layout: Layout, band_id: str) -> list[Change]:
    """Remove a band; its doublet partner, if any, keeps the whole outline for itself."""
    band = layout.band(band_id)
    left = [b for b in partners(layout, band) if b.id != band_id]
    alone = [Change("band", b.id, b, replace(b, split=(), split_sd=0.0, origin="edited")) for b in left]
    return [Change("band", band_id, band, None), *alone]


def split_band(layout: Layout, band_id: str, *, row: float, used_ids: Iterable[str] = ()) -> list[Change]:
    """Cut a band at a row: the upper part keeps its id and row, the lower one is new and joins the row at its height.

    A doublet, whose two members share one outline, is cut into its members: each keeps its id and gets one side of
    the cut, so that no pixel is counted twice.

    Raises
    ------
    ValueError
        If the row does not cross the band.
    """
    band = layout.band(band_id)
    top, bottom = row_span(band.outline)
    if not top + MIN_HEIGHT <= row <= bottom - MIN_HEIGHT:
        msg = f"row {row:.1f} does not cross band {band_id} (rows {top:.1f} to {bottom:.1f}); click inside it"
        raise ValueError(msg)
    upper, lower = (
        cut_outline(band.outline, row, keep_above=True),
        cut_outline(band.outline, row, keep_above=False),
    )
    # A doublet is cut into its members; a band of its own gets a new neighbour below.
    members = partners(layout, band)
    if len(members) > 1:
        whole = [replace(b, origin="edited", split=(), split_sd=0.0) for b in members]
        sides = [replace(b, outline=o, peak=_inside(b.peak, o)) for b, o in zip(whole, (upper, lower), strict=True)]
        return [Change("band", b.id, b, side) for b, side in zip(members, sides, strict=True)]
    key = new_id(HAND_BAND, {*used_ids, *(b.id for b in layout.bands)})
    first = replace(band, outline=upper, peak=_inside(band.peak, upper), origin="edited", split=(), split_sd=0.0)
    peak = _inside(band.peak, lower)
    number = row_near(layout, layout.lane(band.lane), peak[0], span=row_span(lower))
    second = replace(first, id=key, outline=lower, peak=peak, row=number, origin="drawn", target=None)
    return [Change("band", band_id, band, first), Change("band", key, None, second)]


def merge_bands(layout: Layout, band_ids: Sequence[str]) -> list[Change]:
    """Make one band of several in one lane: the first of them grows around all, the others go.

    The partner of a doublet's member goes along, since the two share one outline.

    Raises
    ------
    ValueError
        If there are fewer than two, or they lie in different lanes.
    """
    named = [layout.band(key) for key in dict.fromkeys(band_ids)]
    bands = list({b.id: b for band in named for b in (band, *partners(layout, band))}.values())
    lanes = {band.lane for band in bands}
    if len(bands) < 2 or len(lanes) > 1:
        msg = f"select two or more bands of one lane to merge, got {len(named)} in {len(lanes)} lanes"
        raise ValueError(msg)
    # The first band grows to the hull of all; the others go.
    points = np.vstack([np.asarray(band.outline) for band in bands])
    around = replace(bands[0], outline=hull_of(points), origin="edited", status="detected", split=(), split_sd=0.0)
    return [
        Change("band", bands[0].id, bands[0], around),
        *(Change("band", b.id, b, None) for b in bands[1:]),
    ]


def set_target(layout: Layout, band_id: str, target: str | None, *, whole_row: bool = True) -> list[Change]:
    """Say which protein a band is; so are all bands of its row on the strip."""
    band = layout.band(band_id)
    strip = layout.lane(band.lane).strip
    members: Sequence[Band] = [band]
    if whole_row and band.row is not None:
        members = [b for b in layout.bands if is_in_row(layout, b, strip, band.row)]
    return [Change("band", b.id, b, replace(b, target=target)) for b in members if b.target != target]


def copy_aperture_along_row(layout: Layout, band_id: str) -> list[Change]:
    """Give all bands of a row the shape of one, each about its own peak and along its own lane."""
    band = layout.band(band_id)
    source = layout.lane(band.lane)
    changes = []
    for other in layout.bands:
        if band.row is None or other.id == band.id or not is_in_row(layout, other, source.strip, band.row):
            continue
        new = carry(band.outline, source, layout.lane(other.lane), d_row=other.peak[0] - band.peak[0])
        if new != other.outline:
            for member in partners(layout, other):
                changed = replace(_with_outline(member, new), peak=member.peak)
                changes.append(Change("band", member.id, member, changed))
    return changes


def confirm(layout: Layout, object_id: str) -> list[Change]:
    """Say that a lane or band was looked at and is right: its confidence becomes 1."""
    lanes = [Change("lane", x.id, x, replace(x, confidence=1.0)) for x in layout.lanes if x.id == object_id]
    bands = [Change("band", b.id, b, replace(b, confidence=1.0)) for b in layout.bands if b.id == object_id]
    return [change for change in (*lanes, *bands) if change.before != change.after]


def _with_outline(band: Band, outline: Polygon) -> Band:
    """The band with another outline: peak at the same place within it, doublet shares at the same rows."""
    old_low, old_high = np.min(band.outline, axis=0), np.max(band.outline, axis=0)
    new_low, new_high = np.min(outline, axis=0), np.max(outline, axis=0)
    # The peak keeps its place within the outline.
    share = (np.asarray(band.peak) - old_low) / np.maximum(old_high - old_low, 1e-9)
    row, col = new_low + share * (new_high - new_low)
    # Shares of a doublet are told from the outline's middle: a stretch moves that, a shift does not.
    shift = float((old_low[0] + old_high[0] - new_low[0] - new_high[0]) / 2)
    is_move = np.allclose(new_high - new_low, old_high - old_low, atol=1e-3)
    split = band.split if is_move else tuple((offset + shift, part) for offset, part in band.split)
    origin: BandOrigin = "drawn" if band.origin == "drawn" else "edited"
    return replace(band, outline=outline, peak=(float(row), float(col)), split=split, origin=origin)


def _inside(point: Point, outline: Polygon) -> Point:
    top, bottom = row_span(outline)
    return (point[0] if top <= point[0] <= bottom else (top + bottom) / 2), point[1]
