"""A table shaped as GraphPad Prism's grouped tables: conditions in rows, replicates in columns."""

from __future__ import annotations

import os

import pandas as pd

from blotquant.comparing.compare import scaled_units
from blotquant.experiment.design import Experiment
from blotquant.io.files import write_table


def prism_table(experiment: Experiment, ratios: pd.DataFrame) -> pd.DataFrame:
    """Lay every ratio's replicates out for Prism.

    Parameters
    ----------
    experiment : Experiment
        Declares the scaling between blots.
    ratios : DataFrame
        From `normalize`.

    Returns
    -------
    DataFrame
        `condition`, then for each ratio one column per biological replicate, called ``ratio: replicate``; every
        ratio has the same number of columns, as Prism's subcolumns ask. Values are those that the geometric means
        are made of: technical repeats averaged, blots scaled as declared. A replicate without a value leaves its
        cell empty.
    """
    units = scaled_units(experiment, ratios)
    names = list(dict.fromkeys(ratios["ratio"].dropna()))
    replicates = list(dict.fromkeys(units["replicate"]))
    role = ratios["role"] if "role" in ratios else pd.Series("sample", index=ratios.index)
    conditions = list(dict.fromkeys(ratios.loc[role != "excluded", "condition"].dropna()))
    cells = {
        (ratio, replicate, condition): value
        for ratio, replicate, condition, value in units[["ratio", "replicate", "condition", "value"]].itertuples(
            index=False, name=None
        )
    }
    columns = {
        f"{ratio}: {replicate}": [cells.get((ratio, replicate, condition)) for condition in conditions]
        for ratio in names
        for replicate in replicates
    }
    frame = pd.DataFrame({"condition": conditions, **columns})
    return frame.astype({"condition": "string", **dict.fromkeys(columns, "float64")})


def write_prism(path: str | os.PathLike[str], experiment: Experiment, ratios: pd.DataFrame) -> None:
    """Write the Prism-shaped table as csv.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_table(prism_table(experiment, ratios), path)
