"""Cuts: straight steps or slits that run across the picture between two rows, the edges of membranes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.finding.candidates import Grid
from blotquant.finding.noise import MAD_TO_SD, FloatArray
from blotquant.finding.rows import RowCurve

# Rows by which an edge's two ends may differ in height from those of a line along the rows.
_RISE = 17.0


def find_cut(grid: Grid, upper: RowCurve, lower: RowCurve) -> float | None:
    """Look for a straight step or slit that runs across between two rows: the edge of a membrane.

    Returns
    -------
    float or None
        Its mean row, or None where there is no such line.
    """
    strength, where = cut_between(grid, upper, lower)
    return where if strength >= 1 else None


def cut_between(grid: Grid, upper: RowCurve, lower: RowCurve) -> tuple[float, float]:
    """Strongest straight step across between two rows: how clear it is (1 is beyond doubt), and its mean row."""
    blocks = _free_blocks(upper, lower, grid.pixels.shape[1])
    middles = np.array([(a + b) / 2 for a, b in blocks])
    top = upper.rows_at(middles) + 1.5 * upper.height
    bottom = lower.rows_at(middles) - 1.5 * lower.height
    first, last = int(top.min()), int(np.ceil(bottom.max()))
    if last - first < 8:
        return 0.0, (first + last) / 2
    base = max(0, first - 4)
    image = grid.pixels[base : last + 4]
    table = np.stack([image[:, a:b].mean(axis=1) for a, b in blocks])
    limits, span = (top - base, bottom - base), max(float(np.ptp(middles)), 1.0)
    level = np.linspace(-_RISE, _RISE, 21) / span
    strength, where = _coherent_step(table, middles, limits, level)
    # Rows of one membrane run about parallel, and tails of its slanted bands are slanted steps.
    if strength < 1 and abs(upper.slope - lower.slope) * span > _RISE:
        tilted = np.concatenate([level + upper.slope, level + lower.slope])
        strength, where = max((strength, where), _coherent_step(table, middles, limits, tilted))
    return strength, where + base


def _agreement(
    least: NDArray[np.float64], middle: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    together = columns.mean(axis=1) * np.sqrt(columns.shape[1])
    return np.asarray(np.minimum(np.minimum(least / 0.45, middle / 1.9), together / 10))


def _free_blocks(upper: RowCurve, lower: RowCurve, width: int) -> list[tuple[int, int]]:
    """Columns, in pieces, that show the membrane between two rows: beside and between the bands if there are enough.

    Tails and smears of a row of bands are steps too, but not in its gaps.
    """
    left, right = min(upper.left, lower.left), max(upper.right, lower.right)
    margin = int(0.25 * (right - left)) + 6
    lo, hi = max(0, left - margin), min(width, right + margin)
    taken = ndimage.binary_dilation(upper.mask(width) | lower.mask(width), iterations=1)
    free = ~taken[lo:hi]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], free.astype(int), [0]])))
    runs = [(int(a) + lo, int(b) + lo) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= 2]
    if sum(b - a for a, b in runs) < 12 or len(runs) < 2 or runs[-1][1] - runs[0][0] < 0.7 * (hi - lo):
        runs = [(lo, hi)]
    size = max(2, sum(b - a for a, b in runs) // 24)
    blocks = []
    for a, b in runs:
        count = max(1, (b - a) // size)
        cuts = np.linspace(a, b, count + 1).astype(int)
        blocks += [(int(u), int(v)) for u, v in pairwise(cuts)]
    return blocks


def _coherent_step(
    table: FloatArray,
    middles: NDArray[np.float64],
    limits: tuple[NDArray[np.float64], NDArray[np.float64]],
    rises: NDArray[np.float64],
) -> tuple[float, float]:
    """Strongest step that most blocks share along a straight line of one of some slopes, between two limits."""
    top, bottom = limits
    box = ndimage.uniform_filter1d(table, 4, axis=1, mode="nearest")
    step = np.zeros_like(box)
    step[:, 2:-2] = box[:, 4:] - box[:, :-4]
    middle = np.median(step, axis=1, keepdims=True)
    noise = np.maximum(MAD_TO_SD * np.median(np.abs(step - middle), axis=1), 1e-9)
    z = step / np.median(noise)
    n_blocks, n_rows = z.shape
    rows = np.arange(n_rows)
    inside = (rows[None] > top[:, None]) & (rows[None] < bottom[:, None])
    z = np.where(inside, z, np.nan)
    away = middles - middles.mean()
    source = rows[None, None] + np.rint(rises[:, None] * away[None]).astype(int)[:, :, None]
    ok = (source >= 0) & (source < n_rows)
    sheared = np.where(ok, z[np.arange(n_blocks)[None, :, None], np.clip(source, 0, n_rows - 1)], np.nan)
    known = np.isfinite(sheared)
    full = known.sum(axis=1) >= 0.8 * n_blocks
    if not full.any():
        return 0.0, 0.0
    fifth, half = n_blocks // 5, n_blocks // 2
    columns = np.where(known, sheared, 0.0).transpose(0, 2, 1)[full]
    ordered = np.sort(columns, axis=1)
    # Four blocks in five must agree on the step's sign, half of them clearly, and all together beyond chance.
    value = np.maximum(
        _agreement(ordered[:, fifth], ordered[:, half], columns),
        _agreement(-ordered[:, -1 - fifth], -ordered[:, half], -columns),
    )
    k = int(value.argmax())
    return float(value[k]), float(np.nonzero(full)[1][k])
