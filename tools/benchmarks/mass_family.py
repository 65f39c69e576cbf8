"""Whether masses hold in every lane of straight, tilted and smiling gels, wherever the ladder stands.

Rendered gels of ten lanes: straight, tilted by 6° either way, smiling; the ladder in the first, a middle, the last lane
or at both sides; 1 to 8 proteins in the samples. Each is found, its proteins are named by their masses, and every band
is held against the truth: how far is its mass off, and does any band bear another protein's name?

Usage: ``python tools/benchmarks/mass_family.py [--every K] [--seed SEED]``
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from blotquant.analysis import Picture, analyze_membrane
from blotquant.detection.lane_ties import Expected
from blotquant.identification.targets import Naming, Target
from blotquant.model.image import BlotImage
from blotquant.synthetic import make_blot
from blotquant.synthetic.spec import BlotSpec, CameraSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec

N_LANES = 10
LADDER_KDA = (250.0, 150.0, 100.0, 75.0, 50.0, 37.0, 25.0, 20.0)
PROTEINS_KDA = (60.0, 42.0, 117.0, 31.0, 84.0, 50.5, 23.0, 170.0)
COURSES = {"straight": {}, "+6°": {"tilt_deg": 6.0}, "-6°": {"tilt_deg": -6.0}, "smile": {"smile_px": 18.0}}
LADDERS = ((1,), (5,), (10,), (1, 10))
ROWS = (1, 2, 4, 8)
ALLOWED = 0.03
"""Part by which a mass may be off."""


@dataclass(frozen=True)
class Gel:
    """One gel of the family."""

    course: str
    ladders: tuple[int, ...]
    n_rows: int


def row_of(kda: float) -> float:
    """Row at which a mass runs: nearly linear in its logarithm."""
    share = np.log(LADDER_KDA[0] / kda) / np.log(LADDER_KDA[0] / LADDER_KDA[-1])
    return 100 + 300 * (0.9 * float(share) + 0.1 * float(share) ** 2)


def misses(gel: Gel, seed: int) -> tuple[pd.Series, int, int]:
    """Part by which the mass of each named band is off; bands with another protein's name; lanes without a band."""
    rng = np.random.default_rng(seed)
    lanes = tuple(
        LaneSpec(center=75 + 62 * k, width=44, role="ladder" if k + 1 in gel.ladders else "sample")
        for k in range(N_LANES)
    )
    rows = []
    for masses, role, height in ((PROTEINS_KDA[: gel.n_rows], "sample", 30_000.0), (LADDER_KDA, "ladder", 15_000.0)):
        for kda in masses:
            volumes = tuple(float(height * rng.lognormal(0, 0.4)) if lane.role == role else None for lane in lanes)
            name = "ladder" if role == "ladder" else f"p{kda:g}"
            rows.append(RowSpec(target=name, mw_kda=kda, row=row_of(kda), sigma=3.2, volumes=volumes))
    strip = StripSpec(
        box=(60, 440, 30, 680), lanes=lanes, rows=tuple(rows), level=30, irregular=0.3, **COURSES[gel.course]
    )
    spec = BlotSpec(
        shape=(500, 710), strips=(strip,), surface=SurfaceSpec(base=5), camera=CameraSpec(offset=200, read_noise=15)
    )
    made = make_blot(spec, seed=seed)
    truth = made.truth.bands[made.truth.bands["target"] != "ladder"]
    image = BlotImage(pixels=made.pixels, polarity="bright", ceiling=65535, white=0.0)
    targets = tuple(Target(f"p{kda:g}", (kda,)) for kda in PROTEINS_KDA[: gel.n_rows])
    roles = {k + 1: lane.role for k, lane in enumerate(lanes)}
    (found,) = analyze_membrane(
        [Picture(image=image, naming=Naming(targets=targets, ladder=LADDER_KDA))],
        expected=Expected(n_lanes=N_LANES, roles=roles),
    )
    named = found.bands[found.bands["target"].notna()]
    both = truth.merge(named, on=["lane", "target"], how="left", suffixes=("_true", ""))
    missing = int(both["peak_row"].isna().sum())
    both = both.dropna(subset=["peak_row"])
    exchanged = int(((both["peak_row"] - both["peak_row_true"]).abs() > 8).sum())
    return (both["mw_kda"] / both["mw_kda_true"] - 1).abs(), exchanged, missing


def main() -> None:
    """Print the worst mass of each gel that is off, and the family's figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="only every K-th gel of the family")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    gels = [Gel(*one) for one in itertools.product(COURSES, LADDERS, ROWS)][:: asked.every]
    errors, exchanged, missing, good = [], 0, 0, 0
    for k, gel in enumerate(gels):
        off, swapped, lost = misses(gel, asked.seed + k)
        errors.append(off)
        exchanged, missing = exchanged + swapped, missing + lost
        fine = len(off) > 0 and float(off.max()) <= ALLOWED and not swapped and not lost
        good += fine
        if not fine:
            worst = float(off.max()) if len(off) else np.nan
            print(f"{gel}: worst mass off by {worst:.1%}, {swapped} exchanged, {lost} without a band", flush=True)
    off = pd.concat(errors)
    print(
        f"{len(gels)} gels, {len(off)} bands: {good} gels with every mass within {ALLOWED:.0%}; masses off by "
        f"{off.median():.2%} (median), {off.quantile(0.99):.2%} (99th percentile), {off.max():.2%} (worst); "
        f"{exchanged} bands with another protein's name, {missing} lanes without a band"
    )


if __name__ == "__main__":
    main()
