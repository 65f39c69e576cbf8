"""`blotquant init`: a first experiment.toml and samples.csv from file names and from what the pictures show.

Every picture's name is read by itself (`filenames.parse_name`); then the folder is looked at as a whole, since one name
alone cannot tell whether its date or its bare number counts replicates. Every value that could be read in another way
is marked in the draft as a guess, and what nothing tells is asked for there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blotquant.errors import OutputError, SheetError
from blotquant.experiment.design import is_known_control
from blotquant.experiment.draft_text import (
    Draft,
    compare_text,
    experiment_text,
    is_phospho,
    lane_doubts,
    samples_text,
)
from blotquant.experiment.filenames import STAIN, UNKNOWN, NameParts, parse_name
from blotquant.io.files import parse_toml

SUFFIXES = (".scn", ".gel", ".1sc", ".tif", ".tiff", ".png", ".jpg", ".jpeg")
"""Endings looked for, the camera's own files before exports."""

FEWEST_LANES = 0.5
"""A strip with fewer lanes than this part of the picture's fullest one is a scrap, and is not drafted."""

SAME_EXPOSURE = 0.05
"""Exposure times of name and file that differ by less than this part are one time, rounded."""


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


Look = Callable[[Path], Seen]
"""Looks at one picture; `blotquant.runs.inspection.look` is the one that the command line hands in."""


def write_draft(folder: Path | str, *, look: Look | None = None) -> tuple[list[Path], list[str]]:
    """Write experiment.toml and samples.csv into a folder of pictures; one that is there already is kept.

    Parameters
    ----------
    folder : path
        Where the pictures lie.
    look : callable, optional
        Looks at one picture; without it only file names count.

    Returns
    -------
    written : list of pathlib.Path
        The files.
    todo : list of str
        What was there before and is kept, and what is to be done with the draft, one line each.

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
        design = compare_text(targets[1])
        if "[[contrasts]]" in design and "[[contrasts]]" not in targets[0].read_text(
            encoding="utf-8", errors="replace"
        ):
            msg += f"\nthe columns of samples.csv show a comparison; copy what you ask:\n{design}"
        raise OutputError(msg)
    drafts: list[Draft] = []
    if targets[0] in kept:
        drafts = _listed_drafts(targets[0], look)
        texts: tuple[str, ...] = ("", samples_text(drafts))
    else:
        drafts, left_out = _folder_drafts(folder, look)
        name, sheet = folder.resolve().name or "experiment", targets[1] if targets[1] in kept else None
        texts = experiment_text(name, drafts, left_out, sheet=sheet), samples_text(drafts)
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
    return written, list(_todo(folder, written, kept, drafts))


def _todo(folder: Path, written: Sequence[Path], kept: Sequence[Path], drafts: Sequence[Draft]) -> Iterator[str]:
    """What to do next, in order; the draft is read as a run would read it."""
    import shlex

    from blotquant.experiment.read import read_experiment

    yield from (f"{path.name} was there and is kept" for path in kept)
    toml, csv = folder / "experiment.toml", folder / "samples.csv"
    steps = []
    if csv in written:
        steps.append([f"{csv}: write into each row what lies in that lane: condition, sample, role"])
        steps[-1] += lane_doubts(drafts)
    steps.append([f"{toml}: read it through; every guess is marked in it"])
    if toml in written:
        guessed = sum(bool(draft.notes) for draft in drafts)
        nameless = [draft.file for draft in drafts if draft.probe.startswith(UNKNOWN)]
        steps[-1] += [f"{guessed} of {len(drafts)} pictures hold a guess"] if guessed else []
        if nameless:
            steps[-1].append(f"no antibody in the name of {', '.join(nameless[:4])}{' …' * (len(nameless) > 4)}")
    try:
        read_experiment(toml)
    except SheetError as error:
        steps[-1] += ["correct what does not fit yet:", *str(error).splitlines()]
    where = shlex.quote(str(folder))
    steps.append([f"blotquant run {where} -o {shlex.quote(str(folder / 'results'))}"])
    for number, (first, *more) in enumerate(steps, 1):
        yield f"{number}. {first}"
        yield from (f"   {line}" for line in more)


def _listed_drafts(experiment: Path, look: Look | None) -> list[Draft]:
    """The pictures that an experiment.toml lists, with the lanes that they show."""
    try:
        raw: dict[str, Any] = parse_toml(experiment.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{experiment.name}: cannot be read ({error}); correct it, or move it away to draft it anew"
        raise SheetError(msg) from None
    images = raw.get("images")
    drafts = []
    for item in images if isinstance(images, list) else ():
        if not isinstance(item, Mapping):
            continue
        file, blot, strip = str(item.get("file", "")), str(item.get("blot", "")), item.get("strip")
        seen = look(experiment.parent / file) if look else Seen()
        lanes, roles = _of_strip(seen, strip if isinstance(strip, int) else 1)
        draft = Draft(file=file, blot=blot, membrane=str(item.get("membrane", blot)), probe=str(item.get("probe", "")))
        drafts.append(replace(draft, n_lanes=lanes, roles=roles))
    if not drafts:
        msg = f"{experiment.name}: lists no pictures; move it away and let init draft it anew"
        raise SheetError(msg)
    return drafts


def _folder_drafts(folder: Path, look: Look | None) -> tuple[list[Draft], list[tuple[str, str]]]:
    """The pictures of a folder as they will be listed, and those left out with the reason."""
    files, doubles = _pictures(folder)
    if not files:
        msg = f"{folder}: no pictures here ({', '.join(SUFFIXES)}); give the folder that holds the blots"
        raise SheetError(msg)
    names = {file: _parse(file) for file in files}
    left_out = [(file, "looks like a marker or merged picture") for file in files if names[file].is_no_probe]
    left_out += [(file, f"same picture as {kept}") for file, kept in doubles]
    used = [file for file in files if not names[file].is_no_probe] or list(files)
    seen = {file: look(folder / file) if look else Seen() for file in used}
    return _drafts({file: names[file] for file in used}, seen), left_out


def _parse(file: str) -> NameParts:
    """A picture's name; what it does not tell, its folder's name may."""
    own = parse_name(file)
    parent = Path(file).parent.name
    if not parent:
        return own
    around = parse_name(parent + ".tif")
    if own.probe == UNKNOWN and around.is_known:
        own = replace(own, probe=around.probe, site=around.site, guesses=(*own.guesses, ("probe", "from the folder")))
    return replace(own, blot=own.blot or around.blot, date=own.date or around.date)


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


def _drafts(names: Mapping[str, NameParts], seen: Mapping[str, Seen]) -> list[Draft]:
    """Decide blot, membrane, probe and exposure of every picture and strip, each with what is guessed of it."""
    sites: dict[str, set[str]] = {}
    for name in names.values():
        sites.setdefault(name.probe, set()).update({name.site} - {""})
    blots = _blots(names)
    # A control of "B2AR_GAPDH" was reprobed on the membrane of B2AR: both pictures share its lanes.
    reprobed = {(blots[file][0], name.reprobed) for file, name in names.items() if name.reprobed}
    drafts: list[Draft] = []
    for file, name in names.items():
        blot, doubt = blots[file]
        own = name.reprobed or (name.probe if (blot, name.probe) in reprobed else "")
        exposure_s, told = _exposure(name, seen[file])
        notes = dict(name.guesses)
        if not name.is_known:
            nothing = "the file name tells no antibody: write it here"
            notes["probe"] = nothing if name.probe == UNKNOWN else "taken from the file name: check"
        notes |= {"blot": doubt} if doubt else {}
        notes |= {"exposure_s": told} if told and "exposure_s" not in notes else {}
        if own and not name.membrane:
            notes["membrane"] = f"guessed: {name.reprobed or 'its control'} on the same membrane, reprobed"
        whole = Draft(
            file=file,
            blot=blot,
            membrane=name.membrane or (f"{blot} {own}" if own and len({m for _, m in reprobed}) > 1 else blot),
            probe=f"{name.probe} {name.site}" if name.site and len(sites[name.probe]) > 1 else name.probe,
            exposure_s=exposure_s,
            notes=notes,
        )
        drafts += _by_strip(whole, seen[file])
    return sorted(_told_apart(drafts), key=_place)


def _exposure(name: NameParts, seen: Seen) -> tuple[float | None, str]:
    """Exposure time and what is doubtful of it: the file's own time stands above the one in its name."""
    if seen.exposure_s is None:
        return name.exposure_s, "from the file name" if name.exposure_s is not None else ""
    if name.exposure_s is None or abs(name.exposure_s - seen.exposure_s) <= SAME_EXPOSURE * seen.exposure_s:
        return seen.exposure_s, ""
    return seen.exposure_s, f"as the file itself says; its name says {name.exposure_s:g} s: check"


def _blots(names: Mapping[str, NameParts]) -> dict[str, tuple[str, str]]:
    """Blot of every picture, and what is doubtful of it, empty where the name says it plainly.

    In this order: a number that the name calls a replicate, blot, gel or alike; a date, where dates separate pictures
    of one probe or hold several pictures each; a bare number, where it does the same; the folder; else one blot.
    """
    folders = list(dict.fromkeys(Path(file).parent.as_posix() for file in names))
    by_date = _separates(names, "date")
    by_number = _separates(names, "number")
    blots = {}
    for file, name in names.items():
        if name.blot:
            blots[file] = (name.blot, "")
        elif by_date and name.date:
            blots[file] = (name.date, "guessed from the date in the file name")
        elif by_number and name.number:
            blots[file] = (name.number, "guessed from the bare number in the file name")
        elif len(folders) > 1:
            blots[file] = (str(folders.index(Path(file).parent.as_posix()) + 1), "guessed: one folder, one blot")
        else:
            alone = sum(other.probe == name.probe and other.site == name.site for other in names.values()) == 1
            doubt = "guessed: all of one blot" if alone else "the file name tells no blot or replicate: check"
            blots[file] = ("1", doubt)
    return blots


def _separates(names: Mapping[str, NameParts], part: str) -> bool:
    """Whether a part of the names counts blots: it takes several values, and pictures of one probe differ by it."""
    values = {file: getattr(name, part) for file, name in names.items() if getattr(name, part)}
    if len(set(values.values())) < 2:
        return False
    by_probe: dict[tuple[str, str], set[str]] = {}
    for file, found in values.items():
        by_probe.setdefault((names[file].probe, names[file].site), set()).add(found)
    repeated = any(len(found) > 1 for found in by_probe.values())
    shared = any(count > 1 for count in Counter(values.values()).values())
    return (repeated and (shared or len(by_probe) == 1)) or (part == "date" and shared)


def _by_strip(whole: Draft, seen: Seen) -> list[Draft]:
    """One draft for each strip that is no scrap; strips are taken as blots of their own."""
    fullest = max(seen.lanes, default=0)
    strips = [k for k, n in enumerate(seen.lanes, 1) if n >= FEWEST_LANES * fullest]
    if len(seen.lanes) < 2:
        lanes, roles = _of_strip(seen, 1)
        return [replace(whole, n_lanes=lanes, roles=roles)]
    drafts = []
    for k in strips:
        lanes, roles = _of_strip(seen, k)
        apart = f" strip {k}" if len(strips) > 1 else ""
        notes = dict(whole.notes) | ({"blot": "guessed: each strip a blot of its own"} if apart else {})
        drafts.append(
            replace(
                whole, blot=whole.blot + apart, membrane=whole.membrane + apart, strip=k, n_strips=len(seen.lanes),
                n_lanes=lanes, roles=roles, notes=notes,
            )
        )  # fmt: skip
    return drafts


def _of_strip(seen: Seen, strip: int) -> tuple[int, tuple[str, ...]]:
    """Lanes of a strip and their roles; 0 and none where nothing was seen."""
    known = 0 < strip <= len(seen.lanes)
    return (seen.lanes[strip - 1] if known else 0), (seen.roles[strip - 1] if strip <= len(seen.roles) else ())


def _told_apart(drafts: Sequence[Draft]) -> list[Draft]:
    """Give pictures that look alike by name a number behind their probe, so that the draft is valid."""
    timed = {(d.blot, d.membrane, d.probe) for d in drafts if d.exposure_s is not None}
    taken: dict[tuple[str, str, str], list[float | None]] = {}
    result = []
    for draft in drafts:
        place = (draft.blot, draft.membrane, draft.probe)
        others = taken.setdefault(place, [])
        if draft.exposure_s in others or (draft.exposure_s is None and place in timed):
            why = "looks like another picture by name: a further exposure, blot or probe? write which"
            notes = dict(draft.notes) | {"probe": why}
            result.append(replace(draft, probe=f"{draft.probe} ({len(others) + 1})", notes=notes))
        else:
            result.append(draft)
        others.append(draft.exposure_s)
    return result


def _place(draft: Draft) -> tuple[object, ...]:
    """Blots and membranes by name; on a membrane the usual order of probing: phospho, total, loading control, stain."""
    control = is_known_control(draft.probe)
    rank = 3 if draft.probe.startswith(STAIN) else 2 if control else 0 if is_phospho(draft.probe) else 1
    return _natural(draft.blot), _natural(draft.membrane), rank, _natural(draft.probe), _natural(draft.file)


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", text) if part]
