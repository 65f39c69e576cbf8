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
from dataclasses import dataclass, replace

import pandas as pd

from blotquant.errors import LaneCountError
from blotquant.experiment.design import Experiment, Ratio, is_known_control
from blotquant.normalization.amounts import (
    WHOLE,
    Signal,
    Tables,
    average_amounts,
    group_tables,
    part_names,
    read_signal,
)
from blotquant.normalization.exposures import fit_exposure_series
from blotquant.normalization.lane_ratios import LaneRatio, Parts, divide, finish_blot
from blotquant.normalization.loading import Loading, read_loading
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
        timed = bands["target"].notna() & (bands["exposure_s"] > 0)
        exposures = fit_exposure_series(bands[timed.fillna(value=False).astype(bool)])
    tables = group_tables(bands, lanes, exposures)
    problems: list[str] = []
    rows: list[LaneRatio] = []
    for ratio in experiment.ratios:
        for blot in experiment.blots:
            for design in _designs(experiment, tables, ratio, blot):
                trouble = _count_trouble(experiment, design)
                problems += trouble
                for part in (WHOLE, *part_names(experiment.mw_of(ratio.numerator))):
                    rows += finish_blot(experiment, list(_lane_rows(experiment, design, part, trouble)))
    if problems and strict:
        raise LaneCountError("\n".join(dict.fromkeys(problems)))
    return flag_discordant_repeats(ratio_table(experiment, rows))


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


@dataclass(frozen=True, kw_only=True)
class _Design:
    """What is divided by what on one blot, for one membrane that carries the numerator."""

    ratio: Ratio
    blot: str
    membrane: str
    top: Signal | None
    bottoms: tuple[Signal, ...] = ()
    bottom_membrane: str = ""
    loading_top: Loading | None = None
    loading_bottom: Loading | None = None
    is_control: bool = False
    missing: str = ""

    @property
    def is_twin(self) -> bool:
        return bool(self.ratio.denominator) and self.bottom_membrane != self.membrane

    @property
    def divides_loading(self) -> bool:
        """Loading is divided out between membranes and where it is all there is; on one membrane it cancels."""
        if not self.ratio.denominator:
            return self.loading_top is not None
        return self.is_twin and self.loading_top is not None and self.loading_bottom is not None

    def formula(self, part: str) -> str:
        """Write the formula with the pictures it was computed from."""
        ratio = self.ratio
        kda = f" ({part} kDa)" if part else ""
        texts = [f"P = {ratio.numerator}{kda}" + (f" [{self.top.source}]" if self.top else "")]
        if ratio.denominator:
            names = ", ".join(f"{s.probe} [{s.source}]" for s in self.bottoms) or ", ".join(ratio.denominator)
            texts.append(f"T = {names}" if len(ratio.denominator) == 1 else f"T = geometric mean of {names}")
        if self.divides_loading and self.loading_top is not None:
            texts.append(
                f"F = L / mean(L), L = {_loading_text(self.loading_top)}"
                + (f" and {_loading_text(self.loading_bottom)}" if self.loading_bottom and self.is_twin else "")
            )
        if not ratio.denominator:
            return "R = P / F; " + "; ".join(texts)
        if not self.is_twin:
            return "R = P / T, one membrane: loading cancels; " + "; ".join(texts)
        where = f"P on membrane {self.membrane}, T on {self.bottom_membrane or '?'}"
        return (
            ("R = (P / Fa) / (T / Fb), " if self.divides_loading else "R = P / T, ") + where + "; " + "; ".join(texts)
        )


def _loading_text(loading: Loading) -> str:
    names = ", ".join(f"{signal.probe} [{signal.source}]" for signal in loading.signals)
    return names if len(loading.signals) == 1 else f"geometric mean of {names}"


def _designs(experiment: Experiment, tables: Tables, ratio: Ratio, blot: str) -> Iterator[_Design]:
    """One design for each membrane of the blot that carries the numerator; none where it has no picture of it."""
    members = list(dict.fromkeys(image.membrane for image in experiment.images_of(blot=blot)))
    tops = {m: read_signal(experiment, tables, blot=blot, membrane=m, probe=ratio.numerator) for m in members}
    carrying = [membrane for membrane in members if tops[membrane] is not None]
    if not carrying and ratio.numerator not in experiment.probes:
        missing = f"no band of {ratio.numerator} on blot {blot}"
        yield _Design(ratio=ratio, blot=blot, membrane=members[0] if members else blot, top=None, missing=missing)
    for membrane in carrying:
        yield _with_bottom(
            experiment,
            tables,
            members,
            _Design(ratio=ratio, blot=blot, membrane=membrane, top=tops[membrane]),
        )


def _with_bottom(experiment: Experiment, tables: Tables, members: list[str], design: _Design) -> _Design:
    ratio, blot = design.ratio, design.blot
    loading = {m: read_loading(experiment, tables, blot=blot, membrane=m, controls=ratio.loading) for m in members}
    mine = loading[design.membrane]
    if not ratio.denominator:
        missing = "" if mine else f"no picture of {' and '.join(ratio.loading)} on membrane {design.membrane}"
        return replace(design, loading_top=mine, missing=missing)
    # The denominator of the numerator's own membrane comes first: there loading cancels.
    for membrane in sorted(members, key=lambda m: m != design.membrane):
        read = [read_signal(experiment, tables, blot=blot, membrane=membrane, probe=n) for n in ratio.denominator]
        bottoms = tuple(signal for signal in read if signal is not None)
        if len(bottoms) == len(ratio.denominator):
            control = all(
                experiment.is_stain(n) or is_known_control(n) or n in ratio.loading for n in ratio.denominator
            )
            if control and not ratio.loading and membrane == design.membrane:
                mine = read_loading(experiment, tables, blot=blot, membrane=membrane, controls=ratio.denominator)
            return replace(
                design,
                bottoms=bottoms,
                bottom_membrane=membrane,
                loading_top=mine,
                loading_bottom=loading[membrane],
                is_control=control,
            )
    names = " and ".join(ratio.denominator)
    return replace(design, loading_top=mine, missing=f"no picture of {names} on blot {blot}")


def _count_trouble(experiment: Experiment, design: _Design) -> list[str]:
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


def _lane_rows(experiment: Experiment, design: _Design, part: str, trouble: list[str]) -> Iterator[LaneRatio]:
    name = f"{design.ratio.name} ({part} kDa)" if part else design.ratio.name
    rows = experiment.samples_of(design.blot, design.membrane)
    partner = match_lanes(experiment, design.blot, design.membrane, design.bottom_membrane or design.membrane)
    for cells in rows[rows["role"].isin(_IN_RATIOS)].to_dict("records"):
        row = {str(key): cell for key, cell in cells.items()}
        lane = int(row["lane"])
        start = LaneRatio(
            ratio=name,
            blot=design.blot,
            lane=lane,
            row=row,
            membrane=design.membrane,
            formula=design.formula(part),
        )
        if trouble or design.missing:
            yield start.refuse("lane counts differ: " + trouble[0] if trouble else design.missing)
            continue
        parts = _parts_of(design, part, lane, partner.get(lane))
        yield divide(start, parts)


def _parts_of(design: _Design, part: str, lane: int, other: int | None) -> Parts:
    """Gather what one lane's ratio is made of."""
    refused = []
    top = design.top.parts.get(part, {}).get(lane) if design.top else None
    if design.top is not None and not design.top.is_measured:
        refused.append(("missing_band", f"the picture of {design.top.probe} ({design.top.source}) was not measured"))
    elif top is None:
        kda = f" at {part} kDa" if part else ""
        refused.append(("missing_band", f"no band of {design.ratio.numerator}{kda} in lane {lane}"))
    bottom = None
    if design.ratio.denominator:
        found = [s.parts.get(WHOLE, {}).get(other) if other is not None else None for s in design.bottoms]
        if other is None:
            refused.append(("missing_band", f"this sample has no lane on membrane {design.bottom_membrane}"))
        elif any(not signal.is_measured for signal in design.bottoms):
            refused += [
                ("missing_band", f"the picture of {s.probe} ({s.source}) was not measured")
                for s in design.bottoms
                if not s.is_measured
            ]
        elif any(amount is None for amount in found):
            names = [s.probe for s, amount in zip(design.bottoms, found, strict=True) if amount is None]
            refused.append(("missing_band", f"no band of {' and '.join(names)} in lane {other}"))
        else:
            bottom = average_amounts([amount for amount in found if amount is not None])
    factor_top = design.loading_top.factors.get(lane) if design.loading_top else None
    factor_bottom = design.loading_bottom.factors.get(other) if design.loading_bottom and other is not None else None
    if design.divides_loading:
        for loading, at in (
            (design.loading_top, lane),
            (design.loading_bottom if design.is_twin else None, other),
        ):
            if loading is not None and at is not None and at in loading.refused:
                refused.append(("loading_below_loq", f"{loading.refused[at]} (membrane {loading.signals[0].membrane})"))
    sides = [*([(design.top, lane)] if design.top else []), *((signal, other) for signal in design.bottoms)]
    by_hand = [signal.probe for signal, at in sides if at in signal.excluded]
    return Parts(
        top=top,
        bottom=bottom,
        has_bottom=bool(design.ratio.denominator),
        factor_top=factor_top,
        factor_bottom=factor_bottom,
        divides_loading=design.divides_loading,
        is_twin=design.is_twin,
        bottom_is_control=design.is_control,
        flags=_design_flags(design),
        refused=tuple(refused),
        excluded=f"lane excluded by hand in the picture of {' and '.join(by_hand)}" if by_hand else "",
    )


def _design_flags(design: _Design) -> tuple[str, ...]:
    flags = []
    if design.is_twin and not design.divides_loading:
        flags.append("cross_membrane_unnormalised")
    used = [loading for loading in (design.loading_top, design.loading_bottom) if loading]
    if any(loading.is_uneven for loading in used):
        flags.append("uneven_loading")
    carried = design.ratio.denominator if design.is_control else ()
    carried = used[0].controls if design.divides_loading else carried
    if len(carried) == 1 and is_known_control(carried[0]):
        flags.append("single_loading_control")
    return tuple(flags)


def match_lanes(experiment: Experiment, blot: str, membrane: str, other: str) -> dict[int, int]:
    """Match the lanes of two membranes of a blot by what was loaded, never by place.

    Where one row of the sheet holds for both membranes it is the identity; where membranes have rows of their own it
    is the sample's name, and the order of its repeats.

    Returns
    -------
    dict of int to int
        Lane on `membrane` to lane on `other`; lanes without a partner are left out.
    """
    a, b = experiment.samples_of(blot, membrane), experiment.samples_of(blot, other)
    if membrane == other or (a["membrane"].isna().all() and b["membrane"].isna().all()):
        return {int(lane): int(lane) for lane in a["lane"]}
    keys = [
        {
            (str(sample), int(k)): int(lane)
            for sample, k, lane in zip(rows["sample"], rows.groupby("sample").cumcount(), rows["lane"], strict=True)
        }
        for rows in (rows.dropna(subset=["sample"]) for rows in (a, b))
    ]
    return {lane: keys[1][key] for key, lane in keys[0].items() if key in keys[1]}
