"""Each lane's profile for the report: mean counts along the lane, and the background under each of its bands.

A whole picture as a data URI: uncropped, grey linear in the counts, small enough for two hundred of them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blotquant.export.contrast import picture_contrast, to_grey
from blotquant.model.geometry import area_weights
from blotquant.quantification.lanes import LaneProfile, profile_lanes
from blotquant.quantification.prepared_image import apertures_of

if TYPE_CHECKING:
    from blotquant.analysis import Analysis
    from blotquant.model.geometry import Lane, Layout
    from blotquant.model.image import BlotImage


_Ground = tuple[NDArray[np.int_], NDArray[np.float64]]

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


@dataclass(frozen=True, kw_only=True)
class ProfilePicture:
    """An embedded picture.

    Attributes
    ----------
    uri : str
        Data URI of a JPEG, bands dark.
    low, high : float
        Counts shown white and black.
    step : int
        Pixels of the original that were averaged to one, along each edge.
    """

    uri: str
    low: float
    high: float
    step: int


def encode_picture(image: BlotImage, layout: Layout, *, longest: int = MAX_PICTURE_PX) -> ProfilePicture:
    """Encode the whole picture, bands dark, grey linear in the counts up to the highest of its samples' bands.

    Its longer edge has at most `longest` pixels.
    """
    from PIL import Image

    signal = image.signal()
    step = -(-max(signal.shape) // longest)
    # The last cells may be smaller: nothing is cut off at the edge.
    edges = [np.arange(0, size, step) for size in signal.shape]
    sums = np.add.reduceat(np.add.reduceat(np.nan_to_num(signal, copy=True).astype(float), edges[0], 0), edges[1], 1)
    sizes = [np.diff(np.append(edge, size)) for edge, size in zip(edges, signal.shape, strict=True)]
    reduced = sums / np.outer(*sizes)
    low, high = picture_contrast(image, layout)
    buffer = io.BytesIO()
    Image.fromarray(to_grey(reduced, low, high)).save(buffer, format="JPEG", quality=QUALITY, optimize=True)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return ProfilePicture(uri=uri, low=low, high=high, step=step)


def lane_profiles(analysis: Analysis, labels: Mapping[int, str]) -> list[dict[str, Any]]:
    """Draw every lane: mean counts across it against the row, and under each band the background taken off there.

    Returns
    -------
    list of dict
        For each lane its ``lane`` and ``strip`` (numbers), ``label`` (sample or role), ``signal`` and ``along`` (points
        of the lines of its mean counts, the top of the strip at the left, and of the background along the lane, which
        its own volume is measured above), ``low`` and ``high`` (counts at the bottom and top of the frame), and
        ``bands``, those that were detected: ``x``, ``width``, ``label`` and ``ground``, the line of its background.
    """
    method = analysis.session.settings.quantification.background
    alongs = profile_lanes(analysis.scene.signal, analysis.layout, background=method)
    grounds = _grounds(analysis)
    return [
        _profile(analysis, lane, labels.get(lane.number, ""), along, grounds)
        for lane, along in zip(analysis.layout.lanes, alongs, strict=True)
    ]


def _profile(
    analysis: Analysis, lane: Lane, label: str, along: LaneProfile, of_band: Mapping[str, _Ground]
) -> dict[str, Any]:
    scene = analysis.scene
    box, weights = area_weights(lane.outline, analysis.image.shape)
    covered = np.maximum(weights.sum(axis=1), 1e-9)
    counts = (weights * np.nan_to_num(scene.signal[box.slices].astype(float))).sum(axis=1) / covered
    grounds = [(band, *of_band[band.id]) for band in analysis.layout.bands_of(lane.id) if band.id in of_band]
    levels = np.concatenate([counts, *(level for _, _, level in grounds)]) if len(counts) else np.zeros(1)
    low, high = float(levels.min()), float(levels.max())

    def place(row: float) -> float:
        return (row - box.row_start) / max(len(counts), 1) * PROFILE_WIDTH

    def curve(first: int, values: NDArray[np.float64], points: int) -> str:
        """Points of a polyline; each drawn column keeps the highest value, so that no peak is lost."""
        if len(values) == 0:
            return ""
        edges = np.unique(np.linspace(0, len(values), min(points, len(values)) + 1).astype(int))
        peaks = np.maximum.reduceat(values, edges[:-1])
        x = [place(first + (a + b) / 2) for a, b in pairwise(edges)]
        y = PROFILE_HEIGHT * (1 - (peaks - low) / (high - low if high > low else 1.0))
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))

    bands = [
        {
            "x": place(band.box.row_start),
            "width": place(band.box.row_stop) - place(band.box.row_start),
            "label": band.target or "",
            "ground": curve(rows[0], level, 12),
        }
        for band, rows, level in grounds
        if len(rows)
    ]
    strip = analysis.layout.strip(lane.strip).number
    known = bool(len(along.rows)) and bool(np.isfinite(along.background).all())
    level = np.clip(along.background, low, high)
    return {
        "lane": lane.number,
        "strip": strip,
        "label": label,
        "signal": curve(box.row_start, counts, PROFILE_POINTS),
        "along": curve(int(along.rows[0]), level, 40) if known else "",
        "bands": bands,
        "low": low,
        "high": high,
    }


def _grounds(analysis: Analysis) -> dict[str, _Ground]:
    """Rows under each band that was measured as detected, and the mean background that its volume was computed with."""
    there = set(analysis.bands.loc[analysis.bands["status"] == "detected", "band_id"])
    bands = [band for band in analysis.layout.bands if band.id in there]
    apertures = apertures_of(bands, analysis.layout, analysis.scene.signal)
    grounds = {}
    for band, aperture, estimate in zip(bands, apertures, analysis.scene.surface.under_all(apertures), strict=True):
        values = np.broadcast_to(estimate.values, aperture.weights.shape)
        covered = aperture.weights.sum(axis=1)
        inside = covered > 0
        rows = np.arange(aperture.box.row_start, aperture.box.row_stop)[inside]
        grounds[band.id] = (rows, (aperture.weights * values).sum(axis=1)[inside] / covered[inside])
    return grounds
