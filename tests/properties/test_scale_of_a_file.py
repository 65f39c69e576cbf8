"""A picture stored at another scale: the same ratios, SNR and flags of measurement; flags of the file tell of the file.

A picture whose counts were multiplied by three has a constant step of three, and that is all that a stretched export
shows: the flag for it must come. It speaks of the file, like all flags of a picture. What is said of lanes, bands and
ratios does not change.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from simple_pictures import SHAPE, gaussians, plain_layout

from blotquant.flags import FLAGS, split_flags
from blotquant.io import read_image
from blotquant.quantification.background import BACKGROUNDS
from blotquant.quantification.bands import measure_bands
from blotquant.settings import QuantificationSettings

HEIGHTS = np.array([[900.0, 200.0], [1500.0, 400.0], [700.0, 800.0], [1100.0, 60.0]])
EXPORT = {"low_bit_depth", "few_levels", "stepped_levels", "clipped_black"}


def counts() -> np.ndarray:
    light = gaussians(HEIGHTS) + 500 + np.random.default_rng(4).normal(0, 8, SHAPE)
    return np.round(light).astype(np.uint16)


def weigh_file(path: Path, pixels: np.ndarray, method: str) -> pd.DataFrame:
    tifffile.imwrite(path, pixels, photometric="minisblack")
    image = read_image(path, polarity="bright")
    return measure_bands(image, plain_layout(), settings=QuantificationSettings(background=method))  # type: ignore[arg-type]


def of_measurement(table: pd.DataFrame) -> list[set[str]]:
    return [{name for name in split_flags(cell) if FLAGS[name].scope != "image"} for cell in table["flags"]]


@pytest.mark.parametrize("method", sorted(BACKGROUNDS))
def test_quantification_settings_three_times_the_counts(tmp_path, method):
    base = weigh_file(tmp_path / "one.tif", counts(), method)
    other = weigh_file(tmp_path / "three.tif", counts() * np.uint16(3), method)
    np.testing.assert_allclose(other["volume"], 3 * base["volume"], rtol=1e-6)
    np.testing.assert_allclose(other["snr"], base["snr"], rtol=1e-6)
    assert of_measurement(other) == of_measurement(base)
    gained = [set(split_flags(b)) - set(split_flags(a)) for a, b in zip(base["flags"], other["flags"], strict=True)]
    assert gained == [{"stepped_levels"}] * len(base)


@pytest.mark.parametrize(
    ("dtype", "factor"), [(np.uint16, 1), (np.uint16, 257), (np.float32, 1), (np.float64, 1 / 255)]
)
def test_quantification_settings_another_type(tmp_path, dtype, factor):
    """8 bits as 16, stretched over all of them, as counts in float, and as 0 to 1."""
    eight = np.clip(counts() // 12, 0, 255).astype(np.uint8)
    base = weigh_file(tmp_path / "eight.tif", eight, "local")
    other = weigh_file(tmp_path / "other.tif", (eight * dtype(factor)).astype(dtype), "local")
    np.testing.assert_allclose(other["volume"], base["volume"] * factor, rtol=1e-5)
    np.testing.assert_allclose(other["snr"], base["snr"], rtol=1e-5)
    assert of_measurement(other) == of_measurement(base)
    changed = [set(split_flags(b)) ^ set(split_flags(a)) for a, b in zip(base["flags"], other["flags"], strict=True)]
    assert all(names <= EXPORT for names in changed)
