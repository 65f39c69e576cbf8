"""Weigh the real pictures of known amounts, and print how well: in outlines marked by eye, and in found ones.

    python tools/benchmarks/real_weighing.py

The ladder gel: four equal lanes of a DNA ladder with known ng per band. The strip: 13 lanes with published values.
Found outlines are those of `blotquant measure`; a found band stands for the marked one whose
rows the middle of its outline lies in (of two that overlap, both may have the light of one for their peak).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from real_layouts import REAL, marked_pictures

from blotquant.detection.picture import find_layout
from blotquant.model.geometry import Band, Layout, rectangle
from blotquant.model.image import BlotImage
from blotquant.quantification.bands import measure_bands
from blotquant.settings import QuantificationSettings

LADDER_NG = np.array([40, 40, 48, 40, 32, 120, 40, 57, 45, 122, 34, 31, 27, 23, 124, 49, 37, 32, 61], dtype=float)
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
        bands.append(Band(id=f"{lane.id}_merged", lane=lane.id, outline=outline, peak=((top + bottom) / 2, center)))
    return replace(layout, bands=tuple(bands)).sorted()


def ladder(table: pd.DataFrame) -> tuple[float, float, int]:
    """Correlation with ng over the bands that are not merged, the median lane-to-lane CV, and the bands it is of."""
    table = table[~table["band_id"].str.endswith("_merged")]
    volumes = np.array([part["volume"].to_numpy() for _, part in table.groupby("lane")])
    ng = np.tile(np.delete(LADDER_NG, MERGED), len(volumes))
    known = np.isfinite(volumes.ravel())
    everywhere = np.isfinite(volumes).all(axis=0)
    cv = (volumes.std(axis=0, ddof=1) / volumes.mean(axis=0))[everywhere]
    r = float(np.corrcoef(ng[known], volumes.ravel()[known])[0, 1])
    return r, float(np.median(cv)) if len(cv) else float("nan"), int(everywhere.sum())


def weigh_found(image: BlotImage, marked: Layout, method: str = "local") -> pd.DataFrame:
    """Weigh what is found, one row for each marked band: the volume, or none where nothing was found there."""
    layout = find_layout(image.signal(), ceiling=image.ceiling)
    table = measure_bands(image, layout, settings=QuantificationSettings(background=method))
    rows = []
    for band in marked.bands:
        box, centre = band.box, float(marked.lane(band.lane).center_at(band.peak[0]))
        middle = (table["row_start"] + table["row_stop"] - 1) / 2
        inside = middle.between(box.row_start - 1, box.row_stop)
        inside &= (table["peak_col"] - centre).abs() < (box.col_stop - box.col_start) / 2
        inside &= table["status"] == "detected"  # an empty place of a row is no band
        volumes = table.loc[inside, "volume"]
        rows.append({"lane": band.lane, "band_id": band.id, "volume": volumes.sum() if len(volumes) else np.nan})
    return pd.DataFrame(rows)


def report(name: str, gel: pd.DataFrame, strip: pd.DataFrame) -> None:
    r, cv, n = ladder(gel)
    values = strip["volume"].to_numpy()[:12]
    known = np.isfinite(values)
    r_strip = np.corrcoef(values[known], STRIP[known])[0, 1]
    print(
        f"{name:24s} ladder: r = {r:.3f}, median lane-to-lane CV {cv:.1%} ({n} bands); "
        f"strip: r = {r_strip:.4f} ({known.sum()} lanes)"
    )


if __name__ == "__main__":
    if not REAL.is_dir():
        message = f"the real pictures are not there: {REAL}"
        raise SystemExit(message)
    for spread in (0.0, 0.3):
        pictures = {name: (image, layout) for name, image, layout in marked_pictures(spread=spread)}
        gel, gel_layout = pictures["gelgenie_ladder"]
        strip, strip_layout = pictures["chibidragon_test2"]
        for method in ("local", "flank", "lane", "constant"):
            settings = QuantificationSettings(background=method)
            report(
                f"marked +{spread:.0%} {method}",
                measure_bands(gel, with_merged(gel_layout), settings=settings),
                measure_bands(strip, strip_layout, settings=settings),
            )
    # Outlines marked wider reach over each other: which band a found one stands for, those as marked tell.
    gel_layout, strip_layout = (
        {name: layout for name, _, layout in marked_pictures(spread=0.0)}[name]
        for name in ("gelgenie_ladder", "chibidragon_test2")
    )
    for method in ("local", "flank", "lane"):
        report(f"found {method}", weigh_found(gel, gel_layout, method), weigh_found(strip, strip_layout, method))
