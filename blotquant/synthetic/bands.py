"""Where synthetic bands lie and how their light is spread: flat-topped across the lane, peaked along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, erfc, erfcx

from blotquant.model.geometry import Polygon, polygon
from blotquant.synthetic.spec import LaneSpec, RowSpec, StripSpec

Floats = NDArray[np.float64]
NO_TAIL = 0.02  # below this the exponential is far narrower than the Gaussian


@dataclass(frozen=True)
class Frame:
    """Turns between the picture and a strip's own upright coordinates, in which `StripSpec` is written."""

    strip: StripSpec

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column about which the strip turns."""
        top, bottom, left, right = self.strip.box
        return (top + bottom - 1) / 2, (left + right - 1) / 2

    def upright(self, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        """Rows and columns that points of the picture would have on the untilted strip."""
        r0, c0 = self.middle
        sin, cos = self._turn()
        dr, dc = rows - r0, cols - c0
        return r0 + dr * cos - dc * sin, c0 + dc * cos + dr * sin

    def picture(self, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        """Where points of the untilted strip lie in the picture."""
        r0, c0 = self.middle
        sin, cos = self._turn()
        dr, dc = rows - r0, cols - c0
        return r0 + dr * cos + dc * sin, c0 + dc * cos - dr * sin

    def front(self, cols: Floats) -> Floats:
        """Rows by which the running front lies below its place in the middle of the strip."""
        left, right = self.strip.box[2:]
        place = 2 * (cols - self.middle[1]) / (right - left)
        start = self.strip.downhill_from
        run = np.clip((place - start) / (1 - start), 0, None)
        return -self.strip.smile_px * place**2 + self.strip.downhill_px * run**1.5

    def lane_center(self, lane: LaneSpec, rows: Floats) -> Floats:
        """Column of a lane's centre line on the untilted strip."""
        down = rows - self.middle[0]
        half = (self.strip.box[1] - self.strip.box[0]) / 2
        return lane.center + lane.slope * down + lane.curve_px * (down / half) ** 2

    def _turn(self) -> tuple[float, float]:
        angle = np.deg2rad(self.strip.tilt_deg)
        return float(np.sin(angle)), float(np.cos(angle))


@dataclass(frozen=True, kw_only=True)
class BandShape:
    """One band as it is rendered: its row's shape and its own irregularities."""

    frame: Frame
    lane: LaneSpec
    row: RowSpec
    shift_px: float = 0.0
    sigma: float = 3.0
    width: float = 30.0
    bow_px: float = 0.0
    slant: float = 0.0
    lean: float = 0.0

    def coordinates(self, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        """Distance across from the lane's centre line and along from the band's ridge, of points of the picture."""
        y, x = self.frame.upright(rows, cols)
        across = x - self.frame.lane_center(self.lane, y)
        return across, y - self.ridge(x, across)

    def ridge(self, cols: Floats, across: Floats) -> Floats:
        """Row of the band's ridge on the untilted strip."""
        bend = self.bow_px * (2 * across / self.width) ** 2 + self.slant * across
        return self.row.row + self.shift_px + self.frame.front(cols) + bend

    def brightness(self, rows: Floats, cols: Floats) -> Floats:
        """Relative light at points of the picture."""
        across, along = self.coordinates(rows, cols)
        half, soft = self.width / 2, np.sqrt(2) * self.row.edge
        flat = erf((across + half) / soft) - erf((across - half) / soft)
        flat = flat * (1 + self.lean * np.clip(across / half, -1, 1))
        light = flat * peaked(along, self.sigma, self.row.tail)
        if self.row.hollow > 0:
            hole = (across / (0.4 * half)) ** 2 + (along / (1.2 * self.sigma)) ** 2
            light = light * (1 - self.row.hollow * np.exp(-hole / 2))
        return np.asarray(light, dtype=np.float64)

    def window(self, shape: tuple[int, int], reach: float = 6.0) -> tuple[slice, slice]:
        """Rows and columns of the picture that the band's light reaches."""
        length = self.sigma * (1 + 1.5 * abs(self.row.tail))
        rows, cols = np.array(self.outline(reach * length / self.spread, self.width / 2 + reach * self.row.edge)).T
        first = (max(int(rows.min()), 0), max(int(cols.min()), 0))
        stop = (min(int(rows.max()) + 2, shape[0]), min(int(cols.max()) + 2, shape[1]))
        return slice(first[0], max(stop[0], first[0])), slice(first[1], max(stop[1], first[1]))

    @property
    def spread(self) -> float:
        """Standard deviation of the profile along the lane, tail included, px."""
        return float(self.sigma * np.hypot(1.0, self.row.tail))

    @property
    def mode(self) -> float:
        """Where the profile along the lane is highest, px from the ridge."""
        if abs(self.row.tail) < NO_TAIL:
            return 0.0
        along = np.linspace(-3 * self.spread, 3 * self.spread, 1501)
        return float(along[np.argmax(peaked(along, self.sigma, self.row.tail))])

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
        y = np.full_like(across, self.row.row)
        for _ in range(3):  # the front's row depends on the column, the lane's column on the row
            x = self.frame.lane_center(self.lane, y) + across
            y = self.ridge(x, across) + along
        return np.column_stack(self.frame.picture(y, self.frame.lane_center(self.lane, y) + across))


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


def shape_bands(strip: StripSpec, rng: np.random.Generator) -> list[list[BandShape | None]]:
    """Draw the irregularities of a strip's bands: one list a row, one entry a lane, None without a place."""
    frame = Frame(strip)
    # One draw per lane and row whether or not it is used, so that bands do not move when another is left out.
    lane_draws = rng.standard_normal((len(strip.lanes), 3)) * strip.irregular
    draws = rng.standard_normal((len(strip.rows), len(strip.lanes), 5)) * strip.irregular
    return [
        [
            None if volume is None else _shape_band(frame, lane, row, lane_draws[j] * 0.8 + draws[i, j, :3] * 0.4,
                                                    draws[i, j, 3:])
            for j, (lane, volume) in enumerate(zip(strip.lanes, row.volumes, strict=True))
        ]
        for i, row in enumerate(strip.rows)
    ]  # fmt: skip


def _shape_band(frame: Frame, lane: LaneSpec, row: RowSpec, place: Floats, form: Floats) -> BandShape:
    width = lane.width * row.fill * float(np.clip(1 + 0.04 * form[0], 0.8, 1.15))
    return BandShape(
        frame=frame,
        lane=lane,
        row=row,
        shift_px=0.9 * float(place[0]),
        sigma=row.sigma * float(np.clip(1 + 0.06 * form[1], 0.7, 1.4)),
        width=width,
        bow_px=row.bow_px + 0.8 * float(place[1]),
        slant=row.slant + 0.02 * float(place[2]),
        lean=0.12 * float(np.clip(form[1] - form[0], -3, 3)),
    )
