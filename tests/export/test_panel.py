"""Figure panels: crops, dividers, greys, points."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import small_experiment as small
from figure_texts import cut_texts
from PIL import Image

from blotquant.export.panel import blots_shown, choose_pictures, cut_crop, describe_panel, draw_panel, panel_name
from blotquant.normalization.normalize import normalize
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.lanes import measure_lanes
from blotquant.synthetic import make_blot, plain_spec
from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS, make_table

LANES = 5


@pytest.fixture
def entry(tmp_path):
    toml = small.image("a.tif", "P") + small.image("b.tif", "T") + small.ratio("P/T", "P", "T")
    return small.experiment(tmp_path, toml).images[0]


def crop_of(entry, keep, *, targets=("P",), rows=1):
    made = make_blot(plain_spec(np.full((rows, LANES), 4e5), shape=(160, 300), targets=targets), seed=3)
    image, layout = made.image(), made.true_layout()
    crop = cut_crop(entry, image, measure_bands(image, layout), measure_lanes(image, layout), keep)
    return crop, image


def test_cut_crop_neighbouring_lanes_are_cut_in_one_piece(entry):
    crop, _ = crop_of(entry, [1, 2, 3, 4, 5])
    assert crop.lanes == ((1, 2, 3, 4, 5),)
    assert len(crop.cols) == 1
    assert crop.grey[0].shape == (crop.rows[1] - crop.rows[0], crop.cols[0][1] - crop.cols[0][0])


def test_cut_crop_a_lane_left_out_or_moved_is_a_divider(entry):
    assert crop_of(entry, [1, 2, 4, 5])[0].lanes == ((1, 2), (4, 5))
    assert crop_of(entry, [3, 4, 1])[0].lanes == ((3, 4), (1,))
    crop, _ = crop_of(entry, [1, 2, 4])
    assert crop.cols[0][1] <= crop.cols[1][0]


def test_cut_crop_is_linear_up_to_the_highest_count_of_its_bands(entry):
    """A band that the camera did not cut off is not cut off in the figure: at most one pixel is quite black."""
    crop, image = crop_of(entry, [2, 3])
    signal = image.signal()
    cut = signal[crop.rows[0] : crop.rows[1], crop.cols[0][0] : crop.cols[0][1]]
    low, high = np.percentile(cut, 0.5), cut.max()
    assert crop.shown == pytest.approx((low, high))
    assert (crop.grey[0] == 0).sum() <= 2
    expected = 255 * (1 - np.clip((cut - low) / (high - low), 0, 1))
    assert np.abs(crop.grey[0] - expected).max() <= 0.5


def test_cut_crop_only_the_probes_own_row_is_shown(entry):
    alone, _ = crop_of(entry, [1, 2], targets=("P", "other"), rows=2)
    assert alone.rows[1] < 80  # the other row lies at 107


def test_cut_crop_without_a_band_there_is_no_crop(entry):
    assert crop_of(entry, [1, 2], targets=("other",))[0] is None


def test_draw_panel_embeds_the_pixels_of_each_block_in_the_svg_upright_and_grey(entry):
    crop, _ = crop_of(entry, [1, 2, 4, 5])
    svg = draw_panel([crop], {}, ratio="P/T", blot="1")[".svg"].decode()
    found = re.findall(r"data:image/png;base64,([^\"]+)", svg)
    for text, grey in zip(found, crop.grey, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            assert picture.mode == "L"
            np.testing.assert_array_equal(np.asarray(picture), grey)


def test_files_hold_the_panel_and_where_it_was_cut(entry):
    crop, _ = crop_of(entry, [1, 2, 4, 5])
    crops, labels = [crop, crop], {1: "a $x$ <b>", 2: "b", 4: "c", 5: "d"}
    files = draw_panel(crops, labels, ratio="P/T", blot="1")
    assert files == draw_panel(crops, labels, ratio="P/T", blot="1")
    assert b"a $x$ &lt;b&gt;" in files[".svg"]
    with Image.open(io.BytesIO(files[".tif"])) as picture:
        assert picture.info["dpi"] == (600, 600)
        assert picture.info["compression"] == "tiff_lzw"
        assert picture.mode == "L"  # nothing in a panel has a colour
    told = json.loads(files[".json"])
    assert told == describe_panel(crops, ratio="P/T", blot="1")
    assert told["strips"][0]["dividers_after_lanes"] == [2]
    (first, second) = told["strips"][0]["crops"]
    assert first["lanes"] == [1, 2]
    assert (first["row_start"], first["row_stop"]) == (second["row_start"], second["row_stop"]) == crop.rows
    assert (second["col_start"], second["col_stop"]) == crop.cols[1]


def test_strips_of_twin_membranes_tell_where_they_lie(entry):
    crop, _ = crop_of(entry, [1, 2, 3])
    twin = replace(crop, entry=entry.model_copy(update={"membrane": "1b"}))
    drawn = draw_panel([crop, twin], {}, ratio="P/T", blot="1")[".svg"].decode()
    assert re.findall(r">(membrane \w+)<", drawn) == [f"membrane {entry.membrane}", "membrane 1b"]
    assert "membrane" not in draw_panel([crop, crop], {}, ratio="P/T", blot="1")[".svg"].decode()


def test_draw_panel_cuts_no_text(entry):
    crop, _ = crop_of(entry, [1, 2, 4, 5])
    long = replace(crop, entry=entry.model_copy(update={"probe": "phospho_AKT_Ser473_of_another_maker"}))
    labels = {1: "x", 5: "doxorubicin 10 µM in DMSO, 48 h after transfection"}
    assert cut_texts(draw_panel([crop, long], labels, ratio="P/T", blot="1")[".svg"].decode()) == []


def test_panel_name_is_safe_for_files():
    assert panel_name("pAKT/AKT") == "panel_pAKT_AKT"
    assert panel_name("../..") == "panel_ratio"


def test_choose_pictures_the_blot_with_most_values_and_the_exposure_used_are_shown(tmp_path):
    toml = small.image("1P.tif", "P", blot=1) + small.image("1T.tif", "T", blot=1)
    toml += small.image("2P_long.tif", "P", blot=2, exposure_s=100) + small.image("2P.tif", "P", blot=2, exposure_s=10)
    toml += small.image("2T.tif", "T", blot=2) + small.ratio("P/T", "P", "T")
    sheet = "blot,lane,sample,condition,role\n" + "".join(f"{b},{k},s{k},c{k},sample\n" for b in (1, 2) for k in (1, 2))
    experiment = small.experiment(tmp_path, toml, sheet)
    bands = small.band_table(
        small.bands("1P.tif", "P", {1: 1e4, 2: 1.0}, blot="1"),
        small.bands("1T.tif", "T", {1: 1e4, 2: 1e4}, blot="1"),
        small.bands("2P_long.tif", "P", {1: 1e5, 2: 1e5}, blot="2", flags="saturated"),
        small.bands("2P.tif", "P", {1: 1e4, 2: 1e4}, blot="2"),
        small.bands("2T.tif", "T", {1: 1e4, 2: 1e4}, blot="2"),
    )
    ratios = normalize(experiment, bands, make_table([], LANE_COLUMNS))
    (ratio,) = experiment.ratios
    assert blots_shown(ratio, ratios) == ["2", "1"]
    assert [one.file for one in choose_pictures(experiment, ratio, ratios, "2")] == ["2P.tif", "2T.tif"]
    nothing = normalize(experiment, make_table([], BAND_COLUMNS), make_table([], LANE_COLUMNS))
    assert blots_shown(ratio, nothing) == []
    assert choose_pictures(experiment, ratio, nothing, "1") == []
