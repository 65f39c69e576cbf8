"""The profile of one lane with its background and the bands' limits as lines to drag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from blotquant.model.area_weights import area_weights
from blotquant.model.geometry import Lane
from blotquant.quantification.background import Aperture
from blotquant.quantification.prepared_image import PreparedImage
from napari_blotquant._model import Editor

MISSING = 'The profile needs pyqtgraph:\npip install "blotquant[napari]"\nEverything else works without it.'
Curves = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
_known: WeakKeyDictionary[PreparedImage, dict[Lane, Curves]] = WeakKeyDictionary()
Limits = Callable[[str, float, float], None]


def lane_curves(scene: PreparedImage, lane: Lane) -> Curves:
    """Rows, mean counts and mean background of a lane, each row weighted by the covered part of its pixels.

    Made once for each scene: the background below a whole lane is slow.
    """
    known = _known.setdefault(scene, {})
    if lane not in known:
        known[lane] = _lane_curves(scene, lane)
    return known[lane]


def _lane_curves(scene: PreparedImage, lane: Lane) -> Curves:
    box, weights = area_weights(lane.outline, scene.signal.shape)
    aperture = Aperture(box=box, weights=weights, lane=lane)
    cover = np.maximum(weights.sum(axis=1), 1e-9)
    counts = (weights * scene.signal[box.slices]).sum(axis=1) / cover
    background = (weights * scene.surface.under(aperture).values).sum(axis=1) / cover
    return np.arange(box.row_start, box.row_stop), counts, background


class ProfilePlot(QWidget):
    """Shows a lane; tells a band's new first and last row when a limit was dragged."""

    def __init__(self, moved: Limits, picked: Callable[[str], None]) -> None:
        super().__init__()
        self._moved, self._picked = moved, picked
        self._regions: dict[str, Any] = {}
        self._shown: tuple[Any, ...] = ()
        self.lane_id = ""
        self.graph: Any = None
        self.setMinimumHeight(150)
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
        self.plot = pyqtgraph.PlotWidget(background="#262930")
        self.plot.setMouseEnabled(x=True, y=False)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setLabel("bottom", "row (px)")
        # One pixel wide and not dashed: Qt draws other lines ten times as slowly, at each edit.
        self._counts = self.plot.plot(pen=pyqtgraph.mkPen("#d7dde2", width=1))
        self._ground = self.plot.plot(pen=pyqtgraph.mkPen("#f2994a", width=1))
        layout.addWidget(self.plot)

    def show_lane(self, editor: Editor, lane: Lane | None, chosen: str) -> None:
        """Show a lane's profile, with the chosen band lit."""
        scene = editor.scene
        if self.graph is None or scene is None or lane is None:
            return
        self.lane_id = lane.id
        name = "lane •" if editor.is_blind else f"lane {lane.number}"
        if self._shown != (id(scene), lane, name):
            rows, counts, background = lane_curves(scene, lane)
            self._counts.setData(rows, counts)
            self._ground.setData(rows, background)
            self.plot.setTitle(name, color="#8a939b", size="9pt")
            self._shown = (id(scene), lane, name)
        self._show_limits({b.id: _rows_of(b.outline) for b in editor.layout.bands_of(lane.id)}, chosen)

    def _show_limits(self, limits: dict[str, tuple[float, float]], chosen: str) -> None:
        for key in [key for key in self._regions if key not in limits]:
            self.plot.removeItem(self._regions.pop(key))
        for key, rows in limits.items():
            region = self._regions.get(key)
            if region is None:
                region = self._regions[key] = self._add_region(key)
            region.blockSignals(True)
            region.setRegion(rows)
            region.setBrush(self.graph.mkBrush("#2b7fb880" if key == chosen else "#2b7fb830"))
            region.blockSignals(False)

    def _add_region(self, key: str) -> Any:
        region = self.graph.LinearRegionItem(pen=self.graph.mkPen("#29ade6", width=1), swapMode="block")
        region.sigRegionChangeFinished.connect(lambda item: self._on_dragged(key, item))
        self.plot.addItem(region)
        return region

    def _on_dragged(self, key: str, region: Any) -> None:
        top, bottom = region.getRegion()
        self._moved(key, float(top), float(bottom))
        self._picked(key)


def _rows_of(outline: Any) -> tuple[float, float]:
    rows = [r for r, _ in outline]
    return min(rows), max(rows)
