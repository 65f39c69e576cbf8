"""`Editor`: one picture being corrected: its session, its numbers and the verbs of correction. No Qt, no napari."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from psygnal import Signal

from blotquant.model.geometry import Band, Lane, Layout, Polygon
from blotquant.model.image import BlotImage
from blotquant.quantification.bands import measure_bands, measure_rows
from blotquant.quantification.lane_curves import Curves, lane_curves
from blotquant.quantification.prepared_image import PreparedImage
from blotquant.session.autosave import Autosaver
from blotquant.session.doubts import Doubt, find_doubts
from blotquant.session.history import Change
from blotquant.session.hit_testing import kept_part
from blotquant.session.replay import Conflict, apply_changes, diff_layouts
from blotquant.session.session import SESSION_SUFFIX, Session, save_session
from blotquant.tables import BAND_COLUMNS, make_table, rows_by_band
from blotquant.text import relative_path

Rows = dict[str, dict[str, Any]]
"""Rows of a band table by band id."""

AT_ONCE = 40
"""When more bands change with one gesture, they get their numbers with the exact ones: the window must not wait."""
NEAR = 0.5
"""A band that keeps less than this part of its area gets no number from a background fitted before it moved."""
NUMBERS = ("volume_raw", "background_mean", "volume", "volume_sd", "snr", "lod", "loq", "method_spread")


class Measured(NamedTuple):
    """Exact numbers of one state of the session."""

    session: Session
    prepared: PreparedImage
    table: pd.DataFrame
    rows: Rows
    curves: dict[Lane, Curves]


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


class Editor:
    """One picture being corrected.

    An edit gives the touched bands numbers at once, measured in the picture as it was prepared before it. `measure`
    gives the exact numbers of the present layout; until its result is accepted, `is_exact` is False. What is saved,
    exported or shown as final is always exact.

    `layout` is the session's, kept up to date; `rows` are the measured bands by id as plain values, NaN where one is
    not known yet; `auto_rows` are those of the automatic result; `saved` is the session as it stands on disk.
    """

    edited = Signal(object)  # the changes of the gesture; None: everything may differ
    measured = Signal()
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
        self.image, self.session, self.saved = image, session, session
        self.layout = session.layout
        self.path = path
        self.who = who or user_name()
        self.clock = clock
        self.autosaver = autosaver
        self.prepared: PreparedImage | None = None
        self.rows: Rows = {}
        self.auto_rows: Rows = {}
        self.is_exact = False
        self.is_blind = False
        self.conflicts: tuple[Conflict, ...] = session.conflicts
        self._table: pd.DataFrame | None = None
        self._prepared_for: dict[str, Polygon] = {}
        self._curves: dict[Lane, Curves] = {}

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
        return self.session.history != self.saved.history

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
        auto, history = self.session.layout_auto, self.session.history
        used = history.used_ids("strip") | history.used_ids("lane") | history.used_ids("band")
        things: tuple[Any, ...] = (*auto.strips, *auto.lanes, *auto.bands)
        return used | {item.id for item in things}

    def band(self, band_id: str) -> Band | None:
        """The band of that id, if there is one."""
        return next((band for band in self.layout.bands if band.id == band_id), None)

    def lane(self, lane_id: str) -> Lane | None:
        """The lane of that id, if there is one."""
        return next((lane for lane in self.layout.lanes if lane.id == lane_id), None)

    def lane_name(self, lane: Lane) -> str:
        """Lane 9, lane 2.9 where the picture has several strips, and nothing while blind."""
        if self.is_blind:
            return "this lane"
        strips = {strip.id: strip.number for strip in self.layout.strips}
        return f"lane {strips[lane.strip]}.{lane.number}" if len(strips) > 1 else f"lane {lane.number}"

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
        return bool(self.session.history.undoable) and self._step(self.session.undo)

    def redo(self) -> bool:
        """Do the last undone gesture again; False if there is none."""
        return bool(self.session.history.redoable) and self._step(self.session.redo)

    def _step(self, step: Callable[..., Session]) -> bool:
        before = self.layout
        self.session = step(who=self.who, when=self.clock())
        self._replay()
        self._after(diff_layouts(before, self.layout))
        return True

    def _replay(self) -> None:
        self.layout = self.session.layout
        self.conflicts = self.session.conflicts
        if self.image.polarity != self.session.polarity:
            self.image = self.image.with_(polarity=self.session.polarity, polarity_confidence=1.0)
            self.prepared, self.rows, self._curves = None, {}, {}

    def _after(self, changes: Sequence[Change]) -> None:
        self.is_exact = False
        self._measure_touched({change.object_id for change in changes if change.kind == "band"})
        if self.autosaver is not None:
            self.autosaver.keep(self.session, self.image.source, self.path)
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
        if self.autosaver is not None:
            self.autosaver.keep(self.session, self.image.source, self.path)
        self.stated.emit()

    def _measure_touched(self, touched: set[str]) -> None:
        """Numbers of touched bands, in the picture as it was prepared; of very many none."""
        self._table = None
        present = {band.id for band in self.layout.bands}
        if len(touched) > AT_ONCE:
            present -= touched
        for key in self.rows.keys() - present:
            del self.rows[key]
        self.rows |= self._measure_only(self.layout, touched & present)

    def _measure_only(self, layout: Layout, wanted: set[str]) -> Rows:
        if not wanted or self.prepared is None:
            return {}
        rows = {row["band_id"]: row for row in measure_rows(self.image, layout, self.prepared, only=wanted)}
        for band in layout.bands:
            # Under a band that came from elsewhere the background was fitted through the band's own light.
            if band.id in rows and kept_part(self._prepared_for.get(band.id), band.outline) < NEAR:
                rows[band.id] |= {**dict.fromkeys(NUMBERS, np.nan), "flags": None}
        return rows

    def preview(self, changes: Sequence[Change]) -> Rows:
        """Numbers that changed bands would have; nothing is done. Empty before the first measurement."""
        keys = {change.object_id for change in changes if change.kind == "band" and change.after is not None}
        return self._measure_only(apply_changes(self.layout, changes), keys)

    def measure(self, shown: str = "") -> Measured:
        """Exact numbers of the present layout: the same that the command line gives. Changes nothing; slow.

        The profile of the lane that is on show comes with them.
        """
        from blotquant.analysis import quantify_bands

        session = self.session
        layout, prepared, measured = quantify_bands(self.image, session)
        table = make_table(measured, BAND_COLUMNS)
        curves = {lane: lane_curves(prepared, lane) for lane in layout.lanes if lane.id == shown}
        return Measured(session, prepared, table, rows_by_band(table), curves)

    def measure_auto(self) -> Rows:
        """Numbers of the automatic result."""
        settings = self.session.settings_at_start.quantification
        return rows_by_band(measure_bands(self.image, self.session.layout_auto, settings=settings))

    def accept(self, measured: Measured, auto_rows: Rows | None = None) -> bool:
        """Take over exact numbers; False if anything was changed since they were asked for."""
        if auto_rows is not None:
            self.auto_rows = auto_rows
        is_present = measured.session is self.session
        if is_present:
            self.prepared, self._table, self.is_exact = measured.prepared, measured.table, True
            self.rows = dict(measured.rows)
            self._prepared_for = {band.id: band.outline for band in self.layout.bands}
            self._curves = dict(measured.curves)
        if is_present or auto_rows is not None:
            self.measured.emit()
        return is_present

    def measure_now(self) -> None:
        """Measure and take over at once."""
        self.accept(self.measure(), self.measure_auto() if not self.auto_rows else None)

    def has_curves(self, lane: Lane) -> bool:
        """Whether the curves of a lane, as it is, are there already."""
        return lane in self._curves

    def curves(self, lane: Lane) -> Curves | None:
        """Rows, mean counts and mean background of a lane; made once for each prepared picture, since it is slow."""
        if self.prepared is None:
            return None
        if lane not in self._curves:
            self._curves[lane] = lane_curves(self.prepared, lane)
        return self._curves[lane]

    def doubts(self) -> list[Doubt]:
        """What deserves a look, the least sure first; what a hand has touched is sure."""
        names = {lane.id: self.lane_name(lane) for lane in self.layout.lanes}
        return find_doubts(self.layout, self.session.edits_by_hand, names)

    def save(self, path: Path | None = None) -> Path:
        """Write the session; the autosaved copy is dropped if nothing is in it that is not written now.

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
        self.path, self.saved = target, self.session
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
