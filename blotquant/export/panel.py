"""A figure panel of one ratio: cropped strips of its probes with lane labels, kDa marks and dividers.

Made from the same pictures and outlines as the numbers. Contrast is linear, the same for every pixel of a strip, and
chosen from its bands (`contrast.band_contrast`): no band is clipped that the camera did not clip. Pixels are neither
turned nor smoothed. Lanes that do not lie side by side in the picture stand apart with a divider between them. What was
cut out of which picture, and the counts shown white and black, stand in a sidecar file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant._version import __version__
from blotquant.export.contrast import WHITE_PERCENTILE, band_contrast, to_grey
from blotquant.export.drawing import Drawing, encode_png, text_width

if TYPE_CHECKING:
    from blotquant.experiment.design import Experiment, ImageEntry, Ratio
    from blotquant.model.image import BlotImage

CM = 72 / 2.54
"""Points in a centimetre."""
MARGIN = 1.0
"""Rows shown above and below the bands, in band heights."""
LANE_CM = 1.0
"""Width of a lane in the figure, cm."""
GAP_CM = 0.12
"""Width of the gap that a divider stands in, cm."""
LABEL_CM = 2.2
"""Least room for the probe's name at the left, cm."""
NAME_SIZE = 8.0
"""Size of the probe's name, points."""
LABEL_SIZE = 7.0
"""Size of the lanes' labels, points."""
MASS_CM = 1.9
"""Least room for masses at the right, cm."""
STRIP_GAP_CM = 0.25
"""Between two strips, cm."""
STAIN_CM = 3.0
"""Most height of a total-protein strip, cm: it is a whole lane, not a row of bands."""


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
    ladder : tuple of (float, str)
        Row and mass of the ladder's bands that lie inside the crop.
    is_stain : bool
        Whether whole lanes of a total-protein stain are shown.
    """

    entry: ImageEntry
    lanes: tuple[tuple[int, ...], ...]
    rows: tuple[int, int]
    cols: tuple[tuple[int, int], ...]
    grey: tuple[NDArray[np.uint8], ...]
    shown: tuple[float, float]
    kda: tuple[float, ...] = ()
    ladder: tuple[tuple[float, str], ...] = ()
    is_stain: bool = False


def panel_name(ratio: str) -> str:
    """File name of a ratio's panel, without its ending."""
    return "panel_" + (re.sub(r"[^\w.-]+", "_", ratio).strip("._")[:80] or "ratio")


def blots_shown(ratio: Ratio, ratios: pd.DataFrame) -> list[str]:
    """Blots with a value of the ratio, the one with most included values (the first of equals) first."""
    rows = ratios[(ratios["ratio"] == ratio.name) & ratios["value"].notna()]
    counts = rows["included"].fillna(value=False).groupby(rows["blot"], sort=False).sum()
    return [str(blot) for blot in counts.sort_values(ascending=False, kind="stable").index]


def choose_pictures(experiment: Experiment, ratio: Ratio, ratios: pd.DataFrame, blot: str) -> list[ImageEntry]:
    """Choose the pictures of one blot that show a ratio.

    Returns
    -------
    list of ImageEntry
        One for each probe and stain, the numerator's first; of several exposures the one that the ratio was computed
        from. Empty where the ratio has no value on that blot.
    """
    rows = ratios[(ratios["ratio"] == ratio.name) & (ratios["blot"] == blot) & ratios["value"].notna()]
    if rows.empty:
        return []
    formula = str(rows["formula"].iloc[0])
    entries = []
    for probe in dict.fromkeys((ratio.numerator, *ratio.denominator, *ratio.loading)):
        images = experiment.images_of(blot=blot, probe=probe)
        used = [image for image in images if f"[{image.describe()}]" in formula] or list(images)
        # Twin membranes have a stain each; a probe's exposures are one membrane.
        entries += used if experiment.is_stain(probe) else used[:1]
    return entries


def cut_crop(
    entry: ImageEntry,
    image: BlotImage,
    bands: pd.DataFrame | None,
    lanes: pd.DataFrame,
    keep: Sequence[int],
    *,
    marks: Sequence[tuple[float, str]] = (),
) -> Crop | None:
    """Cut one probe's row out of its picture, or the whole lanes of a stain.

    Parameters
    ----------
    entry : ImageEntry
        The picture's entry.
    image : BlotImage
        The picture.
    bands, lanes : DataFrame
        Measured rows of that picture; bands are None for a total-protein stain, whose whole lanes are shown.
    keep : sequence of int
        Lanes to show, left to right.
    marks : sequence of (float, str)
        Row and mass in kDa of the ladder's bands.

    Returns
    -------
    Crop or None
        None where no lane shown has a band of the probe.
    """
    # Rows from the highest to the lowest outline of the probe's bands in these lanes, with some room.
    own = lanes if bands is None else bands[bands["target"].fillna("").str.startswith(entry.probe)]
    own = own[own["lane"].isin(keep)]
    if own.empty:
        return None
    height, width = image.shape
    top, bottom = int(own["row_start"].min()), int(own["row_stop"].max())
    margin = 0 if bands is None else round(MARGIN * float((own["row_stop"] - own["row_start"]).median()))
    rows = max(top - margin, 0), min(bottom + margin, height)
    ends = {
        int(lane): (int(start), int(stop))
        for lane, start, stop in zip(lanes["lane"], lanes["col_start"], lanes["col_stop"], strict=True)
    }
    # Columns of each run of neighbouring lanes, to the middle of the gaps beside it.
    blocks = _blocks([lane for lane in keep if lane in ends])
    half_gap = _half_gap(lanes)
    cols = tuple((max(ends[block[0]][0] - half_gap, 0), min(ends[block[-1]][1] + half_gap, width)) for block in blocks)
    cuts = [image.signal()[rows[0] : rows[1], a:b] for a, b in cols]
    # Boxes of everything that counts as a band here, shifted into the blocks that stand side by side.
    boxes, offset = [], 0
    seen = lanes if bands is None else bands
    seen = seen[seen["lane"].isin(keep) & (seen["row_start"] < rows[1]) & (seen["row_stop"] > rows[0])]
    for a, b in cols:
        inside = seen[(seen["col_start"] >= a) & (seen["col_stop"] <= b)]
        places = inside[["row_start", "row_stop", "col_start", "col_stop"]].to_numpy(dtype=int)
        boxes += [(r0 - rows[0], r1 - rows[0], c0 - a + offset, c1 - a + offset) for r0, r1, c0, c1 in places]
        offset += b - a
    # One contrast for all blocks of a strip.
    white, black = band_contrast(np.concatenate(cuts, axis=1), boxes)
    masses: Iterable[float] = [] if bands is None else own.groupby("target")["mw_kda"].median().dropna()
    return Crop(
        entry=entry,
        lanes=tuple(blocks),
        rows=rows,
        cols=cols,
        grey=tuple(to_grey(cut, white, black) for cut in cuts),
        shown=(white, black),
        kda=tuple(sorted((float(mass) for mass in masses), reverse=True)),
        ladder=tuple((row, kda) for row, kda in marks if rows[0] <= row < rows[1]),
        is_stain=bands is None,
    )


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


def draw_panel(crops: Sequence[Crop], labels: Mapping[int, str], *, ratio: str, blot: str) -> dict[str, bytes]:
    """Draw one ratio's strips of one blot, top to bottom.

    Parameters
    ----------
    crops : sequence of Crop
        The numerator's, the denominator's and the loading controls', at least one.
    labels : mapping of int to str
        Condition (else sample) of each lane.
    ratio, blot : str
        Which.

    Returns
    -------
    dict of str to bytes
        By file ending: ``.svg``, ``.tif`` (600 dpi, LZW) and ``.json``, the sidecar with every crop box. The same bytes
        for the same strips.
    """
    drawing = _drawing(crops, labels)
    sidecar = json.dumps(describe_panel(crops, ratio=ratio, blot=blot), indent=2, ensure_ascii=False) + "\n"
    return {".svg": drawing.svg(header=True).encode(), ".tif": drawing.tiff(is_grey=True), ".json": sidecar.encode()}


def describe_panel(crops: Sequence[Crop], *, ratio: str, blot: str) -> dict[str, Any]:
    """Tell what was cut out of which picture, as plain values."""
    return {
        "made_by": f"blotquant {__version__}",
        "ratio": ratio,
        "blot": blot,
        "contrast": (
            "linear in the counts, one for each strip; black is the highest count of its bands, so that none is "
            f"clipped that the camera did not clip; white is the {WHITE_PERCENTILE} percentile of the strip"
        ),
        "strips": [
            {
                "picture": crop.entry.file,
                "probe": crop.entry.probe,
                "membrane": crop.entry.membrane,
                "exposure_s": crop.entry.exposure_s,
                "ladder_kda": [kda for _, kda in crop.ladder],
                "shown_white_counts": crop.shown[0],
                "shown_black_counts": crop.shown[1],
                "crops": [
                    {"lanes": list(lanes), "row_start": crop.rows[0], "row_stop": crop.rows[1], "col_start": cols[0],
                     "col_stop": cols[1]}
                    for lanes, cols in zip(crop.lanes, crop.cols, strict=True)
                ],
                "dividers_after_lanes": [lanes[-1] for lanes in crop.lanes[:-1]],
            }
            for crop in crops
        ],
    }  # fmt: skip


def _drawing(crops: Sequence[Crop], labels: Mapping[int, str]) -> Drawing:
    n_lanes = max(sum(len(block) for block in crop.lanes) for crop in crops)
    body = n_lanes * LANE_CM + GAP_CM * max(len(crop.lanes) - 1 for crop in crops)
    heights = [_height(crop, body) for crop in crops]
    # Twin membranes may show one stain twice: each strip then tells where it lies.
    is_twin = len({crop.entry.membrane for crop in crops}) > 1
    names = [
        crop.entry.probe.replace("_", " ") + (f"\nmembrane {crop.entry.membrane}" if is_twin else "") for crop in crops
    ]
    # Room by the widths of the texts that stand there: no name is cut.
    long = max((text_width(text, LABEL_SIZE) for text in labels.values()), default=0.0) / CM
    left = max([LABEL_CM, *(text_width(name, NAME_SIZE) / CM + 0.2 for name in names)])
    right, top = max(MASS_CM, long / 2), 0.3 + 0.87 * long
    drawing = Drawing(
        (left + body + right) * CM, (top + sum(heights) + STRIP_GAP_CM * len(heights)) * CM, font=LABEL_SIZE
    )
    for crop, height, name in zip(crops, heights, names, strict=True):
        _draw_crop(drawing, crop, body, corner=(left, top), labels=labels if crop is crops[0] else {})
        drawing.text(((left - 0.12) * CM, (top + height / 2) * CM), name, size=NAME_SIZE, anchor="end", middle=True)
        top += height + STRIP_GAP_CM
    return drawing


def _height(crop: Crop, body: float) -> float:
    """Height in cm at which pixels are square; a stain's whole lanes may be shown flatter."""
    n_cols = sum(b - a for a, b in crop.cols)
    height = (crop.rows[1] - crop.rows[0]) / n_cols * (body - GAP_CM * (len(crop.cols) - 1))
    return min(height, STAIN_CM) if crop.is_stain else height


def _draw_crop(
    drawing: Drawing, crop: Crop, body: float, *, corner: tuple[float, float], labels: Mapping[int, str]
) -> None:
    """Draw one strip, `body` wide, from its upper left corner; all in cm."""
    x, top = corner
    height, right = _height(crop, body), (x + body) * CM
    scale = (body - GAP_CM * (len(crop.cols) - 1)) / sum(b - a for a, b in crop.cols)
    # Blocks of lanes side by side, a divider where lanes between them are left out.
    for block, (start, stop), grey in zip(crop.lanes, crop.cols, crop.grey, strict=True):
        wide = (stop - start) * scale
        box = x * CM, top * CM, wide * CM, height * CM
        drawing.picture(encode_png(grey), *box)
        drawing.rectangle(*box, edge="#000000", width=0.6)
        for k, lane in enumerate(block):
            middle = x + wide * (k + 0.5) / len(block)
            drawing.text((middle * CM, (top - 0.12) * CM), labels.get(lane, ""), angle=60)
        x += wide + GAP_CM
        if block is not crop.lanes[-1]:
            ends = [((x - GAP_CM / 2) * CM, y * CM) for y in (top - 0.06, top + height + 0.06)]
            drawing.line(ends, width=1.2)
    # Marks of the ladder's true masses, or the mass of the protein where there is no ladder.
    for row, kda in crop.ladder:
        y = (top + (row + 0.5 - crop.rows[0]) * height / (crop.rows[1] - crop.rows[0])) * CM
        drawing.line([(right + 0.03 * CM, y), (right + 0.13 * CM, y)])
        drawing.text((right + 0.18 * CM, y), kda, size=5 if crop.is_stain else 0, middle=True)
    if crop.kda and not crop.ladder:
        text = f"≈ {', '.join(f'{mass:.0f}' for mass in crop.kda)} kDa"
        drawing.text((right + 0.12 * CM, (top + height / 2) * CM), text, middle=True)
