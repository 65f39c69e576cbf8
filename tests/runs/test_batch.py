"""Tasks on workers: a failing, dying or endless one costs itself alone."""

import os
import signal
import time

import pytest
from pebble.pool.process import WorkerManager

from blotquant.errors import ImageError
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


def test_in_this_process_failures_are_outcomes():
    one, two, three = run([("fine", 3), ("raise", 7), ("bug", 0)])
    assert (one.value, one.error) == (9, None)
    assert (two.value, two.error) == (None, "7.tif: not a picture")
    assert three.error.startswith("ZeroDivisionError: ")


def test_a_dying_worker_loses_only_its_task():
    tasks = [("fine", k) for k in range(6)]
    tasks[1:1] = [("exit", 0), ("kill", 0), ("raise", 2)]
    outcomes = run(tasks, jobs=2)
    assert [o.value for o in outcomes if o.task[0] == "fine"] == [0, 1, 4, 9, 16, 25]
    assert outcomes[1].error == outcomes[2].error == "its worker process died (killed, or out of memory)"
    assert outcomes[3].error == "2.tif: not a picture"


def test_an_endless_task_is_stopped():
    outcomes = run([("hang", 0), ("fine", 2)], jobs=1, time_limit_s=1.0)
    assert outcomes[0].error == "stopped after 1 s, the time limit"
    assert outcomes[1].value == 4


def test_workers_end_before_their_channel_goes(monkeypatch):
    """One that is just starting in place of the stopped one would find it gone, and say so with a traceback."""
    left = []
    close = WorkerManager.close_channels
    monkeypatch.setattr(WorkerManager, "close_channels", lambda pool: (left.append(dict(pool.workers)), close(pool)))
    (outcome,) = run([("hang", 0)], jobs=2, time_limit_s=0.5)
    assert outcome.error == "stopped after 0.5 s, the time limit"
    assert left == [{}]


def test_only_a_window_of_tasks_is_taken_up():
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
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        list(run_tasks(work, [], **options))
