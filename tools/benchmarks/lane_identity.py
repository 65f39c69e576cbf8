"""Whether lanes of two pictures of one membrane are ever taken for each other's neighbours.

Pairs of pictures of one synthetic membrane: the first probe leaves lanes dark, at either end, at both or inside; its
row lies elsewhere; the picture is moved under the camera, cut, or binned; the membrane's edges show or do not. For each
pair: are all lanes where they truly are, is the pair held back, or has a lane another lane's place?

Usage: ``python tools/benchmarks/lane_identity.py [--seeds N]``
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blotquant.detection.lane_ties import Expected
from blotquant.detection.membranes import find_membrane
from blotquant.errors import LaneCountError
from blotquant.synthetic import make_blot
from blotquant.synthetic.spec import BlotSpec, CameraSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec

N_LANES = 10
PITCH = 58.0
DARK = {
    "none": (),
    "first": (1,),
    "first two": (1, 2),
    "last": (10,),
    "last two": (9, 10),
    "both ends": (1, 10),
    "inside": (5,),
    "inside and last": (4, 10),
}
ROW_DISTANCES = (0, 15, 30, 70)
CUTS = {"whole": (0, 0), "cut left": (33, 0), "cut by a pitch": (58, 0), "cut right": (0, 41)}
BINNINGS = (1, 2)


@dataclass(frozen=True)
class Pair:
    """Two pictures of one membrane, what the family varies, and the true columns of the lanes in each."""

    name: tuple[str, ...]
    pictures: tuple[NDArray[np.float64], NDArray[np.float64]]
    columns: tuple[NDArray[np.float64], NDArray[np.float64]]


def membrane_picture(
    row: float, dark: tuple[int, ...], *, edges: bool, move: tuple[float, float] = (0.0, 0.0), seed: int = 0
) -> NDArray[np.float64]:
    """A membrane of ten lanes with one row of bands; its edges show where it glows a little."""
    down, right = move
    rng = np.random.default_rng(seed)
    strengths = [0.0 if k + 1 in dark else 20_000.0 * float(rng.uniform(0.4, 1.6)) for k in range(N_LANES)]
    lanes = tuple(LaneSpec(center=59 + PITCH * k + right, width=44) for k in range(N_LANES))
    rows = (RowSpec(target="protein", row=row + down, volumes=tuple(strengths), sigma=4),)
    box = (14 + down, 286 + down, 16 + right, 624 + right) if edges else (0.0, 300.0, 0.0, 640.0)
    strip = StripSpec(box=box, lanes=lanes, rows=rows, level=60 if edges else 0)
    camera = CameraSpec(offset=300, read_noise=20)
    spec = BlotSpec(shape=(300, 640), strips=(strip,), surface=SurfaceSpec(base=5), camera=camera)
    return make_blot(spec, seed=seed).pixels.astype(float)


def binned(picture: NDArray[np.float64], by: int) -> NDArray[np.float64]:
    """Sums of blocks, as a camera bins."""
    rows, cols = picture.shape[0] // by, picture.shape[1] // by
    return picture[: rows * by, : cols * by].reshape(rows, by, cols, by).sum(axis=(1, 3))


def make_pairs(*, seeds: int = 1) -> Iterator[Pair]:
    """All pairs of the family."""
    columns = 59 + PITCH * np.arange(N_LANES)
    family = itertools.product(DARK, ROW_DISTANCES, CUTS, BINNINGS, (False, True), (False, True), range(seeds))
    for dark, distance, cut, by, edges, moved, seed in family:
        if moved and not edges:
            continue  # nothing would tell, and nothing would tell that nothing tells
        move = (4.0, 9.0) if moved else (0.0, 0.0)
        left, right = CUTS[cut]
        first = membrane_picture(110, DARK[dark], edges=edges, move=move, seed=10 * seed)
        first = binned(first[:, left : first.shape[1] - right], by)
        second = membrane_picture(110 + distance, (), edges=edges, seed=10 * seed + 1)
        own = (columns + move[1] - left - (by - 1) / 2) / by
        name = (dark, f"{distance} px", cut, f"{by} × {by}", "edges" if edges else "no edges", "moved" if moved else "")
        yield Pair((*name, str(seed)), (first, second), (own, columns))


def verdict(pair: Pair) -> str:
    """``right``, ``held back`` or ``WRONG``: a lane in another lane's place that nothing says is in doubt."""
    try:
        layouts, identities = find_membrane(pair.pictures, sheet=Expected(n_lanes=N_LANES))
    except LaneCountError:
        return "held back"
    if not all(identity.is_known for identity in identities):
        return "held back"
    for layout, columns in zip(layouts, pair.columns, strict=True):
        found = np.array([float(lane.center_at(sum(lane.row_range) / 2)) for lane in layout.lanes])
        pitch = float(np.median(np.diff(columns)))
        if len(found) != len(columns) or np.abs(found - columns).max() > 0.3 * pitch:
            return "WRONG"
    return "right"


def main() -> None:
    """Print the verdicts by what was varied."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    pairs = [(pair.name, verdict(pair)) for pair in make_pairs(seeds=parser.parse_args().seeds)]
    print(f"{len(pairs)} pairs: {dict(Counter(said for _, said in pairs))}")
    for place, what in enumerate(("dark lanes", "row distance", "cut", "binning", "edges", "moved")):
        for value in dict.fromkeys(name[place] for name, _ in pairs):
            counts = Counter(said for name, said in pairs if name[place] == value)
            print(f"{what:14}{value:18}{dict(sorted(counts.items()))}")
    for name, said in pairs:
        if said == "WRONG":
            print("WRONG:", ", ".join(name))


if __name__ == "__main__":
    main()
