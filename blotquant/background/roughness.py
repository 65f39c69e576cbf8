"""How rough the ground between the bands is, measured along the lanes and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blotquant.background.base import Array, Ground
from blotquant.geometry import Lane
from blotquant.robust import robust_sd

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

    def covariance(
        self, rows: Array, own: NDArray[np.bool_], others: Array, their_own: NDArray[np.bool_]
    ) -> Array:
        """Covariance of the ground between places given by row and whether they lie in the lane itself."""
        alike = matern(np.abs(rows[:, None] - others[None, :]) / self.length)
        both = own[:, None] & their_own[None, :]
        return np.asarray(alike * (self.shared + self.uneven * both) + self.level * both)


def matern(distance: Array) -> Array:
    """Correlation of a once-differentiable random course (Matern 3/2) at a distance in units of its length."""
    scaled = np.sqrt(3) * distance
    return np.asarray((1 + scaled) * np.exp(-scaled))


def measure_roughness(ground: Ground) -> Roughness:
    """Measure the ground's variances from the courses of free rows in all lanes and gaps.

    The half mean square difference of rows some way apart, less that of neighbouring rows, is the course's variance
    times what is no longer alike at that distance.
    """
    bin_rows = max(1, round(ground.band_height / 8))
    lanes, gaps = _courses(ground, bin_rows)
    pixel, length = ground.noise**2, LENGTH * ground.band_height
    lag = max(1, round(ground.band_height / bin_rows))
    unlike = 1 - float(matern(np.array(lag * bin_rows / length)))
    lane, gap, apart = (_course_variance(c, lag) / unlike for c in (lanes, gaps, lanes - gaps))
    total = lane if np.isfinite(lane) else gap if np.isfinite(gap) else 0.0
    # Where lane and gap are not free side by side, the gap is not trusted to follow the lane.
    uneven = min(apart, total) if np.isfinite(apart) else total
    wide = float(np.median([lane.widths[0] for lane in ground.lanes])) if ground.lanes else ground.lane_pitch
    row = max(_texture(lanes) - pixel * ground.noise_spread / (0.8 * wide * bin_rows), 0.0)
    return Roughness(
        pixel=pixel,
        row=row,
        shared=total - uneven,
        level=_level_variance(lanes, gaps),
        uneven=uneven,
        length=length,
    )


def _courses(ground: Ground, bin_rows: int) -> tuple[Array, Array]:
    """Binned row means of every lane and of the gaps beside it (NaN where bands are), shape (n, n_bins)."""
    ordered = sorted(ground.lanes, key=lambda lane: (lane.strip, lane.number))
    spans = []
    for k, lane in enumerate(ordered):
        middle = sum(lane.row_range) / 2
        center, half = float(lane.center_at(middle)), float(lane.width_at(middle)) / 2
        spans.append((center - 0.8 * half, center + 0.8 * half))
        if k + 1 < len(ordered) and ordered[k + 1].strip == lane.strip:
            other = ordered[k + 1]
            spans.append((center + half + 1, float(other.center_at(middle) - other.width_at(middle) / 2) - 1))
        else:
            spans.append((0.0, 0.0))
    n_bins = -(-ground.signal.shape[0] // bin_rows)
    empty = np.full((0, n_bins), np.nan)
    if not spans:
        return empty, empty
    courses = np.array([_course(ground, span, bin_rows) for span in spans])
    inside, right = courses[0::2], courses[1::2]
    left = np.vstack([np.full((1, n_bins), np.nan), right[:-1]])
    both = np.isfinite(left) & np.isfinite(right)
    return inside, np.where(both, (left + right) / 2, np.where(np.isfinite(right), right, left))


def _course(ground: Ground, span: tuple[float, float], bin_rows: int) -> Array:
    first, last = max(int(np.ceil(span[0])), 0), min(int(span[1]) + 1, ground.signal.shape[1])
    starts = np.arange(0, ground.signal.shape[0], bin_rows)
    if last - first < 2:
        return np.full(len(starts), np.nan)
    usable = ground.usable[:, first:last]
    counts = np.add.reduceat(usable.sum(axis=1), starts)
    sums = np.add.reduceat(np.where(usable, ground.signal[:, first:last], 0).sum(axis=1, dtype=float), starts)
    enough = counts >= 0.5 * bin_rows * (last - first)
    return np.asarray(np.divide(sums, counts, out=np.full(len(starts), np.nan), where=enough))


def lane_course(ground: Ground, lane: Lane, bin_rows: int) -> tuple[Array, Array, Array]:
    """Row, mean and number of free pixels in bins of rows along one lane; 0 pixels where bands are."""
    middle = sum(lane.row_range) / 2
    center, half = float(lane.center_at(middle)), float(lane.width_at(middle)) / 2
    means = _course(ground, (center - half, center + half), bin_rows)
    rows: Array = np.arange(len(means), dtype=float) * bin_rows + (bin_rows - 1) / 2
    free = np.isfinite(means)
    known = np.asarray(np.where(free, means, 0.0), dtype=float)
    return rows, known, np.asarray(free * (2 * half * bin_rows), dtype=float)


def _course_variance(courses: Array, lag: int) -> float:
    """Half the mean square difference of bins `lag` apart, less the noise of a bin; NaN for too few."""
    if courses.size == 0 or courses.shape[1] <= lag:
        return float("nan")
    steps = courses[:, lag:] - courses[:, :-lag]
    steps = steps[np.isfinite(steps)]
    if len(steps) < FEW:
        return float("nan")
    # The median step is the picture's overall slope, which a straight line takes up.
    return _beyond_noise(robust_sd(steps - np.median(steps)) ** 2 / 2, _texture(courses), len(steps))


def _beyond_noise(found: float, noise: float, n: int) -> float:
    """What a variance holds beyond noise: nothing within two standard errors, all of it from four on."""
    error = noise * np.sqrt(4 / n)  # overlapping steps count half
    sure = np.clip(((found - noise) / error - 2) / 2, 0, 1) if error > 0 else 1.0
    return float(max(found - noise, 0.0) * sure)


def _texture(courses: Array) -> float:
    """Variance of a bin's mean, its pixels' noise included, from second differences along the course."""
    if courses.size == 0 or courses.shape[1] < 5:
        return 0.0
    # Every second bin: noise that reaches into the next bin counts as noise.
    bends = courses[:, 2:-2] - (courses[:, :-4] + courses[:, 4:]) / 2
    bends = bends[np.isfinite(bends)]
    return robust_sd(bends) ** 2 / 1.5 if len(bends) >= FEW else 0.0


def _level_variance(lanes: Array, gaps: Array) -> float:
    """Mean square difference between a lane and the gap beside it where both are free, less their noise."""
    steps = lanes - gaps
    known = steps[np.isfinite(steps)]
    return _beyond_noise(robust_sd(known) ** 2, _texture(steps), len(known)) if len(known) >= FEW else 0.0
