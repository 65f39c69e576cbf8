"""Lanes stand where the drawn phase is zero; rows of bands are chained over gaps."""

from __future__ import annotations

import numpy as np
import pytest

from blotquant.detection.prediction import find_ridges
from blotquant.detection.strip_candidates import chain_rows, trace_lanes


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


def test_chain_rows_bridges_a_gap_between_ridges_that_follow_the_crest() -> None:
    rows, cols = np.mgrid[:60, :120].astype(float)
    crest = 30 + 0.05 * (cols - 60)
    chance = np.exp(-(((rows - crest) / 3) ** 2)) * ((cols % 40) < 28)
    ridges = find_ridges(chance.astype(np.float32))
    assert len(ridges) == 3
    for ridge in ridges:
        assert ridge.rows == pytest.approx(30 + 0.05 * (ridge.cols - 60), abs=0.6)
    assert [row.ridges for row in chain_rows(ridges, reach=20)] == [3]
    assert [row.ridges for row in chain_rows(ridges, reach=5)] == [1, 1, 1]
