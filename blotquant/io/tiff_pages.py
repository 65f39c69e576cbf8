"""The pages of a TIFF: counted safely, listed, and chosen."""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING

from blotquant.io.source import Source

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

MAX_PAGES = 1000
_LISTED = 8
_THUMBNAIL_SHARE = 0.25  # of the first page's pixels
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its remarks are not for the user's terminal


def check_page_chain(source: Source) -> None:
    """Walk the chain of pages before a decoder does.

    Raises
    ------
    ImageError
        If the chain runs in a circle, is longer than `MAX_PAGES`, or points outside the file.
    """
    order = "<" if source.data[:2] == b"II" else ">"
    big = struct.unpack(order + "H", source.data[2:4])[0] == 43
    count_format, entry_size, offset_format = ("Q", 20, "Q") if big else ("H", 12, "I")
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
    pages = dict(enumerate(_full_pages(tiff)))
    weighable = {k: page for k, page in pages.items() if _n_pixels(page) and not page.subfiletype & (_REDUCED | _MASK)}
    if source.page is not None:
        if source.page not in pages or not _n_pixels(pages[source.page]):
            msg = f"has no page {source.page}; it has {_listed(pages)}"
            raise source.error(msg)
        return source.page, pages[source.page]
    if not weighable:
        msg = "is a TIFF without a picture; export it again"
        raise source.error(msg)
    first, *others = weighable
    if all(_n_pixels(weighable[k]) < _THUMBNAIL_SHARE * _n_pixels(weighable[first]) for k in others):
        return first, weighable[first]
    msg = f"holds several pictures ({_listed(weighable)}); choose one with page"
    raise source.error(msg)


def _full_pages(tiff: TiffFile) -> list[TiffPage]:
    return [tiff.pages[k].aspage() for k in range(len(tiff.pages))]


def _n_pixels(page: TiffPage) -> int:
    return int(page.imagewidth) * int(page.imagelength)


def _listed(pages: dict[int, TiffPage]) -> str:
    lines = [f"page {k}: {p.imagewidth} × {p.imagelength} {p.dtype}" for k, p in pages.items() if _n_pixels(p)]
    more = f", and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    return ", ".join(lines[:_LISTED]) + more
