"""The report's blocks of figures and tables: claims by ratio, all ratios, exposures, carry-over, and the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blotquant.export.graph import MOST_NAMED
from blotquant.flags import FLAGS, split_flags
from blotquant.report.blot import anchor_of
from blotquant.report.figures import plot_ratio, plot_sensitivity
from blotquant.report.tables import Cell, Record, View, bounded, interval, table_html, value, with_sd, words
from blotquant.report.template import is_missing

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

    from blotquant.experiment.design import Experiment


FEWEST_FOR_A_LINE = 3
"""Exposures that must have been fitted before r² says anything about linearity."""


def ratio_blocks(experiment: Experiment, tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """One block a ratio: its figures, their captions and the table of its conditions.

    The bands of a doublet have ratios of their own; they are marked as parts.
    """
    summary = tables["summary"]
    declared = {ratio.name for ratio in experiment.ratios}
    return [
        _ratio_block(experiment, tables, str(name)) | {"is_part": name not in declared}
        for name in dict.fromkeys(summary["ratio"].dropna())
    ]


def _ratio_block(experiment: Experiment, tables: Mapping[str, pd.DataFrame], name: str) -> dict[str, Any]:
    from markupsafe import Markup

    mine = {key: tables[key][tables[key]["ratio"] == name] for key in ("ratios", "summary")}
    ratios, summary = mine["ratios"], mine["summary"]
    block = {
        "name": name,
        "figure": Markup(plot_ratio(ratios, summary, reference=experiment.compare.reference)),
        "ways": None,
        **_points_told(experiment, ratios),
        "test": _common_test(summary),
        "level": experiment.compare.level,
        "unit": experiment.unit,
        "unscaled": "; ".join(s for s in dict.fromkeys(summary["scaling"].dropna()) if "not possible" in s),
    }
    claims = None
    if "claims" in tables:
        claims = tables["claims"][tables["claims"]["ratio"] == name]
        ways = tables["sensitivity"][tables["sensitivity"]["ratio"] == name]
        if len(claims):
            block |= {"ways": Markup(plot_sensitivity(ways, claims)), "what_varies": _what_varies(ways)}
    return block | {"table": _claims_table(experiment, summary, claims)}


def _points_told(experiment: Experiment, ratios: pd.DataFrame) -> dict[str, int]:
    """How many points the figure shows, and how many values it cannot show: a log axis relative to the reference."""
    relative = experiment.compare.reference is not None and bool(ratios["relative"].notna().any())
    drawn = int((ratios["relative" if relative else "value"] > 0).sum())
    few = ratios["blot"].nunique() <= MOST_NAMED
    return {"by_colour": few, "n_points": drawn, "n_undrawn": int(ratios["value"].notna().sum()) - drawn}


def _what_varies(ways: pd.DataFrame) -> str:
    scalings = [str(name) for name in dict.fromkeys(ways["scaling"])]
    n = f"{ways['background'].nunique()} backgrounds × {ways['aperture'].nunique()} aperture heights"
    if scalings == ["any"]:
        return f"{n}; every condition stands on every blot, so that the scaling of blots cancels"
    if len(scalings) == 1:
        return f"{n}; blots scaled by {scalings[0]}, as these blots carry no other scaling"
    return f"{n} × {len(scalings)} scalings of blots ({', '.join(scalings)})"


def _common_test(summary: pd.DataFrame) -> str:
    done = [t for t in dict.fromkeys(summary["test"].dropna()) if not t.startswith(("no test", "reference"))]
    return "; ".join(done)


def _claims_table(experiment: Experiment, summary: pd.DataFrame, claims: pd.DataFrame | None) -> Markup:
    ranges = {row["condition"]: row for row in claims.to_dict("records")} if claims is not None else {}
    usual, level, unit = _common_test(summary), experiment.compare.level, experiment.unit
    spread = ("lowest", "highest", "n_ways")
    rows = [
        {**row, **{name: ranges.get(row["condition"], {}).get(name) for name in spread}}
        for row in summary.to_dict("records")
    ]

    def note(row: Record) -> Cell:
        said = "" if is_missing(row["test"]) else str(row["test"])
        return Cell("" if said == usual else said.split(":")[0] if said.startswith("reference") else said)

    views = (
        View("condition", "From the sample sheet", value("condition")),
        View("n", f"Number of {unit}s", value("n")),
        View("fold change", "Against the reference condition", value("fold_change", 3)),
        # Each interval stands before the p that belongs to it.
        View(
            f"simultaneous {level} CI",
            f"Of all comparisons with the reference at once, over {unit}s; belongs to the adjusted p",
            interval("simultaneous_ci_low", "simultaneous_ci_high"),
        ),
        View("p adjusted", "Adjusted for several comparisons with one reference", value("p_adjusted", 3)),
        View(
            f"{level} CI",
            f"Of this comparison alone, over {unit}s; belongs to p",
            interval("fold_ci_low", "fold_ci_high"),
        ),
        View("p", "Exact p of the comparison with the reference", value("p_value", 3)),
        View("over all ways (how many)", "Lowest to highest fold change over the ways of analysing it", _over_ways),
        View("excluded", "Values left out; the reasons stand below", value("n_excluded")),
        View("geometric mean", f"Of the ratio over {unit}s, after scaling", value("geometric_mean", 3)),
        View(f"{level} CI of the mean", f"Confidence interval over {unit}s", interval("ci_low", "ci_high")),
        View("note", "Why there is no test, or another one", note),
    )
    return table_html(rows, views, tall=True)


def _over_ways(row: Record) -> Cell:
    ends = interval("lowest", "highest")(row)
    return Cell(f"{ends.text} ({row['n_ways']})" if ends.text else "", ends.sort)


def ratio_table(ratios: pd.DataFrame) -> Markup:
    """Every lane's ratio, excluded ones struck through; the sheet's further columns stand in ratios.csv."""
    views = (
        View("ratio", "From the experiment file", value("ratio")),
        View("blot", "Biological replicate", value("blot")),
        View("lane", "Lane of the numerator's membrane", value("lane")),
        View("condition", "From the sample sheet", value("condition")),
        View("value", "The normalised ratio", bounded("value", "bound")),
        View("95 % CI", "Measurement error of this lane only", interval("ci_low", "ci_high")),
        View("relative", "Value / geometric mean of the blot's reference lanes", value("relative", 3)),
        View("95 % CI, relative", "Measurement error only", interval("relative_ci_low", "relative_ci_high")),
        View("numerator", "Counts; its SD stands in ratios.csv", value("numerator", 3)),
        View("denominator", "Counts; its SD stands in ratios.csv", value("denominator", 3)),
        View(
            "loading",
            "Lane's loading / mean; whether it enters the value says the formula in ratios.csv",
            value("loading_factor", 3),
        ),
        View("sample", "From the sample sheet", value("sample")),
        View("notes", "Why it does not enter the summary, else the flags that warn", _notes),
    )
    return table_html(ratios.to_dict("records"), views, muted=lambda row: row["included"] is not True)


def _notes(row: Record) -> Cell:
    """Why a value is left out, and what casts doubt on it; what is only information is counted further down."""
    if not is_missing(row["reason"]):
        return Cell(str(row["reason"]))
    return Cell(", ".join(name for name in split_flags(row["flags"]) if FLAGS[name].level != "info"))


def exposure_table(exposures: pd.DataFrame | None) -> Markup | None:
    """Fitted exposure series of named bands; None where there is none."""
    if exposures is None or exposures.empty:
        return None
    views = (
        View("blot", "Biological replicate", value("blot")),
        View("membrane", "From the experiment file", value("membrane")),
        View("probe", "Antibody", value("probe")),
        View("lane", "Lane", value("lane")),
        View("target", "The protein", value("target")),
        View("rate ± SE, counts/s", "Slope of volume against exposure time", with_sd("rate", "rate_sd")),
        View("bound", "≥ where every exposure is saturated", value("bound")),
        View(
            "r²",
            "Share of variance that the line explains; two exposures cannot show a line",
            lambda row: value("r2", 4)(row) if row["n_used"] >= FEWEST_FOR_A_LINE else Cell(""),
        ),
        View("exposures", "In the series", value("n_frames")),
        View("unsaturated", "Those that the line was fitted to", value("n_used")),
        View("linear range", "How far volume is known to grow with the exposure time", _linear_range),
        View("flags", "See the list of flags", words("flags")),
    )
    named = exposures[exposures["target"].notna()]
    return table_html((named if len(named) else exposures).to_dict("records"), views)


def _linear_range(row: Record) -> Cell:
    """What the fitted exposures show of linearity, in words: fewer than three of them show none."""
    if row["n_used"] < FEWEST_FOR_A_LINE:
        return Cell(f"not known from {row['n_used']} exposure{'s' if row['n_used'] != 1 else ''}")
    departs = "nonlinear_exposure" in split_flags(row["flags"])
    return Cell("departs at the longest exposure" if departs else f"over {row['n_used']} exposures, beyond not known")


def carry_over_table(checked: pd.DataFrame | None) -> Markup | None:
    """What was found of each earlier probe in each later picture; None where no membrane was probed twice."""
    if checked is None or checked.empty:
        return None

    def found(row: Record) -> Cell:
        told = row["carried_over"]
        return Cell("cannot be told" if is_missing(told) else "yes" if told else "no")

    def percent(row: Record) -> Cell:
        if is_missing(row["fraction"]):
            return Cell("")
        return Cell(f"{100 * row['fraction']:z.2f} ± {100 * row['fraction_sd']:.2f}", repr(float(row["fraction"])))

    views = (
        View("blot", "Biological replicate", value("blot")),
        View("membrane", "From the experiment file", value("membrane")),
        View("first probe", "Earlier in the experiment file", value("first")),
        View("then", "Later in the experiment file", value("second")),
        View("still shows", "Whether the first probe shows in the later picture", found),
        View("left, %", "Signal left / signal of the first probe's bands, ± SE over bands", percent),
        View("correlation", "Pixel by pixel", value("correlation", 2)),
        View("bands compared", "Outside the later probe's own rows", value("n_bands")),
        View("why not", "Why it cannot be told", value("reason")),
    )
    return table_html(checked.to_dict("records"), views)


def index_table(experiment: Experiment, record: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line a picture with the place of its piece in the page; those not analysed have none."""
    done = {row.get("session"): row for row in record}
    lines = []
    for blot, membrane, entries in experiment.membranes():
        for entry in entries:
            session = entry.session_name
            row = done.get(session)
            serious = sum(1 for name in (row["flags"] if row else ()) if FLAGS[name].level != "info")
            lines.append(
                {"blot": blot, "membrane": membrane, "picture": entry.describe(), "probe": entry.probe,
                 "anchor": anchor_of(session) if row else None, "edits": row["hand_edits"] if row else None,
                 "bands": row["bands"] if row else None, "flags": serious}
            )  # fmt: skip
    return lines
