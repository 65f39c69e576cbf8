"""Single bands of stained lanes against the truth: what own rows do where others light their feet.

    python tools/benchmarks/own_rows.py

The sample study's total-protein stains hold 34 sharp proteins a lane and five broad smears. Whole lanes are what a
stain is for, but a band of one may be taken for a loading control. Each band that is found is held against the light
of all sharp proteins inside its outline. Printed: the median and the 90th percentile of the relative error, the share
inside ±1.96 SD, how many bear no flag, and how many of these are off by more than a fifth; with own rows
(`blotquant.quantification.background.row_shapes`), with own rows but without the rule that they agree with the rows
around, and without them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import blotquant as bq
from blotquant.model.geometry import area_weights
from blotquant.quantification.background import local, row_shapes
from blotquant.synthetic import make_blot

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from sample_study import plan_study

BROAD_PX = 15.0
"""Smears have SDs of more along the lane, sharp proteins of 1.4 to 3.2."""


def bands() -> np.ndarray:
    """Volume, SD, light of the sharp proteins, and 1 where no flag is set, of every band found."""
    found = []
    for shot in plan_study().shots:
        if "total_protein" not in shot.file:
            continue
        blot = make_blot(shot.spec)
        rows = blot.truth.bands.assign(band_id=blot.band_ids)
        rows = rows[(rows["target"] == "total_protein") & (rows["sigma_along"] < BROAD_PX)]
        sharp = np.sum([blot.light_of(band_id) for band_id in rows["band_id"]], axis=0)
        analysis = bq.analyze(blot.image())
        measured = analysis.bands.set_index("band_id")
        ladders = {lane.id for lane in analysis.layout.lanes if lane.number == 1}
        for band in analysis.layout.bands:
            row = measured.loc[band.id]
            if band.lane in ladders or row["status"] != "detected":
                continue
            box, weights = area_weights(band.outline, sharp.shape)
            clean = not isinstance(row.at["flags"], str) or not row.at["flags"]
            found.append((row["volume"], row["volume_sd"], float((weights * sharp[box.slices]).sum()), clean))
    return np.array(found, dtype=float)


def main() -> None:
    agreed, uneven = local.MOST_APART, row_shapes.UNEVEN
    for name, apart, least in (("own rows", agreed, uneven), ("any", np.inf, uneven), ("none", agreed, np.inf)):
        local.MOST_APART, row_shapes.UNEVEN = apart, least
        volume, sd, true, clean = bands().T
        error = np.abs(volume / true - 1)
        inside = np.abs(volume - true) <= 1.96 * sd
        silent = (clean > 0) & (error > 0.2)
        print(
            f"{name:9} {len(error)} bands: error median {np.median(error):.1%}, p90 {np.quantile(error, 0.9):.1%}; "
            f"inside {inside.mean():.1%}; no flag {int(clean.sum())}, of these off by a fifth {int(silent.sum())}"
        )


if __name__ == "__main__":
    main()
