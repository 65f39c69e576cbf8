"""Where the detector's scale ends, and the marks that a processed export leaves in the pixel values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.imaging.content import is_mostly_at
from blotquant.model.image import Polarity

_CAMERA_FULL_SCALES = frozenset({255, 1023, 4095, 16383, 65535, 1023 << 6, 4095 << 4, 16383 << 2})
"""Counts of 10-, 12- and 14-bit cameras, as they are or shifted up to 16 bits; of 8 and 16 bits in wider types."""
_NEIGHBOURS = 8
"""Levels below the maximum that show how the tail runs out."""
_PILE_UP_PX = 10
"""px at one highest value from which on they are a pile-up."""
_PILE_UP_RATIO = 5.0
"""How many times as many as the tail leads to expect they must be."""
_CAMERA_PILE_UP_PX = 3
"""The same at a full scale that cameras have."""
_CAMERA_PILE_UP_RATIO = 3.0
"""The same at a full scale that cameras have."""
_TOP = 0.97
"""Part of the highest counts above the ground from which on pixels lie at the top."""
_BELOW_TOP = 0.85
"""Part from which on they lie just below it."""
_PLATEAU_PX = 30
"""px at the top from which on they may be a plateau."""
_PLATEAU_RATIO = 1.5
"""Pixels at the top for one just below it: bands as high as each other have 0.8 by their shape, different ones less."""
_FILM_PLATEAU_RATIO = 0.7
"""The same on film, which bends towards its greatest density instead of being cut off."""
_FLANK = 0.25
"""Part of the height from which on pixels lie on the flanks of bands."""
_FLANK_RATIO = 0.5
"""Pixels on the flanks for one at the top: what has none is drawn, no band."""
_FOOT = 0.2
"""Part of a plateau's density at which its foot is taken."""
_PLATEAU_BINS = 40
"""Bins of the histogram's upper tenth in which the foot is looked for."""
_FEW_LEVELS = 256
"""Distinct values of an 8-bit picture."""
_ENOUGH_PIXELS = 1024
"""px from which on a picture can show many levels."""
_ENOUGH_LEVELS = 8
"""Levels from which on they show a step."""
_BLOCK_PX = 1 << 18
"""px that are counted at a time."""
_BLACK_SHARE = 0.001
"""Share of the picture at zero signal from which on the background was cut."""
_FLAT_SHARE = 0.5
"""Share of an 8-bit picture at one level next to zero that tells the same."""
_FLAT_DEPTH = 0.02
"""How near to zero that level lies, as a part of full scale."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Both ends of the value scale, and what the values tell about the file's past.

    Attributes
    ----------
    white : float
        Stored value that dark bands are subtracted from.
    ceiling : float
        Effective detector ceiling on the scale of `BlotImage.signal`; `inf` for float data without a pile-up.
    flags : tuple of str
        ``lower_ceiling soft_ceiling low_bit_depth few_levels stepped_levels clipped_black zeros_kept nonfinite_pixels
        saturated_picture``.
    """

    white: float
    ceiling: float
    flags: tuple[str, ...]


def judge_scale(
    pixels: NDArray[Any],
    polarity: Polarity,
    *,
    full_scale: float | None = None,
    is_original: bool = False,
    is_film: bool = False,
) -> Scale:
    """Find the effective ceiling and the marks of a processed export.

    Parameters
    ----------
    pixels : ndarray, shape (H, W)
        Stored values, integer or float.
    polarity : {"bright", "dark"}
        Direction of the signal. For dark bands saturation lies at the stored minimum.
    full_scale : float, optional
        Maximum that the file declares, where it does.
    is_original : bool
        Whether this is an imager's own file: zeros in it are a dark frame taken off, no export.
    is_film : bool
        Whether light went through film, whose density has a greatest value.

    Returns
    -------
    Scale
        ``judge_scale(p, "dark")`` equals ``judge_scale(C - p, "bright")`` for integer pixels and C their type's
        maximum, unless a full scale below the type's shows in the values.
    """
    # What the type and the file say of the largest value.
    values, counts = count_levels(pixels)
    declared = full_scale
    if full_scale is None or not len(values) or values[-1] > full_scale:
        # Pixels above a declared maximum prove it wrong.
        declared = None
    is_integer = bool(np.issubdtype(pixels.dtype, np.integer))
    # Floats have no full scale of their own: the declared one takes its place.
    type_top = float(np.iinfo(pixels.dtype).max) if is_integer else declared or float("inf")
    type_bottom = float(np.iinfo(pixels.dtype).min) if is_integer else 0.0
    top = float(declared or type_top)
    if polarity == "dark" and not declared and _pile_up(values, counts) in _CAMERA_FULL_SCALES:
        # The paper of a dark-band picture piles up at the full scale of a 10-, 12- or 14-bit camera.
        top = _pile_up(values, counts)
    # Levels of the signal, bands bright: dark bands are counted down from white.
    white, limit = top, top
    if polarity == "dark":
        white = float(values[-1]) if np.isinf(top) else top
        values, counts = white - values[::-1].astype(np.float64), counts[::-1]
        limit = top if np.isinf(top) else white - type_bottom
    # The ceiling is where pixels pile up on one value, or the foot of a plateau with a width.
    hard = min(limit, _pile_up(values, counts))
    ceiling = min(hard, _plateau(values, counts, hard, _FILM_PLATEAU_RATIO if is_film else _PLATEAU_RATIO))
    flags = ["lower_ceiling"] if hard < type_top else []
    # Of a whole picture first, by its counts: few need the second look, which leaves frames and margins out.
    if int(counts[values >= hard].sum()) > 0.5 * counts.sum():
        light = np.nan_to_num(pixels.astype(np.float64))
        flags += ["saturated_picture"] if is_mostly_at(white - light if polarity == "dark" else light, hard) else []
    flags += ["soft_ceiling"] if ceiling < hard else []
    flags += _export_flags(pixels, values, counts, full_scale, is_original=is_original)
    return Scale(0.0 if np.isinf(white) else white, ceiling, tuple(flags))


def count_levels(pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct finite values of a picture, rising, and how many pixels hold each."""
    if pixels.dtype in (np.uint8, np.uint16):
        # Block by block: `bincount` widens its input to eight bytes, which for a block stays in the cache.
        flat, n_levels = pixels.ravel(), int(pixels.max()) + 1
        counts = np.zeros(n_levels, dtype=np.int64)
        for start in range(0, flat.size, _BLOCK_PX):
            counts += np.bincount(flat[start : start + _BLOCK_PX], minlength=n_levels)
        values = np.flatnonzero(counts)
        return values.astype(pixels.dtype), counts[values]
    values = pixels[np.isfinite(pixels)]
    values.sort()  # in place: what `np.unique` does takes two more copies of the picture
    first = np.flatnonzero(np.concatenate([np.ones(min(values.size, 1), dtype=bool), values[1:] != values[:-1]]))
    return values[first], np.diff(first, append=values.size)


def _pile_up(values: NDArray[Any], counts: NDArray[np.int64]) -> float:
    """Highest value if far more pixels hold it than the tail below leads to expect, else `inf`."""
    if len(values) < 2:
        return float("inf")
    top, held = float(values[-1]), int(counts[-1])
    tail = float(counts[-1 - _NEIGHBOURS : -1].mean())
    camera = top in _CAMERA_FULL_SCALES
    enough, ratio = (_CAMERA_PILE_UP_PX, _CAMERA_PILE_UP_RATIO) if camera else (_PILE_UP_PX, _PILE_UP_RATIO)
    return top if held >= enough and held >= ratio * tail else float("inf")


def _plateau(values: NDArray[Any], counts: NDArray[Any], hard: float, ratio: float) -> float:
    """Lower foot of a plateau with a width at the highest counts, else `inf`.

    Wells that were full before a dark frame was taken off, or before frames were averaged, lie on no single value. They
    still crowd at the top: of a band that rises to its peak, fewer pixels lie in the last 3 % of the height than in the
    12 % below; of one that was cut off, more.
    """
    if counts.sum() < _ENOUGH_PIXELS or len(values) < _ENOUGH_LEVELS:
        return float("inf")
    # Ground and top of the picture by its histogram.
    values, counts = values.astype(np.float64), counts.astype(np.float64)
    below = np.cumsum(counts)
    ground = float(values[np.searchsorted(below, 0.5 * below[-1])])
    # Three hot pixels are no band.
    top = float(values[np.searchsorted(below, below[-1] - 3)])
    height = top - ground
    if not 0 < height < np.inf or top >= hard:
        return float("inf")
    share = (values - ground) / height
    n_top = float(counts[share >= _TOP].sum())
    n_below = float(counts[(share >= _BELOW_TOP) & (share < _TOP)].sum())
    n_flank = float(counts[(share >= _FLANK) & (share < _BELOW_TOP)].sum())
    if n_top < max(_PLATEAU_PX, ratio * n_below) or n_flank < _FLANK_RATIO * n_top:
        return float("inf")
    # The plateau begins where its hump in the histogram falls to the foot.
    density, edges = np.histogram(values, _PLATEAU_BINS, (ground + 0.9 * height, top), weights=counts)
    mode = int(density.argmax())
    low = np.flatnonzero(density[:mode] < _FOOT * density[mode])
    return float(edges[low[-1] + 1]) if len(low) else float(edges[0])


def _export_flags(
    pixels: NDArray[Any],
    values: NDArray[Any],
    counts: NDArray[np.int64],
    full_scale: float | None,
    *,
    is_original: bool,
) -> list[str]:
    shallow = pixels.dtype.itemsize == 1 or (full_scale is not None and full_scale <= 255)
    n_pixels = int(counts.sum())
    enough = n_pixels >= _ENOUGH_PIXELS
    is_cut = enough and _is_clipped_black(values, counts / n_pixels, shallow=shallow)
    step = 1
    if np.issubdtype(pixels.dtype, np.integer) and len(values) >= _ENOUGH_LEVELS:
        # Largest step that all values are apart by.
        step = int(np.gcd.reduce(np.diff(values.astype(np.int64))))
    claims = {
        "low_bit_depth": shallow,
        "few_levels": enough and pixels.dtype.itemsize > 1 and len(values) <= _FEW_LEVELS,
        "stepped_levels": enough and step > 1,
        "clipped_black": is_cut and not is_original,
        "zeros_kept": is_cut and is_original,
        "nonfinite_pixels": n_pixels < pixels.size,
    }
    return [name for name, holds in claims.items() if holds]


def _is_clipped_black(values: NDArray[Any], share: NDArray[np.float64], *, shallow: bool) -> bool:
    """Whether the background was cut off: a pile-up at zero signal, or one flat level next to it in 8 bits.

    JPEG ringing scatters a few pixels beyond a cut background, so in 8 bits the flat level need not be zero itself.
    `share` is the part of the pixels at each value.
    """
    if len(values) < 2:
        return False
    tail = float(share[1 : 1 + _NEIGHBOURS].mean())
    piled = values[0] == 0 and share[0] >= max(_BLACK_SHARE, _PILE_UP_RATIO * tail)
    flattest = int(share.argmax())
    near_zero = abs(float(values[flattest])) <= _FLAT_DEPTH * 255
    return bool(piled or (shallow and share[flattest] >= _FLAT_SHARE and near_zero))
