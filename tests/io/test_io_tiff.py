"""TIFF in all its makes: what is read, what is refused and by which name."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from blotquant.analysis import analyze
from blotquant.errors import ImageError
from blotquant.io import read_image
from blotquant.model.image import Orientation

RNG = np.random.default_rng(7)


def counts(dtype: str = "u2", shape: tuple[int, int] = (90, 130)) -> np.ndarray:
    """Synthetic picture: noise and a row of bright bands."""
    top = 200 if dtype == "u1" else 20000
    picture = RNG.normal(top * 0.1, top * 0.01, shape)
    for col in range(10, shape[1] - 15, 20):
        picture[40:46, col : col + 12] += top * 0.5
    return picture.astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_read_image_every_type_and_byte_order(tmp_path: Path, dtype: str, order: str) -> None:
    pixels = counts(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=order)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.pixels.dtype == np.dtype(dtype)
    assert image.pixels.dtype.isnative
    assert (image.polarity, image.page, image.photometric) == ("bright", 0, "minisblack")
    assert not image.pixels.flags.writeable


@pytest.mark.parametrize(
    "how",
    [
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"compression": "packbits"},
        {"compression": "zstd"},
        {"compression": "lzw", "tile": (32, 48)},
        {"tile": (16, 16)},
        {"bigtiff": True},
        {"rowsperstrip": 7},
        {"ome": True},
        {"imagej": True},
    ],
    ids=str,
)
def test_read_image_every_layout(tmp_path: Path, how: dict[str, Any]) -> None:
    pixels = counts()
    tifffile.imwrite(tmp_path / "a.tif", pixels, **how)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, pixels)


def test_name_does_not_matter(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts())
    for name in ("a.png", "a.scn", "a"):
        (tmp_path / "a.tif").rename(tmp_path / name)
        assert read_image(tmp_path / name).shape == (90, 130)
        (tmp_path / name).rename(tmp_path / "a.tif")


def test_read_image_lossy_compression_is_flagged(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts("u1"), compression="jpeg")
    assert read_image(tmp_path / "a.tif").flags == ("lossy_compression", "low_bit_depth")


def test_read_image_white_is_zero_is_recorded_but_never_inverts(tmp_path: Path) -> None:
    """Imagers write MinIsWhite over values that already are signal."""
    pixels = counts()
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.signal(), pixels)
    assert (image.polarity, image.photometric) == ("bright", "miniswhite")


def test_read_image_dark_bands_and_their_negative_give_one_signal(tmp_path: Path) -> None:
    for dtype in ("u1", "u2"):
        pixels = counts(dtype)
        tifffile.imwrite(tmp_path / "bright.tif", pixels)
        tifffile.imwrite(tmp_path / "dark.tif", np.iinfo(dtype).max - pixels)
        bright, dark = read_image(tmp_path / "bright.tif"), read_image(tmp_path / "dark.tif")
        assert (bright.polarity, dark.polarity) == ("bright", "dark")
        np.testing.assert_array_equal(bright.signal(), dark.signal())
        assert (bright.ceiling, bright.flags) == (dark.ceiling, dark.flags)


def test_told_polarity_wins(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts())
    image = read_image(tmp_path / "a.tif", polarity="dark")
    assert (image.polarity, image.polarity_confidence) == ("dark", 1.0)
    with pytest.raises(ValueError, match="polarity must be 'bright' or 'dark', got 'light'"):
        read_image(tmp_path / "a.tif", polarity="light")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="exposure_s must be a positive number"):
        read_image(tmp_path / "a.tif", exposure_s=0)


def test_equal_channels_collapse_exactly(tmp_path: Path) -> None:
    pixels = counts()
    for planar in ("contig", "separate"):
        stack = np.stack([pixels] * 3, axis=-1 if planar == "contig" else 0)
        tifffile.imwrite(tmp_path / "a.tif", stack, photometric="rgb", planarconfig=planar)
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, pixels)


def test_grey_palette_is_resolved(tmp_path: Path) -> None:
    indices = counts("u1")
    table = np.tile(np.arange(255, -1, -1, dtype="u2") * 257, (3, 1))
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=table)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, 255 - indices)
    assert (image.polarity, image.photometric) == ("dark", "palette")


def test_read_image_leaves_out_the_saturation_colour_of_a_palette(tmp_path: Path) -> None:
    indices = counts("u1", (200, 300))
    indices[42:44, 12:20] = 250
    table = np.tile(np.arange(256, dtype="u2") * 257, (3, 1))
    table[:, 240:] = np.array([[65535], [0], [0]])
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=table)
    image = read_image(tmp_path / "a.tif")
    assert image.flags == ("low_bit_depth", "coloured_marks")
    assert image.channel is None
    hidden = np.isnan(image.signal())
    assert hidden[42:44, 12:20].all()
    assert not hidden[:40].any()
    assert not hidden[46:].any()
    assert read_image(tmp_path / "a.tif", channel="R").channel == "red"


def test_read_image_lays_a_picture_as_its_orientation_tag_says(tmp_path: Path) -> None:
    """All eight orientations of TIFF 6.0: what the tag's first row and column are shown as."""
    seen = counts()
    stored = {
        1: seen,
        2: seen[:, ::-1],
        3: seen[::-1, ::-1],
        4: seen[::-1],
        5: seen.T,
        6: np.rot90(seen),
        7: seen[::-1, ::-1].T,
        8: np.rot90(seen, -1),
    }
    for tag, pixels in stored.items():
        tifffile.imwrite(tmp_path / "a.tif", np.ascontiguousarray(pixels), extratags=[(274, "H", 1, tag, True)])
        image = read_image(tmp_path / "a.tif")
        np.testing.assert_array_equal(image.pixels, seen, err_msg=f"tag {tag}")
        assert image.orientation == Orientation(tag=tag)
        assert ("orientation_applied" in image.flags) == (tag != 1)
        as_stored = read_image(tmp_path / "a.tif", orientation=Orientation(tag=1))
        np.testing.assert_array_equal(as_stored.pixels, pixels)


def test_read_image_cuts_turns_and_mirrors(tmp_path: Path) -> None:
    pixels = counts()
    tifffile.imwrite(tmp_path / "a.tif", pixels)

    def laid(**wanted: Any) -> np.ndarray:
        return read_image(tmp_path / "a.tif", orientation=Orientation(**wanted)).pixels

    np.testing.assert_array_equal(laid(rotate=90), np.rot90(pixels))
    np.testing.assert_array_equal(laid(rotate=-90), np.rot90(pixels, 3))
    np.testing.assert_array_equal(laid(flip="top-bottom"), pixels[::-1])
    region = pixels[10:60, 20:120]
    np.testing.assert_array_equal(laid(region=(20, 10, 120, 60)), region)
    everything = laid(region=(20, 10, 120, 60), rotate=270, flip="left-right")
    np.testing.assert_array_equal(everything, np.rot90(region, 3)[:, ::-1])
    # A free angle turns what is found, not the pixels: the nearest quarter turn is all that they are laid by.
    np.testing.assert_array_equal(laid(rotate=20), pixels)
    np.testing.assert_array_equal(laid(rotate=110), np.rot90(pixels))
    with pytest.raises(ImageError, match=r"a\.tif: region 20,10,131,60 .* does not lie in the picture of 130 × 90 px"):
        laid(region=(20, 10, 131, 60))


def test_read_image_several_pages_must_be_chosen(tmp_path: Path) -> None:
    first, second = counts(), counts()
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(first)
        tiff.write(second)
    with pytest.raises(
        ImageError, match=r"several pictures \(page 0: 130 × 90 uint16, page 1: .*\); choose one with page"
    ):
        read_image(tmp_path / "a.tif")
    image = read_image(tmp_path / "a.tif", page=1)
    np.testing.assert_array_equal(image.pixels, second)
    assert image.page == 1
    with pytest.raises(ImageError, match=r"has no page 5; it has page 0"):
        read_image(tmp_path / "a.tif", page=5)


def test_read_image_thumbnails_and_reduced_copies_are_passed_over(tmp_path: Path) -> None:
    pixels = counts()
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(pixels)
        tiff.write(pixels[::4, ::4])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, pixels)
    with tifffile.TiffWriter(tmp_path / "b.tif") as tiff:
        tiff.write(pixels[::2, ::2], subfiletype=1)
        tiff.write(pixels)
    image = read_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.page == 1


def test_grey_samples_are_chosen_by_number(tmp_path: Path) -> None:
    two = np.stack([counts(), counts()], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", two, photometric="minisblack", planarconfig="contig", extrasamples=[0])
    with pytest.raises(ImageError, match="has 2 channels; choose channel 0, 1"):
        read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", channel="1").pixels, two[..., 1])
    tifffile.imwrite(tmp_path / "a.tif", two, photometric="minisblack", planarconfig="contig", extrasamples=[2])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, two[..., 0])
    with pytest.raises(ImageError, match="no channel 'green'; it has one grey channel"):
        read_image(tmp_path / "a.tif", channel="green")


GEL_TAGS = [(33445, "I", 1, 2), (33446, "2I", 1, (1, 21025))]


@pytest.mark.parametrize("where", ["first", "second"])
def test_gel_square_roots_become_linear_counts(tmp_path: Path, where: str) -> None:
    """Synthetic .gel, written by the published tags; no real one is at hand."""
    pixels = counts()
    with tifffile.TiffWriter(tmp_path / "a.gel") as tiff:
        tiff.write(pixels, extratags=GEL_TAGS if where == "first" else [])
        if where == "second":
            tiff.write(pixels[:8, :8], extratags=GEL_TAGS)
    image = read_image(tmp_path / "a.gel")
    np.testing.assert_allclose(image.pixels, pixels.astype("f8") ** 2 / 21025, rtol=1e-14)
    assert image.ceiling == pytest.approx(65535.0**2 / 21025)
    assert image.flags == ("encoded_counts",)


def test_read_image_linear_gel_stays_and_unknown_coding_is_refused(tmp_path: Path) -> None:
    pixels = counts()
    tifffile.imwrite(tmp_path / "a.gel", pixels, extratags=[(33445, "I", 1, 128)])
    image = read_image(tmp_path / "a.gel")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.flags == ()
    tifffile.imwrite(tmp_path / "a.gel", pixels, extratags=[(33445, "I", 1, 7)])
    with pytest.raises(ImageError, match=r"tag 33445 \(coding of a \.gel\) is 7; known are 2"):
        read_image(tmp_path / "a.gel")


def test_read_image_what_the_file_says_about_itself(tmp_path: Path) -> None:
    description = "Exposure mode = 1\nExposure time = 3.5 s\nBinning = 2"
    tags = [(271, "s", 0, "Amersham"), (272, "s", 0, "ImageQuant 800")]
    tifffile.imwrite(
        tmp_path / "a.tif", counts(), description=description, resolution=(143.4, 143.4), resolutionunit=3,
        extratags=tags, photometric="miniswhite", metadata=None,
    )  # fmt: skip
    image = read_image(tmp_path / "a.tif")
    assert image.exposure_s == 3.5
    assert image.pixel_size_um == pytest.approx(69.735, abs=0.001)
    assert image.imager == "Amersham ImageQuant 800"
    assert image.metadata["description"] == description
    assert read_image(tmp_path / "a.tif", exposure_s=10).exposure_s == 10


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("stated", "seconds"), [((7, 2), 3.5), ((1, 50), 0.02), ((0, 1), None), ((5, 0), None)])
def test_read_image_the_exposure_tag(
    tmp_path: Path, order: str, stated: tuple[int, int], seconds: float | None
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts(), byteorder=order, extratags=[(33434, "2I", 1, stated)], metadata=None)
    assert read_image(tmp_path / "a.tif").exposure_s == seconds


@pytest.mark.parametrize(
    ("tags", "imager", "seconds"),
    [
        ([(271, "s", 0, "Azure Biosystems"), (272, "s", 0, "c600")], "Azure Biosystems c600", None),
        ([(271, "s", 0, "Thermo Fisher"), (272, "s", 0, "iBright 1500"), (33434, "2I", 1, (5, 2))],
         "Thermo Fisher iBright 1500", 2.5),
        ([(269, "s", 0, "Alpha Innotech 32-bit")], "Alpha Innotech", None),
        ([(305, "s", 0, "Image Lab 6.1")], None, None),
    ],
    ids=["Azure", "iBright", "Alpha Innotech", "ChemiDoc"],
)  # fmt: skip
def test_read_image_exports_of_other_imagers_say_what_they_state_and_no_more(
    tmp_path: Path, tags: list[Any], imager: str | None, seconds: float | None
) -> None:
    """Synthetic: 16-bit grey TIFFs with the standard's own tags; no real Azure or iBright file is at hand."""
    pixels = counts()
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=tags, metadata=None, software=False)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert (image.imager, image.exposure_s, image.pixel_size_um, image.flags) == (imager, seconds, None, ())


def test_read_image_a_screen_copy_of_a_chemidoc_is_flagged(tmp_path: Path) -> None:
    """Eight bits in three equal channels at 300 dpi and nothing else: read, with its loss stated."""
    grey = counts("u1")
    tifffile.imwrite(tmp_path / "a.tif", np.stack([grey] * 3, axis=-1), photometric="rgb", resolution=(300, 300))
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, grey)
    assert (image.exposure_s, image.imager, image.flags) == (None, None, ("low_bit_depth",))


def test_read_image_declared_maximum_is_the_ceiling(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts() // 8, extratags=[(281, "H", 1, 4095)])
    image = read_image(tmp_path / "a.tif")
    assert image.ceiling == 4095
    assert "lower_ceiling" in image.flags


def test_read_image_nan_pixels_are_flagged_and_all_nan_refused(tmp_path: Path) -> None:
    pixels = counts("f4")
    pixels[3, 4] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    assert "nonfinite_pixels" in read_image(tmp_path / "a.tif").flags
    tifffile.imwrite(tmp_path / "a.tif", np.full((9, 9), np.nan, "f4"))
    with pytest.raises(ImageError, match="no finite pixel"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("shape", [(3, 3), (1, 1), (1, 400), (400, 1), (2, 3)])
def test_read_image_tiny_pictures_are_read(tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = np.arange(shape[0] * shape[1], dtype="u2").reshape(shape)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", metadata=None)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize(
    ("pixels", "how", "reason"),
    [
        (np.ones((40, 50), bool), {}, "1 bit per pixel"),
        (np.ones((40, 50), "c8"), {}, "complex numbers"),
        (np.ones((5, 40, 50), "u2"), {"volumetric": True, "tile": (16, 16, 16)}, "volume of 5 planes"),
        (np.ones((40, 50, 4), "u1"), {"photometric": "separated"}, "kind SEPARATED"),
    ],
    ids=["bilevel", "complex", "volume", "cmyk"],
)
def test_read_image_what_is_no_counts_is_refused_by_name(
    tmp_path: Path, pixels: np.ndarray, how: dict[str, Any], reason: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, **how)
    with pytest.raises(ImageError, match=rf"a\.tif: .*{reason}"):
        read_image(tmp_path / "a.tif")


def test_read_image_every_truncation_is_refused_in_one_line(tmp_path: Path) -> None:
    for how in ({}, {"compression": "lzw"}, {"tile": (16, 16), "compression": "zlib"}, {"bigtiff": True}):
        tifffile.imwrite(tmp_path / "whole.tif", counts(), **how)
        whole = (tmp_path / "whole.tif").read_bytes()
        for stop in (5, 9, 30, 150, len(whole) // 2, len(whole) - 1):
            (tmp_path / "a.tif").write_bytes(whole[:stop])
            with pytest.raises(ImageError, match=r"^a\.tif: [^\n]+$"):
                read_image(tmp_path / "a.tif")


def test_page_chain_in_a_circle_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts(), metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    start = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, start + 2 + 12 * entries, start)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ImageError, match="page list runs in a circle"):
        read_image(tmp_path / "a.tif")


def _with_tag(data: bytes, code: int, value: int) -> bytes:
    """Overwrite the value of one LONG or SHORT tag of a little-endian TIFF."""
    changed = bytearray(data)
    start = struct.unpack_from("<I", data, 4)[0]
    for k in range(struct.unpack_from("<H", data, start)[0]):
        at = start + 2 + 12 * k
        if struct.unpack_from("<H", data, at)[0] == code:
            struct.pack_into("<HII", changed, at + 2, 4, 1, value)
    return bytes(changed)


@pytest.mark.parametrize("code", [256, 257])
def test_read_image_absurd_dimensions_are_refused_before_memory_is_taken(tmp_path: Path, code: int) -> None:
    tifffile.imwrite(tmp_path / "whole.tif", counts(), compression="zlib", metadata=None)
    (tmp_path / "a.tif").write_bytes(_with_tag((tmp_path / "whole.tif").read_bytes(), code, 4_000_000_000))
    with pytest.raises(ImageError, match="more than the limit of 200,000,000; if that is right, raise max_pixels"):
        read_image(tmp_path / "a.tif")


def test_read_image_absurd_tiles_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "whole.tif", counts(), tile=(128, 144), compression="zlib", metadata=None)
    (tmp_path / "a.tif").write_bytes(_with_tag((tmp_path / "whole.tif").read_bytes(), 322, 2_000_000_000))
    with pytest.raises(ImageError, match="more than the limit"):
        read_image(tmp_path / "a.tif")


def test_pixel_limit_can_be_set(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts())
    with pytest.raises(ImageError, match="more than the limit of 1,000"):
        read_image(tmp_path / "a.tif", max_pixels=1000)


def test_read_image_mutated_files_never_crash(tmp_path: Path) -> None:
    """Bytes changed at random in header and directory: a picture or one clear line, nothing else."""
    rng = np.random.default_rng(11)
    for how in (
        {"metadata": None},
        {"compression": "lzw", "tile": (32, 32)},
        {"photometric": "miniswhite", "bigtiff": True},
    ):
        tifffile.imwrite(tmp_path / "whole.tif", counts("u1", (40, 40)), **how)
        whole = (tmp_path / "whole.tif").read_bytes()
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(rng.integers(1, 4)):
                data[rng.integers(2, min(len(data), 450))] = rng.integers(256)
            (tmp_path / "m.tif").write_bytes(data)
            with contextlib.suppress(ImageError):
                assert read_image(tmp_path / "m.tif", max_pixels=10**6).pixels.ndim == 2


def test_read_image_imagej_stack_in_one_directory_is_not_read_as_its_first_picture(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts(), description="ImageJ=1.53c\nimages=3\nslices=3\n", metadata=None)
    with pytest.raises(ImageError, match="ImageJ stack of 3 pictures in one page"):
        read_image(tmp_path / "a.tif")


def test_read_image_refuses_strips_that_overlap(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts(), rowsperstrip=30)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        offsets = list(tiff.pages[0].dataoffsets)
        tiff.pages[0].tags["StripOffsets"].overwrite([offsets[0], offsets[0] + 1000, offsets[2]])
    with pytest.raises(ImageError, match=r"a\.tif: damaged TIFF \(its strips or tiles overlap"):
        read_image(path)


@pytest.mark.parametrize(("reversible", "flags"), [(True, ()), (False, ("lossy_compression",))])
def test_read_image_knows_lossless_jpeg_2000(tmp_path: Path, reversible: bool, flags: tuple[str, ...]) -> None:
    level = {"reversible": True} if reversible else {"reversible": False, "level": 40}
    pixels = counts()
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="jpeg2000", compressionargs=level)
    image = read_image(tmp_path / "a.tif")
    assert image.flags == flags
    if reversible:
        np.testing.assert_array_equal(image.pixels, pixels)


def test_read_image_refuses_floats_that_are_no_counts(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts("f8") * 1e296)
    with pytest.raises(ImageError, match=r"a\.tif: has values beyond 1e\+30: these are no counts"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("factor", [1e-12, 1e20])
def test_analyze_finds_the_same_bands_on_any_scale_of_floats(tmp_path: Path, factor: float) -> None:
    pixels = counts("f8", (200, 300))
    tables = []
    for scale in (1.0, factor):
        tifffile.imwrite(tmp_path / "a.tif", pixels * scale)
        tables.append(analyze(read_image(tmp_path / "a.tif")).bands)
    assert len(tables[0]) == len(tables[1]) > 0
    np.testing.assert_allclose(tables[1]["volume"], tables[0]["volume"] * factor, rtol=1e-6)


@pytest.mark.parametrize("part", [0.999, 0.7, 0.3])
def test_is_whole_jpeg_xr_tells_a_cut_tile(tmp_path: Path, part: float) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts(shape=(128, 256)), compression="jpegxr", tile=(128, 128))
    assert read_image(path).shape == (128, 256)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].tags["TileByteCounts"]
        lengths = tiff.pages[0].databytecounts
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags[tag.name].overwrite([lengths[0], int(part * lengths[1])])
    with pytest.raises(ImageError, match="JPEG XR tile is cut short"):
        read_image(path)


def test_check_size_bounds_the_bytes_of_a_decoded_picture(tmp_path: Path) -> None:
    pixels = counts("f8", (100, 100))
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    assert read_image(tmp_path / "a.tif", max_pixels=100_000).pixels.dtype == np.float64
    with pytest.raises(ImageError, match=r"more than the limit of 9,999 for 1 sample\(s\) of 64 bits"):
        read_image(tmp_path / "a.tif", max_pixels=99_999)
    tifffile.imwrite(tmp_path / "c.tif", counts("u2", (100, 100)))
    assert read_image(tmp_path / "c.tif", max_pixels=10_000).pixels.dtype == np.uint16
    tifffile.imwrite(tmp_path / "b.tif", np.stack([pixels] * 2), planarconfig="separate", photometric="minisblack")
    with pytest.raises(ImageError, match="more than the limit"):
        read_image(tmp_path / "b.tif", max_pixels=100_000, channel="0")
