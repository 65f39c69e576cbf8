"""The pages of the steps: what can be set, pressed and found again in each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QLineEdit, QPushButton, QWidget

from blotquant.identification.presets import LADDERS_KDA, TARGETS_KDA, ladder_kda
from blotquant.model.geometry import ROLES
from blotquant.settings import DetectionSettings, QuantificationSettings
from napari_blotquant._form import SettingsForm

if TYPE_CHECKING:
    from napari_blotquant._steps import StepPages

NO_LADDER = "none"


class _Page(QWidget):
    """A grid of widgets."""

    def __init__(self, steps: StepPages) -> None:
        super().__init__()
        self.steps = steps
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(4, 4, 4, 4)

    def put(self, part: QWidget | str, row: int, column: int, width: int = 1) -> None:
        """Place a widget, or a label."""
        self._grid.addWidget(QLabel(part) if isinstance(part, str) else part, row, column, 1, width)


class PicturePage(_Page):
    """How the picture is read and looked at."""

    def __init__(self, steps: StepPages) -> None:
        super().__init__(steps)
        self.polarity = _combo(["bright", "dark"])
        self.polarity.currentTextChanged.connect(steps.set_polarity)
        self.put("bands in the file are", 0, 0)
        self.put(self.polarity, 0, 1)
        self.view = _combo(["dark on white", "bright on black"])
        self.view.currentIndexChanged.connect(steps.set_view)
        self.put("show them", 1, 0)
        self.put(self.view, 1, 1)
        self.put(_hint("Only the look changes with the second choice; saturated pixels are red."), 2, 0, 2)

    def show_polarity(self, polarity: str) -> None:
        """Show the value in force."""
        _show(self.polarity, polarity)


class StripPage(_Page):
    """The pieces of membrane."""

    def __init__(self, steps: StepPages) -> None:
        super().__init__(steps)
        again = "Strips, lanes and bands; your corrections stay"
        self.put(_button("Draw a strip", "Drag a rectangle around it", steps.draw), 0, 0)
        self.put(_button("Remove (U)", "With its lanes and bands", partial(steps.by_hand, "remove_strip")), 0, 1)
        self.put(_button("Find strips again", again, partial(steps.find_from, "strips")), 0, 2)
        self.put(_hint("Drag a strip with all that lies on it, pull its corners, turn it by the stalk."), 1, 0, 3)


class LanePage(_Page):
    """The lanes and what was loaded in them."""

    def __init__(self, steps: StepPages) -> None:
        super().__init__(steps)
        self.form = SettingsForm(DetectionSettings, "detection.", steps.set_value, only=("n_lanes",))
        self.put(self.form, 0, 0, 2)
        again = "So many in each strip as it stands; your corrections stay"
        self.put(_button("Find lanes again", again, partial(steps.find_from, "lanes")), 0, 2, 2)
        self.put(_button("Bend (C)", "Drag the points of the centre lines", steps.bend), 0, 4)
        for k, role in enumerate(ROLES):
            self.put(_button(role, f"Mark the selected lane as {role}", partial(steps.mark, role)), 1, k)
        self.put(_hint("Drag a lane or its edges. L adds one at the pointer, U or Delete removes it."), 2, 0, 5)


class BandPage(_Page):
    """The bands."""

    def __init__(self, steps: StepPages) -> None:
        super().__init__(steps)
        self.form = SettingsForm(DetectionSettings, "detection.", steps.set_value, only=("min_snr",))
        self.put(self.form, 0, 0, 2)
        again = "In the lanes as they stand; your corrections stay"
        self.put(_button("Find bands again", again, partial(steps.find_from, "bands")), 0, 2, 2)
        merge = _button("Merge (M)", "Make one band of the selected ones", partial(steps.by_hand, "merge"))
        copy = _button("Same shape in row (H)", "As the selected band", partial(steps.by_hand, "copy_along_row"))
        self.put(merge, 1, 0, 2)
        self.put(copy, 1, 2, 2)
        hint = "Drag to move, corners to resize, Delete. B snaps to the band under the pointer, K cuts it, R draws."
        self.put(_hint(hint), 2, 0, 4)


class TargetPage(_Page):
    """Which row is which protein, and what the ladder tells."""

    def __init__(self, steps: StepPages) -> None:
        super().__init__(steps)
        self.target = _combo(list(TARGETS_KDA), editable=True)
        self.line = QLineEdit()
        self.line.setPlaceholderText("name")
        self.target.setLineEdit(self.line)
        self.target.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.target.setCurrentText("")
        self.target.currentTextChanged.connect(steps.name_target)
        self.line.returnPressed.connect(steps.answer_target)
        self.used: list[str] = []
        assign = _button("Name the row (T)", "All bands of its row", partial(steps.by_hand, "assign_target"))
        self._by_click = QPushButton("by click")
        self._by_click.setCheckable(True)
        self._by_click.setToolTip("Each band that is clicked gives its row this name")
        self.put("target", 0, 0)
        for k, part in enumerate((self.target, assign, self._by_click), start=1):
            self.put(part, 0, k)
        self.ladder = _combo([NO_LADDER, *LADDERS_KDA])
        self.ladder.currentTextChanged.connect(self._set_ladder)
        self.kda = _combo([], editable=True)
        self.kda.currentTextChanged.connect(steps.name_kda)
        name = _button("Name the ladder's band (W)", "Three or more named bands make the scale", self._name_kda)
        self.put("ladder", 1, 0)
        for k, part in enumerate((self.ladder, self.kda, name), start=1):
            self.put(part, 1, k)
        hint = (
            "T: the row under the pointer is this target; without a name, type one and press Enter. Names come back in"
            " the order of their use. G marks the ladder's lane; its product gives all masses."
        )
        self.put(_hint(hint), 2, 0, 4)

    @property
    def gives_by_click(self) -> bool:
        """Whether a clicked band gives its row the target; only while this page is in front."""
        return bool(self._by_click.isChecked() and self.isVisible())

    def ask(self, name: str) -> None:
        """Have a name typed; this one is offered."""
        self.target.setCurrentText(name)
        self.line.setFocus()
        self.line.selectAll()

    def spell(self) -> None:
        """Spell the typed name as the list has it: `gapdh` is GAPDH."""
        typed = self.target.currentText().strip()
        names = [self.target.itemText(k) for k in range(self.target.count())]
        self.target.setCurrentText(next((name for name in names if name.casefold() == typed.casefold()), typed))

    def next_name(self, there: Collection[str]) -> str:
        """The first of the names used so far, blot after blot, that is not there yet."""
        return next((name for name in self.used if name not in there), "")

    def note_use(self, name: str) -> None:
        """Keep a name that was given, above those that come with the program."""
        if name not in self.used:
            self.used.append(name)
            known = [known for known in TARGETS_KDA if known not in self.used]
            self.target.blockSignals(True)
            self.target.clear()
            self.target.addItems([*self.used, *known])
            self.target.setCurrentText(name)
            self.target.blockSignals(False)

    def show_ladder(self, ladder: str | None) -> None:
        """Show the value in force, and its masses to choose from."""
        _show(self.ladder, ladder or NO_LADDER)
        masses = [f"{mass:g} kDa" for mass in ladder_kda(ladder)] if ladder in LADDERS_KDA else []
        if masses and masses != [self.kda.itemText(k) for k in range(self.kda.count())]:
            self.kda.clear()
            self.kda.addItems(masses)

    def next_kda(self) -> None:
        """Offer the ladder's next lighter mass."""
        self.kda.setCurrentIndex(min(self.kda.currentIndex() + 1, self.kda.count() - 1))

    def _set_ladder(self, name: str) -> None:
        self.steps.set_value("identification.ladder", None if name == NO_LADDER else name)

    def _name_kda(self) -> None:
        self.steps.by_hand("name_kda")


class ResultPage(_Page):
    """How bands are weighed, and keeping the work."""

    def __init__(self, steps: StepPages) -> None:
        super().__init__(steps)
        self.form = SettingsForm(QuantificationSettings, "weighing.", steps.set_value)
        self.put(self.form, 0, 0)
        self.put(_button("Save the session  (Ctrl+S)", "Beside the picture", lambda: steps.dock.save()), 1, 0)


def _combo(choices: list[str], *, editable: bool = False) -> QComboBox:
    box = QComboBox()
    box.setEditable(editable)
    box.addItems(choices)
    box.setMinimumContentsLength(8)
    return box


def _show(box: QComboBox, text: str) -> None:
    box.blockSignals(True)
    box.setCurrentText(text)
    box.blockSignals(False)


def _button(name: str, tip: str, slot: Callable[[], Any]) -> QPushButton:
    button = QPushButton(name)
    button.setToolTip(tip)
    button.clicked.connect(lambda _checked=False: slot())
    return button


def _hint(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("hint")
    label.setWordWrap(True)
    return label
