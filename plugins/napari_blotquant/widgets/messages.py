"""What the dock tells: which blot, how it stands, what is going on, what is wrong and the way on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from blotquant.flags import flags_in_words
from napari_blotquant.workbench import Workbench

PICTURES = "Blots (*.tif *.tiff *.scn *.gel *.1sc *.png *.jpg *.jpeg *.blot.json);;All files (*)"
CHANNELS = ("channel…", "red", "green", "blue", "700", "800")
PAGES = ("page…", *(str(k) for k in range(16)))


class Messages(QWidget):
    """Title, state, progress with *cancel*, one message with its way on, and what was not saved last time."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self.bench = bench
        self.title, self.state = QElidingLabel("No blot open"), QLabel()
        self.title.setObjectName("title")
        self.state.setObjectName("state")
        self.state.setWordWrap(True)
        self.state.setText("Open a picture, drop it or its folder here, or take the sample data.")
        self.message, self.way_on = QLabel(), QPushButton()
        self.message.setObjectName("problem")
        self.message.setWordWrap(True)
        self.page, self.channel = QComboBox(), QComboBox()
        self.page.addItems(PAGES)
        self.channel.addItems(CHANNELS)
        self.channel.setEditable(True)
        self._action: Any = None
        self.way_on.clicked.connect(self._go_on)
        self._build()
        self._show_rescued()
        for signal in (bench.opened, bench.edited, bench.measured, bench.stated):
            signal.connect(self.refresh)
        bench.said.connect(self.say)
        bench.offered.connect(self.offer)
        bench.began.connect(self._begin)
        bench.opened.connect(self._show_flags)

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._progress, self.cancel = QProgressBar(), QPushButton("Cancel")
        self._progress.setRange(0, 0)
        self._progress.setMaximumHeight(6)
        self._progress.setTextVisible(False)
        self.cancel.clicked.connect(self.bench.cancel)
        self.rescue, self.get_back = QLabel(), QPushButton("Get them back")
        self.rescue.setObjectName("note")
        self.rescue.setWordWrap(True)
        self.get_back.clicked.connect(self._get_back)
        self._busy = _row(self._progress, self.cancel)
        self._choice = _row(self.page, self.channel)
        self._kept = _row(self.rescue, self.get_back)
        for part in (self.title, self.state, self._busy, self._kept, self.message, self._choice, self.way_on):
            column.addWidget(part)
        for part in (self._busy, self.message, self._choice, self.way_on):
            part.hide()

    def _show_rescued(self) -> None:
        """Stays until it is dealt with: no later message wipes it."""
        rescued = self.bench.rescued
        self._kept.setVisible(bool(rescued))
        names = "; ".join(item.label for item in rescued[:3])
        self.rescue.setText(f"Not saved when napari last ended: {names}. They are listed under Blots.")

    def _get_back(self) -> None:
        self.bench.open_path(self.bench.rescued[0].path)

    def refresh(self, _touched: object = None) -> None:
        """Show which blot that is and how it stands."""
        editor = self.bench.editor
        self._show_rescued()
        if editor is None:
            return
        layout, edits = editor.layout, len({edit.group for edit in editor.session.edits_in_force})
        self.title.setText(editor.image.name)
        saved = "not saved" if editor.is_dirty else ("saved" if editor.path else "untouched")
        numbers = "" if editor.is_exact else "  ·  measuring…"
        parts = (
            (len(layout.strips), "strip"),
            (len(layout.lanes), "lane"),
            (len(layout.bands), "band"),
            (edits, "edit"),
        )
        count = "  ·  ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in parts)
        self.state.setText(f"{count}, {saved}{numbers}")
        if self.bench.autosaver.problem:
            self.say(f"Autosave does not work: {self.bench.autosaver.problem}")

    def _show_flags(self) -> None:
        editor = self.bench.editor
        if editor is not None:
            words = flags_in_words(";".join((*editor.image.flags, *editor.layout.flags)))
            self.say("\n".join(part for part in (words, editor.misfits()) if part))

    def _begin(self, label: str) -> None:
        self._busy.setVisible(bool(label))
        if label:
            self.state.setText(f"{label}…")
        else:
            self.refresh()

    def say(self, text: str, kind: str = "problem") -> None:
        """Show a problem or a note, or take it away; a way on that was offered goes with it."""
        if self.message.objectName() != kind:
            self.message.setObjectName(kind)
            self.message.style().unpolish(self.message)
            self.message.style().polish(self.message)
        self.message.setText(text)
        self.message.setVisible(bool(text))
        for part in (self.way_on, self._choice):
            part.hide()

    def offer(self, label: str, action: Callable[..., object] | Path) -> None:
        """Show a way on below the message."""
        self._action = action
        self.way_on.setText(label)
        self.way_on.show()
        self._choice.setVisible(label == "Open")

    def _go_on(self) -> None:
        action, label = self._action, self.way_on.text()
        self.way_on.hide()
        if isinstance(action, Path):
            self._ask_picture(action)
        elif label == "Open":
            page, channel = self.page.currentText(), self.channel.currentText()
            chosen = {"page": int(page) if page.isdigit() else None}
            action(**chosen, channel=None if channel == CHANNELS[0] else channel)
        else:
            action()

    def _ask_picture(self, session: Path) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Where is the picture now?", str(session.parent), PICTURES)
        if name:
            self.bench.open_moved(session, Path(name))


def _row(*parts: QWidget) -> QWidget:
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    for k, part in enumerate(parts):
        line.addWidget(part, 1 if k == 0 else 0)
    return row
