"""How sure a volume is: the noise of the picture, measured from the picture itself, and the variance formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.robust import winsorised_sd
from blotquant.model.geometry import Box
from blotquant.quantification.apertures import Stack
from blotquant.quantification.background import Array, Estimate

LOD_SDS = 3.0
"""Limit of detection, in SDs of an empty aperture."""

LOQ_SDS = 10.0
"""Limit of quantification, in SDs of an empty aperture."""

FAR = 5
"""Noise is taken for independent so many pixels apart."""

REACH = 2
"""Its correlation is measured up to so many pixels."""

TILE = 48
"""Edge of a tile of free ground, px."""

MAX_TILES = 24
"""So many tiles tell the noise of a picture."""

FREE = 0.9
"""Part of a tile that is free of bands in a tile of ground."""

ENOUGH_PIXELS = 100_000
"""Pixels of bands that tell how noise grows with signal: of more, every few rows are taken."""

OVERLAP = 2.9
"""Fifth differences share pixels: so many of them say as much as one that stands alone."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Noise:
    """Noise of one picture.

    Attributes
    ----------
    sigma : float
        SD of one background pixel, in counts.
    correlation : ndarray, shape (2L + 1, 2L + 1)
        Autocorrelation of the noise at lags -L to L in rows and columns; 1 in the middle.
    gain : float or None
        Counts of variance for each count of signal (shot noise); None where the picture does not show it.
    level : float
        Counts of the ground where `sigma` was measured; 0 without a gain, which alone needs it.
    """

    sigma: float
    correlation: Array
    gain: float | None
    level: float = 0.0

    @cached_property
    def spread(self) -> float:
        """Variance of a large sum against that of white noise of the same pixel variance."""
        return max(float(self.correlation.sum()), 0.05)

    def spread_over(self, sizes: NDArray[np.intp]) -> Array:
        """Variance of a sum over apertures of these rows and columns, (..., 2), against white noise."""
        lag = np.abs(np.arange(len(self.correlation)) - len(self.correlation) // 2)
        parts = np.maximum(1 - lag / np.maximum(sizes, 1)[..., None], 0)
        spread = np.einsum("...i,ij,...j->...", parts[..., 0, :], self.correlation, parts[..., 1, :])
        return np.asarray(np.maximum(spread, 0.05))


def measure_noise(signal: NDArray[np.floating[Any]], usable: NDArray[np.bool_], bands: Sequence[Box]) -> Noise:
    """Measure a picture's noise on tiles of its free ground, and its growth with signal on its bands.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    usable : ndarray of bool, shape (H, W)
        False on bands.
    bands : sequence of Box
        Where bright pixels are, for the mean-variance line.
    """
    boxes = free_tiles(usable)
    if not boxes:
        return Noise(sigma=0.0, correlation=np.ones((1, 1)), gain=None)
    pixels = np.array([signal[box.slices] for box in boxes], dtype=float)
    free = np.array([usable[box.slices] for box in boxes])
    variance = _unlikeness(pixels, free, (0, FAR))
    if variance == 0:
        return Noise(sigma=0.0, correlation=np.ones((1, 1)), gain=None)
    correlation = np.ones((2 * REACH + 1, 2 * REACH + 1))
    for dr in range(REACH + 1):
        for dc in range(-REACH if dr else 1, REACH + 1):
            value = 1 - _unlikeness(pixels, free, (dr, dc)) / variance
            # Less is chance, or a slope of the ground, which makes far pixels more unlike than noise does.
            value = value if value > 0.02 else 0.0
            correlation[REACH + dr, REACH + dc] = correlation[REACH - dr, REACH - dc] = value
    near = correlation[REACH, REACH:]
    bend = max(float(252 - 420 * near[1] + 240 * near[2]), 15.0)
    lit = []
    for box in bands[:: max(1, len(bands) // 60)]:
        # The middle half of a band's columns, where it is level from side to side.
        quarter = (box.col_stop - box.col_start) // 4
        lit.append(signal[box.row_start : box.row_stop, box.col_start + quarter : box.col_stop - quarter])
    fewer = 1 + sum(part.size for part in lit) // ENOUGH_PIXELS
    crops = [part[::fewer].astype(float) for part in lit]
    # A band's sharp sides within a tile would pass for shot noise.
    ground = pixels[free.mean(axis=(1, 2)) >= FREE][:8]
    gain = shot_gain([*crops, *ground], bend_variance=bend) if len(bands) else None
    noise = Noise(sigma=float(np.sqrt(variance)), correlation=correlation, gain=gain)
    if gain is None:
        return noise
    level = float(np.median([np.median(p[f]) for p, f in zip(pixels, free, strict=True) if f.any()]))
    return replace(noise, level=level)


def free_tiles(usable: NDArray[np.bool_]) -> list[Box]:
    """Up to `MAX_TILES` square tiles of the picture, spread over it, that are mostly free of bands."""
    size = min(TILE, *usable.shape)
    tops, lefts = (np.arange(0, n - size + 1, size) for n in usable.shape)
    tiles = usable[: len(tops) * size, : len(lefts) * size].reshape(len(tops), size, len(lefts), size)
    # Every fourth row and column is enough to see how free a tile is.
    free = tiles[:, ::4, :, ::4].mean(axis=(1, 3)).ravel()
    best = np.flatnonzero(free >= min(FREE, max(float(np.sort(free)[-min(8, len(free))]), 0.05)))
    if len(best) == 0:
        return []
    chosen = best[np.linspace(0, len(best) - 1, min(MAX_TILES, len(best))).round().astype(int)]
    return [
        Box(int(r), int(r) + size, int(c), int(c) + size)
        for r, c in ((tops[k // len(lefts)], lefts[k % len(lefts)]) for k in chosen)
    ]


def _unlikeness(pixels: Array, free: NDArray[np.bool_], lag: tuple[int, int]) -> float:
    """Half the mean square difference of free pixels some rows and columns apart; tiles lie along the first axis."""
    (dr, dc), (_, h, w) = lag, pixels.shape
    here = slice(None), slice(dr, h), slice(max(dc, 0), w + min(dc, 0))
    there = slice(None), slice(0, h - dr), slice(max(-dc, 0), w - max(dc, 0))
    steps, both = pixels[here] - pixels[there], free[here] & free[there]
    return winsorised_sd(steps.ravel() if both.all() else steps[both]) ** 2 / 2


def shot_gain(crops: Sequence[Array], *, bend_variance: float = 252.0, n_bins: int = 12) -> float | None:
    """Slope of the mean-variance line: counts of variance for each count of signal.

    The variance is that of fifth differences along rows, which a band's own shape hardly enters.

    Parameters
    ----------
    crops : sequence of ndarray
        Pieces of the picture from dim to bright.
    bend_variance : float
        Variance of a fifth difference in units of one pixel's: 252 for white noise.
    n_bins : int
        Bins of the signal.

    Returns
    -------
    float or None
        None unless the slope is positive by more than three of its standard errors.
    """
    wide = [crop for crop in crops if crop.shape[1] > 5 and crop.size]
    if not wide:
        return None
    # All rows of all crops on one line; windows that run over a row's end are left out.
    line = np.concatenate([crop.ravel() for crop in wide])
    widths = np.concatenate([np.full(len(crop), crop.shape[1]) for crop in wide])
    inside = np.ones(len(line), dtype=bool)
    ends = np.cumsum(widths)
    inside[(ends[:, None] - np.arange(1, 6)).ravel()] = False
    inside = inside[:-5] & np.isfinite(line[:-5])
    level = (np.convolve(line, np.ones(6), mode="valid") / 6)[inside]
    bend = np.convolve(line, [1.0, -5.0, 10.0, -10.0, 5.0, -1.0], mode="valid")[inside]
    keep = np.isfinite(level) & np.isfinite(bend)
    if not keep.all():
        level, bend = level[keep], bend[keep]
    if len(level) < 20 * n_bins:
        return None
    # Bins of about equally many pixels; a part of them tells well enough where to cut.
    cuts = np.quantile(level[:: 1 + len(level) // 20_000], np.linspace(0, 1, n_bins + 1)[1:-1])
    index, stops = np.zeros(len(level), dtype=np.uint8), []
    for cut in cuts:
        above = level >= cut
        index += above
        stops.append(len(level) - np.count_nonzero(above))
    order = np.argsort(index, kind="stable")
    groups = zip(np.split(level[order], stops), np.split(bend[order], stops), strict=True)
    found = [(x.mean(), winsorised_sd(y) ** 2 / bend_variance, len(x)) for x, y in groups if len(x) >= 30]
    return _positive_slope(*np.array(found, dtype=float).T) if len(found) >= 4 else None


def _positive_slope(mean: Array, variance: Array, n: Array) -> float | None:
    """Slope of a line through variances, each as sure as its number of pixels allows."""
    expected = np.maximum(variance, 1e-6 * max(float(variance.max()), 1e-300))
    slope = error = 0.0
    for _ in range(4):
        weights = n / (2 * OVERLAP * expected**2)
        middle = float((weights * mean).sum() / weights.sum())
        spread = float((weights * (mean - middle) ** 2).sum())
        if spread == 0:
            return None
        slope = float((weights * (mean - middle) * variance).sum() / spread)
        level = float((weights * variance).sum() / weights.sum())
        error = 1 / np.sqrt(spread)
        expected = np.maximum(level + slope * (mean - middle), 0.05 * level)
    return slope if slope > 3 * error else None


def empty_variances(noise: Noise, stack: Stack, estimates: Sequence[Estimate]) -> Array:
    """Variances of the volumes of a stack's apertures with nothing in them.

    N sigma^2 + N^2 sigma^2 kappa / n_b, both with the noise's correlation, and the part of the background that may
    bend unseen under the band.
    """
    leverage, shared, model_sd, level = np.array(
        [
            (e.leverage, e.shared, e.model_sd, np.add.reduce(e.values, axis=None) / max(e.values.size, 1))
            for e in estimates
        ]
    ).T
    variance = np.full(len(estimates), noise.sigma**2)
    if noise.gain is not None:
        # The ground here may be brighter than the picture's: its shot noise is larger.
        variance = np.maximum(variance + noise.gain * (level - noise.level), 0.25 * variance)
    n = stack.cover.sum(axis=1)
    own = np.vecdot(stack.weights, stack.weights).sum(axis=1) * variance * noise.spread_over(stack.sizes)
    background = (n**2 * leverage - 2 * n * shared) * variance * noise.spread
    return np.asarray(np.maximum(own + background, 0.0) + (n * model_sd) ** 2)
