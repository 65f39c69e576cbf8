"""Volumes of a strip never add up to more than the light that is there, in each suite, outlines found."""

from dataclasses import replace

import numpy as np
import pytest
from graded_suites import DIFFICULTIES, graded_suite

from blotquant.detection.picture import find_layout
from blotquant.doublets.split import resolve_doublets
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.prepared_image import inside_strips


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_measure_bands_gives_a_strip_no_more_than_its_light(difficulty):
    for blot in graded_suite(difficulty, 3, seed=41):
        image = blot.image()
        signal = image.signal()
        layout = resolve_doublets(signal, find_layout(signal, ceiling=image.ceiling), ceiling=image.ceiling)
        table = measure_bands(image, layout)
        light = signal - blot.truth.background
        for strip in layout.strips:
            mask = inside_strips(replace(layout, strips=(strip,)), image.shape, 0)
            there = float(light.sum() if mask is None else light[mask].sum())
            own = table[table["strip"] == strip.number]
            assert own["volume"].sum() <= there + 3 * float(np.sqrt((own["volume_sd"] ** 2).sum()))
