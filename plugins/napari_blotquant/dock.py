"""The dock: from the picture to the ratio in the order of the work. It lays the widgets out and asks questions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

from qtpy.QtCore import QEvent, QObject, QPoint, QSize, Qt, QTimer
from qtpy.QtGui import QContextMenuEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QKeySequence
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from blotquant.model.image import BlotImage
from napari_blotquant.commands import BANDS, COMMANDS, LANES, PICTURE, RESULT, Command, Commands, key_name
from napari_blotquant.editor import Editor
from napari_blotquant.layers import BlotLayers
from napari_blotquant.shapes import PALETTE
from napari_blotquant.widgets.bands import ProfilePlot, ReadOut
from napari_blotquant.widgets.messages import PICTURES, Messages
from napari_blotquant.widgets.pages import StepPages, button
from napari_blotquant.widgets.ratios import Tables
from napari_blotquant.workbench import Workbench

SHEET = """
QLabel#title {{ font-size: 14px; font-weight: 600; }}
QLabel#state, QLabel#hint, QLabel#under, QLabel#legend {{ color: {soft}; font-size: 11px; }}
QLabel#number {{ font-size: 20px; font-weight: 600; }}
QLabel#problem {{ background: {problem}; padding: 5px; border-radius: 4px; }}
QLabel#note {{ background: {note}; padding: 5px; border-radius: 4px; }}
QLabel#flags {{ color: {flags}; }}
QPushButton {{ padding: 3px 4px; min-width: 8px; }}
QPushButton#step {{ padding: 4px 1px; border-radius: 4px; }}
QPushButton#step:checked {{ background: #0072B2; color: white; }}
QTableView {{ gridline-color: transparent; }}
"""
DARK = {"soft": "#9aa4ae", "problem": "#6d3b12; color: #ffe6c9", "note": "#24485f; color: #d9ecf8", "flags": "#f0b35a"}
LIGHT = {"soft": "#56606b", "problem": "#ffe3c4; color: #5c2c00", "note": "#d6ebfa; color: #0b3a57", "flags": "#8a4b00"}
GUARD = "blotquant_guard"
TURN_MS = 10
"""Between two steps of what would hold the window up in one: it paints and answers."""


def guard_of(viewer: Any) -> Guard:
    """What a window works on; made when it is first asked for, and gone with the window."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    window = viewer.window.main_menu.window()
    found = window.findChild(QObject, GUARD, Qt.FindChildOption.FindDirectChildrenOnly)
    return found if isinstance(found, Guard) else Guard(viewer, window)


class Guard(QObject):
    """Holds what one window works on, whether its dock is open or not, and watches over unsaved work.

    `asks` is whether questions are asked: tests answer none.
    """

    def __init__(self, viewer: Any, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName(GUARD)
        self.asks = True
        self.bench, self.layers = Workbench(), BlotLayers(viewer)
        self.hand = Commands(self.bench, self.layers)
        bench, layers = self.bench, self.layers
        bench.may_leave, bench.ask, bench.ask_place = self.may_leave, self.ask, self.ask_place
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._next_step)
        bench.began.connect(lambda label: self._turn.start(TURN_MS) if label else None)
        self.hand.named_target.connect(self._focus_picture)
        self.hand.stepped.connect(self._expect)
        bench.opened.connect(self._show)
        bench.related.connect(self._name_lanes)
        bench.stated.connect(self._name_lanes)
        bench.selected.connect(self._select)
        layers.filled.connect(self._shown)
        layers.picked.connect(bench.select)
        layers.picked_lane.connect(bench.select_lane)
        layers.previewed.connect(bench.previewed.emit)
        layers.pointed.connect(bench.pointed.emit)
        layers.refused.connect(self._refuse)
        for watched in (window, *window.findChildren(QOpenGLWidget)):
            watched.installEventFilter(self)

    def _next_step(self) -> None:
        if self.layers.next_step():
            self._turn.start(TURN_MS)

    def _show(self) -> None:
        assert self.bench.editor is not None
        self.layers.samples = self.bench.samples
        self.layers.begin(self.bench.editor)
        self.bench.is_filling = True
        self._turn.start(TURN_MS)

    def _shown(self) -> None:
        self.hand.go(BANDS)
        self.bench.shown()

    def _expect(self, step: int) -> None:
        """Where lanes are worked on they may be bent: making the layer for that would hold the window up then."""
        if step == LANES:
            self.layers.expect(self.layers.centers)
            self._turn.start(TURN_MS)

    def _name_lanes(self) -> None:
        if self.bench.editor is not None and self.layers.editor is self.bench.editor:
            self.layers.samples = self.bench.samples
            self.layers.show_labels()

    def _select(self) -> None:
        self.layers.show_selected(self.bench.band_id)

    def _refuse(self, reason: str) -> None:
        self.bench.said.emit(reason, "problem")

    def may_leave(self) -> bool:
        """Whether the present blot may be left: unsaved edits are asked about."""
        editor = self.bench.editor
        if editor is None or not editor.is_dirty or not self.asks:
            return True
        text, buttons = f"{editor.image.name} has edits that were not saved.", QMessageBox.StandardButton
        choice = buttons.Save | buttons.Discard | buttons.Cancel
        answer = QMessageBox.question(self._window, "Unsaved edits", text, choice)
        if answer == buttons.Discard:
            self.bench.autosaver.forget(editor.session)
        return bool(answer == buttons.Discard or (answer == buttons.Save and self.bench.save()))

    def ask(self, text: str) -> bool:
        """Whether something is to be done."""
        yes = QMessageBox.StandardButton.Yes
        return not self.asks or bool(QMessageBox.question(self._window, "BlotQuant", text) == yes)

    def ask_place(self, text: str, name: str) -> Path | None:
        """Where a session is to be saved that cannot be where it was."""
        found = QFileDialog.getSaveFileName(self._window, text, name, "*.blot.json")[0] if self.asks else ""
        return Path(found) if found else None

    @property
    def _window(self) -> QWidget:
        return cast(QWidget, self.parent())

    def _focus_picture(self, _name: str = "", _band: str = "") -> None:
        canvas = self._window.findChild(QOpenGLWidget)
        if canvas is not None:
            canvas.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Ask before the window closes over unsaved work; give the keys to the picture when the pointer comes to it."""
        kind = event.type()
        if isinstance(watched, QOpenGLWidget):
            if kind == QEvent.Type.Enter:
                watched.setFocus()
            elif kind == QEvent.Type.Leave:
                self.layers.leave()
            elif isinstance(event, QContextMenuEvent) and self.layers.is_active():
                self._menu(event.globalPos())
        if kind == QEvent.Type.ShortcutOverride and self._is_save(event):
            event.accept()  # while a blot is worked on, this key is not that of napari's "Save Selected Layers"
            return True
        if kind == QEvent.Type.Close and watched is self.parent():
            if not self.may_leave():
                event.ignore()
                return True
            self.bench.close()
        return False

    def _is_save(self, event: QEvent) -> bool:
        return isinstance(event, QKeyEvent) and event.matches(QKeySequence.StandardKey.Save) and self.layers.is_active()

    def _menu(self, place: QPoint) -> None:
        """What can be done with what is under the pointer."""
        here, menu = self.layers.here(), QMenu(self._window)
        for command in COMMANDS:
            if getattr(here, command.on, "") if command.on in ("band", "lane") else self._is_of_picture(command):
                action = menu.addAction(f"{command.label}\t{key_name(command.key)}")
                action.triggered.connect(lambda _checked=False, name=command.name: self.hand.run(name, by_key=True))
        menu.popup(place)

    def _is_of_picture(self, command: Command) -> bool:
        """Whether the menu has it beside all lanes, or wherever the picture is worked on."""
        is_there = self.hand.step == PICTURE or not self.layers.hit.lane
        return command.on == "picture" and is_there


class BlotDock(QWidget):
    """Open, check, correct, measure and save one blot after the other.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.guard = guard_of(napari_viewer)
        self.bench, self.layers, self.hand = self.guard.bench, self.guard.layers, self.guard.hand
        self.setAcceptDrops(True)
        self.setMinimumWidth(400)
        self._build()
        self._lay_out()
        self._set_theme()
        napari_viewer.events.theme.connect(self._set_theme)
        self.hand.stepped.connect(self._on_step)
        self.hand.named_target.connect(self._on_named)
        for signal in (self.bench.opened, self.bench.edited, self.bench.stated, self.bench.measured):
            signal.connect(self._refresh)
        self.steps.refresh()
        self.bench.stated.emit()

    def _build(self) -> None:
        bench, hand = self.bench, self.hand
        self.messages, self.steps = Messages(bench), StepPages(bench, hand, self.layers)
        self.read_out, self.profile, self.tables = ReadOut(bench), ProfilePlot(bench), Tables(bench)
        self.tables.bands.looked_at = self._look
        self.buttons = {
            "open": button("Open…", "A picture or a session", self.ask),
            "folder": button("Folder…", "All blots of a folder or of a results folder", self.ask_folder),
            **{name: button(name.title(), "", partial(hand.run, name)) for name in ("save", "undo", "redo")},
        }
        self.doubt_button = button("Next doubt (N)", "The least sure", lambda: hand.run("next_doubt"))
        self.right_button = button("It is right (A)", "And go on to the next", lambda: hand.run("confirm"))
        self.blind = QPushButton("Blind")
        self.blind.setCheckable(True)
        self.blind.setToolTip("Hide what the lanes are and shuffle the list while correcting; the record tells")
        self.blind.toggled.connect(self._set_blind)
        self.legend = QLabel("  ".join(f'<span style="color:{c}">■</span> {said}' for c, said in PALETTE.values()))
        self.legend.setObjectName("legend")
        self.legend.setWordWrap(True)

    def _lay_out(self) -> None:
        column, bar, doubts = QVBoxLayout(self), QHBoxLayout(), QHBoxLayout()
        column.setSpacing(4)
        column.setContentsMargins(6, 4, 6, 4)
        for made in (*self.buttons.values(), self.blind):
            made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            bar.addWidget(made)
        doubts.addWidget(self.doubt_button)
        doubts.addWidget(self.right_button)
        lower = QSplitter(Qt.Orientation.Vertical)
        lower.addWidget(self.profile)
        lower.addWidget(self.tables)
        lower.setSizes([130, 320])
        lower.setStretchFactor(1, 1)
        self.tables.setMinimumHeight(90)
        column.addLayout(bar)
        column.addWidget(self.messages)
        column.addWidget(self.steps)
        column.addLayout(doubts)
        column.addWidget(self.read_out)
        column.addWidget(lower, 1)
        column.addWidget(self.legend)
        for kind in (QComboBox, QAbstractSpinBox):
            for box in self.findChildren(kind):
                box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                box.installEventFilter(self)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Leave most of the window to the picture."""
        return QSize(400, 600)

    @property
    def editor(self) -> Editor | None:
        """The open blot."""
        return self.bench.editor

    def open_path(self, path: Path | str) -> None:
        """Open a picture or a session; of a folder or an experiment, list the blots."""
        self.bench.open_path(Path(path))

    def open_image(self, image: BlotImage) -> None:
        """Open a picture that is in memory."""
        self.bench.open_image(image)

    def ask(self) -> None:
        """Ask for a file and open it."""
        name, _ = QFileDialog.getOpenFileName(self, "Open a blot", "", PICTURES)
        if name:
            self.open_path(name)

    def ask_folder(self) -> None:
        """Ask for a folder and list its blots."""
        if name := QFileDialog.getExistingDirectory(self, "List the blots of a folder"):
            self.open_path(name)

    def _set_blind(self, is_blind: bool) -> None:
        if self.bench.editor is not None:
            self.bench.editor.set_blind(is_blind)

    def _on_step(self, step: int) -> None:
        if step == RESULT:
            self.tables.setCurrentWidget(self.tables.ratio_page)

    def _on_named(self, _name: str, _band: str) -> None:
        """With a second target there is a ratio to look at."""
        editor = self.bench.editor
        if editor is not None and len({band.target for band in editor.layout.bands if band.target}) > 1:
            self.tables.setCurrentWidget(self.tables.ratio_page)

    def _look(self, band_id: str) -> None:
        editor = self.bench.editor
        band = editor.band(band_id) if editor is not None else None
        if band is not None:
            self.layers.look_at(band.outline)

    def _refresh(self, _touched: object = None) -> None:
        editor = self.bench.editor
        history = editor.session.history if editor is not None else None
        self.buttons["save"].setEnabled(editor is not None)
        self.buttons["undo"].setEnabled(bool(history and history.undoable))
        self.buttons["redo"].setEnabled(bool(history and history.redoable))
        for part in (self.blind, self.steps, self.doubt_button, self.right_button):
            part.setEnabled(editor is not None or part is self.steps)
        if editor is not None:
            self.blind.setChecked(editor.is_blind)
            self.doubt_button.setText(f"Next doubt (N)  ·  {len(editor.doubts())} left")

    def _set_theme(self, _event: object = None) -> None:
        from napari.utils.theme import get_theme

        is_light = get_theme(self.viewer.theme).type == "light"
        self.setStyleSheet(SHEET.format(**(LIGHT if is_light else DARK)))
        self.profile.set_theme(is_light=is_light)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Let the wheel scroll and never change a value; one is changed by a click or a key."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QComboBox | QAbstractSpinBox):
            event.ignore()
            return True
        return False

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Take files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Open what was dropped on the dock: a picture of any kind, a session, a folder, an experiment."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.open_path(paths[0])
