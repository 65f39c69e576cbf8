"""The one registry of quality flags: what each name means, how serious it is, and what to do about it.

A flag is data, not an exception: it travels with every number that it concerns, through tables, sessions, report
and plugin. Names are joined by ``;`` in the `flags` columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["info", "warn", "block"]
Scope = Literal["image", "strip", "lane", "band", "ratio"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One quality flag.

    Attributes
    ----------
    name : str
        As it stands in the `flags` columns.
    scope : {"image", "strip", "lane", "band", "ratio"}
        What it is raised on; a flag of a picture holds for all numbers made from it.
    level : {"info", "warn", "block"}
        ``block`` keeps the number out of means and ratios by default, with the reason recorded.
    meaning, advice : str
        In words for the report: what was seen, and what to do.
    """

    name: str
    scope: Scope
    level: Level
    meaning: str
    advice: str


_ALL = (
    # the picture
    Flag(
        "lossy_compression",
        "image",
        "warn",
        "The file was compressed with loss (JPEG or alike).",
        "Export the original as 16-bit TIFF; treat the numbers as approximate.",
    ),
    Flag(
        "low_bit_depth",
        "image",
        "warn",
        "The file stores 8 bits or fewer per pixel.",
        "Export the original at 16 bits: weak bands are lost in 256 steps.",
    ),
    Flag(
        "few_levels",
        "image",
        "warn",
        "A 16-bit file holds 256 distinct values or fewer: it was once 8-bit.",
        "Go back to the camera's own file.",
    ),
    Flag(
        "stepped_levels",
        "image",
        "warn",
        "All values are multiples of one step: the counts were stretched.",
        "Go back to the camera's own file.",
    ),
    Flag(
        "clipped_black",
        "image",
        "warn",
        "Many pixels lie at exactly zero signal: an auto-contrast export cut the background.",
        "Export without contrast adjustment; the background cannot be known from this file.",
    ),
    Flag(
        "lower_ceiling",
        "image",
        "info",
        "The detector's ceiling lies below the file type's maximum.",
        "Nothing: saturation is judged by that lower ceiling.",
    ),
    Flag(
        "polarity_uncertain",
        "image",
        "warn",
        "It is not clear whether bands are bright or dark.",
        "Look at the picture and set the polarity.",
    ),
    Flag(
        "channel_chosen",
        "image",
        "info",
        "A coloured scan of one dye: the channel that the dye absorbs most was weighed.",
        "Name the channel if you want another.",
    ),
    Flag(
        "film",
        "image",
        "warn",
        "A film scan: its linear range is only 4- to 10-fold.",
        "Prefer a camera; check with a dilution series.",
    ),
    Flag(
        "encoded_counts",
        "image",
        "info",
        "The file stored encoded values; they were decoded to linear counts.",
        "Nothing.",
    ),
    Flag(
        "nonfinite_pixels",
        "image",
        "block",
        "Pixels that are NaN or infinite.",
        "Export again; bands that touch them are not weighed.",
    ),
    Flag(
        "not_a_blot",
        "image",
        "block",
        "The picture does not look like a blot with lanes.",
        "Crop or choose another picture, or draw the lanes by hand.",
    ),
    Flag(
        "blank",
        "image",
        "warn",
        "Nothing stands out from the noise.",
        "Check that this is the right picture.",
    ),
    Flag(
        "saturated_picture",
        "image",
        "block",
        "Most of the picture is at the detector's ceiling.",
        "Take a shorter exposure.",
    ),
    Flag(
        "noise_gain_unknown",
        "image",
        "info",
        "The picture does not show how noise grows with signal; shot noise is taken as 0.",
        "SDs of strong bands are lower bounds.",
    ),
    # strips and lanes
    Flag(
        "lane_count_uncertain",
        "lane",
        "warn",
        "Another number of lanes fits the picture nearly as well.",
        "Check the lanes, or give their number.",
    ),
    Flag(
        "lane_uncertain",
        "lane",
        "warn",
        "This lane's place is a guess from its neighbours.",
        "Check the lane.",
    ),
    Flag(
        "empty_lane",
        "lane",
        "info",
        "No band stands out in this lane.",
        "Nothing, if it was meant to be empty.",
    ),
    Flag(
        "ladder_unused",
        "lane",
        "warn",
        "The bands of the ladder's lane do not fit the ladder: molecular weights are not known.",
        "Mark the ladder's bands by hand, or check which product it is.",
    ),
    # the band
    Flag(
        "saturated",
        "band",
        "block",
        "At least one pixel is at the detector's ceiling: the volume is a lower bound.",
        "Use a shorter exposure.",
    ),
    Flag(
        "saturated_dust",
        "band",
        "info",
        "Only isolated pixels are at the ceiling: a speck, not a burnt core.",
        "Check for dust on the band.",
    ),
    Flag(
        "hollow",
        "band",
        "warn",
        "The band's centre is darker than its flanks: the substrate was used up.",
        "Use a shorter exposure or less antibody.",
    ),
    Flag(
        "below_background",
        "band",
        "info",
        "The volume is negative: less signal than around it.",
        "Treat as not detected.",
    ),
    Flag(
        "below_lod",
        "band",
        "info",
        "The volume is below 3 SD of an empty aperture.",
        "Treat as not detected.",
    ),
    Flag(
        "below_loq",
        "band",
        "info",
        "The volume is below 10 SD of an empty aperture.",
        "Seen, but too weak to be weighed well.",
    ),
    Flag(
        "background_dependent",
        "band",
        "warn",
        "The volume changes by more than 10 % with the choice of background.",
        "State the background method; look at the profile.",
    ),
    Flag(
        "few_background_pixels",
        "band",
        "warn",
        "Fewer than 30 pixels, or pixels far to one side only, were left to estimate the background.",
        "Give the band more room.",
    ),
    Flag(
        "unresolved",
        "band",
        "warn",
        "Two bands overlap so that the data cannot tell them apart; the sum is reported.",
        "Report the sum, or run the gel longer.",
    ),
    Flag("touches_neighbour", "band", "warn", "The outline overlaps another band's.", "Check the outlines."),
    Flag(
        "touches_edge",
        "band",
        "warn",
        "The band is cut by the edge of the picture or strip.",
        "Take the picture with more room.",
    ),
    Flag(
        "kda_far",
        "band",
        "warn",
        "The band lies far from its target's expected molecular weight.",
        "Check the target and the ladder.",
    ),
    Flag(
        "kda_outside_ladder",
        "band",
        "info",
        "The molecular weight is extrapolated beyond the ladder.",
        "Take it as approximate.",
    ),
    Flag(
        "target_uncertain",
        "band",
        "warn",
        "More than one row could be this target; the strongest that fits was taken.",
        "Name the ladder, say which row it is (row under [targets]), or assign the target by hand.",
    ),
    Flag(
        "out_of_range",
        "band",
        "warn",
        "Outside the proportional range of the dilution series.",
        "Load less or expose for less time.",
    ),
    Flag(
        "nonlinear_exposure",
        "band",
        "warn",
        "The longest unsaturated exposure departs by more than 10 % from the line.",
        "Use the shorter exposures.",
    ),
    Flag(
        "few_frames",
        "band",
        "info",
        "Fewer than three unsaturated exposures carry the rate.",
        "Take more exposures.",
    ),
    Flag("hand_edited", "band", "info", "Corrected by hand.", "See the history."),
    # the ratio
    Flag(
        "lower_bound",
        "ratio",
        "block",
        "The numerator is saturated: the ratio is at least this.",
        "Use a shorter exposure.",
    ),
    Flag(
        "upper_bound",
        "ratio",
        "block",
        "The denominator is saturated: the ratio is at most this.",
        "Use a shorter exposure.",
    ),
    Flag(
        "numerator_not_detected",
        "ratio",
        "block",
        "The numerator is not detected: the ratio is near zero, and its logarithm says nothing.",
        "Report as below the limit of detection.",
    ),
    Flag(
        "weak_denominator",
        "ratio",
        "block",
        "The denominator's SNR is below 3: no ratio.",
        "Load more or expose longer.",
    ),
    Flag(
        "loading_below_loq",
        "ratio",
        "block",
        "The loading control is below its limit of quantification: no ratio.",
        "Load more or expose longer.",
    ),
    Flag(
        "cross_membrane_unnormalised",
        "ratio",
        "warn",
        "Phospho and total lie on different membranes and no loading control was declared.",
        "Declare the loading of both membranes.",
    ),
    Flag(
        "uneven_loading",
        "ratio",
        "warn",
        "Loading differs more than two-fold between lanes, or by more than 30 % CV.",
        "Check the loading.",
    ),
    Flag(
        "loading_not_removed",
        "ratio",
        "warn",
        "The normalised values still follow the loading (|r| > 0.7).",
        "Check that the loading control is in its linear range.",
    ),
    Flag(
        "carry_over",
        "ratio",
        "warn",
        "The first probe still shows after stripping.",
        "Probe the total on a twin membrane.",
    ),
    Flag(
        "no_reference",
        "ratio",
        "warn",
        "The reference condition is missing or below its limit of quantification on this blot.",
        "Relative values cannot be given.",
    ),
    Flag(
        "discordant_repeats",
        "ratio",
        "warn",
        "Technical repeats of this condition on one blot differ more than 1.5-fold, and more than their errors explain.",
        "Look at the lanes; if they are biological replicates, name them in a replicate column of the sample sheet.",
    ),
    Flag(
        "single_loading_control",
        "ratio",
        "info",
        "One housekeeping protein carries the loading.",
        "Total protein is safer: check that the protein does not change.",
    ),
    Flag(
        "missing_band",
        "ratio",
        "block",
        "No band of that target was found or expected in the lane.",
        "Assign the target by hand.",
    ),
)

FLAGS: dict[str, Flag] = {flag.name: flag for flag in _ALL}


def join_flags(*groups: Iterable[str]) -> str:
    """Join flag names into one cell: each once, in the registry's order.

    Raises
    ------
    KeyError
        If a name is not in the registry.
    """
    wanted = {name for group in groups for name in group}
    unknown = sorted(wanted - FLAGS.keys())
    if unknown:
        raise KeyError(unknown[0])
    return ";".join(name for name in FLAGS if name in wanted)


def split_flags(cell: object) -> tuple[str, ...]:
    """Read a `flags` cell back; an empty or missing cell gives none."""
    return tuple(cell.split(";")) if isinstance(cell, str) and cell else ()


def blocking(names: Iterable[str]) -> tuple[str, ...]:
    """The flags among `names` that keep a number out of means and ratios."""
    return tuple(name for name in names if FLAGS[name].level == "block")
