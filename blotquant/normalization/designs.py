"""What is divided by what on one blot: numerator, denominator and loading, and on which membranes they lie.

The loading of a lane is how much of a blot's sample lies in it on a membrane, from its loading controls.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from blotquant.experiment.design import Experiment, Ratio, is_known_control
from blotquant.normalization.amounts import WHOLE, Amount, Signal, Tables, average_amounts, read_signal

UNEVEN_RATIO = 2.0
UNEVEN_CV = 0.30
FOLLOWS_LOADING = 0.7
_MIN_LANES = 4


@dataclass(frozen=True, kw_only=True)
class Loading:
    """Loading of one membrane.

    Attributes
    ----------
    signals : tuple of Signal
        The probes that carry it, where they were read; their geometric mean where there are several.
    factors : dict of int to Amount
        F = L / mean(L) by lane, for the lanes whose controls can be measured.
    refused : dict of int to str
        Why other lanes have none.
    is_uneven : bool
        Whether L differs more than two-fold, or by more than 30 % CV, between sample lanes.
    """

    signals: tuple[Signal, ...]
    factors: Mapping[int, Amount] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)
    is_uneven: bool = False


def read_loading(
    experiment: Experiment, tables: Tables, *, blot: str, membrane: str, controls: Sequence[str]
) -> Loading | None:
    """Compute the loading factor of every lane of a membrane.

    Parameters
    ----------
    experiment : Experiment
        Names the lanes.
    tables : Tables
        Measured bands and lanes.
    blot, membrane : str
        Which membrane.
    controls : sequence of str
        Loading controls: housekeeping proteins by their bands, stains by their lanes.

    Returns
    -------
    Loading or None
        None where a control has no picture on this membrane.
    """
    read = [read_signal(experiment, tables, blot=blot, membrane=membrane, probe=name) for name in controls]
    signals = tuple(signal for signal in read if signal is not None)
    if not controls or len(signals) < len(controls):
        return None
    # Lane by lane, the mean of the controls; a lane that a control cannot judge is refused with the reason.
    roles = experiment.roles_of(blot, membrane)
    levels: dict[int, Amount] = {}
    refused: dict[int, str] = {}
    for lane in roles:
        amounts = [signal.parts.get(WHOLE, {}).get(lane) for signal in signals]
        reason = _why_not(controls, amounts)
        if reason:
            refused[lane] = reason
        else:
            levels[lane] = average_amounts([amount for amount in amounts if amount is not None])
    # Factors are relative to the mean of the sample lanes, so that a ratio keeps its size.
    typical = [levels[lane].value for lane in levels if roles[lane] == "sample"]
    typical = typical or [level.value for level in levels.values()]
    mean = math.fsum(typical) / len(typical) if typical else math.nan
    factors = {
        lane: Amount(level.value / mean, level.sd / mean, flags=level.flags, saturated=level.saturated)
        for lane, level in levels.items()
    }
    return Loading(signals=signals, factors=factors, refused=refused, is_uneven=is_uneven(typical))


def _why_not(controls: Sequence[str], amounts: Sequence[Amount | None]) -> str | None:
    for name, amount in zip(controls, amounts, strict=True):
        if amount is None:
            return f"no measurement of loading control {name}"
        if amount.is_below_loq or math.isnan(amount.value):
            return f"loading control {name} at or below its limit of quantification"
    return None


def is_uneven(levels: Sequence[float]) -> bool:
    """Whether loading differs more than two-fold, or by more than 30 % CV (sample SD), between lanes."""
    if len(levels) < 2 or min(levels) <= 0:
        return False
    return bool(max(levels) / min(levels) > UNEVEN_RATIO or np.std(levels, ddof=1) / np.mean(levels) > UNEVEN_CV)


def follows_loading(values: Sequence[float], levels: Sequence[float]) -> bool:
    """Whether normalised values still follow the loading: |r| > 0.7 over at least four lanes."""
    if len(values) < _MIN_LANES or np.ptp(values) == 0 or np.ptp(levels) == 0:
        return False
    return bool(abs(np.corrcoef(values, levels)[0, 1]) > FOLLOWS_LOADING)


@dataclass(frozen=True, kw_only=True)
class Design:
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
        """Whether numerator and denominator lie on different membranes."""
        return bool(self.ratio.denominator) and self.bottom_membrane != self.membrane

    @property
    def divides_loading(self) -> bool:
        """Loading is divided out between membranes and where it is all there is; on one membrane it cancels."""
        if not self.ratio.denominator:
            return self.loading_top is not None
        return self.is_twin and self.loading_top is not None and self.loading_bottom is not None

    @property
    def flags(self) -> tuple[str, ...]:
        """What holds for every lane of the ratio."""
        flags = ["cross_membrane_unnormalised"] if self.is_twin and not self.divides_loading else []
        used = [loading for loading in (self.loading_top, self.loading_bottom) if loading]
        if any(loading.is_uneven for loading in used):
            flags.append("uneven_loading")
        carried = self.ratio.denominator if self.is_control else ()
        carried = tuple(signal.probe for signal in used[0].signals) if self.divides_loading else carried
        if len(carried) == 1 and is_known_control(carried[0]):
            flags.append("single_loading_control")
        return tuple(flags)

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


def read_designs(experiment: Experiment, tables: Tables, ratio: Ratio, blot: str) -> Iterator[Design]:
    """One design for each membrane of the blot that carries the numerator; none where it has no picture of it."""
    members = list(dict.fromkeys(image.membrane for image in experiment.images_of(blot=blot)))
    tops = {m: read_signal(experiment, tables, blot=blot, membrane=m, probe=ratio.numerator) for m in members}
    carrying = [membrane for membrane in members if tops[membrane] is not None]
    if not carrying and ratio.numerator not in experiment.probes:
        missing = f"no band of {ratio.numerator} on blot {blot}"
        yield Design(ratio=ratio, blot=blot, membrane=members[0] if members else blot, top=None, missing=missing)
    for membrane in carrying:
        yield _with_bottom(
            experiment,
            tables,
            members,
            Design(ratio=ratio, blot=blot, membrane=membrane, top=tops[membrane]),
        )


def _with_bottom(experiment: Experiment, tables: Tables, members: list[str], design: Design) -> Design:
    ratio, blot = design.ratio, design.blot
    # Loading of every membrane first: which of them is divided out depends on where the denominator lies.
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
            # A loading control as denominator is the loading itself: uneven lanes are told.
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


def match_lanes(experiment: Experiment, blot: str, membrane: str, other: str) -> dict[int, int]:
    """Match the lanes of two membranes of a blot by what was loaded, never by place.

    Where one row of the sheet holds for both membranes it is the identity; where membranes have rows of their own it
    is the sample's name, and the order of its repeats.

    Returns
    -------
    dict of int to int
        Lane on `membrane` to lane on `other`; lanes without a partner are left out.
    """
    a, b = experiment.lane_records(blot, membrane), experiment.lane_records(blot, other)
    if membrane == other or not any(isinstance(row["membrane"], str) for row in (*a, *b)):
        return {int(row["lane"]): int(row["lane"]) for row in a}
    # Samples are known by name, and their repeats by order.
    there: dict[str, list[int]] = {}
    for row in (row for row in b if isinstance(row["sample"], str)):
        there.setdefault(row["sample"], []).append(int(row["lane"]))
    found = {}
    for row in a:
        if isinstance(row["sample"], str) and (lanes := there.get(row["sample"])):
            found[int(row["lane"])] = lanes.pop(0)
    return found
