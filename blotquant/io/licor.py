"""LI-COR Odyssey acquisitions: a zip with one TIFF per channel (`700.tif`, `800.tif`) and text files.

Read in memory: nothing is unpacked to disk, so no name in the archive can reach the file system. Written by the
published description of the format.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

from blotquant.io import tiff
from blotquant.io.colour import shown_channel
from blotquant.io.metadata import exposure_in
from blotquant.io.read import BYTES_PER_PIXEL, DAMAGE, RawPicture, Source, kept
from blotquant.text import shown

_BROKEN: tuple[type[Exception], ...] = (zipfile.BadZipFile, zipfile.LargeZipFile, *DAMAGE)
_MAX_ENTRIES = 1000
_MAX_TEXT = 64 * 1024
_MAX_TEXTS = 20
_SLACK = 1 << 20  # tags and thumbnails beside the pixels
_BLOCK = 1 << 20  # bytes unpacked at once
_MOST_SQUEEZED = 200  # noise alone leaves a byte for a few pixels; zeros are squeezed a thousandfold


def read(source: Source) -> RawPicture:
    """Read one channel of an acquisition.

    Raises
    ------
    ImageError
        If it is another kind of zip, is damaged, or holds several channels and none was chosen.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            return _read(source, archive)
    except _BROKEN as error:
        raise source.damaged(error, "zip") from error


def _read(source: Source, archive: zipfile.ZipFile) -> RawPicture:
    entries = archive.infolist()
    if len(entries) > _MAX_ENTRIES:
        msg = f"is a zip of {len(entries)} files, more than an acquisition's {_MAX_ENTRIES}; pick the TIFF out of it"
        raise source.error(msg)
    # One channel of the acquisition, read as the TIFF that it is.
    name, entry = _choose(source, _channels(entries))
    data = _bounded(source, archive, entry, source.max_pixels * BYTES_PER_PIXEL + _SLACK)
    inner = Source(
        Path(f"{source.path.name}:{shown(name, 20)}.tif"),
        data,
        page=source.page,
        max_pixels=source.max_pixels,
    )
    picture = tiff.read(inner)
    is_acquisition = name.isdigit()
    if not is_acquisition:
        return replace(picture, channel=name, metadata={**picture.metadata, "unpacked": shown(entry.filename, 60)})
    # The acquisition's own texts beside the picture say what its TIFF does not: exposure, channel, instrument.
    texts = _texts(source, archive, entries)
    stated = (exposure_in(text) for text in texts.values())
    exposure = picture.exposure_s or next((seconds for seconds in stated if seconds is not None), None)
    return replace(
        picture,
        channel=name,
        exposure_s=exposure,
        imager=picture.imager or "LI-COR",
        metadata={**picture.metadata, **texts},
    )


def _channels(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """TIFFs by their name without the ending; previews and macOS shadows do not count.

    An acquisition's are named after wavelengths; those of any other zip are just pictures.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in sorted(entries, key=lambda e: e.filename):
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        shadow = path.name.startswith(".") or "__MACOSX" in path.parts
        if path.suffix.lower() in (".tif", ".tiff") and not shadow:
            found.setdefault(path.stem.lower(), entry)
    wavelengths = {name: entry for name, entry in found.items() if name.isdigit()}
    return wavelengths or found


def _choose(source: Source, channels: dict[str, zipfile.ZipInfo]) -> tuple[str, zipfile.ZipInfo]:
    if not channels:
        msg = "is a zip without TIFFs, not a LI-COR acquisition; unpack it and open the picture"
        raise source.error(msg)
    names = ", ".join(shown(name, 30) for name in list(channels)[:10])
    if source.channel is None and len(channels) == 1:
        return next(iter(channels.items()))
    if source.channel is None:
        if any(not name.isdigit() for name in channels):
            msg = f"is a zip of {len(channels)} pictures, no LI-COR acquisition; unpack it, or choose channel {names}"
            raise source.error(msg)
        msg = f"holds {len(channels)} channels; choose channel {names}"
        raise source.error(msg)
    if source.channel not in channels:
        msg = f"has no channel {shown_channel(source)}; choose {names}"
        raise source.error(msg)
    return source.channel, channels[source.channel]


def _bounded(source: Source, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """Unpack one entry in memory, never more than `limit` bytes whatever its header claims."""
    if entry.flag_bits & 1:
        msg = "is an encrypted zip; unpack it and open the picture"
        raise source.error(msg)
    # What unpacks to many times its size is no picture but an attack.
    name, held = shown(entry.filename, 40), max(entry.compress_size, 1)
    if _MOST_SQUEEZED * held < min(entry.file_size, limit) and entry.file_size > _SLACK:
        msg = f"its entry {name} unpacks to {entry.file_size / held:,.0f} times its size: there is no picture in it"
        raise source.error(msg)
    # Read in blocks up to the limit: headers of a zip may claim anything.
    unpacked = io.BytesIO()
    with archive.open(entry) as stream:
        while unpacked.tell() <= limit and (block := stream.read(min(_BLOCK, limit + 1 - unpacked.tell()))):
            unpacked.write(block)
    data = unpacked.getvalue()
    if len(data) > limit:
        msg = f"its entry {name} unpacks to more than {limit:,} bytes; if that is right, raise max_pixels"
        raise source.error(msg)
    return data


def _texts(source: Source, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> dict[str, str]:
    small = [e for e in entries if e.filename.lower().endswith(".txt") and e.file_size <= _MAX_TEXT]
    chosen = sorted(small, key=lambda e: e.filename)[:_MAX_TEXTS]
    return kept(
        (shown(e.filename, 60), _bounded(source, archive, e, _MAX_TEXT).decode("utf-8", "replace")) for e in chosen
    )
