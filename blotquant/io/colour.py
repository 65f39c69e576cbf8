"""From colour pictures to one channel of counts, or a reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.io.source import Source

CHANNELS = ("red", "green", "blue")
_SHORT = {"r": "red", "g": "green", "b": "blue"}

_ROUNDING = 1  # grey level: colour conversions round each channel on its own
_COLOURED = 30 / 255  # channels this far apart, of full scale, are seen as colour
_DYE_SHARE = 0.02  # of the picture: bands of a stained gel cover more, a drawn box or a signature less
_DYE_OD = 0.15  # optical density that clearly absorbs
_DYE_COSINE = 0.9
_DYE_PURITY = 0.6  # of what absorbs must have the dye's hue: black bands with coloured marks do not
_DRAWN_SHARE = 0.2  # of coloured pixels in one identical colour are drawn, not stained


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One channel of a colour picture: its counts, its name (None where all are equal), and flags."""

    pixels: NDArray[Any]
    name: str | None = None
    flags: tuple[str, ...] = ()


def channel_name(asked: str) -> str:
    """Spell a channel in full: ``"R"`` is ``"red"``."""
    lower = asked.strip().lower()
    return _SHORT.get(lower, lower)


def resolve_colour(source: Source, colours: NDArray[Any], *, rounding: int = _ROUNDING) -> Channel:
    """Turn RGB(A) into one channel.

    Equal channels collapse. Of unequal ones the named channel is taken; without a name, a coloured scan of one dye
    (a Coomassie or Ponceau gel) gives the channel that the dye absorbs most, flagged `channel_chosen`.

    Parameters
    ----------
    source : Source
        The file, with the channel that was asked for.
    colours : ndarray, shape (H, W, 3 or more)
        Red, green, blue; whatever follows (alpha) is left out.
    rounding : int
        Grey levels that channels may be apart and still count as equal.

    Raises
    ------
    ImageError
        If channels differ and none is named, or the name is not one of `CHANNELS`.
    """
    if source.channel is not None:
        if source.channel not in CHANNELS:
            msg = f"has no channel {shown_channel(source)}; choose red, green or blue"
            raise source.error(msg)
        index = CHANNELS.index(source.channel)
        return Channel(np.ascontiguousarray(colours[..., index]), source.channel)
    rgb = colours[..., :3]
    spread = rgb.max(axis=2) - rgb.min(axis=2)
    if not spread.any():
        return Channel(np.ascontiguousarray(rgb[..., 0]))
    if np.issubdtype(rgb.dtype, np.integer) and int(spread.max()) <= rounding:
        return Channel(np.ascontiguousarray(rgb[..., 1]))
    coloured = spread > _COLOURED * _full_scale(rgb)
    dye = _dye_channel(rgb, coloured)
    if dye is not None:
        return Channel(np.ascontiguousarray(rgb[..., dye]), CHANNELS[dye], ("channel_chosen",))
    msg = (
        f"is a colour picture with unequal channels ({100 * coloured.mean():.2g} % of its pixels are clearly "
        "coloured: drawn marks, a false-colour display or a stain); open the imager's own grey file, "
        "or choose channel red, green or blue"
    )
    raise source.error(msg)


def shown_channel(source: Source) -> str:
    """Quote the channel that was asked for in a message."""
    from blotquant.text import shown

    return repr(shown(source.channel or "", 30))


def _full_scale(rgb: NDArray[Any]) -> float:
    return float(np.iinfo(rgb.dtype).max) if np.issubdtype(rgb.dtype, np.integer) else float(np.nanmax(rgb))


def _dye_channel(rgb: NDArray[Any], coloured: NDArray[np.bool_]) -> int | None:
    """Find the channel that the one dye of a stained gel absorbs most; None if this is not such a picture."""
    if coloured.mean() < _DYE_SHARE or _is_drawn(rgb[coloured]):
        return None
    full = _full_scale(rgb)
    paper = np.percentile(rgb.reshape(-1, 3), 90, axis=0)
    density = np.log10((paper + full / 255) / (rgb + full / 255))
    absorbing = density[(density.max(axis=2) > _DYE_OD)]
    hue = _unit(_unit(density[coloured]).mean(axis=0))
    if not len(absorbing) or not np.isfinite(hue).all() or hue.max() <= 0:
        return None
    pure = (_unit(absorbing) @ hue > _DYE_COSINE).mean()
    coherent = (_unit(density[coloured]) @ hue > _DYE_COSINE).mean()
    return int(hue.argmax()) if min(pure, coherent) >= _DYE_PURITY else None


def _is_drawn(colours: NDArray[Any]) -> bool:
    _, counts = np.unique(colours, axis=0, return_counts=True)
    return bool(counts.max() > _DRAWN_SHARE * len(colours))


def _unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float64)
