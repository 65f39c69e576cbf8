"""Polarity, a flip, a factor on the counts and another dtype alter nothing but, for the flip, the order of lanes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from graded_suites import graded_suite
from hypothesis import given, settings
from hypothesis import strategies as st

from blotquant.detection.picture import find_layout
from blotquant.model.geometry import Layout
from blotquant.model.image import BlotImage
from blotquant.synthetic import SyntheticBlot

N = 4
"""Easy and medium pictures, synthetic."""
SAME = 1e-4
"""Of a pitch: places are rounded to 1e-4 px."""


@cache
def blots() -> tuple[SyntheticBlot, ...]:
    easy, medium = (tuple(graded_suite(grade, N // 2, seed=11)) for grade in ("easy", "medium"))
    return (*easy, *medium)


@cache
def found(k: int) -> Layout:
    image = blots()[k].image()
    return find_layout(image.signal(), ceiling=image.ceiling)


def centers(layout: Layout) -> list[float]:
    return [float(lane.center_at(sum(lane.row_range) / 2)) for lane in layout.lanes]


def assert_same(a: Layout, b: Layout) -> None:
    assert [(x.strip, x.number, x.role, x.flags) for x in a.lanes] == [
        (x.strip, x.number, x.role, x.flags) for x in b.lanes
    ]
    assert centers(a) == pytest.approx(centers(b), abs=1e-3)
    assert [(x.lane, x.row, x.status) for x in a.bands] == [(x.lane, x.row, x.status) for x in b.bands]
    assert np.array([x.peak for x in a.bands]) == pytest.approx(np.array([x.peak for x in b.bands]), abs=0.01)
    assert a.flags == b.flags
    assert a.alternatives == b.alternatives


@pytest.mark.parametrize("k", range(N))
def test_find_layout_is_the_same_for_either_polarity(k: int) -> None:
    image = blots()[k].image()
    other = BlotImage(
        pixels=(65535 - image.pixels.astype(np.int64)).astype(np.uint16),
        polarity="dark" if image.polarity == "bright" else "bright",
        ceiling=image.ceiling,
        white=65535.0 - image.white if image.polarity == "bright" else 0.0,
    )
    assert_same(find_layout(other.signal(), ceiling=float("inf")), find_layout(image.signal(), ceiling=float("inf")))


@settings(max_examples=12, deadline=None)
@given(k=st.integers(0, N - 1), factor=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3))
def test_find_layout_is_the_same_for_any_factor_and_offset(k: int, factor: float, offset: float) -> None:
    image = blots()[k].image()
    other = find_layout((image.signal() + offset) * factor, ceiling=(image.ceiling + offset) * factor)
    assert_same(other, found(k))


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint16])
@pytest.mark.parametrize("k", range(N))
def test_find_layout_is_the_same_for_any_dtype(k: int, dtype: type) -> None:
    image = blots()[k].image()
    assert find_layout(image.signal().astype(dtype), ceiling=image.ceiling) == found(k)


@pytest.mark.parametrize("k", range(N))
def test_find_layout_of_a_flipped_picture_turns_the_order_of_lanes(k: int) -> None:
    image = blots()[k].image()
    flipped = find_layout(np.ascontiguousarray(image.signal()[:, ::-1]), ceiling=image.ceiling)
    here = found(k)
    assert [len(flipped.lanes_of(s.id)) for s in flipped.strips] == [len(here.lanes_of(s.id)) for s in here.strips]
    for a, b in zip(here.strips, flipped.strips, strict=True):
        there = [image.pixels.shape[1] - 1 - float(x.center_at(np.mean(x.row_range))) for x in flipped.lanes_of(b.id)]
        own = [float(x.center_at(np.mean(x.row_range))) for x in here.lanes_of(a.id)]
        pitch = float(np.median(np.diff(own)))
        assert there[::-1] == pytest.approx(own, abs=SAME * pitch)
    seen = [sum(b.status == "detected" for b in x.bands) for x in (here, flipped)]
    assert seen[1] == seen[0]
