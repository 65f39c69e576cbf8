"""Keeping a blot: where its session is saved, and what is asked before unsaved work is left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QMessageBox

from blotquant.errors import OutputError
from napari_blotquant._work import state_of

if TYPE_CHECKING:
    from napari_blotquant._dock import BlotDock


class Keeping:
    """Saves what is open in a dock."""

    def __init__(self, dock: BlotDock) -> None:
        self.dock = dock

    def save(self) -> bool:
        """Save the session where it came from, else beside the picture; ask where that cannot be written."""
        dock, editor, target = self.dock, self.dock.editor, None
        if editor is None:
            return False
        while True:
            try:
                done = editor.save(target)
            except OutputError as error:
                name = ""
                if dock.asks:
                    name, _ = QFileDialog.getSaveFileName(dock, f"{error}", editor.default_path.name, "*.blot.json")
                if not name:
                    dock.say(f"{error}. Nothing is lost: the edits are autosaved.")
                    return False
                target = Path(name)
            else:
                dock.say("")
                dock.messages.tell(f"Saved {done}")
                dock.tables.mark_blot(dock.opening.places, state_of(editor.session))
                return True

    def may_leave(self) -> bool:
        """Whether the present blot may be left: unsaved edits are asked about."""
        dock, editor = self.dock, self.dock.editor
        if editor is None or not editor.is_dirty or not dock.asks:
            return True
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            dock, "Unsaved edits", f"{editor.image.name} has edits that were not saved.",
            buttons.Save | buttons.Discard | buttons.Cancel,
        )  # fmt: skip
        if answer == buttons.Save:
            return self.save()
        if answer == buttons.Discard:
            dock.autosaver.forget(editor.session)
        return bool(answer == buttons.Discard)
