"""Light between bands that nobody found is no ground; haze in which a band lies is."""

from dataclasses import replace

import numpy as np
import pytest

from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.model.image import BlotImage
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.prepared_image import (
    exclude_undetected_signal,
    find_background_pixels,
    find_undetected_signal,
    opened,
    prepare_image,
)
from blotquant.settings import QuantificationSettings

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


def test_measure_bands_an_unfound_band_is_no_ground_for_its_neighbours():
    image, layout = picture(CROWDED), layout_of(ROWS, lacking=FOUND_ONCE)
    volumes = measure_bands(image, layout).set_index("band_id")["volume"]
    for number in (1, 3):
        assert volumes[f"l1b{number}"] == pytest.approx(volumes[f"l0b{number}"], rel=0.01)
        assert volumes[f"l2b{number}"] == pytest.approx(volumes[f"l0b{number}"], rel=0.01)


@pytest.mark.parametrize("method", ["local", "flank", "lane"])
def test_volumes_are_those_of_a_picture_whose_bands_were_all_found(method):
    image, settings = picture(CROWDED), QuantificationSettings(background=method)
    whole, less = (
        measure_bands(image, layout, settings=settings).set_index("band_id")["volume"]
        for layout in (layout_of(ROWS), layout_of(ROWS, lacking=FOUND_ONCE))
    )
    for band_id in less.index:
        assert less[band_id] == pytest.approx(whole[band_id], rel=0.02)


def test_rows_of_one_lane_alone_take_no_ground_from_the_others():
    """A ladder's rows: nothing stands in the other lanes, whose ground stays."""
    rows = {**CROWDED, 170.0: (2000.0, 0.0, 0.0), 200.0: (900.0, 0.0, 0.0)}
    lacking = ((1, 4), (2, 4), (1, 5), (2, 5))
    image, layout = picture(rows), layout_of((*ROWS, 170.0, 200.0), lacking=lacking)
    plain = replace(layout, bands=tuple(replace(band, row=None) for band in layout.bands))
    with_rows, without = (find_background_pixels(image.signal(), each, 0.4).usable for each in (layout, plain))
    assert (with_rows == without).all()


def test_exclude_undetected_signal_a_picture_without_free_rows_says_nothing():
    image, layout = picture(CROWDED), layout_of(ROWS, lacking=FOUND_ONCE)
    usable = np.zeros(image.shape, dtype=bool)
    exclude_undetected_signal(image.signal(), usable, None, layout, 21.0)
    assert not usable.any()
    assert prepare_image(image, layout).ground.usable.any()


def test_noise_alone_hides_nothing():
    image, layout = picture(dict.fromkeys(ROWS, (0.0, 0.0, 0.0))), layout_of(ROWS)
    usable = np.ones(image.shape, dtype=bool)
    exclude_undetected_signal(image.signal(), usable, None, layout, 21.0)
    assert usable.all()


def test_exclude_undetected_signal_a_faint_band_in_haze_is_weighed_above_the_haze():
    """The haze ends in the dark above and below, and is brighter than the band."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    haze = 400 * np.exp(-(((y - 120) / 45) ** 6)) * np.clip(22 - np.abs(x - CENTERS[1]), 0, 1)
    plain = picture({120.0: (0.0, 300.0, 0.0)})
    hazy = replace(plain, pixels=(plain.pixels + haze).astype(np.float32))
    layout = layout_of((120.0,), lacking=((0, 1), (2, 1)))
    usable = np.ones(plain.shape, dtype=bool)
    usable[layout.bands[0].box.slices] = False
    before = usable.copy()
    exclude_undetected_signal(hazy.signal(), usable, None, layout, 21.0)
    assert (usable == before).all()
    clean, inside = (measure_bands(image, layout).iloc[0] for image in (plain, hazy))
    assert inside["volume"] == pytest.approx(clean["volume"], abs=1.96 * inside["volume_sd"])
    assert inside["background_mean"] == pytest.approx(900, rel=0.05)


def test_opened_stretches_shorter_than_the_window_are_opened_away_and_others_kept():
    profile = np.array([[0, 5, 5, 0, 0, 5, 5, 5, 0, 7]], dtype=float)
    np.testing.assert_array_equal(opened(profile, 3), [[0, 0, 0, 0, 0, 5, 5, 5, 0, 7]])


def test_opened_a_slope_is_no_light():
    slope = np.arange(40.0)[None]
    np.testing.assert_array_equal(opened(slope, 15), slope)
    np.testing.assert_array_equal(opened(slope[:, ::-1], 15), slope[:, ::-1])


def lane_with(stretch: float, peaks: float, band: float = 100.0) -> np.ndarray:
    """Free places of 1 count, and three of a stretch beside a band: which of them are lit."""
    excess = np.ones(60)
    excess[20:30], excess[30:33] = band, stretch
    tops = np.where(excess == stretch, peaks, 0.0)
    free = np.ones(60, dtype=bool)
    free[20:30] = False
    lit = find_undetected_signal(excess, tops, free, [(20.0, 30.0)], 4.0)
    assert not lit[:20].any()
    assert not lit[33:].any()
    return lit[30:33]


@pytest.mark.parametrize(
    ("stretch", "peaks", "band", "lit"),
    [
        (5.1, 0.0, 100.0, True),  # above a twentieth of the band, and above five times the 1 count of the rest
        (4.9, 0.0, 100.0, False),
        (5.1, 0.0, 104.0, False),
        (4.9, 0.0, 60.0, False),
        (34.0, 0.0, 100.0, True),
        (36.0, 31.0, 100.0, True),  # a band of its own
    ],
)
def test_limits(stretch, peaks, band, lit):
    assert (lane_with(stretch, peaks, band) == lit).all()


def test_find_undetected_signal_a_long_even_stretch_is_haze():
    excess = np.ones(60)
    excess[20:30], excess[30:] = 100.0, 36.0
    free = np.ones(60, dtype=bool)
    free[20:30] = False
    assert not find_undetected_signal(excess, np.zeros(60), free, [(20.0, 30.0)], 4.0).any()


def test_find_undetected_signal_a_band_far_away_says_nothing_of_a_stretch():
    excess = np.ones(60)
    excess[5:10], excess[40:43] = 100.0, 20.0
    free = np.ones(60, dtype=bool)
    free[[*range(5, 10), 30, 50]] = False
    assert not find_undetected_signal(excess, np.zeros(60), free, [(5.0, 10.0)], 4.0).any()


def hidden(
    *,
    center: float = 30.0,
    light: float = 200.0,
    half: float = 10.0,
    beyond: float = 500.0,
    on: tuple[int, int] = (0, 500),
    taken: tuple[int, int] = (0, 0),
    rows: int = 9,
) -> np.ndarray:
    """Places that are hidden in a lane of 20 columns: a band of 1000 counts in rows 60 to 83 and light in 96 to 104.

    Outlines are 24 rows high, so that a place stands for 3 rows. More light lies 116 rows below the band, beyond the 96
    that are near. Rows that are not `on` the membrane hold `beyond` counts. `rows` is the length of the first stretch.
    """
    signal = np.full((500, 66), 500.0)
    inside = np.abs(np.arange(66) - center) <= half
    signal[60:84, np.abs(np.arange(66) - center) <= 10] += 1000
    signal[96 : 96 + rows, inside] += light
    if rows == 9:
        signal[200:209, inside] += light
    signal[: on[0]] = signal[on[1] :] = beyond
    membrane = np.zeros(signal.shape, bool)
    membrane[on[0] : on[1]] = True
    lane = Lane(id="l1", strip="s1", number=1, center=((0, center), (499, center)), widths=(20.0, 20.0))
    band = Band(id="b", lane="l1", outline=rectangle(60, 84, center - 10, center + 10), peak=(72.0, center))
    usable = np.ones(signal.shape, bool)
    usable[60:84, np.abs(np.arange(66) - center) <= 10] = False
    usable[taken[0] : taken[1]] = False
    before = usable.copy()
    layout = Layout(strips=(), lanes=(lane,), bands=(band,))
    exclude_undetected_signal(signal, usable, None if on == (0, 500) else membrane, layout, 24.0)
    return before & ~usable


def block(rows: tuple[int, int], cols: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((500, 66), bool)
    mask[slice(*rows), slice(*cols)] = True
    return mask


def test_exclude_undetected_signal_what_is_hidden_of_a_lit_stretch():
    """Rows 97, 100 and 103 are read and lit; a place more on either side is hidden, and 12 columns either way."""
    np.testing.assert_array_equal(hidden(), block((93, 108), (18, 43)))
    np.testing.assert_array_equal(hidden(light=51.0), block((93, 108), (18, 43)))
    assert not hidden(light=49.0).any()


def test_exclude_undetected_signal_a_lane_is_read_over_the_middle_of_its_width():
    """Up to 6 columns from its middle: light there is all of it, up to 4 columns five ninths."""
    assert hidden(light=60.0, half=6.4).any()
    assert not hidden(light=60.0, half=4.0).any()


def test_exclude_undetected_signal_a_lane_at_the_pictures_edge_is_read_and_hidden_as_far_as_it_goes():
    np.testing.assert_array_equal(hidden(center=60.0), block((93, 108), (48, 66)))
    np.testing.assert_array_equal(hidden(center=3.0), block((93, 108), (0, 16)))


def test_exclude_undetected_signal_what_is_dark_off_the_membrane_says_nothing():
    """Membrane from row 40 to 160: its ground is no light, be it far above what lies beyond."""
    np.testing.assert_array_equal(hidden(on=(40, 160), beyond=0.0), block((93, 108), (18, 43)))
    # A stretch that ends with the membrane does not end in the dark.
    assert not hidden(on=(40, 103), beyond=0.0).any()


def test_rows_that_are_taken_are_not_read():
    np.testing.assert_array_equal(hidden(taken=(96, 102)), block((102, 108), (18, 43)))
    assert not hidden(taken=(96, 105)).any()


def test_exclude_undetected_signal_a_place_that_is_taken_in_part_is_not_read():
    """Three columns of the nine that are read, on one side of the lane."""
    usable = np.ones((500, 66), bool)
    usable[60:84, 20:41] = usable[90:110, 24:28] = False
    before = usable.copy()
    signal = np.full(usable.shape, 500.0)
    signal[60:84, 20:41] += 1000
    signal[96:105, 20:41] += 200
    lane = Lane(id="l1", strip="s1", number=1, center=((0, 30.0), (499, 30.0)), widths=(20.0, 20.0))
    band = Band(id="b", lane="l1", outline=rectangle(60, 84, 20, 40), peak=(72.0, 30.0))
    exclude_undetected_signal(signal, usable, None, Layout(strips=(), lanes=(lane,), bands=(band,)), 24.0)
    assert (usable == before).all()


@pytest.mark.parametrize(("side", "is_hidden"), [(-1, True), (1, True), (0, False)])
def test_light_on_either_side_of_a_lane_counts(side, is_hidden):
    """Four of nine places lie on either side: of 120 counts there they see 53, of 100 in the one in the middle 11."""
    signal = np.full((500, 66), 500.0)
    signal[60:84, 20:41] += 1000
    where = slice(20, 30) if side < 0 else slice(31, 41) if side > 0 else slice(30, 31)
    signal[96:105, where] += 120
    lane = Lane(id="l1", strip="s1", number=1, center=((0, 30.0), (499, 30.0)), widths=(20.0, 20.0))
    band = Band(id="b", lane="l1", outline=rectangle(60, 84, 20, 40), peak=(72.0, 30.0))
    usable = np.ones(signal.shape, bool)
    usable[60:84, 20:41] = False
    before = usable.copy()
    exclude_undetected_signal(signal, usable, None, Layout(strips=(), lanes=(lane,), bands=(band,)), 24.0)
    assert (before & ~usable).any() == is_hidden


@pytest.mark.parametrize(("rows", "is_hidden"), [(180, True), (210, False)])
def test_exclude_undetected_signal_a_stretch_of_eight_band_heights_is_ground(rows, is_hidden):
    """Eight times 24 rows are 192."""
    assert hidden(rows=rows).any() == is_hidden
