"""One picture as a piece of the report, and the pictures of one membrane side by side.

A picture is shown whole and uncropped with its marks, its profiles and its numbers. The sheet of identity shows each
picture of a membrane small, with lanes, samples, rows and proteins named: whether one lane, protein or membrane was
taken for another shows at one look, and one line says what tied the pictures together and how sure that is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from blotquant.detection.lane_ties import tie_words
from blotquant.export.contrast import picture_contrast
from blotquant.flags import FLAGS, Flag, split_flags
from blotquant.identification.ladder import LadderError, LadderFit, find_ladder
from blotquant.io.files import plain_rows
from blotquant.report.profiles import PROFILE_HEIGHT, PROFILE_WIDTH, encode_picture, lane_profiles
from blotquant.report.tables import Cell, View, is_missing, render, table_html, value, with_sd, words
from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS

if TYPE_CHECKING:
    from markupsafe import Markup

    from blotquant.analysis import Analysis
    from blotquant.model.geometry import Lane, Layout, Polygon


SHOWN_ROLES = ("sample", "standard")
"""Roles of the lanes that figure panels show."""


LONGEST_PX = 420
"""Longer edge of an embedded picture: lanes and rows are seen, and five of them weigh less than one whole blot."""


@dataclass(frozen=True, kw_only=True)
class PictureWords:
    """What the experiment knows about a picture and the picture does not say.

    Attributes
    ----------
    samples : mapping of int to str
        What lies in each lane.
    marks : sequence of (float, str)
        Row and mass of the ladder's bands, from `kda_marks`.
    stain : bool
        Whether it is a total-protein stain, which is measured by lanes.
    strip : int or None
        Which strip of the picture was analysed, where it holds several.
    """

    samples: Mapping[int, str] = field(default_factory=dict)
    marks: Sequence[tuple[float, str]] = ()
    stain: bool = False
    strip: int | None = None


def anchor_of(session: str) -> str:
    """Name of a picture's place in the page, from its session's file name."""
    return "p" + hashlib.sha256(session.encode()).hexdigest()[:12]


def render_blot(
    analysis: Analysis,
    *,
    title: str,
    session: str = "",
    constants: Mapping[str, Any] | None = None,
    known: PictureWords | None = None,
) -> str:
    """Draw one picture and its lanes as HTML.

    Parameters
    ----------
    analysis : Analysis
        What was measured.
    title : str
        What the picture is called.
    session : str
        File name of its session, from which its place in the page is named.
    constants : mapping, optional
        Blot, membrane, probe and exposure, for the caption.
    known : PictureWords, optional
        Samples and ladder.

    Returns
    -------
    str
        HTML without any request to the outside; all text escaped.
    """
    known = known or PictureWords()
    height, width = analysis.image.shape
    low, high = picture_contrast(analysis.image, analysis.layout)
    told = {key: (constants or {}).get(key) for key in ("blot", "membrane", "probe")}
    facts = {key: str(fact) for key, fact in told.items() if not is_missing(fact)}
    # Marks keep their size on the page, whatever the picture's pixels.
    font = max(9.0, width / 48)
    labels = lane_labels(analysis.layout, known)
    rows = [] if known.stain else row_marks(analysis.layout, font)
    return render(
        "blot.html.j2",
        anchor=anchor_of(session or title),
        title=title,
        facts=facts | ({} if known.strip is None else {"strip": str(known.strip)}),
        image=analysis.image,
        picture={"uri": encode_picture(analysis.image, low, high), "low": low, "high": high},
        width=width,
        height=height,
        font=font,
        margin_left=font * 4 if known.marks else 0,
        strips=[points_of(strip.outline) for strip in analysis.layout.strips],
        lanes=[lane_mark(lane, labels) for lane in analysis.layout.lanes],
        # A stain is measured by lanes: outlines of its hundreds of bands would only hide the picture.
        bands=[] if known.stain else _band_marks(analysis),
        marks=known.marks,
        splices=splice_marks(analysis.layout),
        rows=rows,
        margin_right=room_beside(rows, width, font),
        labels=labels,
        identity=analysis.identity,
        flags=[FLAGS[name] for name in (*analysis.image.flags, *analysis.layout.flags)],
        doubts=_doubts(analysis),
        profiles=lane_profiles(analysis, labels),
        profile_size=(PROFILE_WIDTH, PROFILE_HEIGHT),
        numbers=_numbers(analysis, labels, by_lane=known.stain),
        by_lane=known.stain,
        method=analysis.scene.method,
        edits=len(analysis.session.edits_in_force),
    )


def lane_labels(layout: Layout, known: PictureWords) -> dict[int, str]:
    """What lies in each lane: the sheet's sample, else a role that says more than sample."""
    roles = {lane.number: lane.role for lane in layout.lanes}
    return {lane: known.samples.get(lane) or (role if role != "sample" else "") for lane, role in sorted(roles.items())}


def kda_marks(layout: Layout, ladder: str | Sequence[float] | LadderFit | None) -> list[tuple[float, str]]:
    """Row and mass of each ladder band that the ladder's fit uses; empty where there is no ladder or none fits."""
    if ladder is None:
        return []
    if isinstance(ladder, LadderFit):
        return [(round(row, 1), f"{kda:g}") for row, kda in zip(ladder.rows, ladder.kda, strict=True)]
    marks = []
    for strip in layout.strips:
        try:
            fit = find_ladder(layout, strip.id, ladder)
        except LadderError:
            continue
        if fit is not None:
            marks += [(round(row, 1), f"{kda:g}") for row, kda in zip(fit.rows, fit.kda, strict=True)]
    return marks


def row_marks(layout: Layout, font: float, *, with_targets: bool = False) -> list[tuple[float, float, str]]:
    """Column, row and name of each row that the sample lanes show, right of the last of them; names stand apart."""
    marks: list[tuple[float, float, str]] = []
    for strip in layout.strips:
        lanes = {lane.id for lane in layout.lanes_of(strip.id) if lane.role not in ("ladder", "excluded")}
        names, bands = layout.row_names(strip.id), [band for band in layout.bands if band.lane in lanes]
        col = max((band.box.col_stop for band in bands), default=0) + font * 0.3
        last = -float("inf")
        own = {row: [band for band in bands if band.row == row] for row in names}
        for row in sorted((row for row in own if own[row]), key=lambda row: median(b.peak[0] for b in own[row])):
            targets = dict.fromkeys(band.target for band in own[row] if band.target)
            text = " ".join((names[row], *targets)) if with_targets else names[row]
            last = max(max(own[row], key=lambda band: band.peak[1]).peak[0], last + font * 0.95)
            marks.append((round(col, 1), round(last, 1), text))
    return marks


def room_beside(rows: Sequence[tuple[float, float, str]], width: int, font: float) -> float:
    """Columns right of a picture that the names of its rows need."""
    return max([0.0, *(col + 0.62 * font * len(text) - width for col, _, text in rows)])


def splice_marks(layout: Layout) -> list[str]:
    """Where a figure panel of the sample lanes is spliced: each lane that it leaves out between others."""
    marks = []
    for strip in layout.strips:
        lanes = sorted(layout.lanes_of(strip.id), key=lambda lane: lane.number)
        shown = [lane.number for lane in lanes if lane.role in SHOWN_ROLES]
        between = [x for x in lanes if shown and shown[0] < x.number < shown[-1] and x.number not in shown]
        marks += [points_of(lane.outline) for lane in between]
    return marks


def _doubts(analysis: Analysis) -> list[tuple[Flag, str]]:
    """Serious flags of the probe's own bands, with the lanes that carry them."""
    lanes: dict[str, list[int]] = {}
    named = [row for row in analysis.band_rows if row["target"] is not None]
    for row in named:
        for name in split_flags(row["flags"]):
            if FLAGS[name].level != "info":
                lanes.setdefault(name, []).append(row["lane"])
    every = sorted({row["lane"] for row in named})
    found = []
    for name, where in ((name, sorted(set(lanes[name]))) for name in FLAGS if name in lanes):
        one = "lane " if len(where) == 1 else "lanes "
        found.append((FLAGS[name], "all lanes" if where == every else one + ", ".join(map(str, where))))
    return found


def points_of(outline: Polygon) -> str:
    """An outline as the points of an SVG polygon."""
    return " ".join(f"{c + 0.5:.1f},{r + 0.5:.1f}" for r, c in outline)


def lane_mark(lane: Lane, labels: Mapping[int, str]) -> dict[str, Any]:
    """What is drawn of a lane: its outline, number, sample, and whether it is in doubt."""
    return {
        "points": points_of(lane.outline),
        "number": lane.number,
        "role": lane.role,
        "label": labels.get(lane.number, ""),
        "x": round(lane.center[0][1] + 0.5, 1),
        "doubtful": lane.confidence < 0.5,
    }


def _band_marks(analysis: Analysis) -> list[dict[str, Any]]:
    rows = {row["band_id"]: row for row in analysis.band_rows}
    marks = []
    for band in analysis.layout.bands:
        row = rows[band.id]
        flags = split_flags(row["flags"])
        # As it was measured: a band that the search only expected in its row may be there all the same.
        told = [f"lane {row['lane']}", band.target or f"band {row['band']}", row["status"].replace("_", " ")]
        told += [f"volume {row['volume']:.4g} ± {row['volume_sd']:.2g}", *flags]
        kinds = [row["status"], band.origin, *(["saturated"] if "saturated" in flags else [])]
        kinds += [] if band.target else ["unnamed"]
        marks.append({"points": points_of(band.outline), "title": ", ".join(told), "class": " ".join(kinds)})
    return marks


def _numbers(analysis: Analysis, labels: Mapping[int, str], *, by_lane: bool) -> Markup:
    """Table of the bands, or of the lanes of a stain, which is measured by them."""
    sample = View("sample", "From the sample sheet", lambda row: Cell(labels.get(int(row["lane"]), "")))
    lane = View("lane", "Lane, left to right", value("lane"))
    flags = View("flags", "See the list of flags", words("flags"))
    if by_lane:
        meaning = "Background-corrected sum of counts over the whole lane"
        views: Sequence[View] = (lane, sample, View("volume ± SD", meaning, with_sd("volume", "volume_sd")), flags)
        return table_html(plain_rows(analysis.lane_rows, LANE_COLUMNS), views)
    several = len(analysis.layout.strips) > 1
    views = (
        *([View("strip", "Strip, top to bottom", value("strip"))] if several else []),
        lane,
        sample,
        View("band", "Band of the lane, top to bottom", value("band")),
        View("row", "Row of the strip, the same protein in every lane", words("row")),
        View("target", "The protein it was assigned to", value("target")),
        View("kDa ± error", "From the ladder; error: its band beside left out", with_sd("mw_kda", "kda_error")),
        View("volume ± SD", "Background-corrected sum of counts", with_sd("volume", "volume_sd")),
        View("SNR", "Volume / its SD", value("snr", 3)),
        View("background", "Mean background under the band, counts per pixel", value("background_mean", 4)),
        View("saturated px", "Pixels at the ceiling", value("saturated_px")),
        View("found", "Detected, expected from its row, edited or drawn by hand", value("origin")),
        flags,
    )
    return table_html(plain_rows(analysis.band_rows, BAND_COLUMNS), views)


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
    for analysis, facts, own in zip(analyses, constants, known, strict=True):
        layout, (height, width) = analysis.layout, analysis.image.shape
        font = max(9.0, width / 26)
        labels = lane_labels(layout, own)
        rows = [] if own.stain else row_marks(layout, font, with_targets=True)
        exposure = facts.get("exposure_s")
        pictures.append({
            "title": analysis.image.name,
            "probe": facts.get("probe"),
            "exposure": None if is_missing(exposure) else f"{exposure:g}",
            "uri": encode_picture(analysis.image, *picture_contrast(analysis.image, layout), longest=LONGEST_PX),
            "width": width,
            "height": height,
            "font": font,
            # A name leans by 60 degrees over its lane's number.
            "top": font * (2.0 + 0.42 * max((len(label) for label in labels.values()), default=0)),
            "margin_right": max(room_beside(rows, width, font), font * 2),
            "lanes": [lane_mark(lane, labels) for lane in layout.lanes],
            "bands": [points_of(band.outline) for band in layout.bands if band.target and not own.stain],
            "rows": rows,
            "words": analysis.identity.words if analysis.identity else "analysed alone",
            "held": analysis.identity is not None and not analysis.identity.is_known,
            "least": f"{min((lane.confidence for lane in layout.lanes), default=0.0):.0%}",
        })  # fmt: skip
    line = tie_words(identities) if identities else "nothing tied its pictures"
    held = any(picture["held"] for picture in pictures)
    return render("identity.html.j2", title=title, line=line, held=held, pictures=pictures)
