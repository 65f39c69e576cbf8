"""Effective ceiling and the marks of processed exports."""

from __future__ import annotations

import numpy as np
import pytest

from blotquant.io.ceiling import count_levels, judge_scale
from blotquant.model.image import BlotImage


def ramp(peak: int, *, shape: tuple[int, int] = (120, 160), dtype: str = "u2", seed: int = 0) -> np.ndarray:
    """Synthetic bands: noise around 300 counts and a few Gaussian spots up to `peak`."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    spots = sum(np.exp(-((rows - 60) ** 2) / 50 - ((cols - c) ** 2) / 90) for c in (30, 80, 130))
    return (rng.normal(300, 15, shape) + (peak - 300) * spots).clip(0).astype(dtype)


@pytest.mark.parametrize("full", [1023, 4095, 16383, 65535])
def test_judge_scale_saturated_camera_shows_its_full_scale(full: int) -> None:
    scale = judge_scale(
        np.minimum(ramp(2 * full if full < 30000 else 65000).astype("i8") * 2, full).astype("u2"), "bright"
    )
    assert scale.ceiling == full
    assert ("lower_ceiling" in scale.flags) == (full != 65535)


def test_pile_up_at_any_value_is_a_ceiling() -> None:
    scale = judge_scale(np.minimum(ramp(30000), 20011), "bright")
    assert scale.ceiling == 20011
    assert scale.flags == ("lower_ceiling",)


def test_judge_scale_single_maximum_is_no_ceiling() -> None:
    pixels = ramp(30000)
    pixels[5, 5] = 40000
    assert judge_scale(pixels, "bright").ceiling == 65535
    assert judge_scale(pixels, "bright").flags == ()


def test_ceiling_and_flags_are_scale_free() -> None:
    pixels = np.minimum(ramp(9000), 7001)
    for factor in (2.0, 0.001, 1 / 65535):
        scale = judge_scale(pixels * factor, "bright")
        assert scale.ceiling == pytest.approx(7001 * factor, rel=1e-12)
        assert scale.flags == ("lower_ceiling",)


def test_judge_scale_float_without_pile_up_has_no_ceiling() -> None:
    pixels = np.random.default_rng(3).normal(0.2, 0.01, (50, 60))
    assert judge_scale(pixels, "bright").ceiling == np.inf
    dark = judge_scale(pixels, "dark")
    assert dark.ceiling == np.inf
    assert dark.white == pixels.max()


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4"])
def test_picture_and_negative_agree_exactly(dtype: str) -> None:
    bright = (ramp(30000) // 130).astype(dtype)
    full = np.iinfo(dtype).max
    dark = (full - bright.astype("i8")).astype(dtype)
    one, other = judge_scale(bright, "bright"), judge_scale(dark, "dark")
    if np.iinfo(dtype).min == 0:
        assert one.ceiling == other.ceiling
    assert one.flags == other.flags
    images = [
        BlotImage(pixels=bright, white=one.white),
        BlotImage(pixels=dark, polarity="dark", white=other.white),
    ]
    np.testing.assert_array_equal(images[0].signal(), images[1].signal())


def test_judge_scale_dark_bands_saturate_at_the_stored_minimum() -> None:
    stored = 65535 - np.minimum(ramp(30000), 25000)
    assert judge_scale(stored, "dark").ceiling == 25000
    assert judge_scale(np.maximum(65535 - ramp(30000), 0), "dark").ceiling == 65535


def test_judge_scale_dark_bands_of_a_12_bit_camera_start_from_its_white() -> None:
    stored = np.minimum(4400 - ramp(4000).astype("i4"), 4095).clip(0).astype("u2")
    scale = judge_scale(stored, "dark")
    assert (scale.white, scale.ceiling) == (4095, 4095)
    assert "clipped_black" in scale.flags


def test_judge_scale_declared_maximum_counts_unless_pixels_disprove_it() -> None:
    assert judge_scale(ramp(3000), "bright", full_scale=4095).ceiling == 4095
    assert judge_scale(ramp(9000), "bright", full_scale=4095).ceiling == 65535


def test_export_marks() -> None:
    raw = ramp(30000)
    eight = (ramp(2000) // 8).clip(0, 254).astype("u1")
    assert judge_scale(raw, "bright").flags == ()
    assert judge_scale(eight, "bright").flags == ("low_bit_depth",)
    assert judge_scale(eight.astype("u2") * 257, "bright").flags == ("few_levels", "stepped_levels")
    assert judge_scale(raw // 4 * 4, "bright").flags == ("stepped_levels",)
    cut = (raw.astype("i4") - 310).clip(0).astype("u2")
    assert judge_scale(cut, "bright").flags == ("clipped_black",)
    assert judge_scale(65535 - cut, "dark").flags == ("clipped_black",)


def test_judge_scale_nearly_white_jpeg_page_is_clipped() -> None:
    page = np.full((100, 100), 253, "u1")
    page[40:50, 20:80] = np.arange(60, 120, dtype="u1")
    page[39, :3] = 255
    assert judge_scale(page, "dark").flags == ("low_bit_depth", "clipped_black")


def test_judge_scale_not_finite_and_saturated_pictures() -> None:
    pixels = ramp(30000).astype("f4")
    pixels[0, 0], pixels[0, 1] = np.nan, np.inf
    assert judge_scale(pixels, "bright").flags == ("nonfinite_pixels",)
    assert count_levels(pixels)[1].sum() == pixels.size - 2
    full = np.full((50, 50), 65535, "u2")
    assert "saturated_picture" in judge_scale(full, "bright").flags
    assert "saturated_picture" not in judge_scale(np.full((50, 50), 500, "u2"), "bright").flags
    # A black frame that is most of a scan is not the detector's ceiling.
    paper = np.random.default_rng(0).integers(200, 240, (100, 120)).astype("u1")
    assert "saturated_picture" not in judge_scale(np.pad(paper, 80), "dark").flags


def test_judge_scale_tiny_pictures_raise_no_suspicion() -> None:
    assert judge_scale(np.arange(9, dtype="u2").reshape(3, 3), "bright").flags == ()
