"""How much a fold change depends on choices that nobody can defend as the only right ones.

Background, height of the aperture and scaling of the replicates are chosen in every analysis, and a reviewer may
ask for another choice of each. The worker measures every named band over all sane backgrounds and apertures while it
has the picture at hand (`blotquant.quantification.alternatives`); the ratios and fold changes of every combination are
then computed from those volumes (`vary_analysis`), and summed up as the range that the claim has over them
(`claim_ranges`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import pandas as pd

from blotquant.errors import DesignError
from blotquant.experiment.design import Experiment, Scaling
from blotquant.normalization.amounts import Tables
from blotquant.normalization.exposures import exposure_series, fit_exposure_series
from blotquant.normalization.normalize import has_exposure, lane_ratios, ratio_table
from blotquant.normalization.repeats import log_matrix
from blotquant.statistics.contrasts import model_of
from blotquant.statistics.linear_model import design_matrix, least_squares
from blotquant.statistics.scaling import blot_scales
from blotquant.tables import SENSITIVITY_COLUMNS, make_table
from blotquant.threads import single_threaded

SCALING_WAYS: tuple[Scaling, ...] = ("alignment", "fixed_point", "sum", "interblot_control")
"""Scalings between blots that could each be defended."""
_SAME = 1e-9


@single_threaded
def vary_analysis(
    experiment: Experiment, bands: pd.DataFrame, lanes: pd.DataFrame, alternatives: pd.DataFrame
) -> pd.DataFrame:
    """Compute the fold change of every condition for every sane way of analysing it.

    Parameters
    ----------
    experiment : Experiment
        Declares ratios and reference.
    bands, lanes : DataFrame
        As they were measured; errors, limits and flags are taken from here. Stains are weighed one way only.
    alternatives : DataFrame
        From `measure_alternatives`, for all pictures.

    Returns
    -------
    DataFrame
        `SENSITIVITY_COLUMNS`; empty without a reference. Where no way of scaling changes a ratio's fold changes,
        because every condition stands on every blot, the ways differ in background and aperture only and scaling
        is ``any``.
    """
    if experiment.compare.reference is None or alternatives.empty:
        return make_table([], SENSITIVITY_COLUMNS)
    # What no way changes is looked up once: exposure series, and each band's name. Lanes
    # count by their pictures, so that pictures without a named band still tell their number of lanes.
    named = bands[bands["target"].notna().fillna(value=False)]
    timed = has_exposure(named).to_numpy()
    series, measured = exposure_series(named[timed]), named["volume"].to_numpy(dtype=float)
    keys = _keys(named)
    parts = []
    for way, volumes in alternatives.groupby(["background", "aperture"], sort=False):
        background, aperture = cast(tuple[str, float], way)
        # Put other volumes in place of those that were measured; pictures that lack them keep their own.
        known = dict(zip(_keys(volumes), volumes["volume"].tolist(), strict=True))
        found = np.array([known.get(key, np.nan) for key in keys], dtype=float)
        varied = named.assign(volume=np.where(np.isnan(found), measured, found))
        tables = Tables(varied, lanes, fit_exposure_series(varied[timed], series))
        rows = lane_ratios(experiment, tables, strict=False)
        folds = pd.DataFrame(list(_fold_changes(experiment, ratio_table(experiment, rows))))
        parts.append(folds.assign(background=str(background), aperture=float(aperture)))
    table = pd.concat(parts, ignore_index=True)
    return make_table(_merge_scalings(table) if len(table) else [], SENSITIVITY_COLUMNS)


def _keys(table: pd.DataFrame) -> list[tuple[object, ...]]:
    """Name every row's band; two exposures may lie in one file."""
    columns = [table[name].tolist() for name in ("image", "band_id", "blot", "membrane", "probe")]
    return list(zip(*columns, table["exposure_s"].fillna(0.0).tolist(), strict=True))


def _fold_changes(experiment: Experiment, ratios: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Fold change of each condition by each scaling."""
    reference = experiment.compare.reference
    for name, mine in ratios.groupby("ratio", sort=False):
        model, units = model_of(experiment, mine)
        if reference is None or reference not in model.names:
            continue
        others = [level for level, condition in enumerate(model.names) if condition != reference]
        # One contrast for each condition against the reference.
        weights = np.zeros((len(others), len(model.names)))
        weights[range(len(others)), others] = 1
        weights[:, model.names.index(reference)] = -1
        standards = units.loc[units["role"] == "standard", "condition"].unique().tolist()
        logs, blots = log_matrix(units), model.units["blot"].tolist()
        for scaling in dict.fromkeys((experiment.compare.scaling, *SCALING_WAYS)):
            if scaling == "alignment":  # the claim's own model aligns
                folds = model.compare(weights)[0].estimate if len(others) else np.array([])
            else:
                try:
                    scales = blot_scales(logs, scaling, reference=reference, standards=standards)
                except DesignError:
                    continue
                # Other scalings: blots divided by their factors, then the means of conditions.
                factor = dict(zip(scales.index, scales.tolist(), strict=True))
                scaled = model.units["log_value"].to_numpy() - np.array([factor.get(blot, np.nan) for blot in blots])
                known = np.isfinite(scaled)
                design = design_matrix(model.condition[known], n_conditions=len(model.names))
                folds = least_squares(scaled[known], design, weights).estimate
            for level, fold in zip(others, folds, strict=True):
                if not np.isnan(fold):
                    yield {"ratio": name, "condition": model.names[level], "scaling": scaling,
                           "fold_change": float(np.exp(fold)), "n": model.n_of(level)}  # fmt: skip


def _merge_scalings(table: pd.DataFrame) -> list[dict[str, object]]:
    """Count scalings once for a ratio whose fold changes they all agree upon."""
    rows: list[dict[str, object]] = []
    for _, mine in table.groupby("ratio", sort=False):
        ways = mine.groupby(["condition", "background", "aperture"], sort=False)["fold_change"]
        if mine["scaling"].nunique() > 1 and (ways.max() <= ways.min() * (1 + _SAME)).all():
            mine = mine[mine["scaling"] == mine["scaling"].iloc[0]].assign(scaling="any")
        rows += [{str(k): v for k, v in row.items()} for row in mine.to_dict("records")]
    return rows


def claim_ranges(summary: pd.DataFrame, sensitivity: pd.DataFrame) -> pd.DataFrame:
    """Say in one line per condition how far its fold change moves over all ways of analysing it.

    Parameters
    ----------
    summary : DataFrame
        From `compare`.
    sensitivity : DataFrame
        From `vary_analysis`.

    Returns
    -------
    DataFrame
        `ratio`, `condition`, `fold_change` (as claimed), `lowest`, `highest` (the claim included), `n_ways` and
        `claim`, the sentence.
    """
    columns = ["ratio", "condition", "fold_change", "lowest", "highest", "n_ways", "claim"]
    groups = {key: ways["fold_change"] for key, ways in sensitivity.groupby(["ratio", "condition"], sort=False)}
    rows = []
    for ratio, condition, fold in summary[["ratio", "condition", "fold_change"]].itertuples(index=False, name=None):
        ways = groups.get((ratio, condition))
        if ways is None or pd.isna(fold):
            continue
        values = [float(fold), *ways.astype(float)]
        low, high = min(values), max(values)
        claim = f"{fold:#.3g}-fold; {low:#.3g}–{high:#.3g} over {len(ways)} ways of analysing it"
        rows.append((ratio, condition, float(fold), low, high, len(ways), claim))
    return pd.DataFrame(rows, columns=columns)
