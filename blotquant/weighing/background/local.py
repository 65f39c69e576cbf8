"""The likeliest level under a band, given the free rows of its own lane and the gaps beside it: kriging.

Down the lane the ground is taken for a smooth random course shared with the gaps beside it, plus an uneven light of
the lane's own, plus noise and a straight line; how strong each is, is measured on the picture's own free rows. A gap
beside a bright band may be lit by it: a glow of the band's own shape and unknown strength belongs to the gaps. The
level under a band is then the best linear unbiased estimate, and its variance follows (Matheron 1963; Cressie 1993,
chapter 3). A constant and a ramp come back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blotquant.geometry import Lane
from blotquant.weighing.background.base import Aperture, Array, Estimate, Ground
from blotquant.weighing.background.courses import Course, both_sides
from blotquant.weighing.background.roughness import Roughness, matern, measure_roughness
from blotquant.weighing.background.simple import Constant

PRIOR_WEIGHT = 2.0
"""The picture's variances of the ground say as much of one place as so many independent free rows there."""

GLOW = 0.3
"""SD of the share of a band's light that may lie on the gap beside it where bands touch or fuse."""

RAGGED = 0.3
"""SD of that glow from row to row, as a part of it."""


class Witnesses(NamedTuple):
    """Means of free pixels in bins of rows, and how far each may be lit by the bands beside it, in counts."""

    rows: Array
    means: Array
    counts: Array
    own: NDArray[np.bool_]
    glow: Array


@dataclass(frozen=True)
class Local:
    """Kriging along the lane, with the gaps at its sides as a second witness.

    Attributes
    ----------
    reach : float
        How far beyond the aperture free rows are used, in band heights; further where too few are free.
    side : float
        Width of the gap used on either side, as a part of the aperture's width, where neighbours leave it.
    min_bins : int
        Bins of the own lane that are enough.
    max_bins : int
        Bins of lane and gaps together at which the window no longer grows.
    """

    reach: float = 1.5
    side: float = 0.2
    min_bins: int = 5
    max_bins: int = 60
    name: str = "local"

    def fit(self, ground: Ground) -> LocalSurface:
        """Measure how rough the ground is; levels are estimated when a band is asked for."""
        return LocalSurface(self, ground, measure_roughness(ground))


@dataclass(frozen=True, eq=False)
class LocalSurface:
    """The method on one picture."""

    method: Local
    ground: Ground
    rough: Roughness

    def under(self, aperture: Aperture) -> Estimate:
        """Best linear unbiased estimate of the level along the aperture's rows."""
        if 0 in aperture.shape:
            return Constant().fit(self.ground).under(aperture)
        witnesses = self._witnesses(aperture)
        if len(witnesses.rows) < 3:
            return Constant().fit(self.ground).under(aperture)
        return _krige(witnesses, aperture, self.rough, self.ground.cells.steps[0])

    def _witnesses(self, aperture: Aperture) -> Witnesses:
        """Free rows above and below; the window grows until the lane, or failing that its sides, say enough."""
        box, cells, n_rows = aperture.box, self.ground.cells, self.ground.signal.shape[0]
        left, right = self._gaps(aperture)
        reach = self.method.reach * self.ground.band_height
        while True:
            start, stop = max(box.row_start - reach, 0.0), min(box.row_stop + reach + 1, float(n_rows))
            bins = cells.bins(start, stop)
            own = cells.read(box.col_start, box.col_stop, bins)
            sides = both_sides(cells.read(*left, bins), cells.read(*right, bins))
            rows = own.rows[own.counts > 0]
            two_sided = len(rows) > 0 and rows[0] < box.row_start and rows[-1] >= box.row_stop
            enough = len(rows) >= self.method.min_bins and two_sided
            many = len(rows) + int((sides.counts > 0).sum()) > self.method.max_bins
            if enough or many or (start == 0 and stop == n_rows):
                return self._gather(own, sides, aperture.lane, bins)
            reach *= 1.6

    def _gaps(self, aperture: Aperture) -> tuple[tuple[float, float], tuple[float, float]]:
        """Columns of the gaps to the left and right of the aperture, up to the neighbouring lanes."""
        box, wide = aperture.box, max(round(self.method.side * aperture.shape[1]), 3)
        low, high = float(box.col_start - wide), float(box.col_stop + wide)
        middle = aperture.center[0]
        for other in self.ground.beside(aperture.lane) if aperture.lane is not None else ():
            center, half = float(other.center_at(middle)), float(other.width_at(middle)) / 2
            if aperture.lane is not None and other.number < aperture.lane.number:
                low = max(low, np.ceil(center + half))
            else:
                high = min(high, np.floor(center - half) + 1)
        # A single column says too little of a gap.
        return (
            (low, box.col_start if box.col_start - low >= 2 else low),
            (box.col_stop, high if high - box.col_stop >= 2 else box.col_stop),
        )

    def _gather(self, own: Course, sides: Course, lane: Lane | None, bins: slice) -> Witnesses:
        in_own, in_sides = own.counts > 0, sides.counts > 0
        seen = [np.concatenate(pair) for pair in zip(own.part(in_own), sides.part(in_sides), strict=True)]
        n, glow = int(in_own.sum()), np.zeros(len(seen[0]))
        if lane is not None and lane.id in self.ground.light:
            near = [lane, *self.ground.beside(lane)]
            light = np.max([self.ground.light[other.id][bins] for other in near], axis=0)
            glow[n:] = GLOW * light[in_sides]
        return Witnesses(seen[0], seen[1], seen[2], np.arange(len(glow)) < n, glow)


def _nodes(aperture: Aperture, step: int) -> tuple[Array, Array, Array]:
    """Rows on which the level is estimated, the aperture's share of each, and the aperture's own rows."""
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
    return np.asarray(rows[0] + gap * np.arange(n)), np.asarray(shares, dtype=float), rows


def _krige(seen: Witnesses, aperture: Aperture, rough: Roughness, step: int) -> Estimate:
    """Universal kriging with a straight line; variances in units of the pixel noise."""
    nodes, share, rows = _nodes(aperture, step)
    n = len(seen.rows)
    level = float(seen.means.mean())
    unit = rough.pixel or max(float(np.abs(seen.means).max()) ** 2 * 1e-12, 1e-300)
    places = np.concatenate([seen.rows, nodes])
    lane = np.ones(len(places))
    lane[:n] = seen.own
    both = lane[:, None] * lane
    alike = matern(np.abs(places[:, None] - places) / rough.length)
    joint = (alike * (rough.shared + rough.uneven * both) + rough.level * both) / unit
    texture, cross = joint[:n, :n], share @ joint[n:, :n]
    own = float(share @ joint[n:, n:] @ share)
    # Bins of a course share small-scale texture that does not average out over columns.
    # Pictures without noise: as little of it as the arithmetic needs beside the ground's own variances.
    least = 1e-9 + 1e-10 * (rough.shared + rough.uneven + rough.level + rough.row) / unit
    own_noise = np.maximum(rough.pixel / unit / seen.counts, least)
    # A witness so unsure is none; more would only spoil the arithmetic.
    glow = np.minimum(seen.glow / np.sqrt(unit), 1e5 * np.sqrt(float(own_noise.min())))
    texture += glow[:, None] * glow
    diagonal = np.arange(n)
    texture[diagonal, diagonal] += rough.row / unit + (RAGGED * glow) ** 2
    covariance = texture.copy()
    covariance[diagonal, diagonal] += own_noise
    middle, length = float(share @ nodes), max(float(np.ptp(seen.rows)), 1.0)
    sides = np.empty((n, 4))
    sides[:, 0], sides[:, 1] = 1.0, (seen.rows - middle) / length
    sides[:, 2], sides[:, 3] = seen.means - level, cross
    solved = np.linalg.solve(covariance, sides)
    products = sides[:, :2].T @ solved
    # Rows on one side only, or a single one, leave the slope open: a faint prior keeps it at 0.
    a, b, d = products[0, 0], products[0, 1], products[1, 1] + 1e-9 * products[0, 0] + 1e-12
    inverse = np.array([[d, -b], [-b, a]]) / (a * d - b * b)
    beta = inverse @ products[:, 2]
    residual = solved[:, 2] - solved[:, :2] @ beta
    at_nodes = level + beta[0] + beta[1] * (nodes - middle) / length + joint[n:, :n] @ residual
    weights = solved[:, 3] + solved[:, :2] @ (inverse @ (np.array([1.0, 0.0]) - products[:, 3]))
    bend = max(own - 2 * float(weights @ cross) + float(weights @ texture @ weights), 0.0)
    bend *= _local_scale(covariance, texture, sides[:, :2], residual / np.sqrt(unit))
    return Estimate(
        np.interp(rows, nodes, at_nodes)[:, None],
        float((weights**2 / seen.counts).sum()),
        float(seen.counts.sum()),
        float(np.sqrt(bend * unit)),
    )


def _local_scale(covariance: Array, texture: Array, drift: Array, residual: Array) -> float:
    """How uneven the ground is around one band against the picture's, between a calm place and one with debris.

    One step of restricted maximum likelihood for the scale of `texture` (Patterson & Thompson 1971), drawn towards 1,
    the picture's own estimate, as by a prior.
    """
    inverse = np.linalg.inv(covariance)
    solved = inverse @ drift
    # Rows on one side only leave the slope open, which the faint prior of the fit decides.
    faint = np.diag([0.0, 1e-9 * float(drift[:, 0] @ solved[:, 0]) + 1e-12])
    inverse -= solved @ np.linalg.solve(drift.T @ solved + faint, solved.T)
    mixed = inverse @ texture
    expected = float(np.trace(mixed))
    spread = float(np.einsum("ij,ji->", mixed, mixed))
    if not (expected > 0 and spread > 0):
        return 1.0
    seen = expected**2 / spread
    found = float(residual @ texture @ residual) / expected
    return (PRIOR_WEIGHT + seen * found) / (PRIOR_WEIGHT + seen)
