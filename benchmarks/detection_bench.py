"""Score finding on graded suites of synthetic blots: lanes, bands, centres, doublets, honesty of confidences.

    python benchmarks/detection_bench.py --n 40 --sheet worst.png

A band counts when it stands at least 5 SDs (`snr` of the truth, photon, read noise and membrane grain) above nothing;
weaker ones count neither way. Of a doublet closer than 2.2 SDs the minor band counts neither way. Lanes beyond the
first and the last one of a strip that show such a band cannot be counted by anyone and count neither way.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from blotquant.geometry import Band, Lane, Layout
from blotquant.synthetic import DIFFICULTIES, SyntheticBlot, graded_suite

MIN_SNR = 5.0
RESOLVED = 2.2
BINS = (0.0, 0.5, 0.7, 0.9, 1.01)


@dataclass
class Score:
    """What was found in one picture."""

    blot: SyntheticBlot
    found: Layout
    seconds: float
    strips_right: bool
    lanes: pd.DataFrame
    bands: pd.DataFrame
    doublets: pd.DataFrame = field(default_factory=pd.DataFrame)
    partner_strip: dict[str, str] = field(default_factory=dict)

    @property
    def badness(self) -> float:
        """0 for a picture without a mistake; shares of wrong lanes and wrong bands, summed."""
        lane = self.lanes["kind"].isin(["missed", "extra"]).mean() if len(self.lanes) else 0.0
        band = self.bands["kind"].isin(["missed", "false"]).mean() if len(self.bands) else 0.0
        return float(lane + band)


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
        from blotquant.finding.layouts import find_layout
    except ImportError as error:
        print(f"nothing to score: {error}", file=sys.stderr)
        return None

    def find(blot: SyntheticBlot) -> Layout:
        image = blot.image()
        return find_layout(image.signal(), ceiling=image.ceiling)

    return find


def _oracle(blot: SyntheticBlot) -> Layout:
    return blot.true_layout()


def score_blot(blot: SyntheticBlot, find: Callable[[SyntheticBlot], Layout]) -> Score:
    start = time.perf_counter()
    found = find(blot)
    seconds = time.perf_counter() - start
    true = blot.true_layout()
    lanes, partner = match_lanes(blot, true, found)
    bands, pairs = match_bands(blot, true, found)
    score = Score(blot, found, seconds, len(found.strips) == len(true.strips), lanes, bands)
    score.doublets = weigh_doublets(blot, found, pairs)
    score.lanes["partner_in_order"] = _in_order(true, found, partner)
    score.partner_strip = _partner_strips(true, found, partner)
    return score


def match_lanes(blot: SyntheticBlot, true: Layout, found: Layout) -> tuple[pd.DataFrame, dict[str, str]]:
    """Pair true and found lanes over the whole picture, each at the rows that both run over.

    Extra lanes are found ones that pair with none. A lane that cannot be known counts neither way (`unknowable`).
    """
    lines, partner, free = [], {}, {lane.id for lane in found.lanes}
    distance = np.vstack([_apart(true.lanes_of(strip.id), found.lanes) for strip in true.strips])
    lanes = [lane for strip in true.strips for lane in true.lanes_of(strip.id)]
    blind = unknowable(blot, true)
    taken = zip(*linear_sum_assignment(np.minimum(distance, 1.0)), strict=True) if found.lanes else ()
    for i, j in taken:
        if distance[i, j] < 0.5:
            partner[lanes[i].id] = found.lanes[j].id
            free.discard(found.lanes[j].id)
            error = _off_center(blot, lanes[i], found.lanes[j], true)
            lines.append(("found", lanes[i].strip, error, found.lanes[j].confidence))
    for lane in lanes:
        if lane.id not in partner:
            lines.append(("unknowable" if lane.id in blind else "missed", lane.strip, np.nan, np.nan))
    home = {lane.id: lane for lane in found.lanes}
    lines += [("extra", _nearest_strip(true, home[k]), np.nan, home[k].confidence) for k in sorted(free)]
    return pd.DataFrame(lines, columns=["kind", "strip", "center_error", "confidence"]), partner


def unknowable(blot: SyntheticBlot, true: Layout) -> set[str]:
    """Lanes that no eye can count: beyond the first and the last lane of a strip that shows a band.

    A band shows from `MIN_SNR` on. Lanes that show nothing between two that do are asked for, as their gap tells of
    them; of a strip that shows fewer than two lanes nothing is asked.
    """
    table = blot.truth.bands
    best = table[table["present"]].groupby(["strip", "lane"])["snr"].max()
    blind: set[str] = set()
    for strip in true.strips:
        lanes = true.lanes_of(strip.id)
        seen = [k for k, lane in enumerate(lanes) if best.get((strip.number, lane.number), 0.0) >= MIN_SNR]
        inside = range(seen[0], seen[-1] + 1) if len(seen) > 1 else ()
        blind |= {lane.id for k, lane in enumerate(lanes) if k not in inside}
    return blind


def _apart(lanes: tuple[Lane, ...], rivals: tuple[Lane, ...]) -> np.ndarray:
    """Distances in pitches, shape (lanes, rivals), half-way down the rows that both share; infinite without any."""
    table = np.full((len(lanes), len(rivals)), np.inf)
    for i, lane in enumerate(lanes):
        for j, rival in enumerate(rivals):
            top, bottom = (
                np.max([lane.row_range, rival.row_range], axis=0)[0],
                min(lane.row_range[1], rival.row_range[1]),
            )
            if bottom - top > 10:
                row = (top + bottom) / 2
                away = abs(float(lane.center_at(row)) - float(rival.center_at(row)))
                table[i, j] = away / _pitches(lanes, float(np.mean(lane.row_range)))[i]
    return table


def _off_center(blot: SyntheticBlot, lane: Lane, rival: Lane, true: Layout) -> float:
    """Mean distance of two centre lines in pitches: where the lane's bands stand, or half-way down without any."""
    middle = float(np.mean(lane.row_range))
    lanes = true.lanes_of(lane.strip)
    pitch = _pitches(lanes, middle)[lanes.index(lane)]
    table = blot.truth.bands
    own = table[(table["strip"] == int(lane.strip[1:])) & (table["lane"] == lane.number) & table["present"]]
    rows = own["peak_row"].to_numpy() if len(own) else np.array([middle])
    return float(np.mean(abs(lane.center_at(rows) - rival.center_at(rows)))) / pitch


def _pitches(lanes: tuple[Lane, ...], row: float) -> np.ndarray:
    centers = np.array([float(lane.center_at(row)) for lane in lanes])
    if len(centers) < 2:
        return np.full(len(centers), lanes[0].widths[0])
    gaps = np.diff(centers)
    return np.minimum(np.append(gaps, np.inf), np.append(np.inf, gaps))


def _nearest_strip(true: Layout, lane: Lane) -> str:
    row = float(np.mean(lane.row_range))
    return min(true.strips, key=lambda s: abs(float(np.mean([r for r, _ in s.outline])) - row)).id


def _partner_strips(true: Layout, found: Layout, partner: dict[str, str]) -> dict[str, str]:
    """The found strip that holds most of each true strip's lanes."""
    home = {lane.id: lane.strip for lane in found.lanes}
    shares: dict[str, Counter[str]] = {}
    for lane in true.lanes:
        if lane.id in partner:
            shares.setdefault(lane.strip, Counter())[home[partner[lane.id]]] += 1
    return {strip: share.most_common(1)[0][0] for strip, share in shares.items()}


def _in_order(true: Layout, found: Layout, partner: dict[str, str]) -> bool:
    """Whether paired lanes run from left to right in both."""
    numbers = {lane.id: (lane.strip, lane.number) for lane in found.lanes}
    for strip in true.strips:
        paired = [numbers[partner[lane.id]][1] for lane in true.lanes_of(strip.id) if lane.id in partner]
        if paired != sorted(paired):
            return False
    return True


def match_bands(blot: SyntheticBlot, true: Layout, found: Layout) -> tuple[pd.DataFrame, dict[str, str]]:
    """Pair true bands and bands that were detected; the table holds found, missed, false and ignored ones."""
    table = blot.truth.bands.set_index(pd.Index(blot.band_ids))
    close = _close_minors(table)
    ours = [band for band in true.bands if table.at[band.id, "present"]]
    theirs = [band for band in found.bands if band.status == "detected"]
    cost = np.array([[_distance(band, table.loc[band.id], rival) for rival in theirs] for band in ours])
    pairs: dict[str, str] = {}
    if cost.size:
        # Strong bands come first: a faint neighbour must not take their place.
        weak = (table.loc[[b.id for b in ours], "snr"].to_numpy() < MIN_SNR)[:, None]
        for i, j in zip(*linear_sum_assignment(np.minimum(cost, 1.0) + 0.5 * weak), strict=True):
            if cost[i, j] < 1:
                pairs[ours[i].id] = theirs[j].id
    lines = []
    confidence = {band.id: band.confidence for band in theirs}
    for band in ours:
        counts = table.at[band.id, "snr"] >= MIN_SNR and band.id not in close
        kind = ("found" if band.id in pairs else "missed") if counts else "ignored"
        lines.append((kind, band.id, confidence.get(pairs.get(band.id, ""), np.nan), table.at[band.id, "snr"]))
    used = set(pairs.values())
    lines += [("false", band.id, band.confidence, np.nan) for band in theirs if band.id not in used]
    return pd.DataFrame(lines, columns=["kind", "id", "confidence", "snr"]), pairs


def _distance(band: Band, truth: pd.Series, rival: Band) -> float:
    """1 where two peaks are as far apart as they may be and still be one band."""
    down = abs(band.peak[0] - rival.peak[0]) / max(4.0, 1.6 * truth["sigma_along"])
    across = abs(band.peak[1] - rival.peak[1]) / (0.55 * truth["width"])
    return float(max(down, across))


def _partner_ids(table: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Major and minor band of each doublet, and their distance in SDs."""
    lines = []
    minors = table[table["target"].str.endswith("_minor") & table["present"]]
    for key, minor in minors.iterrows():
        same = (table["strip"] == minor["strip"]) & (table["lane"] == minor["lane"])
        major = table[same & (table["target"] == minor["target"].replace("_minor", "_major"))].iloc[0]
        apart = (minor["peak_row"] - major["peak_row"]) / np.mean([minor["sigma_along"], major["sigma_along"]])
        lines.append((str(major.name), str(key), float(apart)))
    return lines


def _close_minors(table: pd.DataFrame) -> set[str]:
    return {minor for _, minor, apart in _partner_ids(table) if apart < RESOLVED}


def weigh_doublets(blot: SyntheticBlot, found: Layout, pairs: dict[str, str]) -> pd.DataFrame:
    """Error of the minor band's share of its doublet, where both bands were found and given as resolved."""
    table = blot.truth.bands.set_index(pd.Index(blot.band_ids))
    both = [(a, b, apart) for a, b, apart in _partner_ids(table) if a in pairs and b in pairs]
    both = [pair for pair in both if not table.loc[list(pair[:2]), "saturated"].any()]
    lines = []
    if both:
        from blotquant.weighing.measure import measure_bands

        measured = measure_bands(blot.image(), found).set_index("band_id")
        for major, minor, apart in both:
            rows = measured.loc[[pairs[major], pairs[minor]]]
            accepted = not rows["flags"].fillna("").str.contains("unresolved").any()
            share = rows["volume"].iloc[1] / rows["volume"].sum()
            volumes = table.loc[[major, minor], "volume"]
            error = share / (volumes.iloc[1] / volumes.sum()) - 1
            lines.append((apart, accepted, float(error), table.at[minor, "snr"]))
    return pd.DataFrame(lines, columns=["apart", "accepted", "error", "snr"])


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
    print(f"  time       median {np.median([s.seconds for s in scores]):.3f} s a picture")


def count_strips(score: Score) -> pd.DataFrame:
    """Tell of every true strip whether two lanes show, and whether its lanes are right.

    `exact` asks for the lanes that show, `drawn` for all that were drawn, `among` for a count that is right or one of
    the alternatives given with it.
    """
    lines = []
    for strip, own in score.lanes.groupby("strip"):
        n = own["kind"].value_counts()
        wrong = n.get("missed", 0) + n.get("extra", 0)
        shown = n.get("found", 0) + n.get("missed", 0)
        others = {a.n_lanes for a in score.found.alternatives if a.strip == score.partner_strip.get(strip)}
        among = wrong == 0 or bool(others & {shown, shown + n.get("unknowable", 0)})
        lines.append((shown > 0, wrong == 0, wrong == 0 and not n.get("unknowable", 0), among))
    return pd.DataFrame(lines, columns=["known", "exact", "drawn", "among"])


def judge_strips(score: Score) -> pd.DataFrame:
    """Confidence of each found strip, and whether it is right: all lanes of one true strip and no other."""
    n = score.lanes[score.lanes["kind"].isin(["missed", "extra"])].groupby("strip").size()
    home = {ours: true for true, ours in score.partner_strip.items()}
    lines = [
        ("found" if strip.id in home and not n.get(home[strip.id], 0) else "extra", strip.confidence)
        for strip in score.found.strips
    ]
    return pd.DataFrame(lines, columns=["kind", "confidence"])


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
