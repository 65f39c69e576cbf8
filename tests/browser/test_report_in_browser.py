"""The report as a browser shows it: everything drawn, tables sort, no request to the outside, text stays text."""

import base64
import json
import re

import pytest
from openpyxl import load_workbook
from report_example import BLOTS, CONDITIONS, IMG, LINK, PROBES, make_report

from blotquant.export.workbook import write_workbook


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_report(tmp_path_factory.mktemp("report"))


@pytest.fixture
def page(browser, made):
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(made[0].as_uri())
    return browser


def column(page, table, heading):
    script = """
    const table = document.querySelector(arguments[0]);
    const place = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === arguments[1]);
    return [...table.tBodies[0].rows].map((row) => row.cells[place].textContent);
    """
    return page.execute_script(script, table, heading)


def click(page, table, heading):
    script = """
    const heads = [...document.querySelectorAll(arguments[0] + " th")];
    heads.find((cell) => cell.textContent === arguments[1]).querySelector("button").click();
    """
    page.execute_script(script, table, heading)


def test_nothing_is_requested_from_outside(page, made):
    asked = [
        message["params"]["request"]["url"]
        for entry in page.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"] == "Network.requestWillBeSent"
    ]
    assert asked[0] == made[0].as_uri()
    assert all(url.startswith("data:image/") for url in asked[1:])
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_no_script_error_and_no_broken_policy(page):
    assert [entry["message"] for entry in page.get_log("browser")] == []


def test_figures_are_drawn(page):
    boxes = page.execute_script(
        "return [...document.querySelectorAll('.pair figure svg')].map((s) => [s.getBBox().width, s.getBBox().height,"
        " s.querySelectorAll('path, circle').length])"
    )
    assert len(boxes) == 2  # the ratio by condition, and every way of analysing it
    assert all(width > 200 and height > 150 and marks > 20 for width, height, marks in boxes)


def test_every_picture_is_whole_with_its_marks(page):
    shown = page.execute_script(
        "return [...document.querySelectorAll('.blot')].map((b) => [b.querySelectorAll('image').length,"
        " b.querySelectorAll('polygon.lane').length, b.querySelectorAll('polygon.band').length,"
        " b.querySelector('svg.picture').getBoundingClientRect().width])"
    )
    assert len(shown) == len(BLOTS) * len(PROBES)
    assert all(row[:3] == [1, 3, 3] and row[3] > 200 for row in shown)


def test_embedded_pictures_decode_to_their_size(page):
    sizes = page.execute_async_script("""
    const done = arguments[0];
    Promise.all([...document.querySelectorAll("svg image")].map((node) => new Promise((resolve) => {
      const image = new Image();
      image.onload = () => resolve([image.naturalWidth, image.naturalHeight]);
      image.onerror = () => resolve(null);
      image.src = node.getAttribute("href");
    }))).then(done);
    """)
    assert sizes == [[160, 120]] * 6


def test_numbers_sort_by_value_and_text_by_letter(page):
    table = "#ratios table"
    click(page, table, "value")
    values = [float(text) for text in column(page, table, "value")]
    assert values == sorted(values)
    assert len(values) == 9
    click(page, table, "value")
    assert [float(text) for text in column(page, table, "value")] == sorted(values, reverse=True)
    click(page, table, "blot")
    assert column(page, table, "blot") == sorted(column(page, table, "blot"))


def test_counts_with_thousands_sort_by_value(page):
    table = "#ratios table"
    click(page, table, "numerator")
    counts = [float(text.replace("\u202f", "")) for text in column(page, table, "numerator")]
    assert counts == sorted(counts)


def test_click_enlarges_a_picture(page):
    script = "return document.querySelector('.blot').getBoundingClientRect().width"
    before = page.execute_script(script)
    page.execute_script("document.querySelector('svg.picture').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    assert page.execute_script(script) > 1.5 * before


def test_no_table_is_cut_at_the_right(page):
    page.set_window_size(1280, 900)
    cut = page.execute_script(
        "return [...document.querySelectorAll('#ratios .scroll, #summary .scroll, #doubts table')]"
        ".map((box) => box.scrollWidth - box.clientWidth)"
    )
    assert max(cut) <= 1


def test_index_leads_to_every_picture(page):
    found = page.execute_script(
        "return [...document.querySelectorAll('table.index a')].map((a) => document.querySelector(a.hash) !== null)"
    )
    assert found == [True] * 6


def test_a_picture_that_a_link_leads_to_has_its_title_below_the_switches(page):
    page.execute_script("document.querySelectorAll('table.index a')[2].click()")
    places = page.execute_script(
        "const target = document.querySelector(document.querySelectorAll('table.index a')[2].hash);"
        "return [document.querySelector('.switches').getBoundingClientRect().bottom,"
        " target.querySelector('h3').getBoundingClientRect().top, innerHeight]"
    )
    assert places[0] <= places[1] < places[2]


def test_a_sample_called_like_markup_stays_text(page):
    assert page.execute_script("return document.querySelectorAll('img').length") == 0
    assert set(column(page, "#ratios table", "condition")) == set(CONDITIONS)
    assert f"{IMG} 1" in page.find_element("css selector", ".lanes").text
    figures = page.execute_script("return [...document.querySelectorAll('.pair svg')].map((s) => s.textContent).join()")
    assert IMG in figures


def test_the_same_names_stay_text_in_the_workbook(made, tmp_path):
    _, tables, experiment = made
    path = tmp_path / "results.xlsx"
    write_workbook(path, tables, experiment=experiment)
    cells = [cell for sheet in load_workbook(path) for row in sheet.iter_rows() for cell in row]
    named = [cell for cell in cells if isinstance(cell.value, str) and (LINK in cell.value or IMG in cell.value)]
    assert len(named) > 10
    assert all(cell.data_type == "s" and cell.hyperlink is None for cell in named)


def test_it_prints(page):
    import base64

    pdf = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert pdf.startswith(b"%PDF")
    assert 2 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page/") + pdf.count(b"/Type /Page ") <= 12


def test_overlays_are_switched_off_and_on(page):
    """Without marks what is left is the clean source blot: the picture and its frame."""
    drawn = """
    return [...document.querySelectorAll("svg.picture *")].filter((node) => node.getClientRects().length)
      .map((node) => node.tagName);
    """
    assert {"polygon", "text"} <= set(page.execute_script(drawn))
    page.execute_script("document.querySelectorAll('input[data-overlay]').forEach((box) => box.click())")
    assert set(page.execute_script(drawn)) == {"image", "rect"}
    page.execute_script("document.querySelector('input[data-overlay=bands]').click()")
    assert "polygon" in page.execute_script(drawn)


def test_the_claim_fits_a_phone(page):
    page.set_window_size(400, 900)
    try:
        width = page.execute_script("return document.documentElement.clientWidth")
        right = page.execute_script(
            "const heads = [...document.querySelectorAll('#summary table th')];"
            "return heads.find((head) => head.textContent === 'p adjusted').getBoundingClientRect().right"
        )
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        assert right <= width
        link = "return document.querySelector('#blots .index a').getBoundingClientRect().left"
        assert page.execute_script(link) < width  # the way to a picture is not beyond the screen
    finally:
        page.set_window_size(1250, 900)


def test_print_puts_four_blots_on_a_page(page):
    """Six small blots, the summary, the tables, methods and record: paper is not wasted on them."""
    printed = page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    pdf = base64.b64decode(printed["data"])
    n_pages = max(int(n) for n in re.findall(rb"/Count (\d+)", pdf))
    assert n_pages <= 5
