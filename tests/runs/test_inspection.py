"""The sentence that `inspect` gives on a picture."""

import numpy as np
import pytest

from blotquant.model.image import BlotImage
from blotquant.runs.inspection import judge, saturated_lanes
from blotquant.synthetic import make_blot, plain_spec


def picture(volume=4e5, *, ceiling=65535.0, flags=(), exposure_s=30.0):
    made = make_blot(plain_spec(np.full((1, 4), volume), shape=(120, 240)), seed=5)
    image = made.image()
    pixels = np.minimum(image.pixels, ceiling).astype(image.pixels.dtype)
    return BlotImage(pixels=pixels, ceiling=ceiling, flags=flags, exposure_s=exposure_s), made.true_layout()


def test_judge_an_original_without_saturation_is_good():
    image, layout = picture()
    said = judge(image, layout)
    assert said.startswith("yes: 4 lanes, the least sure 100%; the strongest band uses ")
    assert "next time" not in said


def test_judge_names_the_saturated_lanes_and_the_exposure():
    image, layout = picture()
    top = float(image.signal()[layout.bands_of(layout.lanes[1].id)[0].box.slices].max())
    cut, layout = picture(ceiling=np.floor(0.9 * top))
    lanes = saturated_lanes(cut, layout)
    assert lanes == [1, 2, 3, 4]
    assert judge(cut, layout).startswith("no: saturated in lanes 1, 2, 3, 4, where only a lower bound is known; ")
    assert judge(cut, layout).endswith("; next time: expose shorter than 30 s")


@pytest.mark.parametrize(
    ("flag", "words"), [("low_bit_depth", "an 8-bit export"), ("lossy_compression", "compressed with loss")]
)
def test_judge_tells_an_export_from_an_original(flag, words):
    image, layout = picture(flags=(flag,))
    said = judge(image, layout)
    assert said.startswith("with care: ")
    assert words in said
    assert said.endswith("; next time: save the camera's own 16-bit file")


def test_judge_says_no_where_nothing_was_found():
    image, layout = picture(flags=("not_a_blot",))
    assert judge(image, layout).startswith("no: no lanes with bands were found; crop or choose another picture")


def test_judge_names_every_flag_that_warns_of_the_picture():
    image, layout = picture(flags=("film", "lower_ceiling"))
    said = judge(image, layout)
    assert said.startswith("with care: ")
    assert "a film scan: its linear range is only 4- to 10-fold" in said
    assert said.endswith("; next time: prefer a camera; check with a dilution series")
    assert "ceiling lies below" not in said  # what is only information is no reason for care
