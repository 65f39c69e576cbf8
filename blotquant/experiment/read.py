"""Read an experiment: a TOML file with its sample sheet, or one workbook with the same; all mistakes at once."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from blotquant.errors import SheetError
from blotquant.experiment.checks import (
    check_compare,
    check_dilution,
    check_images,
    check_ratios,
    check_samples,
    check_shared_pictures,
    find_doubts,
    written_images,
    written_probes,
)
from blotquant.experiment.design import (
    Comparison,
    Contrast,
    Dilution,
    Experiment,
    ImageEntry,
    Ratio,
    TargetEntry,
)
from blotquant.experiment.families import resolve_families
from blotquant.experiment.replicates import fill_replicates
from blotquant.experiment.sample_sheet import condition_levels, parse_samples
from blotquant.experiment.sheets import (
    MAX_BYTES,
    WORKBOOK_SUFFIXES,
    Sheet,
    decode_text,
    read_csv_sheet,
    read_number,
    read_workbook,
)
from blotquant.io.files import PICTURE_SUFFIXES, is_file, is_folder, parse_toml, read_bounded
from blotquant.settings import Settings, explain_validation
from blotquant.text import did_you_mean, short_repr

_Model = TypeVar("_Model", bound=BaseModel)
_KEYS = ("name", "samples", "ladder", "images", "targets", "ratios", "compare", "contrasts", "dilution", "settings")
# The workbook form: which cells hold lists, numbers and whole numbers, and which sheets are its own.
_LISTS = ("loading", "denominator", "mw_kda", "blots", "files", "factors", "within", "interaction")
_NUMBERS = ("exposure_s", "mw_kda", "alpha", "rotate")
_WHOLE = ("strip", "page")
_SHEETS = ("experiment", "images", "targets", "ratios", "compare", "contrasts", "dilution", "samples")


def find_experiment(path: Path | str) -> Path:
    """Find the experiment file: the file itself, or the one that a folder holds.

    Raises
    ------
    SheetError
        If there is none.
    """
    path = Path(path)
    if is_folder(path):
        inside = [path / "experiment.toml", path / "experiment.xlsx", *sorted(path.glob("*.xlsx"))]
        found = [file for file in inside if file.is_file() and not file.name.startswith("~$")]
        if not found:
            msg = f"{path}: no experiment.toml and no .xlsx in this folder; `blotquant init {path}` drafts one"
            raise SheetError(msg)
        return found[0]
    if path.suffix.lower() in PICTURE_SUFFIXES and is_file(path):
        msg = (
            f"{path}: a picture, not an experiment; `blotquant measure {path} -o OUT` measures its bands, "
            f"`blotquant init {path.parent}` drafts an experiment for the pictures of its folder"
        )
        raise SheetError(msg)
    if not is_file(path):
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
        raw, sheet, problems = _read_workbook_form(file)
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
        raw = parse_toml(text)
    except (ValueError, RecursionError) as error:  # a number or a nesting without end, beside wrong TOML
        msg = f"{file.name}: not valid TOML: {error}{_toml_hint(text, str(error))}"
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


def _read_workbook_form(file: Path) -> tuple[dict[str, Any], Sheet | None, list[str]]:
    """Turn a workbook's sheets into what the TOML file would hold.

    Returns
    -------
    raw : dict
        As `tomllib` would give it.
    samples : Sheet or None
        The sample sheet, None if there is none.
    problems : list of str
        One line each.
    """
    sheets = read_workbook(file)
    problems = [
        f"{file.name}: sheet {name!r} is missing; {did_you_mean(name, sheets)}"
        for name in ("images", "samples")
        if name not in sheets
    ]
    for name, sheet in sheets.items():
        if name in _SHEETS and name != "samples":
            problems += [text for text in sheet.problems if "is empty" not in text]
    raw = _pairs(sheets.get("experiment"), problems)
    # A list of numbers is the ladder's kDa values, anything else its product name.
    masses = [part for part in re.split(r"[;,\s]+", str(raw.get("ladder", ""))) if part]
    if len(masses) > 1 and all(re.fullmatch(r"[\d.]+", part) for part in masses):
        raw["ladder"] = [float(part) for part in masses]
    for key in ("images", "ratios", "contrasts"):
        raw[key] = _records(sheets.get(key), problems)
    raw["targets"] = {str(record.pop("target", "")): record for record in _records(sheets.get("targets"), problems)}
    for key in ("compare", "dilution"):
        raw[key] = _pairs(sheets.get(key), problems)
    return raw, sheets.get("samples"), problems


def _records(sheet: Sheet | None, problems: list[str]) -> list[dict[str, Any]]:
    """One record per row; empty cells are keys not given."""
    records = []
    for place, cells in sheet.rows.items() if sheet else ():
        where = f"{sheet.name if sheet else ''}: {place}"
        record = {key.lower(): value for key, value in cells.items() if key and value}
        records.append({key: _value(key, value, f"{where}: {key}", problems) for key, value in record.items()})
    return records


def _pairs(sheet: Sheet | None, problems: list[str]) -> dict[str, Any]:
    """Read key and value from the first two columns; the first row counts unless it says key, value."""
    if sheet is None or not sheet.columns:
        return {}
    lines = [list(sheet.columns), *([cells[name] for name in sheet.columns] for cells in sheet.rows.values())]
    pairs = {cells[0].lower(): cells[1] for cells in lines if len(cells) > 1 and cells[0] and cells[1]}
    if pairs.get("key", "").lower() == "value":
        del pairs["key"]
    return {key: _value(key, value, f"{sheet.name}: {key}", problems) for key, value in pairs.items()}


def _value(key: str, text: str, where: str, problems: list[str]) -> Any:
    if key in _LISTS:
        parts = [part.strip() for part in re.split(r"[;\n]" if ";" in text else r"[;,\n]", text) if part.strip()]
        return [_number(key, part, where, problems) for part in parts] if key in _NUMBERS else parts
    if key == "pairs":  # "A / B; C / D"
        return [[side.strip() for side in re.split(r"\s/\s|\|", pair)] for pair in re.split(r"[;\n]", text)]
    if key in ("stain", "all_pairs"):
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    return _number(key, text, where, problems) if key in (*_NUMBERS, *_WHOLE) else text


def _number(key: str, text: str, where: str, problems: list[str]) -> Any:
    try:
        number = read_number(text)
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None
    return int(number) if key in _WHOLE and number.is_integer() else number


def _toml_hint(text: str, error: str) -> str:
    """What is most often behind broken TOML: decimal commas, curly quotes, text without quotes, Windows paths."""
    place = re.search(r"at line (\d+)", error)
    line = text.splitlines()[int(place[1]) - 1] if place and int(place[1]) <= len(text.splitlines()) else ""
    comma = re.match(r"\s*([\w.-]+)\s*=\s*(\d+),(\d+)\s*(?:#.*)?$", line)
    if comma:
        return f"; decimals stand behind a point: {comma[1]} = {comma[2]}.{comma[3]}"
    if re.search("[\u2018-\u201f\u00ab\u00bb]", line):
        straight = re.sub("[\u201c-\u201f\u00ab\u00bb]", '"', line).strip()
        return f"; curly quotes: write straight ones, as a plain-text editor does: {straight}"
    bare = re.match(r"\s*([\w.-]+)\s*=\s*([^\"'\[{#\s][^\"'#]*)", line)
    if bare and bare[2].strip() not in ("true", "false"):
        return f"; text stands in quotes: {bare[1]} = {json.dumps(bare[2].strip(), ensure_ascii=False)}"
    return "; write paths with / or in single quotes" if "\\" in text else ""


def _read_sheet(path: Path) -> Sheet:
    if path.suffix.lower() not in WORKBOOK_SUFFIXES:
        return read_csv_sheet(path)
    sheets = read_workbook(path)
    return sheets.get("samples") or next(iter(sheets.values()))


def _build(file: Path, raw: dict[str, Any], sheet: Sheet | None, problems: list[str]) -> Experiment:
    where = file.name
    problems += [f"{where}: {key}: unknown key; {did_you_mean(key, _KEYS)}" for key in raw if key not in _KEYS]
    # Every part of the file, each with all of its mistakes.
    images = _told_apart(
        [
            image if image.membrane else image.model_copy(update={"membrane": image.blot})
            for image in _list_of(ImageEntry, raw, "images", where, problems)
        ]
    )
    ratios = _list_of(Ratio, raw, "ratios", where, problems)
    targets = {
        name: target
        for name, value in _mapping(raw, "targets", where, problems).items()
        if (target := _one(TargetEntry, value, f"{where}: targets.{name}", problems)) is not None
    }
    compare = _one(Comparison, _mapping(raw, "compare", where, problems), f"{where}: compare", problems)
    contrasts = _list_of(Contrast, raw, "contrasts", where, problems)
    settings = _one(Settings, _mapping(raw, "settings", where, problems), f"{where}: settings", problems)
    # The sample sheet, whose conditions may be built from the factors.
    factors = compare.factors if compare else ()
    samples, wrong = parse_samples(sheet, factors=factors) if sheet is not None else (None, [])
    problems += wrong
    dilution = _one(Dilution, _mapping(raw, "dilution", where, problems), f"{where}: dilution", problems) or Dilution()
    ladder = _read_ladder(raw.get("ladder"), where, problems)
    # What one part says is held against the others.
    problems += check_images(file, raw, images)
    shared = check_shared_pictures(images, targets, has_ladder=ladder is not None)
    problems += [f"{where}: {text}" for text in shared]
    problems += [f"{where}: {text}" for text in check_ratios(ratios, written_probes(raw), set(targets))]
    if samples is not None and sheet is not None:
        complete = len(images) == len(written_images(raw))
        problems += check_samples(where, sheet.name, images, samples, complete=complete)
        problems += [f"{where}: {text}" for text in check_compare(compare or Comparison(), samples)]
        if compare is not None and not wrong:
            _, unfit = resolve_families(contrasts, compare, condition_levels(samples))
            problems += [f"{where}: {text}" for text in unfit]
        problems += [f"{where}: {text}" for text in check_dilution(dilution, samples, images, file.parent)]
    # All mistakes at once, so that a person mends the file once.
    if problems or samples is None:
        raise SheetError("\n".join(dict.fromkeys(problems)))
    # What counts as one replicate; where the sheet leaves it open, the question is asked.
    rows, questions = fill_replicates(samples, compare or Comparison())
    sheet_name = sheet.name if sheet is not None else where
    study = Experiment(
        path=file,
        name=str(raw.get("name") or file.resolve().parent.name or file.stem),
        images=tuple(images),
        samples=rows,
        targets=targets,
        ladder=ladder,
        ratios=tuple(ratios),
        compare=compare or Comparison(),
        contrasts=tuple(contrasts),
        dilution=dilution,
        settings=settings or Settings(),
    )
    doubts = find_doubts(study, sheet=sheet_name)
    return replace(study, warnings=(*(f"{sheet_name}: {text}" for text in questions), *doubts))


def _told_apart(images: Sequence[ImageEntry]) -> list[ImageEntry]:
    """Entries whose files in different folders have one name are called by their paths."""
    files = {image.file: image.base_name for image in images}
    names = Counter(files.values())
    shown = Counter((image.file, image.page, image.channel, image.region, image.strip) for image in images)
    return [
        image.told_apart(
            by_path=names[image.base_name] > 1,
            is_shared=shown[image.file, image.page, image.channel, image.region, image.strip] > 1,
        )
        for image in images
    ]


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
