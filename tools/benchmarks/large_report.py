"""A report of very many blots: its size, the time to make it, and the time a browser needs to show it.

    python tools/benchmarks/large_report.py [BLOTS] [FOLDER]

Every blot has two synthetic pictures (numerator and denominator on one membrane, ten lanes). A few are drawn and
weighed; the others are the same pictures again under their own names, each rendered anew. Where chromium is installed,
the page is opened headless and the time of its load event is printed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from blotquant.analysis import Analysis, quantify
from blotquant.experiment.design import Experiment
from blotquant.experiment.read import read_experiment
from blotquant.normalization.normalize import normalize
from blotquant.report.blot import PictureWords, render_blot
from blotquant.report.page import Content, write_report
from blotquant.session.session import make_session
from blotquant.settings import Settings
from blotquant.statistics.compare import compare
from blotquant.synthetic import SurfaceSpec, make_blot, plain_spec

PROBES = ("pX", "X")
LANES = 10
DRAWN = 4
SHAPE = (700, 1000)


def write_experiment(folder: Path, n_blots: int) -> Experiment:
    """Declare so many blots of ten lanes, five conditions twice."""
    lines = ['name = "Very many synthetic blots"', 'samples = "samples.csv"']
    sheet = ["blot,lane,sample,condition"]
    for blot in range(1, n_blots + 1):
        for probe in PROBES:
            (folder / f"{blot}_{probe}.tif").touch()
            lines += ["[[images]]", f'file = "{blot}_{probe}.tif"', f"blot = {blot}", f'probe = "{probe}"']
        sheet += [f"{blot},{lane},s{lane},condition {(lane + 1) // 2}" for lane in range(1, LANES + 1)]
    lines += ["[[ratios]]", 'name = "pX/X"', 'numerator = "pX"', 'denominator = "X"']
    lines += ["[compare]", 'reference = "condition 1"']
    (folder / "experiment.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "samples.csv").write_text("\n".join(sheet) + "\n", encoding="utf-8")
    return read_experiment(folder)


def draw(probe: str, seed: int) -> Analysis:
    """Draw and quantify one picture over its true outlines."""
    volumes = np.random.default_rng(seed).lognormal(12, 0.4, LANES)
    spec = plain_spec(volumes, shape=SHAPE, targets=(probe,), surface=SurfaceSpec(haze=15, texture=0.02))
    made = make_blot(spec, seed=seed)
    return quantify(made.image(), make_session(made.image(), made.true_layout(), settings=Settings()))


def main(n_blots: int, folder: Path) -> None:
    """Make the report and print what it took."""
    experiment = write_experiment(folder, n_blots)
    drawn = {(probe, k): draw(probe, 10 * k + len(probe)) for probe in PROBES for k in range(DRAWN)}
    start = time.process_time()
    known = PictureWords(samples={lane: f"s{lane}" for lane in range(1, LANES + 1)})
    bands, lanes, pieces, record = [], [], [], []
    for entry in experiment.images:
        analysis = drawn[entry.probe, int(entry.blot) % DRAWN]
        place = {"image": entry.name, "blot": entry.blot, "membrane": entry.membrane, "probe": entry.probe}
        bands.append(analysis.bands.assign(**place))
        lanes.append(analysis.lanes.assign(**place))
        session = entry.session_name
        pieces.append(render_blot(analysis, title=entry.name, session=session, constants=place, known=known))
        record.append({"session": session, "image": entry.name, "sha256": "0" * 64, "hand_edits": 0,
                       "bands": LANES, "flags": []})  # fmt: skip
    rendered = time.process_time() - start
    tables = {"bands": pd.concat(bands, ignore_index=True), "lanes": pd.concat(lanes, ignore_index=True)}
    start = time.process_time()
    tables["ratios"] = normalize(experiment, tables["bands"], tables["lanes"])
    tables["summary"] = compare(experiment, tables["ratios"])
    compared = time.process_time() - start
    page = folder / "report.html"
    content = Content(experiment=experiment, settings=Settings(), tables=tables, record=record, failures={})
    start = time.process_time()
    write_report(page, content, pieces)
    written = time.process_time() - start
    print(f"{n_blots} blots, {len(pieces)} pictures of {SHAPE[1]} × {SHAPE[0]} px, {len(tables['ratios'])} ratios")
    print(f"page: {page.stat().st_size / 1e6:.1f} MB, {page.stat().st_size / len(pieces) / 1e3:.0f} kB a picture")
    print(f"CPU: pictures {rendered:.1f} s ({1e3 * rendered / len(pieces):.0f} ms each, in the workers), ratios and "
          f"comparison {compared:.1f} s, page {written:.1f} s")  # fmt: skip
    print(open_in_browser(page))


def open_in_browser(page: Path) -> str:
    """Open the page headless and tell how long it took, the start of the browser included."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return "browser: none installed"
    with tempfile.TemporaryDirectory() as profile:
        quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
        shown = ["--window-size=1280,1000", f"--screenshot={page.with_suffix('.png')}", page.as_uri()]
        command = [chromium, *quiet, *shown]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
    return f"browser: shown in {time.perf_counter() - start:.1f} s (start of the browser included)"


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    if len(sys.argv) > 2:
        Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
        main(n, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(n, Path(temporary))
