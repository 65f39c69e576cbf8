"""Doublets on synthetic profiles: how often they are taken apart, and how right the minor band then is.

Eight lanes a row, ratio and height varying between lanes, each lane a little off the row, a sloping background. The SNR
is the strongest lane's peak over the noise of one sample of the profile. Run:
``python tools/benchmarks/doublet_bench.py``.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from blotquant.doublets.fit import fit_doublet

SEPARATIONS = (0.0, 1.0, 1.25, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
RATIOS = (1, 3, 10)
SNRS = (50, 200, 1000)


def make_row(separation, ratio, snr, rng, *, sigma=4.0, n_lanes=8):
    """Profiles, noise SDs and true areas (upper, lower) of one row."""
    x = np.arange(49) - 24.0
    upper = ratio * np.exp(rng.normal(0, 0.2, n_lanes))
    total = rng.uniform(0.3, 1, n_lanes)[:, None] * 1e5
    areas = total * np.column_stack([upper, np.ones(n_lanes)]) / (1 + upper[:, None])
    shifts = rng.normal(0, 0.2, n_lanes)[:, None]
    profiles = 2000 + rng.normal(0, 20, (n_lanes, 1)) * x
    for k, side in enumerate((-0.5, 0.5)):
        u = (x - shifts - side * separation * sigma) / sigma
        profiles = profiles + areas[:, k, None] * np.exp(-0.5 * u**2) / (sigma * np.sqrt(2 * np.pi))
    sd = np.ptp(profiles, axis=1).max() / snr
    return profiles + rng.normal(0, sd, profiles.shape), np.full(n_lanes, sd), areas


def run(n_rows):
    print(f"{'sep/σ':>6} {'ratio':>5} {'SNR':>5} {'accepted':>9} {'minor band: median':>19} {'90 %':>7}")
    errors, elapsed, fitted, below = [], 0.0, 0, 0
    for separation in SEPARATIONS:
        for ratio in RATIOS:
            for snr in SNRS:
                rng = np.random.default_rng([int(100 * separation), ratio, snr])
                cell, accepted = [], 0
                for _ in range(n_rows):
                    profiles, sds, areas = make_row(separation, ratio, snr, rng)
                    start = time.perf_counter()
                    fit = fit_doublet(profiles, sds)
                    elapsed, fitted = elapsed + time.perf_counter() - start, fitted + 1
                    if fit.accepted:
                        accepted += 1
                        minor = int(areas.sum(axis=0).argmin())
                        cell.extend(np.abs(fit.areas[:, minor] / areas[:, minor] - 1))
                below += accepted if separation < 1.5 else 0
                errors += cell if separation >= 1.5 else []
                shown = f"{np.median(cell):>18.1%} {np.quantile(cell, 0.9):>8.1%}" if cell else ""
                print(f"{separation:>6.2f} {ratio:>4}:1 {snr:>5} {accepted / n_rows:>9.0%} {shown}")
    print(f"\nminor band's area where accepted, 1.5 to 4 sigma: median error {np.median(errors):.1%}")
    print(f"accepted below 1.5 sigma: {below}")
    print(f"{elapsed / fitted * 1e3:.1f} ms a row of eight lanes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20, help="rows a cell of the grid")
    run(parser.parse_args().rows)
