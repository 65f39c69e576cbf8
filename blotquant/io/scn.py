"""Bio-Rad Image Lab `.scn`: nested MIME parts, raw counts and an XML header for each picture.

(Leica's `.scn` is a TIFF and is told apart by its first bytes.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blotquant.io.metadata import exposure_in
from blotquant.io.read import DAMAGE, RawPicture, Source, kept
from blotquant.text import shown

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MAX_PARTS = 10_000
_MAX_HEADER = 64 * 1024
_MAX_XML = 4 * 1024 * 1024
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"^([\w-]+):[ \t]*(.*?)\r?$", re.MULTILINE)
_BOUNDARY = re.compile(rb'boundary="?([^";\r\n]+)"?')


def read(source: Source) -> RawPicture:
    """Read one picture of an Image Lab file.

    Raises
    ------
    ImageError
        If the file is damaged, or holds several pictures and no page was chosen.
    """
    try:
        return _read(source)
    except DAMAGE as error:
        raise source.damaged(error, ".scn") from error


def _read(source: Source) -> RawPicture:
    pictures = _pictures(source)
    if not pictures:
        msg = "is an Image Lab file without ImageData and ImageHeader parts; save it again in Image Lab"
        raise source.error(msg)
    # The picture that is meant, with the header that states its size.
    if source.channel is not None:
        msg = "has no colour channels; leave the channel out, or choose a picture by page"
        raise source.error(msg)
    index = source.choose_page(len(pictures))
    data, header_part = pictures[index]
    header = _header(source, header_part)
    rows, cols = _size(source, header, "size_pix")
    pixels = _pixels(source, data, header, (rows, cols))
    # What Image Lab says of the exposure and the instrument.
    said = {item.get("name", ""): item.get("value", "") for item in header.iterfind("scan_attributes/*")}
    stated = said.get("Exposure Time (sec)", "")
    return RawPicture(
        pixels=pixels,
        full_scale=_full_scale(header),
        page=index,
        photometric="miniswhite" if _attribute(header, "image", "zero_is") == "white" else "minisblack",
        exposure_s=exposure_in(f"Exposure Time (sec) = {stated}"),
        pixel_size_um=_pixel_size(header, cols),
        imager=" ".join(said.get("Imager", "").split()) or None,
        metadata=kept(sorted(said.items())),
        is_original=True,
    )


def _parts(source: Source) -> list[tuple[bytes, slice]]:
    """List the innermost MIME parts: what each calls itself, and where its body lies.

    Binary parts are stepped over by their Content-Length, so that pixels which happen to spell a boundary are not
    taken for one.
    """
    data, boundaries = source.data, set[bytes]()
    parts: list[tuple[bytes, slice]] = []
    at: int | None = 0
    while at is not None and len(parts) < _MAX_PARTS:
        # A part is header lines, an empty line, and its body.
        blank = _BLANK_LINE.search(data, at, at + _MAX_HEADER)
        if blank is None:
            break
        fields = {name.lower(): value for name, value in _FIELD.findall(data, at, blank.start() + 1)}
        kind, start = fields.get(b"content-type", b""), blank.end()
        boundary = _BOUNDARY.search(kind)
        # A part of parts: what is in it ends at its own boundary too.
        if kind.startswith(b"multipart") and boundary:
            boundaries.add(boundary[1])
            stop = start
        else:
            length = fields.get(b"content-length", b"")
            stop = start + int(length) if length.isdigit() else _next_boundary(data, start, boundaries)[0]
            parts.append((fields.get(b"content-description", b""), slice(start, stop)))
        at = _next_boundary(data, stop, boundaries)[1]
    return parts


def _next_boundary(data: bytes, start: int, boundaries: set[bytes]) -> tuple[int, int | None]:
    """Where the part ends and where the next one's header begins; None after the last."""
    if not boundaries:
        return len(data), None
    pattern = b"--(?:" + b"|".join(re.escape(b) for b in sorted(boundaries)) + rb")(--)?[ \t]*(?:\r?\n|$)"
    first: int | None = None
    for found in re.compile(pattern).finditer(data, start):
        first = found.start() if first is None else first
        if found[1] is None:
            return first, found.end()
    return (len(data) if first is None else first), None


def _pictures(source: Source) -> list[tuple[slice, slice]]:
    """Pair every ImageData with the ImageHeader that follows it, by where they lie."""
    pairs: list[tuple[slice, slice]] = []
    waiting: slice | None = None
    for description, body in _parts(source):
        if description == b"ImageData":
            waiting = body
        elif description == b"ImageHeader" and waiting is not None:
            pairs.append((waiting, body))
            waiting = None
    return pairs


def _header(source: Source, body: slice) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(source.data[body.start : min(body.stop, body.start + _MAX_XML)].strip())
    except (DefusedXmlException, SyntaxError) as error:
        msg = f"its ImageHeader is not readable XML ({shown(str(error), 80)}); save it again in Image Lab"
        raise source.error(msg) from error
    return root


def _size(source: Source, header: Element, tag: str) -> tuple[int, int]:
    width, height = (_attribute(header, tag, side) or "" for side in ("width", "height"))
    if not (width.isdigit() and height.isdigit()):
        msg = f"its ImageHeader states no {tag} in whole pixels; save it again in Image Lab"
        raise source.error(msg)
    source.check_size(int(height), int(width))
    return int(height), int(width)


def _pixels(source: Source, body: slice, header: Element, shape: tuple[int, int]) -> NDArray[np.unsignedinteger]:
    raw = source.data[body]
    # Bytes a pixel follow from the size; anything else is a damaged file.
    depth, rest = divmod(len(raw), shape[0] * shape[1])
    if rest or depth not in (1, 2, 4):
        msg = (
            f"damaged or incomplete .scn: {len(raw)} bytes of pixels do not fit {shape[1]} × {shape[0]}; copy it again"
        )
        raise source.error(msg)
    order = ">" if (header.findtext("endian") or "little").strip() == "big" else "<"
    stored = np.frombuffer(raw, dtype=f"{order}u{depth}").reshape(shape)
    return stored.astype(stored.dtype.newbyteorder("="))


def _full_scale(header: Element) -> float | None:
    """Lowest maximum that the scanner declares."""
    stated = (_number(_attribute(header, "scanner", name)) for name in ("data_ceiling", "max_value"))
    return min((value for value in stated if value is not None), default=None)


def _pixel_size(header: Element, cols: int) -> float | None:
    width = _number(_attribute(header, "size_mm", "width"))
    known = _attribute(header, "size_mm", "known") == "true"
    return float(f"{1000 * width / cols:.6g}") if known and width else None


def _attribute(header: Element, tag: str, name: str) -> str | None:
    item = header.find(tag)
    return None if item is None else item.get(name)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if np.isfinite(value) and value > 0 else None
