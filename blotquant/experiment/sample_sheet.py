"""The sample sheet: one row per lane, checked as a whole."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from blotquant.experiment.design import SHEET_COLUMNS
from blotquant.experiment.sheets import Sheet, read_number
from blotquant.model.geometry import ROLES
from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS, RATIO_COLUMNS, SUMMARY_COLUMNS
from blotquant.text import did_you_mean

REQUIRED = ("blot", "lane", "condition")
OPTIONAL = ("membrane", "sample", "role", "load_ug", "replicate")
_TAKEN = {*BAND_COLUMNS, *LANE_COLUMNS, *RATIO_COLUMNS, *SUMMARY_COLUMNS} - SHEET_COLUMNS.keys()
_MAX_LANE = 60
_ROLE_WORDS = {
    "blank": ("empty", "none", "leer", "leerspur", "vide", "vacio", "vacío"),
    "ladder": ("marker", "mw", "leiter", "marqueur", "marcador", "protein ladder", "standard ladder", "m", "l"),
    "sample": ("probe", "lysate", "lysat", "echantillon", "échantillon", "muestra"),
    "excluded": ("exclude", "skip", "omit", "ausgeschlossen", "exclu", "excluido"),
}
"""Words that people write for a role, in several languages; each is asked about, none is taken."""
PLACEHOLDER = r"(?:blot .+, )?lane \d+"
"""Conditions as `init` drafts them, until a person writes what was loaded."""
_FEW_ROWS = 3
"""Rows with one and the same mistake that are listed singly; more are told together."""


def parse_samples(sheet: Sheet, *, factors: Sequence[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """Read the sample sheet: types, roles, lanes counted without gaps, every lane once.

    Parameters
    ----------
    sheet : Sheet
        As it was written.
    factors : sequence of str
        Columns that make up the conditions, where the sheet has no column of that name.

    Returns
    -------
    rows : DataFrame
        Those that could be read: `SHEET_COLUMNS`, and the sheet's further columns as text.
    problems : list of str
        One line for every mistake.
    """
    names = {column: column.lower() if column.lower() in SHEET_COLUMNS else column for column in sheet.columns}
    if "condition" not in names.values() and factors and all(name in names.values() for name in factors):
        sheet = _with_conditions(sheet, factors)
        names["condition"] = "condition"
    # Columns whose names miss a known one by a letter are taken for it, and named.
    meant = _misspelt(list(names.values()))
    problems = [*sheet.problems, *_check_columns(sheet, list(names.values()), meant)]
    names = {column: meant.get(name, name) for column, name in names.items()}
    extra = tuple(name for name in names.values() if name and name not in SHEET_COLUMNS)
    # Row by row, every mistake with its place.
    rows: list[dict[str, Any]] = []
    places: list[str] = []
    if all(name in names.values() for name in REQUIRED):
        mistakes: dict[str, list[str]] = {}
        for place, cells in sheet.rows.items():
            read, wrong = _read_row({names[k]: v for k, v in cells.items()}, extra)
            for text in wrong:
                mistakes.setdefault(text, []).append(place)
            if read:
                rows.append(read)
                places.append(place)
        for text, where in mistakes.items():
            told = where if len(where) <= _FEW_ROWS else [f"{where[0]} and {len(where) - 1} more, to {where[-1]}"]
            problems += [f"{sheet.name}: {place}: {text}" for place in told]
        if not sheet.rows and not sheet.problems:
            problems.append(f"{sheet.name}: no lanes listed; give one row per lane")
        problems += [f"{sheet.name}: {text}" for text in _check_lanes(rows, places)]
    columns = [*SHEET_COLUMNS, *extra]
    return pd.DataFrame(rows, columns=columns).astype({**dict.fromkeys(extra, "string"), **SHEET_COLUMNS}), problems


def _with_conditions(sheet: Sheet, factors: Sequence[str]) -> Sheet:
    """Name each lane's condition by its levels of the factors, such as ``AnaR, vehicle``."""
    rows = {
        place: {**cells, "condition": ", ".join(cells[name] for name in factors if cells[name])}
        for place, cells in sheet.rows.items()
    }
    return replace(sheet, columns=(*sheet.columns, "condition"), rows=rows)


def _misspelt(names: Sequence[str]) -> dict[str, str]:
    """Columns that are nearly the name of a missing one: reading goes on as if they were it."""
    missing = [name for name in (*REQUIRED, *OPTIONAL) if name not in names]
    meant: dict[str, str] = {}
    for name in names:
        # Only columns that are missing can be meant.
        near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.75)
        if near and name not in SHEET_COLUMNS:
            meant[name] = near[0]
            missing.remove(near[0])
    return meant


def _check_columns(sheet: Sheet, names: Sequence[str], meant: dict[str, str]) -> list[str]:
    if not names:
        return []
    problems = [f"{sheet.name}: column {name!r} is not known; did you mean {right!r}?" for name, right in meant.items()]
    problems += [
        f"{sheet.name}: column {name!r} is the name of a result column; call it otherwise"
        for name in names
        if name.lower() in _TAKEN and name not in meant
    ]
    found = f"columns found: {', '.join(names)}; needed: {', '.join(REQUIRED)}"
    missing = [name for name in REQUIRED if name not in names and name not in meant.values()]
    return problems + [f"{sheet.name}: column {name!r} is missing ({found})" for name in missing]


def _read_row(cells: Mapping[str, str], extra: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    problems: list[str] = []
    # Cell by cell, each with its own mistakes; a row without blot or lane cannot be placed.
    blot = cells["blot"]
    if not blot:
        problems.append("blot is empty; give the biological replicate, such as 1")
    lane = _read_lane(cells["lane"], problems)
    role = cells.get("role", "").lower() or "sample"
    if role not in ROLES:
        meant = next((name for name, words in _ROLE_WORDS.items() if role in words), None)
        told = f"did you mean {meant!r}? allowed: {', '.join(ROLES)}" if meant else did_you_mean(role, ROLES)
        problems.append(f"role {cells['role']!r} is not known; {told}")
    condition = cells["condition"]
    if not condition and role in ("sample", "standard"):
        problems.append(
            f"condition is empty in a lane of role {role}; name it, or set role to blank, ladder or excluded"
        )
    read = {
        "blot": blot,
        "membrane": cells.get("membrane") or pd.NA,
        "lane": lane,
        "role": role,
        "sample": cells.get("sample") or condition or pd.NA,
        "condition": condition or pd.NA,
        "load_ug": _read_load(cells.get("load_ug", ""), problems),
        "replicate": cells.get("replicate") or pd.NA,
        **{name: cells[name] or pd.NA for name in extra},
    }
    return (read if blot and lane else {}), problems


def _read_lane(text: str, problems: list[str]) -> int | None:
    try:
        number = read_number(text)
    except ValueError:
        number = 0.0
    if number.is_integer() and 1 <= number <= _MAX_LANE:
        return int(number)
    problems.append(f"lane {text!r} is not a whole number from 1 to {_MAX_LANE}")
    return None


def _read_load(text: str, problems: list[str]) -> float:
    if not text:
        return float("nan")
    try:
        load = read_number(text)
    except ValueError as error:
        problems.append(f"load_ug: {error}")
        return float("nan")
    if load < 0:
        problems.append(f"load_ug {text!r} is negative; give micrograms, or leave it empty")
    return load


def _check_lanes(rows: Sequence[dict[str, Any]], places: Sequence[str]) -> list[str]:
    """Every lane of a membrane once, counted from 1 without a gap: the count is what the pictures are held to."""
    problems = []
    seen: dict[tuple[Any, ...], str] = {}
    listed: dict[tuple[str, Any], set[int]] = {}
    for row, where in zip(rows, places, strict=True):
        membrane = None if pd.isna(row["membrane"]) else row["membrane"]
        # A lane may be listed once for its membrane, or once for all membranes of its blot.
        key = (row["blot"], membrane, row["lane"])
        if key in seen:
            problems.append(
                f"{where}: lane {row['lane']} of {_place(row['blot'], membrane)} was given before ({seen[key]})"
            )
        elif membrane is not None and (row["blot"], None, row["lane"]) in seen:
            first = seen[row["blot"], None, row["lane"]]
            problems.append(f"{where}: lane {row['lane']} of blot {row['blot']} was given for all membranes ({first})")
        seen.setdefault(key, where)
        listed.setdefault((row["blot"], membrane), set()).add(row["lane"])
    for (blot, membrane), lanes in listed.items():
        if membrane is not None:
            lanes = lanes | listed.get((blot, None), set())
        elif any(other == blot and name is not None for other, name in listed):
            continue
        # Lanes are counted from the left without a gap: an empty one is a lane too.
        absent = sorted(set(range(1, max(lanes) + 1)) - lanes)
        if absent:
            problems.append(
                f"{_place(blot, membrane)}: lane {', '.join(map(str, absent))} is not listed; every lane counts "
                "from the left: give empty ones the role blank and the ladder the role ladder"
            )
    return problems


def condition_levels(samples: pd.DataFrame) -> pd.DataFrame:
    """Lay out what the sheet's further columns say about each condition.

    Parameters
    ----------
    samples : DataFrame
        The sample sheet.

    Returns
    -------
    DataFrame
        Conditions in the sheet's order as index; those columns that hold one value for every condition.
    """
    rows = samples[(samples["role"] == "sample") & samples["condition"].notna()]
    columns = [name for name in samples.columns if name not in SHEET_COLUMNS]
    grouped = rows.groupby("condition", sort=False)
    # Columns that say one thing for each condition.
    single = [name for name in columns if (grouped[name].nunique(dropna=False) == 1).all()]
    return grouped[single].first() if single else pd.DataFrame(index=list(dict.fromkeys(rows["condition"])))


def spelling_twins(rows: pd.DataFrame, *, where: str) -> list[str]:
    """Name conditions that differ in spelling only; they count as different, and may be meant as one.

    Parameters
    ----------
    rows : DataFrame
        The sample sheet.
    where : str
        What the sheet is called.

    Returns
    -------
    list of str
        One line for each group of twins: case, blanks, dashes and look-alike characters such as µ and μ.
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(rows["condition"].dropna()):
        groups.setdefault(folded(name), []).append(str(name))
    return [
        f"{where}: conditions {' and '.join(map(spelled, names))} differ in spelling only and are compared as "
        "different; write them alike if they are one"
        for names in groups.values()
        if len(names) > 1
    ]


NEAR = 2
"""Letters by which two names may differ to be asked about."""
LONG_ENOUGH = 5
"""Letters of a word whose spelling can be told from its meaning: siA and siB are two things."""


def near_twins(rows: pd.DataFrame, *, where: str) -> list[str]:
    """Name conditions that differ by a letter or two of one word; they count as different, and may be meant as one.

    Parameters
    ----------
    rows : DataFrame
        The sample sheet.
    where : str
        What the sheet is called.

    Returns
    -------
    list of str
        One question for each pair.
    """
    names = [str(name) for name in dict.fromkeys(rows["condition"].dropna())]
    return [
        f"{where}: conditions {a!r} and {b!r} differ by a letter or two and are compared as different; is one a typing "
        "error?"
        for k, a in enumerate(names)
        for b in names[k + 1 :]
        if folded(a) != folded(b) and _nearly_alike(a, b)
    ]


def _nearly_alike(a: str, b: str) -> bool:
    """Whether one long word of letters differs by at most `NEAR` letters after its first, and all others agree."""
    words = [re.split(r"[\s,;_/+-]+", unicodedata.normalize("NFKC", name).casefold()) for name in (a, b)]
    if len(words[0]) != len(words[1]):
        return False
    odd = [pair for pair in zip(*words, strict=True) if pair[0] != pair[1]]
    if len(odd) != 1:
        return False
    x, y = odd[0]
    if not (x.isalpha() and y.isalpha()) or min(len(x), len(y)) < LONG_ENOUGH or x[0] != y[0]:
        return False
    return _letters_apart(x, y) <= NEAR


def _letters_apart(a: str, b: str) -> int:
    """Letters to be changed, added, left out or swapped to turn one word into the other."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            best = min(rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def folded(text: str) -> str:
    """A name without what readers overlook: case, blanks, dashes, commas other than decimal ones, look-alikes."""
    return re.sub(r"[\s_\-\u2010-\u2015;]+|(?<!\d),|,(?!\d)", "", unicodedata.normalize("NFKC", text).casefold())


def spelled(text: str) -> str:
    """A name in quotes, with the code points of characters that look like others."""
    odd = [f"U+{ord(c):04X}" for c in text if ord(c) > 127]
    return f"{text!r}" + (f" ({', '.join(odd)})" if odd else "")


def _place(blot: str, membrane: str | None) -> str:
    return f"blot {blot}" if membrane is None else f"blot {blot}, membrane {membrane}"
