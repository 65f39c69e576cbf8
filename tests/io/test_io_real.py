"""What people really have: every file of ../shared/real/formats is read with its doubts stated, or refused with why."""

from __future__ import annotations

from pathlib import Path

import pytest

from blotquant.io import read_image
from blotquant.io.read import READERS

FORMATS = Path(__file__).parents[3] / "shared" / "real" / "formats"
pytestmark = pytest.mark.skipif(
    not FORMATS.is_dir(), reason="the real pictures (../shared/real) are not on this machine"
)

SATURATED = "palette saturation colours, March 19.2013.tif"
READ = {
    # file: type, rows and columns, bands, photometric, flags
    "dot_blot_not_lanes.tif": ("uint8", (362, 961), "dark", "minisblack", ("low_bit_depth",)),
    "palette.gif": ("uint8", (175, 363), "bright", "palette", ("low_bit_depth", "colour_ignored")),
    "tiff_named.png": ("uint8", (552, 689), "bright", "minisblack", ("low_bit_depth",)),
    SATURATED: ("uint8", (736, 1092), "dark", "palette", ("low_bit_depth", "coloured_marks")),
    "rgb_8bit.tif": ("uint8", (898, 1122), "dark", "rgb", ("low_bit_depth", "clipped_black", "coloured_marks")),
    "rgba lzw smears, rep 1, 2, 3.tif": (
        "uint8", (1025, 1072), "dark", "rgb", ("low_bit_depth", "colour_ignored", "coloured_marks")
    ),
}  # fmt: skip
COLOURED = [name for name, known in READ.items() if "coloured_marks" in known[-1]]


def test_read_image_every_file_has_an_answer() -> None:
    assert {path.name for path in FORMATS.iterdir()} == READ.keys()


@pytest.mark.parametrize("name", READ)
def test_read_with_its_doubts(name: str) -> None:
    image = read_image(FORMATS / name)
    found = (image.pixels.dtype.name, image.shape, image.polarity, image.photometric, image.flags)
    assert found == READ[name]
    assert image.polarity_confidence > 0.9
    assert (image.ceiling, image.exposure_s) == (255, None)


@pytest.mark.parametrize("name", COLOURED)
def test_read_image_a_named_channel_is_read(name: str) -> None:
    image = read_image(FORMATS / name, channel="red")
    assert (image.channel, image.polarity) == ("red", "dark")
    assert "low_bit_depth" in image.flags


def test_read_image_the_ending_of_a_name_says_nothing() -> None:
    data = (FORMATS / "tiff_named.png").read_bytes()
    assert [reader.name for reader in READERS if reader.matches(data)] == ["TIFF"]


def test_read_image_the_gif_is_as_its_viewers_show_it() -> None:
    """Its palette is not quite grey: channels are up to six levels apart in every pixel."""
    import numpy as np
    from PIL import Image

    with Image.open(FORMATS / "palette.gif") as picture:
        shown = np.asarray(picture.convert("RGB"))
    grey = read_image(FORMATS / "palette.gif").pixels
    assert (np.ptp(shown.astype(int), axis=2) <= 6).all()
    np.testing.assert_array_equal(grey, shown[..., 1])
    assert grey[128, 190] > grey[20, 190] + 100  # a bright band, and the ground above it
