"""Outlines of a declared doublet take in both of its bands."""

import numpy as np

from blotquant.doublets.split import widen_outlines
from blotquant.model.geometry import bounding_box, rectangle


def doublet(offsets, middle):
    return sum(np.exp(-0.5 * ((offsets - middle - side) / 2.0) ** 2) for side in (-4.0, 4.0)) * 1000.0


def test_room_for_both_bands_and_one_height():
    outlines = [rectangle(100, 110, 10, 40), rectangle(104, 114, 50, 80)]
    middles = [3.0, -1.0]

    def read(k, reach):
        offsets = np.arange(-reach, reach + 1, dtype=float)
        return offsets, doublet(offsets, middles[k])

    boxes = [bounding_box(outline) for outline in widen_outlines(outlines, read)]
    heights = {box.row_stop - box.row_start for box in boxes}
    assert len(heights) == 1
    for box, start, middle in zip(boxes, (100, 104), middles, strict=True):
        true_middle = start + 4.5 + middle
        assert box.row_start <= true_middle - 4 - 2 * 2
        assert box.row_stop - 1 >= true_middle + 4 + 2 * 2


def test_lanes_that_tell_nothing_follow_the_others():
    outlines = [rectangle(100, 120, 10, 40), rectangle(100, 120, 50, 80)]

    def read(k, reach):
        offsets = np.arange(-reach, reach + 1, dtype=float)
        return (offsets, doublet(offsets, 4.0)) if k == 0 else None

    first, second = (bounding_box(outline) for outline in widen_outlines(outlines, read))
    assert (first.row_start, first.row_stop) == (second.row_start, second.row_stop)
    assert first.row_start > 100


def test_widen_outlines_nothing_known_nothing_changed():
    outlines = [rectangle(100, 110, 10, 40)]
    assert widen_outlines(outlines, lambda _k, _reach: None) == outlines
