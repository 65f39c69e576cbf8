"""Whether AKT and ERK, a doublet, on one picture are quantified in every lane, each on its own row and sample.

Pictures of the synthetic sample study in which two antibodies are shown at once: p-AKT with p-ERK on one picture, AKT
with ERK on another of the same membrane; with the ladder's lane and without it; one membrane a study, its lane order,
amounts and debris drawn anew. What a person would write about them is run through the units of `blotquant run`, and the
ratios pAKT/AKT and pERK/ERK are held against the true volumes: how many lanes have an included ratio, how far is it
off, are two proteins ever exchanged.

Usage: ``python tools/benchmarks/two_proteins.py [--studies N] [--seed SEED] [--list]``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from blotquant.experiment.read import read_experiment
from blotquant.normalization.normalize import normalize
from blotquant.runs.membranes import measure_membrane, membrane_tasks
from blotquant.runs.study import settings_of
from blotquant.synthetic import make_blot
from blotquant.synthetic.spec import BlotSpec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from sample_study import LADDER_KDA, Shot, SyntheticStudy, plan_study

PICTURES = {"phospho": ("pAKT", "pERK", 30.0), "total": ("AKT", "ERK", 8.0)}
RATIOS = (("pAKT/AKT", "pAKT", "AKT"), ("pERK/ERK", "pERK", "ERK"))
EXCHANGED = 1.0
"""An error of more than so many doublings is another protein's or another lane's, or as bad."""


def both_on_one(first: Shot, second: Shot, *, ladder: bool, exposure_s: float) -> BlotSpec:
    """The first probe's picture with the second's bands on it; without a ladder its lane is not on the membrane."""
    strip, other = first.spec.strips[0], second.spec.strips[0]
    down = next(r.row for r in strip.rows if r.target == "ladder") - next(
        r.row for r in other.rows if r.target == "ladder"
    )
    rows = [row for row in strip.rows if row.target != "ladder"]
    rows += [replace(row, row=row.row + down) for row in other.rows if row.target != "ladder"]
    rows += [row for row in strip.rows if row.target == "ladder" and ladder]
    kept = [k for k, lane in enumerate(strip.lanes) if ladder or lane.role != "ladder"]
    rows = [replace(row, volumes=tuple(row.volumes[k] for k in kept)) for row in rows]
    shown = replace(strip, lanes=tuple(strip.lanes[k] for k in kept), rows=tuple(rows))
    return first.spec.with_(strips=(shown,), exposure_s=exposure_s)


def write_membrane(folder: Path, study: SyntheticStudy, blot: int, *, ladder: bool) -> pd.DataFrame:
    """Two pictures of one membrane, the experiment file and sheet; returns the true ratios."""
    shots = {shot.probe: shot for shot in reversed(study.shots) if shot.blot == blot}
    sheet = study.samples[study.samples["blot"] == blot]
    sheet = sheet if ladder else sheet[sheet["role"] != "ladder"]
    sheet = sheet.assign(lane=range(1, len(sheet) + 1))
    volumes, images = [], ""
    for name, (one, other, exposure_s) in PICTURES.items():
        spec = both_on_one(shots[one], shots[other], ladder=ladder, exposure_s=exposure_s)
        made = make_blot(spec, seed=shots[one].seed)
        tifffile.imwrite(folder / f"{name}.tif", made.pixels)
        volumes.append(made.truth.bands.groupby(["target", "lane"])["volume"].sum())
        for probe in (one, other):
            images += f'[[images]]\nfile = "{name}.tif"\nblot = 1\nprobe = "{probe}"\n'
    truth = pd.concat(volumes)
    ratios = "".join(f'[[ratios]]\nname = "{n}"\nnumerator = "{p}"\ndenominator = "{t}"\n' for n, p, t in RATIOS)
    masses = "".join(f"[targets.{n}]\nmw_kda = 60\n" for n in ("pAKT", "AKT"))
    masses += "".join(f"[targets.{n}]\nmw_kda = [44, 42]\n" for n in ("pERK", "ERK"))
    said = f"ladder = {list(LADDER_KDA)}\n" if ladder else ""
    text = f'name = "one picture"\nsamples = "samples.csv"\n{said}{images}{masses}{ratios}'
    (folder / "experiment.toml").write_text(text + '[compare]\nreference = "parental, vehicle"\n', encoding="utf-8")
    sheet.assign(blot=1).to_csv(folder / "samples.csv", index=False)
    lanes = sheet.loc[sheet["role"] == "sample", "lane"].tolist()
    return pd.DataFrame(
        [(name, lane, truth[p, lane] / truth[t, lane]) for name, p, t in RATIOS for lane in lanes],
        columns=["ratio", "lane", "true"],
    )


def measured_ratios(folder: Path) -> pd.DataFrame:
    """The ratios that `blotquant run` makes of the folder's experiment, without its report."""
    experiment = read_experiment(folder / "experiment.toml")
    (task,) = membrane_tasks(experiment, settings_of(experiment, None), folder / "sessions").values()
    part = measure_membrane(task)
    bands = experiment.attach_sheet(pd.DataFrame(part.tables["bands"]))
    lanes = experiment.attach_sheet(pd.DataFrame(part.tables["lanes"]))
    return normalize(experiment, bands, lanes, strict=False)


def main() -> None:
    """Print, with the ladder and without it, the share of lanes that have a ratio, and its error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=10)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--ladder", choices=("with", "without"), help="only these")
    parser.add_argument("--list", action="store_true", help="print every lane that is held back or far off")
    asked = parser.parse_args()
    for ladder in (True, False):
        if asked.ladder and ladder != (asked.ladder == "with"):
            continue
        found = []
        for seed in range(asked.seed, asked.seed + asked.studies):
            blot = 1 + seed % 3
            with tempfile.TemporaryDirectory() as name:
                truth = write_membrane(Path(name), plan_study(seed), blot, ladder=ladder)
                ratios = measured_ratios(Path(name))
            found.append(truth.merge(ratios, on=["ratio", "lane"], how="left").assign(seed=seed, study_blot=blot))
        table = pd.concat(found, ignore_index=True)
        included = table["included"].fillna(value=False).astype(bool)
        table["error"] = np.abs(np.log2(table["value"].astype(float) / table["true"]))
        for name, of in (*table.groupby("ratio"), ("both", table)):
            used = of[included[of.index]]
            p50, p90 = np.percentile(used["error"], [50, 90]) if len(used) else (np.nan, np.nan)
            print(
                f"{'with' if ladder else 'without'} ladder, {name}: {len(used)} of {len(of)} lanes "
                f"({len(used) / len(of):.1%}), error p50 {p50:.3f}, p90 {p90:.3f} log2, "
                f"exchanged {int((used['error'] > EXCHANGED).sum())}",
                flush=True,
            )
        print("  reasons:", dict(Counter(table.loc[~included, "reason"].astype(str).str[:150])))
        if asked.list:
            odd = table[~included | (table["error"] > 0.15)]
            print(
                odd[
                    ["seed", "study_blot", "ratio", "lane", "true", "value", "included", "error", "flags", "reason"]
                ].to_string()
            )


if __name__ == "__main__":
    main()
