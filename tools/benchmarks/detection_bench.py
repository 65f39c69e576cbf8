"""Score finding on graded suites of synthetic blots: lanes, bands, centres, doublets, honesty of confidences.

    python tools/benchmarks/detection_bench.py --n 40 --sheet worst.png

What counts, and which way, is said in `detection_scores.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from detection_scores import Score, count_strips, judge_strips, score_blot
from graded_suites import DIFFICULTIES, graded_suite

from blotquant.model.geometry import Band, Layout
from blotquant.synthetic import SyntheticBlot

BINS = (0.0, 0.5, 0.7, 0.9, 1.01)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=40, help="blots of each difficulty")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--difficulty", choices=DIFFICULTIES, action="append")
    parser.add_argument("--sheet", type=Path, help="write a picture of the worst ten")
    parser.add_argument("--oracle", action="store_true", help="score the truth itself, to check this script")
    options = parser.parse_args()
    find = _oracle if options.oracle else _finder()
    if find is None:
        return 2
    scores: list[Score] = []
    for difficulty in options.difficulty or DIFFICULTIES:
        own = [score_blot(blot, find) for blot in graded_suite(difficulty, options.n, options.seed)]
        report(difficulty, own)
        scores += own
    if options.sheet:
        draw_sheet(sorted(scores, key=lambda s: -s.badness)[:10], options.sheet)
        print(f"worst ten: {options.sheet}")
    return 0


def _finder() -> Callable[[SyntheticBlot], Layout] | None:
    try:
        from blotquant.detection.picture import find_layout
    except ImportError as error:
        print(f"nothing to score: {error}", file=sys.stderr)
        return None

    def find(blot: SyntheticBlot) -> Layout:
        image = blot.image()
        return find_layout(image.signal(), ceiling=image.ceiling)

    return find


def _oracle(blot: SyntheticBlot) -> Layout:
    return blot.true_layout()


def report(difficulty: str, scores: list[Score]) -> None:
    lanes = pd.concat([s.lanes.assign(blot=k) for k, s in enumerate(scores)])
    bands = pd.concat([s.bands for s in scores])
    n = lanes["kind"].value_counts()
    m = bands["kind"].value_counts()
    strips = pd.concat([count_strips(s) for s in scores])
    known = strips[strips["known"]]
    recall = m.get("found", 0) / max(m.get("found", 0) + m.get("missed", 0), 1)
    precision = m.get("found", 0) / max(m.get("found", 0) + m.get("false", 0), 1)
    errors = lanes["center_error"].dropna()
    n_lanes = sum(len(score.blot.truth.lanes) for score in scores)
    in_order = np.mean([score.lanes["partner_in_order"].all() for score in scores])
    print(f"\n{difficulty}: {len(scores)} blots, {len(strips)} strips, {n_lanes} lanes")
    print(f"  strips     right in {np.mean([s.strips_right for s in scores]):.1%} of the pictures")
    counts = "  ".join(f"{kind} {n.get(kind, 0)}" for kind in ("found", "missed", "extra", "unknowable"))
    print(
        f"  lanes      exact {known['exact'].mean():.1%} of {len(known)} strips that show two lanes or more, "
        f"right or among the alternatives {known['among'].mean():.1%}; exact as drawn {strips['drawn'].mean():.1%}"
    )
    print(f"             {counts}  in order {in_order:.1%}")
    if len(errors):
        print(f"  centres    median {errors.median():.2%} of a pitch, 95th percentile {errors.quantile(0.95):.2%}")
    f1 = 2 * recall * precision / max(recall + precision, 1e-9)
    counts = "  ".join(f"{kind} {m.get(kind, 0)}" for kind in ("found", "missed", "false"))
    print(f"  bands      F1 {f1:.3f}  recall {recall:.3f}  precision {precision:.3f}  {counts}")
    report_by_snr(bands)
    report_doublets(pd.concat([s.doublets for s in scores if len(s.doublets)] or [pd.DataFrame()]))
    report_calibration("strips", pd.concat([judge_strips(s) for s in scores]))
    report_calibration("lanes", lanes)
    report_calibration("bands", bands)
    doubted = sum("bands_overlooked" in score.found.flags for score in scores)
    print(f"  doubted    {doubted} of {len(scores)} pictures bear bands_overlooked")
    print(f"  time       median {np.median([s.seconds for s in scores]):.3f} s a picture")


def report_by_snr(bands: pd.DataFrame) -> None:
    cells = []
    for low, high in ((3, 5), (5, 10), (10, 30), (30, np.inf)):
        own = bands[(bands["snr"] >= low) & (bands["snr"] < high)]
        seen = own["confidence"].notna().mean() if len(own) else np.nan
        cells.append(f"{low:g}-{high:g}: {seen:.1%} of {len(own)}")
    print("  seen       by SNR: " + ", ".join(cells))


def report_doublets(doublets: pd.DataFrame) -> None:
    if doublets.empty:
        return
    accepted = doublets[doublets["accepted"]]
    strong = accepted[accepted["snr"] >= 10]
    print(f"  doublets   both seen {len(doublets)}  accepted {len(accepted)}  "
          f"accepted below 1.5 SD apart {(accepted['apart'] < 1.5).sum()}  "
          f"minor band's share off by {strong['error'].abs().median():.1%} (median, SNR >= 10)")  # fmt: skip


def report_calibration(what: str, table: pd.DataFrame) -> None:
    """Of the lanes or bands given a confidence, the share that is right; what counts neither way is left out."""
    given = table[table["kind"].isin(["found", "extra", "false"])]
    cells = []
    for low, high in pairwise(BINS):
        own = given[(given["confidence"] >= low) & (given["confidence"] < high)]
        right = f"{(own['kind'] == 'found').mean():.1%}" if len(own) else "-"
        cells.append(f"{low:g}-{min(high, 1):g}: {right} of {len(own)}")
    print(f"  confidence {what}: " + ", ".join(cells))


def draw_sheet(scores: list[Score], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(5, 2, figsize=(22, 30))
    for axis in axes.ravel():
        axis.axis("off")
    for axis, score in zip(axes.ravel(), scores, strict=False):
        _draw(axis, score)
    figure.suptitle(
        "Synthetic blots. cyan: true lanes, green: found lanes; red: found bands, yellow: missed, magenta: false"
    )
    figure.tight_layout()
    figure.savefig(path, dpi=60)
    plt.close(figure)


def _draw(axis, score: Score) -> None:
    signal = score.blot.image().signal()
    low, high = np.percentile(signal, [0.5, 99.5])
    axis.imshow(np.clip((signal - low) / max(high - low, 1), 0, 1) ** 0.6, cmap="gray", aspect="auto")
    true = score.blot.true_layout()
    for layout, style in ((true, "c-"), (score.found, "g--")):
        for lane in layout.lanes:
            rows, cols = np.array(lane.center).T
            axis.plot(cols, rows, style, linewidth=0.8)
    kinds = dict(
        zip(
            zip(score.bands["kind"] == "false", score.bands["id"], strict=True),
            score.bands["kind"],
            strict=True,
        )
    )
    for band in score.found.bands:
        if band.status == "detected":
            _outline(axis, band, "m" if kinds.get((True, band.id)) == "false" else "r")
    for band in true.bands:
        if kinds.get((False, band.id)) == "missed":
            _outline(axis, band, "y")
    counts = ", ".join(f"{v} {k}" for k, v in score.lanes["kind"].value_counts().items())
    axis.set_title(f"seed {score.blot.seed}: lanes {counts}; badness {score.badness:.2f}", fontsize=9)


def _outline(axis, band: Band, colour: str) -> None:
    rows, cols = np.array([*band.outline, band.outline[0]]).T
    axis.plot(cols, rows, colour, linewidth=0.9)


if __name__ == "__main__":
    sys.exit(main())
