"""Tables of the dock: bands, ratios, history, blots. They show; they compute nothing but the ratio of two volumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtWidgets import QAbstractItemView, QTableView

from blotquant.flags import blocking, split_flags
from napari_blotquant._convert import flags_in_words
from napari_blotquant._style import counts, percent_change, readable, with_sd


class Cell(NamedTuple):
    """What a cell shows, what it sorts by, what it says when pointed at."""

    text: str
    rank: Any = None
    tip: str = ""


class RowsModel(QAbstractTableModel):  # type: ignore[misc]
    """Rows of cells with a key each."""

    def __init__(self, heads: Sequence[str]) -> None:
        super().__init__()
        self._heads, self._rows, self._keys = list(heads), [], []

    def show(self, keys: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Show other rows."""
        if list(keys) == self._keys:
            self._rows = [list(row) for row in rows]
            if rows:
                self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(self._heads) - 1))
            return
        self.beginResetModel()
        self._keys, self._rows = list(keys), [list(row) for row in rows]
        self.endResetModel()

    def key(self, row: int) -> str:
        """The key of a row."""
        return str(self._keys[row])

    def row_of(self, key: str) -> int:
        """The row of a key; -1 if it is not shown."""
        return self._keys.index(key) if key in self._keys else -1

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802, ARG002 - Qt's name
        """Return how many rows there are."""
        return len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802, ARG002 - Qt's name
        """Return how many columns there are."""
        return len(self._heads)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802 - Qt's name
        """Return a column's head."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self._heads[section]
        return None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Return a cell's text, rank or tip."""
        cell = self._rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return cell.text
        if role == Qt.ItemDataRole.UserRole:
            return cell.text if cell.rank is None else cell.rank
        if role == Qt.ItemDataRole.ToolTipRole:
            return cell.tip or None
        if role == Qt.ItemDataRole.TextAlignmentRole and cell.rank is not None:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


class RowsView(QTableView):  # type: ignore[misc]
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
        if clicked is not None:
            self.clicked.connect(lambda index: clicked(self.rows.key(self._sorted.mapToSource(index).row())))

    def pick(self, key: str) -> None:
        """Mark a row and bring it into view."""
        row = self.rows.row_of(key)
        if row < 0:
            self.clearSelection()
            return
        index = self._sorted.mapFromSource(self.rows.index(row, 0))
        self.selectRow(index.row())
        self.scrollTo(index)


BAND_HEADS = ("lane", "target", "volume ± SD", "auto", "SNR", "flags")


def band_rows(
    table: pd.DataFrame, auto: pd.DataFrame, lanes: dict[str, str]
) -> tuple[list[str], list[list[Cell]]]:
    """Rows of the band table: the number, what the hand changed, and what speaks against it."""
    before = dict(zip(auto["band_id"], auto["volume"], strict=True)) if not auto.empty else {}
    keys, rows = [], []
    for band in table.itertuples(index=False):
        flags = band.flags if isinstance(band.flags, str) else ""
        state = "" if band.status == "detected" else "not detected"
        target = (
            band.target
            if isinstance(band.target, str)
            else (f"row {band.row}" if not pd.isna(band.row) else "–")
        )
        key = str(band.band_id)
        change = percent_change(band.volume, before.get(band.band_id, float("nan")))
        more = f"raw {counts(band.volume_raw)}, LOD {counts(band.lod)}"
        keys.append(key)
        rows.append([
            Cell(lanes.get(key, str(band.lane)), int(band.lane)),
            Cell(target),
            Cell(with_sd(band.volume, band.volume_sd), float(band.volume), more),
            Cell(change, None, "Against the automatic result"),
            Cell(f"{band.snr:.0f}", float(band.snr)),
            Cell(", ".join(part for part in (state, readable(flags)) if part), None, flags_in_words(flags)),
        ])  # fmt: skip
    return keys, rows


RATIO_HEADS = ("lane", "ratio", "95 % CI", "why not")


def ratio_rows(table: pd.DataFrame, top: str, bottom: str) -> tuple[list[str], list[list[Cell]]]:
    """Volume of one target over another's in each lane, with the measurement's interval."""
    from blotquant.intervals import ratio_interval

    keys, rows = [], []
    for (strip, lane), members in table.groupby(["strip", "lane"], sort=True):
        pair = [members[members["target"].eq(name).fillna(False)] for name in (top, bottom)]
        reason = _why_not(pair, (top, bottom))
        keys.append(f"{strip}/{lane}")
        cells = [Cell(str(lane), int(lane))]
        if reason:
            rows.append([*cells, Cell("–", float("nan")), Cell(""), Cell(reason)])
            continue
        a, b = (part.iloc[0] for part in pair)
        found = ratio_interval(a["volume"], a["volume_sd"], b["volume"], b["volume_sd"])
        interval = f"{found.low:.3g} – {found.high:.3g}"
        rows.append([*cells, Cell(f"{found.value:.3g}", float(found.value)), Cell(interval), Cell("")])
    return keys, rows


def _why_not(pair: Sequence[pd.DataFrame], names: Sequence[str]) -> str:
    for part, name in zip(pair, names, strict=True):
        if len(part) != 1:
            return f"{len(part) or 'no'} band{'s' if len(part) > 1 else ''} of {name}"
        stops = blocking(split_flags(part.iloc[0]["flags"]))
        if stops:
            return f"{name}: {readable(';'.join(stops))}"
    return "" if pair[1].iloc[0]["snr"] >= 3 else f"{names[1]}: SNR below 3"
