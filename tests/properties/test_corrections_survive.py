"""A small study at the hands of people: whatever they do in whatever order, no correction is lost unsaid.

A hypothesis state machine measures, runs, corrects, moves, renames, changes settings, resumes, is stopped in the middle
and verifies. What must hold after every step: each correction that was ever made is in a session on disk (in results,
in `earlier/` or beside its picture), and after every finished run each picture that was corrected either carries its
corrections into the numbers or is named. `verify` says equal right after a finished run, and different after a change.

    PYTHONPATH=tests python tests/properties/test_corrections_survive.py 2000   # so many steps
"""

import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
import tomlkit
from hypothesis import HealthCheck, settings
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
from blotquant.runs.folder import Workers, measure_folder
from blotquant.runs.inputs import find_inputs
from blotquant.runs.study import run_experiment
from blotquant.runs.verify import verify_folder
from blotquant.session.edits import delete_band
from blotquant.session.session import load_session, save_session
from blotquant.settings import Settings
from blotquant.synthetic import make_blot, plain_spec

QUIET = Workers(progress="none")
PROBES = ("pAKT", "AKT")
SPEC = plain_spec([40_000, 25_000, 60_000], shape=(70, 120))
PIXELS = {probe: make_blot(SPEC, seed=k).pixels + np.uint16(k) for k, probe in enumerate(PROBES)}


class Study(RuleBasedStateMachine):
    """Two pictures of one blot, their results, and what was corrected in them."""

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
        self.min_snr, self.n, self.page, self.finished = 5.0, 0, False, False

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

    @rule(how=st.sampled_from(["measure", "run"]), resume=st.booleans())
    def work(self, how, resume):
        result = self.do(how, resume)
        assert result.failures == {}
        self.finished = True
        for unit in result.units:
            for picture in unit["pictures"]:
                session = load_session(self.out / "sessions" / picture["session"])
                hashes = [edit.hash for edit in session.history.edits]
                assert hashes == self.made[self.sha[session.image.sha256]]
        assert verify_folder(self.out).equal

    @rule(how=st.sampled_from(["measure", "run"]), step=st.integers(0, 12))
    def work_that_is_stopped(self, how, step):
        """Stop at one of the writes, wherever that is."""
        count = iter(range(step))
        write = manifests.Store.write

        def stopping(store, path, *args, **kwargs):
            if next(count, None) is None:
                raise KeyboardInterrupt
            write(store, path, *args, **kwargs)

        manifests.Store.write = stopping
        try:
            with contextlib.suppress(KeyboardInterrupt):
                self.do(how)
                self.finished = True
                return
        finally:
            manifests.Store.write = write
        self.finished = False

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
        self.finished = False

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
        self.finished = False

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
        self.finished = False

    @rule(value=st.sampled_from([4.0, 5.0, 6.0]))
    def other_settings(self, value):
        self.min_snr = value

    @rule()
    def say_the_page(self):
        self.page = not self.page

    @precondition(lambda self: getattr(self, "finished", False))
    @rule(data=st.data())
    def tamper(self, data):
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


LIMITS = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
TestStudy = Study.TestCase
TestStudy.settings = settings(max_examples=2, stateful_step_count=8, derandomize=True, **LIMITS)


if __name__ == "__main__":
    steps = int(sys.argv[1])
    run_state_machine_as_test(
        Study, settings=settings(max_examples=max(steps // 20, 1), stateful_step_count=20, **LIMITS)
    )
    sys.stdout.write(f"{steps} steps, no correction lost, verify right each time\n")
