"""What a picture tells a draft of an experiment: its strips, lanes, their roles, and its exposure time."""

from __future__ import annotations

from pathlib import Path

from blotquant.errors import BlotQuantError
from blotquant.experiment.draft import Seen


def look(path: Path) -> Seen:
    """Read a picture and count its strips and lanes; nothing where it cannot be read."""
    from blotquant.detection.picture import find_layout
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
