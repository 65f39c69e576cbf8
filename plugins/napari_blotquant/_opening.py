"""Opening: pictures, sessions, folders, experiments; what to do where something stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from blotquant.model.image import BlotImage
from blotquant.session.session import SESSION_SUFFIX, PictureMissingError
from napari_blotquant import _work
from napari_blotquant._jobs import take_turns
from napari_blotquant._recover import autosave_path, find_rescued
from napari_blotquant._work import Opened

if TYPE_CHECKING:
    from blotquant.runs.live_ratios import Study
    from napari_blotquant._dock import BlotDock
    from napari_blotquant._model import Editor

PICTURES = "Blots (*.tif *.tiff *.scn *.gel *.1sc *.png *.jpg *.jpeg *.blot.json);;All files (*)"


class Opening:
    """Brings blots into a dock.

    Attributes
    ----------
    study : Study or None
        The experiment whose blots are listed; its ratios follow the corrections.
    """

    def __init__(self, dock: BlotDock) -> None:
        self.dock = dock
        self.study: Study | None = None
        self._steps: Generator[None, None, None] | None = None

    def ask(self) -> None:
        """Ask for a file and open it."""
        name, _ = QFileDialog.getOpenFileName(self.dock, "Open a blot", "", PICTURES)
        if name:
            self.open_path(Path(name))

    def ask_folder(self) -> None:
        """Ask for a folder and list its blots."""
        if name := QFileDialog.getExistingDirectory(self.dock, "List the blots of a folder"):
            self.open_path(Path(name))

    def open_path(self, place: Path) -> None:
        """Open a picture or a session; of a folder or an experiment, list the blots."""
        if place.is_dir() or place.suffix == ".toml":
            self.dock.run(f"Looking at {place.name}", lambda: _work.list_blots(place), self._listed)
        elif self.dock.may_leave():
            study = self.study
            self._load(place, lambda: _work.open_blot(place, study=study))

    def open_image(self, image: BlotImage) -> None:
        """Open a picture that is in memory."""
        if self.dock.may_leave():
            self.dock.run(f"Finding lanes and bands in {image.name}", lambda: _work.start(image), self._opened)

    def open_moved(self, session: Path, picture: Path) -> None:
        """Open a session whose picture lies elsewhere now."""
        self._load(session, lambda: _work.open_session(session, picture=picture))

    def open_anew(self, place: Path) -> None:
        """Open a picture without the session beside it, which stays as it is."""
        self._load(place, lambda: _work.open_without_session(place))

    def _load(self, place: Path, work: Callable[[], Opened]) -> None:
        self.dock.run(f"Opening {place.name}", work, self._opened, failed=partial(self._failed, place))

    def _failed(self, place: Path, error: Exception) -> None:
        """Show the way on where there is one."""
        if isinstance(error, PictureMissingError):
            session = place if place.name.endswith(SESSION_SUFFIX) else place.with_name(place.name + SESSION_SUFFIX)
            self.dock.offer("Find the picture…", partial(self._ask_picture, session))
        elif not place.name.endswith(SESSION_SUFFIX) and place.is_file() and _work.session_beside(place).is_file():
            self.dock.offer("Begin a new session; that one stays as it is", partial(self.open_anew, place))

    def _ask_picture(self, session: Path) -> None:
        name, _ = QFileDialog.getOpenFileName(self.dock, "Where is the picture now?", str(session.parent), PICTURES)
        if name:
            self.open_moved(session, Path(name))

    @property
    def places(self) -> list[Path]:
        """Where the open blot may be listed: its session, its picture."""
        editor = self.dock.editor
        source = editor.image.source if editor is not None else None
        beside = [source, _work.session_beside(source)] if source is not None else []
        return [place for place in (editor.path if editor is not None else None, *beside) if place is not None]

    def open_next(self) -> None:
        """Save what was corrected and open the blot that the list has next."""
        editor, following = self.dock.editor, self.dock.tables.next_blot(self.places)
        if following is None:
            self.dock.note("no blot is listed after this one; Folder… lists the blots of a folder or an experiment")
        elif editor is None or not editor.is_dirty or self.dock.save():
            self.open_path(following)

    def _listed(self, listed: _work.Listed) -> None:
        self.study = listed.study
        self.dock.tables.show_blots(listed.blots)
        self.dock.tables.mark_blot(self.places)

    def _opened(self, opened: Opened) -> None:
        """Build the layers step by step, so that the window stays awake; the steps of an earlier blot end."""
        if self._steps is not None:
            self._steps.close()
        self._steps = self.dock.begin(opened)
        take_turns(self._steps)

    # what was never saved

    def offer_rescued(self) -> None:
        """List what was autosaved and never saved."""
        if rescued := list(find_rescued()):
            names = ", ".join(item.label for item in rescued[:3])
            self.dock.say(f"Not saved when napari last ended: {names}. Click it in the list to get the edits back.")
            self.dock.tables.show_blots(
                [_work.Blot(item.path, "not saved", item.session.image.name) for item in rescued]
            )

    def offer_restore(self, editor: Editor) -> None:
        """Edits that were autosaved and never saved come back, unless the user says no."""
        kept = autosave_path(editor.session)
        found = next((r for r in find_rescued() if r.path == kept), None)
        if found is None or len(found.session.history) <= len(editor.session.history):
            return
        text = f"There are edits that were never saved ({found.label}). Restore them?"
        if not self.dock.asks or self.dock.ask("Restore", text):
            editor.restore(found.session)
        elif self.dock.editor is not None:
            self.dock.autosaver.forget(editor.session)
