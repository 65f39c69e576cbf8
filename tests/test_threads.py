"""Numbers do not depend on how many threads the machine gives to linear algebra, nor on the process that makes them."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits
from tiny_study import all_bytes, write_tiny_study

from blotquant import threads
from blotquant.analysis import analyze
from blotquant.io import read_image
from blotquant.threads import ONE_THREAD, single_threaded

ROOT = Path(__file__).parent.parent


def n_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


needs_blas = pytest.mark.skipif(
    not ThreadpoolController().select(user_api="blas").lib_controllers, reason="no library whose threads can be set"
)


@needs_blas
def test_one_thread_inside_and_what_was_set_outside() -> None:
    with threadpool_limits(3, user_api="blas"):
        with ONE_THREAD:
            assert n_threads() == {1}
            with ONE_THREAD:
                assert n_threads() == {1}
            assert n_threads() == {1}
        assert n_threads() == {3}

        @single_threaded
        def fails(text: str) -> None:
            """Fail."""
            assert n_threads() == {1}
            raise ValueError(text)

        with pytest.raises(ValueError, match="as it should"):
            fails("as it should")
        assert n_threads() == {3}
        assert (fails.__name__, fails.__doc__) == ("fails", "Fail.")


@needs_blas
def test_single_threaded_the_last_of_overlapping_threads_opens_the_gate() -> None:
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with ONE_THREAD:
            inside.set()
            leave.wait(60)

    with threadpool_limits(3, user_api="blas"):
        other = threading.Thread(target=stay)
        other.start()
        assert inside.wait(60)
        with ONE_THREAD:
            assert n_threads() == {1}
        assert n_threads() == {1}
        leave.set()
        other.join(60)
        assert n_threads() == {3}


@needs_blas
def test_analyze_four_threads_give_the_numbers_of_one() -> None:
    """Before linear algebra was held to one thread, volumes of this picture came out with other last digits."""
    image = read_image(ROOT / "sample_images" / "blot1_pAKT_180s.tif")
    tables = []
    for n in (1, 4):
        with threadpool_limits(n, user_api="blas"):
            analysis = analyze(image)
        tables.append(pd.concat([analysis.bands, analysis.lanes]))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_single_threaded_processes_in_other_surroundings_write_the_same_bytes(tmp_path: Path) -> None:
    """Time zone, language, hash seed, threads, working folder, file dates; `tools/determinism_check.py` does more."""
    here, there = tmp_path / "here", tmp_path / "інше місце" / "deeper"
    for folder, surroundings in (
        (here, {"OMP_NUM_THREADS": "1"}),
        (there, {"TZ": "Asia/Kolkata", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "12345", "OMP_NUM_THREADS": "3"}),
    ):
        study = write_tiny_study(folder / "in", n_blots=1)
        if folder == there:
            for path in study.rglob("*"):
                os.utime(path, (1e9, 1e9))
        subprocess.run(
            [sys.executable, "-m", "blotquant", "run", study, "-o", folder / "out", "--progress", "none"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **surroundings},
            cwd=folder,
            check=True,
            capture_output=True,
        )
    assert all_bytes(there / "out") == all_bytes(here / "out")
    assert len(all_bytes(here / "out")) > 10


@pytest.mark.parametrize("known", [True, False])
def test_keep_freed_memory_asks_only_a_library_that_knows_how(monkeypatch, known):
    asked = []
    library = SimpleNamespace(mallopt=lambda *parameters: asked.append(parameters)) if known else SimpleNamespace()
    monkeypatch.setattr(threads.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    threads.keep_freed_memory()
    assert len(asked) == 2 * known
    monkeypatch.setattr(threads.sys, "platform", "win32")
    threads.keep_freed_memory()
    assert len(asked) == 2 * known


def test_collect_garbage_seldom_searches_after_20000_objects():
    before = gc.get_threshold()
    try:
        threads.collect_garbage_seldom()
        assert gc.get_threshold()[0] == 20_000
    finally:
        gc.set_threshold(*before)


def test_keep_all_looks_for_no_garbage_and_never_again_among_what_was_made():
    frozen = gc.get_freeze_count()
    try:
        with threads.keep_all():
            assert not gc.isenabled()
            made = [[k] for k in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= frozen + len(made)
    finally:
        gc.unfreeze()


def test_one_thread_changes_nothing_else_of_its_process(monkeypatch):
    """What holds for a whole process is its program's matter: the command line's and its workers'."""
    called = []
    monkeypatch.setattr(threads, "keep_freed_memory", lambda: called.append("memory"))
    monkeypatch.setattr(threads, "collect_garbage_seldom", lambda: called.append("garbage"))
    with threads._Gate():
        assert not called
