"""Source blots: every picture whole and clean, as files, and beside its annotated twin in one PDF.

Journals ask for the uncropped pictures behind every cropped panel ("source data", "raw images"): once as they are, once
with lanes, bands and molecular weights marked. Pictures are shown at their own resolution, grey linear in the counts
(`contrast.band_contrast`), nothing turned, moved or left out.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blotquant._version import __version__
from blotquant.export.contrast import picture_contrast, to_grey
from blotquant.export.drawing import Drawing, encode_png, write_pdf

if TYPE_CHECKING:
    from blotquant.model.geometry import Layout, Polygon
    from blotquant.model.image import BlotImage

BLOTS_PER_PAGE = 3
"""Pictures on one page of the PDF, each clean and annotated side by side."""
PAGE = (595.0, 842.0)
"""A4, points."""
MOST_PX = 1300
"""Longest edge of a picture in the PDF, px: 350 dots per inch of the paper; of larger ones pixels are averaged."""
ROOM = (255.0, 186.0)
"""Room of a picture on the page, points."""
LEFT = (36.0, 324.0)
"""Left edge of that room for the clean and for the annotated picture, points."""
PDF_NAME = "source_blots.pdf"


@dataclass(frozen=True, eq=False, kw_only=True)
class SourceBlot:
    """One whole picture and what is marked on it.

    Attributes
    ----------
    name : str
        File name of the picture, as it is called in the tables.
    stem : str
        What its files are called, without an ending.
    title : str
        Blot, membrane, probe and exposure in words.
    png : bytes
        All pixels, bands dark, without any mark, as an 8-bit grey PNG of its own resolution.
    shape : (int, int)
        Rows and columns of the picture.
    shown : (float, float)
        Counts that are shown white and black.
    layout : Layout
        Strips, lanes and bands.
    marks : sequence of (float, str)
        Row and mass in kDa of the ladder's bands.
    labels : dict of int to str
        What lies in each lane.
    named : frozenset of str
        Ids of the bands that were assigned to a protein.
    saturated_px : int
        Pixels at the detector's ceiling.
    """

    name: str
    stem: str
    title: str
    png: bytes
    shape: tuple[int, int]
    shown: tuple[float, float]
    layout: Layout
    marks: Sequence[tuple[float, str]]
    labels: dict[int, str]
    named: frozenset[str] = frozenset()
    saturated_px: int = 0


def whole_picture(image: BlotImage, layout: Layout) -> dict[str, Any]:
    """What a picture gives its `SourceBlot`: all but what the experiment knows of it."""
    shown = picture_contrast(image, layout)
    return {
        "name": image.name,
        "png": encode_png(to_grey(image.signal(), *shown)),
        "shape": image.shape,
        "shown": shown,
        "layout": layout,
        "saturated_px": int(np.count_nonzero(image.signal() >= image.ceiling)),
    }


def draw_source_pdf(blots: Sequence[SourceBlot], *, study: str) -> bytes:
    """Lay all pictures out in one PDF, each clean at the left and annotated at the right.

    Parameters
    ----------
    blots : sequence of SourceBlot
        In the order of the experiment file.
    study : str
        Name of the study, for the foot of each page.

    Returns
    -------
    bytes
        The PDF; its text stays text. The same bytes for the same pictures.
    """
    pages = [blots[k : k + BLOTS_PER_PAGE] for k in range(0, len(blots), BLOTS_PER_PAGE)]
    return write_pdf(
        [
            _page(page, foot=f"{study} · source blots · page {number} of {len(pages)}")
            for number, page in enumerate(pages, 1)
        ]
    )


def _page(blots: Sequence[SourceBlot], *, foot: str) -> Drawing:
    drawing = Drawing(*PAGE, font=6)
    for k, blot in enumerate(blots):
        top = PAGE[1] * (0.035 + k * 0.92 / BLOTS_PER_PAGE)
        drawing.heading((LEFT[0], top + 7), blot.title, size=9)
        white, black = blot.shown
        height, width = blot.shape
        told = (
            f"{blot.name}: whole picture, {width} × {height} px; grey linear in the counts from {_count(white)} "
            f"(white) to {_count(black)} (black), the same for all of it; {blot.saturated_px or 'no'} pixels at the "
            "detector's ceiling. Left: as taken. Right: lanes, bands (orange: those of the probe), kDa."
        )
        lanes = "; ".join(f"{lane} {text}" for lane, text in sorted(blot.labels.items()))
        lines = textwrap.wrap(told, 150) + textwrap.wrap(f"Lanes: {lanes}" if lanes else "", 150)[:2]
        drawing.text((LEFT[0], top + 19.5), "\n".join(lines))
        unit = min(ROOM[0] / width, ROOM[1] / height)
        png = _reduced(blot.png, -(-max(height, width) // MOST_PX))
        for left in LEFT:
            corner = left + (ROOM[0] - width * unit) / 2, top + 59
            drawing.picture(png, *corner, width * unit, height * unit)
            drawing.rectangle(*corner, width * unit, height * unit, edge="#000000", width=0.6)
        _annotate(drawing, blot, corner, unit)
    drawing.text((LEFT[0], 0.98 * PAGE[1]), f"{foot} · blotquant {__version__}")
    return drawing


def _reduced(png: bytes, factor: int) -> bytes:
    """A sheet of paper shows no more; the file of the clean picture keeps every pixel."""
    from PIL import Image

    if factor == 1:
        return png
    with Image.open(io.BytesIO(png)) as picture:
        return encode_png(np.asarray(picture.reduce(factor)))


def _count(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u00a0") if abs(value) >= 100 else f"{value:.3g}"


def _annotate(drawing: Drawing, blot: SourceBlot, corner: tuple[float, float], unit: float) -> None:
    """Mark lanes, bands and masses on a picture of that corner and so many points a pixel."""

    def place(outline: Polygon) -> list[tuple[float, float]]:
        # Pixel centres lie at halves of the drawing.
        return [(corner[0] + unit * (col + 0.5), corner[1] + unit * (row + 0.5)) for row, col in outline]

    for lane in blot.layout.lanes:
        drawing.area(place(lane.outline), edge="#56B4E9", width=0.4)
    for is_named, edge, width in ((False, "#9AA4AE", 0.3), (True, "#D55E00", 0.7)):
        for band in (band for band in blot.layout.bands if (band.id in blot.named) is is_named):
            drawing.area(place(band.outline), edge=edge, width=width)
    for lane in blot.layout.lanes:
        name = "L" if lane.role == "ladder" else str(lane.number)
        x = corner[0] + unit * (lane.center[0][1] + 0.5)
        drawing.text((x, corner[1] - 2), name, anchor="middle")
    for row, kda in blot.marks:
        drawing.text((corner[0] - 1, corner[1] + unit * (row + 0.5)), f"{kda} -", size=5, anchor="end", middle=True)
