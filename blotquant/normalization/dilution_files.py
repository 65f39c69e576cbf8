"""The dilution series of an experiment: one fit for each diluted protein, kept in a file that later runs can name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blotquant.errors import SheetError
from blotquant.experiment.checks import MIN_LOADS
from blotquant.experiment.design import Experiment
from blotquant.flags import blocking, split_flags
from blotquant.io.files import read_bounded
from blotquant.normalization.dilution import DilutionFit, fit_dilution_series, flag_out_of_range
from blotquant.settings import explain_validation
from blotquant.tables import DILUTION_COLUMNS, make_table

DILUTION_FILE = "dilution.json"
"""Where a run keeps its fits, which later experiments may name."""

_MAX_BYTES = 10_000_000


class DilutionFile(BaseModel):
    """What `dilution.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(1, description="Version of this format")
    series: tuple[DilutionFit, ...] = Field(description="One fit for each protein that was diluted")


def fit_dilutions(experiment: Experiment, bands: pd.DataFrame, lanes: pd.DataFrame) -> dict[str, DilutionFit]:
    """Fit the dilution series that an experiment declares.

    Of several exposures the longest is used of those in which fewest bands are saturated. Bands of one target in one
    lane are added up. Saturated bands, lanes without a load and lanes that are no sample are left out.

    Parameters
    ----------
    experiment : Experiment
        `dilution.blots` says which blots are series.
    bands, lanes : DataFrame
        As measured, with the sheet's `load_ug`; `lanes` for total-protein stains.

    Returns
    -------
    dict of str to DilutionFit
        By target (by probe for a stain), in the order of the pictures; those with fewer than three usable loads are
        left out.
    """
    roles = _roles(experiment)
    stains = lanes[np.array([experiment.is_stain(str(probe)) for probe in lanes["probe"]], dtype=bool)]
    # Bands by their targets, whole lanes of stains by their probes, in lanes whose load is known.
    table = pd.concat([bands[bands["target"].notna()], stains.assign(target=stains["probe"])], ignore_index=True)
    table = table[table["blot"].isin(experiment.dilution.blots) & (table["load_ug"] > 0)]
    keep = [
        roles.get((blot, membrane, lane)) in ("sample", "standard")
        for blot, membrane, lane in zip(table["blot"], table["membrane"], table["lane"], strict=True)
    ]
    fits = {}
    for target, mine in table[np.array(keep, dtype=bool)].groupby("target", sort=False):
        fit = _fit_one(str(target), mine)
        if fit is not None:
            fits[str(target)] = fit
    return fits


def _roles(experiment: Experiment) -> dict[tuple[str, str, int], str]:
    found: dict[tuple[str, str, int], str] = {}
    for blot, membrane, _ in experiment.membranes():
        if blot in experiment.dilution.blots:
            found |= {(blot, membrane, lane): role for lane, role in experiment.roles_of(blot, membrane).items()}
    return found


def _fit_one(target: str, table: pd.DataFrame) -> DilutionFit | None:
    blocked = table["flags"].map(lambda cell: bool(blocking(split_flags(cell)))).astype(bool)
    usable = ~blocked & table["volume"].notna() & table["volume_sd"].notna()
    frames = table.assign(usable=usable, time=table["exposure_s"].fillna(0.0)).groupby("time")
    # The exposure with most usable bands, the longest of them; bands of one lane are added up.
    best = max(frames, key=lambda frame: (int(frame[1]["usable"].sum()), frame[0]))[1]
    best = best[best["usable"]].assign(variance=best["volume_sd"] ** 2)
    places = ["blot", "membrane", "lane", "load_ug"]
    whole = best.groupby(places, as_index=False)[["volume", "variance"]].sum()
    if whole["load_ug"].nunique() < MIN_LOADS:
        return None
    exposure = best["exposure_s"].iloc[0]
    return fit_dilution_series(
        whole["load_ug"],
        whole["volume"],
        whole["variance"] ** 0.5,
        target=target,
        exposure_s=None if pd.isna(exposure) else float(exposure),
    )


def flag_tables(
    bands: pd.DataFrame, lanes: pd.DataFrame, fits: Mapping[str, DilutionFit]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flag the bands, and the lanes of stains, that lie outside the proportional range of their target."""
    if not fits:
        return bands, lanes
    stains = flag_out_of_range(lanes.assign(target=lanes["probe"]), fits)
    return flag_out_of_range(bands, fits), stains.drop(columns="target")


def earlier_fits(experiment: Experiment) -> dict[str, DilutionFit]:
    """Read the fits of earlier runs that an experiment names; the last one named holds for a target.

    Raises
    ------
    SheetError
        If a file cannot be read, with one line for every mistake in it.
    """
    fits: dict[str, DilutionFit] = {}
    for path in dilution_files(experiment):
        fits |= read_fits(path)
    return fits


def read_fits(path: Path) -> dict[str, DilutionFit]:
    """Read a `dilution.json`: its fits by target.

    Raises
    ------
    SheetError
        If it cannot be read, with one line for every mistake in it.
    """
    try:
        content = DilutionFile.model_validate_json(read_bounded(path, _MAX_BYTES))
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise SheetError(msg) from None
    except ValidationError as error:
        raise SheetError(explain_validation(error, where=path.name)) from None
    return {fit.target: fit for fit in content.series}


def dilution_files(experiment: Experiment) -> list[Path]:
    """The files of earlier series that an experiment names."""
    return [experiment.folder / name for name in experiment.dilution.files]


def write_fits(fits: Iterable[DilutionFit]) -> str:
    """Write fits as they are kept in a file."""
    return DilutionFile(series=tuple(fits)).model_dump_json(indent=1) + "\n"


def dilution_table(experiment: Experiment, fits: Mapping[str, DilutionFit]) -> pd.DataFrame:
    """Tell the proportional range of every diluted target, or why it has none.

    Returns
    -------
    DataFrame
        `DILUTION_COLUMNS`.
    """
    probes = dict.fromkeys(image.probe for image in experiment.images if image.blot in experiment.dilution.blots)
    missing = [name for name in probes if not any(target == name or target.startswith(f"{name} ") for target in fits)]
    rows: list[dict[str, object]] = [
        {
            "target": fit.target,
            "exposure_s": fit.exposure_s,
            "n_loads": len(set(fit.load_ug)),
            "model": fit.model,
            "reason": fit.reason or None,
            **(fit.range.model_dump(exclude={"n_levels"}) if fit.range is not None else {}),
        }
        for fit in fits.values()
    ]
    reason = f"fewer than {MIN_LOADS} loads with a volume that is not saturated"
    return make_table([*rows, *({"target": name, "reason": reason} for name in missing)], DILUTION_COLUMNS)


def tell_range(fit: DilutionFit) -> str:
    """One line for a person: the range in load and in counts, or why there is none."""
    if fit.range is None:
        return f"{fit.target}  no proportional range: {fit.reason}"
    within = fit.range
    at = f" at {fit.exposure_s:g} s" if fit.exposure_s is not None else ""
    return (
        f"{fit.target}  proportional from {within.load_low_ug:g} to {within.load_high_ug:g} ug, "
        f"{within.volume_low:.3g} to {within.volume_high:.3g} counts{at} ({within.n_levels} loads)"
    )
