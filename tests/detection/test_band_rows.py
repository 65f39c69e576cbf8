"""Rows of bands: crests of a drawn chance map, chained over gaps."""

from __future__ import annotations

import numpy as np
import pytest

from blotquant.detection.band_rows import chain_rows, find_ridges
from blotquant.detection.prediction import make_search_copy


def test_find_ridges_follows_the_crest_and_chain_rows_bridges_a_gap() -> None:
    rows, cols = np.mgrid[:60, :120].astype(float)
    crest = 30 + 0.05 * (cols - 60)
    chance = np.exp(-(((rows - crest) / 3) ** 2)) * ((cols % 40) < 28)
    ridges = find_ridges(chance.astype(np.float32))
    assert len(ridges) == 3
    for ridge in ridges:
        assert ridge.rows == pytest.approx(30 + 0.05 * (ridge.cols - 60), abs=0.6)
    assert [len(row.ridges) for row in chain_rows(ridges, reach=20)] == [3]
    assert [len(row.ridges) for row in chain_rows(ridges, reach=5)] == [1, 1, 1]


def test_find_ridges_sees_none_in_an_empty_picture() -> None:
    assert find_ridges(np.zeros((20, 30), dtype=np.float32)) == ()
    assert make_search_copy(np.ones((40, 50))).prediction.bands.max() < 0.5
