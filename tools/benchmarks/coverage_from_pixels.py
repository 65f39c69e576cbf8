"""Coverage of the 95 % intervals of ratios and fold changes, from pixels on.

Every simulated study is three blots of two synthetic pictures (numerator and denominator on one membrane) that are
weighed over their true outlines, normalised and compared as `blotquant run` does. Lanes differ in loading, replicates
in biology; both are known exactly. Finding lanes and bands has benches of its own.

    python tools/benchmarks/coverage_from_pixels.py [STUDIES]

prints how often the interval of a single ratio (measurement error only) holds the ratio of the true volumes, and how
often the interval of a fold change (over blots) holds the fold change that the study was drawn from.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from blotquant.experiment.design import Experiment
from blotquant.experiment.read import read_experiment
from blotquant.normalization.normalize import normalize
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.lanes import measure_lanes
from blotquant.statistics.compare import compare
from blotquant.synthetic import CameraSpec, SurfaceSpec, make_blot, plain_spec

CONDITIONS = {"control": 1.0, "drug A": 2.0, "drug B": 0.5, "drug C": 1.3}
N_BLOTS, BIOLOGICAL_CV, LOADING_CV = 3, 0.2, 0.15
PROBES = ("pX", "X")
SHAPE = (140, 260)
SURFACES = {
    "even background": SurfaceSpec(base=300),
    "clouded, tilted background": SurfaceSpec(base=300, gradient=(60, 40), haze=15, texture=0.01),
}


def write_experiment(folder: Path) -> Experiment:
    """Declare the study once: all simulated ones share it."""
    lines = ['name = "coverage"', 'samples = "samples.csv"']
    sheet = ["blot,lane,sample,condition,role"]
    for blot in range(1, N_BLOTS + 1):
        for probe in PROBES:
            (folder / f"{blot}_{probe}.tif").touch()
            lines += ["[[images]]", f'file = "{blot}_{probe}.tif"', f"blot = {blot}", f'probe = "{probe}"']
        sheet += [f"{blot},{lane},{name} {blot},{name},sample" for lane, name in enumerate(CONDITIONS, 1)]
    lines += ["[[ratios]]", 'name = "pX/X"', 'numerator = "pX"', 'denominator = "X"']
    lines += ["[compare]", 'reference = "control"']
    (folder / "experiment.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "samples.csv").write_text("\n".join(sheet) + "\n", encoding="utf-8")
    return read_experiment(folder / "experiment.toml")


def weigh(
    volumes: np.ndarray, probe: str, blot: int, *, surface: SurfaceSpec, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Render one picture of one row and weigh it; true volumes come along in the band table."""
    spec = plain_spec(volumes, shape=SHAPE, targets=(probe,), camera=CameraSpec(), surface=surface, probe=probe)
    made = make_blot(spec, seed=seed)
    image, layout = made.image(), made.true_layout()
    place = {"image": f"{blot}_{probe}.tif", "blot": str(blot), "membrane": str(blot), "probe": probe}
    bands = measure_bands(image, layout)
    bands["true_volume"] = bands["band_id"].map(made.volumes)
    return bands.assign(**place), measure_lanes(image, layout).assign(**place)


def simulate(experiment: Experiment, surface: SurfaceSpec, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One study: ratios with the true ratio of each lane, and the summary."""
    rng = np.random.default_rng(seed)
    bands, lanes = [], []
    for blot in range(1, N_BLOTS + 1):
        loading = rng.lognormal(0, LOADING_CV, len(CONDITIONS))
        light = 1.5e5 * rng.lognormal(0, 0.3, 2)
        biology = np.array(list(CONDITIONS.values())) * rng.lognormal(0, BIOLOGICAL_CV, len(CONDITIONS))
        for k, (probe, volumes) in enumerate(
            zip(PROBES, (light[0] * 0.4 * biology * loading, light[1] * loading), strict=True)
        ):
            made = weigh(volumes, probe, blot, surface=surface, seed=seed * 100 + blot * 10 + k)
            bands.append(made[0])
            lanes.append(made[1])
    table = pd.concat(bands, ignore_index=True)
    ratios = normalize(experiment, table, pd.concat(lanes, ignore_index=True))
    truth = table.pivot_table(index=["blot", "lane"], columns="probe", values="true_volume")
    true_ratio = (truth["pX"] / truth["X"]).to_dict()
    ratios["truth"] = [true_ratio[blot, lane] for blot, lane in zip(ratios["blot"], ratios["lane"], strict=True)]
    return ratios, compare(experiment, ratios)


def main(n_studies: int) -> None:
    """Simulate and print."""
    n_blots = n_studies * N_BLOTS
    print(f"{n_studies} studies, {n_blots} blots, {2 * n_blots} pictures each; seeds 0 to {n_studies - 1}")
    with tempfile.TemporaryDirectory() as folder:
        experiment = write_experiment(Path(folder))
        for name, surface in SURFACES.items():
            print(f"{name}:")
            report([simulate(experiment, surface, seed) for seed in range(n_studies)])


def report(studies: list[tuple[pd.DataFrame, pd.DataFrame]]) -> None:
    """Print the coverage over some studies."""
    ratios = pd.concat([ratios for ratios, _ in studies])
    folds = pd.concat([summary[summary["condition"] != "control"] for _, summary in studies])
    held = ratios["truth"].between(ratios["ci_low"], ratios["ci_high"])
    error = ratios["value"] / ratios["truth"] - 1
    stated = np.log(ratios["ci_high"] / ratios["ci_low"]) / (2 * 1.959964)
    true_folds = folds["condition"].map(CONDITIONS)
    at_once = true_folds.between(folds["simultaneous_ci_low"], folds["simultaneous_ci_high"])
    studies_held = at_once.to_numpy().reshape(len(studies), -1).all(axis=1)
    fold_held = true_folds.between(folds["fold_ci_low"], folds["fold_ci_high"])
    print(f"  ratios, measurement error only: {interval(int(held.sum()), len(held))}")
    print(f"    error: median {100 * error.median():+.2f} %, SD {100 * error.std():.2f} %; "
          f"stated SD, median {100 * stated.median():.2f} %")  # fmt: skip
    print(f"  fold changes over {N_BLOTS} blots, biological CV {BIOLOGICAL_CV}: "
          f"{interval(int(fold_held.sum()), len(folds))}")  # fmt: skip
    print(f"    simultaneous, all of a study at once: {interval(int(studies_held.sum()), len(studies))}")


def interval(k: int, n: int) -> str:
    """Share with twice its binomial standard error."""
    share = k / n
    return f"{100 * share:.1f} ± {200 * math.sqrt(share * (1 - share) / n):.1f} % of {n} intervals hold the truth"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
