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

from blotquant.experiment.design import is_known_control

STAIN = "total_protein"
UNKNOWN = "unknown"
"""Probe of a picture whose name tells none."""

_START = r"(?<![A-Za-zα-ω\d])"
_END = r"(?![A-Za-zα-ω\d])"
_MONTH = "jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec"
_DATE = re.compile(
    rf"{_START}(\d{{4}}[-_. ]?\d{{2}}[-_. ]?\d{{2}}|\d{{1,2}}[-_.]\d{{1,2}}[-_.]\d{{4}}|\d{{2}}[-_.]\d{{2}}[-_.]\d{{2}}"
    rf"|\d{{6}}|\d{{1,2}}[ _-]?(?:{_MONTH})[a-z]*[ _.-]?(?:\d{{4}}|\d{{2}})?|(?:{_MONTH})[a-z]*[ _-]?\d{{1,2}}"
    rf"(?:[ ,_-]+\d{{4}})?){_END}",
    re.I,
)
# The time of day in an imager's default name: 14hr 05min 33sec, 14h05m33s, 14.05.33, or six digits behind a date.
_CLOCK = re.compile(
    rf"{_START}\d{{1,2}} ?(?:hr?|hrs)[ _.-]?\d{{1,2}} ?m(?:in)?(?:[ _.-]?\d{{1,2}} ?s(?:ec)?)?{_END}"
    rf"|{_START}[0-2]\d[.:-][0-5]\d[.:-][0-5]\d{_END}|{_START}T?[0-2]\d[0-5]\d[0-5]\d{_END}",
    re.I,
)
_EXPOSURE = re.compile(
    r"(?:(?<![\dA-Za-z.,])|(?<=exp)|(?<=exposure))(\d+(?:[.,]\d+)?)[ _-]?"
    r"(ms|msecs?|s|secs?|seconds?|min|mins|minutes?)(?![A-Za-z\d])",
    re.I,
)
_MIXED_TIME = re.compile(r"(?<![\dA-Za-z.,])(\d+) ?m(?:in)?[ _-]?(\d+) ?s(?:ec)?(?![A-Za-z\d])", re.I)
_SAID_EXPOSURE = re.compile(r"exp(?:osure|os|\.)?(?: ?time)?[ _=:-]*$", re.I)
# A time right beside one of these is a treatment: "EGF 10 min", "10 min insulin".
_STIMULUS = (
    r"egf|igf-?1?|insulin|ins|tnf-?a?|il-?\d+b?|lps|serum|fbs|pma|tpa|hgf|fgf|ngf|nrg|hrg|pdgf|vegf|tgf-?[bβ]?1?|"
    r"estradiol|e2|h2o2|stim\w*|treat\w*|chase|recovery|starv\w*|post|after|hypoxia|uv"
)
_AFTER_STIMULUS = re.compile(rf"(?<![A-Za-z])(?:{_STIMULUS})[ _+-]*$", re.I)
_BEFORE_STIMULUS = re.compile(rf"^[ _+-]*(?:{_STIMULUS})(?![A-Za-z])", re.I)
_LONGER = re.compile(rf"{_START}\d+(?:[.,]\d+)? ?(?:h|hr|hrs|hours?|d|days?|wks?|weeks?){_END}", re.I)

_BLOT = re.compile(
    r"(?<![A-Za-z])(?:biological|biol?\.?)?[ _-]?"
    r"(?:blot|replicate|repl?|experiment|exp|gel|set|wb|br|bio|donor|patient|n|r|b)"
    r"\.?[ _=#-]?(\d{1,3}|i{1,3}|iv)([a-d])?(?![A-Za-z\d])",
    re.I,
)
_ORDINAL = re.compile(rf"{_START}(\d)(?:st|nd|rd|th)[ _-]?(?:blot|replicate|rep|experiment|exp)?{_END}", re.I)
_HASH = re.compile(r"(?:#|no\.? ?)(\d{1,3})(?![A-Za-z\d])", re.I)
_LETTERED = re.compile(rf"{_START}(?:blot|replicate|rep|experiment|exp|gel|set)[ _-]([A-H]){_END}", re.I)
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
_MEMBRANE = re.compile(r"(?<![A-Za-z])(?:membrane|memb?)[ _-]?(\d{0,3}[a-d]?)(?![A-Za-z\d])", re.I)
_BARE_NUMBER = re.compile(r"^\(?(\d{1,2})\)?(?=[ _.-]|$)|(?<=[ _.-])\(?(\d{1,2})\)?$|\((\d{1,2})\)$")

_STAIN = re.compile(
    r"revert|ponceau|coomassie|(?<![a-z])cbb(?![a-z])|stain[ _-]?free|no[ _-]?stain|amido[ _-]?black|sypro|memcode|"
    r"fast[ _-]?green|direct[ _-]?blue|total[ _-]?protein|(?<![a-z])TPS?(?![a-z\d])",
    re.I,
)
_NOT_A_PROBE = re.compile(
    r"marker|ladder|merged?(?![a-z])|overlay|composite|colou?rimetric|white[ _-]?light|epi[ _-]?white|"
    r"bright[ _-]?field",
    re.I,
)
_SITE = re.compile(
    r"(?<![A-Za-z])(p?)((?i:S|T|Y|Ser|Thr|Tyr)[ _-]?\d{2,4}(?:[/_-](?i:S|T|Y|Ser|Thr|Tyr)?\d{2,4})?)(?![A-Za-z\d])"
)
_SITE_LETTER = {"473": "S", "308": "T"}
"""Sites of AKT that are written as a bare number."""

# Ways to write a protein, and the one name used for it in the draft. Order counts: the longer name first.
_PROTEINS = (
    (r"(?:akt|pkb)[123]?|akt1[/_-]2", "AKT"),
    (r"erk[ _-]?1[/_,-]?2|erk12|erk[125]?|(?:p44[/_-]p?42[ _-]?)?mapk|p44[/_-]?p?42|p42[/_-]?p?44", "ERK"),
    (r"(?:b|β|beta)[ _-]?act(?:in)?|actb|actin", "beta-actin"),
    (r"ga[pd]dh|g[ad]pdh|g3pdh", "GAPDH"),
    (r"(?:b|β|beta)[ _-]?tub(?:ulin)?|tubb", "beta-tubulin"),
    (r"(?:a|α|alpha)?[ _-]?tub(?:ulin)?|tuba", "alpha-tubulin"),
    (r"vinculin|vinc|vcl", "vinculin"),
    (r"hsp[ _-]?(?:90|70|60|27)[abαβ]?", ""),
    (r"lamin[ _-]?(?:a/?c|b1?)", ""),
    (r"histone[ _-]?h3|h3", "H3"),
    (r"cox[ _-]?(?:iv|4)", "COX IV"),
    (r"gsk[ _-]?3[ _-]?(?:b|β|beta)", "GSK3beta"),
    (r"gsk[ _-]?3[ _-]?(?:a|α|alpha)", "GSK3alpha"),
    (r"gsk[ _-]?3", "GSK3"),
    (r"(?:p70[ _-]?)?s6[ _-]?k(?:inase)?1?|p70[ _-]?s6", "S6K"),
    (r"s6(?:rp)?|rps6", "S6"),
    (r"4e?[ _-]?bp-?1", "4E-BP1"),
    (r"mtor", "mTOR"),
    (r"stat[ _-]?[1-6][ab]?", ""),
    (r"smad[ _-]?2[/_-]3", "SMAD2/3"),
    (r"smad[ _-]?[1-9]", ""),
    (r"mek[ _-]?1[/_-]2|mek[12]?", "MEK"),
    (r"c?[ _-]?raf1?|braf", ""),
    (r"i[ _-]?[kκ]b[ _-]?(?:a|α|alpha)", "IkBalpha"),
    (r"(?:nf[ _-]?[kκ]b[ _-]?)p65", "p65"),
    (r"nf[ _-]?[kκ]b", "NF-kB"),
    (r"er[ _-]?(?:α|alpha)|er-?a|esr1", "ERalpha"),
    (r"er[ _-]?(?:β|beta)|esr2", "ERbeta"),
    (r"her[ _-]?[234]|erbb[ _-]?[234]", ""),
    (r"egfr|igf-?1r(?:[βb]|beta)?|insr|met|c-met|fgfr[1-4]?|vegfr2?|pdgfr[abαβ]?", ""),
    (r"ampk(?:[ _-]?(?:α|alpha))?", "AMPK"),
    (r"jnk|sapk[/_-]?jnk", "JNK"),
    (r"creb|src|fak|pten|pi3k|irs-?1|pras40|tsc2|foxo[134]?a?|acc|ulk1|camkii|tbk1|irf3", ""),
    (r"(?:cleaved|cl|pro)?[ _-]?casp(?:ase)?[ _-]?\d{1,2}", ""),
    (r"(?:cleaved|cl|c)?[ _-]?parp-?1?", ""),
    (r"bcl[ _-]?(?:2|xl)|mcl-?1|bax|bak|bim|puma|survivin|xiap", ""),
    (r"cyclin[ _-]?[abde]\d?|ccnd1|cdk[ _-]?\d|rb1?", ""),
    (r"c?[ _-]?myc", "MYC"),
    (r"[en][ _-]?cad(?:herin)?|vimentin|snail|slug|zeb1", ""),
    (r"lc3[ab]?|beclin-?1|atg\d+|sqstm1", ""),
    (r"tp53", "TP53"),
    (r"p(?:16|21|27|38|52|53|62|65|70|90|100)(?:ink4a|cip1|kip1|mapk)?", ""),
    (r"hif-?1?(?:α|a|alpha)?|nrf2|keap1|yap1?|taz|[bβ]-?catenin|beta-?catenin|notch1|ki-?67|pcna", ""),
    (r"g?h2a\.?x|γ-?h2ax|gamma-?h2ax", "gammaH2AX"),
)
_PHOSPHO = r"(?:phosphorylated|phospho|phos|ph)[ _.-]*|p[ _.-]+|p"
_TOTAL = r"(?:total|tot|pan)[ _.-]*|t[ _.-]+|t"
_KNOWN = tuple(
    (
        re.compile(
            rf"{_START}(?:(?P<phospho>{_PHOSPHO})|(?P<total>{_TOTAL}))??(?P<body>{pattern})"
            rf"(?P<digits>[ _-]?\(?(?:p?473|p?308)\)?)?(?P<after>[ _-]?\(p\)|[ _-]p)?(?![A-Za-zα-ω\d])",
            re.I,
        ),
        name,
    )
    for pattern, name in _PROTEINS
)
# A protein that is not in the list but is marked: a capital after the p tells pKAP1 from PTEN.
_MARKED = re.compile(
    rf"{_START}(?:(?P<phospho>(?i:phosphorylated|phospho|phos)[ _-]*|[pP][ _-]+|p(?=[A-Z]))|"
    rf"(?P<total>(?i:total|tot|pan)[ _-]*|[tT][ _-]+|t(?=[A-Z]{{2,}})))(?P<body>[A-Za-z][\w-]*)"
)

# Words of the trade, imagers and their habits: none of them is an antibody.
_NOISE = re.compile(
    rf"{_START}(?:wb|western|blots?|gels?|membrane|memb?|image|img|dsc|scan(?:ned)?|pic|photo|chemi(?:luminescence|doc)?|ecl|"
    r"femto|raw|originals?|orig|copy|final|edit(?:ed)?|adjusted|adj|crop(?:ped)?|invert(?:ed)?|new|old|rerun|redo|"
    r"exposures?|expos|exp|auto(?:matic)?|manual|optimal|rapid|intense|high|low|short|long|"
    r"medium|light|dark|strong|weak|best|"
    r"(?:8|16|32)[ -]?bit|\d+ ?dpi|channel|ch\d?|admin|user|lab|mp|touch|xrs\+?|odyssey|clx|"
    r"azure|c\d00|amersham|ai ?6[08]0|"
    r"las[ -]?\d*|imagequant|ibright|fusion|fx|g-?box|syngene|typhoon|untitled|default|"
    r"strip(?:ped)?|re-?probed?|after|before|then|and|with|vs|ab|antibody|anti|rabbit|mouse|goat|rb|ms|"
    r"o/?n|overnight|hi-?res|sensitivity|high[ -]resolution|700|800|ir\d{3}|cy[235]|replicate|rep|biol?|n|"
    r"total|tot|phospho|lysates?|samples?|test|quant|result|fig(?:ure)?|supp?)(?![A-Za-z])",
    re.I,
)
_CELLS = re.compile(
    rf"{_START}(?:mcf-?7|mcf-?10a|wt|ko|ctrl|control|veh(?:icle)?|dmso|sirna|shrna|oe|parental|tamr|anar|letr|exer|"
    r"hela|hek ?-?293t?|293t?|a549|t-?47d|mda[ _-]?(?:mb)?[ _-]?\d+|lncap|c4-2b?|pc-?3|"
    r"du-?145|skbr-?3|bt-?\d{3}|hepg2|huh7|u2os|u87(?:mg)?|u251|hct-?116|sw\d{3}|ht-?29|caco-?2|"
    r"(?:nih)?3t3(?:-?l1)?|raw ?264(?:\.7)?|"
    r"thp-?1|jurkat|k562|hl-?60|cho|cos-?7|mefs?|c2c12|ins-?1|pc12|sh-?sy5y|huvecs?|a431|a375|h1299|h1975|panc-?1|bv-?2|"
    r"liver|kidney|heart|brain|muscle)"
    r"(?![A-Za-z\d])",
    re.I,
)


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
    stem = unicodedata.normalize("NFC", PurePath(file).stem)
    guesses: list[tuple[str, str]] = []

    # Numbers with a unit or a form of their own first, so that they are not taken for blots or sites.
    date = _DATE.search(stem)
    rest = _CLOCK.sub(" ", _cut(stem, date) if date else stem)
    exposure_s, rest = _read_exposure(rest, guesses)
    rest = _LONGER.sub(" ", rest)

    membrane = _MEMBRANE.search(rest)
    rest = _cut(rest, membrane)
    blot, letter, rest = _read_blot(rest)

    stain = _STAIN.search(rest)
    site = None if stain else _SITE.search(rest)
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
        membrane=membrane[1].lower() if membrane and membrane[1] else blot + letter if letter else "",
        number=number,
        date=date[1] if date else "",
        reprobed=reprobed,
        exposure_s=exposure_s,
        guesses=tuple(guesses),
        is_no_probe=bool(_NOT_A_PROBE.search(stem)),
    )


def _read_exposure(text: str, guesses: list[tuple[str, str]]) -> tuple[float | None, str]:
    """The exposure time in seconds and the text without times; a time beside a stimulus is a treatment."""
    mixed = _MIXED_TIME.search(text)
    if mixed:
        return 60.0 * int(mixed[1]) + int(mixed[2]), _cut(text, mixed)
    found = list(_EXPOSURE.finditer(text))
    said = [f for f in found if _SAID_EXPOSURE.search(text[: f.start()])]
    treatment = [
        f for f in found if _AFTER_STIMULUS.search(text[: f.start()]) or _BEFORE_STIMULUS.search(text[f.end() :])
    ]
    likely = said or [f for f in found if f not in treatment]
    if len(likely) > 1:
        seconds = [f for f in likely if not f[2].lower().startswith("mi")]
        likely = seconds or likely
        guesses.append(("exposure_s", f"the name holds several times: {', '.join(f[0].strip() for f in found)}"))
    for f in reversed(found):
        text = f"{text[: f.start()]} {text[f.end() :]}"
    if not likely:
        return None, text
    value, unit = float(likely[-1][1].replace(",", ".")), likely[-1][2].lower()
    scale = 0.001 if unit.startswith("ms") else 60.0 if unit.startswith("m") else 1.0
    return value * scale, text


def _read_blot(text: str) -> tuple[str, str, str]:
    """Number of the blot (or its letter), a membrane's letter behind it, and the text without them."""
    found = _BLOT.search(text)
    if found:
        number = _ROMAN.get(found[1].lower()) or str(int(found[1]))
        return number, (found[2] or "").lower(), _cut(text, found)
    for pattern in (_ORDINAL, _HASH):
        found = pattern.search(text)
        if found:
            return str(int(found[1])), "", _cut(text, found)
    found = _LETTERED.search(text)
    return (found[1].upper(), "", _cut(text, found)) if found else ("", "", text)


def _read_probe(text: str, *, is_phospho: bool, guesses: list[tuple[str, str]]) -> tuple[str, bool, str, str, str]:
    """Probe, whether it is known, the probe that a control was reprobed after, a site, and what is left of the text."""
    proteins = _proteins(text, is_phospho=is_phospho)
    if proteins:
        (_, last, site, span) = proteins[-1]
        first = proteins[0][1]
        left = (text[: span[0]] + " " + text[span[1] :]).strip()
        if re.fullmatch(r"(?i)act(in)?|tub(ulin)?", text[span[0] : span[1]]):
            guesses.append(("probe", f"guessed: {text[span[0] : span[1]]} alone is taken as {last}"))
        if len(proteins) == 1:
            before = _unknown(text[: span[0]]) if is_known_control(last) else ""
            return last, True, before if before != UNKNOWN and not before.isdigit() else "", site, left
        stripped = re.search(r"after|strip|re-?prob|following|post|previous", text, re.I)
        if len(proteins) == 2 and is_known_control(last) and not is_known_control(first):
            return last, True, first, site, left
        if stripped and proteins[0][3][1] <= stripped.start() < proteins[1][3][0]:
            return first, True, "", proteins[0][2], left
        listed = ", ".join(p[1] for p in proteins)
        guesses.append(("probe", f"the name holds several proteins: {listed}"))
        return first, True, "", proteins[0][2], left
    marked = _MARKED.search(text)
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
    for pattern, name in _KNOWN:
        for match in pattern.finditer(text):
            if any(match.start() < stop and start < match.end() for _, _, _, (start, stop) in found):
                continue
            digits = re.sub(r"\D", "", match["digits"] or "")
            body = name or _tidy(match["body"])
            mark = bool(match["phospho"] or match["after"] or digits)
            is_marked = is_marked or mark
            site = _SITE_LETTER.get(digits, "") + digits if digits else ""
            found.append((match.start(), "p" + body if mark else body, site, match.span()))
    found.sort()
    if is_phospho and found and not is_marked:
        place, probe, site, span = found[0]
        found[0] = (place, "p" + probe, site, span)
    return found


def _tidy(body: str) -> str:
    """One spelling of a protein: ``Stat 3`` and ``STAT3`` are the same probe."""
    joined = re.sub(r"[ _]+", "", body) if re.search(r"[A-Za-z][ _]\d", body) else re.sub(r"[ _]+", " ", body)
    return (
        joined
        if re.match(r"p\d", joined, re.I) and joined[0] == "p"
        else joined.upper()
        if joined.isascii() and len(joined) <= 6 and not re.search(r"casp|vim|snail|slug", joined, re.I)
        else joined
    )


def _unknown(text: str) -> str:
    """What is left of a name without cell lines, words of the trade and bare numbers."""
    clean = _NOISE.sub(" ", _CELLS.sub(" ", text))
    clean = re.sub(r"[ _]+", " ", clean)
    words = [word.strip("-.,()[]+") for word in clean.split(" ")]
    kept = [word for word in words if re.search(r"[A-Za-zα-ω]", word)]
    return " ".join(kept) or UNKNOWN


def _bare_number(text: str) -> str:
    found = _BARE_NUMBER.search(text.strip(" _-"))
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
