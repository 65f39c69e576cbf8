"""Rows of one gel that lie so far apart, or are seen in so few of its lanes, that the search takes them for strips.

Two strips above each other are joined where nothing speaks for a cut between them: the lanes of the one with fewer go
on in the other's, and the bare membrane between them runs on without an edge, a gap or a line. Where that membrane runs
on but most lanes do not, the smaller strip is no strip: it is doubted.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.detection.band_peaks import find_lane_peaks
from blotquant.detection.lanes import FoundStrip, bounded
from blotquant.detection.outlines import full_lane
from blotquant.detection.prediction import SearchCopy
from blotquant.detection.strip_candidates import candidate_of_lanes
from blotquant.imaging.robust import robust_sd
from blotquant.model.geometry import Lane
from blotquant.settings import DetectionSettings

FEW_LANES = 3
"""Lanes of a strip from which on those of another can be told to be the same."""
IN_LINE = 0.2
"""Distances of lanes by which a lane of one strip may end beside where it goes on in the other."""
MOST = 0.75
"""Share of the lanes of the smaller strip that go on in the other from which on the others are no lanes."""
DOUBT = 0.2
"""Trust at the most in a strip whose lanes do not go on in those of another on the same membrane."""
FEW_ROWS = 6
"""Coarse rows between two strips from which on they tell of an edge."""
ROUNDING = 0.3
"""Standard deviation of a rounded count, in steps of the stored counts."""
BEND = 4.0
"""SD in coarse rows of what the level of uncut membrane is smoothed by: haze is smoother, an edge is not."""
EDGE_SDS = 6.0
"""SDs of the membrane's level in one row: a row that strays further from its neighbours is an edge or a gap."""


def join_far_rows(usual: SearchCopy, found: list[FoundStrip], settings: DetectionSettings) -> list[FoundStrip]:
    """Join strips below each other that are rows of one membrane.

    Parameters
    ----------
    usual : SearchCopy
        The picture.
    found : list of FoundStrip
        Strips of the picture.
    settings : DetectionSettings
        Parameters of the search.

    Returns
    -------
    list of FoundStrip
        The joined ones with the bands of both, found anew in the joined lanes; the others as they are.
    """
    strips = list(found)
    # Strips are kept here for as long as their identities tell them apart.
    settled: list[tuple[FoundStrip, FoundStrip]] = []
    grown: list[FoundStrip] = []
    while True:
        for base, other in permutations(strips, 2):
            if not any(base is a and other is b for a, b in settled):
                break
        else:
            return strips
        settled.append((base, other))
        changed = _joined(usual, base, other, settings, beside=any(base is f for f in grown))
        if changed is not None:
            grown += [f for f in changed if f is not base]
            strips = [f for f in strips if f is not base and f is not other] + changed


def _joined(
    usual: SearchCopy, base: FoundStrip, other: FoundStrip, settings: DetectionSettings, *, beside: bool
) -> list[FoundStrip] | None:
    """One strip of both, or both with the second doubted; None where they may be two pieces of membrane.

    `beside` says that a strip was joined to the first before, at whose side the second may lie.
    """
    lanes, more = ([full_lane(f.copy, f.piece, i, f"l{i}", "s") for i in range(len(f.piece.tracks))]
                   for f in (base, other))  # fmt: skip
    if len(lanes) < FEW_LANES or not 2 <= len(more) <= len(lanes) or not base.peaks or not other.peaks:
        return None
    first, last = _rows_of(other)
    middle = (first + last) / 2
    cols, places = (np.array([_extended(lane, middle) for lane in some]) for some in (lanes, more))
    pitch = float(np.median(np.diff(cols)))
    away = np.abs(places[:, None] - cols)
    same = away.min(axis=1) <= IN_LINE * pitch
    if places.min() < cols.min() - IN_LINE * pitch or places.max() > cols.max() + IN_LINE * pitch:
        return None
    # The other strip lies above or below the bands of the lanes that go on in it.
    top, bottom = _rows_of(base, set(away.argmin(axis=1).tolist()))
    gap = (bottom, first) if first >= bottom else (last, top) if last <= top else None
    if gap is None and not beside:
        return None
    if gap is not None:
        c0, c1 = usual.col_of([places.min(), places.max()])
        r0, r1 = usual.row_of(gap)
        if not _is_bare(usual.pixels[int(r0) : int(r1) + 1, max(0, int(c0)) : int(c1) + 1], usual.step):
            return None
    if same.sum() < max(2, MOST * len(more)):
        # Two pieces may lie side by side below a third; lanes that lie across those of one gel are none of its lanes.
        if len(more) == len(lanes) or gap is None or other.trust <= DOUBT:
            return None
        return [base, replace(other, trust=DOUBT)]
    # A lane of which one strip shows little may lean; the nearest is still its own.
    partner = {int(away[j].argmin()): more[j] for j in np.flatnonzero(away.min(axis=1) < pitch / 2)}
    ends = (max(lane.row_range[1] for lane in more), min(lane.row_range[0] for lane in more))
    lanes = [_continued(lane, partner.get(k), *ends) for k, lane in enumerate(lanes)]
    clear = [track.clear for track in base.piece.tracks]
    if len(more) == len(lanes):
        clear = [min(c, track.clear) for c, track in zip(clear, other.piece.tracks, strict=True)]
    copy = base.copy if base.copy is other.copy else usual
    piece = candidate_of_lanes(copy, lanes)
    piece = replace(piece, tracks=tuple(replace(t, clear=c) for t, c in zip(piece.tracks, clear, strict=True)))
    peaks, spans = find_lane_peaks(copy, piece, settings)
    trust = min(base.trust, other.trust) if len(more) == len(lanes) else base.trust
    return [bounded(copy, FoundStrip(copy, piece, peaks, spans, trust=trust, rivals=base.rivals))]


def _rows_of(f: FoundStrip, lanes: Container[int] | None = None) -> tuple[float, float]:
    """Rows of the picture between which the bands of a strip, or of some of its lanes, lie."""
    peaks = [p for p in f.peaks if lanes is None or p.lane in lanes] or f.peaks
    rows = [float(f.spans[p.lane][0][0]) + p.row + side * p.width for p in peaks for side in (-2, 2)]
    top, bottom = f.copy.to_full(np.array([min(rows), max(rows)]), np.zeros(2))[0].tolist()
    return top, bottom


def _continued(lane: Lane, other: Lane | None, last: float, first: float) -> Lane:
    """A lane that runs on through the other strip's, or straight on over its rows where it has none there."""
    (r0, _), (r1, _) = lane.center[0], lane.center[-1]
    center = lane.center
    if other is not None and other.center[0][0] > r1:
        center = (*center, *other.center)
    elif other is not None and other.center[-1][0] < r0:
        center = (*other.center, *center)
    elif last > r1:
        center = (*center, (last, _extended(lane, last)))
    elif first < r0:
        center = ((first, _extended(lane, first)), *center)
    widths = (*lane.widths, *(other.widths if other is not None else ()))
    return replace(lane, center=center, widths=(float(np.mean(widths)),) * len(center))


def _extended(lane: Lane, row: float) -> float:
    """Column of a lane at a row beyond its end, where it runs on as straight as from end to end."""
    (r0, c0), (r1, c1) = lane.center[0], lane.center[-1]
    return c0 + (c1 - c0) * (row - r0) / max(r1 - r0, 1.0)


def _is_bare(between: NDArray[np.floating], step: float) -> bool:
    """Whether the level of membrane between two strips runs smoothly down, row by row, within its noise."""
    if len(between) < FEW_ROWS or between.shape[1] < FEW_ROWS:
        return False
    # Rows without any grain are paper, or ground that an export cut off: whether a cut lies there cannot be told.
    if not np.subtract(*np.percentile(between, [90, 10], axis=1)).all():
        return False
    level = np.median(between, axis=1).astype(np.float64)
    noise = max(robust_sd(np.diff(level)) / np.sqrt(2), ROUNDING * step)
    smooth = ndimage.gaussian_filter1d(level, BEND, mode="nearest")
    return bool(noise > 0 and np.abs(level - smooth).max() <= EDGE_SDS * noise)
