"""Strips, lanes and bands on drawn scenes whose truth is known, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from blotquant.detection.membranes import find_membrane_layouts
from blotquant.detection.picture import (
    detect_bands,
    find_bands_again,
    find_layout,
    strip_confidence,
)
from blotquant.model.geometry import Layout

CENTERS = 60.0 + 52.0 * np.arange(8)
ROWS = (70.0, 130.0)


def draw(
    *,
    strengths: tuple[tuple[float, ...], ...] = ((3000.0,) * 8, (900.0,) * 8),
    shape: tuple[int, int] = (220, 500),
    noise: float = 8.0,
    seed: int = 3,
) -> NDArray[np.float64]:
    """Flat-topped Gaussian bands in eight lanes on white noise."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    picture = 300 + np.random.default_rng(seed).normal(0, noise, shape)
    for row, line in zip(ROWS, strengths, strict=True):
        for center, strength in zip(CENTERS, line, strict=True):
            across = 1 / (1 + np.exp((np.abs(x - center) - 17) / 1.2))
            picture += strength * np.exp(-(((y - row) / 4) ** 2) / 2) * across
    return picture


def middles(layout: Layout) -> NDArray[np.float64]:
    return np.array([float(lane.center_at(100)) for lane in layout.lanes])


@pytest.fixture(scope="module")
def layout() -> Layout:
    return find_layout(draw())


def test_find_layout_finds_strip_lanes_and_bands_of_a_clean_blot(layout: Layout) -> None:
    assert len(layout.strips) == 1
    assert np.abs(middles(layout) - CENTERS).max() < 1.1
    assert [lane.number for lane in layout.lanes] == list(range(1, 9))
    for lane in layout.lanes:
        peaks = [band.peak[0] for band in layout.bands_of(lane.id)]
        assert peaks == pytest.approx(ROWS, abs=0.6)
        assert [band.row for band in layout.bands_of(lane.id)] == [1, 2]


def test_find_layout_gives_bands_of_a_row_one_height(layout: Layout) -> None:
    for row in (1, 2):
        outlines = [np.asarray(b.outline) for b in layout.bands if b.row == row]
        heights = [float(o[-1, 0] - o[0, 0]) for o in outlines]
        assert np.ptp(heights) < 1e-3


def test_find_layout_expects_a_missing_band() -> None:
    line = (900.0, 900.0, 900.0, 0.0, 900.0, 900.0, 900.0, 900.0)
    found = find_layout(draw(strengths=((3000.0,) * 8, line)))
    (absent,) = [b for b in found.bands if b.status == "not_detected"]
    assert absent.origin == "expected"
    assert absent.lane == found.lanes[3].id
    assert absent.peak[0] == pytest.approx(ROWS[1], abs=1)


def test_find_layout_takes_an_empty_lane_inside_for_a_lane() -> None:
    line = (3000.0, 3000.0, 3000.0, 0.0, 3000.0, 3000.0, 3000.0, 3000.0)
    found = find_layout(draw(strengths=(line, tuple(v / 3 for v in line))))
    assert len(found.lanes) == 8
    assert "empty_lane" in found.lanes[3].flags
    assert float(found.lanes[3].center_at(100)) == pytest.approx(CENTERS[3], abs=4)


def test_find_layout_sees_a_faint_band_beside_a_hundredfold_one() -> None:
    line = (20000.0, 200.0, 20000.0, 200.0, 20000.0, 200.0, 20000.0, 20000.0)
    found = find_layout(draw(strengths=(line, line)))
    assert len(found.lanes) == 8
    assert sum(b.status == "detected" for b in found.bands) == 16


@pytest.mark.parametrize(("factor", "offset"), [(0.01, 0.0), (37.0, 0.0), (1.0, 5000.0), (0.5, -100.0)])
def test_find_layout_is_the_same_for_any_factor_and_offset(layout: Layout, factor: float, offset: float) -> None:
    other = find_layout(draw() * factor + offset)
    assert middles(other) == pytest.approx(middles(layout), abs=1e-3)
    peaks = [np.array([b.peak for b in x.bands]) for x in (other, layout)]
    assert peaks[0] == pytest.approx(peaks[1], abs=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_find_layout_is_the_same_for_any_dtype(dtype: type) -> None:
    counts = np.rint(draw())
    a, b = find_layout(counts), find_layout(counts.astype(dtype))
    assert a == b


def test_find_layout_of_a_flipped_picture_turns_the_order_of_lanes(layout: Layout) -> None:
    flipped = find_layout(np.ascontiguousarray(draw()[:, ::-1]))
    assert 499 - middles(flipped)[::-1] == pytest.approx(middles(layout), abs=1.5)
    assert len(flipped.bands) == len(layout.bands)


def test_find_layout_gives_the_same_for_the_same_input(layout: Layout) -> None:
    assert find_layout(draw()) == layout


def test_find_layout_sees_no_blot_in_noise() -> None:
    found = find_layout(np.random.default_rng(0).normal(100, 5, (300, 400)))
    assert {"blank", "not_a_blot"} & set(found.flags)


def test_find_layout_flags_a_saturated_picture() -> None:
    assert find_layout(np.full((100, 100), 255.0), ceiling=255).flags == ("saturated_picture",)


@pytest.mark.parametrize("n", [8, 9])
def test_find_layout_adds_lanes_that_show_nothing_up_to_a_given_count(n: int) -> None:
    assert len(find_layout(draw(), n_lanes=n).lanes) == n


def test_find_layout_drops_no_clear_lane_for_a_given_count() -> None:
    found = find_layout(draw(), n_lanes=7)
    assert len(found.lanes) == 8
    assert all("lane_count_uncertain" in lane.flags for lane in found.lanes)
    assert [other.n_lanes for other in found.alternatives] == [7]


def test_find_layout_takes_a_count_of_samples_for_what_it_is() -> None:
    line = (3000.0, 0.0, 2500.0, 2000.0, 0.0, 3000.0, 2800.0, 2600.0)
    found = find_layout(draw(strengths=(line, line)), n_lanes=6)
    assert len(found.lanes) == 8
    assert found.alternatives == ()


def test_find_layout_gives_an_exact_count_when_asked() -> None:
    assert len(find_layout(draw(), n_lanes=7, exact=True).lanes) == 7


def test_find_bands_again_finds_the_same_in_the_same_lanes(layout: Layout) -> None:
    again = find_bands_again(draw(), layout)
    assert again.lanes == layout.lanes
    assert [b.peak[0] for b in again.bands] == pytest.approx([b.peak[0] for b in layout.bands], abs=0.5)


def test_detect_bands_agree_with_the_whole(layout: Layout) -> None:
    assert len(detect_bands(draw(), layout.lanes)) == len(layout.bands)


def test_find_membrane_layouts_share_their_lanes() -> None:
    left = (3000.0,) * 4 + (0.0,) * 4
    right = (0.0,) * 4 + (3000.0,) * 4
    first, second = draw(strengths=(left, left)), draw(strengths=(right, right), seed=4)
    both = draw()
    layouts = find_membrane_layouts([both, first, second])
    assert [len(x.lanes) for x in layouts] == [8, 8, 8]
    lit = [{b.lane for b in x.bands if b.status == "detected"} for x in layouts]
    assert [len(x) for x in lit] == [8, 4, 4]
    assert not lit[1] & lit[2]


def slab(top: float, left: float, shape: tuple[int, int]) -> NDArray[np.float64]:
    """A row of nine bands that touch: shallow notches at the crest, deeper ones at the shoulders."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    inside = 1 / (1 + np.exp(-(x - left) / 2)) / (1 + np.exp((x - left - 9 * 56) / 2))
    notch = np.abs(((x - left) / 56) % 1 - 0.5) > 0.42
    return 3000.0 * inside * np.exp(-(((y - top) / np.where(notch, 9.0, 13.0)) ** 4)) * np.where(notch, 0.85, 1.0)


def test_find_layout_takes_slabs_that_stand_aside_for_strips() -> None:
    shape = (560, 820)
    noise = np.random.default_rng(5).normal(300, 8, shape)
    apart = find_layout(noise + slab(130, 120, shape) + slab(400, 156, shape))
    assert [len(apart.lanes_of(s.id)) for s in apart.strips] == [9, 9]
    below = find_layout(noise + slab(130, 120, shape) + slab(400, 120, shape))
    assert [len(below.lanes_of(s.id)) for s in below.strips] == [9]


def test_find_layout_draws_outlines_along_tilt_and_bow() -> None:
    tilt, bow, sigma = 0.06, 2.5, 4.0
    y, x = np.mgrid[:220, :500].astype(float)
    picture = np.random.default_rng(8).normal(300, 8, y.shape)
    for center in CENTERS:
        away = (x - center) / 17
        line = 100 + tilt * (x - 240) + bow * away**2
        picture += 3000 * np.exp(-(((y - line) / sigma) ** 2) / 2) / (1 + np.exp((np.abs(x - center) - 17) / 1.2))
    found = find_layout(picture)
    assert len(found.bands) == 8
    for band, center in zip(found.bands, CENTERS, strict=True):
        outline = np.asarray(band.outline)
        half = len(outline) // 2
        upper, lower = outline[:half], outline[half:][::-1]
        ridge = (upper + lower) / 2
        away = (ridge[:, 1] - center) / 17
        assert ridge[:, 0] == pytest.approx(100 + tilt * (ridge[:, 1] - 240) + bow * away**2, abs=1.0)
        assert (lower - upper)[:, 0] == pytest.approx(2 * 2.55 * sigma, rel=0.08)
        col = band.peak[1]
        assert band.peak[0] == pytest.approx(100 + tilt * (col - 240) + bow * ((col - center) / 17) ** 2, abs=0.5)


def test_find_layout_gives_a_ladder_its_role() -> None:
    y, x = np.mgrid[:220, :500].astype(float)
    across = 1 / (1 + np.exp((np.abs(x - CENTERS[0]) - 17) / 1.2))
    picture = np.random.default_rng(4).normal(300, 8, y.shape)
    picture += sum(2000 * across * np.exp(-(((y - row) / 4) ** 2) / 2) for row in (40, 72, 100, 150, 190))
    line = (0.0, *(3000.0,) * 7)
    found = find_layout(picture + draw(strengths=(line, line), noise=0.0) - 300)
    assert [lane.role for lane in found.lanes] == ["ladder", *["sample"] * 7]
    assert np.abs(middles(found) - CENTERS).max() < 2


def test_find_layout_leans_lanes_with_a_tilted_strip() -> None:
    slope = 0.09
    y, x = np.mgrid[:300, :560].astype(float)
    picture = np.random.default_rng(6).normal(300, 8, y.shape)
    for row in (80.0, 200.0):
        for center in CENTERS:
            down, right = y - row - slope * (x - 240), x - center - 30 + slope * (y - 140)
            picture += 3000 * np.exp(-((down / 4) ** 2) / 2) / (1 + np.exp((np.abs(right) - 17) / 1.2))
    found = find_layout(picture)
    assert len(found.lanes) == 8
    for lane in found.lanes:
        (top, left), (bottom, right) = lane.center[0], lane.center[-1]
        assert (right - left) / (bottom - top) == pytest.approx(-slope, abs=0.02)


def test_find_layout_has_no_doubt_about_a_given_count() -> None:
    shape = (300, 820)
    picture = np.random.default_rng(5).normal(300, 8, shape) + slab(150, 120, shape)
    told = find_layout(picture, n_lanes=9)
    assert told.alternatives == ()
    assert len(told.lanes) == 9


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_find_layout_takes_dots_for_no_blot(sign: float) -> None:
    y, x = np.mgrid[:400, :600].astype(float)
    rng = np.random.default_rng(1)
    picture = rng.normal(300, 6, y.shape)
    for row in range(60, 360, 70):
        for col in range(60, 560, 65):
            picture += 2000 * rng.uniform(0.2, 1) * (np.hypot(y - row, x - col) < 20)
    found = find_layout(picture if sign > 0 else 3000 - picture)
    assert {"blank", "not_a_blot"} & set(found.flags)


def test_find_layout_takes_a_bar_chart_for_no_blot() -> None:
    y, x = np.mgrid[:400, :600].astype(float)
    picture = np.zeros(y.shape)
    for k, high in enumerate((120, 260, 90, 200, 170, 240, 60)):
        picture[(np.abs(x - 80 - 70 * k) < 22) & (y < 350) & (y > 350 - high)] = 200
    picture[348:351, 30:570] = 255
    found = find_layout(picture)
    assert {"blank", "not_a_blot"} & set(found.flags)


def test_find_layout_gives_confidences_that_are_probabilities(layout: Layout) -> None:
    given = [item.confidence for items in (layout.strips, layout.lanes, layout.bands) for item in items]
    assert min(given) > 0.5
    assert max(given) <= 1


def test_find_layout_is_less_sure_of_a_speck_than_of_a_row() -> None:
    picture = draw()
    picture[170:178, 100:120] += 60
    found = find_layout(picture)
    alone = [b for b in found.bands if b.status == "detected" and b.peak[0] > 150]
    assert all(b.confidence < 0.75 for b in alone)


def row_of_bands(n: int, *, height: float, width: float, pitch: float, shape: tuple[int, int], noise: float = 15.0):
    """One row of equal bands, soft at their sides."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    picture = np.random.default_rng(8).normal(300, noise, shape)
    for k in range(n):
        away = np.abs(x - pitch * (k + 0.8)) - width / 2
        picture += 3000 * np.exp(-(((y - shape[0] / 2) / (height / 2.355)) ** 2) / 2) / (1 + np.exp(away / 1.2))
    return picture


def test_find_layout_finds_bands_that_are_higher_than_wide() -> None:
    found = find_layout(row_of_bands(8, height=40, width=35, pitch=55, shape=(300, 480)))
    assert (len(found.lanes), found.flags) == (8, ())


def test_find_layout_leaves_out_a_speck_beside_the_first_lane() -> None:
    picture = row_of_bands(9, height=12, width=42, pitch=60, shape=(160, 600))
    y, x = np.mgrid[:160, :600].astype(float)
    picture[:, :60] = np.random.default_rng(9).normal(300, 15, (160, 60))
    picture += 1500 * np.exp(-(((y - 78) / 4) ** 2 + ((x - 45) / 4) ** 2) / 2)
    found = find_layout(picture)
    assert len(found.lanes) == 8
    assert found.lanes[0].center_at(80) == pytest.approx(60 * 1.8, abs=3)


def test_find_layout_says_that_lanes_run_across() -> None:
    rows = [row_of_bands(10, height=14, width=45, pitch=58, shape=(120, 620), noise=40) for _ in range(3)]
    upright = np.concatenate(rows)
    assert find_layout(upright).flags == ()
    turned = find_layout(np.ascontiguousarray(upright.T))
    assert "lanes_across" in turned.flags
    assert all(lane.confidence < 0.5 for lane in turned.lanes)


def test_find_layout_refuses_no_picture_whose_lanes_a_person_counts() -> None:
    y, x = np.mgrid[:200, :300].astype(float)
    picture = np.random.default_rng(1).normal(300, 5, (200, 300)) + 2000 * np.exp(-(((y - 100) / 60) ** 2))
    picture += 400 * np.sin(x / 9) * np.exp(-(((y - 100) / 60) ** 2))
    found = find_layout(picture, n_lanes=5)
    assert len(found.lanes) == 5
    assert "not_a_blot" not in found.flags
    assert "blank" not in found.flags


def test_find_layout_looks_inside_a_black_frame() -> None:
    """An 8-bit export with dark bands: its frame is at their ceiling, and most of the picture."""
    light = draw()
    stored = np.clip(255 * (light - 200) / 3000, 0, 255)
    framed = np.pad(stored, 150, constant_values=255.0)
    found = find_layout(framed, ceiling=255.0)
    assert middles(found) - 150 == pytest.approx(CENTERS, abs=1.5)


def test_strip_confidence_of_clear_lanes_is_sure_but_not_certain() -> None:
    assert 0.95 < strip_confidence([0.9] * 8) < 0.99


def test_strip_confidence_is_decided_by_the_least_clear_lane() -> None:
    assert strip_confidence([0.95, 0.95, 0.4, 0.95]) == pytest.approx(strip_confidence([0.4] * 4))
    assert strip_confidence([0.95, 0.95, 0.25, 0.95]) < 0.3 < 0.9 < strip_confidence([0.9, 0.6, 0.9])
    assert strip_confidence([0.34]) == pytest.approx(0.5, abs=0.01)
