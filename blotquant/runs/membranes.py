"""One membrane as a unit of work: all of its pictures, their lanes found jointly, checked against the sample sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant.errors import BlotQuantError, LaneCountError
from blotquant.flags import FLAGS, split_flags
from blotquant.io import read_image
from blotquant.io.files import sha256_of, table_records
from blotquant.model.geometry import LaneRole, Layout
from blotquant.runs.pictures import make_part, named, placed, software, with_timings
from blotquant.runs.store import Part, fingerprint
from blotquant.session.image_reference import check_same_orientation, check_same_picture
from blotquant.session.session import load_session
from blotquant.settings import Settings
from blotquant.text import relative_path, say
from blotquant.threads import stage, timed

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.analysis import Analysis, Picture
    from blotquant.experiment.design import Experiment, ImageEntry
    from blotquant.identification.ladder import LadderFit
    from blotquant.identification.targets import Naming
    from blotquant.model.image import BlotImage, Orientation
    from blotquant.session.session import Session


@dataclass(frozen=True, kw_only=True)
class MembraneTask:
    """Measure all pictures of one membrane, their lanes found jointly.

    Attributes
    ----------
    blot, membrane : str
        Which.
    pictures : tuple of (ImageEntry, pathlib.Path)
        The entries of the experiment file and where the files lie.
    namings : tuple of Naming
        Probe, targets and ladder of each picture.
    roles : mapping of int to str
        Role of each lane by the sheet; their number is the lane count that guides the search. Empty where the
        sheet is silent.
    samples : mapping of int to str
        What lies in each lane, for the report.
    settings : Settings
        Parameters.
    session_folder : pathlib.Path
        Where sessions are kept.
    corrected : mapping of str to pathlib.Path
        Session name of a picture to the session whose hand corrections it takes.
    n_strips : int or None
        Most strips that the experiment names in one of these pictures.
    timings : bool
        Whether the summary tells the seconds of each stage.
    markers : tuple of pathlib.Path or None
        Marker picture of each picture, where it has one.
    """

    blot: str
    membrane: str
    pictures: tuple[tuple[ImageEntry, Path], ...]
    namings: tuple[Naming, ...]
    roles: Mapping[int, LaneRole]
    samples: Mapping[int, str]
    settings: Settings
    session_folder: Path
    corrected: Mapping[str, Path] = field(default_factory=dict)
    n_strips: int | None = None
    timings: bool = False
    markers: tuple[Path | None, ...] = ()

    @property
    def key(self) -> str:
        """Name of the unit."""
        return unit_key(self.blot, self.membrane)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that the result depends on; reads the files."""
        records = [None if session is None else session.history.edits[-1].hash for session in self.sessions()]
        entries = [(entry.name, entry.model_dump(mode="json")) for entry, _ in self.pictures]
        namings = [repr(naming) for naming in self.namings]
        # Sessions say where their pictures lie.
        files = [(relative_path(path, self.session_folder), sha256_of(path)) for _, path in self.pictures]
        markers = [sha256_of(path) for path in self.markers if path is not None]
        roles = sorted((lane, role, self.samples.get(lane)) for lane, role in self.roles.items())
        settings = self.settings.model_dump(mode="json")
        return fingerprint(software(), entries, namings, files, markers, records, roles, settings, self.n_strips)

    @property
    def session_paths(self) -> tuple[Path, ...]:
        """Where the session of each picture lies."""
        return tuple(self.session_folder / entry.session_name for entry, _ in self.pictures)

    def sessions(self) -> list[Session | None]:
        """Load the corrected session of each picture; None where there is none."""
        found = [self.corrected.get(entry.session_name) for entry, _ in self.pictures]
        return [None if path is None else load_session(path) for path in found]


def unit_key(blot: str, membrane: str) -> str:
    """Name of a membrane's unit of work."""
    return f"blot {blot}, membrane {membrane}"


def membrane_tasks(
    experiment: Experiment,
    settings: Settings,
    session_folder: Path,
    corrected: Mapping[str, Path] | None = None,
    *,
    timings: bool = False,
) -> dict[str, MembraneTask]:
    """The units of work of an experiment, by name; `corrected` names the sessions whose corrections are used."""
    strips: dict[str, int] = {}
    for entry in experiment.images:
        strips[entry.file] = max(strips.get(entry.file, 0), entry.strip or 0)
    tasks = (
        MembraneTask(
            blot=blot,
            membrane=membrane,
            pictures=tuple((entry, experiment.image_path(entry).absolute()) for entry in entries),
            namings=tuple(_naming(experiment, entry, settings) for entry in entries),
            roles=experiment.roles_of(blot, membrane),
            samples=_samples(experiment, blot, membrane),
            settings=settings,
            session_folder=session_folder,
            corrected=corrected or {},
            n_strips=max(strips[entry.file] for entry in entries) or None,
            timings=timings,
            markers=tuple(
                None if (x := e.ladder_image) is None else (experiment.folder / x).absolute() for e in entries
            ),
        )
        for blot, membrane, entries in experiment.membranes()
    )
    return {task.key: task for task in tasks}


def _samples(experiment: Experiment, blot: str, membrane: str) -> dict[int, str]:
    rows = experiment.samples_of(blot, membrane).dropna(subset=["sample"])
    return {int(lane): str(sample) for lane, sample in zip(rows["lane"], rows["sample"], strict=True)}


def _naming(experiment: Experiment, entry: ImageEntry, settings: Settings) -> Naming:
    from blotquant.identification.targets import Naming, Target

    ladder = settings.identification.ladder or experiment.ladder
    if experiment.is_stain(entry.probe):
        return Naming(probe=entry.probe, ladder=ladder)

    def target_of(shown: ImageEntry) -> Target:
        declared = experiment.targets.get(shown.probe)
        row = declared.row if declared is not None else None
        return Target(name=shown.probe, mw_kda=experiment.mw_of(shown.probe), row=row, at=shown.at)

    def picture_of(shown: ImageEntry) -> tuple[object, ...]:
        place = shown.file, shown.page, shown.channel, shown.orientation, shown.strip
        return *place, shown.blot, shown.membrane, shown.exposure_s

    others = (shown for shown in experiment.images_of(blot=entry.blot) if picture_of(shown) == picture_of(entry))
    together = tuple(target_of(x) for x in others if x.probe != entry.probe and not experiment.is_stain(x.probe))
    return Naming(probe=entry.probe, targets=(target_of(entry),), ladder=ladder, together=together)


def measure_membrane(task: MembraneTask) -> Part:
    """Measure one membrane.

    Raises
    ------
    BlotQuantError
        If a picture cannot be read or the lanes do not fit the sheet; the message names it.
    """
    with timed(wanted=task.timings) as seconds:
        with stage("read"):
            # The fingerprint is taken first: a picture that changes meanwhile is measured again when resumed.
            mark = task.fingerprint
            pictures = _pictures(task)
        analyses = _analyses(task, pictures)
        with stage("tables"):
            part = _make_part(task, mark, pictures, analyses)
        with stage("more"):
            tables = {**part.tables, **_more_tables(task, analyses)}
    return with_timings(replace(part, tables=tables), seconds)


def _pictures(task: MembraneTask) -> list[Picture]:
    from blotquant.analysis import Picture

    sessions = task.sessions()
    images = [
        _read(entry, path, session, task.settings)
        for (entry, path), session in zip(task.pictures, sessions, strict=True)
    ]
    # A marker picture that several pictures name is looked at once.
    layouts: dict[tuple[Path, Orientation], Layout] = {}
    markers = task.markers or [None] * len(images)
    return [
        Picture(
            image=image,
            session=session and placed(session, image, task.session_folder),
            naming=naming if path is None else replace(naming, marker=_marker(entry, path, image, naming, layouts)),
        )
        for image, session, naming, (entry, _), path in zip(
            images, sessions, task.namings, task.pictures, markers, strict=True
        )
    ]


def _marker(
    entry: ImageEntry,
    path: Path,
    image: BlotImage,
    naming: Naming,
    layouts: dict[tuple[Path, Orientation], Layout],
) -> LadderFit | None:
    """The ladder of the entry's marker picture; none where its frame is another, since rows would not fit."""
    from blotquant.detection.picture import find_layout
    from blotquant.identification.ladder import LadderFit, find_marker

    if not naming.targets or isinstance(naming.ladder, LadderFit):
        return None
    try:
        marker = read_image(path, orientation=entry.orientation)
    except BlotQuantError as error:
        say(f"note: ladder_image of {entry.name}: {error}; unused")
        return None
    if marker.shape != image.shape:
        sizes = [f"{columns} × {rows} px" for rows, columns in (marker.shape, image.shape)]
        say(f"note: {marker.name}: {sizes[0]}, not the {sizes[1]} of the picture whose ladder it is to show; unused")
        return None
    if marker.orientation.lean_deg:
        say(f"note: {marker.name}: a marker picture is read at quarter turns only; it is not used for {entry.name}")
        return None
    key = (path, marker.orientation)
    if key not in layouts:
        layouts[key] = find_layout(marker.signal(), ceiling=marker.ceiling)
    layout = layouts[key]
    fit = find_marker(layout, naming.ladder, strip=entry.strip if len(layout.strips) > 1 else None)
    if fit is None:
        say(f"note: {marker.name}: no lane whose bands fit the ladder; it is not used for {entry.name}")
    return fit


def _analyses(task: MembraneTask, pictures: Sequence[Picture]) -> list[Analysis]:
    """Lanes are found jointly over the pictures of one strip; another strip has rows and centre lines of its own."""
    from blotquant.analysis import analyze_membrane
    from blotquant.detection.lane_ties import Expected

    found: dict[int, Analysis] = {}
    with named(task.key):
        for strip in dict.fromkeys(entry.strip for entry, _ in task.pictures):
            mine = [k for k, (entry, _) in enumerate(task.pictures) if entry.strip == strip]
            expected = Expected(
                n_lanes=len(task.roles) or None,
                roles=task.roles,
                strip=strip,
                n_strips=task.n_strips,
                first_lanes=tuple(task.pictures[k][0].first_lane for k in mine),
            )
            analyses = analyze_membrane(
                [pictures[k] for k in mine], task.settings, expected=expected, session_folder=task.session_folder
            )
            found |= dict(zip(mine, analyses, strict=True))
        for k, (entry, _) in enumerate(task.pictures):
            check_lane_count(found[k].layout, len(task.roles), picture=entry.name)
    return [found[k] for k in range(len(pictures))]


def _make_part(task: MembraneTask, mark: str, pictures: Sequence[Picture], analyses: Sequence[Analysis]) -> Part:
    from blotquant.detection.lane_ties import tie_words
    from blotquant.identification.ladder import own_or_marker
    from blotquant.report.blot import PictureWords, kda_marks, render_identity

    # What every row of a picture says besides its numbers.
    names = [path.name for path in task.session_paths]
    extra, pairs = {}, {}
    for name, (entry, _), analysis in zip(names, task.pictures, analyses, strict=True):
        exposure_s = analysis.image.exposure_s
        extra[name] = {
            "blot": task.blot,
            "membrane": task.membrane,
            "probe": entry.probe,
            "exposure_s": float("nan") if exposure_s is None else exposure_s,
        }
        pairs[name] = (entry.name, analysis)
    # What the report needs to know of each picture: samples, masses, whether it is a stain.
    known = {}
    for name, picture, (entry, _), analysis in zip(names, pictures, task.pictures, analyses, strict=True):
        naming = picture.naming
        ladder = None
        # A stain's rows are those of the proteins in its sample lanes: no ladder is fitted to them.
        if naming is not None and naming.targets:
            ladder = own_or_marker(analysis.layout, naming.ladder, naming.marker)
        marks = kda_marks(analysis.layout, ladder)
        is_stain = naming is None or not naming.targets
        known[name] = PictureWords(samples=task.samples, marks=marks, stain=is_stain, strip=entry.strip)
    part = make_part(task.key, mark, pairs, extra=extra, draw=known)
    sheet = render_identity(
        analyses, title=task.key.capitalize(), constants=list(extra.values()), known=list(known.values())
    )
    line = tie_words([analysis.identity for analysis in analyses if analysis.identity is not None])
    return replace(part, figures={task.key: sheet, **part.figures}, summary={**part.summary, "identity": line})


def _more_tables(task: MembraneTask, analyses: Sequence[Analysis]) -> dict[str, list[dict[str, Any]]]:
    """What only the worker, who has the pictures at hand, can quantify: other ways of measuring, and carry-over."""
    from blotquant.quantification.alternatives import measure_alternatives
    from blotquant.runs.carry_over import check_membrane

    volumes: list[dict[str, Any]] = []
    probed: dict[int | None, list[tuple[str, Analysis]]] = {}
    for (entry, _), naming, analysis in zip(task.pictures, task.namings, analyses, strict=True):
        if not naming.targets:
            continue  # a stain has no bands of its own
        constants: dict[str, Any] = {
            "image": entry.name,
            "blot": task.blot,
            "membrane": task.membrane,
            "probe": entry.probe,
            "exposure_s": math.nan if analysis.image.exposure_s is None else analysis.image.exposure_s,
        }
        volumes += table_records(measure_alternatives(analysis.layout, analysis.scene), constants)
        probed.setdefault(entry.strip, []).append((entry.name, analysis))
    carried = [check_membrane(found, blot=task.blot, membrane=task.membrane) for found in probed.values()]
    return {
        "alternatives": volumes,
        "carry_over": [record for table in carried for record in table_records(table)],
    }


def check_lane_count(layout: Layout, n_expected: int, *, picture: str) -> None:
    """Compare the lanes of a picture with the sheet's.

    Raises
    ------
    LaneCountError
        If they differ, showing both counts and the lane that is most in doubt.
    """
    if not n_expected:
        return
    if len(layout.strips) > 1:
        msg = f"{picture}: {len(layout.strips)} strips found; say which one this entry means, such as strip = 1"
        raise LaneCountError(msg)
    if len(layout.lanes) != n_expected:
        doubtful = min(layout.lanes, key=lambda lane: lane.confidence, default=None)
        doubt = f"; most in doubt is lane {doubtful.number}" if doubtful else ""
        msg = (
            f"{picture}: {len(layout.lanes)} lanes in the picture, {n_expected} in the sample sheet{doubt}; "
            "correct the sheet (empty lanes and the ladder count), or the lanes with `blotquant edit`"
        )
        raise LaneCountError(msg)


def held_back(units: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """For each membrane, by its unit's name, the pictures whose lanes are not known to be the sheet's, and why."""
    found: dict[str, list[str]] = {}
    for unit in units:
        for picture in unit["pictures"]:
            if not picture["identified"]:
                found.setdefault(unit["unit"], []).append(f"{picture['image']}: {picture['identity']}")
    return {unit: list(dict.fromkeys(lines)) for unit, lines in found.items()}


def tell_readings(ratios: pd.DataFrame, held: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Give the ratios of held back pictures the readings that are possible as their reason."""
    if not held:
        return ratios
    import pandas as pd

    from blotquant.normalization.lane_ratios import UNKNOWN_LANES

    meanings = {name: FLAGS[name].meaning.rstrip(".") for name in UNKNOWN_LANES}
    reasons = []
    for row in ratios.to_dict("records"):
        reason = row["reason"]
        told = "; ".join(held.get(unit_key(str(row["blot"]), str(row["membrane"])), ()))
        for name, meaning in meanings.items():
            if isinstance(reason, str) and told and name in split_flags(row["flags"]):
                reason = reason.replace(meaning, told)
        reasons.append(reason)
    return ratios.assign(reason=pd.array(reasons, dtype="string"))


def _read(entry: ImageEntry, path: Path, session: Session | None, settings: Settings) -> BlotImage:
    """Read a picture as its entry says, else as it was corrected, else as the settings say."""
    said = "polarity" in entry.model_fields_set
    polarity = entry.polarity if said else settings.polarity
    known = settings if session is None else session.image
    with named(entry.name):
        if session is not None:
            check_same_orientation(session.image, entry.orientation, where=entry.name)
        image = read_image(
            path,
            page=known.page if entry.page is None else entry.page,
            channel=known.channel if entry.channel is None else entry.channel,
            polarity=session.polarity if session is not None else None if polarity == "auto" else polarity,
            exposure_s=entry.exposure_s,
            orientation=known.orientation if session is not None else entry.orientation or known.orientation,
            max_pixels=settings.max_pixels,
        ).with_(probe=entry.probe)
        if session is not None:
            check_same_picture(session.image, image.sha256, where=entry.name)
        return image
