"""Rows of one gel that lie so far apart that the search takes them for two strips.

Two strips below each other are joined where nothing speaks for a cut between them: as many lanes in both, each lane
of the one going on in the other, and the bare membrane between them runs on without an edge, a gap or a line.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

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
FEW_ROWS = 6
"""Coarse rows between two strips from which on they tell of an edge."""
EDGE_SDS = 6.0
"""SDs of the membrane's level in one row: a row that strays further from a straight line is an edge or a gap."""


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
    joined: list[tuple[FoundStrip, list[Lane]]] = []
    order = sorted(((f, _lanes_of(f)) for f in found), key=lambda pair: min(x.row_range[0] for x in pair[1]))
    for f, lanes in order:
        for k, (other, above) in enumerate(joined):
            if _goes_on(usual, above, lanes):
                both = [_continued(a, b) for a, b in zip(above, lanes, strict=True)]
                joined[k] = (_found_again(usual, other, f, both, settings), both)
                break
        else:
            joined.append((f, lanes))
    return [f for f, _ in joined]


def _lanes_of(f: FoundStrip) -> list[Lane]:
    return [full_lane(f.copy, f.piece, i, f"l{i}", "s") for i in range(len(f.piece.tracks))]


def _continued(above: Lane, below: Lane) -> Lane:
    widths = (float(np.mean((*above.widths, *below.widths))),) * (len(above.center) + len(below.center))
    return replace(above, center=(*above.center, *below.center), widths=widths)


def _goes_on(usual: SearchCopy, above: list[Lane], below: list[Lane]) -> bool:
    """Whether the lanes of one strip go on in another below it, on membrane that is not cut between them."""
    if len(above) != len(below) or len(above) < FEW_LANES:
        return False
    ends, starts = np.array([x.center[-1] for x in above]), np.array([x.center[0] for x in below])
    if ends[:, 0].max() > starts[:, 0].min():
        return False
    pitch = float(np.median(np.diff(ends[:, 1])))
    middle = (ends[:, 0] + starts[:, 0]) / 2
    lines = [np.array([_extended(x, row) for x, row in zip(lanes, middle, strict=True)]) for lanes in (above, below)]
    if np.abs(lines[0] - lines[1]).max() > IN_LINE * pitch:
        return False
    cols = usual.col_of([starts[:, 1].min(), starts[:, 1].max()])
    rows = usual.row_of([np.median(ends[:, 0]), np.median(starts[:, 0])])
    return _is_bare(usual.pixels[int(rows[0]) : int(rows[1]) + 1, max(0, int(cols[0])) : int(cols[1]) + 1])


def _extended(lane: Lane, row: float) -> float:
    """Column of a lane at a row beyond its end, where it runs on as straight as from end to end."""
    (r0, c0), (r1, c1) = lane.center[0], lane.center[-1]
    return c0 + (c1 - c0) * (row - r0) / max(r1 - r0, 1.0)


def _is_bare(between: NDArray[np.floating]) -> bool:
    """Whether the level of membrane between two strips follows a straight line down, row by row, within its noise."""
    if len(between) < FEW_ROWS or between.shape[1] < FEW_ROWS:
        return False
    level = np.median(between, axis=1).astype(np.float64)
    noise = robust_sd(np.diff(level)) / np.sqrt(2)
    rows = np.arange(len(level), dtype=float)
    line = np.polynomial.Polynomial.fit(rows, level, 1)(rows)
    return bool(noise > 0 and np.abs(level - line).max() <= EDGE_SDS * noise)


def _found_again(
    usual: SearchCopy, above: FoundStrip, below: FoundStrip, lanes: list[Lane], settings: DetectionSettings
) -> FoundStrip:
    """The bands of joined lanes, whose clearness is the lesser of both strips'."""
    copy = above.copy if above.copy is below.copy else usual
    piece = candidate_of_lanes(copy, lanes)
    clear = [min(a.clear, b.clear) for a, b in zip(above.piece.tracks, below.piece.tracks, strict=True)]
    piece = replace(piece, tracks=tuple(replace(t, clear=c) for t, c in zip(piece.tracks, clear, strict=True)))
    peaks, spans = find_lane_peaks(copy, piece, settings)
    joined = FoundStrip(copy, piece, peaks, spans, trust=min(above.trust, below.trust))
    return bounded(copy, joined)
