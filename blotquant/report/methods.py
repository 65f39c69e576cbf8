"""The methods paragraph: what was done to the numbers, from the settings that did it, ready to paste."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blotquant._version import __version__
from blotquant.statistics.scaling import SCALINGS

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.experiment.design import Experiment
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
    sentences = [
        f"Band intensities were measured with blotquant {__version__} on the unprocessed image files ({unit}).",
        "Lanes and bands were detected automatically; hand corrections, where any were made, are kept as a record.",
        f"A band's volume is the sum of {unit} inside its outline, edge pixels by their covered part, minus the "
        "background; the lanes of one row share one aperture height unless a hand changed it; negative volumes were "
        "kept.",
        f"The background was {BACKGROUND_WORDS.get(quantification.background, quantification.background)}; a margin "
        f"of up to {quantification.mask_margin:g} band heights around every band, the more the "
        "stronger it is, was left out.",
        *_stains(experiment),
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


def _stains(experiment: Experiment) -> list[str]:
    stains = [probe for probe in experiment.probes if experiment.is_stain(probe)]
    if not stains:
        return []
    return [
        f"Total protein ({', '.join(stains)}) is the sum over the whole lane minus the level of the gaps beside it."
    ]


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
        text += " Of several exposures of one probe the longest was used in which no band of the target was saturated."
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
