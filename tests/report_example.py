"""A small finished analysis for tests of the report: one synthetic picture, and tables with awkward names."""

from pathlib import Path

import pandas as pd

from blotquant.analysis import quantify
from blotquant.experiment.read import read_experiment
from blotquant.normalization.normalize import normalize
from blotquant.quantification.alternatives import measure_alternatives
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.lanes import measure_lanes
from blotquant.quantification.prepared_image import prepare_image
from blotquant.report.blot import PictureWords, render_blot
from blotquant.report.page import Content, write_report
from blotquant.session.session import make_session
from blotquant.settings import Settings
from blotquant.statistics.compare import compare
from blotquant.statistics.sensitivity import claim_ranges, vary_analysis
from blotquant.synthetic import make_blot, plain_spec

IMG = "<img src=x onerror=alert(1)>"
LINK = '=HYPERLINK("http://x")'
CONDITIONS = ("vehicle", IMG, LINK)
PROBES = ("pX", "X")
VOLUMES = {"pX": (2e5, 4e5, 1e5), "X": (3e5, 3.2e5, 2.8e5)}
BLOTS = ("1", "2", "3")


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def write_files(folder):
    """The experiment's files, with empty pictures: the tests quantify pictures made in memory."""
    lines = ['name = "Synthetic & <small>"', 'samples = "samples.csv"']
    sheet = ["blot,lane,sample,condition,role"]
    for blot in BLOTS:
        for probe in PROBES:
            name = f"{blot}_{probe}.tif"
            (folder / name).touch()
            lines += [
                "[[images]]",
                f'file = "{name}"',
                f"blot = {blot}",
                f'probe = "{probe}"',
                "exposure_s = 10",
            ]
        sheet += [f"{blot},{k},{quoted(c + ' ' + blot)},{quoted(c)},sample" for k, c in enumerate(CONDITIONS, 1)]
    lines += ["[[ratios]]", 'name = "pX/X"', 'numerator = "pX"', 'denominator = "X"']
    lines += ["[compare]", 'reference = "vehicle"']
    (folder / "experiment.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "samples.csv").write_text("\n".join(sheet) + "\n", encoding="utf-8")
    return read_experiment(folder / "experiment.toml")


def picture(probe, blot):
    factor = {"1": 1.0, "2": 1.3, "3": 0.8}[blot]
    wobble = {"1": (1, 1, 1), "2": (1, 1.2, 0.9), "3": (1, 0.9, 1.15)}[blot] if probe == "pX" else (1, 1, 1)
    volumes = [factor * w * v for w, v in zip(wobble, VOLUMES[probe], strict=True)]
    return make_blot(plain_spec(volumes, shape=(120, 160), targets=(probe,)), seed=int(blot) * 10 + len(probe))


def measured(experiment):
    """Band, lane and alternative tables, and the report's pieces."""
    bands, lanes, ways, pieces, record = [], [], [], [], []
    for blot in BLOTS:
        for probe in PROBES:
            made = picture(probe, blot)
            image, layout = made.image(), made.true_layout()
            place = {
                "image": f"{blot}_{probe}.tif",
                "blot": blot,
                "membrane": blot,
                "probe": probe,
                "exposure_s": 10.0,
            }
            scene = prepare_image(image, layout)
            bands.append(measure_bands(image, layout, scene=scene).assign(**place))
            lanes.append(measure_lanes(image, layout).assign(**place))
            ways.append(measure_alternatives(layout, scene).assign(**place))
            analysis = quantify(image, make_session(image, layout, settings=Settings()))
            session = f"{place['image']}.blot.json"
            known = PictureWords(samples={k: f"{c} {blot}" for k, c in enumerate(CONDITIONS, 1)})
            pieces.append(render_blot(analysis, title=place["image"], session=session, constants=place, known=known))
            record.append(
                {"session": session, "image": place["image"], "sha256": "0" * 64, "hand_edits": 0, "bands": 3,
                 "flags": []}
            )  # fmt: skip
    tables = (pd.concat(part, ignore_index=True) for part in (bands, lanes, ways))
    return (*tables, pieces, record)


def make_report(folder):
    """Write the report; returns the page's path, the tables and the experiment."""
    folder = Path(folder)
    experiment = write_files(folder)
    bands, lanes, ways, pieces, record = measured(experiment)
    ratios = normalize(experiment, bands, lanes)
    tables = {
        "bands": bands,
        "lanes": lanes,
        "ratios": ratios,
        "summary": compare(experiment, ratios),
        "sensitivity": vary_analysis(experiment, bands, lanes, ways),
    }
    tables["claims"] = claim_ranges(tables["summary"], tables["sensitivity"])
    content = Content(
        experiment=experiment, settings=Settings(), tables=tables, record=record,
        failures={"blot 9, membrane 9": "no such picture"},
    )  # fmt: skip
    page = folder / "report.html"
    write_report(page, content, pieces)
    return page, tables, experiment
