"""A batch under attack: whatever happens to one picture, the others' results are those of an undisturbed run."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tifffile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ROOT = Path(__file__).parents[2]
# Read by every Python process of the command, workers included: a reader that misbehaves by the picture's name.
FAULTS = """
import os, signal, time
import blotquant.io.tiff as tiff
honest = tiff.read
def read(source):
    name = source.path.name
    if "raises" in name:
        raise RuntimeError("the reader broke")
    if "exits" in name:
        os._exit(3)
    if "killed" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "endless" in name:
        time.sleep(600)
    return honest(source)
tiff.read = read
"""


@pytest.fixture
def pictures(tmp_path, pixels):
    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(6):
        tifffile.imwrite(folder / f"{k}.tif", pixels[: 200 + 5 * k])
    return folder


@pytest.fixture
def start(tmp_path):
    """Start the command in a process group of its own, as a terminal does."""
    started = []
    faults = tmp_path / "faults"
    faults.mkdir()
    (faults / "sitecustomize.py").write_text(FAULTS)
    path = os.pathsep.join([str(faults), str(ROOT), str(ROOT / "plugins")])

    def call(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "blotquant", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A test run in the background of a shell inherits an ignored Ctrl-C; a terminal's command does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finish(process):
    out, err = process.communicate(timeout=200)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".blotquant" not in path.parts
    }


def rows(folder, table, *, of):
    """The lines of a table that belong to these pictures."""
    head, *lines = (folder / table).read_text().splitlines()
    return [head, *(line for line in lines if line.split(",", 1)[0] in of)]


def processes_of(group):
    """What still runs in a process group; zombies do not."""
    alive = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            alive.append(int(path.parent.name))
    return alive


def wait_until_all_ended(group):
    deadline = time.monotonic() + 20
    while alive := processes_of(group):
        assert time.monotonic() < deadline, alive
        time.sleep(0.02)


def wait_for_parts(folder, n, process):
    """Until that many pictures are finished, by the files that they leave."""
    deadline = time.monotonic() + 120
    while len(list(folder.glob(".blotquant/parts/*.json"))) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_measure_every_fault_costs_its_own_picture_alone(start, pictures, pixels, tmp_path):
    undisturbed = start("measure", pictures, "-o", tmp_path / "good")
    assert finish(undisturbed)[0] == 0
    for fault in ("raises", "exits", "killed", "endless"):
        tifffile.imwrite(pictures / f"1_{fault}.tif", pixels)
    code, out, err = finish(
        start(
            "measure", pictures, "-o", tmp_path / "out", "--jobs", 2, "--time-limit", 15, "--progress", "json", "--json"
        )
    )
    assert code == 1
    assert json.loads(out)["failures"] == {
        "1_endless.tif": "stopped after 15 s, the time limit",
        "1_exits.tif": "its worker process died (killed, or out of memory)",
        "1_killed.tif": "its worker process died (killed, or out of memory)",
        "1_raises.tif": "RuntimeError: the reader broke",
    }
    words = [line for line in err.splitlines() if line.startswith("failed: ")]
    assert len(words) == 4
    steps = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert [step["done"] for step in steps] == list(range(1, 11))
    good = {f"{k}.tif" for k in range(6)}
    for table in ("bands.csv", "lanes.csv"):
        assert rows(tmp_path / "out", table, of=good) == rows(tmp_path / "good", table, of=good)
        assert rows(tmp_path / "out", table, of=good) == (tmp_path / "out" / table).read_text().splitlines()
    assert tree(tmp_path / "out" / "sessions") == tree(tmp_path / "good" / "sessions")


MANY = 80


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("jobs", [1, 2])
def test_measure_stopped_and_resumed_equals_undisturbed(start, pictures, tmp_path, stop, jobs):
    out = tmp_path / "out"
    for k in range(MANY):  # enough work that the signal finds some of it undone
        shutil.copy(pictures / "0.tif", pictures / f"more{k}.tif")
    process = start("measure", pictures, "-o", out, "--jobs", jobs)
    wait_for_parts(out, 2, process)
    # Ctrl-C reaches everyone in the terminal; a batch system tells the command alone.
    os.killpg(process.pid, stop) if stop == signal.SIGINT else process.send_signal(stop)
    code, _, err = finish(process)
    assert code == 130
    assert "run again with --resume" in err
    wait_until_all_ended(process.pid)
    assert not list(out.rglob("*.tmp"))
    assert not (out / "bands.csv").exists()
    resumed = start("measure", pictures, "-o", out, "--jobs", jobs, "--resume", "--json")
    whole = start("measure", pictures, "-o", tmp_path / "whole")
    code, text, _ = finish(resumed)
    assert code == 0
    assert 2 <= json.loads(text)["kept"] < 6 + MANY
    assert finish(whole)[0] == 0
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.slow
def test_measure_stopped_at_any_moment(start, pictures, tmp_path):
    whole = start("measure", pictures, "-o", tmp_path / "whole")
    assert finish(whole)[0] == 0
    out, moments = tmp_path / "out", random.Random(7)
    for _ in range(4):
        process = start("measure", pictures, "-o", out, "--jobs", 2, "--resume")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(1.5, 5.0))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode in (0, 130, -signal.SIGINT), process.returncode
        wait_until_all_ended(process.pid)
    assert finish(start("measure", pictures, "-o", out, "--jobs", 2, "--resume"))[0] == 0
    assert tree(out) == tree(tmp_path / "whole")


def test_measure_a_killed_parent_leaves_no_worker_and_a_resumable_folder(start, pictures, tmp_path):
    out = tmp_path / "out"
    process = start("measure", pictures, "-o", out, "--jobs", 2)
    wait_for_parts(out, 1, process)
    process.kill()
    process.communicate()
    wait_until_all_ended(process.pid)
    assert finish(start("measure", pictures, "-o", out, "--resume"))[0] == 0
    assert finish(start("measure", pictures, "-o", tmp_path / "whole"))[0] == 0
    assert tree(out) == tree(tmp_path / "whole")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 200 kB, filled up but for a little."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not shutil.which("mount") or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_run_a_full_disk_is_one_line_and_the_run_can_go_on(start, pictures, small_disk, tmp_path, jobs):
    out = small_disk / "out"
    filler = small_disk / "filler"
    filler.write_bytes(bytes(110_000))
    code, _, err = finish(start("measure", pictures, "-o", out, "--jobs", jobs, "--progress", "none"))
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "No space left on device" in err
    assert not list(out.rglob("*.tmp"))
    assert list(out.glob(".blotquant/parts/*.json"))
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    code, text, _ = finish(start("measure", pictures, "-o", out, "--resume", "--json"))
    assert code == 0
    assert 1 <= json.loads(text)["kept"] < 6
    assert finish(start("measure", pictures, "-o", tmp_path / "whole"))[0] == 0
    whole, again = tree(tmp_path / "whole"), tree(out)
    for folder in (whole, again):  # the path to the pictures differs with the folder
        folder.pop("manifest.json")
        for name in [name for name in folder if name.startswith("sessions/")]:
            session = json.loads(folder.pop(name))
            session["image"].pop("path")
            folder[name] = session
    assert again == whole
