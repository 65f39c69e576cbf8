"""Running whole experiments: every membrane is a unit of work, then ratios, summary and report in one place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant.io.files import read_table, write_table
from blotquant.membranes import MembraneTask, measure_membrane, unit_key
from blotquant.results import FolderResult, Workers, run_units, summaries
from blotquant.settings import Settings
from blotquant.store import Store, locked

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.design import Experiment, ImageEntry
    from blotquant.pipeline import Naming


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
    row = declared.row if declared is not None else None
    target = Target(name=entry.probe, mw_kda=experiment.mw_of(entry.probe), row=row)
    return Naming(probe=entry.probe, targets=(target,), ladder=experiment.ladder)


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
    ways_file = store.assemble(
        keys, "alternatives", header=",".join(ALTERNATIVE_COLUMNS) + "\n", private=True
    )
    checks_file = store.assemble(keys, "carry_over", header=",".join(CARRY_OVER_COLUMNS) + "\n")
    bands = experiment.attach_sheet(read_table(bands_file, BAND_COLUMNS))
    carried = read_table(checks_file, CARRY_OVER_COLUMNS)
    lanes = experiment.attach_sheet(read_table(lanes_file, LANE_COLUMNS))
    ratios = flag_carry_over(experiment, normalize(experiment, bands, lanes, strict=False), carried)
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
