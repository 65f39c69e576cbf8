"""One picture of a study that is being corrected: the study's ratios with that picture's present numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant.errors import BlotQuantError
from blotquant.experiment.design import Experiment, ImageEntry
from blotquant.io.files import sha256_of
from blotquant.runs.membranes import MembraneTask, membrane_tasks
from blotquant.runs.pictures import open_session_picture
from blotquant.runs.study import settings_of
from blotquant.session.session import SESSION_SUFFIX, load_session
from blotquant.settings import Settings
from blotquant.text import relative_path

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.identification.targets import Naming
    from blotquant.model.image import BlotImage
    from blotquant.session.session import Session


@dataclass(frozen=True, kw_only=True)
class StudyPicture:
    """One picture of a study.

    Attributes
    ----------
    entry : ImageEntry
        As the experiment file lists it.
    path : pathlib.Path
        The picture's file.
    session : pathlib.Path
        Where its session lies or will lie.
    naming : Naming
        What is known about its proteins.
    samples : mapping of int to str
        Sample of each lane.
    n_lanes : int or None
        Lanes by the sample sheet.
    """

    entry: ImageEntry
    path: Path
    session: Path
    naming: Naming
    samples: Mapping[int, str]
    n_lanes: int | None


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenStudy:
    """An experiment with its results, where it has any.

    Attributes
    ----------
    experiment : Experiment
        What belongs together.
    out : pathlib.Path or None
        The folder of its results.
    settings : Settings
        The experiment's parameters.
    pictures : tuple of StudyPicture
        In the order of the experiment's membranes.
    """

    experiment: Experiment
    out: Path | None
    settings: Settings
    pictures: tuple[StudyPicture, ...]
    _corrected: dict[tuple[str, str], dict[str, pd.DataFrame]] = field(default_factory=dict)

    @cached_property
    def written(self) -> Mapping[str, str]:
        """Checksums of the results' files as the last run wrote them."""
        from blotquant.runs.manifest import read_manifest

        return {} if self.out is None else read_manifest(self.out).outputs

    def tables_of(self, picture: StudyPicture) -> dict[str, pd.DataFrame]:
        """The bands and lanes of one picture: those of the results, or measured anew if its session was saved since."""
        tables = {name: self.tables[name] for name in ("bands", "lanes")}
        entry = picture.entry
        mine = {k: t[(t["image"] == entry.name) & (t["probe"] == entry.probe)] for k, t in tables.items()}
        if self.out is None or not picture.session.is_file():
            return mine
        checksum = sha256_of(picture.session)
        name = relative_path(picture.session, self.out)
        if self.written.get(name) == checksum:
            return mine
        key = (entry.name, checksum)
        if key not in self._corrected:
            session = load_session(picture.session)
            image = open_session_picture(session, picture.session.parent)
            self._corrected[key] = _measured(self, picture, image, session)
        return self._corrected[key]

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The bands, lanes, ratios and carry-over of the results, read once; none where there are no results."""
        from blotquant.io.files import read_table
        from blotquant.tables import BAND_COLUMNS, CARRY_OVER_COLUMNS, LANE_COLUMNS, RATIO_COLUMNS

        columns = {
            "bands": BAND_COLUMNS,
            "lanes": LANE_COLUMNS,
            "ratios": RATIO_COLUMNS,
            "carry_over": CARRY_OVER_COLUMNS,
        }
        if self.out is None or not all((self.out / f"{name}.csv").is_file() for name in columns):
            return {}
        return {name: read_table(self.out / f"{name}.csv", of) for name, of in columns.items()}

    def picture_of(self, session: Path | None, path: Path | None) -> StudyPicture | None:
        """The picture whose session or file that is; None if it is none of the study's."""
        return next((p for p in self.pictures if session is not None and _same(p.session, session)), None) or next(
            (p for p in self.pictures if path is not None and _same(p.path, path)), None
        )

    def membrane_of(self, picture: StudyPicture) -> list[Path]:
        """The other pictures of a picture's membrane and strip: their sessions, or their files where there are none."""
        mine = picture.entry
        places = [
            p.session if p.session.is_file() else p.path
            for p in self.pictures
            if (p.entry.blot, p.entry.membrane, p.entry.strip) == (mine.blot, mine.membrane, mine.strip)
            and not (_same(p.path, picture.path) and p.entry.page == mine.page and p.entry.channel == mine.channel)
        ]
        return list(dict.fromkeys(places))


def open_study(place: Path) -> OpenStudy | None:
    """Read the study behind an experiment file, its folder, or a folder of results.

    Returns
    -------
    OpenStudy or None
        None where there is no experiment.

    Raises
    ------
    BlotQuantError
        If the experiment file is wrong; the message names all mistakes.
    """
    from blotquant.experiment.read import read_experiment

    out, file = _find(place)
    if file is None:
        return None
    experiment = read_experiment(file)
    settings = settings_of(experiment, None)
    sessions = (out / "sessions" if out is not None else file.parent).absolute()
    tasks = membrane_tasks(experiment, settings, sessions)
    pictures = tuple(picture for task in tasks.values() for picture in _pictures(task, beside=out is None))
    return OpenStudy(experiment=experiment, out=out, settings=settings, pictures=pictures)


def ratios_with(study: OpenStudy, picture: StudyPicture, image: BlotImage, session: Session) -> pd.DataFrame:
    """The ratios of the picture's blot with the picture measured as its session stands now.

    Parameters
    ----------
    study : OpenStudy
        With results: the other pictures' numbers are taken from there, or measured from sessions that were saved since.
    picture : StudyPicture
        Which picture is being corrected.
    image : BlotImage
        The picture.
    session : Session
        With its corrections.

    Returns
    -------
    DataFrame
        As `blotquant.normalization.normalize.normalize` gives it; empty where the study has no results.
    """
    import pandas as pd

    from blotquant.normalization.normalize import normalize
    from blotquant.runs.carry_over import flag_carry_over
    from blotquant.tables import RATIO_COLUMNS, make_table

    if not study.tables:
        return make_table([], RATIO_COLUMNS)
    blot = picture.entry.blot
    # This picture as it stands now, the others of its blot as they were last measured.
    parts = [_measured(study, picture, image, session)]
    parts += [study.tables_of(p) for p in study.pictures if p.entry.blot == blot and p is not picture]
    bands, lanes = (pd.concat([part[name] for part in parts], ignore_index=True) for name in ("bands", "lanes"))
    one = replace(study.experiment, images=study.experiment.images_of(blot=blot))
    ratios = normalize(one, bands, lanes, strict=False)
    ratios = ratios[ratios["blot"] == blot].reset_index(drop=True)
    return flag_carry_over(one, ratios, study.tables["carry_over"])


def _measured(study: OpenStudy, picture: StudyPicture, image: BlotImage, session: Session) -> dict[str, pd.DataFrame]:
    """The bands and lanes of one picture as its session stands, with the columns of the study's results."""
    from blotquant.analysis import quantify

    entry = picture.entry
    analysis = quantify(image, session, naming=picture.naming, strip=picture.entry.strip)
    exposure_s = image.exposure_s if entry.exposure_s is None else entry.exposure_s
    constants = {"image": entry.name, "blot": entry.blot, "membrane": entry.membrane, "probe": entry.probe}
    tables = {}
    for name, measured in (("bands", analysis.bands), ("lanes", analysis.lanes)):
        written = study.tables[name]
        own = measured.assign(**constants, exposure_s=float("nan") if exposure_s is None else exposure_s)
        own = own.reindex(columns=[c for c in own if c in written])
        tables[name] = study.experiment.attach_sheet(own.astype({c: written[c].dtype for c in own}))
    return tables


def _find(place: Path) -> tuple[Path | None, Path | None]:
    """The results folder and the experiment file that a place stands for."""
    from blotquant.runs.manifest import MANIFEST, read_manifest

    if place.is_dir() and (place / MANIFEST).is_file():
        records = read_manifest(place).inputs_as("experiment")
        return (place, (place / records[0].path).resolve()) if records else (None, None)
    file = place / "experiment.toml" if place.is_dir() else place
    if not file.is_file() or file.name.endswith(SESSION_SUFFIX):
        return None, None
    for out in (file.parent / "results", file.parent.parent / "results"):
        if (out / MANIFEST).is_file() and _is_of(out, file):
            return out, file
    return None, file


def _is_of(out: Path, file: Path) -> bool:
    from blotquant.runs.manifest import read_manifest

    try:
        records = read_manifest(out).inputs_as("experiment")
    except BlotQuantError:
        return False
    return any(_same(out / record.path, file) for record in records)


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve()


def _pictures(task: MembraneTask, *, beside: bool) -> list[StudyPicture]:
    """The pictures of one membrane; without results their sessions lie beside them."""
    rows: Any = zip(task.pictures, task.namings, task.session_paths, strict=True)
    return [
        StudyPicture(
            entry=entry,
            path=path,
            session=path.with_name(path.name + SESSION_SUFFIX) if beside else session,
            naming=naming,
            samples=task.samples,
            n_lanes=len(task.roles) or None,
        )
        for (entry, path), naming, session in rows
    ]
