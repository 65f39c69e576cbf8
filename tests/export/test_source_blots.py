"""Whole pictures for a journal: clean as they are, and beside their annotated twin."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from blotquant.export.contrast import picture_contrast
from blotquant.export.source_blots import SourceBlot, draw_source_pdf, whole_picture
from blotquant.synthetic import make_blot, plain_spec


def source(volume=4e5):
    made = make_blot(plain_spec(np.full((1, 4), volume), shape=(120, 240)), seed=5)
    image, layout = made.image(), made.true_layout()
    return image, SourceBlot(
        **whole_picture(image, layout), stem="source_a", title="Blot 1: P", marks=[(60.0, "60")], labels={1: "a $x$"}
    )


def test_whole_picture_holds_every_pixel_and_no_mark():
    image, blot = source()
    with Image.open(io.BytesIO(blot.png)) as picture:
        grey = np.asarray(picture)
    assert grey.shape == image.shape
    white, black = picture_contrast(image, blot.layout)
    expected = 255 * (1 - np.clip((image.signal() - white) / (black - white), 0, 1))
    assert np.abs(grey - expected).max() <= 0.5
    assert blot.saturated_px == 0


def test_draw_source_pdf_embeds_a_picture_once_and_as_grey_though_it_is_shown_twice():
    _, blot = source()
    pdf = draw_source_pdf([blot], study="a study")
    assert pdf.count(b"/Subtype /Image") == pdf.count(b"/ColorSpace /DeviceGray") == 1


def test_draw_source_pdf_has_three_pictures_on_a_page_and_the_same_bytes():
    _, blot = source()
    pdf = draw_source_pdf([blot] * 4, study="a study")
    assert pdf == draw_source_pdf([blot] * 4, study="a study")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") == 2


def test_picture_contrast_clips_no_band_that_was_only_expected():
    """The second band is four times as strong as the others, and the search did not see it."""
    made = make_blot(plain_spec([1e5, 4e5, 1e5], shape=(120, 160)), seed=5)
    layout = made.true_layout()
    strong = layout.bands_of(layout.lanes[1].id)[0]
    bands = tuple(replace(b, status="not_detected") if b.id == strong.id else b for b in layout.bands)
    image = made.image()
    assert picture_contrast(image, replace(layout, bands=bands)) == picture_contrast(image, layout)
    assert picture_contrast(image, layout)[1] > 2 * image.signal()[layout.bands[0].box.slices].max()
