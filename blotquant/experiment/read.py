"""Read an experiment: a TOML file with its sample sheet, or one workbook; all mistakes at once."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from blotquant.errors import SheetError
from blotquant.experiment.design import Adjustment, Comparison, Experiment, ImageEntry, Ratio, Scaling, Target
from blotquant.experiment.sample_sheet import SampleSheet, parse_samples
from blotquant.experiment.sheets import MAX_BYTES, WORKBOOK_SUFFIXES, Sheet, decode_text, read_csv_sheet, read_workbook
from blotquant.io.files import read_bounded
from blotquant.settings import Settings, explain_validation
from blotquant.text import did_you_mean, short_repr

__all__ = [
    "Adjustment",
    "Comparison",
    "Experiment",
    "ImageEntry",
    "Ratio",
    "Scaling",
    "Target",
    "find_experiment",
    "read_experiment",
    "source_files",
]

_Model = TypeVar("_Model", bound=BaseModel)
_KEYS = ("name", "samples", "ladder", "images", "targets", "ratios", "compare", "settings")


def find_experiment(path: Path | str) -> Path:
    """Find the experiment file: the file itself, or the one that a folder holds.

    Raises
    ------
    SheetError
        If there is none.
    """
    path = Path(path)
    if path.is_dir():
        inside = [path / "experiment.toml", path / "experiment.xlsx", *sorted(path.glob("*.xlsx"))]
        found = [file for file in inside if file.is_file() and not file.name.startswith("~$")]
        if not found:
            msg = f"{path}: no experiment.toml and no .xlsx in this folder; `blotquant init {path}` drafts one"
            raise SheetError(msg)
        return found[0]
    if not path.is_file():
        msg = f"{path}: there is no such file; give an experiment.toml, its folder, or an .xlsx workbook"
        raise SheetError(msg)
    return path


def read_experiment(path: Path | str) -> Experiment:
    """Read and check an experiment.

    Parameters
    ----------
    path : path
        An experiment.toml, a folder that holds one, or an .xlsx workbook with the sheets `images` and `samples`
        and, as needed, `experiment`, `targets`, `ratios` and `compare`.

    Returns
    -------
    Experiment
        Complete and consistent in itself; whether pictures can be read is not looked at, only that they are there.

    Raises
    ------
    SheetError
        With one line for every mistake in all the files: where it is, what was found, what is allowed.
    """
    file = find_experiment(path)
    if file.suffix.lower() in WORKBOOK_SUFFIXES:
        from blotquant.experiment.workbook import read_experiment_workbook

        raw, sheet, problems = read_experiment_workbook(file)
    else:
        raw, sheet, problems = _read_toml(file)
    return _build(file, raw, sheet, problems)


def source_files(file: Path) -> list[Path]:
    """The experiment file, and the sample sheet that it names; a workbook holds its own."""
    if file.suffix.lower() in WORKBOOK_SUFFIXES:
        return [file]
    raw, _, _ = _read_toml(file)
    return [file, file.parent / str(raw["samples"])]


def _read_toml(file: Path) -> tuple[dict[str, Any], Sheet | None, list[str]]:
    try:
        text = decode_text(read_bounded(file, MAX_BYTES), where=file.name)
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror or error}"
        raise SheetError(msg) from None
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number or a nesting without end, beside wrong TOML
        hint = "; write paths with / or in single quotes" if "\\" in text else ""
        msg = f"{file.name}: not valid TOML: {error}{hint}"
        raise SheetError(msg) from None
    samples = raw.get("samples")
    if not isinstance(samples, str):
        return (
            raw,
            None,
            [f'{file.name}: samples: name the sample sheet, such as samples = "samples.csv" (got {samples!r})'],
        )
    try:
        return raw, _read_sheet(file.parent / samples), []
    except SheetError as error:
        return raw, None, str(error).splitlines()


def _read_sheet(path: Path) -> Sheet:
    if path.suffix.lower() not in WORKBOOK_SUFFIXES:
        return read_csv_sheet(path)
    sheets = read_workbook(path)
    return sheets.get("samples") or next(iter(sheets.values()))


def _build(file: Path, raw: dict[str, Any], sheet: Sheet | None, problems: list[str]) -> Experiment:
    where = file.name
    problems += [f"{where}: {key}: unknown key; {did_you_mean(key, _KEYS)}" for key in raw if key not in _KEYS]
    images = _told_apart([_with_membrane(image) for image in _list_of(ImageEntry, raw, "images", where, problems)])
    ratios = _list_of(Ratio, raw, "ratios", where, problems)
    targets = {
        name: target
        for name, value in _mapping(raw, "targets", where, problems).items()
        if (target := _one(Target, value, f"{where}: targets.{name}", problems)) is not None
    }
    compare = _one(Comparison, _mapping(raw, "compare", where, problems), f"{where}: compare", problems)
    settings = _one(Settings, _mapping(raw, "settings", where, problems), f"{where}: settings", problems)
    samples = parse_samples(sheet) if sheet is not None else None
    problems += samples.problems if samples else ()
    ladder = _read_ladder(raw.get("ladder"), where, problems)
    problems += _check_images(file, raw, images)
    problems += [f"{where}: {text}" for text in _check_ratios(ratios, _written_probes(raw), set(targets))]
    if samples and sheet is not None:
        complete = len(images) == len(_written_images(raw))
        problems += _check_samples(where, sheet.name, images, samples, complete=complete)
        problems += [f"{where}: {text}" for text in _check_compare(compare or Comparison(), samples)]
    if problems or samples is None:
        raise SheetError("\n".join(dict.fromkeys(problems)))
    return Experiment(
        path=file,
        name=str(raw.get("name") or file.parent.name or file.stem),
        images=tuple(images),
        samples=samples.rows,
        extra_columns=samples.extra_columns,
        targets=targets,
        ladder=ladder,
        ratios=tuple(ratios),
        compare=compare or Comparison(),
        settings=settings or Settings(),
    )


def _with_membrane(image: ImageEntry) -> ImageEntry:
    return image if image.membrane else image.model_copy(update={"membrane": image.blot})


def _told_apart(images: Sequence[ImageEntry]) -> list[ImageEntry]:
    """Entries whose files in different folders have one name are called by their paths."""
    files = {image.file: image.base_name for image in images}
    shared = {name for name, count in Counter(files.values()).items() if count > 1}
    return [image.by_path() if image.base_name in shared else image for image in images]


def _list_of(model: type[_Model], raw: Mapping[str, Any], key: str, where: str, problems: list[str]) -> list[_Model]:
    value = raw.get(key, [])
    if not isinstance(value, list):
        problems.append(f"{where}: {key}: write each as a table of its own, [[{key}]] (got {short_repr(value)})")
        return []
    if not value and key == "images":
        problems.append(f"{where}: images: none listed; write one [[images]] for each picture")
    read = [
        _one(model, item, f"{where}: {_label(key, number, item)}", problems) for number, item in enumerate(value, 1)
    ]
    return [item for item in read if item is not None]


def _label(key: str, number: int, item: object) -> str:
    title = item.get("file") or item.get("name") if isinstance(item, dict) else None
    return f"{key} no. {number} ({title})" if title else f"{key} no. {number}"


def _mapping(raw: Mapping[str, Any], key: str, where: str, problems: list[str]) -> dict[str, Any]:
    value = raw.get(key, {})
    if isinstance(value, dict):
        return value
    problems.append(f"{where}: {key}: write it as a table, [{key}] (got {short_repr(value)})")
    return {}


def _one(model: type[_Model], value: object, where: str, problems: list[str]) -> _Model | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems += explain_validation(error, where=where, model=model).splitlines()
        return None


def _read_ladder(value: object, where: str, problems: list[str]) -> str | tuple[float, ...] | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, list) and len(value) >= 2 and all(isinstance(v, (int, float)) and v > 0 for v in value):
        return tuple(sorted((float(v) for v in value), reverse=True))
    got = short_repr(value)
    problems.append(f"{where}: ladder: give a product name or a list of two or more kDa values (got {got})")
    return None


def _check_images(file: Path, raw: Mapping[str, Any], images: Sequence[ImageEntry]) -> list[str]:
    problems = []
    written = [str(item["file"]).strip() for item in _written_images(raw) if item.get("file")]
    for name in dict.fromkeys(written):
        if not (file.parent / name).is_file():
            near = [p.relative_to(file.parent).as_posix() for p in (file.parent / name).parent.glob("*") if p.is_file()]
            problems.append(f"{file.name}: images: file {name!r} is not there; {_nearest(name, near)}")
    keys = Counter((i.blot, i.membrane, i.probe, i.exposure_s, i.strip) for i in images)
    for (blot, membrane, probe, exposure, strip), count in keys.items():
        if count > 1:
            files = ", ".join(
                i.file
                for i in images
                if (i.blot, i.membrane, i.probe, i.exposure_s, i.strip) == (blot, membrane, probe, exposure, strip)
            )
            problems.append(
                f"{file.name}: images: {count} pictures of {probe} on blot {blot}, membrane {membrane} "
                f"({files}); tell them apart by exposure_s, strip or membrane"
            )
    return problems + [f"{file.name}: images: {text}" for text in _check_series(images)]


def _check_series(images: Sequence[ImageEntry]) -> list[str]:
    """Every picture of an exposure series has its time, and one file is not read once whole and once by strips."""
    groups: dict[tuple[str, str, str], list[ImageEntry]] = {}
    for image in images:
        groups.setdefault((image.blot, image.membrane, image.probe), []).append(image)
    problems = []
    for (blot, membrane, probe), members in groups.items():
        of = f"{probe} on blot {blot}, membrane {membrane}"
        timed = [m for m in members if m.exposure_s is not None]
        problems += [
            f"file {m.file!r}: has no exposure_s, but {of} is an exposure series; give the time of each picture in s"
            for m in members
            if m.exposure_s is None and any(m.strip == t.strip or None in (m.strip, t.strip) for t in timed)
        ]
        problems += [
            f"file {m.file!r}: {of} is listed with and without a strip; say which strip each entry means"
            for m in members
            if m.strip is None and any(o.strip is not None and o.file == m.file for o in members)
        ]
    return problems


def _nearest(name: str, files: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, files, n=1)
    return f"did you mean {near[0]!r}?" if near else "paths start at the experiment file's folder"


def _written_images(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Image entries as written, whatever else is wrong with them."""
    entries = raw.get("images")
    return [item for item in entries if isinstance(item, dict)] if isinstance(entries, list) else []


def _written_probes(raw: Mapping[str, Any]) -> list[str]:
    """Probes as written, also in entries that have other mistakes, so that one mistake gives one message."""
    return list(dict.fromkeys(str(item["probe"]).strip() for item in _written_images(raw) if "probe" in item))


def _check_ratios(ratios: Sequence[Ratio], probes: Sequence[str], targets: set[str]) -> list[str]:
    problems = []
    for ratio in ratios:
        named = [
            ("numerator", ratio.numerator),
            *(("denominator", n) for n in ratio.denominator),
            *(("loading", n) for n in ratio.loading),
        ]
        problems += [
            f"ratios: {ratio.name}: {part} {name!r} is the probe of no image; {did_you_mean(name, probes)}"
            for part, name in named
            if name not in probes and not any(name in targets and name.startswith(f"{probe} ") for probe in probes)
        ]
        if not ratio.denominator and not ratio.loading:
            problems.append(f"ratios: {ratio.name}: needs a denominator, a loading, or both")
        if ratio.numerator in ratio.denominator:
            problems.append(f"ratios: {ratio.name}: numerator and denominator are both {ratio.numerator!r}")
        if ratio.numerator in ratio.loading:
            problems.append(f"ratios: {ratio.name}: {ratio.numerator!r} cannot be its own loading control")
    twice = [name for name, count in Counter(ratio.name for ratio in ratios).items() if count > 1]
    return problems + [f"ratios: the name {name!r} stands there twice" for name in twice]


def _check_samples(
    where: str, sheet: str, images: Sequence[ImageEntry], samples: SampleSheet, *, complete: bool
) -> list[str]:
    rows = samples.rows
    listed = list(dict.fromkeys(rows["blot"].tolist()))
    if not listed:
        return []
    shown = {image.blot for image in images}
    problems = [
        f"{where}: images: blot {blot!r} has no lanes in {sheet}; {did_you_mean(blot, listed)}"
        for blot in dict.fromkeys(image.blot for image in images)
        if blot not in listed
    ]
    problems += [
        f"{sheet}: blot {blot!r} has no picture in {where}; {did_you_mean(blot, sorted(shown))}"
        for blot in listed
        if complete and blot not in shown
    ]
    membranes = {(image.blot, image.membrane) for image in images}
    for blot, membrane in dict.fromkeys(zip(rows["blot"], rows["membrane"].fillna(""), strict=True)):
        known = sorted(m for b, m in membranes if b == blot)
        if membrane and known and membrane not in known:
            problems.append(
                f"{sheet}: membrane {membrane!r} of blot {blot} has no picture; {did_you_mean(membrane, known)}"
            )
    if rows["membrane"].notna().any():
        problems += [
            f"{sheet}: membrane {m!r} of blot {b} has no lanes listed"
            for b, m in sorted(membranes)
            if b in listed and not ((rows["blot"] == b) & (rows["membrane"].fillna(m) == m)).any()
        ]
    return problems + [f"{sheet}: {text}" for text in _check_replicates(samples)]


def _check_replicates(samples: SampleSheet) -> list[str]:
    rows = samples.rows.dropna(subset=["replicate"])
    spread = rows.groupby("replicate")["blot"].unique()
    return [
        f"replicate {name!r} stands on blots {', '.join(blots)}; repeats of one biological replicate are membranes of "
        "one blot"
        for name, blots in spread.items()
        if len(blots) > 1
    ]


def _check_compare(compare: Comparison, samples: SampleSheet) -> list[str]:
    rows = samples.rows
    conditions = list(dict.fromkeys(rows.loc[rows["role"].isin(["sample", "standard"]), "condition"].dropna()))
    problems = []
    if compare.reference is not None and conditions and compare.reference not in conditions:
        problems.append(
            f"compare: reference {compare.reference!r} is no condition of the sample sheet; "
            f"{did_you_mean(compare.reference, conditions)}"
        )
    if compare.scaling in ("fixed_point", "control_mean") and compare.reference is None:
        problems.append(f"compare: scaling {compare.scaling!r} needs a reference condition")
    if compare.scaling == "interblot_control" and "standard" not in set(rows["role"]):
        problems.append("compare: scaling 'interblot_control' needs a lane of role standard on every blot")
    return problems
