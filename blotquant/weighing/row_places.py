"""Places that may hold a band that was not found: another lane shows one in their row, and they are as bright."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blotquant.geometry import Band, Lane, Layout, Strip, polygon
from blotquant.image import FloatImage
from blotquant.weighing.background.base import Array

ALIKE = 0.3
"""A place as bright as this part of its row's band in the nearest lane that shows one is taken for a band too."""

REACH = 4.0
"""So many band heights above and below a place its lane's dark rows are looked for."""

MIN_ROWS = 20
"""Free rows that are enough."""

ACROSS = np.linspace(-0.3, 0.3, 9)
"""Where a lane's profile is read, in lane widths from its centre."""


def overlooked_bands(signal: FloatImage, usable: NDArray[np.bool_], layout: Layout, height: float) -> list[Band]:
    """Outlines where a lane lacks a band of a row that another lane shows, and the picture is bright all the same.

    A shoulder between two strong bands is found in one lane and not in the next: what is a band there is no ground
    here. Brightness counts from the dark rows nearby, in both lanes, so that rows of the ladder alone take no ground
    from the others.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    usable : ndarray of bool, shape (H, W)
        False on bands.
    layout : Layout
        Lanes, and bands with the numbers of their rows.
    height : float
        Typical height of an outline, px.

    Returns
    -------
    list of Band
        The band of the nearest lane that shows the row, moved to where the row crosses the lane.
    """
    found = []
    for strip in layout.strips:
        lanes = layout.lanes_of(strip.id)
        known = {lane.id: {b.row: b for b in layout.bands_of(lane.id) if b.row is not None} for lane in lanes}
        rows = sorted({row for own in known.values() for row in own})
        missing = [(lane, row) for lane in lanes for row in rows if row not in known[lane.id]]
        profiles = {lane.id: _profile(signal, usable, lane) for lane in lanes} if missing else {}
        for lane, row in missing:
            donors = [other for other in lanes if row in known[other.id]]
            donor = min(donors, key=lambda other: abs(other.number - lane.number))
            ghost = _moved(known[donor.id][row], lane, donor, known, strip)
            here, there = (
                _brightness(*profiles[at.id], band, REACH * height)
                for at, band in ((lane, ghost), (donor, known[donor.id][row]))
            )
            if here > ALIKE * there > 0:
                found.append(ghost)
    return found


def _moved(band: Band, lane: Lane, donor: Lane, known: dict[str, dict[int, Band]], strip: Strip) -> Band:
    """Carry a band to another lane: down as the rows that both show go, by the strip's tilt where they share none."""
    own, theirs = known[lane.id], known[donor.id]
    shared = sorted((theirs[row].peak[0], own[row].peak[0]) for row in own.keys() & theirs.keys())
    across = float(lane.center_at(band.peak[0]) - donor.center_at(band.peak[0]))
    if shared:
        at, to = np.array(shared).T
        down = float(np.interp(band.peak[0], at, to - at))
    else:
        down = across * float(np.tan(np.deg2rad(strip.tilt_deg)))
    outline = polygon(np.asarray(band.outline) + np.array([down, across]))
    return replace(band, lane=lane.id, outline=outline, peak=(band.peak[0] + down, band.peak[1] + across),
                   status="not_detected", split=())  # fmt: skip


def _profile(signal: FloatImage, usable: NDArray[np.bool_], lane: Lane) -> tuple[Array, NDArray[np.bool_]]:
    """Mean counts of each row over the middle of a lane, and which rows are free there."""
    rows = np.arange(signal.shape[0])
    cols = lane.center_at(rows)[:, None] + lane.width_at(rows)[:, None] * ACROSS
    cols = np.clip(np.rint(cols).astype(int), 0, signal.shape[1] - 1)
    return signal[rows[:, None], cols].mean(axis=1, dtype=float), usable[rows[:, None], cols].all(axis=1)


def _brightness(profile: Array, free: NDArray[np.bool_], band: Band, reach: float) -> float:
    """Mean of a band's rows above the dark rows nearby; 0 where nothing can be said."""
    box, n = band.box, len(profile)
    rows = np.flatnonzero(free)
    inside = np.arange(max(box.row_start, 0), min(max(box.row_stop, 0), n))
    # Rows that other bands of the lane take are no ground anyway, and say nothing of this one.
    inside = inside[free[inside]] if band.status == "not_detected" else inside
    if len(inside) == 0 or len(rows) == 0:
        return 0.0
    # Where bands stand close the nearest free rows lie further away.
    away = np.maximum(box.row_start - rows, rows - box.row_stop)
    dark = profile[rows[away <= max(reach, float(np.sort(away)[min(MIN_ROWS, len(rows)) - 1]))]]
    return float(profile[inside].mean() - np.quantile(dark, 0.25))
