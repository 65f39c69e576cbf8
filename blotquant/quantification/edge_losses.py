"""Light that crosses the sides of an outline: what it takes in of the next band, and what it leaves out of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.robust import box_sums, winsorised_sd
from blotquant.model.geometry import Box
from blotquant.model.image import FloatImage
from blotquant.quantification.apertures import Stack, common_size, spans
from blotquant.quantification.background import Array

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


class Lines(NamedTuple):
    """Counts of boxes' rows, summed over each column: those of the box and some beside it, one box a line.

    Attributes
    ----------
    sums : ndarray, shape (n, longest)
        Infinite beyond a line's end.
    start, stop : ndarray of int, shape (n,)
        Where in its line the columns of the box itself begin and end.
    pixels : ndarray of int, shape (n,)
        Of each box.
    """

    sums: Array
    start: NDArray[np.intp]
    stop: NDArray[np.intp]
    pixels: NDArray[np.intp]


def column_sums(signal: FloatImage, boxes: NDArray[np.intp]) -> Lines:
    """Sum the rows of boxes, (n, 4), over their columns and those beside them in which their light is looked for."""
    tops, bottoms, lefts, rights = boxes.T
    reach = np.maximum(3, np.rint(CUT_REACH * (rights - lefts))).astype(int)
    first = np.maximum(lefts - reach, 0)
    sums, _ = box_sums(signal, np.stack([tops, bottoms, first, rights + reach], axis=1).tolist(), axis=0)
    # The length follows from the widest box alone, so that sums are added in the same order whatever the reach.
    wide = common_size(int((rights - lefts).max(initial=0)))
    more = wide + 2 * max(3, round(CUT_REACH * wide)) + 2 - sums.shape[1]
    padded = np.pad(sums, ((0, 0), (0, more)), constant_values=np.inf)
    return Lines(padded, lefts - first, rights - first, (bottoms - tops) * (rights - lefts))


def side_variances(lines: Lines, stack: Stack, level: Array) -> Array:
    """Variances of volumes for light of the next band, and for where exactly the sides lie.

    The darkest column near a side is where the next lane's band begins: it may be either's, and what lies under the
    outline beyond it is the other band's. Around a lone band it is dark, wherever the outline ends. Where a band is
    cut off, the outline's own place matters.

    Parameters
    ----------
    lines : Lines
        From `column_sums` of the stack's boxes.
    stack : Stack
        The outlines.
    level : ndarray, shape (n,)
        Mean background under each.
    """
    filled = filled_columns(stack)
    n_columns, each = filled.sum(axis=1), np.arange(len(filled))
    ends = filled.argmax(axis=1), filled.shape[1] - 1 - filled[:, ::-1].argmax(axis=1)
    lit = lines.sums - (stack.sizes[:, 0] * level)[:, None]
    reach = np.maximum(3, np.rint(SIDE_REACH * n_columns)).astype(int)
    size = 2 * max(3, round(SIDE_REACH * filled.shape[1])) + 1
    variance = np.zeros(len(filled))
    for step, edge in zip((-1, 1), ends, strict=True):
        light = _read(lit, lines.start + edge - step * reach, step, 2 * reach + 1, size)
        valley = _darkest(light)
        light = np.where(np.isinf(light), 0.0, np.maximum(light, 0.0))
        inside = np.where(valley < reach, _sums_of(light, valley, reach + 1), light[each, valley])
        variance += inside**2 + (SIDE_PX * light[each, reach.clip(0, size - 1)]) ** 2
    return np.where(n_columns < FEWEST, 0.0, variance)


def filled_columns(stack: Stack) -> NDArray[np.bool_]:
    """Columns of each outline that are more than half as tall as its tallest; a doublet's common outline counts."""
    tall = stack.tall if stack.whole is stack.weights else stack.whole.sum(axis=1)
    return np.asarray(tall > 0.5 * tall.max(axis=1, initial=0.0, keepdims=True))


def cut_light(lines: Lines) -> tuple[Array, Array]:
    """Light between the sides of boxes and the valleys beyond them, and that between their sides, in counts.

    Both are counted from the darker places on either side, so that no background has to be known.
    """
    longest, each = lines.sums.shape[1], np.arange(len(lines.sums))
    cut, level, n_sides = np.zeros((3, len(each)))
    # All that a line holds beyond a side.
    for at, step in ((lines.start - 1, -1), (lines.stop, 1)):
        beyond = _read(lines.sums, at, step, np.full(len(each), longest), longest)
        is_seen = ~np.isinf(beyond[:, 0])
        valley = _darkest(beyond)
        darkest = np.where(is_seen, beyond[each, valley], 0.0)
        cut += _sums_of(beyond, 0 * valley, valley) - valley * darkest
        level += darkest
        n_sides += is_seen
    light = _sums_of(lines.sums, lines.start, lines.stop) - (lines.stop - lines.start) * level / np.maximum(n_sides, 1)
    return cut, np.where(n_sides > 0, light, 0.0)


def end_variances(
    signal: FloatImage,
    stack: Stack,
    level: Array,
    *,
    light: Array | float = 0.0,
    noise: float = 0.0,
    usual: tuple[float, float] = (0.0, 0.0),
) -> tuple[Array, Array]:
    """Variances of volumes for light of bands above or below that run into them, and for what their ends cut off.

    Between two bands that overlap the valley is lit by both, each about half: what either has beyond it falls off over
    about a ninth of the outline's height. Beyond the end of a lone band it is dark. What lies beyond without a valley,
    as a doublet's shoulder does, is mostly the band's own: beyond what the picture's clear bands have there, all of it
    is the SD.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    stack : Stack
        The outlines; rows are counted from an outline's own edges, column by column.
    level : ndarray, shape (n,)
        Mean background under each.
    light : ndarray, shape (n,)
        The bands' volumes; 0 for one of which nothing can be cut off.
    noise : float
        SD of one pixel as it enters a sum of many, in counts.
    usual : (float, float)
        Light beyond the upper and the lower end of the picture's clear bands, as a part of their volume: the common
        scale has it.
    """
    filled = filled_columns(stack)
    n_filled = filled.sum(axis=1)
    # The middle three quarters of the filled columns.
    rank = np.cumsum(filled, axis=1) - 1
    part = filled & (rank >= (n_filled // 8)[:, None]) & (rank < (n_filled - n_filled // 8)[:, None])
    n_part = np.maximum(part.sum(axis=1), 1)
    covered, tall, each = stack.inside, stack.n_inside, np.arange(len(filled))
    ordered = np.sort(np.where(part, tall, len(tall[0]) * covered.shape[1]), axis=1)
    height = (ordered[each, (n_part - 1) // 2] + ordered[each, n_part // 2]) // 2
    is_told = (n_filled >= FEWEST) & (height >= FEWEST)
    height = np.where(is_told, height, 0)
    within = np.maximum(np.rint(END_WITHIN * height), 1).astype(int)
    beyond = np.maximum(np.rint(END_BEYOND * height), 2).astype(int)
    top = covered.argmax(axis=1)
    bottom = np.where(tall > 0, covered.shape[1] - 1 - covered[:, ::-1].argmax(axis=1), stack.sizes[:, :1] - 1)
    size = round(END_WITHIN * covered.shape[1]) + round(END_BEYOND * covered.shape[1]) + 4
    others, cut, wide = np.zeros(len(each)), np.zeros(len(each)), n_filled / n_part
    for edge, step, has in ((top, -1, usual[0]), (bottom, 1, usual[1])):
        sums = np.full((len(each), size), np.inf)
        above, below = (within, beyond) if step > 0 else (beyond, within)
        first, last, low, high, is_level = spans(part, edge)
        start, stop = stack.boxes[:, 0] + low - above, stack.boxes[:, 0] + high + below + 1
        # Rows along the edge, from so many within it to so many beyond; nothing where they leave the picture.
        for k in np.flatnonzero(is_told & (start >= 0) & (stop <= signal.shape[0])).tolist():
            left = stack.boxes[k, 2]
            if is_level[k]:
                lines = signal[start[k] : stop[k], left + first[k] : left + last[k] + 1]
            else:
                cols = np.flatnonzero(part[k])
                down = np.arange(-above[k], below[k] + 1)[:, None]
                lines = signal[down + stack.boxes[k, 0] + edge[k, cols], left + cols]
            sums[k, : len(lines)] = np.add.reduce(lines, axis=1, dtype=float)[::step]
        is_seen = ~np.isinf(sums[:, 0])
        lit = (np.where(is_seen[:, None], sums, 0.0) - (level * n_part)[:, None]) * wide[:, None]
        valley = _darkest(lit)
        taken = _sums_of(np.maximum(lit, 0.0), valley + 1, within + 1)
        others += is_seen * (taken**2 + (np.maximum(lit[each, valley], 0.0) * height / 9) ** 2)
        outside = _read(lit, within + 1, 1, beyond, size)
        grain = END_NOISE * noise * n_filled**0.5
        cut += is_seen * _shoulders(outside, np.maximum(has, END_SHARE) * light, grain) ** 2
    return others, cut


def _shoulders(beyond: Array, own: Array | float, grain: Array) -> Array:
    """Light beyond ends that falls off from them, above the darkest row; what rises again is another band.

    Rows darker than the ground lie off the membrane.

    Parameters
    ----------
    beyond : ndarray, shape (n, longest)
        Light of rows from the ends outwards, infinite beyond the last one.
    own : ndarray, shape (n,)
        What a lone band has there; nothing is a shoulder of a band without light.
    grain : ndarray, shape (n,)
        Light of a row that may be noise.
    """
    falling = np.maximum(np.minimum.accumulate(beyond, axis=1), 0.0)
    above = falling - falling[:, -1:]
    return np.where(
        np.asarray(own) > 0, np.maximum(above.sum(axis=1) - own - grain * (above > 0).sum(axis=1) ** 0.5, 0), 0
    )


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
    lines = column_sums(signal, np.array(boxes, dtype=int).reshape(-1, 4))
    cut, light = cut_light(lines)
    clear = np.flatnonzero((light > CLEAR * noise * lines.pixels**0.5) & (light > 0))
    if len(clear) < 3:
        return EdgeLosses()
    ends = []
    for side in (-1, 1):
        # Light that falls off beyond an end, above the darkest row there.
        outside, of = [], []
        for k in clear.tolist():
            top, bottom, left, right = boxes[k]
            reach = max(round(END_BEYOND * (bottom - top)), 2)
            first, last = (top - reach, top) if side < 0 else (bottom, bottom + reach)
            if first >= 0 and last <= signal.shape[0]:
                outside.append(Box(first, last, left, right))
                of.append(k)
        sums, n = box_sums(signal, outside, axis=1)
        beyond = _read(sums, n - 1 if side < 0 else 0 * n, side, n, sums.shape[1]) if of else np.ones((1, 1))
        falling = np.minimum.accumulate(beyond, axis=1)
        shares = (falling - falling[:, -1:]).sum(axis=1) / (light[of] if of else 1.0)
        ends.append(float(np.median(shares)))
    shares = cut[clear] / light[clear]
    typical = float(np.median(shares))
    return EdgeLosses(typical, winsorised_sd(shares - typical), (ends[0], ends[1]))


def cut_sds(lines: Lines, cut: Array, light: Array, cuts: EdgeLosses, noise: float) -> Array:
    """SDs of volumes, as parts of them, for light that their sides leave out more or less than the picture's others.

    What lies beyond may be the band's or not: truth is anywhere between none of it and all, and the SD that of a
    uniform law. The fainter a band, the less its own surroundings say, and the more the picture's scatter stands for
    it. `cut` and `light` are those of `cut_light`.
    """
    safe = np.where(light <= 0, 1.0, light)
    grain = noise**2 * lines.pixels / safe**2
    clear = 1 / (1 + CLEAR**2 * grain)
    own = np.maximum((cut / safe - cuts.typical) ** 2 - VALLEY_NOISE * grain, 0.0) / 3
    return np.where(light <= 0, cuts.spread, np.sqrt(clear * own + (1 - clear) * cuts.spread**2))


def _read(lines: Array, at: NDArray[np.intp], step: int, n: NDArray[np.intp], size: int) -> Array:
    """So many values of each line from a place on, upwards or downwards; infinite beyond them and beyond the line."""
    steps = np.arange(size)
    places = at[:, None] + step * steps
    inside = (steps < n[:, None]) & (places >= 0) & (places < lines.shape[1])
    return np.where(inside, np.take_along_axis(lines, places.clip(0, lines.shape[1] - 1), axis=1), np.inf)


def _sums_of(lines: Array, start: NDArray[np.intp], stop: NDArray[np.intp]) -> Array:
    """Sum of each line's values from a place on and before another."""
    places = np.arange(lines.shape[1])
    return np.asarray(np.where((places >= start[:, None]) & (places < stop[:, None]), lines, 0.0).sum(axis=1))


def _darkest(lines: Array) -> NDArray[np.intp]:
    """Place of each line's darkest value; of equal ones the first, whatever the arithmetic made of their last bits."""
    least = lines.min(axis=1, keepdims=True)
    least = np.where(np.isinf(least), 0.0, least)
    most = np.where(np.isinf(lines), least, lines).max(axis=1, keepdims=True)
    return np.asarray((lines <= least + 1e-9 * (most - least)).argmax(axis=1))
