"""The report's figures of dilution series: volume against load, the best model, and the proportional range."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from blotquant.comparing.dilution import tell_range
from blotquant.report.plots import POINT_COLOURS
from blotquant.report.template import is_missing

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.comparing.linearity import DilutionFit

_SIZE = (4.2, 3.1)


def dilution_blocks(fits: Mapping[str, DilutionFit], table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """One block a diluted target: its figure and what it says; targets without a fit say why.

    Parameters
    ----------
    fits : mapping of str to DilutionFit
        By target.
    table : DataFrame or None
        With `DILUTION_COLUMNS`, also of targets that could not be fitted; None without a series.
    """
    from markupsafe import Markup

    blocks: list[dict[str, Any]] = [
        {"figure": Markup(plot_dilution(fit)), "words": tell_range(fit)} for fit in fits.values()
    ]
    rows = table.to_dict("records") if table is not None else []
    return blocks + [
        {"figure": None, "words": f"{row['target']}  {row['reason']}"}
        for row in rows
        if row["target"] not in fits and not is_missing(row["reason"])
    ]


def plot_dilution(fit: DilutionFit) -> str:
    """Draw one series: points with SDs, the best model, the proportional line and its range.

    Returns
    -------
    str
        SVG, the same bytes for the same fit.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "svg.hashsalt": "blotquant dilution",
        "svg.fonttype": "none",
        "font.size": 9,
        "font.family": "DejaVu Sans",
    }
    curve = fit.curve()
    with mpl.rc_context(style):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        if fit.range is not None:
            axes.axvspan(fit.range.load_low_ug, fit.range.load_high_ug, color="0.92", linewidth=0)
            axes.plot(curve["load_ug"], curve["proportional"], color="0.35", linewidth=1, linestyle="--")
        axes.plot(curve["load_ug"], curve["volume"], color=POINT_COLOURS[0], linewidth=1.2)
        axes.errorbar(fit.load_ug, fit.volume, yerr=fit.sd, fmt="o", color="black", markersize=3.5, linewidth=0.9)
        axes.set_xlim(0, 1.05 * max(fit.load_ug))
        axes.set_ylim(min(0.0, 1.1 * min(fit.volume)), 1.15 * float(np.max(fit.volume)))
        axes.set_xlabel("load, µg")
        axes.set_ylabel("volume, counts", parse_math=False)
        axes.set_title(f"{fit.target}: {fit.model}", fontsize=9, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
