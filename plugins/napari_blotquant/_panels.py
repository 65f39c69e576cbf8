"""Panels of the dock: the number of the selected band, and the tables under it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QTabWidget, QVBoxLayout, QWidget

from blotquant.model.geometry import Band
from napari_blotquant._convert import flags_in_words
from napari_blotquant._hand import KEYS
from napari_blotquant._model import Editor
from napari_blotquant._style import percent_change, readable, with_sd
from napari_blotquant._tables import (
    BAND_HEADS,
    RATIO_HEADS,
    Cell,
    RowsView,
    band_cells,
    band_name,
    ratio_rows,
    study_rows,
)
from napari_blotquant._work import Blot


class ReadOut(QWidget):
    """The selected band in words: volume, SD, change against the automatic result, flags."""

    def __init__(self) -> None:
        super().__init__()
        self.band_id = ""
        self.samples: Mapping[str, str] = {}
        self._where, self._number, self._flags = QLabel("Select a band"), QLabel("–"), QLabel()
        self._where.setObjectName("state")
        self._number.setObjectName("number")
        self._flags.setObjectName("flags")
        self._flags.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 2)
        column.setSpacing(0)
        for label in (self._where, self._number, self._flags):
            column.addWidget(label)

    @property
    def text(self) -> str:
        """The number on show."""
        return str(self._number.text())

    def show_band(self, editor: Editor, band: Band | None) -> None:
        """Show a band of the editor's table."""
        self.band_id = band.id if band else ""
        row = editor.rows.get(self.band_id)
        if band is None or row is None:
            self._where.setText("Select a band: click it in the picture or in the table")
            self._number.setText("–")
            self._flags.setText("")
            return
        before = editor.auto_rows.get(band.id)
        change = percent_change(row["volume"], before["volume"]) if before else ""
        lane = "lane •" if editor.is_blind else f"lane {row['lane']} {self.samples.get(band.lane, '')}".strip()
        self._where.setText(_place(lane, row, band, change))
        self.show_number(row)

    def show_number(self, row: Mapping[str, Any]) -> None:
        """Show the number of a row, as it is or as it would be while the band is dragged."""
        self._number.setText(f"{with_sd(row['volume'], row['volume_sd'])} counts")
        self._flags.setText(readable(row["flags"]))
        self._flags.setToolTip(flags_in_words(row["flags"]))


def _place(lane: str, row: Mapping[str, Any], band: Band, change: str) -> str:
    parts = [lane, band_name(row), f"SNR {row['snr']:.0f}", band.origin]
    return "  ·  ".join([*parts, f"{change} by hand"] if change else parts)


class BlotTables(QTabWidget):
    """Bands, ratios, history, blots, keys."""

    def __init__(
        self, pick: Callable[[str], None], pick_lane: Callable[[int], None], open_blot: Callable[[Path], None]
    ) -> None:
        super().__init__()
        self._editor: Editor | None = None
        self._blots: list[Blot] = []
        self._study: tuple[pd.DataFrame, pd.DataFrame] | None = None
        self.bands = RowsView(BAND_HEADS, pick)
        self.ratios = RowsView(RATIO_HEADS, lambda key: pick_lane(int(key.rpartition("/")[2])))
        self.history = RowsView(("#", "what", "when", "who"))
        self.blots = RowsView(("blot", "state"), lambda key: open_blot(Path(key)))
        self.top, self.bottom = QComboBox(), QComboBox()
        for box in (self.top, self.bottom):
            box.currentTextChanged.connect(lambda _text: self._show_ratios())
        self.addTab(self.bands, "Bands")
        self.addTab(self._ratio_page(), "Ratios")
        self.addTab(self.history, "History")
        self.addTab(self.blots, "Blots")
        self.addTab(_key_list(), "Keys")
        self.bands.set_widths((38, 64, 80, 58, 66, 40))
        self.ratios.set_widths((38, 90, 56, 60, 110))
        self.history.set_widths((34, 200, 140))
        self.blots.set_widths((220,))
        self.currentChanged.connect(lambda _index: self._show_front())

    def _ratio_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        row = QHBoxLayout()
        self.over = QLabel("over")
        for part in (self.top, self.over, self.bottom):
            row.addWidget(part)
        row.addStretch()
        column.addLayout(row)
        column.addWidget(self.ratios)
        return page

    def show_editor(self, editor: Editor, touched: Collection[str] | None = None) -> None:
        """Show the present numbers on the page in front (of touched bands only, where they are named)."""
        self._editor = editor
        if self.currentWidget() is self.bands:
            self._show_bands(editor, touched)
        elif self.currentWidget() is self.history:
            self._show_history(editor)
        elif self.currentIndex() == 1:
            self._show_targets(sorted({r["target"] for r in editor.rows.values() if isinstance(r["target"], str)}))
            self._show_ratios()

    def _show_front(self) -> None:
        if self._editor is not None:
            self.show_editor(self._editor)

    def _show_bands(self, editor: Editor, touched: Collection[str] | None) -> None:
        def cells(key: str) -> list[Cell]:
            row, before = editor.rows[key], editor.auto_rows.get(key)
            return band_cells(row, before, n_strips=len(editor.layout.strips), is_blind=editor.is_blind)

        keys = [band.id for band in editor.layout.bands if band.id in editor.rows]
        if touched is not None and len(keys) == self.bands.rows.rowCount():
            for key in touched & editor.rows.keys():
                self.bands.rows.update_row(key, cells(key))
            return
        keys = shuffled(keys, editor.session.image.sha256) if editor.is_blind else keys
        if editor.is_blind:
            self.bands.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.bands.rows.show(keys, [cells(key) for key in keys])
        self.bands.setSortingEnabled(not editor.is_blind)

    def show_study(self, ratios: pd.DataFrame | None, before: pd.DataFrame | None) -> None:
        """Show the ratios of the study that the picture belongs to; without one, two targets can be chosen."""
        self._study = None if ratios is None or before is None else (ratios, before)
        for part in (self.top, self.over, self.bottom):
            part.setVisible(self._study is None)
        self._show_ratios()

    def _show_history(self, editor: Editor) -> None:
        edits = list(editor.session.history.groups())[::-1]
        rows = [[Cell(str(g[0].group), g[0].group), Cell(_gesture(g)), Cell(g[0].when), Cell(g[0].who)] for g in edits]
        self.history.rows.show([str(g[0].group) for g in edits], rows)

    def _show_targets(self, targets: list[str]) -> None:
        """Offer the targets there are; keep what was chosen, but not one target over itself where there are two."""
        shown = [self.top.itemText(k) for k in range(self.top.count())]
        if shown == targets:
            return
        kept = self.top.currentText(), self.bottom.currentText()
        first = kept[0] if kept[0] in targets else (targets[0] if targets else "")
        others = [name for name in targets if name != first] or targets
        second = kept[1] if kept[1] in others else (others[0] if others else "")
        for box, name in ((self.top, first), (self.bottom, second)):
            box.blockSignals(True)
            box.clear()
            box.addItems(targets)
            box.setCurrentText(name)
            box.blockSignals(False)

    def _show_ratios(self) -> None:
        names = self.top.currentText(), self.bottom.currentText()
        if self._editor is None or self._editor.is_blind:
            self.ratios.rows.show([], [])
        elif self._study is not None:
            self.ratios.rows.show(*study_rows(*self._study))
        elif all(names):
            self.ratios.rows.show(*ratio_rows(self._editor.rows, self._editor.auto_rows, *names))
        else:
            self.ratios.rows.show([], [])

    def show_blots(self, blots: list[Blot]) -> None:
        """List blots with their state."""
        self._blots = list(blots)
        self.blots.rows.show([str(b.path) for b in blots], [_blot_cells(b) for b in blots])
        self.setCurrentWidget(self.blots)

    def mark_blot(self, places: Sequence[Path], state: str = "") -> None:
        """Mark the blot that is open, known by its session or its picture; say how it stands now."""
        k = self._place_of(places)
        if k is None:
            self.blots.pick("")
            return
        if state:
            self._blots[k] = self._blots[k]._replace(state=state)
            self.blots.rows.update_row(str(self._blots[k].path), _blot_cells(self._blots[k]))
        self.blots.pick(str(self._blots[k].path))

    def next_blot(self, places: Sequence[Path]) -> Path | None:
        """The blot that the list has after the open one; None after the last."""
        k = self._place_of(places)
        later = self._blots[0 if k is None else k + 1 :]
        return later[0].path if later else None

    def _place_of(self, places: Sequence[Path]) -> int | None:
        listed = {blot.path.absolute(): k for k, blot in enumerate(self._blots)}
        return next((listed[place.absolute()] for place in places if place.absolute() in listed), None)

    def pick(self, band_id: str) -> None:
        """Mark a band's row."""
        self.bands.pick(band_id)


def _key_list() -> RowsView:
    keys = RowsView(("key", "what it does"))
    names = [key.key.upper() if len(key.key) == 1 else key.key.replace("Control", "Ctrl") for key in KEYS]
    said = [(name, key.says) for name, key in zip(names, KEYS, strict=True)]
    said += [("1 to 6", "go to a step"), ("R, D, S", "napari's own: draw a rectangle, move vertices, select")]
    said += [("Delete, Ctrl+C, Ctrl+V", "napari's own: remove, copy and paste the selected shapes")]
    keys.rows.show([name for name, _ in said], [[Cell(name), Cell(text)] for name, text in said])
    keys.set_widths((90,))
    return keys


def _blot_cells(blot: Blot) -> list[Cell]:
    return [Cell(blot.label or blot.path.name, None, str(blot.path)), Cell(blot.state)]


def _gesture(edits: Any) -> str:
    first = edits[0]
    more = f" and {len(edits) - 1} more" if len(edits) > 1 else ""
    return f"{first.action.replace('_', ' ')}: {first.kind} {first.object_id}{more}"


def shuffled(keys: Sequence[str], seed: str) -> list[str]:
    """Ids in an order that tells nothing about the lanes, always the same for one picture."""
    return sorted(keys, key=lambda key: hashlib.sha256(f"{seed}{key}".encode()).hexdigest())
