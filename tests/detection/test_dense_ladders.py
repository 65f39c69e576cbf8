"""Rows that lie close, lanes that are seen in halves, lanes in free ground: every band once, every lane once."""

from dataclasses import replace

import numpy as np
import pytest

from blotquant.detection.band_peaks import Peak
from blotquant.detection.lanes import evened
from blotquant.detection.picture import find_layout
from blotquant.detection.strip_candidates import LaneTrace, StripCandidate
from blotquant.synthetic.blot import make_blot
from blotquant.synthetic.spec import BlotSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec


def test_find_layout_finds_every_band_of_a_dense_ladder():
    """Eighteen rows of unlike strength in four wide lanes: the bands themselves are no noise."""
    rng = np.random.default_rng(3)
    lanes = tuple(LaneSpec(center=130.0 + 190 * k, width=110.0) for k in range(4))
    sigmas = np.linspace(2.6, 4.2, 18)
    places = 60 + np.concatenate([[0.0], np.cumsum(sigmas[1:] * rng.uniform(5.5, 8.0, 17))])
    rows = tuple(
        RowSpec(target=f"r{j}", row=place, sigma=sigma, edge=3.0, volumes=(v,) * 4)
        for j, (place, sigma, v) in enumerate(
            zip(places.tolist(), sigmas.tolist(), (10 ** rng.uniform(5.0, 6.1, 18)).tolist(), strict=True)
        )
    )
    shape = (int(places[-1]) + 80, 830)
    strip = StripSpec(box=(0, shape[0], 0, shape[1]), lanes=lanes, rows=rows, level=300.0)
    surface = SurfaceSpec(haze=20.0, texture=0.03, glow=0.03, glow_px=25.0)
    found = find_layout(make_blot(BlotSpec(shape=shape, strips=(strip,), surface=surface), seed=4).image().signal())
    assert [lane.number for lane in found.lanes] == [1, 2, 3, 4]
    for lane in found.lanes:
        peaks = [band.peak[0] for band in found.bands_of(lane.id) if band.status == "detected"]
        assert peaks == pytest.approx(list(places), abs=1.5)


def strip_of(columns, *, dark=()):
    """Lanes at some columns, and a band of one row in each that is not dark."""
    tracks = tuple(LaneTrace(np.array([0.0, 50.0]), np.array([c, c]), 8.0, 0.9) for c in map(float, columns))
    piece = StripCandidate(tracks, (), (0.0,) * len(tracks), (50.0,) * len(tracks))
    lit = [k for k in range(len(tracks)) if k not in dark]
    return piece, [Peak(k, 25.0, 25.0, 6.0, 100.0, 50.0, 0.9, group=0, core=6.0) for k in lit]


def middles(piece):
    return [float(np.mean(t.cols)) for t in piece.tracks]


def test_evened_joins_the_halves_of_a_hollow_band():
    joined = evened(*strip_of([20, 40, 56, 64, 80, 100, 120]))
    assert middles(joined) == [20, 40, 60, 80, 100, 120]
    assert joined.tracks[2].width == pytest.approx(16)


def test_evened_leaves_out_lanes_in_free_ground_between_even_lanes():
    assert middles(evened(*strip_of([20, 40, 60, 80, 100, 140], dark=[1, 3]))) == [20, 60, 100, 140]


def test_evened_joins_halves_beside_free_ground_that_was_taken_for_lanes():
    """Four ladders, the first seen in halves, two of the gaps between them taken for lanes."""
    assert middles(evened(*strip_of([56, 64, 85, 100, 140, 160, 180], dark=[2, 5]))) == [60, 100, 140, 180]


def test_evened_joins_halves_of_which_one_shows_a_further_row():
    piece, peaks = strip_of([20, 40, 56, 64, 80, 100, 120])
    rows = [replace(p, group=k, row=10.0 * k) for p in peaks for k in range(5)]
    further = replace(peaks[3], group=5, row=60.0)
    assert middles(evened(piece, [*rows, further])) == [20, 40, 60, 80, 100, 120]


@pytest.mark.parametrize(
    ("columns", "dark"),
    [
        (range(20, 160, 20), ()),
        (range(20, 160, 20), (3,)),
        ([20, 40, 60, 80, 120, 140], ()),
        ([20, 40, 56, 64, 80, 100, 120], (2,)),
        ([20, 28, 60, 68, 100, 108, 140, 148], ()),
    ],
    ids=["even", "an empty lane", "a free well", "a band beside an empty lane", "all in pairs"],
)
def test_evened_keeps_other_lanes(columns, dark):
    assert evened(*strip_of(columns, dark=dark)) is None
