"""From colour pictures to one channel of counts, or a reason why not.

What people hold as colour is mostly a grey picture: saved as RGB, tinted by a scanner or a JPEG, with a drawn box, a
label or an imager's saturation colour in it. Each channel is then the same straight line of another one, but for the
marks. Such a picture is read in one channel, and its marks are left out. A stain that absorbs light, or glows, has one
hue; it is read in the channel that shows it with the most contrast. What is neither (two dyes in two colours, a display
in false colours) shows two pictures, and only a person can say which one is meant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.io.read import RawPicture, Source

CHANNELS = ("red", "green", "blue")

_ROUNDING = 1
"""Grey levels: colour conversions round each channel on its own."""
_SEEN = 30 / 255
"""Part of full scale that a channel must be off its line to be seen as a colour."""
_NOISE_SDS = 6.0
"""The same in SDs of a colour camera's noise, where that is larger."""
_MOST_MARKS = 0.05
"""Share of the picture that drawn marks may cover; a figure or a display has more."""
_MOST_SMOOTH = 0.002
"""Share of the picture in colours without a sharp edge: bands in a second colour, no drawn marks."""
_SHARP = 0.45
"""A drawn mark's colour rises from neighbour to neighbour by this part of its height."""
_OFF_CURVE = 0.05
"""Share of the picture that may lie off the one curve of a dye (a gel's rim, reflections)."""
_NEARLY_MOST = 0.9
"""Green, of which cameras have twice the pixels, is taken if it has this part of the best channel's contrast."""
_UNLIKE = 1.3
"""Channels whose contrasts are this factor apart show a dye; a tint changes them less."""
_PURE = 0.75
"""Share of what stands out in a dye's picture that has the dye's hue; a false-colour display has many."""
_SAME_HUE = 0.9
"""Cosine of the angle within which hues are one."""
_STANDS_OUT = 0.15
"""Part of full scale, or optical density, that clearly stands out."""
_HALO_PX = 4
"""px around a mark that its softened or JPEG-compressed edge reaches."""
_LEVELS = 64
"""Levels of one channel at which the curve of a dye is taken."""
_FEW_PX = 5
"""px of a level from which on its median counts."""
_SAMPLE = 100_000
"""px that are looked at to fit a line."""


def channel_name(asked: str) -> str:
    """Spell a channel in full: ``"R"`` is ``"red"``."""
    lower = asked.strip().lower()
    return {"r": "red", "g": "green", "b": "blue"}.get(lower, lower)


def shown_channel(source: Source) -> str:
    """Quote the channel that was asked for in a message."""
    from blotquant.text import shown

    return repr(shown(source.channel or "", 30))


def resolve_colour(source: Source, colours: NDArray[Any]) -> RawPicture:
    """Turn RGB(A) into one channel.

    Parameters
    ----------
    source : Source
        The file, with the channel that was asked for; a named channel always wins.
    colours : ndarray, shape (H, W, 3 or more)
        Red, green, blue; whatever follows (alpha) is left out.

    Returns
    -------
    RawPicture
        Counts, the channel's name where one was chosen, and marks; flagged ``colour_ignored`` where channels differ
        without telling different pictures, ``channel_chosen`` where a dye decided, ``coloured_marks`` where marks were
        left out.

    Raises
    ------
    ImageError
        If the channels show different pictures and none is named, or the name is not one of `CHANNELS`.

    Notes
    -----
    `skimage.color.separate_stains` gives amounts of dyes whose colours are known beforehand; here the colour is not
    known, and the counts must stay those of one channel as stored.
    """
    if source.channel is not None:
        if source.channel not in CHANNELS:
            msg = f"has no channel {shown_channel(source)}; choose red, green or blue"
            raise source.error(msg)
        index = CHANNELS.index(source.channel)
        return RawPicture(pixels=np.ascontiguousarray(colours[..., index]), channel=source.channel)
    rgb = colours[..., :3]
    spread = rgb.max(axis=2) - rgb.min(axis=2)
    is_integer = np.issubdtype(rgb.dtype, np.integer)
    if not spread.any() or (is_integer and int(spread.max()) <= _ROUNDING):
        return RawPicture(pixels=np.ascontiguousarray(rgb[..., 1]))
    # Each channel against the one of most contrast: what leaves the common line is in colour.
    full = float(np.iinfo(rgb.dtype).max) if is_integer else float(np.nanmax(rgb))
    light = np.empty(rgb.shape, dtype=np.float32)
    for k, row in enumerate(rgb):  # row by row: never the whole picture in double precision
        light[k] = row / full
    main, _ = _most_contrast(light, np.ones(light.shape[:2], dtype=bool))
    off = _off_line(light, main)
    seen = max(_SEEN, _NOISE_SDS * 1.4826 * float(np.median(off)))
    marks = off > seen
    are_few = marks.mean() <= _MOST_MARKS
    if marks.any():
        from skimage.filters import apply_hysteresis_threshold

        # The softened edge of a mark belongs to it.
        marks = ndimage.binary_dilation(apply_hysteresis_threshold(off, seen / 3, seen), np.ones((3, 3), bool))
    # Again without the marks: a tinted grey picture, or a dye.
    main, is_dye = _most_contrast(light, ~ndimage.binary_dilation(marks, iterations=_HALO_PX))
    if not is_dye and are_few:
        ignored = bool((spread[~marks] > (_ROUNDING if is_integer else 0)).any())
        flags = (*(("colour_ignored",) if ignored else ()), *(("coloured_marks",) if marks.any() else ()))
        plane = np.ascontiguousarray(rgb[..., main])
        return RawPicture(pixels=plane, flags=flags, marks=marks if marks.any() else None)
    # One dye gives one curve and one hue; anything else is two pictures in one.
    off = _off_curve(light, main)
    strange = off > _SEEN
    one_hue = is_dye and strange.mean() <= _OFF_CURVE and _smooth_share(off, strange) <= _MOST_SMOOTH
    if one_hue and _purity(light) >= _PURE:
        plane = np.ascontiguousarray(rgb[..., main])
        return RawPicture(pixels=plane, channel=CHANNELS[main], flags=("channel_chosen",))
    msg = (
        f"is a colour picture whose channels show different pictures ({100 * marks.mean():.2g} % of its pixels: two "
        "dyes, a false-colour display or drawn figures); open the imager's own grey file, or choose channel red, green "
        "or blue"
    )
    raise source.error(msg)


def _most_contrast(light: NDArray[np.float32], free: NDArray[np.bool_]) -> tuple[int, bool]:
    """Index of the channel with the most contrast, and whether a dye makes the difference.

    It is the channel that a dye absorbs, or in which it shines. Tinted paper scales all of a channel, so that the share
    of its light that bands take away is the same in each.
    """
    values = light[free] if free.any() else light.reshape(-1, 3)
    values = values[:: max(1, len(values) // _SAMPLE)]
    low, middle, high = np.maximum(np.percentile(values, [0.5, 50, 99.5], axis=0), 1e-6)
    contrast = np.maximum(high - low, 1e-6)
    taken = contrast / high
    unlike = contrast.max() > _UNLIKE * contrast.min()
    glows = float(middle.max()) < 0.5
    main = 1 if contrast[1] >= _NEARLY_MOST * contrast.max() else int(contrast.argmax())
    return main, bool(unlike and (glows or taken.max() > _UNLIKE * taken.min()))


def _off_line(light: NDArray[np.float32], main: int) -> NDArray[np.float32]:
    """How far each pixel's other channels are off straight lines of the main one, as a part of full scale.

    Lines are fitted by least squares to the pixels that lie near them, in a few rounds; the slow drift of the light's
    own colour over the picture is taken off.
    """
    stride = max(1, light.shape[0] * light.shape[1] // _SAMPLE)
    sample = light.reshape(-1, 3)[::stride].astype(np.float64)
    base = light[..., main]
    # By levels: nearly all pixels are ground, whose noise has no slope.
    level = np.minimum((sample[:, main] * _LEVELS).astype(int), _LEVELS - 1)
    held = np.flatnonzero(np.bincount(level, minlength=_LEVELS) >= _FEW_PX)
    x = np.asarray(ndimage.median(sample[:, main], level, held))
    off = np.zeros(base.shape, dtype=np.float32)
    for c in (k for k in range(3) if k != main):
        y = np.asarray(ndimage.median(sample[:, c], level, held))
        slope, offset = 1.0, 0.0
        for tolerance in (1.0, 0.3, 0.15, 0.08):
            near = np.abs(y - offset - slope * x) < tolerance
            if np.count_nonzero(near) > 1:
                slope, offset = np.polyfit(x[near], y[near], 1)
        residual = light[..., c] - np.clip(np.float32(offset) + np.float32(slope) * base, 0, 1)
        # Beyond the main channel's own limits the others may go on.
        residual[(base >= 1) & (residual > 0)] = 0
        residual[(base <= 0) & (residual < 0)] = 0
        residual -= _drift(residual)
        off = np.maximum(off, np.abs(residual))
    return off


def _drift(residual: NDArray[np.float32]) -> NDArray[np.float32]:
    """Its running median over two fifths of the picture's shorter side."""
    stride = max(1, min(residual.shape) // 60)
    coarse = residual[::stride, ::stride]
    smooth = ndimage.median_filter(coarse, size=25, mode="nearest")
    grown = np.repeat(np.repeat(smooth, stride, axis=0), stride, axis=1)
    return np.asarray(grown[: residual.shape[0], : residual.shape[1]])


def _off_curve(light: NDArray[np.float32], main: int) -> NDArray[np.float32]:
    """How far each pixel's other channels are off their medians at the same level of the main one."""
    base = light[..., main]
    level = np.minimum((base * (_LEVELS - 1)).astype(int), _LEVELS - 1)
    held = np.bincount(level.ravel(), minlength=_LEVELS) > 0
    off = np.zeros(base.shape, dtype=np.float32)
    for c in (k for k in range(3) if k != main):
        medians = ndimage.median(light[..., c], level, np.arange(_LEVELS))
        curve = np.interp(base, (np.flatnonzero(held) + 0.5) / _LEVELS, np.asarray(medians)[held])
        off = np.maximum(off, np.abs(light[..., c] - curve.astype(np.float32)))
    return off


def _purity(light: NDArray[np.float32]) -> float:
    """Share of what stands out that has one hue, in light above the ground or in density below the paper."""
    values = light.reshape(-1, 3)[:: max(1, light.shape[0] * light.shape[1] // _SAMPLE)].astype(np.float64)
    shares = []
    for colours in (values, -np.log10(values + 1 / 255)):
        ground = np.percentile(colours, 50 if colours is values else 10, axis=0)
        above = colours - ground
        size = np.linalg.norm(above, axis=1)
        clear = size > _STANDS_OUT
        hues = above[clear] / size[clear, None]
        mean = hues.mean(axis=0) if len(hues) else np.zeros(3)
        length = float(np.linalg.norm(mean))
        shares.append(float((hues @ mean > _SAME_HUE * length).mean()) if length > 0 else 0.0)
    return max(shares)


def _smooth_share(off: NDArray[np.float32], marks: NDArray[np.bool_]) -> float:
    """Share of the picture in coloured areas without a sharp edge."""
    labels, n_areas = ndimage.label(marks, np.ones((3, 3)))
    if n_areas == 0:
        return 0.0
    numbers = np.arange(1, n_areas + 1)
    steps = ndimage.maximum(ndimage.maximum_filter(off, 3) - ndimage.minimum_filter(off, 3), labels, numbers)
    heights = ndimage.maximum(off, labels, numbers)
    sizes = np.bincount(labels.ravel())[1:]
    return float(sizes[np.asarray(steps) < _SHARP * np.asarray(heights)].sum() / marks.size)
