"""Lanes and bands when a person states how many lanes there are, beside what is found without.

    python tools/benchmarks/stated_counts.py [--n 20] [--seed 300]

Synthetic pictures of one strip of three lanes or more, and real membranes that are alone in their picture (marked by
hand, beside the repository; left out where they are missing). Stated is nothing, all lanes with the ladder and the
empty ones, or the sample lanes alone, as people count them. Printed are the share of pictures with exactly the true
lanes (those outermost ones that show nothing count neither way), lanes missed and extra, and F1 of the bands.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter

import numpy as np
from detection_scores import score_blot
from graded_suites import DIFFICULTIES, graded_suite
from real_layouts import REAL
from real_scales import score

from blotquant.detection.picture import find_layout
from blotquant.io import read_image
from blotquant.model.geometry import Layout
from blotquant.synthetic import SyntheticBlot

WAYS = ("nothing", "all lanes", "sample lanes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--seed", type=int, default=300)
    options = parser.parse_args()
    for difficulty in DIFFICULTIES:
        totals = {way: Counter() for way in WAYS}
        for blot in graded_suite(difficulty, options.n, options.seed):
            lanes = blot.true_layout().lanes
            if len(blot.true_layout().strips) == 1 and len(lanes) > 2:
                stated = dict(zip(WAYS, (None, len(lanes), sum(x.role == "sample" for x in lanes)), strict=True))
                for way, n in stated.items():
                    totals[way] += synthetic_counts(blot, n)
        report(difficulty, totals)
    report("real membranes", real_counts())


def synthetic_counts(blot: SyntheticBlot, n_lanes: int | None) -> Counter[str]:
    """What is right in one synthetic picture."""

    def find(blot: SyntheticBlot) -> Layout:
        image = blot.image()
        return find_layout(image.signal(), ceiling=image.ceiling, n_lanes=n_lanes)

    result = score_blot(blot, find)
    lanes, bands = Counter(result.lanes["kind"]), Counter(result.bands["kind"])
    exact = not lanes["missed"] and not lanes["extra"]
    return Counter({"pictures": 1, "exact": exact, "missed": lanes["missed"], "extra": lanes["extra"],
                    "hit": bands["found"], "lost": bands["missed"], "false": bands["false"]})  # fmt: skip


def real_counts() -> dict[str, Counter[str]]:
    """What is right in the real pictures that hold one marked membrane."""
    truths = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((REAL / "truth").glob("*.json"))]
    alone = Counter(truth["file"] for truth in truths)
    totals = {way: Counter() for way in WAYS}
    for truth in truths:
        if alone[truth["file"]] > 1 or truth.get("optional_lanes"):
            continue
        signal = read_image(REAL / truth["file"], polarity=truth["polarity"]).signal().astype(np.float64)
        signal = np.where(np.isfinite(signal), signal, np.nanmedian(signal))
        lit = len({band["lane"] for band in truth["bands"] + truth.get("faint_bands", [])})
        for way, n in zip(WAYS, (None, len(truth["lanes"]), lit), strict=True):
            result = score(find_layout(signal, n_lanes=n), truth)
            missed = result["lanes"] - result["found"]
            totals[way] += Counter(
                {"pictures": 1, "exact": not missed and not result["extra"], "missed": missed, "extra": result["extra"],
                 "hit": result["bands_found"], "lost": result["bands"] - result["bands_found"],
                 "false": result["bands_false"]}
            )  # fmt: skip
    return totals


def report(name: str, totals: dict[str, Counter[str]]) -> None:
    for way, n in totals.items():
        if n["pictures"]:
            f1 = 2 * n["hit"] / max(2 * n["hit"] + n["lost"] + n["false"], 1)
            print(
                f"{name:15} stated {way:13} exact {n['exact'] / n['pictures']:.3f} of {n['pictures']}, lanes missed "
                f"{n['missed']}, extra {n['extra']}, bands F1 {f1:.3f}"
            )


if __name__ == "__main__":
    main()
