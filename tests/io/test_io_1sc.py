"""Bio-Rad `.1sc`: files built by the documented layout, against the package's own reading of them."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from biorad1sc_reader import Reader
from quantity_one_file import DEFAULT_TEXTS, scan_1sc

from blotquant.errors import ImageError
from blotquant.io import read_image


def counts(top: int = 9000) -> np.ndarray:
    """Synthetic picture with a row of bands, unlike itself upside down and mirrored."""
    picture = np.random.default_rng(4).normal(700, 20, (40, 100))
    picture[8:13, 10:70:2] += top
    return picture.astype("u2")


def test_pixels_are_those_that_the_package_reads(tmp_path: Path) -> None:
    (tmp_path / "a.1sc").write_bytes(scan_1sc(counts()))
    cols, rows, values = Reader(str(tmp_path / "a.1sc")).get_img_data()
    image = read_image(tmp_path / "a.1sc")
    np.testing.assert_array_equal(image.pixels, np.asarray(values).reshape(rows, cols))
    np.testing.assert_array_equal(image.pixels, counts())


@pytest.mark.parametrize("order", ["<", ">"])
def test_rows_from_the_bottom_and_byte_order(tmp_path: Path, order: str) -> None:
    (tmp_path / "a.1sc").write_bytes(scan_1sc(counts(), order=order))
    image = read_image(tmp_path / "a.1sc", page=0)
    np.testing.assert_array_equal(image.pixels, counts())
    assert image.pixels.dtype == np.dtype("=u2")
    assert image.pixels.dtype.isnative


def test_facts_ceiling_and_polarity(tmp_path: Path) -> None:
    (tmp_path / "a.1sc").write_bytes(scan_1sc(counts(), ceiling=50000))
    image = read_image(tmp_path / "a.1sc")
    assert (image.imager, image.pixel_size_um, image.ceiling) == ("ChemiDoc XRS", 80.0, 50000)
    assert (image.polarity, image.exposure_s, image.page) == ("bright", None, 0)
    assert "lower_ceiling" in image.flags
    (tmp_path / "a.1sc").write_bytes(scan_1sc(60000 - counts()))
    assert read_image(tmp_path / "a.1sc").polarity == "dark"
    (tmp_path / "a.1sc").write_bytes(scan_1sc(counts(), texts=("New Image Acquired",)))
    image = read_image(tmp_path / "a.1sc")
    assert (image.imager, image.pixel_size_um, image.metadata) == (None, None, {})


def test_read_image_without_its_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "biorad1sc_reader", None)
    (tmp_path / "a.1sc").write_bytes(scan_1sc(counts()))
    with pytest.raises(ImageError, match=r"a\.1sc: is a \.1sc scan; install .*blotquant\[formats\]"):
        read_image(tmp_path / "a.1sc")


def with_bytes(data: bytes, place: int, new: bytes) -> bytes:
    return data[:place] + new + data[place + len(new) :]


WHOLE = scan_1sc(counts())
PIXELS = len(WHOLE) - counts().nbytes
TEXT = WHOLE.index(DEFAULT_TEXTS[0].encode()) - 8  # a field of the block of texts
SIZE = WHOLE.index(struct.pack("<HHI", 100, 40, 65535))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xaf\xaf" + bytes(200), "damaged or incomplete"),
        (WHOLE[:-2], "7998 bytes of pixels do not fit 100 × 40"),
        (WHOLE[: PIXELS - 10], "damaged or incomplete"),
        (with_bytes(WHOLE, 56, b"Bio-Rad Gel"), "Bad File Header"),
        (with_bytes(WHOLE, 162, b"\0\0"), "a field of 0 bytes at byte 160"),
        (with_bytes(WHOLE, TEXT + 2, b"\0\0"), "a field of 0 bytes"),
        (with_bytes(WHOLE, SIZE, struct.pack("<HH", 65535, 65535)), "more than the limit of 200,000,000"),
        (with_bytes(WHOLE, SIZE, struct.pack("<HH", 0, 40)), "there is no picture in it"),
        (with_bytes(WHOLE, WHOLE.index(b"SCN\0"), b"XXX"), "no item SCN"),
        (scan_1sc(counts(), names=("nxpix", "nypix")), r"scan header \(SCN\) states no data_ceiling"),
    ],
    ids=["empty", "cut", "no pixels", "title", "header", "texts", "huge", "zero", "item", "name"],
)
def test_read_image_damage_and_malice_give_one_line(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.1sc").write_bytes(data)
    with pytest.raises(ImageError, match=rf"^a\.1sc: [^\n]*{reason}[^\n]*$"):
        read_image(tmp_path / "a.1sc", max_pixels=200_000_000)


def test_read_image_references_are_not_followed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The package follows them wherever they lead, and prints the record that it gives up on."""
    data = bytearray(WHOLE)
    struct.pack_into("<H", data, WHOLE.index(struct.pack("<HHIII", 4, 101, 1, 2, 101)), 15)  # nypix as a reference
    (tmp_path / "a.1sc").write_bytes(data)
    with pytest.raises(ImageError, match="states no nypix"):
        read_image(tmp_path / "a.1sc")
    assert capfd.readouterr().err == ""


def test_page_and_channel_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.1sc").write_bytes(WHOLE)
    with pytest.raises(ImageError, match=r"has no page 1: a \.1sc holds one grey picture"):
        read_image(tmp_path / "a.1sc", page=1)
    with pytest.raises(ImageError, match="has no channel 'red'"):
        read_image(tmp_path / "a.1sc", channel="red")
