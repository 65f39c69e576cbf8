"""The report: one page that holds everything and asks for nothing."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
import small_experiment as small
from report_example import BLOTS, IMG, PROBES, make_report

from blotquant.export.contrast import picture_contrast
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.model.image import BlotImage
from blotquant.report.blot import kda_marks, splice_marks
from blotquant.report.figures import plot_ratio
from blotquant.report.methods import BACKGROUND_WORDS, methods_paragraph
from blotquant.report.page import exposure_table
from blotquant.report.profiles import MAX_PICTURE_PX, encode_picture
from blotquant.report.tables import View, format_number, interval, table_html, value, with_sd
from blotquant.settings import QuantificationSettings, Settings
from blotquant.tables import EXPOSURE_COLUMNS, RATIO_COLUMNS, SUMMARY_COLUMNS, make_table


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def html(made):
    return made[0].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_render_blot_the_same_analysis_gives_the_same_bytes(made, tmp_path):
    assert make_report(tmp_path)[0].read_bytes() == made[0].read_bytes()


def test_write_report_nothing_in_the_page_points_outside(html):
    links = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in links)
    # What remains are names of vocabularies in the figures, which no browser asks for, and the awkward sample.
    hosts = set(re.findall(r"https?://([\w.]+)", html))
    assert hosts <= {"www.w3.org", "purl.org", "creativecommons.org", "x"}


def test_text_from_the_sheet_is_escaped(html):
    assert IMG not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "<title>Synthetic &amp; &lt;small&gt; – blotquant</title>" in html


def test_write_report_sections_come_in_reading_order(html):
    order = [html.index(f'id="{name}"') for name in ("summary", "ratios", "doubts", "blots", "methods", "record")]
    assert order == sorted(order)
    assert html.index("Not analysed") < order[0]
    assert "no such picture" in html


def test_write_report_every_picture_has_one_piece_and_an_index_line(html):
    anchors = re.findall(r'<section class="blot" id="(p[0-9a-f]{12})"', html)
    assert len(set(anchors)) == len(BLOTS) * len(PROBES)
    assert re.findall(r'<a href="#(p[0-9a-f]{12})"', html) == anchors


def test_ratio_blocks_the_claim_is_told_with_its_range_and_number_of_ways(words):
    assert re.search(r"\d – \d\.\d+ \(9\)", words)
    # Each interval stands before the p that belongs to it.
    assert re.search(r"simultaneous 95 % CI\s+p adjusted\s+95 % CI\s+p\s+over all ways \(how many\)", words)
    assert "the scaling of blots cancels" in words


def test_ratio_blocks_every_figure_says_what_its_bars_are(words):
    assert "95 % confidence interval over blots" in words
    assert "No error bars: the spread of points is the choice of analysis alone" in words


def test_methods_paragraph_names_version_background_and_exclusions(words):
    from blotquant import __version__

    methods = words[words.index("Band intensities were measured") :]
    assert f"blotquant {__version__}" in methods
    assert "kriging" in methods
    assert "Exposure times: pX 10 s, X 10 s." in methods
    assert "R = P / T, one membrane: loading cancels" in methods
    assert "Of 9 values 0 were excluded." in methods
    assert "linear model of log ratios, paired by blot, Dunnett" in methods


@pytest.mark.parametrize(("background", "stain", "own"), [
    ("local", "whole lane minus the background along it (a grey opening of the lane's profile", True),
    ("constant", "whole lane minus the median of all pixels beside the lanes.", False),
    ("none", "whole lane.", False),
])  # fmt: skip
def test_methods_paragraph_says_what_was_taken_off_stains_and_bands(tmp_path, background, stain, own):
    toml = small.image("p.tif", "pAKT") + small.image("s.tif", "total_protein")
    study = small.experiment(tmp_path, toml + small.ratio("r", "pAKT", None, "total_protein"))
    settings = Settings(quantification=QuantificationSettings(background=background))
    tables = {"ratios": make_table([], RATIO_COLUMNS), "summary": make_table([], SUMMARY_COLUMNS)}
    told = methods_paragraph(study, settings, tables)
    assert f"Total protein (total_protein) is the sum over the {stain}" in told
    assert ("own rows" in told) is own


def test_methods_paragraph_every_background_that_can_be_set_has_words():
    allowed = QuantificationSettings.model_json_schema()["properties"]["background"]["enum"]
    assert set(BACKGROUND_WORDS) == set(allowed)


def test_encode_picture_reduces_it_whole_and_linear():
    ramp = np.tile(np.arange(2501, dtype=np.uint16), (40, 1))
    image = BlotImage(pixels=ramp, polarity="bright", ceiling=65535, white=0.0)
    low, high = picture_contrast(image, Layout(strips=(), lanes=(), bands=()))
    uri = encode_picture(image, low, high)
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(b64decode(uri.split(",")[1]))) as image:
        assert image.size == (834, 14)  # 2501 / 3 and 40 / 3 rounded up: no edge is cut off
        grey = np.asarray(image).astype(float)[5]
    assert max(image.size) <= MAX_PICTURE_PX
    expected = 255 * (1 - (np.arange(834) * 3 + 1 - low) / (high - low))
    assert np.abs(grey[10:-10] - expected[10:-10]).max() < 3


def test_kda_marks_stand_at_the_ladders_bands():
    places = {100: 20.0, 70: 50.0, 50: 80.0, 35: 110.0, 25: 140.0}
    lane = Lane(id="l", strip="s", number=1, center=((0, 20), (160, 20)), widths=(20, 20), role="ladder")
    bands = tuple(
        Band(id=f"b{kda}", lane="l", outline=rectangle(row - 4, row + 4, 10, 30), peak=(row, 20))
        for kda, row in places.items()
    )
    strip = Strip(id="s", number=1, outline=rectangle(0, 160, 0, 60))
    layout = Layout(strips=(strip,), lanes=(lane,), bands=bands)
    assert kda_marks(layout, tuple(places)) == [(row, f"{kda}") for kda, row in places.items()]
    assert kda_marks(layout, None) == []


def test_render_blot_draws_the_marks_that_it_is_given():
    from blotquant.analysis import quantify
    from blotquant.report import blot
    from blotquant.session.session import make_session
    from blotquant.settings import Settings
    from blotquant.synthetic import make_blot, plain_spec

    made = make_blot(plain_spec([2e5, 4e5], shape=(120, 160), targets=("pX",)), seed=3)
    analysis = quantify(made.image(), make_session(made.image(), made.true_layout(), settings=Settings()))
    for marks in ((), ((20.0, "77"),)):
        page = blot.render_blot(analysis, title="synthetic", known=blot.PictureWords(marks=marks))
        assert ("Marks at the left: kDa" in page) is bool(marks)


def test_render_blot_draws_a_band_as_it_was_measured():
    """Three bands that the search only expected in their row, one of them empty: two are there and are drawn so."""
    from blotquant.analysis import quantify
    from blotquant.report.blot import render_blot
    from blotquant.session.session import make_session
    from blotquant.settings import Settings
    from blotquant.synthetic import make_blot, plain_spec

    made = make_blot(plain_spec([2e5, 0.0, 4e5], shape=(120, 160), targets=("pX",)), seed=3)
    full = make_blot(plain_spec([2e5, 2e5, 4e5], shape=(120, 160), targets=("pX",)), seed=3).true_layout()
    bands = tuple(dataclasses.replace(b, origin="expected", status="not_detected") for b in full.bands)
    session = make_session(made.image(), dataclasses.replace(full, bands=bands), settings=Settings())
    analysis = quantify(made.image(), session)
    assert analysis.bands["status"].tolist() == ["detected", "not_detected", "detected"]
    page = render_blot(analysis, title="synthetic")
    drawn = re.findall(r'class="band (\w+) expected', page)
    assert drawn == ["detected", "not_detected", "detected"]
    assert page.count("<rect x=") == 2  # shaded in the lanes' profiles


def lanes_with(roles):
    return tuple(
        Lane(id=f"l{k}", strip="s", number=k, center=((0, 20 * k), (60, 20 * k)), widths=(10, 10), role=role)
        for k, role in enumerate(roles, 1)
    )


@pytest.mark.parametrize(
    ("roles", "left_out"),
    [(["ladder", "sample", "sample"], []), (["sample", "excluded", "sample", "blank", "standard", "blank"], [2, 4]),
     (["sample", "ladder", "blank", "sample"], [2, 3]), (["blank", "blank"], [])],
)  # fmt: skip
def test_lanes_that_a_figure_panel_leaves_out_between_others_are_marked(roles, left_out):
    strip = Strip(id="s", number=1, outline=rectangle(0, 60, 0, 200))
    marks = splice_marks(Layout(strips=(strip,), lanes=lanes_with(roles)))
    middles = [np.mean([float(p.split(",")[0]) for p in mark.split()]) for mark in marks]
    assert middles == pytest.approx([20 * k + 0.5 for k in left_out])


def test_doubts_of_the_probes_bands_are_told_with_their_lanes():
    """Lane 2 of 3 is at the ceiling; a band without a name is nobody's doubt."""
    from blotquant.analysis import quantify
    from blotquant.report.blot import render_blot
    from blotquant.session.session import make_session
    from blotquant.settings import Settings
    from blotquant.synthetic import make_blot, plain_spec

    made = make_blot(plain_spec([2e5, 4e5, 1e5], shape=(120, 160), targets=("pX",)), seed=3)
    image, layout = made.image(), made.true_layout()
    pixels = np.array(image.pixels)
    box = layout.bands_of(layout.lanes[1].id)[0].box
    row, col = (box.row_start + box.row_stop) // 2, (box.col_start + box.col_stop) // 2
    pixels[row - 2 : row + 2, col - 4 : col + 4] = 65535
    burnt = dataclasses.replace(image, pixels=pixels)
    page = render_blot(quantify(burnt, make_session(burnt, layout, settings=Settings())), title="synthetic")
    assert '<li class="block"><b>saturated</b> (lane 2) ' in page
    assert "(lane 1)" not in page
    nameless = dataclasses.replace(layout, bands=tuple(dataclasses.replace(b, target=None) for b in layout.bands))
    page = render_blot(quantify(burnt, make_session(burnt, nameless, settings=Settings())), title="synthetic")
    assert "<b>saturated</b> (lane" not in page


def test_write_report_what_was_taken_as_written_and_who_takes_no_part_is_told(tmp_path):
    from small_experiment import experiment, image, ratio

    from blotquant.normalization.normalize import normalize
    from blotquant.report.page import Content, write_report
    from blotquant.settings import Settings
    from blotquant.statistics.compare import compare
    from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS, make_table

    toml = image("p.tif", "P") + image("t.tif", "T") + image("u.tif", "T", blot=2) + ratio("P/T", "P", "T")
    study = experiment(tmp_path, toml, "blot,lane,condition\n1,1,ctl\n1,2,Ctl\n2,1,ctl\n")
    bands, lanes = make_table([], BAND_COLUMNS), make_table([], LANE_COLUMNS)
    ratios = normalize(study, bands, lanes, strict=False)
    tables = {"bands": bands, "ratios": ratios, "summary": compare(study, ratios)}
    write_report(
        tmp_path / "page.html",
        Content(experiment=study, settings=Settings(), tables=tables, record=[], failures={}),
        [],
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "conditions &#39;ctl&#39; and &#39;Ctl&#39; differ in spelling only" in page
    assert "<b>P/T</b>: no picture of its numerator on blot 2, which takes no part in it." in page


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, ""), (np.nan, ""), (pd.NA, ""), (True, "yes"), (np.False_, "no"), (3, "3"), (0.5, "0.5"),
     (1234567.0, "1\u202f234\u202f567"), ("<b>", "<b>")],
)  # fmt: skip
def test_cells_in_words(number, text):
    assert format_number(number) == text


def test_format_number_aligned_numbers_keep_their_digits():
    assert [format_number(x, 3, aligned=True) for x in (1.7, 0.5, 2.0, 123.0, 7)] == [
        "1.70",
        "0.500",
        "2.00",
        "123",
        "7",
    ]


def test_tables_drop_empty_columns_and_sort_by_the_full_number():
    views = (
        View("a", "", value("a", 2)),
        View("b", "", value("b")),
        View("ci", "", interval("low", "high")),
        View("v", "", with_sd("a", "sd")),
    )
    rows = [{"a": 1.23456, "b": None, "low": 0.5, "high": 2.0, "sd": 0.1}]
    page = str(table_html(rows, views))
    assert 'data-sort="1.23456" class="n">1.2<' in page
    assert ">0.500 – 2.00<" in page
    assert ">1.235 ± 0.1<" in page
    assert page.count("<th ") == 3


@pytest.mark.parametrize(("n_blots", "named"), [(14, 14), (15, 0)])
def test_plot_ratio_many_blots_are_one_cloud(n_blots, named):
    ratios = pd.DataFrame({"ratio": "R", "blot": [f"{k}" for k in range(n_blots)], "condition": "a", "value": 1.5,
                           "relative": np.nan, "included": True})  # fmt: skip
    summary = pd.DataFrame({"ratio": ["R"], "condition": ["a"], "n": [n_blots]}).assign(
        **dict.fromkeys(("geometric_mean", "ci_low", "ci_high", "fold_change", "fold_ci_low", "fold_ci_high"), 1.5)
    )
    assert plot_ratio(ratios, summary, reference=None).count(">blot ") == named


def test_plot_ratio_a_plot_without_a_value_is_still_a_plot():
    ratios = pd.DataFrame({"ratio": "R", "blot": ["1"], "condition": ["a"], "value": [np.nan], "relative": [np.nan],
                           "included": [False]})  # fmt: skip
    summary = pd.DataFrame({"ratio": ["R"], "condition": ["a"], "n": [0]}).assign(
        **dict.fromkeys(("geometric_mean", "ci_low", "ci_high", "fold_change", "fold_ci_low", "fold_ci_high"), np.nan)
    )
    assert plot_ratio(ratios, summary, reference=None).startswith("<svg")


def test_ratio_blocks_intervals_are_called_by_their_level_and_n_by_what_it_counts(tmp_path):
    from small_experiment import experiment, image, ratio

    from blotquant.report.page import ratio_blocks
    from blotquant.statistics.compare import compare
    from blotquant.tables import RATIO_COLUMNS, make_table

    toml = image("p.tif", "P") + image("t.tif", "T") + ratio("r", "P", "T")
    sheet = "blot,lane,condition,replicate\n" + "".join(f"1,{k},{'vw'[k % 2]},rat {k}\n" for k in range(1, 7))
    study = experiment(tmp_path, toml + '[compare]\nreference = "v"\nalpha = 0.1\n', sheet)
    rows = [{"ratio": "r", "blot": "1", "lane": k, "condition": "vw"[k % 2], "value": 1 + k / 10, "included": True,
             "replicate": f"rat {k}"} for k in range(1, 7)]  # fmt: skip
    ratios = make_table(rows, RATIO_COLUMNS)
    (block,) = ratio_blocks(study, {"ratios": ratios, "summary": compare(study, ratios)})
    assert (block["level"], block["unit"]) == ("90 %", "biological replicate")
    assert "90 % CI of the mean" in block["table"]
    assert "95 %" not in block["table"]
    assert 'title="Number of biological replicates"' in block["table"]


def test_exposure_table_two_exposures_show_no_linear_range():
    """r² of a line through the origin and two points is near 1 whatever the camera did."""
    row = {"blot": "1", "membrane": "1", "probe": "P", "strip": 1, "lane": 1, "band": 1, "target": "P", "rate": 9.0,
           "rate_sd": 1.0, "r2": 1.0, "n_frames": 3, "flags": ""}  # fmt: skip
    table = make_table([{**row, "n_used": 2}, {**row, "lane": 2, "n_used": 3, "r2": 0.9987}], EXPOSURE_COLUMNS)
    html = str(exposure_table(table))
    assert "not known from 2 exposures" in html
    assert "over 3 exposures, beyond not known" in html
    assert "0.9987" in html
    assert "1.000" not in html


def test_reviewers_questions_are_answered_with_a_place(html):
    start = html.index('<section id="reviewers">')
    part = html[start : html.index("</section>", start)]
    for question in ("uncropped", "saturated", "linear range", "loading", "What is n", "statistics", "software"):
        assert question in part
    places = set(re.findall(r'href="#(\w+)"', part))
    assert places
    assert all(f'id="{place}"' in html for place in places)
