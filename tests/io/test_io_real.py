"""What people really have: every file of ../shared/real/formats is read with its doubts stated, or refused with why."""

from __future__ import annotations

from pathlib import Path

import pytest

from blotquant.errors import ImageError
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
    "palette.gif": ("uint8", (175, 363), "bright", "palette", ("low_bit_depth",)),
    "tiff_named.png": ("uint8", (552, 689), "bright", "minisblack", ("low_bit_depth",)),
}
REFUSED = {
    SATURATED: r"unequal channels \(0\.76 % of its pixels are clearly coloured",
    "rgb_8bit.tif": r"unequal channels \(0\.34 % of its pixels are clearly coloured",
    "rgba lzw smears, rep 1, 2, 3.tif": r"unequal channels \(0\.57 % of its pixels are clearly coloured",
}


def test_every_file_has_an_answer() -> None:
    assert {path.name for path in FORMATS.iterdir()} == READ.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", READ)
def test_read_with_its_doubts(name: str) -> None:
    image = read_image(FORMATS / name)
    found = (image.pixels.dtype.name, image.shape, image.polarity, image.photometric, image.flags)
    assert found == READ[name]
    assert image.polarity_confidence > 0.9
    assert (image.ceiling, image.exposure_s) == (255, None)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason_and_what_to_do(name: str) -> None:
    with pytest.raises(ImageError, match=rf"{REFUSED[name]}.*own grey file, or choose channel red, green or blue$"):
        read_image(FORMATS / name)


@pytest.mark.parametrize("name", REFUSED)
def test_a_named_channel_is_read(name: str) -> None:
    image = read_image(FORMATS / name, channel="red")
    assert (image.channel, image.polarity) == ("red", "dark")
    assert "low_bit_depth" in image.flags


def test_the_ending_of_a_name_says_nothing() -> None:
    data = (FORMATS / "tiff_named.png").read_bytes()
    assert [reader.name for reader in READERS if reader.matches(data)] == ["TIFF"]


def test_the_gif_is_as_its_viewers_show_it() -> None:
    """Its palette is not quite grey: channels are up to six levels apart in every pixel."""
    import numpy as np
    from PIL import Image

    with Image.open(FORMATS / "palette.gif") as picture:
        shown = np.asarray(picture.convert("RGB"))
    grey = read_image(FORMATS / "palette.gif").pixels
    assert (np.ptp(shown.astype(int), axis=2) <= 6).all()
    np.testing.assert_array_equal(grey, shown[..., 1])
    assert grey[128, 190] > grey[20, 190] + 100  # a bright band, and the ground above it
