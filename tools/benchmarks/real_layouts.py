"""Layouts of the real pictures beside the repository, from the lanes and bands that were marked on them by eye."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blotquant.io import read_image
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.model.image import BlotImage

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"


def marked_layout(truth: dict[str, Any], *, spread: float = 0.0) -> Layout:
    """Layout of one truth file; `spread` widens every band by that part of its height, up and down."""
    x0, y0, x1, y1 = truth["region"]
    strip = Strip(id="s1", number=1, outline=rectangle(y0, y1, x0, x1))
    lanes = tuple(
        Lane(id=f"l{k}", strip="s1", number=k + 1, center=((y0, lane["x_center"]), (y1 - 1, lane["x_center"])),
             widths=(lane["x_right"] - lane["x_left"],) * 2)
        for k, lane in enumerate(truth["lanes"])
    )  # fmt: skip
    bands = tuple(
        _band(k, band, truth["lanes"], spread) for k, band in enumerate(truth["bands"] + truth.get("faint_bands", []))
    )
    return Layout(strips=(strip,), lanes=lanes, bands=bands).sorted()


def _band(k: int, band: dict[str, Any], lanes: list[dict[str, Any]], spread: float) -> Band:
    lane = lanes[band["lane"]]
    more = spread * (band["y_bottom"] - band["y_top"])
    left, right = band.get("x_left", lane["x_left"]), band.get("x_right", lane["x_right"])
    outline = rectangle(band["y_top"] - more, band["y_bottom"] + 1 + more, left, right + 1)
    middle = band.get("y_center", (band["y_top"] + band["y_bottom"]) / 2)
    return Band(id=f"b{k}", lane=f"l{band['lane']}", outline=outline, peak=(middle, (left + right) / 2))


def marked_pictures(*, spread: float = 0.0) -> Iterator[tuple[str, BlotImage, Layout]]:
    """Name, picture and layout of every real picture with marked bands; nothing where the folder is missing."""
    for path in sorted((REAL / "truth").glob("*.json")):
        truth = json.loads(path.read_text(encoding="utf-8"))
        if truth["bands"] and truth.get("region"):
            image = read_image(REAL / truth["file"], polarity=truth["polarity"])
            yield path.stem, image, marked_layout(truth, spread=spread)
