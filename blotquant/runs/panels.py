"""Figure panels of a finished run, made from the pictures and the tables that its numbers were made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from blotquant.errors import BlotQuantError
from blotquant.io import read_image
from blotquant.io.files import atomic_write
from blotquant.report.blot import SHOWN_ROLES
from blotquant.session.session import load_session

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.experiment.design import Experiment, ImageEntry, Ratio
    from blotquant.export.panel import Crop, Panel
    from blotquant.model.image import BlotImage


def write_panels(
    experiment: Experiment, tables: Mapping[str, pd.DataFrame], *, sessions: Path, folder: Path
) -> list[Path]:
    """Write a panel of each declared ratio that has a value, as SVG, 600-dpi TIFF and a sidecar of its crops.

    Parameters
    ----------
    experiment : Experiment
        What belongs together.
    tables : mapping of str to DataFrame
        ``bands``, ``lanes`` and ``ratios``.
    sessions : pathlib.Path
        Where the pictures' sessions lie.
    folder : pathlib.Path
        Where the panels go; made where there is one.

    Returns
    -------
    list of pathlib.Path
        The files.
    """
    from blotquant.export.panel import draw_panel, panel_name

    files = []
    for ratio in experiment.ratios:
        panel = make_panel(experiment, ratio, tables, sessions)
        if panel is None:
            continue
        folder.mkdir(exist_ok=True)
        for ending, data in draw_panel(panel).items():
            files.append(folder / (panel_name(ratio.name) + ending))
            atomic_write(files[-1], data)
    return files


def make_panel(
    experiment: Experiment, ratio: Ratio, tables: Mapping[str, pd.DataFrame], sessions: Path
) -> Panel | None:
    """Cut the strips of one ratio; None where it has no value or no band."""
    from blotquant.export.panel import Panel, choose_pictures

    blot, entries = choose_pictures(experiment, ratio, tables["ratios"])
    if not entries:
        return None
    home = entries[0].membrane
    rows = experiment.samples_of(blot, home)
    rows = rows[rows["role"].isin(SHOWN_ROLES)]
    labels = {
        int(lane): str(condition if isinstance(condition, str) else sample)
        for lane, condition, sample in zip(rows["lane"], rows["condition"], rows["sample"], strict=True)
    }
    crops = tuple(_crops(experiment, tables, entries, list(labels), sessions))
    return Panel(ratio=ratio.name, blot=blot, crops=crops, labels=labels) if crops else None


def _crops(
    experiment: Experiment,
    tables: Mapping[str, pd.DataFrame],
    entries: list[ImageEntry],
    keep: list[int],
    sessions: Path,
) -> Iterator[Crop]:
    from blotquant.export.panel import cut_crop
    from blotquant.normalization.normalize import match_lanes

    for entry in entries:
        partner = match_lanes(experiment, entry.blot, entries[0].membrane, entry.membrane)
        image = _open(experiment, entry, sessions)
        if image is None:
            continue
        mine = {name: _of_picture(tables[name], entry) for name in ("bands", "lanes")}
        lanes = [partner[lane] for lane in keep if lane in partner]
        crop = cut_crop(entry, image, mine["bands"], mine["lanes"], lanes)
        if crop is not None:
            yield crop


def _of_picture(table: pd.DataFrame, entry: ImageEntry) -> pd.DataFrame:
    key = {"blot": entry.blot, "membrane": entry.membrane, "probe": entry.probe, "image": entry.name}
    for name, value in key.items():
        table = table[(table[name] == value).fillna(value=False)]
    return table[table["strip"] == entry.strip] if entry.strip is not None else table


def _open(experiment: Experiment, entry: ImageEntry, sessions: Path) -> BlotImage | None:
    """Read a picture as it was measured; None where it was not."""
    try:
        session = load_session(sessions / entry.session_name)
        page, channel = session.image.page, session.image.channel
        return read_image(experiment.image_path(entry), page=page, channel=channel, polarity=session.polarity)
    except (BlotQuantError, OSError):
        return None
