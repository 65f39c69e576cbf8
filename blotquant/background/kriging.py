"""The likeliest level under a band given everything free around it: kriging with a linear trend.

The ground is taken for a smooth random surface, plus an uneven light of each lane, plus noise; how strong each is
is measured on the picture's own free cells. The level under a band is then the best linear unbiased estimate from
the free cells on all sides of it, and its variance follows (Matheron 1963; Cressie 1993, chapter 3). A constant and
a plane come back exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blotquant.background.base import Aperture, Array, Estimate, Ground, bin_cells
from blotquant.background.simple import Constant
from blotquant.geometry import Lane
from blotquant.uncertainty import robust_sd


@dataclass(frozen=True)
class Kriging:
    """Kriging over cells of the ground.

    Attributes
    ----------
    cells_high, cells_wide : float
        Cells in a band's height, and in a lane's pitch.
    reach_rows, reach_cols : float
        How far around the aperture cells are used: in band heights, and in lane pitches.
    length : float
        Over how many band heights the ground is alike.
    max_cells : int
        The nearest so many cells are used.
    """

    cells_high: float = 5.0
    cells_wide: float = 10.0
    reach_rows: float = 2.0
    reach_cols: float = 0.45
    length: float = 3.0
    lane_length: float = 1.0
    max_cells: int = 160
    name: str = "surface"

    def fit(self, ground: Ground) -> KrigedSurface:
        """Measure how rough the ground is."""
        steps = (max(1, round(ground.band_height / self.cells_high)), max(1, round(ground.lane_pitch / self.cells_wide)))
        mean, count = bin_cells(ground.signal, ground.usable, steps)
        free = count >= 0.999 * steps[0] * steps[1]
        in_lane = paint_lanes(ground.lanes, mean.shape, steps)
        rough = _measure_roughness(self, ground, mean, free, in_lane, steps)
        return KrigedSurface(self, ground, mean, free, in_lane, steps, rough)


@dataclass(frozen=True)
class Roughness:
    """Variances in counts squared: of one cell's noise, the smooth surface, a lane's level, and its unevenness."""

    noise: float
    smooth: float
    lane_level: float
    lane_uneven: float


MIXED = -3


def paint_lanes(lanes: tuple[Lane, ...], shape: tuple[int, ...], steps: tuple[int, int]) -> NDArray[np.int_]:
    """Index of the lane that each cell's centre lies in; -1 between lanes."""
    painted = np.full(shape, -1)
    blur = steps[1] / 2 + 1
    rows = np.arange(shape[0]) * steps[0] + (steps[0] - 1) / 2
    cols = np.arange(shape[1]) * steps[1] + (steps[1] - 1) / 2
    for index, lane in enumerate(lanes):
        top, bottom = lane.row_range
        half = lane.width_at(rows)[:, None] / 2
        off = np.abs(cols[None, :] - lane.center_at(rows)[:, None])
        along = ((rows >= top - 0.5) & (rows <= bottom + 0.5))[:, None]
        painted[(off < half + blur) & along & (painted == -1)] = MIXED
        painted[(off <= half - blur) & along] = index
    return painted


def _measure_roughness(method: Kriging, ground: Ground, mean: Array, free: NDArray[np.bool_], in_lane: NDArray[np.int_],
                       steps: tuple[int, int]) -> Roughness:
    curl = mean[:, 1:-1] - (mean[:, :-2] + mean[:, 2:]) / 2
    calm = free[:, 1:-1] & free[:, :-2] & free[:, 2:] & (in_lane[:, :-2] == in_lane[:, 2:]) & (in_lane[:, 1:-1] == in_lane[:, 2:])
    noise = robust_sd(curl[calm]) ** 2 / 1.5
    smooth, uneven = _surface_variances(method, ground, _without_plane(mean, free), free, in_lane, steps, noise)
    across = mean[:, 2:] - mean[:, :-2]
    edge = free[:, 2:] & free[:, :-2] & (in_lane[:, 1:-1] == MIXED) & ((in_lane[:, 2:] == -1) != (in_lane[:, :-2] == -1))
    level = max(robust_sd(across[edge]) ** 2 - 2 * noise, 0.0) if edge.sum() > 20 else 0.0
    return Roughness(noise, smooth, 4 * level, uneven)


def _without_plane(mean, free):
    rows, cols = np.nonzero(free)
    if len(rows) < 10:
        return mean
    basis = np.column_stack([np.ones(len(rows)), rows, cols])
    fit = np.linalg.lstsq(basis, mean[rows, cols], rcond=None)[0]
    r, c = np.indices(mean.shape, sparse=True)
    return mean - (fit[0] + fit[1] * r + fit[2] * c)


def _surface_variances(method, ground, flat, free, in_lane, steps, noise):
    length = method.length * ground.band_height
    lag_r = max(1, round(ground.band_height / steps[0]))
    lag_c = max(1, round(ground.lane_pitch / steps[1]))
    found = {}
    for dr, dc in ((lag_r, 0), (2 * lag_r, 0), (0, lag_c), (0, 2 * lag_c)):
        h, w = flat.shape
        if dr >= h or dc >= w:
            continue
        a, b = (slice(dr, h), slice(dc, w)), (slice(0, h - dr), slice(0, w - dc))
        both = free[a] & free[b]
        distance = np.hypot(dr * steps[0], dc * steps[1]) / length
        for gutter in (True, False):
            if not gutter and dc:
                continue
            ok = both & ((in_lane[a] == -1) & (in_lane[b] == -1) if gutter else (in_lane[a] >= 0) & (in_lane[a] == in_lane[b]))
            n = int(ok.sum())
            if n >= 20:
                half = robust_sd((flat[a] - flat[b])[ok]) ** 2 / 2
                found[dr, dc, gutter] = (max(half - noise, 0.0), 1 - matern(distance), n)
    gutters = [v for (_, _, g), v in found.items() if g]
    use = gutters or list(found.values())
    if not use:
        return 0.0, 0.0
    excess, unlike, n = np.array(use).T
    weights = np.minimum(n, 2000.0)
    smooth = float((weights * excess / unlike).sum() / weights.sum())
    uneven = 0.0
    if (lag_r, 0, False) in found and gutters:
        half, unlike1, _ = found[lag_r, 0, False]
        uneven = max(half - smooth * unlike1, 0.0) / (1 - np.exp(-1 / method.lane_length))
    return smooth, uneven


def matern(distance: Array | float) -> Array | float:
    """Correlation of a once-differentiable random surface (Matern 3/2) at a distance in units of its length."""
    scaled = np.sqrt(3) * distance
    return (1 + scaled) * np.exp(-scaled)


@dataclass(frozen=True, eq=False)
class KrigedSurface:
    method: Kriging
    ground: Ground
    mean: Array
    free: NDArray[np.bool_]
    in_lane: NDArray[np.int_]
    steps: tuple[int, int]
    rough: Roughness

    def under(self, aperture: Aperture) -> Estimate:
        lane = self._lane_of(aperture)
        target_r, target_c, t = self._targets(aperture)
        rows, cols = self._free_cells(aperture, lane, target_r, target_c)
        if len(rows) < 6:
            return Constant().fit(self.ground).under(aperture)
        return self._krige(aperture, lane, (rows, cols), (target_r, target_c, t))

    def _lane_of(self, aperture: Aperture) -> int:
        lanes = self.ground.lanes
        return next((k for k, lane in enumerate(lanes) if aperture.lane is not None and lane.id == aperture.lane.id), -2)

    def _targets(self, aperture: Aperture):
        box, (sr, sc) = aperture.box, self.steps
        r = np.arange(max((box.row_start - sr // 2) // sr, 0), min(-(-(box.row_stop + sr // 2) // sr), self.mean.shape[0]))
        c = np.arange(max((box.col_start - sc // 2) // sc, 0), min(-(-(box.col_stop + sc // 2) // sc), self.mean.shape[1]))
        wr = linear_weights(aperture.weights.sum(axis=1), box.row_start, r, sr)
        wc = linear_weights(aperture.weights.sum(axis=0), box.col_start, c, sc)
        t = np.outer(wr, wc)
        return r, c, t / t.sum()

    def _free_cells(self, aperture, lane, tr, tc):
        mr = int(np.ceil(self.method.reach_rows * self.ground.band_height / self.steps[0]))
        mc = int(np.ceil(self.method.reach_cols * self.ground.lane_pitch / self.steps[1]))
        while True:
            r0, r1 = max(tr[0] - mr, 0), min(tr[-1] + mr + 1, self.mean.shape[0])
            c0, c1 = max(tc[0] - mc, 0), min(tc[-1] + mc + 1, self.mean.shape[1])
            own = self.in_lane[r0:r1, c0:c1]
            ok = self.free[r0:r1, c0:c1] & ((own == lane) | (own == -1))
            rows, cols = np.nonzero(ok)
            whole = r0 == 0 and c0 == 0 and r1 == self.mean.shape[0] and c1 == self.mean.shape[1]
            if len(rows) >= 40 or whole:
                break
            mr, mc = int(mr * 1.4) + 1, mc + 1
        rows, cols = rows + r0, cols + c0
        if len(rows) > self.method.max_cells:
            dr = np.maximum(np.maximum(tr[0] - rows, rows - tr[-1]), 0) * self.steps[0]
            dc = np.maximum(np.maximum(tc[0] - cols, cols - tc[-1]), 0) * self.steps[1]
            keep = np.argsort(dr**2 + dc**2, kind="stable")[: self.method.max_cells]
            rows, cols = rows[keep], cols[keep]
        return rows, cols

    def _covariance(self, r1, c1, l1, r2, c2, l2):
        length = self.method.length * self.ground.band_height
        dr = (r1[:, None] - r2[None, :]) * (self.steps[0] / length)
        dc = (c1[:, None] - c2[None, :]) * (self.steps[1] / length)
        k = self.rough.smooth * matern(np.sqrt(dr * dr + dc * dc))
        if self.rough.lane_level > 0 or self.rough.lane_uneven > 0:
            both = l1[:, None] & l2[None, :]
            ll = np.exp(-np.abs(dr) * (self.method.length / self.method.lane_length))
            k = k + both * (self.rough.lane_level + self.rough.lane_uneven * ll)
        return k

    def _krige(self, aperture, lane, cells, targets) -> Estimate:
        rows, cols = cells
        tr, tc, t = targets
        gr, gc = (a.ravel() for a in np.meshgrid(tr, tc, indexing="ij"))
        lo = self.in_lane[rows, cols] == lane
        lt = np.ones(len(gr), bool)
        z = self.mean[rows, cols]
        noise = max(self.rough.noise, 1e-12 * float(np.mean(z * z)) + 1e-300)
        scale = noise
        K = self._covariance(rows, cols, lo, rows, cols, lo) / scale
        K[np.diag_indices_from(K)] += 1.0
        cross = self._covariance(rows, cols, lo, gr, gc, lt) / scale
        mid_r, mid_c = aperture.center[0] / self.steps[0], aperture.center[1] / self.steps[1]
        def basis(r, c):
            return np.column_stack([np.ones(len(r)), (r - mid_r) / 10, (c - mid_c) / 10])
        X, Xt = basis(rows, cols), basis(gr, gc)
        from scipy.linalg import cho_factor, cho_solve
        f = cho_factor(K, lower=True, check_finite=False)
        sol = cho_solve(f, np.column_stack([X, z - z.mean(), cross @ t.ravel()]), check_finite=False)
        XtKX = X.T @ sol[:, :3]
        beta = np.linalg.solve(XtKX, X.T @ sol[:, 3])
        alpha = sol[:, 3] - sol[:, :3] @ beta
        pred = Xt @ beta + cross.T @ alpha + z.mean()
        # weights of the aperture's mean on the cells
        xt = Xt.T @ t.ravel()
        lam = sol[:, 4] + sol[:, :3] @ np.linalg.solve(XtKX, xt - X.T @ sol[:, 4])
        Ktt = float(t.ravel() @ (self._covariance(gr, gc, lt, gr, gc, lt) / scale) @ t.ravel())
        k0 = cross @ t.ravel()
        var_model = Ktt - 2 * lam @ k0 + lam @ (K @ lam) - float(lam @ lam)
        per = self.steps[0] * self.steps[1]
        values = spread_cells(pred.reshape(t.shape), tr, tc, self.steps, aperture)
        nb = 1 / float(lam @ lam) * per
        cell_excess = max(scale - self.ground.noise**2 / per, 0.0) * float(lam @ lam)
        return Estimate(values, 1 / nb, float(len(rows) * per), float(np.sqrt(max(var_model, 0.0) * scale + cell_excess)))


def linear_weights(profile, start, index, step):
    place = np.clip((np.arange(start, start + len(profile)) - (step - 1) / 2) / step - index[0], 0, len(index) - 1)
    low = np.minimum(place.astype(int), max(len(index) - 2, 0))
    high = np.minimum(low + 1, len(index) - 1)
    out = np.zeros(len(index))
    np.add.at(out, low, profile * (1 - (place - low)))
    np.add.at(out, high, profile * (place - low))
    return out


def spread_cells(cells, tr, tc, steps, aperture):
    box = aperture.box
    out = cells
    for axis, (start, stop, index, step) in enumerate(((box.row_start, box.row_stop, tr, steps[0]), (box.col_start, box.col_stop, tc, steps[1]))):
        place = (np.arange(start, stop) - (step - 1) / 2) / step - index[0]
        low = np.clip(np.floor(place).astype(int), 0, max(len(index) - 2, 0))
        high = np.minimum(low + 1, len(index) - 1)
        f = place - low
        f = f[:, None] if axis == 0 else f[None, :]
        out = np.take(out, low, axis=axis) * (1 - f) + np.take(out, high, axis=axis) * f
    return out
