"""The text of a drafted experiment: what was found, guesses marked, and comments that teach the two files.

The comparison that it proposes comes from the columns of a sample sheet that is there already.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from blotquant.errors import SheetError
from blotquant.experiment.design import Comparison, is_known_control, plain
from blotquant.experiment.families import MIN_DOSES, propose_interaction
from blotquant.experiment.filenames import STAIN, UNKNOWN
from blotquant.experiment.sample_sheet import PLACEHOLDER, condition_levels, parse_samples
from blotquant.identification.presets import target_kda

GUESSED_LANES = 10
"""Rows of the sample sheet for a blot whose pictures could not be looked at."""
MOST_LANES = 60
"""The most lanes that a sheet may list."""


_TARGETS = """
# Where proteins run, in kDa; a list for a doublet. It counts where a ladder lane tells kDa. Without a
# ladder the strongest row is taken; row = 2 says that it is the second from the top.
"""
_GUIDE = """\
# samples.csv has one row for every lane of a blot, from the left; the ladder and empty lanes count too.
#   condition  what is compared, spelled alike on every blot; lanes of one condition on one blot are technical repeats.
#              The draft names every lane by its place, so that nothing is pooled before you have written what it is
#   role       sample, ladder, blank, standard (the same lysate on every blot) or excluded
#   and, where needed, columns of your own (drug, dose ...), and these two:
#   membrane   where the membranes of a blot were loaded differently
#   replicate  where one blot carries several biological replicates

# One [[images]] for each picture. Text stands in quotes, numbers do not.
#   blot       the biological replicate; blots are the n of the statistics
#   membrane   pictures of one membrane share their lanes; twin gels have a membrane each, such as "1a" and "1b"
#   probe      the antibody or stain; several exposures of one probe may be listed, with their times
#   strip      which piece of membrane, from the top, where a picture shows several
# List the pictures of one membrane in the order in which it was probed: what an earlier probe left is looked for in
# the later pictures. Here all pictures of one blot are taken as one membrane unless a name says otherwise.
"""
_STRIPS = """
# Some pictures show several strips; each is taken as a blot of its own here. If they are pieces of one membrane (the
# target above, its loading control below, say), give them one blot and one membrane, and each its own probe.
"""
CONTROLS = (
    "vehicle",
    "control",
    "ctrl",
    "ctl",
    "dmso",
    "etoh",
    "ethanol",
    "pbs",
    "saline",
    "untreated",
    "unstimulated",
    "none",
    "mock",
    "sham",
    "scr",
    "scrambled",
    "sictrl",
    "sicontrol",
    "shctrl",
    "ev",
    "emptyvector",
    "wt",
    "wildtype",
    "parental",
    "0",
)
"""What controls are called, without case, blanks and signs; the earlier in this list, the surer."""
_PLAIN = """
[compare]
# reference = "vehicle"       # a condition of samples.csv; the others are compared with it
scaling = "alignment"         # or fixed_point, sum, control_mean, interblot_control, none
adjust = "dunnett"            # many conditions against one reference; or holm, none
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One picture, or one strip of one, as it will be listed.

    Attributes
    ----------
    file, blot, membrane, probe : str
        As in `[[images]]`.
    exposure_s : float or None
        Exposure time in seconds.
    notes : mapping of str to str
        What is guessed, or asked for, of each of these keys.
    strip : int or None
        Which strip, where the picture shows several.
    n_strips, n_lanes : int
        Strips of the picture and lanes of this one; 0 where nobody looked.
    roles : tuple of str
        What each lane seems to be.
    """

    file: str
    blot: str
    membrane: str
    probe: str
    exposure_s: float | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    strip: int | None = None
    n_strips: int = 0
    n_lanes: int = 0
    roles: tuple[str, ...] = ()


def is_phospho(probe: str) -> bool:
    """Whether a probe is written as a phosphorylated protein: pAKT, pp38, pmTOR, but not p38 or PTEN."""
    return bool(re.match(r"p(?=[A-Zα-ω4]|p\d|mTOR|c-)", probe))


def experiment_text(
    name: str, drafts: Sequence[Draft], left_out: Sequence[tuple[str, str]], *, sheet: Path | None = None
) -> str:
    """Write experiment.toml; the comparison is proposed from the columns of a samples.csv that is there already."""
    probes = list(dict.fromkeys(draft.probe for draft in drafts))
    strips = _STRIPS if any(draft.n_strips > 1 for draft in drafts) else ""
    doubts = [f"# check: {line}\n" for line in lane_doubts(drafts)]
    entries = [strips, *(["\n"] if doubts else []), *doubts, *map(_image, drafts)]
    targets = [_TARGETS, *(_target(probe) for probe in probes if probe != STAIN)]
    return "".join([*_head(name, left_out), *entries, *targets, *_ratios(drafts), compare_text(sheet)])


def _head(name: str, left_out: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield (
        "# A draft from file names and from what the pictures show: read it through and correct it. What could be\n"
        "# read in another way is marked at its line.\n"
        "# Then fill in samples.csv, and run:  blotquant run . -o results\n\n"
        f"name = {_quoted(name)}\n"
        'samples = "samples.csv"       # one row per lane: what was loaded\n'
        '# ladder = "Precision Plus Protein"   # product name, or its masses: [250, 150, 100, 75]\n\n'
    )
    yield _GUIDE
    yield from (f"\n# left out: {file} ({why})\n" for file, why in left_out)


def _image(draft: Draft) -> str:
    values = {
        "file": _quoted(draft.file),
        "blot": _quoted(draft.blot),
        "membrane": _quoted(draft.membrane),
        "probe": _quoted(draft.probe),
    }
    if draft.exposure_s is not None:
        values["exposure_s"] = f"{draft.exposure_s:g}"
    lines = ["", "[[images]]"]
    for key, value in values.items():
        note = draft.notes.get(key, "")
        lines.append(f"{key} = {value}" + (f"   # {note}" if note else ""))
    if draft.exposure_s is None and "exposure_s" in draft.notes:
        lines.append(f"# exposure_s =   # {draft.notes['exposure_s']}")
    if draft.strip is not None:
        lines.append(f"strip = {draft.strip}   # of {draft.n_strips} in the picture; it shows {draft.n_lanes} lanes")
    return "\n".join(lines) + "\n"


def _target(probe: str) -> str:
    kda = target_kda(probe.split(" ")[0])
    if not kda:
        return f"# [targets.{_quoted(probe)}]\n# mw_kda = 50   # not known here: write where it runs\n"
    value = f"{kda[0]:g}" if len(kda) == 1 else f"[{', '.join(f'{k:g}' for k in kda)}]"
    return f"[targets.{_quoted(probe)}]\nmw_kda = {value}\n"


def _ratios(drafts: Sequence[Draft]) -> Iterator[str]:
    """Phospho over total where both are there; what is left over a loading control; else the question stands there."""
    probes = list(dict.fromkeys(draft.probe for draft in drafts))
    controls = [probe for probe in probes if is_known_control(probe)]
    loading = STAIN if STAIN in probes else controls[0] if controls else ""
    yield (
        "\n# Ratios. On one membrane loading cancels and is not divided out again; on twin membranes each side is\n"
        "# divided by its own loading, so both membranes need a picture of it.\n"
    )
    named = [p for p in probes if not p.startswith(UNKNOWN) and not re.search(r" \(\d+\)$", p)]
    targets = [p for p in named if p != STAIN and p not in controls]
    partner = {probe: probe.split(" ")[0][1:] for probe in targets if is_phospho(probe)}
    # An antibody against SMAD2/3 sees the total of pSMAD2.
    totals = {
        probe: next((p for p in probes if p == total or p.startswith(f"{total}/")), "")
        for probe, total in partner.items()
    }
    totals = {probe: total for probe, total in totals.items() if total}
    done = {*totals, *totals.values()}
    for probe, total in totals.items():
        unsaid = all(draft.membrane == draft.blot for draft in drafts if draft.probe in (probe, total))
        note = "guessed: both on one membrane, where loading cancels; twin gels need a membrane each" if unsaid else ""
        yield _ratio(f"{probe}/{total}", probe, total, loading, note=note)
    for probe in (probe for probe in targets if probe not in done):
        note = f"guessed: no picture here is named as total {partner[probe]}" if probe in partner else ""
        if loading == STAIN:
            yield _ratio(f"{probe}/total protein", probe, "", loading, note=note)
        elif loading:
            yield _ratio(f"{probe}/{loading}", probe, loading, "", note=note or "guessed from the file names")
        else:
            missing = f"total {partner[probe]} or a loading control" if probe in partner else "what it is divided by"
            yield _asked(f"no picture here is named as {missing}", probe)
    if not targets:
        yield _asked("no ratio could be drafted from the file names; without one `run` measures bands only", "pAKT")


def _ratio(name: str, numerator: str, denominator: str, loading: str, *, note: str = "") -> str:
    lines = ["", "[[ratios]]" + (f"   # {note}" if note else "")]
    lines += [f"name = {_quoted(name)}", f"numerator = {_quoted(numerator)}"]
    lines += [f"denominator = {_quoted(denominator)}"] if denominator else []
    lines += [f"loading = {_quoted(loading)}"] if loading else []
    return "\n".join(lines) + "\n"


def _asked(why: str, numerator: str) -> str:
    """A ratio to be completed: valid TOML as it stands, since it is a comment."""
    total = numerator[1:] if is_phospho(numerator) else "..."
    return (
        f"\n# {why}. Complete this and take the # away:\n# [[ratios]]\n# name = {_quoted(f'{numerator}/{total}')}\n"
        f"# numerator = {_quoted(numerator)}\n# denominator = {_quoted(total)}\n"
    )


def samples_text(drafts: Sequence[Draft]) -> str:
    """Write samples.csv: one row per lane, as many as the pictures show; conditions are to be filled in.

    Membranes of one blot that show different numbers of lanes get rows of their own. A condition is called by its blot
    and lane where there are several blots, and so is a sample: lanes of two blots are never pooled or linked because
    nobody has named them yet.
    """
    rows: list[tuple[object, ...]] = []
    blots = list(dict.fromkeys(draft.blot for draft in drafts))
    for blot in blots:
        mine = [draft for draft in drafts if draft.blot == blot]
        membranes = list(dict.fromkeys(draft.membrane for draft in mine))
        counts = {m: _lanes_of([draft for draft in mine if draft.membrane == m]) for m in membranes}
        differ = len(set(counts.values())) > 1
        for membrane in membranes if differ else membranes[:1]:
            shown = [draft for draft in mine if not differ or draft.membrane == membrane]
            for lane in range(1, counts[membrane] + 1):
                role = _role(shown, lane)
                place = f"lane {lane}" if len(blots) == 1 else f"blot {blot}, lane {lane}"
                condition = place if role == "sample" else ""
                name = f"S{lane}" if len(blots) == 1 else f"{blot}-S{lane}"
                sample = name if role == "sample" else ""
                rows.append((blot, membrane if differ else "", lane, sample, condition, role, ""))
    columns = ["blot", "membrane", "lane", "sample", "condition", "role", "load_ug"]
    keep = [k for k, name in enumerate(columns) if name != "membrane" or any(row[k] for row in rows)]
    text = io.StringIO()
    lines: list[Sequence[object]] = [columns, *rows]
    csv.writer(text, lineterminator="\n").writerows([line[k] for k in keep] for line in lines)
    return text.getvalue()


def lane_doubts(drafts: Sequence[Draft]) -> list[str]:
    """Where pictures of one membrane disagree about their lanes, one line each: their number, or a lane's role."""
    lines = []
    for blot, membrane in dict.fromkeys((draft.blot, draft.membrane) for draft in drafts):
        mine = [d for d in drafts if (d.blot, d.membrane) == (blot, membrane) and d.n_lanes]
        counts = {draft.file: draft.n_lanes for draft in mine}
        if len(set(counts.values())) > 1:
            each = ", ".join(f"{n} in {file}" for file, n in counts.items())
            lines.append(f"blot {blot}, membrane {membrane}: the pictures show different numbers of lanes ({each})")
        for lane in range(1, max(counts.values(), default=0) + 1):
            # A total-protein stain shows bands in every lane, the ladder's too: it says nothing of roles.
            told = [d for d in mine if len(d.roles) >= lane and not d.probe.startswith(STAIN)]
            shown = {d.file: d.roles[lane - 1] for d in told}
            if {"ladder", "sample"} <= set(shown.values()):
                ladders = ", ".join(file for file, role in shown.items() if role == "ladder")
                others = ", ".join(file for file, role in shown.items() if role == "sample")
                lines.append(
                    f"blot {blot}, lane {lane}: a ladder in {ladders}, a sample in {others}; drafted as the ladder"
                )
    return lines


def _lanes_of(drafts: Sequence[Draft]) -> int:
    """The number that most pictures show, the larger of equals: a probe leaves lanes empty."""
    shown = [draft.n_lanes for draft in drafts if draft.n_lanes]
    return min(max(shown, key=lambda n: (shown.count(n), n), default=GUESSED_LANES), MOST_LANES)


def _role(drafts: Sequence[Draft], lane: int) -> str:
    """What a lane seems to be: a ladder where any picture shows one, blank only where no picture shows a band in it."""
    seen = Counter(draft.roles[lane - 1] for draft in drafts if len(draft.roles) >= lane)
    if seen["ladder"]:
        return "ladder"
    return "sample" if seen["sample"] or not seen["blank"] else "blank"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def compare_text(sheet: Path | None = None) -> str:
    """Write `[compare]` and `[[contrasts]]`: what the sheet's columns show, each marked as a guess.

    Parameters
    ----------
    sheet : pathlib.Path, optional
        A samples.csv that a person has filled in; without it the reference is asked for.
    """
    levels = _levels(sheet)
    if len(levels) < 2:
        return _PLAIN
    reference = _control(levels)
    lines = ["", "[compare]"]
    if reference is None:
        shown = ", ".join(map(str, levels.index[:6])) + (" ..." if len(levels) > 6 else "")
        lines.append(f"# reference = {_quoted(str(levels.index[0]))}   # which is the control? {shown}")
    else:
        lines.append(f"reference = {_quoted(reference)}   # guessed from the names of conditions")
    crossed = propose_interaction(Comparison(reference=reference), levels)
    if crossed is not None:
        factors = ", ".join(map(_quoted, crossed.interaction))
        lines.append(f"factors = [{factors}]   # guessed: these columns make up the conditions")
    lines += _PLAIN.strip().splitlines()[2:]
    return "\n".join([*lines, *_contrasts(levels, reference, crossed.interaction if crossed else ())]) + "\n"


def _levels(sheet: Path | None) -> pd.DataFrame:
    """Conditions and their levels as a sheet shows them; empty where it cannot be read as one."""
    from blotquant.experiment.sheets import read_csv_sheet

    if sheet is None:
        return pd.DataFrame()
    try:
        rows, _ = parse_samples(read_csv_sheet(sheet))
    except SheetError:  # a run names what is wrong with it
        return pd.DataFrame()
    drafted = rows["condition"].str.fullmatch(PLACEHOLDER).fillna(value=False).astype(bool)
    return condition_levels(rows[~drafted])


def _control(levels: pd.DataFrame) -> str | None:
    """The condition whose name, or whose levels, are most surely those of a control; None where none is."""

    def rank(condition: str) -> tuple[int, float]:
        cells = [plain(str(cell)) for cell in levels.loc[condition]]
        words = [plain(word) for word in str(condition).replace(",", " ").replace("+", " ").split()]
        known = [name in CONTROLS for name in cells or words] + [plain(condition) in CONTROLS]
        named = [CONTROLS.index(name) for name in (*cells, *words, plain(condition)) if name in CONTROLS]
        return -sum(known), min(named, default=len(CONTROLS))

    ranked = sorted((rank(str(name)), k) for k, name in enumerate(levels.index))
    return None if ranked[0][0][0] == 0 else str(levels.index[ranked[0][1]])


def _contrasts(levels: pd.DataFrame, reference: str | None, crossed: tuple[str, ...]) -> Iterator[str]:
    if len(crossed) == 2:
        base = levels.loc[reference] if reference is not None else levels.iloc[0]
        # Within the factor of fewer levels (the cell line), against the other's control (the vehicle).
        within, drug = sorted(crossed, key=lambda name: levels[name].nunique())
        yield from ("", "# guessed from the columns: take out what you do not ask, since every family costs power",
                    "[[contrasts]]", f"name = {_quoted(f'{drug} within {within}')}", f"within = {_quoted(within)}",
                    f"reference = {_quoted(str(base[drug]))}")  # fmt: skip
        yield from ("", "[[contrasts]]", f"name = {_quoted(f'does {drug} act differently by {within}?')}",
                    f"interaction = [{_quoted(within)}, {_quoted(drug)}]")  # fmt: skip
    for column in levels.columns:
        numbers = pd.to_numeric(levels[column], errors="coerce")
        if column not in crossed and numbers.notna().all() and numbers[numbers > 0].nunique() >= MIN_DOSES:
            yield from ("", "[[contrasts]]   # guessed: the column counts doses or times", f"trend = {_quoted(column)}")
