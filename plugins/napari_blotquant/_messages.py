"""What the dock tells: which blot, how it stands, what is going on, what is wrong and the way on."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_blotquant._model import Editor


class Messages(QWidget):
    """Title, state, progress with *cancel*, and one message with at most one button."""

    def __init__(self, cancel: Callable[[], object]) -> None:
        super().__init__()
        self.title = _label("title", "No blot open")
        self.state = _label("state", "Open a picture, drop it or its folder here, or take the sample data.")
        self.message = _label("problem")
        self.message.hide()
        self.way_on = QPushButton()
        self.way_on.hide()
        self.way_on.clicked.connect(lambda _checked=False: self._go_on())
        self._action: Callable[[], object] | None = None
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setMaximumHeight(6)
        self.progress.setTextVisible(False)
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(lambda _checked=False: cancel())
        self._busy = QWidget()
        row = QHBoxLayout(self._busy)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)
        self._busy.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.title, self.state, self._busy, self.message, self.way_on):
            column.addWidget(part)

    def begin(self, label: str) -> None:
        """Say that slow work has begun."""
        self.state.setText(f"{label}…")
        self._busy.show()

    def end(self) -> None:
        """Say that it has ended."""
        self._busy.hide()

    def tell(self, text: str) -> None:
        """Show a line in the place of the state."""
        self.state.setText(text)

    def show_editor(self, editor: Editor) -> None:
        """Show which blot that is and how it stands."""
        layout, edits = editor.layout, len({edit.group for edit in editor.session.history.effective()})
        self.title.setText(editor.image.name)
        saved = "not saved" if editor.is_dirty else ("saved" if editor.path else "untouched")
        numbers = "" if editor.is_exact else "  ·  weighing…"
        count = f"{len(layout.strips)} strips  ·  {len(layout.lanes)} lanes  ·  {len(layout.bands)} bands"
        self.state.setText(f"{count}  ·  {edits} edits, {saved}{numbers}")

    def say(self, text: str, kind: str = "problem") -> None:
        """Show a problem or a note, or take it away; a way on that was offered goes with it."""
        if self.message.objectName() != kind:
            self.message.setObjectName(kind)
            self.message.style().unpolish(self.message)
            self.message.style().polish(self.message)
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.way_on.hide()

    def offer(self, label: str, action: Callable[[], object]) -> None:
        """Show a way on below the message."""
        self._action = action
        self.way_on.setText(label)
        self.way_on.show()

    def _go_on(self) -> None:
        self.way_on.hide()
        if self._action is not None:
            self._action()


def _label(name: str, text: str = "") -> QLabel:
    label = QLabel(text)
    label.setObjectName(name)
    label.setWordWrap(name != "title")
    return label
