"""Lanes and bands of the marked real membranes, cut to their region and resized, padded, and exported as people do.

    python tools/benchmarks/real_scales.py

Every marked membrane is cut to its region and resized by 0.5, 1, 2 and 3, padded with black and with white, and the
whole picture exported with 8 bits, with 8 bits and a contrast stretch, and as JPEG of quality 85. Found lanes and bands
are held against the marks as the score of the marked set does: a lane is found when one of ours has its centre within
half a true lane's width, a band when one of ours peaks in its box, widened by a third of its height. Polarity is given.
The marked set lies beside the repository; nothing is printed where it is missing.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from real_layouts import REAL
from skimage.transform import rescale

from blotquant.detection.picture import find_layout
from blotquant.errors import ImageError
from blotquant.io import read_image
from blotquant.model.geometry import Layout

Truth = dict[str, Any]
Floats = NDArray[np.float64]
SIZES = (0.5, 1.0, 2.0, 3.0)
SURE = 0.9
"""Confidence above which no wrong lane may stand."""
EXPORTS = ("8 bit", "8 bit stretched", "JPEG 85")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", action="store_true", help="print every membrane, not only what is wrong")
    options = parser.parse_args()
    rows = []
    for path in sorted((REAL / "truth").glob("*.json")):
        truth = json.loads(path.read_text(encoding="utf-8"))
        try:
            image = read_image(REAL / truth["file"], polarity=truth["polarity"])
        except ImageError as error:
            print(f"{path.stem}: left out: {error}")
            continue
        counts = image.signal().astype(np.float64)
        counts = np.where(np.isfinite(counts), counts, np.nanmedian(counts))
        for name, signal, marks in variants(counts, truth):
            rows.append({"membrane": path.stem, "as": name, **score(find_layout(signal), marks)})
    if not rows:
        print(f"no marked pictures in {REAL}")
        return 0
    table = pd.DataFrame(rows)
    table["right"] = (table["found"] == table["lanes"]) & (table["extra"] == 0)
    print(table[options.every | ~table["right"]].to_string(index=False))
    for name, part in table.groupby("as", sort=False):
        total = part.sum(numeric_only=True)
        f1 = 2 * total["bands_found"] / max(total["bands"] + total["bands_found"] + total["bands_false"], 1)
        print(
            f"{name:16s} right lanes {part['right'].mean():.3f} of {len(part)}, lanes found "
            f"{total['found'] / total['lanes']:.3f}, extra {total['extra']:.0f} (above "
            f"{SURE:g}: {total['extra_sure']:.0f}), bands F1 {f1:.3f}"
        )
    return 0


def variants(signal: Floats, truth: Truth) -> Iterator[tuple[str, Floats, Truth]]:
    """Each picture as it would be handed in, with its marks moved along."""
    x0, y0, x1, y1 = (max(0, int(v)) for v in truth.get("region") or (0, 0, signal.shape[1], signal.shape[0]))
    yield "original", signal, truth
    cut = signal[y0:y1, x0:x1]
    for size in SIZES:
        resized = rescale(cut, size, order=1, anti_aliasing=size < 1, preserve_range=True) if size != 1 else cut
        yield f"cut, times {size:g}", resized, moved(truth, x0, y0, size, cut.shape)
    down, across = cut.shape[0] // 4, cut.shape[1] // 6
    for name, value in (("black", cut.min()), ("white", cut.max())):
        padded = np.pad(cut, [(down, down), (across, across)], constant_values=value)
        marks = moved(truth, x0 - across, y0 - down, 1, cut.shape)
        yield f"padded {name}", padded, {**marks, "region": [across, down, across + x1 - x0, down + y1 - y0]}
    for name in EXPORTS:
        yield name, exported(signal, name), truth


def exported(signal: Floats, how: str) -> Floats:
    """The whole picture in 8 bits, stretched to its percentiles or not, and through JPEG or not."""
    low, high = np.percentile(signal, [1, 99.8]) if how == "8 bit stretched" else (signal.min(), signal.max())
    levels = np.clip(np.rint((signal - low) / max(high - low, 1e-9) * 255), 0, 255).astype(np.uint8)
    if how != "JPEG 85":
        return levels.astype(np.float64)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=85)
    return np.asarray(Image.open(file)).astype(np.float64)


def moved(truth: Truth, x0: float, y0: float, size: float, shape: tuple[int, ...]) -> Truth:
    """The marks of a picture on a resized cut of it."""
    marks = deepcopy(truth)
    for mark in (*marks["lanes"], *marks["bands"], *marks.get("faint_bands", [])):
        for name in set(mark) & {"x_center", "x_left", "x_right", "y_center", "y_top", "y_bottom"}:
            mark[name] = (mark[name] + 0.5 - (x0 if name[0] == "x" else y0)) * size - 0.5
    marks["optional_lanes"] = [[(x + 0.5 - x0) * size - 0.5 for x in ends] for ends in truth.get("optional_lanes", [])]
    marks["region"] = [0, 0, shape[1] * size, shape[0] * size]
    return marks


def score(layout: Layout, truth: Truth) -> dict[str, int]:
    """Lanes and bands in the marked region; optional lanes and faint bands count neither way."""
    x0, y0, x1, y1 = truth.get("region") or (0, 0, np.inf, np.inf)
    optional = truth.get("optional_lanes", [])
    inside = [
        (float(lane.center_at(sum(lane.row_range) / 2)), lane.confidence)
        for lane in layout.lanes
        if min(lane.row_range[1], y1) - max(lane.row_range[0], y0) > 0.3 * (y1 - y0)
    ]
    points = [b.peak[::-1] for b in layout.bands if b.status == "detected"]
    inside = [(x, sure) for x, sure in inside if x0 <= x <= x1 and not any(a <= x <= b for a, b in optional)]
    points = [
        (x, y) for x, y in points if x0 <= x <= x1 and y0 <= y <= y1 and not any(a <= x <= b for a, b in optional)
    ]
    used: set[int] = set()
    found = sum(
        _take([(x, 0.0) for x, _ in inside], (m["x_left"], -1.0, m["x_right"], 1.0), used) for m in truth["lanes"]
    )
    taken: set[int] = set()
    bands = sum(_take(points, _box(m, truth["lanes"]), taken) for m in truth["bands"])
    for mark in truth.get("faint_bands", []):
        _take(points, _box(mark, truth["lanes"]), taken)
    return {
        "lanes": len(truth["lanes"]),
        "found": found,
        "extra": len(inside) - len(used),
        "extra_sure": sum(sure > SURE for k, (_, sure) in enumerate(inside) if k not in used),
        "bands": len(truth["bands"]),
        "bands_found": bands,
        "bands_false": len(points) - len(taken) if truth["bands"] else 0,
    }


def _take(points: list[tuple[float, float]], box: tuple[float, ...], used: set[int]) -> bool:
    """Whether an unused point lies in a box; it is used then."""
    x0, y0, x1, y1 = box
    inside = [k for k, (x, y) in enumerate(points) if k not in used and x0 <= x <= x1 and y0 <= y <= y1]
    used.update(inside[:1])
    return bool(inside)


def _box(mark: dict[str, float], lanes: list[dict[str, float]]) -> tuple[float, ...]:
    lane = lanes[int(mark["lane"])]
    room = max(3.0, (mark["y_bottom"] - mark["y_top"]) / 3)
    left, right = mark.get("x_left", lane["x_left"]), mark.get("x_right", lane["x_right"])
    wide = (right - left) / 4
    return left - wide, mark["y_top"] - room, right + wide, mark["y_bottom"] + room


if __name__ == "__main__":
    sys.exit(main())
