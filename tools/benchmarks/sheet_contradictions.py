"""Whether a sample sheet that the pictures contradict is named, on membranes of the synthetic sample study.

For each of two membranes: pictures turned by 180°, mirrored, a sheet with one lane too many or too few, a ladder or a
blank said to be elsewhere, a picture of another membrane among them. Each must be refused or held back, and the sheet
that is right must not be.

Usage: ``python tools/benchmarks/sheet_contradictions.py``
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blotquant.detection.lane_ties import Expected
from blotquant.detection.membranes import find_membrane
from blotquant.errors import LaneCountError
from blotquant.identification.sheet import find_contradiction
from blotquant.model.geometry import LaneRole
from blotquant.synthetic import make_blot

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from sample_study import Shot, plan_study

Pictures = list[NDArray[np.float64]]
Roles = dict[int, LaneRole]
PROBES = ("pAKT", "AKT")


def verdict(pictures: Pictures, roles: Mapping[int, LaneRole]) -> str:
    """What is said of some pictures and a sheet; empty where nothing is."""
    try:
        layouts, identities = find_membrane(pictures, sheet=Expected(n_lanes=len(roles), roles=roles))
    except LaneCountError as error:
        return f"refused: {error}"
    held = [identity.words for identity in identities if not identity.is_known]
    return held[0] if held else find_contradiction(pictures, layouts, roles)


def with_lane(roles: Roles, at: int, role: LaneRole) -> Roles:
    """A sheet with one more lane."""
    return {number + (number >= at): one for number, one in roles.items()} | {at: role}


def cases(pictures: Pictures, roles: Roles, other: NDArray[np.float64]) -> dict[str, tuple[Pictures, Roles]]:
    """All contradictions by name; the sheet that is right is the first."""
    n = len(roles)
    samples = [number for number, role in roles.items() if role == "sample"]
    ladder = next(number for number, role in roles.items() if role == "ladder")
    blanks = [number for number, role in roles.items() if role == "blank"]
    swapped = roles | {ladder: "sample", samples[2]: "ladder"}
    moved = roles | dict.fromkeys(blanks, "sample") | {samples[1]: "blank"}
    fewer: Roles = dict(enumerate((roles[k] for k in sorted(roles) if k != samples[-1]), start=1))
    return {
        "right": (pictures, roles),
        "turned by 180°": ([picture[::-1, ::-1] for picture in pictures], roles),
        "mirrored": ([picture[:, ::-1] for picture in pictures], roles),
        "one lane too many": (pictures, with_lane(roles, n, "sample")),
        "one lane too few": (pictures, fewer),
        "a blank that is not there": (pictures, with_lane(roles, samples[len(samples) // 2], "blank")),
        "blank misplaced": (pictures, moved if blanks else roles | {samples[3]: "blank"}),
        "ladder misplaced": (pictures, swapped),
        "a picture of another membrane": ([pictures[0], other], roles),
    }  # fmt: skip


def main() -> None:
    """Print what is said of each contradiction."""
    study = plan_study()

    def picture(shot: Shot) -> NDArray[np.float64]:
        return make_blot(shot.spec, seed=shot.seed).pixels.astype(float)

    shots = {(shot.blot, shot.probe): shot for shot in reversed(study.shots)}
    named = wrong = 0
    for blot, other in ((1, 3), (2, 1)):
        rows = study.samples[study.samples["blot"] == blot]
        roles: Roles = dict(zip(rows["lane"].tolist(), rows["role"].tolist(), strict=True))
        pictures = [picture(shots[blot, probe]) for probe in PROBES]
        for name, (shown, sheet) in cases(pictures, roles, picture(shots[other, "AKT"])).items():
            said = verdict(shown, sheet)
            named += bool(said) and name != "right"
            wrong += bool(said) == (name == "right")
            print(f"blot {blot}, {name}: {said or 'nothing said'}")
    print(f"{named} named, {wrong} wrong")


if __name__ == "__main__":
    main()
