"""Compare the background methods on synthetic blots with exact truth and on empty places of real ones.

    python tools/benchmarks/compare_backgrounds.py [--blots N] [--seed S]

Synthetic: bands lie where they truly are. Left out are saturated and hollow ones, and those whose outline holds more
than 6 % of other bands' light. Error: |volume / (scale x true volume) - 1| at a true SNR of 10 or more, with one scale
a picture. Covered: share of (scale x true volume) within 1.96 SD of the volume.

Real (where the pictures lie beside the repository): in every lane the middle of the longest stretch without a band is
hidden from all methods as if it held one, in an outline as large as the picture's bands. Nothing is there, so that its
volume should be 0. Error: |volume| / median volume of the picture's detected bands. Covered: volumes within 1.96 SD.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
from graded_suites import DIFFICULTIES, graded_suite
from real_layouts import REAL

from blotquant.detection.picture import find_layout
from blotquant.io import read_image
from blotquant.model.geometry import Band, Layout, rectangle
from blotquant.model.image import BlotImage
from blotquant.quantification.apertures import apertures_of
from blotquant.quantification.background import BACKGROUNDS
from blotquant.quantification.bands import measure_bands
from blotquant.settings import QuantificationSettings
from blotquant.synthetic import SyntheticBlot


def truth_of(blot: SyntheticBlot) -> pd.DataFrame:
    """True volume, SNR and what else lies in the outline, by band id."""
    layout, bands = blot.true_layout(), blot.truth.bands
    ids = [f"s{s}l{lane}r{row}" for s, lane, row in bands[["strip", "lane", "row"]].itertuples(index=False)]
    truth = bands.assign(band_id=ids)[["band_id", "volume", "snr", "sd_limit", "saturated", "hollow"]]
    apertures = dict(
        zip((b.id for b in layout.bands), apertures_of(layout.bands, layout, blot.image().signal()), strict=True)
    )
    inside = {key: float((a.weights * blot.truth.signal[a.box.slices]).sum()) for key, a in apertures.items()}
    truth["foreign"] = truth["band_id"].map(inside) - truth["volume"]
    return truth.rename(columns={"volume": "true_volume", "snr": "true_snr"})


def weigh(blot: SyntheticBlot, truth: pd.DataFrame, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Relative errors of strong bands, and deviations of all bands in SDs."""
    table = measure_bands(blot.image(), blot.true_layout(), settings=QuantificationSettings(background=method))
    table = table.merge(truth, on="band_id")
    alone = table["foreign"].abs() < 0.06 * table["true_volume"] + 3 * table["sd_limit"]
    table = table[alone & ~table["saturated"] & (table["hollow"] == 0)]
    strong = table[table["true_snr"] >= 10]
    ratio = strong["volume"] / strong["true_volume"]
    scale = ratio.median() if len(ratio) else np.nan
    z = (table["volume"] - scale * table["true_volume"]) / table["volume_sd"]
    return (ratio / scale - 1).abs().to_numpy(), z.dropna().to_numpy()


def hide_empty_places(layout: Layout) -> Layout:
    """Add an outline of typical size in the middle of each lane's longest stretch without a band."""
    heights = [band.box.row_stop - band.box.row_start for band in layout.bands]
    height = int(np.median(heights))
    hidden = []
    for lane in layout.lanes:
        rows = [row for row, _ in layout.strip(lane.strip).outline]
        taken = sorted((band.box.row_start, band.box.row_stop) for band in layout.bands_of(lane.id))
        edges = [(-np.inf, min(rows) + 4), *taken, (max(rows) - 4, np.inf)]
        top, bottom = max(((a[1], b[0]) for a, b in pairwise(edges)), key=lambda gap: (gap[1] - gap[0], gap[0]))
        if bottom - top >= 2.5 * height:
            first, col = round((top + bottom - height) / 2), float(lane.center_at((top + bottom) / 2))
            half = float(lane.width_at((top + bottom) / 2)) / 2
            hidden.append(
                Band(id=f"hidden_{lane.id}", lane=lane.id, peak=(first + height / 2, col), status="not_detected",
                     outline=rectangle(first, first + height, round(col - half), round(col + half)))
            )  # fmt: skip
    return replace(layout, bands=(*layout.bands, *hidden))


def real_pictures() -> Iterator[tuple[BlotImage, Layout]]:
    """Real pictures with what is found on them, and their hidden empty places."""
    for path in sorted([*(REAL / "adrenergic").glob("*.tif"), *(REAL / "gels").glob("*.tif")]):
        image = read_image(path)
        layout = find_layout(image.signal(), ceiling=image.ceiling)
        if layout.bands:
            yield image, hide_empty_places(layout)


def weigh_empty(image: BlotImage, layout: Layout, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Volumes of empty places as a part of the median band, and in SDs."""
    table = measure_bands(image, layout, settings=QuantificationSettings(background=method))
    empty = table["band_id"].str.startswith("hidden_")
    typical = table.loc[~empty & (table["status"] == "detected"), "volume"].median()
    part = table[empty]
    return (part["volume"] / typical).abs().to_numpy(), (part["volume"] / part["volume_sd"]).to_numpy()


def report(name: str, method: str, found: list[tuple[np.ndarray, np.ndarray]], seconds: float) -> None:
    errors, z = (np.concatenate(part) for part in zip(*found, strict=True))
    print(
        f"{name:7s} {method:13s} median error {np.median(errors):7.2%}  90th percentile "
        f"{np.quantile(errors, 0.9):8.1%}  covered {np.mean(np.abs(z) < 1.96):6.1%}  n {len(errors):5d}  "
        f"{seconds / len(found) * 1e3:5.0f} ms"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--blots", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for difficulty in DIFFICULTIES:
        blots = [(blot, truth_of(blot)) for blot in graded_suite(difficulty, args.blots, args.seed)]
        for name in BACKGROUNDS:
            start = time.process_time()
            found = [weigh(blot, truth, name) for blot, truth in blots]
            report(difficulty, name, found, time.process_time() - start)
    pictures = list(real_pictures())
    for name in BACKGROUNDS if pictures else ():
        start = time.process_time()
        found = [weigh_empty(image, layout, name) for image, layout in pictures]
        report("real", name, found, time.process_time() - start)
    if not pictures:
        print(f"real    left out: no pictures in {REAL}")
