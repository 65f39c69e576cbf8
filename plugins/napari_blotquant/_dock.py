"""The dock: from the picture to the ratio in the order of the work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QKeySequence, QShowEvent
from qtpy.QtWidgets import QMessageBox, QPushButton, QSplitter, QVBoxLayout, QWidget

from blotquant.model.image import BlotImage
from blotquant.session.history import Change
from blotquant.session.session import Session
from napari_blotquant._calm import set_libraries_aside, take_libraries_back
from napari_blotquant._canvas import canvas_of
from napari_blotquant._convert import flags_in_words
from napari_blotquant._hand import Hand
from napari_blotquant._jobs import Jobs, explain, take_turns, warm_up
from napari_blotquant._keeping import Keeping
from napari_blotquant._layers import BlotLayers
from napari_blotquant._look import look_at
from napari_blotquant._messages import Messages
from napari_blotquant._model import Editor
from napari_blotquant._opening import Opening
from napari_blotquant._panels import BlotTables, ReadOut
from napari_blotquant._profile import ProfilePlot
from napari_blotquant._recover import Autosaver
from napari_blotquant._shield import shield_none
from napari_blotquant._steps import StepPages
from napari_blotquant._style import SHEET
from napari_blotquant._toolbar import Toolbar
from napari_blotquant._weighing import Weigher
from napari_blotquant._work import Opened

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
        self._old: list[BlotLayers] = []
        self._is_watching = False
        self.hand: Hand | None = None
        self.autosaver = Autosaver()
        self.asks = True
        self.jobs = Jobs()
        self.opening = Opening(self)
        self.keeping = Keeping(self)
        self.weigher = Weigher(self)
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self.setAcceptDrops(True)
        self._build()
        self.opening.offer_rescued()
        warm_up()

    # building

    def _build(self) -> None:
        self.setStyleSheet(SHEET)
        self.setMinimumWidth(420)
        self.messages = Messages(self._cancel)
        self.steps = StepPages(self)
        self.read_out = ReadOut()
        self.profile = ProfilePlot(self._limits_dragged, self.pick)
        self.tables = BlotTables(self.pick, self.pick_lane, self.open_path)
        self.doubt_button = QPushButton("Next doubt  (N)")
        self.doubt_button.setObjectName("doubt")
        self.doubt_button.clicked.connect(lambda _checked=False: self.by_hand("next_doubt"))
        lower = QSplitter(Qt.Orientation.Vertical)
        lower.addWidget(self.profile)
        lower.addWidget(self.tables)
        lower.setSizes([190, 300])
        lower.setStretchFactor(1, 1)
        self.toolbar = self._toolbar()
        self.blind = self.toolbar.blind
        column = QVBoxLayout(self)
        for part in (self.toolbar, self.messages, self.steps, self.doubt_button, self.read_out):
            column.addWidget(part)
        column.addWidget(lower, 1)
        self._enable()

    def _toolbar(self) -> Toolbar:
        slots: dict[str, Callable[[], object]] = {
            "Open…": self.opening.ask,
            "Folder…": self.opening.ask_folder,
            "Save": self.save,
            "Undo": partial(self.by_hand, "undo"),
            "Redo": partial(self.by_hand, "redo"),
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

    def open_path(self, path: Path | str) -> None:
        """Open a picture or a session; of a folder or an experiment, list the blots."""
        self.opening.open_path(Path(path))

    def open_image(self, image: BlotImage) -> None:
        """Open a picture that is in memory."""
        self.opening.open_image(image)

    def show_blot(self, image: BlotImage, session: Session, path: Path | None = None) -> None:
        """Show a picture with its session at once and begin to weigh it."""
        for _ in self.begin(Opened(image, session, path, look_at(image))):
            pass

    def begin(self, opened: Opened) -> Generator[None, None, None]:
        """Show a picture with its session step by step."""
        if self.layers is not None:
            self._old.append(self.layers)
        for old in self._old:
            old.close()
        editor = Editor(opened.image, opened.session, path=opened.path, autosaver=self.autosaver)
        self.opening.offer_restore(editor)
        layers = BlotLayers(self.viewer, editor, opened.look)
        self.editor, self.layers = None, None
        self._old.append(layers)  # if another one is opened before this one stands
        yield
        yield from layers.build()
        while self._old[0] is not layers:  # now, not before: painting a canvas that is empty again can crash in OpenGL
            yield from self._old[0].remove()
            del self._old[0]
        self._old.clear()
        layers.keep_names()
        self.profile.lane_id = ""
        self.editor, self.layers, self.hand = editor, layers, Hand(layers, self.note)
        self._connect(editor, layers, self.hand)
        yield
        self.blind.setChecked(False)
        self.weigher.show_blot(editor)
        self.steps.go(self.steps.BANDS)
        layers.fit()
        yield
        self._show_numbers()
        self.tables.mark_blot(self.opening.places)
        self._say_doubts(opened.image, editor)
        self.weigher.start()

    def _connect(self, editor: Editor, layers: BlotLayers, hand: Hand) -> None:
        hand.bind_keys()
        self.steps.show_blot(editor, layers, hand)
        layers.picked.connect(self.pick)
        layers.picked.connect(self.steps.picked)
        layers.picked_lane.connect(self._show_lane)
        layers.previewed.connect(self.read_out.show_number)
        layers.refused.connect(self.say)
        layers.in_turns = take_turns
        hand.saved.connect(self.save)
        hand.went_on.connect(self.opening.open_next)
        hand.stepped.connect(self.steps.go)
        editor.edited.connect(self._on_edited)
        editor.weighed.connect(self._show_numbers)
        editor.stated.connect(self._show_state)

    def _say_doubts(self, image: BlotImage, editor: Editor) -> None:
        words = flags_in_words(";".join((*image.flags, *editor.layout.flags)))
        self.say("\n".join(part for part in (words, editor.misfits()) if part))

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

    # slow work

    def run(
        self,
        label: str,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        *,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run slow work in a thread and say so; a later call makes an earlier one's result void."""
        self.say("")
        self.messages.begin(label)

        def finished(result: Any) -> None:
            self.messages.end()
            done(result)

        def went_wrong(error: Exception) -> None:
            self.messages.end()
            self._show_state()
            self.say(explain(error))
            if failed is not None:
                failed(error)

        self.jobs.start_latest(work, finished, went_wrong)

    def _cancel(self) -> None:
        self.jobs.cancel()
        self.messages.end()
        self._show_state()
        self.note("Cancelled; nothing was changed")

    # what happens

    def _on_edited(self, changes: list[Change] | None) -> None:
        self.weigher.wait()
        kinds = {change.kind for change in changes} if changes is not None else {"settings"}
        if kinds == {"band"}:
            self._show_numbers({change.object_id for change in changes or ()})
        else:
            self.steps.refresh()
            self._show_numbers()

    def _show_numbers(self, touched: set[str] | None = None) -> None:
        editor, layers = self.editor, self.layers
        if editor is None or layers is None:
            return
        self.tables.show_editor(editor, touched)
        chosen = layers.selected_ids() if layers.is_active(layers.bands) else []
        self._show_band(chosen[0] if len(chosen) == 1 else self.read_out.band_id)
        self._show_state()

    def _show_state(self) -> None:
        editor = self.editor
        self._enable()
        if editor is None:
            return
        self.messages.show_editor(editor)
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
            self.read_out.show_band(self.editor, None)
            self.profile.show_lane(self.editor, lane, "")

    def _show_band(self, band_id: str) -> None:
        editor = self.editor
        if editor is None:
            return
        layout = editor.layout
        band = next((b for b in layout.bands if b.id == band_id), None)
        self.read_out.show_band(editor, band)
        seen = [lane for lane in layout.lanes if lane.id == (band.lane if band else self.profile.lane_id)]
        self.profile.show_lane(editor, next(iter(seen or layout.lanes), None), band_id)
        if band is None:
            self.tables.pick("")

    def _limits_dragged(self, band_id: str, top: float, bottom: float) -> None:
        if self.hand is not None and not self.hand.set_limits(band_id, top, bottom):
            self._show_numbers()

    def _set_blind(self, is_blind: bool) -> None:
        if self.editor is not None and self.layers is not None:
            self.editor.set_blind(is_blind)
            self.layers.show_labels()
            self.weigher.show_samples()
            self._show_numbers()

    def _is_save(self, event: QEvent) -> bool:
        """Whether an event is the key that saves, and a layer of the blot is worked on."""
        is_key = isinstance(event, QKeyEvent) and event.matches(QKeySequence.StandardKey.Save)
        return is_key and self.layers is not None and self.layers.is_active()

    def focus_picture(self) -> None:
        """Give the keys to the picture; a field of the dock may have had them."""
        canvas = canvas_of(self.viewer)
        if canvas is not None:
            canvas.setFocus()

    def note(self, text: str) -> None:
        """Show a line that is no problem."""
        self.messages.say(text, "note")

    def say(self, text: str) -> None:
        """Show a problem to the user, or take it away."""
        self.messages.say(text)

    def offer(self, label: str, action: Callable[[], object]) -> None:
        """Show a way on below the message."""
        self.messages.offer(label, action)

    def by_hand(self, method: str) -> None:
        """Do what a key does."""
        if self.hand is not None:
            getattr(self.hand, method)()

    # keeping

    def save(self) -> bool:
        """Save the session; False if it could not be saved anywhere."""
        return self.keeping.save()

    def may_leave(self) -> bool:
        """Whether the present blot may be left."""
        return self.keeping.may_leave()

    def ask(self, title: str, text: str) -> bool:
        """Ask yes or no."""
        return bool(QMessageBox.question(self, title, text) == QMessageBox.StandardButton.Yes)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Watch the window that the dock is shown in."""
        super().showEvent(event)
        if self.window() is not self:
            for watched in (self.window(), canvas_of(self.viewer)):  # not kept: they would keep the viewer alive
                if watched is not None:
                    watched.installEventFilter(self)
            if not self._is_watching:
                set_libraries_aside()
            self._is_watching = True

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Ask before the window closes over unsaved work; give the keys to the picture when the pointer comes to it."""
        if event.type() == QEvent.Type.Enter and watched is canvas_of(self.viewer):
            self.focus_picture()
        if event.type() == QEvent.Type.ShortcutOverride and self._is_save(event):
            event.accept()  # while a blot is worked on, this key is not that of napari's "Save Selected Layers"
            return True
        if event.type() == QEvent.Type.Close and watched is self.window():
            if not self.may_leave():
                event.ignore()
                return True
            self.autosaver.close()
            take_libraries_back()
        return False
