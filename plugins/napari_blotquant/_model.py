"""`Editor`: one picture being corrected. It holds the present session and its numbers; no Qt and no napari here."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psygnal import Signal

from blotquant.analysis import quantify_bands
from blotquant.model.geometry import Layout
from blotquant.model.image import BlotImage
from blotquant.quantification.bands import measure_bands, measure_rows
from blotquant.quantification.prepared_image import PreparedImage
from blotquant.session.history import FIND_AGAIN, Change, Kind
from blotquant.session.replay import Conflict, apply_changes, diff_layouts
from blotquant.session.session import SESSION_SUFFIX, Session, relative_path, save_session
from blotquant.tables import BAND_COLUMNS, make_table
from napari_blotquant._convert import SURE
from napari_blotquant._recover import Autosaver

Rows = dict[str, dict[str, Any]]
"""Rows of a band table by band id."""


AT_ONCE = 40
"""When more bands change with one gesture, they get their numbers with the exact ones: the window must not wait."""


class Doubt(NamedTuple):
    """A lane or band that deserves a look, and why."""

    kind: Kind
    object_id: str
    confidence: float
    reason: str

    @property
    def rank(self) -> tuple[float, str, str]:
        """The order in which doubts are looked at."""
        return self.confidence, self.kind, self.object_id


class Weighing(NamedTuple):
    """Exact numbers of one state of the layout."""

    session: Session
    scene: PreparedImage
    table: pd.DataFrame
    rows: Rows


class TakenOver(NamedTuple):
    """A session with what was found again laid under the corrections, and the session that it was made from."""

    before: Session
    session: Session
    conflicts: tuple[Conflict, ...]


def utc_now() -> str:
    """The time as the record keeps it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user_name() -> str:
    """Who is logged in, for the record."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def rows_of(table: pd.DataFrame) -> Rows:
    """Rows of a band table as plain values, by band id."""
    columns = [table[name].tolist() for name in table]
    names = [str(name) for name in table]
    rows = [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]
    return {row["band_id"]: row for row in rows}


class Editor:
    """One picture being corrected.

    An edit gives the touched bands new numbers at once, weighed in the scene as it was before (other bands' masks
    move by a hair with it). `quantify` gives the exact numbers of the present layout; until its result is accepted,
    `is_exact` is False. What is saved, exported or shown as final is always exact.

    Attributes
    ----------
    image : BlotImage
        The picture with the polarity in force.
    session : Session
        With the whole history.
    layout : Layout
        The session's, kept up to date.
    rows : dict
        Measured bands of the layout by id, as plain values.
    auto_rows : dict
        Measured bands of the automatic result, to compare with.
    """

    edited = Signal(object)  # the changes of the gesture; None: everything may differ
    weighed = Signal()
    stated = Signal()  # saved, undone, blind: buttons and title need a look

    def __init__(
        self,
        image: BlotImage,
        session: Session,
        *,
        path: Path | None = None,
        who: str | None = None,
        clock: Callable[[], str] = utc_now,
        autosaver: Autosaver | None = None,
    ) -> None:
        self.image = image
        self.session = session
        self.layout = session.layout
        self.path = path
        self.who = who or user_name()
        self.clock = clock
        self.autosaver = autosaver
        self.scene: PreparedImage | None = None
        self.rows: Rows = {}
        self.auto_rows: Rows = {}
        self._table: pd.DataFrame | None = None
        self.is_exact = False
        self.is_blind = False
        self.conflicts: tuple[Conflict, ...] = session.conflicts
        self._saved = session
        self._signal: NDArray[np.floating[Any]] | None = None

    # state

    @property
    def signal(self) -> NDArray[np.floating[Any]]:
        """Counts, bands bright; made once."""
        if self._signal is None:
            self._signal = self.image.signal()
        return self._signal

    @property
    def table(self) -> pd.DataFrame:
        """Measured bands of the layout, in its order, with `BAND_COLUMNS`."""
        if self._table is None:
            known = [self.rows[band.id] for band in self.layout.bands if band.id in self.rows]
            self._table = make_table(known, BAND_COLUMNS)
        return self._table

    @property
    def is_dirty(self) -> bool:
        """Whether there are edits that were not saved."""
        return self.session.history != self._saved.history

    @property
    def default_path(self) -> Path:
        """Where the session is saved: where it came from, else beside the picture."""
        if self.path is not None:
            return self.path
        source = self.image.source or Path("array")
        return source.with_name(source.name + SESSION_SUFFIX)

    @property
    def used_ids(self) -> frozenset[str]:
        """Ids that must not be given again."""
        auto = self.session.layout_auto
        return (
            self.session.history.used_ids("band")
            | self.session.history.used_ids("lane")
            | {band.id for band in auto.bands}
            | {lane.id for lane in auto.lanes}
        )

    # edits

    def do(self, changes: Sequence[Change], action: str) -> None:
        """Make one gesture and give the touched bands numbers at once; no change does nothing."""
        if not changes:
            return
        self.session = self.session.edit(changes, action=action, who=self.who, when=self.clock())
        if all(change.kind in ("strip", "lane", "band") for change in changes):
            self.layout = apply_changes(self.layout, changes)
        else:
            self._replay()
        self._after(changes)

    def undo(self) -> bool:
        """Take the last gesture back; False if there is none."""
        return self._step("undo")

    def redo(self) -> bool:
        """Do the last undone gesture again; False if there is none."""
        return self._step("redo")

    def _step(self, way: str) -> bool:
        history = self.session.history
        gesture = history.undoable if way == "undo" else history.redoable
        if not gesture:
            return False
        step = self.session.undo if way == "undo" else self.session.redo
        self.session = step(who=self.who, when=self.clock())
        before = self.layout
        self._replay()
        self._after(diff_layouts(before, self.layout))
        return True

    def _replay(self) -> None:
        self.layout = self.session.layout
        self.conflicts = self.session.conflicts
        if self.image.polarity != self.session.polarity:
            self.image = self.image.with_(polarity=self.session.polarity, polarity_confidence=1.0)
            self._signal, self.scene = None, None

    def _after(self, changes: Sequence[Change]) -> None:
        self.is_exact = False
        self._weigh_touched({change.object_id for change in changes if change.kind == "band"})
        if self.autosaver is not None:
            self.autosaver.keep(self.session, self.image.source)
        self.edited.emit(list(changes))

    def lay_under(self, found: Layout) -> TakenOver:
        """The session as it is with what the detector finds now. Changes nothing; slow."""
        before = self.session
        session, conflicts = before.take_over(found, who=self.who, when=self.clock())
        if session is not before:
            _ = session.layout  # replayed once and kept
        return TakenOver(before, session, tuple(conflicts))

    def find_again(self, found: Layout, made: TakenOver | None = None) -> None:
        """Take over what the detector finds now; hand corrections stay, and `conflicts` says where they do not fit.

        What `lay_under` made of it is used if nothing was corrected since.
        """
        before = self.layout
        taken = made if made is not None and made.before is self.session else self.lay_under(found)
        if taken.session is not self.session:
            self.session = taken.session
            self._replay()
            self._after(diff_layouts(before, self.layout))
        self.conflicts = taken.conflicts
        self.stated.emit()

    def misfits(self) -> str:
        """The corrections that no longer fit, one line each."""
        return "\n".join(f"Edit {c.edit.seq} ({c.edit.action}) no longer fits: {c.reason}" for c in self.conflicts)

    def set_blind(self, is_blind: bool) -> None:
        """Hide or show what the lanes are; the record tells."""
        if is_blind == self.is_blind:
            return
        self.is_blind = is_blind
        change = Change("image", "blind", not is_blind, is_blind)
        action = "blind_on" if is_blind else "blind_off"
        self.session = self.session.edit([change], action=action, who=self.who, when=self.clock())
        self.stated.emit()

    # numbers

    def _weigh_touched(self, touched: set[str]) -> None:
        """Numbers of touched bands, in the scene as it was; of very many none."""
        self._table = None
        present = {band.id for band in self.layout.bands}
        if len(touched) > AT_ONCE:
            present -= touched
        for key in self.rows.keys() - present:
            del self.rows[key]
        self.rows |= self._weigh_only(self.layout, touched & present)

    def _weigh_only(self, layout: Layout, wanted: set[str]) -> Rows:
        if not wanted or self.scene is None:
            return {}
        return {row["band_id"]: row for row in measure_rows(self.image, layout, self.scene, only=wanted)}

    def preview(self, changes: Sequence[Change]) -> Rows:
        """Numbers that changed bands would have; nothing is done. Empty before the first weighing."""
        keys = {change.object_id for change in changes if change.kind == "band" and change.after is not None}
        return self._weigh_only(apply_changes(self.layout, changes), keys)

    def quantify(self) -> Weighing:
        """Exact numbers of the present layout: the same that the command line gives. Changes nothing; slow."""
        session = self.session
        _, scene, table = quantify_bands(self.image, session)
        return Weighing(session, scene, table, rows_of(table))

    def weigh_auto(self) -> Rows:
        """Numbers of the automatic result."""
        settings = self.session.settings_at_start.quantification
        return rows_of(measure_bands(self.image, self.session.layout_auto, settings=settings))

    def accept(self, weighing: Weighing, auto_rows: Rows | None = None) -> bool:
        """Take over exact numbers; False if anything was changed since they were asked for."""
        if auto_rows is not None:
            self.auto_rows = auto_rows
        is_present = weighing.session is self.session
        if is_present:
            self.scene, self._table, self.is_exact = weighing.scene, weighing.table, True
            self.rows = dict(weighing.rows)
        if is_present or auto_rows is not None:
            self.weighed.emit()
        return is_present

    def weigh_now(self) -> None:
        """Weigh and take over at once."""
        self.accept(self.quantify(), self.weigh_auto() if not self.auto_rows else None)

    # doubts

    def doubts(self) -> list[Doubt]:
        """What deserves a look, the least sure first; what a hand has touched is sure."""
        touched = {edit.object_id for edit in self.session.history.effective() if edit.action != FIND_AGAIN}
        named = {lane.id: "this lane" if self.is_blind else f"lane {lane.number}" for lane in self.layout.lanes}
        lanes = [
            Doubt("lane", lane.id, lane.confidence, f"{named[lane.id]} is {lane.confidence:.0%} sure")
            for lane in self.layout.lanes
            if lane.confidence < SURE and lane.id not in touched
        ]
        bands = [
            Doubt("band", b.id, b.confidence, f"band in {named[b.lane]} is {b.confidence:.0%} sure")
            for b in self.layout.bands
            if b.confidence < SURE and b.id not in touched and b.status == "detected"
        ]
        return sorted([*lanes, *bands], key=lambda doubt: doubt.rank)

    # keeping

    def save(self, path: Path | None = None) -> Path:
        """Write the session; the autosaved copy is dropped.

        Raises
        ------
        OutputError
            If it cannot be written there; nothing is lost, the autosaved copy stays.
        """
        target = path or self.default_path
        if self.image.source is not None:
            place = relative_path(self.image.source, target.parent)
            self.session = replace(self.session, image=replace(self.session.image, path=place))
        save_session(self.session, target)
        self.path, self._saved = target, self.session
        if self.autosaver is not None:
            self.autosaver.forget(self.session)
        self.stated.emit()
        return target

    def restore(self, rescued: Session) -> None:
        """Take over an autosaved session of this picture; it counts as not saved."""
        self.session = rescued
        self._replay()
        self._after([])
        self.edited.emit(None)
