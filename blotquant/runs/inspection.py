"""What a picture is before anything is measured, whether it is any good for it, and what this installation is.

Notes
-----
Three things decide about a picture, the worst first: whether the file still holds the camera's counts, whether bands
were cut off at the detector's ceiling, and whether strips, lanes and polarity were found surely. How much of the
detector's range the strongest band uses is told beside; it is no linear range, which only a dilution series shows.

References
----------
docs/methods.md, "Saturation"; docs/reviewers.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blotquant.errors import BlotQuantError
from blotquant.flags import FLAGS, LOST_COUNTS
from blotquant.runs.pictures import Input
from blotquant.settings import Settings

if TYPE_CHECKING:
    from blotquant.experiment.draft import Seen
    from blotquant.model.geometry import Band, Lane, Layout
    from blotquant.model.image import BlotImage


SURE_LANE = 0.5
"""A lane below this confidence is to be looked at before its number is used."""
LITTLE_USED = 0.25
"""Strongest bands below this part of the range leave room for a longer exposure."""
NEARLY_ALL = 0.9
"""Strongest bands above this part of the range: a little more protein would saturate."""
LISTED_LANES = 6
"""Lanes that are named one by one; of more only the number is told."""


def inspect_picture(item: Input, settings: Settings) -> dict[str, Any]:
    """Read one picture and look for strips and lanes; of a session, tell what it holds.

    Returns
    -------
    dict
        Plain values; with the single key ``error`` beside ``image`` where the picture cannot be read.
    """
    from blotquant.analysis import find
    from blotquant.runs.pictures import open_picture, open_session_picture
    from blotquant.session.session import load_session

    try:
        if item.is_session:
            session = load_session(item.path)
            image, layout = open_session_picture(session, item.path.parent), session.layout
        else:
            image = open_picture(item.path, settings)
            layout = find(image, settings)
    except BlotQuantError as error:
        return {"image": item.name, "error": str(error)}
    return {"image": item.name, **_picture(image), **_findings(layout), "verdict": judge(image, layout)}


def _picture(image: BlotImage) -> dict[str, Any]:
    values = image.pixels
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return {
        "rows": image.shape[0],
        "columns": image.shape[1],
        "dtype": str(values.dtype),
        "lowest": finite.min().item() if finite.size else None,
        "highest": finite.max().item() if finite.size else None,
        "ceiling": None if np.isinf(image.ceiling) else image.ceiling,
        "saturated_px": int(np.count_nonzero(image.signal() >= image.ceiling)),
        "polarity": image.polarity,
        "polarity_confidence": round(image.polarity_confidence, 3),
        "photometric": image.photometric,
        "channel": image.channel,
        "exposure_s": image.exposure_s,
        "pixel_size_um": image.pixel_size_um,
        "imager": image.imager,
        "sha256": image.sha256,
        "picture_flags": list(image.flags),
        "decisions": decisions(image),
    }


def decisions(image: BlotImage) -> list[str]:
    """What was decided about a picture before the search, why, and what to type to decide otherwise."""
    told = image.polarity_confidence == 1.0
    why = (
        "as told" if told else f"{image.polarity_confidence:.0%} sure, judged on each surface of the picture by itself"
    )
    other = "dark" if image.polarity == "bright" else "bright"
    lines = [f"bands {image.polarity}: {why}; otherwise --polarity {other}"]
    if "channel_chosen" in image.flags:
        lines.append(f"channel {image.channel}: one dye, with the most contrast there; otherwise --channel NAME")
    elif {"colour_ignored", "coloured_marks"} & set(image.flags):
        lines.append("read as grey: its channels tell the same picture; otherwise --channel red, green or blue")
    if image.marks is not None:
        lines.append(
            f"coloured marks left out: {np.count_nonzero(image.marks)} px; to measure under them --channel green"
        )
    laid = image.orientation.describe()
    if laid:
        lines.append(f"orientation: {laid}; otherwise --rotate DEGREES, --flip left-right, --region X0,Y0,X1,Y1")
    return lines


def _findings(layout: Layout) -> dict[str, Any]:
    strips = []
    for strip in layout.strips:
        lanes = layout.lanes_of(strip.id)
        bands = [band for lane in lanes for band in layout.bands_of(lane.id)]
        strips.append(
            {
                "strip": strip.number,
                "confidence": round(strip.confidence, 3),
                "tilt_deg": round(strip.tilt_deg, 2),
                "lanes": len(lanes),
                "lowest_lane_confidence": round(min((lane.confidence for lane in lanes), default=0.0), 3),
                "bands": sum(band.status == "detected" for band in bands),
                "rows": _rows(layout, strip.id),
                "alternatives": [
                    {"lanes": other.n_lanes, "confidence": round(other.confidence, 3)}
                    for other in layout.alternatives
                    if other.strip == strip.id
                ],
            }
        )
    return {"strips": strips, "layout_flags": list(layout.flags)}


def _rows(layout: Layout, strip: str) -> list[dict[str, Any]]:
    """Name, place and lanes of each row of a strip, from the top; the ladder's own rows left out."""
    bands: dict[int, list[Band]] = {}
    for lane in layout.lanes_of(strip):
        for band in layout.bands_of(lane.id):
            if band.row is not None and band.status == "detected" and lane.role != "ladder":
                bands.setdefault(band.row, []).append(band)
    names = layout.row_names(strip)
    rows = [
        {"row": names[row], "y": round(float(np.median([b.peak[0] for b in own]))), "lanes": len(own)}
        for row, own in bands.items()
    ]
    return sorted(rows, key=lambda row: row["y"])


def describe(report: dict[str, Any]) -> list[str]:
    """The report in words, the picture first, then its strips, then what is wrong and what to do."""
    size = f"{report['columns']} × {report['rows']} px, {report['dtype']}"
    ceiling = "no ceiling known" if report["ceiling"] is None else f"ceiling {report['ceiling']:g}"
    polarity = f"bands {report['polarity']} ({report['polarity_confidence']:.0%} sure)"
    saturated = f", {report['saturated_px']} pixels saturated" if report["saturated_px"] else ""
    lines = [f"{report['image']}: {size}, {ceiling}{saturated}, {polarity}"]
    facts = {
        "exposure": None if report["exposure_s"] is None else f"{report['exposure_s']:g} s",
        "pixel": None if report["pixel_size_um"] is None else f"{report['pixel_size_um']:g} µm",
        "imager": report["imager"],
        "channel": report["channel"],
    }
    known = ", ".join(f"{name} {value}" for name, value in facts.items() if value)
    lines += [f"  {known}"] if known else []
    lines += [f"  decided: {line}" for line in report["decisions"]]
    for strip in report["strips"]:
        others = "".join(f"; or {other['lanes']} ({other['confidence']:.0%})" for other in strip["alternatives"])
        lines.append(
            f"  strip {strip['strip']}: {strip['lanes']} lanes{others}, {strip['bands']} bands, "
            f"tilt {strip['tilt_deg']:.1f}°, least sure lane {strip['lowest_lane_confidence']:.0%}"
        )
        rows = ", ".join(f"{row['row']} at y = {row['y']} ({row['lanes']})" for row in strip["rows"])
        lines += [f"    rows (lanes that show each): {rows}"] if rows else []
    lines.append(f"  good for quantification? {report['verdict']}")
    for name in (*report["picture_flags"], *report["layout_flags"]):
        lines.append(f"  {name}: {FLAGS[name].meaning} {FLAGS[name].advice}")
    return lines


def environment() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a number or a window."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from blotquant._version import __version__

    facts = {
        "blotquant": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    libraries = "numpy scipy pandas tifffile imagecodecs pillow scikit-image pydantic"
    for name in (*libraries.split(), "napari", "pyqtgraph", "PySide6", "distributed", "pyarrow"):
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    return facts


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


def look(path: Path) -> Seen:
    """Read a picture and count its strips and lanes; nothing where it cannot be read."""
    from blotquant.detection.picture import find_layout
    from blotquant.experiment.draft import Seen
    from blotquant.io import read_image

    try:
        image = read_image(path)
        layout = find_layout(image.signal(), ceiling=image.ceiling)
    except BlotQuantError:
        return Seen()
    lanes = [layout.lanes_of(strip.id) for strip in layout.strips]
    roles = tuple(
        tuple("ladder" if x.role == "ladder" else "blank" if "empty_lane" in x.flags else "sample" for x in own)
        for own in lanes
    )
    return Seen(tuple(map(len, lanes)), image.exposure_s, roles)
