"""The dock's first row: open, save, undo, redo, blind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_blotquant._model import Editor

BUTTONS = (
    ("Open…", "A picture or a session"),
    ("Folder…", "All blots of a folder or of a results folder"),
    ("Save", "Save the session beside the picture"),
    ("Undo", "Ctrl+Z"),
    ("Redo", "Ctrl+Shift+Z"),
)


class Toolbar(QWidget):
    """Buttons that can be pressed only when they would do something."""

    def __init__(self, slots: Mapping[str, Callable[[], object]], set_blind: Callable[[bool], None]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.buttons: dict[str, QPushButton] = {}
        for name, tip in BUTTONS:
            button = QPushButton(name)
            button.setToolTip(tip)
            button.clicked.connect(lambda _checked=False, slot=slots[name]: slot())
            self.buttons[name] = button
            row.addWidget(button)
        self.blind = QPushButton("Blind")
        self.blind.setCheckable(True)
        self.blind.setToolTip("Hide what the lanes are and shuffle the list while correcting; the record tells")
        self.blind.toggled.connect(set_blind)
        row.addWidget(self.blind)

    def enable(self, editor: Editor | None) -> None:
        """Enable what makes sense for an editor."""
        history = editor.session.history if editor else None
        self.buttons["Save"].setEnabled(editor is not None)
        self.buttons["Undo"].setEnabled(bool(history and history.undoable))
        self.buttons["Redo"].setEnabled(bool(history and history.redoable))
        self.blind.setEnabled(editor is not None)
