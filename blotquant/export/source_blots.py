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
from numpy.typing import NDArray

from blotquant._version import __version__
from blotquant.export.contrast import band_contrast, to_grey
from blotquant.export.graph import graph_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from blotquant.model.geometry import Layout
    from blotquant.model.image import BlotImage

BLOTS_PER_PAGE = 3
"""Pictures on one page of the PDF, each clean and annotated side by side."""
PAGE_IN = (8.27, 11.69)
"""A4, inches."""
MOST_PX = 1300
"""Longest edge of a picture in the PDF, px: 350 dots per inch of the paper; of larger ones pixels are averaged."""
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


def picture_contrast(image: BlotImage, layout: Layout) -> tuple[float, float]:
    """Counts shown white and black for a whole picture: from the bands of all lanes but the ladder's.

    Bands that the search only expected count too: what is not there makes nothing darker, what is may not be clipped.
    A ladder's bands may be far stronger than those of the samples; they alone may be shown black all over.
    """
    ladder = {lane.id for lane in layout.lanes if lane.role == "ladder"}
    boxes = [
        (band.box.row_start, band.box.row_stop, band.box.col_start, band.box.col_stop)
        for band in layout.bands
        if band.lane not in ladder
    ]
    return band_contrast(image.signal(), boxes)


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
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(blot.grey).save(buffer, format="PNG")
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
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    pages = [blots[k : k + BLOTS_PER_PAGE] for k in range(0, len(blots), BLOTS_PER_PAGE)]
    with mpl.rc_context(graph_style(font_size=7)), PdfPages(buffer, metadata={"CreationDate": None}) as pdf:
        for number, page in enumerate(pages, 1):
            pdf.savefig(_page(page, foot=f"{study} · source blots · page {number} of {len(pages)}"))
    return buffer.getvalue()


def _page(blots: Sequence[SourceBlot], *, foot: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=PAGE_IN)
    tall = 0.92 / BLOTS_PER_PAGE
    for k, blot in enumerate(blots):
        top = 0.965 - k * tall
        figure.text(0.06, top, blot.title, fontsize=9, fontweight="bold", va="top", parse_math=False)
        white, black = blot.shown
        height, width = blot.grey.shape
        told = (
            f"{blot.name}: whole picture, {width} × {height} px; grey linear in the counts from {_count(white)} "
            f"(white) to {_count(black)} (black), the same for all of it; {blot.saturated_px or 'no'} pixels at the "
            "detector's ceiling. Left: as taken. Right: lanes, bands (orange: those of the probe), kDa."
        )
        for line, text in enumerate(
            (
                *textwrap.wrap(told, 150),
                *textwrap.wrap(
                    (
                        "Lanes: " + "; ".join((f"{lane} {text}" for lane, text in sorted(blot.labels.items())))
                        if blot.labels
                        else ""
                    ),
                    150,
                )[:2],
            )
        ):
            figure.text(0.06, top - 0.017 - 0.010 * line, text, va="top", fontsize=6, parse_math=False)
        for left, draw in ((0.06, _draw_clean), (0.545, _draw_annotated)):
            axes = figure.add_axes((left, top - tall + 0.015, 0.43, tall - 0.085))
            axes.set_anchor("N")
            draw(axes, blot)
    figure.text(0.06, 0.02, f"{foot} · blotquant {__version__}", fontsize=6, parse_math=False)
    return figure


def _count(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") if abs(value) >= 100 else f"{value:.3g}"


def _draw_clean(axes: Axes, blot: SourceBlot) -> None:
    from PIL import Image

    height, width = blot.grey.shape
    # A sheet of paper shows no more; the file of the clean picture keeps every pixel.
    shown = np.asarray(Image.fromarray(blot.grey).reduce(-(-max(height, width) // MOST_PX)))
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="none", extent=(0, width, height, 0))
    axes.set(xticks=[], yticks=[])


def _draw_annotated(axes: Axes, blot: SourceBlot) -> None:
    from matplotlib.collections import PolyCollection

    def draw(outlines: Sequence[Any], colour: str, width: float) -> None:
        # Pixel centres lie at halves of the drawing.
        corners = [np.asarray(outline, dtype=float)[:, ::-1] + 0.5 for outline in outlines]
        axes.add_collection(PolyCollection(corners, facecolors="none", edgecolors=colour, linewidths=width))

    _draw_clean(axes, blot)
    draw([lane.outline for lane in blot.layout.lanes], "#56B4E9", 0.4)
    draw([band.outline for band in blot.layout.bands if band.id not in blot.named], "#9aa4ae", 0.3)
    draw([band.outline for band in blot.layout.bands if band.id in blot.named], "#D55E00", 0.7)
    for lane in blot.layout.lanes:
        name = "L" if lane.role == "ladder" else str(lane.number)
        axes.text(lane.center[0][1] + 0.5, -3, name, ha="center", va="bottom", fontsize=6, clip_on=False)
    for row, kda in blot.marks:
        axes.text(-2, row + 0.5, f"{kda} –", ha="right", va="center", fontsize=5, clip_on=False)
    height, width = blot.grey.shape
    axes.set(xlim=(0, width), ylim=(height, 0))
