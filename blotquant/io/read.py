"""`read_image`: any picture of a blot in, counts with what is known and doubted about them out."""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.errors import ImageError
from blotquant.flags import join_flags, split_flags
from blotquant.model.image import BlotImage, Orientation, Polarity
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
_MAX_BYTES_PER_PIXEL = 5
"""Bytes of a file for each pixel of the limit: it is taken into memory whole before it is looked at."""
_SMALLEST_LIMIT = 64 << 20
_MOST_COUNTS = 1e30
"""No instrument counts further, and squares of it still are numbers."""


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

    def choose_page(self, n_pictures: int) -> int:
        """Index of the picture that was asked for, or of the only one; the error says what can be chosen."""
        index = 0 if self.page is None and n_pictures == 1 else self.page
        if index is None or not 0 <= index < n_pictures:
            msg = f"holds {n_pictures} picture(s); choose page 0 to {n_pictures - 1}"
            raise self.error(msg)
        return index

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
        # What the limit of pixels means in bytes: deep or coloured pixels count for several.
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


@dataclass(frozen=True, slots=True)
class Reader:
    """A format: its name, how its files begin, and the module whose ``read(source)`` reads them."""

    name: str
    matches: Callable[[bytes], bool]
    module: str


def _begins(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(magics)


READERS: tuple[Reader, ...] = (
    Reader("TIFF", _begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "blotquant.io.tiff"),
    Reader(
        "Bio-Rad .scn",
        lambda data: data[:5].upper() == b"MIME-" or (data[:8].lower() == b"content-" and b"Image Lab" in data[:2000]),
        "blotquant.io.scn",
    ),
    Reader("Bio-Rad .1sc", _begins(b"\xaf\xaf"), "blotquant.io.quantity_one"),
    Reader("PNG", _begins(b"\x89PNG\r\n\x1a\n"), "blotquant.io.raster"),
    Reader("JPEG", _begins(b"\xff\xd8\xff"), "blotquant.io.raster"),
    Reader("GIF", _begins(b"GIF87a", b"GIF89a"), "blotquant.io.raster"),
    Reader("BMP", _begins(b"BM"), "blotquant.io.raster"),
    Reader("zip (LI-COR)", _begins(b"PK\x03\x04"), "blotquant.io.licor"),
)
"""Formats in the order in which they are tried. A new one is one module and one entry."""


def read_image(  # noqa: PLR0913  each is one thing that a person may say about a file
    path: str | os.PathLike[str],
    *,
    page: int | None = None,
    channel: str | None = None,
    polarity: Polarity | None = None,
    exposure_s: float | None = None,
    orientation: Orientation | None = None,
    max_pixels: int = MAX_PIXELS,
) -> BlotImage:
    """Read a picture of a blot. The format is told by the file's first bytes, not by its name.

    Parameters
    ----------
    path : path-like
        TIFF (also `.gel`, Leica `.scn`), Bio-Rad `.scn` and `.1sc`, LI-COR zip, PNG, JPEG, GIF or BMP.
    page : int, optional
        Page of a multi-page file, from 0; needed where several could be meant.
    channel : str, optional
        ``red``, ``green`` or ``blue`` of a colour picture; the channel's name in a LI-COR zip (``700``, ``800``).
    polarity : {"bright", "dark"}, optional
        Whether bands are brighter or darker than the background; guessed from the pixels when not given.
    exposure_s : float, optional
        Exposure time in seconds; wins over the file's own.
    orientation : Orientation, optional
        How to lay the picture: cut, turned, mirrored; the file's own tag is applied first unless `Orientation.tag`
        says otherwise.
    max_pixels : int
        Larger pictures are refused before memory is taken for them.

    Returns
    -------
    BlotImage
        Counts as stored (of a `.gel` with square-root pixels: decoded), with flags for what is doubtful.

    Raises
    ------
    ImageError
        One line that names the file, what is wrong and what to do.
    """
    _check_wishes(polarity, exposure_s)
    source = _load(Path(path), page=page, channel=channel, max_pixels=max_pixels)
    raw = _read_raw(source)
    _check_pixels(source, raw)
    raw, laid = _lay(source, raw, orientation or Orientation(tag=None))
    return _to_image(source, raw, laid, polarity=polarity, exposure_s=exposure_s)


def _check_wishes(polarity: str | None, exposure_s: float | None) -> None:
    if polarity not in (None, "bright", "dark"):
        msg = f"polarity must be 'bright' or 'dark', got {polarity!r}; leave it out to have it guessed"
        raise ValueError(msg)
    if exposure_s is not None and not (math.isfinite(exposure_s) and exposure_s > 0):
        msg = f"exposure_s must be a positive number of seconds, got {exposure_s!r}"
        raise ValueError(msg)


def _load(path: Path, *, page: int | None, channel: str | None, max_pixels: int) -> Source:
    """Take the whole file into memory, if it is one and not absurdly large."""
    from blotquant.io.colour import channel_name

    name = shown(path.name)
    limit = max(_SMALLEST_LIMIT, _MAX_BYTES_PER_PIXEL * max_pixels)
    try:
        if path.exists() and not path.is_file():  # a pipe would hang
            msg = f"{name}: not a file but a folder or device; give the picture itself"
            raise ImageError(msg)
        if path.stat().st_size > limit:
            msg = f"{name}: larger than {limit:,} bytes; if that is right, raise max_pixels"
            raise ImageError(msg)
        if path.stat().st_size == 0:  # nothing, or a file of /proc, which may never end
            msg = f"{name}: empty file (0 bytes); copy or export it again"
            raise ImageError(msg)
        with path.open("rb") as stream:
            # One byte more than there should be, or than is allowed, shows that the file is not what it seemed.
            data = stream.read(min(limit, os.fstat(stream.fileno()).st_size) + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        msg = f"{name}: cannot be opened ({shown(reason)}); check the path and the permissions"
        raise ImageError(msg) from error
    if len(data) > limit:
        msg = f"{name}: larger than {limit:,} bytes; if that is right, raise max_pixels"
        raise ImageError(msg)
    wanted = None if channel is None else channel_name(channel)
    return Source(path, data, page=page, channel=wanted, max_pixels=max_pixels)


def _read_raw(source: Source) -> RawPicture:
    if not source.data:
        msg = "empty file (0 bytes); copy or export it again"
        raise source.error(msg)
    # By the first bytes: names of files lie.
    for reader in READERS:
        if reader.matches(source.data):
            picture: RawPicture = importlib.import_module(reader.module).read(source)
            return picture
    names = ", ".join(reader.name for reader in READERS)
    start = shown(source.data[:12].decode("ascii", "replace"), 12)
    msg = f"not a picture in a known format (it begins with {start!r}); known are {names}"
    raise source.error(msg)


def _lay(source: Source, raw: RawPicture, wanted: Orientation) -> tuple[RawPicture, Orientation]:
    """Turn, mirror and cut the pixels as the file's tag and the caller say."""
    laid = replace(wanted, tag=raw.tag if wanted.tag is None else wanted.tag)
    if laid == Orientation():
        return raw, laid
    try:
        pixels = laid.lay(raw.pixels)
        marks = None if raw.marks is None else laid.lay(raw.marks)
    except ValueError as error:
        raise source.error(str(error)) from None
    flags = raw.flags if laid.tag == 1 else (*raw.flags, "orientation_applied")
    if marks is not None and not marks.any():
        marks, flags = None, tuple(flag for flag in flags if flag != "coloured_marks")
    return replace(raw, pixels=pixels, marks=marks, flags=flags), laid


def _to_image(
    source: Source, raw: RawPicture, laid: Orientation, *, polarity: Polarity | None, exposure_s: float | None
) -> BlotImage:
    """Judge direction and scale of the counts and put everything together."""
    from blotquant.imaging.content import UNCERTAIN_BELOW, guess_polarity
    from blotquant.io.ceiling import judge_scale
    from blotquant.io.metadata import says_film, says_flatbed, stores_density

    # Counts in the machine's byte order, and which way the signal runs: said by a person, or seen.
    pixels = raw.pixels.astype(raw.pixels.dtype.newbyteorder("="), copy=False)
    direction, confidence = (polarity, 1.0) if polarity else guess_polarity(pixels)
    # What made the file decides what its values mean: light, the density of a film, or density already.
    made_by = [text for text in (raw.imager, raw.metadata.get("software")) if text]
    is_densitometer, is_film = stores_density(made_by), says_film(raw.metadata.values())
    is_flatbed = says_flatbed(made_by) and not is_densitometer
    # Where the detector ends, and what the values tell of the file's past.
    scale = judge_scale(
        pixels,
        direction,
        full_scale=raw.full_scale,
        is_original=raw.is_original,
        is_film=is_film or is_flatbed,
    )
    doubt = ["polarity_uncertain"] if confidence < UNCERTAIN_BELOW else []
    doubt += ["film"] if is_film else []
    doubt += ["flatbed_scan"] if is_flatbed else []
    doubt += ["density_stored"] if is_densitometer else []
    return BlotImage(
        pixels=pixels,
        polarity=direction,
        polarity_confidence=confidence,
        ceiling=scale.ceiling,
        white=scale.white,
        exposure_s=exposure_s if exposure_s is not None else raw.exposure_s,
        pixel_size_um=raw.pixel_size_um,
        imager=raw.imager,
        source=source.path,
        sha256=hashlib.sha256(source.data).hexdigest(),
        page=raw.page,
        channel=raw.channel,
        orientation=laid,
        marks=raw.marks,
        photometric=raw.photometric,
        metadata=raw.metadata,
        flags=split_flags(join_flags(raw.flags, scale.flags, doubt)),
    )


def _check_pixels(source: Source, raw: RawPicture) -> None:
    """Refuse pixels that are no counts."""
    pixels = raw.pixels
    if pixels.ndim != 2 or pixels.size == 0:
        msg = f"has pixels of shape {pixels.shape}, not rows × columns; export one grey picture"
        raise source.error(msg)
    if pixels.dtype.kind not in "uif":
        what = {"b": "1 bit per pixel", "c": "complex numbers"}.get(pixels.dtype.kind, f"type {pixels.dtype}")
        msg = f"has {what}: these are no counts; export it as a grey TIFF with 16 bits"
        raise source.error(msg)
    if pixels.dtype.kind != "f":
        return
    if not np.isfinite(pixels).any():
        msg = "has no finite pixel (all are NaN or infinite); export it again"
        raise source.error(msg)
    # Row by row: no second copy of the picture.
    if any(float(np.max(np.abs(row), where=np.isfinite(row), initial=0)) > _MOST_COUNTS for row in pixels):
        msg = f"has values beyond {_MOST_COUNTS:g}: these are no counts; export it again"
        raise source.error(msg)
