"""Flat frames, paddings and margins around a picture; the direction of the signal, guessed from pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from graded_suites import graded_suite

from blotquant.imaging.content import UNCERTAIN_BELOW, content_box, guess_polarity, is_mostly_at

REAL = Path(__file__).parents[3] / "shared" / "real"
RNG = np.random.default_rng(5)


def plain_membrane(shape=(120, 200)):
    return np.rint(RNG.normal(1000, 30, shape)).astype(np.float64)


def test_content_box_is_the_whole_picture_without_a_flat_margin():
    assert content_box(plain_membrane()) == (0, 120, 0, 200)


def test_content_box_cuts_a_padding():
    padded = np.pad(plain_membrane(), [(40, 10), (25, 60)], constant_values=65535.0)
    assert content_box(padded) == (40, 160, 25, 225)


def test_content_box_keeps_a_quarter_of_a_dark_padding():
    padded = np.pad(plain_membrane(), [(40, 10), (25, 60)], constant_values=0.0)
    assert content_box(padded) == (10, 170, 0, 275)


def test_content_box_cuts_a_frame_in_a_margin():
    framed = np.pad(np.pad(plain_membrane(), 12, constant_values=0.0), 30, constant_values=4095.0)
    assert content_box(framed) == (30, 174, 30, 254)


def test_content_box_keeps_room_of_flat_bare_plain_membrane():
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


def membrane(*, frame: float = 200, glow: float = 900, peak: float = 4000, seed: int = 0) -> np.ndarray:
    """Synthetic membrane inside a frame, ten bands, two pencil marks that take light away."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:300, :400]
    picture = np.full((300, 400), frame, float)
    picture[60:240, 40:360] = glow
    for k in range(10):
        picture += (peak - glow) * np.exp(-((rows - 150) ** 2) / 18 - ((cols - 75 - 28 * k) / 9.0) ** 4)
    picture[80:100, 45:60] *= 0.4
    picture[200:204, 50:65] *= 0.4
    return rng.poisson(picture.clip(0)).astype("u2")


def test_guess_polarity_bright_bands_on_a_glowing_membrane_in_a_black_frame() -> None:
    polarity, confidence = guess_polarity(membrane())
    assert polarity == "bright"
    assert confidence > 0.95


def test_guess_polarity_dark_bands_on_a_white_membrane_in_a_black_frame() -> None:
    polarity, confidence = guess_polarity(membrane(frame=100, glow=5000, peak=800))
    assert polarity == "dark"
    assert confidence > 0.95


def test_guess_polarity_weak_bands_in_noise() -> None:
    rng = np.random.default_rng(4)
    picture = rng.normal(1000, 30, (200, 300))
    picture[100:106, 40:260] += 60
    assert guess_polarity(picture)[0] == "bright"
    assert guess_polarity(-picture)[0] == "dark"


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
def test_guess_polarity_negative_gives_exactly_the_opposite(dtype: str) -> None:
    for seed in range(3):
        picture = (membrane(seed=seed) // (20 if dtype == "u1" else 1)).astype(dtype)
        there = guess_polarity(picture)
        back = guess_polarity(np.iinfo(dtype).max - picture)
        assert {there[0], back[0]} == {"bright", "dark"}
        assert there[1] == back[1]


def pieces(*, bands: float, level: float, ground: float, side_by_side: bool = False, seed: int = 1) -> np.ndarray:
    """Synthetic picture: two pieces of membrane with a row of six bands each, on a ground of another level."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:160, :400]
    piece = np.full((160, 400), float(level))
    for k in range(6):
        piece += (bands - level) * np.exp(-((rows - 80) ** 2) / 18 - ((cols - 60 - 56 * k) / 18.0) ** 4)
    both = [np.pad(piece, 25, constant_values=ground) for _ in range(2)]
    picture = np.hstack(both) if side_by_side else np.vstack(both)
    return rng.normal(picture, 0.02 * level + 20).clip(0).astype("u2")


@pytest.mark.parametrize("side_by_side", [False, True])
@pytest.mark.parametrize(
    ("bands", "level", "ground", "expected"),
    [
        (3000, 1500, 200, "bright"),  # light on pieces that glow more than the ground
        (3000, 1500, 9000, "bright"),  # on a lighter ground
        (5000, 30000, 300, "dark"),  # film and stains on a dark table
        (5000, 30000, 60000, "dark"),
    ],
)
def test_guess_polarity_of_pieces_on_a_ground(
    bands: float, level: float, ground: float, expected: str, side_by_side: bool
) -> None:
    guess = guess_polarity(pieces(bands=bands, level=level, ground=ground, side_by_side=side_by_side))
    assert guess[0] == expected
    assert guess[1] > 0.95


def test_guess_polarity_in_a_black_frame_and_white_margins() -> None:
    bright = np.pad(pieces(bands=3000, level=1500, ground=200), 20, constant_values=60000)
    dark = np.pad(pieces(bands=5000, level=30000, ground=60000), 20, constant_values=0)
    assert guess_polarity(np.pad(bright, 8))[0] == "bright"
    assert guess_polarity(dark)[0] == "dark"


def test_guess_polarity_gives_a_frame_no_part_of_the_membrane() -> None:
    """Haze at the rim of a membrane is neither: given to the frame, it looked like bright bands on black."""
    y, x = np.mgrid[:340, :480].astype(float)
    membrane = 235 - 40 * np.exp(-(((y - 170) / 90) ** 2) - ((x - 240) / 130) ** 2)
    membrane += np.random.default_rng(1).normal(0, 1.5, membrane.shape)
    for k in range(6):
        membrane[150:160, 60 + 62 * k : 95 + 62 * k] -= 60 + 20 * k
    framed = np.pad(membrane.clip(0, 255).astype(np.uint8), ((90, 90), (130, 130)))
    polarity, confidence = guess_polarity(framed)
    assert polarity == "dark"
    assert confidence > 0.9


def test_guess_polarity_asks_a_flat_membrane_that_carries_bands() -> None:
    """A membrane almost without noise runs along all sides, as a frame does; a pale patch on it is another surface."""
    membrane = np.full((400, 600), 60000.0) + np.random.default_rng(2).normal(0, 20, (400, 600))
    membrane[300:380, 60:540] -= 9000
    for k in range(8):
        membrane[120:132, 40 + 68 * k : 85 + 68 * k] -= 20000 + 4000 * k
        membrane[330:342, 100 + 50 * k : 130 + 50 * k] += 2500
    polarity, confidence = guess_polarity(membrane.astype(np.uint16))
    assert polarity == "dark"
    assert confidence > 0.9


def test_guess_polarity_doubts_pieces_that_contradict_each_other() -> None:
    bright = pieces(bands=30000, level=15000, ground=15000)[:210]
    dark = pieces(bands=2000, level=17000, ground=17000)[:210]
    ground = np.full((60, bright.shape[1]), 40000, "u2")
    polarity, confidence = guess_polarity(np.vstack([bright, ground, dark]))
    assert confidence < UNCERTAIN_BELOW, polarity


def test_guess_polarity_factor_and_dtype_change_nothing() -> None:
    picture = membrane()
    for other in (picture * 7.3, picture.astype("f4") / 65535, picture.astype("i4") * 1000):
        assert guess_polarity(other) == guess_polarity(picture)


def test_noise_flat_and_tiny_pictures_are_a_coin() -> None:
    rng = np.random.default_rng(5)
    for picture in (
        rng.normal(500, 20, (300, 300)),
        np.full((80, 80), 7, "u2"),
        np.arange(9.0).reshape(3, 3),
        np.ones((1, 60)),
    ):
        assert guess_polarity(picture)[1] < UNCERTAIN_BELOW


def test_guess_polarity_nan_pixels_do_not_matter() -> None:
    picture = membrane().astype("f4")
    picture[10:14, 10:300] = np.nan
    assert guess_polarity(picture) == ("bright", pytest.approx(guess_polarity(membrane())[1], abs=0.02))


@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard"])
def test_guess_polarity_of_scenes_whole_and_cropped(difficulty: str) -> None:
    for blot in graded_suite(difficulty, 2, 40):
        whole, bands = blot.image().signal(), blot.truth.bands
        reach = 4 * bands["sigma_along"].max(), bands["width"].max()
        (top, left), (bottom, right) = (
            bands[["peak_row", "peak_col"]].agg(edge).to_numpy() + sign * np.array(reach)
            for edge, sign in (("min", -1), ("max", 1))
        )
        for pixels in (whole, whole[max(0, int(top)) : int(bottom), max(0, int(left)) : int(right)]):
            for turned, expected in ((pixels, "bright"), (pixels.max() - pixels, "dark")):
                polarity, confidence = guess_polarity(turned)
                assert polarity == expected
                assert confidence >= UNCERTAIN_BELOW


TRUTHS = sorted((REAL / "truth").glob("*.json")) if REAL.is_dir() else []


@pytest.mark.skipif(not TRUTHS, reason="the real pictures (../shared/real) are not on this machine")
@pytest.mark.parametrize("path", TRUTHS, ids=lambda p: p.stem)
def test_real_pictures_whole_and_cropped(path: Path) -> None:
    from blotquant.io import read_image

    truth = json.loads(path.read_text())
    image = read_image(REAL / truth["file"])
    left, top, right, bottom = (int(edge) for edge in truth["region"])
    for pixels in (image.pixels, image.pixels[top:bottom, left:right]):
        polarity, confidence = guess_polarity(pixels)
        assert polarity == truth["polarity"]
        assert confidence >= UNCERTAIN_BELOW
