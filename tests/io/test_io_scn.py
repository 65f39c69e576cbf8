"""Bio-Rad `.scn`: real files against their conversions, and files built by the same layout."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blotquant.errors import ImageError
from blotquant.io import read_image

REAL = Path(__file__).parents[3] / "shared" / "real" / "akt"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real pictures (../shared/real) are not on this machine")


def counts(seed: int = 0) -> np.ndarray:
    """Synthetic picture with a row of bands."""
    picture = np.random.default_rng(seed).normal(700, 20, (60, 100))
    picture[30:35, 10:90:2] += 9000
    return picture.astype("u2")


def header(shape: tuple[int, int], *, endian: str = "little", zero_is: str = "white", ceiling: int = 65535) -> str:
    return (
        f'<!DOCTYPE XML>\r\n<root><endian>{endian}</endian><size_pix width="{shape[1]}" height="{shape[0]}"/>'
        f'<size_mm width="{shape[1] / 10}" height="{shape[0] / 10}" known="true"/>'
        f'<scanner data_ceiling="{ceiling}" max_value="65535"/><image zero_is="{zero_is}"/><scan_attributes>'
        '<imager value="ChemiDoc\r\n Touch" name="Imager" type="0"/>'
        '<exposure_time value="12.5" name="Exposure Time (sec)" type="1"/></scan_attributes></root>'
    )


def part(kind: str, description: str, body: bytes) -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nContent-Description: {description}\r\n\r\n"
    return head.encode() + body + b"\r\n"


def scn(*pictures: tuple[bytes, str]) -> bytes:
    """Synthetic file in the layout of Image Lab: a multipart of multiparts."""
    out = b'MIME-Version: 1.0 (synthetic)\r\nContent-Type: multipart/mixed; boundary="OUTER"\r\n\r\n'
    for k, (raw, xml) in enumerate(pictures):
        pixels = part("application/octet-stream", "ImageData", raw)
        items = (pixels, part("text/xml", "ImageHeader", xml.encode()))
        inner = b"".join(b"--INNER\r\n" + item for item in items)
        head = '--OUTER\r\nContent-Type: multipart/mixed; boundary="INNER"\r\n'
        head += f"Content-Description: ScanImageTag{k}\r\n\r\n"
        out += head.encode() + inner + b"--INNER--\r\n"
    return out + b"--OUTER--\r\n"


@needs_real
@pytest.mark.parametrize(("name", "seconds"), [("AKT", 21.151), ("pAKT", 36.282)])
def test_read_image_real_files_equal_their_conversions(name: str, seconds: float) -> None:
    original, converted = read_image(REAL / f"{name}.scn"), read_image(REAL / f"{name}.tif")
    np.testing.assert_array_equal(original.pixels, converted.pixels)
    np.testing.assert_array_equal(original.pixels, tifffile.imread(REAL / f"{name}.tif"))
    assert original.exposure_s == pytest.approx(seconds, abs=0.0005)
    assert original.imager == "ChemiDoc™ Touch"
    assert original.pixel_size_um == pytest.approx(95000 / 689, rel=1e-5)
    for field in ("polarity", "ceiling", "white", "flags"):
        assert getattr(original, field) == getattr(converted, field)


def test_read_image_of_an_scn_equals_that_of_its_conversion(tmp_path: Path) -> None:
    pixels = counts()
    (tmp_path / "a.scn").write_bytes(scn((pixels.astype("<u2").tobytes(), header(pixels.shape))))
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    original, converted = read_image(tmp_path / "a.scn"), read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(original.pixels, converted.pixels)
    for field in ("polarity", "white", "flags"):
        assert getattr(original, field) == getattr(converted, field)


@pytest.mark.parametrize("endian", ["little", "big"])
def test_layout_byte_order_and_facts(tmp_path: Path, endian: str) -> None:
    pixels = counts()
    raw = pixels.astype("<u2" if endian == "little" else ">u2").tobytes()
    (tmp_path / "a.scn").write_bytes(scn((raw, header(pixels.shape, endian=endian, ceiling=20000))))
    image = read_image(tmp_path / "a.scn")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert (image.exposure_s, image.pixel_size_um, image.imager) == (12.5, 100.0, "ChemiDoc Touch")
    assert (image.ceiling, image.photometric, image.polarity) == (20000, "miniswhite", "bright")


def test_pixels_that_spell_a_boundary_are_pixels(tmp_path: Path) -> None:
    pixels = counts()
    raw = bytearray(pixels.tobytes())
    raw[100:130] = b"\r\n--INNER--\r\n--OUTER--\r\n\r\n\r\n\r\n"
    (tmp_path / "a.scn").write_bytes(scn((bytes(raw), header(pixels.shape))))
    assert read_image(tmp_path / "a.scn").pixels.tobytes() == bytes(raw)


def test_read_image_several_pictures_must_be_chosen(tmp_path: Path) -> None:
    one, two = counts(1), counts(2)
    (tmp_path / "a.scn").write_bytes(scn((one.tobytes(), header(one.shape)), (two.tobytes(), header(two.shape))))
    with pytest.raises(ImageError, match=r"a\.scn: holds 2 picture\(s\); choose page 0 to 1"):
        read_image(tmp_path / "a.scn")
    np.testing.assert_array_equal(read_image(tmp_path / "a.scn", page=1).pixels, two)
    with pytest.raises(ImageError, match="no colour channels"):
        read_image(tmp_path / "a.scn", channel="red")


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><root>&b;</root>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><root>&a;</root>'


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (BOMB, "not readable XML"),
        (OUTSIDE, "not readable XML"),
        ("<root>", "not readable XML"),
        ("<root/>", "states no size_pix"),
        (header((61, 100)), "12000 bytes of pixels do not fit 100 × 61"),
        (header((10**6, 10**6)), "more than the limit"),
        (header((0, 100)), "no picture in it"),
    ],
    ids=["bomb", "outside", "cut", "empty", "misfit", "absurd", "zero"],
)
def test_read_image_bad_headers_are_refused(tmp_path: Path, xml: str, reason: str) -> None:
    (tmp_path / "a.scn").write_bytes(scn((counts().tobytes(), xml)))
    with pytest.raises(ImageError, match=rf"^a\.scn: .*{reason}"):
        read_image(tmp_path / "a.scn")


def test_read_image_truncated_and_mutated_files_give_one_line(tmp_path: Path) -> None:
    whole = scn((counts().tobytes(), header((60, 100))))
    for stop in (20, 90, 300, 5000, len(whole) - 300):
        (tmp_path / "a.scn").write_bytes(whole[:stop])
        with pytest.raises(ImageError, match=r"^a\.scn: [^\n]+$"):
            read_image(tmp_path / "a.scn")
    rng = np.random.default_rng(5)
    for _ in range(200):
        data = bytearray(whole)
        for at in (*rng.integers(5, 320, 2), *rng.integers(len(whole) - 700, len(whole), 2)):
            data[at] = rng.integers(256)
        (tmp_path / "a.scn").write_bytes(data)
        with contextlib.suppress(ImageError):
            read_image(tmp_path / "a.scn")
