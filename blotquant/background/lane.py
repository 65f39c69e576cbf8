"""A smooth baseline along each lane through its free rows: a masked Whittaker smoother (Eilers 2003)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from blotquant.background.base import Aperture, Array, Estimate, Ground
from blotquant.background.courses import read_lane
from blotquant.background.simple import Flank
from blotquant.geometry import Lane


@dataclass(frozen=True)
class LaneBaseline:
    """Whittaker baseline of the lane's profile with all bands masked (through `pybaselines`).

    Attributes
    ----------
    stiffness : float
        Waves shorter than so many band heights are not followed.
    """

    stiffness: float = 6.0
    name: str = "lane"

    def fit(self, ground: Ground) -> _LaneSurface:
        """Nothing is learnt before a lane is asked for."""
        return _LaneSurface(self, ground)


@dataclass(frozen=True, eq=False)
class _LaneSurface:
    method: LaneBaseline
    ground: Ground
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
        n = max(free * reach / max(float(np.ptp(rows)), reach), 1.0)
        return Estimate(values[:, None], 1 / n, n)

    def _baseline(self, lane: Lane) -> tuple[Array, Array, float]:
        from pybaselines.utils import whittaker_smooth

        step, course = self.ground.cells.steps[0], read_lane(self.ground.cells, lane)
        free = course.counts > 0
        if free.sum() < 3:
            return course.rows, course.means, 0.0
        middle = float(course.means[free].mean())
        centred = np.where(free, course.means - middle, 0.0)
        # Half of a wave's height passes where its length is 2 pi lam**(1/4).
        lam = (self.method.stiffness * self.ground.band_height / step / (2 * np.pi)) ** 4
        weights = course.counts / course.counts[free].mean()
        smooth = whittaker_smooth(centred, lam=lam, diff_order=2, weights=weights)
        return self.ground.cells.middles(), smooth + middle, float(course.counts.sum())
