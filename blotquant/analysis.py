"""One entry for analysing a picture, or the pictures of one membrane, for every door; it holds the order of the steps.

1. Strips, lanes and bands are found (`find`), rows that touch taken apart, and again from any step on (`find_again`).
2. What a hand corrected stands in the session and is laid over that (`blotquant.session`).
3. Bands are measured, rows named by what the experiment says, and bands measured again only where naming changes what
   there is to measure (`quantify_bands`); then the lanes (`quantify`).

Values in, values out: nothing here touches a folder. One picture with one session gives one set of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.ndimage import distance_transform_edt

from blotquant.detection.lane_ties import Expected, LaneIdentity
from blotquant.detection.membrane_strips import keep_row_numbers
from blotquant.detection.membranes import NOT_IDENTIFIED, find_membrane, with_lane_flag
from blotquant.detection.picture import find_bands_again, find_lanes_again, find_layout
from blotquant.detection.turned import search_turned, turn_layout, turn_picture
from blotquant.doublets.overlaps import undivided_rows, unresolved_rows
from blotquant.doublets.split import resolve_doublets
from blotquant.errors import ImageError
from blotquant.identification.ladder import LadderError, own_or_marker
from blotquant.identification.mass_scale import add_kda, mend_rows
from blotquant.identification.sheet import CONTRADICTED, find_contradiction
from blotquant.identification.targets import Naming, assign_targets
from blotquant.model.geometry import Layout
from blotquant.model.image import BlotImage, FloatImage
from blotquant.quantification.bands import measure_rows
from blotquant.quantification.lanes import LaneProfile, lane_rows
from blotquant.quantification.prepared_image import PreparedImage, prepare_image
from blotquant.session.session import Session, make_session
from blotquant.settings import Settings
from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS, make_table
from blotquant.threads import single_threaded, stage

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


Step = Literal["strips", "lanes", "bands"]

MIN_EDGE_PX = 16
"""Shorter than any lane with a band in it."""


@single_threaded
def find(image: BlotImage, settings: Settings, layout: Layout | None = None, step: Step = "strips") -> Layout:
    """Find the strips, lanes and bands of one picture: the one way in which a picture gets its automatic result.

    Parameters
    ----------
    image : BlotImage
        The picture.
    settings : Settings
        Parameters.
    layout : Layout, optional
        What stands already, for the steps after the first.
    step : {"strips", "lanes", "bands"}
        Where to begin: the strips of `layout` stay from ``"lanes"`` on, its lanes too from ``"bands"`` on.

    Raises
    ------
    ImageError
        If the picture is too small for a lane.
    """
    given, ceiling = settings.detection, image.ceiling
    # Each is given counts and what stands already; all lie turned where the picture does.
    searches: dict[Step, Callable[[FloatImage, Layout], Layout]] = {
        "strips": lambda signal, _: find_layout(signal, ceiling=ceiling, settings=given, n_lanes=given.n_lanes),
        "lanes": lambda signal, there: find_lanes_again(signal, there, ceiling=ceiling, settings=given),
        "bands": lambda signal, there: find_bands_again(signal, there, settings=given),
    }
    with stage("find"):
        found = search_turned(searchable(image), image.orientation.lean_deg, searches[step], layout)
    return divided(image, found, settings)


def searchable(image: BlotImage) -> FloatImage:
    """The signal without gaps, for finding; measuring keeps them.

    Pixels that are no number are at the picture's median: nothing to see there. Under a coloured mark the nearest
    pixels go on: a saturation colour lies in the middle of a band.

    Raises
    ------
    ImageError
        If an edge is shorter than `MIN_EDGE_PX`: no lane has room.
    """
    rows, cols = image.shape
    if min(rows, cols) < MIN_EDGE_PX:
        msg = (
            f"{image.name}: {cols} × {rows} pixels are too few for a blot; at least {MIN_EDGE_PX} × {MIN_EDGE_PX} "
            "are needed; give the original picture"
        )
        raise ImageError(msg)
    signal = image.signal()
    finite = np.isfinite(signal) if image.may_lack_numbers else np.ones(0, dtype=bool)
    if finite.all() or not finite.any():
        return signal
    filled = np.where(finite, signal, np.median(signal[finite]))
    if image.marks is not None:
        nearest = distance_transform_edt(image.marks, return_distances=False, return_indices=True)
        filled = filled[tuple(nearest)]
    return filled


def divided(image: BlotImage, layout: Layout, settings: Settings) -> Layout:
    """Rows follow the membrane's course, and two found rows that touch share out the signal between them."""
    for strip in layout.strips:
        layout = mend_rows(layout, strip.id)
    with stage("doublets"):
        return resolve_doublets(image.signal(), layout, ceiling=image.ceiling, settings=settings.identification)


@single_threaded
def find_again(image: BlotImage, session: Session, step: Step | None = None) -> Layout:
    """Search a picture again with the session's present settings; the one way for API, command line and plugin.

    Parameters
    ----------
    image : BlotImage
        The session's picture.
    session : Session
        With its corrections.
    step : {"strips", "lanes", "bands"}, optional
        Where to begin; what comes before stands as corrected. When not given, nothing that a hand corrected is
        found again: bands only where lanes were corrected, lanes where strips were.

    Returns
    -------
    Layout
        What is found now; `Session.take_over` lays the corrections over it.
    """
    kinds = {edit.kind for edit in session.edits_by_hand}
    first = step or ("bands" if "lane" in kinds else "lanes" if "strip" in kinds else "strips")
    return find(image, session.settings, None if first == "strips" else session.layout, first)


@dataclass(frozen=True, eq=False, kw_only=True)
class Analysis:
    """One picture, analysed.

    Attributes
    ----------
    image : BlotImage
        The picture, with the polarity that was used.
    session : Session
        The automatic result and the corrections over it.
    layout : Layout
        What was weighed: the session's layout with targets assigned.
    band_rows, lane_rows : list of dict
        The measured bands and lanes, as plain values by column of `blotquant.tables`.
    lane_profiles : dict of str to LaneProfile
        What each lane was measured on, by its id.
    scene : PreparedImage
        The picture as it was prepared for quantification, for profiles and live re-measuring.
    identity : LaneIdentity or None
        How its lanes are known to be those of the membrane; None for a picture analysed alone.
    """

    image: BlotImage
    session: Session
    layout: Layout
    band_rows: list[dict[str, Any]]
    lane_rows: list[dict[str, Any]]
    lane_profiles: dict[str, LaneProfile]
    scene: PreparedImage
    identity: LaneIdentity | None = None

    @cached_property
    def bands(self) -> pd.DataFrame:
        """The measured bands, with `BAND_COLUMNS`."""
        return make_table(self.band_rows, BAND_COLUMNS)

    @cached_property
    def lanes(self) -> pd.DataFrame:
        """The measured lanes, with `LANE_COLUMNS`."""
        return make_table(self.lane_rows, LANE_COLUMNS)


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """One picture of a membrane, with its earlier session where it has one, and what is known of its proteins."""

    image: BlotImage
    session: Session | None = None
    naming: Naming | None = None


@single_threaded
def analyze(
    image: BlotImage,
    settings: Settings | None = None,
    *,
    session: Session | None = None,
    naming: Naming | None = None,
    session_folder: Path | None = None,
) -> Analysis:
    """Find and quantify everything in one picture.

    Parameters
    ----------
    image : BlotImage
        The picture.
    settings : Settings, optional
        Parameters; the session's where one is given.
    session : Session, optional
        An earlier session of this picture: its automatic result and corrections are used as they stand.
    naming : Naming, optional
        Probe, targets and ladder; without it bands keep the targets that a hand gave them.
    session_folder : pathlib.Path, optional
        Where a new session will be kept; it refers to the picture relative to that folder.

    Returns
    -------
    Analysis
        Measured by `measure_bands` and `measure_lanes` and nothing else.
    """
    if session is None:
        settings = settings or Settings()
        session = make_session(image, find(image, settings), settings=settings, folder=session_folder)
    return quantify(image, session, naming=naming)


@single_threaded
def analyze_membrane(
    pictures: Sequence[Picture],
    settings: Settings | None = None,
    *,
    expected: Expected | None = None,
    session_folder: Path | None = None,
) -> list[Analysis]:
    """Find and quantify all pictures of one membrane; their lanes are found jointly.

    A lane that is empty for one probe is lit for another or for the stain, so that all pictures agree about the
    lanes. A picture that has a session keeps it.

    Parameters
    ----------
    pictures : sequence of Picture
        Pictures of one membrane, or of one strip of it.
    settings : Settings, optional
        Parameters of the search and of the weighing.
    expected : Expected, optional
        What the sample sheet says.
    session_folder : pathlib.Path, optional
        Where new sessions will be kept.

    Returns
    -------
    list of Analysis
        In the order of `pictures`.
    """
    settings, expected = settings or Settings(), expected or Expected()
    if expected.n_lanes is None:
        expected = replace(expected, n_lanes=settings.detection.n_lanes)
    with stage("find"):
        turned = [turn_picture(searchable(p.image), p.image.orientation.lean_deg) for p in pictures]
        there, identities = find_membrane(
            [signal for signal, _ in turned],
            ceilings=[picture.image.ceiling for picture in pictures],
            settings=settings.detection,
            sheet=expected,
        )
        layouts = [turn_layout(found, np.linalg.inv(way)) for found, (_, way) in zip(there, turned, strict=True)]
    # What the pictures show may contradict the sheet; a hand that corrected lanes has looked at that.
    trouble = ""
    if not any(p.session for p in pictures):
        trouble = find_contradiction([picture.image.signal() for picture in pictures], layouts, expected.roles)
    if trouble:
        layouts = [with_lane_flag(layout, CONTRADICTED) for layout in layouts]
        identities = [replace(identity, trouble=identity.trouble or trouble) for identity in identities]
    results = []
    for picture, layout, identity in zip(pictures, layouts, identities, strict=True):
        session = picture.session
        if session is None:
            # The sheet knows which lanes hold ladder and samples.
            lanes = (replace(lane, role=expected.roles.get(lane.number, lane.role)) for lane in layout.lanes)
            found = divided(picture.image, replace(layout, lanes=tuple(lanes)), settings)
            session = make_session(picture.image, found, settings=settings, folder=session_folder)
        elif corrected_lanes(session):
            identity = LaneIdentity(n_seen=len(session.layout.lanes), n_lanes=len(session.layout.lanes), by_hand=True)
        analysis = quantify(picture.image, session, naming=picture.naming, strip=expected.strip)
        results.append(replace(analysis, identity=identity))
    return results


def corrected_lanes(session: Session) -> bool:
    """Whether a hand corrected the session's lanes, and so has said which is which."""
    return any(edit.kind in ("lane", "strip") for edit in session.edits_by_hand)


@single_threaded
def quantify(image: BlotImage, session: Session, *, naming: Naming | None = None, strip: int | None = None) -> Analysis:
    """Name and quantify the bands of a session, hand corrections included.

    Parameters
    ----------
    image : BlotImage
        The session's picture, read with the session's polarity.
    session : Session
        What to quantify.
    naming : Naming, optional
        Probe, targets and ladder.
    strip : int, optional
        The only strip to quantify; a session that was begun without it may hold others.

    Raises
    ------
    ValueError
        If the picture was read with the other polarity: its ceiling would be the wrong one.
    """
    layout, scene, bands = quantify_bands(image, session, naming=naming, strip=strip)
    # A lane in which the measurement shows a band is not empty, whatever finding said.
    lit = {row["band_id"] for row in bands if row["status"] == "detected"}
    lit_lanes = {band.lane for band in layout.bands if band.id in lit}
    layout = _without_flags(layout, lit_lanes, "empty_lane")
    with stage("lanes"):
        measured, profiles = lane_rows(image, layout, settings=session.settings.quantification)
    return Analysis(
        image=image,
        session=session,
        layout=layout,
        band_rows=bands,
        lane_rows=measured,
        lane_profiles=profiles,
        scene=scene,
    )


@single_threaded
def quantify_bands(
    image: BlotImage, session: Session, *, naming: Naming | None = None, strip: int | None = None
) -> tuple[Layout, PreparedImage, list[dict[str, Any]]]:
    """Name and quantify the bands of a session, as `quantify` does, without the lanes.

    Returns
    -------
    layout, scene, band_rows
        As in `Analysis`.

    Notes
    -----
    Which of several rows is a protein's is told by how strong they are, so bands are measured before they are named.
    They are measured again only where naming changes what is measured: it takes a doublet apart, or expects a band in
    a lane that lacks it. No number depends on a name. In the sample study 17 pictures are measured 20 times.
    """
    settings = session.settings
    if image.polarity != session.polarity:
        msg = f"the session weighs {session.polarity} bands; read {image.name} with polarity={session.polarity!r}"
        raise ValueError(msg)
    layout = session.layout
    if corrected_lanes(session):
        # Lanes that a hand corrected are no longer in doubt.
        layout = _without_flags(layout, {lane.id for lane in layout.lanes}, NOT_IDENTIFIED, CONTRADICTED)
    layout = layout if strip is None else layout.only_strip(strip)
    scene, bands = _measured(image, layout, settings)
    if naming is None:
        try:
            # Masses by the settings' ladder, or by what a hand named its bands.
            return layout, scene, add_kda(bands, layout, ladder=settings.identification.ladder)
        except ValueError as error:  # a product that no preset knows
            raise LadderError(str(error)) from None
    if not naming.targets:
        return layout, scene, bands

    naming = replace(naming, ladder=own_or_marker(layout, naming.ladder, naming.marker))
    with stage("name"):
        named = _assigned(layout, bands, naming, settings)
        divided = _divided_doublets(image, layout, named, naming, settings)
    if divided is not None:
        # The parts are new bands: their strength must be known before rows are chosen again.
        layout = divided
        scene, bands = _measured(image, layout, settings)
        with stage("name"):
            named = _assigned(layout, bands, naming, settings)
    plain = [tuple(replace(b, target=None) for b in x.sorted().bands) for x in (layout, named)]
    if plain[0] == plain[1] and replace(named, bands=()) == replace(layout, bands=()):
        targets = {band.id: band.target for band in named.bands}
        bands = [{**row, "target": targets[row["band_id"]]} for row in bands]
    else:
        scene, bands = _measured(image, named, settings)
    return named, scene, add_kda(bands, named, targets=naming.targets, ladder=naming.ladder)


def _without_flags(layout: Layout, lanes: set[str], *names: str) -> Layout:
    """The layout without some flags of some of its lanes."""
    kept = {x.id: tuple(flag for flag in x.flags if x.id not in lanes or flag not in names) for x in layout.lanes}
    return replace(layout, lanes=tuple(replace(lane, flags=kept[lane.id]) for lane in layout.lanes))


def _measured(image: BlotImage, layout: Layout, settings: Settings) -> tuple[PreparedImage, list[dict[str, Any]]]:
    """A picture prepared for quantification, and all bands of a layout measured in it."""
    with stage("scene"):
        scene = prepare_image(image, layout, settings=settings.quantification)
    with stage("measure"):
        layout = layout.sorted()
        return scene, measure_rows(image, layout, scene, only={band.id for band in layout.bands})


def _assigned(layout: Layout, bands: list[dict[str, Any]], naming: Naming, settings: Settings) -> Layout:
    """The layout with targets; lanes that lacked a band in a named row have an expected one."""
    return assign_targets(
        layout,
        (*naming.targets, *naming.together),
        probe=naming.probe,
        ladder=naming.ladder,
        table={name: [row[name] for row in bands] for name in ("band_id", "volume")},
        kda_tolerance=settings.identification.kda_tolerance,
    )


def _divided_doublets(
    image: BlotImage, layout: Layout, named: Layout, naming: Naming, settings: Settings
) -> Layout | None:
    """The layout with declared doublets that show one row taken apart; None where there are none."""
    parts = [name for target in naming.targets if len(target.mw_kda) > 1 for name in target.band_names]
    merged = [*unresolved_rows(named), *undivided_rows(named, parts)]
    if not merged:
        return None
    found = resolve_doublets(
        image.signal(), named, ceiling=image.ceiling, rows=merged, settings=settings.identification
    )
    return keep_row_numbers(found, layout)
