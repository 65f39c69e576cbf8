"""Autosaved sessions: what a kill leaves behind is whole and nearly all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blotquant.session.autosave import Autosaver, autosave_path, find_rescued
from blotquant.session.band_edits import move_band
from blotquant.session.session import load_session

WORKER = """
import sys, time
sys.path.insert(0, {here!r})
from conftest import synthetic
from blotquant.session.band_edits import move_band
from napari_blotquant.editor import Editor
from blotquant.session.autosave import Autosaver
image, session = synthetic()
editor = Editor(image, session, who="Ada", autosaver=Autosaver())
print("ready", flush=True)
for k in range(100_000):
    band = editor.layout.bands[k % len(editor.layout.bands)]
    editor.do(move_band(editor.layout, band.id, d_row=1.0 if k % 2 else -1.0), "move")
    print(k + 1, time.monotonic(), flush=True)
    time.sleep(0.02)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on this system")
@pytest.mark.parametrize("lifetime_s", [0.05, 0.8, 2.7, 3.6])
def test_a_killed_editor_leaves_all_edits_older_than_two_seconds(lifetime_s: float, state_folder: Path) -> None:
    code = WORKER.format(here=str(Path(__file__).parent))
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    lines = [child.stdout.readline()]
    end = time.monotonic() + lifetime_s
    while time.monotonic() < end:
        lines.append(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    lines += child.stdout.readlines()
    child.wait()
    done = [(int(n), float(when)) for n, when in (line.split() for line in lines if line.count(" ") == 1)]
    due = max((n for n, when in done if killed - when > 2), default=0)
    rescued = list(find_rescued())
    kept = len(rescued[0].session.history) if rescued else 0
    assert kept >= due
    assert due > 0 or lifetime_s < 2.5
    for item in rescued:
        assert item.session.history.verify_chain() == ()
        assert item.session.conflicts == ()


def test_the_latest_state_is_written_and_saving_clears_it(editor, state_folder: Path, tmp_path: Path) -> None:
    editor.autosaver = Autosaver()
    for _ in range(5):
        editor.do(move_band(editor.layout, editor.layout.bands[0].id, d_row=1), "move")
    editor.autosaver.close()
    kept = autosave_path(editor.session)
    assert load_session(kept).layout == editor.layout
    assert [item.label for item in find_rescued()] == ["array: 5 edits, last 2026-01-02T03:04:05Z"]
    editor.save(tmp_path / "a.blot.json")
    assert not kept.exists()
    assert not editor.is_dirty


def test_an_unwritable_state_folder_is_told_not_raised(editor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    saver = Autosaver(tmp_path / "file" / "state")
    editor.autosaver = saver
    editor.do(move_band(editor.layout, editor.layout.bands[0].id, d_row=1), "move")
    saver.close()
    assert "cannot be written" in saver.problem


def test_damaged_autosaves_are_passed_over_and_kept(state_folder: Path) -> None:
    state_folder.mkdir()
    (state_folder / "x.blot.json").write_text("{")
    assert list(find_rescued()) == []
    assert (state_folder / "x.blot.json").exists()


def two_states(picture: Path) -> None:
    """The picture was corrected at nine, and after a crash anew at ten and otherwise."""
    from blotquant.runs.blots import open_blot
    from napari_blotquant.editor import Editor

    opened = open_blot(picture)
    for k, clock in enumerate((lambda: "2026-01-02T09:00:00Z", lambda: "2026-01-02T10:00:00Z")):
        editor = Editor(opened.image, opened.session, path=opened.path, who="Ada", clock=clock, autosaver=Autosaver())
        editor.do(move_band(editor.layout, editor.layout.bands[k].id, d_row=1), "move")
        editor.autosaver.close()


def test_find_rescued_has_the_latest_edit_first(picture: Path, state_folder: Path) -> None:
    two_states(picture)
    latest, older = find_rescued()
    assert (latest.last_edit, older.last_edit) == ("2026-01-02T10:00:00Z", "2026-01-02T09:00:00Z")
    assert latest.path == autosave_path(latest.session)
    # By the edits, not by the files' names.
    for path, name in ((latest.path, "a.blot.json"), (older.path, "z.blot.json")):
        path.rename(state_folder / name)
    assert [rescued.path.name for rescued in find_rescued()] == ["a.blot.json", "z.blot.json"]


@pytest.mark.parametrize(("answers", "restored"), [([True], "10:00"), ([False, True], "09:00"), ([False, False], "")])
def test_show_offers_the_latest_rescued_state_first_then_the_older(
    qtbot, picture: Path, state_folder: Path, answers: list[bool], restored: str
) -> None:
    from blotquant.runs.blots import open_blot
    from napari_blotquant.workbench import Workbench

    two_states(picture)
    bench, asked, left = Workbench(), [], list(answers)
    assert [blot.path for blot in bench.blots] == [rescued.path for rescued in find_rescued()], "both are listed"
    bench.ask = lambda text: bool(asked.append(text) or left.pop(0))
    bench.show(open_blot(picture))
    qtbot.waitUntil(lambda: not bench.running, timeout=60_000)
    assert len(asked) == len(answers)
    assert "T10:00:00Z" in asked[0]
    edits = bench.editor.session.history.edits
    assert (edits[-1].when[11:16] if edits else "") == restored
    bench.close()
    assert {rescued.last_edit[11:16] for rescued in find_rescued()} == {"09:00", "10:00"}, "nothing is lost"
