"""Compare the background methods on synthetic blots with exact truth, and print what each makes of them.

    python benchmarks/compare_backgrounds.py [--blots N] [--seed S]

Bands lie where they truly are. Left out are saturated and hollow ones, and those whose outline holds more than 6 % of
other bands' light. Error: |volume / (scale x true volume) - 1| at a true SNR of 10 or more, with one scale a picture.
Covered: share of (scale x true volume) within 1.96 SD of the volume.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from blotquant.background import BACKGROUNDS
from blotquant.measure import measure_bands
from blotquant.scene import aperture_of
from blotquant.settings import WeighingSettings
from blotquant.synthetic import SyntheticBlot
from blotquant.synthetic.suite import DIFFICULTIES, graded_suite


def truth_of(blot: SyntheticBlot) -> pd.DataFrame:
    """True volume, SNR and what else lies in the outline, by band id."""
    layout, bands = blot.true_layout(), blot.truth.bands
    ids = [f"s{s}l{lane}r{row}" for s, lane, row in bands[["strip", "lane", "row"]].itertuples(index=False)]
    truth = bands.assign(band_id=ids)[["band_id", "volume", "snr", "sd_limit", "saturated", "hollow"]]
    apertures = {band.id: aperture_of(band, layout, blot.pixels.shape) for band in layout.bands}
    inside = {key: float((a.weights * blot.truth.signal[a.box.slices]).sum()) for key, a in apertures.items()}
    truth["foreign"] = truth["band_id"].map(inside) - truth["volume"]
    return truth.rename(columns={"volume": "true_volume", "snr": "true_snr"})


def weigh(blot: SyntheticBlot, truth: pd.DataFrame, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Relative errors of strong bands, and deviations of all bands in SDs."""
    table = measure_bands(blot.image(), blot.true_layout(), settings=WeighingSettings(background=method))
    table = table.merge(truth, on="band_id")
    alone = table["foreign"].abs() < 0.06 * table["true_volume"] + 3 * table["sd_limit"]
    table = table[alone & ~table["saturated"] & (table["hollow"] == 0)]
    strong = table[table["true_snr"] >= 10]
    ratio = strong["volume"] / strong["true_volume"]
    scale = ratio.median() if len(ratio) else np.nan
    z = (table["volume"] - scale * table["true_volume"]) / table["volume_sd"]
    return (ratio / scale - 1).abs().to_numpy(), z.dropna().to_numpy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--blots", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for difficulty in DIFFICULTIES:
        blots = [(blot, truth_of(blot)) for blot in graded_suite(difficulty, args.blots, args.seed)]
        for name in BACKGROUNDS:
            start = time.process_time()
            errors, z = (
                np.concatenate(part) for part in zip(*(weigh(b, t, name) for b, t in blots), strict=True)
            )
            took = (time.process_time() - start) / len(blots)
            print(
                f"{difficulty:7s} {name:13s} median error {np.median(errors):7.2%}  90th percentile "
                f"{np.quantile(errors, 0.9):8.1%}  covered {np.mean(np.abs(z) < 1.96):6.1%}  {took * 1e3:5.0f} ms"
            )
