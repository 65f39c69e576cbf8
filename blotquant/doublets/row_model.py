"""The model of a row: one or two bands of a shared shape over a local background in every lane.

1. `row_profile` sums the counts across a band's middle columns, along its outline's bend.
2. A band falls off from its peak as `steepness` says: a Gaussian, flatter on top, or with tails, each half its own.
   All lanes share shape and spacing; heights and a sloping background are free in each, and each may lie a little off.
3. Heights and backgrounds are solved exactly inside the search for the shared values and the lanes' shifts.

References
----------
Variable projection: Golub and Pereyra 1973, in Kaufman's form. docs/methods.md, "Bands that touch".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.model.geometry import Band, Polygon, bounding_box, polygon
from blotquant.model.image import FloatImage

Array = NDArray[np.float64]


def edges(outline: Polygon, cols: Array) -> tuple[Array, Array]:
    """Topmost and bottommost row of an outline at some columns; beyond its ends those of its last column."""
    points = np.asarray(outline)
    a, b = points, np.roll(points, -1, axis=0)
    low, high = points[:, 1].min() + 1e-6, points[:, 1].max() - 1e-6
    at = np.clip(np.asarray(cols, dtype=float), low, high)[:, None]
    width = b[:, 1] - a[:, 1]
    crossing = (np.minimum(a[:, 1], b[:, 1]) <= at) & (at <= np.maximum(a[:, 1], b[:, 1])) & (width != 0)
    rows = a[:, 0] + (b[:, 0] - a[:, 0]) * (at - a[:, 1]) / np.where(width == 0, 1.0, width)
    return np.where(crossing, rows, np.inf).min(axis=1), np.where(crossing, rows, -np.inf).max(axis=1)


def middle_line(outline: Polygon, cols: NDArray[np.int_]) -> Array:
    """Row half-way between the two edges at some columns."""
    top, bottom = edges(outline, cols.astype(float))
    return (top + bottom) / 2


def union(outlines: Sequence[Polygon]) -> Polygon:
    """One outline from the first one's upper edge to the last one's lower edge."""
    if len(outlines) == 1:
        return outlines[0]
    vertices = np.unique(np.concatenate([np.asarray(outline)[:, 1] for outline in outlines]))
    top, bottom = edges(outlines[0], vertices)[0], edges(outlines[-1], vertices)[1]
    upper, lower = np.column_stack([top, vertices]), np.column_stack([bottom, vertices])
    return polygon(np.vstack([upper, lower[::-1]]))


_MIN_COLUMNS = 3
"""Columns that a profile needs."""

_LEAST_KNOWN = 0.45
"""Part of a profile's rows that must be known: one half of a doublet may be saturated."""


class RowProfile(NamedTuple):
    """Counts summed over some columns and their SDs, at some distances in rows from the middle of an outline."""

    offsets: Array
    counts: Array
    sds: Array
    n_cols: int


def row_profile(
    signal: FloatImage, outline: Polygon, reach: int, *, ceiling: float, others: Sequence[Band], trim: float = 0.15
) -> RowProfile | None:
    """Counts summed across the band without `trim` of its width at either side, column by column along its outline."""
    box = bounding_box(outline)
    cut = trim * (box.col_stop - box.col_start)
    cols = np.arange(max(int(np.ceil(box.col_start + cut)), 0), min(int(box.col_stop - cut), signal.shape[1]))
    if len(cols) < _MIN_COLUMNS:
        return None
    middle = middle_line(outline, cols)
    steps = np.arange(-reach, reach + 1)
    rows = np.round(middle).astype(int) + steps[:, None]
    inside = (rows >= 0) & (rows < signal.shape[0])
    pixels = signal[np.clip(rows, 0, signal.shape[0] - 1), cols].astype(float)
    known = (inside & (pixels < ceiling) & ~_covered(rows, cols, others)).all(axis=1)
    if known.sum() < _LEAST_KNOWN * len(steps):
        return None
    # Pixels that are no number have no weight in the fit, and none in the noise of the rows beside them.
    bends = np.nan_to_num(np.diff(pixels, n=2, axis=1) ** 2 / 6)
    variance = np.convolve(np.pad(bends.mean(axis=1), 2, mode="edge"), np.full(5, 0.2), mode="valid")
    counts = pixels.sum(axis=1)
    floor = 1e-6 * float(np.nanmax(counts) - np.nanmin(counts)) + 1e-150
    sds = np.asarray(np.sqrt(variance * len(cols) + floor**2), dtype=float)
    offsets = np.asarray(steps + np.mean(np.round(middle) - middle), dtype=float)
    return RowProfile(offsets, np.where(known, counts, np.nan), sds, len(cols))


def _covered(rows: NDArray[np.int_], cols: NDArray[np.int_], bands: Sequence[Band]) -> NDArray[np.bool_]:
    covered = np.zeros(rows.shape, dtype=bool)
    first, last = (int(rows.min()), int(rows.max())) if rows.size else (0, -1)
    for band in bands:
        if band.box.row_start > last + 1 or band.box.row_stop < first - 1:
            continue
        top, bottom = edges(band.outline, cols.astype(float))
        covered |= (rows > top) & (rows < bottom)
    return covered


_MAX_SKEW = 0.6
"""Bound of the logarithm of the root of the ratio of the two half widths."""

_SKEW_PRICE = 6.0
"""AICc by which two skewed bands must beat two upright ones: a skew may pose as a weak partner."""

_SHARPNESS = (-5.0, 1.0)
"""Bounds: Gaussian at 0, flat-topped above, with exponential tails below."""

_LEAN = (-2.5, 2.5)
"""Bounds of half the difference in sharpness between the upper and the lower half."""

_PLAIN = (2, 3, 4)
"""Skew, sharpness and lean, which a plain Gaussian does not use."""

_SHAPE_TOLERANCE = 0.004
"""RMS, as a part of the peak, by which real bands depart from every shape that is offered."""

_NARROWEST_PX = 0.8
"""Least half width."""

SHIFT_SD = 0.3
"""How far a lane may sit off the row's own curve, in half widths of one band; more is a sign of another row."""


class RowData(NamedTuple):
    """Profiles of a row, ready for the fit."""

    y: Array  # (L, n) counts, 0 where there is none
    x: Array  # (L, n) offsets
    w: Array  # (L, n) 1 / sd, 0 where there is none


class Solution(NamedTuple):
    """The best found for one or two bands."""

    theta: Array  # center, log sigma, skew, sharpness, lean, spacing (of two bands), shifts
    n_bands: int
    amplitudes: Array  # (L, n_bands)
    aicc: float


def check_profiles(profiles: ArrayLike, sds: ArrayLike, offsets: ArrayLike | None) -> RowData:
    """Bring profiles, SDs and offsets to one shape; NaN samples get no weight."""
    y = np.atleast_2d(np.asarray(profiles, dtype=float))
    n_rows = y.shape[1]
    if n_rows < 8:
        msg = f"a doublet fit needs at least 8 rows, got {n_rows}; give the profiles more room"
        raise ValueError(msg)
    sd = np.asarray(sds, dtype=float)
    sd = np.broadcast_to(sd[:, None] if sd.ndim == 1 else sd, y.shape)
    if not (sd > 0).all():
        msg = f"noise SDs must be greater than 0, got {sd.min()}"
        raise ValueError(msg)
    x = np.arange(n_rows) - (n_rows - 1) / 2 if offsets is None else np.asarray(offsets, dtype=float)
    known = np.isfinite(y)
    return RowData(np.where(known, y, 0.0), np.array(np.broadcast_to(x, y.shape)), np.where(known, 1 / sd, 0.0))


def noise_sd(data: RowData) -> Array:
    """Noise SD of each sample, 0 where there is none."""
    sd: Array = np.divide(1.0, data.w, out=np.zeros_like(data.w), where=data.w > 0)
    return sd


def best_shape(data: RowData, n_bands: int, guesses: list[Array]) -> tuple[Solution, Solution]:
    """The best, by AICc, of a plain Gaussian and freer shapes; and the plain one.

    Bands may be flat-topped or tailed, and skewed: on real membranes they are, and none of that is a second band. Of
    two bands skew must help a lot, or it would pose as a weak partner.
    """
    found = [_search(data, n_bands, fixed=_PLAIN, near=guess) for guess in guesses]
    # A band of negative area is a bend in the background, however well it fits.
    plain = min(found, key=lambda s: (bool((s.amplitudes.sum(axis=0) <= 0).any()), s.aicc))
    best = plain
    for fixed, price in (((2, 4), 0.0), ((4,), (n_bands - 1) * _SKEW_PRICE), ((), (n_bands - 1) * _SKEW_PRICE)):
        freer = _search(data, n_bands, fixed=fixed, near=best.theta)
        if freer.aicc < best.aicc - price and (freer.amplitudes.sum(axis=0) > 0).all():
            best = freer
    return best, plain


def misfit_at(data: RowData, best: Solution, spacing: float | None = None) -> tuple[float, Array]:
    """Squared deviations of a pair's best fit, or of the best at another spacing, in SDs, and its parameters."""
    theta = best.theta
    if spacing is not None:
        near = theta.copy()
        near[5] = spacing
        unused = tuple(k for k in _PLAIN if theta[k] == 0.0)
        theta = _search(data, 2, fixed=(*unused, 5), near=near).theta
    shifts = theta[-len(data.y) :] / (SHIFT_SD * float(np.exp(best.theta[1])))
    return float((project(data, theta, 2).residual ** 2).sum() + shifts @ shifts), theta


def half_width(u: Array, sigma: float, skew: float) -> Array:
    """SD of the half of a band that lies above (u < 0) or below its peak."""
    return np.asarray(np.where(u < 0, sigma * np.exp(-skew), sigma * np.exp(skew)), dtype=float)


def steepness(v: Array, sharpness: float) -> tuple[Array, Array, Array]:
    """Minus twice the logarithm of a band at v half widths from its peak; v times its slope; its slope by sharpness.

    0 is a Gaussian (v squared); above, |v| to a power that rises (flat-topped); below, a hyperbola that goes over from
    a Gaussian into exponential tails.
    """
    if sharpness >= 0:
        exponent = 2.0 * float(np.exp(sharpness))
        power = v**2 if exponent == 2.0 else (np.abs(v) + 1e-12) ** exponent
        return power, exponent * power, exponent * power * np.log(np.abs(v) + 1e-12)
    k = -sharpness
    root = np.sqrt(1 + k * v**2)
    power = 2 * v**2 / (root + 1)
    return power, 2 * v**2 / root, (power - v**2 / root) / k


def band_steepness(u: Array, theta: Array) -> tuple[Array, Array, Array]:
    """`steepness` of a band at distances u from its peak; its upper half is sharper by twice the lean."""
    half = half_width(u, float(np.exp(theta[1])), theta[2])
    v = u / half
    above, below = steepness(v, theta[3] + theta[4]), steepness(v, theta[3] - theta[4])
    if theta[4] == 0.0:
        return above
    upper = u < 0
    power, rise, by_sharpness = (np.where(upper, a, b) for a, b in zip(above, below, strict=True))
    return power, rise, by_sharpness


class _Bands(NamedTuple):
    u: Array  # (L, n, n_bands): distance from each band's peak
    power: Array  # minus twice the logarithm of each band
    rise: Array  # u times its derivative
    by_sharpness: Array
    signs: Array  # -1/2 for the upper, 1/2 for the lower band


def bands_at(data: RowData, theta: Array, n_bands: int) -> _Bands:
    """The bands of every lane for given shapes, and how they change with them."""
    signs = np.array([0.0]) if n_bands == 1 else np.array([-0.5, 0.5])
    middle = data.x - theta[0] - theta[-len(data.y) :, None]
    u = middle[..., None] - signs * (theta[5] if n_bands == 2 else 0.0)
    return _Bands(u, *band_steepness(u, theta), signs)


def design_of(data: RowData, bands: Array) -> Array:
    """Whitened design (L, n, n_bands + 2): the bands, a constant and a slope."""
    n_bands = bands.shape[-1]
    design = np.empty((*bands.shape[:-1], n_bands + 2))
    design[..., :n_bands] = bands
    design[..., n_bands] = 1.0
    design[..., n_bands + 1] = data.x / np.abs(data.x).max()
    design *= data.w[..., None]
    return design


def shapes(data: RowData, theta: Array, n_bands: int) -> tuple[Array, Array]:
    """Whitened design matrices (L, n, n_bands + 2) and the bands' derivatives (L, n, n_bands, n_shared)."""
    u, power, rise, by_sharpness, signs = bands_at(data, theta, n_bands)
    g = np.exp(-0.5 * power)
    whitened = g * data.w[..., None]
    weighted = 0.5 * whitened * rise
    slopes = np.empty((*g.shape, 4 + n_bands))
    slopes[..., 0] = weighted / np.where(u == 0, 1.0, u)
    slopes[..., 1] = weighted
    slopes[..., 2] = weighted * np.sign(u)
    slopes[..., 3] = -0.5 * whitened * by_sharpness
    slopes[..., 4] = slopes[..., 3] * np.where(u < 0, 1.0, -1.0)
    if n_bands == 2:
        slopes[..., 5] = slopes[..., 0] * signs
    return design_of(data, g), slopes


class Step(NamedTuple):
    """The linear part, solved for given shapes."""

    residual: Array  # (L, n), whitened
    amplitudes: Array  # (L, n_bands)
    blocks: Array  # (L, n, n_shared): derivatives of the residual by the shared parameters


def project(data: RowData, theta: Array, n_bands: int) -> Step:
    """Solve for amplitudes and background in every lane; what is left, and how it moves with the rest."""
    design, slopes = shapes(data, theta, n_bands)
    transposed = design.transpose(0, 2, 1)
    normal = transposed @ design
    # Two bands on one spot make this singular; a breath of ridge keeps the step finite.
    normal += np.eye(normal.shape[1]) * (1e-12 * np.trace(normal, axis1=1, axis2=2) + 1e-300)[:, None, None]
    solve = np.linalg.inv(normal) @ transposed
    whitened = (data.y * data.w)[..., None]
    solution = solve @ whitened
    bent = (slopes * solution[:, None, :n_bands]).sum(axis=2)
    blocks = bent - design @ (solve @ bent)
    return Step((whitened - design @ solution)[..., 0], solution[:, :n_bands, 0], -blocks)


def jacobian_of(blocks: Array, shift_sd: float) -> Array:
    """Dense Jacobian: shared columns, one column for each lane's shift, and the shifts' prior."""
    n_lanes, n_rows, n_shared = blocks.shape
    dense = np.zeros((n_lanes * n_rows + n_lanes, n_shared + n_lanes))
    dense[: n_lanes * n_rows, :n_shared] = blocks.reshape(-1, n_shared)
    rows = np.arange(n_lanes * n_rows)
    dense[rows, n_shared + rows // n_rows] = blocks[..., 0].ravel()
    dense[n_lanes * n_rows :, n_shared:] = np.eye(n_lanes) / shift_sd
    return dense


def _search(data: RowData, n_bands: int, *, fixed: tuple[int, ...], near: Array) -> Solution:
    """Least squares from a first guess over the shared parameters that are not `fixed` and the lanes' shifts."""
    from scipy.optimize import leastsq

    n_lanes = len(data.y)
    shift_sd = SHIFT_SD * float(np.exp(near[1]))
    free = np.ones(len(near), dtype=bool)
    free[list(fixed)] = False
    bounds = shape_limits(data, n_bands)
    latest: dict[bytes, Step] = {}

    def at(values: Array) -> tuple[Array, Step]:
        theta = _fill(near, free, values, bounds)
        key = values.tobytes()
        if key not in latest:
            latest.clear()
            latest[key] = project(data, theta, n_bands)
        return theta, latest[key]

    def residuals(values: Array) -> Array:
        theta, step = at(values)
        return np.concatenate([step.residual.ravel(), theta[-n_lanes:] / shift_sd])

    def jacobian(values: Array) -> Array:
        return jacobian_of(at(values)[1].blocks, shift_sd)[:, free]

    values = leastsq(residuals, near[free], Dfun=jacobian, ftol=1e-7, xtol=1e-5, maxfev=40, full_output=True)[0]
    theta = _fill(near, free, values, bounds)
    step = project(data, theta, n_bands)
    n_free = int(free.sum()) + n_lanes * (n_bands + 2)
    # What no offered shape tells of a real band counts with the noise, alike for one band and two.
    # Height of each lane's profile above its darkest sample.
    known = data.w > 0
    top, bottom = (np.where(known, data.y, -np.inf).max(axis=1), np.where(known, data.y, np.inf).min(axis=1))
    odd = (_SHAPE_TOLERANCE * np.asarray(top - bottom, dtype=float)[:, None] * data.w) ** 2
    # AICc with the noise's scale left free, so that an odd shape common to both models does not decide.
    n_samples = int((data.w > 0).sum())
    spare = max(n_samples - n_free - 2, 1)
    aicc = (
        n_samples * float(np.log(max(float((step.residual**2).sum() + odd.sum()), 1e-12) / n_samples))
        + 2 * n_free
        + 2 * n_free * (n_free + 1) / spare
    )
    return Solution(theta, n_bands, step.amplitudes, aicc)


def _fill(near: Array, free: NDArray[np.bool_], values: Array, bounds: tuple[Array, Array]) -> Array:
    theta = near.copy()
    theta[free] = values
    n_shared = len(bounds[0])
    theta[:n_shared] = np.clip(theta[:n_shared], *bounds)
    return theta


def shape_limits(data: RowData, n_bands: int) -> tuple[Array, Array]:
    """Bounds of center, log sigma, skew, sharpness and spacing."""
    edge = float(np.ptp(data.x[0])) / 2
    low = [-edge, np.log(_NARROWEST_PX), -_MAX_SKEW, _SHARPNESS[0], _LEAN[0], 0.2]
    high = [edge, np.log(edge / 2), _MAX_SKEW, _SHARPNESS[1], _LEAN[1], edge]
    return np.array(low[: 4 + n_bands]), np.array(high[: 4 + n_bands])
