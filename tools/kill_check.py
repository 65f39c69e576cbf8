"""Kill runs at random moments and look at what they leave.

    python tools/kill_check.py [--kills 200] [--seed S] [--writing | --processes]

A small synthetic experiment is run over the results of an earlier run with other settings, whose sessions hold a hand
correction, and killed (SIGKILL) at a random moment between its first and its last write. After each kill every file
must be whole (byte for byte the old or the new one), the correction must be there, and, after every fifth, a run with
--resume must finish with the same bytes as a run that nobody killed. Exit code 1 if anything was torn or lost.

With --processes the command (`measure` of six pictures, every tenth time `run`) works with two worker processes. The
kill takes, in turn, the parent, a worker or all of them, at a moment between the first 50 ms and the length of the runs
before it; a worker's between its start and its end. Nine times of ten parent and workers are forks of this process,
which has everything imported, so that kills fall into the work; else they start cold. The next --resume, or the run
itself where only a worker was killed, must end with the tables of a run that nobody killed.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from tiny_study import all_bytes, write_tiny_study  # noqa: E402

from blotquant.cli import main as blotquant  # noqa: E402
from blotquant.model.geometry import Layout  # noqa: E402
from blotquant.runs.manifest import make_manifest, publish  # noqa: E402
from blotquant.runs.store import Part, locked  # noqa: E402
from blotquant.session.band_edits import delete_band  # noqa: E402
from blotquant.session.image_reference import ImageReference  # noqa: E402
from blotquant.session.session import Session, load_session, save_session, session_text  # noqa: E402

CORRECTED = "sessions/blot1_AKT.tif.blot.json"
# A worker that has everything imported and is forked for each kill: moments fall into the work, not into imports.
WAIT_S = 600.0  # a run takes seconds; a busy machine must not look like a fault


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--finish-every", type=int, default=5, help="after every how many kills --resume is tried")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--writing", action="store_true", help="kill only the writing, nothing is measured")
    parser.add_argument("--processes", action="store_true", help="kill the parent, a worker or the whole group")
    parser.add_argument("--cold", action="store_true", help="with --processes: never forks of this process")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        how = check_writing if options.writing else check_processes if options.processes else check
        return how(Path(folder), options=options)


def check(folder: Path, *, options: argparse.Namespace) -> int:
    kills, seed, finish_every = options.kills, options.seed, options.finish_every
    study = write_tiny_study(folder / "in", n_blots=1)
    old = make_old(study, folder / "old")
    new = folder / "new"
    shutil.copytree(old, new)
    before = time.perf_counter()
    run_forked(study, new)
    seconds = time.perf_counter() - before
    allowed = {
        name: {all_bytes(old).get(name), all_bytes(new).get(name)} for name in {*all_bytes(old), *all_bytes(new)}
    }
    finished = all_bytes(new)
    rng, states, problems = random.Random(seed), Counter(), []
    for k in range(kills):
        out = folder / "out"
        shutil.copytree(old, out)
        killed = run_forked(study, out, kill_after=rng.uniform(0, 1.1 * seconds))
        left = all_bytes(out)
        states[state(left, old=all_bytes(old), new=finished, killed=killed)] += 1
        problems += [f"kill {k}: {text}" for text in faults(left, allowed)]
        if k % finish_every == 0:
            run_forked(study, out, resume=True)
            again = all_bytes(out)
            problems += [
                f"kill {k}: after --resume {name} differs" for name in finished if again.get(name) != finished[name]
            ]
        shutil.rmtree(out)
        if k % 20 == 19:
            print(f"{k + 1} kills, {len(problems)} faults, {dict(states)}", flush=True)
    for name, count in sorted(states.items()):
        print(f"{name}: {count}")
    print(f"{kills} kills, {len(problems)} faults")
    print(*problems[:20], sep="\n")
    return 1 if problems else 0


def check_writing(folder: Path, *, options: argparse.Namespace) -> int:
    """The same with prepared results: every kill falls into saving parts and sessions, tables, or publishing."""
    old, new = folder / "old", folder / "new"
    write_prepared(old, "1")
    shutil.copytree(old, new)
    seconds = WAIT_S
    for _ in range(5):  # the quickest of five: most kills shall come before the end
        started = time.perf_counter()
        in_fork(lambda: write_prepared(new, "2"))
        seconds = min(seconds, time.perf_counter() - started)
    wanted = all_bytes(new)
    allowed = {name: {all_bytes(old)[name], wanted[name]} for name in wanted}
    rng, states, problems = random.Random(options.seed), Counter(), []
    for k in range(options.kills):
        out = folder / "out"
        shutil.copytree(old, out)
        killed = in_fork(lambda out=out: write_prepared(out, "2"), kill_after=rng.uniform(0, 1.1 * seconds))
        left = all_bytes(out)
        n_new = sum(left.get(name) == wanted[name] for name in wanted)
        states[f"killed with {10 * n_new // len(wanted) * 10} % written" if killed else "finished before the kill"] += 1
        problems += [f"kill {k}: {text}" for text in faults(left, allowed) if "correction" not in text]
        write_prepared(out, "2")
        again = {name: data for name, data in all_bytes(out).items() if not name.endswith(".tmp")}
        problems += [
            f"kill {k}: {name} differs after the next run" for name in wanted if again.get(name) != wanted[name]
        ]
        problems += [f"kill {k}: {name} is left over" for name in again if name not in wanted]
        shutil.rmtree(out)
    for name, count in sorted(states.items()):
        print(f"{name}: {count}")
    print(f"{options.kills} kills while writing, {len(problems)} faults")
    print(*problems[:20], sep="\n")
    return 1 if problems else 0


def check_processes(folder: Path, *, options: argparse.Namespace) -> int:
    """Kill the parent, one of two workers, or the group, of a command in processes of its own."""
    study = write_tiny_study(folder / "in", n_blots=3)
    commands = {"run": ["run", str(study)], "measure": ["measure", str(study)]}
    wanted, lengths = {}, {}
    for name, command in commands.items():
        started = time.perf_counter()
        start(command, folder / name).wait()
        wanted[name], lengths[name] = tables_of(folder / name), [time.perf_counter() - started]
    rng, states, problems = random.Random(options.seed), Counter(), []
    for k in range(options.kills):
        out, victim = folder / f"out{k}", ("parent", "worker", "group")[k % 3]
        name = "run" if k % 10 == 0 else "measure"
        length = sorted(lengths[name][-9:])[len(lengths[name][-9:]) // 2]
        started, process = time.perf_counter(), start(commands[name], out, cold=options.cold or k % 10 == 9)
        state = kill(process, victim, rng.uniform(0, 1), length)
        code = process.wait()
        states[f"{victim} {state}"] += 1
        if code == 0 and k % 10 != 9:
            lengths[name].append(time.perf_counter() - started)
        if code and victim == "worker":
            problems.append(f"kill {k} of a worker: exit code {code}")
        if code:
            resumed = start(commands[name], out, "--resume").wait()
            problems += [f"kill {k} of the {victim}: --resume ends with exit code {resumed}"] if resumed else []
        found = tables_of(out)
        problems += [f"kill {k} of the {victim}: {n} differs" for n in wanted[name] if found.get(n) != wanted[name][n]]
        problems += [f"kill {k} of the {victim}: {path.name} is left" for path in out.rglob("*.tmp")]
        shutil.rmtree(out)
        if k % 20 == 19:
            print(f"{k + 1} kills, {len(problems)} faults, {dict(states)}", flush=True)
    print(f"{options.kills} kills of processes, {len(problems)} faults, {dict(states)}")
    print(*problems[:20], sep="\n")
    return 1 if problems else 0


class Fork:
    """A command in a fork of this process, with forks for workers, in a process group of its own."""

    def __init__(self, arguments: list[str]) -> None:
        self.pid, self.code = os.fork(), None
        if self.pid == 0:
            os.setsid()
            with Path(os.devnull).open("w") as nothing:
                os.dup2(nothing.fileno(), 1)
                os.dup2(nothing.fileno(), 2)
                fork = multiprocessing.get_context("fork")
                multiprocessing.get_context = lambda _method=None: fork
                os._exit(blotquant(arguments))

    def poll(self, how: int = os.WNOHANG) -> int | None:
        """The exit code, None while it runs."""
        if self.code is None:
            done, status = os.waitpid(self.pid, how)
            self.code = os.waitstatus_to_exitcode(status) if done else None
        return self.code

    def wait(self) -> int | None:
        """The exit code, when it has ended."""
        return self.poll(0)


def start(command: list[str], out: Path, *more: str, cold: bool = False) -> "subprocess.Popen[bytes] | Fork":
    arguments = [*command, "-o", str(out), "--progress", "none", *(more or ("--jobs", "2"))]
    if not cold:
        return Fork(arguments)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", "blotquant", *arguments], start_new_session=True, cwd=ROOT, **quiet)


def kill(process: "subprocess.Popen[bytes] | Fork", victim: str, part: float, length: float) -> str:
    """Kill after a part of a run's length, and say what was reached: a worker is waited for until it is there."""
    started = time.perf_counter()
    if victim == "worker":
        while process.poll() is None and not workers_of(process.pid):
            time.sleep(0.002)
    waited = time.perf_counter() - started
    time.sleep(part * max(length - waited, 0.0) if victim == "worker" else 0.05 + part * (length - 0.05))
    if process.poll() is not None:
        return "came too late"
    if victim == "group":
        os.killpg(process.pid, signal.SIGKILL)
        return "killed"
    if victim == "parent":
        os.kill(process.pid, signal.SIGKILL)
        return "killed"
    workers = workers_of(process.pid)
    if not workers:
        return "came after the workers' end"
    os.kill(workers[int(part * 1e6) % len(workers)], signal.SIGKILL)
    return "killed"


def workers_of(pid: int) -> list[int]:
    """The living worker processes of a command, and the one that they are copied from."""
    found = []
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            found += [] if b"resource_tracker" in command else [int(child)]
            found += workers_of(int(child)) if b"forkserver" in command else []
    except OSError:
        pass
    return found


def tables_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.csv")}


def write_prepared(out: Path, text: str) -> None:
    """What a run writes, of prepared content: ten parts with sessions, two tables, the manifest."""
    keys = [f"unit {k}" for k in range(10)]
    with locked(out) as store:
        for key in keys:
            tables = {"bands": [{"a": f"{key} {text}"}] * 2000, "lanes": [{"a": text}] * 500}
            image = ImageReference(path=key, name=key, sha256="0" * 64, shape=(9, 9))
            session = session_text(Session(image=image, layout_auto=Layout(), versions={"long": text * 5000}))
            store.save(Part(key=key, fingerprint=text, tables=tables, sessions={f"{key}.blot.json": session}))
        store.clear_new()
        for table in ("bands", "lanes"):
            store.assemble(keys, table, ["a"])
        manifest = make_manifest("measure", settings={}, inputs=(), units=keys, failed=())
        publish(store, manifest, sessions=[f"{key}.blot.json" for key in keys])


def in_fork(work: Callable[[], None], *, kill_after: float | None = None) -> bool:
    """Do work in a fork of this process; True if it was killed before it finished."""
    child = os.fork()
    if child == 0:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 2)
            work()
        os._exit(0)
    deadline = time.perf_counter() + (WAIT_S if kill_after is None else kill_after)
    while time.perf_counter() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def make_old(study: Path, out: Path) -> Path:
    """Earlier results: another background, one correction."""
    run_forked(study, out, background="constant")
    session = load_session(out / CORRECTED)
    changes = delete_band(session.layout, session.layout.bands[0].id)
    save_session(session.edit(changes, action="delete", who="A", when="2026-01-02T03:04:05Z"), out / CORRECTED)
    run_forked(study, out, background="constant")
    return out


def run_forked(
    study: Path,
    out: Path,
    *,
    kill_after: float | None = None,
    resume: bool = False,
    background: str = "local",
) -> bool:
    """Run in a fork of this process, and kill it after so many seconds; True if it was killed."""
    child = os.fork()
    if child == 0:
        arguments = ["run", str(study), "-o", str(out), "--progress", "none", "--background", background]
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
            code = blotquant([*arguments, *(["--resume"] if resume else [])])
        os._exit(code)
    deadline = time.perf_counter() + (WAIT_S if kill_after is None else kill_after)
    while time.perf_counter() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if kill_after is None and status:
                message = f"the run failed with status {status}"
                raise RuntimeError(message)
            return False
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if kill_after is None:
        message = f"the run took longer than {WAIT_S} s"
        raise RuntimeError(message)
    return True


def faults(left: dict[str, bytes], allowed: dict[str, set[bytes | None]]) -> list[str]:
    """Files that are neither the old nor the new one, whole. Unfinished ones have names of their own."""
    found = [f"{name} is gone" for name, contents in allowed.items() if name not in left and None not in contents]
    for name, data in left.items():
        temporary = name.endswith(".tmp") or name.startswith((".blotquant/new/", ".blotquant/written/"))
        if not temporary and name in allowed and data not in allowed[name]:
            found.append(f"{name} is neither the old nor the new file ({len(data)} bytes)")
        if not temporary and name not in allowed:
            found.append(f"{name} is new")
    if b'"action":"delete"' not in left.get(CORRECTED, b"").replace(b": ", b":"):
        found.append("the hand correction is lost")
    return found


def state(left: dict[str, bytes], *, old: dict[str, bytes], new: dict[str, bytes], killed: bool) -> str:
    if not killed:
        return "finished before the kill"
    names = [name for name in new if "/" not in name]
    n_new = sum(left.get(name) == new[name] != old.get(name) for name in names)
    n_changed = sum(new[name] != old.get(name) for name in names)
    parts = sum(left.get(name) == new[name] for name in new if name.startswith(".blotquant/parts"))
    if n_new == 0:
        return "killed while measuring" if not parts else "killed after measuring, before results were replaced"
    return "killed while results were replaced" if n_new < n_changed else "killed after results were replaced"


if __name__ == "__main__":
    sys.exit(main())
