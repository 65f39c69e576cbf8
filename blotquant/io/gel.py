"""Molecular Dynamics `.gel`: a TIFF whose counts may be stored as their square roots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blotquant.io.source import Source

if TYPE_CHECKING:
    from tifffile import TiffFile

_FILE_TAG = 33445
"""Tag of the coding of the counts."""
_SCALE_PIXEL = 33446
"""Tag of the factor of square-root counts."""
_SQUARE_ROOT = 2
"""Coding of counts stored as their square roots."""
_LINEAR = 128
"""Coding of counts stored as they are."""
_FACTS = {33448: "lab", 33449: "sample", 33450: "prepared_on", 33451: "prepared_at", 33452: "units"}


def gel_coding(source: Source, tiff: TiffFile) -> float | None:
    """Read how the counts are coded. The tags may sit in any page's directory.

    Returns
    -------
    float or None
        For square-root pixels the factor in ``counts = stored² × factor``; None for linear ones and other TIFFs.

    Raises
    ------
    ImageError
        If the coding is not known.
    """
    tags = _find_tags(tiff)
    coding = tags.get(_FILE_TAG, _LINEAR)
    if coding == _LINEAR:
        return None
    if coding != _SQUARE_ROOT:
        msg = f"tag {_FILE_TAG} (coding of a .gel) is {coding!r}; known are 2 (square root) and 128 (linear)"
        raise source.error(msg)
    scale = tags.get(_SCALE_PIXEL, 1)
    if isinstance(scale, tuple) and scale[1]:
        factor = float(scale[0]) / float(scale[1])
    else:
        factor = float(scale) if isinstance(scale, int | float) else float("nan")
    if not factor > 0:
        msg = f"tag {_SCALE_PIXEL} (scale of a .gel) is {scale!r}, not a positive number; export it as linear TIFF"
        raise source.error(msg)
    return factor


def has_coding(tiff: TiffFile) -> bool:
    """Whether the file says how its counts are coded."""
    return _FILE_TAG in _find_tags(tiff)


def decode_counts(stored: NDArray[Any], factor: float) -> NDArray[np.float64]:
    """Turn square-root codes into linear counts: ``stored² × factor``."""
    codes = stored.astype(np.float64)
    return codes * codes * factor


def gel_facts(tiff: TiffFile) -> list[tuple[str, object]]:
    """List what else the tags of a `.gel` say."""
    tags = _find_tags(tiff)
    return [(name, tags.get(code)) for code, name in _FACTS.items()]


def _find_tags(tiff: TiffFile) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for page in tiff.pages:
        for tag in page.aspage().tags:
            if _FILE_TAG <= tag.code <= max(_FACTS):
                found.setdefault(tag.code, tag.value)
    return found
