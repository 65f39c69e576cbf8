"""Checks of an experiment as a whole: what one entry says must fit the others, the sheet and the files.

What may be a mistake in an experiment and is taken as written: told before the work, refused by nobody.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant.experiment.design import (
    SHEET_COLUMNS,
    Comparison,
    Dilution,
    ImageEntry,
    Ratio,
    TargetEntry,
    plain,
)
from blotquant.experiment.replicates import check_replicates
from blotquant.experiment.sample_sheet import folded, near_twins, spelled, spelling_twins
from blotquant.identification.presets import target_kda
from blotquant.io.files import is_file, is_folder, sha256_of
from blotquant.text import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.experiment.design import Experiment


def find_doubts(study: Experiment, *, sheet: str) -> tuple[str, ...]:
    """Name what looks like an oversight, one line each.

    Parameters
    ----------
    study : Experiment
        As read; its pictures are compared byte by byte.
    sheet : str
        What its sample sheet is called.

    Returns
    -------
    tuple of str
        Conditions spelled in two ways, blots that lack a ratio's denominator or numerator, blots without the
        reference, and copies of one picture under two names.
    """
    return (
        *spelling_twins(study.samples, where=sheet),
        *near_twins(study.samples, where=sheet),
        *(f"{study.path.name}: {text}" for text in _contradictions(study)),
        *(f"{study.path.name}: {text}" for ratio in study.ratios for text in _incomplete(study, ratio)),
        *(f"{sheet}: {text}" for text in _without_reference(study)),
        *(f"{study.path.name}: images: {text}" for text in _copies(study)),
    )


def _contradictions(study: Experiment) -> Iterator[str]:
    """Ratios whose names say another protein than they divide."""
    probes = {plain(image.probe): image.probe for image in study.images}
    for ratio in study.ratios:
        parts = ratio.name.split("/")
        if len(parts) != 2:
            continue
        sides = (("numerator", (ratio.numerator,)), ("denominator", ratio.denominator or ratio.loading))
        for said, (side, names) in zip(parts, sides, strict=True):
            word, used = plain(re.sub(r"\(.*?\)", "", said)), [plain(name) for name in names]
            if not word or any(word in name or name in word for name in used):
                continue
            if word in probes or target_kda(said.strip()):
                yield (
                    f"ratios: {ratio.name!r} says {said.strip()}, its {side} is {' and '.join(names)}; check the name "
                    "or the probe"
                )


def _incomplete(study: Experiment, ratio: Ratio) -> Iterator[str]:
    """Blots that show one side of a ratio and, for the other, at most a probe that no ratio knows: a typing error."""
    known = {_probe_of(study, name) for r in study.ratios for name in (r.numerator, *r.denominator, *r.loading)}
    top, bottom = _probe_of(study, ratio.numerator), {_probe_of(study, name) for name in ratio.denominator}
    for blot in dict.fromkeys(image.blot for image in study.images):
        shown = list(dict.fromkeys(image.probe for image in study.images if image.blot == blot))
        absent = sorted({top, *bottom} - set(shown))
        stray = any(probe not in known and not study.is_stain(probe) for probe in shown)
        if absent and (top in shown or (stray and bottom & set(shown))):
            yield (
                f"ratios: {ratio.name}: blot {blot} has no picture of {', '.join(absent)} and gives no such ratio; "
                f"its probes are {', '.join(shown)}"
            )


def _probe_of(study: Experiment, name: str) -> str:
    """The probe whose picture shows a target; a band of a doublet is called by its probe and its mass."""
    probes = {image.probe for image in study.images}
    return name if name in probes else next((p for p in sorted(probes) if name.startswith(f"{p} ")), name)


def _without_reference(study: Experiment) -> Iterator[str]:
    reference, rows = study.compare.reference, study.samples
    if reference is None or not study.ratios:
        return
    having = set(rows.loc[(rows["condition"] == reference) & rows["role"].isin(["sample", "standard"]), "blot"])
    having |= set(rows.loc[rows["role"] == "standard", "blot"])  # a standard links its blot to the others
    for blot in dict.fromkeys(image.blot for image in study.images):
        if blot not in having and blot not in study.dilution.blots:
            yield (
                f"blot {blot} has no lane of the reference condition {reference!r}: its lanes have no relative value "
                "and enter no p-value"
            )


def _copies(study: Experiment) -> Iterator[str]:
    """Pictures of the same bytes under two names; files of different sizes need no reading."""
    sizes: dict[int, list[Path]] = {}
    for path in dict.fromkeys(study.image_path(image) for image in study.images):
        sizes.setdefault(path.stat().st_size, []).append(path)
    alike: dict[str, list[str]] = {}
    for size, paths in sizes.items():
        for path in paths if size and len(paths) > 1 else ():
            alike.setdefault(sha256_of(path), []).append(path.name)
    for names in alike.values():
        if len(names) > 1:
            yield f"{' and '.join(names)} are copies of one picture; check which file belongs where"


MIN_LOADS = 3
"""Fewer different loads say nothing about proportionality."""
MOST_MISSING = 20
"""Missing files that are named; for each the folder is looked through for a name like it."""


def check_images(file: Path, raw: Mapping[str, Any], images: Sequence[ImageEntry]) -> list[str]:
    """Files that are not there, and pictures that cannot be told apart."""
    problems = []
    written = [str(item[k]).strip() for k in ("file", "ladder_image") for item in written_images(raw) if item.get(k)]
    missing = [name for name in dict.fromkeys(written) if not is_file(file.parent / name)]
    for name in missing[:MOST_MISSING]:
        beside = (file.parent / name).parent
        there = beside.glob("*") if is_folder(beside) else ()
        near = [p.relative_to(file.parent).as_posix() for p in there if is_file(p)]
        problems.append(f"{file.name}: images: file {name!r} is not there; {_nearest(name, near)}")
    if len(missing) > MOST_MISSING:
        problems.append(f"{file.name}: images: {len(missing) - MOST_MISSING} more files are not there")
    alike: dict[tuple[object, ...], list[str]] = {}
    for i in images:
        alike.setdefault((i.blot, i.membrane, i.probe, i.exposure_s, i.strip), []).append(i.file)
    problems += [
        f"{file.name}: images: {len(files)} pictures of {probe} on blot {blot}, membrane {membrane} "
        f"({', '.join(files)}); tell them apart by exposure_s, strip or membrane"
        for (blot, membrane, probe, *_), files in alike.items()
        if len(files) > 1
    ]
    found = [*_check_series(images), *_check_shared(images)]
    return problems + [f"{file.name}: images: {text}" for text in found]


def _check_series(images: Sequence[ImageEntry]) -> list[str]:
    """Every picture of an exposure series has its time, and one file is not read once whole and once by strips."""
    groups: dict[tuple[str, str, str], list[ImageEntry]] = {}
    for image in images:
        groups.setdefault((image.blot, image.membrane, image.probe), []).append(image)
    problems = []
    for (blot, membrane, probe), members in groups.items():
        of = f"{probe} on blot {blot}, membrane {membrane}"
        timed = {m.strip for m in members if m.exposure_s is not None}  # strips; None is the whole picture
        by_strips = {m.file for m in members if m.strip is not None}
        problems += [
            f"file {m.file!r}: has no exposure_s, but {of} is an exposure series; give the time of each picture in s"
            for m in members
            if m.exposure_s is None and timed and (m.strip is None or not timed.isdisjoint({m.strip, None}))
        ]
        problems += [
            f"file {m.file!r}: {of} is listed with and without a strip; say which strip each entry means"
            for m in members
            if m.strip is None and m.file in by_strips
        ]
    return problems


def _check_shared(images: Sequence[ImageEntry]) -> list[str]:
    """One picture is of one membrane and has one exposure time; it may show several probes."""
    groups: dict[tuple[object, ...], list[ImageEntry]] = {}
    for image in images:
        groups.setdefault((image.file, image.page, image.channel, image.region, image.strip), []).append(image)
    problems = []
    for (file, *_), members in groups.items():
        places = list(dict.fromkeys(f"blot {m.blot}, membrane {m.membrane}" for m in members))
        times = list(dict.fromkeys(f"{m.exposure_s:g}" for m in members if m.exposure_s is not None))
        if len(places) > 1:
            problems.append(
                f"file {file!r}: listed for {' and for '.join(places)}; say which strip of the picture each means, "
                "such as strip = 1"
            )
        if len(times) > 1:
            problems.append(
                f"file {file!r}: listed with exposure_s = {' and '.join(times)}; a picture has one exposure time: name "
                "the file of each exposure, or its page"
            )
    return problems


def check_shared_pictures(
    images: Sequence[ImageEntry], targets: Mapping[str, TargetEntry], *, has_ladder: bool
) -> list[str]:
    """Probes of one picture must be told apart: by row or place, by a ladder, or by the order of their masses."""
    groups: dict[tuple[object, ...], dict[str, ImageEntry]] = {}
    for image in images:
        key = (image.file, image.blot, image.membrane, image.page, image.channel, image.region, image.strip)
        groups.setdefault(key, {})[image.probe] = image
    problems = []
    for (file, *_), shown in groups.items():
        rows = {probe: targets[probe].row if probe in targets else None for probe in shown}
        masses = [(targets[probe].mw_kda if probe in targets else ()) or target_kda(probe) for probe in shown]
        ordered = sorted(masses, key=lambda kda: max(kda, default=0.0))
        in_order = all(masses) and all(max(a) < min(b) for a, b in pairwise(ordered))
        said = [rows[probe] if image.at is None else image.at for probe, image in shown.items()]
        clear = has_ladder or in_order if None in said else len(set(said)) == len(said)
        if len(shown) > 1 and not clear:
            first = json.dumps(next(iter(rows)), ensure_ascii=False)
            problems.append(
                f"images: file {file!r} shows {' and '.join(rows)}: say which row of the picture each one is, such as "
                f"[targets.{first}] row = 1 (from the top, as `blotquant inspect` lists them) or at = [x, y] in its "
                "entry, or name the ladder, or give masses (mw_kda) whose order tells"
            )
    return list(dict.fromkeys(problems))


def _nearest(name: str, files: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, files, n=1)
    return f"did you mean {near[0]!r}?" if near else "paths start at the experiment file's folder"


def written_images(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Image entries as written, whatever else is wrong with them."""
    entries = raw.get("images")
    return [item for item in entries if isinstance(item, dict)] if isinstance(entries, list) else []


def written_probes(raw: Mapping[str, Any]) -> list[str]:
    """Probes as written, also in entries that have other mistakes, so that one mistake gives one message."""
    return list(dict.fromkeys(str(item["probe"]).strip() for item in written_images(raw) if "probe" in item))


def check_ratios(ratios: Sequence[Ratio], probes: Sequence[str], targets: set[str]) -> list[str]:
    """Ratios of probes that no picture shows, without a denominator, or of a probe with itself."""
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


def check_samples(
    where: str, sheet: str, images: Sequence[ImageEntry], rows: pd.DataFrame, *, complete: bool
) -> list[str]:
    """Blots and membranes that the sheet and the pictures do not both have."""
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
    return problems + [f"{sheet}: {text}" for text in check_replicates(rows)]


def check_compare(compare: Comparison, rows: pd.DataFrame) -> list[str]:
    """A reference that is no condition, and scalings that lack what they need."""
    conditions = list(dict.fromkeys(rows.loc[rows["role"].isin(["sample", "standard"]), "condition"].dropna()))
    problems = []
    if compare.reference is not None and conditions and compare.reference not in conditions:
        problems.append(
            f"compare: reference {compare.reference!r} is no condition of the sample sheet; "
            f"{_meant(compare.reference, conditions)}"
        )
    further = [str(name) for name in rows if name not in SHEET_COLUMNS]
    problems += [
        f"compare: factor {name!r} is no column of the sample sheet; {did_you_mean(name, further)}"
        for name in compare.factors
        if name not in further
    ]
    if compare.scaling in ("fixed_point", "control_mean") and compare.reference is None:
        problems.append(f"compare: scaling {compare.scaling!r} needs a reference condition")
    if compare.scaling == "interblot_control" and "standard" not in set(rows["role"]):
        problems.append("compare: scaling 'interblot_control' needs a lane of role standard on every blot")
    return problems


def check_dilution(dilution: Dilution, rows: pd.DataFrame, images: Sequence[ImageEntry], folder: Path) -> list[str]:
    """Series without loads, a probe diluted twice, and files of earlier series that are not there."""
    problems = [
        f"dilution: file {name!r} is not there; give an earlier run's dilution.json, from the experiment file's folder"
        for name in dilution.files
        if not is_file(folder / name)
    ]
    listed = list(dict.fromkeys(rows["blot"].tolist()))
    for blot in dilution.blots:
        if blot not in listed:
            problems.append(f"dilution: blot {blot!r} is not in the sample sheet; {did_you_mean(blot, listed)}")
            continue
        loads = rows.loc[rows["blot"] == blot, "load_ug"]
        n = loads[loads > 0].nunique()
        if n < MIN_LOADS:
            problems.append(
                f"dilution: blot {blot} has {n} different loads in column load_ug of the sample sheet; a series needs "
                f"{MIN_LOADS} or more, in micrograms above 0"
            )
    places: dict[str, set[tuple[str, str]]] = {}
    for image in images:
        if image.blot in dilution.blots:
            places.setdefault(image.probe, set()).add((image.blot, image.membrane))
    problems += [
        f"dilution: {probe} is diluted on {len(where)} membranes "
        f"({', '.join(f'blot {b}, membrane {m}' for b, m in sorted(where))}); keep one"
        for probe, where in places.items()
        if len(where) > 1
    ]
    return problems


def _meant(name: str, conditions: Sequence[str]) -> str:
    """What the name may have been meant to be; look-alikes are told apart by their characters."""
    twins = [condition for condition in conditions if folded(condition) == folded(name)]
    if twins:
        return f"did you mean {spelled(twins[0])}? It differs in spelling only"
    return did_you_mean(name, conditions)
