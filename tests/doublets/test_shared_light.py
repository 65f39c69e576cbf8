"""Outlines that overlap share the light under them: no pixel counts twice, and each band keeps its own."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blotquant.doublets.overlaps import share_light
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.model.image import BlotImage
from blotquant.quantification.apertures import apertures_of
from blotquant.quantification.bands import measure_bands

SHAPE = (120, 100)
ROWS = np.arange(SHAPE[0])[:, None]


def layout_of(*bands: Band) -> Layout:
    lanes = tuple(
        Lane(id=f"l{k}", strip="s", number=k, center=((0, c), (119, c)), widths=(24, 24)) for k, c in ((1, 30), (2, 60))
    )
    strip = Strip(id="s", number=1, outline=rectangle(0, 120, 0, 100))
    return Layout(strips=(strip,), lanes=lanes, bands=bands)


def band(name: str, rows: tuple[float, float], cols: tuple[float, float], peak: float, lane: str = "l1") -> Band:
    return Band(id=name, lane=lane, outline=rectangle(*rows, *cols), peak=(peak, sum(cols) / 2))


def picture(*parts: tuple[float, float], sd: float = 3.0, tails: bool = False, noise: float = 5.0) -> np.ndarray:
    """Bands of (row, height) in columns 20 to 40."""
    signal = 500 + np.random.default_rng(4).normal(0, noise, SHAPE)
    for row, height in parts:
        u = (ROWS - row) / sd
        signal[:, 20:40] += height * (1 / np.cosh(np.pi / 2 * u) if tails else np.exp(-0.5 * u**2))
    return signal


@pytest.mark.parametrize("tails", [False, True])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 3.0])
def test_share_light_divides_two_outlines_over_the_same_pair(tails, ratio):
    """Both outlines hold both bands: what each keeps is its own light, and the sum is that of the pair."""
    light = [picture((row, height), tails=tails, noise=0) - picture(noise=0)
             for row, height in ((55, 2000.0 * ratio), (64, 2000.0))]  # fmt: skip
    signal = picture(tails=tails) + light[0] + light[1]
    layout = layout_of(band("a", (44, 75), (19, 41), 55), band("b", (44, 75), (19, 41), 64))
    table = measure_bands(BlotImage(pixels=signal), layout).set_index("band_id")
    true = np.array([part[44:75].sum() for part in light])
    found = table["volume"].to_numpy()
    assert found.sum() == pytest.approx(true.sum(), rel=0.02)
    np.testing.assert_allclose(found, true, rtol=0.06)
    assert table["flags"].str.contains("touches_neighbour").all()
    assert not table["flags"].str.contains("unresolved").any()


def test_share_light_calls_bands_on_one_spot_unresolved():
    signal = picture((60, 3000.0))
    layout = layout_of(band("a", (50, 70), (19, 41), 60), band("b", (50, 70), (19, 41), 60.4))
    alone = measure_bands(BlotImage(pixels=signal), layout_of(layout.bands[0]))["volume"][0]
    table = measure_bands(BlotImage(pixels=signal), layout)
    assert table["volume"].sum() == pytest.approx(alone, rel=0.01)
    assert table["flags"].str.contains("unresolved").all()
    # Either may have none or all of it.
    assert (table["volume_sd"] > 0.2 * alone).all()


def test_share_light_parts_lanes_at_the_darkest_column():
    signal = np.full(SHAPE, 500.0)
    signal[50:70, 20:40] += 1000
    signal[50:70, 44:64] += 1000
    layout = layout_of(band("a", (50, 70), (18, 48), 60), band("b", (50, 70), (38, 66), 60, lane="l2"))
    weights = {name: share.weights.sum(axis=0) for name, share in share_light(layout, signal, only={"a", "b"}).items()}
    assert weights["a"][:22].min() == 20  # to column 39, its last
    assert weights["b"][6:].min() == 20  # from column 44 on
    table = measure_bands(BlotImage(pixels=signal), layout)
    np.testing.assert_allclose(table["volume"], 20 * 20 * 1000, rtol=1e-6)


def test_share_light_is_the_same_for_one_band_and_for_all():
    signal = picture((52, 2000.0), (62, 1000.0), (72, 500.0))
    layout = layout_of(*(band(n, (r - 9, r + 10), (19, 41), r) for n, r in (("a", 52), ("b", 62), ("c", 72))))
    together = {b.id: a.weights for b, a in zip(layout.bands, apertures_of(layout.bands, layout, signal), strict=True)}
    for one in layout.bands:
        np.testing.assert_array_equal(apertures_of([one], layout, signal)[0].weights, together[one.id])


def test_share_light_leaves_outlines_that_only_meet_alone():
    layout = layout_of(band("a", (44, 60), (19, 41), 55), band("b", (60, 75), (19, 41), 64))
    assert share_light(layout, picture((55, 900.0)), only={"a", "b"}) == {}
    moved = replace(layout.bands[1], outline=rectangle(59, 75, 19, 41))
    assert set(share_light(replace(layout, bands=(layout.bands[0], moved)), picture(), only={"a"})) == {"a", "b"}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(5, 80), st.integers(6, 35), st.integers(2, 40), st.integers(8, 40), st.floats(0.2, 0.8)),
        min_size=2, max_size=6,
    )
)  # fmt: skip
def test_apertures_of_any_outlines_never_count_a_pixel_twice(drawn):
    signal = picture((40, 2000.0), (52, 900.0), (90, 3000.0))
    bands = [
        band(f"b{k}", (top, top + tall), (left, left + wide), top + part * tall, lane=f"l{1 + k % 2}")
        for k, (top, tall, left, wide, part) in enumerate(drawn)
    ]
    layout = layout_of(*bands)
    total = np.zeros(SHAPE)
    for aperture in apertures_of(bands, layout, signal):
        assert aperture.weights.min() >= 0
        total[aperture.box.slices] += aperture.weights
    assert total.max() <= 1 + 1e-9


def test_share_light_takes_a_peak_that_is_the_neighbours_for_none():
    """The weak band's outline ends on the strong one, where its brightest row lies: their own light all the same."""
    light = [picture((row, height), noise=0) - picture(noise=0) for row, height in ((52, 600.0), (65, 2000.0))]
    signal = picture() + light[0] + light[1]
    shares = {}
    for peak in (52, 63):
        layout = layout_of(band("a", (42, 65), (19, 41), peak), band("b", (54, 76), (19, 41), 65))
        shares[peak] = measure_bands(BlotImage(pixels=signal), layout)["volume"].to_numpy()
    np.testing.assert_allclose(shares[63], shares[52], rtol=0.02)
    np.testing.assert_allclose(shares[63], [part.sum() for part in light], rtol=0.05)
