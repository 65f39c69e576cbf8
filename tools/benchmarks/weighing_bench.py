"""Score weighing on graded suites of synthetic blots: volumes against truth inside the true outlines.

    python tools/benchmarks/weighing_bench.py --n 25 --methods local lane

Every picture has one common scale (the median of measured / true over its bands of SNR >= 10 that touch no other): an
aperture holds a fixed share of a band. Saturated and hollow bands are left out. Doublets have lines of their own: they
are taken apart as the program does it, and those that it does not take apart are left out (and counted). SNR is the
truth's. "limit" is the scatter of volumes in units of photon and read noise under a known background; "grain" that with
the membrane's grain under the outline; "best" that with a level that has to be learnt from free pixels, by the best
linear unbiased estimate that knows the scene's true covariances (`level_limit.py`); none counts debris, halo or what an
outline cuts off. "inside" is the share of true volumes within +-1.96 of the
stated SDs, "all" that over all bands of SNR >= 3 and absent ones. The method "known" takes off the true background,
haze and debris included, and the other bands' light: what is left is noise and the unequal shares that one aperture
holds. "known+glow" leaves the other bands' light, their halo above all, in.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import get_args

import numpy as np
import pandas as pd
from graded_suites import DIFFICULTIES, graded_suite
from level_limit import level_sd

from blotquant.doublets.split import resolve_doublets
from blotquant.model.geometry import Layout, area_weights
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.prepared_image import find_background_pixels
from blotquant.settings import QuantificationSettings
from blotquant.synthetic import SyntheticBlot

METHODS = get_args(QuantificationSettings.model_fields["background"].annotation)
KNOWN = ("known", "known+glow")
CLASSES = (("SNR >= 10", 10.0, np.inf), ("SNR 3-10", 3.0, 10.0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=25, help="blots of each difficulty")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--difficulty", choices=DIFFICULTIES, action="append")
    parser.add_argument("--methods", nargs="+", choices=(*METHODS, *KNOWN), default=[*KNOWN, METHODS[0]])
    parser.add_argument(
        "--spreads", type=float, default=2.5, help="half height of the true outlines in SDs of the band"
    )
    options = parser.parse_args()
    print(
        f"{'':8}{'background':14}{'class':12}{'doublet':9}{'n':>6}"
        f"{'median':>9}{'p90':>9}{'bias':>9}{'limit':>8}{'grain':>8}{'best':>8}{'inside':>9}"
    )
    for difficulty in options.difficulty or DIFFICULTIES:
        blots = list(graded_suite(difficulty, options.n, options.seed))
        for method in options.methods:
            start = time.perf_counter()
            table = pd.concat([weigh(blot, method, options.spreads) for blot in blots], ignore_index=True)
            seconds = (time.perf_counter() - start) / len(blots)
            report(difficulty, method, table)
            print(f"{'':22}{seconds:.3f} s a picture")
    return 0


def weigh(blot: SyntheticBlot, method: str, spreads: float) -> pd.DataFrame:
    """Measure one picture in its true outlines and set the volumes beside the true ones, on one scale."""
    layout = blot.true_layout(spreads)
    bounds = limits(blot, layout)
    if method in KNOWN:
        measured = weigh_known(blot, layout, glow=method == "known+glow")
    else:
        layout = resolve_doublets(blot.image().signal(), layout, ceiling=blot.spec.camera.ceiling)
        measured = measure_bands(blot.image(), layout, settings=QuantificationSettings(background=method))
    divided = {band.id for band in layout.bands if band.split}
    truth = blot.truth.bands
    table = truth.assign(band_id=blot.band_ids).merge(
        measured[["band_id", "volume", "volume_sd", "flags"]].rename(columns={"volume": "measured"}),
        on="band_id", validate="one_to_one",
    )  # fmt: skip
    table = table.merge(bounds, on="band_id")
    table["doublet"] = table["target"].str.contains("_major|_minor")
    clean = table[~table["saturated"] & (table["hollow"] == 0)]
    clean = clean.assign(
        undivided=clean["doublet"] & ~clean["band_id"].isin(divided) & (method not in KNOWN),
    )
    touching = clean["flags"].str.contains("touches_neighbour", na=False)
    anchors = clean[(clean["snr"] >= 10) & ~clean["doublet"] & ~touching]
    if anchors.empty:
        anchors = clean[clean["snr"] >= 3]
    scale = (anchors["measured"] / anchors["volume"]).median() if len(anchors) else 1.0
    return clean.assign(
        difference=clean["measured"] / scale - clean["volume"], sd=clean["volume_sd"] / scale, seed=blot.seed
    )


def limits(blot: SyntheticBlot, layout: Layout) -> pd.DataFrame:
    """SDs that no weighing of these outlines can beat, by band, in counts.

    `sd_limit` knows the level and counts photons and readout; `sd_grain` has the membrane's grain under the outline;
    `sd_best` the best estimate of the level.
    """
    usable = find_background_pixels(blot.image().signal(), layout, 0.0).usable
    surface, lines = blot.spec.surface, []
    truth = blot.truth.bands.assign(band_id=blot.band_ids).set_index("band_id")
    for band in layout.bands:
        limit = float(truth.loc[band.id, "sd_limit"])
        strip = blot.spec.strips[int(truth.loc[band.id, "strip"]) - 1]
        n = float(area_weights(band.outline, blot.pixels.shape)[1].sum())
        # Grain is white noise smoothed by a Gaussian: over a wide aperture it adds up like so many more pixels.
        grain = (surface.texture * strip.level * blot.spec.exposure_s) ** 2 * 4 * np.pi * surface.texture_px**2
        known = limit**2 + n * grain
        best = known + (n * level_sd(blot, layout, band, usable)) ** 2
        lines.append((band.id, float(np.sqrt(known)), float(np.sqrt(best))))
    return pd.DataFrame(lines, columns=["band_id", "sd_grain", "sd_best"])


def weigh_known(blot: SyntheticBlot, layout: Layout, *, glow: bool) -> pd.DataFrame:
    """Weigh with the true background taken off; without `glow` also the light of all other bands."""
    excess = blot.image().signal() - blot.truth.background
    limits = dict(zip(blot.band_ids, blot.truth.bands["sd_limit"], strict=True))
    lines = []
    for band in layout.bands:
        box, weights = area_weights(band.outline, blot.pixels.shape)
        own = excess[box.slices]
        if not glow:
            own = own - blot.truth.signal[box.slices] + blot.light_of(band.id)[box.slices]
        lines.append((band.id, float((weights * own).sum()), limits[band.id], ""))
    return pd.DataFrame(lines, columns=["band_id", "volume", "volume_sd", "flags"])


def report(difficulty: str, method: str, table: pd.DataFrame) -> None:
    left_out = int(table["undivided"].sum())
    table = table[~table["undivided"]]
    for doublet in (False, True):
        for name, low, high in CLASSES:
            own = table[(table["doublet"] == doublet) & (table["snr"] >= low) & (table["snr"] < high)]
            if len(own) >= 3:
                cells = _cells(own)
                print(f"{difficulty:8}{method:14}{name:12}{'yes' if doublet else 'no':9}{len(own):6d}{cells}")
    every = table[(table["snr"] >= 3) | ~table["present"]]
    inside = (every["difference"].abs() <= 1.96 * every["sd"]).mean()
    print(
        f"{difficulty:8}{method:14}{'all':21}{len(every):6d}   inside: {inside:.1%}; {left_out} of doublets undivided"
    )
    absent = table[~table["present"]]
    if len(absent):
        above = (absent["difference"] > 3 * absent["sd"]).mean()
        print(f"{difficulty:8}{method:14}{'absent':12}{'':9}{len(absent):6d}   above 3 SD: {above:.1%}")


def _cells(own: pd.DataFrame) -> str:
    error = own["difference"] / own["volume"]
    bounds = (1.4826 * (own["difference"] / own[name]).abs().median() for name in ("sd_limit", "sd_grain", "sd_best"))
    inside = (own["difference"].abs() <= 1.96 * own["sd"]).mean()
    ends = "".join(f"{bound:8.2f}" for bound in bounds) + f"{inside:9.1%}"
    return f"{error.abs().median():9.2%}{error.abs().quantile(0.9):9.2%}{error.median():+9.2%}{ends}"


if __name__ == "__main__":
    sys.exit(main())
