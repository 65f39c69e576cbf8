"""Ratios of the open blot; its history; the list of blots; the list of keys."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QTabWidget, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from blotquant.normalization.intervals import target_ratios
from blotquant.runs.blots import Blot
from napari_blotquant.commands import COMMANDS, key_name
from napari_blotquant.editor import Rows
from napari_blotquant.shapes import percent_change, readable
from napari_blotquant.widgets.bands import BandTable, Cell, Table, lane_cell
from napari_blotquant.workbench import Workbench


def study_rows(ratios: pd.DataFrame, before: pd.DataFrame) -> tuple[list[str], list[list[Cell]]]:
    """The study's ratios of one blot as they are now, with the change against its results."""

    def key(row: Mapping[str, Any]) -> str:
        return f"{row['ratio']}/{row['blot']}/{row['lane']}"

    records = cast(list[dict[str, Any]], ratios.to_dict("records"))
    old = {key(row): row["value"] for row in cast(list[dict[str, Any]], before.to_dict("records"))}
    rows = [ratio_cells(row, old.get(key(row), math.nan), "Against the results of the last run") for row in records]
    return [key(row) for row in records], rows


def chosen_rows(bands: Rows, auto: Rows, top: str, bottom: str) -> tuple[list[str], list[list[Cell]]]:
    """One target over another in each lane, with the change against the automatic outlines of the same bands."""
    keys, rows = list[str](), list[list[Cell]]()
    found = target_ratios(bands.values(), top, bottom)
    n_strips = len({row["strip"] for row in found})
    for row in found:
        a, b = auto.get(row["top"]), auto.get(row["bottom"])
        before = a["volume"] / b["volume"] if a and b and b["volume"] > 0 else math.nan
        cells = ratio_cells(row, before, "Against the automatic outlines of the same bands")
        rows.append([lane_cell(row, n_strips), *cells[1:]])
        keys.append(f"{row['strip']}/{row['lane']}")
    return keys, rows


def ratio_cells(row: Mapping[str, Any], before: float, against: str) -> list[Cell]:
    """One ratio as it is now: a bound stands as one."""
    value = row["value"]
    sample = row.get("sample") if isinstance(row.get("sample"), str) else ""
    bound = f"{row['bound']} " if isinstance(row.get("bound"), str) and row["bound"] else ""
    return [
        Cell(str(row["lane"]), int(row["lane"]), sample or ""),
        Cell(str(row["ratio"]), None, sample or ""),
        Cell("–" if math.isnan(value) else f"{bound}{value:.3g}", float(value)),
        Cell(percent_change(value, before), None, against),
        Cell("" if math.isnan(row["ci_low"]) else f"{row['ci_low']:.3g} – {row['ci_high']:.3g}"),
        Cell(row["reason"] if isinstance(row["reason"], str) else readable(row.get("flags"))),
    ]


class RatioTable(QWidget):
    """The study's ratios of the open blot; of a blot without one, one target over another."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        heads = ("lane", "ratio", "value", "change", "95 % CI", "why not")
        self.table = Table(heads, "ratios", self._pick, (36, 80, 62, 54, 100))
        self.rows = self.table.rows
        self.top, self.over, self.bottom = QComboBox(), QLabel("over"), QComboBox()
        row, column = QHBoxLayout(), QVBoxLayout(self)
        for part in (self.top, self.over, self.bottom):
            row.addWidget(part)
        row.addStretch()
        column.addLayout(row)
        column.addWidget(self.table)
        for box in (self.top, self.bottom):
            box.currentTextChanged.connect(self._show)
        for signal in (bench.opened, bench.edited, bench.measured, bench.stated, bench.related):
            signal.connect(self.refresh)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Show what was made while this was behind."""
        super().showEvent(event)
        self.refresh()

    def _pick(self, key: str) -> None:
        number = int(key.rpartition("/")[2])
        editor = self.bench.editor
        if editor is not None:
            self.bench.select_lane(next((lane.id for lane in editor.layout.lanes if lane.number == number), ""))

    def refresh(self, _touched: object = None) -> None:
        """Show the ratios as they are now."""
        editor = self.bench.editor
        if editor is None or not self.isVisible():
            return
        for part in (self.top, self.over, self.bottom):
            part.setVisible(self.bench.ratios is None)
        self._offer(sorted({row["target"] for row in editor.rows.values() if isinstance(row["target"], str)}))
        self._show()

    def _offer(self, targets: list[str]) -> None:
        """Offer the targets there are; keep what was chosen, but not one target over itself where there are two."""
        if [self.top.itemText(k) for k in range(self.top.count())] == targets:
            return
        kept = self.top.currentText(), self.bottom.currentText()
        if not set(kept) <= set(targets):  # the phosphorylated form over the whole, where there are both
            kept = next(((f"p{name}", name) for name in targets if f"p{name}" in targets), kept)
        first = kept[0] if kept[0] in targets else next(iter(targets), "")
        others = [name for name in targets if name != first] or targets
        second = kept[1] if kept[1] in others else next(iter(others), "")
        for box, name in ((self.top, first), (self.bottom, second)):
            with signals_blocked(box):
                box.clear()
                box.addItems(targets)
                box.setCurrentText(name)

    def _show(self, _text: str = "") -> None:
        names, editor = (self.top.currentText(), self.bottom.currentText()), self.bench.editor
        if editor is None or editor.is_blind:
            self.rows.show([], [])
        elif self.bench.ratios is not None:
            self.rows.show(*study_rows(*self.bench.ratios))
        elif all(names):
            self.rows.show(*chosen_rows(editor.rows, editor.auto_rows, *names))
        else:
            self.rows.show([], [])


class Tables(QTabWidget):
    """Bands, ratios, history, blots, keys."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        self.bands, self.ratio_page = BandTable(bench), RatioTable(bench)
        self.ratios = self.ratio_page.table
        self.history = Table(("#", "what", "when", "who"), "history", None, (34, 180, 130))
        self.blots = Table(("blot", "state"), "blots", self._open, (220,))
        pages = (self.bands, self.ratio_page, self.history, self.blots, key_list())
        for page, name in zip(pages, ("Bands", "Ratios", "History", "Blots", "Keys"), strict=True):
            self.addTab(page, name)
        self.blots.selectionModel().selectionChanged.connect(self._choose)
        bench.listed.connect(self.show_blots)
        bench.opened.connect(self._mark)
        for signal in (bench.opened, bench.edited, bench.stated):
            signal.connect(self._show_history)
        self.currentChanged.connect(self._show_history)
        self._show_blots(bench.blots)

    def _open(self, key: str) -> None:
        self.bench.open_path(Path(key))

    def _choose(self, *_changed: object) -> None:
        self.bench.chosen = [Path(key) for key in self.blots.chosen]

    def _show_history(self, _touched: object = None) -> None:
        editor = self.bench.editor
        if editor is not None and self.currentWidget() is self.history:
            edits = list(editor.session.history.groups())[::-1]
            rows = [
                [Cell(str(g[0].group), g[0].group), Cell(_gesture(g)), Cell(g[0].when), Cell(g[0].who)] for g in edits
            ]
            self.history.rows.show([str(g[0].group) for g in edits], rows)

    def show_blots(self) -> None:
        """List the blots with their state, and come to the front where they are others."""
        is_same = self.blots.rows.keys == [str(blot.path) for blot in self.bench.blots]
        self._show_blots(self.bench.blots)
        if not is_same:
            self.setCurrentWidget(self.blots)

    def _show_blots(self, blots: Sequence[Blot]) -> None:
        rows = [[Cell(b.label or b.path.name, None, str(b.path)), Cell(b.state)] for b in blots]
        self.blots.rows.show([str(b.path) for b in blots], rows)
        self._mark()

    def _mark(self) -> None:
        place = self.bench.place
        self.blots.pick("" if place is None else str(self.bench.blots[place].path))


def key_list() -> Table:
    """Every key with what it does and what it acts on."""
    keys = Table(("key", "does", "on"), "keys", None, (84, 240))
    on = {"selection": "what is selected", "picture": "the picture", "": ""}
    said = [(key_name(c.key), c.tip, on.get(c.on, f"the {c.on} under the pointer")) for c in COMMANDS if c.key]
    said += [("1 to 6", "Go to a step", ""), ("D, S", "napari's own: move vertices, select", "")]
    said += [("Ctrl+C, Ctrl+V", "napari's own: copy and paste the selected shapes", "")]
    keys.rows.show([name for name, _, _ in said], [[Cell(text) for text in row] for row in said])
    return keys


def _gesture(edits: Any) -> str:
    first = edits[0]
    more = f" and {len(edits) - 1} more" if len(edits) > 1 else ""
    return f"{first.action.replace('_', ' ')}: {first.kind} {first.object_id}{more}"
