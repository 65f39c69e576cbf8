"""`Workbench`: opens, measures and keeps blots, one after the other; signals tell what happened. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from blotquant.errors import BlotQuantError, ImageError, OutputError
from blotquant.model.image import BlotImage, Orientation
from blotquant.runs.blots import (
    Blot,
    Opened,
    image_of,
    lay_again,
    list_blots,
    open_blot,
    open_session,
    open_without_session,
    session_beside,
    start,
    state_of,
)
from blotquant.session.autosave import Autosaver, find_rescued, free_name, holds
from blotquant.session.history import Change
from blotquant.session.image_reference import PictureMissingError
from blotquant.session.session import SESSION_SUFFIX
from blotquant.settings import Settings
from napari_blotquant.editor import Editor, Measured, Rows

if TYPE_CHECKING:
    import pandas as pd

    from blotquant.analysis import Step
    from blotquant.runs.live_ratios import OpenStudy, StudyPicture
    from blotquant.runs.shared_lanes import Shared

SETTLE_MS = 600
"""Exact numbers are made when no edit has come for so long."""


def explain(error: Exception) -> str:
    """One line for the user."""
    return str(error) if isinstance(error, BlotQuantError) else f"{type(error).__name__}: {error}"


class Workbench:
    """What one window works on. It outlives the dock that shows it: closing the dock loses nothing.

    `band_id` and `lane_id` are what is selected, empty for nothing; `blots` is the list, of the experiment `study`,
    whose entry of the open blot is `picture`; `ratios` are the study's ratios now and as the last run wrote them;
    `rescued` is what was not saved when napari last ended; `is_filling` that the window does not yet show all of the
    open blot: its numbers wait for `shown`.
    """

    opened = Signal()  # another blot stands
    edited = Signal(object)  # ids of the bands that changed; None: everything may differ
    measured = Signal()
    stated = Signal()  # saved, undone, blind, cancelled: buttons and titles need a look
    selected = Signal()
    pointed = Signal(object)  # the Hit under the pointer
    previewed = Signal(object)  # the row that a dragged band would have
    listed = Signal()
    related = Signal()  # the study's ratios
    said = Signal(str, str)  # a line, and "problem" or "note"
    offered = Signal(str, object)  # a way on below the line, and what it does
    began = Signal(str)  # slow work began, or ended where empty

    def __init__(self) -> None:
        from superqt.utils import QSignalDebouncer

        self.editor: Editor | None = None
        self.study: OpenStudy | None = None
        self.picture: StudyPicture | None = None
        self.blots: list[Blot] = []
        self.ratios: tuple[pd.DataFrame, pd.DataFrame] | None = None
        self.band_id = self.lane_id = ""
        self.autosaver = Autosaver()
        self.running: list[Any] = []
        self.may_leave: Callable[[], bool] = lambda: True
        self.ask: Callable[[str], bool] = lambda _text: True
        self.chosen: list[Path] = []  # selected in the list of blots
        self.ask_place: Callable[[str, str], Path | None] = lambda _text, _name: None
        self.earlier: list[Opened] = []  # the open picture as it lay before it was turned, mirrored or cut
        self._job = 0
        self._is_measuring = self.is_filling = False
        self._waiting: Callable[[], None] | None = None
        self._settle = QSignalDebouncer()
        self._settle.setTimeout(SETTLE_MS)
        self._settle.triggered.connect(self.measure)
        self.rescued = find_rescued()
        self.blots = [Blot(r.path, "not saved", r.session.image.name) for r in self.rescued]

    def start(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        """Run work in a thread; one of the two callbacks is called in the window's thread."""
        from napari.qt.threading import create_worker

        def guarded() -> tuple[Any, Exception | None]:  # a raised error would open a traceback
            import pandas as pd

            # Arrow's hash tables, behind pandas' strings, once took the process down when they were used in a thread.
            pd.set_option("mode.string_storage", "python")
            try:
                return work(), None
            except (BlotQuantError, OSError, ImportError, MemoryError) as error:
                return None, error

        worker = create_worker(guarded)
        worker.returned.connect(lambda out: failed(out[1]) if out[1] else done(out[0]))
        worker.finished.connect(lambda: self.running.remove(worker) if worker in self.running else None)
        self.running.append(worker)
        worker.start()

    def run(
        self,
        label: str,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run slow work in a thread and say so; a later call makes an earlier one's result void."""
        self._job += 1
        job = self._job
        self.said.emit("", "problem")
        self.began.emit(label)

        def finished(result: Any) -> None:
            if job == self._job:
                self.began.emit("")
                done(result)

        def went_wrong(error: Exception) -> None:
            if job == self._job:
                self.began.emit("")
                self.said.emit(explain(error), "problem")
                if failed is not None:
                    failed(error)

        self.start(work, finished, went_wrong)

    def cancel(self) -> None:
        """Make the result of the latest `run` void; its thread ends by itself and nobody hears of it."""
        self._job += 1
        self.began.emit("")
        self.said.emit("Cancelled; nothing was changed", "note")

    def open_path(self, place: Path, settings: Settings | None = None) -> None:
        """Open a picture or a session; of a folder or an experiment, list the blots."""
        if place.is_dir() or place.suffix == ".toml":
            self.run(f"Looking at {place.name}", lambda: list_blots(place), self._list)
        elif self.may_leave():
            study = self.study
            self._load(place, lambda: open_blot(place, settings, study))

    def open_image(self, image: BlotImage) -> None:
        """Open a picture that is in memory."""
        if self.may_leave():
            self.run(f"Finding lanes and bands in {image.name}", lambda: start(image), self.show)

    def open_layer(self, layer: Any) -> None:
        """Open the picture of an image layer: from its file where it came from one, since that knows more."""
        path = getattr(layer.source, "path", None)
        if path is not None and Path(path).is_file():
            self.open_path(Path(path))
        elif self.may_leave():
            name, pixels = layer.name, layer.data
            self.run(f"Finding lanes and bands in {name}", lambda: start(image_of(name, pixels)), self.show)

    def open_moved(self, session: Path, picture: Path) -> None:
        """Open a session whose picture lies elsewhere now."""
        self._load(session, lambda: open_session(session, picture=picture))

    def _load(self, place: Path, work: Callable[[], Opened]) -> None:
        self.run(f"Opening {place.name}", work, self.show, partial(self._failed, place))

    def _failed(self, place: Path, error: Exception) -> None:
        """Show the way on where there is one."""
        is_session = place.name.endswith(SESSION_SUFFIX)
        if isinstance(error, PictureMissingError):
            self.offered.emit("Find the picture…", place if is_session else session_beside(place))
        elif not is_session and place.is_file() and session_beside(place).is_file():
            anew = partial(self._load, place, lambda: open_without_session(place))
            self.offered.emit("Begin a new session; that one stays as it is", anew)
        elif isinstance(error, ImageError) and ("page" in str(error) or "channel" in str(error)):
            self.offered.emit("Open", lambda **chosen: self.open_path(place, Settings(**chosen)))

    def show(self, opened: Opened) -> None:
        """Make an opened blot the one that is worked on."""
        if self.editor is not None:
            self.editor.edited.disconnect()
            self.editor.measured.disconnect()
            self.editor.stated.disconnect()
        editor = Editor(opened.image, opened.session, path=opened.path, autosaver=self.autosaver)
        editor.saved = opened.saved or opened.session
        self.editor, self.band_id, self.earlier = editor, "", []
        self.lane_id = next((lane.id for lane in editor.layout.lanes), "")
        for kept in opened.kept:
            text = f"There are edits that were never saved ({kept.label}). Restore them?"
            if self.ask(text):
                if not holds(kept.session, opened.session):  # each has edits that the other lacks: both are kept
                    editor.path = free_name(editor.default_path)
                editor.restore(kept.session)
                break
        editor.edited.connect(self._on_edited)
        editor.measured.connect(self.measured.emit)
        editor.stated.connect(self.stated.emit)
        study = self.study
        self.picture = study.picture_of(editor.path, editor.image.source) if study is not None else None
        self.ratios = None
        self.opened.emit()
        self.related.emit()
        self.measure()

    @property
    def samples(self) -> dict[str, str]:
        """What lies in each lane of the open blot, by lane id, where its study says so."""
        if self.editor is None or self.picture is None:
            return {}
        names = self.picture.samples
        return {lane.id: names.get(lane.number, "") for lane in self.editor.layout.lanes}

    def _list(self, listed: tuple[list[Blot], OpenStudy | None]) -> None:
        self.blots, self.study = listed
        self.listed.emit()

    @property
    def place(self) -> int | None:
        """The place of the open blot in the list: by its session, or its picture."""
        if self.editor is None:
            return None
        source = self.editor.image.source
        places = [self.editor.path, source, session_beside(source) if source else None]
        known = {blot.path.absolute(): k for k, blot in enumerate(self.blots)}
        return next((known[p.absolute()] for p in places if p is not None and p.absolute() in known), None)

    def open_next(self) -> None:
        """Save what was corrected and open the blot that the list has next."""
        later = self.blots[0 if self.place is None else self.place + 1 :]
        if not later:
            self.said.emit(
                "no blot is listed after this one; Folder… lists the blots of a folder or an experiment", "note"
            )
        elif self.editor is None or not self.editor.is_dirty or self.save():
            self.open_path(later[0].path)

    def select(self, band_id: str) -> None:
        """Select a band, and with it its lane; an empty id selects none."""
        band = self.editor.band(band_id) if self.editor is not None else None
        self.band_id = band.id if band else ""
        self.lane_id = band.lane if band else self.lane_id
        self.selected.emit()

    def select_lane(self, lane_id: str) -> None:
        """Select a lane and no band."""
        self.band_id, self.lane_id = "", lane_id
        self.selected.emit()

    def _on_edited(self, changes: list[Any] | None) -> None:
        self._settle.throttle()
        kinds = {change.kind for change in changes} if changes is not None else {""}
        self.edited.emit({change.object_id for change in changes} if changes and kinds == {"band"} else None)

    def measure(self) -> None:
        """Have exact numbers made in the background."""
        editor = self.editor
        if editor is None or self._is_measuring:
            return
        self._is_measuring = True
        needs_auto, shown = not editor.auto_rows, self.lane_id

        def work() -> tuple[Measured, Rows | None]:
            return editor.measure(shown), editor.measure_auto() if needs_auto else None

        def finished(result: tuple[Measured, Rows | None]) -> None:
            if self.is_filling:
                self._waiting = partial(finished, result)
                return
            self._is_measuring = False
            if editor is self.editor and editor.accept(*result):
                self._relate(editor)
            else:
                self._settle.throttle()

        def failed(error: Exception) -> None:
            self._is_measuring = False
            self.said.emit(explain(error), "problem")

        self.start(work, finished, failed)

    def shown(self) -> None:
        """All of the open blot is shown: numbers that came before are taken over."""
        self.is_filling = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()

    def _relate(self, editor: Editor) -> None:
        """The study's ratios with the numbers as they are now."""
        study, picture, session = self.study, self.picture, editor.session
        if study is None or picture is None:
            return

        def done(ratios: pd.DataFrame) -> None:
            if editor is self.editor and editor.session is session:
                self.ratios = ratios, study.tables.get("ratios", ratios)
                self.related.emit()

        def work() -> pd.DataFrame:
            from blotquant.runs.live_ratios import ratios_with

            return ratios_with(study, picture, editor.image, session)

        self.start(work, done, lambda error: self.said.emit(explain(error), "problem"))

    def find_from(self, step: Step) -> None:
        """Find again from a step on with the settings in force; the steps before it stand."""
        editor = self.editor
        if editor is None:
            return
        image, session = editor.image, editor.session

        def work() -> Any:
            from blotquant.analysis import find_again

            found = find_again(image, session, step)
            return found, editor.lay_under(found)

        def done(result: Any) -> None:
            editor.find_again(*result)
            self.measure()
            self.said.emit(editor.misfits(), "problem")

        self.run(f"Finding {step} again", work, done)

    def lay(self, step: Orientation | None) -> None:
        """Turn, mirror or cut the picture as it is shown, or show all of it; everything is found anew."""
        editor = self.editor
        if editor is None or not self.may_leave():
            return
        before, earlier = Opened(editor.image, editor.session, editor.path, editor.saved), self.earlier
        signed = {"who": editor.who, "when": editor.clock()}

        def done(opened: Opened) -> None:
            self.show(opened)
            self.earlier = [*earlier, before]
            self.autosaver.keep(opened.session, opened.image.source, opened.path)

        self.run(
            "Finding lanes and bands in the picture as it lies now", lambda: lay_again(before, step, **signed), done
        )

    def lay_back(self) -> bool:
        """Show the picture as it lay before, with what was corrected there; False if it was not laid anew."""
        if not self.earlier:
            return False
        *earlier, before = self.earlier
        if self.editor is not None:
            self.autosaver.forget(self.editor.session)
        self.show(before)
        self.earlier = earlier
        return True

    def share_lanes(self) -> None:
        """Use the lanes as they are on the other pictures of the membrane, after a question."""
        from blotquant.runs.shared_lanes import share_lanes, undo_shared

        editor, study, picture = self.editor, self.study, self.picture
        if editor is None:
            return
        own = [editor.path, editor.image.source]
        if study is not None and picture is not None:
            places = study.membrane_of(picture)
        else:
            places = [path for path in self.chosen if path not in own and session_beside(path) not in own]
        if not places:
            msg = (
                "no study says which pictures are of this membrane: select them in the list of blots, then press again"
            )
            self.said.emit("this membrane has no other picture" if study and picture else msg, "note")
            return
        names = ", ".join(place.name.removesuffix(SESSION_SUFFIX) for place in places)
        if not self.ask(f"Use these lanes on {names}? Their sessions are saved; each change can be undone."):
            return
        image, layout, signed = editor.image, editor.layout, {"who": editor.who, "when": editor.clock()}

        def done(shared: Sequence[Shared]) -> None:
            self.said.emit("\n".join(one.said for one in shared), "note")
            if any(one.gestures for one in shared):
                self.offered.emit(
                    "Take it back", lambda: self.run("Taking it back", partial(undo_shared, shared, **signed), done)
                )

        self.run(
            f"Using these lanes on {len(places)} pictures",
            lambda: share_lanes(image, layout, places, study, **signed),
            done,
        )

    def set_value(self, dotted: str, value: Any) -> None:
        """Change one setting, as an edit that can be undone."""
        editor = self.editor
        before = editor.session.settings.flat()[dotted] if editor is not None else value
        if editor is not None and before != value:
            editor.do([Change("settings", dotted, before, value)], "settings")

    def set_polarity(self, polarity: str) -> None:
        """Say whether bands are bright or dark in the file, and find everything again."""
        if self.editor is not None and polarity != self.editor.session.polarity:
            self.editor.do([Change("image", "polarity", self.editor.session.polarity, polarity)], "polarity")
            self.find_from("strips")

    def save(self, target: Path | None = None) -> bool:
        """Save the session where it came from, else beside the picture; False, with a way on, if that cannot be."""
        editor = self.editor
        if editor is None:
            return False
        if editor.path is None and editor.image.source is None:
            target = self.ask_place("Where is the session of this picture to be kept?", "blot.blot.json")
        try:
            done = editor.save(target)
        except OutputError as error:
            other = self.ask_place(str(error), editor.default_path.name)
            if other is not None:
                return self.save(other)
            self.said.emit(f"{error}. Nothing is lost: the edits are autosaved.", "problem")
            return False
        self.said.emit(f"Saved {done}", "note")
        self.rescued = [r for r in self.rescued if r.path.is_file()]
        place = self.place
        if place is not None:
            self.blots[place] = self.blots[place]._replace(state=state_of(editor.session))
            self.listed.emit()
        self.stated.emit()
        return True

    def close(self) -> None:
        """Write what is waiting; the window goes."""
        self.autosaver.close()
        self._settle.triggered.disconnect()
