"""Putting the page together: head, one piece a blot as it was drawn by the worker, methods and record."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant import __version__
from blotquant.flags import FLAGS, split_flags
from blotquant.io.files import atomic_write
from blotquant.report.methods import methods_paragraph
from blotquant.report.plots import plot_ratio
from blotquant.report.template import format_number, is_missing, render
from blotquant.tables import RATIO_COLUMNS, SUMMARY_COLUMNS, Column

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

    from blotquant.design import Experiment
    from blotquant.settings import Settings

HIDDEN = frozenset({"formula", "numerator_sd", "denominator_sd"})


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
        ``bands``, ``ratios`` and ``summary``.
    record : sequence of mapping
        ``image``, ``sha256`` and ``hand_edits`` of each picture.
    failures : mapping of str to str
        Units that could not be analysed, and why.
    """

    experiment: Experiment
    settings: Settings
    tables: Mapping[str, pd.DataFrame]
    record: Sequence[Mapping[str, Any]]
    failures: Mapping[str, str]


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

    script = _resource("script.js")
    yield _head(content, script)
    yield from blots
    yield render(
        "foot.html.j2",
        methods=methods_paragraph(content.experiment, content.settings, content.tables["ratios"]),
        record=content.record,
        versions=_versions(),
        script=Markup(script),
    )


def _head(content: Content, script: str) -> str:
    from markupsafe import Markup

    experiment, ratios, summary = content.experiment, content.tables["ratios"], content.tables["summary"]
    included = ratios["included"].fillna(value=False).astype(bool)
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
        figures=_figures(experiment, ratios, summary),
        tables={
            "summary": table_html(summary, SUMMARY_COLUMNS),
            "ratios": table_html(ratios, RATIO_COLUMNS, included=included.tolist()),
        },
        excluded=ratios[~included].to_dict("records"),
        n_ratios=len(ratios),
        flags=_flag_counts(content.tables["bands"]),
    )


def table_html(
    frame: pd.DataFrame, columns: Mapping[str, Column], *, included: list[bool] | None = None
) -> Markup:
    """A sortable table; numbers are shown rounded and sorted by their full value."""
    from markupsafe import Markup

    shown = [name for name in frame.columns if name not in HIDDEN and not frame[name].isna().all()]
    heads = [
        {"name": name, "meaning": columns[name].meaning if name in columns else "from the sample sheet"}
        for name in shown
    ]
    rows = [
        {"cells": [_cell(value) for value in values], "excluded": included is not None and not included[k]}
        for k, values in enumerate(frame[shown].itertuples(index=False, name=None))
    ]
    return Markup(render("table.html.j2", columns=heads, rows=rows))


def _cell(value: Any) -> dict[str, Any]:
    number = isinstance(value, int | float) and not isinstance(value, bool) and not is_missing(value)
    return {"text": format_number(value), "sort": repr(float(value)) if number else None}


def _figures(experiment: Experiment, ratios: pd.DataFrame, summary: pd.DataFrame) -> list[dict[str, Any]]:
    from markupsafe import Markup

    figures = []
    for name in dict.fromkeys(summary["ratio"]):
        svg = plot_ratio(
            ratios[ratios["ratio"] == name],
            summary[summary["ratio"] == name],
            reference=experiment.compare.reference,
        )
        figures.append({"name": name, "svg": Markup(svg)})
    return figures


def _flag_counts(bands: pd.DataFrame) -> list[tuple[Any, int]]:
    counts = Counter(flag for cell in bands["flags"] for flag in split_flags(cell))
    return [(FLAGS[name], counts[name]) for name in FLAGS if counts[name]]


def _versions() -> dict[str, str]:
    from blotquant.session import software_versions

    return software_versions()


def _resource(name: str) -> str:
    return files("blotquant.report").joinpath("templates", name).read_text(encoding="utf-8")
