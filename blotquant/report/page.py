"""Putting the page together: head, one piece a picture as it was drawn by the worker, methods and record."""

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
from blotquant.flags import FLAGS, split_flags
from blotquant.io.files import atomic_write
from blotquant.normalization.normalize import blots_without_numerator
from blotquant.report.contrasts import contrast_blocks
from blotquant.report.figures import dilution_blocks
from blotquant.report.methods import methods_paragraph
from blotquant.report.reviewers import reviewers_questions
from blotquant.report.sections import carry_over_table, exposure_table, index_table, ratio_blocks, ratio_table
from blotquant.report.template import render

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.experiment.design import Experiment
    from blotquant.normalization.dilution import DilutionFit
    from blotquant.settings import Settings


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

    script = _resource("script.js")
    yield _head(content, script)
    yield from blots
    yield render(
        "foot.html.j2",
        methods=methods_paragraph(content.experiment, content.settings, dict(content.tables)),
        record=content.record,
        asked=reviewers_questions(content),
        settings=content.settings.to_toml(),
        versions=_versions(),
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


def _versions() -> dict[str, str]:
    from blotquant.session.session import software_versions

    return software_versions()


def _resource(name: str) -> str:
    return files("blotquant.report").joinpath("templates", name).read_text(encoding="utf-8")
