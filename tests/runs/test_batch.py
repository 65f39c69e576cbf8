"""Tasks on workers: a failing, dying or endless one costs itself alone."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from blotquant.errors import BlotQuantError, ImageError
from blotquant.runs import workers
from blotquant.runs.workers import run_tasks


def work(task):
    kind, value = task
    if kind == "raise":
        raise ImageError(f"{value}.tif: not a picture")
    if kind == "bug":
        return 1 // 0
    if kind == "exit":
        os._exit(3)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "hang":
        time.sleep(600)
    return value * value


def run(tasks, **options):
    outcomes = sorted(run_tasks(work, tasks, **options), key=lambda outcome: outcome.index)
    assert [outcome.task for outcome in outcomes] == list(tasks)
    return outcomes


def test_run_tasks_in_this_process_failures_are_outcomes():
    one, two, three = run([("fine", 3), ("raise", 7), ("bug", 0)])
    assert (one.value, one.error) == (9, None)
    assert (two.value, two.error) == (None, "7.tif: not a picture")
    assert three.error.startswith("ZeroDivisionError: ")


def test_run_tasks_a_dying_worker_loses_only_its_task():
    tasks = [("fine", k) for k in range(6)]
    tasks[1:1] = [("exit", 0), ("kill", 0), ("raise", 2)]
    outcomes = run(tasks, jobs=2)
    assert [o.value for o in outcomes if o.task[0] == "fine"] == [0, 1, 4, 9, 16, 25]
    assert outcomes[1].error == outcomes[2].error == "its worker process died (killed, or out of memory)"
    assert outcomes[3].error == "2.tif: not a picture"


def test_run_tasks_an_endless_task_is_stopped():
    outcomes = run([("hang", 0), ("fine", 2)], jobs=1, time_limit_s=1.0)
    assert outcomes[0].error == "stopped after 1 s, the time limit"
    assert outcomes[1].value == 4


def once(task):
    """Kill the worker the first time; the file tells the second worker that it was here."""
    if task.exists():
        return "second"
    task.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def test_run_tasks_gives_a_task_to_another_worker_once(tmp_path):
    """Its worker may have been killed for somebody else's memory."""
    outcomes = list(run_tasks(once, [tmp_path / "a", tmp_path / "b"], jobs=2))
    assert [outcome.value for outcome in outcomes] == ["second", "second"]


def thresholds(_task):
    return gc.get_threshold()


def test_run_tasks_sets_its_workers_up():
    (outcome,) = run_tasks(thresholds, [0], jobs=2)
    assert outcome.value == (20_000, 10, 10)


def hold(fifo):
    """Keep a pipe open for as long as this process lives."""
    with fifo.open("wb") as stream:
        stream.write(b"begun")
        stream.flush()
        time.sleep(600)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and named pipes")
def test_run_tasks_leaves_no_worker_behind_a_killed_parent(tmp_path):
    """A pipe that a worker holds ends when the worker does: in the middle of a task that would take ten minutes."""
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_batch import hold
from blotquant.runs.workers import run_tasks
list(run_tasks(hold, [pathlib.Path({str(fifo)!r})], jobs=2))
"""
    script = tmp_path / "parent.py"
    script.write_text("if __name__ == '__main__':\n" + textwrap.indent(code, "    "), encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)]) as parent, fifo.open("rb") as stream:
        assert stream.read(5) == b"begun"
        parent.kill()
        assert stream.read() == b""


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.1, 0.3])
def test_run_tasks_loses_nothing_to_a_worker_killed_as_it_starts(monkeypatch, delay_s):
    started = []

    class Worker(workers._Worker):
        def __init__(self, function):
            super().__init__(function)
            started.append(self.process)
            if len(started) <= 2:
                threading.Timer(delay_s, self.process.kill).start()

    monkeypatch.setattr(workers, "_Worker", Worker)
    assert [o.value for o in run([("fine", k) for k in range(6)], jobs=2)] == [0, 1, 4, 9, 16, 25]


def test_run_tasks_says_when_no_worker_comes_to_life(monkeypatch):
    class Worker(workers._Worker):
        def __init__(self, function):
            super().__init__(function)
            self.process.kill()

    monkeypatch.setattr(workers, "_Worker", Worker)
    with pytest.raises(BlotQuantError, match="5 worker processes died before they were ready; try --jobs 1"):
        list(run_tasks(work, [("fine", 1)], jobs=2))


def test_run_tasks_only_a_window_of_tasks_is_taken_up():
    taken = []

    def tasks():
        for k in range(100):
            taken.append(k)
            yield ("fine", k)

    outcomes = run_tasks(work, tasks(), jobs=2)
    next(outcomes)
    assert len(taken) < 20
    outcomes.close()


@pytest.mark.parametrize(("options", "message"), [({"jobs": 0}, "at least 1, got 0"), ({"time_limit_s": 0}, "above 0")])
def test_run_tasks_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        list(run_tasks(work, [], **options))
