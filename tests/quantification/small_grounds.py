"""Grounds on which every cell is one pixel: a band height is 8 rows and a lane pitch 32 columns."""

from __future__ import annotations

import numpy as np

from blotquant.model.geometry import Box, Lane
from blotquant.quantification.background import Aperture, BackgroundPixels

SHAPE = (100, 96)


def lane(number: int = 1, center: float = 48.0, width: float = 10.0) -> Lane:
    return Lane(id=f"l{number}", strip="s", number=number, center=((0, center), (99, center)), widths=(width, width))


def aperture(rows: tuple[int, int] = (40, 50), cols: tuple[int, int] = (43, 53), of: Lane | None = None) -> Aperture:
    return Aperture(box=Box(*rows, *cols), weights=np.ones((rows[1] - rows[0], cols[1] - cols[0])), lane=of)


def ground(
    masked: tuple[int, int] = (38, 52), lanes: tuple[Lane, ...] = (), *, signal: np.ndarray | None = None
) -> BackgroundPixels:
    """A ground with some rows masked on the middle columns, 40 to 55."""
    usable = np.ones(SHAPE, bool)
    usable[masked[0] : masked[1], 40:56] = False
    rows = np.indices(SHAPE)[0]
    known = 500.0 + 0.5 * rows + 5 * np.sin(rows / 7) if signal is None else signal
    return BackgroundPixels(signal=known, usable=usable, band_height=8, lane_pitch=32, noise=3.0, lanes=lanes)
