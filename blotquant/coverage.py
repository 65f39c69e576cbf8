"""Exact area weights of a polygon on the pixel grid: the geometry bends, the pixels stay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blotquant.geometry import Box, Polygon, bounding_box


def clip_box(box: Box, shape: tuple[int, int]) -> Box:
    """Cut a box to the picture; an empty range where it lies outside."""
    r0, c0 = min(max(box.row_start, 0), shape[0]), min(max(box.col_start, 0), shape[1])
    return Box(r0, max(min(box.row_stop, shape[0]), r0), c0, max(min(box.col_stop, shape[1]), c0))


def area_weights(outline: Polygon, shape: tuple[int, int]) -> tuple[Box, NDArray[np.float64]]:
    """Fraction of each pixel that lies inside a simple polygon.

    Each edge is cut where it crosses the pixel grid; a piece then lies in one pixel and adds its signed area there
    and its height to all pixels right of it, as scan converters for outline fonts do. The sum is exact.

    Parameters
    ----------
    outline : Polygon
        Vertices in (row, col), in either turning direction, not crossing itself.
    shape : (int, int)
        Rows and columns of the picture.

    Returns
    -------
    box : Box
        The pixels touched, cut to the picture.
    weights : ndarray, shape of `box`
        Covered fraction of each pixel, 0 to 1; their sum is the area in the picture.
    """
    full = bounding_box(outline)
    height, width = full.row_stop - full.row_start, full.col_stop - full.col_start
    # Pixel (r, c) of the box now covers [r, r + 1) x [c, c + 1).
    vertices = np.asarray(outline) - (full.row_start - 0.5, full.col_start - 0.5)
    starts, stops = _split_at_grid(vertices, np.roll(vertices, -1, axis=0))
    rise = stops[:, 0] - starts[:, 0]
    middle = (starts + stops) / 2
    rows = np.clip(np.floor(middle[:, 0]).astype(int), 0, height - 1)
    cols = np.clip(np.floor(middle[:, 1]).astype(int), 0, width - 1)
    to_the_right = cols + 1 - middle[:, 1]
    accumulated = np.zeros((height, width + 1))
    np.add.at(accumulated, (rows, cols), rise * to_the_right)
    np.add.at(accumulated, (rows, cols + 1), rise * (1 - to_the_right))
    weights = np.clip(np.abs(np.cumsum(accumulated, axis=1)[:, :width]), 0.0, 1.0)
    box = clip_box(full, shape)
    inside = weights[
        box.row_start - full.row_start : box.row_stop - full.row_start,
        box.col_start - full.col_start : box.col_stop - full.col_start,
    ]
    return box, np.where(inside < 1e-12, 0.0, inside)


def _split_at_grid(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut the segments a→b wherever they cross a whole row or column."""
    n = len(a)
    edges, places = [np.arange(n), np.arange(n)], [np.zeros(n), np.ones(n)]
    for axis in (0, 1):
        first = np.ceil(np.minimum(a[:, axis], b[:, axis])).astype(int)
        count = np.floor(np.maximum(a[:, axis], b[:, axis])).astype(int) - first + 1
        count[a[:, axis] == b[:, axis]] = 0
        edge = np.repeat(np.arange(n), count)
        lines = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        edges.append(edge)
        places.append((lines - a[edge, axis]) / (b[edge, axis] - a[edge, axis]))
    edge, t = np.concatenate(edges), np.clip(np.concatenate(places), 0.0, 1.0)
    order = np.lexsort((t, edge))
    edge, t = edge[order], t[order]
    points = a[edge] + t[:, None] * (b[edge] - a[edge])
    joined = edge[:-1] == edge[1:]
    return points[:-1][joined], points[1:][joined]
