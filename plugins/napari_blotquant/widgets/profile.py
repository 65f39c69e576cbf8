"""The profile of the selected lane with its background and the bands' limits as lines to drag."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from blotquant.session.band_edits import set_band_rows
from napari_blotquant.shapes import PALETTE
from napari_blotquant.workbench import Workbench

MISSING = 'The profile needs pyqtgraph:\npip install "blotquant[napari]"\nEverything else works without it.'
LIT = "#D55E0080"
"""Filling of the selected band's rows."""
UNLIT = "#D55E0030"
"""Filling of the other bands' rows."""


class ProfilePlot(QWidget):
    """Shows a lane; a dragged limit gives its band a new first and last row."""

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
