"""The report's own words: the methods paragraph, and the answers to what reviewers ask of a blot.

The paragraph says what was done to the numbers, from the settings that did it, ready to paste. The questions are those
of journals' guidelines. Nothing is computed here: counts come from the tables and the record, and each answer names its
section.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blotquant._version import __version__
from blotquant.flags import LOST_COUNTS, split_flags
from blotquant.statistics.scaling import SCALINGS

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.experiment.design import Experiment
    from blotquant.report.page import Content
    from blotquant.settings import Settings


BACKGROUND_WORDS = {
    "local": "the best linear unbiased estimate (kriging) from the free rows of the band's own lane and the gaps "
    "beside it, all bands left out",
    "lane": "a smooth baseline along each lane through its free rows (masked Whittaker smoother)",
    "flank": "a straight line down the lane through the free pixels above and below the band",
    "constant": "one level for the whole picture, the median of all pixels that no band covers",
    "none": "not subtracted",
    "rolling_ball": "a scale-free, bias-corrected rolling ball",
}


OWN_ROWS = ("local", "flank", "lane")
"""Backgrounds that bands' own rows tell of too."""
STAIN_WORDS = {"none": "", "constant": " minus the median of all pixels beside the lanes"}
"""What is taken off a total-protein stain by the backgrounds that are no opening along the lane."""


Asked = tuple[str, str, str, str]
"""Question, answer, anchor in the page, and the words of the link."""


def methods_paragraph(experiment: Experiment, settings: Settings, tables: dict[str, pd.DataFrame]) -> str:
    """Write the paragraph.

    Parameters
    ----------
    experiment : Experiment
        What was declared.
    settings : Settings
        What was used.
    tables : dict of str to DataFrame
        ``ratios``, ``summary``, and ``sensitivity`` where there is one.
    """
    quantification = settings.quantification
    unit = "optical density" if quantification.optical_density else "counts"
    own_rows = [
        "Where the ground varied by more than 1 % of the light of a row's bands, the bands' own rows told of it too, "
        "by the shape that the row's lanes share (optimal extraction)."
    ]
    own_rows = own_rows if quantification.background in OWN_ROWS else []
    sentences = [
        f"Band intensities were measured with blotquant {__version__} on the unprocessed image files ({unit}).",
        "Lanes and bands were detected automatically; hand corrections, where any were made, are kept as a record.",
        f"A band's volume is the sum of {unit} inside its outline, edge pixels by their covered part, minus the "
        "background; the lanes of one row share one aperture height unless a hand changed it; negative volumes were "
        "kept.",
        f"The background was {BACKGROUND_WORDS.get(quantification.background, quantification.background)}; a margin "
        f"of up to {quantification.mask_margin:g} band heights around every band, the more the "
        "stronger it is, was left out.",
        *own_rows,
        *_stains(experiment, quantification.background),
        "Bands with a pixel at the detector's ceiling are lower bounds and were left out of means.",
        *_exposures(experiment),
        *_formulas(tables["ratios"]),
        "Confidence intervals of single ratios hold the measurement error of one lane, on the log scale, or by "
        "Fieller's theorem where the denominator's relative error exceeds 0.1.",
        *_comparison(experiment, tables["summary"]),
        *_ways(tables),
        _exclusions(tables["ratios"]),
    ]
    return " ".join(sentences)


def _stains(experiment: Experiment, background: str) -> list[str]:
    stains = [probe for probe in experiment.probes if experiment.is_stain(probe)]
    if not stains:
        return []
    opening = " minus the background along it (a grey opening of the lane's profile, five band heights long)"
    taken = STAIN_WORDS.get(background, opening)
    return [f"Total protein ({', '.join(stains)}) is the sum over the whole lane{taken}."]


def _exposures(experiment: Experiment) -> list[str]:
    known: dict[str, list[float]] = {}
    for entry in experiment.images:
        if entry.exposure_s is not None:
            known.setdefault(entry.probe, []).append(entry.exposure_s)
    if not known:
        return ["Exposure times are those that the image files state, where they do."]
    listed = [f"{probe} {' and '.join(f'{t:g}' for t in sorted(set(times)))} s" for probe, times in known.items()]
    text = f"Exposure times: {', '.join(listed)}."
    if any(len(set(times)) > 1 for times in known.values()):
        text += (
            " Of several exposures of one probe the rate was used, the slope of a weighted line through the origin "
            "over those in which the band is not saturated; where a lane has none, the longest exposure in which no "
            "band of the target is saturated."
        )
    return [text]


def _formulas(ratios: pd.DataFrame) -> list[str]:
    """Formulas without the names of pictures, each once, with the ratios and blots that it holds for."""
    used: dict[str, dict[str, None]] = {}
    for row in ratios.dropna(subset=["formula"])[["ratio", "blot", "formula"]].to_dict("records"):
        short = re.sub(r" \[[^\]]*\]", "", str(row["formula"])).split("; 95 % CI")[0]
        short = re.sub(r"L = (\w+) and \1\b", r"L = \1 of each membrane", short)
        used.setdefault(short, {})[f"{row['blot']}"] = None
    return [f"On blot {', '.join(blots)}: {formula}." for formula, blots in used.items()]


def _comparison(experiment: Experiment, summary: pd.DataFrame) -> list[str]:
    compare = experiment.compare
    scaling = SCALINGS[compare.scaling].does
    unit = "blot" if experiment.unit == "blot" else "as the sample sheet names them"
    text = [
        f"The biological replicate ({unit}) is n; technical replicates were averaged on the log scale first. For the "
        f"geometric means: {scaling}."
    ]
    if compare.reference is None:
        return [*text, "No reference condition was declared, so conditions were not compared."]
    tests = [t for t in dict.fromkeys(summary["test"].dropna()) if not t.startswith(("no test", "reference"))]
    done = f" p-values: {'; '.join(tests)}." if tests else " No p-value was computed; the table says why."
    return [
        *text,
        f"Fold changes against “{compare.reference}” are differences of log ratios within blots (linear model: "
        f"condition and blot), with pointwise {compare.level} t intervals.{done}",
    ]


def _ways(tables: dict[str, pd.DataFrame]) -> list[str]:
    ways = tables.get("sensitivity")
    if ways is None or ways.empty:
        return []
    backgrounds = ", ".join(dict.fromkeys(ways["background"]))
    heights = ", ".join(f"{v:g}" for v in sorted(set(ways["aperture"])))
    scalings = [s for s in dict.fromkeys(ways["scaling"]) if s != "any"]
    scaled = f", replicate scaling ({', '.join(scalings)})" if scalings else ""
    return [
        f"To show what the claims owe to the analysis, every fold change was computed again over background "
        f"({backgrounds}), aperture height ({heights} of the row's){scaled}."
    ]


def _exclusions(ratios: pd.DataFrame) -> str:
    included = ratios["included"].fillna(value=False).astype(bool)
    reasons = ratios.loc[~included, "reason"].fillna("no reason given").value_counts()
    listed = "; ".join(f"{count}: {reason}" for reason, count in sorted(reasons.items()))
    text = f"Of {len(ratios)} values {int((~included).sum())} were excluded"
    return f"{text} ({listed})." if listed else f"{text}."


def reviewers_questions(content: Content) -> list[Asked]:
    """List the questions with this study's answers.

    Parameters
    ----------
    content : Content
        What the report is made from.

    Returns
    -------
    list of (str, str, str, str)
        Question, answer, anchor, and the words of the link.
    """
    experiment, ratios, bands = content.experiment, content.tables["ratios"], content.tables["bands"]
    saturated = int(sum("saturated" in split_flags(cell) for cell in bands.loc[bands["target"].notna(), "flags"]))
    doubtful = sorted({flag for row in content.record for flag in row["flags"]} & set(LOST_COUNTS))
    left_out = int((~ratios["included"].fillna(value=False).astype(bool)).sum())
    exposures = content.tables.get("exposures")
    has_series = exposures is not None and not exposures.empty
    dilutions = len(content.dilution)
    linear = (
        f"{dilutions} dilution series; bands outside its range are flagged."
        if dilutions
        else "Exposure series only: they show the camera's linearity, not that of the antibody."
        if has_series
        else "Not shown here: no dilution series was declared, and no exposure series was taken."
    )
    loading = list(dict.fromkeys(probe for ratio in experiment.ratios for probe in ratio.loading))
    n = sorted({int(value) for value in content.tables["summary"]["n"].dropna()})
    return [
        ("Are the uncropped blots shown?", f"All {len(content.record)}, whole, with and without marks; the clean files "
         "and one PDF lie in the folder figures.", "#blots", "Blots"),
        ("Is any band saturated?", f"{saturated} of the probes' bands; each is a bound (≥ or ≤) and left out of means."
         if saturated else "None of the probes' bands reaches the detector's ceiling.", "#doubts", "Flags"),
        ("Is the signal in the linear range?", linear, "#checks" if has_series or dilutions else "#methods",
         "Checks" if has_series or dilutions else "Methods"),
        ("How was loading accounted for?", f"Loading: {', '.join(loading)}; whether it enters a value stands in each "
         "formula." if loading else "No loading control was declared; on one membrane it cancels in the ratio.",
         "#methods", "Methods"),
        ("What is n, and what are the points?", f"n counts biological replicates (here {_span(n)}); every one is drawn "
         "as a point, technical repeats are averaged first.", "#summary", "Summary"),
        ("Which statistics, which error bars?", "Log ratios, paired by blot; error bars are confidence intervals over "
         "replicates; exact and adjusted p stand in the table.", "#summary", "Summary"),
        ("Was anything left out?", f"{left_out} of {len(ratios)} values, each with its reason.", "#doubts",
         "Exclusions"),
        ("How were pictures processed?", f"They were measured as the files are{_told(doubtful)}; grey in figures is "
         "linear in the counts, chosen from the bands, the same for a whole picture or strip.", "#blots", "Blots"),
        ("Does the claim hang on one choice?", "Every fold change was computed again over other backgrounds, apertures "
         "and scalings.", "#summary", "Summary"),
        ("Which software, and can it be repeated?", f"blotquant {__version__}; checksums, parameters and versions are "
         "recorded, and the command “blotquant verify” computes every number again from the originals.",
         "#record", "Record"),
    ]  # fmt: skip


def _told(flags: list[str]) -> str:
    return f", some of which are exports ({', '.join(flags)})" if flags else ""


def _span(n: list[int]) -> str:
    if not n:
        return "none"
    return str(n[0]) if n[0] == n[-1] else f"{n[0]} to {n[-1]}"
