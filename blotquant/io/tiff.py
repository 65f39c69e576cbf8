"""TIFF of any make, through tifffile alone: other readers invert some pictures by their photometric tag.

The file is looked through before it is decoded: the chain of its pages, the places of its strips, and the codes of an
LZW stream, which the decoder trusts and by which it would read outside its table. Then one page is chosen, its samples
become one grey channel, and its tags are read.
"""

from __future__ import annotations

import io
import logging
import math
import re
import struct
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blotquant.io.colour import resolve_colour, shown_channel
from blotquant.io.metadata import (
    decode_counts,
    exposure_in,
    gel_coding,
    gel_facts,
    pixel_size_from_dpi,
    pixel_size_in,
    profile_has_gamma,
    stores_gel_coding,
)
from blotquant.io.read import DAMAGE, RawPicture, Source, kept

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage


_CLEAR = 256
"""LZW code that empties the table."""
_END = 257
"""LZW code that ends the stream."""
_MOST = 3840
"""Codes between two clears: what fits a table of 4096."""
_PLACE = np.arange(_MOST)
_WIDTHS = np.select([_PLACE < 254, _PLACE < 766, _PLACE < 1790], [9, 10, 11], 12)
_OFFSETS = np.concatenate([[0], np.cumsum(_WIDTHS)[:-1]])
_HIGHEST = np.where(_PLACE == 0, 255, _PLACE + _END)
"""The highest code that can stand in each place after a clear: one more than the table then holds."""


def is_sound(data: bytes) -> bool:
    """Whether every code of a TIFF's LZW segment names an entry that the codes before it have made.

    Parameters
    ----------
    data : bytes
        One compressed strip or tile, most significant bit first (the order before TIFF 6 is not).

    Returns
    -------
    bool
        True also where the stream stops early; the decoder says so itself.
    """
    n_bits = 8 * len(data)
    # Four bytes from every place on, so that a code can be cut out wherever its bits begin.
    raw = np.frombuffer(data + bytes(4), np.uint8).astype(np.uint32)
    words = (raw[:-3] << 24) | (raw[1:-2] << 16) | (raw[2:-1] << 8) | raw[3:]
    at = 0
    while True:
        # All codes from here to the next clear at once: their widths depend on their number alone.
        starts = at + _OFFSETS
        starts = starts[starts + _WIDTHS <= n_bits]
        widths = _WIDTHS[: len(starts)]
        codes = (words[starts >> 3] >> (32 - widths - (starts & 7))) & ((1 << widths) - 1)
        special = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        n = int(special[0]) if len(special) else len(codes)
        # A code beyond what the table holds there would be read outside of it.
        if (codes[:n] > _HIGHEST[:n]).any():
            return False
        if not len(special):
            return len(codes) < _MOST
        if codes[n] == _END:
            return True
        at = int(starts[n] + widths[n])


MAX_PAGES = 1000
"""Pages from which on a TIFF is taken for a damaged one."""
_LISTED = 8
"""Pages that a message lists."""
_THUMBNAIL_SHARE = 0.25
"""Part of the first page's pixels below which a page is its thumbnail."""
_REDUCED = 1
"""Bit of NewSubfileType that marks a reduced copy."""
_MASK = 4
"""Bit of NewSubfileType that marks a mask."""

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its remarks are not for the user's terminal


def check_page_chain(source: Source) -> None:
    """Walk the chain of pages before a decoder does.

    Raises
    ------
    ImageError
        If the chain runs in a circle, is longer than `MAX_PAGES`, or points outside the file.
    """
    # Byte order and the sizes of counts and offsets: classic TIFF or BigTIFF.
    order = "<" if source.data[:2] == b"II" else ">"
    big = struct.unpack(order + "H", source.data[2:4])[0] == 43
    count_format, entry_size, offset_format = ("Q", 20, "Q") if big else ("H", 12, "I")
    # Each directory ends with the place of the next one; 0 ends the chain.
    at = struct.unpack_from(order + offset_format, source.data, 8 if big else 4)[0]
    seen: set[int] = set()
    while at:
        if at in seen or len(seen) >= MAX_PAGES:
            reason = "its page list runs in a circle" if at in seen else f"it has more than {MAX_PAGES} pages"
            msg = f"damaged TIFF: {reason}; export it again"
            raise source.error(msg)
        seen.add(at)
        n_entries = struct.unpack_from(order + count_format, source.data, at)[0]
        end = at + struct.calcsize(order + count_format) + n_entries * entry_size
        at = struct.unpack_from(order + offset_format, source.data, end)[0]


def choose_page(source: Source, tiff: TiffFile) -> tuple[int, TiffPage]:
    """Take the page that was asked for, or the only one that can be meant.

    Reduced copies, masks and pages without pixels do not count. If the first page is the largest and every other one
    is a thumbnail (under a quarter of its pixels), it is the picture. Otherwise the choice is the user's: two exposures
    or two colours must not be mixed up.

    Returns
    -------
    index : int
        From 0.
    page : TiffPage

    Raises
    ------
    ImageError
        If there is no such page, or several could be meant; the message lists them.
    """
    pages = {k: tiff.pages[k].aspage() for k in range(len(tiff.pages))}
    weighable = {k: page for k, page in pages.items() if _n_pixels(page) and not page.subfiletype & (_REDUCED | _MASK)}
    if source.page is not None:
        if source.page not in pages or not _n_pixels(pages[source.page]):
            msg = f"has no page {source.page}; it has {_listed(pages)}"
            raise source.error(msg)
        return source.page, pages[source.page]
    if not weighable:
        msg = "is a TIFF without a picture; export it again"
        raise source.error(msg)
    # One picture with its thumbnails is that picture.
    first, *others = weighable
    if all(_n_pixels(weighable[k]) < _THUMBNAIL_SHARE * _n_pixels(weighable[first]) for k in others):
        return first, weighable[first]
    msg = f"holds several pictures ({_listed(weighable)}); choose one with page"
    raise source.error(msg)


def _n_pixels(page: TiffPage) -> int:
    return int(page.imagewidth) * int(page.imagelength)


def _listed(pages: dict[int, TiffPage]) -> str:
    lines = [f"page {k}: {p.imagewidth} × {p.imagelength} {p.dtype}" for k, p in pages.items() if _n_pixels(p)]
    more = f", and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    return ", ".join(lines[:_LISTED]) + more


_JPEG_2000 = {33003, 33004, 33005, 34712}
"""Compressions that may keep every bit."""
_JPEG_XR = {22610, 34934}
_PADDING = 16
"""Bytes by which writers overstate the length of a strip."""
_LOSSY = {6, 7, 33003, 33005, 33007, 34712, 34892, 34933, 34934, 50001, 50002, 52546}  # the JPEG family, WebP
_COLOUR = {"RGB", "YCBCR"}
_GREY = {"MINISBLACK", "MINISWHITE"}
_TEXT_TAGS = {
    "software": "Software",
    "document": "DocumentName",
    "taken": "DateTime",
    "orientation": "Orientation",
}
"""Tags whose texts are kept, by the names that they get."""
_IMAGEJ_IMAGES = re.compile(r"^images=(\d+)", re.MULTILINE)


def read(source: Source) -> RawPicture:
    """Read one page of a TIFF.

    Raises
    ------
    ImageError
        If the file is damaged, holds several pictures or no weighable one.
    """
    import tifffile

    try:
        check_page_chain(source)
        # _multifile: an OME-TIFF may name other files; only the one that was asked for is opened.
        # The stream is closed too: pages refer to each other and would keep the file's bytes until they are collected.
        with (
            io.BytesIO(source.data) as stream,
            tifffile.TiffFile(stream, name=source.path.name, _multifile=False) as tiff,
        ):
            return _read_page(source, tiff)
    except DAMAGE as error:
        raise source.damaged(error, "TIFF") from error


def _read_page(source: Source, tiff: TiffFile) -> RawPicture:
    # Which page is meant, and whether it can be decoded safely.
    index, page = choose_page(source, tiff)
    _check_page(source, tiff, page)
    factor = gel_coding(source, tiff)
    # One grey plane of the page, and the maximum that its tags declare.
    plane = _one_channel(source, page)
    pixels, full_scale, flags = plane.pixels, _full_scale(page), list(plane.flags)
    # Coded counts (.gel) become linear ones.
    if factor is not None:
        full_scale = float(decode_counts(np.array(full_scale or np.iinfo(pixels.dtype).max), factor))
        pixels = decode_counts(pixels, factor)
        flags.append("encoded_counts")
    # What was done to the values before, as far as the file says it.
    if source.path.suffix.lower() == ".gel" and not stores_gel_coding(tiff):
        flags.append("gel_coding_unknown")
    if profile_has_gamma(bytes(page.tags.valueof("InterColorProfile", default=b"") or b"")):
        flags.append("gamma_declared")
    if int(page.compression) in _LOSSY and not _is_reversible(source, page):
        flags.append("lossy_compression")
    # Facts in tags and texts: exposure, size of a pixel, instrument.
    text = _description(page)
    made_by = " ".join(str(page.tags.valueof(name, default="")).strip() for name in ("Make", "Model")).strip()
    is_alpha = str(page.tags.valueof("DocumentName", default="")).startswith("Alpha Innotech")
    facts = {
        "description": text,
        "compression": str(getattr(page.compression, "name", page.compression)).lower(),
        **{key: page.tags.valueof(name) for key, name in _TEXT_TAGS.items()},
    }
    return replace(
        plane,
        pixels=pixels,
        full_scale=full_scale,
        page=index,
        photometric=_photometric(page).lower(),
        exposure_s=_exposure(page, text),
        pixel_size_um=_pixel_size(page, text),
        imager=made_by or ("Alpha Innotech" if is_alpha else None),
        metadata=kept([*facts.items(), *gel_facts(tiff)]),
        tag=_orientation(page),
        flags=tuple(flags),
    )


def _check_page(source: Source, tiff: TiffFile, page: TiffPage) -> None:
    """Refuse what would cost too much memory or come out wrong, by name of the field."""
    samples = int(page.samplesperpixel) * int(page.imagedepth)
    held = sum(page.databytecounts)
    size = page.dtype.itemsize if page.dtype is not None else 1
    source.check_size(int(page.imagelength), int(page.imagewidth), samples, held=held, itemsize=size)
    if page.is_tiled:
        source.check_size(int(page.tilelength), int(page.tilewidth), samples, held=held, itemsize=size)
    if page.imagedepth != 1:
        msg = f"is a volume of {page.imagedepth} planes (tag ImageDepth); export one plane"
        raise source.error(msg)
    _check_strips(source, page)
    _check_codes(source, page)
    frames = _IMAGEJ_IMAGES.search(_description(page))
    if frames and int(frames[1]) > len(tiff.pages) and int(frames[1]) > 1:
        msg = f"is an ImageJ stack of {frames[1]} pictures in one page; save the one to be weighed on its own"
        raise source.error(msg)


def _is_reversible(source: Source, page: TiffPage) -> bool:
    """Whether every part is JPEG 2000 by the reversible (5/3) wavelet: its marker COD ends in the transformation."""
    if int(page.compression) not in _JPEG_2000:
        return False
    starts = [source.data[at : at + min(n, 4096)] for at, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
    places = [start.find(b"\xff\x52") for start in starts]
    return all(at >= 0 and start[at + 13 : at + 14] == b"\1" for start, at in zip(starts, places, strict=True))


def _check_strips(source: Source, page: TiffPage) -> None:
    """Every strip or tile must lie in the file: a missing one would be read as zeros."""
    size = len(source.data)
    spans = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    missing = not spans or any(offset <= 0 or count <= 0 or offset + count > size for offset, count in spans)
    if missing or sum(count for _, count in spans) < _least_bytes(page):
        msg = "damaged or incomplete TIFF (pixel data missing); export or copy it again"
        raise source.error(msg)
    spans.sort()
    if any(offset + count - _PADDING > after for (offset, count), (after, _) in pairwise(spans)):
        msg = "damaged TIFF (its strips or tiles overlap: rows would be shown twice); export or copy it again"
        raise source.error(msg)


def _check_codes(source: Source, page: TiffPage) -> None:
    """Refuse damaged LZW data, on which the decoder would not stop in words, and cut JPEG XR, which it fills up."""
    spans = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if int(page.compression) in _JPEG_XR and not all(is_whole_jpeg_xr(source.data[at : at + n]) for at, n in spans):
        msg = "damaged or incomplete TIFF (a JPEG XR tile is cut short); export or copy it again"
        raise source.error(msg)
    if int(page.compression) == 5 and not all(is_sound(source.data[at : at + n]) for at, n in spans):
        msg = "damaged or incomplete TIFF (its LZW codes make no sense); export or copy it again"
        raise source.error(msg)


def is_whole_jpeg_xr(data: bytes) -> bool:
    """Whether a JPEG XR file holds all the bytes that its directory promises (ITU-T T.832, annex A: BCC0, BCC1)."""
    try:
        (at,) = struct.unpack_from("<I", data, 4)
        (n,) = struct.unpack_from("<H", data, at)
        entries = [struct.unpack_from("<HHII", data, at + 2 + 12 * k) for k in range(n)]
    except struct.error:
        return False
    values = {tag: value for tag, _, _, value in entries}
    return data[:3] == b"II\xbc" and values.get(0xBCC0, len(data)) + values.get(0xBCC1, 1) <= len(data)


def _least_bytes(page: TiffPage) -> int:
    """Bytes that uncompressed pixels need at least; 0 where that cannot be said."""
    if int(page.compression) != 1 or _photometric(page) == "YCBCR":
        return 0
    bits = int(page.imagelength) * int(page.imagewidth) * int(page.samplesperpixel) * int(page.bitspersample)
    return bits // 8


def _one_channel(source: Source, page: TiffPage) -> RawPicture:
    """Decode the page and bring it to one grey channel, by its photometric interpretation."""
    kind = _photometric(page)
    data = _as_samples_last(source, page)
    if kind == "PALETTE" and data.ndim == 2:
        table = np.asarray(page.colormap).T
        low, high = table & 255, table >> 8
        # 16-bit tables that repeat their byte hold 8 bits.
        is_8_bit = bool(((low == 0) | (low == high)).all())
        return resolve_colour(source, apply_palette(high.astype(np.uint8) if is_8_bit else table, data))
    if kind in _COLOUR and data.ndim == 3 and data.shape[2] >= 3:
        return resolve_colour(source, data)
    if kind in _GREY:
        return _grey_channel(source, page, data)
    msg = f"is a TIFF of kind {kind} with shape {data.shape}; export it as a grey TIFF"
    raise source.error(msg)


def _grey_channel(source: Source, page: TiffPage, data: NDArray[Any]) -> RawPicture:
    """Take the only grey sample, or the one whose number, from 0, was asked for; alpha does not count."""
    n_samples = 1 if data.ndim == 2 else data.shape[2] - sum(int(extra) in (1, 2) for extra in page.extrasamples)
    names = [str(k) for k in range(n_samples)]
    if source.channel is not None and source.channel not in names:
        allowed = "it has one grey channel, leave the choice out" if n_samples < 2 else f"choose {', '.join(names)}"
        msg = f"has no channel {shown_channel(source)}; {allowed}"
        raise source.error(msg)
    if n_samples > 1 and source.channel is None:
        msg = f"has {n_samples} channels; choose channel {', '.join(names)}"
        raise source.error(msg)
    plane = data if data.ndim == 2 else data[..., int(source.channel or 0)]
    return RawPicture(pixels=np.ascontiguousarray(plane), channel=source.channel)


def _as_samples_last(source: Source, page: TiffPage) -> NDArray[Any]:
    plain = page.is_final and page.is_contiguous and page.ndim == 2
    if plain and page.dtype is not None and 2 * page.nbytes > len(source.data):
        # Plain pixels that are most of the file are looked at where its bytes lie, not copied.
        stored = np.frombuffer(source.data, page.parent.byteorder + page.dtype.char, page.size, page.dataoffsets[0])
        return stored.reshape(page.shape)
    data = np.asarray(page.asarray())
    if page.axes.startswith("S"):
        data = np.moveaxis(data, 0, -1)
    return data


def apply_palette(table: NDArray[Any], indices: NDArray[Any]) -> NDArray[Any]:
    """Look the colours of palette pixels up; shape (H, W) to (H, W, 3)."""
    return np.asarray(table[indices])


def _full_scale(page: TiffPage) -> float | None:
    """Maximum that the bits per sample or the tag MaxSampleValue declare, where below the type's."""
    if _photometric(page) == "PALETTE" or page.dtype is None or page.dtype.kind != "u":
        return None
    if int(page.bitspersample) < 8 * page.dtype.itemsize:
        return float(2 ** int(page.bitspersample) - 1)
    declared = page.tags.valueof("MaxSampleValue")
    # The tag's writers mean either the scale's or the picture's maximum; only full scales of detectors are believed.
    return float(declared) if declared in (1023, 4095, 16383) else None


def _photometric(page: TiffPage) -> str:
    """Name of the photometric interpretation; a bare number where the standard has no name for it."""
    return str(getattr(page.photometric, "name", page.photometric))


def _description(page: TiffPage) -> str:
    return str(page.description or "")


def _exposure(page: TiffPage, text: str) -> float | None:
    exif = page.tags.valueof("ExifTag")
    stated = page.tags.valueof("ExposureTime") or (exif.get("ExposureTime") if isinstance(exif, dict) else None)
    if isinstance(stated, tuple) and len(stated) == 2 and stated[0] > 0 and stated[1] > 0:
        return float(stated[0] / stated[1])
    return exposure_in(text)


def _pixel_size(page: TiffPage, text: str) -> float | None:
    resolution = [_ratio(page.tags.valueof(name)) for name in ("XResolution", "YResolution")]
    known = resolution[0] > 0 and resolution[1] > 0
    pair = (resolution[0], resolution[1]) if known else None
    stated = pixel_size_in(text, pair)
    if stated is not None or pair is None:
        return stated
    per_inch = {2: 1.0, 3: 2.54}.get(int(page.tags.valueof("ResolutionUnit", default=2)))
    return None if per_inch is None else pixel_size_from_dpi((pair[0] * per_inch, pair[1] * per_inch))


def _ratio(value: object) -> float:
    if isinstance(value, tuple) and len(value) == 2 and value[1]:
        return float(value[0] / value[1])
    return math.nan


def _orientation(page: TiffPage) -> int:
    """The tag Orientation; 1 where it is missing or no such orientation exists."""
    tag = page.tags.valueof("Orientation", default=1)
    return int(tag) if tag in range(1, 9) else 1
