"""The table of bands, the selected one in words, its lane's profile; and the kind of table that all of the dock are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QPoint, QSortFilterProxyModel, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QFileDialog,
    QLabel,
    QMenu,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from blotquant.flags import flags_in_words
from blotquant.model.geometry import Band
from blotquant.session.band_edits import set_band_rows
from blotquant.session.hit_testing import Hit
from napari_blotquant.shapes import (
    PALETTE,
    band_name,
    bound_of,
    counts,
    percent_change,
    readable,
    relative_sd,
    volume_text,
    with_sd,
)
from napari_blotquant.workbench import Workbench

Index = QModelIndex | QPersistentModelIndex
Told = Callable[[str], None]
MISSING = 'The profile needs pyqtgraph:\npip install "blotquant[napari]"\nEverything else works without it.'
LIT = "#D55E0080"
"""Filling of the selected band's rows."""
UNLIT = "#D55E0030"
"""Filling of the other bands' rows."""


class Cell(NamedTuple):
    """What a cell shows, what it sorts by, what it says when pointed at."""

    text: str
    rank: Any = None
    tip: str = ""


# the kind of table


class TableModel(QAbstractTableModel):
    """Rows of cells with a key each."""

    def __init__(self, heads: Sequence[str]) -> None:
        super().__init__()
        self.heads = tuple(heads)
        self.keys: list[str] = []
        self.cells: list[list[Cell]] = []

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's name
        """Rows."""
        return 0 if parent.isValid() else len(self.keys)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802 - Qt's name
        """Columns."""
        return 0 if parent.isValid() else len(self.heads)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802 - Qt's name
        """Names of the columns."""
        is_head = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return self.heads[section] if is_head else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows, sorts by, and says."""
        cell = self.cells[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return cell.text
        if role == Qt.ItemDataRole.ToolTipRole:
            return cell.tip or (cell.text if len(cell.text) > 12 else "")
        if role == Qt.ItemDataRole.UserRole:
            return cell.text if cell.rank is None else cell.rank
        if role == Qt.ItemDataRole.TextAlignmentRole and cell.rank is not None:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def show(self, keys: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Show other rows; where only cells differ, only these are told."""
        if list(keys) != self.keys:
            self.beginResetModel()
            self.keys, self.cells = list(keys), [list(row) for row in rows]
            self.endResetModel()
            return
        for key, row in zip(keys, rows, strict=True):
            self.show_row(key, row)

    def show_row(self, key: str, row: Sequence[Cell]) -> None:
        """Show other cells in one row."""
        k = self.row_of(key)
        if k >= 0 and self.cells[k] != list(row):
            self.cells[k] = list(row)
            self.dataChanged.emit(self.index(k, 0), self.index(k, len(self.heads) - 1))

    def key(self, row: int) -> str:
        """The key of a row."""
        return self.keys[row]

    def row_of(self, key: str) -> int:
        """The row of a key; -1 if it is not shown."""
        return self.keys.index(key) if key in self.keys else -1

    def texts(self, column: int) -> list[str]:
        """What a column shows, row by row."""
        return [row[column].text for row in self.cells]


class Table(QTableView):
    """A sortable table whose rows can be copied and kept as a file; a click or the arrows tell a row's key."""

    def __init__(self, heads: Sequence[str], name: str, chosen: Told | None = None, widths: Sequence[int] = ()) -> None:
        super().__init__()
        self.rows, self.name, self._chosen = TableModel(heads), name, chosen
        self.looked_at: Told | None = None
        self._sorted = QSortFilterProxyModel()
        self._sorted.setSourceModel(self.rows)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.horizontalHeader().setStretchLastSection(True)
        self.setWordWrap(False)
        for column, width in enumerate(widths):
            self.setColumnWidth(column, width)
        self.clicked.connect(self._tell)
        self.doubleClicked.connect(self._look)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)

    def _key(self, index: QModelIndex) -> str:
        return self.rows.key(self._sorted.mapToSource(index).row())

    def _tell(self, index: QModelIndex) -> None:
        if self._chosen is not None:
            self._chosen(self._key(index))

    def _look(self, index: QModelIndex) -> None:
        if self.looked_at is not None:
            self.looked_at(self._key(index))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Copy; leave letters and digits to the picture, whose keys they are: Qt would look for such a row."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.text().isprintable() and event.text():
            event.ignore()
        else:
            super().keyPressEvent(event)
            if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self.currentIndex().isValid():
                self._tell(self.currentIndex())

    def _menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        menu.addAction("Copy\tCtrl+C").triggered.connect(self.copy)
        menu.addAction("Save as CSV…").triggered.connect(self.export)
        menu.popup(self.viewport().mapToGlobal(place))

    def frame(self, *, selected: bool = False) -> pd.DataFrame:
        """What the table shows, in its order; the selected rows only where that is asked for and some are."""
        places = sorted({index.row() for index in self.selectionModel().selectedRows()}) if selected else []
        shown = [
            self._sorted.mapToSource(self._sorted.index(k, 0)).row() for k in places or range(self.rows.rowCount())
        ]
        return pd.DataFrame([[cell.text for cell in self.rows.cells[k]] for k in shown], columns=list(self.rows.heads))

    @property
    def chosen(self) -> list[str]:
        """Keys of the selected rows."""
        return [self._key(index) for index in self.selectionModel().selectedRows()]

    def copy(self) -> None:
        """Put the selected rows, else all, on the clipboard, as a spreadsheet takes them."""
        QApplication.clipboard().setText(self.frame(selected=True).to_csv(sep="\t", index=False))

    def export(self) -> None:
        """Ask for a file and write the table there."""
        name, _ = QFileDialog.getSaveFileName(self, "Save as CSV", f"{self.name}.csv", "*.csv")
        if name:
            Path(name).write_text(self.frame().to_csv(index=False), encoding="utf-8")

    def pick(self, key: str) -> None:
        """Mark a row and bring it into view."""
        row = self.rows.row_of(key)
        if row < 0:
            self.clearSelection()
            return
        index = self._sorted.mapFromSource(self.rows.index(row, 0))
        if [i.row() for i in self.selectionModel().selectedRows()] != [index.row()]:
            self.selectRow(index.row())
        self.scrollTo(index)


# bands


def lane_cell(band: Mapping[str, Any], n_strips: int) -> Cell:
    """The lane's number; before it the strip's, where there are several."""
    lane = int(band["lane"])
    return Cell(str(lane), lane) if n_strips < 2 else Cell(f"{band['strip']}.{lane}", 1000 * int(band["strip"]) + lane)


def band_cells(
    band: Mapping[str, Any], before: Mapping[str, Any] | None, *, n_strips: int = 1, is_blind: bool = False
) -> list[Cell]:
    """A row of the band table: the number, what the hand changed, and what speaks against it."""
    flags = band["flags"] if isinstance(band["flags"], str) else ""
    state = "" if band["status"] == "detected" else "not detected"
    number, sd = float(band["volume"]), float(band["volume_sd"])
    more = f"raw {counts(band['volume_raw'])}, LOD {counts(band['lod'])}"
    return [
        Cell("•", 0) if is_blind else lane_cell(band, n_strips),
        Cell(band_name(band)),
        Cell(volume_text(band), number, more),
        Cell("" if bound_of(flags) else relative_sd(number, sd), sd, with_sd(band)),
        Cell(percent_change(number, before["volume"]) if before else "", None, "Against the automatic result"),
        Cell("–" if math.isnan(band["snr"]) else f"{band['snr']:z.0f}", float(band["snr"])),
        Cell(", ".join(part for part in (state, readable(flags)) if part), None, flags_in_words(flags)),
    ]


class BandTable(Table):
    """All bands of the open blot, shuffled while blind."""

    def __init__(self, bench: Workbench) -> None:
        heads = ("lane", "target", "volume", "SD", "change", "SNR", "flags")
        super().__init__(heads, "bands", bench.select, (36, 52, 78, 54, 54, 38))
        self.bench = bench
        bench.edited.connect(self.refresh)
        bench.selected.connect(self._mark)
        for signal in (bench.opened, bench.measured, bench.stated):
            signal.connect(self._refresh_all)

    def _refresh_all(self) -> None:
        self.refresh(None)

    def refresh(self, touched: set[str] | None) -> None:
        """Show the present numbers, of touched bands only where they are named."""
        editor = self.bench.editor
        if editor is None:
            return
        keys = [band.id for band in editor.layout.bands if band.id in editor.rows]
        if touched is None or len(keys) != self.rows.rowCount() or not touched <= editor.rows.keys():
            touched = None
            if editor.is_blind:
                seed = editor.session.image.sha256
                keys.sort(key=lambda key: hashlib.sha256(f"{seed}{key}".encode()).hexdigest())
                self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
            self.setSortingEnabled(not editor.is_blind)
        n_strips, made = len(editor.layout.strips), {}
        for key in keys if touched is None else touched:
            before = editor.auto_rows.get(key)
            made[key] = band_cells(editor.rows[key], before, n_strips=n_strips, is_blind=editor.is_blind)
        if touched is None:
            self.rows.show(keys, [made[key] for key in keys])
            self._mark()
        else:
            for key, cells in made.items():
                self.rows.show_row(key, cells)

    def _mark(self) -> None:
        self.pick(self.bench.band_id)


class ReadOut(QWidget):
    """The selected band in words, and what is under the pointer: what the next key will act on."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench, self.band_id = bench, ""
        self._where, self._number, self._flags, self._under = QLabel(), QLabel("–"), QLabel(), QLabel()
        names = ("state", "number", "flags", "under")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 2)
        column.setSpacing(0)
        for label, name in zip((self._where, self._number, self._flags, self._under), names, strict=True):
            label.setObjectName(name)
            column.addWidget(label)
        self._flags.hide()
        self._under.setText("Keys act on what is lit under the pointer")
        bench.previewed.connect(self.show_number)
        bench.pointed.connect(self._point)
        for signal in (bench.opened, bench.edited, bench.measured, bench.stated, bench.selected):
            signal.connect(self._refresh)

    @property
    def text(self) -> str:
        """The number on show."""
        return str(self._number.text())

    def _refresh(self, _touched: object = None) -> None:
        editor, band = self.bench.editor, None
        if editor is not None:
            band = editor.band(self.bench.band_id)
        self.band_id = band.id if band else ""
        row = editor.rows.get(self.band_id) if editor is not None else None
        if editor is None or band is None or row is None:
            self._where.setText("Select a band: click it in the picture or in the table")
            self._number.setText("–")
            self._flags.hide()
            return
        before = editor.auto_rows.get(band.id)
        change = percent_change(row["volume"], before["volume"]) if before else ""
        self._where.setText(self._place(row, band, change))
        self.show_number(row)

    def _place(self, row: Mapping[str, Any], band: Band, change: str) -> str:
        editor = self.bench.editor
        assert editor is not None
        sample = "" if editor.is_blind else self.bench.samples.get(band.lane, "")
        lane = f"{editor.lane_name(editor.layout.lane(band.lane))} {sample}".strip()
        snr = "" if math.isnan(row["snr"]) else f"SNR {row['snr']:.0f}"
        parts = [lane, band_name(row), snr, band.origin, f"{change} by hand" if change else ""]
        return "  ·  ".join(part for part in parts if part)

    def show_number(self, row: Mapping[str, Any]) -> None:
        """Show the number of a row, as it is or as it would be while the band is dragged."""
        is_known = not math.isnan(row["volume"])
        self._number.setText(f"{with_sd(row)} counts" if is_known else "measuring…")
        self._flags.setText(readable(row["flags"]))
        self._flags.setVisible(bool(self._flags.text()))
        self._flags.setToolTip(flags_in_words(row["flags"]))

    def _point(self, found: Hit) -> None:
        editor = self.bench.editor
        lane = editor.lane(found.lane) if editor is not None else None
        if editor is None or lane is None:
            self._under.setText("Keys act on what is lit under the pointer")
            return
        band = editor.band(found.band)
        row = editor.rows.get(found.band)
        name = (band_name(row) if row else "a band") if band else "no band"
        self._under.setText(f"Under the pointer: {editor.lane_name(lane)}, {name}")


class ProfilePlot(QWidget):
    """The profile of the selected lane, its background and its bands' limits; one that is dragged moves a band."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        self.lane_id = ""
        self._regions: dict[str, Any] = {}
        self._shown: tuple[Any, ...] = ()
        self.graph: Any = None
        self.setMinimumHeight(110)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        try:
            import pyqtgraph
        except ImportError:
            label = QLabel(MISSING)
            label.setObjectName("hint")
            layout.addWidget(label)
            return
        self.graph = pyqtgraph
        self.plot = pyqtgraph.PlotWidget()
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setLabel("bottom", "row (px)")
        # One pixel wide and not dashed: Qt draws other lines ten times as slowly, at each edit.
        self._counts, self._ground = self.plot.plot(), self.plot.plot()
        layout.addWidget(self.plot)
        self.set_theme(is_light=False)
        for signal in (bench.opened, bench.edited, bench.measured, bench.selected, bench.stated):
            signal.connect(self._refresh)

    def set_theme(self, *, is_light: bool) -> None:
        """Draw as the window is: dark lines on light, or light ones on dark."""
        if self.graph is None:
            return
        ground, line, soft = ("#ffffff", "#1b1f24", "#56606b") if is_light else ("#262930", "#d7dde2", "#8a939b")
        self.plot.setBackground(ground)
        self._counts.setPen(self.graph.mkPen(line, width=1))
        self._ground.setPen(self.graph.mkPen(PALETTE["sample"][0], width=1))
        for side in ("bottom", "left"):
            self.plot.getAxis(side).setPen(soft)
            self.plot.getAxis(side).setTextPen(soft)

    def _refresh(self, _touched: object = None) -> None:
        editor = self.bench.editor
        if editor is None or not editor.layout.lanes:
            return
        lane = editor.lane(self.bench.lane_id) or editor.layout.lanes[0]
        is_due = not editor.is_exact and lane.id == self.lane_id  # a lane that was changed comes with the exact numbers
        curves = None if is_due and not editor.has_curves(lane) else editor.curves(lane)
        if curves is None:
            return
        self.lane_id = lane.id
        name = "lane •" if editor.is_blind else editor.lane_name(lane)
        if self._shown != (id(editor.prepared), lane, name):
            rows, counts, background = curves
            self._counts.setData(rows, counts)
            self._ground.setData(rows, background)
            self.plot.setTitle(f"{name}: mean counts, and the background under it", size="9pt")
            self._shown = (id(editor.prepared), lane, name)
        limits = {band.id: sorted(row for row, _ in band.outline) for band in editor.layout.bands_of(lane.id)}
        self._show_limits({key: (rows[0], rows[-1]) for key, rows in limits.items()})

    def _show_limits(self, limits: dict[str, tuple[float, float]]) -> None:
        for key in [key for key in self._regions if key not in limits]:
            self.plot.removeItem(self._regions.pop(key))
        for key, rows in limits.items():
            if key not in self._regions:
                self._regions[key] = self._add_region(key)
            region = self._regions[key]
            region.blockSignals(True)
            region.setRegion(rows)
            region.setBrush(self.graph.mkBrush(LIT if key == self.bench.band_id else UNLIT))
            region.blockSignals(False)

    def _add_region(self, key: str) -> Any:
        region = self.graph.LinearRegionItem(pen=self.graph.mkPen(PALETTE["detected"][0], width=1), swapMode="block")
        region.sigRegionChangeFinished.connect(lambda item: self._on_dragged(key, item))
        self.plot.addItem(region)
        return region

    def _on_dragged(self, key: str, region: Any) -> None:
        top, bottom = region.getRegion()
        editor = self.bench.editor
        if editor is None:
            return
        try:
            editor.do(set_band_rows(editor.layout, key, top=float(top), bottom=float(bottom)), "resize")
        except ValueError as error:
            self.bench.said.emit(str(error), "problem")
        self.bench.select(key)
