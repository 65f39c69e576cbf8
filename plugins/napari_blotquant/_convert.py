"""Lanes, bands and tables as layer data, and back. No napari here.

The core's pixel centres are integers and so are napari's: an image layer at scale 1 covers -0.5 to n - 0.5, so that
`PIXEL_OFFSET` is 0. It is added here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from blotquant.flags import FLAGS, split_flags
from blotquant.model.geometry import Band, Lane, Point, Polygon, polygon

Vertices = NDArray[np.float64]
Colour = tuple[float, float, float, float]
PIXEL_OFFSET = 0.0
SURE = 0.9
"""Below this confidence a lane or band is pointed out as a doubt."""
BEND = 0.35
"""A dragged node of a centre line takes along what lies within this part of the lane's length."""
MIN_HANDLES = 7
HIDDEN_ID, LANE_ID, STRIP_ID = "band_id", "lane_id", "strip_id"

COLOURS: dict[str, Colour] = {
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
    "strip": (0.95, 0.55, 0.75, 0.9),
}
"""Edge colours; the dock's legend shows the same."""


def to_vertices(outline: Sequence[Point]) -> Vertices:
    """An outline as napari's vertices (row, column), shape (n, 2)."""
    return np.asarray(outline, dtype=float) + PIXEL_OFFSET


def to_outline(vertices: ArrayLike) -> Polygon:
    """Vertices as an outline; `ValueError` for fewer than three or not finite ones."""
    return polygon(np.asarray(vertices, dtype=float) - PIXEL_OFFSET)


def is_same_place(vertices: ArrayLike, outline: tuple[Point, ...]) -> bool:
    """Whether vertices are an outline within what float32 keeps of it."""
    points = np.asarray(vertices)
    if points.dtype == np.float32 and points.tobytes() == _as_float32(outline):
        return True  # by far the most frequent case
    return points.shape == (len(outline), 2) and bool(np.abs(points - _vertices(outline)).max() < 2e-3)


@lru_cache(maxsize=4096)
def _vertices(outline: tuple[Point, ...]) -> Vertices:
    return to_vertices(outline)


@lru_cache(maxsize=4096)
def _as_float32(outline: tuple[Point, ...]) -> bytes:
    return to_vertices(outline).astype(np.float32).tobytes()


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


def handles(lane: Lane) -> tuple[Point, ...]:
    """Points of a centre line for a hand to drag: its nodes, or evenly spaced ones where it has too few to bend."""
    if len(lane.center) >= MIN_HANDLES:
        return lane.center
    rows = np.linspace(*lane.row_range, MIN_HANDLES)
    return tuple((float(r), float(c)) for r, c in zip(rows, lane.center_at(rows), strict=True))


def bent(lane: Lane, vertices: ArrayLike) -> tuple[Point, ...]:
    """Nodes of a centre line that was dragged; where one node went sideways its neighbours follow in part."""
    points = np.asarray(vertices, dtype=float) - PIXEL_OFFSET
    old = np.asarray(handles(lane))
    if points.shape == old.shape:
        moved = np.flatnonzero(np.abs(points - old).max(axis=1) > 2e-3)
        if len(moved) == 1:
            k = int(moved[0])
            reach = BEND * (old[-1, 0] - old[0, 0])
            share = np.clip(1 - np.abs(old[:, 0] - old[k, 0]) / reach, 0, None)
            points = np.column_stack([old[:, 0], old[:, 1] + (points[k, 1] - old[k, 1]) * share])
    points = points[np.argsort(points[:, 0], kind="stable")]
    if len(points) < 2 or np.any(np.diff(points[:, 0]) <= 0):
        msg = f"the centre line of lane {lane.number} must run down the picture"
        raise ValueError(msg)
    return tuple((round(float(r), 4), round(float(c), 4)) for r, c in points)


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


def band_features(keys: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
    """The band table in the order of a layer's shapes, as the features of the Bands layer."""
    order = pd.Index(list(keys), dtype="object", name=HIDDEN_ID)
    if table.empty:
        return order.to_frame(index=False)
    known = table.assign(**{HIDDEN_ID: table["band_id"].astype(object)}).set_index(HIDDEN_ID, drop=False)
    shown = known.reindex(order)
    shown[HIDDEN_ID] = order
    return shown.reset_index(drop=True)


def lane_features(
    lanes: Sequence[Lane], samples: dict[str, str] | None = None, *, is_blind: bool = False
) -> pd.DataFrame:
    """Names and roles of some lanes, as the features of the Lanes layer; blind, they tell nothing."""
    samples = samples or {}
    rows = [
        {
            LANE_ID: lane.id,
            "label": "" if is_blind else lane_label(lane),
            "sample": "" if is_blind else samples.get(lane.id, ""),
            "role": "" if is_blind else lane.role,
            "confidence": lane.confidence,
        }
        for lane in lanes
    ]
    return pd.DataFrame(rows, columns=[LANE_ID, "label", "sample", "role", "confidence"])


def lane_label(lane: Lane, sample: str = "") -> str:
    """What stands over a lane: its number, and what it is if it is no sample."""
    mark = {"ladder": " L", "standard": " S", "blank": " –", "excluded": " ×"}.get(lane.role, "")
    doubt = "?" if lane.confidence < SURE else ""
    return f"{lane.number}{mark}{doubt}" + (f" {sample}" if sample else "")


def band_colour(band: Band, flags: object = "") -> Colour:
    """Edge colour by what matters most: saturation, a hand's work, doubt, detected or not."""
    if "saturated" in split_flags(flags):
        return COLOURS["saturated"]
    if band.origin in ("edited", "drawn"):
        return COLOURS[band.origin]
    if band.status == "not_detected" or band.origin == "expected":
        return COLOURS["expected"]
    return COLOURS["doubt"] if band.confidence < SURE else COLOURS["detected"]


def lane_colour(lane: Lane) -> Colour:
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
