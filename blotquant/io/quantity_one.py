"""Bio-Rad Quantity One `.1sc`, through the optional package biorad1sc-reader.

The package finds the blocks of a file. Its reader of what stands in them follows references wherever a file sends it,
without an end that could be promised, so the few facts that are needed here are taken from the fields one after the
other, by the layout that the package documents.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from blotquant.io.colour import shown_channel
from blotquant.io.read import DAMAGE, RawPicture, Source, kept

_AREA = re.compile(r"([\d.]+) mm x ([\d.]+) mm")
_HEADER = 160
"""Byte at which the block pointers begin."""
_HEADER_END = 148
"""Byte that says where they end."""
_TEXTS = 7
"""Number of the block of texts."""
_PIXELS = 10
"""Number of the block of pixels."""
_STRING = 16
"""Type of a field that holds text."""
_ITEMS = 101
"""Type of a field that lists items."""
_INTEGERS = {3: "H", 4: "H", 5: "I", 6: "I", 9: "I", 21: "I"}
_WANTED = ("nxpix", "nypix", "data_ceiling")


class _Field(NamedTuple):
    kind: int
    key: int
    payload: bytes


def read(source: Source) -> RawPicture:
    """Read a `.1sc` scan.

    Raises
    ------
    ImageError
        If the package is not installed or the file is damaged.
    """
    try:
        from biorad1sc_reader import Reader
        from biorad1sc_reader.errors import BioRadInvalidFileError, BioRadParsingError
    except ImportError as error:
        msg = "is a .1sc scan; install the readers for it with: pip install 'blotquant[formats]'"
        raise source.error(msg) from error
    if source.page not in (None, 0) or source.channel is not None:
        asked = f"page {source.page}" if source.channel is None else f"channel {shown_channel(source)}"
        msg = f"has no {asked}: a .1sc holds one grey picture; leave the choice out"
        raise source.error(msg)
    try:
        # The list of blocks is walked through before the package trusts it.
        list(_fields(source.data, _HEADER, struct.unpack_from("<I", source.data, _HEADER_END)[0]))
        return _read(source, Reader(io.BytesIO(source.data)))
    except (BioRadInvalidFileError, BioRadParsingError, *DAMAGE) as error:
        raise source.damaged(error, ".1sc") from error


def _read(source: Source, scan: Any) -> RawPicture:
    facts = _scan_header(source, scan)
    rows, cols = facts["nypix"], facts["nxpix"]
    source.check_size(rows, cols)
    start, length = scan.data_start[_PIXELS], scan.data_len[_PIXELS]
    stored = source.data[start : start + length]
    if len(stored) != 2 * rows * cols:
        msg = f"damaged or incomplete .1sc: {len(stored)} bytes of pixels do not fit {cols} × {rows}; copy it again"
        raise source.error(msg)
    # Rows are stored from the bottom up.
    bottom_up = np.frombuffer(stored, np.dtype("u2").newbyteorder(scan.endian)).reshape(rows, cols)
    texts = _texts(source.data, scan)
    area = _AREA.search(texts.get("Image Area", ""))
    return RawPicture(
        pixels=bottom_up[::-1].astype(np.uint16),
        full_scale=float(facts["data_ceiling"]) or None,
        page=0,
        pixel_size_um=float(f"{1000 * float(area[1]) / cols:.6g}") if area else None,
        imager=texts.get("Scanner Name"),
        metadata=kept(sorted(texts.items())),
        is_original=True,
    )


def _fields(data: bytes, start: int, stop: int) -> Iterator[_Field]:
    """The fields of one block, one after the other, up to its end mark."""
    at = start
    while at < min(stop, len(data)):
        kind, length, key = struct.unpack_from("<HHI", data, at)
        if kind == 0:
            return
        length = 20 if length == 1 else length  # as pointers to blocks have it
        if length < 8:
            msg = f"a field of {length} bytes at byte {at}"
            raise ValueError(msg)
        yield _Field(kind, key, data[at + 8 : at + length])
        at += length


def _block(data: bytes, scan: Any, number: int) -> Iterator[_Field]:
    start = scan.data_start[number]
    return _fields(data, start + 8, start + scan.data_len[number])


def _texts(data: bytes, scan: Any) -> dict[str, str]:
    """What Quantity One says about the picture, as "name: value" lines."""
    payloads = (field.payload for field in _block(data, scan, _TEXTS) if field.kind == _STRING)
    named = (payload.rstrip(b"\0").decode("utf-8", "replace").partition(": ") for payload in payloads)
    return {name.strip(): value.strip() for name, colon, value in named if colon}


def _scan_header(source: Source, scan: Any) -> dict[str, int]:
    """Whole numbers of the item SCN: its definition names the place of each in the record that follows."""
    fields = [f for number in sorted(scan.data_start) if number != _PIXELS for f in _block(source.data, scan, number)]
    by_key = {f.key: f for f in fields}
    # The item's definition gives names and places; the record that follows holds the numbers.
    kind, key, place = _item(fields, by_key, b"SCN")
    record = next((f.payload for f in fields[place:] if f.kind == kind), b"")
    places = _places(by_key[key].payload, by_key)
    missing = [name for name in _WANTED if name not in places]
    if missing:
        msg = f"its scan header (SCN) states no {', '.join(missing)}; save it as TIFF in Quantity One"
        raise source.error(msg)
    return {name: struct.unpack_from("<" + places[name][0], record, places[name][1])[0] for name in _WANTED}


def _item(fields: list[_Field], by_key: dict[int, _Field], wanted: bytes) -> tuple[int, int, int]:
    """Type of an item's records, the key of the field that describes them, and after how many fields they come.

    Every collection has types of its own: the same number means something else in the next one.
    """
    for place, field in enumerate(fields, start=1):
        for at in range(0, len(field.payload) - 19, 20) if field.kind == _ITEMS else ():
            kind, key, label = struct.unpack_from("<H6xI4xI", field.payload, at)
            if by_key[label].payload.rstrip(b"\0") == wanted:
                return kind, key, place
    msg = f"no item {wanted.decode()}"
    raise LookupError(msg)


def _places(description: bytes, by_key: dict[int, _Field]) -> dict[str, tuple[str, int]]:
    """Type and byte of every whole number in a record, by its name."""
    found = {}
    for at in range(0, len(description) - 35, 36):
        kind, byte, label = struct.unpack_from("<H6xII", description, at)
        if kind in _INTEGERS:
            name = by_key[label].payload.rstrip(b"\0").decode("ascii", "replace")
            found[name] = (_INTEGERS[kind], byte)
    return found
