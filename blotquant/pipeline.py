"""The composition: picture → strips, lanes, bands → hand corrections → targets → volumes.

Values in, values out: nothing here touches a folder. The command line, the notebook, the batch and the plugin all
go through these few functions, so one picture with one session gives one set of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blotquant.finding import find_bands_again, find_layout, find_membrane_layouts
from blotquant.geometry import LaneRole, Layout
from blotquant.image import BlotImage
from blotquant.measure import measure_bands, measure_lanes
from blotquant.scene import Scene, weigh_scene
from blotquant.session import Session, make_session
from blotquant.settings import Settings
from blotquant.targets import Target, assign_targets

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


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
    bands, lanes : DataFrame
        The measured tables, with the columns of `blotquant.tables`.
    scene : Scene
        The picture as it was prepared for weighing, for profiles and live re-measuring.
    """

    image: BlotImage
    session: Session
    layout: Layout
    bands: pd.DataFrame
    lanes: pd.DataFrame
    scene: Scene


@dataclass(frozen=True, kw_only=True)
class Naming:
    """What is known about a picture's proteins.

    Attributes
    ----------
    probe : str or None
        The antibody or stain it shows.
    targets : tuple of Target
        The proteins to look for.
    ladder : str or tuple of float or None
        Product name or masses in kDa of the ladder that was run.
    row : int or None
        Row of the strip, from 1 at the top, where the target is known to lie.
    """

    probe: str | None = None
    targets: tuple[Target, ...] = ()
    ladder: str | tuple[float, ...] | None = None
    row: int | None = None


def analyze(
    image: BlotImage,
    settings: Settings | None = None,
    *,
    session: Session | None = None,
    naming: Naming | None = None,
    session_folder: Path | None = None,
) -> Analysis:
    """Find and weigh everything in one picture.

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
        layout = find_layout(
            image.signal(), ceiling=image.ceiling, settings=settings.detection, n_lanes=settings.detection.n_lanes
        )
        session = make_session(image, layout, settings=settings, folder=session_folder)
    return weigh(image, session, naming=naming)


def analyze_membrane(
    images: Sequence[BlotImage],
    settings: Settings | None = None,
    *,
    n_lanes: int | None = None,
    strip: int | None = None,
    roles: Mapping[int, LaneRole] | None = None,
    sessions: Sequence[Session | None] | None = None,
    namings: Sequence[Naming | None] | None = None,
    session_folder: Path | None = None,
) -> list[Analysis]:
    """Find and weigh all pictures of one membrane; their lanes are found jointly.

    A lane that is empty for one probe is lit for another or for the stain, so that all pictures agree about the
    lanes. A picture that has a session keeps it.

    Parameters
    ----------
    images : sequence of BlotImage
        Pictures of one membrane, or of one strip of it.
    settings : Settings, optional
        Parameters of the search and of the weighing.
    n_lanes : int, optional
        Lanes of each strip as the sample sheet counts them.
    strip : int, optional
        The one strip of the pictures that is this membrane; all of them if not given.
    roles : mapping of int to str, optional
        Role of each lane as the sample sheet has it; a corrected session's own roles stand.
    sessions, namings : sequence, optional
        One for each picture, or None.
    session_folder : pathlib.Path, optional
        Where new sessions will be kept.

    Returns
    -------
    list of Analysis
        In the order of `images`.
    """
    settings = settings or Settings()
    kept = list(sessions) if sessions is not None else [None] * len(images)
    names = list(namings) if namings is not None else [None] * len(images)
    layouts = find_membrane_layouts(
        [image.signal() for image in images],
        ceilings=[image.ceiling for image in images],
        settings=settings.detection,
        n_lanes=n_lanes if n_lanes is not None else settings.detection.n_lanes,
        strip=strip,
    )
    results = []
    for image, layout, session, naming in zip(images, layouts, kept, names, strict=True):
        found = _with_roles(layout, roles or {})
        used = session or make_session(image, found, settings=settings, folder=session_folder)
        results.append(weigh(image, used, naming=naming))
    return results


def _with_roles(layout: Layout, roles: Mapping[int, LaneRole]) -> Layout:
    return replace(layout, lanes=tuple(replace(x, role=roles.get(x.number, x.role)) for x in layout.lanes))


def weigh(image: BlotImage, session: Session, *, naming: Naming | None = None) -> Analysis:
    """Name and weigh the bands of a session, hand corrections included.

    Parameters
    ----------
    image : BlotImage
        The session's picture, read with the session's polarity.
    session : Session
        What to weigh.
    naming : Naming, optional
        Probe, targets and ladder.

    Raises
    ------
    ValueError
        If the picture was read with the other polarity: its ceiling would be the wrong one.
    """
    settings = session.settings
    if image.polarity != session.polarity:
        msg = f"the session weighs {session.polarity} bands; read {image.name} with polarity={session.polarity!r}"
        raise ValueError(msg)
    layout = session.layout
    if naming is not None and naming.targets:
        layout = assign_targets(layout, naming.targets, probe=naming.probe, ladder=naming.ladder)
    scene = weigh_scene(image, layout, settings=settings.weighing)
    return Analysis(
        image=image,
        session=session,
        layout=layout,
        bands=measure_bands(image, layout, scene=scene),
        lanes=measure_lanes(image, layout, settings=settings.weighing),
        scene=scene,
    )


def find_again(image: BlotImage, session: Session) -> Session:
    """Search the picture again with the session's present settings and lay its corrections over the new result.

    Corrected lanes are kept and searched for bands as they stand; corrections that no longer fit are listed in the
    new session's `conflicts`.
    """
    settings, signal = session.settings, image.signal()
    lanes_corrected = any(edit.kind in ("lane", "strip") for edit in session.history.effective())
    if lanes_corrected:
        layout = find_bands_again(signal, session.layout, settings=settings.detection)
    else:
        layout = find_layout(
            signal, ceiling=image.ceiling, settings=settings.detection, n_lanes=settings.detection.n_lanes
        )
    return replace(session, layout_auto=layout)
