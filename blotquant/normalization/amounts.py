"""How much of a target lies in each lane: bands summed by target, stains by lane, and which exposure is used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from blotquant.experiment.design import Experiment, ImageEntry
from blotquant.flags import join_flags, split_flags

WHOLE = ""
"""Name of the sum of a target's bands; its parts are called by their kDa."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A measured amount in one lane: volume (counts) or rate (counts/s)."""

    value: float
    sd: float = math.nan
    lod: float = math.nan
    loq: float = math.nan
    flags: tuple[str, ...] = ()
    saturated: bool = False

    @property
    def cv(self) -> float:
        """Relative error; infinite where the amount is not above 0."""
        return self.sd / self.value if self.value > 0 else math.inf

    @property
    def is_below_loq(self) -> bool:
        """Whether it is too weak to be measured well: at or below 10 SD of an empty aperture, or of its own."""
        limit = self.limit_of_quantification
        return self.value <= (limit if math.isfinite(limit) else 0.0)

    @property
    def limit_of_detection(self) -> float:
        """What it must be above to be told from nothing: 3 SD of an empty aperture, or of its own."""
        return self.lod if math.isfinite(self.lod) else 3 * self.sd

    @property
    def limit_of_quantification(self) -> float:
        """What it must be above to be measured well: 10 SD of an empty aperture, or of its own."""
        return self.loq if math.isfinite(self.loq) else 10 * self.sd

    @property
    def is_below_lod(self) -> bool:
        """Whether it cannot be told from nothing."""
        limit = self.limit_of_detection
        return self.value <= (limit if math.isfinite(limit) else 0.0)


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One probe on one membrane.

    Attributes
    ----------
    probe, membrane : str
        Which.
    source : str
        The picture used, for the record: its file and exposure.
    n_lanes : int or None
        Lanes found in that picture, None where it was not measured.
    parts : dict of str to dict of int to Amount
        Amounts by lane, for the whole target (`WHOLE`) and for each band of a doublet by its kDa.
    excluded : frozenset of int
        Lanes that a hand left out in that picture.
    """

    probe: str
    membrane: str
    source: str
    n_lanes: int | None = None
    parts: Mapping[str, Mapping[int, Amount]] = field(default_factory=dict)
    excluded: frozenset[int] = frozenset()

    @property
    def is_measured(self) -> bool:
        """Whether the picture gave any lane or band at all."""
        return self.n_lanes is not None or any(self.parts.values())


Record = Mapping[str, Any]
_PICTURE = ("blot", "membrane", "probe", "image")
_SERIES = ("blot", "membrane", "probe")
_READ = (*_PICTURE, "strip", "lane", "band", "role", "target", "exposure_s", "volume", "volume_sd", "rate", "rate_sd",
         "lod", "loq", "bound", "flags")  # fmt: skip
"""Columns that amounts are made from."""


class Tables:
    """The measured rows that ratios are made from, by the picture (or series of pictures) that they belong to.

    Parameters
    ----------
    bands, lanes, exposures : DataFrame
        With the columns of `blotquant.tables`; rows without a blot, membrane or probe belong to no ratio. Of fitted
        series those of two or more exposures count.
    """

    def __init__(self, bands: pd.DataFrame, lanes: pd.DataFrame, exposures: pd.DataFrame) -> None:
        fitted = exposures[exposures["n_frames"].fillna(0) >= 2]
        self.bands, self.lanes = _grouped(bands, _PICTURE), _grouped(lanes, _PICTURE)
        self.rates = _grouped(fitted, _SERIES)

    def bands_of(self, image: ImageEntry) -> list[Record]:
        """Bands of one picture of the experiment; of one strip where the experiment names it."""
        return _in_strip(self.bands.get(_key(image), ()), image)

    def lanes_of(self, image: ImageEntry) -> list[Record]:
        """Lanes of one picture of the experiment; of one strip where the experiment names it."""
        return _in_strip(self.lanes.get(_key(image), ()), image)


def _grouped(table: pd.DataFrame, keys: Sequence[str]) -> dict[tuple[str, ...], list[Record]]:
    names = [name for name in _READ if name in table]
    needed = {*keys, "lane"} & set(names)
    groups: dict[tuple[str, ...], list[Record]] = {}
    for line in zip(*(table[name].tolist() for name in names), strict=True):
        row = {n: None if x is None or x is pd.NA or x != x else x for n, x in zip(names, line, strict=True)}
        if all(row[name] is not None for name in needed):
            groups.setdefault(tuple(str(row[key]) for key in keys), []).append(row)
    return groups


def _key(image: ImageEntry) -> tuple[str, ...]:
    return image.blot, image.membrane, image.probe, image.name


def _in_strip(rows: Sequence[Record], image: ImageEntry) -> list[Record]:
    """Rows of the entry's strip and exposure: one file may hold several of both."""
    return [
        row
        for row in rows
        if image.strip in (None, row["strip"])
        and (image.exposure_s is None or row["exposure_s"] is None or row["exposure_s"] == image.exposure_s)
    ]


def read_signal(experiment: Experiment, tables: Tables, *, blot: str, membrane: str, probe: str) -> Signal | None:
    """Collect the amounts of a probe on one membrane.

    Of several exposures the rates of their fitted series are taken, where every lane has one that the best single
    exposure shows; else the longest exposure in which none of the target's bands is saturated, else the shortest.

    Returns
    -------
    Signal or None
        None where the membrane has no picture of that probe.
    """
    images = _images_showing(experiment, tables, blot=blot, membrane=membrane, name=probe)
    if not images:
        return None
    # Candidates: each picture by itself, and the rates fitted over all exposures.
    rates = tables.rates.get((blot, membrane, probe))
    signals = [_signal_of(experiment, tables, image, probe) for image in images]
    counted = {lane for lane, role in experiment.roles_of(blot, membrane).items() if role in ("sample", "standard")}
    best = _choose_exposure(signals, counted)
    if not rates:
        return best
    parts = _band_amounts(rates, probe, experiment.mw_of(probe), value="rate", sd="rate_sd")
    # The rates are taken where they know every lane that the best single picture knows.
    series = replace(signals[0], source=f"rate over {len(images)} exposures", parts=parts)
    whole = parts.get(WHOLE, {})
    wanted = counted & best.parts.get(WHOLE, {}).keys()
    if all(lane in whole and math.isfinite(whole[lane].value) for lane in wanted):
        return series
    # Else that picture, with the lanes marked whose light does not grow with the exposure.
    curved = {lane for lane, amount in whole.items() if "nonlinear_exposure" in amount.flags}
    marked = {
        part: {
            lane: replace(amount, flags=split_flags(join_flags(amount.flags, ("nonlinear_exposure",))))
            if lane in curved
            else amount
            for lane, amount in amounts.items()
        }
        for part, amounts in best.parts.items()
    }
    return replace(best, parts=marked)


def _images_showing(experiment: Experiment, tables: Tables, *, blot: str, membrane: str, name: str) -> list[ImageEntry]:
    """Pictures of a probe by falling exposure; for a name that is only a target, the pictures it was found in."""
    images = list(experiment.images_of(blot=blot, membrane=membrane, probe=name))
    if name not in experiment.probes:
        there = experiment.images_of(blot=blot, membrane=membrane)
        images = [image for image in there if any(_is(row["target"], name) for row in tables.bands_of(image))]
    return sorted(images, key=lambda image: -_exposure_of(image, tables))


def _exposure_of(image: ImageEntry, tables: Tables) -> float:
    if image.exposure_s is not None:
        return image.exposure_s
    known = (row["exposure_s"] for row in tables.bands_of(image) if row["exposure_s"] is not None)
    return float(next(known, 0.0))


def _is(cell: object, name: str) -> bool:
    return isinstance(cell, str) and cell == name


def _choose_exposure(signals: Sequence[Signal], counted: set[int]) -> Signal:
    """The first (longest) exposure with bands and none of them saturated, else the last that has bands."""
    with_bands = [signal for signal in signals if signal.parts.get(WHOLE)] or list(signals)
    for signal in with_bands:
        amounts = signal.parts.get(WHOLE, {})
        if amounts and not any(amount.saturated for lane, amount in amounts.items() if lane in counted):
            return signal
    return with_bands[-1]


def _signal_of(experiment: Experiment, tables: Tables, image: ImageEntry, probe: str) -> Signal:
    lanes = tables.lanes_of(image)
    if experiment.is_stain(probe):
        parts: dict[str, dict[int, Amount]] = {
            WHOLE: ({int(row["lane"]): _amount(row, "volume", "volume_sd") for row in lanes})
        }
    else:
        parts = _band_amounts(tables.bands_of(image), probe, experiment.mw_of(probe))
    return Signal(
        probe=probe,
        membrane=image.membrane,
        source=image.describe(),
        n_lanes=len({row["lane"] for row in lanes}) or None,
        parts=parts,
        excluded=frozenset(int(row["lane"]) for row in lanes if _is(row["role"], "excluded")),
    )


def part_names(mw_kda: Sequence[float]) -> tuple[str, ...]:
    """Names of a target's parts: the kDa of each, for a target with more than one."""
    return tuple(f"{kda:g}" for kda in mw_kda) if len(mw_kda) > 1 else ()


def _band_amounts(
    rows: Sequence[Record],
    target: str,
    mw_kda: Sequence[float],
    *,
    value: str = "volume",
    sd: str = "volume_sd",
) -> dict[str, dict[int, Amount]]:
    """Amounts by part and lane: bands called ``pERK 44`` are parts of pERK, bands called pERK are the whole of it.

    The whole is the sum of all parts, and is missing in a lane that lacks one. Where a lane has as many bands of the
    bare name as the target has parts, they are the parts from the top down.
    """
    # What a band's name stands for: the whole target, or one of its masses.
    parts = part_names(sorted(mw_kda, reverse=True))
    amounts: dict[str, dict[int, Amount]] = {name: {} for name in (WHOLE, *parts)}
    names = {target: WHOLE, **{f"{target} {part}": part for part in parts}}
    by_lane: dict[int, list[Record]] = {}
    for row in rows:
        if isinstance(row["target"], str) and row["target"] in names:
            by_lane.setdefault(int(row["lane"]), []).append(row)
    for lane in sorted(by_lane):
        group = sorted(by_lane[lane], key=lambda row: int(row["band"]))
        labels = [names[str(row["target"])] for row in group]
        if parts and labels == [WHOLE] * len(parts):
            labels = list(parts)
        # The whole is its own band, or the sum of all its parts.
        read = [_amount(row, value, sd) for row in group]
        found = {part: [a for a, x in zip(read, labels, strict=True) if x == part] for part in (WHOLE, *parts)}
        for part in parts:
            if found[part]:
                amounts[part][lane] = add_amounts(found[part])
        if found[WHOLE] or (parts and all(found[part] for part in parts)):
            amounts[WHOLE][lane] = add_amounts(found[WHOLE] or read)
    return amounts


def _amount(row: Record, value: str, sd: str) -> Amount:
    flags = split_flags(row.get("flags"))
    saturated = "saturated" in flags or row.get("bound") == "≥"
    number = {key: math.nan if row.get(key) is None else float(row[key]) for key in (value, sd)}
    limits = {key: math.nan if row.get(key) is None else float(row[key]) for key in ("lod", "loq")}
    return Amount(number[value], number[sd], limits["lod"], limits["loq"], flags, saturated)


def add_amounts(amounts: Sequence[Amount]) -> Amount:
    """Add independent amounts; variances and squared limits add."""
    if len(amounts) == 1:
        return amounts[0]
    # Independent errors: variances add, and so do squared limits.
    root = {name: math.sqrt(sum(getattr(a, name) ** 2 for a in amounts)) for name in ("sd", "lod", "loq")}
    return Amount(
        sum(a.value for a in amounts),
        root["sd"],
        root["lod"],
        root["loq"],
        merge_flags(amounts),
        any(a.saturated for a in amounts),
    )


def average_amounts(amounts: Sequence[Amount]) -> Amount:
    """Geometric mean of several loading controls; relative errors add in quadrature, divided by their number."""
    if len(amounts) == 1:
        return amounts[0]
    flags, saturated = merge_flags(amounts), any(a.saturated for a in amounts)
    if any(not a.value > 0 for a in amounts):
        return Amount(math.nan, flags=flags, saturated=saturated)
    value = math.exp(sum(math.log(a.value) for a in amounts) / len(amounts))
    return Amount(
        value,
        value * math.sqrt(sum(a.cv**2 for a in amounts)) / len(amounts),
        flags=flags,
        saturated=saturated,
    )


def merge_flags(amounts: Iterable[Amount]) -> tuple[str, ...]:
    """Flags of several amounts, each once, in the registry's order."""
    return split_flags(join_flags(*(amount.flags for amount in amounts)))
