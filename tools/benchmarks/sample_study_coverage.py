"""How often the sample study's intervals hold what it was drawn from, contrast by contrast.

    python tools/benchmarks/sample_study_coverage.py [--pixels 40] [--amounts 2000] [--jobs 1] [--keep FOLDER]

The sample study asks its own question: does a drug change p-AKT within a cell line, and does it act differently in the
resistant one? Its one draw may be a lucky or an unlucky one. Here it is drawn again and again, with other lane orders,
amounts, membranes and noise. From pixels, everything is done as `blotquant run` does it: pictures are rendered, lanes
and bands found, measured, named, divided and compared. From amounts, the drawn amounts of protein stand for the
measured ones, so that only the biology and the statistics are judged. Printed for each contrast: how often its interval
holds the invented value (pointwise, simultaneous), the median error of the estimate against that value, and against
what the drawn amounts of the same study show, which is the measurement's own part.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from blotquant.experiment.design import Experiment
from blotquant.experiment.families import find_families
from blotquant.experiment.read import read_experiment
from blotquant.normalization.normalize import normalize
from blotquant.runs.membranes import measure_membrane, membrane_tasks
from blotquant.statistics.contrasts import compare_contrasts
from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS, make_table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from make_sample_images import RATIOS, write_study
from sample_study import BIOLOGICAL_CV, CONDITIONS, plan_study

FIRST_SEED = 5000
TRUE_FOLDS = {
    "pAKT/AKT": {condition.name: condition.pakt for condition in CONDITIONS},
    "pERK/ERK": {condition.name: condition.perk for condition in CONDITIONS},
}


def true_contrasts(experiment: Experiment) -> dict[tuple[str, str, str], float]:
    """The invented value of every contrast: by ratio, family and contrast."""
    return {
        (ratio, family.name, claim.label): math.exp(
            sum(w * math.log(folds[name]) for w, name in zip(weights, family.conditions, strict=True))
        )
        for ratio, folds in TRUE_FOLDS.items()
        for family in find_families(experiment)
        for claim, weights in zip(family.claims, family.weights, strict=True)
    }


def ratios_of_amounts(seed: int) -> pd.DataFrame:
    """The study's ratios as its drawn amounts of protein show them, without any picture."""
    amounts = plan_study(seed).amounts
    parts = [
        pd.DataFrame(
            {
                "ratio": name,
                "blot": amounts["blot"].astype(str),
                "lane": amounts["lane"],
                "sample": [f"{blot} {lane}" for blot, lane in zip(amounts["blot"], amounts["lane"], strict=True)],
                "condition": amounts["condition"],
                "role": "sample",
                "replicate": pd.NA,
                "value": amounts[numerator] / amounts[denominator],
                "bound": pd.NA,
                "included": True,
                "enters_as_bound": False,
            }
        )
        for name, numerator, denominator in RATIOS
    ]
    return pd.concat(parts, ignore_index=True)


def ratios_of_pixels(seed: int, folder: Path) -> tuple[Experiment, pd.DataFrame]:
    """Render the study of a seed and measure it as a run does."""
    write_study(folder, seed=seed)
    experiment = read_experiment(folder / "experiment.toml")
    parts = [measure_membrane(task) for task in membrane_tasks(experiment, experiment.settings, folder).values()]
    tables = {
        name: experiment.attach_sheet(make_table([row for part in parts for row in part.tables[name]], columns))
        for name, columns in (("bands", BAND_COLUMNS), ("lanes", LANE_COLUMNS))
    }
    return experiment, normalize(experiment, tables["bands"], tables["lanes"], strict=False)


def studies(seeds: range, kept: Path | None) -> Iterator[pd.DataFrame]:
    """Contrasts of each study, with `n_excluded` and what its drawn amounts show; kept for a later look if asked."""
    for seed in seeds:
        file = kept / f"contrasts_{seed}.csv" if kept else None
        if file is not None and file.exists():
            yield pd.read_csv(file)
            continue
        with tempfile.TemporaryDirectory() as folder:
            experiment, ratios = ratios_of_pixels(seed, Path(folder))
        found = compare_contrasts(experiment, ratios)
        drawn = compare_contrasts(experiment, ratios_of_amounts(seed))
        keys = ["ratio", "family", "contrast"]
        of_amounts = drawn.set_index(keys)["estimate_fold"].rename("drawn_fold")
        found = found.merge(of_amounts, left_on=keys, right_index=True, how="left").assign(seed=seed)
        own = ratios[ratios["ratio"].isin(list(TRUE_FOLDS))]
        found["n_excluded"] = int((~own["included"].astype(bool)).sum())
        if file is not None and kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
            found.to_csv(file, index=False)
            ratios.to_csv(kept / f"ratios_{seed}.csv", index=False)
        yield found


def report(found: pd.DataFrame, truth: dict[tuple[str, str, str], float]) -> None:
    """Print the coverage of each contrast, of each family at once, and of all contrasts."""
    found = found[found["ratio"].isin(list(TRUE_FOLDS))].copy()
    keys = list(zip(found["ratio"], found["family"], found["contrast"], strict=True))
    found["truth"] = [truth[key] for key in keys]
    found["inside"] = found["truth"].between(found["ci_low"], found["ci_high"])
    found["at_once"] = found["truth"].between(found["simultaneous_ci_low"], found["simultaneous_ci_high"])
    print(
        f"{'ratio':9s} {'contrast':62s} {'truth':>6s} {'inside':>7s} {'simult.':>8s} {'error %':>8s} {'measured':>9s}"
    )
    for (ratio, _, contrast), mine in found.groupby(["ratio", "family", "contrast"], sort=False):
        error = 100 * (np.exp(np.median(np.log(mine["estimate_fold"] / mine["truth"]))) - 1)
        own = 100 * np.median(mine["estimate_fold"] / mine["drawn_fold"] - 1) if "drawn_fold" in mine else math.nan
        print(
            f"{ratio:9s} {contrast:62s} {mine['truth'].iloc[0]:6.3f} {100 * mine['inside'].mean():6.1f}  "
            f"{100 * mine['at_once'].mean():7.1f}  {error:+7.1f} {own:+9.1f}"
        )
    print("whole families at once, asked 95 %:")
    at_once = found.groupby(["ratio", "family", "seed"], sort=False)["at_once"].all()
    for (ratio, family), mine in at_once.groupby(level=[0, 1], sort=False):
        print(f"  {ratio:9s} {family:62s} {share(int(mine.sum()), len(mine))}")
    print(f"all contrasts, pointwise: {share(int(found['inside'].sum()), len(found))}")
    print(f"all families, simultaneous: {share(int(at_once.sum()), len(at_once))}")


def share(k: int, n: int) -> str:
    """Share with twice its binomial standard error (contrasts of one study are correlated: it is a little small)."""
    part = k / n
    return f"{100 * part:.1f} ± {200 * math.sqrt(part * (1 - part) / n):.1f} % of {n}"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, default=40, help="studies drawn from pixels on")
    parser.add_argument("--amounts", type=int, default=400, help="studies drawn from amounts of protein")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--keep", type=Path, help="folder for the tables of each study; those that lie there are used")
    options = parser.parse_args()
    sample = Path(__file__).resolve().parents[2] / "sample_images" / "experiment.toml"
    experiment = read_experiment(sample)
    truth = true_contrasts(experiment)
    first = options.first_seed
    print(f"{options.amounts} studies from drawn amounts (biological CV {BIOLOGICAL_CV}), seeds from {first}")
    drawn = [
        compare_contrasts(experiment, ratios_of_amounts(seed)).assign(seed=seed)
        for seed in range(first, first + options.amounts)
    ]
    if drawn:
        report(pd.concat(drawn, ignore_index=True), truth)
    print(f"\n{options.pixels} studies from pixels on, seeds from {first}")
    if options.pixels:
        found = pd.concat(studies(range(first, first + options.pixels), options.keep), ignore_index=True)
        report(found, truth)
        print(f"values left out: {found.groupby('seed')['n_excluded'].first().mean():.2f} of 48 in a study")


if __name__ == "__main__":
    main()
