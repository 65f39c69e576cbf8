"""`BlotImage`: one picture of a membrane, in the counts the camera wrote."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blotquant.text import printable

Polarity = Literal["bright", "dark"]
Flip = Literal["left-right", "top-bottom"]
FloatImage = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How a picture was laid: by its file's tag, then cut, turned and mirrored by a person.

    Attributes
    ----------
    tag : int or None
        The file's orientation tag (TIFF 274, EXIF) as it was applied, 1 to 8; None for whatever the file says.
    region : (int, int, int, int) or None
        Left, top, right and bottom (the last two beyond the region) in px of the picture as the tag shows it.
    rotate : float
        Degrees, anticlockwise.
    flip : {"left-right", "top-bottom"} or None
        The mirror, after the turn.
    """

    tag: int | None = 1
    region: tuple[int, int, int, int] | None = None
    rotate: float = 0.0
    flip: Flip | None = None

    @property
    def quarter_turns(self) -> int:
        """Quarter turns, anticlockwise, 0 to 3: the nearest to the angle."""
        return round(self.rotate / 90) % 4

    @property
    def lean_deg(self) -> float:
        """What quarter turns and the mirror leave of the angle, -45 to 45: the pixels stay, what is found turns."""
        left = self.rotate - 90 * round(self.rotate / 90)
        return left if self.flip is None else -left

    def lay(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Stored pixels as the file's tag says, then cut, turned by quarters and mirrored as a person says.

        Every pixel keeps its stored value. What is left of a free angle (`lean_deg`) turns what is found
        (`blotquant.detection.turned`), not the pixels.

        Raises
        ------
        ValueError
            If the region does not lie in the picture; the message shows both.

        References
        ----------
        TIFF 6.0, tag 274 (Orientation), which EXIF shares.
        """
        # As viewers show them by the tag, 1 to 8.
        pixels = stored.swapaxes(0, 1) if self.tag in (5, 6, 7, 8) else stored
        if self.tag in (3, 4, 7, 8):
            pixels = pixels[::-1]
        if self.tag in (2, 3, 6, 7):
            pixels = pixels[:, ::-1]
        if self.region is not None:
            left, top, right, bottom = self.region
            height, width = pixels.shape[:2]
            if not (0 <= left < right <= width and 0 <= top < bottom <= height):
                msg = (
                    f"region {left},{top},{right},{bottom} (left, top, right, bottom) does not lie in the picture of "
                    f"{width} × {height} px"
                )
                raise ValueError(msg)
            pixels = pixels[top:bottom, left:right]
        pixels = np.rot90(pixels, self.quarter_turns)
        if self.flip == "left-right":
            pixels = pixels[:, ::-1]
        elif self.flip == "top-bottom":
            pixels = pixels[::-1]
        return np.ascontiguousarray(pixels)

    def then(self, step: Orientation, shape: tuple[int, int]) -> Orientation:
        """One way to lay a picture, for this one followed by another.

        Parameters
        ----------
        step : Orientation
            What is done to the picture as this one lays it: cut, turned, mirrored.
        shape : (int, int)
            Rows and columns of the picture as this one lays it.
        """
        region = self.region
        if step.region is not None:
            left, top, right, bottom = step.region
            height, width = shape
            if self.flip == "left-right":
                left, right = width - right, width - left
            elif self.flip == "top-bottom":
                top, bottom = height - bottom, height - top
            for _ in range(self.quarter_turns):  # each taken back
                left, top, right, bottom = height - bottom, left, height - top, right
                height, width = width, height
            over, down = (0, 0) if region is None else region[:2]
            region = left + over, top + down, right + over, bottom + down
        turn = self.rotate + (-step.rotate if self.flip else step.rotate)  # a mirror reverses the turns before it
        flips = {self.flip, step.flip} - {None}
        both = len(flips) == 2  # left-right and top-bottom are half a turn
        flip = None if both or self.flip == step.flip else flips.pop()
        return Orientation(tag=self.tag, region=region, rotate=(turn + 180 * both) % 360, flip=flip)

    def describe(self) -> str:
        """In words, for messages and the report; empty where nothing was done."""
        steps = [f"orientation tag {self.tag} applied"] if self.tag not in (None, 1) else []
        steps += ["cut to {},{},{},{}".format(*self.region)] if self.region is not None else []
        if self.rotate:
            free = " (what quarter turns leave of it in the search only)" if self.lean_deg else ""
            steps.append(f"turned by {self.rotate:g}° anticlockwise{free}")
        steps += [f"mirrored {self.flip}"] if self.flip else []
        return ", ".join(steps)


@dataclass(frozen=True, eq=False, kw_only=True)
class BlotImage:
    """One picture of a membrane and what its file says about it.

    Attributes
    ----------
    pixels : ndarray, shape (H, W)
        Values as stored, in the file's dtype, read-only.
    polarity : {"bright", "dark"}
        Whether bands stand out above or below the background of `pixels`.
    polarity_confidence : float
        0.5 (a coin) to 1 (told by the user or unmistakable).
    ceiling : float
        Effective detector ceiling on the scale of `signal()`: a pixel at or above it is saturated. It is the
        dtype's maximum or a lower pile-up (10-, 12- and 14-bit cameras, tags that declare a maximum).
        `inf` for float data without a ceiling.
    white : float
        The stored value from which dark bands are subtracted to make them bright.
    exposure_s : float or None
        Exposure time in seconds.
    pixel_size_um : float or None
        Edge of one pixel in micrometres.
    imager, probe : str or None
        The instrument that took the picture; the antibody or stain that it shows.
    source : pathlib.Path or None
        The file it was read from.
    sha256 : str
        Checksum of that file's bytes.
    page, channel : int or None, str or None
        Which page and colour channel of the file the pixels are.
    orientation : Orientation
        How the pixels were laid.
    marks : ndarray of bool, shape (H, W), or None
        Where coloured marks hide the counts; `signal` is NaN there.
    photometric : str or None
        The file's own statement of polarity ("minisblack", "miniswhite", "palette", "rgb").
    metadata : dict
        Whatever else the file says, as text, for the record.
    flags : tuple of str
        Names from `blotquant.flags` that hold for every number made from this picture.
    """

    pixels: NDArray[Any]
    polarity: Polarity = "bright"
    polarity_confidence: float = 1.0
    ceiling: float = float("inf")
    white: float = 0.0
    exposure_s: float | None = None
    pixel_size_um: float | None = None
    imager: str | None = None
    probe: str | None = None
    source: Path | None = None
    sha256: str = ""
    page: int | None = None
    channel: str | None = None
    orientation: Orientation = field(default_factory=Orientation)
    marks: NDArray[np.bool_] | None = None
    photometric: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2:
            msg = f"a blot image has two dimensions, got an array of shape {self.pixels.shape}"
            raise ValueError(msg)
        if self.polarity not in ("bright", "dark"):
            msg = f"polarity must be 'bright' or 'dark', got {self.polarity!r}"
            raise ValueError(msg)
        self.pixels.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the picture."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def name(self) -> str:
        """The file's name as printable text, or ``"array"`` for pixels that came from none."""
        return printable(self.source.name) if self.source is not None else "array"

    @property
    def may_lack_numbers(self) -> bool:
        """Whether some pixels of the signal may be NaN or infinite."""
        return self.pixels.dtype.kind == "f" or self.marks is not None

    def signal(self) -> FloatImage:
        """Counts as floats with bands bright; never clipped, rescaled or smoothed; NaN under marks or where infinite.

        Returns
        -------
        ndarray, shape (H, W)
            float32 where it holds every stored value exactly (integers up to 16 bits, float16, float32), else
            float64. Dark bands come out as ``white - pixels``, so that a picture and its negative give the same
            numbers. Read-only: made once and shared by all who ask.
        """
        return self._counts

    @cached_property
    def _counts(self) -> FloatImage:
        # Single precision where it holds every stored value exactly: half the memory and time.
        exact_in_float32 = self.pixels.dtype.itemsize <= 2 or self.pixels.dtype == np.float32
        dtype: type[np.floating[Any]] = np.float32 if exact_in_float32 else np.float64
        counts = self.pixels.astype(dtype)
        if self.polarity == "dark":
            np.subtract(dtype(self.white), counts, out=counts)
        if self.marks is not None:
            counts[self.marks] = np.nan
        if self.pixels.dtype.kind == "f":
            counts[np.isinf(counts)] = np.nan  # as little a count as NaN, and sums and fits would not end with it
        counts.flags.writeable = False
        return counts

    def with_(self, **changes: Any) -> BlotImage:
        """Return a copy with some fields changed; the pixels are shared."""
        return replace(self, **changes)
