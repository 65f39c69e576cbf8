"""Running whole experiments: every membrane is a unit of work, then ratios, summary and report in one place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant import __version__
from blotquant.errors import LaneCountError
from blotquant.geometry import LaneRole, Layout
from blotquant.inputs import SESSION_SUFFIX
from blotquant.io import read_image
from blotquant.io.files import read_table, sha256_of, table_to_csv, write_table
from blotquant.results import FolderResult, Workers, run_units, summaries
from blotquant.settings import Settings
from blotquant.store import Part, Store, fingerprint, locked
from blotquant.work import corrected_session, make_part, named

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.design import Experiment, ImageEntry
    from blotquant.image import BlotImage
    from blotquant.pipeline import Analysis, Naming
    from blotquant.session import Session


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
    settings : Settings
        Parameters.
    session_folder : pathlib.Path
        Where sessions are kept; corrected ones that lie there are used.
    """

    blot: str
    membrane: str
    pictures: tuple[tuple[ImageEntry, Path], ...]
    namings: tuple[Naming, ...]
    roles: Mapping[int, LaneRole]
    settings: Settings
    session_folder: Path

    @property
    def key(self) -> str:
        """Name of the unit."""
        return unit_key(self.blot, self.membrane)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that the result depends on; reads the files."""
        records = [
            session.history.edits[-1].hash if (session := corrected_session(path)) else None
            for path in self.session_paths
        ]
        entries = [entry.model_dump(mode="json") for entry, _ in self.pictures]
        namings = [repr(naming) for naming in self.namings]
        files = [sha256_of(path) for _, path in self.pictures]
        roles = sorted(self.roles.items())
        settings = self.settings.model_dump(mode="json")
        return fingerprint(__version__, entries, namings, files, records, roles, settings)

    @property
    def session_paths(self) -> tuple[Path, ...]:
        """Where the session of each picture lies."""
        return tuple(self.session_folder / session_name(entry) for entry, _ in self.pictures)


def unit_key(blot: str, membrane: str) -> str:
    """Name of a membrane's unit of work."""
    return f"blot {blot}, membrane {membrane}"


def session_name(entry: ImageEntry) -> str:
    """File name of a picture's session; strips and pages of one file stay apart."""
    parts = [entry.file.replace("\\", "/").replace("../", "").replace("/", "__")]
    parts += [f"strip{entry.strip}"] if entry.strip is not None else []
    parts += [f"page{entry.page}"] if entry.page is not None else []
    return "__".join(parts) + SESSION_SUFFIX


def run_experiments(
    paths: Sequence[Path], out: Path, *, settings: Settings | None = None, workers: Workers | None = None
) -> FolderResult:
    """Run one experiment into a folder, or several into folders of their names below it.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Experiment files or folders that hold one. All are read and checked before any work starts.
    out : pathlib.Path
        Results folder.
    settings : Settings, optional
        Parameters; those of the experiment file win where it sets any.
    workers : Workers, optional
        Who does the work.

    Raises
    ------
    SheetError
        With every mistake in all the files.
    OutputError
        If a folder cannot be written or another process is writing to it.
    """
    from blotquant.errors import SheetError
    from blotquant.experiment import read_experiment

    experiments, problems = [], []
    for path in paths:
        try:
            experiments.append(read_experiment(path))
        except SheetError as error:
            problems.append(str(error))
    if problems:
        raise SheetError("\n".join(problems))
    folders = [out] if len(experiments) == 1 else _folders(experiments, out)
    used, done = workers or Workers(), []
    for experiment, folder in zip(experiments, folders, strict=True):
        done.append(run_experiment(experiment, folder, settings=settings, workers=used))
    return FolderResult(
        files=tuple(file for result in done for file in result.files),
        units=tuple(unit for result in done for unit in result.units),
        failures={
            name if len(done) == 1 else f"{experiment.name}: {name}": error
            for experiment, result in zip(experiments, done, strict=True)
            for name, error in result.failures.items()
        },
        n_kept=sum(result.n_kept for result in done),
    )


def run_experiment(
    experiment: Experiment, out: Path, *, settings: Settings | None = None, workers: Workers | None = None
) -> FolderResult:
    """Run one experiment: measure its membranes, then normalise and compare whatever could be measured."""
    workers = workers or Workers()
    used = _settings_of(experiment, settings)
    tasks = {task.key: task for task in _tasks(experiment, used, (out / "sessions").absolute())}
    with locked(out) as store:
        failures, n_kept = run_units(store, measure_membrane, tasks, workers=workers, what="membranes")
        units = tuple(summaries(store, tasks))
        tables = _write_tables(experiment, store, tasks)
        files = [out / f"{name}.csv" for name in tables]
        files += _write_reports(experiment, store, tables, settings=used, units=units, failures=failures)
    return FolderResult(files=tuple(files), units=units, failures=failures, n_kept=n_kept)


def measure_membrane(task: MembraneTask) -> Part:
    """Measure one membrane.

    Raises
    ------
    BlotQuantError
        If a picture cannot be read or the lanes do not fit the sheet; the message names it.
    """
    from blotquant.pipeline import analyze_membrane

    mark = task.fingerprint
    sessions = [corrected_session(path) for path in task.session_paths]
    images = [
        _read(entry, path, session, max_pixels=task.settings.max_pixels)
        for (entry, path), session in zip(task.pictures, sessions, strict=True)
    ]
    strips = {entry.strip for entry, _ in task.pictures}
    with named(task.key):
        analyses = analyze_membrane(
            images,
            task.settings,
            n_lanes=len(task.roles) or None,
            strip=strips.pop() if len(strips) == 1 else None,
            roles=task.roles,
            sessions=sessions,
            namings=task.namings,
            session_folder=task.session_folder,
        )
        for (entry, _), analysis in zip(task.pictures, analyses, strict=True):
            check_lane_count(analysis.layout, len(task.roles), picture=entry.name)
    names = [path.name for path in task.session_paths]
    extra = {
        name: {
            "blot": task.blot,
            "membrane": task.membrane,
            "probe": entry.probe,
            "exposure_s": analysis.image.exposure_s
            if analysis.image.exposure_s is not None
            else float("nan"),
        }
        for name, (entry, _), analysis in zip(names, task.pictures, analyses, strict=True)
    }
    pairs = {
        name: (entry.name, analysis)
        for name, (entry, _), analysis in zip(names, task.pictures, analyses, strict=True)
    }
    part = make_part(task.key, mark, pairs, extra=extra, draw=True)
    return replace(part, tables={**part.tables, **_more_tables(task, analyses)})


def _more_tables(task: MembraneTask, analyses: Sequence[Analysis]) -> dict[str, str]:
    """What only the worker, who has the pictures at hand, can weigh: other ways of weighing, and carry-over."""
    import pandas as pd

    from blotquant.carry_over import Probing, check_membrane
    from blotquant.sensitivity import measure_alternatives
    from blotquant.tables import ALTERNATIVE_COLUMNS, make_table

    volumes, probings = [], []
    for (entry, _), naming, analysis in zip(task.pictures, task.namings, analyses, strict=True):
        if not naming.targets:
            continue  # a stain has no bands of its own
        layout, scene = analysis.layout, analysis.scene
        constants = {"image": entry.name, "blot": task.blot, "membrane": task.membrane, "probe": entry.probe}
        volumes.append(measure_alternatives(layout, scene).assign(**constants))
        probings.append(Probing(probe=entry.probe, image=entry.name, layout=layout, scene=scene))
    return {
        "alternatives": table_to_csv(pd.concat([make_table([], ALTERNATIVE_COLUMNS), *volumes])),
        "carry_over": table_to_csv(check_membrane(probings, blot=task.blot, membrane=task.membrane)),
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
        msg = (
            f"{picture}: {len(layout.strips)} strips found; say which one this entry means, such as strip = 1"
        )
        raise LaneCountError(msg)
    if len(layout.lanes) != n_expected:
        doubtful = min(layout.lanes, key=lambda lane: lane.confidence, default=None)
        doubt = f"; most in doubt is lane {doubtful.number}" if doubtful else ""
        msg = (
            f"{picture}: {len(layout.lanes)} lanes in the picture, {n_expected} in the sample sheet{doubt}; "
            "correct the sheet (empty lanes and the ladder count), or the lanes with `blotquant edit`"
        )
        raise LaneCountError(msg)


def _read(entry: ImageEntry, path: Path, session: Session | None, *, max_pixels: int) -> BlotImage:
    polarity = None if entry.polarity == "auto" else entry.polarity
    if session is not None:
        polarity = session.polarity
    with named(entry.name):
        return read_image(
            path,
            page=entry.page,
            channel=entry.channel,
            polarity=polarity,
            exposure_s=entry.exposure_s,
            probe=entry.probe,
            max_pixels=max_pixels,
        )


def _folders(experiments: Sequence[Experiment], out: Path) -> list[Path]:
    """One folder for each experiment below the results folder; equal names are numbered."""
    folders: list[Path] = []
    for experiment in experiments:
        stem = re.sub(r"[^\w.-]+", "_", experiment.name).strip("._")[:80] or "experiment"
        taken = {folder.name.lower() for folder in folders}
        names = (stem if k == 1 else f"{stem}_{k}" for k in itertools.count(1))
        folders.append(out / next(name for name in names if name.lower() not in taken))
    return folders


def _settings_of(experiment: Experiment, settings: Settings | None) -> Settings:
    """The command line's parameters, with what the experiment file sets laid over them."""
    if settings is None:
        return experiment.settings
    written = experiment.settings.model_dump(exclude_unset=True)
    return Settings.model_validate(_merge(settings.model_dump(), written))


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    return base | {
        key: _merge(base[key], value)
        if isinstance(value, dict) and isinstance(base.get(key), dict)
        else value
        for key, value in over.items()
    }


def _tasks(experiment: Experiment, settings: Settings, session_folder: Path) -> list[MembraneTask]:
    return [
        MembraneTask(
            blot=blot,
            membrane=membrane,
            pictures=tuple((entry, experiment.image_path(entry).absolute()) for entry in entries),
            namings=tuple(_naming(experiment, entry) for entry in entries),
            roles=experiment.roles_of(blot, membrane),
            settings=settings,
            session_folder=session_folder,
        )
        for blot, membrane, entries in experiment.membranes()
    ]


def _naming(experiment: Experiment, entry: ImageEntry) -> Naming:
    from blotquant.pipeline import Naming
    from blotquant.targets import Target

    if experiment.is_stain(entry.probe):
        return Naming(probe=entry.probe)
    declared = experiment.targets.get(entry.probe)
    target = Target(name=entry.probe, mw_kda=experiment.mw_of(entry.probe))
    row = declared.row if declared is not None else None
    return Naming(probe=entry.probe, targets=(target,), ladder=experiment.ladder, row=row)


def _write_tables(
    experiment: Experiment, store: Store, keys: Mapping[str, object]
) -> dict[str, pd.DataFrame]:
    """Put the membranes' rows together, then normalise and compare."""
    from blotquant.carry_over import flag_carry_over
    from blotquant.compare import compare
    from blotquant.exposures import fit_exposure_series
    from blotquant.normalize import normalize
    from blotquant.sensitivity import vary_analysis
    from blotquant.tables import ALTERNATIVE_COLUMNS, BAND_COLUMNS, CARRY_OVER_COLUMNS, LANE_COLUMNS

    bands_file = store.assemble(keys, "bands", header=",".join(BAND_COLUMNS) + "\n")
    lanes_file = store.assemble(keys, "lanes", header=",".join(LANE_COLUMNS) + "\n")
    ways_file = store.assemble(keys, "alternatives", header=",".join(ALTERNATIVE_COLUMNS) + "\n", private=True)
    checks_file = store.assemble(keys, "carry_over", header=",".join(CARRY_OVER_COLUMNS) + "\n")
    bands = read_table(bands_file, BAND_COLUMNS)
    carried = read_table(checks_file, CARRY_OVER_COLUMNS)
    lanes = experiment.attach_sheet(read_table(lanes_file, LANE_COLUMNS))
    ratios = flag_carry_over(experiment, normalize(experiment, bands, lanes), carried)
    tables = {
        "bands": bands,
        "lanes": lanes,
        "exposures": fit_exposure_series(bands),
        "ratios": ratios,
        "summary": compare(experiment, ratios),
        "sensitivity": vary_analysis(experiment, bands, lanes, read_table(ways_file, ALTERNATIVE_COLUMNS)),
        "carry_over": carried,
    }
    for name, table in tables.items():
        write_table(table, store.folder / f"{name}.csv")
    return tables


def _write_reports(
    experiment: Experiment,
    store: Store,
    tables: Mapping[str, pd.DataFrame],
    *,
    settings: Settings,
    units: Sequence[Mapping[str, Any]],
    failures: Mapping[str, str],
) -> list[Path]:
    from blotquant.export.workbook import write_workbook
    from blotquant.report.page import Content, write_report

    workbook, page = store.folder / "results.xlsx", store.folder / "report.html"
    write_workbook(workbook, tables, experiment=experiment, failures=failures)
    record = [picture for unit in units for picture in unit["pictures"]]
    content = Content(
        experiment=experiment, settings=settings, tables=tables, record=record, failures=failures
    )
    write_report(page, content, _figures(experiment, store))
    return [workbook, page]


def _figures(experiment: Experiment, store: Store) -> Iterator[str]:
    """The pieces of the report, one picture at a time."""
    for blot, membrane, _ in experiment.membranes():
        part = store.load(unit_key(blot, membrane))
        if part is not None:
            yield from part.figures.values()
