"""Exact numbers, made in the background when no edit came for a while; and the study's ratios after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_blotquant._jobs import explain
from napari_blotquant._model import Editor, Rows, Weighing
from napari_blotquant._profile import lane_curves

if TYPE_CHECKING:
    from blotquant.runs.live_ratios import Study, StudyPicture
    from napari_blotquant._dock import BlotDock

SETTLE_MS = 600


class Weigher:
    """Weighs the dock's editor, one weighing at a time; the numbers on show meanwhile are close to the exact ones."""

    def __init__(self, dock: BlotDock) -> None:
        self.dock = dock
        self.picture: StudyPicture | None = None
        self._is_weighing = False
        self._settle = QTimer(dock)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self.start)

    @property
    def study(self) -> Study | None:
        """The study that the open blot belongs to."""
        return self.dock.opening.study if self.picture is not None else None

    def show_blot(self, editor: Editor) -> None:
        """Another blot is open: look whether it is one of the study's."""
        study = self.dock.opening.study
        self.picture = study.picture_of(editor.path, editor.image.source) if study is not None else None
        self.dock.tables.show_study(None, None)
        self.show_samples()

    def show_samples(self) -> None:
        """Give the lanes the names of their samples."""
        editor, layers = self.dock.editor, self.dock.layers
        if editor is not None and layers is not None:
            names = self.picture.samples if self.picture is not None else {}
            layers.samples = {lane.id: names.get(lane.number, "") for lane in editor.layout.lanes}
            self.dock.read_out.samples = layers.samples
            layers.show_labels()

    def wait(self) -> None:
        """Weigh when no edit has come for a while."""
        self._settle.start()

    def start(self) -> None:
        """Have exact numbers made in the background."""
        editor = self.dock.editor
        self._settle.stop()
        if editor is None or self._is_weighing:
            return
        self._is_weighing = True
        needs_auto, shown = not editor.auto_rows, self.dock.profile.lane_id

        def work() -> tuple[Weighing, Rows | None]:
            weighing = editor.quantify()
            for lane in [lane for lane in weighing.session.layout.lanes if lane.id == shown] or editor.layout.lanes[:1]:
                lane_curves(weighing.scene, lane)  # kept; the window need not wait for them
            return weighing, editor.weigh_auto() if needs_auto else None

        def finished(result: tuple[Weighing, Rows | None]) -> None:
            self._is_weighing = False
            if editor is self.dock.editor and editor.accept(*result):
                self._weigh_study(editor)
            else:
                self.wait()

        def failed(error: Exception) -> None:
            self._is_weighing = False
            self.dock.say(explain(error))

        self.dock.jobs.start(work, finished, failed)

    def _weigh_study(self, editor: Editor) -> None:
        """The study's ratios with the numbers as they are now."""
        study, picture, image, session = self.study, self.picture, editor.image, editor.session
        if study is None or picture is None:
            return

        def work() -> tuple[Any, Any]:
            from blotquant.runs.live_ratios import ratios_with

            ratios = ratios_with(study, picture, image, session)
            return ratios, study.tables.get("ratios", ratios)

        def finished(tables: tuple[Any, Any]) -> None:
            if editor is self.dock.editor and editor.session is session:
                self.dock.tables.show_study(*tables)

        self.dock.jobs.start(work, finished, lambda error: self.dock.say(explain(error)))
