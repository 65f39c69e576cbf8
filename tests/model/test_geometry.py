"""Strips, lanes and bands keep their promises."""

import numpy as np
import pytest

from blotquant.model.geometry import Band, Lane, Layout, Strip, polygon, polygon_area, rectangle


def lane(**changes):
    values = {"id": "l1", "strip": "s1", "number": 1, "center": ((0, 10), (100, 20)), "widths": (8, 12)} | changes
    return Lane(**values)


def test_lane_centre_line_and_width_are_straight_between_nodes():
    np.testing.assert_allclose(lane().center_at([0, 50, 100]), [10, 15, 20])
    np.testing.assert_allclose(lane().width_at([25]), [9])


def test_beyond_its_ends_a_lane_keeps_its_last_place():
    np.testing.assert_allclose(lane().center_at([-10, 200]), [10, 20])


def test_lane_outline_has_the_area_of_a_trapezium():
    assert polygon_area(lane().outline) == pytest.approx((8 + 12) / 2 * 100)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"center": ((0, 1),), "widths": (3,)}, "two or more centre nodes"),
        ({"widths": (3, 3, 3)}, "got 2 and 3"),
        ({"center": ((5, 1), (5, 2))}, "must run down the picture"),
        ({"widths": (3, 0)}, "wider than 0, got 0"),
    ],
)
def test_lane_impossible_lanes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        lane(**changes)


@pytest.mark.parametrize("points", [[(0, 0), (1, 1)], [(0, 0), (1, 1), (float("nan"), 2)], [1, 2, 3]])
def test_polygon_an_outline_needs_three_finite_points(points):
    with pytest.raises(ValueError, match="at least 3 finite"):
        polygon(points)


def test_layout_sorts_by_strip_lane_and_place():
    strips = [Strip(id=f"s{k}", number=k, outline=rectangle(0, 9, 0, 9)) for k in (2, 1)]
    lanes = [lane(id=f"{s}{k}", strip=s, number=k) for s in ("s2", "s1") for k in (2, 1)]
    bands = [
        Band(id=f"{x.id}{row}", lane=x.id, outline=rectangle(row, row + 2, 0, 3), peak=(row, 1))
        for x in lanes
        for row in (7, 3)
    ]
    layout = Layout(strips=tuple(strips), lanes=tuple(lanes), bands=tuple(bands)).sorted()
    assert [x.id for x in layout.lanes] == ["s11", "s12", "s21", "s22"]
    assert [b.id for b in layout.bands_of("s12")] == ["s123", "s127"]
    assert [x.id for x in layout.lanes_of("s2")] == ["s21", "s22"]
    assert layout.band("s217").peak == (7, 1)
    with pytest.raises(KeyError, match="nobody"):
        layout.lane("nobody")
