"""How well a background's level can be known at all, on synthetic blots whose covariances are known.

The best linear unbiased estimate (universal kriging) of the mean level under an outline from all free pixels around
it, with the true variances of photons, readout, grain, haze and the lane's smear, and unknown level, slopes, and smear
of the lane. Debris, halo and the bands' own tails are not in it: no method of weighing can do better than this.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Band, Layout
from blotquant.synthetic import SyntheticBlot

Floats = NDArray[np.float64]

BIN_PX = 3
REACH = 3.0
"""So many heights of the outline above and below are looked at, and one width of the lane to either side."""


LAGS = np.linspace(0, 2.0, 41)


def _smears_alike() -> Floats:
    """Autocovariance of a smear: random heights joined by half a cosine wave each, averaged over where they stand."""
    part = (1 - np.cos(np.pi * np.linspace(0, 1, 40, endpoint=False))) / 2
    line = np.zeros((4, 160))
    for node in range(4):  # weight of each height along a line, zero but beside it
        line[node, 40 * node : 40 * (node + 1)] = 1 - part
        if node:
            line[node, 40 * (node - 1) : 40 * node] = part
    shared = line.T @ line
    return np.array([np.diagonal(shared, round(40 * lag))[:40].mean() for lag in LAGS])


ALIKE = _smears_alike()


def level_sd(blot: SyntheticBlot, layout: Layout, band: Band, usable: NDArray[np.bool_]) -> float:
    """SD of the best estimate of the mean level under one band, in counts; inf where nothing around it is free."""
    box, surface, exposure = band.box, blot.spec.surface, blot.spec.exposure_s
    strip = blot.spec.strips[layout.strip(layout.lane(band.lane).strip).number - 1]
    smear = next(s.smear for k, s in enumerate(sorted(strip.lanes, key=lambda s: s.center), 1)
                 if k == layout.lane(band.lane).number) * exposure  # fmt: skip
    rows, cols, own, counts = _free_cells(box, usable)
    if len(rows) < 4:
        return float("inf")
    level = (strip.level + surface.base) * exposure
    grain = (surface.texture * strip.level * exposure) ** 2 * 4 * np.pi * surface.texture_px**2
    pixel = blot.spec.camera.read_noise**2 + blot.spec.camera.gain * level + grain
    at_rows = np.arange(box.row_start, box.row_stop, BIN_PX, dtype=float)
    at_cols = np.full(len(at_rows), (box.col_start + box.col_stop - 1) / 2)
    all_rows, all_cols = np.append(rows, at_rows), np.append(cols, at_cols)
    all_own = np.append(own, np.ones(len(at_rows), dtype=bool))
    distance2 = (all_rows[:, None] - all_rows) ** 2 + (all_cols[:, None] - all_cols) ** 2
    covariance = (surface.haze * exposure) ** 2 * np.exp(-distance2 / (4 * surface.haze_px**2))
    alike = np.interp(np.abs(all_rows[:, None] - all_rows) / surface.smear_px, LAGS, ALIKE)
    covariance += smear**2 * (0.35**2 + 0.12**2) * alike * (all_own[:, None] & all_own)
    n, share = len(rows), np.full(len(at_rows), 1 / len(at_rows))
    seen = covariance[:n, :n] + np.diag(pixel / counts)
    drifts = np.stack([np.ones(n), (rows - at_rows.mean()) / 50, (cols - at_cols[0]) / 50], axis=1)
    aim = np.array([1.0, 0.0, 0.0])
    if smear:
        drifts, aim = np.column_stack([drifts, own]), np.append(aim, 1.0)
        seen += 1e-9 * np.trace(seen) / n * np.eye(n)
    cross = covariance[:n, n:] @ share
    solved = np.linalg.solve(seen, np.column_stack([drifts, cross]))
    normal, lines = drifts.T @ solved[:, :-1], solved[:, :-1]
    gap = aim - drifts.T @ solved[:, -1]
    weights = solved[:, -1] + lines @ np.linalg.lstsq(normal, gap, rcond=1e-12)[0]
    variance = share @ covariance[n:, n:] @ share - 2 * weights @ cross + weights @ seen @ weights
    return float(np.sqrt(max(variance, 0.0)))


def _free_cells(box: tuple[int, int, int, int], usable: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean row and column, whether in the lane, and number of pixels of free cells around a box."""
    top, bottom, left, right = box
    height, width = bottom - top, right - left
    found = []
    for start in range(max(round(top - REACH * height), 0), min(round(bottom + REACH * height), len(usable)), BIN_PX):
        for low, high, own in ((left - width, left, False), (left, right, True), (right, right + width, False)):
            low, high = max(low, 0), min(max(high, 0), usable.shape[1])
            free = np.argwhere(usable[start : start + BIN_PX, low:high])
            if len(free) >= 3:
                row, col = free.mean(axis=0)
                found.append((start + row, low + col, own, len(free)))
    table = np.array(found, dtype=float).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2] > 0, table[:, 3]
