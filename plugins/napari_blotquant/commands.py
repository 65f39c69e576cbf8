"""Every command once: its key, its label, what it says of itself, and what it acts on. No Qt.

A key acts on what lies under the pointer, which is lit before it is pressed; a button acts on what is selected. The
keys of the layers, the buttons of the pages, the context menu and the list of keys are made from `COMMANDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from psygnal import Signal

from blotquant.identification.ladder import said_kda
from blotquant.model.geometry import LaneRole, Layout
from blotquant.model.image import Flip, Orientation
from blotquant.session import band_edits, lane_edits
from blotquant.session.doubts import Doubt, flags_in_numbers
from napari_blotquant.editor import Editor
from napari_blotquant.layers import BlotLayers
from napari_blotquant.workbench import Workbench

Target = Literal["", "band", "lane", "strip", "selection", "picture"]

SHARE = "Use these lanes on the membrane's other pictures"


class Command(NamedTuple):
    """One command: its key as napari binds it, its label, what it does, and the method of `Commands` that does it.

    `on` is what it acts on: by its key on such a thing under the pointer, by its button on the selected one.
    """

    key: str
    label: str
    tip: str
    method: str
    on: Target = ""
    args: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """What it is asked for by: *cut*, *mark_ladder*."""
        return "_".join([self.method, *(str(arg) for arg in self.args)])


COMMANDS = (
    Command("N", "Next doubt", "Go to the least sure lane or band", "next_doubt"),
    Command("A", "It is right", "The doubt on show was looked at and is right; go on", "confirm"),
    Command("B", "Snap", "Outline the band at the pointer (also by a double click)", "snap", "band"),
    Command("K", "Cut", "Cut the band at the pointer's row; a doublet into its members", "cut", "band"),
    Command("M", "Merge", "Merge the selected bands; of one alone, its doublet", "merge", "band"),
    Command("H", "Same shape", "Give the whole row the shape of this band", "copy_along_row", "band"),
    Command("T", "Name row", "Give the row the target named in the dock, or ask for it", "name_row", "band"),
    Command("W", "Mass", "Give the ladder's band the mass named in the dock", "name_kda", "band"),
    Command("Delete", "Delete", "Remove the band, or what is selected if it is one of these", "delete", "band"),
    Command("L", "Add a lane", "Add a lane at the pointer", "add_lane"),
    Command("U", "Remove", "With its bands (the strip, while strips are worked on)", "remove", "lane"),
    Command("C", "Bend", "Drag the points of the centre lines, or lanes again", "bend", "lane"),
    Command("Y", "Sample", "The lane holds a sample", "mark", "lane", ("sample",)),
    Command("G", "Ladder", "The lane holds the ladder", "mark", "lane", ("ladder",)),
    Command("", "Standard", "The lane holds a standard", "mark", "lane", ("standard",)),
    Command("O", "Blank", "The lane is blank", "mark", "lane", ("blank",)),
    Command("E", "Exclude", "The lane is excluded", "mark", "lane", ("excluded",)),
    Command("R", "Draw", "Draw rectangles where you work (bands, lanes, strips) until Esc", "draw"),
    Command("Shift-M", SHARE, "After a look at how they lie on each other; each can be undone", "share_lanes"),
    Command("J", "Turn left", "Turn the picture by a quarter and find everything anew", "turn", "picture", (90,)),
    Command("Shift-J", "Turn right", "Turn the picture by a quarter, clockwise", "turn", "picture", (-90,)),
    Command("F", "Mirror", "Mirror the picture, left to right", "mirror", "picture", ("left-right",)),
    Command("Shift-F", "Mirror down", "Mirror the picture, top to bottom", "mirror", "picture", ("top-bottom",)),
    Command("D", "Askew", "Drag along a row that lies askew: rows are searched so", "draw", "picture", ("rows",)),
    Command("", "Lean", "Search as if rows ran askew by these degrees; the pixels stay", "lean", "picture"),
    Command("Q", "Region", "Drag a rectangle around the part of the picture to keep", "draw", "picture", ("region",)),
    Command("", "Whole", "Show all of a picture that was cut", "lay", "picture"),
    Command("Shift-R", "Strip", "Drag rectangles around strips until Esc", "draw", "picture", ("strip",)),
    Command(
        "Shift-L", "Even lanes", "Drag over all lanes: as many even ones lie there then", "draw", "picture", ("grid",)
    ),
    Command("Escape", "Stop", "End drawing; else select nothing", "stop"),
    Command("Up", "Up", "Move the selected bands by a pixel", "move", "selection", (-1, 0)),
    Command("Down", "Down", "Move the selected bands by a pixel", "move", "selection", (1, 0)),
    Command("Left", "Left", "Move the selected bands by a pixel", "move", "selection", (0, -1)),
    Command("Right", "Right", "Move the selected bands by a pixel", "move", "selection", (0, 1)),
    Command("Control-S", "Save", "Save the session", "save"),
    Command("PageDown", "Next blot", "Save what was corrected and open the next blot of the list", "open_next"),
    Command("Control-Z", "Undo", "Take the last gesture back", "undo"),
    Command("Control-Shift-Z", "Redo", "Do the last undone gesture again", "redo"),
)
BY_NAME = {command.name: command for command in COMMANDS}
FRAMES = {
    "region": "a rectangle around the part of the picture to keep",
    "grid": "a rectangle around all lanes",
    "rows": "a line along a row of bands",
}
"""What is drawn that is no strip, lane or band."""
MAX_LEAN_DEG = 45.0
"""Rows that run more askew are nearer to the next quarter turn."""
MIN_ROW_PX = 60.0
"""Length of a line in px from which on an end that is off by one turns it by less than a degree."""
STEPS = ("Picture", "Strips", "Lanes", "Bands", "Targets", "Result")
PICTURE = 0
"""Number of a step, as the next five are."""
STRIPS = 1
LANES = 2
BANDS = 3
TARGETS = 4
RESULT = 5


def key_name(key: str) -> str:
    """A key as it stands on a keyboard."""
    return key.replace("Control", "Ctrl").replace("Escape", "Esc").replace("-", "+")


class Commands:
    """What keys, buttons and menus do, bound to a workbench and its layers.

    Attributes
    ----------
    target, kda : str
        What is given next to a row, and to a band of the ladder.
    lean_deg : float
        By how much rows run down to the right, for `lean`.
    step : int
        Which step of the work is in front.
    """

    stepped = Signal(int)  # a step is gone to
    named_kda = Signal()  # a band of the ladder got its mass
    asked_target = Signal(str)  # a target has to be named; the id of the band whose row gets it
    named_target = Signal(str, str)  # a row got this target; the id of one of its bands

    def __init__(self, bench: Workbench, layers: BlotLayers) -> None:
        self.bench, self.layers = bench, layers
        self.target, self.kda, self.lean_deg, self.step = "", "", 0.0, BANDS
        self._by_key = False
        self._seen: Doubt | None = None
        self._unnamed: tuple[str, ...] = ()
        bench.opened.connect(self._begin)
        layers.boxed.connect(self._boxed)
        for layer in layers.all:
            for step, digit in enumerate("123456"):
                layer.bind_key(digit, lambda _layer, step=step: self.go(step), overwrite=True)
            for command in COMMANDS:
                if command.key:
                    layer.bind_key(command.key, self._pressed(command.name), overwrite=True)
            layer.mouse_double_click_callbacks.append(self._double_clicked)

    def _pressed(self, name: str) -> Callable[[Any], None]:
        return lambda _layer: self.run(name, by_key=True)

    def _double_clicked(self, _layer: Any, _event: Any) -> None:
        if self.layers.is_active(self.layers.bands):
            self.run("snap", by_key=True)

    def run(self, name: str, *, by_key: bool = False) -> None:
        """Do a command, and say why where it cannot be done."""
        if self.bench.editor is None:
            return
        self.layers.finish()
        self._by_key, command = by_key, BY_NAME[name]
        self._try(getattr(self, command.method), *command.args)

    def _try(self, do: Callable[..., None], *args: Any) -> None:
        try:
            do(*args)
        except ValueError as error:
            self.say(str(error))

    def say(self, text: str) -> None:
        """Show one line to the user."""
        self.bench.said.emit(text, "note")

    @property
    def editor(self) -> Editor:
        """The open blot; a command runs only where there is one."""
        assert self.bench.editor is not None
        return self.bench.editor

    def _begin(self) -> None:
        self._seen, self._unnamed = None, ()

    # what a command acts on

    def _bands(self) -> list[str]:
        """The band under the pointer, for a key; the selected ones, for a button."""
        chosen = self.layers.selected_ids() or [self.bench.band_id]
        found = [self.layers.here().band] if self._by_key else chosen
        found = [key for key in found if self.editor.band(key) is not None]
        if not found:
            msg = "point at a band" if self._by_key else "select a band first: click it in the picture or the table"
            raise ValueError(msg)
        return found

    def _lane(self) -> str:
        """The lane under the pointer, for a key; the selected one, for a button."""
        if self._by_key:
            found = self.layers.here().lane
        else:
            chosen = self.layers.selected_lane_ids()
            found = chosen[0] if len(chosen) == 1 else self.bench.lane_id
        if self.editor.lane(found) is None:
            msg = "point at a lane" if self._by_key else "select a lane first: click it in the picture"
            raise ValueError(msg)
        return found

    def _point(self) -> tuple[float, float]:
        here = self.layers.here()
        if here.row < 0 and here.col < 0:
            msg = "point at the picture"
            raise ValueError(msg)
        return here.row, here.col

    @property
    def _layout(self) -> Layout:
        return self.editor.layout

    def snap(self) -> None:
        row, col = self._point()
        signal, used = self.editor.image.signal(), self.editor.used_ids
        changes, key = band_edits.snap_band(self._layout, signal, row=row, col=col, used_ids=used)
        self.editor.do(changes, "snap")
        self.bench.select(key)

    def cut(self) -> None:
        here = self.layers.here()
        if not here.band:
            msg = "point at the row of a band where it is to be cut, and press K"
            raise ValueError(msg)
        used = self.editor.used_ids
        self.editor.do(band_edits.split_band(self._layout, here.band, row=here.row, used_ids=used), "split")

    def merge(self) -> None:
        chosen = self.layers.selected_ids()
        self.editor.do(band_edits.merge_bands(self._layout, chosen if len(chosen) > 1 else self._bands()), "merge")

    def delete(self) -> None:
        layers, bands = self.layers, self.layers.selected_ids()
        lit = layers.here().band if self._by_key else ""
        for layer, chosen, remove, action in (
            (layers.strips, layers.selected_strip_ids(), lane_edits.remove_strip, "remove_strip"),
            (layers.lanes, layers.selected_lane_ids(), lane_edits.remove_lane, "remove_lane"),
            (layers.bands, [lit] if lit and lit not in bands else bands, band_edits.delete_band, "delete"),
        ):
            if layers.is_active(layer):
                self.editor.do(band_edits.in_turn(self._layout, chosen, remove), action)

    def move(self, d_row: float, d_col: float) -> None:
        if not self.layers.is_active(self.layers.bands) or not self.layers.selected_ids():
            msg = "arrows move the selected bands: click one first"
            raise ValueError(msg)
        moved = partial(band_edits.move_band, d_row=d_row, d_col=d_col)
        self.editor.do(band_edits.in_turn(self._layout, self.layers.selected_ids(), moved, once=True), "move")

    def copy_along_row(self) -> None:
        chosen = self._bands()
        if len(chosen) != 1 or self._layout.band(chosen[0]).row is None:
            msg = "select one band of a row to copy its shape along the row"
            raise ValueError(msg)
        self.editor.do(band_edits.copy_aperture_along_row(self._layout, chosen[0]), "copy_aperture")

    def name_row(self) -> None:
        self._unnamed = tuple(self._bands())
        if self.target:
            self.answer_target()
        else:
            self.go(TARGETS)
            self.asked_target.emit(self._unnamed[0])

    def answer_target(self) -> None:
        """Give the rows that a target was asked for its name."""
        chosen, self._unnamed, name = self._unnamed, (), self.target
        if name and chosen and all(self.editor.band(key) for key in chosen):
            found = [change for key in chosen for change in band_edits.set_target(self._layout, key, name)]
            self.editor.do(list({change.object_id: change for change in found}.values()), "target")
            self.named_target.emit(name, chosen[0])

    def name_kda(self) -> None:
        band = self._layout.band(self._bands()[0])
        kda = said_kda(self.kda.strip() if "kDa" in self.kda else f"{self.kda.strip()} kDa")
        if kda is None:
            msg = "choose a mass in kDa in the dock, then point at one band of the ladder"
            raise ValueError(msg)
        if self._layout.lane(band.lane).role != "ladder":
            msg = "this band does not lie in the ladder's lane; point at that lane and press G to mark it"
            raise ValueError(msg)
        self.editor.do(band_edits.set_target(self._layout, band.id, f"{kda:g} kDa", whole_row=False), "kda")
        self.named_kda.emit()

    def remove(self) -> None:
        if not self.layers.strips.visible:
            self.editor.do(lane_edits.remove_lane(self._layout, self._lane()), "remove_lane")
            return
        chosen = [self.layers.here().strip] if self._by_key else self.layers.selected_strip_ids()
        if not chosen or not chosen[0]:
            msg = "point at a strip" if self._by_key else "select a strip first: click it in the picture"
            raise ValueError(msg)
        self.editor.do(lane_edits.remove_strip(self._layout, chosen[0]), "remove_strip")

    def add_lane(self) -> None:
        row, col = self._point()
        self.editor.do(lane_edits.add_lane(self._layout, row=row, col=col, used_ids=self.editor.used_ids), "add_lane")

    def bend(self) -> None:
        layers = self.layers
        layers.work_on(layers.lanes if layers.centers.visible else layers.centers)
        if layers.centers.visible:
            layers.select_center((layers.here().lane if self._by_key else "") or self.bench.lane_id)
            self.say("drag the points of a centre line; click another one to see its points; C ends it")

    def mark(self, role: LaneRole) -> None:
        self.editor.do(lane_edits.set_role(self._layout, self._lane(), role), "role")

    # walking, drawing, keeping

    def go(self, step: int) -> None:
        """Go to a step; it makes its layer the one that the mouse works on."""
        layers = self.layers
        layers.finish()
        self.step = step
        if self.bench.editor is not None:
            layers.work_on({PICTURE: layers.image, STRIPS: layers.strips, LANES: layers.lanes}.get(step, layers.bands))
        self.stepped.emit(step)

    def draw(self, what: str = "") -> None:
        layers = self.layers
        layer = layers.strips if what or layers.strips.visible else layers.lanes if self.step == LANES else layers.bands
        layers.draw(layer, what if what in FRAMES else "")
        one = "a strip" if layer is layers.strips else f"a {layer.name[:-1].lower()}"
        self.say(f"drag {FRAMES.get(what) or f'a rectangle around {one}'}; Esc ends it")

    def _boxed(self, what: str, first: tuple[float, float], last: tuple[float, float]) -> None:
        """A rectangle was drawn for a region or for even lanes, or a line along a row."""
        do = {"grid": self._lay_grid, "region": self._cut_out, "rows": self._level}[what]
        self._try(do, first, last)

    def _level(self, first: tuple[float, float], last: tuple[float, float]) -> None:
        (top, left), (bottom, right) = sorted((first, last), key=lambda point: point[1])
        if np.hypot(bottom - top, right - left) < MIN_ROW_PX:
            msg = "so short a line does not tell how the row lies: drag along several of its bands"
            raise ValueError(msg)
        self.lean_deg = round(float(np.degrees(np.arctan2(bottom - top, right - left))), 1)
        self.lean()

    def _cut_out(self, low: tuple[float, float], high: tuple[float, float]) -> None:
        sizes = self.editor.image.shape
        (top, left), (bottom, right) = (
            [min(max(round(place + 0.5), 0), size) for place, size in zip(corner, sizes, strict=True)]
            for corner in (low, high)
        )
        self.lay(Orientation(region=(left, top, right, bottom)))

    def _lay_grid(self, low: tuple[float, float], high: tuple[float, float]) -> None:
        outline, editor = [low, (low[0], high[1]), high, (high[0], low[1])], self.editor
        n = editor.session.settings.detection.n_lanes or len(self._layout.lanes)
        if not n:
            msg = "how many lanes? Say it in the field n lanes, then draw again"
            raise ValueError(msg)
        editor.do(lane_edits.lay_grid(self._layout, outline, n, used_ids=editor.used_ids), "grid")
        self.bench.find_from("bands")

    def turn(self, degrees: float) -> None:
        self.lay(Orientation(rotate=degrees))

    def mirror(self, flip: Flip) -> None:
        self.lay(Orientation(flip=flip))

    def lean(self) -> None:
        there = self.editor.image.orientation.lean_deg
        if abs(self.lean_deg) > MAX_LEAN_DEG:
            msg = f"rows that run askew by more than {MAX_LEAN_DEG:g}° want a quarter turn first"
            raise ValueError(msg)
        if round(self.lean_deg - there, 1):
            self.lay(Orientation(rotate=self.lean_deg - there))
        else:
            self.say(f"rows are searched along {there:g}° already")

    def lay(self, step: Orientation | None = None) -> None:
        self.bench.lay(step)

    def share_lanes(self) -> None:
        self.bench.share_lanes()

    def stop(self) -> None:
        if self.layers.stop():
            self.bench.said.emit("", "note")
            self.bench.select("")

    def next_doubt(self) -> None:
        editor = self.editor
        doubts = editor.doubts()
        if not doubts:
            self._seen = None
            more = flags_in_numbers(row["flags"] for row in editor.rows.values())
            self.say(f"no doubts left about where lanes and bands are{more}")
            return
        later = [k for k, doubt in enumerate(doubts) if self._seen is not None and doubt.rank > self._seen.rank]
        place = later[0] if later else 0
        self._seen = doubt = doubts[place]
        layers = self.layers
        if doubt.kind == "band":
            layers.work_on(layers.bands)
            self.bench.select(doubt.object_id)
            layers.look_at(editor.layout.band(doubt.object_id).outline)
        else:
            layers.work_on(layers.lanes)
            layers.select_lane(doubt.object_id)
            self.bench.select_lane(doubt.object_id)
            layers.look_at(editor.layout.lane(doubt.object_id).outline)
        self.say(f"{doubt.reason} ({place + 1} of {len(doubts)}): correct it, or press A if it is right")

    def confirm(self) -> None:
        seen = {doubt.object_id for doubt in self.editor.doubts()}
        is_shown = self._seen is not None and self._seen.object_id in seen
        keys = [self._seen.object_id] if self._seen is not None and is_shown else self._bands()
        if not seen.intersection(keys):
            msg = "this is no doubt; press N to go to one"
            raise ValueError(msg)
        self.editor.do([change for key in keys for change in band_edits.confirm(self._layout, key)], "confirm")
        self.next_doubt()

    def undo(self) -> None:
        if not (self.editor.undo() or self.bench.lay_back()):
            self.say("nothing to undo")

    def redo(self) -> None:
        if not self.editor.redo():
            self.say("nothing to redo")

    def save(self) -> None:
        self.bench.save()

    def open_next(self) -> None:
        self.bench.open_next()
