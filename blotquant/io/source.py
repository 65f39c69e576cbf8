"""What passes between `read_image` and the readers of the formats: the file's bytes in, counts and facts out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.errors import ImageError
from blotquant.text import one_line, shown

MAX_PIXELS = 200_000_000
"""Largest picture read unless told otherwise: no imager writes more, and a hostile header may claim anything."""
BYTES_PER_PIXEL = 3
"""Bytes allowed for each pixel of the limit: one sample of 16 bits; pictures with more samples must be smaller."""
SAMPLE_BYTES = {1: 2, 2: 2, 4: 15}
"""What a grey sample of so many bytes counts as; values of more than 16 bits are sorted and counted one by one."""
DEEP_SAMPLE_BYTES = 30
"""The same for double precision."""
COLOUR_BYTES = 16
"""The same for a pixel of several samples, which are held against each other."""

# What decoders raise on damaged files. The list is closed on purpose: a mistake in this package must not pass as one.
DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,  # Pillow's word for a broken PNG
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

_LONGEST_TEXT = 4000
_LARGE = 4_000_000  # pixels; smaller pictures do no harm however empty they are
_MOST_PIXELS_PER_BYTE = 100  # noise alone takes a byte for a few pixels, whatever the compression


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file in memory and what the caller wants of it.

    Attributes
    ----------
    path : pathlib.Path
        Where the bytes came from.
    data : bytes
        The whole file: pixels and checksum come from the same bytes.
    page : int or None
        Page that was asked for, from 0.
    channel : str or None
        Channel that was asked for, in lower case.
    max_pixels : int
        Largest picture to read.
    """

    path: Path
    data: bytes = field(repr=False)
    page: int | None = None
    channel: str | None = None
    max_pixels: int = MAX_PIXELS

    def error(self, text: str) -> ImageError:
        """Build the one-line error that names the file."""
        return ImageError(f"{shown(self.path.name)}: {one_line(text)}")

    def damaged(self, error: Exception, kind: str) -> ImageError:
        """Build the error for a file that a decoder gave up on."""
        reason = shown(str(error), 160) or type(error).__name__
        return self.error(f"damaged or incomplete {kind} ({reason}); export or copy it again")

    def check_size(self, rows: int, cols: int, samples: int = 1, *, held: int | None = None, itemsize: int = 1) -> None:
        """Refuse dimensions that no blot has, before any memory is taken for them.

        Parameters
        ----------
        rows, cols, samples : int
            As the file claims them.
        held : int, optional
            Bytes that the file holds of this picture, compressed or not.
        itemsize : int
            Bytes of one sample.

        Raises
        ------
        ImageError
            If a side is not positive, there are more than `max_pixels` pixels, or more than so many of several samples
            or more than 16 bits take the memory of, or a large picture is claimed of which the file holds next to
            nothing: a damaged or hostile header, whose blank pixels would fill the memory.
        """
        if rows < 1 or cols < 1 or samples < 1:
            msg = f"claims {cols} × {rows} pixels of {samples} samples: there is no picture in it"
            raise self.error(msg)
        each = SAMPLE_BYTES.get(itemsize, DEEP_SAMPLE_BYTES)
        each = each if samples == 1 else max(COLOUR_BYTES, samples * each)
        limit = min(self.max_pixels, BYTES_PER_PIXEL * self.max_pixels // each)
        if rows * cols > limit:
            of = "" if limit == self.max_pixels else f" for {samples} sample(s) of {8 * itemsize} bits"
            size = f"{cols} × {rows} pixels"
            msg = f"claims {size}, more than the limit of {limit:,}{of}; if that is right, raise max_pixels"
            raise self.error(msg)
        if held is not None and rows * cols > _LARGE and rows * cols * samples > _MOST_PIXELS_PER_BYTE * held:
            msg = f"claims {cols} × {rows} pixels but holds {held:,} bytes of them; export or copy it again"
            raise self.error(msg)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RawPicture:
    """What a reader found in a file.

    Attributes
    ----------
    pixels : ndarray, shape (H, W)
        One channel of one page, as stored.
    full_scale : float or None
        Maximum value that the file declares.
    page, channel, photometric, exposure_s, pixel_size_um, imager, metadata
        As in `BlotImage`.
    is_original : bool
        Whether it is an imager's own file, not an export.
    tag : int
        The file's orientation tag, 1 to 8.
    marks : ndarray of bool, shape (H, W), or None
        Where coloured marks hide the counts.
    flags : tuple of str
        Those that only the reader can know.
    """

    pixels: NDArray[Any]
    full_scale: float | None = None
    page: int | None = None
    channel: str | None = None
    photometric: str | None = None
    exposure_s: float | None = None
    pixel_size_um: float | None = None
    imager: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    is_original: bool = False
    tag: int = 1
    marks: NDArray[np.bool_] | None = None
    flags: tuple[str, ...] = ()


def kept(facts: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Keep what a file says about itself as plain text of bounded length; empty facts are left out."""
    texts = (
        (name, str(value).replace("\x00", " ").strip()[:_LONGEST_TEXT]) for name, value in facts if value is not None
    )
    return {name: text for name, text in texts if text}
