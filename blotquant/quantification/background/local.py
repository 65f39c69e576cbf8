"""The likeliest level under a band, given the free rows of its own lane and the gaps beside it: kriging.

1. How rough the ground is between the bands is measured along the lanes and the gaps between them.
2. Each band asks the free rows above and below it, of its lane and of the gaps at its sides, in a window that grows
   until they say enough.
3. Down the lane the ground is taken for a smooth random course shared with the gaps, plus an uneven light of the lane's
   own, plus noise and a straight line. A gap beside a bright band may be lit by it: a glow of the band's own shape and
   unknown strength belongs to the gaps. The level under the band is then the best linear unbiased estimate, and its
   variance follows. A constant and a ramp come back exactly.

Notes
-----
Bands are solved in stacks of about as many witnesses, filled up with some that say nothing: a stack costs one call, and
what else lies in it changes no bit of an estimate.

References
----------
Matheron 1963; Cressie 1993, chapter 3. docs/methods.md, "Background".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Band, Lane, area_weights_of
from blotquant.quantification.background.background_pixels import Array, BackgroundPixels, Roughness, matern
from blotquant.quantification.background.methods import Aperture, Constant, Estimate, FittedBackground
from blotquant.quantification.background.row_shapes import OwnRows

GLOW = 0.3
"""SD of the share of a band's light that may lie on the gap beside it where bands touch or fuse."""

PRIOR_WEIGHT = 2.0
"""The picture's variances of the ground say as much of one place as so many independent free rows there."""

RAGGED = 0.3
"""SD of the glow on a gap from row to row, as a part of it."""

MOST_UNEVEN = 25.0
"""Largest variance of one place's ground against the picture's: beyond it a band was overlooked there, not ground."""

ROW_SHARED = 1.4
"""Where a band's own rows tell the ground, its SD is so many times the model's: what the row's fitted shape is off by
is the same in all lanes, so it does not show in what a lane leaves over. Of single bands of SNR 3 to 10 on hard
pictures 94 in place of 89 % lie inside their intervals (`tools/benchmarks/weighing_bench.py --n 25`)."""

FEWEST_WITNESSES = 3
"""Bins that tell a level and a slope."""

MOST_APART = 1.0
"""Own rows are not asked where, in the middle of a row's lanes, they put the ground farther than so many SDs from where
the rows around put it: clouds move lanes to either side, what moves all of them to one side is a shape that is not the
band's, as where proteins that nobody marked light its feet in every lane. Of the single bands of stained lanes 4 are
off by a fifth without a flag; 16 are where own rows are always asked, 1 where they never are
(`tools/benchmarks/own_rows.py`)."""

STACK = 8
"""Numbers of witnesses are rounded up to a multiple of this."""

STACK_NUMBERS = 2**17
"""Numbers in the matrices of one stack, 1 MB, of which ten are alive at once: they stay in the processor's cache."""


class Witnesses(NamedTuple):
    """Means of free pixels in bins of rows that tell of the ground under bands, one band a row.

    Attributes
    ----------
    rows, means, counts : ndarray, shape (n_bands, n)
        Mean row, mean count and number of the free pixels of each bin; 0 pixels fill the row up.
    own : ndarray, same shape
        1 for bins of the band's lane, 0 for those of the gaps beside it.
    glow : ndarray, same shape
        How far each may be lit by the bands beside it, in counts.
    """

    rows: Array
    means: Array
    counts: Array
    own: Array
    glow: Array


class Local(FittedBackground):
    """Kriging along the lane, with the gaps at its sides as a second witness.

    Parameters
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

    name = "local"

    def __init__(
        self, ground: BackgroundPixels, *, reach: float = 1.5, side: float = 0.2, min_bins: int = 5, max_bins: int = 60
    ) -> None:
        self.ground, self.rough = ground, ground.rough
        self.reach, self.side, self.min_bins, self.max_bins = reach, side, min_bins, max_bins
        # Filled as lanes are asked for.
        self.near_light: dict[str, Array] = {}

    def under(self, aperture: Aperture) -> Estimate:
        """Best linear unbiased estimate of the level along the aperture's rows."""
        return self.under_all([aperture])[0]

    def under_all(self, apertures: Sequence[Aperture]) -> list[Estimate]:
        """The same under many apertures at once; the picture's level where too few bins tell of it."""
        asked = [k for k, aperture in enumerate(apertures) if 0 not in aperture.shape]
        seen = self.witnesses([apertures[k] for k in asked])
        told = np.flatnonzero(np.count_nonzero(seen.counts, axis=1) >= FEWEST_WITNESSES)
        known = [asked[k] for k in told]
        solved = krige(
            Witnesses(*(part[told] for part in seen)),
            [apertures[k] for k in known],
            self.rough,
            self.ground.cells.steps[0],
            [self.ground.own_rows(apertures[k].band) for k in known],
        )
        found = dict(zip(known, solved, strict=True))
        rest = Constant(self.ground) if len(found) < len(apertures) else None
        return [found[k] if rest is None or k in found else rest.under(a) for k, a in enumerate(apertures)]

    def witnesses(self, apertures: Sequence[Aperture]) -> Witnesses:
        """Free rows above and below; a window grows until the lane, or failing that its sides, say enough."""
        cells, n_rows = self.ground.cells, self.ground.signal.shape[0]
        # Where each is read, and how far bands may light the gaps there.
        zones, dark = self.zones(apertures), np.zeros(cells.n_bins)
        light = np.array([dark if a.lane is None else self._light_beside(a.lane) for a in apertures])
        top, bottom = np.array([(a.box.row_start, a.box.row_stop) for a in apertures]).reshape(-1, 2).T
        reach, growing = self.reach * self.ground.band_height, np.arange(len(apertures))
        parts: list[tuple[NDArray[np.intp], Array]] = []
        while len(growing):
            start = np.maximum(top[growing] - reach, 0.0)
            stop = np.minimum(bottom[growing] + reach + 1, float(n_rows))
            bins, inside = cells.windows(start, stop)
            rows, means, counts = cells.read(zones[growing, :, :1], zones[growing, :, 1:], bins[:, None])
            counts = counts * inside[:, None]
            # Mean of the two gaps where both are free, so that a slope across the lane cancels.
            both = (counts[:, 1] > 0) & (counts[:, 2] > 0)
            rows[:, 1], means[:, 1] = (rows[:, 1] + rows[:, 2]) / 2, both * (means[:, 1] + means[:, 2]) / 2
            counts[:, 1] = both * (4 / (1 / np.maximum(counts[:, 1], 1e-9) + 1 / np.maximum(counts[:, 2], 1e-9)))
            # Enough is said by bins of the own lane above and below the band, or by many bins on whatever side.
            free = counts[:, :2] > 0
            n_own, n_sides = free.sum(axis=2).T
            above = np.where(free[:, 0], rows[:, 0], np.inf).min(axis=1) < top[growing]
            below = np.where(free[:, 0], rows[:, 0], -np.inf).max(axis=1) >= bottom[growing]
            enough = ((n_own >= self.min_bins) & above & below) | (n_own + n_sides > self.max_bins)
            done = enough | ((start == 0) & (stop == n_rows))
            lit = GLOW * light[growing[:, None], bins]
            own, glow = (np.stack(pair, axis=1) for pair in ((np.ones(lit.shape), 0 * lit), (0 * lit, lit)))
            table = np.stack([rows[:, :2], means[:, :2], counts[:, :2], own, glow])[:, done]
            parts.append((growing[done], table.reshape(5, table.shape[1], 2 * bins.shape[1])))
            growing, reach = growing[~done], 1.6 * reach
        # What says nothing goes to the end of each row.
        size = max((int(np.count_nonzero(table[2], axis=1).max(initial=0)) for _, table in parts), default=0)
        found = np.zeros((5, len(apertures), size))
        for members, table in parts:
            order = np.argsort(table[2] == 0, axis=1, kind="stable")[:, :size]
            packed = np.take_along_axis(table * (table[2] > 0), order[None], axis=2)
            found[:, members, : packed.shape[2]] = packed
        return Witnesses(*found)

    def zones(self, apertures: Sequence[Aperture]) -> Array:
        """Columns, half-open, of each aperture and of the gaps to its left and right, up to the neighbouring lanes."""
        start, stop = np.array([(a.box.col_start, a.box.col_stop) for a in apertures], float).reshape(-1, 2).T
        wide = np.maximum(np.rint(self.side * (stop - start)), 3)
        low, high = start - wide, stop + wide
        middle = np.array([a.middle_row for a in apertures])
        lane_ids = np.array([a.lane.id if a.lane is not None else "" for a in apertures])
        for lane in {a.lane.id: a.lane for a in apertures if a.lane is not None}.values():
            mine = lane_ids == lane.id
            for other in self.ground.beside(lane):
                center, half = other.center_at(middle[mine]), other.width_at(middle[mine]) / 2
                if other.number < lane.number:
                    low[mine] = np.maximum(low[mine], np.ceil(center + half))
                else:
                    high[mine] = np.minimum(high[mine], np.floor(center - half) + 1)
        # A single column says too little of a gap.
        left, right = np.where(start - low >= 2, start, low), np.where(high - stop >= 2, high, stop)
        return np.stack([start, stop, low, left, stop, right], axis=1).reshape(-1, 3, 2)

    def _light_beside(self, lane: Lane) -> Array:
        """Light of the brightest of a lane and its neighbours, in bins of rows; 0 of a lane that the picture lacks."""
        known = self.near_light.get(lane.id)
        if known is None:
            light = self.ground.light
            near = [light[other.id] for other in (lane, *self.ground.beside(lane))] if lane.id in light else []
            known = np.max(near, axis=0) if near else np.zeros(self.ground.cells.n_bins)
            self.near_light[lane.id] = known
        return known


def own_rows_agree(ground: BackgroundPixels, row: Sequence[Band]) -> bool:
    """Whether the own rows of a row of bands tell, on the whole, the ground that the rows around tell.

    Parameters
    ----------
    ground : BackgroundPixels
        Of the picture.
    row : sequence of Band
        Bands of one row, each with own rows (`RowShapes.under`).
    """
    lanes, shape = {lane.id: lane for lane in ground.lanes}, ground.signal.shape
    # The halves of a doublet have one outline and the same own rows.
    alone = list({band.outline: band for band in row}.values())
    covers = area_weights_of([band.outline for band in alone], shape)
    apertures = [
        Aperture(box=box, weights=weights, lane=lanes.get(band.lane))
        for band, (box, weights) in zip(alone, covers, strict=True)
    ]
    seen = Local(ground).witnesses(apertures)
    told = np.flatnonzero(np.count_nonzero(seen.counts, axis=1) >= FEWEST_WITNESSES)
    if ground.shapes is None or not len(told):
        return True
    common = Witnesses(*(part[told] for part in seen)), [apertures[k] for k in told], ground.rough
    step = ground.cells.steps[0]
    under = krige(*common, step, [ground.shapes.fitted[alone[k].id] for k in told])
    around = krige(*common, step)
    apart = [(a.values.mean() - b.values.mean()) / max(b.model_sd, 1e-9) for a, b in zip(under, around, strict=True)]
    return bool(abs(np.median(apart)) <= MOST_APART)


def krige(
    seen: Witnesses,
    apertures: Sequence[Aperture],
    rough: Roughness,
    step: int,
    own_rows: Sequence[OwnRows | None] | None = None,
) -> list[Estimate]:
    """Estimate the ground under bands, each from its own witnesses.

    Parameters
    ----------
    seen : Witnesses
        Three or more for each band, those that say nothing last.
    apertures : sequence of Aperture
        Where the level is wanted.
    rough : Roughness
        Of the picture's ground.
    step : int
        Rows between two places at which the level is solved for.
    own_rows : sequence of OwnRows or None, optional
        Rows that each band lights itself, in place of those of its lane that are free among them.
    """
    # Bands with about as many witnesses and nodes are solved together.
    nodes = _nodes(apertures, step)
    told = own_rows or [None] * len(apertures)
    more = max((len(own.rows) for own in told if own is not None), default=0)
    wide = np.stack([np.pad(part, ((0, 0), (0, more + -(part.shape[1] + more) % STACK))) for part in seen])
    for k, own in enumerate(told):
        if own is not None:
            among = (wide[3, k] > 0) & (wide[0, k] >= own.rows[0]) & (wide[0, k] <= own.rows[-1])
            free = wide[:, k, (wide[2, k] > 0) & ~among]
            wide[:, k] = 0.0
            wide[:, k, : free.shape[1]] = free
            wide[:, k, free.shape[1] : free.shape[1] + len(own.rows)] = [*own[:3], np.ones_like(own.rows), 0 * own.rows]
    n_seen = np.count_nonzero(wide[2], axis=1)
    stacks: dict[tuple[int, int, int], list[int]] = {}
    for k, (places, own) in enumerate(zip(nodes, told, strict=True)):
        n_bands = 0 if own is None else own.shapes.shape[1]
        stacks.setdefault((-(-int(n_seen[k]) // STACK) * STACK, len(places.at), n_bands), []).append(k)
    found: dict[int, Estimate] = {}
    for (size, n_nodes, n_bands), members in stacks.items():
        most = max(STACK_NUMBERS // (size + n_nodes) ** 2, 1)
        for part in (members[k : k + most] for k in range(0, len(members), most)):
            lit = _lit(part, told, apertures, n_seen, (size, n_bands))
            stack = Witnesses(*wide[:, part, :size])
            found |= zip(part, _solve(stack, lit, [nodes[k] for k in part], rough), strict=True)
    return [found[k] for k in range(len(apertures))]


class _Nodes(NamedTuple):
    """Rows on which the level is estimated, the aperture's share of each, and the aperture's own rows."""

    at: Array
    share: Array
    rows: Array


def _nodes(apertures: Sequence[Aperture], step: int) -> list[_Nodes]:
    """Nodes of apertures: a row's part of its aperture goes to the two nodes beside it."""
    first, last = np.array([(a.box.row_start, a.box.row_stop) for a in apertures], int).reshape(-1, 2).T
    height = last - first
    cover = np.concatenate([np.zeros(0), *(a.cover for a in apertures)])
    stops = np.cumsum(height)
    of_rows = np.repeat(np.arange(len(apertures)), height)
    area = np.bincount(of_rows, cover, len(apertures))
    share = np.where(area[of_rows] > 0, cover / np.where(area > 0, area, 1.0)[of_rows], 1 / height[of_rows])
    n = np.maximum(2, -(-height // step) + 1)
    gap = np.maximum((height - 1) / (n - 1), 1e-9)
    down = np.arange(len(cover)) - (stops - height)[of_rows]
    place = down / gap[of_rows]
    low = np.minimum(place.astype(int), n[of_rows] - 2)
    part, begins = place - low, np.cumsum(n) - n
    at = begins[of_rows] + low
    total = int(n.sum())
    shares = np.bincount(at, share * (1 - part), total) + np.bincount(at + 1, share * part, total)
    return [
        _Nodes(np.asarray(r + g * np.arange(m)), np.asarray(shares[b : b + m], float), np.arange(r, s, dtype=float))
        for r, s, g, b, m in zip(first, last, gap, begins, n, strict=True)
    ]


def _lit(
    part: Sequence[int],
    told: Sequence[OwnRows | None],
    apertures: Sequence[Aperture],
    n_seen: NDArray[np.intp],
    shape: tuple[int, int],
) -> tuple[Array, Array, Array]:
    """Light of bands of height 1 on witnesses, own rows last, its doubt (counts squared), and the aperture's cover."""
    size, n_bands = shape
    shapes, within = np.zeros((len(part), size, n_bands)), np.zeros((len(part), size))
    doubt = np.zeros((len(part), size, size) if n_bands else (len(part), 1, 1))
    for at, k in enumerate(part):
        if (own := told[k]) is not None:
            last = slice(n_seen[k] - len(own.rows), n_seen[k])
            shapes[at, last], doubt[at, last, last] = own.shapes, own.doubt
            cover = apertures[k].cover / max(int(np.count_nonzero(apertures[k].tall)), 1)
            rows = np.arange(apertures[k].box.row_start, apertures[k].box.row_stop)
            within[at, last] = np.interp(own.rows, rows, cover, left=0.0, right=0.0)
    return shapes, doubt, within


class _Model(NamedTuple):
    """Covariances of the witnesses with each other (`texture` without their noise) and with the nodes, and noise."""

    texture: Array
    covariance: Array
    to_nodes: Array
    cross: Array
    own: Array
    unit: Array


def _model(stack: Witnesses, doubt: Array, at: Array, share: Array, rough: Roughness) -> _Model:
    """Covariances in units of the pixel noise; `at` and `share` are the nodes' rows and their parts of the aperture."""
    size, real = stack.rows.shape[1], stack.counts > 0
    largest = np.abs(stack.means).max(axis=1)
    unit = np.full(len(largest), rough.pixel) if rough.pixel else np.maximum(largest**2 * 1e-12, 1e-300)
    # The course that lane and gaps share, and the lane's own, between all witnesses and nodes.
    places = np.concatenate([stack.rows, at], axis=1)
    lane, exists = (np.concatenate([part, np.ones(share.shape)], axis=1) for part in (stack.own, real))
    both = lane[:, :, None] * lane[:, None, :]
    joint = matern(np.abs(places[:, :, None] - places[:, None, :]) / rough.length)
    joint *= rough.shared + rough.uneven * both
    joint += rough.level * both
    joint *= exists[:, :, None] * exists[:, None, :] / unit[:, None, None]
    to_nodes = joint[:, size:, :size]
    own = _dot(share, _times(joint[:, size:, size:], share))
    # Bins of a course share small-scale texture that does not average out over columns.
    # Pictures without noise: as little of it as the arithmetic needs beside the ground's own variances.
    least = 1e-9 + 1e-10 * (rough.shared + rough.uneven + rough.level + rough.row) / unit
    noise = np.maximum(rough.pixel / unit[:, None] / np.where(real, stack.counts, 1.0), least[:, None])
    # A witness so unsure is none; more would only spoil the arithmetic.
    most = 1e5 * np.sqrt(np.where(real, noise, np.inf).min(axis=1))
    glow = np.minimum(stack.glow / np.sqrt(unit)[:, None], most[:, None])
    texture = joint[:, :size, :size] + glow[:, :, None] * glow[:, None, :] + doubt / unit[:, None, None]
    diagonal = np.arange(size)
    texture[:, diagonal, diagonal] += (rough.row / unit[:, None] + (RAGGED * glow) ** 2) * real
    covariance = texture.copy()
    covariance[:, diagonal, diagonal] += np.where(real, noise, 1.0)
    return _Model(texture, covariance, to_nodes, _times(to_nodes.transpose(0, 2, 1), share), own, unit)


def _solve(stack: Witnesses, lit: Sequence[Array], nodes: Sequence[_Nodes], rough: Roughness) -> list[Estimate]:
    """Universal kriging with a straight line and bands' heights; variances in units of the pixel noise."""
    at, share = np.stack([n.at for n in nodes]), np.stack([n.share for n in nodes])
    shapes, doubt, within = lit
    model, seen = _model(stack, doubt, at, share, rough), stack.counts > 0
    level = stack.means.sum(axis=1) / seen.sum(axis=1)
    # The straight line is fitted around the aperture's middle, in units of the witnesses' span.
    span = np.where(seen, stack.rows, -np.inf).max(axis=1) - np.where(seen, stack.rows, np.inf).min(axis=1)
    middle, length = _dot(share, at)[:, None], np.maximum(span, 1.0)[:, None]
    drift = np.concatenate([np.stack([seen, (stack.rows - middle) / length * seen], axis=2), shapes], axis=2)
    off = (stack.means - level[:, None]) * seen
    solved = np.linalg.solve(
        model.covariance, np.concatenate([drift, off[:, :, None], model.cross[:, :, None]], axis=2)
    )
    n = drift.shape[2]
    lines, products = solved[:, :, :n], drift.transpose(0, 2, 1) @ solved
    # Rows on one side only, or a single one, leave the slope open: a faint prior keeps it at 0.
    normal = products[:, :, :n]
    normal[:, 1:, 1:] += np.eye(n - 1) * (1e-9 * normal[:, 0, 0] + 1e-12)[:, None, None]
    inverse = np.linalg.inv(normal)
    beta = _times(inverse, products[:, :, n])
    residual = solved[:, :, n] - _times(lines, beta)
    at_nodes = level[:, None] + beta[:, :1] + beta[:, 1:2] * (at - middle) / length + _times(model.to_nodes, residual)
    weights = solved[:, :, -1] + _times(lines, _times(inverse, np.eye(n)[0] - products[:, :, -1]))
    # How far the course may bend under the band: what its covariance leaves open, by the place's own scale.
    bend = model.own - 2 * _dot(weights, model.cross) + _dot(weights, _times(model.texture, weights))
    scale = _local_scale(model, drift, residual / np.sqrt(model.unit)[:, None]) * model.unit
    by_shape = _dot(weights, _times(doubt, weights)) / model.unit if n > 2 else np.zeros(len(weights))
    beyond = np.maximum(bend - by_shape, 0.0)
    if n > 2:
        # An empty place has no shape to be wrong about: the limits of detection leave this part out.
        by_shape += (ROW_SHARED**2 - 1) * bend
    leverage, counts = (weights**2 / np.where(seen, stack.counts, 1.0)).sum(axis=1), stack.counts.sum(axis=1)
    sds, shape_sds = np.sqrt(beyond * scale), np.sqrt(np.maximum(by_shape, 0.0) * scale)
    told = zip(leverage, counts, sds, shape_sds, _dot(weights, within), strict=True)
    return [
        Estimate(np.interp(of.rows, of.at, level)[:, None], *(float(value) for value in values))
        for of, level, values in zip(nodes, at_nodes, told, strict=True)
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
    normal[:, 1:, 1:] += np.eye(normal.shape[1] - 1) * (1e-9 * normal[:, 0, 0] + 1e-12)[:, None, None]
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
