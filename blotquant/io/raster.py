"""PNG, JPEG, GIF and BMP: what people export for slides, and sometimes all there is."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blotquant.io.colour import resolve_colour, shown_channel
from blotquant.io.metadata import exposure_in, pixel_size_from_dpi, profile_has_gamma
from blotquant.io.read import DAMAGE, RawPicture, Source, kept

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_EXIF_MAKER = (271, 272)
"""Make and model."""
_EXIF_ORIENTATION = 274
_EXIF_EXPOSURE = 33434
_LINEAR_GAMMA = 0.02
"""How far from 1 a declared gamma is still linear."""
_EXIF_IFD = 34665
"""Where EXIF keeps what the camera did."""


def read(source: Source) -> RawPicture:
    """Read a PNG, JPEG, GIF or BMP.

    Raises
    ------
    ImageError
        If the file is damaged, has several frames and no page was chosen, or is not grey.
    """
    from PIL.Image import DecompressionBombError

    broken: tuple[type[Exception], ...] = (DecompressionBombError, *DAMAGE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what matters is checked here
            return _read(source)
    except broken as error:
        raise source.damaged(error, "picture") from error


def _open(source: Source) -> ImageFile:
    """Open by the first bytes. The classes are called directly: `Image.open` has a pixel limit of its own."""
    from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin

    stream = io.BytesIO(source.data)
    makers: dict[bytes, type[ImageFile]] = {
        b"\x89P": PngImagePlugin.PngImageFile,
        b"\xff\xd8": JpegImagePlugin.JpegImageFile,
        b"GI": GifImagePlugin.GifImageFile,
        b"BM": BmpImagePlugin.BmpImageFile,
    }
    return makers[source.data[:2]](stream)


def _read(source: Source) -> RawPicture:
    with _open(source) as picture:
        samples = 3 if picture.mode == "P" else len(picture.getbands())
        source.check_size(picture.height, picture.width, samples, held=len(source.data))
        page = source.choose_page(int(getattr(picture, "n_frames", 1)))
        picture.seek(page)
        plane = _one_channel(source, picture)
        dpi = picture.info.get("dpi")
        comment = picture.info.get("comment", picture.info.get("Description", ""))
        text = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)
        # A picture says that its values follow a gamma curve by PNG's gAMA and sRGB chunks, or by a colour profile.
        gamma = picture.info.get("gamma")
        is_curved = isinstance(gamma, float) and gamma > 0 and abs(gamma - 1) > _LINEAR_GAMMA
        is_srgb = picture.info.get("srgb") is not None
        is_curved = is_curved or is_srgb or profile_has_gamma(picture.info.get("icc_profile") or b"")
        curved = ("gamma_declared",) if is_curved else ()
        lossy = ("lossy_compression",) if picture.format == "JPEG" else ()
        facts_kept = [("format", picture.format), ("mode", picture.mode), ("description", text)]
        return replace(
            plane,
            page=page,
            photometric={"P": "palette", "RGB": "rgb", "RGBA": "rgb"}.get(picture.mode, "minisblack"),
            exposure_s=_exposure(picture) or exposure_in(text),
            pixel_size_um=pixel_size_from_dpi((float(dpi[0]), float(dpi[1]))) if dpi else None,
            metadata=kept([*facts_kept, ("software", picture.info.get("Software"))]),
            imager=" ".join(str(picture.getexif().get(tag, "")).strip("\0 ") for tag in _EXIF_MAKER).strip() or None,
            tag=_orientation(picture),
            flags=(*plane.flags, *lossy, *curved),
        )


def _one_channel(source: Source, picture: ImageFile) -> RawPicture:
    picture.load()  # Pillow first: it checks the checksums and refuses damage in words
    # 16-bit PNG are decoded apart, since Pillow keeps only 8 bits of their colours.
    deep = _deep_png(source)
    if deep is not None and deep.ndim == 3 and deep.shape[2] >= 3:
        return resolve_colour(source, deep)
    if deep is not None:
        return _grey(source, deep if deep.ndim == 2 else deep[..., 0])
    if picture.mode in ("1", "CMYK", "LAB", "HSV"):
        what = "1 bit per pixel: it holds no counts" if picture.mode == "1" else f"{picture.mode} colours"
        msg = f"has {what}; export it as a grey TIFF with 16 bits"
        raise source.error(msg)
    if picture.mode in ("P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"):
        return resolve_colour(source, np.asarray(picture.convert("RGB")))
    return _grey(source, np.array(picture.convert("L") if picture.mode == "LA" else picture))


def _grey(source: Source, plane: NDArray[Any]) -> RawPicture:
    if source.channel is not None:
        msg = f"has no channel {shown_channel(source)}; it has one grey channel, leave the choice out"
        raise source.error(msg)
    return RawPicture(pixels=np.ascontiguousarray(plane))


def _deep_png(source: Source) -> NDArray[Any] | None:
    """Pixels of a 16-bit PNG as they are: Pillow cuts 16-bit colours down to 8."""
    if not source.data.startswith(b"\x89PNG") or len(source.data) < 25 or source.data[24] != 16:
        return None
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(source.data))


def _orientation(picture: ImageFile) -> int:
    """EXIF's orientation; 1 where it is missing or no such orientation exists."""
    tag = picture.getexif().get(_EXIF_ORIENTATION, 1)
    return int(tag) if tag in range(1, 9) else 1


def _exposure(picture: ImageFile) -> float | None:
    exif = picture.getexif()
    stated = exif.get_ifd(_EXIF_IFD).get(_EXIF_EXPOSURE)
    if isinstance(stated, int | float) and stated > 0:
        return float(stated)
    numerator, denominator = getattr(stated, "numerator", 0), getattr(stated, "denominator", 0)
    return numerator / denominator if numerator and denominator else None
