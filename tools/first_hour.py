"""What the first hour costs: commands, seconds and edits to the demo's report, the first own ratio, and n = 3.

    python tools/first_hour.py                           # in the environment that blotquant was installed into
    python tools/first_hour.py --pair pAKT.scn AKT.scn   # two pictures of your own for the first ratio

Each journey begins in an empty folder. Pictures are copied under names that people give them; those of the sample
study are synthetic. Edits are what a person types: cells of samples.csv, lines of experiment.toml. The last journey
checks its fold changes against the study's truth, so that a fast wrong way does not pass.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent.parent / "sample_images"
PAIR = {"blot1_pAKT.tif": "MCF7 rep1 p-Akt (Ser473) 30 s.tif", "blot1_AKT.tif": "MCF7 rep1 total Akt 10 s.tif"}
DATES = {"1": "2024-03-12", "2": "2024-04-02", "3a": "2024-05-07"}
THREE = {
    f"blot{blot}_{probe}.tif": f"{date}_MCF7_{name}_n{blot[0]}_{seconds}s.tif"
    for blot, date in DATES.items()
    for probe, name, seconds in (("pERK", "p-ERK1-2_T202-Y204", 30), ("ERK", "ERK1-2", 8))
}
FARTHEST = 1.1
"""Fold changes come within this factor of those of the very lanes that were drawn (`realised_fold_change`)."""


def typed(folder: Path, *words: str) -> tuple[str, float, float]:
    """Run one command as a person types it: the line, wall seconds and processor seconds."""
    program = shutil.which("blotquant", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    before, start = os.times(), time.perf_counter()
    done = subprocess.run([str(program), *words], cwd=folder, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - start, os.times()
    line = "blotquant " + " ".join(words)
    if done.returncode:
        msg = f"{line}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        raise SystemExit(msg)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return line, wall, cpu


def first_ratio(folder: Path, pair: list[Path]) -> list[tuple[str, float, float]]:
    """Two pictures of one membrane to a ratio, without an edit."""
    names = list(PAIR.values()) if not pair else [path.name for path in pair]
    (folder / "mine").mkdir()
    for path, name in zip(pair or [SAMPLES / name for name in PAIR], names, strict=True):
        shutil.copy(path, folder / "mine" / name)
    steps = [typed(folder, "init", "mine"), typed(folder, "run", "mine", "-o", "results")]
    with (folder / "results" / "ratios.csv").open(encoding="utf-8") as lines:
        values = [row["value"] for row in csv.DictReader(lines) if row["value"]]
    if not values:
        msg = "first own ratio: ratios.csv holds no value"
        raise SystemExit(msg)
    return [*steps, (f"{len(values)} ratios, edits: 0", 0.0, 0.0)]


def three_blots(folder: Path) -> list[tuple[str, float, float]]:
    """Three blots to fold changes with n = 3: conditions written into the drafted sheet, one reference named."""
    mine = folder / "mine"
    mine.mkdir()
    for source, name in THREE.items():
        shutil.copy(SAMPLES / source, mine / name)
    steps = [typed(folder, "init", "mine")]
    with (SAMPLES / "samples.csv").open(encoding="utf-8") as lines:
        known = {(row["blot"], row["lane"]): row for row in csv.DictReader(lines)}
    with (mine / "samples.csv").open(encoding="utf-8") as lines:
        drafted = list(csv.DictReader(lines))
    cells = 0
    for row in drafted:
        for column in ("condition", "role"):
            wanted = known[row["blot"], row["lane"]][column]
            cells += row[column] != wanted
            row[column] = wanted
    with (mine / "samples.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, drafted[0].keys())
        writer.writeheader()
        writer.writerows(drafted)
    toml = (mine / "experiment.toml").read_text(encoding="utf-8")
    named = toml.replace('# reference = "vehicle" ', 'reference = "parental, vehicle" ')
    if named == toml:
        msg = "experiment.toml: the draft has no line for the reference"
        raise SystemExit(msg)
    (mine / "experiment.toml").write_text(named, encoding="utf-8")
    steps.append(typed(folder, "run", "mine", "-o", "results"))
    with (SAMPLES / "truth_conditions.csv").open(encoding="utf-8") as lines:
        truth = {
            row["condition"]: float(row["realised_fold_change"])
            for row in csv.DictReader(lines)
            if row["ratio"] == "pERK/ERK"
        }
    with (folder / "results" / "summary.csv").open(encoding="utf-8") as lines:
        found = {
            r["condition"]: (int(r["n"]), float(r["fold_change"])) for r in csv.DictReader(lines) if r["fold_change"]
        }
    off = [max(fold / truth[name], truth[name] / fold) for name, (_, fold) in found.items()]
    if len(found) < 7 or min(n for n, _ in found.values()) < 3 or max(off) > FARTHEST:
        msg = f"three blots: {found} against {truth}"
        raise SystemExit(msg)
    told = f"n = 3; edits: {cells} cells of samples.csv, 1 line of experiment.toml; truth within {max(off):.3f}-fold"
    return [*steps, (told, 0.0, 0.0)]


def main() -> int:
    """Go the three journeys and print them as a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--pair", nargs=2, type=Path, default=[], help="two pictures of one membrane, phospho and total"
    )
    pair = [path.resolve() for path in parser.parse_args().pair]
    print(f"Python {platform.python_version()}, {platform.platform()}\n")
    print("| to | typed | wall s | CPU s |\n|---|---|---|---|")
    journeys = {
        "the demo's report": lambda folder: [typed(folder, "demo")],
        "the first own ratio": lambda folder: first_ratio(folder, pair),
        "fold changes, n = 3": three_blots,
    }
    for goal, journey in journeys.items():
        with tempfile.TemporaryDirectory() as name:
            for line, wall, cpu in journey(Path(name)):
                print(
                    f"| {goal} | {line} | {wall:.1f} | {cpu:.1f} |" if wall else f"| {goal} | *{line}* | | |",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
