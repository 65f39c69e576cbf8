"""The one registry of quality flags: what each name means, how serious it is, and what to do about it.

A flag is data, not an exception: it travels with every number that it concerns, through tables, sessions, report
and plugin. Names are joined by ``;`` in the `flags` columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["info", "warn", "block"]
Scope = Literal["image", "lane", "band", "ratio"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One quality flag.

    Attributes
    ----------
    name : str
        As it stands in the `flags` columns.
    scope : {"image", "lane", "band", "ratio"}
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


_WORDS: dict[Scope, dict[str, tuple[Level, str, str]]] = {
    "image": {
        "lossy_compression": (
            "warn",
            "The file was compressed with loss (JPEG or alike).",
            "Export the original as 16-bit TIFF; treat the numbers as approximate.",
        ),
        "low_bit_depth": (
            "warn",
            "The file stores 8 bits or fewer per pixel.",
            "Export the original at 16 bits: weak bands are lost in 256 steps.",
        ),
        "few_levels": (
            "warn",
            "A 16-bit file holds 256 distinct values or fewer: it was once 8-bit.",
            "Go back to the camera's own file.",
        ),
        "stepped_levels": (
            "warn",
            "All values are multiples of one step: the counts were stretched.",
            "Go back to the camera's own file.",
        ),
        "clipped_black": (
            "warn",
            "Many pixels lie at exactly zero signal: an auto-contrast export cut the background.",
            "Export without contrast adjustment; the background cannot be known from this file.",
        ),
        "lower_ceiling": (
            "info",
            "The detector's ceiling lies below the file type's maximum.",
            "Nothing: saturation is judged by that lower ceiling.",
        ),
        "soft_ceiling": (
            "warn",
            "Many pixels crowd just below one highest count: they were full before a dark frame was taken off or frames were averaged.",
            "Nothing more: saturation is judged by the foot of that plateau. Take a shorter exposure.",
        ),
        "zeros_kept": ("info", "The imager's own file holds exact zeros: its dark frame was taken off.", "Nothing."),
        "gamma_declared": (
            "warn",
            "The file says that its values follow a gamma curve: they are not proportional to light.",
            "Export linear counts from the imager's software.",
        ),
        "polarity_uncertain": (
            "warn",
            "It is not clear whether bands are bright or dark.",
            "Look at the picture and set the polarity.",
        ),
        "channel_chosen": (
            "info",
            "A picture of one dye: the channel that it absorbs most, or in which it glows, was measured.",
            "Name the channel if you want another.",
        ),
        "colour_ignored": (
            "info",
            "The file is in colour, but its channels tell the same picture (a tint, JPEG): it was read as grey.",
            "Name the channel if you want another.",
        ),
        "coloured_marks": (
            "warn",
            "Coloured marks (drawn boxes, labels, an imager's saturation colour) hide the counts under them; they were left out.",
            "Export the picture without marks; bands under a mark are not measured.",
        ),
        "orientation_applied": (
            "info",
            "The file's orientation tag says that the picture is shown turned or mirrored; it was laid so, as viewers show it.",
            "If lane 1 is at the wrong end, give rotate or flip.",
        ),
        "film": (
            "warn",
            "A film scan: its linear range is only 4- to 10-fold.",
            "Prefer a camera; check with a dilution series.",
        ),
        "flatbed_scan": (
            "warn",
            "A flatbed scanner took this picture (its make, model or software says so): of film or a stained gel, light is not proportional to amount.",
            "Measure optical density (quantification.optical_density = true) where light went through; check with a dilution series.",
        ),
        "density_stored": (
            "info",
            "The instrument is a densitometer that stores optical density: values follow amount already.",
            "Leave quantification.optical_density off.",
        ),
        "second_logarithm": (
            "block",
            "Optical density was computed from values that are optical density already.",
            "Set quantification.optical_density = false.",
        ),
        "gel_coding_unknown": (
            "warn",
            "A .gel without its coding tags: its values may be square roots of counts.",
            "Export a linear 16-bit TIFF from the imager's software.",
        ),
        "encoded_counts": ("info", "The file stored encoded values; they were decoded to linear counts.", "Nothing."),
        "nonfinite_pixels": (
            "block",
            "Pixels that are NaN or infinite.",
            "Export again; bands that touch them are not measured.",
        ),
        "not_a_blot": (
            "block",
            "The picture does not look like a blot with lanes.",
            "Crop or choose another picture, or draw the lanes by hand. Dot blots and arrays have no lanes: their spots are not measured here; use a tool for arrays, such as ImageJ's Protein Array Analyzer.",
        ),
        "lanes_across": (
            "block",
            "Lanes seem to run across the picture, from left to right.",
            "Turn it with --rotate 90 or rotate = 90 (270 where lane 1 comes out at the wrong end).",
        ),
        "blank": ("warn", "Nothing stands out from the noise.", "Check that this is the right picture."),
        "saturated_picture": ("block", "Most of the picture is at the detector's ceiling.", "Take a shorter exposure."),
        "bands_overlooked": (
            "warn",
            "Rows of spots that look like bands lie outside of what was found.",
            "Look at the overlay: draw the missing rows, or crop the picture to one piece of membrane at a time (region).",
        ),
        "noise_gain_unknown": (
            "info",
            "The picture does not show how noise grows with signal; shot noise is taken as 0.",
            "SDs of strong bands are lower bounds.",
        ),
    },
    "lane": {
        "lane_count_uncertain": (
            "warn",
            "Another number of lanes fits the picture nearly as well.",
            "Check the lanes, or give their number.",
        ),
        "lane_uncertain": ("warn", "This lane's place is a guess from its neighbours.", "Check the lane."),
        "lanes_not_identified": (
            "block",
            "Which lane of the sample sheet this is cannot be told, or pictures of the membrane contradict each other.",
            "Give the number of the first lit lane (first_lane) in the picture's entry, or correct the lanes by hand.",
        ),
        "sheet_contradicted": (
            "block",
            "The picture contradicts the sample sheet: its ladder, blank or empty lanes stand elsewhere.",
            "Correct the sheet, or say how the picture lies (rotate, flip).",
        ),
        "empty_lane": ("info", "No band stands out in this lane.", "Nothing, if it was meant to be empty."),
        "ladder_unused": (
            "warn",
            "The bands of the ladder's lane do not fit the ladder: molecular weights are not known.",
            "Mark the ladder's bands by hand, or check which product it is.",
        ),
    },
    "band": {
        "saturated": (
            "block",
            "At least one pixel is at the detector's ceiling: the volume is a lower bound.",
            "Use a shorter exposure.",
        ),
        "under_mark": (
            "block",
            "A coloured mark covers part of the band: its counts are not known.",
            "Export the picture without marks.",
        ),
        "saturated_dust": (
            "info",
            "Only isolated pixels are at the ceiling: a speck, not a burnt core.",
            "Check for dust on the band.",
        ),
        "hollow": (
            "warn",
            "The band's centre is darker than its flanks: the substrate was used up.",
            "Use a shorter exposure or less antibody.",
        ),
        "below_background": ("info", "The volume is negative: less signal than around it.", "Treat as not detected."),
        "below_lod": ("info", "The volume is below 3 SD of an empty aperture.", "Treat as not detected."),
        "below_loq": (
            "info",
            "The volume is below 10 SD of an empty aperture.",
            "Seen, but too weak to be measured well.",
        ),
        "background_dependent": (
            "warn",
            "The volume changes by more than 10 % with the choice of background (25 % where its level is known to 5 %).",
            "State the background method; look at the profile.",
        ),
        "few_background_pixels": (
            "warn",
            "Fewer than 30 pixels, or pixels far to one side only, were left to estimate a background that matters here.",
            "Give the band more room.",
        ),
        "unresolved": (
            "warn",
            "Two bands overlap so that the data cannot tell them apart; the sum is reported.",
            "Report the sum, or run the gel longer.",
        ),
        "touches_neighbour": (
            "warn",
            "The outline overlaps another band's: the light under both is shared between them.",
            "Check the outlines.",
        ),
        "touches_edge": (
            "warn",
            "The band is cut by the edge of the picture or strip.",
            "Take the picture with more room.",
        ),
        "debris": (
            "warn",
            "A speck or a scratch lies on the band: part of the volume is not the band's.",
            "Look at the band; draw its outline beside the speck, or leave the lane out.",
        ),
        "outline_cuts_band": (
            "warn",
            "A good part of the band's light lies outside its outline.",
            "Draw the outline around the whole band.",
        ),
        "kda_far": (
            "block",
            "The band lies far from its target's expected molecular weight.",
            "Check the target and the ladder; say which row it is (row, or at) or name it by hand if it is the protein.",
        ),
        "kda_outside_ladder": (
            "info",
            "The molecular weight is extrapolated beyond the ladder.",
            "Take it as approximate.",
        ),
        "target_uncertain": (
            "block",
            "More than one row could be this target; the likeliest was taken.",
            "Name the ladder, say which row it is (row under [targets], at in the picture's entry), or name it by hand.",
        ),
        "out_of_range": (
            "warn",
            "Outside the proportional range of the dilution series.",
            "Load less or expose for less time.",
        ),
        "nonlinear_exposure": (
            "warn",
            "Longer unsaturated exposures depart by more than 10 % from the line through the shorter ones; they are left out.",
            "Use the shorter exposures.",
        ),
        "few_frames": ("info", "Fewer than three unsaturated exposures carry the rate.", "Take more exposures."),
    },
    "ratio": {
        "lower_bound": ("block", "The numerator is saturated: the ratio is at least this.", "Use a shorter exposure."),
        "upper_bound": ("block", "The denominator is saturated: the ratio is at most this.", "Use a shorter exposure."),
        "numerator_not_detected": (
            "block",
            "The numerator is not detected: the ratio is at most the one at the limit of detection, and enters as that bound.",
            "Report as below the limit of detection.",
        ),
        "weak_denominator": ("block", "The denominator's SNR is below 3: no ratio.", "Load more or expose longer."),
        "loading_below_loq": (
            "block",
            "The loading control is below its limit of quantification: no ratio.",
            "Load more or expose longer.",
        ),
        "cross_membrane_unnormalised": (
            "warn",
            "Phospho and total lie on different membranes and no loading control was declared.",
            "Declare the loading of both membranes.",
        ),
        "uneven_loading": (
            "warn",
            "Loading differs more than two-fold between lanes, or by more than 30 % CV.",
            "Check the loading.",
        ),
        "loading_not_removed": (
            "warn",
            "The normalised values still follow the loading (|r| > 0.7).",
            "Check that the loading control is in its linear range.",
        ),
        "carry_over": ("warn", "The first probe still shows after stripping.", "Probe the total on a twin membrane."),
        "no_reference": (
            "warn",
            "The reference condition is missing or below its limit of quantification on this blot.",
            "Relative values cannot be given.",
        ),
        "discordant_repeats": (
            "warn",
            "Technical repeats of this condition on one blot differ more than 1.5-fold, and more than their errors explain.",
            "Look at the lanes; if they are biological replicates, name them in a replicate column of the sample sheet.",
        ),
        "single_loading_control": (
            "info",
            "One housekeeping protein carries the loading.",
            "Total protein is safer: check that the protein does not change.",
        ),
        "missing_band": (
            "block",
            "No band of that target was found or expected in the lane.",
            "Assign the target by hand.",
        ),
    },
}
"""By what they are raised on: level, meaning and advice of each flag."""

FLAGS: dict[str, Flag] = {
    name: Flag(name, scope, *words) for scope, flags in _WORDS.items() for name, words in flags.items()
}
LOST_COUNTS = {
    "lossy_compression": "an export compressed with loss",
    "low_bit_depth": "an 8-bit export",
    "few_levels": "once an 8-bit export",
    "stepped_levels": "an export whose counts were stretched",
    "clipped_black": "an auto-contrast export whose background was cut off",
}
"""Flags of files that no longer hold the camera's counts, in words."""


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


def flags_in_words(cell: object) -> str:
    """Meaning and advice of the flags of a cell, one line each."""
    return "\n".join(f"{FLAGS[name].meaning} {FLAGS[name].advice}" for name in split_flags(cell) if name in FLAGS)
