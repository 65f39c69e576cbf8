"""Two ways to lay a picture, one after the other, are one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blotquant.model.image import Orientation

FLIPS = st.sampled_from([None, "left-right", "top-bottom"])


@st.composite
def steps(draw: st.DrawFn, shape: tuple[int, int]) -> Orientation:
    """A cut, a turn and a mirror of a picture of some shape."""
    height, width = shape
    left, top = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
    box = left, top, draw(st.integers(left + 2, max(width, left + 2))), draw(st.integers(top + 2, max(height, top + 2)))
    fits = box[2] <= width and box[3] <= height
    return Orientation(
        region=box if fits and draw(st.booleans()) else None,
        rotate=draw(st.sampled_from([0.0, 90.0, 180.0, 270.0, -90.0])),
        flip=draw(FLIPS),
    )


@given(st.data(), st.sampled_from([1, 3, 6, 8]))
def test_then_is_one_laying_after_the_other(data: st.DataObject, tag: int) -> None:
    stored = np.arange(11 * 17).reshape(11, 17)
    laid = Orientation(tag=tag)
    shown = laid.lay(stored)
    for _ in range(3):
        step = data.draw(steps(shown.shape))
        laid, shown = laid.then(step, shown.shape), step.lay(shown)
        assert np.array_equal(laid.lay(stored), shown)


def test_then_of_opposite_steps_is_nothing() -> None:
    laid = Orientation(region=(2, 3, 9, 8), rotate=90.0, flip="left-right")
    turned = laid.then(Orientation(rotate=90), (7, 5))
    assert turned == Orientation(region=(2, 3, 9, 8), rotate=0.0, flip="left-right")
    assert turned.then(Orientation(rotate=-90), (5, 7)) == laid
    mirror = Orientation(flip="left-right")
    assert laid.then(mirror, (7, 5)).then(mirror, (7, 5)) == laid
