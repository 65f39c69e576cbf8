"""One sentence on a picture: whether it is any good for quantification, why, and what would make it better.

Notes
-----
Three things decide, the worst first: whether the file still holds the camera's counts, whether bands were cut off at
the detector's ceiling, and whether strips, lanes and polarity were found surely. How much of the detector's range the
strongest band uses is told beside; it is no linear range, which only a dilution series shows.

References
----------
docs/methods.md, "Saturation"; docs/reviewers.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blotquant.flags import FLAGS, LOST_COUNTS

if TYPE_CHECKING:
    from blotquant.model.geometry import Lane, Layout
    from blotquant.model.image import BlotImage

SURE_LANE = 0.5
"""A lane below this confidence is to be looked at before its number is used."""
LITTLE_USED = 0.25
"""Strongest bands below this part of the range leave room for a longer exposure."""
NEARLY_ALL = 0.9
"""Strongest bands above this part of the range: a little more protein would saturate."""
LISTED_LANES = 6
"""Lanes that are named one by one; of more only the number is told."""


def judge(image: BlotImage, layout: Layout) -> str:
    """Say in one sentence whether a picture is good for quantification, why, and what to do next time.

    Parameters
    ----------
    image : BlotImage
        As read.
    layout : Layout
        Its strips, lanes and bands as found.

    Returns
    -------
    str
        Begins with ``yes``, ``with care`` or ``no``.
    """
    if "not_a_blot" in image.flags or "not_a_blot" in layout.flags or not layout.lanes:
        remedy = FLAGS["not_a_blot"].advice
        return f"no: no lanes with bands were found; {remedy[0].lower()}{remedy[1:].rstrip('.')}"
    lost = [words for flag, words in LOST_COUNTS.items() if flag in image.flags]
    saturated = saturated_lanes(image, layout)
    unsure = [lane.number for lane in layout.lanes if lane.confidence < SURE_LANE]
    findings, advice = [], []
    if lost:
        findings.append(f"{' and '.join(lost)}, not the camera's counts")
        advice.append("save the camera's own 16-bit file")
    if saturated:
        findings.append(f"saturated in {_lanes(saturated)}, where only a lower bound is known")
        advice.append("expose shorter" + (f" than {image.exposure_s:g} s" if image.exposure_s else ""))
    several = f" in {len(layout.strips)} strips" if len(layout.strips) > 1 else ""
    least = min(lane.confidence for lane in layout.lanes)
    findings.append(f"{len(layout.lanes)} lanes{several}, the least sure {least:.0%}")
    if unsure:
        advice.append(f"check {_lanes(unsure)}")
    told = {*LOST_COUNTS, "not_a_blot"}
    for flag in dict.fromkeys((*image.flags, *layout.flags)):
        if FLAGS[flag].level != "info" and flag not in told:
            findings.append(_lower(FLAGS[flag].meaning))
            advice.append(_lower(FLAGS[flag].advice))
    findings += _room(image, layout, is_saturated=bool(saturated))
    sample_lanes = [lane for lane in layout.lanes if lane.role not in ("ladder", "blank")]
    is_lost = bool(saturated) and len(saturated) >= max(len(sample_lanes), 1)
    answer = "no" if is_lost else "with care" if advice else "yes"
    next_time = f"; next time: {', '.join(advice)}" if advice else ""
    return f"{answer}: {'; '.join(dict.fromkeys(findings))}{next_time}"


def saturated_lanes(image: BlotImage, layout: Layout) -> list[int]:
    """Numbers of the lanes, ladders aside, in which a detected band holds a saturated pixel."""
    full = image.signal() >= image.ceiling
    if not full.any():
        return []
    return sorted({lane.number for lane in _samples(layout) for band in layout.bands_of(lane.id)
                   if band.status == "detected" and full[band.box.slices].any()})  # fmt: skip


def _samples(layout: Layout) -> list[Lane]:
    return [lane for lane in layout.lanes if lane.role != "ladder"]


def _room(image: BlotImage, layout: Layout, *, is_saturated: bool) -> list[str]:
    """How much of the detector's range the strongest band uses; nothing where no ceiling is known."""
    signal = image.signal()
    tops = [float(np.nanmax(signal[band.box.slices])) for lane in _samples(layout) for band in layout.bands_of(lane.id)
            if band.status == "detected" and signal[band.box.slices].size]  # fmt: skip
    if not tops or not np.isfinite(image.ceiling):
        return []
    ground = float(np.nanmedian(signal))
    room = image.ceiling - ground
    if is_saturated or room <= 0:
        return []
    used = (max(tops) - ground) / room
    if used <= 0:
        return []
    more = f", an exposure {1 / used:.0f} times as long would still fit" if used < LITTLE_USED else ""
    more = ", nearly all of it" if used > NEARLY_ALL else more
    return [f"the strongest band uses {used:.0%} of the range above the background{more}"]


def _lower(sentence: str) -> str:
    """A flag's sentence as part of another: without its capital and its full stop."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _lanes(numbers: list[int]) -> str:
    if len(numbers) > LISTED_LANES:
        return f"{len(numbers)} lanes"
    return ("lane " if len(numbers) == 1 else "lanes ") + ", ".join(map(str, numbers))
