"""The dock: from the picture to the ratio in the order of the work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from blotquant.errors import OutputError
from blotquant.image import BlotImage
from blotquant.record.session import Session
from napari_blotquant import _work
from napari_blotquant._convert import flags_in_words
from napari_blotquant._hand import Hand
from napari_blotquant._jobs import Jobs, explain
from napari_blotquant._layers import BlotLayers
from napari_blotquant._model import Editor, Weighing
from napari_blotquant._panels import BlotTables, ReadOut
from napari_blotquant._profile import ProfilePlot
from napari_blotquant._reader import PICTURES
from napari_blotquant._recover import Autosaver, autosave_path, find_rescued
from napari_blotquant._shield import shield_none
from napari_blotquant._steps import StepPages
from napari_blotquant._style import SHEET
from napari_blotquant._toolbar import Toolbar

SETTLE_MS = 600
"""Exact numbers are made when no edit came for so long."""
SWITCH_S = 0.0005
"""Each call into Qt gives the interpreter away; the window would wait 5 ms (Python's default) to get it back."""


class BlotDock(QWidget):
    """Open, check, correct, weigh and save one blot after the other.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        shield_none()
        self.viewer = napari_viewer
        self.editor: Editor | None = None
        self.layers: BlotLayers | None = None
        self.hand: Hand | None = None
        self.autosaver = Autosaver()
        self.asks = True
        self._is_weighing = False
        self.jobs = Jobs()
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._weigh)
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self._build()
        window = getattr(napari_viewer.window, "_qt_window", None)
        if window is not None:
            window.installEventFilter(self)
        self._offer_rescued()

    # building

    def _build(self) -> None:
        self.setStyleSheet(SHEET)
        self.setMinimumWidth(420)
        self.title = QLabel("No blot open")
        self.title.setObjectName("title")
        self.state = QLabel("Open a picture, drop a .scn, .gel, .1sc or .blot.json, or take the sample data.")
        self.state.setObjectName("state")
        self.state.setWordWrap(True)
        self.message = QLabel()
        self.message.setObjectName("problem")
        self.message.setWordWrap(True)
        self.message.hide()
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setMaximumHeight(6)
        self.progress.setTextVisible(False)
        self.progress.hide()
        self.steps = StepPages(self)
        self.read_out = ReadOut()
        self.profile = ProfilePlot(self._limits_dragged, self.pick)
        self.tables = BlotTables(self.pick, self.pick_lane, self.open_path)
        self.doubt_button = QPushButton("Next doubt  (N)")
        self.doubt_button.setObjectName("doubt")
        self.doubt_button.clicked.connect(lambda _checked=False: self._by_hand("next_doubt"))
        lower = QSplitter(Qt.Orientation.Vertical)
        lower.addWidget(self.profile)
        lower.addWidget(self.tables)
        lower.setSizes([190, 300])
        lower.setStretchFactor(1, 1)
        column = QVBoxLayout(self)
        self.toolbar = self._toolbar()
        self.blind = self.toolbar.blind
        column.addWidget(self.toolbar)
        for part in (
            self.title,
            self.state,
            self.progress,
            self.message,
            self.steps,
            self.doubt_button,
            self.read_out,
        ):
            column.addWidget(part)
        column.addWidget(lower, 1)
        self._enable()

    def _toolbar(self) -> Toolbar:
        slots: dict[str, Callable[[], object]] = {
            "Open…": self.ask_open,
            "Folder…": self.ask_folder,
            "Save": self.save,
            "Undo": partial(self._by_hand, "undo"),
            "Redo": partial(self._by_hand, "redo"),
        }
        return Toolbar(slots, self._set_blind)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Leave most of the window to the picture."""
        return QSize(440, 800)

    def _enable(self) -> None:
        self.toolbar.enable(self.editor)
        for part in (self.steps, self.doubt_button):
            part.setEnabled(self.editor is not None)

    # opening

    def ask_open(self) -> None:
        """Ask for a file and open it."""
        name, _ = QFileDialog.getOpenFileName(self, "Open a blot", "", PICTURES)
        if name:
            self.open_path(Path(name))

    def ask_folder(self) -> None:
        """Ask for a folder and list its blots."""
        if name := QFileDialog.getExistingDirectory(self, "List the blots of a folder"):
            self.open_path(Path(name))

    def open_path(self, path: Path | str) -> None:
        """Open a picture or a session; of a folder or an experiment, list the blots."""
        place = Path(path)
        if place.is_dir() or place.suffix == ".toml":
            self.tables.show_blots(_work.list_blots(place))
            return
        if self._may_leave():
            self.run(f"Opening {place.name}", lambda: _work.open_blot(place), self._opened)

    def open_image(self, image: BlotImage) -> None:
        """Open a picture that is in memory."""
        if self._may_leave():
            self.run(f"Finding lanes and bands in {image.name}", lambda: _work.start(image), self._opened)

    def _opened(self, opened: _work.Opened) -> None:
        self.show_blot(opened.image, opened.session, opened.path)

    def show_blot(self, image: BlotImage, session: Session, path: Path | None = None) -> None:
        """Show a picture with its session and begin to weigh it."""
        if self.layers is not None:
            self.layers.remove()
        self.editor = Editor(image, session, path=path, autosaver=self.autosaver)
        self._offer_restore(self.editor)
        self.layers = BlotLayers(self.viewer, self.editor)
        self.hand = Hand(self.layers, self.note)
        self.hand.bind_keys()
        self.steps.show_blot(self.editor, self.layers, self.hand)
        self.layers.picked.connect(self.pick)
        self.layers.picked_lane.connect(self._show_lane)
        self.layers.previewed.connect(self.read_out.show_preview)
        self.layers.refused.connect(self.say)
        self.editor.edited.connect(self._on_edited)
        self.editor.weighed.connect(self._show_numbers)
        self.editor.stated.connect(self._show_state)
        self.viewer.layers.selection.active = self.layers.bands
        self.layers.bands.mode = "select"
        self.layers.fit()
        self.blind.setChecked(False)
        self._show_numbers()
        self._say_doubts(image, self.editor)
        self._weigh()

    def _say_doubts(self, image: BlotImage, editor: Editor) -> None:
        words = flags_in_words(";".join((*image.flags, *editor.layout.flags)))
        fits = "\n".join(f"Edit {c.edit.seq} ({c.edit.action}) no longer fits: {c.reason}" for c in editor.conflicts)
        self.say("\n".join(part for part in (words, fits) if part))

    def _offer_rescued(self) -> None:
        if rescued := list(find_rescued()):
            names = ", ".join(item.label for item in rescued[:3])
            self.say(f"Not saved when napari last ended: {names}. Open that picture to get the edits back.")
            self.tables.show_blots([_work.Blot(item.path, "not saved") for item in rescued])

    def _offer_restore(self, editor: Editor) -> None:
        """Edits that were autosaved and never saved come back, unless the user says no."""
        kept = autosave_path(editor.session)
        found = next((r for r in find_rescued() if r.path == kept), None)
        if found is None or len(found.session.history) <= len(editor.session.history):
            return
        if not self.asks or self._ask(
            "Restore", f"There are edits that were never saved ({found.label}). Restore them?"
        ):
            editor.restore(found.session)
        else:
            self.autosaver.forget(editor.session)

    # slow work

    def run(self, label: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Run slow work in a thread and say so; a later call makes an earlier one's result void."""
        self.say("")
        self.state.setText(f"{label}…")
        self.progress.show()

        def finished(result: Any) -> None:
            self.progress.hide()
            done(result)

        def failed(error: Exception) -> None:
            self.progress.hide()
            self._show_state()
            self.say(explain(error))

        self.jobs.start_latest(work, finished, failed)

    def _weigh(self) -> None:
        """Have exact numbers made in the background, one weighing at a time; those on show are close to them."""
        editor = self.editor
        if editor is None or self._is_weighing:
            return
        self._is_weighing = True
        needs_auto = editor.auto_table.empty

        def work() -> tuple[Weighing, Any]:
            return editor.weigh(), editor.weigh_auto() if needs_auto else None

        def finished(result: tuple[Weighing, Any]) -> None:
            self._is_weighing = False
            if editor is not self.editor or not editor.accept(*result):
                self._settle.start()

        def failed(error: Exception) -> None:
            self._is_weighing = False
            self.say(explain(error))

        self.jobs.start(work, finished, failed)

    # what happens

    def _on_edited(self, _changes: Any) -> None:
        self._show_numbers()
        self._settle.start()

    def _show_numbers(self) -> None:
        editor, layers = self.editor, self.layers
        if editor is None or layers is None:
            return
        self.tables.show_editor(editor)
        self.steps.refresh()
        chosen = layers.selected_ids()
        self._show_band(chosen[0] if len(chosen) == 1 else self.read_out.band_id)
        self._show_state()

    def _show_state(self) -> None:
        editor = self.editor
        self._enable()
        if editor is None:
            return
        layout, edits = editor.layout, len({edit.group for edit in editor.session.history.effective()})
        self.title.setText(editor.image.name)
        saved = "not saved" if editor.is_dirty else ("saved" if editor.path else "untouched")
        numbers = "" if editor.is_exact else "  ·  weighing…"
        count = f"{len(layout.strips)} strips  ·  {len(layout.lanes)} lanes  ·  {len(layout.bands)} bands"
        self.state.setText(f"{count}  ·  {edits} edits, {saved}{numbers}")
        self.doubt_button.setText(f"Next doubt  (N)  ·  {len(editor.doubts())} left")
        if self.autosaver.problem:
            self.say(f"Autosave does not work: {self.autosaver.problem}")

    def pick(self, band_id: str) -> None:
        """Select a band everywhere: picture, table, profile, read-out."""
        if not band_id or self.layers is None:
            return
        if self.layers.selected_ids() != [band_id]:
            self.layers.select(band_id)
        self._show_band(band_id)
        self.tables.pick(band_id)

    def pick_lane(self, number: int) -> None:
        """Show the profile of a lane by its number on the first strip that has it."""
        if self.editor is not None:
            self._show_lane(next((lane.id for lane in self.editor.layout.lanes if lane.number == number), ""))

    def _show_lane(self, lane_id: str) -> None:
        if self.editor is not None:
            lane = next((lane for lane in self.editor.layout.lanes if lane.id == lane_id), None)
            self.profile.show_lane(self.editor.scene, self.editor.layout, lane, "")

    def _show_band(self, band_id: str) -> None:
        editor = self.editor
        if editor is None:
            return
        layout = editor.layout
        band = next((b for b in layout.bands if b.id == band_id), None)
        self.read_out.show_band(editor, band)
        lane = layout.lane(band.lane) if band else (layout.lanes[0] if layout.lanes else None)
        self.profile.show_lane(editor.scene, layout, lane, band_id)

    def _limits_dragged(self, band_id: str, top: float, bottom: float) -> None:
        if self.hand is not None and not self.hand.set_limits(band_id, top, bottom):
            self._show_numbers()

    def _set_blind(self, is_blind: bool) -> None:
        if self.editor is not None:
            self.editor.set_blind(is_blind)
            self._show_numbers()

    def note(self, text: str) -> None:
        """Show a line that is no problem."""
        self.say(text, "note")

    def say(self, text: str, kind: str = "problem") -> None:
        """Show a line to the user, or take it away."""
        if self.message.objectName() != kind:
            self.message.setObjectName(kind)
            self.message.style().unpolish(self.message)
            self.message.style().polish(self.message)
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def _by_hand(self, method: str) -> None:
        if self.hand is not None:
            getattr(self.hand, method)()

    # keeping

    def save(self) -> bool:
        """Save the session where it came from, else beside the picture; ask where that cannot be written."""
        if self.editor is None:
            return False
        try:
            target = self.editor.save()
        except OutputError as error:
            name = ""
            if self.asks:
                name, _ = QFileDialog.getSaveFileName(self, f"{error}", self.editor.default_path.name, "*.blot.json")
            if not name:
                self.say(f"{error}. Nothing is lost: the edits are autosaved.")
                return False
            target = self.editor.save(Path(name))
        self.say("")
        self.state.setText(f"Saved {target}")
        return True

    def _may_leave(self) -> bool:
        if self.editor is None or not self.editor.is_dirty or not self.asks:
            return True
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self, "Unsaved edits", f"{self.editor.image.name} has edits that were not saved.",
            buttons.Save | buttons.Discard | buttons.Cancel,
        )  # fmt: skip
        if answer == buttons.Save:
            return self.save()
        if answer == buttons.Discard:
            self.autosaver.forget(self.editor.session)
        return bool(answer == buttons.Discard)

    def _ask(self, title: str, text: str) -> bool:
        return bool(QMessageBox.question(self, title, text) == QMessageBox.StandardButton.Yes)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802, ARG002 - Qt's name
        """Ask before the window closes over unsaved work."""
        if event.type() == QEvent.Type.Close:
            if not self._may_leave():
                event.ignore()
                return True
            self.autosaver.close()
        return False
