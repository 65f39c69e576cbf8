"""Fit the curves behind the confidence of lanes and strips, and say how honest they are on pictures not fitted.

    python tools/fit_confidence.py --n 40

Synthetic blots of all three difficulties are searched, half of them to fit the curves and half, of other seeds, to
judge them. Whether a lane or strip is right is judged as in `tools/benchmarks/detection_scores.py`. Printed are the
constants in force and the fitted ones, and for both the Brier score, the mean negative log likelihood, and the
share that is right in bins of confidence. A band's confidence is the network's own chance; it is judged only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from blotquant.detection import outlines, picture

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))

from detection_scores import Score, judge_strips, score_blot
from graded_suites import DIFFICULTIES, graded_suite

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.01)
IN_FORCE = {"lanes": outlines.lane_confidence, "strips": lambda clear: picture.strip_confidence([clear])}
CONSTANTS = {
    "lanes": (outlines._STEEP, outlines._EVEN),
    "strips": (picture._STEEPNESS, 0.8 - picture._AT_EIGHT / picture._STEEPNESS),
}
"""Steepness and middle in force."""
LIMITS = {"lanes": (0.05, 0.99), "strips": (0.01, 0.98)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=40, help="blots of each difficulty, to fit and again to judge")
    parser.add_argument("--seed", type=int, default=11, help="of those that are fitted; those that judge have the next")
    options = parser.parse_args()
    fitted, judged = (collect(options.n, seed) for seed in (options.seed, options.seed + 1))
    for kind in ("lanes", "strips"):
        steep, even = fit(fitted[kind], CONSTANTS[kind])
        print(f"\n{kind}: fitted to {len(fitted[kind])}, {(~fitted[kind]['right']).sum()} of them wrong")
        print(f"  log odds {steep:.2f} (clear - {even:.3f}), that is {steep * (0.8 - even):.2f} at 0.8")
        report("in force", judged[kind], IN_FORCE[kind])
        report("fitted", judged[kind], partial(curve, steep=steep, even=even, limits=LIMITS[kind]))
    print("\nbands")
    report("in force", judged["bands"], float)


def collect(n: int, seed: int) -> dict[str, pd.DataFrame]:
    """How clear each found lane and strip (its least clear lane) is, the chance of each band, and which are right."""
    parts: dict[str, list[pd.DataFrame]] = {"lanes": [], "strips": [], "bands": []}
    for blot in (blot for difficulty in DIFFICULTIES for blot in graded_suite(difficulty, n, seed)):
        score = score_clearness(blot)
        for kind, table in (("lanes", score.lanes), ("strips", judge_strips(score)), ("bands", score.bands)):
            given = table[table["kind"].isin(["found", "extra", "false"])]
            parts[kind].append(pd.DataFrame({"clear": given["confidence"], "right": given["kind"] == "found"}))
    return {kind: pd.concat(tables) for kind, tables in parts.items()}


def score_clearness(blot: object) -> Score:
    """Search a picture and score it, with how clear things are in the place of their confidence."""
    kept = outlines.lane_confidence, picture.strip_confidence
    outlines.lane_confidence, picture.strip_confidence = float, min
    try:
        image = blot.image()
        return score_blot(blot, lambda _: picture.find_layout(image.signal(), ceiling=image.ceiling))
    finally:
        outlines.lane_confidence, picture.strip_confidence = kept


def curve(clear: float, steep: float, even: float, limits: tuple[float, float]) -> float:
    return float(np.clip(1 / (1 + np.exp(-steep * (clear - even))), *limits))


def fit(table: pd.DataFrame, before: tuple[float, float]) -> tuple[float, float]:
    """Steepness and middle of the likeliest curve, drawn faintly to those before: hardly anything may be wrong."""
    clear, right = table["clear"].to_numpy(), table["right"].to_numpy()

    def loss(x: np.ndarray) -> float:
        log_odds = x[0] * (clear - x[1])
        prior = ((x[0] - before[0]) / 10) ** 2 / 2 + ((x[1] - before[1]) / 0.2) ** 2 / 2
        return float(np.logaddexp(0, np.where(right, -log_odds, log_odds)).sum() + prior)

    found = minimize(loss, np.array(before), method="Nelder-Mead")
    return float(found.x[0]), float(found.x[1])


def report(name: str, table: pd.DataFrame, chance: Callable[[float], float]) -> None:
    right, sure = table["right"].to_numpy(), np.array([chance(x) for x in table["clear"]])
    brier = float(((sure - right) ** 2).mean())
    likely = np.clip(np.where(right, sure, 1 - sure), 1e-6, 1)
    print(f"  {name}: Brier {brier:.4f}, negative log likelihood {-np.log(likely).mean():.4f}, of {len(table)}")
    for low, high in pairwise(BINS):
        own = (sure >= low) & (sure < high)
        if own.any():
            shares = f"said {sure[own].mean():.1%}, right {right[own].mean():.1%} of {own.sum()}"
            print(f"    {low:.2f}-{min(high, 1):.2f}: {shares}")


if __name__ == "__main__":
    main()
