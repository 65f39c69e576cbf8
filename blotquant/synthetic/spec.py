"""What a synthetic blot is made of: every physical parameter of membrane, bands, surface and camera.

Rows and columns are the picture's, in pixels, as they would be if the strip were not tilted: a strip turns and bends
about the middle of its box. Light is in counts per second: `BlotSpec.exposure_s` turns it into counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.model.geometry import LaneRole

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LaneSpec:
    """One lane: its middle column and width, and how it bends.

    Attributes
    ----------
    center : float
        Column of its middle, half-way down the strip.
    width : float
        Full width of a band that fills it, in px.
    slope : float
        Columns it runs to the right per row down: lanes of a fan have different slopes.
    curve_px : float
        Columns its ends lie to the right of the straight line.
    role : LaneRole
        What was loaded.
    smear : float
        Counts per second of unspecific light over the lane; negative where protein shades the membrane.
    """

    center: float
    width: float
    slope: float = 0.0
    curve_px: float = 0.0
    role: LaneRole = "sample"
    smear: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RowSpec:
    """One protein's row of bands across the lanes of a strip.

    Attributes
    ----------
    target : str
        Name of the protein.
    row : float
        Where it runs in the middle of the strip.
    volumes : tuple of float or None
        Light of the band in each lane, counts per second: 0 where the protein is absent, None where the row has no
        place (a ladder's rows in a sample lane).
    mw_kda : float or None
        Molecular weight.
    sigma : float
        Standard deviation along the lane of the band's Gaussian core, px.
    tail : float
        Decay length of an exponential tail in units of `sigma`; positive tails run up the lane, negative down.
    edge : float
        Softness of the band's two sides: SD of the error function, px.
    fill : float
        Width of the band / width of the lane.
    bow_px : float
        Rows by which the band's ends hang below its middle (a frown; negative for a smile).
    slant : float
        Rows per column that each band runs down to the right.
    hollow : float
        0 to 1: share of light missing in the burnt-out middle. The volume is what remains.
    """

    target: str
    row: float
    volumes: tuple[float | None, ...]
    mw_kda: float | None = None
    sigma: float = 3.0
    tail: float = 0.0
    edge: float = 1.2
    fill: float = 1.0
    bow_px: float = 0.0
    slant: float = 0.0
    hollow: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StripSpec:
    """One piece of membrane.

    Attributes
    ----------
    box : tuple of float
        Its first row, row after the last, first column, column after the last, before it is tilted.
    lanes, rows : tuples
        What was loaded and what shows.
    tilt_deg : float
        Positive runs downhill to the right.
    smile_px : float
        Rows by which the outer lanes run above the middle ones (negative: below).
    downhill_px, downhill_from : float
        The front runs downhill by that many rows at the right end, beginning at that place (-1 left end, 1 right).
    level : float
        Light of the bare membrane above the frame, counts per second.
    ragged_px : float
        How far the corners of the cut lie off the box.
    irregular : float
        0 for bands as told; 1 for those of a hand-cast gel, where shift, width, slant and bow scatter from
        band to band.
    """

    box: tuple[float, float, float, float]
    lanes: tuple[LaneSpec, ...] = ()
    rows: tuple[RowSpec, ...] = ()
    tilt_deg: float = 0.0
    smile_px: float = 0.0
    downhill_px: float = 0.0
    downhill_from: float = 0.0
    level: float = 0.0
    ragged_px: float = 0.0
    irregular: float = 0.0

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.volumes) != len(self.lanes):
                msg = f"row {row.target} has {len(row.volumes)} volumes for {len(self.lanes)} lanes; give one a lane"
                raise ValueError(msg)

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column about which the strip turns."""
        top, bottom, left, right = self.box
        return (top + bottom - 1) / 2, (left + right - 1) / 2

    def to_upright(self, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        """Rows and columns that points of the picture would have on the untilted strip."""
        r0, c0 = self.middle
        sin, cos = self._turn()
        dr, dc = rows - r0, cols - c0
        return r0 + dr * cos - dc * sin, c0 + dc * cos + dr * sin

    def to_picture(self, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        """Where points of the untilted strip lie in the picture."""
        r0, c0 = self.middle
        sin, cos = self._turn()
        dr, dc = rows - r0, cols - c0
        return r0 + dr * cos + dc * sin, c0 + dc * cos - dr * sin

    def front(self, cols: Floats) -> Floats:
        """Rows by which the running front lies below its place in the middle of the strip."""
        left, right = self.box[2:]
        place = 2 * (cols - self.middle[1]) / (right - left)
        start = self.downhill_from
        run = np.clip((place - start) / (1 - start), 0, None)
        return -self.smile_px * place**2 + self.downhill_px * run**1.5

    def lane_center(self, lane: LaneSpec, rows: Floats) -> Floats:
        """Column of a lane's centre line on the untilted strip."""
        down = rows - self.middle[0]
        half = (self.box[1] - self.box[0]) / 2
        return lane.center + lane.slope * down + lane.curve_px * (down / half) ** 2

    def _turn(self) -> tuple[float, float]:
        angle = np.deg2rad(self.tilt_deg)
        return float(np.sin(angle)), float(np.cos(angle))


@dataclass(frozen=True, kw_only=True)
class SurfaceSpec:
    """Light that is no band; all in counts per second unless said otherwise.

    Attributes
    ----------
    base : float
        Everywhere, frame included.
    gradient : (float, float)
        Difference from the top to the bottom and from the left to the right of the picture.
    haze, haze_px : float
        SD and length of smooth clouds over the membranes.
    texture, texture_px : float
        SD of the membrane's grain as a share of its level, and its length.
    glow, glow_px : float
        Share of the bands' light that the substrate and the lens spread, and how far.
    smear_px : float
        Length over which the lanes' smear changes along the lane.
    """

    base: float = 0.0
    gradient: tuple[float, float] = (0.0, 0.0)
    haze: float = 0.0
    haze_px: float = 60.0
    texture: float = 0.0
    texture_px: float = 1.5
    glow: float = 0.0
    glow_px: float = 12.0
    smear_px: float = 30.0


@dataclass(frozen=True, kw_only=True)
class DebrisSpec:
    """How many of each nuisance lie on the picture, and how bright they are.

    Attributes
    ----------
    specks, dust, bubbles, scratches, pencil, folds : int
        Round spots of antibody; single bright pixels; pale discs where nothing was blotted; bright lines; dark numbers
        and strokes beside the lanes; edges of plastic sheet across the picture.
    strength : float
        Counts per second of a typical speck.
    hot : float
        Counts (whatever the exposure) of a typical hot pixel.
    """

    specks: int = 0
    dust: int = 0
    bubbles: int = 0
    scratches: int = 0
    pencil: int = 0
    folds: int = 0
    strength: float = 300.0
    hot: float = 3000.0


@dataclass(frozen=True, kw_only=True)
class CameraSpec:
    """What turns light into stored numbers.

    Attributes
    ----------
    offset : float
        Counts in the dark.
    gain : float
        Counts per electron; 0 leaves shot noise out.
    read_noise : float
        SD per pixel, counts.
    noise_px : float
        Length over which the noise is correlated (interpolating cameras), px.
    ceiling : float
        Largest count that it stores.
    dtype : str
        Of the stored pixels; integer pixels are rounded.
    """

    offset: float = 100.0
    gain: float = 1.0
    read_noise: float = 5.0
    noise_px: float = 0.0
    ceiling: float = 65535.0
    dtype: Literal["uint8", "uint16", "float32", "float64"] = "uint16"


NOISELESS = CameraSpec(offset=0.0, gain=0.0, read_noise=0.0, ceiling=float("inf"), dtype="float64")


@dataclass(frozen=True, kw_only=True)
class BlotSpec:
    """Everything about one synthetic picture.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    strips : tuple of StripSpec
        Pieces of membrane, in any order.
    surface, debris, camera : SurfaceSpec, DebrisSpec, CameraSpec
        Background, nuisances, detector.
    exposure_s : float
        Seconds; all light is multiplied by it.
    polarity : {"bright", "dark"}
        How bands are stored.
    frame : int
        Which shot of the scene: frames of one seed share everything except the noise and the hot pixels.
    probe : str or None
        Name given to the picture.
    membrane_seed : int or None
        Draws cut edges and irregularities in place of the picture's seed: pictures of one membrane share it.
    """

    shape: tuple[int, int] = (240, 400)
    strips: tuple[StripSpec, ...] = ()
    surface: SurfaceSpec = field(default_factory=SurfaceSpec)
    debris: DebrisSpec = field(default_factory=DebrisSpec)
    camera: CameraSpec = field(default_factory=CameraSpec)
    exposure_s: float = 1.0
    polarity: Literal["bright", "dark"] = "bright"
    frame: int = 0
    probe: str | None = None
    membrane_seed: int | None = None

    def with_(self, **changes: Any) -> BlotSpec:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


def plain_spec(
    volumes: ArrayLike,
    *,
    shape: tuple[int, int] = (240, 400),
    sigma: float = 3.0,
    width_share: float = 0.75,
    targets: tuple[str, ...] | None = None,
    **changes: Any,
) -> BlotSpec:
    """Describe a straight, evenly spaced blot on one strip that fills the picture.

    Parameters
    ----------
    volumes : array-like, shape (n_rows, n_lanes) or (n_lanes,)
        Volume of each band in counts per second; NaN where a row has no place in a lane.
    shape : (int, int)
        Rows and columns of the picture.
    sigma : float
        SD of the bands along the lane, px.
    width_share : float
        Width of a lane / pitch.
    targets : tuple of str or None
        Names of the rows; ``row1``, ``row2``… when not given.
    **changes
        Further fields of `BlotSpec`.
    """
    table = np.atleast_2d(np.asarray(volumes, dtype=float))
    n_rows, n_lanes = table.shape
    pitch = shape[1] / (n_lanes + 1)
    lanes = tuple(LaneSpec(center=pitch * (k + 1), width=pitch * width_share) for k in range(n_lanes))
    names = targets or tuple(f"row{k + 1}" for k in range(n_rows))
    rows = tuple(
        RowSpec(target=name, row=shape[0] * (k + 1) / (n_rows + 1), sigma=sigma,
                volumes=tuple(None if np.isnan(v) else float(v) for v in line))
        for k, (name, line) in enumerate(zip(names, table, strict=True))
    )  # fmt: skip
    strip = StripSpec(box=(0, shape[0], 0, shape[1]), lanes=lanes, rows=rows)
    return BlotSpec(shape=shape, strips=(strip,), **changes)
