"""Light that crosses the sides of an outline: what it takes in of the next band, and what it leaves out of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.robust import winsorised_sd
from blotquant.model.geometry import Box
from blotquant.model.image import FloatImage
from blotquant.quantification.background import Aperture, Array

SIDE_PX = 0.5
"""SD of where a side of an outline lies."""

SIDE_REACH = 0.15
"""How far to both sides of an outline's side the darkest column is looked for, in widths of the outline."""

CUT_REACH = 0.3
"""How far beyond a side a band's own light is looked for, in widths of the outline."""

END_WITHIN = 0.2
"""How far within an end the darkest row is looked for, in heights of the outline."""

END_BEYOND = 0.5
"""How far beyond an end it is, in heights of the outline."""

SLANT_ROWS = 8
"""An outline's end mostly slants by no more."""

END_SHARE = 0.005
"""Light beyond an end of a lone band, as a part of its volume: the common scale has it."""

END_NOISE = 2.0
"""SDs of the rows beyond an end that are no light: their sum above the darkest of them is never negative."""

CLEAR = 30.0
"""Volume in SDs of an empty outline from which a band tells itself how much of it its sides cut off."""

VALLEY_NOISE = 3.0
"""Variance of the light beyond the sides, with the valleys that it is counted from, in units of an outline's noise."""

FEWEST = 4
"""Columns that an outline needs for anything to be said of its sides."""


class EdgeLosses(NamedTuple):
    """What the sides of a picture's outlines leave out of their bands, as a part of the volume.

    Attributes
    ----------
    typical : float
        Median over its clear bands: the common scale has it.
    spread : float
        Their scatter, for bands too faint to tell their own.
    ends : (float, float)
        Median of what lies beyond their upper and their lower end: the common scale has it.
    """

    typical: float = 0.0
    spread: float = 0.0
    ends: tuple[float, float] = (0.0, 0.0)


class Line(NamedTuple):
    """Counts of a box's rows, summed over each column from `first` on: those of the box and some beside it."""

    first: int
    sums: Array


def column_sums(signal: FloatImage, box: Box) -> Line:
    """Sum the rows of a box over its columns and those beside it in which its own light is looked for."""
    reach = max(3, round(CUT_REACH * (box.col_stop - box.col_start)))
    first = max(box.col_start - reach, 0)
    part = signal[box.row_start : box.row_stop, first : box.col_stop + reach]
    return Line(first, np.asarray(part.sum(axis=0, dtype=float)))


def side_variance(signal: FloatImage, aperture: Aperture, level: float, *, line: Line | None = None) -> float:
    """Variance of the volume for light of the next band, and for where exactly the sides lie.

    The darkest column near a side is where the next lane's band begins: it may be either's, and what lies under the
    outline beyond it is the other band's. Around a lone band it is dark, wherever the outline ends. Where a band is
    cut off, the outline's own place matters.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    aperture : Aperture
        The outline.
    level : float
        Mean background under it.
    line : Line, optional
        From `column_sums` of its box.
    """
    box, columns = aperture.box, aperture.filled
    if len(columns) < FEWEST:
        return 0.0
    reach = max(3, round(SIDE_REACH * len(columns)))
    line = line or column_sums(signal, box)
    lit = line.sums - (box.row_stop - box.row_start) * level
    variance = 0.0
    for side, edge in ((-1, columns[0]), (1, columns[-1])):
        at = box.col_start + int(edge) - line.first
        light = lit[max(at - reach, 0) : at + reach + 1][::side]
        valley = _darkest(light)
        light = np.maximum(light, 0.0)
        inside = float(light[valley : reach + 1].sum() if valley < reach else light[valley])
        variance += inside**2 + (SIDE_PX * float(light[reach])) ** 2
    return variance


def cut_light(signal: FloatImage, box: Box, *, line: Line | None = None) -> tuple[float, float]:
    """Light between the sides of a box and the valleys beyond them, and that between its sides, in counts.

    Both are counted from the darker places on either side, so that no background has to be known.
    """
    first, sums = line or column_sums(signal, box)
    start, stop = box.col_start - first, box.col_stop - first
    cut, levels = 0.0, []
    for beyond in (sums[:start][::-1], sums[stop:]):
        if len(beyond) == 0:
            continue
        valley = _darkest(beyond)
        cut += float(beyond[:valley].sum() - valley * beyond[valley])
        levels.append(float(beyond[valley]))
    return cut, float(sums[start:stop].sum()) - (stop - start) * sum(levels) / len(levels) if levels else 0.0


def end_variances(
    signal: FloatImage,
    aperture: Aperture,
    level: float,
    *,
    light: float = 0.0,
    noise: float = 0.0,
    usual: tuple[float, float] = (0.0, 0.0),
) -> tuple[float, float]:
    """Variances of the volume for light of bands above or below that run into this one, and for what its ends cut off.

    Between two bands that overlap the valley is lit by both, each about half: what either has beyond it falls off over
    about a ninth of the outline's height. Beyond the end of a lone band it is dark. What lies beyond without a valley,
    as a doublet's shoulder does, is mostly the band's own: beyond what the picture's clear bands have there, all of it
    is the SD.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    aperture : Aperture
        The outline; rows are counted from its own edges, column by column.
    level : float
        Mean background under it.
    light : float
        The band's volume; 0 for one of which nothing can be cut off.
    noise : float
        SD of one pixel as it enters a sum of many, in counts.
    usual : (float, float)
        Light beyond the upper and the lower end of the picture's clear bands, as a part of their volume: the common
        scale has it.
    """
    columns = aperture.filled
    if len(columns) < FEWEST:
        return 0.0, 0.0
    part = columns[len(columns) // 8 : len(columns) - len(columns) // 8]
    is_whole = int(part[-1] - part[0]) == len(part) - 1
    covered = aperture.weights[:, slice(part[0], part[-1] + 1) if is_whole else part] > 0.5
    tall = np.sort(np.add.reduce(covered, axis=0, dtype=np.int32))
    height = int(tall[(len(tall) - 1) // 2] + tall[len(tall) // 2]) // 2
    if height < FEWEST:
        return 0.0, 0.0
    within, beyond = max(round(END_WITHIN * height), 1), max(round(END_BEYOND * height), 2)
    top, bottom = _first_row(covered), len(covered) - 1 - _first_row(covered[::-1])
    others, cut, wide = 0.0, 0.0, len(columns) / len(part)
    for edge, step, has in ((top, -1, usual[0]), (bottom, 1, usual[1])):
        sums = _row_sums(signal, (aperture.box.row_start + edge, aperture.box.col_start + part), step, (within, beyond))
        if sums is None:
            continue
        lit = (sums - level * len(part)) * wide
        valley = _darkest(lit)
        taken = float(np.maximum(lit[valley + 1 : within + 1], 0.0).sum())
        others += taken**2 + (max(float(lit[valley]), 0.0) * height / 9) ** 2
        grain = END_NOISE * noise * len(columns) ** 0.5
        cut += _shoulder(lit[within + 1 :], max(has, END_SHARE) * light, grain) ** 2
    return others, cut


def _shoulder(beyond: Array, own: float, grain: float) -> float:
    """Light beyond an end that falls off from it, above the darkest row; what rises again is another band.

    Rows darker than the ground lie off the membrane.

    Parameters
    ----------
    beyond : ndarray, shape (n,)
        Light of rows from the end outwards.
    own : float
        What a lone band has there; nothing is a shoulder of a band without light.
    grain : float
        Light of a row that may be noise.
    """
    if own <= 0:
        return 0.0
    falling = np.maximum(np.minimum.accumulate(beyond), 0.0)
    least = float(falling[-1])
    n = int(np.count_nonzero(falling > least))
    cut = float(falling.sum()) - len(falling) * least
    return max(cut - own - grain * float(np.sqrt(n)), 0.0)


def _first_row(covered: NDArray[np.bool_]) -> NDArray[np.intp]:
    """First covered row of each column, 0 where there is none; of most outlines it is among the first few."""
    near = covered[:SLANT_ROWS]
    return np.asarray((near if near.any(axis=0).all() else covered).argmax(axis=0))


def _row_sums(
    signal: FloatImage, edge: tuple[NDArray[np.intp], NDArray[np.intp]], step: int, room: tuple[int, int]
) -> Array | None:
    """Counts of rows that run along an edge, from so many rows within it to so many beyond; None off the picture."""
    rows, cols = edge
    low, high = int(rows.min()), int(rows.max())
    within, beyond = room if step > 0 else room[::-1]
    if low - within < 0 or high + beyond >= signal.shape[0]:
        return None
    if low == high and cols[-1] - cols[0] == len(cols) - 1:  # a level edge of an upright outline: nothing to gather
        lines = signal[low - within : low + beyond + 1, cols[0] : cols[-1] + 1]
    else:
        lines = signal[np.arange(-within, beyond + 1)[:, None] + rows, cols]
    return np.asarray(lines.sum(axis=1, dtype=float)[::step])


def measure_edge_losses(signal: FloatImage, boxes: Sequence[Box], noise: float) -> EdgeLosses:
    """What the outlines of a picture's clear bands leave out at their sides.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    boxes : sequence of Box
        Of outlines that hold a band each.
    noise : float
        SD of one pixel as it enters a sum of many, in counts.
    """
    shares: list[float] = []
    ends: tuple[list[float], list[float]] = ([], [])
    for box in boxes:
        cut, light = cut_light(signal, box)
        if light > CLEAR * noise * _pixels(box) ** 0.5 and light > 0:
            shares.append(cut / light)
            for found, beyond in zip(ends, _beyond_ends(signal, box), strict=True):
                found += [beyond / light] if beyond is not None else []
    if len(shares) < 3:
        return EdgeLosses()
    typical = float(np.median(shares))
    upper, lower = (float(np.median(found)) if found else 0.0 for found in ends)
    return EdgeLosses(typical, winsorised_sd(np.array(shares) - typical), (upper, lower))


def _beyond_ends(signal: FloatImage, box: Box) -> list[float | None]:
    """Light that falls off beyond the upper and the lower end of a box, above the darkest row there, counts."""
    height = box.row_stop - box.row_start
    reach = max(round(END_BEYOND * height), 2)
    found: list[float | None] = []
    for rows, step in (
        (slice(box.row_start - reach, box.row_start), -1),
        (slice(box.row_stop, box.row_stop + reach), 1),
    ):
        if rows.start < 0 or rows.stop > signal.shape[0]:
            found.append(None)
            continue
        falling = np.minimum.accumulate(signal[rows, box.col_start : box.col_stop].sum(axis=1, dtype=float)[::step])
        found.append(float(falling.sum() - len(falling) * falling[-1]))
    return found


def cut_sd(signal: FloatImage, box: Box, cuts: EdgeLosses, noise: float, *, line: Line | None = None) -> float:
    """SD of a volume, as a part of it, for light that its sides leave out more or less than the picture's others.

    What lies beyond may be the band's or not: truth is anywhere between none of it and all, and the SD that of a
    uniform law. The fainter a band, the less its own surroundings say, and the more the picture's scatter stands for
    it.
    """
    cut, light = cut_light(signal, box, line=line)
    if light <= 0:
        return cuts.spread
    grain = noise**2 * _pixels(box) / light**2
    clear = 1 / (1 + CLEAR**2 * grain)
    own = max((cut / light - cuts.typical) ** 2 - VALLEY_NOISE * grain, 0.0) / 3
    return float(np.sqrt(clear * own + (1 - clear) * cuts.spread**2))


def _darkest(light: Array) -> int:
    """Index of the darkest value; of equal ones the first, whatever the arithmetic made of their last bits."""
    least, most = float(np.minimum.reduce(light)), float(np.maximum.reduce(light))
    return int((light <= least + 1e-9 * (most - least)).argmax())


def _pixels(box: Box) -> int:
    return (box.row_stop - box.row_start) * (box.col_stop - box.col_start)
