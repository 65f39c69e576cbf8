"""Whether what is left of a first probe is told on real pictures that lie differently under the camera.

p-AKT and AKT of ten samples, both at 60 kDa: at one mass nothing can be told. Then the later picture gets 30 % of the
earlier one by hand, at the registered place; with the later probe's own row declared elsewhere (another protein of the
membrane), the earlier bands are foreign to it, and what was added must be found.

Usage: ``python tools/benchmarks/carry_over_real.py ../shared/real/akt``
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from blotquant.analysis import Analysis, Picture, analyze_membrane
from blotquant.detection.lane_ties import Expected
from blotquant.detection.registration import match_content
from blotquant.identification.targets import Naming, Target
from blotquant.io import read_image
from blotquant.runs.carry_over import find_carry_over

LEFT = 0.3


def without_names(analysis: Analysis) -> Analysis:
    """The same picture with bands that are nobody's."""
    bands = tuple(replace(band, target=None) for band in analysis.layout.bands)
    return replace(analysis, layout=replace(analysis.layout, bands=bands))


def main() -> None:
    """Print what is told of the pictures as they are, and of a copy to which a part of the first was added."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    images = [read_image(folder / f"{name}.tif").with_(probe=name) for name in ("pAKT", "AKT")]
    namings = [Naming(probe=name, targets=(Target(name, (60,)),)) for name in ("pAKT", "AKT")]
    pictures = [Picture(image=image, naming=naming) for image, naming in zip(images, namings, strict=True)]
    first, second = analyze_membrane(pictures, expected=Expected(n_lanes=10))
    found = match_content((first.scene.signal, first.layout), (second.scene.signal, second.layout))
    print("registered:", found)
    told = find_carry_over(first, second)
    print(f"as they are: carried over {told['carried_over']}; {told['reason']}")
    if found is None:
        return
    own = first.scene.signal - np.median(first.scene.signal)
    moved = ndimage.shift(own, (found.rows, found.cols), order=1)
    rows, cols = second.image.shape
    moved = np.pad(moved, [(0, max(0, rows - moved.shape[0])), (0, max(0, cols - moved.shape[1]))])[:rows, :cols]
    for part in (0.0, LEFT):
        pixels = np.clip(second.image.pixels + part * moved * (1 if second.image.polarity == "bright" else -1), 0, None)
        copy = second.image.with_(pixels=pixels.astype(second.image.pixels.dtype))
        (again,) = analyze_membrane([Picture(image=copy)], expected=Expected(n_lanes=10))
        told = find_carry_over(first, without_names(again))
        print(
            f"{part:.0%} added, the later probe's row elsewhere: carried over {told['carried_over']}, "
            f"{told['fraction']:.3f} ± {told['fraction_sd']:.3f}, r {told['correlation']:.2f}, {told['n_bands']} bands"
        )


if __name__ == "__main__":
    main()
