"""Every flag that weighing sets on a band: there where its cause is, gone where the cause is taken away."""

from dataclasses import replace

import numpy as np
import pytest
from simple_pictures import HEIGHT, LANES, ROWS, SHAPE, WIDTH, as_image, plain_layout

from blotquant.analysis import quantify
from blotquant.flags import split_flags
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.model.image import BlotImage
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.quality import limit_flags
from blotquant.session.session import make_session


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


@pytest.mark.parametrize("empty_sd", [1.0, 6.0])
@pytest.mark.parametrize(("spread", "is_flagged"), [(0.101, True), (0.099, False), (float("nan"), False)])
def test_limit_flags_tell_background_dependent_from_a_tenth_on(spread, is_flagged, empty_sd):
    assert ("background_dependent" in limit_flags(100.0, empty_sd, spread=spread, n_background=1e6)) == is_flagged


@pytest.mark.parametrize(("volume", "n", "is_flagged"), [(100.0, 3, True), (200.0, 3, False), (100.0, 1e6, False)])
def test_limit_flags_few_background_pixels_where_the_level_matters(volume, n, is_flagged):
    flags = limit_flags(volume, 6.0, spread=0.0, n_background=n)
    assert ("few_background_pixels" in flags) == is_flagged


@pytest.mark.parametrize(("rows", "is_cut"), [(-ROWS[0] + HEIGHT / 2 - 3, True), (-ROWS[0] + HEIGHT / 2 + 1, False)])
def test_measure_bands_touches_edge(rows, is_cut):
    layout = moved(plain_layout(), 0, rows=rows)
    assert ("touches_edge" in flags_of(ground(), layout)[0]) == is_cut


@pytest.mark.parametrize(("gap", "is_shared"), [(-2.0, True), (2.0, False)])
def test_measure_bands_touches_neighbour(gap, is_shared):
    """The upper band of the first lane comes down to the lower one: over its edge by two rows, or two rows short."""
    layout = moved(plain_layout(), 0, rows=ROWS[1] - ROWS[0] - HEIGHT - gap)
    found = flags_of(ground(), layout)
    assert ["touches_neighbour" in names for names in found[:2]] == [is_shared] * 2
    assert not any("touches_neighbour" in names for names in found[2:])


def band_picture(*, across: float = 30.0) -> np.ndarray:
    """One band on column 40 and row 60; flat from side to side, or a dome that wide."""
    rows, cols = np.indices((120, 80))
    side = np.exp(-0.5 * ((cols - 39.5) / across) ** 2) if across < 20 else np.abs(cols - 39.5) < 15
    noise = np.random.default_rng(3).normal(500, 5, (120, 80))
    return np.asarray(noise + 2000 * np.exp(-0.5 * ((rows - 60) / 3) ** 2) * side)


def one_band(**changes: object) -> Layout:
    lane = Lane(id="l", strip="s", number=1, center=((0, 39.5), (119, 39.5)), widths=(30, 30))
    band = Band(id="b", lane="l", outline=rectangle(51, 70, 25, 55), peak=(60.0, 39.5))
    strip = Strip(id="s", number=1, outline=rectangle(0, 120, 0, 80))
    return Layout(strips=(strip,), lanes=(lane,), bands=(replace(band, **changes),))  # type: ignore[arg-type]


def test_debris_on_a_band_is_flagged_and_in_its_sd() -> None:
    rows, cols = np.indices((120, 80))
    clean = band_picture()
    scratch = 3000.0 * np.exp(-0.5 * ((rows - 60 - (cols - 39.5)) / 1.2) ** 2 / 2)
    before, after = (measure_bands(BlotImage(pixels=p), one_band()).iloc[0] for p in (clean, clean + scratch))
    assert after["volume"] > 1.2 * before["volume"]
    assert "debris" in after["flags"]
    assert abs(after["volume"] - before["volume"]) < 3 * after["volume_sd"]
    assert "debris" not in before["flags"]


@pytest.mark.parametrize("across", [7.0, 10.0, 30.0])
def test_debris_is_not_seen_in_bands_that_are_domes(across: float) -> None:
    row = measure_bands(BlotImage(pixels=band_picture(across=across)), one_band()).iloc[0]
    assert "debris" not in row["flags"]


def test_measure_bands_an_outline_over_a_small_part_of_its_band_is_flagged() -> None:
    image = BlotImage(pixels=band_picture())
    narrow = measure_bands(image, one_band(outline=rectangle(51, 70, 36, 44))).iloc[0]
    assert "outline_cuts_band" in narrow["flags"]
    assert "outline_cuts_band" not in measure_bands(image, one_band()).iloc[0]["flags"]


def test_measure_bands_status_of_a_band_above_its_limit_is_detected() -> None:
    image = BlotImage(pixels=band_picture())
    assert measure_bands(image, one_band(status="not_detected"))["status"][0] == "detected"
    away = one_band(status="not_detected", outline=rectangle(90, 109, 25, 55), peak=(99.0, 39.5))
    assert measure_bands(image, away)["status"][0] == "not_detected"


@pytest.mark.parametrize("below", range(10, 32, 3))
def test_measure_bands_reads_nothing_above_its_limit_as_not_detected(below) -> None:
    """An expected place moves down out of a strong band: its neighbour's light is in its limit, or it is a band."""
    here = one_band()
    place = replace(
        here.bands[0], id="place", status="not_detected", peak=(60.0 + below, 39.5),
        outline=rectangle(51 + below, 70 + below, 25, 55),
    )  # fmt: skip
    table = measure_bands(BlotImage(pixels=band_picture()), replace(here, bands=(*here.bands, place)))
    row = table.set_index("band_id").loc["place"]
    assert (row["status"] == "detected") == (row["volume"] > row["lod"])


def test_measure_bands_a_band_that_its_outline_cuts_off_is_detected() -> None:
    """Its SD holds what was cut off, which is no doubt that light is there."""
    narrow = one_band(status="not_detected", outline=rectangle(51, 65, 25, 55))
    row = measure_bands(BlotImage(pixels=band_picture()), narrow).iloc[0]
    assert row["status"] == "detected"


def test_measure_bands_takes_no_lane_for_empty_in_which_a_band_is_detected() -> None:
    layout = one_band(status="not_detected")
    layout = replace(layout, lanes=tuple(replace(lane, flags=("empty_lane",)) for lane in layout.lanes))
    away = replace(layout.bands[0], id="away", outline=rectangle(90, 109, 25, 55), peak=(99.0, 39.5))
    layout = replace(layout, bands=(*layout.bands, away))
    lit, dark = band_picture(), np.full(band_picture().shape, float(np.median(band_picture())))
    dark += np.random.default_rng(4).normal(0, 5, dark.shape)
    for pixels, is_empty in ((lit, False), (dark, True)):
        flags = measure_bands(BlotImage(pixels=pixels), layout)["flags"]
        assert ["empty_lane" in text for text in flags] == [is_empty, is_empty]


def test_quantify_drops_empty_lane_from_the_table_of_lanes_where_a_band_is_detected() -> None:
    image, layout = BlotImage(pixels=band_picture()), one_band(status="not_detected")
    layout = replace(layout, lanes=tuple(replace(lane, flags=("empty_lane",)) for lane in layout.lanes))
    analysis = quantify(image, make_session(image, layout))
    assert analysis.bands["status"][0] == "detected"
    assert "empty_lane" not in analysis.lanes["flags"][0]
