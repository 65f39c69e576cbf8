"""The words of a drafted experiment: what was guessed, and comments that teach the two files."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blotquant.experiment.design import is_known_control
from blotquant.identification.presets import target_kda

STAIN = "total_protein"
_GUESSED_LANES = 10
_MOST_LANES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One picture, or one strip of one, as it will be listed.

    Attributes
    ----------
    file, blot, membrane, probe : str
        As in `[[images]]`.
    exposure_s : float or None
        Exposure time in seconds.
    is_known : bool
        Whether the probe was recognised rather than taken over from the file's name.
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
    is_known: bool = True
    strip: int | None = None
    n_strips: int = 0
    n_lanes: int = 0
    roles: tuple[str, ...] = ()


def experiment_text(name: str, drafts: Sequence[Draft], left_out: Sequence[tuple[str, str]]) -> str:
    """Write experiment.toml."""
    probes = list(dict.fromkeys(draft.probe for draft in drafts))
    strips = _STRIPS if any(draft.n_strips > 1 for draft in drafts) else ""
    entries = [strips, *map(_image, drafts)]
    return "".join([*_head(name, left_out), *entries, *_targets(probes), *_ratios(probes), _COMPARE])


_GUIDE = """\
# samples.csv has one row for every lane of a blot, from the left; the ladder and empty lanes count too.
#   condition  what is compared, spelled alike on every blot; lanes of one condition on one blot are technical repeats
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
# the later pictures.
"""

_STRIPS = """
# Some pictures show several strips; each is taken as a blot of its own here. If they are pieces of one membrane (the
# target above, its loading control below, say), give them one blot and one membrane, and each its own probe.
"""

_COMPARE = """
[compare]
# reference = "vehicle"       # a condition of samples.csv; the others are compared with it
scaling = "alignment"         # or fixed_point, sum, control_mean, interblot_control, none
adjust = "dunnett"            # many conditions against one reference; or holm, none
"""


def _head(name: str, left_out: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield (
        "# A draft from file names and from what the pictures show: read it through and correct it.\n"
        "# Then fill in samples.csv, and run:  blotquant run . -o results\n\n"
        f"name = {_quoted(name)}\n"
        'samples = "samples.csv"       # one row per lane: what was loaded\n'
        '# ladder = "Precision Plus Protein"   # product name, or its masses: [250, 150, 100, 75]\n\n'
    )
    yield _GUIDE
    yield from (f"\n# left out: {file} ({why})\n" for file, why in left_out)


def _image(draft: Draft) -> str:
    check = "" if draft.is_known else "   # taken from the file name: check"
    lines = ["", "[[images]]", f"file = {_quoted(draft.file)}", f"blot = {_quoted(draft.blot)}"]
    lines += [f"membrane = {_quoted(draft.membrane)}", f"probe = {_quoted(draft.probe)}{check}"]
    if draft.exposure_s is not None:
        lines.append(f"exposure_s = {draft.exposure_s:g}")
    if draft.strip is not None:
        lines.append(f"strip = {draft.strip}   # of {draft.n_strips} in the picture; it shows {draft.n_lanes} lanes")
    return "\n".join(lines) + "\n"


def _targets(probes: Sequence[str]) -> Iterator[str]:
    yield (
        "\n# Where proteins run, in kDa; a list for a doublet. It counts where a ladder lane tells kDa. Without a\n"
        "# ladder the strongest row is taken; row = 2 says that it is the second from the top.\n"
    )
    yield from (_target(probe) for probe in probes if probe != STAIN)


def _target(probe: str) -> str:
    kda = target_kda(probe.split(" ")[0])
    if not kda:
        return f"# [targets.{_quoted(probe)}]\n# mw_kda = 50\n"
    value = f"{kda[0]:g}" if len(kda) == 1 else f"[{', '.join(f'{k:g}' for k in kda)}]"
    return f"[targets.{_quoted(probe)}]\nmw_kda = {value}\n"


def _ratios(probes: Sequence[str]) -> Iterator[str]:
    """Phospho over total where both are there; what is left over a loading control."""
    controls = [probe for probe in probes if is_known_control(probe)]
    loading = STAIN if STAIN in probes else controls[0] if controls else ""
    yield (
        "\n# Ratios. On one membrane loading cancels and is not divided out again; on twin membranes each side is\n"
        "# divided by its own loading, so both membranes need a picture of it.\n"
    )
    targets = [probe for probe in probes if probe != STAIN and probe not in controls]
    totals = {
        probe: probe.split(" ")[0][1:]
        for probe in targets
        if probe.startswith("p") and probe.split(" ")[0][1:] in probes
    }
    done = {*totals, *totals.values()}
    for probe, total in totals.items():
        yield _ratio(f"{probe}/{total}", probe, total, loading)
    for probe in (probe for probe in targets if probe not in done):
        if loading == STAIN:
            yield _ratio(f"{probe}/total protein", probe, "", loading)
        elif loading:
            yield _ratio(f"{probe}/{loading}", probe, loading, "")


def _ratio(name: str, numerator: str, denominator: str, loading: str) -> str:
    lines = ["", "[[ratios]]", f"name = {_quoted(name)}", f"numerator = {_quoted(numerator)}"]
    lines += [f"denominator = {_quoted(denominator)}"] if denominator else []
    lines += [f"loading = {_quoted(loading)}"] if loading else []
    return "\n".join(lines) + "\n"


def samples_text(drafts: Sequence[Draft]) -> str:
    """Write samples.csv: one row per lane, as many as the pictures show; conditions are to be filled in.

    Membranes of one blot that show different numbers of lanes get rows of their own.
    """
    rows: list[tuple[object, ...]] = []
    for blot in dict.fromkeys(draft.blot for draft in drafts):
        mine = [draft for draft in drafts if draft.blot == blot]
        membranes = list(dict.fromkeys(draft.membrane for draft in mine))
        counts = {m: _lanes_of([draft for draft in mine if draft.membrane == m]) for m in membranes}
        differ = len(set(counts.values())) > 1
        for membrane in membranes if differ else membranes[:1]:
            shown = [draft for draft in mine if not differ or draft.membrane == membrane]
            for lane in range(1, counts[membrane] + 1):
                role = _role(shown, lane)
                condition = f"lane {lane}" if role == "sample" else ""
                sample = f"S{lane}" if role == "sample" else ""
                rows.append((blot, membrane if differ else "", lane, sample, condition, role, ""))
    columns = ["blot", "membrane", "lane", "sample", "condition", "role", "load_ug"]
    keep = [k for k, name in enumerate(columns) if name != "membrane" or any(row[k] for row in rows)]
    text = io.StringIO()
    lines: list[Sequence[object]] = [columns, *rows]
    csv.writer(text, lineterminator="\n").writerows([line[k] for k in keep] for line in lines)
    return text.getvalue()


def _lanes_of(drafts: Sequence[Draft]) -> int:
    """The number that most pictures show, the larger of equals: a probe leaves lanes empty."""
    shown = [draft.n_lanes for draft in drafts if draft.n_lanes]
    return min(max(shown, key=lambda n: (shown.count(n), n), default=_GUESSED_LANES), _MOST_LANES)


def _role(drafts: Sequence[Draft], lane: int) -> str:
    """What a lane seems to be: blank only where no picture shows a band in it."""
    seen = Counter(draft.roles[lane - 1] for draft in drafts if len(draft.roles) >= lane)
    if seen["sample"]:
        return "sample"
    return "ladder" if seen["ladder"] else "blank" if seen["blank"] else "sample"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
