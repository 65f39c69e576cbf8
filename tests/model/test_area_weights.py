"""Area weights against areas known by formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blotquant.model.geometry import Box, area_weights, bounding_box, clip_box, polygon, polygon_area, rectangle

coordinate = st.floats(5, 45, allow_nan=False)


def test_area_weights_whole_pixels_weigh_one():
    box, weights = area_weights(rectangle(10, 20, 5, 8), (50, 50))
    assert box == Box(10, 20, 5, 8)
    assert np.array_equal(weights, np.ones((10, 3)))


def test_area_weights_half_covered_pixels_weigh_half():
    box, weights = area_weights(polygon([(9.5, 5), (9.5, 7), (11.5, 7), (11.5, 5)]), (50, 50))
    assert box == Box(10, 12, 5, 8)
    np.testing.assert_allclose(weights, [[0.5, 1, 0.5], [0.5, 1, 0.5]])


def test_area_weights_triangle_splits_pixels_by_its_diagonal():
    _, weights = area_weights(polygon([(-0.5, -0.5), (1.5, -0.5), (1.5, 1.5)]), (5, 5))
    np.testing.assert_allclose(weights, [[0.5, 0], [1, 0.5]])


def test_area_weights_turning_direction_does_not_matter():
    outline = polygon([(3.2, 4.1), (9.7, 6.0), (8.1, 12.9), (2.2, 10.0)])
    _, one = area_weights(outline, (20, 20))
    _, other = area_weights(outline[::-1], (20, 20))
    np.testing.assert_allclose(one, other, atol=1e-12)


@given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=3, unique=True))
def test_area_weights_triangles_sum_to_their_area(points):
    outline = polygon(points)
    _, weights = area_weights(outline, (50, 50))
    assert weights.sum() == pytest.approx(polygon_area(outline), abs=1e-6)
    assert weights.min() >= 0
    assert weights.max() <= 1


@given(st.integers(0, 10_000), st.integers(-30, 30), st.integers(-30, 30))
def test_area_weights_shift_by_whole_pixels_moves_weights_unchanged(seed, down, right):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    radius = rng.uniform(3, 12, 9)
    points = np.column_stack([60 + radius * np.sin(angles), 60 + radius * np.cos(angles)]).round(2)
    box, weights = area_weights(polygon(points), (120, 120))
    moved_box, moved = area_weights(polygon(points + np.array([down, right])), (120, 120))
    assert moved_box == Box(box.row_start + down, box.row_stop + down, box.col_start + right, box.col_stop + right)
    np.testing.assert_allclose(moved, weights, atol=1e-9)


def test_area_weights_what_lies_outside_the_picture_is_cut_off():
    box, weights = area_weights(rectangle(-5, 3, 8, 30), (10, 20))
    assert box == Box(0, 3, 8, 20)
    assert weights.sum() == 3 * 12


def test_outline_beyond_the_picture_covers_nothing():
    box, weights = area_weights(rectangle(40, 50, 8, 30), (10, 20))
    assert weights.size == 0
    assert box.row_start == box.row_stop


def test_clip_box_keeps_order():
    assert clip_box(Box(-4, -2, 3, 9), (10, 5)) == Box(0, 0, 3, 5)


def test_bounding_box_of_an_edge_between_two_pixels():
    assert bounding_box(rectangle(3, 7, 2, 4)) == Box(3, 7, 2, 4)
