"""The network against a convolution written out, and the phase's lanes against lanes of known place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as filters

from blotquant.detection.band_rows import chain_rows, find_ridges
from blotquant.detection.prediction import (
    MOST,
    MULTIPLE,
    _layer,
    blocks_of,
    channels_of,
    load_network,
    make_search_copy,
    run_network,
)
from blotquant.detection.strip_candidates import LaneTrace, trace_lanes, with_count


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_layer_is_a_convolution_that_leaves_out_what_is_negative(stride: int, dilation: int) -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(size=(12, 8, 5)).astype(np.float32)
    taps, offset = rng.normal(size=(3, 3, 5, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    wide = np.zeros((1 + 2 * dilation, 1 + 2 * dilation, 5, 4), dtype=np.float32)
    wide[::dilation, ::dilation] = taps
    expected = np.stack(
        [
            sum(filters.correlate2d(image[..., i], wide[..., i, o], mode="same") for i in range(5)) + offset[o]
            for o in range(4)
        ],
        axis=-1,
    )[::stride, ::stride]
    weights = {"x.w": taps.reshape(-1, 4), "x.b": offset}
    found = _layer(weights, "x", image, stride=stride, dilation=dilation)
    assert found == pytest.approx(np.maximum(expected, 0), abs=1e-4)


def test_network_gives_maps_of_the_pictures_size() -> None:
    channels = np.zeros((3, 2 * MULTIPLE, 3 * MULTIPLE), dtype=np.float32)
    bands, lanes = run_network(load_network(), channels)
    assert bands.shape == channels.shape[1:]
    assert lanes.shape == (MULTIPLE, 3 * MULTIPLE // 2, 4)
    assert bands.max() < 0  # nothing is seen where nothing is


def test_views_are_the_same_for_any_factor_and_offset() -> None:
    picture = np.random.default_rng(1).gamma(3, 200, (80, 120))
    assert channels_of(picture * 37 + 1000) == pytest.approx(channels_of(picture), abs=1e-4)


@pytest.mark.parametrize("shape", [(200, 300), (2048, 2048), (700, 4000), (50, 60)])
def test_coarse_copy_is_bounded(shape: tuple[int, int]) -> None:
    fy, fx = blocks_of(shape)
    assert (shape[0] // fy) * (shape[1] // fx) <= MOST
    assert 1 <= fx <= 2 * fy


def drawn_phase(centers: np.ndarray, lean: float, shape: tuple[int, int] = (40, 90)) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(float)
    place = cols - lean * (rows - (shape[0] - 1) / 2)
    pitch = centers[1] - centers[0]
    known = np.concatenate([[centers[0] - pitch], centers, [centers[-1] + pitch]])
    return np.exp(2j * np.pi * np.interp(place, known, np.arange(len(known))))


@pytest.mark.parametrize("lean", [0.0, 0.05, -0.1])
def test_lanes_stand_where_the_phase_is_zero(lean: float) -> None:
    centers = np.array([12.0, 20.5, 31.0, 40.0, 50.5, 59.0, 70.0])
    tracks = trace_lanes(drawn_phase(centers, lean), np.ones((40, 90)), np.full((40, 90), 0.7))
    inner = [t for t in tracks if centers[0] - 4 < np.mean(t.cols) < centers[-1] + 4]
    assert len(inner) == len(centers)
    for track, center in zip(inner, centers, strict=True):
        assert float(track.col_at(19.5)) == pytest.approx(center, abs=0.4)
        assert (track.cols[-1] - track.cols[0]) / 39 == pytest.approx(lean, abs=0.02)
        assert track.clear > 0.9


def test_no_lanes_without_trust() -> None:
    phase = drawn_phase(np.array([12.0, 20.0, 28.0]), 0.0)
    assert trace_lanes(phase, np.zeros(phase.shape), np.ones(phase.shape)) == []


def test_a_wanted_number_of_lanes() -> None:
    def lane(col: float, clear: float = 0.9) -> LaneTrace:
        return LaneTrace(np.array([0.0, 10.0]), np.array([col, col]), 6.0, clear)

    tracks = [lane(0, 0.5), lane(10), lane(20), lane(40), lane(50, 0.7)]
    middles = [float(np.mean(t.cols)) for t in with_count(tracks, 4, 1, 3)]
    assert middles == [10, 20, 40, 50]  # the clearer of the two beside
    assert [float(np.mean(t.cols)) for t in with_count(tracks, 2, 1, 3)] in ([10, 20], [20, 40])
    assert [float(np.mean(t.cols)) for t in with_count(tracks, 6, 1, 3)] == [0, 10, 20, 30, 40, 50]
    assert [float(np.mean(t.cols)) for t in with_count([lane(0), lane(10)], 3, 0, 1)] == [0, 10, 20]


def test_ridges_follow_the_crest_and_chain_over_a_gap() -> None:
    rows, cols = np.mgrid[:60, :120].astype(float)
    crest = 30 + 0.05 * (cols - 60)
    chance = np.exp(-(((rows - crest) / 3) ** 2)) * ((cols % 40) < 28)
    ridges = find_ridges(chance.astype(np.float32))
    assert len(ridges) == 3
    for ridge in ridges:
        assert ridge.rows == pytest.approx(30 + 0.05 * (ridge.cols - 60), abs=0.6)
    assert [len(row.ridges) for row in chain_rows(ridges, reach=20)] == [3]
    assert [len(row.ridges) for row in chain_rows(ridges, reach=5)] == [1, 1, 1]


def test_empty_picture_has_no_ridges() -> None:
    assert find_ridges(np.zeros((20, 30), dtype=np.float32)) == ()
    assert make_search_copy(np.ones((40, 50))).prediction.bands.max() < 0.5
