"""Each lane's profile for the report: mean counts along the lane, and the background under each of its bands.

A whole picture as a data URI: uncropped, grey linear in the counts, small enough for two hundred of them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blotquant.export.contrast import to_grey

if TYPE_CHECKING:
    from blotquant.analysis import Analysis
    from blotquant.model.geometry import Lane
    from blotquant.model.image import BlotImage


MAX_PICTURE_PX = 1000
"""Longest edge of an embedded picture: 200 blots must still open in a browser."""
QUALITY = 88
"""Of the embedded JPEG: for the eye only, nothing is ever measured on it."""
PROFILE_WIDTH = 240
"""Width of a lane's profile in units of its drawing."""
PROFILE_HEIGHT = 90
"""Height of a lane's profile in units of its drawing."""
PROFILE_POINTS = 160
"""Most points of a profile's line; each keeps the highest value of its rows."""


def encode_picture(image: BlotImage, white: float, black: float, *, longest: int = MAX_PICTURE_PX) -> str:
    """Encode a whole picture as the data URI of a JPEG, bands dark: grey linear in the counts from `white` to `black`.

    Its longer edge has at most `longest` pixels.
    """
    from PIL import Image

    signal = image.signal()
    step = -(-max(signal.shape) // longest)
    # The last cells may be smaller: nothing is cut off at the edge.
    edges = [np.arange(0, size, step) for size in signal.shape]
    sums = np.add.reduceat(np.add.reduceat(np.nan_to_num(signal, copy=True).astype(float), edges[0], 0), edges[1], 1)
    sizes = [np.diff(np.append(edge, size)) for edge, size in zip(edges, signal.shape, strict=True)]
    buffer = io.BytesIO()
    grey = to_grey(sums / np.outer(*sizes), white, black)
    Image.fromarray(grey).save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def lane_profiles(analysis: Analysis, labels: Mapping[int, str]) -> list[dict[str, Any]]:
    """Draw every lane: mean counts across it against the row, and under each band the background taken off there.

    Nothing is measured for it: lines are those that the volumes were computed from.

    Returns
    -------
    list of dict
        For each lane its ``lane`` and ``strip`` (numbers), ``label`` (sample or role), ``signal`` and ``along`` (points
        of the lines of its mean counts, the top of the strip at the left, and of the background along the lane, which
        its own volume is measured above), ``low`` and ``high`` (counts at the bottom and top of the frame), and
        ``bands``, those that were detected: ``x``, ``width``, ``label`` and ``ground``, the line of its background.
    """
    there = {row["band_id"] for row in analysis.band_rows if row["status"] == "detected"}
    return [_profile(analysis, lane, there) | {"label": labels.get(lane.number, "")} for lane in analysis.layout.lanes]


def _profile(analysis: Analysis, lane: Lane, there: set[str]) -> dict[str, Any]:
    along = analysis.lane_profiles[lane.id]
    counts = along.counts + along.debris / np.maximum(along.cover, 1e-9)
    # Rows under each detected band, and the mean background that its volume was computed with.
    grounds = []
    for band in (band for band in analysis.layout.bands_of(lane.id) if band.id in there):
        aperture, estimate = analysis.scene.last_measured[band.id]
        inside = aperture.cover > 0
        rows = np.arange(aperture.box.row_start, aperture.box.row_stop)[inside]
        under = (aperture.weights * estimate.values).sum(axis=1)
        grounds.append((band, rows, under[inside] / aperture.cover[inside]))
    levels = np.concatenate([counts, *(level for _, _, level in grounds)])
    known = levels[np.isfinite(levels)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    counts = np.nan_to_num(counts, nan=low)

    def place(row: float) -> float:
        return float(row - along.rows[0]) / len(counts) * PROFILE_WIDTH

    def curve(first: int, values: NDArray[np.float64], points: int) -> str:
        """Points of a polyline; each drawn column keeps the highest value, so that no peak is lost."""
        if len(values) == 0:
            return ""
        edges = np.unique(np.linspace(0, len(values), min(points, len(values)) + 1).astype(int))
        peaks = np.maximum.reduceat(values, edges[:-1])
        x = [place(first + (a + b) / 2) for a, b in pairwise(edges.tolist())]
        y = PROFILE_HEIGHT * (1 - (peaks - low) / (high - low if high > low else 1.0))
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y.tolist(), strict=True))

    bands = [
        {
            "x": place(band.box.row_start),
            "width": place(band.box.row_stop) - place(band.box.row_start),
            "label": band.target or "",
            "ground": curve(int(rows[0]), level, 12),
        }
        for band, rows, level in grounds
        if len(rows)
    ]
    return {
        "lane": lane.number,
        "strip": analysis.layout.strip(lane.strip).number,
        "signal": curve(int(along.rows[0]), counts, PROFILE_POINTS),
        "along": curve(int(along.rows[0]), np.clip(along.background, low, high), 40)
        if np.isfinite(along.background).all()
        else "",
        "bands": bands,
        "low": low,
        "high": high,
    }
