"""`blotquant init`: a first experiment.toml and samples.csv from file names and from what the pictures show."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blotquant.errors import BlotQuantError, OutputError, SheetError
from blotquant.experiment.design import is_known_control
from blotquant.experiment.draft_text import STAIN, Draft, experiment_text, samples_text
from blotquant.experiment.filenames import NameParts, parse_name

SUFFIXES = (".scn", ".gel", ".1sc", ".tif", ".tiff", ".png", ".jpg", ".jpeg")
"""Endings looked for, the camera's own files before exports."""

_FEWEST = 0.5
"""A strip with fewer lanes than this part of the picture's fullest one is a scrap, and is not drafted."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a picture shows: lanes of each strip from top to bottom, their roles, and its exposure where it says so.

    Attributes
    ----------
    lanes : tuple of int
        Lanes of each strip.
    exposure_s : float or None
        Exposure time, from the file.
    roles : tuple of tuple of str
        ``sample``, ``ladder`` or ``blank`` (nothing shows) for each lane of each strip; empty where not looked at.
    """

    lanes: tuple[int, ...] = ()
    exposure_s: float | None = None
    roles: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Drafted:
    """What was written, what was there before and is kept, and what is to be done with it, one line each."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    todo: tuple[str, ...]


def look(path: Path) -> Seen:
    """Read a picture and count its strips and lanes; nothing where it cannot be read."""
    from blotquant.detection.picture import find_layout
    from blotquant.io import read_image

    try:
        image = read_image(path)
        layout = find_layout(image.signal(), ceiling=image.ceiling)
    except BlotQuantError:
        return Seen()
    lanes = [layout.lanes_of(strip.id) for strip in layout.strips]
    roles = tuple(
        tuple("ladder" if x.role == "ladder" else "blank" if "empty_lane" in x.flags else "sample" for x in own)
        for own in lanes
    )
    return Seen(tuple(map(len, lanes)), image.exposure_s, roles)


def write_draft(folder: Path | str) -> Drafted:
    """Write experiment.toml and samples.csv into a folder of pictures; one that is there already is kept.

    Raises
    ------
    OutputError
        If both are there already, or one cannot be written; nothing is ever overwritten.
    SheetError
        If the folder holds no pictures, or its experiment.toml cannot be read.
    """
    folder = Path(folder)
    targets = [folder / "experiment.toml", folder / "samples.csv"]
    kept = [path for path in targets if path.exists()]
    if len(kept) == len(targets):
        msg = (
            f"{folder}: experiment.toml and samples.csv are there already and are left as they are; move them away to "
            "draft anew"
        )
        raise OutputError(msg)
    if targets[0] in kept:
        texts: tuple[str, ...] = ("", draft_samples(targets[0], inspect=look))
    else:
        texts = draft_experiment(folder, inspect=look)
    written = []
    for path, text in zip(targets, texts, strict=True):
        if path in kept:
            continue
        try:
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
        except OSError as error:
            msg = f"{path}: cannot be written ({error.strerror or error}); choose a folder that you may write to"
            raise OutputError(msg) from None
        written.append(path)
    return Drafted(tuple(written), tuple(kept), tuple(_todo(folder, written, kept)))


def _todo(folder: Path, written: Sequence[Path], kept: Sequence[Path]) -> Iterator[str]:
    """What to do next, in order; the draft is read as a run would read it."""
    import shlex

    from blotquant.experiment.read import read_experiment

    yield from (f"{path.name} was there and is kept" for path in kept)
    toml, csv = folder / "experiment.toml", folder / "samples.csv"
    if csv in written:
        yield f"1. {csv}: write into each row what lies in that lane: condition, sample, role"
    yield f"{'2' if csv in written else '1'}. {toml}: read it through; what the file names did not tell is marked"
    try:
        read_experiment(toml)
    except SheetError as error:
        yield "   and correct what does not fit yet:"
        yield from (f"   {line}" for line in str(error).splitlines())
    where = shlex.quote(str(folder))
    yield f"{'3' if csv in written else '2'}. blotquant run {where} -o {shlex.quote(str(folder / 'results'))}"


def draft_experiment(folder: Path | str, *, inspect: Callable[[Path], Seen] | None = None) -> tuple[str, str]:
    """Draft an experiment from the pictures in a folder and its subfolders.

    Parameters
    ----------
    folder : path
        Where the pictures lie.
    inspect : callable, optional
        Looks at one picture, such as `look`; without it only file names count.

    Returns
    -------
    toml, csv : str
        Contents of experiment.toml and samples.csv; together they are a valid experiment.

    Raises
    ------
    SheetError
        If the folder holds no pictures.
    """
    folder = Path(folder)
    files, doubles = _pictures(folder)
    if not files:
        msg = f"{folder}: no pictures here ({', '.join(SUFFIXES)}); give the folder that holds the blots"
        raise SheetError(msg)
    names = {file: parse_name(file) for file in files}
    left_out = [(file, "looks like a marker or merged picture") for file in files if names[file].is_no_probe]
    left_out += [(file, f"same picture as {kept}") for file, kept in doubles]
    used = [file for file in files if not names[file].is_no_probe] or list(files)
    seen = {file: inspect(folder / file) if inspect else Seen() for file in used}
    entries = _entries({file: names[file] for file in used}, seen)
    return experiment_text(folder.resolve().name or "experiment", entries, left_out), samples_text(entries)


def draft_samples(experiment: Path, *, inspect: Callable[[Path], Seen] | None = None) -> str:
    """Draft the sample sheet of an experiment.toml that is there already.

    Raises
    ------
    SheetError
        If it is not valid TOML or lists no pictures.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(experiment.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{experiment.name}: cannot be read ({error}); correct it, or move it away to draft it anew"
        raise SheetError(msg) from None
    images = raw.get("images")
    listed = [item for item in images if isinstance(item, Mapping)] if isinstance(images, list) else []
    drafts = []
    for item in listed:
        file, blot, strip = str(item.get("file", "")), str(item.get("blot", "")), item.get("strip")
        seen = inspect(experiment.parent / file) if inspect else Seen()
        lanes, roles = _of_strip(seen, strip if isinstance(strip, int) else 1)
        draft = Draft(file=file, blot=blot, membrane=str(item.get("membrane", blot)), probe=str(item.get("probe", "")))
        drafts.append(replace(draft, n_lanes=lanes, roles=roles))
    if not drafts:
        msg = f"{experiment.name}: lists no pictures; move it away and let init draft it anew"
        raise SheetError(msg)
    return samples_text(drafts)


def _pictures(folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Files of the folder and one level below; of one picture in several formats the camera's own."""
    found = [path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.suffix.lower() in SUFFIXES]
    chosen: dict[str, str] = {}
    doubles = []
    for path in sorted(found, key=lambda p: (SUFFIXES.index(p.suffix.lower()), p.as_posix())):
        name, stem = path.relative_to(folder).as_posix(), path.relative_to(folder).with_suffix("").as_posix().lower()
        if stem in chosen:
            doubles.append((name, chosen[stem]))
        else:
            chosen[stem] = name
    return sorted(chosen.values(), key=str.lower), doubles


def _entries(names: Mapping[str, NameParts], seen: Mapping[str, Seen]) -> list[Draft]:
    """Decide blot, membrane and probe of every picture and strip; each stays apart from the others."""
    folders = list(dict.fromkeys(Path(file).parent.as_posix() for file in names))
    sites: dict[str, set[str]] = {}
    for name in names.values():
        sites.setdefault(name.probe, set()).update({name.site} - {""})
    by_date = len({name.date for name in names.values()}) > 1
    blots = {
        file: name.blot or (name.date if by_date else "") or str(folders.index(Path(file).parent.as_posix()) + 1)
        for file, name in names.items()
    }
    # A control of "B2AR_GAPDH" was reprobed on the membrane of B2AR: both pictures share its lanes.
    reprobed = {(blots[file], name.reprobed) for file, name in names.items() if name.reprobed}
    drafts: list[Draft] = []
    for file, name in names.items():
        blot = blots[file]
        own = name.reprobed or (name.probe if (blot, name.probe) in reprobed else "")
        whole = Draft(
            file=file,
            blot=blot,
            membrane=name.membrane or (f"{blot} {own}" if own else blot),
            probe=f"{name.probe} {name.site}" if name.site and len(sites[name.probe]) > 1 else name.probe,
            exposure_s=name.exposure_s if name.exposure_s is not None else seen[file].exposure_s,
            is_known=name.is_known,
        )
        drafts += _by_strip(whole, seen[file])
    return sorted(_told_apart(drafts), key=_place)


def _by_strip(whole: Draft, seen: Seen) -> list[Draft]:
    """One draft for each strip that is no scrap; strips are taken as blots of their own."""
    fullest = max(seen.lanes, default=0)
    strips = [k for k, n in enumerate(seen.lanes, 1) if n >= _FEWEST * fullest]
    if len(seen.lanes) < 2:
        lanes, roles = _of_strip(seen, 1)
        return [replace(whole, n_lanes=lanes, roles=roles)]
    drafts = []
    for k in strips:
        lanes, roles = _of_strip(seen, k)
        apart = f" strip {k}" if len(strips) > 1 else ""
        drafts.append(
            replace(
                whole, blot=whole.blot + apart, membrane=whole.membrane + apart, strip=k, n_strips=len(seen.lanes),
                n_lanes=lanes, roles=roles,
            )
        )  # fmt: skip
    return drafts


def _of_strip(seen: Seen, strip: int) -> tuple[int, tuple[str, ...]]:
    """Lanes of a strip and their roles; 0 and none where nothing was seen."""
    known = 0 < strip <= len(seen.lanes)
    return (seen.lanes[strip - 1] if known else 0), (seen.roles[strip - 1] if strip <= len(seen.roles) else ())


def _told_apart(drafts: Sequence[Draft]) -> list[Draft]:
    """Give pictures that look alike by name a number behind their probe, so that the draft is valid."""
    counts: Counter[tuple[object, ...]] = Counter()
    result = []
    for draft in drafts:
        key = (draft.blot, draft.membrane, draft.probe, draft.exposure_s)
        counts[key] += 1
        result.append(draft if counts[key] == 1 else replace(draft, probe=f"{draft.probe} ({counts[key]})"))
    return result


def _place(draft: Draft) -> tuple[object, ...]:
    """Blots and membranes by name; on a membrane the usual order of probing: phospho, total, loading control, stain."""
    first = draft.probe.startswith("p") and not is_known_control(draft.probe)
    rank = 3 if draft.probe.startswith(STAIN) else 2 if is_known_control(draft.probe) else 0 if first else 1
    return _natural(draft.blot), _natural(draft.membrane), rank, _natural(draft.probe), _natural(draft.file)


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", text) if part]
