"""The same tasks on a dask cluster: the same bytes, and one line for whatever goes wrong there."""

import os
import time

import pytest
import tifffile

from blotquant.errors import BlotQuantError, ImageError, SchedulerLostError
from blotquant.runs.folder import Workers, measure_folder
from blotquant.runs.pictures import find_inputs
from blotquant.runs.workers import run_tasks
from blotquant.synthetic import make_blot, plain_spec

distributed = pytest.importorskip("distributed", reason="the extra `distributed` is not installed")

QUICK = {
    "distributed.comm.timeouts.connect": "3s",
    # A killed worker that takes longer than this to start again is given up for good: 15 s on a busy machine.
    "distributed.deploy.lost-worker-timeout": "600s",
    # New workers are forked off one process that has imported dask.
    "distributed.worker.multiprocessing-method": "forkserver",
}


def work(task):
    kind, value = task
    if kind == "raise":
        raise ImageError(f"{value}.tif: not a picture")
    if kind == "exit":
        os._exit(3)
    if kind == "hang":
        time.sleep(600)
    return value * value


@pytest.fixture(scope="module")
def cluster():
    import dask

    with (
        dask.config.set(QUICK),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as started,
    ):
        yield started


def run(address, tasks, **options):
    outcomes = sorted(run_tasks(work, tasks, scheduler=address, **options), key=lambda outcome: outcome.index)
    assert [outcome.task for outcome in outcomes] == list(tasks)
    return outcomes


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".blotquant" not in path.parts
    }


def test_measure_folder_the_same_bytes_as_here(cluster, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(3):
        blot = make_blot(plain_spec([[40_000, 25_000, 60_000, 30_000]], shape=(150, 240)), seed=k)
        tifffile.imwrite(folder / f"{k}.tif", blot.pixels)
    (folder / "text.tif").write_text("lane 1 looks great")
    inputs = find_inputs([folder])
    here = measure_folder(inputs, tmp_path / "here", workers=Workers(progress="none"))
    workers = Workers(scheduler=cluster.scheduler_address, progress="none")
    there = measure_folder(inputs, tmp_path / "there", workers=workers)
    assert here.failures == there.failures
    assert set(there.failures) == {"text.tif"}
    assert tree(tmp_path / "here") == tree(tmp_path / "there")


@pytest.mark.slow
def test_run_tasks_a_dying_worker_loses_only_its_task(cluster):
    cluster.get_client().wait_for_workers(2, timeout=100)
    fine = [("fine", k) for k in range(12)]  # so many that some travel together with those that fail
    outcomes = run(cluster.scheduler_address, [("raise", 7), ("exit", 0), *fine])
    assert outcomes[0].error == "7.tif: not a picture"
    assert outcomes[1].error.startswith("its worker died each time it was tried")
    assert [outcome.value for outcome in outcomes[2:]] == [k * k for k in range(12)]


@pytest.mark.slow
def test_run_tasks_an_endless_task_is_stopped_and_its_worker_freed(cluster):
    cluster.get_client().wait_for_workers(2, timeout=100)
    outcomes = run(cluster.scheduler_address, [("hang", 0), ("hang", 0), ("fine", 3)], time_limit_s=2.0)
    assert outcomes[0].error == outcomes[1].error == "stopped after 2 s, the time limit"
    assert outcomes[2].value == 9


def test_run_tasks_other_software_on_the_workers_is_refused(cluster, monkeypatch):
    cluster.get_client().wait_for_workers(2, timeout=100)
    monkeypatch.setattr("blotquant.runs.cluster._versions", lambda: {"numpy": "0.1"})
    (outcome,) = run(cluster.scheduler_address, [("fine", 3)])
    assert "not 0.1; give workers and this machine the same environment" in outcome.error


def test_run_tasks_an_address_where_nobody_answers(monkeypatch):
    monkeypatch.setattr("blotquant.runs.cluster._CONNECT_S", 1.0)
    with pytest.raises(BlotQuantError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:9 "):
        list(run_tasks(work, [("fine", 1)], scheduler="tcp://127.0.0.1:9"))


@pytest.mark.slow
def test_run_tasks_a_scheduler_that_goes_away_ends_the_run_with_one_line():
    import dask

    with dask.config.set(QUICK | {"distributed.comm.timeouts.connect": "1s"}):
        gone = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
        outcomes = run_tasks(work, [("fine", 2), ("hang", 0)], scheduler=gone.scheduler_address)
        assert next(outcomes).value == 4
        gone.close()
        with pytest.raises(SchedulerLostError, match="went away; what was finished is kept: run again with --resume"):
            next(outcomes)
