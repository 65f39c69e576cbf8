"""Tables of the dock: bands, ratios, history, blots. They show; they compute nothing but the ratio of two volumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import pandas as pd
from qtpy.QtCore import QSortFilterProxyModel, Qt
from qtpy.QtGui import QKeyEvent, QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QAbstractItemView, QTableView

from blotquant.flags import blocking, split_flags
from napari_blotquant._convert import flags_in_words
from napari_blotquant._style import counts, percent_change, readable, relative_sd, with_sd

Rows = Mapping[str, dict[str, Any]]


class Cell(NamedTuple):
    """What a cell shows, what it sorts by, what it says when pointed at."""

    text: str
    rank: Any = None
    tip: str = ""


class RowsModel(QStandardItemModel):
    """Rows of cells with a key each.

    The items are Qt's own: a model in Python is asked for every cell at every paint, and PySide 6.12 loses a reference
    to None with each answer.
    """

    def __init__(self, heads: Sequence[str]) -> None:
        super().__init__(0, len(heads))
        self.setHorizontalHeaderLabels(list(heads))
        self._keys: list[str] = []
        self._rows: list[list[Cell]] = []

    def show(self, keys: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Show other rows; rows and cells that stay the same are not touched."""
        wanted = dict(zip(keys, (list(row) for row in rows), strict=True))
        if [key for key in self._keys if key in wanted] != [key for key in keys if key in set(self._keys)]:
            self.setRowCount(0)  # another order
            self._keys, self._rows = [], []
        for k in reversed(range(len(self._keys))):
            if self._keys[k] not in wanted:
                self.removeRow(k)
                del self._keys[k], self._rows[k]
        for k, (key, row) in enumerate(wanted.items()):
            if k < len(self._keys) and self._keys[k] == key:
                self._put(k, row)
            else:
                self.insertRow(k, [_item(cell) for cell in row])
                self._keys.insert(k, key)
                self._rows.insert(k, row)

    def update_row(self, key: str, row: Sequence[Cell]) -> None:
        """Show other cells in one row."""
        if key in self._keys:
            self._put(self._keys.index(key), list(row))

    def _put(self, k: int, row: list[Cell]) -> None:
        """Change the items that are there: with a new item Qt lays out the whole table anew and paints it twice."""
        for column, (before, cell) in enumerate(zip(self._rows[k], row, strict=True)):
            if before != cell:
                _fill(self.item(k, column), cell)
        self._rows[k] = row

    def key(self, row: int) -> str:
        """The key of a row."""
        return self._keys[row]

    def row_of(self, key: str) -> int:
        """The row of a key; -1 if it is not shown."""
        return self._keys.index(key) if key in self._keys else -1

    def texts(self, column: int) -> list[str]:
        """What a column shows, row by row."""
        return [row[column].text for row in self._rows]


def _item(cell: Cell) -> QStandardItem:
    item = QStandardItem()
    item.setEditable(False)
    if cell.rank is not None:
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    _fill(item, cell)
    return item


def _fill(item: QStandardItem, cell: Cell) -> None:
    item.setText(cell.text)
    item.setData(cell.text if cell.rank is None else cell.rank, Qt.ItemDataRole.UserRole)
    item.setToolTip(cell.tip)


class RowsView(QTableView):
    """A sortable table; clicking a row tells its key."""

    def __init__(self, heads: Sequence[str], clicked: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self.rows = RowsModel(heads)
        self._sorted = QSortFilterProxyModel()
        self._sorted.setSourceModel(self.rows)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.horizontalHeader().setStretchLastSection(True)
        self.setWordWrap(False)
        if clicked is not None:
            self.clicked.connect(lambda index: clicked(self.rows.key(self._sorted.mapToSource(index).row())))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Leave letters and digits to the picture, whose keys they are; Qt would look for a row that begins so."""
        if event.text().isprintable() and event.text():
            event.ignore()
        else:
            super().keyPressEvent(event)

    def set_widths(self, widths: Sequence[int]) -> None:
        """Set the columns' widths; the last takes what is left."""
        for column, width in enumerate(widths):
            self.setColumnWidth(column, width)

    def pick(self, key: str) -> None:
        """Mark a row and bring it into view."""
        row = self.rows.row_of(key)
        if row < 0:
            self.clearSelection()
            return
        index = self._sorted.mapFromSource(self.rows.index(row, 0))
        self.selectRow(index.row())
        self.scrollTo(index)


BAND_HEADS = ("lane", "target", "volume", "SD", "change", "SNR", "flags")


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
    number, sd = band["volume"], band["volume_sd"]
    more = f"raw {counts(band['volume_raw'])}, LOD {counts(band['lod'])}"
    return [
        Cell("•", 0) if is_blind else lane_cell(band, n_strips),
        Cell(band_name(band)),
        Cell(counts(number), float(number), more),
        Cell(relative_sd(number, sd), float(sd), with_sd(number, sd)),
        Cell(percent_change(number, before["volume"]) if before else "", None, "Against the automatic result"),
        Cell(f"{band['snr']:z.0f}", float(band["snr"])),
        Cell(", ".join(part for part in (state, readable(flags)) if part), None, flags_in_words(flags)),
    ]


def band_name(band: Mapping[str, Any]) -> str:
    """What a band is called: its target, else its mass, else its row."""
    if isinstance(band["target"], str):
        return str(band["target"])
    mass = band.get("mw_kda")
    if isinstance(mass, float) and not math.isnan(mass):
        return f"{mass:.0f} kDa"
    return "–" if pd.isna(band["row"]) else f"row {band['row']}"


MIN_SNR = 3.0
"""A denominator weaker than this gives no ratio."""
RATIO_HEADS = ("lane", "ratio", "value", "change", "95 % CI", "why not")


def ratio_rows(bands: Rows, auto: Rows, top: str, bottom: str) -> tuple[list[str], list[list[Cell]]]:
    """Volume of one target over another's in each lane, with the measurement's interval."""
    lanes: dict[tuple[int, int], dict[str, list[dict[str, Any]]]] = {}
    for band in bands.values():
        members = lanes.setdefault((int(band["strip"]), int(band["lane"])), {top: [], bottom: []})
        if isinstance(band["target"], str) and band["target"] in members:
            members[band["target"]].append(band)
    places, n_strips = sorted(lanes), len({strip for strip, _ in lanes})
    keys = [f"{strip}/{lane}" for strip, lane in places]
    heads = [lane_cell({"strip": strip, "lane": lane}, n_strips) for strip, lane in places]
    return keys, [[head, *_ratio_cells(top, bottom, lanes[p], auto)] for head, p in zip(heads, places, strict=True)]


def _ratio_cells(top: str, bottom: str, members: dict[str, list[dict[str, Any]]], auto: Rows) -> list[Cell]:
    from blotquant.normalization.intervals import ratio_interval

    reason = _why_not(top, members[top]) or _why_not(bottom, members[bottom])
    if not reason and members[bottom][0]["snr"] < MIN_SNR:
        reason = f"{bottom}: SNR below {MIN_SNR:g}"
    name = Cell(f"{top}/{bottom}")
    if reason:
        return [name, Cell("–", float("nan")), Cell(""), Cell(""), Cell(reason)]
    a, b = members[top][0], members[bottom][0]
    found = ratio_interval(a["volume"], a["volume_sd"], b["volume"], b["volume_sd"])
    interval = f"{found.low:.3g} – {found.high:.3g}"
    change = percent_change(found.value, _auto_ratio(auto.get(a["band_id"]), auto.get(b["band_id"])))
    against = Cell(change, None, "Against the automatic outlines of the same bands")
    return [name, Cell(f"{found.value:.3g}", float(found.value)), against, Cell(interval), Cell("")]


def _auto_ratio(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> float:
    return a["volume"] / b["volume"] if a and b and b["volume"] > 0 else math.nan


def _why_not(name: str, bands: Sequence[dict[str, Any]]) -> str:
    if len(bands) != 1:
        return f"{len(bands)} bands of {name}" if bands else f"no band of {name}"
    stops = blocking(split_flags(bands[0]["flags"]))
    return f"{name}: {readable(';'.join(stops))}" if stops else ""


def study_rows(ratios: pd.DataFrame, before: pd.DataFrame) -> tuple[list[str], list[list[Cell]]]:
    """The study's ratios of one blot as they are now, with the change against its results."""
    old = {_ratio_key(row): row["value"] for row in cast(list[dict[str, Any]], before.to_dict("records"))}
    records = cast(list[dict[str, Any]], ratios.to_dict("records"))
    keys = [_ratio_key(row) for row in records]
    return keys, [_study_cells(row, old.get(key, math.nan)) for key, row in zip(keys, records, strict=True)]


def _ratio_key(row: Mapping[str, Any]) -> str:
    return f"{row['ratio']}/{row['blot']}/{row['lane']}"


def _study_cells(row: Mapping[str, Any], before: float) -> list[Cell]:
    value = row["value"]
    sample = row["sample"] if isinstance(row["sample"], str) else ""
    interval = "" if math.isnan(row["ci_low"]) else f"{row['ci_low']:.3g} – {row['ci_high']:.3g}"
    return [
        Cell(str(row["lane"]), int(row["lane"]), sample),
        Cell(str(row["ratio"]), None, sample),
        Cell("–" if math.isnan(value) else f"{value:.3g}", float(value), sample),
        Cell(percent_change(value, before), None, "Against the results of the last run"),
        Cell(interval),
        Cell(row["reason"] if isinstance(row["reason"], str) else readable(row["flags"])),
    ]
