"""The likeliest level under a band, given the free rows of its own lane and the gaps beside it: kriging.

Down the lane the ground is taken for a smooth random course shared with the gaps beside it, plus an uneven light of
the lane's own, plus noise and a straight line; how strong each is, is measured on the picture's own free rows. A gap
beside a bright band may be lit by it: a glow of the band's own shape and unknown strength belongs to the gaps. The
level under a band is then the best linear unbiased estimate, and its variance follows (Matheron 1963; Cressie 1993,
chapter 3). A constant and a ramp come back exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from blotquant.model.geometry import Lane
from blotquant.quantification.background.background_pixels import Course, both_sides
from blotquant.quantification.background.base import Aperture, Array, BackgroundPixels, Estimate, FittedBackground
from blotquant.quantification.background.kriging import Roughness, Witnesses, krige, measure_roughness
from blotquant.quantification.background.methods import Constant

GLOW = 0.3
"""SD of the share of a band's light that may lie on the gap beside it where bands touch or fuse."""


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

    def fit(self, ground: BackgroundPixels) -> LocalSurface:
        """Measure how rough the ground is; levels are estimated when a band is asked for."""
        return LocalSurface(self, ground, measure_roughness(ground))


@dataclass(frozen=True, eq=False)
class LocalSurface(FittedBackground):
    """The method on one picture."""

    method: Local
    ground: BackgroundPixels
    rough: Roughness
    # Filled as lanes are asked for.
    near_light: dict[str, Array] = field(default_factory=dict)

    def under(self, aperture: Aperture) -> Estimate:
        """Best linear unbiased estimate of the level along the aperture's rows."""
        return self.under_all([aperture])[0]

    def under_all(self, apertures: Sequence[Aperture]) -> list[Estimate]:
        """The same under many apertures at once."""
        cases = [(self._witnesses(a), a) if 0 not in a.shape else None for a in apertures]
        told = [k for k, case in enumerate(cases) if case is not None and len(case[0].rows) >= 3]
        solved = krige([case for k in told if (case := cases[k])], self.rough, self.ground.cells.steps[0])
        found = dict(zip(told, solved, strict=True))
        rest = Constant().fit(self.ground) if len(found) < len(cases) else None
        return [found[k] if rest is None or k in found else rest.under(a) for k, a in enumerate(apertures)]

    def _witnesses(self, aperture: Aperture) -> Witnesses:
        """Free rows above and below; the window grows until the lane, or failing that its sides, say enough."""
        box, cells, n_rows = aperture.box, self.ground.cells, self.ground.signal.shape[0]
        left, right = self._gaps(aperture)
        reach = self.method.reach * self.ground.band_height
        while True:
            start, stop = max(box.row_start - reach, 0.0), min(box.row_stop + reach + 1, float(n_rows))
            bins = cells.bins(start, stop)
            own, *gaps = cells.read_side_by_side([(box.col_start, box.col_stop), left, right], bins)
            sides = both_sides(*gaps)
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
        middle = aperture.middle_row
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
            glow[n:] = GLOW * self._light_beside(lane)[bins][in_sides]
        return Witnesses(seen[0], seen[1], seen[2], np.arange(len(glow)) < n, glow)

    def _light_beside(self, lane: Lane) -> Array:
        """Light of the brightest of a lane and its neighbours, in bins of rows."""
        known = self.near_light.get(lane.id)
        if known is None:
            near = [lane, *self.ground.beside(lane)]
            known = self.near_light[lane.id] = np.max([self.ground.light[other.id] for other in near], axis=0)
        return known
