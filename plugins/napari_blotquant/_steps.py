"""The steps of the work: picture, strips, lanes, bands, targets, result; one page each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from blotquant.geometry import ROLES, LaneRole
from blotquant.record.history import Change
from blotquant.record.session import flatten_settings
from blotquant.settings import DetectionSettings, WeighingSettings
from napari_blotquant import _work
from napari_blotquant._form import SettingsForm
from napari_blotquant._hand import Hand
from napari_blotquant._layers import BlotLayers
from napari_blotquant._model import Editor

STEPS = ("Picture", "Lanes", "Bands", "Targets", "Result")
PRESETS = ("pAKT", "AKT", "pERK", "ERK", "GAPDH", "β-actin", "α-tubulin", "vinculin")


class StepPages(QWidget):
    """A row of steps with the page of the chosen one."""

    def __init__(self, dock: Any) -> None:
        super().__init__()
        self.dock = dock
        self.editor: Editor | None = None
        self.layers: BlotLayers | None = None
        self.hand: Hand | None = None
        self._group, self._stack = QButtonGroup(self), QStackedWidget()
        row = QHBoxLayout()
        row.setSpacing(2)
        for k, name in enumerate(STEPS):
            button = QPushButton(f"{k + 1} {name}")
            button.setObjectName("step")
            button.setCheckable(True)
            self._group.addButton(button, k)
            row.addWidget(button)
        self._group.idClicked.connect(self.go)
        for page in (self._picture(), self._lanes(), self._bands(), self._targets(), self._result()):
            self._stack.addWidget(page)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self._stack)
        self._group.button(2).setChecked(True)
        self._stack.setCurrentIndex(2)

    def show_blot(self, editor: Editor, layers: BlotLayers, hand: Hand) -> None:
        """Work on another blot."""
        self.editor, self.layers, self.hand = editor, layers, hand
        hand.target = self.target.currentText()
        self.refresh()

    def go(self, step: int) -> None:
        """Go to a step; lanes and bands make their layer the one that the mouse works on."""
        self._group.button(step).setChecked(True)
        self._stack.setCurrentIndex(step)
        if self.layers is None:
            return
        layer = {0: self.layers.image, 1: self.layers.lanes}.get(step, self.layers.bands)
        self.layers.viewer.layers.selection.active = layer
        if step > 0:
            layer.mode = "select"
        if step == 4:
            self.dock.tables.setCurrentIndex(1)

    def refresh(self) -> None:
        """Show the values in force."""
        if self.editor is None:
            return
        settings = self.editor.session.settings
        self.lane_form.show_values(settings.detection)
        self.band_form.show_values(settings.detection)
        self.weigh_form.show_values(settings.weighing)
        self.polarity.blockSignals(True)
        self.polarity.setCurrentText(self.editor.session.polarity)
        self.polarity.blockSignals(False)

    # pages

    def _picture(self) -> QWidget:
        page, grid = _page()
        self.polarity = QComboBox()
        self.polarity.addItems(["bright", "dark"])
        self.polarity.currentTextChanged.connect(self._set_polarity)
        grid.addWidget(QLabel("bands in the file are"), 0, 0)
        grid.addWidget(self.polarity, 0, 1)
        self.view = QComboBox()
        self.view.addItems(["dark on white", "bright on black"])
        self.view.currentIndexChanged.connect(self._set_view)
        grid.addWidget(QLabel("show them"), 1, 0)
        grid.addWidget(self.view, 1, 1)
        grid.addWidget(
            _button("Find everything again", "Strips, lanes and bands; your corrections stay", self.find_all),
            2,
            0,
            1,
            2,
        )
        return page

    def _lanes(self) -> QWidget:
        page, grid = _page()
        self.lane_form = SettingsForm(DetectionSettings, "detection.", self._set, only=("n_lanes",))
        grid.addWidget(self.lane_form, 0, 0, 1, 3)
        grid.addWidget(
            _button("Find lanes again", "With this number; your corrections stay", self.find_all), 0, 3, 1, 2
        )
        for k, role in enumerate(ROLES):
            tip = f"Mark the selected lane as {role}"
            grid.addWidget(_button(role, tip, partial(self._mark, role)), 1, k)
        hint = "Drag a lane or its edges. L adds one at the pointer, U removes it, Delete too."
        grid.addWidget(_hint(hint), 2, 0, 1, 5)
        return page

    def _bands(self) -> QWidget:
        page, grid = _page()
        self.band_form = SettingsForm(DetectionSettings, "detection.", self._set, only=("min_snr",))
        grid.addWidget(self.band_form, 0, 0, 1, 2)
        again = _button("Find bands again", "In the lanes as they stand; your corrections stay", self.find_bands)
        grid.addWidget(again, 0, 2, 1, 2)
        merge = _button("Merge (M)", "Make one band of the selected ones", partial(self._by_hand, "merge"))
        copy = _button("Same shape in row (H)", "As the selected band", partial(self._by_hand, "copy_along_row"))
        grid.addWidget(merge, 1, 0, 1, 2)
        grid.addWidget(copy, 1, 2, 1, 2)
        hint = "Drag to move, corners to resize, Delete. B snaps to the band under the pointer, K cuts it, R draws."
        grid.addWidget(_hint(hint), 2, 0, 1, 4)
        return page

    def _targets(self) -> QWidget:
        page, grid = _page()
        self.target = QComboBox()
        self.target.setEditable(True)
        self.target.addItems(PRESETS)
        self.target.currentTextChanged.connect(self._name_target)
        grid.addWidget(QLabel("target"), 0, 0)
        grid.addWidget(self.target, 0, 1)
        assign = _button("Assign to the row (T)", "All bands of its row", partial(self._by_hand, "assign_target"))
        grid.addWidget(assign, 0, 2)
        grid.addWidget(_hint("Name the protein, point at a band of its row, press T."), 1, 0, 1, 3)
        return page

    def _result(self) -> QWidget:
        page, grid = _page()
        self.weigh_form = SettingsForm(WeighingSettings, "weighing.", self._set)
        grid.addWidget(self.weigh_form, 0, 0)
        grid.addWidget(_button("Save the session", "Beside the picture", lambda: self.dock.save()), 1, 0)
        return page

    # what the pages do

    def _by_hand(self, method: str) -> None:
        if self.hand is not None:
            getattr(self.hand, method)()

    def _mark(self, role: LaneRole) -> None:
        if self.hand is not None:
            self.hand.mark(role)

    def _set_view(self, choice: int) -> None:
        if self.layers is not None:
            self.layers.set_view(dark_bands=choice == 0)

    def _name_target(self, name: str) -> None:
        if self.hand is not None:
            self.hand.target = name.strip()

    def _set(self, dotted: str, value: Any) -> None:
        """Change one setting, as an edit that can be undone."""
        if self.editor is None:
            return
        before = flatten_settings(self.editor.session.settings)[dotted]
        if before != value:
            self.editor.do([Change("settings", dotted, before, value)], "settings")

    def _set_polarity(self, polarity: str) -> None:
        editor, layers = self.editor, self.layers
        if editor is None or layers is None or polarity == editor.session.polarity:
            return
        editor.do([Change("image", "polarity", editor.session.polarity, polarity)], "polarity")
        self.find_all()

    def find_all(self) -> None:
        """Find strips, lanes and bands again with the settings in force."""
        self._find(lambda editor: _work.find(editor.image, editor.session.settings))

    def find_bands(self) -> None:
        """Find the bands of the lanes as they stand."""
        self._find(lambda editor: _work.find_bands(editor.image, editor.layout, editor.session.settings))

    def _find(self, work: Callable[[Editor], Any]) -> None:
        editor = self.editor
        if editor is None:
            return

        def done(found: Any) -> None:
            editor.find_again(found)
            lines = [f"Edit {c.edit.seq} ({c.edit.action}) no longer fits: {c.reason}" for c in editor.conflicts]
            self.dock.say("\n".join(lines))

        self.dock.run("Finding again", lambda: work(editor), done)


def _page() -> tuple[QWidget, QGridLayout]:
    page = QWidget()
    grid = QGridLayout(page)
    grid.setContentsMargins(4, 4, 4, 4)
    return page, grid


def _button(name: str, tip: str, slot: Callable[[], Any]) -> QPushButton:
    button = QPushButton(name)
    button.setToolTip(tip)
    button.clicked.connect(lambda _checked=False: slot())
    return button


def _hint(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("hint")
    label.setWordWrap(True)
    return label
