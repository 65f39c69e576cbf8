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

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from blotquant._version import __version__
from blotquant.export.contrast import picture_contrast, to_grey
from blotquant.export.graph import graph_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from blotquant.model.geometry import Layout
    from blotquant.model.image import BlotImage

BLOTS_PER_PAGE = 3
"""Pictures on one page of the PDF, each clean and annotated side by side."""
PAGE_IN = (8.27, 11.69)
"""A4, inches."""
MOST_PX = 1300
"""Longest edge of a picture in the PDF, px: 350 dots per inch of the paper; of larger ones pixels are averaged."""
PNG_LEVEL = 4
"""zlib's: on blots as small as the default, 6, in 0.4 of its time."""
ROOM_IN = (3.55, 2.59)
"""Room of a picture on the page, inches."""
LEFT_IN = (0.5, 4.5)
"""Left edge of that room for the clean and for the annotated picture, inches."""
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
    grey : ndarray, shape (H, W), uint8
        All pixels, bands dark.
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
    grey: NDArray[np.uint8]
    shown: tuple[float, float]
    layout: Layout
    marks: Sequence[tuple[float, str]]
    labels: dict[int, str]
    named: frozenset[str] = frozenset()
    saturated_px: int = 0


def whole_picture(image: BlotImage, layout: Layout) -> dict[str, Any]:
    """Pixels of a `SourceBlot`: its ``name``, ``grey``, ``shown``, ``layout`` and ``saturated_px``."""
    shown = picture_contrast(image, layout)
    return {
        "name": image.name,
        "grey": to_grey(image.signal(), *shown),
        "shown": shown,
        "layout": layout,
        "saturated_px": int(np.count_nonzero(image.signal() >= image.ceiling)),
    }


def clean_picture(blot: SourceBlot) -> bytes:
    """The whole picture without any mark, as an 8-bit grey PNG of its own resolution."""
    buffer = io.BytesIO()
    Image.fromarray(blot.grey).save(buffer, format="PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


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
    buffer = io.BytesIO()
    pages = [blots[k : k + BLOTS_PER_PAGE] for k in range(0, len(blots), BLOTS_PER_PAGE)]
    with mpl.rc_context(graph_style(font_size=7)), PdfPages(buffer, metadata={"CreationDate": None}) as pdf:
        for number, page in enumerate(pages, 1):
            pdf.savefig(_page(page, foot=f"{study} · source blots · page {number} of {len(pages)}"))
    return buffer.getvalue()


def _page(blots: Sequence[SourceBlot], *, foot: str) -> Figure:
    from blotquant.export.grey_image import GreyImage

    figure = Figure(figsize=PAGE_IN)
    # One frame for the whole page, in inches from its upper left corner.
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, PAGE_IN[0]), ylim=(PAGE_IN[1], 0))
    axes.axis("off")
    for k, blot in enumerate(blots):
        top = PAGE_IN[1] * (0.035 + k * 0.92 / BLOTS_PER_PAGE)
        axes.text(0.5, top, blot.title, fontsize=9, fontweight="bold", va="top", parse_math=False)
        white, black = blot.shown
        height, width = blot.grey.shape
        told = (
            f"{blot.name}: whole picture, {width} × {height} px; grey linear in the counts from {_count(white)} "
            f"(white) to {_count(black)} (black), the same for all of it; {blot.saturated_px or 'no'} pixels at the "
            "detector's ceiling. Left: as taken. Right: lanes, bands (orange: those of the probe), kDa."
        )
        lanes = "; ".join(f"{lane} {text}" for lane, text in sorted(blot.labels.items()))
        lines = textwrap.wrap(told, 150) + textwrap.wrap(f"Lanes: {lanes}" if lanes else "", 150)[:2]
        for line, text in enumerate(lines):
            axes.text(0.5, top + 0.2 + 0.117 * line, text, va="top", fontsize=6, parse_math=False)
        # A sheet of paper shows no more; the file of the clean picture keeps every pixel.
        grey = Image.fromarray(blot.grey).reduce(-(-max(height, width) // MOST_PX))
        shown, unit = np.asarray(grey)[::-1, :, None], min(ROOM_IN[0] / width, ROOM_IN[1] / height)
        for left in LEFT_IN:
            corner = left + (ROOM_IN[0] - width * unit) / 2, top + 0.82
            ends = corner[0], corner[0] + width * unit, corner[1] + height * unit, corner[1]
            axes.add_image(GreyImage(axes, shown, extent=ends))
            axes.add_patch(Rectangle(corner, width * unit, height * unit, fill=False, linewidth=0.6))
        _annotate(axes, blot, corner, unit)
    axes.text(0.5, 0.98 * PAGE_IN[1], f"{foot} · blotquant {__version__}", fontsize=6, parse_math=False)
    return figure


def _count(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u00a0") if abs(value) >= 100 else f"{value:.3g}"


def _annotate(axes: Axes, blot: SourceBlot, corner: tuple[float, float], unit: float) -> None:
    """Mark lanes, bands and masses on a picture of that corner and so many inches a pixel."""

    def draw(outlines: Sequence[Any], colour: str, width: float) -> None:
        # Pixel centres lie at halves of the drawing.
        corners = [corner + unit * (np.asarray(outline, dtype=float)[:, ::-1] + 0.5) for outline in outlines]
        axes.add_collection(PolyCollection(corners, facecolors="none", edgecolors=colour, linewidths=width))

    draw([lane.outline for lane in blot.layout.lanes], "#56B4E9", 0.4)
    draw([band.outline for band in blot.layout.bands if band.id not in blot.named], "#9aa4ae", 0.3)
    draw([band.outline for band in blot.layout.bands if band.id in blot.named], "#D55E00", 0.7)
    for lane in blot.layout.lanes:
        name = "L" if lane.role == "ladder" else str(lane.number)
        axes.text(corner[0] + unit * (lane.center[0][1] + 0.5), corner[1] - 0.02, name, ha="center", va="bottom",
                  fontsize=6)  # fmt: skip
    for row, kda in blot.marks:
        axes.text(corner[0] - 0.01, corner[1] + unit * (row + 0.5), f"{kda} -", ha="right", va="center", fontsize=5)
