"""What a picture's file name tells: probe, site, blot, membrane, date and exposure, and how surely.

A name is taken apart from the surest to the least sure: the clock of an imager's default name, the date, the exposure,
the blot, the phosphorylation site, the protein. A protein is looked for anywhere in the name, so that cell lines,
treatments and words of the trade beside it do not become part of the probe. Only where no known protein stands there is
the rest of the name taken over. What was recognised by its form alone is listed as a guess.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath

from blotquant.experiment import filename_words as words
from blotquant.experiment.design import is_known_control

STAIN = "total_protein"
UNKNOWN = "unknown"
"""Probe of a picture whose name tells none."""
MOST_EXPERIMENTS = 12
"""The ``exp 30`` of a name is an exposure above this number, and an experiment up to it."""
NEAR_RESIDUES = 30
"""Residues between two sites of one antibody: T202/Y204, S235/236, S807/811, T37/46, S240/244."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameParts:
    """What a file name seems to say.

    Attributes
    ----------
    probe : str
        Antibody, such as ``pAKT``, or ``total_protein`` for a stain; the rest of the name where nothing is recognised,
        ``unknown`` where nothing is left of it.
    is_known : bool
        Whether the probe was recognised rather than taken over.
    site : str
        Phosphorylation site, such as ``S473``.
    blot, membrane : str
        Empty where the name has none.
    number : str
        A bare number at the beginning or the end of the name; it may count blots, or pictures.
    date : str
        A date in the name, as written.
    reprobed : str
        What stands before a loading control, as in ``B2AR_GAPDH``: the probe whose membrane it is.
    exposure_s : float or None
        Exposure time in seconds.
    guesses : tuple of str
        Which of ``probe``, ``blot`` and ``exposure_s`` could be read in another way, each with what is doubtful.
    is_no_probe : bool
        Whether it is the picture of a marker, a merge or alike.
    """

    probe: str
    is_known: bool = False
    site: str = ""
    blot: str = ""
    membrane: str = ""
    number: str = ""
    date: str = ""
    reprobed: str = ""
    exposure_s: float | None = None
    guesses: tuple[tuple[str, str], ...] = ()
    is_no_probe: bool = False


def parse_name(file: str) -> NameParts:
    """Read a picture's file name.

    Parameters
    ----------
    file : str
        Name or path; only the name without its ending is looked at.

    Returns
    -------
    NameParts
        What it tells. Anything that could as well mean something else is named in ``guesses``.
    """
    stem = "".join(map(_without_accent, unicodedata.normalize("NFC", PurePath(file).stem)))
    guesses: list[tuple[str, str]] = []

    # Numbers with a unit or a form of their own first, so that they are not taken for blots or sites.
    date = words.DATE.search(stem)
    rest = words.CLOCK.sub(" ", _cut(stem, date) if date else stem)
    exposure_s, rest = _read_exposure(rest, guesses)
    rest = words.LONGER.sub(" ", rest)

    membrane = words.MEMBRANE.search(rest)
    rest = _cut(rest, membrane)
    technical = words.TECHNICAL.search(rest)
    rest = _cut(rest, technical)
    blot, letter, rest = _read_blot(rest, is_timed=exposure_s is not None, guesses=guesses)
    on = membrane[1].lower() if membrane else ""
    if not on and technical:
        on = f"{blot} technical {int(technical[1])}".strip()
        guesses.append(("membrane", "guessed: a technical replicate, of the same blot"))

    # A stain is no protein and has no site; what is left holds the probe.
    stain = words.STAINS.search(rest)
    site = None if stain else _find_site(rest)
    probe, known, reprobed, number, short_site = STAIN, True, "", "", ""
    if not stain:
        text = _cut(rest, site)
        probe, known, reprobed, short_site, text = _read_probe(text, is_phospho=site is not None, guesses=guesses)
        number = _bare_number(text)
    else:
        number = _bare_number(_cut(rest, stain))
    return NameParts(
        probe=probe,
        is_known=known,
        site=_short_site(site[2]) if site else short_site,
        blot=blot,
        membrane=on or (blot + letter if letter else ""),
        number=number,
        date=date[1] if date else "",
        reprobed=reprobed,
        exposure_s=exposure_s,
        guesses=tuple(guesses),
        is_no_probe=bool(words.NOT_A_PROBE.search(stem)),
    )


def _without_accent(letter: str) -> str:
    """An accented letter without its accent, so that ``réplicat`` and ``Färbung`` are found in any spelling."""
    apart = unicodedata.normalize("NFD", letter)
    return apart[0] if all(map(unicodedata.combining, apart[1:])) else letter


def _read_exposure(text: str, guesses: list[tuple[str, str]]) -> tuple[float | None, str]:
    """The exposure time in seconds and the text without times; a time beside a stimulus is a treatment."""
    mixed = words.LONG_TIME.search(text)
    if mixed:
        hours, minutes, seconds, ms = (int(group or 0) for group in mixed.groups())
        return 3600.0 * hours + 60.0 * minutes + seconds + ms / 1000, _cut(text, mixed)
    # Times that call themselves exposures win over others, treatments do not count.
    found = list(words.EXPOSURE.finditer(text))
    said = [f for f in found if words.SAID_EXPOSURE.search(text[: f.start()])]
    treatment = [
        f
        for f in found
        if words.AFTER_STIMULUS.search(text[: f.start()]) or words.BEFORE_STIMULUS.search(text[f.end() :])
    ]
    likely = said or [f for f in found if f not in treatment]
    if len(likely) > 1:
        # Of several the one in seconds is the likelier exposure, and the name is a question.
        seconds_first = [f for f in likely if not f[2].lower().startswith("mi")]
        likely = seconds_first or likely
        guesses.append(("exposure_s", f"the name holds several times: {', '.join(f[0].strip() for f in found)}"))
    for f in reversed(found):
        text = f"{text[: f.start()]} {text[f.end() :]}"
    if likely:
        value, unit = float(likely[-1][1].replace(",", ".")), likely[-1][2].lower()
        return value * (0.001 if unit.startswith("ms") else 60.0 if unit.startswith("m") else 1.0), text
    # A bare number behind exp, too large to count experiments.
    bare = words.BARE_EXPOSURE.search(text)
    if bare and int(bare[1]) > MOST_EXPERIMENTS:
        guesses.append(("exposure_s", f"guessed: {bare[0]} is an exposure of {bare[1]} s, no experiment's number"))
        return float(bare[1]), _cut(text, bare)
    return None, text


def _read_blot(text: str, *, is_timed: bool, guesses: list[tuple[str, str]]) -> tuple[str, str, str]:
    """Number of the blot (or its letter), a membrane's letter behind it, and the text without them."""
    proteins = [match.span() for pattern, _ in words.KNOWN for match in pattern.finditer(text)]
    # The B1 of "Lamin B1" and the B-II of "LC3B-II" count nothing.
    numbered = [f for f in words.BLOT.finditer(text) if not any(a < f.end() and f.start() < b for a, b in proteins)]
    if numbered:
        # Where a gel and a replicate are numbered, the replicate counts: it is the n of the statistics.
        found = min(numbered, key=lambda f: not re.match(r"(?i)[ _-]?(?:bi|br|n|r)", f[0]))
        number = words.ROMAN.get(found[1].lower()) or str(int(found[1]))
        if len({f[1] for f in numbered}) > 1:
            told = ", ".join(f[0].strip(" _-") for f in numbered)
            guesses.append(("blot", f"the name holds several numbers: {told}"))
        elif not is_timed and re.match(r"(?i)[ _-]?exp\W?[ _-]?\d", found[0]):
            guesses.append(("blot", f"guessed: experiment {number}, not an exposure of {number} s"))
        for f in reversed(numbered):
            text = f"{text[: f.start()]} {text[f.end() :]}"
        return number, (found[2] or "").lower(), text.strip(" _-.,()[]")
    for pattern in (words.ORDINAL, words.HASH, words.LETTERED, words.DONOR):
        found_else = pattern.search(text)
        if found_else:
            if pattern is words.DONOR:
                guesses.append(("blot", f"guessed from {found_else[0].strip(' _-')}: one blot for each"))
            number = found_else[1].upper()
            return str(int(number)) if number.isdigit() else number, "", _cut(text, found_else)
    return "", "", text


def _find_site(text: str) -> re.Match[str] | None:
    """A phosphorylation site; the 800 of ``S473_800`` is no second residue, since such lie close together."""
    found = words.SITE.search(text)
    if found is None:
        return None
    # Two numbers are two residues only where they are neighbours on the protein.
    numbers = [int(number) for number in re.findall(r"\d+", found[2])]
    near = len(numbers) == 1 or abs(numbers[1] - numbers[0]) <= NEAR_RESIDUES
    return found if near else words.ONE_SITE.search(text)


def _read_probe(text: str, *, is_phospho: bool, guesses: list[tuple[str, str]]) -> tuple[str, bool, str, str, str]:
    """Probe, whether it is known, the probe that a control was reprobed after, a site, and what is left of the text."""
    proteins = _proteins(text, is_phospho=is_phospho)
    if proteins:
        (_, last, site, span) = proteins[-1]
        first = proteins[0][1]
        left = (text[: span[0]] + " " + text[span[1] :]).strip()
        written = text[span[0] : span[1]].strip(" _-")
        if re.fullmatch(r"(?i)act(ine?)?|aktin|tub(uline?)?", written):
            guesses.append(("probe", f"guessed: {written} alone is taken as {last}"))
        if written == "PERK":
            guesses.append(("probe", "guessed: phospho-ERK; the kinase of the ER is written PERK too"))
        if len(proteins) == 1:
            before = _unknown(text[: span[0]]) if is_known_control(last) else ""
            return last, True, before if before != UNKNOWN and not before.isdigit() else "", site, left
        # Two proteins: a control after the first, or one that says it was reprobed; anything else is a question.
        stripped = re.search(r"after|strip|re-?prob|following|post|previous", text, re.I)
        together = re.search(r"[&+]|\b(?:and|und|et)\b", text[proteins[0][3][1] : span[0]], re.I)
        if len(proteins) == 2 and is_known_control(last) and not is_known_control(first) and not together:
            return last, True, first, site, left
        if stripped and proteins[0][3][1] <= stripped.start() < proteins[1][3][0]:
            return first, True, "", proteins[0][2], left
        listed = ", ".join(p[1] for p in proteins)
        guesses.append(("probe", f"the name holds several proteins: {listed}"))
        return first, True, "", proteins[0][2], left
    # No known protein: one that is marked as phospho, or what is left of the name.
    marked = words.MARKED.search(text)
    if marked:
        body = marked["body"].strip(" -_")
        clean = "p" + body if marked["phospho"] or is_phospho else body
        return clean, True, "", "", _cut(text, marked)
    rest = _unknown(text)
    if rest == UNKNOWN:
        return UNKNOWN, False, "", "", text
    return ("p" + rest if is_phospho else rest), is_phospho, "", "", text


def _proteins(text: str, *, is_phospho: bool) -> list[tuple[int, str, str, tuple[int, int]]]:
    """Known proteins of a name from left to right: place, probe, site and span; none lies inside another."""
    found: list[tuple[int, str, str, tuple[int, int]]] = []
    is_marked = False
    for pattern, name in words.KNOWN:
        for match in pattern.finditer(text):
            if any(match.start() < stop and start < match.end() for _, _, _, (start, stop) in found):
                continue
            digits = re.sub(r"\D", "", match["digits"] or "")
            body = name or _tidy(match["body"])
            mark = bool(match["phospho"] or match["after"] or digits)
            is_marked = is_marked or mark
            site = words.SITE_LETTER.get(digits, "") + digits if digits else ""
            found.append((match.start(), "p" + body if mark else body, site, match.span()))
    # A site that stands apart marks the first protein that has no mark of its own.
    found.sort()
    if is_phospho and found and not is_marked:
        place, probe, site, span = found[0]
        found[0] = (place, "p" + probe, site, span)
    return found


def _tidy(body: str) -> str:
    """One spelling of a protein: ``Stat 3`` and ``STAT3`` are the same probe."""
    cut = re.fullmatch(r"(?i)(?:(cleaved|cl|pro)[ _-]?)?casp(?:ase)?[ _-]?(\d+)", body)
    if cut:
        return f"{cut[1] or ''} caspase-{cut[2]}".strip()
    joined = re.sub(r"[ _]+", "" if re.search(r"[A-Za-z][ _]\d", body) else " ", body)
    if re.match(r"p\d", joined, re.I):
        return "p" + joined[1:]
    is_short = joined.isascii() and len(joined) <= 6 and not re.search(r"vim|snail|slug", joined, re.I)
    return joined.upper() if is_short else joined


def _unknown(text: str) -> str:
    """What is left of a name without cell lines, words of the trade and bare numbers."""
    clean = words.NOISE.sub(" ", words.CELLS.sub(" ", text))
    clean = re.sub(r"[ _]+", " ", clean)
    stripped = [word.strip("-.,()[]+") for word in clean.split(" ")]
    kept = [word for word in stripped if re.search(r"[A-Za-zα-ω]", word)]
    return " ".join(kept) or UNKNOWN


def _bare_number(text: str) -> str:
    found = words.BARE_NUMBER.search(text.strip(" _-"))
    return str(int(next(group for group in found.groups() if group))) if found else ""


def _short_site(text: str) -> str:
    """Write Ser473 as S473."""
    short = re.sub(
        r"(?i)ser(?=[ _-]?\d)|thr(?=[ _-]?\d)|tyr(?=[ _-]?\d)",
        lambda m: {"s": "S", "y": "Y"}.get(m[0][0].lower(), "Y" if m[0][1].lower() == "y" else "T"),
        text,
    )
    return re.sub(r"[ _-]", "", short).upper()


def _cut(text: str, found: re.Match[str] | None) -> str:
    if found is None:
        return text
    return f"{text[: found.start()]} {text[found.end() :]}".strip(" _-.,()[]")
