"""A figure panel of one ratio: cropped strips of its probes with lane labels, kDa marks and dividers.

Made from the same pictures and outlines as the numbers. Contrast is linear between two percentiles of the *whole*
picture, the same for every pixel; pixels are neither turned nor smoothed. Lanes that do not lie side by side in the
picture stand apart with a divider between them. What was cut out of which picture stands in a sidecar file.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant._version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from blotquant.experiment.design import Experiment, ImageEntry, Ratio
    from blotquant.model.image import BlotImage

DPI = 600
SHOWN = (0.05, 99.95)
"""Percentiles of the whole picture that are shown white and black."""
_MARGIN = 1.0
_LANE_CM, _GAP_CM, _LABEL_CM = 1.0, 0.12, 2.2


@dataclass(frozen=True, eq=False, kw_only=True)
class Crop:
    """One probe's row, cut into blocks of lanes that lie side by side.

    Attributes
    ----------
    entry : ImageEntry
        The picture.
    lanes : tuple of tuple of int
        Lanes of each block, left to right.
    rows : (int, int)
        Half-open range of rows, the same for all blocks.
    cols : tuple of (int, int)
        Half-open range of columns of each block.
    grey : tuple of ndarray, uint8
        Pixels of each block, bands dark.
    shown : (float, float)
        Counts that are shown white and black.
    kda : tuple of float
        Masses of the probe's bands as measured on the ladder; empty without one.
    """

    entry: ImageEntry
    lanes: tuple[tuple[int, ...], ...]
    rows: tuple[int, int]
    cols: tuple[tuple[int, int], ...]
    grey: tuple[NDArray[np.uint8], ...]
    shown: tuple[float, float]
    kda: tuple[float, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """One ratio's strips of one blot, top to bottom, and the labels of their lanes.

    Attributes
    ----------
    ratio, blot : str
        Which.
    crops : tuple of Crop
        The numerator's, the denominator's and the loading controls'.
    labels : mapping of int to str
        Condition (else sample) of each lane.
    """

    ratio: str
    blot: str
    crops: tuple[Crop, ...]
    labels: Mapping[int, str]


def panel_name(ratio: str) -> str:
    """File name of a ratio's panel, without its ending."""
    return "panel_" + (re.sub(r"[^\w.-]+", "_", ratio).strip("._")[:80] or "ratio")


def choose_pictures(experiment: Experiment, ratio: Ratio, ratios: pd.DataFrame) -> tuple[str, list[ImageEntry]]:
    """Choose the blot with the most included values (the first of equals), and its pictures.

    Returns
    -------
    blot : str
        Empty where the ratio has no value at all.
    entries : list of ImageEntry
        One for each probe that has bands, on the numerator's membrane where it is there; of several exposures the one
        that the ratio was computed from.
    """
    rows = ratios[(ratios["ratio"] == ratio.name) & ratios["value"].notna()]
    if rows.empty:
        return "", []
    counts = rows.groupby("blot", sort=False)["included"].sum()
    blot = str(counts.index[int(np.argmax(counts.to_numpy(dtype=int)))])
    formula = str(rows.loc[rows["blot"] == blot, "formula"].iloc[0])
    probes = [p for p in (ratio.numerator, *ratio.denominator, *ratio.loading) if not experiment.is_stain(p)]
    entries = []
    for probe in dict.fromkeys(probes):
        images = experiment.images_of(blot=blot, probe=probe)
        used = [image for image in images if f"[{image.describe()}]" in formula] or list(images)
        entries += used[:1]
    return blot, entries


def cut_crop(
    entry: ImageEntry, image: BlotImage, bands: pd.DataFrame, lanes: pd.DataFrame, keep: Sequence[int]
) -> Crop | None:
    """Cut one probe's row out of its picture.

    Parameters
    ----------
    entry : ImageEntry
        The picture's entry.
    image : BlotImage
        The picture.
    bands, lanes : DataFrame
        Measured rows of that picture.
    keep : sequence of int
        Lanes to show, left to right.

    Returns
    -------
    Crop or None
        None where no lane shown has a band of the probe.
    """
    own = bands[bands["target"].fillna("").str.startswith(entry.probe) & bands["lane"].isin(keep)]
    if own.empty:
        return None
    height, width = image.shape
    top, bottom = int(own["row_start"].min()), int(own["row_stop"].max())
    margin = round(_MARGIN * float((own["row_stop"] - own["row_start"]).median()))
    rows = max(top - margin, 0), min(bottom + margin, height)
    ends = {
        int(lane): (int(start), int(stop))
        for lane, start, stop in zip(lanes["lane"], lanes["col_start"], lanes["col_stop"], strict=True)
    }
    blocks = _blocks([lane for lane in keep if lane in ends])
    half_gap = _half_gap(lanes)
    cols = tuple((max(ends[block[0]][0] - half_gap, 0), min(ends[block[-1]][1] + half_gap, width)) for block in blocks)
    signal = image.signal()
    low, high = (float(v) for v in np.nanpercentile(signal, SHOWN))
    grey = tuple(_grey(signal[rows[0] : rows[1], a:b], low, high) for a, b in cols)
    masses = own.dropna(subset=["mw_kda"]).groupby("target")["mw_kda"].median()
    kda = tuple(sorted((float(mass) for mass in masses), reverse=True))
    return Crop(entry=entry, lanes=tuple(blocks), rows=rows, cols=cols, grey=grey, shown=(low, high), kda=kda)


def _blocks(lanes: Sequence[int]) -> list[tuple[int, ...]]:
    """Runs of lanes that lie side by side."""
    blocks: list[list[int]] = []
    for lane in lanes:
        if blocks and lane == blocks[-1][-1] + 1:
            blocks[-1].append(lane)
        else:
            blocks.append([lane])
    return [tuple(block) for block in blocks]


def _half_gap(lanes: pd.DataFrame) -> int:
    """Half of the typical gap between neighbouring lanes, px; some ground is shown even where lanes touch."""
    centers = lanes.sort_values("lane")["col_center"].to_numpy(dtype=float)
    widths = (lanes["col_stop"] - lanes["col_start"]).to_numpy(dtype=float)
    if len(centers) < 2:
        return 0
    gap = float(np.median(np.diff(centers))) - float(np.median(widths))
    return max(round(gap / 2), round(0.1 * float(np.median(widths))))


def _grey(signal: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    counts = np.nan_to_num(np.asarray(signal, dtype=float), nan=low)
    share = np.clip((counts - low) / (high - low if high > low else 1.0), 0, 1)
    grey: NDArray[np.uint8] = np.round(255 * (1 - share)).astype(np.uint8)
    return grey


def draw_panel(panel: Panel) -> dict[str, bytes]:
    """Draw a panel.

    Parameters
    ----------
    panel : Panel
        With at least one crop.

    Returns
    -------
    dict of str to bytes
        By file ending: ``.svg``, ``.tif`` (600 dpi, LZW) and ``.json``, the sidecar with every crop box. The same bytes
        for the same panel.
    """
    import matplotlib as mpl

    style: Any = {
        "svg.hashsalt": "blotquant",
        "svg.fonttype": "none",
        "font.size": 8,
        "font.family": "DejaVu Sans",
    }
    with mpl.rc_context(style):
        figure = _figure(panel)
        svg = io.BytesIO()
        figure.savefig(svg, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
        raster = io.BytesIO()
        figure.savefig(raster, format="png", dpi=DPI, metadata={"Software": None})
    sidecar = json.dumps(describe_panel(panel), indent=2, ensure_ascii=False) + "\n"
    return {".svg": svg.getvalue(), ".tif": _as_tiff(raster), ".json": sidecar.encode()}


def _as_tiff(png: io.BytesIO) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").save(buffer, format="TIFF", compression="tiff_lzw", dpi=(DPI, DPI))
    return buffer.getvalue()


def describe_panel(panel: Panel) -> dict[str, Any]:
    """Tell what was cut out of which picture, as plain values."""
    return {
        "made_by": f"blotquant {__version__}",
        "ratio": panel.ratio,
        "blot": panel.blot,
        "contrast": f"linear, white and black at the {SHOWN[0]} and {SHOWN[1]} percentiles of the whole picture",
        "strips": [
            {
                "picture": crop.entry.file,
                "probe": crop.entry.probe,
                "exposure_s": crop.entry.exposure_s,
                "shown_white_counts": crop.shown[0],
                "shown_black_counts": crop.shown[1],
                "crops": [
                    {"lanes": list(lanes), "row_start": crop.rows[0], "row_stop": crop.rows[1], "col_start": cols[0],
                     "col_stop": cols[1]}
                    for lanes, cols in zip(crop.lanes, crop.cols, strict=True)
                ],
                "dividers_after_lanes": [lanes[-1] for lanes in crop.lanes[:-1]],
            }
            for crop in panel.crops
        ],
    }  # fmt: skip


def _figure(panel: Panel) -> Figure:
    from matplotlib.figure import Figure

    n_lanes = max(sum(len(block) for block in crop.lanes) for crop in panel.crops)
    body = n_lanes * _LANE_CM + _GAP_CM * max(len(crop.lanes) - 1 for crop in panel.crops)
    heights = [_height(crop, body) for crop in panel.crops]
    top = 0.25 + 0.125 * max((len(text) for text in panel.labels.values()), default=0)
    left, right = _LABEL_CM, 1.9
    size = left + body + right, top + sum(heights) + 0.25 * len(heights)
    figure = Figure(figsize=(size[0] / 2.54, size[1] / 2.54))
    y = size[1] - top
    for crop, height in zip(panel.crops, heights, strict=True):
        y -= height
        axes = figure.add_axes((left / size[0], y / size[1], body / size[0], height / size[1]))
        _draw_crop(axes, crop, body, labels=panel.labels if crop is panel.crops[0] else {})
        y -= 0.25
    return figure


def _height(crop: Crop, body: float) -> float:
    """Height in cm at which pixels are square."""
    n_cols = sum(b - a for a, b in crop.cols)
    return (crop.rows[1] - crop.rows[0]) / n_cols * (body - _GAP_CM * (len(crop.cols) - 1))


def _draw_crop(axes: Axes, crop: Crop, body: float, *, labels: Mapping[int, str]) -> None:
    height = _height(crop, body)
    scale = (body - _GAP_CM * (len(crop.cols) - 1)) / sum(b - a for a, b in crop.cols)
    x = 0.0
    for block, (start, stop), grey in zip(crop.lanes, crop.cols, crop.grey, strict=True):
        wide = (stop - start) * scale
        axes.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=(x, x + wide, 0, height), aspect="auto",
                    interpolation="none")  # fmt: skip
        axes.plot([x, x + wide, x + wide, x, x], [0, 0, height, height, 0], color="black", linewidth=0.6)
        for k, lane in enumerate(block):
            axes.text(x + wide * (k + 0.5) / len(block), height + 0.12, labels.get(lane, ""), rotation=60, ha="left",
                      va="bottom", rotation_mode="anchor", fontsize=7, parse_math=False)  # fmt: skip
        x += wide + _GAP_CM
        if block is not crop.lanes[-1]:
            axes.plot([x - _GAP_CM / 2] * 2, [-0.06, height + 0.06], color="black", linewidth=1.2, clip_on=False)
    axes.set(xlim=(0, body), ylim=(0, height))
    axes.axis("off")
    axes.text(-0.12, height / 2, crop.entry.probe, ha="right", va="center", parse_math=False)
    if crop.kda:
        text = f"– {', '.join(f'{mass:.0f}' for mass in crop.kda)} kDa"
        axes.text(body + 0.12, height / 2, text, ha="left", va="center", fontsize=7)
