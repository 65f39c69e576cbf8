"""The methods paragraph: what was done to the numbers, from the settings that did it, ready to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blotquant import __version__

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.design import Experiment
    from blotquant.settings import Settings

BACKGROUND_WORDS = {
    "mesh": "a two-dimensional background mesh fitted with all bands masked",
    "lane": "a baseline fitted along each lane's profile with bands masked",
    "flank": "a straight line between the ground above and below each band within its lane",
    "constant": "one constant background for the picture",
    "none": "no background",
    "rolling_ball": "a scale-free, bias-corrected rolling ball",
    "kriging": "a background interpolated under each band from the ground around it (kriging)",
}
SCALING_WORDS = {
    "none": "blots were not scaled",
    "fixed_point": "each blot was divided by its reference condition",
    "sum": "each blot was divided by the sum over the conditions that all blots share",
    "control_mean": "each blot was divided by the mean of its reference lanes",
    "interblot_control": "each blot was divided by its interblot control",
    "alignment": "blots were brought to one scale by least squares on the log scale",
}


def methods_paragraph(experiment: Experiment, settings: Settings, ratios: pd.DataFrame) -> str:
    """Write the paragraph.

    Parameters
    ----------
    experiment : Experiment
        What was declared.
    settings : Settings
        What was used.
    ratios : DataFrame
        The ratio table, for formulas and exclusions.
    """
    weighing, compare = settings.weighing, experiment.compare
    included = ratios["included"].fillna(value=False).astype(bool)
    excluded = ratios[~included]
    reasons = excluded["reason"].fillna("no reason").value_counts()
    left_out = "; ".join(f"{count} because {reason}" for reason, count in sorted(reasons.items())) or "none"
    exposures = sorted(
        {f"{e.probe} {e.exposure_s:g} s" for e in experiment.images if e.exposure_s is not None}
    )
    formulas = list(dict.fromkeys(ratios["formula"].dropna()))
    sentences = [
        f"Band intensities were measured with blotquant {__version__} on the unprocessed image files.",
        "Lanes and bands were detected automatically and corrected by hand where the record of edits says so.",
        "A band's volume is the area-weighted sum of counts inside its outline minus the background; within a row "
        "all lanes have the same aperture height; negative volumes were kept.",
        f"The background was {BACKGROUND_WORDS.get(weighing.background, weighing.background)}.",
        "Bands with a saturated pixel are lower bounds and were left out of means.",
        f"Exposure times: {', '.join(exposures)}." if exposures else "Exposure times were not recorded.",
        *(f"{formula}." if not formula.endswith(".") else formula for formula in formulas),
        "Confidence intervals of single ratios hold the measurement error, on the log scale.",
        f"For the summary {SCALING_WORDS.get(compare.scaling, compare.scaling)}; the biological replicate (blot) is n.",
        f"Conditions were compared with {compare.reference!r} by a linear model of log ratios paired by blot, "
        f"adjusted by {compare.adjust.capitalize()}."
        if compare.reference
        else "No reference condition was declared, so conditions were not compared.",
        f"Of {len(ratios)} values {len(excluded)} were excluded: {left_out}.",
    ]
    return " ".join(sentences)
