"""Loading factors: how much of each lane's sample lies on a membrane."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from blotquant.experiment.design import Experiment
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
    controls : tuple of str
        The probes that carry it; their geometric mean where there are several.
    signals : tuple of Signal
        Where they were read.
    factors : dict of int to Amount
        F = L / mean(L) by lane, for the lanes whose controls can be weighed.
    refused : dict of int to str
        Why other lanes have none.
    is_uneven : bool
        Whether L differs more than two-fold, or by more than 30 % CV, between sample lanes.
    """

    controls: tuple[str, ...]
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
    return Loading(
        controls=tuple(controls),
        signals=signals,
        factors=factors,
        refused=refused,
        is_uneven=is_uneven(typical),
    )


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
