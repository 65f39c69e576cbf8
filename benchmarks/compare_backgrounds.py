"""Compare the background methods on synthetic blots with exact truth, and print what each makes of them.

    python benchmarks/compare_backgrounds.py [--seeds N]

Error: |volume / (common scale x true volume) - 1| over bands with a true SNR of 10 or more, the scale being the
median ratio of a picture. Coverage: share of true volumes (as far as they lie in the aperture) within 1.96 SD.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from blotquant.background import BACKGROUNDS
from blotquant.measure import measure_bands
from blotquant.settings import WeighingSettings
from blotquant.synthetic import (
    BlotSpec,
    CameraSpec,
    DebrisSpec,
    LaneSpec,
    RowSpec,
    StripSpec,
    SurfaceSpec,
    SyntheticBlot,
    make_blot,
)


def blot(kind: str, seed: int) -> SyntheticBlot:
    """One synthetic blot of a kind: the same scene for every method."""
    rng = np.random.default_rng([seed, sum(map(ord, kind))])
    n_lanes, shape = int(rng.integers(6, 13)), (240, 420)
    pitch = shape[1] / (n_lanes + 0.6)
    dense, hard = kind == "dense", kind not in ("easy",)
    fill = rng.uniform(0.65, 0.85)
    smear = rng.uniform(5, 40) if kind in ("smear", "hard") else 0.0
    lanes = tuple(LaneSpec(center=pitch * (k + 0.8), width=pitch * fill, smear=smear) for k in range(n_lanes))
    places = [60, 78, 96, 120, 132, 170, 190] if dense else [70, 120, 185]
    sigma = rng.uniform(2.5, 4)
    rows = tuple(
        RowSpec(
            target=f"t{j}",
            row=row + rng.uniform(-4, 4),
            sigma=sigma,
            tail=0.4 * hard,
            volumes=tuple(
                float(v)
                for v in np.where(rng.random(n_lanes) < 0.1, 0, np.exp(rng.normal(10.5, 1.2, n_lanes)))
            ),
        )
        for j, row in enumerate(places)
    )
    strip = StripSpec(
        box=(12, 228, 6, 414),
        lanes=lanes,
        rows=rows,
        level=float(rng.uniform(100, 800)),
        tilt_deg=float(rng.normal(0, 1)) * hard,
        irregular=0.7 * hard,
        ragged_px=2.0,
    )
    surface = {
        "easy": SurfaceSpec(base=50, gradient=(30, 40)),
        "haze": SurfaceSpec(base=50, gradient=(100, 80), haze=12, haze_px=60),
        "glow": SurfaceSpec(base=50, gradient=(30, 40), glow=0.15, glow_px=12),
        "smear": SurfaceSpec(base=50, gradient=(30, 40)),
        "dense": SurfaceSpec(base=50, gradient=(30, 40), haze=8),
        "hard": SurfaceSpec(
            base=50, gradient=(100, 80), haze=12, haze_px=50, texture=0.02, glow=0.1, glow_px=10
        ),
    }[kind]
    debris = DebrisSpec(specks=6, dust=6, bubbles=1, scratches=1) if kind == "hard" else DebrisSpec()
    camera = CameraSpec(noise_px=0.6 if kind == "hard" else 0.0)
    return make_blot(
        BlotSpec(shape=shape, strips=(strip,), surface=surface, debris=debris, camera=camera), seed=seed
    )


KINDS = ("easy", "haze", "glow", "smear", "dense", "hard")


def errors(scene: SyntheticBlot, method: str) -> pd.DataFrame:
    """Volume, SD and truth of every band of one picture by one method."""
    layout, image = scene.true_layout(), scene.image()
    table = measure_bands(image, layout, settings=WeighingSettings(background=method))
    truth = scene.truth.bands.assign(
        band_id=[
            f"s{s}l{l}r{r}" for s, l, r in scene.truth.bands[["strip", "lane", "row"]].itertuples(index=False)
        ]
    )
    table = table.merge(
        truth[["band_id", "volume", "snr", "sd_limit"]].rename(columns={"volume": "true", "snr": "true_snr"}),
        on="band_id",
    )
    table["inside"] = true_in_aperture(scene, layout)
    return table


def true_in_aperture(scene, layout):
    """True counts of all bands that lie in each aperture."""
    from blotquant.coverage import area_weights

    out = []
    for band in layout.bands:
        box, weights = area_weights(band.outline, scene.pixels.shape)
        out.append(float((weights * scene.truth.signal[box.slices]).sum()))
    return out


def score(tables):
    """Median and 90th percentile error, coverage, seconds."""
    rel, cover, cover_easy, weak = [], [], [], []
    for t in tables:
        strong = t[t["true_snr"] >= 10]
        ratio = strong["volume"] / strong["true"]
        scale = ratio.median()
        rel.append((ratio / scale - 1).abs())
        z = (t["volume"] - t["inside"]) / t["volume_sd"]
        zs = (t["volume"] - scale * t["true"]) / t["volume_sd"]
        cover.append(z.abs() < 1.96)
        cover_easy.append(zs.abs() < 1.96)
        empty = t[t["true"] == 0]
        weak.append((empty["volume"] - empty["inside"]) / empty["sd_limit"])
    rel, cover, cs, weak = (pd.concat(x) for x in (rel, cover, cover_easy, weak))
    return dict(
        median_error=rel.median() * 100,
        p90=rel.quantile(0.9) * 100,
        covered_inside=cover.mean(),
        covered_scaled=cs.mean(),
        empty_bias=weak.median(),
        empty_sd=weak.std(),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--methods", nargs="*", default=[m for m in BACKGROUNDS if m != "none"])
    args = parser.parse_args()
    scenes = {k: [blot(k, s) for s in range(args.seeds)] for k in KINDS}
    rows = []
    for kind in KINDS:
        for m in args.methods:
            t0 = time.perf_counter()
            tabs = [errors(s, m) for s in scenes[kind]]
            rows.append(
                {"kind": kind, "method": m, **score(tabs), "ms": 1e3 * (time.perf_counter() - t0) / len(tabs)}
            )
    print(pd.DataFrame(rows).to_string(index=False, float_format=lambda v: f"{v:.3g}"))
