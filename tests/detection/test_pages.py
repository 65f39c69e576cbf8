"""Pages of figures are told from blots, also from those with writing beside them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from blotquant.detection.doubtful_pictures import is_figure_page
from blotquant.detection.picture import find_layout

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


def test_panels_side_by_side_with_writing_are_a_page() -> None:
    page = paper()
    put_panel(page, 60, 60)
    put_panel(page, 60, 440, seed=1)
    put_writing(page, 30)
    assert is_figure_page(page)
    assert "not_a_blot" in find_layout(page).flags


def test_panel_with_a_chart_is_a_page() -> None:
    page = paper()
    put_panel(page, 60, 60)
    put_chart(page, 300, 100)
    put_writing(page, 30)
    assert is_figure_page(page)
    assert "not_a_blot" in find_layout(page).flags


@pytest.mark.parametrize("n_strips", [1, 2])
def test_strips_with_writing_beside_them_are_no_page(n_strips: int) -> None:
    page = paper()
    for k in range(n_strips):
        put_panel(page, 60 + 200 * k, 60, seed=k)
    for row in range(70, 170, 25):
        put_writing(page, row, left=380, n=4)
    assert not is_figure_page(page)
    assert "not_a_blot" not in find_layout(page).flags


def test_blot_without_paper_is_no_page() -> None:
    page = np.random.default_rng(3).normal(100, 5, (600, 800))
    put_panel(page, 60, 60)
    put_panel(page, 60, 440)
    put_writing(page, 30)
    assert not is_figure_page(page)
