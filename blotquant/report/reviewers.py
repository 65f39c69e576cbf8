"""What reviewers ask of a blot, and where the answer stands in this report: the questions of journals' guidelines.

Nothing is computed here: counts come from the tables and the record, and each answer names its section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blotquant._version import __version__
from blotquant.flags import LOST_COUNTS, split_flags

if TYPE_CHECKING:
    from blotquant.report.page import Content

Asked = tuple[str, str, str, str]
"""Question, answer, anchor in the page, and the words of the link."""


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
