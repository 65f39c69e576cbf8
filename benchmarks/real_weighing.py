"""Weigh the real pictures of known amounts, with the lanes and bands marked on them by eye, and print how well.

    python benchmarks/real_weighing.py

The ladder gel: four equal lanes of a DNA ladder with known ng per band. The strip: 13 lanes with published values.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from real_layouts import REAL, marked_pictures

from blotquant.geometry import Band, Layout, rectangle
from blotquant.measure import measure_bands
from blotquant.settings import WeighingSettings

LADDER_NG = np.array(
    [40, 40, 48, 40, 32, 120, 40, 57, 45, 122, 34, 31, 27, 23, 124, 49, 37, 32, 61], dtype=float
)
MERGED = slice(10, 14)  # 0.9 to 0.6 kb run together and are not marked
STRIP = np.array([100, 88.5, 27.7, 31.5, 40.8, 82.6, 19.6, 44.4, 31.0, 33.5, 27.3, 15.6])


def with_merged(layout: Layout) -> Layout:
    """Add the four bands that run together as one a lane, so that they are no background either."""
    bands = list(layout.bands)
    for lane in layout.lanes:
        rows = [band.peak[0] for band in layout.bands_of(lane.id)]
        top, bottom = rows[9] + 9, rows[10] - 9
        center, half = lane.center[0][1], lane.widths[0] / 2
        outline = rectangle(round(top), round(bottom), round(center - half), round(center + half))
        bands.append(
            Band(id=f"{lane.id}_merged", lane=lane.id, outline=outline, peak=((top + bottom) / 2, center))
        )
    return replace(layout, bands=tuple(bands)).sorted()


def ladder(table: pd.DataFrame) -> tuple[float, float]:
    """Correlation with ng over the bands that are not merged, and the median lane-to-lane CV."""
    table = table[~table["band_id"].str.endswith("_merged")]
    volumes = np.array([part["volume"].to_numpy() for _, part in table.groupby("lane")])
    ng = np.delete(LADDER_NG, MERGED)
    cv = np.median(volumes.std(axis=0, ddof=1) / volumes.mean(axis=0))
    return float(np.corrcoef(np.tile(ng, len(volumes)), volumes.ravel())[0, 1]), float(cv)


if __name__ == "__main__":
    if not REAL.is_dir():
        message = f"the real pictures are not there: {REAL}"
        raise SystemExit(message)
    for spread in (0.0, 0.3):
        for method in ("local", "flank", "mesh", "lane", "constant"):
            found = {}
            for name, image, layout in marked_pictures(spread=spread):
                if name in ("gelgenie_ladder", "chibidragon_test2"):
                    layout = with_merged(layout) if name == "gelgenie_ladder" else layout
                    found[name] = measure_bands(image, layout, settings=WeighingSettings(background=method))
            r, cv = ladder(found["gelgenie_ladder"])
            strip = found["chibidragon_test2"]["volume"].to_numpy()[:12]
            print(
                f"outline +{spread:.0%} {method:10s} ladder: r = {r:.3f}, median lane-to-lane CV {cv:.1%}; "
                f"strip: r = {np.corrcoef(strip, STRIP)[0, 1]:.4f}"
            )
