"""Every flag that weighing sets on a band: there where its cause is, gone where the cause is taken away."""

from dataclasses import replace

import numpy as np
import pytest
from simple_pictures import HEIGHT, LANES, ROWS, SHAPE, WIDTH, as_image, plain_layout

from blotquant.flags import split_flags
from blotquant.model.geometry import Layout, rectangle
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.quality import limit_flags


def ground(seed: int = 11) -> np.ndarray:
    return 500 + np.random.default_rng(seed).normal(0, 5, SHAPE)


def flags_of(image: np.ndarray, layout: Layout) -> list[set[str]]:
    return [set(split_flags(cell)) for cell in measure_bands(as_image(image), layout)["flags"]]


def moved(layout: Layout, index: int, *, rows: float = 0.0, cols: float = 0.0) -> Layout:
    band = layout.bands[index]
    row, col = ROWS[0] + rows, LANES[0] + cols
    outline = rectangle(row - HEIGHT / 2, row + HEIGHT / 2, col - WIDTH / 2, col + WIDTH / 2)
    bands = list(layout.bands)
    bands[index] = replace(band, outline=outline, peak=(row, col))
    return replace(layout, bands=tuple(bands))


@pytest.mark.parametrize(("step", "is_below"), [(-20.0, True), (20.0, False)])
def test_below_background(step, is_below):
    image, layout = ground(), plain_layout()
    image[layout.bands[0].box.slices] += step
    assert ("below_background" in flags_of(image, layout)[0]) == is_below


def test_limits_of_the_same_place():
    """At 2.9 and 3.1 SD of an empty outline, and at 9.9 and 10.1."""
    told = {volume: limit_flags(volume, 1.0, spread=0.0, n_background=1e6) for volume in (2.9, 3.1, 9.9, 10.1)}
    assert told == {2.9: {"below_lod"}, 3.1: {"below_loq"}, 9.9: {"below_loq"}, 10.1: set()}


@pytest.mark.parametrize(("spread", "is_flagged"), [(0.101, True), (0.099, False), (float("nan"), False)])
def test_background_dependent_from_a_tenth_on(spread, is_flagged):
    assert ("background_dependent" in limit_flags(100.0, 1.0, spread=spread, n_background=1e6)) == is_flagged


def test_few_background_pixels():
    flags = [limit_flags(100.0, 1.0, spread=0.0, n_background=n) for n in (3, 1e6)]
    assert flags == [{"few_background_pixels"}, set()]


@pytest.mark.parametrize(("rows", "is_cut"), [(-ROWS[0] + HEIGHT / 2 - 3, True), (-ROWS[0] + HEIGHT / 2 + 1, False)])
def test_touches_edge(rows, is_cut):
    layout = moved(plain_layout(), 0, rows=rows)
    assert ("touches_edge" in flags_of(ground(), layout)[0]) == is_cut


@pytest.mark.parametrize(("gap", "is_shared"), [(-2.0, True), (2.0, False)])
def test_touches_neighbour(gap, is_shared):
    """The upper band of the first lane comes down to the lower one: over its edge by two rows, or two rows short."""
    layout = moved(plain_layout(), 0, rows=ROWS[1] - ROWS[0] - HEIGHT - gap)
    found = flags_of(ground(), layout)
    assert ["touches_neighbour" in names for names in found[:2]] == [is_shared] * 2
    assert not any("touches_neighbour" in names for names in found[2:])
