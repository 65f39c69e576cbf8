"""Upper and lower edges of outlines, column by column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blotquant.geometry import Polygon, polygon

Array = NDArray[np.float64]


def edges(outline: Polygon, cols: Array) -> tuple[Array, Array]:
    """Topmost and bottommost row of an outline at some columns; beyond its ends those of its last column."""
    points = np.asarray(outline)
    a, b = points, np.roll(points, -1, axis=0)
    low, high = points[:, 1].min() + 1e-6, points[:, 1].max() - 1e-6
    at = np.clip(np.asarray(cols, dtype=float), low, high)[:, None]
    width = b[:, 1] - a[:, 1]
    crossing = (np.minimum(a[:, 1], b[:, 1]) <= at) & (at <= np.maximum(a[:, 1], b[:, 1])) & (width != 0)
    rows = a[:, 0] + (b[:, 0] - a[:, 0]) * (at - a[:, 1]) / np.where(width == 0, 1.0, width)
    return np.where(crossing, rows, np.inf).min(axis=1), np.where(crossing, rows, -np.inf).max(axis=1)


def middle_line(outline: Polygon, cols: NDArray[np.int_]) -> Array:
    """Row half-way between the two edges at some columns."""
    top, bottom = edges(outline, cols.astype(float))
    return (top + bottom) / 2


def union(outlines: Sequence[Polygon]) -> Polygon:
    """One outline from the first one's upper edge to the last one's lower edge."""
    if len(outlines) == 1:
        return outlines[0]
    vertices = np.unique(np.concatenate([np.asarray(outline)[:, 1] for outline in outlines]))
    top, bottom = edges(outlines[0], vertices)[0], edges(outlines[-1], vertices)[1]
    upper, lower = np.column_stack([top, vertices]), np.column_stack([bottom, vertices])
    return polygon(np.vstack([upper, lower[::-1]]))
