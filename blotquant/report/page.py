"""The page: head, blocks of figures and tables, one piece a picture as its worker drew it, methods and record."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant._version import __version__
from blotquant.export.graph import MOST_NAMED
from blotquant.flags import FLAGS, split_flags
from blotquant.io.files import atomic_write
from blotquant.normalization.normalize import blots_without_numerator
from blotquant.report.blot import anchor_of
from blotquant.report.figures import contrast_blocks, dilution_blocks, plot_ratio, plot_sensitivity
from blotquant.report.methods import methods_paragraph, reviewers_questions
from blotquant.report.tables import (
    Cell,
    Record,
    View,
    bounded,
    interval,
    is_missing,
    render,
    table_html,
    value,
    with_sd,
    words,
)

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

    from blotquant.experiment.design import Experiment
    from blotquant.normalization.dilution import DilutionFit
    from blotquant.settings import Settings


FEWEST_FOR_A_LINE = 3
"""Exposures that must have been fitted before r² says anything about linearity."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Content:
    """What the report is made from, all of it computed before.

    Attributes
    ----------
    experiment : Experiment
        What was declared.
    settings : Settings
        What was used.
    tables : mapping of str to DataFrame
        ``bands``, ``ratios`` and ``summary``; ``exposures``, ``carry_over``, and ``sensitivity`` with ``claims`` (from
        `claim_ranges`) where there are any.
    record : sequence of mapping
        ``session``, ``image``, ``sha256``, ``hand_edits`` and ``flags`` of each picture.
    failures : mapping of str to str
        Units that could not be analysed, and why.
    dilution : mapping of str to DilutionFit
        The experiment's own dilution series, by target.
    """

    experiment: Experiment
    settings: Settings
    tables: Mapping[str, pd.DataFrame]
    record: Sequence[Mapping[str, Any]]
    failures: Mapping[str, str]
    dilution: Mapping[str, DilutionFit] = field(default_factory=dict)


def write_report(path: Path, content: Content, blots: Iterable[str]) -> None:
    """Write the report as one self-contained page.

    Parameters
    ----------
    path : pathlib.Path
        Where to.
    content : Content
        Tables and record.
    blots : iterable of str
        One piece of HTML a picture, from `render_blot`; taken one at a time.
    """
    atomic_write(path, _pieces(content, blots))


def _pieces(content: Content, blots: Iterable[str]) -> Iterator[str]:
    from markupsafe import Markup

    from blotquant.session.session import software_versions

    script = _resource("script.js")
    yield _head(content, script)
    # Pictures one at a time: a report of two hundred is never whole in memory.
    yield from blots
    yield render(
        "foot.html.j2",
        methods=methods_paragraph(content.experiment, content.settings, dict(content.tables)),
        record=content.record,
        asked=reviewers_questions(content),
        settings=content.settings.to_toml(),
        versions=software_versions(),
        script=Markup(script),
    )


def _head(content: Content, script: str) -> str:
    from markupsafe import Markup

    experiment, tables = content.experiment, content.tables
    ratios = tables["ratios"]
    included = ratios["included"].fillna(value=False).astype(bool)
    # Excluded values, those of one blot and reason together.
    rows = ratios[~included]
    groups = rows.assign(reason=rows["reason"].fillna("no reason given")).groupby(
        ["ratio", "blot", "reason"], sort=False
    )
    return render(
        "page.html.j2",
        name=experiment.name,
        version=__version__,
        style=Markup(_resource("style.css")),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        n_pictures=len(experiment.images),
        n_blots=len(experiment.blots),
        reference=experiment.compare.reference,
        failures=content.failures,
        answers=contrast_blocks(experiment, tables),
        blocks=ratio_blocks(experiment, tables),
        ratio_table=ratio_table(ratios),
        warnings=experiment.warnings,
        absent=blots_without_numerator(experiment),
        excluded=[
            {"ratio": ratio, "blot": blot, "reason": reason, "lanes": ", ".join(str(lane) for lane in mine["lane"])}
            for (ratio, blot, reason), mine in groups
        ],
        n_excluded=int((~included).sum()),
        n_ratios=len(ratios),
        flags=_flag_counts(content),
        exposures=exposure_table(tables.get("exposures")),
        dilutions=dilution_blocks(content.dilution, tables.get("dilution")),
        carried=carry_over_table(tables.get("carry_over")),
        index=index_table(experiment, content.record),
    )


def _flag_counts(content: Content) -> list[tuple[Any, dict[str, int]]]:
    """Every flag that was raised, in the registry's order, with how many pictures, bands and ratios carry it."""
    pictures = Counter(flag for row in content.record for flag in set(row["flags"]))
    bands = Counter(flag for cell in content.tables["bands"]["flags"] for flag in split_flags(cell))
    ratios = Counter(flag for cell in content.tables["ratios"]["flags"] for flag in split_flags(cell))
    found = []
    for name, flag in FLAGS.items():
        counts = {"pictures": pictures[name], "bands": bands[name], "ratios": ratios[name]}
        if any(counts.values()):
            found.append((flag, counts))
    order = {"block": 0, "warn": 1, "info": 2}
    return sorted(found, key=lambda pair: order[pair[0].level])


def _resource(name: str) -> str:
    return files("blotquant.report").joinpath("templates", name).read_text(encoding="utf-8")


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
