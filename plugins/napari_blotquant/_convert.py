"""Lanes, bands and tables as layer data, and back. No napari here.

The core's pixel centres are integers and so are napari's: an image layer at scale 1 covers -0.5 to n - 0.5, so that
`PIXEL_OFFSET` is 0. It is added here and nowhere else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from blotquant.flags import FLAGS, split_flags
from blotquant.geometry import Band, Lane, Layout, Point, Polygon, polygon

Vertices = NDArray[np.float64]
PIXEL_OFFSET = 0.0
SURE = 0.9
"""Below this confidence a lane or band is pointed out as a doubt."""
HIDDEN_ID = "band_id"
LANE_ID = "lane_id"

COLOURS = {
    "detected": (0.16, 0.68, 0.90, 1.0),
    "expected": (0.55, 0.62, 0.68, 1.0),
    "edited": (0.98, 0.60, 0.12, 1.0),
    "drawn": (0.85, 0.35, 0.85, 1.0),
    "doubt": (0.98, 0.84, 0.10, 1.0),
    "saturated": (0.93, 0.15, 0.15, 1.0),
    "sample": (0.30, 0.75, 0.45, 0.9),
    "ladder": (0.60, 0.50, 0.95, 0.9),
    "standard": (0.20, 0.65, 0.80, 0.9),
    "blank": (0.60, 0.60, 0.60, 0.9),
    "excluded": (0.90, 0.35, 0.35, 0.9),
}
"""Edge colours; the dock's legend shows the same."""


def to_vertices(outline: Polygon) -> Vertices:
    """An outline as napari's vertices (row, column), shape (n, 2)."""
    return np.asarray(outline, dtype=float) + PIXEL_OFFSET


def to_outline(vertices: ArrayLike) -> Polygon:
    """Vertices as an outline; `ValueError` for fewer than three or not finite ones."""
    return polygon(np.asarray(vertices, dtype=float) - PIXEL_OFFSET)


def is_same_place(vertices: ArrayLike, outline: Polygon) -> bool:
    """Whether vertices are an outline within what float32 keeps of it."""
    points = np.asarray(vertices)
    return points.shape == (len(outline), 2) and bool(np.abs(points - to_vertices(outline)).max() < 2e-3)


def lane_nodes(lane: Lane, vertices: ArrayLike) -> tuple[tuple[Point, ...], tuple[float, ...]]:
    """Centre line and widths of a lane whose outline was dragged.

    The outline has the left edge down and the right edge up. Where vertices were added or removed, the lane's rows
    are looked up on its new edges.
    """
    points = np.asarray(vertices, dtype=float) - PIXEL_OFFSET
    n = len(lane.center)
    if len(points) == 2 * n:
        left, right = points[:n], points[: n - 1 : -1]
        center, widths = (left + right) / 2, np.abs(right[:, 1] - left[:, 1])
        order = np.argsort(center[:, 0], kind="stable")
        center, widths = center[order], widths[order]
    else:
        center, widths = _scan(points, n)
    rows = center[:, 0]
    if np.any(np.diff(rows) <= 0) or np.any(widths <= 0):
        msg = f"lane {lane.number} cannot have this outline: it must run down the picture and be wider than 0"
        raise ValueError(msg)
    return tuple((float(r), float(c)) for r, c in center), tuple(float(w) for w in widths)


def _scan(points: Vertices, n: int) -> tuple[Vertices, NDArray[np.float64]]:
    """Left and right edge of any polygon on `n` rows between its top and bottom."""
    top, bottom = points[:, 0].min(), points[:, 0].max()
    rows = np.linspace(top, bottom, n)
    inner = np.clip(rows, top + 1e-3 * (bottom - top), bottom - 1e-3 * (bottom - top))
    a, b = points, np.roll(points, -1, axis=0)
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    for (r0, c0), (r1, c1) in zip(a, b, strict=True):
        crossed = (inner >= min(r0, r1)) & (inner <= max(r0, r1)) & (r0 != r1)
        cols = c0 + (c1 - c0) * (inner - r0) / (r1 - r0 if r0 != r1 else 1.0)
        low, high = (
            np.where(crossed, np.minimum(low, cols), low),
            np.where(crossed, np.maximum(high, cols), high),
        )
    return np.column_stack([rows, (low + high) / 2]), high - low


def band_features(layout: Layout, table: pd.DataFrame) -> pd.DataFrame:
    """The band table in the layout's order, as the features of the Bands layer."""
    order = pd.Index([band.id for band in layout.bands], dtype="object", name=HIDDEN_ID)
    if table.empty:
        return order.to_frame(index=False)
    known = table.assign(**{HIDDEN_ID: table["band_id"].astype(object)}).set_index(HIDDEN_ID, drop=False)
    shown = known.reindex(order)
    shown[HIDDEN_ID] = order
    return shown.reset_index(drop=True)


def lane_features(layout: Layout, samples: dict[str, str] | None = None) -> pd.DataFrame:
    """Names and roles of the lanes, as the features of the Lanes layer."""
    samples = samples or {}
    rows = [
        {
            LANE_ID: lane.id,
            "label": lane_label(lane, samples.get(lane.id, "")),
            "role": lane.role,
            "confidence": lane.confidence,
        }
        for lane in layout.lanes
    ]
    return pd.DataFrame(rows, columns=[LANE_ID, "label", "role", "confidence"])


def lane_label(lane: Lane, sample: str = "") -> str:
    """What stands over a lane: its number, and what it is if it is no sample."""
    mark = {"ladder": " L", "standard": " S", "blank": " –", "excluded": " ×"}.get(lane.role, "")
    doubt = " ?" if lane.confidence < SURE else ""
    return f"{lane.number}{mark}{doubt}" + (f" {sample}" if sample else "")


def band_colour(band: Band, flags: str = "") -> tuple[float, float, float, float]:
    """Edge colour by what matters most: saturation, a hand's work, doubt, detected or not."""
    if "saturated" in split_flags(flags):
        return COLOURS["saturated"]
    if band.origin in ("edited", "drawn"):
        return COLOURS[band.origin]
    if band.status == "not_detected" or band.origin == "expected":
        return COLOURS["expected"]
    return COLOURS["doubt"] if band.confidence < SURE else COLOURS["detected"]


def lane_colour(lane: Lane) -> tuple[float, float, float, float]:
    """Edge colour by role; doubt shows on samples."""
    is_doubt = lane.role == "sample" and lane.confidence < SURE
    return COLOURS["doubt" if is_doubt else lane.role]


def contrast_limits(signal: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """First contrast for looking: from the background to the bands, leaving out specks. The numbers never see it."""
    step = max(1, int(np.sqrt(signal.size / 250_000)))
    seen = signal[::step, ::step]
    seen = seen[np.isfinite(seen)]
    if seen.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(seen, (1.0, 99.7)))
    return (low, high) if high > low else (low, low + 1.0)


def flags_in_words(cell: object) -> str:
    """Meaning and advice of the flags of a cell, one line each."""
    return "\n".join(f"{FLAGS[name].meaning} {FLAGS[name].advice}" for name in split_flags(cell) if name in FLAGS)
