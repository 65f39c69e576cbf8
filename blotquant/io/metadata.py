"""What a file says of its counts: exposure time, pixel size, film or light, gamma, and the coding of a `.gel`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tifffile import TiffFile

    from blotquant.io.read import Source

_NUMBER = r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?"
_SECONDS = {
    **dict.fromkeys(("µs", "μs", "us"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
_UNIT = "(?:" + "|".join(sorted(_SECONDS, key=len, reverse=True)) + ")"
_KEY = rf"exposure(?:[ _]?time)?(?:[ _]?\(?(?P<key_unit>{_UNIT})\)?)?"
# "Exposure time = 3.5 s", "Exposure Time (sec): 36.28", "exposure_s: 60"; but "Exposure mode = 1" states no time.
_EXPOSURE = re.compile(rf"\b{_KEY}\s*[=:]\s*[\"']?(?P<value>[^\n\r;|<>\"']*)", re.IGNORECASE)
_EXPOSURE_KEY = re.compile(_KEY, re.IGNORECASE)
_REMARK = re.compile(r"(?:\s*(?:\([^()\d]*\)|,(?=\s*[^\d\s]|\s*$).*))+\s*$")
"""What may follow a time on its line: words in brackets, or the next statement after a comma."""
_PART = re.compile(rf"(?P<number>{_NUMBER}(?:/\d+)?)\s*(?P<unit>{_UNIT})?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(?P<h>\d{1,2}):)?(?P<m>\d{1,2}):(?P<s>\d{2}(?:\.\d+)?)")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
"""``1,200`` is twelve hundred to one reader and one point two to another."""
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
    ome = _OME_EXPOSURE.search(text)
    if ome is not None:
        return seconds_in(ome["number"], ome["unit"])
    match = _EXPOSURE.search(text)
    return None if match is None else seconds_in(_REMARK.sub("", match["value"]), match["key_unit"])


def seconds_in(text: str, unit: str | None = None) -> float | None:
    """A time, understood as a whole or not at all.

    Parameters
    ----------
    text : str
        ``3.5 s``, ``1 min 30 sec``, ``1/30 s``, ``00:01:30``, or a bare number.
    unit : str, optional
        Unit of a bare number; seconds if not given.

    Returns
    -------
    float or None
        Seconds; None where any part of the text is left over, or means two things (``1,200``).
    """
    text = text.strip()
    # A clock (00:01:30) is one thing; else every part must be a number with its unit.
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        return _positive(3600 * int(clock["h"] or 0) + 60 * int(clock["m"]) + float(clock["s"]))
    parts = list(_PART.finditer(text))
    if not parts or re.sub(r"\s+(?:and\s+)?", "", _PART.sub("", text)):
        return None
    units = [part["unit"] for part in parts]
    if len(parts) > 1 and None in units:
        return None
    total = 0.0
    for part in parts:
        number, _, divisor = part["number"].partition("/")
        scale = _SECONDS.get((part["unit"] or unit or "s").lower())
        if scale is None or _THOUSANDS.fullmatch(number) or divisor == "0":
            return None
        try:
            total += float(number.replace(",", ".")) / float(divisor or 1) * scale
        except (ValueError, OverflowError, ZeroDivisionError):
            return None
    return _positive(total)


def _positive(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None


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
            return seconds_in(str(value), match["key_unit"])
    return None


def _leaves(content: Any, depth: int = 0) -> list[tuple[str, Any]]:
    if not isinstance(content, dict) or depth > 4:
        return []
    found = [(key, value) for key, value in content.items() if not isinstance(value, dict)]
    return found + [leaf for value in content.values() for leaf in _leaves(value, depth + 1)]


def says_film(texts: Iterable[str]) -> bool:
    """Whether a file calls itself a scan of film or an autoradiograph."""
    return any(_FILM.search(text[:_LONGEST]) for text in texts)


_FLATBED = re.compile(
    r"\b(?:epson|perfection v\d+|expression \d{4,5}\w*|gt-x\d+|canoscan|scanjet|scanmaker|bio-?5000|plustek|opticfilm"
    r"|powerlook|artixscan|umax|microtek|mustek|silverfast|vuescan|imagescanner)\b",
    re.IGNORECASE,
)
"""Makes, models and programs of flatbed scanners."""
_DENSITOMETER = re.compile(r"\bgs[- ]?(?:670|690|700|710|800|900)\b|\bpersonal densitometer\b", re.IGNORECASE)
"""Scanners that turn light into optical density before they store it."""


def says_flatbed(texts: Iterable[str]) -> bool:
    """Whether make, model or software are those of a flatbed scanner."""
    return any(_FLATBED.search(text[:_LONGEST]) for text in texts)


def stores_density(texts: Iterable[str]) -> bool:
    """Whether make, model or software are those of a densitometer, which stores optical density."""
    return any(_DENSITOMETER.search(text[:_LONGEST]) for text in texts)


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


_GAMMA_SPACES = (b"sRGB", b"Adobe RGB", b"Display P3", b"Gamma 2.2", b"Gamma 1.8", b"Dot Gain", b"ProPhoto")
"""Names of profiles whose values are not proportional to light."""


def profile_has_gamma(profile: bytes) -> bool:
    """Whether an ICC profile calls itself by the name of a space with a gamma curve."""
    plain = profile.replace(b"\0", b"")
    return any(name in plain for name in _GAMMA_SPACES)


# Molecular Dynamics .gel: a TIFF whose counts may be stored as their square roots.

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
    # Absent tags mean a plain TIFF.
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


def stores_gel_coding(tiff: TiffFile) -> bool:
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
