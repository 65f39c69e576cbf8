"""What a picture's file name tells: probe, blot, membrane, exposure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from blotquant.experiment.design import is_known_control

_EXPOSURE = re.compile(
    r"(?<![\dA-Za-z.,])(\d+(?:[.,]\d+)?)[ _-]?(ms|msec|s|sec|secs|seconds?|min|mins|minutes?)(?![A-Za-z])", re.I
)
_SECONDS = {"m": 60.0, "s": 1.0}
_BLOT = re.compile(
    r"(?<![A-Za-z])(?:blot|replicate|rep|experiment|exp|gel|set|n|r|b)[ _=#-]?(\d{1,3})([a-d])?(?![A-Za-z\d])", re.I
)
_MEMBRANE = re.compile(r"(?<![A-Za-z])(?:membrane|mem)[ _-]?(\d{0,3}[a-d]?)(?![A-Za-z\d])", re.I)
_STAIN = re.compile(
    r"revert|ponceau|coomassie|stain[ _-]?free|amido[ _-]?black|sypro|total[ _-]?protein|(?<![a-z])TPS?(?![a-z\d])",
    re.I,
)
_SITE = re.compile(
    r"(?<![A-Za-z])(p?)((?i:S|T|Y|Ser|Thr|Tyr)[ _-]?\d{2,4}(?:[/_-](?i:S|T|Y|Ser|Thr|Tyr)?\d{2,4})?)(?![A-Za-z\d])"
)
# A capital after the p tells pAKT from PTEN; these are also written pAkt or pakt.
_LOWER_CASE = "akt|erk|mek|mtor|stat|egfr|her|src|jnk|s6|gsk|ampk|creb"
_PHOSPHO = re.compile(rf"^(?i:phosphorylated|phospho|phos)[ _-]*|^[pP][ _-]+|^p(?=[A-Z]|(?:{_LOWER_CASE})(?![a-z]))")
_TOTAL = re.compile(r"^(?i:total|tot|pan)[ _-]*|^[tT][ _-]+|^t(?=[A-Z]{2,})")
_MONTH = "jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec"
_DATE = re.compile(
    rf"(?<![A-Za-z\d])(\d{{4}}[-_.]?\d{{2}}[-_.]?\d{{2}}|\d{{6}}|(?:{_MONTH})[a-z]*[ _-]?\d{{1,2}})(?![A-Za-z\d])", re.I
)
_NOT_A_PROBE = re.compile(r"marker|ladder|merge|overlay|colou?rimetric|white[ _-]?light|bright[ _-]?field", re.I)

# Ways to write a protein, and the one name used for it in the draft.
_PROTEINS = (
    (r"akt|pkb|akt1", "AKT"),
    (r"erk(?:[ _-]?1[/_-]?2)?|erk12|mapk|p44[/_-]?p?42", "ERK"),
    (r"(?:b|β|beta)?[ _-]?actin|actb", "beta-actin"),
    (r"gapdh", "GAPDH"),
    (r"(?:a|α|alpha)?[ _-]?tubulin|tuba", "alpha-tubulin"),
    (r"vinculin|vcl", "vinculin"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameParts:
    """What a file name seems to say.

    Attributes
    ----------
    probe : str
        Antibody, such as ``pAKT``, or ``total_protein`` for a stain; the cleaned name where nothing is recognised.
    is_known : bool
        Whether the probe was recognised rather than taken over.
    site : str
        Phosphorylation site, such as ``S473``.
    blot, membrane : str
        Empty where the name has none.
    date : str
        A date in the name, as written.
    reprobed : str
        What stands before a loading control, as in ``B2AR_GAPDH``: the probe whose membrane it is.
    exposure_s : float or None
        Exposure time in seconds.
    is_no_probe : bool
        Whether it is the picture of a marker, a merge or alike.
    """

    probe: str
    is_known: bool = False
    site: str = ""
    blot: str = ""
    membrane: str = ""
    date: str = ""
    reprobed: str = ""
    exposure_s: float | None = None
    is_no_probe: bool = False


def parse_name(file: str) -> NameParts:
    """Read a picture's file name.

    Parameters
    ----------
    file : str
        Name or path; only the name without its ending is looked at.
    """
    stem = PurePath(file).stem
    exposure = _EXPOSURE.search(stem)
    rest = _cut(stem, exposure)
    membrane = _MEMBRANE.search(rest)
    rest = _cut(rest, membrane)
    blot = _BLOT.search(rest)
    rest = _cut(rest, blot)
    number = str(int(blot[1])) if blot else ""
    letter = (blot[2] or "").lower() if blot else ""
    date = _DATE.search(rest)
    rest = _cut(rest, date)
    stain = _STAIN.search(rest)
    site = None if stain else _SITE.search(rest)
    probe, known = ("total_protein", True) if stain else _probe(_cut(rest, site), is_phospho=site is not None)
    before, control = _split_control(probe) if not known else ("", "")
    return NameParts(
        probe=control or probe,
        is_known=known or bool(control),
        site=_short_site(site[2]) if site else "",
        blot=number,
        membrane=membrane[1].lower() if membrane and membrane[1] else number + letter if letter else "",
        date=date[1] if date else "",
        reprobed=before,
        exposure_s=_seconds(exposure),
        is_no_probe=bool(_NOT_A_PROBE.search(stem)),
    )


def _short_site(text: str) -> str:
    """Write Ser473 as S473."""
    short = re.sub(
        r"(?i)ser(?=[ _-]?\d)|thr(?=[ _-]?\d)|tyr(?=[ _-]?\d)",
        lambda m: {"s": "S", "y": "Y"}.get(m[0][0].lower(), "Y" if m[0][1].lower() == "y" else "T"),
        text,
    )
    return re.sub(r"[ _-]", "", short).upper()


def _split_control(probe: str) -> tuple[str, str]:
    """Take ``B2AR GAPDH`` apart: a membrane of B2AR, reprobed for the control."""
    before, _, last = probe.rpartition(" ")
    name, known = _probe(last, is_phospho=False)
    return (before, name) if before and known and is_known_control(name) else ("", "")


def _cut(text: str, found: re.Match[str] | None) -> str:
    if found is None:
        return text
    return f"{text[: found.start()]} {text[found.end() :]}".strip(" _-.,()[]")


def _seconds(found: re.Match[str] | None) -> float | None:
    if found is None:
        return None
    unit = found[2].lower()
    value = float(found[1].replace(",", "."))
    return value / 1000 if unit.startswith("ms") else value * _SECONDS[unit[0]]


def _probe(text: str, *, is_phospho: bool) -> tuple[str, bool]:
    """Name the antibody: phospho as p + protein, total as the protein alone; a site alone also means phospho."""
    clean = re.sub(r"[ _]+", " ", text).strip(" -()")
    prefix = None if re.match(r"p\d", clean) else _PHOSPHO.match(clean)
    total = None if prefix else _TOTAL.match(clean)
    found = prefix or total
    body = clean[found.end() :].strip(" -") if found else clean
    mark = "p" if prefix or is_phospho else ""
    for pattern, name in _PROTEINS:
        if re.match(rf"(?:{pattern})(?![A-Za-z])", body, re.I):
            return mark + name, True
    return (mark + body if body else "unknown"), bool(mark or total)
