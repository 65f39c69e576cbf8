"""`blotquant init`: a first experiment.toml and samples.csv from file names and from what the pictures show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from blotquant.errors import BlotQuantError, OutputError, SheetError
from blotquant.experiment.design import is_known_control
from blotquant.experiment.filenames import NameParts, parse_name
from blotquant.naming.presets import target_kda

SUFFIXES = (".scn", ".gel", ".1sc", ".tif", ".tiff", ".png", ".jpg", ".jpeg")
"""Endings looked for, the camera's own files before exports."""

_GUESSED_LANES = 10
_STAIN = "total_protein"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a picture shows: lanes of each strip from top to bottom, and its exposure where the file says so."""

    lanes: tuple[int, ...] = ()
    exposure_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    file: str
    name: NameParts
    seen: Seen
    blot: str
    membrane: str
    probe: str

    @property
    def exposure_s(self) -> float | None:
        return self.name.exposure_s if self.name.exposure_s is not None else self.seen.exposure_s


def look(path: Path) -> Seen:
    """Read a picture and count its strips and lanes; nothing where it cannot be read."""
    from blotquant.finding.layouts import find_layout
    from blotquant.io import read_image

    try:
        image = read_image(path)
        layout = find_layout(image.signal(), ceiling=image.ceiling)
    except BlotQuantError:
        return Seen()
    return Seen(tuple(len(layout.lanes_of(strip.id)) for strip in layout.strips), image.exposure_s)


def write_draft(folder: Path | str) -> list[Path]:
    """Write experiment.toml and samples.csv into a folder of pictures.

    Raises
    ------
    OutputError
        If one of them is there already; nothing is ever overwritten.
    SheetError
        If the folder holds no pictures.
    """
    folder = Path(folder)
    targets = [folder / "experiment.toml", folder / "samples.csv"]
    there = [path.name for path in targets if path.exists()]
    if there:
        msg = f"{folder}: {' and '.join(there)} is there already and is left as it is; move it away to draft anew"
        raise OutputError(msg)
    for path, text in zip(targets, draft_experiment(folder, inspect=look), strict=True):
        try:
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
        except OSError as error:
            msg = f"{path}: cannot be written ({error.strerror or error}); choose a folder that you may write to"
            raise OutputError(msg) from None
    return targets


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
    return "".join(_toml(folder, entries, left_out)), "".join(_csv(entries))


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


def _entries(names: dict[str, NameParts], seen: dict[str, Seen]) -> list[_Entry]:
    """Decide blot, membrane and probe of every picture; each stays apart from the others."""
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
    entries = []
    for file, name in names.items():
        blot = blots[file]
        probe = f"{name.probe} {name.site}" if name.site and len(sites[name.probe]) > 1 else name.probe
        own = name.reprobed or (name.probe if (blot, name.probe) in reprobed else "")
        membrane = name.membrane or (f"{blot} {own}" if own else blot)
        entries.append(_Entry(file, name, seen[file], blot, membrane, probe))
    return _told_apart(entries)


def _told_apart(entries: list[_Entry]) -> list[_Entry]:
    """Give pictures that look alike by name a number behind their probe, so that the draft is valid."""
    counts: dict[tuple[object, ...], int] = {}
    result = []
    for entry in entries:
        key = (entry.blot, entry.membrane, entry.probe, entry.exposure_s)
        counts[key] = counts.get(key, 0) + 1
        result.append(entry if counts[key] == 1 else replace(entry, probe=f"{entry.probe} ({counts[key]})"))
    return result


def _toml(folder: Path, entries: Sequence[_Entry], left_out: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield (
        "# A draft from file names and from what the pictures show: read it through and correct it.\n"
        "# Then fill in samples.csv, and run:  blotquant run . -o results\n\n"
        f"name = {_quoted(folder.resolve().name or 'experiment')}\n"
        'samples = "samples.csv"       # one row per lane: what was loaded\n'
        '# ladder = "Precision Plus Protein"   # product name, or its masses: [250, 150, 100, 75]\n\n'
        "# One [[images]] for each picture.\n"
        "#   blot      biological replicate; it is the n of the statistics\n"
        "#   membrane  pictures of one membrane share their lanes; twin gels have a membrane each, such as 1a and 1b\n"
        "#   probe     antibody or stain; several exposures of one probe may be listed\n"
    )
    yield from (f"\n# left out: {file} ({why})\n" for file, why in left_out)
    for entry in entries:
        yield _image(entry)
    probes = list(dict.fromkeys(entry.probe for entry in entries))
    yield "\n# Where proteins run, in kDa; a list for a doublet. Needed only where a ladder lane tells kDa.\n"
    for probe in (probe for probe in probes if probe != _STAIN):
        yield _target(probe)
    yield from _ratios(probes)
    yield (
        "\n[compare]\n"
        '# reference = "vehicle"       # a condition of samples.csv; the others are compared with it\n'
        'scaling = "alignment"         # or fixed_point, sum, control_mean, interblot_control, none\n'
        'adjust = "dunnett"            # many conditions against one reference; or holm, none\n'
    )


def _image(entry: _Entry) -> str:
    check = "" if entry.name.is_known else "   # taken from the file name: check"
    lines = [
        "",
        "[[images]]",
        f"file = {_quoted(entry.file)}",
        f"blot = {_quoted(entry.blot)}",
        f"membrane = {_quoted(entry.membrane)}",
        f"probe = {_quoted(entry.probe)}{check}",
    ]
    if entry.exposure_s is not None:
        lines.append(f"exposure_s = {entry.exposure_s:g}")
    if len(entry.seen.lanes) > 1:
        shown = ", ".join(f"strip {k} with {n} lanes" for k, n in enumerate(entry.seen.lanes, 1))
        lines.append(f"strip = 1   # the picture shows {shown}; list the file once for each strip that you need")
    return "\n".join(lines) + "\n"


def _target(probe: str) -> str:
    kda = target_kda(probe.split(" ")[0])
    if not kda:
        return f"# [targets.{_quoted(probe)}]\n# mw_kda = 50\n"
    value = f"{kda[0]:g}" if len(kda) == 1 else f"[{', '.join(f'{k:g}' for k in kda)}]"
    return f"[targets.{_quoted(probe)}]\nmw_kda = {value}\n"


def _ratios(probes: Sequence[str]) -> Iterator[str]:
    """Phospho over total where both are there; what is left over a loading control."""
    controls = [probe for probe in probes if is_known_control(probe)]
    loading = _STAIN if _STAIN in probes else controls[0] if controls else ""
    yield (
        "\n# Ratios. On one membrane loading cancels and is not divided out again; on twin membranes each side is\n"
        "# divided by its own loading, so both membranes need a picture of it.\n"
    )
    targets = [probe for probe in probes if probe != _STAIN and probe not in controls]
    totals = {
        probe: probe.split(" ")[0][1:]
        for probe in targets
        if probe.startswith("p") and probe.split(" ")[0][1:] in probes
    }
    done = {*totals, *totals.values()}
    for probe, total in totals.items():
        yield _ratio(f"{probe}/{total}", probe, total, loading)
    for probe in (probe for probe in targets if probe not in done):
        if loading == _STAIN:
            yield _ratio(f"{probe}/total protein", probe, "", loading)
        elif loading:
            yield _ratio(f"{probe}/{loading}", probe, loading, "")


def _ratio(name: str, numerator: str, denominator: str, loading: str) -> str:
    lines = ["", "[[ratios]]", f"name = {_quoted(name)}", f"numerator = {_quoted(numerator)}"]
    lines += [f"denominator = {_quoted(denominator)}"] if denominator else []
    lines += [f"loading = {_quoted(loading)}"] if loading else []
    return "\n".join(lines) + "\n"


def _csv(entries: Sequence[_Entry]) -> Iterator[str]:
    """One row per lane, as many as the pictures of a blot show; conditions are to be filled in."""
    yield "blot,lane,sample,condition,role,load_ug\n"
    for blot in dict.fromkeys(entry.blot for entry in entries):
        shown = [entry.seen.lanes[0] for entry in entries if entry.blot == blot and entry.seen.lanes]
        n_lanes = max((n for n in shown if n), key=lambda n: (shown.count(n), n), default=_GUESSED_LANES)
        for lane in range(1, min(n_lanes, 60) + 1):
            yield f"{blot},{lane},S{lane},lane {lane},sample,\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
