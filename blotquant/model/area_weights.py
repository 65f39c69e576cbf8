"""Exact area weights of a polygon on the pixel grid: the geometry bends, the pixels stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Box, Polygon


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
    return area_weights_of([outline], shape)[0]


def area_weights_of(outlines: Sequence[Polygon], shape: tuple[int, int]) -> list[tuple[Box, NDArray[np.float64]]]:
    """Weights of many outlines, as `area_weights` gives for each, in one go."""
    if not outlines:
        return []
    corners = [np.asarray(outline) for outline in outlines]
    sizes = np.array([len(c) for c in corners])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    vertices = np.concatenate(corners)
    low, high = np.minimum.reduceat(vertices, starts), np.maximum.reduceat(vertices, starts)
    # An edge that lies exactly between two pixels belongs to the lower one: ranges are half-open.
    first = np.floor(low + 0.5).astype(int)
    stop = np.floor(np.nextafter(high, -np.inf) + 0.5).astype(int) + 1
    heights, widths = (stop - first).T
    owner = np.repeat(np.arange(len(outlines)), sizes)
    # Pixel (r, c) of each box now covers [r, r + 1) x [c, c + 1).
    vertices = vertices - (first[owner] - 0.5)
    following = np.arange(len(vertices)) + 1
    following[starts + sizes - 1] = starts
    points, edge = _split_at_grid(vertices, vertices[following])
    owner = owner[edge[:-1]]
    rise = points[0, 1:] - points[0, :-1]
    rise[edge[1:] != edge[:-1]] = 0.0
    middle_row, middle_col = (points[:, :-1] + points[:, 1:]) / 2
    rows = np.minimum(np.maximum(middle_row.astype(int), 0), heights[owner] - 1)
    cols = np.minimum(np.maximum(middle_col.astype(int), 0), widths[owner] - 1)
    to_the_right = cols + 1 - middle_col
    offsets = np.concatenate([[0], np.cumsum(heights * (widths + 1))])
    of_rows = np.repeat(np.arange(len(outlines)), heights)
    from_top = np.arange(len(of_rows)) - np.repeat(np.cumsum(heights) - heights, heights)
    starts_of_rows = offsets[of_rows] + from_top * (widths[of_rows] + 1)
    place = offsets[owner] + rows * (widths[owner] + 1) + cols
    parts = np.concatenate([rise * to_the_right, rise * (1 - to_the_right)])
    flat = _add_along_rows(np.concatenate([place, place + 1]), parts, starts_of_rows, int(offsets[-1]))
    found = []
    for k, (row, col) in enumerate(first.tolist()):
        weights = flat[offsets[k] : offsets[k + 1]].reshape(heights[k], widths[k] + 1)[:, :-1]
        box = clip_box(Box(row, row + int(heights[k]), col, col + int(widths[k])), shape)
        found.append((box, weights[box.row_start - row : box.row_stop - row, box.col_start - col : box.col_stop - col]))
    return found


def _add_along_rows(
    place: NDArray[np.intp], parts: NDArray[np.float64], starts: NDArray[np.intp], size: int
) -> NDArray[np.float64]:
    """Covered parts of all pixels in a line, from what is added at some of them to all further right in their row.

    Between these places nothing changes: sums are taken there alone and repeated.
    """
    place = np.concatenate([starts, place])
    order = np.argsort(place, kind="stable")
    place, parts = place[order], np.concatenate([np.zeros(len(starts)), parts])[order]
    new = np.flatnonzero(np.diff(place, prepend=-1))
    place, total = place[new], np.cumsum(np.add.reduceat(parts, new))
    # The first of what is added at one place is the start of a row where there is one.
    first = np.flatnonzero(order[new] < len(starts))
    # What the rows before have left over, which is rounding alone.
    before = np.where(first > 0, total[first - 1], 0.0)
    total -= np.repeat(before, np.diff(first, append=len(place)))
    covered = np.minimum(np.abs(total, out=total), 1.0, out=total)
    covered *= covered >= 1e-12
    return np.repeat(covered, np.diff(place, append=size))


def _split_at_grid(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Cut the segments a→b wherever they cross a whole row or column.

    The rows and columns of where pieces begin and end, segment after segment, and which segment each is of.
    """
    n, steps = len(a), b - a
    edges, places = [np.arange(n), np.arange(n)], [np.zeros(n), np.ones(n)]
    for axis in (0, 1):
        start, step = a[:, axis], steps[:, axis]
        first = np.ceil(np.minimum(start, b[:, axis])).astype(int)
        count = np.floor(np.maximum(start, b[:, axis])).astype(int) - first + 1
        count[step == 0] = 0
        edge = np.repeat(np.arange(n), count)
        lines = np.arange(len(edge)) + np.repeat(first - np.cumsum(count) + count, count)
        edges.append(edge)
        places.append((lines - start[edge]) / step[edge])
    edge, t = np.concatenate(edges), np.minimum(np.maximum(np.concatenate(places), 0.0), 1.0)
    order = np.lexsort((t, edge))
    edge, t = edge[order], t[order]
    return a.T[:, edge] + t * steps.T[:, edge], edge
