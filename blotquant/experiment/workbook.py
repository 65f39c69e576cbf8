"""An experiment as one .xlsx workbook: the same content as the TOML file, in sheets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from blotquant.experiment.sheets import Sheet, read_number, read_workbook
from blotquant.text import did_you_mean

_LISTS = ("loading", "denominator", "mw_kda", "blots", "files")
_NUMBERS = ("exposure_s", "mw_kda", "alpha")
_WHOLE = ("strip", "page", "row")
_KNOWN = ("experiment", "images", "targets", "ratios", "compare", "dilution", "samples")


def read_experiment_workbook(file: Path) -> tuple[dict[str, Any], Sheet | None, list[str]]:
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
        if name in _KNOWN and name != "samples":
            problems += [text for text in sheet.problems if "is empty" not in text]
    raw = _pairs(sheets.get("experiment"), problems)
    if isinstance(raw.get("ladder"), str):
        raw["ladder"] = _ladder(raw["ladder"])
    for key in ("images", "ratios"):
        raw[key] = _records(sheets.get(key), problems)
    raw["targets"] = {str(record.pop("target", "")): record for record in _records(sheets.get("targets"), problems)}
    for key in ("compare", "dilution"):
        raw[key] = _pairs(sheets.get(key), problems)
    return raw, sheets.get("samples"), problems


def _records(sheet: Sheet | None, problems: list[str]) -> list[dict[str, Any]]:
    """One record per row; empty cells are keys not given."""
    records = []
    for row in sheet.rows if sheet else ():
        record = {key.lower(): value for key, value in row.cells.items() if key and value}
        records.append(
            {
                key: _value(key, value, f"{sheet.name if sheet else ''}: {row.where}: {key}", problems)
                for key, value in record.items()
            }
        )
    return records


def _pairs(sheet: Sheet | None, problems: list[str]) -> dict[str, Any]:
    """Read key and value from the first two columns; the first row counts unless it says key, value."""
    if sheet is None or not sheet.columns:
        return {}
    lines = [list(sheet.columns), *([row.cells[name] for name in sheet.columns] for row in sheet.rows)]
    pairs = {cells[0].lower(): cells[1] for cells in lines if len(cells) > 1 and cells[0] and cells[1]}
    if pairs.get("key", "").lower() == "value":
        del pairs["key"]
    return {key: _value(key, value, f"{sheet.name}: {key}", problems) for key, value in pairs.items()}


def _value(key: str, text: str, where: str, problems: list[str]) -> Any:
    if key in _LISTS:
        parts = [part.strip() for part in re.split(r"[;\n]" if ";" in text else r"[;,\n]", text) if part.strip()]
        return [_number(key, part, where, problems) for part in parts] if key in _NUMBERS else parts
    if key == "stain":
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower(), text)
    return _number(key, text, where, problems) if key in (*_NUMBERS, *_WHOLE) else text


def _number(key: str, text: str, where: str, problems: list[str]) -> Any:
    try:
        number = read_number(text)
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None
    return int(number) if key in _WHOLE and number.is_integer() else number


def _ladder(text: str) -> str | list[float]:
    """A list of numbers is the ladder's kDa values, anything else its product name."""
    parts = [part for part in re.split(r"[;,\s]+", text) if part]
    return (
        [float(part) for part in parts] if len(parts) > 1 and all(re.fullmatch(r"[\d.]+", p) for p in parts) else text
    )
