"""Lanes in the frame of their strip: profiles along the bend of its rows, and the bands found in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blotquant.finding.bands import Peak, accept, find_peaks, group_peaks, profile_noise
from blotquant.finding.pieces import Piece
from blotquant.finding.profiles import lane_profiles
from blotquant.finding.rows import RowCurve
from blotquant.finding.sight import Grid
from blotquant.settings import DetectionSettings

# A smooth line through a row, and the columns between which it holds.
_Curve = tuple[np.polynomial.Polynomial, float, float]
# Rows of a lane's profile, their places along the strip's own curve, and the slope of bands at each.
Span = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]

# Times the noise of the usual lane: more scatter than that between bands is bands.
_UNEVEN = 3.0
# Half of the lane's width that its profile is taken over.
_CORE = 0.36


def lane_spans(grid: Grid, piece: Piece) -> list[Span]:
    """For every lane the rows of its profile, their places along the strip and the slope of bands there."""
    curves = _main_curves(piece)
    middle = float(np.mean([*piece.tops, *piece.bottoms]))
    centers = np.array([float(t.col_at(middle)) for t in piece.tracks])
    reference = _curve_rows(curves, centers[None])[0].mean(axis=1)
    halves = np.array([max(t.width / 2, 3) for t in piece.tracks])
    tables = _curve_rows(curves, np.stack([centers, centers - halves, centers + halves], axis=1))
    spans = []
    for table, half, top, bottom in zip(tables, halves, piece.tops, piece.bottoms, strict=True):
        rows = np.arange(int(max(0, top)), int(min(grid.pixels.shape[0], bottom + 1)))
        level = rows + np.interp(rows, table[:, 0], reference - table[:, 0])
        slope = np.interp(rows, table[:, 0], (table[:, 2] - table[:, 1]) / (2 * half))
        spans.append((rows, level, slope))
    return spans


def _main_curves(piece: Piece) -> list[_Curve]:
    """Smooth lines through the rows that bend the strip, the longest first."""
    if not piece.rows:
        return []
    longest = max(r.covered for r in piece.rows)
    main = sorted((r for r in piece.rows if r.covered > 0.4 * longest), key=lambda r: -r.covered)
    fits = [(*_smooth_curve(r), r.height) for r in main]
    # A chain that jumps between bands of different rows bends nothing but itself.
    return [curve for curve, rough, height in fits if rough < 0.35 * height + 0.5]


def _smooth_curve(curve: RowCurve) -> tuple[_Curve, float]:
    """A smooth line through a row's ridges with its ends, and how far they scatter about it."""
    cols, rows = curve.points
    span = cols[-1] - cols[0]
    parts = max(len(curve.ridges), span / 30)
    degree = 1 if parts < 4 else 2 if parts < 6 else 3 if parts < 9 else 4
    fit = np.polynomial.Polynomial.fit(cols, rows, degree)
    return (fit, float(cols[0]), float(cols[-1])), float(np.sqrt(np.mean((rows - fit(cols)) ** 2)))


def _curve_rows(curves: list[_Curve], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of the curves at some sets of columns, shape (sets, curves, columns of a set), top to bottom in each.

    A level line where there is no curve.
    """
    if not curves:
        return np.zeros((len(x), 1, x.shape[1]))
    table = np.stack([fit(np.clip(x, left, right)) for fit, left, right in curves], axis=1)
    return np.take_along_axis(table, np.argsort(table.mean(axis=2), axis=1)[:, :, None], axis=1)


def find_lane_peaks(grid: Grid, piece: Piece, settings: DetectionSettings) -> tuple[list[Peak], list[Span]]:
    """Find the bands of a strip's lanes, and the rows, levels and slopes of the profiles they were found in."""
    spans = lane_spans(grid, piece)
    images = grid.pixels, grid.sight.bands
    both = [
        lane_profiles(images, rows, t.col_at(rows), _CORE * t.width, slope)
        for t, (rows, _, slope) in zip(piece.tracks, spans, strict=True)
    ]
    profiles, chances = zip(*both, strict=True)
    noises = [profile_noise(p) for p in profiles]
    usual = float(np.median(noises))
    # A ladder's many bands are no noise.
    noises = [max(min(noise, _UNEVEN * usual), 0.7 * usual, 0.3 * grid.step, 1e-9) for noise in noises]
    peaks = [
        peak
        for i, (profile, chance, noise) in enumerate(zip(profiles, chances, noises, strict=True))
        for peak in find_peaks(i, profile, chance, spans[i][1], noise=noise)
    ]
    return accept(group_peaks(peaks), n_lanes=len(piece.tracks), min_snr=settings.min_snr), spans


def of_lanes(peaks: list[Peak], first: int, last: int) -> list[Peak]:
    """The peaks of some lanes, counted from the first of these."""
    return [replace(p, lane=p.lane - first) for p in peaks if first <= p.lane <= last]
