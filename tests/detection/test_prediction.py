"""The network against a convolution written out, and the phase's lanes against lanes of known place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as filters

from blotquant.detection.prediction import (
    MOST,
    MULTIPLE,
    _layer,
    blocks_of,
    channels_of,
    find_ridges,
    load_network,
    make_search_copy,
    run_network,
)


@pytest.mark.parametrize(("stride", "apart"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("rows", [2, 12, 94])
def test_layer_is_a_convolution_that_leaves_out_what_is_negative(rows: int, stride: int, apart: int) -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(size=(rows, 5, 8)).astype(np.float32)
    taps, offset = rng.normal(size=(3, 3, 5, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    wide = np.zeros((3, 1 + 2 * apart, 5, 4), dtype=np.float32)
    wide[:, ::apart] = taps
    expected = np.stack(
        [
            sum(filters.correlate2d(image[:, i], wide[..., i, o], mode="same") for i in range(5)) + offset[o]
            for o in range(4)
        ],
        axis=1,
    )[::stride, :, ::stride]
    weights = {"x.w": taps.reshape(-1, 4), "x.b": offset}
    found = _layer(weights, "x", image, stride=stride, apart=apart)
    assert found == pytest.approx(np.maximum(expected, 0), abs=1e-4)


def test_run_network_gives_maps_of_the_pictures_size() -> None:
    channels = np.zeros((3, 2 * MULTIPLE, 3 * MULTIPLE), dtype=np.float32)
    bands, lanes = run_network(load_network(), channels)
    assert bands.shape == channels.shape[1:]
    assert lanes.shape == (MULTIPLE, 4, 3 * MULTIPLE // 2)
    assert bands.max() < 0  # nothing is seen where nothing is


def test_channels_of_are_the_same_for_any_factor_and_offset() -> None:
    picture = np.random.default_rng(1).gamma(3, 200, (80, 120))
    assert channels_of(picture * 37 + 1000) == pytest.approx(channels_of(picture), abs=1e-4)


@pytest.mark.parametrize("shape", [(200, 300), (2048, 2048), (700, 4000), (50, 60)])
def test_blocks_of_bound_the_coarse_copy(shape: tuple[int, int]) -> None:
    fy, fx = blocks_of(shape)
    assert (shape[0] // fy) * (shape[1] // fx) <= MOST
    assert 1 <= fx <= 2 * fy


def test_find_ridges_sees_none_in_an_empty_picture() -> None:
    assert find_ridges(np.zeros((20, 30), dtype=np.float32)) == ()
    assert make_search_copy(np.ones((40, 50))).prediction.bands.max() < 0.5
