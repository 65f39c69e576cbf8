"""Figures of a finished run, made from the pictures, sessions and tables that its numbers were made from.

For each declared ratio a panel of every blot and a graph; for all pictures the clean source blots and one PDF that
shows each beside its annotated twin. `verify` makes them again from the same function.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant.errors import BlotQuantError
from blotquant.io.files import atomic_write
from blotquant.report.blot import SHOWN_ROLES
from blotquant.runs.pictures import open_session_picture
from blotquant.session.session import load_session
from blotquant.text import say

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.experiment.design import Experiment, ImageEntry, Ratio
    from blotquant.export.panel import Crop
    from blotquant.export.source_blots import SourceBlot
    from blotquant.model.geometry import Layout
    from blotquant.model.image import BlotImage
    from blotquant.runs.store import Store

Marks = Mapping[str, Sequence[tuple[float, str]]]
"""Row and mass of the ladder's bands in each picture, by the file name of its session."""


def write_figures_of(
    experiment: Experiment,
    store: Store,
    tables: Mapping[str, pd.DataFrame],
    units: Iterable[Mapping[str, Any]],
    *,
    folder: Path,
) -> list[Path]:
    """Write every figure of a run into the store's new files.

    Parameters
    ----------
    experiment : Experiment
        What belongs together.
    store : Store
        Where the tables of the run are ready.
    tables : mapping of str to DataFrame
        Those tables.
    units : iterable of mapping
        The summaries of the membranes that they were made from.
    folder : pathlib.Path
        The results folder whose ``sessions`` belong to them.

    Returns
    -------
    list of pathlib.Path
        The files.
    """
    marks = {
        picture["session"]: [(float(row), str(kda)) for row, kda in picture["kda_marks"]]
        for unit in units
        for picture in unit["pictures"]
    }
    files, place = [], store.new / "figures"
    for name, data in draw_figures(experiment, tables, sessions=folder / "sessions", marks=marks):
        place.mkdir(exist_ok=True)
        files.append(place / name)
        atomic_write(files[-1], data)
    return files


def draw_figures(
    experiment: Experiment, tables: Mapping[str, pd.DataFrame], *, sessions: Path, marks: Marks
) -> Iterator[tuple[str, bytes]]:
    """Draw every figure of a run; file name and content, one at a time.

    Parameters
    ----------
    experiment : Experiment
        What belongs together.
    tables : mapping of str to DataFrame
        ``bands``, ``lanes``, ``ratios`` and ``summary``.
    sessions : pathlib.Path
        Where the pictures' sessions lie.
    marks : mapping of str to sequence of (float, str)
        Row and mass of the ladder's bands in each picture, by the file name of its session.
    """
    from blotquant.export.graph import draw_graph, graph_legend, graph_name
    from blotquant.export.panel import blots_shown, panel_name
    from blotquant.export.source_blots import PDF_NAME, draw_source_pdf

    ratios, summary = tables["ratios"], tables["summary"]
    shown = {ratio.name: blots_shown(ratio, ratios) for ratio in experiment.ratios}
    pictures, sources = Pictures(experiment, tables, sessions=sessions, marks=marks), []
    for blot in experiment.blots:
        # The pictures of one blot at a time: its panels and its source blots read them once.
        pictures.opened.clear()
        for ratio in (ratio for ratio in experiment.ratios if blot in shown[ratio.name]):
            is_first = blot == shown[ratio.name][0]
            name = panel_name(ratio.name if is_first else f"{ratio.name} blot {blot}")
            for ending, data in make_panel(pictures, ratio, ratios, blot).items():
                yield name + ending, data
        for source in _source_blots(pictures, blot):
            yield f"{source.stem}.png", source.png
            sources.append(source)
    for ratio in experiment.ratios:
        mine = summary[summary["ratio"] == ratio.name]
        if mine["geometric_mean"].notna().any():
            own = ratios[ratios["ratio"] == ratio.name]
            drawn = draw_graph(own, mine, reference=experiment.compare.reference)
            yield from ((graph_name(ratio.name) + ending, data) for ending, data in drawn.items())
            compare = experiment.compare
            legend = graph_legend(mine, reference=compare.reference, unit=experiment.unit, level=compare.level)
            yield graph_name(ratio.name) + ".txt", legend.encode()
    if sources:
        yield PDF_NAME, draw_source_pdf(sources, study=experiment.name)


class Pictures:
    """The pictures of a study with their sessions and measured rows, for its figures.

    Parameters
    ----------
    experiment, tables, sessions, marks
        As in `draw_figures`.

    Attributes
    ----------
    opened : dict
        Pictures that were read, by the name of their session: panels and source blots show the same ones.
    """

    def __init__(
        self, experiment: Experiment, tables: Mapping[str, pd.DataFrame], *, sessions: Path, marks: Marks
    ) -> None:
        self.experiment, self.sessions, self.marks = experiment, sessions, marks
        self.opened: dict[str, tuple[BlotImage, Layout] | None] = {}
        self._tables = {name: tables[name] for name in ("bands", "lanes") if name in tables}
        keys = ["blot", "membrane", "probe", "image"]
        self._rows = {name: dict(list(table.groupby(keys, sort=False))) for name, table in self._tables.items()}

    def open(self, entry: ImageEntry) -> tuple[BlotImage, Layout] | None:
        """Read a picture as it was measured, and what was found in it; None where it was not."""
        if entry.session_name not in self.opened:
            found = None
            with suppress(BlotQuantError, OSError):
                session = load_session(self.sessions / entry.session_name)
                given = self.experiment.image_path(entry)
                image = open_session_picture(session, self.sessions, given=given)
                if entry.exposure_s is not None:
                    image = image.with_(exposure_s=entry.exposure_s)
                found = image, session.layout
            self.opened[entry.session_name] = found
        return self.opened[entry.session_name]

    def rows_of(self, table: str, entry: ImageEntry) -> pd.DataFrame:
        """Rows of one picture in ``bands`` or ``lanes``."""
        rows = self._rows[table].get((entry.blot, entry.membrane, entry.probe, entry.name))
        if rows is None:
            return self._tables[table].iloc[:0]
        return rows[rows["strip"] == entry.strip] if entry.strip is not None else rows

    def marks_of(self, entry: ImageEntry) -> Sequence[tuple[float, str]]:
        """Rows and masses of the ladder; where neither this exposure nor a marker picture shows it, of another one."""
        if self.experiment.is_stain(entry.probe):
            return ()
        others = self.experiment.images_of(blot=entry.blot, membrane=entry.membrane, probe=entry.probe)
        found = [self.marks.get(x.session_name) for x in (entry, *others) if x.strip == entry.strip]
        return next(filter(None, found), ())


def make_panel(pictures: Pictures, ratio: Ratio, ratios: pd.DataFrame, blot: str) -> dict[str, bytes]:
    """Draw the panel of one ratio on one blot; no file where it has no value or no band there."""
    from blotquant.export.panel import choose_pictures, draw_panel

    experiment = pictures.experiment
    entries = choose_pictures(experiment, ratio, ratios, blot)
    if not entries:
        return {}
    rows = experiment.samples_of(blot, entries[0].membrane)
    rows = rows[rows["role"].isin(SHOWN_ROLES)]
    labels = {
        int(lane): str(condition if isinstance(condition, str) else sample)
        for lane, condition, sample in zip(rows["lane"], rows["condition"], rows["sample"], strict=True)
    }
    crops = tuple(cut_crops(pictures, entries, list(labels)))
    return draw_panel(crops, labels, ratio=ratio.name, blot=blot) if crops else {}


def cut_crops(pictures: Pictures, entries: Sequence[ImageEntry], keep: Sequence[int]) -> Iterator[Crop]:
    """Cut these lanes of the first picture's membrane out of each picture that can be read."""
    from blotquant.export.panel import cut_crop
    from blotquant.normalization.designs import match_lanes

    experiment = pictures.experiment
    for entry in entries:
        partner = match_lanes(experiment, entry.blot, entries[0].membrane, entry.membrane)
        opened = pictures.open(entry)
        if opened is None:
            continue
        image, _ = opened
        if image.orientation.lean_deg:
            say(f"note: {entry.name}: lies at a free angle, its strip cannot be cut level and is left out of the panel")
            continue
        crop = cut_crop(
            entry,
            image,
            None if experiment.is_stain(entry.probe) else pictures.rows_of("bands", entry),
            pictures.rows_of("lanes", entry),
            [partner[lane] for lane in keep if lane in partner],
            marks=pictures.marks_of(entry),
        )
        if crop is not None:
            yield crop


def _source_blots(pictures: Pictures, blot: str) -> Iterator[SourceBlot]:
    from blotquant.export.source_blots import SourceBlot, whole_picture
    from blotquant.session.session import SESSION_SUFFIX

    experiment = pictures.experiment
    names = {entry.session_name: entry.session_name.removesuffix(SESSION_SUFFIX) for entry in experiment.images}
    # pAKT.tif is called pAKT unless pAKT.scn lies beside it.
    plain = Counter(Path(name).stem for name in names.values())

    for membrane, entries in ((membrane, found) for of, membrane, found in experiment.membranes() if of == blot):
        samples = experiment.samples_of(blot, membrane).dropna(subset=["sample"])
        labels = {int(lane): str(name) for lane, name in zip(samples["lane"], samples["sample"], strict=True)}
        for entry in entries:
            opened = pictures.open(entry)
            if opened is None:
                continue
            image, layout = opened
            name, own = names[entry.session_name], pictures.rows_of("bands", entry)
            time = "" if image.exposure_s is None else f", {image.exposure_s:g} s"
            yield SourceBlot(
                **whole_picture(image, layout),
                stem="source_" + (Path(name).stem if plain[Path(name).stem] == 1 else name),
                title=f"Blot {blot}, membrane {membrane}: {entry.probe}{time}",
                marks=pictures.marks_of(entry),
                labels=labels,
                named=frozenset(own.loc[own["target"].notna(), "band_id"]),
            )
