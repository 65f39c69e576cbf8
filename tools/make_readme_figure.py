"""Draw the picture at the top of the README from the sample study: one synthetic blot as found, its fold changes.

Usage: python tools/make_readme_figure.py docs/images/result.png [RESULTS]    # those of the demo, where there are some
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from blotquant.io import read_image
from blotquant.io.files import read_table
from blotquant.runs.study import run_experiments
from blotquant.session.session import load_session
from blotquant.tables import RATIO_COLUMNS, SUMMARY_COLUMNS

STUDY = Path(__file__).parent.parent / "sample_images"
PICTURE, RATIO, REFERENCE = "blot1_pAKT.tif", "pAKT/AKT", "parental, vehicle"


def draw_blot(axes, results: Path) -> None:
    image = read_image(STUDY / PICTURE)
    layout = load_session(results / "sessions" / f"{PICTURE}.blot.json").layout
    signal = image.signal()
    low, high = np.percentile(signal, [0.5, 99.8])
    axes.imshow(signal, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
    for lane in layout.lanes:
        rows, cols = np.array([*lane.outline, lane.outline[0]]).T
        axes.plot(cols, rows, color="#56B4E9", linewidth=0.7)
        axes.text(lane.center[0][1], lane.center[0][0] - 4, lane.number, color="#0072B2", ha="center", fontsize=8)
    for band in layout.bands:
        rows, cols = np.array([*band.outline, band.outline[0]]).T
        style = "-" if band.status == "detected" else ":"
        axes.plot(cols, rows, color="#D55E00", linewidth=1.1, linestyle=style)
    axes.set_axis_off()
    axes.set_title("synthetic p-AKT blot, as found", fontsize=10, pad=14)


def draw_ratios(axes, results: Path) -> None:
    ratios = read_table(results / "ratios.csv", RATIO_COLUMNS).query("ratio == @RATIO")
    summary = read_table(results / "summary.csv", SUMMARY_COLUMNS).query("ratio == @RATIO")
    for place, row in enumerate(summary.itertuples()):
        points = ratios[(ratios["condition"] == row.condition) & ratios["relative"].notna()]["relative"].astype(float)
        axes.scatter(np.full(len(points), place), points, s=18, color="#0072B2", zorder=3)
        if row.fold_ci_low == row.fold_ci_low:
            axes.plot([place + 0.25] * 2, [row.fold_ci_low, row.fold_ci_high], color="black", linewidth=1)
            axes.plot([place + 0.15, place + 0.35], [row.fold_change] * 2, color="black", linewidth=1.8)
    axes.axhline(1, color="0.7", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    axes.minorticks_off()
    style = {"rotation": 35, "ha": "right", "rotation_mode": "anchor", "fontsize": 8}
    axes.set_xticks(range(len(summary)), summary["condition"], **style)
    axes.set_ylabel(f"p-AKT/AKT against {REFERENCE}", fontsize=9)
    axes.set_title("three replicate blots, fold change with 95 % interval", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def main(target: Path, results: Path | None = None) -> int:
    with tempfile.TemporaryDirectory() as folder:
        if results is None:
            results = Path(folder) / "results"
            run_experiments([STUDY], results)
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        draw_blot(left, results)
        draw_ratios(right, results)
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, dpi=110, metadata={"Software": None})
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:] or ["docs/images/result.png"])))
