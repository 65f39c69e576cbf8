"""PNG, JPEG, GIF, BMP, LI-COR zips, .1sc; colours; the facts in descriptions; refusals by name."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from blotquant.analysis import analyze
from blotquant.errors import ImageError
from blotquant.io import read_image
from blotquant.io.metadata import exposure_in, pixel_size_from_dpi, pixel_size_in

REAL = Path(__file__).parents[3] / "shared" / "real"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real pictures (../shared/real) are not on this machine")


def bands(top: int = 200, dtype: str = "u1", shape: tuple[int, int] = (80, 140)) -> np.ndarray:
    """Synthetic picture: dark paper, a row of bright bands."""
    picture = np.random.default_rng(1).normal(0.15 * top, 0.01 * top, shape)
    for col in range(10, shape[1] - 20, 24):
        picture[35:42, col : col + 15] += 0.6 * top
    return picture.astype(dtype)


# --- raster exports


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.gif"])
def test_read_image_lossless_exports(tmp_path: Path, name: str) -> None:
    Image.fromarray(bands()).save(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, bands())
    assert image.flags == ("low_bit_depth",)
    assert image.ceiling == 255


def test_read_image_jpeg_is_flagged(tmp_path: Path) -> None:
    Image.fromarray(bands()).save(tmp_path / "a.jpg", dpi=(300, 300))
    image = read_image(tmp_path / "a.jpg")
    assert image.flags == ("lossy_compression", "low_bit_depth")
    assert image.pixel_size_um == pytest.approx(84.6667)


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_read_image_the_exposure_tag_of_an_export(tmp_path: Path, kind: str) -> None:
    told = Image.Exif()
    told[305] = "a program"
    told.get_ifd(34665)[33434] = 2.5
    Image.fromarray(bands()).save(tmp_path / f"a.{kind}", exif=told)
    assert read_image(tmp_path / f"a.{kind}").exposure_s == 2.5
    assert read_image(tmp_path / f"a.{kind}", exposure_s=7).exposure_s == 7


def test_read_image_png_keeps_16_bits_in_grey_and_in_colour(tmp_path: Path) -> None:
    deep = bands(40000, "u2")
    Image.fromarray(deep).save(tmp_path / "grey.png")
    (tmp_path / "rgb.png").write_bytes(imagecodecs.png_encode(np.stack([deep] * 3, axis=-1)))
    (tmp_path / "la.png").write_bytes(imagecodecs.png_encode(np.stack([deep, np.full_like(deep, 65535)], axis=-1)))
    for name in ("grey.png", "rgb.png", "la.png"):
        image = read_image(tmp_path / name)
        np.testing.assert_array_equal(image.pixels, deep, err_msg=name)
        assert image.ceiling == 65535
        assert image.flags == ()


def test_read_image_alpha_and_rounding_collapse(tmp_path: Path) -> None:
    grey = bands()
    rgba = np.stack([grey, grey, grey + 1, np.full_like(grey, 255)], axis=-1)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, grey)


def test_read_image_animated_gif_needs_a_page(tmp_path: Path) -> None:
    frames = [Image.fromarray(bands()), Image.fromarray(bands()[::-1].copy())]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=r"holds 2 picture\(s\); choose page 0 to 1"):
        read_image(tmp_path / "a.gif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.gif", page=1).pixels, bands()[::-1])


def test_read_image_bilevel_and_cmyk_are_refused(tmp_path: Path) -> None:
    Image.fromarray(bands() > 50).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="1 bit per pixel: it holds no counts"):
        read_image(tmp_path / "a.png")
    Image.new("CMYK", (40, 40)).save(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="CMYK colours"):
        read_image(tmp_path / "a.jpg")


def test_read_image_png_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    data = bytearray(imagecodecs.png_encode(bands()))
    data[16:24] = b"\x7f\xff\xff\xff" * 2
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"^a\.png: "):
        read_image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(imagecodecs.png_encode(bands()))
    with pytest.raises(ImageError, match="140 × 80 pixels, more than the limit of 100"):
        read_image(tmp_path / "b.png", max_pixels=100)


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp"])
def test_read_image_broken_exports_give_one_line(tmp_path: Path, kind: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(bands()).save(stream, format={"jpg": "jpeg"}.get(kind, kind))
    whole = stream.getvalue()
    path = tmp_path / f"a.{kind}"
    for stop in (4, 20, 60, len(whole) // 2):
        path.write_bytes(whole[:stop])
        with pytest.raises(ImageError, match=rf"^a\.{kind}: [^\n]+$"):
            read_image(path)
    rng = np.random.default_rng(3)
    for _ in range(100):
        data = bytearray(whole)
        for at in rng.integers(3, min(len(whole), 1200), 3):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        with contextlib.suppress(ImageError):
            read_image(path, max_pixels=10**6)


# --- colour


def stained_gel() -> np.ndarray:
    """Synthetic Coomassie gel: Beer-Lambert absorption of one dye on pale paper."""
    density = bands(100, "f8") / 100 - 0.15
    absorbed = 10 ** -(density.clip(0)[..., None] * np.array([0.9, 0.5, 0.1]))
    return (np.array([240, 243, 248]) * absorbed).astype("u1")


def test_scan_of_one_dye_takes_the_channel_it_absorbs_most(tmp_path: Path) -> None:
    Image.fromarray(stained_gel()).save(tmp_path / "gel.png")
    image = read_image(tmp_path / "gel.png")
    np.testing.assert_array_equal(image.pixels, stained_gel()[..., 0])
    assert (image.channel, image.polarity) == ("red", "dark")
    assert "channel_chosen" in image.flags
    pink = stained_gel()[..., [2, 0, 1]]
    Image.fromarray(pink).save(tmp_path / "gel.png")
    assert read_image(tmp_path / "gel.png").channel == "green"
    named = read_image(tmp_path / "gel.png", channel="blue")
    np.testing.assert_array_equal(named.pixels, pink[..., 2])
    assert "channel_chosen" not in named.flags


def blot(*, low: float = 30, high: float = 220) -> np.ndarray:
    """Synthetic grey picture of dark bands as floats, shape (200, 400)."""
    rows, cols = np.mgrid[:200, :400]
    picture = np.full((200, 400), float(high))
    for k in range(7):
        picture -= (high - low) * np.exp(-((rows - 90) ** 2) / 40 - ((cols - 40 - 54 * k) / 18.0) ** 4)
    return picture


def coloured(picture: np.ndarray, gains: tuple[float, float, float], *, noise: float = 1.0) -> np.ndarray:
    """The same picture in three channels, each with its own gain and noise."""
    rng = np.random.default_rng(3)
    channels = np.stack([picture * gain for gain in gains], axis=-1)
    return rng.normal(channels, noise).clip(0, 255).astype("u1")


@pytest.mark.parametrize(
    ("gains", "noise", "suffix"),
    [
        ((1, 1, 1), 1.0, "png"),  # channels that differ by rounding and noise
        ((1, 1, 1), 8.0, "png"),  # a phone
        ((0.97, 1, 0.93), 1.0, "png"),  # a tint
        ((0.75, 0.85, 1), 1.0, "jpg"),  # the blue base of film
    ],
)
def test_read_image_reads_colour_that_carries_nothing_as_grey(
    tmp_path: Path, gains: tuple[float, float, float], noise: float, suffix: str
) -> None:
    Image.fromarray(coloured(blot(), gains, noise=noise)).save(tmp_path / f"a.{suffix}", quality=85)
    image = read_image(tmp_path / f"a.{suffix}")
    assert "colour_ignored" in image.flags
    assert not {"coloured_marks", "channel_chosen"} & set(image.flags)
    assert (image.channel, image.polarity) == (None, "dark")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_read_image_leaves_out_coloured_marks(tmp_path: Path, suffix: str) -> None:
    picture = coloured(blot(), (1, 1, 1))
    picture[20:22, 10:390] = picture[140:142, 10:390] = (220, 0, 0)
    picture[60:70, 0:15] = (0, 90, 200)
    Image.fromarray(picture).save(tmp_path / f"a.{suffix}", quality=85)
    image = read_image(tmp_path / f"a.{suffix}")
    assert "coloured_marks" in image.flags
    hidden = np.isnan(image.signal())
    assert hidden[20:22, 10:390].all()
    assert hidden[62:68, 2:12].all()
    assert not hidden[40:52].any()  # nor are the bands hidden
    assert not hidden[80:100, 30:].any()
    whole = read_image(tmp_path / f"a.{suffix}", channel="green")
    assert np.isfinite(whole.signal()).all()
    np.testing.assert_array_equal(whole.pixels, image.pixels)


def test_measure_bands_refuses_only_the_band_under_a_mark(tmp_path: Path) -> None:
    picture = coloured(blot(), (1, 1, 1))
    picture[85:95, 85:102] = (0, 200, 0)  # the imager's saturation colour in the second band
    Image.fromarray(picture).save(tmp_path / "a.png")
    bands = analyze(read_image(tmp_path / "a.png")).bands
    under = bands["flags"].str.contains("under_mark")
    assert bands.loc[under, "lane"].tolist() == [2]
    assert bands.loc[under, "volume"].isna().all()
    assert bands.loc[~under, "volume"].notna().all()
    assert len(bands) == 7


def test_read_image_takes_the_channel_in_which_a_gel_glows(tmp_path: Path) -> None:
    light = 220 - blot(low=0)
    gel = coloured(light, (0.8, 1, 0.1)) + np.array([20, 12, 3], "u1")
    Image.fromarray(gel).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert (image.channel, image.polarity) == ("green", "bright")
    assert "channel_chosen" in image.flags


def test_read_image_asks_where_channels_show_different_pictures(tmp_path: Path) -> None:
    import matplotlib

    red, green = 220 - blot(), np.roll(220 - blot(), 60, axis=0)
    overlay = np.stack([red + 10, green + 10, np.full_like(red, 10)], axis=-1).clip(0, 255).astype("u1")
    share = (220 - blot()) / 190
    display = (255 * matplotlib.colormaps["jet"](0.1 + 0.9 * share)[..., :3]).astype("u1")
    for name, colours in {"overlay": overlay, "display": display}.items():
        Image.fromarray(colours).save(tmp_path / f"{name}.png")
        with pytest.raises(ImageError, match=rf"^{name}\.png: .*choose channel red, green or blue"):
            read_image(tmp_path / f"{name}.png")
    assert read_image(tmp_path / "overlay.png", channel="G").channel == "green"
    with pytest.raises(ImageError, match="no channel 'cyan'; choose red, green or blue"):
        read_image(tmp_path / "overlay.png", channel="cyan")
    Image.fromarray(bands()).save(tmp_path / "grey.png")
    with pytest.raises(ImageError, match="no channel 'red'; it has one grey channel"):
        read_image(tmp_path / "grey.png", channel="red")


def test_read_image_lays_a_jpeg_as_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(bands()).save(tmp_path / "a.jpg", exif=exif, quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == bands().shape[::-1]
    assert image.orientation.tag == 6
    assert "orientation_applied" in image.flags


# --- LI-COR


def licor(path: Path, names: tuple[str, ...] = ("scan/700.TIF", "scan/800.tif"), **texts: str) -> dict[str, np.ndarray]:
    """Synthetic acquisition, written by the published description; no real one is at hand."""
    pixels = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for k, name in enumerate(names):
            stream = io.BytesIO()
            pixels[name] = bands(20000 + 1000 * k, "u2")
            tifffile.imwrite(stream, pixels[name])
            archive.writestr(name, stream.getvalue())
        for name, text in texts.items():
            archive.writestr(f"scan/{name}.txt", text)
    return pixels


def test_licor_channels(tmp_path: Path) -> None:
    pixels = licor(tmp_path / "a.zip", info="Exposure time = 120 s\n")
    with pytest.raises(ImageError, match=r"a\.zip: holds 2 channels; choose channel 700, 800"):
        read_image(tmp_path / "a.zip")
    image = read_image(tmp_path / "a.zip", channel="800")
    np.testing.assert_array_equal(image.pixels, pixels["scan/800.tif"])
    assert (image.channel, image.imager, image.exposure_s) == ("800", "LI-COR", 120)
    with pytest.raises(ImageError, match="no channel '600'; choose 700, 800"):
        read_image(tmp_path / "a.zip", channel="600")


def test_read_image_names_that_climb_out_of_the_zip_reach_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    licor(folder / "a.zip", ("../../700.tif",))
    assert read_image(folder / "a.zip").channel == "700"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip", "in"]


def test_read_image_refuses_a_zip_that_unpacks_two_hundredfold(tmp_path: Path) -> None:
    """Before it is unpacked; a picture with noise in it is never squeezed like that."""
    with zipfile.ZipFile(tmp_path / "zeros.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("700.tif", bytes(4 << 20))
    with pytest.raises(
        ImageError, match=r"entry 700\.tif unpacks to 1,0\d\d times its size: there is no picture in it"
    ):
        read_image(tmp_path / "zeros.zip")


def test_read_image_zip_bombs_and_other_zips_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("700.tif", bytes(30_000_000))
    with pytest.raises(ImageError, match=r"entry 700\.tif unpacks to more than"):
        read_image(tmp_path / "bomb.zip", max_pixels=10**6)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for k in range(1001):
            archive.writestr(f"{k}.txt", "")
    with pytest.raises(ImageError, match="zip of 1001 files"):
        read_image(tmp_path / "many.zip")
    licor(tmp_path / "none.zip", ())
    (tmp_path / "none.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    with pytest.raises(ImageError, match="damaged or incomplete zip"):
        read_image(tmp_path / "none.zip")
    licor(tmp_path / "text.zip", (), notes="hello")
    with pytest.raises(ImageError, match="zip without TIFFs"):
        read_image(tmp_path / "text.zip")


# --- facts


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Exposure time = 3.5 s\nBinning = 1", 3.5),
        ("Exposure mode = 2\nExposure time = 500 ms", 0.5),
        ("Exposure Time (sec): 36.282", 36.282),
        ("ExposureTime: 2 min", 120),
        ("exposure_s=60", 60),
        ("Exposure time: 3,5 sec", 3.5),
        ('{"shape": [3, 4], "exposure_s": 12}', 12),
        ('{"camera": {"ExposureTime": "250 ms"}}', 0.25),
        ('<Plane ExposureTime="40" ExposureTimeUnit="parsec"/>', None),
        ('<Plane ExposureTime="40" ExposureTimeUnit="ms"/>', 0.04),
        ("Exposure mode = 1", None),
        ("Exposure time = 00:01:30", 90),
        ("Exposure Time: 1 min 30 sec", 90),
        ("Exposure Time: 2 minutes 15 seconds", 135),
        ("Exposure=1/30 s", 1 / 30),
        ("Exposure: 1,200 ms", None),  # 1200 or 1.2
        ("Exposure: 0,250 s", 0.25),
        ("Exposure: 2 x 10 s", None),
        ("Exposure: about 5 s", None),
        ("exposure = 10 s (manual), gain 3", 10),
        ('{"ExposureTime": "1 min 30 sec"}', 90),
        ("Exposure time = -3 s", None),
        ('{"exposure_s": ' + "[" * 100_000, None),
        ("", None),
    ],
)
def test_exposure_time_in_descriptions(text: str, seconds: float | None) -> None:
    assert exposure_in(text) == (seconds if seconds is None else pytest.approx(seconds))


def test_pixel_sizes() -> None:
    assert pixel_size_in('<Pixels PhysicalSizeX="0.05" PhysicalSizeXUnit="mm"/>', None) == pytest.approx(50)
    assert pixel_size_in("ImageJ=1.53\nunit=micron\n", (0.5, 0.5)) == 2
    assert pixel_size_in("ImageJ=1.53\nunit=pixel\n", (0.5, 0.5)) is None
    assert pixel_size_from_dpi((254, 254)) == 100
    assert pixel_size_from_dpi((72.009, 72.009)) is None
    assert pixel_size_from_dpi((300, 600)) is None


# --- any file


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("text.tif", b"lane,volume\n1,2\n", r"not a picture in a known format \(it begins with 'lane,volume"),
        ("empty.tif", b"", "empty file"),
        ("page.png", b"<!DOCTYPE html>", "not a picture in a known format"),
        ("two.tif", b"II", "not a picture in a known format"),
    ],
)
def test_read_image_no_picture_at_all(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=rf"^{name}: {reason}"):
        read_image(tmp_path / name)


def test_missing_folder_pipe_and_bad_names(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.tif: cannot be opened \(No such file"):
        read_image(tmp_path / "none.tif")
    with pytest.raises(ImageError, match="not a file but a folder or device"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="cannot be opened"):
        read_image(tmp_path / ("n" * 300 + ".tif"))
    with pytest.raises(ImageError, match="cannot be opened"):
        read_image("a\0b.tif")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.tif")
        with pytest.raises(ImageError, match="not a file but a folder or device"):
            read_image(tmp_path / "pipe.tif")


def test_read_image_names_with_line_breaks_and_direction_marks_stay_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\u202egnp.tif"
    path.write_bytes(b"")
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value).isprintable()


def test_read_image_film_is_flagged_where_the_file_says_so(tmp_path: Path) -> None:
    for text, film in (("X-ray film, scanned at 300 dpi", True), ("No Filter; filmed", False)):
        tifffile.imwrite(tmp_path / "a.tif", bands(40000, "u2"), description=text, metadata=None)
        assert ("film" in read_image(tmp_path / "a.tif").flags) == film


def test_checksum_and_source(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", bands())
    image = read_image(tmp_path / "a.tif")
    assert image.sha256 == hashlib.sha256((tmp_path / "a.tif").read_bytes()).hexdigest()
    assert image.source == tmp_path / "a.tif"


def test_read_image_saturated_blank_and_uncertain_pictures_are_flagged(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((60, 60), 65535, "u2"))
    assert {"saturated_picture", "polarity_uncertain"} <= set(read_image(tmp_path / "a.tif").flags)
    assert "polarity_uncertain" not in read_image(tmp_path / "a.tif", polarity="bright").flags


def test_read_image_import_is_cheap() -> None:
    heavy = "('PIL', 'scipy', 'tifffile', 'skimage', 'pandas')"
    code = f"import sys, blotquant.io; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.scn"])
def test_read_image_goes_by_the_first_bytes_not_by_the_ending(tmp_path: Path, name: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", bands())
    (tmp_path / "a.tif").rename(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels, bands())
    assert image.photometric == "minisblack"


# --- real pictures, and drawn ones of the same kinds


def with_marks(picture: np.ndarray) -> np.ndarray:
    """Coloured bands with a red line and the blue saturation colour over them."""
    marked = picture.copy()
    marked[20:22, 10:390] = (220, 0, 0)
    marked[85:92, 40:60] = (0, 90, 200)
    return marked


@pytest.mark.parametrize(
    ("kind", "photometric", "flags"),
    [
        ("rgb", "rgb", ("low_bit_depth", "coloured_marks")),
        ("rgba lzw", "rgb", ("low_bit_depth", "colour_ignored", "coloured_marks")),
        ("palette tif", "palette", ("low_bit_depth", "coloured_marks")),
        ("palette gif", "palette", ("low_bit_depth", "colour_ignored")),
        ("grey", "minisblack", ("low_bit_depth",)),
    ],
)
def test_read_image_states_its_doubts_about_drawn_exports(
    tmp_path: Path, kind: str, photometric: str, flags: tuple[str, ...]
) -> None:
    path, grey = tmp_path / "a.tif", np.repeat(blot().round().astype("u1")[..., None], 3, axis=2)
    if kind == "rgb":
        tifffile.imwrite(path, with_marks(grey), photometric="rgb")
    elif kind == "rgba lzw":
        tinted = with_marks(coloured(blot(), (0.97, 1, 0.93)))
        opaque = np.full((*tinted.shape[:2], 1), 255, np.uint8)
        tifffile.imwrite(path, np.concatenate([tinted, opaque], axis=2), photometric="rgb", compression="lzw")
    elif kind == "palette tif":
        Image.fromarray(with_marks(grey)).quantize(250, dither=Image.Dither.NONE).save(path)
    elif kind == "palette gif":  # a palette that is not quite grey, as of many viewers: channels up to six levels apart
        path, levels = tmp_path / "a.gif", np.arange(256)
        picture = Image.fromarray(grey[..., 0], mode="P")
        picture.putpalette(
            np.stack([np.maximum(levels - 6, 0), levels, np.maximum(levels - 3, 0)], axis=1).astype("u1").tobytes()
        )
        picture.save(path)
    else:
        tifffile.imwrite(path, grey[..., 0])
    image = read_image(path)
    assert set(image.flags) == set(flags)
    assert (image.photometric, image.polarity, image.pixels.dtype.name) == (photometric, "dark", "uint8")
    assert (image.polarity_confidence > 0.9, image.ceiling, image.exposure_s) == (True, 255, None)
    if kind == "palette gif":
        np.testing.assert_array_equal(image.pixels, grey[..., 1])
    if "coloured_marks" in flags:
        named = read_image(path, channel="red")
        assert (named.channel, named.polarity) == ("red", "dark")
        assert "low_bit_depth" in named.flags


@needs_real
@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("formats/rgb_8bit.tif", ("low_bit_depth", "clipped_black", "coloured_marks")),
        ("formats/rgba lzw smears, rep 1, 2, 3.tif", ("low_bit_depth", "colour_ignored", "coloured_marks")),
        ("formats/palette saturation colours, March 19.2013.tif", ("low_bit_depth", "coloured_marks")),
        ("formats/palette.gif", ("low_bit_depth", "colour_ignored")),
        ("formats/tiff_named.png", ("low_bit_depth",)),
        ("formats/dot_blot_not_lanes.tif", ("low_bit_depth",)),
        ("gels/gelquant_gel.png", ("low_bit_depth", "gamma_declared", "channel_chosen")),
        ("gels/dna_gel22.png", ("low_bit_depth",)),
        ("gels/strip_13_lanes.png", ("low_bit_depth",)),
        ("gels/gelgenie_ladder.tif", ("low_bit_depth",)),
        ("gels/wide_frown.jpeg", ("lossy_compression", "low_bit_depth", "clipped_black")),
        ("adrenergic/July4_B1AR.tif", ()),
        ("akt/pAKT.tif", ()),
    ],
)
def test_real_pictures_are_weighed_with_flags_or_refused(name: str, outcome: str | tuple[str, ...]) -> None:
    if isinstance(outcome, str):
        with pytest.raises(ImageError, match=outcome):
            read_image(REAL / name)
    else:
        assert read_image(REAL / name).flags == outcome


# --- curves and codings


@pytest.mark.parametrize("chunk", ["gamma", "srgb", "profile"])
def test_read_image_flags_a_declared_gamma(tmp_path: Path, chunk: str) -> None:
    from PIL import ImageCms
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    how: dict[str, object] = {}
    if chunk == "gamma":
        info.add(b"gAMA", (45455).to_bytes(4, "big"))
    elif chunk == "srgb":
        info.add(b"sRGB", b"\0")
    else:
        how["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(bands()).save(tmp_path / "a.png", pnginfo=info, **how)
    assert "gamma_declared" in read_image(tmp_path / "a.png").flags
    linear = PngInfo()
    linear.add(b"gAMA", (100000).to_bytes(4, "big"))
    Image.fromarray(bands()).save(tmp_path / "b.png", pnginfo=linear)
    assert "gamma_declared" not in read_image(tmp_path / "b.png").flags


def test_read_image_never_calls_a_gel_without_its_tags_linear(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.gel", bands(20000, "u2"))
    assert "gel_coding_unknown" in read_image(tmp_path / "a.gel").flags


def test_read_image_of_a_zip_that_is_no_acquisition(tmp_path: Path) -> None:
    pixels = licor(tmp_path / "mail.zip", names=("day1.tif", "day2.tif"))
    with pytest.raises(ImageError, match=r"is a zip of 2 pictures, no LI-COR acquisition; .* channel day1, day2"):
        read_image(tmp_path / "mail.zip")
    image = read_image(tmp_path / "mail.zip", channel="day2")
    assert image.imager is None
    np.testing.assert_array_equal(image.pixels, pixels["day2.tif"])
