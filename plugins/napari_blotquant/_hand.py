"""What a key or a button does: to the selection, or to what lies under the pointer. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from psygnal import Signal

from blotquant.identification.ladder import said_kda
from blotquant.model.geometry import Band, Lane, LaneRole
from blotquant.session import edits
from blotquant.session.history import Change
from blotquant.session.hit_testing import lane_at, snap, strip_at
from blotquant.session.strip_edits import remove_strip
from napari_blotquant._layers import BlotLayers
from napari_blotquant._model import Doubt


class Key(NamedTuple):
    """A key, the `Hand` method it calls, and what the dock says about it."""

    key: str
    method: str
    says: str


KEYS = (
    Key("n", "next_doubt", "next doubt: the least sure lane or band"),
    Key("a", "confirm", "looked at and right: no doubt any more"),
    Key("b", "snap_band", "band under the pointer: outline it"),
    Key("k", "cut_band", "cut the band at the pointer's row"),
    Key("m", "merge", "merge the selected bands"),
    Key("h", "copy_along_row", "give the whole row this band's shape"),
    Key("t", "assign_target", "give the row the target named in the dock; asks for a name where there is none"),
    Key("w", "name_kda", "give the ladder's band the mass named in the dock"),
    Key("l", "add_lane", "add a lane at the pointer"),
    Key("u", "remove_lane", "remove the lane under the pointer (the strip, while strips are worked on)"),
    Key("c", "bend", "bend centre lines, or move lanes again"),
    Key("g", "mark_ladder", "lane under the pointer: ladder"),
    Key("o", "mark_blank", "lane under the pointer: blank"),
    Key("e", "mark_excluded", "lane under the pointer: excluded"),
    Key("y", "mark_sample", "lane under the pointer: sample"),
    Key("Control-S", "save", "save the session"),
    Key("PageDown", "go_on", "save what was corrected and open the next blot of the list"),
    Key("Control-Z", "undo", "undo"),
    Key("Control-Shift-Z", "redo", "redo"),
)


class Hand:
    """The verbs of correction, bound to one blot's layers.

    Attributes
    ----------
    target, kda : str
        What is given next to a row, and to a band of the ladder.

    Parameters
    ----------
    layers : BlotLayers
        The blot.
    say : callable
        Shows one line to the user: why something was not done.
    """

    stepped = Signal(int)  # a step's number key was pressed
    saved = Signal()  # the session is to be saved
    went_on = Signal()  # the next blot of the list is to be opened
    named_kda = Signal()  # a band of the ladder got its mass
    asked_target = Signal(str)  # a target has to be named; the id of the band whose row gets it
    named_target = Signal(str, str)  # a row got this target; the id of one of its bands

    def __init__(self, layers: BlotLayers, say: Callable[[str], None]) -> None:
        self.layers, self.editor, self.say = layers, layers.editor, say
        self.target, self.kda = "", ""
        self._seen: Doubt | None = None
        self._unnamed: tuple[str, ...] = ()

    def bind_keys(self) -> None:
        """Bind the keys to the layers; manifest keybindings are not wired by napari."""
        layers = self.layers
        for layer in (layers.image, layers.strips, layers.lanes, layers.centers, layers.bands):
            for step, digit in enumerate("123456"):
                layer.bind_key(digit, lambda _layer, step=step: self.stepped.emit(step), overwrite=True)
            for key in KEYS:
                layer.bind_key(key.key, lambda _layer, method=key.method: getattr(self, method)(), overwrite=True)

    # where

    def pointer(self) -> tuple[float, float]:
        """Row and column under the pointer."""
        row, col = self.layers.viewer.cursor.position[-2:]
        return float(row), float(col)

    def chosen_bands(self) -> list[Band]:
        """Selected bands; else the one under the pointer."""
        bands = {band.id: band for band in self.editor.layout.bands}
        chosen = [bands[key] for key in self.layers.selected_ids() if key in bands]
        return chosen or self._bands_at(*self.pointer())

    def _bands_at(self, row: float, col: float) -> list[Band]:
        hit = []
        for band in self.editor.layout.bands:
            rows, cols = zip(*band.outline, strict=True)
            if min(rows) <= row <= max(rows) and min(cols) <= col <= max(cols):
                hit.append(band)
        return hit[:1]

    def chosen_lane(self) -> Lane | None:
        """The selected lane; else the one under the pointer."""
        keys = self.layers.selected_lane_ids()
        if len(keys) == 1 and any(lane.id == keys[0] for lane in self.editor.layout.lanes):
            return self.editor.layout.lane(keys[0])
        return lane_at(self.editor.layout, *self.pointer())

    def _do(self, make: Callable[[], Sequence[Change]], action: str) -> bool:
        try:
            self.editor.do(list(make()), action)
        except ValueError as error:
            self.say(str(error))
            return False
        return True

    # bands

    def snap_band(self) -> None:
        """Outline the band under the pointer; one that is there already is fitted again."""
        row, col = self.pointer()
        lane = lane_at(self.editor.layout, row, col)
        found = snap(self.editor.signal, lane, row) if lane is not None else None
        if lane is None or found is None:
            self.say("there is no band to snap to here: point at one inside a lane, or draw it (R)")
            return
        outline, peak = found
        there = [b for b in self._bands_at(*peak) if b.lane == lane.id]
        layout = self.editor.layout
        if there:
            changes = edits.resize_band(layout, there[0].id, outline)
        else:
            changes = edits.draw_band(layout, outline, used_ids=self.editor.used_ids, peak=peak)
        if self._do(lambda: changes, "snap"):
            self.layers.picked.emit(there[0].id if there else changes[0].object_id)

    def set_limits(self, band_id: str, top: float, bottom: float) -> bool:
        """Stretch a band between two rows; False if it cannot be."""
        layout = self.editor.layout
        return self._do(lambda: edits.set_band_rows(layout, band_id, top=top, bottom=bottom), "resize")

    def cut_band(self) -> None:
        """Cut the chosen band at the pointer's row."""
        chosen, (row, _) = self.chosen_bands(), self.pointer()
        if len(chosen) != 1:
            self.say("point at one band to cut it")
            return
        layout, used = self.editor.layout, self.editor.used_ids
        self._do(lambda: edits.split_band(layout, chosen[0].id, row=row, used_ids=used), "split")

    def merge(self) -> None:
        """Merge the selected bands."""
        self._do(lambda: edits.merge_bands(self.editor.layout, self.layers.selected_ids()), "merge")

    def copy_along_row(self) -> None:
        """Give all bands of the row the chosen band's shape."""
        chosen = self.chosen_bands()
        if len(chosen) != 1 or chosen[0].row is None:
            self.say("select one band of a row to copy its shape along the row")
            return
        self._do(lambda: edits.copy_aperture_along_row(self.editor.layout, chosen[0].id), "copy_aperture")

    def assign_target(self) -> None:
        """Give the chosen bands' rows the target named in the dock, or ask for its name."""
        chosen = tuple(band.id for band in self.chosen_bands())
        if not chosen:
            self.say("point at a band of the row")
        elif self.target:
            self._give_target(chosen)
        else:
            self._unnamed = chosen
            self.asked_target.emit(chosen[0])

    def answer_target(self) -> None:
        """Give the rows that a target was asked for its name."""
        chosen, self._unnamed = self._unnamed, ()
        there = {band.id for band in self.editor.layout.bands}
        if self.target and chosen and there.issuperset(chosen):
            self._give_target(chosen)

    def _give_target(self, chosen: Sequence[str]) -> None:
        name, changes = self.target, list[Change]()
        for band_id in chosen:
            done = {change.object_id for change in changes}
            found = edits.set_target(self.editor.layout, band_id, name)
            changes += [change for change in found if change.object_id not in done]
        if self._do(lambda: changes, "target"):
            self.named_target.emit(name, chosen[0])

    def name_kda(self) -> None:
        """Give the chosen band of the ladder the mass named in the dock."""
        chosen = self.chosen_bands()
        mass = said_kda(self.kda.strip() if "kDa" in self.kda else f"{self.kda.strip()} kDa")
        if mass is None or len(chosen) != 1:
            self.say("choose a mass in kDa in the dock, then point at one band of the ladder")
            return
        layout, band = self.editor.layout, chosen[0]
        if layout.lane(band.lane).role != "ladder":
            self.say("this band does not lie in the ladder's lane; point at that lane and press G to mark it")
            return
        if self._do(lambda: edits.set_target(layout, band.id, f"{mass:g} kDa", whole_row=False), "kda"):
            self.named_kda.emit()

    # strips and lanes

    def remove_strip(self) -> None:
        """Remove the selected strip, else the one under the pointer."""
        layout, chosen = self.editor.layout, self.layers.selected_strip_ids()
        if not chosen and layout.strips:
            chosen = [strip_at(layout, *self.pointer()).id]
        if not chosen:
            self.say("there is no strip to remove")
            return
        self._do(lambda: remove_strip(layout, chosen[0]), "remove_strip")

    def bend(self) -> None:
        """Let the mouse bend centre lines, or move lanes again."""
        layers, lane = self.layers, self.chosen_lane()
        layers.work_on(layers.lanes if layers.centers.visible else layers.centers)
        if layers.centers.visible:
            layers.select_center(lane.id if lane is not None else "")
            self.say("drag the points of a centre line; click another one to see its points; C ends it")

    def add_lane(self) -> None:
        """Add a lane at the pointer."""
        (row, col), used = self.pointer(), self.editor.used_ids
        self._do(lambda: edits.add_lane(self.editor.layout, row=row, col=col, used_ids=used), "add_lane")

    def remove_lane(self) -> None:
        """Remove the chosen lane; the strip, while strips are worked on."""
        if self.layers.strips.visible:
            self.remove_strip()
            return
        lane = self.chosen_lane()
        if lane is None:
            self.say("point at a lane to remove it")
            return
        self._do(lambda: edits.remove_lane(self.editor.layout, lane.id), "remove_lane")

    def mark(self, role: LaneRole) -> None:
        """Say what was loaded in the chosen lane."""
        lane = self.chosen_lane()
        if lane is None:
            self.say(f"point at a lane to mark it as {role}")
            return
        self._do(lambda: edits.set_role(self.editor.layout, lane.id, role), "role")

    def mark_ladder(self) -> None:
        """Mark the chosen lane as ladder."""
        self.mark("ladder")

    def mark_blank(self) -> None:
        """Mark the chosen lane as blank."""
        self.mark("blank")

    def mark_excluded(self) -> None:
        """Mark the chosen lane as excluded."""
        self.mark("excluded")

    def mark_sample(self) -> None:
        """Mark the chosen lane as sample."""
        self.mark("sample")

    # walking, stepping, keeping

    def save(self) -> None:
        """Have the session saved."""
        self.saved.emit()

    def go_on(self) -> None:
        """Have the next blot of the list opened."""
        self.went_on.emit()

    def next_doubt(self) -> None:
        """Go to the next of the things that deserve a look, the least sure first, then round again."""
        doubts = self.editor.doubts()
        if not doubts:
            self._seen = None
            self.say("no doubts left: every lane and band is sure or was looked at")
            return
        later = [k for k, doubt in enumerate(doubts) if self._seen is not None and doubt.rank > self._seen.rank]
        place = later[0] if later else 0
        self._seen = doubt = doubts[place]
        layout, layers = self.editor.layout, self.layers
        if doubt.kind == "band":
            layers.work_on(layers.bands)
            layers.select(doubt.object_id)
            layers.look_at(layout.band(doubt.object_id).outline)
            layers.picked.emit(doubt.object_id)
        else:
            layers.work_on(layers.lanes)
            layers.select_lane(doubt.object_id)
            layers.picked_lane.emit(doubt.object_id)
            layers.look_at(layout.lane(doubt.object_id).outline)
        self.say(f"{doubt.reason} ({place + 1} of {len(doubts)}): correct it, or press A if it is right")

    def confirm(self) -> None:
        """Say that the doubt on show, else the chosen bands, are right; then go on to the next doubt."""
        seen = {doubt.object_id for doubt in self.editor.doubts()}
        if self._seen is not None and self._seen.object_id in seen:
            keys = [self._seen.object_id]
        else:
            keys = [band.id for band in self.chosen_bands()]
        changes = [change for key in keys for change in edits.confirm(self.editor.layout, key)]
        if not changes:
            self.say("point at a lane or band in doubt, or press N to go to one")
        elif self._do(lambda: changes, "confirm"):
            self.next_doubt()

    def undo(self) -> None:
        """Take the last gesture back."""
        if not self.editor.undo():
            self.say("nothing to undo")

    def redo(self) -> None:
        """Do the last undone gesture again."""
        if not self.editor.redo():
            self.say("nothing to redo")
