"""Forms made from the core's settings: one row a parameter, with its limits and its meaning as tooltip."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QLineEdit, QSpinBox, QWidget

Changed = Callable[[str, Any], None]


class SettingsForm(QWidget):
    """A form over one section of the settings; tells each change by its dotted name."""

    def __init__(self, model: type[BaseModel], prefix: str, changed: Changed, *, only: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._fields: dict[str, QWidget] = {}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for name, info in model.model_fields.items():
            if only and name not in only:
                continue
            box = _box(info, partial(changed, prefix + name))
            if box is not None:
                box.setToolTip(info.description or "")
                self._fields[name] = box
                form.addRow(name.replace("_", " "), box)

    def show_values(self, section: BaseModel) -> None:
        """Show the values of a section without telling a change."""
        for name, box in self._fields.items():
            box.blockSignals(True)
            _show(box, getattr(section, name))
            box.blockSignals(False)


def _box(info: FieldInfo, tell: Callable[[Any], None]) -> QWidget | None:
    kinds = [kind for kind in get_args(info.annotation) or (info.annotation,) if kind is not type(None)]
    is_optional = type(None) in get_args(info.annotation)
    if get_origin(info.annotation) is Literal:
        box = QComboBox()
        box.addItems([str(choice) for choice in get_args(info.annotation)])
        box.currentTextChanged.connect(tell)
        return box
    kind = get_args(kinds[0])[0] if get_args(kinds[0]) else kinds[0]
    if kind is bool:
        check = QCheckBox()
        check.toggled.connect(tell)
        return check
    if kind in (int, float):
        return _spin(info, kind, is_optional, tell)
    if kind is str:
        line = QLineEdit()
        line.editingFinished.connect(lambda: tell(line.text() or None))
        return line
    return None


def _spin(info: FieldInfo, kind: type, is_optional: bool, tell: Callable[[Any], None]) -> QWidget:
    low, high = _limits(info)
    first = int(low) - 1 if is_optional else low
    spin: QSpinBox | QDoubleSpinBox
    if kind is int:
        spin = QSpinBox()
        spin.setRange(int(first), int(high))
    else:
        spin = QDoubleSpinBox()
        spin.setRange(first, high)
        spin.setDecimals(2)
        spin.setSingleStep(max((high - low) / 100, 0.05))
    if is_optional:
        spin.setSpecialValueText("auto")
    spin.setKeyboardTracking(False)
    spin.valueChanged.connect(lambda value: tell(None if is_optional and value == spin.minimum() else value))
    return spin


def _limits(info: FieldInfo) -> tuple[float, float]:
    metadata = list(info.metadata)
    for kind in get_args(info.annotation):
        for extra in getattr(kind, "__metadata__", ()):
            metadata += getattr(extra, "metadata", [])
    low, high = 0.0, 1000.0
    for item in metadata:
        low = float(getattr(item, "ge", getattr(item, "gt", low)))
        high = float(getattr(item, "le", getattr(item, "lt", high)))
    return low, high


def _show(box: QWidget, value: Any) -> None:
    if isinstance(box, QComboBox):
        box.setCurrentText(str(value))
    elif isinstance(box, QCheckBox):
        box.setChecked(bool(value))
    elif isinstance(box, QLineEdit):
        box.setText(value or "")
    elif isinstance(box, QSpinBox | QDoubleSpinBox):
        box.setProperty("value", box.minimum() if value is None else value)
