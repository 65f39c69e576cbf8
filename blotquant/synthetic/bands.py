"""Where synthetic bands lie and how their light is spread: flat-topped across the lane, peaked along it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, erfc, erfcx

from blotquant.model.geometry import Polygon, polygon
from blotquant.synthetic.spec import BlotSpec, LaneSpec, RowSpec, StripSpec

Floats = NDArray[np.float64]
NO_TAIL = 0.02  # below this the exponential is far narrower than the Gaussian


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place of a row in a lane: its band as it is rendered.

    Attributes
    ----------
    strip, lane, row : int
        Numbers in the scene, from 1.
    strip_spec, lane_spec, row_spec : StripSpec, LaneSpec, RowSpec
        What they describe.
    volume : float
        Counts; 0 where the protein is absent.
    shift_px, sigma, width, bow_px, slant, lean : float
        The row's shape with the band's own irregularities.
    """

    strip: int
    lane: int
    row: int
    strip_spec: StripSpec
    lane_spec: LaneSpec
    row_spec: RowSpec
    volume: float
    shift_px: float
    sigma: float
    width: float
    bow_px: float
    slant: float
    lean: float

    def coordinates(self, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        """Distance across from the lane's centre line and along from the band's ridge, of points of the picture."""
        y, x = self.strip_spec.to_upright(rows, cols)
        across = x - self.strip_spec.lane_center(self.lane_spec, y)
        return across, y - self.ridge(x, across)

    def ridge(self, cols: Floats, across: Floats) -> Floats:
        """Row of the band's ridge on the untilted strip."""
        bend = self.bow_px * (2 * across / self.width) ** 2 + self.slant * across
        return self.row_spec.row + self.shift_px + self.strip_spec.front(cols) + bend

    def brightness(self, rows: Floats, cols: Floats) -> Floats:
        """Relative light at points of the picture."""
        across, along = self.coordinates(rows, cols)
        half, soft = self.width / 2, np.sqrt(2) * self.row_spec.edge
        flat = erf((across + half) / soft) - erf((across - half) / soft)
        flat = flat * (1 + self.lean * np.clip(across / half, -1, 1))
        light = flat * peaked(along, self.sigma, self.row_spec.tail)
        if self.row_spec.hollow > 0:
            # A burnt-out middle takes light away where substrate was used up.
            hole = (across / (0.4 * half)) ** 2 + (along / (1.2 * self.sigma)) ** 2
            light = light * (1 - self.row_spec.hollow * np.exp(-hole / 2))
        return np.asarray(light, dtype=np.float64)

    def window(self, shape: tuple[int, int], reach: float = 6.0) -> tuple[slice, slice]:
        """Rows and columns of the picture that the band's light reaches."""
        length = self.sigma * (1 + 1.5 * abs(self.row_spec.tail))
        rows, cols = np.array(self.outline(reach * length / self.spread, self.width / 2 + reach * self.row_spec.edge)).T
        first = (max(int(rows.min()), 0), max(int(cols.min()), 0))
        stop = (min(int(rows.max()) + 2, shape[0]), min(int(cols.max()) + 2, shape[1]))
        return slice(first[0], max(stop[0], first[0])), slice(first[1], max(stop[1], first[1]))

    @property
    def spread(self) -> float:
        """Standard deviation of the profile along the lane, tail included, px."""
        return float(self.sigma * np.hypot(1.0, self.row_spec.tail))

    @property
    def mode(self) -> float:
        """Where the profile along the lane is highest, px from the ridge."""
        if abs(self.row_spec.tail) < NO_TAIL:
            return 0.0
        along = np.linspace(-3 * self.spread, 3 * self.spread, 1501)
        return float(along[np.argmax(peaked(along, self.sigma, self.row_spec.tail))])

    def outline(self, spreads: float, half_width: float, *, n_points: int = 13) -> Polygon:
        """Outline along the bent ridge, `spreads` SDs above and below the peak, `half_width` px to either side."""
        across = np.linspace(-half_width, half_width, n_points)
        top = self._line(across, self.mode - spreads * self.spread)
        bottom = self._line(across, self.mode + spreads * self.spread)
        return polygon(np.vstack([top, bottom[::-1]]))

    @property
    def peak(self) -> tuple[float, float]:
        """Row and column of the brightest place of the ridge."""
        row, col = self._line(np.zeros(1), self.mode)[0]
        return float(row), float(col)

    def _line(self, across: Floats, along: float) -> Floats:
        """Points of the picture at some distances across, all at one distance along."""
        y = np.full_like(across, self.row_spec.row)
        for _ in range(3):  # the front's row depends on the column, the lane's column on the row
            x = self.strip_spec.lane_center(self.lane_spec, y) + across
            y = self.ridge(x, across) + along
        return np.column_stack(self.strip_spec.to_picture(y, self.strip_spec.lane_center(self.lane_spec, y) + across))


def peaked(along: Floats, sigma: float, tail: float) -> Floats:
    """Gaussian of area 1 along the lane, convolved with an exponential tail where there is one.

    Parameters
    ----------
    along : ndarray
        Distance down the lane from the ridge, px.
    sigma : float
        SD of the Gaussian, px.
    tail : float
        Decay length in units of sigma; positive up the lane.
    """
    if abs(tail) < NO_TAIL:
        return np.asarray(np.exp(-0.5 * (along / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi)))
    # Closed form of a Gaussian convolved with an exponential, in units of sigma.
    toward = -np.sign(tail) * along / sigma
    rate = 1 / abs(tail)
    z = (rate - toward) / np.sqrt(2)
    # erfcx(z) = exp(z²) erfc(z): of the two equal forms each is used where its factors neither over- nor underflow.
    light = np.where(
        z < 0,
        np.exp(np.minimum(rate**2 / 2 - rate * toward, 0)) * erfc(np.minimum(z, 0)),
        np.exp(-0.5 * toward**2) * erfcx(np.maximum(z, 0)),
    )
    return np.asarray(rate / (2 * sigma) * light)


def place_bands(spec: BlotSpec, rng: np.random.Generator) -> Iterator[Place]:
    """Draw the irregularities of a scene's bands: strip by strip, rows from the top down, lanes as they are listed."""
    for s, strip in enumerate(spec.strips, 1):
        number = {id(lane): k for k, lane in numbered(strip)}
        # One draw per lane and row whether or not it is used, so that bands do not move when another is left out.
        lane_draws = rng.standard_normal((len(strip.lanes), 3)) * strip.irregular
        draws = rng.standard_normal((len(strip.rows), len(strip.lanes), 5)) * strip.irregular
        places = lane_draws * 0.8 + draws[..., :3] * 0.4
        by_row = sorted(range(len(strip.rows)), key=lambda i: strip.rows[i].row)
        for r, i in enumerate(by_row, 1):
            row = strip.rows[i]
            for j, (lane, volume) in enumerate(zip(strip.lanes, row.volumes, strict=True)):
                if volume is None:
                    continue
                wide, high = draws[i, j, 3:]
                yield Place(
                    strip=s,
                    lane=number[id(lane)],
                    row=r,
                    strip_spec=strip,
                    lane_spec=lane,
                    row_spec=row,
                    volume=volume * spec.exposure_s,
                    shift_px=0.9 * float(places[i, j, 0]),
                    sigma=row.sigma * float(np.clip(1 + 0.06 * high, 0.7, 1.4)),
                    width=lane.width * row.fill * float(np.clip(1 + 0.04 * wide, 0.8, 1.15)),
                    bow_px=row.bow_px + 0.8 * float(places[i, j, 1]),
                    slant=row.slant + 0.02 * float(places[i, j, 2]),
                    lean=0.12 * float(np.clip(high - wide, -3, 3)),
                )


def numbered(strip: StripSpec) -> list[tuple[int, LaneSpec]]:
    """Lanes with their number from the left."""
    return list(enumerate(sorted(strip.lanes, key=lambda lane: lane.center), 1))
