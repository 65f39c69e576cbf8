"""Lanes found in one picture in the forms that people hold it in: exports, tints, frames, sizes, turns, two pieces.

    python tools/benchmarks/picture_forms.py [--seed 700] [--n 4]

Pictures of the second simulator (`tools/simulator.py`; `n` clean ones, half as many again usual and hard ones) are
written in thirteen forms, read and searched. A line a form: how many have exactly the right lanes, on exactly the right
pieces; how many of the others were sure (least confidence of a lane of 0.9 or more); then each that is wrong, with the
lanes that were found and their least confidences. A lane whose bands are all too faint to see counts as missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from skimage.transform import resize, rotate

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from simulator import make_blot  # noqa: E402

from blotquant.analysis import analyze  # noqa: E402
from blotquant.io.read import read_image  # noqa: E402

SURE = 0.9


def export(light: np.ndarray, *, dark: bool = True) -> np.ndarray:
    """The picture as 8 bits, stretched from its half percent to its 99.9th percentile; bands dark or bright."""
    low, high = np.percentile(light, [0.5, 99.9])
    share = np.clip((light - low) / (high - low), 0, 1)
    return np.asarray(255 * (1 - share) if dark else 255 * share, dtype=np.uint8)


def forms(light: np.ndarray) -> Iterator[tuple[str, str, np.ndarray, int]]:
    """Name, file ending, stored pixels and number of pieces of each form."""
    height, width = light.shape
    dark, bright = export(light), export(light, dark=False)
    yield "plain", "tif", light, 1
    yield "dark, 8 bits", "png", dark, 1
    yield "JPEG", "jpg", dark, 1
    yield "tinted JPEG", "jpg", np.clip(dark[..., None] * [1.0, 0.97, 0.93] + [0, 3, 2], 0, 255), 1
    yield "blue", "png", np.stack([bright // 6, bright // 3, bright], axis=-1), 1
    yield "twice the size", "tif", resize(light, (2 * height, 2 * width), order=1), 1
    yield "three times, dark", "png", export(resize(light, (3 * height, 3 * width), order=1)), 1
    yield "half the size", "tif", resize(light, (height // 2, width // 2), order=1, anti_aliasing=True), 1
    for name, level in (("white margin", 255), ("black frame", 0)):
        yield name, "png", np.pad(dark, ((80, 80), (120, 120)), constant_values=level), 1
    pieces = [np.pad(dark, ((60, 0), (120, 120)), constant_values=40)] * 2
    yield "two pieces on dark ground", "png", np.pad(np.concatenate(pieces), ((0, 60), (0, 0)), constant_values=40), 2
    yield "mirrored", "tif", light[:, ::-1], 1
    yield "turned by 8 degrees", "tif", rotate(light, 8, order=1, resize=True, cval=float(np.median(light))), 1


def write(path: Path, pixels: np.ndarray) -> None:
    """Store pixels as the path's ending says: 16 bits in TIFF, else 8."""
    if path.suffix == ".tif":
        tifffile.imwrite(path, np.asarray(pixels, dtype=np.uint16))
    else:
        Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(
            path, **({"quality": 85} if "jpg" in path.name else {})
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=700)
    parser.add_argument("--n", type=int, default=4)
    given = parser.parse_args()
    counts = {"clean": given.n, "usual": given.n * 3 // 2, "hard": given.n * 3 // 2}
    right: dict[str, list[bool]] = {}
    wrong: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for k, (grade, count) in enumerate(counts.items()):
            for seed in range(given.seed + 10 * k, given.seed + 10 * k + count):
                picture = make_blot(grade, seed)
                for name, ending, pixels, n_pieces in forms(picture.pixels.astype(float)):
                    path = Path(folder) / f"picture.{ending}"
                    write(path, pixels)
                    layout = analyze(read_image(path)).layout
                    lanes = [layout.lanes_of(strip.id) for strip in layout.strips]
                    found, least = [len(own) for own in lanes], [min(x.confidence for x in own) for own in lanes]
                    right.setdefault(name, []).append(found == [len(picture.lanes)] * n_pieces)
                    if not right[name][-1]:
                        sure = "SURE " if min(least, default=0.0) >= SURE else ""
                        told = f"{sure}{grade} {seed}: {found} for {len(picture.lanes)}, {np.round(least, 2).tolist()}"
                        wrong.setdefault(name, []).append(told)
    for name, hits in right.items():
        lines = wrong.get(name, [])
        print(f"{name:28s}{sum(hits):4d} of {len(hits)}, wrong and sure {sum(x.startswith('SURE') for x in lines)}")
        print("".join(f"    {line}\n" for line in lines), end="")
    total, n_sure = sum(map(len, right.values())), sum(x.startswith("SURE") for own in wrong.values() for x in own)
    print(f"together {sum(map(sum, right.values()))} of {total}, wrong and sure {n_sure}")


if __name__ == "__main__":
    main()
