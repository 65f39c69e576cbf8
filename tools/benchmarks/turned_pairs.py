"""How far pictures of one membrane are laid beside their place on each other, by what shows beside the bands.

    python tools/benchmarks/turned_pairs.py

Each membrane of the sample study lies a little turned in every picture. All pairs of its pictures are laid on each
other (`blotquant.detection.registration.match_turned`). Printed for each pair: by how much the second leans more and by
how much it was turned, degrees, and the largest error at the ends of the outermost lanes, px; at last the number laid
and the worst, with the turn and by a shift alone.
"""

from __future__ import annotations

import sys
from itertools import combinations, groupby
from pathlib import Path

import numpy as np

from blotquant.detection.picture import find_layout
from blotquant.detection.registration import match_content, match_turned
from blotquant.synthetic import make_blot

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from sample_study import plan_study


def main() -> None:
    worst: dict[str, list[float]] = {"turned": [], "shifted": []}
    for _, shots in groupby(plan_study().shots, key=lambda shot: shot.file.split("_")[0]):
        seen = []
        for shot in shots:
            blot = make_blot(shot.spec)
            image = blot.image()
            lanes = sorted(blot.true_layout(2.5).lanes, key=lambda lane: lane.number)
            ends = np.array([point for lane in (lanes[0], lanes[-1]) for point in (lane.center[0], lane.center[-1])])
            found = image.signal(), find_layout(image.signal(), ceiling=image.ceiling)
            seen.append((shot.file, shot.spec.strips[0].tilt_deg, ends, found))
        for (name, lean, ends, one), (other_name, other_lean, other_ends, other) in combinations(seen, 2):
            said = f"{name:26} {other_name:26} leans {other_lean - lean:+5.2f}"
            for way, match in (("turned", match_turned), ("shifted", match_content)):
                placement = match(one, other)
                if placement is None:
                    said += f"   {way}: not laid"
                    continue
                worst[way].append(float(np.abs(placement.at(ends) - other_ends).max()))
                said += f"   {way} {placement.turn_deg:+5.2f}: {worst[way][-1]:4.1f} px"
            print(said)
    for way, errors in worst.items():
        print(f"{way}: {len(errors)} laid, median {np.median(errors):.1f} px, worst {max(errors):.1f} px")


if __name__ == "__main__":
    main()
