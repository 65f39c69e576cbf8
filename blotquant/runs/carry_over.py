"""Whether a probe still shows after the membrane was stripped and probed again.

Where both probes show the same row nothing can be told apart: the second's own band covers what is left of the first.
What can be told is what became of the *other* bands of the first picture: a band that the second probe has no business
with, and that shows in its picture with the same shape at the same place, was left there. The residual map (the
later picture above its background, the later probe's own rows taken out) is regressed on the earlier picture, pixel
by pixel inside those bands, each band with a level of its own; the slope is the part that was left. The pictures are
laid on each other by what is on the membrane, else as their lanes were tied: moved, turned by as much as their strips
lean apart, and scaled where one was binned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from blotquant.analysis import Analysis
from blotquant.detection.registration import Copies, Placement, frame_placement, match_turned, turn_between
from blotquant.experiment.design import Experiment
from blotquant.flags import join_flags, split_flags
from blotquant.model.geometry import Box, Layout
from blotquant.quantification.background import Aperture, Array
from blotquant.tables import CARRY_OVER_COLUMNS, make_table
from blotquant.threads import single_threaded

MIN_BANDS = 3
MIN_FRACTION = 0.01
MIN_SIGNIFICANCE = 4.0
MIN_CORRELATION = 0.3
_MIN_SNR = 10.0


@single_threaded
def find_carry_over(first: Analysis, second: Analysis, copies: Copies | None = None) -> dict[str, Any]:
    """Compare a reprobed picture with the first probe's.

    Parameters
    ----------
    first, second : Analysis
        The earlier and the later picture of one membrane, with the probes' own bands named; they are laid on each other
        by what is on the membrane.
    copies : dict, optional
        See `match_content`.

    Returns
    -------
    dict
        Cells of `CARRY_OVER_COLUMNS`: ``fraction`` of the earlier signal that is left and ``fraction_sd``, its standard
        error over bands; ``correlation`` of residual map and earlier picture inside the ``n_bands`` compared; and
        ``carried_over``, true where more than 1 % is left, at four standard errors, with a correlation above 0.3. What
        cannot be told is NaN or None, and ``reason`` says why.
    """
    # Where the earlier picture's pixels lie in the later one: by marks, by the frame, else by the lanes.
    before, now = (analysis.identity.placement if analysis.identity else None for analysis in (first, second))
    tied = now.since(before) if before and now else None
    signal, other = first.scene.signal, second.scene.signal
    scale = tied.scale if tied else 1.0
    placement = match_turned((signal, first.layout), (other, second.layout), scale=scale, copies=copies)
    # Neither the frame nor the lanes tell of a turn, with which rows would be compared beside their place.
    is_turned = turn_between(first.layout, second.layout) != 0.0
    if placement is None and not is_turned and _lanes_coincide(first.layout, second.layout):
        # Nothing but bands on the membrane: the camera's frame holds as long as its size does.
        placement = frame_placement((signal.shape[0], signal.shape[1]), (other.shape[0], other.shape[1]))
    placement = placement or (None if is_turned else tied)
    unknown = {"fraction": np.nan, "fraction_sd": np.nan, "correlation": np.nan, "n_bands": 0, "carried_over": None}
    if placement is None:
        return unknown | {
            "reason": "the two pictures cannot be laid on each other, so that their pixels cannot be compared"
        }
    bands, probe = _foreign_bands(first, second, placement), first.image.probe
    unknown["n_bands"] = len(bands)
    if len(bands) < MIN_BANDS:
        told = f"{len(bands)} bands of {probe} lie outside the rows of {second.image.probe}, {MIN_BANDS} are needed"
        return unknown | {"reason": told}
    # The slope of later on earlier picture, inside the bands, from each band's covariance and variances.
    moments = np.array([_moments(aperture, first, second, placement) for aperture in bands])
    # A pixel of the later picture gathers the light of 1 / scale² of the earlier one's (binning sums).
    moments *= (placement.scale**2, 1.0, placement.scale**4)
    xy, xx, yy = moments.sum(axis=0)
    if not xx > 0:
        return unknown | {"reason": f"the bands of {probe} have no shape to be recognised by"}
    fraction = float(xy / xx)
    # Bands are the independent pieces: neighbouring pixels share their noise.
    residuals = moments[:, 0] - fraction * moments[:, 1]
    sd = float(np.sqrt((residuals**2).sum() * len(bands) / (len(bands) - 1)) / xx)
    correlation = float(xy / np.sqrt(xx * yy)) if yy > 0 else 0.0
    shows = fraction > max(MIN_FRACTION, MIN_SIGNIFICANCE * sd) and correlation > MIN_CORRELATION
    return {
        "fraction": fraction,
        "fraction_sd": sd,
        "correlation": correlation,
        "n_bands": len(bands),
        "carried_over": bool(shows),
        "reason": None,
    }


def _lanes_coincide(first: Layout, second: Layout) -> bool:
    """Whether lanes of one number lie at one place in both pictures, within a tenth of their width."""
    there = {lane.number: lane for lane in second.lanes}
    pairs = [(lane, there[lane.number]) for lane in first.lanes if lane.number in there]
    away = [abs(float(a.center_at(a.row_range[0]) - b.center_at(a.row_range[0]))) / a.widths[0] for a, b in pairs]
    return bool(away) and float(np.median(away)) < 0.1


def _moved(box: Box, placement: Placement) -> Box:
    """A box where it lies in the later picture; its edges lie between pixels."""
    (top, left), (bottom, right) = placement.at(
        [(box.row_start - 0.5, box.col_start - 0.5), (box.row_stop - 0.5, box.col_stop - 0.5)]
    ).tolist()
    return Box(round(top + 0.5), round(bottom + 0.5), round(left + 0.5), round(right + 0.5))


def _foreign_bands(first: Analysis, second: Analysis, placement: Placement) -> list[Aperture]:
    """Apertures of the first picture's clear sample bands that lie in the second, clear of that probe's own."""
    # Places of the later probe's own bands, with room around them, tell nothing of the earlier one.
    own = [_widened(band.box) for band in second.layout.bands if band.target is not None]
    rows, cols = second.scene.signal.shape
    level = _MIN_SNR * max(first.scene.noise.sigma, 1e-12)
    samples = {lane.id for lane in first.layout.lanes if lane.role in ("sample", "standard")}
    found = []
    for band in first.layout.bands:
        aperture, ground = first.scene.last_measured[band.id]
        if band.status != "detected" or band.lane not in samples or not aperture.weights.size:
            continue
        # Clear bands alone: those that stand well above the ground which their volume was measured over.
        if (first.scene.signal[aperture.box.slices] - ground.values).max() <= level:
            continue
        there = _moved(aperture.box, placement)
        inside = there.row_start >= 0 and there.row_stop <= rows and there.col_start >= 0 and there.col_stop <= cols
        if inside and not any(_overlap(_moved(band.box, placement), box) for box in own):
            found.append(aperture)
    return found


def _widened(box: Box) -> Box:
    margin = (box.row_stop - box.row_start) // 2
    return box._replace(row_start=box.row_start - margin, row_stop=box.row_stop + margin)


def _overlap(a: Box, b: Box) -> bool:
    return (
        a.row_start < b.row_stop and b.row_start < a.row_stop and a.col_start < b.col_stop and b.col_start < a.col_stop
    )


def _moments(aperture: Aperture, first: Analysis, second: Analysis, placement: Placement) -> tuple[float, float, float]:
    """Weighted covariance and variances of the two pictures inside one band, at the places of the first's pixels."""
    rows, cols = aperture.box.slices
    # The later picture's counts at the places of the earlier one's pixels, between pixels by straight lines.
    places = placement.at(np.moveaxis(np.mgrid[rows, cols], 0, -1))
    there = ndimage.map_coordinates(
        second.scene.signal, np.moveaxis(places, -1, 0), output=float, order=1, mode="nearest"
    )
    x = _centered(first.scene.signal[rows, cols].astype(float), aperture.weights)
    y = _centered(there, aperture.weights)
    weights = aperture.weights
    return float((weights * x * y).sum()), float((weights * x * x).sum()), float((weights * y * y).sum())


def _centered(values: Array, weights: Array) -> Array:
    total = weights.sum()
    return values - float((weights * values).sum()) / total if total > 0 else values


def check_membrane(pictures: Sequence[tuple[str, Analysis]], *, blot: str, membrane: str) -> pd.DataFrame:
    """Compare the pictures of one membrane, in the order in which the experiment lists them.

    Parameters
    ----------
    pictures : sequence of (str, Analysis)
        Name of each picture and what was measured in it, of one strip, stains left out; of several exposures of one
        probe the first listed counts.
    blot, membrane : str
        For the table.

    Returns
    -------
    DataFrame
        `CARRY_OVER_COLUMNS`; one row for each pair of probes.
    """
    # One picture a probe, the first that is listed, in the order of probing.
    listed: dict[str | None, tuple[str, Analysis]] = {}
    for name, analysis in pictures:
        listed.setdefault(analysis.image.probe, (name, analysis))
    probes, copies = list(listed.values()), Copies()
    rows = [
        {"blot": blot, "membrane": membrane, "first": first.image.probe, "first_image": before,
         "second": second.image.probe, "second_image": name, **find_carry_over(first, second, copies)}
        for k, (name, second) in enumerate(probes) for before, first in probes[:k]
        if before != name  # probed together: one picture says nothing about what was there before
    ]  # fmt: skip
    return make_table(rows, CARRY_OVER_COLUMNS)


def flag_carry_over(experiment: Experiment, ratios: pd.DataFrame, checked: pd.DataFrame) -> pd.DataFrame:
    """Flag ratios of two probes of one membrane of which one still shows in the other's picture.

    Parameters
    ----------
    experiment : Experiment
        Names numerators and denominators.
    ratios : DataFrame
        From `normalize`.
    checked : DataFrame
        From `check_membrane`, of all membranes.

    Returns
    -------
    DataFrame
        The ratios, with `carry_over` among the flags where it was found.
    """
    shown = checked[checked["carried_over"].fillna(value=False).astype(bool)]
    found = {(row.blot, row.membrane, frozenset((row.first, row.second))) for row in shown.itertuples()}
    if not found:
        return ratios
    probes = {ratio.name: (ratio.numerator, ratio.denominator) for ratio in experiment.ratios}
    flags = []
    for row in ratios.to_dict("records"):
        # Name of the ratio that one band's ratio, such as ``pERK/ERK (44 kDa)``, belongs to.
        name = str(row["ratio"])
        numerator, denominators = probes.get((name if name in probes else name.rpartition(" (")[0]), ("", ()))
        hit = any((row["blot"], row["membrane"], frozenset((numerator, d))) in found for d in denominators)
        flags.append(join_flags(split_flags(row["flags"]), ("carry_over",) if hit else ()))
    return ratios.assign(flags=pd.array(flags, dtype="string"))
