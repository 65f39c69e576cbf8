"""How far divisions of doublets are off in lanes that a speck or a scratch spoils, against their stated SD.

``python tools/benchmarks/spoilt_lanes.py [--n 40]``. Doublets of pictures like the sample study's, `n` plans of six
pictures each, in their true outlines. A lane is spoilt where its row's shape leaves over 5 % of its peak and more; it
is divided by the other lanes' shape. Errors and SDs are parts of the pair's volume.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sample_study import plan_study

from blotquant.doublets.split import resolve_doublets
from blotquant.quantification.bands import measure_bands
from blotquant.settings import IdentificationSettings
from blotquant.synthetic import make_blot

SPREADS = 2.5
"""Half height of the true outlines in SDs of a band."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=40, help="plans of the study, six pictures with doublets each")
    options = parser.parse_args()
    found = []
    shots = [shot for seed in range(1, options.n + 1) for shot in plan_study(seed).shots if "ERK" in shot.file]
    for shot in shots:
        blot = make_blot(shot.spec, seed=shot.seed)
        truth = blot.truth.bands.assign(band_id=blot.band_ids).set_index("band_id")
        signal = blot.image().signal()
        layout = resolve_doublets(signal, blot.true_layout(SPREADS), ceiling=blot.spec.camera.ceiling)
        spoilt = [b for b in layout.bands if b.split and b.split_sd >= IdentificationSettings().max_residual]
        pairs = {band.outline: [other for other in spoilt if other.outline == band.outline] for band in spoilt}
        measured = measure_bands(blot.image(), layout).set_index("band_id")["volume"] if pairs else None
        for pair in pairs.values():
            ids = [band.id for band in pair]
            if len(pair) == 2 and measured is not None and not truth.loc[ids, "saturated"].any():
                shares = (
                    measured[ids[0]] / measured[ids].sum(),
                    truth.loc[ids[0], "volume"] / truth.loc[ids, "volume"].sum(),
                )
                found.append((shares[0] - shares[1], pair[0].split_sd))
    errors, sds = np.array(found).reshape(-1, 2).T
    rms, largest = np.sqrt(np.mean(errors**2)), np.abs(errors).max()
    print(f"{len(shots)} pictures, {len(errors)} spoilt lanes")
    print(f"error RMS {rms:.1%}, largest {largest:.1%}; stated SD {np.median(sds):.1%}")
    print(f"inside 1.96 SDs {np.mean(np.abs(errors) <= 1.96 * sds):.1%}")


if __name__ == "__main__":
    main()
