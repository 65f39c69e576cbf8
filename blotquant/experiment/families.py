"""Which comparisons an experiment asks for: its declared contrasts as weights over conditions.

A contrast is a row of weights over the conditions' log values that sum to 0: ``+1`` and ``-1`` for a fold change, two
of each for an interaction (the ratio of two fold changes), a least-squares slope for a trend. Contrasts of one entry
are a family: their p-values are adjusted together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.experiment.design import Adjustment, Comparison, Contrast, Experiment
from blotquant.experiment.sample_sheet import condition_levels
from blotquant.text import did_you_mean

Floats = NDArray[np.float64]
Kind = Literal["reference", "within", "chosen", "pairs", "interaction", "trend"]

MIN_DOSES = 3
"""Different doses or times above 0 that a trend needs: a line through two is no trend."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The words of one contrast.

    Attributes
    ----------
    label : str
        For tables, such as ``AnaR: fulvestrant / vehicle``.
    subject, against : str
        What is compared with what.
    place : str
        Where, such as a cell line; empty where everywhere.
    """

    label: str
    subject: str
    against: str
    place: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Family:
    """Contrasts whose p-values are adjusted together.

    Attributes
    ----------
    name : str
        As declared, or made from what is compared.
    kind : str
        ``reference``, ``within``, ``chosen`` (pairs), ``pairs`` (all), ``interaction`` or ``trend``.
    adjust : str
        Adjustment of p.
    conditions : tuple of str
        What the weights' columns stand for.
    claims : tuple of Claim
        One for each contrast.
    weights : ndarray, shape (m, k)
        One row for each contrast, natural logarithm.
    doses : mapping of str to float
        Of a trend: dose or time by condition, 0 included.
    scale : str
        Of a trend: ``log`` or ``linear``.
    declared : bool
        False for a family that nobody asked for, seen in the sheet's columns.
    """

    name: str
    kind: Kind
    adjust: Adjustment
    conditions: tuple[str, ...]
    claims: tuple[Claim, ...]
    weights: Floats
    doses: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    scale: str = "log"
    declared: bool = True

    def among(self, conditions: Collection[str]) -> Family | None:
        """The family without contrasts of conditions that were not planned for a ratio; None where none is left."""
        planned = np.array([name in conditions for name in self.conditions])
        kept = np.flatnonzero(~(np.abs(self.weights[:, ~planned]) > 0).any(axis=1))
        if not len(kept):
            return None
        claims = tuple(self.claims[k] for k in kept)
        return self if len(kept) == len(self.claims) else replace(self, claims=claims, weights=self.weights[kept])


def find_families(experiment: Experiment) -> list[Family]:
    """Resolve all comparisons of an experiment: with its reference, as declared, and an interaction that is seen."""
    compare = experiment.compare
    levels = condition_levels(experiment.samples)
    families, _ = resolve_families(experiment.contrasts, compare, levels)
    if compare.reference in levels.index and len(levels) > 1:
        whole = Contrast(reference=(compare.reference,), name=f"against {compare.reference}")
        families = [*_resolve(whole, compare, levels, []), *families]
    proposed = propose_interaction(compare, levels) if not experiment.contrasts else None
    if proposed is not None:
        families += [replace(family, declared=False) for family in _resolve(proposed, compare, levels, [])]
    return families


def resolve_families(
    contrasts: Sequence[Contrast], compare: Comparison, levels: pd.DataFrame
) -> tuple[list[Family], list[str]]:
    """Turn declared contrasts into weights.

    Returns
    -------
    families : list of Family
        Those that could be resolved.
    problems : list of str
        One line for each mistake.
    """
    problems: list[str] = []
    families: list[Family] = []
    for number, contrast in enumerate(contrasts, 1):
        mine: list[str] = []
        found = _resolve(contrast, compare, levels, mine)
        label = f"contrasts no. {number}" + (f" ({contrast.name})" if contrast.name else "")
        problems += [f"{label}: {text}" for text in mine]
        families += found
    names = [family.name for family in families]
    problems += [f"contrasts: the name {name!r} stands there twice" for name in dict.fromkeys(names)
                 if names.count(name) > 1]  # fmt: skip
    return families, problems


def _resolve(contrast: Contrast, compare: Comparison, levels: pd.DataFrame, problems: list[str]) -> list[Family]:
    """One declared entry as a family, or what is wrong with it."""
    asked = [name for name in COMPARISONS if getattr(contrast, name)]
    if len(asked) > 1 or not (asked or contrast.reference):
        *names, last = ("reference", *COMPARISONS)
        got = f" (got {' and '.join(asked)})" if asked else ""
        problems.append(f"say what to compare by one of {', '.join(names)} or {last}{got}")
        return []
    unknown = [name for name in (*contrast.within, *contrast.interaction) if name not in levels]
    unknown += [contrast.trend] if contrast.trend is not None and contrast.trend not in levels else []
    problems += [
        f"{name!r} is no column of the sample sheet with one value for each condition; "
        f"{did_you_mean(name, map(str, levels.columns))}"
        for name in unknown
    ]
    if unknown:
        return []
    make = COMPARISONS[asked[0]] if asked else _many_to_one
    return [family] if (family := make(contrast, compare, levels, problems)) is not None else []


def _family(contrast: Contrast, compare: Comparison, levels: pd.DataFrame, name: str, kind: Kind,
            rows: Sequence[tuple[Claim, Mapping[str, float]]]) -> Family:  # fmt: skip
    conditions = tuple(str(name) for name in levels.index)
    # One row a contrast over all conditions of the sheet.
    weights = np.zeros((len(rows), len(conditions)))
    for row, (_, parts) in enumerate(rows):
        for condition, weight in parts.items():
            weights[row, conditions.index(condition)] += weight
    return Family(
        name=contrast.name or name,
        kind=kind,
        adjust=contrast.adjust or compare.adjust,
        conditions=conditions,
        claims=tuple(claim for claim, _ in rows),
        weights=weights,
    )


def _pair(subject: str, against: str, *, place: str = "", names: tuple[str, str] | None = None) -> (
    tuple[Claim, dict[str, float]]
):  # fmt: skip
    """A fold change of one condition against another; `names` are shorter words for them."""
    a, b = names or (subject, against)
    label = f"{place}: {a} / {b}" if place else f"{a} / {b}"
    return Claim(label=label, subject=a, against=b, place=place), {subject: 1.0, against: -1.0}


def _many_to_one(contrast: Contrast, compare: Comparison, levels: pd.DataFrame, problems: list[str]) -> Family | None:
    """One reference for all, two controls, or a reference within the levels of other factors."""
    conditions = [str(name) for name in levels.index]
    if len(contrast.reference) > 2:
        problems.append(f"reference: one or two, got {len(contrast.reference)}")
        return None
    rows = []
    if not contrast.within:
        wrong = [name for name in contrast.reference if name not in conditions]
        problems += [f"reference {name!r} is no condition; {did_you_mean(name, conditions)}" for name in wrong]
        if wrong:
            return None
        for reference in contrast.reference:
            rows += [_pair(name, reference) for name in conditions if name not in contrast.reference]
        name = f"against {' and '.join(contrast.reference)}"
        return _family(contrast, compare, levels, name, "reference", rows)
    for reference in contrast.reference:
        # The factor beside those of `within` that has a level: a declared one first.
        columns = [*compare.factors, *levels.columns]
        factor = next(
            (str(c) for c in columns if c in levels and c not in contrast.within and (levels[c] == reference).any()),
            None,
        )
        if factor is None:
            others = [str(v) for column in levels if column not in contrast.within for v in levels[column].dropna()]
            problems.append(
                f"reference {reference!r} is no level of a factor beside {' and '.join(contrast.within)}; "
                f"{did_you_mean(reference, dict.fromkeys(others))}"
            )
            return None
        for place, group in _groups(levels, contrast.within):
            base = [str(name) for name in group.index[group[factor] == reference]]
            if len(base) > 1:
                problems.append(
                    f"conditions {' and '.join(base)} are both {reference!r} in {place}; "
                    "name what tells them apart in within"
                )
                continue
            if not base:
                continue
            shown = group[factor].value_counts()
            for condition, level in group[factor].items():
                if level not in contrast.reference:
                    short = (str(level) if shown[level] == 1 else str(condition), reference)
                    rows.append(_pair(str(condition), base[0], place=place, names=short))
    if not rows and not problems:
        problems.append("no condition can be compared with the reference")
    name = f"{' and '.join(contrast.reference)} within {' and '.join(contrast.within)}"
    return _family(contrast, compare, levels, name, "within", rows) if rows else None


def _groups(levels: pd.DataFrame, within: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Conditions by the levels of some factors, in the sheet's order, with the levels' words."""
    if not within:
        yield "", levels
        return
    keys = levels[list(within)].astype("string").fillna("")
    for key in dict.fromkeys(map(tuple, keys.to_numpy())):
        yield ", ".join(key), levels[(keys == list(key)).all(axis=1).to_numpy()]


def _chosen(contrast: Contrast, compare: Comparison, levels: pd.DataFrame, problems: list[str]) -> Family | None:
    conditions = [str(name) for name in levels.index]
    wrong = [name for pair in contrast.pairs for name in pair if name not in conditions]
    problems += [f"pairs: {name!r} is no condition; {did_you_mean(name, conditions)}" for name in dict.fromkeys(wrong)]
    same = [pair for pair in contrast.pairs if pair[0] == pair[1]]
    problems += [f"pairs: {a!r} cannot be compared with itself" for a, _ in same]
    if wrong or same:
        return None
    return _family(contrast, compare, levels, "chosen pairs", "chosen", [_pair(a, b) for a, b in contrast.pairs])


def _all_pairs(contrast: Contrast, compare: Comparison, levels: pd.DataFrame, problems: list[str]) -> Family | None:
    rows = []
    for place, group in _groups(levels, contrast.within):
        names = [str(name) for name in group.index]
        rows += [_pair(b, a, place=place) for k, a in enumerate(names) for b in names[k + 1 :]]
    if not rows:
        problems.append("all_pairs: there are no two conditions to compare")
        return None
    name = "all pairs" + (f" within {' and '.join(contrast.within)}" if contrast.within else "")
    return _family(contrast, compare, levels, name, "pairs" if not contrast.within else "chosen", rows)


def _interaction(contrast: Contrast, compare: Comparison, levels: pd.DataFrame, problems: list[str]) -> Family | None:
    """Ratio of fold changes: the second factor's effect in one level of the first over its effect in the reference."""
    if len(contrast.interaction) != 2 or contrast.interaction[0] == contrast.interaction[1]:
        problems.append('interaction: name two factors, such as interaction = ["cell_line", "drug"]')
        return None
    first, second = contrast.interaction
    cells: dict[tuple[str, str], list[str]] = {}
    for condition, a, b in zip(levels.index, levels[first], levels[second], strict=True):
        if not (pd.isna(a) or pd.isna(b)):
            cells.setdefault((str(a), str(b)), []).append(str(condition))
    twice = {cell: names for cell, names in cells.items() if len(names) > 1}
    for cell, names in twice.items():
        problems.append(
            f"interaction: conditions {' and '.join(names)} are both {' and '.join(cell)}; each cell of the two "
            "factors must be one condition"
        )
    if twice:
        return None
    # Effects of the second factor in each level of the first, against its effect in the reference's level.
    base = _reference_cell(contrast, compare, levels, cells, problems)
    if base is None:
        return None
    rows = []
    for (a, b), names in cells.items():
        four = [cells.get(cell) for cell in ((a, b), (a, base[1]), (base[0], b), base)]
        if a == base[0] or b == base[1] or not all(four):
            continue
        signs = dict(zip([names[0] for names in four if names], (1.0, -1.0, -1.0, 1.0), strict=True))
        label = f"({b} / {base[1]} in {a}) / ({b} / {base[1]} in {base[0]})"
        claim = Claim(label=label, subject=f"{b} against {base[1]}", against=base[0], place=a)
        rows.append((claim, signs))
    if not rows:
        problems.append(f"interaction: no level of {second} beside {base[1]!r} stands in {base[0]!r} and elsewhere too")
        return None
    return _family(contrast, compare, levels, f"interaction {first} × {second}", "interaction", rows)


def _reference_cell(
    contrast: Contrast, compare: Comparison, levels: pd.DataFrame, cells: Mapping[tuple[str, str], list[str]],
    problems: list[str],
) -> tuple[str, str] | None:  # fmt: skip
    """The two levels that effects are related to: as named, those of the reference condition, or the sheet's first."""
    first, second = contrast.interaction
    named = contrast.reference
    if len(named) == 2 and named in cells:
        return named[0], named[1]
    condition = named[0] if len(named) == 1 else compare.reference if not named else None
    if condition is not None and condition in levels.index:
        row = levels.loc[condition]
        return str(row[first]), str(row[second])
    if named:
        problems.append(
            f"interaction: reference {' and '.join(map(repr, named))}: name a condition, or a level of {first} and one "
            f"of {second}"
        )
        return None
    return next(iter(cells), None)


def _trend(contrast: Contrast, compare: Comparison, levels: pd.DataFrame, problems: list[str]) -> Family | None:
    """Slope over log dose or over time, within the levels of other factors."""
    column = str(contrast.trend)
    numbers: dict[str, float] = {}
    for condition, cell in levels[column].items():
        found = re.match(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)", str(cell)) if not pd.isna(cell) else None
        if found:
            numbers[str(condition)] = float(found[1])
        elif not pd.isna(cell):
            problems.append(f"trend: {column} of condition {condition} is {str(cell)!r}, which is no number")
    if problems:
        return None
    rows, doses = [], {}
    for place, group in _groups(levels, contrast.within):
        mine = {str(name): numbers[str(name)] for name in group.index if str(name) in numbers}
        used = {name: dose for name, dose in mine.items() if dose > 0 or contrast.scale == "linear"}
        if len(set(used.values())) < MIN_DOSES:
            continue
        # Least-squares slope as weights over the conditions' log values; they sum to 0.
        x = np.array(list(used.values()))
        x = np.log10(x) if contrast.scale == "log" else x
        slope = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        unit = "per ten-fold" if contrast.scale == "log" else "per unit of"
        label = f"{place}: {unit} {column}" if place else f"{unit} {column}"
        claim = Claim(label=label, subject=f"{unit} {column}", against="", place=place)
        rows.append((claim, dict(zip(used, slope.tolist(), strict=True))))
        doses[label] = _with_zero(mine, numbers, levels, contrast.within)
    if not rows:
        problems.append(
            f"trend: {column} has fewer than {MIN_DOSES} different "
            + ("values above 0" if contrast.scale == "log" else "values")
            + (f" in each level of {' and '.join(contrast.within)}" if contrast.within else "")
        )
        return None
    family = _family(contrast, compare, levels, f"trend over {column}", "trend", rows)
    return replace(family, doses=doses, scale=contrast.scale)


def _with_zero(
    mine: Mapping[str, float], numbers: Mapping[str, float], levels: pd.DataFrame, within: Sequence[str]
) -> dict[str, float]:
    """Doses of one series with its dose 0: a vehicle that is a level of its own of one factor belongs to all series."""
    if 0.0 in mine.values():
        return dict(mine)
    dosed = [name for name in numbers if numbers[name] > 0]
    shared = [factor for factor in within if set(levels[factor][dosed]) >= set(levels[factor].dropna())]
    # A vehicle counts for a series if it agrees with it in every factor that divides the doses.
    first = next(iter(mine))
    zero = [
        name
        for name, dose in numbers.items()
        if dose == 0 and all(levels[factor][name] == levels[factor][first] for factor in shared)
    ]
    return {**dict.fromkeys(zero, 0.0), **mine}


COMPARISONS: dict[str, Callable[[Contrast, Comparison, pd.DataFrame, list[str]], Family | None]] = {
    "pairs": _chosen,
    "all_pairs": _all_pairs,
    "interaction": _interaction,
    "trend": _trend,
}
"""What an entry of ``[[contrasts]]`` may ask for beside a reference: the field of `Contrast` that asks, and what makes
its family from the entry, ``[compare]`` and the conditions with their levels (or tells what is wrong with it)."""


def propose_interaction(compare: Comparison, levels: pd.DataFrame) -> Contrast | None:
    """See two factors that cross in the sheet's columns, where exactly one pair of columns makes up the conditions."""
    # Columns with a level for every condition, two by two: their cells must be single conditions.
    columns = [str(c) for c in levels if levels[c].notna().all() and levels[c].nunique() > 1]
    found = []
    for k, first in enumerate(columns):
        for second in columns[k + 1 :]:
            if levels.duplicated([first, second]).any():
                continue
            crossing = Contrast(interaction=(first, second))
            family = _interaction(crossing, compare, levels, [])
            if family is not None:
                name = f"interaction {first} × {second} (not declared: seen in the sheet's columns)"
                found.append(crossing.model_copy(update={"name": name}))
    if len(compare.factors) == 2:
        found = [contrast for contrast in found if set(contrast.interaction) == set(compare.factors)]
    return found[0] if len(found) == 1 else None
