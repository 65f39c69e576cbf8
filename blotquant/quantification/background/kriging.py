"""Universal kriging along a lane: the best linear unbiased estimate of the ground under bands, many at a time.

Bands are solved in stacks of about as many witnesses, filled up with some that say nothing: a stack costs one call, and
what else lies in it changes no bit of an estimate.

How rough the ground between the bands is, measured along the lanes and the gaps between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.robust import winsorised_sd
from blotquant.model.geometry import Lane
from blotquant.quantification.background.background_pixels import Course, read_lane
from blotquant.quantification.background.base import Aperture, Array, BackgroundPixels, Estimate

LENGTH = 2.0
"""Over how many band heights the ground is alike."""

FEW = 12
"""Differences that are too few to measure a variance from."""


@dataclass(frozen=True, kw_only=True)
class Roughness:
    """Variances of the ground in counts squared.

    Attributes
    ----------
    pixel : float
        Of one pixel's noise.
    row : float
        Of the mean of a bin of rows beyond its pixels' noise: texture.
    shared : float
        Of the smooth course that a lane and the gaps beside it have in common.
    level, uneven : float
        Of a lane's own light: its level, and how it changes along the lane.
    length : float
        Over how many rows the ground is alike.
    """

    pixel: float
    row: float
    shared: float
    level: float
    uneven: float
    length: float


def matern(distance: Array) -> Array:
    """Correlation of a once-differentiable random course (Matern 3/2) at a distance in units of its length."""
    scaled = np.sqrt(3) * distance
    return np.asarray((1 + scaled) * np.exp(-scaled))


def measure_roughness(ground: BackgroundPixels) -> Roughness:
    """Measure the ground's variances from the courses of free rows in all lanes and gaps.

    The half mean square difference of rows some way apart, less that of neighbouring rows, is the course's variance
    times what is no longer alike at that distance.
    """
    bin_rows = ground.cells.steps[0]
    lanes, gaps, full = _courses(ground)
    pixel, length = ground.noise**2, LENGTH * ground.band_height
    lag = max(1, round(ground.band_height / bin_rows))
    unlike = 1 - float(matern(np.array(lag * bin_rows / length)))
    lane, gap, apart = (_course_variance(c, lag) / unlike for c in (lanes, gaps, lanes - gaps))
    total = lane if np.isfinite(lane) else gap if np.isfinite(gap) else 0.0
    # Where lane and gap are not free side by side, the gap is not trusted to follow the lane.
    uneven = min(apart, total) if np.isfinite(apart) else total
    row = max(_texture(lanes) - pixel * ground.noise_spread / full, 0.0)
    # Mean square difference between a lane and the gap beside it where both are free, less their noise.
    steps = lanes - gaps
    known = steps[np.isfinite(steps)]
    return Roughness(
        pixel=pixel,
        row=row,
        shared=total - uneven,
        level=(_beyond_noise(winsorised_sd(known) ** 2, _texture(steps), len(known)) if len(known) >= FEW else 0.0),
        uneven=uneven,
        length=length,
    )


def _courses(ground: BackgroundPixels) -> tuple[Array, Array, float]:
    """Means of the free bins of every lane and of the gaps beside it (NaN where bands are), and a full bin's pixels."""
    cells = ground.cells
    if not ground.lanes:
        empty = np.full((0, cells.n_bins), np.nan)
        return empty, empty, 1.0
    own = [read_lane(cells, lane, share=0.8) for lane in ground.lanes]
    after = {(lane.strip, lane.number): _gap_after(ground, lane) for lane in ground.lanes}
    no_gap = cells.read(0, 0)
    left, right = ([after.get((lane.strip, lane.number - back), no_gap) for lane in ground.lanes] for back in (1, 0))
    # Means of bins that are at least half as full as the fullest; NaN elsewhere.
    inside, low, high = (
        np.array(
            [
                np.where(course.counts >= max(0.5 * float(course.counts.max()), 1.0), course.means, np.nan)
                for course in part
            ]
        )
        for part in (own, left, right)
    )
    both = np.isfinite(low) & np.isfinite(high)
    gaps = np.where(both, (low + high) / 2, np.where(np.isfinite(high), high, low))
    return inside, gaps, max(float(np.median([course.counts.max() for course in own])), 1.0)


def _gap_after(ground: BackgroundPixels, lane: Lane) -> Course:
    """Course of the gap between a lane and the next one to its right; empty at the last."""
    rows = ground.cells.middles()
    for other in ground.beside(lane):
        if other.number == lane.number + 1:
            edge = lane.center_at(rows) + (lane.width_at(rows) / 2 + 1)
            return ground.cells.read(edge, other.center_at(rows) - (other.width_at(rows) / 2 + 1))
    return ground.cells.read(0, 0)


def _course_variance(courses: Array, lag: int) -> float:
    """Half the mean square difference of bins `lag` apart, less the noise of a bin; NaN for too few."""
    if courses.size == 0 or courses.shape[1] <= lag:
        return float("nan")
    steps = courses[:, lag:] - courses[:, :-lag]
    steps = steps[np.isfinite(steps)]
    if len(steps) < FEW:
        return float("nan")
    # The median step is the picture's overall slope, which a straight line takes up.
    return _beyond_noise(winsorised_sd(steps - np.median(steps)) ** 2 / 2, _texture(courses), len(steps))


def _beyond_noise(found: float, noise: float, n: int) -> float:
    """What a variance holds beyond noise: nothing within two standard errors, all of it from four on."""
    error = noise * np.sqrt(7 / n)  # overlapping steps repeat each other, and the noise is known no better
    sure = np.clip(((found - noise) / error - 2) / 2, 0, 1) if error > 0 else 1.0
    return float(max(found - noise, 0.0) * sure)


def _texture(courses: Array) -> float:
    """Variance of a bin's mean, its pixels' noise included, from second differences along the course."""
    if courses.size == 0 or courses.shape[1] < 5:
        return 0.0
    # Every second bin: noise that reaches into the next bin counts as noise.
    bends = courses[:, 2:-2] - (courses[:, :-4] + courses[:, 4:]) / 2
    bends = bends[np.isfinite(bends)]
    return winsorised_sd(bends) ** 2 / 1.5 if len(bends) >= FEW else 0.0


PRIOR_WEIGHT = 2.0
"""The picture's variances of the ground say as much of one place as so many independent free rows there."""

RAGGED = 0.3
"""SD of the glow on a gap from row to row, as a part of it."""

MOST_UNEVEN = 25.0
"""Largest variance of one place's ground against the picture's: beyond it a band was overlooked there, not ground."""

STACK = 8
"""Numbers of witnesses are rounded up to a multiple of this."""

STACK_NUMBERS = 2**17
"""Numbers in the matrices of one stack, 1 MB, of which ten are alive at once: they stay in the processor's cache."""


class Witnesses(NamedTuple):
    """Means of free pixels in bins of rows, and how far each may be lit by the bands beside it, in counts."""

    rows: Array
    means: Array
    counts: Array
    own: NDArray[np.bool_]
    glow: Array


class _Nodes(NamedTuple):
    """Rows on which the level is estimated, the aperture's share of each, and the aperture's own rows."""

    at: Array
    share: Array
    rows: Array


Case = tuple[Witnesses, Aperture]


def krige(cases: Sequence[Case], rough: Roughness, step: int) -> list[Estimate]:
    """Estimate the ground under bands, each from its own witnesses.

    Parameters
    ----------
    cases : sequence of (Witnesses, Aperture)
        Three or more witnesses for each.
    rough : Roughness
        Of the picture's ground.
    step : int
        Rows between two places at which the level is solved for.
    """
    nodes = [_nodes(aperture, step) for _, aperture in cases]
    stacks: dict[tuple[int, int], list[int]] = {}
    for k, ((seen, _), places) in enumerate(zip(cases, nodes, strict=True)):
        stacks.setdefault((-(-len(seen.rows) // STACK) * STACK, len(places.at)), []).append(k)
    found: dict[int, Estimate] = {}
    for (size, n_nodes), members in stacks.items():
        most = max(STACK_NUMBERS // (size + n_nodes) ** 2, 1)
        for part in (members[k : k + most] for k in range(0, len(members), most)):
            stack = _stack([cases[k][0] for k in part], [nodes[k] for k in part], size)
            found |= zip(part, _solve(stack, rough), strict=True)
    return [found[k] for k in range(len(cases))]


def _nodes(aperture: Aperture, step: int) -> _Nodes:
    rows = np.arange(aperture.box.row_start, aperture.box.row_stop, dtype=float)
    share: Array = aperture.cover
    total = float(share.sum())
    share = share / total if total > 0 else np.full(len(rows), 1 / len(rows))
    n = max(2, -(-len(rows) // step) + 1)
    gap = max((len(rows) - 1) / (n - 1), 1e-9)
    place = (rows - rows[0]) / gap
    low = np.minimum(place.astype(int), n - 2)
    part = place - low
    shares = np.bincount(low, share * (1 - part), n) + np.bincount(low + 1, share * part, n)
    return _Nodes(rows[0] + gap * np.arange(n), np.asarray(shares, dtype=float), rows)


@dataclass(frozen=True, eq=False)
class _Stack:
    """Witnesses of some bands, one a row; where `real` is false nothing was seen."""

    rows: Array
    means: Array
    counts: Array
    own: Array
    glow: Array
    real: Array
    nodes: tuple[_Nodes, ...]

    @property
    def at(self) -> Array:
        return np.stack([n.at for n in self.nodes])

    @property
    def share(self) -> Array:
        return np.stack([n.share for n in self.nodes])


def _stack(seen: list[Witnesses], nodes: list[_Nodes], size: int) -> _Stack:
    table = np.zeros((6, len(seen), size))
    table[2] = 1.0
    for k, one in enumerate(seen):
        n = len(one.rows)
        for column, values in zip(table[:, k, :n], (*one, 1.0), strict=True):
            column[:] = values
    rows, means, counts, own, glow, real = table
    return _Stack(rows, means, counts, own, glow, real, tuple(nodes))


class _Model(NamedTuple):
    """Covariances of the witnesses with each other (`texture` without their noise) and with the nodes, and noise."""

    texture: Array
    covariance: Array
    to_nodes: Array
    cross: Array
    own: Array
    unit: Array


def _model(stack: _Stack, rough: Roughness) -> _Model:
    """Covariances in units of the pixel noise."""
    size, share = stack.rows.shape[1], stack.share
    largest = np.abs(stack.means).max(axis=1)
    unit = np.full(len(largest), rough.pixel) if rough.pixel else np.maximum(largest**2 * 1e-12, 1e-300)
    places = np.concatenate([stack.rows, stack.at], axis=1)
    beyond = np.ones(share.shape)
    lane, real = (np.concatenate([part, beyond], axis=1) for part in (stack.own, stack.real))
    both = lane[:, :, None] * lane[:, None, :]
    joint = matern(np.abs(places[:, :, None] - places[:, None, :]) / rough.length)
    joint *= rough.shared + rough.uneven * both
    joint += rough.level * both
    joint *= real[:, :, None] * real[:, None, :] / unit[:, None, None]
    to_nodes = joint[:, size:, :size]
    own = _dot(share, _times(joint[:, size:, size:], share))
    # Bins of a course share small-scale texture that does not average out over columns.
    # Pictures without noise: as little of it as the arithmetic needs beside the ground's own variances.
    least = 1e-9 + 1e-10 * (rough.shared + rough.uneven + rough.level + rough.row) / unit
    noise = np.maximum(rough.pixel / unit[:, None] / stack.counts, least[:, None])
    # A witness so unsure is none; more would only spoil the arithmetic.
    most = 1e5 * np.sqrt(np.where(stack.real > 0, noise, np.inf).min(axis=1))
    glow = np.minimum(stack.glow / np.sqrt(unit)[:, None], most[:, None])
    texture = joint[:, :size, :size] + glow[:, :, None] * glow[:, None, :]
    diagonal = np.arange(size)
    texture[:, diagonal, diagonal] += (rough.row / unit[:, None] + (RAGGED * glow) ** 2) * stack.real
    covariance = texture.copy()
    covariance[:, diagonal, diagonal] += np.where(stack.real > 0, noise, 1.0)
    return _Model(texture, covariance, to_nodes, _times(to_nodes.transpose(0, 2, 1), share), own, unit)


def _solve(stack: _Stack, rough: Roughness) -> list[Estimate]:
    """Universal kriging with a straight line; variances in units of the pixel noise."""
    model, at = _model(stack, rough), stack.at
    n = stack.real.sum(axis=1)
    level = stack.means.sum(axis=1) / n
    seen = stack.real > 0
    span = np.where(seen, stack.rows, -np.inf).max(axis=1) - np.where(seen, stack.rows, np.inf).min(axis=1)
    middle, length = _dot(stack.share, at)[:, None], np.maximum(span, 1.0)[:, None]
    drift = np.stack([stack.real, (stack.rows - middle) / length * stack.real], axis=2)
    off = (stack.means - level[:, None]) * stack.real
    solved = np.linalg.solve(
        model.covariance, np.concatenate([drift, off[:, :, None], model.cross[:, :, None]], axis=2)
    )
    lines, products = solved[:, :, :2], drift.transpose(0, 2, 1) @ solved
    # Rows on one side only, or a single one, leave the slope open: a faint prior keeps it at 0.
    a, b, d = products[:, 0, 0], products[:, 0, 1], products[:, 1, 1] + 1e-9 * products[:, 0, 0] + 1e-12
    inverse = np.stack([d, -b, -b, a], axis=1).reshape(-1, 2, 2) / (a * d - b * b)[:, None, None]
    beta = _times(inverse, products[:, :, 2])
    residual = solved[:, :, 2] - _times(lines, beta)
    at_nodes = level[:, None] + beta[:, :1] + beta[:, 1:] * (at - middle) / length + _times(model.to_nodes, residual)
    weights = solved[:, :, 3] + _times(lines, _times(inverse, np.array([1.0, 0.0]) - products[:, :, 3]))
    bend = model.own - 2 * _dot(weights, model.cross) + _dot(weights, _times(model.texture, weights))
    bend = np.maximum(bend, 0.0) * _local_scale(model, drift, residual / np.sqrt(model.unit)[:, None])
    leverage, counts = (weights**2 / stack.counts).sum(axis=1), (stack.counts * stack.real).sum(axis=1)
    sds = np.sqrt(bend * model.unit)
    return [
        Estimate(
            np.interp(nodes.rows, nodes.at, at_nodes[k])[:, None], float(leverage[k]), float(counts[k]), float(sds[k])
        )
        for k, nodes in enumerate(stack.nodes)
    ]


def _local_scale(model: _Model, drift: Array, residual: Array) -> Array:
    """How uneven the ground is around each band against the picture's, between a calm place and one with debris.

    One step of restricted maximum likelihood for the scale of the texture (Patterson & Thompson 1971), drawn towards 1,
    the picture's own estimate, as by a prior.
    """
    inverse = np.linalg.inv(model.covariance)
    solved = inverse @ drift
    normal = drift.transpose(0, 2, 1) @ solved
    # Rows on one side only leave the slope open, which the faint prior of the fit decides.
    normal[:, 1, 1] += 1e-9 * normal[:, 0, 0] + 1e-12
    inverse -= solved @ np.linalg.solve(normal, solved.transpose(0, 2, 1))
    mixed = inverse @ model.texture
    expected = np.trace(mixed, axis1=1, axis2=2)
    spread = (mixed * mixed.transpose(0, 2, 1)).sum(axis=(1, 2))
    told = (expected > 0) & (spread > 0)
    safe = np.where(told, expected, 1.0)
    seen = safe**2 / np.where(told, spread, 1.0)
    found = _dot(residual, _times(model.texture, residual)) / safe
    scale = np.where(told, (PRIOR_WEIGHT + seen * found) / (PRIOR_WEIGHT + seen), 1.0)
    return np.minimum(scale, MOST_UNEVEN)


def _times(matrices: Array, vectors: Array) -> Array:
    """Each matrix times its vector."""
    return np.asarray(np.matmul(matrices, vectors[:, :, None])[:, :, 0])


def _dot(a: Array, b: Array) -> Array:
    """Each pair of vectors multiplied."""
    return np.asarray(np.vecdot(a, b))
