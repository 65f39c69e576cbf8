"""The counts along one band of a row, ready for the joint fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blotquant.doublets.outlines import edges, middle_line
from blotquant.geometry import Band, Polygon, bounding_box
from blotquant.image import FloatImage

Array = NDArray[np.float64]

_MIN_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class RowProfile:
    """Counts and their SDs at some distances in rows from the middle of an outline."""

    offsets: Array
    counts: Array
    sds: Array


def row_profile(
    signal: FloatImage, outline: Polygon, reach: int, *, ceiling: float, others: Sequence[Band]
) -> RowProfile | None:
    """Counts summed across the band's middle columns, each shifted by whole rows to follow the outline."""
    box = bounding_box(outline)
    trim = 0.15 * (box.col_stop - box.col_start)
    cols = np.arange(max(int(np.ceil(box.col_start + trim)), 0), min(int(box.col_stop - trim), signal.shape[1]))
    if len(cols) < _MIN_COLUMNS:
        return None
    middle = middle_line(outline, cols)
    steps = np.arange(-reach, reach + 1)
    rows = np.round(middle).astype(int) + steps[:, None]
    inside = (rows >= 0) & (rows < signal.shape[0])
    pixels = signal[np.clip(rows, 0, signal.shape[0] - 1), cols].astype(float)
    known = (inside & (pixels < ceiling) & ~_covered(rows, cols, others)).all(axis=1)
    if known.sum() < 0.6 * len(steps):
        return None
    bends = np.diff(pixels, n=2, axis=1) ** 2 / 6
    variance = np.convolve(np.pad(bends.mean(axis=1), 2, mode="edge"), np.full(5, 0.2), mode="valid")
    counts = pixels.sum(axis=1)
    floor = 1e-6 * float(np.ptp(counts)) + 1e-150
    sds = np.asarray(np.sqrt(variance * len(cols) + floor**2), dtype=float)
    offsets = np.asarray(steps + np.mean(np.round(middle) - middle), dtype=float)
    return RowProfile(offsets, np.where(known, counts, np.nan), sds)


def _covered(rows: NDArray[np.int_], cols: NDArray[np.int_], bands: Sequence[Band]) -> NDArray[np.bool_]:
    covered = np.zeros(rows.shape, dtype=bool)
    for band in bands:
        top, bottom = edges(band.outline, cols.astype(float))
        covered |= (rows > top) & (rows < bottom)
    return covered
