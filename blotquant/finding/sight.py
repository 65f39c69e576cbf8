"""The picture as it is searched: a coarse copy, and what the network sees in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.finding.network import MULTIPLE, load_network, run_network
from blotquant.finding.noise import FloatArray, block_average, levels_of

MOST = 200_000
"""Pixels of the coarse copy at the most."""
_AROUND = (31, 15)
"""Rows and columns over which a pixel's surroundings are averaged: higher and wider than most bands."""

# Compressed height above the surroundings, ten noise SDs, and share of the picture that stands out so far.
_CLEAR, _MUCH = float(np.arcsinh(5.0) / 4), 0.002


@dataclass(frozen=True, slots=True)
class Sight:
    """What the network sees in a coarse copy.

    Attributes
    ----------
    bands : ndarray, shape (H, W)
        Chance that a coarse pixel lies in the core of a band.
    lanes : ndarray, shape (h, w)
        Chance that a place lies on the lanes of a strip; one place stands for 2 × 2 coarse pixels.
    phase : ndarray of complex, shape (h, w)
        Place across the lanes: its angle is a whole turn from one lane's middle to the next, 0 there.
    share : ndarray, shape (h, w)
        Width of the lane over the distance to its nearer neighbour.
    """

    bands: FloatArray
    lanes: FloatArray
    phase: NDArray[np.complex64]
    share: FloatArray


@dataclass(frozen=True)
class Grid:
    """The coarse copy: averages of blocks of `fy` × `fx` pixels; the picture itself, and levels of its counts."""

    full: NDArray[np.floating[Any]]
    pixels: FloatArray
    fy: int
    fx: int
    levels: NDArray[np.floating[Any]]

    @cached_property
    def step(self) -> float:
        """Smallest distance between two levels; 0 where all pixels are equal."""
        return float(np.diff(self.levels).min()) if len(self.levels) > 1 else 0.0

    @cached_property
    def sight(self) -> Sight:
        """What the network sees in it."""
        return look(self.pixels)

    def to_full(self, row: float, col: float) -> tuple[float, float]:
        """Centre of a coarse pixel on the picture's own grid."""
        return row * self.fy + (self.fy - 1) / 2, col * self.fx + (self.fx - 1) / 2


def make_grid(signal: NDArray[np.floating]) -> Grid:
    """Average a picture down to at most `MOST` pixels, columns by twice as much as rows: bands are wider than high."""
    fy, fx = blocks_of((signal.shape[0], signal.shape[1]))
    return Grid(signal, block_average(signal, fy, fx), fy, fx, levels_of(signal))


def blocks_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the blocks that are averaged."""
    fy, widest = 1, max(1, shape[1] // 100)
    while (shape[0] // fy) * (shape[1] // min(2 * fy, widest)) > MOST:
        fy += 1
    return fy, min(2 * fy, widest)


def channels_of(pixels: NDArray[np.floating]) -> FloatArray:
    """Three views of a coarse copy, the same for any factor on the counts and any offset.

    Parameters
    ----------
    pixels : ndarray, shape (H, W)
        Counts, bands bright.

    Returns
    -------
    ndarray, shape (3, H, W)
        Height above the darkest in noise SDs, compressed; height above the surroundings likewise; height above the
        darkest as a share of the range.
    """
    counts = np.asarray(pixels, dtype=np.float64)
    low, high = np.percentile(counts[::2, ::2], [5, 99.5])
    rough = counts[2:] - 2 * counts[1:-1] + counts[:-2]
    noise = float(np.median(np.abs(rough))) / 0.6745 / np.sqrt(6)
    noise = max(noise, 1e-4 * (high - low), 1e-12)
    around = ndimage.uniform_filter1d(counts, _AROUND[0], axis=0, mode="nearest")
    around = ndimage.uniform_filter1d(around, _AROUND[1], axis=1, mode="nearest")
    above = counts - low
    return np.stack(
        [
            np.arcsinh(above / (4 * noise)) / 4,
            np.arcsinh((counts - around) / (2 * noise)) / 4,
            np.clip(above / max(high - low, 1e-12), -0.5, 1.5),
        ]
    ).astype(np.float32)


def look(pixels: FloatArray) -> Sight:
    """Let the network look at a coarse copy; beyond its lower and right edge the last pixels are repeated."""
    height, width = pixels.shape
    room = [(0, 0), (0, -height % MULTIPLE), (0, -width % MULTIPLE)]
    bands, lanes = run_network(load_network(), np.pad(channels_of(pixels), room, mode="edge"))
    lanes = lanes[: -(-height // 2), : -(-width // 2)]
    return Sight(
        bands=_chance(bands[:height, :width]),
        lanes=_chance(lanes[..., 0]),
        phase=(lanes[..., 1] + np.complex64(1j) * lanes[..., 2]).astype(np.complex64),
        share=lanes[..., 3],
    )


def _chance(log_odds: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))), dtype=np.float32)


def shows_something(grid: Grid) -> bool:
    """Whether much of a picture stands out clearly from its surroundings, be it bands or not."""
    return bool(np.mean(channels_of(grid.pixels)[1] > _CLEAR) > _MUCH)
