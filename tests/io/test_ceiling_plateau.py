"""Saturation that is not one value: plateaus with a width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from blotquant.analysis import analyze
from blotquant.io import read_image
from blotquant.io.ceiling import judge_scale


def light(peaks: list[float], *, ground: float = 600) -> np.ndarray:
    """Synthetic light of a row of bands, Gaussian along the lane, as floats, shape (200, 60 · n + 60)."""
    rows, cols = np.mgrid[:200, : 60 * len(peaks) + 60]
    picture = np.full(rows.shape, float(ground))
    for k, peak in enumerate(peaks):
        picture += peak * np.exp(-((rows - 100) ** 2) / 32 - ((cols - 60 - 60 * k) / 20.0) ** 6)
    return picture


PEAKS = [4000.0, 9000, 70000, 20000, 120000, 12000]


def dark_subtracted(seed: int = 2) -> np.ndarray:
    """Full wells of a 16-bit camera from which a noisy dark frame was taken."""
    rng = np.random.default_rng(seed)
    return (rng.poisson(light(PEAKS)).clip(0, 65535) - rng.normal(400, 25, light(PEAKS).shape)).clip(0).astype("u2")


def averaged(seed: int = 2) -> np.ndarray:
    """Four 12-bit frames with read noise behind full wells, averaged and stored times 16."""
    rng = np.random.default_rng(seed)
    frames = [rng.poisson(light(PEAKS) / 16).clip(0, 3900) + rng.normal(0, 6, light(PEAKS).shape) for _ in range(4)]
    return (np.mean(frames, axis=0) * 16).clip(0).astype("u2")


@pytest.mark.parametrize("make", [dark_subtracted, averaged])
def test_judge_scale_finds_a_plateau_with_a_width(tmp_path: Path, make) -> None:
    pixels = make()
    scale = judge_scale(pixels, "bright")
    assert "soft_ceiling" in scale.flags
    assert 0.9 * pixels.max() < scale.ceiling < pixels.max()
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    bands = analyze(read_image(tmp_path / "a.tif")).bands
    saturated = bands["flags"].str.contains("saturated")
    assert bands.loc[saturated, "lane"].tolist() == [3, 5]
    assert (bands.loc[saturated, "peak_fraction"] >= 1).all()
    assert bands.loc[~saturated, "peak_fraction"].between(0, 0.5).all()


def test_judge_scale_finds_none_in_bands_below_the_ceiling() -> None:
    rng = np.random.default_rng(3)
    for peaks in ([30000.0] * 6, [4000.0, 9000, 25000, 20000, 50000, 12000], [60000.0]):
        pixels = rng.poisson(light(peaks)).clip(0, 65535).astype("u2")
        scale = judge_scale(pixels, "bright")
        assert "soft_ceiling" not in scale.flags
        assert scale.ceiling == 65535


@pytest.mark.parametrize("factor", [1.0, 0.25, 3.0])
def test_judge_scale_finds_the_plateau_on_any_scale(factor: float) -> None:
    pixels = dark_subtracted()
    once, again = judge_scale(pixels, "bright"), judge_scale((pixels * factor).astype("f8"), "bright")
    assert "soft_ceiling" in again.flags
    assert again.ceiling == pytest.approx(factor * once.ceiling, rel=1e-3)


def film(make: str, model: str, path: Path) -> Path:
    """X-ray film as a flatbed scanner stores it: light that the film's density lets through."""
    density = 1.9 * (1 - np.exp(-(light([300.0, 700, 1500, 3000, 9000, 400], ground=20)) / 1200))
    rng = np.random.default_rng(4)
    stored = 40000 * 10**-density + rng.normal(0, 60, density.shape)
    tifffile.imwrite(
        path, stored.clip(0).astype("u2"), extratags=[(271, "s", 0, make, True), (272, "s", 0, model, True)]
    )
    return path


def test_read_image_tells_a_flatbed_scanner_by_make_and_model(tmp_path: Path) -> None:
    image = read_image(film("EPSON", "Perfection V750", tmp_path / "a.tif"))
    assert "flatbed_scan" in image.flags
    assert "soft_ceiling" in image.flags
    assert image.polarity == "dark"
    bands = analyze(image).bands
    strongest = bands.loc[bands["volume"].idxmax()]
    assert "saturated" in strongest["flags"]
    camera = read_image(film("Bio-Rad", "ChemiDoc", tmp_path / "b.tif"))
    assert "flatbed_scan" not in camera.flags


def test_read_image_tells_a_densitometer_that_stores_density(tmp_path: Path) -> None:
    from blotquant.quantification.prepared_image import to_optical_density

    image = read_image(film("Bio-Rad Laboratories", "GS-900", tmp_path / "a.tif"))
    assert "density_stored" in image.flags
    assert "flatbed_scan" not in image.flags
    assert "second_logarithm" in to_optical_density(image).flags


def test_measure_bands_peak_fraction_is_the_highest_count_over_the_ceiling(tmp_path: Path) -> None:
    pixels = light([20000.0, 40000]).round().astype("u2")
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    bands: pd.DataFrame = analyze(read_image(tmp_path / "a.tif")).bands
    expected = [pixels[:, :90].max() / 65535, pixels[:, 90:].max() / 65535]
    assert bands["peak_fraction"].tolist() == pytest.approx(expected, rel=1e-12)
