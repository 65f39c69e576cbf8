"""The steps of the work: picture, strips, lanes, bands, targets, result; one page each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from blotquant.model.geometry import LaneRole
from blotquant.session.canonical_json import flatten_settings
from blotquant.session.history import Change
from napari_blotquant import _work
from napari_blotquant._hand import Hand
from napari_blotquant._layers import BlotLayers
from napari_blotquant._look import look_at
from napari_blotquant._model import Editor
from napari_blotquant._pages import BandPage, LanePage, PicturePage, ResultPage, StripPage, TargetPage

if TYPE_CHECKING:
    from blotquant.analysis import Step
    from napari_blotquant._dock import BlotDock

STEPS = ("Picture", "Strips", "Lanes", "Bands", "Targets", "Result")


class StepPages(QWidget):
    """A row of steps with the page of the chosen one."""

    PICTURE, STRIPS, LANES, BANDS, TARGETS, RESULT = range(6)

    def __init__(self, dock: BlotDock) -> None:
        super().__init__()
        self.dock = dock
        self.editor: Editor | None = None
        self.layers: BlotLayers | None = None
        self.hand: Hand | None = None
        self._group, self._stack = QButtonGroup(self), QStackedWidget()
        row = QHBoxLayout()
        row.setSpacing(2)
        for k, name in enumerate(STEPS):
            button = QPushButton(f"{k + 1} {name}")
            button.setObjectName("step")
            button.setCheckable(True)
            self._group.addButton(button, k)
            row.addWidget(button)
        self._group.idClicked.connect(self.go)
        self.picture, self.strips, self.lanes = PicturePage(self), StripPage(self), LanePage(self)
        self.bands, self.targets, self.result = BandPage(self), TargetPage(self), ResultPage(self)
        for page in (self.picture, self.strips, self.lanes, self.bands, self.targets, self.result):
            self._stack.addWidget(page)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self._stack)
        self._group.button(self.BANDS).setChecked(True)
        self._stack.setCurrentIndex(self.BANDS)

    def show_blot(self, editor: Editor, layers: BlotLayers, hand: Hand) -> None:
        """Work on another blot."""
        self.editor, self.layers, self.hand = editor, layers, hand
        self.targets.target.setCurrentText(self.targets.next_name(()))
        hand.target = self.targets.target.currentText().strip()
        hand.asked_target.connect(self._ask_target)
        hand.named_target.connect(self._target_named)
        hand.kda = self.targets.kda.currentText()
        hand.named_kda.connect(self.targets.next_kda)
        self.refresh()

    def go(self, step: int) -> None:
        """Go to a step; it makes its layer the one that the mouse works on."""
        self._group.button(step).setChecked(True)
        self._stack.setCurrentIndex(step)
        if self.layers is None:
            return
        layers = self.layers
        working = {self.PICTURE: layers.image, self.STRIPS: layers.strips, self.LANES: layers.lanes}
        layers.work_on(working.get(step, layers.bands))
        if step == self.RESULT:
            self.dock.tables.setCurrentIndex(1)

    def refresh(self) -> None:
        """Show the values in force."""
        if self.editor is not None:
            settings = self.editor.session.settings
            self.picture.show_polarity(self.editor.session.polarity)
            self.lanes.form.show_values(settings.detection)
            self.bands.form.show_values(settings.detection)
            self.targets.show_ladder(settings.identification.ladder)
            self.result.form.show_values(settings.quantification)

    # what the pages do

    def by_hand(self, method: str) -> None:
        """Do what a key does."""
        self.dock.by_hand(method)

    def mark(self, role: LaneRole) -> None:
        """Say what was loaded in the selected lane."""
        if self.hand is not None:
            self.hand.mark(role)

    def picked(self, band_id: str) -> None:
        """A band was clicked: while targets are given by clicking, its row gets the target."""
        if band_id and self.hand is not None and self.hand.target and self.targets.gives_by_click:
            self.hand.assign_target()

    def set_view(self, choice: int) -> None:
        """Show bands dark or bright."""
        if self.layers is not None:
            self.layers.set_view(dark_bands=choice == 0)

    def name_target(self, name: str) -> None:
        """Choose the target that is given next."""
        if self.hand is not None:
            self.hand.target = name.strip()

    def answer_target(self) -> None:
        """Enter was pressed after a target's name: the row that it was asked for gets it, the picture gets the keys."""
        if self.hand is not None:
            self.targets.spell()
            self.hand.answer_target()
            self.dock.focus_picture()

    def _ask_target(self, band_id: str) -> None:
        self.go(self.TARGETS)
        self.targets.ask(self.targets.next_name(self._targets_beside(band_id)))

    def _target_named(self, name: str, band_id: str) -> None:
        """Offer the next name; while targets are given by clicking, the same one goes to more rows."""
        self.targets.note_use(name)
        if not self.targets.gives_by_click:
            self.targets.target.setCurrentText(self.targets.next_name(self._targets_beside(band_id)))

    def _targets_beside(self, band_id: str) -> set[str]:
        """The targets that the strip of a band has."""
        if self.editor is None:
            return set()
        layout = self.editor.layout
        strip = layout.lane(layout.band(band_id).lane).strip
        lanes = {lane.id for lane in layout.lanes_of(strip)}
        return {band.target for band in layout.bands if band.lane in lanes and band.target}

    def name_kda(self, text: str) -> None:
        """Choose the mass that is given next."""
        if self.hand is not None:
            self.hand.kda = text

    def set_value(self, dotted: str, value: Any) -> None:
        """Change one setting, as an edit that can be undone."""
        if self.editor is None:
            return
        before = flatten_settings(self.editor.session.settings)[dotted]
        if before != value:
            self.editor.do([Change("settings", dotted, before, value)], "settings")

    def set_polarity(self, polarity: str) -> None:
        """Say whether bands are bright or dark in the file, and find everything again."""
        editor, layers = self.editor, self.layers
        if editor is None or layers is None or polarity == editor.session.polarity:
            return
        editor.do([Change("image", "polarity", editor.session.polarity, polarity)], "polarity")
        layers.show_signal(look_at(editor.image))
        self.find_from("strips")

    def draw(self) -> None:
        """Draw a strip with the mouse."""
        if self.layers is not None:
            self.layers.work_on(self.layers.strips)
            self.layers.strips.mode = "add_rectangle"

    def bend(self) -> None:
        """Let the mouse bend centre lines, or move lanes again."""
        self.by_hand("bend")

    def find_from(self, step: Step) -> None:
        """Find again from a step on with the settings in force; the steps before it stand."""
        editor = self.editor
        if editor is None:
            return

        image, session = editor.image, editor.session

        def work() -> tuple[Any, Any]:
            found = _work.find_again(image, session, step)
            return found, editor.lay_under(found)

        def done(result: tuple[Any, Any]) -> None:
            editor.find_again(*result)
            self.dock.weigher.start()
            self.dock.say(editor.misfits())

        self.dock.run(f"Finding {step} again", work, done)
