"""One picture as a piece of the report: the whole uncropped blot with its marks, and each lane's profile."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blotquant.flags import FLAGS, split_flags
from blotquant.geometry import Lane, Layout, Polygon
from blotquant.report.template import is_missing, render

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.image import BlotImage
    from blotquant.pipeline import Analysis

MAX_PICTURE_PX = 1000
"""Longest edge of an embedded picture: 200 blots must still open in a browser."""
PROFILE_WIDTH, PROFILE_HEIGHT = 240, 90
PROFILE_POINTS = 240


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One lane's mean signal along its centre line, ready to draw.

    Attributes
    ----------
    lane, strip : int
        Numbers.
    label : str
        Sample, where known.
    signal, background : str
        Points of two SVG polylines.
    bands : tuple of (float, float, str)
        Left edge, width and label of each band.
    top : str
        Counts at the top of the frame.
    """

    lane: int
    strip: int
    label: str
    signal: str
    background: str
    bands: tuple[tuple[float, float, str], ...]
    top: str


def render_blot(analysis: Analysis, *, title: str, constants: dict[str, Any] | None = None) -> str:
    """Draw one picture and its lanes as HTML.

    Parameters
    ----------
    analysis : Analysis
        What was weighed.
    title : str
        What the picture is called.
    constants : dict, optional
        Blot, membrane, probe and exposure, for the caption.

    Returns
    -------
    str
        HTML without any request to the outside; all text escaped.
    """
    picture, low, high, scale = encode_picture(analysis.image)
    height, width = analysis.image.shape
    flags = [FLAGS[name] for name in (*analysis.image.flags, *analysis.layout.flags)]
    return render(
        "blot.html.j2",
        title=title,
        facts={
            key: value for key, value in (constants or {}).items() if value == value and value is not None
        },
        image=analysis.image,
        picture=picture,
        scale=scale,
        low=low,
        high=high,
        width=width,
        height=height,
        strips=[_points(strip.outline) for strip in analysis.layout.strips],
        lanes=[_lane_mark(lane) for lane in analysis.layout.lanes],
        bands=_band_marks(analysis.layout, analysis.bands),
        flags=flags,
        profiles=lane_profiles(analysis),
        profile_size=(PROFILE_WIDTH, PROFILE_HEIGHT),
        font=max(9.0, width / 70),
        edits=len(analysis.session.history.effective()),
    )


def encode_picture(image: BlotImage) -> tuple[str, float, float, float]:
    """The whole picture as a PNG data URI, bands dark, grey linear between two counts.

    Returns
    -------
    uri : str
        The picture, reduced by whole-pixel averaging where its longest edge passes `MAX_PICTURE_PX`.
    low, high : float
        Counts shown white and black: the 0.05 and 99.95 percentiles of the whole picture.
    scale : float
        Reduction, 1 or less.
    """
    from PIL import Image

    signal = image.signal()
    step = -(-max(signal.shape) // MAX_PICTURE_PX)
    rows, cols = (signal.shape[0] // step) * step, (signal.shape[1] // step) * step
    reduced = (
        signal[:rows, :cols].reshape(rows // step, step, cols // step, step).mean(axis=(1, 3), dtype=float)
    )
    finite = reduced[np.isfinite(reduced)]
    low, high = (float(v) for v in np.percentile(finite, [0.05, 99.95])) if finite.size else (0.0, 1.0)
    span = high - low if high > low else 1.0
    grey = 255 - np.clip((np.nan_to_num(reduced, nan=low) - low) / span * 255, 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(grey.round().astype(np.uint8)).save(buffer, format="PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return uri, low, high, 1 / step


def lane_profiles(analysis: Analysis) -> list[Profile]:
    """Mean counts across each lane against the row, with the background that was subtracted."""
    named = analysis.lanes.dropna(subset=["sample"])
    samples = {int(lane): str(sample) for lane, sample in zip(named["lane"], named["sample"], strict=True)}
    return [_profile(analysis, lane, label=samples.get(lane.number, "")) for lane in analysis.layout.lanes]


def _profile(analysis: Analysis, lane: Lane, *, label: str) -> Profile:
    from blotquant.background import Aperture
    from blotquant.coverage import area_weights

    scene = analysis.scene
    box, weights = area_weights(lane.outline, analysis.image.shape)
    ground = np.broadcast_to(
        scene.surface.under(Aperture(box=box, weights=weights, lane=lane)).values, weights.shape
    )
    covered = np.maximum(weights.sum(axis=1), 1e-9)
    counts = (weights * np.nan_to_num(scene.signal[box.slices].astype(float))).sum(axis=1) / covered
    level = (weights * ground).sum(axis=1) / covered
    low, high = float(min(counts.min(), level.min())), float(max(counts.max(), level.max()))
    rows = np.arange(box.row_start, box.row_stop)
    to_x = PROFILE_WIDTH / max(len(rows), 1)
    bands = tuple(
        (
            (band.box.row_start - box.row_start) * to_x,
            (band.box.row_stop - band.box.row_start) * to_x,
            band.target or "",
        )
        for band in analysis.layout.bands_of(lane.id)
        if band.status == "detected"
    )
    strip = analysis.layout.strip(lane.strip).number
    return Profile(
        lane=lane.number,
        strip=strip,
        label=label,
        signal=_curve(counts, low, high),
        background=_curve(level, low, high),
        bands=bands,
        top=f"{high:.4g}",
    )


def _curve(values: NDArray[np.float64], low: float, high: float) -> str:
    """Points of a polyline; each drawn column keeps the extreme value, so that no peak is lost."""
    edges = np.unique(np.linspace(0, len(values), min(PROFILE_POINTS, len(values)) + 1).astype(int))
    peaks = np.maximum.reduceat(values, edges[:-1])
    x = (edges[:-1] + edges[1:]) / 2 * PROFILE_WIDTH / len(values)
    y = PROFILE_HEIGHT * (1 - (peaks - low) / (high - low if high > low else 1.0))
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _points(outline: Polygon) -> str:
    return " ".join(f"{c + 0.5:.1f},{r + 0.5:.1f}" for r, c in outline)


def _lane_mark(lane: Lane) -> dict[str, Any]:
    row, col = lane.center[0]
    return {
        "points": _points(lane.outline),
        "number": lane.number,
        "role": lane.role,
        "x": round(col + 0.5, 1),
        "y": round(row - 2, 1),
        "doubtful": lane.confidence < 0.5,
    }


def _band_marks(layout: Layout, table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = {row["band_id"]: row for row in table.to_dict("records")}
    marks = []
    for band in layout.bands:
        row = rows[band.id]
        words = [f"lane {row['lane']}", band.target or f"band {row['band']}", band.status.replace("_", " ")]
        words += [f"volume {row['volume']:.4g} ± {row['volume_sd']:.2g}", *split_flags(row["flags"])]
        kinds = [
            band.status,
            band.origin,
            *(["saturated"] if "saturated" in split_flags(row["flags"]) else []),
        ]
        marks.append({"points": _points(band.outline), "title": ", ".join(words), "class": " ".join(kinds)})
    return marks

