"""Overlooked rows, pages of figures and dust are told from blots; what is there is found, and no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from simple_pictures import ROWS, as_image, gaussians, plain_layout

from blotquant.detection import picture as finding
from blotquant.detection.doubtful_pictures import are_specks, is_figure_page, overlooks_rows
from blotquant.detection.picture import find_layout
from blotquant.detection.prediction import make_search_copy
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.runs.inspection import judge


def shown(heights=1.0, seed=2):
    """Four lanes with two rows of bands, 1,000 counts high where `heights` is 1, over noise of 10 counts."""
    noise = np.random.default_rng(seed).normal(200, 10, gaussians(np.ones((4, 2))).shape)
    return noise + gaussians(np.full((4, 2), 1000.0) * heights, sigma=(3.0, 8.0))


def test_overlooks_rows_when_a_row_is_missing():
    copy = make_search_copy(shown())
    assert not overlooks_rows(copy, plain_layout())
    assert overlooks_rows(copy, plain_layout(rows=ROWS[:1]))
    assert not overlooks_rows(copy, replace(plain_layout(), bands=()))


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_overlooks_rows_asks_for_spots_as_bright_as_bands(share):
    copy = make_search_copy(shown(np.array([1.0, share])[None, :]))
    assert overlooks_rows(copy, plain_layout(rows=ROWS[:1])) == (share == 1.0)


def test_overlooks_rows_takes_neither_specks_nor_frames_for_a_row():
    signal = shown(np.array([1.0, 0.0])[None, :])
    signal[128:131, 30:200:24] += 2000  # specks, three rows high and one column wide
    signal[100:102, 5:215] += 2000  # a drawn line
    signal[150:162, 60:63] += 2000  # strokes of a letter
    signal[150:162, 68:71] += 2000
    assert not overlooks_rows(make_search_copy(signal), plain_layout(rows=ROWS[:1]))


def test_find_layout_doubts_a_picture_with_overlooked_rows(monkeypatch):
    drawn = finding._layout
    monkeypatch.setattr(finding, "_layout", lambda *args, **named: without_last_row(drawn(*args, **named)))
    signal = shown(seed=5)
    layout = finding.find_layout(signal)
    assert "bands_overlooked" in layout.flags
    assert all(strip.confidence <= 0.5 for strip in layout.strips)
    verdict = judge(as_image(signal), layout)
    assert verdict.startswith("with care")
    assert "look like bands lie outside of what was found" in verdict


def without_last_row(layout):
    rows = [band.row for band in layout.bands]
    return replace(layout, bands=tuple(band for band in layout.bands if band.row != max(rows)))


Page = NDArray[np.float64]


def paper() -> Page:
    return np.zeros((600, 800))


def put_panel(page: Page, top: int, left: int, *, n: int = 5, seed: int = 0) -> None:
    """A blot of `n` lanes on a grey membrane, 120 by 300."""
    y, x = np.mgrid[:120, :300].astype(float)
    panel = np.random.default_rng(seed).normal(60, 4, y.shape)
    for k in range(n):
        across = 1 / (1 + np.exp((np.abs(x - 40 - 55 * k) - 18) / 1.2))
        panel += 130 * across * np.exp(-(((y - 60) / 4) ** 2) / 2)
    page[top : top + 120, left : left + 300] = panel.clip(20, 255)


def put_writing(page: Page, row: int, *, left: int = 60, n: int = 20) -> None:
    """Marks of a letter's size in a line."""
    for k in range(n):
        col = left + 14 * k
        page[row : row + 9, col : col + 6 : 2] = 250
        page[row + 4, col : col + 6] = 250


def put_chart(page: Page, top: int, left: int) -> None:
    """Axes with four bars."""
    page[top : top + 200, left : left + 2] = 255
    page[top + 198 : top + 200, left : left + 300] = 255
    for k, high in enumerate((150, 60, 110, 30)):
        page[top + 199 - high : top + 199, left + 30 + 65 * k : left + 50 + 65 * k] = 180


def test_is_figure_page_for_panels_side_by_side_with_writing() -> None:
    page = paper()
    put_panel(page, 60, 60)
    put_panel(page, 60, 440, seed=1)
    put_writing(page, 30)
    assert is_figure_page(page)
    assert "not_a_blot" in find_layout(page).flags


def test_is_figure_page_for_a_panel_with_a_chart() -> None:
    page = paper()
    put_panel(page, 60, 60)
    put_chart(page, 300, 100)
    put_writing(page, 30)
    assert is_figure_page(page)
    assert "not_a_blot" in find_layout(page).flags


@pytest.mark.parametrize("n_strips", [1, 2])
def test_is_figure_page_is_no_strip_with_writing_beside(n_strips: int) -> None:
    page = paper()
    for k in range(n_strips):
        put_panel(page, 60 + 200 * k, 60, seed=k)
    for row in range(70, 170, 25):
        put_writing(page, row, left=380, n=4)
    assert not is_figure_page(page)
    assert "not_a_blot" not in find_layout(page).flags


def test_is_figure_page_is_no_blot_without_paper() -> None:
    page = np.random.default_rng(3).normal(100, 5, (600, 800))
    put_panel(page, 60, 60)
    put_panel(page, 60, 440)
    put_writing(page, 30)
    assert not is_figure_page(page)


HEIGHT, WIDTH = 300, 500


def picture_of(*bands, width=WIDTH):
    """Bare membrane with bands at (row, col), each 30 columns wide."""
    rows, cols = np.mgrid[:HEIGHT, :width]
    pixels = 2000 + np.random.default_rng(5).normal(0, 30, (HEIGHT, width))
    for row, col in bands:
        across = 1 / (1 + np.exp((np.abs(cols - col) - 15) / 1.5))
        pixels += 900 * np.exp(-(((rows - row) / 4) ** 2) / 2) * across
    return pixels.astype(np.float32)


def test_find_layout_finds_one_band_on_an_empty_membrane():
    layout = find_layout(picture_of((140, 260)), ceiling=65535)
    assert (len(layout.strips), len(layout.lanes), len(layout.bands)) == (1, 1, 1)
    assert layout.bands[0].peak == pytest.approx((140, 260), abs=3)


@pytest.mark.parametrize("width", [120, 500])
def test_find_layout_finds_one_lane_as_one(width):
    places = [(row, width / 2) for row in (60, 110, 170, 230)]
    layout = find_layout(picture_of(*places, width=width), ceiling=65535)
    assert (len(layout.strips), len(layout.lanes), len(layout.bands)) == (1, 1, 4)
    assert [band.peak[0] for band in layout.bands] == pytest.approx([60, 110, 170, 230], abs=3)


def dusty(n, size, *, seed, depth=16):
    """Bare, uneven membrane with so many specks of about that SD, px, twice as long as wide at the most."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    pixels = 2000 + 400 * np.cos(down / 90) * np.sin(across / 120) + rng.normal(0, 30, down.shape)
    for _ in range(n):
        y, x, angle = down - rng.uniform(0, HEIGHT), across - rng.uniform(0, WIDTH), rng.uniform(0, np.pi)
        u, v = y * np.sin(angle) + x * np.cos(angle), y * np.cos(angle) - x * np.sin(angle)
        sd = rng.uniform(0.6, 1.4) * size
        pixels += rng.lognormal(7, 0.9) * np.exp(-((u / (rng.uniform(1, 2) * sd)) ** 2 + (v / sd) ** 2) / 2)
    return pixels if depth == 16 else np.round(255 * np.clip((pixels - pixels.min()) / np.ptp(pixels) * 2, 0, 1))


@pytest.mark.parametrize(
    ("n", "size", "depth", "seed"),
    [(6, 2, 16, 1), (30, 1.5, 16, 1), (80, 2, 16, 2), (25, 4, 16, 1), (25, 4, 16, 2), (40, 2, 8, 1)],
)
def test_find_layout_finds_no_band_on_a_dusty_blank(n, size, depth, seed):
    layout = find_layout(dusty(n, size, seed=seed, depth=depth), ceiling=65535)
    assert (layout.lanes, layout.bands) == ((), ())
    assert set(layout.flags) <= {"blank", "not_a_blot"}
    assert layout.flags


def test_find_layout_loses_no_band_to_the_dust_around_it():
    dust = dusty(12, 1.5, seed=3) - 2000
    layout = find_layout(picture_of(*((140, col) for col in range(60, 460, 50))) + dust, ceiling=65535)
    peaks = np.array([band.peak for band in layout.bands if band.status == "detected"])
    for col in range(60, 460, 50):
        assert np.abs(peaks - (140, col)).max(axis=1).min() < 6


@pytest.mark.parametrize(("n", "specks"), [(8, False), (3, True)])
def test_are_specks_asks_round_spots_for_a_row(n, specks):
    """What is about as wide as high are bands where they stand in one row across the strip."""
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.random.default_rng(4).normal(2000, 30, (HEIGHT, WIDTH))
    for k in range(8):
        pixels += 3000 * np.exp(-(((rows - 140) / 8) ** 2 + ((cols - 50 - 55 * k) / 9) ** 2) / 2)
    layout = find_layout(pixels, ceiling=65535)
    assert len(layout.lanes) == 8
    kept = {lane.id for lane in layout.lanes[:n]}
    assert are_specks(pixels, replace(layout, bands=tuple(b for b in layout.bands if b.lane in kept))) == specks


def test_are_specks_takes_the_halves_of_hollow_bands_for_bands():
    """Four high bands, each bright at its two sides: a half alone is higher than wide."""
    rows, cols = np.mgrid[:200, :560]
    signal = np.full(rows.shape, 100.0)
    lanes, bands = [], []
    for k in range(4):
        center = 70.0 + 140 * k
        across = np.abs(cols - center)
        plateau = np.where(across < 20, 0.3, 1.0) * (across < 45)
        signal += 5000 * plateau * np.exp(-0.5 * ((rows - 100) / 14.0) ** 2)
        lanes.append(Lane(id=f"l{k}", strip="s", number=k + 1, center=((0, center), (199, center)), widths=(90, 90)))
        bands.append(
            Band(
                id=f"b{k}",
                lane=f"l{k}",
                row=1,
                peak=(100, center),
                outline=rectangle(65, 135, center - 45, center + 45),
            )
        )
    strip = Strip(id="s", number=1, outline=rectangle(0, 199, 0, 559))
    assert not are_specks(signal, Layout(strips=(strip,), lanes=tuple(lanes), bands=tuple(bands)))
