"""Small pictures with known content for the tests of the weighing; shares no code with what it tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.model.image import BlotImage

SHAPE = (200, 220)
LANES = (40.0, 86.0, 132.0, 178.0)
ROWS = (60.0, 130.0)
HEIGHT, WIDTH = 20, 30


def plain_layout(
    *, height: float = HEIGHT, rows: tuple[float, ...] = ROWS, shape: tuple[int, int] = SHAPE, **changes: Any
) -> Layout:
    """Four straight lanes with a band of 30 columns in each row."""
    lanes = tuple(
        Lane(
            id=f"l{k}",
            strip="s",
            number=k + 1,
            center=((0.0, c - 0.5), (shape[0] - 1.0, c - 0.5)),
            widths=(WIDTH, WIDTH),
        )
        for k, c in enumerate(LANES)
    )
    bands = tuple(
        Band(id=f"{lane.id}r{j}", lane=lane.id, row=j + 1, peak=(r, c),
             outline=rectangle(r - height / 2, r + height / 2, c - WIDTH / 2, c + WIDTH / 2), **changes)
        for lane, c in zip(lanes, LANES, strict=True) for j, r in enumerate(rows)
    )  # fmt: skip
    strip = Strip(id="s", number=1, outline=rectangle(0, shape[0], 0, shape[1]))
    return Layout(strips=(strip,), lanes=lanes, bands=bands)


def gaussians(
    heights: np.ndarray,
    *,
    sigma: tuple[float, float] = (3.0, 5.0),
    shape: tuple[int, int] = SHAPE,
    rows: tuple[float, ...] = ROWS,
) -> np.ndarray:
    """Gaussian bands of some heights, shape (n_lanes, n_rows), at the places of `plain_layout`."""
    r, c = np.indices(shape)
    image = np.zeros(shape)
    for k, column in enumerate(LANES):
        for j, row in enumerate(rows):
            image += heights[k, j] * np.exp(
                -((r - row + 0.5) ** 2) / (2 * sigma[0] ** 2) - (c - column + 0.5) ** 2 / (2 * sigma[1] ** 2)
            )
    return image


def as_image(pixels: np.ndarray, **fields: Any) -> BlotImage:
    """A picture of these pixels."""
    return BlotImage(pixels=np.array(pixels), **fields)
