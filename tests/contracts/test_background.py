"""One contract for every background method; a new one is registered and inherits it all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from blotquant.model.geometry import Band, Lane, Layout, Strip, area_weights, rectangle
from blotquant.quantification.background import BACKGROUNDS, Aperture, FittedBackground
from blotquant.quantification.noise import measure_noise
from blotquant.quantification.prepared_image import find_background_pixels

SHAPE = (160, 210)
ROWS = (40.0, 80.0, 120.0)


def layout() -> Layout:
    lanes = tuple(
        Lane(id=f"l{k}", strip="s", number=k + 1, center=((0, c), (159, c)), widths=(30, 30))
        for k, c in enumerate((40.0, 80.0, 120.0, 160.0))
    )
    bands = tuple(
        Band(id=f"{lane.id}b{j}", lane=lane.id, row=j + 1, peak=(r, lane.center[0][1]),
             outline=rectangle(r - 7, r + 8, lane.center[0][1] - 15, lane.center[0][1] + 15))
        for lane in lanes for j, r in enumerate(ROWS)
    )  # fmt: skip
    return Layout(strips=(Strip(id="s", number=1, outline=rectangle(0, 160, 0, 210)),), lanes=lanes, bands=bands)


def picture(seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(SHAPE)
    image = 500 + 0.2 * rows + 0.1 * cols + rng.normal(0, 8, SHAPE)
    for r in ROWS:
        image += 900 * np.exp(-((rows - r) ** 2) / 18) * (np.abs((cols - 20) % 40 - 20) < 13)
    return image


def levels(method: type[FittedBackground], image: np.ndarray) -> np.ndarray:
    ground = find_background_pixels(image, layout(), 0.4)
    surface = method(replace(ground, noise=measure_noise(ground.signal, ground.usable, []).sigma))
    out = []
    for band in layout().bands:
        box, weights = area_weights(band.outline, SHAPE)
        estimate = surface.under(Aperture(box=box, weights=weights, lane=layout().lane(band.lane)))
        out.append(np.broadcast_to(estimate.values, weights.shape))
    return np.array(out)


@pytest.fixture(params=sorted(BACKGROUNDS))
def method(request: pytest.FixtureRequest) -> type[FittedBackground]:
    return BACKGROUNDS[request.param]


class TestContract:
    def test_registered_under_its_own_name(self, method):
        assert BACKGROUNDS[method.name] is method

    def test_picture_is_left_as_it_was(self, method):
        image = picture()
        before = image.copy()
        levels(method, image)
        np.testing.assert_array_equal(image, before)

    def test_same_again(self, method):
        np.testing.assert_array_equal(levels(method, picture()), levels(method, picture()))

    def test_finite(self, method):
        assert np.isfinite(levels(method, picture())).all()

    def test_constant_comes_back(self, method):
        found = levels(method, np.full(SHAPE, 321.5))
        expected = 0.0 if method.name == "none" else 321.5
        np.testing.assert_allclose(found, expected, rtol=1e-9)

    def test_offset_is_followed(self, method):
        moved = levels(method, picture() + 1000.0)
        expected = levels(method, picture()) + (0.0 if method.name == "none" else 1000.0)
        np.testing.assert_allclose(moved, expected, rtol=1e-6)

    @pytest.mark.parametrize("factor", [1e-3, 4.0, 1e4])
    def test_scale_is_followed(self, method, factor):
        np.testing.assert_allclose(levels(method, picture() * factor), levels(method, picture()) * factor, rtol=1e-6)

    def test_threads_agree(self, method):
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: levels(method, picture()), range(4)))
        for other in found[1:]:
            np.testing.assert_array_equal(found[0], other)

    def test_survives_a_picture_without_free_ground(self, method):
        ground = find_background_pixels(picture(), layout(), 0.4)
        ground.usable[:] = False
        box, weights = area_weights(layout().bands[0].outline, SHAPE)
        estimate = method(ground).under(Aperture(box=box, weights=weights, lane=layout().lanes[0]))
        assert np.isfinite(estimate.values).all()

    def test_bands_do_not_lift_it(self, method):
        if method.name == "none":
            pytest.skip("none takes no background")
        rng = np.random.default_rng(3)
        rows, cols = np.indices(SHAPE)
        flat = 500 + rng.normal(0, 8, SHAPE)
        in_lane = np.abs((cols - 20) % 40 - 20) < 13
        lit = flat + sum(5000 * np.exp(-((rows - r) ** 2) / 12) * in_lane for r in ROWS)
        tolerance = 60 if method.name == "rolling_ball" else 3
        assert np.abs(levels(method, lit) - levels(method, flat)).max() < tolerance
