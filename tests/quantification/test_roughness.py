"""How rough the ground is, against the same sums taken the slow way over courses that are known by construction.

A band height is 8 rows and a lane pitch 32 columns here, so that every cell is one pixel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blotquant.imaging.robust import winsorised_sd
from blotquant.model.geometry import Lane
from blotquant.quantification.background import BackgroundPixels
from blotquant.quantification.background.background_pixels import Roughness, _beyond_noise, matern, measure_roughness

SHAPE = (100, 96)
CENTERS = (16.0, 48.0, 80.0)
NOISE, SPREAD = 1.2, 1.3


def lanes() -> tuple[Lane, ...]:
    return tuple(
        Lane(id=f"l{k}", strip="s", number=k + 1, center=((0, c), (99, c)), widths=(10.0, 10.0))
        for k, c in enumerate(CENTERS)
    )


def ground(
    inside: np.ndarray, between: np.ndarray, *, usable: np.ndarray | None = None, edge: float = 0.0
) -> BackgroundPixels:
    """Lanes with the rows of `inside`; gaps with those of `between`, and `edge` more counts on their outermost columns.

    A gap begins a pixel beyond the lane's side: from the one at 21 to the next at 43 it is columns 22 to 41.
    """
    signal = np.zeros(SHAPE)
    for k, c in enumerate(CENTERS):
        signal[:, int(c) - 6 : int(c) + 6] = inside[k][:, None]
        signal[:, int(c) + 6 : int(c) + 26] = between[k][:, None] if k < 2 else 0.0
    for column in (21, 22, 41, 42, 53, 54, 73, 74):
        signal[:, column] += edge if column in (22, 41, 54, 73) else -edge
    free = np.ones(SHAPE, bool) if usable is None else usable
    return BackgroundPixels(
        signal=signal, usable=free, band_height=8, lane_pitch=32, noise=NOISE, noise_spread=SPREAD, lanes=lanes()
    )


def beyond(found: float, noise: float, n: int) -> float:
    """Nothing within two standard errors of the noise, all of it from four on."""
    error = noise * np.sqrt(7 / n)
    return max(found - noise, 0.0) * float(np.interp(found - noise, [2 * error, 4 * error], [0, 1]))


def known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def texture(courses: np.ndarray) -> float:
    bends = known(np.array([c[k] - (c[k - 2] + c[k + 2]) / 2 for c in courses for k in range(2, len(c) - 2)]))
    return winsorised_sd(bends) ** 2 / 1.5 if len(bends) >= 12 else 0.0


def course_variance(courses: np.ndarray) -> float:
    """Of rows a band height apart."""
    steps = known(np.array([c[k + 8] - c[k] for c in courses for k in range(len(c) - 8)]))
    if len(steps) < 12:
        return np.nan
    far = np.sqrt(3) * 8 / 16
    unlike = 1 - (1 + far) * np.exp(-far)
    return beyond(winsorised_sd(steps - np.median(steps)) ** 2 / 2, texture(courses), len(steps)) / unlike


def expected(inside: np.ndarray, beside: np.ndarray, full: int) -> Roughness:
    total, gap, apart = (course_variance(c) for c in (inside, beside, inside - beside))
    total = total if np.isfinite(total) else gap if np.isfinite(gap) else 0.0
    uneven = min(apart, total) if np.isfinite(apart) else total
    steps = known(inside - beside)
    level = beyond(winsorised_sd(steps) ** 2, texture(inside - beside), len(steps)) if len(steps) >= 12 else 0.0
    row = max(texture(inside) - NOISE**2 * SPREAD / full, 0.0)
    return Roughness(pixel=NOISE**2, row=row, shared=total - uneven, level=level, uneven=uneven, length=16.0)


def assert_same(found: Roughness, wanted: Roughness) -> None:
    for name in ("pixel", "row", "shared", "level", "uneven", "length"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), rel=1e-9, abs=1e-9), name


def courses(seed: int, *, ragged: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Rows of three lanes and two gaps: waves in common, waves and a level of each lane's own, and texture."""
    rng, rows = np.random.default_rng(seed), np.arange(100)
    common = 40 * np.sin(rows / 6)
    inside = [common + 15 * np.sin(rows / (4 + k) + k) + (9, -14, 20)[k] + rng.normal(0, ragged, 100) for k in range(3)]
    between = [common + rng.normal(0, ragged, 100) for _ in range(2)]
    return np.array(inside), np.array(between)


def beside(between: np.ndarray) -> np.ndarray:
    """The one gap of an outer lane, both of the middle one."""
    return np.array([between[0], (between[0] + between[1]) / 2, between[1]])


def test_matern_is_once_differentiable() -> None:
    """1 - 3/2 d² near 0, and (1 + sqrt(3) d) exp(-sqrt(3) d) further off."""
    assert matern(np.array([0.0]))[0] == 1.0
    assert matern(np.array([1e-3]))[0] == pytest.approx(1 - 1.5e-6, abs=1e-8)
    assert matern(np.array([1.0]))[0] == pytest.approx(0.48335772, rel=1e-7)


def test_measure_roughness_of_known_courses() -> None:
    inside, between = courses(1)
    usable = np.ones(SHAPE, bool)
    usable[60:63] = False
    inside[:, 60:63] = np.nan
    found = measure_roughness(ground(np.nan_to_num(inside), between, edge=5.0, usable=usable))
    wanted = expected(inside, beside(between) + 2 * 5.0 / 20, 7)
    assert min(wanted.row, wanted.shared, wanted.level, wanted.uneven) > 0
    assert_same(found, wanted)


def test_measure_roughness_in_bins_of_two_rows() -> None:
    """Every row twice, with bands twice as high: the same variances over twice the length, of twice the pixels."""
    one = ground(*courses(1))
    signal = np.repeat(one.signal, 2, axis=0)
    tall = tuple(replace(lane, center=tuple((2 * r, c) for r, c in lane.center)) for lane in one.lanes)
    two = replace(one, signal=signal, usable=np.ones(signal.shape, bool), band_height=16, lanes=tall)
    inside, between = courses(1)
    assert two.cells.steps == (2, 1)
    assert_same(measure_roughness(two), replace(expected(inside, beside(between), 14), length=32.0))


def test_measure_roughness_takes_no_texture_for_a_course() -> None:
    """White rows of their own are all texture: no smooth course, whether shared or not, and no level."""
    rng = np.random.default_rng(3)
    inside, between = rng.normal(0, 10, (3, 100)), rng.normal(0, 10, (2, 100))
    found = measure_roughness(ground(inside, between))
    assert_same(found, expected(inside, beside(between), 7))
    assert (found.shared, found.uneven, found.level) == (0.0, 0.0, 0.0)
    assert found.row == pytest.approx(100, rel=0.2)


def test_measure_roughness_takes_no_common_slope_for_a_course() -> None:
    rows = np.arange(100.0)
    found = measure_roughness(ground(np.array([5 * rows] * 3), np.array([5 * rows] * 2)))
    assert (found.row, found.shared, found.uneven, found.level) == (0.0, 0.0, 0.0, 0.0)


def test_measure_roughness_hears_no_rows_less_than_half_free() -> None:
    """Of the middle lane's seven columns, 45 to 51, three are masked on some rows and four on others."""
    inside, between = courses(2)
    usable = np.ones(SHAPE, bool)
    usable[20:45, 45:48] = False
    usable[55:80, 45:49] = False
    found = measure_roughness(ground(inside, between, usable=usable))
    inside[1, 55:80] = np.nan
    assert_same(found, expected(inside, beside(between), 7))


@pytest.mark.parametrize("n_rows", [11, 12, 19, 20, 60])
def test_measure_roughness_of_few_rows(n_rows: int) -> None:
    """Twelve differences are enough for a variance: 12 rows for the level, 20 for rows a band height apart."""
    inside, between = courses(4)
    usable = np.zeros(SHAPE, bool)
    usable[:n_rows, 32:] = True
    found = measure_roughness(ground(inside, between, usable=usable & (np.indices(SHAPE)[1] < 64)))
    hidden = np.full((3, 100), np.nan)
    lane, gap = hidden.copy(), hidden.copy()
    lane[1, :n_rows] = inside[1, :n_rows]
    gap[:, :n_rows] = beside(between)[:, :n_rows]
    # The fullest rows of the other lanes hold no pixel at all.
    assert_same(found, expected(lane, gap, 1))


def test_measure_roughness_without_lanes() -> None:
    bare = BackgroundPixels(
        signal=np.zeros(SHAPE), usable=np.ones(SHAPE, bool), band_height=8, lane_pitch=32, noise=3.0
    )
    assert_same(measure_roughness(bare), Roughness(pixel=9.0, row=0, shared=0, level=0, uneven=0, length=16.0))


@pytest.mark.parametrize(("errors", "share"), [(1.0, 0.0), (2.0, 0.0), (2.5, 0.25), (3.0, 0.5), (4.0, 1.0), (9.0, 1.0)])
def test_beyond_noise_counts_from_two_standard_errors_on(errors: float, share: float) -> None:
    """The noise of 63 steps that overlap is known to a third of itself."""
    noise = 10.0
    found = noise + errors * noise / 3
    assert _beyond_noise(found, noise, 63) == pytest.approx((found - noise) * share)
    assert _beyond_noise(found, 0.0, 63) == found
    assert _beyond_noise(5.0, noise, 63) == 0.0
