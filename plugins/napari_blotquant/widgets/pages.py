"""The steps of the work, picture, strips, lanes, bands, targets, result, and what can be set and pressed in each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Literal, get_args, get_origin

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, SpinBox
from napari.layers import Image
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from blotquant.identification.presets import LADDERS_KDA, TARGETS_KDA, ladder_kda
from blotquant.model.geometry import ROLES
from blotquant.settings import DetectionSettings, QuantificationSettings
from napari_blotquant.commands import BY_NAME, MAX_LEAN_DEG, STEPS, Commands, key_name
from napari_blotquant.layers import BlotLayers
from napari_blotquant.workbench import Workbench

NO_LADDER = "none"
FIND_TIP = "With the settings in force; what comes before stands, and your corrections stay"


class SettingsForm(QWidget):
    """A form over one section of the settings, made by magicgui: one row a parameter, with its limits and meaning."""

    def __init__(self, model: type[BaseModel], prefix: str, bench: Workbench, *, only: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.section = prefix
        self._fields: dict[str, Any] = {}
        self._is_optional: dict[str, bool] = {}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for name, info in model.model_fields.items():
            if not only or name in only:
                box = setting_widget(name, info)
                if box is None:
                    continue
                self._is_optional[name] = type(None) in get_args(info.annotation)
                box.changed.connect(partial(self._tell, bench, f"{prefix}.{name}"))
                self._fields[name] = box
                form.addRow(name.replace("_", " "), box.native)

    def _tell(self, bench: Workbench, dotted: str, value: Any) -> None:
        name = dotted.rpartition(".")[2]
        is_auto = self._is_optional[name] and value == 0
        is_whole = isinstance(value, float) and self._fields[name].native.decimals() == 0
        bench.set_value(dotted, None if is_auto else int(value) if is_whole else value)

    def show_values(self, section: BaseModel) -> None:
        """Show the values of a section without telling a change."""
        for name, box in self._fields.items():
            value, held = getattr(section, name), self.window().focusWidget()
            with box.changed.blocked():
                box.value = 0 if value is None else value
            if held is not None:
                held.setFocus()  # superqt's spin box takes the keys when it is given a value


def setting_widget(name: str, info: FieldInfo) -> Any:
    """The magicgui widget for one parameter; a number that may be left out says *auto* at its lowest. None for text."""
    shared: dict[str, Any] = {"name": name, "tooltip": info.description or ""}
    if get_origin(info.annotation) is Literal:
        return ComboBox(choices=list(get_args(info.annotation)), **shared)
    if info.annotation is bool:
        return CheckBox(text="", **shared)
    limits, kinds = list(info.metadata), {info.annotation}
    for kind in get_args(info.annotation):  # int | None with limits of its own
        kinds |= {kind, get_origin(kind), *get_args(kind)[:1]}
        limits += [item for field in getattr(kind, "__metadata__", ()) for item in getattr(field, "metadata", ())]
    if not kinds & {int, float}:
        return None
    bounds = {name: getattr(item, name) for item in limits for name in ("ge", "gt", "le", "lt") if hasattr(item, name)}
    low, high = bounds.get("ge", bounds.get("gt", 0)), bounds.get("le", bounds.get("lt", 1000))
    if type(None) in kinds:
        low = 0
    # The box for whole numbers cannot say "auto".
    box = (SpinBox if int in kinds and type(None) not in kinds else FloatSpinBox)(
        min=low, max=high, value=low, **shared
    )
    if int not in kinds:
        box.step = max((high - low) / 100, 0.05)
    elif type(None) in kinds:
        box.native.setDecimals(0)
        box.step = 1
    if type(None) in kinds:
        box.native.setSpecialValueText("auto")
    return box


class Page(QWidget):
    """Rows of widgets and labels; buttons are commands and stand there as the table of commands names them."""

    def __init__(self, bench: Workbench, hand: Commands) -> None:
        super().__init__()
        self.bench, self.hand = bench, hand
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(4, 2, 4, 2)
        self._rows.setSpacing(3)

    def put(self, *parts: QWidget | str) -> Page:
        """Add a row."""
        row = QHBoxLayout()
        for part in parts:
            row.addWidget(QLabel(part) if isinstance(part, str) else part, 0 if isinstance(part, str) else 1)
        self._rows.addLayout(row)
        return self

    def command(self, name: str) -> QPushButton:
        """The button of a command; it acts on what is selected."""
        found = BY_NAME[name]
        key = key_name(found.key)
        label = f"{found.label}  ({key})" if len(key) == 1 else found.label
        return button(label, f"{found.tip} ({key})" if key else found.tip, lambda: self.hand.run(name))

    def find_button(self, step: Any) -> QPushButton:
        """The button that finds again from a step on."""
        return button(f"Find {step} again", FIND_TIP, lambda: self.bench.find_from(step))


class PicturePage(Page):
    """How the picture is read and looked at; pictures that are open in napari already."""

    def __init__(self, bench: Workbench, hand: Commands, layers: BlotLayers, n_lanes: QWidget) -> None:
        super().__init__(bench, hand)
        self.layers = layers
        self.polarity, self.view, self.opened = combo(["bright", "dark"]), combo(["dark", "bright"]), combo([])
        self.polarity.currentTextChanged.connect(bench.set_polarity)
        self.view.currentIndexChanged.connect(lambda k: layers.set_view(dark_bands=k == 0))
        self.put("bands are", self.polarity, "shown", self.view)
        self.put("open layer", self.opened, button("Quantify it", "Take this image as the blot", self._take))
        self.put(*(self.command(n) for n in ("turn_90", "turn_-90", "mirror_left-right", "mirror_top-bottom")))
        self.put(*(self.command(name) for name in ("draw_region", "lay", "draw_strip")))
        self.put(n_lanes, self.command("draw_grid"))
        self.lean = QDoubleSpinBox()
        self.lean.setRange(-MAX_LEAN_DEG, MAX_LEAN_DEG)
        self.lean.setDecimals(1)
        self.lean.setSuffix("°")
        self.lean.setToolTip("By how much rows run down to the right; up is below zero")
        self.lean.valueChanged.connect(self._set_lean)
        self.put("rows lean", self.lean, self.command("lean"), self.command("draw_rows"))
        layers.viewer.layers.events.inserted.connect(self._list)
        layers.viewer.layers.events.removed.connect(self._list)
        self._list()

    def _set_lean(self, degrees: float) -> None:
        self.hand.lean_deg = degrees

    def _images(self) -> list[Any]:
        own = {layer.name for layer in self.layers.all}
        return [x for x in self.layers.viewer.layers if isinstance(x, Image) and x.name not in own]

    def _list(self, _event: object = None) -> None:
        self.opened.clear()
        self.opened.addItems([layer.name for layer in self._images()])

    def _take(self) -> None:
        found = [layer for layer in self._images() if layer.name == self.opened.currentText()]
        if found:
            self.bench.open_layer(found[0])
        else:
            self.bench.said.emit("there is no other image in napari; open one, or use Open…", "note")


class TargetPage(Page):
    """Which row is which protein, and what the ladder tells."""

    def __init__(self, bench: Workbench, hand: Commands) -> None:
        super().__init__(bench, hand)
        self.target, self.line, self.used = combo(list(TARGETS_KDA)), QLineEdit(), list[str]()
        self.line.setPlaceholderText("name")
        self.target.setEditable(True)
        self.target.setLineEdit(self.line)
        self.target.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.target.setCurrentText("")
        self.target.currentTextChanged.connect(self._choose)
        self.line.returnPressed.connect(self._answer)
        self._by_click = QPushButton("by click")
        self._by_click.setCheckable(True)
        self._by_click.setToolTip("Each band that is clicked gives its row this name")
        self.put("target", self.target, self.command("name_row"), self._by_click)
        self.ladder, self.kda = combo([NO_LADDER, *LADDERS_KDA]), combo([])
        self.kda.setEditable(True)
        self.ladder.currentTextChanged.connect(self._set_ladder)
        self.kda.currentTextChanged.connect(self._set_kda)
        self.put("ladder", self.ladder, self.kda, self.command("name_kda"))
        hand.asked_target.connect(self._ask)
        hand.named_target.connect(self._named)
        hand.named_kda.connect(self._next_kda)
        bench.opened.connect(self._begin)

    def _begin(self) -> None:
        self.target.setCurrentText(self.next_name(()))
        self.hand.target, self.hand.kda = self.target.currentText().strip(), self.kda.currentText()

    def _choose(self, name: str) -> None:
        self.hand.target = name.strip()

    def picked(self, band_id: str) -> None:
        """A band was clicked: while targets are given by clicking, its row gets the target."""
        if band_id and self.hand.target and self._by_click.isChecked() and self.isVisible():
            self.hand.run("name_row")

    def _answer(self) -> None:
        """Enter was pressed after a name: it is spelt as in the list, and the row that it was asked for gets it."""
        typed = self.target.currentText().strip()
        names = [self.target.itemText(k) for k in range(self.target.count())]
        self.target.setCurrentText(next((name for name in names if name.casefold() == typed.casefold()), typed))
        self.hand.answer_target()
        self.line.clearFocus()

    def _ask(self, band_id: str) -> None:
        """Ask for a name, with the next one to offer; the first is read from the picture's own."""
        from blotquant.experiment.filenames import parse_name

        there = self._beside(band_id)
        source = self.hand.editor.image.source
        said = parse_name(source.name).probe if source is not None else "unknown"
        is_new = said not in {"unknown", *there, *self.used}
        self.target.setCurrentText(self.next_name(there) or (said if is_new else ""))
        self.line.setFocus()
        self.line.selectAll()

    def next_name(self, there: Collection[str]) -> str:
        """The first of the names used so far, blot after blot, that is not there yet."""
        return next((name for name in self.used if name not in there), "")

    def _named(self, name: str, band_id: str) -> None:
        """Keep the name above those that come with the program; offer the next one, unless rows are clicked."""
        if name not in self.used:
            self.used.append(name)
            with signals_blocked(self.target):
                self.target.clear()
                self.target.addItems([*self.used, *(known for known in TARGETS_KDA if known not in self.used)])
                self.target.setCurrentText(name)
        if not (self._by_click.isChecked() and self.isVisible()):
            self.target.setCurrentText(self.next_name(self._beside(band_id)))

    def _beside(self, band_id: str) -> set[str]:
        """The targets that the strip of a band has."""
        layout = self.hand.editor.layout
        lanes = {lane.id for lane in layout.lanes_of(layout.lane(layout.band(band_id).lane).strip)}
        return {band.target for band in layout.bands if band.lane in lanes and band.target}

    def _set_kda(self, text: str) -> None:
        self.hand.kda = text

    def _next_kda(self) -> None:
        """Offer the ladder's next lighter mass."""
        self.kda.setCurrentIndex(min(self.kda.currentIndex() + 1, self.kda.count() - 1))

    def show_ladder(self, ladder: str | None) -> None:
        """Show the value in force, and its masses to choose from."""
        with signals_blocked(self.ladder):
            self.ladder.setCurrentText(ladder or NO_LADDER)
        masses = [f"{mass:g} kDa" for mass in ladder_kda(ladder)] if ladder in LADDERS_KDA else []
        if masses and masses != [self.kda.itemText(k) for k in range(self.kda.count())]:
            self.kda.clear()
            self.kda.addItems(masses)

    def _set_ladder(self, name: str) -> None:
        self.bench.set_value("identification.ladder", None if name == NO_LADDER else name)


class StepPages(QWidget):
    """A row of steps with the page of the chosen one."""

    PICTURE, STRIPS, LANES, BANDS, TARGETS, RESULT = range(6)

    def __init__(self, bench: Workbench, hand: Commands, layers: BlotLayers) -> None:
        super().__init__()
        self.bench, self.go = bench, hand.go
        self._group, self._stack = QButtonGroup(self), QStackedWidget()
        row, column = QHBoxLayout(), QVBoxLayout(self)
        row.setSpacing(2)
        for k, name in enumerate(STEPS):
            step = QPushButton(f"{k + 1} {name}")
            step.setObjectName("step")
            step.setCheckable(True)
            step.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            self._group.addButton(step, k)
            row.addWidget(step)
        self._group.idClicked.connect(hand.go)
        n_lanes, of_grid = (SettingsForm(DetectionSettings, "detection", bench, only=("n_lanes",)) for _ in range(2))
        self.picture, self.targets = PicturePage(bench, hand, layers, of_grid), TargetPage(bench, hand)
        strips, lanes, bands, result = (Page(bench, hand) for _ in range(4))
        min_snr = SettingsForm(DetectionSettings, "detection", bench, only=("min_snr",))
        self.forms = (n_lanes, of_grid, min_snr, SettingsForm(QuantificationSettings, "quantification", bench))
        strips.put(strips.command("draw"), strips.command("remove"), strips.find_button("strips"))
        lanes.put(n_lanes, lanes.find_button("lanes"), lanes.command("bend"))
        for roles in (ROLES[:3], ROLES[3:]):
            lanes.put(*(lanes.command(f"mark_{role}") for role in roles))
        lanes.put(lanes.command("share_lanes"))
        bands.put(min_snr, bands.find_button("bands"))
        bands.put(*(bands.command(name) for name in ("draw", "merge", "copy_along_row")))
        result.put(self.forms[2], result.command("save"))
        self.pages = (self.picture, strips, lanes, bands, self.targets, result)
        for page in self.pages:
            self._stack.addWidget(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self._stack)
        self._show(self.BANDS)
        hand.stepped.connect(self._show)
        layers.picked.connect(self.targets.picked)
        bench.opened.connect(self.refresh)
        bench.edited.connect(self.refresh)

    def _show(self, step: int) -> None:
        self._group.button(step).setChecked(True)
        self._stack.setCurrentIndex(step)
        for k, page in enumerate(self.pages):  # as high as the page in front
            height = QSizePolicy.Policy.Preferred if k == step else QSizePolicy.Policy.Ignored
            page.setSizePolicy(QSizePolicy.Policy.Preferred, height)

    def refresh(self, touched: object = None) -> None:
        """Show the values in force."""
        editor = self.bench.editor
        if editor is None or touched is not None:
            return
        settings = editor.session.settings
        with signals_blocked(self.picture.polarity):
            self.picture.polarity.setCurrentText(editor.session.polarity)
        self.picture.lean.setValue(editor.image.orientation.lean_deg + 0.0)  # no -0.0
        self.targets.show_ladder(settings.identification.ladder)
        for form in self.forms:
            form.show_values(getattr(settings, form.section))


def combo(choices: list[str]) -> QComboBox:
    """A box to choose from."""
    box = QComboBox()
    box.addItems(choices)
    box.setMinimumContentsLength(7)
    return box


def button(name: str, tip: str, slot: Callable[[], Any]) -> QPushButton:
    """A button that says what it does."""
    made = QPushButton(name)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    made.setToolTip(tip)
    made.clicked.connect(lambda _checked=False: slot())
    return made
