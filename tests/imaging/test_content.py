"""Flat frames, paddings and margins around a picture."""

import numpy as np

from blotquant.imaging.content import content_box, is_mostly_at

RNG = np.random.default_rng(5)


def membrane(shape=(120, 200)):
    return np.rint(RNG.normal(1000, 30, shape)).astype(np.float64)


def test_content_box_is_the_whole_picture_without_a_flat_margin():
    assert content_box(membrane()) == (0, 120, 0, 200)


def test_content_box_cuts_a_padding():
    padded = np.pad(membrane(), [(40, 10), (25, 60)], constant_values=65535.0)
    assert content_box(padded) == (40, 160, 25, 225)


def test_content_box_keeps_a_quarter_of_a_dark_padding():
    padded = np.pad(membrane(), [(40, 10), (25, 60)], constant_values=0.0)
    assert content_box(padded) == (10, 170, 0, 275)


def test_content_box_cuts_a_frame_in_a_margin():
    framed = np.pad(np.pad(membrane(), 12, constant_values=0.0), 30, constant_values=4095.0)
    assert content_box(framed) == (30, 174, 30, 254)


def test_content_box_keeps_room_of_flat_bare_membrane():
    picture = np.zeros((400, 300))
    picture[180:220, 100:200] = 500.0
    picture[190:210, 120:180] = 5000.0
    box = content_box(np.pad(picture, 20, constant_values=5000.0))
    assert box == (190, 250, 95, 245)


def test_content_box_of_a_flat_picture_is_the_whole():
    assert content_box(np.full((50, 60), 7.0)) == (0, 50, 0, 60)
    assert content_box(np.pad(np.full((50, 60), 7.0), 9)) == (0, 68, 0, 78)


def test_is_mostly_at_leaves_the_frame_out():
    """A black frame around dark bands lies at their ceiling, and is three quarters of this picture."""
    inside = np.random.default_rng(3).normal(40, 4, (100, 200)).clip(0, 200)
    framed = np.pad(inside, ((50, 50), (100, 100)), constant_values=255.0)
    assert not is_mostly_at(framed, 255.0)
    assert is_mostly_at(np.full((80, 90), 255.0), 255.0)
    framed[60:150, 110:290] = 255.0
    assert is_mostly_at(framed, 255.0)
