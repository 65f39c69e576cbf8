"""A lane that lacks a band of a row: where something is as bright as the row's band next door, it is no ground."""

from dataclasses import replace

import numpy as np
import pytest

from blotquant.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.image import BlotImage
from blotquant.settings import WeighingSettings
from blotquant.weighing.measure import measure_bands
from blotquant.weighing.row_places import overlooked_bands
from blotquant.weighing.scene import find_ground, weigh_scene

HEIGHT, WIDTH, SIGMA = 240, 240, 4.0
CENTERS = (40.0, 120.0, 200.0)
DOWN = (0.0, 6.0, 12.0)
"""The rows lie so much lower in each lane."""


def lane_of(k: int) -> Lane:
    return Lane(
        id=f"l{k}", strip="s1", number=k + 1, center=((0, CENTERS[k]), (HEIGHT - 1, CENTERS[k])), widths=(40.0,) * 2
    )


def band_at(k: int, number: int, row: float) -> Band:
    center = CENTERS[k]
    outline = rectangle(round(row - 10), round(row + 11), round(center - 24), round(center + 25))
    return Band(id=f"l{k}b{number}", lane=f"l{k}", outline=outline, peak=(row, center), row=number)


def picture(rows: dict[float, tuple[float, float, float]], seed: int = 3) -> BlotImage:
    """Three lanes of Gaussian bands: peak counts of each row in each lane, on a ground of 500."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    light = np.full((HEIGHT, WIDTH), 500.0)
    for row, heights in rows.items():
        for center, down, height in zip(CENTERS, DOWN, heights, strict=True):
            flat = np.clip(22 - np.abs(x - center), 0, 1)
            light += height * flat * np.exp(-0.5 * ((y - row - down) / SIGMA) ** 2)
    light += np.random.default_rng(seed).normal(0, 5, light.shape)
    return BlotImage(pixels=light.astype(np.float32), polarity="bright", ceiling=65535)


def layout_of(rows: tuple[float, ...], *, lacking: tuple[tuple[int, int], ...] = ()) -> Layout:
    lanes = tuple(lane_of(k) for k in range(3))
    bands = tuple(
        band_at(k, number, row + DOWN[k])
        for k in range(3)
        for number, row in enumerate(rows, 1)
        if (k, number) not in lacking
    )
    strip = Strip(id="s1", number=1, outline=rectangle(0, HEIGHT, 0, WIDTH))
    return Layout(strips=(strip,), lanes=lanes, bands=bands).sorted()


ROWS = (70.0, 98.0, 126.0)
CROWDED = {70.0: (3000.0, 3000.0, 3000.0), 98.0: (1500.0, 1500.0, 1500.0), 126.0: (3000.0, 3000.0, 3000.0)}
"""Three rows of which the middle one was found in the first lane only."""

FOUND_ONCE = ((1, 2), (2, 2))


def test_an_unfound_band_is_no_ground_for_its_neighbours():
    image, layout = picture(CROWDED), layout_of(ROWS, lacking=FOUND_ONCE)
    volumes = measure_bands(image, layout).set_index("band_id")["volume"]
    for number in (1, 3):
        assert volumes[f"l1b{number}"] == pytest.approx(volumes[f"l0b{number}"], rel=0.01)
        assert volumes[f"l2b{number}"] == pytest.approx(volumes[f"l0b{number}"], rel=0.01)


@pytest.mark.parametrize("method", ["local", "flank", "lane", "mesh"])
def test_volumes_are_those_of_a_picture_whose_bands_were_all_found(method):
    image, settings = picture(CROWDED), WeighingSettings(background=method)
    whole, less = (
        measure_bands(image, layout, settings=settings).set_index("band_id")["volume"]
        for layout in (layout_of(ROWS), layout_of(ROWS, lacking=FOUND_ONCE))
    )
    for band_id in less.index:
        assert less[band_id] == pytest.approx(whole[band_id], rel=0.02)


def test_the_place_follows_the_rows_down():
    image, layout = picture(CROWDED), layout_of(ROWS, lacking=FOUND_ONCE)
    usable = np.ones(image.shape, dtype=bool)
    for band in layout.bands:
        usable[band.box.slices] = False
    ghosts = overlooked_bands(image.signal(), usable, layout, 21.0)
    assert [(ghost.lane, ghost.peak) for ghost in ghosts] == [
        ("l1", (98.0 + DOWN[1], CENTERS[1])),
        ("l2", (98.0 + DOWN[2], CENTERS[2])),
    ]


def test_rows_of_one_lane_alone_take_no_ground_from_the_others():
    """A ladder's rows: nothing stands in the other lanes, whose ground stays."""
    rows = {**CROWDED, 170.0: (2000.0, 0.0, 0.0), 200.0: (900.0, 0.0, 0.0)}
    lacking = ((1, 4), (2, 4), (1, 5), (2, 5))
    image, layout = picture(rows), layout_of((*ROWS, 170.0, 200.0), lacking=lacking)
    plain = replace(layout, bands=tuple(replace(band, row=None) for band in layout.bands))
    with_rows, without = (find_ground(image.signal(), each, 0.4).usable for each in (layout, plain))
    assert (with_rows == without).all()


def test_without_shared_rows_the_strips_tilt_tells_the_place():
    """One row only, so that no other row tells how far it drops from lane to lane."""
    image, layout = picture({98.0: (1500.0, 1500.0, 1500.0)}), layout_of((98.0,), lacking=((1, 1), (2, 1)))
    tilt = float(np.degrees(np.arctan2(DOWN[1], CENTERS[1] - CENTERS[0])))
    tilted = replace(layout, strips=(replace(layout.strips[0], tilt_deg=tilt),))
    usable = np.ones(image.shape, dtype=bool)
    usable[layout.bands[0].box.slices] = False
    ghosts = overlooked_bands(image.signal(), usable, tilted, 21.0)
    assert [ghost.peak[0] for ghost in ghosts] == pytest.approx([98.0 + DOWN[1], 98.0 + DOWN[2]])


def test_a_picture_without_free_rows_says_nothing():
    image, layout = picture(CROWDED), layout_of(ROWS, lacking=FOUND_ONCE)
    assert overlooked_bands(image.signal(), np.zeros(image.shape, dtype=bool), layout, 21.0) == []
    assert weigh_scene(image, layout).ground.usable.any()
