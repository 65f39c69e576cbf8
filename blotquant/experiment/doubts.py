"""What may be a mistake in an experiment and is taken as written: told before the work, refused by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from blotquant.experiment.sample_sheet import spelling_twins
from blotquant.io.files import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from blotquant.experiment.design import Experiment, Ratio


def find_doubts(study: Experiment, *, sheet: str) -> tuple[str, ...]:
    """Name what looks like an oversight, one line each.

    Parameters
    ----------
    study : Experiment
        As read; its pictures are compared byte by byte.
    sheet : str
        What its sample sheet is called.

    Returns
    -------
    tuple of str
        Conditions spelled in two ways, blots that lack a ratio's denominator or numerator, blots without the
        reference, and copies of one picture under two names.
    """
    return (
        *spelling_twins(study.samples, where=sheet),
        *(f"{study.path.name}: {text}" for ratio in study.ratios for text in _incomplete(study, ratio)),
        *(f"{sheet}: {text}" for text in _without_reference(study)),
        *(f"{study.path.name}: images: {text}" for text in _copies(study)),
    )


def _incomplete(study: Experiment, ratio: Ratio) -> Iterator[str]:
    """Blots that show one side of a ratio and, for the other, at most a probe that no ratio knows: a typing error."""
    known = {_probe_of(study, name) for r in study.ratios for name in (r.numerator, *r.denominator, *r.loading)}
    top, bottom = _probe_of(study, ratio.numerator), {_probe_of(study, name) for name in ratio.denominator}
    for blot in dict.fromkeys(image.blot for image in study.images):
        shown = list(dict.fromkeys(image.probe for image in study.images if image.blot == blot))
        absent = sorted({top, *bottom} - set(shown))
        stray = any(probe not in known and not study.is_stain(probe) for probe in shown)
        if absent and (top in shown or (stray and bottom & set(shown))):
            yield (
                f"ratios: {ratio.name}: blot {blot} has no picture of {', '.join(absent)} and gives no such ratio; "
                f"its probes are {', '.join(shown)}"
            )


def _probe_of(study: Experiment, name: str) -> str:
    """The probe whose picture shows a target; a band of a doublet is called by its probe and its mass."""
    probes = {image.probe for image in study.images}
    return name if name in probes else next((p for p in sorted(probes) if name.startswith(f"{p} ")), name)


def _without_reference(study: Experiment) -> Iterator[str]:
    reference, rows = study.compare.reference, study.samples
    if reference is None or not study.ratios:
        return
    having = set(rows.loc[(rows["condition"] == reference) & rows["role"].isin(["sample", "standard"]), "blot"])
    for blot in dict.fromkeys(image.blot for image in study.images):
        if blot not in having and blot not in study.dilution.blots:
            yield (
                f"blot {blot} has no lane of the reference condition {reference!r}: its lanes have no relative value "
                "and enter no p-value"
            )


def _copies(study: Experiment) -> Iterator[str]:
    """Pictures of the same bytes under two names; files of different sizes need no reading."""
    sizes: dict[int, list[Path]] = {}
    for path in dict.fromkeys(study.image_path(image) for image in study.images):
        sizes.setdefault(path.stat().st_size, []).append(path)
    alike: dict[str, list[str]] = {}
    for size, paths in sizes.items():
        for path in paths if size and len(paths) > 1 else ():
            alike.setdefault(sha256_of(path), []).append(path.name)
    for names in alike.values():
        if len(names) > 1:
            yield f"{' and '.join(names)} are copies of one picture; check which file belongs where"
