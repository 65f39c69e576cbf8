"""Five hundred random sequences of all commands: the state is the replay of the record, nothing is lost. No window."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from psygnal import Signal

from blotquant.errors import BlotQuantError
from blotquant.runs import blots
from blotquant.session import drawn_shapes as drawn
from blotquant.session.autosave import Autosaver, find_rescued, holds
from blotquant.session.hit_testing import hit, shown_outline
from blotquant.session.session import load_session, parse_session, session_text
from napari_blotquant.commands import COMMANDS, Commands
from napari_blotquant.workbench import Workbench

N_STEPS = 14
SLOW = ("draw_region", "draw_grid", "draw_rows", "lay", "lean", "share_lanes")
"""Commands that find or lay anew, drawn more rarely; `turn` and `mirror` likewise."""
SHARES = {"undo": 6.0, "redo": 5.0, "save": 0.3, "open_next": 0.3}
"""How often a command is drawn, beside one."""
READERS: dict[str, Callable[..., drawn.DrawnShapes]] = {
    "Strips": drawn.read_strips,
    "Lanes": drawn.read_lanes,
    "Bands": drawn.read_bands,
}


class AtOnce(Autosaver):
    """Writes when it is told to, as the thread has done when half a second has gone by."""

    def keep(self, session: Any, source: Path | None, target: Path | None) -> None:
        if source is not None:
            session = replace(session, image=replace(session.image, path=source.as_posix()))
        self._write(session, target)


class Bench(Workbench):
    """The workbench without threads, without numbers and without a loop of events."""

    def __init__(self) -> None:
        super().__init__()
        self.autosaver = AtOnce()
        self._settle = SimpleNamespace(throttle=lambda: None)
        self.problems: list[str] = []
        self.said.connect(lambda text, kind: self.problems.append(text) if text and kind == "problem" else None)

    def start(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        try:
            made = work()
        except (BlotQuantError, OSError) as error:
            failed(error)
        else:
            done(made)

    def measure(self) -> None:
        pass


class Layers:
    """A pointer, a selection and a hand that draws, anywhere."""

    all = ()
    boxed = Signal(str, object, object)

    def __init__(self, bench: Bench, rng: np.random.Generator) -> None:
        self.bench, self.rng = bench, rng
        self.image, self.strips, self.lanes, self.bands, self.centers = (
            SimpleNamespace(name=name, visible=False)
            for name in ("Picture", "Strips", "Lanes", "Bands", "Centre lines")
        )
        self.active, self.drawing = self.bands, ("", "")
        self.point, self.chosen, self.chosen_lanes, self.chosen_strips = (0.0, 0.0), list[str](), list[str](), [""]

    def wander(self) -> None:
        layout, rng = self.bench.editor.layout, self.rng
        if layout.bands and rng.random() < 0.7:
            peak = layout.bands[rng.integers(len(layout.bands))].peak
            self.point = peak[0] + rng.normal(0, 2), peak[1] + rng.normal(0, 4)
        else:
            self.point = tuple(rng.uniform((0, 0), self.bench.editor.image.shape))
        ids = [band.id for band in layout.bands]
        self.chosen = [str(key) for key in rng.permutation(ids)[: rng.integers(0, 4)]]
        self.chosen_lanes = [lane.id for lane in layout.lanes if rng.random() < 0.2]
        self.chosen_strips = [strip.id for strip in layout.strips if rng.random() < 0.1]

    def here(self) -> Any:
        return hit(self.bench.editor.layout, *self.point)

    def is_active(self, *layers: Any) -> bool:
        return self.active in layers

    def selected_ids(self) -> list[str]:
        return self.chosen

    def selected_lane_ids(self) -> list[str]:
        return self.chosen_lanes

    def selected_strip_ids(self) -> list[str]:
        return self.chosen_strips

    def work_on(self, layer: Any) -> None:
        for hidden in (self.strips, self.centers):
            hidden.visible = hidden is layer
        self.active = layer

    def draw(self, layer: Any, purpose: str = "") -> None:
        self.work_on(layer)
        self.drawing = layer.name, purpose

    def drag(self) -> None:
        """What is to be drawn is drawn, as the layers read it back."""
        (name, purpose), self.drawing = self.drawing, ("", "")
        editor, size = self.bench.editor, np.array(self.bench.editor.image.shape)
        first, last = np.sort(self.rng.uniform(0, 1, (2, 2)), axis=0) * size
        if purpose == "rows":
            last = first + np.array([self.rng.uniform(-30, 30), 90])
        elif purpose:
            first, last = first * 0.2, size - (size - last) * 0.2
        if purpose:
            self.work_on(self.image)
            self.boxed.emit(purpose, tuple(first.tolist()), tuple(last.tolist()))
            return
        layout = editor.layout
        shown = {
            "Strips": {strip.id: strip.outline for strip in layout.strips},
            "Lanes": {lane.id: lane.outline for lane in layout.lanes},
            "Bands": {band.id: shown_outline(layout, band) for band in layout.bands},
        }[name]
        corners = [first, (first[0], last[1]), last, (last[0], first[1])]
        shapes = [drawn.Shape(key, np.array(points)) for key, points in shown.items()]
        reading = READERS[name](layout, [*shapes, drawn.Shape("", np.array(corners))], used_ids=editor.used_ids)
        editor.do(reading.changes, reading.action)

    def finish(self) -> None:
        pass

    def stop(self) -> bool:
        return True

    def look_at(self, _outline: Any) -> None:
        pass

    def select_lane(self, _lane_id: str) -> None:
        pass

    select_center = select_lane


class Walk:
    """One random sequence with saving, killing and opening again."""

    def __init__(self, seed: int, picture: Path, other: Path) -> None:
        self.rng, self.picture, self.other, self.seed = np.random.default_rng(seed), picture, other, seed
        self.drawn: Counter[str] = Counter()
        self.n_kills = 0
        self.sit_down()
        self.bench.open_path(picture)

    def sit_down(self) -> None:
        self.bench = Bench()
        self.layers = Layers(self.bench, self.rng)
        self.hand: Any = Commands(self.bench, self.layers)  # type: ignore[arg-type]
        self.bench.blots = [blots.Blot(self.picture, "new"), blots.Blot(self.other, "new")]
        self.bench.chosen = [self.picture, self.other]

    def go(self) -> None:
        names = [command.name for command in COMMANDS]
        slow = {name: 0.12 for name in names if name in SLOW or name.startswith(("turn", "mirror"))}
        shares = np.array([{**slow, **SHARES}.get(name, 1.0) for name in names])
        for k in range(N_STEPS):
            drawn_name = str(self.rng.choice(names, p=shares / shares.sum()))
            self.step(drawn_name if k else names[self.seed % len(names)])
            if self.rng.random() < 0.1:
                self.kill()

    def step(self, name: str) -> None:
        rng, hand, bench = self.rng, self.hand, self.bench
        self.layers.wander()
        hand.target, hand.kda, hand.lean_deg = str(rng.choice(["AKT", "ERK"])), "55", float(rng.integers(-50, 50))
        if rng.random() < 0.15:
            hand.go(int(rng.integers(6)))
        before, had_conflicts = bench.editor, bool(bench.editor.conflicts)
        bench.problems.clear()
        hand.run(name, by_key=bool(rng.random() < 0.7))
        self.drawn[name] += 1
        self.check(name, before, had_conflicts=had_conflicts)
        if self.layers.drawing[0] and rng.random() < 0.9:
            before = bench.editor
            self.layers.drag()
            self.check("drag", before, had_conflicts=True)

    def check(self, name: str, before: Any, *, had_conflicts: bool) -> None:
        bench = self.bench
        editor = bench.editor
        assert editor.layout == editor.session.layout, (self.seed, name)
        assert editor.session.history.verify_chain() == (), (self.seed, name)
        is_found_anew = name in SLOW or editor is not before
        assert had_conflicts or is_found_anew or not editor.conflicts, (self.seed, name)
        if name == "save":
            assert bench.problems == [], (self.seed, name)
            assert holds(load_session(editor.path), editor.session), (self.seed, name)
        elif name == "open_next" and editor is not before:
            assert holds(load_session(before.path), before.session) or not before.is_dirty, (self.seed, name)

    def kill(self) -> None:
        """The process ends; at the next start what was not saved is offered, and taken."""
        self.n_kills += 1
        open_ones = [self.bench.editor, *(SimpleNamespace(session=o.session) for o in self.bench.earlier)]
        kept = {place: load_session(place) for place in self.picture.parent.glob("*.blot.json")}
        kept |= {rescued.path: rescued.session for rescued in find_rescued()}
        for one in open_ones:
            edits = one.session.history
            assert not edits or any(holds(session, one.session) for session in kept.values()), self.seed
        before = self.bench.editor
        self.sit_down()
        marks = before.session.image.sha256, before.session.history
        same = [place for place, session in kept.items() if (session.image.sha256, session.history) == marks]
        mine = [rescued.path for rescued in self.bench.rescued if rescued.path in same]
        self.bench.open_path([*mine, *same, before.image.source][0])
        editor = self.bench.editor
        assert editor.session.history == before.session.history, self.seed
        assert editor.layout == before.layout, self.seed
        assert editor.image.orientation == before.image.orientation, self.seed

    def take_all_back(self) -> None:
        editor = self.bench.editor
        assert parse_session(session_text(editor.session)).layout == editor.layout
        while editor.undo():
            assert editor.layout == editor.session.layout, self.seed
        assert editor.layout == editor.session.layout_auto, self.seed


@pytest.fixture(scope="module")
def found_once() -> Iterator[None]:
    """The detector gives the same for the same picture: of each way to lay it that is kept."""
    from blotquant import analysis

    real = analysis.find
    kept: dict[Any, Any] = {}

    def find(image: Any, settings: Any, layout: Any = None, step: Any = "strips") -> Any:
        if layout is not None:
            return real(image, settings, layout, step)
        key = image.sha256, image.orientation, image.polarity, settings.model_dump_json()
        if key not in kept:
            kept[key] = real(image, settings)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "find", find)
        yield


@pytest.mark.usefixtures("found_once")
@pytest.mark.parametrize("chunk", range(10))
def test_run_of_random_commands_loses_no_edit(chunk: int, picture: Path, state_folder: Path) -> None:
    other = picture.with_name("long.tif")
    tifffile.imwrite(other, (tifffile.imread(picture) * 1.2).astype(np.uint16))
    session = picture.with_name("blot.tif.blot.json")
    text, total, n_edits, n_kills = session.read_text(), Counter[str](), 0, 0
    for seed in range(50 * chunk, 50 * (chunk + 1)):
        for left in (*picture.parent.glob("*.blot.json"), *(state_folder.glob("*") if state_folder.is_dir() else ())):
            left.unlink()
        session.write_text(text)
        walk = Walk(seed, picture, other)
        walk.go()
        n_edits += len(walk.bench.editor.session.history)
        walk.take_all_back()
        total += walk.drawn
        n_kills += walk.n_kills
    said = f"50 sequences, {total.total()} commands, {n_edits} edits, {n_kills} kills; {dict(total)}"
    sys.stdout.write(f"{said}\n")  # seen with -s
    assert n_edits > 300
    assert set(total) == {command.name for command in COMMANDS}
