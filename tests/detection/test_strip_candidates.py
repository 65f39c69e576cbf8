"""Lanes stand where the drawn phase is zero, and as many as are wanted."""

from __future__ import annotations

import numpy as np
import pytest

from blotquant.detection.strip_candidates import LaneTrace, trace_lanes, with_count


def drawn_phase(centers: np.ndarray, lean: float, shape: tuple[int, int] = (40, 90)) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    place = cols - lean * (rows - (shape[0] - 1) / 2)
    pitch = centers[1] - centers[0]
    known = np.concatenate([[centers[0] - pitch], centers, [centers[-1] + pitch]])
    return np.exp(2j * np.pi * np.interp(place, known, np.arange(len(known))))


@pytest.mark.parametrize("lean", [0.0, 0.05, -0.1])
def test_trace_lanes_puts_lanes_where_the_phase_is_zero(lean: float) -> None:
    centers = np.array([12.0, 20.5, 31.0, 40.0, 50.5, 59.0, 70.0])
    tracks = trace_lanes(drawn_phase(centers, lean), np.ones((40, 90)), np.full((40, 90), 0.7))
    inner = [t for t in tracks if centers[0] - 4 < np.mean(t.cols) < centers[-1] + 4]
    assert len(inner) == len(centers)
    for track, center in zip(inner, centers, strict=True):
        assert float(track.col_at(19.5)) == pytest.approx(center, abs=0.4)
        assert (track.cols[-1] - track.cols[0]) / 39 == pytest.approx(lean, abs=0.02)
        assert track.clear > 0.9


def test_trace_lanes_finds_none_without_trust() -> None:
    phase = drawn_phase(np.array([12.0, 20.0, 28.0]), 0.0)
    assert trace_lanes(phase, np.zeros(phase.shape), np.ones(phase.shape)) == []


def test_with_count_brings_lanes_to_a_wanted_number() -> None:
    def lane(col: float, clear: float = 0.9) -> LaneTrace:
        return LaneTrace(np.array([0.0, 10.0]), np.array([col, col]), 6.0, clear)

    tracks = [lane(0, 0.5), lane(10), lane(20), lane(40), lane(50, 0.7)]
    middles = [float(np.mean(t.cols)) for t in with_count(tracks, 4, 1, 3)]
    assert middles == [10, 20, 40, 50]  # the clearer of the two beside
    assert [float(np.mean(t.cols)) for t in with_count(tracks, 2, 1, 3)] in ([10, 20], [20, 40])
    assert [float(np.mean(t.cols)) for t in with_count(tracks, 6, 1, 3)] == [0, 10, 20, 30, 40, 50]
    assert [float(np.mean(t.cols)) for t in with_count([lane(0), lane(10)], 3, 0, 1)] == [0, 10, 20]
