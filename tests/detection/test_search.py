"""Rows of one gel far apart are one strip; two pieces of membrane are two."""

import numpy as np
import pytest

from blotquant.detection.band_peaks import FoundStrip, Peak
from blotquant.detection.picture import find_layout
from blotquant.detection.prediction import make_search_copy
from blotquant.detection.search import bounded
from blotquant.detection.strip_candidates import LaneTrace, StripCandidate

CENTERS = 60.0 + 65.0 * np.arange(8)


def rows_of_bands(rows, shape=(900, 600)):
    """Eight lanes of bands at some rows on bare membrane."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    picture = np.random.default_rng(4).normal(400, 15, shape)
    for row in rows:
        for center in CENTERS:
            across = 1 / (1 + np.exp((np.abs(x - center) - 22) / 1.2))
            picture += 2500 * np.exp(-(((y - row) / 4.2) ** 2) / 2) * across
    return picture


def test_join_far_rows_makes_one_strip_of_rows_on_one_membrane():
    found = find_layout(rows_of_bands((150, 750)))
    assert len(found.strips) == 1
    assert len(found.lanes) == 8
    for lane in found.lanes:
        assert [b.peak[0] for b in found.bands_of(lane.id)] == pytest.approx([150, 750], abs=1)
        assert lane.center_at(450) == pytest.approx(CENTERS[lane.number - 1], abs=2)


@pytest.mark.parametrize("ground", [0.0, 250.0])
def test_join_far_rows_leaves_two_pieces_of_membrane_apart(ground):
    picture = rows_of_bands((150, 750))
    picture[440:470] = np.random.default_rng(5).normal(ground, 15, (30, 600))
    found = find_layout(picture)
    assert [len(found.lanes_of(s.id)) for s in found.strips] == [8, 8]


@pytest.mark.parametrize("seen", [(0, 1, 2), (0, 1, 2, 5, 6, 7)])
def test_join_far_rows_gives_a_row_seen_in_some_lanes_to_its_gel(seen):
    """The third row shows in a few lanes alone: no strip of three lanes, nor two strips side by side."""
    picture = rows_of_bands((120, 220), shape=(460, 600))
    y, x = np.mgrid[:460, :600].astype(float)
    for k in seen:
        across = 1 / (1 + np.exp((np.abs(x - CENTERS[k]) - 22) / 1.2))
        picture += 700 * np.exp(-(((y - 340) / 4.2) ** 2) / 2) * across
    found = find_layout(picture)
    assert len(found.strips) == 1
    # Where a lane shows nothing, its neighbours' light may bend it by a twentieth of their distance.
    aside = np.abs([lane.center_at(300) - center for lane, center in zip(found.lanes, CENTERS, strict=True)])
    assert all(away < (1 if k in seen else 0.05 * 65) for k, away in enumerate(aside))
    low = {lane.number - 1 for lane in found.lanes for b in found.bands_of(lane.id)
           if b.status == "detected" and b.peak[0] > 300}  # fmt: skip
    assert low == set(seen)


def test_join_far_rows_leaves_strips_apart_on_paper_without_grain():
    """Two crops pasted on white paper, their own ground cut off by the export: nothing tells one gel from two."""
    picture = np.rint(np.clip((rows_of_bands((130, 390), shape=(520, 600)) - 500) / 10, 0, 255))
    assert (picture[200:320] == 0).all()
    found = find_layout(picture, ceiling=255.0)
    assert [len(found.lanes_of(s.id)) for s in found.strips] == [8, 8]


def test_join_far_rows_follows_membrane_with_haze():
    """Smooth light between two rows is no edge."""
    y = np.mgrid[:900, :600][0]
    found = find_layout(rows_of_bands((150, 750)) + 300 * np.exp(-(((y - 450) / 120.0) ** 2) / 2))
    assert [len(found.lanes_of(s.id)) for s in found.strips] == [8]


def test_find_layout_sees_nothing_where_counts_are_no_number():
    picture = rows_of_bands((150,), shape=(300, 600))
    picture[5:20, 300:340] = np.nan
    assert len(find_layout(picture).lanes) == 8


def test_bounded_lets_a_short_lane_go_as_far_as_its_neighbour():
    """An outer lane of which the network sees only the lower part."""
    tracks = tuple(LaneTrace(np.array([0.0, 99.0]), np.array([c, c]), 12.0, 0.9) for c in (20.0, 40.0, 60.0))
    tops, bottoms = (10.0, 10.0, 45.0), (90.0, 88.0, 70.0)
    rows = [np.arange(int(top), int(bottom) + 1) for top, bottom in zip(tops, bottoms, strict=True)]
    spans = [(r, r.astype(float), np.zeros(len(r))) for r in rows]
    peaks = [Peak(k, 50.0 - tops[k], 50.0, 6.0, 100.0, 50.0, 0.9, group=0, core=6.0) for k in range(3)]
    grid = make_search_copy(np.random.default_rng(0).normal(size=(100, 80)))
    found = bounded(grid, FoundStrip(grid, StripCandidate(tracks, (), tops, bottoms), peaks, spans))
    assert found.piece.tops[2] == found.piece.tops[1]
    assert found.piece.bottoms[2] == found.piece.bottoms[1]
