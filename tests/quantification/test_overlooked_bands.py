"""A band that nobody found lies on what is taken for ground."""

from dataclasses import replace
from pathlib import Path

from blotquant.detection.picture import find_layout
from blotquant.io import read_image
from blotquant.quantification.bands import measure_bands

SAMPLES = Path(__file__).parents[2] / "sample_images"


def test_measure_bands_an_overlooked_band_does_not_drown_its_neighbours():
    """Of a ladder some strong bands are not in the layout: the others are wrong within their SD, and stay above LOD."""
    image = read_image(SAMPLES / "blot1_pERK.tif")
    layout = find_layout(image.signal(), ceiling=image.ceiling)
    ladder = layout.lanes[0].id
    overlooked = {band.id for band in layout.bands if band.lane == ladder and round(band.peak[0]) in (170, 244, 271)}
    assert len(overlooked) == 3
    fewer = replace(layout, bands=tuple(band for band in layout.bands if band.id not in overlooked))
    whole, less = (measure_bands(image, each).set_index("band_id") for each in (layout, fewer))
    strong = [band.id for band in fewer.bands if band.lane == ladder and whole.loc[band.id, "snr"] > 30]
    assert len(strong) >= 3
    for band_id in strong:
        error = abs(less.loc[band_id, "volume"] - whole.loc[band_id, "volume"])
        assert error < 3 * less.loc[band_id, "volume_sd"]
        assert less.loc[band_id, "snr"] > 5
