"""Running whole experiments: every membrane is a unit of work, then ratios, summary and report in one place."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant.errors import OutputError
from blotquant.io.files import atomic_write, write_table
from blotquant.normalization.dilution_files import DILUTION_FILE
from blotquant.runs.corrections import Matched, Wanted, match_corrections
from blotquant.runs.folder import FolderResult, Workers, run_units, session_names, summaries, write_parquets
from blotquant.runs.membranes import MembraneTask, held_back, measure_membrane, membrane_tasks, tell_readings, unit_key
from blotquant.runs.panels import write_figures_of
from blotquant.runs.store import Store, locked
from blotquant.settings import Settings
from blotquant.text import say

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.experiment.design import Experiment
    from blotquant.runs.manifest import Manifest


def run_experiments(
    paths: Sequence[Path],
    out: Path,
    *,
    settings: Settings | None = None,
    workers: Workers | None = None,
    parquet: bool = False,
) -> FolderResult:
    """Run one experiment into a folder, or several into folders of their names below it.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Experiment files or folders that hold one. All are read and checked before any work starts.
    out : pathlib.Path
        Results folder.
    settings : Settings, optional
        Parameters; those that are set here win over those of the experiment file.
    workers : Workers, optional
        Who does the work.
    parquet : bool
        Whether the tables are written as Parquet too.

    Raises
    ------
    SheetError
        With every mistake in all the files.
    OutputError
        If a folder cannot be written or another process is writing to it.
    """
    from blotquant.errors import SheetError
    from blotquant.experiment.read import read_experiment
    from blotquant.runs.manifest import retire

    experiments, problems = [], []
    for path in paths:
        try:
            experiments.append(read_experiment(path))
        except SheetError as error:
            problems.append(str(error))
    if problems:
        raise SheetError("\n".join(problems))
    folders = [out] if len(experiments) == 1 else _folders(experiments, out)
    if len(experiments) > 1:
        retire(out)
    used, done = workers or Workers(), []
    for experiment, folder in zip(experiments, folders, strict=True):
        done.append(run_experiment(experiment, folder, settings=settings, workers=used, parquet=parquet))
    return FolderResult(
        files=tuple(file for result in done for file in result.files),
        places=tuple(place for result in done for place in result.places),
        failures={
            name if len(done) == 1 else f"{experiment.name}: {name}": error
            for experiment, result in zip(experiments, done, strict=True)
            for name, error in result.failures.items()
        },
        n_kept=sum(result.n_kept for result in done),
    )


def run_experiment(
    experiment: Experiment,
    out: Path,
    *,
    settings: Settings | None = None,
    workers: Workers | None = None,
    parquet: bool = False,
) -> FolderResult:
    """Run one experiment: measure its membranes, then normalise and compare whatever could be measured.

    Parameters
    ----------
    experiment : Experiment
        From `read_experiment`.
    out : pathlib.Path
        Results folder.
    settings : Settings, optional
        Parameters; those that are set here win over those of the experiment file.
    workers : Workers, optional
        Who does the work.
    parquet : bool
        Whether the tables are written as Parquet too.

    Returns
    -------
    FolderResult
        The files written, what was measured, and what failed and why.

    Raises
    ------
    OutputError
        If the folder cannot be written or another process is writing to it.
    """
    from blotquant.normalization.dilution_files import earlier_fits
    from blotquant.runs.manifest import publish

    workers = workers or Workers()
    earlier_fits(experiment)  # what is wrong with those files is told before the work
    used = settings_of(experiment, settings)
    with locked(out) as store:
        # Which hand corrections belong to which picture is settled before any work.
        matched = match_corrections(wanted_sessions(experiment), out)
        for note in (*experiment.warnings, *_still_drafted(experiment), *matched.notes):
            say(f"note: {note}")
        # A membrane is a unit of work: its lanes are found over all its pictures together.
        tasks = membrane_tasks(
            experiment, used, (out / "sessions").absolute(), matched.sessions, timings=workers.timings
        )
        failures, n_kept = run_units(
            store, measure_membrane, tasks, workers=workers, what="membranes", refused=_refused(tasks, matched)
        )
        # What tied the pictures of each membrane, and which of them no ratio may be made of.
        units = list(summaries(store, tasks))
        for done in units:
            say(f"{done['unit']}: {done['identity']}")
        for unit, lines in held_back(units).items():
            say(
                f"{unit}: no ratio is made of pictures whose lanes are not known to be the sheet's\n  "
                + "\n  ".join(lines)
            )
        # Tables, report and figures are made ready beside the earlier results, then take their places together.
        ready, tables = assemble_run(experiment, store, tasks, settings=used, failures=failures)
        ready += write_parquets(ready) if parquet else []
        ready += write_figures_of(experiment, store, tables, units, folder=store.folder)
        manifest = _record(experiment, store, tasks, settings=used, failures=failures)
        publish(store, manifest, sessions=session_names(store, tasks))
        files = tuple(out / path.relative_to(store.new) for path in ready)
    return FolderResult(files=files, places=((store, tuple(tasks)),), failures=failures, n_kept=n_kept)


def _still_drafted(experiment: Experiment) -> Iterator[str]:
    """What `init` has left to a person and nobody has filled in yet."""
    from blotquant.experiment.sample_sheet import PLACEHOLDER

    if not experiment.ratios:
        yield (
            f"{experiment.path.name}: no [[ratios]] is declared: bands and lanes are measured, and no ratio is formed; "
            'give each ratio a name, a numerator and a denominator, such as "pAKT" and "AKT"'
        )
    conditions = experiment.samples["condition"].dropna()
    left = conditions[conditions.str.fullmatch(PLACEHOLDER)]
    if len(left):
        yield (
            f"{len(left)} lanes still have the draft's condition, such as {left.iloc[0]!r}: write what was loaded into "
            "the sample sheet; lanes of one condition are compared over the blots"
        )


def wanted_sessions(experiment: Experiment) -> list[Wanted]:
    """The pictures of an experiment, as `match_corrections` asks for them."""
    return [
        Wanted(
            name=entry.name,
            path=experiment.image_path(entry).absolute(),
            session_name=entry.session_name,
            page=entry.page,
            channel=entry.channel,
            strip=entry.strip,
        )
        for _, _, entries in experiment.membranes()
        for entry in entries
    ]


def _refused(tasks: Mapping[str, MembraneTask], matched: Matched) -> dict[str, str]:
    """Membranes with a picture whose corrections are in doubt."""
    lines = {key: [matched.refused.get(path.name) for path in task.session_paths] for key, task in tasks.items()}
    return {key: "; ".join(filter(None, found)) for key, found in lines.items() if any(found)}


def assemble_run(
    experiment: Experiment,
    store: Store,
    keys: Mapping[str, object],
    *,
    settings: Settings,
    failures: Mapping[str, str],
) -> tuple[list[Path], dict[str, pd.DataFrame]]:
    """Make every table, the workbook and the report ready from the parts of an experiment's membranes.

    Returns
    -------
    files : list of pathlib.Path
        As they lie in `Store.new`.
    tables : dict of str to DataFrame
        The tables among them, by name.
    """
    store.clear_new()
    records: dict[str, list[Mapping[str, Any]]] = {}
    units = []
    for part in filter(None, map(store.load, keys)):
        units.append(part.summary)
        for name, rows in part.tables.items():
            records.setdefault(name, []).extend(rows)
    tables = _write_tables(experiment, store, records, held_back(units))
    files = [*(store.new / f"{name}.csv" for name in tables), store.new / "prism.csv"]
    files += [path for path in (store.new / DILUTION_FILE,) if path.exists()]
    files += _write_reports(experiment, store, tables, settings=settings, units=units, failures=failures)
    return files, tables


def _record(
    experiment: Experiment,
    store: Store,
    tasks: Mapping[str, MembraneTask],
    *,
    settings: Settings,
    failures: Mapping[str, str],
) -> Manifest:
    from blotquant.experiment.read import source_files
    from blotquant.normalization.dilution_files import dilution_files
    from blotquant.runs.manifest import input_record, make_manifest

    out = store.folder
    file, *sheets = source_files(experiment.path)
    inputs = [input_record("experiment", file, out), *(input_record("samples", path, out) for path in sheets)]
    inputs += [input_record("dilution", path, out) for path in dilution_files(experiment)]
    for key, task in tasks.items():
        part = store.load(key)
        checksums = [picture["sha256"] for picture in part.summary["pictures"]] if part else [None] * len(task.pictures)
        inputs += [
            input_record("picture", path, out, name=entry.name, sha256=checksum)
            for (entry, path), checksum in zip(task.pictures, checksums, strict=True)
        ]
    markers = dict.fromkeys(entry.ladder_image for entry in experiment.images if entry.ladder_image is not None)
    inputs += [input_record("marker", experiment.folder / name, out, name=name) for name in markers]
    return make_manifest("run", settings=settings.flat(), inputs=inputs, units=tasks, failed=failures)


def _folders(experiments: Sequence[Experiment], out: Path) -> list[Path]:
    """One folder for each experiment below the results folder; equal names are numbered."""
    folders: list[Path] = []
    for experiment in experiments:
        stem = re.sub(r"[^\w.-]+", "_", experiment.name).strip("._")[:80] or "experiment"
        taken = {folder.name.lower() for folder in folders}
        names = (stem if k == 1 else f"{stem}_{k}" for k in itertools.count(1))
        folders.append(out / next(name for name in names if name.lower() not in taken))
    return folders


def settings_of(experiment: Experiment, settings: Settings | None) -> Settings:
    """The experiment file's parameters, with what was set by hand (on the command line) laid over them.

    The file's `ladder` stands above the `identification.ladder` of its `[settings]`, and below one that was set by
    hand.
    """
    written = experiment.settings.model_dump(exclude_unset=True)
    if experiment.ladder is not None:
        written.get("identification", {}).pop("ladder", None)
    given = settings.model_dump(exclude_unset=True) if settings is not None else {}
    return Settings.model_validate(_merge(written, given))


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    return base | {
        key: _merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in over.items()
    }


def _write_tables(
    experiment: Experiment,
    store: Store,
    records: Mapping[str, Sequence[Mapping[str, Any]]],
    held: Mapping[str, Sequence[str]],
) -> dict[str, pd.DataFrame]:
    """Put the membranes' rows together, then normalise and compare."""
    from blotquant.export.workbook import write_prism
    from blotquant.normalization.exposures import fit_exposure_series
    from blotquant.normalization.normalize import normalize
    from blotquant.runs.carry_over import flag_carry_over
    from blotquant.statistics.compare import compare
    from blotquant.statistics.contrasts import compare_contrasts
    from blotquant.statistics.sensitivity import vary_analysis
    from blotquant.tables import ALTERNATIVE_COLUMNS, BAND_COLUMNS, CARRY_OVER_COLUMNS, LANE_COLUMNS, make_table

    bands = experiment.attach_sheet(make_table(records.get("bands", ()), BAND_COLUMNS))
    lanes = experiment.attach_sheet(make_table(records.get("lanes", ()), LANE_COLUMNS))
    carried = make_table(records.get("carry_over", ()), CARRY_OVER_COLUMNS)
    ways = make_table(records.get("alternatives", ()), ALTERNATIVE_COLUMNS)
    # Flags that the whole study decides come before the ratios that depend on them.
    bands, lanes, series = _hold_to_range(experiment, store, bands, lanes)
    experiment = experiment.without_dilutions()
    # Ratios of all blots first; comparisons and their other ways are made of them.
    ratios = flag_carry_over(experiment, normalize(experiment, bands, lanes, strict=False), carried)
    ratios = tell_readings(ratios, held)
    tables = {
        "bands": bands,
        "lanes": lanes,
        "exposures": fit_exposure_series(bands),
        "ratios": ratios,
        "summary": compare(experiment, ratios),
        "contrasts": compare_contrasts(experiment, ratios),
        "sensitivity": vary_analysis(experiment, bands, lanes, ways),
        "carry_over": carried,
        **series,
    }
    for name, table in tables.items():
        write_table(table, store.new / f"{name}.csv")
    write_prism(store.new / "prism.csv", experiment, ratios)
    return tables


def _hold_to_range(
    experiment: Experiment, store: Store, bands: pd.DataFrame, lanes: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame]]:
    """Fit the experiment's dilution series, keep them in their file, and flag what lies outside their ranges."""
    from blotquant.normalization.dilution_files import (
        dilution_table,
        earlier_fits,
        fit_dilutions,
        flag_tables,
        write_fits,
    )

    fits = fit_dilutions(experiment, bands, lanes) if experiment.dilution.blots else {}
    bands, lanes = flag_tables(bands, lanes, earlier_fits(experiment) | fits)
    if not experiment.dilution.blots:
        return bands, lanes, {}
    atomic_write(store.new / DILUTION_FILE, write_fits(fits.values()))
    return bands, lanes, {"dilution": dilution_table(experiment, fits)}


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
    from blotquant.normalization.dilution_files import read_fits
    from blotquant.report.page import Content, write_report
    from blotquant.statistics.sensitivity import claim_ranges

    workbook, page = store.new / "results.xlsx", store.new / "report.html"
    write_workbook(workbook, tables, experiment=experiment, failures=failures)
    record = [picture for unit in units for picture in unit["pictures"]]
    series = read_fits(store.new / DILUTION_FILE) if (store.new / DILUTION_FILE).exists() else {}
    shown = {**tables, "claims": claim_ranges(tables["summary"], tables["sensitivity"])}
    content = Content(
        experiment=experiment, settings=settings, tables=shown, record=record, failures=failures, dilution=series
    )
    write_report(page, content, _figures(experiment, store))
    return [workbook, page]


def _figures(experiment: Experiment, store: Store) -> Iterator[str]:
    """The pieces of the report, one picture at a time."""
    for blot, membrane, _ in experiment.membranes():
        part = store.load(unit_key(blot, membrane))
        if part is not None:
            yield from part.figures.values()


def copy_sample_study(folder: Path) -> list[Path]:
    """Copy the synthetic sample experiment, which lies in the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "sample_images"
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted((inside if inside.is_dir() else package.parent / "sample_images").iterdir())
    return [Path(shutil.copyfile(file, folder / file.name)) for file in files]


def run_demo(folder: Path, *, workers: Workers | None = None) -> FolderResult:
    """Write the synthetic sample experiment into a folder and run it into ``results`` below.

    Parameters
    ----------
    folder : pathlib.Path
        New, empty, or one that an earlier demo wrote.
    workers : Workers, optional
        Who does the work.

    Raises
    ------
    OutputError
        If the folder holds something else, which is left alone.
    """
    study = folder / "study"
    present = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    strangers = [name for name in present if name not in ("study", "results")]
    if strangers:
        msg = f"{folder}: holds other files ({', '.join(strangers[:3])}); name a new folder"
        raise OutputError(msg)
    say("writing the sample experiment (synthetic pictures, invented numbers)")
    copy_sample_study(study)
    say("running it")
    return run_experiments([study], folder / "results", workers=workers)
