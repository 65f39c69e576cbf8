"""Kriging against the textbook's own formulas, solved the slow way, and which pixels are asked, counted by hand."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import simple_pictures
from scipy.linalg import null_space
from simple_pictures import LANES, as_image, plain_layout
from small_grounds import SHAPE, aperture, ground, lane

from blotquant.model.geometry import Box, Lane, rectangle
from blotquant.quantification.background import Aperture, BackgroundPixels, Estimate
from blotquant.quantification.background.background_pixels import Roughness
from blotquant.quantification.background.local import GLOW, PRIOR_WEIGHT, RAGGED, Local, Witnesses, krige
from blotquant.quantification.bands import measure_bands

ROUGH = Roughness(pixel=9.0, row=2.0, shared=50.0, level=30.0, uneven=20.0, length=16.0)


def witnesses(rows: np.ndarray, n_own: int, seed: int, glow: float = 4.0) -> Witnesses:
    rng = np.random.default_rng(seed)
    own = np.arange(len(rows)) < n_own
    lit = np.where(own, 0.0, glow * rng.uniform(0.5, 1.0, len(rows)))
    return Witnesses(rows, 500 + rows + rng.normal(0, 9, len(rows)), rng.uniform(5, 40, len(rows)), own, lit)


def textbook(seen: Witnesses, of: Aperture, rough: Roughness, step: int) -> tuple[np.ndarray, float, float]:
    """Level along the rows, leverage and SD of the mean's bend."""
    inside = np.arange(of.box.row_start, of.box.row_stop)
    at = np.linspace(inside[0], inside[-1], int(np.ceil(len(inside) / step)) + 1)
    hats = np.array([np.interp(inside, at, unit) for unit in np.eye(len(at))]).T
    share = of.weights.sum(axis=1) / of.weights.sum() @ hats

    def alike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        far = np.sqrt(3) * np.abs(np.subtract.outer(a, b)) / rough.length
        return (1 + far) * np.exp(-far)

    both = np.outer(seen.own, seen.own)
    texture = alike(seen.rows, seen.rows) * (rough.shared + rough.uneven * both) + rough.level * both
    texture += np.outer(seen.glow, seen.glow) + np.diag(rough.row + (RAGGED * seen.glow) ** 2)
    full = texture + np.diag(rough.pixel / seen.counts)
    to_nodes = alike(at, seen.rows) * (rough.shared + rough.uneven * seen.own) + rough.level * seen.own
    of_nodes = alike(at, at) * (rough.shared + rough.uneven) + rough.level
    drift = np.stack([np.ones(len(seen.rows)), seen.rows], axis=1)
    system = np.block([[full, drift], [drift.T, np.zeros((2, 2))]])
    weights = np.linalg.solve(system, np.vstack([to_nodes.T, np.ones(len(at)), at]))[: len(seen.rows)]
    mean = weights @ share
    bend = share @ of_nodes @ share - 2 * mean @ to_nodes.T @ share + mean @ texture @ mean
    # Restricted likelihood: only what no straight line explains.
    left = null_space(drift.T)
    inner = np.linalg.inv(left.T @ full @ left)
    mixed = inner @ (left.T @ texture @ left)
    off = left @ inner @ left.T @ seen.means
    found = off @ texture @ off / np.trace(mixed)
    told = np.trace(mixed) ** 2 / np.trace(mixed @ mixed)
    scale = (PRIOR_WEIGHT + told * found) / (PRIOR_WEIGHT + told)
    return hats @ (seen.means @ weights), float((mean**2 / seen.counts).sum()), float(np.sqrt(bend * scale))


def together(cases: list[tuple[Witnesses, Aperture]], step: int) -> list[Estimate]:
    """Kriged in one call, the witnesses of each filled up with some of no pixels."""
    most = max(len(seen.rows) for seen, _ in cases)
    table = np.zeros((5, len(cases), most))
    for k, (seen, _) in enumerate(cases):
        table[:, k, : len(seen.rows)] = np.array([part.astype(float) for part in seen])
    return krige(Witnesses(*table), [of for _, of in cases], ROUGH, step)


def ragged_aperture(start: int, height: int) -> Aperture:
    weights = np.random.default_rng(height).uniform(0, 1, (height, 6)) * np.linspace(0.2, 1, height)[:, None]
    return Aperture(box=Box(start, start + height, 10, 16), weights=weights)


def test_krige_is_the_textbooks() -> None:
    """Bands of several heights and numbers of witnesses, solved together."""
    places = np.concatenate([np.arange(20.0, 48, 4), np.arange(76.0, 100, 5)])
    cases = [
        (witnesses(places[2:9], 4, 1), ragged_aperture(50, 23)),
        (witnesses(places, 7, 2), ragged_aperture(50, 23)),
        (witnesses(places[:8], 8, 3), ragged_aperture(52, 20)),
        (witnesses(np.concatenate([places, places + 0.5]), len(places), 4, 30.0), ragged_aperture(55, 8)),
        (witnesses(places[:5], 5, 5), ragged_aperture(60, 2)),
    ]
    for found, (seen, of) in zip(together(cases, 4), cases, strict=True):
        values, leverage, sd = textbook(seen, of, ROUGH, 4)
        np.testing.assert_allclose(found.values[:, 0], values, rtol=1e-7)
        assert found.leverage == pytest.approx(leverage, rel=1e-5)
        assert found.model_sd == pytest.approx(sd, rel=1e-5)
        assert found.n_pixels == pytest.approx(seen.counts.sum(), rel=1e-12)


def test_krige_an_aperture_of_one_row_or_without_cover() -> None:
    seen = witnesses(np.arange(20.0, 40, 2), 10, 6)
    row = Aperture(box=Box(50, 51, 10, 16), weights=np.ones((1, 6)))
    three = Aperture(box=Box(49, 52, 10, 16), weights=np.ones((3, 6)))
    bare = replace(three, weights=np.zeros((3, 6)))
    one, whole, empty = together([(seen, row), (seen, three), (seen, bare)], 1)
    # The three rows are joined by straight lines between four places.
    assert one.values[0, 0] == pytest.approx(whole.values[1, 0], rel=1e-5)
    assert (empty.leverage, empty.model_sd) == pytest.approx((whole.leverage, whole.model_sd), rel=1e-9)


def test_krige_hears_no_witness_that_glows_without_limit() -> None:
    places = np.arange(20.0, 50, 3)
    both = witnesses(np.concatenate([places, places + 1]), len(places), 7, 1e12)
    alone = Witnesses(*(part[: len(places)] for part in both))
    with_gaps, without = together([(both, ragged_aperture(55, 8)), (alone, ragged_aperture(55, 8))], 4)
    np.testing.assert_allclose(with_gaps.values, without.values, rtol=1e-6)
    assert with_gaps.leverage == pytest.approx(without.leverage, rel=1e-4)


def test_krige_a_calm_place_from_witnesses_on_a_straight_line() -> None:
    """Without any residual the scale is the prior's share alone, whatever was seen."""
    rows = np.arange(20.0, 80, 4)
    straight = Witnesses(rows, 100 + rows, np.full(len(rows), 20.0), np.ones(len(rows), bool), np.zeros(len(rows)))
    [found] = together([(straight, ragged_aperture(40, 8))], 4)
    values, _, sd = textbook(straight, ragged_aperture(40, 8), ROUGH, 4)
    np.testing.assert_allclose(values, 100 + np.arange(40, 48), rtol=1e-9)
    np.testing.assert_allclose(found.values[:, 0], values, rtol=1e-9)
    assert found.model_sd == pytest.approx(sd, rel=1e-5)


def test_krige_holds_matrices_of_few_bands_at_once() -> None:
    """400 bands of 60 witnesses: one matrix of all would have 12 MB, and a solution needs ten; each as it is alone."""
    places = np.concatenate([np.arange(30.0), np.arange(70.0, 100)])
    case = (witnesses(places, 40, 1), ragged_aperture(40, 20))
    [alone] = together([case], 4)
    tracemalloc.start()
    found = together([case] * 400, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25 * 2**20
    assert all((one.values == alone.values).all() and one.model_sd == alone.model_sd for one in found)


def seen_by(of: Aperture, on: BackgroundPixels, **options: int) -> Witnesses:
    rows, means, counts, own, glow = (part[0] for part in Local(on, **options).witnesses([of]))
    seen = counts > 0
    return Witnesses(rows[seen], means[seen], counts[seen], own[seen] > 0, glow[seen])


def test_local_asks_one_and_a_half_band_heights_to_either_side() -> None:
    """12 rows beyond 40 to 50 are 28 to 62; the band is masked from 38 to 51, the gaps beyond columns 40 to 55 not."""
    seen = seen_by(aperture(), ground())
    free = [*range(28, 38), *range(52, 63)]
    assert seen.rows[seen.own].tolist() == free
    assert seen.counts[seen.own].tolist() == [10.0] * len(free)
    # Three columns of the gap on each side, 40 to 42 and 53 to 55, are masked with the band.
    assert seen.rows[~seen.own].tolist() == free
    np.testing.assert_allclose(seen.counts[~seen.own], 4 / (1 / 3 + 1 / 3))
    assert (seen.glow == 0).all()
    np.testing.assert_allclose(seen.means, ground().signal[seen.rows.astype(int), 0])


@pytest.mark.parametrize(("max_bins", "first"), [(57, 9), (58, 0)])
def test_local_grows_until_it_sees_enough(max_bins: int, first: int) -> None:
    """Nothing is free below: reaches of 12, 19.2, 30.72 rows begin at 28, 20, 9 and give 10, 18, 29 bins twice over."""
    seen = seen_by(aperture(), ground((38, 100)), max_bins=max_bins)
    assert seen.rows[seen.own].tolist() == list(range(first, 38))


@pytest.mark.parametrize(("min_bins", "n"), [(21, 21), (22, 37)])
def test_local_grows_until_its_bins_are_enough(min_bins: int, n: int) -> None:
    """The first window holds 10 + 11 rows; 19.2 rows beyond are 20 to 70, 18 rows above and 19 below."""
    assert int(seen_by(aperture(), ground(), min_bins=min_bins).own.sum()) == n


@pytest.mark.parametrize(("stop", "n"), [(60, 5), (61, 20)])
def test_local_has_enough_in_five_bins(stop: int, n: int) -> None:
    """Rows 28 and 29 above and 60 to 62 below; without row 60, rows 20 to 29 above and 61 to 70 below."""
    assert int(seen_by(aperture(), ground((30, stop))).own.sum()) == n


@pytest.mark.parametrize(
    ("masked", "expected"),
    [([(38, 62)], [*range(28, 38), 62]), ([(0, 40), (41, 52)], [40, *range(52, 82)]),
     ([(38, 50), (51, 100)], [*range(28, 38), 50])],
)  # fmt: skip
def test_local_takes_one_row_beyond_the_band_for_a_side(masked: list[tuple[int, int]], expected: list[int]) -> None:
    """Row 62 is below a band of rows 40 to 49 and so is row 50; row 40 is not above it, and the window grows to 81."""
    on = ground((0, 0))
    for start, stop in masked:
        on.usable[start:stop, 40:56] = False
    seen = seen_by(aperture(), on)
    assert seen.rows[seen.own].tolist() == expected


def gaps(of: Aperture, lanes: tuple[Lane, ...]) -> list[tuple[float, float]]:
    return [(left, right) for left, right in Local(ground(lanes=lanes)).zones([of])[0, 1:].tolist()]


def test_local_reads_gaps_up_to_the_neighbours() -> None:
    """A fifth of 30 columns is 6; the neighbour on the left ends at column 30, that on the right begins at 66."""
    lanes = (lane(1, 20, 20), lane(2, 48, 30), lane(3, 76, 20))
    wide = aperture(cols=(33, 63), of=lanes[1])
    assert gaps(wide, lanes) == [(30, 33), (63, 67)]
    assert gaps(replace(wide, lane=None), lanes) == [(27, 33), (63, 69)]
    # Edges at 29.5 and 66.4: the neighbours' columns reach to 29 and begin at 67.
    inner = replace(lanes[0], widths=(19.0, 19.0)), lanes[1], replace(lanes[2], widths=(19.2, 19.2))
    assert gaps(replace(wide, lane=inner[1]), inner) == [(30, 33), (63, 67)]
    outer = replace(lanes[0], widths=(20.8, 20.8)), lanes[1], replace(lanes[2], widths=(20.8, 20.8))
    assert gaps(replace(wide, lane=outer[1]), outer) == [(31, 33), (63, 66)]
    # One column is no gap.
    assert gaps(aperture(cols=(31, 66), of=lanes[1]), lanes) == [(30, 30), (66, 66)]
    assert gaps(aperture(cols=(45, 51), of=lanes[1]), lanes) == [(42, 45), (51, 54)]


def test_local_lets_gaps_glow_with_the_brightest_band_beside_them() -> None:
    """100 counts of light in the lane, 200 in its neighbour: a part of 200 may lie on the gap between them."""
    lanes = (lane(1), lane(2, 80))
    signal = np.full(SHAPE, 10.0)
    signal[38:52, 43:54] += 100
    signal[44:48, 75:86] += 200
    on = ground(lanes=lanes, signal=signal)
    on.usable[:, 40:43] = on.usable[:, 53:56] = True
    on.usable[44:48, 75:86] = False
    seen = seen_by(aperture(of=lanes[0]), on)
    rows = np.arange(28, 63)
    expected = GLOW * np.select([(rows >= 44) & (rows < 48), (rows >= 38) & (rows < 52)], [200.0, 100.0], 0.0)
    assert seen.rows[~seen.own].tolist() == rows.tolist()
    np.testing.assert_allclose(seen.glow[~seen.own], expected)
    assert (seen.glow[seen.own] == 0).all()
    assert (seen_by(aperture(), on).glow == 0).all()


@pytest.mark.parametrize(("n_free", "is_kriged"), [(2, False), (3, True)])
def test_local_needs_three_witnesses(n_free: int, is_kriged: bool) -> None:
    on = ground((0, 100))
    on.usable[10 : 10 + n_free, 43:53] = True
    found = Local(on).under(aperture())
    assert found.n_pixels == (10 * n_free if is_kriged else on.usable.sum())
    assert (found.values.shape == (10, 1)) == is_kriged


def test_local_passes_over_apertures_without_pixels() -> None:
    surface = Local(ground())
    empty = Aperture(box=Box(40, 40, 43, 53), weights=np.ones((0, 10)))
    one, none, two = surface.under_all([aperture(), empty, aperture((41, 49))])
    assert none.values.size == 0
    np.testing.assert_array_equal(one.values, surface.under(aperture()).values)
    np.testing.assert_array_equal(two.values, surface.under(aperture((41, 49))).values)


@pytest.mark.parametrize("gap_share", [0.05, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_local_is_not_lifted_by_bands_that_fuse(gap_share, slope):
    height, sigma = 4000.0, 5.0
    rows, cols = np.indices(simple_pictures.SHAPE)
    rng = np.random.default_rng(4)
    ground = 500 + slope * rows + rng.normal(0, 6, simple_pictures.SHAPE)
    in_lane = np.min([np.abs(cols - c + 0.5) for c in LANES], axis=0) < 15
    along = np.exp(-((rows - 99.5) ** 2) / 2 / sigma**2)
    inside = (cols > 20) & (cols < 198)
    slab = height * along * np.where(in_lane, 1.0, gap_share) * inside
    layout = plain_layout(rows=(100.0,), height=30)
    table = measure_bands(as_image(ground + slab), layout)
    truth = [(500 + slope * rows)[b.box.slices].mean() for b in layout.bands]
    np.testing.assert_allclose(table["background_mean"], truth, atol=0.01 * height)
    assert (table["background_mean"] - truth).mean() < 0.002 * height


def test_local_under_lanes_that_touch():
    """Outlines that share their edges leave no gap at all."""
    height = 4000.0
    rows, _ = np.indices(simple_pictures.SHAPE)
    image = 500 + np.random.default_rng(5).normal(0, 6, simple_pictures.SHAPE)
    image = image + height * np.exp(-((rows - 99.5) ** 2) / 50)
    layout = plain_layout(rows=(100.0,), height=30)
    bands = tuple(
        replace(band, outline=rectangle(85, 115, c - 23, c + 23)) for band, c in zip(layout.bands, LANES, strict=True)
    )
    lanes = tuple(replace(lane, widths=(46.0, 46.0)) for lane in layout.lanes)
    table = measure_bands(as_image(image), replace(layout, bands=bands, lanes=lanes))
    np.testing.assert_allclose(table["background_mean"], 500, atol=0.01 * height)
    np.testing.assert_allclose(table["volume"], height * np.sqrt(50 * np.pi) * 46, rtol=0.01)
