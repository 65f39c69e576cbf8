"""Hold what was found in a synthetic blot against its truth: strips, lanes, bands, doublets.

A band counts when it stands at least 5 SDs (`snr` of the truth, photon, read noise and membrane grain) above nothing;
weaker ones count neither way. Of a doublet closer than 2.2 SDs the minor band counts neither way. Lanes beyond the
first and the last one of a strip that show such a band cannot be counted by anyone and count neither way.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from blotquant.model.geometry import Band, Lane, Layout
from blotquant.synthetic import SyntheticBlot

MIN_SNR = 5.0
RESOLVED = 2.2


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
        from blotquant.quantification.bands import measure_bands

        measured = measure_bands(blot.image(), found).set_index("band_id")
        for major, minor, apart in both:
            rows = measured.loc[[pairs[major], pairs[minor]]]
            accepted = not rows["flags"].fillna("").str.contains("unresolved").any()
            share = rows["volume"].iloc[1] / rows["volume"].sum()
            volumes = table.loc[[major, minor], "volume"]
            error = share / (volumes.iloc[1] / volumes.sum()) - 1
            lines.append((apart, accepted, float(error), table.at[minor, "snr"]))
    return pd.DataFrame(lines, columns=["apart", "accepted", "error", "snr"])


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
