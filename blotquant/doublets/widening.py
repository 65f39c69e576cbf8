"""Room for a declared doublet: outlines of one row widened and centred until both of its bands lie inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from blotquant.geometry import Polygon, bounding_box, polygon

Array = NDArray[np.float64]
Profile = tuple[Array, Array]

FOOT = 0.06
"""A doublet ends where its profile has fallen to this part of its peak."""
REACH = 2.0
"""How far from the row's middle its bands are looked for, in heights of the outline found."""
MARGIN_PX = 1.0


def widen_outlines(outlines: Sequence[Polygon], read_profile: Callable[[int, int], Profile | None]) -> list[Polygon]:
    """Widen the outlines of a row that is known to hold two bands; they keep one height, and never shrink.

    Parameters
    ----------
    outlines : sequence of Polygon
        One a lane: an upper edge from left to right and a lower edge back.
    read_profile : callable
        Of an index into `outlines` and a reach in rows: offsets from the outline's middle and counts summed across
        it, NaN where another band or a saturated pixel lies; None where the lane tells nothing.

    Returns
    -------
    list of Polygon
        All of the median height that the lanes ask for; each centred on its own light, or moved like the others
        where a lane tells nothing.
    """
    boxes = [bounding_box(outline) for outline in outlines]
    height = float(np.median([box.row_stop - box.row_start for box in boxes]))
    found = [_extent(read_profile(k, int(np.ceil(REACH * height))), height) for k in range(len(outlines))]
    known = [extent for extent in found if extent is not None]
    if not known:
        return list(outlines)
    wanted = max(float(np.median([bottom - top for top, bottom in known])) + 2 * MARGIN_PX, height)
    usual = float(np.median([(top + bottom) / 2 for top, bottom in known]))
    middles = [usual if extent is None else (extent[0] + extent[1]) / 2 for extent in found]
    return [_redrawn(outline, middle, wanted) for outline, middle in zip(outlines, middles, strict=True)]


def _extent(profile: Profile | None, height: float) -> tuple[float, float] | None:
    """First and last offset of the light around the row's peak."""
    if profile is None:
        return None
    offsets, counts = profile
    lit = counts - np.nanmin(counts)
    near = np.abs(offsets) <= 0.75 * height
    if not np.isfinite(lit[near]).any():
        return None
    peak = int(np.flatnonzero(near)[np.nanargmax(lit[near])])
    # What cannot be read is the row's own saturated core inside its outline, and another band beyond it.
    core = np.isnan(lit) & (np.abs(offsets) <= height / 2)
    bright = core | (np.nan_to_num(lit, nan=-1.0) > FOOT * lit[peak])
    above = np.flatnonzero(~bright[:peak])
    below = np.flatnonzero(~bright[peak:])
    top = offsets[above[-1] + 1] if len(above) else offsets[0]
    bottom = offsets[peak + below[0] - 1] if len(below) else offsets[-1]
    return float(top) - 0.5, float(bottom) + 0.5


def _redrawn(outline: Polygon, middle: float, height: float) -> Polygon:
    points = np.asarray(outline)
    half = len(points) // 2
    upper, lower = points[:half], points[half:][::-1]
    if len(points) % 2 or np.abs(upper[:, 1] - lower[:, 1]).max() > 0.5 * np.ptp(points[:, 1]):
        return outline  # drawn by hand: not two edges that answer each other
    rows = (upper[:, 0] + lower[:, 0]) / 2 + middle
    top, bottom = np.column_stack([rows - height / 2, upper[:, 1]]), np.column_stack([rows + height / 2, lower[:, 1]])
    return polygon(np.vstack([top, bottom[::-1]]))
