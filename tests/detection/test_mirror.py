"""A picture and its mirror image are searched as one: equal to the stored digits but for the order of lanes."""

from __future__ import annotations

import numpy as np
import pytest
from graded_suites import graded_suite

from blotquant.detection.picture import detect_bands, find_layout
from blotquant.detection.turned import flip_layout, in_reading_order, leans_left
from blotquant.model.geometry import Layout


@pytest.mark.parametrize("blot", list(graded_suite("hard", 3, seed=11)), ids=["a", "b", "c"])
def test_flip_is_exact(blot) -> None:
    signal = blot.image().signal()
    here, there = find_layout(signal), find_layout(np.ascontiguousarray(signal[:, ::-1]))
    back = in_reading_order(flip_layout(there, signal.shape[1]))
    assert [(x.id, x.number, x.flags, x.role) for x in back.lanes] == [
        (x.id, x.number, x.flags, x.role) for x in here.lanes
    ]
    assert [b.id for b in back.bands] == [b.id for b in here.bands]
    for a, b in zip(back.lanes, here.lanes, strict=True):
        assert np.asarray(a.center) == pytest.approx(np.asarray(b.center), abs=1e-3)
    for a, b in zip(back.bands, here.bands, strict=True):
        assert np.asarray(a.outline) == pytest.approx(np.asarray(b.outline), abs=1e-3)


def test_flipping_twice_changes_nothing() -> None:
    blot = next(iter(graded_suite("medium", 1, seed=4)))
    layout = find_layout(blot.image().signal())
    again = flip_layout(flip_layout(layout, 300), 300)
    assert [x.id for x in again.lanes] == [x.id for x in layout.lanes]
    assert np.asarray(again.lanes[0].center) == pytest.approx(np.asarray(layout.lanes[0].center), abs=1e-3)


def test_bands_of_given_lanes_follow_the_flip() -> None:
    blot = next(iter(graded_suite("easy", 1, seed=4)))
    signal = blot.image().signal()
    lanes = find_layout(signal).lanes
    bands = detect_bands(signal, lanes)
    turned = flip_layout(Layout(lanes=lanes, bands=bands, strips=find_layout(signal).strips), signal.shape[1])
    flipped = detect_bands(np.ascontiguousarray(signal[:, ::-1]), turned.lanes)
    assert sorted(b.id for b in flipped) == sorted(b.id for b in turned.bands)


def test_only_one_of_two_mirror_images_leans_left() -> None:
    picture = np.random.default_rng(2).normal(size=(40, 61))
    assert leans_left(picture) != leans_left(picture[:, ::-1])
    assert leans_left(picture * 3 + 100) == leans_left(picture)
