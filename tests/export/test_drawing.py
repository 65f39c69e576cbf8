"""One drawing as SVG, PDF and pixels: everything at its place, text as text."""

import io
import re
import shutil
import subprocess
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from blotquant.export.drawing import DPI, Drawing, encode_png, text_width, write_pdf

SVG = "{http://www.w3.org/2000/svg}"


def pixels(drawing: Drawing) -> np.ndarray:
    with Image.open(io.BytesIO(drawing.tiff(is_grey=True))) as picture:
        return np.asarray(picture)


def ink(drawing: Drawing) -> tuple[float, float, float, float]:
    """Left, right, top and bottom edge of what is drawn, points."""
    rows, cols = np.nonzero(pixels(drawing) < 128)
    return cols.min() * 72 / DPI, (cols.max() + 1) * 72 / DPI, rows.min() * 72 / DPI, (rows.max() + 1) * 72 / DPI


def streams(pdf: bytes) -> list[bytes]:
    """Contents of a PDF's packed streams."""
    return [zlib.decompress(data) for data in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S)]


@pytest.mark.parametrize(("anchor", "share"), [("start", 0.0), ("middle", 0.5), ("end", 1.0)])
@pytest.mark.parametrize("angle", [0, 35, 60, 90])
def test_drawing_tiff_lays_turned_text_at_its_anchor(anchor, share, angle):
    drawing = Drawing(200, 200, font=10)
    drawing.text((100, 100), "HHHHHH", anchor=anchor, angle=angle)
    left, right, top, bottom = ink(drawing)
    width, sine, cosine = text_width("HHHHHH", 10), np.sin(np.radians(angle)), np.cos(np.radians(angle))
    # Where the first letter begins and the last one ends: letters are 7.3 points high, with 1 point at either side.
    start, stop = 1 - share * width, (1 - share) * width - 1
    assert left == pytest.approx(100 + start * cosine - 7.3 * sine, abs=0.7)
    assert right == pytest.approx(100 + stop * cosine, abs=0.7)
    assert bottom == pytest.approx(100 - start * sine, abs=0.7)
    assert top == pytest.approx(100 - stop * sine - 7.3 * cosine, abs=0.7)


def test_text_width_is_the_fonts():
    from matplotlib.textpath import TextPath

    text = (
        "HIκBα / β-actin ± 5 µM H"  # it begins and ends with an upright stroke: the ink is the width but for its sides
    )
    ink_width = TextPath((0, 0), text, size=100, prop="DejaVu Sans").get_extents().width
    assert text_width(text, 100) == pytest.approx(ink_width, abs=25)
    assert text_width("a\nHHH", 7) == text_width("HHH", 7)


def test_drawing_tiff_keeps_the_pixels_of_a_picture():
    grey = np.random.default_rng(3).integers(0, 256, (20, 30)).astype(np.uint8)
    drawing = Drawing(72, 72, font=8)
    drawing.picture(encode_png(grey), 12, 24, 30 * 72 / DPI * 4, 20 * 72 / DPI * 4)
    shown = pixels(drawing)[200 : 200 + 80 : 4, 100 : 100 + 120 : 4]
    np.testing.assert_array_equal(shown, grey)


def test_drawing_lines_lie_where_they_are_told():
    drawing = Drawing(100, 100, font=8)
    drawing.line([(20, 30), (80, 30)], width=2)
    assert ink(drawing) == pytest.approx((20, 80, 29, 31), abs=0.3)


@pytest.mark.parametrize("kind", list("os^v<>DP*"))
def test_drawing_markers_lie_about_their_place(kind):
    drawing = Drawing(100, 100, font=8)
    drawing.marker(kind, (40, 60), 10, edge="#000000", fill="#000000", width=0.5)
    left, right, top, bottom = ink(drawing)
    assert (left + right) / 2 == pytest.approx(40, abs=0.8)
    assert (top + bottom) / 2 == pytest.approx(60, abs=0.8)
    assert 8 < right - left < 13


def test_drawing_svg_escapes_text_and_shows_what_no_eye_sees():
    drawing = Drawing(100, 100, font=8)
    drawing.text((10, 10), "<b> & \u202egnp\nsecond")
    drawing.heading((10, 50), "head", size=9)
    root = ElementTree.fromstring(drawing.svg(header=True))
    assert [node.text for node in root.iter(f"{SVG}text")] == ["<b> & \\u202egnp", "second", "head"]
    assert drawing.svg().startswith("<svg")


def test_write_pdf_gives_the_same_bytes_and_keeps_a_picture_once():
    pages = [Drawing(100, 100, font=8) for _ in range(3)]
    grey = np.random.default_rng(3).integers(0, 256, (20, 30)).astype(np.uint8)
    for page in pages:
        page.picture(encode_png(grey), 1, 1, 10, 10)
        page.text((10, 50), "β-actin", anchor="end")
    pdf = write_pdf(pages)
    assert pdf == write_pdf(pages)
    assert pdf.count(b"/Subtype /Image") == 1
    assert pdf.count(b"/Type /Page\n") == 3
    # Every font that it names is embedded.
    assert len(re.findall(rb"/FontFile2", pdf)) == len(re.findall(rb"/Type /Font\b(?!D)", pdf)) == 1


def test_write_pdf_places_text_by_its_width():
    page = Drawing(100, 100, font=8)
    page.text((90, 40), "β-actin", anchor="end")
    content = next(stream for stream in streams(write_pdf([page])) if b" Tj " in stream)
    x, y, left = map(float, re.search(rb"1 0 0 1 (\S+) (\S+) cm\n(?:.*\n)*BT 1 0 0 1 (\S+) 0 Tm", content).groups())
    assert (x, y) == (90, 60)
    assert left == pytest.approx(-text_width("β-actin", 8), abs=0.01)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler is not installed")
def test_write_pdf_is_read_by_poppler(tmp_path):
    page = Drawing(200, 100, font=8)
    page.heading((10, 20), "pAKT of IκBα", size=9)
    page.line([(10, 30), (50, 60)])
    page.marker("o", (80, 50), 5, edge="#0072B2", fill="", width=1)
    grey = np.random.default_rng(3).integers(0, 256, (20, 30)).astype(np.uint8)
    page.picture(encode_png(grey), 120, 60, 30, 20)
    (tmp_path / "a.pdf").write_bytes(write_pdf([page]))
    told = subprocess.run(["pdftotext", tmp_path / "a.pdf", "-"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "pAKT of IκBα"
    assert told.stderr == ""
    subprocess.run(["pdfimages", "-png", tmp_path / "a.pdf", tmp_path / "a"], check=True)
    with Image.open(tmp_path / "a-000.png") as kept:
        np.testing.assert_array_equal(np.asarray(kept.convert("L")), grey)
