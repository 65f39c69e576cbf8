"""A small study at the hands of people: whatever they do in whatever order, no correction is lost unsaid.

A hypothesis state machine measures, runs, corrects, moves, renames, changes settings, resumes, is stopped by hand or
killed in the middle, and verifies. What must hold after every step: each correction that was ever made is in a session
on disk (in results, in `earlier/` or beside its picture), and after every finished run each picture that was corrected
either carries its corrections into the numbers or is named. `verify` says equal exactly when the folder is what its
inputs give: after a finished run until something is corrected, moved or changed, and after a kill only with the tables
of a finished run.

    PYTHONPATH=tests python tests/properties/test_corrections_survive.py 2000   # steps; then the first seed
"""

import contextlib
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import tifffile
import tomlkit
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from blotquant.experiment.read import read_experiment
from blotquant.io.files import sha256_of
from blotquant.runs import manifest as manifests
from blotquant.runs import panels, study
from blotquant.runs.folder import Workers, measure_folder
from blotquant.runs.pictures import find_inputs
from blotquant.runs.study import run_experiment
from blotquant.runs.verify import verify_folder
from blotquant.session.band_edits import delete_band
from blotquant.session.session import load_session, save_session
from blotquant.settings import Settings
from blotquant.synthetic import make_blot, plain_spec

HOW = st.sampled_from(["measure", "measure", "measure", "run"])
"""Runs draw and compare too, and take longer."""
PROBES = ("pAKT", "AKT")
SPEC = plain_spec([40_000, 25_000, 60_000], shape=(70, 120))
PIXELS = {probe: make_blot(SPEC, seed=k).pixels + np.uint16(k) for k, probe in enumerate(PROBES)}


class Study(RuleBasedStateMachine):
    """Two pictures of one blot, their results, and what was corrected in them.

    `recorded` is what the last finished run was made from; it is None where a run ended in the middle since.
    """

    counts: ClassVar = Counter()

    @initialize()
    def begin(self):
        self.place = Path(tempfile.mkdtemp(prefix="blotquant_state_"))
        self.inputs, self.out = self.place / "in", self.place / "out"
        self.inputs.mkdir()
        self.files = {}
        for probe in PROBES:
            self.files[probe] = self.inputs / f"{probe}.tif"
            tifffile.imwrite(self.files[probe], PIXELS[probe])
        self.sha = {sha256_of(path): probe for probe, path in self.files.items()}
        self.made = {probe: [] for probe in PROBES}  # hashes of the edits of each picture, oldest first
        self.min_snr, self.n, self.page, self.recorded = 5.0, 0, False, None
        self.finished_tables = {}

    def teardown(self):
        if hasattr(self, "place"):
            shutil.rmtree(self.place)

    def write_experiment(self):
        images = [
            {"file": path.relative_to(self.inputs).as_posix(), "blot": "1", "probe": probe}
            | ({"page": 0} if self.page else {})
            for probe, path in self.files.items()
        ]
        ratio = {"name": "r", "numerator": "pAKT", "denominator": "AKT"}
        targets = {probe: {"row": 1} for probe in PROBES}
        document = {"name": "s", "samples": "samples.csv", "images": images, "targets": targets, "ratios": [ratio]}
        (self.inputs / "experiment.toml").write_text(tomlkit.dumps(document))
        rows = "".join(f"1,{lane},s{lane},c,sample\n" for lane in (1, 2, 3))
        (self.inputs / "samples.csv").write_text("blot,lane,sample,condition,role\n" + rows)

    def settings(self):
        return Settings(detection={"min_snr": self.min_snr})

    def do(self, how, resume=False):
        workers = Workers(progress="none", resume=resume)
        if how == "measure":
            return measure_folder(find_inputs([self.inputs]), self.out, settings=self.settings(), workers=workers)
        self.write_experiment()
        return run_experiment(read_experiment(self.inputs), self.out, settings=self.settings(), workers=workers)

    def now(self):
        """What a run would be made from: places and corrections of the pictures."""
        return dict(self.files), {probe: list(hashes) for probe, hashes in self.made.items()}

    def tables(self):
        return {path.name: path.read_bytes() for path in self.out.glob("*.csv")}

    @rule(how=HOW, resume=st.booleans())
    def work(self, how, resume):
        self.counts[f"{how}{' --resume' if resume else ''}"] += 1
        result = self.do(how, resume)
        assert result.failures == {}
        for unit in result.units:
            for picture in unit["pictures"]:
                session = load_session(self.out / "sessions" / picture["session"])
                hashes = [edit.hash for edit in session.history.edits]
                assert hashes == self.made[self.sha[session.image.sha256]]
        self.recorded, self.finished_tables = self.now(), self.tables()
        assert verify_folder(self.out).equal

    @rule(how=HOW, step=st.integers(0, 12), kill=st.booleans(), resume=st.booleans())
    def work_that_is_stopped(self, how, step, kill, resume):
        """Stop at one of the writes, wherever that is: by hand, or as SIGKILL does, with nothing cleared up."""
        self.counts["kill" if kill and hasattr(os, "fork") else "stop"] += 1
        self.recorded = None
        if not (kill and hasattr(os, "fork")):
            with contextlib.suppress(KeyboardInterrupt):
                self.do_until(how, resume, step, interrupt)
            return
        child = os.fork()
        if child == 0:
            self.do_until(how, resume, step, lambda: os._exit(9))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (0, 9)

    def do_until(self, how, resume, step, end):
        count, write = iter(range(step)), manifests.Store.write

        def stopping(store, path, *args, **kwargs):
            if next(count, None) is None:
                end()
            write(store, path, *args, **kwargs)

        manifests.Store.write = stopping
        try:
            self.do(how, resume)
        finally:
            manifests.Store.write = write

    @precondition(lambda self: getattr(self, "finished_tables", {}))
    @rule()
    def verify(self):
        self.counts["verify"] += 1
        equal = verify_folder(self.out).equal
        if self.recorded is None and equal:
            left = self.tables()
            self.do("measure" if set(left) == {"bands.csv", "lanes.csv"} else "run", resume=True)
            assert left in (self.finished_tables, self.tables())
            self.recorded, self.finished_tables = self.now(), self.tables()
        elif self.recorded is not None:
            assert equal == (self.recorded == self.now())

    @precondition(lambda self: self.corrigible())
    @rule(probe=st.sampled_from(PROBES), beside=st.booleans())
    def correct(self, probe, beside):
        session = self.latest(probe)
        if session is None:
            return
        bands = session.layout.bands
        if not bands:
            return
        self.n += 1
        session = session.edit(
            delete_band(session.layout, bands[0].id), action="delete", who=f"A{self.n}", when="2026-01-02T03:04:05Z"
        )
        picture = self.files[probe]
        loaded = {path: load_session(path) for path in (self.out / "sessions").glob("*.blot.json")}
        own = [path for path, found in loaded.items() if found.image.sha256 == session.image.sha256]
        best = [path for path in own if [e.hash for e in loaded[path].history.edits] == self.made[probe]]
        path = picture.with_name(picture.name + ".blot.json") if beside or not best else best[0]
        save_session(session, path)
        self.made[probe] = [edit.hash for edit in session.history.edits]
        self.counts["correct"] += 1

    def corrigible(self):
        return hasattr(self, "out") and any(self.sessions())

    def sessions(self):
        return (path for path in self.place.rglob("*.blot.json") if ".blotquant" not in path.parts)

    def latest(self, probe):
        """The session that holds all corrections of a picture so far."""
        for path in self.sessions():
            session = load_session(path)
            if self.sha[session.image.sha256] == probe and [e.hash for e in session.history.edits] == self.made[probe]:
                return session
        return None

    @rule(probe=st.sampled_from(PROBES), name=st.sampled_from(["a", "b", "deep/a", "deep/b"]))
    def move(self, probe, name):
        target = self.inputs / f"{name}.tif"
        if target.exists():
            return
        target.parent.mkdir(exist_ok=True)
        source = self.files[probe]
        beside = source.with_name(source.name + ".blot.json")
        source.rename(target)
        if beside.exists():  # who moves a picture moves what lies beside it
            beside.rename(target.with_name(target.name + ".blot.json"))
        self.files[probe] = target
        self.counts["move"] += 1

    @rule()
    def exchange_names(self):
        one, two = (self.files[probe] for probe in PROBES)
        third = self.inputs / "third.tif"
        for a, b in ((one, third), (two, one), (third, two)):
            a.rename(b)
            beside = a.with_name(a.name + ".blot.json")
            if beside.exists():
                beside.rename(b.with_name(b.name + ".blot.json"))
        self.files = dict(zip(PROBES, (two, one), strict=True))
        self.counts["rename"] += 1

    @rule(value=st.sampled_from([4.0, 5.0, 6.0]))
    def other_settings(self, value):
        self.min_snr = value
        self.counts["settings"] += 1

    @rule()
    def say_the_page(self):
        self.page = not self.page
        self.counts["page"] += 1

    @precondition(lambda self: getattr(self, "recorded", None) and self.recorded == self.now())
    @rule(data=st.data())
    def tamper(self, data):
        self.counts["tamper"] += 1
        names = sorted(p.relative_to(self.out).as_posix() for p in self.out.glob("*.csv"))
        path = self.out / data.draw(st.sampled_from(names))
        whole = path.read_bytes()
        path.write_bytes(whole + b"x\n")
        assert not verify_folder(self.out).equal
        path.write_bytes(whole)
        (self.out / "MORE.CSV").write_text("x\n")
        assert not verify_folder(self.out).equal
        (self.out / "MORE.CSV").unlink()

    @invariant()
    def every_correction_is_there(self):
        if not hasattr(self, "made"):
            return
        there = set()
        for path in self.sessions():
            there |= {edit["hash"] for edit in json.loads(path.read_bytes())["history"]}
        for hashes in self.made.values():
            assert set(hashes) <= there


def interrupt():
    raise KeyboardInterrupt


LIMITS = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True, "database": None}
TestStudy = Study.TestCase
TestStudy.settings = settings(max_examples=2, stateful_step_count=8, derandomize=True, **LIMITS)


if __name__ == "__main__":
    # Most of the time goes into figures, which no step looks at; the test beside draws them.
    study.write_figures_of = panels.write_figures_of = lambda *_args, **_kwargs: []
    wanted = int(sys.argv[1])
    for n in itertools.count(int(sys.argv[2]) if len(sys.argv) > 2 else 0):
        run_state_machine_as_test(seed(n)(Study), settings=settings(max_examples=10, stateful_step_count=25, **LIMITS))
        done = sum(Study.counts.values())
        sys.stdout.write(f"{done} steps, no correction lost, verify right each time: {dict(Study.counts)}\n")
        sys.stdout.flush()
        if done >= wanted:
            break
