"""A smooth baseline along each lane through its free rows: a masked Whittaker smoother (Eilers 2003)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from blotquant.model.geometry import Lane
from blotquant.quantification.background.background_pixels import read_lane
from blotquant.quantification.background.base import Aperture, Array, BackgroundPixels, Estimate, FittedBackground
from blotquant.quantification.background.simple import Flank


@dataclass(frozen=True)
class LaneBaseline:
    """Whittaker baseline of the lane's profile with all bands masked.

    Attributes
    ----------
    stiffness : float
        Waves shorter than so many band heights are not followed.
    """

    stiffness: float = 6.0
    name: str = "lane"

    def fit(self, ground: BackgroundPixels) -> _LaneSurface:
        """Nothing is learnt before a lane is asked for."""
        return _LaneSurface(self, ground)


@dataclass(frozen=True, eq=False)
class _LaneSurface(FittedBackground):
    method: LaneBaseline
    ground: BackgroundPixels
    # Filled as lanes are asked for; the same lane always gives the same course, in any order and thread.
    courses: dict[str, tuple[Array, Array, float]] = field(default_factory=dict)

    def under(self, aperture: Aperture) -> Estimate:
        """Level of the lane's baseline along the aperture's rows; the flanks' line outside of lanes."""
        if aperture.lane is None:
            return Flank().fit(self.ground).under(aperture)
        known = self.courses.get(aperture.lane.id)
        if known is None:
            known = self.courses[aperture.lane.id] = self._baseline(aperture.lane)
        rows, level, free = known
        if free < 3:
            return Flank().fit(self.ground).under(aperture)
        values = np.interp(np.arange(aperture.box.row_start, aperture.box.row_stop), rows, level)
        reach = 0.5 * self.method.stiffness * self.ground.band_height
        n = max(free * reach / max(float(rows[-1] - rows[0]), reach), 1.0)
        return Estimate(values[:, None], 1 / n, n)

    def _baseline(self, lane: Lane) -> tuple[Array, Array, float]:
        step, course = self.ground.cells.steps[0], read_lane(self.ground.cells, lane)
        free = course.counts > 0
        if free.sum() < 3:
            return course.rows, course.means, 0.0
        middle = float(course.means[free].mean())
        centred = np.where(free, course.means - middle, 0.0)
        # Half of a wave's height passes where its length is 2 pi lam**(1/4).
        lam = (self.method.stiffness * self.ground.band_height / step / (2 * np.pi)) ** 4
        weights = course.counts / course.counts[free].mean()
        smooth = whittaker(centred, weights, lam)
        return self.ground.cells.middles(), smooth + middle, float(course.counts.sum())


def whittaker(values: Array, weights: Array, stiffness: float) -> Array:
    """Smooth values so that weighted misfit and squared second differences are least (Eilers 2003).

    The same as `pybaselines.utils.whittaker_smooth`, whose import costs more than all the lanes of a picture.

    Parameters
    ----------
    values, weights : ndarray, shape (n,)
        Three or more values; weight 0 where one is missing.
    stiffness : float
        Weight of the second differences.
    """
    from scipy.linalg import solveh_banded

    n = len(values)
    bands = np.zeros((3, n))
    # D'D of the second differences, upper diagonals as LAPACK wants them.
    bands[0, 2:] = 1.0
    bands[1, 1:] = -4.0
    bands[1, [1, -1]] = -2.0
    bands[2] = 6.0
    bands[2, [1, -2]] = 5.0
    bands[2, [0, -1]] = 1.0
    if n == 3:
        bands[2, 1] = 4.0
    bands *= stiffness
    bands[2] += weights
    return np.asarray(solveh_banded(bands, weights * values, check_finite=False))
