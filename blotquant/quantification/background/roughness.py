"""How rough the ground between the bands is, measured along the lanes and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blotquant.imaging.robust import middle_of, winsorised_sd
from blotquant.quantification.background.background_pixels import Array, BackgroundPixels

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
    cells, rows = ground.cells, ground.cells.middles()
    center, half = np.zeros((2, len(ground.lanes), cells.n_bins))
    for k, lane in enumerate(ground.lanes):
        center[k], half[k] = lane.center_at(rows), lane.width_at(rows) / 2
    places = {(lane.strip, lane.number): k for k, lane in enumerate(ground.lanes)}
    before, after = ([places.get((of.strip, of.number + step)) for of in ground.lanes] for step in (-1, 1))
    # The gap to the right of each lane; none at the last one.
    left, right = np.zeros((2, *center.shape))
    for k, following in enumerate(after):
        if following is not None:
            left[k], right[k] = center[k] + half[k] + 1, center[following] - half[following] - 1
    own, gap = cells.read(center - 0.8 * half + 0.5, center + 0.8 * half + 0.5), cells.read(left, right)
    # Means of bins that are at least half as full as the fullest; NaN elsewhere.
    inside, high = (
        np.where(of.counts >= np.maximum(0.5 * of.counts.max(axis=1, keepdims=True), 1.0), of.means, np.nan)
        for of in (own, gap)
    )
    # Gaps on both sides count with their mean where both are known.
    low = np.array([high[k] if k is not None else np.full(cells.n_bins, np.nan) for k in before]).reshape(high.shape)
    both = np.isfinite(low) & np.isfinite(high)
    gaps = np.where(both, (low + high) / 2, np.where(np.isfinite(high), high, low))
    return inside, gaps, max(middle_of(own.counts.max(axis=1)), 1.0) if len(center) else 1.0


def _course_variance(courses: Array, lag: int) -> float:
    """Half the mean square difference of bins `lag` apart, less the noise of a bin; NaN for too few."""
    if courses.size == 0 or courses.shape[1] <= lag:
        return float("nan")
    # Bins a band height apart.
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
