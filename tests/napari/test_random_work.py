"""Five hundred random sequences of commands: the state is the replay of the record, nothing is lost. No window."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from psygnal import Signal

from blotquant.runs.blots import open_blot, open_rescued
from blotquant.session.autosave import Autosaver, autosave_path, holds
from blotquant.session.hit_testing import hit
from blotquant.session.session import load_session, parse_session, session_text
from napari_blotquant.commands import BY_NAME, Commands
from napari_blotquant.editor import Editor

UNDO = ["undo"] * 4 + ["redo"] * 3
EDITS = [
    "snap", "cut", "merge", "delete", "copy_along_row", "name_row", "name_kda", "add_lane", "remove", "move_1_0",
    "move_0_-1", "mark_ladder", "mark_blank", "mark_excluded", "mark_sample", "confirm",
]  # fmt: skip
N_STEPS = 14


class AtOnce(Autosaver):
    """Writes when it is told to, as the thread has done when half a second has gone by."""

    def keep(self, session: Any, source: Path | None, target: Path | None) -> None:
        from dataclasses import replace

        if source is not None:
            session = replace(session, image=replace(session.image, path=source.as_posix()))
        self._write(session, target)


class Bench:
    """A workbench without threads."""

    opened = Signal()
    said = Signal(str, str)

    def __init__(self, editor: Editor) -> None:
        self.editor, self.band_id, self.lane_id = editor, "", ""

    def select(self, band_id: str) -> None:
        self.band_id = band_id

    def select_lane(self, lane_id: str) -> None:
        self.lane_id = lane_id

    def lay_back(self) -> bool:
        return False


class Layers:
    """A pointer and a selection, put anywhere."""

    all = ()
    boxed = Signal(str, object, object)

    def __init__(self, bench: Bench, rng: np.random.Generator) -> None:
        self.bench, self.rng = bench, rng
        self.strips, self.lanes = SimpleNamespace(visible=False), SimpleNamespace(name="Lanes")
        self.bands, self.centers = SimpleNamespace(name="Bands"), SimpleNamespace(visible=False)
        self.point, self.chosen, self.chosen_lanes = (0.0, 0.0), list[str](), list[str]()

    def wander(self) -> None:
        layout, rng = self.bench.editor.layout, self.rng
        if layout.bands and rng.random() < 0.7:
            peak = layout.bands[rng.integers(len(layout.bands))].peak
            self.point = peak[0] + rng.normal(0, 2), peak[1] + rng.normal(0, 4)
        else:
            self.point = rng.uniform(0, 160), rng.uniform(0, 240)
        ids = [band.id for band in layout.bands]
        self.chosen = [str(key) for key in rng.permutation(ids)[: rng.integers(0, 4)]]
        self.chosen_lanes = [lane.id for lane in layout.lanes if rng.random() < 0.2]
        self.active = self.lanes if rng.random() < 0.15 else self.bands

    def finish(self) -> None:
        pass

    def here(self) -> Any:
        return hit(self.bench.editor.layout, *self.point)

    def is_active(self, *layers: Any) -> bool:
        return self.active in layers

    def selected_ids(self) -> list[str]:
        return self.chosen

    def selected_lane_ids(self) -> list[str]:
        return self.chosen_lanes

    def selected_strip_ids(self) -> list[str]:
        return []

    def work_on(self, _layer: Any) -> None:
        pass

    def look_at(self, _outline: Any) -> None:
        pass

    def select_lane(self, _lane_id: str) -> None:
        pass


def opened(path: Path) -> Editor:
    """The editor as it is after a start: with what was autosaved and is in no session."""
    blot = open_blot(path)
    if blot.kept:
        assert len(blot.kept) == 1
        blot = open_rescued(blot.kept[0].path)
    editor = Editor(blot.image, blot.session, path=blot.path, who="Ada", autosaver=AtOnce())
    editor.saved = blot.saved or blot.session
    return editor


def walk(seed: int, picture: Path) -> int:
    """One random sequence with saving, killing and opening again; the number of edits in the end."""
    rng = np.random.default_rng(seed)
    bench = Bench(opened(picture))
    layers, start = Layers(bench, rng), bench.editor.session
    hand: Any = Commands(bench, layers)  # type: ignore[arg-type]
    hand.target, hand.kda = "AKT", "55"
    for _ in range(N_STEPS):
        layers.wander()
        name = str(rng.choice(UNDO if rng.random() < 0.3 else EDITS))
        if name == "name_row":
            hand.target = str(rng.choice(["AKT", "ERK"]))
        hand.run(name, by_key=bool(rng.random() < 0.7))
        editor = bench.editor
        assert editor.layout == editor.session.layout, (seed, name)
        assert editor.conflicts == (), (seed, name)
        fate = rng.random()
        if fate < 0.08:
            assert holds(load_session(editor.save()), editor.session)
        elif fate < 0.16:  # killed and started again
            before = editor.session
            bench.editor = opened(picture)
            assert bench.editor.session.history == before.history, (seed, name)
            assert bench.editor.layout == before.layout
    editor = bench.editor
    assert parse_session(session_text(editor.session)).layout == editor.layout
    assert editor.session.history.verify_chain() == ()
    n = len(editor.session.history)
    while editor.undo():
        pass
    assert editor.layout == start.layout_auto
    return n


@pytest.mark.parametrize("chunk", range(10))
def test_run_of_random_commands_loses_no_edit(chunk: int, picture: Path, state_folder: Path) -> None:
    session = picture.with_name("blot.tif.blot.json")
    text, total = session.read_text(), 0
    for seed in range(50 * chunk, 50 * (chunk + 1)):
        session.write_text(text)
        for kept in state_folder.glob("*") if state_folder.is_dir() else ():
            kept.unlink()
        total += walk(seed, picture)
    assert total > 300
    assert set(EDITS) | {"undo", "redo"} <= set(BY_NAME)
    assert autosave_path(load_session(session)).parent == state_folder
