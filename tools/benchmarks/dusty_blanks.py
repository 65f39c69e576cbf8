"""Pictures of an empty membrane with dust on it, and how many of them are given bands.

    python tools/benchmarks/dusty_blanks.py [--n 20] [--first 0]

Round and askew specks (few, many, large, small), fibres, hot pixels and small squares on an uneven membrane of any
size, in 16 and in 8 bits; n pictures of each kind. Prints the kind and how many of its pictures have a band.
"""

import argparse

import numpy as np
from scipy.ndimage import gaussian_filter

from blotquant.detection.picture import find_layout

SPECKS = {
    "few": (1.0, 3.0, (3, 12)),
    "many": (0.7, 3.0, (20, 150)),
    "large": (2.0, 8.0, (5, 40)),
    "small": (0.4, 1.0, (20, 150)),
}
"""Least and largest SD across a speck, px; how many there are."""
KINDS = (*SPECKS, "fibres", "hot pixels", "squares")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=20, help="pictures of each kind")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    options = parser.parse_args()
    total = 0
    for kind in KINDS:
        given = 0
        for seed in range(options.first, options.first + options.n):
            layout = find_layout(dusty_blank(kind, seed), ceiling=65535)
            given += any(band.status == "detected" for band in layout.bands)
        total += given
        print(f"{kind:12} {given} of {options.n} with bands", flush=True)
    print(f"all          {total} of {options.n * len(KINDS)} with bands")


def dusty_blank(kind, seed):
    """Counts of one picture, without a single band."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    height, width = int(rng.integers(150, 700)), int(rng.integers(200, 900))
    grid = np.mgrid[:height, :width]
    light = 1000 + 300 * 40 * gaussian_filter(rng.normal(0, 1, (height, width)), 40)
    if rng.random() < 0.5:  # the sheet ends within the picture
        inside = (abs(grid[0] / height - 0.5) < 0.4) & (abs(grid[1] / width - 0.5) < 0.42)
        light *= 0.4 + 0.6 * gaussian_filter(inside.astype(float), 2)
    if kind in SPECKS:
        least, most, number = SPECKS[kind]
        for _ in range(int(rng.integers(*number))):
            across, long = rng.uniform(least, most), rng.uniform(1, 2.5)
            u, v = _turned(grid, rng)
            light += rng.lognormal(np.log(1500), 0.9) * np.exp(-(u**2 / (across * long) ** 2 + v**2 / across**2) / 2)
    elif kind == "fibres":
        for _ in range(int(rng.integers(3, 15))):
            u, v = _turned(grid, rng)
            bent = v + rng.uniform(-0.01, 0.01) * u**2
            light += rng.lognormal(np.log(800), 0.6) * np.exp(-(bent**2) / 2.9) * (abs(u) < rng.uniform(4, 30))
    elif kind == "hot pixels":
        n = int(rng.integers(5, 400))
        light[rng.integers(0, height, n), rng.integers(0, width, n)] += rng.lognormal(8, 0.8, n)
    else:
        for _ in range(int(rng.integers(5, 60))):
            row, col = rng.integers(0, height - 8), rng.integers(0, width - 8)
            high, wide = rng.integers(1, 8, 2)
            light[row : row + high, col : col + wide] += rng.uniform(300, 20_000)
    counts = np.clip(np.round(rng.poisson(np.clip(light, 0, None)) + rng.normal(100, 5, light.shape)), 0, 65535)
    if seed % 3 == 2:
        low, high = counts.min(), np.percentile(counts, 99.97)
        counts = np.round(255 * np.clip((counts - low) / (high - low), 0, 1))
    return counts


def _turned(grid, rng):
    """Distances from a random place along and across a random direction."""
    down, right = (axis - rng.uniform(0, n) for axis, n in zip(grid, grid.shape[1:], strict=True))
    angle = rng.uniform(0, np.pi)
    return down * np.sin(angle) + right * np.cos(angle), down * np.cos(angle) - right * np.sin(angle)


if __name__ == "__main__":
    main()
