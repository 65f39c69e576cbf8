"""The check of LZW streams lets every sound one pass and none on which the decoder would run wild."""

import io
import time

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from blotquant.errors import ImageError
from blotquant.io import read_image
from blotquant.io.tiff import is_sound


@pytest.mark.parametrize("size", [0, 1, 5, 254, 256, 1000, 4000, 4096, 8192, 100_000])
@pytest.mark.parametrize("kind", ["noise", "flat", "steps"])
def test_is_sound_what_encoders_write_is_sound(size, kind):
    made = {
        "noise": np.random.default_rng(1).integers(0, 256, size, np.uint8),
        "flat": np.zeros(size, np.uint8),
        "steps": (np.arange(size) // 7 % 251).astype(np.uint8),
    }
    assert is_sound(imagecodecs.lzw_encode(made[kind].tobytes()))


def test_read_image_libtiff_streams_are_sound(tmp_path):
    pixels = np.random.default_rng(2).normal(900, 200, (300, 200)).clip(0).astype(np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, pixels)


def test_codes_of_entries_that_do_not_exist_are_not_sound():
    def stream(*codes):
        bits = "".join(f"{code:09b}" for code in codes)
        return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")

    assert is_sound(stream(256, 65, 258, 259, 257))
    assert not is_sound(stream(256, 65, 259, 257))
    assert not is_sound(stream(256, 300, 257))
    assert not is_sound(stream(300, 257))
    assert not is_sound(stream(256, 65, 258, 256, 258, 257))


def test_read_image_a_damaged_picture_is_refused(tmp_path):
    buffer = io.BytesIO()
    pixels = np.random.default_rng(2).normal(900, 200, (60, 50)).clip(0).astype(np.uint16)
    tifffile.imwrite(buffer, pixels, compression="lzw")
    data = bytearray(buffer.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        start = tiff.pages[0].dataoffsets[0]
    data[start + 2 : start + 40] = b"\xff" * 38
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ImageError, match="LZW codes make no sense"):
        read_image(tmp_path / "a.tif")


def test_is_sound_a_large_stream_is_checked_quickly():
    data = imagecodecs.lzw_encode(np.random.default_rng(1).integers(0, 256, 3_000_000, np.uint8).tobytes())
    started = time.perf_counter()
    assert is_sound(data)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("compression", ["lzw", "zlib", None])
def test_read_image_a_large_picture_of_which_the_file_holds_nothing_is_refused(tmp_path, compression):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((60, 50), np.uint8), compression=compression, rowsperstrip=60)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as tiff:
        for name in ("ImageLength", "ImageWidth", "RowsPerStrip"):
            tiff.pages[0].tags[name].overwrite(12_000)
    with pytest.raises(ImageError, match=r"12000 × 12000 pixels but holds [\d,]+ bytes|incomplete"):
        read_image(tmp_path / "a.tif")
