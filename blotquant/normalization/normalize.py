"""Normalised ratios, lane by lane: numerator over denominator and loading, matched through the sample sheet.

The formula follows from what the experiment file declares and where the pictures lie:

- numerator and denominator on one membrane: ``R = P / T``; loading cancels and is not divided out again;
- on twin membranes with loading on both: ``R = (P / Fa) / (T / Fb)``;
- on twin membranes without: ``R = P / T``, flagged ``cross_membrane_unnormalised``;
- loading but no denominator: ``R = P / F``;

with ``F = L / mean(L)`` over the membrane's sample lanes. A numerator with several kDa gives one ratio for the sum
of its bands, under the ratio's own name, and one for each band, called ``name (44 kDa)``, all over the same
denominator.

Whether technical repeats agree: lanes of one condition and biological replicate on one blot.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from blotquant.errors import LaneCountError
from blotquant.experiment.design import Experiment
from blotquant.normalization.amounts import WHOLE, Tables, part_names
from blotquant.normalization.designs import Design, match_lanes, read_designs
from blotquant.normalization.exposures import fit_exposure_series
from blotquant.normalization.lane_ratios import LaneRatio, divide, finish_blot
from blotquant.normalization.repeats import flag_discordant_repeats
from blotquant.tables import RATIO_COLUMNS, make_table
from blotquant.threads import single_threaded

_IN_RATIOS = ("sample", "standard", "excluded")


@single_threaded
def normalize(
    experiment: Experiment,
    bands: pd.DataFrame,
    lanes: pd.DataFrame,
    exposures: pd.DataFrame | None = None,
    *,
    strict: bool = True,
) -> pd.DataFrame:
    """Compute every declared ratio for every lane that the sheet calls sample, standard or excluded.

    Parameters
    ----------
    experiment : Experiment
        What belongs together.
    bands, lanes : DataFrame
        As `measure_bands` and `measure_lanes` give them, with `blot`, `membrane` and `probe` filled.
    exposures : DataFrame, optional
        Fitted exposure series; where a probe has one its rates replace the volumes, and the `formula` column says so.
        Fitted here where none are given.
    strict : bool
        Whether lane counts that disagree raise; otherwise the ratio is given without values, with the reason.

    Returns
    -------
    DataFrame
        `RATIO_COLUMNS`, then the sheet's `membrane` (the numerator's), `role`, `load_ug`, `replicate` and further
        columns. One row per ratio, blot and lane; a row without a value or left out of means says why.

    Raises
    ------
    LaneCountError
        If a picture has another number of lanes than the sheet, with both counts.
    """
    if exposures is None:
        exposures = fit_exposure_series(bands[has_exposure(bands)])
    rows = lane_ratios(experiment, Tables(bands, lanes, exposures), strict=strict)
    return flag_discordant_repeats(ratio_table(experiment, rows))


def has_exposure(bands: pd.DataFrame) -> pd.Series:
    """Which bands may belong to an exposure series: those of a protein, in a picture whose exposure time is known."""
    return (bands["target"].notna() & (bands["exposure_s"] > 0)).fillna(value=False).astype(bool)


def lane_ratios(experiment: Experiment, tables: Tables, *, strict: bool) -> list[LaneRatio]:
    """Every declared ratio of every lane, from grouped tables; as `normalize`."""
    # Every ratio on every blot, once for each membrane that carries its numerator, and for each band of a doublet.
    problems: list[str] = []
    rows: list[LaneRatio] = []
    for ratio in experiment.ratios:
        for blot in experiment.blots:
            for design in read_designs(experiment, tables, ratio, blot):
                trouble = _count_trouble(experiment, design)
                problems += trouble
                for part in (WHOLE, *part_names(experiment.mw_of(ratio.numerator))):
                    rows += finish_blot(experiment, list(_lane_rows(experiment, design, part, trouble)))
    if problems and strict:
        raise LaneCountError("\n".join(dict.fromkeys(problems)))
    return rows


def blots_without_numerator(experiment: Experiment) -> dict[str, list[str]]:
    """Blots that take no part in a ratio, by its name, because they have no picture of its numerator."""
    found = {}
    for ratio in experiment.ratios:
        shown = {image.blot for image in experiment.images_of(probe=ratio.numerator)}
        if shown and (without := [blot for blot in experiment.blots if blot not in shown]):
            found[ratio.name] = without
    return found


def ratio_table(experiment: Experiment, rows: list[LaneRatio]) -> pd.DataFrame:
    """Turn finished rows into the promised table."""
    sheet = {
        "membrane": "string",
        "role": "string",
        "load_ug": "float64",
        "replicate": "string",
        **dict.fromkeys(experiment.extra_columns, "string"),
    }
    frame = make_table([row.record() for row in rows], RATIO_COLUMNS)
    frame = frame.reindex(columns=[*RATIO_COLUMNS, *(name for name in sheet if name not in RATIO_COLUMNS)])
    return frame.astype({name: dtype for name, dtype in sheet.items() if name not in RATIO_COLUMNS})


def _count_trouble(experiment: Experiment, design: Design) -> list[str]:
    """One line where pictures and sheet count lanes differently, showing all counts."""
    used = [s for s in (design.top, *design.bottoms) if s is not None]
    for loading in (design.loading_top, design.loading_bottom if design.is_twin else None):
        used += loading.signals if loading and design.divides_loading else ()
    counts = [(signal, experiment.n_lanes(design.blot, signal.membrane)) for signal in used]
    if all(signal.n_lanes in (None, sheet) for signal, sheet in counts):
        return []
    shown = ", ".join(f"{s.probe} ({s.source}) shows {s.n_lanes}" for s in used if s.n_lanes is not None)
    listed = " and ".join(str(n) for n in dict.fromkeys(sheet for _, sheet in counts))
    return [
        f"ratio {design.ratio.name}, blot {design.blot}: {shown} lanes, the sample sheet lists {listed}; correct the "
        "lanes of the picture or the sheet"
    ]


def _lane_rows(experiment: Experiment, design: Design, part: str, trouble: list[str]) -> Iterator[LaneRatio]:
    partner = match_lanes(experiment, design.blot, design.membrane, design.bottom_membrane or design.membrane)
    rows = experiment.lane_records(design.blot, design.membrane)
    for row in (row for row in rows if row["role"] in _IN_RATIOS):
        lane = int(row["lane"])
        start = LaneRatio(
            design=design, part=part, row=row, lane=lane, other=partner.get(lane), formula=design.formula(part)
        )
        why = "lane counts differ: " + trouble[0] if trouble else design.missing
        yield start.refuse(why) if why else divide(start)
