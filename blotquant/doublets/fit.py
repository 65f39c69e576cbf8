"""Two bands that overlap: one joint fit over the row says whether, and how, they can be told apart.

All lanes of a row share the spacing and the shape of the two bands; their amplitudes and a local background are
free in every lane, and each lane may lie a little higher or lower.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.doublets.row_model import (
    SHIFT_SD,
    Array,
    RowData,
    Solution,
    band_steepness,
    bands_at,
    best_shape,
    check_profiles,
    design_of,
    jacobian_of,
    misfit_at,
    noise_sd,
    project,
    shape_limits,
    shapes,
)
from blotquant.settings import IdentificationSettings

FWHM = 2.3548
"""Full width at half maximum of a Gaussian, in SDs."""

_SURE_SDS = 3.5
"""The separation must be known to lie, by so many of its SEs, at the limit or above."""

_VAGUE_SE = 0.1
"""A separation whose SE is larger, in sigma, is held against the likelihood of nearer ones."""

_NEAR_SIGMA = 0.1
"""So far below the limit it may lie within them, in sigma."""

DARK = 1e-3
"""A lane whose pair is lit by no more than this part of the brightest one's tells nothing of the shape."""

ODD_SPLIT_SD = 0.15
"""SD of a division by the other lanes' shape where a lane's own profile is spoilt, as a part of the pair's volume; what
their shape leaves over, as a part of the lane's peak, where that is less. In 61 lanes of which 5 to 12 % were left over
divisions were off by 0.8 % RMS and 2.1 % at the most (`tools/benchmarks/spoilt_lanes.py`)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DoubletFit:
    """What the joint fit of one row found.

    Attributes
    ----------
    accepted : bool
        Whether the data carry two bands.
    reason : str
        Why not; empty if accepted.
    center, spacing, sigma : float
        Middle between the two peaks (on the scale of the offsets), their distance and their width (SD of the Gaussian
        of the same full width at half maximum) in rows.
    shape : ndarray, shape (5,)
        Shape of both bands, as `blotquant.doublets.row_model.band_steepness` takes it.
    shifts : ndarray, shape (n_lanes,)
        How much lower each lane lies than the row's curve, in rows.
    areas, area_se : ndarray, shape (n_lanes, 2)
        Fitted area of the upper and the lower band in each lane and its standard error, in counts.
    split_sd : ndarray, shape (n_lanes,)
        SD that the division adds to either volume beyond the noise of the pixels, as a part of the pair's volume.
    residual : float
        What the fit leaves over beyond the noise, as a part of the peak.
    """

    accepted: bool
    reason: str
    center: float
    spacing: float
    sigma: float
    shape: Array = field(repr=False)
    shifts: Array = field(repr=False)
    areas: Array = field(repr=False)
    area_se: Array = field(repr=False)
    split_sd: Array = field(repr=False)
    residual: float

    def reach(self, outside: float) -> tuple[float, float]:
        """Distances above and below its peak, in rows, beyond which lies that part of a band."""
        fine, below = self._cumulated()
        top, bottom = np.interp([outside, 1 - outside], below, fine)
        return -float(top), float(bottom)

    def outside(self, reach: float) -> float:
        """Part of a band that lies farther than so many rows from its peak."""
        fine, below = self._cumulated()
        first, last = np.interp([-reach, reach], fine, below)
        return float(1 - (last - first))

    def _cumulated(self) -> tuple[Array, Array]:
        """Distances from the peak, and the part of a band that lies above each."""
        fine = np.linspace(-8, 8, 3201) * float(np.exp(self.shape[1]))
        sums = np.cumsum(np.exp(-0.5 * band_steepness(fine, self.shape)[0]))
        return fine, sums / sums[-1]

    def shares(self, lane: int, offsets: ArrayLike, *, weights: ArrayLike | None = None) -> Array:
        """Return the upper band's share of the signal at some offsets of one lane.

        Parameters
        ----------
        lane : int
            Index into the profiles that were fitted.
        offsets : array_like
            Distances in rows on the scale of the fit's `offsets`.
        weights : (float, float), optional
            Areas to use instead of the lane's own, for lanes too weak to show theirs.

        Returns
        -------
        ndarray
            0 to 1; the lower band's share is one minus this.
        """
        upper, lower = np.maximum(self.areas[lane] if weights is None else np.asarray(weights, float), 0.0)
        middle = np.asarray(offsets, dtype=float) - self.center - self.shifts[lane]
        exponents = [
            -0.5 * band_steepness(u, self.shape)[0] for u in (middle + self.spacing / 2, middle - self.spacing / 2)
        ]
        # Far out both bands underflow: the ratio is taken of exponents, which stay finite.
        log_ratio = np.clip(exponents[1] - exponents[0], -600, 600)
        return (
            np.asarray(upper / (upper + lower * np.exp(log_ratio))) if upper + lower > 0 else np.full(middle.shape, 0.5)
        )

    def misfit(self, profiles: ArrayLike, sds: ArrayLike, offsets: ArrayLike, places: ArrayLike) -> Array:
        """Misfit of each lane with the pair's middle at other places: squared deviations in units of the best one's.

        Parameters
        ----------
        profiles, sds, offsets : array_like, shape (n_lanes, n_rows)
            As `fit_doublet` takes them.
        places : array_like, shape (n_places,)
            Of the middle between the peaks, on the scale of the offsets.

        Returns
        -------
        ndarray, shape (n_lanes, n_places)
            Neither band is below 0.
        """
        data = check_profiles(profiles, sds, offsets)
        u = data.x[:, None, :] - np.asarray(places, dtype=float)[:, None]
        columns = [np.exp(-0.5 * band_steepness(u + side * self.spacing / 2, self.shape)[0]) for side in (1, -1)]
        line = np.broadcast_to((data.x / np.abs(data.x).max())[:, None], u.shape)
        design = np.stack([*columns, np.ones(u.shape), line], axis=-1) * data.w[:, None, :, None]
        y = data.y * data.w
        left = np.full(u.shape[:2], np.inf)
        for kept in ((2, 3), (0, 2, 3), (1, 2, 3), (0, 1, 2, 3)):
            part = design[..., kept]
            transposed = part.swapaxes(-1, -2)
            normal = transposed @ part
            normal += np.eye(len(kept)) * (1e-10 * np.trace(normal, axis1=-2, axis2=-1) + 1e-300)[..., None, None]
            solution = np.linalg.solve(normal, (transposed @ y[:, None, :, None]))
            residual = ((y[:, None, :, None] - part @ solution) ** 2).sum(axis=(-1, -2))
            left = np.where((solution[..., : len(kept) - 2, 0] >= 0).all(axis=-1), np.minimum(left, residual), left)
        free = np.maximum((data.w > 0).sum(axis=1) - 4, 1)[:, None]
        return np.asarray(left / np.maximum(left.min(axis=1, keepdims=True) / free, 1.0))


def fit_both(data: RowData) -> tuple[Solution, Solution]:
    """The best single band and the best pair."""
    single, plain = best_shape(data, 1, [_guess_single(data)])
    return single, best_shape(data, 2, _guess_pairs(data, plain.theta))[0]


def _guess_single(data: RowData) -> Array:
    zeros = np.zeros(len(data.y))
    known = data.w > 0
    mean = np.where(known, data.y, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    ends = np.linspace(mean[:3].mean(), mean[-3:].mean(), len(mean))
    peak = float(data.x[:, int(np.argmax(mean - ends))].mean())
    widths = np.geomspace(1.5, float(np.ptp(data.x[0])) / 6 + 1.6, 4)
    places = (peak - 2, peak, peak + 2, 0.0)
    return _best(data, [np.array([c, np.log(s), 0.0, 0.0, 0.0, *zeros]) for c in places for s in widths], 1)


def _guess_pairs(data: RowData, single: Array) -> list[Array]:
    """From the single band's place and width, which may cover both bands or only the stronger one.

    One guess has the weaker band above, one below, one has two alike: the search does not find its way between them.
    """
    center, sigma = single[0], float(np.exp(single[1]))
    zeros = np.zeros(len(data.y))
    tried = ((0.9, 0.85), (1.4, 0.7), (1.8, 0.45), (2.2, 0.6), (2.5, 1.0), (3.2, 0.8), (4.0, 1.0))
    guesses = [
        _best(
            data,
            [
                np.array([center + side * gap * sigma, np.log(w * sigma), 0.0, 0.0, 0.0, gap * sigma, *zeros])
                for gap, w in tried
                for side in sides
            ],
            2,
        )
        for sides in ((-0.5, -0.25), (0.0,), (0.5, 0.25))
    ]
    return sorted(guesses, key=lambda theta: _cost(data, theta, 2))[:2]


def _best(data: RowData, candidates: list[Array], n_bands: int) -> Array:
    return min(candidates, key=lambda theta: _cost(data, theta, n_bands))


def _cost(data: RowData, theta: Array, n_bands: int) -> float:
    """Sum of squares left over, but for a constant, from the normal equations alone; a negative band is no start."""
    design = design_of(data, np.exp(-0.5 * bands_at(data, theta, n_bands).power))
    normal = design.transpose(0, 2, 1) @ design
    normal += np.eye(normal.shape[1]) * (1e-9 * np.trace(normal, axis1=1, axis2=2) + 1e-300)[:, None, None]
    moment = (design * (data.y * data.w)[..., None]).sum(axis=1)
    solution = np.linalg.solve(normal, moment[..., None])[..., 0]
    if n_bands == 2 and (solution[:, :2].sum(axis=0) <= 0).any():
        return 0.0
    return -float((moment * solution).sum())


def fit_doublet(
    profiles: ArrayLike,
    sds: ArrayLike,
    *,
    offsets: ArrayLike | None = None,
    settings: IdentificationSettings | None = None,
) -> DoubletFit:
    """Fit one and two bands to the profiles of a row and judge whether there are two.

    Two bands are accepted if they lower the AICc by more than `min_delta_aicc` against the best single band, even a
    skewed or flat-topped one; if no width lies on its bound; if each area is known to better than `max_relative_se` of
    itself; if the fit leaves over less than `max_residual` of the peak; and if they surely lie about
    `min_separation_sigma` apart.

    Parameters
    ----------
    profiles : array_like, shape (n_lanes, n_rows)
        Counts summed across each lane, background included; NaN where there is no pixel.
    sds : array_like, shape (n_lanes,) or (n_lanes, n_rows)
        Noise SD of these sums; greater than 0.
    offsets : array_like, shape (n_rows,) or (n_lanes, n_rows), optional
        Distance of each sample from the row's place in its lane, in rows, increasing; by default counted from the
        middle of the profiles.
    settings : IdentificationSettings, optional
        The limits named above.

    Returns
    -------
    DoubletFit

    Raises
    ------
    ValueError
        If the shapes do not match, an SD is not positive, or there are fewer than 8 rows.
    """
    limits = settings or IdentificationSettings()
    data = check_profiles(profiles, sds, offsets)
    single, double = fit_both(data)
    odd, left_over = _odd_lanes(data, double, limits.max_residual)
    if not odd.any():
        return _judge(data, double, single.aicc - double.aicc, limits)
    # A scratch or a speck in one lane says nothing of the row's shape: that lane is divided by the others' shape.
    kept = RowData(data.y[~odd], data.x[~odd], data.w[~odd])
    single, double = fit_both(kept)
    fit = _judge(kept, double, single.aicc - double.aicc, limits)
    shifts = np.zeros(len(odd))
    shifts[~odd] = fit.shifts
    theta = np.concatenate([double.theta[: -len(kept.y)], shifts])
    areas = np.maximum(project(data, theta, 2).amplitudes, 0.0) * _area_of(theta)
    areas[~odd] = fit.areas
    area_se = 0.5 * areas.sum(axis=1, keepdims=True) * np.ones(2)
    area_se[~odd] = fit.area_se
    split_sd = np.where(left_over > 0, np.minimum(left_over, ODD_SPLIT_SD), ODD_SPLIT_SD)
    split_sd[~odd] = fit.split_sd
    return replace(fit, shifts=shifts, areas=areas, area_se=area_se, split_sd=split_sd)


def _odd_lanes(data: RowData, best: Solution, most: float) -> tuple[NDArray[np.bool_], Array]:
    """Lanes without light or far worse fitted than others, half at most; what is left over of each, in its peaks."""
    residual, amplitudes, _ = project(data, best.theta, 2)
    excess, peaks = _excess(residual, data, amplitudes)
    dark = peaks <= DARK * peaks.max(initial=0.0)
    if dark.all():
        return np.zeros(len(dark), dtype=bool), np.zeros(len(dark))
    part = np.sqrt(np.maximum(excess, 0.0)) / np.where(dark, np.inf, peaks)
    odd = (part > np.maximum(most, 3 * np.quantile(part[~dark], 0.25))) & (excess > 0.05 * excess.max(initial=0.0))
    most_odd = int((~dark).sum()) // 2
    if odd.sum() > most_odd:
        odd &= part > np.sort(part)[::-1][most_odd]
    return np.asarray((odd | dark) & (len(data.y) >= 3) & ((~dark).sum() >= 2), dtype=bool), part


def _area_of(theta: Array) -> float:
    """Area of a band of height 1."""
    fine = np.linspace(-40, 40, 8001) * float(np.exp(theta[1]))
    return float(np.exp(-0.5 * band_steepness(fine, theta)[0]).sum() * (fine[1] - fine[0]))


def _judge(data: RowData, best: Solution, delta_aicc: float, limits: IdentificationSettings) -> DoubletFit:
    n_lanes = len(data.y)
    sigma, spacing = float(np.exp(best.theta[1])), float(best.theta[5])
    residual, amplitudes, blocks = project(data, best.theta, 2)
    to_area = _area_of(best.theta)
    like = _gaussian_like(best.theta)
    separation_se, area_se, total_se, split_sd = _errors(data, best, blocks, to_area)
    # RMS residual beyond the noise over the RMS peak, pooled over the lanes.
    excess, peaks = _excess(residual, data, amplitudes)
    signal = float((peaks**2).sum())
    left_over = float(np.sqrt(max(float(excess.sum()), 0.0) / signal)) if signal > 0 else float("inf")
    relative = total_se / np.maximum(np.abs(amplitudes.sum(axis=0)) * to_area, 1e-300)
    separation, least = spacing / like, limits.min_separation_sigma
    low, high = (np.exp(bound[1]) for bound in shape_limits(data, 2))
    on_bound = sigma < low * 1.02 or sigma > high * 0.98
    doubts = [
        (delta_aicc <= limits.min_delta_aicc, f"one band explains the row as well (ΔAICc {delta_aicc:.1f})"),
        (on_bound, f"the fitted width lies on its bound ({sigma:.2f} px)"),
        (
            separation < least or separation - _SURE_SDS * separation_se < least - _NEAR_SIGMA,
            f"the two lie only {separation:.2f} ± {separation_se:.2f} sigma apart",
        ),
        (
            separation_se > _VAGUE_SE and _may_be_nearer(data, best, least - _NEAR_SIGMA),
            f"bands less than {least:g} sigma apart explain the row hardly worse",
        ),
        (bool((amplitudes.sum(axis=0) <= 0).any()), "one of the two has no area"),
        (bool((relative >= limits.max_relative_se).any()), f"an area is known only to {relative.max():.0%}"),
        (left_over >= limits.max_residual, f"the fit leaves over {left_over:.1%} of the peak"),
    ]
    reason = next((text for doubt, text in doubts if doubt), "")
    return DoubletFit(
        accepted=not reason,
        reason=reason,
        center=float(best.theta[0]),
        spacing=spacing,
        sigma=like,
        shape=best.theta[:5],
        shifts=best.theta[-n_lanes:],
        areas=amplitudes * to_area,
        area_se=area_se,
        split_sd=split_sd,
        residual=left_over,
    )


def _gaussian_like(theta: Array) -> float:
    """SD of the Gaussian of the same full width at half maximum as a band."""
    fine = np.linspace(0, 6, 3001) * float(np.exp(theta[1]))
    halves = (band_steepness(side * fine, theta)[0] for side in (-1, 1))
    return sum(float(np.interp(2 * np.log(2), power, fine)) for power in halves) / FWHM


def _may_be_nearer(data: RowData, best: Solution, least: float) -> bool:
    """Whether a pair that lies nearer than so many sigma fits worse by less than `_SURE_SDS` squared.

    The likelihood itself: of a separation that is vaguely known, the SE at the best fit says too little of nearer ones.
    """
    misfit, _ = misfit_at(data, best)
    free = max(int((data.w > 0).sum()) - 5 * len(data.y), 1)
    most = misfit + _SURE_SDS**2 * max(misfit / free, 1.0)
    # The width follows the spacing: the limit is met after a few turns.
    theta = best.theta
    for _ in range(3):
        other, theta = misfit_at(data, best, least * _gaussian_like(theta))
    return other < most


def _excess(residual: Array, data: RowData, amplitudes: Array) -> tuple[Array, Array]:
    """Mean square residual of each lane beyond its noise, and its peak."""
    n = np.maximum((data.w > 0).sum(axis=1), 1)
    variance = noise_sd(data) ** 2
    excess = (residual**2 * variance).sum(axis=1) / n - variance.sum(axis=1) / n * (1 - 5 / n)
    return excess, np.maximum(amplitudes, 0).max(axis=1)


def _errors(data: RowData, best: Solution, blocks: Array, to_area: float) -> tuple[float, Array, Array, Array]:
    """Standard errors by propagation through the linear and the shared part of the fit.

    Of the separation in sigma, of the areas (L, 2), of their sums over the lanes (2,), and the division's SDs (L,).
    """
    design, slopes = shapes(data, best.theta, 2)
    n_lanes = len(data.y)
    dense = jacobian_of(blocks, SHIFT_SD * float(np.exp(best.theta[1])))
    if best.theta[2] == 0.0:
        dense[:, 2] = 0.0
    for k in (3, 4):
        if best.theta[k] == 0.0:
            dense[:, k] = 0.0
    covariance = np.linalg.pinv(dense.T @ dense, hermitian=True)
    inverse: Array = np.asarray(np.linalg.pinv(design), dtype=float)  # (L, 4, n)
    by_shared = -np.einsum("lkn,lnp->lkp", inverse[:, :2], np.einsum("lnbp,lb->lnp", slopes, best.amplitudes))
    gradient = np.zeros((n_lanes, 2, dense.shape[1]))
    n_shared = by_shared.shape[-1]
    gradient[:, :, :n_shared] = by_shared * to_area
    gradient[:, :, 1] += best.amplitudes * to_area
    gradient[np.arange(n_lanes), :, n_shared + np.arange(n_lanes)] = by_shared[..., 0] * to_area
    linear = np.einsum("lkn,ljn->lkj", inverse[:, :2], inverse[:, :2]) * to_area**2
    shared = np.einsum("lkp,pq,ljq->lkj", gradient, covariance, gradient)
    area_se = np.sqrt(np.maximum(np.diagonal(linear + shared, axis1=1, axis2=2), 0.0))
    total = gradient.sum(axis=0)
    total_var = np.diagonal(linear, axis1=1, axis2=2).sum(axis=0) + np.einsum("kp,pq,kq->k", total, covariance, total)
    split = _split_sd(data, best, design, inverse, shared, to_area)
    by_separation = np.zeros(dense.shape[1])
    by_separation[[1, 5]] = -best.theta[5], 1.0
    separation_se = float(np.sqrt(by_separation @ covariance @ by_separation) / np.exp(best.theta[1]))
    return separation_se, area_se, np.sqrt(np.maximum(total_var, 0.0)), split


def _split_sd(data: RowData, best: Solution, design: Array, inverse: Array, shared: Array, to_area: float) -> Array:
    """What dividing adds to the noise of a volume under fixed shares, as a part of the pair's area."""
    amplitude = np.maximum(best.amplitudes, 1e-12 * np.abs(best.amplitudes).max() + 1e-300)
    sd = noise_sd(data)
    g = design[..., :2] * sd[..., None]
    model = np.maximum(np.einsum("lnb,lb->ln", g, amplitude), 1e-300)
    share = g[..., 0] * amplitude[:, None, 0] / model
    # K / A of the log-ratio's derivative stays finite as either band vanishes.
    overlap = g[..., 0] * g[..., 1] / model
    pull = [overlap.sum(axis=1) * amplitude[:, 1 - k] for k in (0, 1)]
    moved = share * sd + pull[0][:, None] * inverse[:, 0] - pull[1][:, None] * inverse[:, 1]
    known = data.w > 0
    extra = np.maximum(((moved**2 - (share * sd) ** 2) * known).sum(axis=1), 0.0)
    area = np.maximum(amplitude * to_area, 0.0)
    whole = area.sum(axis=1)
    lean = np.stack([area[:, 1], -area[:, 0]], axis=1) / whole[:, None]
    by_shape = np.einsum("lk,lkj,lj->l", lean, shared, lean)
    return np.asarray(np.sqrt(np.maximum(extra + by_shape, 0.0)) / whole, dtype=float)
