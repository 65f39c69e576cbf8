"""Lanes in the frame of their strip: profiles along the bend of its rows, and the peaks found in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blotquant.finding.bands import Peak, accept, find_peaks, group_peaks, profile_noise, structure_noise
from blotquant.finding.candidates import Grid
from blotquant.finding.profiles import lane_strip
from blotquant.finding.rows import RowCurve
from blotquant.finding.search import FoundStrip
from blotquant.settings import DetectionSettings

# A smooth line through a row, and the columns between which it holds.
_Curve = tuple[np.polynomial.Polynomial, float, float]
# Rows of a lane's profile, their places along the strip's own curve, and the slope of bands at each.
Span = tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]


# Times the noise of the usual lane: more scatter than that between bands is bands.
_UNEVEN = 3.0


def _main_curves(found: FoundStrip) -> list[_Curve]:
    """Smooth lines through the rows that bend the strip, the clearest first."""
    if not found.piece.rows:
        return []
    best = max(r.weight for r in found.piece.rows)
    width = found.piece.right - found.piece.left
    main = [r for r in found.piece.rows if r.weight > 0.3 * best or r.curve.covered > 0.6 * width]
    fits = [(_smooth_curve(r.curve), r.curve.height) for r in sorted(main, key=lambda r: -r.weight)]
    # A chain that jumps between bands of different rows bends nothing but itself.
    return [curve for (curve, rough), height in fits if rough < 0.35 * height + 0.5]


def _smooth_curve(curve: RowCurve) -> tuple[_Curve, float]:
    """A smooth line through a row's ridges with its ends, and how far they scatter about it."""
    cols = np.concatenate([r.cols for r in curve.ridges]).astype(float)
    rows = np.concatenate([r.rows for r in curve.ridges])
    span = cols.max() - cols.min()
    parts = max(len(curve.ridges), span / 30)
    degree = 1 if parts < 4 else 2 if parts < 6 else 3 if parts < 9 else 4
    fit = np.polynomial.Polynomial.fit(cols, rows, degree)
    return (fit, float(cols.min()), float(cols.max())), float(np.sqrt(np.mean((rows - fit(cols)) ** 2)))


def _curve_rows(curves: list[_Curve], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of the curves at some columns, shape (curves, len(x)), top to bottom; a level line where there is none."""
    if not curves:
        return np.zeros((1, len(x)))
    table = np.stack([fit(np.clip(x, left, right)) for fit, left, right in curves])
    return table[np.argsort(table.mean(axis=1))]


def lane_spans(grid: Grid, f: FoundStrip) -> list[Span]:
    """For every lane the rows of its profile, their places along the strip and the slope of bands there."""
    curves = _main_curves(f)
    middle = float(np.mean([*f.tops, *f.bottoms]))
    centers = np.array([float(t.col_at(middle)) for t in f.tracks])
    reference = _curve_rows(curves, centers).mean(axis=1)
    spans = []
    for i, t in enumerate(f.tracks):
        start, stop = min(f.limits[0], f.tops[i]), max(f.limits[1], f.bottoms[i])
        rows = np.arange(int(max(0, start)), int(min(grid.pixels.shape[0], stop + 1)))
        half = max(t.width / 2, 3)
        table = _curve_rows(curves, np.array([centers[i], centers[i] - half, centers[i] + half]))
        level = rows + np.interp(rows, table[:, 0], reference - table[:, 0])
        slope = np.interp(rows, table[:, 0], (table[:, 2] - table[:, 1]) / (2 * half))
        spans.append((rows, level, slope))
    return spans


def find_lane_peaks(grid: Grid, f: FoundStrip, settings: DetectionSettings) -> tuple[list[Peak], list[Span]]:
    """Find the bands of a strip's lanes, and the rows, levels and slopes of the profiles they were found in."""
    spans = lane_spans(grid, f)
    strips = [
        lane_strip(grid.pixels, rows, t.col_at(rows.astype(float)), 0.36 * t.width, slope)
        for t, (rows, _, slope) in zip(f.tracks, spans, strict=True)
    ]
    near = [
        slice(max(0, int(top - s[0][0])), int(bottom - s[0][0]) + 1)
        for s, top, bottom in zip(spans, f.tops, f.bottoms, strict=True)
    ]
    noises = [profile_noise(s[n].mean(axis=1)) for s, n in zip(strips, near, strict=True)]
    floor = float(np.median(noises))
    # A ladder's many bands are no noise.
    noises = [min(noise, _UNEVEN * floor) for noise in noises]
    found = [
        find_peaks(i, s, spans[i][1], noise=max(noises[i], 0.7 * floor, 0.3 * grid.step, 1e-9))
        for i, s in enumerate(strips)
    ]
    texture = structure_noise(
        [s[n].mean(axis=1) for s, n in zip(strips, near, strict=True)],
        [[replace(p, row=p.row - n.start) for p in own] for own, n in zip(found, near, strict=True)],
    )
    peaks = [replace(p, snr=min(p.snr, p.height / max(texture, 1e-9))) for own in found for p in own]
    peaks = group_peaks(peaks)
    inside = [p for p in peaks if near[p.lane].start <= p.row < near[p.lane].stop]
    kept = accept(inside, n_lanes=len(f.tracks), min_snr=settings.min_snr)
    return kept + _beyond(peaks, inside, kept, len(f.tracks), settings.min_snr), spans


def _beyond(peaks: list[Peak], inside: list[Peak], kept: list[Peak], n_lanes: int, min_snr: float) -> list[Peak]:
    """Rows away from the strip's clear ones: only what many lanes show, alike in height to the rest."""
    known = {p.group for p in inside}
    away = [p for p in peaks if p.group not in known and p.snr >= min_snr and p.likeness > 0.8]
    usual = float(np.median([p.width for p in kept])) if kept else 0.0
    rows: dict[int, list[Peak]] = {}
    for p in away:
        if 0.4 * usual < p.width < 2 * usual and abs(p.spread - 1) < 0.3:
            rows.setdefault(p.group, []).append(p)
    return [p for members in rows.values() if len(members) >= max(2, 0.6 * n_lanes) for p in members]


def grow(f: FoundStrip, kept: list[Peak], spans: list[Span]) -> FoundStrip:
    """Let the lanes reach over rows that were found beyond the strip's clear ones."""
    up, down = 0.0, 0.0
    for p in kept:
        y = spans[p.lane][0][0] + p.row
        up = max(up, f.tops[p.lane] + 2 * p.width - y)
        down = max(down, y + 2 * p.width - f.bottoms[p.lane])
    tops = tuple(max(t - up, min(t, f.limits[0])) for t in f.tops)
    bottoms = tuple(min(b + down, max(b, f.limits[1])) for b in f.bottoms)
    return replace(f, tops=tops, bottoms=bottoms)
