"""The sheet of identity of one membrane: each of its pictures, small, with lanes, samples, rows and proteins named.

Whether one lane, protein or membrane was taken for another shows here at one look, and one line says what tied the
pictures together and how sure that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blotquant.detection.lane_ties import tie_words
from blotquant.report.blot import PictureWords, lane_labels, lane_mark, points_of, room_beside, row_marks
from blotquant.report.profiles import encode_picture
from blotquant.report.template import is_missing, render

if TYPE_CHECKING:
    from blotquant.analysis import Analysis

LONGEST_PX = 420
"""Longer edge of an embedded picture: lanes and rows are seen, and five of them weigh less than one whole blot."""


def render_identity(
    analyses: Sequence[Analysis],
    *,
    title: str,
    constants: Sequence[Mapping[str, Any]],
    known: Sequence[PictureWords],
) -> str:
    """Draw the sheet of one membrane as HTML.

    Parameters
    ----------
    analyses : sequence of Analysis
        Of its pictures.
    title : str
        What the membrane is called.
    constants : sequence of mapping
        Probe and exposure of each picture.
    known : sequence of PictureWords
        Samples and ladder of each picture.

    Returns
    -------
    str
        HTML without any request to the outside; all text escaped.
    """
    identities = [analysis.identity for analysis in analyses if analysis.identity is not None]
    pictures = []
    for analysis, facts, words in zip(analyses, constants, known, strict=True):
        layout, (height, width) = analysis.layout, analysis.image.shape
        font = max(9.0, width / 26)
        labels = lane_labels(layout, words)
        rows = [] if words.stain else row_marks(layout, font, with_targets=True)
        exposure = facts.get("exposure_s")
        pictures.append({
            "title": analysis.image.name,
            "probe": facts.get("probe"),
            "exposure": None if is_missing(exposure) else f"{exposure:g}",
            "uri": encode_picture(analysis.image, layout, longest=LONGEST_PX).uri,
            "width": width,
            "height": height,
            "font": font,
            # A name leans by 60 degrees over its lane's number.
            "top": font * (2.0 + 0.42 * max((len(label) for label in labels.values()), default=0)),
            "margin_right": max(room_beside(rows, width, font), font * 2),
            "lanes": [lane_mark(lane, labels) for lane in layout.lanes],
            "bands": [points_of(band.outline) for band in layout.bands if band.target and not words.stain],
            "rows": rows,
            "words": analysis.identity.words if analysis.identity else "analysed alone",
            "held": analysis.identity is not None and not analysis.identity.is_known,
            "least": f"{min((lane.confidence for lane in layout.lanes), default=0.0):.0%}",
        })  # fmt: skip
    line = tie_words(identities) if identities else "nothing tied its pictures"
    held = any(picture["held"] for picture in pictures)
    return render("identity.html.j2", title=title, line=line, held=held, pictures=pictures)
