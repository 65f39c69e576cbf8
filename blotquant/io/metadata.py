"""Exposure time and pixel size, from the free text and the resolution fields that imagers write."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

_NUMBER = r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?"
_SECONDS = {
    **dict.fromkeys(("µs", "μs", "us"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
}
_UNIT = "(?:" + "|".join(sorted(_SECONDS, key=len, reverse=True)) + ")"
# "Exposure time = 3.5 s", "Exposure Time (sec): 36.28", "exposure_s: 60"; but "Exposure mode = 1" states no time.
_EXPOSURE = re.compile(
    rf"\bexposure(?:[ _]?time)?(?:[ _]?\(?(?P<key_unit>{_UNIT})\)?)?\s*[=:]\s*"
    rf"[\"']?(?P<number>{_NUMBER})\s*(?P<unit>{_UNIT})?(?![\w.:])",
    re.IGNORECASE,
)
_EXPOSURE_KEY = re.compile(rf"exposure(?:[ _]?time)?(?:[ _]?\(?(?P<unit>{_UNIT})\)?)?", re.IGNORECASE)
_OME_EXPOSURE = re.compile(rf'ExposureTime="(?P<number>{_NUMBER})"(?:[^>]*?ExposureTimeUnit="(?P<unit>\w+)")?')
_OME_SIZE = re.compile(rf'PhysicalSizeX="(?P<number>{_NUMBER})"(?:[^>]*?PhysicalSizeXUnit="(?P<unit>[^"]+)")?')
_IMAGEJ_UNIT = re.compile(r"^unit=(?P<unit>\S+)", re.MULTILINE)
_MICROMETRES = {
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "micron": 1.0,
    "\\u00b5m": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "inch": 25400.0,
}
_FILM = re.compile(r"\b(?:x-?ray film|film|autoradio\w*)\b", re.IGNORECASE)
_LONGEST = 200_000  # characters of a description that are searched
_SCREEN_DPI = (1.0, 72.0, 75.0, 96.0)  # what programs write when they know nothing


def exposure_in(text: str) -> float | None:
    """Find the exposure time that a description states.

    Parameters
    ----------
    text : str
        An ImageDescription, JSON, OME-XML or ``key = value`` lines.

    Returns
    -------
    float or None
        Seconds; None where none or no positive one is stated.
    """
    text = text[:_LONGEST]
    stated = _exposure_in_json(text)
    if stated is not None:
        return stated
    match = _OME_EXPOSURE.search(text) or _EXPOSURE.search(text)
    if match is None:
        return None
    groups = match.groupdict()
    return _seconds(groups["number"], groups.get("unit") or groups.get("key_unit"))


def _exposure_in_json(text: str) -> float | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for key, value in _leaves(content):
        match = _EXPOSURE_KEY.fullmatch(key)
        if match and isinstance(value, int | float | str):
            number, _, unit = str(value).strip().partition(" ")
            return _seconds(number, unit or match["unit"])
    return None


def _leaves(content: Any, depth: int = 0) -> list[tuple[str, Any]]:
    if not isinstance(content, dict) or depth > 4:
        return []
    found = [(key, value) for key, value in content.items() if not isinstance(value, dict)]
    return found + [leaf for value in content.values() for leaf in _leaves(value, depth + 1)]


def _seconds(number: str, unit: str | None) -> float | None:
    scale = _SECONDS.get((unit or "s").lower())
    try:
        value = float(number.replace(",", ".")) * scale if scale else 0.0
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def says_film(texts: Iterable[str]) -> bool:
    """Whether a file calls itself a scan of film or an autoradiograph."""
    return any(_FILM.search(text[:_LONGEST]) for text in texts)


def pixel_size_in(text: str, per_unit: tuple[float, float] | None) -> float | None:
    """Find the pixel size that a description states (OME-XML; ImageJ together with the resolution tags).

    Parameters
    ----------
    text : str
        The description.
    per_unit : (float, float) or None
        Pixels per unit, across and down, from the resolution tags.

    Returns
    -------
    float or None
        Micrometres; None where unknown or where pixels are not square.
    """
    ome = _OME_SIZE.search(text)
    if ome is not None:
        size = float(ome["number"]) * _MICROMETRES.get((ome["unit"] or "µm").lower(), math.nan)
        return size if math.isfinite(size) and size > 0 else None
    unit = _IMAGEJ_UNIT.search(text)
    scale = _MICROMETRES.get(unit["unit"].lower()) if unit else None
    return None if scale is None or per_unit is None else _square_size(per_unit, scale)


def pixel_size_from_dpi(per_inch: tuple[float, float]) -> float | None:
    """Pixel size in micrometres from dots per inch; None for the values that programs write without knowing."""
    if any(abs(per_inch[0] - screen) < 0.05 for screen in _SCREEN_DPI):
        return None
    return _square_size(per_inch, 25400.0)


def _square_size(per_unit: tuple[float, float], unit_um: float) -> float | None:
    across, down = per_unit
    if not (math.isfinite(across) and across > 0 and abs(across - down) <= 0.01 * across):
        return None
    return float(f"{unit_um / across:.6g}")  # resolutions are ratios of integers: six digits are all they hold
