"""Exposure series on synthetic counts: five exposures, the longest two saturated, 2.5 decades of range.

Each band is a sum of pixels with photon noise, read noise and a 16-bit ceiling. Printed are the error of the fitted
rates and, beside it, what the single best exposure covers. Run: ``python tools/benchmarks/exposure_bench.py``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from blotquant.normalization.exposures import fit_exposure_series
from blotquant.tables import BAND_COLUMNS, make_table

TIMES = (1.0, 4.0, 16.0, 64.0, 256.0)
CEILING, OFFSET = 65535.0, 400.0
COUNTS_PER_ELECTRON, READ_NOISE = 5.0, 40.0  # a cooled camera: 8 electrons of read noise


def spot(height, width=30):
    """Expected counts a second of each pixel of one band."""
    rows, cols = np.mgrid[-12:13, -width // 2 : width // 2]
    return height * np.exp(-0.5 * (rows / 3.5) ** 2) / (1 + np.exp((np.abs(cols) - width / 3) / 1.5))


def photograph(rates, rng):
    """Band table over all exposures, and the true counts a second."""
    rows = []
    for lane, rate in enumerate(rates, 1):
        light = spot(rate)
        for t in TIMES:
            counts = COUNTS_PER_ELECTRON * rng.poisson(light * t / COUNTS_PER_ELECTRON) + rng.normal(
                OFFSET, READ_NOISE, light.shape
            )
            pixels = np.clip(np.rint(counts), 0, CEILING)
            volume = float((pixels - OFFSET).sum())
            rows.append({
                "image": f"{t:g}s", "blot": "1", "membrane": "1", "probe": "synthetic", "strip": 1, "lane": lane,
                "band": 1, "target": "synthetic", "exposure_s": t, "volume": volume,
                "volume_sd": float(np.sqrt(light.size * READ_NOISE**2 + COUNTS_PER_ELECTRON * max(volume, 0.0))),
                "flags": "saturated" if (pixels >= CEILING).any() else ""})  # fmt: skip
    return make_table(rows, BAND_COLUMNS), np.array([spot(rate).sum() for rate in rates])


def single_best(table, truth):
    """Bands of the one exposure that shows most of them unsaturated and within 3 % (by SD)."""
    best = None
    for t, frame in table.groupby("exposure_s"):
        good = (frame["flags"] == "") & (frame["volume_sd"] < 0.03 * frame["volume"])
        covered = truth[frame.loc[good, "lane"].to_numpy(dtype=int) - 1]
        if best is None or len(covered) > len(best[1]):
            best = (float(t), covered)
    return best


def decades(values):
    return float(np.log10(values.max() / values.min())) if len(values) else 0.0


def main():
    rng = np.random.default_rng(7)
    # The strongest saturates in the longest two of the five; the weakest is 2.5 decades below.
    rates = np.geomspace(2500 / 10**2.5, 2500, 60)
    table, truth = photograph(rates, rng)
    result = fit_exposure_series(table)
    error = np.abs(result["rate"].to_numpy() / truth - 1)
    inside = np.abs(result["rate"].to_numpy() - truth) <= 1.96 * result["rate_sd"].to_numpy()
    strong = pd.Series(table.loc[table["lane"] == len(rates), "flags"])
    exposure, covered = single_best(table, truth)
    print(f"{len(rates)} synthetic bands over {decades(truth):.2f} decades, exposures {TIMES} s")
    print(f"strongest band: {int((strong != '').sum())} of {len(TIMES)} exposures saturated")
    print(f"series: median error {np.median(error):.2%}, 90 % {np.quantile(error, 0.9):.2%}, worst {error.max():.2%}; "
          f"{inside.mean():.0%} of true rates within ±1.96 SE; range {decades(truth):.2f} decades")  # fmt: skip
    print(f"single best exposure ({exposure:g} s): {len(covered)} of {len(rates)} bands unsaturated with SD < 3 %, "
          f"range {decades(covered):.2f} decades")  # fmt: skip


if __name__ == "__main__":
    main()
